# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What rows of `mesh_traffic` mean where they say nothing, for all who read them; and the label by which its objects are found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .fields import sections, texts

__all__ = ["TRAFFIC_OF", "key_of", "route_name", "version_labels"]

TRAFFIC_OF = "mesh.meshops.io/traffic-of"  # label: the Service that an object of the role traffic is about


def key_of(row: Mapping[str, Any]) -> str:
    """namespace/service, as people call it."""
    return f"{row.get('namespace')}/{row.get('service')}"


def route_name(route: Mapping[str, Any], number: int) -> str:
    """The name of a route, as access logs and metrics have it. number: its place among the routes."""
    return str(route.get("name") or (f"rule-{number + 1}" if sections(route.get("match")) else "default"))


def version_labels(version: Mapping[str, Any]) -> dict[str, str]:
    """The labels of the pods of a version."""
    return texts(version.get("labels")) or {"version": str(version.get("name"))}
