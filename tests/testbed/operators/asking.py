# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks for a real Envoy: the label of the pod, or of its namespace. Envoys fills it, the injector reads it."""

from __future__ import annotations

from typing import Any

__all__ = ["ASK", "asking", "gated"]

Obj = dict[str, Any]
ASK = "testbed.example.com/envoy"
_ASKING: dict[str, set[str]] = {}


def asking(bed: Obj) -> set[str]:
    """The namespaces of the bed that ask, shared by all controllers of this process; empty where no Envoys are played."""
    return _ASKING.setdefault(str(bed["dir"]), set())


def gated(pod: Obj, namespace: str, spaces: set[str]) -> Obj:
    """The pod, Ready only when its Envoy answers if it asks for one: the part of the readiness probe that an injected proxy has."""
    label = (pod["metadata"].get("labels") or {}).get(ASK)
    gates = pod["spec"].get("readinessGates") or []
    if namespace not in spaces or label not in (None, "true") or any(row.get("conditionType") == ASK for row in gates):
        return pod
    return {**pod, "spec": {**pod["spec"], "readinessGates": [*gates, {"conditionType": ASK}]}}
