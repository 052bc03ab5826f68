# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Cookies are all in one header, and no API matches one of them: a regular expression of the whole header does."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

from .intent import EXACT, PREFIX, PRESENT, REGEX, ComparedText, escaped

__all__ = ["cookie_pattern"]


def cookie_pattern(cookies: Mapping[str, ComparedText]) -> str:
    """For the header `cookie`: each of them is there, in whatever order and among whatever others."""
    each = [f"{escaped(name)}={_value(match)}" for name, match in cookies.items()]
    orders = ["(?:;.*)?; *".join(order) for order in permutations(each)]
    inner = orders[0] if len(orders) == 1 else f"(?:{'|'.join(orders)})"
    return f"(?:.*; *)?{inner}(?:;.*)?"


def _value(match: ComparedText) -> str:
    forms = {EXACT: escaped(match.value), PREFIX: f"{escaped(match.value)}[^;]*", REGEX: f"(?:{match.value})", PRESENT: "[^;]*"}
    return forms[match.form]
