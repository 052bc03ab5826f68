# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What becomes of a request from its caller to the pods: routing, and the policies of a gateway and of the workloads behind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from .._authorization.model import HTTP, TCP, PolicyTarget, Request
from .._authorization.places import Workload
from .._authorization.world import Response
from .._routing.clusters import RoutedCluster
from .._routing.evaluate import Destination, RouteAnswer, RoutingWorld
from .._routing.model import RoutedEndpoint, RouteRequest
from .asking import OUTSIDE
from .mesh_routing import MeshRouting, Sender

__all__ = ["RequestPart", "WholeAnswer", "decided_by", "forwarded_path", "missing_cluster", "parts_of", "status_of", "whole_answer"]

_STATUS = {"no_route": 404, "no_virtual_host": 404, "no_cluster": 503, "no_endpoints": 503, "no_destination": 503, "https_redirect": 301}
_CLOSED = {
    "no_listener": "the connection is refused: nothing listens on that port",
    "no_filter_chain": "the connection is closed: no server takes that name",
    "tls_error": "the connection is closed: TLS is demanded there",
    "protocol_error": "the connection is closed: HTTP is demanded there",
    "blackhole": "the connection is closed: the address is not known, and outboundTrafficPolicy is REGISTRY_ONLY",
    "envoy_rejects": "Envoy refuses this configuration, and serves what it had before or nothing",
}
_PEER = re.compile(r"PeerAuthentication (\S+/\S+)")
_REDIRECTS = {"FOUND": 302, "SEE_OTHER": 303, "TEMPORARY_REDIRECT": 307, "PERMANENT_REDIRECT": 308}


@dataclass(frozen=True)
class RequestPart:
    """So many percent of the requests: where they get, or with what they are answered. status 0: they get there, or are cut off."""

    percent: float
    service: str = ""  # host of the service that they are for
    subset: str = ""
    status: int = 0
    reached: bool = False
    why: str = ""
    by: str = ""  # the object that decides, with its field
    place: str = ""  # whose policies refuse them: of a workload they were routed to, or of the gateway

    @property
    def outside(self) -> bool:
        return self.reached and not self.service


@dataclass(frozen=True)
class WholeAnswer:
    """A request with all that becomes of it."""

    sender: Sender
    request: RouteRequest
    answer: RouteAnswer
    parts: tuple[RequestPart, ...]


def status_of(answer: RouteAnswer) -> int:
    """The status of an answer that no workload gives; 0 where there is none."""
    if answer.outcome == "direct_response" and answer.route is not None:
        return answer.route.status
    if answer.outcome == "redirect" and answer.route is not None:
        return _REDIRECTS.get(str(answer.route.redirect.get("responseCode") or ""), 301)
    return 0 if answer.tcp else _STATUS.get(answer.outcome, 0)


def decided_by(answer: RouteAnswer) -> str:
    """The object that decides, with its field: the rule, else whose virtual host or filter chain it is."""
    if answer.route is not None and answer.route.ref:
        return f"{answer.route.ref} {answer.route.place}".rstrip()
    if answer.virtual_host is not None and answer.virtual_host.ref:
        return answer.virtual_host.ref
    if answer.chain is not None and answer.chain.ref:
        return f"{answer.chain.ref} {answer.chain.place}".rstrip()
    return ""


def forwarded_path(answer: RouteAnswer, path: str) -> str:
    """The path that the workload sees, after rewrites."""
    route = answer.route
    if route is None or not route.rewrite:
        return path
    plain, mark, query = path.partition("?")
    prefix, regex = route.rewrite.get("prefix"), route.rewrite.get("regex")
    if isinstance(prefix, str):
        kept = plain[len(route.path.value) :] if route.path.form in ("prefix", "separated") else ""
        plain = prefix + kept
    elif isinstance(regex, dict):
        try:
            plain = re.sub(str(regex["pattern"]), str(regex["substitution"]), plain)
        except (re.error, KeyError):
            return path
    return plain + mark + query


