# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a change of a mesh's security objects opens and closes, for all requests, in groups that a person can read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._text import counted, joined
from .automata import TooManyError
from .doors import AccessChange, EnforcementPoint, EnforcementSpace, compare, doors_of
from .inventory import MeshInventory
from .regions import Box
from .wording import BARE, Callers, Who, merge, names, request_of, token_words, what_words
from .world import MeshPolicies, Response

__all__ = ["ChangeGroup", "Difference", "Edit", "difference_of", "edits_of", "groups_of", "text_of", "together"]

_KINDS = frozenset({"AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"})
_LINES = 36  # of groups: with the head and the tail it is a screen


@dataclass(frozen=True)
class Edit:
    """One object that is not the same before and after."""

    kind: str
    key: str  # namespace/name
    what: str  # added | removed | replaced
    detail: str = ""

    @property
    def text(self) -> str:
        return f"{self.kind} {self.key} was {self.what}{': ' + self.detail if self.detail else ''}"


@dataclass(frozen=True)
class ChangeGroup:
    """Requests that change for the same reason. `who`, `token` and `what` are words; the lists are for machines."""

    opened: bool
    who: Who
    token: str
    what: str
    destinations: tuple[str, ...]
    before: str
    after: str
    because: tuple[str, ...]
    witness: Mapping[str, Any]

    @property
    def weight(self) -> tuple[Any, ...]:
        """What is worst comes first: opened, for anyone, without a token."""
        width = 0 if self.who.text in ("anyone", "callers without an identity") else 1 if self.who.others else 2
        return (not self.opened, width, self.token != BARE, bool(self.token), -len(self.destinations))

    def to_dict(self) -> dict[str, Any]:
        return {
            "change": "opened" if self.opened else "closed",
            "callers": self.who.text,
            "workloads": list(self.who.places),
            "without_identity": self.who.plain,
            "unknown_identities": self.who.others,
            "token": self.token,
            "requests": self.what,
            "destinations": list(self.destinations),
            "before": self.before,
            "after": self.after,
            "because": list(self.because),
            "witness": dict(self.witness),
        }


@dataclass(frozen=True)
class Difference:
    edits: tuple[Edit, ...]
    groups: tuple[ChangeGroup, ...]
    compared: int  # places
    unchanged: int
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()  # places with the reason why their requests could not be compared

    @property
    def opened(self) -> int:
        return sum(group.opened for group in self.groups)

    @property
    def closed(self) -> int:
        return len(self.groups) - self.opened


