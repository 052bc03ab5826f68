# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""One layer of objects: read, decide, write in order, wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from .._errors import ConfigError, KindMissing
from .._kube.client import Cluster, NotFound
from .._kube.wait import Timing, read_all, wait_gone, wait_ready
from .._model.diff import DiffVerdict, changes, cleaned, compare, essence
from .._model.objects import (
    CREATED,
    LAYER,
    MANAGED_BY,
    MANAGER,
    MESH,
    Ref,
    by_rank,
    group_of,
    is_ours,
    made_by_us,
    owner_text,
    prepare,
    sets_field,
)
from .._text import shown_line
from .removal import Allowed, Removal, look_again, plan_removal, release, stale_objects

__all__ = ["LayerRequest", "LayerResult", "ObjectResult", "run"]

_CRD = "CustomResourceDefinition"
_PROJECT_REQUEST = ("project.openshift.io/v1", "ProjectRequest")
_CRD_SECONDS = 60.0
# how a row is said in a plan and after the work
_PLANNED = {
    "created": "would create",
    "changed": "would change",
    "deleted": "would delete",
    "pruned": "would prune",
    "released": "would let go of",
    "kept": "would keep",
    "unchanged": "would leave alone",
    "new_kind": "would create, once its kind is installed,",
}
_DONE = {
    "created": "created",
    "changed": "changed",
    "deleted": "deleted",
    "pruned": "pruned",
    "released": "let go of",
    "kept": "kept",
    "unchanged": "left alone",
}


@dataclass(frozen=True)
class LayerRequest:
    """What a layer asks for."""

    mesh: str
    layer: str
    state: str = "present"
    force_conflicts: bool = False
    adopt: frozenset[str] = frozenset()
    prune: bool = False
    kinds: frozenset[tuple[str, str]] = frozenset()  # that the layer can have; none: any
    allowed: Allowed = field(default_factory=Allowed)
    projects: bool = False  # namespaces are asked for by ProjectRequests
    wait: bool = True
    dry_run: bool = False
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True)
class ObjectResult:
    """What became of one object."""

    ref: Ref
    status: str
    note: str = ""
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """A write happened, or would have."""
        return self.status not in ("unchanged", "kept")

    def to_dict(self) -> dict[str, Any]:
        """The module's row."""
        row: dict[str, Any] = {
            "kind": self.ref.kind,
            "apiVersion": self.ref.api_version,
            "namespace": self.ref.namespace or "",
            "name": self.ref.name,
            "status": self.status,
            "diff": self._lines(),
        }
        return {**row, "note": self.note} if self.note else row

    def line(self, *, planned: bool) -> str:
        """For people; empty where there is nothing to say."""
        if self.status == "unchanged" and not self.note:
            return ""
        word = _PLANNED[self.status] if planned else _DONE[self.status]
        return f"{word} {self.ref}{f' ({self.note})' if self.note else ''}"

    def _lines(self) -> list[str]:
        if self.status not in ("changed", "released"):
            return []
        return [shown_line(line) for line in changes(self.before, self.after)] or ["fields that are not shown here (a schema)"]


@dataclass(frozen=True)
class LayerResult:
    """A finished layer."""

    rows: tuple[ObjectResult, ...]
    waited: float

    @property
    def changed(self) -> bool:
        """At least one object was written."""
        return any(row.changed for row in self.rows)

    def lines(self, *, planned: bool, leaving: bool = False) -> list[str]:
        """What changes and what is worth a word; leaving: only what is not wanted any more, whether it goes or stays."""
        rows = [
            row
            for row in self.rows
            if not leaving or row.status in ("pruned", "released", "kept") or (row.note and row.status in ("changed", "unchanged"))
        ]
        return [text for text in (row.line(planned=planned) for row in rows) if text]

    @property
    def summary(self) -> dict[str, int]:
        """How many rows of each status."""
        return dict(sorted(Counter(row.status for row in self.rows).items()))


def run(cluster: Cluster, objects: Any, order: LayerRequest) -> LayerResult:
    """Bring the layer to its state; nothing is written before all checks have passed."""
    cluster.require_clock()
    wanted = {Ref.of(obj): obj for obj in prepare(objects, mesh=order.mesh, layer=order.layer)}
    _require_kinds(wanted, order)
    if order.state == "absent":
        return _remove(cluster, list(wanted), order)
    return _Present(cluster, order, wanted).run()


