# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Checks of the traffic category about single objects that do less, or something else, than they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._checks.types import Options
from .._gateways.checks import known_host, root_namespace
from .._gateways.meant import asked, meant_host
from .._model import kinds as k
from .._model.fields import entries, section, sections, texts
from .._model.intent import Intent
from .._model.istiods import READS, istiods_of_mesh, service_ends
from .._model.pods import every_pod, selected_pods
from .._model.problem import Problem, Severity
from .._model.routing import binds_mesh, export_words, full_name, short_name
from .._model.view import Obj, View
from .._text import counted, shortened
from .checks import CATEGORY, oldest_first

check = CATEGORY.check

__all__: list[str] = []

_SHOWN = 5

# EnvoyFilter

_RELATIVE = frozenset({"INSERT_BEFORE", "INSERT_AFTER", "REPLACE", "REMOVE"})
_REPLACED = frozenset({"HTTP_FILTER", "NETWORK_FILTER", "LISTENER_FILTER", "VIRTUAL_HOST"})
_OF_ISTIO = ("envoy.filters.network.http_connection_manager", "envoy.filters.http.router", "envoy.filters.network.tcp_proxy", "istio.")


def _patches(row: Obj) -> Iterator[tuple[int, str, str, Mapping[str, Any]]]:
    """Number, target, operation and match of each patch."""
    for number, one in enumerate(sections(row.items("spec", "configPatches"))):
        yield number, str(one.get("applyTo") or ""), str(section(one, "patch").get("operation") or ""), section(one, "match")


def _neighbour(match: Mapping[str, Any]) -> str:
    """The filter that a patch is put beside, or takes away."""
    found = section(match, "listener", "filterChain", "filter")
    return str(section(found, "subFilter").get("name") or found.get("name") or "")


