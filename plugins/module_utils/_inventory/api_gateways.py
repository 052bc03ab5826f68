# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""mesh_gateways: those that are Gateways of the Gateway API, as far as the role gateways has made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._gateways.gateway_api import api_gateways
from .._model import kinds as k
from .._model.fields import entries, section, sections
from .._model.objects import counts_as_ours
from .._model.view import Obj, View
from .rest import Unsaid

__all__ = ["api_gateways_of"]

_SERVICE_TYPE = "networking.istio.io/service-type"
_MUTUAL = "gateway.istio.io/tls-terminate-mode"
_LAYER = "mesh.meshops.io/layer"
Row = dict[str, Any]


def api_gateways_of(view: View, mesh: str, notes: list[Unsaid]) -> list[Row]:
    """In all namespaces; of what others made, or changed since, a note."""
    found = []
    for row in view.of(k.K8S_GATEWAY):
        if not counts_as_ours(row.raw, mesh):
            continue
        gateway = _gateway(view, row)
        if gateway is None:
            notes.append(Unsaid(row.ref, "mesh_gateways does not say it: it was changed since it was made"))
        else:
            found.append(gateway)
    return found


def _gateway(view: View, row: Obj) -> Row | None:
    """None where the template would make another one of what we read."""
    rows = sections(row.at("spec", "listeners"))
    listeners = list(_listeners(rows))
    if not listeners:
        return None
    name, kind = row.name, str(row.at("spec", "gatewayClassName"))
    routes, allowed = list(_routes(view, row)), _allowed(rows[0], row.namespace)
    service = row.at("metadata", "annotations", default={}).get(_SERVICE_TYPE)
    found: Row = {
        "name": name,
        "api": "gateway",
        "namespace": row.namespace,
        **({"class": kind} if kind != "istio" else {}),
        **listeners[0],
        **({"listeners": listeners[1:]} if listeners[1:] else {}),
        **({"service_type": service} if service else {}),
        **_scale(view, row.namespace, f"{name}-{kind}"),
        **({"routes": routes} if routes else {}),
    }
    more = [space for space in allowed if space not in [row.namespace, *(str(one["namespace"]) for one in routes)]]
    found |= {"allowed_routes": more} if more else {}
    (again,) = api_gateways([found], plane="")
    meant = [(one["name"], one["port"], one["protocol"], one["host"], one["secret"]) for one in again["listeners"]]
    have = [(one.get("name"), one.get("port"), one.get("protocol"), one.get("hostname", ""), _secret(one)) for one in rows]
    return {**found, **_openshift(view, row, found)} if meant == have and again["allowed"] == allowed else None


def _listeners(rows: list[Mapping[str, Any]]) -> Iterator[Row]:
    """Those that differ in their host only are one."""
    groups: dict[tuple[str, Any, str, bool], list[str]] = {}
    for one in rows:
        protocol = str(one.get("name")).partition("-")[0].upper()
        mutual = section(one, "tls", "options").get(_MUTUAL) == "MUTUAL"
        groups.setdefault((protocol, one.get("port"), _secret(one), mutual), []).append(str(one.get("hostname") or "*"))
    for (protocol, port, secret, mutual), hosts in groups.items():
        tls = {"credential_name": secret, **({"mode": "MUTUAL"} if mutual else {})}
        yield {"hosts": hosts, "port": port, "protocol": protocol, **({"tls": tls} if secret else {})}


def _secret(listener: Mapping[str, Any]) -> str:
    return str(next((one.get("name") for one in sections(section(listener, "tls").get("certificateRefs"))), ""))


def _allowed(listener: Mapping[str, Any], home: str) -> list[str]:
    wanted = section(listener, "allowedRoutes", "namespaces")
    terms = sections(section(wanted, "selector").get("matchExpressions"))
    return sorted(map(str, entries(terms[0].get("values")))) if wanted.get("from") == "Selector" and terms else [home]


def _scale(view: View, namespace: str, workload: str) -> Row:
    scaler = view.get(k.HORIZONTAL_POD_AUTOSCALER, workload, namespace)
    if scaler is None or not counts_as_ours(scaler.raw):
        return {}
    least, most = scaler.at("spec", "minReplicas", default=1), scaler.at("spec", "maxReplicas")
    if least == most:
        return {"replicas": most}
    target = section(next(iter(sections(scaler.at("spec", "metrics"))), {}), "resource", "target").get("averageUtilization", 80)
    return {"autoscale": {"min": least, "max": most, **({"cpu": target} if target != 80 else {})}}


def _routes(view: View, gateway: Obj) -> Iterator[Row]:
    """Of the role gateways; those of mesh_traffic are another variable's."""
    for row in view.of(k.HTTP_ROUTE):
        labels = row.at("metadata", "labels", default={})
        if row.name != gateway.name or labels.get(_LAYER) != "gateways" or not counts_as_ours(row.raw):
            continue
        for rule in sections(row.at("spec", "rules")):
            prefix = section(next(iter(sections(rule.get("matches"))), {}), "path").get("value", "/")
            backend = next(iter(sections(rule.get("backendRefs"))), {})
            route = {"namespace": row.namespace, "service": backend.get("name"), "port": backend.get("port")}
            yield {**route, **({"prefix": prefix} if prefix != "/" else {})}


def _openshift(view: View, gateway: Obj, found: Row) -> Row:
    """How its Route ends TLS, where that is not as usual."""
    route = view.get(k.ROUTE, gateway.name, gateway.namespace)
    if route is None or not counts_as_ours(route.raw):
        return {}
    termination = route.at("spec", "tls", "termination", default="none")
    insecure = route.at("spec", "tls", "insecureEdgeTerminationPolicy", default="Redirect")
    said = {
        **({"termination": termination} if termination != ("passthrough" if found["protocol"] == "HTTPS" else "edge") else {}),
        **({"insecure": insecure} if insecure != "Redirect" and termination != "none" else {}),
    }
    return {"route": said} if said else {}
