# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""One layer of objects: read, decide, write in order, wait."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from .._errors import ConfigError, KindMissing
from .._model.diff import Verdict, changes, cleaned, compare, essence, owned_fields
from .._model.objects import CREATED, LAYER, MANAGED_BY, MANAGER, MESH, Ref, by_rank, group_of, is_ours, prepare, selector
from .client import Cluster, NotFound
from .wait import Timing, read_all, wait_gone, wait_ready

__all__ = ["Order", "Outcome", "Row", "run"]

_CRD = "CustomResourceDefinition"
_CRD_SECONDS = 60.0
# kinds that controllers make from others, with the labels of their owners
_NEVER_PRUNED = frozenset(
    {
        "Event",
        "Pod",
        "ReplicaSet",
        "ControllerRevision",
        "Endpoints",
        "EndpointSlice",
        "Lease",
        "PodMetrics",
        "NodeMetrics",
        "PackageManifest",
    }
)


@dataclass(frozen=True)
class Order:
    """What a layer asks for."""

    mesh: str
    layer: str
    state: str = "present"
    force_conflicts: bool = False
    adopt: frozenset[str] = frozenset()
    prune: bool = False
    wait: bool = True
    dry_run: bool = False
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True)
class Row:
    """What became of one object."""

    ref: Ref
    status: str
    note: str = ""
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """A write happened, or would have."""
        return self.status != "unchanged"

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

    def _lines(self) -> list[str]:
        if self.status != "changed":
            return []
        return changes(self.before, self.after) or ["fields that are not shown here (a schema)"]


@dataclass(frozen=True)
class Outcome:
    """A finished layer."""

    rows: tuple[Row, ...]
    waited: float

    @property
    def changed(self) -> bool:
        """At least one object was written."""
        return any(row.changed for row in self.rows)

    @property
    def summary(self) -> dict[str, int]:
        """How many rows of each status."""
        return dict(sorted(Counter(row.status for row in self.rows).items()))


def run(cluster: Cluster, objects: Any, order: Order) -> Outcome:
    """Bring the layer to its state; nothing is written before all checks have passed."""
    cluster.require_clock()
    wanted = {Ref.of(obj): obj for obj in prepare(objects, mesh=order.mesh, layer=order.layer)}
    if order.state == "absent":
        return _remove(cluster, list(wanted), order)
    return _Present(cluster, order, wanted).run()


class _Present:
    """state: present."""

    def __init__(self, cluster: Cluster, order: Order, wanted: dict[Ref, dict[str, Any]]) -> None:
        self.cluster = cluster
        self.order = order
        self.wanted = wanted
        self.live: dict[Ref, dict[str, Any]] = {}

    def run(self) -> Outcome:
        new_kinds = self._check_kinds()
        self.live = read_all(self.cluster, [ref for ref in self.wanted if ref not in new_kinds])
        self._settle_owners()
        rows: list[Row] = []
        if self.order.dry_run:
            rows += [Row(ref, "new_kind", "the API gets this kind later", {}, cleaned(self.wanted[ref])) for ref in new_kinds]
            groups = by_rank(ref for ref in self.wanted if ref not in new_kinds)
        else:
            groups = by_rank(self.wanted)
        for group in groups:
            rows += self.cluster.map(self._write, group)
            self._wait_for_crds(group)
        if self.order.prune:
            rows += _prune(self.cluster, {ref.identity for ref in self.wanted}, self.order)
        waited = 0.0
        if self.order.wait and not self.order.dry_run:
            # where nothing was written, what was read a moment ago is the first look
            fresh = None if any(row.changed for row in rows) else self.live
            waited = wait_ready(self.cluster, self.wanted, self.order.timing, seen_now=fresh)
        place = {ref: number for number, ref in enumerate(self.wanted)}
        rows.sort(key=lambda row: place.get(row.ref, len(place)))
        return Outcome(tuple(rows), waited)

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
            elif not is_ours(live):
                if str(ref) not in self.order.adopt:
                    refused.append(f"{ref} ({_owner(live)})")
            elif not is_ours(live, self.order.mesh) and str(ref) not in self.order.adopt:
                shared = _with_labels_of(self.wanted[ref], live)
                if compare(live, shared, MANAGER) is Verdict.SAME:
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

    def _write(self, ref: Ref) -> Row:
        live, wanted = self.live.get(ref), self.wanted[ref]
        # what is on its way out is not there any more, also when it looks as wanted
        if live is not None and live["metadata"].get("deletionTimestamp"):
            if self.order.dry_run:
                return Row(ref, "created", "it is being deleted now and is made again after that", {}, cleaned(wanted, "after"))
            wait_gone(self.cluster, [ref], self.order.timing)
            live = None
        if compare(live, wanted, MANAGER) is Verdict.SAME:
            return Row(ref, "unchanged")
        if self.order.dry_run and self._has_no_namespace(ref):
            return Row(ref, "created", "its namespace does not exist yet", {}, cleaned(wanted, "after"))
        try:
            result = self.cluster.apply(wanted, field_manager=MANAGER, dry_run=self.order.dry_run, force=self._force(ref, live))
        except NotFound:
            if not self.order.dry_run:
                raise
            return Row(ref, "created", "its namespace does not exist yet", {}, cleaned(wanted, "after"))
        if live is None:
            return Row(ref, "created", "", {}, cleaned(result, "after"))
        if essence(live) == essence(result):
            return Row(ref, "unchanged")
        return Row(ref, "changed", "", cleaned(live, "before", result), cleaned(result, "after", live))

    def _force(self, ref: Ref, live: dict[str, Any] | None) -> bool:
        """Adoption takes the fields over with the object."""
        return self.order.force_conflicts or (live is not None and not is_ours(live) and str(ref) in self.order.adopt)

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
    if MANAGED_BY in there:
        ours = {key: value for key, value in ours.items() if key not in (MANAGED_BY, MESH, LAYER)}
        if is_ours(live):
            ours.update({key: there[key] for key in (MANAGED_BY, MESH, LAYER) if key in there})
    notes = dict(wanted["metadata"].get("annotations") or {})
    if (live["metadata"].get("annotations") or {}).get(CREATED) == "true":
        notes[CREATED] = "true"
    meta = {"name": wanted["metadata"]["name"], "labels": ours, **({"annotations": notes} if notes else {})}
    return {"apiVersion": wanted["apiVersion"], "kind": wanted["kind"], "metadata": meta}


