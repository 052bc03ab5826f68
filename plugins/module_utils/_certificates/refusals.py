# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What the given certificates cannot mean. The answers name entries and fields, never a value: the entries hold keys and passphrases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["certificate_refusals"]

_OF_A_CA = ("cacerts", "istio-ca-secret")


def certificate_refusals(given: Sequence[Mapping[str, Any]], *, with_material: bool) -> list[str]:
    """A sentence for each thing that has to be refused. given: entries with name and role (authority, gateway or client).

    with_material: whether each has to come with certificate and key, as with the provider `pem`."""
    names = [str(entry.get("name")) for entry in given]
    refusals = []
    if len(set(names)) < len(names):
        refusals.append(
            f"A name is used twice among the CA, mesh_certificates_gateways and mesh_certificates_clients: {', '.join(names)}."
        )
    if any(entry.get("role") == "gateway" and entry.get("name") in _OF_A_CA for entry in given):
        refusals.append(
            "mesh_certificates_gateways uses the name cacerts or istio-ca-secret, which is a CA's; give the gateway's Secret another name."
        )
    if with_material:
        refusals += [_incomplete(entry) for entry in given if not _complete(entry)]
    return refusals


def _complete(entry: Mapping[str, Any]) -> bool:
    return "from_secret" in entry or ("certificate" in entry and "key" in entry)


def _incomplete(entry: Mapping[str, Any]) -> str:
    return (
        f"{entry.get('name')}: with certificates_provider pem it needs certificate and key, as files or text, "
        "or from_secret with NAMESPACE/NAME of a Secret that has them."
    )
