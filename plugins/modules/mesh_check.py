#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mesh_check
short_description: Checks a mesh and reports what does not pass
version_added: "0.1.0"
description:
  - Runs the check table over a cluster, a snapshot file or a folder of manifests, and changes nothing.
  - Each check is one positive fact with a stable code. What fails comes with the object, the reason and the remedy.
  - What is not given of O(provider), O(control_plane), O(members), O(operators) and O(observability) is found out from the source itself,
    whoever installed the mesh. RV(found) says what was taken, and from which object. Where a cluster has several meshes and neither
    O(control_plane) nor O(members) says which one is meant, each of them is checked.
  - What only people can say (O(personas), O(gateways)) is skipped where it is not given, and so is what compares an inventory with
    the source. A kind that may not be read is skipped with that reason. Nothing passes in silence.
  - Checks that depend on a failed one are skipped, and name it.
author:
  - meshops.mesh contributors (@meshops)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
  - meshops.mesh.options.cluster
  - meshops.mesh.options.report
  - meshops.mesh.options.source
  - meshops.mesh.options.wait
options:
  mesh:
    description: The mesh's name.
    type: str
  provider:
    description: The generation of the control plane. V(istio) is one that istioctl or Helm installed, without an operator.
    type: str
    choices: [ossm2, ossm3, sail, istio]
  control_plane:
    description:
      - The control plane as in the variable C(mesh_control_plane). The keys V(name) and V(namespace) are required.
      - Of the others V(istiod.replicas) is used; the rest is ignored, so that the variable can be handed over as it is.
    type: dict
  members:
    description: Namespaces that are meant to be in the mesh.
    type: list
    elements: str
  operators:
    description: Packages of the operators that are meant to be installed.
    type: list
    elements: str
  personas:
    description: People and what they are meant to do, as in the variable C(mesh_personas).
    type: list
    elements: dict
  gateways:
    description: Gateways with C(name), C(hosts) and C(port), as in the variable C(mesh_gateways).
    type: list
    elements: dict
  observability:
    description: What is meant to watch the mesh.
    type: list
    elements: str
    choices: [kiali, jaeger, tempo, opentelemetry, prometheus, grafana]
  categories:
    description: Categories of checks to run. What they require runs too.
    type: list
    elements: str
    default: []
  show_from:
    description: From which severity on RV(table) shows checks. V(info) shows all. It has no influence on the verdict.
    type: str
    choices: [info, warning, error]
    default: info
  wait_timeout:
    description: With O(source=cluster), how many seconds to look again while a check that can still pass fails.
    default: 0
  wait_interval:
    default: 5
  thresholds:
    description: Limits that checks compare with.
    type: dict
    default: {}
    suboptions:
      kubernetes_oldest:
        description: The oldest Kubernetes version without a warning. The default is V(1.27).
        type: str
      istio_oldest:
        description: The oldest Istio version without a warning, with O(provider=sail). The default is V(1.29).
        type: str
      ossm3_oldest:
        description: The oldest Istio version without a warning, with O(provider=ossm3). The default is V(1.24).
        type: str
      ossm2_oldest:
        description: The oldest version of OpenShift Service Mesh 2 without a warning. The default is V(2.6).
        type: str
      proxy_skew_minors:
        description: How many minor versions a proxy may be away from istiod. The default is V(1).
        type: int
      remote_access_days:
        description: Warn when a token by which istiod reads another cluster ends within so many days. The default is V(7).
        type: int
      restarts:
        description: How often a container may have restarted. The default is V(5).
        type: int
      certificate_days:
        description: How many days before its end a certificate is a warning. The default is V(30).
        type: float
      certificate_fraction:
        description: The same as a fraction of its life, which counts for lives that are shorter. The default is V(0.2).
        type: float
      certificate_rsa_bits:
        description: The shortest RSA key that is long enough. The default is V(2048).
        type: int
      certificate_ec_bits:
        description: The shortest key on an elliptic curve that is long enough. The default is V(256).
        type: int
      certificate_max_bytes:
        description: How large a file of certificates may be. The default is V(1048576).
        type: int
      clock_skew_seconds:
        description: How many seconds two clocks may be apart. The default is V(60).
        type: float
      snapshot_max_age_hours:
        description: How old a snapshot may be. The default is V(24).
        type: float
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
notes:
  - The checks are described in C(docs/checks), one page for each code.
seealso:
  - module: kubernetes.core.k8s_info
"""

EXAMPLES = r"""
- name: Check a mesh
  meshops.mesh.mesh_check:
    cluster: "{{ inventory_hostname }}"
    provider: ossm3
    control_plane: {name: production, namespace: prod-istio-system}
    members: [prod-travel-agency, prod-travel-portal, prod-travel-control]
    operators: [servicemeshoperator3]
    wait_timeout: 300
  register: mesh_result

- name: Show the table
  ansible.builtin.debug:
    msg: "{{ mesh_result.table.split('\n') }}"

- name: Check whatever mesh a cluster has
  meshops.mesh.mesh_check:
    kubeconfig: ~/.kube/config
  register: mesh_result

- name: Say what was found
  ansible.builtin.debug:
    msg: "{{ mesh_result.found.text.split('\n') }}"

