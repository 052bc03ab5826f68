# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The gateways of a ServiceMeshControlPlane as Deployments that are injected, behind the Services that are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._model.gateway_labels import labels_of_gateway
from .._model.snapshot import Snapshot
from .affinity import affinity
from .convert import Converted, at
from .settings import INJECT, OWNER, OWNER_NAME, REVISION, MigrationSettings, Plane

__all__ = ["MigratedGateway", "gateways_of"]

Obj = dict[str, Any]
SUFFIX = "-injected"
_PORTS = (("status-port", 15021, 15021), ("http2", 80, 8080), ("https", 443, 8443))
_SERVICE = (
    "type",
    "externalTrafficPolicy",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "externalIPs",
    "healthCheckNodePort",
    "externalName",
    "publishNotReadyAddresses",
    "clusterIP",
)


@dataclass(frozen=True)
class MigratedGateway:
    """One gateway. path: where the resource says it; live: its Service as it is, None where the source has none."""

    name: str
    namespace: str
    kind: str
    path: str
    raw: Mapping[str, Any]
    live: Mapping[str, Any] | None = None

    @property
    def deployment(self) -> str:
        """The new one's name; the old one keeps its own for as long as it is there."""
        return self.name + SUFFIX

    @property
    def account(self) -> str:
        """The service account of the operator's gateways: the same name is the same identity, so policies go on to fit."""
        return f"{self.name}-service-account"

    @property
    def labels(self) -> dict[str, str]:
        """What its Service selects, so that old and new pods are behind it together.

        The chart of OpenShift Service Mesh 2 gives every label of the Service to its selector and to the pods: a Gateway may select by any.
        """
        return dict(at(self.live or {}, "spec.selector", {}) or labels_of_gateway(self.name, self.kind, self.raw))


def gateways_of(snapshot: Snapshot, plane: Plane, converted: Converted) -> tuple[MigratedGateway, ...]:
    """All that are on."""
    root = converted.at("gateways", {})
    if root.get("enabled") is False:
        return ()
    found = []
    for kind in ("ingress", "egress"):
        own = root.get(kind) or {}
        if own.get("enabled") is not False:
            found.append((f"istio-{kind}gateway", kind, f"gateways.{kind}", own))
        extra = root.get(f"additional{kind.capitalize()}") or {}
        # without enabled the operator makes nothing of an additional one
        found += [
            (name, kind, f"gateways.additional{kind.capitalize()}.{name}", one)
            for name, one in sorted(extra.items())
            if (one or {}).get("enabled") is True
        ]
    made = []
    for name, kind, path, raw in found:
        namespace = raw.get("namespace") or plane.namespace
        made.append(MigratedGateway(name, namespace, kind, path, raw, snapshot.get("Service", name, namespace)))
    return tuple(made)


def objects_of(gateway: MigratedGateway, plane: Plane, settings: MigrationSettings) -> tuple[list[Obj], list[Obj]]:
    """What is new, and what is taken over from the operator (Service, service account, its right to read certificates)."""
    new: list[Obj] = [_deployment(gateway, settings.label(plane))]
    if at(gateway.raw, "runtime.deployment.autoScaling.enabled"):
        new.append(_autoscaler(gateway))
    if _replicas(gateway) > 1:
        new.append(
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": _meta(gateway, gateway.deployment),
                "spec": {"minAvailable": 1, "selector": {"matchLabels": _pod_labels(gateway)}},
            }
        )
    subject = {"kind": "ServiceAccount", "name": gateway.account, "namespace": gateway.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": f"{gateway.name}-sds"}
    taken: list[Obj] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(gateway, gateway.account)},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": _meta(gateway, f"{gateway.name}-sds"),
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch", "list"]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": _meta(gateway, f"{gateway.name}-sds"),
            "roleRef": role,
            "subjects": [subject],
        },
        _service(gateway),
    ]
    return new, taken


def _meta(gateway: MigratedGateway, name: str, **more: Any) -> Obj:
    return {"name": name, "namespace": gateway.namespace, **more}


def _pod_labels(gateway: MigratedGateway) -> dict[str, str]:
    # one label of its own, so that the two Deployments do not select each other's pods
    return {**gateway.labels, "mesh.meshops.io/gateway": gateway.deployment}


def _replicas(gateway: MigratedGateway) -> int:
    deployment = at(gateway.raw, "runtime.deployment", {})
    if at(deployment, "autoScaling.enabled"):
        return int(at(deployment, "autoScaling.minReplicas", 1))
    return int(deployment.get("replicas") or 1)


