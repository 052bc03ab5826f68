# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod says about itself: its proxy, the proxy's environment and arguments, ports, workload. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Identity",
    "arguments",
    "capture_arguments",
    "environment",
    "forwarded",
    "held",
    "identity",
    "image_version",
    "ports",
    "proxy_config",
    "proxy_container",
    "served",
]

Obj = dict[str, Any]
PROXY = "istio-proxy"
PROXY_PORTS = (15000, 15004, 15006, 15020, 15021, 15090)
_INITS = ("istio-init", "istio-validation")
# What istio-validation says only because a CNI plugin did the work before it.
_ONLY_VALIDATION = ("--run-validation", "--skip-rule-apply")
# Pods of operators answer no calls; istiod is a process of its own.
_SKIPPED = re.compile(r"kube-.*|openshift-.*|openshift|sail-operator|istio-cni|olm|operators")


@dataclass(frozen=True)
class Identity:
    """Who a workload is in Istio's metrics."""

    workload: str
    namespace: str
    app: str
    version: str
    service: str  # the canonical name
    revision: str
    cluster: str
    account: str


def containers(pod: Obj) -> list[Obj]:
    """Those that run with the pod: a native sidecar is an init container that stays."""
    spec = pod["spec"]
    stay = [one for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always"]
    return [*(spec.get("containers") or []), *stay]


def proxy_container(pod: Obj) -> Obj | None:
    """The container of pilot-agent and Envoy: a sidecar, a gateway by injection, or one that an operator wrote."""
    found = next((one for one in containers(pod) if one["name"] == PROXY), None)
    return found if found is not None and (found.get("args") or [])[:2] != ["proxy", "ztunnel"] else None


def held(pod: Obj) -> bool:
    """Whether KWOK leaves it to us to say that the pod is ready, and to delete it."""
    spec = pod["spec"]
    return any(one["name"] == PROXY for one in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])])


def served(pod: Obj) -> bool:
    """Whether this data plane runs the pod: it has an address of its own and is neither an operator's nor istiod's."""
    labels = pod["metadata"].get("labels") or {}
    status = pod.get("status") or {}
    return (
        status.get("phase") == "Running"
        and bool(status.get("podIP"))
        and not pod["spec"].get("hostNetwork")
        and labels.get("app") != "istiod"
        and not _SKIPPED.fullmatch(pod["metadata"]["namespace"])
    )


def ports(pod: Obj, services: Iterable[Obj] = ()) -> list[int]:
    """The ports on which its applications listen: those that it declares, and those to which Services lead, as declaring is voluntary."""
    found = [
        int(port["containerPort"])
        for one in containers(pod)
        if one["name"] != PROXY
        for port in one.get("ports") or []
        if port.get("protocol", "TCP") == "TCP"
    ]
    own = {int(port["containerPort"]) for one in containers(pod) if one["name"] == PROXY for port in one.get("ports") or []}
    if any(one["name"] != PROXY for one in containers(pod)):
        found += _targets(pod, services)
    return [port for port in dict.fromkeys(found) if port not in own]


def forwarded(pod: Obj, services: Iterable[Obj]) -> list[int]:
    """The ports to which a port-forward may lead."""
    services, proxy = list(services), proxy_container(pod)
    own = [*PROXY_PORTS, *(int(row["containerPort"]) for row in proxy.get("ports") or [])] if proxy is not None else []
    return list(dict.fromkeys([*ports(pod, services), *_targets(pod, services), *own]))


def _targets(pod: Obj, services: Iterable[Obj]) -> list[int]:
    """The ports of a pod to which Services lead."""
    meta, found = pod["metadata"], []
    for service in services:
        selector = service["spec"].get("selector") or {}
        if service["metadata"]["namespace"] == meta["namespace"] and selector and selector.items() <= (meta.get("labels") or {}).items():
            for port in service["spec"].get("ports") or []:
                target = port.get("targetPort", port["port"])
                if port.get("protocol", "TCP") == "TCP" and isinstance(target, int):
                    found.append(target)
    return found


