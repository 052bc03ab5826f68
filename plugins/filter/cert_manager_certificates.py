# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter cert_manager_certificates."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cert_manager_certificates
short_description: What cert-manager is asked for
version_added: "0.1.0"
description:
  - Takes the intended certificates of a mesh, and returns who signs, what each Certificate says, what istio-csr serves and what is refused.
  - Nothing of the answer is a secret.
author:
  - meshops.mesh contributors (@meshops)
positional: running
options:
  _input:
    description: The variables C(certificates_*) of the role P(meshops.mesh.certificates#role), without their prefix.
    type: dict
    required: true
  running:
    description: Names of the revisions of Istio that the cluster has, which istio-csr has to serve as well.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Refuse what cert-manager cannot do
  ansible.builtin.assert:
    that: (intent | meshops.mesh.cert_manager_certificates).refusals | length == 0
"""

RETURN = r"""
_value:
  description: What is asked for.
  type: dict
  contains:
    roots:
      description: Certificates of roots, where no issuer is named. Each has C(role), C(name), C(namespace), C(issuer), C(subject),
        C(names), C(common_name), C(duration), C(renew_before), C(algorithm), C(size) and C(client_roots).
      type: list
      elements: dict
    leaves:
      description: The other Certificates, with the same fields.
      type: list
      elements: dict
    cacerts:
      description: Whether istiod's CA is one of them.
      type: bool
    issuer:
      description: Who signs the CA of the mesh, or what istio-csr asks for.
      type: dict
    istio_csr:
      description: Whether istio-csr takes the place of istiod's CA (C(enabled)) and its C(IstioCSR) is made (C(managed)), its C(address),
        C(namespace), C(port), C(revisions) and C(selector).
      type: dict
    objects:
      description: Secrets and ConfigMaps that go with the Certificates, as much of each as its removal needs.
      type: list
      elements: dict
    queries:
      description: Questions for M(meshops.mesh.mesh_objects_info), about named C(issuers), all C(secrets) that cert-manager writes,
        and those of them (C(unsaved)) that are not saved before, which are all but C(cacerts).
      type: dict
    refusals:
      description: A sentence for each thing that cert-manager cannot do.
      type: list
      elements: str
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._certificates import cert_manager
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.refusals import cert_manager_refusals
from ansible_collections.meshops.mesh.plugins.plugin_utils.certificate_filters import intent_of, quoting_nothing


def cert_manager_certificates(variables: Any, running: Sequence[str] = ()) -> dict[str, Any]:
    """As the pure functions."""
    with quoting_nothing("cert_manager_certificates"):
        intent = intent_of(variables)
        rows = cert_manager.rows(intent)
        return {
            "roots": [asdict(one) for one in rows if one.role == "root"],
            "leaves": [asdict(one) for one in rows if one.role != "root"],
            "cacerts": cert_manager.wants_cacerts(intent),
            "issuer": cert_manager.mesh_issuer(intent),
            "istio_csr": asdict(cert_manager.istio_csr(intent, running)),
            "objects": cert_manager.leaf_objects(intent),
            "queries": {
                "issuers": cert_manager.issuer_queries(intent),
                "secrets": cert_manager.row_queries(rows),
                "unsaved": cert_manager.row_queries(one for one in rows if one.role != "authority"),
            },
            "refusals": cert_manager_refusals(intent),
        }


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"cert_manager_certificates": cert_manager_certificates}
