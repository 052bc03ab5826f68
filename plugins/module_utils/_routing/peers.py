# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What PeerAuthentications let callers expect of a service and of a pod (pilot/pkg/model/authentication.go, pilot/pkg/security/authn)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._model.fields import name_of, namespace_of, section, texts
from .._model.selectors import matches_labels
from .model import RoutedEndpoint
from .registry import created_at

__all__ = ["PeerModes"]

_PERMISSIVE, _UNSET = "PERMISSIVE", ("", "UNSET")


def _mode(value: Any) -> str:
    return str(section(value).get("mode") or "")


class PeerModes:
    """The modes of mutual TLS, by namespace and by pod."""

    def __init__(self, objects: Iterable[Mapping[str, Any]], root: str) -> None:
        general: dict[str, str] = {}
        self._selecting: dict[str, list[tuple[Mapping[str, str], Mapping[str, Any]]]] = {}
        for obj in sorted(objects, key=lambda one: (created_at(one), name_of(one), namespace_of(one))):
            spec, namespace = section(obj, "spec"), namespace_of(obj)
            labels = texts(section(spec, "selector").get("matchLabels"))
            if labels:
                if namespace != root:
                    self._selecting.setdefault(namespace, []).append((labels, spec))
            else:
                general.setdefault(namespace, _mode(spec.get("mtls")))
        mesh = general.pop(root, None)
        self._mesh = None if mesh is None else _PERMISSIVE if mesh in _UNSET else mesh
        self._namespaces = {name: (self._mesh or _PERMISSIVE) if mode in _UNSET else mode for name, mode in general.items()}

    def of_namespace(self, namespace: str) -> str:
        """The mode that callers assume of all services of a namespace: policies that select pods do not count."""
        return self._namespaces.get(namespace) or self._mesh or _PERMISSIVE

    def of_endpoint(self, endpoint: RoutedEndpoint) -> str:
        """The mode of a pod on one of its ports."""
        mode = self._namespaces.get(endpoint.namespace) or self._mesh or _PERMISSIVE
        for labels, spec in self._selecting.get(endpoint.namespace, ()):
            if matches_labels(labels, endpoint.labels):
                own = _mode(spec.get("mtls"))
                mode = mode if own in _UNSET else own
                ports = {str(port): value for port, value in section(spec, "portLevelMtls").items()}
                of_port = _mode(ports.get(str(endpoint.port)))
                return mode if of_port in _UNSET else of_port
        return mode
