# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Whether two control planes fit on the nodes at the same time, and the pod that a rollout adds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._model import kinds as k
from .._model.problem import Problem, skip, warning
from .._model.view import Obj
from .._text import counted
from .journey import UpgradeAssessment

__all__ = ["capacity", "quantity"]

_DECIMAL = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_SUFFIX = _DECIMAL | {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}
_PROXY = {"cpu": 0.1, "memory": 128 * 2.0**20}  # what injection requests where nobody says otherwise
_OVER = ("Succeeded", "Failed")


def quantity(text: Any) -> float:
    """A Kubernetes quantity as a number; 0 for what is none."""
    word = str(text or "0").strip()
    for suffix in sorted(_SUFFIX, key=len, reverse=True):
        if word.endswith(suffix):
            word, factor = word.removesuffix(suffix), _SUFFIX[suffix]
            break
    else:
        factor = 1.0
    try:
        return float(word) * factor
    except ValueError:
        return 0.0


@dataclass
class _Node:
    name: str
    labels: Mapping[str, str]
    taints: tuple[Mapping[str, Any], ...]
    cpu: float
    memory: float
    pods: float

    def takes(self, pod: _Pod) -> bool:
        wanted = all(self.labels.get(key) == value for key, value in pod.selector.items())
        room = pod.cpu <= self.cpu + 1e-9 and pod.memory <= self.memory and self.pods >= 1
        return wanted and room and all(_tolerated(taint, pod.tolerations) for taint in self.taints)

    def put(self, pod: _Pod) -> None:
        self.cpu, self.memory, self.pods = self.cpu - pod.cpu, self.memory - pod.memory, self.pods - 1


@dataclass(frozen=True)
class _Pod:
    cpu: float
    memory: float
    selector: Mapping[str, str]
    tolerations: tuple[Mapping[str, Any], ...]

    @property
    def text(self) -> str:
        return f"{self.cpu:.3g} CPU and {self.memory / 2**20:.0f} Mi"


def _tolerated(taint: Mapping[str, Any], tolerations: Iterable[Mapping[str, Any]]) -> bool:
    if taint.get("effect") not in ("NoSchedule", "NoExecute"):
        return True
    for row in tolerations:
        effect = row.get("effect") in (None, "", taint.get("effect"))
        key = row.get("key") in (None, "") or row.get("key") == taint.get("key")
        value = row.get("operator") == "Exists" or row.get("value", "") == taint.get("value", "")
        if effect and key and value:
            return True
    return False


def _requests(containers: Iterable[Mapping[str, Any]]) -> tuple[float, float]:
    rows = [(one.get("resources") or {}).get("requests") or {} for one in containers]
    return sum(quantity(row.get("cpu")) for row in rows), sum(quantity(row.get("memory")) for row in rows)


def _lasting(containers: Iterable[Mapping[str, Any]], inits: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The containers that stay: native sidecars are init containers."""
    return [*containers, *(one for one in inits if one.get("restartPolicy") == "Always")]


def _of_spec(spec: Mapping[str, Any], *, proxy: bool) -> _Pod:
    containers = _lasting(spec.get("containers") or [], spec.get("initContainers") or [])
    cpu, memory = _requests(containers)
    if proxy and not any(one.get("name") == "istio-proxy" and (one.get("resources") or {}).get("requests") for one in containers):
        cpu, memory = cpu + _PROXY["cpu"], memory + _PROXY["memory"]
    return _Pod(cpu, memory, spec.get("nodeSelector") or {}, tuple(spec.get("tolerations") or ()))


def _nodes(journey: UpgradeAssessment) -> list[_Node] | None:
    """What is free on each node; None where the source does not say what pods request."""
    view = journey.view
    used: dict[str, list[float]] = {}
    told = False
    for pod in view.of(k.POD):
        if pod.at("status", "phase") in _OVER:
            continue
        containers = pod.items("spec", "containers")
        told = told or any("resources" in one for one in containers)
        row = used.setdefault(str(pod.at("spec", "nodeName", default="")), [0.0, 0.0, 0.0])
        cpu, memory = _requests(_lasting(containers, pod.items("spec", "initContainers")))
        row[0], row[1], row[2] = row[0] + cpu, row[1] + memory, row[2] + 1
    if view.of(k.POD) and not told:
        return None
    found = []
    for node in view.of(k.NODE):
        if node.at("spec", "unschedulable", default=False) or not _ready(node):
            continue
        room = node.at("status", "allocatable", default={})
        cpu, memory, pods = used.get(node.name, [0.0, 0.0, 0.0])
        taints = tuple(node.items("spec", "taints"))
        found.append(
            _Node(
                node.name,
                node.labels,
                taints,
                quantity(room.get("cpu")) - cpu,
                quantity(room.get("memory")) - memory,
                quantity(room.get("pods", 110)) - pods,
            )
        )
    return found


def _ready(node: Obj) -> bool:
    condition = node.condition("Ready")
    return condition is None or condition.true


def capacity(journey: UpgradeAssessment) -> Iterator[Problem]:
    """The istiods of the new revision (with InPlace those that a rolling update adds) and the largest pod that a rollout adds must fit
    beside what is there."""
    if not journey.view.of(k.NODE):
        yield skip("the source has no nodes")
        return
    nodes = _nodes(journey)
    if nodes is None:
        yield skip("the source does not say what pods request; take a new snapshot")
        return
    plane = journey.route.plane
    if journey.route.hops and not plane.ossm2:
        yield from _istiods_fit(journey, nodes)
    # One pod more for each workload that is restarted at the same time: the largest ones at worst.
    extra = []
    for row in journey.restarted:
        kind = next((kind for kind in (k.DEPLOYMENT,) if kind.kind == row.owner.kind), None)
        owner = journey.view.get(kind, row.owner.name, row.owner.namespace) if kind is not None and row.strategy != "Recreate" else None
        if owner is not None and row.max_surge not in ("0", "0%") and row.replicas:
            extra.append((_of_spec(owner.at("spec", "template", "spec", default={}), proxy=True), row))
    extra.sort(key=lambda item: (-item[0].cpu, -item[0].memory))
    for pod, row in extra[: journey.terms.concurrency]:
        node = next((node for node in nodes if node.takes(pod)), None)
        if node is None:
            message = f"a restart adds a pod of {pod.text}, and no node has room for it beside the others of a wave"
            yield warning(row.ref, message, "restart fewer workloads at the same time, or free capacity")
            return
        node.put(pod)


def _istiods_fit(journey: UpgradeAssessment, nodes: list[_Node]) -> Iterator[Problem]:
    plane = journey.route.plane
    revision = journey.fleet.revision(plane.active_revision, plane.namespace)
    istiod = journey.view.get(k.DEPLOYMENT, revision.deployment, plane.namespace) if revision and revision.deployment else None
    if istiod is None:
        return
    count = max(1, int(istiod.at("spec", "replicas", default=1)))
    pod = _of_spec(istiod.at("spec", "template", "spec", default={}), proxy=False)
    placed = 0
    for _unused in range(count):
        node = next((node for node in nodes if node.takes(pod)), None)
        if node is None:
            break
        node.put(pod)
        placed += 1
    if placed < count:
        beside = "a second control plane runs beside the first"
        why = beside if journey.route.revision_based else "its rolling update adds as many as there are"
        yield Problem(istiod.ref, f"{why}: {counted(count, 'pod')} of {pod.text} to be added, of which {placed} fit on the nodes")
