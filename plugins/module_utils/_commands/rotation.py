# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Carries a change of a mesh's CA out: look at everybody, wait until the next step is safe, write it, restart who needs that.

Nothing is remembered between two calls: the next step follows from `cacerts`, and every CA that is replaced is kept in a Secret of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._certificates.material import Material, combined
from .._certificates.rotation import (
    Authority,
    GateVerdict,
    Phase,
    RotationStep,
    gate,
    needs_restart,
    next_step,
)
from .._errors import NotReady
from .._kube.progress import Progress, few
from .._model.problem import Problem, summary
from .._model.secrets_used import CACERTS, OWN
from .._rollout.reading import workload_of
from .apply import LayerRequest
from .apply import run as apply_layer
from .rotation_reading import (
    GO_ON,
    SAVED_AT,
    SAVED_LAYER,
    TAKEN_BACK,
    WRITE_AGAIN,
    Attempt,
    AuthorityGone,
    RotationLimits,
    RotationObservation,
    RotationReading,
    Saved,
)

__all__ = ["LAYER", "SAVED_AT", "SAVED_LAYER", "Attempt", "Rotation", "RotationLimits", "Saved"]

LAYER = "certificates"
_SHOWN = 20


@dataclass(frozen=True)
class _Tried:
    """When a workload was restarted last, and how often; the pause before the next try doubles."""

    at: float
    times: int

    @property
    def pause(self) -> float:
        """Seconds."""
        return min(60.0, 2.0 * 2**self.times)


