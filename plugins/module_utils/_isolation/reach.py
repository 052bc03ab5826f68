# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What NetworkPolicies let through, as Kubernetes says it: for a pod and a direction all rules of the policies that select it together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._model.fields import entries, section, sections
from .._model.selectors import matches
from .._model.view import Obj

__all__ = ["EGRESS", "INGRESS", "End", "closed_by"]

INGRESS, EGRESS = "Ingress", "Egress"
_FIELDS = {INGRESS: ("ingress", "from"), EGRESS: ("egress", "to")}


@dataclass(frozen=True)
class End:
    """A pod, by what policies know of it. outside: somebody of whom nothing is known but that he is no pod that a selector can mean."""

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    spaces: Mapping[str, str] = field(default_factory=dict)  # labels of its namespace
    ports: Mapping[str, int] = field(default_factory=dict)  # of its containers, by name
    outside: bool = False

    @property
    def around(self) -> Mapping[str, str]:
        """The labels of its namespace, with the one that the API server sets."""
        return {"kubernetes.io/metadata.name": self.namespace, **self.spaces}


def closed_by(policies: Iterable[Obj], pod: End, direction: str, other: End | None, port: int, *, protocol: str = "TCP") -> Sequence[Obj]:
    """The policies that select a pod and of which none lets this traffic through; empty where it gets through.

    policies: of the pod's namespace. other: the other end; None: anybody, so that the port has to be open to at least one peer."""
    own = [row for row in policies if matches(section(row.raw, "spec", "podSelector"), pod.labels) and direction in _types(row)]
    listed, peers = _FIELDS[direction]
    named = (pod if direction == INGRESS else other or End()).ports
    for row in own:
        for rule in sections(row.items("spec", listed)):
            if _port_fits(entries(rule.get("ports")), port, protocol, named) and _peer_fits(entries(rule.get(peers)), row.namespace, other):
                return ()
    return own


def _types(policy: Obj) -> Sequence[str]:
    """Where none is said a policy is for ingress, and for egress where it has rules for it."""
    said = [str(one) for one in policy.items("spec", "policyTypes")]
    return said or (INGRESS, *((EGRESS,) if policy.at("spec", "egress") is not None else ()))


def _port_fits(ports: Sequence[Any], port: int, protocol: str, named: Mapping[str, int]) -> bool:
    return not ports or any(_one_port(section(one), port, protocol, named) for one in ports)


def _one_port(said: Mapping[str, Any], port: int, protocol: str, named: Mapping[str, int]) -> bool:
    if str(said.get("protocol") or "TCP") != protocol:
        return False
    first, last = said.get("port"), said.get("endPort")
    if first is None:
        return True
    if not str(first).isdigit():
        return named.get(str(first)) == port
    return int(first) <= port <= int(last if last is not None and str(last).isdigit() else first)


def _peer_fits(peers: Sequence[Any], namespace: str, other: End | None) -> bool:
    """No peer is everybody. Of somebody outside nothing is known, so an address block may be his; a selector never is."""
    if not peers or other is None:
        return True
    for peer in map(section, peers):
        if peer.get("ipBlock") is not None:
            if other.outside or _everywhere(section(peer, "ipBlock")):
                return True
            continue
        if other.outside:
            continue
        spaces = peer.get("namespaceSelector")
        inside = other.namespace == namespace if spaces is None else matches(section(spaces), other.around)
        pods = peer.get("podSelector")
        if inside and (pods is None or matches(section(pods), other.labels)):
            return True
    return False


def _everywhere(block: Mapping[str, Any]) -> bool:
    """Plugins differ on whether address blocks mean pods; one of everything without exceptions does."""
    return str(block.get("cidr")) in ("0.0.0.0/0", "::/0") and not entries(block.get("except"))
