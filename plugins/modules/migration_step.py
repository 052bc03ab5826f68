#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_step
short_description: Takes one step of the way from OpenShift Service Mesh 2.6 to 3
version_added: "0.1.0"
description:
  - Takes the steps that applying objects cannot take. These are labels that go, objects that change hands, restarts, and the end of
    OpenShift Service Mesh 2.
  - Each step is decided from the cluster's own objects. It writes nothing where something stands in its way, and names that. A step that is
    done already changes nothing, so a run that was killed goes on.
  - Workloads are restarted as M(meshops.mesh.rollout_waves) restarts them, within their PodDisruptionBudgets. A restart that a budget can
    never allow stands in the way of the step.
  - Most people use the playbook C(meshops.mesh.migrate_mesh), which takes the steps in their order and proves each of them.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
  - meshops.mesh.options.restart
  - meshops.mesh.options.wait
options:
  step:
    description:
      - V(prepared) labels the namespaces of the mesh, so that the new control plane and network policies know them.
      - V(moved) takes O(domain) to the new control plane. It labels the namespaces, restarts the workloads that have the old proxy, and
        waits until every pod has the new one and is ready.
      - V(back) takes O(domain) back in the same way.
      - V(gateways_moved) lets the operator take its gateways away, once those of M(meshops.mesh.migration_plan) are ready. Their Services
        and service accounts stay, and go over to us.
      - V(gateways_back) lets the operator make its gateways again.
      - V(removed) deletes the ServiceMeshControlPlane, its rolls and its members, once no pod has an old proxy, and puts right what is left
        behind. There is no way back from it. O(control_plane) has to be named.
    type: str
    choices: [prepared, moved, back, gateways_moved, gateways_back, removed]
    required: true
  domain:
    description: The domain's name, for V(moved) and V(back). A member that no domain names is a domain of its own name.
    type: str
  wave_size:
    description: How many workloads are in a wave. The next wave begins when all of this one are ready.
    type: int
    default: 10
  mesh:
    description: The mesh's name.
    type: str
    required: true
  control_plane:
    description: The ServiceMeshControlPlane. Only where the cluster has several, and for V(removed), it has to be named.
    type: dict
    suboptions:
      name:
        description: Its name.
        type: str
      namespace:
        description: Its namespace.
        type: str
  domains:
    description: Namespaces that move together, as in the variable C(mesh_domains).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The domain's name.
        type: str
        required: true
      namespaces:
        description: Its namespaces.
        type: list
        elements: str
        default: []
  version:
    description: The version of the Istio resource.
    type: str
    required: true
  istio_name:
    description: The Istio resource's name. By default that of the ServiceMeshControlPlane.
    type: str
  update_strategy:
    description: How the new control plane will be updated, as for M(meshops.mesh.migration_plan).
    type: str
    choices: [InPlace, RevisionBased]
    default: RevisionBased
  wait_timeout:
    description: How many seconds to wait for the step's end.
    default: 600
  wait_interval:
    default: 2
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: meshops.mesh.migration_plan
"""

EXAMPLES = r"""
- name: Take one domain to the new control plane
  meshops.mesh.migration_step:
    cluster: "{{ inventory_hostname }}"
    step: moved
    domain: travel-portal
    domains: "{{ mesh_domains }}"
    mesh: travel-prod
    version: v1.27.3
  register: step

- name: And back again
  meshops.mesh.migration_step:
    cluster: "{{ inventory_hostname }}"
    step: back
    domain: travel-portal
    domains: "{{ mesh_domains }}"
    mesh: travel-prod
    version: v1.27.3
"""

RETURN = r"""
lines:
  description: What was done, for people. In check mode, what would be done.
  returned: always
  type: list
  elements: str
  sample: ["Namespace prod-travel-portal: labels istio.io/rev=travel-prod and maistra.io/ignore-namespace=true, without istio-injection"]
restarted:
  description: The workloads that were restarted.
  returned: always
  type: list
  elements: str
  sample: [Deployment prod-travel-portal/voyages-v1]
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.migration_step import STEPS, Migration
from ansible_collections.meshops.mesh.plugins.module_utils._commands.restart import lock_from, settings_from
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, RESTART, display_name, wait_options
from ansible_collections.meshops.mesh.plugins.module_utils._kube.wait import Timing
from ansible_collections.meshops.mesh.plugins.module_utils._migration.options import OPTIONS
from ansible_collections.meshops.mesh.plugins.module_utils._migration.settings import MigrationSettings
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

SHARED = ("mesh", "control_plane", "domains", "version", "istio_name", "update_strategy")


def argument_spec() -> dict[str, Any]:
    return {
        **AUTH_ARG_SPEC,
        **CLUSTER,
        **RESTART,
        **wait_options(wait_timeout=600, wait_interval=2),
        **{name: OPTIONS[name] for name in SHARED},
        "step": {"type": "str", "choices": list(STEPS), "required": True},
        "domain": {"type": "str"},
        "wave_size": {"type": "int", "default": 10},
    }


def migration_of(params: dict[str, Any], *, check_mode: bool) -> Migration:
    plane = params["control_plane"] or {}
    if params["step"] == "removed" and not (plane.get("name") and plane.get("namespace")):
        raise ConfigError(
            "control_plane.name and control_plane.namespace are not set; removed needs both, because it also goes on when the "
            "ServiceMeshControlPlane is gone already"
        )
    settings = MigrationSettings(
        mesh=params["mesh"], version=params["version"], name=params["istio_name"] or "", strategy=params["update_strategy"]
    )
    cluster = Cluster.from_params(params, name=display_name(params))
    return Migration(
        cluster,
        settings,
        name=plane.get("name") or "",
        namespace=plane.get("namespace") or "",
        domains=params["domains"],
        wave_size=params["wave_size"],
        timing=Timing(params["wait_timeout"], max(0.2, params["wait_interval"])),
        restart=settings_from(params),
        lock_of=lambda namespace: lock_from(cluster, params, namespace),
        take_over=params["take_over"],
        dry_run=check_mode,
    )


@contained
def main() -> None:
    module = MeshModule(
        argument_spec=argument_spec(),
        required_if=[("step", "moved", ["domain"]), ("step", "back", ["domain"])],
        supports_check_mode=True,
    )
    params = module.params
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    try:
        migration = migration_of(params, check_mode=module.check_mode)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    try:
        migration.take(params["step"], params["domain"] or "")
    except MeshError as exc:
        module.fail_json(msg=str(exc), changed=migration.changed, lines=migration.lines, restarted=migration.restarted)
    module.exit_json(changed=migration.changed, lines=migration.lines, restarted=migration.restarted)


if __name__ == "__main__":
    main()
