# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The table of rights: family -> rules, each with its reason. What mesh_check reads follows from the checks themselves.

A test plays the playbooks as an account with these rights alone and finds no verb unused in the audit log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._inputs import intent_from
from .._model.packages import tools_of
from .access import ACCESS
from .access import reads as access_reads
from .certificates import CERTIFICATES
from .certificates import reads as certificates_reads
from .parts import parts_of
from .reads import check_reads
from .right import WRITE as _WRITE
from .right import Right, Scope, Where
from .upgrade import UPGRADE
from .upgrade import reads as upgrade_reads

__all__ = ["FAMILIES", "WORKS", "listed_by", "rights_of", "scope_from"]

_OLM, _RBAC, _SAIL, _MAISTRA = "operators.coreos.com", "rbac.authorization.k8s.io", "sailoperator.io", "maistra.io"
_PACKAGES = "packages.operators.coreos.com"
_GRANTS = "gateways, tools and personas get their rights; without escalate and bind nobody can grant what he has not himself"
_TAKES = "rights are taken from personas that left the intent, wherever they had them"
_OTHERS = "operators and control planes of others are looked for before anything is written"
_ROUTES = "Routes of OpenShift to the gateways and tools"

_INSTALL: tuple[Right, ...] = (
    Right("namespaces", (*_WRITE, "list"), Where.CLUSTER, "namespaces are made, and labelled as members unless others have them"),
    Right("pods", ("list",), Where.CLUSTER, "whether operators come up, and who has a proxy"),
    Right(f"subscriptions.{_OLM}", (*_WRITE, "list"), Where.CLUSTER, "operators are subscribed", when=("olm",)),
    Right(f"operatorgroups.{_OLM}", (*_WRITE, "list"), Where.CLUSTER, "operators with a namespace of their own need one", when=("olm",)),
    Right(f"catalogsources.{_OLM}", ("list",), Where.CLUSTER, "whether the catalogues work", when=("olm",)),
    Right(f"clusterserviceversions.{_OLM}", ("list",), Where.CLUSTER, "whether the operators work", when=("olm",)),
    Right(f"packagemanifests.{_PACKAGES}", ("get", "list"), Where.CLUSTER,
          "whether the catalogues have the packages and channels, before anything is written; all of them where one is missing",
          when=("olm",)),
    Right(f"installplans.{_OLM}", ("list",), Where.CLUSTER, "install plans are followed", when=("olm",)),
    Right(f"installplans.{_OLM}", ("patch",), Where.CLUSTER, "install plans are approved", when=("manual",)),
    Right("customresourcedefinitions.apiextensions.k8s.io", ("get",), Where.CLUSTER, "whether the operator has brought its kinds",
          when=("none",)),
    Right("deployments.apps", ("list",), Where.CLUSTER, _OTHERS, when=("olm",)),
    Right(f"istios.{_SAIL}", ("list",), Where.CLUSTER, _OTHERS),
    Right(f"servicemeshcontrolplanes.{_MAISTRA}", ("list",), Where.CLUSTER, _OTHERS),
    Right(f"istios.{_SAIL}", _WRITE, Where.CLUSTER, "the control plane", when=("ossm3",)),
    Right(f"istiocnis.{_SAIL}", _WRITE, Where.CLUSTER, "the CNI plugin", when=("cni",)),
    Right(f"istiorevisiontags.{_SAIL}", _WRITE, Where.CLUSTER, "the tag by which members choose a revision", when=("revisions",)),
    Right(f"istiorevisions.{_SAIL}", ("get", "list"), Where.CLUSTER,
          "the active revision, while it is waited for, and which of them are of this mesh", when=("ossm3",)),
    Right(f"servicemeshcontrolplanes.{_MAISTRA}", _WRITE, Where.PLANE, "the control plane", when=("ossm2",)),
    Right(f"servicemeshmemberrolls.{_MAISTRA}", _WRITE, Where.PLANE, "the members", when=("roll",)),
    Right(f"servicemeshmemberrolls.{_MAISTRA}", ("get",), Where.PLANE, "whether the members have come", when=("members",)),
    Right(f"servicemeshmembers.{_MAISTRA}", _WRITE, Where.MEMBERS, "the members", when=("members",)),
    Right("pods", ("update",), Where.MEMBERS, "OSSM 2 asks for it of whoever names a namespace in the roll", when=("roll",)),
    Right(f"servicemeshcontrolplanes.{_MAISTRA}", ("use",), Where.PLANE, "OSSM 2 asks for it of whoever makes a member",
          when=("members",)),
    Right(f"clusterroles.{_RBAC}", (*_WRITE, "escalate", "bind"), Where.CLUSTER, _GRANTS),
    Right(f"clusterroles.{_RBAC}", ("list", "delete"), Where.CLUSTER, _TAKES),
    Right(f"clusterrolebindings.{_RBAC}", _WRITE, Where.CLUSTER, _GRANTS),
    Right(f"clusterrolebindings.{_RBAC}", ("list", "delete"), Where.CLUSTER, _TAKES),
    Right(f"roles.{_RBAC}", (*_WRITE, "escalate", "bind"), Where.MESH, _GRANTS),
    Right(f"roles.{_RBAC}", ("list",), Where.CLUSTER, "tells by which role somebody can do too much", when=("proof",)),
    Right(f"rolebindings.{_RBAC}", _WRITE, Where.MESH, _GRANTS),
    Right(f"rolebindings.{_RBAC}", ("list", "delete"), Where.CLUSTER, _TAKES),
    Right("serviceaccounts", _WRITE, Where.MESH, "identities of gateways, tools and applications"),
    Right("services", _WRITE, Where.MESH, "gateways, tools and applications"),
    Right("deployments.apps", _WRITE, Where.MESH, "gateways, tools and applications"),
    Right("configmaps", _WRITE, Where.PLANE, "settings of the tools", when=("prometheus", "grafana")),
    Right("persistentvolumeclaims", _WRITE, Where.PLANE, "storage of the tools", when=("volumes",)),
    Right("poddisruptionbudgets.policy", _WRITE, Where.PLANE, "gateways stay up while nodes are drained", when=("ossm3",)),
    Right("peerauthentications.security.istio.io", _WRITE, Where.PLANE, "mutual TLS of the mesh", when=("ossm3",)),
    Right("peerauthentications.security.istio.io", _WRITE, Where.EXEMPT, "exemptions from mutual TLS (mesh_mtls)", when=("exempt",)),
    Right("destinationrules.networking.istio.io", _WRITE, Where.EXEMPT, "callers of what has no mutual TLS (mesh_mtls)", when=("exempt",)),
    Right("telemetries.telemetry.istio.io", _WRITE, Where.PLANE, "access logs and tracing", when=("ossm3", "spans")),
    Right("gateways.networking.istio.io", _WRITE, Where.PLANE, "the gateways of the intent"),
    Right("virtualservices.networking.istio.io", _WRITE, Where.MESH, "the routes of the gateways"),
    Right("routes.route.openshift.io", (*_WRITE, "list"), Where.PLANE, _ROUTES, when=("routes",)),
    Right("routes.route.openshift.io/custom-host", ("create", "update"), Where.PLANE,
          "OpenShift asks for it of whoever gives a Route the host of a gateway", when=("routes",)),
    Right("kialis.kiali.io", _WRITE, Where.PLANE, "the console", when=("kiali",)),
    Right("jaegers.jaegertracing.io", _WRITE, Where.PLANE, "tracing", when=("jaeger",)),
    Right("tempomonolithics.tempo.grafana.com", _WRITE, Where.PLANE, "tracing", when=("monolithic",)),
    Right("tempostacks.tempo.grafana.com", _WRITE, Where.PLANE, "tracing", when=("stack",)),
    Right("opentelemetrycollectors.opentelemetry.io", _WRITE, Where.PLANE, "tracing", when=("opentelemetry",)),
    Right("secrets", _WRITE, Where.SECRETS, "Secrets of the intent's workloads", when=("secrets",)),
)

