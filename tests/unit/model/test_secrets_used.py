# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Secrets a mesh uses, by name, so that none needs to be listed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model import kinds as k
from ansible_collections.meshops.mesh.plugins.module_utils._model.secrets_used import SOURCES, secrets_used


def thing(api: str, kind: str, home: str, name: str = "x", **more: Any) -> dict[str, Any]:
    labels, deleted = more.pop("labels", {}), more.pop("deleted", None)
    meta = {"name": name, "namespace": home, "labels": labels, **({"deletionTimestamp": deleted} if deleted else {})}
    return {"apiVersion": api, "kind": kind, "metadata": meta, "spec": more}


def gateway(namespace: str, *names: str, selector: dict[str, str] | None = None) -> dict[str, Any]:
    servers = [{"tls": {"mode": "SIMPLE", "credentialName": name}} for name in names]
    return thing(
        "networking.istio.io/v1",
        "Gateway",
        namespace,
        selector={"istio": "ingressgateway"} if selector is None else selector,
        servers=servers,
    )


def pod(namespace: str, **more: Any) -> dict[str, Any]:
    return thing("v1", "Pod", namespace, labels={"istio": "ingressgateway"}, **more)


def both(namespace: str, name: str) -> set[tuple[str, str]]:
    return {(namespace, name), (namespace, f"{name}-cacert")}


def own(namespace: str) -> set[tuple[str, str]]:
    return {(namespace, "cacerts"), (namespace, "istio-ca-secret")}


@pytest.mark.parametrize(
    ("objects", "given", "found"),
    [
        ([], {}, set()),
        ([], {"plane": "mesh"}, own("mesh")),
        ([thing("sailoperator.io/v1", "Istio", "", namespace="prod-istio")], {}, own("prod-istio")),
        ([thing("sailoperator.io/v1", "Istio", "")], {}, own("istio-system")),
        ([thing("maistra.io/v2", "ServiceMeshControlPlane", "smcp")], {}, own("smcp")),
        ([thing("v1", "Pod", "helm", labels={"app": "istiod"})], {}, own("helm")),
        ([thing("sailoperator.io/v1", "Istio", "", namespace="other")], {"plane": "mesh"}, own("mesh")),
        # in the namespace of the pods, not in that of the Gateway
        ([gateway("shop", "tls"), pod("ingress")], {}, both("ingress", "tls")),
        ([gateway("shop", "tls"), pod("a"), pod("b")], {}, both("a", "tls") | both("b", "tls")),
        ([gateway("shop", "tls")], {}, both("shop", "tls")),
        ([gateway("shop", "tls")], {"plane": "mesh", "members": ["shop"]}, own("mesh") | both("mesh", "tls")),
        ([gateway("shop", "tls"), pod("ingress", deleted="2026-01-01T00:00:00Z")], {}, both("shop", "tls")),
        # another mesh with the same labels
        ([gateway("shop", "tls"), pod("theirs"), pod("mesh")], {"plane": "mesh", "members": ["shop"]}, own("mesh") | both("mesh", "tls")),
        ([gateway("theirs", "tls"), pod("theirs")], {"plane": "mesh", "members": ["shop"]}, own("mesh")),
        ([gateway("shop", "tls"), pod("theirs"), pod("shop")], {"members": ["shop"]}, both("shop", "tls")),
        # an empty selector is every gateway: none of the pods is said to be one
        ([gateway("shop", "tls", selector={}), pod("ingress")], {}, both("shop", "tls")),
        ([gateway("shop", "", "kubernetes-gateway://x", "kubernetes://y")], {}, set()),
        (
            [
                thing(
                    "gateway.networking.k8s.io/v1",
                    "Gateway",
                    "shop",
                    listeners=[
                        {
                            "tls": {
                                "certificateRefs": [
                                    {"name": "web"},
                                    {"name": "far", "namespace": "pki"},
                                    {"kind": "ConfigMap", "name": "no"},
                                ]
                            }
                        },
                        {},
                    ],
                )
            ],
            {},
            {("shop", "web"), ("pki", "far")},
        ),
        # wrong types end as nothing
        (
            [
                thing("networking.istio.io/v1", "Gateway", "shop", servers="x"),
                thing("gateway.networking.k8s.io/v1", "Gateway", "s", listeners=1),
                {"apiVersion": 3, "kind": None},
            ],
            {},
            set(),
        ),
    ],
)
def test_the_names(objects: list[dict[str, Any]], given: dict[str, Any], found: set[tuple[str, str]]) -> None:
    assert secrets_used(objects, **given) == found


def test_a_mesh_of_ten_thousand_applications_names_the_same() -> None:
    crowd = [thing("v1", "Secret", f"app-{number}", "password") for number in range(1000)]
    assert secrets_used([*crowd, gateway("shop", "tls"), pod("ingress")]) == both("ingress", "tls")


def test_the_sources_are_kinds_that_exist() -> None:
    assert set(SOURCES) == {tuple(kind) for kind in (k.POD, k.GATEWAY, k.K8S_GATEWAY, k.ISTIO, k.SMCP)}
