# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Parts of a control plane: its gateways, those of projects, and whose mesh keeps the CNI plugin that all meshes of a cluster share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .fields import section, sections
from .objects import MESH, is_ours

__all__ = ["PROJECT_PORTS", "additional_gateways", "cni_keeper", "least_pods", "own_gateways", "project_gateways"]

_ADDITIONAL: dict[str, Any] = {"replicas": 1, "resources": {}, "service_type": "ClusterIP", "autoscale": {}}
# What a gateway of a project is open on where it says nothing.
PROJECT_PORTS: tuple[Mapping[str, Any], ...] = ({"name": "http2", "port": 80}, {"name": "https", "port": 443})
_PRIVILEGED = 1024  # pods without rights of their own listen on this port and above


def least_pods(part: Mapping[str, Any]) -> int:
    """How many pods istiod or a gateway has at least: what its autoscaler keeps, or its fixed number."""
    scale = section(part, "autoscale")
    return int(scale.get("min") or 1) if scale else int(part.get("replicas") or 1)


def own_gateways(plane: Mapping[str, Any], kinds: Iterable[str]) -> list[dict[str, Any]]:
    """plane: mesh_control_plane with its defaults; kinds: `ingress` and `egress`, as far as they are there.

    A row has the gateway's replicas, resources and service_type, its name, and the label `istio` of its pods."""
    return [{"autoscale": {}, **plane[kind], "name": f"istio-{kind}gateway", "istio": f"{kind}gateway"} for kind in kinds]


def additional_gateways(plane: Mapping[str, Any]) -> list[dict[str, Any]]:
    """They carry their name as both labels, so that nothing of the ingress gateway selects them."""
    return [{**_ADDITIONAL, "istio": one["name"], **one} for one in plane["additional_ingress"]]


def project_gateways(given: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """given: mesh_project_gateways. A row has what those of a control plane have, its namespace, and `ports`, each with its target_port."""
    return [
        {**_ADDITIONAL, "istio": one["name"], "service_annotations": {}, **one, "ports": _ports(sections(one.get("ports")))}
        for one in given
    ]


def _ports(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "port": int(one["port"]), "target_port": _target(one)} for one in given or PROJECT_PORTS]


def _target(port: Mapping[str, Any]) -> int:
    number = int(port["port"])
    return int(port.get("target_port") or (number + 8000 if number < _PRIVILEGED else number))


def cni_keeper(found: Sequence[Mapping[str, Any]], mesh: str, others: Iterable[str]) -> str:
    """The mesh that makes IstioCNI `default`, updates it and removes it at last. found: the object, if it is there.

    others: the meshes of the cluster that are installed in this run, this one among them; two that are installed at the same moment must
    agree where nobody has it yet, so the first of them makes it."""
    if found and is_ours(found[0]):
        return str(section(found[0], "metadata", "labels").get(MESH, mesh))
    return next(iter(others), mesh)
