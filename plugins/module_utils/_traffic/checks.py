# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM18xx: routes, services and mutual TLS that do something else than they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from typing import Any

from .._authorization.analysis import PolicyAnalysis
from .._authorization.checks import INPUTS, analysis_of
from .._authorization.places import Workload
from .._checks.types import Category, CheckRow, Options
from .._gateways.checks import gateway_there, gateways_of, homes_of, known_host, root_namespace
from .._gateways.meant import asked, meant_host, meant_served
from .._model import kinds as k
from .._model.fields import section, sections
from .._model.injector_annotations import rejected_annotations
from .._model.intent import Intent
from .._model.istiods import READS, istiods_of_mesh, service_ends
from .._model.mesh_config import MeshConfig
from .._model.pods import every_pod, named_ports, port_numbers, selected_pods
from .._model.problem import Problem, Severity, skip
from .._model.revisions import LABEL
from .._model.routing import (
    Rules,
    Server,
    binds_mesh,
    covers,
    destinations,
    export_words,
    exported_to,
    full_name,
    gateway_names,
    imports,
    servers_of,
    service_namespace,
)
from .._model.selectors import matches_labels
from .._model.view import Obj, View, ref
from .._text import nearest, shortened

CATEGORY = Category("traffic")
check = CATEGORY.check

__all__ = ["oldest_first"]

_SHOWN = 5
_IMPORTED = "-imports.local"  # the end of names that OpenShift Service Mesh 2 gives to Services of a federated mesh
_FAMILIES = {
    "HTTP": "HTTP", "HTTP2": "HTTP", "GRPC": "HTTP", "GRPC-WEB": "HTTP", "HTTPS": "TLS", "TLS": "TLS",
}  # fmt: skip  # the rest is TCP


def oldest_first(rows: Iterable[Obj]) -> list[Obj]:
    """In the order in which istiod takes them."""
    return sorted(rows, key=lambda row: (str(row.at("metadata", "creationTimestamp", default="~")), row.name))


