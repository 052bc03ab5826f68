# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The objects of a source that decide about routes. In a folder nothing runs: Services get addresses, and templates count as pods."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .._model import kinds as k
from .._model.fields import section
from .._model.intent import Intent
from .._model.pods import every_pod
from .._model.view import View

__all__ = ["ROUTED", "routing_objects"]

_CONFIG = (k.VIRTUAL_SERVICE, k.DESTINATION_RULE, k.SERVICE_ENTRY, k.WORKLOAD_ENTRY, k.SIDECAR, k.GATEWAY, k.PEER_AUTHENTICATION,
           k.HTTP_ROUTE, k.GRPC_ROUTE, k.TCP_ROUTE, k.TLS_ROUTE, k.K8S_GATEWAY, k.REFERENCE_GRANT)  # fmt: skip
_PLAIN = (k.SERVICE, k.NAMESPACE, k.GATEWAY_CLASS)
ROUTED = (*_CONFIG, *_PLAIN)
_SLICE = "EndpointSlice"  # of Services without a selector, where the source has them: a cluster is not asked for all of them
_TLS_MODE = "security.istio.io/tlsMode"


def _address(number: int) -> str:
    """An address of the range for measurements: no Service and no pod has it."""
    return f"198.{18 + (number >> 16 & 1)}.{number >> 8 & 255}.{number & 255}"


def routing_objects(view: View, intent: Intent, guarded: Callable[[str], bool]) -> list[Mapping[str, Any]]:
    """guarded: whether a workload, as namespace/name, has a sidecar; asked of a folder, where no pod says it."""
    plain = [row for kind in _PLAIN for row in view.of(kind)]
    config = [row for kind in _CONFIG for row in view.of(kind)]
    if intent.ossm2:  # its istiod sees its members only
        plain, config = intent.owned(plain), intent.owned(config)
    found: list[Mapping[str, Any]] = [row.raw for row in (*plain, *config)]
    found += [row for row in view.objects() if row.get("kind") == _SLICE]
    if view.source != "manifests":
        return [*found, *(row.raw for row in view.of(k.POD))]
    found = [_addressed(obj, number) for number, obj in enumerate(found)]
    return [*found, *_made_pods(view, guarded)]


def _addressed(obj: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    spec = section(obj, "spec")
    if obj.get("kind") != "Service" or spec.get("clusterIP") or spec.get("type") == "ExternalName":
        return obj
    return {**obj, "spec": {**spec, "clusterIP": _address(number)}}


def _made_pods(view: View, guarded: Callable[[str], bool]) -> Iterator[Mapping[str, Any]]:
    """One ready pod for each template: what runs is what is written."""
    for number, (namespace, shape) in enumerate(every_pod(view), start=1 << 15):
        sidecar = {_TLS_MODE: "istio"} if guarded(f"{namespace}/{shape.name}") else {}
        yield {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": shape.name, "namespace": namespace, "labels": {**shape.labels, **sidecar}},
            "spec": dict(shape.spec),
            "status": {"podIP": _address(number), "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        }  # fmt: skip
