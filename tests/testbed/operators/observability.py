# SPDX-License-Identifier: GPL-3.0-or-later
"""The operators of Kiali, Jaeger, Tempo and OpenTelemetry, played: the CRs' statuses as the real ones give them, and the workloads.

Faults, under "observability": delay (seconds per reconciliation), fail ({name: reason}), never_ready ([name]).
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import yaml

from .base import Controller, Key, conditions
from .charts import NOWHERE, merge, owner

__all__ = [
    "CONTROLLERS",
    "CollectorController",
    "JaegerController",
    "KialiController",
    "TempoController",
    "collector_objects",
    "elasticsearch_name",
    "jaeger_objects",
    "kiali_objects",
    "tempo_objects",
]

Obj = dict[str, Any]
KIALI, JAEGER = "kiali.io/v1alpha1", "jaegertracing.io/v1"
KIALI_VERSION, JAEGER_VERSION = "v2.11.0", "1.65.0"
TEMPO, COLLECTOR = "tempo.grafana.com/v1alpha1", "opentelemetry.io/v1beta1"
TEMPO_VERSION, COLLECTOR_VERSION = "2.7.2", "0.127.0"
KIALI_FINALIZER = "kiali.io/finalizer"
ROUTE = "route.openshift.io/v1"


def _object(api_version: str, kind: str, name: str, cr: Obj, **body: Any) -> Obj:
    """An object in the namespace of its CR, owned by it; `labels` and `annotations` may be in body."""
    meta: Obj = {"name": name, "namespace": cr["metadata"]["namespace"], "ownerReferences": [owner(cr)]}
    for key in ("labels", "annotations"):
        if key in body:
            meta[key] = body.pop(key)
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **body}


def _deployment(name: str, cr: Obj, labels: dict[str, str], image: str, **more: Any) -> Obj:
    pod: Obj = {"containers": [{"name": more.get("container") or name, "image": image, "resources": more.get("resources") or {}}]}
    if more.get("account"):
        pod["serviceAccountName"] = more["account"]
    if more.get("never_ready"):
        pod["nodeSelector"] = NOWHERE
    template = {"metadata": {"labels": labels, "annotations": {"sidecar.istio.io/inject": "false"}}, "spec": pod}
    return _object(
        "apps/v1",
        "Deployment",
        name,
        cr,
        labels=labels,
        spec={"replicas": more.get("replicas", 1), "selector": {"matchLabels": labels}, "template": template},
    )


def _service(name: str, cr: Obj, labels: dict[str, str], ports: dict[str, int], **spec: Any) -> Obj:
    listed = [{"name": key, "port": port, "targetPort": port, "protocol": "TCP"} for key, port in ports.items()]
    return _object("v1", "Service", name, cr, labels=labels, spec={"selector": labels, "ports": listed, **spec})


def _route(name: str, cr: Obj, service: str, port: str) -> Obj:
    return _object(
        ROUTE,
        "Route",
        name,
        cr,
        spec={
            "to": {"kind": "Service", "name": service, "weight": 100},
            "port": {"targetPort": port},
            "tls": {"termination": "reencrypt", "insecureEdgeTerminationPolicy": "Redirect"},
        },
    )


def kiali_objects(cr: Obj, *, route: bool, never_ready: bool = False) -> list[Obj]:
    spec = cr.get("spec") or {}
    deployment = spec.get("deployment") or {}
    name = deployment.get("instance_name") or "kiali"
    # Kiali may live elsewhere than its CR; an owner reference does not reach over there.
    space = deployment.get("namespace") or cr["metadata"]["namespace"]
    labels = {"app": "kiali", "app.kubernetes.io/name": "kiali", "app.kubernetes.io/instance": name, "app.kubernetes.io/part-of": "kiali"}
    image = f"{deployment.get('image_name') or 'quay.io/kiali/kiali'}:{deployment.get('image_version') or KIALI_VERSION}"
    config = merge({"istio_namespace": space, "auth": {"strategy": "openshift" if route else "token"}, "server": {"port": 20001}}, spec)
    account = f"{name}-service-account"
    made = [
        _object("v1", "ServiceAccount", account, cr, labels=labels),
        _object("v1", "ConfigMap", name, cr, labels=labels, data={"config.yaml": yaml.safe_dump(config)}),
        _deployment(
            name,
            cr,
            labels,
            image,
            account=account,
            replicas=deployment.get("replicas", 1),
            never_ready=never_ready,
            resources=deployment.get("resources"),
        ),
        _service(name, cr, labels, {"http": 20001, "http-metrics": 9090}),
    ]
    if route:
        made[-1]["metadata"]["annotations"] = {"service.beta.openshift.io/serving-cert-secret-name": f"{name}-cert-secret"}
        made.append(_route(name, cr, name, "http"))
    for obj in made:
        if space != cr["metadata"]["namespace"]:
            obj["metadata"].update(namespace=space, ownerReferences=[])
    return made


def elasticsearch_name(cr: Obj) -> str:
    """Elasticsearch nodes are named after the Jaeger's namespace and name without anything between."""
    return re.sub(r"[^a-z0-9]", "", (cr["metadata"]["namespace"] + cr["metadata"]["name"]).lower())


