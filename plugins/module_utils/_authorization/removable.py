# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What can be taken out of a set of policies without any request being answered otherwise: policies, rules, values. One at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from .classes import dimension
from .compiled import CompiledRule, Test
from .doors import EnforcementPoint, EnforcementSpace
from .inventory import Workload
from .model import ZTUNNEL, AuthorizationPolicy
from .regions import bits_of, subtract
from .wording import word

__all__ = ["Doors", "Spare", "spare_policies", "spare_rules", "spare_values"]

Doors = Iterable[tuple[Workload, EnforcementPoint]]


@dataclass(frozen=True)
class Spare:
    policy: AuthorizationPolicy
    where: str
    reason: str


def _distinct(doors: Doors) -> dict[int, tuple[Workload, EnforcementPoint]]:
    return {id(door): (place, door) for place, door in doors}


def _without(door: EnforcementPoint, keep: Callable[[CompiledRule], bool], policy: AuthorizationPolicy | None = None) -> EnforcementPoint:
    """The door without some rules; and, if it is a whole policy, without it: the last ALLOW policy opens the workload."""
    chain = door.chain
    left = [found for found in chain.policies if found is not policy]
    has_allow = chain.has_allow and (policy is None or policy.action != "ALLOW" or _other_allow(door, policy))
    custom = tuple(replace(step, rules=tuple(rule for rule in step.rules if keep(rule))) for step in chain.custom)
    return replace(
        door,
        chain=replace(
            chain,
            policies=tuple(left),
            deny=tuple(filter(keep, chain.deny)),
            allow=tuple(filter(keep, chain.allow)),
            has_allow=has_allow,
            custom=custom,
        ),
    )


def _other_allow(door: EnforcementPoint, policy: AuthorizationPolicy) -> bool:
    """Is there another ALLOW policy that this enforcer counts?"""
    chain = door.chain
    others = [found for found in chain.policies if found is not policy and found.action == "ALLOW"]
    if chain.protocol == ZTUNNEL:
        old = not chain.mesh.abilities.ztunnel_dry_run
        return any(not found.target_refs and not found.bare_selector and (old or not found.dry_run) for found in others)
    return any(not found.dry_run for found in others)


def _same(door: EnforcementPoint, other: EnforcementPoint) -> bool:
    """Does the smaller set of rules answer all requests as the whole does? The space of the whole tells enough apart."""
    after = door.space.passes(other)
    return not subtract(after, door.passing) and not subtract(door.passing, after)


def spare_policies(doors: Doors) -> Iterator[Spare]:
    """Policies that change nothing where they are attached, as long as the others stay."""
    found: dict[int, tuple[AuthorizationPolicy, list[EnforcementPoint]]] = {}
    for _place, door in _distinct(doors).values():
        for policy in door.chain.policies:
            default_deny = not policy.rules and policy.selector is None  # it is for the workloads that come later
            if not policy.dry_run and policy.action in ("ALLOW", "DENY") and not default_deny:
                found.setdefault(id(policy), (policy, []))[1].append(door)
    for policy, own in found.values():
        if all(_same(door, _without(door, lambda rule, mine=policy: rule.policy is not mine, policy)) for door in own):  # type: ignore[misc]
            yield Spare(policy, "", "removing it changes no answer, as long as the other policies stay")


def spare_rules(doors: Doors) -> Iterator[Spare]:
    """Rules that never match, or that others make needless at every workload that has them."""
    found: dict[tuple[int, int], list[tuple[CompiledRule, EnforcementPoint]]] = {}
    for _place, door in _distinct(doors).values():
        for rule in (*door.chain.deny, *door.chain.allow):
            found.setdefault((id(rule.policy), rule.index), []).append((rule, door))
    for own in found.values():
        rule = own[0][0]
        if len(rule.policy.rules) > 1 or not all(door.space.rule(one) for one, door in own):
            if not any(door.space.rule(one) for one, door in own):
                yield Spare(rule.policy, f"rules[{rule.index}]", "no request can match it: its conditions contradict each other")
            elif all(_same(door, _without(door, lambda other, mine=one: other is not mine)) for one, door in own):  # type: ignore[misc]
                why = "every request that it matches is answered the same way by other rules"
                yield Spare(rule.policy, f"rules[{rule.index}]", why)


def spare_values(doors: Doors) -> Iterator[Spare]:
    """Values that another one of their list takes in, and values that nothing can match."""
    seen: set[tuple[int, str]] = set()
    for _place, door in _distinct(doors).values():
        for rule in (*door.chain.deny, *door.chain.allow):
            for test in (test for part in rule.parts for alternative in part for test in alternative):
                key = (id(rule.policy), test.where)
                if key not in seen and len(test.matchers) == len(test.values) > 1:
                    seen.add(key)
                    yield from (Spare(rule.policy, test.where, reason) for reason in _of_list(door.space, test))


def _of_list(space: EnforcementSpace, test: Test) -> Iterator[str]:
    name = next((one.attribute for one in space._split([test])), "")
    place = next((known for known in space.names if known == dimension(name)), "")
    if not place or any(matcher not in space.matchers[place] for matcher in test.matchers):
        return
    bits = [bits_of(space.values[place], space.matchers[place], [matcher]) for matcher in test.matchers]
    gone: set[int] = set()
    for number, own in enumerate(bits):
        other = next((index for index, found in enumerate(bits) if index != number and index not in gone and own | found == found), None)
        if not own:
            yield f"{test.values[number]} matches nothing"
        elif other is not None:
            gone.add(number)
            yield f"{test.values[number]} is part of {test.values[other] or word(test.matchers[other])}"
