# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The places that requests go to and come from: workloads of any kind, gateways, waypoints, machines; and whether a proxy is in front."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .._model.fields import name_of, namespace_of, section, sections, texts
from .._model.gateway_labels import gateways_of_plane
from .._model.owners import standard
from .._model.proxies import INJECT
from .._model.workloads import PodGroup, Shape, groups_of
from .._text import shortened
from .attachment import GATEWAY_NAME
from .capture import CAPTURED, CaptureSettings, Past, past_proxy, settings_of
from .model import HTTP, TCP, Mesh, PolicyTarget, ServiceRef

__all__ = ["Places", "Workload", "places_of"]

_TEMPLATES = "inject.istio.io/templates"
_REVISION, _INJECTION, _AMBIENT = "istio.io/rev", "istio-injection", "istio.io/dataplane-mode"
_REDIRECTED, _MEMBER_OF = "ambient.istio.io/redirection", "maistra.io/member-of"
_USE_WAYPOINT, _USE_WAYPOINT_NAMESPACE = "istio.io/use-waypoint", "istio.io/use-waypoint-namespace"
_TCP_WORDS = frozenset({"tcp", "tls", "https", "mongo", "mysql", "redis", "udp"})
_HTTP_WORDS = frozenset({"http", "http2", "grpc", "http_proxy", "kubernetes.io/h2c", "kubernetes.io/ws"})
_TCP_PORTS = (25, 53, 3306, 27017)  # where the server speaks first: TCP unless the Service says otherwise
_TLS_MODE, _CANONICAL = "security.istio.io/tlsMode", "service.istio.io/canonical-"
_REGISTERED = "istio.io/autoRegistrationGroup"
# What a pod has beyond its template: by its maker, by the kubelet's cloud, by injection. Hashes tell nothing that a policy could mean.
_ADDED = ("pod-template-hash", "rollouts-pod-template-hash", "controller-revision-hash", "pod-template-generation", "controller-uid",
          "job-name", "batch.kubernetes.io/", "statefulset.kubernetes.io/", "apps.kubernetes.io/pod-index", "topology.", _TLS_MODE,
          "service.istio.io/", "networking.istio.io/tunnel", "maistra-version", "deployment", "deploymentconfig")  # fmt: skip
_PARTS = (("app", "istiod"), ("istio", "pilot"), ("app", "ztunnel"), ("k8s-app", "istio-cni-node"), ("app", "istio-operator"))


