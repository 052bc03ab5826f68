# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The proxy of a pod: a sidecar, native or not, or a gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["PROXY", "STATUS", "has_proxy", "proxy_container"]

PROXY = "istio-proxy"
STATUS = "sidecar.istio.io/status"  # written by the injector, also into pods of gateways


def proxy_container(pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The container of the proxy; native sidecars are init containers. None where the pod has none."""
    spec = pod.get("spec") or {}
    parts = (one for part in ("containers", "initContainers") for one in spec.get(part) or [])
    return next((one for one in parts if one.get("name") == PROXY), None)


def has_proxy(pod: Mapping[str, Any]) -> bool:
    """A proxy that runs and is not about to go, and that the injector has written."""
    metadata = pod["metadata"]
    running = (pod.get("status") or {}).get("phase") == "Running" and not metadata.get("deletionTimestamp")
    return running and STATUS in (metadata.get("annotations") or {}) and proxy_container(pod) is not None
