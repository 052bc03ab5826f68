#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a version of a service into use step by step, each with a gate on what its proxies measure."""

from __future__ import annotations

DOCUMENTATION = r"""
module: canary_release
short_description: Take a version of a service into use step by step
version_added: "0.1.0"
description:
  - Keeps the state of a canary release on the cluster, says which weights come next, and judges each step by what was measured, of the new
    version and of the old one in the same window. It does not write the weights. The role C(canary) calls it for each step and delivers
    RV(traffic) by the role C(traffic) in between.
  - All that is known is in a ConfigMap beside the Service, so a run that was killed goes on when it is run again, from any control node.
    One run at a time works on a service, by a Lease.
author:
  - meshops.mesh contributors (@meshops)
options:
  state:
    description:
      - V(planned) says which steps there are and changes nothing.
      - V(status) reads what is remembered, of O(service) or of all services of O(traffic).
      - V(started) begins, or finds the canary that is under way.
      - V(advanced) remembers the next step, whose weights are then in RV(traffic). Once they are delivered V(measured) measures and
        judges the step. It succeeds whatever comes of it, and RV(verdict) has it.
      - V(settled) ends a way back, or a promotion, once its weights are delivered.
      - V(paused) keeps it where it is until V(resumed). V(aborted) sends all requests back, V(promoted) sends all of them to the
        new version
        without another gate. Both need their weights delivered and V(settled) after them.
      - V(absent) forgets the canary. From there on the inventory alone counts.
      - V(unlocked) only lets go of the lock.
    type: str
    choices: [planned, status, started, advanced, measured, settled, paused, resumed, aborted, promoted, absent, unlocked]
    default: planned
  mesh:
    description: Name of the mesh.
    type: str
    required: true
  namespace:
    description: Namespace of the control plane, where a Prometheus is looked for first.
    type: str
    required: true
  service:
    description: Whose canary it is, as C(NAMESPACE/NAME) or by its name. Needed unless O(state=status).
    type: str
    default: ""
  traffic:
    description: The variable C(mesh_traffic), with the versions and routes of the services.
    type: list
    elements: dict
  canaries:
    description: The variable C(mesh_canaries).
    type: list
    elements: dict
    default: []
    suboptions:
      service:
        description: Name of the Service.
        type: str
      namespace:
        description: Its namespace.
        type: str
      from:
        description: The version that has the requests now.
        type: str
      to:
        description: The version that gets them.
        type: str
      route:
        description: The route of C(mesh_traffic) whose weights move. The one without C(match) when not given.
        type: str
      steps:
        description:
          - Percentages of the share that both versions have together, rising to 100. V([5, 20, 50, 100]) when not given.
          - A step can be C({weight, pause}). With C(pause) the canary waits after the step until somebody resumes it.
        type: list
        elements: raw
      gate:
        description: What has to be so after each step.
        type: dict
        suboptions:
          window:
            description: How long a step is measured at least, such as V(60s), which is the default.
            type: str
          timeout:
            description: How long at most, while there are too few requests or it is not clear. V(15m) when not given.
            type: str
          interval:
            description: Time between two looks, V(10s) when not given. A version that clearly fails is stopped before the window is over.
            type: str
          min_requests:
            description: How many requests the new version has to have answered, 200 when not given. With fewer a step never passes.
            type: int
          min_old_requests:
            description: How many the old version has to have answered to compare with, 30 when not given.
            type: int
          early_requests:
            description: With fewer requests than this nothing is called a violation, 20 when not given.
            type: int
          max_error_rate:
            description: Share of failed requests that the new version may have, 0.01 when not given. With V(1) it is not asked.
            type: float
          max_error_increase:
            description:
              - By how much that share may be above the one of the old version in the same window.
              - 0.01 (one percentage point) when not given. With V(1) it is not asked.
            type: float
          latency:
            description: How slow it may be. Not asked when not given.
            type: dict
            suboptions:
              percentile:
                description: Which percentile, 95 when not given.
                type: float
              max:
                description: What it may be at most, such as V(500ms).
                type: str
              max_increase:
                description: How many times that of the old version it may be, such as V(1.25).
                type: float
          confidence:
            description: Of the intervals, 0.95 when not given. A higher one stops good versions less often and needs more requests.
            type: float
          strict:
            description:
              - A step passes only when the whole interval is within the limit, so that the limit is proven to be kept. That needs many more
                requests, for 1 per cent about 400 without a failure.
            type: bool
          max_restarts:
            description: How often containers of the new version may end while it is measured, 0 when not given.
            type: int
          errors:
            description:
              - HTTP codes that are failures, V([5xx, "0"]) when not given. 0 is what proxies say of a request that was not answered.
              - With V(5xx) the gRPC statuses that correspond to it are failures, too.
            type: list
            elements: str
      measure:
        description: Whether the proxies are asked themselves, through the API server, or a Prometheus. V(proxies) when not given.
        type: str
        choices: [proxies, prometheus]
      reporter:
        description:
          - Whose numbers count. V(destination), the default, is the proxies of the versions' own pods. V(source) is those of the callers,
            which also know of requests that reached no pod.
        type: str
        choices: [destination, source]
      callers:
        description: Namespaces whose proxies are asked with C(reporter=source). O(callers) when not given.
        type: list
        elements: str
      metrics_port:
        description: Port of the proxies' metrics, 15020 when not given.
        type: int
      prometheus:
        description: Which Prometheus is asked.
        type: dict
        suboptions:
          url:
            description: Its address, or that of a Thanos querier. Without it C(service) is asked through the API server.
            type: str
          token:
            description: Bearer token for C(url), which has to be https then.
            type: str
          ca_path:
            description: File of the CA of C(url). Its certificate is always verified.
            type: path
          labels:
            description: Labels that its series have to have besides, such as C(cluster) where one Prometheus has several clusters.
            type: dict
          service:
            description: The Service of a Prometheus.
            type: dict
            suboptions:
              namespace:
                description: Its namespace, that of the control plane when not given.
                type: str
              name:
                description: Its name, C(prometheus) when not given.
                type: str
              port:
                description: Its port, 9090 when not given.
                type: str
              scheme:
                description: V(https) where it serves TLS.
                type: str
                choices: [http, https]
      on_failure:
        description: Where a violation leads. V(all), the default, is back to the begin. V(step) is to the step before, where it pauses.
        type: str
        choices: [all, step]
      on_timeout:
        description: What happens when it is not clear in time. V(hold), the default, leaves the weights. V(back) is as on a violation.
        type: str
        choices: [hold, back]
  callers:
    description: Namespaces of the mesh, for C(reporter=source).
    type: list
    elements: str
    default: []
  reason:
    description: Why, for V(paused), V(aborted) and V(promoted).
    type: str
    default: ""
  retry:
    description: Begin again with the same images after they were rolled back.
    type: bool
    default: false
  proxy_timeout:
    description: Seconds that one proxy may take to answer.
    type: float
    default: 5
  holder:
    description: Who holds the lock, the same for all calls of a play.
    type: str
    default: ansible
  lock_seconds:
    description: For so long the lock is kept for the next call, and so long a run waits for the lock of one that may be dead.
    type: float
    default: 30
  take_over:
    description: Take the lock at once, when you know that its holder is dead.
    type: bool
    default: false
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.options.cluster
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
attributes:
  check_mode:
    support: full
    details: It says what V(planned) says.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: V(measured) measures anew where a step was not decided.
requirements:
  - python >= 3.11
  - kubernetes >= 24.2.0
  - websocket-client
seealso:
  - module: meshops.mesh.traffic_metrics_info
"""

