# SPDX-License-Identifier: GPL-3.0-or-later
"""The played Sail operator does what the real one was recorded doing, and its istiods inject and validate."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from played_support import DATA, Recorder, distinct, eventually
from testbed import Bed
from testbed.operators.base import ApiError, Kube

API = "sailoperator.io/v1"
KINDS = [(API, kind) for kind in ("Istio", "IstioRevision", "IstioRevisionTag", "IstioCNI", "ZTunnel")]
Obj = dict[str, Any]
Play = Callable[[Callable[[Kube, Recorder], Awaitable[None]]], None]


@pytest.fixture(scope="module")
def bed(worker_id: str) -> Iterator[Bed]:
    bed = Bed.start(f"played-sail-{worker_id}", ("sail",))
    yield bed
    bed.stop()


@pytest.fixture
def play(bed: Bed) -> Play:
    bed.set_faults({})

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


def recording(kind: str, name: str) -> list[Obj]:
    found = []
    for line in (DATA / "sail-operator-status.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if (entry["kind"], entry["name"]) == (kind, name):
            found.append(
                {"metadata": {"name": name, "generation": entry["generation"]}, "spec": entry["spec"], "status": entry.get("status", {})}
            )
    return found


def conditions(obj: Obj) -> dict[str, tuple[str, str, str]]:
    return {c["type"]: (c["status"], c.get("reason", ""), c.get("message", "")) for c in (obj.get("status") or {}).get("conditions", [])}


def passing(obj: Obj) -> bool:
    """What depends on how quick pods and caches are: nothing known yet, a conflict, istiod's first moment without pods."""
    found = conditions(obj)
    if not found or found.get("Reconciled", ("",))[0] == "Unknown" or "object has been modified" in found["Reconciled"][2]:
        return True
    return found["Reconciled"][0] == "True" and found.get("Ready", ("", ""))[1] == "IstiodNotReady"


def view(obj: Obj) -> tuple[Any, ...]:
    status = obj.get("status") or {}
    return obj["metadata"]["generation"], status.get("observedGeneration"), status.get("state"), conditions(obj)


def story(states: list[Obj]) -> list[Any]:
    """The lasting states in order; the last one counts whatever it is."""
    kept = [state for number, state in enumerate(states) if not passing(state) or number == len(states) - 1]
    return distinct(kept, view)


async def make(kube: Kube, kind: str, name: str, api_version: str = API, **spec: Any) -> Obj:
    return await kube.create({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec})


async def space(kube: Kube, name: str, **labels: str) -> None:
    """A namespace with labels; keys are written with _ for the dots and slashes that Python does not take."""
    keys = {"rev": "istio.io/rev", "injection": "istio-injection"}
    await kube.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {keys.get(k, k): v for k, v in labels.items()}}},
        "test",
    )


async def state(kube: Kube, kind: str, name: str, wanted: str, *, version: str | None = None, timeout: float = 30) -> Obj:
    async def there() -> Obj | None:
        obj = await kube.get(API, kind, name)
        if obj is None or view(obj)[2] != wanted or view(obj)[0] != view(obj)[1]:
            return None
        return obj if version in (None, obj["spec"].get("version")) else None

    found: Obj = await eventually(there, timeout, f"{kind} {name} {wanted}")
    return found


async def gone(kube: Kube, kind: str, name: str, timeout: float = 60) -> None:
    async def away() -> bool:
        return await kube.get(API, kind, name) is None

    await eventually(away, timeout, f"{kind} {name} is gone")


def running_pod(name: str, namespace: str, *, image: str = "app:1", container: str = "app", **meta: dict[str, str]) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, **meta},
        "spec": {"containers": [{"name": container, "image": image}]},
    }


def test_missing_namespace_as_recorded(play: Play) -> None:
    async def modified(kube: Kube, recorder: Recorder, name: str) -> bool:
        await make(kube, "Istio", name, namespace="mesh-missing", version="v1.29.6")
        await state(kube, "Istio", name, "ReconcileError")
        await eventually(lambda: _settled(recorder, "Istio", name, "doesn't exist"))
        await asyncio.sleep(1)
        await kube.delete({"apiVersion": API, "kind": "Istio", "metadata": {"name": name}})
        await gone(kube, "IstioRevision", name)
        for kind in ("Istio", "IstioRevision"):
            assert story(recorder.of(kind, "", name)) == story(recording(kind, "missing-ns")), kind
        told = (conditions(one).get("Reconciled", ("", "", ""))[2] for one in recorder.of("Istio", "", name))
        return any("object has been modified" in text for text in told)

    async def scenario(kube: Kube, recorder: Recorder) -> None:
        # The operator's cache lags for a moment only; on a busy machine it may have caught up before anybody looks.
        for name in ("missing-ns", "missing-too", "missing-again"):
            if await modified(kube, recorder, name):
                return
        pytest.fail("the conflict of the operator with its own finalizer was never seen")

    play(scenario)


