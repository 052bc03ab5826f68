# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gate makes of the answers of proxies, checks, the probe and Prometheus, and what it makes of half an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.problem import Problem
from ansible_collections.meshops.mesh.plugins.module_utils._rollout import gate
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.model import Goal

POD = "Pod shop/cars-1"
CDS, LDS = "cluster_manager.cds.update_rejected", "listener_manager.lds.update_rejected"


def test_what_is_asked_of_an_envoy() -> None:
    assert gate.SERVER_INFO == "/server_info"
    assert gate.SYNC_STATS == (
        "/stats?format=json&filter=%5E(control_plane.connected_state%7Ccluster_manager.cds.update_rejected%7C"
        "listener_manager.lds.update_rejected)%24"
    )


def answer(info: Any, stats: Any) -> gate.ProxyReport:
    return gate.read_answer(POD, json.dumps(info).encode(), json.dumps(stats).encode())


def info(version: str | None = "1.27.5", state: str | None = "LIVE") -> dict[str, Any]:
    return {"state": state, "node": {"metadata": {"ISTIO_VERSION": version}}}


def stats(**values: int) -> dict[str, Any]:
    return {"stats": [{"histograms": {}}, *({"name": name.replace("__", "."), "value": value} for name, value in values.items())]}


@pytest.mark.parametrize(("said", "numbers", "read"), [
    pytest.param(info(), {"stats": [{"name": "control_plane.connected_state", "value": 1}, {"name": CDS, "value": 2},
                                    {"name": LDS, "value": 3}]}, gate.ProxyReport(POD, "", "1.27.5", "LIVE", True, 5), id="all"),
    pytest.param(info(), stats(control_plane__connected_state=0),
                 gate.ProxyReport(POD, "", "1.27.5", "LIVE", False, 0), id="not-connected"),
    pytest.param(info(), {"stats": None}, gate.ProxyReport(POD, "", "1.27.5", "LIVE", None, 0), id="no-numbers"),
    pytest.param(info(None, None), {}, gate.ProxyReport(POD), id="no-words"),
    pytest.param({}, {}, gate.ProxyReport(POD), id="nothing"),
    pytest.param({"node": None}, {}, gate.ProxyReport(POD), id="no-node"),
])  # fmt: skip
def test_reading_a_proxy(said: Any, numbers: Any, read: gate.ProxyReport) -> None:
    assert answer(said, numbers) == read


@pytest.mark.parametrize(
    ("first", "second"),
    [(b"<html>", b"{}"), (b"[]", b"{}"), (b"{}", b"[]"), (b"{}", b'{"stats": [{"name": "x"}]}'), (b"{}", b'{"stats": 7}')],
)
def test_something_else_is_silence(first: bytes, second: bytes) -> None:
    assert gate.read_answer(POD, first, second).silence.startswith("its admin interface answered something else")


@pytest.mark.parametrize(("one", "goal", "reasons"), [
    pytest.param(gate.ProxyReport(POD, "", "1.27.5", "LIVE", True), Goal("v1.27.5"), [], id="well"),
    pytest.param(gate.ProxyReport(POD, "", "2.6.3", "LIVE", True), Goal("v2.6"), [], id="a-minor-version-is-enough"),
    pytest.param(gate.ProxyReport(POD, "", "2.60", "LIVE", True), Goal("v2.6"), ["its proxy says that it is 2.60, expected 2.6"],
                 id="no-prefix"),
    pytest.param(gate.ProxyReport(POD, "", "1.27.3", "LIVE", True), Goal(), [], id="no-version-wanted"),
    pytest.param(gate.ProxyReport(POD, "", "", "", None), Goal("v1.27.5"), [], id="says-nothing-of-it"),
    pytest.param(gate.ProxyReport(POD, "", "1.27.3", "DRAINING", False, 2), Goal("v1.27.5"), [
        "its proxy says that it is 1.27.3, expected 1.27.5", "its proxy is DRAINING, expected LIVE",
        "its proxy is not connected to its istiod", "its proxy has refused 2 updates of its istiod"], id="everything"),
])  # fmt: skip
def test_judging_a_proxy(one: gate.ProxyReport, goal: Goal, reasons: list[str]) -> None:
    wrong, silent = gate.judge_answers([gate.ProxyReport("Pod shop/mute", "connection refused", "1.0.0", "DRAINING", False, 9), one], goal)
    assert ([blocked.message for blocked in wrong], silent) == (reasons, ["Pod shop/mute: connection refused"])
    assert {blocked.resource for blocked in wrong} <= {POD}
    assert [bool(blocked.remedy) for blocked in wrong] == [False, False, True, True][: len(wrong)]


