#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_wait
short_description: Waits until the proxies of a mesh know the versions that routes are going to lead to
version_added: "0.1.0"
description:
  - Asks the admin interfaces of proxies, many at a time, by port-forwards through the API server. It changes nothing.
  - A route that a proxy gets before the version that it leads to answers 503, and so does a version that goes before the route to it. That
    both are on the cluster says nothing of the proxies.
  - Where no proxy can be asked, it waits for a fixed time instead. Where one is asked and does not follow, it fails, and names it.
  - The role C(meshops.mesh.traffic) asks it between its stages.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
  - meshops.mesh.options.wait
options:
  clusters:
    description: What proxies have to know, as M(meshops.mesh.traffic_plan) returns it in C(clusters) of a stage.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name that Envoy has for it.
        type: str
        required: true
      of:
        description: The full name of the Service. A proxy that does not know it is no caller of it, and is not waited for.
        type: str
        required: true
  unrouted:
    description: Ends of names that no route of a proxy may lead to, as C(unrouted) of a stage.
    type: list
    elements: str
    default: []
  namespaces:
    description: Namespaces whose proxies are asked. All when not given.
    type: list
    elements: str
  proxies:
    description: How many proxies are asked at most, of each workload first. What some got, the others get in the same push.
    type: int
    default: 200
  timeout:
    description: Seconds that one answer may take.
    type: float
    default: 5
  wait_timeout:
    default: 60
  wait_interval:
    default: 0.5
  settle:
    description:
      - Seconds to wait where no proxy can be asked. istiod gathers changes for up to 10 seconds before it pushes them
        (C(PILOT_DEBOUNCE_MAX)).
    type: float
    default: 10
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: meshops.mesh.traffic_plan
"""

EXAMPLES = r"""
- name: Wait until callers know the second version of reviews
  meshops.mesh.traffic_wait:
    cluster: "{{ inventory_hostname }}"
    namespaces: [bookinfo, istio-system]
    clusters:
      - name: outbound|9080|v2|reviews.bookinfo.svc.cluster.local
        of: reviews.bookinfo.svc.cluster.local
  register: learned

- name: Show how many were asked
  ansible.builtin.assert:
    that: not learned.settled
    success_msg: "{{ learned.text }}"
"""

RETURN = r"""
asked:
  description: How many proxies answered.
  returned: success
  type: int
  sample: 12
silent:
  description: The proxies that could not be asked, each with the reason.
  returned: success
  type: list
  elements: str
  sample: []
settled:
  description: Whether no proxy could be asked, so that only time has passed.
  returned: success
  type: bool
  sample: false
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 0.4
text:
  description: The same in words.
  returned: success
  type: str
  sample: 12 proxies asked, each has it after 0.4 s
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.traffic_wait import LearnLimits, wait_for_proxies
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR, dialer
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, display_name, wait_options
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained


def argument_spec() -> dict[str, Any]:
    names = {name: {"type": "str", "required": True} for name in ("name", "of")}
    return {
        **AUTH_ARG_SPEC,
        **CLUSTER,
        **wait_options(wait_timeout=60, wait_interval=0.5),
        "clusters": {"type": "list", "elements": "dict", "default": [], "options": names},
        "unrouted": {"type": "list", "elements": "str", "default": []},
        "namespaces": {"type": "list", "elements": "str"},
        "proxies": {"type": "int", "default": 200},
        "timeout": {"type": "float", "default": 5},
        "settle": {"type": "float", "default": 10},
    }


@contained
def main() -> None:
    module = MeshModule(argument_spec=argument_spec(), supports_check_mode=True)
    params = module.params
    name = display_name(params)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    limits = LearnLimits(params["timeout"], params["wait_timeout"], params["wait_interval"], params["settle"], params["proxies"])
    asked = {key: params[key] for key in ("clusters", "unrouted", "namespaces")}
    try:
        found = wait_for_proxies(Cluster.from_params(params, name=name), dialer(params, name=name), **asked, limits=limits)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    result = {"asked": found.asked, "silent": list(found.silent), "settled": found.settled, "seconds": round(found.seconds, 2)}
    module.exit_json(changed=False, **result, text=found.text)


if __name__ == "__main__":
    main()
