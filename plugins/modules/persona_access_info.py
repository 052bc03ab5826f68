#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove the persona matrix against the API server's own authorizer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: persona_access_info
short_description: Prove what each persona of a mesh may and may not do
version_added: "0.1.0"
description:
  - Asks the API server, by SubjectAccessReviews, for every cell of the matrix of personas, verbs, resources and namespaces, and
    compares each answer with what the persona is meant to be allowed.
  - For every allowed cell it names the binding and the role that grant it, aggregated cluster roles included, so that a right that is
    wider than meant leads to the binding that gives it.
  - Changes nothing. The login needs the right to create SubjectAccessReviews, and to list roles and bindings for the explanation.
author:
  - meshops.mesh contributors (@meshops)
options:
  personas:
    description: The people, as in the variable C(mesh_personas).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the user or group, as the cluster knows it.
        type: str
        required: true
      kind:
        description: Whether it is a user or a group.
        type: str
        choices: [User, Group]
        default: User
      role:
        description: The mesh role.
        type: str
        choices: [cluster_admin, mesh_operator, mesh_developer, mesh_application_viewer]
        required: true
      namespaces:
        description: Namespaces that the role is held in.
        type: list
        elements: str
        default: []
      groups:
        description: Groups that the user is in. The identity provider knows them, the cluster does not.
        type: list
        elements: str
        default: []
  control_plane_namespace:
    description: Namespace of the control plane.
    type: str
    required: true
  control_plane:
    description: Name of the control plane. With it rights on this control plane are told from rights on another one.
    type: str
    default: ""
  mesh:
    description: Name of the mesh, which its revision tag has. With it rights on this tag are told from rights on another one.
    type: str
    default: ""
  member_namespaces:
    description: All namespaces of the mesh, the control plane's left out.
    type: list
    elements: str
    default: []
  provider:
    description: The generation of the mesh, which decides on the resources that are asked about.
    type: str
    choices: [ossm2, ossm3, sail]
    default: ossm3
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Prove the personas of the mesh
  meshops.mesh.persona_access_info:
    personas:
      - {name: cristina, role: mesh_developer, namespaces: [dev-travel-portal]}
      - {name: portal-developers, kind: Group, role: mesh_application_viewer, namespaces: [dev-travel-portal]}
    control_plane_namespace: dev-istio-system
    member_namespaces: [dev-travel-portal, dev-travel-agency]
    provider: ossm3
  register: access

- name: Nobody may do more or less than meant
  ansible.builtin.assert:
    that: access.summary.wrong == 0
    fail_msg: "{{ access.table }}"
"""

RETURN = r"""
cells:
  description: Every question with its answer.
  returned: success
  type: list
  elements: dict
  contains:
    persona:
      description: The mesh role that the expectation comes from.
      type: str
      returned: always
      sample: mesh_developer
    user:
      description: The user that was asked about, empty for a group.
      type: str
      returned: always
      sample: cristina
    groups:
      description: The groups that were asked about.
      type: list
      elements: str
      returned: always
      sample: ["system:authenticated"]
    verb:
      description: The verb.
      type: str
      returned: always
      sample: create
    group:
      description: The API group.
      type: str
      returned: always
      sample: networking.istio.io
    resource:
      description: The resource.
      type: str
      returned: always
      sample: envoyfilters
    subresource:
      description: The subresource, or nothing.
      type: str
      returned: always
      sample: log
    namespace:
      description: The namespace, empty for the whole cluster.
      type: str
      returned: always
      sample: dev-travel-portal
    name:
      description: The object, empty for all of the kind.
      type: str
      returned: always
      sample: ""
    expected:
      description: Whether it is meant to be allowed.
      type: bool
      returned: always
      sample: false
    allowed:
      description: Whether it is allowed.
      type: bool
      returned: always
      sample: true
    granted_by:
      description: The chains of binding and role that grant it.
      type: list
      elements: str
      returned: always
      sample: ["RoleBinding dev-travel-portal/x -> ClusterRole edit (aggregated from istio-crd-edit-default) by user cristina"]
    why:
      description: Why it is meant so.
      type: str
      returned: always
      sample: only a mesh operator writes EnvoyFilters
    ok:
      description: Whether the answer is the expected one.
      type: bool
      returned: always
      sample: false
wrong:
  description: One sentence for each cell that is not as expected.
  returned: success
  type: list
  elements: str
  sample: ["mia may get pods/log in dev-travel-agency and must not (a viewer reads no log)"]
summary:
  description: How many cells there are and how many of them are not as expected.
  returned: success
  type: dict
  sample: {"cells": 310, "ok": 309, "wrong": 1}
table:
  description: The matrix as text, a line for each person, resource and namespace.
  returned: success
  type: str
  sample: "  cristina  mesh_developer  dev-travel-portal  envoyfilters.networking.istio.io  -create"
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._errors import Forbidden, MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained
from ansible_collections.meshops.mesh.plugins.module_utils._personas.explain import Rbac
from ansible_collections.meshops.mesh.plugins.module_utils._personas.matrix import ROLES, Cell, expected_cells
from ansible_collections.meshops.mesh.plugins.module_utils._personas.report import answer_of, review_of, sentence, table

ARGUMENT_SPEC: dict[str, Any] = {
    "personas": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "kind": {"type": "str", "choices": ["User", "Group"], "default": "User"},
            "role": {"type": "str", "choices": list(ROLES), "required": True},
            "namespaces": {"type": "list", "elements": "str", "default": []},
            "groups": {"type": "list", "elements": "str", "default": []},
        },
    },
    "control_plane_namespace": {"type": "str", "required": True},
    "control_plane": {"type": "str", "default": ""},
    "mesh": {"type": "str", "default": ""},
    "member_namespaces": {"type": "list", "elements": "str", "default": []},
    "provider": {"type": "str", "choices": ["ossm2", "ossm3", "sail"], "default": "ossm3"},
    **CLUSTER,
}
RBAC_API = "rbac.authorization.k8s.io/v1"


def read_rbac(cluster: Cluster) -> Rbac:
    """All roles and bindings."""
    kinds = ("ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding")
    return Rbac.from_objects(obj for part in cluster.map(lambda kind: cluster.list(RBAC_API, kind), kinds) for obj in part)


def prove(cluster: Cluster, cells: list[Cell], rbac: Rbac) -> dict[str, Any]:
    """Ask for all cells at once and compare."""
    answers = cluster.map(lambda cell: cluster.create(review_of(cell)), cells)
    rows = [answer_of(cell, answer, rbac) for cell, answer in zip(cells, answers, strict=True)]
    wrong = [sentence(row) for row in rows if not row["ok"]]
    summary = {"cells": len(rows), "ok": len(rows) - len(wrong), "wrong": len(wrong)}
    return {"cells": rows, "wrong": wrong, "summary": summary, "table": table(rows)}


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec={**AUTH_ARG_SPEC, **ARGUMENT_SPEC}, supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    params = module.params
    name = display_name(params)
    try:
        where = (params["control_plane_namespace"], params["member_namespaces"], params["provider"])
        cells = expected_cells(params["personas"], *where, control_plane=params["control_plane"], mesh=params["mesh"])
        cluster = Cluster.from_params(params, name=name)
        try:
            rbac = read_rbac(cluster)
        except Forbidden as exc:
            module.warn(f"{exc}; so no right is explained")
            rbac = Rbac()
        result = prove(cluster, cells, rbac)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
