# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What mesh_workloads and mesh_mtls cannot mean. The answers name applications and fields, never a value: the lists hold secrets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["workload_refusals"]

_MODES = ("STRICT", "PERMISSIVE", "DISABLE")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


def workload_refusals(workloads: Sequence[Mapping[str, Any]], mtls: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """A sentence for each thing that has to be refused before anything changes."""
    return [*_named_twice(workloads), *(text for entry in mtls for text in _exemption(entry)), *_exempted_twice(mtls)]


def _more_than_once(names: Iterable[str]) -> bool:
    return any(number > 1 for number in Counter(names).values())


def _named_twice(workloads: Sequence[Mapping[str, Any]]) -> list[str]:
    homes: dict[str, list[str]] = {}
    for home in workloads:
        names = (str(application.get("name")) for application in home.get("applications") or [])
        homes.setdefault(str(home.get("namespace")), []).extend(names)
    return [
        f"mesh_workloads names an application of {home} twice: {', '.join(sorted(names))}. Give it several versions instead."
        for home, names in homes.items()
        if _more_than_once(names)
    ]


def _exemption(entry: Mapping[str, Any]) -> list[str]:
    """What Istio would not take as it is meant."""
    ports = entry.get("ports") or {}
    modes = list(map(str, ports.values()))
    fits = (
        (bool(entry.get("mode")) or bool(ports))
        and (bool(entry.get("application")) or not ports)
        and all(mode in _MODES for mode in modes)
        and all(_PORT.fullmatch(str(port)) for port in ports)
    )
    if fits:
        return []
    found = ", ".join([f"mode {entry.get('mode') or '(none)'}", *(f"port {port} {mode}" for port, mode in ports.items())])
    return [
        f"mesh_mtls of {entry.get('namespace')}/{entry.get('application') or ''}: it needs a mode or ports; ports need an application, "
        f"are numbers, and each has the mode {', '.join(_MODES[:-1])} or {_MODES[-1]}. Found: {found}."
    ]


def _exempted_twice(mtls: Sequence[Mapping[str, Any]]) -> list[str]:
    names = sorted(f"{entry.get('namespace')}/{entry.get('name') or entry.get('application') or 'default'}" for entry in mtls)
    if not _more_than_once(names):
        return []
    return [f"mesh_mtls makes one PeerAuthentication twice: {', '.join(names)}. Put their modes together, or give a name."]
