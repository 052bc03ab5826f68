# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""PeerAuthentication in ambient: the rules that istiod makes of it for ztunnel, which are not always what is written.

istiod decides twice. For each workload it names what applies: a rule that demands mutual TLS everywhere, the rule that it makes of the
workload's own PeerAuthentication, or neither. For each PeerAuthentication it makes, or does not make, such a rule. Where the first names a
rule that the second did not make, ztunnel skips it, and the port is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .attachment import unread
from .model import Mesh, PeerAuthentication, PolicyTarget

__all__ = ["CLOSED", "ztunnel_mtls"]

CLOSED = "CLOSED"  # no mode of Istio's: nobody at all gets in, with an identity or without
_OPEN = ("PERMISSIVE", "DISABLE")


@dataclass(frozen=True)
class _DenyCondition:
    """Of a rule that denies. `plain`: only callers without an identity; `only`, `but`: the port that it is for, or is not for."""

    plain: bool = False
    only: int | None = None
    but: int | None = None

    def holds(self, port: int | None, identified: bool) -> bool:
        here = (self.only is None or self.only == port) and (self.but is None or self.but != port)
        return here and not (self.plain and identified)


_Group = tuple[_DenyCondition, ...]  # all must hold; any group denies
_ANYWHERE: _Group = (_DenyCondition(plain=True),)


@dataclass(frozen=True)
class _Scopes:
    """The oldest of each scope."""

    mesh: PeerAuthentication | None
    namespace: PeerAuthentication | None
    workload: PeerAuthentication | None = None

    @property
    def strict(self) -> bool:
        """Is what a workload without a mode of its own inherits STRICT?"""
        modes = (policy.mode for policy in (self.namespace, self.mesh) if policy and policy.mode != "UNSET")
        return next(modes, "UNSET") == "STRICT"

    @property
    def set_by(self) -> str:
        return next((found.key for found in (self.workload, self.namespace, self.mesh) if found and found.mode != "UNSET"), "")


def _oldest(policies: Iterable[PeerAuthentication]) -> PeerAuthentication | None:
    return min(policies, key=lambda policy: (policy.created, policy.name), default=None)


def _of_workload(policies: Sequence[PeerAuthentication], workload: PolicyTarget, root: str) -> _Scopes:
    """As istiod sees it from a workload: an empty selector counts in the workload's own namespace, and not in the root namespace."""
    own = [policy for policy in policies if policy.namespace == workload.namespace and policy.selector.items() <= workload.labels.items()]
    wide = [policy for policy in policies if policy.namespace == root and not policy.selector and not policy.bare_selector]
    if workload.namespace == root:
        return _Scopes(_oldest(policy for policy in own if not policy.selector), None)
    here, narrow = ([policy for policy in own if bool(policy.selector) == chosen] for chosen in (False, True))
    return _Scopes(_oldest(wide), _oldest(here), _oldest(narrow))


def _of_policy(policies: Sequence[PeerAuthentication], policy: PeerAuthentication, root: str) -> _Scopes:
    """As istiod sees it from a PeerAuthentication: an empty selector counts nowhere."""
    whole = [found for found in policies if not found.selector and not found.bare_selector]
    wide, here = (_oldest(found for found in whole if found.namespace == namespace) for namespace in (root, policy.namespace))
    return _Scopes(wide, here)


def _named(scopes: _Scopes, merged: bool) -> tuple[bool, PeerAuthentication | None]:
    """What istiod names for a workload: the rule that demands mutual TLS everywhere, and that of the workload's own PeerAuthentication."""
    policy = scopes.workload
    if policy is None:
        return scopes.strict, None
    modes = set(policy.ports.values())
    if policy.mode == "STRICT":
        own = bool(modes & set(_OPEN))
        return not own, policy if own else None
    if policy.mode == "UNSET" and scopes.strict:
        own = "PERMISSIVE" in modes  # DISABLE alone is forgotten here, so that such a port stays strict
        return not (own and merged), policy if own else None
    return False, policy if "STRICT" in modes else None


def _needless(scopes: _Scopes, policy: PeerAuthentication) -> bool:
    """Does istiod take a STRICT port for one that is strict anyway? Below a STRICT mesh it forgets that the workload may say otherwise.

    It also does so where the workload is STRICT itself; the rule about all other ports is the same then."""
    space = scopes.namespace.mode if scopes.namespace else "UNSET"
    below = bool(scopes.mesh and scopes.mesh.mode == "STRICT" and space == "UNSET")
    return below or (policy.mode == "UNSET" and space == "STRICT")


def _inherits_strict(scopes: _Scopes) -> bool:
    """As istiod asks for an open port: a namespace's PeerAuthentication without a mode ends the search, as one that is not STRICT."""
    nearest = scopes.namespace or scopes.mesh
    return bool(nearest and nearest.mode == "STRICT")


def _made(scopes: _Scopes, policy: PeerAuthentication) -> list[_Group]:
    """The rule that istiod makes of a workload's PeerAuthentication; empty if it makes none."""
    groups: list[_Group] = []
    if not _needless(scopes, policy):
        groups += [(_DenyCondition(plain=True, only=port),) for port, mode in policy.ports.items() if mode == "STRICT"]
    if policy.mode == "STRICT" or (policy.mode == "UNSET" and _inherits_strict(scopes)):
        exceptions = [_DenyCondition(but=port) for port, mode in policy.ports.items() if mode in _OPEN]
        groups += [(_DenyCondition(plain=True), *exceptions)] if exceptions else []
    return groups


def _made_before(policy: PeerAuthentication) -> list[_Group]:
    """The same before 1.24.3: one group of conditions of which all must hold, and nothing of what is inherited."""
    conditions = [_DenyCondition(plain=True)] if policy.mode == "STRICT" else []
    conditions += [_DenyCondition(plain=True, only=port) for port, mode in policy.ports.items() if mode == "STRICT"]
    return [(*conditions, *(_DenyCondition(but=port) for port, mode in policy.ports.items() if mode in _OPEN))]


def ztunnel_mtls(policies: Iterable[PeerAuthentication], workload: PolicyTarget, port: int | None, mesh: Mesh) -> tuple[str, str]:
    """The mode of a port (None: of every port that no policy names) and the policy that set it: STRICT, PERMISSIVE or CLOSED."""
    kept = [policy for policy in policies if not unread(policy, mesh, ztunnel=True)]
    scopes = _of_workload(kept, workload, mesh.root_namespace)
    everywhere, own = _named(scopes, mesh.abilities.ambient_ports_merged)
    groups = [_ANYWHERE] if everywhere else []
    if own:
        groups += _made(_of_policy(kept, own, mesh.root_namespace), own) if mesh.abilities.ambient_ports_merged else _made_before(own)
    plain, identified = (any(all(one.holds(port, who) for one in group) for group in groups) for who in (False, True))
    mode = CLOSED if identified else "STRICT" if plain else "PERMISSIVE"
    return mode, own.key if own else scopes.set_by
