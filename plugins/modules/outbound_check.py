#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: outbound_check
short_description: Proves who would lose which calls out of a mesh with REGISTRY_ONLY
version_added: "0.1.0"
description:
  - Reads what the workloads of a mesh call outside of it, from Prometheus, from access logs in files, from the counters of the proxies
    themselves, or from sentences. It changes nothing.
  - Each of these calls is asked of the routing of the mesh as it is, and as it would be with C(outboundTrafficPolicy) C(REGISTRY_ONLY) and
    O(external_services). What gets out now and would not any more is named, with the ServiceEntry that would let it out.
  - Without evidence it says so. Metrics of TCP, and so of TLS, have no name; access logs have the server name and the address.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
  - meshops.mesh.options.observed
  - meshops.mesh.options.source
options:
  external_services:
    description: What is delivered before the switch, as the variable C(mesh_external_services) of the role C(meshops.mesh.egress).
    type: list
    elements: dict
    default: []
  domains:
    description: The domains, as in the variable C(mesh_domains).
    type: list
    elements: dict
    default: []
  mesh:
    description: Name of the mesh.
    type: str
  provider:
    description: Which generation runs the mesh.
    type: str
    choices: [ossm2, ossm3, sail]
  control_plane:
    description: The control plane, as the variable C(mesh_control_plane). Its name and namespace are looked at.
    type: dict
  members:
    description: The namespaces of the mesh. All that the source has when not given.
    type: list
    elements: str
  known:
    description:
      - Calls that somebody knows of, such as V(shop/web -> https://api.example.com) or V(shop/batch -> tcp://192.0.2.7:5432). They count as
        what was seen.
      - V(shop/front -> nothing) says that a workload calls nobody outside.
    type: list
    elements: str
    default: []
  proxies:
    description: Whether the proxies of O(source=cluster) are asked what they have counted since they started.
    type: bool
    default: false
  least:
    description: For how long a proxy has to have counted, so that what it has not seen is no proof of nothing.
    type: str
    default: 24h
  accept:
    description: >-
      What may be lost, or stay unknown. V(NAMESPACE/WORKLOAD) takes everything of a workload, V(NAMESPACE/WORKLOAD -> HOST:PORT) a call;
      both may have stars.
    type: list
    elements: str
    default: []
  unless_on:
    description: >-
      Whether a cluster is only looked at as long as C(REGISTRY_ONLY) is not on. Where it is, or without a control plane, nobody can lose
      anything by it.
    type: bool
    default: false
  proposal:
    description: A file to write C(mesh_external_services) to that would let out what would be lost, as YAML.
    type: path
  fail_on:
    description: >-
      With V(lost) the task fails when somebody would lose a call, with V(unproven) also when there is not enough evidence.
    type: str
    choices: [unproven, lost, never]
    default: never
attributes:
  check_mode:
    support: full
    details: The file of O(proposal) is not written.
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: meshops.mesh.traffic_check
  - module: meshops.mesh.access_from_traffic
"""

EXAMPLES = r"""
- name: Who would lose what?
  meshops.mesh.outbound_check:
    cluster: "{{ inventory_hostname }}"
    prometheus: {url: "https://thanos-querier.apps.example.com", token: "{{ metrics_token }}", window: 30d}
    logs: [{path: must-gather}]
    external_services: "{{ mesh_external_services }}"
    domains: "{{ mesh_domains }}"
    control_plane: "{{ mesh_control_plane }}"
  register: outbound

- name: Show it
  ansible.builtin.assert:
    that: outbound.verdict == 'clean'
    fail_msg: "{{ outbound.text }}"
"""

RETURN = r"""
read:
  description: What was read of manifests, as in M(meshops.mesh.access_from_traffic).
  returned: with O(source=manifests)
  type: dict
  sample: {objects: 12, files: 3, unread: [], unread_count: 0, text: 12 objects of 3 files}
verdict:
  description: V(clean), V(losses), or V(unknown) where there is not enough evidence.
  returned: success
  type: str
  sample: losses
mode:
  description: What the mesh does now, V(allow_any) or V(registry_only); V(no_control_plane) where there is none.
  returned: success
  type: str
  sample: allow_any
lost:
  description: Calls that get out now and would not any more.
  returned: success
  type: list
  elements: dict
  sample: [{source: shop/web, host: api.example.com, address: "", port: 443, protocol: tls, calls: 340, text: web in shop calls ...}]
  contains:
    source:
      description: The workload.
      returned: always
      type: str
      sample: shop/web
    host:
      description: The name that was called.
      returned: always
      type: str
      sample: api.example.com
    address:
      description: The address, where that is known.
      returned: always
      type: str
      sample: ""
    port:
      description: The port.
      returned: always
      type: int
      sample: 443
    protocol:
      description: V(http), V(tls) or V(tcp).
      returned: always
      type: str
      sample: tls
    calls:
      description: How often it was seen; 0 of a sentence.
      returned: always
      type: int
      sample: 340
    text:
      description: The same for people, with what its caller would get.
      returned: always
      type: str
      sample: web in shop calls api.example.com:443 (340 calls in the last 7d), and no ServiceEntry that it sees has that host
unnamed:
  description: Connections of which nothing says where they go.
  returned: success
  type: list
  elements: dict
  sample: [{source: shop/batch, connections: 12}]
unseen:
  description: Workloads that no evidence knows, or not for long enough.
  returned: success
  type: list
  elements: str
  sample: [shop/nightly]
closed:
  description: Calls that do not get out already.
  returned: success
  type: list
  elements: str
  sample: []
accepted:
  description: What O(accept) has taken.
  returned: success
  type: list
  elements: str
  sample: []
services:
  description: Rows of C(mesh_external_services) that would let the lost calls out.
  returned: success
  type: list
  elements: dict
  sample: [{name: api-example-com, hosts: [api.example.com], ports: [{number: 443, protocol: TLS}], namespaces: [shop]}]
entries:
  description: The same as ServiceEntries.
  returned: success
  type: list
  elements: dict
  sample: []
text:
  description: The result for people.
  returned: success
  type: str
  sample: "west: REGISTRY_ONLY would cut 1 kind of calls that get out of the mesh now"
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.access_from_traffic import write_proposal
from ansible_collections.meshops.mesh.plugins.module_utils._commands.outbound_check import check_outbound, refused
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, OBSERVED, SOURCE, SOURCE_NEEDS, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained


def argument_spec() -> dict[str, Any]:
    words: dict[str, Any] = {"type": "list", "elements": "str"}
    rows: dict[str, Any] = {"type": "list", "elements": "dict", "default": []}
    return {
        **AUTH_ARG_SPEC,
        **CLUSTER,
        **SOURCE,
        **OBSERVED,
        "external_services": dict(rows),
        "domains": dict(rows),
        "mesh": {"type": "str"},
        "provider": {"type": "str", "choices": ["ossm2", "ossm3", "sail"]},
        "control_plane": {"type": "dict"},
        "members": dict(words),
        "known": {**words, "default": []},
        "proxies": {"type": "bool", "default": False},
        "least": {"type": "str", "default": "24h"},
        "accept": {**words, "default": []},
        "unless_on": {"type": "bool", "default": False},
        "proposal": {"type": "path"},
        "fail_on": {"type": "str", "choices": ["unproven", "lost", "never"], "default": "never"},
    }


@contained
def main() -> None:
    module = MeshModule(argument_spec=argument_spec(), required_if=SOURCE_NEEDS, supports_check_mode=True)
    params = module.params
    params["cluster"] = display_name(params)
    if params["source"] == "cluster" and IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    try:
        checked = check_outbound(params, module.warn)
        changed = bool(params["proposal"] and checked.result["services"]) and write_proposal(
            params["proposal"], checked.proposal, dry=module.check_mode
        )
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    if refused(params, checked):
        module.fail_json(msg=checked.refusal, changed=changed, **checked.result)
    module.exit_json(changed=changed, **checked.result)


if __name__ == "__main__":
    main()
