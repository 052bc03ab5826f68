# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Patterns of policies that do not do what they look like, found in a whole mesh. Each function gives objects and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .attachment import GATEWAY_NAME, selected, unread, why_not
from .doors import EnforcementPoint, EnforcementSpace, doors_of
from .facts import Facts
from .inventory import MeshInventory, Workload
from .model import HTTP, TCP, AuthorizationPolicy, Clause, PolicyFinding
from .wording import names
from .world import MeshPolicies
from .ztunnel_mtls import CLOSED

__all__ = ["Fault", "PolicyAnalysis"]

IDENTITIES = ("principals", "namespaces", "serviceAccounts", "trustDomains")
_IDENTITY_KEYS = ("source.principal", "source.namespace", "source.serviceAccount", "source.trustDomain")
_WANT_ONE = (*IDENTITIES, "requestPrincipals")  # with one of these no caller without an identity, or a token, gets in
_ACCEPTED = ("ZtunnelAccepted", "WaypointAccepted")
_IN_PART = ("UnsupportedValue", "PartiallyInvalid")
_HTTP_LISTS = ("hosts", "methods", "paths")
_TOKEN_LISTS = ("requestPrincipals", "notRequestPrincipals")
_LISTS = ("from", "to", "when")
_SHOWN = 5
Fault = tuple[str, str]  # the object, what is wrong


def _not(name: str) -> str:
    return f"not{name[0].upper()}{name[1:]}"


