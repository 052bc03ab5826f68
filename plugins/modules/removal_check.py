#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse to remove a mesh that others need."""

from __future__ import annotations

DOCUMENTATION = r"""
module: removal_check
short_description: Find out who would be harmed by the removal of a mesh
version_added: "0.1.0"
description:
  - Looks for pods with a proxy of this mesh that are not its own, in its members and everywhere else. Without their control plane they
    get no certificate and no configuration any more, and drop out within a day. Workloads that this collection has made go with the mesh
    and do not count.
  - With O(remove_namespaces) it looks into each namespace that would be deleted, at every kind that the API has, for what is not of
    this mesh.
  - Fails where it finds something. It changes nothing.
author:
  - meshops.mesh contributors (@meshops)
options:
  remove_namespaces:
    description: Whether namespaces that this collection made are going to be deleted, so that what is in them counts.
    type: bool
    default: false
  remove_volumes:
    description: Whether volumes that this collection made are going to be deleted as well, so that they do not count.
    type: bool
    default: false
  force:
    description: Do not fail because of pods that would be left without a control plane. What is in a namespace counts nonetheless.
    type: bool
    default: false
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
  - module: meshops.mesh.mesh_members_info
"""

EXAMPLES = r"""
- name: May the production mesh go?
  meshops.mesh.removal_check:
    mesh: travel-prod
    provider: ossm3
    control_plane: {name: production, namespace: prod-istio-system}
    namespaces: [prod-travel-agency, prod-travel-portal]
    remove_namespaces: true
  register: removal

- name: Nobody would be left alone
  ansible.builtin.assert:
    that: removal.orphans | length == 0
"""

RETURN = r"""
orphans:
  description: Workloads, and pods that belong to none, of others that have a proxy of this mesh.
  returned: always, where the cluster could be read
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the workload.
      type: str
      sample: Deployment
    namespace:
      description: Its namespace.
      type: str
      sample: prod-travel-agency
    name:
      description: Its name.
      type: str
      sample: reports
    pods:
      description: How many of its pods have a proxy.
      type: int
      sample: 2
  sample: [{"kind": "Deployment", "namespace": "prod-travel-agency", "name": "reports", "pods": 2}]
lines:
  description: What to do about each of RV(orphans), for people.
  returned: always, where the cluster could be read
  type: list
  elements: str
  sample: ["Deployment shop/web (2 pods) is left without a control plane: kubectl rollout restart deployment/web -n shop"]
obstacles:
  description: Why namespaces may not be deleted, a sentence for each.
  returned: always, where the cluster could be read
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_members_info import mesh_of, removing
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, MEMBERS, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._model.contents import listed
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

ARGUMENT_SPEC = {
    "remove_namespaces": {"type": "bool", "default": False},
    "remove_volumes": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    **MEMBERS,
    **CLUSTER,
}


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec={**AUTH_ARG_SPEC, **ARGUMENT_SPEC}, supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    params = module.params
    name = display_name(params)
    try:
        cluster = Cluster.from_params(params, name=name)
        found = removing(cluster, mesh_of(cluster, params), namespaces=params["remove_namespaces"], volumes=params["remove_volumes"])
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    against = list(found.obstacles)
    if found.orphans and not params["force"]:
        pods = sum(row.pods for row in found.orphans)
        against.insert(
            0,
            f"{pods} pod{' of others still has' if pods == 1 else 's of others still have'} a proxy of {params['mesh']}: "
            f"{listed(found.orphans)}: take them out of the mesh first (their namespace out of mesh_domains, then restart "
            "them), or say mesh_remove_force=true to leave them without a control plane",
        )
    result = {
        "orphans": [{"kind": row.kind, "namespace": row.namespace, "name": row.name, "pods": row.pods} for row in found.orphans],
        "lines": [f"{row} is left without a control plane: {row.remedy}" for row in found.orphans],
        "obstacles": list(found.obstacles),
    }
    if against:
        module.fail_json(msg=f"cluster {name}: nothing was removed. {'. '.join(text[0].upper() + text[1:] for text in against)}", **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
