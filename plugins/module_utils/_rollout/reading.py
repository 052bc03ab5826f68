# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""From objects of the API to one observation; thin first, so that thousands of whole pods are never in memory together."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .._model.owners import owner_of
from .._model.problem import Problem
from .._model.proxies import PROXY, STATUS
from .._model.readiness import judge
from .._model.revisions import revision_of_pod
from .model import KINDS, RESTARTED, REVISION, Budget, ProxyPod, RestartedWorkload, RolloutObservation, plain_version

__all__ = ["matches", "parse_time", "pod_of", "thin_pod", "thin_workload", "workload_of", "world_of"]

Obj = Mapping[str, Any]
_DOMAIN = "mesh.meshops.io/domain"
_GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
# Words of the kubelet that do not pass by waiting a little.
_TROUBLES = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
)
_KINDS = {"ReplicaSet": "Deployment", "StatefulSet": "StatefulSet", "DaemonSet": "DaemonSet"}


class _Nothing:
    """The readiness of a workload asks for no other object."""

    def get(self, *_args: Any, **_kw: Any) -> None:
        """Nothing."""

    def of(self, *_args: Any, **_kw: Any) -> list[dict[str, Any]]:
        """Nothing."""
        return []


def parse_time(text: str | None) -> datetime | None:
    """A time of Kubernetes or of kubectl's annotation; None for what is none."""
    try:
        found = datetime.fromisoformat(str(text or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def thin_pod(pod: Obj) -> dict[str, Any]:
    """As much of a pod as a rollout asks for."""
    meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    notes = meta.get("annotations") or {}
    keep = {name: meta.get(name) for name in ("name", "namespace", "labels", "creationTimestamp", "deletionTimestamp", "ownerReferences")}
    keep["annotations"] = {name: notes[name] for name in (REVISION, STATUS) if name in notes}
    containers = [
        {"name": one["name"], "image": one.get("image")}
        for part in ("containers", "initContainers")
        for one in spec.get(part) or []
        if one["name"] == PROXY
    ]
    states = [
        {"name": one.get("name"), "waiting": (one.get("state") or {}).get("waiting")}
        for part in ("initContainerStatuses", "containerStatuses")
        for one in status.get(part) or []
        if (one.get("state") or {}).get("waiting")
    ]
    ready = any(row.get("type") == "Ready" and row.get("status") == "True" for row in status.get("conditions") or [])
    scheduled: Obj = next((row for row in status.get("conditions") or [] if row.get("type") == "PodScheduled"), {})
    stuck = scheduled if scheduled.get("status") == "False" else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": keep,
        "proxy": containers,
        "waiting": states,
        "ready": ready,
        "unscheduled": stuck.get("message") or "",
        "phase": status.get("phase") or "",
    }


def thin_workload(obj: Obj) -> dict[str, Any]:
    """As much of a workload as a rollout and the readiness table ask for."""
    meta, spec = obj["metadata"], obj.get("spec") or {}
    keep = {name: meta.get(name) for name in ("name", "namespace", "labels", "generation", "deletionTimestamp")}
    template = {"metadata": (spec.get("template") or {}).get("metadata") or {}}
    part = {name: spec[name] for name in ("replicas", "strategy", "updateStrategy", "paused", "selector") if name in spec}
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "metadata": keep,
        "spec": {**part, "template": template},
        "status": obj.get("status") or {},
    }


def pod_of(pod: Obj, *, bare: bool = False) -> ProxyPod | None:
    """A thin pod with a proxy (bare: or without) that lives; None for others: evicted and finished ones are made again by their owners."""
    meta = pod["metadata"]
    if not (bare or pod["proxy"]) or meta.get("deletionTimestamp") or pod["phase"] in ("Failed", "Succeeded"):
        return None
    troubles = [
        f"container {one['name']}: {one['waiting'].get('reason')}: {one['waiting'].get('message') or 'no message'}"
        for one in pod["waiting"]
        if one["waiting"].get("reason") in _TROUBLES
    ]
    if not troubles and pod["unscheduled"]:
        troubles = [f"it cannot be scheduled: {pod['unscheduled']}"]
    image = str(pod["proxy"][0].get("image") or "") if pod["proxy"] else ""
    tag = "" if "@" in image else image.rpartition("/")[2].partition(":")[2]
    created = parse_time(meta.get("creationTimestamp")) or datetime.fromtimestamp(0, UTC)
    return ProxyPod(
        meta["name"],
        meta["namespace"],
        created,
        plain_version(tag),
        revision_of_pod(pod),
        pod["ready"],
        "; ".join(troubles),
        meta.get("labels") or {},
    )


def _owner(pod: Obj) -> tuple[str, str]:
    """Kind and name of who makes the pod, as far as the pod itself tells it; empty where nobody does."""
    found = owner_of(pod, lambda _group, _kind, _namespace, _name: None)
    return (found.kind, found.name) if found.names else ("", "")


