# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kubelet writes into a pod's status when its proxy gets ready, stops being it, or was started again. No I/O."""

from __future__ import annotations

from typing import Any

from .spec import PROXY

__all__ = ["readiness", "says_ready"]

Obj = dict[str, Any]


def says_ready(pod: Obj) -> bool:
    rows = (pod.get("status") or {}).get("conditions") or []
    return any(row["type"] == "Ready" and row["status"] == "True" for row in rows)


def _restarts(pod: Obj) -> int:
    status = pod.get("status") or {}
    rows = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
    return next((int(row.get("restartCount", 0)) for row in rows if row["name"] == PROXY), 0)


def readiness(pod: Obj, ready: bool, restarts: int, now: str, why: str = "") -> Obj | None:
    """The part of the status that has to change, None where the pod says all that already; lists are whole, as a merge patch needs them."""
    if says_ready(pod) == ready and _restarts(pod) == restarts:
        return None
    status = pod.get("status") or {}
    word = "True" if ready else "False"
    made: list[Obj] = []
    for row in status.get("conditions") or []:
        if row["type"] not in ("Ready", "ContainersReady"):
            made.append(row)
            continue
        changed = {"lastTransitionTime": now} if row["status"] != word else {}
        reason = {} if ready else {"reason": "ContainersNotReady", "message": why or f"containers with unready status: [{PROXY}]"}
        made.append({"type": row["type"], "status": word, "lastTransitionTime": row.get("lastTransitionTime") or now, **changed, **reason})

    def of_container(row: Obj) -> Obj:
        if row["name"] != PROXY:
            return row
        running = {"state": {"running": {"startedAt": now}}} if row.get("restartCount", 0) != restarts else {}
        return {**row, **running, "ready": ready, "started": True, "restartCount": restarts}

    found = {"conditions": made}
    for kind in ("containerStatuses", "initContainerStatuses"):
        if status.get(kind):
            found[kind] = [of_container(row) for row in status[kind]]
    return found
