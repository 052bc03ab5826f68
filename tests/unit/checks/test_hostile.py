# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects whose texts pretend to be our output: in each field of each case in turn, through each check, table and report."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from ansible_collections.meshops.mesh.plugins.filter.check_table import check_table
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import CATALOGUE
from ansible_collections.meshops.mesh.plugins.module_utils._checks.documents import json_report, junit
from ansible_collections.meshops.mesh.plugins.module_utils._checks.render import table, verdict_line
from ansible_collections.meshops.mesh.plugins.module_utils._checks.runner import Report, Row
from ansible_collections.meshops.mesh.plugins.module_utils._checks.sarif import sarif
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import Status
from ansible_collections.meshops.mesh.plugins.module_utils._commands.authorization_check import (
    run_authorization_checks,
    run_authorization_diff,
)
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View
from daily import taken

from .builder import bad_objects, build, cases, intent, options, snapshot

ALL = cases()
FORGED = "FORGED"
RAISED = (Exception,)  # whatever a check raises over such objects
# Each begins as what it pretends to be, and has everything else after a line break.
ACTS = (
    f"\r\x1b[2J\x1b]8;;https://x\x07\x9b31m\x85√ {FORGED}\u2028× {FORGED}\u202e\u200b\ufeff\0 "
    f"##vso[task.x]{FORGED} ##[error]{FORGED} ::error::{FORGED}"
)
HOSTILE = [f"{start}\n√ {FORGED}\n  99 passed, 0 warnings, 0 failed, 0 skipped\n::error::{FORGED}\n[a](b){ACTS}"
           for start in ("x", f"√ {FORGED}", f"::error::{FORGED}", f"##vso[task.x]{FORGED}")]  # fmt: skip
_FORGED_LINE = re.compile(rf"\s*([√×‼·] {FORGED}|99 passed|{FORGED}|::|##)")


def harmless(text: str) -> None:
    """No line of it is the data's, and nothing in it acts."""
    for line in text.split("\n"):
        assert line.isprintable(), ascii(line)
        assert not _FORGED_LINE.match(line), line
        assert "##vso[" not in line and "##[" not in line and "::error::" not in line, line


def texts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each text and to each key."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            if path and path[-1] in ("labels", "annotations", "data", "matchLabels"):
                yield (*path, (key,))
            yield from texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, (*path, index))


def put(objects: list[dict[str, Any]], path: tuple[Any, ...], text: str) -> list[dict[str, Any]]:
    """Copies of what is on the way, and everything else as it is."""
    changed = copy.copy(objects)
    place: Any = changed
    for step in path[:-1]:
        place[step] = copy.copy(place[step])
        place = place[step]
    if isinstance(path[-1], tuple):
        place[text] = place.pop(path[-1][0])
    else:
        place[path[-1]] = text
    return changed


def outputs(report: Report) -> Iterator[str]:
    rows = [row.to_dict() for row in report.rows]
    yield table(rows, summary=report.summary)
    yield check_table(rows)
    yield verdict_line([row for row in rows if row["status"] in ("failed", "warning")], cluster=report.cluster)
    yield json_report(report)
    yield sarif(report, by="mesh_check")
    yield junit(report)


def rows_of(code: str, objects: list[dict[str, Any]], setting: dict[str, Any]) -> list[Row]:
    check = CATALOGUE.by_id[code]
    whole = Row(code, check.category, check.title, Status.PASSED, check.severity)
    view = View(replace(snapshot(**setting.get("snapshot", {})), objects=tuple(objects)))
    given = intent(**setting.get("intent", {})), options(**setting.get("options", {}))
    return [
        Row(code, check.category, check.title, Status.SKIPPED if one.skipped else Status.FAILED, check.severity, one.resource, one.message,
            one.remedy or check.hint, dict(one.evidence))
        for one in check.run(view, *given)
    ] or [whole]  # fmt: skip


