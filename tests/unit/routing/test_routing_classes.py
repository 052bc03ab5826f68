# SPDX-License-Identifier: GPL-3.0-or-later
"""Callers that are taken for alike are answered alike: what the matrix says of one of them is what each of them gets."""

from __future__ import annotations

from traffic.cases import as_result, read_rows

from ansible_collections.meshops.mesh.plugins.module_utils._routing.evaluate import RoutingWorld  # isort: skip
from ansible_collections.meshops.mesh.plugins.module_utils._routing.model import Consumer, RouteRequest, RoutingMesh  # isort: skip
from routing.test_routing_cases import FILE  # isort: skip

SPACES = ("a", "b", "c", "istio-system", "elsewhere", "nowhere")
LABELS = ({"app": "client", "version": "v1"}, {"app": "client"}, {"app": "zzz"}, {"version": "v2"}, {})


def test_one_kind_of_callers_gets_one_answer() -> None:
    """On every seventh recorded world: all its services by their full names, from all namespaces and labels that occur, and two more."""
    worlds = {row["set"]: row for row in read_rows(FILE)}
    compared = 0
    for row in list(worlds.values())[::7]:
        world = RoutingWorld(row["objects"], RoutingMesh(row["mesh"], revision=row.get("revision") or ""))
        known: dict[object, dict[str, object]] = {}
        for space in SPACES:
            for labels in LABELS:
                caller = Consumer(space, labels)
                key = world.classes.by_full_names(caller)
                found = {}
                for service in world.registry.services:
                    for port in service.ports:
                        request = RouteRequest(service.address, port.number, host=service.hostname, path="/x")
                        found[f"{service.hostname}:{port.number}"] = as_result(world.answer(caller, request))
                compared += known.setdefault(key, found) is not found
                assert known[key] == found, (row["set"], key, space, labels)
    assert compared > 300