async def _settled(recorder: Recorder, kind: str, name: str, text: str) -> bool:
    seen = recorder.of(kind, "", name)
    return bool(seen) and any(text in message for _status, _reason, message in conditions(seen[-1]).values())


def test_in_place_as_recorded(play: Play, bed: Bed) -> None:
    async def scenario(kube: Kube, recorder: Recorder) -> None:
        await space(kube, "istio-system")
        istio = await make(kube, "Istio", "default", namespace="istio-system", version="v1.29.5")
        await state(kube, "Istio", "default", "Healthy")
        await kube.patch({"apiVersion": API, "kind": "Istio", **istio}, {"spec": {"version": "v1.29.6"}})
        await state(kube, "IstioRevision", "default", "Healthy", version="v1.29.6")
        await state(kube, "Istio", "default", "Healthy")  # a passing state would be its last word, which counts
        rev = await kube.get(API, "IstioRevision", "default")
        assert rev and rev["metadata"]["finalizers"] == ["sailoperator.io/sail-operator"]
        deployment = await kube.get("apps/v1", "Deployment", "istiod", "istio-system")
        assert deployment and deployment["spec"]["template"]["spec"]["containers"][0]["image"].endswith("pilot:1.29.6")
        await kube.delete({"apiVersion": API, "kind": "Istio", "metadata": {"name": "default"}})
        await gone(kube, "IstioRevision", "default")
        assert await kube.get("apps/v1", "Deployment", "istiod", "istio-system") is None
        for kind in ("Istio", "IstioRevision"):
            assert story(recorder.of(kind, "", "default")) == story(recording(kind, "default")), kind
        _stale_healthy(recorder)

    play(scenario)


def _stale_healthy(recorder: Recorder) -> None:
    """The trap: the Istio has observed its generation and is Healthy while its revision still speaks of the old one."""

    def version(obj: Obj) -> int:
        return int(obj["metadata"]["resourceVersion"])

    trap = next(o for o in recorder.of("Istio", "", "default") if view(o)[:3] == (2, 2, "Healthy"))
    before = [o for o in recorder.of("IstioRevision", "", "default") if version(o) < version(trap)]
    assert view(before[-1])[:3] == (2, 1, "Healthy")


def test_revision_based_as_recorded(play: Play) -> None:
    async def scenario(kube: Kube, recorder: Recorder) -> None:
        for name, labels in {"istio-prod": {}, "old": {"rev": "prod-v1-29-6"}, "new": {"rev": "prod-v1-30-3"}}.items():
            await space(kube, name, **labels)
        istio = await make(
            kube,
            "Istio",
            "prod",
            namespace="istio-prod",
            version="v1.29.6",
            updateStrategy={"type": "RevisionBased", "inactiveRevisionDeletionGracePeriodSeconds": 3},
        )
        await state(kube, "Istio", "prod", "Healthy")
        await make(kube, "IstioRevisionTag", "prod-tag", targetRef={"kind": "Istio", "name": "prod"})
        tag = await state(kube, "IstioRevisionTag", "prod-tag", "NotReferencedByAnything")
        assert (tag["status"]["istioRevision"], tag["status"]["istiodNamespace"]) == ("prod-v1-29-6", "istio-prod")
        await kube.patch({"apiVersion": API, "kind": "Istio", **istio}, {"spec": {"version": "v1.30.3"}})
        await state(kube, "IstioRevision", "prod-v1-30-3", "Healthy")
        await asyncio.sleep(4)  # longer than the grace period: what is in use stays
        both = await state(kube, "Istio", "prod", "Healthy", version="v1.30.3")
        assert both["status"]["revisions"] == {"total": 2, "ready": 2, "inUse": 2}
        await space(kube, "old", rev="prod-v1-30-3")
        await gone(kube, "IstioRevision", "prod-v1-29-6")
        await eventually(lambda: _revisions(kube, {"total": 1, "ready": 1, "inUse": 1}))
        await kube.patch(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "istiod-prod-v1-30-3", "namespace": "istio-prod"}},
            {"spec": {"replicas": 0}},
        )
        await state(kube, "Istio", "prod", "IstiodNotReady")
        for kind, name in (
            ("Istio", "prod"),
            ("IstioRevision", "prod-v1-29-6"),
            ("IstioRevision", "prod-v1-30-3"),
            ("IstioRevisionTag", "prod-tag"),
        ):
            assert story(recorder.of(kind, "", name)) == story(recording(kind, name)), name
        await kube.delete({"apiVersion": API, "kind": "IstioRevisionTag", "metadata": {"name": "prod-tag"}})
        await kube.delete({"apiVersion": API, "kind": "Istio", "metadata": {"name": "prod"}})
        await gone(kube, "IstioRevision", "prod-v1-30-3")

    play(scenario)


