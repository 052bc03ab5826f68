# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What mesh_external_services cannot mean: by itself, and beside the ServiceEntries of others. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from .._model.fields import entries, name_of, namespace_of, section, sections
from .._model.names import LABEL
from .._model.objects import counts_as_ours, owner_text
from .._model.routing import exported_to
from .._routing.hosts import is_ip, is_wild
from .._text import did_you_mean, quoted, shown
from .services import PLAIN, ExternalService, domain_of, read_services

__all__ = ["external_refusals", "taken_hosts"]

_PROTOCOLS = (*PLAIN, "HTTPS", "TLS")
_HOST = re.compile(r"(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_HTTPS = 443
_HTTP = 80
Rows = Sequence[Mapping[str, Any]]


def external_refusals(rows: Rows, domains: Rows, members: Sequence[str], home: str) -> list[str]:
    """A sentence for each thing that has to be refused, as `mesh_external_services[0].field: sentence`.

    members: the namespaces of the mesh, none where they are not known; home: the namespace of the control plane."""
    services = read_services(rows, domains)
    found = list(_names(services))
    for one, row in zip(services, rows, strict=True):
        found += [*_users(one, row, domains, members), *_hosts(one), *_ports(one), *_ends(one), *_tls(one, home)]
    return [*found, *_twice(services)]


def _names(services: Sequence[ExternalService]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for one in services:
        if not LABEL.fullmatch(one.name):
            yield f"{one.where}.name: {quoted(one.name)} cannot be the name of an object; use lower case letters, digits and '-'"
        if one.name in seen:
            yield f"{one.where}.name: {seen[one.name]} is called {shown(one.name)} as well; give each a name of its own"
        seen.setdefault(one.name, one.where)


def _users(one: ExternalService, row: Mapping[str, Any], domains: Rows, members: Sequence[str]) -> Iterator[str]:
    known = domain_of(domains)
    named = [str(name) for name in entries(row.get("domains"))]
    for number, name in enumerate(named):
        if name not in known and known:
            yield f"{one.where}.domains[{number}]: {quoted(name)} is none of mesh_domains; {did_you_mean(name, known)}"
    for number, name in enumerate(map(str, entries(row.get("namespaces")))):
        if members and name not in members:
            yield f"{one.where}.namespaces[{number}]: {quoted(name)} is no namespace of mesh_domains; {did_you_mean(name, members)}"
    if one.seen_by is None and (named or entries(row.get("namespaces"))):
        yield f"{one.where}.everybody: says all of the mesh, and domains or namespaces name some; leave out one of the two"
    if one.seen_by == () and all(name in known for name in named):
        why = "these domains have no namespaces" if named else "it names neither domains nor namespaces"
        yield f"{one.where}: nobody may use it, as {why}; name some, or say everybody: true"


def _hosts(one: ExternalService) -> Iterator[str]:
    if not one.hosts:
        yield f"{one.where}.hosts: is empty; name what the applications call, such as api.example.com"
    for number, host in enumerate(one.hosts):
        where = f"{one.where}.hosts[{number}]"
        if is_ip(host) or "/" in host:
            yield f"{where}: {quoted(host)} is an address, which belongs into addresses; hosts are names such as db.example.com"
        elif not _HOST.fullmatch(host):
            yield f"{where}: {quoted(host)} is no host; expected a full name in lower case, such as api.example.com or *.example.com"
        elif host.endswith((".svc", ".cluster.local")):
            yield f"{where}: {shown(host)} is a name inside of the cluster; a Service there needs no ServiceEntry"
        elif is_wild(host) and one.resolution != "NONE":
            yield (
                f"{where}: {shown(host)} stands for many names, which nobody can look up ({one.resolution}); name the hosts, or use "
                "resolution: NONE, with which proxies go where the application does"
            )


def _ports(one: ExternalService) -> Iterator[str]:
    if not one.ports:
        yield f"{one.where}.ports: is empty; name them, such as [{{number: 443, protocol: TLS}}]"
    seen: dict[int, int] = {}
    for number, port in enumerate(one.ports):
        where = f"{one.where}.ports[{number}]"
        if not 0 < port.number < 65536:
            yield f"{where}.number: {port.number} is no port; expected 1 to 65535"
        if port.protocol not in _PROTOCOLS:
            yield f"{where}.protocol: {quoted(port.protocol)} is none that Istio knows; {did_you_mean(port.protocol, _PROTOCOLS)}"
        if port.number in seen:
            yield f"{where}.number: ports[{seen[port.number]}] is {port.number} as well; each port is there once"
        seen.setdefault(port.number, number)
        if port.number == _HTTPS and port.protocol in PLAIN[:4] and not one.tls:
            yield (
                f"{where}.protocol: {port.protocol} on 443 would be plain text to a port that speaks TLS; use TLS where the application "
                "speaks it, or let proxies begin it: port 80 with target_port: 443, and tls: {mode: SIMPLE}"
            )
        if port.protocol in ("TCP", "MONGO") and not one.addresses:
            yield (
                f"{where}.protocol: {port.protocol} has no host name in it, so without addresses proxies would take everything on port "
                f"{port.number} for it, whatever its address; add addresses (IPs or CIDRs), or use TLS"
            )


def _ends(one: ExternalService) -> Iterator[str]:
    for number, address in enumerate(one.addresses):
        try:
            network = ip_network(address, strict=False)
        except ValueError:
            yield f"{one.where}.addresses[{number}]: {quoted(address)} is no address such as 192.0.2.7 or 192.0.2.0/24"
            continue
        if network.prefixlen == 0:
            yield f"{one.where}.addresses[{number}]: {shown(address)} is every address, which REGISTRY_ONLY is there to close"
    for number, end in enumerate(one.endpoints):
        if one.resolution == "STATIC" and not is_ip(end):
            yield f"{one.where}.endpoints[{number}]: {quoted(end)} is no IP, which STATIC asks for; use resolution: DNS for names"
        elif not is_ip(end) and (not _HOST.fullmatch(end) or is_wild(end)):
            yield f"{one.where}.endpoints[{number}]: {quoted(end)} is neither an IP nor a full name"
    if one.resolution == "STATIC" and not one.endpoints:
        yield f"{one.where}.endpoints: STATIC means the addresses that are named there, and none is; name them, or use resolution: DNS"
    if one.resolution == "NONE" and one.endpoints:
        yield f"{one.where}.endpoints: with NONE proxies go where the application does; leave out one of the two"
    if one.resolution == "NONE" and (one.tls or any(port.target for port in one.ports)):
        yield f"{one.where}.resolution: with NONE proxies go to the port that the application calls; tls and target_port need DNS or STATIC"


def _tls(one: ExternalService, home: str) -> Iterator[str]:
    tls = one.tls
    if not tls:
        return
    plain = [port for port in one.ports if port.plain]
    if not plain:
        yield f"{one.where}.tls: no port is plain text, so the application speaks TLS itself; leave tls out, or use HTTP on port 80"
    for number, port in enumerate(one.ports):
        if port.plain and port.number == _HTTP and not port.target:
            yield f"{one.where}.ports[{number}].target_port: is missing, so TLS would go to port 80; that of TLS is 443 mostly"
    by_files = [key for key in ("certificate_file", "key_file") if tls.get(key)]
    if tls.get("mode") == "MUTUAL" and not tls.get("credential_name") and len(by_files) < 2:
        yield f"{one.where}.tls: MUTUAL needs a certificate of ours; name credential_name, or certificate_file and key_file"
    if tls.get("mode", "SIMPLE") == "SIMPLE" and by_files:
        yield f"{one.where}.tls.{by_files[0]}: SIMPLE shows no certificate of ours; use MUTUAL, or leave it out"
    if tls.get("credential_name") and (by_files or tls.get("ca_file")):
        yield f"{one.where}.tls.credential_name: the Secret has certificates, key and CA; leave the files out"
    labels = section(tls.get("workloads"))
    if tls.get("credential_name") and not labels:
        yield (
            f"{one.where}.tls.workloads: is missing; a sidecar reads a Secret only by a rule that selects its workload, so say their "
            "labels, such as {app: web}"
        )
    if labels and one.seen_by is None:
        yield f"{one.where}.tls.workloads: a rule for chosen workloads counts in its own namespace; name domains or namespaces"
    if labels and home in (one.seen_by or ()):
        yield f"{one.where}.namespaces: {shown(home)} is the namespace of the control plane, where no such workload runs"


def _both_seen(one: ExternalService, other: ExternalService) -> bool:
    return one.seen_by is None or other.seen_by is None or bool({*one.seen_by} & {*other.seen_by})


def _twice(services: Sequence[ExternalService]) -> Iterator[str]:
    """Of two entries of a host only one counts for a caller."""
    for number, one in enumerate(services):
        for other in services[:number]:
            for place, host in enumerate(one.hosts):
                if host in other.hosts and _both_seen(one, other):
                    yield f"{one.where}.hosts[{place}]: {shown(host)} is a host of {other.where} as well; put their ports together"


def taken_hosts(rows: Rows, domains: Rows, live: Iterable[Mapping[str, Any]], mesh: str) -> list[str]:
    """Hosts that a ServiceEntry of somebody else has already, for callers of ours: of two only one counts."""
    services, found = read_services(rows, domains), []
    others = [obj for obj in live if not counts_as_ours(obj, mesh)]
    for one in services:
        for obj in others:
            theirs = [str(host) for host in entries(section(obj, "spec").get("hosts"))]
            for number, host in enumerate(one.hosts):
                if host in theirs and _seen_by_both(one, obj) and _same_port(one, obj):
                    found.append(
                        f"{one.where}.hosts[{number}]: {shown(host)} is a host of ServiceEntry {namespace_of(obj)}/{name_of(obj)} already "
                        f"({owner_text(obj)}), and of two only one counts; take that one away, or leave the host out here"
                    )
    return found


def _seen_by_both(one: ExternalService, obj: Mapping[str, Any]) -> bool:
    if one.seen_by is None:
        return True
    return any(exported_to(obj, space) for space in one.seen_by)


def _same_port(one: ExternalService, obj: Mapping[str, Any]) -> bool:
    numbers = {port.get("number") for port in sections(section(obj, "spec").get("ports"))}
    return bool(numbers & {port.number for port in one.ports})
