#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the CA of a mesh without a failed handshake."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_rotation
short_description: Change the CA of a mesh without an outage
version_added: "0.1.0"
description:
  - Brings the Secret C(cacerts) of a control plane to another CA in safe steps. V(distribute) makes every proxy trust the roots
    of both, V(switch) lets the new CA sign, V(retire) takes the old roots away. With the same roots (a new intermediate) there is only
    V(switch).
  - Before each step it asks istiod, every ConfigMap and webhook that istiod writes, and the live certificates of every sidecar and gateway.
    It writes nothing while one of them would lose a connection by it. Who that is, and why, is in the message.
  - What comes next follows from C(cacerts) and the goal alone, so a run that was killed at any moment goes on when it is run again.
  - The CA that is replaced is saved first, with its key, in a Secret C(cacerts-saved-...) of the same namespace. O(rollback) goes back to
    it from any step, by the same machine.
  - An istiod is restarted when its version, its settings (C(ISTIO_MULTIROOT_MESH), C(AUTO_RELOAD_PLUGIN_CERTS)) or a CA of its own keep it
    from taking the new Secret by itself.
  - Workloads are restarted as M(meshops.mesh.rollout_waves) restarts them, within their PodDisruptionBudgets. A restart that a budget can
    never allow is named before C(cacerts) is written for it.
  - Most people use the playbook C(meshops.mesh.rotate_certificates), which calls it once for each step.
author:
  - meshops.mesh contributors (@meshops)
options:
  state:
    description:
      - V(planned) only computes the steps. V(gated) waits until the next step is safe and does not take it, V(next) takes it, V(settled)
        waits until every proxy and istiod has the CA of the last one, V(rotated) does all of it.
      - V(gated) on every cluster, then V(next) on every cluster, is how clusters that share a root go together.
      - In check mode V(gated), V(next) and V(rotated) say whether the next step would be safe now.
    type: str
    choices: [planned, gated, next, settled, rotated]
    default: rotated
  mesh:
    description: Name of the mesh, which the Secrets get as a label.
    type: str
    required: true
  namespace:
    description: Namespace of the control plane.
    type: str
    required: true
  members:
    description: Namespaces of the mesh. Proxies of all namespaces are asked when it is not given.
    type: list
    elements: str
  goal:
    description:
      - The data of the Secret C(cacerts) that is wanted, base64 as in a Secret, with C(ca-cert.pem), C(ca-key.pem), C(cert-chain.pem) and
        C(root-cert.pem). Required unless O(rollback).
    type: dict
  rollback:
    description: Go back to the CA that the newest rotation began with.
    type: bool
    default: false
  remove_self_signed:
    description: Delete C(istio-ca-secret) at the end, once its CA is saved. An istiod that starts without C(cacerts) goes back to it.
    type: bool
    default: true
  renew:
    description:
      - How the workloads come to certificates of the new CA. V(wait) waits for them to renew by themselves, which takes half of a
        certificate's life (12 hours by default), V(restart) restarts them in waves.
    type: str
    choices: [wait, restart]
    default: wait
  wave_size:
    description: How many workloads are in a wave. The next wave begins when all of this one are ready.
    type: int
    default: 10
  gate_timeout:
    description: Seconds to wait for a step to become safe.
    type: float
    default: 600
  istiod_grace:
    description: Seconds that an istiod may take to read a new Secret before it is restarted. A kubelet writes it within two minutes.
    type: float
    default: 120
  interval:
    description: Seconds between two looks.
    type: float
    default: 2
  proxy_timeout:
    description: Seconds that one proxy may take to answer.
    type: float
    default: 5
  proxies_timeout:
    description: Seconds for all proxies together, which are asked at the same time.
    type: float
    default: 60
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - meshops.mesh.options.cluster
  - meshops.mesh.options.restart
  - meshops.mesh.attributes
  - meshops.mesh.attributes.action_group
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: The difference is a CA, whose Secret has a private key.
  idempotent:
    support: full
requirements:
  - python >= 3.11
  - kubernetes >= 24.2.0
  - cryptography
  - websocket-client
seealso:
  - module: meshops.mesh.certificate_authority
  - module: meshops.mesh.certificate_check
"""

EXAMPLES = r"""
- name: Show the steps to a new CA
  meshops.mesh.certificate_rotation:
    state: planned
    mesh: travel-prod
    namespace: prod-istio-system
    goal: "{{ new_cacerts.data }}"
  register: rotation

