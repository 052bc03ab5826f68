# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Who is there: the mesh's settings, the workloads that requests go to, and the identities that they come from, out of any objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._model.mesh_config import Broken
from .attachment import GATEWAY_NAME
from .meshes import meshes_of
from .model import HTTP, TCP, Mesh, ServiceRef, Workload
from .planes import by_control_plane

__all__ = ["Inventory", "Place", "take"]

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Pod")
_INJECT, _TEMPLATES = "sidecar.istio.io/inject", "inject.istio.io/templates"
_REVISION, _INJECTION, _AMBIENT = "istio.io/rev", "istio-injection", "istio.io/dataplane-mode"
_USE_WAYPOINT, _USE_WAYPOINT_NAMESPACE = "istio.io/use-waypoint", "istio.io/use-waypoint-namespace"
_TCP_WORDS = frozenset({"tcp", "tls", "https", "mongo", "mysql", "redis", "udp"})
_HTTP_WORDS = frozenset({"http", "http2", "grpc", "http_proxy", "kubernetes.io/h2c", "kubernetes.io/ws"})
_TCP_PORTS = (25, 53, 3306, 27017)  # where the server speaks first: TCP unless the Service says otherwise


@dataclass(frozen=True)
class Place:
    """A workload. `ports`: of its pods, as Services name them, each HTTP or TCP. `assumed`: only a policy speaks of it."""

    name: str
    workload: Workload
    account: str = "default"
    ports: Mapping[int, str] = field(default_factory=dict)
    outside: bool = False  # no proxy: nothing is enforced there, and it calls without an identity
    assumed: bool = False
    # The control planes that its proxies have their configuration from, several during a rollout; none: the mesh's only one.
    control_planes: tuple[str, ...] = ()

    @property
    def namespace(self) -> str:
        return self.workload.namespace

    @property
    def ref(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Inventory:
    mesh: Mesh
    places: tuple[Place, ...]
    objects: tuple[Mapping[str, Any], ...]  # of the security API
    assumptions: tuple[str, ...] = ()
    meshes: tuple[Mesh, ...] = ()  # of every istiod
    broken: tuple[Broken, ...] = ()  # settings that cannot be read
    tags: Mapping[str, str] = field(default_factory=dict)  # of revisions

    def identity(self, place: Place) -> str | None:
        """spiffe://..., None for one without a proxy."""
        if place.outside or place.assumed:
            return None
        return f"spiffe://{self.meshes_of(place)[0].trust_domain}/ns/{place.namespace}/sa/{place.account}"

    def meshes_of(self, place: Place) -> tuple[Mesh, ...]:
        """The settings that count for a workload: those of each istiod that its proxies ask."""
        return tuple(mesh for mesh in self.meshes if mesh.control_plane in place.control_planes) or (self.mesh,)


def _map(value: Any, *path: str) -> Mapping[str, Any]:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _name(obj: Mapping[str, Any]) -> str:
    return str(_map(obj, "metadata").get("name") or "")


def _namespace(obj: Mapping[str, Any]) -> str:
    return str(_map(obj, "metadata").get("namespace") or "default")


@dataclass
class _Reader:
    """What is read on the way to places."""

    mesh: Mesh
    assume: bool = True
    namespaces: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # name to labels
    members: set[str] = field(default_factory=set)
    services: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    kinds: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    guessed: set[str] = field(default_factory=set)

    def read(self, objects: Iterable[Mapping[str, Any]]) -> None:
        for obj in objects:
            kind = str(obj.get("kind"))
            self.kinds.setdefault(kind, []).append(obj)
            if kind == "Namespace":
                self.namespaces[_name(obj)] = _map(obj, "metadata", "labels")
            elif kind == "Service" and str(obj.get("apiVersion")) == "v1":
                self.services.setdefault(_namespace(obj), []).append(obj)
            elif kind == "ServiceMeshMemberRoll":
                self.members |= {str(name) for name in _list(_map(obj, "spec").get("members"))}

    def injected(self, namespace: str, marks: Mapping[str, Any]) -> bool:
        """Does such a pod get a proxy? In manifests a namespace of which nothing is known is taken to be in the mesh."""
        wish = str(marks.get(_INJECT, "")).lower()
        if wish:
            return wish == "true"
        if namespace in self.members:
            return False  # OpenShift Service Mesh 2 injects only what says so
        labels = self.namespaces.get(namespace)
        if labels is None and self.assume:
            self.guessed.add(namespace)
            return True
        labels = labels or {}
        return labels.get(_INJECTION) == "enabled" or (_REVISION in labels and labels.get(_INJECTION) != "disabled") or _REVISION in marks

    def kind_of(self, namespace: str, marks: Mapping[str, Any], labels: Mapping[str, Any], host: bool) -> str:
        """sidecar, gateway, waypoint, ztunnel, or nothing for a pod without a proxy."""
        if GATEWAY_NAME in labels:
            return "waypoint" if self.is_waypoint(namespace, str(labels[GATEWAY_NAME]), labels) else "gateway"
        if "gateway" in str(marks.get(_TEMPLATES, "")) or str(labels.get("istio", "")).endswith("gateway"):
            return "gateway"
        if host:
            return ""
        mode = labels.get(_AMBIENT) or _map(self.namespaces.get(namespace)).get(_AMBIENT)
        wish = str(marks.get(_INJECT, "")).lower()
        if mode == "ambient" and wish != "true":
            return "ztunnel"
        return "sidecar" if self.injected(namespace, marks) else ""

    def is_waypoint(self, namespace: str, name: str, labels: Mapping[str, Any]) -> bool:
        if "waypoint" in str(labels.get("gateway.istio.io/managed", "")) or "mesh-controller" in str(
            labels.get("gateway.istio.io/managed")
        ):
            return True
        return any(
            _name(obj) == name and _namespace(obj) == namespace and _map(obj, "spec").get("gatewayClassName") == "istio-waypoint"
            for obj in self.kinds.get("Gateway", [])
        )

    def served(self, labels: Mapping[str, Any]) -> dict[int, str]:
        """What the Gateways of a gateway's pods serve on each port of its Service: TCP where no request is read (TLS that passes)."""
        found: dict[int, str] = {}
        for obj in self.kinds.get("Gateway", []):
            spec = _map(obj, "spec")
            selector = _map(spec, "selector")
            own = str(obj.get("apiVersion")).startswith("networking.istio.io")
            if not own or any(labels.get(key) != value for key, value in selector.items()):
                continue
            for server in map(_map, _list(spec.get("servers"))):
                number, word = _map(server, "port").get("number"), str(_map(server, "port").get("protocol") or "HTTP").lower()
                passes = str(_map(server, "tls").get("mode") or "").endswith("PASSTHROUGH")
                if str(number).isdigit() and found.get(int(str(number))) != HTTP:
                    found[int(str(number))] = TCP if passes or word in _TCP_WORDS - {"https"} else HTTP
        return found

    def ports(self, namespace: str, labels: Mapping[str, Any], named: Mapping[str, int], gateway: bool) -> dict[int, str]:
        """The pod's ports that Services lead to; one that any Service calls TCP is TCP. At a gateway its Gateways say it."""
        found: dict[int, str] = {}
        served = self.served(labels) if gateway else {}
        for service in self.services.get(namespace, []):
            selector = _map(service, "spec", "selector")
            if not selector or any(labels.get(key) != value for key, value in selector.items()):
                continue
            for port in map(_map, _list(_map(service, "spec").get("ports"))):
                target = port.get("targetPort", port.get("port"))
                number = named.get(target) if isinstance(target, str) and not target.isdigit() else target
                if number is None or not str(number).isdigit() or port.get("protocol", "TCP") != "TCP":
                    continue
                if gateway:
                    found[int(number)] = served.get(int(port.get("port") or 0), HTTP)
                elif found.get(int(number)) != TCP:
                    found[int(number)] = _protocol(port)
        return found


def _protocol(port: Mapping[str, Any]) -> str:
    """What istiod takes a Service's port to speak; one of which nothing is said is taken for HTTP, which Envoy would find out."""
    said = str(port.get("appProtocol") or port.get("name") or "").lower()
    word = "https" if said == "kubernetes.io/wss" else said.split("-", maxsplit=1)[0]
    if word in _TCP_WORDS:
        return TCP
    return TCP if word not in _HTTP_WORDS and port.get("port") in _TCP_PORTS else HTTP


def _template(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return obj if obj.get("kind") == "Pod" else _map(obj, "spec", "template")


def _place(reader: _Reader, obj: Mapping[str, Any]) -> Place:
    template, namespace = _template(obj), _namespace(obj)
    labels = {str(key): str(value) for key, value in _map(template, "metadata", "labels").items()}
    marks = {**_map(template, "metadata", "annotations"), **labels}
    spec = _map(template, "spec")
    named = {
        str(port.get("name")): int(port["containerPort"])
        for container in _list(spec.get("containers"))
        if isinstance(container, Mapping)
        for port in _list(container.get("ports"))
        if isinstance(port, Mapping) and str(port.get("containerPort")).isdigit()
    }
    kind = reader.kind_of(namespace, marks, labels, bool(spec.get("hostNetwork")))
    account = str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")
    workload = Workload(namespace, labels, kind or "sidecar", unlabelled=not labels)
    return Place(_name(obj), workload, account, reader.ports(namespace, labels, named, kind == "gateway"), outside=not kind)


def _gateways_of_ossm2(reader: _Reader) -> Iterator[Place]:
    """The gateways that Maistra's operator makes of a ServiceMeshControlPlane."""
    for plane in reader.kinds.get("ServiceMeshControlPlane", []):
        gateways = _map(plane, "spec", "gateways")
        if not gateways or gateways.get("enabled") is False:
            continue
        for name, key in (("istio-ingressgateway", "ingress"), ("istio-egressgateway", "egress")):
            own = _map(gateways, key)
            if own.get("enabled") is not False:
                labels = {"app": name, "istio": name.removeprefix("istio-")}
                yield Place(name, Workload(_namespace(plane), labels, "gateway"), f"{name}-service-account")
        for key in ("additionalIngress", "additionalEgress"):
            for name, own in _map(gateways, key).items():
                word = "ingressgateway" if key == "additionalIngress" else "egressgateway"
                given = _map(own, "service", "metadata", "labels") or {"app": name, "istio": word}
                labels = {str(label): str(value) for label, value in given.items()}
                namespace = str(_map(own).get("namespace") or _namespace(plane))
                yield Place(name, Workload(namespace, labels, "gateway"), f"{name}-service-account")


def _gateways_of_the_api(reader: _Reader, known: set[str]) -> Iterator[Place]:
    """Gateways of the Gateway API, for which Istio makes the pods."""
    for obj in reader.kinds.get("Gateway", []):
        if not str(obj.get("apiVersion")).startswith("gateway.networking.k8s.io"):
            continue
        name, namespace, cls = _name(obj), _namespace(obj), str(_map(obj, "spec").get("gatewayClassName") or "")
        account = name if cls == "istio-waypoint" else f"{name}-{cls}"
        if f"{namespace}/{account}" not in known and cls.startswith("istio"):
            kind = "waypoint" if cls == "istio-waypoint" else "gateway"
            yield Place(account, Workload(namespace, {GATEWAY_NAME: name}, kind), account)


def _waypoint_services(reader: _Reader, places: Iterable[Place]) -> Iterator[Place]:
    """For each Service behind a waypoint, that waypoint as the place where its policies are enforced."""
    waypoints = {(place.namespace, place.workload.labels.get(GATEWAY_NAME)): place for place in places if place.workload.kind == "waypoint"}
    for namespace, services in reader.services.items() if waypoints else ():
        for service in services:
            labels = {**reader.namespaces.get(namespace, {}), **_map(service, "metadata", "labels")}
            where = str(labels.get(_USE_WAYPOINT_NAMESPACE) or namespace)
            found = waypoints.get((where, str(labels.get(_USE_WAYPOINT, "none"))))
            if found:
                ref = ServiceRef(_name(service), namespace)
                workload = Workload(found.namespace, found.workload.labels, "waypoint", ref)
                ports = {
                    int(port["port"]): HTTP
                    for port in map(_map, _list(_map(service, "spec").get("ports")))
                    if str(port.get("port")).isdigit()
                }
                name = ref.name if namespace == found.namespace else f"{namespace}/{ref.name}"
                yield Place(f"{name} (waypoint {found.name})", workload, found.account, ports)


def _assumed(objects: Iterable[Mapping[str, Any]], places: Iterable[Place], root: str) -> Iterator[Place]:
    """Where a namespace has policies and no workload in the source: one for each selector that is of no workload elsewhere, and one for
    all others."""
    known = tuple(places)
    inhabited = {place.namespace for place in known}
    selectors: dict[str, dict[str, dict[str, str]]] = {}
    for obj in objects:
        namespace = _namespace(obj)
        if namespace not in inhabited and not _map(obj, "spec").get("targetRefs") and not _map(obj, "spec").get("targetRef"):
            labels = {str(key): str(value) for key, value in _map(obj, "spec", "selector", "matchLabels").items()}
            name = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
            elsewhere = labels and any(labels.items() <= place.workload.labels.items() for place in known)
            if not elsewhere and (name or namespace != root):
                selectors.setdefault(namespace, {})[name or "any other workload"] = labels
    for namespace, found in selectors.items():
        for name, labels in {"any other workload": {}, **found}.items():
            kind = "gateway" if str(labels.get("istio", "")).endswith("gateway") else "sidecar"
            yield Place(f"({name})", Workload(namespace, labels, kind), assumed=True)


def take(objects: Iterable[Mapping[str, Any]], given: Mapping[str, Any] | None = None, *, assume: bool = True) -> Inventory:
    """The inventory of any set of objects; `given` are settings of the mesh that go before what the objects say. `assume`: they may be a
    part of what there is, so that a workload which only a policy speaks of may exist; never for a cluster or a snapshot."""
    kept = [obj for obj in objects if isinstance(obj, Mapping)]
    meshes = meshes_of(kept, given)
    mesh, assumptions = meshes.main, meshes.assumptions
    reader = _Reader(mesh, assume)
    reader.read(kept)
    places: dict[str, Place] = {}
    for kind in _WORKLOADS:
        for obj in reader.kinds.get(kind, []):
            owned = any(_map(owner).get("controller") for owner in _list(_map(obj, "metadata").get("ownerReferences")))
            if not owned:
                place = _place(reader, obj)
                places.setdefault(place.ref, place)
    for place in (*_gateways_of_ossm2(reader), *_gateways_of_the_api(reader, set(places))):
        places.setdefault(place.ref, place)
    every = [place for place in places.values() if not (place.workload.kind == "waypoint" and not place.workload.service)]
    waypoints = [place for place in places.values() if place not in every]
    every += [*_waypoint_services(reader, waypoints), *waypoints]
    security = tuple(obj for obj in kept if str(obj.get("apiVersion", "")).startswith("security.istio.io/"))
    guessed = list(_assumed(security, every, mesh.root_namespace)) if assume else []
    if guessed:
        assumptions += (
            f"no workloads of {', '.join(sorted({place.namespace for place in guessed}))} in the source: "
            "one is assumed for each selector of a policy",
        )
    if reader.guessed:
        assumptions += (f"every workload of {', '.join(sorted(reader.guessed))} has a sidecar: the source has no such Namespace",)
    planes = by_control_plane([*every, *guessed], kept, meshes)
    return Inventory(mesh, planes.places, security, assumptions + planes.assumptions, planes.meshes, meshes.broken, meshes.revisions.tags)
