#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clusters each istiod of a mesh reads."""

from __future__ import annotations

DOCUMENTATION = r"""
module: remote_clusters_info
short_description: Ask each istiod which clusters of its mesh it has read
version_added: "0.1.0"
description:
  - Asks each istiod of a control plane which clusters it reads (C(/debug/clusterz), through the API server's port-forward), and waits until
    it says of each of O(clusters) that it is synced. It changes nothing.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
  - meshops.mesh.options.wait
options:
  namespace:
    description: Namespace of the control plane.
    type: str
    required: true
  clusters:
    description: Names of the clusters that istiod has to have read.
    type: list
    elements: str
    default: []
  wait_timeout:
    default: 60
attributes:
  check_mode:
    support: full
    details: It changes nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Wait until istiod reads the other cluster
  meshops.mesh.remote_clusters_info:
    namespace: istio-system
    clusters: [west]
  register: read

- name: Each istiod has read it
  ansible.builtin.assert:
    that: read.istiods | map(attribute='clusters') | map(attribute='west') | unique == ['synced']
"""

RETURN = r"""
istiods:
  description: What each istiod says.
  returned: success
  type: list
  elements: dict
  sample: [{pod: istio-system/istiod-5f4d, clusters: {east: synced, west: synced}}]
  contains:
    pod:
      description: Its pod.
      returned: always
      type: str
      sample: istio-system/istiod-5f4d
    clusters:
      description: Its word about each cluster.
      returned: always
      type: dict
      sample: {east: synced, west: synced}
lines:
  description: The same for people.
  returned: success
  type: list
  elements: str
  sample: ["Pod istio-system/istiod-5f4d: east synced, west synced"]
"""

from functools import partial

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.remote_clusters_info import views_of, wait_synced
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR, dialer
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, display_name, wait_options
from ansible_collections.meshops.mesh.plugins.module_utils._kube.wait import Timing
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

ARGUMENT_SPEC = {
    **AUTH_ARG_SPEC,
    **CLUSTER,
    **wait_options(wait_timeout=60),
    "namespace": {"type": "str", "required": True},
    "clusters": {"type": "list", "elements": "str", "default": []},
}


@contained
def main() -> None:
    module = MeshModule(argument_spec=dict(ARGUMENT_SPEC), supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    params, name = module.params, display_name(module.params)
    timing = Timing(timeout=params["wait_timeout"], interval=max(0.1, params["wait_interval"]))
    try:
        look = partial(views_of, Cluster.from_params(params, name=name), dialer(params, name=name), params["namespace"])
        views = wait_synced(look, params["clusters"], name=name, timing=timing)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(
        changed=False,
        istiods=[{"pod": view.pod, "clusters": dict(view.clusters)} for view in views],
        lines=[f"Pod {view.pod}: {', '.join(f'{key} {word}' for key, word in sorted(view.clusters.items()))}" for view in views],
    )


if __name__ == "__main__":
    main()
