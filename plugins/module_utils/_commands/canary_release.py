# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What canary_release does, state by state."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .._canary.gate import GOOD, OPEN, VIOLATED
from .._canary.intent import BACK, Canary, canary_named, read_canary
from .._canary.live import fingerprint, misplaced, written_by_others
from .._canary.refusals import canary_refusals
from .._canary.routes import under_canaries
from .._canary.state import ABORTED, MEASURING, PASSED, PROMOTED, ROLLED_BACK, SETTLING, SHIFTING, CanaryState, Measured, begin, canary_name
from .._canary.weights import text_of
from .._canary.words import plan_lines
from .._errors import ConfigError, NotReady
from .._kube.auth import dialer
from .._kube.client import Cluster
from .._kube.lease import Lock
from .._kube.options import display_name
from .._model.fields import sections
from .._text import shortened, shown
from .canary_gate import CanaryGateRun
from .canary_memory import CanaryMemory
from .traffic_metrics import MetricsReader, MetricsRequest, prometheus_fetch

__all__ = ["CanaryRun"]

_READS = ("planned", "status")  # states that change nothing and lock nobody out


class CanaryRun:
    """One call of the module: `run()` does what `params["state"]` asks for, `result()` is what came of it."""

    def __init__(
        self,
        params: dict[str, Any],
        *,
        check_mode: bool,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.params, self.name, self.clock, self.sleep = params, display_name(params), clock, sleep
        self.wanted = "planned" if check_mode and params["state"] not in _READS else params["state"]
        self.cluster = Cluster.from_params(params, name=self.name)
        self.traffic = sections(params["traffic"])
        self.canary = self._intended()
        self.lock = self._lock() if self.wanted not in _READS else None
        self.memory = CanaryMemory(self.cluster, mesh=params["mesh"], lock=self.lock)
        self.state: CanaryState | None = None
        self.states: list[CanaryState] = []
        self.lines: list[str] = []
        self.verdict, self.reason, self.would = "", "", False

    def _intended(self) -> Canary | None:
        """The one that is meant; None where all of them are looked at."""
        wrong = canary_refusals(self.params["canaries"], self.traffic if self.params["traffic"] is not None else None)
        if wrong:
            raise ConfigError(*wrong)
        if not self.params["service"]:
            if self.wanted != "status":
                raise ConfigError(f"state: {self.wanted} needs service: whose canary is meant")
            return None
        return read_canary(canary_named(self.params["canaries"], self.params["service"]), self.traffic)

    @property
    def intended(self) -> Canary:
        """Asked where there is one."""
        if self.canary is None:
            raise ConfigError("no service was named")
        return self.canary

    def _lock(self) -> Lock:
        one = self.intended
        return Lock(
            self.cluster,
            namespace=one.namespace,
            name=canary_name(one.service),
            mesh=self.params["mesh"],
            holder=self.params["holder"],
            seconds=self.params["lock_seconds"],
        )

    def run(self) -> None:
        """What the state asks for."""
        if self.wanted in _READS:
            self.status() if self.wanted == "status" else self.planned()
            return
        self.cluster.require_clock()
        steps: dict[str, Callable[[], None]] = {
            "started": self.started, "advanced": self.advanced, "measured": self.measured, "settled": self.settled, "paused": self.paused,
            "resumed": self.resumed, "aborted": self.aborted, "promoted": self.promoted, "absent": self.absent, "unlocked": self.status,
        }  # fmt: skip
        if self.lock is None:
            raise ConfigError("no service was named")
        self.lock.acquire(take_over=self.params["take_over"])
        try:
            steps[self.wanted]()
        finally:
            self.lock.release(keep=self._goes_on())

    def _goes_on(self) -> bool:
        """Whether this play has more to do, so that nobody comes in between."""
        return (
            self.action in ("shift", "measure", "settle") and self.wanted not in ("unlocked", "absent", "settled") and self.verdict != OPEN
        )

    # what is there

    def _read(self) -> CanaryState | None:
        self.state = self.memory.state(self.intended.namespace, self.intended.service)
        return self.state

    def _under_way(self) -> CanaryState:
        found = self._read()
        if found is None or found.over:
            raise ConfigError(f"{self._where()}: no canary of {shown(self.intended.key)} is under way. Nothing was changed")
        return found

    def _where(self) -> str:
        return self.memory.where(self.intended.namespace, self.intended.service)

    def _keep(self, state: CanaryState) -> CanaryState:
        self.memory.keep(state)
        self.state = state
        return state

    def _refuse_others(self, *wanted: Mapping[str, int], state: CanaryState) -> list[dict[str, Any]]:
        """The objects of the routes, which have to be as they were left."""
        found = self.memory.routes(state.namespace, state.service)
        others = written_by_others(found)
        wrong = misplaced(found, state, *wanted)
        if others or wrong:
            what = shortened(others + ([wrong] if wrong else []), 4, "; ")
            raise NotReady(
                f"cluster {self.name}: canary {shown(state.key)}: {what}. Nothing was changed by this run: find out who did and why, then "
                "run shift_traffic with mesh_force_conflicts=true to put the canary's weights back, or end it with canary_action=abort"
            )
        return found

    def _reader(self) -> MetricsReader:
        one = self.intended
        callers = one.measure.callers or tuple(self.params["callers"])
        request = MetricsRequest(
            namespace=one.namespace,
            service=one.service,
            versions={name: one.labels[name] for name in (one.new, one.old)},
            measure=replace(one.measure, callers=callers),
            home=self.params["namespace"],
            timeout=self.params["proxy_timeout"],
        )
        return MetricsReader(
            self.cluster, dialer(self.params, name=self.name), request, prometheus_fetch(one.measure.prometheus), clock=self.clock
        )

    def _images(self) -> tuple[str, ...]:
        """Of the new version, which has to be there."""
        pods = self._reader().pods()[self.intended.new]
        if not any(pod.ready for pod in pods):
            labels = ", ".join(f"{name}={value}" for name, value in self.intended.labels[self.intended.new].items())
            raise NotReady(
                f"cluster {self.name}: {shown(self.intended.new)} of Service {shown(self.intended.key)} has no ready pod "
                f"({len(pods)} with the labels {shown(labels)}): requests to it would get 503. Nothing was changed"
            )
        return tuple(sorted({image for pod in pods for image in pod.images}))

    # states that only look

    def status(self) -> None:
        """What is remembered of all services of mesh_traffic, and their routes with it."""
        if self.canary is not None:
            self._read()
        self.states = self.memory.states(str(row.get("namespace")) for row in self.traffic)
        self.lines += [state.said for state in self.states if self.canary is None or state.key == self.canary.key]

    def planned(self) -> None:
        """Nothing is changed, and nobody is locked out."""
        state, one = self._read(), self.intended
        if state is not None and not state.over:
            self.would = not state.paused
            self.lines += [state.said, *plan_lines(replace(one, steps=state.steps, base=state.base), state.position)[2:]]
            return
        if state is not None and self._done_already(state):
            self.lines.append(state.said)
            return
        self.would = True
        self.lines += plan_lines(one)
        try:
            self._images()
        except NotReady as exc:
            self.lines.append(f"  it could not begin now: {exc}")

    def _done_already(self, state: CanaryState, images: tuple[str, ...] | None = None) -> bool:
        """The same release with the same images has come to its end."""
        one = self.intended
        same = (state.old, state.new, state.route, dict(state.base)) == (one.old, one.new, one.route, dict(one.base))
        return same and state.over and state.outcome in (PROMOTED, ROLLED_BACK) and (images is None or state.images == images)

    # states that write

    def started(self) -> None:
        """The canary that is under way, or a new one."""
        found, one = self._read(), self.intended
        if found is not None and not found.over:
            self._same_release(found)
            images = found.images if found.phase == SETTLING else self._images()
            if images != found.images:
                raise NotReady(
                    f"cluster {self.name}: canary {shown(found.key)}: {shown(found.new)} runs {shown(shortened(images, 3))} now and ran "
                    f"{shown(shortened(found.images, 3))} when it began, so what was measured is of another build. Nothing was changed; "
                    "end it with canary_action=abort and begin anew"
                )
            self.lines.append(found.said)
            return
        images = self._images()
        if found is not None and self._done_already(found, images) and not (found.outcome == ROLLED_BACK and self.params["retry"]):
            self.lines.append(found.said)
            if found.outcome == ROLLED_BACK:
                again = "bring another build, or try this one again with canary_retry=true"
                self.verdict = VIOLATED
                self.reason = f"{found.said}; the pods of {shown(found.new)} are of the same images as then: {again}"
            return
        state = begin(one, now=self.cluster.now(), by=self.params["holder"], images=images)
        self._refuse_others(state.weights, state=state)
        self._keep(state)
        self.lines += plan_lines(one)

    def _same_release(self, found: CanaryState) -> None:
        one = self.intended
        mine, theirs = (one.old, one.new, one.route), (found.old, found.new, found.route)
        if mine != theirs:
            raise ConfigError(
                f"{self._where()}: another canary of {shown(found.key)} is not over: {found.said}, and mesh_canaries asks for "
                f"{shown(one.old)} -> {shown(one.new)}, route {shown(one.route or 'default')}; go on with that one, or end it with "
                "canary_action=abort. Nothing was changed"
            )
        if dict(one.base) != dict(found.base):
            raise ConfigError(
                f"{self._where()}: the route says {text_of(one.base)} in mesh_traffic now, and the canary began at "
                f"{text_of(found.base)}; put it back as it was until the canary is over, or end it with canary_action=abort. Nothing was "
                "changed"
            )

    def advanced(self) -> None:
        """The next step is remembered; the role traffic then puts its weights into place."""
        state = self._under_way()
        self._same_release(state)
        if state.paused or state.phase not in (PASSED, SHIFTING, MEASURING):
            self.lines.append(state.said)
            return
        after = state.shifted()
        # a run that was killed has left the weights of the step before it, or those of this one
        before = replace(state, percent=state.steps[state.position - 1].weight if state.position > 0 else state.start)
        accepted = (state.weights, after.weights) if state.phase == PASSED else (state.weights, before.weights)
        self._refuse_others(*accepted, state=state)
        self._keep(after)
        self.lines.append(f"{self.name}: {after.said}: {text_of(after.weights)}")

    def measured(self) -> None:
        """The step that is in place: passed, or on the way back, or held."""
        state = self._under_way()
        if state.paused or state.phase not in (SHIFTING, MEASURING):
            self.lines.append(state.said)
            return
        placed = fingerprint(self._refuse_others(state.weights, state=state))
        state = self._keep(state.measuring())

        def watch() -> None:
            if fingerprint(self._refuse_others(state.weights, state=state)) != placed:
                raise NotReady(
                    f"cluster {self.name}: canary {shown(state.key)}: its routes were changed while {state.percent} % were measured, "
                    "so the measurement counts for nothing. Its weights are still in place; run it again to measure anew"
                )

        found = CanaryGateRun(self.intended, state, self._reader(), watch=watch, clock=self.clock, sleep=self.sleep).run()
        verdict = found.verdict
        self.verdict, self.reason = verdict.state, verdict.text
        row = Measured(
            state.percent, verdict.state, verdict.text[:1000], round(found.seconds, 1), self.cluster.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            verdict.figures,
        )  # fmt: skip
        if verdict.state == OPEN and self.intended.on_timeout == BACK:
            self.verdict = VIOLATED
            self.reason = f"after {self.intended.gate.timeout:g} s: {verdict.text}"
            row = replace(row, verdict=VIOLATED, reason=self.reason[:1000])
        if self.verdict == GOOD:
            after = state.passed(row)
        elif self.verdict == VIOLATED:
            after = state.failed(row, self.intended.on_failure)
        else:
            after = state.held(row)
        self._keep(after)
        words = {GOOD: "passed", VIOLATED: "violated", OPEN: f"not clear after {self.intended.gate.timeout:g} s"}
        self.lines += [f"{self.name}: the gate at {state.percent} %: {words[self.verdict]}: {self.reason}", *found.lines]
        if after.over:
            self.lines.append(after.said)

    def settled(self) -> None:
        """The weights that no gate is asked about are in place."""
        state = self._under_way()
        if state.phase != SETTLING:
            self.lines.append(state.said)
            return
        self._refuse_others(state.weights, state=state)
        self.lines.append(self._keep(state.settled()).said)

    def _by(self, what: str) -> str:
        reason = self.params["reason"]
        return f"{what} by {self.params['holder']}" + (f": {reason}" if reason else "")

    def paused(self) -> None:
        """It stays where it is."""
        state = self._under_way()
        if not state.paused:
            self._keep(state.pause(self._by("paused")))
        self._said()

    def resumed(self) -> None:
        """It goes on with the next run."""
        state = self._under_way()
        if state.paused:
            self._keep(state.resume())
        self._said()

    def aborted(self) -> None:
        """All goes back to where it began; the role traffic then puts that into place."""
        state = self._under_way()
        if state.phase != SETTLING or state.outcome == PROMOTED:
            self._keep(state.back(self._by("aborted"), ABORTED))
        self._said()

    def promoted(self) -> None:
        """All of it at once, without a gate, because somebody says so."""
        state = self._under_way()
        self._same_release(state)
        if state.phase != SETTLING:
            self._images()
            self._keep(state.promoted(self._by("promoted")))
        self._said()

    def _said(self) -> None:
        if self.state is not None:
            self.lines.append(self.state.said)

    def absent(self) -> None:
        """Nothing is remembered any more: from here on the inventory counts."""
        self.memory.forget(self.intended.namespace, self.intended.service)

    # the result

    @property
    def action(self) -> str:
        """What the role does next: shift, measure, settle, wait (somebody has to resume it), or nothing."""
        state = self.state
        if state is None or state.over:
            return ""
        if state.paused and state.phase != SETTLING:
            return "wait"
        return {PASSED: "shift", SHIFTING: "measure", MEASURING: "measure", SETTLING: "settle"}[state.phase]

    def result(self) -> dict[str, Any]:
        """What the module returns."""
        states = self.states or ([self.state] if self.state is not None else [])
        found: dict[str, Any] = {
            "changed": self.memory.changed,
            "lines": self.lines,
            "verdict": self.verdict,
            "reason": self.reason,
            "action": self.action,
            "under_way": bool(self.state is not None and not self.state.over),
            "left": self.state.left if self.state is not None else len(self.canary.steps) if self.canary else 0,
            "canaries": [_row(state) for state in states],
        }
        if self.state is not None:
            found["canary"] = {**_row(self.state), "history": [vars(row) for row in self.state.history]}
        return found

    def routed(self) -> dict[str, Any]:
        """mesh_traffic as the canaries of all its services have it by now."""
        if self.wanted == "planned" or self.params["traffic"] is None:
            return {}
        spaces = {str(row.get("namespace")) for row in self.traffic}
        mine = {self.state.key: self.state} if self.state is not None else {}
        states = self.states or [state for state in self.memory.states(spaces) if state.key not in mine] + list(mine.values())
        rows, lines = under_canaries(self.traffic, states)
        return {"traffic": rows, "kept": lines}


def _row(state: CanaryState) -> dict[str, Any]:
    return {
        "service": state.key, "from": state.old, "to": state.new, "route": state.route or "default", "percent": state.percent,
        "weights": state.weights, "step": state.position + 1, "steps": [step.weight for step in state.steps], "phase": state.phase,
        "paused": state.paused, "outcome": state.outcome if state.over else "", "reason": state.reason, "id": state.id,
    }  # fmt: skip
