# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of the played Maistra operator."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.operators.maistra_objects import addon_objects, istiod_objects, mtls_objects, replicas_ready, routes
from testbed.operators.maistra_rules import (
    DONE,
    PAUSING,
    WORKING,
    Member,
    components_of,
    failed,
    gateways,
    member_status,
    members_of,
    mesh_status,
    readiness,
    roll_status,
    smcp_status,
    spec_error,
    sweep,
)

NOW = "2026-01-01T00:00:00Z"
OFF: dict[str, Any] = {
    "tracing": {"type": "None"},
    "addons": {"kiali": {"enabled": False}, "grafana": {"enabled": False}, "prometheus": {"enabled": False}},
}


def smcp(generation: int = 1, spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "maistra.io/v2",
        "kind": "ServiceMeshControlPlane",
        "spec": OFF if spec is None else spec,
        "status": status,
        "metadata": {"name": "basic", "namespace": "mesh", "generation": generation, "uid": "u"},
    }


def shown(status: dict[str, Any]) -> dict[str, str]:
    return {c["type"]: f"{c['status']}/{c.get('reason', '')}" for c in status["conditions"]}


def test_stages_of_an_install_and_an_update() -> None:
    names = components_of(OFF)
    first = smcp_status(smcp(), WORKING, None, now=NOW)
    assert shown(first) == {k: "False/ResourceCreated" for k in ("Installed", "Reconciled", "Ready")}
    here = readiness(names, ["istio-discovery"], ["istio-discovery"])
    paused = smcp_status(smcp(**first), PAUSING, here, now=NOW)
    assert shown(paused) == {"Installed": "False/ResourceCreated", "Reconciled": "False/PausingInstall", "Ready": "False/PausingInstall"}
    assert paused["readiness"]["components"] == {
        "pending": ["istio-egress", "istio-ingress", "mesh-config", "telemetry-common"],
        "ready": [],
        "unready": ["istio-discovery"],
    }
    assert "observedGeneration" not in paused
    done = smcp_status(smcp(**paused), DONE, readiness(names, names, []), now=NOW)
    assert shown(done) == {"Installed": "True/InstallSuccessful", "Reconciled": "True/InstallSuccessful", "Ready": "True/ComponentsReady"}
    assert (done["observedGeneration"], done["annotations"]["readyComponentCount"]) == (1, "5/5")
    update = smcp_status(smcp(2, **done), WORKING, None, now=NOW)
    assert shown(update) == {"Installed": "True/InstallSuccessful", "Reconciled": "False/SpecUpdated", "Ready": "False/SpecUpdated"}
    assert update["observedGeneration"] == 1
    assert update["conditions"][2]["message"] == "Updating mesh from generation 1 to generation 2"
    again = smcp_status(smcp(2, **update), DONE, readiness(names, names, []), now=NOW)
    assert shown(again)["Reconciled"] == "True/UpdateSuccessful"


def test_an_error_keeps_installed_and_the_observed_generation() -> None:
    names = components_of(OFF)
    done = smcp_status(smcp(), DONE, readiness(names, names, []), now=NOW)
    broken = failed(smcp(2, **done), "why", now=NOW)
    assert shown(broken) == {"Installed": "True/InstallSuccessful", "Reconciled": "False/ReconcileError", "Ready": "False/ReconcileError"}
    assert broken["observedGeneration"] == 1