def _require_kinds(wanted: Iterable[Ref], order: LayerRequest) -> None:
    """What no prune would find again is not written in the first place."""
    strange = [ref for ref in wanted if order.kinds and (group_of(ref.api_version), ref.kind) not in order.kinds]
    if strange:
        listed = ", ".join(f"{ref} ({ref.api_version})" for ref in strange)
        kinds = ", ".join(sorted(f"{group}/{kind}".lstrip("/") for group, kind in order.kinds))
        raise ConfigError(
            f"layer {order.layer}: {listed}: prune_kinds names the kinds of the layer, {kinds}: add the kind there, or leave the object out"
        )


class _Present:
    """state: present."""

    def __init__(self, cluster: Cluster, order: LayerRequest, wanted: dict[Ref, dict[str, Any]]) -> None:
        self.cluster = cluster
        self.order = order
        self.wanted = wanted
        self.live: dict[Ref, dict[str, Any]] = {}

    def run(self) -> LayerResult:
        new_kinds = self._check_kinds()
        self.live = self._read([ref for ref in self.wanted if ref not in new_kinds])
        self._settle_owners()
        self._require_projects()
        # what may not be deleted is refused before anything is written
        stale: dict[Ref, dict[str, Any]] = {}
        if self.order.prune:
            keep = {ref.identity for ref in self.wanted}
            stale = stale_objects(self.cluster, keep, self.order.mesh, self.order.layer, self.order.kinds)
        removal = plan_removal(self.cluster, stale, self.order.mesh, self.order.allowed)
        rows: list[ObjectResult] = []
        if self.order.dry_run:
            rows += [ObjectResult(ref, "new_kind", "the API gets this kind later", {}, cleaned(self.wanted[ref])) for ref in new_kinds]
            groups = by_rank(ref for ref in self.wanted if ref not in new_kinds)
        else:
            groups = by_rank(self.wanted)
        for group in groups:
            rows += self.cluster.map(self._write, group)
            self._wait_for_crds(group)
        rows += _removed(self.cluster, removal, stale, self.order, pruned=True).values()
        waited = 0.0
        if self.order.wait and not self.order.dry_run:
            # where nothing was written, what was read a moment ago is the first look
            fresh = None if any(row.changed for row in rows) else self.live
            waited = wait_ready(self.cluster, self.wanted, self.order.timing, seen_now=fresh)
        place = {ref: number for number, ref in enumerate(self.wanted)}
        rows.sort(key=lambda row: place.get(row.ref, len(place)))
        return LayerResult(tuple(rows), waited)

    def _check_kinds(self) -> set[Ref]:
        """Kinds that the API does not have yet: fine in check mode and when their CRD comes with us."""
        brought = {
            (obj["spec"]["group"], obj["spec"]["names"]["kind"])
            for ref, obj in self.wanted.items()
            if ref.kind == _CRD and isinstance(obj.get("spec"), dict) and isinstance(obj["spec"].get("names"), dict)
        }
        new, missing = set(), []
        for ref in self.wanted:
            try:
                resource = self.cluster.resource(ref.api_version, ref.kind)
            except KindMissing:
                new.add(ref)
                if (group_of(ref.api_version), ref.kind) not in brought:
                    missing.append(ref)
                continue
            if resource.namespaced and not ref.namespace:
                raise ConfigError(f"cluster {self.cluster.name}: {ref} needs metadata.namespace: {ref.kind} is a namespaced kind")
            if not resource.namespaced and ref.namespace:
                raise ConfigError(f"cluster {self.cluster.name}: {ref} must not have metadata.namespace: {ref.kind} has none")
        if missing and not self.order.dry_run:
            listed = ", ".join(sorted({f"{ref.kind} ({ref.api_version}), wanted for {ref}" for ref in missing}))
            raise KindMissing(
                f"cluster {self.cluster.name}: the API does not have these kinds: {listed}; "
                "deliver the layer that installs their operator first and wait for it; nothing was written"
            )
        return new

    def _settle_owners(self) -> None:
        """Refuse what is somebody else's; share what only other meshes of ours have as well."""
        refused = []
        for ref, live in self.live.items():
            if ref.kind == "Namespace":
                self.wanted[ref] = _shared_namespace(self.wanted[ref], live)
            elif not made_by_us(live):
                if str(ref) not in self.order.adopt:
                    refused.append(f"{ref} ({owner_text(live)})")
            elif not is_ours(live, self.order.mesh) and str(ref) not in self.order.adopt:
                shared = _with_labels_of(self.wanted[ref], live)
                if compare(live, shared, MANAGER) is DiffVerdict.SAME:
                    self.wanted[ref] = shared
                else:
                    refused.append(f"{ref} (mesh {live['metadata']['labels'].get(MESH)}, with other content)")
        if refused:
            raise ConfigError(
                f"cluster {self.cluster.name}: not ours, so not touched: {', '.join(refused)}; nothing was written. "
                "Rename our object, remove the other, or name it in adopt ('Kind namespace/name') to take it over"
            )
        for ref, obj in self.wanted.items():
            if ref.kind == "Namespace" and ref not in self.live:
                notes = {**(obj["metadata"].get("annotations") or {}), CREATED: "true"}
                self.wanted[ref] = {**obj, "metadata": {**obj["metadata"], "annotations": notes}}

    def _read(self, refs: list[Ref]) -> dict[Ref, dict[str, Any]]:
        if not self.order.projects:
            return read_all(self.cluster, refs)
        spaces = [ref for ref in refs if ref.kind == "Namespace"]
        found = read_all(self.cluster, spaces)
        # in a project that is not there yet nobody may read anything
        missing = {ref.name for ref in spaces} - {ref.name for ref in found}
        return found | read_all(self.cluster, [ref for ref in refs if ref.kind != "Namespace" and ref.namespace not in missing])

    def _require_projects(self) -> None:
        """Before anything is written: does the API take ProjectRequests, where some are to be made?"""
        asked = [ref for ref in self.wanted if self._asks_for(ref)]
        if not asked:
            return
        try:
            self.cluster.resource(*_PROJECT_REQUEST)
        except KindMissing:
            raise KindMissing(
                f"cluster {self.cluster.name}: namespaces_by is project, for {', '.join(map(str, asked))}, and the API has no "
                "ProjectRequest (project.openshift.io/v1), so it is no OpenShift: use namespaces_by namespace (mesh_namespaces_by); "
                "nothing was written"
            ) from None

    def _asks_for(self, ref: Ref) -> bool:
        return self.order.projects and ref.kind == "Namespace" and ref not in self.live

    def _write(self, ref: Ref) -> ObjectResult:
        live, wanted = self.live.get(ref), self.wanted[ref]
        # what is on its way out is not there any more, also when it looks as wanted
        if live is not None and live["metadata"].get("deletionTimestamp"):
            if self.order.dry_run:
                return ObjectResult(ref, "created", "it is being deleted now and is made again after that", {}, cleaned(wanted, "after"))
            wait_gone(self.cluster, [ref], self.order.timing)
            live = None
        if compare(live, wanted, MANAGER) is DiffVerdict.SAME:
            return ObjectResult(ref, "unchanged")
        if self._asks_for(ref):
            # whoever may not create namespaces may not even try to
            if self.order.dry_run:
                return ObjectResult(ref, "created", "by a ProjectRequest", {}, cleaned(wanted, "after"))
            version, kind = _PROJECT_REQUEST
            note = f"mesh {self.order.mesh}, by meshops.mesh"
            self.cluster.create({"apiVersion": version, "kind": kind, "metadata": {"name": ref.name}, "description": note})
        if self.order.dry_run and self._has_no_namespace(ref):
            return ObjectResult(ref, "created", "its namespace does not exist yet", {}, cleaned(wanted, "after"))
        try:
            result = self.cluster.apply(wanted, field_manager=MANAGER, dry_run=self.order.dry_run, force=self._force(ref, live))
        except NotFound:
            if not self.order.dry_run:
                raise
            return ObjectResult(ref, "created", "its namespace does not exist yet", {}, cleaned(wanted, "after"))
        if live is None:
            return ObjectResult(ref, "created", "", {}, cleaned(result, "after"))
        if essence(live) == essence(result):
            return ObjectResult(ref, "unchanged")
        return ObjectResult(ref, "changed", "", cleaned(live, "before", result), cleaned(result, "after", live))

    def _force(self, ref: Ref, live: dict[str, Any] | None) -> bool:
        """Adoption takes the fields over with the object."""
        return self.order.force_conflicts or (live is not None and not made_by_us(live) and str(ref) in self.order.adopt)

    def _has_no_namespace(self, ref: Ref) -> bool:
        home = Ref("v1", "Namespace", None, ref.namespace or "")
        return ref.namespace is not None and home in self.wanted and home not in self.live

    def _wait_for_crds(self, group: list[Ref]) -> None:
        crds = [ref for ref in group if ref.kind == _CRD]
        if not crds or self.order.dry_run:
            return
        wait_ready(self.cluster, crds, replace(self.order.timing, timeout=_CRD_SECONDS, interval=0.2))
        self.cluster.forget_resources()


