# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What follows from mesh_gateways: the addresses for people, and the handshakes that prove what a gateway serves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._errors import ConfigError
from .fields import metadata_of, section, sections

__all__ = ["address_lines", "by_gateway_api", "handshakes", "home_of", "listeners_of", "urls_of", "workload_of"]

_PLAIN = (80, 443)  # ports that a URL need not say


def by_gateway_api(gateway: Mapping[str, Any]) -> bool:
    """Whether one of mesh_gateways is a Gateway of the Gateway API, for which istiod runs pods of its own."""
    return gateway.get("api") == "gateway"


def workload_of(gateway: Mapping[str, Any]) -> str:
    """The Deployment and the Service that istiod makes for a Gateway of the Gateway API."""
    return f"{gateway.get('name')}-{gateway.get('class') or 'istio'}"


def listeners_of(gateway: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a gateway is open on, each with hosts, port, protocol and tls: the entry itself, and its further listeners."""
    return [gateway, *sections(gateway.get("listeners"))]


def home_of(gateway: Mapping[str, Any], plane: str) -> str:
    """The namespace of the pods, the Gateway and its Secret. `gateway` names a workload of the control plane, whose namespace is `plane`,
    or NAMESPACE/NAME of mesh_project_gateways. One of the Gateway API says its namespace itself."""
    if by_gateway_api(gateway):
        return str(gateway.get("namespace") or plane)
    namespace, slash, _name = str(gateway.get("gateway") or "").partition("/")
    return namespace if slash else plane


def urls_of(
    gateways: Iterable[Mapping[str, Any]],
    *,
    routed: bool,
    routes: Iterable[Mapping[str, Any]] = (),
    components: Sequence[Mapping[str, str]] = (),
) -> dict[str, list[str] | str]:
    """The URLs of each gateway, and the URL of each tool that has a Route.

    routed: OpenShift's router stands before the gateways; routes: of the control plane's namespace; components: `name` and `route`."""
    found: dict[str, list[str] | str] = {}
    for gateway in gateways:
        found[str(gateway["name"])] = [url for row in listeners_of(gateway) for url in _urls(gateway, row, routed)]
    for route in routes:
        host = section(route, "spec").get("host")
        for tool in components:
            if host and tool["route"] == metadata_of(route, "name"):
                found[tool["name"]] = f"{'https' if 'tls' in section(route, 'spec') else 'http'}://{host}"
    return found


def _urls(gateway: Mapping[str, Any], listener: Mapping[str, Any], routed: bool) -> list[str]:
    ended = section(gateway, "route").get("termination") != "none" if routed else False
    secure = ended or listener.get("protocol", "HTTP") in ("HTTPS", "TLS")
    port = int(listener.get("port") or 80)
    end = "" if routed or port in _PLAIN else f":{port}"
    return [f"{'https' if secure else 'http'}://{host}{end}" for host in listener["hosts"]]


def address_lines(urls: Mapping[str, Sequence[str] | str]) -> list[str]:
    """One line a name."""
    return [f"{name:16} {found if isinstance(found, str) else ' '.join(found)}" for name, found in urls.items()]


def handshakes(
    asked: Iterable[Mapping[str, Any]], gateways: Iterable[Mapping[str, Any]], *, namespace: str, folder: str
) -> list[dict[str, Any]]:
    """One row for each of mesh_gateways_handshakes, with what it needs to know of its gateway.

    namespace: of the control plane, where the Secrets of its gateways are; folder: where `stranger.pem` is, which nobody knows."""
    known: dict[str, Mapping[str, Any]] = {}
    for gateway in gateways:
        known.setdefault(gateway["name"], gateway)
    rows = []
    for one in asked:
        if one["gateway"] not in known:
            raise ConfigError(f"mesh_gateways_handshakes names {one['gateway']}, expected one of {', '.join(known) or 'none'}")
        rows.append(_handshake(one, known[one["gateway"]], namespace, folder))
    return rows


def _handshake(one: Mapping[str, Any], gateway: Mapping[str, Any], namespace: str, folder: str) -> dict[str, Any]:
    name = re.sub("^[*]", "any", str(gateway["hosts"][0]))
    mode = gateway["tls"].get("mode", "SIMPLE")
    client = {}
    if "client_certificate" in one:
        client = {"client_certificate": one["client_certificate"], "client_key": one.get("client_key", one["client_certificate"])}
    return {
        "gateway": one["gateway"],
        "mode": mode,
        "given": "address" in one,
        "endpoint": {"host": one.get("address", name), "port": int(one.get("port") or 443), "sni": name},
        "expected": {
            "secret": f"{home_of(gateway, namespace)}/{gateway['tls']['credential_name']}",
            **({"roots": one["roots"]} if "roots" in one else {}),
        },
        "client": client,
        "refused": _refused(mode, f"{folder}/stranger.pem"),
    }


def _refused(mode: str, stranger: str) -> list[dict[str, Any]]:
    """Whom a gateway must not let in: it depends on how it asks for certificates of clients."""
    nobody = [{"who": "a caller without a certificate", "client": {}}] if mode == "MUTUAL" else []
    if mode == "SIMPLE":
        return nobody
    return [*nobody, {"who": "a caller with a certificate of a foreign CA", "client": {"client_certificate": stranger}}]