def _jaeger_labels(cr: Obj, component: str) -> dict[str, str]:
    name = cr["metadata"]["name"]
    return {
        "app": "jaeger",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/managed-by": "jaeger-operator",
        "app.kubernetes.io/name": f"{name}-{component}"[:63],
        "app.kubernetes.io/part-of": "jaeger",
    }


def _elasticsearch(cr: Obj, *, never_ready: bool) -> list[Obj]:
    settings = (cr["spec"].get("storage") or {}).get("elasticsearch") or {}
    made: list[Obj] = []
    size = (settings.get("storage") or {}).get("size")
    for number in range(1, int(settings.get("nodeCount", 3)) + 1):
        name = f"elasticsearch-cdm-{elasticsearch_name(cr)}-{number}"
        labels = {
            "cluster-name": "elasticsearch",
            "component": "elasticsearch",
            "es-node-client": "true",
            "es-node-data": "true",
            "es-node-master": "true",
            "node-name": name[:63],
        }
        made.append(
            _deployment(
                name,
                cr,
                labels,
                "registry.example.com/elasticsearch6:5.8",
                container="elasticsearch",
                resources=settings.get("resources"),
                never_ready=never_ready,
            )
        )
        if size:
            made.append(
                _object(
                    "v1",
                    "PersistentVolumeClaim",
                    f"elasticsearch-{name}",
                    cr,
                    labels={"logging-cluster": "elasticsearch"},
                    spec={
                        "accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": size}},
                        **(
                            {"storageClassName": settings["storage"]["storageClassName"]}
                            if settings["storage"].get("storageClassName")
                            else {}
                        ),
                    },
                )
            )
    made.append(_service("elasticsearch", cr, {"cluster-name": "elasticsearch", "component": "elasticsearch"}, {"elasticsearch": 9200}))
    cleaner = (cr["spec"].get("storage") or {}).get("esIndexCleaner") or {}
    if cleaner.get("enabled", True):
        name, labels = f"{cr['metadata']['name']}-es-index-cleaner", _jaeger_labels(cr, "cronjob-es-index-cleaner")
        container = {
            "name": name[:63],
            "image": f"quay.io/jaegertracing/jaeger-es-index-cleaner:{JAEGER_VERSION}",
            "args": [str(cleaner.get("numberOfDays", 7)), "https://elasticsearch:9200"],
        }
        pod = {"metadata": {"labels": labels}, "spec": {"restartPolicy": "Never", "containers": [container]}}
        made.append(
            _object(
                "batch/v1",
                "CronJob",
                name[:52],
                cr,
                labels=labels,
                spec={
                    "schedule": cleaner.get("schedule", "55 23 * * *"),
                    "concurrencyPolicy": "Forbid",
                    "jobTemplate": {"spec": {"template": pod}},
                },
            )
        )
    return made