class Rotation(RotationReading):
    """From what a mesh has to a goal. members: namespaces with proxies; None for all that the cluster has."""

    def turn(self, goal: Material, *, write: bool = True) -> Attempt | None:
        """One step, once it is safe; None when there is nothing to do. In a dry run: whether it would be safe now.

        Without write it only waits until the step is safe, so that several clusters can wait for each other.
        """
        self.require_valid(goal)
        known = [goal, *(one.material for one in self.saved())]
        look = self.look(known)
        step = next_step(look.current.authority, goal.authority)
        if step is None:
            return None
        turn = Attempt(step.phase.value)
        self.turns.append(turn)
        if self.dry_run:
            self._judge(turn, step, look)
            turn.blockers += self._never(turn, step, look, everybody=self.limits.renew == "restart")
            return turn
        look = self._wait_until_safe(turn, step, look, known)
        turn.blockers = self._never(turn, step, look)
        if turn.blockers:
            raise NotReady(self._refusal(turn, f"nothing was written for {turn.phase}, which needs restarts that cannot be made"))
        if not write:
            return turn
        self.require_valid(goal)  # the wait may have been long
        self._save(look.current, goal)
        self._write(combined(step.authority, (*known, look.current)))
        turn.written = True
        self._restart_istiods(turn, look, look.current.authority, step.authority)
        return turn

    def settle(self, goal: Material) -> Attempt:
        """After the last step: everybody has the goal's roots. Who trusts an old root as well is restarted, where that was asked for."""
        done = Attempt("settle")
        self.turns.append(done)
        began = self.clock()
        restarted: dict[str, _Tried] = {}
        progress = Progress(self.cluster.name, self.clock)
        before: RotationObservation | None = None
        while True:
            look = self.look([goal]) if before is None else self._look_again(before, [goal], "while waiting for proxies and istiods")
            before = look
            step = RotationStep(Phase.RETIRE, goal.authority)
            # The same questions as before the last step, asked of the roots that are left.
            self._judge(done, step, look)
            done.blockers += tuple(
                Problem(one.name, "it still hands out a root that was retired", "restart it")
                for one in look.mesh.istiods
                if set(one.roots) - set(goal.authority.roots)
            )
            extra = [one for one in look.mesh.proxies if not one.error and set(one.roots) - set(goal.authority.roots)]
            done.notes = tuple(
                Problem(one.name, "it still trusts a root that was retired", "it forgets it when its certificate is renewed")
                for one in extra
            )
            if not done.blockers and not (extra and self.limits.renew == "restart"):
                self._forget_own()
                return done
            done.waited = self.clock() - began
            if done.waited >= self.limits.gate:
                if not done.blockers:
                    return done
                raise NotReady(self._refusal(done, "the CA was changed, and not every proxy and istiod has it yet"))
            if progress.due():
                progress.say(f"settle: {few(f'{one.resource}: {one.message}' for one in (*done.blockers, *done.notes))}")
            self._help(done, look, [*done.blockers, *done.notes], restarted)
            self.sleep(self.limits.interval)

    def _forget_own(self) -> None:
        """Takes istio-ca-secret away once its CA is saved: an istiod that starts without cacerts would go back to it."""
        plugged, own = self.cluster.map(self._secret, (CACERTS, OWN))
        if not self.remove_own or plugged is None or own is None:
            return
        signer = Material.of(own.get("data") or {}, self._where(OWN)).authority.signer
        if any(one.material.authority.signer == signer for one in self.saved()):
            self.engine.require_lock()
            self.changed = self.cluster.delete("v1", "Secret", OWN, self.namespace) or self.changed

    def _judge(self, turn: Attempt, step: RotationStep, look: RotationObservation) -> GateVerdict:
        verdict = gate(step, look.mesh, look.current.authority, now=self.cluster.now())
        turn.blockers, turn.notes = verdict.blockers, verdict.notes
        turn.asked = {"proxies": len(look.mesh.proxies), "istiods": len(look.mesh.istiods), "places": len(look.mesh.places)}
        return verdict

    def _wait_until_safe(
        self, turn: Attempt, step: RotationStep, look: RotationObservation, known: Sequence[Material]
    ) -> RotationObservation:
        began = self.clock()
        restarted: dict[str, _Tried] = {}
        progress = Progress(self.cluster.name, self.clock)
        while not self._judge(turn, step, look).safe:
            turn.waited = self.clock() - began
            if turn.waited >= self.limits.gate:
                raise NotReady(self._refusal(turn, f"{turn.phase} is not safe, so nothing was written for it"))
            if progress.due():
                progress.say(f"{turn.phase}: {few(f'{one.resource}: {one.message}' for one in turn.blockers)}")
            self._help(turn, look, turn.blockers, restarted)
            self.sleep(self.limits.interval)
            look = self._look_again(look, known, f"while {turn.phase} waited, so nothing was written for it")
            turn.waited = self.clock() - began
        return look

    def _look_again(self, before: RotationObservation, known: Sequence[Material], when: str) -> RotationObservation:
        """A step was computed from what `cacerts` held: it is not that step any more when somebody else has written or deleted it."""
        try:
            look = self.look(known)
        except AuthorityGone:
            raise NotReady(
                f"{self._where(CACERTS)} was deleted {when}, and there is no {OWN}; find out who does that, then {WRITE_AGAIN}"
            ) from None
        if look.current.authority == before.current.authority:
            return look
        gone = before.plugged is not None and look.plugged is None
        found = "was deleted" if gone else f"was changed by someone else (it has the CA {look.current.signer_title} now)"
        raise NotReady(
            f"{self._where(CACERTS)} {found} {when}; find out who does that, then run this again: it begins with what is there, "
            "distributes the lost roots first, and the CAs that were replaced are kept in the Secrets cacerts-saved-..."
        )

    def _refusal(self, turn: Attempt, what: str) -> str:
        rows = (replace(one, remedy=turn.loose.get(one.resource, one.remedy)) for one in turn.blockers)
        way = "run this again to go on, or with rotate_certificates_rollback=true to go back"
        if self.limits.renew == "wait":
            way += "; with renew: restart in mesh_certificates_rotation the workloads are restarted in waves"
        return f"cluster {self.cluster.name}: {what}: {summary(rows, _SHOWN)}; {way}"

    def _help(self, turn: Attempt, look: RotationObservation, blockers: Sequence[Problem], restarted: dict[str, _Tried]) -> None:
        """Restarts who is in the way: an istiod that does not take its Secret, then, where asked for, workloads in waves."""
        proxies = {one.name for one in look.mesh.proxies}
        silent = {one.name for one in look.mesh.proxies if one.error}
        others = [one.resource for one in blockers if one.resource not in proxies]
        if others:
            # New pods would get the old roots from an istiod that lags behind: it comes first.
            istiods = {one.name for one in look.mesh.istiods if not one.error}
            if istiods.intersection(others) and turn.waited >= self.limits.istiod_grace:
                lagging = self._workloads(turn, [name for name in others if name in istiods], look)
                self._restart(turn, self._due(lagging, restarted), restarted)
            return
        if self.limits.renew == "restart":
            # Who does not answer may be well: a restart would be a guess.
            behind = self._workloads(turn, [one.resource for one in blockers if one.resource not in silent], look)
            self._restart(turn, self._after_a_first_one(behind, restarted), restarted)

    def _due(self, titles: Sequence[str], restarted: Mapping[str, _Tried]) -> list[str]:
        """Those that were not restarted yet, or long enough ago to try again."""
        now = self.clock()
        return [title for title in titles if title not in restarted or now - restarted[title].at >= restarted[title].pause]

    def _after_a_first_one(self, titles: Sequence[str], restarted: Mapping[str, _Tried]) -> list[str]:
        """One workload goes first: an istiod that has not read its Secret yet gives new pods what old ones have, and nobody sees that."""
        if any(title not in titles for title in restarted):
            return self._due(titles, restarted)
        return self._due([title for title in titles if title in restarted] or titles[:1], restarted)

    def _save(self, current: Material, goal: Material) -> None:
        """What is replaced is kept under its own name. A way back keeps it as well, and stays the way back when it is run again."""
        if current.authority.signer == goal.authority.signer:
            return
        name, there = f"cacerts-saved-{current.authority.signer[:10]}", self.saved()
        same = next((one for one in there if one.name == name), None)
        newest = next((one.name for one in there if not one.taken_back), "")
        if same is not None and (self.back or newest == name):
            return
        notes = {SAVED_AT: self.cluster.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"), TAKEN_BACK: str(self.back).lower()}
        data = same.material.data() if same else current.data()  # its own roots, not those of a step
        self._apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "Opaque",
                "data": data,
                "metadata": {"name": name, "namespace": self.namespace, "annotations": notes},
            },
            SAVED_LAYER,
        )

    def _write(self, data: Mapping[str, str]) -> None:
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "data": dict(data),
            "metadata": {"name": CACERTS, "namespace": self.namespace},
        }
        self._apply(secret, LAYER)

    def _apply(self, obj: dict[str, Any], layer: str) -> None:
        # What somebody else made is taken over: it was saved a moment ago.
        adopt = frozenset({f"Secret {self.namespace}/{obj['metadata']['name']}"})
        order = LayerRequest(self.mesh, layer, adopt=adopt, force_conflicts=True, wait=False)
        self.engine.require_lock()
        self.changed = apply_layer(self.cluster, [obj], order).changed or self.changed

    def _restart_istiods(self, turn: Attempt, look: RotationObservation, before: Authority, after: Authority) -> None:
        self._restart(turn, self._istiods(turn, look, before, after), {})

    def _istiods(self, turn: Attempt, look: RotationObservation, before: Authority, after: Authority) -> list[str]:
        """Those that do not take the new CA by themselves."""
        names = [one.name for one in look.mesh.istiods if needs_restart(one, before, after)]
        return self._workloads(turn, names, look)

    def _never(self, turn: Attempt, step: RotationStep, look: RotationObservation, *, everybody: bool = False) -> tuple[Problem, ...]:
        """Istiods that the step restarts, and that no waiting lets restart; everybody: workloads with a proxy as well."""
        titles = self._istiods(turn, look, look.current.authority, step.authority)
        titles += self._workloads(turn, [one.name for one in look.mesh.proxies], look) if everybody else []
        return tuple(self.engine.hopeless(list(dict.fromkeys(titles))))

    def _workloads(self, turn: Attempt, names: Iterable[str], look: RotationObservation) -> list[str]:
        """The workloads of these pods, by their titles; pods that no restart makes anew are remembered with the reason."""
        found: dict[str, None] = {}
        for name in names:
            title, why_not = workload_of(look.pods[name]) if name in look.pods else ("", "")
            if title:
                found[title] = None
            elif why_not:
                turn.loose[name] = why_not
        return list(found)

    def _restart(self, turn: Attempt, titles: Sequence[str], restarted: dict[str, _Tried]) -> None:
        """Wave after wave; the next one begins when all of this one is ready."""

        def begun(wave: list[str]) -> None:
            self.changed = True
            turn.waves.append(wave)
            turn.restarted += wave

        for wave in self.engine.restart_in_waves(titles, self.limits.wave_size, begun=begun, remedy=GO_ON):
            for title in wave:
                times = restarted[title].times + 1 if title in restarted else 1
                restarted[title] = _Tried(self.clock(), times)
