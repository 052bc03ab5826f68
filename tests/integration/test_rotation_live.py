# SPDX-License-Identifier: GPL-3.0-or-later
"""The rotation's core on a mesh of real Envoys: it looks, asks its gate, writes, looks again; a client calls all the time."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterator
from typing import Any

import collection_support  # noqa: F401  (first: it makes the collection importable)
import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.observed import authority_of, mesh_of, roots_of
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.rotation import (
    Authority,
    Mesh,
    Phase,
    Step,
    Verdict,
    gate,
    needs_restart,
    next_step,
)
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import dialer
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.proxies import proxy_pods, read_proxies
from envoys_support import Mesh as Bedded
from envoys_support import cacerts, intermediate, until
from testbed import Bed
from testbed.operators.certificates import Authority as Material

NEW = Material.new("New Corporate Root")
MATERIAL = intermediate(NEW, "new intermediate")
Obj = dict[str, Any]
WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


def authority(secret: Obj) -> Authority:
    found = authority_of(secret)
    assert found is not None
    return found


class Rotation:
    """What a playbook does with the core: nothing is remembered from one call to the next but the material."""

    def __init__(self, bedded: Bedded, goal: Material, *others: Material) -> None:
        params = {"kubeconfig": str(bedded.bed.kubeconfig)}
        self.bedded, self.cluster, self.streams = bedded, Cluster.from_params(params, name="bed"), dialer(params, name="bed")
        self.goal = cacerts(goal)
        self.material = {authority(cacerts(one)): one for one in (goal, *others)}

    def secret(self, name: str = "cacerts") -> Obj | None:
        return self.cluster.get("v1", "Secret", name, "istio-system")

    def look(self) -> tuple[Authority, Mesh]:
        plugged = self.secret()
        now = plugged or self.secret("istio-ca-secret") or {}
        objects = [*self.cluster.list("v1", "Pod", namespace="istio-system"), *self.cluster.list("v1", "ConfigMap")]
        objects += [one for kind in WEBHOOKS for one in self.cluster.list("admissionregistration.k8s.io/v1", kind)]
        objects = [one for one in objects if one["kind"] != "ConfigMap" or one["metadata"]["namespace"] in ("istio-system", "shop")]
        proxies = read_proxies(self.streams, proxy_pods(self.cluster, ["shop"]), timeout=3, total=20)
        known = (*roots_of(now), *roots_of(self.goal))
        return authority(now), mesh_of(objects, proxies, namespace="istio-system", cacerts=plugged, known=known)

    def judge(self) -> tuple[Step | None, Verdict, Authority, Mesh]:
        current, mesh = self.look()
        step = next_step(current, authority(self.goal))
        return step, gate(step, mesh, current) if step else Verdict(()), current, mesh

    def go_on(self, timeout: float = 60.0) -> Phase | None:
        """One step, once its gate lets it through."""
        step, _verdict, current, mesh = until(lambda: (found := self.judge())[1].safe and found, timeout, "a safe next step")
        if step is None:
            return None
        signer = next(one for known, one in self.material.items() if known.signer == step.authority.signer)
        pem = {known.anchor: one.root for known, one in self.material.items()}
        self.bedded.apply(cacerts(signer, b"".join(pem[root] for root in step.authority.roots)))
        if any(needs_restart(istiod, current, step.authority) for istiod in mesh.istiods):
            self.bedded.restart("istiod", "istio-system")
        return step.phase




@pytest.fixture(scope="module")
def bedded(worker_id: str) -> Iterator[Bedded]:
    bed = Bed.start(f"rotation-{worker_id}", ("sail", "envoys"), owner=os.getpid())
    found = Bedded(bed)
    found.install()
    found.deploy("portal", "cars")
    until(lambda: found.call("portal", "cars") == "200", what="a call that works")
    yield found
    bed.stop()


@pytest.fixture
def old(bedded: Bedded) -> Material:
    """The CA that istiod made for itself."""
    data = bedded.get("secret", "istio-ca-secret", "-n", "istio-system")["data"]
    cert, key = (base64.b64decode(data[item]) for item in ("ca-cert.pem", "ca-key.pem"))
    return Material(cert, key, cert)


def through(bedded: Bedded, goal: Material, *others: Material, codes: list[str] | None = None) -> list[Phase]:
    """All steps, each by a run of its own: as if every run had been killed after it wrote. codes: of a client, who calls in each phase."""
    found: list[Phase] = []
    while (phase := Rotation(bedded, goal, *others).go_on()) is not None:
        found.append(phase)
        if codes is not None:
            wanted = len(codes) + 3
            until(lambda wanted=wanted: len(codes) >= wanted, what=f"calls in the phase {phase}")
    return found


def test_there_and_back_without_a_failed_call(bedded: Bedded, old: Material) -> None:
    """From istiod's own root to another and back; no ISTIO_MULTIROOT_MESH, so istiod is restarted for each change of roots."""
    bedded.bed.set_faults({"envoys": {"life": 6}})
    with bedded.calling("portal", "cars") as codes:
        assert through(bedded, MATERIAL, old, codes=codes) == [Phase.DISTRIBUTE, Phase.SWITCH, Phase.RETIRE]
        until(lambda: bedded.trusted("portal") == bedded.trusted("cars") == 1, what="nobody trusts the old root")
        assert bedded.issuer("cars") == "CN=new intermediate" and bedded.roots() == NEW.root.decode()
        assert through(bedded, old, MATERIAL, codes=codes) == [Phase.DISTRIBUTE, Phase.SWITCH, Phase.RETIRE]
        until(lambda: bedded.trusted("portal") == bedded.trusted("cars") == 1, what="nobody trusts the new root")
        assert bedded.issuer("cars") == "O=cluster.local"
    assert len(codes) >= 18 and set(codes) == {"200"}


@pytest.mark.parametrize(("fault", "reason"), [
    ({"keep_root": ["shop/cars"]}, "it does not trust"), ({"hang": ["shop/cars"]}, "did not answer")], ids=["keeps its root", "hangs"])
def test_one_proxy_holds_the_switch_up_and_the_way_back_is_open(bedded: Bedded, old: Material, fault: Obj, reason: str) -> None:
    bedded.bed.set_faults({"envoys": {"life": 6, **fault}})
    time.sleep(1)
    rotation = Rotation(bedded, MATERIAL, old)
    assert rotation.go_on() is Phase.DISTRIBUTE
    until(lambda: bedded.trusted("portal") == 2, what="both roots in the other proxy")
    name = f"Pod shop/{bedded.pod('cars')}"
    until(lambda: {one.resource for one in rotation.judge()[1].blockers} == {name}, what="only that proxy is left")
    time.sleep(3)
    step, verdict, _current, _mesh = rotation.judge()
    assert step is not None and step.phase is Phase.SWITCH and not verdict.safe
    assert [(one.resource, one.reason.startswith(reason) or reason in one.reason) for one in verdict.blockers] == [(name, True)]
    bedded.bed.set_faults({"envoys": {"life": 6}})
    assert through(bedded, old, MATERIAL) == [Phase.RETIRE]
    until(lambda: bedded.call("portal", "cars") == "200", what="a call that works")