@dataclass(frozen=True)
class Workload:
    """A workload, or those of its pods that are alike. `ports`: of its pods, as Services name them, each HTTP or TCP. `assumed`: only a
    policy speaks of it."""

    name: str
    workload: PolicyTarget
    account: str = "default"
    ports: Mapping[int, str] = field(default_factory=dict)
    outside: bool = False  # no proxy: nothing is enforced there, and it calls without an identity
    assumed: bool = False
    # The control planes that its proxies have their configuration from, several during a rollout; none: the mesh's only one.
    control_planes: tuple[str, ...] = ()
    why: str = ""  # there is no proxy
    past: Past = CAPTURED  # what goes past the proxy that there is
    aliases: tuple[str, ...] = ()  # what else it is called: its owner's owner, the workload of which it is some pods
    pods: int = 0
    apart: bool = False  # no part of the mesh: seen, and not judged unless somebody names it
    behind: tuple[str, ...] = ()  # waypoints that callers of its Services go through, and callers of the pod do not
    part_of: str = ""  # the workload of which these are some pods
    asked: str = ""  # the pod to ask for this place; empty where the name is enough

    @property
    def namespace(self) -> str:
        return self.workload.namespace

    @property
    def ref(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def refs(self) -> tuple[str, ...]:
        """All that it is called."""
        return (self.ref, *(f"{self.namespace}/{name}" for name in self.aliases))

    @property
    def whole(self) -> str:
        """The workload that it is, or is some pods of."""
        return f"{self.namespace}/{self.part_of or self.name}"

    @property
    def concerned(self) -> tuple[str, ...]:
        """The namespaces of objects that may be for it, beside the root namespace: its own, and that of its Service at a waypoint."""
        service = (self.workload.service.namespace,) if self.workload.service else ()
        return tuple(dict.fromkeys((self.namespace, *service)))

    @property
    def open(self) -> str:
        """Why nothing at all is enforced there; empty where something is."""
        if self.outside:
            return f"it has no proxy ({self.why or 'nothing injects one'}), so nothing is enforced there"
        if self.past.but == ():
            return f"every port goes past its proxy ({self.past.why}), so nothing is enforced there"
        return ""


@dataclass(frozen=True)
class Places:
    """What a source has. `guessed`: namespaces of which it says nothing."""

    places: tuple[Workload, ...]
    guessed: tuple[str, ...]
    pods: int


@dataclass
class _WorkloadReader:
    """What is read on the way to places."""

    mesh: Mesh
    settings: CaptureSettings
    assume: bool = True
    namespaces: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # name to labels
    members: set[str] = field(default_factory=set)
    services: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    entries: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)  # ServiceEntries that select workloads
    kinds: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    guessed: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)  # of labels that anything in the source selects by

    def read(self, objects: Iterable[Mapping[str, Any]]) -> None:
        for obj in objects:
            kind, group = str(obj.get("kind")), str(obj.get("apiVersion")).partition("/")[0]
            self.kinds.setdefault(kind, []).append(obj)
            if kind == "Namespace":
                self.namespaces[name_of(obj)] = section(obj, "metadata", "labels")
                if _MEMBER_OF in self.namespaces[name_of(obj)]:
                    self.members.add(name_of(obj))
            elif kind == "Service" and group == "v1":
                self.services.setdefault(namespace_of(obj), []).append(obj)
                self.keys |= section(obj, "spec", "selector").keys()
            elif kind == "ServiceMeshMemberRoll":
                members = section(obj, "spec").get("members")
                self.members |= {str(name) for name in members} if isinstance(members, (list, tuple)) else set()
            elif kind == "ServiceMeshMember":
                self.members.add(namespace_of(obj))
            elif group == "security.istio.io":
                self.keys |= section(obj, "spec", "selector", "matchLabels").keys()
            elif group == "networking.istio.io":
                self.keys |= section(obj, "spec", "workloadSelector", "labels").keys()
                if kind == "Gateway":
                    self.keys |= section(obj, "spec", "selector").keys()
                elif kind == "ServiceEntry" and section(obj, "spec", "workloadSelector"):
                    self.entries.setdefault(namespace_of(obj), []).append(obj)

    def injected(self, namespace: str, shape: Shape) -> str:
        """Why a pod made of such a template gets no proxy; empty if it gets one. As Istio's webhooks select, which ask the namespace first,
        and as its injector decides. In manifests a namespace of which nothing is known is taken to be in the mesh."""
        label, note = shape.labels.get(INJECT), shape.annotations.get(INJECT)
        wish = str(note if label is None else label).lower()
        if wish == "false":
            return f"{'annotation' if label is None else 'label'} {INJECT}: false"
        if namespace in self.members:
            return "" if wish == "true" else f"OpenShift Service Mesh 2 injects only pods that say {INJECT}: true"
        labels = self.namespaces.get(namespace)
        if labels is None and self.assume:
            if wish != "true":
                self.guessed.add(namespace)
            return ""
        labels = labels or {}
        if _INJECTION in labels:
            found = labels[_INJECTION]
            return "" if found == "enabled" else f"its namespace is labelled {_INJECTION}={found}"
        if _REVISION in labels or _REVISION in shape.labels or str(label).lower() == "true":
            return ""
        if wish == "true":  # OpenShift Service Mesh 2 goes by the annotation; upstream's webhooks see labels only
            upstream = bool(self.kinds.get("Istio"))
            return f"its namespace is not injected, and {INJECT} is an annotation: it must be a label" if upstream else ""
        return "its namespace is not injected"

    def kind_of(self, namespace: str, shape: Shape) -> tuple[str, str]:
        """sidecar, gateway, waypoint, ztunnel, or nothing, with the reason, for a pod without a proxy."""
        labels = shape.labels
        if not shape.live or shape.proxied:
            if GATEWAY_NAME in labels:
                return ("waypoint" if self.is_waypoint(namespace, labels[GATEWAY_NAME], labels) else "gateway"), ""
            templates = str(shape.annotations.get(_TEMPLATES) or labels.get(_TEMPLATES) or "")
            if "gateway" in templates or labels.get("istio", "").endswith("gateway"):
                return "gateway", ""
        if shape.host:
            return "", "hostNetwork, where no proxy is injected"
        if shape.proxied:
            return "sidecar", ""
        mode = labels.get(_AMBIENT) or section(self.namespaces.get(namespace)).get(_AMBIENT)
        if shape.live:  # what is there counts, whatever is meant
            if shape.annotations.get(_REDIRECTED) == "enabled":
                return "ztunnel", ""
            return "", f"annotation {_REDIRECTED} is not enabled" if mode == "ambient" else "its pods have no container istio-proxy"
        why = self.injected(namespace, shape)
        own = str(labels.get(INJECT, shape.annotations.get(INJECT, ""))).lower() == "true"
        named = section(self.namespaces.get(namespace)).get(_INJECTION) == "enabled"
        if mode == "ambient" and (why or not (own or named)):
            return "ztunnel", ""
        return ("", why) if why else ("sidecar", "")

    def revision(self, namespace: str, shape: Shape) -> str:
        """Of the control plane that the proxy is of, or is going to be."""
        labels = section(self.namespaces.get(namespace))
        found = shape.annotations.get(_REVISION) or shape.labels.get(_REVISION) or labels.get(_REVISION)
        return str(found or ("default" if labels.get(_INJECTION) else ""))

    def is_waypoint(self, namespace: str, name: str, labels: Mapping[str, Any]) -> bool:
        if "waypoint" in str(labels.get("gateway.istio.io/managed", "")) or "mesh-controller" in str(
            labels.get("gateway.istio.io/managed")
        ):
            return True
        return any(
            name_of(obj) == name and namespace_of(obj) == namespace and section(obj, "spec").get("gatewayClassName") == "istio-waypoint"
            for obj in self.kinds.get("Gateway", [])
        )

    def served(self, labels: Mapping[str, Any]) -> dict[int, str]:
        """What the Gateways of a gateway's pods serve on each port of its Service: TCP where no request is read (TLS that passes)."""
        found: dict[int, str] = {}
        for obj in self.kinds.get("Gateway", []):
            spec = section(obj, "spec")
            selector = section(spec, "selector")
            own = str(obj.get("apiVersion")).startswith("networking.istio.io")
            if not own or any(labels.get(key) != value for key, value in selector.items()):
                continue
            for server in sections(spec.get("servers")):
                number, word = section(server, "port").get("number"), str(section(server, "port").get("protocol") or "HTTP").lower()
                passes = str(section(server, "tls").get("mode") or "").endswith("PASSTHROUGH")
                if str(number).isdigit() and found.get(int(str(number))) != HTTP:
                    found[int(str(number))] = TCP if passes or word in _TCP_WORDS - {"https"} else HTTP
        return found

    def ports(self, namespace: str, labels: Mapping[str, Any], named: Mapping[str, int], gateway: bool) -> dict[int, str]:
        """The pod's ports that Services lead to; one that any Service calls TCP is TCP. At a gateway its Gateways say it."""
        found: dict[int, str] = {}
        served = self.served(labels) if gateway else {}
        for service in self.services.get(namespace, []):
            selector = section(service, "spec", "selector")
            if not selector or any(labels.get(key) != value for key, value in selector.items()):
                continue
            for port in sections(section(service, "spec").get("ports")):
                target = port.get("targetPort", port.get("port"))
                number = named.get(target) if isinstance(target, str) and not target.isdigit() else target
                if number is None or not str(number).isdigit() or port.get("protocol", "TCP") != "TCP":
                    continue
                if gateway:
                    found[int(number)] = served.get(int(port.get("port") or 0), HTTP)
                elif found.get(int(number)) != TCP:
                    found[int(number)] = _protocol(port)
        return found

    def machine_ports(self, namespace: str, labels: Mapping[str, str], own: Mapping[str, Any]) -> dict[int, str]:
        """The ports of a machine: those of Services and ServiceEntries that select it; `own` says another number for a name."""
        numbers = {str(name): int(str(number)) for name, number in own.items() if str(number).isdigit()}
        found = {number: _protocol({"name": name, "port": number}) for name, number in numbers.items()}
        found |= self.ports(namespace, labels, numbers, gateway=False)
        for entry in self.entries.get(namespace, []):
            wanted = texts(section(entry, "spec", "workloadSelector", "labels"))
            for port in sections(section(entry, "spec").get("ports")) if wanted.items() <= labels.items() else ():
                number = numbers.get(str(port.get("name"))) or port.get("targetPort") or port.get("number")
                if str(number).isdigit():
                    word = str(port.get("protocol") or "").lower()
                    found[int(str(number))] = HTTP if word in ("http", "http2", "grpc", "grpc-web") else TCP
        return found