def _container(gateway: MigratedGateway) -> Obj:
    env = {str(name): str(value) for name, value in at(gateway.raw, "runtime.container.env", {}).items()}
    if gateway.raw.get("routerMode"):
        env["ISTIO_META_ROUTER_MODE"] = str(gateway.raw["routerMode"])
    if gateway.raw.get("requestedNetworkView"):
        env["ISTIO_META_REQUESTED_NETWORK_VIEW"] = ",".join(gateway.raw["requestedNetworkView"])
    made: Obj = {
        "name": "istio-proxy",
        # filled in by the injection webhook
        "image": "auto",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        },
        "ports": [{"name": "http-envoy-prom", "containerPort": 15090, "protocol": "TCP"}],
    }
    if env:
        made["env"] = [{"name": name, "value": value} for name, value in sorted(env.items())]
    if at(gateway.raw, "runtime.container.resources"):
        made["resources"] = at(gateway.raw, "runtime.container.resources")
    mounts = [one["volumeMount"] for one in gateway.raw.get("volumes") or [] if one.get("volumeMount")]
    if mounts:
        made["volumeMounts"] = mounts
    return made


def _deployment(gateway: MigratedGateway, label: str) -> Obj:
    said = at(gateway.raw, "runtime.pod", {})
    notes = {**at(said, "metadata.annotations", {}), "inject.istio.io/templates": "gateway"}
    labels = {**at(said, "metadata.labels", {}), **_pod_labels(gateway), INJECT: "true", REVISION: label}
    # labels of the operator would make it count the pod as its own
    labels = {key: value for key, value in labels.items() if key not in (OWNER, OWNER_NAME) or key in gateway.labels}
    pod: Obj = {
        "serviceAccountName": gateway.account,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(gateway)],
    }
    pod |= {key: said[key] for key in ("nodeSelector", "tolerations", "priorityClassName") if said.get(key)}
    if said.get("affinity"):
        pod["affinity"] = affinity(said["affinity"])
    volumes = []
    for one in gateway.raw.get("volumes") or []:
        name = (one.get("volumeMount") or {}).get("name")
        if name and one.get("volume"):
            volumes.append({"name": name, **one["volume"]})
    if volumes:
        pod["volumes"] = volumes
    spec: Obj = {
        "selector": {"matchLabels": _pod_labels(gateway)},
        "template": {"metadata": {"labels": labels, "annotations": notes}, "spec": pod},
    }
    if not at(gateway.raw, "runtime.deployment.autoScaling.enabled"):
        spec["replicas"] = _replicas(gateway)
    if at(gateway.raw, "runtime.deployment.strategy"):
        spec["strategy"] = at(gateway.raw, "runtime.deployment.strategy")
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(gateway, gateway.deployment, labels=_pod_labels(gateway)),
        "spec": spec,
    }


def _autoscaler(gateway: MigratedGateway) -> Obj:
    scaling = at(gateway.raw, "runtime.deployment.autoScaling", {})
    target = {"type": "Utilization", "averageUtilization": int(scaling.get("targetCPUUtilizationPercentage") or 80)}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _meta(gateway, gateway.deployment),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": gateway.deployment},
            "minReplicas": int(scaling.get("minReplicas") or 1),
            "maxReplicas": int(scaling.get("maxReplicas") or 5),
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }


def _service(gateway: MigratedGateway) -> Obj:
    live, said = (gateway.live or {}).get("spec") or {}, gateway.raw.get("service") or {}
    spec: Obj = {key: said[key] for key in _SERVICE if said.get(key) is not None}
    spec.setdefault("type", "ClusterIP")
    if said.get("ipFamily"):
        spec["ipFamilies"] = [said["ipFamily"]]
    # the Service keeps what it has: its selector, and every port that somebody may use
    spec["selector"] = gateway.labels
    ports = live.get("ports") or said.get("ports")
    if ports:
        spec["ports"] = [{key: value for key, value in port.items() if value is not None} for port in ports]
    else:
        spec["ports"] = [{"name": name, "port": port, "protocol": "TCP", "targetPort": target} for name, port, target in _PORTS]
    labels = {key: value for key, value in {**gateway.labels, **at(said, "metadata.labels", {})}.items() if key not in (OWNER, OWNER_NAME)}
    more: Obj = {"labels": labels}
    if at(said, "metadata.annotations"):
        more["annotations"] = at(said, "metadata.annotations")
    return {"apiVersion": "v1", "kind": "Service", "metadata": _meta(gateway, gateway.name, **more), "spec": spec}
