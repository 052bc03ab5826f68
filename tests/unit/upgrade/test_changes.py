# SPDX-License-Identifier: GPL-3.0-or-later
"""Each change of the table is found where somebody uses it, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.changes import CHANGES, ReleaseChange
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.objects import Span, changes_found, compatibility, filter_names

from upgrade.world import Obj, deployment, istio, obj, snapshot

WRITTEN = [change for change in CHANGES if change.where != "object"]


def nested(path: str, value: Any) -> Obj:
    for name in reversed(path.split(".")):
        value = {name: value}
    return dict(value)


def uses(change: ReleaseChange, value: str = "") -> list[Obj]:
    """An object for each place in which it can be written."""
    name, _equals, wanted = change.match.partition("=")
    value = value or wanted or "some"
    if change.where == "annotation":
        return [deployment("shop/cart", annotations={name: value}), obj("v1", "Namespace", "shop", annotations={name: value})]
    if change.where == "label":
        return [obj("v1", "Service", "shop/cart", spec={"selector": {name: value}})]
    if change.where == "env":
        container = nested("runtime.components.pilot.container.env", {name: value})
        return [istio("prod", values=nested("pilot.env", {name: value})), smcp(**container)]
    if change.where == "value":
        return [istio("prod", values=nested(name, value))]
    mesh_config = (
        {"extensionProviders": [{"name": "mine", name: {}}]}
        if change.where == "provider"
        else nested("defaultConfig.proxyMetadata", {name: value})
    )
    return [istio("prod", values={"meshConfig": mesh_config}), smcp(techPreview={"meshConfig": mesh_config})]


def smcp(**spec: Any) -> Obj:
    return obj("maistra.io/v2", "ServiceMeshControlPlane", "istio-system/prod", spec=spec)


def span(
    change: ReleaseChange, *, old: int = -1, new: int = 0, name: str = "prod", namespace: str = "istio-system", ambient: bool = True
) -> Span:
    major, minor = change.istio
    return Span((major, minor + old), (major, minor + new), frozenset({name}), namespace, ambient)


def found(change: ReleaseChange, objects: list[Obj], where: Span, source: str = "cluster") -> list[str]:
    rows = changes_found(View(snapshot(*objects, source=source)), where, {change.effect})
    return [row.resource for row in rows if (row.evidence or {}).get("source") == change.source and change.meaning in row.message]


def title(one: Obj) -> str:
    meta = one["metadata"]
    return f"{one['kind']} {meta['namespace']}/{meta['name']}" if "namespace" in meta else f"{one['kind']} {meta['name']}"


@pytest.mark.parametrize("change", WRITTEN, ids=lambda change: f"{change.where}-{change.match}")
def test_a_change_is_found_where_it_is_written(change: ReleaseChange) -> None:
    for one in uses(change):
        assert found(change, [one], span(change)) == [title(one)]
        assert found(change, [one], span(change, old=-3, new=2)) == [title(one)]
        assert found(change, [one], span(change, old=0, new=1)) == [], "it was so before the upgrade"
        assert found(change, [one], span(change, old=-2, new=-1)) == [], "it comes later"
        if "=" in change.match:
            assert found(change, uses(change, "other"), span(change)) == []
        if one["kind"] in ("Istio", "ServiceMeshControlPlane"):
            assert found(change, [one], span(change, name="another")) == [], "another control plane's"
        if one["kind"] == "ServiceMeshControlPlane":
            assert found(change, [one], span(change, namespace="elsewhere")) == []
    assert found(change, [istio("prod"), smcp(), deployment("shop/cart"), obj("v1", "Namespace", "shop")], span(change)) == []


def rule(kind: str, **spec: Any) -> Obj:
    group = {"DestinationRule": "networking.istio.io/v1", "ServiceEntry": "networking.istio.io/v1", "Service": "v1", "Telemetry":
             "telemetry.istio.io/v1", "AuthorizationPolicy": "security.istio.io/v1"}[kind]  # fmt: skip
    return obj(group, kind, "shop/one", spec=spec)


def entry(where: str, *hosts: str) -> Obj:
    return obj("networking.istio.io/v1", "ServiceEntry", where, spec={"hosts": list(hosts)})


def crd(group: str, kind: str, *versions: str, off: tuple[str, ...] = ()) -> Obj:
    rows = [{"name": name, "served": True} for name in versions] + [{"name": name, "served": False} for name in off]
    spec = {"group": group, "names": {"kind": kind}, "versions": rows}
    return obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{kind.lower()}s.{group}", spec=spec)


def tracing(**mesh_config: Any) -> Obj:
    return istio("prod", values={"meshConfig": {"enableTracing": True, **mesh_config}})


GATEWAY_API = "gateway.networking.k8s.io"
POLICY = obj(f"{GATEWAY_API}/v1alpha3", "BackendTLSPolicy", "shop/one")
LIGHTSTEP = istio("prod", values={"meshConfig": {"extensionProviders": [{"name": "a", "lightstep": {}}, {"name": "b", "zipkin": {}}]}})
DRY = obj("security.istio.io/v1", "AuthorizationPolicy", "shop/one", annotations={"istio.io/dry-run": "true"})
PREDICATES: list[tuple[str, list[Obj], bool]] = [
    ("tracing_without_provider", [tracing()], True),
    ("tracing_without_provider", [tracing(enableTracing=False)], False),
    ("tracing_without_provider", [tracing(defaultConfig={"tracing": {"zipkin": {}}})], False),
    ("tracing_without_provider", [tracing(defaultProviders={"tracing": ["zipkin"]})], False),
    ("tracing_without_provider", [tracing(), rule("Telemetry", tracing=[{"providers": [{"name": "zipkin"}]}])], False),
    ("tracing_without_provider", [tracing(), rule("Telemetry", metrics=[{}])], True),
    ("tls_without_ca", [rule("DestinationRule", trafficPolicy={"tls": {"mode": "SIMPLE"}})], True),
    ("tls_without_ca", [rule("DestinationRule", trafficPolicy={"tls": {"mode": "MUTUAL"}})], True),
    ("tls_without_ca", [rule("DestinationRule", trafficPolicy={"tls": {"mode": "ISTIO_MUTUAL"}})], False),
    ("tls_without_ca", [rule("DestinationRule", trafficPolicy={"tls": {"mode": "SIMPLE", "caCertificates": "/a"}})], False),
    ("tls_without_ca", [rule("DestinationRule", trafficPolicy={"tls": {"mode": "SIMPLE", "credentialName": "a"}})], False),
    ("tls_without_ca", [rule("DestinationRule", trafficPolicy={"portLevelSettings": [{"tls": {"mode": "SIMPLE"}}]})], True),
    ("tls_without_ca", [rule("DestinationRule", subsets=[{"name": "v1", "trafficPolicy": {"tls": {"mode": "SIMPLE"}}}])], True),
    ("external_name", [rule("Service", type="ExternalName")], True),
    ("external_name", [rule("Service", type="ClusterIP")], False),
    ("target_port_of_none", [rule("ServiceEntry", ports=[{"number": 80, "targetPort": 8080}])], True),
    ("target_port_of_none", [rule("ServiceEntry", ports=[{"number": 80, "targetPort": 80}, {"number": 81}])], False),
    ("target_port_of_none", [rule("ServiceEntry", resolution="DNS", ports=[{"number": 80, "targetPort": 8080}])], False),
    ("wasm_attributes", [rule("Telemetry", metrics=[{"value": "filter_state['wasm.upstream_peer']"}])], True),
    ("wasm_attributes", [rule("Telemetry", metrics=[{"value": "filter_state.upstream_peer"}])], False),
    ("provider_of_telemetry", [LIGHTSTEP, rule("Telemetry", tracing=[{"providers": [{"name": "a"}]}])], True),
    ("provider_of_telemetry", [LIGHTSTEP, rule("Telemetry", tracing=[{"providers": [{"name": "b"}]}, {}])], False),
    ("backend_tls_alpha", [POLICY, crd(GATEWAY_API, "BackendTLSPolicy", "v1alpha2", "v1alpha3")], True),
    ("backend_tls_alpha", [POLICY, crd(GATEWAY_API, "BackendTLSPolicy", "v1alpha3", off=("v1",))], True),
    ("backend_tls_alpha", [POLICY, crd(GATEWAY_API, "BackendTLSPolicy", "v1alpha3", "v1")], False),
    ("backend_tls_alpha", [POLICY, crd("example.com", "BackendTLSPolicy", "v1alpha3")], False),
    ("backend_tls_alpha", [POLICY, crd(GATEWAY_API, "Gateway", "v1alpha3")], False),
    ("backend_tls_alpha", [POLICY], False),
    ("inference_pool_alpha", [obj("inference.networking.x-k8s.io/v1alpha2", "InferencePool", "shop/one")], True),
    ("ambient_dry_run", [DRY], True),
    ("ambient_dry_run", [rule("AuthorizationPolicy")], False),
    ("same_host_twice", [rule("ServiceEntry", hosts=["a.example.com"]), entry("bank/two", "b.example.com", "a.example.com")], True),
    ("same_host_twice", [rule("ServiceEntry", hosts=["a.example.com"]), entry("shop/two", "a.example.com")], False),
    ("same_host_twice", [rule("ServiceEntry", hosts=["a.example.com"]), entry("bank/two", "b.example.com")], False),
    ("same_host_twice", [rule("ServiceEntry", hosts=["cart.shop.svc.cluster.local"]), obj("v1", "Service", "shop/cart")], True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "objects", "expected"), PREDICATES)
def test_objects_whose_meaning_changes(name: str, objects: list[Obj], expected: bool) -> None:
    change = next(row for row in CHANGES if row.where == "object" and row.match == name)
    assert bool(found(change, objects, span(change))) is expected


def test_each_predicate_is_tried() -> None:
    assert {row.match for row in CHANGES if row.where == "object"} == {name for name, _objects, _expected in PREDICATES}


def test_what_only_a_source_of_manifests_can_say_and_what_only_ambient_has() -> None:
    alpha, dry = (next(row for row in CHANGES if row.match == name) for name in ("backend_tls_alpha", "ambient_dry_run"))
    assert found(alpha, [POLICY], span(alpha), source="manifests") == ["BackendTLSPolicy shop/one"]
    assert found(alpha, [obj(f"{GATEWAY_API}/v1", "BackendTLSPolicy", "shop/one")], span(alpha), source="manifests") == []
    assert found(dry, [DRY], span(dry, ambient=False)) == []


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.20", True), ("1.24", True), ("1.25", False), ("1.30", False), ("1.31", False), ("nonsense", False), (None, False)],
)
def test_a_compatibility_version_that_the_target_does_not_have(version: str | None, expected: bool) -> None:
    plane = istio("prod", values={"compatibilityVersion": version} if version else {})
    rows = list(compatibility(View(snapshot(plane)), Span((1, 29), (1, 30), frozenset({"prod"}), "istio-system")))
    assert [row.message.partition(",")[0] for row in rows] == [f"spec.values.compatibilityVersion is {version}"] * expected


def test_names_of_filters_are_found_at_any_depth_and_told_once() -> None:
    patch = {"patch": {"value": [{"typed_config": {"filters": [{"name": "envoy.router"}, {"name": "envoy.router"}, {"name": 3}]}}]}}
    broken = obj("networking.istio.io/v1alpha3", "EnvoyFilter", "shop/one", spec={"configPatches": [patch, "no mapping", patch]})
    where = Span((1, 29), (1, 30), frozenset({"prod"}), "istio-system")
    assert [row.message for row in filter_names(View(snapshot(broken)), where)] == [
        "configPatches[0]: envoy.router is an old name, write envoy.filters.http.router"]  # fmt: skip
