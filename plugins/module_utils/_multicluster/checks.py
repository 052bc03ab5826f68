# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM44xx: how a cluster reads the others of its mesh, and how they call it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from .._checks.types import Category, Options
from .._model import kinds as k
from .._model.clock import clock_text
from .._model.fields import section, sections
from .._model.intent import ISTIO_ONLY, Intent
from .._model.problem import Problem, Severity, skip
from .._model.remote_access import PEERS, RemoteAccess, accesses_noted, is_remote, secret_name
from .._model.view import Obj, View
from .._text import counted, shown, span

CATEGORY = Category("multicluster")
check = CATEGORY.check

__all__: list[str] = []

NETWORK = "topology.istio.io/network"
_NEWER = ("ossm3", "sail", ISTIO_ONLY)
_RENEW = "run connect_clusters, which makes a new token (mesh_topology.token says how long it lives and when a new one is made)"
# Which Secrets there are is known by OSM4401, as Secrets are never listed.
_SECRETS: dict[str, Any] = {"inputs": (k.SECRET,), "requires": ("OSM1001", "OSM4401"), "providers": _NEWER, "live": False}


_ALONE, _UNCALLED = "istiod reads no other cluster", "no Service is for calls of other networks"


def _remotes(view: View, intent: Intent) -> list[tuple[Obj, str, RemoteAccess]]:
    """Each Secret by which istiod reads another cluster, with each cluster in it."""
    return view.memo("multicluster.remotes", intent, lambda: list(_found_remotes(view, intent)))


def _found_remotes(view: View, intent: Intent) -> Iterator[tuple[Obj, str, RemoteAccess]]:
    for row in view.of(k.SECRET):
        if is_remote(row.raw) and intent.namespace in ("", row.namespace):
            for name, access in sorted((accesses_noted(row.raw) or {}).items()):
                yield row, name, access


