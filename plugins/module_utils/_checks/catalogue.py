# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""All checks that there are, by category; knows none of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from .._errors import ConfigError
from .._model.intent import Intent
from .._model.kinds import Kind
from .categories import CATEGORIES
from .types import Category, Check, Options

__all__ = ["Catalogue"]

ALWAYS = "OSM1002"


class Catalogue:
    """The categories, in the order of CATEGORIES, and their checks, in the order of their codes."""

    def __init__(self, *categories: Category) -> None:
        rows = [row for category in categories for row in category.rows.values()]
        self.categories = categories
        self.checks: tuple[Check, ...] = tuple(sorted(rows, key=lambda row: row.id))
        self.by_id: Mapping[str, Check] = {row.id: row for row in self.checks}
        if len(self.by_id) < len(rows):
            twice = sorted({row.id for row in rows if self.by_id[row.id] is not row})
            raise ValueError(f"check codes are used twice: {', '.join(twice)}")

    @cached_property
    def on_request(self) -> frozenset[str]:
        """Categories that are asked only where they are named."""
        return frozenset(category.name for category in self.categories if category.on_request)

    def codes(self, category: str) -> set[str]:
        """The codes of a category."""
        return {row.id for row in self.checks if row.category == category}

    def select(self, only: Iterable[str], categories: Iterable[str]) -> list[Check]:
        """The chosen checks and everything that they require, in table order."""
        codes, names = set(only), set(categories)
        unknown = sorted(codes - set(self.by_id)) + sorted(names - set(CATEGORIES))
        if unknown:
            raise ConfigError(f"there is no check or category {', '.join(unknown)}; the categories are {', '.join(CATEGORIES)}")
        chosen = {row.id for row in self.checks if (not codes or row.id in codes) and (not names or row.category in names)}
        if not codes and not names:
            chosen = {code for code in chosen if self.by_id[code].category not in self.on_request}
        # Without it, a reader without rights would see everything skipped and nothing failed.
        chosen.add(ALWAYS)
        todo = list(chosen)
        while todo:
            for code in self.by_id[todo.pop()].requires:
                if code not in chosen:
                    chosen.add(code)
                    todo.append(code)
        return [row for row in self.checks if row.id in chosen]

    def kinds_read(self, intent: Intent, options: Options) -> frozenset[Kind]:
        """What the chosen checks read: a large mesh has many objects that none of them asks for, such as its ReplicaSets."""
        checks = self.select(options.only, options.categories)
        return frozenset(kind for row in checks if intent.provider is None or intent.provider in row.providers for kind in row.inputs)
