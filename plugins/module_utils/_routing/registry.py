# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The services that istiod knows, who may see them, and their endpoints: Services with their pods, ServiceEntries, aliases.

After pilot/pkg/serviceregistry (kube, serviceentry) and pilot/pkg/model/push_context.go."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from .._model.fields import entries, metadata_of, name_of, namespace_of, section, sections, texts
from .._model.selectors import ByLabel, matches_labels
from .hosts import is_ip
from .model import ANYWHERE, RoutedEndpoint, RoutedPort, RoutedService, RoutingMesh
from .protocols import parse, service_port_protocol

__all__ = ["ISTIO_EPOCH", "Registry", "created_at", "export_set", "number_of"]

ISTIO_EPOCH = "2024-01-01T00:00:00Z"  # objects of Istio without a time, as manifests have them, are all of one time, and after Services
_EXPORT, _TLS_MODE = "networking.istio.io/exportTo", "security.istio.io/tlsMode"
_RESOLUTIONS = {"STATIC": "STATIC", "DNS": "DNS", "DNS_ROUND_ROBIN": "DNS_ROUND_ROBIN", "DYNAMIC_DNS": "DYNAMIC_DNS"}
_UNIX, _ENDED = "unix://", ("Succeeded", "Failed")


def created_at(obj: Mapping[str, Any]) -> str:
    """When an object of Istio was created."""
    return metadata_of(obj, "creationTimestamp") or ISTIO_EPOCH


def number_of(value: Any) -> int:
    """A number of an object, 0 where there is none."""
    return int(value) if str(value or "").isdigit() else 0


def export_set(obj: Mapping[str, Any]) -> frozenset[str]:
    """The words of exportTo as they are written."""
    return frozenset(str(word) for word in entries(section(obj, "spec").get("exportTo")))


def kubernetes_service(obj: Mapping[str, Any], mesh: RoutingMesh) -> RoutedService:
    """A Service as istiod has it."""
    spec, name, namespace = section(obj, "spec"), name_of(obj), namespace_of(obj)
    cluster_ip, external = str(spec.get("clusterIP") or ""), str(spec.get("externalName") or "")
    external = external if spec.get("type") == "ExternalName" else ""
    words = texts(section(obj, "metadata").get("annotations")).get(_EXPORT, "")
    return RoutedService(
        hostname=f"{name}.{namespace}{mesh.end}",
        name=name,
        namespace=namespace,
        ports=tuple(RoutedPort(str(one.get("name") or ""), number_of(one.get("port")), service_port_protocol(one))
                    for one in sections(spec.get("ports"))),
        resolution="NONE" if cluster_ip == "None" else "ALIAS" if external else "STATIC",
        address=cluster_ip if cluster_ip not in ("", "None") else ANYWHERE,
        external=bool(external),
        export=frozenset(word.strip() for word in words.split(",")) if words else frozenset(),
        created=metadata_of(obj, "creationTimestamp"),
        labels=texts(section(obj, "metadata").get("labels")),
        selector=texts(spec.get("selector")) or None,
        external_name=external,
        ref=f"Service {namespace}/{name}",
    )  # fmt: skip


def _addresses(obj: Mapping[str, Any]) -> Iterator[str]:
    """The addresses of a ServiceEntry that can be read; a network of one address is that address."""
    for address in map(str, entries(section(obj, "spec").get("addresses"))):
        if is_ip(address):
            yield address
            continue
        try:
            network = ipaddress.ip_network(address, strict=False)
        except ValueError:
            continue
        yield str(network.network_address) if network.prefixlen == network.max_prefixlen else address


def entry_services(obj: Mapping[str, Any]) -> list[RoutedService]:
    """The services of a ServiceEntry: one for each host and address."""
    spec, namespace = section(obj, "spec"), namespace_of(obj)
    addresses = list(_addresses(obj)) if entries(spec.get("addresses")) else [ANYWHERE]
    ports = tuple(RoutedPort(str(one.get("name") or ""), number_of(one.get("number")), parse(str(one.get("protocol") or "")))
                  for one in sections(spec.get("ports")))  # fmt: skip
    selected = section(spec, "workloadSelector") if spec.get("workloadSelector") is not None else None
    return [
        RoutedService(
            hostname=host, name=host, namespace=namespace, ports=ports, address=address, kubernetes=False,
            resolution=_RESOLUTIONS.get(str(spec.get("resolution") or ""), "NONE"),
            external=spec.get("location") in (None, "", "MESH_EXTERNAL", 0),
            export=export_set(obj), created=created_at(obj), labels=texts(section(obj, "metadata").get("labels")),
            selector=texts(selected.get("labels")) if selected is not None else None,
            ref=f"ServiceEntry {namespace}/{name_of(obj)}",
        )
        for host in map(str, entries(spec.get("hosts"))) for address in addresses
    ]  # fmt: skip


