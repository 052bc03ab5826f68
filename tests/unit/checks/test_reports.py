# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports that cannot be written: the table and the other reports are there all the same, and the last good one stays."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import run_checks
from ansible_collections.meshops.mesh.plugins.module_utils._checks.answer import answer
from ansible_collections.meshops.mesh.plugins.module_utils._checks.documents import document, write_document
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_check import argument_spec, check

from .builder import intent, options, snapshot


def params(**given: Any) -> dict[str, Any]:
    return {"fail_on": "error", "junit": None, "sarif": None, "report": None, **given}


def asked(folder: Path, **given: Any) -> dict[str, Any]:
    """The whole of mesh_check over a folder of manifests."""
    (folder / "in").mkdir(exist_ok=True)
    sidecar = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: default, namespace: shop}\n"
    (folder / "in" / "a.yaml").write_text(sidecar, encoding="utf-8")
    (folder / "in" / "rows.json").write_text('{"rating": 5}\n{"rating": 4}\n', encoding="utf-8")
    (folder / "in" / "x.yaml").write_text("kind: [\n", encoding="utf-8")
    defaults = {name: option.get("default") for name, option in argument_spec().items()}
    warnings: list[str] = []
    given = {"source": "manifests", "path": str(folder / "in"), "cluster": "west", "context": None, "host": None, "thresholds": {}, **given}
    return {**check({**defaults, **given}, warnings.append), "warned": warnings}


@pytest.mark.parametrize("option", ["junit", "sarif", "report"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "file on the way", "device"])
def test_a_report_that_cannot_be_written_costs_nothing_else(tmp_path: Path, option: str, kind: str) -> None:
    bad = tmp_path / "bad"
    if kind == "folder":
        bad.mkdir()
    elif kind == "pipe":
        os.mkfifo(bad)
    elif kind == "device":
        bad.symlink_to("/dev/full")
    else:
        bad.write_text("a file")
        bad = bad / "report"
    others = {name: str(tmp_path / "out" / name) for name in ("junit", "sarif", "report") if name != option}
    result = asked(tmp_path, **others, **{option: str(bad)})
    assert result["failed"] and f"{option}: {bad} cannot be written" in result["msg"] and "what was there is unchanged" in result["msg"]
    assert result["table"] and result["checks"] and all(Path(path).stat().st_size for path in others.values())


def test_a_full_disk_leaves_the_last_good_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    path.write_text("the last good one")
    report = run_checks(snapshot(), intent(), options())
    monkeypatch.setattr(os, "fsync", lambda _handle: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
    found = answer(report, by="mesh_check", params=params(report=str(path)), warn=print)
    assert found["failed"] and "No space left on device" in found["msg"] and found["checks"]
    assert path.read_text() == "the last good one" and [one.name for one in tmp_path.iterdir()] == ["report.json"]


def test_a_report_follows_no_link_and_has_its_folder_made(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    path = tmp_path / "report.json"
    path.symlink_to(victim)
    report = run_checks(snapshot(), intent(), options())
    answer(
        report, by="mesh_check", params=params(report=str(path), junit=str(tmp_path / "a" / "b" / "junit.xml"), fail_on="never"), warn=print
    )
    assert victim.read_text() == "mine" and json.loads(path.read_text())["cluster"] == "west" and (tmp_path / "a/b/junit.xml").exists()


def test_what_was_read_is_returned_and_what_was_not_is_named(tmp_path: Path) -> None:
    result = asked(tmp_path)
    assert (result["read"]["objects"], result["read"]["files"]) == (1, 1)
    assert {row["path"] for row in result["read"]["unread"]} == {"rows.json", "x.yaml"}
    assert len(result["warned"]) == 1 and "x.yaml" in result["warned"][0]
    assert asked(tmp_path, exclude=["x.yaml"])["warned"] == []


def test_a_document_is_written_as_a_whole_or_told(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "plan.json"
    assert write_document("plan_file", str(path), lambda: document({"plan": "\x1b[2J"})) == ""
    assert json.loads(path.read_text()) == {"plan": "\x1b[2J"} and "\x1b" not in path.read_text()
    (tmp_path / "file").write_text("x")
    said = write_document("plan_file", str(tmp_path / "file" / "plan.json"), lambda: "{}")
    assert said.startswith(f"plan_file: {tmp_path}/file/plan.json cannot be written: ") and "what was there is unchanged" in said
    found = answer(run_checks(snapshot(), intent(), options()), by="mesh_check", params=params(), warn=print, problems=[said])
    assert found["failed"] and said in found["msg"]
    assert "msg" not in answer(
        run_checks(snapshot(), intent(), options()), by="mesh_check", params=params(fail_on="never"), warn=print, problems=[""]
    )
