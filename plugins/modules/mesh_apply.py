#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring one layer of a mesh to its state."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mesh_apply
short_description: Bring a layer of Kubernetes objects to its state
version_added: "0.1.0"
description:
  - Applies all objects of one layer of a mesh with server-side apply, in a safe order and concurrently, and waits until they are
    really ready, by what their operators say about them.
  - Objects that already are as they should be are not written at all.
  - Objects that somebody else made are refused, not taken over.
  - Everything that is made carries the labels C(app.kubernetes.io/managed-by=meshops.mesh), C(mesh.meshops.io/mesh) and
    C(mesh.meshops.io/layer).
author:
  - meshops.mesh contributors (@meshops)
options:
  objects:
    description:
      - The objects of the layer, each a map with C(apiVersion), C(kind) and C(metadata.name).
      - An object must not be in the list twice.
    type: list
    elements: raw
    required: true
  mesh:
    description: Name of the mesh that the objects belong to.
    type: str
    required: true
  layer:
    description: Name of the layer, the unit that is pruned together.
    type: str
    required: true
  state:
    description:
      - V(present) makes the objects as given.
      - V(absent) deletes those of them that carry this mesh's labels, in reverse order. A namespace is deleted only when this
        module has made it.
    type: str
    choices: [present, absent]
    default: present
  force_conflicts:
    description: Take over fields that another field manager holds. Without it such a conflict is an error that names field and manager.
    type: bool
    default: false
  adopt:
    description: Existing objects of others that may be taken over, each as C(Kind namespace/name), or C(Kind name) without a namespace.
    type: list
    elements: str
    default: []
  prune:
    description: Delete objects of this mesh and layer that were applied before and are not in O(objects) now.
    type: bool
    default: false
  wait:
    description: Wait until all objects are ready, or gone.
    type: bool
    default: true
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
  - meshops.mesh.options.wait
attributes:
  check_mode:
    support: full
    details: The API server does a dry run. Objects of a kind that it does not have yet are listed as V(new_kind).
  diff_mode:
    support: full
    details: What may be a secret is masked, in Secrets and elsewhere.
  idempotent:
    support: full
requirements:
  - PyYAML >= 5.1
"""

EXAMPLES = r"""
- name: Apply the namespaces of a mesh
  meshops.mesh.mesh_apply:
    mesh: travel-prod
    layer: tenancy
    objects:
      - apiVersion: v1
        kind: Namespace
        metadata:
          name: prod-travel-agency
    prune: true
  register: tenancy

- name: Show what happened
  ansible.builtin.assert:
    that: tenancy.summary.created | default(0) + tenancy.summary.unchanged | default(0) == 1

- name: Take the layer away again
  meshops.mesh.mesh_apply:
    mesh: travel-prod
    layer: tenancy
    state: absent
    objects: "{{ tenancy_objects }}"
"""

RETURN = r"""
objects:
  description: What became of each object.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the object.
      type: str
      returned: always
      sample: Namespace
    apiVersion:
      description: API version of the object.
      type: str
      returned: always
      sample: v1
    namespace:
      description: Namespace of the object, empty where it has none.
      type: str
      returned: always
      sample: ""
    name:
      description: Name of the object.
      type: str
      returned: always
      sample: prod-travel-agency
    status:
      description: One of V(created), V(changed), V(unchanged), V(deleted), V(pruned) and V(new_kind).
      type: str
      returned: always
      sample: created
    diff:
      description: The fields that differ, for a changed object. What may be a secret is masked.
      type: list
      elements: str
      returned: always
      sample: ["metadata.labels.stage: (none) -> prod"]
    note:
      description: Why the status is what it is, where that is not plain.
      type: str
      returned: when there is something to say
      sample: its namespace does not exist yet
waited:
  description: Seconds spent waiting for readiness or deletion.
  returned: success
  type: float
  sample: 12.3
seconds:
  description: Seconds that the task took in all.
  returned: success
  type: float
  sample: 14.1
summary:
  description: How many objects have each status.
  returned: success
  type: dict
  sample: {"created": 3, "unchanged": 9}
"""

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.layer import apply_layer, argument_spec
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec=argument_spec(), supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    result = apply_layer(module.params, module.warn, check_mode=module.check_mode, diff=module._diff)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
