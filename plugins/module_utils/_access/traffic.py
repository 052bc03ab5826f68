# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Observed calls against an intent, and an intent out of observed calls: a proposal to read, as what was not seen proves nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._authorization.attributes import for_field
from .._authorization.inventory import MeshInventory, Workload, take
from .._authorization.model import HTTP
from .._text import counted
from .intent import ANYONE, AUTHENTICATED, PLAINTEXT, AccessIntent, read_intent
from .observed import Call
from .resolve import resolve
from .rows import ResolvedRule, app_of

__all__ = ["DETAILS", "Findings", "KnownWorkloads", "ObservedCall", "compare_traffic"]

DETAILS = ("calls", "methods", "paths")
Obj = dict[str, Any]
_MANY = 4  # more paths below a first segment than these are written as one


@dataclass(frozen=True)
class ObservedCall:
    """An observed call between workloads; `source` None: a caller without an identity, or one that nothing is known of (`address`)."""

    source: Workload | None
    target: Workload
    port: int = 0  # of the pod; 0: not known
    method: str = ""
    path: str = ""
    denied: bool = False
    count: int = 1
    address: str = ""

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.source.ref if self.source else "", self.target.ref, self.port, self.method, self.path, self.denied, self.address)

    @property
    def what(self) -> str:
        words = [f":{self.port}" if self.port else "", f" {self.method}" if self.method else "", f" {self.path}" if self.path else ""]
        return f"{self.source.ref if self.source else self.address or 'a caller without an identity'} -> {self.target.ref}{''.join(words)}"


@dataclass(frozen=True)
class Findings:
    proposal: Obj
    seen: tuple[ObservedCall, ...]
    never_seen: tuple[str, ...] = ()  # of the intent
    would_deny: tuple[str, ...] = ()  # of what was seen
    refused: tuple[str, ...] = ()  # seen, and answered with a denial
    unclear: tuple[str, ...] = ()  # seen, and not proposed
    outside: tuple[str, ...] = ()  # hosts out of the mesh that were called
    assumptions: tuple[str, ...] = ()
    rules: Mapping[str, int] = field(default_factory=dict)


class KnownWorkloads:
    """Workloads by all the names that metrics and logs have for them."""

    def __init__(self, inventory: MeshInventory, objects: Iterable[Mapping[str, Any]]) -> None:
        self.inventory = inventory
        self.end = f".svc.{inventory.mesh.cluster_domain}"  # of the full name of a Service
        self.places = [one for one in inventory.places if not one.assumed and not one.workload.service]
        self.by_ref = {ref: place for place in reversed(self.places) for ref in reversed(place.refs)} | {
            place.ref: place for place in self.places
        }
        self.by_account: dict[str, list[Workload]] = {}
        for place in self.places:
            if not place.outside:
                self.by_account.setdefault(f"{place.namespace}/{place.account}", []).append(place)
        self.services: dict[str, Mapping[str, Any]] = {}
        self.by_address: dict[str, Workload] = {}
        for obj in objects:
            meta = obj.get("metadata") or {}
            ref = f"{meta.get('namespace') or 'default'}/{meta.get('name')}"
            if obj.get("kind") == "Service" and obj.get("apiVersion") == "v1":
                self.services[ref] = obj.get("spec") or {}
            elif obj.get("kind") == "Pod":
                owner, address = self.place(ref), (obj.get("status") or {}).get("podIP")
                if owner and address:
                    self.by_address[str(address)] = owner

    def place(self, ref: str) -> Workload | None:
        """A workload by its name, or by that of one of its pods."""
        if ref in self.by_ref:
            return self.by_ref[ref]
        ends = {name: ref.removeprefix(f"{name}-") for name in self.by_ref if ref.startswith(f"{name}-")}
        found = [self.by_ref[name] for name, end in ends.items() if end.count("-") <= 1]
        return max(found, key=lambda place: len(place.ref)) if found else None

    def caller(self, call: Call) -> Workload | None:
        found = self.place(call.source) if call.source else self.by_address.get(call.address)
        if found is None and call.account:
            found = next(iter(self.by_account.get(call.account, [])), None)
        return found

    def called(self, call: Call) -> list[tuple[Workload, int]]:
        """With the port of the pod."""
        if call.target:
            place = self.place(call.target)
            return [(place, call.port)] if place else []
        name, _dot, space = call.host.removesuffix(self.end).partition(".")
        spec = self.services.get(f"{space}/{name}") or {}
        selector = spec.get("selector") or {}
        target = next((row.get("targetPort", row["port"]) for row in spec.get("ports") or [] if row.get("port") == call.port), 0)
        own = [one for one in self.places if selector and one.namespace == space and selector.items() <= one.workload.labels.items()]
        # Which of a Service's versions answered is in the log as an address only; a rule means them all.
        return [(place, int(target) if str(target).isdigit() else 0) for place in own]


