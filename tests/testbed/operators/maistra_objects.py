# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that the played Maistra operator makes of a control plane."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import yaml

__all__ = [
    "addon_objects",
    "istiod_objects",
    "member_policies",
    "mtls_objects",
    "network_policies",
    "never_ready",
    "replicas_ready",
    "routes",
]

Obj = dict[str, Any]
Part = tuple[str, Obj]  # component, object


def _labels(smcp: Obj, component: str, name: str, **more: str) -> dict[str, str]:
    meta = smcp["metadata"]
    return {
        "app": name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": "maistra-istio-operator",
        "app.kubernetes.io/part-of": "istio",
        "maistra.io/owner": meta["namespace"],
        "maistra.io/owner-name": meta["name"],
        "istio.io/rev": meta["name"],
        **more,
    }


def _meta(smcp: Obj, component: str, name: str, **more: str) -> Obj:
    owner = {
        "apiVersion": smcp["apiVersion"],
        "kind": smcp["kind"],
        "name": smcp["metadata"]["name"],
        "uid": smcp["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "name": name,
        "namespace": smcp["metadata"]["namespace"],
        "labels": _labels(smcp, component, name, **more),
        "ownerReferences": [owner],
    }


def _replicas(runtime: Obj) -> int:
    deployment = runtime.get("deployment") or {}
    scaling = deployment.get("autoScaling") or {}
    if scaling.get("enabled"):
        return int(scaling.get("minReplicas", 1))
    return int(deployment.get("replicas", 1))


def _workload(smcp: Obj, component: str, name: str, ports: dict[str, int], runtime: Obj | None = None, **labels: str) -> list[Part]:
    """A Deployment and its Service; without injection, as these are the mesh's own."""
    runtime = runtime or {}
    selector = {"app": name, "maistra.io/owner-name": smcp["metadata"]["name"], **labels}
    container = (runtime.get("container") or {}).get("resources")
    env = (runtime.get("container") or {}).get("env") or {}
    pod = {**(runtime.get("pod") or {})}
    meta = _meta(smcp, component, name, **labels)
    template = {
        "metadata": {"labels": {**meta["labels"], **selector}, "annotations": {"sidecar.istio.io/inject": "false"}},
        "spec": {
            **({"nodeSelector": pod["nodeSelector"]} if pod.get("nodeSelector") else {}),
            "containers": [
                {
                    "name": "discovery" if component == "istio-discovery" else "istio-proxy",
                    "image": f"registry.example.com/{component}:{smcp['spec'].get('version', 'v2.6')}",
                    "ports": [{"name": n, "containerPort": p} for n, p in ports.items()],
                    **({"env": [{"name": n, "value": str(v)} for n, v in env.items()]} if env else {}),
                    **({"resources": container} if container else {}),
                }
            ],
        },
    }
    return [
        (
            component,
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": meta,
                "spec": {"replicas": _replicas(runtime), "selector": {"matchLabels": selector}, "template": template},
            },
        ),
        (
            component,
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": meta,
                "spec": {"selector": selector, "ports": [{"name": n, "port": p, "targetPort": p} for n, p in ports.items()]},
            },
        ),
    ]


def _component_runtime(smcp: Obj, name: str) -> Obj:
    runtime = smcp["spec"].get("runtime") or {}
    found: Obj = (runtime.get("components") or {}).get(name) or {}
    defaults: Obj = runtime.get("defaults") or {}
    return {**defaults, **found}


def istiod_objects(smcp: Obj, gateways: Iterable[tuple[str, str, Obj]], root: str) -> list[Part]:
    """istiod, its CA and mesh configuration, and the gateways."""
    name = smcp["metadata"]["name"]
    ports = {"grpc-xds": 15010, "https-dns": 15012, "https-webhook": 443, "http-monitoring": 15014}
    parts = _workload(smcp, "istio-discovery", f"istiod-{name}", ports, _component_runtime(smcp, "pilot"), istio="pilot")
    service = parts[1][1]["spec"]
    for port in service["ports"]:
        if port["port"] == 443:
            port["targetPort"] = 15017
    for container in parts[0][1]["spec"]["template"]["spec"]["containers"]:
        container["ports"] = [
            {**p, "containerPort": 15017 if p["containerPort"] == 443 else p["containerPort"]} for p in container["ports"]
        ]
    parts += [
        (
            "istio-discovery",
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": _meta(smcp, "istio-discovery", "istio-ca-root-cert"),
                "data": {"root-cert.pem": root},
            },
        ),
        (
            "mesh-config",
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": _meta(smcp, "mesh-config", f"istio-{name}"),
                "data": {"mesh": _mesh_config(smcp)},
            },
        ),
    ]
    for component, gateway, settings in gateways:
        kind = component.removeprefix("istio-")
        extra = {"status-port": 15021, "http2": 80, "https": 443}
        labels = (settings.get("service") or {}).get("metadata", {}).get("labels") or {}
        parts += _workload(smcp, component, gateway, extra, settings.get("runtime") or {}, istio=labels.get("istio", f"{kind}gateway"))
        for port in parts[-1][1]["spec"]["ports"]:
            port["targetPort"] = {80: 8080, 443: 8443}.get(port["port"], port["port"])  # a proxy that is not root binds no low port
        account = f"{gateway}-service-account"
        _as_router(smcp, parts[-2][1]["spec"]["template"]["spec"], account)
        parts.append((component, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(smcp, component, account)}))
    return parts