def _protocol(port: Mapping[str, Any]) -> str:
    """What istiod takes a Service's port to speak; one of which nothing is said is taken for HTTP, which Envoy would find out."""
    said = str(port.get("appProtocol") or port.get("name") or "").lower()
    word = "https" if said == "kubernetes.io/wss" else said.split("-", maxsplit=1)[0]
    if word in _TCP_WORDS:
        return TCP
    return TCP if word not in _HTTP_WORDS and port.get("port") in _TCP_PORTS else HTTP


def _gateways_of_ossm2(reader: _WorkloadReader) -> Iterator[Workload]:
    """The gateways that Maistra's operator makes of a ServiceMeshControlPlane; a cluster has their Deployments."""
    for plane in reader.kinds.get("ServiceMeshControlPlane", []) if reader.assume else ():
        for name, namespace, labels in gateways_of_plane(plane):
            yield Workload(name, PolicyTarget(namespace, labels, "gateway"), f"{name}-service-account")


def _gateways_of_the_api(reader: _WorkloadReader, known: set[str]) -> Iterator[Workload]:
    """Gateways of the Gateway API, for which Istio makes the pods."""
    for obj in reader.kinds.get("Gateway", []):
        if not str(obj.get("apiVersion")).startswith("gateway.networking.k8s.io"):
            continue
        name, namespace, cls = name_of(obj), namespace_of(obj), str(section(obj, "spec").get("gatewayClassName") or "")
        account = name if cls == "istio-waypoint" else f"{name}-{cls}"
        if f"{namespace}/{account}" not in known and cls.startswith("istio"):
            kind = "waypoint" if cls == "istio-waypoint" else "gateway"
            yield Workload(account, PolicyTarget(namespace, {GATEWAY_NAME: name}, kind), account)


