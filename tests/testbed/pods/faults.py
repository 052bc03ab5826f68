# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with pods, as faults.json of the bed says under "pods". No I/O.

    {"errors": {"shop/reviews-v2": {"percent": 30, "status": 503}},       # its application answers so
     "slow": {"shop/reviews-v2": {"percent": 100, "seconds": 2}},
     "loss": [{"percent": 20, "from": "node-1", "to": "shop/reviews-v2"}],  # packets; without from or to: all
     "delay": [{"seconds": 0.1, "from": "node-1", "to": "node-2"}],       # packets arrive so late; of several rows the first counts
     "gone": ["node-2"],                                                  # no packet reaches it, its pods get unready after 40 s
     "unready_after": 40,
     "crashed": ["shop/reviews-v2"],                                      # its proxy is killed, and not started while it stands here
     "apart": true}                                                       # no packet passes between this cluster and the others

A name is namespace/pod, namespace/workload or a node. What stays within a node passes no network, so a row about a node is not about that.
A pod is killed by `kubectl delete`, istiod goes by the faults of `istiod`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .apps import Trouble
from .rules import WIRE
from .spec import identity

__all__ = ["UNREADY_AFTER", "delays", "meant", "network", "node_gone", "trouble"]

Obj = dict[str, Any]
_APART = (("FORWARD", "-i"), ("FORWARD", "-o"), ("OUTPUT", "-o"))
UNREADY_AFTER = 40.0  # seconds until a node that says nothing is taken for lost, Kubernetes' own


def meant(names: Iterable[str], pod: Obj) -> str | None:
    """The entry that means this pod."""
    meta = pod["metadata"]
    known = {f"{meta['namespace']}/{meta['name']}", f"{meta['namespace']}/{identity(pod).workload}", pod["spec"].get("nodeName")}
    return next((name for name in names if name in known), None)


def trouble(faults: Mapping[str, Any], pod: Obj) -> Trouble:
    errors, slow = faults.get("errors") or {}, faults.get("slow") or {}
    failing, late = errors.get(meant(errors, pod) or "") or {}, slow.get(meant(slow, pod) or "") or {}
    return Trouble(
        status=int(failing.get("status", 503)),
        errors=float(failing.get("percent", 100 if failing else 0)),
        seconds=float(late.get("seconds", 1)),
        slow=float(late.get("percent", 100 if late else 0)),
    )


def node_gone(faults: Mapping[str, Any], pod: Obj) -> bool:
    return pod["spec"].get("nodeName") in (faults.get("gone") or [])


def delays(faults: Mapping[str, Any]) -> dict[int, float]:
    """Seconds by the number of the queue in which packets wait."""
    return {number: float(row.get("seconds", 0.1)) for number, row in enumerate(faults.get("delay") or [])}


def network(faults: Mapping[str, Any], pods: Iterable[Obj]) -> list[str]:
    """What befalls packets between pods, as lines of iptables' table filter."""
    known = [pod for pod in pods if (pod.get("status") or {}).get("podIP")]
    lines = [f"-A {chain} {way} {WIRE} -j DROP" for chain, way in _APART] if faults.get("apart") else []
    for name in faults.get("gone") or []:
        for address in _addresses(name, known):
            lines += [f"-A FORWARD -s {address}/32 -j DROP", f"-A FORWARD -d {address}/32 -j DROP"]
    for number, row in enumerate(faults.get("loss") or []):
        share = min(float(row.get("percent", 100)), 100) / 100
        lines += _befalls(f"loss{number}", row, known, f"-m statistic --mode random --probability {share:.6f} -j DROP")
    for number, row in enumerate(faults.get("delay") or []):
        lines += _befalls(f"delay{number}", row, known, f"-j NFQUEUE --queue-num {number} --queue-bypass")
    return lines


def _befalls(chain: str, row: Mapping[str, Any], known: Iterable[Obj], verdict: str) -> list[str]:
    """A chain for the packets that a row is about."""
    nodes = {pod["spec"].get("nodeName") for pod in known}
    source, target = row.get("from"), row.get("to")
    stays = [f"-A {chain} -d {address}/32 -j RETURN" for address in _addresses(source, known) if source in nodes]
    stays += [f"-A {chain} -s {address}/32 -j RETURN" for address in _addresses(target, known) if target in nodes]
    rules = [
        " ".join(part for part in (f"-A {chain}", f"-s {one}/32" if one else "", f"-d {other}/32" if other else "", verdict) if part)
        for one in (_addresses(source, known) if source else [""])
        for other in (_addresses(target, known) if target else [""])
        if not one or one != other
    ]
    return [f":{chain} -", f"-A FORWARD -j {chain}", *stays, *rules] if rules else []


def _addresses(name: str | None, pods: Iterable[Obj]) -> list[str]:
    return [pod["status"]["podIP"] for pod in pods if name is not None and meant([name], pod)]
