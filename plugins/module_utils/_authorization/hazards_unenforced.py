# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Policies, and parts of them, that nobody enforces as they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from .._model.problem import Problem, Severity
from .._text import counted
from .analysis import PolicyAnalysis, ref_of
from .attachment import GATEWAY_NAME, selected, unread, why_not
from .doors import EnforcementPoint
from .inventory import Workload
from .model import TCP, AuthorizationPolicy, PolicyFinding
from .wording import names

__all__ = [
    "admission",
    "allow_rules_left_out",
    "authorizers",
    "deny_conditions_dropped",
    "dropped_fields",
    "dry_runs",
    "past_proxies",
    "statuses",
    "unattached",
]

_ACCEPTED = ("ZtunnelAccepted", "WaypointAccepted")
_IN_PART = ("UnsupportedValue", "PartiallyInvalid")
_SHOWN = 5


def admission(analysis: PolicyAnalysis) -> Iterator[Problem]:
    return _told(analysis, ("rejected", "unreadable"))


def dropped_fields(analysis: PolicyAnalysis) -> Iterator[Problem]:
    return _told(analysis, ("dropped",))


def _told(analysis: PolicyAnalysis, effects: tuple[str, ...]) -> Iterator[Problem]:
    for finding in dict.fromkeys(finding for world in analysis.worlds for finding in world.findings):
        if finding.effect in effects:
            yield Problem(finding.resource, f"{finding.where + ': ' if finding.where else ''}{finding.message}")


def allow_rules_left_out(analysis: PolicyAnalysis) -> Iterator[Problem]:
    yield from _translated(analysis, "ALLOW", "ignored")


def deny_conditions_dropped(analysis: PolicyAnalysis) -> Iterator[Problem]:
    yield from _translated(analysis, "DENY", "dropped")
    yield from _translated(analysis, "DENY", "ignored")


def _translated(analysis: PolicyAnalysis, action: str, effect: str) -> Iterator[Problem]:
    """What enforcers make of a policy otherwise than it is written, with the places where they do."""
    found: dict[tuple[str, str], list[str]] = {}
    for policy in analysis.policies:
        if policy.action != action:
            continue
        for place, door in analysis.at.get(id(policy), ()):
            chain = door.chain
            for finding in analysis.world.of(chain.mesh).policies.compiled(policy, chain.protocol, chain.kind).findings:
                if finding.effect == effect and _concerns(analysis, policy, finding, door):
                    key = (finding.resource, f"{finding.where + ': ' if finding.where else ''}{finding.message}")
                    found.setdefault(key, []).append(place.ref)
    for (resource, message), refs in found.items():
        yield Problem(resource, f"{message} (at {names(dict.fromkeys(refs))})")


def _concerns(analysis: PolicyAnalysis, policy: AuthorizationPolicy, finding: PolicyFinding, door: EnforcementPoint) -> bool:
    """At a workload with HTTP and TCP ports, a rule about HTTP matters to TCP only if it can speak of those ports."""
    if not door.only or not finding.where.startswith("rules["):
        return True
    rule = policy.rules[int(finding.where[6:].partition("]")[0])]
    ports = {port for clause in rule.operations for port in clause.lists.get("ports", ())}
    if ports:
        return bool(ports & {str(port) for port in door.only})
    return policy.action == "DENY"


def _misplaced(analysis: PolicyAnalysis) -> Iterator[Problem]:
    """Objects for a workload of another namespace: outside of the root namespace a selector selects in its own namespace only."""
    for policy in analysis.lost:
        yield from _elsewhere(analysis, ref_of(policy), policy)
    yield from _ignored_in_root(analysis)
    for kind, objects in (("RequestAuthentication", analysis.world.tokens), ("PeerAuthentication", analysis.world.peers)):
        for obj in objects:
            own = [place for place in analysis.inventory.near(obj.namespace) if selected(obj, place.workload)]
            if not own or all(place.assumed for place in own):
                yield from _elsewhere(analysis, f"{kind} {obj.namespace}/{obj.name}", obj)


def _ignored_in_root(analysis: PolicyAnalysis) -> Iterator[Problem]:
    """There a PeerAuthentication is for the whole mesh, and istiod passes over one with a selector, also for pods of that namespace."""
    for one in analysis.world.peers:
        readers = [mesh for mesh in (analysis.inventory.meshes or (analysis.inventory.mesh,)) if not unread(one, mesh)]
        if one.selector and readers and all(mesh.root_namespace == one.namespace for mesh in readers):
            words = ",".join(f"{key}={value}" for key, value in sorted(one.selector.items()))
            yield Problem(
                f"PeerAuthentication {one.namespace}/{one.name}",
                f"no workload enforces it: istiod ignores a PeerAuthentication with a selector ({words}) in the root namespace, "
                f"{one.namespace}",
                severity=Severity.ERROR,
                remedy="move it to the namespace of its workloads; workloads in the root namespace itself have the mesh-wide "
                "PeerAuthentication, which has no selector",
            )


