# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check against good and bad objects; the meta-tests over the table."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import CATALOGUE, RETIRED, run_checks
from ansible_collections.meshops.mesh.plugins.module_utils._checks.categories import CATEGORIES
from ansible_collections.meshops.mesh.plugins.module_utils._checks.sarif import sarif
from ansible_collections.meshops.mesh.plugins.module_utils._model.problem import Problem, Severity
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot, trimmed
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View

from .builder import bad_objects, build, cases, intent, options, snapshot

ALL = cases()
PAIRS = [pytest.param(code, case, id=f"{code}-{number}") for code, rows in ALL.items() for number, case in enumerate(rows)]
ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs" / "checks"


def needed(code: str) -> set[str]:
    """Everything that a check requires, by way of others too."""
    return {code}.union(*(needed(other) for other in CATALOGUE.by_id[code].requires))


# They speak of the control plane that OSM1201 requires, and are skipped without it; or of a source that has nothing to say.
BY_REQUIREMENT = frozenset(
    {"OSM1001", "OSM1002", "OSM1003", "OSM1105"} | {code for code in CATALOGUE.by_id if {"OSM1201", "OSM4201"} & needed(code)}
)


def ask(code: str, objects: list[dict[str, Any]], setting: dict[str, Any]) -> tuple[list[Problem], View]:
    view = View(snapshot(objects, **setting.get("snapshot", {})))
    return list(CATALOGUE.by_id[code].run(view, intent(**setting.get("intent", {})), options(**setting.get("options", {})))), view


def run(code: str, objects: list[dict[str, Any]], setting: dict[str, Any]) -> tuple[list[str], View]:
    found, view = ask(code, objects, setting)
    return [f"{'SKIPPED ' if row.skipped else ''}{row.resource} | {row.message}" for row in found], view


@pytest.mark.parametrize(("code", "case"), PAIRS)
def test_good_objects_pass(code: str, case: dict[str, Any]) -> None:
    found, _view = run(code, case.get("good", []), case.get("passing", {}))
    assert found == []


@pytest.mark.parametrize(("code", "case"), PAIRS)
def test_only_the_bad_objects_are_found(code: str, case: dict[str, Any]) -> None:
    found, _view = run(code, bad_objects(case), case.get("failing", {}))
    assert sorted(found) == sorted(case["findings"])
    assert found, "a failing case must find something"


@pytest.mark.parametrize(("code", "case"), PAIRS)
def test_a_file_and_a_cluster_give_the_same_answer(code: str, case: dict[str, Any]) -> None:
    """What a snapshot leaves out is nothing that a check reads; and so is what is left out as a cluster's lists come in."""
    for objects, setting in ((case.get("good", []), case.get("passing", {})), (bad_objects(case), case.get("failing", {}))):
        seen = snapshot(objects, **setting.get("snapshot", {}))
        kept = replace(Snapshot.from_json(json.loads(json.dumps(seen.to_json()))), source=seen.source)
        asked = (intent(**setting.get("intent", {})), options(**setting.get("options", {})))
        whole = list(CATALOGUE.by_id[code].run(View(seen), *asked))
        assert list(CATALOGUE.by_id[code].run(View(kept), *asked)) == whole
        if seen.source == "cluster":
            listed = replace(seen, objects=tuple(trimmed(obj) for obj in seen.objects))
            assert list(CATALOGUE.by_id[code].run(View(listed), *asked)) == whole


@pytest.mark.parametrize(("code", "case"), [pair for pair in PAIRS if "warnings" in pair.values[1]])
def test_what_is_only_a_warning(code: str, case: dict[str, Any]) -> None:
    found, _view = ask(code, bad_objects(case), case.get("failing", {}))
    assert sorted(row.resource for row in found if row.severity is Severity.WARNING) == sorted(case["warnings"])


@pytest.mark.parametrize("code", sorted(CATALOGUE.by_id))
def test_declared_inputs_are_the_kinds_read(code: str) -> None:
    read = set()
    for case in ALL[code]:
        for objects, setting in ((case.get("good", []), case.get("passing", {})), (bad_objects(case), case.get("failing", {}))):
            read |= run(code, objects, setting)[1].read
    assert read == set(CATALOGUE.by_id[code].inputs)


def test_every_check_has_a_case() -> None:
    assert sorted(ALL) == sorted(CATALOGUE.by_id)


@pytest.mark.parametrize("code", [code for code, row in sorted(CATALOGUE.by_id.items()) if row.inputs])
def test_every_check_has_good_objects_of_what_it_reads_and_bad_ones(code: str) -> None:
    kinds = {kind.kind for kind in CATALOGUE.by_id[code].inputs}
    good = {next(iter(entry)).split(" ")[0] for case in ALL[code] for entry in case.get("good", [])}
    assert good & kinds, "without good objects a check that reads nothing passes"
    changed = [case for case in ALL[code] if case.get("bad") or case.get("without") or case.get("failing", {}) != case.get("passing", {})]
    assert changed and all(case["findings"] for case in changed)


