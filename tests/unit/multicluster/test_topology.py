# SPDX-License-Identifier: GPL-3.0-or-later
"""What mesh_topology means, and which hosts of an inventory cannot be one mesh."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._multicluster.topology import (
    MeshHost,
    fleet_refusals,
    seconds_in,
    topology_of,
    topology_refusals,
)


def host(name: str, **more: Any) -> MeshHost:
    """A good one, with some of its values replaced; what is no field of a host is one of mesh_topology."""
    own = {
        "provider": "ossm3",
        "mesh": "shop",
        "namespace": "istio-system",
        "trust_domain": "cluster.local",
        "api": (f"~/.kube/{name}", ""),
    }
    given = {"mesh_id": "shop", "network": f"net-{name}", **{key: value for key, value in more.items() if key not in own}}
    return MeshHost(host=name, given=given, **{key: more.get(key, value) for key, value in own.items()})


def refused(*hosts: MeshHost, played: tuple[str, ...] = ("east", "west")) -> list[str]:
    return fleet_refusals(hosts, "shop", played)


def test_what_is_not_said_has_a_default() -> None:
    found = topology_of({"mesh_id": "shop", "network": "net-east"}, "east")
    assert (found.cluster, found.lifetime, found.renew_before) == ("east", 90 * 86400, 30 * 86400)
    assert (found.east_west["name"], found.east_west["service_type"]) == ("istio-eastwestgateway", "LoadBalancer")
    said = {
        "mesh_id": "shop",
        "network": "n",
        "cluster": "a",
        "token": {"lifetime": "12h", "renew_before": "30m"},
        "east_west": {"replicas": 2},
    }
    found = topology_of(said, "east")
    assert (found.cluster, found.lifetime, found.renew_before, found.east_west["replicas"]) == ("a", 43200, 1800, 2)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90d", 7776000), ("12h", 43200), ("30m", 1800), ("90", None), ("1w", None), ("-1d", None), ("", None)]
)
def test_times(text: str, seconds: int | None) -> None:
    assert seconds_in(text) == seconds


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"network": "n"}, "mesh_id", "is not set"),
        ({"mesh_id": "shop"}, "network", "is not set"),
        ({"mesh_id": "shop", "network": "a b"}, "network", "is a label's value"),
        ({"mesh_id": "shop", "network": "n", "cluster": "East_1"}, "cluster", "expected lower case letters"),
        ({"mesh_id": "shop", "network": "n", "api_server": {"url": "http://east:6443"}}, "api_server.url", "expected https://HOST:PORT"),
        ({"mesh_id": "shop", "network": "n", "api_server": {"url": "https://me:pw@east"}}, "api_server.url", "no address"),
        ({"mesh_id": "shop", "network": "n", "token": {"lifetime": "soon"}}, "token.lifetime", "is no time"),
        ({"mesh_id": "shop", "network": "n", "token": {"lifetime": "5m", "renew_before": "1m"}}, "token.lifetime", "less than 10m"),
        ({"mesh_id": "shop", "network": "n", "token": {"lifetime": "30d"}}, "token.lifetime", "each run would make new ones"),
    ],
)
def test_what_it_cannot_mean(given: dict[str, Any], field: str, words: str) -> None:
    (text,) = topology_refusals(given, "east")
    assert text.startswith(f"mesh_topology.{field}: ") and words in text
    with pytest.raises(ConfigError, match="mesh_topology"):
        topology_of(given, "east")


def test_the_host_is_no_name_for_a_cluster_where_it_cannot_be_one() -> None:
    assert list(topology_refusals({"mesh_id": "shop", "network": "n", "cluster": "east"}, "East_1")) == []
    (text,) = topology_refusals({"mesh_id": "shop", "network": "n"}, "East_1")
    assert text.startswith("mesh_topology.cluster: 'East_1' is the name of the host")


def test_two_clusters_are_one_mesh() -> None:
    other = host("north", mesh_id="other", network="net-east", api=("~/.kube/east", ""))  # what another mesh says is its own matter
    assert refused(host("east"), host("west"), other) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cluster": "east"}, "hosts east and west are all called east"),
        ({"network": "net-east"}, "hosts east and west all say that they are on network net-east"),
        ({"api": ("~/.kube/east", "")}, "hosts east and west are reached in the same way"),
        ({"mesh": "pay"}, "mesh_name is not the same for all of them (shop of east, pay of west)"),
        ({"namespace": "mesh"}, "mesh_control_plane.namespace is not the same"),
        ({"trust_domain": "west.local"}, "mesh_control_plane.trust_domain is not the same"),
        ({"provider": "ossm2"}, "host west: mesh_topology: mesh_provider is ossm2, whose control planes read no other cluster"),
        ({"token": {"lifetime": "1d"}}, "host west: mesh_topology.token.lifetime: tokens live 1d"),
    ],
)
def test_what_is_no_mesh(change: dict[str, Any], words: str) -> None:
    (text,) = refused(host("east"), host("west", **change))
    assert text.startswith(words)


def test_one_api_server_is_one_cluster() -> None:
    url = {"url": "https://api.example.com:6443"}
    (text,) = refused(host("east", api_server=url), host("west", api_server={"url": f"{url['url']}/"}))
    assert text.startswith("hosts east and west have the same API server https://api.example.com:6443 (mesh_topology.api_server.url)")


def test_a_mesh_of_several_has_several_and_all_of_them_are_played() -> None:
    (text,) = refused(host("east"))
    assert "no other host of the inventory has mesh_topology.mesh_id shop" in text
    (text,) = refused(host("east"), host("west"), host("north"), played=("east", "west"))
    assert text.startswith("mesh shop: north is of it and not of this run")


def test_three_that_are_the_same_are_one_sentence() -> None:
    (text,) = refused(*(host(name, network="flat") for name in ("east", "north", "west")), played=("east", "north", "west"))
    assert text.startswith("hosts east, north and west ")
