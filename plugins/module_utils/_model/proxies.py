# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The proxy of a pod: a sidecar, native or not, or a gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .fields import section

__all__ = ["INJECT", "PROXY", "STATUS", "has_proxy", "lives", "proxy_container", "status_revision"]

PROXY = "istio-proxy"
INJECT = "sidecar.istio.io/inject"
STATUS = "sidecar.istio.io/status"  # written by the injector, also into pods of gateways


def proxy_container(pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The container of the proxy; native sidecars are init containers. None where the pod has none."""
    spec = pod.get("spec") or {}
    parts = (one for part in ("containers", "initContainers") for one in spec.get(part) or [])
    return next((one for one in parts if one.get("name") == PROXY), None)


def lives(pod: Mapping[str, Any]) -> bool:
    """It is not done, and not on its way out."""
    return not pod["metadata"].get("deletionTimestamp") and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def status_revision(notes: Mapping[str, Any]) -> str:
    """The revision in the injector's own note among the annotations of a pod; empty where it is not there or cannot be read."""
    try:
        return str(section(json.loads(str(notes.get(STATUS) or "{}"))).get("revision") or "")
    except (ValueError, RecursionError):
        return ""


def has_proxy(pod: Mapping[str, Any]) -> bool:
    """A proxy that runs and is not about to go, and that the injector has written."""
    metadata = pod["metadata"]
    running = (pod.get("status") or {}).get("phase") == "Running" and not metadata.get("deletionTimestamp")
    return running and STATUS in (metadata.get("annotations") or {}) and proxy_container(pod) is not None