def _look(calls: Iterable[Call], known: KnownWorkloads) -> tuple[list[ObservedCall], list[str], list[str]]:
    """The calls between workloads that are known; those that lead out; those of which an end is not known."""
    seen: dict[tuple[Any, ...], ObservedCall] = {}
    outside: dict[str, int] = {}
    lost: dict[str, int] = {}
    for call in calls:
        places = known.called(call)
        if not places:
            where = outside if call.host and not call.host.endswith(known.end) else lost
            name = f"{call.source or '?'} -> {call.host or call.target}{f':{call.port}' if call.port else ''}"
            where[name] = where.get(name, 0) + call.count
        for place, port in places:
            source = known.caller(call)
            stranger = "" if source else call.source or call.address
            one = ObservedCall(source, place, port, call.method, call.path, call.denied, 0, stranger)
            one = seen.get(one.key, one)
            seen[one.key] = replace(one, count=one.count + call.count)
    # The receiver's line of a call that the caller's log has as well, without who it was.
    told = {_request(one) for one in seen.values() if one.source and one.method}
    found = [one for one in seen.values() if one.source or one.denied or _request(one) not in told]
    return found, _counted(outside), [f"{text}: no such workload in the source" for text in _counted(lost)]


def _request(one: ObservedCall) -> tuple[Any, ...]:
    return (one.target.ref, one.method, one.path, one.denied)


def _counted(found: Mapping[str, int]) -> list[str]:
    return [f"{text} ({counted(count, 'call')})" for text, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))]


def _covers(row: ResolvedRule, one: ObservedCall, inventory: MeshInventory) -> bool:
    """Whether a rule may let a call pass; what was not seen of the call is taken to be as the rule has it."""
    if one.target.ref not in {place.ref for place in row.targets}:
        return False
    identity = f"{one.source.namespace}/{one.source.account}" if one.source and not one.source.outside else ""
    by_word = ANYONE in row.words or (AUTHENTICATED in row.words and identity) or (PLAINTEXT in row.words and not identity)
    if not by_word and identity not in row.identities:
        return False
    values = {"ports": str(one.port or ""), "methods": one.method, "paths": one.path}
    for key, value in values.items():
        wanted = row.rule.operations.get(key)
        if not wanted or not value:
            continue
        make = for_field(key, "default", inventory.mesh).matcher
        if not (value in wanted if key == "ports" else any(make(text).matches(value) for text in wanted)):
            return False
    return True


def _never(rows: Sequence[ResolvedRule], seen: Sequence[ObservedCall], inventory: MeshInventory) -> list[str]:
    found = []
    for row in rows:
        own = [one for one in seen if not one.denied and _covers(row, one, inventory)]
        if not own:
            found.append(f"{row.rule.name}: no call at all")
            continue
        if row.words:
            continue
        pairs = {(f"{one.source.namespace}/{one.source.account}", one.target.ref) for one in own if one.source}
        missing = [f"{name} -> {place.ref}" for name in row.identities for place in row.targets if (name, place.ref) not in pairs]
        found += [f"{row.rule.name}: {text} (by service account)" for text in missing]
    return found


# -- the proposal


def _entry(place: Workload, known: KnownWorkloads) -> str:
    """How an intent names a caller: by its account where another application has the same."""
    name = app_of(place)[1] or place.name
    if place.workload.kind == "gateway":
        return f"gateway:{place.name}"
    others = known.by_account.get(f"{place.namespace}/{place.account}", [])
    if any((app_of(one)[1] or one.name) != name for one in others):
        return f"serviceaccount:{place.namespace}/{place.account}"
    return f"{place.namespace}/{name}"


def _target(place: Workload) -> str:
    return f"gateway:{place.name}" if place.workload.kind == "gateway" else f"{place.namespace}/{app_of(place)[1] or place.name}"


def _general(paths: Iterable[str]) -> list[str]:
    """Paths as patterns: below a first segment of which there were many, all."""
    heads: dict[str, set[str]] = {}
    for path in paths:
        head = "/" + path.lstrip("/").partition("/")[0]
        heads.setdefault(head, set()).add(path)
    found: list[str] = []
    for head, own in sorted(heads.items()):
        deep = {path for path in own if path != head}
        found += sorted(own) if len(own) <= _MANY else [*([head] if head in own else []), *([f"{head}/*"] if deep else [])]
    return found if len(found) <= 3 * _MANY else ["/*"]


