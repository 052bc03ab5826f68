#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell which rights a family of playbooks needs, as roles, and which of them a login lacks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mesh_rights_info
short_description: Tell which rights the playbooks need for a mesh
version_added: "0.1.0"
description:
  - Works out which rights each family of playbooks needs for an intent, with the reason of each, and the ClusterRole and the Roles that
    grant them and nothing else.
  - With O(ask) it asks the API server, in one pass, which of them the login lacks, and fails with all of them.
  - It changes nothing. The playbook C(render_rights) writes or delivers what it returns.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.options.cluster
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
options:
  families:
    description: The families of playbooks, as in C(docs/rights.md).
    type: list
    elements: str
    choices: [check, install, certificates, access, traffic, canary, upgrade, migration, multicluster, remove, inventory]
    required: true
  works:
    description: What of the families is meant, as in C(docs/rights.md); all of it where none is named.
    type: list
    elements: str
    choices: [authority, control_plane, gateways, issue, mesh, operators, plan, proxies]
    default: []
  ask:
    description: Whether to ask the API server what is missing. Without it no cluster is talked to.
    type: bool
    default: false
  mesh:
    description: The mesh's name, which is a part of the names of the roles.
    type: str
  provider:
    description: The generation of the control plane.
    type: str
    choices: [ossm2, ossm3, sail]
  control_plane:
    description: The control plane as in the variable C(mesh_control_plane). The keys C(name) and C(namespace) are required.
    type: dict
  members:
    description: Namespaces that are meant to be in the mesh.
    type: list
    elements: str
  personas:
    description: People and what they are meant to do, as in the variable C(mesh_personas).
    type: list
    elements: dict
  observability:
    description: What is meant to watch the mesh, as in the variable C(mesh_observability).
    type: dict
    default: {}
  membership_style:
    description: Whether members of V(ossm2) are named in one roll, or by an object in each namespace.
    type: str
    choices: [roll, members]
    default: roll
  namespaces_by:
    description: Whether namespaces are made as such, or by requests for projects of OpenShift.
    type: str
    choices: [namespace, project]
    default: namespace
  operators:
    description: How operators come; V(manual) is OLM whose install plans we approve, V(none) is somebody else.
    type: str
    choices: [olm, manual, none]
    default: olm
  routes:
    description: Whether Routes of OpenShift are made.
    type: bool
    default: false
  traffic:
    description: By which APIs requests are sent to versions of services; by none where C(mesh_traffic) is not set.
    type: list
    elements: str
    choices: [istio, gateway]
    default: []
  gateway_namespaces:
    description: Namespaces in which pods of gateways run, beside that of the control plane.
    type: list
    elements: str
    default: []
  operator_namespaces:
    description: Namespaces that operators have for themselves.
    type: list
    elements: str
    default: []
  exempt_namespaces:
    description: Namespaces in which something is exempted from mutual TLS.
    type: list
    elements: str
    default: []
  features:
    description: What of the intent needs rights of its own.
    type: list
    elements: str
    choices: [isolation, gateway_definitions, egress, multicluster]
    default: []
  project_namespaces:
    description: Namespaces that have a gateway of their own, as C(mesh_project_gateways) says.
    type: list
    elements: str
    default: []
  api_gateway_namespaces:
    description: Namespaces of gateways of the Gateway API, as C(mesh_gateways) says.
    type: list
    elements: str
    default: []
  secret_namespaces:
    description: Namespaces into which the intent brings Secrets.
    type: list
    elements: str
    default: []
  certificates:
    description: Which namespaces certificates need, and how workloads come to new ones.
    type: dict
    suboptions:
      provider:
        description: Who issues them.
        type: str
        choices: [own_ca, pem, cert_manager]
        default: own_ca
      asked:
        description: What the intent asks for. V(authority) is a CA of the mesh, V(served) are certificates of gateways and clients.
        type: list
        elements: str
        choices: [authority, served, istio_csr]
        default: []
      served:
        description: Namespaces of the certificates of gateways and clients, beside that of the control plane.
        type: list
        elements: str
        default: []
      given:
        description: Namespaces of the Secrets that certificates are taken from.
        type: list
        elements: str
        default: []
      trust:
        description: Namespaces of the ConfigMaps with roots that applications are to trust.
        type: list
        elements: str
        default: []
      renew:
        description: Whether workloads are restarted for new certificates.
        type: str
        choices: [wait, restart]
        default: wait
  upgrade:
    description: What an upgrade does after each wave.
    type: dict
    suboptions:
      probe:
        description: Whether the calls of the access are made.
        type: bool
        default: false
      queries:
        description: Whether a Prometheus is asked through the API server.
        type: bool
        default: false
  migration:
    description: What a migration from OpenShift Service Mesh 2 to 3 does beside the moves.
    type: dict
    suboptions:
      calls:
        description: Whether calls of the access are made after each move.
        type: bool
        default: false
      remove:
        description: Whether OpenShift Service Mesh 2 is removed at the end.
        type: bool
        default: false
  prune:
    description: Whether an installation deletes what is not wanted any more.
    type: bool
    default: false
  removes:
    description: What V(remove) takes away beside the mesh itself.
    type: list
    elements: str
    choices: [namespaces, volumes, operators]
    default: []
  categories:
    description: Categories of checks to which C(check_mesh) is limited.
    type: list
    elements: str
    default: []
  only:
    description: Codes of checks to which C(check_mesh) is limited.
    type: list
    elements: str
    default: []
  subjects:
    description: Who gets the roles. Without any no bindings are returned.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: The kind of the subject.
        type: str
        choices: [ServiceAccount, User, Group]
        required: true
      name:
        description: Its name.
        type: str
        required: true
      namespace:
        description: The namespace of a ServiceAccount.
        type: str
