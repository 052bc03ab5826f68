# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that a ServiceMeshControlPlane becomes: of the real CRDs' form, with the identities and addresses of before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._migration.plan import MigrationPlan, plan_migration
from ansible_collections.meshops.mesh.plugins.module_utils._migration.settings import MigrationSettings, members_of, plane_of
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import prepare
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from checks.test_malformed import OTHERS, changed, paths

from .schema import problems, schema_of
from .test_convert import REAL, golden, smcp

Obj = dict[str, Any]
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
GROUPS = {
    "sailoperator.io": "sail",
    "kiali.io": "kiali",
    "jaegertracing.io": "jaeger",
    "telemetry.istio.io": "istio",
    "security.istio.io": "istio",
}


def snapshot(*objects: Obj, source: str = "manifests") -> Snapshot:
    return Snapshot("west", NOW, source, None, tuple(objects))


def plan(*objects: Obj, source: str = "manifests", domains: Any = None, **settings: Any) -> MigrationPlan:
    given = MigrationSettings(**({"mesh": "travel-prod", "version": "v1.30.3"} | settings))
    return plan_migration(snapshot(*objects, source=source), given, domains=domains)


def by_name(made: MigrationPlan) -> dict[str, Obj]:
    return {
        f"{obj['kind']} {obj['metadata']['name']}": obj for name, layer in made.layers.items() for obj in layer if name != "migration_final"
    }


def roll(*members: str) -> Obj:
    return {
        "apiVersion": "maistra.io/v1",
        "kind": "ServiceMeshMemberRoll",
        "metadata": {"name": "default", "namespace": "istio-system"},
        "spec": {"members": list(members)},
    }


BIG = smcp(
    mode="ClusterWide",
    tracing={"type": "Jaeger", "sampling": 250},
    security={"dataPlane": {"mtls": True}},
    addons={
        "jaeger": {
            "name": "j",
            "install": {
                "storage": {
                    "type": "Elasticsearch",
                    "elasticsearch": {
                        "nodeCount": 3,
                        "redundancyPolicy": "SingleRedundancy",
                        "storage": {"size": "1Gi"},
                        "indexCleaner": {"enabled": True, "numberOfDays": 7, "schedule": "55 23 * * *"},
                    },
                },
                "ingress": {"enabled": False},
            },
        },
        "kiali": {
            "name": "k",
            "install": {
                "dashboard": {"viewOnly": True, "enableTracing": True},
                "deployment": {
                    "resources": {"requests": {"cpu": "10m"}},
                    "nodeSelector": {"infra": ""},
                    "tolerations": [{"key": "infra"}],
                    "affinity": {
                        "nodeAffinity": {
                            "requiredDuringSchedulingIgnoredDuringExecution": {
                                "nodeSelectorTerms": [{"matchExpressions": [{"key": "infra", "operator": "Exists"}]}]
                            }
                        }
                    },
                },
                "service": {"ingress": {"enabled": True, "contextPath": "/kiali"}},
            },
        },
    },
    gateways={
        "ingress": {
            "service": {
                "type": "LoadBalancer",
                "metadata": {"labels": {"a": "b"}, "annotations": {"lb": "x"}},
                "ports": [{"name": "tls", "port": 8443, "targetPort": 8443}],
            },
            "runtime": {
                "deployment": {"autoScaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 4}},
                "container": {"resources": {"limits": {"cpu": "1"}}, "env": {"A": "1"}},
                "pod": {"tolerations": [{"key": "infra"}], "metadata": {"labels": {"team": "x"}}},
            },
            "volumes": [{"volume": {"secret": {"secretName": "s"}}, "volumeMount": {"name": "s", "mountPath": "/s"}}],
        },
        "egress": {"enabled": False},
        "additionalIngress": {
            "partner": {"enabled": True, "namespace": "edge", "service": {"metadata": {"labels": {"app": "partner", "istio": "partner"}}}},
            "off": {},
        },
        "additionalEgress": {"out": {"enabled": True, "routerMode": "sni-dnat", "requestedNetworkView": ["n1"]}},
    },
)


@pytest.mark.parametrize(
    "plane", [golden("dev"), golden("prod"), smcp(tracing={"type": "Jaeger"}), BIG], ids=["dev", "prod", "empty", "big"]
)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"strategy": "InPlace", "name": "mesh"},
        {"tracing": "opentelemetry", "tracing_host": "otel.observability.svc"},
    ],
    ids=["default", "inplace", "otel"],
)
def test_objects_fit_the_real_crds(plane: Obj, more: Obj) -> None:
    made = plan(plane, roll("shop"), **more)
    checked = 0
    for layer, objects in made.layers.items():
        prepare(objects, mesh="travel-prod", layer=layer)  # names, no object twice
        for obj in objects:
            group, _slash, version = obj["apiVersion"].rpartition("/")
            # a short schema of our own may have no fields
            schema = schema_of(GROUPS[group], obj["kind"], version).get("properties", {}).get("spec") if group in GROUPS else None
            if schema:
                checked += 1
                assert list(problems(obj["spec"], schema)) == [], (layer, obj["kind"])
    assert checked >= (3 if REAL else 1)