async def _revisions(kube: Kube, wanted: dict[str, int]) -> bool:
    istio = await kube.get(API, "Istio", "prod")
    return bool(istio and istio["status"]["revisions"] == wanted)


@pytest.mark.parametrize(("kind", "namespace"), [("IstioCNI", "istio-cni"), ("ZTunnel", "ztunnel")])
def test_agent_without_nodes_as_recorded_then_healthy(play: Play, bed: Bed, kind: str, namespace: str) -> None:
    bed.set_faults({"sail": {"never_ready": ["default"]}})

    async def scenario(kube: Kube, recorder: Recorder) -> None:
        await space(kube, namespace)
        await make(kube, kind, "default", namespace=namespace, version="v1.30.3")
        await state(kube, kind, "default", "DaemonSetNotReady")
        await asyncio.sleep(1)
        assert story(recorder.of(kind, "", "default")) == story(recording(kind, "default"))
        bed.set_faults({})
        await state(kube, kind, "default", "Healthy")
        await kube.delete({"apiVersion": API, "kind": kind, "metadata": {"name": "default"}})
        await gone(kube, kind, "default")

    play(scenario)


def test_end_of_life_is_permanent(play: Play) -> None:
    async def scenario(kube: Kube, recorder: Recorder) -> None:
        await make(kube, "Istio", "ancient", namespace="istio-system", version="v1.24.3")
        await state(kube, "Istio", "ancient", "ReconcileError")
        await asyncio.sleep(2)
        seen = recorder.of("Istio", "", "ancient")[-1]
        assert conditions(seen)["Reconciled"] == (
            "False",
            "ReconcileError",
            'validation error: version "v1.24.3" is end-of-life and cannot be installed; use a supported version',
        )
        assert seen["status"]["revisions"]["total"] == 0
        assert await kube.get(API, "IstioRevision", "ancient") is None
        await kube.delete({"apiVersion": API, "kind": "Istio", "metadata": {"name": "ancient"}})

    play(scenario)


def test_a_passing_failure_heals_and_flapping_ends(play: Play, bed: Bed) -> None:
    bed.set_faults({"sail": {"fail": {"shaky": "the chart is broken"}}})

    async def scenario(kube: Kube, recorder: Recorder) -> None:
        await space(kube, "shaky")
        await make(kube, "Istio", "shaky", namespace="shaky", version="v1.30-latest")
        await eventually(lambda: _settled(recorder, "Istio", "shaky", "error reconciling resource: the chart is broken"))
        bed.set_faults({"sail": {"flap": 2}})
        await state(kube, "IstioRevision", "shaky", "Healthy")
        await asyncio.sleep(4)
        rev = await state(kube, "IstioRevision", "shaky", "Healthy")
        assert rev["spec"]["version"] == "v1.30.3"
        ready = distinct(recorder.of("IstioRevision", "", "shaky"), lambda o: conditions(o).get("Ready", (None,))[:1])
        assert ready[-5:] == [("True",), ("False",), ("True",), ("False",), ("True",)]
        await kube.delete({"apiVersion": API, "kind": "Istio", "metadata": {"name": "shaky"}})
        await gone(kube, "IstioRevision", "shaky")

    play(scenario)


def test_injection_and_validation(play: Play, bed: Bed) -> None:
    async def scenario(kube: Kube, recorder: Recorder) -> None:
        await space(kube, "mesh")
        await make(kube, "Istio", "canary", namespace="mesh", version="v1.30.2")
        await space(kube, "shop", rev="canary")
        await space(kube, "plain")
        await state(kube, "Istio", "canary", "Healthy")
        await _inject(kube)
        await _trust(kube)
        await _validate(kube)
        bed.set_faults({"injector": {"down": True}})
        await asyncio.sleep(0.5)
        with pytest.raises(ApiError, match="failed calling webhook"):
            await kube.create(running_pod("refused", "shop"))
        assert await kube.create(running_pod("elsewhere", "plain"))
        bed.set_faults({})
        await eventually(lambda: _created(kube, running_pod("again", "shop")))
        await kube.delete({"apiVersion": API, "kind": "Istio", "metadata": {"name": "canary"}})
        await gone(kube, "IstioRevision", "canary")

    play(scenario)


async def _created(kube: Kube, obj: Obj) -> bool:
    try:
        await kube.create(obj)
    except ApiError:
        return False
    return True


