# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh that is rendered, read back and rendered from what was read is the same mesh, object by object."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._inventory.plane import DEFAULTS
from ansible_collections.meshops.mesh.plugins.module_utils._inventory.read import read_mesh
from ansible_collections.meshops.mesh.plugins.module_utils._inventory.render import Inventory
from ansible_collections.meshops.mesh.plugins.module_utils._inventory.render import render as files_of
from ansible_collections.meshops.mesh.plugins.module_utils._inventory.rest import Part
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._model.variables import check_names, check_value
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "roles"))
from rendering import REPOSITORY, Rendered, render

GOLDEN = HERE.parent / "roles" / "golden"
ROLES = ["operators", "control_plane", "membership", "personas", "observability", "gateways", "workloads"]

COMMON: dict[str, Any] = {
    "mesh_domains": [
        {"name": "zoo", "namespaces": ["zoo-b", "zoo-a"]},
        {"name": "airport", "namespaces": ["airport"]},
    ],
    "mesh_personas": [
        {"name": "ann", "kind": "User", "role": "cluster_admin"},
        {"name": "operators", "kind": "Group", "role": "mesh_operator", "namespaces": ["mesh"]},
        {"name": "olga", "kind": "User", "role": "mesh_operator", "namespaces": ["mesh"]},
        {"name": "zoe", "kind": "User", "role": "mesh_developer", "namespaces": ["zoo-a", "airport"]},
        {"name": "dan", "kind": "User", "role": "mesh_developer", "namespaces": ["zoo-b", "zoo-a"]},
        {"name": "vic", "kind": "User", "role": "mesh_application_viewer", "namespaces": ["airport"]},
    ],
    "mesh_gateways": [
        {"name": "shop", "hosts": ["shop.example.com", "www.example.com"], "port": 443, "protocol": "HTTPS",
         "tls": {"mode": "MUTUAL", "credential_name": "shop", "min_version": "TLSV1_3"}, "route": {"termination": "none"},
         "virtual_service": {"name": "front", "namespace": "zoo-a"},
         "routes": [{"namespace": "zoo-a", "service": "front", "port": 8080, "prefix": "/"},
                    {"namespace": "airport", "service": "gate", "port": 80, "prefix": "/gate"}]},
        {"name": "through", "gateway": "edge", "hosts": ["db.example.com"], "port": 8443, "protocol": "TLS",
         "routes": [{"namespace": "zoo-b", "service": "db", "port": 5432}]},
        {"name": "out", "gateway": "egress", "hosts": ["*.other.example.com"], "port": 80},
        {"name": "api", "hosts": ["*.api.example.com"], "protocol": "GRPC", "port": 8081, "route": {"insecure": "Allow"}},
    ],
}  # fmt: skip
APPLICATIONS: dict[str, Any] = {
    "mesh_workloads": [
        {"namespace": "zoo-a", "applications": [
            {"name": "front", "image": "quay.io/example/front:1", "images": {"v2": "quay.io/example/front:2"}, "versions": ["v1", "v2"],
             "port": 8080, "service_account": "front", "replicas": 2,
             "env": {"BACK": "http://back:8000", "NODE": {"valueFrom": {"fieldRef": {"fieldPath": "a"}}}}},
            {"name": "back", "image": "quay.io/example/back:1", "port": 8000, "protocol": "tcp", "inject": False,
             "resources": {"limits": {"memory": "1Gi"}}}]},
        {"namespace": "airport", "applications": [{"name": "gate", "image": "gate", "port": 80, "versions": ["blue"]}]},
    ],
    "mesh_mtls": [
        {"namespace": "zoo-a", "application": "back", "mode": "PERMISSIVE", "ports": {"8000": "DISABLE"}},
        {"namespace": "zoo-b", "mode": "DISABLE"},
        {"namespace": "airport", "application": "gate", "name": "own", "ports": {"80": "PERMISSIVE"}},
    ],
}  # fmt: skip
FULL: dict[str, Any] = {
    "istiod": {"replicas": 3, "resources": {"requests": {"cpu": "200m"}}},
    "ingress": {"replicas": 2, "service_type": "LoadBalancer", "resources": {"limits": {"memory": "256Mi"}}},
    "egress": {"resources": {"requests": {"cpu": "20m"}}},
    "additional_ingress": [{"name": "edge", "replicas": 2, "service_type": "NodePort"}, {"name": "partners"}],
    "mtls": {"data_plane": False},
    "min_tls_version": "TLSv1_3",
    "tls_cipher_suites": ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"],
    "tls_ecdh_curves": ["P-384", "X25519"],
    "path_normalization": "DECODE_AND_MERGE_SLASHES",
    "proxy": {"resources": {"requests": {"cpu": "50m"}, "limits": {"memory": "256Mi"}}},
    "sidecar_hosts": ["./*", "mesh/*"],
    "trust_domain": "prod.example.com",
    "outbound_traffic": "REGISTRY_ONLY",
    "access_log": {"enabled": True, "encoding": "JSON", "service": {"host": "als.logs.svc.cluster.local", "port": 9000}},
    "certificate_authority": {"type": "istio_csr", "address": "csr.example.svc:443"},
}
STACK = {"name": "big", "mode": "stack", "storage": "20Gi", "object_storage": {"secret": "bucket", "type": "gcs"}, "retention": "48h",
         "resources": {"limits": {"memory": "4Gi"}}}  # fmt: skip
