# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Names in one variable that another one has to have."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .._model.applications import label_of, ports_of, versions_of, wants_proxy
from .._model.fields import entries, section, sections
from .._model.gateway_intent import by_gateway_api, home_of, listeners_of
from .._model.workload_refusals import workload_refusals
from .._text import did_you_mean, nearest, quoted, shown
from .given import MeshVariables

__all__ = [
    "adopted",
    "api_gateways",
    "applications",
    "exemptions",
    "migrated",
    "near_credentials",
    "near_services",
    "project_gateways",
    "route_ports",
    "routes",
    "traffic_namespaces",
    "traffic_versions",
    "waves",
    "workloads",
]

_ADOPTED = re.compile(r"[A-Z]\w* \S+")
_FREE_WAVES = ("rest", "workloads", "gateways")  # made of what no wave takes
_PLACES = ("first", "last")


def _no_member(where: str, name: Any, inside: Collection[str], why: str) -> str:
    return f"{where}: {quoted(name)} is no namespace of mesh_domains, {why}; {did_you_mean(name, inside)}"


def routes(given: MeshVariables) -> Iterator[str]:
    """A gateway's istiod knows the Services of its mesh only."""
    if not given.knows_members or not given.home:
        return
    inside = (*given.members, given.home)
    for number, gateway in enumerate(given.rows("mesh_gateways")):
        where = f"mesh_gateways[{number}]"
        owner = section(gateway, "virtual_service").get("namespace")
        if owner is not None and owner not in inside:
            yield _no_member(f"{where}.virtual_service.namespace", owner, inside, "so the gateway would not get its routes")
        for place, route in enumerate(sections(gateway.get("routes"))):
            if route.get("namespace") not in inside:
                yield _no_member(f"{where}.routes[{place}].namespace", route.get("namespace"), inside, "so the gateway cannot reach it")


def _applications(given: MeshVariables) -> dict[str, dict[str, Mapping[str, Any]]]:
    """By namespace and name."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for home in given.rows("mesh_workloads"):
        rows = {str(one.get("name")): one for one in sections(home.get("applications"))}
        found.setdefault(str(home.get("namespace")), {}).update(rows)
    return found


def _routes(given: MeshVariables) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, gateway in enumerate(given.rows("mesh_gateways")):
        for place, route in enumerate(sections(gateway.get("routes"))):
            yield f"mesh_gateways[{number}].routes[{place}]", route


def route_ports(given: MeshVariables) -> Iterator[str]:
    """The Service of an application of ours has the ports that the inventory gives it."""
    known = _applications(given)
    for where, route in _routes(given):
        served = known.get(str(route.get("namespace")), {}).get(str(route.get("service")))
        if served is None:
            continue
        ports = ports_of(served)
        if str(route.get("port")) not in map(str, ports):
            yield (
                f"{where}.port: {shown(route.get('port'))} is no port of {shown(route.get('service'))}, "
                f"to which mesh_workloads gives {', '.join(map(shown, ports))}"
            )


def project_gateways(given: MeshVariables) -> Iterator[str]:
    """The pods of a gateway get their proxy by the membership of their namespace, and their names are those of other objects there."""
    known = _applications(given)
    for number, row in enumerate(given.rows("mesh_project_gateways")):
        where, home, name = f"mesh_project_gateways[{number}]", row.get("namespace"), str(row.get("name"))
        if given.knows_members and home not in (*given.members, given.home):
            yield _no_member(f"{where}.namespace", home, given.members, "so its pods would get no proxy")
        if name in known.get(str(home), {}):
            yield f"{where}.name: {shown(name)} is an application of mesh_workloads in {shown(home)}; give the gateway another name"


def api_gateways(given: MeshVariables) -> Iterator[str]:
    """istiod runs the pods of a Gateway of the Gateway API where it reads the namespace, and takes routes from where it reads them."""
    inside = (*given.members, given.home)
    for number, row in enumerate(given.rows("mesh_gateways")):
        where = f"mesh_gateways[{number}]"
        if not by_gateway_api(row) or not given.knows_members:
            continue
        if home_of(row, given.home) not in inside:
            yield _no_member(f"{where}.namespace", row.get("namespace"), inside, "so istiod would make no pods for the gateway")
        for place, name in enumerate(entries(row.get("allowed_routes"))):
            if name not in inside:
                yield _no_member(f"{where}.allowed_routes[{place}]", name, inside, "so no proxy of the mesh would follow its routes")


def traffic_namespaces(given: MeshVariables) -> Iterator[str]:
    """Proxies know the routes of their mesh only."""
    inside = (*given.members, given.home) if given.home else given.members
    for number, row in enumerate(given.rows("mesh_traffic")):
        if given.knows_members and row.get("namespace") not in inside:
            why = "so no proxy of the mesh would follow its routes"
            yield _no_member(f"mesh_traffic[{number}].namespace", row.get("namespace"), inside, why)


def traffic_versions(given: MeshVariables) -> Iterator[str]:
    """The pods of an application of ours have the label version; that of other pods is their owner's matter."""
    known = _applications(given)
    for number, row in enumerate(given.rows("mesh_traffic")):
        where, there = f"mesh_traffic[{number}]", known.get(str(row.get("namespace")), {})
        served = there.get(str(row.get("service")))
        near = nearest(str(row.get("service")), there)
        if served is None and near:
            found = f"{where}.service: {quoted(row.get('service'))} is no application of mesh_workloads in {shown(row.get('namespace'))}"
            yield f"{found}; did you mean {shown(near)}?"
        if served is None:
            continue
        ports = ports_of(served)
        if row.get("port") is not None and str(row["port"]) not in map(str, ports):
            yield (
                f"{where}.port: {shown(row['port'])} is no port of {shown(row.get('service'))}, "
                f"to which mesh_workloads gives {', '.join(map(shown, ports))}"
            )
        versions = [label_of(one) for one in versions_of(served)]
        for place, one in enumerate(sections(row.get("versions"))):
            if not one.get("labels") and str(one.get("name")) not in versions:
                yield (
                    f"{where}.versions[{place}].name: {quoted(one.get('name'))} is no version of {shown(row.get('service'))} "
                    f"in mesh_workloads; {did_you_mean(one.get('name'), versions)}"
                )


