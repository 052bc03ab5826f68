# SPDX-License-Identifier: GPL-3.0-or-later
"""Each field of a ServiceMeshControlPlane is accounted for, and what it becomes fits the real CRDs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._migration.convert import convert, row_for, tracing_of
from ansible_collections.meshops.mesh.plugins.module_utils._migration.fields import FIELDS, FieldOutcome
from testbed import crds

from .schema import leaves, problems, schema_of

GOLDEN = Path(__file__).resolve().parents[1] / "roles" / "golden"
Obj = dict[str, Any]
REAL = crds.origin("sail") == "real" and crds.origin("maistra") == "real"
needs_real = pytest.mark.skipif(not REAL, reason="the real definitions are not on this machine")


def smcp(**spec: Any) -> Obj:
    return {
        "apiVersion": "maistra.io/v2",
        "kind": "ServiceMeshControlPlane",
        "metadata": {"name": "basic", "namespace": "istio-system"},
        "spec": spec,
    }


def golden(mesh: str) -> Obj:
    """The control plane of the travel book's chapter 2 or 3, as the role renders it."""
    layers = yaml.safe_load((GOLDEN / f"travel-{mesh}-ossm2.yaml").read_text(encoding="utf-8"))
    found: Obj = next(obj for name, obj in layers["control_plane"].items() if name.startswith("ServiceMeshControlPlane"))
    return found


def istio_problems(values: Obj) -> list[str]:
    spec = {"version": "v1.30.3", "namespace": "istio-system", "values": values}
    return list(problems({"spec": spec}, schema_of("sail", "Istio", "v1")))


def scalars(node: Any, path: str = "spec") -> set[str]:
    """Every scalar's path, written otherwise than the converter does it."""
    if isinstance(node, dict) and node:
        return set().union(*(scalars(one, f"{path}.{name}") for name, one in node.items()))
    if isinstance(node, list) and node:
        return set().union(*(scalars(one, f"{path}[{number}]") for number, one in enumerate(node)))
    return {path}


@pytest.mark.parametrize("mesh", ["dev", "prod"])
def test_travel_is_accounted_for_field_by_field(mesh: str) -> None:
    plane = golden(mesh)
    made = convert(plane)
    rows = {row.path: row for row in made.rows}
    assert len(rows) == len(made.rows)
    for path in scalars(plane["spec"]):
        assert any(path == known or path.startswith((f"{known}.", f"{known}[")) for known in rows), path
    assert [row.path for row in made.rows if row.outcome is FieldOutcome.UNKNOWN] == []
    assert all(row.to or row.todo or row.outcome is FieldOutcome.GONE for row in made.rows)
    assert istio_problems(made.values) == []


def test_chapter_three_becomes_what_it_asks_for() -> None:
    made = convert(golden("prod"))
    assert made.values["meshConfig"] == {
        "accessLogFile": "/dev/stdout",
        "accessLogEncoding": "JSON",
        "enableAutoMtls": True,
        "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
        "dnsRefreshRate": "300s",
    }
    assert made.values["pilot"] == {
        "autoscaleEnabled": False,
        "replicaCount": 2,
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
    }
    # the same pods have a proxy as before: those that ask for one
    assert made.values["global"] == {"logging": {"level": "default:warn"}, "proxy": {"autoInject": "disabled"}}


@needs_real
def test_the_table_knows_every_field_of_the_crd() -> None:
    schema = schema_of("maistra", "ServiceMeshControlPlane", "v2")["properties"]["spec"]
    unknown = []
    for path, _one in leaves(schema):
        fits = any(row_for(path[:end], whole=True) for end in range(1, len(path) + 1)) or row_for(path, whole=False)
        free = path == ("techPreview",)
        if not fits and not free:
            unknown.append(".".join(map(str, path)))
    assert unknown == []


SAMPLES: Obj = {"string": "text", "boolean": True, "integer": 7, "number": 7, "array": ["one"], "object": {"a": "b"}}
TOLERATION = {"key": "infra", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 7, "value": "x"}
SPECIAL: Obj = {
    "proxy.accessLogging.file.encoding": "JSON",
    "proxy.networking.trafficControl.inbound.interceptionMode": "TPROXY",
    "proxy.networking.trafficControl.outbound.policy": "REGISTRY_ONLY",
    "proxy.accessLogging.envoyService.tlsSettings.mode": "SIMPLE",
    "proxy.envoyMetricsService.tlsSettings.mode": "SIMPLE",
    "security.controlPlane.tls.minProtocolVersion": "TLSv1_2",
    "general.logging.componentLevels": {"default": "info", "ads": "debug"},
    "proxy.logging.componentLevels": {"filter": "trace"},
}


