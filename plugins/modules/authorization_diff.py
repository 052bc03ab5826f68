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
  - meshops.mesh.options.cluster
  - meshops.mesh.options.mesh_config
options:
  before:
    description: The state before the change.
    type: dict
    default: {source: cluster}
    suboptions:
      source:
        description: Where the objects are read.
        type: str
        choices: [cluster, snapshot, manifests]
        default: cluster
      path:
        description: The snapshot file, or the folder or file of manifests. Required unless O(before.source=cluster).
        type: path
      exclude:
        description: Files and folders of V(manifests) that are not read. Patterns, as those of M(meshops.mesh.authorization_check).
        type: list
        elements: str
        default: []
      unreadable:
        description: Whether a file of V(manifests) that cannot be read is a warning or a failure.
        type: str
        choices: [warn, fail]
        default: warn
  after:
    description: The state after the change.
    type: dict
    required: true
    suboptions:
      source:
        description: Where the objects are read.
        type: str
        choices: [cluster, snapshot, manifests]
        default: manifests
      path:
        description: The snapshot file, or the folder or file of manifests. Required unless O(after.source=cluster).
        type: path
      exclude:
        description: Files and folders of V(manifests) that are not read. Patterns, as those of M(meshops.mesh.authorization_check).
        type: list
        elements: str
        default: []
      unreadable:
        description: Whether a file of V(manifests) that cannot be read is a warning or a failure.
        type: str
        choices: [warn, fail]
        default: warn
      applied:
        description:
          - Whether the objects are applied over those before, as C(oc apply) does it. An object of the same kind, namespace and name is
            replaced, all others stay.
          - With V(false) the objects are the whole state after the change.
        type: bool
        default: false
  remove:
    description: Objects that the change removes, as V(Kind namespace/name). Only with O(after.applied=true).
    type: list
    elements: str
    default: []
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
from ansible_collections.meshops.mesh.plugins.module_utils._commands.sources import read_whole
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, MESH_CONFIG, SOURCE, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._model.clock import utc_now
from ansible_collections.meshops.mesh.plugins.module_utils._model.overlay import overlaid
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained
from ansible_collections.meshops.mesh.plugins.module_utils._rights.reads import ACCESS

STRINGS: dict[str, Any] = {"type": "list", "elements": "str"}


def state(default: str) -> dict[str, Any]:
    return {**SOURCE, "source": {**SOURCE["source"], "default": default}}


def argument_spec() -> dict[str, Any]:
    return {
        **AUTH_ARG_SPEC,
        **CLUSTER,
        **MESH_CONFIG,
        "before": {"type": "dict", "default": {"source": "cluster"}, "options": state("cluster")},
        "after": {"type": "dict", "required": True, "options": state("manifests") | {"applied": {"type": "bool", "default": False}}},
        "remove": {**STRINGS, "default": []},
        "members": dict(STRINGS),
        "fail_on": {**STRINGS, "choices": ["never", "opened", "closed", "any"], "default": ["never"]},
    }


def read(params: dict[str, Any], which: str, warn: Callable[[str], None] | None = None) -> Snapshot:
    given = params[which]
    if given["source"] != "cluster" and not given["path"]:
        raise ConfigError(f"{which}.path is not set; with source {given['source']} it names the file or folder")
    # a change may be that objects are removed, and nothing else
    only_removes = which == "after" and given["applied"] and bool(params["remove"])
    return read_whole({**params, **given, "may_be_empty": only_removes}, kinds=ACCESS, family="access", clock=utc_now, warn=warn)


def compare(params: dict[str, Any], warn: Callable[[str], None] | None = None) -> dict[str, Any]:
    """The module's result."""
    if params["before"]["source"] == params["after"]["source"] == "cluster":
        raise ConfigError("before and after are both the cluster; take a snapshot with meshops.mesh.cluster_snapshot before the change")
    if params["remove"] and not params["after"]["applied"]:
        raise ConfigError("remove needs after.applied: without it, what is not in after is removed anyway")
    sources = {which: read(params, which, warn) for which in ("before", "after")}
    before, after = (list[Any](found.objects) for found in sources.values())
    if params["after"]["applied"]:
        after = overlaid(before, after, params["remove"])
    whole = [found.source != "manifests" for found in sources.values()]  # nothing is assumed of a cluster or a snapshot
    if params["after"]["applied"]:
        whole[1] = whole[0]
    # what is applied may be one object, which need not be of the mesh
    required = list(sources.values())[: 1 if params["after"]["applied"] else 2]
    difference, assumptions, text = run_authorization_diff(before, after, params, whole=(whole[0], whole[1]), sources=required)
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
        "read": {which: found.reading.to_dict() for which, found in sources.items() if found.reading},
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
