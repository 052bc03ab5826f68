#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look for what stands against the operators of a mesh, before any of them is installed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: operators_info
short_description: Look for what stands against the operators of a mesh
version_added: "0.1.0"
description:
  - Looks packages, channels and versions up in the catalogues of the cluster (PackageManifest), and says all that is missing at once, with
    what the catalogue offers.
  - Looks for a second mesh operator, for a control plane of another generation of this mesh, and for what blocks every package of a
    namespace (OperatorGroups, a Subscription that cannot be resolved, a ClusterServiceVersion without a Subscription).
  - An operator that somebody else has subscribed to is used as it is, if it works.
  - It changes nothing. The role P(meshops.mesh.operators#role) refuses to go on when there is a refusal.
author:
  - meshops.mesh contributors (@meshops)
options:
  provider:
    description: Whose operators are wanted.
    type: str
    choices: [ossm2, ossm3, sail]
    required: true
  packages:
    description:
      - The packages, as the filter P(meshops.mesh.mesh_operators#filter) makes them of an intent.
      - Without any, because somebody else installs the operators, only control planes are looked at.
    type: list
    elements: dict
    default: []
    suboptions:
      package:
        description: Name of the package.
        type: str
        required: true
      source:
        description: Name of its CatalogSource.
        type: str
        required: true
      channel:
        description: Its channel.
        type: str
        required: true
      namespace:
        description: Namespace to subscribe in, O(namespace) when not given.
        type: str
        default: ""
      own_group:
        description: Whether that namespace and an OperatorGroup in it are made.
        type: bool
        default: false
      why:
        description: What asks for it, for messages.
        type: str
        default: ""
  channels:
    description: Package to channel, where another one than its own is wanted.
    type: dict
    default: {}
  versions:
    description: Package to the ClusterServiceVersion to reach, or V(latest).
    type: dict
    default: {}
  starting_csvs:
    description: Package to the ClusterServiceVersion that a first install begins with.
    type: dict
    default: {}
  namespace:
    description: Namespace of operators for the whole cluster.
    type: str
    default: openshift-operators
  catalog_namespace:
    description: Namespace of the CatalogSources.
    type: str
    default: openshift-marketplace
  owner:
    description: Value of the label C(mesh.meshops.io/mesh) that our own Subscriptions have.
    type: str
    default: operators
  adopt:
    description: Subscriptions of others that are taken over, as C(Subscription NAMESPACE/NAME).
    type: list
    elements: str
    default: []
  mesh:
    description: Name of the mesh.
    type: str
    default: ""
  control_plane:
    description: Name and namespace of its control plane.
    type: dict
    default: {}
    suboptions:
      name:
        description: Its name.
        type: str
        default: ""
      namespace:
        description: Its namespace.
        type: str
        default: ""
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.options.cluster
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
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
  - module: meshops.mesh.install_plan
"""

EXAMPLES = r"""
- name: Look before operators are installed
  meshops.mesh.operators_info:
    provider: ossm3
    packages: "{{ 'ossm3' | meshops.mesh.mesh_operators(mesh_control_plane, mesh_observability) }}"
    mesh: travel-prod
    control_plane: {name: production, namespace: prod-istio-system}
  register: survey

- name: Nothing stands against them
  ansible.builtin.assert:
    that: survey.refusals | length == 0
    fail_msg: "{{ survey.refusals | join('; ') }}"
"""

RETURN = r"""
olm:
  description: Whether the cluster has the Operator Lifecycle Manager.
  returned: success
  type: bool
  sample: true
refusals:
  description: Why operators must not be installed, all reasons at once.
  returned: success
  type: list
  elements: str
  sample: ["CatalogSource openshift-marketplace/redhat-operators cannot be reached (TRANSIENT_FAILURE), and kiali-ossm shall come from it"]
notes:
  description: What people should know.
  returned: success
  type: list
  elements: str
  sample: ["kiali-ossm: Subscription openshift-operators/my-kiali of someone else has it; it is used and left as it is"]
used:
  description: Packages that somebody else has subscribed to, and that are used as they are.
  returned: success
  type: list
  elements: str
  sample: [kiali-ossm]
grouped:
  description: Namespaces that have an OperatorGroup of somebody else.
  returned: success
  type: list
  elements: str
  sample: [openshift-tempo-operator]
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.operators_info import has_olm, look
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, display_name
from ansible_collections.meshops.mesh.plugins.module_utils._model.packages import Package
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained
from ansible_collections.meshops.mesh.plugins.module_utils._olm.survey import Ask, survey

TEXT: dict[str, Any] = {"type": "str", "default": ""}
NAME: dict[str, Any] = {"type": "str", "required": True}
PACKAGE: dict[str, Any] = {"package": NAME, "source": NAME, "channel": NAME, "namespace": TEXT, "why": TEXT,
                           "own_group": {"type": "bool", "default": False}}  # fmt: skip
ARGUMENT_SPEC: dict[str, Any] = {
    "provider": {"type": "str", "choices": ["ossm2", "ossm3", "sail"], "required": True},
    "packages": {"type": "list", "elements": "dict", "default": [], "options": PACKAGE},
    **{name: {"type": "dict", "default": {}} for name in ("channels", "versions", "starting_csvs")},
    "namespace": {"type": "str", "default": "openshift-operators"},
    "catalog_namespace": {"type": "str", "default": "openshift-marketplace"},
    "owner": {"type": "str", "default": "operators"},
    "adopt": {"type": "list", "elements": "str", "default": []},
    "mesh": TEXT,
    "control_plane": {"type": "dict", "default": {}, "options": {"name": TEXT, "namespace": TEXT}},
    **CLUSTER,
}


def ask_of(params: dict[str, Any]) -> Ask:
    """What is wanted."""
    plane = params["control_plane"] or {}
    return Ask(
        provider=params["provider"], mesh=params["mesh"], plane_name=plane.get("name") or "", plane_namespace=plane.get("namespace") or "",
        packages=tuple(Package(**{key: row[key] for key in PACKAGE}) for row in params["packages"]),
        channels=params["channels"], versions=params["versions"], starting=params["starting_csvs"], namespace=params["namespace"],
        catalog_namespace=params["catalog_namespace"], owner=params["owner"], adopt=frozenset(params["adopt"]),
    )  # fmt: skip


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(argument_spec={**AUTH_ARG_SPEC, **ARGUMENT_SPEC}, supports_check_mode=True)
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    try:
        ask = ask_of(module.params)
        cluster = Cluster.from_params(module.params, name=display_name(module.params))
        seen, missed = look(cluster, ask)
        olm = has_olm(cluster)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    if not olm:  # install_plan says what to do about it; here only the mesh counts
        ask = Ask(ask.provider, ask.mesh, ask.plane_name, ask.plane_namespace)
    found = survey(ask, seen)
    module.exit_json(changed=False, olm=olm, refusals=list(found.refusals), notes=[*found.notes, *missed], used=list(found.used),
                     grouped=list(found.grouped))  # fmt: skip


if __name__ == "__main__":
    main()
