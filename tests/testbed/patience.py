# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for something, and doing something all the time while something else happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["meanwhile", "until"]


def until(check: Callable[[], Any], timeout: float = 120.0, what: str = "") -> Any:
    """Waits until check gives something true, and returns it."""
    end, last = time.monotonic() + timeout, None
    while time.monotonic() < end:
        last = check()
        if last:
            return last
        time.sleep(0.2)
    raise AssertionError(f"not after {timeout:.0f} s: {what or check} (last: {last!r})")


@contextmanager
def meanwhile(*turns: Callable[[], object], pause: float = 0.15) -> Iterator[None]:
    """Takes each of these turns over and over, in a thread of its own, until the block is over and the last turn done.

    pause: seconds between two turns; without one a caller takes a core from what it watches."""
    stop = threading.Event()

    def loop(turn: Callable[[], object]) -> None:
        while not stop.wait(pause):
            turn()

    threads = [threading.Thread(target=loop, args=(turn,), daemon=True) for turn in turns]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
