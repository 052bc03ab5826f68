# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Who signs in a mesh, before and after a change, and which certificate expires first. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from .._model.secrets_used import CA_SECRETS
from .._text import shortened, span

__all__ = ["issuer_lines", "issuers", "summary_lines"]

PLACES = ("the CA of istiod", "what istiod hands out to the members", "the webhooks of istiod", "gateways and workloads")
CREDENTIALS = "credentials of gateways and clients"
_SHOWN = 2  # places of a certificate
_SOON = 3  # how many of those that expire first are shown


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
    if kind == "Secret" and row["position"] == 0 and not row["is_ca"]:
        return CREDENTIALS
    return ""


def issuers(inventory: Iterable[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """By place, how many certificates each issuer has there. inventory: as certificate_check returns it."""
    rows = list(inventory)
    # istiod looks at istio-ca-secret only where there is no cacerts
    plugged = any(str(row["resource"]).endswith("/cacerts") for row in rows)
    found: dict[str, Counter[str]] = {place: Counter() for place in (*PLACES, CREDENTIALS)}
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
            lines += [f"  {word if not number else '':7} {text}" for number, text in enumerate(_names(found) or ["nothing there"])]
    return lines


def _names(found: Mapping[str, int]) -> list[str]:
    return [f"{name} ({count})" if count > 1 else name for name, count in sorted(found.items())]


def summary_lines(inventory: Iterable[Mapping[str, Any]], timeline: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each place that has a certificate with who signed there, and which certificates expire first. As certificate_check returns both."""
    # what is asked for by name is in the inventory twice, where a Gateway names it as well
    places = {(row["resource"], row["item"], row["position"]): row for row in inventory}
    lines = [f"{place}: {', '.join(_names(found))}" for place, found in issuers(places.values()).items() if found]
    soon = [f"{'first to expire' if not number else 'then'}: {_expiry(row)}" for number, row in enumerate(timeline[:_SOON])]
    return lines + soon if lines or soon else ["there is no certificate"]


def _expiry(row: Mapping[str, Any]) -> str:
    left = timedelta(days=float(row["days_left"]))
    when = f"in {span(left)}" if left >= timedelta() else f"{span(-left)} ago"
    date = str(row["not_after"]).replace("T", " ")[:16]
    return f"{row['subject']} on {date} UTC, {when} ({shortened(dict.fromkeys(row['places']), _SHOWN)})"
