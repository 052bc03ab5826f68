# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Envoys behind a bed's pods: real handshakes, refused where they must be, and certificates that are renewed in their time."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from envoys_support import ASK, Mesh, until
from testbed import Bed

Obj = dict[str, Any]


@pytest.fixture(scope="module")
def mesh(worker_id: str) -> Iterator[Mesh]:
    bed = Bed.start(f"envoys-{worker_id}", ("sail", "envoys"), owner=os.getpid())
    found = Mesh(bed)
    found.install()
    found.deploy("portal", "cars")
    yield found
    bed.stop()


@pytest.fixture(autouse=True)
def healthy(mesh: Mesh) -> Iterator[None]:
    mesh.bed.set_faults({})
    until(lambda: mesh.call("portal", "cars") == "200", what="a call that works")
    yield
    mesh.bed.set_faults({})


def test_a_call_is_a_handshake_with_both_identities(mesh: Mesh) -> None:
    answer = mesh.exec("portal", "curl", "-s", "-i", "http://cars.shop.svc.cluster.local:8000/hello", container="app")
    assert f"x-testbed-pod: shop/{mesh.pod('cars')}" in answer
    assert "x-testbed-peer: spiffe://cluster.local/ns/shop/sa/portal" in answer


def test_the_admin_interface_is_behind_the_pod_s_exec(mesh: Mesh) -> None:
    leaf = mesh.certs("cars")["certificates"][0]["cert_chain"][0]
    assert leaf["subject_alt_names"] == [{"uri": "spiffe://cluster.local/ns/shop/sa/cars"}]
    assert mesh.certs("cars") != mesh.certs("portal")
    assert mesh.exec("cars", "curl", "-s", "http://localhost:15000/ready").strip() == "LIVE"
    info = json.loads(mesh.exec("cars", "curl", "-s", "http://localhost:15000/server_info"))
    assert info["node"]["metadata"]["ISTIO_VERSION"]


@pytest.mark.parametrize(
    ("pod", "order"),
    [
        ("shop/cars", {"trust_domain": "other.example.com"}),
        ("shop/portal", {"trust_domain": "other.example.com"}),
        ("shop/cars", {"service_account": "portal"}),
        ("shop/cars", {"authority": "stranger"}),
        ("shop/portal", {"authority": "stranger"}),
        ("shop/cars", {"roots": "stranger"}),
        ("shop/portal", {"roots": "stranger"}),
    ],
    ids=["server-domain", "client-domain", "server-account", "server-ca", "client-ca", "server-roots", "client-roots"],
)
def test_a_certificate_that_does_not_belong_there_is_refused(mesh: Mesh, pod: str, order: Obj) -> None:
    mesh.bed.set_faults({"envoys": {"issue": {pod: order}}})
    until(lambda: mesh.call("portal", "cars") == "503", timeout=15, what=f"{pod} with {order} is refused")


def test_a_proxy_that_hangs_takes_connections_and_never_answers(mesh: Mesh) -> None:
    mesh.bed.set_faults({"envoys": {"hang": ["shop/cars"]}})
    until(lambda: mesh.call("portal", "cars") != "200", timeout=15, what="no answer")


def test_certificates_are_renewed_at_a_fraction_of_their_life_and_nobody_notices(mesh: Mesh) -> None:
    before = mesh.serial("cars")
    mesh.bed.set_faults({"envoys": {"life": 4, "renew_at": 0.5}})
    seen = {before}
    codes = []

    def renewed() -> bool:
        codes.append(mesh.call("portal", "cars"))
        seen.add(mesh.serial("cars"))
        return len(seen) >= 4

    until(renewed, what="three renewals")
    assert set(codes) == {"200"}


def test_a_new_pod_has_an_envoy_of_its_own_without_a_restart_of_kwok(mesh: Mesh) -> None:
    pids = mesh.bed.data["pids"]["kwok"]
    old, before = mesh.pod("cars"), mesh.serial("cars")
    mesh.bed.kubectl("delete", "pod", "-n", "shop", old)
    until(lambda: mesh.pod("cars") not in ("", old) and mesh.served("cars"), what="the Envoy of the new pod")
    until(lambda: mesh.call("portal", "cars") == "200", what="a call to the new pod")
    assert mesh.serial("cars") != before
    assert mesh.bed.data["pids"]["kwok"] == pids
    assert not mesh.get("portforwards.kwok.x-k8s.io", "-n", "shop", old)


@pytest.mark.long  # test_played_maistra has the control plane, and the Envoys are those of the other generation
def test_proxies_of_a_service_mesh_control_plane(worker_id: str) -> None:
    """The second generation: its members' pods ask its own istiod."""
    bed = Bed.start(f"envoys-maistra-{worker_id}", ("maistra", "envoys"), owner=os.getpid())
    try:
        found = Mesh(bed)
        off = {name: {"enabled": False} for name in ("kiali", "grafana", "prometheus")}
        plane = {
            "version": "v2.6",
            "addons": off,
            "tracing": {"type": "None"},
            "policy": {"type": "Istiod"},
            "telemetry": {"type": "Istiod"},
            "profiles": ["default"],
        }
        found.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}},
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": ASK}},
            {
                "apiVersion": "maistra.io/v2",
                "kind": "ServiceMeshControlPlane",
                "spec": plane,
                "metadata": {"name": "basic", "namespace": "istio-system"},
            },
            {
                "apiVersion": "maistra.io/v1",
                "kind": "ServiceMeshMemberRoll",
                "spec": {"members": ["shop"]},
                "metadata": {"name": "default", "namespace": "istio-system"},
            },
        )
        roll = ("servicemeshmemberrolls.maistra.io", "default", "-n", "istio-system")
        until(lambda: found.get(*roll).get("status", {}).get("configuredMembers") == ["shop"], what="the member")
        found.deploy("portal", "cars", annotations={"sidecar.istio.io/inject": "true"})
        until(lambda: found.call("portal", "cars") == "200", what="a call that works")
        root = base64.b64decode(found.get("secret", "istio-ca-secret", "-n", "istio-system")["data"]["root-cert.pem"]).decode()
        assert found.roots() == root and found.issuer("cars") == "O=cluster.local"
    finally:
        bed.stop()
