# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter certificates_wanted."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificates_wanted
short_description: What a mesh's intent says of its certificates
version_added: "0.1.0"
description:
  - Takes the intended certificates of a mesh, and returns what own_ca issues, what pem is given, and the objects that are made of both.
  - C(entries) holds what the user gave, keys and passphrases included. The rest of the answer has no secret.
author:
  - meshops.mesh contributors (@meshops)
options:
  _input:
    description: The variables C(certificates_*) of the role P(meshops.mesh.certificates#role), without their prefix.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Issue the hierarchy of a mesh
  meshops.mesh.certificate_authority:
    store: pki
    certificates: "{{ (intent | meshops.mesh.certificates_wanted).requests }}"
  vars:
    intent:
      mesh: travel
      control_plane: {name: production, namespace: prod-istio-system}
      gateways: [{name: travel-tls, hosts: [travel.example.com]}]
"""

RETURN = r"""
_value:
  description: What is wanted.
  type: dict
  contains:
    refusals:
      description: What cannot be without a CA of the mesh, a sentence for each.
      type: list
      elements: str
    requests:
      description: The hierarchy, as the option C(certificates) of M(meshops.mesh.certificate_authority).
      type: list
      elements: dict
    entries:
      description: The mesh's CA, its gateways and its clients, each with C(role), which is V(authority), V(gateway) or V(client).
      type: list
      elements: dict
    from_secret:
      description: C(NAMESPACE/NAME) of each Secret that has what an entry wants.
      type: list
      elements: str
    files:
      description: Paths of the files that pem is given.
      type: list
      elements: str
    objects:
      description: The Secrets and ConfigMaps, as much of each as its removal needs.
      type: list
      elements: dict
    plugged:
      description: What makes up the CA of the mesh, as much of each object as its removal needs.
      type: list
      elements: dict
    config_maps:
      description: The ConfigMaps with roots, as the option C(config_maps) of M(meshops.mesh.certificate_check).
      type: list
      elements: dict
    queries:
      description: Questions for M(meshops.mesh.mesh_objects_info), about the C(secrets) of C(from_secret) and the C(pods) of the mesh.
      type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._certificates import request
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.refusals import unasked_refusals
from ansible_collections.meshops.mesh.plugins.plugin_utils.certificate_filters import intent_of, quoting_nothing


def certificates_wanted(variables: Any) -> dict[str, Any]:
    """As the pure functions."""
    with quoting_nothing("certificates_wanted"):
        intent = intent_of(variables)
        return {
            "refusals": unasked_refusals(intent),
            "requests": request.requests(intent),
            "entries": intent.entries,
            "from_secret": [str(one["from_secret"]) for one in request.with_secret(intent)],
            "files": request.pem_files(intent),
            "objects": request.objects_made(intent),
            "plugged": request.objects_plugged(intent),
            "config_maps": request.config_map_checks(intent),
            "queries": {"secrets": request.secret_queries(intent), "pods": request.pod_queries(intent)},
        }


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"certificates_wanted": certificates_wanted}