@pytest.mark.parametrize(("said", "numbers", "reasons"), [
    pytest.param(info(), {"control_plane.connected_state": 1}, [], id="well"),
    pytest.param(info("1.27.3"), {}, ["its proxy says that it is 1.27.3, expected 1.27.5"], id="old"),
    pytest.param({"state": "DRAINING"}, {}, ["its proxy is DRAINING, expected LIVE"], id="draining"),
    pytest.param({"state": "LIVE"}, {"control_plane.connected_state": 0}, ["its proxy is not connected to its istiod"], id="not-connected"),
    pytest.param({"state": "LIVE"}, {CDS: 2}, ["its proxy has refused 2 updates of its istiod"], id="refused"),
])  # fmt: skip
def test_from_its_answers_to_the_verdict(said: Any, numbers: dict[str, int], reasons: list[str]) -> None:
    one = answer(said, {"stats": [{"name": name, "value": value} for name, value in numbers.items()]})
    wrong, silent = gate.judge_answers([one, gate.read_answer("Pod c/d", b"<html>", b"")], Goal("1.27.5"))
    assert [blocked.message for blocked in wrong] == reasons
    assert len(silent) == 1 and silent[0].startswith("Pod c/d: its admin interface answered something else")


# -- the checks


def row(check: str, resource: str | None = None, status: str = "failed", **more: str) -> dict[str, Any]:
    return {"id": check, "status": status, "message": "it is so", **({"resource": resource} if resource is not None else {}), **more}


@pytest.mark.parametrize(("before", "now", "known"), [
    pytest.param("Pod shop/cars-6d4cf56db6-x7k2p", "Pod shop/cars-77f9c5b9d-qqqqq", True, id="another-pod-of-a-deployment"),
    pytest.param("Pod shop/cars-v1-6d4cf56db6-x7k2p", "Pod shop/cars-v2-6d4cf56db6-x7k2p", False, id="another-deployment"),
    pytest.param("Pod shop/db-0", "Pod shop/db-1", False, id="another-pod-of-a-statefulset"),
    pytest.param("Pod shop/my-shell-0", "Pod bank/my-shell-0", False, id="another-namespace"),
    pytest.param("Service shop/a-b-c", "Service shop/a-d-e", False, id="names-of-others-count-whole"),
    pytest.param("Service shop/a", "Pod shop/a", False, id="another-kind"),
    pytest.param(None, None, True, id="of-the-whole-mesh"),
])  # fmt: skip
def test_what_was_there_before(before: str | None, now: str | None, *, known: bool) -> None:
    found = gate.judge_checks([row("OSM1", now)], gate.baseline([row("OSM1", before)]))
    assert (found == []) is known
    assert gate.judge_checks([row("OSM2", now)], gate.baseline([row("OSM1", before)])), "another check is another finding"


def test_a_baseline_is_in_order_and_of_failures_only() -> None:
    rows = [
        *(row(f"OSM{number}", "Service shop/b") for number in range(9, 1, -1)),
        row("OSM1", "Service shop/a"),
        row("OSM0", "Service shop/c", status="warning"),
        row("OSM1", "Service shop/a"),
    ]
    assert gate.baseline(rows) == ("OSM1 Service shop/a", *(f"OSM{number} Service shop/b" for number in range(2, 10)))
    assert gate.judge_checks([row("OSM9", "Service shop/c", status="warning"), row("OSM9", status="passed")], ()) == []
    assert [one.message for one in gate.judge_checks([row("OSM0", "Service shop/c")], gate.baseline(rows))] == [
        "OSM0 fails now and did not before: it is so"
    ], "what was a warning"


def test_a_finding_has_its_object_or_else_its_check() -> None:
    assert gate.judge_checks([row("OSM1", "Service shop/a", hint="do this"), row("OSM2")], ()) == [
        Problem("Service shop/a", "OSM1 fails now and did not before: it is so", "do this"),
        Problem("OSM2", "OSM2 fails now and did not before: it is so", ""),
    ]


