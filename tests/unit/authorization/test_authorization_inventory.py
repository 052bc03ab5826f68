# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is there: workloads, gateways, waypoints and settings out of the objects of either generation; what is assumed is said."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.doors import doors_of
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.facts import Facts
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import MeshInventory, take
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.world import MeshPolicies
from authorization_travel import mtls, namespace, workload
from authorization_worlds import policy, source


def kinds(inventory: MeshInventory) -> dict[str, str]:
    return {place.ref: "outside" if place.outside else place.workload.kind for place in inventory.places}


def doors(objects: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    inventory = take(objects)
    return {(place.ref, door.chain.protocol): door for place, door in doors_of(MeshPolicies(inventory.objects, inventory.mesh), inventory)}


def deployment(where: str, name: str, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    annotations = spec.pop("annotations", {})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": where},
        "spec": {"template": {"metadata": {"labels": labels or {"app": name}, "annotations": annotations}, "spec": spec}},
    }


def test_who_has_a_proxy() -> None:
    found = kinds(
        take(
            [
                namespace("in"),
                namespace("rev", **{"istio.io/rev": "production"}),
                namespace("out", team="x"),
                namespace("ambient", **{"istio.io/dataplane-mode": "ambient"}),
                deployment("in", "a"),
                deployment("in", "off", annotations={"sidecar.istio.io/inject": "false"}),
                deployment("in", "host", hostNetwork=True),
                deployment("rev", "a"),
                deployment("out", "a"),
                deployment("out", "on", {"sidecar.istio.io/inject": "true"}),
                deployment("ambient", "a"),
                deployment("ambient", "sidecar", {"sidecar.istio.io/inject": "true"}),
                deployment("in", "gateway", annotations={"inject.istio.io/templates": "gateway"}),
                deployment("unknown", "a"),
            ]
        )
    )
    assert found == {
        "in/a": "sidecar",
        "in/off": "outside",
        "in/host": "outside",
        "rev/a": "sidecar",
        "out/a": "outside",
        "out/on": "sidecar",
        "ambient/a": "ztunnel",
        "ambient/sidecar": "sidecar",
        "in/gateway": "gateway",
        "unknown/a": "sidecar",
    }


def test_openshift_service_mesh_2_injects_only_what_says_so_and_makes_its_gateways() -> None:
    roll = {
        "apiVersion": "maistra.io/v1",
        "kind": "ServiceMeshMemberRoll",
        "metadata": {"name": "default", "namespace": "cp"},
        "spec": {"members": ["shop"]},
    }
    plane = {
        "apiVersion": "maistra.io/v2",
        "kind": "ServiceMeshControlPlane",
        "metadata": {"name": "basic", "namespace": "cp"},
        "spec": {
            "version": "v2.6.3",
            "security": {"trust": {"domain": "east.local", "additionalDomains": ["old.local"]}},
            "gateways": {
                "egress": {"enabled": False},
                "additionalIngress": {"partner": {"service": {"metadata": {"labels": {"app": "partner"}}}}},
            },
        },
    }
    inventory = take(
        [roll, plane, namespace("shop"), deployment("shop", "a"), deployment("shop", "b", annotations={"sidecar.istio.io/inject": "true"})]
    )
    assert kinds(inventory) == {"shop/a": "outside", "shop/b": "sidecar", "cp/istio-ingressgateway": "gateway", "cp/partner": "gateway"}
    mesh = inventory.mesh
    assert (mesh.trust_domain, mesh.trust_domain_aliases, mesh.root_namespace, mesh.version) == ("east.local", ("old.local",), "cp", "1.20")
    assert inventory.identity(inventory.places[-1]) == "spiffe://east.local/ns/cp/sa/partner-service-account"
    assert inventory.identity(inventory.places[0]) is None and inventory.assumptions == ()


@pytest.mark.parametrize(
    ("gateways", "made"),
    [
        ({}, ["cp/istio-egressgateway", "cp/istio-ingressgateway"]),
        ({"gateways": {"ingress": {"namespace": "edge"}, "egress": {"enabled": False}}}, ["edge/istio-ingressgateway"]),
        (
            {
                "gateways": {
                    "egress": {"enabled": False},
                    "ingress": {"enabled": False},
                    "additionalEgress": {"a": {}, "b": {"enabled": False}},
                }
            },
            ["cp/a"],
        ),
        ({"gateways": {"enabled": False}}, []),
    ],
)
def test_the_gateways_of_a_control_plane_of_ossm_2_are_there_unless_they_are_switched_off(gateways: Any, made: list[str]) -> None:
    plane = {
        "apiVersion": "maistra.io/v2",
        "kind": "ServiceMeshControlPlane",
        "metadata": {"name": "basic", "namespace": "cp"},
        "spec": {"version": "v2.6", **gateways},
    }
    assert sorted(kinds(take([plane]))) == made
    assert kinds(take([plane], assume=False)) == {}, "a cluster has their Deployments"


def test_what_is_given_goes_before_what_the_source_says() -> None:
    istio = {
        "apiVersion": "sailoperator.io/v1",
        "kind": "Istio",
        "metadata": {"name": "x"},
        "spec": {
            "namespace": "cp",
            "version": "v1.27-latest",
            "values": {"meshConfig": {"trustDomain": "a.local", "pathNormalization": {"normalization": "MERGE_SLASHES"}}},
        },
    }
    mesh = take([istio]).mesh
    assert (mesh.trust_domain, mesh.root_namespace, mesh.version, mesh.path_normalization) == ("a.local", "cp", "v1.27", "MERGE_SLASHES")
    assert take([istio], {"trust_domain": "b.local", "version": None}).mesh.trust_domain == "b.local"
    assert len(take([]).assumptions) == 3


AUTHORIZERS = [
    {"name": "asks", "envoyExtAuthzHttp": {"service": "a.shop.svc", "port": 80}},
    {"name": "calls", "envoyExtAuthzGrpc": {"service": "b.shop.svc", "port": 90}},
    {"name": "traces", "zipkin": {"service": "z.shop.svc", "port": 9411}},
]
ASKED = [policy({}, name=name, action="CUSTOM", provider={"name": name}, namespace="shop") for name in ("asks", "calls", "traces")]


def _custom_at_cars(plane: list[dict[str, Any]], asked: dict[str, Any]) -> Any:
    found = doors([*plane, namespace("shop"), *workload("shop", "cars"), asked])[("shop/cars", "HTTP")]
    return found.chain.decide(Facts())


@pytest.mark.parametrize("place", ["istio", "smcp", "preview"])
def test_54_the_authorizers_of_the_mesh_are_those_of_its_control_plane(place: str) -> None:
    config = {"extensionProviders": AUTHORIZERS}
    inside = {"meshConfig": config}
    specs = {"istio": {"values": inside}, "smcp": inside, "preview": {"techPreview": inside}}
    kind = ("sailoperator.io/v1", "Istio") if place == "istio" else ("maistra.io/v2", "ServiceMeshControlPlane")
    plane = {"apiVersion": kind[0], "kind": kind[1], "metadata": {"name": "x", "namespace": "istio-system"}, "spec": specs[place]}
    assert {name: found.protocol for name, found in take([plane]).mesh.providers.items()} == {"asks": "http", "calls": "grpc"}
    for number, asked in enumerate(ASKED):
        verdict = _custom_at_cars([plane], asked)
        assert verdict.allowed is (number < 2) and verdict.asks == (("asks",), ("calls",), ())[number]


def test_54_an_authorizer_of_which_nothing_is_said_is_assumed_to_exist() -> None:
    verdict = _custom_at_cars([], ASKED[0])
    assert verdict.allowed and verdict.asks == ("asks",)
    assert "the providers asks exist: the source does not say" in take([ASKED[0]]).assumptions
    istio = {"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": "x"}, "spec": {"values": {"meshConfig": {}}}}
    assert not _custom_at_cars([istio], ASKED[0]).allowed


