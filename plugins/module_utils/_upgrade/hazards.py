# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What stands against an upgrade in versions, operators, revisions, webhooks and workloads."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .._model import kinds as k
from .._model.injection import injected_by, injectors
from .._model.problem import Problem, skip, warning
from .._model.selectors import matches
from .._model.versions import Version, parse
from .._model.view import Obj, ref
from .._olm.checks import CSV_NAMES, MESH_PACKAGES
from .._text import counted
from .fleet import GATEWAY, SIDECAR, WAYPOINT, FleetWorkload
from .journey import UpgradeAssessment
from .planes import GRACE_DEFAULT, Operator
from .rules import GATEWAY_API, distance, kubernetes_for, skew_for
from .timing import duration

__all__ = [
    "alias",
    "budgets",
    "dead_field",
    "gateway_api",
    "kubernetes",
    "maintained",
    "not_moved",
    "nowhere",
    "operators",
    "overlaps",
    "overruled",
    "pruned",
    "refused",
    "replicas",
    "skew",
    "stale_webhooks",
]


# versions


def refused(journey: UpgradeAssessment) -> Iterator[Problem]:
    """A way that must not be gone."""
    if journey.route.refusal:
        yield Problem(journey.route.plane.ref, journey.route.refusal)


def maintained(journey: UpgradeAssessment, oldest: str) -> Iterator[Problem]:
    """A target that gets no fixes any more, or that the operator does not have."""
    route, limit = journey.route, parse(oldest)
    if limit is not None and route.target.line < limit.line:
        yield Problem(route.plane.ref, f"target {route.target} is older than {oldest}, the oldest version that is maintained")
    offered = [version for version in map(parse, journey.fleet.offered) if version is not None]
    moved = any(hop.operator is not None for hop in route.hops)
    if not offered or moved or route.plane.ossm2:
        return
    same = [version for version in offered if version.line == route.target.line]
    if not same or (not route.target.alias and route.target not in same):
        there = ", ".join(str(version) for version in sorted(offered))
        yield Problem(route.plane.ref, f"the operator has no images of {route.target}; it has {there}")


def kubernetes(journey: UpgradeAssessment) -> Iterator[Problem]:
    """An API server that is too old for a version on the way."""
    found, least = parse(journey.fleet.kubernetes), kubernetes_for(journey.route.istio[1])
    if not journey.fleet.kubernetes or found is None:
        yield skip("the source does not say which version the API server has")
    elif least is not None and found.line < (1, least):
        target = ".".join(map(str, journey.route.istio[1]))
        yield Problem("cluster", f"Kubernetes is {found.line[0]}.{found.line[1]}, Istio {target} needs 1.{least} or newer")


def gateway_api(journey: UpgradeAssessment) -> Iterator[Problem]:
    """CRDs of the Gateway API that the target would not use."""
    crds = {row.name: row for row in journey.fleet.crds}
    for since, name, least in GATEWAY_API:
        crd = crds.get(name)
        if crd is None or since > journey.route.istio[1] or not crd.bundle:
            continue
        bundle, wanted = parse(crd.bundle), parse(least)
        if bundle is not None and wanted is not None and bundle < wanted:
            where = f"CustomResourceDefinition {name}"
            yield Problem(where, f"its bundle is {crd.bundle}, Istio {since[0]}.{since[1]} reads this kind from {least} on")


def alias(journey: UpgradeAssessment) -> Iterator[Problem]:
    """A version that moves by itself when the operator does."""
    plane = journey.route.plane
    if not any(row.approval == "Automatic" for row in _meshs_own(journey)):
        return
    if plane.version.endswith("-latest"):
        yield Problem(plane.ref, f"spec.version is {plane.version} and its operator updates itself: the control plane moves unplanned")
    for row in journey.fleet.components:
        if row.version.endswith("-latest"):
            yield Problem(row.ref, f"spec.version is {row.version} and its operator updates itself: it moves unplanned on every node")


def skew(journey: UpgradeAssessment) -> Iterator[Problem]:
    """Proxies and node components that are out of what is supported, now, before anything is done."""
    yield from _proxy_skew(journey)
    provider, current = journey.route.provider, journey.route.current
    for component in journey.fleet.components:
        version = parse(component.running) or parse(component.version)
        if version is None or journey.route.plane.ossm2:
            continue
        rule, ahead = skew_for(component.kind), distance(provider, current, version)
        if ahead > rule.ahead or -ahead > rule.behind:
            said = f"its version is {version}, the control plane's is {current}"
            yield Problem(component.ref, f"{said}; at most {rule.behind} behind and {rule.ahead} ahead", evidence={"source": rule.source})


