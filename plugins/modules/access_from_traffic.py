#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: access_from_traffic
short_description: Proposes the intended access of a mesh from its traffic, and compares traffic with an intent
version_added: "0.1.0"
description:
  - Reads who called whom, from Prometheus (C(istio_requests_total), C(istio_tcp_connections_opened_total)), from its answers in files, or
    from access logs in files, in JSON or in Istio's default text. It changes nothing.
  - Proposes the variable C(mesh_access) that covers it. What was never seen is not in it, and what was seen need not be meant; read it.
  - With O(access) it says which intended calls were never seen, and which observed ones the intent would deny.
  - Calls that were answered with 401 or 403, and callers without an identity, are named and not proposed.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
  - meshops.mesh.options.mesh_config
  - meshops.mesh.options.observed
  - meshops.mesh.options.source
options:
  access:
    description: An intent to compare with, as the variable C(mesh_access) of the role C(meshops.mesh.access).
    type: dict
  domains:
    description: The domains, as in the variable C(mesh_domains). A proposal is about their namespaces, or about all when not given.
    type: list
    elements: dict
    default: []
  detail:
    description: How narrow proposed rules are. Methods and paths are known from logs only.
    type: str
    choices: [calls, methods, paths]
    default: methods
  proposal:
    description: A file to write the proposal to, as YAML that has C(mesh_access).
    type: path
  fail_on:
    description: With V(denied) the task fails when the intent would deny an observed call.
    type: str
    choices: [denied, never]
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
  - module: meshops.mesh.access_plan
"""

EXAMPLES = r"""
- name: Look at the traffic of a month
  meshops.mesh.access_from_traffic:
    cluster: "{{ inventory_hostname }}"
    prometheus: {url: "https://thanos-querier.apps.example.com", token: "{{ metrics_token }}", window: 30d}
    domains: "{{ mesh_domains }}"
    access: "{{ mesh_access }}"
    proposal: access-proposal.yml
  register: traffic

- name: Show it
  ansible.builtin.assert:
    that: traffic.would_deny | length == 0
    success_msg: "{{ traffic.text }}"
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
access:
  description: The proposal.
  returned: success
  type: dict
  sample: {namespaces: [shop], rules: [{name: to-cars, from: [shop/portal], to: [shop/cars], ports: [8000]}]}
never_seen:
  description: Intended calls that were never seen.
  returned: success
  type: list
  elements: str
  sample: ["search: no call at all"]
would_deny:
  description: Observed calls that the intent would deny.
  returned: success
  type: list
  elements: str
  sample: ["shop/batch-v1 -> shop/cars-v1:8000 POST /cars (12 calls)"]
refused:
  description: Observed calls that were answered with 401 or 403.
  returned: success
  type: list
  elements: str
  sample: []
unclear:
  description: Observed calls that are not proposed, with the reason.
  returned: success
  type: list
  elements: str
  sample: []
outside:
  description: Hosts out of the mesh that were called.
  returned: success
  type: list
  elements: str
  sample: []
text:
  description: The result for people.
  returned: success
  type: str
  sample: "west: 1523 calls between 12 pairs of workloads, ..."
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._access.report import proposal_text, traffic_text
from ansible_collections.meshops.mesh.plugins.module_utils._access.traffic import DETAILS, compare_traffic
from ansible_collections.meshops.mesh.plugins.module_utils._commands.access_from_traffic import prometheus_of, read_traffic, write_proposal
from ansible_collections.meshops.mesh.plugins.module_utils._commands.authorization_check import mesh_settings
from ansible_collections.meshops.mesh.plugins.module_utils._commands.sources import read_result, read_whole
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import (
    CLUSTER,
    MESH_CONFIG,
    OBSERVED,
    SOURCE,
    SOURCE_NEEDS,
    display_name,
)
from ansible_collections.meshops.mesh.plugins.module_utils._model.clock import utc_now
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained
from ansible_collections.meshops.mesh.plugins.module_utils._rights.reads import ACCESS


def argument_spec() -> dict[str, Any]:
    return {
        **AUTH_ARG_SPEC,
        **CLUSTER,
        **SOURCE,
        **MESH_CONFIG,
        **OBSERVED,
        "access": {"type": "dict"},
        "domains": {"type": "list", "elements": "dict", "default": []},
        "detail": {"type": "str", "choices": list(DETAILS), "default": "methods"},
        "proposal": {"type": "path"},
        "fail_on": {"type": "str", "choices": ["denied", "never"], "default": "never"},
    }


def look(params: dict[str, Any], now: datetime, warn: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Reads everything, and says what came of it."""
    read = read_traffic(prometheus_of(params["prometheus"]), params["prometheus_answers"], params["logs"])
    source = read_whole(params, kinds=ACCESS, family="access", clock=lambda: now, warn=warn)
    mesh = mesh_settings(params)
    wanted = {"access": params["access"], "domains": params["domains"], "detail": params["detail"]}
    found = compare_traffic(read.calls, source.objects, given=mesh, **wanted)
    text = traffic_text(params["cluster"], found, read.sources, read.skipped, compared=bool(params["access"]))
    lists = {name: list(getattr(found, name)) for name in ("never_seen", "would_deny", "refused", "unclear", "outside")}
    return {"access": found.proposal, **lists, "text": text, "yaml": proposal_text(found, read.sources), **read_result(source)}


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
        result = look(params, utc_now(), module.warn)
        text = result.pop("yaml")
        changed = bool(params["proposal"]) and write_proposal(params["proposal"], text, dry=module.check_mode)
    except ConfigError as exc:
        module.fail_json(msg=f"cluster {params['cluster']}: {exc}")
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    if params["fail_on"] == "denied" and result["would_deny"]:
        module.fail_json(msg=result["text"], changed=changed, **result)
    module.exit_json(changed=changed, **result)


if __name__ == "__main__":
    main()
