# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rotation sees: the CA in a Secret, istiods, places, proxies."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.observed import authority_of, mesh_of, roots_of
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.reading import read_bundle
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.source import of_proxy, without_keys

from .named import content

SYSTEM = "istio-system"


def print_of(name: str) -> str:
    return str(read_bundle(content(name), name).certificates[0].fingerprint)


def secret(made: str = "2026-01-01T00:00:00Z", **data: str) -> dict[str, Any]:
    items = {name.replace("_", "."): base64.b64encode(content(value)).decode() for name, value in data.items()}
    named = {
        name.replace("cacert", "ca-cert").replace("rootcert", "root-cert").replace("certchain", "cert-chain"): value
        for name, value in items.items()
    }
    return {"kind": "Secret", "metadata": {"name": "cacerts", "namespace": SYSTEM, "creationTimestamp": made}, "data": named}


@pytest.mark.parametrize(
    ("data", "signer", "anchor", "roots"),
    [
        ({"cacert_pem": "middle", "rootcert_pem": "root", "certchain_pem": "middle+root"}, "middle", "root", ["root"]),
        ({"cacert_pem": "middle", "rootcert_pem": "root+other_root"}, "middle", "root", ["root", "other_root"]),
        ({"cacert_pem": "middle", "rootcert_pem": "other_root+root+other_root"}, "middle", "root", ["other_root", "root"]),
        ({"tls_crt": "middle", "ca_crt": "root"}, "middle", "root", ["root"]),
        ({"cacert_pem": "root"}, "root", "root", ["root"]),
        ({"cacert_pem": "middle", "rootcert_pem": "other_root"}, "middle", "", ["other_root"]),
    ],
    ids=str,
)
def test_the_ca_in_a_secret(data: dict[str, str], signer: str, anchor: str, roots: list[str]) -> None:
    found = authority_of(secret(**data))
    assert found is not None and found.signer == print_of(signer) and found.anchor == (print_of(anchor) if anchor else "")
    assert found.roots == tuple(print_of(name) for name in roots)
    assert {one.fingerprint for one in roots_of(secret(**data))} == set(found.roots)
    # the same when the keys were taken out
    assert authority_of(without_keys({**secret(**data), "type": "Opaque"})) == found


def test_no_ca_is_no_ca() -> None:
    assert authority_of(secret()) is None and authority_of(secret(cacert_pem="garbage")) is None and roots_of(secret()) == ()


def pod(start: str = "2026-01-01T00:00:01Z", image: str = "istio/pilot:1.29.6", ready: str = "True", **env: str) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": "istiod-1", "namespace": SYSTEM, "labels": {"app": "istiod"}},
        "spec": {"containers": [{"name": "discovery", "image": image, "env": [{"name": n, "value": v} for n, v in env.items()]}]},
        "status": {"phase": "Running", "startTime": start, "conditions": [{"type": "Ready", "status": ready}]},
    }


def istiod(one: dict[str, Any], cacerts: dict[str, Any] | None) -> Any:
    return mesh_of([one], [], namespace=SYSTEM, cacerts=cacerts, known=()).istiods[0]


def test_istiods_are_pods_of_its_namespace() -> None:
    labels = {"app": "istiod"}
    config = {"kind": "ConfigMap", "metadata": {"name": "istio", "namespace": SYSTEM, "labels": labels}}
    hook = {"kind": "MutatingWebhookConfiguration", "metadata": {"name": "istiod", "labels": labels}}
    going = {**pod(), "metadata": {**pod()["metadata"], "deletionTimestamp": "2026-01-01T00:00:09Z"}}
    others = [{**pod(), "metadata": {**pod()["metadata"], **more}} for more in ({"namespace": "other"}, {"labels": {"app": "web"}})]
    found = mesh_of([config, hook, going, *others, pod()], [], namespace=SYSTEM, cacerts=None, known=())
    assert [one.name for one in found.istiods] == [f"Pod {SYSTEM}/istiod-1"]


def test_what_decides_about_a_restart() -> None:
    there = secret(cacert_pem="root")
    assert istiod(pod(), there).plugged and not istiod(pod(), None).plugged
    assert not istiod(pod(start="2025-12-31T23:59:59Z"), there).plugged
    assert not istiod(pod(start="2026-01-01T00:00:00Z"), there).plugged, "of the same second nobody knows which was first"
    assert istiod(pod(), there).version == "1.29.6" and istiod(pod(image="registry:5000/pilot"), there).version == ""
    assert istiod(pod(), there).multiroot is False and istiod(pod(ISTIO_MULTIROOT_MESH="true"), there).multiroot is True
    assert istiod(pod(), there).reloads is None and istiod(pod(AUTO_RELOAD_PLUGIN_CERTS="false"), there).reloads is False
    assert istiod(pod(), there).error == "" and "not ready" in istiod(pod(ready="False"), there).error


def test_everything_at_one_moment() -> None:
    hook = {"caBundle": base64.b64encode(content("root")).decode(), "service": {"name": "istiod", "namespace": SYSTEM}}
    foreign = {"caBundle": hook["caBundle"], "service": {"name": "istiod", "namespace": "elsewhere"}}
    objects: list[dict[str, Any]] = [
        pod(),
        {**pod(), "metadata": {**pod()["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}},
        {**pod(), "metadata": {**pod()["metadata"], "namespace": "elsewhere"}},
        {
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "hook"},
            "webhooks": [{"clientConfig": foreign}, {"clientConfig": hook}],
        },
        {"kind": "ConfigMap", "metadata": {"name": "other", "namespace": SYSTEM}, "data": {}},
    ]
    objects += [
        {
            "kind": "ConfigMap",
            "metadata": {"name": "istio-ca-root-cert", "namespace": name},
            "data": {"root-cert.pem": content(roots).decode()},
        }
        for name, roots in ((SYSTEM, "root+other_root"), ("shop", "root"))
    ]
    cart = {"metadata": {"namespace": "shop", "name": "cart"}}
    live = of_proxy(cart, chain=content("workload+middle"), roots=content("root"))
    mesh = mesh_of(objects, [live], namespace=SYSTEM, cacerts=None, known=read_bundle(content("twin"), "").certificates)
    root, other = print_of("root"), print_of("other_root")
    assert [(one.name, one.roots) for one in mesh.istiods] == [(f"Pod {SYSTEM}/istiod-1", (root, other))]
    assert {place.name: place.roots for place in mesh.places} == {
        "MutatingWebhookConfiguration hook webhooks[1]": (root,),
        f"ConfigMap {SYSTEM}/istio-ca-root-cert": (root, other),
        "ConfigMap shop/istio-ca-root-cert": (root,),
    }
    assert [(one.name, one.anchor, one.roots) for one in mesh.proxies] == [("Pod shop/cart", root, (root,))]
    assert set(mesh.titles) == {root, other, print_of("twin")}
