# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM19xx: NetworkPolicies against what proxies need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from .._checks.types import Category, Options
from .._model import kinds as k
from .._model.fields import section, sections
from .._model.intent import Intent
from .._model.istiods import READS, istiods
from .._model.mesh_config import istiod_deployment
from .._model.pods import every_pod, selected_pods
from .._model.problem import Problem, skip
from .._model.selectors import matches_labels
from .._model.view import Obj, View
from .._model.workloads import Shape
from .._text import shortened
from .reach import EGRESS, INGRESS, End, closed_by

CATEGORY = Category("isolation")
check = CATEGORY.check

__all__: list[str] = []

_SHOWN = 3
_XDS, _WEBHOOK, _METRICS = 15012, 15017, 15020
_ISTIOD = {"app": "istiod"}
# Where clusters have their DNS: namespace, labels of its pods, port of the pods.
_DNS = (
    ("openshift-dns", {"dns.operator.openshift.io/daemonset-dns": "default"}, 5353),
    ("kube-system", {"k8s-app": "kube-dns"}, 53),
    ("kube-system", {"k8s-app": "coredns"}, 53),
)
_PROMETHEUS = ({"app.kubernetes.io/name": "prometheus"}, {"app": "prometheus"})
_PODS = (k.NETWORK_POLICY, k.NAMESPACE, k.POD)
_INPUTS = (*_PODS, *READS)


def _end(view: View, namespace: str, pod: Shape) -> End:
    space = view.get(k.NAMESPACE, namespace)
    ports = {
        str(port["name"]): int(port["containerPort"])
        for one in pod.containers()
        for port in sections(one.get("ports"))
        if port.get("name") and str(port.get("containerPort")).isdigit()
    }
    return End(namespace, pod.labels, space.labels if space else {}, ports)


def _named(view: View, namespace: str, labels: dict[str, str]) -> End:
    space = view.get(k.NAMESPACE, namespace)
    return End(namespace, labels, space.labels if space else {})


def _policies(view: View, namespace: str) -> Sequence[Obj]:
    return view.of(k.NETWORK_POLICY, namespace)


def _proxies(view: View, intent: Intent) -> list[tuple[str, End]]:
    """Pods with a proxy, of namespaces that have policies: one of each workload's kind, as all of them have the same labels."""
    return view.memo("isolation.proxies", intent, lambda: list(_found_proxies(view, intent)))


def _found_proxies(view: View, intent: Intent) -> Iterator[tuple[str, End]]:
    spaces = {row.namespace for row in view.of(k.NETWORK_POLICY)}
    seen: set[tuple[str, str]] = set()
    for namespace, pod in every_pod(view):
        told = (namespace, repr(sorted((key, value) for key, value in pod.labels.items() if not key.endswith("-hash"))))
        proxied = pod.proxied or any(one.get("name") == "istio-proxy" for one in pod.containers())
        if namespace in spaces and intent.owns(namespace) and proxied and not pod.host and told not in seen:
            seen.add(told)
            yield f"Workload {namespace}/{pod.name}", _end(view, namespace, pod)


def _plane(view: View, intent: Intent) -> str:
    """The namespace of istiod; empty where nothing says it."""
    found = next((one.namespace for one in istiods(view) if one.namespace), "")
    return intent.namespace or found


def _istiods(view: View, intent: Intent, plane: str) -> list[End]:
    """The pods of istiod, by the labels that its Deployments give them; without one by those of Istio's charts, which Maistra's are not."""
    space = view.get(k.NAMESPACE, plane)
    rows = [row for row in view.of(k.DEPLOYMENT, plane) if istiod_deployment(row.raw)]
    found = [section(row.raw, "spec", "template", "metadata", "labels") for row in rows]
    return [End(plane, labels, space.labels if space else {}) for labels in found or ([] if intent.ossm2 else [_ISTIOD])]