def test_travel_of_chapter_three() -> None:
    made = plan(golden("prod"))
    found = by_name(made)
    assert made.plane.ref == "ServiceMeshControlPlane prod-istio-system/production"
    istio = found["Istio production"]["spec"]
    assert istio["namespace"] == "prod-istio-system" and istio["updateStrategy"] == {"type": "RevisionBased"}
    assert istio["values"]["meshConfig"]["discoverySelectors"] == [{"matchLabels": {"istio-discovery": "travel-prod"}}]
    assert istio["values"]["meshConfig"]["extensionProviders"] == [
        {"name": "tracing", "zipkin": {"service": "jaeger-small-production-collector.prod-istio-system.svc.cluster.local", "port": 9411}}
    ]
    telemetry = found["Telemetry mesh-default"]
    assert telemetry["spec"]["tracing"] == [{"providers": [{"name": "tracing"}], "randomSamplingPercentage": 5.0}]
    # the istiod of OSSM 2 knows no provider of that name, and must not read it
    assert telemetry["metadata"]["labels"] == {"istio.io/rev": "production-v1-30-3"}
    final = {obj["kind"]: obj for obj in made.layers["migration_final"]}
    assert "labels" not in final["Telemetry"]["metadata"] and final["PeerAuthentication"]["metadata"]["name"] == "default"
    assert found["PeerAuthentication migration-mtls"]["spec"] == {"mtls": {"mode": "STRICT"}}
    assert found["IstioRevisionTag travel-prod"]["spec"]["targetRef"] == {"kind": "Istio", "name": "production"}
    for name in ("istio-ingressgateway", "istio-egressgateway"):
        pod = found[f"Deployment {name}-injected"]["spec"]["template"]
        assert found[f"Deployment {name}-injected"]["spec"]["replicas"] == 2
        # the identity of before: no policy that names it has to change
        assert pod["spec"]["serviceAccountName"] == f"{name}-service-account"
        selector = found[f"Service {name}"]["spec"]["selector"]
        assert selector.items() <= pod["metadata"]["labels"].items()
        assert pod["metadata"]["labels"]["istio.io/rev"] == "travel-prod"
    assert "Kiali kiali" not in found  # switched off: there is one of its own


def test_on_a_cluster_the_service_keeps_its_ports_and_its_selector() -> None:
    selector = {"app": "istio-ingressgateway", "istio": "ingressgateway", "maistra.io/owner-name": "basic"}
    live = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "istio-ingressgateway", "namespace": "istio-system"},
        "spec": {
            "type": "ClusterIP",
            "selector": selector,
            "ports": [{"name": "mongo", "port": 27017, "targetPort": 27017, "nodePort": 31000}],
        },
    }
    found = by_name(plan(smcp(), live, source="cluster"))
    assert found["Service istio-ingressgateway"]["spec"]["ports"] == live["spec"]["ports"]
    assert found["Service istio-ingressgateway"]["spec"]["selector"] == selector
    assert selector.items() <= found["Deployment istio-ingressgateway-injected"]["spec"]["template"]["metadata"]["labels"].items()
    assert "maistra.io/owner-name" not in found["Service istio-ingressgateway"]["metadata"]["labels"]


