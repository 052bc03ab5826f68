# SPDX-License-Identifier: GPL-3.0-or-later
"""What an istiod does to a pod: whether it injects, and what. No I/O."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any

import yaml

from .charts import IGNORED_NAMESPACES

__all__ = ["Injector", "inject", "json_patch", "wanted"]

Obj = dict[str, Any]
INJECT, TEMPLATES, STATUS = "sidecar.istio.io/inject", "inject.istio.io/templates", "sidecar.istio.io/status"
VOLUMES = (
    "workload-socket",
    "credential-socket",
    "workload-certs",
    "istio-envoy",
    "istio-data",
    "istio-podinfo",
    "istio-token",
    "istiod-ca-cert",
)
NATIVE = "sidecar.istio.io/nativeSidecar"
_ON, _OFF = ("y", "yes", "true", "on"), ("n", "no", "false", "off")


@dataclass(frozen=True)
class Injector:
    """How one istiod injects, from its ConfigMaps."""

    namespace: str
    revision: str
    image: str
    init_image: str
    cni: bool = False
    native: bool = False
    policy: str = "enabled"
    prometheus_merge: bool = True
    trust_domain: str = "cluster.local"
    proxy_metadata: dict[str, str] = field(default_factory=dict)
    resources: Obj = field(default_factory=dict)

    @classmethod
    def parse(cls, namespace: str, config: dict[str, str], mesh: dict[str, str], deployment: Obj) -> Injector:
        """Reads the ConfigMaps' data; a proxy image that is only a name is completed from hub and tag, or from istiod's own image."""
        values, mesh_config = json.loads(config.get("values") or "{}"), yaml.safe_load(mesh.get("mesh") or "") or {}
        overall, pilot = values.get("global") or {}, values.get("pilot") or {}
        proxy = overall.get("proxy") or {}
        own = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        hub, tag = overall.get("hub") or own.rsplit("/", 1)[0], overall.get("tag") or own.rsplit(":", 1)[-1]

        def full(image: str) -> str:
            return image if "/" in image else f"{hub}/{image}:{tag}"

        labels = deployment["metadata"].get("labels") or {}
        image = full(proxy.get("image") or "proxyv2")
        return cls(
            namespace=namespace,
            revision=values.get("revision") or labels.get("istio.io/rev") or "default",
            image=image,
            init_image=full((overall.get("proxy_init") or {}).get("image") or image),
            cni=bool((pilot.get("cni") or {}).get("enabled")),
            native=str((pilot.get("env") or {}).get("ENABLE_NATIVE_SIDECARS")).lower() == "true",
            policy=(yaml.safe_load(config.get("config") or "") or {}).get("policy", "enabled"),
            prometheus_merge=mesh_config.get("enablePrometheusMerge", True),
            trust_domain=mesh_config.get("trustDomain") or "cluster.local",
            proxy_metadata=(mesh_config.get("defaultConfig") or {}).get("proxyMetadata") or {},
            resources=proxy.get("resources") or {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
        )


def wanted(injector: Injector, pod: Obj, namespace: str) -> bool:
    """Host network and system namespaces never; then the label, then the annotation, then the policy."""
    if namespace in IGNORED_NAMESPACES or pod["spec"].get("hostNetwork"):
        return False
    meta = pod["metadata"]
    said = (meta.get("labels") or {}).get(INJECT) or (meta.get("annotations") or {}).get(INJECT) or ""
    if said.lower() in _ON:
        return True
    if said.lower() in _OFF:
        return False
    return injector.policy == "enabled"


def _env(injector: Injector, revision_service: str) -> list[Obj]:
    fields = {
        "POD_NAME": "metadata.name",
        "POD_NAMESPACE": "metadata.namespace",
        "INSTANCE_IP": "status.podIP",
        "SERVICE_ACCOUNT": "spec.serviceAccountName",
        "HOST_IP": "status.hostIP",
    }
    made: list[Obj] = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()]
    plain = {
        "PILOT_CERT_PROVIDER": "istiod",
        "CA_ADDR": f"{revision_service}:15012",
        "ISTIO_META_CLUSTER_ID": "Kubernetes",
        "ISTIO_META_MESH_ID": "cluster.local",
        "TRUST_DOMAIN": injector.trust_domain,
        "ISTIO_META_REVISION": injector.revision,
        **injector.proxy_metadata,
    }
    return made + [{"name": name, "value": value} for name, value in plain.items()]


def _proxy(injector: Injector, pod: Obj, role: str) -> Obj:
    name = "istiod" if injector.revision == "default" else f"istiod-{injector.revision}"
    service = f"{name}.{injector.namespace}.svc"
    mounts = {
        "workload-socket": "/var/run/secrets/workload-spiffe-uds",
        "credential-socket": "/var/run/secrets/credential-uds",
        "workload-certs": "/var/run/secrets/workload-spiffe-credentials",
        "istiod-ca-cert": "/var/run/secrets/istio",
        "istio-data": "/var/lib/istio/data",
        "istio-envoy": "/etc/istio/proxy",
        "istio-token": "/var/run/secrets/tokens",
        "istio-podinfo": "/etc/istio/pod",
    }
    annotations = pod["metadata"].get("annotations") or {}
    made: Obj = {
        "name": "istio-proxy",
        "image": annotations.get("sidecar.istio.io/proxyImage") or injector.image,
        "args": ["proxy", role, "--domain", "$(POD_NAMESPACE).svc.cluster.local"],
        "env": _env(injector, service),
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}],
        "resources": injector.resources,
        "readinessProbe": {
            "httpGet": {"path": "/healthz/ready", "port": 15021},
            "periodSeconds": 15,
            "timeoutSeconds": 3,
            "failureThreshold": 4,
        },
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in mounts.items()],
    }
    if role == "sidecar":
        made["securityContext"] = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsGroup": 1337,
            "runAsNonRoot": True,
            "runAsUser": 1337,
        }
    return made


def _volumes() -> list[Obj]:
    token = {"serviceAccountToken": {"audience": "istio-ca", "expirationSeconds": 43200, "path": "istio-token"}}
    podinfo = {"items": [{"path": name, "fieldRef": {"fieldPath": f"metadata.{name}"}} for name in ("labels", "annotations")]}
    special: Obj = {
        "istio-podinfo": {"downwardAPI": podinfo},
        "istio-token": {"projected": {"sources": [token]}},
        "istiod-ca-cert": {"configMap": {"name": "istio-ca-root-cert"}},
        "istio-envoy": {"emptyDir": {"medium": "Memory"}},
    }
    return [{"name": name, **special.get(name, {"emptyDir": {}})} for name in VOLUMES]


def _init(injector: Injector) -> Obj:
    args = [
        "istio-iptables",
        "-p",
        "15001",
        "-z",
        "15006",
        "-u",
        "1337",
        "-m",
        "REDIRECT",
        "-i",
        "*",
        "-x",
        "",
        "-b",
        "*",
        "-d",
        "15090,15021,15020",
    ]
    if injector.cni:
        return {
            "name": "istio-validation",
            "image": injector.init_image,
            "args": [*args, "--run-validation", "--skip-rule-apply"],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "runAsUser": 1337,
                "runAsNonRoot": True,
            },
        }
    return {
        "name": "istio-init",
        "image": injector.init_image,
        "args": args,
        "securityContext": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]}, "runAsUser": 0, "runAsNonRoot": False},
    }


def _merged(template: Obj, own: Obj | None) -> Obj:
    """The pod's own istio-proxy container over the template's; the image `auto` asks for the template's."""
    if own is None:
        return template
    out = {**template, **{key: value for key, value in own.items() if value}}
    out["image"] = template["image"] if own.get("image") in (None, "", "auto") else own["image"]
    for key in ("env", "volumeMounts", "ports"):
        ours = own.get(key) or []
        names = {item.get("name") or item.get("containerPort") for item in ours}
        out[key] = [item for item in template.get(key) or [] if (item.get("name") or item.get("containerPort")) not in names] + ours
    return out


