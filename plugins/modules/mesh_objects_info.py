#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read objects of one kind, or of several at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mesh_objects_info
short_description: Read Kubernetes objects of one kind, or of several at once
version_added: "0.1.0"
description:
  - Reads as M(kubernetes.core.k8s_info) does, with the manners of this collection. An API server that is busy (429, 503) or restarts for
    some seconds is waited out, one that does not answer ends the task within 15 seconds, and messages name the cluster.
  - A kind that the API does not have gives an empty list.
author:
  - meshops.mesh contributors (@meshops)
options:
  api_version:
    description: API version of the kind.
    type: str
    default: v1
  kind:
    description: The kind. Either this or O(queries) is needed.
    type: str
  name:
    description: Name of the object; all when not given.
    type: str
  namespace:
    description: Namespace to read; all when not given.
    type: str
  label_selectors:
    description: Labels that the objects have.
    type: list
    elements: str
    default: []
  queries:
    description:
      - Several things to read at the same time, instead of a loop over this module. Their answers come one after the other in
        RV(resources), and each on its own, in this order, in RV(answers).
    type: list
    elements: dict
    suboptions:
      api_version:
        description: API version of the kind.
        type: str
        default: v1
      kind:
        description: The kind.
        type: str
        required: true
      name:
        description: Name of the object; all when not given.
        type: str
      namespace:
        description: Namespace to read; all when not given.
        type: str
      label_selectors:
        description: Labels that the objects have.
        type: list
        elements: str
        default: []
  brief:
    description:
      - Return of each object only what a snapshot keeps, see M(meshops.mesh.cluster_snapshot). A pod then has its metadata, its status
        and the names and images of its containers, about a quarter of its size, and a Secret has no values.
      - For many pods, which are slow to carry through a playbook, and for what may hold a secret. What a task returns is in the events
        of a run. Without it set C(no_log) where such objects are read.
    type: bool
    default: false
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.options.cluster
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
attributes:
  check_mode:
    support: full
    details: It changes nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - python >= 3.11
  - kubernetes >= 24.2.0
seealso:
  - module: kubernetes.core.k8s_info
"""

EXAMPLES = r"""
- name: Read the routes of the control plane
  meshops.mesh.mesh_objects_info:
    api_version: route.openshift.io/v1
    kind: Route
    namespace: prod-istio-system
  register: routes

- name: Read what two operators run
  meshops.mesh.mesh_objects_info:
    queries:
      - {api_version: sailoperator.io/v1, kind: Istio}
      - {api_version: kiali.io/v1alpha1, kind: Kiali}

- name: Each has a host
  ansible.builtin.assert:
    that: routes.resources | map(attribute='spec.host') | select | length == routes.resources | length
"""

RETURN = r"""
api_found:
  description: Whether the API has the kind, with O(queries) each of them.
  returned: success
  type: bool
  sample: true
resources:
  description: The objects.
  returned: success
  type: list
  elements: dict
  sample: [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod-istio-system"}}]
answers:
  description: The answer to each of O(queries), in their order.
  returned: when O(queries) is given
  type: list
  elements: dict
  contains:
    query:
      description: The query.
      type: dict
      sample: {"api_version": "v1", "kind": "Namespace", "name": "prod-istio-system", "namespace": null, "label_selectors": []}
    api_found:
      description: Whether the API has its kind.
      type: bool
      sample: true
    resources:
      description: The objects.
      type: list
      elements: dict
      sample: []
"""

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_objects_info import RULES, answers, argument_spec
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec=argument_spec(), supports_check_mode=True, **RULES)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    try:
        result = answers(module.params)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
