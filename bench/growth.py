# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh of any number of namespaces, with objects of all kinds, and what its checks cost. Pure: the CPU time of one process."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[1] / "tests" / "unit")]
    import conftest  # noqa: F401 - makes the collection importable

import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import run_checks
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import Options
from ansible_collections.meshops.mesh.plugins.module_utils._commands.authorization_check import run_authorization_checks
from ansible_collections.meshops.mesh.plugins.module_utils._model.intent import Intent
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot

__all__ = ["NOW", "intent_of", "large_mesh", "matrix_of", "parameters", "snapshot_of"]

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
REVISION, VERSION, DOMAIN = "default", "v1.29.4", "cluster.local"
APPS = 5  # workloads of a namespace, of two pods each
_TEAM = 10  # namespaces behind one Gateway
Obj = dict[str, Any]


def _obj(
    api_version: str,
    kind: str,
    name: str,
    namespace: str = "",
    *,
    owner: tuple[str, str] | None = None,
    labels: Obj | None = None,
    annotations: Obj | None = None,
    **body: Any,
) -> Obj:
    uid = f"{kind}-{namespace}-{name}"
    metadata: Obj = {"name": name, "uid": uid, "resourceVersion": "1", "generation": 1, "creationTimestamp": "2026-11-20T10:00:00Z"}
    metadata |= {"namespace": namespace} if namespace else {}
    metadata |= {"labels": labels} if labels else {}
    metadata |= {"annotations": annotations} if annotations else {}
    if owner:
        metadata["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": owner[0], "name": owner[1], "controller": True}]
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def _istio(kind: str, name: str, namespace: str, **spec: Any) -> Obj:
    group = {
        "AuthorizationPolicy": "security",
        "PeerAuthentication": "security",
        "RequestAuthentication": "security",
        "Telemetry": "telemetry",
    }.get(kind, "networking")
    return _obj(f"{group}.istio.io/v1", kind, name, namespace, spec=spec)