def _waypoint_services(reader: _WorkloadReader, places: Iterable[Workload]) -> Iterator[Workload]:
    """For each Service behind a waypoint, that waypoint as the place where its policies are enforced."""
    waypoints = {(place.namespace, place.workload.labels.get(GATEWAY_NAME)): place for place in places if place.workload.kind == "waypoint"}
    for namespace, services in reader.services.items() if waypoints else ():
        for service in services:
            labels = {**reader.namespaces.get(namespace, {}), **section(service, "metadata", "labels")}
            where = str(labels.get(_USE_WAYPOINT_NAMESPACE) or namespace)
            found = waypoints.get((where, str(labels.get(_USE_WAYPOINT, "none"))))
            if found:
                ref = ServiceRef(name_of(service), namespace)
                workload = PolicyTarget(found.namespace, found.workload.labels, "waypoint", ref)
                ports = {
                    int(port["port"]): HTTP for port in sections(section(service, "spec").get("ports")) if str(port.get("port")).isdigit()
                }
                name = ref.name if namespace == found.namespace else f"{namespace}/{ref.name}"
                yield Workload(f"{name} (waypoint {found.name})", workload, found.account, ports)


def _behind(reader: _WorkloadReader, place: Workload, served: Iterable[Workload]) -> Workload:
    """The place with the waypoints of its Services, where ztunnel is all that stands before the pod itself."""
    if place.workload.kind != "ztunnel":
        return place
    own = {name_of(one) for one in reader.services.get(place.namespace, []) if _selects(section(one, "spec", "selector"), place)}
    refs = [(one, one.workload.service) for one in served]
    ways = [one.workload.labels.get(GATEWAY_NAME, "") for one, ref in refs if ref and ref.namespace == place.namespace and ref.name in own]
    return replace(place, behind=tuple(dict.fromkeys(ways))) if ways else place


def _selects(selector: Mapping[str, Any], place: Workload) -> bool:
    return bool(selector) and all(place.workload.labels.get(key) == value for key, value in selector.items())


def _added(key: str) -> bool:
    return any(key == one or (one[-1] in "/." and key.startswith(one)) for one in _ADDED)


def _injected_labels(labels: Mapping[str, str], name: str) -> dict[str, str]:
    """What injection puts on a pod that a policy might select by."""
    canonical = labels.get("app.kubernetes.io/name") or labels.get("app") or name
    version = labels.get("app.kubernetes.io/version") or labels.get("version") or "latest"
    return {_TLS_MODE: "istio", f"{_CANONICAL}name": canonical, f"{_CANONICAL}revision": version}