def _spec(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = obj.get("spec")
    return spec if isinstance(spec, Mapping) else {}


def _identity(obj: Mapping[str, Any]) -> tuple[str, str]:
    metadata = obj.get("metadata") or {}
    return str(obj.get("kind")), f"{metadata.get('namespace') or 'default'}/{metadata.get('name')}"


def _detail(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What of a replaced object is not the same."""
    if kind == "AuthorizationPolicy":
        actions = [str(_spec(obj).get("action") or "ALLOW") for obj in (old, new)]
        if actions[0] != actions[1]:
            return f"{actions[0]} became {actions[1]}"
    keys = sorted(key for key in {*_spec(old), *_spec(new)} if _spec(old).get(key) != _spec(new).get(key))
    return f"{', '.join(keys)} changed" if keys else "its labels or annotations changed"


def edits_of(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> tuple[Edit, ...]:
    """The objects of the security API that are not the same."""
    old, new = ({_identity(obj): obj for obj in objects if obj.get("kind") in _KINDS} for objects in (before, after))
    found: list[Edit] = []
    for key in dict.fromkeys((*old, *new)):
        if key not in new:
            found.append(Edit(*key, "removed"))
        elif key not in old:
            action = str(_spec(new[key]).get("action") or "ALLOW") if key[0] == "AuthorizationPolicy" else ""
            found.append(Edit(*key, "added", action))
        elif _spec(old[key]) != _spec(new[key]) or _notes(old[key]) != _notes(new[key]):
            found.append(Edit(*key, "replaced", _detail(key[0], old[key], new[key])))
    return tuple(found)


def _notes(obj: Mapping[str, Any]) -> Any:
    return ((obj.get("metadata") or {}).get("annotations") or {}).get("istio.io/dry-run")


def _cause(answer: Response, other: Response) -> str:
    """What decides, in a few words."""
    verdict = answer.verdict
    if verdict is None:
        return answer.reason
    if verdict.rule:
        return f"{verdict.by} {verdict.rule.policy.key} rules[{verdict.rule.index}]"
    if not verdict.allowed:
        return "no ALLOW rule matches"
    was = other.verdict is not None and (other.verdict.by == "default" or (other.verdict.rule is not None and other.verdict.by == "ALLOW"))
    return "no ALLOW policy is on it" + (", so everything passes" if was else "")


def _attached(doors: Sequence[EnforcementPoint]) -> set[str]:
    return {policy.key for door in doors for policy in door.chain.policies}


def _because(shift: AccessChange, doors: tuple[EnforcementPoint, EnforcementPoint], edits: Sequence[Edit]) -> tuple[str, ...]:
    """The edits that can have made this change: those of the deciding policies, else all that are attached here."""
    deciding = {answer.verdict.policy for answer in (shift.before, shift.after) if answer.verdict and answer.verdict.policy}
    other = any(answer.verdict is None for answer in (shift.before, shift.after))
    chosen = [edit for edit in edits if edit.kind == "AuthorizationPolicy" and edit.key in deciding]
    if not chosen:
        chosen = [edit for edit in edits if edit.kind == "AuthorizationPolicy" and edit.key in _attached(doors)]
    if other or not chosen:
        namespaces = {doors[0].chain.mesh.root_namespace} | {key.split("/")[0] for key in _attached(doors)}
        beside = [edit for edit in edits if edit.kind != "AuthorizationPolicy"]
        near = [edit for edit in beside if edit.key in shift.before.reason + shift.after.reason or edit.key.split("/")[0] in namespaces]
        chosen += near or beside
    return tuple(edit.text for edit in chosen)


def _sentence(group: ChangeGroup) -> list[str]:
    head = "OPENED" if group.opened else "CLOSED"
    token = f", {group.token}" if group.token else ""
    lines = [f"{head}  {group.who.text}{token} -> {names(group.destinations)}: {group.what}"]
    lines.append(f"        before: {group.before}; after: {group.after}")
    if group.because:
        lines.append(f"        because {'; '.join(group.because[:3])}{'; ...' if len(group.because) > 3 else ''}")
    return lines


def groups_of(
    space: EnforcementSpace,
    shifts: Sequence[AccessChange],
    doors: tuple[EnforcementPoint, EnforcementPoint],
    *,
    callers: Callers,
    edits: Sequence[Edit],
    destinations: Sequence[str],
) -> list[ChangeGroup]:
    """The shifts of one pair of doors: those with the same causes together, their boxes merged."""
    found: dict[tuple[Any, ...], list[AccessChange]] = {}
    for shift in shifts:
        key = (
            shift.opened,
            _cause(shift.before, shift.after),
            _cause(shift.after, shift.before),
            space.is_bare(shift.box),
            space.caller is not None and shift.box[space.caller] == space.absent(space.caller),
        )
        found.setdefault(key, []).append(shift)
    groups: list[ChangeGroup] = []
    for (opened, before, after, _bare, _plain), own in found.items():
        for box in merge(shift.box for shift in own):
            first = _inside(own, box)
            who = callers.who(space, box)
            groups.append(
                ChangeGroup(
                    opened,
                    who,
                    token_words(space, box),
                    what_words(space, box),
                    tuple(destinations),
                    before,
                    after,
                    _because(first, doors, edits),
                    request_of(first.witness),
                )
            )
    return groups


def _inside(shifts: Sequence[AccessChange], box: Box) -> AccessChange:
    return next((shift for shift in shifts if all(not mine & ~theirs for mine, theirs in zip(shift.box, box, strict=True))), shifts[0])


def together(groups: Iterable[ChangeGroup]) -> list[ChangeGroup]:
    """Groups that say the same of other destinations are one."""
    found: dict[tuple[Any, ...], ChangeGroup] = {}
    for group in groups:
        key = (group.opened, group.who, group.token, group.what, group.before, group.after, group.because)
        known = found.get(key)
        destinations = tuple(dict.fromkeys((*(known.destinations if known else ()), *group.destinations)))
        found[key] = replace(known or group, destinations=destinations)
    return sorted(found.values(), key=lambda group: group.weight)


def _by_place(world: MeshPolicies, inventory: MeshInventory) -> dict[str, list[EnforcementPoint]]:
    found: dict[str, list[EnforcementPoint]] = {}
    for place, door in doors_of(world, inventory):
        found.setdefault(place.ref, []).append(door)
    return found


def _beside(one: MeshInventory, other: MeshInventory) -> dict[str, str]:
    """Pods that are told apart in one state only, with the workload that they are part of in the other."""
    known = {place.ref for place in other.places}
    return {place.ref: next(ref for ref in place.refs[1:] if ref in known)
            for place in one.places if place.ref not in known and any(ref in known for ref in place.refs[1:])}  # fmt: skip


def _pairs(
    old: Mapping[str, list[EnforcementPoint]], new: Mapping[str, list[EnforcementPoint]]
) -> list[tuple[EnforcementPoint, EnforcementPoint, list[str]]]:
    """The doors to compare, each with the places that have them; a port that changed its protocol is compared across both."""
    found: dict[tuple[Any, ...], tuple[EnforcementPoint, EnforcementPoint, list[str]]] = {}
    for ref in sorted(old.keys() & new.keys()):
        planes = [{door.chain.mesh.control_plane for door in side[ref]} for side in (old, new)]
        each = len(planes[0]) > 1 and planes[0] == planes[1]  # a rollout that goes on: the state of each revision with itself
        for before in old[ref]:
            for after in new[ref]:
                if each and before.chain.mesh.control_plane != after.chain.mesh.control_plane:
                    continue
                if before.whole and after.whole:
                    continue  # open before and after: nothing that a policy could change
                one, other = before.at(after), after.at(before)
                if one and other:
                    found.setdefault((one.key, other.key), (one, other, []))[2].append(ref)
    return list(found.values())


def _same(one: EnforcementPoint, other: EnforcementPoint) -> bool:
    """Doors that were built of the same policies: nothing to compare."""
    mine, theirs = one.chain, other.chain
    return (
        one.modes == other.modes
        and one.open == other.open
        and one.rules == other.rules
        and (one.only, one.but) == (other.only, other.but)
        and (mine.kind, mine.protocol, mine.mesh) == (theirs.kind, theirs.protocol, theirs.mesh)
        and mine.policies == theirs.policies
    )


def difference_of(before: tuple[MeshPolicies, MeshInventory], after: tuple[MeshPolicies, MeshInventory]) -> Difference:
    """Everything that the change from one mesh to another opens and closes at the workloads that both have."""
    edits = edits_of(before[1].objects, after[1].objects)
    old, new = _by_place(*before), _by_place(*after)
    new |= {ref: new[base] for ref, base in _beside(before[1], after[1]).items() if base in new}
    old |= {ref: old[base] for ref, base in _beside(after[1], before[1]).items() if base in old}
    callers = Callers(after[1])
    compared = unchanged = 0
    groups: list[ChangeGroup] = []
    undecided: list[str] = []
    for one, other, refs in _pairs(old, new):
        compared += len(refs)
        shifts: list[AccessChange] = []
        if not _same(one, other):
            try:
                space, shifts = compare(one, other)
            except TooManyError as exc:
                undecided.append(f"{names(sorted(refs))}: its policies tell too many requests apart ({exc})")
                continue
            groups += groups_of(space, shifts, (one, other), callers=callers, edits=edits, destinations=sorted(refs))
        unchanged += 0 if shifts else len(refs)
    only = [tuple(sorted(mine.keys() - theirs.keys())) for mine, theirs in ((old, new), (new, old))]
    return Difference(edits, tuple(together(groups)), compared, unchanged, only[0], only[1], tuple(undecided))


def text_of(difference: Difference, assumptions: Sequence[str] = (), about: str = "") -> str:
    """At most a screen; the rest is counted. `about`: what was looked at."""
    opened, closed = difference.opened, difference.closed
    verdict = (
        "nothing is opened and nothing is closed"
        if not difference.groups and not difference.undecided
        else f"{opened} opened, {closed} closed"
    )
    lines = [f"{verdict} ({difference.compared} places compared, {difference.unchanged} as before){'; ' + about if about else ''}"]
    lines += [f"NOT COMPARED  {text}" for text in difference.undecided]
    shown = 0
    for group in difference.groups:
        sentence = _sentence(group)
        if len(lines) + len(sentence) > _LINES:
            break
        lines += sentence
        shown += 1
    if shown < len(difference.groups):
        lines.append(f"... and {counted(len(difference.groups) - shown, 'more group')}: see `changes`")
    if difference.edits:
        more = f", and {len(difference.edits) - 6} more" if len(difference.edits) > 6 else ""
        lines.append(f"objects: {'; '.join(edit.text for edit in difference.edits[:6])}{more}")
    for word, refs in (("gone", difference.only_before), ("new", difference.only_after)):
        if refs:
            lines.append(f"not compared, because they are {word}: {names(refs)}")
    return joined([*lines, *(f"assumed: {text}" for text in assumptions)])
