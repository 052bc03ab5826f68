# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The names of an intent against the workloads that there are: who is meant, where it is closed, and what contradicts itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from .._authorization.attributes import for_field
from .._authorization.automata import combinations
from .._authorization.inventory import MeshInventory, Workload
from .._authorization.model import HTTP, TCP
from .._errors import ConfigError
from .intent import ANYONE, AUTHENTICATED, PLAINTEXT, AccessIntent, AccessRule
from .rows import Exempted, Resolved, ResolvedRule, app_of
from .waypoints import behind_waypoints

__all__ = ["Exempted", "Resolved", "ResolvedRule", "app_of", "matrix_of", "resolve"]

_HTTP = ("methods", "paths", "hosts")
_FORMS = ("namespace", "domain", "gateway", "serviceaccount", "service")


def _near(wanted: str, places: Iterable[Workload]) -> str:
    namespace = wanted.partition("/")[0]
    found = sorted({f"{place.namespace}/{app_of(place)[1] or place.name}" for place in places if place.namespace == namespace})
    return f"there are {', '.join(found[:8])}{', ...' if len(found) > 8 else ''}" if found else f"no workload of {namespace} is known"


class _Resolver:
    def __init__(self, intent: AccessIntent, inventory: MeshInventory, objects: Iterable[Mapping[str, Any]]) -> None:
        self.intent, self.inventory = intent, inventory
        self.places = [place for place in inventory.places if not place.assumed]
        self.problems: list[str] = []
        self.accounts = {f"{place.namespace}/{place.account}" for place in self.places}
        self.services: dict[str, Mapping[str, Any]] = {}
        for obj in objects:
            metadata = obj.get("metadata") or {}
            ref = f"{metadata.get('namespace') or 'default'}/{metadata.get('name')}"
            if obj.get("kind") == "ServiceAccount":
                self.accounts.add(ref)
            elif obj.get("kind") == "Service" and obj.get("apiVersion") == "v1":
                self.services[ref] = (obj.get("spec") or {}).get("selector") or {}

    def places_of(self, entry: str, where: str) -> list[Workload]:
        form, colon, name = entry.partition(":")
        if not colon or form not in _FORMS:
            found = [place for place in self.places if self._named(place, entry)]
            why = _near(entry, self.places)
        elif form == "gateway":
            found = [one for one in self.places if one.workload.kind == "gateway" and one.name in (name, f"istio-{name}gateway")]
            every = sorted({one.name for one in self.places if one.workload.kind == "gateway"})
            why = f"there are {', '.join(every) or 'none'}"
        elif form == "service":
            selector, space = self.services.get(name) or {}, name.partition("/")[0]
            found = [one for one in self.places if selector and one.namespace == space and selector.items() <= one.workload.labels.items()]
            why = "it has no selector, or none of its pods are known" if name in self.services else "there is no such Service"
        else:
            spaces = self.intent.domains.get(name, ()) if form == "domain" else (name,)
            # The pods of a waypoint stand for others.
            found = [one for one in self.places if one.namespace in spaces and (one.workload.kind != "waypoint" or one.workload.service)]
            why = "it has no workload" if spaces else f"mesh_domains has {', '.join(self.intent.domains) or 'none'}"
        if not found:
            self.problems.append(f"{where}: {entry} does not exist; {why}")
        return found

    @staticmethod
    def _named(place: Workload, entry: str) -> bool:
        names = {*place.refs, f"{place.namespace}/{app_of(place)[1]}"}
        return any(fnmatchcase(name, entry) for name in names) if any(mark in entry for mark in "*?[") else entry in names

    def unique(self, entries: Iterable[str], where: str) -> tuple[Workload, ...]:
        found = {place.ref: place for entry in entries for place in self.places_of(entry, where)}
        return tuple(found[ref] for ref in sorted(found))

    def row(self, rule: AccessRule) -> ResolvedRule:
        words = tuple(word for word in (ANYONE, AUTHENTICATED, PLAINTEXT) if word in rule.sources)
        accounts = [entry.partition(":")[2] for entry in rule.sources if entry.startswith("serviceaccount:")]
        for name in accounts:
            if name not in self.accounts:
                self.problems.append(f"{rule.name}.from: serviceaccount:{name} does not exist, and no workload runs as it")
        named = [entry for entry in rule.sources if entry not in words and not entry.startswith("serviceaccount:")]
        callers = tuple(place for place in self.unique(named, f"{rule.name}.from") if not place.workload.service)
        return ResolvedRule(rule, words, callers, tuple(accounts), self.unique(rule.targets, f"{rule.name}.to"), self._tokens(rule))

    def _tokens(self, rule: AccessRule) -> tuple[str, ...]:
        """ISSUER/SUBJECT with the issuer's own name where the intent's is given."""
        found = []
        known = {issuer.name: issuer.issuer for issuer in self.intent.issuers}
        for entry in rule.tokens:
            issuer, slash, subject = entry.rpartition("/")
            full = known.get(issuer, issuer)
            if not slash or not subject or full not in known.values():
                self.problems.append(
                    f"{rule.name}.tokens: {entry!r} is no ISSUER/SUBJECT of an issuer of mesh_access.issuers "
                    f"({', '.join(known) or 'which is empty'}), so such a token would not be checked"
                )
            found.append(f"{full}/{subject}")
        return tuple(found)

    def closed(self, rows: Sequence[ResolvedRule]) -> tuple[Workload, ...]:
        named = self.unique(self.intent.close, "mesh_access.close")
        spaces, found = set(self.intent.namespaces if self.intent.default_deny else ()), {place.ref: place for place in named}
        for space in self.intent.namespaces:
            if all(place.namespace != space for place in self.places):
                self.problems.append(f"mesh_access.namespaces: {space} has no workload in the source; remove it, or bring those first")
        # A Service behind a waypoint of another namespace is closed with its own namespace.
        found |= {one.ref: one for one in self.places if (one.workload.service or one).namespace in spaces}
        for row in rows:
            for place in row.targets:
                if self.intent.default_deny and place.ref not in found and place.workload.kind != "gateway":
                    self.problems.append(
                        f"{row.rule.name}.to: {place.ref} is in {place.namespace}, which mesh_access.namespaces does not name: "
                        "any caller could still reach everything else there; name the namespace, or take it out of the rule"
                    )
                found[place.ref] = place
        # The pods of a waypoint are no destination: what they let through is a matter of the Services behind them.
        return tuple(found[ref] for ref in sorted(found) if found[ref].workload.kind != "waypoint" or found[ref].workload.service)

    def unsuitable(self, closed: Sequence[Workload]) -> None:
        for place in closed:
            if place.open:
                bare = "has no proxy" if place.outside else "has a proxy that gets none of its ports"
                self.problems.append(
                    f"{place.ref} {bare}, so nothing would be enforced there ({place.why or place.past.why or 'nothing injects one'}): "
                    "change that, or leave its namespace out of mesh_access.namespaces"
                )

    def contradictions(self, rows: Sequence[ResolvedRule], exemptions: Sequence[Exempted]) -> None:
        for row in rows:
            for place in row.targets:
                self._protocol(row, place)
            if ANYONE in row.words and len(row.rule.sources) > 1:
                words = ", ".join(row.rule.sources)
                self.problems.append(f"{row.rule.name}.from: anyone includes every caller, so {words} contradicts itself")
        for exempted in exemptions:
            target, one = exempted.exemption.target, exempted.exemption
            disabled = {place.ref for place in exempted.places if "DISABLE" in (one.mode, *one.ports.values())}
            for row in rows:
                hit = sorted(place.ref for place in row.targets if place.ref in disabled)
                if hit and (row.identities or AUTHENTICATED in row.words):
                    self.problems.append(
                        f"{row.rule.name} lets {', '.join(row.rule.sources)} call {', '.join(hit)} by identity, and "
                        f"mesh_access.mtls.exceptions for {target} says DISABLE, where no caller has an identity: change one of the two"
                    )

    def _protocol(self, row: ResolvedRule, place: Workload) -> None:
        asked = [key for key in _HTTP if key in row.rule.operations] + (["tokens"] if row.tokens else [])
        if asked and place.workload.kind == "ztunnel":
            self.problems.append(
                f"{row.rule.name} asks for {', '.join(asked)} at {place.ref}, which ztunnel guards: it sees only connections; "
                "give its Service a waypoint (label istio.io/use-waypoint), or leave those out"
            )
            return
        ports = [int(port) for port in row.rule.operations.get("ports", ())]
        words = {place.ports.get(port, HTTP) for port in ports} if ports else set(place.ports.values())
        if place.ports and ports and not set(ports) & set(place.ports):
            known = ", ".join(map(str, sorted(place.ports)))
            self.problems.append(f"{row.rule.name}.ports: {place.ref} has no {', '.join(map(str, ports))}; its Services lead to {known}")
        if asked and words == {TCP}:
            self.problems.append(
                f"{row.rule.name} asks for {', '.join(asked)} at {place.ref}, whose Service says TCP: only connections are seen there"
            )

    def forbidden(self, rows: Sequence[ResolvedRule], never: Sequence[ResolvedRule]) -> None:
        """A rule and a `never` that speak of the same request: both are shown."""
        for ban in never:
            for row in rows:
                both = sorted({place.ref for place in row.targets} & {place.ref for place in ban.targets})
                who = self._common(row, ban)
                if both and who and self._overlap(row, ban):
                    self.problems.append(
                        f"{self._shown(row)} lets {who} call {', '.join(both)}, and {self._shown(ban)} says never: change one of the two"
                    )

    @staticmethod
    def _shown(row: ResolvedRule) -> str:
        return f"{row.rule.name} (from {', '.join(row.rule.sources)} to {', '.join(row.rule.targets)})"

    @staticmethod
    def _common(row: ResolvedRule, ban: ResolvedRule) -> str:
        if set(row.words) & set(ban.words) or ANYONE in (*row.words, *ban.words):
            return ", ".join(row.rule.sources)
        if AUTHENTICATED in (*row.words, *ban.words):
            return ", ".join((*row.identities, *ban.identities))
        return ", ".join(sorted(set(row.identities) & set(ban.identities)))

    def _overlap(self, row: ResolvedRule, ban: ResolvedRule) -> bool:
        for key, mine in row.rule.operations.items():
            theirs = ban.rule.operations.get(key, mine)
            make = for_field(key, "default", self.inventory.mesh).matcher
            if theirs is mine:
                continue
            if key == "ports":
                if not set(mine) & set(theirs):
                    return False
            elif not any(all(one.matched) for a in mine for b in theirs for one in combinations([make(a), make(b)])):
                return False
        return True

    def shared(self, rows: Sequence[ResolvedRule]) -> None:
        """Named callers that run as the account of others that are not named."""
        run: dict[str, set[str]] = {}
        for place in self.places:
            if not place.outside:
                run.setdefault(f"{place.namespace}/{place.account}", set()).add(place.ref)
        for row in rows:
            own = {place.ref for place in row.callers}.union(*(run.get(name, set()) for name in row.accounts))
            for identity in () if set(row.words) - {PLAINTEXT} else row.identities:
                others = sorted(run.get(identity, set()) - own)
                if others:
                    self.problems.append(
                        f"{row.rule.name}.from: no policy can tell {', '.join(row.rule.sources)} from {', '.join(others)}: all run as the "
                        f"service account {identity}; give each its own, or name serviceaccount:{identity}"
                    )


