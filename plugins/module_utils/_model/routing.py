# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""How Istio reads hosts, visibility and precedence of its networking objects, all as raw objects.

The facts are those of istiod's generator (istio.io/istio at eed52ebb66ad, Istio 1.31): pilot/pkg/model/config.go for names,
pilot/pkg/model/push_context.go for DestinationRules and exportTo, pilot/pkg/networking/core/gateway.go for what a Gateway admits,
pilot/pkg/model/sidecar.go for what a Sidecar imports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from .fields import entries, namespace_of, section, texts

__all__ = [
    "CLUSTER_DOMAIN",
    "ByHost",
    "Rules",
    "Server",
    "binds_mesh",
    "covers",
    "destinations",
    "export_words",
    "exported_to",
    "full_name",
    "gateway_name",
    "gateway_names",
    "imports",
    "servers_of",
    "service_namespace",
    "short_name",
]

CLUSTER_DOMAIN = ".svc.cluster.local"
_PASSES = ("PASSTHROUGH", "AUTO_PASSTHROUGH")
_EXPORT_TO = "networking.istio.io/exportTo"  # the annotation of a Service
_NO_HTTP = ("TLS", "TCP", "MONGO", "MYSQL", "REDIS")


def full_name(host: str, namespace: str, end: str = CLUSTER_DOMAIN) -> str:
    """The name that istiod makes of one: only a name without any dot is completed; `reviews.prod` is taken as it is.

    end: `.svc.` and the cluster's domain."""
    return host if "." in host or host == "*" else f"{host}.{namespace}{end}"


def short_name(host: str, ends: tuple[str, ...] = (CLUSTER_DOMAIN,)) -> str:
    """name.namespace of the full name of a Service; empty for any other name."""
    end = next((end for end in ends if host.endswith(end)), "")
    inner = host.removesuffix(end) if end else ""
    return inner if inner.count(".") == 1 else ""


def service_namespace(host: str, ends: tuple[str, ...] = (CLUSTER_DOMAIN,)) -> str:
    """The namespace in the full name of a Service, or in one with a star for the names; empty for any other."""
    return short_name(host, ends).rpartition(".")[2]


def covers(pattern: str, host: str) -> bool:
    """Is the host, or each host of this wildcard, one of the pattern's?"""
    if pattern == "*":
        return True
    if pattern.startswith("*"):
        return host.removeprefix("*").endswith(pattern[1:]) and host != pattern[1:]
    return pattern.lower() == host.lower()


Thing = TypeVar("Thing")


class ByHost(Generic[Thing]):
    """Things found by a host that they cover, without a look at all the others; in the order in which they were given."""

    def __init__(self, things: Iterable[tuple[Thing, str]]) -> None:
        self._exact: dict[str, list[tuple[int, str, Thing]]] = {}
        self._wild: dict[str, list[tuple[int, str, Thing]]] = {}  # by what stands behind the star
        for number, (thing, host) in enumerate(things):
            same = self._wild.setdefault(host[1:], []) if host.startswith("*") else self._exact.setdefault(host.lower(), [])
            same.append((number, host, thing))

    def covering(self, host: str) -> list[tuple[str, Thing]]:
        """Those whose own host covers this one, each with its own."""
        ends = (host[start:] for start in range(len(host) + 1)) if self._wild else ()
        wild = [found for end in ends for found in self._wild.get(end, ()) if covers(found[1], host)]
        return [(own, thing) for _number, own, thing in sorted((*self._exact.get(host.lower(), ()), *wild), key=lambda found: found[0])]


def _meet(one: str, other: str) -> bool:
    return covers(one, other) or covers(other, one)


def export_words(obj: Mapping[str, Any]) -> list[str]:
    """What an object says of who may see it; a Service says it in an annotation. Empty: all."""
    if obj.get("kind") == "Service":
        words = texts(section(obj, "metadata").get("annotations")).get(_EXPORT_TO, "").split(",")
        return [word.strip() for word in words if word.strip()]
    return [str(word) for word in entries(section(obj, "spec").get("exportTo"))]


def exported_to(obj: Mapping[str, Any], namespace: str) -> bool:
    """Is the object visible in a namespace? A star anywhere makes it public, `~` hides it, `.` is its own namespace."""
    words = export_words(obj)
    if not words or "*" in words:
        return True
    return "~" not in words and namespace in {namespace_of(obj) if word == "." else word for word in words}


def _not_private(obj: Mapping[str, Any]) -> bool:
    words = {str(word) for word in entries(section(obj, "spec").get("exportTo"))}
    return not words or not words <= {".", namespace_of(obj)}


def _all(_obj: Mapping[str, Any]) -> bool:
    return True


# gateways


@dataclass(frozen=True)
class Server:
    """One server of a Gateway."""

    hosts: tuple[tuple[str, str], ...]  # namespace that may bind it (`*` any), host
    number: Any
    protocol: str
    bind: str = ""
    tls_mode: str = ""

    @property
    def plain_http(self) -> bool:
        """Servers of this kind on one port are merged, whoever wrote them."""
        return self.protocol in ("HTTP", "HTTP2", "GRPC", "GRPC-WEB") and not self.tls_mode

    @cached_property
    def _by_host(self) -> ByHost[str]:
        return ByHost(self.hosts)

    def admits(self, namespace: str, host: str) -> bool:
        """Does it serve this host of a VirtualService in this namespace? Where no request is read, the server's has to be the wider one."""
        if any(space in ("*", namespace) for _own, space in self._by_host.covering(host)):
            return True
        narrower = host.startswith("*") and self.tls_mode not in _PASSES and self.protocol not in _NO_HTTP
        return narrower and any(space in ("*", namespace) and covers(host, own) for space, own in self.hosts)


