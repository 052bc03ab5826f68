# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What an installation does, from operators to applications."""

from __future__ import annotations

from dataclasses import replace

from .certificates import ISSUE
from .right import WRITE, Right, Where, namespaces_made
from .traffic import TRAFFIC, TRAFFIC_READS, of_intent

__all__ = ["INSTALL", "PRUNE"]

_OLM, _RBAC, _SAIL, _MAISTRA = "operators.coreos.com", "rbac.authorization.k8s.io", "sailoperator.io", "maistra.io"
_PACKAGES = "packages.operators.coreos.com"
_GRANTS = "gateways, tools and personas get their rights; without escalate and bind an account can grant only what it has itself"
_TAKES = "rights are taken from personas that left the intent, wherever they had them"
_OTHERS = "operators and control planes of others are looked for before anything is written"
_ROUTES = "Routes of OpenShift to the gateways and tools"
_CRDS = "customresourcedefinitions.apiextensions.k8s.io"
_API = "gateways of the Gateway API, each with its scale and its routes"
_OUTSIDE = "what is outside of the mesh (mesh_external_services)"
_PROJECTS = "gateways in the namespaces of projects, each with its own account, scale and Gateways"

PRUNE = Right(
    "*.*",
    ("list", "delete"),
    Where.CLUSTER,
    "what is not wanted any more is looked for at every kind of the API, and goes",
    when=("prune",),
)

