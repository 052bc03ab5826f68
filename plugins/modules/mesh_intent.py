#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mesh_intent
short_description: Check the variables of a mesh before anything changes
version_added: "0.1.0"
description:
  - Checks every C(mesh_*) variable by the argument specs of the roles that read it, every name by the rules of Kubernetes, and what
    variables say against each other, such as a persona in a namespace that C(mesh_domains) does not have.
  - All problems are reported at once, each with the path of its field, such as C(mesh_workloads[0].applications[1].port), and with file and
    line where Ansible knows them.
  - A variable that no role reads and that looks like one of ours is taken for a misspelling.
  - A service or a credential that is nearly one of the inventory is a warning, because somebody else may bring it.
  - It runs on the control node and talks to no cluster.
author:
  - meshops.mesh contributors (@meshops)
options:
  roles:
    description:
      - The roles that are going to run. The variables that they need have to be set.
      - Variables of the other roles are checked where they are set, but for those of C(workloads) and C(certificates), which may hold
        secrets.
    type: list
    elements: str
    default: []
  state:
    description: What is going to be done with them. What is to be removed need not be available any more.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Can run in check mode and say what it would do.
    support: full
    details: It changes nothing.
  diff_mode:
    description: Returns what it changed, or would change, in check mode.
    support: none
  idempotent:
    description: A second run with the same input changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Check the inventory before anything changes
  meshops.mesh.mesh_intent:
    roles: [control_plane, membership]
  register: intent

- name: Show how much was checked
  ansible.builtin.assert:
    that: intent.checked > 0
"""

RETURN = r"""
checked:
  description: How many variables were checked.
  returned: success
  type: int
  sample: 42
"""