def _as_router(smcp: Obj, pod: Obj, account: str) -> None:
    """A gateway's proxy is written by the operator, not injected: it says itself whose it is."""
    meta = smcp["metadata"]
    env = {"CA_ADDR": f"istiod-{meta['name']}.{meta['namespace']}.svc:15012", "TRUST_DOMAIN": _trust_domain(smcp)}
    pod["serviceAccountName"] = account
    for container in pod["containers"]:
        container["args"] = ["proxy", "router", "--domain", "$(POD_NAMESPACE).svc.cluster.local"]
        container["env"] = [*(container.get("env") or []), *({"name": name, "value": value} for name, value in env.items())]


def _policy(name: str, namespace: str, meta: Obj, pods: Obj, ingress: list[Obj]) -> Obj:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {**meta, "name": name, "namespace": namespace},
        "spec": {"podSelector": pods, "ingress": ingress, "policyTypes": ["Ingress"]},
    }


def member_policies(namespace: str, mesh: str, name: str) -> list[Obj]:
    """What the operator keeps in a namespace of the mesh: members may come in, and the router to what is exposed."""
    meta: Obj = {"labels": {"maistra-version": "2.6.0", "app": "istio", "release": "istio", "maistra.io/owner": mesh}}
    inside = [{"from": [{"namespaceSelector": {"matchLabels": {"maistra.io/member-of": mesh}}}]}]
    router = [{"from": [{"namespaceSelector": {"matchLabels": {"network.openshift.io/policy-group": "ingress"}}}]}]
    return [
        _policy(f"istio-mesh-{name}", namespace, meta, {}, inside),
        _policy(f"istio-expose-route-{name}", namespace, meta, {"matchLabels": {"maistra.io/expose-route": "true"}}, router),
    ]


def network_policies(smcp: Obj) -> list[Part]:
    """Those of the control plane's namespace, unless it is told to keep none."""
    if (smcp["spec"].get("security") or {}).get("manageNetworkPolicy") is False:
        return []
    name, namespace = smcp["metadata"]["name"], smcp["metadata"]["namespace"]
    meta = _meta(smcp, "mesh-config", "istio", **{"maistra-version": "2.6.0"})
    made = [
        ("mesh-config", _policy(one["metadata"]["name"], namespace, meta, one["spec"]["podSelector"], one["spec"]["ingress"]))
        for one in member_policies(namespace, namespace, name)
    ]
    istiod = {"matchLabels": {"app": f"istiod-{name}", "istio.io/rev": name}}
    return [*made, ("istio-discovery", _policy(f"istio-istiod-{name}", namespace, meta, istiod, [{}]))]


def _trust_domain(smcp: Obj) -> str:
    return str(((smcp["spec"].get("security") or {}).get("trust") or {}).get("domain", "cluster.local"))


def mtls_objects(smcp: Obj) -> list[Part]:
    """What dataPlane.mtls means: all take mutual TLS only, and all are told to use it, so that no proxy finds out by itself."""
    if not ((smcp["spec"].get("security") or {}).get("dataPlane") or {}).get("mtls"):
        return []
    meta, network = _meta(smcp, "mesh-config", "default"), "networking.istio.io/v1beta1"
    strict = {
        "apiVersion": "security.istio.io/v1beta1",
        "kind": "PeerAuthentication",
        "metadata": meta,
        "spec": {"mtls": {"mode": "STRICT"}},
    }
    rules = [
        {
            "apiVersion": network,
            "kind": "DestinationRule",
            "metadata": _meta(smcp, "mesh-config", name),
            "spec": {"host": host, "trafficPolicy": {"tls": {"mode": mode}}},
        }
        for name, host, mode in (
            ("default", "*.cluster.local", "ISTIO_MUTUAL"),
            ("api-server", "kubernetes.default.svc.cluster.local", "DISABLE"),
        )
    ]
    return [("mesh-config", obj) for obj in (strict, *rules)]


