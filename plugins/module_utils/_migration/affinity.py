# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Affinity of OSSM 2, which has a short form of its own for podAntiAffinity, as Kubernetes takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["affinity"]

_SHORT = (
    ("requiredDuringScheduling", "requiredDuringSchedulingIgnoredDuringExecution"),
    ("preferredDuringScheduling", "preferredDuringSchedulingIgnoredDuringExecution"),
)


def _term(short: Mapping[str, Any]) -> dict[str, Any]:
    expression = {"key": short.get("key", ""), "operator": short.get("operator", "In")}
    if short.get("values"):
        expression["values"] = list(short["values"])
    return {"labelSelector": {"matchExpressions": [expression]}, "topologyKey": short.get("topologyKey") or "kubernetes.io/hostname"}


def affinity(value: Mapping[str, Any]) -> dict[str, Any]:
    """The short form becomes the long one; preferences of the short form weigh 100, as the operator lets them."""
    made = {kind: dict(rules) for kind, rules in value.items()}
    anti = made.get("podAntiAffinity", {})
    for short, long in _SHORT:
        terms = [_term(one) for one in anti.pop(short, None) or []]
        if terms and short.startswith("preferred"):
            terms = [{"weight": 100, "podAffinityTerm": one} for one in terms]
        if terms:
            anti[long] = [*(anti.get(long) or []), *terms]
    return made
