# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The pods of a view: those that are there, and those that templates make. Shared by several categories.

Who asks declares `Pod`. Templates are of any kind and are not asked for: a folder has them all, and a cluster has the pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import kinds as k
from .fields import name_of, namespace_of, sections
from .gateway_labels import gateways_of_plane
from .selectors import ByLabel
from .view import View
from .workloads import Shape, groups_of, may_have_pods

__all__ = ["every_pod", "named_ports", "port_numbers", "selected_pods"]


def _pods(view: View) -> dict[str, ByLabel[tuple[str, Shape]]]:
    """By namespace, and all under the empty text."""
    found: dict[str, list[tuple[str, Shape]]] = {"": []}
    for one in groups_of([*(row.raw for row in view.of(k.POD)), *(row for row in view.others((k.POD,)) if may_have_pods(row))]):
        pods = [(one.owner.namespace, shape) for shape in (*one.pods, *one.templates)]
        found[""] += pods
        found.setdefault(one.owner.namespace, []).extend(pods)
    for name, namespace, labels in _made_gateways(view):
        gateway = (namespace, Shape(name, labels, {}, {}))
        found[""].append(gateway)
        found.setdefault(namespace, []).append(gateway)
    return {namespace: ByLabel((pod, pod[1].labels) for pod in pods) for namespace, pods in found.items()}


def _known(view: View) -> dict[str, ByLabel[tuple[str, Shape]]]:
    return view.memo("model.pods", view, lambda: _pods(view))


def every_pod(view: View) -> list[tuple[str, Shape]]:
    """All of a view, each with its namespace."""
    return _known(view)[""].matching({})


def _made_gateways(view: View) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Those that Maistra's operator makes, of which a folder has no template."""
    there = {(namespace_of(row), name_of(row)) for row in view.others((k.POD,)) if row.get("kind") == k.DEPLOYMENT.kind}
    for plane in view.others((k.POD,)):
        if plane.get("kind") == k.SMCP.kind:
            yield from (one for one in gateways_of_plane(plane) if (one[1], one[0]) not in there)


def selected_pods(view: View, selector: Mapping[str, str], namespace: str = "") -> list[tuple[str, Shape]]:
    """Those that have all of these labels, of one namespace or of all, each with its namespace; none for a selector without labels."""
    found = _known(view).get(namespace)
    return found.matching(selector) if found and selector else []


def _ports(pods: Iterable[Shape]) -> Iterator[tuple[Any, int]]:
    """Name and number of what their containers say; a number that is none is no port."""
    for one in pods:
        for row in one.containers():
            for port in sections(row.get("ports")):
                if str(port.get("containerPort")).isdigit():
                    yield port.get("name"), int(port["containerPort"])


def port_numbers(pods: Iterable[Shape]) -> set[int]:
    """The ports that their containers say."""
    return {number for _name, number in _ports(pods)}


def named_ports(pods: Iterable[Shape], name: str) -> set[int]:
    """What a Service means by the name of a port: each pod may have another number."""
    return {number for said, number in _ports(pods) if said == name}
