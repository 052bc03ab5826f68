# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Routes and Gateways of Gateway API, as the VirtualServices and Gateways that istiod makes of them.

After pilot/pkg/config/kube/gateway. Which classes are Istio's is known by their controller."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .._model.fields import entries, name_of, namespace_of, section, sections, texts
from .._model.selectors import matches
from .gateway_backends import GATEWAY_API, AttachedRoute, RouteBackends, UnreadableRuleError, backend_weight
from .gateway_streams import stream_routes
from .gateways import RoutedGateway
from .hosts import host_matches
from .model import RoutingMesh
from .registry import created_at, number_of
from .virtual_services import MESH, HttpRule, RoutedVirtualService

__all__ = ["GATEWAY_API", "GatewayApi"]

_CONTROLLERS = ("istio.io/gateway-controller", "openshift.io/gateway-controller/v1")
_FORMS = {"PathPrefix": "prefix", "Exact": "exact", "RegularExpression": "regex"}
_KINDS = {"HTTP": ("HTTPRoute", "GRPCRoute"), "HTTPS": ("HTTPRoute", "GRPCRoute"), "TCP": ("TCPRoute",), "TLS": ("TLSRoute",)}
_WITH_HOSTS = ("HTTP", "HTTPS", "TLS")
_OF_GRPC = ("RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror")  # the filters that a GRPCRoute may have


@dataclass(frozen=True)
class _ListenerParent:
    """A listener of a Gateway that a route may attach to."""

    gateway: RoutedGateway
    section_name: str
    port: int
    protocol: str
    hostname: str
    hosts: tuple[str, ...]  # namespace/host
    kinds: tuple[str, ...]  # of routes that it takes