attributes:
  check_mode:
    support: full
    details: It changes nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - python >= 3.11
  - kubernetes >= 24.2.0
seealso:
  - module: meshops.mesh.mesh_check
"""

EXAMPLES = r"""
- name: What does the account that checks need?
  meshops.mesh.mesh_rights_info:
    families: [check]
    mesh: travel-prod
    provider: ossm3
    control_plane: {name: production, namespace: prod-istio-system}
    members: [prod-travel-agency, prod-travel-portal]
    subjects:
      - {kind: ServiceAccount, name: mesh-check, namespace: automation}
  register: rights

- name: Require them before anything changes
  meshops.mesh.mesh_rights_info:
    families: [install]
    ask: true
    mesh: travel-prod
    provider: ossm3
    control_plane: {name: production, namespace: prod-istio-system}
    members: [prod-travel-agency, prod-travel-portal]
"""

RETURN = r"""
objects:
  description: The ClusterRoles and Roles, and their bindings where O(subjects) are given.
  returned: success
  type: list
  elements: dict
  sample:
    - apiVersion: rbac.authorization.k8s.io/v1
      kind: ClusterRole
      metadata: {name: meshops-check-travel-prod}
      rules: [{apiGroups: [""], resources: [namespaces], verbs: [list]}]
rights:
  description: The rights of all O(families), each with where it is needed and why.
  returned: success
  type: list
  elements: dict
  sample: [{family: check, resource: namespaces, verbs: [list], where: cluster, names: [], why: read by the checks of membership}]
missing:
  description: What the login lacks, one line for each right.
  returned: with O(ask)
  type: list
  elements: str
  sample: ["patch deployments.apps in prod-travel-agency: gateways, tools and applications"]
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_rights_info import refused
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained
from ansible_collections.meshops.mesh.plugins.module_utils._rights.missing import lines, questions, to_rows
from ansible_collections.meshops.mesh.plugins.module_utils._rights.render import manifests
from ansible_collections.meshops.mesh.plugins.module_utils._rights.table import FAMILIES, WORKS, rights_of, scope_from

