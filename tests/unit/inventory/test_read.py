# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of meshes that somebody else installed: what the variables say, what is named, and what is never written."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_variables_info import variables_of
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, Forbidden
from ansible_collections.meshops.mesh.plugins.module_utils._inventory.read import read_mesh
from ansible_collections.meshops.mesh.plugins.module_utils._inventory.rest import Part, applied
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View

Object = dict[str, Any]
OURS = {"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/mesh": "shop", "mesh.meshops.io/layer": "control_plane"}


def obj(api_version: str, kind: str, name: str, namespace: str = "", *, labels: dict[str, str] | None = None, **rest: Any) -> Object:
    meta = {"name": name, **({"namespace": namespace} if namespace else {}), **({"labels": labels} if labels else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **rest}


def istio(name: str = "default", **spec: Any) -> Object:
    spec = {"version": "v1.28.3", "namespace": "istio-system", **spec}
    return obj("sailoperator.io/v1", "Istio", name, spec=spec, status={"activeRevisionName": name, "state": "Healthy"})


def smcp(name: str = "basic", effective: Object | None = None, **spec: Any) -> Object:
    status = {"appliedSpec": effective} if effective else {}
    spec = {"version": "v2.6", **spec}
    return obj("maistra.io/v2", "ServiceMeshControlPlane", name, "istio-system", spec=spec, status=status)


def namespace(name: str, **labels: str) -> Object:
    return obj("v1", "Namespace", name, labels={key.replace("__", "/").replace("_", "-"): value for key, value in labels.items()})


def subscription(package: str, **spec: Any) -> Object:
    return obj(
        "operators.coreos.com/v1alpha1", "Subscription", package, "openshift-operators", spec={"name": package, "channel": "stable", **spec}
    )


def read(*objects: Object, **choice: str) -> Part:
    return read_mesh(View(Snapshot("west", datetime(2026, 11, 30, tzinfo=UTC), "cluster", "v1.35.0", objects)), **choice)


def said(part: Part) -> str:
    return "\n".join(map(str, part.notes))


def test_sail_without_olm_and_without_a_setting() -> None:
    part = read(istio(), namespace("istio-system"), namespace("shop", istio_injection="enabled"), namespace("other"))
    assert part.variables == {
        "mesh_name": "default",
        "mesh_provider": "sail",
        "mesh_operators_provider": "none",
        "mesh_ossm3_version": "v1.28.3",
        "mesh_control_plane": {
            "name": "default",
            "namespace": "istio-system",
            "mtls": {"data_plane": False},
            "ingress": {"enabled": False},
            "egress": {"enabled": False},
            "cni": {"manage": False},
            # what our template says otherwise than Istio does where nobody says anything
            "spec_overrides": {
                "values": {
                    "pilot": {"autoscaleEnabled": True},
                    "global": {"defaultPodDisruptionBudget": {"enabled": True}},
                    "meshConfig": {"discoverySelectors": []},
                }
            },
        },
        "mesh_domains": [{"name": "shop", "namespaces": ["shop"]}],
        "mesh_observability": {"prometheus": {"enabled": False}},
    }
    assert "install_mesh writes Istio default, and refuses that until mesh_adopt names them: mesh_adopt: [Istio default]" in said(part)
    assert "PeerAuthentication istio-system/default: there is none" in said(part)


@pytest.mark.parametrize(("values", "plane", "left"), [
    ({"meshConfig": {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}}, {"outbound_traffic": "REGISTRY_ONLY"}, {}),
    ({"meshConfig": {"trustDomain": "east.example.com"}}, {"trust_domain": "east.example.com"}, {}),
    ({"meshConfig": {"accessLogFile": "/dev/stdout", "accessLogEncoding": "JSON"}},
     {"access_log": {"enabled": True, "encoding": "JSON"}}, {}),
    ({"meshConfig": {"accessLogFile": "/var/log/x"}}, {}, {"meshConfig": {"accessLogFile": "/var/log/x"}}),
    ({"meshConfig": {"accessLogFile": "/dev/stdout", "accessLogFormat": "%X%"}}, {"access_log": {"enabled": True}},
     {"meshConfig": {"accessLogFormat": "%X%"}}),
    ({"meshConfig": {"enableAutoMtls": False}}, {}, {"meshConfig": {"enableAutoMtls": False}}),
    ({"meshConfig": {"enableTracing": True}}, {}, {"meshConfig": {"enableTracing": True}}),
    ({"meshConfig": {"discoverySelectors": [{"matchLabels": {"team": "a"}}]}}, {},
     {"meshConfig": {"discoverySelectors": [{"matchLabels": {"team": "a"}}]}}),
    ({"meshConfig": {"extensionProviders": [{"name": "mine", "zipkin": {"service": "z", "port": 1}}]}}, {},
     {"meshConfig": {"extensionProviders": [{"name": "mine", "zipkin": {"service": "z", "port": 1}}]}}),
    ({"pilot": {"replicaCount": 2}}, {"istiod": {"replicas": 2}}, {"global": None}),
    ({"pilot": {"env": {"A": "1"}, "autoscaleEnabled": False}}, {}, {"pilot": {"env": {"A": "1"}}}),
    ({"pilot": {"env": {"ENABLE_CA_SERVER": "false"}}, "global": {"caAddress": "csr.x.svc:443"}},
     {"certificate_authority": {"type": "istio_csr", "address": "csr.x.svc:443"}}, {}),
    ({"global": {"caAddress": "csr.x.svc:443"}}, {},
     {"global": {"caAddress": "csr.x.svc:443", "defaultPodDisruptionBudget": {"enabled": True}}}),
    ({"cni": {"enabled": True}}, {}, {"cni": {"enabled": True}}),
])  # fmt: skip
def test_a_setting_is_a_variable_or_stays_an_override(values: Object, plane: Object, left: Object) -> None:
    base: Object = {
        "pilot": {"autoscaleEnabled": True},
        "global": {"defaultPodDisruptionBudget": {"enabled": True}},
        "meshConfig": {"discoverySelectors": []},
    }
    found = read(istio(values=values)).variables["mesh_control_plane"]
    assert {key: found.get(key) for key in plane} == plane
    expected = {key: value for key, value in {**base, **left}.items() if value is not None}
    expected["meshConfig"] = {**base["meshConfig"], **left.get("meshConfig", {})}
    assert found["spec_overrides"]["values"] == expected


def test_settings_that_maistra_has_and_we_have_no_word_for_are_named_and_kept() -> None:
    tech = {"techPreview": {"errored": {"message": "x"}}, "policy": {"type": "Istiod"}, "telemetry": {"type": "Istiod"}}
    part = read(
        smcp(
            proxy={"accessLogging": {"file": {"name": "/dev/stdout"}}, "concurrency": 4},
            runtime={"components": {"pilot": {"container": {"env": {"PILOT_X": "1"}}}}},
            gateways={"additionalIngress": {"edge": {"enabled": True, "namespace": "edge"}}, "openshiftRoute": {"enabled": True}},
            addons={"kiali": {"enabled": True, "name": "my-kiali"}, "grafana": {"enabled": False}, "prometheus": {"enabled": True}},
            **tech,
        ),
        subscription("servicemeshoperator"),
    )
    plane = part.variables["mesh_control_plane"]
    assert plane["access_log"] == {"enabled": True} and plane["mtls"] == {"data_plane": False}
    assert plane["spec_overrides"] == {
        **tech,
        "proxy": {"concurrency": 4},
        "runtime": {"components": {"pilot": {"container": {"env": {"PILOT_X": "1"}}}}},
        "gateways": {"additionalIngress": {"edge": {"enabled": True, "namespace": "edge"}}, "openshiftRoute": {"enabled": True}},
        "addons": {"kiali": {"name": "my-kiali"}},
    }
    named = said(part)
    for path in ("proxy.concurrency", "techPreview.errored.message", "gateways.additionalIngress.edge.namespace"):
        assert f"ServiceMeshControlPlane istio-system/basic spec.{path}: no variable has a word for it" in named
    for path in ("addons.kiali.name", "gateways.openshiftRoute.enabled"):
        assert f"ServiceMeshControlPlane istio-system/basic spec.{path}: install_mesh would write another value, so what holds now" in named
    assert part.variables["mesh_observability"] == {"kiali": {"enabled": True}}
    assert (
        "mesh_operators_provider" not in part.variables and "Subscription openshift-operators/servicemeshoperator: it is somebody" in named
    )


def test_a_roll_that_chooses_by_labels_is_named() -> None:
    roll = obj("maistra.io/v1", "ServiceMeshMemberRoll", "default", "istio-system",
               spec={"memberSelectors": [{"matchLabels": {"mesh": "yes"}}]}, status={"configuredMembers": ["shop", "stock"]})  # fmt: skip
    part = read(smcp(), roll, namespace("shop"), namespace("stock"))
    assert [row["name"] for row in part.variables["mesh_domains"]] == ["shop", "stock"]
    assert "ServiceMeshMemberRoll istio-system/default spec.memberSelectors: no variable has a word for it" in said(part)
    assert "mesh_adopt: [ServiceMeshControlPlane istio-system/basic, ServiceMeshMemberRoll istio-system/default]" in said(part)


def test_what_the_operator_has_made_of_silence_counts() -> None:
    effective = {"tracing": {"type": "Jaeger", "sampling": 10000}, "security": {"dataPlane": {"mtls": True}},
                 "proxy": {"networking": {"trafficControl": {"outbound": {"policy": "REGISTRY_ONLY"}}}},
                 "addons": {"prometheus": {"enabled": False}}, "gateways": {"egress": {"enabled": False}}}  # fmt: skip
    plane = read(smcp(effective=effective)).variables["mesh_control_plane"]
    assert plane == {
        "name": "basic", "namespace": "istio-system", "tracing": {"provider": "jaeger", "sampling": 100.0},
        "outbound_traffic": "REGISTRY_ONLY", "egress": {"enabled": False},
    }  # fmt: skip


@pytest.mark.parametrize(("version", "override"), [("v2.4", {"gateways": {"openshiftRoute": {"enabled": True}}}), ("v2.5", None)])
def test_routes_that_the_operator_makes_are_kept(version: str, override: Object | None) -> None:
    assert read(smcp(version=version)).variables["mesh_control_plane"].get("spec_overrides") == override


def test_what_may_be_a_secret_is_named_and_not_written() -> None:
    part = read(
        istio(values={"global": {"remotePilotPassword": "hunter2-hunter2", "meshID": "west"}, "pilot": {"env": {"DB_TOKEN": "hunter2-x"}}})
    )
    assert "hunter2" not in repr(part)
    assert "Istio default spec.values.pilot.env.DB_TOKEN: it may be a secret" in said(part)
    assert "Istio default spec.values.global.remotePilotPassword: it may be a secret" in said(part)
    assert part.variables["mesh_control_plane"]["spec_overrides"]["values"]["global"]["meshID"] == "west"


@pytest.mark.parametrize(("objects", "choice", "text"), [
    ([], {}, "control planes are none; expected exactly one"),
    ([istio("a"), istio("b", namespace="b")], {}, "b/b (sail), istio-system/a (sail); expected exactly one"),
    ([istio("a"), istio("b", namespace="b")], {"name": "c"}, "expected */c. Name one by control_plane (init_inventory_control_plane)"),
    ([obj("apps/v1", "Deployment", "istiod", "istio-system", labels={"app": "istiod", "istio.io/rev": "default"}, spec={
        "template": {"metadata": {"labels": {"app": "istiod"}}, "spec": {"containers": [{"name": "discovery", "args": ["discovery"]}]}}})],
     {}, "was installed without an operator (istioctl or Helm)"),
])  # fmt: skip
def test_a_mesh_that_is_not_clear_is_refused(objects: list[Object], choice: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(*objects, **choice)
    assert text in str(caught.value)


@pytest.mark.parametrize(("kind", "read_whole"), [
    ("rbac.authorization.k8s.io/v1/RoleBinding", False), ("rbac.authorization.k8s.io/v1/ClusterRoleBinding", False),
    ("v1/Namespace", False), ("v1/PersistentVolumeClaim", False), ("networking.istio.io/v1/Gateway", False),
    ("v1/Secret", True), ("v1/Node", True),
])  # fmt: skip
def test_what_may_not_be_read_does_not_count_as_not_there(tmp_path: Path, kind: str, read_whole: bool) -> None:
    """The first run with such an inventory would take people's rights away."""
    path = tmp_path / "west.json"
    moment = datetime(2026, 11, 30, tzinfo=UTC)
    Snapshot("west", moment, "cluster", "v1.35.0", (istio(),), forbidden={kind: "cannot list"}).save(path)
    params = {"source": "snapshot", "path": str(path), "cluster": "west", "control_plane": None, "mesh": None}
    if read_whole:
        assert variables_of(params, clock=lambda: moment)[1].variables["mesh_name"] == "default"
        return
    with pytest.raises(Forbidden, match=f"may not read {kind.rpartition('/')[2]}.*mesh_rights_families=inventory"):
        variables_of(params, clock=lambda: moment)


def test_one_of_several_is_chosen_and_called_as_wanted() -> None:
    part = read(istio("a"), istio("b", namespace="b"), name="b", mesh="west")
    assert (part.variables["mesh_name"], part.variables["mesh_control_plane"]["namespace"]) == ("west", "b")


def test_what_is_ambient_or_of_others_is_named() -> None:
    part = read(
        istio(),
        obj("sailoperator.io/v1", "ZTunnel", "default", spec={"version": "v1.28.3", "namespace": "ztunnel"}),
        obj("v1", "Namespace", "calm", labels={"istio.io/dataplane-mode": "ambient"}),
        obj("kiali.io/v1alpha1", "Kiali", "kiali", "istio-system", spec={}),
        obj("networking.istio.io/v1", "Gateway", "theirs", "istio-system", spec={"selector": {"istio": "ingressgateway"}, "servers": []}),
    )
    assert "ZTunnel default: no variable has a word for it" in said(part)
    assert "members: calm: in ambient mode, which no variable says" in said(part)
    assert "Kiali istio-system/kiali: it is somebody else's" in said(part)
    assert "Gateway istio-system/theirs: mesh_gateways does not say it" in said(part)
    assert "kiali" not in part.variables["mesh_observability"] and "mesh_gateways" not in part.variables


def application(name: str = "web", version: str = "v1", **container: Any) -> Object:
    labels = {**OURS, "mesh.meshops.io/layer": "workloads", "app": name, "version": version}
    container = {"name": name, "image": f"quay.io/example/{name}:1", **container}
    return obj(
        "apps/v1", "Deployment", f"{name}-{version}", "shop", labels=labels, spec={"template": {"spec": {"containers": [container]}}}
    )


SERVICE = obj("v1", "Service", "web", "shop", labels=OURS, spec={"ports": [{"name": "http", "port": 80}]})


@pytest.mark.parametrize(("objects", "why"), [
    ([application(), SERVICE], ""),
    ([application(resources={"requests": {"cpu": "10m"}}), SERVICE], ""),
    ([application(env=[{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}]), SERVICE], "takes KEY from a Secret"),
    ([application(env=[{"name": "DB_PASSWORD", "value": "hunter2"}]), SERVICE], "DB_PASSWORD of Deployment shop/web-v1 may be a secret"),
    ([application(envFrom=[{"secretRef": {"name": "x"}}]), SERVICE], "has more than an application of the inventory says"),
    ([application()], "Service shop/web has no port"),
    ([application(env=[{"name": "A", "value": "1"}]), application(version="v2"), SERVICE], "has less in its environment"),
])  # fmt: skip
def test_applications_are_written_all_or_none(objects: list[Object], why: str) -> None:
    part = read(istio() | {"metadata": {"name": "default", "labels": OURS}}, *objects)
    assert "hunter2" not in repr(part)
    if why:
        assert "mesh_workloads" not in part.variables and why in said(part) and "leaves as they are: Deployment shop/web-v1" in said(part)
    else:
        resources = objects[0]["spec"]["template"]["spec"]["containers"][0].get("resources", {})
        row = {"name": "web", "image": "quay.io/example/web:1", "port": 80, "resources": resources}
        assert part.variables["mesh_workloads"] == [{"namespace": "shop", "applications": [row]}]


def virtual_service(**route: Any) -> Object:
    http = {"name": "shop-web-1", "match": [{"uri": {"prefix": "/"}}],
            "route": [{"destination": {"host": "web.shop.svc.cluster.local", "port": {"number": 80}}}], **route}  # fmt: skip
    return obj("networking.istio.io/v1", "VirtualService", "web", "istio-system", labels=OURS,
               spec={"hosts": ["web.example.com"], "gateways": ["web"], "http": [http]})  # fmt: skip


@pytest.mark.parametrize(("route", "kept"), [
    ({}, True),
    ({"timeout": "3s"}, False),
    ({"route": [{"destination": {"host": "web.shop.svc.cluster.local", "port": {"number": 80}}, "weight": 90}]}, False),
    ({"match": [{"uri": {"exact": "/"}}]}, False),
])  # fmt: skip
def test_a_route_that_somebody_changed_is_not_written_as_if_nobody_had(route: Object, kept: bool) -> None:
    server = {"port": {"number": 80, "name": "http-80", "protocol": "HTTP"}, "hosts": ["web.example.com"]}
    gateway = obj("networking.istio.io/v1", "Gateway", "web", "istio-system", labels=OURS,
                  spec={"selector": {"istio": "ingressgateway"}, "servers": [server]})  # fmt: skip
    plane = istio() | {"metadata": {"name": "default", "labels": OURS}}
    part = read(plane, gateway, virtual_service(**route))
    assert ("mesh_gateways" in part.variables) is kept
    assert ("Gateway istio-system/web: mesh_gateways does not say it" in said(part)) is not kept


def test_of_an_object_of_ours_only_what_we_have_applied_counts() -> None:
    fields = {"f:metadata": {"f:labels": {"f:app.kubernetes.io/managed-by": {}}},
              "f:spec": {"f:version": {}, "f:values": {"f:pilot": {"f:replicaCount": {}}}}}  # fmt: skip
    raw = istio(profile="openshift", values={"pilot": {"replicaCount": 2, "cni": {"enabled": True}}})
    raw["metadata"] |= {"labels": OURS, "managedFields": [{"manager": "meshops.mesh", "operation": "Apply", "fieldsV1": fields}]}
    assert applied(raw) == {"version": "v1.28.3", "values": {"pilot": {"replicaCount": 2}}}
    raw["metadata"]["managedFields"][0]["manager"] = "kubectl"  # a copy
    assert applied(raw) == raw["spec"]


def test_a_plan_that_is_approved_by_hand_goes_no_further_than_what_is_there() -> None:
    labels = {**OURS, "mesh.meshops.io/mesh": "operators"}
    row = subscription("sailoperator", source="community-operators", installPlanApproval="Manual", channel="1.28")
    row |= {"metadata": {**row["metadata"], "labels": labels}, "status": {"installedCSV": "sailoperator.v1.28.3"}}
    found = read(istio(), row).variables
    assert found["mesh_operators_approval"] == "Manual"
    assert found["mesh_operators_channels"] == {"sailoperator": "1.28"}
    assert found["mesh_operators_versions"] == {"sailoperator": "sailoperator.v1.28.3"}
