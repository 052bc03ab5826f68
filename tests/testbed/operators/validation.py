# SPDX-License-Identifier: GPL-3.0-or-later
"""What an istiod's validation refuses: the plain mistakes. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["problems"]

Obj = dict[str, Any]


def _gateway(spec: Obj) -> list[str]:
    servers = spec.get("servers") or []
    if not servers:
        return ["gateway must have at least one server"]
    found = []
    for server in servers:
        port = server.get("port") or {}
        if not server.get("hosts"):
            found.append("server config must contain at least one host")
        if not port:
            found.append("port is required")
        elif not port.get("name"):
            found.append(f"port name must be set: {port}")
        if str(port.get("protocol", "")).upper() in ("HTTPS", "TLS") and not server.get("tls"):
            found.append(f"server must have TLS settings for HTTPS/TLS protocols: {port.get('name', '')}")
    return found


def _virtual_service(spec: Obj) -> list[str]:
    found = []
    if not spec.get("hosts"):
        found.append("virtual service must have at least one host")
    if not any(spec.get(kind) for kind in ("http", "tls", "tcp")) and not found:
        found.append("http, tcp or tls must be provided in virtual service")
    for rule in spec.get("http") or []:
        kinds = [kind for kind in ("route", "redirect", "directResponse", "delegate") if rule.get(kind)]
        if not kinds:
            found.append("HTTP route, redirect or direct_response is required")
        weights = [route.get("weight", 0) for route in rule.get("route") or []]
        if len(weights) > 1 and not sum(weights):
            found.append("total destination weight = 0")
        if any(weight < 0 for weight in weights):
            found.append("weight must be greater than or equal to 0")
    return found


def _destination_rule(spec: Obj) -> list[str]:
    found = [] if spec.get("host") else ["invalid host: domain name cannot be empty"]
    return found + ["subset name must be set" for subset in spec.get("subsets") or [] if not subset.get("name")]


def _service_entry(spec: Obj) -> list[str]:
    found = [] if spec.get("hosts") else ["service entry must have at least one host"]
    if not spec.get("ports") and not found:
        found.append("service entry must have at least one port")
    if len(spec.get("hosts") or []) > 256:
        found.append("service entry must have no more than 256 hosts")
    return found


def _authorization_policy(spec: Obj) -> list[str]:
    if spec.get("action") == "CUSTOM" and not spec.get("provider"):
        return ["`provider.name` must not be empty"]
    found = []
    for number, rule in enumerate(spec.get("rules") or []):
        for part in ("from", "to", "when"):
            if part in rule and not rule[part]:
                found.append(f"`{part}` must have at least one entry in rule {number}")
        found += [f"`from.source` must be set in rule {number}" for source in rule.get("from") or [] if not source.get("source")]
        found += [f"`to.operation` must be set in rule {number}" for target in rule.get("to") or [] if not target.get("operation")]
    return found


def _peer_authentication(spec: Obj) -> list[str]:
    if spec.get("portLevelMtls") and not (spec.get("selector") or {}).get("matchLabels"):
        return ["mTLS cannot be set on the port level without workload selector"]
    return []


_RULES: dict[str, Callable[[Obj], list[str]]] = {
    "Gateway": _gateway,
    "VirtualService": _virtual_service,
    "DestinationRule": _destination_rule,
    "ServiceEntry": _service_entry,
    "AuthorizationPolicy": _authorization_policy,
    "PeerAuthentication": _peer_authentication,
}


def problems(obj: Obj) -> list[str]:
    """Messages of what is plainly wrong with an Istio object; none for kinds that have no rule here."""
    if "istio.io" not in obj.get("apiVersion", ""):
        return []
    rule = _RULES.get(obj.get("kind", ""))
    return rule(obj.get("spec") or {}) if rule else []
