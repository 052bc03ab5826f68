#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: access_plan
short_description: Turns intended access into policies, proves them, and plans stages that deny no intended call
version_added: "0.1.0"
description:
  - Reads a mesh from a cluster, a snapshot file or a folder of manifests, and changes nothing.
  - Renders AuthorizationPolicies (one for each workload, one for each Service behind a waypoint, and a default deny for each namespace),
    PeerAuthentications and RequestAuthentications for O(access); DestinationRules and Sidecars where it asks for them.
  - Proves for all requests that with them exactly the intended calls are allowed where it is closed.
  - Orders them in stages, ALLOW first and the default deny last, and proves of each stage that it denies no intended call.
  - Fails, with every reason at once, when the intent contradicts itself, has an empty list, names what does not exist, or when policies
    that are not ours make it something else.
  - The role C(meshops.mesh.access) applies what it returns.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
  - meshops.mesh.options.mesh_config
  - meshops.mesh.options.source
options:
  access:
    description:
      - The intended access, as the variable C(mesh_access) of the role C(meshops.mesh.access).
      - With O(stages) only its C(issuers) count.
    type: dict
    default: {}
  domains:
    description: The domains, as in the variable C(mesh_domains). Their namespaces are closed where O(access) names none.
    type: list
    elements: dict
    default: []
  mesh:
    description: Name of the mesh. Objects with its label that were made for an older intent are leftovers.
    type: str
    required: true
  provider:
    description: The generation of the control plane. V(ossm2) gets objects of the version v1beta1.
    type: str
    choices: [ossm2, ossm3, sail]
    default: ossm3
  probe_methods:
    description: Methods that may be sent to see whether the mesh does what was proven. Others may change something and are not sent.
    type: list
    elements: str
    default: [GET, HEAD, OPTIONS]
  probe_limit:
    description: How many calls are planned for a stage at most. Intended ones come first.
    type: int
    default: 2000
  reopen:
    description:
      - Whether workloads that an older intent has closed, and O(access) does not speak of any more, may be opened to all callers again.
      - Otherwise such an intent is refused.
    type: bool
    default: false
  stages:
    description:
      - Stages that somebody else wrote, in their order, instead of those for O(access).
      - Each is a map with C(name), C(objects) and C(remove) (V(Kind NAMESPACE/NAME)), C(closed) (written as C(to) of a rule), and
        C(expected), the rules of what exactly passes there afterwards; none for nothing.
    type: list
    elements: dict
    default: []
  may_break:
    description: Whether O(stages) may deny a call on their way that passed before and is expected in the end. Otherwise they are refused.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: meshops.mesh.authorization_check
  - module: meshops.mesh.authorization_probe
"""

EXAMPLES = r"""
- name: Plan who may call whom
  meshops.mesh.access_plan:
    cluster: "{{ inventory_hostname }}"
    mesh: travel-prod
    domains: "{{ mesh_domains }}"
    access:
      mtls: {mode: STRICT}
      rules:
        - {name: search, from: [prod-travel-portal/voyages], to: [prod-travel-agency/travels], methods: [GET]}
        - {name: database, from: [prod-travel-agency/travels], to: [prod-travel-agency/mysqldb], ports: [3306]}
  register: access

