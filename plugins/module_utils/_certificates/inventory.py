# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Every certificate of a source with its place, and everything that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from .._model.problem import Problem, merged
from .facts import Certificate
from .inspect_mesh import inspect_authorities, inspect_proxy, inspect_served, inspect_shared_roots, inspect_webhooks
from .inspect_sources import compare_serials, inspect_gateway, inspect_jwks, inspect_source
from .inspection import CertificateLocation, Given, Inspection, InspectionSettings, TlsServer

__all__ = ["CertificateInventory", "CertificateLocation", "Given", "InspectionSettings", "TlsServer", "take"]


@dataclass(frozen=True)
class CertificateInventory:
    """All places, all faults, and which subjects there were at all: a check of nothing is no pass."""

    places: tuple[CertificateLocation, ...]
    faults: tuple[Problem, ...]
    seen: frozenset[str]
    at: datetime
    # what istiod hands out, for other clusters to compare
    roots: tuple[Certificate, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """Every certificate in every place."""
        return [row for place in self.places for row in place.rows(self.at)]

    def timeline(self) -> list[dict[str, Any]]:
        """Each certificate once, in the order in which they end."""
        found: dict[str, dict[str, Any]] = {}
        for row in self.rows():
            entry = found.setdefault(
                row["fingerprint"], {key: row[key] for key in ("not_after", "days_left", "subject", "fingerprint")} | {"places": []}
            )
            entry["places"].append(f"{row['resource']} {row['item']}".strip())
        return sorted(found.values(), key=lambda row: (row["not_after"], row["subject"]))


def take(given: Given, settings: InspectionSettings) -> CertificateInventory:
    """Look at everything once."""
    inspection = Inspection(given, settings)
    for source in inspection.given.sources:
        if source.purpose == "roots":
            inspection.expected += inspection.read(source.resource, "", source.roots or b"", "root", loose=True).certificates
    for source in inspection.given.sources:
        if source.purpose != "shared":
            inspect_source(inspection, source)
    inspect_authorities(inspection)
    for source in inspection.given.sources:
        if source.purpose == "shared":
            inspect_shared_roots(inspection, source)
    for source in inspection.given.sources:
        inspect_proxy(inspection, source)
        inspect_served(inspection, source)
    for gateway in inspection.given.gateways:
        inspect_gateway(inspection, gateway)
    inspect_webhooks(inspection)
    for one in inspection.given.authentications:
        inspect_jwks(inspection, one)
    compare_serials(inspection)
    if any(place.bundle.certificates for place in inspection.places):
        inspection.seen.add("certificate")
    if any(place.bundle.certificates or place.bundle.faults for place in inspection.places):
        inspection.seen.add("bytes")
    faults = merged(replace(fault, message=fault.message.strip()) for fault in inspection.faults)
    ours = (inspection.handed.get(namespace) or roots for namespace, (_owner, roots) in inspection.active.items())
    handed = tuple(dict.fromkeys(root for roots in ours for root in roots)) or tuple(
        dict.fromkeys(root for roots in inspection.handed.values() for root in roots)
    )
    return CertificateInventory(tuple(inspection.places), faults, frozenset(inspection.seen), inspection.settings.at, handed)