# What a further gateway needs, too: the control plane with its gateways, and their routes.
_OF_GATEWAYS: tuple[Right, ...] = (
    *namespaces_made("namespaces are labelled as members, unless others have them", "list"),
    Right(f"istios.{_SAIL}", WRITE, Where.CLUSTER, "the control plane", when=("ossm3",)),
    Right(f"istiocnis.{_SAIL}", WRITE, Where.CLUSTER, "the CNI plugin", when=("cni",)),
    Right(f"istiorevisiontags.{_SAIL}", WRITE, Where.CLUSTER, "the tag by which members choose a revision", when=("revisions",)),
    Right(
        f"istiorevisions.{_SAIL}",
        ("get", "list"),
        Where.CLUSTER,
        "the active revision, while it is waited for, and which of them are of this mesh",
        when=("ossm3",),
    ),
    Right(f"servicemeshcontrolplanes.{_MAISTRA}", WRITE, Where.PLANE, "the control plane", when=("ossm2",)),
    Right(f"roles.{_RBAC}", (*WRITE, "escalate", "bind"), Where.PLANE, _GRANTS),
    Right(f"rolebindings.{_RBAC}", WRITE, Where.PLANE, _GRANTS),
    Right("serviceaccounts", WRITE, Where.MESH, "identities of gateways, tools and applications"),
    Right("services", WRITE, Where.MESH, "gateways, tools and applications"),
    Right("deployments.apps", WRITE, Where.MESH, "gateways, tools and applications"),
    Right("poddisruptionbudgets.policy", WRITE, Where.PLANE, "gateways stay up while nodes are drained", when=("ossm3",)),
    Right("peerauthentications.security.istio.io", WRITE, Where.PLANE, "mutual TLS of the mesh", when=("ossm3",)),
    Right("telemetries.telemetry.istio.io", WRITE, Where.PLANE, "access logs and tracing", when=("ossm3", "spans")),
    Right("sidecars.networking.istio.io", WRITE, Where.PLANE, "what proxies know of (sidecar_hosts)", when=("scope",)),
    Right("gateways.networking.istio.io", WRITE, Where.PLANE, "the gateways of the intent"),
    Right("virtualservices.networking.istio.io", WRITE, Where.MESH, "the routes of the gateways"),
    Right("routes.route.openshift.io", (*WRITE, "list"), Where.PLANE, _ROUTES, when=("routes",)),
    Right(
        "routes.route.openshift.io/custom-host",
        ("create", "update"),
        Where.PLANE,
        "OpenShift asks for it of whoever gives a Route the host of a gateway",
        when=("routes",),
    ),
    *(
        Right(resource, (*WRITE, *more), Where.PROJECTS, _PROJECTS, when=("project_gateways",))
        for resource, more in (
            (f"roles.{_RBAC}", ("escalate", "bind")),
            (f"rolebindings.{_RBAC}", ()),
            ("horizontalpodautoscalers.autoscaling", ()),
            ("poddisruptionbudgets.policy", ()),
            ("gateways.networking.istio.io", ()),
        )
    ),
    Right("routes.route.openshift.io", WRITE, Where.PROJECTS, _PROJECTS, when=("routes",)),
    Right("routes.route.openshift.io/custom-host", ("create", "update"), Where.PROJECTS, _PROJECTS, when=("routes",)),
    *(
        Right(resource, WRITE, Where.API_GATEWAYS, _API, when=("api_gateways",))
        for resource in ("gateways.gateway.networking.k8s.io", "horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy")
    ),
    Right("httproutes.gateway.networking.k8s.io", WRITE, Where.MESH, _API, when=("api_gateways",)),
    Right("gatewayclasses.gateway.networking.k8s.io", ("get",), Where.CLUSTER, "why nobody takes a Gateway", when=("api_gateways",)),
    Right("routes.route.openshift.io", WRITE, Where.API_GATEWAYS, _API, when=("routes",)),
    Right("routes.route.openshift.io/custom-host", ("create", "update"), Where.API_GATEWAYS, _API, when=("routes",)),
    Right(_CRDS, ("get",), Where.CLUSTER, "whether the cluster has the Gateway API", when=("api_gateways",)),
    Right(
        _CRDS, ("create", "patch"), Where.CLUSTER, "the definitions of the Gateway API, where the cluster has none", when=("definitions",)
    ),
    Right("clusterversions.config.openshift.io", ("get",), Where.CLUSTER, "whether the platform brings them", when=("api_gateways",)),
    PRUNE,
)
_OF_ALL_ELSE: tuple[Right, ...] = (
    Right("pods", ("list",), Where.CLUSTER, "whether operators come up, and who has a proxy"),
    Right(f"subscriptions.{_OLM}", (*WRITE, "list"), Where.CLUSTER, "operators are subscribed", when=("olm",)),
    Right(f"operatorgroups.{_OLM}", (*WRITE, "list"), Where.CLUSTER, "operators with a namespace of their own need one", when=("olm",)),
    Right(f"catalogsources.{_OLM}", ("list",), Where.CLUSTER, "whether the catalogues work", when=("olm",)),
    Right(f"clusterserviceversions.{_OLM}", ("list",), Where.CLUSTER, "whether the operators work", when=("olm",)),
    Right(
        f"packagemanifests.{_PACKAGES}",
        ("get", "list"),
        Where.CLUSTER,
        "whether the catalogues have the packages and channels, before anything is written; all of them where one is missing",
        when=("olm",),
    ),
    Right(f"installplans.{_OLM}", ("list",), Where.CLUSTER, "install plans are followed", when=("olm",)),
    Right(f"installplans.{_OLM}", ("patch",), Where.CLUSTER, "install plans are approved", when=("manual",)),
    Right(_CRDS, ("get",), Where.CLUSTER, "whether the operator has brought its kinds", when=("none",)),
    Right("deployments.apps", ("list",), Where.CLUSTER, _OTHERS, when=("olm",)),
    Right(f"servicemeshcontrolplanes.{_MAISTRA}", ("list",), Where.CLUSTER, _OTHERS),
    Right(f"istios.{_SAIL}", ("list",), Where.CLUSTER, _OTHERS),
    Right(f"servicemeshmemberrolls.{_MAISTRA}", WRITE, Where.PLANE, "the members", when=("roll",)),
    Right(f"servicemeshmemberrolls.{_MAISTRA}", ("get",), Where.PLANE, "whether the members have come", when=("members",)),
    Right(f"servicemeshmembers.{_MAISTRA}", WRITE, Where.MEMBERS, "the members", when=("members",)),
    Right("pods", ("update",), Where.MEMBERS, "OSSM 2 asks for it of whoever names a namespace in the roll", when=("roll",)),
    Right(f"servicemeshcontrolplanes.{_MAISTRA}", ("use",), Where.PLANE, "OSSM 2 asks for it of whoever makes a member", when=("members",)),
    Right(f"clusterroles.{_RBAC}", (*WRITE, "escalate", "bind"), Where.CLUSTER, _GRANTS),
    Right(f"clusterroles.{_RBAC}", ("list", "delete"), Where.CLUSTER, _TAKES),
    Right(f"clusterrolebindings.{_RBAC}", WRITE, Where.CLUSTER, _GRANTS),
    Right(f"clusterrolebindings.{_RBAC}", ("list", "delete"), Where.CLUSTER, _TAKES),
    Right(f"roles.{_RBAC}", (*WRITE, "escalate", "bind"), Where.MEMBERS, _GRANTS),
    Right(f"roles.{_RBAC}", ("list",), Where.CLUSTER, "tells which role grants too much", when=("proof",)),
    Right(f"rolebindings.{_RBAC}", WRITE, Where.MEMBERS, _GRANTS),
    Right(f"rolebindings.{_RBAC}", ("list", "delete"), Where.CLUSTER, _TAKES),
    Right("configmaps", WRITE, Where.PLANE, "settings of the tools", when=("prometheus", "grafana")),
    Right("persistentvolumeclaims", WRITE, Where.PLANE, "storage of the tools", when=("volumes",)),
    Right("peerauthentications.security.istio.io", WRITE, Where.EXEMPT, "exemptions from mutual TLS (mesh_mtls)", when=("exempt",)),
    Right("destinationrules.networking.istio.io", WRITE, Where.EXEMPT, "callers of what has no mutual TLS (mesh_mtls)", when=("exempt",)),
    Right("networkpolicies.networking.k8s.io", WRITE, Where.MESH, "projects are closed (mesh_isolation)", when=("isolation",)),
    Right("serviceentries.networking.istio.io", WRITE, Where.PLANE, _OUTSIDE, when=("egress",)),
    Right("serviceentries.networking.istio.io", ("list",), Where.CLUSTER, "finds hosts that somebody else registered", when=("egress",)),
    Right("destinationrules.networking.istio.io", WRITE, Where.MESH, "proxies begin TLS (mesh_external_services)", when=("egress",)),
    Right("kialis.kiali.io", WRITE, Where.PLANE, "the console", when=("kiali",)),
    Right("jaegers.jaegertracing.io", WRITE, Where.PLANE, "tracing", when=("jaeger",)),
    Right("tempomonolithics.tempo.grafana.com", WRITE, Where.PLANE, "tracing", when=("monolithic",)),
    Right("tempostacks.tempo.grafana.com", WRITE, Where.PLANE, "tracing", when=("stack",)),
    Right("opentelemetrycollectors.opentelemetry.io", WRITE, Where.PLANE, "tracing", when=("opentelemetry",)),
    Right("secrets", WRITE, Where.SECRETS, "Secrets of the intent's workloads", when=("secrets",)),
)
INSTALL: tuple[Right, ...] = (
    *_OF_GATEWAYS,
    *(replace(right, work="mesh") for right in (*_OF_ALL_ELSE, *of_intent((*TRAFFIC, *TRAFFIC_READS)), *ISSUE)),
)
