# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a rotation of a mesh's CA stands on: the CA of now, those that were replaced, and who of the mesh trusts which root."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._certificates.chain import build
from .._certificates.material import Material
from .._certificates.observed import mesh_of
from .._certificates.reading import read_bundle
from .._certificates.rotation import (
    Istiod,
    RotationState,
    RotationStep,
    plan,
    unfit,
)
from .._errors import ConfigError, NotReady
from .._kube.auth import Dialer
from .._kube.client import Cluster
from .._kube.lease import Lock
from .._model.problem import Problem
from .._model.secrets_used import CACERTS, OWN, ROOT_MAP
from .istiods import read_istiods
from .proxies import proxy_pods, read_proxies
from .restart import RestartEngine, RestartSettings

__all__ = [
    "GO_ON",
    "SAVED_AT",
    "SAVED_LAYER",
    "TAKEN_BACK",
    "WRITE_AGAIN",
    "Attempt",
    "AuthorityGone",
    "RotationLimits",
    "RotationObservation",
    "RotationReading",
    "Saved",
]

SAVED_LAYER = "certificates_rotation"
SAVED_AT, TAKEN_BACK = "mesh.meshops.io/saved-at", "mesh.meshops.io/taken-back"
WRITE_AGAIN = "write the CA that its istiod still has with the playbook meshops.mesh.issue_certificates, before istiod is restarted"
_HOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
GO_ON = (
    "nothing is lost: run this again to go on where it was, or with rotate_certificates_rollback=true to go back; "
    "workload_timeout in mesh_certificates_rotation is how long a restarted workload may take"
)


class AuthorityGone(ConfigError):
    """There is no Secret with a CA."""


@dataclass(frozen=True)
class RotationLimits:
    """How long, how often, how many at a time. Seconds.

    renew: "wait" for certificates to be renewed by themselves, or "restart" the workloads in waves of wave_size.
    istiod_grace: for so long an istiod may take a new Secret by itself before it is restarted. restart: how the engine goes about a wave.
    """

    gate: float = 600.0
    interval: float = 2.0
    renew: str = "wait"
    wave_size: int = 10
    istiod_grace: float = 120.0
    proxy: float = 5.0
    proxies: float = 60.0
    restart: RestartSettings = field(default_factory=RestartSettings)


@dataclass(frozen=True)
class Saved:
    """A CA that was replaced. at: when, as text that sorts; taken_back: by a way back, so it is no goal of one."""

    name: str
    material: Material
    at: str
    taken_back: bool


@dataclass(frozen=True)
class RotationObservation:
    """Everything at one moment."""

    current: Material
    plugged: Mapping[str, Any] | None
    mesh: RotationState
    pods: Mapping[str, Mapping[str, Any]]  # by resource: istiods and proxies


@dataclass
class Attempt:
    """One step: what it was, whom its gate asked, what was done. loose: pods that no restart makes anew, and why."""

    phase: str = ""
    asked: dict[str, int] = field(default_factory=dict)
    blockers: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    waves: list[list[str]] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)
    loose: dict[str, str] = field(default_factory=dict)
    waited: float = 0.0
    written: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As the module returns it."""
        rows = [{"resource": one.resource, "reason": one.message, "remedy": one.remedy} for one in self.blockers]
        return {
            "phase": self.phase,
            "asked": self.asked,
            "blockers": rows,
            "waves": self.waves,
            "restarted": self.restarted,
            "loose": [{"resource": name, "reason": reason} for name, reason in self.loose.items()],
            "waited": round(self.waited, 1),
            "written": self.written,
        }


class RotationReading:
    """A mesh and its goal. members: namespaces with proxies; None for all that the cluster has."""

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
        lock: Lock | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.cluster, self.dialer, self.mesh, self.namespace = cluster, dialer, mesh, namespace
        self.members = None if members is None else sorted({namespace, *members})
        self.limits, self.back, self.dry_run, self.clock, self.sleep = limits, back, dry_run, clock, sleep
        self.remove_own = remove_own
        self.engine = RestartEngine(cluster, lock=lock, settings=limits.restart, clock=clock, sleep=sleep)
        self.changed = False
        self.turns: list[Attempt] = []  # also the one that ended with an error

    def _secret(self, name: str) -> dict[str, Any] | None:
        return self.cluster.get("v1", "Secret", name, self.namespace)

    def _where(self, name: str) -> str:
        return f"cluster {self.cluster.name}: Secret {self.namespace}/{name}"

    def current(self) -> tuple[Material, dict[str, Any] | None]:
        """The CA that istiod has, and cacerts where that is it."""
        plugged, own = self.cluster.map(self._secret, (CACERTS, OWN))
        secret = plugged or own
        if secret is None:
            raise AuthorityGone(
                f"{self._where(CACERTS)} and {OWN} do not exist, so istiod has no CA that could be replaced. Install the "
                f"control plane first, or name its namespace; if the Secret was deleted under a mesh that runs, {WRITE_AGAIN}"
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