def _field(pod: Obj, path: str) -> str:
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    keyed = re.fullmatch(r"metadata\.(labels|annotations)\['(.*)'\]", path)
    if keyed:
        return str((meta.get(keyed[1]) or {}).get(keyed[2], ""))
    known = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta.get("uid", ""),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName") or "default",
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
        "status.hostIP": status.get("hostIP", ""),
    }
    return str(known.get(path, ""))


def environment(pod: Obj, container: Obj, config_maps: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, str]:
    """A container's variables, with what they refer to; a Secret's are left out, like a ConfigMap's that is not given."""
    made: dict[str, str] = {}
    for row in container.get("env") or []:
        source = row.get("valueFrom") or {}
        if "fieldRef" in source:
            made[row["name"]] = _field(pod, source["fieldRef"]["fieldPath"])
        elif "resourceFieldRef" in source:
            if "cpu" in source["resourceFieldRef"]["resource"]:
                made[row["name"]] = "1"
        elif "configMapKeyRef" in source:
            ref = source["configMapKeyRef"]
            value = ((config_maps or {}).get(ref["name"]) or {}).get(ref["key"])
            if value is not None:
                made[row["name"]] = value
        elif not source:
            made[row["name"]] = _expanded(str(row.get("value", "")), made)
    return made


def _expanded(text: str, known: Mapping[str, str]) -> str:
    """$(NAME) as Kubernetes writes it; what is not known stays."""
    return re.sub(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)", lambda match: known.get(match[1], match[0]), text)


def arguments(pod: Obj, container: Obj, known: Mapping[str, str]) -> list[str]:
    return [_expanded(str(one), known) for one in container.get("args") or []]


def capture_arguments(pod: Obj) -> list[str] | None:
    """What the pod's init container hands to pilot-agent, so that traffic is captured; None for a gateway."""
    found = next((one for one in pod["spec"].get("initContainers") or [] if one["name"] in _INITS), None)
    if found is None:
        return None
    return [str(one) for one in found.get("args") or [] if one not in _ONLY_VALIDATION]


def image_version(image: str) -> str:
    """The version in an image's tag; empty where there is none, or a digest."""
    found = re.search(r":v?(\d+\.\d+\.\d+)[^/@:]*$", image.partition("@")[0])
    return found[1] if found else ""


def proxy_config(env: Mapping[str, str], envoy: str) -> str:
    """PROXY_CONFIG with our Envoy and one worker thread: a bed has many proxies and few cores."""
    config = json.loads(env.get("PROXY_CONFIG") or "{}")
    return json.dumps({**config, "binaryPath": envoy, "concurrency": 1})


def _workload(pod: Obj) -> str:
    """The Deployment's name where a ReplicaSet owns the pod, as istiod finds it."""
    meta = pod["metadata"]
    labels, owner = meta.get("labels") or {}, next(iter(meta.get("ownerReferences") or []), None)
    if owner is None:
        return str(meta["name"])
    name, template = owner["name"], labels.get("pod-template-hash")
    if owner["kind"] == "ReplicaSet" and template and name.endswith(f"-{template}"):
        return str(name[: -len(template) - 1])
    return str(name)


def identity(pod: Obj, cluster: str = "Kubernetes") -> Identity:
    meta = pod["metadata"]
    labels, workload = meta.get("labels") or {}, _workload(pod)
    app = labels.get("app.kubernetes.io/name") or labels.get("app") or workload
    version = labels.get("app.kubernetes.io/version") or labels.get("version") or "latest"
    return Identity(
        workload=workload,
        namespace=meta["namespace"],
        app=labels.get("app") or app,
        version=labels.get("version") or version,
        service=labels.get("service.istio.io/canonical-name") or app,
        revision=labels.get("service.istio.io/canonical-revision") or version,
        cluster=cluster,
        account=pod["spec"].get("serviceAccountName") or "default",
    )
