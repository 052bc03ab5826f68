# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The plan for people: what runs, where it goes, the steps. One screen for a usual mesh."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator

from .._text import counted, joined
from .plan import UpgradePlan
from .timing import duration, words

__all__ = ["text_of"]

WIDTH = 118


def text_of(plan: UpgradePlan) -> str:
    """All of it."""
    return joined(_lines(plan))


def _lines(plan: UpgradePlan) -> Iterator[str]:
    route = plan.journey.route
    way = " -> ".join([str(route.current), *(hop.text for hop in route.hops)])
    head = f"{route.plane.ref}: {way} ({route.strategy}{', ambient' if route.ambient else ''})"
    if route.refusal:
        yield f"{route.plane.ref}: no way from {route.current} to {route.target}"
        yield from _wrapped(route.refusal, "    ")
        return
    if not plan.steps:
        yield f"{route.plane.ref} is at {route.target}, and so are its proxies: nothing to do"
        return
    yield f"{head}, about {duration(plan.seconds)}"
    yield f"    {words(plan.journey.pace)}"
    yield ""
    yield from _now(plan)
    for hop in route.hops or [None]:
        yield ""
        number = hop.number if hop else 0
        if hop is not None:
            yield f"hop {hop.number} of {len(route.hops)}: {hop.old} -> {hop.text}"
        for step in plan.steps:
            if step.hop != number:
                continue
            time = f"  [{duration(step.seconds)}]" if step.seconds else ""
            yield from _wrapped(f"{step.number:>3}. {step.what}{time}", "     ", first="")
            yield from _wrapped(f"why: {step.why}", "       ")
            yield from _wrapped(f"back: {step.back}", "       ")
        for noted, note in plan.notes:
            if noted == number:
                yield from _wrapped(f"  * from {note.istio[0]}.{note.istio[1]} on: {note.text}", "    ", first="")


def _wrapped(text: str, indent: str, first: str | None = None) -> list[str]:
    begin = indent if first is None else first
    return textwrap.wrap(text, WIDTH, initial_indent=begin, subsequent_indent=indent + "  ", break_long_words=False, break_on_hyphens=False)


def _now(plan: UpgradePlan) -> Iterator[str]:
    """What runs, a line for each sort."""
    journey = plan.journey
    rows: list[tuple[str, str]] = []
    for operator in journey.fleet.operators:
        pending = f"; {operator.pending.name} waits: {', '.join(operator.pending.csvs)}" if operator.pending else ""
        head = f"; head {operator.head}" if operator.head and operator.head != operator.installed_csv else ""
        state = f"{operator.channel or 'default channel'}, {operator.approval}{head}{pending}"
        rows.append(("operator", f"{operator.installed_csv or operator.package} ({state})"))
    for revision in journey.fleet.revisions_of(journey.route.plane):
        count = sum(1 for proxy in journey.fleet.proxies if proxy.revision == revision.name)
        rows.append(
            ("istiod", f"{revision.name} {revision.version}, {counted(revision.replicas, 'replica')}, {counted(count, 'proxy', 'proxies')}")
        )
    for component in journey.fleet.components:
        rows.append(("nodes", f"{component.kind} {component.version}, {counted(component.nodes, 'node')}"))
    for tag in journey.fleet.tags:
        rows.append(("tag", f"{tag.name} -> {tag.revision or 'nowhere'}"))
    roles = Counter((proxy.role, proxy.version or "unknown") for row in journey.workloads for proxy in row.proxies)
    for role in sorted({role for role, _version in roles}):
        found = ", ".join(f"{count} at {version}" for (name, version), count in sorted(roles.items()) if name == role)
        rows.append((f"{role}s", found))
    kinds = Counter(row.owner.kind for row in journey.workloads if row.proxies)
    if kinds:
        rows.append(("owners", ", ".join(f"{count} {kind if kind != 'Pod' else 'bare pods'}" for kind, count in sorted(kinds.items()))))
    if journey.fleet.kubernetes:
        rows.append(("Kubernetes", journey.fleet.kubernetes))
    width = max((len(name) for name, _text in rows), default=0)
    for name, text in rows:
        yield from textwrap.wrap(
            f"  {name:<{width}}  {text}", WIDTH, subsequent_indent=" " * (width + 4), break_long_words=False, break_on_hyphens=False
        )
