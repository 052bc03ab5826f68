# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM14xx: the members' workloads and their proxies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._checks.types import Category, Options
from .._model import kinds as k
from .._model.injection import INJECTION, PROXY, REVISION, active_revision, proxy_of, revision_of_label, should_be_injected
from .._model.intent import Intent
from .._model.istiods import READS, istiods
from .._model.mesh_config import expected_revision, istiod_deployment, revision_of_istiod
from .._model.pods import selected_pods
from .._model.problem import Problem, Severity, skip
from .._model.proxies import lives
from .._model.revisions import revision_of_pod
from .._model.rollouts import rollout_problem
from .._model.view import Obj, View

CATEGORY = Category("workloads")
check = CATEGORY.check

__all__: list[str] = []

# Prefixes of port names (or appProtocol) by which Istio selects a protocol.
PROTOCOLS = frozenset({"grpc", "grpc-web", "http", "http2", "https", "mongo", "mysql", "redis", "tcp", "tls", "udp"})
_OF_KUBERNETES = frozenset({"kubernetes.io/h2c", "kubernetes.io/ws", "kubernetes.io/wss"})
_SERVER_FIRST = frozenset({25, 53, 3306, 27017})  # SMTP, DNS, MySQL and MongoDB are TCP by themselves
MANAGED = "gateway.istio.io/managed"  # on what istiod makes for a Gateway of the Gateway API
_SYSTEM = ("kube-", "openshift-", "istio-system")
_JOINING = frozenset({INJECTION, REVISION, "istio.io/dataplane-mode", "istio-discovery", "maistra.io/member-of"})


def _pods(view: View, intent: Intent) -> list[tuple[Obj, Obj]]:
    """Running pods of members with their namespace; finished and leaving ones are no workload."""
    return view.memo("workloads.pods", intent, lambda: list(_found_pods(view, intent)))


def _found_pods(view: View, intent: Intent) -> Iterator[tuple[Obj, Obj]]:
    spaces = (view.get(k.NAMESPACE, name) for name in intent.members) if intent.members is not None else view.of(k.NAMESPACE)
    for namespace in filter(None, spaces):
        name = namespace.name
        for pod in view.of(k.POD, name):
            if not pod.deleting and pod.at("status", "phase") not in ("Succeeded", "Failed"):
                yield namespace, pod


def _statuses(pod: Obj) -> list[Obj]:
    rows = pod.items("status", "containerStatuses") + pod.items("status", "initContainerStatuses")
    return [Obj.part("ContainerStatus", row) for row in rows]


