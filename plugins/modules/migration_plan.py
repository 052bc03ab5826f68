#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_plan
short_description: Plans the way of a mesh from OpenShift Service Mesh 2.6 to 3
version_added: "0.1.0"
description:
  - Turns a ServiceMeshControlPlane into the objects of OpenShift Service Mesh 3, and changes nothing.
  - Every field is accounted for by its path. It is mapped to a field of the Istio resource, it is now in another object, or it no longer
    exists. A field that the collection does not know is named, and never dropped in silence. What OpenShift Service Mesh 2 does although
    nobody wrote it is a field too.
  - It runs the checks of the category C(migration), and says how far each domain is.
  - It reads a cluster, a snapshot file or a folder of manifests. On a cluster, objects that others keep (a Kiali, a Jaeger, a Telemetry)
    are left out.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
  - meshops.mesh.options.report
  - meshops.mesh.options.source
options:
  mesh:
    description:
      - The mesh's name. Namespaces carry it as label C(istio-discovery), and with O(update_strategy=RevisionBased) as C(istio.io/rev).
    type: str
    required: true
  control_plane:
    description: The ServiceMeshControlPlane. Only where the source has several it has to be named.
    type: dict
    suboptions:
      name:
        description: Its name.
        type: str
      namespace:
        description: Its namespace.
        type: str
  domains:
    description:
      - Namespaces that move together, in this order, as in the variable C(mesh_domains).
      - Each member that none of them names is a domain of its own, at the end.
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
    description:
      - How the new control plane will be updated.
      - With V(InPlace) O(istio_name) has to be another name than that of the ServiceMeshControlPlane, because both make a Deployment
        C(istiod-NAME) in the same namespace.
    type: str
    choices: [InPlace, RevisionBased]
    default: RevisionBased
  cni_namespace:
    description: Namespace of the CNI plugin, where the cluster does not have it yet.
    type: str
    default: istio-cni
  discovery:
    description:
      - Which namespaces the new control plane sees, where the ServiceMeshControlPlane has no discovery selectors.
      - V(label) those that carry the mesh's name as label C(istio-discovery), V(all) every one.
      - V(auto) is V(all) for a control plane with mode C(ClusterWide), which sees all too, and else V(label).
    type: str
    choices: [auto, label, all]
    default: auto
  tracing:
    description: V(keep) traces to the Jaeger that the ServiceMeshControlPlane names, V(opentelemetry) to O(tracing_service).
    type: str
    choices: [keep, opentelemetry, none]
    default: keep
  tracing_service:
    description: The collector for O(tracing=opentelemetry).
    type: dict
    suboptions:
      host:
        description: Its host name.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        default: 4317
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: meshops.mesh.migration_step
  - module: meshops.mesh.mesh_check
"""

EXAMPLES = r"""
- name: Plan the migration of a control plane that is in a file
  meshops.mesh.migration_plan:
    source: manifests
    path: smcp.yml
    mesh: travel-prod
    version: v1.27.3
  register: migration

- name: Every field is known
  ansible.builtin.assert:
    that: migration.counts.unknown == 0

- name: Plan on the cluster, and show the plan
  meshops.mesh.migration_plan:
    cluster: "{{ inventory_hostname }}"
    mesh: travel-prod
    control_plane: {name: production, namespace: prod-istio-system}
    domains: "{{ mesh_domains }}"
    version: v1.27.3
    fail_on: never
  register: migration

- name: Show the plan
  meshops.mesh.mesh_show:
    lines: "{{ migration.text.splitlines() + migration.table.splitlines() }}"
"""

RETURN = r"""
read:
  description: What was read of manifests.
  returned: with O(source=manifests)
  type: dict
  sample: {objects: 12, files: 3, unread: [], unread_count: 0, text: 12 objects of 3 files}
  contains:
    objects:
      description: How many objects.
      returned: always
      type: int
      sample: 12
    files:
      description: How many files have objects.
      returned: always
      type: int
      sample: 3
    unread:
      description:
        - Files that were not read, or not whole, each with C(path), C(reason) and C(fault).
        - C(fault) says whether something of the mesh may be missing because of it. Of other files, such as values, it is V(false).
      returned: always
      type: list
      elements: dict
      sample: [{path: data/ratings.json, reason: "no Kubernetes object: it has no apiVersion and kind", fault: false}]
    unread_count:
      description: How many there are. Of more than 1,000 the first are in C(unread).
      returned: always
      type: int
      sample: 1
    text:
      description: All of it in one line.
      returned: always
      type: str
      sample: 12 objects of 3 files
control_plane:
  description: The ServiceMeshControlPlane.
  returned: always
  type: dict
  sample: {name: production, namespace: prod-istio-system, mode: MultiTenant}
istio:
  description: The new control plane. The label is what namespaces carry as C(istio.io/rev).
  returned: always
  type: dict
  sample: {name: production, revision: production-v1-27-3, label: travel-prod, version: v1.27.3}