@check(
    "OSM4401",
    title="istiod can log in to each of the other clusters",
    hint=_RENEW,
    inputs=(k.SECRET, k.GATEWAY),
    providers=_NEWER,
    live=False,
    per_object=True,
)
def tokens_valid(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Without a token that is taken, istiod keeps what it has read before, and is told of no change: pods that are gone are called, new
    ones are not. When it starts again it knows nothing of the other cluster."""
    for row, name, access in _remotes(view, intent):
        if access.problem:
            yield Problem(row.ref, f"by it istiod cannot read cluster {shown(name)}: {access.problem}")
        elif access.ends is not None and access.ends <= options.now:
            yield Problem(row.ref, f"the token by which istiod reads cluster {shown(name)} ended at {clock_text(access.ends)}")
    missing = [] if view.source == "manifests" else list(_missing(view, intent))  # a tree has no tokens
    yield from missing
    if not missing and not _remotes(view, intent):
        yield skip(_ALONE)


def _missing(view: View, intent: Intent) -> Iterator[Problem]:
    """Clusters that connect_clusters has connected."""
    there = {(row.namespace, row.name) for row in view.of(k.SECRET)}
    for row in view.of(k.GATEWAY):
        names = row.annotations.get(PEERS, "").split(",") if intent.namespace in ("", row.namespace) else []
        for name in filter(None, names):
            if (row.namespace, secret_name(name)) not in there:
                yield Problem(row.ref, f"istiod cannot read cluster {shown(name)}: Secret {row.namespace}/{secret_name(name)} is not there")


@check(
    "OSM4402",
    title="the token for each of the other clusters is far from its end",
    hint=f"{_RENEW}; it has to run more often than tokens end",
    severity=Severity.WARNING,
    **_SECRETS,
)
def tokens_lasting(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Nobody but the playbook makes a new one."""
    if not _remotes(view, intent):
        yield skip(_ALONE)
    least = timedelta(days=options.threshold("remote_access_days"))
    for row, name, access in _remotes(view, intent):
        if access.ends is not None and timedelta(0) < access.ends - options.now <= least:
            left = span(access.ends - options.now)
            yield Problem(row.ref, f"the token by which istiod reads cluster {shown(name)} ends in {left}, at {clock_text(access.ends)}")


@check(
    "OSM4403",
    title="the token for each of the other clusters has an end",
    hint="delete the Secret and run connect_clusters, which asks for tokens that end (or name it in mesh_adopt, and it is taken over)",
    severity=Severity.WARNING,
    **_SECRETS,
)
def tokens_end(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Whoever has read it once reads that cluster for ever. istioctl create-remote-secret makes such ones."""
    if not _remotes(view, intent):
        yield skip(_ALONE)
    for row, name, access in _remotes(view, intent):
        if not access.problem and access.ends is None:
            yield Problem(row.ref, f"the token by which istiod reads cluster {shown(name)} is that of {access.account}, and never ends")


@check(
    "OSM4404",
    title="each of the other clusters is read by one Secret",
    hint="delete the one that is not of the cluster, or give the clusters names of their own (mesh_topology.cluster)",
    **_SECRETS,
)
def clusters_once(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """istiod takes the first that it sees, and says of the other one in its log only that it is ignored."""
    if not _remotes(view, intent):
        yield skip(_ALONE)
    by_name: dict[tuple[str, str], list[Obj]] = defaultdict(list)
    for row, name, _access in _remotes(view, intent):
        by_name[row.namespace, name].append(row)
    for (_namespace, name), rows in sorted(by_name.items()):
        first, *others = sorted(rows, key=lambda row: row.name)
        for row in others:
            yield Problem(row.ref, f"it is for cluster {shown(name)}, and so is {first.ref}")


def _meant_networks(view: View) -> dict[str, tuple[Obj, str]]:
    """What each Istio resource says of the network of its pods, by the namespace of the control plane."""
    found: dict[str, tuple[Obj, str]] = {}
    for row in view.of(k.ISTIO):
        network = section(row.raw, "spec", "values", "global").get("network")
        if network:
            found[str(row.at("spec", "namespace", default="") or "istio-system")] = (row, str(network))
    return found


@check(
    "OSM4405",
    title="each namespace of a control plane names the network of its cluster",
    hint=f"run install_mesh, which sets both from mesh_topology.network; by hand: kubectl label namespace NAMESPACE {NETWORK}=NETWORK",
    inputs=(k.NAMESPACE, k.ISTIO),
    subjects=(k.ISTIO,),
    providers=_NEWER,
    live=False,
)
def networks_named(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """By this label the other istiods know on which network the cluster's pods are. Without it they take them for pods of their own
    network, and send calls to addresses that they do not reach."""
    meant = _meant_networks(view)
    if not meant:
        yield skip("no Istio resource names a network")
    for namespace, (istio, network) in sorted(meant.items()):
        row = view.get(k.NAMESPACE, namespace)
        if row is None or intent.namespace not in ("", namespace):
            continue
        found = row.labels.get(NETWORK)
        if found != network:
            told = f"has the network {shown(found)} in its label {NETWORK}" if found else f"has no label {NETWORK}"
            yield Problem(row.ref, f"it {told}, and {istio.ref} says {shown(network)} (values.global.network)")


def _gateways(view: View, intent: Intent) -> list[Obj]:
    """Services by which other networks call this one."""
    rows = [row for row in view.of(k.SERVICE) if row.labels.get(NETWORK)]
    return [row for row in rows if any(port.get("port") == 15443 for port in sections(row.at("spec", "ports")))]


@check(
    "OSM4406",
    title="each east-west gateway has an address",
    hint="look at the events of the Service (kubectl describe service): whether the cluster has load balancers (MetalLB on bare metal), "
    "a quota, annotations that its cloud wants (mesh_topology.east_west.service_annotations)",
    inputs=(k.SERVICE,),
    providers=_NEWER,
    retryable=True,
)
def gateways_reached(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The other istiods send calls to the address of its load balancer. Without one they know no way to this network, and leave its pods
    out."""
    rows = _gateways(view, intent)
    if not rows:
        yield skip(_UNCALLED)
    for row in rows:
        kind, outside = str(row.at("spec", "type", default="ClusterIP")), row.items("spec", "externalIPs")
        given = [one for one in sections(row.items("status", "loadBalancer", "ingress")) if one.get("ip") or one.get("hostname")]
        if given or outside or (kind == "NodePort" and "traffic.istio.io/nodeSelector" in row.annotations):
            continue
        why = "its load balancer has given none" if kind == "LoadBalancer" else f"a Service of the type {kind} has none"
        yield Problem(row.ref, f"the other clusters have no address for network {shown(row.labels[NETWORK])}: {why}")


@check(
    "OSM4407",
    title="each east-west gateway lets calls of other clusters in",
    hint="run connect_clusters, which makes the Gateway; by hand one with the port 15443, tls.mode AUTO_PASSTHROUGH and the hosts *.local",
    inputs=(k.SERVICE, k.GATEWAY),
    providers=_NEWER,
    live=False,
)
def services_exposed(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The pods of the gateway open port 15443 only for a Gateway that says so: until then calls from other networks are refused."""
    rows = _gateways(view, intent)
    exposing = [row for row in view.of(k.GATEWAY) if _passes(row)]
    if not rows:
        yield skip(_UNCALLED)
    for row in rows:
        pods = section(row.raw, "spec", "selector")
        if not any(section(gateway.raw, "spec", "selector").items() <= pods.items() for gateway in exposing):
            yield Problem(row.ref, f"no Gateway exposes services by its pods ({counted(len(exposing), 'Gateway')} with AUTO_PASSTHROUGH)")


def _passes(gateway: Obj) -> bool:
    return any(section(server, "tls").get("mode") == "AUTO_PASSTHROUGH" for server in sections(gateway.items("spec", "servers")))
