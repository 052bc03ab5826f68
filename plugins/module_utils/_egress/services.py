# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""mesh_external_services as values, and as objects: ServiceEntries, and DestinationRules where proxies begin TLS. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._model.fields import entries, section, sections
from .._routing.hosts import is_ip, is_wild

__all__ = ["API_VERSIONS", "PLAIN", "ExternalPort", "ExternalService", "domain_of", "external_objects", "read_services", "scope_with"]

PLAIN = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB", "TCP", "MONGO")  # what an application sends without TLS of its own
API_VERSIONS = {"ossm2": "v1beta1"}  # of Istio's kinds, for all that the generation knows
_NEWEST = "v1"
Obj = dict[str, Any]


@dataclass(frozen=True)
class ExternalPort:
    """target: the port out there, where it is another one; 0 where it is the same."""

    number: int
    protocol: str
    name: str
    target: int = 0

    @property
    def plain(self) -> bool:
        return self.protocol in PLAIN


@dataclass(frozen=True)
class ExternalService:
    """One of mesh_external_services. where: its path in the variable; seen_by: the namespaces that may use it, None for all."""

    where: str
    name: str
    hosts: tuple[str, ...]
    ports: tuple[ExternalPort, ...]
    resolution: str
    addresses: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    seen_by: tuple[str, ...] | None = ()
    tls: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def exports(self) -> list[str]:
        """exportTo: without a word in it Istio would show it to all."""
        return ["*"] if self.seen_by is None else list(self.seen_by) or ["~"]


def _ports(row: Mapping[str, Any]) -> tuple[ExternalPort, ...]:
    found = []
    for one in sections(row.get("ports")):
        protocol, number = str(one.get("protocol") or "").upper(), int(one.get("number") or 0)
        name = str(one.get("name") or f"{protocol.lower()}-{number}")
        found.append(ExternalPort(number, protocol, name, int(one.get("target_port") or 0)))
    return tuple(found)


def _resolution(row: Mapping[str, Any], ports: Iterable[ExternalPort]) -> str:
    """What a row means that does not say it."""
    ends = [str(one) for one in entries(row.get("endpoints"))]
    if row.get("resolution"):
        return str(row["resolution"])
    if ends:
        return "STATIC" if all(map(is_ip, ends)) else "DNS"
    if any(is_wild(str(host)) for host in entries(row.get("hosts"))):
        return "NONE"
    return "NONE" if entries(row.get("addresses")) and any(port.protocol == "TCP" for port in ports) else "DNS"


def domain_of(domains: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """The namespaces of each domain."""
    return {str(row.get("name")): tuple(map(str, entries(row.get("namespaces")))) for row in domains}


def read_services(rows: Iterable[Mapping[str, Any]], domains: Iterable[Mapping[str, Any]]) -> list[ExternalService]:
    """As the refusals leave them: a domain or a protocol that is none is left as it is written."""
    known, found = domain_of(domains), []
    for number, row in enumerate(rows):
        ports = _ports(row)
        spaces = [space for name in entries(row.get("domains")) for space in known.get(str(name), ())]
        named = tuple(sorted({*spaces, *map(str, entries(row.get("namespaces")))}))
        found.append(
            ExternalService(
                where=f"mesh_external_services[{number}]",
                name=str(row.get("name")),
                hosts=tuple(map(str, entries(row.get("hosts")))),
                ports=ports,
                resolution=_resolution(row, ports),
                addresses=tuple(map(str, entries(row.get("addresses")))),
                endpoints=tuple(map(str, entries(row.get("endpoints")))),
                seen_by=None if row.get("everybody") is True else named,
                tls=section(row.get("tls")),
            )
        )
    return found


def _entry(one: ExternalService, home: str, version: str) -> Obj:
    ports = [
        {"number": port.number, "name": port.name, "protocol": port.protocol, **({"targetPort": port.target} if port.target else {})}
        for port in one.ports
    ]
    spec: Obj = {
        "hosts": list(one.hosts),
        "location": "MESH_EXTERNAL",
        "ports": ports,
        "resolution": one.resolution,
        "exportTo": one.exports,
    }
    spec |= {"addresses": list(one.addresses)} if one.addresses else {}
    spec |= {"endpoints": [{"address": end} for end in one.endpoints]} if one.endpoints else {}
    meta = {"name": one.name, "namespace": home}
    return {"apiVersion": f"networking.istio.io/{version}", "kind": "ServiceEntry", "metadata": meta, "spec": spec}


_FILES = {"ca_file": "caCertificates", "certificate_file": "clientCertificate", "key_file": "privateKey"}


def _tls(given: Mapping[str, Any], host: str) -> Obj:
    """Of a DestinationRule. The name is always checked: without one any certificate of a known CA would do."""
    names = [str(name) for name in entries(given.get("subject_alt_names"))] or [host]
    found: Obj = {"mode": str(given.get("mode") or "SIMPLE"), "sni": str(given.get("sni") or host), "subjectAltNames": names}
    found |= {"credentialName": str(given["credential_name"])} if given.get("credential_name") else {}
    return found | {field: str(given[key]) for key, field in _FILES.items() if given.get(key)}


def _rules(one: ExternalService, home: str, version: str) -> Iterable[Obj]:
    """For each host. A Secret is read by chosen workloads only, and such a rule counts in its own namespace only."""
    labels = dict(section(one.tls.get("workloads")))
    for number, host in enumerate(one.hosts if one.tls else (), start=1):
        levels = [{"port": {"number": port.number}, "tls": _tls(one.tls, host)} for port in one.ports if port.plain]
        name = one.name if number == 1 else f"{one.name}-{number}"
        for space in one.seen_by or () if labels else (home,):
            spec: Obj = {"host": host, "trafficPolicy": {"portLevelSettings": levels}}
            spec |= {"workloadSelector": {"matchLabels": labels}} if labels else {"exportTo": one.exports}
            meta = {"name": name, "namespace": space}
            yield {"apiVersion": f"networking.istio.io/{version}", "kind": "DestinationRule", "metadata": meta, "spec": spec}


def external_objects(services: Iterable[ExternalService], home: str, provider: str) -> list[Obj]:
    """home: the root namespace, which every Sidecar of ours lets in."""
    version = API_VERSIONS.get(provider, _NEWEST)
    found: list[Obj] = []
    for one in services:
        found += [_entry(one, home, version), *_rules(one, home, version)]
    return found


def scope_with(hosts: Sequence[str], services: Iterable[ExternalService], home: str) -> list[str]:
    """sidecar_hosts with those of external services that they do not let in. Without any every host is let in anyway."""
    found = list(hosts)
    if not found or {f"{home}/*", "*/*"} & {*found}:
        return found
    wanted = [f"{home}/{host}" for one in services for host in one.hosts]
    return [*found, *(entry for entry in dict.fromkeys(wanted) if entry not in found and f"*/{entry.partition('/')[2]}" not in found)]
