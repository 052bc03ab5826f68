# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""VirtualServices as istiod holds them: names completed, delegates merged in, sorted, and found by who may see them.

After pilot/pkg/model/virtualservice.go, virtualservice_controller.go and push_context.go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._model.fields import entries, name_of, namespace_of, section, sections, texts
from .._model.routing import gateway_name
from .hosts import resolved
from .model import RoutingMesh
from .registry import created_at, export_set, number_of

__all__ = ["MESH", "HttpRule", "RoutedVirtualService", "VirtualServices"]

MESH = "mesh"
_INHERITED = (
    "rewrite",
    "directResponse",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "mirrorPercent",
    "mirrorPercentage",
    "corsPolicy",
    "mirrors",
    "headers",
)
_TEXT_MATCHES, _MAP_MATCHES = ("uri", "scheme", "method", "authority"), ("headers", "withoutHeaders", "queryParams")


@dataclass(frozen=True, eq=False)
class HttpRule:
    """One entry of `http`, with the object that it stands in and its place there."""

    spec: Mapping[str, Any]
    ref: str
    path: str

    @property
    def matches(self) -> list[Mapping[str, Any]]:
        return sections(self.spec.get("match"))


@dataclass(frozen=True, eq=False)
class RoutedVirtualService:
    """A VirtualService, or what a HttpRoute of Gateway API becomes."""

    name: str
    namespace: str
    created: str
    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    http: tuple[HttpRule, ...]
    tls: tuple[Mapping[str, Any], ...]
    tcp: tuple[Mapping[str, Any], ...]
    export: frozenset[str]
    ref: str
    gateway_api: bool = False

    def stream_place(self, kind: str, number: int) -> str:
        """Where a rule of `tls` or `tcp` stands in its object."""
        return f"rules[{number}]" if self.gateway_api else f"{kind}[{number}]"

    def destinations(self, caller: str = "") -> dict[str, set[int]]:
        """Each host that it routes to, with the ports, 0 for none named. caller: the namespace that is looked at."""
        found: dict[str, set[int]] = {}

        def add(destination: Mapping[str, Any]) -> None:
            found.setdefault(str(destination.get("host") or ""), set()).add(number_of(section(destination, "port").get("number")))

        for rule in self.http:
            spaces = [str(match["sourceNamespace"]) for match in rule.matches if match.get("sourceNamespace")]
            if caller and spaces and caller not in spaces:
                continue
            for route in sections(rule.spec.get("route")):
                add(section(route, "destination"))
            if rule.spec.get("mirror"):
                add(section(rule.spec, "mirror"))
            for mirror in sections(rule.spec.get("mirrors")):
                add(section(mirror, "destination"))
        for row in (*self.tcp, *self.tls):
            for route in sections(row.get("route")):
                add(section(route, "destination"))
        found.pop("", None)
        return found


def _gateways(names: Iterable[Any], namespace: str) -> list[str]:
    return [name if name == MESH else gateway_name(name, namespace) for name in map(str, names)]


