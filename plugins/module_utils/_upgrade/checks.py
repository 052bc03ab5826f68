# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM40xx: what has to hold before a mesh goes to another version. Asked by upgrade_plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from .._certificates.checks import READS as CERTIFICATES
from .._certificates.checks import inventory
from .._certificates.facts import IMPORT_ERROR
from .._checks.types import Category, Finding, Options, Severity, skip
from .._model import kinds as k
from .._model.intent import Intent
from .._model.view import View
from . import capacity as room
from . import hazards, objects, trust
from .changes import CHANGED, DEPRECATED, REMOVED
from .fleet import READS, Fleet, fleet_of_view, with_reports
from .hazard import Hazard
from .journey import CONCURRENCY, RolloutTerms, UpgradeAssessment, journey_of
from .route import UpgradeRequest

CATEGORY = Category("upgrade", on_request=True)
check = CATEGORY.check

__all__ = ["fleet", "journey"]

NEEDS = ("upgrade",)
# The rows below need a way: without one they would speak of nothing.
WAY = ("OSM4001",)
HOURS = 72.0
_OLDEST = {"ossm2": "ossm2_oldest", "ossm3": "ossm3_oldest", "sail": "istio_oldest"}


def fleet(view: View, reports: Mapping[tuple[str, str], str] = MappingProxyType({})) -> Fleet:
    """All proxies of a source, made once for each view. reports: what proxies answered of their version, by (namespace, pod); who asks
    first gives them."""

    def made() -> Fleet:
        found = fleet_of_view(view)
        return with_reports(found, reports) if reports else found

    return view.memo("upgrade.fleet", None, made)


def journey(view: View, intent: Intent) -> UpgradeAssessment:
    """The upgrade that is asked for; made once for each view and wish, also where the provider is known only after it."""
    return view.memo("upgrade.journey", intent.upgrade, lambda: _journey(view, intent))


def _journey(view: View, intent: Intent) -> UpgradeAssessment:
    wanted = intent.upgrade or {}
    wish = UpgradeRequest(
        str(wanted.get("version") or ""), intent.name, intent.namespace, intent.provider or "", wanted.get("strategy") or ""
    )
    terms = RolloutTerms(
        concurrency=int(wanted.get("concurrency") or CONCURRENCY),
        per_minute=wanted.get("per_minute"),
        pause=float(wanted.get("pause") or 0),
        waves=int(wanted.get("waves") or 1),
    )
    return journey_of(view, fleet(view), wish, terms)


def _found(view: View, intent: Intent, find: Callable[[UpgradeAssessment], Iterable[Hazard]]) -> Iterator[Finding]:
    if intent.upgrade is None:
        yield skip("upgrade is not given")
        return
    for row in find(journey(view, intent)):
        if row.skipped:
            yield skip(row.message)
        else:
            severity = Severity.WARNING if row.warning else None
            yield Finding(row.resource, row.message, severity=severity, hint=row.hint, evidence=dict(row.evidence))


