# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts
short_description: The pattern of hosts of a playbook, which has to match
version_added: "0.1.0"
description:
  - Returns the pattern, for C(hosts) of a play.
  - Fails where it matches no host of the inventory, with C(--limit) or without, and where a part of it names nothing of the inventory.
    Ansible itself warns then, does nothing and ends with 0.
  - A pattern comes from the playbook or from C(-e mesh_hosts=PATTERN); variables of the inventory are not known when hosts are chosen.
author:
  - meshops.mesh contributors (@meshops)
options:
  _terms:
    description: The pattern, such as C(prod), C(east,west) or C(prod:!canary).
    type: list
    elements: str
    required: true
notes:
  - A syntax check has no inventory, so nothing is refused there.
"""

EXAMPLES = r"""
- name: Do something on the clusters that are chosen
  hosts: "{{ lookup('meshops.mesh.hosts', mesh_hosts | default('all')) }}"
  gather_facts: false
"""

RETURN = r"""
_raw:
  description: The pattern.
  type: list
  elements: str
"""

from typing import Any

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.inventory.manager import split_host_pattern
from ansible.plugins.lookup import LookupBase
from ansible_collections.meshops.mesh.plugins.module_utils._model.variables import RENAMED
from ansible_collections.meshops.mesh.plugins.plugin_utils.compiled import keep_byte_code
from ansible_collections.meshops.mesh.plugins.plugin_utils.host_pattern import pattern_problem


class LookupModule(LookupBase):  # type: ignore[misc]
    """What Ansible loads."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **_options: Any) -> list[Any]:
        """The pattern, unless it means nobody."""
        keep_byte_code()  # of what this run loads from here on: no play of ours begins before its hosts are known
        known = variables or {}
        old = [f"{name} is called {new} now" for name, new in RENAMED.items() if new == "mesh_hosts" and name in known]
        if old:
            raise AnsibleLookupError(f"nothing was done, because {'; '.join(old)}")
        if context.CLIARGS.get("syntax"):
            return terms
        groups, left, limit = known.get("groups") or {}, known.get("ansible_play_hosts_all") or [], known.get("ansible_limit")
        problem = pattern_problem(terms[0], groups, left=left, limit=limit, loader=self._loader)
        if problem:
            raise AnsibleLookupError(f"nothing was done, because {problem}")
        return [",".join(split_host_pattern(terms[0]))]
