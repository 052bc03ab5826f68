# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The way from the routes that are there to those that are wanted, in stages of which none answers 503.

What versions are comes before the routes to them, and goes after the routes away from them; proxies learn what is new in between. There is
no memory: whatever an earlier run has left is a state like any other, from which the same stages lead on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .._errors import ConfigError
from .._model import kinds as k
from .._model.fields import name_of, namespace_of, section, sections
from .._model.intent import Intent
from .._model.istiods import service_ends
from .._model.objects import LAYER, Ref, counts_as_ours, prepare
from .._model.overlay import overlaid
from .._model.problem import Problem
from .._model.routing import Rules, binds_mesh, destinations, full_name
from .._model.snapshot import Snapshot
from .._model.traffic_rows import TRAFFIC_OF
from .._model.view import View
from .._text import shortened, shown
from .callers_proof import callers_proof
from .intent import ServiceTraffic, read_traffic
from .outside import listener_of
from .proof import NO_PODS, NO_SERVICE, route_faults
from .refusals import traffic_refusals
from .render import ROUTES, SUBSETS, RenderSettings, TrafficObjects, render_traffic
from .wording import ALL_PODS, NOT_SERVED, difference, rules_in_words

__all__ = ["TrafficPlan", "TrafficSettings", "TrafficStage", "plan_traffic"]

_SHOWN = 20
_ROUTE_KINDS = ("VirtualService", "HTTPRoute")
_NO_HTTP = frozenset({"tcp", "tls", "https", "mongo", "mysql", "redis", "udp"})
Obj = dict[str, Any]


@dataclass(frozen=True)
class TrafficSettings:
    """What else a plan stands on. strict: what is not there yet is a refusal and not a note; together: nothing comes between the stages, as
    in a tree of files; prune: what no entry speaks of any more goes."""

    intent: Intent
    gateways: Sequence[Mapping[str, Any]] = ()
    api: str = "istio"
    strict: bool = True
    together: bool = False
    prune: bool = False
    adopt: Sequence[str] = ()

    @property
    def mesh(self) -> str:
        return str(self.intent.mesh)

    @property
    def provider(self) -> str:
        return str(self.intent.provider)

    @property
    def version(self) -> str:
        """Of Istio's API: OpenShift Service Mesh 2.6 is Istio 1.20, which has no v1 yet."""
        return "v1beta1" if self.provider == "ossm2" else "v1"


@dataclass(frozen=True)
class TrafficStage:
    """One step. name: the layer that it is delivered as; gone: what it removes; clusters: what callers' proxies have to know afterwards;
    unrouted: what no route of theirs may lead to before it begins. Both are Istio's names of clusters."""

    name: str
    title: str
    objects: tuple[Obj, ...]
    gone: tuple[Obj, ...]
    changed: bool
    clusters: tuple[Mapping[str, str], ...] = ()
    unrouted: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class TrafficPlan:
    """changes: what becomes of callers' requests, in words; leftovers: of services that no entry names any more, which stay."""

    stages: tuple[TrafficStage, ...]
    changes: tuple[str, ...]
    notes: tuple[str, ...]
    leftovers: tuple[Obj, ...] = ()

    @property
    def changed(self) -> bool:
        return any(stage.changed for stage in self.stages)