def test_the_big_one() -> None:
    made = plan(BIG, roll("shop"))
    found = by_name(made)
    assert "discoverySelectors" not in found["Istio basic"]["spec"]["values"]["meshConfig"]  # the old one sees all as well
    kiali = found["Kiali k"]["spec"]
    assert kiali["deployment"]["view_only_mode"] is True and kiali["deployment"]["affinity"]["node"]
    assert kiali["server"] == {"web_root": "/kiali"} and kiali["external_services"]["tracing"]["enabled"] is True
    jaeger = next(obj for obj in made.layers["migration_final"] if obj["kind"] == "Jaeger")["spec"]
    assert jaeger["strategy"] == "production" and jaeger["storage"]["esIndexCleaner"]["numberOfDays"] == 7
    gateway = found["Deployment istio-ingressgateway-injected"]["spec"]
    assert "replicas" not in gateway and gateway["template"]["metadata"]["labels"]["team"] == "x"
    assert gateway["template"]["spec"]["volumes"] == [{"name": "s", "secret": {"secretName": "s"}}]
    assert found["HorizontalPodAutoscaler istio-ingressgateway-injected"]["spec"]["maxReplicas"] == 4
    assert found["Service istio-ingressgateway"]["spec"]["type"] == "LoadBalancer"
    assert found["Deployment partner-injected"]["metadata"]["namespace"] == "edge"
    env = found["Deployment out-injected"]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "ISTIO_META_ROUTER_MODE", "value": "sni-dnat"} in env
    assert not [name for name in found if "egressgateway" in name or "off" in name.split()[1]]


def test_network_policies_of_the_same_effect_by_a_label_that_stays() -> None:
    made = plan(smcp(), roll("shop", "pay"))
    names = sorted(f"{obj['metadata']['namespace']}/{obj['metadata']['name']}" for obj in made.layers["migration_networks"])
    assert names == [
        "istio-system/mesh-expose-route",
        "istio-system/mesh-istio-ingressgateway",
        "istio-system/mesh-istiod",
        "istio-system/mesh-members",
        *(f"{space}/mesh-{what}" for space in ("pay", "shop") for what in ("expose-route", "members")),
    ]
    assert "maistra.io/member-of" not in str(made.layers["migration_networks"])
    assert plan(smcp(security={"manageNetworkPolicy": False})).layers["migration_networks"] == []


def test_each_ingress_gateway_stays_open_also_additional_ones() -> None:
    found = {obj["metadata"]["name"]: obj for obj in plan(BIG).layers["migration_networks"]}
    assert found["mesh-partner"]["metadata"]["namespace"] == "edge"
    assert found["mesh-partner"]["spec"]["podSelector"] == {"matchLabels": {"app": "partner", "istio": "partner"}}
    assert found["mesh-istio-ingressgateway"]["spec"]["ingress"] == [{}] and "mesh-out" not in found


OWNED = {"labels": {"maistra.io/owner": "istio-system"}}


def test_a_kiali_of_somebody_else_is_left_as_it_is_and_the_operators_is_taken_over() -> None:
    theirs = {"apiVersion": "kiali.io/v1alpha1", "kind": "Kiali", "metadata": {"name": "kiali", "namespace": "istio-system"}, "spec": {}}
    operators = {**theirs, "metadata": {**theirs["metadata"], **OWNED}}
    assert plan(smcp(), theirs, source="cluster").layers["migration_observability"] == []
    assert len(plan(smcp(), operators, source="cluster").layers["migration_observability"]) == 1


def test_a_jaeger_is_made_only_where_nobody_has_it() -> None:
    there = {"apiVersion": "jaegertracing.io/v1", "kind": "Jaeger", "metadata": {"name": "jaeger", "namespace": "istio-system"}, "spec": {}}

    def kinds(made: MigrationPlan) -> set[str]:
        return {obj["kind"] for obj in made.layers["migration_final"]}

    traced = smcp(tracing={"type": "Jaeger"})
    assert "Jaeger" in kinds(plan(traced)) and "Jaeger" in kinds(plan(smcp(version="v2.5")))
    assert "Jaeger" not in kinds(plan(traced, there)) | kinds(plan(traced, there, source="cluster")) | kinds(plan(traced, source="cluster"))
    assert "Jaeger" not in kinds(plan(smcp(version="v2.6"))) | kinds(plan(smcp())), "off by default in 2.6, or not known"