def _mesh_config(smcp: Obj) -> str:
    spec = smcp["spec"]
    log = ((spec.get("proxy") or {}).get("accessLogging") or {}).get("file") or {}
    policy = (((spec.get("proxy") or {}).get("networking") or {}).get("trafficControl") or {}).get("outbound") or {}
    text: str = yaml.safe_dump(
        {
            "accessLogFile": log.get("name", ""),
            "accessLogEncoding": log.get("encoding", "TEXT"),
            "enableAutoMtls": bool(((spec.get("security") or {}).get("dataPlane") or {}).get("automtls", True)),
            "outboundTrafficPolicy": {"mode": policy.get("policy", "ALLOW_ANY")},
            "rootNamespace": smcp["metadata"]["namespace"],
            "trustDomain": _trust_domain(smcp),
        }
    )
    return text


def addon_objects(smcp: Obj) -> list[Part]:
    """Prometheus, Grafana, and the custom resources of Kiali and Jaeger."""
    spec, parts = smcp["spec"], []
    addons = spec.get("addons") or {}

    def on(name: str) -> bool:
        return bool((addons.get(name) or {}).get("enabled", True))

    if on("prometheus"):
        parts += _workload(smcp, "prometheus", "prometheus", {"http-prometheus": 9090})
    if on("grafana"):
        parts += _workload(smcp, "grafana", "grafana", {"http": 3000})
    jaeger = (addons.get("jaeger") or {}).get("name", "jaeger")
    namespace = smcp["metadata"]["namespace"]
    if (spec.get("tracing") or {}).get("type", "Jaeger") == "Jaeger":
        storage = ((addons.get("jaeger") or {}).get("install") or {}).get("storage") or {}
        strategy = "production" if storage.get("type") == "Elasticsearch" else "allInOne"
        parts.append(
            (
                "tracing",
                {
                    "apiVersion": "jaegertracing.io/v1",
                    "kind": "Jaeger",
                    "metadata": _meta(smcp, "tracing", jaeger),
                    "spec": {"strategy": strategy},
                },
            )
        )
    if on("kiali"):
        name = (addons.get("kiali") or {}).get("name", "kiali")
        parts.append(
            (
                "kiali",
                {
                    "apiVersion": "kiali.io/v1alpha1",
                    "kind": "Kiali",
                    "metadata": _meta(smcp, "kiali", name),
                    "spec": {"istio_namespace": namespace, "deployment": {"namespace": namespace}},
                },
            )
        )
    return parts


def routes(smcp: Obj, parts: Iterable[Part]) -> list[Part]:
    """A Route for the ingress gateways, Prometheus and Grafana."""
    if ((smcp["spec"].get("gateways") or {}).get("openshiftRoute") or {}).get("enabled") is False:
        names = {"prometheus", "grafana"}
    else:
        names = {"prometheus", "grafana", "istio-ingress"}
    out: list[Part] = []
    for component, obj in parts:
        if obj["kind"] == "Service" and component in names:
            name = obj["metadata"]["name"]
            served = next(port["name"] for port in obj["spec"]["ports"] if port["name"] != "status-port")
            tls = {} if component == "istio-ingress" else {"tls": {"termination": "reencrypt"}}
            meta = _meta(smcp, component, name)
            out.append(
                (
                    component,
                    {
                        "apiVersion": "route.openshift.io/v1",
                        "kind": "Route",
                        "metadata": meta,
                        "spec": {"to": {"kind": "Service", "name": name, "weight": 100}, "port": {"targetPort": served}, **tls},
                    },
                )
            )
    return out


def never_ready(deployment: Obj) -> Obj:
    changed = copy.deepcopy(deployment)
    changed["spec"]["template"]["spec"]["nodeSelector"] = {"testbed/nowhere": "true"}
    return changed


def replicas_ready(deployment: Obj) -> bool:
    """As the real one: observed, and as many available as wanted; nothing wanted is ready."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return False
    return bool(status.get("updatedReplicas", 0) >= wanted and status.get("availableReplicas", 0) >= wanted)
