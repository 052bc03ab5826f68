# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The rows of one category, for modules that are about one subject; mesh_check has all of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from .._catalogue import CATALOGUE, run_checks_on
from .._checks.runner import Report
from .._checks.types import Options
from .._errors import ConfigError
from .._model.intent import Intent
from .._model.view import View

__all__ = ["category_options", "run_category"]

_READABLE = "OSM1002"  # what we may not read matters to every category


def category_options(category: str, options: Options, subject: str, related: Collection[str] = ()) -> Options:
    """The options with all checks of the category chosen where none is; ConfigError for a check of another one.

    subject: what the category is about, for the message; related: codes of other categories that belong to it here."""
    own = CATALOGUE.codes(category) | set(related)
    foreign = sorted(set(options.only) - own)
    if foreign:
        raise ConfigError(f"only: {', '.join(foreign)} is no check of {subject}; meshops.mesh.mesh_check has all of them")
    return options if options.only else replace(options, only=tuple(sorted(own)))


def run_category(
    category: str, view: View, intent: Intent, options: Options, *, related: Collection[str] = (), live: bool = True
) -> Report:
    """The rows of a category and of `related`, with those that say what could not be read.

    live: whether the source may say something of a running cluster; manifests never do."""
    report = run_checks_on(view, intent, options)
    beside = {_READABLE, *related} if live and view.source != "manifests" else set()
    return replace(report, rows=tuple(row for row in report.rows if row.category == category or row.id in beside))
