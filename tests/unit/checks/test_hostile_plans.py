# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects whose texts pretend to be our output, in what plans, differences and results say of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._access.intent import read_intent
from ansible_collections.meshops.mesh.plugins.module_utils._access.report import plan_result
from ansible_collections.meshops.mesh.plugins.module_utils._access.stages import StageSettings, plan_access
from ansible_collections.meshops.mesh.plugins.module_utils._commands.apply import LayerResult, ObjectResult
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_apply import _diff
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._migration.options import settings_from
from ansible_collections.meshops.mesh.plugins.module_utils._migration.plan import plan_migration
from ansible_collections.meshops.mesh.plugins.module_utils._model.diff import cleaned
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import Ref
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._model.tree import shown_texts
from ansible_collections.meshops.mesh.plugins.module_utils._module import for_people

from .test_hostile import FORGED, HOSTILE, harmless, put, texts

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "access"))
import access_travel

Obj = dict[str, Any]
RAISED = (Exception,)  # whatever is raised over such objects: its text must be ours all the same where it is for people
GOLDEN = Path(__file__).resolve().parents[1] / "roles" / "golden" / "travel-prod-ossm2.yaml"


def said(value: Any) -> Iterator[str]:
    """Each text of a result that people read."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from said(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from said(item)


PEOPLE = ("text", "stage", "breaks", "notes", "diff", "lines", "msg")


def reach(result: Obj) -> int:
    """How many texts for people have the forged word; all of them are harmless."""
    found = [text for key in PEOPLE for text in said(for_people(result).get(key)) if FORGED in text]
    for text in found:
        harmless(text)
    return len(found)


def plane() -> Obj:
    layers = yaml.safe_load(GOLDEN.read_text(encoding="utf-8"))
    return next(obj for name, obj in layers["control_plane"].items() if name.startswith("ServiceMeshControlPlane"))


def migrated(objects: list[Obj]) -> Obj:
    given = {
        "mesh": "travel-prod",
        "version": "v1.27.3",
        "update_strategy": "RevisionBased",
        "cni_namespace": "istio-cni",
        "discovery": "auto",
        "tracing": "keep",
        "istio_name": None,
        "tracing_service": None,
    }
    snapshot = Snapshot.from_json({
        "format": "meshops.mesh/snapshot/v1", "cluster": "west", "taken_at": "2026-06-01T00:00:00Z", "objects": objects,
    })  # fmt: skip
    return plan_migration(snapshot, settings_from(given)).to_dict()


def accessed(objects: list[Obj]) -> Obj:
    plan = plan_access(read_intent(access_travel.intent(), access_travel.DOMAINS), objects, StageSettings(mesh="travel-prod", taken_at=""))
    return plan_result(plan, "west")


def forged(make: Any, objects: list[Obj], wanted: Any = lambda path: True) -> int:
    found = 0
    for number, path in enumerate(filter(wanted, list(texts(objects)))):
        text = HOSTILE[number % len(HOSTILE)]
        try:
            result = make(put(objects, path, text))
        except MeshError as exc:
            result = {"msg": str(exc)}
        except RAISED:
            continue  # Crashed tells the place only
        found += reach(result)
    return found


def test_a_plan_of_a_migration() -> None:
    unknown = {**plane(), "spec": {**plane()["spec"], "odd": {"field": "x"}, "techPreview": {"meshConfig": {"x": "y"}}}}
    unknown["status"] = {"conditions": [{"type": "Ready", "status": "False", "reason": "r", "message": "m"}], "operatorVersion": "2.6.5"}
    roll = {
        "apiVersion": "maistra.io/v1",
        "kind": "ServiceMeshMemberRoll",
        "metadata": {"name": "default", "namespace": unknown["metadata"]["namespace"]},
        "spec": {"members": ["shop"]},
    }
    pod = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"istio.io/rev": "old"}}}
    assert forged(migrated, [unknown, roll, pod]) > 2
    for text in HOSTILE:
        assert reach(migrated([{**unknown, "spec": {**unknown["spec"], text: {"a": "b"}}}, roll, pod]))


def test_a_plan_of_an_access() -> None:
    policy = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "theirs", "namespace": access_travel.AGENCY},
        "spec": {"action": "ALLOW", "rules": [{"from": [{"source": {"principals": ["x"]}}], "to": [{"operation": {"paths": ["/x"]}}]}]},
    }
    assert forged(accessed, [*access_travel.mesh(), policy], lambda path: path[0] > 29 or path[1:] == ("metadata", "namespace")) > 5


@pytest.mark.parametrize("text", HOSTILE)
def test_a_difference(text: str) -> None:
    one: Obj = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "shop", "annotations": {text: text}},
        "data": {text: text},
    }
    other = {**one, "data": {"a": text, "password": text, "b": f"token: {text}"}}
    for before, after in ((one, other), (other, one), ({}, one)):
        row = ObjectResult(
            Ref("v1", "ConfigMap", "shop", text), "changed", text, cleaned(before, "before", after), cleaned(after, "after", before)
        )
        reach({"diff": _diff(LayerResult((row,), 0.0)), "lines": LayerResult((row,), 0.0).lines(planned=True)})
        reach({"diff": [shown_texts(yaml.safe_dump(before), yaml.safe_dump(after))]})
        for line in row.to_dict()["diff"]:
            harmless(line)
    plain = {**one, "data": {"a": f"x\n√ {FORGED}\n  × {FORGED}\n"}}
    row = ObjectResult(Ref("v1", "ConfigMap", "shop", "a"), "changed", "", {}, cleaned(plain, "after", {}))
    for value in said([_diff(LayerResult((row,), 0.0)), shown_texts("", yaml.safe_dump(plain))]):
        assert all(not line.strip().startswith(("√", "×")) for line in value.split("\n"))
    assert reach({"diff": {"after": yaml.safe_dump(one, allow_unicode=True)}})
