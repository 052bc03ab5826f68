#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: upgrade_plan
short_description: Plans the upgrade of a mesh and says what would break
version_added: "0.1.0"
description:
  - Reads every version of a mesh, which are those of operators, control planes, revisions, tags, node components, gateways, waypoints,
    proxies, CRDs and Kubernetes, and who owns each proxy's pod. It changes nothing.
  - Computes the hops to a target, as Istio, OpenShift Service Mesh and ztunnel support them, and the steps of each hop with their reason,
    their duration and the way back.
  - Checks what would break on the way, each fact with a stable code. A downgrade across a minor is refused with its reason.
  - A cluster, a snapshot and a folder of manifests are read alike. What a source cannot say is skipped with that reason.
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
  provider:
    description: The generation of the control plane. Found out when not given.
    type: str
    choices: [ossm2, ossm3, sail]
  control_plane:
    description:
      - The control plane as in the variable C(mesh_control_plane); V(name) and V(namespace) are used.
      - It may be left out where the source has only one.
    type: dict
  members:
    description: Namespaces of the mesh, for the certificates to look at. All namespaces when not given.
    type: list
    elements: str
  target:
    description:
      - The version to go to. A version of Istio as V(v1.30.3) or V(v1.30-latest) for an C(Istio), a version of OpenShift Service Mesh 2 as
        V(v2.6) for a C(ServiceMeshControlPlane).
      - The version that is installed shows which proxies are left behind.
    type: str
    required: true
  strategy:
    description: The update strategy to plan with. That of the C(Istio) when not given.
    type: str
    choices: [InPlace, RevisionBased]
  concurrency:
    description: How many workloads are restarted at the same time.
    type: int
    default: 10
  waves:
    description: How many waves the workloads are restarted in.
    type: int
    default: 1
  pause:
    description: Seconds of soak and approval after each wave.
    type: float
    default: 0
  per_minute:
    description:
      - Workloads that an earlier rollout restarted in a minute.
      - When not given, it is that of the last rollout that M(meshops.mesh.rollout_waves) remembers, if that had 20 workloads or more, and
        pods' own times to ready otherwise.
    type: float
  hours:
    description: How many hours the upgrade may take from beginning to end. Certificates must last that long.
    type: float
    default: 72
  plan_file:
    description:
      - A file to write C(cluster), C(plan), C(checks) and C(summary) to as JSON, for programs. It is written as a whole or not at all.
      - In check mode as well, as it is a report.
    type: path
    version_added: "0.1.0"
  proxies:
    description: With O(source=cluster), whether to ask each proxy for its version. It goes before the version of its image.
    type: bool
    default: false
  proxy_timeout:
    description: Seconds for one proxy.
    type: float
    default: 5
  proxies_timeout:
    description: Seconds for all proxies. Those that were not asked by then keep the version of their image.
    type: float
    default: 60
  show_from:
    description: From which severity on RV(text) shows checks. It has no influence on the verdict.
    type: str
    choices: [info, warning, error]
    default: warning
  thresholds:
    description: The oldest versions that are maintained.
    type: dict
    default: {}
    suboptions:
      istio_oldest:
        description: For O(provider=sail). The default is V(1.29).
        type: str
      ossm3_oldest:
        description: The oldest Istio version for O(provider=ossm3). The default is V(1.24).
        type: str
      ossm2_oldest:
        description: For O(provider=ossm2). The default is V(2.6).
        type: str
attributes:
  check_mode:
    description: Can run in check mode and say what it would do.
    support: full
    details: It changes nothing but report files.
  diff_mode:
    description: Returns what it changed, or would change, in check mode.
    support: none
  idempotent:
    description: A second run with the same input changes nothing.
    support: full
seealso:
  - module: meshops.mesh.mesh_check
  - module: meshops.mesh.install_plan
"""

EXAMPLES = r"""
- name: Plan the way to the next minor
  meshops.mesh.upgrade_plan:
    control_plane: {name: production, namespace: istio-system}
    target: v1.30.3
    fail_on: never
  register: planned

- name: Show the plan
  meshops.mesh.mesh_show:
    lines: "{{ planned.text.splitlines() }}"

