# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""mesh_topology: the name, the network and the east-west gateway of a cluster in a mesh of several, and what cannot be one mesh."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import ConfigError
from .._model.fields import section
from .._text import quoted, shown

__all__ = ["GATEWAY", "READER", "MeshHost", "Topology", "fleet_of", "fleet_refusals", "seconds_in", "topology_of", "topology_refusals"]

READER = "istio-remote-reader"  # the account with which the other istiods read a cluster: not that of the charts, which may do more
GATEWAY = "istio-eastwestgateway"
TRUST_DOMAIN = "cluster.local"
_LIFETIME, _RENEW = "90d", "30d"
_SHORTEST = 600  # seconds: the API server makes no token that is shorter
_UNITS = {"d": 86400, "h": 3600, "m": 60}
# It is a key of a Secret, a part of an object's name, and a label's value.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,50}[a-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_NO_OSSM2 = (
    "mesh_topology: mesh_provider is ossm2, whose control planes read no other cluster: OpenShift Service Mesh 2 joins meshes by "
    "federation (ServiceMeshPeer) only. Migrate it to OpenShift Service Mesh 3 first (playbook migrate_mesh), or take mesh_topology out"
)
_EAST_WEST: Mapping[str, Any] = {
    "name": GATEWAY,
    "replicas": 1,
    "autoscale": {},
    "resources": {},
    "service_type": "LoadBalancer",
    "service_annotations": {},
}


@dataclass(frozen=True)
class Topology:
    """mesh_topology of one cluster, complete. lifetime, renew_before: of tokens, in seconds.

    server, ca_file: how the other istiods reach its API server; empty where our own connection says it."""

    mesh_id: str
    cluster: str
    network: str
    east_west: Mapping[str, Any]
    server: str
    ca_file: str
    lifetime: int
    renew_before: int


@dataclass(frozen=True)
class MeshHost:
    """A host of the inventory, and what of its variables two clusters of a mesh have in common, or must not.

    api: how we reach its API server. given: mesh_topology."""

    host: str
    provider: str
    mesh: str
    namespace: str
    trust_domain: str
    api: tuple[str, ...]
    given: Mapping[str, Any]

    @property
    def mesh_id(self) -> str:
        return str(self.given.get("mesh_id") or "")

    @property
    def cluster(self) -> str:
        return str(self.given.get("cluster") or self.host)

    @property
    def network(self) -> str:
        return str(self.given.get("network") or "")

    @property
    def server(self) -> str:
        return str(section(self.given, "api_server").get("url") or "").rstrip("/")


def seconds_in(value: Any) -> int | None:
    """Of `90d`, `12h` or `30m`; None for anything else."""
    found = re.fullmatch(r"([0-9]{1,6})([dhm])", str(value))
    return int(found[1]) * _UNITS[found[2]] if found else None


def topology_of(given: Mapping[str, Any], host: str, provider: str = "") -> Topology:
    """Raises ConfigError with everything that it cannot mean."""
    wrong = list(topology_refusals(given, host, provider))
    if wrong:
        raise ConfigError(*wrong)
    token, api = section(given, "token"), section(given, "api_server")
    return Topology(
        mesh_id=str(given["mesh_id"]),
        cluster=str(given.get("cluster") or host),
        network=str(given["network"]),
        east_west={**_EAST_WEST, **section(given, "east_west")},
        server=str(api.get("url") or "").rstrip("/"),
        ca_file=str(api.get("ca_file") or ""),
        lifetime=seconds_in(token.get("lifetime") or _LIFETIME) or 0,
        renew_before=seconds_in(token.get("renew_before") or _RENEW) or 0,
    )


def topology_refusals(given: Mapping[str, Any], host: str, provider: str = "") -> Iterator[str]:
    """What mesh_topology of one host cannot mean, each as `mesh_topology.field: sentence`."""
    if provider == "ossm2":
        yield _NO_OSSM2
    named = {"mesh_id": _LABEL, "cluster": _NAME, "network": _LABEL}
    for field, form in named.items():
        value = given.get(field) or (host if field == "cluster" else "")
        if not value:
            yield f"mesh_topology.{field}: is not set; give the {'mesh' if field == 'mesh_id' else 'network'} a name"
        elif not form.fullmatch(str(value)):
            kinds = (
                "lower case letters, digits, '-' and '.', at most 52" if form is _NAME else "letters, digits, '-', '_' and '.', at most 63"
            )
            where = "is the name of the host" if field == "cluster" and not given.get(field) else "is a label's value"
            yield f"mesh_topology.{field}: {quoted(value)} {where}, and cannot be one; expected {kinds}"
    url = str(section(given, "api_server").get("url") or "")
    if url and not re.fullmatch(r"https://[^\s/?#@]+(/[^\s?#]*)?", url):
        yield f"mesh_topology.api_server.url: {quoted(url)} is no address of an API server; expected https://HOST:PORT"
    yield from _token_refusals(section(given, "token"))


