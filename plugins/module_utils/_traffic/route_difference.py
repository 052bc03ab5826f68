# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Which requests go elsewhere in one state of a mesh than in another, in groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._text import counted, shortened
from .route_matrix import MatrixRow

__all__ = ["RouteChange", "route_changes", "route_changes_text"]

_NO_RULE = "no rule of its own"
_SHOWN = 5
_ERRORS = ("503", "404", "502", "500", "closed", "no listener", "blackhole", "envoy rejects")


@dataclass(frozen=True)
class RouteChange:
    """Requests of some callers that go elsewhere. asked: what their route matches; empty for all that no other route takes."""

    callers: tuple[str, ...]
    host: str
    port: int
    asked: str
    before: str
    after: str
    by: str  # the object that decides after the change, or did before

    @property
    def broken(self) -> bool:
        """Did some of them work before, and do they fail now?"""
        return _fails(self.after) and not _fails(self.before)

    @property
    def text(self) -> str:
        name, _svc, _end = self.host.partition(".svc.")
        asked = f" ({self.asked})" if self.asked else ""
        who = self.callers[0] if len(self.callers) == 1 else counted(len(self.callers), "workload")
        by = f", by {self.by}" if self.by else ""
        return f"requests of {who} to {name}:{self.port}{asked}: {self.before} became {self.after}{by}"

    def to_dict(self) -> dict[str, Any]:
        return {"callers": list(self.callers), "host": self.host, "port": self.port, "asked": self.asked, "before": self.before,
                "after": self.after, "by": self.by, "broken": self.broken}  # fmt: skip


def _fails(goes: str) -> bool:
    return any(f" {word}" in f" {goes}" for word in _ERRORS)


def _by_request(matrix: Mapping[MatrixRow, Sequence[str]]) -> dict[tuple[str, int, str], dict[str, tuple[str, str]]]:
    found: dict[tuple[str, int, str], dict[str, tuple[str, str]]] = {}
    for row, callers in matrix.items():
        same = found.setdefault((row.host, row.port, row.asked), {})
        for caller in callers:
            same.setdefault(caller, (row.goes, row.by))
    return found


def route_changes(before: Mapping[MatrixRow, Sequence[str]], after: Mapping[MatrixRow, Sequence[str]]) -> list[RouteChange]:
    """What is otherwise for callers that are in both, what is broken first. A Service that is only in one of them is told as well."""
    old, new = _by_request(before), _by_request(after)
    callers = {caller for one in old.values() for caller in one} & {caller for one in new.values() for caller in one}
    hosts = tuple({(host, port) for host, port, _asked in known} for known in (old, new))
    groups: dict[tuple[str, int, str, str, str, str], list[str]] = {}
    for key in dict.fromkeys((*old, *new)):
        host, port, asked = key
        for caller in callers:
            was, now = old.get(key, {}).get(caller), new.get(key, {}).get(caller)
            missing = [_NO_RULE if (host, port) in known else "no such Service and port" for known in hosts]
            texts = (was[0] if was else missing[0], now[0] if now else missing[1])
            if texts[0] != texts[1]:
                by = (now or was or ("", ""))[1]
                groups.setdefault((host, port, asked, *texts, by), []).append(caller)
    found = [RouteChange(tuple(sorted(names)), host, port, asked, was, now, by)
             for (host, port, asked, was, now, by), names in groups.items()]  # fmt: skip
    return sorted(found, key=lambda one: (not one.broken, -len(one.callers), one.host, one.port, one.asked))


def route_changes_text(changes: Sequence[RouteChange], most: int = 20) -> list[str]:
    """For people: each group in a line, with some of its callers."""
    broken = sum(one.broken for one in changes)
    told = f"{counted(len(changes), 'change')} of where requests go, {broken} of them broken"
    lines = [told if changes else "no request goes elsewhere"]
    for one in changes[:most]:
        lines.append(f"{'broken: ' if one.broken else ''}{one.text}")
        if len(one.callers) > 1:
            lines.append(f"  of {shortened(one.callers, _SHOWN)}")
    return [*lines, f"... and {counted(len(changes) - most, 'more change')}"] if len(changes) > most else lines