def near_services(given: MeshVariables) -> Iterator[str]:
    """A Service that is none of ours may be a team's own; one that is nearly ours is probably a slip."""
    known = _applications(given)
    for where, route in _routes(given):
        there, name = known.get(str(route.get("namespace")), {}), str(route.get("service"))
        near = nearest(name, there)
        if near and name not in there:
            found = f"{where}.service: {quoted(name)} is no application of mesh_workloads in {shown(route.get('namespace'))}"
            yield f"{found}; did you mean {shown(near)}?"


def near_credentials(given: MeshVariables) -> Iterator[str]:
    """A Secret that we do not issue may be somebody else's; one that is nearly ours is probably a slip."""
    issued = {str(one.get("name")) for one in given.rows("mesh_certificates_gateways")}
    for number, gateway in enumerate(given.rows("mesh_gateways")):
        for place, listener in enumerate(listeners_of(gateway)):
            name = section(listener, "tls").get("credential_name")
            near = nearest(str(name), issued)
            if name is not None and name not in issued and near:
                where = f"mesh_gateways[{number}]" + (f".listeners[{place - 1}]" if place else "")
                found = f"{where}.tls.credential_name: {quoted(name)} is none of mesh_certificates_gateways"
                yield f"{found}; did you mean {shown(near)}?"


def workloads(given: MeshVariables) -> Iterator[str]:
    """Applications get their proxy by the membership of their namespace."""
    for number, home in enumerate(given.rows("mesh_workloads")):
        proxied = any(wants_proxy(one, version) for one in sections(home.get("applications")) for version in versions_of(one))
        if given.knows_members and home.get("namespace") not in given.members and proxied:
            why = "so its applications would get no proxy (inject: false says that they need none)"
            yield _no_member(f"mesh_workloads[{number}].namespace", home.get("namespace"), given.members, why)
        yield from _keys(home, f"mesh_workloads[{number}]")


def _keys(home: Mapping[str, Any], where: str) -> Iterator[str]:
    """A key that a Secret of the same entry does not have: the pod would never start. Keys are named, values never."""
    secrets = {str(one.get("name")): section(one, "data") for one in sections(home.get("secrets"))}
    for number, application in enumerate(sections(home.get("applications"))):
        for name, value in section(application, "env").items():
            wanted = section(value, "valueFrom", "secretKeyRef")
            secret, key = str(wanted.get("name")), str(wanted.get("key"))
            if wanted and secret in secrets and key not in secrets[secret]:
                place = f"{where}.applications[{number}].env"
                yield (
                    f"{place}: {shown(name)} wants the key {shown(key)} of the Secret {shown(secret)}; {did_you_mean(key, secrets[secret])}"
                )


def applications(given: MeshVariables) -> Iterator[str]:
    """What the role workloads refuses, too."""
    yield from workload_refusals(given.rows("mesh_workloads"), given.rows("mesh_mtls"))


def exemptions(given: MeshVariables) -> Iterator[str]:
    """Mutual TLS is a matter of namespaces with proxies."""
    for number, row in enumerate(given.rows("mesh_mtls")):
        if given.knows_members and row.get("namespace") not in given.members:
            yield _no_member(f"mesh_mtls[{number}].namespace", row.get("namespace"), given.members, "so no proxy there has mutual TLS")


def waves(given: MeshVariables, names: Collection[str]) -> Iterator[str]:
    """What mesh_upgrade names: namespaces of the mesh, and its own waves. names: of the waves."""
    said = given.map("mesh_upgrade")
    for number, wave in enumerate(sections(said.get("waves"))):
        for place, name in enumerate(entries(wave.get("namespaces"))):
            if given.knows_members and not wave.get("gateways") and name not in given.members:
                yield _no_member(
                    f"mesh_upgrade.waves[{number}].namespaces[{place}]", name, given.members, "so the wave would restart nothing there"
                )
    known = (*names, *_FREE_WAVES)
    if said.get("tag") is not None and said["tag"] not in (*_PLACES, *known):
        hint = did_you_mean(said["tag"], (*_PLACES, *known))
        yield f"mesh_upgrade.tag: {quoted(said['tag'])} is neither first nor last nor a wave; {hint}"
    until = given.text("upgrade_until")
    if until and until.removesuffix("-left") not in known:
        yield f"upgrade_until: {quoted(until)} is no wave of mesh_upgrade.waves; {did_you_mean(until, known)}"


def migrated(given: MeshVariables) -> Iterator[str]:
    """A migration goes domain by domain."""
    for number, name in enumerate(entries(given.values.get("migration_only"))):
        if given.knows_members and name not in given.domains:
            yield f"migration_only[{number}]: {quoted(name)} is no domain of mesh_domains; {did_you_mean(name, given.domains)}"


def adopted(given: MeshVariables) -> Iterator[str]:
    """What is written in another form would match nothing."""
    for number, text in enumerate(entries(given.values.get("mesh_adopt"))):
        if not _ADOPTED.fullmatch(str(text)):
            yield f"mesh_adopt[{number}]: {quoted(text)} is no object; expected `Kind namespace/name`, like `Secret shop-system/cacerts`"