def parts_of(answer: RouteAnswer) -> list[tuple[float, Destination]]:
    """The destinations with their shares in percent."""
    total = sum(one.weight or 0 for one in answer.destinations)
    if len(answer.destinations) == 1 or not total:
        return [(100.0 / len(answer.destinations), one) for one in answer.destinations]
    return [(100.0 * (one.weight or 0) / total, one) for one in answer.destinations]


def whole_answer(routing: MeshRouting, sender: Sender, request: RouteRequest, *, now: datetime) -> WholeAnswer:
    """Routing first, then the policies: of the gateway, and of the workloads that the requests get to."""
    answer = routing.answer(sender, request)
    by = decided_by(answer)
    if sender.gateway and answer.listener and answer.outcome not in _CLOSED:
        refused = _refused(routing, sender.place, _at_gateway(request), now, http=not answer.tcp)
        if refused:
            return WholeAnswer(sender, request, answer, (replace(refused, percent=100.0, place=sender.name),))
    if not answer.destinations or answer.outcome in _CLOSED:
        why = _CLOSED.get(answer.outcome, "") + (f" ({answer.reason})" if answer.reason else "")
        return WholeAnswer(sender, request, answer, (RequestPart(100.0, status=status_of(answer), why=why, by=by),))
    fault = abort_of(answer)
    found: list[RequestPart] = [RequestPart(fault[0], status=fault[1], why="a fault is injected", by=by)] if fault[0] else []
    left = 1 - fault[0] / 100
    for percent, destination in parts_of(answer):
        found += _parts(routing, sender, request, answer, destination, percent=percent * left, now=now)
    return WholeAnswer(sender, request, answer, tuple(found))


def abort_of(answer: RouteAnswer) -> tuple[float, int]:
    """How many percent of the requests are aborted by a fault, and with what."""
    abort = answer.route.fault.get("abort") if answer.route is not None else None
    if not isinstance(abort, dict):
        return 0.0, 0
    return float(abort.get("percent") or 0), int(abort.get("status") or 0)


def _parts(
    routing: MeshRouting,
    sender: Sender,
    request: RouteRequest,
    answer: RouteAnswer,
    destination: Destination,
    *,
    percent: float,
    now: datetime,
) -> list[RequestPart]:
    cluster, by = destination.cluster, decided_by(answer)
    if cluster is None:
        service, subset = _named(destination.name)
        why = missing_cluster(routing.world(sender), sender.name, destination.name)
        return [RequestPart(percent, service, subset, 0 if answer.tcp else 503, False, why, by)]
    if not cluster.usable:
        subset = f" of subset {cluster.subset}" if cluster.subset else ""
        why = f"{cluster.host or cluster.name} has no ready pod{subset} on port {cluster.port}"
        return [RequestPart(percent, cluster.host, cluster.subset, 0 if answer.tcp else 503, False, why, by)]
    if not cluster.host:
        return [RequestPart(percent, reached=True, by=by)]
    return _merged_parts(_at_endpoints(routing, sender, request, answer, cluster, percent=percent, now=now))


def _at_endpoints(
    routing: MeshRouting,
    sender: Sender,
    request: RouteRequest,
    answer: RouteAnswer,
    cluster: RoutedCluster,
    *,
    percent: float,
    now: datetime,
) -> Iterator[RequestPart]:
    """What the policies of the pods behind say; those of one workload are asked once, for all that it gets."""
    by = decided_by(answer)
    groups: dict[tuple[int, int, bool], list[RoutedEndpoint]] = {}
    for endpoint in cluster.endpoints:
        secure = cluster.tls == "istio_mutual" or (cluster.tls == "auto" and endpoint not in cluster.plain)
        groups.setdefault((id(routing.target(endpoint)), endpoint.port, secure), []).append(endpoint)
    for (_place, _port, secure), same in groups.items():
        share, target = percent * len(same) / len(cluster.endpoints), routing.target(same[0])
        refused = None
        if target is not None and not sender.assumed:
            at = _at_workload(routing, sender, request, answer, same[0], secure=secure)
            refused = _refused(routing, target, at, now, http=not answer.tcp)
        if refused is not None and target is not None:
            yield replace(refused, percent=share, service=cluster.host, subset=cluster.subset, place=target.ref)
        else:
            yield RequestPart(share, cluster.host, cluster.subset, 0, True, "", by)
    if not groups:  # where names are resolved, or the caller says the address
        yield RequestPart(percent, cluster.host, cluster.subset, 0, True, "", by)


