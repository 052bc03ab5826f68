# SPDX-License-Identifier: GPL-3.0-or-later
"""What a snapshot keeps of an object: nothing that a person may have put a secret into."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.kept_fields import kept
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot

NEEDLE = "n33dle-of-this-test"
CODED = base64.b64encode(NEEDLE.encode()).decode()
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{NEEDLE}\n-----END RSA PRIVATE KEY-----\n"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def obj(kind: str, version: str = "v1", *, name: str = "web", meta: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "shop", **(meta or {})}, **body}


POD = {
    "serviceAccountName": "web",
    "hostNetwork": True,
    "containers": [
        {
            "name": "web",
            "image": "i:1",
            "ports": [{"containerPort": 80}],
            "args": [NEEDLE],
            "command": ["sh", "-c", NEEDLE],
            "env": [{"name": "ISTIO_PASS", "value": NEEDLE}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            "readinessProbe": {"httpGet": {"port": 81, "path": "/", "httpHeaders": [{"name": "Authorization", "value": NEEDLE}]}},
            "livenessProbe": {"exec": {"command": [NEEDLE]}},
            "lifecycle": {"postStart": {"exec": {"command": [NEEDLE]}}},
        }
    ],
    "initContainers": [{"name": "init", "image": "i:2", "args": [NEEDLE], "env": [{"name": "A", "value": NEEDLE}]}],
    "volumes": [{"name": "v", "flexVolume": {"options": {"password": NEEDLE}}}],
}
TEMPLATE = {"metadata": {"labels": {"app": "web"}, "annotations": {"sidecar.istio.io/inject": "true", "vault": NEEDLE}}, "spec": POD}
MESH = {
    "trustDomain": "corp.example",
    "pathNormalization": {"normalization": "MERGE_SLASHES"},
    "defaultConfig": {
        "tracing": {"lightstep": {"address": "a", "accessToken": NEEDLE}, "customTags": {"x": {"literal": {"value": NEEDLE}}}},
        "proxyMetadata": {"TOKEN": NEEDLE, "ISTIO_META_DNS_CAPTURE": "true"},
    },
    "extensionProviders": [
        {"name": "ext", "envoyExtAuthzHttp": {"service": "s", "port": 80, "includeAdditionalHeadersInCheck": {"x-key": NEEDLE}}},
        {"name": "otel", "opentelemetry": {"service": "s", "port": 1, "http": {"path": "/", "headers": [{"name": "x", "value": NEEDLE}]}}},
        {"name": "sky", "skywalking": {"service": "s", "port": 1, "accessToken": NEEDLE}},
    ],
    "unknownField": {"a": NEEDLE},
}

OBJECTS: dict[str, dict[str, Any]] = {
    "Secret": obj(
        "Secret",
        data={"a": CODED, "tls.crt": CODED},
        stringData={"b": NEEDLE},
        meta={"labels": {"note": NEEDLE}, "annotations": {"note": NEEDLE}},
    ),
    "last applied": obj("Service", meta={"annotations": {"kubectl.kubernetes.io/last-applied-configuration": NEEDLE}}),
    "a note": obj("Namespace", meta={"annotations": {"team.example.com/password": NEEDLE}}),
    **{
        kind: obj(kind, "apps/v1", spec={"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE})
        for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
    },
    "Job": obj("Job", "batch/v1", spec={"template": TEMPLATE}),
    "CronJob": obj("CronJob", "batch/v1", spec={"jobTemplate": {"spec": {"template": TEMPLATE}}}),
    "Pod": obj("Pod", spec=POD, meta={"annotations": {"vault": NEEDLE}}),
    "Rollout": obj("Rollout", "argoproj.io/v1alpha1", spec={"template": TEMPLATE, "strategy": {"canary": {"x": NEEDLE}}}),
    "somebody's kind": obj("Database", "example.com/v1", spec={"password": NEEDLE, "template": TEMPLATE}, status={"token": NEEDLE}),
    "a kind of no group": obj("Thing", data={"a": NEEDLE}, stringData={"a": NEEDLE}),
    "ConfigMap": obj("ConfigMap", data={"a": NEEDLE}, binaryData={"b": CODED}),
    **{
        f"ConfigMap {name}": obj("ConfigMap", name=name, data={"a": NEEDLE, "mesh": yaml.safe_dump(MESH), "key.pem": KEY, "values": NEEDLE})
        for name in ("istio", "istio-canary", "istio-notes", "kiali", "grafana-config", "prometheus", "jaeger")
    },
    "a MeshConfig that is none": obj("ConfigMap", name="istio", data={"mesh": f"- {NEEDLE}"}),
    "a MeshConfig that is no YAML": obj("ConfigMap", name="istio", data={"mesh": f"{{a: {NEEDLE}"}),
    "roots with a key": obj("ConfigMap", name="istio-ca-root-cert", data={"root-cert.pem": KEY, "note": NEEDLE}),
    "roots that are none": obj("ConfigMap", name="istio-ca-root-cert", data={"root-cert.pem": NEEDLE}),
    **{
        kind: obj(
            kind,
            "sailoperator.io/v1",
            spec={
                "version": "v1.27.3",
                "namespace": "istio-system",
                "values": {
                    "meshConfig": MESH,
                    "pilot": {"env": {"DB": NEEDLE, "PILOT_TOKEN": NEEDLE, "PILOT_X": "true"}, "extra": NEEDLE},
                    "global": {"proxy": {"tracer": "zipkin", "env": {"A": NEEDLE}}, "imagePullSecrets": [NEEDLE]},
                    "sidecarInjectorWebhook": {"templates": {"a": NEEDLE}},
                    "whatever": {"password": NEEDLE},
                },
            },
        )
        for kind in ("Istio", "IstioRevision")
    },
    "ServiceMeshControlPlane": obj(
        "ServiceMeshControlPlane",
        "maistra.io/v2",
        spec={
            "version": "v2.6",
            "runtime": {"components": {"pilot": {"container": {"env": {"DB": NEEDLE}, "args": [NEEDLE]}}}},
            "addons": {
                "grafana": {"install": {"config": {"env": {"GF_PASSWORD": NEEDLE}}}},
                "kiali": {"install": {"dashboard": {"password": NEEDLE}}},
            },
            "techPreview": {"meshConfig": MESH, "secret": NEEDLE},
        },
    ),
    "Kiali": obj(
        "Kiali",
        "kiali.io/v1alpha1",
        spec={
            "external_services": {
                "prometheus": {"url": "https://p", "auth": {"type": "basic", "password": NEEDLE, "username": NEEDLE, "token": NEEDLE}},
                "grafana": {"auth": {"token": NEEDLE}},
                "custom_dashboards": {"prometheus": {"auth": {"password": NEEDLE}}},
            },
            "login_token": {"signing_key": NEEDLE},
            "deployment": {"secret": {"a": NEEDLE}, "custom_envs": [{"name": "A", "value": NEEDLE}]},
            "auth": {"strategy": "openid", "openid": {"client_id": "kiali", "client_secret": NEEDLE}},
        },
    ),
    "Jaeger": obj(
        "Jaeger",
        "jaegertracing.io/v1",
        spec={"storage": {"options": {"es": {"password": NEEDLE, "server-urls": "https://es"}}}, "query": {"options": {"token": NEEDLE}}},
    ),
    "Route": obj("Route", "route.openshift.io/v1", spec={"host": "h", "tls": {"termination": "edge", "key": KEY, "certificate": NEEDLE}}),
    "EnvoyFilter": obj(
        "EnvoyFilter",
        "networking.istio.io/v1alpha3",
        spec={
            "configPatches": [
                {
                    "applyTo": "HTTP_FILTER",
                    "patch": {"operation": "MERGE", "value": {"name": "n", "typed_config": {"inline_string": NEEDLE}}},
                }
            ]
        },
    ),
    "WasmPlugin": obj(
        "WasmPlugin",
        "extensions.istio.io/v1alpha1",
        spec={"url": "oci://x", "pluginConfig": {"key": NEEDLE}, "vmConfig": {"env": [{"name": "A", "value": NEEDLE}]}},
    ),
    "VirtualService": obj(
        "VirtualService",
        "networking.istio.io/v1",
        spec={
            "hosts": ["h"],
            "http": [
                {
                    "headers": {"request": {"set": {"authorization": NEEDLE, "Host": "b"}, "add": {"x": NEEDLE}}},
                    "directResponse": {"status": 200, "body": {"string": NEEDLE}},
                    "route": [{"destination": {"host": "a"}, "headers": {"response": {"set": {"x": NEEDLE}}}}],
                }
            ],
        },
    ),
    "HTTPRoute": obj(
        "HTTPRoute",
        "gateway.networking.k8s.io/v1",
        spec={
            "rules": [
                {
                    "filters": [
                        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "authorization", "value": NEEDLE}]}}
                    ]
                }
            ]
        },
    ),
    "RequestAuthentication": obj(
        "RequestAuthentication",
        "security.istio.io/v1",
        spec={
            "jwtRules": [
                {"issuer": "i", "jwks": json.dumps({"keys": [{"kty": "RSA", "n": "1", "d": NEEDLE, "p": NEEDLE}]})},
                {"issuer": "j", "jwks": NEEDLE},
                {"issuer": "k", "jwksUri": f"https://me:{NEEDLE}@sso.example.com"},
            ]
        },
    ),
    "Subscription": obj(
        "Subscription", "operators.coreos.com/v1alpha1", spec={"name": "p", "config": {"env": [{"name": "A", "value": NEEDLE}]}}
    ),
    "ClusterServiceVersion": obj(
        "ClusterServiceVersion",
        "operators.coreos.com/v1alpha1",
        spec={
            "version": "1.0.0",
            "description": NEEDLE,
            "install": {"spec": {"deployments": [{"name": "d", "spec": {"template": TEMPLATE}}]}},
        },
    ),
    "Prometheus": obj(
        "Prometheus", "monitoring.coreos.com/v1", spec={"remoteWrite": [{"bearerToken": NEEDLE}], "additionalArgs": [{"value": NEEDLE}]}
    ),
    "ServiceMeshExtension": obj("ServiceMeshExtension", "maistra.io/v1", spec={"image": "i", "config": {"a": NEEDLE}}),
    "Issuer": obj("Issuer", "cert-manager.io/v1", spec={"vault": {"auth": {"token": NEEDLE}}}),
    "an annotation of Istio": obj(
        "Pod", meta={"annotations": {"proxy.istio.io/config": f"tracing:\n  lightstep:\n    accessToken: {NEEDLE}\n"}}
    ),
    "a text for a map": obj("Deployment", "apps/v1", spec=NEEDLE),
}


@pytest.mark.parametrize("case", OBJECTS)
def test_no_secret_is_kept(case: str) -> None:
    found = json.dumps(kept(OBJECTS[case]))
    assert NEEDLE not in found and CODED not in found and "PRIVATE KEY" not in found


@pytest.mark.parametrize("case", OBJECTS)
def test_a_file_has_none_either(case: str, tmp_path: Path) -> None:
    path = tmp_path / "west.json"
    Snapshot("west", NOW, "cluster", None, (OBJECTS[case],)).save(path)
    text = path.read_text(encoding="utf-8")
    assert NEEDLE not in text and CODED not in text and path.stat().st_mode & 0o777 == 0o600


def test_what_the_proof_reads_of_a_kind_that_nobody_knows() -> None:
    found = kept(OBJECTS["Rollout"])["spec"]["template"]
    assert found["metadata"] == {"labels": {"app": "web"}, "annotations": {"sidecar.istio.io/inject": "true"}}
    assert found["spec"]["serviceAccountName"] == "web" and found["spec"]["hostNetwork"] is True
    (container,) = found["spec"]["containers"]
    assert container["ports"] == [{"containerPort": 80}] and container["readinessProbe"] == {"httpGet": {"port": 81, "path": "/"}}
    assert container["env"] == [{"name": "ISTIO_PASS"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    assert [one["name"] for one in found["spec"]["initContainers"]] == ["init"]


def test_what_istiod_has() -> None:
    mesh = yaml.safe_load(kept(OBJECTS["ConfigMap istio-canary"])["data"]["mesh"])
    assert mesh["trustDomain"] == "corp.example" and mesh["pathNormalization"] == {"normalization": "MERGE_SLASHES"}
    assert [row["name"] for row in mesh["extensionProviders"]] == ["ext", "otel", "sky"]
    assert mesh["defaultConfig"]["proxyMetadata"] == {"TOKEN": "", "ISTIO_META_DNS_CAPTURE": "true"}
    env = [{"name": "PILOT_X", "value": "false"}, {"name": "DB", "value": NEEDLE}, {"name": "CLUSTER_ID", "value": "west"}]
    spec = {
        "template": {"spec": {"containers": [{"name": "discovery", "args": ["discovery", "--domain", "corp.local", NEEDLE], "env": env}]}}
    }
    (container,) = kept(obj("Deployment", "apps/v1", name="istiod", spec=spec))["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "PILOT_X", "value": "false"}, {"name": "DB", "value": ""}, {"name": "CLUSTER_ID", "value": "west"}]
    assert container["args"] == ["--domain", "corp.local"]


@pytest.mark.parametrize("text", [KEY, base64.b64encode(KEY.encode()).decode(), base64.b64encode(f"ab\n{KEY}".encode()).decode()])
def test_a_file_with_a_key_in_it_is_not_written(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the list of fields failed, and in what is no object."""
    path = tmp_path / "west.json"
    seen = Snapshot(
        "west", NOW, "cluster", None, (obj("AuthorizationPolicy", "security.istio.io/v1", spec={"x": 1}),), forbidden={"v1/A": text}
    )
    if not text.startswith("YWI"):  # what comes before the block hides its beginning: this is a text that nothing here has a place for
        with pytest.raises(ConfigError, match="a private key would be in it: outside of the objects"):
            seen.save(path)
        assert not path.exists()
    monkeypatch.setattr("ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot.kept", lambda given: given)
    with pytest.raises(ConfigError, match="a private key would be in it: ConfigMap shop/web"):
        Snapshot("west", NOW, "cluster", None, (obj("ConfigMap", data={"a": KEY}),)).save(path)
    assert not path.exists()