EXAMPLES = r"""
- name: Say what a canary would do
  meshops.mesh.canary_release:
    mesh: travel-prod
    namespace: prod-istio-system
    service: bookinfo/reviews
    traffic: "{{ mesh_traffic }}"
    canaries:
      - service: reviews
        namespace: bookinfo
        from: v1
        to: v2
        steps: [5, 20, 50, 100]
        gate: {window: 2m, min_requests: 500, latency: {max_increase: 1.25}}
  register: canary

- name: Nothing stands against it
  ansible.builtin.assert:
    that: not canary.under_way

- name: How far are all canaries?
  meshops.mesh.canary_release:
    state: status
    mesh: travel-prod
    namespace: prod-istio-system
    traffic: "{{ mesh_traffic }}"
  register: canaries
"""

RETURN = r"""
action:
  description:
    - What comes next. V(shift) and V(measure) ask for V(advanced), delivery and V(measured), V(settle) for delivery and V(settled),
      V(wait) for a person. Empty when there is nothing to do.
  returned: always
  type: str
  sample: shift
verdict:
  description: Of V(measured), V(passed), V(violated) or V(open), which is not clear in time. Empty otherwise.
  returned: always
  type: str
  sample: passed
reason:
  description: Why, with the figures.
  returned: always
  type: str
  sample: "v2 answered 503 to 23 of 210 requests (11.0 %, 95 % interval 7.4 to 15.9 %): at most 1.0 % may fail"
under_way:
  description: Whether a canary is remembered that is not over.
  returned: always
  type: bool
  sample: true
left:
  description: How many steps have not passed.
  returned: always
  type: int
  sample: 3
canary:
  description: The canary, with its weights, and with figures of each step that was measured.
  returned: when there is one
  type: dict
  sample: {"service": "bookinfo/reviews", "from": "v1", "to": "v2", "percent": 20, "step": 2, "phase": "passed", "outcome": ""}
canaries:
  description: All canaries that were looked at.
  returned: always
  type: list
  elements: dict
  sample: []
traffic:
  description: O(traffic) with the weights that canaries have reached, for the role C(traffic).
  returned: when O(traffic) is given, and not with V(planned)
  type: list
  elements: dict
  sample: []
kept:
  description: The canaries whose weights are in RV(traffic) in place of the inventory's.
  returned: with RV(traffic)
  type: list
  elements: str
  sample: ["canary bookinfo/reviews v1 -> v2: step 2 of 4, 20 %, passed"]
lines:
  description: The same for people.
  returned: always
  type: list
  elements: str
  sample: ["canary bookinfo/reviews v1 -> v2: step 2 of 4, 20 %, passed"]
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.canary_release import CanaryRun
from ansible_collections.meshops.mesh.plugins.module_utils._commands.traffic_metrics import PROMETHEUS_OPTION
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

_TEXT = {"type": "str"}
_WHOLE = {"type": "int"}
_NUMBER = {"type": "float"}
_TEXTS = {"type": "list", "elements": "str"}
GATE: dict[str, Any] = {
    **dict.fromkeys(("window", "timeout", "interval"), _TEXT),
    **dict.fromkeys(("min_requests", "min_old_requests", "early_requests", "max_restarts"), _WHOLE),
    **dict.fromkeys(("max_error_rate", "max_error_increase", "confidence"), _NUMBER),
    "latency": {"type": "dict", "options": {"percentile": _NUMBER, "max": _TEXT, "max_increase": _NUMBER}},
    "strict": {"type": "bool"},
    "errors": _TEXTS,
}
CANARY: dict[str, Any] = {
    **dict.fromkeys(("service", "namespace", "from", "to", "route"), _TEXT),
    "steps": {"type": "list", "elements": "raw"},
    "gate": {"type": "dict", "options": GATE},
    "measure": {"type": "str", "choices": ["proxies", "prometheus"]},
    "reporter": {"type": "str", "choices": ["destination", "source"]},
    "callers": _TEXTS,
    "metrics_port": {"type": "int"},
    "prometheus": PROMETHEUS_OPTION,
    "on_failure": {"type": "str", "choices": ["all", "step"]},
    "on_timeout": {"type": "str", "choices": ["hold", "back"]},
}
STATES = [
    "planned", "status", "started", "advanced", "measured", "settled", "paused", "resumed", "aborted", "promoted", "absent", "unlocked",
]  # fmt: skip
ARGUMENT_SPEC: dict[str, Any] = {
    **CLUSTER,
    "state": {"type": "str", "choices": STATES, "default": "planned"},
    "mesh": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "service": {"type": "str", "default": ""},
    "traffic": {"type": "list", "elements": "dict"},
    "canaries": {"type": "list", "elements": "dict", "default": [], "options": CANARY},
    "callers": {"type": "list", "elements": "str", "default": []},
    "reason": {"type": "str", "default": ""},
    "retry": {"type": "bool", "default": False},
    "proxy_timeout": {"type": "float", "default": 5},
    "holder": {"type": "str", "default": "ansible"},
    "lock_seconds": {"type": "float", "default": 30},
    "take_over": {"type": "bool", "default": False},
}


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec={**AUTH_ARG_SPEC, **ARGUMENT_SPEC}, supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    run = None
    try:
        run = CanaryRun(module.params, check_mode=module.check_mode)
        run.run()
        result = {**run.result(), **run.routed()}
    except MeshError as exc:
        module.fail_json(msg=str(exc), **(run.result() if run else {"changed": False, "lines": []}))
    if module.check_mode and module.params["state"] in ("started", "advanced", "measured"):
        result["changed"] = run.would
    module.exit_json(**result)


if __name__ == "__main__":
    main()
