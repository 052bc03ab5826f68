# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner: requirements, reasons for skipping, ignores, severities and the deadline."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import CATALOGUE, run_checks, select
from ansible_collections.meshops.mesh.plugins.module_utils._checks.catalogue import Catalogue
from ansible_collections.meshops.mesh.plugins.module_utils._checks.runner import Report, Row, run_until
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import Category, Status
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.problem import Severity

from .builder import intent, options, snapshot

BOTH_LABELS = {"istio-injection": "enabled", "istio.io/rev": "canary"}


def by_code(report: Report) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in report.rows:
        found.setdefault(row.id, []).append(row)
    return found


def test_an_unreachable_api_skips_everything_else_and_says_why() -> None:
    report = run_checks(snapshot(), intent(), options(fetch_error="no answer"))
    assert report.summary == {"passed": 0, "warning": 0, "failed": 1, "skipped": len(select([], [])) - 1}
    reasons = {row.id: row.message for row in report.rows if row.status is Status.SKIPPED}
    assert reasons.pop("OSM1305") == "not for provider ossm3"
    assert {reasons.pop(code) for code in ("OSM3301", "OSM3302")} == {"access is not given: who may call whom is known to people only"}
    assert reasons.pop("OSM1820").startswith("requests is not given: where requests are meant to go is known to people only")
    assert set(reasons.values()) == {"OSM1001 failed"}


def test_a_failed_requirement_skips_its_dependents_only() -> None:
    rows = by_code(run_checks(snapshot([{"Namespace shop": {}}]), intent(), options()))
    assert rows["OSM1201"][0].status is Status.FAILED
    assert [rows[code][0].message for code in ("OSM1202", "OSM1206", "OSM1207", "OSM1401")] == ["OSM1201 failed"] * 4
    assert rows["OSM1306"][0].status is Status.PASSED
    assert rows["OSM1602"][0].status is Status.FAILED


@pytest.mark.parametrize(
    ("code", "fields", "given", "reason"),
    [
        ("OSM1101", {"operators": None}, {}, "operators is not given"),
        ("OSM1701", {"personas": None}, {}, "personas is not given: who may do what is known to people only"),
        ("OSM1305", {}, {}, "not for provider ossm3"),
        ("OSM1306", {}, {"forbidden": {"v1/Namespace": "no"}}, "we may not read Namespace (see OSM1002)"),
        ("OSM1211", {}, {"source": "manifests"}, "manifests do not say what runs"),
        ("OSM1003", {}, {"server_version": None}, "the source does not say which version the API server has"),
        ("OSM1701", {"cells": [{"user": "mia", "verb": "get", "resource": "pods"}]}, {}, "the source has no access reviews (see OSM1703)"),
        ("OSM1602", {"observability": ["kiali"]}, {}, "jaeger is not in observability"),
    ],
)
def test_what_cannot_be_asked_is_skipped_with_its_reason(code: str, fields: dict[str, Any], given: dict[str, Any], reason: str) -> None:
    (row,) = by_code(run_checks(snapshot(**given), intent(**fields), options()))[code]
    assert (row.status, row.message, row.hint) == (Status.SKIPPED, reason, "")


def test_a_component_is_asked_for_only_where_it_is_meant_to_be() -> None:
    words = {row.id: row.component for row in CATALOGUE.checks if row.component}
    assert words == {"OSM1601": "kiali", "OSM1602": "jaeger", "OSM1603": "prometheus", "OSM1604": "grafana", "OSM1605": "tempo",
                     "OSM1606": "opentelemetry"}  # fmt: skip
    rows = by_code(run_checks(snapshot(), intent(observability=["grafana"]), options()))
    assert {code: rows[code][0].status for code in words} == dict.fromkeys(words, Status.SKIPPED) | {"OSM1604": Status.FAILED}


@pytest.mark.parametrize("entry", ["OSM1306=Namespace a", "OSM1306=Namespace *", "OSM1306"])
def test_an_ignored_deviation_is_skipped_and_never_passes(entry: str) -> None:
    objects = [{"Namespace a": {"labels": BOTH_LABELS}}]
    report = run_checks(snapshot(objects), intent(), options(ignore=(entry,), only=("OSM1306",)))
    (row,) = by_code(report)["OSM1306"]
    assert row.status is Status.SKIPPED and row.message.endswith(f"(ignored by {entry})") and report.unused_ignores == ()