async def _inject(kube: Kube) -> None:
    pod = await kube.create(running_pod("web", "shop", labels={"app": "web", "version": "v2"}))
    meta, spec = pod["metadata"], pod["spec"]
    assert [c["name"] for c in spec["containers"]] == ["app", "istio-proxy"]
    assert spec["containers"][1]["image"] == "docker.io/istio/proxyv2:1.30.2"
    assert [c["name"] for c in spec["initContainers"]] == ["istio-init"]
    assert meta["annotations"]["istio.io/rev"] == "canary"
    assert json.loads(meta["annotations"]["sidecar.istio.io/status"])["revision"] == "canary"
    assert meta["labels"] == {
        "app": "web",
        "version": "v2",
        "security.istio.io/tlsMode": "istio",
        "service.istio.io/canonical-name": "web",
        "service.istio.io/canonical-revision": "v2",
    }
    gateway = await kube.create(
        running_pod("edge", "shop", image="auto", container="istio-proxy", annotations={"inject.istio.io/templates": "gateway"})
    )
    assert [(c["name"], c["image"], c["args"][1]) for c in gateway["spec"]["containers"]] == [
        ("istio-proxy", "docker.io/istio/proxyv2:1.30.2", "router")
    ]
    left = await kube.create(running_pod("left", "shop", labels={"sidecar.istio.io/inject": "false"}))
    other = await kube.create(running_pod("other", "plain"))
    assert [len(p["spec"]["containers"]) for p in (left, other)] == [1, 1]
    await eventually(lambda: _in_use(kube), what="canary is in use")


async def _in_use(kube: Kube) -> bool:
    rev = await kube.get(API, "IstioRevision", "canary")
    return bool(rev and conditions(rev)["InUse"][0] == "True")


async def _trust(kube: Kube) -> None:
    """caBundle, the CA's Secret and every namespace's root are the same certificate."""
    hook = await kube.get("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "istio-sidecar-injector-canary-mesh")
    assert hook and [h["name"].split("sidecar")[0] for h in hook["webhooks"]] == ["rev.namespace.", "rev.object."]
    root = base64.b64decode(hook["webhooks"][0]["clientConfig"]["caBundle"]).decode()
    assert root.startswith("-----BEGIN CERTIFICATE-----")
    secret = await kube.get("v1", "Secret", "istio-ca-secret", "mesh")
    assert secret and base64.b64decode(secret["data"]["root-cert.pem"]).decode() == root

    async def published() -> Obj | None:
        return await kube.get("v1", "ConfigMap", "istio-ca-root-cert", "shop")

    found = await eventually(published)
    assert found["data"] == {"root-cert.pem": root}


async def _validate(kube: Kube) -> None:
    bad = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "bad", "namespace": "shop", "labels": {"istio.io/rev": "canary"}},
        "spec": {"selector": {"istio": "ingressgateway"}},
    }
    with pytest.raises(ApiError, match="gateway must have at least one server"):
        await kube.create(bad)
    server = {"hosts": ["*"], "port": {"number": 80, "name": "http", "protocol": "HTTP"}}
    assert await kube.create({**bad, "spec": {**bad["spec"], "servers": [server]}})


def test_istiod_is_put_back_and_depends_on_its_cni(play: Play) -> None:
    async def scenario(kube: Kube, recorder: Recorder) -> None:
        await space(kube, "cni-mesh")
        await space(kube, "istio-cni")
        await make(
            kube,
            "Istio",
            "needy",
            namespace="cni-mesh",
            version="v1.30.3",
            values={"pilot": {"cni": {"enabled": True}, "autoscaleEnabled": False, "replicaCount": 2}},
        )
        await state(kube, "Istio", "needy", "IstioCNINotFound")
        await make(kube, "IstioCNI", "default", namespace="istio-cni", version="v1.30.3")
        await state(kube, "Istio", "needy", "Healthy")
        deployment: Obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "istiod-needy", "namespace": "cni-mesh"}}
        old = await kube.get("apps/v1", "Deployment", "istiod-needy", "cni-mesh")
        assert old and old["spec"]["replicas"] == 2
        await kube.delete(deployment)

        async def back() -> bool:
            found = await kube.get("apps/v1", "Deployment", "istiod-needy", "cni-mesh")
            return bool(found and found["metadata"]["uid"] != old["metadata"]["uid"])

        await eventually(back, what="istiod is there again")
        for kind, name in (("Istio", "needy"), ("IstioCNI", "default")):
            await kube.delete({"apiVersion": API, "kind": kind, "metadata": {"name": name}})
        await gone(kube, "IstioRevision", "needy")

    play(scenario)