class GatewayApi:
    """What a source has of Gateway API, converted."""

    def __init__(self, by_kind: Mapping[str, list[Mapping[str, Any]]], mesh: RoutingMesh) -> None:
        self._mesh = mesh
        self._backends = RouteBackends(by_kind, mesh)
        self._namespaces = {name_of(obj): texts(section(obj, "metadata").get("labels")) for obj in by_kind.get("Namespace", ())}
        classes = {
            name_of(obj) for obj in by_kind.get("GatewayClass", ()) if section(obj, "spec").get("controllerName") in _CONTROLLERS
        } | {"istio"}
        self._entries = {(namespace_of(obj), name_of(obj)): obj for obj in by_kind.get("ServiceEntry", ())}
        self._parents: dict[tuple[str, str], list[_ListenerParent]] = {}
        for obj in by_kind.get("k8s Gateway", ()):
            if section(obj, "spec").get("gatewayClassName") in classes:
                self._parents[(namespace_of(obj), name_of(obj))] = list(self._listeners(obj))
        self.gateways = [parent.gateway for parents in self._parents.values() for parent in parents]
        by_request = [obj for kind in ("HTTPRoute", "GRPCRoute") for obj in by_kind.get(kind, ())]
        self.virtual_services = self._merged(one for obj in by_request for one in self._converted(obj))
        for kind in ("TCPRoute", "TLSRoute"):
            self.virtual_services += [
                one for obj in by_kind.get(kind, ()) for one in stream_routes(obj, self._attached(obj), self._backends)
            ]

    # gateways

    def _service_names(self, gateway: Mapping[str, Any]) -> frozenset[str]:
        spec, namespace, name = section(gateway, "spec"), namespace_of(gateway), name_of(gateway)
        addresses = sections(spec.get("addresses"))
        if not addresses:  # made by istiod, under a name of its own
            own = texts(section(gateway, "metadata").get("annotations")).get("networking.istio.io/gateway-name") or texts(
                section(gateway, "metadata").get("annotations")
            ).get("gateway.istio.io/name-override")
            return frozenset([f"{own or name + '-' + str(spec.get('gatewayClassName'))}.{namespace}{self._mesh.end}"])
        named = [str(one.get("value") or "") for one in addresses if one.get("type") in (None, "Hostname")]
        return frozenset(one if "." in one else f"{one}.{namespace}{self._mesh.end}" for one in named)

    def _listeners(self, gateway: Mapping[str, Any]) -> Iterator[_ListenerParent]:
        namespace, name = namespace_of(gateway), name_of(gateway)
        services = self._service_names(gateway)
        for listener in _without_conflicts(sections(section(gateway, "spec").get("listeners"))):
            protocol, own = str(listener.get("protocol") or ""), str(listener.get("name") or "")
            tls = listener.get("tls")
            if not isinstance(tls, Mapping) and protocol in ("HTTPS", "TLS"):
                continue
            hosts = tuple(self._host_matches(listener, namespace))
            server: dict[str, Any] = {
                "port": {
                    "name": "default",
                    "number": listener.get("port"),
                    "protocol": protocol if protocol in ("HTTP", "HTTPS", "TLS", "TCP") else "",
                },
                "hosts": hosts,
            }
            if isinstance(tls, Mapping):
                server["tls"] = _server_tls(tls, namespace)
            inner = f"{name}~istio-autogenerated-k8s-gateway~{own}"
            made = RoutedGateway(inner, namespace, created_at(gateway), None, (server,), f"Gateway {namespace}/{name}", services)
            yield _ListenerParent(made, own, number_of(listener.get("port")), protocol, str(listener.get("hostname") or ""), hosts,
                                  _route_kinds(listener))  # fmt: skip

    def _host_matches(self, listener: Mapping[str, Any], namespace: str) -> list[str]:
        host = str(listener.get("hostname") or "*")
        wanted = section(listener, "allowedRoutes", "namespaces")
        origin = wanted.get("from")
        if origin in (None, "Same"):
            spaces = [namespace]
        elif origin == "All" or wanted.get("selector") is None:
            spaces = ["*"]
        else:
            spaces = sorted(name for name, labels in self._namespaces.items()
                            if matches(section(wanted, "selector"), {"kubernetes.io/metadata.name": name, **labels}))  # fmt: skip
        return [f"{space}/{host}" for space in spaces] or [f"~/{host}"]

    # routes

    def _attached(self, route: Mapping[str, Any]) -> list[AttachedRoute]:
        namespace = namespace_of(route)
        found: list[tuple[str, AttachedRoute]] = []
        for parent in sections(section(route, "spec").get("parentRefs")):
            group = parent.get("group", GATEWAY_API)
            kind = str(parent.get("kind") or "Gateway")
            space, name = str(parent.get("namespace") or namespace), str(parent.get("name") or "")
            order = f"{group}/{kind}/{parent.get('sectionName') or ''}/{space}/{name}"
            if (group, kind) in (("", "Service"), (None, "Service")):
                if (space, name) in self._backends.services:
                    found.append((order, AttachedRoute(MESH, "", frozenset(), {**parent, "hosts": [f"{name}.{space}{self._mesh.end}"]})))
            elif (group, kind) == ("networking.istio.io", "ServiceEntry"):
                entry = self._entries.get((space, name))
                if entry is not None:
                    found.append(
                        (order, AttachedRoute(MESH, "", frozenset(), {**parent, "hosts": entries(section(entry, "spec").get("hosts"))}))
                    )
            elif (group, kind) == (GATEWAY_API, "Gateway"):
                found += [(order, one) for one in self._at_listeners(route, parent, self._parents.get((space, name), []))]
        ordered = [one for _order, one in sorted(found, key=lambda pair: pair[0])]
        return sorted(ordered, key=lambda one: one.gateway)

    def _at_listeners(
        self, route: Mapping[str, Any], parent: Mapping[str, Any], listeners: list[_ListenerParent]
    ) -> Iterator[AttachedRoute]:
        namespace = namespace_of(route)
        hostnames = [str(host) for host in entries(section(route, "spec").get("hostnames"))] or ["*"]
        for one in listeners:
            if number_of(parent.get("port")) not in (0, one.port) or (parent.get("sectionName") or one.section_name) != one.section_name:
                continue
            if route.get("kind") not in one.kinds:
                continue
            pairs = [host.partition("/") for host in one.hosts]
            if not any(space in ("*", namespace) and host_matches(own, host) for space, _slash, own in pairs for host in hostnames):
                continue
            banned = frozenset(
                other.hostname for other in listeners if other is not one and (other.port, other.protocol) == (one.port, one.protocol)
            )
            yield AttachedRoute(f"{one.gateway.namespace}/{one.gateway.name}", one.hostname, banned - {one.hostname}, parent)

    def _rules(self, route: Mapping[str, Any], *, mesh: bool) -> list[HttpRule]:
        namespace, name = namespace_of(route), name_of(route)
        found = []
        try:
            for number, rule in enumerate(sections(section(route, "spec").get("rules"))):
                matching: list[Mapping[str, Any] | None] = [*sections(rule.get("matches"))]
                for index, match in enumerate(matching or [None]):
                    spec = self._rule(route, rule, match, number, mesh)
                    where = f"rules[{number}].matches[{index}]" if match is not None else f"rules[{number}]"
                    found.append(HttpRule(spec, f"{route.get('kind')} {namespace}/{name}", where))
        except UnreadableRuleError:
            return []
        return found

    def _rule(
        self, route: Mapping[str, Any], rule: Mapping[str, Any], match: Mapping[str, Any] | None, number: int, mesh: bool
    ) -> dict[str, Any]:
        namespace = namespace_of(route)
        found: dict[str, Any] = {"name": str(rule.get("name") or f"{namespace}.{name_of(route)}.{number}")}
        grpc = route.get("kind") == "GRPCRoute"
        if match is not None:
            found["match"] = [_grpc_match(match) if grpc else _match(match)]
        for one in sections(rule.get("filters")):
            if grpc and one.get("type") not in _OF_GRPC:
                raise UnreadableRuleError
            self._filter(found, one, route, mesh)
        _retries_and_times(found, rule)
        backends = sections(rule.get("backendRefs"))
        if sum(backend_weight(one) for one in backends) == 0 and "redirect" not in found:
            found["directResponse"] = {"status": 500}
            return found
        weighted = [one for one in backends if backend_weight(one)]
        found["route"] = [self._backend(one, route, mesh, 0 if len(weighted) == 1 else backend_weight(one)) for one in weighted]
        return found

    def _filter(self, found: dict[str, Any], one: Mapping[str, Any], route: Mapping[str, Any], mesh: bool) -> None:
        kind = one.get("type")
        if kind in ("RequestHeaderModifier", "ResponseHeaderModifier"):
            name = "request" if kind == "RequestHeaderModifier" else "response"
            found["headers"] = {**found.get("headers", {}), name: _header_changes(section(one, f"{name}HeaderModifier"))}
        elif kind == "RequestRedirect":
            found["redirect"] = _redirect(section(one, "requestRedirect"))
        elif kind == "RequestMirror":
            mirror = section(one, "requestMirror")
            destination = self._backends.destination(section(mirror, "backendRef"), route, mesh)
            percent: Any = None
            if isinstance(mirror.get("fraction"), Mapping):
                percent = 100 * number_of(mirror["fraction"].get("numerator")) / (number_of(mirror["fraction"].get("denominator")) or 100)
            elif mirror.get("percent") is not None:
                percent = mirror["percent"]
            there = destination.get("host") and self._backends.known(section(mirror, "backendRef"), namespace_of(route))
            if not there and route.get("kind") == "GRPCRoute":
                raise UnreadableRuleError
            if there:
                row = {"destination": destination, **({} if percent is None else {"percentage": {"value": percent}})}
                found["mirrors"] = [*found.get("mirrors", []), row]
        elif kind == "URLRewrite":
            rewrite = _rewrite(section(one, "urlRewrite"))
            if rewrite:
                found["rewrite"] = rewrite
        elif kind != "CORS":
            raise UnreadableRuleError

    def _backend(self, one: Mapping[str, Any], route: Mapping[str, Any], mesh: bool, weight: int) -> dict[str, Any]:
        found: dict[str, Any] = {"destination": self._backends.destination(one, route, mesh), "weight": weight}
        for inner in sections(one.get("filters")):
            if inner.get("type") not in ("RequestHeaderModifier", "ResponseHeaderModifier"):
                raise UnreadableRuleError
            self._filter(found, inner, route, mesh)
        return found

    # VirtualServices

    def _converted(self, route: Mapping[str, Any]) -> Iterator[tuple[str, RoutedVirtualService]]:
        namespace, name = namespace_of(route), name_of(route)
        made: dict[bool, list[HttpRule]] = {}
        for parent in self._attached(route):
            mesh = parent.gateway == MESH
            if mesh not in made:
                made[mesh] = self._rules(route, mesh=mesh)
            rules, key = made[mesh], namespace if mesh else parent.gateway
            hosts = entries(parent.parent.get("hosts")) if mesh else entries(section(route, "spec").get("hostnames")) or ["*"]
            if mesh and parent.parent.get("port") is not None:
                port = number_of(parent.parent["port"])
                rules, key = [_with_port(rule, port) for rule in rules], f"{key}/{port}"
            for host in map(str, hosts) if rules else ():
                if parent.allows(host):
                    yield f"{key}/{host}", RoutedVirtualService(
                        name=f"{key}/{host}".replace("/", "~"), namespace=namespace, created=created_at(route), hosts=(host,),
                        gateways=(parent.gateway,), http=tuple(sorted(rules, key=_precedence)), tls=(), tcp=(), export=frozenset("*"),
                        ref=f"{route.get('kind')} {namespace}/{name}", gateway_api=True,
                    )  # fmt: skip

    @staticmethod
    def _merged(converted: Iterable[tuple[str, RoutedVirtualService]]) -> list[RoutedVirtualService]:
        """Routes for one host of one parent are one: sorted by what they match, of equals the older first."""
        by_key: dict[str, list[RoutedVirtualService]] = {}
        for key, one in converted:
            by_key.setdefault(key, []).append(one)
        found = []
        for same in by_key.values():
            same.sort(key=lambda one: (one.created, one.namespace, one.ref.partition("/")[2]))
            rules = tuple(sorted((rule for one in same for rule in one.http), key=_precedence))
            found.append(same[0] if len(same) == 1 else replace(same[0], http=rules))
        return found