@dataclass
class _Alike:
    """Pods and templates of one workload that no policy can tell apart."""

    shape: Shape
    kind: str
    why: str
    past: Past
    pods: list[str] = field(default_factory=list)
    template: bool = False


def _numbers(shapes: Iterable[Shape]) -> dict[str, int]:
    """The ports that containers name."""
    return {
        str(port.get("name")): int(port["containerPort"])
        for shape in shapes
        for row in shape.containers()
        for port in sections(row.get("ports"))
        if str(port.get("containerPort")).isdigit()
    }


def _sorts(reader: _WorkloadReader, group: PodGroup) -> list[_Alike]:
    """The pods of a workload and its template, those together that are alike by all that is looked at; the template's first."""
    namespace, keys = group.owner.namespace, sorted(reader.keys)
    given = [key for key in keys if not _added(key)]
    found: dict[tuple[Any, ...], _Alike] = {}
    same: dict[tuple[Any, ...], _Alike] = {}  # by what a template can say
    for shape in group.pods:
        kind, why = reader.kind_of(namespace, shape)
        past = past_proxy(shape, namespace, kind, reader.revision(namespace, shape), reader.settings) if kind else CAPTURED
        general = (kind, past, shape.account, shape.labels.get(GATEWAY_NAME), *(shape.labels.get(key) for key in given))
        key = (*general, *(shape.labels.get(one) for one in keys))
        own = found.setdefault(key, _Alike(shape, kind, why, past))
        own.pods.append(shape.name)
        if general not in same or len(same[general].pods) < len(own.pods):
            same[general] = own
    for shape in group.templates:
        kind, why = reader.kind_of(namespace, shape)
        past = past_proxy(shape, namespace, kind, reader.revision(namespace, shape), reader.settings) if kind else CAPTURED
        general = (kind, past, shape.account, shape.labels.get(GATEWAY_NAME), *(shape.labels.get(key) for key in given))
        known = same.get(general)
        if known is None:
            known = same[general] = found[general] = _Alike(shape, kind, why, past)
        elif not known.template:  # the template's words, with what its pods have beyond it
            more = {key: known.shape.labels[key] for key in keys if key in known.shape.labels and _added(key)}
            known.shape = replace(shape, labels={**shape.labels, **more})
        known.template = True
    return sorted(found.values(), key=lambda one: (not one.template, -len(one.pods)))


def _title(name: str, one: _Alike, number: int) -> str:
    """The first ones have the workload's name, others say which of its pods they are."""
    if not number:
        return name
    if not one.pods:
        return f"{name} ({one.shape.where or 'template'})"
    return f"{name} (pod {shortened(one.pods, 1)})"


def _places_of_group(reader: _WorkloadReader, group: PodGroup) -> Iterator[Workload]:
    namespace, name = group.owner.namespace, group.owner.name
    named = _numbers((*group.pods, *group.templates))
    for number, one in enumerate(_sorts(reader, group)):
        labels = dict(one.shape.labels)
        if one.kind in ("sidecar", "gateway") and not one.shape.live:
            labels |= {key: value for key, value in _injected_labels(labels, name).items() if key in reader.keys and key not in labels}
        workload = PolicyTarget(namespace, labels, one.kind or "sidecar", unlabelled=not one.shape.labels)
        ports = reader.ports(namespace, labels, {**named, **_numbers([one.shape])}, one.kind == "gateway")
        title = _title(name, one, number)
        yield Workload(
            title,
            workload,
            one.shape.account,
            ports,
            outside=not one.kind,
            why=one.why,
            past=one.past,
            aliases=tuple(alias for alias in group.names if alias != title),
            pods=len(one.pods),
            part_of=name if number else "",
            asked=one.pods[0] if one.pods and (number or not standard(group.owner.api_version, group.owner.kind)) else "",
        )