def jaeger_objects(cr: Obj, *, route: bool, never_ready: bool = False) -> list[Obj]:
    """Production strategy needs a store that lasts; with memory the operator falls back to all in one, as the real one does."""
    spec, name = cr.get("spec") or {}, cr["metadata"]["name"]
    cr = {**cr, "spec": spec}
    storage = (spec.get("storage") or {}).get("type", "memory").lower()
    production = spec.get("strategy", "allInOne").lower() == "production" and storage not in ("memory", "badger")
    made: list[Obj] = []
    if production and storage == "elasticsearch" and not ((spec["storage"].get("options") or {}).get("es") or {}).get("server-urls"):
        made += _elasticsearch(cr, never_ready=never_ready)
    made.append(_object("v1", "ServiceAccount", name, cr, labels=_jaeger_labels(cr, "service-account")))
    image = "quay.io/jaegertracing/jaeger-"
    if production:
        for part in ("collector", "query"):
            labels, settings = _jaeger_labels(cr, part), spec.get(part) or {}
            made.append(
                _deployment(
                    f"{name}-{part}",
                    cr,
                    labels,
                    f"{image}{part}:{JAEGER_VERSION}",
                    container=f"jaeger-{part}",
                    account=name,
                    replicas=settings.get("replicas", 1),
                    resources=settings.get("resources"),
                    never_ready=never_ready,
                )
            )
    else:
        made.append(
            _deployment(
                name,
                cr,
                _jaeger_labels(cr, "all-in-one"),
                f"{image}all-in-one:{JAEGER_VERSION}",
                container="jaeger",
                account=name,
                resources=(spec.get("allInOne") or {}).get("resources"),
                never_ready=never_ready,
            )
        )
    collector = _jaeger_labels(cr, "collector" if production else "all-in-one")
    query = _jaeger_labels(cr, "query" if production else "all-in-one")
    intake = {
        "http-zipkin": 9411,
        "grpc-jaeger": 14250,
        "http-c-tchan-trft": 14267,
        "http-c-binary-trft": 14268,
        "grpc-otlp": 4317,
        "http-otlp": 4318,
    }
    made += [
        _service(f"{name}-collector", cr, collector, intake),
        _service(f"{name}-collector-headless", cr, collector, intake, clusterIP="None"),
        _service(f"{name}-query", cr, query, {"http-query": 16686, "grpc-query": 16685}),
    ]
    if route and (spec.get("ingress") or {}).get("enabled", True):
        made.append(_route(name, cr, f"{name}-query", "http-query"))
    return made


# --- Tempo ------------------------------------------------------------------------------------------------------------------------

INTAKE = {"otlp-grpc": 4317, "otlp-http": 4318}
# The parts of a TempoStack: whether it keeps something, and the ports of its Service.
STACK: dict[str, tuple[bool, dict[str, int]]] = {
    "compactor": (False, {"http": 3200}),
    "distributor": (False, {"http": 3200, **INTAKE}),
    "ingester": (True, {"http": 3200, "grpc": 9095}),
    "querier": (False, {"http": 3200, "grpc": 9095}),
    "query-frontend": (False, {"http": 3200, "grpc": 9095, "jaeger-grpc": 16685, "jaeger-ui": 16686}),
}


def _tempo_labels(cr: Obj, component: str, name: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/instance": cr["metadata"]["name"],
        "app.kubernetes.io/managed-by": "tempo-operator",
        "app.kubernetes.io/name": name,
    }


def _stateful(name: str, cr: Obj, labels: dict[str, str], *, size: str, storage_class: str = "", **more: Any) -> Obj:
    """A StatefulSet of one pod; size: of its volume, none where it is empty."""
    made = _deployment(name, cr, labels, f"docker.io/grafana/tempo:{TEMPO_VERSION}", container="tempo", **more)
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            **({"storageClassName": storage_class} if storage_class else {}),
        },
    }
    made["kind"] = "StatefulSet"
    made["spec"] = {**made["spec"], "serviceName": "", **({"volumeClaimTemplates": [claim]} if size else {})}
    return made


def tempo_objects(cr: Obj, *, route: bool, never_ready: bool = False) -> list[Obj]:
    """Of a TempoMonolithic one pod with all in it, of a TempoStack a workload for each part."""
    return (_stack if cr["kind"] == "TempoStack" else _monolithic)(cr, route=route, never_ready=never_ready)


def _monolithic(cr: Obj, *, route: bool, never_ready: bool) -> list[Obj]:
    spec, name = cr.get("spec") or {}, f"tempo-{cr['metadata']['name']}"
    traces = (spec.get("storage") or {}).get("traces") or {}
    labels = _tempo_labels(cr, "tempo", "tempo-monolithic")
    size = str(traces.get("size") or "10Gi") if traces.get("backend", "memory") == "pv" else ""
    settings: Obj = {"server": {"http_listen_port": 3200}, **((spec.get("extraConfig") or {}).get("tempo") or {})}
    made = [
        _object("v1", "ServiceAccount", name, cr, labels=labels),
        _object("v1", "ConfigMap", f"{name}-config", cr, labels=labels, data={"tempo.yaml": yaml.safe_dump(settings)}),
        _stateful(
            name,
            cr,
            labels,
            size=size,
            storage_class=str(traces.get("storageClassName") or ""),
            account=name,
            resources=spec.get("resources"),
            never_ready=never_ready,
        ),
        _service(name, cr, labels, {"http": 3200, **INTAKE}),
    ]
    console = spec.get("jaegerui") or {}
    if console.get("enabled"):
        made.append(_service(f"{name}-jaegerui", cr, labels, {"jaeger-grpc": 16685, "jaeger-ui": 16686, "jaeger-metrics": 16687}))
        if route and (console.get("route") or {}).get("enabled"):
            made.append(_route(f"{name}-jaegerui", cr, f"{name}-jaegerui", "jaeger-ui"))
    return made


