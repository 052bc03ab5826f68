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
      - V(absent) deletes those of them that this module has made for this mesh, in reverse order. An object that only carries a copy of
        the labels is somebody else's. A namespace leaves the mesh, see O(remove_namespaces), and a volume stays, see O(remove_volumes).
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
    description:
      - Delete objects of this mesh and layer that were applied before and are not in O(objects) now.
      - A namespace leaves the mesh, see O(remove_namespaces), and a volume stays, see O(remove_volumes).
    type: bool
    default: false
  prune_kinds:
    description:
      - Kinds that the layer can have, each as C(group/Kind) (V(rbac.authorization.k8s.io/ClusterRole)), or C(Kind) of the core group.
        O(prune) looks for no others, so that a login needs no right to list every kind of the API. Without any it looks for all.
      - An object of O(objects) whose kind is not among them is refused, because no later prune would find it.
    type: list
    elements: str
    default: []
    version_added: "0.1.0"
  namespaces_by:
    description:
      - How a namespace that is not there is made. V(project) asks OpenShift for it by a ProjectRequest, for accounts that may request
        projects and may not create namespaces. Labels of the namespace are set in both ways, which needs the right to patch it.
    type: str
    choices: [namespace, project]
    default: namespace
    version_added: "0.1.0"
  remove_namespaces:
    description:
      - Delete namespaces that O(state=absent) or O(prune) are about and that this module has made. Without it they stay with all that is in
        them, and lose what this module has set on them (labels, and with them membership).
      - Refused, also in check mode, while something is in them that is not of this mesh, which is named, and while a kind may not be
        listed. Every volume counts. What Kubernetes and operators make again in every namespace does not.
    type: bool
    default: false
    version_added: "0.1.0"
  remove_volumes:
    description:
      - Delete PersistentVolumeClaims that O(state=absent) or O(prune) are about and that this module has made, with the data in them.
        Without it they stay.
    type: bool
    default: false
    version_added: "0.1.0"
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
      description:
        - One of V(created), V(changed), V(unchanged), V(deleted), V(pruned), V(released), V(kept) and V(new_kind).
        - V(released) is a namespace that O(prune) has let out of the mesh, V(kept) a volume that stays.
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
lines:
  description: For people, a line for each object that changes or that there is something to say of.
  returned: success
  type: list
  elements: str
  sample: ["created Namespace prod-travel-agency"]
leaving:
  description: The lines about objects that are not wanted any more, whether they go or stay.
  returned: success
  type: list
  elements: str
  sample: ["left alone ConfigMap prod-travel-agency/notes (not ours: no app.kubernetes.io/managed-by label, written by kubectl-create)"]
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
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_apply import apply_layer, argument_spec
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import IMPORT_ERROR
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
