# SPDX-License-Identifier: GPL-3.0-or-later
"""What reaches what between the nodes of two clusters, by sockets alone: no bed, no mesh."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from testbed import binaries, network_tools
from testbed.networks import Membership, ranges
from testbed.pods import leavings, link, netns
from testbed.pods.node import Node

Obj = dict[str, Any]
pytestmark = pytest.mark.skipif(binaries.pods_missing() is not None, reason=f"the data plane pods: {binaries.pods_missing()}")
SERVED = 8080


def folder_of(tmp_path: Path, number: int, network: str, *, routed: bool) -> tuple[Path, Obj]:
    folder = tmp_path / f"cluster{number}"
    folder.mkdir()
    bed = {"pod_cidr": ranges(number).pods, "network": {"network": network, "number": number, "routed": routed}}
    (folder / "spec.json").write_text(json.dumps(bed))
    return folder, bed


def pod_of(number: int) -> str:
    return f"10.{124 + 4 * number}.0.5"


async def cluster(folder: Path, bed: Obj) -> Node:
    """A node with one pod, which is behind a load balancer."""
    node, tag = Node(leavings.tag_of(folder), folder, bed), leavings.tag_of(folder)
    number = bed["network"]["number"]
    await node.start()
    space = f"{netns.prefix(tag)}pod"
    await netns.add(space)
    await netns.join(space, node.name, pod_of(number), f"v{tag}")
    meta, ports = {"name": "gate", "namespace": "mesh"}, [{"name": "http", "port": 80}]
    status = {"loadBalancer": {"ingress": [{"ip": node.free_balancer()}]}}
    node.services["mesh", "gate"] = {"metadata": meta, "spec": {"clusterIP": "None", "ports": ports}, "status": status}
    labels = {"kubernetes.io/service-name": "gate"}
    endpoints = [{"addresses": [pod_of(number)], "conditions": {"ready": True}}]
    rows = [{"name": "http", "port": SERVED}]
    node.slices["mesh", "gate"] = {"metadata": {**meta, "labels": labels}, "ports": rows, "endpoints": endpoints}
    await node.apply()
    return node


async def peer_of(space: str, address: str, port: int) -> str:
    """Whom the server takes the caller for; empty where it cannot be reached."""
    try:
        made = await netns.connect(space, address, port, timeout=2)
    except OSError:
        return ""
    reader, writer = await asyncio.open_connection(sock=made)
    said = (await reader.read()).decode()
    writer.close()
    return said


async def _say(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(writer.get_extra_info("peername")[0].encode())
    writer.close()


@pytest.mark.parametrize("routed", [False, True], ids=["load-balancers-only", "routed"])
def test_load_balancers_are_reached_and_pods_where_routed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, routed: bool) -> None:
    monkeypatch.setenv("PATH", network_tools.search_path())
    network = f"test-{os.getpid()}-{routed}".lower()
    places = [folder_of(tmp_path, number, network, routed=routed) for number in (1, 2)]
    tags = [leavings.tag_of(folder) for folder, _bed in places]

    async def play() -> None:
        nodes = [await cluster(*place) for place in places]
        here, there = (f"{netns.prefix(tag)}pod" for tag in tags)
        for space in (here, there):
            await asyncio.start_server(_say, sock=netns.listen(space, "0.0.0.0", SERVED))  # noqa: S104
        balancer = f"{ranges(2).balancers}.1"
        seen = pod_of(1) if routed else "198.18.0.1"
        assert await peer_of(here, balancer, 80) == seen
        assert await peer_of(nodes[0].name, balancer, 80) == "198.18.0.1", "the API server's way to a remote istiod"
        assert await peer_of(nodes[0].world, balancer, 80) == "198.18.0.1"
        assert await peer_of(there, pod_of(2), SERVED) == pod_of(2)
        assert await peer_of(here, pod_of(2), SERVED) == (pod_of(1) if routed else "")
        # A route of somebody's own does not help.
        await netns.batch(nodes[0].name, f"route replace {pod_of(2)}/32 via 198.18.0.2")
        assert await peer_of(here, pod_of(2), SERVED) == (pod_of(1) if routed else "")
        nodes[1].between = ["-A FORWARD -i wire0 -j DROP"]
        await nodes[1].apply()
        assert await peer_of(here, balancer, 80) == ""
        for node in nodes:
            node.stop()

    try:
        asyncio.run(play())
        leavings.clean(places[0][0])
        assert netns.exists(link.space_of(network)), "the other one is still there"
    finally:
        for folder, _bed in places:
            leavings.clean(folder)
    assert not netns.exists(link.space_of(network))
    assert [netns.leftovers(tag) for tag in tags] == [[], []]


def test_who_has_died_is_followed_by_another_one_at_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leg that is there already is replaced, and leaving twice is no trouble."""
    monkeypatch.setenv("PATH", network_tools.search_path())
    network, tag = f"test-{os.getpid()}-again", leavings.tag_of(tmp_path)
    node = f"{netns.prefix(tag)}node"
    try:
        for _time in (1, 2):
            asyncio.run(netns.add(node))
            link.join(Membership(network, 1), tag, node)
            netns.delete_now([node])
    finally:
        netns.delete_now([node])
        link.leave(network, tag)
    link.leave(network, tag)
    assert not netns.exists(link.space_of(network))
