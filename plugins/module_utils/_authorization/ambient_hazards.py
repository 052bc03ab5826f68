# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Where ambient does otherwise than Istio's documentation says, or than a sidecar does. Each function gives objects and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._model.problem import Problem
from .analysis import PolicyAnalysis
from .attachment import unread
from .authentication import effective_mtls, written_mtls
from .inventory import Workload
from .model import AuthorizationPolicy, PeerAuthentication
from .wording import names
from .world import MeshPolicies
from .ztunnel import withheld
from .ztunnel_mtls import CLOSED

__all__ = ["closed_ports", "open_ports", "panics", "peer_addresses", "unlabelled_pods"]

_EFFECTS = {
    ("ALLOW", False): "admits no caller",
    ("ALLOW", True): "excludes no caller",
    ("DENY", False): "denies no caller",
    ("DENY", True): "exempts no caller",
}  # of a list that never matches, and of one that is negated


@dataclass(frozen=True)
class _Gap:
    """The ports of a place whose mode is not the written one. `by`: who wrote it; `maker`: whose rule ztunnel has instead."""

    world: MeshPolicies
    place: Workload
    ports: str
    named: bool  # a port's own mode, not the workload's
    written: str
    mode: str
    by: str
    maker: str


def _words(ports: Sequence[int | None], others: Iterable[int]) -> str:
    """These ports in words; None is every port that nobody names."""
    if None not in ports:
        return f"port{'s' if len(ports) > 1 else ''} {', '.join(str(port) for port in ports)}"
    rest = ", ".join(str(port) for port in sorted(others))
    return f"every port but {rest}" if rest else "every port"


def _gaps(scene: PolicyAnalysis) -> Iterator[_Gap]:
    near: dict[str, list[PeerAuthentication]] = {}
    for policy in scene.world.peers:
        near.setdefault(policy.namespace, []).append(policy)
    for place in scene.inventory.places:
        for mesh in scene.inventory.meshes_of(place) if place.workload.kind == "ztunnel" and not place.outside else ():
            spaces = dict.fromkeys((mesh.root_namespace, place.namespace))
            yield from _gaps_of(place, scene.world.of(mesh), [policy for space in spaces for policy in near.get(space, ())])


def _gaps_of(place: Workload, world: MeshPolicies, peers: Sequence[PeerAuthentication]) -> Iterator[_Gap]:
    workload, mesh = place.workload, world.mesh
    named = sorted({port for policy in peers if policy.namespace == place.namespace for port in policy.ports})
    kinds: dict[tuple[str, str, str, str], list[int | None]] = {}
    for port in (None, *named):
        pair = (*written_mtls(peers, workload, port, mesh), *effective_mtls(peers, workload, port, mesh))
        kinds.setdefault(pair, []).append(port)
    for (written, by, mode, maker), ports in kinds.items():
        if ("PERMISSIVE" if written == "DISABLE" else written) != mode:
            yield _Gap(world, place, _words(ports, {*named} - {*ports}), None not in ports, written, mode, by or maker, maker)


def _why_open(gap: _Gap) -> str:
    by = next(policy for policy in gap.world.peers if policy.key == gap.by)
    own = f"what it makes of the ports of {gap.maker}"
    if by.bare_selector:
        where = own if by.key != gap.maker and gap.maker else "what ambient takes for the whole mesh"
        return f"its selector has no labels, and istiod passes such a one over in {where}"
    if not gap.world.mesh.abilities.ambient_ports_merged:
        return f"this version of istiod makes one rule of all ports of {gap.maker}, and no connection to these matches it"
    if gap.named:
        return "below a mesh that is STRICT istiod takes the port for one that is STRICT anyway, whatever the workload's own mode is"
    return f"in {own} istiod takes the namespace's PeerAuthentication, which has no mode, for one that is not STRICT"


def _why_closed(gap: _Gap) -> str:
    if gap.mode == CLOSED:
        return "no caller gets in, not even with mutual TLS; this version of istiod takes one port's exception for a rule about all others"
    if gap.written == "DISABLE":
        return "STRICT, though DISABLE is written; below an inherited STRICT istiod only looks for ports that are PERMISSIVE"
    return f"STRICT, though {gap.written} is written; this version of istiod keeps what is inherited beside the exception"