BY_GATEWAY_API: list[dict[str, Any]] = [
    {"name": "page", "api": "gateway", "namespace": "zoo-a", "hosts": ["page.example.com", "*.page.example.com"], "port": 8080,
     "protocol": "GRPC", "listeners": [{"hosts": ["page.example.com"], "port": 443, "protocol": "HTTPS",
                                        "tls": {"credential_name": "page", "mode": "MUTUAL"}}],
     "autoscale": {"min": 2, "max": 6, "cpu": 70}, "allowed_routes": ["zoo-b"], "route": {"termination": "none"},
     "routes": [{"namespace": "zoo-a", "service": "front", "port": 8080}, {"namespace": "airport", "service": "gate", "port": 80}]},
    {"name": "own", "api": "gateway", "class": "edge", "hosts": ["*"], "replicas": 3, "service_type": "NodePort"},
]  # fmt: skip
# Intents that use what the travel meshes do not; each is a host.
MESHES: dict[str, dict[str, Any]] = {
    "full-ossm3": {
        **COMMON, **APPLICATIONS, "mesh_provider": "ossm3", "mesh_name": "full3", "mesh_ossm3_version": "v1.27.4",
        "mesh_operators_approval": "Manual", "mesh_operators_channels": {"servicemeshoperator3": "stable-3.2"},
        "mesh_operators_extra": [
            {"package": "tempo-product", "source": "mirror", "channel": "stable", "namespace": "tempo", "own_group": True}],
        "mesh_control_plane": {
            **FULL, "name": "plane", "namespace": "mesh", "update_strategy": "RevisionBased", "revision_grace_seconds": 60,
            "profile": "openshift", "cni": {"namespace": "cni"}, "tracing": {"provider": "opentelemetry", "sampling": 12.5},
            "spec_overrides": {"values": {"pilot": {"autoscaleEnabled": True, "env": {"PILOT_ENABLE_IP_AUTOALLOCATE": "true"}},
                                          "global": {"proxy": {"logLevel": "warning"}},
                                          "meshConfig": {"ingressSelector": "{{ nobody works this out }}"}}}},
        "mesh_observability": {
            "prometheus": {"retention": "2d", "scrape_interval": "30s", "storage": "9Gi", "resources": {"requests": {"memory": "2Gi"}}},
            "grafana": {"enabled": True, "resources": {"requests": {"cpu": "1"}}},
            "kiali": {"enabled": True, "version": "v2.11", "auth": "openid"},
            "tempo": STACK, "opentelemetry": {"name": "spans", "replicas": 2}},
    },
    "plain-sail": {
        "mesh_provider": "sail", "mesh_name": "plain", "mesh_ossm3_version": "v1.30.3", "mesh_domains": COMMON["mesh_domains"],
        "mesh_topology": {"mesh_id": "all", "cluster": "plain-1", "network": "net-1"},
        "mesh_control_plane": {"name": "default", "namespace": "istio-system", "tracing": {
            "provider": "opentelemetry", "sampling": 1.0, "service": {"host": "otel.tracing.svc.cluster.local", "port": 4317}}},
        "mesh_observability": {"prometheus": {"enabled": False}},
    },
    "routed-sail": {
        **COMMON, "mesh_gateways": [*COMMON["mesh_gateways"], *BY_GATEWAY_API],
        "mesh_provider": "sail", "mesh_name": "routed", "mesh_ossm3_version": "v1.30.3", "mesh_openshift": True,
        "mesh_control_plane": {"name": "routed", "namespace": "mesh", "additional_ingress": [{"name": "edge"}]},
        "mesh_observability": {"kiali": {"enabled": True},
                               "opentelemetry": {"exporter": "far.example.com:4317", "exporter_insecure": True}},
    },
    "bare-ossm3": {
        "mesh_provider": "ossm3", "mesh_name": "bare", "mesh_openshift": False, "mesh_operators_provider": "none",
        "mesh_control_plane": {"name": "bare", "namespace": "bare", "ingress": {"enabled": False}, "egress": {"replicas": 2}},
        "mesh_observability": {"tempo": {"enabled": True}, "opentelemetry": {"enabled": False}},
        "mesh_domains": [{"name": "one", "namespaces": ["one"]}],
    },
    "full-ossm2": {
        **COMMON, **APPLICATIONS,
        "mesh_provider": "ossm2", "mesh_name": "full2", "mesh_ossm2_version": "v2.6", "mesh_membership_style": "members",
        "mesh_control_plane": {
            **FULL, "name": "plane", "namespace": "mesh", "mode": "ClusterWide", "profile": "default",
            "tracing": {"provider": "opentelemetry", "sampling": 3.0}, "mtls": {"control_plane": False, "data_plane": False},
            "spec_overrides": {"techPreview": {"gatewayAPI": {"enabled": True}},
                               "general": {"logging": {"componentLevels": {"default": "warn"}}},
                               "gateways": {"openshiftRoute": {"enabled": True}}}},
        "mesh_observability": {"tempo": {"storage": "3Gi"}, "grafana": {"enabled": True, "storage": "2Gi"}, "kiali": {"enabled": True},
                               "prometheus": {"retention": "12h"}},
    },
    "jaeger-ossm2": {
        "mesh_provider": "ossm2", "mesh_name": "jaeger", "mesh_domains": COMMON["mesh_domains"], "mesh_personas": COMMON["mesh_personas"],
        "mesh_control_plane": {"name": "plane", "namespace": "mesh", "tracing": {"provider": "jaeger", "sampling": 0.25}},
        "mesh_observability": {"jaeger": {"name": "traces", "max_traces": 500}, "prometheus": {"storage": "1Gi", "retention": "3d"},
                               "kiali": {"enabled": True}},
    },
    "scaled-ossm3": {
        "mesh_provider": "ossm3", "mesh_name": "scaled", "mesh_ossm3_version": "v1.27.4", "mesh_openshift": False,
        "mesh_domains": [{"name": "all", "namespaces": ["all"]}, {"name": "some", "namespaces": ["some"], "injection": "pods"}],
        "mesh_control_plane": {
            "name": "default", "namespace": "mesh", "update_strategy": "RevisionBased", "revision_tag": "default",
            "discovery_selectors": [{"matchLabels": {"shared": "yes"}},
                                    {"matchExpressions": [{"key": "region", "operator": "In", "values": ["east", "west"]}]}],
            "istiod": {"autoscale": {"min": 2, "max": 5, "cpu": 70, "memory": 90}},
            "ingress": {"autoscale": {"min": 2, "max": 5}}, "egress": {"autoscale": {"max": 3, "cpu": 60, "memory": 75}},
            "additional_ingress": [{"name": "edge", "autoscale": {"min": 3, "max": 4}}]},
        "mesh_workloads": [{"namespace": "some", "applications": [
            {"name": "web", "image": "quay.io/example/web:1", "port": 80, "target_port": 3000, "service_type": "LoadBalancer",
             "ports": [{"name": "tcp-admin", "port": 9000}, {"name": "http-metrics", "port": 9090, "target_port": 9999}],
             "labels": {"tier": "front"}, "readiness": {"httpGet": {"path": "/health", "port": 3000}},
             "liveness": {"tcpSocket": {"port": 3000}}, "env": {"LEVEL": "1"},
             "versions": [{"name": "v1", "label": "1.0"},
                          {"name": "v2", "label": "2.0", "image": "quay.io/example/web:2", "replicas": 3, "env": {"LEVEL": "2"},
                           "labels": {"tier": "back"}, "inject": False}]},
            {"name": "store", "image": "store", "port": 6379, "protocol": "redis", "versions": [{"name": "v1", "deployment": "store"}]}]}],
        "mesh_observability": {"prometheus": {"enabled": False}},
    },
    "scaled-ossm2": {
        "mesh_provider": "ossm2", "mesh_name": "scaled2", "mesh_domains": [{"name": "all", "namespaces": ["all"]}],
        "mesh_control_plane": {
            "name": "plane", "namespace": "mesh", "istiod": {"autoscale": {"min": 2, "max": 5}}, "egress": {"enabled": False},
            "ingress": {"autoscale": {"max": 4, "cpu": 50}}, "additional_ingress": [{"name": "edge", "autoscale": {"min": 2, "max": 3}}]},
        "mesh_observability": {"prometheus": {"enabled": False}},
    },
    "dark-ossm2": {
        "mesh_provider": "ossm2", "mesh_name": "dark", "mesh_domains": COMMON["mesh_domains"],
        "mesh_control_plane": {"name": "plane", "namespace": "mesh"},
        "mesh_observability": {"prometheus": {"enabled": False}},
    },
}  # fmt: skip


