# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter failed_checks."""

from __future__ import annotations

DOCUMENTATION = r"""
name: failed_checks
short_description: Failed checks as sentences
version_added: "0.1.0"
description:
  - Of the rows that M(meshops.mesh.mesh_check) or M(meshops.mesh.certificate_check) returns those that failed, for a message of a few
    lines. The whole table is made by P(meshops.mesh.check_table#filter).
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The rows, as in the return value C(checks) of M(meshops.mesh.mesh_check).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Everything holds
  ansible.builtin.assert:
    that: result.summary.failed == 0
    fail_msg: "{{ result.checks | meshops.mesh.failed_checks | join('; ') }}"
"""

RETURN = r"""
_value:
  description: A sentence for each row that failed, with the check's code, the object, what was found and what to do.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._checks.render import failed_sentences


def failed_checks(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """As the pure function."""
    return failed_sentences(rows)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name to function."""
        return {"failed_checks": failed_checks}
