# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What mesh_observability cannot mean: tools that would read from, or store in, what is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from .._model.fields import section
from .._model.packages import tools_of, tracing_problems

__all__ = ["observability_refusals"]


def observability_refusals(provider: str, control_plane: Mapping[str, Any], observability: Mapping[str, Any]) -> list[str]:
    """A sentence for each thing that has to be refused."""
    found = []
    storage = section(control_plane, "tracing").get("storage") or "memory"
    strategy = section(observability, "jaeger").get("strategy") or "allInOne"
    if "jaeger" in tools_of(observability) and storage != "memory" and strategy == "allInOne":
        found.append(
            f"mesh_observability.jaeger.strategy: {strategy} keeps traces in memory, and mesh_control_plane.tracing.storage is {storage}; "
            "use the strategy production"
        )
    if not _on(observability, "prometheus", default=True):
        readers = [name for name in ("grafana", "kiali") if _on(observability, name, default=False)]
        found += [
            f"mesh_observability.{name}.enabled: it reads from Prometheus, which mesh_observability.prometheus.enabled turns off; "
            "turn both on, or both off"
            for name in readers
        ]
    return [*found, *tracing_problems(provider, control_plane, observability)]


def _on(observability: Mapping[str, Any], name: str, *, default: bool) -> bool:
    return bool(boolean(section(observability, name).get("enabled", default), strict=False))