def _owner(live: dict[str, Any]) -> str:
    meta = live["metadata"]
    label = (meta.get("labels") or {}).get(MANAGED_BY)
    if label:
        return f"{MANAGED_BY}: {label}"
    managers = sorted({entry.get("manager", "") for entry in meta.get("managedFields") or [] if not entry.get("subresource")})
    return f"no {MANAGED_BY} label, written by {', '.join(managers) or 'unknown'}"


def _prune(cluster: Cluster, keep: set[tuple[str, str, str | None, str]], order: Order) -> list[Row]:
    """Objects of this mesh and layer that we applied once and that are no longer wanted."""
    kinds: dict[tuple[str, str], str] = {}
    for (api_version, kind), resource in cluster.resources().items():
        if kind not in _NEVER_PRUNED and {"list", "delete"} <= set(resource.verbs):
            kinds.setdefault((group_of(api_version), kind), api_version)

    def candidates(item: tuple[tuple[str, str], str]) -> list[dict[str, Any]]:
        try:
            return cluster.list(item[1], item[0][1], label_selector=selector(order.mesh, order.layer))
        except KindMissing:
            return []

    found = [obj for part in cluster.map(candidates, kinds.items()) for obj in part]
    stale = {Ref.of(obj): obj for obj in found if _may_go(obj, order) and owned_fields(obj, MANAGER)}
    stale = {ref: obj for ref, obj in stale.items() if ref.identity not in keep and not obj["metadata"].get("ownerReferences")}
    return _delete(cluster, stale, order, "pruned")


def _may_go(obj: dict[str, Any], order: Order) -> bool:
    if not is_ours(obj, order.mesh):
        return False
    return obj["kind"] != "Namespace" or (obj["metadata"].get("annotations") or {}).get(CREATED) == "true"


def _delete(cluster: Cluster, doomed: dict[Ref, dict[str, Any]], order: Order, status: str) -> list[Row]:
    rows: list[Row] = []

    def one(ref: Ref) -> Row:
        cluster.delete(ref.api_version, ref.kind, ref.name, ref.namespace, dry_run=order.dry_run)
        return Row(ref, status, "", cleaned(doomed[ref], "before"), {})

    for group in reversed(by_rank(doomed)):
        rows += cluster.map(one, group)
        if order.wait and not order.dry_run:
            wait_gone(cluster, group, order.timing)
    return rows


def _remove(cluster: Cluster, refs: list[Ref], order: Order) -> Outcome:
    """state: absent. Only what is ours goes; a Namespace that was there before us only loses what we set."""
    live = read_all(cluster, refs)
    doomed = {ref: obj for ref, obj in live.items() if _may_go(obj, order)}
    started = order.timing.clock()
    rows = {row.ref: row for row in _delete(cluster, doomed, order, "deleted")}
    waited = order.timing.clock() - started if doomed and order.wait else 0.0
    for ref in refs:
        if ref in rows:
            continue
        if ref.kind == "Namespace" and ref in live and owned_fields(live[ref], MANAGER):
            rows[ref] = _release(cluster, ref, live[ref], order)
        else:
            rows[ref] = Row(ref, "unchanged", f"not ours: {_owner(live[ref])}" if ref in live else "")
    return Outcome(tuple(rows[ref] for ref in refs), waited)


def _release(cluster: Cluster, ref: Ref, live: dict[str, Any], order: Order) -> Row:
    """An apply of nothing gives back the fields that we set."""
    bare = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": {"name": ref.name}}
    result = cluster.apply(bare, field_manager=MANAGER, dry_run=order.dry_run)
    return Row(ref, "changed", "it was there before us: only our labels are taken off", cleaned(live), cleaned(result))
