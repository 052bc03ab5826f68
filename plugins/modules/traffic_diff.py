#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_diff
short_description: Says which requests go elsewhere after a change, before it is made
version_added: "0.1.0"
description:
  - Compares two states of a mesh, each from a cluster, a snapshot file or a folder of manifests, and changes nothing.
  - Every workload is asked for every route of every Service and ServiceEntry, by its full name. What goes elsewhere is told in groups,
    what is broken first, with the object that decides.
  - Policies are not part of it; M(meshops.mesh.authorization_diff) compares those.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.change
  - meshops.mesh.options.cluster
  - meshops.mesh.options.mesh_config
  - meshops.mesh.options.plane
options:
  members:
    description: Namespaces of the mesh. The workloads of others do not call. All when not given.
    type: list
    elements: str
  fail_on:
    description: Which changes make the task fail. V(broken) are requests that got somewhere and are answered with an error now.
    type: str
    choices: [never, broken, any]
    default: never
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: meshops.mesh.traffic_check
  - module: meshops.mesh.authorization_diff
"""

EXAMPLES = r"""
- name: A merge request may not break a route
  meshops.mesh.traffic_diff:
    before: {source: manifests, path: main/gitops/west}
    after: {path: branch/gitops/west}
    fail_on: broken

- name: What would this DestinationRule do to the running mesh?
  meshops.mesh.traffic_diff:
    cluster: "{{ inventory_hostname }}"
    after: {path: change/ratings.yml, applied: true}
  register: route_change

- name: Show it
  ansible.builtin.debug:
    msg: "{{ route_change.text.split('\n') }}"
"""

RETURN = r"""
read:
  description: What was read of manifests, by C(before) and C(after), each as C(read) of M(meshops.mesh.traffic_check).
  returned: success
  type: dict
  sample: {after: {objects: 12, files: 3, unread: [], unread_count: 0, text: 12 objects of 3 files}}
changes:
  description: Requests that go elsewhere, in groups; what is broken first.
  returned: success
  type: list
  elements: dict
  sample:
    - callers: [prod/productpage, prod/reviews-v2]
      host: ratings.prod.svc.cluster.local
      port: 9080
      asked: ""
      before: ratings.prod v1:9080
      after: "503 (no DestinationRule defines subset v3 of ratings.prod.svc.cluster.local for these callers)"
      by: VirtualService prod/ratings
      broken: true
  contains:
    callers:
      description: The workloads whose requests they are.
      returned: always
      type: list
      elements: str
      sample: [prod/productpage]
    host:
      description: The full name that is called.
      returned: always
      type: str
      sample: ratings.prod.svc.cluster.local
    port:
      description: The port that is called.
      returned: always
      type: int
      sample: 9080
    asked:
      description: What the route matches. Empty for the requests that no other route takes.
      returned: always
      type: str
      sample: path /api*
    before:
      description: Where they went.
      returned: always
      type: str
      sample: ratings.prod v1:9080
    after:
      description: Where they go.
      returned: always
      type: str
      sample: 80 % ratings.prod v1:9080, 20 % ratings.prod v2:9080
    by:
      description: The object that decides.
      returned: always
      type: str
      sample: VirtualService prod/ratings
    broken:
      description: Whether they got somewhere before, and are answered with an error now.
      returned: always
      type: bool
      sample: true
broken:
  description: How many groups are broken.
  returned: success
  type: int
  sample: 1
compared:
  description: How many workloads call in both states.
  returned: success
  type: int
  sample: 13
not_compared:
  description: Workloads that are only there before, or only after.
  returned: success
  type: list
  elements: str
  sample: []
text:
  description: The result for people, at most a screen.
  returned: success
  type: str
  sample: "1 change of where requests go, 1 of them broken\n..."
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.traffic_diff import route_difference_verdict, run_traffic_diff
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CHANGE, CLUSTER, MESH_CONFIG, PLANE, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

STRINGS: dict[str, Any] = {"type": "list", "elements": "str"}


def argument_spec() -> dict[str, Any]:
    return {
        **AUTH_ARG_SPEC,
        **CHANGE,
        **CLUSTER,
        **MESH_CONFIG,
        **PLANE,
        "members": dict(STRINGS),
        "fail_on": {"type": "str", "choices": ["never", "broken", "any"], "default": "never"},
    }


@contained
def main() -> None:
    module = MeshModule(argument_spec=argument_spec(), supports_check_mode=True)
    params = module.params
    params["cluster"] = display_name(params)
    if "cluster" in (params["before"]["source"], params["after"]["source"]) and IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    try:
        result = run_traffic_diff(params, module.warn)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    told = route_difference_verdict(result, params["fail_on"])
    if told:
        module.fail_json(msg=f"{params['cluster']}: {told}", **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