def _stack(cr: Obj, *, route: bool, never_ready: bool) -> list[Obj]:
    spec, name = cr.get("spec") or {}, f"tempo-{cr['metadata']['name']}"
    made: list[Obj] = [_object("v1", "ServiceAccount", name, cr, labels=_tempo_labels(cr, "config", "tempo"))]
    for part, (keeps, ports) in STACK.items():
        labels = _tempo_labels(cr, part, "tempo")
        if keeps:
            made.append(
                _stateful(
                    f"{name}-{part}",
                    cr,
                    labels,
                    size=str(spec.get("storageSize") or "10Gi"),
                    account=name,
                    storage_class=str(spec.get("storageClassName") or ""),
                    never_ready=never_ready,
                )
            )
        else:
            made.append(
                _deployment(
                    f"{name}-{part}",
                    cr,
                    labels,
                    f"docker.io/grafana/tempo:{TEMPO_VERSION}",
                    container="tempo",
                    account=name,
                    never_ready=never_ready,
                )
            )
        made.append(_service(f"{name}-{part}", cr, labels, ports))
    console = ((spec.get("template") or {}).get("queryFrontend") or {}).get("jaegerQuery") or {}
    if route and console.get("enabled") and (console.get("ingress") or {}).get("type") == "route":
        made.append(_route(f"{name}-query-frontend", cr, f"{name}-query-frontend", "jaeger-ui"))
    return made


def tempo_conditions(old: list[Obj], kind: str, reason: str, message: str) -> list[Obj]:
    """One of them is True; the others are there, False, only where they were True once."""
    seen = [c["type"] for c in old if c["type"] != kind]
    rest = [
        {
            "type": other,
            "status": "False",
            "reason": next(c["reason"] for c in old if c["type"] == other),
            "message": next(c.get("message", "") for c in old if c["type"] == other),
        }
        for other in seen
    ]
    return conditions(old, {"type": kind, "status": "True", "reason": reason, "message": message}, *rest)


# --- OpenTelemetry ----------------------------------------------------------------------------------------------------------------


def collector_objects(cr: Obj, *, route: bool, never_ready: bool = False) -> list[Obj]:
    """The Deployment of a collector; its Service has a port for each receiver of its configuration."""
    spec, meta = cr.get("spec") or {}, cr["metadata"]
    name, config = f"{meta['name']}-collector", spec.get("config") or {}
    labels = {
        "app.kubernetes.io/component": "opentelemetry-collector",
        "app.kubernetes.io/instance": f"{meta['namespace']}.{meta['name']}",
        "app.kubernetes.io/managed-by": "opentelemetry-operator",
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/part-of": "opentelemetry",
    }
    protocols = ((config.get("receivers") or {}).get("otlp") or {}).get("protocols") or {}
    ports = {
        f"otlp-{kind}": int(str((row or {}).get("endpoint") or INTAKE[f"otlp-{kind}"]).rpartition(":")[2])
        for kind, row in protocols.items()
        if f"otlp-{kind}" in INTAKE
    }
    return [
        _object("v1", "ServiceAccount", name, cr, labels=labels),
        _object("v1", "ConfigMap", name, cr, labels=labels, data={"collector.yaml": yaml.safe_dump(config)}),
        _deployment(
            name,
            cr,
            labels,
            f"ghcr.io/open-telemetry/opentelemetry-collector:{COLLECTOR_VERSION}",
            container="otc-container",
            account=name,
            replicas=spec.get("replicas", 1),
            resources=spec.get("resources"),
            never_ready=never_ready,
        ),
        *([_service(name, cr, labels, ports), _service(f"{name}-headless", cr, labels, ports, clusterIP="None")] if ports else []),
        _service(f"{name}-monitoring", cr, labels, {"monitoring": 8888}),
    ]


