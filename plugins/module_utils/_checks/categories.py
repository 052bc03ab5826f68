# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The categories of checks and their titles, without the checks: what only lays rows out does not load them."""

from __future__ import annotations

__all__ = ["CATEGORIES"]

# In the order in which people read them: what the rest stands on comes first.
CATEGORIES: dict[str, str] = {
    "api": "Kubernetes API",
    "operators": "operators",
    "control_plane": "control plane",
    "membership": "membership",
    "workloads": "workloads and proxies",
    "gateways": "gateways and routes",
    "traffic": "routes, services and mutual TLS",
    "isolation": "network policies",
    "multicluster": "meshes of several clusters",
    "observability": "observability",
    "personas": "personas",
    "certificates": "certificates",
    "authorization": "authorization",
    "upgrade": "upgrade",
    "migration": "migration",
}
