# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What is remembered of a rollout, in a ConfigMap."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .._errors import ConfigError
from .._kube.client import Cluster
from .._kube.lease import Lock
from .._model.objects import MANAGED_BY, MANAGER, MESH, counts_as_ours, owner_text, rollout_name
from .._rollout.model import REVISION, Goal
from .._rollout.state import State, back, begin, same_goal
from .._rollout.waves import WaveRequest, needs, plan
from .._text import counted
from .restart import RestartEngine, RestartSettings

__all__ = ["RolloutMemory"]


class RolloutMemory(RestartEngine):
    """A mesh's rollout as the cluster has it. members: its namespaces, the control plane's among them."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        mesh: str,
        namespace: str,
        members: Sequence[str] | None,
        lock: Lock | None = None,
        settings: RestartSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        spaces = None if members is None else sorted({namespace, *members})
        super().__init__(cluster, members=spaces, lock=lock, settings=settings, clock=clock, sleep=sleep)
        self.mesh, self.namespace = mesh, namespace
        self.name = rollout_name(mesh)

    @property
    def where(self) -> str:
        """As messages call what is remembered."""
        return f"cluster {self.cluster.name}: ConfigMap {self.namespace}/{self.name}"

    def state(self) -> State | None:
        """What is remembered, None for nothing."""
        found = self._found()
        return None if found is None else State.from_json(str((found.get("data") or {}).get("state") or ""), self.where)

    def _found(self) -> dict[str, Any] | None:
        """The ConfigMap, which has to be ours: what somebody else has under its name is neither followed nor taken away."""
        found = self.cluster.get("v1", "ConfigMap", self.name, self.namespace)
        if found is not None and not counts_as_ours(found, self.mesh):
            raise ConfigError(
                f"{self.where} is not of mesh {self.mesh}: {owner_text(found)}. Nothing was changed; find out who needs it, "
                "then rename or delete it and run this again"
            )
        return found

    def _keep(self, state: State) -> None:
        self._write("v1", "ConfigMap", self.name, {"data": {"state": state.to_json()}}, namespace=self.namespace)

    def start(
        self, orders: Sequence[WaveRequest], goal: Goal, origin: Goal, *, reason: str, by: str = "", baseline: Sequence[str] = ()
    ) -> State:
        """The rollout that is under way to this goal, or a new one. Another one that is not over is in the way."""
        found = self.state()
        if found is not None and not found.over:
            if found.direction == "back":
                raise ConfigError(
                    f"{self.where}: a way back ({found.reason}) is not over: go on with it (upgrade_rollback=true). Nothing was changed"
                )
            if not same_goal(found, goal, reason):
                raise ConfigError(
                    f"{self.where}: another rollout is not over: {found.reason}, to {found.goal.text}, "
                    f"{found.moved} of {counted(found.total, 'workload')}; go on with that one, go back with upgrade_rollback=true, or "
                    "forget it with state: absent. Nothing was changed"
                )
            return found
        if found is not None and found.labels and not same_goal(found, goal, reason):
            raise ConfigError(
                f"{self.where}: {found.reason} has restarted all its workloads, and has not given {', '.join(found.labels)} their "
                f"label {REVISION} back yet: run that one again, to its end. Nothing was changed"
            )
        if found is not None and found.direction == "forward" and same_goal(found, goal, reason) and not (goal.version or goal.revision):
            return found  # a restart for this reason was done
        now = self.now()
        aim = replace(goal, since=now)
        world = self.look()
        state = begin(plan(world, aim, orders), aim, origin, reason=reason, now=now, by=by)
        state = replace(state, over=not state.waves, baseline=tuple(baseline))
        if found is not None and not state.waves and same_goal(found, goal, reason):
            return found
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "data": {"state": state.to_json()},
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": {MANAGED_BY: MANAGER, MESH: self.mesh}},
        }
        if found is not None:
            self._keep(state)
        elif state.waves or (goal.version and goal.version != origin.version):
            self.require_lock()
            self.cluster.create(body)
            self.changed = True
        return state

    def forget(self) -> bool:
        """Whether there was something."""
        if self._found() is None:
            return False
        self.require_lock()
        done = self.cluster.delete("v1", "ConfigMap", self.name, self.namespace)
        self.changed = self.changed or done
        return done

    def turn_back(self) -> State:
        """From here on the waves that were begun go back, the last one first. Back already: nothing is left."""
        found = self.state()
        if found is None:
            raise ConfigError(f"{self.where}: there is no rollout that could go back. Nothing was changed")
        state = back(found, self.now())
        if state is not found:
            self._keep(state)
        return state

    def mark(self, state: State, number: int, word: str, note: str = "") -> State:
        """passed or failed."""
        state = state.with_wave(number, state=word, note=note[:1000])
        if state.next_wave() is None:
            state = self._late(state)
        state = replace(state, over=state.next_wave() is None)
        self._keep(state)
        return state

    def _late(self, state: State) -> State:
        """Who came after the waves were made, or went back to what it was."""
        world = self.look()
        known = {title for wave in state.waves for title in wave.members}
        late = [one for title, one in world.workloads.items() if title not in known and needs(one, state.goal)]
        if state.direction == "back":
            return state
        state = state.add_late(one.title for one in late if not one.gateway)
        return state.add_late((one.title for one in late if one.gateway), gateways=True)
