# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What the playbooks of upgrades do: operators, control plane, and proxies in waves."""

from __future__ import annotations

from dataclasses import replace

from . import reads as kinds
from .right import WRITE, Right, Scope, Where

__all__ = ["UPGRADE", "reads"]

_OLM, _RBAC, _SECURITY = "operators.coreos.com", "rbac.authorization.k8s.io", "security.istio.io"
_MOVES, _PLANE, _PROXIES, _PLAN = "operators", "control_plane", "proxies", "plan"
_AS_BEFORE = "whether it is as in the inventory, and made so"
UPGRADE: tuple[Right, ...] = (
    Right(f"subscriptions.{_OLM}", ("get", "patch"), Where.CLUSTER, "operators go to their channels", when=("olm",), work=_MOVES),
    *(
        Right(resource, ("get",), Where.CLUSTER, "whether they are as they should be", when=("olm",), work=_MOVES)
        for resource in ("namespaces", f"operatorgroups.{_OLM}")
    ),
    Right(
        "packagemanifests.packages.operators.coreos.com",
        ("get",),
        Where.CLUSTER,
        "whether the catalogues have what is wanted",
        when=("olm",),
        work=_MOVES,
    ),
    Right(
        f"installplans.{_OLM}", ("patch",), Where.CLUSTER, "install plans are approved, one hop after the other", when=("olm",), work=_MOVES
    ),
    Right("istios.sailoperator.io", ("get",), Where.CLUSTER, "where the control plane is", when=("ossm3",)),
    Right("servicemeshcontrolplanes.maistra.io", ("get",), Where.PLANE, "where the control plane is", when=("ossm2",)),
    Right(
        "customresourcedefinitions.apiextensions.k8s.io",
        ("get",),
        Where.CLUSTER,
        "which versions the operator knows",
        when=("ossm3",),
        names=("istios.sailoperator.io",),
        work=_PLANE,
    ),
    Right("istios.sailoperator.io", ("patch",), Where.CLUSTER, "it goes to its version", when=("ossm3",), work=_PLANE),
    Right("servicemeshcontrolplanes.maistra.io", ("patch",), Where.PLANE, "it goes to its version", when=("ossm2",), work=_PLANE),
    Right("istiocnis.sailoperator.io", ("get", "patch"), Where.CLUSTER, "the CNI plugin goes with it", when=("ossm3",), work=_PLANE),
    Right(
        "istiorevisions.sailoperator.io",
        ("get",),
        Where.CLUSTER,
        "the active revision, while it is waited for",
        when=("ossm3",),
        work=_PLANE,
    ),
    Right("namespaces", ("get", "patch"), Where.CLUSTER, _AS_BEFORE, work=_PLANE),
    *(
        Right(resource, ("get", "patch"), Where.PLANE, _AS_BEFORE, when=("ossm3",), work=_PLANE)
        for resource in (
            "serviceaccounts",
            "services",
            "deployments.apps",
            "poddisruptionbudgets.policy",
            f"peerauthentications.{_SECURITY}",
            "telemetries.telemetry.istio.io",
        )
    ),
    *(
        Right(
            f"{kind}.{_RBAC}",
            ("get",),
            Where.PLANE,
            "whether those of the gateways are as they were made; nothing grants rights here",
            when=("ossm3",),
            work=_PLANE,
        )
        for kind in ("roles", "rolebindings")
    ),
    Right(
        "istiorevisiontags.sailoperator.io", ("get", "patch"), Where.CLUSTER, "the tag follows when its turn has come", when=("revisions",)
    ),
    Right(
        "namespaces",
        ("list", "patch"),
        Where.CLUSTER,
        "members lead to the new revision while they are restarted",
        when=("revisions",),
        work=_PROXIES,
    ),
    *(
        Right(resource, WRITE, Where.PLANE, why, work=work)
        for work in (_PLANE, _PROXIES)
        for resource, why in (("configmaps", "how far the waves are"), ("leases.coordination.k8s.io", "one run at a time"))
    ),
    *(
        Right(f"{kind}.apps", ("list", "patch"), Where.MESH, "workloads are restarted in waves", work=_PROXIES)
        for kind in ("deployments", "statefulsets", "daemonsets")
    ),
    Right("pods", ("list",), Where.MESH, "which proxies are old, and whether new ones are ready", work=_PROXIES),
    Right("poddisruptionbudgets.policy", ("list",), Where.MESH, "how many may be away at a time", work=_PROXIES),
    Right("pods/portforward", ("get", "create"), Where.MESH, "each new proxy is asked for its version", work=_PROXIES),
    Right("pods/exec", ("get", "create"), Where.MESH, "the calls of the access are made after each wave", when=("probe",), work=_PROXIES),
    Right("services/proxy", ("get",), Where.PLANE, "metrics are asked for after each wave", when=("queries",), work=_PROXIES),
)


def reads(scope: Scope) -> list[Right]:
    """All checks are the gate of each wave, whatever check_mesh is limited to."""
    every = kinds.check_reads(replace(scope, categories=(), only=()))
    return [*every, *kinds.listed(kinds.UPGRADE, lambda _kind: "read by the plan of an upgrade", work=_PLAN)]