def _metadata(injector: Injector, pod: Obj, names: list[str], role: str) -> None:
    meta = pod["metadata"]
    labels, annotations = meta.setdefault("labels", {}), meta.setdefault("annotations", {})
    if role == "sidecar":
        labels.setdefault("security.istio.io/tlsMode", "istio")
    owner = next((o["name"] for o in meta.get("ownerReferences") or [] if o.get("controller")), meta.get("name", ""))
    if "pod-template-hash" in labels:
        owner = owner.removesuffix("-" + labels["pod-template-hash"])
    name = labels.get("app.kubernetes.io/name") or labels.get("app") or owner or meta.get("generateName", "pod").rstrip("-")
    labels.setdefault("service.istio.io/canonical-name", name[:63].rstrip("-"))
    labels.setdefault("service.istio.io/canonical-revision", labels.get("app.kubernetes.io/version") or labels.get("version") or "latest")
    annotations["istio.io/rev"] = injector.revision
    if names:
        annotations.setdefault("kubectl.kubernetes.io/default-container", names[0])
        annotations.setdefault("kubectl.kubernetes.io/default-logs-container", names[0])
    if injector.prometheus_merge and annotations.get("prometheus.istio.io/merge-metrics") != "false":
        annotations.update({"prometheus.io/scrape": "true", "prometheus.io/port": "15020", "prometheus.io/path": "/stats/prometheus"})


