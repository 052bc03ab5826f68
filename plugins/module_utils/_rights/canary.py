# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a canary release does beside the shift of traffic that each of its steps is."""

from __future__ import annotations

from .right import Right, Where
from .traffic import TRAFFIC

__all__ = ["CANARY"]

_MEASURED = "proxies and Prometheus are asked what they have counted"
CANARY: tuple[Right, ...] = (
    *TRAFFIC,
    Right("configmaps", ("get", "list", "create", "patch", "delete"), Where.MEMBERS, "what is remembered of a canary, beside its Service"),
    Right("leases.coordination.k8s.io", ("get", "create", "patch"), Where.MEMBERS, "one run at a time works on a service"),
    Right("services", ("get",), Where.MEMBERS, "which pods its versions have"),
    Right("pods", ("list",), Where.MESH, "which pods its versions have, and whether they are ready"),
    Right("pods/portforward", ("get", "create"), Where.MESH, _MEASURED),
    Right("services/proxy", ("get",), Where.PLANE, _MEASURED),
)
