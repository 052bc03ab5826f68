# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Whether a pattern of hosts means somebody: Ansible itself only warns, does nothing, and ends well."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.inventory.manager import InventoryManager, split_host_pattern
from ansible_collections.meshops.mesh.plugins.module_utils._text import shortened, shown

__all__ = ["chosen", "pattern_problem"]

_LOCAL = ("localhost", "127.0.0.1", "::1")  # hosts that Ansible makes where no inventory has them
_SHOWN = 10


def pattern_problem(
    pattern: Any, groups: Mapping[str, Sequence[str]], *, left: Iterable[str], limit: str | None = None, loader: Any = None
) -> str:
    """Why the pattern chooses nobody, or not all that it names; empty where it does. left: the hosts that --limit leaves."""
    if not _is_pattern(pattern):
        return "mesh_hosts is empty or no text; name hosts or groups of the inventory, or leave it out"
    parts = split_host_pattern(pattern)
    known = list(dict.fromkeys([*groups, *(name for names in groups.values() for name in names)]))
    every = list(groups.get("all", []))
    if not every and not set(parts) & set(_LOCAL):
        return f"mesh_hosts is {_said(parts)}, and the inventory has no host; name an inventory with -i"
    strange = [part for part in parts if not _is_known(part, known)]
    if strange:
        names = ", ".join(_said([part]) for part in strange)
        near = _near(strange[0], known)
        hint = f"did you mean {shown(near)}?" if near else f"there are {shortened(map(shown, _worth_naming(groups, every)), _SHOWN)}"
        return f"mesh_hosts names {names}, which is no host or group of the inventory; {hint}"
    found = _matched(parts, groups, loader)
    if not found:
        return f"mesh_hosts is {_said(parts)}, and no host of the inventory is in all of it; choose another host or group"
    if not (found & set(left) or (found & set(_LOCAL) and _reaches_local(limit))):
        return (
            f"mesh_hosts is {_said(parts)} ({shortened(map(shown, sorted(found)), _SHOWN)}), and --limit {shown(limit)} leaves none of it; "
            "change one of the two"
        )
    return ""


def _is_pattern(pattern: Any) -> bool:
    if isinstance(pattern, (list, tuple)):
        return bool(pattern) and all(isinstance(part, str) for part in pattern)
    return isinstance(pattern, str) and bool(pattern.strip())


def chosen(pattern: Any, groups: Mapping[str, Sequence[str]], host: str) -> bool:
    """Whether the pattern has the host; one that no play could have used has none."""
    return _is_pattern(pattern) and host in _matched(split_host_pattern(pattern), groups, None)


def _said(parts: Sequence[str]) -> str:
    return repr(shown(",".join(parts))).replace("\\\\", "\\")


def _bare(part: str) -> str:
    """A part without what combines it with others, and without a range of hosts."""
    return re.sub(r"(?<=.)\[[-:\d]+\]$", "", part.lstrip("&!"))


def _is_known(part: str, known: Sequence[str]) -> bool:
    name = _bare(part)
    if name in _LOCAL or name in known:
        return True
    if name.startswith("~"):
        return any(re.search(name[1:], one) for one in known)
    return any(fnmatch.fnmatch(one, name) for one in known)


def _near(part: str, known: Sequence[str]) -> str:
    return next(iter(difflib.get_close_matches(_bare(part), known, 1, 0.6)), "")


def _worth_naming(groups: Mapping[str, Sequence[str]], every: Sequence[str]) -> list[str]:
    return [name for name in groups if name not in ("all", "ungrouped") and groups[name]] + list(every)


def _matched(parts: list[str], groups: Mapping[str, Sequence[str]], loader: Any) -> set[str]:
    """As Ansible matches them."""
    manager = InventoryManager(loader, parse=False)
    for group, names in groups.items():
        manager.add_group(group)
        for name in names:
            manager.add_host(name, group=group)
    return {host.name for host in manager.get_hosts(pattern=parts)}


def _reaches_local(limit: str | None) -> bool:
    return not limit or bool({_bare(part) for part in split_host_pattern(limit)} & {*_LOCAL, "all"})