def inject(injector: Injector, pod: Obj, namespace: str) -> Obj | None:
    """The injected pod; None when it is to be left alone, or was injected before."""
    if not wanted(injector, pod, namespace) or STATUS in (pod["metadata"].get("annotations") or {}):
        return None
    out = copy.deepcopy(pod)
    spec, annotations = out["spec"], out["metadata"].get("annotations") or {}
    role = "router" if "gateway" in annotations.get(TEMPLATES, "").split(",") else "sidecar"
    containers = spec.get("containers") or []
    own = next((c for c in containers if c["name"] == "istio-proxy"), None)
    proxy = _merged(_proxy(injector, pod, role), own)
    others = [c for c in containers if c["name"] != "istio-proxy"]
    native = role == "sidecar" and annotations.get(NATIVE, str(injector.native).lower()) != "false"
    inits = [_init(injector)] if role == "sidecar" else []
    if native:
        inits.append({**proxy, "restartPolicy": "Always"})
        spec["containers"] = others
    else:
        # A gateway's proxy is its only container and stays in its place; a sidecar comes last, as the real one does by default.
        spec["containers"] = [*others, proxy]
    if inits:
        spec["initContainers"] = [*inits, *(spec.get("initContainers") or [])]
    there = {volume["name"] for volume in spec.get("volumes") or []}
    spec["volumes"] = [*(spec.get("volumes") or []), *(v for v in _volumes() if v["name"] not in there)]
    security = spec.setdefault("securityContext", {}) or {}
    if role == "router":
        security.setdefault("sysctls", [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}])
    spec["securityContext"] = security
    _metadata(injector, out, [c["name"] for c in others], role)
    status = {
        "initContainers": [c["name"] for c in inits] or None,
        "containers": None if native else ["istio-proxy"],
        "volumes": list(VOLUMES),
        "imagePullSecrets": None,
        "revision": injector.revision,
    }
    out["metadata"].setdefault("annotations", {})[STATUS] = json.dumps(status, separators=(",", ":"))
    return out


def json_patch(before: Obj, after: Obj) -> list[Obj]:
    """The parts that injection changes, each replaced as a whole (`add` replaces what is there)."""
    patch = [
        {"op": "add", "path": f"/metadata/{part}", "value": after["metadata"][part]}
        for part in ("labels", "annotations")
        if after["metadata"].get(part) != before["metadata"].get(part)
    ]
    return [*patch, {"op": "replace", "path": "/spec", "value": after["spec"]}]
