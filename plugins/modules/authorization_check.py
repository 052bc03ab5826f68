#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: authorization_check
short_description: Proves who can call whom in a mesh, and names policies that do not do what they look like
version_added: "0.1.0"
description:
  - Reads AuthorizationPolicies, PeerAuthentications, RequestAuthentications and workloads from a cluster, a snapshot file or a folder of
    manifests, and changes nothing.
  - With O(access) it proves for all requests that exactly this is allowed, nothing less and nothing more. A deviation comes with a request
    that shows it.
  - It runs the checks of the category C(authorization), which M(meshops.mesh.mesh_check) runs too, all but those that need O(access).
  - The document C(docs/authorization.md) says what is proven, and what is assumed for it.
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
  access:
    description:
      - All that is meant to be allowed. What no row allows is not meant to be.
      - An empty list in a row is refused, because Istio would take it for anyone or anything.
    type: list
    elements: dict
    suboptions:
      from:
        description:
          - Who calls, as V(NAMESPACE/WORKLOAD), which may be a pattern with V(*), or as V(serviceaccount:NAMESPACE/NAME).
          - V(anyone) is every caller, V(authenticated) every one with an identity, V(plaintext) every one without.
        type: list
        elements: str
        required: true
      to:
        description: Who is called, as V(NAMESPACE/WORKLOAD), which may be a pattern with V(*).
        type: list
        elements: str
        required: true
      ports:
        description: Ports of the pods. All when not given.
        type: list
        elements: str
      methods:
        description: Methods, as in an AuthorizationPolicy. All when not given.
        type: list
        elements: str
      paths:
        description: Paths, as in an AuthorizationPolicy. All when not given.
        type: list
        elements: str
      hosts:
        description: Hosts, as in an AuthorizationPolicy. All when not given.
        type: list
        elements: str
      tokens:
        description: Request principals, as V(ISSUER/SUBJECT), one of which is demanded. No token is demanded when not given.
        type: list
        elements: str
      claims:
        description: What the token must say beside that, a list of values by the name of the claim. V(a[b]) is C(b) inside of C(a).
        type: dict
  access_scope:
    description: Patterns of the namespaces that O(access) speaks of. All when not given.
    type: list
    elements: str
    default: []
  members:
    description: Namespaces of the mesh. Others are left out. All when not given.
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
  - module: meshops.mesh.authorization_diff
  - module: meshops.mesh.mesh_check
