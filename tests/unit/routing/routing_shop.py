# SPDX-License-Identifier: GPL-3.0-or-later
"""A small shop as manifests: a gateway, web, pay in two versions, a legacy service, and policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.meshops.mesh.plugins.module_utils._model.intent import Intent
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.mesh_routing import MeshRouting, routing_of

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
INTENT = Intent(control_plane={"name": "default", "namespace": "istio-system"}, provider="ossm3")

_NETWORKING, _SECURITY = "networking.istio.io/v1", "security.istio.io/v1"


def deployment(namespace: str, name: str, app: str, version: str = "v1", **labels: str) -> dict[str, Any]:
    own = {"app": app, "version": version, **labels}
    pod = {
        "metadata": {"labels": own},
        "spec": {"serviceAccountName": app, "containers": [{"name": "app", "image": "app", "ports": [{"containerPort": 8080}]}]},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
            "spec": {"selector": {"matchLabels": own}, "template": pod}}  # fmt: skip


def service(namespace: str, name: str, *ports: str) -> dict[str, Any]:
    rows = []
    for text in ports or ("http:8080",):
        own, _colon, number = text.partition(":")
        rows.append({"name": own, "port": int(number), "targetPort": 8080})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": name}, "ports": rows},
    }


def made(kind: str, namespace: str, name: str, spec: str, version: str = _NETWORKING) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": yaml_load(spec)}


def gateway_deployment() -> dict[str, Any]:
    found = deployment("edge", "ingress", "ingress", istio="ingress")
    found["spec"]["template"]["metadata"]["annotations"] = {"inject.istio.io/templates": "gateway"}
    found["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] = "true"
    found["spec"]["template"]["spec"]["containers"] = [{"name": "istio-proxy", "image": "auto"}]
    return found


def shop() -> list[dict[str, Any]]:
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"istio-injection": "enabled"}}}
        for name in ("shop", "edge", "back")
    ]
    return [
        *namespaces,
        deployment("shop", "web", "web"), service("shop", "web"),
        deployment("shop", "pay-v1", "pay"), deployment("shop", "pay-v2", "pay", "v2"), service("shop", "pay"),
        deployment("back", "legacy", "legacy"), service("back", "legacy"),
        gateway_deployment(), {**service("edge", "ingress", "http:80", "https:443"), "metadata": {"name": "ingress", "namespace": "edge"}},
        made("VirtualService", "shop", "pay", """
            hosts: [pay]
            http:
            - match: [{uri: {prefix: /old}}]
              rewrite: {uri: /}
              route: [{destination: {host: legacy.back.svc.cluster.local}}]
            - route:
              - {destination: {host: pay, subset: v1}, weight: 80}
              - {destination: {host: pay, subset: v2}, weight: 20}
        """),
        made("DestinationRule", "shop", "pay", """
            host: pay
            subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
        """),
        made("Gateway", "edge", "public", """
            selector: {istio: ingress}
            servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["shop/shop.example.com"]}]
        """),
        made("VirtualService", "shop", "public", """
            hosts: [shop.example.com]
            gateways: [edge/public]
            http: [{match: [{uri: {prefix: /pay}}], route: [{destination: {host: pay}}]}, {route: [{destination: {host: web}}]}]
        """),
        made("AuthorizationPolicy", "shop", "no-admin", """
            selector: {matchLabels: {app: web}}
            action: DENY
            rules: [{to: [{operation: {paths: ["/admin*"]}}]}]
        """, _SECURITY),
    ]  # fmt: skip


def routing(objects: Iterable[Mapping[str, Any]]) -> MeshRouting:
    view = View(Snapshot("west", NOW, "manifests", None, tuple(objects)))
    return routing_of(view, INTENT)