def _elsewhere(analysis: PolicyAnalysis, ref: str, obj: Any) -> Iterator[Problem]:
    roots = {mesh.root_namespace for mesh in (analysis.inventory.mesh, *analysis.inventory.meshes)}
    if not obj.selector or obj.namespace in roots or unread(obj, analysis.world.mesh):
        return
    if any(selected(obj, place.workload) for place in analysis.inventory.near(obj.namespace)):
        return
    meant = [place for place in analysis.inventory.labelled(obj.selector) if not place.assumed and not place.workload.service]
    if meant:
        words = ",".join(f"{key}={value}" for key, value in sorted(obj.selector.items()))
        where = ", ".join(dict.fromkeys(place.namespace for place in meant))
        yield Problem(
            ref,
            f"no workload enforces it: its selector {words} is for {names(place.ref for place in meant)}, and holds in its own namespace "
            f"{obj.namespace} only; move it to {where}",
            severity=Severity.ERROR,
        )


def unattached(analysis: PolicyAnalysis) -> Iterator[Problem]:
    """Policies that no workload enforces, with the reason of the nearest; and workloads that one selects and that have no proxy."""
    bare, lost, wrong = dict(_bare(analysis)), {id(policy) for policy in analysis.lost}, list(_misplaced(analysis))
    yield from wrong
    elsewhere = {one.resource for one in wrong}
    for policy in analysis.policies:
        if id(policy) in bare:
            yield Problem(ref_of(policy), bare[id(policy)])
        elif id(policy) in lost and ref_of(policy) not in elsewhere:
            yield from _why_lost(analysis, policy)


def _bare(analysis: PolicyAnalysis) -> Iterator[tuple[int, str]]:
    """Policies for workloads that nobody guards, by their id(): each that selects one, and those that nobody else enforces."""
    where = analysis.world.mesh
    everywhere = [place for place in analysis.inventory.places if place.open]
    for policy in analysis.policies if everywhere else ():
        enforced = analysis.at.get(id(policy))
        if enforced and not policy.selector:
            continue
        here = analysis.inventory.concerned(policy.namespace)
        open_ = everywhere if policy.namespace == where.root_namespace else [place for place in here if place.open]
        mine = [place for place in open_ if (policy.selector or not place.apart) and not why_not(policy, place.workload, where)]
        if mine:
            reason = "; ".join(dict.fromkeys(place.why or place.past.why for place in mine if place.why or place.past.why))
            also = "no workload enforces it there: it matches" if enforced else "no workload enforces it: it matches"
            has = "has no proxy" if len(mine) == 1 else "have no proxy"
            yield id(policy), f"{also} {names(place.ref for place in mine)}, which {has}{f' ({reason})' if reason else ''}"


def _why_lost(analysis: PolicyAnalysis, policy: AuthorizationPolicy) -> Iterator[Problem]:
    wide = policy.namespace == analysis.inventory.mesh.root_namespace
    about = analysis.inventory.places if wide else analysis.inventory.concerned(policy.namespace)
    near = [place for place in about if not place.open and not place.assumed]
    where = analysis.world.mesh
    reason = _unread(analysis, policy)
    if reason:
        yield Problem(ref_of(policy), f"no workload enforces it: {reason}")
    elif not near and not analysis.complete:
        return  # the workloads may be elsewhere
    elif policy.target_refs:
        wanted = ", ".join(f"{ref.kind} {ref.name}" for ref in policy.target_refs)
        told = (why_not(policy, place.workload, where) for place in near if GATEWAY_NAME in place.workload.labels)
        why = next((text for text in told if text), "only a gateway of the Gateway API or a waypoint follows targetRefs, and there is none")
        yield Problem(ref_of(policy), f"no workload enforces it: it is for {wanted}, and {why}")
    elif any(place.workload.kind == "waypoint" and not why_not(policy, _as_sidecar(place).workload, where) for place in near):
        yield Problem(ref_of(policy), "no workload enforces it: its selector is for a waypoint, and a waypoint follows targetRefs only")
    elif policy.selector:
        words = ",".join(f"{key}={value}" for key, value in sorted(policy.selector.items()))
        yield Problem(
            ref_of(policy), f"no workload enforces it: its selector {words} matches none ({counted(len(near), 'workload')} looked at)"
        )
    else:
        yield Problem(ref_of(policy), "no workload enforces it: there is no workload with a proxy in its namespace")