def test_between_rounds_only_ready_moves() -> None:
    names = components_of(OFF)
    done = smcp_status(smcp(), DONE, readiness(names, names, []), now=NOW)
    down = mesh_status(smcp(**done), readiness(names, names, ["istio-discovery"]), now=NOW)
    assert shown(down) == {
        "Installed": "True/InstallSuccessful",
        "Reconciled": "True/InstallSuccessful",
        "Ready": "False/ComponentsNotReady",
    }
    assert shown(mesh_status(smcp(**down), readiness(names, names, []), now=NOW))["Ready"] == "True/ComponentsReady"


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({"version": "v9.9"}, "invalid Version specified; supported versions are: [v2.2 v2.3 v2.4 v2.5 v2.6]"),
        ({"version": "v2.5", "profiles": ["nosuch"]}, "/default-templates/v2.5/nosuch: no such file or directory"),
        ({"version": "v2.6", "profiles": ["default"]}, ""),
        ({}, ""),
    ],
)
def test_errors_of_the_spec(spec: dict[str, Any], part: str) -> None:
    assert spec_error(spec).endswith(part) and bool(spec_error(spec)) is bool(part)


def test_gateways_and_their_objects() -> None:
    spec = {
        **OFF,
        "version": "v2.6",
        "gateways": {
            "ingress": {"runtime": {"deployment": {"replicas": 2}}},
            "egress": {"enabled": False},
            "additionalIngress": {
                "partner": {"enabled": True, "runtime": {"deployment": {"autoScaling": {"enabled": True, "minReplicas": 3}}}},
                "said-nothing": {},
            },
        },
    }
    assert [(c, n) for c, n, _s in gateways(spec)] == [("istio-ingress", "istio-ingressgateway"), ("istio-ingress", "partner")]
    parts = istiod_objects(smcp(spec=spec), gateways(spec), "ROOT")
    replicas = {o["metadata"]["name"]: o["spec"]["replicas"] for _c, o in parts if o["kind"] == "Deployment"}
    assert replicas == {"istiod-basic": 1, "istio-ingressgateway": 2, "partner": 3}
    assert [o["metadata"]["name"] for _c, o in routes(smcp(spec=spec), parts)] == ["istio-ingressgateway", "partner"]
    closed = {**spec, "gateways": {**spec["gateways"], "openshiftRoute": {"enabled": False}}}
    assert routes(smcp(spec=closed), parts) == []
    assert gateways({"gateways": {"enabled": False}}) == []
    edge = next(o for _c, o in parts if o["kind"] == "Deployment" and o["metadata"]["name"] == "partner")["spec"]["template"]["spec"]
    assert edge["serviceAccountName"] == "partner-service-account" and edge["containers"][0]["args"][:2] == ["proxy", "router"]