def _without_conflicts(listeners: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of listeners that cannot be together on a port the first; one that is left out conflicts with none."""
    kept: list[Mapping[str, Any]] = []
    for one in listeners:
        if not any(_in_conflict(one, other) for other in kept):
            kept.append(one)
    return kept


def _in_conflict(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """After listenersDistinct of gatewaycommon/listener_conflict.go: hosts tell apart what has any, whatever the protocols."""
    if number_of(one.get("port")) != number_of(other.get("port")):
        return False
    protocols = [str(row.get("protocol") or "") for row in (one, other)]
    if all(protocol in _WITH_HOSTS for protocol in protocols):
        return (one.get("hostname") or "*") == (other.get("hostname") or "*")
    if all(protocol in (*_WITH_HOSTS, "TCP", "UDP") for protocol in protocols):
        return True
    return protocols[0] == protocols[1]


def _route_kinds(listener: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds of routes that a listener takes."""
    protocol = str(listener.get("protocol") or "")
    known = _KINDS.get(protocol, ())
    if protocol == "TLS" and section(listener, "tls").get("mode") == "Terminate":
        known = (*known, "TCPRoute")
    wanted = sections(section(listener, "allowedRoutes").get("kinds"))
    if not wanted:
        return known
    return tuple(kind for kind in known if any((one.get("group", GATEWAY_API), one.get("kind")) == (GATEWAY_API, kind) for one in wanted))


def _precedence(rule: HttpRule) -> tuple[Any, ...]:
    """What is more exact comes first: of paths exact, prefix, regular expression; then the longer; then methods, headers, parameters."""
    if not rule.matches:
        return (1,)
    match = rule.matches[0]
    form = next((form for form in ("exact", "prefix", "regex") if section(match, "uri").get(form) is not None), None)
    rank = {"exact": 3, "prefix": 2, "regex": 1}.get(form or "", -1)
    length = len(str(section(match, "uri").get(form))) if form else 0
    return 0, -rank, -length, match.get("method") is None, -len(section(match, "headers")), -len(section(match, "queryParams"))


def _with_port(rule: HttpRule, port: int) -> HttpRule:
    matches = [{**match, "port": port} for match in rule.matches] or [{"port": port}]
    return replace(rule, spec={**rule.spec, "match": matches})


def _server_tls(tls: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    if tls.get("mode") == "Passthrough":
        options = section(tls, "options")
        auto = (
            options.get("gateway.istio.io/listener-mode") == "auto-passthrough"
            or options.get("gateway.istio.io/tls-terminate-mode") == "AUTO_PASSTHROUGH"
        )
        return {"mode": "AUTO_PASSTHROUGH" if auto else "PASSTHROUGH"}
    mode = str(section(tls, "options").get("gateway.istio.io/tls-terminate-mode") or "SIMPLE")
    if mode == "ISTIO_MUTUAL":
        return {"mode": "ISTIO_MUTUAL"}
    names = [f"kubernetes-gateway://{one.get('namespace') or namespace}/{one.get('name')}" for one in sections(tls.get("certificateRefs"))]
    return {"mode": mode if mode in ("MUTUAL", "OPTIONAL_MUTUAL") else "SIMPLE", "credentialNames": names}


def _typed(entry: Mapping[str, Any]) -> dict[str, str]:
    return {"regex" if entry.get("type") == "RegularExpression" else "exact": str(entry.get("value") or "")}


def _match(match: Mapping[str, Any]) -> dict[str, Any]:
    path = section(match, "path")
    form, value = _FORMS.get(str(path.get("type") or "PathPrefix")), str(path.get("value") if path.get("value") is not None else "/")
    if form is None:
        raise UnreadableRuleError
    if form == "prefix" and value != "/":
        value = value.removesuffix("/")
    found: dict[str, Any] = {"uri": {form: value}}
    headers = {str(one.get("name")): _typed(one) for one in sections(match.get("headers"))}
    query = {str(one.get("name")): _typed(one) for one in sections(match.get("queryParams"))}
    if headers:
        found["headers"] = headers
    if query:
        found["queryParams"] = query
    if match.get("method"):
        found["method"] = {"exact": str(match["method"])}
    return found


def _grpc_match(match: Mapping[str, Any]) -> dict[str, Any]:
    """A method of a service is the path /SERVICE/METHOD."""
    found: dict[str, Any] = {}
    wanted = match.get("method")
    if isinstance(wanted, Mapping):
        name, method, regex = wanted.get("service"), wanted.get("method"), wanted.get("type") == "RegularExpression"
        if name is None and method is None:
            raise UnreadableRuleError
        if name is None:
            found["uri"] = {"regex": f"/[^/]+/{method}"}
        elif method is None:
            found["uri"] = {"regex": f"/{name}/.+"} if regex else {"prefix": f"/{name}/"}
        else:
            found["uri"] = {"regex" if regex else "exact": f"/{name}/{method}"}
    headers = {str(one.get("name")): _typed(one) for one in sections(match.get("headers"))}
    return {**found, "headers": headers} if headers else found


def _header_changes(modifier: Mapping[str, Any]) -> dict[str, Any]:
    def listed(name: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for one in sections(modifier.get(name)):
            found.setdefault(str(one.get("name")).lower(), str(one.get("value")))
        return found

    return {"add": listed("add"), "set": listed("set"), "remove": entries(modifier.get("remove"))}


def _rewrite(spec: Mapping[str, Any]) -> dict[str, Any]:
    path = section(spec, "path")
    found: dict[str, Any] = {}
    if path.get("type") == "ReplacePrefixMatch":
        found["uri"] = str(path.get("replacePrefixMatch") or "").removesuffix("/") or "/"
    elif path.get("type") == "ReplaceFullPath":
        found["uriRegexRewrite"] = {"match": "/.*", "rewrite": str(path.get("replaceFullPath") or "")}
    if spec.get("hostname"):
        found["authority"] = str(spec["hostname"])
    return found


def _redirect(spec: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"redirectCode": spec.get("statusCode"), "authority": spec.get("hostname"), "scheme": spec.get("scheme")}
    if spec.get("port") is not None:
        found["port"] = spec["port"]
    else:
        found["derivePort"] = "FROM_PROTOCOL_DEFAULT" if spec.get("scheme") else "FROM_REQUEST_PORT"
    path = section(spec, "path")
    if path.get("type") == "ReplaceFullPath":
        found["uri"] = path.get("replaceFullPath")
    elif path.get("type") == "ReplacePrefixMatch":
        found["prefixRewrite"] = path.get("replacePrefixMatch")
    return {name: value for name, value in found.items() if value is not None}


def _retries_and_times(found: dict[str, Any], rule: Mapping[str, Any]) -> None:
    retry, times = rule.get("retry"), section(rule, "timeouts")
    if isinstance(retry, Mapping):
        attempts = 2 if retry.get("attempts") is None else number_of(retry["attempts"])
        words = ["connect-failure", "refused-stream", "unavailable", "cancelled", *map(str, entries(retry.get("codes")))]
        found["retries"] = {"attempts": attempts, "retryOn": ",".join(words) if attempts else ""}
    if times.get("request"):
        found["timeout"] = times["request"]
    if times.get("backendRequest"):
        if "retries" in found:
            found["retries"]["perTryTimeout"] = times["backendRequest"]
        else:
            found["timeout"] = times["backendRequest"]