def test_what_istiod_is_told_by_its_environment() -> None:
    flags = ["PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS", "ENABLE_SELECTOR_BASED_K8S_GATEWAY_POLICY"]
    flags.append("AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY")
    values = {
        "pilot": {"env": dict(zip(flags, ["true", "false", "true"], strict=True))},
        "meshConfig": {"defaultConfig": {"gatewayTopology": {"numTrustedProxies": 2}}},
    }
    istio = {"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": "x"}, "spec": {"values": values}}
    mesh = take([istio]).mesh
    assert (mesh.multiple_custom_providers, mesh.gateway_selectors, mesh.ambient_dry_run, mesh.trusted_proxies) == (True, False, True, 2)
    bare = take([]).mesh
    assert (bare.multiple_custom_providers, bare.gateway_selectors, bare.ambient_dry_run, bare.trusted_proxies) == (False, True, False, 0)


def test_of_several_control_planes_the_one_of_the_root_namespace_counts_or_the_choice_is_told() -> None:
    planes = [
        {"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": name}, "spec": {"namespace": name, "values": values}}
        for name, values in (("a", {"meshConfig": {"trustDomain": "a.local"}}), ("b", {"meshConfig": {"trustDomain": "b.local"}}))
    ]
    assert "the settings are those of b: the source has the control planes a, b" in take(planes).assumptions
    chosen = take(planes, {"root_namespace": "a"})
    assert chosen.mesh.trust_domain == "a.local" and not any("control planes" in text for text in chosen.assumptions)


def test_a_pod_of_a_deployment_is_not_counted_twice() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a-7d9c", "controller": True}
    labels = {"app": "a", "pod-template-hash": "7d9c"}
    metadata = {"name": "a-7d9c-x1", "namespace": "in", "labels": labels, "ownerReferences": [owner]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    bare = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": "in"}, "spec": {"serviceAccountName": "b"}}
    inventory = take([namespace("in"), deployment("in", "a"), pod, bare])
    assert [(place.ref, place.account) for place in inventory.places] == [("in/a", "default"), ("in/bare", "b")]


def test_ports_are_those_of_the_pod_and_named_by_services() -> None:
    pod = deployment("in", "a", containers=[{"name": "m", "ports": [{"containerPort": 9000, "name": "web"}]}])
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a", "namespace": "in"},
        "spec": {
            "selector": {"app": "a"},
            "ports": [
                {"port": 80, "targetPort": "web", "name": "http"},
                {"port": 81, "targetPort": 3306, "name": "db", "appProtocol": "mysql"},
                {"port": 53, "protocol": "UDP"},
            ],
        },
    }
    (place,) = take([namespace("in"), pod, service]).places
    assert place.ports == {9000: "HTTP", 3306: "TCP"}
    found = doors([namespace("in"), pod, service])
    assert found["in/a", "HTTP"].but == (3306,) and found["in/a", "TCP"].only == (3306,)


