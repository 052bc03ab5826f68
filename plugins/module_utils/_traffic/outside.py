# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The gateways of an inventory, as the routes of callers outside of the mesh need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._model.fields import entries, section
from .._model.gateway_intent import by_gateway_api, home_of, listeners_of
from .._model.routing import covers

__all__ = ["OutsideListener", "listener_of"]


@dataclass(frozen=True)
class OutsideListener:
    """One of mesh_gateways. number: its place there; home: its namespace; api: istio, or gateway for one of the Gateway API."""

    number: int
    name: str
    hosts: tuple[str, ...]
    passes: bool  # TLS goes through it unread
    routed: bool  # it has routes of its own
    virtual_service: tuple[str, str]  # namespace and name, where that is said
    home: str = ""
    api: str = "istio"

    def serves(self, host: str) -> bool:
        return any(covers(own, host) for own in self.hosts)


def listener_of(number: int, row: Mapping[str, Any], plane: str = "") -> OutsideListener:
    """plane: the namespace of the control plane."""
    made = section(row, "virtual_service")
    return OutsideListener(
        number=number,
        name=str(row.get("name")),
        hosts=tuple(str(host) for one in listeners_of(row) for host in entries(one.get("hosts"))),
        passes=row.get("protocol") == "TLS",
        routed=bool(entries(row.get("routes"))),
        virtual_service=(str(made.get("namespace") or ""), str(made.get("name") or row.get("name"))),
        home=home_of(row, plane),
        api="gateway" if by_gateway_api(row) else "istio",
    )
