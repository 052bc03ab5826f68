# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Which callers are alike: only what some object asks of them can tell two of them apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._model.fields import entries, namespace_of, section, sections, texts
from .hosts import is_wild, resolved
from .model import Consumer, RoutingMesh
from .registry import Registry, export_set
from .virtual_services import VirtualServices

__all__ = ["CallerClasses"]


def _matches(virtual: VirtualServices) -> Iterator[Mapping[str, Any]]:
    for one in virtual.all:
        for row in (*(rule.spec for rule in one.http), *one.tls, *one.tcp):
            yield from sections(row.get("match"))


def _for_own_services(obj: Mapping[str, Any], mesh: RoutingMesh) -> bool:
    """Is it a DestinationRule that every caller has, for one Service of its own namespace? Who calls from there has no other one."""
    spec, namespace, words = section(obj, "spec"), namespace_of(obj), export_set(obj)
    if obj.get("kind") != "DestinationRule" or spec.get("workloadSelector") is not None or (words and "*" not in words):
        return False
    host = resolved(str(spec.get("host") or ""), namespace, mesh.end)
    return not is_wild(host) and host.endswith(f".{namespace}{mesh.end}")


class CallerClasses:
    """Labels that some selector asks for, and namespaces that some object means or that have one of their own."""

    def __init__(
        self, kinds: Mapping[str, list[Mapping[str, Any]]], registry: Registry, virtual: VirtualServices, mesh: RoutingMesh
    ) -> None:
        self._labels: set[str] = set()
        self._namespaces = {mesh.root_namespace}
        for obj in (*kinds.get("Sidecar", ()), *kinds.get("DestinationRule", ())):
            selector = section(obj, "spec", "workloadSelector")
            self._labels |= {*texts(selector.get("labels")), *texts(selector.get("matchLabels"))}
            if not _for_own_services(obj, mesh):
                self._namespaces.add(namespace_of(obj))
        for match in _matches(virtual):
            self._labels |= set(texts(match.get("sourceLabels")))
            self._namespaces |= {str(match["sourceNamespace"])} if match.get("sourceNamespace") else set()
        for one in virtual.all:
            self._namespaces |= {one.namespace} if one.gateway_api or "*" not in one.export else set()
            self._mean(one.export, one.namespace)
        for service in registry.services:
            self._mean(service.export, service.namespace)
        for obj in (*kinds.get("DestinationRule", ()), *kinds.get("ServiceEntry", ())):
            self._mean(export_set(obj), namespace_of(obj))
        for spaces in registry.by_host.values():
            if len(spaces) > 1:
                self._namespaces |= set(spaces)
        defaults = ("defaultServiceExportTo", "defaultVirtualServiceExportTo", "defaultDestinationRuleExportTo")
        self._apart = any("*" not in mesh.default_export(name) for name in defaults)  # then each namespace has its own view
        for obj in kinds.get("Sidecar", ()):  # that of the root namespace may mean the namespace of whoever has no other one
            if namespace_of(obj) == mesh.root_namespace:
                hosts = [str(host) for egress in sections(section(obj, "spec").get("egress")) for host in entries(egress.get("hosts"))]
                self._apart |= any(host.removeprefix("~").startswith("./") for host in hosts)
        self._headless = registry.headless_addresses()

    def _mean(self, words: Iterable[str], namespace: str) -> None:
        self._namespaces |= {namespace if word == "." else word for word in words if word not in ("*", "~")}

    def _key(self, caller: Consumer, namespace: str) -> tuple[Any, ...]:
        if caller.gateway:
            return True, caller.namespace, tuple(sorted(caller.labels.items())), caller.ip, caller.name
        labels = tuple(sorted((name, value) for name, value in caller.labels.items() if name in self._labels))
        return False, namespace, labels, caller.ip if caller.ip in self._headless else "", ""

    def own(self, caller: Consumer) -> tuple[Any, ...]:
        """Callers of one key are answered alike, whatever they ask."""
        return self._key(caller, caller.namespace)

    def by_full_names(self, caller: Consumer) -> tuple[Any, ...]:
        """Callers of one key are answered alike if they ask by full names: the namespace then counts only where some object means it."""
        apart = self._apart or caller.namespace in self._namespaces
        return self._key(caller, caller.namespace if apart else "")
