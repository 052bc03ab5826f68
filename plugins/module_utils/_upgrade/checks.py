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
from .._checks.types import Category, CheckRow, Options
from .._model import kinds as k
from .._model.intent import Intent
from .._model.problem import Problem, Severity, skip
from .._model.view import View
from . import capacity as room
from . import hazards, objects, trust
from .changes import CHANGED, DEPRECATED, REMOVED
from .fleet import READS, Fleet, fleet_of_view, with_reports
from .journey import CONCURRENCY, RolloutTerms, UpgradeAssessment, journey_of
from .route import UpgradeRequest

CATEGORY = Category("upgrade", on_request=True)
check = CATEGORY.check

__all__ = ["fleet", "journey"]

NEEDS = ("upgrade",)
# The rows below need a way: without one they would speak of nothing.
WAY = ("OSM4001",)
HOURS = 72.0
Hazard = Callable[[UpgradeAssessment], Iterable[Problem]]
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


def _found(question: Hazard, view: View, intent: Intent, options: Options) -> Iterator[Problem]:
    """What stands in the way of the upgrade that is asked for."""
    if intent.upgrade is None:
        yield skip("upgrade is not given")
        return
    yield from question(journey(view, intent))


def _removed(way: UpgradeAssessment) -> Iterator[Problem]:
    yield from objects.changes_found(way.view, way.span, (REMOVED,))
    yield from objects.compatibility(way.view, way.span)


def _changed(way: UpgradeAssessment) -> Iterator[Problem]:
    return objects.changes_found(way.view, way.span, (DEPRECATED, CHANGED))


def _filters_of_versions(way: UpgradeAssessment) -> Iterator[Problem]:
    olds = [version for row in way.workloads for version in row.versions if version] or [str(way.route.current)]
    target = way.route.target
    minor = ".".join(map(str, way.route.istio[1]))
    new = f"{minor}.0" if target.patch is None or target.major != 1 else str(target).removeprefix("v")
    return objects.filter_versions(way.view, [version.removeprefix("v") for version in olds], new)


def _filters_of_names(way: UpgradeAssessment) -> Iterator[Problem]:
    return objects.filter_names(way.view, way.span)


