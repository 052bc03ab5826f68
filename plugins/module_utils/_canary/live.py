# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The routes of a service as the cluster has them: which weights they give, and whether somebody else has written them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from .._model.fields import name_of, namespace_of, section, sections
from .._model.objects import MANAGER
from .._text import shown
from .state import CanaryState
from .weights import text_of

__all__ = ["ROUTE_KINDS", "fingerprint", "misplaced", "written_by_others"]

ROUTE_KINDS = (
    ("networking.istio.io", "VirtualService"),
    ("networking.istio.io", "DestinationRule"),
    ("gateway.networking.k8s.io", "HTTPRoute"),
)
_APPLY_OF_OTHERS = ("argocd-controller", "kustomize-controller")  # who delivers our trees


def _title(obj: Mapping[str, Any]) -> str:
    return f"{obj.get('kind')} {namespace_of(obj)}/{name_of(obj)}"


def _virtual_service(obj: Mapping[str, Any], route: str) -> dict[str, int] | None:
    for rule in sections(section(obj, "spec").get("http")):
        if str(rule.get("name") or "") == (route or "default"):
            rows = sections(rule.get("route"))
            return {
                str(section(row, "destination").get("subset") or _tail(section(row, "destination").get("host"))): int(
                    row.get("weight") or 100
                )
                for row in rows
            }
    return None


def _tail(host: Any) -> str:
    return str(host or "").partition(".")[0]


def _http_route(obj: Mapping[str, Any], state: CanaryState) -> dict[str, int] | None:
    """Its rules have no names: the one that leads to the two versions; of several the one that asks nothing of a request."""
    found = None
    for rule in sections(section(obj, "spec").get("rules")):
        rows = sections(rule.get("backendRefs"))
        names = {str(row.get("name")) for row in rows}
        if names & {f"{state.service}-{state.old}", f"{state.service}-{state.new}"} and (
            found is None or not sections(rule.get("matches"))
        ):
            found = {str(row.get("name")).removeprefix(f"{state.service}-"): int(row.get("weight", 1)) for row in rows}
    if found and len(found) == 1:
        return dict.fromkeys(found, 100)
    return found


def misplaced(objects: Iterable[Mapping[str, Any]], state: CanaryState, *wanted: Mapping[str, int]) -> str:
    """Why the cluster has none of the wanted weights; empty where it has one of them in each object that routes to the service."""
    routed = 0
    known = [{name: weight for name, weight in one.items() if weight} for one in wanted]
    for obj in objects:
        found = _virtual_service(obj, state.route) if obj.get("kind") == "VirtualService" else None
        if obj.get("kind") == "HTTPRoute":
            found = _http_route(obj, state)
        if found is None:
            continue
        routed += 1
        if {_version(name, state): weight for name, weight in found.items() if weight} not in known:
            expected = " or ".join(dict.fromkeys(text_of(one) for one in known))
            return f"{_title(obj)} gives {text_of(found)}, expected {expected}"
    if not routed:
        return (
            f"no VirtualService or HTTPRoute of the role traffic has the route {shown(state.route or 'default')} of {shown(state.key)}: "
            "deliver mesh_traffic first (playbook shift_traffic or install_mesh)"
        )
    return ""


def _version(name: str, state: CanaryState) -> str:
    """Where versions are Services of their own, a destination is named after the Service."""
    return name.removeprefix(f"{state.service}-") if name.startswith(f"{state.service}-") else name


def written_by_others(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """Who else has a part in the spec of an object of ours, with the time: somebody edits what the canary works on."""
    found = []
    for obj in objects:
        for entry in sections(section(obj, "metadata").get("managedFields")):
            manager = str(entry.get("manager"))
            if manager == MANAGER or manager in _APPLY_OF_OTHERS or entry.get("subresource"):
                continue
            if "f:spec" in section(entry, "fieldsV1"):
                found.append(f"{_title(obj)} was changed by {shown(manager)} at {shown(entry.get('time') or 'an unknown time')}")
    return found


def fingerprint(objects: Iterable[Mapping[str, Any]]) -> str:
    """Of the specs of all of them."""
    rows = sorted((_title(obj), json.dumps(obj.get("spec"), sort_keys=True, default=str)) for obj in objects)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]