def _unread(analysis: PolicyAnalysis, policy: AuthorizationPolicy) -> str:
    """Why none of the istiods reads it, or none whose workloads it is for."""
    reasons = {mesh.revision: unread(policy, mesh) for mesh in (analysis.inventory.meshes or (analysis.inventory.mesh,))}
    label, tags = policy.revision, analysis.inventory.tags
    if label and label not in reasons:
        if label in tags:
            return f"its label istio.io/rev is the tag {label}, and istiod compares it with the name of its own revision, {tags[label]}"
        known = ", ".join(sorted(name for name in reasons if name))
        return f"its label istio.io/rev is {label}, and there is no istiod of that revision" + (f", only of {known}" if known else "")
    if label and len(reasons) > 1 and not reasons[label]:
        return f"its label istio.io/rev is {label}, and no workload that it is for has its proxy from the istiod of that revision"
    return "" if "" in reasons.values() else next(iter(reasons.values()), "")


def past_proxies(analysis: PolicyAnalysis) -> Iterator[Problem]:
    """Workloads with policies, of which ports go past the proxy that enforces them."""
    found: dict[str, tuple[Workload, dict[str, None]]] = {}
    for place, door in analysis.doors:
        if place.past and not place.open:
            found.setdefault(place.ref, (place, {}))[1].update(dict.fromkeys(policy.key for policy in door.chain.policies))
    for place, policies in found.values():
        if policies:
            shown = ", ".join(list(policies)[:_SHOWN]) + (", ..." if len(policies) > _SHOWN else "")
            verb = "is" if len(policies) == 1 else "are"
            yield Problem(f"Workload {place.ref}", f"{shown} {verb} not enforced at {place.past.text}: {place.past.why}")


def statuses(analysis: PolicyAnalysis) -> Iterator[Problem]:
    """What istiod itself wrote into an object of ambient: not accepted, or accepted in part."""
    for obj in analysis.inventory.objects:
        status, metadata = obj.get("status"), obj.get("metadata")
        conditions = status.get("conditions") if isinstance(status, Mapping) and isinstance(metadata, Mapping) else None
        for found in conditions if isinstance(conditions, list) else []:
            if not isinstance(found, Mapping) or found.get("type") not in _ACCEPTED:
                continue
            generation, seen = (metadata or {}).get("generation"), found.get("observedGeneration")
            stale = isinstance(generation, int) and str(seen).isdigit() and int(str(seen)) < generation
            if not stale and (found.get("status") == "False" or found.get("reason") in _IN_PART):
                resource = f"{obj.get('kind')} {(metadata or {}).get('namespace', 'default')}/{(metadata or {}).get('name')}"
                said = found.get("message") or "no message"
                yield Problem(resource, f"{found.get('type')} is {found.get('status')}: {found.get('reason')}: {said}")


def dry_runs(analysis: PolicyAnalysis) -> Iterator[Problem]:
    for policy in analysis.policies:
        if policy.dry_run:
            yield Problem(ref_of(policy), "it is a dry run: it is logged and not enforced")


def authorizers(analysis: PolicyAnalysis) -> Iterator[Problem]:
    """CUSTOM policies whose provider is not asked: what they match is refused, or passes."""
    for policy in analysis.policies:
        if policy.action != "CUSTOM":
            continue
        refused: dict[str, list[str]] = {}
        for place, door in analysis.at.get(id(policy), ()):
            for step in door.chain.custom:
                if step.denies and any(rule.policy is policy for rule in step.rules):
                    refused.setdefault(step.denies, []).append(place.ref)
            if door.chain.protocol == TCP and getattr(door.chain.mesh.providers.get(policy.provider or ""), "protocol", "") == "http":
                why = f"provider {policy.provider!r} speaks HTTP and is not asked at ports of TCP, where everything passes this policy"
                refused.setdefault(why, []).append(place.ref)
        for why, refs in refused.items():
            end = "" if why.endswith("this policy") else "; whatever it matches is denied"
            yield Problem(ref_of(policy), f"{why}{end} (at {names(dict.fromkeys(refs))})")


def _as_sidecar(place: Workload) -> Workload:
    labels = {key: value for key, value in place.workload.labels.items() if key != GATEWAY_NAME}
    return replace(place, workload=replace(place.workload, labels=labels, kind="sidecar"))
