# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Who goes in which wave: by domain, namespace, label or share of the fleet; gateways by themselves, after all others where not said."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from .._errors import ConfigError
from .model import Goal, RestartedWorkload, RolloutObservation

__all__ = ["PlannedWave", "WaveRequest", "needs", "orders_from", "plan", "width"]

_SELECTS = ("domains", "namespaces", "labels", "workloads", "share", "gateways", "rest")
_FIELDS = ("name", "concurrency", *_SELECTS)


@dataclass(frozen=True)
class WaveRequest:
    """A wave as the user wrote it. share: per cent of the fleet without its gateways; concurrency: a number, or per cent of the wave."""

    name: str
    domains: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    workloads: tuple[str, ...] = ()
    share: float = 0.0
    gateways: bool = False
    rest: bool = False
    concurrency: str = ""

    def takes(self, one: RestartedWorkload, world: RolloutObservation) -> bool:
        """Whether this wave wants the workload; a share is counted by plan()."""
        if one.gateway != self.gateways:
            return False
        if self.domains and world.domains.get(one.namespace) not in self.domains:
            return False
        if self.namespaces and one.namespace not in self.namespaces:
            return False
        if any(one.labels.get(key) != value for key, value in self.labels.items()):
            return False
        return not self.workloads or f"{one.namespace}/{one.name}" in self.workloads or one.title in self.workloads


@dataclass(frozen=True)
class PlannedWave:
    """A wave with its members."""

    name: str
    members: tuple[str, ...]
    gateways: bool = False
    concurrency: str = ""


def orders_from(rows: Sequence[Mapping[str, Any]], *, domains: Mapping[str, Sequence[str]] | None = None) -> list[WaveRequest]:
    """The user's list; all its mistakes in one message. domains: their namespaces, for meshes whose namespaces carry no label of ours."""
    found: list[WaveRequest] = []
    problems: list[str] = []
    for number, row in enumerate(rows, 1):
        name = str(row.get("name") or f"wave-{number}")
        unknown = sorted(set(row) - set(_FIELDS))
        if unknown:
            problems.append(f"wave {name} has the unknown key {', '.join(unknown)}; the keys are {', '.join(_FIELDS)}")
        if not any(row.get(key) for key in _SELECTS):
            problems.append(f"wave {name} selects nothing: give it one of {', '.join(_SELECTS)}")
        share = _share(row.get("share") or 0)
        if not 0 <= share <= 100:
            problems.append(f"wave {name} has the share {row.get('share')}: expected a percentage between 0 and 100")
        named = tuple(map(str, row.get("domains") or ()))
        spaces = tuple(map(str, row.get("namespaces") or ()))
        if domains is not None and named:
            missing = [one for one in named if one not in domains]
            if missing:
                problems.append(f"wave {name} names the domain {', '.join(missing)}; there are {', '.join(sorted(domains)) or 'none'}")
            spaces, named = (*spaces, *(space for one in named for space in domains.get(one, ()))), ()
        try:
            width(str(row.get("concurrency") or ""), 1)
        except ConfigError as exc:
            problems.append(f"wave {name}: {exc}")
        found.append(
            WaveRequest(
                name,
                named,
                spaces,
                {str(key): str(value) for key, value in (row.get("labels") or {}).items()},
                tuple(map(str, row.get("workloads") or ())),
                share,
                bool(boolean(row.get("gateways") or False, strict=False)),
                bool(boolean(row.get("rest") or False, strict=False)),
                str(row.get("concurrency") or ""),
            )
        )
    twice = sorted({one.name for one in found if sum(other.name == one.name for other in found) > 1})
    if twice:
        problems.append(f"several waves are called {', '.join(twice)}: each needs a name of its own")
    if problems:
        raise ConfigError("these waves cannot be used: " + "; ".join(problems))
    return found


def _share(value: Any) -> float:
    try:
        return float(str(value).removesuffix("%"))
    except ValueError:
        return -1.0


def width(text: str, size: int) -> int:
    """How many at a time; empty for all."""
    if not text:
        return max(1, size)
    number = text.removesuffix("%")
    if not number.isdigit() or int(number) < 1:
        raise ConfigError(f"the concurrency {text} is no number of workloads and no percentage of a wave (10, or 25%)")
    return max(1, math.ceil(size * int(number) / 100)) if text.endswith("%") else int(number)


def needs(one: RestartedWorkload, goal: Goal) -> bool:
    """Whether it has a proxy that is not what the goal wants. Scaled to zero, it has none."""
    return bool(one.behind(goal))


def _spread(one: RestartedWorkload) -> str:
    """An order that is always the same and takes a share from all namespaces."""
    return hashlib.sha256(one.title.encode()).hexdigest()


def plan(world: RolloutObservation, goal: Goal, orders: Sequence[WaveRequest]) -> list[PlannedWave]:
    """Each workload in the first wave that takes it; who is left comes in `rest`, gateways that are left in `gateways`, both last."""
    left = {title: one for title, one in sorted(world.workloads.items()) if needs(one, goal)}
    fleet = sum(not one.gateway for one in world.workloads.values())
    found = []
    for order in orders:
        taken = [one for one in left.values() if order.takes(one, world)]
        if order.share:
            taken = sorted(sorted(taken, key=_spread)[: math.ceil(fleet * order.share / 100)], key=lambda one: one.title)
        for one in taken:
            del left[one.title]
        found.append(PlannedWave(order.name, tuple(one.title for one in taken), order.gateways, order.concurrency))
    names = {one.name for one in found}
    for name, gateways in (("rest" if orders else "workloads", False), ("gateways", True)):
        members = tuple(title for title, one in left.items() if one.gateway is gateways)
        free = name if name not in names else f"{name}-left"
        if members:
            found.append(PlannedWave(free, members, gateways))
    return [one for one in found if one.members]
