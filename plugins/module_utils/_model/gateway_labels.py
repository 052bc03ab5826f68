# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The labels of a gateway of OpenShift Service Mesh 2: its chart puts each of them on the Service, its selector and the pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .fields import namespace_of, section

__all__ = ["OPERATORS", "gateways_of_plane", "labels_of_gateway"]

# With these the operator would take an object for its own.
OPERATORS = frozenset({"maistra.io/owner", "maistra.io/owner-name"})


def labels_of_gateway(name: str, kind: str, said: Any) -> dict[str, str]:
    """kind: ingress or egress; said: its part of the ServiceMeshControlPlane. A Gateway may select by any of these labels."""
    given = {**section(said, "service", "metadata", "labels"), **section(said, "service", "selector")}
    own = {str(key): str(value) for key, value in given.items() if key not in OPERATORS}
    return {"app": name, "istio": f"{kind}gateway", **own}


def gateways_of_plane(plane: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Name, namespace and labels of each gateway that Maistra's operator makes of a ServiceMeshControlPlane: both standard ones are there
    unless they are switched off."""
    gateways = section(plane, "spec", "gateways")
    if gateways.get("enabled") is False:
        return
    for name, key in (("istio-ingressgateway", "ingress"), ("istio-egressgateway", "egress")):
        own = section(gateways, key)
        if own.get("enabled") is not False:
            yield name, str(own.get("namespace") or namespace_of(plane)), labels_of_gateway(name, key, own)
    for key in ("additionalIngress", "additionalEgress"):
        for name, own in section(gateways, key).items():
            if section(own).get("enabled") is False:
                continue
            labels = labels_of_gateway(name, key.removeprefix("additional").lower(), own)
            yield name, str(section(own).get("namespace") or namespace_of(plane)), labels