@dataclass
class _Source:
    """What is there before the change."""

    snapshot: Snapshot
    settings: TrafficSettings
    view: View = field(init=False)

    def __post_init__(self) -> None:
        self.view = View(self.snapshot)
        self.live = {Ref.of(row.raw).identity: row.raw for kind in _KINDS for row in self.view.of(kind)}
        self.end = service_ends(self.view)[0]

    @cached_property
    def used_subsets(self) -> dict[str, set[str]]:
        """The subsets that VirtualServices lead to, by the full names of their hosts."""
        found: dict[str, set[str]] = {}
        for row in self.view.of(k.VIRTUAL_SERVICE):
            for destination in destinations(row.raw):
                if destination.get("subset"):
                    host = full_name(str(destination.get("host") or ""), row.namespace, self.end)
                    found.setdefault(host, set()).add(str(destination["subset"]))
        return found

    def found(self, obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return self.live.get(Ref.of(obj).identity)

    def with_objects(self, objects: Iterable[Mapping[str, Any]], gone: Iterable[Mapping[str, Any]] = ()) -> _Source:
        removed = [str(Ref.of(obj)) for obj in gone]
        changed = overlaid(self.snapshot.objects, objects, removed)
        return _Source(replace(self.snapshot, objects=tuple(map(dict, changed))), self.settings)

    def faults(self) -> tuple[Problem, ...]:
        return route_faults(self.view, self.settings.intent)


_KINDS = (k.DESTINATION_RULE, k.SERVICE, k.VIRTUAL_SERVICE, k.HTTP_ROUTE)


def plan_traffic(rows: Sequence[Mapping[str, Any]], snapshot: Snapshot, settings: TrafficSettings) -> TrafficPlan:
    """Everything that is going to happen, each state of it proven; a ConfigError has every reason why it cannot."""
    refused = traffic_refusals(rows, settings.gateways, api=settings.api, provider=settings.provider)
    if refused:
        raise ConfigError("the intended traffic cannot be used:", *(f"- {text}" for text in refused))
    traffic, source = read_traffic(rows), _Source(snapshot, settings)
    problems, notes = _there(traffic, source)
    wanted, kept = _rendered(traffic, source)
    notes += kept
    problems += _taken(traffic, wanted, source)
    leaving, leftovers = _left(traffic, wanted, source)
    stages = _stages(traffic, wanted, leaving, source)
    faults, later = _proven(stages, source)
    unheard, partly = _heard(traffic, wanted, stages, source)
    _refuse([*problems, *faults, *unheard])
    notes += [*later, *partly, *_stay(leftovers, wanted, stages, source)]
    return TrafficPlan(tuple(stages), tuple(_changes(traffic, wanted, leaving, source)), tuple(dict.fromkeys(notes)), tuple(leftovers))


def _refuse(problems: Sequence[str]) -> None:
    found = list(dict.fromkeys(problems))
    if found:
        more = [f"- ... and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        raise ConfigError("the intended traffic was refused; nothing was changed:", *(f"- {text}" for text in found[:_SHOWN]), *more)


def _there(traffic: Sequence[ServiceTraffic], source: _Source) -> tuple[list[str], list[str]]:
    """The Services themselves: whether they are there, and the port that is meant. What may still come is a note."""
    problems: list[str] = []
    later: list[str] = []
    for number, one in enumerate(traffic):
        where = f"mesh_traffic[{number}]"
        service = source.view.get(k.SERVICE, one.service, one.namespace)
        if service is None:
            known = any(source.view.of(k.SERVICE, one.namespace))
            text = f"{where}.service: there is no Service {shown(one.key)}"
            may_come = not source.settings.strict and not (source.settings.together and known)
            (later if may_come else problems).append(f"{text}{' yet; it has to be there before its routes' if may_come else ''}")
            continue
        ports = sections(service.items("spec", "ports"))
        numbers = [port.get("port") for port in ports]
        if one.port and one.port not in numbers:
            problems.append(f"{where}.port: {service.ref} has no port {one.port}, it has {', '.join(map(str, numbers)) or 'none'}")
        elif not one.port and len(numbers) > 1 and one.routes:
            problems.append(f"{where}.port: is missing; {service.ref} has several: {', '.join(map(str, numbers))}")
        for port in ports if one.routes else ():
            if port.get("port") == (one.port or port.get("port")) and _protocol(port) in _NO_HTTP:
                problems.append(
                    f"{where}.routes: port {port.get('port')} of {service.ref} is {_protocol(port)} by its name or appProtocol, and routes "
                    "are for HTTP; call the port http, or leave the routes out"
                )
    return problems, later


def _protocol(port: Mapping[str, Any]) -> str:
    return str(port.get("appProtocol") or str(port.get("name") or "").partition("-")[0]).lower()


def _rendered(traffic: Sequence[ServiceTraffic], source: _Source) -> tuple[TrafficObjects, list[str]]:
    given = source.settings
    listeners = {str(row.get("name")): listener_of(number, row, given.intent.namespace) for number, row in enumerate(given.gateways)}
    services = {f"{row.namespace}/{row.name}": row.raw for row in source.view.of(k.SERVICE)}
    render = RenderSettings(given.api, given.version, source.end, listeners, services)
    found = render_traffic(traffic, render)
    subsets, notes = _with_tls(found.subsets, source)
    for layer, objects in ((SUBSETS, subsets), (ROUTES, found.routes)):
        prepare(list(objects), mesh=given.mesh, layer=layer)  # what the API would refuse is refused here
    return TrafficObjects(tuple(subsets), found.routes), notes


def _with_tls(subsets: Iterable[Obj], source: _Source) -> tuple[list[Obj], list[str]]:
    """A DestinationRule takes the place of a less specific one, with the TLS mode that this has: it keeps that mode."""
    found, notes = [], []
    wanted = {Ref.of(obj).identity for obj in subsets}
    others = [row.raw for row in source.view.of(k.DESTINATION_RULE) if Ref.of(row.raw).identity not in wanted]
    rules, root = Rules(others, source.end), source.settings.intent.namespace
    for obj in subsets:
        spec = section(obj, "spec")
        if obj["kind"] != "DestinationRule" or section(spec, "trafficPolicy", "tls"):
            found.append(obj)
            continue
        space = namespace_of(obj)
        counting = rules.counting(host=str(spec["host"]), caller=space, service=space, root=root)
        before = next((section(rule, "spec", "trafficPolicy") for rule in counting if section(rule, "spec", "trafficPolicy")), {})
        kept = _tls_of(before)
        if kept:
            by = next(Ref.of(rule) for rule in counting)
            notes.append(f"{Ref.of(obj)} has the tls of {by}, which no longer counts for {spec['host']}")
            policy = {**section(spec, "trafficPolicy")}
            levels = [{**policy, **one} for one in kept.get("portLevelSettings", [])]
            policy |= {"tls": kept["tls"]} if "tls" in kept else {}
            policy |= {"portLevelSettings": levels} if levels else {}
            found.append({**obj, "spec": {**spec, "trafficPolicy": policy}})
        else:
            found.append(obj)
    return found, notes


def _tls_of(policy: Mapping[str, Any]) -> Obj:
    """What a trafficPolicy says of TLS, port by port; all else is not asked for."""
    levels = [
        {"port": dict(section(one, "port")), "tls": dict(section(one, "tls"))}
        for one in sections(policy.get("portLevelSettings"))
        if section(one, "tls")
    ]
    tls = section(policy, "tls")
    return {**({"tls": dict(tls)} if tls else {}), **({"portLevelSettings": levels} if levels else {})}


def _taken(traffic: Sequence[ServiceTraffic], wanted: TrafficObjects, source: _Source) -> list[str]:
    """Whose the objects and hosts are: an object of others is not taken over, and of two routes for a host only the older counts."""
    mine = {Ref.of(obj).identity for obj in (*wanted.subsets, *wanted.routes)}
    found = []
    for obj in (*wanted.subsets, *wanted.routes):
        live = source.found(obj)
        if live is not None and not counts_as_ours(live, source.settings.mesh) and str(Ref.of(obj)) not in source.settings.adopt:
            found.append(f"{Ref.of(obj)} is there and not ours; take it away, or name it in mesh_adopt")
    hosts = {f"{one.service}.{one.namespace}{source.end}": one for one in traffic}
    for row in source.view.of(k.VIRTUAL_SERVICE):
        if Ref.of(row.raw).identity in mine or _of_traffic(row.raw, source.settings.mesh) or not binds_mesh(row.raw):
            continue
        for host in row.items("spec", "hosts"):
            one = hosts.get(full_name(str(host), row.namespace, source.end))
            if one is not None and one.routes:
                found.append(f"{row.ref} routes the requests to {shown(one.key)} already, and of two only the older counts; take it away")
    policies = {str(section(obj, "spec").get("host")): obj for obj in wanted.subsets if obj["kind"] == "DestinationRule"}
    for row in source.view.of(k.DESTINATION_RULE):
        mine_too = policies.get(full_name(str(row.at("spec", "host", default="")), row.namespace, source.end))
        if mine_too is None or Ref.of(row.raw).identity in mine or row.namespace != namespace_of(mine_too):
            continue
        if row.at("spec", "trafficPolicy") and section(mine_too, "spec", "trafficPolicy") and set(row.at("spec", "trafficPolicy")) - _TLS:
            found.append(
                f"{row.ref} is for {shown(row.at('spec', 'host'))} as {Ref.of(mine_too)} would be, and istiod takes the trafficPolicy of "
                "one of them only; put what it says into mesh_traffic, and take it away"
            )
    return found


_TLS = {"tls", "portLevelSettings"}


def _of_traffic(obj: Mapping[str, Any], mesh: str) -> bool:
    labels = section(obj, "metadata", "labels")
    return counts_as_ours(obj, mesh) and labels.get(LAYER) in (SUBSETS, ROUTES)


def _left(traffic: Sequence[ServiceTraffic], wanted: TrafficObjects, source: _Source) -> tuple[list[Obj], list[Obj]]:
    """What an older intent has made: of a Service that is still named it contradicts the intent and goes; of others it goes where asked."""
    mine = {Ref.of(obj).identity for obj in (*wanted.subsets, *wanted.routes)}
    named = {one.key for one in traffic}
    going: list[Obj] = []
    staying: list[Obj] = []
    for identity, raw in source.live.items():
        if identity in mine or not _of_traffic(raw, source.settings.mesh):
            continue
        key = f"{namespace_of(raw)}/{section(raw, 'metadata', 'labels').get(TRAFFIC_OF, '')}"
        (going if source.settings.prune or key in named else staying).append(dict(raw))
    return going, staying


def _stages(traffic: Sequence[ServiceTraffic], wanted: TrafficObjects, leaving: Sequence[Obj], source: _Source) -> list[TrafficStage]:
    away = [obj for obj in leaving if obj["kind"] in _ROUTE_KINDS]
    unused = [obj for obj in leaving if obj["kind"] not in _ROUTE_KINDS]
    union = [_united(obj, source) for obj in wanted.subsets]
    routes_change = bool(away) or any(not _same(source.found(obj), obj) for obj in wanted.routes)
    subsets_change = any(not _same(source.found(obj), obj) for obj in union)
    clusters = _clusters(traffic, source) if routes_change else ()
    title = "what versions there are, old ones still among them" if union != list(wanted.subsets) else "what versions there are"
    stages = [TrafficStage(SUBSETS, title, tuple(union), (), subsets_change, clusters=clusters)]
    stages.append(TrafficStage(ROUTES, "where requests go", wanted.routes, tuple(map(_bare, away)), routes_change))
    fewer = union != list(wanted.subsets) and not source.settings.together
    if fewer or unused:
        last = wanted.subsets if fewer else ()
        title = "without the versions that nobody is sent to any more"
        clusters_that_go = (*_subset_clusters(union, last or union), *_all_clusters(unused))
        stages.append(TrafficStage(SUBSETS, title, last, tuple(map(_bare, unused)), True, unrouted=clusters_that_go))
    return [stage for stage in stages if stage.objects or stage.gone]


def _bare(obj: Mapping[str, Any]) -> Obj:
    """Enough to remove it."""
    meta = {key: section(obj, "metadata")[key] for key in ("name", "namespace")}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": meta}


def _united(obj: Obj, source: _Source) -> Obj:
    """A DestinationRule with the subsets that routes still use, too; in a tree with all that it has, until they are pruned."""
    live = source.found(obj)
    if obj["kind"] != "DestinationRule" or live is None or not counts_as_ours(live, source.settings.mesh):
        return obj
    spec, own = section(obj, "spec"), {one["name"] for one in sections(section(obj, "spec").get("subsets"))}
    old = [one for one in sections(section(live, "spec").get("subsets")) if one.get("name") not in own]
    if not (source.settings.together and not source.settings.prune):
        used = source.used_subsets.get(str(spec["host"]), set())
        old = [one for one in old if one.get("name") in used]
    return {**obj, "spec": {**spec, "subsets": [*sections(spec.get("subsets")), *map(dict, old)]}} if old else obj


def _same(live: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    if live is None:
        return False
    exact = wanted["kind"] in ("DestinationRule", "VirtualService")
    one, other = section(live, "spec"), section(wanted, "spec")
    return one == other if exact else _within(other, one)


def _within(wanted: Any, live: Any) -> bool:
    """The API server fills in what nobody said."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(key in live and _within(value, live[key]) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(live, list) and len(wanted) == len(live) and all(map(_within, wanted, live))
    return bool(wanted == live)


def _clusters(traffic: Sequence[ServiceTraffic], source: _Source) -> tuple[Mapping[str, str], ...]:
    """What routes will lead to, as the proxies of callers call it."""
    found = []
    istio = source.settings.api == "istio"
    for one in traffic:
        service = source.view.get(k.SERVICE, one.service, one.namespace)
        ports = [one.port] if one.port else [port.get("port") for port in sections(service.items("spec", "ports"))] if service else []
        end = f".{one.namespace}{source.end}"
        for version in one.used():
            name = f"{version}|{one.service}{end}" if istio else f"|{one.service}-{version}{end}"
            found += [{"name": f"outbound|{port}|{name}", "of": f"{one.service}{end}"} for port in ports]
    return tuple(found)


def _subset_clusters(union: Sequence[Obj], final: Sequence[Obj]) -> tuple[str, ...]:
    """The ends of the clusters that go: a subset is one for each port."""
    found = []
    for more, less in zip(union, final, strict=True):
        if more["kind"] == "DestinationRule":
            kept = {one["name"] for one in sections(section(less, "spec").get("subsets"))}
            found += [
                f"|{one['name']}|{more['spec']['host']}"
                for one in sections(section(more, "spec").get("subsets"))
                if one["name"] not in kept
            ]
    return tuple(found)


def _all_clusters(gone: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Those of DestinationRules that go: the clusters of their subsets."""
    rules = [section(obj, "spec") for obj in gone if obj["kind"] == "DestinationRule"]
    return tuple(f"|{one.get('name')}|{rule.get('host')}" for rule in rules for one in sections(rule.get("subsets")))


def _proven(stages: Sequence[TrafficStage], source: _Source) -> tuple[list[str], list[str]]:
    """What each state breaks that was whole before it, and what is no matter of this change."""
    known = {(one.resource, one.message) for one in source.faults()}
    notes = [f"{resource}: {message}; it is so already" for resource, message in known]
    problems: list[str] = []
    state = source
    for stage in (one for one in stages if one.changed):
        state = state.with_objects(stage.objects, stage.gone)
        new = [one for one in state.faults() if (one.resource, one.message) not in known]
        known |= {(one.resource, one.message) for one in new}
        for one in new:
            may_come = not source.settings.strict and not source.settings.together and one.kind in (NO_SERVICE, NO_PODS)
            text = f"{one.resource}: {one.message}" if may_come else f"{one.resource}: {one.message} (after the stage: {stage.title})"
            (notes if may_come else problems).append(text)
    return problems, sorted(notes)


def _heard(
    traffic: Sequence[ServiceTraffic], wanted: TrafficObjects, stages: Sequence[TrafficStage], source: _Source
) -> tuple[list[str], list[str]]:
    """Who calls a Service past the routes that it gets: a problem where it is everybody, else a note."""
    state = source
    for stage in stages:
        state = state.with_objects(stage.objects, stage.gone)
    proof = callers_proof(state.view, source.settings.intent)
    problems: list[str] = []
    notes: list[str] = []
    for one in traffic:
        own = (
            namespace_of(obj) == one.namespace and section(obj, "metadata", "labels").get(TRAFFIC_OF) == one.service
            for obj in wanted.routes
        )
        refs = frozenset(str(Ref.of(obj)) for obj, mine in zip(wanted.routes, own, strict=True) if mine)
        lost = proof.lost(f"{one.service}.{one.namespace}{source.end}", one.port, refs) if refs and one.routes else None
        if lost is not None:
            text = f"the routes of {shown(one.key)} do not hold for {lost.text}"
            (problems if lost.all else notes).append(text)
    return problems, notes


def _stay(leftovers: Sequence[Obj], wanted: TrafficObjects, stages: Sequence[TrafficStage], source: _Source) -> list[str]:
    """What is not wanted any more and stays, with what takes it away."""
    found = []
    if leftovers:
        names = shortened((str(Ref.of(obj)) for obj in leftovers), _SHOWN)
        found.append(f"{names}: of services that mesh_traffic does not name any more; mesh_prune=true removes them")
    if source.settings.together and stages and stages[0].name == SUBSETS:
        kept = _subset_clusters(stages[0].objects, wanted.subsets)
        if kept:
            when = "; run it once more with mesh_prune=true when the routes of this tree are on the cluster"
            found.append(f"versions that routes may still use stay for now: {', '.join(_version_of(one) for one in kept)}{when}")
    return found


def _version_of(cluster: str) -> str:
    """`v1 of reviews.bookinfo.svc.cluster.local` of the end of a cluster's name."""
    _start, name, host = cluster.split("|")
    return f"{shown(name)} of {shown(host)}"


def _changes(traffic: Sequence[ServiceTraffic], wanted: TrafficObjects, leaving: Sequence[Obj], source: _Source) -> list[str]:
    """By Service, in words."""
    lines = []
    made = {Ref.of(obj).identity: obj for obj in wanted.routes}
    gone = {Ref.of(obj).identity: obj for obj in leaving if obj["kind"] in _ROUTE_KINDS}
    for identity, obj in {**gone, **made}.items():
        service = str(section(obj, "metadata", "labels").get(TRAFFIC_OF) or name_of(obj))
        live = source.live.get(identity)
        hosts = section(obj, "spec").get("hostnames") or section(obj, "spec").get("hosts") or []
        subject = f"{namespace_of(obj)}/{service}"
        outside = name_of(obj) != service
        if outside:
            subject += f" from outside ({', '.join(map(shown, hosts))})"
        before = rules_in_words(live, service) if live else {}
        after = rules_in_words(obj, service) if identity in made else {}
        lines += difference(before, after, subject, NOT_SERVED if outside else ALL_PODS)
    return lines