def sample(path: tuple[Any, ...], schema: Obj) -> Any:
    text = ".".join(str(one) for one in path)
    if text in SPECIAL:
        return SPECIAL[text]
    if path[-1] == "imagePullPolicy":
        return "Always"
    if schema.get("x-kubernetes-int-or-string"):
        return "25%"
    if schema.get("enum"):
        return schema["enum"][0]
    if path[-1] in ("limits", "requests"):
        return {"cpu": "1"}
    return SAMPLES[schema.get("type", "object")]


def put(spec: Obj, path: tuple[Any, ...], value: Any) -> None:
    where: Any = spec
    for number, step in enumerate(path[:-1]):
        empty: Any = [] if isinstance(path[number + 1], int) else {}
        if isinstance(step, int):
            while len(where) <= step:
                where.append({})
            where = where[step]
        else:
            where = where.setdefault(step, empty)
    where[path[-1]] = value


@needs_real
def test_every_field_of_the_crd_that_is_mapped_lands_where_the_istio_crd_has_it() -> None:
    """One resource for each field: what is written fits the CRD of the Istio, and is not lost."""
    schema = schema_of("maistra", "ServiceMeshControlPlane", "v2")["properties"]["spec"]
    mapped = 0
    for raw, one in leaves(schema):
        path = tuple("pilot" if step == "x" and raw[:2] == ("runtime", "components") else step for step in raw)
        named = next(filter(None, (row_for(path[:end], whole=True) for end in range(1, len(path) + 1))), None)
        found_row = named or row_for(path, whole=False)
        if found_row is None or found_row[0].outcome is not FieldOutcome.MAPPED:
            continue
        spec: Obj = {}
        put(spec, path, sample(path, dict(one)))
        made = convert(smcp(**spec))
        # a field alone may lack a neighbour that it needs
        assert [one for one in istio_problems(made.values) if not one.endswith(" is missing")] == [], path
        said = [row for row in made.rows if not row.implied]
        assert len(said) == 1 or path[0] == "meshConfig", path
        if said[0].outcome is FieldOutcome.MAPPED:
            mapped += 1
            steps = [step for step in said[0].to.replace("[", ".[").split(".")[2:]]
            found: Any = made.values
            for step in steps:
                found = found[int(step[1:-1])] if step.startswith("[") else found[step]
            assert found is not None, path
    assert mapped > 120


@pytest.mark.parametrize(
    ("spec", "path", "outcome", "to", "value"),
    [
        (
            {"proxy": {"networking": {"trafficControl": {"inbound": {"excludedPorts": [15020, 8443]}}}}},
            "spec.proxy.networking.trafficControl.inbound.excludedPorts",
            "mapped",
            ("global", "proxy", "excludeInboundPorts"),
            "15020,8443",
        ),
        (
            {"general": {"logging": {"componentLevels": {"default": "info", "ads": "debug"}}}},
            "spec.general.logging.componentLevels",
            "mapped",
            ("global", "logging", "level"),
            "ads:debug,default:info",
        ),
        (
            {"security": {"certificateAuthority": {"istiod": {"workloadCertTTLDefault": "12h"}}}},
            "spec.security.certificateAuthority.istiod.workloadCertTTLDefault",
            "mapped",
            ("pilot", "env", "DEFAULT_WORKLOAD_CERT_TTL"),
            "12h",
        ),
        (
            {"security": {"certificateAuthority": {"type": "cert-manager", "cert-manager": {"address": "csr.istio-csr.svc:443"}}}},
            "spec.security.certificateAuthority.cert-manager.address",
            "mapped",
            ("global", "caAddress"),
            "csr.istio-csr.svc:443",
        ),
        (
            {"proxy": {"injection": {"autoInject": True}}},
            "spec.proxy.injection.autoInject",
            "mapped",
            ("global", "proxy", "autoInject"),
            "enabled",
        ),
        (
            {"proxy": {"runtime": {"container": {"env": {"A": 1}}}}},
            "spec.proxy.runtime.container.env",
            "mapped",
            ("meshConfig", "defaultConfig", "proxyMetadata"),
            {"A": "1"},
        ),
        (
            {
                "cluster": {
                    "multiCluster": {"meshNetworks": {"east": {"endpoints": [{"fromRegistry": "east"}], "gateways": [{"service": "x"}]}}}
                }
            },
            "spec.cluster.multiCluster.meshNetworks.east.endpoints[0].fromRegistry",
            "mapped",
            ("global", "meshNetworks"),
            {"east": {"endpoints": [{"fromRegistry": "east"}]}},
        ),
        (
            {"proxy": {"injection": {"neverInjectSelector": [{"matchLabels": {"a": "b"}}]}}},
            "spec.proxy.injection.neverInjectSelector[0].matchLabels.a",
            "mapped",
            ("sidecarInjectorWebhook", "neverInjectSelector"),
            [{"matchLabels": {"a": "b"}}],
        ),
        (
            {"techPreview": {"meshConfig": {"defaultConfig": {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}}}},
            "spec.techPreview.meshConfig.defaultConfig.proxyMetadata.ISTIO_META_DNS_CAPTURE",
            "mapped",
            ("meshConfig", "defaultConfig", "proxyMetadata"),
            {"ISTIO_META_DNS_CAPTURE": "true"},
        ),
        (
            {"meshConfig": {"extensionProviders": [{"name": "prom", "prometheus": {}}]}},
            "spec.meshConfig.extensionProviders[0].prometheus",
            "mapped",
            ("meshConfig", "extensionProviders"),
            [{"name": "prom", "prometheus": {}}],
        ),
    ],
)
def test_values_are_carried(spec: Obj, path: str, outcome: str, to: tuple[str, ...], value: Any) -> None:
    made = convert(smcp(**spec))
    row = next(row for row in made.rows if row.path == path)
    assert row.outcome.value == outcome
    found: Any = made.values
    for step in to:
        found = found[step]
    assert found == value
    assert istio_problems(made.values) == []