# Each host takes seconds to render: the long stories play all. test_travel.py reads a travel mesh on its cluster.
TRAVEL = [f"travel-{mesh}-{provider}" for mesh in ("dev", "prod") for provider in ("ossm2", "ossm3")]
DAILY = {"full-ossm3", "full-ossm2"}
LONG = bool(os.environ.get("MESH_TEST_LONG"))
PLAYED = {name: mesh for name, mesh in MESHES.items() if LONG or name in DAILY}
READ_BACK = [name for name in TRAVEL if LONG or name in DAILY]


def inventory(folder: Path, hosts: dict[str, dict[str, Any]], *, text: dict[str, str] | None = None) -> str:
    """A folder with these hosts, each a cluster of its own; text: host_vars that are written already."""
    (folder / "host_vars").mkdir(parents=True)
    where = {"ansible_connection": "local"}
    groups = {"all": {"vars": where, "hosts": {name: {"mesh_context": name} for name in hosts}}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(groups), encoding="utf-8")
    for name, variables in hosts.items():
        given = (text or {}).get(name) or yaml.safe_dump(variables).replace("'{{ nobody", "!unsafe '{{ nobody")
        (folder / "host_vars" / f"{name}.yml").write_text(given, encoding="utf-8")
    return str(folder)


def objects(rendered: Rendered, host: str) -> dict[str, dict[str, Any]]:
    return {layer: rendered.objects(host, layer) for layer in sorted(rendered.layers(host))}


