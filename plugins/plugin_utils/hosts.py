# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Variables of other hosts, for filters that compare hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.members import Neighbour
from jinja2 import Undefined
from jinja2.exceptions import UndefinedError

__all__ = ["api_of", "neighbours_of", "variable_of"]


def variable_of(hostvars: Mapping[str, Any], host: str, name: str, default: Any = None) -> Any:
    """A variable of a host; the default where it, or what it is made of, is not defined, as after the filter `default`.

    Ansible's own localhost has no variables where no inventory names it."""
    try:
        value = hostvars[host].get(name, default)
    except (UndefinedError, KeyError):
        return default
    return default if isinstance(value, Undefined) else value  # Ansible gives the one or the other, by version and place


def api_of(hostvars: Mapping[str, Any], host: str) -> list[Any]:
    """How the API of a host is reached. Two hosts are the same API when they are reached in the same way."""
    return [variable_of(hostvars, host, "mesh_kubeconfig", ""), variable_of(hostvars, host, "mesh_context", "")]


def neighbours_of(hostvars: Mapping[str, Any], host: str, hosts: Iterable[str], api: Sequence[Any]) -> Iterator[Neighbour]:
    """The meshes of other hosts that are reached as this one's API is."""
    for other in hosts:
        if other != host and api_of(hostvars, other) == list(api):
            name = variable_of(hostvars, other, "mesh_name", "?")
            yield Neighbour(other, str(name), variable_of(hostvars, other, "mesh_domains", []))
