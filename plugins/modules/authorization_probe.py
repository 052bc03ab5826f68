#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: authorization_probe
short_description: Sends real requests between pods and compares the answers with what was predicted
version_added: "0.1.0"
description:
  - Runs curl (or wget) in a pod of each source, through the API server's exec, many at a time and bounded in time.
  - An answer is C(allowed), C(denied) by a policy (403 with the body of Envoy's RBAC, 401 of its token check), or C(no verdict).
  - A 404, a 503, a timeout, a failure of TLS, or an application's own 403 or 401 say nothing about policies; they are never counted as
    denied.
  - With O(policies) it first waits until the proxies have them, as far as proxies can be asked.
  - A difference is sent again until O(wait_timeout) is over, and explained, such as by a proxy that does not have the policy yet.
  - It needs the rights to list pods, and to create and get C(pods/exec) and C(pods/portforward), in the namespaces of the calls.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
  - meshops.mesh.options.wait
options:
  calls:
    description: What to send, as RV(meshops.mesh.access_plan#module:stages[].calls), or written by hand.
    type: list
    elements: dict
    required: true
    suboptions:
      from:
        description: The workload or pod that calls, as V(NAMESPACE/NAME). Its first ready pod is taken.
        type: str
        required: true
      to:
        description: The workload that is called, as V(NAMESPACE/NAME). It is only needed to explain a difference.
        type: str
        required: true
      host:
        description: The host of the URL, such as that of a Service.
        type: str
        required: true
      port:
        description: The port of the URL.
        type: int
        required: true
      protocol:
        description: With V(tcp) any byte of an answer means allowed, and a closed connection is no verdict.
        type: str
        choices: [http, tcp]
        default: http
      method:
        description: The method.
        type: str
        default: GET
      path:
        description: The path.
        type: str
        default: /
      headers:
        description: Headers, such as one with a token. They are seen in the pod's list of processes while the request runs.
        type: dict
        default: {}
      expected:
        description: What is predicted.
        type: str
        choices: [allowed, denied]
        required: true
      reason:
        description: Why it is predicted, for the explanation.
        type: str
        default: ""
  policies:
    description: What the proxies must have first, as RV(meshops.mesh.access_plan#module:stages[].policies).
    type: list
    elements: dict
    default: []
    suboptions:
      namespace:
        description: The policy's namespace, in which the pods are.
        type: str
        required: true
      name:
        description: The policy's name.
        type: str
        required: true
      rules:
        description: How many rules it has; V(1) for one without rules.
        type: int
        default: 1
      selector:
        description: Labels of the pods. All of the namespace when not given.
        type: dict
        default: {}
  before:
    description:
      - RV(results) of an earlier run.
      - A call that was allowed there, is expected to be allowed, and gives no verdict now is a difference too.
    type: list
    elements: dict
    default: []
  container:
    description: The container to call from. The first one that is no proxy when not given.
    type: str
    default: ""
  timeout:
    description: Seconds that one call may take.
    type: float
    default: 5
  total_timeout:
    description: Seconds that all calls together may take. What was not sent by then is no verdict.
    type: float
    default: 300
  workers:
    description: How many calls run at the same time.
    type: int
    default: 16
  wait_timeout:
    default: 30
  fail_on:
    description: With V(difference) the task fails when an answer is not as predicted, or when a proxy does not get the policies.
    type: str
    choices: [difference, never]
    default: difference
attributes:
  check_mode:
    support: none
    details: Requests are sent, and in check mode none are. The task is skipped.
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: meshops.mesh.access_plan
"""

EXAMPLES = r"""
- name: Ask two pods
  meshops.mesh.authorization_probe:
    cluster: "{{ inventory_hostname }}"
    calls:
      - from: prod-travel-portal/voyages-v1
        to: prod-travel-agency/travels-v1
        host: travels.prod-travel-agency
        port: 8000
        expected: allowed
      - from: prod-travel-control/control-v1
        to: prod-travel-agency/travels-v1
        host: travels.prod-travel-agency
        port: 8000
        expected: denied
  register: probe

- name: Show it
  ansible.builtin.assert:
    that: probe.summary.differ == 0
    success_msg: "{{ probe.text }}"
"""

RETURN = r"""
results:
  description: One row for each call, in their order.
  returned: always
  type: list
  elements: dict
  sample:
    - from: prod-travel-control/control-v1
      to: prod-travel-agency/travels-v1
      method: GET
      path: /
      expected: denied
      verdict: denied
      status: 403
      said: "RBAC: access denied"
      agrees: true
      why: ""
summary:
  description: How many calls came out how.
  returned: always
  type: dict
  sample: {allowed: 31, denied: 101, no_verdict: 12, agree: 132, differ: 0, lost: 0}
waiting:
  description: Proxies that do not have the policies, each with those that it does not have.
  returned: always
  type: list
  elements: str
  sample: []
silent:
  description: Proxies that could not be asked which policies they have.
  returned: always
  type: list
  elements: str
  sample: []
seconds:
  description: How long it took.
  returned: always
  type: float
  sample: 4.2
text:
  description: The result for people.
  returned: always
  type: str
  sample: "west: 144 calls in 4.2 s: 31 allowed, 101 denied by policy, 12 without a verdict; 132 as predicted, 0 otherwise"
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._access.verdict import regressions, summary_of, text_of
from ansible_collections.meshops.mesh.plugins.module_utils._commands.authorization_probe import ProbeLimits, probe
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR, dialer
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, display_name, wait_options
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained


def argument_spec() -> dict[str, Any]:
    name: dict[str, Any] = {"type": "str", "required": True}
    call = {
        **{key: dict(name) for key in ("from", "to", "host")},
        "port": {"type": "int", "required": True},
        "protocol": {"type": "str", "choices": ["http", "tcp"], "default": "http"},
        "method": {"type": "str", "default": "GET"},
        "path": {"type": "str", "default": "/"},
        "headers": {"type": "dict", "default": {}, "no_log": False},
        "expected": {"type": "str", "choices": ["allowed", "denied"], "required": True},
        "reason": {"type": "str", "default": ""},
    }
    policy = {"namespace": name, "name": name, "rules": {"type": "int", "default": 1}, "selector": {"type": "dict", "default": {}}}
    return {
        **AUTH_ARG_SPEC,
        **CLUSTER,
        **wait_options(wait_timeout=30),
        "calls": {"type": "list", "elements": "dict", "required": True, "options": call},
        "policies": {"type": "list", "elements": "dict", "default": [], "options": policy},
        "before": {"type": "list", "elements": "dict", "default": []},
        "container": {"type": "str", "default": ""},
        "timeout": {"type": "float", "default": 5},
        "total_timeout": {"type": "float", "default": 300},
        "workers": {"type": "int", "default": 16},
        "fail_on": {"type": "str", "choices": ["difference", "never"], "default": "difference"},
    }


def limits_of(params: dict[str, Any]) -> ProbeLimits:
    return ProbeLimits(
        timeout=params["timeout"],
        total=params["total_timeout"],
        wait=params["wait_timeout"],
        interval=params["wait_interval"],
        workers=params["workers"],
        container=params["container"],
    )


@contained
def main() -> None:
    module = MeshModule(argument_spec=argument_spec(), supports_check_mode=False)
    params = module.params
    name = display_name(params)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    try:
        cluster, stream = Cluster.from_params(params, name=name), dialer(params, name=name)
        found = probe(cluster, stream, params["calls"], params["policies"], limits_of(params))
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    lost = regressions(found.rows, params["before"])
    text = text_of(name, found.rows, found.seconds, lost)
    summary = {**summary_of(found.rows), "lost": len(lost)}
    result = {
        "results": [row.to_dict() for row in found.rows],
        "summary": summary,
        "waiting": list(found.waiting),
        "silent": list(found.silent),
        "seconds": round(found.seconds, 2),
        "text": text,
    }
    late = [f"the proxy of {entry} is not there after {params['wait_timeout']:g} s" for entry in found.waiting]
    if params["fail_on"] == "difference" and (summary["differ"] or lost or late):
        module.fail_json(msg="\n".join([text, *late]), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
