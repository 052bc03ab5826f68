#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart the proxies of a mesh in waves."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_waves
short_description: Restart the workloads of a mesh in waves, with a gate after each, and a way back
version_added: "0.4.0"
description:
  - Restarts every workload whose proxies are not what the goal wants, wave by wave. Within a wave it keeps to a concurrency and to
    PodDisruptionBudgets. Gateways go in a wave of their own and always have a ready pod.
  - Deployments, StatefulSets and DaemonSets are restarted by the annotation C(kubectl.kubernetes.io/restartedAt), all pods of one in one
    pass. Pods of Jobs, bare pods and those of other owners are reported and never killed.
  - What it knows is in the ConfigMap C(rollout-MESH) of the control plane's namespace. A run that was killed, or another control node,
    goes on at the right place, and nobody is restarted twice. A Lease of the same name keeps a second run out; it is taken from a run
    that has shown no life for O(lock_seconds).
  - Most people use the playbooks C(meshops.mesh.upgrade_data_plane) and C(meshops.mesh.restart_data_plane), which call it for each step.
author:
  - meshops.mesh contributors (@meshops)
options:
  state:
    description:
      - V(planned) says who would be in which wave and changes nothing.
      - V(current) reads what is remembered.
      - V(begun) makes the waves, or finds those of a run before.
      - V(moved) restarts the next wave, or what is left of it, and waits until all of it is ready. V(gated) judges it then; it fails when
        the wave is not good. Both do nothing when all waves have passed.
      - V(back) turns round. V(moved) and V(gated) then take the waves that were begun back to O(origin), the last one first.
      - V(settled) gives namespaces the labels back that they had, at the end. V(absent) forgets the rollout, wherever it is.
      - V(released) only lets go of the lock.
    type: str
    choices: [planned, current, begun, moved, gated, back, settled, absent, released]
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
  concurrency:
    description: How many workloads of a wave are under way at the same time, as a number or per cent of the wave. All when not given.
    type: str
    default: ""
  budgets:
    description: Whether PodDisruptionBudgets hold workloads up. No setting lets a gateway be without a ready pod.
    type: str
    choices: [respect, ignore]
    default: respect
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
  workload_timeout:
    description: Seconds that one workload may take.
    type: float
    default: 300
  budget_timeout:
    description: Seconds that a disruption budget may hold a workload up.
    type: float
    default: 600
  outage:
    description: Seconds that the API server may be away in the middle of a wave, beyond a minute that each request waits.
    type: float
    default: 300
  interval:
    description: Seconds between two looks.
    type: float
    default: 1
  slice:
    description: Seconds after which V(moved) comes back unfinished, to tell how far it is. The action plugin asks again. 0 for never.
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
      - RV(meshops.mesh.mesh_check#module:checks) of now. With V(begun) they are what was wrong before; with V(gated) what fails now and
        did not then is a reason to stop.
    type: list
    elements: dict
  probe:
    description: The result of M(meshops.mesh.authorization_probe), for V(gated).
    type: dict
  queries:
    description:
      - Prometheus queries, for V(gated). Every sample of the answer has to be within the limits.
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
    state: moved
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
  description: With V(moved), whether the wave is done; false when the slice was over first.
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
  sample: [{"resource": "Pod prod-travel-agency/debug", "reason": "nobody would make it again: delete it and make it anew"}]
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

from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.urls import open_url
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR, dialer
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.lease import Lock
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._kube.rollout import Asking, Closed, Rollout, Settings
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import rollout_name
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained
from ansible_collections.meshops.mesh.plugins.module_utils._rollout import gate
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.machine import Blocked, Limits, Memory
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.model import Goal
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.progress import plan_lines, state_lines
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.state import State
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.waves import orders_from, plan
from ansible_collections.meshops.mesh.plugins.module_utils._rollout.windows import windows_from

AIM: dict[str, Any] = {"type": "dict", "default": {}, "options": {"version": {"type": "str", "default": ""},
                                                                  "revision": {"type": "str", "default": ""},
                                                                  "runs": {"type": "str", "default": ""}}}
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
    "service": {"type": "dict", "default": {}, "options": {"namespace": {"type": "str"}, "name": {"type": "str", "default": "prometheus"},
                                                           "port": {"type": "str", "default": "9090"}}},
}
ARGUMENT_SPEC: dict[str, Any] = {
    **CLUSTER,
    "state": {"type": "str", "choices": ["planned", "current", "begun", "moved", "gated", "back", "settled", "absent", "released"],
              "default": "planned"},
    "mesh": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "members": {"type": "list", "elements": "str"},
    "domains": {"type": "list", "elements": "dict"},
    "waves": {"type": "list", "elements": "dict", "default": []},
    "goal": AIM,
    "origin": AIM,
    "reason": {"type": "str", "default": "restart"},
    "concurrency": {"type": "str", "default": ""},
    "budgets": {"type": "str", "choices": ["respect", "ignore"], "default": "respect"},
    "labels_from": {"type": "str", "default": ""},
    "labels_to": {"type": "str", "default": ""},
    "windows": {"type": "list", "elements": "dict", "default": []},
    "workload_timeout": {"type": "float", "default": 300},
    "budget_timeout": {"type": "float", "default": 600},
    "outage": {"type": "float", "default": 300},
    "interval": {"type": "float", "default": 1},
    "slice": {"type": "float", "default": 15},
    "memory": {"type": "dict", "default": {}},
    "ask_proxies": {"type": "int", "default": 100},
    "proxy_timeout": {"type": "float", "default": 5},
    "checks": {"type": "list", "elements": "dict"},
    "probe": {"type": "dict"},
    "queries": {"type": "list", "elements": "dict", "default": [], "options": QUERY},
    "holder": {"type": "str", "default": "ansible"},
    "lock_seconds": {"type": "float", "default": 30},
    "take_over": {"type": "bool", "default": False},
}