def servers_of(gateway: Mapping[str, Any]) -> list[Server]:
    """The servers of a Gateway of networking.istio.io."""
    found = []
    for server in map(section, entries(section(gateway, "spec").get("servers"))):
        hosts = []
        for entry in map(str, entries(server.get("hosts"))):
            space, slash, host = entry.partition("/")
            hosts.append(((namespace_of(gateway) if space == "." else space), host) if slash else ("*", entry))
        port = section(server, "port")
        protocol = str(port.get("protocol") or "HTTP").upper()
        found.append(
            Server(tuple(hosts), port.get("number"), protocol, str(server.get("bind") or ""), str(section(server, "tls").get("mode") or ""))
        )
    return found


# VirtualServices


def binds_mesh(service: Mapping[str, Any]) -> bool:
    """Do sidecars follow it? They do where no gateways are named, too."""
    gateways = entries(section(service, "spec").get("gateways"))
    return not gateways or "mesh" in gateways


def gateway_names(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Namespace and name of each Gateway that a VirtualService names; without a namespace it is the VirtualService's own."""
    for name in map(str, filter(None, entries(section(service, "spec").get("gateways")))):
        if name != "mesh":
            namespace, _slash, short = gateway_name(name, namespace_of(service)).partition("/")
            yield namespace, short


def gateway_name(name: str, namespace: str) -> str:
    """namespace/name of a Gateway as an object of this namespace names it; istiod also reads name.namespace and full names of old
    (resolveGatewayName in pilot/pkg/model/config.go)."""
    space, slash, short = name.partition("/")
    if slash:
        return f"{namespace}/{short}" if space == "." else name
    if "." not in name:
        return f"{namespace}/{name}"
    short, _dot, rest = name.partition(".")
    return f"{rest.partition('.')[0]}/{short}"


def destinations(service: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every destination of a VirtualService, mirrors included."""
    for protocol in ("http", "tls", "tcp"):
        for rule in map(section, entries(section(service, "spec").get(protocol))):
            mirrors = [{"destination": rule["mirror"]}] if rule.get("mirror") else entries(rule.get("mirrors"))
            for route in map(section, [*entries(rule.get("route")), *mirrors]):
                yield section(route, "destination")


# DestinationRules


class Rules:
    """The DestinationRules of a source. `end`: `.svc.` and the cluster's domain."""

    def __init__(self, rules: Iterable[Mapping[str, Any]], end: str = CLUSTER_DOMAIN) -> None:
        own: dict[str, list[tuple[Mapping[str, Any], str]]] = {}
        self._named: dict[str, list[Mapping[str, Any]]] = {}
        for rule in rules:
            namespace = namespace_of(rule)
            host = full_name(str(section(rule, "spec").get("host") or ""), namespace, end)
            own.setdefault(namespace, []).append((rule, host))
            self._named.setdefault(host, []).append(rule)
        self._namespaces = {namespace: ByHost(pairs) for namespace, pairs in own.items()}

    def named(self, host: str) -> list[Mapping[str, Any]]:
        """Those of all namespaces that are for this very host."""
        return self._named.get(host, [])

    def _of_host(self, namespace: str, host: str, seen: Callable[[Mapping[str, Any]], bool]) -> list[Mapping[str, Any]]:
        """The rules of a namespace for the most specific host that takes this one in, of those that can be seen."""
        known = self._namespaces.get(namespace)
        taken = [(own, rule) for own, rule in known.covering(host) if seen(rule)] if known else []
        best = max(((not own.startswith("*"), len(own)) for own, _rule in taken), default=None)
        return [rule for own, rule in taken if (not own.startswith("*"), len(own)) == best]

    def counting(self, *, host: str, caller: str, service: str, root: str) -> list[Mapping[str, Any]]:
        """Those that count for a host (its full name), called from a namespace.

        One namespace decides: the caller's, else the Service's (empty if it has none), else the root namespace. In the caller's, only what
        is visible there is looked at; in the others the most specific host is picked first, and only then it is asked who may see it."""
        if caller != root:
            found = self._of_host(caller, host, lambda rule: exported_to(rule, caller))
            if found:
                return found
        for namespace in dict.fromkeys((service, root)):
            seen = _all if namespace == caller else _not_private
            there = self._of_host(namespace, host, seen) if namespace else []
            found = [rule for rule in there if exported_to(rule, caller)]
            if found:
                return found
        return []


# Sidecars


def imports(sidecar: Mapping[str, Any], namespace: str, hosts: Iterable[str], caller: str = "") -> bool:
    """Do the egress hosts of a Sidecar take in one of these hosts of an object (a VirtualService or Service) in a namespace?

    caller: the namespace of the pods, where it is not the Sidecar's own: that of the root namespace is for all who have none."""
    asked = [
        str(entry).partition("/")
        for egress in map(section, entries(section(sidecar, "spec").get("egress")))
        for entry in entries(egress.get("hosts"))
    ]
    if not entries(section(sidecar, "spec").get("egress")):
        return True  # without egress everything is imported
    own = caller or namespace_of(sidecar)
    wanted = list(hosts)

    def fits(space: str, host: str) -> bool:
        return (space in ("*", namespace) or (space == "." and namespace == own)) and any(_meet(host, other) for other in wanted)

    if any(space.startswith("~") and fits(space[1:] or "*", host) for space, _slash, host in asked):
        return False
    return any(fits(space, host) for space, _slash, host in asked if not space.startswith("~"))
