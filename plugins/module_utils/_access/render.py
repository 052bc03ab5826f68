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

from .._authorization.inventory import Inventory, Place
from .._errors import ConfigError
from .intent import ANYONE, AUTHENTICATED, PLAINTEXT, Intent
from .resolve import Resolved, Row, app_of

__all__ = ["DENY", "LAYERS", "Rendered", "render"]

Obj = dict[str, Any]
TOKENS, EXCEPTIONS, ALLOW, MTLS, DENY = LAYERS = ("access_tokens", "access_exceptions", "access_allow", "access_mtls", "access_deny")
DEFAULT_DENY, NAMESPACE_MTLS = "access-default-deny", "access-mtls"


@dataclass(frozen=True)
class Rendered:
    """The objects of each layer, in the order in which they are applied."""

    layers: Mapping[str, tuple[Obj, ...]]

    @property
    def objects(self) -> list[Obj]:
        return [obj for name in LAYERS for obj in self.layers[name]]


@dataclass(frozen=True)
class _Group:
    """Places of one namespace with the same rules, and the labels that select them and nobody else."""

    name: str
    namespace: str
    selector: Mapping[str, str]
    places: tuple[Place, ...]
    rows: tuple[Row, ...]


def _selects(selector: Mapping[str, str], place: Place) -> bool:
    return selector.items() <= place.workload.labels.items()


def _selector(places: Sequence[Place], every: Iterable[Place]) -> dict[str, str] | None:
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


def _groups(resolved: Resolved, inventory: Inventory) -> list[_Group]:
    """The closed places by application where all its versions have the same rules, else one by one."""
    known = resolved.rows_by_target()
    rows = {place.ref: tuple(known.get(place.ref, ())) for place in resolved.closed}
    apps: dict[tuple[str, str], list[Place]] = {}
    for place in resolved.closed:
        key, value = app_of(place)
        apps.setdefault((place.namespace, value if key else place.name), []).append(place)
    found: list[_Group] = []
    for (namespace, name), places in sorted(apps.items()):
        alike = len({tuple(row.rule.name for row in rows[place.ref]) for place in places}) == 1
        for part in [places] if alike else [[place] for place in places]:
            selector = _selector(part, inventory.places)
            if selector is None:
                raise ConfigError(
                    f"no labels select {', '.join(place.ref for place in part)} and nothing else of {namespace}: "
                    "give its pods a label app of their own"
                )
            found.append(_Group(name if alike else part[0].name, namespace, selector, tuple(part), rows[part[0].ref]))
    return found


def _rule(row: Row, trust_domain: str) -> Obj:
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
    if row.rule.operations:
        rule["to"] = [{"operation": {key: list(values) for key, values in row.rule.operations.items()}}]
    return rule


def _object(kind: str, namespace: str, name: str, spec: Obj, version: str) -> Obj:
    return {"apiVersion": f"security.istio.io/{version}", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _name(name: str) -> str:
    return f"access-{name}"[:253].rstrip("-.")


def _policies(groups: Sequence[_Group], intent: Intent, trust_domain: str, version: str) -> list[Obj]:
    found = []
    for group in groups:
        if not group.rows and group.namespace in intent.namespaces:
            continue  # the default deny of its namespace says it
        spec: Obj = {"selector": {"matchLabels": dict(group.selector)}}
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
            spec = {"selector": {"matchLabels": dict(group.selector)}, "jwtRules": rules}
            found.append(_object("RequestAuthentication", group.namespace, _name(group.name), spec, version))
    return found


def _peers(intent: Intent, resolved: Resolved, inventory: Inventory, version: str) -> tuple[list[Obj], list[Obj]]:
    """Exceptions, and the modes of namespaces."""
    modes = {space: intent.mode for space in intent.namespaces if intent.mode}
    exceptions = []
    for target, space, places, mode, ports in resolved.exemptions:
        if target.startswith("namespace:"):
            modes[space] = mode
            continue
        selector = _selector(places, inventory.places)
        if selector is None:
            raise ConfigError(f"mesh_access.mtls.exceptions for {target}: no labels select its pods and nothing else of {space}")
        spec: Obj = {"selector": {"matchLabels": selector}}
        spec |= {"mtls": {"mode": mode}} if mode else {}
        spec |= {"portLevelMtls": {str(port): {"mode": word} for port, word in ports.items()}} if ports else {}
        exceptions.append(_object("PeerAuthentication", space, _name(app_of(places[0])[1] or places[0].name), spec, version))
    spaces = sorted(modes.items())
    return exceptions, [_object("PeerAuthentication", space, NAMESPACE_MTLS, {"mtls": {"mode": mode}}, version) for space, mode in spaces]


def render(intent: Intent, resolved: Resolved, inventory: Inventory, version: str) -> Rendered:
    """All objects of the intent; `version`: of Istio's security API, v1 or v1beta1."""
    groups = _groups(resolved, inventory)
    exceptions, spaces = _peers(intent, resolved, inventory, version)
    deny = [_object("AuthorizationPolicy", space, DEFAULT_DENY, {}, version) for space in sorted(intent.namespaces)]
    allow = _policies(groups, intent, inventory.mesh.trust_domain, version)
    layers = {TOKENS: _tokens(groups, resolved, version), EXCEPTIONS: exceptions, ALLOW: allow, MTLS: spaces, DENY: deny}
    return Rendered({name: tuple(objects) for name, objects in layers.items()})
