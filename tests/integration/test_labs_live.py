# SPDX-License-Identifier: GPL-3.0-or-later
"""The guestbook lab on real pods: what each step says is what callers get, and none of them notices a change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from labs_support import Lab
from pods_support import missing
from testbed import Bed
from testbed.calls import Answer, Asked, Calls, ask, wilson
from testbed.patience import until

OPERATORS = ("olm", "sail", "openshift", "observability", "pods")
HOST = "guestbook.apps.lab.example.com"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
V2 = "outbound|80|v2|guestbook.guestbook.svc.cluster.local"
Z99 = 2.576  # of the normal distribution: a true share is outside of such an interval once in a hundred times

pytestmark = [
    pytest.mark.long,
    pytest.mark.xdist_group("labs-live"),
    pytest.mark.skipif(missing() is not None, reason=f"the data plane pods: {missing()}"),
]


@pytest.fixture(scope="module")
def lab(beds: Callable[..., Bed], playbook: Callable[..., Any]) -> Iterator[Lab]:
    bed = beds(*OPERATORS, tag="labs-live")
    found = Lab("guestbook", "ossm3", bed, bed.user_kubeconfig("lab-admin", ["system:masters"]), playbook)
    found.play("guestbook").check()
    yield found


def from_outside(lab: Lab, agent: str = CHROME, rate: float = 100) -> Calls:
    """A browser, at the gateway."""
    gateway = lab.get("service", "istio-ingressgateway", "-n", "istio-system")["spec"]["clusterIP"]
    return Calls(lab.bed, f"http://{HOST}/", to=gateway, rate=rate, headers={"user-agent": agent})


def step(lab: Lab, name: str, **variables: Any) -> None:
    lab.play("guestbook_traffic", guestbook_step=name, **variables).check()


def settled(calls: Calls, *versions: str) -> int:
    """Until twenty answers in a row are of these versions: istiod has told every proxy. Where those that count begin."""
    until(lambda: calls.by_version(calls.wait(20)).keys() == set(versions), what=f"answers of {' and '.join(versions)} only")
    return len(calls)


def test_all_six_pods_answer_first(lab: Lab) -> None:
    with from_outside(lab) as calls:
        calls.wait(200)
    assert calls.failed() == [] and len({answer.pod for answer in calls.answers}) == 6


def test_no_caller_notices_a_step_and_each_gets_its_version(lab: Lab) -> None:
    inside = Calls(lab.bed, "http://guestbook/", source="guestbook/redis-master", rate=50)
    with inside, from_outside(lab) as chrome, from_outside(lab, FIREFOX) as firefox:
        step(lab, "all_v1")
        for calls in (chrome, firefox, inside):
            settled(calls, "1.0")
        step(lab, "browsers")
        settled(firefox, "2.0")
        begin = len(chrome)
        chrome.wait(100)
        assert chrome.by_version(begin).keys() == inside.by_version(len(inside) - 50).keys() == {"1.0"}
        step(lab, "canary")
        settled(firefox, "1.0", "2.0")
        begin = settled(chrome, "1.0", "2.0")
        while len(chrome) - begin < 2000:
            chrome.wait(200)
        shares = chrome.by_version(begin)
        low, high = wilson(shares["2.0"], shares.total(), Z99)
        assert low <= 0.2 <= high, f"{shares['2.0']} of {shares.total()} calls got v2: {low:.3f} to {high:.3f}"
        step(lab, "all_v2")
        for calls in (chrome, firefox, inside):
            settled(calls, "2.0")
    for calls in (chrome, firefox, inside):
        assert calls.failed() == [], f"{len(calls.failed())} of {len(calls)}: {calls.failed()[:3]}"


def gateway_says(lab: Lab, path: str) -> dict[str, Any]:
    """By the admin interface of its proxy."""
    (answer,) = ask(lab.bed, [Asked(f"http://127.0.0.1:15000{path}", source="istio-system/istio-ingressgateway")])
    found: dict[str, Any] = json.loads(answer.text)
    return found


def breaks(lab: Lab) -> dict[str, Any]:
    """When the gateway's proxy leaves a pod of v2 alone; nothing before istiod has told it."""
    dump = gateway_says(lab, "/config_dump?resource=dynamic_active_clusters")
    found = [row["cluster"] for row in dump["configs"] if row["cluster"]["name"] == V2]
    return found[0].get("outlier_detection") or {} if found else {}