def test_a_telemetry_for_the_mesh_that_is_there_goes_on() -> None:
    meta = {"name": "all", "namespace": "istio-system"}
    theirs = {
        "apiVersion": "telemetry.istio.io/v1alpha1",
        "kind": "Telemetry",
        "metadata": meta,
        "spec": {"tracing": [{"providers": [{"name": "otel"}]}]},
    }
    assert "Telemetry" not in str(plan(smcp(), theirs, source="cluster").layers["migration_mesh"])


def test_a_second_mesh_uses_the_cni_that_is_there() -> None:
    cni = {"apiVersion": "sailoperator.io/v1", "kind": "IstioCNI", "metadata": {"name": "default"}, "spec": {}}
    assert "IstioCNI default" not in by_name(plan(smcp(), cni, source="cluster"))


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        ([], "found none, expected one; there are: none"),
        ([smcp(), {**smcp(), "metadata": {"name": "other", "namespace": "b"}}], "found istio-system/basic, b/other, expected one"),
        ([{**smcp(), "apiVersion": "maistra.io/v1"}], "is maistra.io/v1, expected maistra.io/v2"),
    ],
)
def test_the_control_plane_has_to_be_clear(objects: list[Obj], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        plan(*objects)


def test_one_of_several_is_named() -> None:
    both = [smcp(), {**smcp(), "metadata": {"name": "other", "namespace": "b"}}]
    for wish in ({"name": "other"}, {"namespace": "b"}, {"name": "other", "namespace": "b"}):
        found = plane_of(snapshot(*both), **wish)
        assert (found.name, found.namespace) == ("other", "b")
    with pytest.raises(ConfigError, match="found none, expected one; there are: b/other, istio-system/basic"):
        plane_of(snapshot(*both), name="other", namespace="istio-system")


def test_members_are_those_of_rolls_of_members_and_of_labels() -> None:
    def member(space: str, home: str) -> Obj:
        spec = {"controlPlaneRef": {"namespace": home, "name": "basic"}}
        return {
            "apiVersion": "maistra.io/v1",
            "kind": "ServiceMeshMember",
            "metadata": {"name": "default", "namespace": space},
            "spec": spec,
        }

    labelled = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "old", "labels": {"maistra.io/member-of": "istio-system"}}}
    found = snapshot(smcp(), roll("shop", "*"), member("pay", "istio-system"), member("far", "elsewhere"), labelled)
    assert sorted(members_of(found, plane_of(found))) == ["old", "pay", "shop"]


