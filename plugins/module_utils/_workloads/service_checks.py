# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Checks of the workloads category about how pods and Services fit a mesh."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._checks.types import Options
from .._model import kinds as k
from .._model.fields import section, sections, texts
from .._model.injection import should_be_injected
from .._model.intent import Intent
from .._model.pods import named_ports, selected_pods
from .._model.problem import Problem, Severity
from .._model.proxies import PROXY
from .._model.selectors import ByLabel
from .._model.view import Obj, View, ref
from .checks import CATEGORY, MANAGED

check = CATEGORY.check

__all__: list[str] = []

_PROXY_ID = 1337
_OF_ISTIO = frozenset({PROXY, "discovery", "istio-init", "istio-validation", "istio-operator", "ztunnel", "install-cni"})
_MAKERS = (k.DEPLOYMENT, k.STATEFUL_SET, k.DAEMON_SET)


def _pod_specs(view: View, intent: Intent) -> Iterator[tuple[Obj, Obj]]:
    """What makes pods, and pods that nothing makes, each with a pod as it will be."""
    for kind in (*_MAKERS, k.POD):
        for row in intent.owned(view.of(kind)):
            if kind == k.POD:
                if not row.items("metadata", "ownerReferences"):
                    yield row, row
                continue
            template = section(row.raw, "spec", "template")
            meta = section(template, "metadata")
            made = {"metadata": {"namespace": row.namespace, "name": row.name, "labels": texts(meta.get("labels")),
                                 "annotations": texts(meta.get("annotations"))}, "spec": section(template, "spec")}  # fmt: skip
            yield row, Obj.from_dict(k.POD, made)


def _outside(view: View, pod: Obj, intent: Intent) -> bool:
    """Is it known that no proxy is put into it? A cluster has every namespace that something is in."""
    namespace = view.get(k.NAMESPACE, pod.namespace)
    if namespace is None and view.source != "manifests" and view.of(k.NAMESPACE):
        namespace = Obj(k.NAMESPACE, "", pod.namespace, {}, {}, {})
    return namespace is not None and not should_be_injected(namespace, pod, intent)


def _users(pod: Obj) -> Iterator[str]:
    """The containers of the application that run with the proxy's UID, by a setting of their own or of the pod."""
    common = section(pod.raw, "spec", "securityContext").get("runAsUser")
    for row in sections(pod.items("spec", "containers")):
        own = section(row, "securityContext").get("runAsUser")
        if (common if own is None else own) == _PROXY_ID and row.get("name") not in _OF_ISTIO:
            yield str(row.get("name") or "?")


