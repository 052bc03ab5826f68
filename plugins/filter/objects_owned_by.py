# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter objects_owned_by."""

from __future__ import annotations

DOCUMENTATION = r"""
name: objects_owned_by
short_description: Objects that another object owns
version_added: "0.1.0"
description:
  - Looks at C(metadata.ownerReferences).
author:
  - meshops.mesh contributors (@meshops)
positional: kind, name
options:
  _input:
    description: The objects.
    type: list
    elements: dict
    required: true
  kind:
    description: The kind of the owner.
    type: str
    required: true
  name:
    description: The name of the owner.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the revisions of an Istio
  ansible.builtin.debug:
    msg: "{{ revisions.resources | meshops.mesh.objects_owned_by('Istio', 'production') | map(attribute='metadata.name') }}"
"""

RETURN = r"""
_value:
  description: The objects, as they were given.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.picked import owned_by


def objects_owned_by(objects: Sequence[Mapping[str, Any]], kind: str, name: str) -> list[Mapping[str, Any]]:
    """As the pure function."""
    return owned_by(objects, kind, name)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"objects_owned_by": objects_owned_by}