def open_ports(scene: PolicyAnalysis) -> Iterator[Problem]:
    """Ports that are STRICT as they are written, and open as they run."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for gap in _gaps(scene):
        if gap.mode == "PERMISSIVE":
            found.setdefault((gap.by, gap.ports, _why_open(gap)), []).append(gap.place.ref)
    for (key, ports, why), refs in found.items():
        yield Problem(
            f"PeerAuthentication {key}", f"{ports} of {names(refs)}: open to callers without mutual TLS, though STRICT is written; {why}"
        )


def closed_ports(scene: PolicyAnalysis) -> Iterator[Problem]:
    """Ports that refuse callers whom the documentation lets in."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for gap in _gaps(scene):
        if gap.mode != "PERMISSIVE":
            found.setdefault((gap.maker if gap.mode == CLOSED else gap.by, gap.ports, _why_closed(gap)), []).append(gap.place.ref)
    for (key, ports, why), refs in found.items():
        yield Problem(f"PeerAuthentication {key}", f"{ports} of {names(refs)}: {why}")


def _addresses(policy: AuthorizationPolicy) -> Iterator[tuple[str, str, bool]]:
    """Each condition about the peer's address: its place, what it is called, is it negated?"""
    for number, rule in enumerate(policy.rules):
        for index, clause in enumerate(rule.sources):
            for name, negated in (("ipBlocks", False), ("notIpBlocks", True)):
                if name in clause.lists:
                    yield f"rules[{number}].from[{index}].source.{name}", name, negated
        for index, condition in enumerate(rule.when):
            for values, negated in ((condition.values, False), (condition.not_values, True)):
                if condition.key == "source.ip" and values:
                    yield f"rules[{number}].when[{index}].{'notValues' if negated else 'values'}", "source.ip", negated


def peer_addresses(scene: PolicyAnalysis) -> Iterator[Problem]:
    """A waypoint's peer is the end of a tunnel inside itself."""
    for policy in scene.policies:
        refs = dict.fromkeys(place.ref for place, door in scene.at.get(id(policy), ()) if door.chain.kind == "waypoint")
        for where, name, negated in _addresses(policy) if refs else ():
            effect = _EFFECTS.get((policy.action, negated), "always matches" if negated else "never matches")
            instead = "remote.ip" if name == "source.ip" else "notRemoteIpBlocks" if negated else "remoteIpBlocks"
            reason = f"no caller of a waypoint has an address there; {instead} is the client's"
            yield Problem(f"AuthorizationPolicy {policy.key}", f"{where} {effect} at {names(refs)}: {reason}")


def _without(rule: Any) -> Iterator[str]:
    """The entries of a rule that say neither whom nor what they are about."""
    for side, word in (("from", "source"), ("to", "operation")):
        entries = rule.get(side) if isinstance(rule, Mapping) else None
        for number, entry in enumerate(entries if isinstance(entries, list) else []):
            if entry is None or (isinstance(entry, Mapping) and entry.get(word) is None):
                yield f"{side}[{number}] has no {word}"


def panics(scene: PolicyAnalysis) -> Iterator[Problem]:
    """Policies on which istiod itself falls over where it serves ambient."""
    sent = {policy.key for world in scene.worlds for policy in world.policies.policies
            if not withheld(policy, world.mesh) and not unread(policy, world.mesh, ztunnel=True)}  # fmt: skip
    for obj in scene.inventory.objects:
        metadata, spec = obj.get("metadata"), obj.get("spec")
        if obj.get("kind") != "AuthorizationPolicy" or not isinstance(metadata, Mapping) or not isinstance(spec, Mapping):
            continue
        key = f"{metadata.get('namespace') or 'default'}/{metadata.get('name') or ''}"
        rules = spec.get("rules")
        for number, rule in enumerate(rules if key in sent and isinstance(rules, list) else []):
            for problem in _without(rule):
                yield Problem(
                    f"AuthorizationPolicy {key}", f"rules[{number}].{problem}: istiod panics when it converts the policy for ztunnel"
                )


def unlabelled_pods(scene: PolicyAnalysis) -> Iterator[Problem]:
    """Pods that istiod gives the policies of others."""
    for place, door in scene.doors:
        if place.workload.kind == "ztunnel" and place.workload.unlabelled:
            given = ", ".join(dict.fromkeys(policy.key for policy in door.chain.policies if policy.selector))
            if given:
                yield Problem(
                    f"Workload {place.ref}", f"its pods have no label, and istiod gives them every policy with a selector: {given}"
                )
