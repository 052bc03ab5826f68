# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Who signs in a mesh, in the places that the travel book looks at in chapter 5, before and after a change. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from .._model.secrets_used import CA_SECRETS

__all__ = ["issuer_lines", "issuers"]

PLACES = ("the CA of istiod", "what istiod hands out to the members", "the webhooks of istiod", "gateways and workloads")


def _place(row: Mapping[str, Any]) -> str:
    kind, _space, name = str(row["resource"]).partition(" ")
    if kind == "Pod" and " " in name:
        return ""  # istiod on port 15012 is no workload; what it hands out is told by the ConfigMaps
    if kind == "Pod":
        return PLACES[3] if row["position"] == 0 and not row["is_ca"] else ""
    if kind == "ConfigMap" and name.endswith("/istio-ca-root-cert"):
        return PLACES[1]
    if kind.endswith("WebhookConfiguration"):
        return PLACES[2]
    if kind == "Secret" and name.rpartition("/")[2] in CA_SECRETS and row["item"] == "ca-cert.pem":
        return PLACES[0]
    return ""


def issuers(inventory: Iterable[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """By place, how many certificates each issuer has there. inventory: as certificate_check returns it."""
    rows = list(inventory)
    # istiod looks at istio-ca-secret only where there is no cacerts
    plugged = any(str(row["resource"]).endswith("/cacerts") for row in rows)
    found: dict[str, Counter[str]] = {place: Counter() for place in PLACES}
    for row in rows:
        place = _place(row)
        if place and not (plugged and place == PLACES[0] and str(row["resource"]).endswith("/istio-ca-secret")):
            found[place][str(row["issuer"])] += 1
    return found


def issuer_lines(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> list[str]:
    """A table: each place with who signed there before and who does now."""
    old, new = issuers(before), issuers(after)
    lines = []
    for place in PLACES:
        lines.append(f"{place}:")
        for word, found in (("before", old[place]), ("after", new[place])):
            texts = [f"{name} ({count})" if count > 1 else name for name, count in sorted(found.items())] or ["nothing there"]
            lines += [f"  {word if not number else '':7} {text}" for number, text in enumerate(texts)]
    return lines
