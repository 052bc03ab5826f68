# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a migration from OSSM 2.6 to 3 does: a second control plane, the moves, the way back, and the end of the first control plane."""

from __future__ import annotations

from .._model import kinds as k
from . import reads as kinds
from .right import WRITE, Right, Scope, Where, namespaces_made

__all__ = ["MIGRATION", "reads"]

_SAIL, _MAISTRA, _RBAC, _SECURITY = "sailoperator.io", "maistra.io", "rbac.authorization.k8s.io", "security.istio.io"
_ADMISSION = "admissionregistration.k8s.io"
_BOTH = (*WRITE, "delete")  # there, and on the way back away again
_NEW = "the new control plane, beside the old one"
_GATEWAYS = "the new gateways, behind the Services of the old ones"
_KEEPS = "what the old gateways leave to the new ones changes hands"
_MESH = "what is said for the whole mesh"
_END = "what stays in use changes hands before the old control plane goes"
_GONE, _LAST = "the old control plane and its members go", ("remove_ossm2",)

MIGRATION: tuple[Right, ...] = (
    Right(f"servicemeshcontrolplanes.{_MAISTRA}", ("get", "patch"), Where.PLANE, "whether it is there; its gateways go off and on"),
    *namespaces_made("members are labelled for the new control plane; the CNI plugin has one of its own"),
    *(Right(f"{plural}.{_SAIL}", _BOTH, Where.CLUSTER, _NEW) for plural in ("istios", "istiorevisiontags")),
    Right(f"istiocnis.{_SAIL}", WRITE, Where.CLUSTER, "the CNI plugin, where the cluster has none; it stays, as others may need it"),
    Right(f"istiorevisions.{_SAIL}", ("get",), Where.CLUSTER, "the active revision, while it is waited for"),
    Right("networkpolicies.networking.k8s.io", _BOTH, Where.MESH, "those of the operator of OSSM 2 are replaced, where it keeps any"),
    Right("networkpolicies.networking.k8s.io", _BOTH, Where.GATEWAYS, "the gateways stay open to their callers"),
    *(Right(resource, _BOTH, Where.PLANE, _MESH) for resource in (f"peerauthentications.{_SECURITY}", "telemetries.telemetry.istio.io")),
    Right("leases.coordination.k8s.io", WRITE, Where.PLANE, "one run at a time"),
    *(
        Right(f"{kind}.apps", ("patch",), Where.MEMBERS, "workloads are restarted in waves")
        for kind in ("deployments", "statefulsets", "daemonsets")
    ),
    Right("poddisruptionbudgets.policy", ("list",), Where.MEMBERS, "how many may be away at a time"),
    *(
        Right(resource, _BOTH, Where.GATEWAYS, _GATEWAYS)
        for resource in ("deployments.apps", "horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy")
    ),
    *(Right(resource, ("get", "patch"), Where.GATEWAYS, _KEEPS) for resource in ("services", "serviceaccounts")),
    Right(f"rolebindings.{_RBAC}", WRITE, Where.GATEWAYS, _KEEPS),
    Right(
        f"roles.{_RBAC}",
        (*WRITE, "escalate", "bind"),
        Where.GATEWAYS,
        f"{_KEEPS}; without escalate and bind an account can grant only what it has itself",
    ),
    Right("pods/exec", ("get", "create"), Where.MESH, "calls are made after each move", when=("calls",)),
    Right("configmaps", ("get",), Where.PLANE, "whether a stage of access is not proven yet", when=("calls",)),
    Right("kialis.kiali.io", ("get", "patch"), Where.PLANE, _END, when=_LAST),
    Right("jaegers.jaegertracing.io", ("patch",), Where.PLANE, _END, when=_LAST),
    Right(f"servicemeshcontrolplanes.{_MAISTRA}", ("delete",), Where.PLANE, _GONE, when=_LAST),
    Right(f"servicemeshmemberrolls.{_MAISTRA}", ("get", "delete"), Where.PLANE, _GONE, when=_LAST),
    Right(f"servicemeshmembers.{_MAISTRA}", ("get", "delete"), Where.MEMBERS, _GONE, when=_LAST),
    *(
        Right(f"{kind}.{_ADMISSION}", ("delete",), Where.CLUSTER, "those of its istiod go, where its operator leaves them", when=_LAST)
        for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
    ),
)


def reads(_scope: Scope) -> list[Right]:
    """The plan, its checks and steps, and what may call what before and after. Without the Gateways no Secret of theirs is looked for."""
    plan = kinds.listed(kinds.MIGRATION, lambda _kind: "read by the plan of a migration, its checks and its steps")
    own = [right for right in plan if right.where is not Where.GATEWAYS or k.GATEWAY in kinds.MIGRATION]
    return [*own, *kinds.listed(kinds.ACCESS, lambda _kind: "what may call what, before and after each move")]
