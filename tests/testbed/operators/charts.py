# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Sail operator's charts install, as plain objects: istiod of a revision, a revision tag, the CNI node agent, ztunnel."""

from __future__ import annotations

import copy
import json
from typing import Any

import yaml

__all__ = [
    "IGNORED_NAMESPACES",
    "ISTIOD_GATE",
    "cni",
    "deployment_name",
    "injection_webhook_name",
    "istiod",
    "merge",
    "owner",
    "root_config_map",
    "selects",
    "tag",
    "validator",
    "ztunnel",
]

Obj = dict[str, Any]
HUB = "docker.io/istio"
IGNORED_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "local-path-storage")
# A pod with this readiness gate is Ready when the real istiod behind it answers.
ISTIOD_GATE = "testbed.example.com/istiod"
# No node has this label: pods that must never get ready stay Pending for a reason that anybody can see.
NOWHERE = {"testbed.example.com/never-ready": "true"}


def merge(base: Obj, over: Obj) -> Obj:
    """over laid on base, maps merged, everything else replaced (Helm's way)."""
    out = copy.deepcopy(base)
    for key, value in over.items():
        out[key] = merge(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else copy.deepcopy(value)
    return out


def owner(obj: Obj) -> Obj:
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _revision(rev: Obj) -> str:
    return str((rev["spec"].get("values") or {}).get("revision") or "")


def _suffix(rev: Obj) -> str:
    return f"-{_revision(rev)}" if _revision(rev) else ""


def deployment_name(rev: Obj) -> str:
    return "istiod" + _suffix(rev)


def injection_webhook_name(rev: Obj) -> str:
    namespace = rev["spec"]["namespace"]
    return "istio-sidecar-injector" + _suffix(rev) + ("" if namespace == "istio-system" else f"-{namespace}")


def _labels(rev: Obj, **more: str) -> dict[str, str]:
    return {
        "istio.io/rev": _revision(rev) or "default",
        "operator.istio.io/component": "Pilot",
        "release": f"{rev['metadata']['name']}-istiod",
        "app.kubernetes.io/name": "istiod",
        "app.kubernetes.io/part-of": "istio",
        "app.kubernetes.io/managed-by": "sail-operator",
        **more,
    }


def _object(  # noqa: PLR0917
    api_version: str, kind: str, name: str, namespace: str | None, labels: dict[str, str], owned_by: Obj, **body: Any
) -> Obj:
    meta: Obj = {"name": name, "labels": labels, "ownerReferences": [owner(owned_by)]}
    if namespace:
        meta["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **body}


def selects(selector: Obj, labels: dict[str, str]) -> bool:
    """A Kubernetes label selector on labels."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for term in selector.get("matchExpressions") or []:
        key, values = term["key"], term.get("values") or []
        held = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }[term["operator"]]
        if not held:
            return False
    return True


def _mesh_config(rev: Obj) -> Obj:
    spec = rev["spec"]
    values = spec.get("values") or {}
    base = {
        "trustDomain": "cluster.local",
        "rootNamespace": spec["namespace"],
        "defaultProviders": {"metrics": ["prometheus"]},
        "enablePrometheusMerge": True,
        "defaultConfig": {"discoveryAddress": f"{deployment_name(rev)}.{spec['namespace']}.svc:15012"},
    }
    mesh_id = (values.get("global") or {}).get("meshID")
    if mesh_id:
        base["defaultConfig"]["meshId"] = mesh_id
    return merge(base, values.get("meshConfig") or {})


def _injector_values(rev: Obj) -> Obj:
    values = rev["spec"].get("values") or {}
    base = {
        "global": {
            "hub": HUB,
            "tag": rev["spec"]["version"].lstrip("v"),
            "istioNamespace": rev["spec"]["namespace"],
            "proxy": {"image": "proxyv2", "clusterDomain": "cluster.local"},
        },
        "pilot": {"cni": {"enabled": False, "provider": "default"}, "env": {}},
        "revision": _revision(rev),
    }
    return merge(base, {key: values[key] for key in ("global", "pilot", "revision") if values.get(key)})


def _config_maps(rev: Obj) -> list[Obj]:
    namespace, suffix = rev["spec"]["namespace"], _suffix(rev)
    networks = ((rev["spec"].get("values") or {}).get("global") or {}).get("meshNetworks") or {}
    proxy = ((rev["spec"].get("values") or {}).get("global") or {}).get("proxy") or {}
    injection = {
        "policy": proxy.get("autoInject") or "enabled",
        "defaultTemplates": ["sidecar"],
        "alwaysInjectSelector": [],
        "neverInjectSelector": [],
    }
    return [
        _object(
            "v1",
            "ConfigMap",
            "istio" + suffix,
            namespace,
            _labels(rev),
            rev,
            data={"mesh": yaml.safe_dump(_mesh_config(rev)), "meshNetworks": yaml.safe_dump({"networks": networks})},
        ),
        _object(
            "v1",
            "ConfigMap",
            "istio-sidecar-injector" + suffix,
            namespace,
            _labels(rev),
            rev,
            data={"config": yaml.safe_dump(injection), "values": json.dumps(_injector_values(rev), sort_keys=True)},
        ),
    ]


def _deployment(rev: Obj, *, never_ready: bool) -> Obj:
    values = rev["spec"].get("values") or {}
    pilot = values.get("pilot") or {}
    revision, name = _revision(rev), deployment_name(rev)
    select = {"app": "istiod", "istio.io/rev": revision} if revision else {"istio": "pilot"}
    labels = _labels(
        rev,
        app="istiod",
        istio="istiod" if revision else "pilot",
        **{"sidecar.istio.io/inject": "false", "istio.io/dataplane-mode": "none"},
    )
    env = {"REVISION": revision or "default", "PILOT_CERT_PROVIDER": "istiod", **{k: str(v) for k, v in (pilot.get("env") or {}).items()}}
    injected = _injector_values(rev)["global"]
    container: Obj = {
        "name": "discovery",
        "image": f"{injected['hub']}/pilot:{injected['tag']}",
        "args": ["discovery", "--monitoringAddr=:15014"],
        "ports": [{"containerPort": p, "protocol": "TCP"} for p in (8080, 15010, 15012, 15017, 15014)],
        "env": [{"name": k, "value": v} for k, v in sorted(env.items())],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
        "resources": pilot.get("resources") or {"requests": {"cpu": "500m", "memory": "2048Mi"}},
    }
    pod: Obj = {"serviceAccountName": name, "containers": [container], "tolerations": pilot.get("tolerations") or []}
    for key in ("affinity", "topologySpreadConstraints", "nodeSelector"):
        if pilot.get(key):
            pod[key] = pilot[key]
    if never_ready:
        pod["nodeSelector"] = {**pod.get("nodeSelector", {}), **NOWHERE}
    template = {
        "metadata": {
            "labels": {**labels, **(pilot.get("podLabels") or {})},
            "annotations": {
                "prometheus.io/port": "15014",
                "prometheus.io/scrape": "true",
                "sidecar.istio.io/inject": "false",
                **(pilot.get("podAnnotations") or {}),
            },
        },
        "spec": pod,
    }
    spec: Obj = {
        "selector": {"matchLabels": select},
        "template": template,
        "strategy": {
            "rollingUpdate": {"maxSurge": pilot.get("rollingMaxSurge", "100%"), "maxUnavailable": pilot.get("rollingMaxUnavailable", "25%")}
        },
    }
    if not pilot.get("autoscaleEnabled", True):
        spec["replicas"] = pilot.get("replicaCount", 1)
    outer = {k: v for k, v in labels.items() if not k.startswith(("sidecar.", "istio.io/dataplane"))}
    return _object("apps/v1", "Deployment", name, rev["spec"]["namespace"], {**outer, "istio": "pilot"}, rev, spec=spec)


def _service(rev: Obj, name: str, labels: dict[str, str], owned_by: Obj) -> Obj:
    revision = _revision(rev)
    ports = [
        {"port": 15010, "name": "grpc-xds", "protocol": "TCP"},
        {"port": 15012, "name": "https-dns", "protocol": "TCP"},
        {"port": 443, "name": "https-webhook", "targetPort": 15017, "protocol": "TCP"},
        {"port": 15014, "name": "http-monitoring", "protocol": "TCP"},
    ]
    select = {"app": "istiod", **({"istio.io/rev": revision} if revision else {"istio": "pilot"})}
    return _object("v1", "Service", name, rev["spec"]["namespace"], labels, owned_by, spec={"ports": ports, "selector": select})


def _scaling(rev: Obj) -> list[Obj]:
    pilot = (rev["spec"].get("values") or {}).get("pilot") or {}
    defaults = ((rev["spec"].get("values") or {}).get("global") or {}).get("defaultPodDisruptionBudget") or {}
    namespace, name, labels, made = rev["spec"]["namespace"], deployment_name(rev), _labels(rev, app="istiod"), []
    low, high = pilot.get("autoscaleMin", 1), pilot.get("autoscaleMax", 5)
    if pilot.get("autoscaleEnabled", True) and low and high:
        target = (pilot.get("cpu") or {}).get("targetAverageUtilization", 80)
        made.append(
            _object(
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                name,
                namespace,
                labels,
                rev,
                spec={
                    "minReplicas": low,
                    "maxReplicas": high,
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                    "metrics": [
                        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}}}
                    ],
                },
            )
        )
    if defaults.get("enabled", True):
        select = {"app": "istiod", **({"istio.io/rev": _revision(rev)} if _revision(rev) else {"istio": "pilot"})}
        made.append(
            _object(
                "policy/v1",
                "PodDisruptionBudget",
                name,
                namespace,
                labels,
                rev,
                spec={"minAvailable": 1, "selector": {"matchLabels": select}},
            )
        )
    return made


def _expression(key: str, operator: str, *values: str) -> Obj:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def _webhook(prefix: str, rev: Obj, ca_bundle: str, namespaces: list[Obj], objects: list[Obj]) -> Obj:
    hook = (rev["spec"].get("values") or {}).get("sidecarInjectorWebhook") or {}
    return {
        "name": f"{prefix}sidecar-injector.istio.io",
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "admissionReviewVersions": ["v1"],
        "reinvocationPolicy": hook.get("reinvocationPolicy") or "Never",
        "clientConfig": {
            "caBundle": ca_bundle,
            "service": {"name": deployment_name(rev), "namespace": rev["spec"]["namespace"], "path": "/inject", "port": 443},
        },
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "scope": "*"}],
        "namespaceSelector": {"matchExpressions": namespaces},
        "objectSelector": {"matchExpressions": objects},
    }


def _revision_webhooks(label: str, rev: Obj, ca_bundle: str) -> list[Obj]:
    """A namespace names the revision; or no namespace label at all, and the pod names it."""
    allowed = _expression("sidecar.istio.io/inject", "NotIn", "false")
    return [
        _webhook(
            "rev.namespace.",
            rev,
            ca_bundle,
            [_expression("istio.io/rev", "In", label), _expression("istio-injection", "DoesNotExist")],
            [allowed],
        ),
        _webhook(
            "rev.object.",
            rev,
            ca_bundle,
            [_expression("istio.io/rev", "DoesNotExist"), _expression("istio-injection", "DoesNotExist")],
            [allowed, _expression("istio.io/rev", "In", label)],
        ),
    ]


def _default_webhooks(rev: Obj, ca_bundle: str) -> list[Obj]:
    """What only the default revision answers for: istio-injection=enabled, and pods that ask without naming a revision."""
    unlabelled = [_expression("istio-injection", "DoesNotExist"), _expression("istio.io/rev", "DoesNotExist")]
    hooks = [
        _webhook(
            "namespace.",
            rev,
            ca_bundle,
            [_expression("istio-injection", "In", "enabled")],
            [_expression("sidecar.istio.io/inject", "NotIn", "false")],
        ),
        _webhook(
            "object.",
            rev,
            ca_bundle,
            unlabelled,
            [_expression("sidecar.istio.io/inject", "In", "true"), _expression("istio.io/rev", "DoesNotExist")],
        ),
    ]
    if ((rev["spec"].get("values") or {}).get("sidecarInjectorWebhook") or {}).get("enableNamespacesByDefault"):
        hooks.append(
            _webhook(
                "auto.",
                rev,
                ca_bundle,
                [*unlabelled, _expression("kubernetes.io/metadata.name", "NotIn", *IGNORED_NAMESPACES)],
                [_expression("sidecar.istio.io/inject", "DoesNotExist"), _expression("istio.io/rev", "DoesNotExist")],
            )
        )
    return hooks


def _injection(rev: Obj, ca_bundle: str) -> Obj:
    hooks = _revision_webhooks(_revision(rev) or "default", rev, ca_bundle)
    if not _revision(rev):
        hooks += _default_webhooks(rev, ca_bundle)
    return _object(
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        injection_webhook_name(rev),
        None,
        _labels(rev, app="sidecar-injector"),
        rev,
        webhooks=hooks,
    )


def validator(name: str, hook: str, rev: Obj, ca_bundle: str, owned_by: Obj, *, only_labelled: bool) -> Obj:
    """The validation webhook of a revision (only objects that carry its label), or of the default revision (all objects)."""
    groups = ["security.istio.io", "networking.istio.io", "telemetry.istio.io", "extensions.istio.io"]
    labelled = {"matchExpressions": [_expression("istio.io/rev", "In", _revision(rev) or "default")]}
    selector = {"objectSelector": labelled} if only_labelled else {}
    return _object(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        name,
        None,
        _labels(rev, app="istiod", istio="istiod"),
        owned_by,
        webhooks=[
            {
                "name": hook,
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {
                    "caBundle": ca_bundle,
                    "service": {"name": deployment_name(rev), "namespace": rev["spec"]["namespace"], "path": "/validate", "port": 443},
                },
                "rules": [
                    {"operations": ["CREATE", "UPDATE"], "apiGroups": groups, "apiVersions": ["*"], "resources": ["*"], "scope": "*"}
                ],
                **selector,
            }
        ],
    )


def istiod(rev: Obj, ca_bundle: str, *, never_ready: bool = False) -> list[Obj]:
    """Everything of one IstioRevision, in the order in which it is applied."""
    namespace, name = rev["spec"]["namespace"], deployment_name(rev)
    made = [
        _object("v1", "ServiceAccount", name, namespace, _labels(rev, app="istiod"), rev),
        *_config_maps(rev),
        _service(rev, name, _labels(rev, app="istiod", istio="pilot"), rev),
        _deployment(rev, never_ready=never_ready),
        *_scaling(rev),
        _injection(rev, ca_bundle),
        validator(f"istio-validator{_suffix(rev)}-{namespace}", "rev.validation.istio.io", rev, ca_bundle, rev, only_labelled=True),
    ]
    if rev["metadata"]["name"] == "default":
        made.append(validator("istiod-default-validator", "validation.istio.io", rev, ca_bundle, rev, only_labelled=False))
    return made


def tag(tag_obj: Obj, rev: Obj, ca_bundle: str) -> list[Obj]:
    """A revision tag: webhooks of its own that lead to the revision's istiod; the tag `default` validates for all as well."""
    name, namespace = tag_obj["metadata"]["name"], rev["spec"]["namespace"]
    labels = _labels(rev, app="sidecar-injector", **{"istio.io/tag": name})
    hooks = _revision_webhooks(name, rev, ca_bundle) + (_default_webhooks(rev, ca_bundle) if name == "default" else [])
    webhook = f"istio-revision-tag-{name}" + ("" if namespace == "istio-system" else f"-{namespace}")
    made = [
        _service(rev, f"istiod-revision-tag-{name}", {**labels, "app": "istiod", "istio": "pilot"}, tag_obj),
        _object("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", webhook, None, labels, tag_obj, webhooks=hooks),
    ]
    if name == "default":
        made.append(validator("istiod-default-validator", "validation.istio.io", rev, ca_bundle, tag_obj, only_labelled=False))
    return made


def _daemon_set(obj: Obj, name: str, image: str, args: list[str], *, never_ready: bool) -> list[Obj]:
    values = obj["spec"].get("values") or {}
    namespace, labels = (
        obj["spec"]["namespace"],
        {
            "k8s-app": name,
            "app.kubernetes.io/name": name,
            "app.kubernetes.io/part-of": "istio",
            "app.kubernetes.io/managed-by": "sail-operator",
        },
    )
    account = "istio-cni" if name == "istio-cni-node" else name
    overall = values.get("global") or {}
    reference = f"{overall.get('hub') or HUB}/{image}:{overall.get('tag') or obj['spec']['version'].lstrip('v')}"
    pod = {
        "serviceAccountName": account,
        "priorityClassName": "system-node-critical",
        "nodeSelector": {"kubernetes.io/os": "linux", **(NOWHERE if never_ready else {})},
        "tolerations": [{"operator": "Exists", "effect": effect} for effect in ("NoSchedule", "NoExecute")],
        "containers": [{"name": "install-cni" if name == "istio-cni-node" else "istio-proxy", "image": reference, "args": args}],
    }
    template = {
        "metadata": {
            "labels": {**labels, "sidecar.istio.io/inject": "false", "istio.io/dataplane-mode": "none"},
            "annotations": {"sidecar.istio.io/inject": "false", "prometheus.io/scrape": "true"},
        },
        "spec": pod,
    }
    return [
        _object("v1", "ServiceAccount", account, namespace, labels, obj),
        _object(
            "apps/v1",
            "DaemonSet",
            name,
            namespace,
            labels,
            obj,
            spec={
                "selector": {"matchLabels": {"k8s-app": name}},
                "template": template,
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            },
        ),
    ]


def cni(obj: Obj, version: str, *, never_ready: bool = False) -> list[Obj]:
    obj = merge(obj, {"spec": {"version": version}})
    excluded = ((obj["spec"].get("values") or {}).get("cni") or {}).get("excludeNamespaces") or ["kube-system"]
    config = _object(
        "v1",
        "ConfigMap",
        "istio-cni-config",
        obj["spec"]["namespace"],
        {"app.kubernetes.io/name": "istio-cni"},
        obj,
        data={"CURRENT_AGENT_VERSION": version.lstrip("v"), "EXCLUDED_NAMESPACES": ",".join(excluded), "REPAIR_ENABLED": "true"},
    )
    return [config, *_daemon_set(obj, "istio-cni-node", "install-cni", ["--log_output_level=info"], never_ready=never_ready)]


def ztunnel(obj: Obj, version: str, *, never_ready: bool = False) -> list[Obj]:
    return _daemon_set(merge(obj, {"spec": {"version": version}}), "ztunnel", "ztunnel", ["proxy", "ztunnel"], never_ready=never_ready)


def root_config_map(namespace: str, root_pem: str) -> Obj:
    """What istiod puts into each namespace that it discovers."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio-ca-root-cert", "namespace": namespace, "labels": {"istio.io/config": "true"}},
        "data": {"root-cert.pem": root_pem},
    }
