# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stage leaves on the cluster before it is proven, and what the next run makes of it."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from access_travel import AGENCY, intent, mesh
from ansible_collections.meshops.mesh.plugins.module_utils._access.pending import LAYER, pending_name, recall, remember
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import prepare
from test_access_stages import Obj, applied, plan

DONE = plan(intent())
STAGE = next(stage for stage in DONE.stages if stage.name == "access_allow").to_dict()


def delivered(obj: Obj, **more: Any) -> Obj:
    return {**prepare([obj], mesh="travel-prod", layer=LAYER)[0], **more}


def memory(stage: Obj = STAGE) -> Obj:
    return delivered(remember(stage, mesh="travel-prod", namespace="prod-istio-system", layer="access_allow"))


def read(found: Obj | None, live: Any = ()) -> Any:
    return recall(found, live, mesh="travel-prod", cluster="prod")


def test_what_was_remembered_comes_back() -> None:
    live = applied(DONE, mesh())
    found = read(memory(), live)
    assert (found["name"], found["layer"]) == ("access_allow", "access_allow")
    assert found["made"] == list(STAGE["made"]) and found["made"] and found["saved"] == list(STAGE["saved"])
    assert found["policies"] == list(STAGE["policies"]), "the proxies must have all of them"
    assert memory() == memory(), "the same twice is no change"
    assert memory()["metadata"]["name"] == pending_name("travel-prod")


def test_a_stage_that_was_delivered_in_part_asks_for_what_is_there() -> None:
    first = STAGE["policies"][0]
    live = [one for one in applied(DONE, mesh()) if one["metadata"]["name"] in (first["name"], "travels")]
    assert read(memory(), live)["policies"] == [one for one in STAGE["policies"] if one["name"] == first["name"]]
    assert read(memory(), mesh())["policies"] == []


def test_nothing_and_what_is_not_ours() -> None:
    assert read(None) is None
    stranger = memory()
    stranger["metadata"]["labels"] = {}
    assert read(stranger) is None


def packed(value: Any) -> dict[str, str]:
    return {"before.json.gz": base64.b64encode(gzip.compress(json.dumps(value).encode())).decode()}


ROLE: Obj = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "root"}}
CLASH: Obj = {"apiVersion": "example.com/v1", "kind": "Sidecar", "metadata": {"name": "a", "namespace": AGENCY}}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({}, "cannot be read"),
        ({"before.json.gz": "junk"}, "cannot be read"),
        ({"before.json.gz": base64.b64encode(b"junk").decode()}, "cannot be read"),
        (packed([]), "cannot be read"),
        (packed({"saved": [1], "made": [], "policies": []}), "cannot be read"),
        (packed({"saved": [], "made": [], "policies": [{}]}), "cannot be read"),
        (packed({"saved": [ROLE], "made": [], "policies": []}), "remembers ClusterRoleBinding root, which no stage of an access has"),
        (packed({"saved": [], "made": [CLASH], "policies": []}), f"remembers Sidecar {AGENCY}/a, which no stage of an access has"),
    ],
)
def test_what_somebody_else_has_written_into_it(data: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigError, match=rf"cluster prod: ConfigMap prod-istio-system/access-pending-travel-prod .*{text}"):
        read({**memory(), "binaryData": data})


def test_a_thousand_policies_fit() -> None:
    rows = [{**STAGE["made"][0], "metadata": {"name": f"access-{number}", "namespace": AGENCY}} for number in range(5000)]
    assert len(json.dumps(memory({**STAGE, "saved": rows}))) < 2**20 / 2


KINDS = ("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication", "DestinationRule", "Sidecar")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_that_a_stage_has_comes_back(kind: str) -> None:
    group = "security" if kind in KINDS[:3] else "networking"
    one = {"apiVersion": f"{group}.istio.io/v1", "kind": kind, "metadata": {"name": "a", "namespace": AGENCY}}
    data = packed({"saved": [one], "made": [], "policies": []})
    assert read({**memory(), "binaryData": data})["saved"] == [one]
