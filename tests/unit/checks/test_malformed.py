# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects with a wrong type in one field: a row about that object, never a traceback, and everything else is judged as before."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import CATALOGUE, run_checks
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import Status
from ansible_collections.meshops.mesh.plugins.module_utils._commands.authorization_check import run_authorization_checks
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, TooComplex
from ansible_collections.meshops.mesh.plugins.module_utils._model.malformed import title
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot

from .builder import build, cases, intent, options, snapshot

ALL = cases()
# What stands in place of a value: every other type that YAML has.
OTHERS: tuple[Any, ...] = (None, "text", 7, True, [None], ["text"], {"key": "value"}, [])
GAVE_UP = "no object of the source stands out"


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every field and element below, but what makes it an object."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in entries:
        if (*path, key) not in {("apiVersion",), ("kind",), ("metadata",), ("metadata", "name"), ("metadata", "namespace")}:
            yield (*path, key)
            yield from paths(item, (*path, key))


def changed(obj: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    found = copy.deepcopy(obj)
    target: Any = found
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = copy.deepcopy(value)
    return found


def wrong_types() -> Iterator[Any]:
    """One wrong type in one field of one good object of a check's cases, with the objects beside it."""
    number = 0
    for code, rows in sorted(ALL.items()):
        for case in rows:
            objects = [build(entry) for entry in case.get("good", [])]
            for index, obj in enumerate(objects):
                for path in paths(obj):
                    number += 1
                    value = OTHERS[number % len(OTHERS)]
                    yield code, case, [*objects[:index], changed(obj, path, value), *objects[index + 1 :]], obj, path, value


# The daily suite takes a part of them, another one for each number of CPUs' worth; make test-long takes all.
EVERY = 1 if os.environ.get("MESH_TEST_LONG") else 13


def test_a_wrong_type_ends_as_a_row_about_its_object() -> None:
    failures = []
    for number, (code, case, objects, obj, path, value) in enumerate(wrong_types()):
        if number % EVERY:
            continue
        setting = case.get("passing", {})
        given = snapshot([], **setting.get("snapshot", {}))
        given = type(given)(**{**given.__dict__, "objects": tuple(objects)})
        try:
            report = run_checks(given, intent(**setting.get("intent", {})), options(**{**setting.get("options", {}), "only": (code,)}))
        except ConfigError:
            continue  # an upgrade from what is no control plane: said in a sentence, with its name
        except Exception as exc:  # noqa: BLE001  # any of them is what is looked for
            failures.append(f"{code} {title(obj)} {path} = {value!r}: {type(exc).__name__}: {exc}")
            continue
        failures += [f"{code} {title(obj)} {path} = {value!r}: {row.message}" for row in report.rows if GAVE_UP in row.message]
        if (code, path) == ("OSM3115", ("spec", "selector")):
            continue  # a Service and the Deployment that it selects are compared: which of the two is wrong is anybody's guess
        others = [row for row in report.rows if "structure of its kind" in row.message and row.resource != title(obj)]
        failures += [f"{code} {title(obj)} {path} = {value!r}: told of {row.resource}" for row in others]
    assert not failures, f"{len(failures)}:\n" + "\n".join(failures[:40])


POLICY = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy"}


def policies(*specs: Any) -> Any:
    objects = tuple({**POLICY, "metadata": {"name": f"p{number}", "namespace": "shop"}, "spec": spec} for number, spec in enumerate(specs))
    given = snapshot([])
    return type(given)(**{**given.__dict__, "objects": objects})


def test_the_others_are_judged_as_if_it_were_not_there() -> None:
    good = {"action": "DENY", "rules": [{"to": [{"operation": {"methods": ["get"]}}]}]}
    report = run_checks(policies({"rules": "text"}, good), intent(), options(only=("OSM3107",)))
    assert [(row.status, row.resource) for row in report.rows if row.id == "OSM3107"][-1] == (Status.FAILED, "AuthorizationPolicy shop/p1")


@pytest.mark.parametrize("rules", [None, [None], [{"from": [None]}], [{"from": [{"source": None}]}], [{"when": [None]}]])
def test_an_empty_item_that_a_template_left_is_no_exception(rules: Any) -> None:
    report = run_checks(policies({"action": "DENY", "rules": rules}), intent(), options(categories=("authorization",)))
    assert not [row for row in report.rows if GAVE_UP in row.message]


@pytest.mark.parametrize("item", [None, 7, "text", []])
def test_an_empty_token_rule_is_a_finding_about_its_object(item: Any) -> None:
    obj = {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": "api", "namespace": "shop"},
        "spec": {"jwtRules": [item]},
    }
    given = snapshot([])
    report = run_checks(type(given)(**{**given.__dict__, "objects": (obj,)}), intent(), options(categories=("authorization",)))
    failed = [row for row in report.rows if row.status is Status.FAILED and row.category == "authorization"]
    assert failed and {row.resource for row in failed} == {"RequestAuthentication shop/api"}


def test_an_error_that_no_object_explains_names_the_check_and_not_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_view: Any, _intent: Any, _options: Any) -> list[Any]:
        raise KeyError("needle")

    broken = replace(CATALOGUE.by_id["OSM1306"], run=run)
    monkeypatch.setattr(CATALOGUE, "select", lambda *_: [broken])
    (row,) = run_checks(snapshot(), intent(), options()).rows
    assert (row.id, row.status, row.resource) == ("OSM1306", Status.FAILED, "")
    assert "KeyError at test_malformed.py" in row.message and "needle" not in row.message