@check(
    "OSM4001",
    title="there is a supported way to the target",
    hint="choose a target of the same or a later minor; go back within a minor only",
    inputs=READS,
    intent=NEEDS,
    live=False,
)
def way_exists(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """No release is tested in the other direction: an older istiod drops fields of policies that it does not know, and proxies must never
    be ahead of their control plane. From OpenShift Service Mesh 2 to 3 the way is a migration, not an upgrade."""
    return _found(view, intent, hazards.refused)


@check(
    "OSM4002",
    title="there is a maintained target that the operator can install",
    hint="choose a newer target; thresholds.istio_oldest, ossm3_oldest and ossm2_oldest set the limit",
    inputs=READS,
    requires=WAY,
    intent=NEEDS,
    live=False,
)
def target_maintained(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A version at its end of life stays a valid word in spec.version; the Sail operator then answers ReconcileError and installs
    nothing."""

    def find(way: UpgradeAssessment) -> Iterable[Hazard]:
        return hazards.maintained(way, str(options.threshold(_OLDEST[way.route.provider])))

    return _found(view, intent, find)


@check(
    "OSM4003",
    title="there is a Kubernetes that is new enough for the target",
    hint="upgrade the cluster first",
    inputs=READS,
    requires=WAY,
    intent=NEEDS,
)
def kubernetes_new_enough(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Each minor of Istio is tested with the Kubernetes versions of its time, and its istioctl refuses older ones."""
    return _found(view, intent, hazards.kubernetes)


@check(
    "OSM4004",
    title="each CRD of the Gateway API is new enough for the target",
    hint="install the CRDs of that release of the Gateway API; on OpenShift 4.19 and newer they come with the cluster",
    severity=Severity.WARNING,
    inputs=READS,
    requires=WAY,
    intent=NEEDS,
)
def gateway_api_new_enough(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """From Istio 1.30 on istiod leaves kinds alone whose CRD is older than it was written for: their routes stop without a word."""
    return _found(view, intent, hazards.gateway_api)


@check(
    "OSM4005",
    title="each proxy and node component is within the supported skew before the upgrade",
    hint="bring what is behind to the present version first: meshops.mesh.plan_upgrade with that version as the target shows how",
    inputs=READS,
    requires=WAY,
    intent=NEEDS,
)
def skew_now(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A control plane may be one minor ahead of its proxies, and never behind them; the next hop would make a late one later."""
    return _found(view, intent, hazards.skew)


@check(
    "OSM4006",
    title="each operator works, waits for approval and has a way to what the target needs",
    hint="approve one hop at a time with meshops.mesh.install_plan, which refuses a plan that carries strangers",
    inputs=READS,
    requires=WAY,
    intent=NEEDS,
)
def operators_lead_there(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """An InstallPlan belongs to a namespace and installs whatever else is pending there. With Automatic approval the operator, and with
    an alias as version the control plane, moves at any time."""
    return _found(view, intent, hazards.operators)


@check(
    "OSM4007",
    title="every control plane moves only when it is told to",
    hint="set spec.version to a patch version, or installPlanApproval: Manual",
    severity=Severity.WARNING,
    inputs=READS,
    requires=WAY,
    intent=NEEDS,
    live=False,
)
def version_pinned(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """v1.30-latest follows the operator: together with Automatic approval a control plane is replaced whenever the catalog has a new
    patch."""
    return _found(view, intent, hazards.alias)


@check(
    "OSM4008",
    title="no object uses what the target has removed",
    hint="change the object as the message says, before the control plane's step",
    inputs=(
        *READS,
        k.SERVICE,
        k.POD_DISRUPTION_BUDGET,
        k.GATEWAY,
        k.AUTHORIZATION_POLICY,
        k.PEER_AUTHENTICATION,
        k.ENVOY_FILTER,
        k.TELEMETRY,
        k.BACKEND_TLS_POLICY,
        k.INFERENCE_POOL,
    ),
    requires=WAY,
    intent=NEEDS,
    live=False,
)
def nothing_removed(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Fields, annotations, variables and kinds that some version on the way does not read any more. It does not complain: what they did
    just does not happen."""

    def find(way: UpgradeAssessment) -> Iterator[Hazard]:
        yield from objects.changes_found(view, way.span, (REMOVED,))
        yield from objects.compatibility(view, way.span)

    return _found(view, intent, find)


@check(
    "OSM4009",
    title="every object means the same at the target",
    hint="read the evidence's source; change the object, or keep the old behaviour for a while with compatibilityVersion",
    severity=Severity.WARNING,
    inputs=(*READS, k.SERVICE, k.SERVICE_ENTRY, k.DESTINATION_RULE, k.TELEMETRY, k.AUTHORIZATION_POLICY),
    requires=WAY,
    intent=NEEDS,
    live=False,
)
def nothing_changed(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """What a version on the way reads differently, and what it reads for the last time."""
    return _found(view, intent, lambda way: objects.changes_found(view, way.span, (DEPRECATED, CHANGED)))


@check(
    "OSM4010",
    title="each EnvoyFilter is for the proxies of the target as for those of today",
    hint="add a patch with the same match for the new version, and take the old one away when the last old proxy is gone",
    inputs=(*READS, k.ENVOY_FILTER),
    requires=WAY,
    intent=NEEDS,
    live=False,
)
def envoy_filters_apply(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """proxyVersion is an expression that is searched in the version of each proxy. A patch for 1.29 only is gone with the last old proxy,
    and with it a limit, a header or a filter that somebody counts on."""

    def find(way: UpgradeAssessment) -> Iterable[Hazard]:
        olds = [version for row in way.workloads for version in row.versions if version] or [str(way.route.current)]
        target = way.route.target
        minor = ".".join(map(str, way.route.istio[1]))
        new = f"{minor}.0" if target.patch is None or target.major != 1 else str(target).removeprefix("v")
        return objects.filter_versions(view, [_istio_version(version) for version in olds], new)

    return _found(view, intent, find)


def _istio_version(text: str) -> str:
    return text.removeprefix("v")


@check(
    "OSM4011",
    title="each EnvoyFilter names only what the target's Envoy has",
    hint="write the present name of the filter; test the patch on one workload of the new version first",
    inputs=(*READS, k.ENVOY_FILTER),
    requires=WAY,
    intent=NEEDS,
    live=False,
)
def envoy_filters_named(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """An EnvoyFilter speaks to Envoy itself, of which no field is promised to stay. A filter that is gone makes a proxy refuse its
    listener."""
    return _found(view, intent, lambda way: objects.filter_names(view, way.span))


@check(
    "OSM4012",
    title="each policy is read in full by every istiod of the upgrade",
    hint="write principals instead of serviceAccounts and trustDomains, or pin the policy by istio.io/rev to a revision that knows it",
    inputs=(*READS, k.AUTHORIZATION_POLICY, k.REQUEST_AUTHENTICATION),
    requires=WAY,
    intent=NEEDS,
    live=False,
)
def policies_read(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """An older istiod drops fields that it does not know: an ALLOW with serviceAccounts only lets everybody in there, and targetRefs
    become the whole namespace. It counts while old and new run side by side, and on the way back."""
    return _found(view, intent, trust.dropped_fields)


@check(
    "OSM4013",
    title="each workload's next pod is injected by a revision that exists",
    hint="set the label istio.io/rev of the namespace to a tag, or istio-injection=enabled with a revision or tag named default",
    inputs=READS,
    requires=WAY,
    intent=NEEDS,
)
def labels_lead_somewhere(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A running proxy says nothing about the next one: with a label that leads nowhere the restart makes a pod without a proxy, outside
    of mTLS and of every policy."""
    return _found(view, intent, hazards.nowhere)


@check(
    "OSM4014",
    title="each pod's label istio.io/rev agrees with its namespace",
    hint="take the label off the pod template, or off the namespace",
    severity=Severity.WARNING,
    inputs=READS,
    requires=WAY,
    intent=NEEDS,
    live=False,
)
def labels_agree(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """The namespace wins. Who moves workloads by the pod's label believes that they have moved, and they have not."""
    return _found(view, intent, hazards.overruled)


@check(
    "OSM4015",
    title="each pod will be taken by one injector only",
    hint="keep one of the two: a tag named default beside a revision named default both answer for istio-injection=enabled",
    inputs=READS,
    requires=WAY,
    intent=NEEDS,
)
def injectors_apart(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Webhooks of two revisions or tags that take the same pod (IST0139), also with the revision that is to come: chance decides which
    control plane the pod ends at."""
    return _found(view, intent, hazards.overlaps)


@check(
    "OSM4016",
    title="no webhook calls an istiod that is gone or about to go",
    hint="delete the webhook configuration, or point it at the revision that stays; with the Sail operator let a tag named default own it",
    inputs=(*READS, k.VALIDATING_WEBHOOK, k.SERVICE),
    requires=WAY,
    intent=NEEDS,
    live=False,
)
def webhooks_served(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A validating webhook of a removed revision fails closed: from then on nobody can write a VirtualService."""
    return _found(view, intent, hazards.stale_webhooks)


@check(
    "OSM4017",
    title="each old revision stays until nobody can need it",
    hint="raise updateStrategy.inactiveRevisionDeletionGracePeriodSeconds for the upgrade; label the namespace instead of the pod",
    inputs=READS,
    requires=WAY,
    intent=NEEDS,
    providers=("ossm3", "sail"),
)
def revision_kept(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A revision that no pod and no namespace refers to is pruned after 30 s by default: workloads that are scaled to zero at night do
    not count, and the way back goes with it."""
    return _found(view, intent, hazards.pruned)


@check(
    "OSM4018",
    title="no field promises what nobody does",
    hint="take updateWorkloads out; meshops.mesh.plan_upgrade shows the waves in which workloads are restarted",
    severity=Severity.WARNING,
    inputs=READS,
    requires=WAY,
    intent=NEEDS,
    providers=("ossm3", "sail"),
    live=False,
)
def no_dead_field(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """updateStrategy.updateWorkloads is in the Istio CRD and is read by no controller. Who relies on it keeps old proxies for ever."""
    return _found(view, intent, hazards.dead_field)


@check(
    "OSM4019",
    title="every disruption budget can be met while its workload is restarted",
    hint="lower minAvailable, raise the replicas, or let the rollout add pods first (maxSurge)",
    inputs=(*READS, k.POD_DISRUPTION_BUDGET),
    requires=WAY,
    intent=NEEDS,
    live=False,
)
def budgets_allow(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A budget that keeps all pods never allows to take one away: waves that honour it wait for ever, and no node can be drained."""
    return _found(view, intent, hazards.budgets)


@check(
    "OSM4020",
    title="every workload stays reachable while it is restarted",
    hint="run two replicas with a rolling update, or choose a maintenance window for this workload",
    severity=Severity.WARNING,
    inputs=READS,
    requires=WAY,
    intent=NEEDS,
    live=False,
)
def workloads_stay(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A workload of one pod that goes before the new one comes is away for that time; a gateway of one pod drops what it holds."""
    return _found(view, intent, hazards.replicas)


@check(
    "OSM4021",
    title="every proxy is moved by a restart of its workload",
    hint="wait for Jobs, delete bare pods, resume paused rollouts; the old revision stays until their proxies are gone",
    severity=Severity.WARNING,
    inputs=READS,
    requires=WAY,
    intent=NEEDS,
)
def proxies_move(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Pods of Jobs and pods without an owner are never killed for an upgrade: they are named here, with what has to be done."""
    return _found(view, intent, hazards.not_moved)


@check(
    "OSM4022",
    title="there is room for two control planes and for the pods that a rollout adds",
    hint="add a node, or lower the requests of istiod; restart fewer workloads at the same time",
    inputs=(*READS, k.NODE),
    requires=WAY,
    intent=NEEDS,
)
def room_enough(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A new istiod that is Pending for want of memory stops the upgrade in its first minute; requests against what nodes can allocate."""
    return _found(view, intent, room.capacity)


@check(
    "OSM4023",
    title="every certificate outlives the upgrade",
    hint="renew it first: meshops.mesh.certificate_check shows what ends when, meshops.mesh.rotate_certificates changes the CA",
    inputs=tuple(dict.fromkeys((*READS, *CERTIFICATES))),
    requires=WAY,
    intent=NEEDS,
    live=False,
)
def certificates_last(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """A CA or a gateway's certificate that ends in the middle makes each fault look like one of the upgrade."""

    def find(way: UpgradeAssessment) -> Iterable[Hazard]:
        hours = max(float((intent.upgrade or {}).get("hours") or HOURS), 0.0)
        return trust.ending(inventory(view, intent, options).rows(), now=view.taken_at, hours=hours)

    if IMPORT_ERROR:
        return [skip("the Python package cryptography is needed on the machine that runs the module, and is not there")]
    return _found(view, intent, find)


@check(
    "OSM4024",
    title="there is one CA for the old and the new istiod",
    hint="create cacerts in the control plane's namespace, or keep istio-ca-secret; list each revision in the IstioCSR",
    inputs=(*READS, k.SECRET, k.ISTIO_CSR),
    requires=WAY,
    intent=NEEDS,
    live=False,
)
def one_root(view: View, intent: Intent, options: Options) -> Iterable[Finding]:
    """Two control planes of one namespace share cacerts or istio-ca-secret. Without either, each makes a root of its own, and no proxy of
    the one trusts a proxy of the other."""
    return _found(view, intent, trust.root)