@check(
    "OSM1423",
    title="no application runs as the user of the proxy",
    hint="choose another runAsUser: 1337 is the proxy's own",
    severity=Severity.WARNING,
    inputs=(*_MAKERS, k.POD, k.NAMESPACE),
    live=False,
    subjects=(*_MAKERS, k.POD),
    equivalents=("IST0144",),
)
def users_apart(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """What user 1337 sends is not redirected to the proxy, or its own traffic would go round in circles: such an application calls without
    mutual TLS, routes and policies."""
    for row, pod in _pod_specs(view, intent):
        names = sorted(_users(pod))
        if names and not _outside(view, pod, intent):
            yield Problem(row.ref, f"container {', '.join(names)} runs as user {_PROXY_ID}: its calls go past the proxy")


@check(
    "OSM1424",
    title="each container with the image auto is in a pod that is injected",
    hint="label the namespace or the pod template for injection (istio.io/rev, or sidecar.istio.io/inject: 'true'), then restart it",
    inputs=(*_MAKERS, k.POD, k.NAMESPACE),
    live=False,
    subjects=(*_MAKERS, k.POD),
    equivalents=("IST0146", "IST0147"),
)
def images_filled_in(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The injector writes the proxy's image there. Without it the node tries to pull an image called auto, and a gateway never starts."""
    for row, pod in _pod_specs(view, intent):
        if not any(one.get("name") == PROXY and one.get("image") == "auto" for one in sections(pod.items("spec", "containers"))):
            continue
        if row.kind == k.POD and view.source != "manifests":
            yield Problem(row.ref, "the image of its proxy still is auto: no webhook has injected it, and a pod is injected only once")
        elif _outside(view, pod, intent):
            yield Problem(row.ref, f"the image of its proxy is auto, and no label of it or of Namespace {row.namespace} asks for injection")


@check(
    "OSM1425",
    title="each port of a Service of type ExternalName declares an HTTP or TLS protocol",
    hint="name the port http, https or tls (or set appProtocol), or describe the host with a ServiceEntry",
    severity=Severity.WARNING,
    inputs=(k.SERVICE,),
    live=False,
    equivalents=("IST0150",),
)
def external_names_declare(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Such a Service has no address, so a TCP port of it is a listener for every address: proxies send all that goes to this port, of
    whatever host, to the external name."""
    for service in intent.owned(view.of(k.SERVICE)):
        if service.at("spec", "type") != "ExternalName":
            continue
        for port in sections(service.items("spec", "ports")):
            word = str(port.get("appProtocol") or port.get("name") or "")
            if word.partition("-")[0].lower() not in _WITH_HOSTS:
                said = f"is {word}" if word else "declares no protocol"
                yield Problem(service.ref, f"port {port.get('port')} {said}, which counts as TCP: it takes all traffic to this port")


_WITH_HOSTS = frozenset({"http", "http2", "grpc", "https", "tls"})


def _services(view: View) -> dict[str, ByLabel[tuple[Mapping[str, Any], Obj]]]:
    """By namespace, findable by one of the labels that they select."""

    def made() -> dict[str, ByLabel[tuple[Mapping[str, Any], Obj]]]:
        found: dict[str, list[tuple[Mapping[str, Any], Obj]]] = {}
        for row in view.of(k.SERVICE):
            if chosen := section(row.raw, "spec", "selector"):
                found.setdefault(row.namespace, []).append((chosen, row))
        return {space: ByLabel((pair, texts(pair[0])) for pair in pairs) for space, pairs in found.items()}

    return view.memo("workloads.services", view, made)


def _behind(view: View, namespace: str, labels: Mapping[str, Any]) -> list[Obj]:
    """The Services of pods with these labels."""
    known = _services(view).get(namespace)
    if known is None:
        return []
    near = {id(one[1]): one for key, value in labels.items() for one in known.matching({key: str(value)})}
    return [row for chosen, row in near.values() if all(labels.get(key) == value for key, value in chosen.items())]


@check(
    "OSM1426",
    title="each port of a workload means the same in all of its Services",
    hint="give the Services other ports or targetPorts, or let one of them go",
    severity=Severity.WARNING,
    inputs=(k.DEPLOYMENT, k.STATEFUL_SET, k.DAEMON_SET, k.SERVICE, k.POD, k.NAMESPACE),
    live=False,
    subjects=(k.SERVICE,),
    equivalents=("IST0116", "IST0137"),
)
def services_agree(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A proxy has one listener for a port of its pod, and takes the protocol of the first Service that leads there: what comes by another
    one is read as something that it is not."""
    for row, pod in _pod_specs(view, intent):
        if row.kind == k.POD or row.labels.get(MANAGED):
            continue
        services = _behind(view, pod.namespace, pod.labels)
        if len(services) < 2 or _outside(view, pod, intent):
            continue
        yield from (Problem(row.ref, text) for text in _clashes(services))


def _clashes(services: Iterable[Obj]) -> Iterator[str]:
    by_port: dict[Any, dict[str, dict[str, None]]] = {}  # port: protocol: names
    by_target: dict[str, dict[Any, str]] = {}  # target: port: name
    for service in services:
        for port in sections(service.items("spec", "ports")):
            number, target = port.get("port"), str(port.get("targetPort") or port.get("port"))
            by_port.setdefault(number, {}).setdefault(str(port.get("protocol") or "TCP"), {})[service.name] = None
            by_target.setdefault(target, {}).setdefault(number, service.name)
    for number, protocols in by_port.items():
        if len(protocols) > 1:
            said = " and ".join(f"{word} in {', '.join(names)}" for word, names in sorted(protocols.items()))
            yield f"port {number} of its Services is {said}"
    for target, ports in by_target.items():
        if len(set(ports.values())) > 1:
            said = " and ".join(f"{number} in {name}" for number, name in sorted(ports.items(), key=lambda one: str(one[0])))
            yield f"its port {target} is port {said}"


@check(
    "OSM1428",
    title="each port that a Service calls by its name is one of its pods",
    hint="correct targetPort, or name the port in the pod template: ports: [{name: NAME, containerPort: NUMBER}]",
    severity=Severity.WARNING,
    inputs=(k.SERVICE, k.POD),
    live=False,
    subjects=(k.SERVICE,),
    equivalents=("KIA0701",),
)
def named_ports_there(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Kubernetes looks the name up in each pod. Where no container has it the port has no endpoints: 503 for every caller, though the pods
    are ready. A number needs no port of a container."""
    for service in intent.owned(view.of(k.SERVICE)):
        pods = [shape for _space, shape in selected_pods(view, texts(section(service.raw, "spec", "selector")), service.namespace)]
        for port in sections(service.items("spec", "ports")) if pods else ():
            target = port.get("targetPort")
            if isinstance(target, str) and not target.isdigit() and not named_ports(pods, target):
                yield Problem(service.ref, f"port {port.get('port')} leads to the port {target} of its pods, and none of them has one")


@check(
    "OSM1429",
    title="each WorkloadGroup has a service account that is there",
    hint="create the ServiceAccount, or correct template.serviceAccount: machines ask istiod for its certificate",
    inputs=(k.WORKLOAD_GROUP, k.SERVICE_ACCOUNT),
    live=False,
    subjects=(k.WORKLOAD_GROUP,),
    equivalents=("KIA1701",),
)
def machines_have_accounts(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A machine of the group authenticates with a token of this account. Without the account there is no token, and its proxy never
    starts. In a folder of manifests asked where it has ServiceAccounts of the namespace."""
    for row in intent.owned(view.of(k.WORKLOAD_GROUP)):
        name = str(row.at("spec", "template", "serviceAccount", default="") or "")
        known = view.source != "manifests" or bool(view.of(k.SERVICE_ACCOUNT, row.namespace))
        if name not in ("", "default") and known and view.get(k.SERVICE_ACCOUNT, name, row.namespace) is None:
            yield Problem(row.ref, f"its machines are to use {ref(k.SERVICE_ACCOUNT, name, row.namespace)}, which does not exist")


# The conditions of an object that say that somebody could not do what it asks for.
_ASKED = {
    k.SERVICE: ("istio.io/WaypointBound",),
    k.SERVICE_ENTRY: ("istio.io/WaypointBound",),
    k.WORKLOAD_ENTRY: ("istio.io/WaypointBound",),
    k.AUTHORIZATION_POLICY: ("ZtunnelAccepted", "WaypointAccepted"),
    k.K8S_GATEWAY: ("Accepted", "Programmed", "ResolvedRefs"),
    **dict.fromkeys((k.HTTP_ROUTE, k.GRPC_ROUTE), ("Accepted", "Programmed", "ResolvedRefs")),
}


@check(
    "OSM1427",
    title="each Gateway API object and each binding to a waypoint is accepted",
    hint="kubectl describe the object: the condition's message says what its controller could not do",
    severity=Severity.WARNING,
    inputs=tuple(_ASKED),
    retryable=True,
    equivalents=("IST0171",),
)
def conditions_good(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The API server stores an object whatever becomes of it. Whether it is served is said in its status, where nobody looks until a
    caller gets a 404 or goes past the waypoint."""
    for kind, wanted in _ASKED.items():
        for row in intent.owned(view.of(kind)):
            parents = [Obj.from_dict(kind, {"status": one}) for one in sections(row.items("status", "parents"))]
            found = [condition for one in (row, *parents) for condition in one.conditions()]
            for condition in dict.fromkeys(found):
                partly = kind == k.AUTHORIZATION_POLICY and condition.reason == "PartiallyInvalid"
                if condition.type in wanted and (condition.status == "False" or partly):
                    state = "only partly true" if partly else "False"
                    yield Problem(row.ref, f"{condition.type} is {state} ({condition.why})")