@check(
    "OSM1801",
    title="each host of a VirtualService is served by its Gateways",
    hint="correct the host where it is misspelt; or add it to the Gateway's server, or let its namespace in: hosts: [NAMESPACE/HOST]",
    inputs=(k.VIRTUAL_SERVICE, k.GATEWAY, k.K8S_GATEWAY, k.POD),
    live=False,
    subjects=(k.VIRTUAL_SERVICE,),
    equivalents=("IST0132",),
)
def hosts_served(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A gateway serves the hosts that both a Gateway's server and a VirtualService have, in the namespaces that the server lets in, if the
    VirtualService is exported to the namespace of its pods. For everything else it answers 404, or closes a connection under TLS."""
    for service in intent.owned(view.of(k.VIRTUAL_SERVICE)):
        gateways = list(gateways_of(view, service))
        away = [ref(k.GATEWAY, name, space) for space, name in gateway_names(service.raw) if not gateway_there(view, name, space)]
        if away and not gateways and view.source == "manifests":
            yield skip(f"which hosts of {service.ref} are served is not known: the manifests do not have {' or '.join(away)}")
        yield from _unseen(view, service, gateways)
        hosts = [str(host) for host in service.items("spec", "hosts")]
        lost = [host for host in hosts if not any(_serves(view, gateway, service, host) for gateway in gateways)]
        if len(lost) < len(hosts):
            yield from _idle(view, service, gateways, hosts)
        if not gateways or (binds_mesh(service.raw) and len(lost) < len(hosts)):
            continue  # the other hosts are for the callers inside of the mesh
        for host in lost:
            pairs = (pair for row in gateways for server in _servers(view, row) for pair in server.hosts)
            served = [own if space == "*" else f"{space}/{own}" for space, own in pairs]
            shown, near = ", ".join(_first(served)) or "no host", asked(meant_served(host, served))
            text = f"its host {host} is not served by {' or '.join(row.ref for row in gateways)}, which has {shown}{near}"
            yield Problem(service.ref, text)


def _idle(view: View, service: Obj, gateways: Iterable[Obj], hosts: Iterable[str]) -> Iterator[Problem]:
    """Gateways that serve none of its hosts, beside others that do."""
    for gateway in gateways:
        if not any(_serves(view, gateway, service, host) for host in hosts):
            text = f"{gateway.ref} serves none of its hosts, and it names that Gateway all the same"
            yield Problem(service.ref, text, "take the name out of gateways, or add the host to the Gateway's server", Severity.INFO)


def _unseen(view: View, service: Obj, gateways: Iterable[Obj]) -> Iterator[Problem]:
    """Gateways of which no pod knows the VirtualService."""
    for gateway in gateways:
        homes = homes_of(view, gateway)
        if homes and not any(exported_to(service.raw, home) for home in homes):
            words = ", ".join(export_words(service.raw))
            text = f"it is not exported to {', '.join(_first(homes))} (exportTo: {words}), where the pods of {gateway.ref} run"
            yield Problem(service.ref, f"{text}: they serve none of its hosts", remedy="add the namespace of its pods to exportTo")
        elif not homes and view.source == "manifests" and not exported_to(service.raw, gateway.namespace):
            words = ", ".join(export_words(service.raw))
            yield skip(f"{service.ref} is exported to {words} only, and the manifests do not have the pods of {gateway.ref}")


def _first(texts: Iterable[str]) -> list[str]:
    """The first few that differ: a Gateway may have the hosts of a thousand teams, each of which asks."""
    found: dict[str, None] = {}
    for text in texts:
        found[text] = None
        if len(found) == _SHOWN:
            break
    return list(found)


def _servers(view: View, gateway: Obj) -> list[Server]:
    """Read once: each VirtualService that names it asks."""
    known: dict[Obj, list[Server]] = view.memo("traffic.servers", view, dict)
    if gateway not in known:
        known[gateway] = servers_of(gateway.raw)
    return known[gateway]


def _serves(view: View, gateway: Obj, service: Obj, host: str) -> bool:
    return any(server.admits(service.namespace, full_name(host, service.namespace)) for server in _servers(view, gateway))


@check(
    "OSM1810",
    title="no host of a DestinationRule or VirtualService is a misspelt one",
    hint="correct the host; a name without a dot is a Service of the object's own namespace",
    severity=Severity.WARNING,
    inputs=(k.DESTINATION_RULE, k.VIRTUAL_SERVICE, k.SERVICE, k.SERVICE_ENTRY, k.K8S_GATEWAY, *READS),
    live=False,
    subjects=(k.DESTINATION_RULE, k.VIRTUAL_SERVICE),
    equivalents=("IST0174", "KIA0202"),
)
def hosts_spelt(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """What is written for a host that nobody has does nothing, and no message says so: no retries, no mutual TLS, no canary. One that is
    nearly the name of a known host is a warning. Any other host of a DestinationRule is a notice, as another cluster may have it; in a
    folder of manifests so may another folder, unless this one has Services of its namespace."""
    for kind in (k.DESTINATION_RULE, k.VIRTUAL_SERVICE):
        for row in intent.owned(view.of(kind)):
            for host in _hosts_for_sidecars(row):
                if "*" in host or known_host(view, host, row.namespace):
                    continue
                near = meant_host(view, host, row.namespace)
                if near:
                    yield Problem(row.ref, f"its host {host} is no Service and no ServiceEntry{asked(near)}")
                elif kind == k.DESTINATION_RULE and _would_be_there(view, host, row.namespace):
                    text = f"its host {host} is no Service and no ServiceEntry: unless another cluster has it, the rule has no effect"
                    yield Problem(row.ref, text, severity=Severity.INFO)


def _would_be_there(view: View, host: str, namespace: str) -> bool:
    """Whether the source would have the host if its own cluster had it; a federated mesh has others."""
    if view.source != "manifests":
        return not host.endswith(_IMPORTED)
    space = service_namespace(full_name(host, namespace, service_ends(view)[0]), service_ends(view))
    return bool(space and view.of(k.SERVICE, space))


def _hosts_for_sidecars(row: Obj) -> list[str]:
    """Those of a VirtualService that is for gateways too may be names outside of the mesh."""
    if row.kind == k.DESTINATION_RULE:
        return [str(row.at("spec", "host", default="*"))]
    if not binds_mesh(row.raw) or row.items("spec", "gateways") not in ([], ["mesh"]):
        return []
    return [str(host) for host in row.items("spec", "hosts")]


@check(
    "OSM1802",
    title="each TCP port of a ServiceEntry has addresses of its own",
    hint="add spec.addresses; for a host under TLS use protocol TLS, which is matched by server name",
    severity=Severity.WARNING,
    inputs=(k.SERVICE_ENTRY, *READS),
    live=False,
    subjects=(k.SERVICE_ENTRY,),
    equivalents=("IST0134",),
)
def tcp_has_addresses(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """TCP has no host name. Without an address the proxies of all who see the entry listen on the port for every address, so that the
    entry receives all traffic to that port, even what is meant for other services or unknown ones. Addresses that istiod has given to the
    entry, or that each proxy gives to its hosts where MeshConfig says so, are as good."""
    given = any(map(_gives_addresses, istiods_of_mesh(view, intent)))
    for entry in intent.owned(view.of(k.SERVICE_ENTRY)):
        if entry.items("spec", "addresses") or entry.items("status", "addresses") or entry.at("spec", "resolution") == "NONE":
            continue
        if given and not any("*" in str(host) for host in entry.items("spec", "hosts")):
            continue
        ports = [port.get("number") for port in sections(entry.items("spec", "ports")) if _family(port) == "TCP"]
        if ports:
            yield Problem(entry.ref, f"it takes TCP on port {', '.join(map(str, ports))} to any address: it has no addresses of its own")


def _gives_addresses(config: MeshConfig) -> bool:
    """Whether proxies answer for the hosts of ServiceEntries with addresses of their own."""
    notes = {name: str(value).lower() for name, value in section(config.settings, "defaultConfig", "proxyMetadata").items()}
    allocated = ("ISTIO_META_DNS_AUTO_ALLOCATE", "PILOT_ENABLE_IP_AUTOALLOCATE")
    return notes.get("ISTIO_META_DNS_CAPTURE") == "true" and any(notes.get(name) == "true" for name in allocated)


def _family(port: Mapping[str, Any]) -> str:
    return _FAMILIES.get(str(port.get("protocol") or "").upper(), "TCP")


@check(
    "OSM1803",
    title="each host and port of a ServiceEntry has one protocol",
    hint="give both entries the same protocol, or keep each in its own namespace with exportTo: ['.']",
    severity=Severity.WARNING,
    inputs=(k.SERVICE_ENTRY,),
    live=False,
    equivalents=("IST0177", "KIA1211", "KIA1212"),
)
def one_protocol(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Of two entries of a host the caller's own namespace wins, else the older one; the other's protocol is not used."""
    seen: dict[tuple[str, Any], list[tuple[Obj, Mapping[str, Any]]]] = {}
    for entry in oldest_first(intent.owned(view.of(k.SERVICE_ENTRY))):
        for port in sections(entry.items("spec", "ports")):
            for host in map(str, entry.items("spec", "hosts")):
                others = seen.setdefault((host, port.get("number")), [])
                for other, earlier in others:
                    if _family(earlier) != _family(port) and other is not entry and _meet(other, entry):
                        protocols = f"{earlier.get('protocol')} in {other.ref} and {port.get('protocol')} here"
                        yield Problem(entry.ref, f"port {port.get('number')} of {host} is {protocols}")
                others.append((entry, port))


def _meet(one: Obj, other: Obj) -> bool:
    """Is there a namespace that may see both? Whoever sees everything does."""
    return exported_to(one.raw, other.namespace) or exported_to(other.raw, one.namespace)


@check(
    "OSM1830",
    title="each ServiceEntry is seen by a namespace that is there",
    hint="correct exportTo: '.' is its own namespace, '*' all of them; or remove the entry",
    severity=Severity.WARNING,
    inputs=(k.SERVICE_ENTRY, k.NAMESPACE),
    live=False,
    subjects=(k.SERVICE_ENTRY,),
)
def entry_is_seen(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """An entry that nobody sees registers nothing: with REGISTRY_ONLY its host answers 502, and without it goes past all that is said about
    it. Names of namespaces are compared as they are, so a misspelt one hides the entry without a word."""
    there = {row.name for row in view.of(k.NAMESPACE)}
    for entry in intent.owned(view.of(k.SERVICE_ENTRY)):
        words = export_words(entry.raw)
        if not words or "*" in words:
            continue
        if "~" in words:
            yield Problem(entry.ref, "nobody may use it: its exportTo is ~")
            continue
        named = {entry.namespace if word == "." else word for word in words}
        if there and entry.namespace not in named and not named & there:
            yield Problem(entry.ref, f"nobody may use it: its exportTo names {', '.join(sorted(named))}, and no such namespace is there")


_NAMING = {
    k.SERVICE: "its annotation networking.istio.io/exportTo",
    k.REFERENCE_GRANT: "spec.from[].namespace",
    **dict.fromkeys((k.VIRTUAL_SERVICE, k.DESTINATION_RULE, k.SERVICE_ENTRY), "exportTo"),
}


@check(
    "OSM1832",
    title="each namespace that an object is exported to is there",
    hint="correct the name, or take it out: '.' is the object's own namespace, '*' all of them",
    severity=Severity.WARNING,
    inputs=(*_NAMING, k.NAMESPACE),
    live=False,
    subjects=tuple(_NAMING),
    equivalents=("IST0101", "KIA0005", "KIA1601"),
)
def exported_to_known(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Names are compared as they are: a misspelt namespace has callers without the routes, the subsets or the right to refer that they were
    meant to have. In a folder of manifests, where other folders may have a namespace, only one that is nearly the name of another."""
    there = {row.name for row in view.of(k.NAMESPACE)}
    known = there | {row.namespace for kind in _NAMING for row in view.of(kind) if row.namespace}
    for kind, where in _NAMING.items():
        for row in intent.owned(view.of(kind)):
            for name in sorted({*_named(row)} - {".", "*", "~"} - known):
                near = nearest(name, known)
                if near or view.source != "manifests":
                    yield Problem(row.ref, f"{where} names namespace {name}, which is not there{asked(near)}")


def _named(row: Obj) -> list[str]:
    if row.kind == k.REFERENCE_GRANT:
        return [str(one["namespace"]) for one in sections(row.items("spec", "from")) if one.get("namespace")]
    return export_words(row.raw)


@check(
    "OSM1831",
    title="no ServiceEntry lets out more than the hosts of one owner",
    hint="name the hosts, or the domain of their owner (*.example.com)",
    severity=Severity.WARNING,
    inputs=(k.SERVICE_ENTRY,),
    live=False,
)
def entry_is_narrow(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """REGISTRY_ONLY is for knowing who calls what outside. An entry for a whole top-level domain, or for every address, opens it again."""
    for entry in intent.owned(view.of(k.SERVICE_ENTRY)):
        for host in map(str, entry.items("spec", "hosts")):
            if host == "*" or (host.startswith("*.") and "." not in host[2:]):
                yield Problem(entry.ref, f"its host {host} is everybody's below it")
        for address in map(str, entry.items("spec", "addresses")):
            if address.endswith("/0"):
                yield Problem(entry.ref, f"its address {address} is every address")


def _sidecars(view: View, intent: Intent) -> Callable[[str], Obj | None]:
    """The Sidecar of all workloads of a namespace: its own, else that of the root namespace."""
    firsts: dict[str, Obj] = {}
    for sidecar in oldest_first(intent.owned(view.of(k.SIDECAR))):
        if not section(sidecar.raw, "spec", "workloadSelector", "labels"):
            firsts.setdefault(sidecar.namespace, sidecar)
    general = firsts.get(root_namespace(view, intent))
    return lambda namespace: firsts.get(namespace, general)


@check(
    "OSM1833",
    title="each ServiceEntry is let in by the Sidecars of those who may use it",
    hint="add NAMESPACE/HOST of the entry to the egress.hosts of the Sidecar; or keep it in a namespace that is let in",
    severity=Severity.WARNING,
    inputs=(k.SERVICE_ENTRY, k.SIDECAR, *READS),
    live=False,
    subjects=(k.SERVICE_ENTRY, k.SIDECAR),
)
def entries_let_in(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """exportTo says who may see an entry, and egress.hosts of a Sidecar what its workloads see of that. For a namespace that is named in
    the one and left out by the other the host is an unknown one: with REGISTRY_ONLY 502, or a connection that is closed."""
    sidecar_of = _sidecars(view, intent)
    for entry in intent.owned(view.of(k.SERVICE_ENTRY)):
        words, hosts = export_words(entry.raw), [str(host) for host in entry.items("spec", "hosts")]
        if not hosts or {"*", "~"} & {*words}:
            continue
        for namespace in dict.fromkeys(entry.namespace if word == "." else word for word in words):
            chosen = sidecar_of(namespace)
            if chosen is not None and not imports(chosen.raw, entry.namespace, hosts, namespace):
                yield Problem(entry.ref, f"it is exported to {namespace}, and {chosen.ref} there does not let it in")


@check(
    "OSM1805",
    title="each Sidecar imports what the routes of its namespace need",
    hint="add the namespaces to egress.hosts: ./* for its own VirtualServices, NAMESPACE/HOST for what they route to",
    inputs=(k.SIDECAR, k.VIRTUAL_SERVICE, *READS),
    live=False,
    subjects=(k.SIDECAR,),
)
def routes_imported(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Proxies know only what the Sidecar imports: their namespace's, else the root namespace's. A VirtualService that is not imported does
    nothing, and its destination then has to be imported itself; what an imported one routes to is known with it."""
    sidecar_of = _sidecars(view, intent)
    ends = service_ends(view)
    for service in intent.owned(view.of(k.VIRTUAL_SERVICE)):
        namespace = service.namespace
        chosen = sidecar_of(namespace)
        if chosen is not None:
            hosts = [full_name(str(host), namespace, ends[0]) for host in service.items("spec", "hosts")]
            if not hosts or not binds_mesh(service.raw) or imports(chosen.raw, namespace, hosts, namespace):
                continue
            targets = {full_name(str(one.get("host") or ""), namespace, ends[0]) for one in destinations(service.raw)}
            inside = [host for host in targets if service_namespace(host, ends)]
            unknown = sorted(host for host in inside if not imports(chosen.raw, service_namespace(host, ends), [host], namespace))
            more = f", and neither does it import {', '.join(unknown)}, where that routes to" if unknown else ""
            yield Problem(chosen.ref, f"it does not import {service.ref}, which has no effect in its own namespace{more}")


@check(
    "OSM1806",
    title="each DestinationRule uses the TLS mode that its destination expects",
    hint="leave tls out of the trafficPolicy: proxies detect it by themselves; or change the PeerAuthentication",
    inputs=(*INPUTS, k.DESTINATION_RULE),
    live=False,
    subjects=(k.DESTINATION_RULE,),
)
def tls_agrees(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A caller that sends plain text, or TLS of its own, to a workload that demands mutual TLS gets 503, and so does mutual TLS to one
    that has switched it off. A workload without a proxy demands nothing, and a rule that is overridden for every caller has no effect."""
    scene, ends = analysis_of(view, intent), service_ends(view)
    for rule in intent.owned(view.of(k.DESTINATION_RULE)):
        host = full_name(str(rule.at("spec", "host", default="")), rule.namespace, ends[0])
        told: set[str] = set()
        for service in _services(view, host, ends):
            for port in sections(service.items("spec", "ports")):
                for mode in _tls_modes(rule, port.get("port")):
                    place, problem = _disagreement(view, scene, service, port, mode)
                    if place and service.ref not in told and _counts(view, scene, rule, service, place):
                        told.add(service.ref)
                        yield Problem(rule.ref, problem)


def _services(view: View, host: str, ends: tuple[str, ...]) -> Iterator[Obj]:
    if not host.startswith("*"):
        yield from view.memo("traffic.services", view, lambda: _by_name(view, ends)).get(host.lower(), ())
        return
    for service in view.of(k.SERVICE, service_namespace(host, ends) or None):
        if any(covers(host, full_name(service.name, service.namespace, end)) for end in ends):
            yield service


def _by_name(view: View, ends: tuple[str, ...]) -> dict[str, list[Obj]]:
    """The Services by their full names: most DestinationRules are for one of them, or for none."""
    found: dict[str, list[Obj]] = {}
    for service in view.of(k.SERVICE):
        for name in dict.fromkeys(full_name(service.name, service.namespace, end).lower() for end in ends):
            found.setdefault(name, []).append(service)
    return found


def _tls_modes(rule: Obj, port: Any) -> Iterator[str]:
    """The modes that the rule and its subsets have for a port of the Service; a setting for a port takes the place of the whole."""
    for holder in (section(rule.raw, "spec"), *sections(rule.items("spec", "subsets"))):
        policy = section(holder, "trafficPolicy")
        own = [one for one in sections(policy.get("portLevelSettings")) if section(one, "port").get("number") == port]
        mode = section(own[0] if own else policy, "tls").get("mode")
        if mode:
            yield str(mode)


def _behind(scene: PolicyAnalysis, service: Obj) -> Iterator[Workload]:
    """The workloads of a Service that a sidecar guards."""
    selector = service.at("spec", "selector", default={})
    for place in scene.inventory.near(service.namespace) if selector else ():
        inside = place.workload.kind == "sidecar" and not place.outside and not place.assumed
        if inside and matches_labels(selector, place.workload.labels):
            yield place


def _counts(view: View, scene: PolicyAnalysis, rule: Obj, service: Obj, place: Workload) -> bool:
    """Whether the rule decides for a caller of this workload of the Service; what of it is the root namespace's often does not."""
    ends = service_ends(view)
    rules = view.memo("traffic.rules", view, lambda: Rules((one.raw for one in view.of(k.DESTINATION_RULE)), ends[0]))
    callers = view.memo("traffic.callers", scene, lambda: _callers(scene))
    return any(
        rule.raw is one
        for root in _roots(scene, place)
        for caller in callers.get(root, ())
        for end in ends
        for one in rules.counting(host=full_name(service.name, service.namespace, end), caller=caller, service=service.namespace, root=root)
    )


def _roots(scene: PolicyAnalysis, place: Workload) -> set[str]:
    """The root namespaces of the meshes that a workload is in; those of several revisions are mostly the same."""
    return {mesh.root_namespace for mesh in scene.inventory.meshes_of(place)}


def _callers(scene: PolicyAnalysis) -> dict[str, tuple[str, ...]]:
    """The namespaces with proxies, by the root namespace of their mesh."""
    found: dict[str, dict[str, None]] = {}
    for place in scene.inventory.places:
        for root in set() if place.outside or place.assumed else _roots(scene, place):
            found.setdefault(root, {})[place.namespace] = None
    return {root: tuple(namespaces) for root, namespaces in found.items()}


def _targets(view: View, service: Obj, port: Mapping[str, Any]) -> tuple[int | None, ...]:
    """The ports of the pods behind a Service's: a name may be another number in each of them, and is nothing where no pod has it."""
    target = str(port.get("targetPort") or port.get("port"))
    if target.isdigit():
        return (int(target),)
    pods = (shape for _space, shape in selected_pods(view, service.at("spec", "selector", default={}), service.namespace))
    return tuple(sorted(named_ports(pods, target))) or (None,)


def _disagreement(view: View, scene: PolicyAnalysis, service: Obj, port: Mapping[str, Any], mode: str) -> tuple[Workload | None, str]:
    """The first workload behind the port that wants something else, and what."""
    for place, number in product(_behind(scene, service), _targets(view, service, port)):
        found, by = scene.world.mutual_tls(place.workload, number)
        if mode in ("DISABLE", "SIMPLE") and found == "STRICT":
            return place, f"its tls.mode is {mode} for {service.ref}, and PeerAuthentication {by} demands mutual TLS there"
        if mode in ("MUTUAL", "ISTIO_MUTUAL") and found == "DISABLE":
            return place, f"its tls.mode is {mode} for {service.ref}, and PeerAuthentication {by} switches mutual TLS off there"
    return None, ""


@check(
    "OSM1808",
    title="each port in portLevelMtls is a port of the selected pods",
    hint="write the port that the pods listen on (targetPort, containerPort), not the port of the Service",
    severity=Severity.WARNING,
    inputs=(k.PEER_AUTHENTICATION, k.SERVICE, k.WORKLOAD_ENTRY, k.WORKLOAD_GROUP, k.POD),
    live=False,
    subjects=(k.PEER_AUTHENTICATION,),
)
def ports_of_pods(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The proxy of a pod knows the pod's ports only; a mode for another port has no effect."""
    for policy in intent.owned(view.of(k.PEER_AUTHENTICATION)):
        selector = section(policy.raw, "spec", "selector", "matchLabels")
        asked = [str(port) for port in section(policy.raw, "spec", "portLevelMtls")]
        if not selector or not asked:
            continue
        known, services = _pod_ports(view, policy.namespace, selector)
        for port in asked:
            if known and port not in known:
                of_service = f", which is a port of {services[port]}" if port in services else ""
                have = ", ".join(sorted(known, key=int))
                yield Problem(policy.ref, f"no pod that it selects has port {port}{of_service}; they have {have}")


def _pod_ports(view: View, namespace: str, selector: Mapping[str, Any]) -> tuple[set[str], dict[str, str]]:
    """The numbers of the selected pods' ports, and the Services by their own ports. Nothing where a machine is among them: its ports are
    those of whatever ServiceEntry leads to it."""
    services: dict[str, str] = {}
    if any(_machine(row, selector) for kind in (k.WORKLOAD_ENTRY, k.WORKLOAD_GROUP) for row in view.of(kind, namespace)):
        return set(), services
    pods = [shape for _space, shape in selected_pods(view, selector, namespace)]
    known = {str(number) for number in port_numbers(pods)}
    for service in view.of(k.SERVICE, namespace):
        chosen = section(service.raw, "spec", "selector")
        behind = [one for one in pods if chosen and matches_labels(chosen, one.labels)]
        for port in sections(service.items("spec", "ports")) if behind else ():
            target = str(port.get("targetPort") or port.get("port"))
            known |= {target} if target.isdigit() else {str(number) for number in named_ports(behind, target)}
            services[str(port.get("port"))] = service.ref
    return known, services


def _machine(row: Obj, selector: Mapping[str, Any]) -> bool:
    holder = section(row.raw, "spec", "metadata") if row.kind == k.WORKLOAD_GROUP else section(row.raw, "spec")
    return matches_labels(selector, section(holder, "labels"))


@check(
    "OSM1809",
    title="each annotation for the proxy has a value that the injector accepts",
    hint="correct the value; a range of ports is written as the list of its numbers",
    inputs=INPUTS,
    live=False,
    subjects=(k.DEPLOYMENT, k.STATEFUL_SET, k.DAEMON_SET, k.CRON_JOB, k.POD),
    equivalents=("IST0125",),
)
def annotations_accepted(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The webhook refuses a pod with another value, so that no pod of the workload starts. There are no ranges of ports, and an asterisk is
    accepted only for what is included."""
    scene = analysis_of(view, intent)
    injected = {ref for place in scene.inventory.places if place.workload.kind == "sidecar" and not place.outside for ref in place.refs}
    for namespace, pod in every_pod(view):
        if not pod.live and f"{namespace}/{pod.name}" in injected:
            for key, value, accepted in rejected_annotations(pod.annotations):
                yield Problem(f"Workload {namespace}/{pod.name}", f"the injector refuses its pods: {key} is {value!r}, expected {accepted}")


def _several(question: tuple[k.Kind, str, str], view: View, intent: Intent, options: Options) -> Iterator[Problem]:
    """All but the first of those that are for the same workloads, and read by the same revision. question: the kind, and the two fields of
    its spec that lead to the labels, by which different ones may select the same pod."""
    kind, *selector = question
    view.of(k.POD)  # what it stands on, also where none is asked for
    first: dict[tuple[str, str, str], Obj] = {}
    taken: dict[tuple[str, int], Obj] = {}  # by revision and pod
    for row in oldest_first(intent.owned(view.of(kind))):
        wanted, revision = section(row.raw, "spec", *selector), str(row.labels.get(LABEL) or "")
        labels = ",".join(f"{key}={value}" for key, value in sorted(wanted.items()))
        kept = first.setdefault((row.namespace, labels, revision), row)
        why = "is older and" if row.at("metadata", "creationTimestamp") else "(or this one, if it is older)"
        if kept is not row:
            whom = f"the workloads with {labels}" if labels else "all workloads of the namespace"
            yield Problem(row.ref, f"it has no effect: {kept.ref} {why} holds for {whom}")
            continue
        before: dict[Obj, dict[str, None]] = {}
        for _space, pod in selected_pods(view, wanted, row.namespace):
            holder = taken.setdefault((revision, id(pod)), row)
            if holder is not row:
                before.setdefault(holder, {})[pod.name] = None
        for holder, names in before.items():
            yield Problem(row.ref, f"it has no effect at {shortened(sorted(names), _SHOWN)}: {holder.ref} {why} holds there")


ONE_FOR_ALL = (
    CheckRow("OSM1804", "one_sidecar", (k.SIDECAR, "workloadSelector", "labels"), inputs=(k.SIDECAR, k.POD),
             subjects=(k.SIDECAR,),
             equivalents=("IST0110", "IST0111", "KIA0002", "KIA0003"),
             title="each namespace has at most one Sidecar for all its workloads",
             hint="merge them, or give one a workloadSelector",
             about="Of several without a workloadSelector, or that select the same pod, the oldest counts there; the others do nothing."),
    CheckRow("OSM1807", "one_peer_authentication", (k.PEER_AUTHENTICATION, "selector", "matchLabels"),
             inputs=(k.PEER_AUTHENTICATION, k.POD), subjects=(k.PEER_AUTHENTICATION,),
             equivalents=("KIA0002", "KIA0003"),
             title="each namespace has at most one PeerAuthentication for all its workloads",
             hint="merge them, or give one a selector",
             about="Of several without a selector, or that select the same pod, the oldest counts there; the others do nothing."),
    CheckRow("OSM1847", "one_telemetry", (k.TELEMETRY, "selector", "matchLabels"),
             inputs=(k.TELEMETRY, k.POD), subjects=(k.TELEMETRY,), equivalents=("IST0159", "IST0160", "KIA0002", "KIA0003"),
             title="each namespace has at most one Telemetry for all its workloads",
             hint="merge them, or give one a selector",
             about="Of several without a selector, or that select the same pod, the oldest counts there; the others do nothing."),
)  # fmt: skip

CATEGORY.table(_several, ONE_FOR_ALL, live=False)