def _with_labels_of(wanted: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    theirs = {key: value for key, value in (live["metadata"].get("labels") or {}).items() if key in (MESH, LAYER)}
    return {**wanted, "metadata": {**wanted["metadata"], "labels": {**wanted["metadata"]["labels"], **theirs}}}


def _shared_namespace(wanted: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """Only labels and annotations; whoever labelled it first as managed stays its manager."""
    there = live["metadata"].get("labels") or {}
    ours = dict(wanted["metadata"]["labels"])
    if made_by_us(live):
        ours.update({key: there[key] for key in (MANAGED_BY, MESH, LAYER) if key in there})
    elif MANAGED_BY in there:
        # which mesh has it is said nonetheless: by that it is found when it shall leave
        del ours[MANAGED_BY]
    notes = dict(wanted["metadata"].get("annotations") or {})
    if sets_field(live, "annotations", CREATED):
        notes[CREATED] = "true"
    meta = {"name": wanted["metadata"]["name"], "labels": ours, **({"annotations": notes} if notes else {})}
    return {"apiVersion": wanted["apiVersion"], "kind": wanted["kind"], "metadata": meta}


def _delete(cluster: Cluster, doomed: dict[Ref, dict[str, Any]], order: LayerRequest, status: str) -> list[ObjectResult]:
    rows: list[ObjectResult] = []

    def one(ref: Ref) -> ObjectResult:
        uid = str(doomed[ref]["metadata"].get("uid") or "")
        cluster.delete(ref.api_version, ref.kind, ref.name, ref.namespace, dry_run=order.dry_run, uid=uid)
        return ObjectResult(ref, status, "", cleaned(doomed[ref], "before"), {})

    for group in reversed(by_rank(doomed)):
        if rows and not order.dry_run:
            look_again(cluster, {ref: doomed[ref] for ref in group}, order.mesh, order.allowed)
        rows += cluster.map(one, group)
        if order.wait and not order.dry_run:
            wait_gone(cluster, group, order.timing)
    return rows


def _removed(
    cluster: Cluster, removal: Removal, live: dict[Ref, dict[str, Any]], order: LayerRequest, *, pruned: bool
) -> dict[Ref, ObjectResult]:
    """Carries a removal out; what was released carries the reason, and what is left to do."""
    rows = {row.ref: row for row in _delete(cluster, removal.delete, order, "pruned" if pruned else "deleted")}
    for ref, note in removal.release.items():
        after, more = release(cluster, ref, live[ref], order.mesh, dry_run=order.dry_run)
        text = f"{note}; {more}" if more else note
        rows[ref] = ObjectResult(ref, "released" if pruned else "changed", text, cleaned(live[ref]), cleaned(after))
    rows |= {ref: ObjectResult(ref, "kept", note) for ref, note in removal.keep.items()}
    return rows


def _remove(cluster: Cluster, refs: list[Ref], order: LayerRequest) -> LayerResult:
    """state: absent. Only what is ours goes; a Namespace that stays only loses what we set."""
    live = read_all(cluster, refs)
    # who would be left without this control plane is asked for by the roles, for the whole mesh and with a way to insist
    removal = plan_removal(cluster, live, order.mesh, replace(order.allowed, control_planes=True))
    started = order.timing.clock()
    rows = _removed(cluster, removal, live, order, pruned=False)
    waited = order.timing.clock() - started if removal.delete and order.wait else 0.0
    for ref in refs:
        rows.setdefault(ref, ObjectResult(ref, "unchanged", removal.others.get(ref, "")))
    return LayerResult(tuple(rows[ref] for ref in refs), waited)
