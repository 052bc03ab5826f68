# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What happens before the policies are asked: mutual TLS by PeerAuthentication, tokens by RequestAuthentication."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from .attachment import REVISION, attaches, selected, unread
from .matching import fold
from .model import Mesh, PeerAuthentication, PolicyFinding, PolicyTarget, Request, TargetRef
from .ztunnel_mtls import ztunnel_mtls

__all__ = ["JwtRule", "PeerAuthentication", "RequestAuthentication", "Token", "authenticate", "effective_mtls", "read_peer_authentications",
           "read_request_authentications", "written_mtls"]  # fmt: skip

_JWT_LISTS = ("audiences", "fromHeaders", "fromParams", "fromCookies", "spaceDelimitedClaims")
_SKEW = timedelta(seconds=60)  # Envoy's tolerance of clocks
MODES = ("UNSET", "DISABLE", "PERMISSIVE", "STRICT")


@dataclass(frozen=True)
class JwtRule:
    issuer: str
    audiences: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()  # name and prefix; no place at all means the Authorization header and access_token
    params: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    space_delimited: tuple[str, ...] = ()


@dataclass(frozen=True)
class RequestAuthentication:
    namespace: str
    name: str
    rules: tuple[JwtRule, ...]
    selector: Mapping[str, str] | None = None
    target_refs: tuple[TargetRef, ...] = ()
    revision: str = ""  # of the label istio.io/rev


@dataclass(frozen=True)
class Token:
    """A token as it is sent. `signed`: by a key that the issuer publishes. `place`: `header:NAME`, `param:NAME` or `cookie:NAME`."""

    claims: Mapping[str, Any]
    signed: bool = True
    place: str = "header:authorization"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _revision(metadata: Mapping[str, Any]) -> str:
    return str(_mapping(metadata.get("labels")).get(REVISION) or "")


def _mode(value: Any) -> str:
    return str(_mapping(value).get("mode") or "UNSET")


def _shapes(obj: Mapping[str, Any], spec: Mapping[str, Any], wanted: Mapping[str, type]) -> str:
    """Empty if these fields are what a schema wants, or not there; otherwise what is wrong."""
    if not isinstance(obj.get("spec"), Mapping) and obj.get("spec") is not None:
        return f"{obj['spec']!r} is {type(obj['spec']).__name__}, expected a mapping"
    for name, kind in wanted.items():
        if spec.get(name) is not None and not isinstance(spec[name], kind):
            return f"{name} is {type(spec[name]).__name__}, expected a {'mapping' if kind is Mapping else 'list'}"
    return ""


_NO_PORT = "a port of portLevelMtls is not between 1 and 65535"


def _unreadable(obj: Mapping[str, Any], spec: Mapping[str, Any], labels: Mapping[str, Any], ports: Mapping[str, str]) -> str:
    """Why istiod could not even read a PeerAuthentication; empty if it could."""
    problem = _shapes(obj, spec, {"mtls": Mapping, "portLevelMtls": Mapping, "selector": Mapping})
    if problem:
        return problem
    if {_mode(spec.get("mtls")), *ports.values()} - set(MODES):
        return f"a mode is none of {', '.join(MODES)}"
    if not all(isinstance(value, str) for value in labels.values()):
        return "a label of its selector is no text (quote it)"
    return "" if all(port.isascii() and port.isdigit() for port in ports) else _NO_PORT


def _refused(spec: Mapping[str, Any], labels: Mapping[str, Any], ports: Mapping[str, str]) -> str:
    """Why admission refuses what istiod could read; empty if it does not."""
    if ports and not labels:
        return "portLevelMtls needs a selector"
    if not ports and spec.get("portLevelMtls") is not None:
        return "portLevelMtls names no port"
    return "" if all(0 < int(port) <= 65535 for port in ports) else _NO_PORT


def read_peer_authentications(
    objects: Iterable[Mapping[str, Any]], *, admitted: bool = True
) -> tuple[list[PeerAuthentication], list[PolicyFinding]]:
    """All PeerAuthentications among objects. `admitted`: without those that admission refuses and istiod could read all the same."""
    found: list[PeerAuthentication] = []
    findings: list[PolicyFinding] = []
    for obj in objects:
        if obj.get("kind") != "PeerAuthentication":
            continue
        metadata, spec = _mapping(obj.get("metadata")), _mapping(obj.get("spec"))
        resource = f"PeerAuthentication {metadata.get('namespace', 'default')}/{metadata.get('name', '')}"
        labels = _mapping(_mapping(spec.get("selector")).get("matchLabels"))
        ports = {str(port): _mode(value) for port, value in _mapping(spec.get("portLevelMtls")).items()}
        unreadable = _unreadable(obj, spec, labels, ports)
        problem = unreadable or _refused(spec, labels, ports)
        if problem:
            findings.append(PolicyFinding(resource, "", "rejected", problem))
        if unreadable or (problem and admitted):
            continue
        namespace, name = str(metadata.get("namespace", "default")), str(metadata.get("name", ""))
        created, bare = str(metadata.get("creationTimestamp") or ""), spec.get("selector") is not None and not labels
        modes = {int(port): mode for port, mode in ports.items()}
        found.append(PeerAuthentication(namespace, name, created, dict(labels), _mode(spec.get("mtls")), modes, bare, _revision(metadata)))
    return found, findings


