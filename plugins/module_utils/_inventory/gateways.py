# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""mesh_gateways: Gateways with their routes and OpenShift's Routes, as far as the role gateways has made them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._model import kinds as k
from .._model.fields import section, sections
from .._model.objects import counts_as_ours
from .._model.view import Obj, View
from .api_gateways import api_gateways_of
from .rest import Unsaid

__all__ = ["gateways_of"]

_PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "HTTPS", "TLS")
_TERMINATIONS = {"HTTPS": "passthrough", "TLS": "passthrough"}
_HOST = re.compile(r"(?P<service>[^.]+)\.(?P<namespace>[^.]+)\.svc\.cluster\.local")


def gateways_of(
    view: View, mesh: str, namespace: str, additional: Sequence[str], notes: list[Unsaid], *, least: str = "TLSV1_2"
) -> list[dict[str, Any]]:
    """additional: the gateways of the control plane beside ingress and egress; least: the lowest version of TLS where none is said.
    Gateways of others stay as they are, and are named."""
    found = []
    for row in view.of(k.GATEWAY, namespace):
        gateway = _gateway(view, row, additional, least) if counts_as_ours(row.raw, mesh) else None
        if gateway is None:
            notes.append(Unsaid(row.ref, "mesh_gateways does not say it: it was made by others, or changed since"))
        else:
            found.append(gateway)
    found += api_gateways_of(view, mesh, notes)
    others = [row.ref for row in view.of(k.GATEWAY) if row.namespace != namespace and counts_as_ours(row.raw, mesh)]
    notes += [
        Unsaid(name, "it is of this mesh and not in the namespace of the control plane: mesh_gateways does not say it") for name in others
    ]
    return found


def _gateway(view: View, row: Obj, additional: Sequence[str], least: str) -> dict[str, Any] | None:
    servers, selector = sections(row.at("spec", "servers")), section(row.at("spec", "selector"))
    kind = selector.get("app") if selector.get("app") in additional else str(selector.get("istio", "")).removesuffix("gateway")
    if len(servers) != 1 or not kind or len(selector) != 1:
        return None
    (server,) = servers
    port, protocol, hosts = section(server, "port"), str(section(server, "port").get("protocol")), server.get("hosts") or []
    tls = _tls(section(server, "tls"), protocol, least)
    if protocol not in _PROTOCOLS or port.get("name") != f"{protocol.lower()}-{port.get('number')}" or tls is None:
        return None
    routed = _routes(view, row, protocol, hosts)
    if routed is None:
        return None
    virtual, routes = routed
    return {
        "name": row.name,
        "gateway": kind,
        "hosts": hosts,
        "port": port.get("number"),
        "protocol": protocol,
        **({"tls": tls} if tls else {}),
        **virtual,
        **({"routes": routes} if routes else {}),
        **_openshift(view, row, protocol),
    }


def _tls(found: Mapping[str, Any], protocol: str, usual: str) -> dict[str, Any] | None:
    """None where it is another one than the template makes."""
    if protocol == "TLS":
        return {} if found == {"mode": "PASSTHROUGH"} else None
    if protocol != "HTTPS":
        return {} if not found else None
    if not found.get("credentialName") or set(found) - {"mode", "credentialName", "minProtocolVersion", "cipherSuites"}:
        return None
    least = found.get("minProtocolVersion", "TLSV1_2")
    return {
        "mode": found.get("mode", "SIMPLE"),
        "credential_name": found["credentialName"],
        **({"min_version": least} if least != usual else {}),
        **({"cipher_suites": found["cipherSuites"]} if found.get("cipherSuites") else {}),
    }


def _routes(view: View, gateway: Obj, protocol: str, hosts: Sequence[str]) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
    """Where its VirtualService is when it is not the usual one, and its routes; None where it was changed."""
    names = {f"{gateway.namespace}/{gateway.name}"}
    for row in view.of(k.VIRTUAL_SERVICE):
        own = names | ({gateway.name} if row.namespace == gateway.namespace else set())
        if not counts_as_ours(row.raw) or not own & set(row.items("spec", "gateways")):
            continue
        where = {
            **({"name": row.name} if row.name != gateway.name else {}),
            **({"namespace": row.namespace} if row.namespace != gateway.namespace else {}),
        }
        part = "tls" if protocol == "TLS" else "http"
        routes = [_route(one, part, number, gateway, hosts) for number, one in enumerate(row.items("spec", part), 1)]
        if None in routes or row.items("spec", "hosts") != hosts or set(section(row.raw, "spec")) - {"hosts", "gateways", part}:
            return None
        return ({"virtual_service": where} if where else {}), [one for one in routes if one]
    return {}, []


def _route(found: Any, part: str, number: int, gateway: Obj, hosts: Sequence[str]) -> dict[str, Any] | None:
    """What a route says; None where it says more or another thing than the template makes of it."""
    destination = section(next(iter(sections(section(found).get("route"))), {}), "destination")
    match = next(iter(sections(section(found).get("match"))), {})
    host, port = _HOST.fullmatch(str(destination.get("host"))), section(destination, "port").get("number")
    if host is None:
        return None
    made: dict[str, Any] = {"route": [{"destination": {"host": host[0], "port": {"number": port}}}]}
    route: dict[str, Any] = {"namespace": host["namespace"], "service": host["service"], "port": port}
    if part == "tls":
        names = match.get("sniHosts") or []
        made["match"] = [{"port": section(sections(gateway.at("spec", "servers"))[0], "port").get("number"), "sniHosts": names}]
        route |= {"hosts": names} if names != hosts else {}
    else:
        prefix = section(match, "uri").get("prefix", "/")
        made |= {"name": f"{host['namespace']}-{host['service']}-{number}", "match": [{"uri": {"prefix": prefix}}]}
        route |= {"prefix": prefix} if prefix != "/" else {}
    return route if made == found else None


def _openshift(view: View, gateway: Obj, protocol: str) -> dict[str, Any]:
    """How its Route ends TLS, where that is not as usual."""
    route = view.get(k.ROUTE, gateway.name, gateway.namespace)
    if route is None or not counts_as_ours(route.raw):
        return {}
    termination = route.at("spec", "tls", "termination", default="none")
    insecure = route.at("spec", "tls", "insecureEdgeTerminationPolicy", default="Redirect")
    found = {
        **({"termination": termination} if termination != _TERMINATIONS.get(protocol, "edge") else {}),
        **({"insecure": insecure} if insecure != "Redirect" and termination != "none" else {}),
    }
    return {"route": found} if found else {}
