#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring Subscriptions of the Operator Lifecycle Manager to a version."""

from __future__ import annotations

DOCUMENTATION = r"""
module: install_plan
short_description: Approve install plans of OLM, hop by hop, until an operator has the wanted version
version_added: "0.1.0"
description:
  - For each Subscription, finds the InstallPlan that the Subscription names, shows what it would install, approves it, waits until the new
    ClusterServiceVersion is C(Succeeded) and the old one is gone, and goes on with the next hop until the target.
  - A plan is approved only in phase C(RequiresApproval) and only in the version that was read. A plan that would also install
    something that nobody asked for is refused, with the names.
  - Subscriptions with automatic approval are waited for.
  - Where OLM cannot go on (no OperatorGroup, unknown channel, a leftover ClusterServiceVersion, ...) the module fails within seconds with
    the cause and its remedy.
author:
  - meshops.mesh contributors (@meshops)
options:
  subscriptions:
    description: The Subscriptions. Those of one call are worked on together, as OLM makes one plan for all of a namespace.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the Subscription.
        type: str
        required: true
      namespace:
        description: Namespace of the Subscription.
        type: str
        required: true
      target:
        description:
          - Name of the ClusterServiceVersion to reach, such as V(servicemeshoperator3.v3.2.0).
          - V(latest) goes on until the channel offers nothing further.
          - Without it, an operator that is not there is installed, and one that is installed with manual approval stays at its version.
        type: str
        default: ""
  allowed:
    description: Patterns of ClusterServiceVersions of other Subscriptions that a plan may install as well, for example V(kiali-operator.*).
    type: list
    elements: str
    default: []
  state:
    description:
      - V(absent) deletes the Subscriptions that this collection has made for O(owner), and then the ClusterServiceVersions that they
        installed. The kinds of the operators stay. Refused while objects of these kinds are there that are not of O(mesh), as nobody would
        look after them any more.
    type: str
    choices: [present, absent]
    default: present
  owner:
    description: Value of the label C(mesh.meshops.io/mesh) that a Subscription must have to be deleted.
    type: str
    default: operators
  mesh:
    description: With O(state=absent), the mesh whose objects are no reason to keep the operators.
    type: str
    default: ""
    version_added: "0.1.0"
  wait_timeout:
    description: How many seconds all of it may take.
    default: 900
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
  - meshops.mesh.options.wait
attributes:
  check_mode:
    support: full
    details: Tells which plan would be approved next; what follows it is not known before.
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - PyYAML >= 5.1
"""

EXAMPLES = r"""
- name: Bring two operators to the versions that were tested
  meshops.mesh.install_plan:
    subscriptions:
      - name: servicemeshoperator3
        namespace: openshift-operators
        target: servicemeshoperator3.v3.2.0
      - name: kiali-ossm
        namespace: openshift-operators
        target: kiali-operator.v2.11.0
  register: operators

- name: Both work
  ansible.builtin.assert:
    that: operators.subscriptions | map(attribute='installed_csv') | list == ['servicemeshoperator3.v3.2.0', 'kiali-operator.v2.11.0']
"""

RETURN = r"""
subscriptions:
  description: Where each Subscription is now.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the Subscription.
      type: str
      returned: always
      sample: servicemeshoperator3
    namespace:
      description: Its namespace.
      type: str
      returned: always
      sample: openshift-operators
    target:
      description: What was asked for.
      type: str
      returned: always
      sample: servicemeshoperator3.v3.2.0
    installed_csv:
      description: The ClusterServiceVersion that is installed, empty where there is none.
      type: str
      returned: always
      sample: servicemeshoperator3.v3.2.0
    hops:
      description: ClusterServiceVersions that were seen to work on the way, the first and the last included.
      type: list
      elements: str
      returned: always
      sample: [servicemeshoperator3.v3.1.0, servicemeshoperator3.v3.2.0]
    state:
      description: One of V(done), V(waiting), V(would_approve), V(failed).
      type: str
      returned: always
      sample: done
    reason:
      description: Why it is in this state.
      type: str
      returned: always
      sample: servicemeshoperator3.v3.2.0 is Succeeded
    code:
      description: A word for the cause, where it failed.
      type: str
      returned: failure
      sample: OperatorGroupMissing
    remedy:
      description: What to do about it, where it failed.
      type: str
      returned: failure
      sample: make one OperatorGroup in openshift-operators
approved:
  description: The plans that were approved (in check mode, that would be), in order.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the plan.
      type: str
      returned: always
      sample: install-8cnfn
    namespace:
      description: Its namespace.
      type: str
      returned: always
      sample: openshift-operators
    uid:
      description: Its uid.
      type: str
      returned: always
      sample: f4d9627c-1ea2-4db0-9dbf-052d1cd233a4
    csvs:
      description: What it installs.
      type: list
      elements: str
      returned: always
      sample: [servicemeshoperator3.v3.2.0]
deleted:
  description: What was deleted, with O(state=absent).
  returned: always
  type: list
  elements: str
  sample: [Subscription openshift-operators/servicemeshoperator3]
summary:
  description: For people, a line for each Subscription.
  returned: always
  type: list
  elements: str
  sample: ["servicemeshoperator3 (openshift-operators): servicemeshoperator3.v3.2.0 is Succeeded, by way of servicemeshoperator3.v3.1.0"]
waited:
  description: Seconds that it took.
  returned: always
  type: float
  sample: 21.4
"""

import time
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.install_plan import (
    ApprovalLimits,
    SubscriptionProgress,
    remove,
    travel,
)
from ansible_collections.meshops.mesh.plugins.module_utils._errors import KindMissing, MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, display_name, wait_options
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

SUBSCRIPTION: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "target": {"type": "str", "default": ""},
}
ARGUMENT_SPEC: dict[str, Any] = {
    "subscriptions": {"type": "list", "elements": "dict", "required": True, "options": SUBSCRIPTION},
    "allowed": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "owner": {"type": "str", "default": "operators"},
    "mesh": {"type": "str", "default": ""},
    **CLUSTER,
    **wait_options(wait_timeout=900),
}


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec={**AUTH_ARG_SPEC, **ARGUMENT_SPEC}, supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    params = module.params
    name = display_name(params)
    limits = ApprovalLimits(timeout=params["wait_timeout"], interval=max(0.1, params["wait_interval"]), dry_run=module.check_mode)
    journeys: list[SubscriptionProgress] = []
    started = time.monotonic()
    approved: list[dict[str, Any]] = []
    deleted: list[str] = []
    error = ""
    try:
        journeys = SubscriptionProgress.of(params["subscriptions"], params["allowed"])
        cluster = Cluster.from_params(params, name=name)
        if params["state"] == "absent":
            deleted += remove(cluster, journeys, module.check_mode, params["owner"], params["mesh"])
        else:
            cluster.require_clock()
            error = travel(cluster, journeys, limits, approved)
    except KindMissing as exc:
        for journey in journeys:
            journey.reason = "the API has no kind Subscription yet; OLM would have to be there first"
        if not module.check_mode:
            error = f"{exc}. The Operator Lifecycle Manager is missing: install it, or set mesh_operators_provider to none"
    except MeshError as exc:
        error = str(exc)
    result: dict[str, Any] = {
        "changed": bool(approved or deleted),
        "deleted": deleted,
        "approved": approved,
        "subscriptions": [journey.row() for journey in journeys],
        "summary": [journey.line for journey in journeys],
        "waited": round(time.monotonic() - started, 3),
    }
    if error:
        module.fail_json(msg=error, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