def read(layers: dict[str, dict[str, Any]]) -> Part:
    every = tuple(obj for layer in layers.values() for obj in layer.values())
    return read_mesh(View(Snapshot("west", datetime.now(UTC), "manifests", None, every)))


@pytest.fixture(scope="module", name="story")
def _story(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict[str, Any]], dict[str, Part], Rendered]:
    """What was there, what was read of it, and what that renders."""
    folder = tmp_path_factory.mktemp("round")
    (folder / "first").mkdir()
    (folder / "second").mkdir()
    first = render(folder / "first", ROLES, inventory=inventory(folder / "intents", PLAYED))
    assert first.code == 0, re.findall("(?:fatal|failed): .*?(?=TASK|PLAY)", first.output)
    there = {name: objects(first, name) for name in PLAYED}
    there |= {name: yaml.safe_load((GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")) for name in READ_BACK}
    parts = {name: read(layers) for name, layers in there.items()}
    text = {name: files_of(Inventory(name, part.variables, {}, True))["group_vars/mesh.yml"] for name, part in parts.items()}
    second = render(
        folder / "second", ROLES, inventory=inventory(folder / "read", {name: part.variables for name, part in parts.items()}, text=text)
    )
    assert second.code == 0, re.findall("(?:fatal|failed): .*?(?=TASK|PLAY)", second.output)
    return there, parts, second


@pytest.mark.parametrize("name", [*PLAYED, *READ_BACK])
def test_the_same_objects(story: tuple[dict[str, dict[str, Any]], dict[str, Part], Rendered], name: str) -> None:
    there, _parts, second = story
    again = objects(second, name)
    # nobody is a persona in the golden files: the roles that personas would have are rendered always
    left_out = {"personas"} if name in TRAVEL else set()
    assert {layer: again[layer] for layer in again if layer not in left_out} == there[name]


@pytest.mark.parametrize("name", PLAYED)
def test_all_of_it_is_said(story: tuple[dict[str, dict[str, Any]], dict[str, Part], Rendered], name: str) -> None:
    overrides = MESHES[name]["mesh_control_plane"].get("spec_overrides")
    plane = story[1][name].variables["mesh_control_plane"]
    assert plane.get("spec_overrides") == overrides
    other = [
        str(note)
        for note in story[1][name].notes
        if "spec_overrides" not in note.text and note.about != "the manifests" and "mesh_operators_provider is none" not in note.text
    ]
    assert other == []


def accepted(variables: dict[str, Any]) -> list[str]:
    """What mesh_intent says of variables, by the roles' own specs and the rules of names."""
    problems = check_names(variables)
    for role in ROLES:
        defaults = yaml.safe_load((REPOSITORY / f"roles/{role}/defaults/main.yml").read_text(encoding="utf-8"))
        specs = yaml.safe_load((REPOSITORY / f"roles/{role}/meta/argument_specs.yml").read_text(encoding="utf-8"))
        for option, spec in specs["argument_specs"]["main"]["options"].items():
            name = re.fullmatch(r"\{\{ (mesh_\w+)( \| default\(.*\))? \}\}", str(defaults.get(option)))
            if name and name[1] in variables:
                problems += check_value(spec, variables[name[1]], name[1])
    return problems


@pytest.mark.parametrize("name", [*PLAYED, *READ_BACK])
def test_mesh_intent_takes_it(story: tuple[dict[str, dict[str, Any]], dict[str, Part], Rendered], name: str) -> None:
    assert accepted(story[1][name].variables) == []
    assert accepted({**story[1][name].variables, "mesh_domains": [{"name": "x"}]}) != []


def test_the_defaults_are_those_of_the_role() -> None:
    role = yaml.safe_load((REPOSITORY / "roles/control_plane/vars/main.yml").read_text(encoding="utf-8"))["__control_plane_defaults"]
    assert role == DEFAULTS