# What the playbooks of a family do beside the check with which they end.
FAMILIES: Mapping[str, tuple[str, tuple[Right, ...]]] = {
    "check": ("check_mesh", ()),
    "install": ("install_mesh, travel_prod and travel_dev, from operators to applications and the check at the end", _INSTALL),
    "certificates": ("rotate_certificates, travel_corporate_ca and check_shared_root (work `authority`), and travel_https with the check "
                     "at the end (work `gateways`)", CERTIFICATES),
    "access": ("travel_zero_trust, travel_partner_jwt and access_from_traffic; check_access needs no cluster", ACCESS),
    "upgrade": ("upgrade_operators (work `operators`), upgrade_control_plane (work `control_plane`), restart_data_plane (work `proxies`), "
                "upgrade_data_plane (both of these), upgrade_mesh (all three) and plan_upgrade (work `plan`)", UPGRADE),
}
# What they read as it follows from code; where none is named, what mesh_check reads.
_READS: Mapping[str, Callable[[Scope], list[Right]]] = {
    "certificates": certificates_reads, "access": access_reads, "upgrade": upgrade_reads}
# What a family can be asked for a part of.
WORKS = tuple(sorted({right.work for _about, rights in FAMILIES.values() for right in rights if right.work} | {"plan"}))


def listed_by(family: str, scope: Scope) -> list[Right]:
    """What its playbooks read, as it follows from code."""
    return _READS.get(family, check_reads)(scope)


def _merged(rights: Sequence[Right]) -> list[Right]:
    """One row for each resource, place and names, so that a role has no rule twice."""
    rows: dict[tuple[str, Where, tuple[str, ...]], Right] = {}
    for right in rights:
        key = (right.resource, right.where, right.names)
        known = rows.get(key)
        if known is None:
            rows[key] = right
            continue
        whys = known.why if right.why in known.why else f"{known.why}; {right.why}"
        rows[key] = replace(known, verbs=tuple(dict.fromkeys((*known.verbs, *right.verbs))), why=whys)
    return list(rows.values())


def rights_of(family: str, scope: Scope) -> list[Right]:
    """The rights of a family for an intent."""
    rows = (*FAMILIES[family][1], *listed_by(family, scope))
    return _merged([right for right in rows if (not right.when or scope.parts & set(right.when))
                    and (not right.work or not scope.works or right.work in scope.works)])


def scope_from(params: Mapping[str, Any]) -> Scope:
    """What a module's options say."""
    intent = intent_from({**params, "observability": tools_of(params["observability"] or {})})
    return Scope(intent, tuple(params["gateway_namespaces"]), tuple(params["secret_namespaces"]), tuple(params["exempt_namespaces"]),
                 tuple(params["categories"]), tuple(params["only"]), parts_of(params), works=tuple(params["works"]),
                 **{name: tuple(params["certificates"][name]) for name in ("served", "given", "trust")})
