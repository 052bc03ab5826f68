# SPDX-License-Identifier: GPL-3.0-or-later
"""What is listed for a plan of access is what the plan is made of; a part of it is refused, not taken for the whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from access_travel import AGENCY, DOMAINS, ROOT, intent, mesh
from ansible_collections.meshops.mesh.plugins.module_utils._access.intent import read_intent
from ansible_collections.meshops.mesh.plugins.module_utils._access.observed import Call
from ansible_collections.meshops.mesh.plugins.module_utils._access.stages import StageSettings, plan_access
from ansible_collections.meshops.mesh.plugins.module_utils._access.traffic import compare_traffic
from ansible_collections.meshops.mesh.plugins.module_utils._commands import sources
from ansible_collections.meshops.mesh.plugins.module_utils._errors import Forbidden
from ansible_collections.meshops.mesh.plugins.module_utils._kube.collect import KINDS as COLLECTED
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import group_of
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._rights.reads import ACCESS

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def others() -> list[dict[str, Any]]:
    """One object of each further kind that a snapshot of a cluster has, beside the workloads."""
    more = (*COLLECTED, ("telemetry.istio.io/v1", "Telemetry"), ("networking.istio.io/v1", "EnvoyFilter"))
    made = [
        {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": "more", "namespace": AGENCY},
            "spec": {"selector": {"app": "cars"}, "workloadSelector": {"labels": {"app": "cars"}}, "host": "cars", "hosts": ["*"]},
        }
        for version, kind in more
    ]
    return [obj for obj in made if (group_of(str(obj["apiVersion"])), obj["kind"]) not in ACCESS]


def test_the_kinds_that_are_not_listed_change_no_plan_and_no_proposal() -> None:
    """Of some of them there are many: of a large mesh, a plan would take longer to read than to make."""
    assert {"Node", "ClusterRole", "EnvoyFilter", "NetworkPolicy", "CustomResourceDefinition"} <= {obj["kind"] for obj in others()}
    wanted, call = intent(egress={"sidecars": True}), Call(f"{AGENCY}/cars", f"{AGENCY}/discounts", account=f"{AGENCY}/cars", method="GET")

    def made(objects: list[dict[str, Any]]) -> tuple[Any, Any]:
        plan = plan_access(read_intent(wanted, DOMAINS), objects, StageSettings(mesh="travel-prod"))
        found = compare_traffic([call], objects, given={}, access=wanted, domains=DOMAINS, detail="methods")
        return [(stage.name, stage.objects, stage.calls) for stage in plan.stages], found

    assert made([*mesh(), *others()]) == made(mesh())


def taken(source: str, *forbidden: str) -> Snapshot:
    said = {key: f"User x may not list {key}" for key in forbidden}
    return Snapshot("west", NOW, source, None, tuple(mesh()), frozenset(), said)


@pytest.mark.parametrize("source", ["cluster", "snapshot"])
def test_a_part_is_not_taken_for_the_whole(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    found = taken(source, "security.istio.io/v1/AuthorizationPolicy", "v1/Service", "v1/Node")
    monkeypatch.setattr(sources, "read_source", lambda *_args, **_more: found)
    with pytest.raises(Forbidden) as raised:
        sources.read_whole({"source": source, "cluster": "west"}, kinds=ACCESS, family="access", clock=lambda: NOW)
    text = str(raised.value)
    assert text.startswith("cluster west: this login may not read AuthorizationPolicy, Service. ")
    assert "nothing was changed" in text and "mesh_rights_families=access" in text and ROOT not in text


def test_what_nobody_asks_for_may_be_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    found = taken("cluster", "v1/Node", "v1/Secret")
    monkeypatch.setattr(sources, "read_source", lambda *_args, **_more: found)
    assert sources.read_whole({"source": "cluster", "cluster": "west"}, kinds=ACCESS, family="access", clock=lambda: NOW) is found
