# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Carries a change of a mesh's CA out: look at everybody, wait until the next step is safe, write it, restart who needs that.

Nothing is remembered between two calls: the next step follows from `cacerts`, and every CA that is replaced is kept in a Secret of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._certificates.chain import build
from .._certificates.material import CACERTS, OWN, Material, combined
from .._certificates.observed import mesh_of
from .._certificates.reading import read_bundle
from .._certificates.rotation import (
    Authority,
    Blocker,
    GateVerdict,
    Istiod,
    Phase,
    RotationState,
    RotationStep,
    gate,
    needs_restart,
    next_step,
    plan,
    unfit,
)
from .._errors import ConfigError, NotReady
from .._kube.auth import Dialer
from .._kube.client import Cluster
from .._kube.progress import Progress, few
from .._kube.wait import Timing, wait_ready
from .._model.objects import Ref
from .._model.secrets_used import ROOT_MAP
from .apply import LayerRequest
from .apply import run as apply_layer
from .istiods import read_istiods
from .proxies import proxy_pods, read_proxies

__all__ = ["LAYER", "SAVED_AT", "SAVED_LAYER", "Attempt", "Rotation", "RotationLimits", "Saved"]

LAYER, SAVED_LAYER = "certificates", "certificates_rotation"
SAVED_AT, TAKEN_BACK = "mesh.meshops.io/saved-at", "mesh.meshops.io/taken-back"
_HOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_RESTARTED = "kubectl.kubernetes.io/restartedAt"
_SHOWN = 20
_KINDS = ("Deployment", "StatefulSet", "DaemonSet")
_LATE = (
    "nothing is lost: run this again to go on where it was, or with rotate_certificates_rollback=true to go back; "
    "rollout_timeout in mesh_certificates_rotation is how long a restarted workload may take"
)


_WRITE_AGAIN = "write the CA that its istiod still has with the role certificates, before istiod is restarted"


class _Gone(ConfigError):
    """There is no Secret with a CA."""


@dataclass(frozen=True)
class RotationLimits:
    """How long, how often, how many at a time. Seconds.

    renew: "wait" for certificates to be renewed by themselves, or "restart" the workloads in waves of wave_size.
    istiod_grace: for so long an istiod may take a new Secret by itself before it is restarted.
    """

    gate: float = 600.0
    interval: float = 2.0
    renew: str = "wait"
    wave_size: int = 10
    rollout: float = 300.0
    istiod_grace: float = 120.0
    proxy: float = 5.0
    proxies: float = 60.0


@dataclass(frozen=True)
class Saved:
    """A CA that was replaced. at: when, as text that sorts; taken_back: by a way back, so it is no goal of one."""

    name: str
    material: Material
    at: str
    taken_back: bool


@dataclass(frozen=True)
class _Tried:
    """When a workload was restarted last, and how often; the pause before the next try doubles."""

    at: float
    times: int

    @property
    def pause(self) -> float:
        """Seconds."""
        return min(60.0, 2.0 * 2**self.times)


@dataclass(frozen=True)
class RotationObservation:
    """Everything at one moment."""

    current: Material
    plugged: Mapping[str, Any] | None
    mesh: RotationState
    pods: Mapping[str, Mapping[str, Any]]  # by resource: istiods and proxies