def _merged_parts(parts: Iterable[RequestPart]) -> list[RequestPart]:
    """Those of which nothing is otherwise are one."""
    found: dict[RequestPart, float] = {}
    for part in parts:
        key = replace(part, percent=0.0)
        found[key] = found.get(key, 0.0) + part.percent
    return [replace(part, percent=percent) for part, percent in found.items()]


def _named(cluster: str) -> tuple[str, str]:
    """Host and subset in the name of a cluster."""
    parts = cluster.split("|")
    return (parts[3], parts[2]) if len(parts) == 4 else ("", "")


def missing_cluster(world: RoutingWorld, who: str, cluster: str) -> str:
    """Why the proxy of `who` has no such cluster."""
    parts = cluster.split("|")
    if len(parts) != 4:
        return "it names no destination that may be used"
    _outbound, port, subset, host = parts
    known = world.registry.by_host.get(host)
    if not known:
        return f"no Service or ServiceEntry has the host {host}"
    if not any(one.port(int(port)) for one in known.values() if port.isdigit()):
        return f"{host} has no port {port}"
    if subset:
        return f"no DestinationRule defines subset {subset} of {host} for {who}"
    return f"{host} is not visible for {who}"


# policies


def _at_gateway(request: RouteRequest) -> Request:
    return Request(
        principal=None, source_ip=OUTSIDE, port=request.port, destination_ip=request.address, sni=request.sni or None,
        tls=request.tls, method=request.method, host=request.host, path=request.path, headers=dict(request.headers),
    )  # fmt: skip


def _at_workload(
    routing: MeshRouting, sender: Sender, request: RouteRequest, answer: RouteAnswer, endpoint: RoutedEndpoint, *, secure: bool
) -> Request:
    identity = routing.scene.inventory.identity(sender.place) if secure else None
    host = answer.route.rewrite.get("host") if answer.route is not None else None
    return Request(
        principal=identity.removeprefix("spiffe://") if identity else None, source_ip=sender.consumer.ip or OUTSIDE, port=endpoint.port,
        destination_ip=endpoint.address, sni=None, tls=secure, method=request.method, host=str(host or request.host),
        path=forwarded_path(answer, request.path), headers=dict(request.headers),
    )  # fmt: skip


def _refused(routing: MeshRouting, place: Workload, request: Request, now: datetime, *, http: bool) -> RequestPart | None:
    """The answer of policies that refuse it, with the status and the policy; None where they let it pass."""
    if place.outside or place.assumed:
        return None
    target: PolicyTarget = place.workload
    meshes = routing.scene.inventory.meshes_of(place)
    world = routing.scene.world.of(meshes[0]) if meshes else routing.scene.world
    response = world.answer(target, request, now=now, protocol=HTTP if http else TCP)
    if response.status == "passes":
        return None
    status = int(response.status) if response.status.isdigit() else 0
    return RequestPart(0.0, status=status, why=response.reason, by=_policy_of(response))


def _policy_of(response: Response) -> str:
    """The object that refuses, with the rule; empty where none of several lets it pass."""
    verdict = response.verdict
    rule = verdict.rule if verdict is not None else None
    if rule is None and verdict is not None and verdict.nearest is not None:
        rule = verdict.nearest.rule
    if rule is not None:
        return f"AuthorizationPolicy {rule.policy.key} rules[{rule.index}]"
    named = _PEER.search(response.reason)
    return f"PeerAuthentication {named[1]}" if named and verdict is None else ""
