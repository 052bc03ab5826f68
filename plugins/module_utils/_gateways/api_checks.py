# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Checks of the gateways category about objects of the Gateway API: what a route hangs on, where it leads, what a Gateway listens to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._checks.types import Options
from .._model import kinds as k
from .._model.fields import section, sections
from .._model.intent import Intent
from .._model.made_services import made_services
from .._model.problem import Problem, merged, skip
from .._model.routing import covers
from .._model.selectors import matches
from .._model.view import Obj, View, ref
from .checks import CATEGORY

check = CATEGORY.check

__all__: list[str] = []

_API = "gateway.networking.k8s.io"
_ROUTES = (k.HTTP_ROUTE, k.GRPC_ROUTE, k.TLS_ROUTE, k.TCP_ROUTE)


@check(
    "OSM1525",
    title="each route of the Gateway API hangs on what lets it in",
    hint="correct parentRefs; or let the namespace in at the listener: allowedRoutes: {namespaces: {from: Selector, selector: {...}}}",
    inputs=(*_ROUTES, k.K8S_GATEWAY, k.SERVICE, k.NAMESPACE),
    live=False,
    subjects=_ROUTES,
    equivalents=("KIA1401",),
)
def parents_let_in(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A route that no listener accepts is stored and serves nothing: 404, or no answer at all. A Gateway that says nothing accepts routes
    of its own namespace only."""
    for row in (one for kind in _ROUTES for one in intent.owned(view.of(kind))):
        for parent in sections(row.items("spec", "parentRefs")):
            name, space = str(parent.get("name") or ""), str(parent.get("namespace") or row.namespace)
            kind = {"Gateway": k.K8S_GATEWAY, "Service": k.SERVICE}.get(str(parent.get("kind") or "Gateway"))
            if kind is None or str(parent.get("group", _API)) not in (kind.group, "core"):
                continue
            there = view.get(kind, name, space)
            if there is None and view.source == "manifests" and not view.of(kind, space):
                yield skip(f"{row.ref} names {ref(kind, name, space)}: the manifests have no {kind.kind} of {space}")
            elif there is None:
                yield Problem(row.ref, f"it names {ref(kind, name, space)}, which does not exist")
            elif kind == k.K8S_GATEWAY and (why := _why_not(view, row, parent, there)):
                yield Problem(row.ref, f"{there.ref} does not take it: {why}")


def _why_not(view: View, row: Obj, parent: Mapping[str, Any], gateway: Obj) -> str:
    """Why no listener of a Gateway takes a route; empty where one does."""
    listeners = sections(gateway.items("spec", "listeners"))
    for word, field in (("name", "sectionName"), ("port", "port")):
        wanted = parent.get(field)
        if wanted is not None:
            known = [str(one.get(word)) for one in listeners]
            listeners = [one for one in listeners if one.get(word) == wanted]
            if not listeners:
                return f"it has no listener with {word} {wanted}, only {', '.join(known) or 'none'}"
    near = [one for one in listeners if _lets_in(view, one, gateway.namespace, row.namespace)]
    if not near:
        said = sorted({_from(one) for one in listeners})
        return f"its listeners take routes from {', '.join(said)}, and this one is in {row.namespace}"
    hosts = [str(host) for host in row.items("spec", "hostnames")]
    served = [str(one.get("hostname") or "*") for one in near]
    if hosts and not any(covers(own, host) or covers(host, own) for own in served for host in hosts):
        return f"its listeners have {', '.join(dict.fromkeys(served))}, and the route has {', '.join(hosts)}"
    return ""


def _from(listener: Mapping[str, Any]) -> str:
    return str(section(listener, "allowedRoutes", "namespaces").get("from") or "Same")


def _lets_in(view: View, listener: Mapping[str, Any], home: str, namespace: str) -> bool:
    word = _from(listener)
    if word == "Selector":
        row = view.get(k.NAMESPACE, namespace)
        around = {"kubernetes.io/metadata.name": namespace, **(row.labels if row is not None else {})}
        return row is None or matches(section(listener, "allowedRoutes", "namespaces").get("selector"), around)
    return word == "All" or (word == "Same" and home == namespace)


@check(
    "OSM1526",
    title="each route of the Gateway API leads to a Service that it may use",
    hint="correct backendRefs; for a Service of another namespace add a ReferenceGrant there: spec: {from: [{group: "
    "gateway.networking.k8s.io, kind: HTTPRoute, namespace: ROUTE_NAMESPACE}], to: [{group: '', kind: Service}]}",
    inputs=(*_ROUTES, k.SERVICE, k.REFERENCE_GRANT, k.K8S_GATEWAY, k.SMCP, k.ISTIO, k.ISTIO_REVISION, k.ISTIO_OPERATOR),
    live=False,
    subjects=_ROUTES,
    equivalents=("KIA1402",),
)
def backends_usable(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The share of requests that is for such a backend is answered with 500, whether it does not exist or nobody has granted its use."""
    for row in (one for kind in _ROUTES for one in intent.owned(view.of(kind))):
        yield from merged(_backend_problems(view, row))


def _backend_problems(view: View, row: Obj) -> Iterator[Problem]:
    for one in _backends(row):
        name, space = str(one.get("name") or ""), str(one.get("namespace") or row.namespace)
        if str(one.get("kind") or "Service") != "Service" or one.get("group") or not name:
            continue
        service = view.get(k.SERVICE, name, space)
        if space != row.namespace and not _granted(view, row, name, space):
            yield Problem(row.ref, f"it leads to {ref(k.SERVICE, name, space)}, and no ReferenceGrant of {space} lets it")
        elif service is None and f"{name}.{space}" in made_services(view):
            continue
        elif service is None and view.source == "manifests" and not view.of(k.SERVICE, space):
            yield skip(f"{row.ref} leads to {ref(k.SERVICE, name, space)}: the manifests have no Service of {space}")
        elif service is None:
            yield Problem(row.ref, f"it leads to {ref(k.SERVICE, name, space)}, which does not exist")
        elif one.get("port") not in (ports := [port.get("port") for port in sections(service.items("spec", "ports"))]):
            said = f"port {one['port']}" if one.get("port") else "no port"
            yield Problem(row.ref, f"it leads to {said} of {service.ref}, which has {', '.join(map(str, ports)) or 'none'}")


def _backends(row: Obj) -> Iterator[Mapping[str, Any]]:
    for rule in sections(row.items("spec", "rules")):
        targets = sections(rule.get("backendRefs"))
        yield from targets
        for filter_ in (one for holder in (rule, *targets) for one in sections(holder.get("filters"))):
            if mirror := section(filter_, "requestMirror", "backendRef"):
                yield mirror


def _granted(view: View, row: Obj, name: str, space: str) -> bool:
    """Whether the Service's namespace lets this route refer to it; a folder that has nothing of that namespace does not say."""
    grants = view.of(k.REFERENCE_GRANT, space)
    if not grants and view.source == "manifests" and not view.of(k.SERVICE, space):
        return True
    asking = (_API, row.kind.kind, row.namespace)
    for grant in grants:
        given = {(one.get("group"), one.get("kind"), one.get("namespace")) for one in sections(grant.items("spec", "from"))}
        to = [one for one in sections(grant.items("spec", "to")) if one.get("kind") == "Service" and one.get("name") in (None, "", name)]
        if asking in given and to:
            return True
    return False


_FAMILY = {"HTTP": "HTTP", "HTTPS": "TLS", "TLS": "TLS", "TCP": "TCP", "UDP": "UDP"}


@check(
    "OSM1527",
    title="each listener of a Gateway of the Gateway API is one of its own",
    hint="give one of them another hostname or port; take an address from one of the Gateways",
    inputs=(k.K8S_GATEWAY,),
    live=False,
    equivalents=("KIA1501", "KIA1502", "KIA1503"),
)
def listeners_apart(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Of two listeners with the same port and hostname, or with protocols that one port cannot have together, one is served, and not always
    the first. Two Gateways have pods of their own, so only an address that both ask for is a conflict between them."""
    asked: dict[tuple[str, str], Obj] = {}
    for gateway in intent.owned(view.of(k.K8S_GATEWAY)):
        seen: list[tuple[Any, str, str, str]] = []
        for one in sections(gateway.items("spec", "listeners")):
            protocol = str(one.get("protocol") or "")
            own = (one.get("port"), _FAMILY.get(protocol, protocol), str(one.get("hostname") or "*"), str(one.get("name") or "?"))
            for port, family, host, name in seen:
                if port == own[0] and family != own[1] and "UDP" not in (family, own[1]):
                    yield Problem(gateway.ref, f"listeners {name} and {own[3]} have {family} and {own[1]} on port {port}")
                elif (port, family, host) == own[:3]:
                    yield Problem(gateway.ref, f"listeners {name} and {own[3]} both have port {port} and hostname {host}")
            seen.append(own)
        for address in sections(gateway.items("spec", "addresses")):
            key = (str(address.get("type") or "IPAddress"), str(address.get("value") or ""))
            first = asked.setdefault(key, gateway)
            if key[1] and first is not gateway:
                yield Problem(gateway.ref, f"it asks for the address {key[1]}, and so does {first.ref}")