fields:
  description: One row for each field of the ServiceMeshControlPlane.
  returned: always
  type: list
  elements: dict
  sample:
    - path: spec.proxy.networking.trafficControl.outbound.policy
      value: REGISTRY_ONLY
      outcome: mapped
      to: spec.values.meshConfig.outboundTrafficPolicy.mode
      todo: ""
      source: table
      implied: false
  contains:
    path:
      description: The field.
      returned: always
      type: str
      sample: spec.tracing.sampling
    value:
      description: Its value. What may be a secret is not shown.
      returned: always
      type: raw
      sample: 500
    outcome:
      description: V(mapped), V(elsewhere), V(gone) or V(unknown).
      returned: always
      type: str
      sample: elsewhere
    to:
      description: Where it is now. Empty when nothing has it any more.
      returned: always
      type: str
      sample: "Telemetry: randomSamplingPercentage"
    todo:
      description: What is left for people. Empty when nothing is.
      returned: always
      type: str
      sample: ""
    source:
      description: Where the fact is from. The names are explained in C(docs/guides/migrate-from-ossm-2.md).
      returned: always
      type: str
      sample: chart
    implied:
      description: Whether OpenShift Service Mesh 2 does it although the resource does not say it.
      returned: always
      type: bool
      sample: false
counts:
  description: How many fields came to what.
  returned: always
  type: dict
  sample: {mapped: 11, elsewhere: 15, gone: 4, unknown: 0}
objects:
  description: The objects of OpenShift Service Mesh 3, by layer.
  returned: always
  type: dict
  sample: {migration_control_plane: []}
layers:
  description: The layers that have objects, in the order in which they are applied.
  returned: always
  type: list
  elements: str
  sample: [migration_networks, migration_control_plane, migration_gateways]
members:
  description: Namespaces of the mesh.
  returned: always
  type: list
  elements: str
  sample: [prod-travel-agency]
domains:
  description: How far each domain is. The state is V(ossm2), V(moving) or V(ossm3).
  returned: always
  type: list
  elements: dict
  sample: [{name: travel-portal, namespaces: [prod-travel-portal], state: ossm2, old: [], new: [], unready: [], said: on OSSM 2}]
stage:
  description: How far the migration is as a whole.
  returned: always
  type: str
  sample: both control planes are there
checks:
  description: The checks of the category C(migration), as those of M(meshops.mesh.mesh_check).
  returned: always
  type: list
  elements: dict
  sample: []
files:
  description: The reports that were written, by the option that asked for them.
  returned: always
  type: dict
  sample: {junit: build/mesh.west.xml, sarif: build/mesh.west.sarif}
summary:
  description: How many rows of the checks have which status.
  returned: always
  type: dict
  sample: {passed: 20, warning: 2, failed: 0, skipped: 1}
table:
  description: The checks for people.
  returned: always
  type: str
  sample: "migration\n---------\n√ the control plane is at 2.6\n"
text:
  description: The plan for people.
  returned: always
  type: str
  sample: "west: ServiceMeshControlPlane prod-istio-system/production to Istio production v1.27.3\n..."
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._checks.answer import answer
from ansible_collections.meshops.mesh.plugins.module_utils._checks.render import table
from ansible_collections.meshops.mesh.plugins.module_utils._commands.migration_plan import run_migration_checks
from ansible_collections.meshops.mesh.plugins.module_utils._commands.sources import read_result, read_source
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, REPORT, SOURCE, SOURCE_NEEDS, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._migration.options import OPTIONS, settings_from
from ansible_collections.meshops.mesh.plugins.module_utils._migration.plan import plan_migration
from ansible_collections.meshops.mesh.plugins.module_utils._model.clock import utc_now
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained
from ansible_collections.meshops.mesh.plugins.module_utils._rights.reads import MIGRATION


def argument_spec() -> dict[str, Any]:
    return {
        **AUTH_ARG_SPEC,
        **CLUSTER,
        **OPTIONS,
        **REPORT,
        **SOURCE,
    }


@contained
def main() -> None:
    module = MeshModule(
        argument_spec=argument_spec(),
        required_if=[*SOURCE_NEEDS, ("tracing", "opentelemetry", ["tracing_service"])],
        supports_check_mode=True,
    )
    params = module.params
    params["cluster"] = display_name(params)
    if params["source"] == "cluster" and IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    plane = params["control_plane"] or {}
    try:
        settings = settings_from(params)
        snapshot = read_source(params, clock=utc_now, warn=module.warn, kinds=MIGRATION)
        plan = plan_migration(
            snapshot, settings, name=plane.get("name") or "", namespace=plane.get("namespace") or "", domains=params["domains"]
        )
        report = run_migration_checks(params, snapshot, plan)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    result = answer(report, by="migration_plan", params=params, warn=module.warn, **plan.to_dict(), **read_result(snapshot))
    result["table"] = table(result["checks"], summary=report.summary)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
