# SPDX-License-Identifier: GPL-3.0-or-later
"""migration_plan as people call it: from a file of manifests, with its answer, its checks and its mistakes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._commands.migration_plan import run_migration_checks
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._migration.options import settings_from
from ansible_collections.meshops.mesh.plugins.module_utils._migration.plan import plan_migration
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot

from .test_convert import golden, smcp
from .test_objects import roll

Obj = dict[str, Any]


def asked(tmp_path: Path, *objects: Obj, **given: Any) -> tuple[Any, Any]:
    """The plan and the report of a file."""
    path = tmp_path / "smcp.yml"
    path.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    choices = {"update_strategy": "RevisionBased", "cni_namespace": "istio-cni", "discovery": "auto", "tracing": "keep"}
    nothing: dict[str, Any] = {"istio_name": None, "tracing_service": None, "only": [], "ignore": []}
    params = {"mesh": "travel-prod", "version": "v1.27.3", **choices, **nothing, **given}
    snapshot = Snapshot.from_manifests(path, cluster="west")
    plan = plan_migration(snapshot, settings_from(params))
    return plan, run_migration_checks(params, snapshot, plan)


def test_the_answer_for_travel(tmp_path: Path) -> None:
    plan, report = asked(tmp_path, golden("prod"))
    answer = json.loads(json.dumps(plan.to_dict()))
    assert answer["counts"] == {"mapped": 10, "elsewhere": 18, "gone": 4, "unknown": 0}
    assert answer["istio"] == {"name": "production", "revision": "production-v1-27-3", "label": "travel-prod", "version": "v1.27.3"}
    assert answer["layers"][:3] == ["migration_networks", "migration_control_plane", "migration_mesh"]
    assert "fields: 10 mapped, 18 now elsewhere, 4 no longer exist, 0 unknown" in answer["text"]
    assert report.summary["failed"] == 0 and {row.category for row in report.rows} == {"migration"}


def test_one_name_for_both_istiods_is_an_error(tmp_path: Path) -> None:
    _plan, report = asked(tmp_path, golden("prod"), update_strategy="InPlace")
    failed = [row for row in report.failing("error")]
    assert [row.id for row in failed] == ["OSM4220"] and "istiod-production" in failed[0].message
    _plan, report = asked(tmp_path, golden("prod"), update_strategy="InPlace", istio_name="mesh")
    assert report.failing("error") == []


def test_an_unknown_field_is_a_warning_that_names_it(tmp_path: Path) -> None:
    plan, report = asked(tmp_path, smcp(proxy={"turbo": 1}, tracing={"type": "None"}), roll("shop"))
    assert plan.counts["unknown"] == 1 and "spec.proxy.turbo: This version" in plan.text()
    assert any(row.id == "OSM4223" and "spec.proxy.turbo" in row.message for row in report.rows)


def test_only_checks_of_the_migration_can_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="OSM1201 is no check of the migration"):
        asked(tmp_path, smcp(), only=["OSM1201"])


def test_a_step_without_the_control_planes_name_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from ansible.module_utils import basic
    from ansible_collections.meshops.mesh.plugins.modules import migration_step

    args = {"ANSIBLE_MODULE_ARGS": {"step": "removed", "mesh": "travel", "version": "v1.27.3"}}
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(args).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(SystemExit):
        migration_step.main()
    assert "control_plane.name and control_plane.namespace are not set" in capsys.readouterr().out
