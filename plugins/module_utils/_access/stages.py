# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The way from what there is to what is intended, in stages of which none denies an intended call; each one is proven.

Tokens are read first, then exceptions from mutual TLS, then every ALLOW, then mutual TLS, then the default deny; what is no longer
wanted goes last. In a stage each workload gets at most one object, so the order inside a stage does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from .._authorization.attachment import attaches
from .._authorization.automata import TooManyError
from .._authorization.change import ChangeGroup
from .._authorization.inventory import MeshInventory, take
from .._authorization.proof import Coverage, prove, read_matrix, settings
from .._authorization.read import read_policies
from .._authorization.wording import names
from .._authorization.world import MeshPolicies
from .._errors import ConfigError
from .._model.diff import essence
from .._model.objects import LAYER, MANAGED_BY, MESH, Ref, counts_as_ours, prepare
from .._model.overlay import overlaid
from .intent import AccessIntent
from .operators import operators_calls
from .probes import calls_for
from .render import LAYERS, Rendered, render
from .resolve import matrix_of, resolve
from .rows import Resolved

__all__ = [
    "LEFTOVERS",
    "AccessPlan",
    "Stage",
    "StageSettings",
    "bare",
    "deviations",
    "enforced",
    "keys",
    "live_policies",
    "plan_access",
    "said",
    "same",
]  # fmt: skip

LEFTOVERS = "access_leftovers"
_SHOWN = 8
_GROUPS = ("security.istio.io", "networking.istio.io")
Obj = dict[str, Any]


@dataclass(frozen=True)
class StageSettings:
    """What else a plan stands on."""

    mesh: str
    version: str = "v1"  # of the security API
    given: Mapping[str, Any] | None = None  # settings of the mesh that go before the source's
    taken_at: str = ""  # RFC 3339: new objects are younger than all others
    probe_methods: tuple[str, ...] = ("GET", "HEAD", "OPTIONS")
    probe_limit: int = 2000
    reopen: bool = False  # whether what an older intent has closed may be opened again


