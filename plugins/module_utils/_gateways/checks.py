# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM15xx: gateways, their pods and Services, and the routes behind them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .._checks.types import Category, Options
from .._model import kinds as k
from .._model.fields import entries, name_of, namespace_of, section, sections
from .._model.gateway_intent import by_gateway_api, home_of, listeners_of
from .._model.intent import Intent
from .._model.istiods import READS, istiods_of_mesh, service_ends
from .._model.made_services import made_services
from .._model.mesh_config import ROOT_NAMESPACE
from .._model.plane_parts import least_pods
from .._model.pods import selected_pods
from .._model.problem import Problem, skip
from .._model.routing import (
    ByHost,
    Rules,
    Server,
    binds_mesh,
    destinations,
    export_words,
    exported_to,
    full_name,
    gateway_names,
    servers_of,
    service_namespace,
    short_name,
)
from .._model.secrets_used import credential_names
from .._model.selectors import matches_labels
from .._model.view import Obj, View, ref
from .._text import counted
from .meant import asked, meant_gateway, meant_host

CATEGORY = Category("gateways")
check = CATEGORY.check

__all__ = ["gateway_there", "gateways_of", "homes_of", "root_namespace"]

_HOST = re.compile(r"[A-Za-z0-9.*-]+")  # what a name may have; a variable that is still to be filled in has more
_IMPORTED = "-imports.local"  # the end of names that OpenShift Service Mesh 2 gives to Services of a federated mesh
_HASHES = ("pod-template-hash", "controller-revision-hash", "rollouts-pod-template-hash")  # each rollout has its own
_INSTALLED = re.compile(r"istiod(-.*)?|istio-(ingress|egress|eastwest)gateway")  # by Helm or istioctl: few people keep that


def _selector(gateway: Obj) -> dict[str, str]:
    selector = gateway.at("spec", "selector", default={})
    return dict(selector)  # an error here is about this object


@dataclass(frozen=True, eq=False)
class _GatewayPods:
    """Of a Gateway. Many Gateways have the same selector, and it selects in all namespaces."""

    pods: list[Obj]

    @cached_property
    def ready(self) -> bool:
        """Is one of them?"""
        return any(_ready(pod) for pod in self.pods)

    @cached_property
    def namespaces(self) -> list[str]:
        return sorted({pod.namespace for pod in self.pods})

    def open_ports(self, view: View) -> frozenset[Any]:
        """What their Services have."""
        own: dict[str, list[Obj]] = {}
        for pod in self.pods:
            own.setdefault(pod.namespace, []).append(pod)
        found: set[Any] = set()
        for namespace, pods in own.items():
            for service in view.of(k.SERVICE, namespace):
                chosen = service.at("spec", "selector", default={})
                if chosen and any(matches_labels(chosen, pod.labels) for pod in pods):
                    for port in service.items("spec", "ports"):
                        found |= {port.get("port"), port.get("targetPort")}
        return frozenset(found)


def _pods(view: View, intent: Intent, gateway: Obj) -> _GatewayPods:
    selector = _selector(gateway)
    known: dict[str, _GatewayPods] = view.memo("gateways.pods", intent, dict)
    key = repr(selector)
    if key not in known:
        chosen = view.selected(k.POD, selector) if selector else []
        known[key] = _GatewayPods(intent.owned([pod for pod in chosen if not pod.deleting]))
    return known[key]


def _ready(pod: Obj) -> bool:
    condition = pod.condition("Ready")
    return condition is not None and condition.true


def _words(selector: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))


