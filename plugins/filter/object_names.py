# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter object_names."""

from __future__ import annotations

DOCUMENTATION = r"""
name: object_names
short_description: Objects as people name them
version_added: "0.1.0"
description:
  - C(Kind namespace/name) of each object, as in messages and in the variable C(deliver_adopt) of the role P(meshops.mesh.deliver#role).
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The objects.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what was found
  ansible.builtin.debug:
    msg: "{{ found.resources | meshops.mesh.object_names | join(', ') }}"
"""

RETURN = r"""
_value:
  description: The names, in the order of the objects.
  type: list
  elements: str
  sample: ["Service shop/web", "Namespace shop"]
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._model.picked import names_of


def object_names(objects: Sequence[Mapping[str, Any]]) -> list[str]:
    """As the pure function."""
    return names_of(objects)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name to function."""
        return {"object_names": object_names}