def test_a_mistake_of_the_person_stays_a_message_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_view: Any, _intent: Any, _options: Any) -> list[Any]:
        raise ConfigError("access[0] has no from")

    monkeypatch.setattr(CATALOGUE, "select", lambda *_: [replace(CATALOGUE.by_id["OSM1306"], run=run)])
    with pytest.raises(ConfigError, match="has no from"):
        run_checks(snapshot(), intent(), options())


def test_what_cannot_be_decided_fails_its_check_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_view: Any, _intent: Any, _options: Any) -> list[Any]:
        raise TooComplex("more than 4096 combinations")

    monkeypatch.setattr(CATALOGUE, "select", lambda *_: [replace(CATALOGUE.by_id["OSM1303"], run=run), CATALOGUE.by_id["OSM1306"]])
    rows = run_checks(snapshot([{"Namespace a": {}}]), intent(), options()).rows
    assert [(row.id, row.status) for row in rows] == [("OSM1303", Status.FAILED), ("OSM1306", Status.PASSED)]
    assert rows[0].message == "it cannot be decided: more than 4096 combinations"


def test_nothing_is_proven_while_an_object_could_not_be_read() -> None:
    wrong = {**POLICY, "metadata": {"name": "wrong", "namespace": "shop", "labels": "text"}, "spec": {}}
    labels = {"app": "pay"}
    pay = {"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {"containers": []}}}}
    open_to_all = snapshot([{"Namespace shop": {"labels": {"istio-injection": "enabled"}}}, {"Deployment shop/pay": pay}])
    params = {"access": [{"from": ["anyone"], "to": ["shop/pay"]}], "fail_on": "never", "only": [], "ignore": []}
    assert run_authorization_checks(params, replace(open_to_all, source="manifests")).proven is True
    given = replace(open_to_all, objects=(*open_to_all.objects, wrong), source="manifests")
    checked = run_authorization_checks(params, given)
    assert checked.proven is False and "AuthorizationPolicy shop/wrong" in checked.text


def test_files_that_could_not_be_read_are_an_assumption_of_the_proof(tmp_path: Any) -> None:
    (tmp_path / "good.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {}\n")
    (tmp_path / "bad.yaml").write_text("a: [\n")
    checked = run_authorization_checks({"fail_on": "never", "only": [], "ignore": []}, Snapshot.from_manifests(tmp_path))
    assert "nothing of the mesh is in 1 file that could not be read (bad.yaml)" in checked.assumptions


def _plain() -> list[dict[str, Any]]:
    """One of each kind that is made smaller when it is read from a file."""
    pod = {
        "metadata": {"labels": {"app": "a"}, "annotations": {"istio.io/rev": "x"}},
        "spec": {"containers": [{"name": "a", "image": "b", "resources": {"requests": {"cpu": "1"}}}], "initContainers": [{"name": "c"}]},
        "status": {"conditions": [{"type": "Ready"}], "containerStatuses": [{"name": "a", "state": {"waiting": {"reason": "x"}}}]},
    }
    owned = {"metadata": {"ownerReferences": [{"kind": "Deployment", "name": "d", "controller": True}]}, "spec": {"replicas": 1}}
    rows: list[tuple[str, str, dict[str, Any]]] = [
        ("v1", "Pod", pod),
        ("v1", "Secret", {"data": {"tls.crt": "eA==", "password": "bmVlZGxl"}, "stringData": {"tls.key": "needle"}, "type": "Opaque"}),
        ("v1", "ConfigMap", {"data": {"mesh": "trustDomain: a"}}),
        ("apps/v1", "ReplicaSet", owned),
        ("batch/v1", "Job", owned),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", {"spec": {"names": {"kind": "C"}, "versions": [{"name": "v1"}]}}),
        ("packages.operators.coreos.com/v1", "PackageManifest", {"status": {"channels": [{"name": "s", "entries": [{"name": "e"}]}]}}),
    ]
    return [
        {"apiVersion": api, "kind": kind, **rest, "metadata": {"name": "istio", "namespace": "shop", **rest.get("metadata", {})}}
        for api, kind, rest in rows
    ]


FILES = [
    pytest.param(obj, path, id=f"{obj['kind']} {'.'.join(map(str, path))}")
    for obj in _plain() for path in paths(obj) if path[:2] not in {("metadata", "labels"), ("metadata", "annotations")}
]  # fmt: skip


@pytest.mark.parametrize(("obj", "path"), FILES)
def test_a_wrong_type_in_a_file_of_manifests_is_read_or_named(obj: dict[str, Any], path: tuple[Any, ...], tmp_path: Any) -> None:
    for number, value in enumerate(OTHERS):
        folder = tmp_path / str(number)
        folder.mkdir()
        namespace_ = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        (folder / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [namespace_, changed(obj, path, value)]}))
        seen = Snapshot.from_manifests(folder)
        assert seen.reading
        assert len(seen.objects) == 2 or [row.path for row in seen.reading.faults], value
        run_checks(seen, intent(), options())
        told = str([seen.objects, seen.reading.text])
        assert "needle" not in told and "bmVlZGxl" not in told
