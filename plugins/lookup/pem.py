# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup pem."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pem
short_description: PEM texts, or the files that have them
version_added: "0.1.0"
description:
  - Takes what may be a PEM text or the path of a file, and returns the text of each.
  - Files are found as by P(ansible.builtin.file#lookup).
author:
  - meshops.mesh contributors (@meshops)
options:
  _terms:
    description: Texts and paths.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Read the roots that a mesh trusts besides its own
  ansible.builtin.set_fact:
    roots: "{{ query('meshops.mesh.pem', *mesh_certificates_extra_roots) }}"
"""

RETURN = r"""
_raw:
  description: The texts, one for each term.
  type: list
  elements: str
"""

from typing import Any

from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.request import inline


class LookupModule(LookupBase):  # type: ignore[misc]
    """What Ansible loads."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """The end of a file is kept as it is: it may be a key, and judged byte by byte."""
        own = lookup_loader.get("ansible.builtin.file", loader=self._loader, templar=self._templar)
        return [term if inline(term) else own.run([term], variables, rstrip=False, **kwargs)[0] for term in terms]
