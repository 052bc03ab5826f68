# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What an answer is about, and what was seen and is not judged: a proof of a mesh that was not looked at looks like any other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .._text import counted
from .inventory import MeshInventory
from .wording import names

__all__ = ["Examined", "seen_of"]

_MOST = 4  # sentences


@dataclass(frozen=True)
class Examined:
    objects: int = 0
    workloads: int = 0
    pods: int = 0
    callers: int = 0
    unjudged: tuple[str, ...] = ()  # each with its number

    @property
    def text(self) -> str:
        counts = f"{counted(self.objects, 'object')}, {counted(self.workloads, 'workload')}, {counted(self.pods, 'pod')}"
        more = f", and {counted(len(self.unjudged) - _MOST, 'more kind')} of things" if len(self.unjudged) > _MOST else ""
        rest = f"seen and not judged: {', '.join(self.unjudged[:_MOST])}{more}" if self.unjudged else "all that was seen is judged"
        return f"about {counts} and {counted(self.callers, 'caller')}; {rest}"


def seen_of(inventory: MeshInventory, scope: Iterable[str] = ()) -> Examined:
    """`scope`: patterns of the namespaces that were asked about; none: all."""
    patterns = tuple(scope)
    real = [place for place in inventory.places if not place.assumed and not place.workload.service]
    apart = [place.ref for place in real if place.apart]
    beyond = [
        place.ref for place in real
        if patterns and not place.apart and not any(fnmatchcase(place.namespace, pattern) for pattern in patterns)
    ]  # fmt: skip
    unjudged = [f"{counted(len(apart), 'workload')} without a proxy that are no part of the mesh ({names(apart)})"] if apart else []
    unjudged += [f"{counted(len(beyond), 'workload')} of namespaces that were not asked about ({names(beyond)})"] if beyond else []
    return Examined(
        inventory.seen,
        len({place.whole for place in real}),
        inventory.pods,
        len(real),
        (*unjudged, *inventory.unjudged),
    )
