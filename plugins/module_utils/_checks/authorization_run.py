# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What authorization_check and authorization_diff return: rows, what was proven, and a text for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._authorization.automata import TooManyError
from .._authorization.change import Difference, difference_of, text_of
from .._authorization.inventory import Inventory, take
from .._authorization.proof import Coverage, count, read_matrix, settings
from .._authorization.seen import seen_of
from .._authorization.world import World
from .._errors import ConfigError
from .._model.mesh_config import is_mesh_config, istiod_deployment
from .._model.objects import group_of
from .._model.scope import DEFAULT, is_namespaced
from .._model.snapshot import Snapshot
from .._model.text import joined, shown
from .authorization import scene_of
from .inputs import intent_from, options_from
from .render import table
from .runner import Report, run_checks_on
from .table import CHECKS
from .types import Status
from .view import View

__all__ = ["Checked", "mesh_settings", "overlaid", "run_authorization_checks", "run_authorization_diff"]

_SHOWN = 8  # places that are open to anyone
_MATRIX = ("OSM3301", "OSM3302")
_PLANES = {("sailoperator.io", "Istio"), ("sailoperator.io", "IstioRevision"), ("maistra.io", "ServiceMeshControlPlane")}
_SETTINGS = ("trust_domain", "trust_domain_aliases", "root_namespace", "path_normalization")


@dataclass(frozen=True)
class Checked:
    report: Report
    coverage: Coverage
    proven: bool | None  # None: no matrix was given
    mesh: Mapping[str, Any]
    assumptions: tuple[str, ...]
    text: str
    revisions: tuple[Mapping[str, Any], ...] = ()

    @property
    def proof(self) -> dict[str, Any]:
        told = {"mesh": dict(self.mesh), "revisions": [dict(row) for row in self.revisions], "assumptions": list(self.assumptions)}
        return {"holds": self.proven, **self.coverage.to_dict(), **told}


def mesh_settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """What a module was told about the mesh; it goes before what the source says."""
    return {**{name: params.get(name) for name in _SETTINGS}, "version": params.get("istio_version")}


def run_authorization_checks(params: Mapping[str, Any], snapshot: Snapshot) -> Checked:
    """The rows that are about authorization, and what the proof covered."""
    options = options_from(params, now=snapshot.taken_at)
    own = {row.id for row in CHECKS if row.category == "authorization"}
    foreign = sorted(set(options.only) - own)
    if foreign:
        raise ConfigError(f"only: {', '.join(foreign)} is no check of authorization; meshops.mesh.mesh_check has all of them")
    if not options.only:
        options = replace(options, only=tuple(sorted(own)))
    intent = intent_from({**params, "mesh_settings": mesh_settings(params)})
    if intent.access is not None:
        read_matrix(intent.access)  # a mistake in the matrix comes before anything is read
    try:
        view = View(snapshot)  # one for all, so that the mesh is read once
        report = run_checks_on(view, intent, options)
        view = report.view or view  # without what no check can make sense of
        scene = scene_of(view, intent)
        coverage = count(scene.world, scene.inventory, intent.access_scope, doors=scene.doors)
    except (TooManyError, ValueError) as exc:
        raise ConfigError(f"{snapshot.cluster}: {exc}") from exc
    live = snapshot.source != "manifests"
    rows = tuple(row for row in report.rows if row.category == "authorization" or (live and row.id == "OSM1002"))
    report = replace(report, rows=rows)
    proven = None
    if intent.access is not None and set(_MATRIX) <= set(options.only):
        proven = not report.unreadable and not any(row.status is not Status.PASSED for row in rows if row.id in _MATRIX)
    revisions = _revisions(scene.inventory)
    assumptions = (*scene.inventory.assumptions, *_unread(snapshot))
    text = _text(report, coverage, proven, assumptions, revisions)
    return Checked(report, coverage, proven, settings(scene.inventory.mesh), assumptions, text, revisions)


def _unread(snapshot: Snapshot) -> tuple[str, ...]:
    """A folder may have files that nobody could read; a policy in one of them is no part of the proof."""
    faults = snapshot.reading.faults if snapshot.reading else ()
    if not faults:
        return ()
    named = ", ".join(row.path for row in faults[:_SHOWN]) + (", ..." if len(faults) > _SHOWN else "")
    return (f"nothing of the mesh is in {len(faults)} file{'' if len(faults) == 1 else 's'} that could not be read ({named})",)