def _proxy_skew(journey: UpgradeAssessment) -> Iterator[Problem]:
    rule, unknown = skew_for("proxy"), 0
    serving = {row.name: parse(row.version) for row in journey.fleet.revisions_of(journey.route.plane)}
    for workload in journey.workloads:
        late: Counter[tuple[str, str]] = Counter()
        for proxy in workload.proxies:
            version = parse(proxy.version)
            istiod = serving.get(proxy.revision) or journey.route.current
            if version is None:
                unknown += 1
                continue
            ahead = distance(journey.route.provider, istiod, version) if version.major == istiod.major else 0
            if ahead > rule.ahead or -ahead > rule.behind:
                late[str(version), str(istiod)] += 1
        for (old, new), count in sorted(late.items()):
            proxies = counted(count, "proxy", "proxies")
            message = f"{proxies} of version {old}, of an istiod of {new}; at most {rule.behind} minor behind, never ahead"
            yield Problem(workload.ref, message, evidence={"source": rule.source})
    if unknown:
        yield warning(
            "",
            f"the version of {counted(unknown, 'proxy', 'proxies')} is not known: the images have digests, and nothing says whose",
            "set proxies: true, so that each proxy is asked",
        )


# operators


def _meshs_own(journey: UpgradeAssessment) -> list[Operator]:
    words = ("servicemesh", "sailoperator")
    return [row for row in journey.fleet.operators if row.package.startswith(words)]


def operators(journey: UpgradeAssessment) -> Iterator[Problem]:
    """Operators that do not work, that move by themselves, whose plan brings others along, whose channel ends before the target."""
    for row in journey.fleet.operators:
        if row.installed_csv and row.phase != "Succeeded":
            where = ref(k.CSV, row.installed_csv, row.namespace)
            said = f"its phase is {row.phase or 'not known'}, not Succeeded: OLM goes no further"
            yield Problem(where, said) if row.phase else warning(where, said)
        if row.pending is not None:
            strangers = [csv for csv in row.pending.csvs if not _of_mesh(csv)]
            if strangers:
                yield warning(row.pending.ref, f"its approval installs {', '.join(strangers)} as well")
    for row in _meshs_own(journey):
        if row.approval != "Manual":
            yield warning(row.ref, "installPlanApproval is Automatic: the operator is updated at a time that no one chose")
    for hop in journey.route.hops:
        way = hop.operator
        if way is None:
            continue
        line = ".".join(map(str, way.line))
        if way.channel:
            there = f"channel {way.operator.channel} ends at {way.operator.head}, {hop.text} needs an operator of {line}"
            yield warning(way.operator.ref, f"{there}: change to channel {way.channel}")
        elif not way.csvs:
            text = f"{hop.text} needs an operator of {line}, and the source knows no version after {way.operator.installed_csv}"
            yield warning(way.operator.ref, text, "look into the catalog: oc get packagemanifest")


def _of_mesh(csv: str) -> bool:
    return csv.partition(".")[0] in MESH_PACKAGES | CSV_NAMES


# labels, webhooks, revisions


def nowhere(journey: UpgradeAssessment) -> Iterator[Problem]:
    """Workloads whose next pod would get no proxy, although their pods have one now."""
    for row in journey.workloads:
        if row.proxies and row.restartable and not row.next_revision:
            word = f"{row.follows} is neither a revision nor a tag" if row.follows else "no label asks for injection any more"
            yield Problem(row.ref, f"a restart takes the proxy from {counted(len(row.proxies), 'pod')}: {word}")
    seen = set()
    for row in journey.fleet.workloads:
        if row.follows and not row.next_revision and not row.proxies and (row.owner.namespace, row.follows) not in seen:
            seen.add((row.owner.namespace, row.follows))
            message = f"istio.io/rev is {row.follows}, which is neither a revision nor a tag: its pods start without a proxy"
            yield warning(ref(k.NAMESPACE, row.owner.namespace), message)


def overruled(journey: UpgradeAssessment) -> Iterator[Problem]:
    """Labels of pods that do not count, because their namespace says something else."""
    for row in journey.workloads:
        if row.overruled:
            yield Problem(row.ref, f"its pods' label istio.io/rev={row.overruled} has no effect: the namespace says {row.follows}")


