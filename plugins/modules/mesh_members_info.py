#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell which namespaces are members of a mesh that the intent does not name any more."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mesh_members_info
short_description: Tell which members of a mesh are not wanted any more
version_added: "0.1.0"
description:
  - Finds the namespaces that this collection has made members of a mesh and that O(namespaces) does not name, also those that somebody
    else made, and the workloads in them whose pods still have a proxy.
  - Finds namespaces of O(namespaces) that another mesh has.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.options.cluster
  - meshops.mesh.options.members
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
  - module: meshops.mesh.removal_check
"""

EXAMPLES = r"""
- name: Who is a member and should not be?
  meshops.mesh.mesh_members_info:
    mesh: travel-prod
    provider: ossm3
    control_plane: {name: production, namespace: prod-istio-system}
    namespaces: [prod-travel-agency, prod-travel-portal]
  register: members

- name: No namespace of another mesh is wanted
  ansible.builtin.assert:
    that: members.taken | length == 0
"""

RETURN = r"""
leaving:
  description: Namespaces that are members by our doing and are not wanted.
  returned: success
  type: list
  elements: str
  sample: [prod-travel-control]
unlabelled:
  description: Those of RV(leaving) that do not carry the label of the mesh, so that pruning by label does not find them.
  returned: success
  type: list
  elements: str
  sample: []
taken:
  description: Wanted namespaces that another mesh has, each with the label that says so.
  returned: success
  type: list
  elements: str
  sample: []
lines:
  description: What still is to do in the namespaces that leave, for people.
  returned: success
  type: list
  elements: str
  sample: ["Deployment prod-travel-control/control (2 pods) keeps its proxy until it is restarted"]
"""

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_members_info import members_of, mesh_of
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, MEMBERS, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

ARGUMENT_SPEC = {**MEMBERS, **CLUSTER}


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec={**AUTH_ARG_SPEC, **ARGUMENT_SPEC}, supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    try:
        cluster = Cluster.from_params(module.params, name=display_name(module.params))
        found = members_of(cluster, mesh_of(cluster, module.params))
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    lines = [f"{row} keeps its proxy until it is recreated: {row.remedy}" for row in found.proxied]
    module.exit_json(changed=False, leaving=list(found.leaving), unlabelled=list(found.unlabelled), taken=list(found.taken), lines=lines)


if __name__ == "__main__":
    main()
