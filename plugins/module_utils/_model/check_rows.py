# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Sentences of the rows that a check returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["failed_sentences"]


def failed_sentences(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """What does not hold, each with its code, its object and what to do."""
    return [f"{row['id']}: {row['resource']} {row['message']} ({row['hint']})" for row in rows if row["status"] == "failed"]