"""

EXAMPLES = r"""
- name: Prove that a folder of manifests allows exactly what is meant
  meshops.mesh.authorization_check:
    source: manifests
    path: gitops/west
    access:
      - {from: [prod-travel-portal/*], to: [prod-travel-agency/travels], methods: [GET], paths: [/travels/*]}
      - {from: [prod-travel-agency/travels], to: [prod-travel-agency/cars], methods: [GET]}
      - from: [anyone]
        to: [prod-istio-system/gto-external-ingressgateway]
        paths: [/flights/*, /insurances/*]
        tokens: ["https://sso.example.com/auth/realms/servicemesh-lab/*"]
    access_scope: [prod-*]
    junit: build/access.xml
    sarif: build/access.sarif
  register: access_result

- name: Show what was found
  ansible.builtin.debug:
    msg: "{{ access_result.text.split('\n') }}"

- name: Look for dangerous policies in a running mesh
  meshops.mesh.authorization_check:
    cluster: "{{ inventory_hostname }}"
    provider: ossm3
    control_plane: {name: production, namespace: prod-istio-system}
    members: [prod-travel-agency, prod-travel-portal, prod-travel-control]
    ignore:
      - "OSM3113=AuthorizationPolicy prod-travel-agency/trial"
    fail_on: warning
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
    - id: OSM3302
      category: authorization
      title: no access is allowed beyond what is intended
      status: failed
      severity: error
      resource: Workload prod-istio-system/gto-external-ingressgateway
      message: "allowed and not intended: anyone, without a token: every request; no ALLOW policy is on it"
      hint: narrow the policy that is named, or add the access to the matrix; evidence.witness is such a request
      hint_url: https://github.com/meshops/mesh/blob/main/docs/checks/OSM3302.md
      evidence: {witness: {method: GET}}
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
proof:
  description: What was proven and what it stands on.
  returned: always
  type: dict
  contains:
    holds:
      description: Whether exactly O(access) is allowed. Null when it is not given.
      returned: always
      type: bool
      sample: false
    sources:
      description: How many workloads can call. Callers without an identity and unknown ones are considered beside them.
      returned: always
      type: int
      sample: 13
    destinations:
      description: How many workloads have a proxy that enforces policies.
      returned: always
      type: int
      sample: 13
    pairs:
      description: Sources times destinations.
      returned: always
      type: int
      sample: 169
    allowed_pairs:
      description: Pairs of which some request passes.
      returned: always
      type: int
      sample: 145
    doors:
      description: How many destinations are different from each other.
      returned: always
      type: int
      sample: 6
    regions:
      description: Into how many sets of requests the policies divide all requests, over all doors.
      returned: always
      type: int
      sample: 41
    outside:
      description: Workloads without a proxy, at which nothing is enforced.
      returned: always
      type: list
      elements: str
      sample: []
    open:
      description: Workloads of the mesh that no proxy guards, or not at all ports, with the reason.
      returned: always
      type: list
      elements: str
      sample: ["prod-travel-agency/cars: port 9090: excludeInboundPorts has it (annotation)"]
    objects:
      description: How many objects were read for it.
      returned: always
      type: int
      sample: 96
    workloads:
      description: How many workloads of any kind the source has, machines among them.
      returned: always
      type: int
      sample: 13
    pods:
      description: How many pods were looked at. None in a folder of manifests.
      returned: always
      type: int
      sample: 31
    unjudged:
      description: What was seen and is not judged, each with its number.
      returned: always
      type: list
      elements: str
      sample: ["3 workloads without a proxy that are no part of the mesh (prod-istio-system/{istiod,kiali,prometheus})"]
    mesh:
      description: The mesh's settings that were used.
      returned: always
      type: dict
      sample: {trust_domain: cluster.local, root_namespace: prod-istio-system, version: v1.30.1, path_normalization: BASE}
    revisions:
      description: Where there are several control planes, each with the workloads that have their configuration from it, and its settings.
        Each workload is proven with those of its own; one whose pods are of two revisions is proven with both.
      returned: always
      type: list
      elements: dict
      sample: []
    assumptions:
      description: What had to be assumed because the source does not say it.
      returned: always
      type: list
      elements: str
      sample: ["trust_domain is cluster.local: the source does not say"]
text:
  description: The result for people.
  returned: always
  type: str
  sample: "west: not exactly the intended access is allowed; about 96 objects, 13 workloads, 31 pods and 13 callers; ...\n..."
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._checks.answer import answer
from ansible_collections.meshops.mesh.plugins.module_utils._commands.authorization_check import run_authorization_checks
from ansible_collections.meshops.mesh.plugins.module_utils._commands.sources import read_result, read_source
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
from ansible_collections.meshops.mesh.plugins.module_utils._model.clock import utc_now
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

STRINGS: dict[str, Any] = {"type": "list", "elements": "str"}


def argument_spec() -> dict[str, Any]:
    row = {name: dict(STRINGS) for name in ("ports", "methods", "paths", "hosts", "tokens")}
    row["tokens"]["no_log"] = False  # principals, no secrets
    row["claims"] = {"type": "dict"}
    row |= {name: {**STRINGS, "required": True} for name in ("from", "to")}
    return {
        **AUTH_ARG_SPEC,
        **CLUSTER,
        **SOURCE,
        **REPORT,
        **MESH_CONFIG,
        **PLANE,
        "access": {"type": "list", "elements": "dict", "options": row},
        "access_scope": {**STRINGS, "default": []},
        "members": dict(STRINGS),
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
    if params["access"] is not None:
        params["access"] = [{key: value for key, value in row.items() if value is not None} for row in params["access"]]
    try:
        snapshot = read_source(params, clock=utc_now, warn=module.warn)
        checked = run_authorization_checks(params, snapshot)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    more = {"proof": checked.proof, "text": checked.text, **read_result(snapshot)}
    result = answer(checked.report, by="authorization_check", params=params, warn=module.warn, **more)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
