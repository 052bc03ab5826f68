#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes one layer of objects into a GitOps tree."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gitops_tree
short_description: Write a layer of objects into a GitOps tree
version_added: "0.1.0"
author:
  - meshops.mesh contributors (@meshops)
description:
  - Writes each object to a file of its own, V(<output>/<cluster>/<NN-layer>/<kind>-<namespace>-<name>.yaml), with a C(kustomization.yaml)
    for the layer and one for the cluster.
  - Objects get the labels of ownership that M(meshops.mesh.mesh_apply) sets, and Argo CD's annotation for the sync wave of their layer.
  - Files of an earlier run of the same layer that are no longer wanted are removed. Files that this module did not write are left alone.
  - No cluster is contacted.
attributes:
  check_mode:
    description: Can run in check mode and tell what it would write.
    support: full
  diff_mode:
    description: Returns the contents before and after, with what may be a secret masked.
    support: full
options:
  output:
    description: Root folder of the tree. It is made where it is missing.
    type: path
    required: true
  cluster:
    description: Name of the cluster's folder.
    type: str
    required: true
  mesh:
    description: Name of the mesh, for the label C(mesh.meshops.io/mesh).
    type: str
    required: true
  layer:
    description: Name of the layer, for the folder and the label C(mesh.meshops.io/layer).
    type: str
    required: true
  layers:
    description:
      - All layers in their order; the place of O(layer) in it makes the folder's number and the sync wave (steps of ten).
      - A layer that is not named comes last.
    type: list
    elements: str
    default: []
  objects:
    description: The objects of the layer.
    type: list
    elements: dict
    required: true
  state:
    description: V(absent) removes the layer from the tree.
    type: str
    choices: [present, absent]
    default: present
  allow_secrets:
    description: Whether a C(Secret) may be written in clear text. Otherwise it is refused, and nothing is written.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Write the namespaces of a mesh
  meshops.mesh.gitops_tree:
    output: gitops
    cluster: prod
    mesh: travel-prod
    layer: namespaces
    layers: [operators, namespaces, control_plane]
    objects:
      - apiVersion: v1
        kind: Namespace
        metadata:
          name: prod-istio-system
  register: tree

- name: The namespaces come after the operators
  ansible.builtin.assert:
    that: tree.folder is match('.*/prod/02-namespaces$')
"""

RETURN = r"""
folder:
  description: The folder of the layer.
  returned: success
  type: str
  sample: gitops/prod/02-namespaces
files:
  description: Every file of the layer, the two kustomizations, and what was removed.
  returned: success
  type: list
  elements: dict
  sample:
    - path: prod/02-namespaces/namespace-prod-istio-system.yaml
      status: created
  contains:
    path:
      description: Path below O(output).
      returned: success
      type: str
      sample: prod/02-namespaces/namespace-prod-istio-system.yaml
    status:
      description: What happened to it, one of V(created), V(changed), V(unchanged), V(deleted).
      returned: success
      type: str
      sample: created
seconds:
  description: Seconds that the task took in all.
  returned: success
  type: float
  sample: 0.1
summary:
  description: The numbers in words.
  returned: success
  type: str
  sample: "1 created, 2 unchanged"
"""

from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._model.tree_files import ARGUMENT_SPEC, write_layer
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained


@contained
def main() -> None:
    module = MeshModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        result = write_layer(module.params, check_mode=module.check_mode, diff=module._diff)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
