#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mesh_artifacts
short_description: Leave the results of a playbook for the next node of a workflow
version_added: "0.1.0"
description:
  - Leaves what a decision is made by, as M(ansible.builtin.set_stats) does; Automation Platform hands it on to the next node of a workflow
    as the variable C(meshops_PLAYBOOK), a map by cluster.
  - It reads what the tasks before it have registered. Of a playbook that failed it leaves what is known until then.
  - It has names, numbers, codes and versions only, so no secret. What each playbook leaves is in C(docs/guides/automation-platform.md).
author:
  - meshops.mesh contributors (@meshops)
options:
  playbook:
    description: The playbook whose results these are, such as V(check_mesh).
    type: str
    required: true
attributes:
  check_mode:
    description: Can run in check mode and say what it would do.
    support: full
    details: It changes nothing, and leaves the results of the check.
  diff_mode:
    description: Returns what it changed, or would change, in check mode.
    support: none
  idempotent:
    description: A second run with the same input changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Check the mesh
  meshops.mesh.mesh_check:
    mesh: travel-prod
  register: mesh_check_result
  failed_when: false

- name: Hand the results on
  meshops.mesh.mesh_artifacts:
    playbook: check_mesh
"""

RETURN = r"""
ansible_stats:
  description: What is left, in the form of M(ansible.builtin.set_stats).
  returned: success
  type: dict
  sample:
    aggregate: true
    per_host: false
    data: {"meshops_check_mesh": {"prod": {"passed": false, "failed": ["OSM1401"], "summary": {"passed": 98, "failed": 1}}}}
"""
