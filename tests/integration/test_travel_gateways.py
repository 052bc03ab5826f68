# SPDX-License-Identifier: GPL-3.0-or-later
"""Chapters 3 and 4 of the travel book, and the exemption of cars, with real Envoys: who is served what, who is let in, who is refused."""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Run
from cryptography import x509
from envoys_support import ASK, until
from testbed import Bed
from testbed.operators.certificates import Authorities
from tokens_support import PASSWORD, issuing
from travel_support import INVENTORY, forwarded, role_play, said

Playbook = Callable[..., Run]
SYSTEM, AGENCY, CONTROL = "prod-istio-system", "prod-travel-agency", "prod-travel-control"
DASHBOARD, PARTNER = "travel-prod.apps.prod.example.com", f"gto-external-{SYSTEM}.apps.prod.example.com"
OPERATORS = {"ossm3": ("sail", "openshift", "envoys"), "ossm2": ("maistra", "openshift", "envoys")}


def application(name: str, port: int) -> dict[str, Any]:
    return {"name": name, "image": "registry.example.com/travel:1", "port": port}


# The services that the tests call; checks want every service that a route names.
SERVICES = [application(name, 8000) for name in ("cars", "insurances", "flights", "hotels", "travels")]
WORKLOADS = [{"namespace": AGENCY, "applications": SERVICES}, {"namespace": CONTROL, "applications": [application("control", 8080)]}]


@dataclass
class World:
    """The production mesh on a bed, as far as its gateways need it."""

    bed: Bed
    run: Playbook
    folder: Path
    vars: dict[str, Any]

    def play(self, playbook: str | Path, *args: str, **more: Any) -> Run:
        return self.run(playbook, *args, bed=self.bed, inventory=INVENTORY, extra_vars={**self.vars, **more})

    def items(self, kind: str, namespace: str, *args: str) -> list[dict[str, Any]]:
        done = self.bed.kubectl("get", kind, "-n", namespace, "-o", "json", *args)
        return json.loads(done.stdout)["items"] if done.returncode == 0 else []

    def local(self, namespace: str, app: str, port: int) -> int:
        return forwarded(self.bed, namespace, app, port)


# Chapters 3 and 4; test_gateway_probe, test_envoys and tests/unit/roles/test_rendering_gateways.py have the pieces.
pytestmark = pytest.mark.long


# Both generations are as long again: MESH_TEST_PROVIDERS=ossm3,ossm2 plays both.
@pytest.fixture(scope="module", name="world", params=os.environ.get("MESH_TEST_PROVIDERS", "ossm3").split(","))
def _world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str, playbook: Playbook) -> Iterator[World]:
    provider, folder = request.param, tmp_path_factory.mktemp(f"gateways-{request.param}")
    bed = Bed.start(f"gateways-{provider}-{worker_id}", OPERATORS[provider], owner=os.getpid())
    given = {
        "mesh_provider": provider,
        "mesh_workloads": WORKLOADS,
        "mesh_observability": {},
        "travel_tracing": "none",
        "mesh_operators_provider": "none",
        "mesh_certificates_store": str(folder / "pki"),
        "travel_partner_bundle": str(folder / "gto"),
        "mesh_check_categories": ["gateways", "workloads", "certificates"],
    }
    world = World(bed, playbook, folder, given)
    try:
        for name in (SYSTEM, AGENCY, CONTROL):
            bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": name, "labels": ASK}})
        play = folder / "mesh.yml"
        roles = [f"meshops.mesh.{name}" for name in ("control_plane", "membership", "workloads", "gateways")]
        play.write_text(yaml.safe_dump([{"name": "The mesh", "hosts": "prod", "gather_facts": False, "roles": roles}]), encoding="utf-8")
        world.play(play).check()
        yield world
    finally:
        bed.stop()


@dataclass
class Call:
    """What came of a request: the subject of the certificate that was served, the status, the headers."""

    served: str = ""
    serial: int = 0
    status: int = 0
    text: str = ""
    error: str = ""


