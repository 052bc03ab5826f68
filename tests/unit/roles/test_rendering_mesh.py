# SPDX-License-Identifier: GPL-3.0-or-later
"""The travel meshes, rendered for both generations, against golden files; refresh them with UPDATE_GOLDEN=1."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from rendering import Rendered, render

ROLES = ["control_plane", "membership", "observability", "gateways"]
GOLDEN = Path(__file__).parent / "golden"
LAYERS = {
    "ossm3": {"control_plane_namespaces", "control_plane", "control_plane_gateways", "membership", "tracing", "observability", "gateways"},
    "ossm2": {"control_plane_namespaces", "control_plane", "membership", "tracing", "gateways"},
}


@pytest.fixture(scope="module", params=["ossm2", "ossm3"])
def travel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Rendered]]:
    rendered = render(tmp_path_factory.mktemp(request.param), ROLES, mesh_provider=request.param)
    assert rendered.code == 0, rendered.output[-3000:]
    yield request.param, rendered


@pytest.mark.parametrize("host", ["dev", "prod"])
def test_golden(travel: tuple[str, Rendered], host: str) -> None:
    provider, rendered = travel
    objects = {layer: rendered.objects(host, layer) for layer in sorted(rendered.layers(host))}
    text = yaml.safe_dump(objects, sort_keys=True, width=140)
    golden = GOLDEN / f"travel-{host}-{provider}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert yaml.safe_load(golden.read_text(encoding="utf-8")) == objects


def test_a_run_warns_of_nothing(travel: tuple[str, Rendered]) -> None:
    assert "[WARNING]" not in travel[1].output


def test_layers(travel: tuple[str, Rendered]) -> None:
    provider, rendered = travel
    assert rendered.layers("dev") == LAYERS[provider]


def test_production_says_what_chapter_three_asks_for(travel: tuple[str, Rendered]) -> None:
    provider, rendered = travel
    plane = rendered.objects("prod", "control_plane")
    prometheus = rendered.objects("prod", "observability")["Deployment prod-istio-system/prometheus"]["spec"]["template"]["spec"]
    assert "--storage.tsdb.retention.time=7d" in prometheus["containers"][0]["args"]
    tracing = rendered.objects("prod", "tracing")
    if provider == "ossm2":
        jaeger = tracing["Jaeger prod-istio-system/jaeger-small-production"]["spec"]
        assert jaeger["storage"]["elasticsearch"]["nodeCount"] == 1
        assert jaeger["storage"]["elasticsearch"]["redundancyPolicy"] == "ZeroRedundancy"
        assert jaeger["storage"]["elasticsearch"]["storage"] == {"size": "1Gi"}
        assert jaeger["storage"]["esIndexCleaner"]["numberOfDays"] == 7
        spec = plane["ServiceMeshControlPlane prod-istio-system/production"]["spec"]
        assert spec["tracing"] == {"type": "Jaeger", "sampling": 500}
        assert spec["proxy"]["networking"]["trafficControl"]["outbound"]["policy"] == "REGISTRY_ONLY"
        assert spec["runtime"]["components"]["pilot"]["deployment"]["replicas"] == 2
        assert {spec["gateways"][name]["runtime"]["deployment"]["replicas"] for name in ("ingress", "egress")} == {2}
        return
    # The chapter's Jaeger has no operator any more: a volume of the same size for the same seven days, by Tempo.
    assert sorted(tracing) == ["OpenTelemetryCollector prod-istio-system/otel", "TempoMonolithic prod-istio-system/small-production"]
    tempo = tracing["TempoMonolithic prod-istio-system/small-production"]["spec"]
    assert tempo["storage"]["traces"] == {"backend": "pv", "size": "1Gi"}
    assert tempo["extraConfig"]["tempo"]["compactor"]["compaction"]["block_retention"] == "168h"
    collector = tracing["OpenTelemetryCollector prod-istio-system/otel"]["spec"]["config"]
    assert collector["exporters"]["otlp"]["endpoint"] == "tempo-small-production.prod-istio-system.svc.cluster.local:4317"
    kiali = rendered.objects("prod", "observability")["Kiali prod-istio-system/kiali"]["spec"]["external_services"]["tracing"]
    assert kiali == {
        "enabled": True,
        "provider": "tempo",
        "use_grpc": False,
        "internal_url": "http://tempo-small-production.prod-istio-system.svc.cluster.local:3200",
    }
    spec = plane["Istio production"]["spec"]
    (provider_of_spans,) = spec["values"]["meshConfig"]["extensionProviders"]
    assert provider_of_spans["opentelemetry"] == {"service": "otel-collector.prod-istio-system.svc.cluster.local", "port": 4317}
    gateways = rendered.objects("prod", "control_plane_gateways")
    assert spec["values"]["meshConfig"]["outboundTrafficPolicy"] == {"mode": "REGISTRY_ONLY"}
    assert spec["values"]["meshConfig"]["discoverySelectors"] == [{"matchLabels": {"istio-discovery": "travel-prod"}}]
    assert spec["values"]["pilot"]["replicaCount"] == 2
    assert gateways["Telemetry prod-istio-system/mesh-default"]["spec"]["tracing"][0]["randomSamplingPercentage"] == 5.0
    assert {obj["spec"]["replicas"] for name, obj in gateways.items() if name.startswith("Deployment")} == {2}
    assert "PodDisruptionBudget prod-istio-system/istio-ingressgateway" in gateways


def test_istio_objects_are_of_a_version_that_the_generation_has(travel: tuple[str, Rendered]) -> None:
    provider, rendered = travel
    versions = {obj["apiVersion"] for host in ("dev", "prod") for obj in rendered.objects(host, "gateways").values()}
    # OpenShift Service Mesh 2.6 is Istio 1.20; v1 came with Istio 1.22.
    wanted = "networking.istio.io/v1beta1" if provider == "ossm2" else "networking.istio.io/v1"
    assert {version for version in versions if "istio.io" in version} == {wanted}


@pytest.mark.parametrize(("host", "label"), [("dev", "dev-basic"), ("prod", "travel-prod")])
def test_members_carry_the_revision_that_injects_them(travel: tuple[str, Rendered], host: str, label: str) -> None:
    provider, rendered = travel
    labels = rendered.objects(host, "membership")[f"Namespace {host}-travel-portal"]["metadata"]["labels"]
    assert labels["mesh.meshops.io/domain"] == "travel-portal"
    assert labels.get("istio.io/rev") == (label if provider == "ossm3" else None)
    assert labels.get("istio-discovery") == (f"travel-{host}" if provider == "ossm3" else None)


# Each by itself is in tests/unit/model/test_plane_refusals.py and tests/unit/olm/test_wanted.py; here the role says all of them at once.
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "ossm2": ({"mesh_provider": "ossm2", "mesh_ossm2_version": "v2.3"}, {
        "update_strategy": "RevisionBased", "cni": {"manage": True}, "mode": "ClusterWide",
        "additional_ingress": [{"name": "edge"}, {"name": "edge"}]}, [
        "mesh_control_plane.additional_ingress has the names edge, edge",
        "mesh_control_plane.update_strategy with the value RevisionBased is not available in ossm2 v2.3",
        "mesh_control_plane.cni is not available in ossm2 v2.3",
        "mesh_control_plane.mode with the value ClusterWide is not available in ossm2 v2.3"]),
    "ossm3": ({"mesh_provider": "ossm3"}, {"mtls": {"control_plane": False}, "tracing": {"provider": "jaeger", "sampling": 500}}, [
        "mesh_control_plane.tracing.sampling is 500", "mesh_control_plane.mtls.control_plane with the value False",
        "mesh_control_plane.tracing.provider: jaeger is not available for ossm3"]),
    "typo": ({"mesh_provider": "ossm3"}, {"istoid": {"replicas": 2}}, ["control_plane_spec.istoid"]),
    "wrong type": ({"mesh_provider": "ossm3"}, {"istiod": {"replicas": "many"}},
                   ["'replicas' is of type str found in 'control_plane_spec -> istiod'"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name_before_anything_is_written(case: str, tmp_path: Path) -> None:
    variables, fields, texts = REFUSED[case]
    plane = {"name": "plane", "namespace": "mesh-system", **fields}
    rendered = render(tmp_path, ["control_plane"], limit="dev", **variables, mesh_control_plane=plane)
    assert rendered.code != 0
    for text in texts:
        assert text in rendered.output.replace("''", "'"), rendered.output[-2000:]
    assert not rendered.tree.exists()


@pytest.mark.parametrize("provider", ["ossm2", "ossm3"])
def test_opentelemetry_has_a_provider_and_a_telemetry_that_uses_it(provider: str, tmp_path: Path) -> None:
    tracing = {"provider": "opentelemetry", "sampling": 20, "service": {"host": "collector.tracing.svc.cluster.local"}}
    plane = {"name": "plane", "namespace": "mesh-system", "tracing": tracing}
    rendered = render(tmp_path, ["control_plane"], limit="dev", mesh_provider=provider, mesh_control_plane=plane)
    assert rendered.code == 0, rendered.output[-2000:]
    kinds = ("ServiceMeshControlPlane", "Istio")
    (made,) = [obj for obj in rendered.objects("dev", "control_plane").values() if obj["kind"] in kinds]
    spec = made["spec"] if provider == "ossm2" else made["spec"]["values"]
    (extension,) = spec["meshConfig"]["extensionProviders"]
    telemetry = rendered.objects("dev", "control_plane_gateways")["Telemetry mesh-system/mesh-default"]
    (used,) = telemetry["spec"]["tracing"]
    assert extension["opentelemetry"] == {"service": "collector.tracing.svc.cluster.local", "port": 4317}
    assert used == {"providers": [{"name": extension["name"]}], "randomSamplingPercentage": 20.0}
    assert telemetry["apiVersion"] == ("telemetry.istio.io/v1alpha1" if provider == "ossm2" else "telemetry.istio.io/v1")


MEMBERS = {
    "twice": ([{"name": "a", "namespaces": ["one"]}, {"name": "b", "namespaces": ["one", "two"]}], "mesh_domains names one more than once"),
    "control plane": ([{"name": "a", "namespaces": ["dev-istio-system"]}], "dev-istio-system, which is the namespace of the control plane"),
}


@pytest.mark.parametrize("case", MEMBERS)
def test_members_are_refused_by_name(case: str, tmp_path: Path) -> None:
    domains, text = MEMBERS[case]
    rendered = render(tmp_path, ["membership"], limit="dev", mesh_domains=domains)
    assert rendered.code != 0
    assert text in rendered.output


def test_a_namespace_in_two_meshes_of_one_cluster_is_refused(tmp_path: Path) -> None:
    shared = [{"name": "a", "namespaces": ["shared"]}]
    rendered = render(tmp_path, ["membership"], mesh_domains=shared)
    assert rendered.code != 0
    assert "shared would be in two meshes of one cluster: travel-dev (host dev) and travel-prod (host prod)" in rendered.output
    assert not rendered.tree.exists()


def test_gateway_protocols(tmp_path: Path) -> None:
    routes = [{"namespace": "shop", "service": "web", "port": 8443}]
    gateways = [
        {
            "name": "secure",
            "hosts": ["a.example.com"],
            "port": 443,
            "protocol": "HTTPS",
            "tls": {"credential_name": "cert"},
            "routes": routes,
        },
        {"name": "through", "hosts": ["b.example.com", "*.c.example.com"], "port": 443, "protocol": "TLS", "routes": routes},
    ]
    rendered = render(tmp_path, ["gateways"], limit="dev", mesh_gateways=gateways)
    objects = rendered.objects("dev", "gateways")
    assert objects["Gateway dev-istio-system/secure"]["spec"]["servers"][0]["tls"] == {
        "mode": "SIMPLE", "credentialName": "cert", "minProtocolVersion": "TLSV1_2",
    }  # fmt: skip
    matches = objects["VirtualService dev-istio-system/through"]["spec"]["tls"][0]["match"]
    assert matches[0]["sniHosts"] == ["b.example.com", "*.c.example.com"]
    assert objects["Route dev-istio-system/secure"]["spec"]["tls"]["termination"] == "passthrough"
    assert objects["Route dev-istio-system/through-2"]["spec"]["wildcardPolicy"] == "Subdomain"


def test_https_without_a_certificate_is_refused(tmp_path: Path) -> None:
    gateways = [{"name": "secure", "hosts": ["a.example.com"], "port": 443, "protocol": "HTTPS"}]
    rendered = render(tmp_path, ["gateways"], limit="dev", mesh_gateways=gateways)
    assert rendered.code != 0
    assert "mesh_gateways[0].tls.credential_name: is missing; the gateway ends TLS" in rendered.output


@pytest.mark.parametrize(
    ("observability", "service", "objects"),
    [
        ({"tempo": {"name": "traces"}, "opentelemetry": {"enabled": False}}, "tempo-traces", ["TempoMonolithic mesh-system/traces"]),
        (
            {
                "tempo": {"mode": "stack", "object_storage": {"secret": "bucket"}, "storage": "5Gi"},
                "opentelemetry": {"name": "spans", "replicas": 2},
            },
            "spans-collector",
            ["OpenTelemetryCollector mesh-system/spans", "TempoStack mesh-system/tempo"],
        ),
        ({"opentelemetry": {"exporter": "backend.example.com:4317"}}, "otel-collector", ["OpenTelemetryCollector mesh-system/otel"]),
    ],
    ids=["straight to Tempo", "a stack", "a backend elsewhere"],
)
def test_spans_go_where_the_intent_says(observability: dict[str, Any], service: str, objects: list[str], tmp_path: Path) -> None:
    plane = {"name": "plane", "namespace": "mesh-system", "tracing": {"provider": "opentelemetry"}}
    rendered = render(
        tmp_path,
        ["control_plane", "observability"],
        limit="dev",
        mesh_provider="ossm3",
        mesh_control_plane=plane,
        mesh_observability=observability,
    )
    assert rendered.code == 0, rendered.output[-2000:]
    (made,) = rendered.objects("dev", "control_plane")["Istio plane"]["spec"]["values"]["meshConfig"]["extensionProviders"]
    assert made["opentelemetry"]["service"] == f"{service}.mesh-system.svc.cluster.local"
    tracing = rendered.objects("dev", "tracing")
    assert sorted(tracing) == objects
    if "TempoStack mesh-system/tempo" in tracing:
        assert tracing["TempoStack mesh-system/tempo"]["spec"]["storage"] == {"secret": {"name": "bucket", "type": "s3"}}
        exporter = tracing["OpenTelemetryCollector mesh-system/spans"]["spec"]["config"]["exporters"]["otlp"]
        assert exporter == {"endpoint": "tempo-tempo-distributor.mesh-system.svc.cluster.local:4317", "tls": {"insecure": True}}
    if "exporter" in observability["opentelemetry"]:
        exporter = tracing["OpenTelemetryCollector mesh-system/otel"]["spec"]["config"]["exporters"]["otlp"]
        assert exporter == {"endpoint": "backend.example.com:4317", "tls": {"insecure": False}}
