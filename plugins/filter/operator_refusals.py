# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter operator_refusals."""

from __future__ import annotations

DOCUMENTATION = r"""
name: operator_refusals
short_description: What the variables about operators cannot mean
version_added: "0.1.0"
description:
  - Takes the packages that an intent uses, as P(meshops.mesh.mesh_operators#filter) returns them, and says which channels and versions name
    packages that nobody installs, and which versions are no names of a ClusterServiceVersion.
author:
  - meshops.mesh contributors (@meshops)
positional: channels, versions, starting_csvs
options:
  _input:
    description: The packages, each with C(package).
    type: list
    elements: dict
    required: true
  channels:
    description: Package to channel.
    type: dict
    required: true
  versions:
    description: Package to the ClusterServiceVersion to reach.
    type: dict
    required: true
  starting_csvs:
    description: Package to the ClusterServiceVersion to begin with.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse what cannot be done
  ansible.builtin.assert:
    that: refusals | length == 0
    fail_msg: "{{ refusals | join('; ') }}"
  vars:
    refusals: "{{ packages | meshops.mesh.operator_refusals(mesh_operators_channels, mesh_operators_versions, {}) }}"
"""

RETURN = r"""
_value:
  description: A sentence for each thing that is refused; empty when there is none.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._olm.refusals import operator_refusals as judge


def operator_refusals(
    packages: Sequence[Mapping[str, Any]], channels: Mapping[str, Any], versions: Mapping[str, Any], starting_csvs: Mapping[str, Any]
) -> list[str]:
    """The refusals."""
    return judge([row["package"] for row in packages], channels=channels, versions=versions, starting_csvs=starting_csvs)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name to function."""
        return {"operator_refusals": operator_refusals}
