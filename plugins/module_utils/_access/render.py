# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Resolved access to objects: one ALLOW policy for each workload, a default deny for each namespace, mutual TLS, tokens.

Each workload has exactly one policy of ours, so that no half of its callers is ever there without the other half.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._authorization.inventory import MeshInventory, Workload
from .._errors import ConfigError
from .egress import sidecars
from .intent import ANYONE, AUTHENTICATED, PLAINTEXT, AccessIntent
from .rows import Resolved, ResolvedRule, app_of

__all__ = ["DENY", "LAYERS", "Rendered", "render"]

Obj = dict[str, Any]
TOKENS, EXCEPTIONS, ALLOW, MTLS, DENY, EGRESS = LAYERS = (
    "access_tokens", "access_exceptions", "access_allow", "access_mtls", "access_deny", "access_egress",
)  # fmt: skip
DEFAULT_DENY, NAMESPACE_MTLS = "access-default-deny", "access-mtls"
_NAMED = "mesh.meshops.io/exception"  # the annotation that says why an exception is there


@dataclass(frozen=True)
class Rendered:
    """The objects of each layer, in the order in which they are applied."""

    layers: Mapping[str, tuple[Obj, ...]]

    @property
    def objects(self) -> list[Obj]:
        return [obj for name in LAYERS for obj in self.layers[name]]


@dataclass(frozen=True)
class _Group:
    """Places of one namespace with the same rules, and what a policy says to mean them and nobody else: a selector, or targetRefs."""

    name: str
    namespace: str
    attach: Mapping[str, Any]
    places: tuple[Workload, ...]
    rows: tuple[ResolvedRule, ...]


def _alike(rows: Sequence[ResolvedRule]) -> tuple[Any, ...]:
    return tuple((row.rule.name, row.words, row.identities, row.tokens, tuple(row.rule.operations.items())) for row in rows)


def _at_waypoint(place: Workload, rows: tuple[ResolvedRule, ...]) -> _Group | None:
    """A Service behind a waypoint: its policies are in its own namespace, and refer to it."""
    ref = place.workload.service
    if ref is None or ref.kind != "Service":
        return None
    attach = {"targetRefs": [{"group": "", "kind": "Service", "name": ref.name}]}
    return _Group(f"service-{ref.name}", ref.namespace, attach, (place,), rows)


def _selects(selector: Mapping[str, str], place: Workload) -> bool:
    return selector.items() <= place.workload.labels.items()


def _selector(places: Sequence[Workload], every: Iterable[Workload]) -> dict[str, str] | None:
    """The fewest labels that select exactly these places of their namespace."""
    common = dict.fromkeys(places[0].workload.labels.items())
    for place in places[1:]:
        common = {pair: None for pair in common if pair in place.workload.labels.items()}
    wanted, others = {place.ref for place in places}, [place for place in every if place.namespace == places[0].namespace]
    key, value = app_of(places[0])
    first = {key: value} if key else {}
    version = {**first, **{k: v for k, v in common if k in ("version", "app.kubernetes.io/version")}}
    for labels in (first, version, dict(common)):
        if labels and {place.ref for place in others if _selects(labels, place)} == wanted:
            return labels
    return None


def _groups(resolved: Resolved, inventory: MeshInventory, denied: frozenset[str]) -> list[_Group]:
    """The closed places by application where all its versions have the same rules, else one by one.

    denied: the namespaces with a default deny. Places there that nobody may call need no policy of their own, and no labels for it.
    """
    known = resolved.rows_by_target()
    rows = {place.ref: tuple(known.get(place.ref, ())) for place in resolved.closed}
    apps: dict[tuple[str, str], list[Workload]] = {}
    for place in resolved.closed:
        if place.workload.service:
            continue
        key, value = app_of(place)
        apps.setdefault((place.namespace, value if key else place.name), []).append(place)
    found: list[_Group] = []
    for place in resolved.closed:
        group = _at_waypoint(place, rows[place.ref])  # also without rows: a waypoint does not listen to a default deny
        found += [group] if group else []
    for (namespace, name), places in sorted(apps.items()):
        alike = len({_alike(rows[place.ref]) for place in places}) == 1
        for part in [places] if alike else [[place] for place in places]:
            if namespace in denied and not rows[part[0].ref]:
                continue
            selector = _selector(part, inventory.places)
            if selector is None:
                raise ConfigError(
                    f"no labels select {', '.join(place.ref for place in part)} and nothing else of {namespace}: "
                    "give its pods a label app of their own"
                )
            attach = {"selector": {"matchLabels": dict(selector)}}
            found.append(_Group(name if alike else part[0].name, namespace, attach, tuple(part), rows[part[0].ref]))
    return found


