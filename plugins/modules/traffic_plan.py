#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_plan
short_description: Turns intended traffic into routes, proves that each leads somewhere, and plans stages without a 503
version_added: "0.1.0"
description:
  - Reads a mesh from a cluster, a snapshot file or a folder of manifests, and changes nothing.
  - Renders O(traffic) as VirtualServices and DestinationRules, or as HTTPRoutes with a Service for each version.
  - Says in words what a change does to the requests of callers.
  - Orders it in stages. What versions there are comes before the routes to them, and goes after the routes away from them.
  - Looks in each of these states whether any route of the mesh, also one that is not ours, would lead to a Service, a port, a version or
    pods that are not there. Fails with every reason at once, as it does for what O(traffic) cannot mean.
  - The role C(meshops.mesh.traffic) applies what it returns.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
  - meshops.mesh.options.source
options:
  traffic:
    description: The intended traffic, as the variable C(mesh_traffic) of the role C(meshops.mesh.traffic).
    type: list
    elements: dict
    default: []
  gateways:
    description: The gateways that it may name, as the variable C(mesh_gateways).
    type: list
    elements: dict
    default: []
  api:
    description: The API of the routes in the mesh. V(gateway) makes HTTPRoutes.
    type: str
    choices: [istio, gateway]
    default: istio
  mesh:
    description: Name of the mesh. Objects with its label that were made for an older intent are found by it.
    type: str
    required: true
  provider:
    description: The generation of the control plane. V(ossm2) gets objects of the version v1beta1.
    type: str
    choices: [ossm2, ossm3, sail]
    default: ossm3
  namespace:
    description: Namespace of the control plane, which is that of the gateways as well.
    type: str
    required: true
  members:
    description: Namespaces of the mesh. Routes of other namespaces are not looked at. All are when not given.
    type: list
    elements: str
  target:
    description:
      - What is going to be done with it. For V(cluster) everything has to be there now, but in check mode.
      - For V(plan) and V(files) Services and pods may still come, which is a note. For V(files) there is no time between the
        stages, so a version that the routes of the tree use stays until O(prune).
    type: str
    choices: [cluster, files, plan]
    default: cluster
  prune:
    description: Whether routes of services that O(traffic) does not name any more go.
    type: bool
    default: false
  adopt:
    description: Objects of others that may be taken over, each as C(Kind namespace/name).
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: meshops.mesh.mesh_check
"""

EXAMPLES = r"""
- name: See what a shift of traffic would do to callers
  meshops.mesh.traffic_plan:
    cluster: "{{ inventory_hostname }}"
    mesh: bookinfo
    namespace: istio-system
    traffic:
      - service: reviews
        namespace: bookinfo
        versions: [{name: v1}, {name: v2}]
        routes:
          - to: {v1: 80, v2: 20}
  register: shift

- name: Show it
  ansible.builtin.assert:
    that: shift.changes | length > 0
    success_msg: "{{ shift.text }}"
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
  description: What to apply, in this order.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the layer that it is delivered as.
      returned: always
      type: str
      sample: traffic_routes
    title:
      description: What the stage is about, in words.
      returned: always
      type: str
      sample: where requests go
    objects:
      description: The objects.
      returned: always
      type: list
      elements: dict
      sample: []
    gone:
      description: What the stage removes.
      returned: always
      type: list
      elements: dict
      sample: []
    changed:
      description: Whether the source has them otherwise.
      returned: always
      type: bool
      sample: true
    clusters:
      description:
        - What the proxies of callers have to know after it, before the next stage begins, each as C(name), which Envoy has for it, and the
          Service that it is C(of); for O(meshops.mesh.traffic_wait#module:clusters).
      returned: always
      type: list
      elements: dict
      sample: [{name: "outbound|9080|v2|reviews.bookinfo.svc.cluster.local", of: reviews.bookinfo.svc.cluster.local}]
    unrouted:
      description: What no route of a proxy may lead to any more before it begins. Ends of Envoy's names; for
        O(meshops.mesh.traffic_wait#module:unrouted).
      returned: always
      type: list
      elements: str
      sample: ["|v1|reviews.bookinfo.svc.cluster.local"]
route_changes:
  description: Whether requests go another way.
  returned: success
  type: bool
  sample: true
changes:
  description: What becomes of the requests of callers, one line for each kind of request that goes another way.
  returned: success
  type: list
  elements: str
  sample: ["requests to bookinfo/reviews: v1 100 % -> v1 80 %, v2 20 %"]
notes:
  description: What else is worth knowing, such as pods that are not there yet.
  returned: success
  type: list
  elements: str
  sample: []
leftovers:
  description: Objects of services that O(traffic) does not name any more, and that stay without O(prune).
  returned: success
  type: list
  elements: str
  sample: [VirtualService bookinfo/ratings]
text:
  description: The plan for people.
  returned: success
  type: str
  sample: "west: requests to bookinfo/reviews: v1 100 % -> v1 80 %, v2 20 %\n..."
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.sources import read_result
from ansible_collections.meshops.mesh.plugins.module_utils._commands.traffic_plan import plan_for
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, SOURCE, SOURCE_NEEDS, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.report import plan_result


def argument_spec() -> dict[str, Any]:
    return {
        **AUTH_ARG_SPEC,
        **CLUSTER,
        **SOURCE,
        "traffic": {"type": "list", "elements": "dict", "default": []},
        "gateways": {"type": "list", "elements": "dict", "default": []},
        "api": {"type": "str", "choices": ["istio", "gateway"], "default": "istio"},
        "mesh": {"type": "str", "required": True},
        "provider": {"type": "str", "choices": ["ossm2", "ossm3", "sail"], "default": "ossm3"},
        "namespace": {"type": "str", "required": True},
        "members": {"type": "list", "elements": "str"},
        "target": {"type": "str", "choices": ["cluster", "files", "plan"], "default": "cluster"},
        "prune": {"type": "bool", "default": False},
        "adopt": {"type": "list", "elements": "str", "default": []},
    }


@contained
def main() -> None:
    module = MeshModule(argument_spec=argument_spec(), required_if=SOURCE_NEEDS, supports_check_mode=True)
    params = module.params
    params["cluster"] = display_name(params)
    if params["source"] == "cluster" and IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    try:
        plan, source = plan_for(params, check_mode=module.check_mode, warn=module.warn)
    except ConfigError as exc:
        module.fail_json(msg=f"cluster {params['cluster']}: {exc}")
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **plan_result(plan, params["cluster"]), **read_result(source))


if __name__ == "__main__":
    main()