@check(
    "OSM1501",
    title="each Gateway's selector matches ready pods",
    hint="compare spec.selector with oc get pods -A --show-labels; scale up the gateway's Deployment",
    inputs=(k.GATEWAY, k.POD),
    retryable=True,
    subjects=(k.GATEWAY,),
    per_object=True,
    equivalents=("IST0101", "KIA0302"),
)
def selector_matches(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A Gateway that selects nothing is accepted, but serves no requests."""
    for gateway in intent.owned(view.of(k.GATEWAY)):
        if not _selector(gateway):
            continue  # an empty selector means every gateway pod
        chosen = _pods(view, intent, gateway)
        pods = chosen.pods
        if not pods:
            where = "" if intent.members is None else " of this mesh"
            yield Problem(gateway.ref, f"its selector {_words(_selector(gateway))} matches no pod{where}")
        elif not chosen.ready:
            none = "its only pod is not" if len(pods) == 1 else f"none of its {counted(len(pods), 'pod')} is"
            yield Problem(gateway.ref, f"{none} ready: {', '.join(pod.name for pod in pods[:3])}")


@check(
    "OSM1502",
    title="each Gateway's ports are on the Service of its pods",
    hint="add the port to the gateway's Service, or correct servers[].port.number",
    inputs=(k.GATEWAY, k.POD, k.SERVICE),
    subjects=(k.GATEWAY,),
    equivalents=("IST0162",),
)
def ports_served(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """istiod opens a listener only for a port that a Service of the gateway's pods has."""
    ports: dict[_GatewayPods, frozenset[Any]] = {}
    for gateway in intent.owned(view.of(k.GATEWAY)):
        chosen = _pods(view, intent, gateway)
        if not chosen.pods:
            continue  # OSM1501 says so
        if chosen not in ports:
            ports[chosen] = chosen.open_ports(view)
        for server in gateway.items("spec", "servers"):
            number = (server.get("port") or {}).get("number")
            if number not in ports[chosen]:
                yield Problem(gateway.ref, f"no Service of its pods in {', '.join(chosen.namespaces)} has port {number}")


@check(
    "OSM1503",
    title="each Gateway's certificate Secret exists",
    hint="create the Secret in the namespace of the gateway's pods, not in that of the Gateway",
    inputs=(k.GATEWAY, k.POD, k.SECRET),
    retryable=True,
    subjects=(k.GATEWAY,),
    equivalents=("IST0101", "IST0161"),
)
def credential_exists(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Without its Secret a server's listener stays without a certificate, and clients see a connection reset."""
    for gateway in intent.owned(view.of(k.GATEWAY)):
        pods = _pods(view, intent, gateway).pods
        namespace = pods[0].namespace if pods else intent.home(gateway.namespace)
        names = {name for server in gateway.items("spec", "servers") for name in credential_names(server)}
        for name in sorted(names):
            if view.get(k.SECRET, name, namespace) is None:
                yield Problem(gateway.ref, f"it uses {ref(k.SECRET, name, namespace)}, which does not exist")


@check(
    "OSM1504",
    title="no two Gateways claim the same host and port",
    hint="give one of them another host, or merge their servers into one Gateway",
    inputs=(k.GATEWAY, k.POD),
    live=False,
    subjects=(k.GATEWAY,),
    equivalents=("IST0145", "KIA0301"),
)
def hosts_do_not_collide(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Of two servers on the same pods, address and port with the same host under TLS the older one silently wins. Plain HTTP is
    merged, whoever wrote it."""
    claims: dict[tuple[str, Any, str, str], tuple[Obj, Server]] = {}
    gateways = sorted(intent.owned(view.of(k.GATEWAY)), key=lambda row: (row.namespace, row.name))
    together = _overlaps(view, gateways)
    for gateway in gateways:
        own = _words(_selector(gateway))
        for server in servers_of(gateway.raw):
            for _space, host in server.hosts:
                claims.setdefault((own, server.number, server.bind, host), (gateway, server))
                others = [claims.get((words, server.number, server.bind, host)) for words in together[own]]
                for first, earlier in filter(None, others):
                    if first is not gateway and not (earlier.plain_http and server.plain_http):
                        yield Problem(gateway.ref, f"host {host} on port {server.number} is claimed by {first.ref} too")
                        break


def _overlaps(view: View, gateways: Iterable[Obj]) -> dict[str, list[str]]:
    """Each selector in words, with itself and those that select one of the same pods in other words. Asked once for each selector: many
    Gateways have the same one, which may select a pod in every namespace."""
    selectors = {_words(selector): selector for selector in map(_selector, gateways)}
    pods = {words: _whose(view, selector) for words, selector in selectors.items()}
    selecting: dict[str, list[str]] = {}
    for words, keys in pods.items():
        for key in keys:
            selecting.setdefault(key, []).append(words)
    return {words: list(dict.fromkeys([words, *(other for key in keys for other in selecting[key])])) for words, keys in pods.items()}


def _whose(view: View, selector: Mapping[str, str]) -> list[str]:
    """The pods that a selector selects, by what tells them apart from others: their namespace and labels."""
    shapes = selected_pods(view, selector)
    labels = ((space, {key: value for key, value in shape.labels.items() if key not in _HASHES}) for space, shape in shapes)
    return list(dict.fromkeys(f"{space}: {_words(own)}" for space, own in labels))


@check(
    "OSM1505",
    title="each VirtualService refers to Gateways that exist",
    hint="correct the name; write NAMESPACE/NAME where the Gateway is in another namespace",
    inputs=(k.VIRTUAL_SERVICE, k.GATEWAY, k.K8S_GATEWAY),
    live=False,
    subjects=(k.VIRTUAL_SERVICE,),
    equivalents=("IST0101", "IST0132", "KIA1102"),
)
def gateway_exists(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A name without a namespace means the VirtualService's own namespace."""
    for service in intent.owned(view.of(k.VIRTUAL_SERVICE)):
        for namespace, name in gateway_names(service.raw):
            if gateway_there(view, name, namespace):
                continue
            there = any(view.of(kind, namespace) for kind in (k.GATEWAY, k.K8S_GATEWAY))
            if view.source == "manifests" and namespace != service.namespace and not there:
                yield skip(f"{service.ref} refers to {ref(k.GATEWAY, name, namespace)}: the manifests have no Gateway of {namespace}")
            else:
                near = asked(meant_gateway(view, name, namespace))
                yield Problem(service.ref, f"it refers to {ref(k.GATEWAY, name, namespace)}, which does not exist{near}")


def _destinations(service: Obj) -> Iterator[Obj]:
    for destination in destinations(service.raw):
        yield Obj.from_dict(k.Kind("", "Destination"), destination)


def _service_of(view: View, full: str) -> Obj | None:
    name, _dot, namespace = short_name(full, service_ends(view)).partition(".")
    return view.get(k.SERVICE, name, namespace) if namespace else None


def _hidden(rows: Iterable[Obj], callers: Iterable[str]) -> str:
    """Why a caller does not see any of these objects, of which one would be enough."""
    known = list(rows)
    for caller in callers if all(export_words(row.raw) for row in known) and known else ():  # most are for all
        if not any(exported_to(row.raw, caller) for row in known):
            words = ", ".join(export_words(known[0].raw))
            return f"it routes to {known[0].ref}, which is not exported to callers in {caller} (exportTo: {words})"
    return ""


def known_host(view: View, host: str, namespace: str) -> bool:
    """Whether a Service or a ServiceEntry has the host that an object of this namespace says."""
    ends = service_ends(view)
    full = full_name(host, namespace, ends[0])
    return _service_of(view, full) is not None or bool(_entries(view, full)) or short_name(full, ends) in made_services(view)


def _destination_problem(view: View, service: Obj, destination: Obj, callers: Iterable[str]) -> str:
    host = str(destination.at("host", default=""))
    if not host:
        return "it has a destination without a host"
    ends = service_ends(view)
    full = full_name(host, service.namespace, ends[0])
    target = _service_of(view, full)
    if target is None:
        if _entries(view, full) or short_name(full, ends) in made_services(view):
            return _hidden(_entries(view, full), callers)
        dotted = "." in host and not host.endswith(ends)
        why = (
            "Istio completes only names without a dot, and no ServiceEntry has it" if dotted else "there is no such Service or ServiceEntry"
        )
        return f"it routes to {host}: {why}{asked(meant_host(view, host, service.namespace))}"
    ports = [port.get("port") for port in target.items("spec", "ports")]
    number = destination.at("port", "number")
    if number is None and len(ports) > 1:
        return f"it routes to {target.ref} without a port, which has {', '.join(str(port) for port in ports)}"
    if number is not None and number not in ports:
        return f"it routes to port {number} of {target.ref}, which has {', '.join(str(port) for port in ports) or 'no port'}"
    return _hidden([target], callers)


def _elsewhere(view: View, service: Obj, destination: Obj) -> str:
    """Why a destination that is not in the source may be there all the same: another mesh has it, or another folder."""
    host, ends = str(destination.at("host", default="")), service_ends(view)
    if ".svc." in host and host.endswith(_IMPORTED):
        return f"{host}, which another mesh exports"
    if view.source != "manifests":
        return ""
    if not _HOST.fullmatch(host):
        return f"{host}, which is no name yet: render it first" if host else ""
    full = full_name(host, service.namespace, ends[0])
    space = service_namespace(full, ends)
    if space and not view.of(k.SERVICE, space):
        return f"{space}, of which the manifests have no Service"
    name = short_name(full, ends).partition(".")[0]
    installs = any(made.endswith(f".{space}") for made in made_services(view))
    if _INSTALLED.fullmatch(name) and not installs and _service_of(view, full) is None:
        return f"{host}, which comes with an installation of Istio that is not in the manifests"
    return ""


@check(
    "OSM1506",
    title="each VirtualService routes to a Service and port that exist",
    hint="correct destination.host and destination.port.number; full names end in .svc. and the cluster's domain (cluster.local)",
    inputs=(k.VIRTUAL_SERVICE, k.SERVICE, k.SERVICE_ENTRY, k.GATEWAY, k.K8S_GATEWAY, k.POD, *READS),
    live=False,
    subjects=(k.VIRTUAL_SERVICE,),
    equivalents=("IST0101", "IST0112", "KIA1101"),
)
def destination_exists(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A route to nothing answers 503 with the flag NC or NR, and so does one to what is not exported to the caller's namespace."""
    for service in intent.owned(view.of(k.VIRTUAL_SERVICE)):
        callers = _certain_callers(view, service)
        found = [(_destination_problem(view, service, destination, callers), destination) for destination in _destinations(service)]
        judged = {(problem, _elsewhere(view, service, destination)) for problem, destination in found if problem}
        for problem, unknown in sorted(judged):
            yield skip(f"{service.ref} routes to {unknown}") if unknown else Problem(service.ref, problem)


@check(
    "OSM1507",
    title="each Route is admitted and leads to a Service that exists",
    hint="oc describe route NAME -n NAMESPACE; HostAlreadyClaimed means that another namespace has the host",
    inputs=(k.ROUTE, k.SERVICE),
    retryable=True,
    subjects=(k.ROUTE,),
)
def route_admitted(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """OpenShift's router serves admitted Routes only; the Route itself is accepted either way."""
    for route in intent.owned(view.of(k.ROUTE)):
        name = route.at("spec", "to", "name", default="")
        if view.get(k.SERVICE, name, route.namespace) is None:
            yield Problem(route.ref, f"it leads to {ref(k.SERVICE, name, route.namespace)}, which does not exist")
        rows = [Obj.from_dict(k.ROUTE, {"status": row}) for row in route.items("status", "ingress")]
        admitted = [condition for row in rows for condition in row.conditions() if condition.type == "Admitted"]
        if not any(condition.true for condition in admitted):
            why = "; ".join(condition.why for condition in admitted) or "no router has seen it"
            yield Problem(route.ref, f"it is not admitted ({why})")


@check(
    "OSM1508",
    title="each intended gateway exists with its hosts and port",
    hint="run the role meshops.mesh.gateways",
    inputs=(k.GATEWAY, k.K8S_GATEWAY),
    intent=("gateways",),
    live=False,
)
def intended_gateways(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """What mesh_gateways declares, found in the source."""
    rows: dict[str, list[Obj]] = {}
    for row in intent.owned(view.of(k.GATEWAY)):
        rows.setdefault(row.name, []).append(row)
    for wanted in intent.gateways or ():
        if by_gateway_api(wanted):
            yield from _listening(view, intent, wanted)
            continue
        name, port = str(wanted.get("name", "")), wanted.get("port")
        home = home_of(wanted, str(wanted.get("namespace") or ""))
        found = [row for row in rows.get(name, []) if home in ("", row.namespace)]
        if not found:
            yield Problem(ref(k.GATEWAY, name, home), "it does not exist")
            continue
        served = {
            (str(host).rpartition("/")[2], (server.get("port") or {}).get("number"))
            for server in found[0].items("spec", "servers")
            for host in server.get("hosts") or []
        }
        for host in wanted.get("hosts") or []:
            if not any(have == host and port in (None, number) for have, number in served):
                yield Problem(found[0].ref, f"it does not serve {host}" + (f" on port {port}" if port else ""))
        yield from _other_tls(found[0], wanted)


def _listening(view: View, intent: Intent, wanted: Mapping[str, Any]) -> Iterator[Problem]:
    """One of the Gateway API: each host has its listener, which ends TLS with the certificate that is meant."""
    name, home = str(wanted.get("name", "")), home_of(wanted, intent.namespace or "")
    found = next((row for row in view.of(k.K8S_GATEWAY) if row.name == name and home in ("", row.namespace)), None)
    if found is None:
        yield Problem(ref(k.K8S_GATEWAY, name, home), "it does not exist")
        return
    served = {(str(row.get("hostname") or "*"), row.get("port")): row for row in sections(found.at("spec", "listeners"))}
    for row in listeners_of(wanted):
        port, tls = int(row.get("port") or 80), section(row, "tls")
        for host in map(str, row.get("hosts") or []):
            have = served.get((host, port))
            if have is None:
                yield Problem(found.ref, f"it has no listener for {host} on port {port}")
                continue
            secrets = [str(one.get("name")) for one in sections(section(have, "tls").get("certificateRefs"))]
            if tls.get("credential_name") and tls["credential_name"] not in secrets:
                yield Problem(
                    found.ref, f"it uses the Secret {', '.join(secrets) or '(none)'} for {host}, {tls['credential_name']} is wanted"
                )
            options = section(have, "tls", "options")
            if tls.get("mode") == "MUTUAL" and options.get("gateway.istio.io/tls-terminate-mode") != "MUTUAL":
                yield Problem(found.ref, f"it does not ask callers of {host} for a certificate, MUTUAL is wanted")


def _other_tls(gateway: Obj, wanted: Mapping[str, Any]) -> Iterator[Problem]:
    """A server that asks its callers for less than it should is there, and lets everybody in."""
    if wanted.get("protocol") != "HTTPS":
        return
    tls = wanted.get("tls") or {}
    mode, secret = tls.get("mode") or "SIMPLE", tls.get("credential_name")
    port = wanted.get("port", 80)
    for server in gateway.items("spec", "servers"):
        have = server.get("tls") or {}
        if (server.get("port") or {}).get("number") != port:
            continue
        if have.get("mode") != mode:
            yield Problem(gateway.ref, f"its TLS is {have.get('mode') or 'not there'} on port {port}, {mode} is wanted")
        elif secret and have.get("credentialName") != secret:
            yield Problem(gateway.ref, f"it uses the Secret {have.get('credentialName') or '(none)'}, {secret} is wanted")


@check(
    "OSM1509",
    title="each subset that is routed to is defined for its callers",
    hint="until then callers get 503: define the subset in the Service's namespace, in a DestinationRule that is exported to the callers",
    inputs=(k.VIRTUAL_SERVICE, k.DESTINATION_RULE, k.GATEWAY, k.POD, k.SERVICE_ENTRY, *READS),
    live=False,
    subjects=(k.VIRTUAL_SERVICE,),
    equivalents=("IST0101", "KIA1107"),
)
def subset_defined(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A route to a subset that no DestinationRule defines for the caller answers 503 with the flag NC. A rule counts from the caller's
    namespace, else the Service's, else the root namespace, and only where it is exported."""
    root, ends = root_namespace(view, intent), service_ends(view)
    rules = Rules((rule.raw for rule in view.of(k.DESTINATION_RULE)), ends[0])
    for service in intent.owned(view.of(k.VIRTUAL_SERVICE)):
        for destination in _destinations(service):
            subset, host = destination.at("subset"), full_name(str(destination.at("host", default="")), service.namespace, ends[0])
            if not subset:
                continue
            home = service_namespace(host, ends) or next((one.namespace for one in _entries(view, host)), "")
            everywhere = [rule for rule in rules.named(host) if _defines(rule, subset)]
            callers = _likely_callers(view, service)
            for caller in callers:
                counting = rules.counting(host=host, caller=caller, service=home, root=root)
                if not any(_defines(rule, subset) for rule in counting):
                    yield Problem(service.ref, _undefined(subset, destination.at("host"), caller, everywhere))
                    break
            if not callers and not everywhere:  # its Gateways are not there, and whoever calls finds no rule at all
                yield Problem(service.ref, _undefined(subset, destination.at("host"), "", everywhere))


def _defines(rule: Mapping[str, Any], subset: Any) -> bool:
    return any(one.get("name") == subset for one in sections(section(rule, "spec").get("subsets")))


def _undefined(subset: Any, host: Any, caller: str, elsewhere: list[Mapping[str, Any]]) -> str:
    text = f"it routes to subset {subset} of {host}, which no DestinationRule defines"
    if not elsewhere:
        return text
    rule = elsewhere[0]
    name = f"DestinationRule {namespace_of(rule)}/{name_of(rule)}"
    if exported_to(rule, caller):
        return f"{text} for callers in {caller}: {name} has it, and another namespace's rules for the host go before it"
    exported = ", ".join(map(str, entries(section(rule, "spec").get("exportTo"))))
    return f"{text} for callers in {caller}: {name} has it, and is not exported there (exportTo: {exported})"


def gateway_there(view: View, name: str, namespace: str) -> bool:
    """Whether a Gateway of either API has this name, as a VirtualService may mean both."""
    return any(view.get(kind, name, namespace) is not None for kind in (k.GATEWAY, k.K8S_GATEWAY))


def gateways_of(view: View, service: Obj) -> Iterator[Obj]:
    """The Gateways of networking.istio.io that a VirtualService names and that exist."""
    for namespace, name in gateway_names(service.raw):
        found = view.get(k.GATEWAY, name, namespace)
        if found is not None:
            yield found


def _certain_callers(view: View, service: Obj) -> list[str]:
    """Namespaces that certainly call by this VirtualService: its own where sidecars follow it, and those of its gateways' pods."""
    found = [service.namespace] if binds_mesh(service.raw) else []
    for gateway in gateways_of(view, service):
        found += homes_of(view, gateway)
    return list(dict.fromkeys(found))


def _likely_callers(view: View, service: Obj) -> list[str]:
    """The same; a Gateway's own namespace where nothing says where its pods are."""
    lost = [gateway.namespace for gateway in gateways_of(view, service) if not homes_of(view, gateway)]
    return list(dict.fromkeys([*_certain_callers(view, service), *lost]))


def homes_of(view: View, gateway: Obj) -> list[str]:
    """The namespaces of a Gateway's pods, as far as they are known: asked for each VirtualService that names it."""
    selector = _selector(gateway)

    def made() -> list[str]:
        return sorted({namespace for namespace, _shape in selected_pods(view, selector)})

    return view.memo(f"gateways.homes {_words(selector)}", view, made)  # many Gateways have the same selector


def root_namespace(view: View, intent: Intent) -> str:
    """The root namespace, as far as it is known."""
    own = (row.root_namespace for row in istiods_of_mesh(view, intent) if row.root_namespace)
    return next(own, intent.namespace or ROOT_NAMESPACE)


def _entries(view: View, host: str) -> list[Obj]:
    """The ServiceEntries of a host."""
    pairs = ((entry, str(name)) for entry in view.of(k.SERVICE_ENTRY) for name in entry.items("spec", "hosts"))
    known: ByHost[Obj] = view.memo("gateways.entries", view, lambda: ByHost(pairs))
    return list(dict.fromkeys(entry for _own, entry in known.covering(host)))


@check(
    "OSM1510",
    title="each gateway of the control plane has its pods and its Service",
    hint="run the role meshops.mesh.control_plane",
    inputs=(k.DEPLOYMENT, k.SERVICE),
    intent=("control_plane",),
    compares=("control_plane",),
    retryable=True,
)
def gateway_workloads(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """ingress, egress and additional_ingress of mesh_control_plane, each a Deployment with as many pods and a Service of its name."""
    for name, replicas in _workloads(intent.control_plane or {}):
        deployment = view.get(k.DEPLOYMENT, name, intent.namespace)
        if deployment is None:
            yield Problem(ref(k.DEPLOYMENT, name, intent.namespace), "it does not exist")
            continue
        if view.get(k.SERVICE, name, intent.namespace) is None:
            yield Problem(ref(k.SERVICE, name, intent.namespace), "it does not exist")
        have = deployment.at("spec", "replicas", default=1)
        if have < replicas:
            yield Problem(deployment.ref, f"it has {counted(have, 'replica')}, expected {replicas}")


def _workloads(plane: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for kind in ("ingress", "egress"):
        one = plane.get(kind)
        if one is not None and one.get("enabled", True):
            yield f"istio-{kind}gateway", least_pods(one)
    for one in plane.get("additional_ingress") or []:
        yield str(one["name"]), least_pods(one)