def test_a_certificate_manager_switches_the_ca_server_off() -> None:
    made = convert(smcp(security={"certificateAuthority": {"type": "cert-manager", "cert-manager": {"address": "a:443"}}}))
    assert made.values["pilot"]["env"]["ENABLE_CA_SERVER"] == "false"


def test_what_nobody_knows_is_named_and_goes_nowhere() -> None:
    made = convert(smcp(proxy={"concurrency": 2, "turbo": {"level": [1, 2]}}, techPreview={"wonder": True}, tracing={"type": "None"}))
    unknown = {row.path: row for row in made.rows if row.outcome is FieldOutcome.UNKNOWN}
    assert set(unknown) == {"spec.proxy.turbo.level[0]", "spec.proxy.turbo.level[1]", "spec.techPreview.wonder"}
    assert all("set it by hand" in row.todo for row in unknown.values())
    assert "turbo" not in str(made.values)


def test_an_image_of_the_old_generation_is_never_carried() -> None:
    where = {"container": {"imageRegistry": "mirror.example.com/ossm", "imageTag": "2.6.5", "imageName": "proxyv2"}}
    made = convert(smcp(proxy={"runtime": where}, runtime={"defaults": where, "components": {"pilot": where}}))
    gone = [row for row in made.rows if row.path.rsplit(".", 1)[1] in ("imageRegistry", "imageTag", "imageName")]
    assert len(gone) == 9 and {row.outcome for row in gone} == {FieldOutcome.GONE} and all("mirror" in row.todo for row in gone)
    assert "2.6.5" not in str(made.values) and "mirror" not in str(made.values)


def test_a_value_that_istio_does_not_take_is_told_and_not_written() -> None:
    made = convert(smcp(security={"controlPlane": {"tls": {"minProtocolVersion": "TLSv1_0"}}}))
    row = next(row for row in made.rows if row.path.endswith("minProtocolVersion"))
    assert row.outcome is FieldOutcome.GONE and "clients that need TLSv1_0" in row.todo
    assert "meshMTLS" not in str(made.values)


def test_two_fields_for_one_place_are_told() -> None:
    policy = {"container": {"imagePullPolicy": "Always"}}
    made = convert(smcp(runtime={"defaults": policy, "components": {"pilot": {"container": {"imagePullPolicy": "Never"}}}}))
    told = [row for row in made.rows if "choose one" in row.todo]
    assert len(told) == 1 and made.values["global"]["imagePullPolicy"] in ("Always", "Never")


def test_secrets_are_not_shown() -> None:
    made = convert(
        smcp(
            addons={"stackdriver": {"telemetry": {"auth": {"apiKey": "s3cret"}}}},
            proxy={"runtime": {"container": {"env": {"TOKEN": "s3cret"}}}},
        )
    )
    assert "s3cret" not in str([row.to_dict() for row in made.rows])


