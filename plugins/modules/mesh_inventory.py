#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mesh_inventory
short_description: Writes an inventory of a mesh
version_added: "0.1.0"
description:
  - Writes C(hosts.yml) and C(group_vars/mesh.yml) into a folder, for one cluster and one mesh, as people write them by hand.
  - A file that is there already is never overwritten. One with other content fails the task before anything is written.
  - It runs where the task runs, and talks to no cluster.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - meshops.mesh.attributes
options:
  path:
    description: The folder. It is made where it is missing.
    type: path
    required: true
  host:
    description: What the inventory calls the cluster.
    type: str
    default: cluster
  variables:
    description:
      - The variables of the mesh, by their names. Those without a value are left out.
      - A text that looks like a template is written as one that Ansible does not work out.
    type: dict
    required: true
  connection:
    description: How the cluster is reached. Without it the inventory says nothing of that, and C(K8S_AUTH_*) or the usual kubeconfig count.
    type: dict
    suboptions:
      kubeconfig:
        description: Path of a kubeconfig, for C(mesh_kubeconfig).
        type: path
      context:
        description: Context of the kubeconfig, for C(mesh_context).
        type: str
  origin:
    description: Where the variables come from. What there is to do next depends on it.
    type: str
    choices: [given, living]
    default: given
  notes:
    description: What the variables do not say, for a comment at the beginning, each item as one line.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: meshops.mesh.mesh_variables_info
"""

EXAMPLES = r"""
- name: Write an inventory of one small mesh
  meshops.mesh.mesh_inventory:
    path: inventories/first
    variables:
      mesh_name: first
      mesh_provider: ossm3
      mesh_control_plane: {name: first, namespace: istio-system}
      mesh_domains: [{name: shop, namespaces: [shop]}]
  register: inventory

- name: There are two files
  ansible.builtin.assert:
    that: inventory.files == ['group_vars/mesh.yml', 'hosts.yml']
"""

RETURN = r"""
path:
  description: The folder.
  returned: success
  type: str
  sample: inventories/first
files:
  description: The files in it.
  returned: success
  type: list
  elements: str
  sample: [group_vars/mesh.yml, hosts.yml]
lines:
  description: Where it is, what to run next, and O(notes), for people.
  returned: success
  type: list
  elements: str
  sample: ["The inventory is in inventories/first: group_vars/mesh.yml, hosts.yml."]
"""

from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_inventory import write_inventory
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

ARGUMENT_SPEC = {
    "path": {"type": "path", "required": True},
    "host": {"type": "str", "default": "cluster"},
    "variables": {"type": "dict", "required": True},
    "connection": {"type": "dict", "options": {"kubeconfig": {"type": "path"}, "context": {"type": "str"}}},
    "origin": {"type": "str", "choices": ["given", "living"], "default": "given"},
    "notes": {"type": "list", "elements": "str", "default": []},
}


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        result = write_inventory(module.params, check_mode=module.check_mode)
    except (MeshError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