def _claim(name: str) -> str:
    outer, bracket, inner = name.partition("[")
    return f"[{outer}]{bracket}{inner}"


def _rule(row: ResolvedRule, trust_domain: str) -> Obj:
    sources: list[Obj] = []
    tokens = {"requestPrincipals": list(row.tokens)} if row.tokens else {}
    if ANYONE in row.words:
        sources = [{"source": tokens}] if tokens else []
    else:
        names = [f"{trust_domain}/ns/{account.replace('/', '/sa/')}" for account in row.identities]
        if AUTHENTICATED in row.words:
            names = ["*"]
        if names:
            sources.append({"source": {"principals": names, **tokens}})
        if PLAINTEXT in row.words:
            sources.append({"source": {"notPrincipals": ["*"], **tokens}})
    rule: Obj = {"from": sources} if sources else {}
    if row.rule.claims:
        rule["when"] = [{"key": f"request.auth.claims{_claim(name)}", "values": list(values)} for name, values in row.rule.claims.items()]
    if row.rule.operations:
        rule["to"] = [{"operation": {key: list(values) for key, values in row.rule.operations.items()}}]
    return rule


def _object(kind: str, namespace: str, name: str, spec: Obj, version: str) -> Obj:
    return {"apiVersion": f"security.istio.io/{version}", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _name(name: str) -> str:
    return f"access-{name}"[:253].rstrip("-.")


def _policies(groups: Sequence[_Group], trust_domain: str, version: str) -> list[Obj]:
    found = []
    for group in groups:
        spec: Obj = dict(group.attach)
        if group.rows:
            spec |= {"action": "ALLOW", "rules": [_rule(row, trust_domain) for row in group.rows]}
        found.append(_object("AuthorizationPolicy", group.namespace, _name(group.name), spec, version))
    return found


def _tokens(groups: Sequence[_Group], resolved: Resolved, version: str) -> list[Obj]:
    found = []
    for group in groups:
        wanted = dict.fromkeys(token.rpartition("/")[0] for row in group.rows for token in row.tokens)
        rules: list[Obj] = []
        for issuer in (resolved.issuers[name] for name in wanted):
            rule: Obj = {"issuer": issuer.issuer, **({"jwksUri": issuer.jwks_uri} if issuer.jwks_uri else {"jwks": issuer.jwks})}
            rule |= {"audiences": list(issuer.audiences)} if issuer.audiences else {}
            rules.append(rule | ({"forwardOriginalToken": True} if issuer.forward else {}))
        if rules:
            spec = {**group.attach, "jwtRules": rules}
            found.append(_object("RequestAuthentication", group.namespace, _name(group.name), spec, version))
    return found


def _peers(intent: AccessIntent, resolved: Resolved, inventory: MeshInventory, version: str) -> tuple[list[Obj], list[Obj]]:
    """Exceptions, and the modes of namespaces."""
    modes = {space: intent.mode for space in intent.namespaces if intent.mode}
    exceptions = []
    for exempted in resolved.exemptions:
        one, space, places = exempted.exemption, exempted.namespace, exempted.places
        if exempted.whole_namespace:
            modes[space] = one.mode
            continue
        selector = _selector(places, inventory.places)
        if selector is None:
            raise ConfigError(f"mesh_access.mtls.exceptions for {one.target}: no labels select its pods and nothing else of {space}")
        spec: Obj = {"selector": {"matchLabels": selector}}
        spec |= {"mtls": {"mode": one.mode}} if one.mode else {}
        spec |= {"portLevelMtls": {str(port): {"mode": word} for port, word in one.ports.items()}} if one.ports else {}
        exceptions.append(_object("PeerAuthentication", space, _name(app_of(places[0])[1] or places[0].name), spec, version))
        if one.name:
            exceptions[-1]["metadata"]["annotations"] = {_NAMED: one.name}
    spaces = sorted(modes.items())
    return exceptions, [_object("PeerAuthentication", space, NAMESPACE_MTLS, {"mtls": {"mode": mode}}, version) for space, mode in spaces]


def _told(peers: Sequence[Obj], services: Sequence[Mapping[str, Any]], version: str, domain: str) -> list[Obj]:
    """What callers are told about the mutual TLS that those PeerAuthentications ask for; nothing where both is taken."""
    words = {"STRICT": "ISTIO_MUTUAL", "DISABLE": "DISABLE"}
    found = []
    for peer in peers:
        meta, spec = peer["metadata"], peer["spec"]
        word = words.get((spec.get("mtls") or {}).get("mode", ""), "")
        labels = (spec.get("selector") or {}).get("matchLabels") or {}
        if not labels:
            hosts = {meta["name"]: f"*.{meta['namespace']}.svc.{domain}"} if word else {}
            ports: dict[str, str] = {}
        else:
            own = [one for one in services if one["metadata"].get("namespace") == meta["namespace"] and _leads(one, labels)]
            names = [one["metadata"]["name"] for one in own]
            hosts = {f"{meta['name']}-{name}"[:253]: f"{name}.{meta['namespace']}.svc.{domain}" for name in names}
            ports = {port: words.get(row["mode"], "") for port, row in (spec.get("portLevelMtls") or {}).items()}
        for name, host in hosts.items():
            policy: Obj = {"tls": {"mode": word}} if word else {}
            numbers = [number for one in services if host.startswith(f"{one['metadata']['name']}.{one['metadata'].get('namespace')}.")
                       for number in _service_ports(one, ports)]  # fmt: skip
            levels = [{"port": {"number": number}, "tls": {"mode": mode}} for number, mode in numbers]
            policy |= {"portLevelSettings": levels} if levels else {}
            if policy:
                row = _object("DestinationRule", meta["namespace"], name, {"host": host, "trafficPolicy": policy}, version)
                found.append({**row, "apiVersion": f"networking.istio.io/{version}"})
    return found


def _leads(service: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a Service leads to pods with these labels only."""
    selector = (service.get("spec") or {}).get("selector") or {}
    return bool(selector) and (labels.items() <= selector.items() or selector.items() <= labels.items())


def _service_ports(service: Mapping[str, Any], modes: Mapping[str, str]) -> list[tuple[int, str]]:
    rows = (service.get("spec") or {}).get("ports") or []
    found = [(int(row["port"]), modes.get(str(row.get("targetPort", row["port"])), "")) for row in rows]
    return [(number, mode) for number, mode in found if mode]


def render(
    intent: AccessIntent, resolved: Resolved, inventory: MeshInventory, version: str, objects: Iterable[Mapping[str, Any]] = ()
) -> Rendered:
    """All objects of the intent; `version`: of Istio's API, v1 or v1beta1; `objects`: where Services are looked up."""
    denied = frozenset(intent.namespaces if intent.default_deny else ())
    groups = _groups(resolved, inventory, denied)
    exceptions, spaces = _peers(intent, resolved, inventory, version)
    deny = [_object("AuthorizationPolicy", space, DEFAULT_DENY, {}, version) for space in sorted(denied)]
    allow = _policies(groups, inventory.mesh.trust_domain, version)
    services = [obj for obj in objects if obj.get("kind") == "Service" and obj.get("apiVersion") == "v1"]
    if intent.destination_rules:
        domain = inventory.mesh.cluster_domain
        exceptions, spaces = (peers + _told(peers, services, version, domain) for peers in (exceptions, spaces))
    told = sidecars(intent, resolved, inventory, services, version) if intent.egress.sidecars else []
    layers = {TOKENS: _tokens(groups, resolved, version), EXCEPTIONS: exceptions, ALLOW: allow, MTLS: spaces, DENY: deny, EGRESS: told}
    return Rendered({name: tuple(objects) for name, objects in layers.items()})
