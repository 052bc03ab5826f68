# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a cluster, of workloads that a test has made."""

from __future__ import annotations

from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._rollout.model import RestartedWorkload, RolloutObservation

__all__ = ["world"]


def world(*rows: RestartedWorkload, **more: Any) -> RolloutObservation:
    return RolloutObservation({one.title: one for one in rows}, **more)
