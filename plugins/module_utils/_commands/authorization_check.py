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
from .._authorization.checks import analysis_of
from .._authorization.inventory import MeshInventory, take
from .._authorization.proof import Coverage, count, read_matrix, settings
from .._authorization.seen import seen_of
from .._authorization.world import MeshPolicies
from .._checks.render import table
from .._checks.runner import Report
from .._checks.types import Status
from .._errors import ConfigError
from .._inputs import intent_from, options_from
from .._model.scope import strangers
from .._model.snapshot import Snapshot
from .._model.view import View
from .._text import counted, joined, shortened, shown
from .category import category_options, run_category

__all__ = ["Checked", "difference_verdict", "mesh_settings", "run_authorization_checks", "run_authorization_diff"]

_SHOWN = 8  # places that are open to anyone
_MATRIX = ("OSM3301", "OSM3302")
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
    options = category_options("authorization", options_from(params, now=snapshot.taken_at), "authorization")
    intent = intent_from({**params, "mesh_settings": mesh_settings(params)})
    if intent.access is not None:
        read_matrix(intent.access)  # a mistake in the matrix comes before anything is read
    try:
        view = View(snapshot)  # one for all, so that the mesh is read once
        report = run_category("authorization", view, intent, options)
        view = report.view or view  # without what no check can make sense of
        scene = analysis_of(view, intent)
        _require_something(scene.inventory, snapshot, params)
        coverage = count(scene.world, scene.inventory, intent.access_scope, doors=scene.doors)
    except (TooManyError, ValueError) as exc:
        raise ConfigError(f"{snapshot.cluster}: {exc}") from exc
    proven = None
    if intent.access is not None and set(_MATRIX) <= set(options.only):
        proven = not report.unreadable and not any(row.status is not Status.PASSED for row in report.rows if row.id in _MATRIX)
    revisions = _revisions(scene.inventory)
    assumptions = (*scene.inventory.assumptions, *_unread(snapshot))
    text = _text(report, coverage, proven, assumptions, revisions)
    return Checked(report, coverage, proven, settings(scene.inventory.mesh), assumptions, text, revisions)


def _require_something(inventory: MeshInventory, snapshot: Snapshot, params: Mapping[str, Any]) -> None:
    """What has no workload and no policy allows nothing that anybody did not mean, and says so of every mesh."""
    if snapshot.source == "cluster":
        return  # a new mesh
    ours = [*(params.get("members") or ()), *filter(None, [inventory.mesh.root_namespace])]
    found = strangers(snapshot.objects, ours) if params.get("members") is not None else []
    if found:
        raise ConfigError(
            f"{snapshot.cluster}: nothing was checked. The objects are in {shortened(found, _SHOWN)}, and none of these is a namespace of "
            f"this mesh ({shortened(ours, _SHOWN)}): give the inventory of this source (-i), or correct mesh_domains"
        )
    if not inventory.places and not inventory.objects:
        raise ConfigError(
            f"{snapshot.cluster}: nothing was checked. {_told(snapshot)}, and none of them is a workload, a Service or a policy: give the "
            "folder with the rendered manifests of the mesh, or the snapshot of the right cluster"
        )


def _told(snapshot: Snapshot) -> str:
    count = counted(len(snapshot.objects), "object")
    return f"{snapshot.reading.path} has {count}" if snapshot.reading else f"The snapshot has {count}"


def _unread(snapshot: Snapshot) -> tuple[str, ...]:
    """A folder may have files that nobody could read; a policy in one of them is no part of the proof."""
    faults = snapshot.reading.faults if snapshot.reading else ()
    if not faults:
        return ()
    named = ", ".join(row.path for row in faults[:_SHOWN]) + (", ..." if len(faults) > _SHOWN else "")
    return (f"nothing of the mesh is in {counted(len(faults), 'file')} that could not be read ({named})",)


def _revisions(inventory: MeshInventory) -> tuple[Mapping[str, Any], ...]:
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
        f"covered: all requests of {counted(coverage.sources, 'workload')}, of callers without an identity and of unknown ones, to "
        f"{counted(coverage.destinations, 'workload')}; of {counted(coverage.pairs, 'pair')} {coverage.allowed_pairs} let some request "
        "pass from the caller to the destination",
    ]
    lines += [f"open to anyone: {text}" for text in coverage.open[:_SHOWN]]
    lines += [f"... and {counted(len(coverage.open) - _SHOWN, 'more place')} open to anyone"] if len(coverage.open) > _SHOWN else []
    if revisions:
        told = [f"{row['revision']} ({row['version']}) with {counted(row['workloads'], 'workload')}" for row in revisions]
        lines.append(f"revisions: {', '.join(told)}")
    lines += [f"assumed: {text}" for text in assumptions]
    rows = [row.to_dict() for row in report.rows]
    return joined([*lines, "", *table(rows, show_from="warning", summary=report.summary).split("\n")])


def _state(objects: Iterable[Mapping[str, Any]], params: Mapping[str, Any], whole: bool) -> tuple[MeshPolicies, MeshInventory]:
    inventory = take(objects, mesh_settings(params), assume=not whole)
    members = params.get("members")
    if members is not None:
        kept = {*members, inventory.mesh.root_namespace}
        places = tuple(place for place in inventory.places if place.namespace in kept)
        security = tuple(obj for obj in inventory.objects if (obj.get("metadata") or {}).get("namespace", "default") in kept)
        inventory = replace(inventory, places=places, objects=security)
    return MeshPolicies(inventory.objects, inventory.mesh), inventory


def run_authorization_diff(
    before: Iterable[Mapping[str, Any]],
    after: Iterable[Mapping[str, Any]],
    params: Mapping[str, Any],
    *,
    whole: tuple[bool, bool] = (False, False),
    sources: Sequence[Snapshot] = (),
) -> tuple[Difference, tuple[str, ...], str]:
    """The difference, what was assumed for it, and the text. `whole`: each state is all that there is, not a folder that may be a part.

    sources: what must not be without anything of the mesh."""
    try:
        one, other = _state(before, params, whole[0]), _state(after, params, whole[1])
        for (_policies, inventory), source in zip((one, other), sources, strict=False):
            _require_something(inventory, source, params)
        difference = difference_of(one, other)
    except (TooManyError, ValueError) as exc:
        raise ConfigError(str(exc)) from exc
    assumptions = tuple(dict.fromkeys((*one[1].assumptions, *other[1].assumptions)))
    return difference, assumptions, text_of(difference, assumptions, seen_of(other[1]).text)


def difference_verdict(result: Mapping[str, Any], fail_on: Sequence[str]) -> str:
    """Why the task fails, in a line; empty where it does not."""
    wrong = {"never": 0, "opened": result["opened"], "closed": result["closed"], "any": result["opened"] + result["closed"]}
    undecided = len(result["undecided"]) if set(fail_on) != {"never"} else 0
    if not undecided and not any(wrong[word] for word in fail_on):
        return ""
    counts = [f"{result['opened']} opened, {result['closed']} closed"]
    counts += [f"{counted(undecided, 'workload')} could not be compared"] if undecided else []
    worst = next((row for row in result["changes"] if row["change"] in fail_on or "any" in fail_on), None)
    first = f"; the first: {_change_text(worst)}" if worst else ""
    return f"the change does not keep who may call whom: {', '.join(counts)}{first}. All of it is in the text"


def _change_text(row: Mapping[str, Any]) -> str:
    token = f", {row['token']}" if row["token"] else ""
    return f"{row['change']} for {row['callers']}{token} -> {shortened(row['destinations'], 3)}: {row['requests']}"