# -- the probe


def call(**more: Any) -> dict[str, Any]:
    return {"from": "a", "to": "b", "agrees": False, "verdict": "denied", "expected": "allowed", "status": 403, "said": "RBAC", **more}


@pytest.mark.parametrize(("probe", "found"), [
    pytest.param({"results": [call()]}, [Problem("call a to b", "GET / was denied, expected allowed (403 RBAC)")], id="denied"),
    pytest.param({"results": [call(verdict="allowed", expected="denied", method="PUT", path="/x", status=200, said="")]},
                 [Problem("call a to b", "PUT /x was allowed, expected denied (200 )")], id="allowed"),
    pytest.param({"results": [call(agrees=True), call(agrees=None), call(verdict="no_verdict")]}, [], id="no-difference"),
    pytest.param({"results": [call()], "failed": True, "msg": "1 of 1"}, [
        Problem("call a to b", "GET / was denied, expected allowed (403 RBAC)")], id="said-once"),
    pytest.param({"failed": True, "msg": "no pod to call from"}, [Problem("the probe of the access matrix", "no pod to call from")],
                 id="none"),
    pytest.param({"results": None}, [], id="nothing"),
])  # fmt: skip
def test_the_probe(probe: dict[str, Any], found: list[Problem]) -> None:
    assert gate.judge_probe(probe) == found


# -- Prometheus


def vector(*values: str) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, value]} for value in values]}}


@pytest.mark.parametrize(("query", "said", "reasons"), [
    pytest.param({"max": 0.01}, vector("0.01", "0.001"), [], id="at-most-is-with-it"),
    pytest.param({"min": 5}, vector("5"), [], id="at-least-is-with-it"),
    pytest.param({"max": 0.01}, vector("0.02"), ["it gives 0.02, at most 0.01 was asked for"], id="too-much"),
    pytest.param({"max": 0.5}, vector("0.2", "0.9"), ["it gives 0.9, at most 0.5 was asked for"], id="one-of-two"),
    pytest.param({"min": 5}, vector("4", "6"), ["it gives 4, at least 5 was asked for"], id="too-little"),
    pytest.param({"min": 1, "max": 2}, vector("0", "3"), ["it gives 0, at least 1 was asked for", "it gives 3, at most 2 was asked for"],
                 id="both"),
    pytest.param({"max": 1}, vector("NaN"), ["it gives nan, at most 1 was asked for"], id="nan"),
    pytest.param({"min": 1}, {"status": "success", "data": {"result": [{}]}}, ["it gives nan, at least 1 was asked for"], id="no-value"),
    pytest.param({}, vector("7"), [], id="no-limit"),
    pytest.param({"max": 1}, {"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}},
                 ["it gives 2, at most 1 was asked for"], id="scalar"),
    pytest.param({"max": 1}, vector(*"2345678"), [f"it gives {n}, at most 1 was asked for" for n in "23456"], id="the-first-five"),
    pytest.param({"max": 1}, vector(), ["it has no sample"], id="empty"),
    pytest.param({"max": 1}, {"status": "success", "data": {"result": None}}, ["it has no sample"], id="null"),
    pytest.param({"max": 1, "allow_empty": True}, vector(), [], id="may-be-empty"),
    pytest.param({"max": 1}, {"status": "error", "error": "parse error", "data": {"result": []}},
                 ["Prometheus did not answer it: parse error"], id="error"),
    pytest.param({"max": 1}, {"status": "success", "error": "odd"}, ["Prometheus did not answer it: odd"], id="no-data"),
    pytest.param({"max": 1}, "<html>", ["Prometheus did not answer it: <html>"], id="no-json"),
    pytest.param({"max": 1}, "timed out", ["Prometheus did not answer it: timed out"], id="no-answer"),
])  # fmt: skip
def test_queries(query: dict[str, Any], said: Any, reasons: list[str]) -> None:
    assert [blocked.message for blocked in gate.judge_query({"query": "up", **query}, said)] == reasons


def test_a_query_is_called_by_its_name_or_else_by_itself() -> None:
    assert gate.judge_query({"name": "errors", "query": "up"}, "no")[0].resource == "query errors"
    assert gate.judge_query({"query": "up"}, "no")[0].resource == "query up"
