# SPDX-License-Identifier: GPL-3.0-or-later
"""When a running istiod takes a changed cacerts, when it warns and goes on, and what it starts with."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from test_istiod import FakeKube
from testbed.operators.certificates import Authority
from testbed.operators.istiod_ca import Process, Running, ensure_authority, next_authority, plugged_in, reloads_by_default

Obj = dict[str, Any]
A, B, C = (Authority.new(name) for name in "ABC")
AB, BA = A.root + B.root, B.root + A.root
PLAIN, MULTI = Process("1"), Process("1", multiroot=True)
NO_ROOTS, NOT_THIS = "Multi root not supported", "Updating new ROOT-CA not supported"


def secret(authority: Authority, root: bytes, **more: bytes) -> Obj:
    data = {"ca-cert.pem": authority.cert, "ca-key.pem": authority.key, "root-cert.pem": root, "cert-chain.pem": authority.cert, **more}
    return {
        "kind": "Secret",
        "metadata": {"name": "cacerts", "namespace": "istio-system"},
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }


@pytest.mark.parametrize(
    ("process", "before", "after", "warning"),
    [
        (PLAIN, (A, A.root), (B, A.root), ""),
        (PLAIN, (A, A.root), (A, AB), NO_ROOTS),
        (PLAIN, (A, A.root), (B, B.root), NO_ROOTS),
        (MULTI, (A, A.root), (A, AB), ""),
        (MULTI, (A, AB), (B, AB), ""),
        (MULTI, (B, AB), (B, B.root), ""),
        (MULTI, (A, A.root), (B, B.root), NOT_THIS),
        (MULTI, (A, AB), (A, BA), NOT_THIS),
        (MULTI, (A, AB), (C, C.root), NOT_THIS),
        (Process("1", reloads=False), (A, A.root), (B, A.root), "AUTO_RELOAD_PLUGIN_CERTS is off"),
        (PLAIN, (A, A.root), (A, A.root), ""),
    ],
)
def test_a_running_istiod_and_a_changed_cacerts(
    process: Process, before: tuple[Authority, bytes], after: tuple[Authority, bytes], warning: str
) -> None:
    old, wanted = plugged_in(secret(*before)), plugged_in(secret(*after))
    assert old is not None
    assert next_authority(Running(process, old, plugged=True), secret(*after)) == ((old if warning else wanted), warning)


def test_what_cannot_be_loaded_changes_nothing() -> None:
    running = Running(MULTI, A, plugged=True)
    bad = [None, secret(A, b""), secret(A, A.root, **{"ca-key.pem": B.key}), secret(A, A.root, **{"ca-key.pem": b"junk"})]
    assert [next_authority(running, one) for one in bad] == [(A, "cacerts cannot be loaded")] * len(bad)


def test_an_istiod_with_a_ca_of_its_own_does_not_look_at_cacerts() -> None:
    assert next_authority(Running(MULTI, A, plugged=False), secret(B, B.root))[0] == A


def pod(uid: str, created: str) -> Obj:
    meta = {"name": f"istiod-{uid}", "namespace": "istio-system", "uid": uid, "labels": {"app": "istiod"}, "creationTimestamp": created}
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    return {"kind": "Pod", "metadata": meta, "status": ready, "spec": {"containers": [{"name": "discovery"}]}}


def test_a_restart_takes_what_is_there_and_a_deleted_ca_is_made_anew(tmp_path: Path) -> None:
    kube, bed = FakeKube(pod("1", "2026-01-01T00:00:01Z")), {"dir": str(tmp_path)}

    async def root() -> bytes:
        return (await ensure_authority(kube, bed, "istio-system", fresh=True)).root  # type: ignore[arg-type]

    async def scenario() -> list[bytes]:
        seen = [await root()]
        kube.objects["Secret", "istio-system", "cacerts"] = secret(A, A.root)
        seen.append(await root())
        kube.objects["Pod", "istio-system", "istiod-2"] = pod("2", "2026-01-01T00:00:02Z")
        seen.append(await root())
        del kube.objects["Secret", "istio-system", "cacerts"]
        kube.objects["Pod", "istio-system", "istiod-3"] = pod("3", "2026-01-01T00:00:03Z")
        seen.append(await root())
        del kube.objects["Secret", "istio-system", "istio-ca-secret"]
        seen.append(await root())
        kube.objects["Pod", "istio-system", "istiod-4"] = pod("4", "2026-01-01T00:00:04Z")
        return [*seen, await root()]

    own, ignored, plugged, back, still, fresh = asyncio.run(scenario())
    assert (ignored, plugged, back, still) == (own, A.root, own, own)
    assert fresh not in (own, A.root)


@pytest.mark.parametrize(
    ("image", "reloads"),
    [
        ("docker.io/istio/pilot:1.29.6", True),
        ("pilot:1.17.8-distroless", False),
        ("registry.example.com/istio-discovery:v2.4", False),
        ("registry.example.com:5000/istio-discovery:v2.6", True),
        ("registry.example.com:5000/pilot", True),
        ("pilot@sha256:0f1e2d", True),
    ],
)
def test_older_versions_do_not_look_again(image: str, reloads: bool) -> None:
    assert reloads_by_default({"spec": {"containers": [{"image": image}]}}) is reloads
