#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what the versions of a service answered in a window: how many requests, failures, latencies, and the split among versions."""

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_metrics_info
short_description: Tell what the versions of a service answered
version_added: "0.1.0"
description:
  - Reads C(istio_requests_total) and C(istio_request_duration_milliseconds) twice or more and tells what came in between, of each version,
    with confidence intervals. Proxies that restart, come or go in between are counted rightly.
  - The gate of M(meshops.mesh.canary_release) measures so.
author:
  - meshops.mesh contributors (@meshops)
options:
  service:
    description: Name of the Service.
    type: str
    required: true
  namespace:
    description: Its namespace.
    type: str
    required: true
  versions:
    description: The versions, each a dictionary of C(name) and C(labels), which are C(version) with the name when not given.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      labels:
        description: Labels of its pods, besides those of the Service.
        type: dict
  window:
    description: How long to measure, such as V(60s) or V(5m).
    type: str
    default: 60s
  interval:
    description: Time between two looks. A proxy that restarts loses what it counted since the look before.
    type: str
    default: 10s
  min_requests:
    description: Ends before the window is over when all versions together have answered so many. 0 for never.
    type: int
    default: 0
  percentile:
    description: Percentile of the durations.
    type: float
    default: 95
  confidence:
    description: Of the intervals.
    type: float
    default: 0.95
  errors:
    description: HTTP codes that are failures, as in M(meshops.mesh.canary_release).
    type: list
    elements: str
    default: [5xx, "0"]
  measure:
    description: Whether the proxies are asked themselves, through the API server, or a Prometheus.
    type: str
    choices: [proxies, prometheus]
    default: proxies
  reporter:
    description: Whose numbers count, those of the proxies that answer (V(destination)) or of those that call (V(source)).
    type: str
    choices: [destination, source]
    default: destination
  callers:
    description: Namespaces whose proxies are asked with O(reporter=source). That of the service when not given.
    type: list
    elements: str
    default: []
  metrics_port:
    description: Port of the proxies' metrics.
    type: int
    default: 15020
  prometheus:
    description: Which Prometheus is asked.
    type: dict
    suboptions:
      url:
        description: Its address, or that of a Thanos querier. Without it O(prometheus.service) is asked through the API server.
        type: str
      token:
        description: Bearer token for O(prometheus.url), which has to be https then.
        type: str
      ca_path:
        description: File of the CA of O(prometheus.url). Its certificate is always verified.
        type: path
      labels:
        description: Labels that its series have to have besides.
        type: dict
      service:
        description: The Service of a Prometheus.
        type: dict
        suboptions:
          namespace:
            description: Its namespace, O(namespace) when not given.
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
  proxy_timeout:
    description: Seconds that one proxy may take to answer.
    type: float
    default: 5
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.options.cluster
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
  - websocket-client
seealso:
  - module: meshops.mesh.canary_release
"""

EXAMPLES = r"""
- name: How are requests to reviews shared?
  meshops.mesh.traffic_metrics_info:
    service: reviews
    namespace: bookinfo
    versions: [{name: v1}, {name: v2}]
    window: 2m
    min_requests: 2000
  register: measured

- name: A fifth of them goes to v2
  ansible.builtin.assert:
    that:
      - measured.split.v2.interval[0] <= 0.2
      - measured.split.v2.interval[1] >= 0.2
"""

RETURN = r"""
versions:
  description: What each version answered.
  returned: success
  type: dict
  sample: {"v2": {"requests": 402, "errors": 1, "error_rate": 0.002488, "error_interval": [0.000439, 0.013955]}}
split:
  description: How the requests were shared among versions, each with its interval and a sentence.
  returned: success
  type: dict
  sample: {"v2": {"requests": 402, "share": 0.201, "interval": [0.184, 0.2191], "text": "v2 answered 402 of 2000 requests"}}
seconds:
  description: How long was measured.
  returned: success
  type: float
  sample: 60.1
silent:
  description: Proxies that did not answer at the last look, with the reason.
  returned: success
  type: list
  elements: str
  sample: []
lines:
  description: The same for people.
  returned: success
  type: list
  elements: str
  sample: ["v2 answered 402 of 2000 requests (20.1 %, 95 % interval 18.4 to 21.9 %), 1 failed"]
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.traffic_metrics import PROMETHEUS_OPTION
from ansible_collections.meshops.mesh.plugins.module_utils._commands.traffic_metrics_info import measured
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

ARGUMENT_SPEC: dict[str, Any] = {
    **CLUSTER,
    "service": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "versions": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"name": {"type": "str", "required": True}, "labels": {"type": "dict"}},
    },
    "window": {"type": "str", "default": "60s"},
    "interval": {"type": "str", "default": "10s"},
    "min_requests": {"type": "int", "default": 0},
    "percentile": {"type": "float", "default": 95},
    "confidence": {"type": "float", "default": 0.95},
    "errors": {"type": "list", "elements": "str", "default": ["5xx", "0"]},
    "measure": {"type": "str", "choices": ["proxies", "prometheus"], "default": "proxies"},
    "reporter": {"type": "str", "choices": ["destination", "source"], "default": "destination"},
    "callers": {"type": "list", "elements": "str", "default": []},
    "metrics_port": {"type": "int", "default": 15020},
    "prometheus": PROMETHEUS_OPTION,
    "proxy_timeout": {"type": "float", "default": 5},
}


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec={**AUTH_ARG_SPEC, **ARGUMENT_SPEC}, supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    try:
        result = measured(module.params)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
