# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup template."""

from __future__ import annotations

DOCUMENTATION = r"""
name: template
short_description: Templates of the roles, without a copy of all variables for each of them
version_added: "0.1.0"
description:
  - Is P(ansible.builtin.template#lookup), which copies all variables of the host in depth for each template.
  - What a role renders changes none of them, so here they are shared. With a large inventory that is most of the time of a template.
author:
  - meshops.mesh contributors (@meshops)
options:
  _terms:
    description: Files to template.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Read the objects of a template
  ansible.builtin.set_fact:
    objects: "{{ lookup('meshops.mesh.template', role_path ~ '/templates/objects.yml.j2') | from_yaml_all | list }}"
"""

RETURN = r"""
_raw:
  description: The texts, one for each file.
  type: list
  elements: str
"""

from typing import Any

from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase


class _Shared(dict[str, Any]):
    """Variables whose copy in depth is one of its first level."""

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return dict(self)


class LookupModule(LookupBase):  # type: ignore[misc]
    """What Ansible loads."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        """As Ansible's own lookup."""
        own = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        found: list[Any] = own.run(terms, _Shared(variables or {}), **kwargs)
        return found
