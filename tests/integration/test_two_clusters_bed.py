# SPDX-License-Identifier: GPL-3.0-or-later
"""Two clusters and one mesh on two networks, joined by hand as Istio's guide has it: what the bed promises to whom roles join them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pods_support import deployment
from testbed.calls import Asked, Calls, ask
from testbed.patience import until as patiently
from testbed.pods import link, netns
from two_clusters_support import (
    GATEWAY,
    HELLO,
    SAMPLE,
    SYSTEM,
    Cluster,
    Fleet,
    clusters,
    east_west_gateway,
    exposed_services,
    in_network,
    missing,
    remote_secret,
    values,
)

Obj = dict[str, Any]
pytestmark = [pytest.mark.story, pytest.mark.skipif(missing() is not None, reason=f"the data plane pods: {missing()}")]
BOTH = {"v1", "v2"}


@pytest.fixture(scope="module")
def fleet(worker_id: str) -> Iterator[Fleet]:
    name = f"two-bed-{worker_id}"
    with clusters(name) as found:
        found.plug_in()
        for one in found:
            in_network(one)
            one.install(values(one))
            one.apply(*east_west_gateway(one), exposed_services(), namespace=SYSTEM)
        found.sample()
        for one in found:
            one.namespaced("plain")
            one.apply(*deployment("stranger"), namespace="plain")
            one.ready("stranger", namespace="plain")
            one.ready(GATEWAY, namespace=SYSTEM)
            for other in found:
                if other is not one:
                    other.apply(remote_secret(one), namespace=SYSTEM)
        for one in found:
            until(lambda one=one: one.answers().keys() == BOTH, what=f"answers of both versions in {one.name}")
        yield found
    assert not netns.exists(link.space_of(name)), "what is between the nodes goes with the last bed"


def until(check: Any, what: str) -> Any:
    """All of it is quick; what does not come soon does not come."""
    return patiently(check, timeout=30, what=what)


def pod_address(one: Cluster) -> str:
    return str(one.pods(f"helloworld-{one.version}")[0]["status"]["podIP"])


def reached(one: Cluster, url: str) -> int:
    """The status that a pod without a proxy gets; 0 where nothing came back."""
    return ask(one.bed, [Asked(url, source="plain/stranger")], timeout=3)[0].status


def test_each_client_is_answered_by_both_clusters(fleet: Fleet) -> None:
    for one in fleet:
        found = one.answers(60)
        assert found.keys() == BOTH and min(found.values()) > 10, (one.name, found)


def test_what_is_known_of_the_other_cluster_is_its_gateway(fleet: Fleet) -> None:
    for one, other in zip(fleet, reversed(fleet.clusters), strict=True):
        gateway = other.balancer(GATEWAY)
        assert gateway.startswith(f"198.18.{other.number}.")
        assert one.endpoints() == {f"{pod_address(one)}:5000", f"{gateway}:15443"}


def test_pods_do_not_reach_those_of_the_other_cluster(fleet: Fleet) -> None:
    for one, other in zip(fleet, reversed(fleet.clusters), strict=True):
        assert reached(one, f"http://{pod_address(one)}:5000/") == 200
        assert reached(one, f"http://{pod_address(other)}:5000/") == 0
        with Calls(one.bed, f"http://{other.balancer(GATEWAY)}:15021/healthz/ready", source="plain/stranger") as calls:
            calls.wait(5)
        assert calls.by_status() == {200: len(calls)}, "the other cluster's gateway"


def test_calls_between_clusters_are_mutual_tls(fleet: Fleet) -> None:
    strict = {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "default"}}
    hello = f"http://helloworld.{SAMPLE}:5000/hello"
    for one in fleet:
        assert reached(one, hello) == 200
        one.apply({**strict, "spec": {"mtls": {"mode": "STRICT"}}}, namespace=SYSTEM)
    try:
        for one in fleet:
            until(lambda one=one: reached(one, hello) == 0, what=f"plain text refused in {one.name}")
            assert one.answers().keys() == BOTH
    finally:
        for one in fleet:
            one.bed.kubectl("delete", "peerauthentication/default", "-n", SYSTEM)


def test_a_policy_refuses_the_caller_of_another_cluster(fleet: Fleet) -> None:
    """By its identity, which the gateway does not see and does not change."""
    here, there = fleet
    rule = {"from": [{"source": {"principals": [f"cluster.local/ns/{SAMPLE}/sa/{here.caller}"]}}]}
    spec = {"selector": {"matchLabels": {"app": "helloworld"}}, "action": "DENY", "rules": [rule]}
    there.apply({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "not-from-there"}, "spec": spec})
    try:
        until(lambda: here.answers().keys() == {"v1", "403"}, what="the policy's refusal")
        assert there.answers().keys() == BOTH
    finally:
        there.bed.kubectl("delete", "authorizationpolicy/not-from-there", "-n", SAMPLE)
    until(lambda: here.answers().keys() == BOTH, what="both versions again")


def test_the_api_of_one_cluster_away_stops_no_call(fleet: Fleet) -> None:
    away = fleet["cluster2"].bed
    callers = [Calls(one.bed, HELLO, source=f"{SAMPLE}/sleep", rate=20).start() for one in fleet]
    try:
        away.kill("kube-apiserver")
        try:
            for calls in callers:
                assert calls.by_version(calls.wait(60)).keys() == BOTH
        finally:
            away.restart("kube-apiserver")
        for calls in callers:
            calls.wait(20)
    finally:
        for calls in callers:
            calls.stop()
    assert [calls.failed() for calls in callers] == [[], []]
