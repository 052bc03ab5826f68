# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What mesh_gateways, mesh_project_gateways and mesh_gateways_handshakes cannot mean, whatever a cluster has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from .._model.fields import section, sections
from .._model.gateway_intent import by_gateway_api
from .._model.plane_parts import PROJECT_PORTS
from .._text import did_you_mean, quoted, shown
from .gateway_api import api_refusals, scale_refusals

__all__ = ["gateway_refusals"]

_OWN = ("ingress", "egress")  # of every control plane

Gateways = Sequence[Mapping[str, Any]]


def gateway_refusals(
    gateways: Gateways, handshakes: Gateways, control_plane: Mapping[str, Any], projects: Gateways = (), provider: str = ""
) -> list[str]:
    """A sentence for each thing that has to be refused. projects: mesh_project_gateways."""
    return [
        *api_refusals(gateways, control_plane, provider),
        *_twice(gateways),
        *_projects(projects, control_plane),
        *_served(gateways, control_plane, projects),
        *_tls(gateways),
        *_ports(gateways),
        *_shaken(handshakes, gateways),
    ]


def _each(rows: Gateways, variable: str = "mesh_gateways") -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((f"{variable}[{number}]", row) for number, row in enumerate(rows))


def _twice(gateways: Gateways) -> Iterator[str]:
    seen: dict[str, str] = {}
    for where, row in _each(gateways):
        name = str(row.get("name"))
        if name in seen:
            yield f"{where}.name: {seen[name]} is called {shown(name)} as well; each gateway needs a name of its own"
        seen.setdefault(name, where)


def _projects(projects: Gateways, control_plane: Mapping[str, Any]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for where, row in _each(projects, "mesh_project_gateways"):
        name = f"{row.get('namespace')}/{row.get('name')}"
        if name in seen:
            yield f"{where}.name: {seen[name]} is {shown(name)} as well; give one of them another name"
        seen.setdefault(name, where)
        if row.get("namespace") == control_plane.get("namespace"):
            yield (
                f"{where}.namespace: {shown(row.get('namespace'))} is the namespace of the control plane; a gateway there is one of "
                "mesh_control_plane.additional_ingress"
            )
        yield from scale_refusals(where, row)
        numbers = [port.get("port") for port in sections(row.get("ports"))]
        names = [port.get("name") for port in sections(row.get("ports"))]
        for word, values in (("port", numbers), ("name", names)):
            twice = next((one for index, one in enumerate(values) if one in values[:index]), None)
            if twice is not None:
                yield f"{where}.ports: two of them have the {word} {shown(twice)}; a Service has each once"


def _served(gateways: Gateways, control_plane: Mapping[str, Any], projects: Gateways) -> Iterator[str]:
    additional = [str(one.get("name")) for one in sections(control_plane.get("additional_ingress"))]
    homes = {f"{one.get('namespace')}/{one.get('name')}": one for one in projects}
    for where, row in _each(gateways):
        kind = str(row.get("gateway") or "ingress")
        if by_gateway_api(row):
            continue
        if "/" in kind:
            yield from _of_project(where, row, kind, homes)
            continue
        if kind in _OWN and not boolean(section(control_plane, kind).get("enabled", True), strict=False):
            yield f"{where}.gateway: mesh_control_plane.{kind}.enabled turns the gateway {kind} off; turn it on, or choose another"
        elif kind not in (*_OWN, *additional):
            yield (
                f"{where}.gateway: {quoted(kind)} is neither ingress nor egress nor one of mesh_control_plane.additional_ingress; "
                f"{did_you_mean(kind, (*_OWN, *additional))}"
            )


def _of_project(where: str, row: Mapping[str, Any], kind: str, homes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    if kind not in homes:
        yield f"{where}.gateway: {quoted(kind)} is none of mesh_project_gateways; {did_you_mean(kind, homes)}"
        return
    open_ports = [port.get("port") for port in sections(homes[kind].get("ports")) or PROJECT_PORTS]
    port = row.get("port") or 80
    if str(port) not in map(str, open_ports):
        yield (
            f"{where}.port: {shown(port)} is no port of the gateway {shown(kind)}, which has {', '.join(map(shown, open_ports))}; "
            "add it to its ports in mesh_project_gateways"
        )


def _listened(gateways: Gateways) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for where, row in _each(gateways):
        yield where, row
        yield from ((f"{where}.listeners[{number}]", one) for number, one in enumerate(sections(row.get("listeners"))))


def _tls(gateways: Gateways) -> Iterator[str]:
    for where, row in _listened(gateways):
        protocol, named = row.get("protocol", "HTTP"), section(row, "tls")
        if protocol == "HTTPS" and not named.get("credential_name"):
            yield (
                f"{where}.tls.credential_name: is missing; the gateway ends TLS (HTTPS) with the certificate of a Secret "
                "in its namespace: name that Secret"
            )
        if protocol != "HTTPS" and named:
            yield f"{where}.tls: the protocol is {shown(protocol)}, which the gateway does not end; leave tls out, or say protocol HTTPS"


def _ports(gateways: Gateways) -> Iterator[str]:
    """One port of a proxy speaks one protocol: istiod takes the first and leaves the other out."""
    spoken: dict[tuple[str, str], tuple[str, str]] = {}
    for where, row in _each(gateways):
        if by_gateway_api(row):
            continue  # it has pods of its own
        place = (str(row.get("gateway") or "ingress"), str(row.get("port") or 80))
        word = _plain(str(row.get("protocol") or "HTTP"))
        before, first = spoken.setdefault(place, (word, where))
        if before != word:
            yield (
                f"{where}.port: {first} has port {place[1]} of the same gateway ({place[0]}) with {before}, and this one with {word}; "
                "a port speaks one protocol: give one of them another port"
            )


def _plain(protocol: str) -> str:
    return "HTTP" if protocol in ("HTTP", "HTTP2", "GRPC") else "TLS" if protocol in ("HTTPS", "TLS") else protocol


def _shaken(handshakes: Gateways, gateways: Gateways) -> Iterator[str]:
    ending = {str(row.get("name")): row for row in gateways if row.get("protocol") == "HTTPS"}
    for where, row in _each(handshakes, "mesh_gateways_handshakes"):
        name = str(row.get("gateway"))
        if name not in ending:
            yield f"{where}.gateway: {quoted(name)} is no gateway with the protocol HTTPS; {did_you_mean(name, ending)}"
        elif section(ending[name], "tls").get("mode") == "MUTUAL" and not row.get("client_certificate"):
            yield (
                f"{where}.client_certificate: is missing; the gateway {shown(name)} wants client certificates (MUTUAL): give "
                "client_certificate and client_key, else nothing proves that anybody is let in"
            )