def overlaps(journey: UpgradeAssessment) -> Iterator[Problem]:
    """Namespaces whose pods two webhooks take, now or with the revision that is to come (IST0139)."""
    configurations = list(injectors(journey.view))
    coming = sorted({hop.revision for hop in journey.route.hops if hop.minor or journey.route.revision_based})
    new = [_webhook_of(name) for name in coming if journey.route.revision_based and journey.fleet.revision(name) is None]
    for namespace in journey.view.of(k.NAMESPACE):
        labels: dict[tuple[tuple[str, str], ...], str] = {(): "a new pod"}
        for row in journey.workloads:
            if row.owner.namespace == namespace.name:
                labels.setdefault(tuple(sorted(row.labels.items())), row.ref)
        told: set[str] = set()
        for pairs, example in labels.items():
            takers = sorted(row.name for row in injected_by([*configurations, *new], namespace, dict(pairs)))
            names = ", ".join(takers)
            if len(takers) > 1 and names not in told:
                told.add(names)
                yield Problem(namespace.ref, f"{example} is taken by more than one injector: {names}")


def _webhook_of(revision: str) -> Obj:
    """The injector that a revision will bring: by the namespace's label, or by the pod's where the namespace has none."""
    none = [{"key": key, "operator": "DoesNotExist"} for key in ("istio.io/rev", "istio-injection")]
    chosen = [{"key": "istio.io/rev", "operator": "In", "values": [revision]}]
    wanted = [{"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]}]
    hooks = [
        {"namespaceSelector": {"matchExpressions": [*chosen, none[1]]}, "objectSelector": {"matchExpressions": wanted}},
        {"namespaceSelector": {"matchExpressions": none}, "objectSelector": {"matchExpressions": [*wanted, *chosen]}},
    ]
    raw = {"metadata": {"name": f"istio-sidecar-injector-{revision} (to come)"}, "webhooks": hooks}
    return Obj.from_dict(k.MUTATING_WEBHOOK, raw)


def stale_webhooks(journey: UpgradeAssessment) -> Iterator[Problem]:
    """Webhooks that call an istiod that is gone, or that will be and whose operator does not take them along."""
    names = {f"istiod-{name}": name for name in journey.leaving}
    for row in journey.view.of(k.VALIDATING_WEBHOOK) + journey.view.of(k.MUTATING_WEBHOOK):
        owners = {owner.get("kind") for owner in row.items("metadata", "ownerReferences")}
        for service in _services(row):
            name, namespace = str(service.get("name", "")), str(service.get("namespace", ""))
            if not name.startswith("istiod"):
                continue
            effect = "all writes of Istio's objects fail" if row.kind == k.VALIDATING_WEBHOOK else "no pod starts where it applies"
            if journey.view.source != "manifests" and journey.view.get(k.SERVICE, name, namespace) is None:
                yield Problem(row.ref, f"it calls {ref(k.SERVICE, name, namespace)}, which does not exist: {effect}")
            elif name in names and not owners & {k.ISTIO_REVISION.kind, k.ISTIO_REVISION_TAG.kind}:
                message = f"it calls istiod of revision {names[name]}, which goes, and no operator owns it: then {effect}"
                yield Problem(row.ref, message)


def _services(row: Obj) -> list[Mapping[str, Any]]:
    found = {}
    for hook in row.items("webhooks"):
        service = (hook.get("clientConfig") or {}).get("service")
        if service:
            found[service.get("name"), service.get("namespace")] = service
    return list(found.values())


def pruned(journey: UpgradeAssessment) -> Iterator[Problem]:
    """What the operator would take away under somebody: an unused revision goes after its grace period, with its webhooks."""
    plane, leaving = journey.route.plane, journey.leaving
    if not leaving:
        return
    grace = GRACE_DEFAULT if plane.grace_seconds is None else plane.grace_seconds
    longest = journey.pace.wave(journey.restarted, journey.terms.concurrency) + journey.terms.pause * journey.terms.waves
    if grace < max(longest, 3600):
        yield warning(
            plane.ref,
            f"inactiveRevisionDeletionGracePeriodSeconds is {grace}: when the last pod has left, the way back to "
            f"{', '.join(sorted(leaving))} is gone after {duration(grace)}",
            f"set it to {max(604800, math.ceil(longest))} for the time of the upgrade",
        )
    for row in journey.fleet.workloads:
        if row.next_revision in leaving and row.follows in leaving and not row.proxies and _by_pod_label(journey, row):
            message = f"it has no pod now, and only its own label names revision {row.follows}"
            yield Problem(row.ref, f"{message}: with that revision gone its pods start without a proxy")


def _by_pod_label(journey: UpgradeAssessment, row: FleetWorkload) -> bool:
    """Labels of namespaces keep a revision, those of pods only while there is a pod."""
    namespace = journey.view.get(k.NAMESPACE, row.owner.namespace)
    return namespace is None or not (namespace.labels.get("istio.io/rev") or namespace.labels.get("istio-injection") == "enabled")


def dead_field(journey: UpgradeAssessment) -> Iterator[Problem]:
    """updateWorkloads promises what no operator does."""
    if journey.route.plane.update_workloads:
        yield Problem(journey.route.plane.ref, "updateStrategy.updateWorkloads is read by no operator: workloads are not restarted")


# workloads


def budgets(journey: UpgradeAssessment) -> Iterator[Problem]:
    """Disruption budgets under which nothing can be moved: as an error where a restart has to go below them."""
    spaces: dict[str, list[FleetWorkload]] = {}
    for row in journey.restarted:
        if row.owner.kind != k.DAEMON_SET.kind or row.role == GATEWAY:  # nobody asks one before a pod of a DaemonSet goes
            spaces.setdefault(row.owner.namespace, []).append(row)
    for budget in journey.view.of(k.POD_DISRUPTION_BUDGET):
        for row in spaces.get(budget.namespace, ()):
            if not matches(budget.at("spec", "selector"), row.labels) or row.replicas < 1:
                continue
            if budget.at("spec", "selector") is None or kept(budget, row.replicas) < row.replicas:
                continue
            surges = row.owner.kind == k.DEPLOYMENT.kind and row.strategy == "RollingUpdate" and row.max_surge not in ("0", "0%")
            effect = "no node can be drained, though a restart adds a pod first" if surges else "a restart has to take one away"
            text = f"it keeps {counted(row.replicas, 'pod')} of {row.ref}, which is all: {effect}"
            yield warning(budget.ref, text) if surges else Problem(budget.ref, text)


def kept(budget: Obj, replicas: int) -> int:
    """How many of so many a budget keeps; shares are rounded up, as its controller does."""
    least, most = budget.at("spec", "minAvailable"), budget.at("spec", "maxUnavailable")
    if least is None and most is None:
        return 0
    text = str(most if least is None else least)
    share = text.removesuffix("%")
    if not share.isdigit():
        return 0
    count = math.ceil(replicas * int(share) / 100) if text.endswith("%") else int(share)
    return replicas - count if least is None else count


def replicas(journey: UpgradeAssessment) -> Iterator[Problem]:
    """Workloads that are away while they are restarted."""
    for row in journey.restarted:
        if row.owner.kind == k.DAEMON_SET.kind or row.replicas == 0:
            continue
        word = "gateway" if row.role not in (SIDECAR, WAYPOINT) else "workload"
        if row.strategy == "Recreate":
            yield Problem(row.ref, f"strategy Recreate: the {word} is away while {counted(row.replicas, 'pod')} of it start anew")
        elif row.replicas == 1 and (row.owner.kind == k.STATEFUL_SET.kind or row.max_surge in ("0", "0%")):
            yield Problem(
                row.ref, f"its only pod goes before the new one comes: the {word} is away for about {duration(journey.pace.rollout(row))}"
            )
        elif row.replicas == 1 and word == "gateway":
            yield Problem(row.ref, "a gateway of one pod: connections that it holds end when it goes")


def not_moved(journey: UpgradeAssessment) -> Iterator[Problem]:
    """Proxies that no restart moves: who owns their pods, and what to do."""
    words: dict[str, Callable[[FleetWorkload], str]] = {
        k.POD.kind: lambda row: "no controller recreates this pod; delete and create it yourself",
        k.JOB.kind: lambda row: "it ends with its old proxy",
        k.CRON_JOB.kind: lambda row: "its next run has the new proxy",
    }
    for row in journey.workloads:
        if not row.proxies or row.managed:
            continue
        if not row.owner.restartable:
            said = words.get(row.owner.kind, lambda row: f"a {row.owner.kind} is restarted by its own controller's means")(row)
            yield Problem(row.ref, f"{counted(len(row.proxies), 'proxy', 'proxies')}: {said}")
        elif row.strategy == "OnDelete":
            yield Problem(row.ref, f"updateStrategy OnDelete: no pod of its {len(row.proxies)} is recreated before somebody deletes it")
        elif row.paused:
            yield Problem(row.ref, "its rollout is paused: a restart has no effect until it is resumed")


def behind(journey: UpgradeAssessment, version: Version) -> list[FleetWorkload]:
    """Workloads with a proxy older than this minor."""
    found = []
    for row in journey.restarted:
        versions = [found for found in map(parse, row.versions) if found is not None and found.major == version.major]
        if any(old.line < version.line for old in versions):
            found.append(row)
    return found