def _machines(reader: _WorkloadReader) -> Iterator[Workload]:
    """Machines outside of the cluster: a WorkloadGroup with its entries, and entries of no group. An entry has a proxy if it says under
    which account, as istiod takes it, or if its proxy registered it."""
    groups: list[tuple[Mapping[str, Any], dict[str, str], str, list[str]]] = []
    for obj in reader.kinds.get("WorkloadGroup", []):
        template = section(obj, "spec", "template")
        labels = texts(section(template, "labels")) | texts(section(obj, "spec", "metadata", "labels"))
        groups.append((obj, labels, str(template.get("serviceAccount") or "default"), []))
    alone = []
    for obj in reader.kinds.get("WorkloadEntry", []):
        labels, account = texts(section(obj, "spec", "labels")), str(section(obj, "spec").get("serviceAccount") or "")
        notes, owners = section(obj, "metadata", "annotations"), sections(section(obj, "metadata").get("ownerReferences"))
        registered = {str(notes.get(_REGISTERED) or ""), *(str(row.get("name")) for row in owners if row.get("kind") == "WorkloadGroup")}
        for group, wanted, of, names in groups:
            if namespace_of(group) == namespace_of(obj):
                member = account == of and wanted and wanted.items() <= labels.items() and labels.get(_TLS_MODE, "istio") == "istio"
                if name_of(group) in registered or member:
                    names.append(name_of(obj))
                    break
        else:
            proxied = bool(registered - {""}) or labels.get(_TLS_MODE) == "istio" or (account and _TLS_MODE not in labels)
            alone.append((obj, labels, account, bool(proxied)))
    for obj, labels, account, names in groups:
        ports = reader.machine_ports(namespace_of(obj), labels, section(obj, "spec", "template", "ports"))
        aliases = tuple(name for name in names if name != name_of(obj))
        yield Workload(name_of(obj), PolicyTarget(namespace_of(obj), labels), account, ports, aliases=aliases)
    for obj, labels, account, proxied in alone:
        ports = reader.machine_ports(namespace_of(obj), labels, section(obj, "spec", "ports"))
        why = "" if proxied else "a WorkloadEntry without serviceAccount is a machine without one"
        yield Workload(name_of(obj), PolicyTarget(namespace_of(obj), labels), account or "default", ports, outside=not proxied, why=why)


def _apart(reader: _WorkloadReader, places: Iterable[Workload], policed: frozenset[str]) -> Iterator[Workload]:
    """Whose namespace is no part of the mesh, or that are parts of a control plane, are told as such: only what has no proxy."""
    kept = list(places)
    root = reader.mesh.root_namespace
    inside = reader.members | {place.namespace for place in kept if not place.outside and place.workload.kind in ("sidecar", "ztunnel")}
    inside |= policed - {root}
    for name, labels in reader.namespaces.items():
        if labels.get(_INJECTION) == "enabled" or labels.get(_AMBIENT) == "ambient" or (_REVISION in labels and _INJECTION not in labels):
            inside.add(name)
    for place in kept:
        known = place.namespace in reader.namespaces and place.namespace not in inside
        part = any(place.workload.labels.get(key) == value for key, value in _PARTS)
        yield replace(place, apart=True) if place.outside and (known or part or place.namespace == root) else place


def _unique(places: Iterable[Workload]) -> list[Workload]:
    """Two workloads of one name, such as a Deployment and a StatefulSet, are two places."""
    found: dict[str, Workload] = {}
    for place in places:
        number, name = 1, place.name
        while f"{place.namespace}/{name}" in found:
            number += 1
            name = f"{place.name} ({number})"
        one = place if number == 1 else replace(place, name=name, aliases=(place.name, *place.aliases))
        found[one.ref] = one
    return list(found.values())


def places_of(objects: Iterable[Mapping[str, Any]], mesh: Mesh, *, assume: bool = True) -> Places:
    """All places of a set of objects. `assume`: they may be a part of what there is."""
    kept = list(objects)
    reader = _WorkloadReader(mesh, settings_of(kept), assume)
    reader.read(kept)
    own = [place for group in groups_of(kept) for place in _places_of_group(reader, group)]
    found = _unique((*own, *_machines(reader)))
    known = {place.ref for place in found}
    for place in (*_gateways_of_ossm2(reader), *_gateways_of_the_api(reader, known)):
        if place.ref not in known:
            known.add(place.ref)
            found.append(place)
    every = [place for place in found if not (place.workload.kind == "waypoint" and not place.workload.service)]
    waypoints = [place for place in found if place.workload.kind == "waypoint"]
    served = list(_waypoint_services(reader, waypoints))
    every = [*(_behind(reader, place, served) for place in every), *served, *waypoints]
    policed = {namespace_of(obj) for obj in kept if str(obj.get("apiVersion", "")).startswith("security.istio.io/")}
    return Places(tuple(_apart(reader, every, frozenset(policed))), tuple(sorted(reader.guessed)), sum(place.pods for place in own))