@dataclass(frozen=True)
class Stage:
    """`objects`: to apply together; `saved`: those of them that were there, as they were; `made`: those that were not there."""

    name: str
    objects: tuple[Obj, ...]
    saved: tuple[Obj, ...]
    made: tuple[Obj, ...]
    changed: bool
    policies: tuple[Obj, ...]  # what the proxies must have afterwards
    calls: tuple[Obj, ...]
    gone: tuple[Obj, ...] = ()  # what the stage removes

    def to_dict(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class AccessPlan:
    stages: tuple[Stage, ...]
    leftovers: tuple[Obj, ...]
    matrix: list[dict[str, list[str]]]
    baseline: tuple[Obj, ...]
    left_out: int  # calls that are not probed
    coverage: Coverage
    closed: tuple[str, ...]
    mesh: Mapping[str, Any]
    assumptions: tuple[str, ...]
    breaks: tuple[str, ...] = ()  # calls that given stages deny on their way
    notes: tuple[str, ...] = ()  # what else comes of it


Deviations = tuple[list[ChangeGroup], list[ChangeGroup], list[str], Coverage]  # more, less, what else is wrong


def deviations(world: MeshPolicies, inventory: MeshInventory, matrix: Sequence[Any], closed: frozenset[str]) -> Deviations:
    """At the closed places only."""
    scope = sorted({ref.partition("/")[0] for ref in closed})
    proof = prove(world, inventory, read_matrix(matrix), scope)

    def here(groups: Iterable[ChangeGroup]) -> list[ChangeGroup]:
        kept = [replace(group, destinations=tuple(ref for ref in group.destinations if ref in closed)) for group in groups]
        return [group for group in kept if group.destinations]

    wrong = [text for text in proof.undecided if text.partition(": ")[0] in closed]
    return here(proof.more), here(proof.less), [*wrong, *proof.shared], proof.coverage


def said(group: ChangeGroup, word: str) -> str:
    token = f", {group.token}" if group.token else ""
    return f"{word}: {group.who.text}{token} -> {names(group.destinations)}: {group.what}; {group.after}"


def keys(groups: Iterable[ChangeGroup]) -> set[tuple[str, ...]]:
    return {(group.who.text, group.token, group.what, ref) for group in groups for ref in group.destinations}


class _Prover:
    """States of one mesh, one after the other."""

    def __init__(self, objects: Sequence[Mapping[str, Any]], matrix: Sequence[Any], resolved: Resolved, given: StageSettings) -> None:
        self.objects, self.matrix, self.given = list(objects), matrix, given
        self.closed = frozenset(place.ref for place in resolved.closed)
        self.less = keys(self.look(self.objects)[1])

    def state(self, objects: Sequence[Mapping[str, Any]]) -> tuple[MeshPolicies, MeshInventory]:
        inventory = take(objects, self.given.given)
        return MeshPolicies(inventory.objects, inventory.mesh), inventory

    def look(self, objects: Sequence[Mapping[str, Any]]) -> Deviations:
        world, inventory = self.state(objects)
        return deviations(world, inventory, self.matrix, self.closed)

    def apply(self, name: str, above: Sequence[Obj], removed: Sequence[str] = ()) -> MeshPolicies:
        """The next state; a ConfigError if it denies an intended call that passed before."""
        live = live_policies(self.objects)
        dated = [{**obj, "metadata": {**obj["metadata"], "creationTimestamp": self._born(live.get(Ref.of(obj).identity))}} for obj in above]
        self.objects = list(overlaid(self.objects, dated, removed))
        less = self.look(self.objects)[1]
        new = keys(less) - self.less
        if new:
            worst = next(group for group in less if keys([group]) & new)
            raise ConfigError(
                f"stage {name} would deny an intended call ({said(worst, 'intended and not allowed')}); nothing was changed. "
                "A policy from elsewhere, or a mode of mutual TLS, contradicts the intent: change one of the two"
            )
        self.less = keys(less)
        return self.state(self.objects)[0]

    def _born(self, live: Mapping[str, Any] | None) -> str:
        return str(((live or {}).get("metadata") or {}).get("creationTimestamp") or self.given.taken_at or "9999-12-31T00:00:00Z")

    def finish(self) -> Coverage:
        """The last state is exactly the intent."""
        more, less, wrong, coverage = self.look(self.objects)
        lines = [said(group, "allowed and not intended") for group in more] + [said(group, "intended and not allowed") for group in less]
        lines += [f"cannot be told apart or decided: {text}" for text in wrong]
        if lines:
            raise ConfigError(
                "the policies would not mean exactly the intent; nothing was changed. Policies that are not ours stay as they are: "
                "where one is named, remove it or write down what it allows.",
                *(f"- {line}" for line in lines[:20]),
                *([f"- ... and {len(lines) - 20} more"] if len(lines) > 20 else []),
            )
        return coverage


_Identity: TypeAlias = "tuple[str, str, str | None, str]"


def live_policies(objects: Iterable[Mapping[str, Any]]) -> dict[_Identity, Mapping[str, Any]]:
    """The objects of Istio's APIs, by what they are."""
    return {Ref.of(obj).identity: obj for obj in objects if str(obj.get("apiVersion", "")).partition("/")[0] in _GROUPS}


def _is_access(obj: Mapping[str, Any], mesh: str) -> bool:
    layer = str(((obj.get("metadata") or {}).get("labels") or {}).get(LAYER) or "")
    return counts_as_ours(obj, mesh) and layer in LAYERS


def same(live: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    return live is not None and (live.get("spec") or {}) == (wanted.get("spec") or {})


def bare(obj: Mapping[str, Any]) -> Obj:
    """As it can be applied again."""
    found = essence(obj)
    labels = {key: value for key, value in (found["metadata"].get("labels") or {}).items() if key not in (MANAGED_BY, MESH, LAYER)}
    meta = {key: value for key, value in found["metadata"].items() if key in ("name", "namespace", "annotations")}
    return {**found, "metadata": meta | ({"labels": labels} if labels else {})}


def enforced(objects: Iterable[Obj]) -> tuple[Obj, ...]:
    """The policies that Envoys must know; one without rules is one rule that matches nothing."""
    found = []
    for obj in objects:
        if obj["kind"] == "AuthorizationPolicy":
            meta, spec = obj["metadata"], obj["spec"]
            labels = (spec.get("selector") or {}).get("matchLabels") or {}
            if spec.get("targetRefs"):
                continue  # of a waypoint, whose pods are not found by the policy
            row = {"namespace": meta["namespace"], "name": meta["name"], "selector": labels}
            found.append({**row, "rules": max(1, len(spec.get("rules") or []))})
    return tuple(found)


def _stages(
    prover: _Prover, rendered: Rendered, live: Sequence[Mapping[str, Any]], settings_: StageSettings
) -> tuple[list[Stage], list[MeshPolicies]]:
    stages, worlds, known = [], [], live_policies(live)
    for name in LAYERS:
        objects = rendered.layers[name]
        if not objects:
            continue
        prepare(list(objects), mesh=settings_.mesh, layer=name)  # what the API would refuse is refused here
        before = [(obj, known.get(Ref.of(obj).identity)) for obj in objects]
        saved = tuple(bare(old) for _obj, old in before if old is not None)
        made = tuple(obj for obj, old in before if old is None)
        changed = any(not same(old, obj) for obj, old in before)
        worlds.append(prover.apply(name, objects))
        stages.append(Stage(name, objects, saved, made, changed, enforced(objects), ()))
    return stages, worlds


def _reopened(gone: Iterable[Mapping[str, Any]], resolved: Resolved, inventory: MeshInventory) -> list[str]:
    """What a default deny or a policy of an older intent closes, and the intent of now does not speak of."""
    closed, found = {place.ref for place in resolved.closed}, []
    policies, _findings = read_policies([obj for obj in gone if obj["kind"] == "AuthorizationPolicy"], inventory.mesh.abilities)
    for policy in policies:
        places = [place.ref for place in inventory.places if not place.open and attaches(policy, place.workload, inventory.mesh)]
        found += [f"{ref} (AuthorizationPolicy {policy.key})" for ref in places if ref not in closed]
    return sorted(dict.fromkeys(found))


def plan_access(intent: AccessIntent, objects: Iterable[Mapping[str, Any]], given: StageSettings) -> AccessPlan:
    """Everything that is going to happen, proven; a ConfigError says why it cannot."""
    live = [obj for obj in objects if isinstance(obj, Mapping) and (obj.get("metadata") or {}).get("name")]
    try:
        inventory = take(live, given.given)
        resolved = resolve(intent, inventory, live)
        problems, notes = operators_calls(resolved, live)
        if problems:
            raise ConfigError("the intended access would stop pods:", *(f"- {text}" for text in problems))
        rendered, matrix = render(intent, resolved, inventory, given.version, live), matrix_of(resolved.rows)
        prover = _Prover(live, matrix, resolved, given)
        start = prover.state(live)[0]
        stages, worlds = _stages(prover, rendered, live, given)
        wanted = {Ref.of(obj).identity for obj in rendered.objects}
        gone = [obj for obj in live if _is_access(obj, given.mesh) and Ref.of(obj).identity not in wanted]
        opened = _reopened(gone, resolved, inventory)
        if opened and not given.reopen:
            more = f", and {len(opened) - _SHOWN} more" if len(opened) > _SHOWN else ""
            raise ConfigError(
                f"the intent does not close any more what an older one has closed: {', '.join(opened[:_SHOWN])}{more}. "
                "Everybody could call that: name it again (namespaces, close, or a rule to it), or say access_reopen=true if that is meant"
            )
        if gone:
            worlds.append(prover.apply(LEFTOVERS, (), [str(Ref.of(obj)) for obj in gone]))
        coverage = prover.finish()
        probes = calls_for(resolved, inventory, live, [start, *worlds], methods=given.probe_methods, limit=given.probe_limit)
    except TooManyError as exc:
        raise ConfigError(f"the intended access cannot be proven: {exc}; split lists that are very long") from exc
    done = tuple(replace(stage, calls=probes.states[number + 1]) for number, stage in enumerate(stages))
    return AccessPlan(
        stages=done,
        leftovers=tuple(bare(obj) for obj in gone),
        matrix=matrix,
        baseline=probes.states[0],
        left_out=probes.left_out,
        coverage=coverage,
        closed=tuple(place.ref for place in resolved.closed),
        mesh=settings(inventory.mesh),
        assumptions=inventory.assumptions,
        notes=tuple(notes),
    )