@pytest.mark.parametrize(
    ("pilot", "expected"),
    [
        ({}, {"enabled": False}),
        ({"deployment": {"replicas": 1}}, {"enabled": False}),
        ({"deployment": {"replicas": 2}}, None),
        ({"deployment": {"replicas": 1, "autoScaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 3}}}, None),
    ],
)
def test_a_budget_of_one_pod_is_not_made(pilot: Obj, expected: Obj | None) -> None:
    found = by_name(plan(smcp(runtime={"components": {"pilot": pilot}} if pilot else {})))["Istio basic"]["spec"]["values"]
    assert (found.get("global") or {}).get("defaultPodDisruptionBudget") == expected


def test_discovery_selectors_of_the_old_mesh_are_kept() -> None:
    selectors = [{"matchLabels": {"team": "a"}}]
    found = by_name(plan(smcp(mode="ClusterWide", techPreview={"meshConfig": {"discoverySelectors": selectors}})))
    assert found["Istio basic"]["spec"]["values"]["meshConfig"]["discoverySelectors"] == selectors


def test_where_a_gateway_may_run_and_how_it_scales() -> None:
    avoid = {"podAntiAffinity": {"requiredDuringScheduling": [{"key": "app", "operator": "NotIn", "values": ["db"]}]}}
    runtime = {
        "pod": {"affinity": avoid, "nodeSelector": {"role": "edge"}},
        "deployment": {"autoScaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 6, "targetCPUUtilizationPercentage": 70}},
    }
    volumes = [{"volume": {"emptyDir": {}}}, {"volumeMount": {"name": "x"}}]  # neither is one
    found = by_name(plan(smcp(gateways={"ingress": {"runtime": runtime, "volumes": volumes}})))
    pod = found["Deployment istio-ingressgateway-injected"]["spec"]["template"]["spec"]
    (term,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"]["matchExpressions"] == [{"key": "app", "operator": "NotIn", "values": ["db"]}]
    assert pod["nodeSelector"] == {"role": "edge"} and "volumes" not in pod
    scaled = found["HorizontalPodAutoscaler istio-ingressgateway-injected"]["spec"]
    assert (scaled["minReplicas"], scaled["maxReplicas"]) == (2, 6)
    assert scaled["metrics"] == [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]  # fmt: skip


def test_a_domain_with_a_stranger_is_refused() -> None:
    with pytest.raises(ConfigError, match="ghost is no member of the mesh; members are shop"):
        plan(smcp(), roll("shop"), domains=[{"name": "d", "namespaces": ["shop", "ghost"]}])


def test_members_that_no_domain_names_come_at_the_end() -> None:
    made = plan(smcp(), roll("a", "b", "c"), domains=[{"name": "first", "namespaces": ["c"]}])
    assert [(one.name, one.namespaces) for one in made.domains] == [("first", ("c",)), ("a", ("a",)), ("b", ("b",))]


@pytest.mark.parametrize(("service", "labels"), [
    ({}, {"app": "istio-ingressgateway", "istio": "ingressgateway"}),
    ({"metadata": {"labels": {"serving": "edge"}}}, {"app": "istio-ingressgateway", "istio": "ingressgateway", "serving": "edge"}),
    ({"metadata": {"labels": {"istio": "edge", "zone": "a"}}}, {"app": "istio-ingressgateway", "istio": "edge", "zone": "a"}),
    ({"metadata": {"labels": {"zone": "a"}}, "selector": {"istio": "public"}},
     {"app": "istio-ingressgateway", "istio": "public", "zone": "a"}),
    ({"metadata": {"labels": {"maistra.io/owner": "x", "zone": "a"}}},
     {"app": "istio-ingressgateway", "istio": "ingressgateway", "zone": "a"}),
], ids=["none", "one more", "another istio", "a selector too", "the operator's own"])  # fmt: skip
def test_every_label_of_a_gateway_is_on_service_selector_and_pods(service: Obj, labels: Obj) -> None:
    """So does the chart of OpenShift Service Mesh 2: a Gateway selects by any of them."""
    made = plan(smcp(gateways={"ingress": {"service": service}}))
    objects = {f"{obj['kind']} {obj['metadata']['name']}": obj for layer in made.layers.values() for obj in layer}
    found = objects["Service istio-ingressgateway"]
    assert found["spec"]["selector"] == labels and labels.items() <= found["metadata"]["labels"].items()
    deployment = objects["Deployment istio-ingressgateway-injected"]["spec"]
    assert labels.items() <= deployment["template"]["metadata"]["labels"].items()
    assert labels.items() <= deployment["selector"]["matchLabels"].items()


def test_labels_of_a_service_that_is_there_are_its_selector_s() -> None:
    there = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "istio-ingressgateway", "namespace": "istio-system"},
        "spec": {"selector": {"istio": "ingressgateway", "serving": "edge"}},
    }
    made = plan(smcp(gateways={"ingress": {"service": {"metadata": {"labels": {"other": "x"}}}}}), there)
    (found,) = [obj for obj in made.layers["migration_services"] if obj["kind"] == "Service" and "ingress" in obj["metadata"]["name"]]
    assert found["spec"]["selector"] == {"istio": "ingressgateway", "serving": "edge"}


def test_a_wrong_type_is_converted_around_or_named() -> None:
    """Never an error of Python: a file says what it likes."""
    objects, number, named = [BIG, roll("shop")], 0, 0
    for index, one in enumerate(objects):
        for path in paths(one):
            number += 1
            value = OTHERS[number % len(OTHERS)]
            try:
                plan(*objects[:index], changed(one, path, value), *objects[index + 1 :])
            except MeshError as exc:
                named += "does not have the structure of its kind" in str(exc)
                assert "an object of the source" not in str(exc), (path, value, exc)
    assert named
