# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What rollout_waves does, state by state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ansible.module_utils.urls import open_url

from .._errors import MeshError
from .._kube.auth import dialer
from .._kube.client import Cluster
from .._kube.options import display_name
from .._model.problem import Problem
from .._rollout import gate
from .._rollout.machine import WaveMemory
from .._rollout.model import Goal
from .._rollout.progress import plan_lines, state_lines
from .._rollout.state import State
from .._rollout.waves import orders_from, plan
from .._rollout.windows import windows_from
from .._text import counted
from .restart import limits_from, lock_from
from .rollout import Closed, Rollout, RolloutSettings
from .rollout_gate import Asking, ask_prometheus

__all__ = ["RolloutRun"]

_READS = ("planned", "status")  # states that change nothing and lock nobody out


class RolloutRun:
    """One call of the module: `run()` does what `params["state"]` asks for, `result()` is what came of it."""

    def __init__(self, params: dict[str, Any], *, check_mode: bool) -> None:
        self.params, name = params, display_name(params)
        self.state_wanted = "planned" if check_mode and params["state"] not in ("status", "unlocked") else params["state"]
        self.cluster = Cluster.from_params(params, name=name)
        self.dialer = dialer(params, name=name)
        settings = RolloutSettings(
            limits_from(params),
            max(0.1, params["interval"]),
            params["outage"],
            params["slice"],
            tuple(windows_from(params["windows"])),
            params["labels_from"],
            params["labels_to"],
        )
        domains = None
        if params["domains"] is not None:
            domains = {str(one["name"]): list(one.get("namespaces") or []) for one in params["domains"]}
        self.orders = orders_from(params["waves"], domains=domains)
        self.lock = lock_from(self.cluster, params, params["namespace"])
        self.rollout = Rollout(
            self.cluster,
            mesh=params["mesh"],
            namespace=params["namespace"],
            members=params["members"],
            lock=None if self.state_wanted in _READS else self.lock,
            settings=settings,
        )
        self.rollout.memory = WaveMemory.from_ages(params["memory"], self.rollout.clock())
        self.state: State | None = None
        self.finished, self.closed = True, ""
        self.extra: dict[str, Any] = {}
        self.would = False

    def aim(self, name: str) -> Goal:
        """goal or origin."""
        given = self.params[name] or {}
        return Goal(given.get("version") or "", given.get("revision") or "", runs=given.get("runs") or "")

    def run(self) -> None:
        """What the state asks for."""
        if self.state_wanted != "status":
            self.cluster.require_clock()
        steps: dict[str, Callable[[], None]] = {
            "planned": self.planned, "status": self.status, "started": self.started, "advanced": self.advanced, "verified": self.verified,
            "rolled_back": self.rolled_back, "done": self.done, "absent": self.absent, "unlocked": self.status,
        }  # fmt: skip
        step = steps[self.state_wanted]
        if self.state_wanted in _READS:
            step()
            return
        self.lock.acquire(take_over=self.params["take_over"])
        try:
            step()
        except Closed as exc:
            self.finished, self.closed = False, str(exc)
            self.rollout.lines.append(f"{self.cluster.name}: {exc}")
        finally:
            self.lock.release(keep=self.state_wanted != "unlocked")

    def status(self) -> None:
        """What is remembered."""
        self.state = self.rollout.state()

    def planned(self) -> None:
        """Nothing is changed, and nobody is locked out."""
        self.state = self.rollout.state()
        if self.state is not None and not self.state.over:
            self.rollout.lines += state_lines(self.state)
            self.would = True
            return
        self.state = None
        aim, world = self.aim("goal"), self.rollout.look()
        planned = plan(world, replace(aim, since=self.rollout.now()), self.orders)
        self.would = bool(planned)
        self.rollout.lines += plan_lines(planned, world) if planned else ["all proxies are what they shall be: nothing to restart"]
        self.extra = {
            "loose": [{"resource": one.resource, "reason": one.message} for one in world.loose],
            "waves": [
                {"name": one.name, "members": list(one.members), "gateways": one.gateways, "state": "waiting", "seconds": 0}
                for one in planned
            ],
        }

    def started(self) -> None:
        """The waves of before, or new ones."""
        self.state = self.rollout.start(
            self.orders,
            self.aim("goal"),
            self.aim("origin"),
            reason=self.params["reason"],
            by=self.params["holder"],
            baseline=gate.baseline(self.params["checks"] or ()),
        )
        world = self.rollout.look()
        self.extra = {"loose": [{"resource": one.resource, "reason": one.message} for one in world.loose]}
        self.rollout.lines += state_lines(self.state) if not self.state.over else []
        self.rollout.lines += [f"  left alone: {one}" for one in world.loose[:20]]

    def _next_wave(self) -> tuple[State, int] | None:
        self.state = self.rollout.state()
        if self.state is None or self.state.over:
            return None
        number = self.state.next_wave()
        return None if number is None else (self.state, number)

    def advanced(self) -> None:
        """The next wave, or a slice of it."""
        found = self._next_wave()
        if found is None:
            return
        try:
            self.state, self.finished = self.rollout.advance(*found)
        except MeshError:
            self.state = self.rollout.state()
            raise

    def verified(self) -> None:
        """The wave that was restarted last: passed, or failed with the reasons."""
        found = self._next_wave()
        if found is None:
            return
        state, number = found
        asking = Asking(self.params["ask_proxies"], self.params["proxy_timeout"])
        wrong, silent = self.rollout.judge(state, number, dialer=self.dialer, asking=asking)
        if state.direction == "forward":
            wrong += self._outside_verdicts(state)
        wave = state.waves[number]
        if wrong:
            self.rollout.failed(state, number, wrong)
        self.state = self.rollout.passed(state, number)
        said = f"; {counted(len(silent), 'proxy', 'proxies')} did not answer themselves ({silent[0][:160]})" if silent else ""
        self.rollout.lines.append(f"gate after wave {number + 1} of {len(state.waves)}, {wave.name}: passed{said}")

    def _outside_verdicts(self, state: State) -> list[Problem]:
        """Checks, probe and queries; they say nothing about a way back."""
        wrong: list[Problem] = []
        if self.params["checks"] is not None:
            wrong += gate.judge_checks(self.params["checks"], state.baseline)
        if self.params["probe"]:
            wrong += gate.judge_probe(self.params["probe"])
        for query in self.params["queries"]:
            headers = {"Authorization": f"Bearer {query['token']}"} if query.get("token") else {}
            wrong += ask_prometheus(
                self.cluster,
                self.params["namespace"],
                query,
                lambda url, headers=headers, query=query: open_url(  # type: ignore[misc]
                    url, headers=headers, timeout=30, validate_certs=query.get("validate_certs", True), ca_path=query.get("ca_path")
                ).read(),
            )
        return wrong

    def rolled_back(self) -> None:
        """From here on the other way."""
        self.state = self.rollout.turn_back()
        self.rollout.lines += state_lines(self.state)

    def done(self) -> None:
        """Labels as they were."""
        self.state = self.rollout.state()
        if self.state is not None:
            self.state = self.rollout.restore_labels(self.state)

    def absent(self) -> None:
        """Nothing is remembered any more."""
        self.rollout.forget()

    def result(self) -> dict[str, Any]:
        """What the module returns."""
        state = self.state
        rows = (
            [
                {
                    "name": one.name,
                    "members": list(one.members),
                    "gateways": one.gateways,
                    "state": one.state,
                    "seconds": one.seconds,
                    "note": one.note,
                }
                for one in state.waves
            ]
            if state
            else []
        )
        number = state.next_wave() if state else None
        made = {
            "waves": rows,
            "left": sum(row["state"] != "passed" for row in rows),
            "finished": self.finished,
            "closed": self.closed,
            "wave": state.waves[number].name if state and number is not None else "",
            "direction": state.direction if state else "forward",
            "under_way": bool(state and not state.over),
            "restarted": self.rollout.restarted,
            "lines": self.rollout.lines,
            "memory": self.rollout.memory.ages(self.rollout.clock()) if not self.finished else {},
        }
        if state:
            made["rollout"] = {
                "id": state.id,
                "reason": state.reason,
                "by": state.by,
                "over": state.over,
                "labels": state.labels,
                "goal": {"version": state.goal.version, "revision": state.goal.revision},
                "origin": {"version": state.origin.version, "revision": state.origin.revision},
            }
        made |= self.extra
        if self.state_wanted == "planned" and "waves" in self.extra:
            made["left"] = len(self.extra["waves"])
            made["wave"] = self.extra["waves"][0]["name"] if self.extra["waves"] else ""
        return {"changed": self.rollout.changed, **made}
