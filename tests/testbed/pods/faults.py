# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with pods, as faults.json of the bed says under "pods". No I/O.

    {"errors": {"shop/reviews-v2": {"percent": 30, "status": 503}},       # its application answers so
     "slow": {"shop/reviews-v2": {"percent": 100, "seconds": 2}},
     "loss": [{"percent": 20, "from": "node-1", "to": "shop/reviews-v2"}],  # packets; without from or to: all
     "gone": ["node-2"],                                                  # no packet reaches it, its pods get unready after 40 s
     "unready_after": 40,
     "crashed": ["shop/reviews-v2"]}                                      # its proxy is killed, and not started while it stands here

A name is namespace/pod, namespace/workload or a node. A pod is killed by `kubectl delete`, istiod goes by the faults of `istiod`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .apps import Trouble
from .spec import identity

__all__ = ["UNREADY_AFTER", "lost", "meant", "node_gone", "trouble"]

Obj = dict[str, Any]
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


def _addresses(name: str | None, pods: Iterable[Obj]) -> list[str]:
    return [pod["status"]["podIP"] for pod in pods if name is not None and meant([name], pod)]


def lost(faults: Mapping[str, Any], pods: Iterable[Obj]) -> list[str]:
    """Conditions of iptables for packets that do not arrive. Traffic within a node passes no network, so it is never lost."""
    known = [pod for pod in pods if (pod.get("status") or {}).get("podIP")]
    rules: list[str] = []
    for row in faults.get("loss") or []:
        chance = f"-m statistic --mode random --probability {min(float(row.get('percent', 100)), 100) / 100:.6f}"
        sources = _addresses(row.get("from"), known) if row.get("from") else [""]
        targets = _addresses(row.get("to"), known) if row.get("to") else [""]
        for source in sources:
            for target in targets:
                if source and source == target:
                    continue
                parts = [f"-s {source}/32" if source else "", f"-d {target}/32" if target else "", chance]
                rules.append(" ".join(part for part in parts if part))
    for name in faults.get("gone") or []:
        for address in _addresses(name, known):
            rules += [f"-s {address}/32", f"-d {address}/32"]
    return rules
