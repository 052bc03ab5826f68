# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter version_of_alias."""

from __future__ import annotations

DOCUMENTATION = r"""
name: version_of_alias
short_description: The version of Istio that an alias leads to
version_added: "0.1.0"
description:
  - Looks an alias such as V(v1.30-latest) up in what the operator offers. A version that is no alias is returned as it is.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The version or alias.
    type: str
    required: true
  definitions:
    description: CustomResourceDefinitions of the kind C(Istio), as M(meshops.mesh.mesh_objects_info) reads them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what the alias stands for on this cluster
  ansible.builtin.debug:
    msg: "{{ 'v1.30-latest' | meshops.mesh.version_of_alias(definitions.resources) }}"
"""

RETURN = r"""
_value:
  description: The version, empty where the definitions do not say it.
  type: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.versions import newest_of, offered_by_schema


def version_of_alias(text: Any, definitions: Sequence[Mapping[str, Any]]) -> str:
    """As the pure function."""
    return newest_of(str(text), [version for crd in definitions for version in offered_by_schema(crd)])


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Name to function."""
        return {"version_of_alias": version_of_alias}
