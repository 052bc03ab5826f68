# SPDX-License-Identifier: GPL-3.0-or-later
"""The provider cert_manager, rendered into a tree as a user would, for both generations; and what is refused."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "roles"))
from rendering import Rendered, render

Obj = dict[str, Any]
NAMESPACE = "prod-istio-system"
GATEWAY = {
    "name": "gto",
    "hosts": ["gto.example.com", "192.0.2.7"],
    "mutual": True,
    "key_type": "EC",
    "subject": {"organization": "Travel"},
}
CLIENT = {"name": "curl", "days": 0.5, "names": ["spiffe://partner/curl", "curl@example.com"]}
PLANE = {"name": "production", "namespace": NAMESPACE, "update_strategy": "RevisionBased"}
CSR = {"certificate_authority": {"type": "istio_csr", "address": "cert-manager-istio-csr.csr-prod.svc:8443"}}
CLUSTER_ISSUER = {
    "issuer": {"name": "corporate", "kind": "ClusterIssuer"},
    "edge_issuer": {"name": "edge", "kind": "AWSPCAIssuer", "group": "awspca.io"},
}


def run(folder: Path, *roles: str, **variables: Any) -> Rendered:
    return render(folder, list(roles or ("certificates",)), limit="prod", mesh_certificates_provider="cert_manager", **variables)


def spec(rendered: Rendered, layer: str, name: str) -> Obj:
    found: Obj = rendered.objects("prod", layer)[name]["spec"]
    return found


def test_a_root_of_the_mesh_and_another_of_its_edge(tmp_path: Path) -> None:
    given = {**GATEWAY, "client_roots": "partner's root"}
    root = {"subject": {"common_name": "Travel Root", "country": "GB"}, "days": 1000}
    rendered = run(tmp_path, mesh_certificates_gateways=[given], mesh_certificates_clients=[CLIENT], mesh_certificates_root=root)
    assert rendered.code == 0, rendered.output[-3000:]
    issuers = rendered.objects("prod", "certificates_issuers")
    for name in ("travel-prod-root", "travel-prod-edge-root"):
        made = issuers[f"Certificate {NAMESPACE}/{name}"]["spec"]
        assert made["isCA"] and made["issuerRef"] == {"group": "cert-manager.io", "kind": "Issuer", "name": f"{name}-selfsigned"}
        assert made["privateKey"]["rotationPolicy"] == "Never", "a renewed root with another key is another root"
        assert issuers[f"Issuer {NAMESPACE}/{name}"]["spec"] == {"ca": {"secretName": name}} and made["secretName"] == name
        assert issuers[f"Issuer {NAMESPACE}/{name}-selfsigned"]["spec"] == {"selfSigned": {}}
    mesh_root = issuers[f"Certificate {NAMESPACE}/travel-prod-root"]["spec"]
    assert (mesh_root["commonName"], mesh_root["subject"], mesh_root["duration"]) == ("Travel Root", {"countries": ["GB"]}, "24000h")
    cacerts = spec(rendered, "certificates", f"Certificate {NAMESPACE}/cacerts")
    assert cacerts["isCA"] and cacerts["secretName"] == "cacerts" and cacerts["usages"] == ["digital signature", "cert sign", "crl sign"]
    assert cacerts["issuerRef"]["name"] == "travel-prod-root" and cacerts["dnsNames"] == [f"istiod.{NAMESPACE}.svc"]
    assert (cacerts["duration"], cacerts["renewBefore"]) == ("17520h", "5956h"), "two years, a third of it left"
    labels = cacerts["secretTemplate"]["labels"]
    assert labels["mesh.meshops.io/layer"] != "certificates", "no pruning may take a Secret of cert-manager's for ours"
    gateway = spec(rendered, "certificates", f"Certificate {NAMESPACE}/gto")
    assert gateway["dnsNames"] == ["gto.example.com"] and gateway["ipAddresses"] == ["192.0.2.7"] and "isCA" not in gateway
    assert gateway["secretName"] == "gto" and gateway["privateKey"]["algorithm"] == "ECDSA" and "server auth" in gateway["usages"]
    assert gateway["issuerRef"]["name"] == "travel-prod-edge-root" and "commonName" not in gateway
    client = spec(rendered, "certificates", f"Certificate {NAMESPACE}/curl")
    assert (
        client["uris"] == ["spiffe://partner/curl"] and client["emailAddresses"] == ["curl@example.com"] and client["commonName"] == "curl"
    )
    assert (client["duration"], client["renewBefore"]) == ("12h", "245m") and "client auth" in client["usages"]
    secrets = [obj for obj in rendered.objects("prod", "certificates").values() if obj["kind"] == "Secret"]
    assert [secret["metadata"]["name"] for secret in secrets] == ["gto-cacert"] and list(secrets[0]["data"]) == ["ca.crt"]
    assert base64.b64decode(secrets[0]["data"]["ca.crt"]).decode() == "partner's root"


def test_issuers_that_somebody_else_made(tmp_path: Path) -> None:
    far = {**GATEWAY, "namespace": "edge-system"}
    rendered = run(tmp_path, mesh_certificates_cert_manager=CLUSTER_ISSUER, mesh_certificates_gateways=[far], mesh_provider="ossm2")
    assert rendered.code == 0, rendered.output[-3000:]
    assert rendered.layers("prod") == {"certificates"}
    cacerts, gateway = (spec(rendered, "certificates", f"Certificate {name}") for name in (f"{NAMESPACE}/cacerts", "edge-system/gto"))
    assert cacerts["issuerRef"] == {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "corporate"}
    assert gateway["issuerRef"] == {"group": "awspca.io", "kind": "AWSPCAIssuer", "name": "edge"}


@pytest.mark.parametrize("provider", ["ossm3", "ossm2"])
def test_istio_csr_and_the_control_plane_that_uses_it(tmp_path: Path, provider: str) -> None:
    plane = {**PLANE, **CSR, "trust_domain": "travel.example.com", "update_strategy": "InPlace" if provider == "ossm2" else "RevisionBased"}
    given = {"istio_csr": {"revisions": ["production-v1-28-0"], "namespace_selector": "istio-discovery=travel-prod"}}
    rendered = run(
        tmp_path, "certificates", "control_plane", mesh_control_plane=plane, mesh_certificates_cert_manager=given, mesh_provider=provider
    )
    assert rendered.code == 0, rendered.output[-3000:]
    objects = rendered.objects("prod", "certificates")
    assert list(objects) == ["IstioCSR csr-prod/default"], "istiod is no CA, so there is no cacerts"
    config = objects["IstioCSR csr-prod/default"]["spec"]["istioCSRConfig"]
    assert config["certManager"]["issuerRef"] == {"group": "cert-manager.io", "kind": "Issuer", "name": "travel-prod-root"}
    active = "production" if provider == "ossm2" else "production-v1-27-3"
    assert config["istio"] == {"namespace": NAMESPACE, "revisions": ["default", active, "production-v1-28-0"]}
    assert config["istiodTLSConfig"] == {"trustDomain": "travel.example.com"} and config["server"] == {"port": 8443}
    assert config["istioDataPlaneNamespaceSelector"] == "istio-discovery=travel-prod"
    assert "Namespace csr-prod" in rendered.objects("prod", "certificates_issuers")
    assert f"Namespace {NAMESPACE}" in rendered.objects("prod", "control_plane_namespaces")
    address = CSR["certificate_authority"]["address"]
    if provider == "ossm2":
        security = spec(rendered, "control_plane", f"ServiceMeshControlPlane {NAMESPACE}/production")["security"]
        assert security["certificateAuthority"] == {"type": "cert-manager", "cert-manager": {"address": address}}
        assert security["identity"] == {"type": "ThirdParty"}
        return
    values = spec(rendered, "control_plane", "Istio production")["values"]
    assert values["global"]["caAddress"] == address and values["pilot"]["env"] == {"ENABLE_CA_SERVER": "false"}


def test_istio_csr_of_somebody_else(tmp_path: Path) -> None:
    given = {"istio_csr": {"manage": False}}
    rendered = run(
        tmp_path, mesh_control_plane={**PLANE, **CSR}, mesh_certificates_cert_manager=given, mesh_certificates_gateways=[GATEWAY]
    )
    assert rendered.code == 0, rendered.output[-3000:]
    assert list(rendered.objects("prod", "certificates")) == [f"Certificate {NAMESPACE}/gto"]
    assert "Namespace csr-prod" not in rendered.objects("prod", "certificates_issuers")


WRONG: dict[str, Any] = {
    "mesh_certificates_gateways": [{**GATEWAY, "key": "gto.key", "namespace": "edge"}],
    "mesh_certificates_root": {"path_length": 1},
    "mesh_certificates_extra_roots": ["old.pem"],
    "mesh_certificates_clients": [{**CLIENT, "days": 0.01, "bundle": "/x"}],
    "mesh_certificates_trust": [{"name": "a", "namespace": "b"}],
}
REFUSED = [
    "gto has key: these are for certificates_provider pem",
    "mesh_certificates_root.path_length is 1: a Certificate cannot say a path length",
    "mesh_certificates_extra_roots is set: ca.crt of cacerts is what the issuer says",
    f"gto is wanted in the namespace edge: an Issuer signs in its own namespace only, here {NAMESPACE}. Name a ClusterIssuer",
    "curl has days 0.01: cert-manager refuses a life of less than an hour",
    "curl has a bundle: its files have a key that only the cluster has",
    "mesh_certificates_trust is set: the roots that it wants are only on",
]


def test_all_that_cert_manager_cannot_do_is_refused_at_once(tmp_path: Path) -> None:
    rendered = run(tmp_path, **WRONG)
    assert rendered.code != 0 and not rendered.tree.exists()
    assert [message for message in REFUSED if message not in rendered.output] == []


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"mesh_provider": "ossm2", "mesh_ossm2_version": "v2.3", "mesh_certificates_authority": {"key_type": "EC"}},
            "mesh_ossm2_version is v2.3: an istiod reads cert-manager's form",
        ),
        (
            {"mesh_control_plane": {**PLANE, "certificate_authority": {"type": "istio_csr", "address": "csr:443"}}},
            "certificate_authority.address is csr:443, expected SERVICE.NAMESPACE.svc:PORT",
        ),
    ],
)
def test_what_the_generation_cannot_do_is_refused(tmp_path: Path, variables: dict[str, Any], message: str) -> None:
    rendered = run(tmp_path, **variables)
    assert rendered.code != 0 and message in rendered.output, rendered.output[-2000:]
    assert not rendered.tree.exists()


def test_the_control_plane_refuses_istio_csr_before_2_4(tmp_path: Path) -> None:
    plane = {**PLANE, **CSR, "update_strategy": "InPlace"}
    rendered = run(tmp_path, "control_plane", mesh_provider="ossm2", mesh_ossm2_version="v2.3", mesh_control_plane=plane)
    assert (
        rendered.code != 0 and "mesh_control_plane.certificate_authority.type with the value istio_csr is not available" in rendered.output
    )
