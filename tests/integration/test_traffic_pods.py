# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic under a real istiod: real sidecars follow each stage, and a client that calls all the time never gets an error.

By Istio's API and by the Gateway API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pods_support import Mesh, deployment, missing, running, service
from shop_support import play
from testbed.calls import Calls
from testbed.patience import until

Obj = dict[str, Any]
pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=f"the data plane pods: {missing()}"),
    pytest.mark.xdist_group("traffic_pods"),
    pytest.mark.long,  # a real istiod, and five changes under load
]


@pytest.fixture(scope="module")
def mesh(worker_id: str) -> Iterator[Mesh]:
    with running(f"traffic-pods-{worker_id}") as found:
        found.apply(
            *deployment("reviews-v1", app="reviews"),
            *deployment("reviews-v2", app="reviews", version="v2"),
            service("reviews"),
            *deployment("client", env={"REVIEWS_SERVICE": "http://reviews:8000"}),
            service("client"),
        )
        for name in ("reviews-v1", "reviews-v2", "client"):
            found.ready(name)
        yield found


@pytest.fixture
def shift(mesh: Mesh, tmp_path: Path, playbook: Callable[..., Any]) -> Callable[..., Any]:
    def run(*rows: Obj, **more: Any) -> Any:
        return play(playbook, mesh.bed, tmp_path, "shift_traffic", mesh_traffic=list(rows), **more)

    return run


def reviews(*routes: Obj, versions: tuple[str, ...] = ("v1", "v2")) -> Obj:
    return {"service": "reviews", "namespace": "shop", "versions": [{"name": name} for name in versions], "routes": list(routes)}


BOTH = reviews({"match": [{"cookies": {"canary": "on"}}], "to": {"v2": 100}}, {"to": {"v1": 80, "v2": 20}})
ONLY_V1 = reviews({"to": {"v1": 100}}, versions=("v1",))
ONLY_V2 = reviews({"to": {"v2": 100}}, versions=("v2",))


def calling(mesh: Mesh, rate: float = 50) -> Calls:
    return Calls(mesh.bed, "http://reviews:8000/", source="shop/client", rate=rate)


@pytest.mark.parametrize("api", ["istio", "gateway"])
def test_no_call_fails_while_versions_come_and_go(mesh: Mesh, shift: Callable[..., Any], api: str) -> None:
    with calling(mesh) as calls:
        for row in (ONLY_V1, ONLY_V2, BOTH, ONLY_V1, ONLY_V2):
            done = shift(row, mesh_traffic_api=api).check()
            said = " ".join(done.stdout.split())
            assert "proxy asked, each has it after" in said or "proxies asked, each has it after" in said
            assert "no proxy could be asked" not in said
        assert shift(ONLY_V2, mesh_traffic_api=api).check().changed == 0
        until(lambda: calls.by_version(calls.wait(20)).keys() == {"v2"}, timeout=30, what="nobody at the old version")
    assert calls.failed() == [] and len(calls) > 200
    assert shift(traffic_state="absent", mesh_traffic_api=api).check().changed


def test_shares_and_cookies_are_what_they_say(mesh: Mesh, shift: Callable[..., Any]) -> None:
    shift(BOTH).check()

    def testers() -> bool:
        words = ("curl", "-s", "-H", "Cookie: a=b; canary=on", "http://reviews:8000/")
        return all("version: v2" in mesh.exec("client", *words) for _number in range(5))

    until(testers, timeout=30, what="the route of the cookie")
    with calling(mesh, rate=200) as calls:
        calls.wait(1000)
    shares = calls.by_version()
    # 1,000 calls and more, 80 % of them to v1: within four standard deviations
    assert calls.failed() == [] and abs(shares["v1"] / sum(shares.values()) - 0.8) < 0.051