@pytest.mark.parametrize("code", sorted(CATALOGUE.by_id))
def test_an_empty_mesh_is_no_proof_of_what_must_exist(code: str) -> None:
    """What is not there passes only where the title speaks of each or of no object; every other check says something."""
    title = CATALOGUE.by_id[code].title
    found, _view = run(code, [], {"intent": {"control_plane": {"name": "production", "namespace": "istio-system"}}})
    universal = any(word in f" {title} " for word in (" each ", " every ", " no ", " exactly ", " proxies are ")) or code in BY_REQUIREMENT
    assert found or universal, title


@pytest.mark.parametrize("row", CATALOGUE.checks, ids=lambda row: row.id)
def test_a_hint_names_what_there_is(row: Any) -> None:
    for name in re.findall(r"meshops\.mesh\.([a-z_0-9]+)", row.hint):
        places = (f"plugins/modules/{name}.py", f"roles/{name}", f"playbooks/{name}.yml")
        assert any((ROOT / place).exists() for place in places), name


def test_codes_are_unique_well_formed_and_not_retired() -> None:
    assert len(CATALOGUE.checks) == len(CATALOGUE.by_id) >= 30
    assert all(len(code) == 7 and code.startswith(("OSM1", "OSM2", "OSM3", "OSM4")) and code[3:].isdigit() for code in CATALOGUE.by_id)
    assert not set(CATALOGUE.by_id) & set(RETIRED)


def test_each_category_has_its_module() -> None:
    assert [category.name for category in CATALOGUE.categories] == list(CATEGORIES)


def test_every_code_has_its_page_and_no_page_is_left_over() -> None:
    assert {path.stem for path in DOCS.glob("OSM*.md")} == set(CATALOGUE.by_id) | set(RETIRED)


@pytest.mark.parametrize("row", CATALOGUE.checks, ids=lambda row: row.id)
def test_row_is_complete(row: Any) -> None:
    assert row.hint and row.about and row.category in CATEGORIES
    words = row.title.lower().split()
    assert not {"not", "fails", "failed", "missing", "invalid", "broken", "cannot"} & set(words), "a title is a positive fact"
    assert not row.title.endswith(".")
    assert all(code in CATALOGUE.by_id and code < row.id for code in row.requires), "a requirement runs before what needs it"
    assert row.id == "OSM1001" or row.requires
    assert len(set(row.inputs)) == len(row.inputs)


def test_equivalents_are_codes_of_istioctl_and_kiali() -> None:
    named = [(row.id, code) for row in CATALOGUE.checks for code in row.equivalents]
    assert len({code for _row, code in named}) >= 30, "most of what other tools find is found here"
    assert [pair for pair in named if not re.fullmatch(r"(IST|KIA)[0-9]{4}", pair[1])] == []
    assert len(set(named)) == len(named)


def test_the_guide_names_each_check_beside_the_code_of_kiali() -> None:
    said: dict[str, str] = {}
    for line in (ROOT / "docs" / "guides" / "codes-of-other-tools.md").read_text(encoding="utf-8").splitlines():
        for first, last in re.findall(r"KIA(\d{4})(?: to KIA(\d{4}))?", line.split("|")[1] if line.startswith("| KIA") else ""):
            said |= {f"KIA{number:04}": line for number in range(int(first), int(last or first) + 1)}
    assert len(said) == 72
    named = [(row.id, code) for row in CATALOGUE.checks for code in row.equivalents if code.startswith("KIA")]
    assert [pair for pair in named if pair[0] not in said.get(pair[1], "")] == []


def test_a_row_says_what_other_tools_call_it() -> None:
    service = build({"Service shop/web": {"spec": {"ports": [{"port": 80}]}}})
    report = run_checks(replace(snapshot(), objects=(service,)), intent(), options(only=("OSM1406",)))
    assert [row.evidence for row in report.rows if row.id == "OSM1406"] == [{"equivalents": ["IST0118", "KIA0601", "KIA0602"]}]
    rules = {rule["id"]: rule for rule in json.loads(sarif(report, by="mesh_check"))["runs"][0]["tool"]["driver"]["rules"]}
    assert rules["OSM1406"]["properties"]["equivalents"] == ["IST0118", "KIA0601", "KIA0602"]
    assert "equivalents" not in rules["OSM1001"]["properties"]


def test_titles_are_unique() -> None:
    assert len({row.title for row in CATALOGUE.checks}) == len(CATALOGUE.checks)


def test_a_category_owns_a_range_of_codes() -> None:
    ranges: dict[str, set[str]] = {}
    for row in CATALOGUE.checks:
        ranges.setdefault(row.id[:5], set()).add(row.category)
    assert all(len(owners) == 1 for owners in ranges.values())
