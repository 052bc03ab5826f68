# SPDX-License-Identifier: GPL-3.0-or-later
"""The played istiod, on a cluster that is a dictionary: trust in namespaces and webhooks, whoever installed the charts."""

from __future__ import annotations

import asyncio
import base64
import copy
from pathlib import Path
from typing import Any

import pytest
from testbed.operators.__main__ import load
from testbed.operators.base import Faults
from testbed.operators.istiod import ADMISSION, ROOT, PlayedIstiod

Obj = dict[str, Any]


class FakeKube:
    def __init__(self, *objects: Obj) -> None:
        self.objects = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in objects}

    async def serves(self, _api: str, _kind: str) -> bool:
        return False

    async def get(self, _api: str, kind: str, name: str, namespace: str | None = None) -> Obj | None:
        return copy.deepcopy(self.objects.get((kind, namespace, name)))

    async def list(self, _api: str, kind: str, namespace: str | None = None, **_params: str) -> list[Obj]:
        return [copy.deepcopy(one) for (known, where, _name), one in self.objects.items() if known == kind and where == namespace]

    async def apply(self, obj: Obj, _manager: str = "") -> Obj:
        self.objects[obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"]] = obj
        return obj

    async def patch(self, obj: Obj, patch: Obj) -> Obj:
        assert patch["metadata"]["resourceVersion"] == obj["metadata"]["resourceVersion"]
        self.objects[obj["kind"], None, obj["metadata"]["name"]]["webhooks"] = patch["webhooks"]
        return obj


def istiod(revision: str = "", namespace: str = "istio-system", ready: int = 1, app: str = "istiod") -> Obj:
    name = f"istiod-{revision}" if revision else "istiod"
    return {
        "kind": "Deployment",
        "status": {"readyReplicas": ready},
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": app}, "creationTimestamp": "2026-01-01T00:00:00Z"},
    }


def webhook(kind: str, service: str, namespace: str = "istio-system") -> Obj:
    client = {"service": {"name": service, "namespace": namespace, "path": "/x"}}
    return {
        "apiVersion": ADMISSION,
        "kind": kind,
        "metadata": {"name": f"{kind}-{service}", "resourceVersion": "7"},
        "webhooks": [{"name": "one", "failurePolicy": "Ignore", "clientConfig": client}],
    }


def space(name: str, **labels: str) -> Obj:
    return {"kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def mesh(revision: str, text: str) -> Obj:
    return {
        "kind": "ConfigMap",
        "metadata": {"name": f"istio-{revision}" if revision else "istio", "namespace": "istio-system"},
        "data": {"mesh": text},
    }


def play(tmp_path: Path, *objects: Obj) -> FakeKube:
    """Every object is seen once, then what was asked for is done."""
    kube = FakeKube(*objects)

    async def scenario() -> None:
        controller = PlayedIstiod(kube, Faults(tmp_path / "faults.json"), {"dir": str(tmp_path)})
        keys = [key for obj in objects for key in controller.keys_for("ADDED", obj)]
        for key in dict.fromkeys(keys):
            await controller.reconcile(key)

    asyncio.run(scenario())
    return kube


def bundle(kube: FakeKube, hook: Obj) -> str | None:
    found = kube.objects[hook["kind"], None, hook["metadata"]["name"]]["webhooks"][0]
    return found["clientConfig"].get("caBundle")  # type: ignore[no-any-return]


@pytest.mark.parametrize(("kind", "policy"), [("MutatingWebhookConfiguration", "Ignore"), ("ValidatingWebhookConfiguration", "Fail")])
def test_a_ready_istiod_patches_its_webhooks(tmp_path: Path, kind: str, policy: str) -> None:
    hook = webhook(kind, "istiod-canary")
    kube = play(tmp_path, hook, istiod("canary"))
    secret = kube.objects["Secret", "istio-system", "istio-ca-secret"]
    assert bundle(kube, hook) == secret["data"]["root-cert.pem"]
    assert kube.objects[kind, None, hook["metadata"]["name"]]["webhooks"][0]["failurePolicy"] == policy


@pytest.mark.parametrize(
    "other",
    [istiod("canary", ready=0), istiod("stable"), istiod("canary", namespace="elsewhere"), istiod("canary", app="istiod-canary")],
    ids=["not ready", "another one", "elsewhere", "of Maistra"],
)
def test_a_webhook_of_no_ready_istiod_stays_closed(tmp_path: Path, other: Obj) -> None:
    hook = webhook("MutatingWebhookConfiguration", "istiod-canary")
    assert bundle(play(tmp_path, hook, other), hook) is None


@pytest.mark.parametrize(
    ("selectors", "labels", "published"),
    [
        ("", {}, True),
        ("discoverySelectors: [{matchLabels: {mesh: prod}}]", {"mesh": "prod"}, True),
        ("discoverySelectors: [{matchLabels: {mesh: prod}}]", {"mesh": "dev"}, False),
        ("discoverySelectors: [{matchLabels: {mesh: prod}}, {matchLabels: {shared: 'yes'}}]", {"shared": "yes"}, True),
    ],
)
def test_the_root_is_published_where_istiod_looks(tmp_path: Path, selectors: str, labels: dict[str, str], published: bool) -> None:
    kube = play(tmp_path, mesh("", selectors), space("shop", **labels), istiod())
    found = kube.objects.get(("ConfigMap", "shop", ROOT))
    assert bool(found) == published
    if found:
        root = base64.b64decode(kube.objects["Secret", "istio-system", "istio-ca-secret"]["data"]["root-cert.pem"])
        assert found["data"] == {"root-cert.pem": root.decode()}


def test_a_system_namespace_gets_no_root(tmp_path: Path) -> None:
    assert ("ConfigMap", "kube-system", ROOT) not in play(tmp_path, space("kube-system"), istiod()).objects


@pytest.mark.parametrize(
    ("names", "there", "away"),
    [
        (["sail"], {"SailController", "InjectorServer", "PlayedIstiod"}, {"RealIstiod"}),
        (["olm", "istiod"], {"InjectorServer", "PlayedIstiod"}, {"SailController"}),
        (["maistra", "istiod", "real-istiod"], {"InjectorServer", "RealIstiod"}, {"PlayedIstiod"}),
        (["olm"], set(), {"InjectorServer", "PlayedIstiod", "RealIstiod"}),
    ],
)
def test_who_installs_an_istiod_brings_who_plays_it(names: list[str], there: set[str], away: set[str]) -> None:
    loaded = [controller.__name__ for controller in load(names)]
    assert there <= set(loaded) and not away & set(loaded) and len(loaded) == len(set(loaded))
