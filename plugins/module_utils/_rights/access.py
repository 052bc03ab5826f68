# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What the playbooks of access do: stages of policies, each proven by calls."""

from __future__ import annotations

from . import reads as kinds
from .right import WRITE, Right, Scope, Where

__all__ = ["ACCESS", "reads"]

_ISTIO, _SECURITY = "networking.istio.io", "security.istio.io"

ACCESS: tuple[Right, ...] = (
    *(
        Right(f"{kind}.{_SECURITY}", (*WRITE, "delete"), Where.MESH, why)
        for kind, why in (
            ("authorizationpolicies", "who may call whom"),
            ("peerauthentications", "mutual TLS of namespaces, and its exceptions"),
            ("requestauthentications", "whose tokens are accepted"),
        )
    ),
    *(
        Right(f"{kind}.{_ISTIO}", (*WRITE, "delete"), Where.MESH, why)
        for kind, why in (
            ("destinationrules", "callers are told about mutual TLS"),
            ("sidecars", "workloads are told about what they may call"),
        )
    ),
    Right("configmaps", (*WRITE, "delete"), Where.PLANE, "what a stage has replaced is remembered until the stage is proven"),
    Right("pods/exec", ("get", "create"), Where.MESH, "the calls of the intent are made from the workloads"),
    Right("pods/portforward", ("get", "create"), Where.MESH, "each proxy is asked for the policies that it has"),
)


def reads(_scope: Scope) -> list[Right]:
    """What a plan and a proposal are made of."""
    return kinds.listed(kinds.ACCESS, lambda _kind: "who is there, and who may call whom now")
