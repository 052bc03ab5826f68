# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a removal does: it takes away what an installation has written, and looks for what of others would go with it."""

from __future__ import annotations

from .._model.secrets_used import CACERTS
from .install import INSTALL
from .multicluster import REMOVED
from .right import Right, Where
from .traffic import TRAFFIC_READS, of_intent

__all__ = ["REMOVE"]

_OLM, _SAIL, _MAISTRA = "operators.coreos.com", "sailoperator.io", "maistra.io"
_GONE = "what install_mesh made goes"
_OWNERS = "whose pods have a proxy: those of others keep the mesh from being removed"
_ACCESS = "rules of access go"
_LEFT = "whether others have objects that would no longer be managed"
_KEPT = ("namespaces", "persistentvolumeclaims", f"subscriptions.{_OLM}", f"operatorgroups.{_OLM}")  # each with a switch of its own
# nothing of a request is there afterwards, and the definitions of the Gateway API are everybody's
_ASKED = ("projectrequests.project.openshift.io", "customresourcedefinitions.apiextensions.k8s.io")


def _copies(row: Right) -> bool:
    """The right to keep a CA that was there before."""
    return row.resource == "secrets" and row.where is Where.PLANE


REMOVE: tuple[Right, ...] = (
    *(
        Right(row.resource, ("get", "delete"), row.where, _GONE, row.when)
        for row in INSTALL
        if "create" in row.verbs and row.resource not in (*_KEPT, *_ASKED) and "/" not in row.resource and not _copies(row)
    ),
    *of_intent(TRAFFIC_READS),
    *REMOVED,
    Right("secrets", ("get", "delete"), Where.PLANE, "the CA that we made goes, and its copies stay", names=(CACERTS,)),
    Right("namespaces", ("get", "list", "patch"), Where.CLUSTER, "namespaces leave the mesh"),
    Right("pods", ("list",), Where.CLUSTER, _OWNERS),
    *(
        Right(resource, ("get",), Where.CLUSTER, _OWNERS)
        for resource in ("deployments.apps", "replicasets.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch", "cronjobs.batch")
    ),
    Right(f"istiorevisions.{_SAIL}", ("list",), Where.CLUSTER, "which of them are of this mesh", when=("ossm3",)),
    Right(f"istios.{_SAIL}", ("list",), Where.CLUSTER, "whether another control plane needs the CNI plugin", when=("cni",)),
    *(
        Right(f"{kind}.security.istio.io", ("list",), Where.CLUSTER, _ACCESS)
        for kind in ("authorizationpolicies", "peerauthentications", "requestauthentications")
    ),
    *(Right(f"{kind}.networking.istio.io", ("list",), Where.CLUSTER, _ACCESS) for kind in ("destinationrules", "sidecars")),
    *(
        Right(f"{kind}.security.istio.io", ("get", "delete"), Where.MESH, _ACCESS)
        for kind in ("authorizationpolicies", "peerauthentications", "requestauthentications")
    ),
    *(Right(f"{kind}.networking.istio.io", ("get", "delete"), Where.MESH, _ACCESS) for kind in ("destinationrules", "sidecars")),
    Right("configmaps", ("get", "delete"), Where.PLANE, "a stage of access that was not proven is forgotten"),
    Right("persistentvolumeclaims", ("get",), Where.PLANE, "volumes are named, and stay", when=("volumes",)),
    Right("persistentvolumeclaims", ("delete",), Where.PLANE, "volumes that we made go", when=("remove_volumes",)),
    Right("namespaces", ("delete",), Where.CLUSTER, "namespaces that we made go", when=("remove_namespaces",)),
    Right(
        "*.*",
        ("list",),
        Where.SPACES,
        "whether something of others is in a namespace that would go; only metadata is asked for, also "
        "of Secrets, but no right says so: it is the right to read all that is in them",
        when=("remove_namespaces",),
    ),
    Right(f"subscriptions.{_OLM}", ("get", "list", "delete"), Where.CLUSTER, "operators go", when=("remove_operators",)),
    Right(f"clusterserviceversions.{_OLM}", ("get", "delete"), Where.CLUSTER, "operators go", when=("remove_operators",)),
    Right(f"operatorgroups.{_OLM}", ("get", "delete"), Where.CLUSTER, "operators go", when=("remove_operators",)),
    *(
        Right(f"*.{group}", ("list",), Where.CLUSTER, _LEFT, when=("remove_operators",))
        for group in (
            _SAIL,
            _MAISTRA,
            "federation.maistra.io",
            "networking.istio.io",
            "security.istio.io",
            "telemetry.istio.io",
            "extensions.istio.io",
            "kiali.io",
            "jaegertracing.io",
            "logging.openshift.io",
            "tempo.grafana.com",
            "opentelemetry.io",
        )
    ),
)