class _NameResolver:
    """Completes the names in one object."""

    def __init__(self, namespace: str, end: str) -> None:
        self.namespace, self.end = namespace, end

    def destination(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {**value, "host": resolved(str(value.get("host") or ""), self.namespace, self.end)}

    def _matches(self, row: Mapping[str, Any]) -> list[Any]:
        return [{**match, "gateways": _gateways(entries(match.get("gateways")), self.namespace)} for match in sections(row.get("match"))]

    def row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """An entry of http, tls or tcp."""
        found = dict(row)
        if row.get("match"):
            found["match"] = self._matches(row)
        if row.get("route"):
            found["route"] = [{**route, "destination": self.destination(route.get("destination"))} for route in sections(row.get("route"))]
        if row.get("mirror"):
            found["mirror"] = self.destination(row["mirror"])
        if row.get("mirrors"):
            found["mirrors"] = [{**one, "destination": self.destination(one.get("destination"))} for one in sections(row.get("mirrors"))]
        return found


def _text(match: Any, form: str) -> str:
    return str(section(match).get(form) or "")


def _texts_conflict(root: Any, leaf: Any) -> bool:
    """Can no text be what both want, as far as istiod looks? Any regular expression conflicts with all."""
    if root is None or leaf is None:
        return False
    forms = ("regex", "prefix", "exact")
    if _text(root, "regex") and any(_text(leaf, form) for form in forms):
        return True
    if _text(leaf, "regex") and any(_text(root, form) for form in forms):
        return True
    exact, prefix = _text(root, "exact"), _text(root, "prefix")
    if exact:
        return bool(_text(leaf, "prefix")) or _text(leaf, "exact") != exact
    if prefix:
        for form in ("prefix", "exact"):
            if _text(leaf, form):
                return not _text(leaf, form).startswith(prefix)
    return True


def _conflict(root: Mapping[str, Any], leaf: Mapping[str, Any]) -> bool:
    if any(_texts_conflict(root.get(name), leaf.get(name)) for name in _TEXT_MATCHES):
        return True
    for name in _MAP_MATCHES:
        if any(_texts_conflict(section(root, name).get(key), value) for key, value in section(leaf, name).items()):
            return True
    if bool(root.get("ignoreUriCase")) != bool(leaf.get("ignoreUriCase")):
        return True
    if root.get("port") and leaf.get("port") and root["port"] != leaf["port"]:
        return True
    if root.get("sourceNamespace") and leaf.get("sourceNamespace") != root["sourceNamespace"]:
        return True
    labels = texts(root.get("sourceLabels"))
    if any(labels.get(key, value) != value for key, value in texts(leaf.get("sourceLabels")).items()):
        return True
    ours, theirs = entries(root.get("gateways")), entries(leaf.get("gateways"))
    return bool(ours and theirs) and (len(ours) < len(theirs) or any(name not in ours for name in theirs))


def _joined(root: Any, leaf: Any) -> str:
    return f"{root}-{leaf}" if root and leaf else str(root or leaf or "")


def _merged_match(root: Mapping[str, Any], leaf: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(leaf)
    found["name"] = _joined(root.get("name"), leaf.get("name"))
    for name in _TEXT_MATCHES:
        if found.get(name) is None and root.get(name) is not None:
            found[name] = root[name]
    for name in (*_MAP_MATCHES, "sourceLabels"):
        both = {**section(root, name), **section(leaf, name)}
        if both:
            found[name] = both
    for name in ("port", "sourceNamespace", "gateways", "statPrefix"):
        if not found.get(name) and root.get(name):
            found[name] = root[name]
    return found


def _merged_matches(root: list[Mapping[str, Any]], leaf: list[Mapping[str, Any]]) -> list[Mapping[str, Any]] | None:
    """The matches of root and delegate together; None where one of the delegate's fits none of the root's."""
    if not root or not leaf:
        return root or leaf
    found: list[Mapping[str, Any]] = []
    for inner in leaf:
        fitting = [_merged_match(outer, inner) for outer in root if not _conflict(outer, inner)]
        if not fitting:
            return None
        found += fitting
    return found


def _delegated(root: HttpRule, delegate: HttpRule) -> HttpRule | None:
    matches = _merged_matches(root.matches, delegate.matches)
    if matches is None:
        return None
    found = dict(delegate.spec)
    found["match"], found["name"] = matches, _joined(root.spec.get("name"), delegate.spec.get("name"))
    for name in _INHERITED:
        if found.get(name) is None and root.spec.get(name) is not None:
            found[name] = root.spec[name]
    return HttpRule(found, delegate.ref, delegate.path)


class VirtualServices:
    """All of a mesh, by who may see them and the gateway that they bind: private to a namespace, exported to it by name, public."""

    def __init__(self, objects: Iterable[Mapping[str, Any]], made: Iterable[RoutedVirtualService], mesh: RoutingMesh) -> None:
        self._mesh = mesh
        self._default = mesh.default_export("defaultVirtualServiceExportTo")
        read = [self._read(obj) for obj in objects]
        delegates = {(one.namespace, one.name): one for one in read if not one.hosts}
        self.delegates = tuple(delegates.values())
        self.all = sorted(
            (*(self._whole(one, delegates) for one in read if one.hosts), *made), key=lambda one: (one.created, one.name, one.namespace)
        )
        self._index()

    def _export(self, words: frozenset[str], namespace: str) -> frozenset[str]:
        return frozenset(namespace if word == "." else word for word in words or self._default)

    def _read(self, obj: Mapping[str, Any]) -> RoutedVirtualService:
        spec, namespace, name = section(obj, "spec"), namespace_of(obj), name_of(obj)
        resolver, ref = _NameResolver(namespace, self._mesh.end), f"VirtualService {namespace}/{name}"
        return RoutedVirtualService(
            name=name, namespace=namespace, created=created_at(obj), ref=ref,
            hosts=tuple(resolved(str(host), namespace, self._mesh.end) for host in entries(spec.get("hosts"))),
            gateways=tuple(_gateways(entries(spec.get("gateways")), namespace)),
            http=tuple(HttpRule(resolver.row(row), ref, f"http[{number}]") for number, row in enumerate(sections(spec.get("http")))),
            tls=tuple(map(resolver.row, sections(spec.get("tls")))),
            tcp=tuple(map(resolver.row, sections(spec.get("tcp")))),
            export=self._export(export_set(obj), namespace),
        )  # fmt: skip

    def _whole(self, root: RoutedVirtualService, delegates: Mapping[tuple[str, str], RoutedVirtualService]) -> RoutedVirtualService:
        if not any(rule.spec.get("delegate") is not None for rule in root.http):
            return root
        rules: list[HttpRule] = []
        for rule in root.http:
            wanted = rule.spec.get("delegate")
            if wanted is None:
                rules.append(rule)
                continue
            name = section(wanted)
            found = delegates.get((str(name.get("namespace") or root.namespace), str(name.get("name") or "")))
            if found is not None and ("*" in found.export or root.namespace in found.export):
                rules += filter(None, (_delegated(rule, inner) for inner in found.http))
        return RoutedVirtualService(
            root.name, root.namespace, root.created, root.hosts, root.gateways, tuple(rules), root.tls, root.tcp, root.export, root.ref
        )

    def _index(self) -> None:
        self.private: dict[tuple[str, str], list[RoutedVirtualService]] = {}
        self.exported: dict[tuple[str, str], list[RoutedVirtualService]] = {}
        self.public: dict[str, list[RoutedVirtualService]] = {}
        for one in self.all:
            names = one.gateways or (MESH,)
            if "*" in one.export:
                for gateway in names:
                    self.public.setdefault(gateway, []).append(one)
            elif "~" not in one.export:
                for space in one.export:
                    kept = self.private if space == one.namespace else self.exported
                    for gateway in names:
                        kept.setdefault((space, gateway), []).append(one)

    def lists(
        self, namespace: str, gateway: str
    ) -> tuple[list[RoutedVirtualService], list[RoutedVirtualService], list[RoutedVirtualService]]:
        """Those that bind a gateway, as a namespace sees them: its private ones, those exported to it, the public ones."""
        key = (namespace, gateway)
        return self.private.get(key, []), self.exported.get(key, []), self.public.get(gateway, [])

    def of_gateway(self, namespace: str, gateway: str) -> list[RoutedVirtualService]:
        """Those of a gateway whose pods are in a namespace; of the public ones Routes of that namespace come first."""
        private, exported, public = self.lists(namespace, gateway)
        own = [one for one in public if one.gateway_api and one.namespace == namespace]
        return [*private, *exported, *own, *(one for one in public if not (one.gateway_api and one.namespace == namespace))]
