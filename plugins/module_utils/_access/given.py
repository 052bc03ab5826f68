# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Stages that somebody else wrote: their objects in their order, each with the access that is expected after it, all proven beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._authorization.automata import TooManyError
from .._authorization.inventory import MeshInventory, Workload, take
from .._authorization.proof import settings
from .._authorization.world import MeshPolicies
from .._errors import ConfigError
from .._model.objects import Ref, prepare
from .._model.overlay import overlaid
from .intent import AccessIntent, AccessRule, read_rules
from .probes import calls_for
from .resolve import matrix_of, resolve
from .rows import Resolved, ResolvedRule
from .stages import AccessPlan, Obj, Stage, StageSettings, bare, deviations, enforced, keys, live_policies, said, same

__all__ = ["GIVEN", "GivenStage", "plan_given", "read_stages"]

GIVEN = "access_given"  # the layer of all of them
_BROKEN = "expected in the end and denied now"
_KEYS = ("name", "objects", "remove", "closed", "expected")


@dataclass(frozen=True)
class GivenStage:
    """`closed`: where exactly the expected access passes afterwards, written as targets of rules."""

    name: str
    objects: tuple[Obj, ...]
    remove: tuple[str, ...]  # Kind NAMESPACE/NAME
    closed: tuple[str, ...]
    expected: tuple[AccessRule, ...]


def read_stages(value: Any) -> tuple[GivenStage, ...]:
    """All that is wrong by itself comes in one ConfigError."""
    problems: list[str] = []
    found: list[GivenStage] = []
    for number, row in enumerate(value if isinstance(value, (list, tuple)) else []):
        where = f"access_stages[{number}]"
        if not isinstance(row, Mapping):
            problems.append(f"{where} is {row!r}, expected a map with {', '.join(_KEYS)}")
            continue
        where = f"{where} ({row['name']})" if row.get("name") else where
        problems += [f"{where}.{key} is not known; there are {', '.join(_KEYS)}" for key in row if key not in _KEYS]
        problems += [f"{where} has no {key}" for key in ("name", "closed") if not row.get(key)]
        objects, wrong = _objects(row.get("objects") or [], where)
        problems += wrong
        if not (objects or wrong) and not row.get("remove"):
            problems.append(f"{where} has neither objects nor remove, so it does nothing")
        for obj in objects:
            if str(obj.get("apiVersion", "")).partition("/")[0] != "security.istio.io":
                problems.append(f"{where}: {obj.get('kind')} {obj.get('apiVersion')} is no object of security.istio.io")
        rules, wrong = read_rules(row.get("expected") or [], f"{where}.expected")
        problems += wrong
        closed = tuple(str(entry) for entry in row.get("closed") or ())
        found.append(GivenStage(str(row.get("name")), tuple(map(dict, objects)), tuple(row.get("remove") or ()), closed, rules))
    if not isinstance(value, (list, tuple)) or not value:
        problems.append(f"access_stages is {value!r}, expected a list of maps with {', '.join(_KEYS)}")
    if problems:
        raise ConfigError("the stages cannot be used:", *(f"- {text}" for text in dict.fromkeys(problems)))
    return tuple(found)


def _objects(value: Any, where: str) -> tuple[list[Mapping[str, Any]], list[str]]:
    """The objects of a stage, and what is none."""
    if not isinstance(value, (list, tuple)):
        return [], [f"{where}.objects is {value!r}, expected a list"]
    wrong = [
        f"{where}.objects[{number}] is {obj!r}, expected an object" for number, obj in enumerate(value) if not isinstance(obj, Mapping)
    ]
    return [obj for obj in value if isinstance(obj, Mapping)], wrong


def _expected(
    stage: GivenStage, intent: AccessIntent, inventory: MeshInventory, live: Sequence[Mapping[str, Any]]
) -> tuple[Resolved, list[Obj]]:
    """What passes after a stage, in terms of workloads; only where it is closed."""
    try:
        wanted = AccessIntent((), stage.expected, close=stage.closed, issuers=intent.issuers, domains=intent.domains, default_deny=False)
        found = resolve(wanted, inventory, live)
    except ConfigError as exc:
        raise ConfigError(f"stage {stage.name}: {exc}") from exc
    return found, matrix_of(found.rows)


def _state(objects: Iterable[Mapping[str, Any]], given: StageSettings) -> tuple[MeshPolicies, MeshInventory]:
    inventory = take(objects, given.given)
    return MeshPolicies(inventory.objects, inventory.mesh), inventory


def _dated(obj: Obj, live: Mapping[Any, Mapping[str, Any]], given: StageSettings) -> Obj:
    there = (live.get(Ref.of(obj).identity) or {}).get("metadata") or {}
    born = there.get("creationTimestamp") or given.taken_at or "9999-12-31T00:00:00Z"
    return {**obj, "metadata": {**obj["metadata"], "creationTimestamp": born}}


def _reached(stages: Sequence[GivenStage], live: Mapping[Any, Mapping[str, Any]]) -> int:
    """How many of the stages the source has behind it: all their objects as the last of them left them, and none of a later one."""
    every = {Ref.of(obj).identity for stage in stages for obj in stage.objects}
    done, held = 0, dict[Any, Obj]()
    for number, stage in enumerate(stages, 1):
        held = _after(held, stage)
        if all(same(live.get(key), obj) for key, obj in held.items()) and not any(key in live for key in every - held.keys()):
            done = number
    return done


