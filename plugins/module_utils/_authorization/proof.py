# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Does a mesh allow exactly an intended access, nothing less and nothing more? For all requests, with a witness for each deviation.

The intent becomes an ALLOW policy of its own for each destination; that policy's door and the real one are compared as two states are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from .._errors import ConfigError
from .automata import TooManyError
from .change import ChangeGroup, groups_of, together
from .compile import compile_policy
from .doors import EnforcementPoint, EnforcementSpace, compare, doors_of
from .evaluate import PolicyChain
from .inventory import MeshInventory, Workload
from .model import HTTP, AuthorizationPolicy, Clause, Mesh, Rule, WhenCondition
from .naming import WorkloadNames
from .seen import Examined, seen_of
from .wording import Callers, names
from .world import MeshPolicies

__all__ = ["Access", "Coverage", "Proof", "count", "prove", "read_matrix", "settings"]

ANYONE, IDENTIFIED, PLAIN = "anyone", "authenticated", "plaintext"
_ACCOUNT = "serviceaccount:"
_KEYS = ("from", "to", "ports", "methods", "paths", "hosts", "tokens", "claims")
_HTTP_KEYS = ("methods", "paths", "hosts", "tokens", "claims")
_OPERATIONS = ("ports", "methods", "paths", "hosts")
Doors = Sequence[tuple[Workload, EnforcementPoint]]


@dataclass(frozen=True)
class Access:
    """One row of the matrix. `tokens`: request principals, ISSUER/SUBJECT, one of which is demanded. `claims`: what the token must say, by
    name; a[b] is b inside of a."""

    number: int
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    operations: Mapping[str, tuple[str, ...]]
    tokens: tuple[str, ...] = ()
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def conditions(self) -> tuple[WhenCondition, ...]:
        """The claims as a rule has them."""
        found = []
        for name, values in self.claims.items():
            outer, bracket, inner = name.partition("[")
            found.append(WhenCondition(f"request.auth.claims[{outer}]{bracket}{inner}", values, ()))
        return tuple(found)

    @property
    def http(self) -> bool:
        return bool(self.tokens or self.claims) or any(name in self.operations for name in _HTTP_KEYS)


@dataclass(frozen=True)
class Coverage:
    """What a proof was about."""

    sources: int
    destinations: int
    pairs: int
    allowed_pairs: int
    doors: int  # different ones
    regions: int  # sets of requests that were told apart
    outside: tuple[str, ...]  # workloads without a proxy: nothing is enforced there
    open: tuple[str, ...] = ()  # where nothing, or not all, is behind a proxy, with the reason
    seen: Examined = field(default_factory=Examined)

    def to_dict(self) -> dict[str, Any]:
        own = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items() if name != "seen"}
        more = {"objects": self.seen.objects, "workloads": self.seen.workloads, "pods": self.seen.pods}
        return {**own, **more, "unjudged": list(self.seen.unjudged)}


@dataclass(frozen=True)
class Proof:
    """`more`: what passes beyond the matrix; `less`: what the matrix wants and does not pass. Empty both: exactly the matrix."""

    coverage: Coverage
    more: tuple[ChangeGroup, ...] = ()
    less: tuple[ChangeGroup, ...] = ()
    shared: tuple[str, ...] = field(default=())  # sources that nothing can tell apart from an intended one
    undecided: tuple[str, ...] = ()  # places whose policies tell too many requests apart

    @property
    def holds(self) -> bool:
        return not (self.more or self.less or self.shared or self.undecided)


