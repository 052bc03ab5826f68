# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The options that the modules of the migration share, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .settings import MigrationSettings

__all__ = ["OPTIONS", "settings_from"]

OPTIONS: dict[str, Any] = {
    "mesh": {"type": "str", "required": True},
    "control_plane": {"type": "dict", "options": {"name": {"type": "str"}, "namespace": {"type": "str"}}},
    "domains": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"name": {"type": "str", "required": True}, "namespaces": {"type": "list", "elements": "str", "default": []}},
    },
    "version": {"type": "str", "required": True},
    "istio_name": {"type": "str"},
    "update_strategy": {"type": "str", "choices": ["InPlace", "RevisionBased"], "default": "RevisionBased"},
    "cni_namespace": {"type": "str", "default": "istio-cni"},
    "discovery": {"type": "str", "choices": ["auto", "label", "all"], "default": "auto"},
    "tracing": {"type": "str", "choices": ["keep", "opentelemetry", "none"], "default": "keep"},
    "tracing_service": {"type": "dict", "options": {"host": {"type": "str", "required": True}, "port": {"type": "int", "default": 4317}}},
}


def settings_from(params: Mapping[str, Any]) -> MigrationSettings:
    """What people chose."""
    service = params.get("tracing_service") or {}
    return MigrationSettings(
        mesh=params["mesh"],
        version=params["version"],
        name=params.get("istio_name") or "",
        strategy=params["update_strategy"],
        cni_namespace=params["cni_namespace"],
        discovery=params["discovery"],
        tracing=params["tracing"],
        tracing_host=service.get("host") or "",
        tracing_port=int(service.get("port") or 4317),
    )
