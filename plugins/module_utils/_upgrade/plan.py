# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The plan: steps in order, why each, how long, and the way back from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._model import kinds as k
from .._model.versions import istio_of
from .._model.view import ref
from .._text import counted, shortened
from .changes import NOTES, Note, between
from .fleet import SIDECAR, WAYPOINT, FleetWorkload
from .hazards import behind, not_moved
from .journey import UpgradeAssessment
from .planes import GRACE_DEFAULT, Tag
from .route import Hop, OperatorWay
from .rules import SKEW
from .timing import words

__all__ = ["UpgradePlan", "UpgradeStep", "plan_of"]

OPERATOR_SECONDS = 90.0  # one InstallPlan, from approval to Succeeded; assumed
NODE_SECONDS = 10.0  # one node of a DaemonSet that is replaced; assumed
KEEP = 604800  # seconds; the role upgrade's own upgrade_keep_seconds
_NAMED = 4  # objects in a line


@dataclass(frozen=True)
class UpgradeStep:
    """One thing to do, and how to undo it."""

    kind: str  # operator, proxies, grace, pin, control_plane, cni, ztunnel, gateways, managed, workloads, tag, prune, leftover
    what: str
    why: str
    back: str
    seconds: float
    playbook: str = ""
    objects: tuple[str, ...] = ()
    number: int = 0
    hop: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "hop": self.hop,
            "kind": self.kind,
            "what": self.what,
            "why": self.why,
            "back": self.back,
            "seconds": round(self.seconds, 1),
            "playbook": self.playbook,
            "objects": list(self.objects),
        }


