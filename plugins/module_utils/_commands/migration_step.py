# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Takes a step of the migration: look, write, restart in waves, wait. Nothing is remembered between two calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._errors import NotReady
from .._kube.client import Cluster
from .._kube.collect import collect
from .._kube.lease import Lock
from .._kube.progress import Progress, few
from .._kube.wait import Timing, wait_gone
from .._migration.convert import convert
from .._migration.gateways import gateways_of
from .._migration.settings import Domain, MigrationSettings, Plane, domains_of, members_of, plane_of
from .._migration.state import NEW, OLD, revisions_of
from .._migration.steps import (
    MigrationStep,
    back,
    gateways_back,
    gateways_moved,
    gateways_waiting,
    moved,
    prepared,
    released,
    removed,
    restarts,
    roots_waiting,
    tidied,
    waiting,
)
from .._model.objects import Ref
from .._model.snapshot import Snapshot
from .._rights.reads import MIGRATION
from .._text import shortened
from .restart import RestartEngine, RestartSettings, waves_of
from .sources import require_whole

__all__ = ["STEPS", "Migration"]

STEPS = ("prepared", "moved", "back", "gateways_moved", "gateways_back", "removed")
_SHOWN = 15


@dataclass
class Migration:
    """One call. plane: name and namespace, which have to be given once the ServiceMeshControlPlane is gone.

    lock_of: the lock of the mesh, by the control plane's namespace; None where nobody else is kept out.
    """

    cluster: Cluster
    settings: MigrationSettings
    name: str = ""
    namespace: str = ""
    domains: list[dict[str, Any]] = field(default_factory=list)
    wave_size: int = 10
    timing: Timing = field(default_factory=Timing)
    restart: RestartSettings = field(default_factory=RestartSettings)
    lock_of: Callable[[str], Lock] | None = None
    take_over: bool = False
    dry_run: bool = False
    changed: bool = False
    lines: list[str] = field(default_factory=list)
    engine: RestartEngine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = RestartEngine(self.cluster, settings=self.restart, clock=self.timing.clock, sleep=self.timing.sleep)

    @property
    def restarted(self) -> list[str]:
        """Workloads that were restarted."""
        return self.engine.restarted

    def take(self, step: str, domain: str = "") -> None:
        """The whole step, while no other run works on this mesh."""
        self.cluster.require_clock()
        if self.lock_of is None or self.dry_run:
            self._take(step, domain)
            return
        namespace = self.namespace or plane_of(self._look(), name=self.name, namespace="").namespace
        self.engine.lock = self.lock_of(namespace)
        self.engine.lock.acquire(take_over=self.take_over)
        try:
            self._take(step, domain)
        finally:
            self.engine.lock.release(keep=False)

    def _take(self, step: str, domain: str) -> None:
        if step == "removed":
            self._remove()
            return
        seen = self._look()
        plane = plane_of(seen, name=self.name, namespace=self.namespace)
        members = members_of(seen, plane)
        if step == "prepared":
            self._write(prepared(seen, plane, self.settings, members), "the namespaces")
        elif step in ("moved", "back"):
            one = next(row for row in domains_of(self.domains, members) if row.name == domain)
            self._domain(seen, plane, one, NEW if step == "moved" else OLD)
        else:
            self._gateways(seen, plane, NEW if step == "gateways_moved" else OLD)

    # parts

    def _look(self) -> Snapshot:
        """Of Secrets the CA of this mesh only: an account of one mesh may not read those of another."""
        return require_whole(collect(self.cluster, kinds=MIGRATION, plane=self.namespace), kinds=MIGRATION, family="migration")

    def _write(self, step: MigrationStep, what: str) -> None:
        if step.blockers:
            raise NotReady(f"cluster {self.cluster.name}: {what}: nothing was written: {_list(step.blockers)}")
        self.lines += step.notes
        for write in step.writes:
            self.engine.require_lock()
            self.lines.append(write.said)
            self.changed = True
            ref = write.ref
            if write.body is None:
                self.cluster.delete(ref.api_version, ref.kind, ref.name, ref.namespace, dry_run=self.dry_run)
            else:
                self.cluster.patch(_object(ref), write.body, dry_run=self.dry_run)

    def _until(self, what: str, look: Callable[[], list[str]]) -> None:
        """Looks until nothing is in the way; the last reasons go into the message."""
        if self.dry_run:
            return
        start, progress = self.timing.clock(), Progress(self.cluster.name, self.timing.clock)
        while True:
            left = look()
            if not left:
                return
            if self.timing.clock() - start >= self.timing.timeout:
                raise NotReady(
                    f"cluster {self.cluster.name}: {what}: not after {self.timing.timeout:.0f} s: {_list(left)}; "
                    "run it again to go on, or go back"
                )
            if progress.due():
                progress.say(f"{what}: {few(left)}")
            self.timing.sleep(self.timing.interval)

    def _domain(self, seen: Snapshot, plane: Plane, domain: Domain, side: str) -> None:
        what = f"domain {domain.name}"
        step = (moved if side == NEW else back)(seen, plane, self.settings, domain)
        refs, lonely = restarts(seen, plane, self.settings, domain, side)
        titles = [str(ref) for ref in refs]
        never = () if step.blockers else tuple(map(str, self.engine.hopeless(titles)))
        self._write(replace(step, blockers=(*step.blockers, *never)), what)
        self.lines += [f"Pod {name}: no controller recreates it, so it keeps its proxy" for name in lonely]
        self._restart(titles)

        def look() -> list[str]:
            now = self._look()
            return waiting(now, plane, self.settings, domain, side) + roots_waiting(now, plane, domain.namespaces)

        self._until(what, look)

    def _restart(self, titles: list[str]) -> None:
        """All of a wave are ready before the next one begins. In a dry run it is only said."""

        def begun(wave: Sequence[str]) -> None:
            self.changed = True
            self.lines.append(f"restarted {', '.join(wave)}")

        if self.dry_run:
            self.engine.restarted += titles
            for wave in waves_of(titles, self.wave_size):
                begun(wave)
            return
        for _wave in self.engine.restart_in_waves(titles, self.wave_size, begun=begun, remedy="run it again to go on, or go back"):
            pass

    def _gateways(self, seen: Snapshot, plane: Plane, side: str) -> None:
        if side == NEW:
            found = {one.name: (one.namespace, one.path) for one in gateways_of(seen, plane, convert(plane.raw))}
            self._write(gateways_moved(seen, plane, found), "the gateways")
        else:
            # those that an injected Deployment of ours stands for
            found = {name: (namespace, path) for name, namespace, path in _replaced(seen, plane)}
            self._write(gateways_back(seen, plane, found), "the gateways")
        self._until("the gateways", lambda: gateways_waiting(self._look(), plane, found, side))

    def _remove(self) -> None:
        seen = self._look()
        plane = Plane(self.name, self.namespace, seen.get("ServiceMeshControlPlane", self.name, self.namespace) or {})
        given = tuple(str(space) for one in self.domains for space in one.get("namespaces") or ())
        members = tuple(dict.fromkeys((*given, *members_of(seen, plane))))
        new = revisions_of(seen, plane, self.settings)
        going = removed(seen, self.name, self.namespace, new, members)
        if going.writes and not going.blockers:
            self._write(released(seen, plane), "what stays in use")
        for write in going.writes if not going.blockers else ():
            self._write(MigrationStep((write,)), "OSSM 2")
            if not self.dry_run:
                # one after the other: a member that goes first would take its namespace's labels while the control plane still injects
                wait_gone(self.cluster, [write.ref], self.timing)
        if going.blockers:
            self._write(going, "OSSM 2")
        if not self.dry_run:
            self._write(tidied(self._look(), self.name, self.namespace, members), "what OSSM 2 leaves behind")
        self._until("the root certificates", lambda: roots_waiting(self._look(), plane, members))


def _replaced(seen: Snapshot, plane: Plane) -> list[tuple[str, str, str]]:
    """Gateways of the resource that are off, and have an injected Deployment: name, namespace, path."""
    spec = (plane.raw.get("spec") or {}).get("gateways") or {}
    rows = [(f"istio-{kind}gateway", f"gateways.{kind}", spec.get(kind) or {}) for kind in ("ingress", "egress")]
    for kind in ("Ingress", "Egress"):
        rows += [(name, f"gateways.additional{kind}.{name}", one or {}) for name, one in (spec.get(f"additional{kind}") or {}).items()]
    return [
        (name, one.get("namespace") or plane.namespace, path)
        for name, path, one in rows
        if seen.get("Deployment", f"{name}-injected", one.get("namespace") or plane.namespace) is not None
    ]


def _object(ref: Ref) -> dict[str, Any]:
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": {"name": ref.name, "namespace": ref.namespace}}


def _list(rows: Any) -> str:
    return shortened(rows, _SHOWN, "; ")