def effective_mtls(policies: Iterable[PeerAuthentication], workload: PolicyTarget, port: int | None, mesh: Mesh) -> tuple[str, str]:
    """The mode of a port, as the workload's enforcer has it, and the policy that set it (empty: nobody did, which is PERMISSIVE)."""
    if workload.kind == "ztunnel":
        return ztunnel_mtls(policies, workload, port, mesh)
    return written_mtls(policies, workload, port, mesh)


def written_mtls(policies: Iterable[PeerAuthentication], workload: PolicyTarget, port: int | None, mesh: Mesh) -> tuple[str, str]:
    """The same by Istio's documentation, which sidecars keep: workload before namespace before mesh, the oldest of each."""
    scopes: dict[str, list[PeerAuthentication]] = {"mesh": [], "namespace": [], "workload": []}
    for policy in policies:
        if unread(policy, mesh):
            continue
        if not policy.selector and policy.namespace in (mesh.root_namespace, workload.namespace):
            scopes["mesh" if policy.namespace == mesh.root_namespace else "namespace"].append(policy)
        elif policy.selector and policy.namespace == workload.namespace != mesh.root_namespace and selected(policy, workload):
            scopes["workload"].append(policy)  # a selector in the root namespace is ignored
    mode, by = "PERMISSIVE", ""
    for found in scopes.values():
        if not found:
            continue
        oldest = min(found, key=lambda policy: (policy.created, policy.name))
        ports = oldest.ports if oldest.selector else {}  # without a selector nobody looks at its ports
        for written in (oldest.mode, ports.get(port, "UNSET") if port is not None else "UNSET"):
            if written != "UNSET":
                mode, by = written, oldest.key
    return mode, by


def _jwt_rule(value: Any) -> JwtRule:
    rule = _mapping(value)
    places = [_mapping(entry) for entry in rule.get("fromHeaders") or []]
    headers = tuple((fold(str(place.get("name", ""))), str(place.get("prefix", ""))) for place in places)
    lists = [tuple(str(entry) for entry in rule.get(name) or []) for name in ("fromParams", "fromCookies", "spaceDelimitedClaims")]
    return JwtRule(str(rule.get("issuer") or ""), tuple(str(entry) for entry in rule.get("audiences") or []), headers, *lists)


def read_request_authentications(
    objects: Iterable[Mapping[str, Any]], mesh: Mesh
) -> tuple[list[RequestAuthentication], list[PolicyFinding]]:
    """All RequestAuthentications among objects, without those that admission refuses."""
    found: list[RequestAuthentication] = []
    findings: list[PolicyFinding] = []
    for obj in objects:
        if obj.get("kind") != "RequestAuthentication":
            continue
        metadata, spec = _mapping(obj.get("metadata")), _mapping(obj.get("spec"))
        resource = f"RequestAuthentication {metadata.get('namespace', 'default')}/{metadata.get('name', '')}"
        problem = _shapes(obj, spec, {"jwtRules": list, "selector": Mapping, "targetRefs": list, "targetRef": Mapping})
        for entry in [] if problem else spec.get("jwtRules") or []:
            problem = problem or _shapes({"spec": entry}, _mapping(entry), dict.fromkeys(_JWT_LISTS, list))
        if problem:
            findings.append(
                PolicyFinding(resource, "", "unreadable", f"{problem}; the API server refuses it, and nothing of it is enforced")
            )
            continue
        entries = [_mapping(entry) for entry in spec.get("jwtRules") or []]
        refs = [_mapping(ref) for ref in spec.get("targetRefs") or ([spec["targetRef"]] if spec.get("targetRef") else [])]
        selector = None if spec.get("selector") is None else dict(_mapping(_mapping(spec["selector"]).get("matchLabels")))
        if selector is not None and refs:
            problem = "it has both a selector and targetRefs; only one may be set"
        elif None in (spec.get("jwtRules") or []):
            problem = f"jwtRules[{spec['jwtRules'].index(None)}] is null: an item without anything in it"
        elif any(not entry.get("issuer") and not entry.get("jwksUri") for entry in entries):
            problem = "a jwtRule has neither issuer nor jwksUri"
        elif any("" in (entry.get("audiences") or []) for entry in entries):
            problem = "a jwtRule has an empty audience"
        if problem:
            findings.append(PolicyFinding(resource, "", "rejected", problem))
            continue
        targets = tuple(TargetRef(*(str(ref.get(name) or "") for name in ("group", "kind", "name", "namespace"))) for ref in refs)
        found.append(RequestAuthentication(
            str(metadata.get("namespace", "default")), str(metadata.get("name", "")), tuple(_jwt_rule(entry) for entry in entries),
            selector, targets if mesh.abilities.target_refs else (), _revision(metadata)))  # fmt: skip
    return found, findings


