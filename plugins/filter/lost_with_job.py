# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter lost_with_job."""

from __future__ import annotations

DOCUMENTATION = r"""
name: lost_with_job
short_description: Whether files of the control node are lost with the run
version_added: "0.1.0"
description:
  - Of places on the control node those that do not outlive a job of Automation Platform - the folder of the job, and the file system of its
    container.
  - With E(MESH_CONTROL_NODE_LASTS) set to C(true) all of them last.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: Paths, by what they are for.
    type: dict
    required: true
  clients:
    description: Certificates of clients, of which each C(bundle) is a place.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: The certificates outlive this job
  ansible.builtin.assert:
    that: "{'mesh_certificates_store': mesh_certificates_store} | meshops.mesh.lost_with_job == []"
"""

RETURN = r"""
_value:
  description: A sentence for each place that is lost.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.lasting import lost_places


def lost_with_job(places: Mapping[str, str], clients: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """What is lost, and why."""
    return lost_places(places, clients)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name to function."""
        return {"lost_with_job": lost_with_job}