def _control_plane() -> list[Obj]:
    ready = [{"type": "Ready", "status": "True", "reason": "Healthy"}, {"type": "Reconciled", "status": "True"}]
    labels = {"app": "istiod", "istio.io/rev": REVISION}
    pod = {"containers": [{"name": "discovery", "image": "r.example.com/pilot:1.29.4"}]}
    mesh = {"trustDomain": DOMAIN, "rootNamespace": "istio-system", "accessLogFile": "/dev/stdout"}
    return [
        _obj("v1", "Namespace", "istio-system"),
        _obj(
            "sailoperator.io/v1",
            "Istio",
            "default",
            spec={"version": VERSION, "namespace": "istio-system", "values": {"meshConfig": mesh}},
            status={"state": "Healthy", "activeRevisionName": REVISION, "observedGeneration": 1, "conditions": ready},
        ),
        _obj(
            "sailoperator.io/v1",
            "IstioRevision",
            REVISION,
            spec={"version": VERSION, "namespace": "istio-system"},
            status={"state": "Healthy", "observedGeneration": 1, "conditions": ready},
        ),
        _obj(
            "apps/v1",
            "Deployment",
            "istiod",
            "istio-system",
            labels=labels,
            spec={"replicas": 2, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
            status={"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2},
        ),
        _obj(
            "v1",
            "Service",
            "istiod",
            "istio-system",
            labels=labels,
            spec={"selector": labels, "ports": [{"name": "grpc-xds", "port": 15010}]},
        ),
        _obj("v1", "ConfigMap", "istio", "istio-system", labels={"istio.io/rev": REVISION}, data={"mesh": yaml.safe_dump(mesh)}),
        *_gateway_workload("istio-system"),
    ]


def _gateway_workload(namespace: str) -> list[Obj]:
    labels = {"istio": "ingress", "app": "ingress"}
    notes = {"inject.istio.io/templates": "gateway", "istio.io/rev": REVISION}
    spec = {"serviceAccountName": "ingress", "containers": [{"name": "istio-proxy", "image": "r.example.com/proxyv2:1.29.4"}]}
    bare = {**spec, "containers": [{"name": "istio-proxy", "image": "auto"}]}
    template = {"metadata": {"labels": labels, "annotations": notes}, "spec": bare}
    running = {"name": "istio-proxy", "ready": True, "restartCount": 0, "state": {"running": {}}}
    return [
        _obj(
            "apps/v1",
            "Deployment",
            "ingress",
            namespace,
            labels=labels,
            spec={"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
            status={"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1},
        ),
        _obj("apps/v1", "ReplicaSet", "ingress-7d9f", namespace, owner=("Deployment", "ingress"), labels=labels, spec={"replicas": 1}),
        _obj(
            "v1",
            "Pod",
            "ingress-7d9f-0",
            namespace,
            owner=("ReplicaSet", "ingress-7d9f"),
            labels=labels,
            annotations=notes,
            spec=spec,
            status={"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [running]},
        ),
        _obj("v1", "Service", "ingress", namespace, labels=labels, spec={"selector": labels, "ports": [{"name": "http2", "port": 80}]}),
        _obj("v1", "ServiceAccount", "ingress", namespace),
    ]


def _pod(namespace: str, app: str, number: int) -> Obj:
    status = {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {"name": name, "ready": True, "restartCount": 0, "state": {"running": {}}} for name in ("main", "istio-proxy")
        ],
    }
    return _obj(
        "v1",
        "Pod",
        f"{app}-7d9f-{number}",
        namespace,
        owner=("ReplicaSet", f"{app}-7d9f"),
        status=status,
        labels={"app": app, "version": "v1", "pod-template-hash": "7d9f", "security.istio.io/tlsMode": "istio"},
        annotations={"istio.io/rev": REVISION, "sidecar.istio.io/status": json.dumps({"revision": REVISION})},
        spec={
            "serviceAccountName": app,
            "nodeName": f"node-{number}",
            "containers": [
                {"name": "main", "image": "r.example.com/app:1", "ports": [{"containerPort": 8080}]},
                {"name": "istio-proxy", "image": "r.example.com/proxyv2:1.29.4"},
            ],
        },
    )


def _workload(namespace: str, app: str, callers: list[str]) -> list[Obj]:
    labels = {"app": app, "version": "v1"}
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "serviceAccountName": app,
            "containers": [{"name": "main", "image": "r.example.com/app:1", "ports": [{"containerPort": 8080}]}],
        },
    }
    selector = {"matchLabels": {"app": app}}
    status = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    principals = [f"{DOMAIN}/ns/{space}/sa/{name}" for space, _slash, name in (caller.partition("/") for caller in callers)]
    rule = {"from": [{"source": {"principals": principals}}], "to": [{"operation": {"methods": ["GET"], "paths": [f"/api/{app}/*"]}}]}
    full = f"{app}.{namespace}.svc.{DOMAIN}"
    return [
        _obj(
            "apps/v1",
            "Deployment",
            app,
            namespace,
            labels=labels,
            status=status,
            spec={"replicas": 2, "selector": selector, "template": template},
        ),
        _obj(
            "apps/v1",
            "ReplicaSet",
            f"{app}-7d9f",
            namespace,
            owner=("Deployment", app),
            labels={"app": app},
            spec={"replicas": 2, "selector": selector, "template": template},
        ),
        *(_pod(namespace, app, number) for number in range(2)),
        _obj(
            "v1",
            "Service",
            app,
            namespace,
            labels={"app": app},
            spec={"selector": {"app": app}, "ports": [{"name": "http", "port": 8080, "targetPort": 8080}]},
        ),
        _obj("v1", "ServiceAccount", app, namespace),
        _obj("policy/v1", "PodDisruptionBudget", app, namespace, spec={"minAvailable": 1, "selector": selector}),
        _istio("AuthorizationPolicy", app, namespace, selector=selector, rules=[rule]),
        _istio(
            "DestinationRule",
            app,
            namespace,
            host=full,
            subsets=[{"name": "v1", "labels": {"version": "v1"}}],
            trafficPolicy={"tls": {"mode": "ISTIO_MUTUAL"}},
        ),
        _istio(
            "VirtualService",
            app,
            namespace,
            hosts=[full],
            http=[
                {"match": [{"uri": {"prefix": "/api"}}], "route": [{"destination": {"host": full, "subset": "v1"}}]},
                {"route": [{"destination": {"host": app, "port": {"number": 8080}}}]},
            ],
        ),
    ]


def name_of(number: int) -> str:
    """Of a namespace."""
    return f"team-{number // _TEAM:03d}-{number % _TEAM}"


def _callers(number: int, app: int, namespaces: int) -> list[str]:
    following = name_of((number + 1) % namespaces)
    return [f"{name_of(number)}/app-{(app + 1) % APPS}", f"{following}/app-{app}"]


def _namespace(number: int, namespaces: int) -> list[Obj]:
    name = name_of(number)
    entry = f"outside-{number}.example.com"
    found = [
        _obj("v1", "Namespace", name, labels={"istio.io/rev": REVISION, "kubernetes.io/metadata.name": name}, status={"phase": "Active"}),
        _obj("v1", "ConfigMap", "istio-ca-root-cert", name, data={}),
        _obj("rbac.authorization.k8s.io/v1", "RoleBinding", "view", name, roleRef={"apiGroup": "rbac.authorization.k8s.io",
             "kind": "ClusterRole", "name": "view"}, subjects=[{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": name}]),
        _istio("PeerAuthentication", "default", name, mtls={"mode": "STRICT"}),
        _istio("PeerAuthentication", "app-0", name, selector={"matchLabels": {"app": "app-0"}}, mtls={"mode": "STRICT"},
               portLevelMtls={"8080": {"mode": "STRICT"}}),
        _istio("AuthorizationPolicy", "allow-nothing", name),
        _istio("Telemetry", "default", name, accessLogging=[{"providers": [{"name": "envoy"}]}]),
        _istio("ServiceEntry", "outside", name, hosts=[entry], location="MESH_EXTERNAL", resolution="DNS",
               ports=[{"number": 443, "name": "tls", "protocol": "TLS"}]),
        _istio("Sidecar", "default", name, egress=[{"hosts": ["./*", "istio-system/*", f"{name_of((number + 1) % namespaces)}/*"]}]),
        _istio("VirtualService", "from-outside", name, hosts=[f"{name}.apps.example.com"],
               gateways=[f"istio-system/team-{number // _TEAM:03d}"],
               http=[{"route": [{"destination": {"host": f"app-0.{name}.svc.{DOMAIN}", "port": {"number": 8080}}}]}]),
        _istio("RequestAuthentication", "token", name, selector={"matchLabels": {"app": "app-1"}},
               jwtRules=[{"issuer": "https://issuer.example.com", "jwks": "{\"keys\": []}"}]),
    ]  # fmt: skip
    if number % _TEAM == 0:
        servers = [
            {
                "port": {"number": 80, "name": "http", "protocol": "HTTP"},
                "hosts": [f"{name_of(one)}.apps.example.com" for one in range(number, min(number + _TEAM, namespaces))],
            }
        ]
        found.append(_istio("Gateway", f"team-{number // _TEAM:03d}", "istio-system", selector={"istio": "ingress"}, servers=servers))
    for app in range(APPS):
        found += _workload(name, f"app-{app}", _callers(number, app, namespaces))
    return found


def _edges(name: str) -> list[Obj]:
    """What a namespace may have of its own: a gateway, a waypoint, hosts with a star, a policy that selects nobody."""
    labels = {"gateway.networking.k8s.io/gateway-name": "waypoint", "gateway.istio.io/managed": "istio.io-mesh-controller"}
    spec = {"serviceAccountName": "waypoint", "containers": [{"name": "istio-proxy", "image": "auto"}]}
    pod = {"metadata": {"labels": labels}, "spec": spec}
    return [
        *_gateway_workload(name),
        _istio(
            "Gateway",
            "own",
            name,
            selector={"istio": "ingress"},
            servers=[{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [f"./{name}.own.example.com"]}],
        ),
        _istio(
            "VirtualService",
            "own",
            name,
            hosts=[f"{name}.own.example.com"],
            gateways=["own"],
            http=[{"corsPolicy": {}, "route": [{"destination": {"host": "app-0", "port": {"number": 8080}}}]}],
        ),
        _istio(
            "ServiceEntry",
            "star",
            name,
            hosts=[f"*.{name}.example.org"],
            location="MESH_EXTERNAL",
            ports=[{"number": 443, "name": "tls", "protocol": "TLS"}],
        ),
        _istio(
            "VirtualService",
            "star",
            name,
            hosts=[f"a.{name}.example.org"],
            tls=[{"match": [{"sniHosts": [f"a.{name}.example.org"]}], "route": [{"destination": {"host": f"a.{name}.example.org"}}]}],
        ),
        _istio("DestinationRule", "star", name, host=f"*.{name}.example.org", trafficPolicy={"tls": {"mode": "SIMPLE"}}),
        _istio("AuthorizationPolicy", "nobody", name, selector={"matchLabels": {"app": f"nobody-{name}"}}),
        _obj("gateway.networking.k8s.io/v1", "Gateway", "waypoint", name, spec={"gatewayClassName": "istio-waypoint"}),
        _obj("apps/v1", "Deployment", "waypoint", name, spec={"selector": {"matchLabels": labels}, "template": pod}),
        _obj("v1", "Service", "behind", name, labels={"istio.io/use-waypoint": "waypoint"}, spec={"ports": [{"name": "http", "port": 80}]}),
        _istio("AuthorizationPolicy", "behind", name, targetRefs=[{"kind": "Service", "group": "", "name": "behind"}], rules=[{}]),
    ]


def large_mesh(namespaces: int, *, edges: bool = False) -> list[Obj]:
    """As a cluster has it: about 61 objects a namespace. `edges`: each has a gateway and a waypoint of its own, and more."""
    more = [obj for number in range(namespaces) for obj in _edges(name_of(number))] if edges else []
    return [*_control_plane(), *(obj for number in range(namespaces) for obj in _namespace(number, namespaces)), *more]


def matrix_of(namespaces: int) -> list[Obj]:
    """The access that its policies allow."""
    return [
        {
            "from": _callers(number, app, namespaces),
            "to": [f"{name_of(number)}/app-{app}"],
            "methods": ["GET"],
            "paths": [f"/api/app-{app}/*"],
        }
        for number in range(namespaces)
        for app in range(APPS)
    ]


def snapshot_of(namespaces: int, source: str = "snapshot", *, edges: bool = False) -> Snapshot:
    """What checks read."""
    return Snapshot("large", NOW, source, "v1.31.0", tuple(large_mesh(namespaces, edges=edges)))


def parameters(namespaces: int) -> Obj:
    """What a module would be told."""
    hosts = [
        {
            "name": f"team-{number:03d}",
            "gateway": "ingress",
            "hosts": [f"team-{number:03d}-0.apps.example.com"],
            "port": 80,
            "protocol": "HTTP",
        }
        for number in range((namespaces + _TEAM - 1) // _TEAM)
    ]
    return {
        "mesh": "large",
        "provider": "sail",
        "control_plane": {"name": "default", "namespace": "istio-system"},
        "members": [name_of(number) for number in range(namespaces)],
        "gateways": hosts,
    }


def intent_of(namespaces: int, access: bool = False) -> Intent:
    """The same for checks."""
    told = parameters(namespaces)
    return Intent(
        mesh=told["mesh"],
        provider=told["provider"],
        control_plane=told["control_plane"],
        members=tuple(told["members"]),
        access=tuple(matrix_of(namespaces)) if access else None,
    )


def _timed(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def measured(path: Path, namespaces: int) -> dict[str, float]:
    """Seconds of CPU of reading a snapshot's file, of check_mesh's checks and of check_access' on it; and MiB."""
    found: list[Snapshot] = []
    reading = _timed(lambda: found.append(Snapshot.load(path)))
    checks = _timed(lambda: run_checks(found[0], intent_of(namespaces), Options(now=NOW)))
    params = {"only": [], "ignore": [], "mesh": "large", "cluster": "large", "access": matrix_of(namespaces)}
    access = _timed(lambda: run_authorization_checks(params, found[0]))
    return {
        "objects": len(found[0].objects),
        "reading": reading,
        "check_mesh": checks,
        "check_access": access,
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--namespaces", type=int, default=100)
    parser.add_argument("--save", type=Path, help="write the snapshot here, and measure nothing")
    parser.add_argument("--snapshot", type=Path, help="measure this one, which --save wrote for as many namespaces")
    options = parser.parse_args()
    if options.save:
        snapshot_of(options.namespaces).save(options.save)
    else:
        sys.stdout.write(json.dumps(measured(options.snapshot, options.namespaces)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