def _ready(pod: Mapping[str, Any]) -> bool:
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in sections(section(pod, "status").get("conditions")))


def _target_port(pod: Mapping[str, Any], port: Mapping[str, Any]) -> int:
    """The port of the pod behind a port of its Service; 0 where it has none of that name."""
    target = port.get("targetPort")
    if target is None:
        return number_of(port.get("port"))
    if str(target).isdigit():
        return int(target)
    spec = section(pod, "spec")
    for container in (*sections(spec.get("initContainers")), *sections(spec.get("containers"))):
        for one in sections(container.get("ports")):
            if one.get("name") == target and (one.get("protocol") or "TCP") == (port.get("protocol") or "TCP"):
                return number_of(one.get("containerPort"))
    return 0


class Registry:
    """All services of a mesh, the oldest first, with their endpoints."""

    def __init__(self, by_kind: Mapping[str, list[Mapping[str, Any]]], mesh: RoutingMesh) -> None:
        self.mesh = mesh
        self._default = mesh.default_export("defaultServiceExportTo")
        self._endpoints: dict[tuple[str, str], list[RoutedEndpoint]] = {}
        self.pods: dict[str, list[Mapping[str, Any]]] = {}
        for pod in by_kind.get("Pod", ()):
            self.pods.setdefault(namespace_of(pod), []).append(pod)
        self._labelled = {
            namespace: ByLabel((pod, texts(section(pod, "metadata").get("labels"))) for pod in pods)
            for namespace, pods in self.pods.items()
        }
        self._machines: dict[str, list[Mapping[str, Any]]] = {}
        for machine in by_kind.get("WorkloadEntry", ()):
            self._machines.setdefault(namespace_of(machine), []).append(machine)
        self.raw_services = {(namespace_of(obj), name_of(obj)): obj for obj in by_kind.get("Service", ())}
        found = [kubernetes_service(obj, mesh) for obj in by_kind.get("Service", ())]
        entered = [(obj, one) for obj in by_kind.get("ServiceEntry", ()) for one in entry_services(obj)]
        self.services = self._with_aliases(
            sorted((*found, *(one for _obj, one in entered)), key=lambda one: (one.created, one.name, one.namespace))
        )
        self._serve(by_kind, entered)
        self._index()

    def _with_aliases(self, services: list[RoutedService]) -> list[RoutedService]:
        """The names of ExternalName Services go to the service that they lead to in the end."""
        raw = {one.hostname: one for one in services if one.resolution == "ALIAS"}
        of_service: dict[str, list[RoutedService]] = {}
        for alias in raw.values():
            target, seen = alias.external_name, {alias.hostname}
            while target in raw and target not in seen:
                seen.add(target)
                target = raw[target].external_name
            if target not in seen:
                of_service.setdefault(target, []).append(alias)
        if not of_service:
            return services
        named = {
            host: tuple(one.hostname for one in sorted(found, key=lambda one: (one.namespace, one.hostname)))
            for host, found in of_service.items()
        }
        return [replace(one, aliases=named[one.hostname]) if one.hostname in named else one for one in services]

    # endpoints

    @staticmethod
    def target_port(pod: Mapping[str, Any], port: Mapping[str, Any]) -> int:
        """The port of a pod behind a port of a Service; 0 where it has none of that name."""
        return _target_port(pod, port)

    def _serve(self, by_kind: Mapping[str, list[Mapping[str, Any]]], entered: list[tuple[Mapping[str, Any], RoutedService]]) -> None:
        slices: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for one in by_kind.get("EndpointSlice", ()):
            owner = texts(section(one, "metadata").get("labels")).get("kubernetes.io/service-name", "")
            slices.setdefault((namespace_of(one), owner), []).append(one)
        self._addressed = {str(section(pod, "status").get("podIP") or ""): pod for pods in self.pods.values() for pod in pods}
        for (namespace, name), obj in self.raw_services.items():
            host = f"{name}.{namespace}{self.mesh.end}"
            own = self._endpoints.setdefault((host, namespace), [])
            sliced = slices.get((namespace, name))
            own += self._of_slices(sliced) if sliced else self._of_pods(obj)
            own += self._of_machines(obj)
        taken: set[tuple[str, str, int]] = set()  # one endpoint a port is all that round robin over a name can have
        for obj, service in sorted(entered, key=lambda pair: (pair[1].created, pair[1].name, pair[1].namespace)):
            own = self._endpoints.setdefault((service.hostname, service.namespace), [])
            for endpoint in self._of_entry(obj, service):
                key = (service.hostname, service.namespace, endpoint.number)
                if service.resolution != "DNS_ROUND_ROBIN" or key not in taken:
                    taken.add(key)
                    own.append(endpoint)  # of each address again

    def _endpoint(self, address: str, port: int, name: str, pod: Mapping[str, Any], *, number: int = 0) -> RoutedEndpoint:
        labels, namespace = texts(section(pod, "metadata").get("labels")), namespace_of(pod)
        return RoutedEndpoint(
            address, port, name, number, labels, namespace, labels.get(_TLS_MODE) == "istio", f"Pod {namespace}/{name_of(pod)}"
        )

    def _of_pods(self, service: Mapping[str, Any]) -> Iterator[RoutedEndpoint]:
        spec = section(service, "spec")
        selector = texts(spec.get("selector"))
        if not selector or spec.get("type") == "ExternalName":
            return
        labelled = self._labelled.get(namespace_of(service))
        for pod in labelled.matching(selector) if labelled is not None else ():
            status = section(pod, "status")
            address = str(status.get("podIP") or "")
            if not address or status.get("phase") in _ENDED:
                continue
            if not _ready(pod) and not spec.get("publishNotReadyAddresses"):
                continue
            for port in sections(spec.get("ports")):
                number = self.target_port(pod, port)
                if number:
                    yield self._endpoint(address, number, str(port.get("name") or ""), pod)

    def _of_slices(self, slices: Iterable[Mapping[str, Any]]) -> Iterator[RoutedEndpoint]:
        for one in slices:
            for endpoint in sections(one.get("endpoints")):
                if section(endpoint, "conditions").get("ready") is False:
                    continue
                for address in map(str, entries(endpoint.get("addresses"))):
                    pod = self._addressed.get(address, {"metadata": {"namespace": namespace_of(one)}})
                    for port in sections(one.get("ports")):
                        yield self._endpoint(address, number_of(port.get("port")), str(port.get("name") or ""), pod)

    def _of_machines(self, service: Mapping[str, Any]) -> Iterator[RoutedEndpoint]:
        spec = section(service, "spec")
        selector = texts(spec.get("selector"))
        for machine in self._machines.get(namespace_of(service), ()) if selector else ():
            entry = section(machine, "spec")
            labels = {**texts(entry.get("labels")), **texts(section(machine, "metadata").get("labels"))}
            if not matches_labels(selector, labels) or not is_ip(str(entry.get("address") or "")):
                continue
            for port in sections(spec.get("ports")):
                target = (
                    number_of(section(entry, "ports").get(str(port.get("name"))))
                    or number_of(port.get("targetPort"))
                    or number_of(port.get("port"))
                )
                yield self._machine(machine, labels, target, str(port.get("name") or ""), 0)

    def _machine(self, machine: Mapping[str, Any], labels: Mapping[str, str], port: int, name: str, number: int) -> RoutedEndpoint:
        entry, namespace = section(machine, "spec"), namespace_of(machine)
        mutual = labels[_TLS_MODE] == "istio" if _TLS_MODE in labels else bool(entry.get("serviceAccount"))
        return RoutedEndpoint(
            str(entry.get("address") or ""), port, name, number, labels, namespace, mutual, f"WorkloadEntry {namespace}/{name_of(machine)}"
        )

    def _of_entry(self, obj: Mapping[str, Any], service: RoutedService) -> Iterator[RoutedEndpoint]:
        spec, namespace = section(obj, "spec"), service.namespace
        ports = [
            (str(one.get("name") or ""), number_of(one.get("number")), number_of(one.get("targetPort")))
            for one in sections(spec.get("ports"))
        ]
        named = service.resolution in ("DNS", "DNS_ROUND_ROBIN")
        if service.selector is not None:
            for machine in self._selected(namespace, service.selector):
                entry = section(machine, "spec")
                pod = machine.get("kind") == "Pod"
                labels = {**texts(entry.get("labels")), **texts(section(machine, "metadata").get("labels"))}
                for name, number, target in ports:
                    if pod:
                        yield self._endpoint(str(section(machine, "status").get("podIP")), target or number, name, machine, number=number)
                    elif is_ip(str(entry.get("address") or "")) or named:
                        yield self._machine(machine, labels, number_of(section(entry, "ports").get(name)) or target or number, name, number)
            return
        written = sections(spec.get("endpoints"))
        if not written and named:
            for name, number, target in ports:
                yield RoutedEndpoint(service.hostname, target or number, name, number, {}, namespace, False, service.ref)
        for place in written:
            address, labels = str(place.get("address") or ""), texts(place.get("labels"))
            mutual = labels[_TLS_MODE] == "istio" if _TLS_MODE in labels else bool(place.get("serviceAccount"))
            for name, number, target in ports:
                port = number_of(section(place, "ports").get(name)) or target or number
                socket = address.startswith(_UNIX)
                yield RoutedEndpoint(
                    address.removeprefix(_UNIX) if socket else address,
                    0 if socket else port,
                    name,
                    number,
                    labels,
                    namespace,
                    mutual,
                    service.ref,
                )

    def _selected(self, namespace: str, selector: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        for pod in self.pods.get(namespace, ()):
            if (
                section(pod, "status").get("podIP")
                and _ready(pod)
                and matches_labels(selector, texts(section(pod, "metadata").get("labels")))
            ):
                yield pod
        for machine in self._machines.get(namespace, ()):
            labels = {**texts(section(machine, "spec", "labels")), **texts(section(machine, "metadata").get("labels"))}
            if matches_labels(selector, labels):
                yield machine

    def endpoints(self, service: RoutedService, number: int, labels: Mapping[str, str]) -> list[RoutedEndpoint]:
        """The ready endpoints of a port, of those with these labels; they are found by the port's name."""
        port = service.port(number)
        if port is None:
            return []
        return [one for one in self._endpoints.get((service.hostname, service.namespace), ())
                if one.port_name == port.name and (one.port == 0 or is_ip(one.address)) and matches_labels(labels, one.labels)]  # fmt: skip

    def endpoints_by_number(self, service: RoutedService, number: int, labels: Mapping[str, str]) -> list[RoutedEndpoint]:
        """The same where names are resolved: there a ServiceEntry's are found by the port's number."""
        names = {port.name: port.number for port in service.ports}
        return [one for one in self._endpoints.get((service.hostname, service.namespace), ())
                if (one.number or names.get(one.port_name)) == number and matches_labels(labels, one.labels)]  # fmt: skip

    def sidecars(self, namespace: str) -> Iterator[Mapping[str, str]]:
        """The labels of the pods of a namespace that run a sidecar: its injection marks them, that of a gateway does not."""
        for pod in self.pods.get(namespace, ()):
            labels = texts(section(pod, "metadata").get("labels"))
            if labels.get(_TLS_MODE) == "istio" and section(pod, "status").get("phase") not in _ENDED:
                yield labels

    def headless_addresses(self) -> frozenset[str]:
        """The pods of Services without an address of their own."""
        return frozenset(
            endpoint.address
            for service in self.services
            if service.kubernetes and service.resolution == "NONE"
            for endpoint in self._endpoints.get((service.hostname, service.namespace), ())
        )

    # who may see them

    def _index(self) -> None:
        self.by_host: dict[str, dict[str, RoutedService]] = {}
        self.public: list[RoutedService] = []
        self.exported: dict[str, list[RoutedService]] = {}
        for one in self.services:
            spaces = self.by_host.setdefault(one.hostname, {})
            existing = spaces.get(one.namespace)
            if existing is None or (one.kubernetes and not existing.kubernetes):
                spaces[one.namespace] = one
            words = one.export or self._default
            if "*" in words:
                self.public.append(one)
            elif "~" not in words:
                for space in {one.namespace if word == "." else word for word in words}:
                    self.exported.setdefault(space, []).append(one)

    def visible(self, service: RoutedService, namespace: str) -> bool:
        """Is a service exported to a namespace?"""
        words = service.export or self._default
        return "*" in words or ("." in words and service.namespace == namespace) or namespace in words

    def exported_to(self, namespace: str) -> list[RoutedService]:
        """What a namespace can see: first what is exported to it by name, then what is public."""
        return [*self.exported.get(namespace, ()), *self.public]
