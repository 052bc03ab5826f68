# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the modules of meshops.mesh share; each piece has a twin of the same name in module_utils/_kube/options.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Which cluster it is or what is read instead, how long to wait for it, and what to make of the answer."""

    CLUSTER = r"""
options:
  cluster:
    description: What to call the cluster in messages. The name of the inventory's host when not given.
    type: str
requirements:
  - python >= 3.11
  - kubernetes >= 24.2.0
notes:
  - What a task and its C(module_defaults) leave out of the connection is said by variables of the host, O(kubeconfig) by
    C(mesh_kubeconfig) and O(context) by C(mesh_context).
"""

    MEMBERS = r"""
options:
  mesh:
    description: Name of the mesh.
    type: str
    required: true
  provider:
    description: Which generation runs the mesh. V(sail) is V(ossm3) with the operator of the upstream project.
    type: str
    choices: [ossm2, ossm3, sail]
    required: true
  control_plane:
    description: The C(Istio) or C(ServiceMeshControlPlane).
    type: dict
    required: true
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      namespace:
        description: The namespace that it runs in.
        type: str
        required: true
  namespaces:
    description: Namespaces that the intent names as members.
    type: list
    elements: str
    required: true
"""

    # How workloads are restarted, by the engine that all who do it share.
    OBSERVED = r"""
options:
  prometheus:
    description: A query API to ask.
    type: dict
    suboptions:
      url:
        description: Its address, without C(/api/v1).
        type: str
        required: true
      token:
        description: A bearer token.
        type: str
      ca_path:
        description: The file of the certificates that its own is verified with. Those of the system when not given.
        type: path
      window:
        description: How far back to look, as a duration of Prometheus. Make it as long as the rarest call is rare.
        type: str
        default: 7d
      timeout:
        description: Seconds that an answer may take.
        type: float
        default: 60
  prometheus_answers:
    description: Files with answers of the query API, such as C(curl .../api/v1/query) wrote them; instant or range.
    type: list
    elements: path
    default: []
  logs:
    description: Access logs of proxies.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description:
          - A file, a pattern, or a folder. Files may end in C(.gz).
          - The pod is told by the path, as V(NAMESPACE/POD.log), or as must-gather and C(/var/log/pods) have it.
        type: path
        required: true
      workload:
        description: Whose log it is, as V(NAMESPACE/NAME), where the path does not say it.
        type: str
"""

    RESTART = r"""
options:
  concurrency:
    description: How many workloads of a wave are under way at the same time, as a number or per cent of the wave. All when not given.
    type: str
    default: ""
  budgets:
    description: Whether PodDisruptionBudgets hold workloads up. No setting lets a gateway be without a ready pod.
    type: str
    choices: [respect, ignore]
    default: respect
  workload_timeout:
    description: Seconds that one workload may take.
    type: float
    default: 300
  budget_timeout:
    description: Seconds that a disruption budget may hold a workload up.
    type: float
    default: 600
  outage:
    description: Seconds that the API server may be away in the middle of a wave, beyond a minute that each request waits.
    type: float
    default: 300
  holder:
    description: Who holds the lock, the same for all calls of a play. One run at a time restarts workloads of a mesh.
    type: str
    default: ansible
  lock_seconds:
    description: For so long the lock is kept for the next call, and so long a run waits for the lock of one that may be dead.
    type: float
    default: 30
  take_over:
    description: Take the lock at once, when you know that its holder is dead.
    type: bool
    default: false
"""

    # A module says its own default of wait_timeout and leaves the rest.
    WAIT = r"""
options:
  wait_timeout:
    description: How many seconds to wait at most.
    type: float
    default: 300
  wait_interval:
    description: Seconds between two looks.
    type: float
    default: 1
"""

    SOURCE = r"""
options:
  source:
    description: Where the objects are read.
    type: str
    choices: [cluster, snapshot, manifests]
    default: cluster
  path:
    description:
      - The snapshot file, or the folder of manifests. Required unless O(source=cluster).
      - Of a folder all files are read whose names end in C(.yaml), C(.yml) or C(.json), in capitals as well, also by links within it.
        Files that are no manifests, cannot be read or lead out of the folder do not stop the others, and are named.
    type: path
  exclude:
    description:
      - Files and folders below O(path) that are not read, for O(source=manifests). Patterns may have V(*).
        One with a slash is compared with the path below the folder, another one with the name.
      - An entry that matches nothing is a warning.
    type: list
    elements: str
    default: []
  unreadable:
    description:
      - What a file is that may be a manifest and cannot be read, such as a template of Helm or a broken one, for O(source=manifests).
      - With V(warn) it is named in a warning and the rest is read. With V(fail) the task fails.
    type: str
    choices: [warn, fail]
    default: warn
"""

    REPORT = r"""
options:
  only:
    description: Codes of the checks to run. What they require runs too.
    type: list
    elements: str
    default: []
  ignore:
    description:
      - Deviations that are known, as V(CODE=Kind namespace/name). The object may be a pattern with V(*); V(CODE) alone means all of them.
      - They are skipped with the reason that they are ignored. An entry that matches nothing is a warning.
    type: list
    elements: str
    default: []
  fail_on:
    description: From which severity on the task fails.
    type: str
    choices: [error, warning, never]
    default: error
  junit:
    description:
      - Write a JUnit file there.
      - Where a play has several hosts, each writes a file of its own, with its name before the ending, as V(mesh.west.xml) for V(mesh.xml).
        A path that has the name of the host in it stays as it is. The same goes for O(sarif) and O(report).
    type: path
  sarif:
    description:
      - Write a SARIF 2.1.0 file there, as GitHub's code scanning takes it.
      - What is wrong with manifests is at the line of the object, or of the field that the message names, with its path from the top of
        the Git repository. What is wrong on a cluster is at V(clusters/CLUSTER/KIND/NAMESPACE/NAME), a path that no file has.
    type: path
  report:
    description: Write all results as one JSON document there.
    type: path
"""

    # Two states that are compared; twice the same options, as only the defaults differ.
    CHANGE = r"""
options:
  before:
    description: The state before the change.
    type: dict
    default: {source: cluster}
    suboptions:
      source:
        description: Where the objects are read.
        type: str
        choices: [cluster, snapshot, manifests]
        default: cluster
      path: &path
        description: The snapshot file, or the folder or file of manifests. Required unless its C(source) is V(cluster).
        type: path
      exclude: &exclude
        description: Files and folders of V(manifests) that are not read. Patterns, as those of M(meshops.mesh.mesh_check).
        type: list
        elements: str
        default: []
      unreadable: &unreadable
        description: Whether a file of V(manifests) that cannot be read is a warning or a failure.
        type: str
        choices: [warn, fail]
        default: warn
  after:
    description: The state after the change.
    type: dict
    required: true
    suboptions:
      source:
        description: Where the objects are read.
        type: str
        choices: [cluster, snapshot, manifests]
        default: manifests
      path: *path
      exclude: *exclude
      unreadable: *unreadable
      applied:
        description:
          - Whether the objects are applied over those before, as C(oc apply) does it. An object of the same kind, namespace and name is
            replaced, all others stay.
          - With V(false) the objects are the whole state after the change.
        type: bool
        default: false
  remove:
    description: Objects that the change removes, as V(Kind namespace/name). Only with O(after.applied=true).
    type: list
    elements: str
    default: []
"""

    # Which control plane is meant, for who can do without an inventory.
    PLANE = r"""
options:
  provider:
    description: The generation of the control plane.
    type: str
    choices: [ossm2, ossm3, sail]
  control_plane:
    description: The control plane as in the variable C(mesh_control_plane). Its V(namespace) is the root namespace.
    type: dict
"""

    MESH_CONFIG = r"""
options:
  trust_domain:
    description: The mesh's trust domain, where the source does not say it.
    type: str
  trust_domain_aliases:
    description: Aliases of the trust domain, where the source does not say them.
    type: list
    elements: str
  root_namespace:
    description:
      - The namespace whose policies are for the whole mesh. It goes before what the source says.
      - The namespace that istiod runs in says which control plane is meant; its configuration may name another one for policies.
    type: str
  istio_version:
    description: The version of Istio, as V(1.27) or V(1.27.3), where the source does not say it. The newest that is known otherwise.
    type: str
  path_normalization:
    description: How Envoy normalises paths, as in MeshConfig.
    type: str
    choices: [NONE, BASE, MERGE_SLASHES, DECODE_AND_MERGE_SLASHES]
"""