def _strings(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{where} is {value!r}, expected a list")
    if not value:
        raise ConfigError(f"{where} is an empty list, which Istio would take for anyone or anything; leave the key out, or name something")
    return tuple(str(entry) for entry in value)


def read_matrix(rows: Sequence[Any]) -> tuple[Access, ...]:
    """The rows as they are given; a ConfigError says which row is wrong, and how."""
    found: list[Access] = []
    for number, row in enumerate(rows):
        where = f"access[{number}]"
        if not isinstance(row, Mapping):
            raise ConfigError(f"{where} is {row!r}, expected a mapping with from and to")
        unknown = sorted(set(row) - set(_KEYS))
        if unknown:
            raise ConfigError(f"{where} has the unknown key {', '.join(unknown)}; there are {', '.join(_KEYS)}")
        for key in ("from", "to"):
            if key not in row:
                raise ConfigError(f"{where} has no {key}")
        lists = {key: _strings(value, f"{where}.{key}") for key, value in row.items() if key != "claims"}
        claims = row.get("claims") or {}
        if not isinstance(claims, Mapping):
            raise ConfigError(f"{where}.claims is {claims!r}, expected a mapping of a claim's name to a list of values")
        asked = {str(name): _strings(values, f"{where}.claims.{name}") for name, values in claims.items()}
        for entry in lists["from"]:
            if entry not in (ANYONE, IDENTIFIED, PLAIN) and entry.removeprefix(_ACCOUNT).count("/") != 1:
                raise ConfigError(
                    f"{where}.from: {entry!r} is none of {ANYONE}, {IDENTIFIED}, {PLAIN}, NAMESPACE/WORKLOAD, {_ACCOUNT}NAMESPACE/NAME"
                )
        operations = {name: lists[name] for name in _OPERATIONS if name in lists}
        found.append(Access(number, lists["from"], lists["to"], operations, lists.get("tokens", ()), asked))
    return tuple(found)


class _Matrix:
    """The rows against an inventory."""

    def __init__(self, rows: Sequence[Access], inventory: MeshInventory) -> None:
        self.rows, self.inventory = rows, inventory
        self.callers = WorkloadNames(place for place in inventory.places if not place.assumed and not place.workload.service)
        self._accounts: dict[str, list[Workload]] = {}
        for place in self.callers.places:
            if not place.outside:
                self._accounts.setdefault(f"{place.namespace}/{place.account}", []).append(place)
        self._chosen = {row.number: self._callers(row) for row in rows}
        self._sources = {row.number: self._clauses(row) for row in rows}
        self._rows: dict[str, dict[int, Access]] = {}
        everywhere = WorkloadNames(inventory.places)
        for row in rows:
            for entry in row.destinations:
                found = everywhere.find(entry)
                if not found:
                    raise ConfigError(f"access[{row.number}].to: {everywhere.missing(entry)}")
                for place in found:
                    self._rows.setdefault(place.ref, {})[row.number] = row

    def _callers(self, row: Access) -> list[Workload]:
        """The workloads that a row names as its sources."""
        found: dict[str, Workload] = {}
        for entry in row.sources:
            if entry not in (ANYONE, IDENTIFIED, PLAIN) and not entry.startswith(_ACCOUNT):
                places = self.callers.find(entry)
                if not places:
                    raise ConfigError(f"access[{row.number}].from: {self.callers.missing(entry)}")
                found |= {place.ref: place for place in places}
        return list(found.values())

    def _clauses(self, row: Access) -> tuple[Clause, ...]:
        """The sources of a row as a rule has them; none at all is anyone."""
        tokens = {"requestPrincipals": row.tokens} if row.tokens else {}
        domain = self.inventory.mesh.trust_domain
        clauses: list[Clause] = []
        principals: list[str] = []
        for entry in row.sources:
            if entry.startswith(_ACCOUNT):
                account, _slash, name = entry.removeprefix(_ACCOUNT).partition("/")
                principals.append(f"{domain}/ns/{account}/sa/{name}")
            elif entry == ANYONE:
                return (Clause(tokens),) if tokens else ()
            elif entry in (IDENTIFIED, PLAIN):
                key = "principals" if entry == IDENTIFIED else "notPrincipals"
                clauses.append(Clause({key: ("*",), **tokens}))
        identities = [self.inventory.identity(place) for place in self._chosen[row.number]]
        principals += [identity.removeprefix("spiffe://") for identity in identities if identity]
        if principals:
            clauses.append(Clause({"principals": tuple(dict.fromkeys(principals)), **tokens}))
        if None in identities:
            clauses.append(Clause({"notPrincipals": ("*",), **tokens}))
        return tuple(clauses)

    def rows_for(self, place: Workload) -> tuple[Access, ...]:
        found = self._rows.get(place.ref, {})
        return tuple(found[number] for number in sorted(found))

    def intended(self, rows: Sequence[Access], place: Workload, door: EnforcementPoint) -> EnforcementPoint:
        """The door that lets exactly these rows pass."""
        protocol, mesh = door.chain.protocol, door.chain.mesh
        allowed: list[AuthorizationPolicy] = []
        for row in rows:
            if row.http and protocol != HTTP:
                if _for_port(row, door):
                    raise ConfigError(
                        f"access[{row.number}] asks for HTTP at {place.ref}, where only connections are seen "
                        f"({protocol}): give ports of HTTP, or leave out {', '.join(_HTTP_KEYS)}"
                    )
                continue
            operations = (Clause(row.operations),) if row.operations else ()
            rule = Rule(self._sources[row.number], operations, row.conditions)
            allowed.append(AuthorizationPolicy(place.namespace, f"access[{row.number}]", "ALLOW", (rule,)))
        compiled = [compile_policy(policy, protocol, mesh) for policy in allowed]
        for one in compiled:
            if one.findings:
                raise ConfigError(f"access for {place.ref}: {one.findings[0].message}")
        rules = tuple(rule for one in compiled for rule in one.rules)
        chain = PolicyChain(door.chain.kind, protocol, mesh, tuple(allowed), (), (), rules, True, (), ())
        return replace(door, chain=chain, modes=((None, "PERMISSIVE", ""),), open="")

    def shared(self, rows: Sequence[Access]) -> str:
        """Workloads that run as an intended caller's service account and are not intended themselves."""
        intended: dict[str, Workload] = {}
        for row in rows:
            if ANYONE in row.sources or IDENTIFIED in row.sources:
                return ""
            intended |= {place.ref: place for place in self._chosen[row.number]}
            for entry in row.sources:
                if entry.startswith(_ACCOUNT):
                    intended |= {place.ref: place for place in self._accounts.get(entry.removeprefix(_ACCOUNT), ())}
        accounts = dict.fromkeys(f"{place.namespace}/{place.account}" for place in intended.values() if not place.outside)
        return names(place.ref for account in accounts for place in self._accounts.get(account, ()) if place.ref not in intended)


def _for_port(row: Access, door: EnforcementPoint) -> bool:
    """Does a row speak of this door's ports? One that names no port speaks of HTTP only where there is HTTP."""
    ports = {int(port) for port in row.operations.get("ports", ()) if port.isdigit()}
    return bool(ports & set(door.only)) if door.only else True


def _regions(space: EnforcementSpace) -> int:
    total = 1
    for values in space.values.values():
        total *= len(values)
    return total


def _passing(door: EnforcementPoint, callers: Callers) -> tuple[int, int]:
    """The callers of which something passes, and the regions; everybody where that cannot be told."""
    try:
        space = door.space
    except TooManyError:
        return callers.everybody, 0
    members = 0
    for box in door.passing:
        members |= callers.members(space, box)
    return members, _regions(space)


def count(world: MeshPolicies, inventory: MeshInventory, scope: Iterable[str] = (), *, doors: Doors | None = None) -> Coverage:
    """What passes now: how many pairs of workloads, out of how many. `doors`: all of them, where they are known."""
    callers, allowed = Callers(inventory), dict[str, int]()
    known: dict[tuple[Any, ...], tuple[int, int]] = {}
    for place, door in doors_of(world, inventory) if doors is None else doors:
        if door.whole:
            continue
        if door.key not in known:
            known[door.key] = _passing(door, callers)
        allowed[place.ref] = allowed.get(place.ref, 0) | known[door.key][0]
    outside = tuple(place.ref for place in inventory.places if place.outside)
    pairs = sum(members.bit_count() for members in allowed.values())
    return Coverage(
        len(callers.places),
        len(allowed),
        len(callers.places) * len(allowed),
        pairs,
        len(known),
        sum(regions for _members, regions in known.values()),
        outside,
        tuple(_bare(inventory)),
        seen_of(inventory, scope),
    )


def _bare(inventory: MeshInventory) -> Iterator[str]:
    """Where the mesh guards nothing, or not all."""
    for place in inventory.places:
        if (place.outside or place.past) and not place.apart:
            yield f"{place.ref}: {place.open or f'{place.past.text}: {place.past.why}'}"


def _at(place: Workload, group: ChangeGroup) -> ChangeGroup:
    """A deviation at one place."""
    after = group.after
    if group.opened and place.behind and not place.open:
        after += f"; what is addressed to the pod goes past its waypoint {', '.join(place.behind)}"
    return replace(group, destinations=(place.ref,), after=after)


def prove(
    world: MeshPolicies, inventory: MeshInventory, rows: Sequence[Access], scope: Iterable[str] = (), *, doors: Doors | None = None
) -> Proof:
    """The matrix against the mesh, at every place of the namespaces in scope (patterns; none: all)."""
    doors = doors_of(world, inventory) if doors is None else doors
    matrix, callers, patterns = _Matrix(rows, inventory), Callers(inventory), tuple(scope)
    deviations: list[ChangeGroup] = []
    shared: dict[str, list[str]] = {}
    decided: dict[tuple[Any, ...], list[ChangeGroup]] = {}
    undecided: list[str] = []
    for place, door in doors:
        if patterns and not any(fnmatchcase(place.namespace, pattern) for pattern in patterns):
            continue
        wanted = matrix.rows_for(place)
        if place.apart and not wanted:
            continue
        if door.whole:
            wanted = ()  # whoever is intended, no mesh can keep the others away
        key = (door.key, tuple(row.number for row in wanted))
        if key not in decided:
            intended = matrix.intended(wanted, place, door)
            try:
                space, shifts = compare(intended, door)
            except TooManyError as exc:
                undecided.append(f"{place.ref}: {exc}")
                continue
            decided[key] = groups_of(space, shifts, (intended, door), callers=callers, edits=(), destinations=())
        deviations += [_at(place, group) for group in decided[key]]
        others = matrix.shared(wanted) if wanted else ""
        if others:
            shared.setdefault(others, []).append(place.ref)
    groups = together(deviations)
    return Proof(
        count(world, inventory, patterns, doors=doors),
        tuple(group for group in groups if group.opened),
        tuple(group for group in groups if not group.opened),
        tuple(f"{others} -> {names(dict.fromkeys(refs))}" for others, refs in shared.items()),
        tuple(undecided),
    )


def settings(mesh: Mesh) -> dict[str, Any]:
    """The mesh's settings that a proof stands on."""
    return {
        "trust_domain": mesh.trust_domain,
        "trust_domain_aliases": list(mesh.trust_domain_aliases),
        "root_namespace": mesh.root_namespace,
        "path_normalization": mesh.path_normalization,
        "version": mesh.version or "newest",
    }
