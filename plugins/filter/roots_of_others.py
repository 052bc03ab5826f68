# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter roots_of_others."""

from __future__ import annotations

DOCUMENTATION = r"""
name: roots_of_others
short_description: The roots of other clusters, to compare them with one's own
version_added: "0.1.0"
description:
  - Puts together what M(meshops.mesh.certificate_check) has registered for other hosts, and snapshots of clusters that cannot be reached
    now.
author:
  - meshops.mesh contributors (@meshops)
positional: hostvars, register, snapshots
options:
  _input:
    description: The other hosts.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  register:
    description: The name under which each host has registered its result.
    type: str
    required: true
  snapshots:
    description: The name of a cluster to the file of its snapshot.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Read what this cluster hands out
  meshops.mesh.certificate_check:
    mesh: true
  register: here

- name: Compare it with the others
  meshops.mesh.certificate_check:
    mesh: true
    shares_root_with: >-
      {{ ansible_play_hosts_all | reject('eq', inventory_hostname)
         | meshops.mesh.roots_of_others(hostvars, 'here', {'north': 'north.json.gz'}) }}
"""

RETURN = r"""
_value:
  description: Rows for the option O(meshops.mesh.certificate_check#module:shares_root_with). Of a host that has registered nothing the
    roots are empty.
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.root_sources import root_sources
from ansible_collections.meshops.mesh.plugins.plugin_utils.hosts import variable_of


def roots_of_others(hosts: Iterable[str], hostvars: Mapping[str, Any], register: str,
                    snapshots: Mapping[str, str] | None = None) -> list[dict[str, str]]:  # fmt: skip
    """As the pure function."""
    return root_sources({host: variable_of(hostvars, host, register) for host in hosts}, snapshots or {})


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"roots_of_others": roots_of_others}
