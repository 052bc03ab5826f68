# SPDX-License-Identifier: GPL-3.0-or-later
"""What our evaluators predict of requests in a living mesh, and what real pods answer, in the same words.

A word is a Service that is reached (`cars.shop`, with its version `cars.shop v2`), a status that no application gave (`403`), `closed` for
a connection that ends without an answer, or `outside` for an address that the mesh does not know.
"""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, cached_property
from typing import Any
from urllib.parse import urlsplit

import collection_support  # noqa: F401  (first: it makes the collection importable)
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.authentication import Token
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.model import HTTP, TCP, Request
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.collect import collect
from ansible_collections.meshops.mesh.plugins.module_utils._model.intent import Intent
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.end_to_end import WholeAnswer
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.expectations import Expectation
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.mesh_routing import MeshRouting, routing_of
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.verdicts import answers_to
from testbed import Bed
from testbed.calls import Answer, Asked, ask
from testbed.patience import until
from testbed.pods.node import WORLD_ADDRESS

__all__ = ["CLOSED", "Expected", "Predictor", "Probe", "Token", "agreed", "snapshot"]

CLOSED = "closed"


@dataclass(frozen=True)
class Probe:
    """One request. caller: namespace/workload, or nothing for one from outside, which `to` leads to a gateway; proxied: it has a proxy."""

    caller: str
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    to: str = ""
    proxied: bool = True
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        more = "".join(f" {name}={value}" for name, value in self.headers.items())
        return f"{self.caller or 'internet'} -> {self.method} {self.url}{more}"


def snapshot(bed: Bed, members: Sequence[str], plane: str) -> Snapshot:
    cluster = Cluster.from_params({"kubeconfig": str(bed.kubeconfig)}, name="bed")
    return collect(cluster, plane=plane, members=members)


Expected = tuple[Probe, set[str]]


@dataclass(frozen=True, eq=False)
class Predictor:
    """By one snapshot."""

    source: Snapshot
    plane: Mapping[str, Any]
    members: tuple[str, ...]

    @cached_property
    def routing(self) -> MeshRouting:
        intent = Intent(provider="ossm3", control_plane=self.plane, members=self.members)
        return routing_of(View(self.source), intent)

    @property
    def now(self) -> datetime:
        return self.source.taken_at

    def of(self, probes: Iterable[Probe]) -> list[Expected]:
        return [(probe, self.words(probe)) for probe in probes]

    def words(self, probe: Probe) -> set[str]:
        """All that may come of a request: of routes with weights several."""
        if not probe.proxied:
            return {self._without_proxy(probe)}
        asked = Expectation(str(probe), probe.caller or "internet", probe.url, probe.method, headers=probe.headers)
        found = list(answers_to(self.routing, asked, now=self.now))
        assert found, f"{probe}: nobody is called so"
        return {word for one in found for word in (_words(one) if isinstance(one, WholeAnswer) else {one.problem})}

    def with_token(self, probe: Probe, gateway: str, token: Token | None) -> set[str]:
        """Through a gateway, namespace/workload, that looks at tokens: its own refusal, or what comes behind it."""
        (sender,) = self.routing.named(gateway)
        url = urlsplit(probe.url)
        request = Request(
            principal=None, source_ip=WORLD_ADDRESS, port=8443, sni=url.hostname, method=probe.method, host=url.hostname,
            path=probe.url.partition(url.netloc)[2], headers=dict(probe.headers),
        )  # fmt: skip
        response = self.routing.scene.world.answer(sender.place.workload, request, now=self.now, token=token)
        if not response.allowed:
            return {response.status}
        return self._behind(sender.place.namespace).words(probe)

    @cache  # noqa: B019  (a few for a test)
    def _behind(self, namespace: str) -> Predictor:
        """As if nothing guarded a namespace."""
        guards = ("AuthorizationPolicy", "RequestAuthentication")
        kept = [row for row in self.source.objects if row["kind"] not in guards or row["metadata"]["namespace"] != namespace]
        return replace(self, source=replace(self.source, objects=tuple(kept)))

    def _without_proxy(self, probe: Probe) -> str:
        """Whoever has no proxy is routed by kube-proxy: the Service's name, and the policies of its pods."""
        url = urlsplit(probe.url)
        name, namespace = str(url.hostname).split(".")[:2]
        (place,) = [one for one in self.routing.scene.inventory.near(namespace) if one.workload.labels.get("app") == name]
        (service,) = [
            one for one in self.source.of("Service") if (one["metadata"]["namespace"], one["metadata"]["name"]) == (namespace, name)
        ]
        by_http = all(str(port.get("name")).startswith("http") for port in service["spec"]["ports"])
        request = Request(
            principal=None, tls=False, port=url.port, method=probe.method, host=url.netloc, path=url.path, headers=dict(probe.headers)
        )
        response = self.routing.scene.world.answer(place.workload, request, now=self.now, protocol=HTTP if by_http else TCP)
        return f"{name}.{namespace}" if response.allowed else CLOSED if response.status == "reset" else response.status


def _words(answer: WholeAnswer) -> set[str]:
    by_http = bool(answer.answer.destinations) and not answer.answer.tcp
    found = set()
    for part in answer.parts:
        if part.percent <= 0:
            continue
        if part.reached:
            name = part.service.partition(".svc.")[0]
            found.add(f"{name}{f' {part.subset}' if part.subset else ''}" if name else "outside")
        else:
            # a caller's proxy speaks HTTP with it, so that it gets an answer where the connection behind is closed
            found.add(str(part.status) if part.status else "503" if by_http else CLOSED)
    return found


def _seen(answer: Answer, labels: Mapping[str, Mapping[str, str]]) -> set[str]:
    if answer.pod:
        namespace, own = answer.pod.partition("/")[0], labels.get(answer.pod, {})
        name = f"{own.get('app', '')}.{namespace}"
        return {name, f"{name} {own.get('version', '')}"}
    return {str(answer.status) if answer.status else CLOSED}


def agreed(bed: Bed, rows: Sequence[Expected], *, timeout: float = 30.0) -> Counter[str]:
    """Sends all, and those again that were not as predicted until they are; how many there were of each word. Fails with what differs."""

    def differing(some: Iterable[Expected]) -> list[tuple[Expected, set[str], Answer]]:
        chosen = list(some)
        answers = ask(bed, [Asked(one.url, one.caller or None, one.to or None, one.method, one.headers, one.tls) for one, _words in chosen])
        labels = _labels(bed)
        seen = [(row, _seen(answer, labels), answer) for row, answer in zip(chosen, answers, strict=True)]
        return [one for one in seen if not one[0][1] & one[1]]

    left = differing(rows)

    def settled() -> bool:
        left[:] = differing(row for row, _seen, _answer in left)
        return not left

    try:
        until(settled, timeout=timeout, what="answers as predicted")
    except AssertionError:
        lines = [
            f"{one}: predicted {sorted(words)}, seen {sorted(seen)} {answer.text[:80]!r} {answer.error}"
            for (one, words), seen, answer in left
        ]
        raise AssertionError(f"{len(lines)} of {len(rows)} not as predicted:\n" + "\n".join(lines[:60])) from None
    return Counter(word for _probe, words in rows for word in words)


def _labels(bed: Bed) -> dict[str, Mapping[str, str]]:
    rows = bed.api.get("/api/v1/pods")["items"]
    return {f"{row['metadata']['namespace']}/{row['metadata']['name']}": row["metadata"].get("labels") or {} for row in rows}
