# SPDX-License-Identifier: GPL-3.0-or-later
"""The travel mesh with a service account for each application, and the access that its organisation means."""

from __future__ import annotations

from typing import Any

__all__ = ["AGENCY", "CONTROL", "DOMAINS", "PORTAL", "ROOT", "intent", "mesh", "workload"]

Obj = dict[str, Any]
AGENCY, PORTAL, CONTROL, ROOT = "prod-travel-agency", "prod-travel-portal", "prod-travel-control", "prod-istio-system"
DOMAINS: list[Obj] = [{"name": "travel-services", "namespaces": [AGENCY]}, {"name": "travel-portal", "namespaces": [PORTAL, CONTROL]}]
SERVICES = ("flights", "hotels", "cars", "insurances")


def workload(namespace: str, name: str, port: int = 8000, word: str = "http", *, account: str = "", labels: Obj | None = None) -> list[Obj]:
    """A Deployment of one version and its Service."""
    own = labels or {"app": name}
    template = {"metadata": {"labels": {**own, "version": "v1"}}, "spec": {"serviceAccountName": account or name, "containers": []}}
    ports = [{"name": word, "port": port, "targetPort": port}]
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": namespace, "name": f"{name}-v1"}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": name}}
    return [{**deployment, "spec": {"template": template}}, {**service, "spec": {"selector": own, "ports": ports}}]


def mesh() -> list[Obj]:
    """Everything but policies."""
    found: list[Obj] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"istio-injection": "enabled"}}}
        for name in (AGENCY, PORTAL, CONTROL, ROOT)
    ]
    found.append(
        {
            "apiVersion": "sailoperator.io/v1",
            "kind": "Istio",
            "metadata": {"name": "production"},
            "spec": {"namespace": ROOT, "version": "v1.27.3"},
        }
    )
    for name in ("travels", *SERVICES, "discounts"):
        found += workload(AGENCY, name)
    found += workload(AGENCY, "mysqldb", 3306, "tcp")
    for name in ("travels", "viaggi", "voyages"):
        found += workload(PORTAL, name)
    found += workload(CONTROL, "control", 8080)
    gateway = {"app": "istio-ingressgateway", "istio": "ingressgateway"}
    found += workload(ROOT, "istio-ingressgateway", 8080, labels=gateway, account="istio-ingressgateway")
    found[-2]["metadata"]["name"] = "istio-ingressgateway"
    found.append(
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "PeerAuthentication",
            "metadata": {"namespace": ROOT, "name": "default", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"mtls": {"mode": "STRICT"}},
        }
    )
    return found


def intent(**changes: Any) -> Obj:
    """Who may call whom, and nobody else."""
    services = [f"{AGENCY}/{name}" for name in SERVICES]
    return {
        "mtls": {"mode": "STRICT"},
        "rules": [
            {"name": "ui", "from": ["anyone"], "to": ["gateway:ingress"]},
            {"name": "console", "from": ["gateway:ingress"], "to": [f"{CONTROL}/control"], "ports": [8080]},
            {"name": "control-portals", "from": [f"{CONTROL}/control"], "to": [f"namespace:{PORTAL}"]},
            {"name": "portals-search", "from": [f"namespace:{PORTAL}"], "to": [f"{AGENCY}/travels"], "methods": ["GET"]},
            {"name": "search", "from": [f"{AGENCY}/travels"], "to": services, "methods": ["GET"]},
            {"name": "discounts", "from": services, "to": [f"{AGENCY}/discounts"]},
            {"name": "database", "from": services, "to": [f"{AGENCY}/mysqldb"], "ports": [3306]},
        ],
        "never": [{"name": "no-portal-at-the-data", "from": ["domain:travel-portal"], "to": [f"{AGENCY}/mysqldb"]}],
        **changes,
    }