def call(port: int, host: str, path: str = "/", *, secure: bool = True, certificate: Path | None = None, key: Path | None = None) -> Call:
    """One HTTP request, by TLS when secure; whatever certificate is served is taken, and named."""
    found = Call()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
            stream: Any = raw
            if secure:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                if certificate:
                    context.load_cert_chain(certificate, key)
                stream = context.wrap_socket(raw, server_hostname=host)
                leaf = x509.load_der_x509_certificate(stream.getpeercert(binary_form=True))
                found.served, found.serial = leaf.subject.rfc4514_string(), leaf.serial_number
            stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            while data := stream.recv(65536):
                found.text += data.decode()
    except (OSError, ssl.SSLError) as error:
        found.error = str(error)
    if found.text.startswith("HTTP/1.1 "):
        found.status = int(found.text.split()[1])
    return found


def workload(world: World) -> dict[str, Path]:
    """A certificate of the mesh's own CA, as every workload has one."""
    made = {"certificate": world.folder / "workload.crt", "key": world.folder / "workload.key"}
    spiffe = f"spiffe://cluster.local/ns/{AGENCY}/sa/default"
    chain, key = Authorities(world.bed.dir / "pki").of(SYSTEM).workload(spiffe, timedelta(hours=1))
    made["certificate"].write_bytes(chain)
    made["key"].write_bytes(key)
    return made


def test_the_dashboard_is_served_with_a_certificate_of_its_own(world: World) -> None:
    """Chapter 3: the gateway ends TLS; its certificate is that of the Secret, and what it takes comes to control by mutual TLS."""
    port = world.local(SYSTEM, "istio-ingressgateway", 8443)
    assert call(port, DASHBOARD).status == 0
    reach = {"control-gateway": {"address": "127.0.0.1", "port": port}}
    done = world.play("meshops.mesh.travel_https", travel_reach=reach).check()
    assert f"{DASHBOARD} is served with the certificate of Secret {SYSTEM}/travel-control-secret" in said(done)
    answer = call(port, DASHBOARD)
    assert (answer.served, answer.status) == ("CN=travel-control-secret", 200)
    assert f"x-testbed-pod: {CONTROL}/control" in answer.text
    assert "x-testbed-peer: spiffe://cluster.local/ns/prod-istio-system/sa/istio-ingressgateway" in answer.text
    assert call(port, "other.example.com").error
    (route,) = [row for row in world.items("routes.route.openshift.io", SYSTEM) if row["metadata"]["name"] == "control-gateway"]
    assert route["spec"]["tls"]["termination"] == "passthrough" and route["spec"]["host"] == DASHBOARD
    again = world.play("meshops.mesh.travel_https", travel_reach=reach).check()
    assert again.changed == 0, again.stdout[-4000:]


def test_a_renewed_certificate_is_served_when_the_run_ends(world: World) -> None:
    """Every certificate is due; no call is lost, and the run ends only when the live gateway has the new one."""
    port = world.local(SYSTEM, "istio-ingressgateway", 8443)
    before = call(port, DASHBOARD)
    reach = {"control-gateway": {"address": "127.0.0.1", "port": port}}
    done = world.play("meshops.mesh.travel_https", travel_reach=reach, certificates_renew_at=1e-9).check()
    after = call(port, DASHBOARD)
    assert "travel-control-secret (server): renewed" in done.stdout and "Prove that the gateways serve their certificates" in done.stdout
    assert (after.served, after.status) == (before.served, 200) and after.serial != before.serial


def test_a_certificate_that_is_not_served_is_found(world: World) -> None:
    """A proof that cannot fail is none: here the address is that of another gateway."""
    port = world.local(SYSTEM, "istio-egressgateway", 8443)
    reach = {"control-gateway": {"address": "127.0.0.1", "port": port}}
    done = world.play("meshops.mesh.travel_https", travel_reach=reach, gateways_handshake_timeout=1)
    assert done.rc != 0
    assert f"Gateway {SYSTEM}/control-gateway does not serve {DASHBOARD} as it should. OSM2601: Endpoint 127.0.0.1:{port}" in said(done)