@pytest.mark.parametrize("code", sorted(CATALOGUE.by_id))
def test_no_field_of_any_object_speaks_as_we_do(code: str) -> None:
    told: set[str] = set()
    found: dict[tuple[str, frozenset[Status]], list[Row]] = {}
    for case in ALL[code]:
        for objects, setting in ((case.get("good", []), case.get("passing", {})), (bad_objects(case), case.get("failing", {}))):
            # entries are short forms ({"Kind ns/name": {...}}): what is built of them has every field
            built = [build(entry) for entry in objects]
            for number, path in enumerate(texts(built)):
                if not taken(3, code, *objects[path[0]], path[1:]):
                    continue
                text = HOSTILE[number % len(HOSTILE)]
                try:
                    rows = rows_of(code, put(built, path, text), setting)
                except RAISED as exc:
                    # whatever the runner makes of a check that raises, the text of the error is the data's
                    rows = [replace(rows_of("OSM1201", [], {})[0], message=f"{type(exc).__name__}: {exc}")]
                said = {row.message for row in rows if FORGED in row.message + row.resource} - told
                if said:
                    told |= said
                    found.setdefault((text, frozenset(row.status for row in rows)), []).extend(rows)
    # one report of all that are laid out alike: each line of an output is looked at, whichever row it is of
    for (text, _statuses), rows in found.items():
        for output in outputs(Report(text, tuple(rows), CATALOGUE)):
            harmless(output)


def test_the_texts_do_reach_the_output() -> None:
    """Otherwise the test above proves nothing."""
    found = 0
    for code, rows in ALL.items():
        for case in rows[:1]:
            built = [build(entry) for entry in bad_objects(case)]
            for path in list(texts(built))[:10]:
                try:
                    rows_ = rows_of(code, put(built, path, HOSTILE[0]), case.get("failing", {}))
                    found += any(FORGED in row.message + row.resource for row in rows_)
                except RAISED:
                    continue
    assert found > 30


def test_reports_stay_what_their_formats_are() -> None:
    row = rows_of("OSM1201", [], {})[0]
    report = Report(HOSTILE[0], tuple(replace(row, status=Status.FAILED, message=text, resource=text) for text in HOSTILE), CATALOGUE)
    for output in outputs(report):
        harmless(output)
    assert ET.fromstring(junit(report)).tag == "testsuites"  # noqa: S314  # ours
    assert json.loads(json_report(report))["cluster"] == HOSTILE[0]
    found = json.loads(sarif(report, by="mesh_check"))["runs"][0]["results"]
    assert len(found) == len(HOSTILE) and all("\\[a](b)" in one["message"]["text"] for one in found), "no link of the data's"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_row_that_somebody_else_made_is_shown_so_too(text: str) -> None:
    row = {"id": "OSM1201", "category": "control_plane", "title": "t", "status": "failed", "resource": "", "message": text, "hint_url": "u"}
    row["hint"] = text
    harmless(check_table([row]))
    harmless(check_table([{**row, "status": "skipped", "resource": text}]))


def _app(name: str) -> list[dict[str, Any]]:
    labels = {"app": name}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop"}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"},
         "spec": {"selector": labels, "ports": [{"name": "http", "port": 80}]}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop"}, "spec": {"template": {
            "metadata": {"labels": {**labels, "sidecar.istio.io/inject": "true"}},
            "spec": {"serviceAccountName": name, "containers": [{"name": "app", "image": "x:1"}]}}}},
    ]  # fmt: skip


PATHS = {"to": [{"operation": {"paths": ["/pay/*"], "hosts": ["shop.example.com"], "methods": ["GET"]}}]}
WORLD = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"istio-injection": "enabled"}}},
    *_app("cart"),
    *_app("pay"),
    {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "p", "namespace": "shop"}, "spec": {
        "selector": {"matchLabels": {"app": "pay"}}, "action": "ALLOW", "rules": [
            {"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/cart"]}}], **PATHS,
             "when": [{"key": "request.headers[x-team]", "values": ["a"]}]}]}},
    {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "d", "namespace": "shop"}, "spec": {
        "action": "DENY", "rules": [PATHS]}},
]  # fmt: skip


def test_nor_do_proofs_and_differences() -> None:
    told = 0
    params = {"cluster": "west", "only": [], "ignore": [], "access": [{"from": ["shop/cart"], "to": ["shop/pay"]}]}
    for number, path in enumerate(texts(WORLD)):
        changed = put(WORLD, path, HOSTILE[number % len(HOSTILE)])
        given = replace(snapshot(), source="manifests", objects=tuple(changed))
        found = []
        for make in (lambda: run_authorization_checks(params, given).text, lambda: run_authorization_diff(WORLD, changed, params)[2]):
            try:
                found.append(make())
            except MeshError as exc:
                found.append(str(exc))
            except RAISED:
                continue
        for text in found:
            told += FORGED in text
            harmless(text)
    assert told > 20
