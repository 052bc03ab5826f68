# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Workloads by the names that people use: NAMESPACE/NAME of the Deployment, or of the application that its label names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase

from .places import Workload

__all__ = ["WorkloadNames", "app_of"]

_APP = ("app", "app.kubernetes.io/name", "k8s-app", "istio")
_SHOWN = 8


def app_of(place: Workload) -> tuple[str, str]:
    """The label that a workload is known by, and its value; empty if it has none."""
    labels = place.workload.labels
    key = next((key for key in _APP if labels.get(key)), "")
    return (key, labels[key]) if key else ("", "")


class WorkloadNames:
    """Places by name and by pattern: a matrix of a large mesh names thousands. A workload's own name goes before an application's."""

    def __init__(self, places: Iterable[Workload]) -> None:
        self.places = tuple(places)
        self._refs: dict[str, list[Workload]] = {}
        for place in self.places:
            for ref in place.refs:
                self._refs.setdefault(ref, []).append(place)
        self._apps: dict[str, list[Workload]] = {}
        for place in self.places:
            application = "" if place.workload.service else app_of(place)[1]
            if application:
                self._apps.setdefault(f"{place.namespace}/{application}", []).append(place)
        self._memo: dict[str, list[Workload]] = {}

    def find(self, entry: str) -> list[Workload]:
        """What an entry of a matrix means: the workload of this name, else all of this application; with a star all that match it."""
        if not any(mark in entry for mark in "*?["):
            return self._refs.get(entry) or self._apps.get(entry, [])
        if entry not in self._memo:
            named = {place.ref for app, places in self._apps.items() if fnmatchcase(app, entry) for place in places}
            self._memo[entry] = [place for place in self.places if place.ref in named or any(fnmatchcase(ref, entry) for ref in place.refs)]
        return self._memo[entry]

    def missing(self, entry: str) -> str:
        """That there is no such workload, and which one may be meant."""
        told = f"there is no workload {entry} in the source"
        known = sorted({*self._refs, *self._apps})
        near = difflib.get_close_matches(entry, known, 1, 0.75)
        if near:
            return f"{told}; did you mean {near[0]}?"
        namespace = entry.partition("/")[0]
        here = sorted(name for name in self._apps if name.startswith(f"{namespace}/")) or [
            name for name in known if name.startswith(f"{namespace}/")
        ]
        if here:
            return f"{told}; {namespace} has {', '.join(here[:_SHOWN])}{', ...' if len(here) > _SHOWN else ''}"
        spaces = difflib.get_close_matches(namespace, sorted({place.namespace for place in self.places}), 1, 0.6)
        return f"{told}, nor any other of {namespace}" + (f"; did you mean the namespace {spaces[0]}?" if spaces else "")