def test_only_the_partner_is_let_in(world: World) -> None:
    """Chapter 4: the partner's certificate is accepted; none, and one of a foreign CA, are refused."""
    kept = {"travel_scenarios": ["https"]}  # what the chapter before made stays
    planned = world.play("meshops.mesh.travel_partner_gateway", "--check", **kept).check()
    assert planned.changed > 0 and not (world.folder / "gto").exists()
    assert not world.items("deployments", SYSTEM, "-l", "app=gto-external-ingressgateway")
    done = world.play("meshops.mesh.travel_partner_gateway", **kept).check()
    assert f"{PARTNER}:443 cannot be reached from here" in said(done)
    port = world.local(SYSTEM, "gto-external-ingressgateway", 8443)
    reach = {"travel-api-gateway": {"address": "127.0.0.1", "port": port}}
    proven = world.play("meshops.mesh.travel_partner_gateway", travel_reach=reach, **kept).check()
    assert proven.changed == 0, proven.stdout[-4000:]
    for who in ("a caller without a certificate", "a caller with a certificate of a foreign CA"):
        assert f"{PARTNER} refuses {who}" in said(proven)
    bundle = world.folder / "gto"
    own = {"certificate": bundle / "curl-client.crt", "key": bundle / "curl-client.key"}
    for service in ("flights", "cars"):
        answer = call(port, PARTNER, f"/{service}/Tallinn", **own)
        assert (answer.served, answer.status) == ("CN=gto-external-secret", 200), answer
        assert f"x-testbed-pod: {AGENCY}/{service}" in answer.text
        assert "/ns/prod-istio-system/sa/gto-external-ingressgateway" in answer.text
    assert call(port, PARTNER, "/discounts/Tallinn", **own).status == 404
    assert call(port, PARTNER, "/flights/Tallinn").status == 0
    assert call(port, PARTNER, "/flights/Tallinn", **workload(world)).status == 0, "a workload of the mesh is no partner"
    assert call(world.local(SYSTEM, "istio-ingressgateway", 8443), DASHBOARD).status == 200
    assert call(port, DASHBOARD, **own).status == 0, "the partner's gateway does not serve the dashboard"


def test_the_partner_needs_a_token_of_the_single_sign_on(world: World) -> None:
    """Chapter 4: no token 403, a bad one 401, a good one 200; the token comes from the issuer, for a password."""
    port, kept = world.local(SYSTEM, "gto-external-ingressgateway", 8443), {"travel_scenarios": ["https", "partner_gateway"]}
    bundle = world.folder / "gto"
    own = {"certificate": bundle / "curl-client.crt", "key": bundle / "curl-client.key"}
    with issuing("https://sso.example.com/auth/realms/servicemesh-lab") as issuer:
        sso = {
            "issuer": issuer.issuer,
            "jwks_uri": f"{issuer.url}/certs",
            "token_uri": f"{issuer.url}/token",
            "client_id": "istio",
            "username": "gtouser",
        }
        given = {
            **kept,
            "travel_reach": {"travel-api-gateway": {"address": "127.0.0.1", "port": port}},
            "travel_partner_sso": sso,
            "access_wait_timeout": 120,
        }
        done = world.play("meshops.mesh.travel_partner_jwt", travel_partner_password=PASSWORD, **given).check()
        text = said(done)
        for line in (
            "/flights/Tallinn without a token: denied (403 RBAC: access denied), expected 403",
            "/flights/Tallinn with a token whose signature is another: denied (401 Jwt verification fails), expected 401",
            "/flights/Tallinn with the token: allowed (200), expected allowed",
            "5 calls: 3 allowed, 2 denied, 0 without a verdict; 5 as expected, 0 otherwise",
        ):
            assert line in text, text[-4000:]
        assert issuer.sign().partition(".")[0] not in text, "no token is shown"
        assert call(port, PARTNER, "/flights/Tallinn", **own).status == 403
        assert call(world.local(SYSTEM, "istio-ingressgateway", 8443), DASHBOARD).status == 200, "only the partner's gateway is closed"
        again = world.play("meshops.mesh.travel_partner_jwt", travel_partner_token=issuer.sign(), **given).check()
        assert again.changed == 0, again.stdout[-4000:]
        wrong = world.play("meshops.mesh.travel_partner_jwt", travel_partner_password="another", **given)
        assert wrong.rc != 0 and "gave no token for gtouser (status 401, invalid_grant)" in said(wrong)
    world.play("meshops.mesh.travel_partner_jwt", access_state="absent", **kept).check()
    until(lambda: call(port, PARTNER, "/flights/Tallinn", **own).status == 200, 120, "the certificate alone is enough again")


