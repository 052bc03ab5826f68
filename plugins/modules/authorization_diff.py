#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: authorization_diff
short_description: Says what a change of policies opens and closes, before it is made
version_added: "0.1.0"
description:
  - Compares two states of a mesh, each from a cluster, a snapshot file or a folder of manifests, and changes nothing.
  - All requests are compared, not samples. What is answered otherwise is told in groups, each with a request that shows it, the rules that
    decide before and after, and the object whose change is the reason.
  - What is opened comes first, and of that what is opened to anyone and to callers without a token.
  - The document C(docs/authorization.md) says what is proven, and what is assumed for it.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.change
  - meshops.mesh.options.cluster
  - meshops.mesh.options.mesh_config
options:
  members:
    description: Namespaces of the mesh. Others are left out. All when not given.
    type: list
    elements: str
  fail_on:
    description: Which changes make the task fail.
    type: list
    elements: str
    choices: [never, opened, closed, any]
    default: [never]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: meshops.mesh.authorization_check
"""

EXAMPLES = r"""
- name: What would this policy open or close in the running mesh?
  meshops.mesh.authorization_diff:
    cluster: "{{ inventory_hostname }}"
    after: {path: change/partner-paths.yml, applied: true}
  register: access_change

- name: Show it
  ansible.builtin.debug:
    msg: "{{ access_change.text.split('\n') }}"

- name: A merge request may not open anything
  meshops.mesh.authorization_diff:
    before: {source: manifests, path: main/gitops/west}
    after: {path: branch/gitops/west}
    fail_on: opened

- name: What does it mean to remove a policy?
  meshops.mesh.authorization_diff:
    before: {source: snapshot, path: west.json.gz}
    after: {path: empty, applied: true}
    remove: ["AuthorizationPolicy prod-travel-agency/allow-nothing"]
"""

RETURN = r"""
read:
  description: What was read of manifests, by C(before) and C(after), each as C(read) of M(meshops.mesh.authorization_check).
  returned: success
  type: dict
  sample: {after: {objects: 12, files: 3, unread: [], unread_count: 0, text: 12 objects of 3 files}}
changes:
  description: Requests that are answered otherwise, in groups; the worst first.
  returned: always
  type: list
  elements: dict
  sample:
    - change: opened
      callers: anyone
      workloads: [prod-travel-portal/voyages]
      without_identity: true
      unknown_identities: true
      token: without a token
      requests: every request
      destinations: [prod-istio-system/gto-external-ingressgateway]
      before: no ALLOW rule matches
      after: no ALLOW policy is on it, so everything passes
      because: ["prod-istio-system/authpolicy-gto-external was replaced: ALLOW became DENY"]
      witness: {method: GET, path: /}
  contains:
    change:
      description: V(opened) or V(closed).
      returned: always
      type: str
      sample: opened
    callers:
      description: Who calls, in words.
      returned: always
      type: str
      sample: prod-travel-portal/{travels,viaggi,voyages}
    workloads:
      description: The callers that are workloads of the source.
      returned: always
      type: list
      elements: str
      sample: [prod-travel-portal/travels]
    without_identity:
      description: Whether callers without an identity are among them.
      returned: always
      type: bool
      sample: false
    unknown_identities:
      description: Whether identities that no workload of the source has are among them.
      returned: always
      type: bool
      sample: false
    token:
      description: Which token is sent. Empty when it makes no difference.
      returned: always
      type: str
      sample: without a token
    requests:
      description: What is asked for, in the words of the policies.
      returned: always
      type: str
      sample: GET /cars/*
    destinations:
      description: Who is called.
      returned: always
      type: list
      elements: str
      sample: [prod-travel-agency/cars]
    before:
      description: What decides before the change.
      returned: always
      type: str
      sample: no ALLOW rule matches
    after:
      description: What decides after the change.
      returned: always
      type: str
      sample: ALLOW prod-travel-agency/cars rules[1]
    because:
      description: The changed objects that can be the reason.
      returned: always
      type: list
      elements: str
      sample: ["prod-travel-agency/cars was replaced: rules changed"]
    witness:
      description: One such request, with only what the policies ask about.
      returned: always
      type: dict
      sample: {caller: cluster.local/ns/prod-travel-portal/sa/default, method: GET, path: /cars/}
opened:
  description: How many groups are opened.
  returned: always
  type: int
  sample: 1
closed:
  description: How many groups are closed.
  returned: always
  type: int
  sample: 0
objects:
  description: The objects that are not the same.
  returned: always
  type: list
  elements: str
  sample: ["prod-istio-system/authpolicy-gto-external was replaced: ALLOW became DENY"]
compared:
  description: How many destinations were compared; one with ports of HTTP and of TCP counts twice.
  returned: always
  type: int
  sample: 13
unchanged:
  description: How many of them answer every request as before.
  returned: always
  type: int
  sample: 12
not_compared:
  description: Workloads that are only there before, or only after.
  returned: always
  type: list
  elements: str
  sample: []
undecided:
  description: Workloads whose policies tell more requests apart than can be compared, with the reason. They fail unless O(fail_on=never).
  returned: always
  type: list
  elements: str
  sample: []
assumptions:
  description: What had to be assumed because the sources do not say it.
  returned: always
  type: list
  elements: str
  sample: []
text:
  description: The result for people, at most a screen.
  returned: always
  type: str
  sample: "1 opened, 0 closed (13 places compared, 12 as before)\n..."
"""

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.authorization_check import difference_verdict, run_authorization_diff
from ansible_collections.meshops.mesh.plugins.module_utils._commands.change import read_change
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CHANGE, CLUSTER, MESH_CONFIG, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained
from ansible_collections.meshops.mesh.plugins.module_utils._rights.reads import ACCESS

STRINGS: dict[str, Any] = {"type": "list", "elements": "str"}


def argument_spec() -> dict[str, Any]:
    return {
        **AUTH_ARG_SPEC,
        **CHANGE,
        **CLUSTER,
        **MESH_CONFIG,
        "members": dict(STRINGS),
        "fail_on": {**STRINGS, "choices": ["never", "opened", "closed", "any"], "default": ["never"]},
    }


def compare(params: dict[str, Any], warn: Callable[[str], None] | None = None) -> dict[str, Any]:
    """The module's result."""
    change = read_change(params, kinds=ACCESS, family="access", warn=warn)
    whole = change.before.source != "manifests", change.after.source != "manifests"  # nothing is assumed of a cluster or a snapshot
    states = change.before.objects, change.after.objects
    difference, assumptions, text = run_authorization_diff(*states, params, whole=whole, sources=change.whole)
    return {
        "changes": [group.to_dict() for group in difference.groups],
        "opened": difference.opened,
        "closed": difference.closed,
        "objects": [edit.text for edit in difference.edits],
        "compared": difference.compared,
        "unchanged": difference.unchanged,
        "not_compared": [*difference.only_before, *difference.only_after],
        "undecided": list(difference.undecided),
        "assumptions": list(assumptions),
        "text": text,
        "read": change.read,
    }


@contained
def main() -> None:
    module = MeshModule(argument_spec=argument_spec(), supports_check_mode=True)
    params = module.params
    params["cluster"] = display_name(params)
    if "cluster" in (params["before"]["source"], params["after"]["source"]) and IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    try:
        result = compare(params, module.warn)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    told = difference_verdict(result, params["fail_on"])
    if told:
        module.fail_json(msg=f"{params['cluster']}: {told}", **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