class _Tool(Controller):
    """What both have in common: apply the objects, mind the faults."""

    name = "observability"
    workers = 4

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._finished: dict[Key, tuple[str, int, str]] = {}

    async def _carry_out(self, cr: Obj, render: Any) -> str:
        """Applies what render gives; the reason why not, when a fault says so."""
        await asyncio.sleep(float(self.faults.get("delay") or 0))
        reason = (self.faults.get("fail") or {}).get(cr["metadata"]["name"])
        if reason:
            return str(reason)
        stuck = cr["metadata"]["name"] in (self.faults.get("never_ready") or ())
        for obj in render(cr, route=await self.kube.serves(ROUTE, "Route"), never_ready=stuck):
            await self.kube.apply(obj)
        return ""


class KialiController(_Tool):
    """Conditions are those of the Ansible operator that the real one is: Running while a playbook runs, then Successful or Failure."""

    kinds = ((KIALI, "Kiali"),)

    async def reconcile(self, key: Key) -> float | None:
        cr = await self.kube.get(KIALI, "Kiali", key[2], key[1])
        if cr is None:
            return None
        cr = {"apiVersion": KIALI, "kind": "Kiali", **cr}
        finalizers = cr["metadata"].get("finalizers") or []
        if cr["metadata"].get("deletionTimestamp"):
            await self._finalize(cr, finalizers)
            return None
        if KIALI_FINALIZER not in finalizers:
            await self.kube.patch(cr, {"metadata": {"finalizers": [*finalizers, KIALI_FINALIZER]}})
            return None
        ident = (cr["metadata"]["uid"], cr["metadata"]["generation"], repr(self.faults))
        if self._finished.get(key) == ident:
            return None
        await self._status(
            cr,
            {"type": "Running", "status": "True", "reason": "Running", "message": "Running reconciliation"},
            {"type": "Successful", "status": "False", "reason": "", "message": ""},
            {"type": "Failure", "status": "False", "reason": "", "message": ""},
        )
        failed = await self._carry_out(cr, kiali_objects)
        self._finished[key] = ident
        if failed:
            await self._status(
                cr,
                {"type": "Running", "status": "False", "reason": "Failed", "message": "Running reconciliation"},
                {"type": "Failure", "status": "True", "reason": "Failed", "message": failed},
                {"type": "Successful", "status": "False", "reason": "", "message": ""},
            )
            return None
        await self._status(
            cr,
            {"type": "Running", "status": "True", "reason": "Successful", "message": "Awaiting next reconciliation"},
            {"type": "Successful", "status": "True", "reason": "Successful", "message": "Last reconciliation succeeded"},
            {"type": "Failure", "status": "False", "reason": "", "message": ""},
        )
        return None

    async def _finalize(self, cr: Obj, finalizers: list[str]) -> None:
        if KIALI_FINALIZER in finalizers:
            for obj in kiali_objects(cr, route=await self.kube.serves(ROUTE, "Route")):
                await self.kube.delete(obj)
            await self.kube.patch(cr, {"metadata": {"finalizers": [f for f in finalizers if f != KIALI_FINALIZER]}})

    async def _status(self, cr: Obj, *wanted: Obj) -> None:
        now_there = await self.kube.get(KIALI, "Kiali", cr["metadata"]["name"], cr["metadata"]["namespace"])
        if now_there is None:
            return
        deployment = (cr.get("spec") or {}).get("deployment") or {}
        openshift = await self.kube.serves(ROUTE, "Route")
        old = (now_there.get("status") or {}).get("conditions") or []
        done = any(w["type"] == "Successful" and w["status"] == "True" for w in wanted)
        status = {
            "conditions": conditions(old, *wanted),
            "specVersion": (cr.get("spec") or {}).get("version") or "default",
            "deployment": {
                "instanceName": deployment.get("instance_name") or "kiali",
                "namespace": deployment.get("namespace") or cr["metadata"]["namespace"],
            },
            "environment": {"isKubernetes": not openshift, "isOpenShift": openshift, "operatorVersion": KIALI_VERSION},
            "progress": {"message": "7. Finished all resource creation" if done else "1. Setting up", "duration": "0:00:01"},
        }
        await self.kube.patch(cr, {"status": status}, sub="status")


class JaegerController(_Tool):
    """status.phase, and nothing about pods: Running says that the objects were applied."""

    kinds = ((JAEGER, "Jaeger"),)

    async def reconcile(self, key: Key) -> float | None:
        cr = await self.kube.get(JAEGER, "Jaeger", key[2], key[1])
        if cr is None or cr["metadata"].get("deletionTimestamp"):
            return None
        cr = {"apiVersion": JAEGER, "kind": "Jaeger", **cr}
        ident = (cr["metadata"]["uid"], cr["metadata"]["generation"], repr(self.faults))
        if self._finished.get(key) == ident:
            return None
        failed = await self._carry_out(cr, jaeger_objects)
        self._finished[key] = ident
        phase = "Failed" if failed else "Running"
        if (cr.get("status") or {}).get("phase") != phase:
            await self.kube.patch(cr, {"status": {"phase": phase, "version": JAEGER_VERSION}}, sub="status")
        return None