@dataclass(frozen=True)
class UpgradePlan:
    """The whole of it."""

    journey: UpgradeAssessment
    steps: tuple[UpgradeStep, ...]
    notes: tuple[tuple[int, Note], ...] = ()  # (hop, what changes by itself)
    left: tuple[str, ...] = field(default=())  # owners whose proxies no restart moves

    @property
    def seconds(self) -> float:
        return sum(step.seconds for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """For programs; people get `text.py`."""
        route, fleet = self.journey.route, self.journey.fleet
        return {
            "control_plane": route.plane.ref,
            "namespace": route.plane.namespace,
            "provider": route.provider,
            "strategy": route.strategy,
            "ambient": route.ambient,
            "current": str(route.current),
            "target": str(route.target),
            "refusal": route.refusal,
            "seconds": round(self.seconds, 1),
            "rests_on": words(self.journey.pace),
            "rule": {"minors": route.rule.minors, "source": route.rule.source},
            "skew": [{"component": row.component, "behind": row.behind, "ahead": row.ahead, "source": row.source} for row in SKEW],
            "hops": [
                {
                    "number": hop.number,
                    "from": str(hop.old),
                    "to": hop.text,
                    "revision": hop.revision,
                    "notes": [{"text": note.text, "source": note.source} for number, note in self.notes if number == hop.number],
                }
                for hop in route.hops
            ],
            "steps": [step.to_dict() for step in self.steps],
            "not_moved": list(self.left),
            "versions": _versions(self.journey),
            "workloads": len(self.journey.workloads),
            "proxies": sum(len(row.proxies) for row in self.journey.workloads),
            "kubernetes": fleet.kubernetes,
        }


def _versions(journey: UpgradeAssessment) -> dict[str, Any]:
    """What runs now, component by component."""
    fleet, plane = journey.fleet, journey.route.plane
    proxies = Counter((proxy.version or "unknown", proxy.revision, proxy.role) for row in journey.workloads for proxy in row.proxies)
    return {
        "operators": [
            {
                "package": row.package,
                "namespace": row.namespace,
                "installed": row.installed_csv,
                "phase": row.phase,
                "channel": row.channel,
                "approval": row.approval,
                "next": row.next_csv,
                "head": row.head,
                "pending": {"plan": row.pending.name, "csvs": list(row.pending.csvs)} if row.pending else None,
            }
            for row in fleet.operators
        ],
        "control_planes": [
            {
                "kind": row.kind,
                "name": row.name,
                "namespace": row.namespace,
                "version": row.version,
                "strategy": row.strategy,
                "active_revision": row.active_revision,
            }
            for row in fleet.control_planes
        ],
        "revisions": [
            {
                "name": row.name,
                "namespace": row.namespace,
                "version": row.version,
                "control_plane": row.control_plane,
                "ready": row.ready,
                "in_use": row.in_use,
                "proxies": sum(1 for proxy in fleet.proxies if proxy.revision == row.name),
            }
            for row in fleet.revisions
        ],
        "tags": [{"name": row.name, "target": f"{row.target_kind} {row.target}", "revision": row.revision} for row in fleet.tags],
        "components": [
            {"kind": row.kind, "name": row.name, "version": row.version, "running": row.running, "nodes": row.nodes, "ready": row.ready}
            for row in fleet.components
        ],
        "proxies": [
            {"version": version, "revision": revision, "role": role, "count": count}
            for (version, revision, role), count in sorted(proxies.items())
        ],
        "crds": [{"name": row.name, "served": list(row.served), "bundle": row.bundle} for row in fleet.crds],
        "this": plane.ref,
    }


def plan_of(journey: UpgradeAssessment) -> UpgradePlan:
    """The steps of one upgrade; none where the way must not be gone."""
    left = tuple(dict.fromkeys(row.resource for row in not_moved(journey)))
    if journey.route.refusal:
        return UpgradePlan(journey, (), (), left)
    made: list[UpgradeStep] = []
    for hop in journey.route.hops:
        made += [replace(step, hop=hop.number) for step in _hop(journey, hop)]
    if not journey.route.hops:
        made += _only_proxies(journey)
    made += [replace(step, hop=len(journey.route.hops)) for step in _leftover(journey)]
    steps = tuple(replace(step, number=number) for number, step in enumerate(made, start=1))
    return UpgradePlan(journey, steps, tuple(_notes(journey)), left)


def _notes(journey: UpgradeAssessment) -> Iterator[tuple[int, Note]]:
    for hop in journey.route.hops:
        old, new = istio_of(hop.old), istio_of(hop.new)
        if old is None or new is None:
            continue
        yield from ((hop.number, note) for note in NOTES if between(old, new, note.istio) and (journey.route.ambient or not note.ambient))


def _hop(journey: UpgradeAssessment, hop: Hop) -> Iterator[UpgradeStep]:
    """One step of the control plane with all that belongs to it."""
    yield from _operators(journey, hop)
    yield from _catch_up(journey, hop)
    yield from _grace(journey, hop)
    yield from _pin(journey, hop)
    yield _control_plane(journey, hop)
    skipping = hop.skips and journey.route.revision_based
    if not skipping:
        yield from _nodes(journey, hop)
    yield from _managed(journey, hop)
    yield from _workloads(journey, hop)
    yield from _tag(journey, hop)
    yield from _gateways(journey, hop)
    if skipping:
        yield from _nodes(journey, hop)
    yield from _prune(journey, hop)


# operators


def _operators(journey: UpgradeAssessment, hop: Hop) -> Iterator[UpgradeStep]:
    way = hop.operator
    if way is not None:
        yield _operator_step(journey, hop, way)
    if hop.number != 1:
        return
    for row in journey.fleet.operators:
        if row.pending is not None and (way is None or row.package != way.operator.package):
            others = f" (with it: {', '.join(row.pending.csvs)})" if len(row.pending.csvs) > 1 else ""
            yield UpgradeStep(
                "operator",
                f"approve {row.pending.ref}: {row.package} {row.installed_csv} -> {row.next_csv}{others}",
                "each release of the mesh is tested with the observability operators of its time; a pending plan is one for all",
                "OLM goes in one direction only",
                OPERATOR_SECONDS,
                "upgrade_operators",
                (row.ref, row.pending.ref),
            )


def _operator_step(journey: UpgradeAssessment, hop: Hop, way: OperatorWay) -> UpgradeStep:
    row, line = way.operator, ".".join(map(str, way.line))
    path = " -> ".join([row.installed_csv, *way.csvs]) if way.csvs else f"{row.installed_csv} -> the newest of {line}"
    channel = f"change {row.ref} to channel {way.channel}, then " if way.channel else ""
    plans = f", approving {row.pending.name} first" if row.pending is not None else ", one InstallPlan after the other"
    goes_along = "" if not _follows(journey) else "; the control plane moves with it, as its version is an alias"
    return UpgradeStep(
        "operator",
        f"{channel}{path}{plans}",
        f"{hop.text} needs an operator of {line}; it goes on with {hop.old}{goes_along}",
        "OLM goes in one direction only: a newer operator keeps the older control plane running",
        OPERATOR_SECONDS * max(1, len(way.csvs)),
        "upgrade_operators",
        (row.ref, *((row.pending.ref,) if row.pending else ())),
    )


def _follows(journey: UpgradeAssessment) -> bool:
    plane = journey.route.plane
    return plane.version.endswith("-latest") and plane.strategy == "InPlace"


# control plane


def _catch_up(journey: UpgradeAssessment, hop: Hop) -> Iterator[UpgradeStep]:
    """Proxies that the next control plane could not serve any more are moved before it comes."""
    if hop.number != 1 or not hop.minor or journey.route.revision_based:
        return
    late = behind(journey, hop.old)
    if late:
        seconds = journey.pace.wave(late, journey.terms.concurrency)
        yield UpgradeStep(
            "proxies",
            f"restart {_count(late)} whose proxies are older than {hop.old}",
            f"istiod {hop.text} may be one minor ahead of its proxies, not two",
            "nothing to undo: they get the present version",
            seconds,
            "restart_data_plane",
            tuple(row.ref for row in late),
        )


def _grace(journey: UpgradeAssessment, hop: Hop) -> Iterator[UpgradeStep]:
    plane = journey.route.plane
    grace = GRACE_DEFAULT if plane.grace_seconds is None else plane.grace_seconds
    if journey.route.revision_based and hop.number == 1 and grace < KEEP:
        yield UpgradeStep(
            "grace",
            f"set {plane.ref} updateStrategy.inactiveRevisionDeletionGracePeriodSeconds to {KEEP}",
            f"the old revision, now pruned {grace} s after its last pod, is the way back",
            f"set it to {grace} again when the upgrade is over",
            0.0,
            "upgrade_control_plane",
            (plane.ref,),
        )


def _istiod_seconds(journey: UpgradeAssessment) -> float:
    """As long as the present istiods took, twice: image and start of the new one, then the old one goes."""
    plane = journey.route.plane
    revision = journey.fleet.revision(plane.active_revision, plane.namespace)
    return max(30.0, 2 * journey.pace.middle) if revision is None or not revision.deployment else 2 * journey.pace.middle + 10


def _pin(journey: UpgradeAssessment, hop: Hop) -> Iterator[UpgradeStep]:
    """A tag of the Istio would go along with its version, before any wave."""
    old = _revision_before(journey, hop)
    for tag in _tags(journey) if journey.route.revision_based else ():
        if tag.target_kind == k.ISTIO.kind:
            yield UpgradeStep(
                "pin",
                f"point {tag.ref} at IstioRevision {old}",
                f"it targets {journey.route.plane.ref} and would follow it at once: pods that restart by themselves would be new",
                f"point it at {journey.route.plane.ref} again",
                5.0,
                "upgrade_control_plane",
                (tag.ref,),
            )


def _tags(journey: UpgradeAssessment) -> list[Tag]:
    """Those that lead to this control plane."""
    names = journey.fleet.names_of(journey.route.plane)
    return [tag for tag in journey.fleet.tags if tag.revision in names and tag.target_kind != k.MUTATING_WEBHOOK.kind]


def _control_plane(journey: UpgradeAssessment, hop: Hop) -> UpgradeStep:
    plane, seconds = journey.route.plane, _istiod_seconds(journey)
    if plane.ossm2:
        return UpgradeStep(
            "control_plane",
            f"set {plane.ref} spec.version from {plane.version} to {hop.text}",
            "istiod and the gateways of the ServiceMeshControlPlane are replaced by its operator; sidecars stay as they are",
            f"set spec.version to {hop.old} while no sidecar is newer",
            seconds,
            "upgrade_control_plane",
            (plane.ref,),
        )
    if not journey.route.revision_based:
        jump = "one minor at a time" if hop.minor else "a patch"
        return UpgradeStep(
            "control_plane",
            f"set {plane.ref} spec.version from {hop.old} to {hop.text}",
            f"InPlace, {jump}: the one istiod is replaced, running proxies reconnect to it",
            f"set spec.version to {hop.old} while no proxy is newer",
            seconds,
            "upgrade_control_plane",
            (plane.ref,),
        )
    beside = f"revision {hop.revision} comes beside {plane.active_revision}"
    return UpgradeStep(
        "control_plane",
        f"set {plane.ref} spec.version to {hop.text}: {beside}",
        "RevisionBased: the old istiod keeps its proxies until they are restarted",
        f"set spec.version to {hop.old}; the new revision is pruned when nothing refers to it",
        seconds,
        "upgrade_control_plane",
        (plane.ref,),
    )


def _nodes(journey: UpgradeAssessment, hop: Hop) -> Iterator[UpgradeStep]:
    for row in journey.fleet.components:
        if journey.route.plane.ossm2:
            continue
        cni = row.kind == k.ISTIO_CNI.kind
        if cni and hop.skips and journey.route.revision_based:
            why = "last: over a skipped minor it must not be newer than an istiod that still serves pods"
        elif cni:
            why = "after the control plane: it may be a minor behind it. Pods that start on a node wait while its agent is replaced"
        else:
            why = "after the control plane, which may be one minor ahead of it. Connections that outlive its drain are cut, node by node"
        old = row.version if hop.number == 1 else journey.route.hops[hop.number - 2].text
        yield UpgradeStep(
            "cni" if cni else "ztunnel",
            f"set {row.ref} spec.version from {old} to {hop.text} ({row.nodes} nodes)",
            why,
            f"set spec.version to {old}, before the control plane goes back",
            NODE_SECONDS * max(1, row.nodes),
            "upgrade_control_plane",
            (row.ref,),
        )


# data plane


def _count(rows: Sequence[FleetWorkload]) -> str:
    pods = sum(row.replicas for row in rows)
    spaces = len({row.owner.namespace for row in rows})
    return f"{counted(len(rows), 'workload')} ({counted(pods, 'pod')}, {counted(spaces, 'namespace')})"


def _gateways(journey: UpgradeAssessment, hop: Hop) -> Iterator[UpgradeStep]:
    rows = [row for row in journey.restarted if row.role not in (SIDECAR, WAYPOINT)]
    if rows:
        yield UpgradeStep(
            "gateways",
            f"restart {counted(len(rows), 'gateway')}: {_names(rows)}",
            "a wave of their own at the end, with never none ready",
            _back(journey, rows, hop),
            journey.pace.wave(rows, 1) + journey.terms.pause,
            "upgrade_data_plane",
            tuple(row.ref for row in rows),
        )


def _managed(journey: UpgradeAssessment, hop: Hop) -> Iterator[UpgradeStep]:
    rows = [row for row in journey.workloads if row.managed and row.proxies]
    if not rows:
        return
    who = "its operator" if journey.route.plane.ossm2 else "istiod"
    moves = "" if journey.route.plane.ossm2 or not journey.route.revision_based else _relabel(journey, rows, hop)
    yield UpgradeStep(
        "managed",
        f"wait for {counted(len(rows), 'gateway')} and waypoints that {who} rolls: {_names(rows)}",
        f"{who} makes them anew when its version changes; nobody restarts them{moves}",
        "they follow the control plane back",
        journey.pace.wave(rows, len(rows)),
        "upgrade_control_plane",
        tuple(row.ref for row in rows),
    )


def _workloads(journey: UpgradeAssessment, hop: Hop) -> Iterator[UpgradeStep]:
    rows = [row for row in journey.restarted if row.role == SIDECAR]
    if not rows:
        return
    waves = f"in {journey.terms.waves} waves, " if journey.terms.waves > 1 else ""
    each = f"{waves}{journey.terms.concurrency} at a time"
    pause = journey.terms.pause * max(1, journey.terms.waves)
    yield UpgradeStep(
        "workloads",
        f"restart {_count(rows)}, {each}",
        f"nobody else does: a proxy keeps the version that it was started with{_relabel(journey, rows, hop)}",
        _back(journey, rows, hop),
        journey.pace.wave(rows, journey.terms.concurrency) + pause,
        "upgrade_data_plane",
        tuple(row.ref for row in rows),
    )


def _relabel(journey: UpgradeAssessment, rows: Iterable[FleetWorkload], hop: Hop) -> str:
    """Which labels have to be changed for a restart to have an effect."""
    if not journey.route.revision_based:
        return ""
    names = journey.fleet.names_of(journey.route.plane)
    tags = {tag.name for tag in journey.fleet.tags}
    found = Counter(row.follows for row in rows if row.follows in names or row.follows in tags)
    said = [
        f"their namespaces name {hop.revision} instead of the tag {word} from their wave on, until the tag has moved"
        if word in tags
        else f"{count} name revision {word}: set their label to {hop.revision}, or better to a tag"
        for word, count in sorted(found.items())
    ]
    return "".join(f"; {text}" for text in said)


def _back(journey: UpgradeAssessment, rows: Sequence[FleetWorkload], hop: Hop) -> str:
    if not journey.route.revision_based:
        return f"the control plane's version back to {hop.old} first, then a restart of the wave"
    return f"tag and labels back to {_revision_before(journey, hop)}, then a restart of the wave"


def _revision_before(journey: UpgradeAssessment, hop: Hop) -> str:
    return journey.route.plane.active_revision if hop.number == 1 else journey.route.hops[hop.number - 2].revision


def _tag(journey: UpgradeAssessment, hop: Hop) -> Iterator[UpgradeStep]:
    for tag in _tags(journey) if journey.route.revision_based else ():
        old = _revision_before(journey, hop)
        to = journey.route.plane.ref if tag.target_kind == k.ISTIO.kind else f"IstioRevision {hop.revision}"
        yield UpgradeStep(
            "tag",
            f"point {tag.ref} at {to}: from {old} to {hop.revision}",
            "after the last wave: until then what restarts by itself stays on the old one; then the namespaces get the tag back",
            f"point it at IstioRevision {old}",
            5.0,
            "upgrade_data_plane",
            (tag.ref,),
        )


def _prune(journey: UpgradeAssessment, hop: Hop) -> Iterator[UpgradeStep]:
    if not journey.route.revision_based:
        return
    old = _revision_before(journey, hop)
    if old != hop.revision:
        yield UpgradeStep(
            "prune",
            f"let IstioRevision {old} go when its last proxy has left",
            "the operator prunes it after the grace period; its webhooks and its istiod go with it",
            f"gone is gone: spec.version {hop.old} makes a revision of that name again",
            0.0,
            "upgrade_mesh",
            (ref(k.ISTIO_REVISION, old),),
        )


def _only_proxies(journey: UpgradeAssessment) -> Iterator[UpgradeStep]:
    """The control plane is where it should be; are all proxies?"""
    late = behind(journey, journey.route.target)
    patch = [row for row in journey.restarted if row not in late and _older_patch(journey, row)]
    rows = [*late, *patch]
    if rows:
        yield UpgradeStep(
            "workloads",
            f"restart {_count(rows)}, {journey.terms.concurrency} at a time",
            f"the control plane is at {journey.route.target} already, these proxies are not",
            "nothing to undo",
            journey.pace.wave(rows, journey.terms.concurrency),
            "restart_data_plane",
            tuple(row.ref for row in rows),
        )


def _older_patch(journey: UpgradeAssessment, row: FleetWorkload) -> bool:
    target = str(journey.route.target).removeprefix("v")
    return not journey.route.target.alias and any(version and version.removeprefix("v") != target for version in row.versions)


def _leftover(journey: UpgradeAssessment) -> Iterator[UpgradeStep]:
    found = list(not_moved(journey))
    if found:
        names = shortened([row.resource for row in found], _NAMED)
        yield UpgradeStep(
            "leftover",
            f"see to {counted(len(found), 'owner')} whose pods no restart moves: {names}",
            "Jobs and bare pods are never killed; while one is left its revision stays in use",
            "nothing to undo",
            0.0,
            "",
            tuple(row.resource for row in found),
        )


def _names(rows: Sequence[FleetWorkload]) -> str:
    return shortened([row.ref for row in rows], _NAMED)
