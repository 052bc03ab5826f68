# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster without an istiod: that of another cluster injects its pods and gives their proxies what they need, through a gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from testbed.patience import until as patiently
from testbed.pods.spec import environment, proxy_container
from two_clusters_support import (
    GATEWAY,
    SYSTEM,
    Cluster,
    Fleet,
    clusters,
    east_west_gateway,
    exposed_istiod,
    exposed_services,
    in_network,
    missing,
    remote_secret,
    values,
)

Obj = dict[str, Any]
pytestmark = [pytest.mark.story, pytest.mark.skipif(missing() is not None, reason=f"the data plane pods: {missing()}")]
BOTH = {"v1", "v2"}


def until(check: Any, what: str) -> Any:
    """All of it is quick; what does not come soon does not come."""
    return patiently(check, timeout=30, what=what)


@pytest.fixture(scope="module")
def fleet(worker_id: str) -> Iterator[Fleet]:
    with clusters(f"remote-bed-{worker_id}") as found:
        primary, remote = found
        for one in found:
            in_network(one)
        plain = values(primary)
        primary.install({**plain, "global": {**plain["global"], "externalIstiod": True}})
        primary.apply(*east_west_gateway(primary), exposed_services(), *exposed_istiod(), namespace=SYSTEM)
        primary.ready(GATEWAY, namespace=SYSTEM)
        install_remote(remote, primary)
        yield found


def install_remote(remote: Cluster, primary: Cluster) -> None:
    done = remote.bed.kubectl("annotate", "namespace", SYSTEM, f"topology.istio.io/controlPlaneClusters={primary.name}")
    assert done.returncode == 0, done.stderr
    more = {"istiodRemote": {"injectionPath": f"/inject/cluster/{remote.name}/net/{remote.network}"}}
    given = {"global": {**values(remote)["global"], "remotePilotAddress": primary.balancer(GATEWAY)}}
    spec = {"version": "v1.30.3", "namespace": SYSTEM, "profile": "remote", "values": {**more, **given}}
    remote.apply({"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": "default", "namespace": None}, "spec": spec})


def state(one: Cluster) -> str:
    found = one.bed.api.get("/apis/sailoperator.io/v1/istios/default")
    return str((found.get("status") or {}).get("state"))


def test_a_remote_is_healthy_once_the_primary_may_read_it(fleet: Fleet) -> None:
    primary, remote = fleet
    until(lambda: state(remote) == "RemoteIstiodNotReady", what="a remote that nobody looks after")
    primary.apply(remote_secret(remote), namespace=SYSTEM)
    until(lambda: state(remote) == "Healthy", what="a healthy remote")
    assert remote.pods("istiod", SYSTEM) == [], "there is no istiod of its own"


def test_both_clusters_answer_to_each_other_under_one_istiod(fleet: Fleet) -> None:
    primary, remote = fleet
    remote.apply(*east_west_gateway(remote), namespace=SYSTEM)
    remote.ready(GATEWAY, namespace=SYSTEM)
    fleet.sample()
    for one in fleet:
        until(lambda one=one: one.answers().keys() == BOTH, what=f"answers of both versions in {one.name}")
    pod = remote.pods("sleep")[0]
    env = environment(pod, proxy_container(pod) or {})
    assert (env["ISTIO_META_CLUSTER_ID"], env["ISTIO_META_NETWORK"]) == (remote.name, remote.network)
    assert any(row.startswith(primary.balancer(GATEWAY)) for row in remote.endpoints())
