# SPDX-License-Identifier: GPL-3.0-or-later
"""What proxies have of routes and versions, by their own dumps, and how long is waited for which of them."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._commands import traffic_wait
from ansible_collections.meshops.mesh.plugins.module_utils._commands.traffic_wait import LearnLimits, LearnOutcome, wait_for_proxies
from ansible_collections.meshops.mesh.plugins.module_utils._errors import FetchError, NotReady
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.learned import clusters_path, hosts_of, missing_clusters, still_routed

HOST = "reviews.bookinfo.svc.cluster.local"
V2 = {"name": f"outbound|9080|v2|{HOST}", "of": HOST}


def clusters(*names: str) -> str:
    return json.dumps({"configs": [{"@type": "x", "cluster": {"name": name, "type": "EDS"}} for name in names]})


def routes(*names: str) -> str:
    shares = [{"name": name, "weight": 1} for name in names]
    return json.dumps(
        {"configs": [{"route_config": {"virtual_hosts": [{"routes": [{"route": {"weighted_clusters": {"clusters": shares}}}]}]}}]}
    )


BASE = f"outbound|9080||{HOST}"


@pytest.mark.parametrize(("dump", "missing"), [
    (clusters(BASE, V2["name"]), []),
    (clusters(BASE), [V2["name"]]),
    (clusters(BASE, f"outbound|9080|v2x|{HOST}"), [V2["name"]]),
    (clusters("outbound|80||ratings.bookinfo.svc.cluster.local"), []),
    (clusters(), []),
])  # fmt: skip
def test_who_does_not_know_the_service_misses_nothing(dump: str, missing: list[str]) -> None:
    assert missing_clusters(dump, [V2]) == missing


def test_a_version_that_is_a_service_is_missed_by_callers_of_the_service() -> None:
    own = {"name": "outbound|9080||reviews-v2.bookinfo.svc.cluster.local", "of": HOST}
    assert missing_clusters(clusters(BASE), [own]) == [own["name"]] and missing_clusters(clusters(BASE, own["name"]), [own]) == []
    assert hosts_of([own]) == {HOST, "reviews-v2.bookinfo.svc.cluster.local"}


def test_the_question_names_the_hosts_and_no_others() -> None:
    pattern = parse_qs(urlsplit(clusters_path({HOST})).query)["name_regex"][0]
    assert re.fullmatch(pattern, V2["name"]) and re.fullmatch(pattern, BASE)
    assert not re.fullmatch(pattern, BASE.replace("reviews.", "reviewsx"))


def test_what_is_routed_to_by_the_ends_of_names() -> None:
    dump = routes(f"outbound|9080|v1|{HOST}", V2["name"])
    assert still_routed(dump, [f"|v1|{HOST}"]) == [f"outbound|9080|v1|{HOST}"]
    assert still_routed(dump, [f"|v3|{HOST}"]) == [] and still_routed(dump, []) == []


class Mesh:
    """Proxies that answer one of these at each look, the last one for ever; the time that passes is that of sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[str | FetchError]]) -> None:
        self.answers, self.asked, self.time = answers, dict.fromkeys(answers, 0), 0.0
        pods = [{"metadata": {"namespace": "bookinfo", "name": name, "ownerReferences": [{"name": name[0]}]}} for name in answers]
        monkeypatch.setattr(traffic_wait, "proxy_pods", lambda _cluster, _spaces: pods)
        monkeypatch.setattr(traffic_wait, "admin_get", self._get)

    def _get(self, _dialer: Any, _namespace: str, pod: str, _path: str, **_more: Any) -> bytes:
        rows = self.answers[pod]
        answer = rows[min(self.asked[pod], len(rows) - 1)]
        self.asked[pod] += 1
        if isinstance(answer, FetchError):
            raise answer
        return answer.encode()

    def _sleep(self, seconds: float) -> None:
        self.time += seconds

    def wait(self, **given: Any) -> LearnOutcome:
        cluster: Any = SimpleNamespace(name="west", map=lambda fn, items, _workers: [fn(item) for item in items])
        asked = {"clusters": [V2], **given}
        return wait_for_proxies(cluster, None, **asked, clock=lambda: self.time, sleep=self._sleep)  # type: ignore[arg-type]


def test_those_that_do_not_know_it_yet_are_asked_again_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = Mesh(monkeypatch, {"a-1": [clusters(BASE, V2["name"])], "b-1": [clusters(BASE), clusters(BASE), clusters(BASE, V2["name"])]})
    found = mesh.wait()
    assert (found.asked, found.settled, found.seconds, mesh.asked) == (2, False, 1.0, {"a-1": 1, "b-1": 3})
    assert found.text == "2 proxies asked, each has it after 1.0 s"


def test_one_that_does_not_follow_is_named_and_the_next_stage_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = Mesh(monkeypatch, {"a-1": [clusters(BASE)], "b-1": [clusters(BASE, V2["name"])]})
    with pytest.raises(NotReady) as found:
        mesh.wait(limits=LearnLimits(wait=3))
    said = str(found.value)
    assert f"after 3 s 1 proxy of the mesh did not follow (bookinfo/a-1: it does not know {V2['name']})" in said
    assert "The next stage was not applied" in said


def test_where_nobody_can_be_asked_time_passes_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = Mesh(monkeypatch, {"a-1": [FetchError("no port-forward: 404")]})
    found = mesh.wait(limits=LearnLimits(settle=7))
    assert (found.settled, mesh.time, found.silent) == (True, 7.0, ("bookinfo/a-1: no port-forward: 404",))
    assert "waited 7 s instead" in found.text
    assert Mesh(monkeypatch, {}).wait(limits=LearnLimits(settle=0)).settled


def test_one_that_is_silent_is_said_beside_those_that_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = Mesh(monkeypatch, {"a-1": [FetchError("gone")], "b-1": [clusters(BASE), clusters(BASE, V2["name"])]})
    found = mesh.wait()
    assert (found.asked, found.silent, found.settled) == (1, ("bookinfo/a-1: gone",), False)
    assert found.text.endswith("1 proxy could not be asked")


def test_each_workload_is_asked_before_any_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    known = [clusters(BASE, V2["name"])]
    mesh = Mesh(monkeypatch, {"a-1": known, "a-2": known, "a-3": known, "b-1": known})
    found = mesh.wait(limits=LearnLimits(proxies=2))
    assert [name for name, times in mesh.asked.items() if times] == ["a-1", "b-1"] and found.text.startswith("2 proxies of 4 asked")


def test_routes_away_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = Mesh(monkeypatch, {"a-1": [routes(f"outbound|9080|v1|{HOST}", V2["name"]), routes(V2["name"])]})
    assert mesh.wait(clusters=[], unrouted=[f"|v1|{HOST}"]).seconds == 0.5
