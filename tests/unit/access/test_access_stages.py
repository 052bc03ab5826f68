# SPDX-License-Identifier: GPL-3.0-or-later
"""What is rendered, in which stages, and that no order inside a stage denies an intended call at any moment."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from access_travel import AGENCY, CONTROL, DOMAINS, PORTAL, ROOT, intent, mesh, workload
from ansible_collections.meshops.mesh.plugins.module_utils._access.intent import read_intent
from ansible_collections.meshops.mesh.plugins.module_utils._access.render import LAYERS
from ansible_collections.meshops.mesh.plugins.module_utils._access.stages import AccessPlan, StageSettings, plan_access
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import take
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.proof import prove, read_matrix
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.world import MeshPolicies
from ansible_collections.meshops.mesh.plugins.module_utils._model.overlay import overlaid

Obj = dict[str, Any]
GOLDEN = Path(__file__).parent / "golden"
SETTINGS = StageSettings(mesh="travel-prod", taken_at="2026-06-01T00:00:00Z")
ISSUER: Obj = {
    "name": "partner",
    "issuer": "https://sso.example.com/auth",
    "jwks_uri": "https://sso.example.com/certs",
    "audiences": ["travel"],
}


def plan(value: Obj, objects: list[Obj] | None = None, settings: StageSettings = SETTINGS) -> AccessPlan:
    return plan_access(read_intent(value, DOMAINS), objects or mesh(), settings)


def live(obj: Obj, layer: str) -> Obj:
    """As the role deliver leaves it in the cluster."""
    labels = {"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/mesh": "travel-prod", "mesh.meshops.io/layer": layer}
    return {**obj, "metadata": {**obj["metadata"], "labels": labels, "creationTimestamp": "2026-05-01T00:00:00Z", "resourceVersion": "7"}}


def applied(done: AccessPlan, objects: list[Obj]) -> list[Obj]:
    made = [live(obj, stage.name) for stage in done.stages for obj in stage.objects]
    return list(overlaid(objects, made))  # type: ignore[arg-type]


def names(objects: Any) -> set[str]:
    return {f"{obj['kind']} {obj['metadata']['namespace']}/{obj['metadata']['name']}" for obj in objects}


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_golden(version: str) -> None:
    done = plan(intent(), settings=StageSettings(mesh="travel-prod", version=version))
    found = [{"stage": stage.name, "objects": list(stage.objects)} for stage in done.stages]
    path = GOLDEN / f"travel-{version}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump_all(found, sort_keys=False), encoding="utf-8")
    assert list(yaml.safe_load_all(path.read_text(encoding="utf-8"))) == found


def test_allow_comes_first_and_the_default_deny_last() -> None:
    done = plan(
        {
            **intent(),
            "issuers": [ISSUER],
            "rules": [
                *intent()["rules"],
                {
                    "name": "partner",
                    "from": ["authenticated"],
                    "to": [f"{AGENCY}/travels"],
                    "paths": ["/partner/*"],
                    "tokens": ["partner/*"],
                },
            ],
            "mtls": {"mode": "STRICT", "exceptions": [{"for": f"{CONTROL}/control", "ports": {8080: "PERMISSIVE"}}]},
        }
    )
    assert [stage.name for stage in done.stages] == [name for name in LAYERS if name != "access_egress"]
    assert all(stage.changed and not stage.saved and len(stage.made) == len(stage.objects) for stage in done.stages)
    tokens = done.stages[0].objects[0]
    assert tokens["spec"] == {
        "selector": {"matchLabels": {"app": "travels"}},
        "jwtRules": [{"issuer": ISSUER["issuer"], "jwksUri": ISSUER["jwks_uri"], "audiences": ["travel"]}],
    }
    assert done.stages[1].objects[0]["spec"]["portLevelMtls"] == {"8080": {"mode": "PERMISSIVE"}}


def refused(objects: list[Obj], matrix: Any) -> bool:
    inventory = take(objects)
    return bool(prove(MeshPolicies(inventory.objects, inventory.mesh), inventory, read_matrix(matrix)).less)


@pytest.mark.parametrize("seed", range(4))
def test_no_order_inside_a_stage_denies_an_intended_call(seed: int) -> None:
    done, state, order = plan(intent()), list(mesh()), random.Random(seed)
    assert not refused(state, done.matrix)
    for stage in done.stages:
        objects = list(stage.objects)
        order.shuffle(objects)
        for obj in objects:
            state = list(overlaid(state, [live(obj, stage.name)]))  # type: ignore[arg-type]
            assert not refused(state, done.matrix), f"{stage.name}: after {names([obj])}"


def test_the_default_deny_first_would_deny_an_intended_call() -> None:
    done = plan(intent())
    state = list(overlaid(mesh(), [live(obj, "access_deny") for obj in done.stages[-1].objects]))  # type: ignore[arg-type]
    assert refused(state, done.matrix)


def test_what_is_there_already_is_no_change() -> None:
    again = plan(intent(), applied(plan(intent()), mesh()))
    assert [stage.changed for stage in again.stages] == [False, False, False]
    assert not again.leftovers and all(not stage.made and len(stage.saved) == len(stage.objects) for stage in again.stages)


def test_an_older_intent_leaves_what_goes_last() -> None:
    older = {
        **intent(),
        "rules": [*intent()["rules"], {"name": "old", "from": [f"{AGENCY}/cars"], "to": [f"{AGENCY}/hotels"]}],
        "mtls": {"mode": "STRICT", "exceptions": [{"for": f"{CONTROL}/control", "mode": "PERMISSIVE"}]},
    }
    done = plan(intent(), applied(plan(older), mesh()))
    assert names(done.leftovers) == {"PeerAuthentication prod-travel-control/access-control"}
    changed = {stage.name: stage for stage in done.stages if stage.changed}
    assert list(changed) == ["access_allow"]
    saved = next(obj for obj in changed["access_allow"].saved if obj["metadata"]["name"] == "access-hotels")
    assert len(saved["spec"]["rules"]) == 2 and "labels" not in saved["metadata"] and "resourceVersion" not in saved["metadata"]


def test_versions_with_the_same_rules_share_a_policy_and_others_do_not() -> None:
    second = workload(AGENCY, "cars", account="cars")[0]
    second["metadata"]["name"] = "cars-v2"
    second["spec"]["template"]["metadata"]["labels"]["version"] = "v2"
    objects = [*mesh(), second]
    one = next(obj for obj in plan(intent(), objects).stages[0].objects if obj["metadata"]["name"] == "access-cars")
    assert one["spec"]["selector"]["matchLabels"] == {"app": "cars"}
    more = intent(rules=[*intent()["rules"], {"name": "canary", "from": [f"{AGENCY}/discounts"], "to": [f"{AGENCY}/cars-v2"]}])
    apart = {obj["metadata"]["name"]: obj["spec"] for obj in plan(more, objects).stages[0].objects if "cars" in obj["metadata"]["name"]}
    assert {name: spec["selector"]["matchLabels"] for name, spec in apart.items()} == {
        "access-cars-v1": {"app": "cars", "version": "v1"},
        "access-cars-v2": {"app": "cars", "version": "v2"},
    }
    assert [len(spec["rules"]) for spec in apart.values()] == [1, 2]


def test_a_gateway_is_closed_when_it_is_named_only() -> None:
    rules = [rule for rule in intent()["rules"] if rule["name"] != "ui"]
    assert f"{ROOT}/istio-ingressgateway" not in plan(intent(rules=rules)).closed
    done = plan(intent(rules=rules, close=["gateway:ingress"]))
    policy = next(obj for obj in done.stages[0].objects if obj["metadata"]["namespace"] == ROOT)
    assert policy["spec"] == {"selector": {"matchLabels": {"app": "istio-ingressgateway"}}}


def test_probes_predict_each_stage_and_send_nothing_that_changes() -> None:
    done = plan(
        intent(
            rules=[
                *intent()["rules"],
                {
                    "name": "write",
                    "from": [f"{PORTAL}/viaggi"],
                    "to": [f"{AGENCY}/travels"],
                    "methods": ["POST"],
                    "paths": ["/booking/{*}"],
                },
            ]
        )
    )
    assert all(call["expected"] == "allowed" for call in done.baseline)
    last = {(call["from"], call["to"], call.get("method"), call.get("path")): call["expected"] for call in done.stages[-1].calls}
    assert {key[2] for key in last} == {"GET", None}
    assert last[(f"{PORTAL}/viaggi-v1", f"{AGENCY}/travels-v1", "GET", "/")] == "allowed"
    assert last[(f"{CONTROL}/control-v1", f"{AGENCY}/travels-v1", "GET", "/")] == "denied"
    assert last[(f"{AGENCY}/travels-v1", f"{AGENCY}/mysqldb-v1", None, None)] == "denied"
    assert {key[0] for key in last} == {key[1] for key in last}  # from everywhere to everywhere


def test_fewer_probes_are_the_intended_ones() -> None:
    done = plan(intent(), settings=StageSettings(mesh="travel-prod", probe_limit=10))
    assert [call["expected"] for call in done.stages[-1].calls] == ["allowed"] * 10
    assert done.left_out == len(plan(intent()).baseline) - 10


def test_policies_to_wait_for() -> None:
    rows = {f"{row['namespace']}/{row['name']}": row for stage in plan(intent()).stages for row in stage.policies}
    assert rows[f"{AGENCY}/access-travels"]["rules"] == 1 and rows[f"{AGENCY}/access-travels"]["selector"] == {"app": "travels"}
    assert rows[f"{AGENCY}/access-default-deny"] == {"namespace": AGENCY, "name": "access-default-deny", "selector": {}, "rules": 1}
