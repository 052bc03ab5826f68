#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write down what a cluster's mesh is at this moment."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_snapshot
short_description: Write what a cluster's mesh is into a file
version_added: "0.1.0"
description:
  - Reads in one concurrent pass every kind of object that says something about a mesh, and writes it to a file that
    M(meshops.mesh.mesh_check) can read later and elsewhere.
  - Of each kind the fields that checks read are written, and nothing else. Of a Secret these are its name, its type, its key names, its
    certificates, and the labels and annotations of Istio, cert-manager and this collection. Values of environment variables, arguments and
    other ConfigMaps than Istio's are never written.
  - Nothing is written where a private key would be in the file.
  - Nothing in the cluster is changed.
author:
  - meshops.mesh contributors (@meshops)
options:
  path:
    description: File to write, readable by its owner only. Compressed when the name ends in C(.gz).
    type: path
    required: true
  namespaces:
    description: Read namespaced objects of these namespaces only. All when empty.
    type: list
    elements: str
    default: []
  access_only:
    description:
      - Read only what M(meshops.mesh.authorization_diff) and M(meshops.mesh.access_plan) are made of, who is there and who may call whom.
        It needs far fewer rights, and no Secrets.
    type: bool
    default: false
  reviews:
    description: Questions for the API server's authorizer, whose answers become part of the snapshot.
    type: list
    elements: dict
    default: []
    suboptions:
      user:
        description: Name of the user.
        type: str
        required: true
      groups:
        description: Groups of the user.
        type: list
        elements: str
        default: []
      verb:
        description: What the user wants to do.
        type: str
        required: true
      group:
        description: API group, empty for the core group.
        type: str
        default: ""
      resource:
        description: Resource in plural, with a subresource after a slash.
        type: str
        required: true
      namespace:
        description: Namespace, empty for the whole cluster.
        type: str
        default: ""
      name:
        description: Name of one object, empty for all of the kind.
        type: str
        default: ""
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
attributes:
  check_mode:
    support: full
    details: The cluster is read, the file is not written.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each snapshot has its own time.
requirements:
  - PyYAML >= 5.1
"""

EXAMPLES = r"""
- name: Write a snapshot of the cluster
  meshops.mesh.cluster_snapshot:
    path: /var/tmp/west.json.gz
    cluster: west
    reviews:
      - user: farid
        groups: [system:authenticated]
        verb: create
        group: networking.istio.io
        resource: virtualservices
        namespace: dev-travel-agency
  register: snapshot

- name: Make sure that everything could be read
  ansible.builtin.assert:
    that: snapshot.forbidden | length == 0
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /var/tmp/west.json.gz
taken_at:
  description: When the reading began, in UTC.
  returned: success
  type: str
  sample: "2026-11-21T12:00:00+00:00"
objects:
  description: How many objects of each kind are in the snapshot.
  returned: success
  type: dict
  sample: {"Namespace": 12, "Pod": 80}
missing_kinds:
  description: Kinds that the API does not have.
  returned: success
  type: list
  elements: str
  sample: ["maistra.io/v2/ServiceMeshControlPlane"]
forbidden:
  description: Kinds that this login may not read, with the API server's message.
  returned: success
  type: dict
  sample: {}
"""

from collections import Counter
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.collect import collect
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained
from ansible_collections.meshops.mesh.plugins.module_utils._rights.reads import ACCESS

REVIEW: dict[str, Any] = {
    "user": {"type": "str", "required": True},
    "groups": {"type": "list", "elements": "str", "default": []},
    "verb": {"type": "str", "required": True},
    "group": {"type": "str", "default": ""},
    "resource": {"type": "str", "required": True},
    "namespace": {"type": "str", "default": ""},
    "name": {"type": "str", "default": ""},
}
ARGUMENT_SPEC: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "namespaces": {"type": "list", "elements": "str", "default": []},
    "access_only": {"type": "bool", "default": False},
    "reviews": {"type": "list", "elements": "dict", "default": [], "options": REVIEW},
    **CLUSTER,
}


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec={**AUTH_ARG_SPEC, **ARGUMENT_SPEC}, supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    params = module.params
    name = display_name(params)
    try:
        cluster = Cluster.from_params(params, name=name)
        kinds = ACCESS if params["access_only"] else None
        snapshot = collect(cluster, reviews=params["reviews"], namespaces=params["namespaces"], kinds=kinds)
        if not module.check_mode:
            snapshot.save(params["path"])
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(
        changed=True,
        path=params["path"],
        taken_at=snapshot.taken_at.isoformat(),
        objects=dict(sorted(Counter(obj["kind"] for obj in snapshot.objects).items())),
        missing_kinds=sorted(snapshot.missing_kinds),
        forbidden=dict(snapshot.forbidden),
    )


if __name__ == "__main__":
    main()
