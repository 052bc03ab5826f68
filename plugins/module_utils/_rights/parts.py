# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What of an intent decides which rights are needed, as words: those that the table asks for, and that docs/rights.md shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._model.fields import section
from .._model.packages import rendered_of, tools_of

__all__ = ["PARTS", "parts_of"]

# Each word, with what it says of an intent.
PARTS: Mapping[str, str] = {
    "ossm2": "`mesh_provider` is `ossm2`",
    "ossm3": "`mesh_provider` is `ossm3` or `sail`",
    "olm": "`mesh_operators_provider` is `olm`",
    "manual": "install plans are approved by us (`mesh_operators_approval` is `Manual`)",
    "none": "`mesh_operators_provider` is `none`",
    "namespaces": "`mesh_namespaces_by` is `namespace`",
    "projects": "`mesh_namespaces_by` is `project`",
    "cni": "`ossm3`, whose CNI plugin is ours (`mesh_control_plane.cni.manage`)",
    "revisions": "`mesh_control_plane.update_strategy` is `RevisionBased`, or `revision_tag` is set",
    "roll": "`ossm2` with a ServiceMeshMemberRoll",
    "members": "`ossm2` with a ServiceMeshMember in each namespace (`mesh_membership_style`)",
    "personas": "`mesh_personas` is not empty",
    "proof": "`personas`, while `mesh_check_categories` or `mesh_check_only` leave checks out",
    "prometheus": "Prometheus is rendered here: always, but for `enabled: false` and for the addon of `ossm2`",
    "grafana": "Grafana is rendered here",
    "kiali": "Kiali is rendered here",
    "volumes": "one of these three has `storage`",
    "jaeger": "`mesh_observability.jaeger`",
    "monolithic": "`mesh_observability.tempo`",
    "stack": "`mesh_observability.tempo` with the mode `stack`",
    "opentelemetry": "a collector stands before Tempo",
    "spans": "`mesh_control_plane.tracing.provider` is `opentelemetry`",
    "scope": "`mesh_control_plane.sidecar_hosts` is not empty",
    "routes": "OpenShift's Routes are made (`mesh_routes`)",
    "traffic": "`mesh_traffic` is set",
    "http_routes": "`traffic`, by the Gateway API (`mesh_traffic_api`, an ambient mesh, or `api_gateways`)",
    "exempt": "`mesh_mtls` exempts something from mutual TLS",
    "project_gateways": "`mesh_project_gateways` is not empty",
    "api_gateways": "one of `mesh_gateways` is of the Gateway API (`api: gateway`)",
    "definitions": "`api_gateways`, with a file of its definitions (`mesh_gateway_api_definitions`)",
    "isolation": "`mesh_isolation` is set",
    "egress": "`mesh_external_services` is set",
    "multicluster": "`mesh_topology` is set",
    "secrets": "`mesh_workloads` has Secrets",
    "cert_manager": "`mesh_certificates_provider` is `cert_manager`",
    "authority": "a CA of the mesh is asked for (`mesh_certificates_authority`, `mesh_certificates_root`, or an issuer)",
    "served": "`mesh_certificates_gateways` or `mesh_certificates_clients` is not empty",
    "issuers": "`cert_manager`, and `authority` or `served`",
    "istio_csr": "`cert_manager`, and `mesh_control_plane.certificate_authority` is istio-csr",
    "given": "certificates are taken from Secrets (`from_secret`)",
    "trust": "`mesh_certificates_trust` is not empty",
    "restart": "workloads are restarted for new certificates (`mesh_certificates_rotation.renew`)",
    "probe": "calls are made after each wave (`mesh_upgrade.probe`)",
    "queries": "a Prometheus is asked through the API server after each wave (`mesh_upgrade.queries` with a `service`)",
    "calls": "calls are made after each move (`mesh_access` or `migration_access`, and `migration_probe`)",
    "remove_ossm2": "`migration_remove`",
    "prune": "`mesh_prune`",
    "remove_namespaces": "`mesh_remove_namespaces`",
    "remove_volumes": "`mesh_remove_volumes`",
    "remove_operators": "`mesh_remove_operators`",
}


def _mesh(params: Mapping[str, Any]) -> set[str]:
    """The control plane, and how it has its members. Where no provider is given both generations count."""
    plane, generation = params.get("control_plane") or {}, params.get("provider")
    found = set()
    if generation in (None, "ossm2"):
        found |= {"ossm2", "roll" if params["membership_style"] == "roll" else "members"}
    if generation != "ossm2":
        found |= {
            "ossm3",
            *(["cni"] if section(plane, "cni").get("manage", True) else []),
            *(["revisions"] if plane.get("update_strategy") == "RevisionBased" or plane.get("revision_tag") else []),
        }
    found |= {"scope"} if plane.get("sidecar_hosts") else set()
    return found | ({"spans"} if section(plane, "tracing").get("provider") == "opentelemetry" else set())


def _tools(params: Mapping[str, Any]) -> set[str]:
    """What watches it."""
    seen = params["observability"] or {}
    found = {*rendered_of(params.get("provider"), seen), *({"jaeger", "opentelemetry"} & {*tools_of(seen)})}
    if "tempo" in tools_of(seen):
        found.add("stack" if section(seen, "tempo").get("mode") == "stack" else "monolithic")
    return found


def parts_of(params: Mapping[str, Any]) -> frozenset[str]:
    """The words of an intent, as the options of mesh_rights_info have it."""
    made = "projects" if params["namespaces_by"] == "project" else "namespaces"
    found = _mesh(params) | _tools(params) | {made, params["operators"], *(["olm"] if params["operators"] == "manual" else [])}
    if params.get("personas"):
        found |= {"personas", *(["proof"] if params["categories"] or params["only"] else [])}
    certificates, upgrade, migration = params["certificates"], params["upgrade"], params["migration"]
    switched = {
        "routes": params["routes"],
        "traffic": params["traffic"],
        "http_routes": "gateway" in params["traffic"],
        "isolation": "isolation" in params["features"],
        "api_gateways": params["api_gateway_namespaces"],
        "definitions": params["api_gateway_namespaces"] and "gateway_definitions" in params["features"],
        "egress": "egress" in params["features"],
        "multicluster": "multicluster" in params["features"],
        "exempt": params["exempt_namespaces"],
        "project_gateways": params["project_namespaces"],
        "secrets": params["secret_namespaces"],
        "cert_manager": certificates["provider"] == "cert_manager",
        **dict.fromkeys(certificates["asked"], True),
        "issuers": certificates["provider"] == "cert_manager" and certificates["asked"],
        "restart": certificates["renew"] == "restart",
        **{word: certificates[word] for word in ("given", "trust")},
        **{word: upgrade[word] for word in ("probe", "queries")},
        "calls": migration["calls"],
        "remove_ossm2": migration["remove"],
        "prune": params["prune"],
    }
    return frozenset(found | {word for word, on in switched.items() if on} | {f"remove_{what}" for what in params["removes"]})
