#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_check
short_description: Says where requests go, and proves that they go where they are expected
version_added: "0.1.0"
description:
  - Reads a cluster, a snapshot file or a folder of manifests, and answers for each expectation where the request really goes. It changes
    nothing and sends nothing.
  - Services, VirtualServices, DestinationRules, ServiceEntries, Sidecars, Gateways and HTTPRoutes are put together as istiod does it, and
    the listener, virtual host and route are chosen as Envoy does it. The policies of a gateway and of the workloads come last.
  - The guide C(docs/guides/where-requests-go.md) says what is decided, and what is assumed for it.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
  - meshops.mesh.options.mesh_config
  - meshops.mesh.options.plane
  - meshops.mesh.options.report
  - meshops.mesh.options.source
options:
  expect:
    description:
      - What is to become of requests, each as a sentence or as a map. All that do not hold are told.
      - A sentence is V(CALLER -> HOST[:PORT] [METHOD] [PATH] VERDICT), such as V(prod/web -> pay:8080 GET /x reaches pay v2 at 20 %).
      - The caller is V(NAMESPACE/WORKLOAD), V(NAMESPACE/*), V(*) for every workload, or V(internet) for who comes through a gateway.
      - The host is the one that the caller writes, or a URL with C(https) in front. Short names are completed as DNS does it.
      - The verdict is V(reaches SERVICE [SUBSET] [at 20 %]), V(reaches SERVICE at least 80 %), V(answers 404), V(fails), V(is refused), or
        V(leaves the mesh) for an address that no object knows. Without a share it is all of the requests.
      - V(answers 403 by AuthorizationPolicy NAMESPACE/NAME) and V(is refused by AuthorizationPolicy NAMESPACE/NAME) also say who refuses.
      - V(nobody reaches SERVICE [SUBSET]) looks at every route of every caller, and at all requests that policies let pass.
      - A map has C(from), C(to), C(method), C(path), C(headers), C(name), one of C(reaches), C(answers) and C(outcome), with C(reaches)
        C(share) and C(at_least), and with the other two C(by).
    type: list
    elements: raw
    required: true
  members:
    description: Namespaces of the mesh. The workloads of others do not call. All when not given.
    type: list
    elements: str
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: meshops.mesh.authorization_check
  - module: meshops.mesh.mesh_check
"""

EXAMPLES = r"""
- name: A merge request may not break what these callers rely on
  meshops.mesh.traffic_check:
    source: manifests
    path: gitops/west
    expect:
      - prod/web -> pay:8080 GET /x reaches pay v2 at 20 %
      - internet -> https://shop.example.com/admin answers 403
      - nobody reaches prod/legacy
      - {from: prod/web, to: "ratings:9080", headers: {end-user: jason}, reaches: ratings v2, name: testers get version 2}
    junit: build/traffic.xml
    sarif: build/traffic.sarif
  register: traffic_result

- name: Show where each request goes
  ansible.builtin.debug:
    msg: "{{ traffic_result.requests | map(attribute='goes') }}"
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
checks:
  description: One row for each check that passed or was skipped, and one for each deviation. As those of M(meshops.mesh.mesh_check).
  returned: always
  type: list
  elements: dict
  sample:
    - id: OSM1820
      category: traffic
      title: each request goes where it is expected
      status: failed
      severity: error
      resource: VirtualService prod/pay
      message: "prod/web -> pay reaches pay v2 at 20 %: from prod/web: it is pay.prod v1 instead, by http[0] of VirtualService prod/pay"
      hint: correct the object that the message names, or the expectation
      hint_url: https://github.com/meshops/mesh/blob/main/docs/checks/OSM1820.md
      evidence: {}
files:
  description: The reports that were written, by the option that asked for them.
  returned: always
  type: dict
  sample: {junit: build/mesh.west.xml, sarif: build/mesh.west.sarif}
summary:
  description: How many rows have which status.
  returned: always
  type: dict
  sample: {passed: 25, warning: 1, failed: 1, skipped: 0}
requests:
  description: Each request of each caller, and where it goes. Not of expectations about nobody.
  returned: always
  type: list
  elements: dict
  sample:
    - expectation: prod/web -> pay GET /x reaches pay v2 at 20 %
      caller: prod/web
      outcome: route
      goes: 80 % pay.prod v1, 20 % pay.prod v2
      decided_by: VirtualService prod/pay http[0]
      parts:
        - {percent: 80.0, service: pay.prod.svc.cluster.local, subset: v1, status: 0, reached: true, why: "",
           by: "VirtualService prod/pay http[0]"}
  contains:
    expectation:
      description: The sentence, or the name of the map.
      returned: always
      type: str
      sample: prod/web -> pay GET /x reaches pay v2 at 20 %
    caller:
      description: The workload or gateway.
      returned: always
      type: str
      sample: prod/web
    outcome:
      description: What routing says, such as V(route), V(no_route), V(no_cluster), V(no_endpoints), V(passthrough) or V(blackhole).
      returned: always
      type: str
      sample: route
    goes:
      description: Where the requests get, in words.
      returned: always
      type: str
      sample: 80 % pay.prod v1, 20 % pay.prod v2
    decided_by:
      description: The object that decides, with its field.
      returned: always
      type: str
      sample: VirtualService prod/pay http[0]
    parts:
      description:
        - The same for programs. A status of 0 is a request that gets there or a connection that is cut off.
        - C(by) is the object that decides about this part; the policy, where one refuses.
      returned: always
      type: list
      elements: dict
      sample:
        - {percent: 80.0, service: pay.prod.svc.cluster.local, subset: v1, status: 0, reached: true, why: "",
           by: "VirtualService prod/pay http[0]"}
callers:
  description: How many workloads and gateways with a proxy the source has.
  returned: always
  type: int
  sample: 13
text:
  description: The result for people.
  returned: always
  type: str
  sample: "west: 4 expectations of 13 callers, all of them hold\n..."
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._checks.answer import answer
from ansible_collections.meshops.mesh.plugins.module_utils._commands.sources import read_result
from ansible_collections.meshops.mesh.plugins.module_utils._commands.traffic_check import read_traffic_source, run_traffic_checks
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import (
    CLUSTER,
    MESH_CONFIG,
    PLANE,
    REPORT,
    SOURCE,
    SOURCE_NEEDS,
    display_name,
)
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained


def argument_spec() -> dict[str, Any]:
    return {
        **AUTH_ARG_SPEC,
        **CLUSTER,
        **SOURCE,
        **REPORT,
        **MESH_CONFIG,
        **PLANE,
        "expect": {"type": "list", "elements": "raw", "required": True},
        "members": {"type": "list", "elements": "str"},
    }


@contained
def main() -> None:
    module = MeshModule(argument_spec=argument_spec(), required_if=SOURCE_NEEDS, supports_check_mode=True)
    params = module.params
    params["cluster"] = display_name(params)
    if params["source"] == "cluster" and IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    try:
        snapshot = read_traffic_source(params, module.warn)
        checked = run_traffic_checks(params, snapshot)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    more = {"requests": list(checked.requests), "callers": checked.senders, "text": checked.text, **read_result(snapshot)}
    result = answer(checked.report, by="traffic_check", params=params, warn=module.warn, **more)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
