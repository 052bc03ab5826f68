# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup kept_password."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kept_password
short_description: A password that is made once and kept in a file of the control node
version_added: "0.1.0"
description:
  - As P(ansible.builtin.password#lookup), but refuses a file that does not outlive the run, as in a job of Automation Platform. The next
    job would make another password, and the database would go on with the old one.
  - With E(MESH_CONTROL_NODE_LASTS) set to C(true) nothing is refused.
author:
  - meshops.mesh contributors (@meshops)
options:
  _terms:
    description: The path of the file.
    type: list
    elements: path
    required: true
  variable:
    description: The variable that can be set instead, for the message.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Make the password once
  ansible.builtin.set_fact:
    password: "{{ lookup('meshops.mesh.kept_password', '/srv/mesh/mysql', variable='mesh_mysql_password') }}"
"""

RETURN = r"""
_raw:
  description: The password, 24 letters and digits.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase
from ansible_collections.meshops.mesh.plugins.module_utils._model.lasting import lost_here
from ansible_collections.meshops.mesh.plugins.module_utils._text import shown


class LookupModule(LookupBase):  # type: ignore[misc]
    """What Ansible loads."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **options: Any) -> list[str]:
        """The password of each file."""
        for path in terms:
            why = lost_here(path)
            if why:
                raise AnsibleLookupError(f"set {options['variable']} from a credential or a vault: {shown(path)} cannot keep it, {why}")
        made = lookup_loader.get("ansible.builtin.password", loader=self._loader, templar=self._templar)
        found: list[str] = made.run(terms, variables, length=24, chars=["ascii_letters", "digits"])
        return found