@pytest.mark.parametrize(
    "spec", ["text", ["text"], 5, None, {"template": "text"}, {"template": {"spec": ["x"]}}, {"template": {"spec": {"containers": {}}}}]
)
def test_wrong_types_stay_wrong(spec: Any) -> None:
    """That they are wrong is a finding."""
    found = kept(obj("Deployment", "apps/v1", spec=spec))["spec"]
    while isinstance(spec, dict) and spec:
        (_name, spec), found = next(iter(spec.items())), next(iter(found.values()))
    assert type(found) is type(spec)


@pytest.mark.parametrize(
    ("name", "key", "stays"),
    [
        ("istio-sidecar-injector", "values", True),
        ("istio-sidecar-injector-canary", "values", True),
        ("values-prod", "merged-values", True),
        ("values", "values", True),
        ("kiali", "values", False),
        ("istio", "original-values", False),
    ],
)
def test_of_the_values_of_charts_what_a_proxy_takes_is_kept(name: str, key: str, stays: bool) -> None:
    proxy = {"clusterDomain": "corp.local", "excludeInboundPorts": "80", "secret": NEEDLE}
    given = obj("ConfigMap", name=name, data={key: json.dumps({"global": {"proxy": proxy, "token": NEEDLE}, "pilot": NEEDLE})})
    text = (kept(given).get("data") or {}).get(key)
    assert (text is not None) is stays and NEEDLE not in str(text)
    assert not stays or json.loads(str(text)) == {"global": {"proxy": {"clusterDomain": "corp.local", "excludeInboundPorts": "80"}}}
