#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mesh_show
short_description: Print lines for people
version_added: "0.1.0"
description:
  - Prints each line without quotes, folding or escapes of the play's output format.
  - Lines that begin with the sign of a check (C(√), C(‼), C(×)) get its colour.
  - With the variable C(mesh_output_style) V(short) only what a person needs of a run is printed. Lines of checks that passed or were
    skipped are left out, and titles with nothing under them.
  - It runs on the control node and talks to no cluster.
author:
  - meshops.mesh contributors (@meshops)
options:
  lines:
    description:
      - What to print, each item as one line.
      - A line break or another control character in it, or a command for a CI system, may come from data, so it is shown as an escape.
        Split a text of several lines, as in the example.
    type: list
    elements: str
    required: true
  detail:
    description: Whether the lines are left out where C(mesh_output_style) is V(short).
    type: bool
    default: false
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
- name: Check the mesh
  meshops.mesh.mesh_check:
    mesh: travel-prod
  register: found

- name: Show the checks
  meshops.mesh.mesh_show:
    lines: "{{ found.table.splitlines() }}"
"""

RETURN = r""" # """