def test_an_ignore_covers_its_object_only_and_an_unused_one_is_named() -> None:
    objects = [{"Namespace a": {"labels": BOTH_LABELS}}, {"Namespace b": {"labels": BOTH_LABELS}}]
    report = run_checks(snapshot(objects), intent(), options(ignore=("OSM1306=Namespace a", "OSM1306=Namespace z"), only=("OSM1306",)))
    assert [row.status for row in by_code(report)["OSM1306"]] == [Status.SKIPPED, Status.FAILED]
    assert report.unused_ignores == ("OSM1306=Namespace z",)


def test_an_ignored_requirement_does_not_hold_its_dependents_back() -> None:
    other = {"Istio other": {"spec": {"namespace": "elsewhere"}}}
    rows = by_code(run_checks(snapshot([other]), intent(), options(ignore=("OSM1201",))))
    assert rows["OSM1202"][0].status is Status.PASSED


PLANE = [
    {
        "Istio production": {
            "generation": 1,
            "spec": {"namespace": "istio-system", "version": "v1.30.3"},
            "status": {
                "observedGeneration": 1,
                "activeRevisionName": "production",
                "conditions": [{"type": "Ready", "status": "True"}, {"type": "Reconciled", "status": "True"}],
            },
        }
    },
    {
        "IstioRevision production": {
            "spec": {"version": "v1.30.3"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            "ownerReferences": [{"kind": "Istio", "name": "production"}],
        }
    },
]
INJECTED = {"labels": {"istio.io/rev": "production"}}
BARE = {"spec": {"containers": [{"name": "app"}]}, "status": {"phase": "Running"}}


def test_a_requirement_that_fails_for_one_object_holds_back_nothing_of_the_others() -> None:
    """One member has lost its label; another one has a pod that was there before it was injected. Both are told."""
    objects = [*PLANE, {"Namespace shop": INJECTED}, {"Namespace blog": {}}, {"Pod shop/pay-1": BARE}, {"Pod blog/post-1": BARE}]
    rows = by_code(run_checks(snapshot(objects), intent(members=["shop", "blog"]), options(only=("OSM1301", "OSM1401"))))
    assert [(row.status, row.resource) for row in rows["OSM1301"]] == [(Status.FAILED, "Namespace blog")]
    told = [(row.status, row.resource) for row in rows["OSM1401"]]
    assert told == [(Status.FAILED, "Pod shop/pay-1"), (Status.SKIPPED, "Namespace blog")]
    assert rows["OSM1401"][1].message == "not checked, because OSM1301 failed for it"


def test_what_is_held_back_for_one_object_is_not_called_passed() -> None:
    objects = [*PLANE, {"Namespace shop": INJECTED}, {"Namespace blog": {}}, {"Pod blog/post-1": BARE}]
    rows = by_code(run_checks(snapshot(objects), intent(members=["shop", "blog"]), options(only=("OSM1401",))))
    assert [(row.status, row.resource) for row in rows["OSM1401"]] == [(Status.SKIPPED, "Namespace blog")]


def test_a_gateway_without_pods_does_not_hide_the_ports_of_another() -> None:
    def gateway(app: str, port: int) -> dict[str, Any]:
        return {"spec": {"selector": {"app": app}, "servers": [{"port": {"number": port, "protocol": "HTTP"}, "hosts": ["*"]}]}}

    ready = {"labels": {"app": "edge"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    service = {"spec": {"selector": {"app": "edge"}, "ports": [{"port": 80}]}}
    objects = [
        {"Gateway shop/gone": gateway("gone", 80)},
        {"Gateway shop/edge": gateway("edge", 8080)},
        {"Pod shop/edge-1": ready},
        {"Service shop/edge": service},
    ]
    rows = by_code(run_checks(snapshot(objects), intent(), options(only=("OSM1501", "OSM1502"))))
    told = [(row.status, row.resource) for row in rows["OSM1502"]]
    assert told == [(Status.FAILED, "Gateway shop/edge")]


@pytest.mark.parametrize(
    ("code", "objects", "reason"),
    [
        ("OSM1306", [], "nothing to check: there is no Namespace"),
        ("OSM1402", [{"Namespace shop": {}}], "nothing to check: there is no Pod"),
        ("OSM1502", [{"Pod shop/a": {}}, {"Service shop/a": {}}], "nothing to check: there is no Gateway"),
        ("OSM1404", [], "nothing to check: there is no Deployment or StatefulSet or DaemonSet"),
    ],
)
def test_nothing_to_check_is_not_passed(code: str, objects: list[dict[str, Any]], reason: str) -> None:
    (row,) = by_code(run_checks(snapshot(objects), intent(), options(only=(code,))))[code]
    assert (row.status, row.message) == (Status.SKIPPED, reason)


@pytest.mark.parametrize(("fail_on", "codes"), [("error", ["OSM1306"]), ("warning", ["OSM1003", "OSM1306"]), ("never", [])])
def test_the_verdict_follows_fail_on(fail_on: str, codes: list[str]) -> None:
    given = snapshot([{"Namespace a": {"labels": BOTH_LABELS}}], server_version="v1.20.0")
    report = run_checks(given, intent(), options(only=("OSM1003", "OSM1306")))
    assert [row.id for row in report.failing(fail_on)] == codes


def test_a_choice_brings_what_it_requires() -> None:
    assert [row.id for row in select(["OSM1202"], [])] == ["OSM1001", "OSM1002", "OSM1105", "OSM1201", "OSM1202"]
    assert {row.category for row in select([], ["personas"])} == {"api", "personas"}
    assert select([], []) == [row for row in CATALOGUE.checks if row.category not in CATALOGUE.on_request]
    for category in ("migration", "upgrade"):
        assert {row.category for row in select([], [category])} == {"api", category}


def test_missing_rights_fail_any_choice_but_only_for_what_it_reads() -> None:
    given = snapshot(forbidden={"v1/Namespace": "no", "v1/Secret": "no"})
    report = run_checks(given, intent(), options(only=("OSM1306",)))
    assert [(row.id, row.resource) for row in report.failing("error")] == [("OSM1002", "Kind Namespace")]


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(ConfigError, match="no check or category OSM9999, nosuch; the categories are api, operators"):
        select(["OSM9999"], ["nosuch"])


def test_a_code_cannot_be_given_twice() -> None:
    def other(view: Any, intent: Any, options: Any) -> list[Any]:
        return []

    here, there = Category("here"), Category("there")
    for category in (here, there):
        category.check("OSM1001", title="x", hint="x")(other)
    with pytest.raises(ValueError, match="OSM1001 is used twice"):
        here.check("OSM1001", title="y", hint="x")(other)
    with pytest.raises(ValueError, match="used twice: OSM1001"):
        Catalogue(here, there)
    assert CATALOGUE.by_id["OSM1001"].title == "the API server answers"


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def report_of(*statuses: tuple[str, Status]) -> Report:
    rows = tuple(Row(code, "x", "x", status, Severity.ERROR, message=str(len(statuses))) for code, status in statuses)
    return Report("west", rows, CATALOGUE)


@pytest.mark.parametrize(
    ("looks", "wait_timeout", "slept"),
    [
        ([report_of(("OSM1203", Status.PASSED))], 60, 0),
        ([report_of(("OSM1203", Status.FAILED)), report_of(("OSM1203", Status.PASSED))], 60, 1),
        ([report_of(("OSM1203", Status.FAILED))] * 9, 12, 2),
        ([report_of(("OSM1203", Status.FAILED))] * 9, 0, 0),
        ([report_of(("OSM1306", Status.FAILED))] * 9, 60, 0),
        ([report_of(("OSM1203", Status.SKIPPED))] * 9, 60, 0),
        ([report_of(("OSM1107", Status.WARNING))] * 9, 60, 0),
    ],
    ids=["passes at once", "passes later", "deadline", "no wait", "not retryable", "skipped", "a warning"],
)
def test_only_retryable_rows_are_waited_for_until_the_deadline(looks: list[Report], wait_timeout: float, slept: int) -> None:
    clock, remaining = Clock(), list(looks)
    result = run_until(lambda: remaining.pop(0), wait_timeout=wait_timeout, wait_interval=5, clock=clock, sleep=clock.sleep)
    assert clock.slept == [5] * slept
    assert result is looks[len(clock.slept)]


def test_warnings_are_waited_for_where_they_decide() -> None:
    clock, remaining = Clock(), [report_of(("OSM1107", Status.WARNING)), report_of(("OSM1107", Status.PASSED))]
    run_until(lambda: remaining.pop(0), wait_timeout=60, wait_interval=5, clock=clock, sleep=clock.sleep, fail_on="warning")
    assert clock.slept == [5]


def test_kinds_that_may_not_be_read_are_in_their_order() -> None:
    found = run_checks(snapshot(forbidden={"Secret": "no", "Deployment": "no", "Pod": "no"}), intent(), options())
    said = [row.resource for row in found.rows if row.id == "OSM1002"]
    assert said == ["Kind Deployment", "Kind Pod", "Kind Secret"]
