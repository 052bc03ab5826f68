# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Checks of the traffic category that ask where requests really go."""

from __future__ import annotations

from collections.abc import Iterable

from .._checks.types import Options
from .._model.intent import Intent
from .._model.problem import Problem
from .._model.view import View
from .checks import CATEGORY
from .expectations import read_expectations
from .mesh_routing import ROUTING_INPUTS, routing_of
from .verdicts import judge

check = CATEGORY.check

__all__: list[str] = []


@check(
    "OSM1820",
    title="each request goes where it is expected",
    hint="correct the object that the message names, or the expectation",
    inputs=ROUTING_INPUTS,
    intent=("requests",),
    live=False,
)
def requests_as_expected(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Where a request goes is decided by many objects together: Services, VirtualServices, DestinationRules, Sidecars, Gateways, and the
    policies at the end. Each expectation is asked as istiod and Envoy would answer it."""
    found, wrong = read_expectations(intent.requests or ())
    yield from (Problem("expectations", text) for text in wrong)
    yield from judge(routing_of(view, intent), found, now=options.now)