class TempoController(_Tool):
    """Looks at the pods of all its parts before it says Ready, and says ConfigurationError where it makes none."""

    kinds = ((TEMPO, "TempoMonolithic"), (TEMPO, "TempoStack"))

    async def reconcile(self, key: Key) -> float | None:
        kind, namespace, name = key
        cr = await self.kube.get(TEMPO, kind, name, namespace)
        if cr is None or cr["metadata"].get("deletionTimestamp"):
            return None
        cr = {"apiVersion": TEMPO, "kind": kind, **cr}
        wrong = await self._wrong(cr)
        if wrong:
            await self._say(cr, "ConfigurationError", "InvalidStorageConfig", wrong)
            return 2.0
        ident = (cr["metadata"]["uid"], cr["metadata"]["generation"], repr(self.faults))
        if self._finished.get(key) != ident:
            failed = await self._carry_out(cr, tempo_objects)
            if failed:
                await self._say(cr, "Failed", "FailedReconciliation", failed)
                return None
            self._finished[key] = ident
        if await self._running(cr):
            await self._say(cr, "Ready", "Ready", "All components are operational")
            return None
        await self._say(cr, "Pending", "PendingComponents", "Some Tempo components are pending on dependencies")
        return 0.5

    async def _wrong(self, cr: Obj) -> str:
        secret = ((cr["spec"].get("storage") or {}).get("secret") or {}).get("name") if cr["kind"] == "TempoStack" else ""
        if secret and await self.kube.get("v1", "Secret", secret, cr["metadata"]["namespace"]) is None:
            return f'could not fetch Secret: Secret "{secret}" not found'
        return ""

    async def _running(self, cr: Obj) -> bool:
        namespace, chosen = cr["metadata"]["namespace"], f"app.kubernetes.io/instance={cr['metadata']['name']}"
        labels = f"app.kubernetes.io/managed-by=tempo-operator,{chosen}"
        rows = [
            row for kind in ("StatefulSet", "Deployment") for row in await self.kube.list("apps/v1", kind, namespace, labelSelector=labels)
        ]
        return bool(rows) and all((row.get("status") or {}).get("readyReplicas", 0) >= row["spec"].get("replicas", 1) for row in rows)

    async def _say(self, cr: Obj, kind: str, reason: str, message: str) -> None:
        old = (cr.get("status") or {}).get("conditions") or []
        new = tempo_conditions(old, kind, reason, message)
        if new != old:
            status = {"conditions": new, "tempoVersion": TEMPO_VERSION, "operatorVersion": "v0.16.0"}
            await self.kube.patch(cr, {"status": status}, sub="status")


class CollectorController(_Tool):
    """Counts replicas, and says nothing of whether they run."""

    kinds = ((COLLECTOR, "OpenTelemetryCollector"),)

    async def reconcile(self, key: Key) -> float | None:
        cr = await self.kube.get(COLLECTOR, "OpenTelemetryCollector", key[2], key[1])
        if cr is None or cr["metadata"].get("deletionTimestamp"):
            return None
        cr = {"apiVersion": COLLECTOR, "kind": "OpenTelemetryCollector", **cr}
        ident = (cr["metadata"]["uid"], cr["metadata"]["generation"], repr(self.faults))
        if self._finished.get(key) != ident:
            if await self._carry_out(cr, collector_objects):
                return None
            self._finished[key] = ident
        found = await self.kube.get("apps/v1", "Deployment", f"{key[2]}-collector", key[1]) or {"spec": {}, "status": {}}
        wanted, ready = found["spec"].get("replicas", 1), (found.get("status") or {}).get("readyReplicas", 0)
        scale = {"replicas": wanted, "statusReplicas": f"{ready}/{wanted}"}
        if (cr.get("status") or {}).get("scale") != scale:
            await self.kube.patch(cr, {"status": {"scale": scale, "version": COLLECTOR_VERSION}}, sub="status")
        return None if ready >= wanted else 0.5


CONTROLLERS: list[type[Controller]] = [KialiController, JaegerController, TempoController, CollectorController]