- name: Go to it, with the workloads restarted ten at a time
  meshops.mesh.certificate_rotation:
    mesh: travel-prod
    namespace: prod-istio-system
    members: [prod-travel-agency, prod-travel-portal, prod-travel-control]
    goal: "{{ new_cacerts.data }}"
    renew: restart

- name: Go back
  meshops.mesh.certificate_rotation:
    mesh: travel-prod
    namespace: prod-istio-system
    rollback: true
"""

RETURN = r"""
plan:
  description: The steps that were left when the module was called.
  returned: success
  type: list
  elements: dict
  sample: [{"phase": "distribute", "signs": "O=cluster.local", "trusted": ["O=cluster.local", "CN=root-2027"]}]
turns:
  description: What was done, step by step.
  returned: always
  type: list
  elements: dict
  contains:
    phase:
      description: The step.
      type: str
      sample: switch
    asked:
      description: How many proxies, istiods and other places its gate asked.
      type: dict
      sample: {"proxies": 14, "istiods": 2, "places": 9}
    blockers:
      description: What kept the step from being safe when it was last looked at, why, and what to do.
      type: list
      elements: dict
      sample: []
    restarted:
      description: Workloads that were restarted.
      type: list
      elements: str
      sample: ["Deployment prod-istio-system/istiod-production"]
    waves:
      description: The same, wave by wave.
      type: list
      elements: list
      sample: [["Deployment prod-istio-system/istiod-production"]]
    loose:
      description: Pods that are left alone, with the reason.
      type: list
      elements: dict
      sample: [{"resource": "Pod prod-travel-agency/debug", "reason": "no controller would recreate it: delete and recreate it yourself"}]
    waited:
      description: Seconds until it was safe.
      type: float
      sample: 3.1
    written:
      description: Whether C(cacerts) was written.
      type: bool
      sample: true
left:
  description: How many steps are left.
  returned: success
  type: int
  sample: 0
lines:
  description: The same for people.
  returned: always
  type: list
  elements: str
  sample: ["distribute: proved safe (14 proxies, 2 istiods, 9 places asked)"]
"""

from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.facts import IMPORT_ERROR as CRYPTOGRAPHY_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._commands.certificate_rotation import RotationRun
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.auth import AUTH_ARG_SPEC, IMPORT_ERROR
from ansible_collections.meshops.mesh.plugins.module_utils._kube.options import CLUSTER, RESTART
from ansible_collections.meshops.mesh.plugins.module_utils._module import MeshModule, contained

ARGUMENT_SPEC: dict[str, Any] = {
    **CLUSTER,
    **RESTART,
    "state": {"type": "str", "choices": ["planned", "gated", "next", "settled", "rotated"], "default": "rotated"},
    "mesh": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "members": {"type": "list", "elements": "str"},
    "goal": {"type": "dict", "no_log": True},
    "rollback": {"type": "bool", "default": False},
    "remove_self_signed": {"type": "bool", "default": True},
    "renew": {"type": "str", "choices": ["wait", "restart"], "default": "wait"},
    "wave_size": {"type": "int", "default": 10},
    "gate_timeout": {"type": "float", "default": 600},
    "istiod_grace": {"type": "float", "default": 120},
    "interval": {"type": "float", "default": 2},
    "proxy_timeout": {"type": "float", "default": 5},
    "proxies_timeout": {"type": "float", "default": 60},
}


@contained
def main() -> None:
    """Entry point."""
    module = MeshModule(
        argument_spec={**AUTH_ARG_SPEC, **ARGUMENT_SPEC},
        supports_check_mode=True,
        required_one_of=[("goal", "rollback")],
        required_if=[("rollback", False, ["goal"])],
    )
    for missing, library in ((IMPORT_ERROR, "kubernetes"), (CRYPTOGRAPHY_ERROR, "cryptography")):
        if missing:
            module.fail_json(msg=missing_required_lib(library), exception=missing)
    run = None
    try:
        run = RotationRun(module.params, check_mode=module.check_mode)
        run.go()
    except MeshError as exc:
        module.fail_json(msg=str(exc), **(run.result() if run else {"changed": False, "turns": [], "lines": []}))
    else:
        module.exit_json(**run.result())


if __name__ == "__main__":
    main()
