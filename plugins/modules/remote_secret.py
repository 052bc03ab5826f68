#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the istiod of a cluster reads the other clusters of its mesh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: remote_secret
short_description: Let the istiod of a cluster read the other clusters of its mesh
version_added: "0.1.0"
description:
  - Makes in the namespace of the control plane a Secret for each of the other clusters, by which istiod reads their services and pods, as
    C(istioctl create-remote-secret) does.
  - Its token is asked for by a TokenRequest, is of the ServiceAccount C(istio-reader-service-account) of the other cluster, and has an end.
    A Secret is written anew where that comes near, and where the API server, its CA or the account have become others; else it stays as it
    is.
  - Where one of the clusters cannot be reached the others are done all the same, and the task fails with the name of that one.
  - Nothing secret is in the result.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
options:
  mesh:
    description: Name of the mesh.
    type: str
    required: true
  namespace:
    description: Namespace of the control plane, the same in each of the clusters.
    type: str
    required: true
  peers:
    description: The other clusters, as the filter P(meshops.mesh.topology_peers#filter) has them.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: Its host of the inventory, for messages.
        type: str
        required: true
      cluster:
        description: Its name in the mesh.
        type: str
        required: true
      kubeconfig:
        description: How it is reached, as the option O(kubeconfig).
        type: raw
      context:
        description: The context of the kubeconfig.
        type: str
      server:
        description: The address of its API server as pods of other clusters reach it. That of the kubeconfig when not given.
        type: str
      ca_file:
        description: >-
          A file with the CA of that address, in PEM. When not given that of the kubeconfig, and without one there that which the cluster
          gives its own pods.
        type: path
      lifetime:
        description: For how many seconds a token is asked for.
        type: int
        default: 7776000
      renew_before:
        description: How many seconds before its end a new one is asked for.
        type: int
        default: 2592000
  state:
    description: Whether the Secrets shall be there.
    type: str
    choices: [present, absent]
    default: present
  prune:
    description: Whether Secrets of ours go that are for clusters which are not among O(peers). It needs the right to list Secrets.
    type: bool
    default: false
  adopt:
    description: Secrets of others that may be taken over, each as C(Secret namespace/name).
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    details: No token is asked for.
  diff_mode:
    support: full
    details: It shows servers, accounts and ends.
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Let istiod read the other clusters
  meshops.mesh.remote_secret:
    mesh: shop
    namespace: istio-system
    peers: "{{ groups.shop | meshops.mesh.topology_peers(hostvars, inventory_hostname) }}"
  register: access

- name: Each of them has a token that lives
  ansible.builtin.assert:
    that: access.secrets | selectattr('ends', 'eq', '') | length == 0
"""

RETURN = r"""
secrets:
  description: The Secrets.
  returned: always, where the cluster could be read
  type: list
  elements: dict
  sample: [{cluster: west, name: Secret istio-system/istio-remote-secret-west, status: kept, reason: "", server: "https://api.west.example.com:6443",
            ends: "2026-03-01T12:00:00Z"}]
  contains:
    cluster:
      description: The cluster that is read.
      returned: always
      type: str
      sample: west
    name:
      description: The Secret.
      returned: always
      type: str
      sample: Secret istio-system/istio-remote-secret-west
    status:
      description: V(kept), V(made), V(renewed) or V(removed); in check mode what it would be.
      returned: always
      type: str
      sample: kept
    reason:
      description: Why it was written anew, or was kept though it should go.
      returned: always
      type: str
      sample: ""
    server:
      description: The API server that it leads to.
      returned: always
      type: str
      sample: https://api.west.example.com:6443
    ends:
      description: When its token ends.
      returned: always
      type: str
      sample: "2026-03-01T12:00:00Z"
lines:
  description: What was done, for people.
  returned: always, where the cluster could be read
  type: list
  elements: str
  sample: []
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.remote_secret import Peer, RemoteOrder, RemoteResult, bring
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

_NEEDED: dict[str, Any] = {"type": "str", "required": True}
PEER: dict[str, Any] = {
    "host": _NEEDED,
    "cluster": _NEEDED,
    "kubeconfig": {"type": "raw", "no_log": True},
    "context": {"type": "str"},
    "server": {"type": "str"},
    "ca_file": {"type": "path"},
    "lifetime": {"type": "int", "default": 7776000},
    "renew_before": {"type": "int", "default": 2592000},
}


def argument_spec() -> dict[str, Any]:
    return {
        **AUTH_ARG_SPEC,
        **CLUSTER,
        "mesh": {"type": "str", "required": True},
        "namespace": {"type": "str", "required": True},
        "peers": {"type": "list", "elements": "dict", "required": True, "options": PEER},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "prune": {"type": "bool", "default": False},
        "adopt": {"type": "list", "elements": "str", "default": []},
    }


def _peer(row: dict[str, Any]) -> Peer:
    login = {"kubeconfig": row["kubeconfig"], "context": row["context"]}
    files = {name: row[name] or "" for name in ("server", "ca_file")}
    return Peer(row["host"], row["cluster"], login, lifetime=row["lifetime"], renew_before=row["renew_before"], **files)


def _shown(found: RemoteResult) -> dict[str, str]:
    """Before and after, without what is secret."""
    sides: dict[str, str] = {}
    for side in ("before", "after"):
        told = [(row.ref, getattr(row, side)) for row in found.rows if row.changed]
        sides[side] = "".join(f"{ref}: {access.server}, {access.account}, ends {access.ends}\n" for ref, access in told if access)
    return sides


@contained
def main() -> None:
    module = MeshModule(argument_spec=argument_spec(), supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    params = module.params
    order = RemoteOrder(params["mesh"], params["namespace"], frozenset(params["adopt"]), params["prune"], module.check_mode)
    try:
        own = Cluster.from_params(params, name=display_name(params))
        found = bring(own, [_peer(row) for row in params["peers"]], order, state=params["state"])
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    for text in found.notes:
        module.warn(text)
    result: dict[str, Any] = {
        "changed": any(row.changed for row in found.rows),
        "secrets": [row.to_dict() for row in found.rows],
        "lines": [row.line(planned=module.check_mode) for row in found.rows if row.changed or row.reason],
    }
    if module._diff:
        result["diff"] = _shown(found)
    if found.failures:
        module.fail_json(msg="; ".join(found.failures), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