def test_a_gateway_that_lets_everybody_in_is_found(world: World) -> None:
    """The same host and certificate on another gateway, by a Gateway that forgot about clients."""
    server = {
        "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
        "hosts": [PARTNER],
        "tls": {"mode": "SIMPLE", "credentialName": "gto-external-secret"},
    }
    forgotten = {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "Gateway",
        "metadata": {"name": "forgotten", "namespace": SYSTEM},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": [server]},
    }
    assert world.bed.kubectl("apply", "-f", "-", stdin=json.dumps(forgotten)).returncode == 0
    port = world.local(SYSTEM, "istio-ingressgateway", 8443)
    until(lambda: call(port, PARTNER).served == "CN=gto-external-secret", what="the forgotten Gateway")
    reach = {"travel-api-gateway": {"address": "127.0.0.1", "port": port}}
    done = world.play("meshops.mesh.travel_partner_gateway", travel_reach=reach, travel_scenarios=["https"])
    world.bed.kubectl("delete", "gateways.networking.istio.io", "forgotten", "-n", SYSTEM)
    assert done.rc != 0
    let_in = f"Gateway {SYSTEM}/travel-api-gateway wants client certificates (MUTUAL), and let a caller without a certificate in"
    assert f"{let_in} at {PARTNER}" in said(done)


@pytest.mark.parametrize("mode", ["PERMISSIVE", "DISABLE"])
def test_cars_takes_plain_text_after_its_exemption(world: World, tmp_path: Path, mode: str) -> None:
    cars, flights = world.local(AGENCY, "cars", 15006), world.local(AGENCY, "flights", 15006)
    own = [{"namespace": AGENCY, "application": "cars", "ports": {"8000": mode}}]
    play = role_play(tmp_path, "workloads")
    until(lambda: call(cars, "cars", secure=False).status == 0, what="plain text is refused before the exemption")
    world.play(play, mesh_mtls=own).check()
    until(lambda: call(cars, "cars", secure=False).status == 200, what="plain text after the exemption")
    assert call(flights, "flights", secure=False).status == 0, "the others stay STRICT"

    def mesh_call() -> str:
        pod = world.items("pods", AGENCY, "-l", "app=flights")[0]["metadata"]["name"]
        return world.bed.kubectl(
            "exec", "-n", AGENCY, pod, "-c", "flights", "--", "curl", "-s", "-i", "-m", "4", "http://cars:8000/"
        ).stdout

    peer = "x-testbed-peer: spiffe://" in until(lambda: mesh_call() if " 200 " in mesh_call() else "", what="a call inside of the mesh")
    assert peer is (mode == "PERMISSIVE"), "who has a certificate uses it where it is taken"
    world.play(play, mesh_mtls=own, workloads_state="absent", mesh_workloads=[]).check()
    until(lambda: call(cars, "cars", secure=False).status == 0, what="STRICT again")


def test_what_no_scenario_names_any_more_is_taken_back(world: World, tmp_path: Path) -> None:
    """The partner's gateway goes with its pods; the dashboard is plain again; nothing else is touched."""
    play = tmp_path / "play.yml"
    roles = [f"meshops.mesh.{name}" for name in ("control_plane", "gateways")]
    play.write_text(yaml.safe_dump([{"name": "Undo", "hosts": "prod", "gather_facts": False, "roles": roles}]), encoding="utf-8")
    world.play(play, mesh_prune=True).check()
    until(lambda: not world.items("deployments", SYSTEM, "-l", "app=gto-external-ingressgateway"), what="no pods for the partner")
    found = {row["metadata"]["name"]: row["spec"] for row in world.items("gateways.networking.istio.io", SYSTEM)}
    assert list(found) == ["control-gateway"] and found["control-gateway"]["servers"][0]["port"]["protocol"] == "HTTP"
    assert not world.items("virtualservices.networking.istio.io", AGENCY)
    port = world.local(SYSTEM, "istio-ingressgateway", 8080)
    until(lambda: call(port, DASHBOARD, secure=False).status == 200, what="the dashboard behind a router that ends TLS")
