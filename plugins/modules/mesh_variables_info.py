#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mesh_variables_info
short_description: Tells the variables that a living mesh corresponds to
version_added: "0.1.0"
description:
  - Finds the control plane of a mesh, reads it with its members, gateways, operators, personas and observability, and returns the C(mesh_*)
    variables of an inventory that describes it. It changes nothing.
  - Of a mesh that this collection has installed, C(install_mesh) with these variables changes nothing.
  - What no variable has a word for is in RV(notes), each with its object. Settings of the control plane are kept as C(spec_overrides).
  - No Secret is read for its values, and what may be a secret is named and not returned.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
  - meshops.mesh.options.source
options:
  control_plane:
    description: The Istio resource or ServiceMeshControlPlane. Only where the source has several it has to be named.
    type: dict
    suboptions:
      name:
        description: Its name.
        type: str
      namespace:
        description: Its namespace.
        type: str
  mesh:
    description: What to call the mesh, where it was not installed by this collection. The control plane's name when not given.
    type: str
attributes:
  check_mode:
    support: full
    details: It changes nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: meshops.mesh.mesh_inventory
"""

EXAMPLES = r"""
- name: Which inventory does this mesh correspond to?
  meshops.mesh.mesh_variables_info:
    kubeconfig: ~/.kube/config
    control_plane: {name: production, namespace: prod-istio-system}
  register: found

- name: All of it can be said in variables
  ansible.builtin.assert:
    that: found.notes | length == 0
"""

RETURN = r"""
read:
  description: What was read of manifests, as M(meshops.mesh.mesh_check) returns it.
  returned: with O(source=manifests)
  type: dict
  sample: {objects: 12, files: 3, unread: [], unread_count: 0, text: 12 objects of 3 files}
variables:
  description: The variables by their names; those that would be empty are left out.
  returned: success
  type: dict
  sample:
    mesh_name: travel-prod
    mesh_provider: ossm3
    mesh_ossm3_version: v1.27.3
    mesh_control_plane: {name: production, namespace: prod-istio-system}
    mesh_domains: [{name: travel-services, namespaces: [prod-travel-agency]}]
notes:
  description: What the variables do not say, or say in another way, each with its object.
  returned: success
  type: list
  elements: str
  sample: ["Kiali istio-system/kiali: it is somebody else's: mesh_observability does not say it, and it stays as it is"]
"""

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_variables_info import variables_of
from ansible_collections.meshops.mesh.plugins.module_utils._commands.sources import read_result
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, SOURCE, SOURCE_NEEDS, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._model.clock import utc_now
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

ARGUMENT_SPEC = {
    **CLUSTER,
    **SOURCE,
    "control_plane": {"type": "dict", "options": {"name": {"type": "str"}, "namespace": {"type": "str"}}},
    "mesh": {"type": "str"},
}


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec={**AUTH_ARG_SPEC, **ARGUMENT_SPEC}, required_if=SOURCE_NEEDS, supports_check_mode=True)
    module.params["cluster"] = display_name(module.params)
    if module.params["source"] == "cluster" and IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    try:
        snapshot, part = variables_of(module.params, clock=utc_now, warn=module.warn)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, variables=part.variables, notes=[str(note) for note in part.notes], **read_result(snapshot))


if __name__ == "__main__":
    main()
