# SPDX-License-Identifier: GPL-3.0-or-later
"""What chapters 3 and 4 and the exemption of cars add to the travel meshes, for both generations; refresh with UPDATE_GOLDEN=1."""

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

GOLDEN = Path(__file__).parent / "golden"
SCENARIOS = ["https", "partner_gateway", "cars_plaintext"]
PARTNER = "gto-external-ingressgateway"
KEPT = ("gateways", "control_plane", "control_plane_gateways")


@pytest.fixture(scope="module", params=["ossm2", "ossm3"])
def travel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Rendered]]:
    rendered = render(
        tmp_path_factory.mktemp(request.param),
        ["control_plane", "workloads", "gateways"],
        limit="prod",
        mesh_provider=request.param,
        travel_scenarios=SCENARIOS,
        mesh_mysql_password="of-this-test-only",
    )
    assert rendered.code == 0, rendered.output[-3000:]
    yield request.param, rendered


def exemptions(rendered: Rendered) -> dict[str, Any]:
    found = rendered.objects("prod", "workloads")
    return {name: obj for name, obj in found.items() if obj["kind"] in ("PeerAuthentication", "DestinationRule")}


def test_golden(travel: tuple[str, Rendered]) -> None:
    provider, rendered = travel
    objects = {layer: rendered.objects("prod", layer) for layer in KEPT if layer in rendered.layers("prod")}
    objects["workloads"] = exemptions(rendered)
    golden = GOLDEN / f"travel-prod-{provider}-scenarios.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(yaml.safe_dump(objects, sort_keys=True, width=140), encoding="utf-8")
    assert yaml.safe_load(golden.read_text(encoding="utf-8")) == objects


def test_the_partner_has_pods_of_its_own(travel: tuple[str, Rendered]) -> None:
    """With a label istio of the ingress gateway, these pods would serve the dashboard to the partner."""
    provider, rendered = travel
    if provider == "ossm2":
        plane = rendered.objects("prod", "control_plane")["ServiceMeshControlPlane prod-istio-system/production"]
        made = plane["spec"]["gateways"]["additionalIngress"][PARTNER]
        labels, selector = made["service"]["metadata"]["labels"], made["service"]["selector"]
        assert made["enabled"] is True and made["runtime"]["deployment"]["replicas"] == 1
    else:
        layer = rendered.objects("prod", "control_plane_gateways")
        labels = layer[f"Deployment prod-istio-system/{PARTNER}"]["spec"]["template"]["metadata"]["labels"]
        selector = layer[f"Service prod-istio-system/{PARTNER}"]["spec"]["selector"]
        assert f"RoleBinding prod-istio-system/{PARTNER}-sds" in layer and f"ServiceAccount prod-istio-system/{PARTNER}" in layer
        assert layer[f"Deployment prod-istio-system/{PARTNER}"]["spec"]["replicas"] == 1
        assert f"PodDisruptionBudget prod-istio-system/{PARTNER}" not in layer
    assert selector.items() <= labels.items() and labels["app"] == labels["istio"] == PARTNER
    gateways = rendered.objects("prod", "gateways")
    selectors = {name: obj["spec"]["selector"] for name, obj in gateways.items() if obj["kind"] == "Gateway"}
    assert selectors == {
        "Gateway prod-istio-system/travel-api-gateway": {"app": PARTNER},
        "Gateway prod-istio-system/control-gateway": {"istio": "ingressgateway"},
    }
    assert not any(selectors["Gateway prod-istio-system/control-gateway"].items() <= found.items() for found in (labels,))


def test_routes_pass_tls_through_to_the_gateway_that_ends_it(travel: tuple[str, Rendered]) -> None:
    _provider, rendered = travel
    gateways = rendered.objects("prod", "gateways")
    for name, service, mode, host in (
        ("control-gateway", "istio-ingressgateway", "SIMPLE", "travel-prod.apps.prod.example.com"),
        ("travel-api-gateway", PARTNER, "MUTUAL", "gto-external-prod-istio-system.apps.prod.example.com"),
    ):
        route = gateways[f"Route prod-istio-system/{name}"]["spec"]
        assert (route["tls"]["termination"], route["port"]["targetPort"], route["to"]["name"]) == ("passthrough", "https", service)
        (server,) = gateways[f"Gateway prod-istio-system/{name}"]["spec"]["servers"]
        assert (server["tls"]["mode"], server["port"]["number"], server["hosts"], route["host"]) == (mode, 443, [host], host)


def test_the_partner_reaches_five_services_by_prefix_from_the_owner_s_namespace(travel: tuple[str, Rendered]) -> None:
    _provider, rendered = travel
    service = rendered.objects("prod", "gateways")["VirtualService prod-travel-agency/travel-api"]["spec"]
    assert service["gateways"] == ["prod-istio-system/travel-api-gateway"]
    found = {rule["match"][0]["uri"]["prefix"]: rule["route"][0]["destination"]["host"] for rule in service["http"]}
    assert found == {
        f"/{name}": f"{name}.prod-travel-agency.svc.cluster.local" for name in ("cars", "insurances", "flights", "hotels", "travels")
    }


