# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What connects clusters of one mesh: each is opened to the others, and its istiod is let read them."""

from __future__ import annotations

from dataclasses import replace

from .._catalogue import kinds_read
from .._checks.types import Options
from .._multicluster.topology import READER
from .reads import listed
from .right import WRITE, Right, Scope, Where

__all__ = ["MULTICLUSTER", "REMOVED", "reads"]

_RBAC = "rbac.authorization.k8s.io"
_READER = "the account with which the control planes of the other clusters read this one"
_GATEWAY = "the gateway by which calls of the other clusters come in"
_ACCESS = "how istiod reads the other clusters"

_MADE: tuple[Right, ...] = (
    Right("serviceaccounts", WRITE, Where.PLANE, _READER),
    Right(f"clusterroles.{_RBAC}", (*WRITE, "escalate", "bind"), Where.CLUSTER, _READER),
    Right(f"clusterrolebindings.{_RBAC}", WRITE, Where.CLUSTER, _READER),
    *(
        Right(resource, WRITE, Where.PLANE, _GATEWAY)
        for resource in (
            "services",
            "deployments.apps",
            "horizontalpodautoscalers.autoscaling",
            "poddisruptionbudgets.policy",
            "gateways.networking.istio.io",
        )
    ),
    Right("secrets", WRITE, Where.PLANE, _ACCESS),
)
_GONE: tuple[Right, ...] = tuple(replace(right, verbs=("get", "delete")) for right in _MADE)
REMOVED: tuple[Right, ...] = tuple(replace(right, when=("multicluster",)) for right in _GONE)
MULTICLUSTER: tuple[Right, ...] = (
    *_MADE,
    *_GONE,
    Right("serviceaccounts/token", ("create",), Where.PLANE, "tokens of this account for the others", names=(READER,)),
    Right("namespaces", ("get",), Where.CLUSTER, "whether two hosts of the inventory are one cluster", names=("kube-system",)),
    Right("configmaps", ("get",), Where.PLANE, "the CA of the API server, where the login names none", names=("kube-root-ca.crt",)),
    Right("pods", ("list",), Where.PLANE, "the pods of istiod, which are asked what they read"),
    Right("pods/portforward", ("get", "create"), Where.PLANE, "istiod is asked which clusters it reads"),
)


def reads(scope: Scope) -> list[Right]:
    """What the proof reads: the checks of clusters, and whether they share a root."""
    kinds = kinds_read(scope.intent, Options(categories=("multicluster",))) | kinds_read(scope.intent, Options(only=("OSM2509",)))
    return listed(kinds, lambda _kind: "whether the clusters are connected, and share a root")
