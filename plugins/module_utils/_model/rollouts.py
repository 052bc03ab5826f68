# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""How far the rollout of a workload is, as its controller says."""

from __future__ import annotations

from . import kinds as k
from .view import Obj

__all__ = ["rollout_problem"]


def rollout_problem(workload: Obj) -> str:
    """Why the rollout of a Deployment, StatefulSet or DaemonSet is not finished; empty if it is."""
    if workload.at("status", "observedGeneration", default=0) < workload.at("metadata", "generation", default=0):
        return "its controller has not seen the latest change"
    if workload.kind == k.DAEMON_SET:
        return _daemons_problem(workload)
    # A partition keeps the lower ordinals at the old version on purpose.
    kept = workload.at("spec", "updateStrategy", "rollingUpdate", "partition", default=0)
    wanted = workload.at("spec", "replicas", default=1)
    updated, available = workload.at("status", "updatedReplicas", default=0), workload.at("status", "availableReplicas", default=0)
    if updated < wanted - kept and not _on_delete(workload):
        return f"{updated} of {wanted} replicas are updated"
    if workload.kind == k.DEPLOYMENT and workload.at("status", "replicas", default=0) > updated:
        return f"{workload.at('status', 'replicas') - updated} old replicas still run"
    return "" if available >= wanted else f"{available} of {wanted} replicas are available"


def _on_delete(workload: Obj) -> bool:
    """True where pods are updated only when somebody deletes them."""
    return bool(workload.at("spec", "updateStrategy", "type") == "OnDelete")


def _daemons_problem(daemons: Obj) -> str:
    wanted = daemons.at("status", "desiredNumberScheduled", default=0)
    for field, word in (("updatedNumberScheduled", "updated"), ("numberAvailable", "available")):
        found = daemons.at("status", field, default=0)
        if found < wanted and not (word == "updated" and _on_delete(daemons)):
            return f"{found} of {wanted} pods are {word}"
    return ""
