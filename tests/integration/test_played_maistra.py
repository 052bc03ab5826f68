# SPDX-License-Identifier: GPL-3.0-or-later
"""The played Maistra operator does what the real one was recorded doing."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from played_support import Recorder, distinct, eventually, recorded
from testbed import Bed
from testbed.operators.base import Kube
from testbed.operators.certificates import Authority

V1, V2 = "maistra.io/v1", "maistra.io/v2"
KINDS = [(V2, "ServiceMeshControlPlane"), (V1, "ServiceMeshMemberRoll"), (V1, "ServiceMeshMember")]
FILE = "maistra-status.jsonl.gz"
Obj = dict[str, Any]
Play = Callable[[Callable[[Kube, Recorder], Awaitable[None]]], None]
SPEC = {
    "version": "v2.5",
    "tracing": {"type": "None"},
    "policy": {"type": "Istiod"},
    "telemetry": {"type": "Istiod"},
    "profiles": ["default"],
    "gateways": {"openshiftRoute": {"enabled": False}},
    "addons": {"kiali": {"enabled": False}, "grafana": {"enabled": False}, "prometheus": {"enabled": False}},
}


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    bed = Bed.start("played-maistra", ("maistra",))
    yield bed
    bed.stop()


@pytest.fixture
def play(bed: Bed) -> Play:
    bed.set_faults({"maistra": {"delay": 0.2}})

    def run(scenario: Callable[[Kube, Recorder], Awaitable[None]]) -> None:
        async def go() -> None:
            kube = await Kube.connect(Path(bed.kubeconfig))
            try:
                async with Recorder(kube, KINDS) as recorder:
                    await scenario(kube, recorder)
            finally:
                await kube.close()

        asyncio.run(go())

    return run


def conditions(obj: Obj) -> dict[str, tuple[str, str, str]]:
    return {c["type"]: (c["status"], c.get("reason", ""), c.get("message", "")) for c in obj.get("status", {}).get("conditions", [])}


def mesh_view(obj: Obj) -> tuple[Any, ...] | None:
    """Pausing is left out: pods are as quick as they like."""
    found = conditions(obj)
    if not found or found["Ready"][1].startswith("Pausing"):
        return None
    return obj["metadata"]["generation"], obj["status"].get("observedGeneration"), found


def roll_view(obj: Obj) -> tuple[Any, ...] | None:
    status = obj.get("status", {})
    if not status:
        return None
    return conditions(obj)["Ready"], status.get("configuredMembers") or [], status.get("pendingMembers") or []


async def namespace(kube: Kube, *names: str) -> None:
    for name in names:
        await kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


async def mesh(kube: Kube, where: str, name: str, **spec: Any) -> Obj:
    return {
        "apiVersion": V2,
        "kind": "ServiceMeshControlPlane",
        **await kube.create(
            {"apiVersion": V2, "kind": "ServiceMeshControlPlane", "metadata": {"name": name, "namespace": where}, "spec": {**SPEC, **spec}}
        ),
    }


async def ready(kube: Kube, where: str, name: str) -> Obj:
    async def ask() -> Obj | None:
        found = await kube.get(V2, "ServiceMeshControlPlane", name, where)
        done = found and found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]
        return found if found and done and conditions(found)["Ready"][0] == "True" else None

    found: Obj = await eventually(ask, 30, f"{name} Ready")
    return found


async def roll(kube: Kube, where: str, *members: str, **spec: Any) -> None:
    await kube.apply(
        {
            "apiVersion": V1,
            "kind": "ServiceMeshMemberRoll",
            "metadata": {"name": "default", "namespace": where},
            "spec": {"members": list(members), **spec},
        }
    )


async def roll_is(kube: Kube, where: str, configured: list[str], pending: list[str]) -> Obj:
    async def ask() -> Obj | None:
        found = await kube.get(V1, "ServiceMeshMemberRoll", "default", where)
        status = (found or {}).get("status", {})
        return found if (status.get("configuredMembers"), status.get("pendingMembers")) == (configured, pending) else None

    found: Obj = await eventually(ask, what=f"configured {configured}, pending {pending} in {where}")
    return found


def test_install_update_scale_and_delete(play: Play) -> None:
    where, name = "istio-system", "basic"

    async def scenario(kube: Kube, seen: Recorder) -> None:
        await namespace(kube, where)
        smcp = await mesh(kube, where, name)
        await ready(kube, where, name)
        ours = distinct(seen.of("ServiceMeshControlPlane", where, name), mesh_view)
        assert ours == distinct(recorded(FILE, ["22b"], "ServiceMeshControlPlane", where, name), mesh_view)
        installed = len(seen.of("ServiceMeshControlPlane", where, name))
        # The recording begins at generation 2, whose update to 3 it shows whole; ours goes from 1 to 2.
        await kube.patch(smcp, {"spec": {"gateways": {"egress": {"enabled": False}}}})

        async def begun() -> bool:
            live = await kube.get(V2, "ServiceMeshControlPlane", name, where)
            return bool(live and live["metadata"]["generation"] == 2)

        await eventually(begun)
        await ready(kube, where, name)
        ours = distinct(seen.of("ServiceMeshControlPlane", where, name)[installed:], mesh_view)
        real = distinct(recorded(FILE, ["07", "08", "09"], "ServiceMeshControlPlane", where, name), mesh_view)
        real = [
            (
                g - 1,
                o - 1,
                {
                    k: tuple(
                        t.replace("unknown-2", "unknown-1")
                        .replace("unknown-3", "unknown-2")
                        .replace("generation 2", "generation 1")
                        .replace("generation 3", "generation 2")
                        for t in v
                    )
                    for k, v in c.items()
                },
            )
            for g, o, c in real
            if g == 3
        ]
        wanted = [entry for entry in real if entry[2]["Reconciled"][1] != "InstallSuccessful"]
        assert [entry for entry in ours if entry[2]["Reconciled"][1] != "InstallSuccessful"] == wanted
        assert ours[0][:2] == (2, 1) and ours[0][2]["Ready"][0] == "True"  # the old Ready is still there for a moment
        assert await kube.get("apps/v1", "Deployment", "istio-egressgateway", where) is None
        await _scaled_to_zero(kube, seen, where, name)
        await kube.delete(smcp)

        async def gone() -> bool:
            return await kube.get(V2, "ServiceMeshControlPlane", name, where) is None

        await eventually(gone, what="SMCP gone")
        assert conditions(seen.of("ServiceMeshControlPlane", where, name)[-1])["Ready"] == ("False", "Deleting", "Deleting service mesh")

    play(scenario)


async def _scaled_to_zero(kube: Kube, seen: Recorder, where: str, name: str) -> None:
    """Ready says nothing of an istiod that nobody wants to run."""
    before = len(seen.events)
    istiod = await kube.get("apps/v1", "Deployment", f"istiod-{name}", where)
    assert istiod
    await kube.patch({"apiVersion": "apps/v1", "kind": "Deployment", **istiod}, {"spec": {"replicas": 0}})
    await asyncio.sleep(2)
    states = [obj for _event, obj in seen.events[before:] if obj["kind"] == "ServiceMeshControlPlane"]
    real = recorded(FILE, ["17"], "ServiceMeshControlPlane", where, name)
    assert distinct(states, lambda o: conditions(o)["Ready"]) == distinct(real, lambda o: conditions(o)["Ready"])
    istiod = await kube.get("apps/v1", "Deployment", f"istiod-{name}", where)
    assert istiod and istiod["spec"]["replicas"] == 0


def test_errors_of_the_spec(play: Play, bed: Bed) -> None:
    async def scenario(kube: Kube, seen: Recorder) -> None:
        await namespace(kube, "wrong", "stuck")
        await mesh(kube, "wrong", "basic", profiles=["nosuch"])
        bed.set_faults({"maistra": {"delay": 0.2, "never_ready": ["istio-ingressgateway"]}})
        await mesh(kube, "stuck", "basic")

        async def refused() -> bool:
            found = await kube.get(V2, "ServiceMeshControlPlane", "basic", "wrong")
            return bool(found and conditions(found).get("Ready", ("", "", ""))[1] == "ReconcileError")

        await eventually(refused)
        real = recorded(FILE, ["10"], "ServiceMeshControlPlane", "istio-system", "basic")[0]
        found = await kube.get(V2, "ServiceMeshControlPlane", "basic", "wrong")
        assert found and conditions(found)["Reconciled"] == conditions(real)["Reconciled"]

        async def paused() -> bool:
            found = await kube.get(V2, "ServiceMeshControlPlane", "basic", "stuck")
            return bool(found) and conditions(found).get("Ready", ("", "", ""))[2].endswith("[istio-ingress]")  # type: ignore[arg-type]

        await eventually(paused)

    play(scenario)


def test_members(play: Play) -> None:
    where = "mesh1"

    async def scenario(kube: Kube, seen: Recorder) -> None:
        await namespace(kube, where, "bookinfo", "shop")
        await roll(kube, where, "bookinfo", "ghost")

        async def missing() -> bool:
            found = await kube.get(V1, "ServiceMeshMemberRoll", "default", where)
            return bool(found) and conditions(found).get("Ready", ("", "", ""))[1] == "ErrSMCPMissing"  # type: ignore[arg-type]

        await eventually(missing)
        smcp = await mesh(kube, where, "basic")
        await roll_is(kube, where, ["bookinfo"], ["ghost"])
        await ready(kube, where, "basic")
        await namespace(kube, "ghost")
        await roll_is(kube, where, ["bookinfo", "ghost"], [])
        await kube.create(
            {
                "apiVersion": V1,
                "kind": "ServiceMeshMember",
                "metadata": {"name": "default", "namespace": "shop"},
                "spec": {"controlPlaneRef": {"name": "basic", "namespace": where}},
            }
        )
        found = await roll_is(kube, where, ["bookinfo", "ghost", "shop"], [])
        assert conditions(found)["Ready"] == ("True", "Configured", "All namespaces have been configured successfully")
        space = await kube.get("v1", "Namespace", "shop")
        assert space and space["metadata"]["labels"]["maistra.io/member-of"] == where
        assert await kube.get("v1", "ConfigMap", "istio-ca-root-cert", "shop")
        before = len(seen.events)
        await kube.patch(smcp, {"spec": {"proxy": {"accessLogging": {"file": {"name": "/dev/stdout"}}}}})

        async def again() -> bool:
            states = [o for _e, o in seen.events[before:] if o["kind"] == "ServiceMeshMemberRoll"]
            return len(states) > 2 and roll_view(states[-1]) == (conditions(found)["Ready"], ["bookinfo", "ghost", "shop"], [])

        await eventually(again, what="the roll Ready for generation 2")
        states = [o for _e, o in seen.events[before:] if o["kind"] == "ServiceMeshMemberRoll"]
        real = recorded(FILE, ["11"], "ServiceMeshMemberRoll", "istio-system", "default")
        tail = distinct(real, roll_view)[-3:]
        assert distinct(states, roll_view)[-3:] == tail
        await roll(kube, where, "bookinfo")
        await roll_is(kube, where, ["bookinfo", "shop"], [])

        async def released() -> bool:  # the roll says it first, the namespace loses its labels after that
            space = await kube.get("v1", "Namespace", "ghost")
            return bool(space) and "maistra.io/member-of" not in space["metadata"].get("labels", {})  # type: ignore[index]

        await eventually(released, what="ghost without the labels of a member")

    play(scenario)


def test_a_restarted_istiod_brings_the_root_of_cacerts_to_members_and_webhook(play: Play) -> None:
    where, other = "ca-system", Authority.new("Corporate Root")

    async def root_is(kube: Kube, root: bytes) -> None:
        async def ask() -> bool:
            maps = [await kube.get("v1", "ConfigMap", "istio-ca-root-cert", name) for name in (where, "ca-shop")]
            hook = await kube.get("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", f"istiod-basic-{where}")
            bundle = hook["webhooks"][0]["clientConfig"]["caBundle"] if hook else ""
            return [one and one["data"]["root-cert.pem"].encode() for one in maps] == [root, root] and base64.b64decode(bundle) == root

        await eventually(ask, what="the root in both namespaces and the webhook")

    async def scenario(kube: Kube, seen: Recorder) -> None:
        await namespace(kube, where, "ca-shop")
        await mesh(kube, where, "basic")
        await ready(kube, where, "basic")
        await roll(kube, where, "ca-shop")
        await roll_is(kube, where, ["ca-shop"], [])
        own = await kube.get("v1", "Secret", "istio-ca-secret", where)
        before = base64.b64decode(own["data"]["root-cert.pem"])  # type: ignore[index]
        await root_is(kube, before)
        data = {"ca-cert.pem": other.cert, "ca-key.pem": other.key, "root-cert.pem": other.root, "cert-chain.pem": other.cert}
        await kube.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "cacerts", "namespace": where},
                "data": {item: base64.b64encode(value).decode() for item, value in data.items()},
            }
        )
        await asyncio.sleep(2)
        await root_is(kube, before)
        for pod in await kube.list("v1", "Pod", where, labelSelector="app=istiod-basic"):
            await kube.delete(pod)
        await root_is(kube, other.root)

    play(scenario)
