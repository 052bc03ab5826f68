# SPDX-License-Identifier: GPL-3.0-or-later
"""API calls of our own clients, from the audit log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

__all__ = ["Calls", "count"]

_OURS = ("meshops.mesh", "OpenAPI-Generator/")  # this collection, and kubernetes.core
_PAGING = ("limit", "continue", "fieldManager", "fieldValidation", "force", "timeoutSeconds")


@dataclass(frozen=True)
class Calls:
    """The calls of one run."""

    verbs: Mapping[str, int]
    reviews: int
    repeated: tuple[tuple[str, int], ...]  # the calls that were made most often, reviews and discovery aside
    discovery: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.verbs.values())

    @property
    def text(self) -> str:
        """Verbs, most frequent first."""
        return ", ".join(f"{verb} {number}" for verb, number in sorted(self.verbs.items(), key=lambda item: -item[1]))

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON."""
        return {
            "total": self.total,
            "verbs": dict(self.verbs),
            "access_reviews": self.reviews,
            "discovery": self.discovery,
            "most_repeated": [{"call": call, "times": times} for call, times in self.repeated],
        }


def _call(event: Mapping[str, Any]) -> str:
    """Verb and address without paging: two pages of a list are one call."""
    parts = urlsplit(event["requestURI"])
    query = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] not in _PAGING])
    return f"{event['verb']} {parts.path}{'?' + query if query else ''}"


def count(events: Iterable[Mapping[str, Any]]) -> Calls:
    """What our clients asked for; an access review is a question of its own each time, so only their number is told."""
    ours = [event for event in events if event.get("stage") == "ResponseComplete" and str(event.get("userAgent", "")).startswith(_OURS)]
    reviews = [event for event in ours if event["requestURI"].startswith("/apis/authorization.k8s.io/")]
    rest = [event for event in ours if not event["requestURI"].startswith("/apis/authorization.k8s.io/")]
    discovery = [event for event in rest if not event.get("objectRef")]
    repeated = Counter(_call(event) for event in rest if event.get("objectRef") and "continue=" not in event["requestURI"])
    return Calls(dict(Counter(event["verb"] for event in ours)), len(reviews), tuple(repeated.most_common(5)), len(discovery))