def test_what_is_implied_is_a_field_too_and_the_profile_goes_first() -> None:
    plain = {row.path: row for row in convert(smcp()).rows}
    assert plain["spec.proxy.injection.autoInject"].value is False and plain["spec.gateways.ingress.enabled"].implied
    plane = smcp(gateways={"enabled": False})
    plane["status"] = {"appliedSpec": {"proxy": {"injection": {"autoInject": True}}}}
    made = convert(plane)
    assert made.values["global"]["proxy"]["autoInject"] == "enabled"
    assert not [row for row in made.rows if row.path.startswith("spec.gateways.ingress")]


def test_affinity_in_the_short_form_becomes_that_of_kubernetes() -> None:
    short = {
        "podAntiAffinity": {
            "requiredDuringScheduling": [
                {"key": "istio", "operator": "In", "values": ["pilot"], "topologyKey": "topology.kubernetes.io/zone"}
            ],
            "preferredDuringScheduling": [{"key": "app", "operator": "Exists"}],
        }
    }
    made = convert(smcp(runtime={"components": {"pilot": {"pod": {"affinity": short}}}}))
    anti = made.values["pilot"]["affinity"]["podAntiAffinity"]
    assert anti["requiredDuringSchedulingIgnoredDuringExecution"][0]["labelSelector"]["matchExpressions"][0]["values"] == ["pilot"]
    assert anti["preferredDuringSchedulingIgnoredDuringExecution"][0]["weight"] == 100
    assert istio_problems(made.values) == []


def test_rows_of_the_table_are_sound() -> None:
    assert len({row.path for row in FIELDS}) == len(FIELDS)
    assert {row.source for row in FIELDS} <= {"table", "removed", "guide", "chart", "crd", "istio"}
    for row in FIELDS:
        assert bool(row.to) == (row.outcome is not FieldOutcome.GONE), row.path
        assert row.to.count("**") <= row.path.count("**"), row.path


@pytest.mark.parametrize(("spec", "status", "sends"), [
    ({"version": "v2.6", "tracing": {"type": "Jaeger"}}, {}, "Jaeger"),
    ({"version": "v2.6", "tracing": {"type": "None"}}, {"appliedSpec": {"tracing": {"type": "Jaeger"}}}, "None"),
    ({"version": "v2.6"}, {"appliedSpec": {"tracing": {"type": "Jaeger"}}}, "Jaeger"),
    ({"version": "v2.6"}, {"appliedSpec": {"version": "v2.6"}}, "None"),
    ({"version": "v2.6"}, {}, None), ({}, {}, None), ({"version": "v2.6", "tracing": {"sampling": 100}}, {}, None),
    ({"version": "v2.5"}, {}, "Jaeger"), ({"version": "v2.10"}, {}, None),
])  # fmt: skip
def test_whether_the_old_mesh_traces(spec: Obj, status: Obj, sends: str | None) -> None:
    plane = {**smcp(**spec), "status": status}
    assert tracing_of(plane) == sends
    made = convert(plane)
    (row,) = [row for row in made.rows if row.path == "spec.tracing.type"]
    assert made.at("tracing.type") == sends
    assert (row.outcome is FieldOutcome.UNKNOWN) is (sends is None) and bool(row.todo) is (sends is None)


NEEDLE = "n33dle-of-this-test"
SECRETS: dict[str, Obj] = {
    "a variable": {"runtime": {"components": {"pilot": {"container": {"env": {"A": NEEDLE}}}}}},
    "a variable of a list": {"odd": {"env": [{"name": "A", "value": NEEDLE}]}},
    "a value with a name": {"odd": {"x": [{"name": "DB_PASSWORD", "value": NEEDLE}]}},
    "a login in an address": {"odd": {"url": f"http://a:{NEEDLE}@db.example.com/"}},
    "a header": {"meshConfig": {"extensionProviders": [{"name": "x", "zipkin": {"headers": [{"name": "a", "value": NEEDLE}]}}]}},
    "below a name of secrets": {"addons": {"grafana": {"install": {"config": {"envSecrets": {"a": NEEDLE}}}}}},
    "an argument": {"runtime": {"components": {"pilot": {"container": {"args": ["--x", NEEDLE]}}}}},
    "a private key": {"security": {"jwksResolverCA": f"-----BEGIN PRIVATE KEY-----\n{NEEDLE}"}},
    "a token": {"techPreview": {"meshConfig": {"defaultConfig": {"tracing": {"lightstep": {"accessToken": NEEDLE}}}}}},
    "a number": {"odd": {"password": 12345678}},
}


@pytest.mark.parametrize("case", SECRETS)
def test_a_row_shows_no_secret(case: str) -> None:
    rows = [row.to_dict() for row in convert(smcp(**SECRETS[case])).rows]
    assert NEEDLE not in str(rows) and "12345678" not in str(rows) and "(not shown)" in str(rows)