def workload_of(pod: Obj) -> tuple[str, str]:
    """The title of the workload whose restart makes this pod anew, or empty and the reason why there is none."""
    kind, name = _owner(pod)
    if kind in KINDS:
        return f"{kind} {pod['metadata']['namespace']}/{name}", ""
    return "", _why_loose(kind, pod)


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """A label selector of Kubernetes; an empty one takes everything."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for row in selector.get("matchExpressions") or []:
        value, values = labels.get(row["key"]), row.get("values") or []
        fits = {"In": value in values, "NotIn": value not in values, "Exists": value is not None, "DoesNotExist": value is None}
        if not fits.get(row["operator"], False):
            return False
    return True


def _number(value: Any, total: int, *, up: bool) -> int:
    """An IntOrString of a strategy."""
    if isinstance(value, str) and value.endswith("%"):
        part = total * int(value[:-1]) / 100
        return math.ceil(part) if up else math.floor(part)
    return int(value or 0)


def _cost(kind: str, spec: Obj, wanted: int) -> int:
    """How many pods can be away at the same time while it restarts."""
    if kind == "Deployment":
        strategy = spec.get("strategy") or {}
        if strategy.get("type") == "Recreate":
            return wanted
        rolling = strategy.get("rollingUpdate") or {}
        surge = _number(rolling.get("maxSurge", "25%"), wanted, up=True)
        away = _number(rolling.get("maxUnavailable", "25%"), wanted, up=False)
        return min(wanted, max(away, 0 if surge else 1))
    rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    if kind == "DaemonSet" and _number(rolling.get("maxSurge", 0), wanted, up=True):
        return 0
    return min(wanted, max(1, _number(rolling.get("maxUnavailable", 1), wanted, up=True)))


def _obstacle(kind: str, spec: Obj, wanted: int) -> str:
    """Why a new template would not give it new pods."""
    update = (spec.get("updateStrategy") or {}).get("type")
    partition = int(((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition") or 0)
    if spec.get("paused"):
        return "its rollout is paused (spec.paused): resume it"
    if update == "OnDelete":
        return "its updateStrategy is OnDelete: its pods are replaced only when they are deleted"
    if kind == "StatefulSet" and partition > 0 and wanted:
        return f"its updateStrategy has the partition {partition}: pods below it keep their template"
    return ""


def _is_gateway(template: Obj, labels: Mapping[str, str]) -> bool:
    notes = template.get("annotations") or {}
    if "gateway" in str(notes.get("inject.istio.io/templates") or "").split(",") or _GATEWAY_NAME in labels:
        return True
    return str(labels.get("istio") or "").endswith("gateway") or labels.get("maistra.io/gateway") is not None


def _workload(obj: Obj, pods: Sequence[ProxyPod]) -> RestartedWorkload:
    meta, spec, status, kind = obj["metadata"], obj["spec"], obj["status"], obj["kind"]
    template = spec["template"]["metadata"]
    labels, notes = template.get("labels") or {}, template.get("annotations") or {}
    wanted = int(status.get("desiredNumberScheduled") or 0) if kind == "DaemonSet" else int(spec.get("replicas", 1) or 0)
    ready = int(status.get("numberReady" if kind == "DaemonSet" else "readyReplicas") or 0)
    found = judge(obj, _Nothing())
    return RestartedWorkload(
        kind,
        meta["namespace"],
        meta["name"],
        wanted,
        ready,
        _cost(kind, spec, wanted),
        parse_time(notes.get(RESTARTED)),
        _is_gateway(template, labels),
        _obstacle(kind, spec, wanted),
        (found.state, found.message),
        labels,
        str(labels.get(REVISION) or ""),
        tuple(pods),
    )


def _budget(obj: Obj) -> Budget:
    status, meta = obj.get("status") or {}, obj["metadata"]
    expected, least = int(status.get("expectedPods") or 0), int(status.get("desiredHealthy") or 0)
    selector = (obj.get("spec") or {}).get("selector") or {}
    return Budget(meta["namespace"], meta["name"], selector, int(status.get("disruptionsAllowed") or 0), max(0, expected - least))


def _why_loose(kind: str, pod: Obj) -> str:
    if not kind:
        return "no controller would recreate it: delete and recreate it yourself"
    if kind == "Job":
        return "it belongs to a Job: it takes its new proxy with its next run"
    if kind == "Node":
        return "it is a static pod of its node"
    return f"it belongs to a {kind}, which this does not restart: restart that one in its own way"


def world_of(
    workloads: Iterable[Obj],
    pods: Iterable[Obj],
    *,
    budgets: Iterable[Obj] = (),
    namespaces: Iterable[Obj] = (),
    named: Collection[str] = (),
) -> RolloutObservation:
    """From thin pods and workloads. Workloads without any proxy are left out, but for those that are named by their titles."""
    of_owner: dict[str, list[ProxyPod]] = {}
    rows = {f"{obj['kind']} {obj['metadata']['namespace']}/{obj['metadata']['name']}": obj for obj in workloads if obj["kind"] in KINDS}
    loose = []
    for raw in pods:
        if not raw["proxy"] and not named:
            continue
        kind, name = _owner(raw)
        title = f"{kind} {raw['metadata']['namespace']}/{name}"
        pod = pod_of(raw, bare=title in named)
        if pod is None:
            continue
        if title in rows:
            of_owner.setdefault(title, []).append(pod)
        elif kind not in _KINDS.values():
            owner = f" ({kind} {pod.namespace}/{name})" if kind else ""
            loose.append(Problem(f"Pod {pod.namespace}/{pod.name}{owner}", _why_loose(kind, raw)))
    spaces = list(namespaces)
    labels = {one["metadata"]["name"]: one["metadata"].get("labels") or {} for one in spaces}
    found = {title: _workload(obj, of_owner.get(title, ())) for title, obj in rows.items()}
    return RolloutObservation(
        {title: one for title, one in found.items() if one.pods or not one.wanted or title in named},
        tuple(loose),
        tuple(_budget(one) for one in budgets),
        {name: str(own.get(REVISION) or ("default" if own.get("istio-injection") == "enabled" else "")) for name, own in labels.items()},
        frozenset(one["metadata"]["name"] for one in spaces if one["metadata"].get("deletionTimestamp")),
        {name: str(own[_DOMAIN]) for name, own in labels.items() if _DOMAIN in own},
    )
