# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What mesh_topology of all hosts says together, for filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._multicluster.topology import TRUST_DOMAIN, MeshHost, fleet_of
from ansible_collections.meshops.mesh.plugins.plugin_utils.hosts import api_of, variable_of

__all__ = ["fleet_around", "mesh_hosts"]


def mesh_hosts(hostvars: Mapping[str, Any], hosts: Iterable[str]) -> list[MeshHost]:
    """The hosts that say mesh_topology."""
    return [_mesh_host(hostvars, host, given) for host in hosts if (given := variable_of(hostvars, host, "mesh_topology")) is not None]


def _mesh_host(hostvars: Mapping[str, Any], host: str, given: Any) -> MeshHost:
    plane = variable_of(hostvars, host, "mesh_control_plane") or {}
    return MeshHost(
        host=host,
        provider=str(variable_of(hostvars, host, "mesh_provider", "")),
        mesh=str(variable_of(hostvars, host, "mesh_name", "")),
        namespace=str(plane.get("namespace") or ""),
        trust_domain=str(plane.get("trust_domain") or TRUST_DOMAIN),
        api=tuple(map(str, api_of(hostvars, host))),
        given=given if isinstance(given, Mapping) else {},
    )


def fleet_around(hostvars: Mapping[str, Any], hosts: Iterable[str], host: str) -> list[MeshHost]:
    """The clusters of this host's mesh, itself among them; none where it is in no mesh of several."""
    every = mesh_hosts(hostvars, hosts)
    own = next((one.mesh_id for one in every if one.host == host), "")
    return fleet_of(every, own) if own else []