- name: Check a Git repository of manifests in CI
  meshops.mesh.mesh_check:
    source: manifests
    path: gitops/west
    categories: [gateways, membership]
    fail_on: warning
    junit: build/mesh.xml
    sarif: build/mesh.sarif

- name: Check a snapshot, with a deviation that is known
  meshops.mesh.mesh_check:
    source: snapshot
    path: west.json.gz
    ignore:
      - "OSM1403=Pod prod-travel-agency/mysqldb-*"
  register: mesh_result

- name: Nothing but that one may be ignored
  ansible.builtin.assert:
    that: mesh_result.summary.failed == 0
"""

RETURN = r"""
cluster:
  description: What messages call the cluster. Without O(cluster) that is the name of its context, or of the file that is read.
  returned: always
  type: str
  sample: west
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
found:
  description: What of the mesh was found out from the source.
  returned: always
  type: dict
  sample: {meshes: [], text: ""}
  contains:
    meshes:
      description:
        - The meshes that were checked, each with C(control_plane), the object C(source) that stands for it, C(revisions), C(members),
          C(gateways), C(operators) and C(observability).
        - The facts C(provider), C(version), C(active_revision), C(root_namespace), C(trust_domain), C(ambient) and C(remote) have
          C(value), C(source) and C(guessed) (nothing says it outright), as far as they are known.
      returned: always
      type: list
      elements: dict
      sample:
        - control_plane: {name: default, namespace: istio-system}
          source: Istio default
          provider: {value: sail, source: Deployment sail-operator/sail-operator, guessed: false}
          members: [{namespace: shop, by: label, source: Namespace shop}]
    text:
      description:
        - The same for people, in a few lines, as far as it was taken in the place of something that no option says.
        - Its last line says how many objects of the source are not judged, because their namespaces are none of the mesh.
      returned: always
      type: str
      sample: "found Istio default: Istio v1.30.3 by the Sail operator (Deployment sail-operator/sail-operator)"
checks:
  description: One row for each check that passed or was skipped, and one for each deviation.
  returned: always
  type: list
  elements: dict
  sample:
    - id: OSM1206
      category: control_plane
      title: istiod has rolled out
      status: failed
      severity: error
      resource: Deployment prod-istio-system/istiod-production
      message: 1 of 2 replicas are available
      hint: oc rollout status deployment/istiod -n NAMESPACE; oc get events -n NAMESPACE
      hint_url: https://github.com/meshops/mesh/blob/main/docs/checks/OSM1206.md
      evidence: {}
  contains:
    id:
      description: The check's stable code.
      returned: always
      type: str
      sample: OSM1206
    category:
      description: The check's category.
      returned: always
      type: str
      sample: control_plane
    title:
      description: The fact that the check is about, in the positive.
      returned: always
      type: str
      sample: istiod has rolled out
    status:
      description: V(passed), V(warning), V(failed) or V(skipped).
      returned: always
      type: str
      sample: failed
    severity:
      description: V(info), V(warning) or V(error).
      returned: always
      type: str
      sample: error
    resource:
      description: The object that deviates, as V(Kind namespace/name). Empty for a check that passed.
      returned: always
      type: str
      sample: Deployment prod-istio-system/istiod-production
    message:
      description: The deviation, or the reason for which the check was skipped.
      returned: always
      type: str
      sample: 1 of 2 replicas are available
    hint:
      description: What to do next.
      returned: always
      type: str
      sample: oc rollout status deployment/istiod -n NAMESPACE
    hint_url:
      description: The check's page.
      returned: always
      type: str
      sample: https://github.com/meshops/mesh/blob/main/docs/checks/OSM1206.md
    evidence:
      description: What the check saw, where that is more than the message says.
      returned: always
      type: dict
      sample: {}
files:
  description: The reports that were written, by the option that asked for them.
  returned: always
  type: dict
  sample: {junit: build/mesh.west.xml, sarif: build/mesh.west.sarif}
summary:
  description: How many rows have which status.
  returned: always
  type: dict
  sample: {passed: 41, warning: 1, failed: 1, skipped: 12}
  contains:
    passed:
      description: Facts that hold.
      returned: always
      type: int
      sample: 41
    warning:
      description: Deviations that are warnings.
      returned: always
      type: int
      sample: 1
    failed:
      description: Deviations that are errors.
      returned: always
      type: int
      sample: 1
    skipped:
      description: Checks that could not be asked, and deviations that were ignored.
      returned: always
      type: int
      sample: 12
table:
  description: The result for people, one fact a line.
  returned: always
  type: str
  sample: "control plane\n-------------\n√ the control plane exists\n\n1 passed, 0 warnings, 0 failed, 0 skipped"
"""

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_check import argument_spec, check
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import SOURCE_NEEDS
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained


@contained
def main() -> None:
    module = MeshModule(
        argument_spec=argument_spec(),
        required_if=SOURCE_NEEDS,
        supports_check_mode=True,
    )
    if module.params["source"] == "cluster" and IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=IMPORT_ERROR)
    try:
        result = check(module.params, module.warn)
    except MeshError as exc:
        module.fail_json(msg=str(exc))
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