_WORDS: dict[str, Any] = {"type": "list", "elements": "str"}
_SUBJECT = {
    "kind": {"type": "str", "choices": ["ServiceAccount", "User", "Group"], "required": True},
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str"},
}
ARGUMENT_SPEC: dict[str, Any] = {
    **CLUSTER,
    "families": {**_WORDS, "choices": list(FAMILIES), "required": True},
    "works": {**_WORDS, "choices": list(WORKS), "default": []},
    "ask": {"type": "bool", "default": False},
    "mesh": {"type": "str"},
    "provider": {"type": "str", "choices": ["ossm2", "ossm3", "sail"]},
    "control_plane": {"type": "dict"},
    "members": dict(_WORDS),
    "personas": {"type": "list", "elements": "dict"},
    "observability": {"type": "dict", "default": {}},
    "membership_style": {"type": "str", "choices": ["roll", "members"], "default": "roll"},
    "namespaces_by": {"type": "str", "choices": ["namespace", "project"], "default": "namespace"},
    "operators": {"type": "str", "choices": ["olm", "manual", "none"], "default": "olm"},
    "routes": {"type": "bool", "default": False},
    "traffic": {"type": "list", "elements": "str", "choices": ["istio", "gateway"], "default": []},
    **{
        name: {**_WORDS, "default": []}
        for name in (
            "gateway_namespaces",
            "exempt_namespaces",
            "operator_namespaces",
            "project_namespaces",
            "api_gateway_namespaces",
            "categories",
            "only",
        )
    },
    "features": {**_WORDS, "choices": ["isolation", "gateway_definitions", "egress", "multicluster"], "default": []},
    "prune": {"type": "bool", "default": False},
    "removes": {**_WORDS, "choices": ["namespaces", "volumes", "operators"], "default": []},
    "secret_namespaces": {**_WORDS, "default": [], "no_log": False},  # names of namespaces
    "certificates": {
        "type": "dict",
        "apply_defaults": True,
        "options": {
            **{name: {**_WORDS, "default": []} for name in ("served", "given", "trust")},
            "asked": {**_WORDS, "choices": ["authority", "served", "istio_csr"], "default": []},
            "provider": {"type": "str", "choices": ["own_ca", "pem", "cert_manager"], "default": "own_ca"},
            "renew": {"type": "str", "choices": ["wait", "restart"], "default": "wait"},
        },
    },
    "upgrade": {
        "type": "dict",
        "apply_defaults": True,
        "options": {name: {"type": "bool", "default": False} for name in ("probe", "queries")},
    },
    "migration": {
        "type": "dict",
        "apply_defaults": True,
        "options": {name: {"type": "bool", "default": False} for name in ("calls", "remove")},
    },
    "subjects": {"type": "list", "elements": "dict", "default": [], "options": _SUBJECT},
}


def _advice(cluster: str, families: list[str], missing: list[str]) -> str:
    names = ",".join(families)
    return (
        f"cluster {cluster}: this login lacks {len(missing)} of the rights that {names} needs; nothing was changed. "
        f"Have an administrator grant them (playbook "
        f"render_rights with -e mesh_rights_families={names} renders the roles), or use another login:"
    )


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec={**AUTH_ARG_SPEC, **ARGUMENT_SPEC}, supports_check_mode=True)
    if module.params["ask"] and IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    params, result = module.params, {"objects": [], "rights": []}  # type: ignore[var-annotated]
    try:
        scope, asked = scope_from(params), []
        for family in dict.fromkeys(params["families"]):
            rights = rights_of(family, scope)
            result["rights"] += [{"family": family, **row} for row in to_rows(rights)]
            result["objects"] += manifests(family, rights, scope, params["subjects"])
            asked += questions(rights, scope)
        if params["ask"]:
            cluster = Cluster.from_params(params, name=display_name(params))
            result["missing"] = lines(refused(cluster, asked))
            if result["missing"]:
                raise MeshError(_advice(cluster.name, params["families"], result["missing"]), *(f"- {row}" for row in result["missing"]))
    except MeshError as exc:
        module.fail_json(msg=str(exc), **({"missing": result["missing"]} if "missing" in result else {}))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