def _after(held: Mapping[Any, Obj], stage: GivenStage) -> dict[Any, Obj]:
    gone = set(stage.remove)
    kept = {key: obj for key, obj in held.items() if str(Ref.of(obj)) not in gone}
    return kept | {Ref.of(obj).identity: obj for obj in stage.objects}


def plan_given(
    stages: Sequence[GivenStage], intent: AccessIntent, objects: Iterable[Mapping[str, Any]], given: StageSettings
) -> AccessPlan:
    """As plan_access. A stage that denies a call which passed before and is expected in the end is named in `breaks`."""
    live = [obj for obj in objects if isinstance(obj, Mapping) and (obj.get("metadata") or {}).get("name")]
    known = live_policies(live)
    done = _reached(stages, known)
    try:
        start, inventory = _state(live, given)
        final, last_matrix = _expected(stages[-1], intent, inventory, live)
        closed = frozenset(place.ref for place in final.closed)
        state, held, worlds = list(live), dict[Any, Obj](), [start]
        denied = keys(deviations(start, inventory, last_matrix, closed)[1])
        planned: list[Stage] = []
        breaks: list[str] = []
        for number, stage in enumerate(stages):
            prepare(list(stage.objects), mesh=given.mesh, layer=GIVEN)  # what the API would refuse is refused here
            if number < done:
                held = _after(held, stage)
                worlds.append(start)
                planned.append(Stage(stage.name, stage.objects, (), (), False, enforced(held.values()), ()))
                if number == done - 1:
                    _prove(stage, start, inventory, _expected(stage, intent, inventory, live))
                continue
            there = {str(Ref.of(obj)) for obj in state}
            above = [_dated(obj, known, given) for obj in stage.objects]
            state = list(overlaid(state, above, [name for name in stage.remove if name in there]))
            previous, held = held, _after(held, stage)
            saved, made = _way_back(stage, previous, known)
            world, looked = _state(state, given)
            worlds.append(world)
            _prove(stage, world, looked, _expected(stage, intent, looked, live))
            less = deviations(world, looked, last_matrix, closed)[1]
            new, denied = keys(less) - denied, keys(less)
            broken = [group for group in less if keys([group]) & new]
            breaks += [f"{stage.name}: {said(group, _BROKEN)}" for group in broken]
            policies = enforced(held.values())
            gone = tuple(bare(obj) for obj in {**known, **previous}.values() if str(Ref.of(obj)) in set(stage.remove))
            planned.append(Stage(stage.name, stage.objects, saved, made, True, policies, (), gone))
        coverage = deviations(worlds[-1], _state(state, given)[1], last_matrix, closed)[3]
        rows = _distinct(row for stage in stages for row in _expected(stage, intent, inventory, live)[0].rows)
        known_rows = Resolved(tuple(rows), final.closed)
        probes = calls_for(known_rows, inventory, live, worlds, methods=given.probe_methods, limit=given.probe_limit)
    except TooManyError as exc:
        raise ConfigError(f"the stages cannot be proven: {exc}; split lists that are very long") from exc
    return AccessPlan(
        stages=tuple(replace(stage, calls=probes.states[number + 1]) for number, stage in enumerate(planned)),
        leftovers=(),
        matrix=last_matrix,
        baseline=probes.states[0],
        left_out=probes.left_out,
        coverage=coverage,
        closed=tuple(place.ref for place in final.closed),
        mesh=settings(inventory.mesh),
        assumptions=inventory.assumptions,
        breaks=tuple(dict.fromkeys(breaks)),
    )


def _distinct(rows: Iterable[ResolvedRule]) -> list[ResolvedRule]:
    found: dict[tuple[Any, ...], ResolvedRule] = {}
    for row in rows:
        found.setdefault((row.words, row.identities, tuple(place.ref for place in row.targets), str(row.rule.operations)), row)
    return list(found.values())


def _way_back(
    stage: GivenStage, before: Mapping[Any, Mapping[str, Any]], known: Mapping[Any, Mapping[str, Any]]
) -> tuple[tuple[Obj, ...], tuple[Obj, ...]]:
    """What was there before a stage, and what was not: of the stage before it, or of the source."""
    held = {**known, **before}
    touched = [Ref.of(obj).identity for obj in stage.objects]
    gone = [obj for obj in held.values() if str(Ref.of(obj)) in set(stage.remove)]
    saved = [bare(held[key]) for key in touched if key in held] + [bare(obj) for obj in gone]
    return tuple(saved), tuple(obj for key, obj in zip(touched, stage.objects, strict=True) if key not in held)


def _prove(stage: GivenStage, world: MeshPolicies, inventory: MeshInventory, wanted: tuple[Resolved, list[Obj]]) -> None:
    resolved, matrix = wanted
    places: tuple[Workload, ...] = resolved.closed
    more, less, wrong, _coverage = deviations(world, inventory, matrix, frozenset(place.ref for place in places))
    lines = [said(group, "allowed and not expected") for group in more] + [said(group, "expected and not allowed") for group in less]
    lines += [f"cannot be told apart or decided: {text}" for text in wrong]
    if lines:
        head = f"after stage {stage.name} the policies would not mean what is expected; nothing was changed."
        raise ConfigError(head, *(f"- {line}" for line in lines[:20]))