def test_mutual_tls_of_the_data_plane_is_a_policy_and_rules_that_name_it() -> None:
    parts = mtls_objects(smcp(spec={"security": {"dataPlane": {"mtls": True}}}))
    made = {f"{o['kind']} {o['metadata']['name']}": o["spec"] for _c, o in parts}
    assert made["PeerAuthentication default"] == {"mtls": {"mode": "STRICT"}}
    assert made["DestinationRule default"] == {"host": "*.cluster.local", "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}}
    assert made["DestinationRule api-server"]["trafficPolicy"] == {"tls": {"mode": "DISABLE"}}
    assert mtls_objects(smcp()) == [] and mtls_objects(smcp(spec={"security": {"dataPlane": {"mtls": False}}})) == []


def test_addons() -> None:
    full = {"addons": {"jaeger": {"name": "small", "install": {"storage": {"type": "Elasticsearch"}}}}}
    made = [(o["kind"], o["metadata"]["name"]) for _c, o in addon_objects(smcp(spec=full))]
    assert made == [
        ("Deployment", "prometheus"),
        ("Service", "prometheus"),
        ("Deployment", "grafana"),
        ("Service", "grafana"),
        ("Jaeger", "small"),
        ("Kiali", "kiali"),
    ]
    assert addon_objects(smcp(spec=OFF)) == []
    assert components_of({}) == [
        "istio-discovery",
        "mesh-config",
        "telemetry-common",
        "prometheus",
        "tracing",
        "istio-ingress",
        "istio-egress",
        "grafana",
        "kiali",
    ]


@pytest.mark.parametrize(
    ("status", "replicas", "wanted"),
    [
        ({"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1}, 1, True),
        ({"observedGeneration": 0, "updatedReplicas": 1, "availableReplicas": 1}, 1, False),
        ({"observedGeneration": 1, "updatedReplicas": 1}, 1, False),
        ({"observedGeneration": 1}, 0, True),
    ],
)
def test_nothing_wanted_is_ready(status: dict[str, int], replicas: int, wanted: bool) -> None:
    assert replicas_ready({"metadata": {"generation": 1}, "spec": {"replicas": replicas}, "status": status}) is wanted


def roll(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "default", "namespace": "mesh", "generation": 1}, "spec": spec}


def test_members_by_name_by_selector_and_by_member() -> None:
    spaces = {"a": {"team": "x"}, "b": {}, "mesh": {"team": "x"}}
    found = members_of(roll(members=["b", "mesh"], memberSelectors=[{"matchLabels": {"team": "x"}}]), spaces, ["shop"])
    assert found == ["a", "b", "shop"]
    assert not sweep({"a": "b"}, [{}]) and sweep({"a": "b"}, [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}])


@pytest.mark.parametrize(
    ("members", "mesh", "reason", "pending"),
    [
        ([Member("a", configured=True)], None, "ErrSMCPMissing", ["a"]),
        ([Member("a")], smcp(), "ReconcileError", ["a"]),
        ([Member("a", configured=True), Member("b", exists=False)], smcp(), "ReconcileError", ["b"]),
        ([Member("a", configured=True)], smcp(), "Configured", []),
        ([Member("a", configured=True, generation=1)], smcp(observedGeneration=2), "ReconcileError", ["a"]),
        ([Member("a", configured=True, other="mesh2/basic")], smcp(), "ReconcileError", ["a"]),
    ],
)
def test_member_roll(members: list[Member], mesh: dict[str, Any] | None, reason: str, pending: list[str]) -> None:
    status = roll_status(roll(), members, mesh, now=NOW)
    assert (status["conditions"][0]["reason"], status["pendingMembers"]) == (reason, pending)
    assert status.get("meshGeneration") == ((mesh or {}).get("status", {}).get("observedGeneration"))


def test_a_generation_more_leaves_the_members_configured() -> None:
    status = roll_status(roll(), [Member("a", configured=True, generation=1)], smcp(observedGeneration=2), now=NOW)
    assert (status["configuredMembers"], status["pendingMembers"]) == (["a"], ["a"])


def test_member_conditions_have_no_reason_when_true() -> None:
    member = {"metadata": {"generation": 1}}
    good = member_status(member, smcp(observedGeneration=3), terminating=False, now=NOW)
    assert all(set(c) == {"type", "status", "lastTransitionTime"} for c in good["conditions"]) and good["meshGeneration"] == 3
    assert shown(member_status(member, None, terminating=False, now=NOW))["Ready"] == "False/ErrorControlPlaneMissing"
    assert shown(member_status(member, smcp(), terminating=True, now=NOW))["Ready"] == "False/ErrorConfiguringNamespace"


def test_null_is_an_empty_list() -> None:
    """The API gives null where a list was never filled."""
    null = smcp(conditions=None, components=None)
    components = readiness(components_of(OFF), ["istio-discovery"], [])
    assert shown(smcp_status(null, WORKING, components, now=NOW))["Installed"] == "False/ResourceCreated"
    assert shown(failed(null, "no", now=NOW))["Ready"] == "False/ReconcileError"
    rows = smcp(components=[{"resource": "istio-discovery", "conditions": None}])
    assert smcp_status(rows, DONE, components, now=NOW)["components"][0]["conditions"]
    roll = {"metadata": {"generation": 1}, "spec": {"members": []}, "status": {"conditions": None, "memberStatuses": None}}
    assert roll_status(roll, [], smcp(), now=NOW)["conditions"]
    member = {"metadata": {"generation": 1}, "spec": {}, "status": {"conditions": None}}
    assert member_status(member, None, terminating=False, now=NOW)["conditions"]
