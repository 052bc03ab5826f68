# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Says every ten seconds of a wait what it waits for. Ansible shows a module's result only when it is over, which may be minutes later.

It is shown where a module works in Ansible's own process; a module in a process of its own has no way to say anything before its end.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable

from .._text import shortened

__all__ = ["EVERY", "Progress", "few", "notice", "notices", "show_by"]

EVERY = 10.0
_SHOWN = 3
_LONGEST = 600
# control characters, and what turns the direction of a text: data of a cluster cannot move a terminal, or add a line of its own
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class _Sink:
    show: Callable[[str], object] | None = None
    last: tuple[str, float] = ("", 0.0)  # what was said, and when
    notices: dict[str, None] = {}  # of the module that works in this process


def show_by(show: Callable[[str], object] | None) -> None:
    """Where lines go from here on; None for nowhere."""
    _Sink.show, _Sink.last = show, ("", 0.0)


def notice(text: str) -> None:
    """A warning that the module's result is to have, whoever made the cluster that it is about; once."""
    _Sink.notices[text] = None


def notices() -> list[str]:
    """What was said since this was asked last."""
    found = list(_Sink.notices)
    _Sink.notices.clear()
    return found


def few(rows: Iterable[str]) -> str:
    """The first of many reasons, and how many more there are."""
    return shortened(rows, _SHOWN, "; ")


class Progress:
    """One wait. name: of the cluster."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.clock = name, clock
        self.began = self.said = clock()

    def due(self) -> bool:
        """Asked at each look: whether it is time to say something, and somebody listens."""
        return _Sink.show is not None and self.clock() - self.said >= EVERY

    def say(self, what: str) -> None:
        """What is waited for."""
        if _Sink.show is None:
            return
        self.said = self.clock()
        if _Sink.last[0] == what and self.said - _Sink.last[1] < EVERY:
            return  # several threads wait for the same
        _Sink.last = (what, self.said)
        text = f"{self.name}: waits since {self.said - self.began:.0f} s: {what}"
        text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
        _Sink.show(_UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text))
