# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with a test bed."""

from __future__ import annotations

__all__ = ["BedError"]


class BedError(Exception):
    """The test bed cannot do what was asked; the message says what to look at."""