def _bare(audience: str) -> str:
    """Envoy does not count the scheme and a final slash of an audience."""
    for scheme in ("http://", "https://"):
        audience = audience.removeprefix(scheme)
    return audience.removesuffix("/")


def _reads(rule: JwtRule, place: str) -> bool:
    kind, _colon, name = place.partition(":")
    if not (rule.headers or rule.params or rule.cookies):
        return place in ("header:authorization", "param:access_token")
    names = {"header": [header for header, _prefix in rule.headers], "param": rule.params, "cookie": rule.cookies}
    return name in names.get(kind, ())


def _misshapen(claims: Mapping[str, Any]) -> str:
    """Empty if Envoy can read the registered claims, otherwise the first that it cannot read: it takes no token with such a one."""
    for name in ("iss", "sub", "iat", "nbf", "exp", "jti", "aud"):
        value: Any = claims.get(name)
        if name not in claims:
            continue
        if name in ("iat", "nbf", "exp"):
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not 0 <= value < 2**64:
                return f"its claim {name} is {value!r}, expected a number of seconds"
        elif name == "aud":
            if not isinstance(value, str) and not (isinstance(value, list) and all(isinstance(entry, str) for entry in value)):
                return f"its claim aud is {value!r}, expected a text or a list of texts"
        elif not isinstance(value, str):
            return f"its claim {name} is {value!r}, expected a text"
    return ""


def _wrong(token: Token, rule: JwtRule, now: datetime) -> str:
    """Empty if the rule accepts the token, otherwise why it does not."""
    claims = token.claims
    misshapen = _misshapen(claims)
    if misshapen:
        return misshapen
    audiences = claims.get("aud")
    given = [audiences] if isinstance(audiences, str) else audiences if isinstance(audiences, list) else []
    if rule.issuer and claims.get("iss") != rule.issuer:
        return f"issuer {claims.get('iss')!r} is not {rule.issuer!r}"
    if rule.audiences and not {_bare(entry) for entry in rule.audiences} & {_bare(entry) for entry in given if isinstance(entry, str)}:
        return f"audience {audiences!r} is none of {', '.join(rule.audiences)}"
    for name, late in (("exp", True), ("nbf", False)):
        value = claims.get(name)
        if value:  # Envoy takes 0 for none
            moment = now.timestamp() - value if late else value - now.timestamp()
            if moment > _SKEW.total_seconds():
                return "it has expired" if late else "it is not valid yet"
    return "" if token.signed else "its signature is of no key of the issuer"


def _preflight(request: Request) -> bool:
    names = {fold(name) for name in request.headers}
    return request.method == "OPTIONS" and {"origin", "access-control-request-method"} <= names


def authenticate(
    request: Request, token: Token | None, policies: Sequence[RequestAuthentication], *, workload: PolicyTarget, mesh: Mesh, now: datetime
) -> tuple[Request, str]:
    """The request with the claims that the policies will see, and why it is refused with 401 (empty if it is not)."""
    if request.method is None or workload.kind == "ztunnel":  # tokens are a matter of HTTP
        return replace(request, claims=None), ""
    rules = [rule for policy in policies if attaches(policy, workload, mesh) for rule in policy.rules]
    readers = [rule for rule in rules if token and _reads(rule, token.place)]
    if token is None or _preflight(request):
        return replace(request, claims=None), ""
    reasons = [_wrong(token, rule, now) for rule in readers]  # none, where nobody reads it: no claims, and no refusal
    if "" not in reasons:
        return replace(request, claims=None), "; ".join(dict.fromkeys(reasons))
    split = readers[reasons.index("")].space_delimited
    claims = {name: value.split() if name in split and isinstance(value, str) else value for name, value in token.claims.items()}
    return replace(request, claims=claims), ""