class Run:
    """One call of the module."""

    def __init__(self, params: dict[str, Any], *, check_mode: bool) -> None:
        self.params, name = params, display_name(params)
        self.word = "planned" if check_mode and params["state"] not in ("current", "released") else params["state"]
        self.cluster = Cluster.from_params(params, name=name)
        self.dialer = dialer(params, name=name)
        limits = Limits(params["workload_timeout"], params["budget_timeout"], params["budgets"] == "respect", params["concurrency"])
        settings = Settings(limits, max(0.1, params["interval"]), params["slice"], params["outage"],
                            tuple(windows_from(params["windows"])), params["labels_from"], params["labels_to"])
        domains = None
        if params["domains"] is not None:
            domains = {str(one["name"]): list(one.get("namespaces") or []) for one in params["domains"]}
        self.orders = orders_from(params["waves"], domains=domains)
        self.lock = Lock(self.cluster, namespace=params["namespace"], name=rollout_name(params["mesh"]), mesh=params["mesh"],
                         holder=params["holder"], seconds=params["lock_seconds"])
        self.rollout = Rollout(self.cluster, mesh=params["mesh"], namespace=params["namespace"], members=params["members"],
                               lock=None if self.word in ("planned", "current") else self.lock, settings=settings)
        self.rollout.memory = Memory.from_ages(params["memory"], self.rollout.clock())
        self.state: State | None = None
        self.finished, self.closed = True, ""
        self.extra: dict[str, Any] = {}
        self.would = False

    def aim(self, name: str) -> Goal:
        """goal or origin."""
        given = self.params[name] or {}
        return Goal(given.get("version") or "", given.get("revision") or "", runs=given.get("runs") or "")

    def go(self) -> None:
        """What the state asks for."""
        if self.word != "current":
            self.cluster.require_clock()
        if self.word in ("planned", "current"):
            getattr(self, self.word)()
            return
        self.lock.acquire(take_over=self.params["take_over"])
        try:
            getattr(self, self.word)()
        except Closed as exc:
            self.finished, self.closed = False, str(exc)
            self.rollout.lines.append(f"{self.cluster.name}: {exc}")
        finally:
            self.lock.release(keep=self.word != "released")

    def current(self) -> None:
        """What is remembered."""
        self.state = self.rollout.state()

    def planned(self) -> None:
        """Nothing is changed, and nobody is locked out."""
        self.state = self.rollout.state()
        if self.state is not None and not self.state.over:
            self.rollout.lines += state_lines(self.state)
            self.would = True
            return
        self.state = None
        aim, world = self.aim("goal"), self.rollout.look()
        planned = plan(world, replace(aim, since=self.rollout.now()), self.orders)
        self.would = bool(planned)
        self.rollout.lines += plan_lines(planned, world) if planned else ["all proxies are what they shall be: nothing to restart"]
        self.extra = {"loose": [{"resource": one.resource, "reason": one.reason} for one in world.loose],
                      "waves": [{"name": one.name, "members": list(one.members), "gateways": one.gateways, "state": "waiting", "seconds": 0}
                                for one in planned]}

    def begun(self) -> None:
        """The waves of before, or new ones."""
        self.state = self.rollout.start(self.orders, self.aim("goal"), self.aim("origin"), reason=self.params["reason"],
                                        by=self.params["holder"], baseline=gate.baseline(self.params["checks"] or ()))
        world = self.rollout.look()
        self.extra = {"loose": [{"resource": one.resource, "reason": one.reason} for one in world.loose]}
        self.rollout.lines += state_lines(self.state) if not self.state.over else []
        self.rollout.lines += [f"  left alone: {one.resource}: {one.reason}" for one in world.loose[:20]]

    def _current(self) -> tuple[State, int] | None:
        self.state = self.rollout.state()
        if self.state is None or self.state.over:
            return None
        number = self.state.next_wave()
        return None if number is None else (self.state, number)

    def moved(self) -> None:
        """The next wave, or a slice of it."""
        found = self._current()
        if found is None:
            return
        try:
            self.state, self.finished = self.rollout.advance(*found)
        except MeshError:
            self.state = self.rollout.state()
            raise

    def gated(self) -> None:
        """The wave that was restarted last: passed, or failed with the reasons."""
        found = self._current()
        if found is None:
            return
        state, number = found
        asking = Asking(self.params["ask_proxies"], self.params["proxy_timeout"])
        wrong, silent = self.rollout.judge(state, number, dialer=self.dialer, asking=asking)
        if state.direction == "forward":
            wrong += self._asked(state)
        wave = state.waves[number]
        if wrong:
            self.rollout.failed(state, number, wrong)
        self.state = self.rollout.passed(state, number)
        said = f"; {len(silent)} proxies did not answer themselves ({silent[0][:160]})" if silent else ""
        self.rollout.lines.append(f"gate after wave {number + 1} of {len(state.waves)}, {wave.name}: passed{said}")

    def _asked(self, state: State) -> list[Blocked]:
        """Checks, probe and queries; they say nothing about a way back."""
        wrong: list[Blocked] = []
        if self.params["checks"] is not None:
            wrong += gate.judge_checks(self.params["checks"], state.baseline)
        if self.params["probe"]:
            wrong += gate.judge_probe(self.params["probe"])
        for query in self.params["queries"]:
            headers = {"Authorization": f"Bearer {query['token']}"} if query.get("token") else {}
            wrong += self.rollout.query(query, lambda url, headers=headers, query=query: open_url(  # type: ignore[misc]
                url, headers=headers, timeout=30, validate_certs=query.get("validate_certs", True), ca_path=query.get("ca_path")).read())
        return wrong

    def back(self) -> None:
        """From here on the other way."""
        self.state = self.rollout.turn_back()
        self.rollout.lines += state_lines(self.state)

    def settled(self) -> None:
        """Labels as they were."""
        self.state = self.rollout.state()
        if self.state is not None:
            self.state = self.rollout.restore_labels(self.state)

    def absent(self) -> None:
        """Nothing is remembered any more."""
        self.rollout.forget()

    def released(self) -> None:
        """Only the lock."""
        self.state = self.rollout.state()

    def result(self) -> dict[str, Any]:
        """What the module returns."""
        state = self.state
        rows = [{"name": one.name, "members": list(one.members), "gateways": one.gateways, "state": one.state, "seconds": one.seconds,
                 "note": one.note} for one in state.waves] if state else []
        number = state.next_wave() if state else None
        made = {"waves": rows, "left": sum(row["state"] != "passed" for row in rows), "finished": self.finished, "closed": self.closed,
                "wave": state.waves[number].name if state and number is not None else "",
                "direction": state.direction if state else "forward", "under_way": bool(state and not state.over),
                "restarted": self.rollout.restarted, "lines": self.rollout.lines,
                "memory": self.rollout.memory.ages(self.rollout.clock()) if not self.finished else {}}
        if state:
            made["rollout"] = {"id": state.id, "reason": state.reason, "by": state.by, "over": state.over, "labels": state.labels,
                               "goal": {"version": state.goal.version, "revision": state.goal.revision},
                               "origin": {"version": state.origin.version, "revision": state.origin.revision}}
        made |= self.extra
        if self.word == "planned" and "waves" in self.extra:
            made["left"] = len(self.extra["waves"])
            made["wave"] = self.extra["waves"][0]["name"] if self.extra["waves"] else ""
        return {"changed": self.rollout.changed, **made}


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec={**AUTH_ARG_SPEC, **ARGUMENT_SPEC}, supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    run = None
    try:
        run = Run(module.params, check_mode=module.check_mode)
        run.go()
    except MeshError as exc:
        module.fail_json(msg=str(exc), **(run.result() if run else {"changed": False, "lines": []}))
    else:
        result = run.result()
        if module.check_mode and module.params["state"] in ("begun", "moved"):
            result["changed"] = run.would
        module.exit_json(**result)


if __name__ == "__main__":
    main()
