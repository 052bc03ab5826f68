# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a shift of traffic does: routes are written and taken away, and each stage of it is proven from the whole mesh."""

from __future__ import annotations

from dataclasses import replace

from .._traffic.proof import PROVEN_BY
from . import reads as kinds
from .right import WRITE, Right, Scope, Where

__all__ = ["TRAFFIC", "TRAFFIC_READS", "of_intent", "reads"]

_ISTIO = "networking.istio.io"
_ROUTES = "where requests go, and which versions there are"

TRAFFIC: tuple[Right, ...] = (
    Right(f"destinationrules.{_ISTIO}", (*WRITE, "delete"), Where.MESH, _ROUTES),
    Right(f"virtualservices.{_ISTIO}", (*WRITE, "delete"), Where.MESH, _ROUTES),
    Right("httproutes.gateway.networking.k8s.io", (*WRITE, "delete"), Where.MESH, _ROUTES, when=("http_routes",)),
    Right("pods/portforward", ("get", "create"), Where.MESH, "proxies are asked whether they know the versions before they get the routes"),
    Right("services", (*WRITE, "delete"), Where.MESH, "a Service for each version", when=("http_routes",)),
)
TRAFFIC_READS: tuple[Right, ...] = (
    *kinds.listed(PROVEN_BY, lambda _kind: "whether every route leads to something"),
    Right("configmaps", ("list",), Where.MEMBERS, "how far canaries are, whose weights stay"),
)


def reads(_scope: Scope) -> list[Right]:
    """What a plan is made of."""
    return list(TRAFFIC_READS)


def of_intent(rights: tuple[Right, ...]) -> tuple[Right, ...]:
    """The same where a whole mesh is installed or removed: only where it has an intended traffic."""
    return tuple(replace(right, when=right.when or ("traffic",)) for right in rights)