@check(
    "OSM1401",
    title="each pod that should have a proxy has one",
    hint="oc rollout restart the workload; the webhook injects only when a pod is created",
    inputs=(k.NAMESPACE, k.POD),
    requires=("OSM1301",),
    retryable=True,
    subjects=(k.POD,),
    equivalents=("IST0103",),
)
def proxies_injected(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A pod that was there before its namespace joined has no proxy: it is outside of mTLS and of every policy. Where no control plane is
    found, the labels of the namespaces say who should have one."""
    for namespace, pod in _pods(view, intent):
        if should_be_injected(namespace, pod, intent) and proxy_of(pod) is None:
            yield Problem(pod.ref, f"it has no container {PROXY}")


@check(
    "OSM1402",
    title="each proxy is ready",
    hint="oc logs POD -c istio-proxy; a proxy is not ready until istiod has given it certificates and configuration",
    inputs=(k.NAMESPACE, k.POD),
    intent=("members",),
    retryable=True,
    subjects=(k.POD,),
)
def proxies_ready(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A proxy that is not ready takes its pod out of every Service."""
    for _namespace, pod in _pods(view, intent):
        if proxy_of(pod) is None:
            continue
        status = next((row for row in pod.once(_statuses) if row.at("name") == PROXY), None)
        if status is None:
            yield Problem(pod.ref, f"container {PROXY} has not started")
        elif not status.at("ready", default=False):
            yield Problem(pod.ref, f"container {PROXY} is not ready ({_state(status)})")


def _state(status: Obj) -> str:
    for state in ("waiting", "terminated"):
        reason = status.at("state", state, "reason", default="")
        if reason:
            return ": ".join(part for part in (str(reason), str(status.at("state", state, "message", default=""))) if part)
    return "running, its readiness probe fails"


@check(
    "OSM1403",
    title="no container of a member crash-loops",
    hint="oc logs POD -c CONTAINER --previous; thresholds.restarts is how often a container may have restarted",
    inputs=(k.NAMESPACE, k.POD),
    intent=("members",),
    retryable=True,
    subjects=(k.POD,),
)
def no_crash_loop(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """CrashLoopBackOff is a failure; many restarts of a container that runs now are a warning."""
    limit = int(options.threshold("restarts"))
    for _namespace, pod in _pods(view, intent):
        for status in pod.once(_statuses):
            name, restarts = status.at("name", default="?"), int(status.at("restartCount", default=0))
            if status.at("state", "waiting", "reason") == "CrashLoopBackOff":
                yield Problem(pod.ref, f"container {name} is in CrashLoopBackOff after {restarts} restarts")
            elif restarts > limit:
                yield Problem(pod.ref, f"container {name} has restarted {restarts} times, more than {limit}", severity=Severity.WARNING)


@check(
    "OSM1404",
    title="each workload of a member has rolled out",
    hint="oc rollout status deployment/NAME -n NAMESPACE; oc get events -n NAMESPACE",
    inputs=(k.DEPLOYMENT, k.STATEFUL_SET, k.DAEMON_SET),
    intent=("members",),
    retryable=True,
)
def workloads_rolled_out(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A rollout that hangs after an injection change often means that the webhook refuses the new pods."""
    for name in intent.members or ():
        for workload in (row for kind in (k.DEPLOYMENT, k.STATEFUL_SET, k.DAEMON_SET) for row in view.of(kind, name)):
            problem = rollout_problem(workload)
            failure = workload.condition("ReplicaFailure")
            if problem and failure is not None and failure.true:
                problem = f"{problem} ({failure.why})"
            if problem:
                yield Problem(workload.ref, problem)


@check(
    "OSM1405",
    title="each proxy belongs to the active revision",
    hint="restart the workload, one wave at a time: oc rollout restart deployment/NAME -n NAMESPACE",
    severity=Severity.WARNING,
    inputs=(k.ISTIO, k.ISTIO_REVISION, k.ISTIO_REVISION_TAG, k.NAMESPACE, k.POD),
    requires=("OSM1205",),
    intent=("provider", "control_plane", "members"),
    providers=("ossm3", "sail"),
    subjects=(k.POD,),
)
def proxies_on_active_revision(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A pod keeps the control plane that injected it; while one is left, the old revision stays."""
    active = active_revision(view, intent)
    for _namespace, pod in _pods(view, intent):
        said = pod.annotations.get(REVISION) or pod.labels.get(REVISION)
        revision = revision_of_label(view, said) or said if said else None  # a pod's own label may be a tag
        if proxy_of(pod) is not None and revision and revision != active:
            yield Problem(pod.ref, f"it was injected by revision {revision}, active is {active}")


def _serves_a_gateway(view: View, service: Obj) -> bool:
    """Whether all pods behind a Service have nothing but a proxy, by any chart or by the Gateway API."""
    shapes = [shape for _namespace, shape in selected_pods(view, service.at("spec", "selector", default={}), service.namespace)]
    return bool(shapes) and all([row.get("name") for row in shape.containers()] == [PROXY] for shape in shapes)


@check(
    "OSM1406",
    title="each Service port of a member declares its protocol",
    hint="set appProtocol, or name the port like http-web or tcp-db",
    severity=Severity.WARNING,
    inputs=(k.NAMESPACE, k.SERVICE, k.POD),
    live=False,
    subjects=(k.SERVICE,),
    equivalents=("IST0118", "KIA0601", "KIA0602"),
)
def ports_named(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Without it Istio guesses from the first bytes, and treats what it cannot guess as plain TCP: no routes, no HTTP policies. What a
    gateway listens to is said by its Gateways, not by its Service. Where nothing says which namespaces are members it is a notice."""
    asked, severity = intent.members, None
    if asked is None:
        asked, severity = _perhaps_members(view), Severity.INFO
    for name in asked:
        for service in view.of(k.SERVICE, name):
            found = [port for port in service.items("spec", "ports") if not _declares(port)]
            if not found or service.labels.get(MANAGED) or _serves_a_gateway(view, service):
                continue
            for port in found:
                yield Problem(service.ref, f"port {port.get('port')} {_called(port)} and declares no protocol", severity=severity)


def _perhaps_members(view: View) -> tuple[str, ...]:
    """The namespaces with Services of which nothing says that they are outside of a mesh."""
    spaces = dict.fromkeys(service.namespace for service in view.of(k.SERVICE))
    known = {row.name: row for row in view.of(k.NAMESPACE)}
    return tuple(name for name in spaces if not name.startswith(_SYSTEM) and (name not in known or {*known[name].labels} & _JOINING))


def _called(port: Mapping[str, Any]) -> str:
    word, protocol = str(port.get("name") or ""), port.get("appProtocol")
    return f"has the appProtocol {protocol}" if protocol else f"is named {word}" if word else "has no name"


def _declares(port: Mapping[str, Any]) -> bool:
    """As istiod reads it: appProtocol goes before the name, and of ports where the server speaks first it guesses nothing."""
    if str(port.get("protocol") or "TCP") != "TCP" or port.get("port") in _SERVER_FIRST:
        return True
    word = str(port.get("appProtocol") or port.get("name") or "").lower()
    return word in _OF_KUBERNETES or word.startswith("grpc-web") or word.partition("-")[0] in PROTOCOLS


@check(
    "OSM1407",
    title="the istiod of each proxy is there",
    hint="restart the workload, so that it gets a proxy of a revision that is there: kubectl rollout restart deployment/NAME -n NAMESPACE",
    inputs=(k.POD, *READS),
    subjects=(k.POD,),
)
def istiod_there(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A proxy whose revision was removed goes on with its last configuration, and nobody renews its certificate, which lives a day.
    Without a workload that restarts by chance this shows when every call fails."""
    there = _revisions_there(view)
    if not there:
        yield skip("the source has no istiod")
        return
    for pod in view.of(k.POD):
        if not intent.owns(pod.namespace) or pod.labels.get("app") == "ztunnel" or proxy_of(pod) is None or not lives(pod.raw):
            continue
        revision = revision_of_pod(pod.raw)
        if revision and revision not in there:
            yield Problem(
                pod.ref, f"it was injected by revision {revision}, of which there is no istiod; there are {', '.join(sorted(there))}"
            )


def _revisions_there(view: View) -> set[str]:
    """The revisions that an operator has or a Deployment runs. The configuration of one alone counts only where no istiod runs beside it:
    that of an istiod in another cluster."""
    running = [row for row in view.of(k.DEPLOYMENT) if istiod_deployment(row.raw)]
    homes = {row.namespace for row in running}
    configs = (one for one in istiods(view) if one.namespace not in homes or not one.known)
    named = {row.name for kind in (k.ISTIO_REVISION, k.SMCP) for row in view.of(kind)}
    active = {expected_revision(row.raw) for row in view.of(k.ISTIO)}
    return {revision_of_istiod(row.raw) for row in running} | named | active | {one.revision for one in configs}