@check(
    "OSM1901",
    title="no NetworkPolicy cuts a proxy from istiod",
    hint="let members reach pods with app: istiod on 15012: egress of the project, ingress of the control plane's namespace",
    inputs=_INPUTS,
    live=False,
    subjects=(k.NETWORK_POLICY,),
)
def istiod_reached(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A proxy without istiod starts with nothing, and one that runs keeps what it has until its certificate ends, a day later: the policy
    looks harmless for that long."""
    plane = _plane(view, intent)
    rows = _proxies(view, intent)
    if rows and not plane:
        yield skip("the source has no control plane, so where istiod is is not known")
        return
    lost: dict[str, dict[str, None]] = {}
    for (name, proxy), istiod in product(rows, _istiods(view, intent, plane)):
        for policies in (
            closed_by(_policies(view, proxy.namespace), proxy, EGRESS, istiod, _XDS),
            closed_by(_policies(view, plane), istiod, INGRESS, proxy, _XDS),
        ):
            for policy in policies:
                lost.setdefault(policy.ref, {})[name] = None
    for where, names in lost.items():
        text = f"with it {shortened(names, _SHOWN)} cannot reach istiod in {plane} on port {_XDS}: no configuration and no certificate"
        yield Problem(where, text)


@check(
    "OSM1902",
    title="no NetworkPolicy cuts a proxy from DNS",
    hint="let the project's pods reach openshift-dns on 5353, or kube-system on 53, by UDP and TCP",
    inputs=_PODS,
    live=False,
    subjects=(k.NETWORK_POLICY,),
)
def dns_reached(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The name of istiod and every host of a Service is looked up. The port is that of the DNS pods: 5353 on OpenShift, although programs
    ask port 53 of a Service, whose address the policy never sees."""
    servers = [(_named(view, namespace, labels), port) for namespace, labels, port in _DNS]
    lost: dict[str, list[str]] = {}
    for name, proxy in _proxies(view, intent):
        closed = [closed_by(_policies(view, proxy.namespace), proxy, EGRESS, server, port, protocol="UDP") for server, port in servers]
        if all(closed):
            for policy in closed[0]:
                lost.setdefault(policy.ref, []).append(name)
    for where, names in lost.items():
        yield Problem(where, f"with it {shortened(names, _SHOWN)} cannot ask DNS: port 5353 of openshift-dns or 53 of kube-system, by UDP")


@check(
    "OSM1903",
    title="no NetworkPolicy cuts Prometheus from a proxy",
    hint="let the namespace of Prometheus reach port 15020 of the project's pods",
    inputs=_PODS,
    live=False,
    subjects=(k.NETWORK_POLICY,),
)
def metrics_reached(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Metrics of a proxy and of its application are asked of port 15020. What is cut off is missing from dashboards and alerts, and a
    canary that is judged by metrics sees no errors."""
    readers = _readers(view)
    lost: dict[tuple[str, str], list[str]] = {}
    for name, proxy in _proxies(view, intent) if readers else ():
        for who, reader in readers:
            for policy in closed_by(_policies(view, proxy.namespace), proxy, INGRESS, reader, _METRICS):
                lost.setdefault((policy.ref, who), []).append(name)
    for (where, who), names in lost.items():
        yield Problem(where, f"with it {who} cannot ask {shortened(names, _SHOWN)} for metrics on port {_METRICS}")


def _readers(view: View) -> list[tuple[str, End]]:
    found: dict[str, End] = {}
    for namespace, pod in every_pod(view):
        if any(matches_labels(labels, pod.labels) for labels in _PROMETHEUS):
            found.setdefault(f"Prometheus in {namespace}", _end(view, namespace, pod))
    return sorted(found.items())


@check(
    "OSM1904",
    title="no NetworkPolicy cuts the API server from istiod",
    hint="add ingress to pods with app: istiod on port 15017 without from: the API server is no pod, and no selector means it",
    inputs=(k.NETWORK_POLICY, k.NAMESPACE, *READS),
    live=False,
    subjects=(k.NETWORK_POLICY,),
)
def webhooks_reached(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Injection and validation fail closed: without them no pod starts in a member, and no object of Istio is accepted."""
    plane = _plane(view, intent)
    if not plane or not _policies(view, plane):
        return
    ends = _istiods(view, intent, plane)
    if not ends:
        yield skip("the operator of OpenShift Service Mesh 2 writes the policies of its istiod, whose pods have labels of its own")
    closed = (closed_by(_policies(view, plane), istiod, INGRESS, End(outside=True), _WEBHOOK) for istiod in ends)
    for where in dict.fromkeys(policy.ref for policies in closed for policy in policies):
        yield Problem(where, f"with it the API server cannot reach istiod on port {_WEBHOOK}: no pod is injected, no object is accepted")


@check(
    "OSM1905",
    title="no NetworkPolicy closes a gateway to its callers",
    hint="let callers reach the target ports of the gateway's Service",
    inputs=(*_PODS, k.GATEWAY, k.SERVICE),
    live=False,
    subjects=(k.NETWORK_POLICY,),
)
def gateways_open(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A gateway in a namespace that denies by default needs a rule for its ports, which are those of its pods: 8080 and 8443 mostly."""
    known: dict[str, list[tuple[str, Sequence[Obj], Mapping[Any, int], End]]] = {}
    for gateway in intent.owned(view.of(k.GATEWAY)):
        selector = section(gateway.raw, "spec", "selector")
        chosen = repr(sorted(selector.items()))
        if chosen not in known:  # many Gateways have the same selector
            known[chosen] = list(_gateway_pods(view, selector))
        wanted = {section(server, "port").get("number") for server in sections(gateway.items("spec", "servers"))}
        for name, policies, targets, end in known[chosen]:
            for port in sorted({target for number, target in targets.items() if number in wanted}):
                for policy in closed_by(policies, end, INGRESS, None, port):
                    yield Problem(policy.ref, f"with it nobody reaches port {port} of {name}, on which {gateway.ref} is served")


def _gateway_pods(view: View, selector: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Obj], Mapping[Any, int], End]]:
    """One pod of each namespace that has policies, with them and the target of each port of its Services."""
    seen = set()
    for namespace, pod in selected_pods(view, selector):
        policies = _policies(view, namespace)
        if policies and namespace not in seen:
            seen.add(namespace)
            yield f"{namespace}/{pod.name}", policies, _targets(view, namespace, pod), _end(view, namespace, pod)


def _targets(view: View, namespace: str, pod: Shape) -> dict[Any, int]:
    found = {}
    for service in view.of(k.SERVICE, namespace):
        chosen = section(service.raw, "spec", "selector")
        for port in sections(service.items("spec", "ports")) if chosen and matches_labels(chosen, pod.labels) else ():
            target = port.get("targetPort", port.get("port"))
            if str(target).isdigit():
                found[port.get("port")] = int(target)
    return found