- name: Show it
  ansible.builtin.assert:
    that: access.stages | length > 0
    success_msg: "{{ access.text }}"
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
stages:
  description: What to apply, in this order. A stage without objects is left out.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the stage, and of the layer that it is delivered as.
      returned: always
      type: str
      sample: access_allow
    objects:
      description: The objects.
      returned: always
      type: list
      elements: dict
      sample: []
    saved:
      description: Those of the objects that the source had already, as they were there.
      returned: always
      type: list
      elements: dict
      sample: []
    made:
      description: Those of the objects that the source did not have.
      returned: always
      type: list
      elements: dict
      sample: []
    changed:
      description: Whether the source has them otherwise.
      returned: always
      type: bool
      sample: true
    policies:
      description: What proxies must know afterwards; for O(meshops.mesh.authorization_probe#module:policies).
      returned: always
      type: list
      elements: dict
      sample: [{namespace: prod-travel-agency, name: access-travels, rules: 1, selector: {app: travels}}]
    memory:
      description: What is to be on the cluster while the stage is not proven; V(null) without O(root_namespace).
      returned: always
      type: dict
      sample: null
    gone:
      description: What the stage removes.
      returned: always
      type: list
      elements: dict
      sample: []
    calls:
      description: Calls with the prediction for this stage; for O(meshops.mesh.authorization_probe#module:calls).
      returned: always
      type: list
      elements: dict
      sample: []
pending:
  description:
    - A stage that an earlier run has delivered, and that ended before it was proven; C(name), C(layer), C(saved), C(made), and of its
      C(policies) those that are there. V(null) where there is none.
    - It is remembered in the ConfigMap that is C(memory) of each stage, in the namespace O(root_namespace).
  returned: success
  type: dict
  sample: null
baseline:
  description: The calls with the prediction for what the source is now.
  returned: success
  type: list
  elements: dict
  sample: []
leftovers:
  description: Objects of this mesh for an older intent. They go last.
  returned: success
  type: list
  elements: dict
  sample: []
matrix:
  description: The intent as rows for O(meshops.mesh.authorization_check#module:access).
  returned: success
  type: list
  elements: dict
  sample: [{from: [prod-travel-portal/voyages-v1], to: [prod-travel-agency/travels-v1], methods: [GET]}]
breaks:
  description: Calls that O(stages) deny on their way.
  returned: success
  type: list
  elements: str
  sample: []
notes:
  description: What else comes of it, such as metrics that nobody could read any more.
  returned: success
  type: list
  elements: str
  sample: []
closed:
  description: The workloads at which nothing but the intended calls pass at the end.
  returned: success
  type: list
  elements: str
  sample: [prod-travel-agency/travels-v1]
proof:
  description: What was proven and what it stands on, as that of M(meshops.mesh.authorization_check).
  returned: success
  type: dict
  sample: {holds: true, sources: 12, destinations: 12, pairs: 144, allowed_pairs: 31}
text:
  description: The plan for people.
  returned: success
  type: str
  sample: "west: exactly the intended access is allowed after 3 stages\n..."
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._access.given import plan_given, read_stages
from ansible_collections.meshops.mesh.plugins.module_utils._access.intent import bare_intent, read_intent
from ansible_collections.meshops.mesh.plugins.module_utils._access.pending import pending_name, recall, remember
from ansible_collections.meshops.mesh.plugins.module_utils._access.report import plan_result
from ansible_collections.meshops.mesh.plugins.module_utils._access.stages import AccessPlan, StageSettings, plan_access
from ansible_collections.meshops.mesh.plugins.module_utils._commands.authorization_check import mesh_settings
from ansible_collections.meshops.mesh.plugins.module_utils._commands.sources import read_result, read_whole
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, MESH_CONFIG, SOURCE, SOURCE_NEEDS, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._model.clock import utc_now
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained
from ansible_collections.meshops.mesh.plugins.module_utils._rights.reads import ACCESS

_SHOWN = 12


def argument_spec() -> dict[str, Any]:
    return {
        **AUTH_ARG_SPEC,
        **CLUSTER,
        **SOURCE,
        **MESH_CONFIG,
        "access": {"type": "dict", "default": {}},
        "domains": {"type": "list", "elements": "dict", "default": []},
        "mesh": {"type": "str", "required": True},
        "provider": {"type": "str", "choices": ["ossm2", "ossm3", "sail"], "default": "ossm3"},
        "probe_methods": {"type": "list", "elements": "str", "default": ["GET", "HEAD", "OPTIONS"]},
        "probe_limit": {"type": "int", "default": 2000},
        "reopen": {"type": "bool", "default": False},
        "stages": {"type": "list", "elements": "dict", "default": []},
        "may_break": {"type": "bool", "default": False},
    }


def dated(source: Snapshot, given: StageSettings) -> tuple[Sequence[dict[str, Any]], StageSettings]:
    """The source's objects, and the settings with its time: what is new is younger than what has a time of that clock."""
    return source.objects, replace(given, taken_at=source.taken_at.strftime("%Y-%m-%dT%H:%M:%SZ"))


def unproven(params: dict[str, Any], source: Snapshot) -> dict[str, Any] | None:
    """What an earlier run has left; of a live cluster only."""
    if params["source"] != "cluster" or not params["root_namespace"]:
        return None
    cluster = Cluster.from_params(params, name=params["cluster"])
    found = cluster.get("v1", "ConfigMap", pending_name(params["mesh"]), params["root_namespace"])
    return recall(found, source.objects, mesh=params["mesh"], cluster=params["cluster"])


def remembering(result: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Each stage with what is remembered of it."""
    space = params["root_namespace"]
    for stage in result["stages"]:
        layer = "access_given" if params["stages"] else stage["name"]
        stage["memory"] = remember(stage, mesh=params["mesh"], namespace=space, layer=layer) if space and stage["changed"] else None
    return result


def plan_of(params: dict[str, Any], given: StageSettings, read: Callable[[], Snapshot]) -> AccessPlan:
    """A mistake in what was written comes before anything is read."""
    if not params["stages"]:
        intent = read_intent(params["access"], params["domains"])
        return plan_access(intent, *dated(read(), given))
    stages, intent = read_stages(params["stages"]), bare_intent(params["access"], params["domains"])
    plan = plan_given(stages, intent, *dated(read(), given))
    if plan.breaks and not params["may_break"]:
        raise ConfigError(
            "the stages deny calls on their way that passed before and are expected in the end; nothing was changed. Change their order "
            "(ALLOW first), leave them out and have the role make its own, or say access_may_break=true.",
            *(f"- {text}" for text in plan.breaks[:_SHOWN]),
            *([f"- ... and {len(plan.breaks) - _SHOWN} more"] if len(plan.breaks) > _SHOWN else []),
        )
    return plan


@contained
def main() -> None:
    module = MeshModule(
        argument_spec=argument_spec(),
        required_if=SOURCE_NEEDS,
        supports_check_mode=True,
    )
    params = module.params
    params["cluster"] = display_name(params)
    if params["source"] == "cluster" and IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    given = StageSettings(
        mesh=params["mesh"],
        version="v1beta1" if params["provider"] == "ossm2" else "v1",
        given=mesh_settings(params),
        probe_methods=tuple(params["probe_methods"]),
        probe_limit=params["probe_limit"],
        reopen=params["reopen"],
    )
    sources: list[Snapshot] = []

    def read() -> Snapshot:
        sources.append(read_whole(params, kinds=ACCESS, family="access", clock=utc_now, warn=module.warn))
        return sources[-1]

    try:
        plan = plan_of(params, given, read)
        pending = unproven(params, sources[-1])
    except ConfigError as exc:
        module.fail_json(msg=f"cluster {params['cluster']}: {exc}")
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    result = remembering(plan_result(plan, params["cluster"]), params)
    module.exit_json(changed=False, **result, pending=pending, **read_result(sources[-1]))


if __name__ == "__main__":
    main()