@check(
    "OSM1840",
    title="each EnvoyFilter that depends on what is there has a priority",
    hint="set spec.priority: higher than that of the EnvoyFilter whose filter it needs; or use INSERT_FIRST or ADD",
    severity=Severity.WARNING,
    inputs=(k.ENVOY_FILTER,),
    live=False,
    equivalents=("IST0151", "IST0155"),
)
def filters_ordered(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """istiod applies EnvoyFilters by priority, then by age. A patch before, after, or in place of a filter that another one adds later is
    left out without a word, and which is older changes with every new deployment of both. Beside what Istio itself puts into each
    proxy there is no such risk: that is a notice."""
    for row in intent.owned(view.of(k.ENVOY_FILTER)):
        if row.at("spec", "priority", default=0):
            continue
        found: dict[str, list[str]] = {}
        for number, target, operation, match in _patches(row):
            takes = operation != "REPLACE" or target in _REPLACED
            if operation in _RELATIVE and takes and target != "ROUTE_CONFIGURATION":
                versioned = ", for some versions of proxies only," if section(match, "proxy").get("proxyVersion") else ""
                beside = _neighbour(match)
                text = f"configPatches[{number}] ({operation} of {target}{versioned} at {beside or 'any filter'})".replace(",)", ")")
                found.setdefault("certain" if beside.startswith(_OF_ISTIO) else "other", []).append(text)
        for word, texts_ in found.items():
            why = "depends on what is there before it, and it has no priority"
            severity = Severity.INFO if word == "certain" else None
            yield Problem(row.ref, f"{shortened(texts_, _SHOWN)} {why}", severity=severity)


@check(
    "OSM1841",
    title="each patch of an EnvoyFilter has an operation that its target takes",
    hint="use MERGE for a ROUTE_CONFIGURATION; REPLACE is for filters and virtual hosts; elsewhere REMOVE and ADD, in this order",
    inputs=(k.ENVOY_FILTER,),
    live=False,
    equivalents=("IST0152", "IST0153", "IST0154"),
)
def operations_taken(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """istiod ignores every other operation: the object is accepted, and no proxy changes."""
    for row in intent.owned(view.of(k.ENVOY_FILTER)):
        for number, target, operation, _match in _patches(row):
            wrong = target == "ROUTE_CONFIGURATION" and operation in ("ADD", "REMOVE")
            if wrong or (operation == "REPLACE" and target not in _REPLACED):
                yield Problem(row.ref, f"configPatches[{number}] is ignored: {target or 'nothing'} takes no {operation}")


# DestinationRule


def _tls_places(rule: Obj) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each setting of TLS with the words for where it holds."""
    holders = [("", section(rule.raw, "spec"))]
    holders += [(f"subset {one.get('name')}", one) for one in sections(rule.items("spec", "subsets"))]
    for where, holder in holders:
        policy = section(holder, "trafficPolicy")
        yield where, section(policy, "tls")
        for one in sections(policy.get("portLevelSettings")):
            port = f"port {section(one, 'port').get('number')}"
            yield " ".join(filter(None, (where, port))), section(one, "tls")


@check(
    "OSM1842",
    title="each DestinationRule with TLS says which CA it trusts",
    hint="set caCertificates, or credentialName together with a workloadSelector, and subjectAltNames; ignore it for the Internet",
    severity=Severity.INFO,
    inputs=(k.DESTINATION_RULE,),
    live=False,
    equivalents=("IST0128", "IST0129"),
)
def servers_verified(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Without a CA proxies before Istio 1.20 accept any certificate, so whoever is in between reads everything; later ones ask for one of
    a public CA, and answer 503 for a server with another. With insecureSkipVerify nobody is asked for any."""
    for rule in intent.owned(view.of(k.DESTINATION_RULE)):
        for where, tls in _tls_places(rule):
            named = tls.get("caCertificates") or (tls.get("credentialName") and rule.at("spec", "workloadSelector"))
            if tls.get("mode") not in ("SIMPLE", "MUTUAL"):
                continue
            at = f" at {where}" if where else ""
            host = rule.at("spec", "host", default="?")
            if tls.get("insecureSkipVerify") is True:
                yield Problem(rule.ref, f"the certificate of {host}{at} is not verified: insecureSkipVerify", severity=Severity.WARNING)
            elif not named:
                yield Problem(rule.ref, f"its tls.mode is {tls['mode']} for {host}{at}, and no CA is named for it")


_TOPOLOGY = ("topology.kubernetes.io/", "topology.istio.io/", "kubernetes.io/hostname", "failure-domain.beta.kubernetes.io/")


@check(
    "OSM1843",
    title="each subset of a DestinationRule has pods",
    hint="correct the labels of the subset, or of the pod template; take the subset out once no route uses it",
    severity=Severity.WARNING,
    inputs=(k.DESTINATION_RULE, k.SERVICE, k.POD, *READS),
    live=False,
    subjects=(k.DESTINATION_RULE,),
    equivalents=("IST0173", "KIA0203"),
)
def subsets_have_pods(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Requests that are routed to a subset without pods are answered with 503 and the flag UH. Where the Service has no pods either, which
    may be meant, it is a notice; manifests may have them elsewhere."""
    ends = service_ends(view)
    for rule in intent.owned(view.of(k.DESTINATION_RULE)):
        subsets = sections(rule.items("spec", "subsets"))
        name, _dot, space = short_name(full_name(str(rule.at("spec", "host", default="")), rule.namespace, ends[0]), ends).partition(".")
        service = view.get(k.SERVICE, name, space) if subsets and name and space else None
        chosen = texts(section(service.raw, "spec", "selector")) if service else {}
        if service is None or not chosen:
            continue
        if not selected_pods(view, chosen, space):
            if view.source != "manifests":
                text = f"{service.ref} has no pods at all, and so have none of the {counted(len(subsets), 'subset')}"
                yield Problem(rule.ref, text, "scale the workload up, or correct the selector of the Service", Severity.INFO)
            continue
        for subset in subsets:
            labels = texts(subset.get("labels"))
            own = {key: value for key, value in labels.items() if not (value and key.startswith(_TOPOLOGY))}  # istiod adds those
            if not selected_pods(view, {**chosen, **own}, space):
                said = ", ".join(f"{key}={value}" for key, value in sorted(own.items()))
                yield Problem(rule.ref, f"subset {subset.get('name')} has no pods: none of {service.ref} has {said}")


@check(
    "OSM1811",
    title="each host has the settings of one DestinationRule of a namespace",
    hint="merge them into one",
    severity=Severity.WARNING,
    inputs=(k.DESTINATION_RULE, *READS),
    live=False,
    subjects=(k.DESTINATION_RULE,),
    equivalents=("KIA0201",),
)
def one_rule_for_each_host(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """istiod merges those of a namespace for one host: subsets of all of them count, the older one's where a name comes twice, and of the
    trafficPolicies only the first. What the younger one says beside that does nothing."""
    end = service_ends(view)[0]
    groups: dict[tuple[str, str, str], list[Obj]] = {}
    for rule in oldest_first(intent.owned(view.of(k.DESTINATION_RULE))):
        if not rule.at("spec", "workloadSelector"):
            host = full_name(str(rule.at("spec", "host", default="")), rule.namespace, end).lower()
            groups.setdefault((rule.namespace, host, ",".join(sorted(export_words(rule.raw)))), []).append(rule)
    for (_space, host, _words), rules in groups.items():
        policy: Obj | None = None
        names: dict[str, Obj] = {}
        for rule in rules:
            if section(rule.raw, "spec", "trafficPolicy"):
                if policy is not None:
                    yield Problem(rule.ref, f"its trafficPolicy for {host} has no effect: that of {policy.ref} counts{_which(rule)}")
                policy = policy or rule
            for name in [str(one.get("name")) for one in sections(rule.items("spec", "subsets"))]:
                first = names.setdefault(name, rule)
                if first is not rule:
                    yield Problem(rule.ref, f"its subset {name} of {host} has no effect: that of {first.ref} counts{_which(rule)}")


def _which(rule: Obj) -> str:
    return "" if rule.at("metadata", "creationTimestamp") else " (or this one, if it is older)"


@check(
    "OSM1812",
    title="each subset of a DestinationRule has labels",
    hint="give the subset the labels that tell its pods apart, such as version",
    severity=Severity.INFO,
    inputs=(k.DESTINATION_RULE,),
    live=False,
    equivalents=("KIA0209",),
)
def subsets_labelled(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Without labels a subset is all pods of the host, under another name: a route to it is no canary. For a host outside of the mesh, with
    settings of its own in each subset, that may be meant."""
    for rule in intent.owned(view.of(k.DESTINATION_RULE)):
        for subset in sections(rule.items("spec", "subsets")):
            if not texts(subset.get("labels")):
                yield Problem(rule.ref, f"subset {subset.get('name')} has no labels: it is every pod of {rule.at('spec', 'host')}")


# VirtualService


def _seers(service: Obj) -> frozenset[str]:
    """The namespaces whose callers know it; `*` for all."""
    return frozenset(service.namespace if word == "." else word for word in export_words(service.raw) or ["*"])


@check(
    "OSM1844",
    title="each host inside of the mesh has the routes of one VirtualService",
    hint="merge them into one, in the order that is meant; only at gateways does Istio merge them itself",
    inputs=(k.VIRTUAL_SERVICE, *READS),
    live=False,
    subjects=(k.VIRTUAL_SERVICE,),
    equivalents=("IST0109", "KIA1106"),
)
def one_for_each_host(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Of two for the same host that the same callers know, sidecars use the older one. The other one's routes, timeouts and weights do
    nothing, until the first is deleted."""
    end = service_ends(view)[0]
    by_host: dict[str, dict[Obj, None]] = {}
    for service in intent.owned(view.of(k.VIRTUAL_SERVICE)):
        for host in service.items("spec", "hosts") if binds_mesh(service.raw) else ():
            by_host.setdefault(full_name(str(host), service.namespace, end).lower(), {})[service] = None
    for host, services in by_host.items():
        if len(services) < 2:
            continue
        seers = {service: _seers(service) for service in services}
        public = [service for service, words in seers.items() if "*" in words]
        spaces: dict[str, list[Obj]] = {}
        for service, words in seers.items():
            for space in words - {"*", "~"}:
                spaces.setdefault(space, []).append(service)
        for service, words in seers.items():
            others = list(services) if "*" in words else [*public, *(one for space in words for one in spaces.get(space, ()))]
            met = sorted({one.ref for one in others if one is not service and seers[one] - {"~"}} if words - {"~"} else ())
            if met:
                yield Problem(
                    service.ref, f"{host} has routes in {shortened(met, _SHOWN)} too, and for callers in the mesh only the oldest count"
                )


# Fields that Istio leaves aside

_REPLACED_FIELDS = {
    "percent": "fault.delay.percent is deprecated and rounds down to whole percents; write percentage: {value: ...}",
    "egressProxy": "outboundTrafficPolicy.egressProxy is ignored: unknown hosts are called directly, not by that gateway",
}


# Kinds of extensionProviders that are on their way out, and what becomes of their spans.
_OLD_TRACERS = {
    "lightstep": "is deprecated: a later proxy sends no spans to it",
    "opencensus": "is deprecated: a later proxy sends no spans to it",
}
_OPENTELEMETRY = "give MeshConfig.extensionProviders an entry {name: NAME, opentelemetry: {service: HOST, port: 4317}}, and name that one"


@check(
    "OSM1845",
    title="no field of an Istio object is one that Istio leaves aside",
    hint="write what takes its place",
    severity=Severity.WARNING,
    inputs=(k.VIRTUAL_SERVICE, k.SIDECAR, k.TELEMETRY, *READS),
    live=False,
    subjects=(k.VIRTUAL_SERVICE, k.SIDECAR, k.TELEMETRY),
    equivalents=("IST0002",),
)
def fields_count(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The API still accepts such a field, so that nobody is told that it has little effect or none."""
    for service in intent.owned(view.of(k.VIRTUAL_SERVICE)):
        if any(section(route, "fault", "delay").get("percent") for route in sections(service.items("spec", "http"))):
            yield Problem(service.ref, _REPLACED_FIELDS["percent"])
    for sidecar in intent.owned(view.of(k.SIDECAR)):
        if section(sidecar.raw, "spec", "outboundTrafficPolicy").get("egressProxy"):
            yield Problem(sidecar.ref, _REPLACED_FIELDS["egressProxy"])
    providers = [one for config in istiods_of_mesh(view, intent) for one in config.extension_providers]
    old = {str(one.get("name")): kind for one in providers for kind in _OLD_TRACERS if kind in one}
    for row in intent.owned(view.of(k.TELEMETRY)) if old else ():
        named = [str(one.get("name")) for tracing in sections(row.items("spec", "tracing")) for one in sections(tracing.get("providers"))]
        for name in dict.fromkeys(one for one in named if one in old):
            yield Problem(row.ref, f"its provider {name} is {old[name]}, which {_OLD_TRACERS[old[name]]}", remedy=_OPENTELEMETRY)


@check(
    "OSM1846",
    title="each Telemetry that asks for access logs names who writes them",
    hint="add providers: [{name: envoy}], or set defaultProviders.accessLogging in MeshConfig",
    severity=Severity.WARNING,
    inputs=(k.TELEMETRY, *READS),
    live=False,
    subjects=(k.TELEMETRY,),
    equivalents=("IST0157",),
)
def logs_have_writers(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Without a provider, its own or the mesh's default, there is no access log, and that is found out on the day that somebody needs
    one."""
    if any(section(one.settings, "defaultProviders").get("accessLogging") for one in istiods_of_mesh(view, intent)):
        return
    root = root_namespace(view, intent)
    general = any(not _silent(row) and row.items("spec", "accessLogging") for row in view.of(k.TELEMETRY, root))
    for row in intent.owned(view.of(k.TELEMETRY)):
        silent = _silent(row)
        if silent and (row.namespace == root or not general):  # what the mesh's own says holds for the others
            yield Problem(row.ref, f"{', '.join(silent)} has no providers, and the mesh has no default for it: nothing is logged")


def _silent(row: Obj) -> list[str]:
    """The entries that ask for logs and name nobody for them."""
    rows = enumerate(sections(row.items("spec", "accessLogging")))
    return [f"accessLogging[{number}]" for number, one in rows if one.get("disabled") is not True and not one.get("providers")]


@check(
    "OSM1813",
    title="each host that a Sidecar imports is there",
    hint="correct egress.hosts: NAMESPACE/HOST with the full name of the host, ./HOST for its own namespace, */HOST for any",
    severity=Severity.WARNING,
    inputs=(k.SIDECAR, k.SERVICE, k.SERVICE_ENTRY, k.K8S_GATEWAY, *READS),
    live=False,
    subjects=(k.SIDECAR,),
    equivalents=("KIA1004",),
)
def imports_there(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A Sidecar leaves out what it does not name, so that a misspelt host cannot be called: 502 with REGISTRY_ONLY, else past all that is
    said about it. Manifests may have the host in another folder: there only what is nearly the name of another is told."""
    for sidecar in intent.owned(view.of(k.SIDECAR)):
        rows = [str(host) for listener in sections(sidecar.items("spec", "egress")) for host in entries(listener.get("hosts"))]
        for row in dict.fromkeys(rows):
            space, slash, host = row.partition("/")
            home = sidecar.namespace if space in (".", "*") else space
            if not slash or space == "~" or "*" in host or "." not in host or known_host(view, host, home):
                continue
            near = meant_host(view, host, home)
            if near or view.source != "manifests":
                yield Problem(sidecar.ref, f"egress.hosts has {row}, and no Service or ServiceEntry has that host{asked(near)}")


_SELECTING = {k.SIDECAR: ("workloadSelector", "labels"), k.TELEMETRY: ("selector", "matchLabels")}


@check(
    "OSM1848",
    title="each Sidecar and Telemetry with a selector is for a pod that is there",
    hint="compare the selector with the labels of the pod template; only pods of its own namespace count",
    severity=Severity.WARNING,
    inputs=(*_SELECTING, k.POD),
    live=False,
    subjects=tuple(_SELECTING),
    equivalents=("IST0101", "KIA0004", "KIA1006"),
)
def selectors_match(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A selector with a misspelt label is accepted and changes no proxy: its workload keeps what holds for the namespace. In a folder of
    manifests only namespaces whose workloads are in it are asked about."""
    there = view.memo("traffic.peopled", view, lambda: frozenset(space for space, _pod in every_pod(view)))
    for kind, path in _SELECTING.items():
        for row in intent.owned(view.of(kind)):
            wanted = texts(section(row.raw, "spec", *path))
            known = view.source != "manifests" or row.namespace in there
            if wanted and known and not selected_pods(view, wanted, row.namespace):
                said = ", ".join(f"{key}={value}" for key, value in sorted(wanted.items()))
                yield Problem(row.ref, f"it has no effect: no pod of namespace {row.namespace} has {said}")
