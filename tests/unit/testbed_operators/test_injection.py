# SPDX-License-Identifier: GPL-3.0-or-later
"""What the played istiods inject and refuse, and the certificates that they show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from testbed.operators.asking import ASK, gated
from testbed.operators.certificates import Authorities, Authority
from testbed.operators.injection import injector_config, maistra_webhook
from testbed.operators.podinject import Injector, inject, json_patch, wanted
from testbed.operators.validation import problems

Obj = dict[str, Any]
INJECT = "sidecar.istio.io/inject"


def injector(policy: str = "enabled", **more: Any) -> Injector:
    return Injector(namespace="mesh", revision="canary", image="hub/proxyv2:1", init_image="hub/proxyv2:1", policy=policy, **more)


def pod(labels: Obj | None = None, annotations: Obj | None = None, **spec: Any) -> Obj:
    return {
        "metadata": {"name": "web", "labels": labels or {}, "annotations": annotations or {}},
        "spec": {"containers": [{"name": "app", "image": "app:1"}], **spec},
    }


@pytest.mark.parametrize(
    ("policy", "labels", "annotations", "spec", "namespace", "expected"),
    [
        ("enabled", {}, {}, {}, "shop", True),
        ("disabled", {}, {}, {}, "shop", False),
        ("disabled", {}, {INJECT: "true"}, {}, "shop", True),
        ("disabled", {INJECT: "true"}, {}, {}, "shop", True),
        ("enabled", {INJECT: "false"}, {INJECT: "true"}, {}, "shop", False),
        ("enabled", {}, {INJECT: "false"}, {}, "shop", False),
        ("enabled", {}, {}, {"hostNetwork": True}, "shop", False),
        ("enabled", {}, {}, {}, "kube-system", False),
    ],
)
def test_wanted(  # noqa: PLR0917
    policy: str, labels: Obj, annotations: Obj, spec: Obj, namespace: str, expected: bool
) -> None:
    assert wanted(injector(policy), pod(labels, annotations, **spec), namespace) is expected


@pytest.mark.parametrize(
    ("how", "annotations", "inits", "containers"),
    [
        ({}, {}, ["istio-init"], ["app", "istio-proxy"]),
        ({"cni": True}, {}, ["istio-validation"], ["app", "istio-proxy"]),
        ({"native": True}, {}, ["istio-init", "istio-proxy"], ["app"]),
        ({}, {"sidecar.istio.io/nativeSidecar": "true"}, ["istio-init", "istio-proxy"], ["app"]),
        ({"native": True}, {"sidecar.istio.io/nativeSidecar": "false"}, ["istio-init"], ["app", "istio-proxy"]),
    ],
)
def test_sidecar(how: Obj, annotations: Obj, inits: list[str], containers: list[str]) -> None:
    out = inject(injector(**how), pod(annotations=annotations), "shop")
    assert out
    assert [c["name"] for c in out["spec"]["initContainers"]] == inits
    assert [c["name"] for c in out["spec"]["containers"]] == containers
    status = json.loads(out["metadata"]["annotations"]["sidecar.istio.io/status"])
    assert (status["revision"], status["initContainers"]) == ("canary", inits)
    assert inject(injector(**how), out, "shop") is None


def test_gateway_template_replaces_the_image_auto_and_keeps_the_rest() -> None:
    own = {"name": "istio-proxy", "image": "auto", "ports": [{"containerPort": 8080}], "resources": {"limits": {"cpu": "1"}}}
    out = inject(injector(), pod(annotations={"inject.istio.io/templates": "gateway"}, containers=[own]), "shop")
    assert out and "initContainers" not in out["spec"]
    proxy = out["spec"]["containers"][0]
    assert (proxy["image"], proxy["args"][1], proxy["resources"]) == ("hub/proxyv2:1", "router", {"limits": {"cpu": "1"}})
    assert [p["containerPort"] for p in proxy["ports"]] == [15090, 8080]
    assert "security.istio.io/tlsMode" not in out["metadata"]["labels"]


@pytest.mark.parametrize(
    ("labels", "name", "revision"),
    [
        ({"app": "web", "version": "v2"}, "web", "v2"),
        ({"app.kubernetes.io/name": "n", "app": "web"}, "n", "latest"),
        ({}, "web", "latest"),
        ({"service.istio.io/canonical-name": "mine"}, "mine", "latest"),
    ],
)
def test_canonical_service(labels: Obj, name: str, revision: str) -> None:
    out = inject(injector(), pod(labels), "shop")
    assert out
    found = out["metadata"]["labels"]
    assert (found["service.istio.io/canonical-name"], found["service.istio.io/canonical-revision"]) == (name, revision)


def test_the_patch_makes_what_was_injected() -> None:
    before = pod({"app": "web"})
    after = inject(injector(), before, "shop")
    assert after
    applied = json.loads(json.dumps(before))
    for step in json_patch(before, after):
        at = applied
        *way, last = step["path"].strip("/").split("/")
        for part in way:
            at = at[part]
        at[last] = step["value"]
    assert applied == after


def test_an_injector_is_read_from_its_config_maps() -> None:
    injection, mesh = injector_config(
        "basic", "cp", revision="basic", image="hub/proxyv2-rhel8:2.5", policy="disabled", cni=True, prometheus_merge=False
    )
    assert (injection["metadata"]["name"], mesh["metadata"]["name"]) == ("istio-sidecar-injector-basic", "istio-basic")
    deployment = {"metadata": {}, "spec": {"template": {"spec": {"containers": [{"image": "hub/pilot:1.2.3"}]}}}}
    found = Injector.parse("cp", injection["data"], mesh["data"], deployment)
    assert (found.image, found.policy, found.revision) == ("hub/proxyv2-rhel8:2.5", "disabled", "basic")
    assert found.cni and not found.prometheus_merge
    assert Injector.parse("cp", {}, {}, deployment).image == "hub/proxyv2:1.2.3"


def test_maistra_webhook_selects_the_members_of_its_control_plane() -> None:
    hook = maistra_webhook("basic", "cp", "Q0E=")["webhooks"][0]
    assert hook["namespaceSelector"]["matchExpressions"][0] == {"key": "maistra.io/member-of", "operator": "In", "values": ["cp"]}
    assert hook["clientConfig"]["service"]["name"] == "istiod-basic"
    assert hook["failurePolicy"] == "Fail"


NETWORK, SECURITY = "networking.istio.io/v1", "security.istio.io/v1"
PORT = {"number": 80, "name": "http", "protocol": "HTTP"}


@pytest.mark.parametrize(
    ("api", "kind", "spec", "message"),
    [
        (NETWORK, "Gateway", {}, "at least one server"),
        (NETWORK, "Gateway", {"servers": [{"port": PORT}]}, "at least one host"),
        (NETWORK, "Gateway", {"servers": [{"hosts": ["*"], "port": {**PORT, "protocol": "HTTPS"}}]}, "TLS settings"),
        (NETWORK, "Gateway", {"servers": [{"hosts": ["*"], "port": PORT}]}, None),
        (NETWORK, "VirtualService", {"http": [{"route": [{}]}]}, "at least one host"),
        (NETWORK, "VirtualService", {"hosts": ["a"]}, "http, tcp or tls"),
        (NETWORK, "VirtualService", {"hosts": ["a"], "http": [{}]}, "route, redirect"),
        (NETWORK, "VirtualService", {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}]}]}, None),
        (NETWORK, "DestinationRule", {}, "invalid host"),
        (NETWORK, "DestinationRule", {"host": "a"}, None),
        (NETWORK, "ServiceEntry", {"hosts": [f"h{n}.example.com" for n in range(257)], "ports": [PORT]}, "256 hosts"),
        (SECURITY, "AuthorizationPolicy", {"action": "CUSTOM"}, "provider.name"),
        (SECURITY, "AuthorizationPolicy", {"rules": [{"from": []}]}, "`from`"),
        (SECURITY, "AuthorizationPolicy", {}, None),
        (SECURITY, "PeerAuthentication", {"portLevelMtls": {80: {"mode": "DISABLE"}}}, "without workload selector"),
        ("gateway.networking.k8s.io/v1", "Gateway", {}, None),
    ],
)
def test_validation(api: str, kind: str, spec: Obj, message: str | None) -> None:
    found = problems({"apiVersion": api, "kind": kind, "spec": spec})
    assert (not found) if message is None else any(message in text for text in found)


def test_a_control_plane_keeps_its_ca(tmp_path: Path) -> None:
    first = Authorities(tmp_path).of("mesh")
    assert Authorities(tmp_path).of("mesh") == first
    assert Authorities(tmp_path).of("other").root != first.root
    assert (tmp_path / "mesh-mesh.key").stat().st_mode & 0o077 == 0


def test_a_leaf_is_signed_for_its_names() -> None:
    authority = Authority.new("cluster.local")
    chain, _key = authority.leaf("istiod.mesh.svc", "istiod.mesh.svc.cluster.local")
    leaf, issuer = x509.load_pem_x509_certificates(chain)
    leaf.verify_directly_issued_by(issuer)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert names == ["istiod.mesh.svc", "istiod.mesh.svc.cluster.local"]


@pytest.mark.parametrize(
    ("labels", "namespace", "gates", "expected"),
    [
        ({}, "shop", [], [ASK]),
        ({ASK: "true"}, "shop", ["mine"], ["mine", ASK]),
        ({}, "shop", [ASK], [ASK]),
        ({ASK: "false"}, "shop", [], []),
        ({}, "office", [], []),
    ],
)
def test_a_pod_that_gets_an_envoy_is_ready_with_it(labels: Obj, namespace: str, gates: list[str], expected: list[str]) -> None:
    given = pod(labels, readinessGates=[{"conditionType": name} for name in gates])
    found = gated(given, namespace, {"shop"})
    assert [row["conditionType"] for row in found["spec"].get("readinessGates") or []] == expected
    assert [row["conditionType"] for row in given["spec"]["readinessGates"]] == gates