def ejected(lab: Lab) -> set[str]:
    """The pods of v2 that it leaves alone now."""
    (cluster,) = [row for row in gateway_says(lab, "/clusters?format=json")["cluster_statuses"] if row["name"] == V2]
    left = [row for row in cluster.get("host_statuses", []) if row["health_status"].get("failed_outlier_check")]
    addresses = {row["address"]["socket_address"]["address"] for row in left}
    return {name for name, pod in lab.items("pods", "guestbook").items() if pod["status"].get("podIP") in addresses}


def test_a_pod_that_fails_is_left_alone_and_comes_back(lab: Lab) -> None:
    """As the step says: after three failures, for half a minute and until the proxy looks again, which it does every ten seconds."""
    step(lab, "circuit_breaker")
    # Nothing of the routes has changed, so that only its own settings tell whether the proxy has the step already.
    said = until(lambda: breaks(lab), timeout=30, what="a gateway that has the circuit breaker")
    assert (said["consecutive_5xx"], said["base_ejection_time"], said["interval"]) == (3, "30s", "10s"), said
    # with 500, as proxies try another pod by themselves after a 503
    with from_outside(lab, rate=50) as calls:
        settled(calls, "2.0")
        assert ejected(lab) == set()
        # With outlier detection calls stay in the gateway's zone while a pod of it works, so not each of the three gets some.
        bad = calls.answers[-1].pod.removeprefix("guestbook/")
        lab.bed.set_faults({"pods": {"errors": {f"guestbook/{bad}": {"percent": 100, "status": 500}}}})
        until(lambda: ejected(lab) == {bad}, timeout=30, what="a pod that the gateway leaves alone")
        begin = len(calls)
        calls.wait(200)
        assert of(calls, bad, begin + calls.workers) == [], "what was on its way may still have come there"
        failed = calls.failed()
        assert len(failed) >= 3 and {(answer.pod, answer.status) for answer in failed} == {(f"guestbook/{bad}", 500)}, failed
        assert calls.by_version(begin).keys() == {"2.0"}
        lab.bed.set_faults({})
        until(lambda: of(calls, bad, begin + calls.workers), timeout=90, what="calls to the pod that works again")
        last, first = failed[-1], of(calls, bad, begin + calls.workers)[0]
        assert 29 <= first.at - last.at <= 45, f"back after {first.at - last.at:.1f} s"
        calls.wait(100)
    assert calls.failed() == failed and ejected(lab) == set()


def of(calls: Calls, pod: str, begin: int) -> list[Answer]:
    return [answer for answer in calls.answers[begin:] if answer.pod == f"guestbook/{pod}"]


def test_strict_refuses_who_has_no_proxy_and_nobody_else(lab: Lab) -> None:
    lab.bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": "outsiders"}})
    made = lab.bed.kubectl("create", "deployment", "stranger", "-n", "outsiders", "--image=registry.example.com/stranger:1")
    assert made.returncode == 0, made.stderr
    done = lab.bed.kubectl("wait", "deployment/stranger", "-n", "outsiders", "--for=condition=Available", "--timeout=60s")
    assert done.returncode == 0, done.stderr
    stranger = Calls(lab.bed, "http://guestbook.guestbook/", source="outsiders/stranger", rate=10, keep_alive=False)
    inside = Calls(lab.bed, "http://guestbook/", source="guestbook/redis-master", rate=50)
    with stranger, inside, from_outside(lab) as browser:
        stranger.wait(10)
        assert stranger.failed() == []
        lab.play("guestbook_strict", guestbook_step="circuit_breaker").check()
        until(lambda: len(stranger.failed(stranger.wait(10))) == 10, what="plain text refused")
    assert (inside.failed(), browser.failed()) == ([], [])