def _revisions(inventory: Inventory) -> tuple[Mapping[str, Any], ...]:
    """Each istiod with how many workloads have it, and its settings; none where there is only one."""
    found: dict[str, int] = {}
    for place in inventory.places:
        for mesh in () if place.outside or place.workload.service else inventory.meshes_of(place):
            found[mesh.control_plane] = found.get(mesh.control_plane, 0) + 1
    if len(inventory.meshes) < 2:
        return ()
    return tuple(
        {"revision": mesh.revision, "control_plane": mesh.control_plane, "workloads": found.get(mesh.control_plane, 0), **settings(mesh)}
        for mesh in inventory.meshes
    )


def _text(
    report: Report, coverage: Coverage, proven: bool | None, assumptions: Sequence[str], revisions: Sequence[Mapping[str, Any]]
) -> str:
    verdict = {
        True: "exactly the intended access is allowed",
        False: "not exactly the intended access is allowed",
        None: "no matrix of intended access is given",
    }[proven]
    lines = [
        f"{shown(report.cluster)}: {verdict}; {coverage.seen.text}",
        f"covered: all requests of {coverage.sources} workloads, of callers without an identity and of unknown ones, to "
        f"{coverage.destinations} workloads; of {coverage.pairs} pairs {coverage.allowed_pairs} have something that passes",
    ]
    lines += [f"open to anyone: {text}" for text in coverage.open[:_SHOWN]]
    lines += [f"... and {len(coverage.open) - _SHOWN} more places that are open to anyone"] if len(coverage.open) > _SHOWN else []
    if revisions:
        told = [f"{row['revision']} ({row['version']}) with {row['workloads']} workload{'s'[: row['workloads'] != 1]}" for row in revisions]
        lines.append(f"revisions: {', '.join(told)}")
    lines += [f"assumed: {text}" for text in assumptions]
    rows = [row.to_dict() for row in report.rows]
    return joined([*lines, "", *table(rows, show_from="warning", summary=report.summary).split("\n")])


def _key(obj: Mapping[str, Any]) -> tuple[str, str, str, str]:
    metadata, group, kind = obj.get("metadata") or {}, group_of(str(obj.get("apiVersion", ""))), str(obj.get("kind"))
    return group, kind, str(metadata.get("namespace") or (DEFAULT if is_namespaced(group, kind) else "")), str(metadata.get("name"))


def overlaid(
    below: Iterable[Mapping[str, Any]], above: Iterable[Mapping[str, Any]], removed: Iterable[str] = ()
) -> list[Mapping[str, Any]]:
    """The objects after those above were applied: one of the same kind, namespace and name is replaced. `removed`: Kind namespace/name."""
    found = {_key(obj): obj for obj in below}
    for name in removed:
        kind, _space, where = name.partition(" ")
        namespace, slash, short = where.rpartition("/")
        # a name alone is of the whole cluster, or where kubectl would look for it
        places = [(namespace, short)] if slash else [("", short), (DEFAULT, short)]
        gone = [key for key in found if key[1] == kind and key[2:] in places]
        if not gone:
            raise ConfigError(f"remove: there is no {name} before the change; write Kind namespace/name")
        for key in gone:
            del found[key]
    over = {_key(obj): obj for obj in above}
    planes = [key for key, obj in over.items() if key[:2] in _PLANES and (found.get(key) or {}).get("spec") != obj.get("spec")]
    if planes:  # what an istiod was told before the change says nothing of it afterwards
        found = {key: obj for key, obj in found.items() if not is_mesh_config(obj) and not istiod_deployment(obj)}
    found |= over
    return list(found.values())


def _state(objects: Iterable[Mapping[str, Any]], params: Mapping[str, Any], whole: bool) -> tuple[World, Inventory]:
    inventory = take(objects, mesh_settings(params), assume=not whole)
    members = params.get("members")
    if members is not None:
        kept = {*members, inventory.mesh.root_namespace}
        places = tuple(place for place in inventory.places if place.namespace in kept)
        security = tuple(obj for obj in inventory.objects if (obj.get("metadata") or {}).get("namespace", "default") in kept)
        inventory = replace(inventory, places=places, objects=security)
    return World(inventory.objects, inventory.mesh), inventory


def run_authorization_diff(
    before: Iterable[Mapping[str, Any]],
    after: Iterable[Mapping[str, Any]],
    params: Mapping[str, Any],
    *,
    whole: tuple[bool, bool] = (False, False),
) -> tuple[Difference, tuple[str, ...], str]:
    """The difference, what was assumed for it, and the text. `whole`: each state is all that there is, not a folder that may be a part."""
    try:
        one, other = _state(before, params, whole[0]), _state(after, params, whole[1])
        difference = difference_of(one, other)
    except (TooManyError, ValueError) as exc:
        raise ConfigError(str(exc)) from exc
    assumptions = tuple(dict.fromkeys((*one[1].assumptions, *other[1].assumptions)))
    return difference, assumptions, text_of(difference, assumptions, seen_of(other[1]).text)