def test_cars_takes_both_and_needs_no_destination_rule(travel: tuple[str, Rendered]) -> None:
    provider, rendered = travel
    ((name, obj),) = exemptions(rendered).items()
    assert name == "PeerAuthentication prod-travel-agency/cars"
    assert obj["spec"] == {"selector": {"matchLabels": {"app": "cars"}}, "mtls": {"mode": "PERMISSIVE"}}
    assert obj["apiVersion"] == ("security.istio.io/v1beta1" if provider == "ossm2" else "security.istio.io/v1")


EXEMPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a namespace": ({"namespace": "shop", "mode": "PERMISSIVE"}, {"PeerAuthentication shop/default": {"mtls": {"mode": "PERMISSIVE"}}}),
    "a namespace in plain text": (
        {"namespace": "shop", "mode": "DISABLE"},
        {
            "PeerAuthentication shop/default": {"mtls": {"mode": "DISABLE"}},
            "DestinationRule shop/default-plaintext": {"host": "*.shop.svc.cluster.local", "trafficPolicy": {"tls": {"mode": "DISABLE"}}},
        },
    ),
    "one port": (
        {"namespace": "shop", "application": "cars", "ports": {"8000": "DISABLE"}},
        {
            "PeerAuthentication shop/cars": {"selector": {"matchLabels": {"app": "cars"}}, "portLevelMtls": {"8000": {"mode": "DISABLE"}}},
            "DestinationRule shop/cars-plaintext": {
                "host": "cars.shop.svc.cluster.local",
                "trafficPolicy": {"portLevelSettings": [{"port": {"number": 8000}, "tls": {"mode": "DISABLE"}}]},
            },
        },
    ),
    "all but one port": (
        {"namespace": "shop", "application": "cars", "mode": "DISABLE", "ports": {9000: "STRICT"}},
        {
            "PeerAuthentication shop/cars": {
                "selector": {"matchLabels": {"app": "cars"}},
                "mtls": {"mode": "DISABLE"},
                "portLevelMtls": {"9000": {"mode": "STRICT"}},
            },
            "DestinationRule shop/cars-plaintext": {
                "host": "cars.shop.svc.cluster.local",
                "trafficPolicy": {
                    "tls": {"mode": "DISABLE"},
                    "portLevelSettings": [{"port": {"number": 9000}, "tls": {"mode": "ISTIO_MUTUAL"}}],
                },
            },
        },
    ),
}


@pytest.fixture(scope="module")
def exempted(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """All cases in one run: each in a namespace of its own, by its number."""
    given = [{**entry, "namespace": f"shop{number}"} for number, (entry, _expected) in enumerate(EXEMPTIONS.values())]
    return render(tmp_path_factory.mktemp("mtls"), ["workloads"], limit="dev", mesh_workloads=[], mesh_mtls=given)


@pytest.mark.parametrize("case", EXEMPTIONS)
def test_exemptions(case: str, exempted: Rendered) -> None:
    assert exempted.code == 0, exempted.output[-2000:]
    place = f"shop{list(EXEMPTIONS).index(case)}"
    found = {name.replace(place, "shop"): obj["spec"] for name, obj in exempted.objects("dev", "workloads").items() if f" {place}/" in name}
    for spec in found.values():
        if "host" in spec:
            spec["host"] = spec["host"].replace(place, "shop")
    assert found == EXEMPTIONS[case][1]


SECURE = {
    "name": "secure",
    "hosts": ["a.example.com"],
    "port": 443,
    "protocol": "HTTPS",
    "tls": {"credential_name": "cert", "mode": "MUTUAL"},
}
# What names and exemptions cannot mean is in tests/unit/model/test_plane_refusals.py and test_workload_refusals.py.
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a gateway that is not there": (
        "gateways",
        {"mesh_gateways": [{**SECURE, "gateway": "edge"}]},
        "mesh_gateways[0].gateway: 'edge' is neither ingress nor egress nor one of mesh_control_plane.additional_ingress",
    ),
    "a handshake with nobody": (
        "gateways",
        {"mesh_gateways": [SECURE], "mesh_gateways_handshakes": [{"gateway": "other"}]},
        "mesh_gateways_handshakes[0].gateway: 'other' is no gateway with the protocol HTTPS; there are secure",
    ),
    "a handshake without a certificate": (
        "gateways",
        {"mesh_gateways": [SECURE], "mesh_gateways_handshakes": [{"gateway": "secure"}]},
        "mesh_gateways_handshakes[0].client_certificate: is missing; the gateway secure wants client certificates",
    ),
    "two of one name": (
        "workloads",
        {"mesh_workloads": [], "mesh_mtls": [{"namespace": "shop", "mode": "DISABLE"}, {"namespace": "shop", "mode": "STRICT"}]},
        "mesh_mtls makes one PeerAuthentication twice: shop/default, shop/default",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name_before_anything_is_written(case: str, tmp_path: Path) -> None:
    role, variables, text = REFUSED[case]
    rendered = render(tmp_path, [role], limit="dev", **variables)
    assert rendered.code != 0
    assert " ".join(text.split()) in rendered.output, rendered.output[-2000:]
    assert not rendered.tree.exists()