def _exempted(resolver: _Resolver) -> tuple[Exempted, ...]:
    found = []
    for one in resolver.intent.exemptions:
        if one.target.startswith("namespace:"):
            space = one.target.partition(":")[2]
            if space not in resolver.intent.namespaces:
                resolver.problems.append(f"mesh_access.mtls.exceptions for {one.target}: mesh_access.namespaces does not name it")
            places = tuple(place for place in resolver.places if place.namespace == space)
        else:
            places = resolver.unique((one.target,), "mesh_access.mtls.exceptions")
            space = places[0].namespace if places else ""
        found.append(Exempted(one, space, places))
    return tuple(found)


def resolve(intent: AccessIntent, inventory: MeshInventory, objects: Iterable[Mapping[str, Any]]) -> Resolved:
    """The intent in terms of workloads; a ConfigError names all that does not exist and all that contradicts itself."""
    resolver = _Resolver(intent, inventory, objects)
    rows = [resolver.row(rule) for rule in intent.rules]
    never = [resolver.row(rule) for rule in intent.never]
    resolver.forbidden(rows, never)
    resolver.shared(rows)
    rows, problems = behind_waypoints(rows, inventory, objects)
    resolver.problems += problems
    closed, exemptions = resolver.closed(rows), _exempted(resolver)
    resolver.unsuitable(closed)
    resolver.contradictions(rows, exemptions)
    if resolver.problems:
        raise ConfigError("the intended access cannot be had:", *(f"- {text}" for text in dict.fromkeys(resolver.problems)))
    return Resolved(tuple(rows), closed, exemptions, {issuer.issuer: issuer for issuer in intent.issuers})


def matrix_of(rows: Iterable[ResolvedRule]) -> list[dict[str, Any]]:
    """The rows as M(meshops.mesh.authorization_check) takes them."""
    found = []
    for row in rows:
        sources = [*row.words, *(place.ref for place in row.callers), *(f"serviceaccount:{name}" for name in row.accounts)]
        entry: dict[str, Any] = {"from": sources, "to": [place.ref for place in row.targets]}
        entry |= {key: list(values) for key, values in row.rule.operations.items()}
        entry |= {"claims": {key: list(values) for key, values in row.rule.claims.items()}} if row.rule.claims else {}
        found.append(entry | ({"tokens": list(row.tokens)} if row.tokens else {}))
    return found