def _operations(own: Sequence[ObservedCall], target: Workload, detail: str) -> Obj:
    if detail == "calls" or target.workload.kind == "gateway":
        return {}
    ports = {one.port for one in own} - {0}
    if any(not one.port for one in own):
        ports = set(target.ports) if len(target.ports) == 1 else set()
    found: Obj = {"ports": sorted(ports)} if ports else {}
    http = all(target.ports.get(port, HTTP) == HTTP for port in ports or target.ports)
    with_request = [one for one in own if one.method]
    # Metrics know no request; where both were read the logs say more.
    if http and with_request:
        found["methods"] = sorted({one.method for one in with_request})
        if detail == "paths":
            found["paths"] = _general(one.path for one in with_request if one.path)
    return found


def _proposed(
    seen: Sequence[ObservedCall], known: KnownWorkloads, detail: str, scope: frozenset[str]
) -> tuple[Obj, list[str], dict[str, int]]:
    pairs: dict[tuple[str, str], list[ObservedCall]] = {}
    unclear: dict[str, int] = {}
    for one in seen:
        if one.denied or (scope and one.target.namespace not in scope and one.target.workload.kind != "gateway") or one.target.outside:
            continue
        if one.source is None and one.target.workload.kind == "gateway":
            entry = ANYONE
        elif one.source is None or one.source.outside:
            text = f"{one.what}: without an identity; bring the caller into the mesh, or write a rule from plaintext, and an exception"
            unclear[text] = unclear.get(text, 0) + one.count
            continue
        else:
            entry = _entry(one.source, known)
        pairs.setdefault((entry, _target(one.target)), []).append(one)
    gateways = {target for entry, target in pairs if entry == ANYONE}
    alike: dict[str, tuple[str, Obj, list[str], int]] = {}
    for (entry, target), own in sorted(pairs.items()):
        if target in gateways and entry != ANYONE:
            continue  # anyone is everybody
        operations = _operations(own, own[0].target, detail)
        key = f"{target} {sorted(operations.items())}"
        entries, count = alike.get(key, (target, operations, list[str](), 0))[2:]
        alike[key] = (target, operations, [*entries, entry], count + sum(one.count for one in own))
    rules, counts = [], dict[str, int]()
    for target, operations, entries, count in alike.values():
        base = "to-" + target.rpartition("/")[2].rpartition(":")[2]
        name = base if base not in counts else f"{base}-{sum(key.startswith(base) for key in counts) + 1}"
        counts[name] = count
        rules.append({"name": name, "from": entries, "to": [target], **operations})
    inside = [one.target for one in seen if not one.denied and one.target.workload.kind != "gateway" and not one.target.outside]
    spaces = {place.namespace for place in inside if not scope or place.namespace in scope}
    return {"namespaces": sorted(spaces), "rules": rules}, _counted(unclear), counts


def compare_traffic(
    calls: Iterable[Call],
    objects: Iterable[Mapping[str, Any]],
    *,
    access: Any = None,
    domains: Sequence[Any] = (),
    given: Mapping[str, Any] | None = None,
    detail: str = "methods",
) -> Findings:
    """`access`: an intent to compare with, as mesh_access; `domains`: whose namespaces a proposal is about."""
    live = list(objects)
    inventory = take(live, given)
    known = KnownWorkloads(inventory, live)
    intent: AccessIntent | None = read_intent(access, domains) if access else None
    resolved = resolve(intent, inventory, live) if intent else None
    seen, outside, lost = _look(calls, known)
    scope = frozenset(name for row in domains for name in row["namespaces"])
    proposal, unclear, counts = _proposed(seen, known, detail, scope)
    closed = {place.ref for place in resolved.closed} if resolved else set()
    denies: dict[str, int] = {}
    rows = resolved.rows if resolved else ()
    for one in seen:
        if not one.denied and one.target.ref in closed and not any(_covers(row, one, inventory) for row in rows):
            denies[one.what] = denies.get(one.what, 0) + one.count
    refused: dict[str, int] = {}
    for one in seen:
        if one.denied:
            refused[one.what] = refused.get(one.what, 0) + one.count
    return Findings(
        proposal=proposal,
        seen=tuple(seen),
        never_seen=tuple(_never(resolved.rows, seen, inventory)) if resolved else (),
        would_deny=tuple(_counted(denies)),
        refused=tuple(_counted(refused)),
        unclear=(*unclear, *lost),
        outside=tuple(outside),
        assumptions=inventory.assumptions,
        rules=counts,
    )