def _token_refusals(token: Mapping[str, Any]) -> Iterator[str]:
    values = {"lifetime": token.get("lifetime") or _LIFETIME, "renew_before": token.get("renew_before") or _RENEW}
    seconds = {name: seconds_in(value) for name, value in values.items()}
    for name, value in values.items():
        if seconds[name] is None:
            yield f"mesh_topology.token.{name}: {quoted(value)} is no time; expected days, hours or minutes such as 90d, 12h or 30m"
    lifetime, renew = seconds["lifetime"], seconds["renew_before"]
    if lifetime is None or renew is None:
        return
    if lifetime < _SHORTEST:
        yield f"mesh_topology.token.lifetime: {values['lifetime']} is too short: an API server makes no token of less than 10m"
    if lifetime <= renew:
        yield (
            f"mesh_topology.token.lifetime: tokens live {values['lifetime']} and are renewed {values['renew_before']} before their end, so "
            "that each run would make new ones; make renew_before shorter, or lifetime longer"
        )


def fleet_of(hosts: Iterable[MeshHost], mesh_id: str) -> list[MeshHost]:
    """The clusters of a mesh, by name of the host."""
    return sorted((one for one in hosts if one.mesh_id == mesh_id), key=lambda one: one.host)


def fleet_refusals(hosts: Sequence[MeshHost], mesh_id: str, played: Iterable[str]) -> list[str]:
    """Why the hosts that say mesh_id cannot be one mesh, or not in this run. hosts: all of the inventory. played: those of the run."""
    fleet, here = fleet_of(hosts, mesh_id), set(played)
    named = f"mesh {shown(mesh_id)}"
    found = [text for one in fleet for text in _own(one)]
    if len(fleet) < 2:
        found.append(f"{named}: no other host of the inventory has mesh_topology.mesh_id {shown(mesh_id)}; a mesh of several needs two")
    away = [one.host for one in fleet if one.host not in here]
    if away:
        found.append(
            f"{named}: {_listed(away)} is of it and not of this run, so that nothing could be read there; leave -l out, or name all hosts "
            "of the mesh in mesh_hosts. A cluster that is gone leaves the inventory"
        )
    return [*found, *_twice(fleet), *_unlike(fleet)]


def _own(one: MeshHost) -> Iterator[str]:
    for text in topology_refusals(one.given, one.host, one.provider):
        yield f"host {shown(one.host)}: {text}"


def _twice(fleet: Sequence[MeshHost]) -> Iterator[str]:
    """What each cluster has for itself."""
    own = (
        ("are all called {} (mesh_topology.cluster); give each cluster a name of its own", lambda one: one.cluster),
        (
            "all say that they are on network {}: then istiod sends calls to addresses of the other cluster's pods, which are not reached "
            "from here; give each a network of its own (mesh_topology.network)",
            lambda one: one.network,
        ),
        (
            "are reached in the same way (mesh_kubeconfig, mesh_context), so they are one cluster; give each its own",
            lambda one: one.api,
        ),
        ("have the same API server {} (mesh_topology.api_server.url), so they are one cluster", lambda one: one.server),
    )
    for text, value_of in own:
        rows: dict[Any, list[str]] = defaultdict(list)
        for one in fleet:
            rows[value_of(one)].append(one.host)
        for value, same in rows.items():
            if value and len(same) > 1:
                yield f"hosts {_listed(same)} " + text.format(shown(value))


def _unlike(fleet: Sequence[MeshHost]) -> Iterator[str]:
    """What all of them have in common."""
    common = (
        ("mesh_name", "istiod reads the namespaces with the name of its own mesh, in the other clusters as well", lambda one: one.mesh),
        (
            "mesh_control_plane.namespace",
            "istiod looks for a cluster's network at the namespace of its own name there",
            lambda one: one.namespace,
        ),
        ("mesh_control_plane.trust_domain", "a proxy takes identities of its own trust domain only", lambda one: one.trust_domain),
    )
    for name, why, value_of in common:
        values = {one.host: value_of(one) for one in fleet}
        if len(set(values.values())) > 1:
            told = ", ".join(f"{shown(value)} of {shown(host)}" for host, value in values.items())
            yield f"{name} is not the same for all of them ({told}): {why}; give them the same"


def _listed(names: Sequence[str]) -> str:
    known = [shown(name) for name in names]
    return " and ".join([", ".join(known[:-1]), known[-1]]) if len(known) > 1 else known[0]