- name: The same from last night's snapshot, for CI
  meshops.mesh.upgrade_plan:
    source: snapshot
    path: west.json.gz
    target: v1.30.3
    junit: upgrade.xml
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
plan:
  description: The plan.
  returned: always
  type: dict
  sample: {current: v1.29.4, target: v1.30.3, strategy: RevisionBased, seconds: 5400.0}
  contains:
    current:
      description: The version that runs.
      returned: always
      type: str
      sample: v1.29.4
    target:
      description: The version to go to.
      returned: always
      type: str
      sample: v1.30.3
    refusal:
      description: Why there is no way. Empty where there is one.
      returned: always
      type: str
      sample: ""
    seconds:
      description: How long it takes, without pauses for approval.
      returned: always
      type: float
      sample: 5400.0
    rests_on:
      description: What the durations rest on.
      returned: always
      type: str
      sample: "measured: half of 2990 pods were ready 8 s after their creation"
    hops:
      description: The versions of the control plane on the way, with what changes by itself at each.
      returned: always
      type: list
      elements: dict
      sample: [{number: 1, from: v1.29.4, to: v1.30.3, revision: production-v1-30-3, notes: []}]
    steps:
      description: The steps in order, each with C(kind), C(what), C(why), C(back), C(seconds), C(playbook) and C(objects).
      returned: always
      type: list
      elements: dict
      sample: [{number: 1, hop: 1, kind: control_plane, what: set Istio production spec.version to v1.30.3, seconds: 30.0}]
    versions:
      description: Every version that was read.
      returned: always
      type: dict
      sample: {proxies: [{version: 1.29.4, revision: production-v1-29-4, role: sidecar, count: 2990}]}
    not_moved:
      description: Owners whose proxies no restart moves.
      returned: always
      type: list
      elements: str
      sample: [Job shop/report]
checks:
  description: One row for each check, or several for a check with several deviations, as in M(meshops.mesh.mesh_check).
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
  description: How many rows have which status.
  returned: always
  type: dict
  sample: {passed: 20, warning: 3, failed: 1, skipped: 0}
text:
  description: Plan and checks for people.
  returned: always
  type: str
  sample: "Istio production: v1.29.4 -> v1.30.3 (RevisionBased), about 90 min"
silent_proxies:
  description: Proxies that did not say their version, with the reason.
  returned: always
  type: dict
  sample: {}
at:
  description: The moment that the source is from.
  returned: always
  type: str
  sample: "2026-11-21T12:00:00+00:00"
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._checks.answer import answer
from ansible_collections.meshops.mesh.plugins.module_utils._checks.documents import document, write_document
from ansible_collections.meshops.mesh.plugins.module_utils._commands.sources import read_result
from ansible_collections.meshops.mesh.plugins.module_utils._commands.upgrade_plan import run_upgrade_plan
from ansible_collections.meshops.mesh.plugins.module_utils._commands.upgrade_reports import gather
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, REPORT, SOURCE, SOURCE_NEEDS, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._model.clock import utc_now
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained


def argument_spec() -> dict[str, Any]:
    return {
        **AUTH_ARG_SPEC,
        **CLUSTER,
        **SOURCE,
        **REPORT,
        "provider": {"type": "str", "choices": ["ossm2", "ossm3", "sail"]},
        "control_plane": {"type": "dict"},
        "members": {"type": "list", "elements": "str"},
        "target": {"type": "str", "required": True},
        "strategy": {"type": "str", "choices": ["InPlace", "RevisionBased"]},
        "concurrency": {"type": "int", "default": 10},
        "waves": {"type": "int", "default": 1},
        "pause": {"type": "float", "default": 0},
        "per_minute": {"type": "float"},
        "hours": {"type": "float", "default": 72},
        "proxies": {"type": "bool", "default": False},
        "proxy_timeout": {"type": "float", "default": 5},
        "proxies_timeout": {"type": "float", "default": 60},
        "plan_file": {"type": "path"},
        "show_from": {"type": "str", "choices": ["info", "warning", "error"], "default": "warning"},
        "thresholds": {
            "type": "dict",
            "default": {},
            "options": {name: {"type": "str"} for name in ("istio_oldest", "ossm3_oldest", "ossm2_oldest")},
        },
    }


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
    try:
        snapshot, asked = gather(params, clock=utc_now, warn=module.warn)
        planned = run_upgrade_plan(params, snapshot, asked.versions)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    content = {"cluster": params["cluster"], "plan": planned.plan.to_dict(), "checks": [row.to_dict() for row in planned.report.rows],
               "summary": planned.report.summary}  # fmt: skip
    problems = [write_document("plan_file", params["plan_file"], lambda: document(content))] if params["plan_file"] else []
    result = answer(
        planned.report,
        by="upgrade_plan",
        params=params,
        warn=module.warn,
        problems=problems,
        plan=planned.plan.to_dict(),
        text=planned.text,
        silent_proxies={"/".join(key): why for key, why in asked.silent.items()},
        at=snapshot.taken_at.isoformat(),
        **read_result(snapshot),
    )
    if params["plan_file"] and not any(problems):
        result["files"]["plan_file"] = params["plan_file"]
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
