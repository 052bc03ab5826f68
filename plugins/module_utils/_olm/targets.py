# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""From rendered Subscriptions to what the module install_plan is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["targets_of"]


def targets_of(objects: Iterable[Mapping[str, Any]], versions: Mapping[str, str]) -> list[dict[str, str]]:
    """Each Subscription by `name` and `namespace`, with the ClusterServiceVersion that it shall reach as `target`, which may be empty."""
    return [
        {"name": one["metadata"]["name"], "namespace": one["metadata"]["namespace"], "target": versions.get(one["metadata"]["name"]) or ""}
        for one in objects
        if one["kind"] == "Subscription"
    ]