def test_a_service_behind_a_waypoint_is_a_place_of_its_own() -> None:
    way = {"gateway.networking.k8s.io/gateway-name": "way", "gateway.istio.io/managed": "istio.io-mesh-controller"}
    objects = [
        namespace("in", **{"istio.io/dataplane-mode": "ambient", "istio.io/use-waypoint": "way"}),
        *workload("in", "cars"),
        deployment("in", "way", way, serviceAccountName="way"),
        policy(source(namespaces=["web"]), namespace="in", targetRefs=[{"kind": "Service", "group": "", "name": "cars"}]),
    ]
    found = doors(objects)
    assert set(found) == {("in/cars", "ZTUNNEL"), ("in/cars (waypoint way)", "HTTP")}
    assert found["in/cars (waypoint way)", "HTTP"].chain.has_allow and not found["in/cars", "ZTUNNEL"].chain.has_allow


def test_a_waypoint_of_the_gateway_api_alone_is_enough() -> None:
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "way", "namespace": "in"},
        "spec": {"gatewayClassName": "istio-waypoint"},
    }
    public = {**gateway, "metadata": {"name": "web", "namespace": "in"}, "spec": {"gatewayClassName": "istio"}}
    labelled = namespace("in", **{"istio.io/dataplane-mode": "ambient", "istio.io/use-waypoint": "way"})
    inventory = take([labelled, *workload("in", "cars"), gateway, public])
    assert kinds(inventory)["in/cars (waypoint way)"] == "waypoint" and kinds(inventory)["in/web-istio"] == "gateway"


def test_a_folder_of_policies_alone_is_about_the_workloads_that_they_select() -> None:
    inventory = take([policy(namespace="shop", selector={"matchLabels": {"app": "cars"}}), policy(namespace="shop", name="none"), mtls()])
    assert [place.ref for place in inventory.places] == [
        "shop/(any other workload)",
        "shop/(app=cars)",
        "prod-istio-system/(any other workload)",
    ]
    assert any("no workloads of prod-istio-system, shop in the source" in text for text in inventory.assumptions)


def test_equal_doors_are_one() -> None:
    found = doors([namespace("in"), *workload("in", "a"), *workload("in", "b"), policy(namespace="in")])
    assert found["in/a", "HTTP"] is found["in/b", "HTTP"]


@pytest.mark.parametrize(
    "broken", [{"kind": "Deployment"}, {"kind": "Service", "apiVersion": "v1", "spec": None}, {"kind": "Pod", "metadata": None}]
)
def test_half_written_objects_do_no_harm(broken: dict[str, Any]) -> None:
    take([broken, namespace("in"), deployment("in", "a")])


def test_a_gateway_s_ports_speak_what_its_gateways_say() -> None:
    """A Service calls the port https, and Envoy ends TLS there: it is HTTP to the policies."""
    pod = deployment("in", "gw", {"istio": "ingressgateway"})
    ports = [{"name": "https", "port": 443, "targetPort": 8443}, {"name": "tls", "port": 15443}, {"name": "tcp-db", "port": 3306}]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "gw", "namespace": "in"},
        "spec": {"selector": {"istio": "ingressgateway"}, "ports": ports},
    }
    servers = [
        {"port": {"number": 443, "protocol": "HTTPS"}, "tls": {"mode": "MUTUAL"}},
        {"port": {"number": 3306, "protocol": "TCP"}},
        {"port": {"number": 15443, "protocol": "TLS"}, "tls": {"mode": "AUTO_PASSTHROUGH"}},
    ]
    gateway = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "g", "namespace": "other"},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": servers},
    }
    (place,) = take([pod, service, gateway]).places
    assert place.ports == {8443: "HTTP", 15443: "TCP", 3306: "TCP"}
    elsewhere = {**gateway, "spec": {"selector": {"istio": "other"}, "servers": servers}}
    assert set(take([pod, service, elsewhere]).places[0].ports.values()) == {"HTTP"}


def test_a_port_that_any_service_calls_tcp_is_tcp() -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a", "namespace": "in"},
        "spec": {"selector": {"app": "a"}, "ports": [{"port": 1, "name": "tcp"}]},
    }
    again = {**service, "spec": {"selector": {"app": "a"}, "ports": [{"port": 1, "name": "http"}]}}
    for services in ([service, again], [again, service]):
        assert take([deployment("in", "a"), *services]).places[0].ports == {1: "TCP"}
