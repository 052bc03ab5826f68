# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter operator_kinds."""

from __future__ import annotations

DOCUMENTATION = r"""
name: operator_kinds
short_description: The kinds of what some operators run
version_added: "0.1.0"
description:
  - What somebody loses when these operators go, as queries of M(meshops.mesh.mesh_objects_info).
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: Names of packages.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Read what the operators run
  meshops.mesh.mesh_objects_info:
    queries: "{{ ['servicemeshoperator3', 'kiali-ossm'] | meshops.mesh.operator_kinds }}"
"""

RETURN = r"""
_value:
  description: One row a kind, with C(api_version) and C(kind).
  type: list
  elements: dict
"""

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.packages import kinds_of


def operator_kinds(packages: Sequence[Any]) -> list[dict[str, str]]:
    """As the pure function."""
    return [{"api_version": version, "kind": kind} for version, kind in kinds_of(str(package) for package in packages)]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"operator_kinds": operator_kinds}
