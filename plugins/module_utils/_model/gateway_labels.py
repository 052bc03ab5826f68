# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The labels of a gateway of OpenShift Service Mesh 2: its chart puts each of them on the Service, its selector and the pods."""

from __future__ import annotations

from typing import Any

from .fields import section

__all__ = ["OPERATORS", "labels_of_gateway"]

# With these the operator would take an object for its own.
OPERATORS = frozenset({"maistra.io/owner", "maistra.io/owner-name"})


def labels_of_gateway(name: str, kind: str, said: Any) -> dict[str, str]:
    """kind: ingress or egress; said: its part of the ServiceMeshControlPlane. A Gateway may select by any of these labels."""
    given = {**section(said, "service", "metadata", "labels"), **section(said, "service", "selector")}
    own = {str(key): str(value) for key, value in given.items() if key not in OPERATORS}
    return {"app": name, "istio": f"{kind}gateway", **own}
