# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What certificate_rotation does, and what it says of that."""

from __future__ import annotations

from typing import Any

from .._certificates.material import Material
from .._certificates.names import short
from .._certificates.rotation import RotationStep
from .._kube.auth import dialer
from .._kube.client import Cluster
from .._kube.options import display_name
from .._text import shortened
from .restart import lock_from, settings_from
from .rotation import Attempt, Rotation, RotationLimits

__all__ = ["RotationRun"]

_SHOWN = 4  # names of a wave in its line


def _rows_of(steps: tuple[RotationStep, ...], titles: dict[str, str], signers: dict[str, str]) -> list[dict[str, Any]]:
    """The steps for people."""
    return [
        {
            "phase": step.phase.value,
            "signs": signers.get(step.authority.signer, step.authority.signer[:16]),
            "trusted": [titles.get(root, root[:16]) for root in step.authority.roots],
        }
        for step in steps
    ]


def _waves_of(turn: Attempt) -> list[str]:
    """Who was restarted, a line for each wave."""
    return [f"  wave {number}: restarted {shortened(wave, _SHOWN)}" for number, wave in enumerate(turn.waves, 1)]


def _lines_of(turn: Attempt, *, dry_run: bool) -> list[str]:
    """What a step did."""
    asked = f"{turn.asked.get('proxies', 0)} proxies, {turn.asked.get('istiods', 0)} istiods, {turn.asked.get('places', 0)} places asked"
    if turn.blockers:
        lines = [f"{turn.phase}: {'would have to wait for' if dry_run else 'waits for'} {len(turn.blockers)} ({asked})"]
        lines += [f"  {one.resource}: {one.message}" for one in turn.blockers[:20]] + _waves_of(turn)
        return lines + [f"  left alone: {name}: {reason}" for name, reason in list(turn.loose.items())[:20]]
    waited = f" after {turn.waited:.0f} s" if turn.waited >= 1 else ""
    word = "would be safe now" if dry_run else f"proved safe{waited}{', written' if turn.written else ''}"
    said = "every proxy and istiod has the new CA" if turn.phase == "settle" else word
    lines = [f"{turn.phase}: {said} ({asked})", *_waves_of(turn)]
    return lines + [f"  {one.resource}: {one.message}; {one.remedy}" for one in turn.notes[:20] if turn.phase == "settle"]


class RotationRun:
    """One call of the module."""

    def __init__(self, params: dict[str, Any], *, check_mode: bool) -> None:
        name = display_name(params)
        limits = RotationLimits(
            params["gate_timeout"],
            max(0.2, params["interval"]),
            params["renew"],
            params["wave_size"],
            params["istiod_grace"],
            params["proxy_timeout"],
            params["proxies_timeout"],
            settings_from(params),
        )
        cluster = Cluster.from_params(params, name=name)
        self.reads = check_mode or params["state"] == "planned"
        self.lock = lock_from(cluster, params, params["namespace"])
        self.rotation = Rotation(
            cluster,
            dialer(params, name=name),
            mesh=params["mesh"],
            namespace=params["namespace"],
            members=params["members"],
            limits=limits,
            back=params["rollback"],
            remove_own=params["remove_self_signed"],
            dry_run=check_mode,
            lock=None if self.reads else self.lock,
        )
        self.state, self.check_mode, self.take_over = params["state"], check_mode, params["take_over"]
        self.goal = self.rotation.goal_before() if params["rollback"] else Material.of(params["goal"], "goal")
        self.plan: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.left = 0

    def go(self) -> None:
        """All that its state asks for; what was done is kept when it ends with an error."""
        self.rotation.require_valid(self.goal)
        current = self.rotation.current()[0]
        known = (current, self.goal)
        titles = {root.fingerprint: root.title for one in known for root in one.roots}
        steps = self.rotation.steps(self.goal)
        self.plan = _rows_of(steps, titles, {one.authority.signer: one.signer_title for one in known})
        self.left = len(steps)
        if self.state == "planned":
            names = short(title for row in self.plan for title in (row["signs"], *row["trusted"]))
            lines = [
                f"{number}. {row['phase']}: {names[row['signs']]} signs, trusted: {', '.join(names[one] for one in row['trusted'])}"
                for number, row in enumerate(self.plan, 1)
            ]
            self.said = lines or ["nothing to do: this CA signs, and only its roots are trusted"]
            return
        if self.reads or not (self.left or self.state in ("settled", "rotated")):
            self._go_on()
            return
        self.lock.acquire(take_over=self.take_over)
        kept = False
        try:
            self._go_on()
            kept = self.state in ("gated", "next")  # the next task of this play takes it up again
        finally:
            self.lock.release(keep=kept)

    def _go_on(self) -> None:
        while self.state in ("gated", "next", "rotated"):
            if self.rotation.turn(self.goal, write=self.state != "gated") is None or self.check_mode or self.state in ("gated", "next"):
                break
        if not self.check_mode:
            self.left = len(self.rotation.steps(self.goal))
            if self.state == "settled" or (self.state == "rotated" and not self.left):
                self.rotation.settle(self.goal)

    def result(self) -> dict[str, Any]:
        """What the module returns."""
        lines = self.said + [line for turn in self.rotation.turns for line in _lines_of(turn, dry_run=self.check_mode)]
        would = self.check_mode and self.state in ("next", "rotated") and self.left > 0
        return {
            "changed": self.rotation.changed or would,
            "plan": self.plan,
            "turns": [turn.to_dict() for turn in self.rotation.turns],
            "left": self.left,
            "lines": lines,
        }
