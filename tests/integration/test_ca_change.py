# SPDX-License-Identifier: GPL-3.0-or-later
"""The played istiod changes its CA when a real one would, and real Envoys show what that does to the calls of a mesh."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from envoys_support import Mesh, cacerts, intermediate, until
from testbed import Bed
from testbed.operators.certificates import Authority

OLD, NEW = Authority.new("Old Corporate Root"), Authority.new("New Corporate Root")
FIRST, SECOND, THIRD = intermediate(OLD, "first"), intermediate(OLD, "second"), intermediate(NEW, "third")


pytestmark = pytest.mark.long  # how a root is lost without us; test_rotation_live does it with care


@pytest.fixture(scope="module")
def bed(worker_id: str) -> Iterator[Bed]:
    found = Bed.start(f"istiod-ca-{worker_id}", ("sail", "envoys"), owner=os.getpid())
    yield found
    found.stop()


@pytest.fixture(scope="module")
def mesh(bed: Bed) -> Mesh:
    found = Mesh(bed)
    found.install()
    found.deploy("portal", "cars")
    until(lambda: found.call("portal", "cars") == "200", what="a call that works")
    return found


def stays(mesh: Mesh, root: bytes) -> bool:
    time.sleep(3)
    return mesh.roots() == root.decode()


def test_a_root_that_is_changed_without_care_is_an_outage(mesh: Mesh) -> None:
    own = mesh.roots()
    mesh.apply(cacerts(FIRST))
    assert stays(mesh, own.encode()), "an istiod that started with its own CA does not look at cacerts"
    mesh.restart("istiod", "istio-system")
    until(lambda: mesh.roots() == OLD.root.decode(), what="the root of cacerts, after the restart")
    assert mesh.call("portal", "cars") == "200", "proxies keep what they have"
    assert mesh.issuer("cars") == "O=cluster.local"
    mesh.restart("portal")
    assert mesh.issuer("portal") == "CN=first"
    until(lambda: mesh.call("portal", "cars") == "503", what="a new proxy does not believe an old one")
    mesh.restart("cars")
    until(lambda: mesh.call("portal", "cars") == "200", what="both are under the new root")


def test_a_new_intermediate_is_taken_at_once_and_a_new_root_is_refused(mesh: Mesh) -> None:
    mesh.apply(cacerts(SECOND))
    time.sleep(2)
    assert mesh.issuer("cars") == "CN=first", "proxies get a new certificate when theirs is due, not before"
    mesh.restart("cars")
    until(lambda: mesh.issuer("cars") == "CN=second", what="the new intermediate")
    assert mesh.call("portal", "cars") == "200"
    mesh.apply(cacerts(THIRD))
    assert stays(mesh, OLD.root)
    mesh.restart("cars")
    assert mesh.issuer("cars") == "CN=second"
    mesh.apply(cacerts(THIRD, OLD.root + NEW.root))
    assert stays(mesh, OLD.root), "without ISTIO_MULTIROOT_MESH two roots are refused as well"
    log = (mesh.bed.dir / "logs" / "operators.log").read_text()
    assert "istiod in istio-system: Multi root not supported" in log
    mesh.apply(cacerts(SECOND))


def test_with_two_roots_for_a_while_no_call_fails(mesh: Mesh) -> None:
    """Distribute, switch, retire, with a certificate's life of 8 s; each step only once every proxy is ready for it."""
    agent = {"defaultConfig": {"proxyMetadata": {"PROXY_CONFIG_XDS_AGENT": "true"}}}
    mesh.install({"pilot": {"env": {"ISTIO_MULTIROOT_MESH": "true"}}, "meshConfig": agent})
    until(lambda: "ISTIO_MULTIROOT_MESH" in str(mesh.get("deployment", "istiod", "-n", "istio-system")), what="the setting on istiod")
    done = mesh.bed.kubectl("rollout", "status", "deployment", "istiod", "-n", "istio-system", "--timeout=240s")
    assert done.returncode == 0, done.stderr
    for app in ("portal", "cars"):
        mesh.restart(app)
    until(lambda: mesh.call("portal", "cars") == "200", what="a call that works")
    both = OLD.root + NEW.root
    with mesh.calling("portal", "cars") as codes:
        mesh.apply(cacerts(SECOND, both))
        until(lambda: mesh.trusted("portal") == 2 and mesh.trusted("cars") == 2, what="both roots, without a new certificate")
        assert mesh.issuer("cars") == "CN=second" and mesh.roots() == both.decode()
        mesh.apply(cacerts(THIRD, both))
        time.sleep(3)
        mesh.bed.set_faults({"envoys": {"life": 8, "renew_at": 0.5}})
        until(lambda: mesh.issuer("portal") == mesh.issuer("cars") == "CN=third", what="the new intermediate signs")
        mesh.apply(cacerts(THIRD, NEW.root))
        until(lambda: mesh.roots() == NEW.root.decode(), what="the old root is gone")
        until(lambda: mesh.trusted("portal") == 1 and mesh.trusted("cars") == 1, what="nobody trusts the old root")
        time.sleep(2)
    mesh.bed.set_faults({})
    assert len(codes) > 10 and set(codes) == {"200"}
