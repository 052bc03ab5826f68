#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart the proxies of a mesh in waves."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_waves
short_description: Restart the workloads of a mesh in waves, with a gate after each, and a way back
version_added: "0.1.0"
description:
  - Restarts every workload whose proxies are not what the goal wants, wave by wave. Within a wave it keeps to a concurrency and to
    PodDisruptionBudgets. Gateways go in a wave of their own and always have a ready pod.
  - Deployments, StatefulSets and DaemonSets are restarted by the annotation C(kubectl.kubernetes.io/restartedAt), all pods of one in one
    pass. Pods of Jobs, bare pods and those of other owners are reported and never killed.
  - What it knows is in the ConfigMap C(rollout-MESH) of the control plane's namespace. A run that was killed, or another control node,
    goes on at the right place, and no workload is restarted twice. A Lease of the same name keeps a second run out; it is taken from a run
    that has shown no life for O(lock_seconds).
  - Most people use the playbooks C(meshops.mesh.upgrade_data_plane) and C(meshops.mesh.restart_data_plane), which call it for each step.
author:
  - meshops.mesh contributors (@meshops)
options:
  state:
    description:
      - V(planned) says who would be in which wave and changes nothing.
      - V(status) reads what is remembered.
      - V(started) makes the waves, or finds those of a run before.
      - V(advanced) restarts the next wave, or what is left of it, and waits until all of it is ready. V(verified) judges it then; it fails
        when the wave is not good. Both do nothing when all waves have passed.
      - V(rolled_back) turns round. V(advanced) and V(verified) then take the waves that were begun back to O(origin), the last one first.
      - V(done) gives namespaces the labels back that they had, at the end. V(absent) forgets the rollout, wherever it is.
      - V(unlocked) only lets go of the lock.
    type: str
    choices: [planned, status, started, advanced, verified, rolled_back, done, absent, unlocked]
    default: planned
  mesh:
    description: Name of the mesh.
    type: str
    required: true
  namespace:
    description: Namespace of the control plane. What the rollout knows is kept there, and its gateways are looked for there.
    type: str
    required: true
  members:
    description: Namespaces of the mesh. All that the cluster has when it is not given.
    type: list
    elements: str
  domains:
    description: The domains, as in the variable C(mesh_domains), for waves that name some. Without it the label of the namespaces counts.
    type: list
    elements: dict
  waves:
    description:
      - The waves in their order, each a dictionary of C(name), what it takes, and C(concurrency).
      - It takes workloads by C(domains), C(namespaces), C(labels) of their pods, C(workloads) (C(NAMESPACE/NAME)) or C(share) (per cent of
        the fleet), which can be combined. C(rest) takes all that are left, C(gateways) the gateways.
      - A workload goes with the first wave that takes it. Who is left comes at the end, workloads first, then gateways.
    type: list
    elements: dict
    default: []
  goal:
    description:
      - What the proxies shall be. C(version) is Istio's, as the tag of the image says it, C(revision) the name of the revision where each
        version has one of its own. Without both every workload is restarted.
    type: dict
    default: {}
    suboptions:
      version:
        description: Version of the proxies.
        type: str
        default: ""
      revision:
        description: Revision of the proxies.
        type: str
        default: ""
      runs:
        description: Version that proxies get where C(version) is an alias such as V(v1.30-latest). Without it any patch of its minor does.
        type: str
        default: ""
  origin:
    description: What they are now, as in O(goal); the way back leads there.
    type: dict
    default: {}
    suboptions:
      version:
        description: Version of the proxies.
        type: str
        default: ""
      revision:
        description: Revision of the proxies.
        type: str
        default: ""
      runs:
        description: Version that proxies get where C(version) is an alias such as V(v1.30-latest). Without it any patch of its minor does.
        type: str
        default: ""
  reason:
    description: Why, in words for people. A restart without a version is another rollout when its reason is another.
    type: str
    default: restart
  labels_from:
    description: Value of the label C(istio.io/rev) of namespaces that go to O(labels_to) with their wave.
    type: str
    default: ""
  labels_to:
    description: The new value. Namespaces keep their label when it is not given.
    type: str
    default: ""
  windows:
    description:
      - Maintenance windows, each with C(start) and C(end) as C("22:00"), C(days) (C([mon, tue]), all when not given) and C(timezone).
      - Outside of them nothing is begun; what is under way is waited for. The module then succeeds with RV(closed).
    type: list
    elements: dict
    default: []
  interval:
    description: Seconds between two looks.
    type: float
    default: 1
  slice:
    description: Seconds after which V(advanced) comes back unfinished, to tell how far it is. The action plugin asks again. 0 for never.
    type: float
    default: 15
  memory:
    description: RV(memory) of the slice before. The action plugin gives it.
    type: dict
    default: {}
  ask_proxies:
    description: How many proxies of a wave its gate asks themselves for their version and their connection to istiod. 0 for none.
    type: int
    default: 100
  proxy_timeout:
    description: Seconds that one proxy may take to answer.
    type: float
    default: 5
  checks:
    description:
      - RV(meshops.mesh.mesh_check#module:checks) of now. With V(started) they are what was wrong before; with V(verified) what fails
        now and did not then is a reason to stop.
    type: list
    elements: dict
  probe:
    description: The result of M(meshops.mesh.authorization_probe), for V(verified).
    type: dict
  queries:
    description:
      - Prometheus queries, for V(verified). Every sample of the answer has to be within the limits.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What messages call it.
        type: str
      query:
        description: The query, such as the rate of answers with 5xx, or C(pilot_proxy_convergence_time).
        type: str
        required: true
      max:
        description: No sample may be above.
        type: float
      min:
        description: No sample may be below.
        type: float
      allow_empty:
        description: Whether an answer without a sample passes.
        type: bool
        default: false
      url:
        description: Address of a Prometheus or a Thanos querier. Without it O(queries[].service) is asked through the API server.
        type: str
      token:
        description: Bearer token for O(queries[].url).
        type: str
      validate_certs:
        description: Whether the certificate of O(queries[].url) is verified.
        type: bool
        default: true
      ca_path:
        description: File of the CA of O(queries[].url).
        type: path
      service:
        description: The Service of a Prometheus.
        type: dict
        default: {}
        suboptions:
          namespace:
            description: Its namespace, that of the control plane when not given.
            type: str
          name:
            description: Its name.
            type: str
            default: prometheus
          port:
            description: Its port.
            type: str
            default: "9090"
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.options.cluster
  - meshops.mesh.options.restart
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
requirements:
  - python >= 3.11
  - kubernetes >= 24.2.0
  - websocket-client
seealso:
  - module: meshops.mesh.install_plan
  - module: meshops.mesh.mesh_check
  - module: meshops.mesh.authorization_probe
"""

EXAMPLES = r"""
- name: Show the waves
  meshops.mesh.rollout_waves:
    mesh: travel-prod
    namespace: prod-istio-system
    members: [prod-travel-agency, prod-travel-portal, prod-travel-control]
    goal: {version: v1.27.3}
    waves:
      - {name: canary, share: 10}
      - {name: portal, namespaces: [prod-travel-portal, prod-travel-control]}
      - {name: rest, rest: true, concurrency: "25%"}
  register: rollout

- name: Restart the next wave
  meshops.mesh.rollout_waves:
    state: advanced
    mesh: travel-prod
    namespace: prod-istio-system
    goal: {version: v1.27.3}
  register: rollout

- name: It is done
  ansible.builtin.assert:
    that: rollout.finished
"""

RETURN = r"""
waves:
  description: The waves as they stand.
  returned: always
  type: list
  elements: dict
  sample: [{"name": "canary", "members": ["Deployment prod-travel-agency/cars-v1"], "gateways": false, "state": "passed", "seconds": 12.1}]
wave:
  description: The wave that is next, empty when all have passed.
  returned: always
  type: str
  sample: canary
left:
  description: How many waves have not passed.
  returned: always
  type: int
  sample: 2
direction:
  description: V(forward) or V(back).
  returned: always
  type: str
  sample: forward
under_way:
  description: Whether a rollout is remembered that is not over.
  returned: always
  type: bool
  sample: true
finished:
  description: With V(advanced), whether the wave is done; false when the slice was over first.
  returned: always
  type: bool
  sample: true
closed:
  description: Why nothing was begun, when no maintenance window is open.
  returned: always
  type: str
  sample: ""
restarted:
  description: Workloads that this call restarted.
  returned: always
  type: list
  elements: str
  sample: ["Deployment prod-travel-agency/cars-v1"]
loose:
  description: Pods that are left alone, with the reason.
  returned: when planned or begun
  type: list
  elements: dict
  sample: [{"resource": "Pod prod-travel-agency/debug", "reason": "no controller would recreate it: delete and recreate it yourself"}]
rollout:
  description: Goal, origin, reason and what else is remembered.
  returned: when there is one
  type: dict
  sample: {"reason": "upgrade to v1.27.3", "by": "ansible"}
memory:
  description: What the next slice has to know.
  returned: always
  type: dict
  sample: {}
lines:
  description: The same for people.
  returned: always
  type: list
  elements: str
  sample: ["wave 1 of 3, canary: 4 of 10 done, 2 under way, slowest Deployment prod-travel-agency/cars-v1 8 s, about 3 min left"]
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.rollout_waves import RolloutRun
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, RESTART
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

AIM: dict[str, Any] = {
    "type": "dict",
    "default": {},
    "options": {
        "version": {"type": "str", "default": ""},
        "revision": {"type": "str", "default": ""},
        "runs": {"type": "str", "default": ""},
    },
}
QUERY: dict[str, Any] = {
    "name": {"type": "str"},
    "query": {"type": "str", "required": True},
    "max": {"type": "float"},
    "min": {"type": "float"},
    "allow_empty": {"type": "bool", "default": False},
    "url": {"type": "str"},
    "token": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "service": {
        "type": "dict",
        "default": {},
        "options": {
            "namespace": {"type": "str"},
            "name": {"type": "str", "default": "prometheus"},
            "port": {"type": "str", "default": "9090"},
        },
    },
}
ARGUMENT_SPEC: dict[str, Any] = {
    **CLUSTER,
    **RESTART,
    "state": {
        "type": "str",
        "choices": ["planned", "status", "started", "advanced", "verified", "rolled_back", "done", "absent", "unlocked"],
        "default": "planned",
    },
    "mesh": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "members": {"type": "list", "elements": "str"},
    "domains": {"type": "list", "elements": "dict"},
    "waves": {"type": "list", "elements": "dict", "default": []},
    "goal": AIM,
    "origin": AIM,
    "reason": {"type": "str", "default": "restart"},
    "labels_from": {"type": "str", "default": ""},
    "labels_to": {"type": "str", "default": ""},
    "windows": {"type": "list", "elements": "dict", "default": []},
    "interval": {"type": "float", "default": 1},
    "slice": {"type": "float", "default": 15},
    "memory": {"type": "dict", "default": {}},
    "ask_proxies": {"type": "int", "default": 100},
    "proxy_timeout": {"type": "float", "default": 5},
    "checks": {"type": "list", "elements": "dict"},
    "probe": {"type": "dict"},
    "queries": {"type": "list", "elements": "dict", "default": [], "options": QUERY},
}


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec={**AUTH_ARG_SPEC, **ARGUMENT_SPEC}, supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    run = None
    try:
        run = RolloutRun(module.params, check_mode=module.check_mode)
        run.run()
    except MeshError as exc:
        module.fail_json(msg=str(exc), **(run.result() if run else {"changed": False, "lines": []}))
    else:
        result = run.result()
        if module.check_mode and module.params["state"] in ("started", "advanced"):
            result["changed"] = run.would
        module.exit_json(**result)


if __name__ == "__main__":
    main()