@dataclass
class PolicyAnalysis:
    """A mesh as the checks look at it."""

    world: MeshPolicies
    inventory: MeshInventory
    accounts: frozenset[str] = frozenset()  # namespace/name of the service accounts that are known to exist
    written: frozenset[str] = frozenset()  # those of them that the source has as objects
    namespaces: frozenset[str] = frozenset()
    complete: bool = True  # False: a folder of manifests, which may have only a part
    cors: frozenset[str] = frozenset()  # workloads that a VirtualService with corsPolicy leads to
    _places: dict[int, list[tuple[Workload, EnforcementPoint]]] = field(default_factory=dict)

    @cached_property
    def doors(self) -> list[tuple[Workload, EnforcementPoint]]:
        return doors_of(self.world, self.inventory)

    @cached_property
    def worlds(self) -> tuple[MeshPolicies, ...]:
        """The mesh as each istiod reads it."""
        asked = {name for place in self.inventory.places for name in place.control_planes}
        meshes = [mesh for mesh in self.inventory.meshes if mesh.control_plane in asked]
        return tuple({id(world): world for world in (self.world, *map(self.world.of, meshes))}.values())

    @cached_property
    def policies(self) -> tuple[AuthorizationPolicy, ...]:
        """One that istiods of several versions read otherwise is there for each."""
        return tuple({id(policy): policy for world in self.worlds for policy in world.policies.policies}.values())

    @cached_property
    def at(self) -> Mapping[int, list[tuple[Workload, EnforcementPoint]]]:
        """The doors of each policy, by the policy's id()."""
        found: dict[int, list[tuple[Workload, EnforcementPoint]]] = {}
        for place, door in self.doors:
            for policy in door.chain.policies:
                found.setdefault(id(policy), []).append((place, door))
        return found

    def clauses(self, *actions: str) -> Iterator[tuple[AuthorizationPolicy, str, Clause, str]]:
        """Each source and operation: its policy, where it stands, the clause, `source` or `operation`."""
        for policy in self.policies:
            if actions and policy.action not in actions:
                continue
            for number, rule in enumerate(policy.rules):
                for side, word, clauses in (("from", "source", rule.sources), ("to", "operation", rule.operations)):
                    for index, clause in enumerate(clauses):
                        yield policy, f"rules[{number}].{side}[{index}].{word}", clause, word

    # what Istio does not take or does not enforce

    def admission(self) -> Iterator[Fault]:
        return self._told(("rejected", "unreadable"))

    def dropped_fields(self) -> Iterator[Fault]:
        return self._told(("dropped",))

    def _told(self, effects: tuple[str, ...]) -> Iterator[Fault]:
        for finding in dict.fromkeys(finding for world in self.worlds for finding in world.findings):
            if finding.effect in effects:
                yield finding.resource, f"{finding.where + ': ' if finding.where else ''}{finding.message}"

    def allow_rules_left_out(self) -> Iterator[Fault]:
        yield from self._translated("ALLOW", "ignored")

    def deny_conditions_dropped(self) -> Iterator[Fault]:
        yield from self._translated("DENY", "dropped")
        yield from self._translated("DENY", "ignored")

    def _translated(self, action: str, effect: str) -> Iterator[Fault]:
        """What enforcers make of a policy otherwise than it is written, with the places where they do."""
        found: dict[tuple[str, str], list[str]] = {}
        for policy in self.policies:
            if policy.action != action:
                continue
            for place, door in self.at.get(id(policy), ()):
                chain = door.chain
                for finding in self.world.of(chain.mesh).policies.compiled(policy, chain.protocol, chain.kind).findings:
                    if finding.effect == effect and self._concerns(policy, finding, door):
                        key = (finding.resource, f"{finding.where + ': ' if finding.where else ''}{finding.message}")
                        found.setdefault(key, []).append(place.ref)
        for (resource, message), refs in found.items():
            yield resource, f"{message} (at {names(dict.fromkeys(refs))})"

    def _concerns(self, policy: AuthorizationPolicy, finding: PolicyFinding, door: EnforcementPoint) -> bool:
        """At a workload with HTTP and TCP ports, a rule about HTTP matters to TCP only if it can speak of those ports."""
        if not door.only or not finding.where.startswith("rules["):
            return True
        rule = policy.rules[int(finding.where[6:].partition("]")[0])]
        ports = {port for clause in rule.operations for port in clause.lists.get("ports", ())}
        if ports:
            return bool(ports & {str(port) for port in door.only})
        return policy.action == "DENY"

    @cached_property
    def lost(self) -> tuple[AuthorizationPolicy, ...]:
        """Policies that no workload enforces."""
        found = [policy for policy in self.policies if not self.at.get(id(policy))]
        if len(self.worlds) < 2:
            return tuple(found)
        enforced = {policy.key for _place, door in self.doors for policy in door.chain.policies}
        return tuple({policy.key: policy for policy in found if policy.key not in enforced}.values())

    def misplaced(self) -> Iterator[Fault]:
        """Objects for a workload of another namespace: outside of the root namespace a selector selects in its own namespace only."""
        for policy in self.lost:
            yield from self._elsewhere(_ref(policy), policy)
        for kind, objects in (("RequestAuthentication", self.world.tokens), ("PeerAuthentication", self.world.peers)):
            for obj in objects:
                own = [place for place in self.inventory.near(obj.namespace) if selected(obj, place.workload)]
                if not own or all(place.assumed for place in own):
                    yield from self._elsewhere(f"{kind} {obj.namespace}/{obj.name}", obj)

    def _elsewhere(self, ref: str, obj: Any) -> Iterator[Fault]:
        roots = {mesh.root_namespace for mesh in (self.inventory.mesh, *self.inventory.meshes)}
        if not obj.selector or obj.namespace in roots or unread(obj, self.world.mesh):
            return
        if any(selected(obj, place.workload) for place in self.inventory.near(obj.namespace)):
            return
        meant = [place for place in self.inventory.labelled(obj.selector) if not place.assumed and not place.workload.service]
        if meant:
            words = ",".join(f"{key}={value}" for key, value in sorted(obj.selector.items()))
            where = ", ".join(dict.fromkeys(place.namespace for place in meant))
            yield (
                ref,
                f"nobody enforces it: its selector {words} is for {names(place.ref for place in meant)}, and holds in its own namespace "
                f"{obj.namespace} only; move it to {where}",
            )

    def unattached(self) -> Iterator[Fault]:
        """Policies that no workload enforces, with the reason of the nearest; and workloads that one selects and that have no proxy."""
        bare, lost = dict(self._bare()), {id(policy) for policy in self.lost}
        misplaced = {ref for ref, _why in self.misplaced()}
        for policy in self.policies:
            if id(policy) in bare:
                yield _ref(policy), bare[id(policy)]
            elif id(policy) in lost and _ref(policy) not in misplaced:
                yield from self._why_lost(policy)

    def _bare(self) -> Iterator[tuple[int, str]]:
        """Policies for workloads that nobody guards, by their id(): each that selects one, and those that nobody else enforces."""
        where = self.world.mesh
        everywhere = [place for place in self.inventory.places if place.open]
        for policy in self.policies if everywhere else ():
            enforced = self.at.get(id(policy))
            if enforced and not policy.selector:
                continue
            here = self.inventory.concerned(policy.namespace)
            open_ = everywhere if policy.namespace == where.root_namespace else [place for place in here if place.open]
            mine = [place for place in open_ if (policy.selector or not place.apart) and not why_not(policy, place.workload, where)]
            if mine:
                reason = next((place.why or place.past.why for place in mine if place.why or place.past.why), "")
                also = "there nobody enforces it: it matches" if enforced else "no workload enforces it: it matches"
                has = "has no proxy" if len(mine) == 1 else "have no proxy"
                yield id(policy), f"{also} {names(place.ref for place in mine)}, which {has}{f' ({reason})' if reason else ''}"

    def _why_lost(self, policy: AuthorizationPolicy) -> Iterator[Fault]:
        wide = policy.namespace == self.inventory.mesh.root_namespace
        about = self.inventory.places if wide else self.inventory.concerned(policy.namespace)
        near = [place for place in about if not place.open and not place.assumed]
        where = self.world.mesh
        reason = self._unread(policy)
        if reason:
            yield _ref(policy), f"no workload enforces it: {reason}"
        elif not near and not self.complete:
            return  # the workloads may be elsewhere
        elif policy.target_refs:
            wanted = ", ".join(f"{ref.kind} {ref.name}" for ref in policy.target_refs)
            told = (why_not(policy, place.workload, where) for place in near if GATEWAY_NAME in place.workload.labels)
            why = next(
                (text for text in told if text), "only a gateway of the Gateway API or a waypoint follows targetRefs, and there is none"
            )
            yield _ref(policy), f"no workload enforces it: it is for {wanted}, and {why}"
        elif any(place.workload.kind == "waypoint" and not why_not(policy, _as_sidecar(place).workload, where) for place in near):
            yield _ref(policy), "no workload enforces it: its selector is for a waypoint, and a waypoint follows targetRefs only"
        elif policy.selector:
            words = ",".join(f"{key}={value}" for key, value in sorted(policy.selector.items()))
            yield _ref(policy), f"no workload enforces it: its selector {words} matches none of the {len(near)} workloads"
        else:
            yield _ref(policy), "no workload enforces it: there is no workload with a proxy in its namespace"

    def _unread(self, policy: AuthorizationPolicy) -> str:
        """Why none of the istiods reads it, or none whose workloads it is for."""
        reasons = {mesh.revision: unread(policy, mesh) for mesh in (self.inventory.meshes or (self.inventory.mesh,))}
        label, tags = policy.revision, self.inventory.tags
        if label and label not in reasons:
            if label in tags:
                return f"its label istio.io/rev is the tag {label}, and istiod compares it with the name of its own revision, {tags[label]}"
            known = ", ".join(sorted(name for name in reasons if name))
            return f"its label istio.io/rev is {label}, and there is no istiod of that revision" + (f", only of {known}" if known else "")
        if label and len(reasons) > 1 and not reasons[label]:
            return f"its label istio.io/rev is {label}, and no workload that it is for has its proxy from the istiod of that revision"
        return "" if "" in reasons.values() else next(iter(reasons.values()), "")

    def past_proxies(self) -> Iterator[Fault]:
        """Workloads with policies, of which ports go past the proxy that enforces them."""
        found: dict[str, tuple[Workload, dict[str, None]]] = {}
        for place, door in self.doors:
            if place.past and not place.open:
                found.setdefault(place.ref, (place, {}))[1].update(dict.fromkeys(policy.key for policy in door.chain.policies))
        for place, policies in found.values():
            if policies:
                shown = ", ".join(list(policies)[:_SHOWN]) + (", ..." if len(policies) > _SHOWN else "")
                verb = "is" if len(policies) == 1 else "are"
                yield f"Workload {place.ref}", f"{shown} {verb} not enforced at {place.past.text}: {place.past.why}"

    # what is more than it looks like

    def empty_lists(self) -> Iterator[Fault]:
        for obj in self.inventory.objects:
            spec = obj.get("spec") if obj.get("kind") == "AuthorizationPolicy" else None
            rules = spec.get("rules") if isinstance(spec, Mapping) else None
            for number, rule in enumerate(rules if isinstance(rules, list) else []):
                for name in _LISTS[:2]:
                    if isinstance(rule, Mapping) and rule.get(name) == []:
                        word = "callers" if name == "from" else "operations"
                        metadata = obj.get("metadata") or {}
                        yield (
                            f"AuthorizationPolicy {metadata.get('namespace', 'default')}/{metadata.get('name')}",
                            f"rules[{number}].{name} is an empty list, which Istio takes for any: {word} are not limited",
                        )

    def _not_strict(self, policy: AuthorizationPolicy) -> list[str]:
        return [
            place.ref
            for place, door in self.at.get(id(policy), ())
            if door.mutual and any(mode not in ("STRICT", CLOSED) for _port, mode, _by in door.modes)
        ]

    def _identities(self, *actions: str) -> Iterator[tuple[AuthorizationPolicy, str, tuple[str, ...], tuple[str, ...], bool]]:
        """Each place that asks for an identity: policy, place, lists that want one or exclude some; does the rule want one at all?"""
        for policy in self.policies:
            for number, rule in enumerate(policy.rules if policy.action in actions else ()):
                wanted = any(condition.key in _IDENTITY_KEYS and condition.values for condition in rule.when)
                for index, clause in enumerate(rule.sources):
                    positive = tuple(name for name in IDENTITIES if name in clause.lists)
                    excluded = tuple(_not(name) for name in IDENTITIES if _not(name) in clause.lists)
                    own = wanted or bool(positive) or "requestPrincipals" in clause.lists
                    yield policy, f"rules[{number}].from[{index}].source", positive, excluded, own
                in_each = bool(rule.sources) and all(any(name in clause.lists for name in _WANT_ONE) for clause in rule.sources)
                for index, condition in enumerate(rule.when):
                    if condition.key in _IDENTITY_KEYS:
                        lists = (("values",) if condition.values else (), ("notValues",) if condition.not_values else ())
                        yield policy, f"rules[{number}].when[{index}] ({condition.key})", *lists, wanted or in_each

    def deny_by_identity(self) -> Iterator[Fault]:
        for policy, where, lists, _excluded, _wanted in self._identities("DENY"):
            open_ = self._not_strict(policy) if lists else []
            if open_:
                yield (
                    _ref(policy),
                    (
                        f"{where}.{lists[0]}: a caller without mutual TLS has no identity, so this DENY never matches it; "
                        f"mutual TLS is not STRICT at {names(dict.fromkeys(open_))}"
                    ),
                )

    def allow_by_not_identity(self) -> Iterator[Fault]:
        for policy, where, _lists, excluded, wanted in self._identities("ALLOW"):
            open_ = self._not_strict(policy) if excluded and not wanted else []
            if open_:
                yield (
                    _ref(policy),
                    (
                        f"{where}.{excluded[0]} holds for every caller without an identity too; "
                        f"mutual TLS is not STRICT at {names(dict.fromkeys(open_))}"
                    ),
                )

    def _values(self, *wanted: str) -> Iterator[tuple[AuthorizationPolicy, str, str, str, Clause]]:
        """Each value of these lists and of their not-forms, and of the keys of `when` that mean the same."""
        keys = {"source.principal": "principals", "source.namespace": "namespaces", "source.serviceAccount": "serviceAccounts"}
        for policy, where, clause, _word in self.clauses():
            for name in wanted:
                for written in (name, _not(name)):
                    for value in clause.lists.get(written, ()):
                        yield policy, f"{where}.{written}", name, value, clause
        for policy in self.policies:
            for number, rule in enumerate(policy.rules):
                for index, condition in enumerate(rule.when):
                    if keys.get(condition.key) in wanted:
                        for value in (*condition.values, *condition.not_values):
                            yield policy, f"rules[{number}].when[{index}]", keys[condition.key], value, Clause({})

    def spiffe_prefix(self) -> Iterator[Fault]:
        for policy, where, _name, value, _clause in self._values("principals"):
            if value.startswith("spiffe://"):
                yield _ref(policy), f"{where}: {value} never matches; write {value.removeprefix('spiffe://')}"

    def stars(self) -> Iterator[Fault]:
        for policy, where, name, value, _clause in self._values("principals", "paths", "hosts", "methods", "namespaces"):
            inner = value[1:-1] if len(value) > 1 else ""
            both = len(value) > 1 and value.startswith("*") and value.endswith("*")
            if name == "paths" and ("{*}" in value or "{**}" in value):
                problem = _template(value)
                if problem:
                    yield _ref(policy), f"{where}: {problem} in {value}: Istio accepts it, and Envoy refuses the listener that has it"
                continue
            if name == "namespaces":
                ambient = any(place.workload.kind == "ztunnel" for place, _door in self.at.get(id(policy), ()))
                if "*" in inner and ambient:
                    yield _ref(policy), f"{where}: ztunnel takes the star in {value} for itself, a sidecar takes it for any text"
            elif "*" in inner or both:
                yield _ref(policy), f"{where}: in {value} only a star at one end stands for any text; the other is a literal star"

    def hosts(self) -> Iterator[Fault]:
        for policy, where, _name, value, clause in self._values("hosts"):
            others = clause.lists.get("hosts", ()) + clause.lists.get("notHosts", ())
            if "*" not in value and ":" not in value and f"{value}:*" not in others:
                denies = (policy.action == "DENY") != where.endswith("notHosts")
                effect = "passes by it" if denies else "is not meant by it"
                yield _ref(policy), f"{where}: Host {value}:8443 {effect}, because the port is compared too; add {value}:*"

    def methods(self) -> Iterator[Fault]:
        for policy, where, _name, value, _clause in self._values("methods"):
            if value != value.upper():
                yield _ref(policy), f"{where}: {value} never matches; methods are in upper case: {value.upper()}"

    # names

    def unqualified_accounts(self) -> Iterator[Fault]:
        root = self.inventory.mesh.root_namespace
        for policy, where, _name, value, _clause in self._values("serviceAccounts"):
            if policy.namespace == root and "/" not in value:
                yield _ref(policy), f"{where}: {value} means {root}/{value}, because the policy is in the root namespace"

    def _named(self) -> Iterator[tuple[AuthorizationPolicy, str, str, str, str]]:
        """Each namespace and service account that is named whole: policy, place, value, namespace, account (empty: only a namespace)."""
        domains = set(self.inventory.mesh.trust_domains) | {"cluster.local"}
        for policy, where, name, value, _clause in self._values("principals", "serviceAccounts", "namespaces"):
            if "*" in value:
                continue
            if name == "namespaces":
                yield policy, where, value, value, ""
            elif name == "serviceAccounts":
                namespace, _slash, account = value.rpartition("/")
                yield policy, where, value, namespace or policy.namespace, account
            else:
                parts = value.split("/")
                if len(parts) == 5 and (parts[1], parts[3]) == ("ns", "sa") and parts[0] in domains:
                    yield policy, where, value, parts[2], parts[4]

    def missing_accounts(self) -> Iterator[Fault]:
        """Only of namespaces whose service accounts the source has: a folder without any has them made elsewhere."""
        counted = {ref.partition("/")[0] for ref in self.written}
        for policy, where, value, namespace, account in self._named():
            known = namespace in self.namespaces if self.complete else namespace in counted
            if account and known and account != "default" and f"{namespace}/{account}" not in self.accounts:
                yield _ref(policy), f"{where}: {value} is nobody: there is no ServiceAccount {namespace}/{account}"

    def missing_namespaces(self) -> Iterator[Fault]:
        """Only where the source has all of them, which a folder of manifests never has."""
        for policy, where, value, namespace, _account in self._named() if self.complete else ():
            if namespace not in self.namespaces:
                yield _ref(policy), f"{where}: {value} is nobody: there is no Namespace {namespace}"

    def ambient_trust_domain(self) -> Iterator[Fault]:
        domain = self.inventory.mesh.trust_domain
        for policy, where, _name, value, _clause in self._values("principals"):
            ambient = [place.ref for place, _door in self.at.get(id(policy), ()) if place.workload.kind == "ztunnel"]
            if domain != "cluster.local" and value.startswith("cluster.local/") and ambient:
                yield _ref(policy), f"{where}: {value} never matches at {names(ambient)}: ztunnel knows no alias of {domain}"

    # tokens, and who is left out

    def _asks_for_token(self, policy: AuthorizationPolicy) -> bool:
        lists = any(name in clause.lists for rule in policy.rules for clause in rule.sources for name in _TOKEN_LISTS)
        return lists or any(condition.key.startswith("request.auth.") for rule in policy.rules for condition in rule.when)

    def _doors_near(self, namespace: str) -> list[tuple[Workload, EnforcementPoint]]:
        """The doors that objects of a namespace may be for."""
        roots = {self.world.mesh.root_namespace, *(mesh.root_namespace for mesh in self.inventory.meshes)}
        return self.doors if namespace in roots else self._doors_of.get(namespace, [])

    @cached_property
    def _doors_of(self) -> Mapping[str, list[tuple[Workload, EnforcementPoint]]]:
        found: dict[str, list[tuple[Workload, EnforcementPoint]]] = {}
        for place, door in self.doors:
            for namespace in place.concerned:
                found.setdefault(namespace, []).append((place, door))
        return found

    def tokens_not_demanded(self) -> Iterator[Fault]:
        every = {(tokens.namespace, tokens.name): tokens for world in self.worlds for tokens in world.tokens}
        for tokens in every.values() if len(self.worlds) > 1 else self.world.tokens:
            own = [
                (place, door)
                for place, door in self._doors_near(tokens.namespace)
                if door.chain.protocol == HTTP and door.rules and not why_not(tokens, place.workload, door.chain.mesh)
            ]
            open_ = [place.ref for place, door in own if not any(self._asks_for_token(policy) for policy in door.chain.policies)]
            if open_:
                yield (
                    f"RequestAuthentication {tokens.namespace}/{tokens.name}",
                    f"a request without a token passes at {names(dict.fromkeys(open_))}: no AuthorizationPolicy there asks for one",
                )

    def tokens_not_read(self) -> Iterator[Fault]:
        for policy in self.policies:
            if self._asks_for_token(policy):
                blind = [place.ref for place, door in self.at.get(id(policy), ()) if door.chain.protocol == HTTP and door.rules is None]
                if blind:
                    yield _ref(policy), f"it asks for a token, and no RequestAuthentication reads one at {names(dict.fromkeys(blind))}"

    def statuses(self) -> Iterator[Fault]:
        """What istiod itself wrote into an object of ambient: not accepted, or accepted in part."""
        for obj in self.inventory.objects:
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
                    yield resource, f"{found.get('type')} is {found.get('status')}: {found.get('reason')}: {said}"

    def dry_runs(self) -> Iterator[Fault]:
        for policy in self.policies:
            if policy.dry_run:
                yield _ref(policy), "it is a dry run: it is logged and not enforced"

    def authorizers(self) -> Iterator[Fault]:
        """CUSTOM policies whose provider is not asked: what they match is refused, or passes."""
        for policy in self.policies:
            if policy.action != "CUSTOM":
                continue
            refused: dict[str, list[str]] = {}
            for place, door in self.at.get(id(policy), ()):
                for step in door.chain.custom:
                    if step.denies and any(rule.policy is policy for rule in step.rules):
                        refused.setdefault(step.denies, []).append(place.ref)
                if door.chain.protocol == TCP and getattr(door.chain.mesh.providers.get(policy.provider or ""), "protocol", "") == "http":
                    why = f"provider {policy.provider!r} speaks HTTP and is not asked at ports of TCP, where everything passes this policy"
                    refused.setdefault(why, []).append(place.ref)
            for why, refs in refused.items():
                end = "" if why.endswith("this policy") else "; whatever it matches is denied"
                yield _ref(policy), f"{why}{end} (at {names(dict.fromkeys(refs))})"

    def closed_to_all(self) -> Iterator[Fault]:
        closed: dict[str, dict[str, bool]] = {}
        for place, door in self.doors:
            if (door.chain.has_allow or door.chain.deny) and not place.assumed:
                closed.setdefault(place.ref, {})[", ".join(policy.key for policy in door.chain.policies)] = bool(door.passing)
        grouped: dict[str, list[str]] = {}
        for ref, found in closed.items():
            if not any(found.values()):
                grouped.setdefault(next(iter(found), ""), []).append(ref)
        for policies, refs in grouped.items():
            for ref in refs:
                yield f"Workload {ref}", f"no request at all can pass {policies}"

    def preflights(self) -> Iterator[Fault]:
        """A browser's OPTIONS has no token and goes through the policies before the answer of CORS."""
        for place, door in self.doors:
            if door.chain.protocol == HTTP and place.ref in self.cors and door.chain.has_allow:
                facts = Facts(method=("OPTIONS",), path=("/",), host=("example.com",), headers={}, port=tuple(place.ports)[:1])
                space = door.space
                methods = "methods" in space.names or bool(space.claims)
                if methods and not door.decide(facts).allowed and not self._options(space, door):
                    yield (
                        f"Workload {place.ref}",
                        "a VirtualService has a corsPolicy for it, and no policy lets OPTIONS pass without a token",
                    )

    def _options(self, space: EnforcementSpace, door: EnforcementPoint) -> bool:
        for box in door.passing:
            facts = space.witness(box)
            if facts and "methods" in space.names:
                index = space.names.index("methods")
                values = space.values["methods"]
                matchers = space.matchers["methods"]
                mine = tuple(matcher.matches("OPTIONS") for matcher in matchers)
                bit = next(number for number, value in enumerate(values) if value.matched == mine)
                if box[index] >> bit & 1 and all(box[place] & space.absent(place) for place in space.claims):
                    return True
            elif facts and all(box[place] & space.absent(place) for place in space.claims):
                return True
        return False

    def waypoints_shut_out(self) -> Iterator[Fault]:
        """ztunnel sees the waypoint, not the caller, once a Service is behind one."""
        served: dict[str, set[str]] = {}
        for place in self.inventory.places:
            if place.workload.service:
                identity = f"spiffe://{self.inventory.mesh.trust_domain}/ns/{place.namespace}/sa/{place.account}"
                served.setdefault(place.workload.service.namespace, set()).add(identity)
        for place, door in self.doors:
            for identity in sorted(served.get(place.namespace, ())) if place.workload.kind == "ztunnel" else ():
                parts = identity.removeprefix("spiffe://").split("/")
                facts = Facts(peer_names=(identity,), identity=(parts[0], parts[2], parts[4]), port=tuple(place.ports)[:1])
                answer = door.decide(facts)
                if not answer.allowed:
                    yield f"Workload {place.ref}", f"its waypoint may not call it: {identity.removeprefix('spiffe://')} is {answer.reason}"


def _template(value: str) -> str:
    """What Envoy does not take in a path template although Istio's webhook does; empty if nothing."""
    if not value.startswith("/"):
        return "a template must begin with a slash, which is missing"
    return "a template may have no empty segment before its end, and there is one" if "//" in value else ""


def _as_sidecar(place: Workload) -> Workload:
    from dataclasses import replace

    labels = {key: value for key, value in place.workload.labels.items() if key != GATEWAY_NAME}
    return replace(place, workload=replace(place.workload, labels=labels, kind="sidecar"))


def _ref(policy: AuthorizationPolicy) -> str:
    return f"AuthorizationPolicy {policy.key}"


def known_namespaces(objects: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Namespaces that exist, or in which the source has an object."""
    found = {str((obj.get("metadata") or {}).get("namespace") or "") for obj in objects if obj.get("kind") != "AuthorizationPolicy"}
    found |= {str((obj.get("metadata") or {}).get("name")) for obj in objects if obj.get("kind") == "Namespace"}
    return frozenset(found - {""})
