# SPDX-License-Identifier: GPL-3.0-or-later
"""The provider cert_manager on a cluster: issued, unchanged by a second run, refused with cert-manager's own reason, and taken back."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import collection_support  # noqa: F401  # isort: skip  the next imports need it
import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.observed import authority_of
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.reading import read_bundle, read_key
from conftest import Run
from testbed import Bed
from testbed.operators.certificates import Authority
from testbed.operators.istiod_ca import plugged_in

# tests/unit/certificates/test_role_cert_manager.py renders it, tests/unit/testbed_operators has what issues here
pytestmark = pytest.mark.long
SYSTEM, SHOP = "mesh-system", "mesh-shop"
EC = {"key_type": "EC"}
HOST = "travel.example.com"
GATEWAYS = [{"name": "web-tls", "hosts": [HOST], "mutual": True, **EC}]
TRUST = [{"name": "edge-ca", "namespace": SHOP}, {"name": "mesh-ca", "namespace": SHOP, "of": "mesh"}]
Play = Callable[..., Run]
played = pytest.mark.skipif(bool(os.environ.get("MESH_CERT_MANAGER")), reason="a real cert-manager plays no faults")
Obj = dict[str, Any]


@pytest.fixture(scope="module")
def mesh(beds: Any) -> Bed:
    bed: Bed = beds("cert_manager", tag="cert-manager", extra_crds=("sail",))
    for name in (SYSTEM, SHOP):
        bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": name}})
    return bed


@pytest.fixture
def play(mesh: Bed, tmp_path: Path, playbook: Callable[..., Run]) -> Play:
    """The role with these variables, without a private key in its output."""
    path = tmp_path / "play.yml"

    def run(*args: str, entry: str = "main", **variables: Any) -> Run:
        tasks = [{"ansible.builtin.include_role": {"name": "meshops.mesh.certificates", "tasks_from": f"{entry}.yml"}}]
        path.write_text(yaml.safe_dump([{"hosts": "west", "connection": "local", "gather_facts": False, "tasks": tasks}]))
        given = {"mesh_name": "shop", "mesh_provider": "ossm3", "mesh_control_plane": {"name": "shop", "namespace": SYSTEM}}
        given |= {"ansible_python_interpreter": sys.executable, "mesh_certificates_provider": "cert_manager"}
        given |= {"certificates_root": EC, "certificates_edge_root": EC, "certificates_authority": EC}
        done = playbook(
            path, *args, bed=mesh, inventory="west,", extra_vars={**given, "deliver_wait_timeout": 240, **variables}, timeout=900
        )
        assert "PRIVATE KEY" not in done.stdout + done.stderr
        return done

    return run


def read(bed: Bed, kind: str, name: str, namespace: str = SYSTEM) -> Obj | None:
    done = bed.kubectl("get", kind, name, "-n", namespace, "--ignore-not-found", "-o", "json")
    text = done if isinstance(done, str) else done.stdout
    return json.loads(text) if text.strip() else None


def data(bed: Bed, name: str) -> dict[str, str]:
    found = read(bed, "secret", name)
    assert found is not None, name
    return {item: base64.b64decode(text).decode() for item, text in found["data"].items()}


def titles(text: str) -> list[str]:
    return [one.title for one in read_bundle(text.encode(), "").certificates]


def write(bed: Bed, name: str, kind: str, given: dict[str, bytes]) -> None:
    encoded = {item: base64.b64encode(value).decode() for item, value in given.items()}
    body = {"metadata": {"name": name, "namespace": SYSTEM}, "type": kind, "data": encoded}
    bed.api.ensure(f"/api/v1/namespaces/{SYSTEM}/secrets", body)


def test_a_ca_and_a_credential_are_issued_in_the_place_of_what_was_there(mesh: Bed, play: Play, tmp_path: Path) -> None:
    old = Authority.new("cluster.local")
    write(
        mesh, "cacerts", "Opaque", {"ca-cert.pem": old.cert, "ca-key.pem": old.key, "root-cert.pem": old.root, "cert-chain.pem": old.cert}
    )
    write(mesh, "istio-ca-secret", "istio.io/ca-root", {"ca-cert.pem": old.cert, "ca-key.pem": old.key})
    planned = play(mesh_target="plan", certificates_gateways=GATEWAYS).check()
    assert f"would create Certificate {SYSTEM}/cacerts" in planned.stdout and read(mesh, "issuers", "shop-root") is None
    kept = play(certificates_save=False)
    assert kept.rc != 0 and f"Secret {SYSTEM}/cacerts is there and was not issued by cert-manager" in kept.stdout
    assert data(mesh, "cacerts")["ca-cert.pem"] == old.cert.decode()
    meta = {"name": "web", "annotations": {"sidecar.istio.io/status": "{}"}}
    proxy = {"metadata": meta, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    mesh.api.ensure(f"/api/v1/namespaces/{SHOP}/pods", proxy)
    running = play(certificates_gateways=GATEWAYS)
    found = f"Pods of shop with a proxy under the CA in Secret {SYSTEM}/cacerts and Secret {SYSTEM}/istio-ca-secret: 1. What"
    assert running.rc != 0 and found in " ".join(running.stdout.split())
    mesh.kubectl("delete", "pod", "web", "-n", SHOP, "--wait=true")
    clients = [{"name": "partner", "bundle": str(tmp_path / "partner"), **EC}]
    variables = {"certificates_gateways": GATEWAYS, "certificates_clients": clients, "certificates_trust": TRUST}
    play(**variables).check()
    secret = read(mesh, "secret", "cacerts")
    assert (
        secret is not None and secret["type"] == "kubernetes.io/tls" and authority_of(secret) is not None and plugged_in(secret) is not None
    )
    assert titles(data(mesh, "cacerts")["tls.crt"]) == ["CN=shop"] and titles(data(mesh, "cacerts")["ca.crt"]) == ["CN=shop-root"]
    web = data(mesh, "web-tls")
    leaf = read_bundle(web["tls.crt"].encode(), "").certificates[0]
    assert (
        leaf.names.all() == (HOST,)
        and read_key(web["tls.key"].encode()).spki == leaf.spki
        and titles(web["ca.crt"]) == ["CN=shop-edge-root"]
    )
    assert data(mesh, "cacerts-saved")["ca-cert.pem"] == old.cert.decode() and read(mesh, "secret", "istio-ca-secret") is None
    trusted = [read(mesh, "configmap", name, SHOP) for name in ("edge-ca", "mesh-ca")]
    assert [titles(one["data"]["ca.crt"]) for one in trusted if one] == [["CN=shop-edge-root"], ["CN=shop-root"]]
    assert sorted(path.name for path in (tmp_path / "partner").iterdir()) == ["partner-ca.crt", "partner.crt", "partner.key"]
    again = play(**variables).check()
    assert again.changed == 0, again.stdout[-3000:]
    other = play(mesh_certificates_provider="own_ca", certificates_store=str(tmp_path / "pki"), **variables)
    text = " ".join(other.stdout.split())
    assert other.rc != 0 and f"cert-manager would write over it: Certificate {SYSTEM}/cacerts, Certificate {SYSTEM}/web-tls" in text
    root = data(mesh, "shop-root")["tls.crt"]
    play(**variables, certificates_restore=True).check()
    assert data(mesh, "cacerts")["ca-cert.pem"] == old.cert.decode() and read(mesh, "certificate", "cacerts") is None
    assert read(mesh, "secret", "istio-ca-secret") is not None and read(mesh, "secret", "cacerts-saved") is None
    play(**variables, certificates_state="absent").check()
    assert read(mesh, "secret", "web-tls") is None and read(mesh, "issuers", "shop-root") is None
    assert data(mesh, "shop-root")["tls.crt"] == root, "a root whose key is gone is lost"


@played
def test_a_request_that_is_denied_ends_with_its_reason(mesh: Bed, play: Play) -> None:
    only = {"certificates_authority": {"enabled": False}}
    mesh.set_faults({"cert_manager": {"deny": {"secret-tls": "No policy approved this request: dnsNames"}, "never_ready": ["slow-tls"]}})
    denied = play(certificates_gateways=[{"name": "secret-tls", "hosts": [HOST], **EC}], **only)
    text = " ".join(denied.stdout.split())
    assert denied.rc != 0
    assert (
        f"Certificate {SYSTEM}/secret-tls: Denied: CertificateRequest {SYSTEM}/secret-tls-1: policy.cert-manager.io: No policy approved"
        in text
    )
    assert f"cmctl renew -n {SYSTEM} secret-tls" in text and "does not heal by waiting" in text
    slow = play(certificates_gateways=[{"name": "slow-tls", "hosts": [HOST], **EC}], deliver_wait_timeout=4, **only)
    text = " ".join(slow.stdout.split())
    assert (
        slow.rc != 0
        and "not ready after" in text
        and f"CertificateRequest {SYSTEM}/slow-tls-1: NoReadyCondition: nobody has approved it" in text
    )
    mesh.set_faults({})
    play(certificates_gateways=[{"name": "slow-tls", "hosts": [HOST], **EC}], **only).check()


def test_an_issuer_that_is_named_has_to_be_ready(mesh: Bed, play: Play) -> None:
    named = {"certificates_cert_manager": {"issuer": {"name": "corporate", "kind": "ClusterIssuer"}}}
    missing = play(**named)
    assert missing.rc != 0 and "west: nothing was changed, because ClusterIssuer corporate does not exist" in " ".join(
        missing.stdout.split()
    )
    made = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": "corporate"},
        "spec": {"ca": {"secretName": "corporate"}},
    }
    mesh.api.ensure("/apis/cert-manager.io/v1/clusterissuers", made)
    lame = play(**named)
    assert lame.rc != 0 and "ClusterIssuer corporate is not Ready (ErrGetKeyPair: Error getting keypair" in " ".join(lame.stdout.split())
    assert read(mesh, "certificate", "cacerts") is None


def test_rotate_refuses_it(mesh: Bed, play: Play) -> None:
    refused = play(entry="rotate")
    text = "west: nothing was changed. certificates_provider is cert_manager, which writes the CA itself and whose ca.crt cannot hold both"
    assert refused.rc != 0 and text in " ".join(refused.stdout.split())
    assert read(mesh, "certificate", "cacerts") is None


def test_a_secret_of_somebody_else_is_not_written_over(mesh: Bed, play: Play) -> None:
    other = Authority.new("somebody else")
    write(mesh, "their-tls", "Opaque", {"tls.crt": other.cert, "tls.key": other.key})
    only = {"certificates_authority": {"enabled": False}, "certificates_gateways": [{"name": "their-tls", "hosts": [HOST], **EC}]}
    refused = play(**only)
    assert refused.rc != 0 and f"because Secret {SYSTEM}/their-tls is there, and neither" in " ".join(refused.stdout.split())
    assert data(mesh, "their-tls")["tls.crt"] == other.cert.decode() and read(mesh, "certificate", "their-tls") is None
    play(**only, certificates_adopt=[f"Secret {SYSTEM}/their-tls"]).check()
    assert read_bundle(data(mesh, "their-tls")["tls.crt"].encode(), "").certificates[0].names.all() == (HOST,)


def test_istio_csr_lists_the_revisions_that_run(mesh: Bed, play: Play) -> None:
    plane = {"name": "prod", "namespace": "csr-system", "update_strategy": "RevisionBased", "certificate_authority": {"type": "istio_csr"}}
    # of an Istio that is there, or the garbage collector takes the revision away
    spec = {"version": "v1.27.3", "namespace": "csr-system"}
    istio = {"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": "prod"}, "spec": spec}
    mesh.api.ensure("/apis/sailoperator.io/v1/istios", istio)
    uid = (read(mesh, "istios", "prod") or {})["metadata"]["uid"]
    owner = {"apiVersion": "sailoperator.io/v1", "kind": "Istio", "name": "prod", "uid": uid}
    values = {"revision": "prod-v1-26-0", "global": {"istioNamespace": "csr-system"}}
    meta = {"name": "prod-v1-26-0", "ownerReferences": [owner]}
    running = {"apiVersion": "sailoperator.io/v1", "kind": "IstioRevision", "metadata": meta, "spec": {**spec, "values": values}}
    mesh.api.ensure("/apis/sailoperator.io/v1/istiorevisions", running)
    variables = {
        "mesh_name": "prod",
        "mesh_control_plane": plane,
        "certificates_trust": [{"name": "prod-root", "namespace": SHOP, "of": "mesh"}],
    }
    play(**variables).check()
    names = {f"istiod{revision}.csr-system.svc" for revision in ("", "-prod-v1-26-0", "-prod-v1-27-3")}
    found = read(mesh, "secret", "istiod-tls", "csr-system")
    assert found is not None and read(mesh, "secret", "cacerts", "csr-system") is None
    leaf = read_bundle(base64.b64decode(found["data"]["tls.crt"]), "").certificates[0]
    assert names <= set(leaf.names.all())
    root = read(mesh, "configmap", "prod-root", SHOP)
    assert root is not None and titles(root["data"]["ca.crt"]) == ["CN=prod-root"]
    assert play(**variables).check().changed == 0


@played
def test_istio_csr_whose_certificate_is_denied_says_so(mesh: Bed, play: Play) -> None:
    variables = {
        "mesh_name": "prod",
        "mesh_control_plane": {"name": "prod", "namespace": "csr-system", "certificate_authority": {"type": "istio_csr"}},
    }
    mesh.set_faults({"cert_manager": {"deny": {"istiod": "not for istiod"}}})
    canary = {**variables, "certificates_cert_manager": {"istio_csr": {"revisions": ["prod-v1-28-0"]}}}
    denied = play(**canary)
    mesh.set_faults({})
    text = " ".join(denied.stdout.split())
    assert (
        denied.rc != 0
        and "IstioCSR istio-csr/default: Denied: Certificate csr-system/istiod: CertificateRequest csr-system/istiod-" in text
    )