@check(
    "OSM4002",
    title="the target is maintained and the operator can install it",
    hint="choose a newer target; thresholds.istio_oldest, ossm3_oldest and ossm2_oldest set the limit",
    inputs=READS,
    requires=WAY,
    intent=NEEDS,
    live=False,
)
def target_maintained(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A version at its end of life stays a valid value of spec.version; the Sail operator then answers ReconcileError and installs
    nothing."""

    def find(way: UpgradeAssessment) -> Iterable[Problem]:
        return hazards.maintained(way, str(options.threshold(_OLDEST[way.route.provider])))

    return _found(find, view, intent, options)


@check(
    "OSM4023",
    title="every certificate outlives the upgrade",
    hint="renew it first: meshops.mesh.certificate_check shows what ends when, meshops.mesh.rotate_certificates changes the CA",
    inputs=tuple(dict.fromkeys((*READS, *CERTIFICATES))),
    requires=WAY,
    intent=NEEDS,
    live=False,
)
def certificates_last(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A CA or a gateway's certificate that ends in the middle makes its failures look like faults of the upgrade."""

    def find(way: UpgradeAssessment) -> Iterable[Problem]:
        hours = max(float((intent.upgrade or {}).get("hours") or HOURS), 0.0)
        return trust.ending(inventory(view, intent, options).rows(), now=view.taken_at, hours=hours)

    if IMPORT_ERROR:
        return [skip("the Python package cryptography is needed on the machine that runs the module, and is not there")]
    return _found(find, view, intent, options)


# Each row asks for what one hazard finds.
ROWS: tuple[CheckRow[Hazard], ...] = (
    CheckRow("OSM4001", "way_exists", hazards.refused, requires=("OSM1001",),
             title="there is a supported upgrade path to the target",
             hint="choose a target of the same or a later minor; go back within a minor only",
             about="No release is tested in the other direction: an older istiod drops fields of "
                   "policies that it does not know, and proxies must never be ahead of their control "
                   "plane. From OpenShift Service Mesh 2 to 3 the way is a migration, not an upgrade."),
    CheckRow("OSM4003", "kubernetes_new_enough", hazards.kubernetes, live=True,
             title="Kubernetes is new enough for the target",
             hint="upgrade the cluster first",
             about="Each minor of Istio is tested with the Kubernetes versions of its time, and its istioctl refuses older ones."),
    CheckRow("OSM4004", "gateway_api_new_enough", hazards.gateway_api, severity=Severity.WARNING, live=True,
             title="each CRD of the Gateway API is new enough for the target",
             hint="install the CRDs of that release of the Gateway API; on OpenShift 4.19 and newer they come with the cluster",
             about="From Istio 1.30 on istiod ignores kinds whose CRD is older than the one it was built for: their routes silently "
                   "stop working."),
    CheckRow("OSM4005", "skew_now", hazards.skew, live=True,
             title="each proxy and node component is within the supported skew before the upgrade",
             hint="update what is behind to the current version first: meshops.mesh.plan_upgrade with that version as the target shows how",
             about="A control plane may be one minor ahead of its proxies, and "
                   "never behind them; the next hop would leave a late one further behind."),
    CheckRow("OSM4006", "operators_lead_there", hazards.operators, live=True,
             title="each operator works, waits for approval and can reach the version that the target needs",
             hint="approve one hop at a time with meshops.mesh.install_plan, which refuses a plan that also installs other operators",
             about="An InstallPlan belongs to a namespace and installs whatever else is pending there. With Automatic "
                   "approval the operator, and with an alias as version the control plane, moves at any time."),
    CheckRow("OSM4007", "version_pinned", hazards.alias, severity=Severity.WARNING,
             title="every control plane is updated only on request",
             hint="set spec.version to a patch version, or installPlanApproval: Manual",
             about="v1.30-latest follows the operator: together with Automatic approval "
                   "a control plane is replaced whenever the catalog has a new patch."),
    CheckRow("OSM4008", "nothing_removed", _removed,
             inputs=(*READS, k.SERVICE, k.POD_DISRUPTION_BUDGET, k.GATEWAY, k.AUTHORIZATION_POLICY, k.PEER_AUTHENTICATION,
                     k.ENVOY_FILTER, k.TELEMETRY, k.BACKEND_TLS_POLICY, k.INFERENCE_POOL),
             title="no object uses what the target has removed",
             hint="change the object as the message says, before the control plane's step",
             about="Fields, annotations, variables and kinds that some version on the way does "
                   "not read any more. There is no error: they just stop having an effect."),
    CheckRow("OSM4009", "nothing_changed", _changed, severity=Severity.WARNING,
             inputs=(*READS, k.SERVICE, k.SERVICE_ENTRY, k.DESTINATION_RULE, k.TELEMETRY, k.AUTHORIZATION_POLICY),
             title="every object has the same meaning in the target version",
             hint="read the evidence's source; change the object, or keep the old behaviour for a while with compatibilityVersion",
             about="What a version on the way reads differently, and what it is the last to read."),
    CheckRow("OSM4010", "envoy_filters_apply", _filters_of_versions, inputs=(*READS, k.ENVOY_FILTER),
             title="each EnvoyFilter applies to today's proxies and to those of the target",
             hint="add a patch with the same match for the new version, and take the old one away when the last old proxy is gone",
             about="proxyVersion is a regular expression that is searched for in the version of each proxy. A patch for 1.29 only "
                   "is gone with the last old proxy, and with it a limit, a header or a filter that something depends on."),
    CheckRow("OSM4011", "envoy_filters_named", _filters_of_names, inputs=(*READS, k.ENVOY_FILTER),
             title="each EnvoyFilter names only what the target's Envoy has",
             hint="write the present name of the filter; test the patch on one workload of the new version first",
             about="An EnvoyFilter speaks to Envoy itself, whose fields are not guaranteed to stay. A filter that is gone makes a proxy "
                   "refuse its listener."),
    CheckRow("OSM4012", "policies_read", trust.dropped_fields, inputs=(*READS, k.AUTHORIZATION_POLICY, k.REQUEST_AUTHENTICATION),
             title="each policy is read in full by every istiod of the upgrade",
             hint="write principals instead of serviceAccounts and trustDomains, "
                  "or pin the policy by istio.io/rev to a revision that knows it",
             about="An older istiod drops fields that it does not know: an ALLOW with only serviceAccounts admits every caller there, "
                   "and targetRefs become the whole namespace. It counts while old and new run side by side, and on the way back."),
    CheckRow("OSM4013", "labels_lead_somewhere", hazards.nowhere, live=True,
             title="each workload's next pod is injected by a revision that exists",
             hint="set the label istio.io/rev of the namespace to a tag, or istio-injection=enabled with a revision or tag named default",
             about="A running proxy says nothing about the next one: with a label that leads nowhere "
                   "the restart makes a pod without a proxy, outside of mTLS and of every policy."),
    CheckRow("OSM4014", "labels_agree", hazards.overruled, severity=Severity.WARNING,
             title="each pod's label istio.io/rev agrees with its namespace",
             hint="take the label off the pod template, or off the namespace",
             about="The namespace wins. Workloads that were moved by the pod's label have in fact not moved."),
    CheckRow("OSM4015", "injectors_apart", hazards.overlaps, live=True,
             title="each pod will be injected by one webhook only",
             hint="keep one of the two: a tag named default beside a revision named default both answer for istio-injection=enabled",
             about="Webhooks of two revisions or tags that take the same pod (IST0139), also with "
                   "the revision that is to come: which control plane the pod connects to is left to chance."),
    CheckRow("OSM4016", "webhooks_served", hazards.stale_webhooks, inputs=(*READS, k.VALIDATING_WEBHOOK, k.SERVICE),
             title="no webhook calls an istiod that is gone or about to go",
             hint="delete the webhook configuration, or point it at the revision "
                  "that stays; with the Sail operator let a tag named default own it",
             about="A validating webhook of a removed revision fails closed: from then on no VirtualService can be written."),
    CheckRow("OSM4017", "revision_kept", hazards.pruned, providers=("ossm3", "sail"), live=True,
             title="each old revision stays as long as it may be needed",
             hint="raise updateStrategy.inactiveRevisionDeletionGracePeriodSeconds for the upgrade; label the namespace instead of the pod",
             about="A revision that no pod and no namespace refers to is pruned after 30 s by default: "
                   "workloads that are scaled to zero at night do not count, and the way back goes with it."),
    CheckRow("OSM4018", "no_dead_field", hazards.dead_field, severity=Severity.WARNING, providers=("ossm3", "sail"),
             title="no field is set that no controller reads",
             hint="take updateWorkloads out; meshops.mesh.plan_upgrade shows the waves in which workloads are restarted",
             about="updateStrategy.updateWorkloads is in the Istio CRD, but no controller reads it. Relying on it keeps old proxies for "
                   "ever."),
    CheckRow("OSM4019", "budgets_allow", hazards.budgets, inputs=(*READS, k.POD_DISRUPTION_BUDGET),
             title="every disruption budget can be met while its workload is restarted",
             hint="lower minAvailable, raise the replicas, or let the rollout add pods first (maxSurge)",
             about="A budget that keeps all pods never allows one to be evicted: "
                   "waves that honour it wait for ever, and no node can be drained."),
    CheckRow("OSM4020", "workloads_stay", hazards.replicas, severity=Severity.WARNING,
             title="every workload stays reachable while it is restarted",
             hint="run two replicas with a rolling update, or choose a maintenance window for this workload",
             about="A workload of one pod that goes before the new one comes is unavailable for that time; a gateway of one pod drops "
                   "what it holds."),
    CheckRow("OSM4021", "proxies_move", hazards.not_moved, severity=Severity.WARNING, live=True,
             title="every proxy is moved by a restart of its workload",
             hint="wait for Jobs, delete bare pods, resume paused rollouts; the old revision stays until their proxies are gone",
             about="Pods of Jobs and pods without an owner are never killed for "
                   "an upgrade: they are named here, with what has to be done."),
    CheckRow("OSM4022", "room_enough", room.capacity, inputs=(*READS, k.NODE), live=True,
             title="there is room for two control planes and for the pods that a rollout adds",
             hint="add a node, or lower the requests of istiod; restart fewer workloads at the same time",
             about="A new istiod that is Pending for want of memory stops the upgrade "
                   "in its first minute; requests against what nodes can allocate."),
    CheckRow("OSM4024", "one_root", trust.root, inputs=(*READS, k.SECRET, k.ISTIO_CSR),
             title="there is one CA for the old and the new istiod",
             hint="create cacerts in the control plane's namespace, or keep istio-ca-secret; list each revision in the IstioCSR",
             about="Two control planes of one namespace share cacerts or istio-ca-secret. Without either, "
                   "each makes a root of its own, and no proxy of the one trusts a proxy of the other."),
)  # fmt: skip

CATEGORY.table(_found, ROWS, inputs=READS, requires=WAY, intent=NEEDS, live=False)