@dataclass
class Attempt:
    """One step: what it was, whom its gate asked, what was done. lines: for people."""

    phase: str = ""
    asked: dict[str, int] = field(default_factory=dict)
    blockers: tuple[Blocker, ...] = ()
    notes: tuple[Blocker, ...] = ()
    waves: list[list[str]] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)
    waited: float = 0.0
    written: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As the module returns it."""
        rows = [{"resource": one.resource, "reason": one.reason, "remedy": one.remedy} for one in self.blockers]
        return {
            "phase": self.phase,
            "asked": self.asked,
            "blockers": rows,
            "waves": self.waves,
            "restarted": self.restarted,
            "waited": round(self.waited, 1),
            "written": self.written,
        }


class Rotation:
    """From what a mesh has to a goal. members: namespaces with proxies; None for all that the cluster has."""

    def __init__(
        self,
        cluster: Cluster,
        dialer: Dialer,
        *,
        mesh: str,
        namespace: str,
        members: Sequence[str] | None,
        limits: RotationLimits,
        back: bool = False,
        remove_own: bool = True,
        dry_run: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.cluster, self.dialer, self.mesh, self.namespace = cluster, dialer, mesh, namespace
        self.members = None if members is None else sorted({namespace, *members})
        self.limits, self.back, self.dry_run, self.clock, self.sleep = limits, back, dry_run, clock, sleep
        self.remove_own = remove_own
        self.timing = Timing(limits.rollout, 1.0, clock, sleep, _LATE)
        self.changed = False
        self.turns: list[Attempt] = []  # also the one that ended with an error

    # reading

    def _secret(self, name: str) -> dict[str, Any] | None:
        return self.cluster.get("v1", "Secret", name, self.namespace)

    def _where(self, name: str) -> str:
        return f"cluster {self.cluster.name}: Secret {self.namespace}/{name}"

    def current(self) -> tuple[Material, dict[str, Any] | None]:
        """The CA that istiod has, and cacerts where that is it."""
        plugged, own = self.cluster.map(self._secret, (CACERTS, OWN))
        secret = plugged or own
        if secret is None:
            raise _Gone(
                f"{self._where(CACERTS)} and {OWN} do not exist, so istiod has no CA that could be replaced. Install the "
                f"control plane first, or name its namespace; if the Secret was deleted under a mesh that runs, {_WRITE_AGAIN}"
            )
        return Material.of(secret.get("data") or {}, self._where(CACERTS if plugged else OWN)), plugged

    def saved(self) -> list[Saved]:
        """The CAs that were replaced, the newest first."""
        labels = f"mesh.meshops.io/layer={SAVED_LAYER},mesh.meshops.io/mesh={self.mesh}"
        found = []
        for row in self.cluster.list("v1", "Secret", namespace=self.namespace, label_selector=labels):
            name, notes = row["metadata"]["name"], row["metadata"].get("annotations") or {}
            material = Material.of(row.get("data") or {}, self._where(name))
            found.append(Saved(name, material, str(notes.get(SAVED_AT) or ""), notes.get(TAKEN_BACK) == "true"))
        return sorted(found, key=lambda one: one.at, reverse=True)

    def look(self, known: Sequence[Material]) -> RotationObservation:
        """Asks the API and every proxy."""
        current, plugged = self.current()
        jobs: list[tuple[str, str, str | None]] = [("v1", "Pod", self.namespace)]
        members: list[str | None] = [None] if self.members is None else [*self.members]
        jobs += [("v1", "ConfigMap", namespace) for namespace in members]
        jobs += [("admissionregistration.k8s.io/v1", kind, None) for kind in _HOOKS]
        parts = self.cluster.map(lambda job: self._list(*job), jobs)
        objects = [one for part in parts for one in part]
        pods = proxy_pods(self.cluster, self.members)
        proxies = read_proxies(self.dialer, pods, timeout=self.limits.proxy, total=self.limits.proxies)
        roots = [root for one in (current, *known) for root in one.roots]
        mesh = mesh_of(objects, proxies, namespace=self.namespace, cacerts=plugged, known=roots)
        mesh = replace(mesh, istiods=self._with_signers(mesh.istiods, parts[0], (current, *known)))
        named = {f"Pod {pod['metadata']['namespace']}/{pod['metadata']['name']}": pod for pod in (*parts[0], *pods)}
        return RotationObservation(current, plugged, mesh, named)

    def _with_signers(self, istiods: Sequence[Istiod], pods: Sequence[Mapping[str, Any]], known: Sequence[Material]) -> list[Istiod]:
        """Each istiod with the CA that signed what it serves: that it has taken a new one shows there first."""
        ready = {one.name for one in istiods if not one.error}
        asked = [pod for pod in pods if f"Pod {pod['metadata']['namespace']}/{pod['metadata']['name']}" in ready]
        sources = read_istiods(self.dialer, asked, {}, timeout=self.limits.proxy)
        authorities = tuple(one.signer for one in known if one.signer is not None)
        found = {}
        for pod, source in zip(asked, sources, strict=True):
            chain = read_bundle(source.certificate or b"", source.resource).certificates
            path = build(chain[0], chain[1:], authorities, partial=True).path if chain else ()
            found[f"Pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"] = path[1].fingerprint if len(path) > 1 else ""
        return [replace(one, signer=found.get(one.name, "")) for one in istiods]

    def _list(self, version: str, kind: str, namespace: str | None) -> list[dict[str, Any]]:
        if kind != "ConfigMap":
            return self.cluster.list(version, kind, namespace=namespace)
        found = self.cluster.list(version, kind, namespace=namespace, field_selector=f"metadata.name={ROOT_MAP}")
        return [one for one in found if one["metadata"]["name"] == ROOT_MAP]

    # deciding

    def goal_before(self) -> Material:
        """For the way back: the CA that the newest rotation began with."""
        goal = next((one.material for one in self.saved() if not one.taken_back), None)
        if goal is None:
            raise ConfigError(
                f"cluster {self.cluster.name}: no CA was replaced in {self.namespace} for the mesh {self.mesh}, so there is "
                f"no way back; expected a Secret with the label mesh.meshops.io/layer={SAVED_LAYER}. Nothing was changed"
            )
        return goal

    def steps(self, goal: Material) -> tuple[RotationStep, ...]:
        """All that is to be done from here."""
        return plan(self.current()[0].authority, goal.authority)

    def require_valid(self, goal: Material) -> None:
        """By the cluster's clock, before anything is written: a CA that nobody accepts yet, or no longer, ends every call of the mesh."""
        self.cluster.require_clock()
        reasons = unfit(goal.chain, self.cluster.now())
        if not reasons:
            return
        way = (
            "there is no way back to it: go on with the rotation, or to a new CA"
            if self.back
            else "give a CA that is valid now, or wait until this one is (own_ca: have it renewed)"
        )
        raise NotReady(
            f"cluster {self.cluster.name}: nothing was written: the CA to go to would not be accepted: {'; '.join(reasons)}; {way}"
        )

    # doing

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
            return turn
        look = self._wait_until_safe(turn, step, look, known)
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
            look = self.look([goal]) if before is None else self._look_again(before, [goal], "while everybody was waited for")
            before = look
            step = RotationStep(Phase.RETIRE, goal.authority)
            # The same questions as before the last step, asked of the roots that are left.
            self._judge(done, step, look)
            done.blockers += tuple(
                Blocker(one.name, "it still hands out a root that was retired", "restart it")
                for one in look.mesh.istiods
                if set(one.roots) - set(goal.authority.roots)
            )
            extra = [one for one in look.mesh.proxies if not one.error and set(one.roots) - set(goal.authority.roots)]
            done.notes = tuple(
                Blocker(one.name, "it still trusts a root that was retired", "it forgets it when its certificate is renewed")
                for one in extra
            )
            if not done.blockers and not (extra and self.limits.renew == "restart"):
                self._forget_own()
                return done
            done.waited = self.clock() - began
            if done.waited >= self.limits.gate:
                if not done.blockers:
                    return done
                raise NotReady(self._refusal(done, "the CA was changed, and not everybody has followed"))
            if progress.due():
                progress.say(f"settle: {few(f'{one.resource}: {one.reason}' for one in (*done.blockers, *done.notes))}")
            self._help(done, look, [*done.blockers, *done.notes], restarted)
            self.sleep(self.limits.interval)

    def _forget_own(self) -> None:
        """Takes istio-ca-secret away once its CA is saved: an istiod that starts without cacerts would go back to it."""
        plugged, own = self.cluster.map(self._secret, (CACERTS, OWN))
        if not self.remove_own or plugged is None or own is None:
            return
        signer = Material.of(own.get("data") or {}, self._where(OWN)).authority.signer
        if any(one.material.authority.signer == signer for one in self.saved()):
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
                progress.say(f"{turn.phase}: {few(f'{one.resource}: {one.reason}' for one in turn.blockers)}")
            self._help(turn, look, turn.blockers, restarted)
            self.sleep(self.limits.interval)
            look = self._look_again(look, known, f"while {turn.phase} waited, so nothing was written for it")
            turn.waited = self.clock() - began
        return look

    def _look_again(self, before: RotationObservation, known: Sequence[Material], when: str) -> RotationObservation:
        """A step was computed from what `cacerts` held: it is not that step any more when somebody else has written or deleted it."""
        try:
            look = self.look(known)
        except _Gone:
            raise NotReady(
                f"{self._where(CACERTS)} was deleted {when}, and there is no {OWN}; find out who does that, then {_WRITE_AGAIN}"
            ) from None
        if look.current.authority == before.current.authority:
            return look
        gone = before.plugged is not None and look.plugged is None
        found = "was deleted" if gone else f"was changed by somebody else (it has the CA {look.current.signer_title} now)"
        raise NotReady(
            f"{self._where(CACERTS)} {found} {when}; find out who does that, then run this again: it begins with what is there, "
            "gives everybody the lost roots first, and the CAs that were replaced are kept in the Secrets cacerts-saved-..."
        )

    def _refusal(self, turn: Attempt, what: str) -> str:
        rows = [f"{one.resource}: {one.reason} ({one.remedy})" for one in turn.blockers[:_SHOWN]]
        more = f"; and {len(turn.blockers) - _SHOWN} more" if len(turn.blockers) > _SHOWN else ""
        way = "run this again to go on, or with rotate_certificates_rollback=true to go back"
        if self.limits.renew == "wait":
            way += "; with renew: restart in mesh_certificates_rotation the workloads are restarted in waves"
        return f"cluster {self.cluster.name}: {what}: {'; '.join(rows)}{more}; {way}"

    def _help(self, turn: Attempt, look: RotationObservation, blockers: Sequence[Blocker], restarted: dict[str, _Tried]) -> None:
        """Restarts who is in the way: an istiod that does not take its Secret, then, where asked for, workloads in waves."""
        proxies = {one.name for one in look.mesh.proxies}
        silent = {one.name for one in look.mesh.proxies if one.error}
        others = [one.resource for one in blockers if one.resource not in proxies]
        if others:
            # New pods would get the old roots from an istiod that lags behind: it comes first.
            istiods = {one.name for one in look.mesh.istiods if not one.error}
            if istiods.intersection(others) and turn.waited >= self.limits.istiod_grace:
                self._restart(turn, self._due(self._owners([name for name in others if name in istiods], look), restarted), restarted)
            return
        if self.limits.renew == "restart":
            # Who does not answer may be well: a restart would be a guess.
            owners = self._owners([one.resource for one in blockers if one.resource not in silent], look)
            self._restart(turn, self._after_a_first_one(owners, restarted), restarted)

    def _due(self, refs: Sequence[Ref], restarted: Mapping[str, _Tried]) -> list[Ref]:
        """Those that were not restarted yet, or long enough ago to try again."""
        now = self.clock()
        return [ref for ref in refs if str(ref) not in restarted or now - restarted[str(ref)].at >= restarted[str(ref)].pause]

    def _after_a_first_one(self, refs: Sequence[Ref], restarted: Mapping[str, _Tried]) -> list[Ref]:
        """One workload goes first: an istiod that has not read its Secret yet gives new pods what old ones have, and nobody sees that."""
        waiting = {str(ref) for ref in refs}
        if any(name not in waiting for name in restarted):
            return self._due(refs, restarted)
        return self._due([ref for ref in refs if str(ref) in restarted] or refs[:1], restarted)

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
        order = LayerRequest(self.mesh, layer, adopt=adopt, force_conflicts=True, wait=False, timing=self.timing)
        self.changed = apply_layer(self.cluster, [obj], order).changed or self.changed

    def _restart_istiods(self, turn: Attempt, look: RotationObservation, before: Authority, after: Authority) -> None:
        names = [one.name for one in look.mesh.istiods if needs_restart(one, before, after)]
        self._restart(turn, self._owners(names, look), {})

    def _owners(self, names: Iterable[str], look: RotationObservation) -> list[Ref]:
        """The workloads of these pods; pods that nobody would make again are left out."""
        found: dict[Ref, None] = {}
        sets: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = {}
        for name in names:
            pod = look.pods.get(name)
            owner = _controller(pod) if pod else None
            namespace = (pod or {}).get("metadata", {}).get("namespace", "")
            if owner and owner["kind"] == "ReplicaSet":
                if namespace not in sets:
                    rows = self.cluster.list("apps/v1", "ReplicaSet", namespace=namespace, trim=lambda one: {"metadata": one["metadata"]})
                    sets[namespace] = {(namespace, row["metadata"]["name"]): row for row in rows}
                owner = _controller(sets[namespace].get((namespace, owner["name"])) or {})
            if owner and owner["kind"] in _KINDS:
                found[Ref("apps/v1", owner["kind"], namespace, owner["name"])] = None
        return list(found)

    def _restart(self, turn: Attempt, refs: Sequence[Ref], restarted: dict[str, _Tried]) -> None:
        """Wave after wave; the next one begins when all of this one is ready."""
        size = max(1, self.limits.wave_size)
        for wave in (refs[start : start + size] for start in range(0, len(refs), size)):
            stamp = {"metadata": {"annotations": {_RESTARTED: self.cluster.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")}}}
            self.cluster.map(
                lambda ref, stamp=stamp: self.cluster.patch(  # type: ignore[misc]
                    {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": {"name": ref.name, "namespace": ref.namespace}},
                    {"spec": {"template": stamp}},
                ),
                wave,
            )
            self.changed = True
            turn.waves.append([str(ref) for ref in wave])
            turn.restarted += [str(ref) for ref in wave]
            wait_ready(self.cluster, wave, self.timing)
            for ref in wave:
                times = restarted[str(ref)].times + 1 if str(ref) in restarted else 1
                restarted[str(ref)] = _Tried(self.clock(), times)


def _controller(obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
    rows = (obj.get("metadata") or {}).get("ownerReferences") or []
    return next((row for row in rows if row.get("controller")), None)
