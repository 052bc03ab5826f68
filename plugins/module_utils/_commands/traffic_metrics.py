# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Reads what proxies have counted: from the proxies themselves, several at a time, or from a Prometheus."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible.module_utils.urls import open_url

from .._canary.counting import NOBODY, RequestCounter, Scrape, VersionCounts
from .._canary.intent import DESTINATION, PROMETHEUS, Measure
from .._canary.metrics import BUCKETS, REQUESTS, Sample, from_prometheus, from_text
from .._canary.pods import VersionPod, pods_of
from .._errors import ConfigError, FetchError
from .._kube.auth import Dialer
from .._kube.client import Cluster
from .._kube.forward import WORKERS, admin_get
from .._model.fields import section, texts
from .prometheus import instant_query
from .proxies import proxy_pods

__all__ = ["PROMETHEUS_OPTION", "MetricsReader", "MetricsRequest", "prometheus_fetch"]

_TEXT = {"type": "str"}
PROMETHEUS_OPTION: dict[str, Any] = {  # of the modules that measure
    "type": "dict",
    "options": {
        "url": _TEXT,
        "token": {"type": "str", "no_log": True},
        "ca_path": {"type": "path"},
        "labels": {"type": "dict"},
        "service": {
            "type": "dict",
            "options": {"namespace": _TEXT, "name": _TEXT, "port": _TEXT, "scheme": {"type": "str", "choices": ["http", "https"]}},
        },
    },
}
_PATH = "/stats/prometheus"
_VERSION = "meshops_version"  # beside the labels of a series that a version's own pod counts
_NOT_REACHED = ("unknown", "")


def prometheus_fetch(given: Mapping[str, Any]) -> Callable[[str, Mapping[str, str]], bytes]:
    """How a Prometheus outside of the cluster is asked; its certificate is always verified."""

    def fetch(url: str, headers: Mapping[str, str]) -> bytes:
        answer = open_url(url, headers=dict(headers), timeout=30, validate_certs=True, ca_path=given.get("ca_path"))
        return bytes(answer.read())

    return fetch


@dataclass(frozen=True)
class MetricsRequest:
    """Whose requests. versions: the labels of each; home: namespace of the control plane, where a Prometheus is looked for first."""

    namespace: str
    service: str
    versions: Mapping[str, Mapping[str, str]]
    measure: Measure = field(default_factory=Measure)
    home: str = ""
    timeout: float = 5.0


@dataclass
class MetricsReader:
    """One measurement, look by look. fetch: a URL with its headers to a body."""

    cluster: Cluster
    dialer: Dialer | None
    request: MetricsRequest
    fetch: Callable[[str, Mapping[str, str]], bytes]
    clock: Callable[[], float] = time.monotonic
    silent: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    _began: frozenset[str] | None = None  # the places that were there at the first look
    _workloads: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.counter = RequestCounter(self._version_of)
        self._selector = self._read_selector()

    def _read_selector(self) -> dict[str, str]:
        one = self.request
        found = self.cluster.get("v1", "Service", one.service, one.namespace)
        title = f"cluster {self.cluster.name}: Service {one.namespace}/{one.service}"
        if found is None:
            raise ConfigError(f"{title} is not there, so nobody can be asked how its requests went")
        selector = texts(section(found, "spec").get("selector"))
        if not selector:
            raise ConfigError(f"{title} selects no pods by labels, so its versions cannot be told apart")
        return selector

    def pods(self) -> dict[str, list[VersionPod]]:
        """The pods of each version now."""
        selector = ",".join(f"{name}={value}" for name, value in sorted(self._selector.items()))
        rows = self.cluster.list("v1", "Pod", namespace=self.request.namespace, label_selector=selector)
        return {name: pods_of(rows, labels) for name, labels in self.request.versions.items()}

    def look(self) -> dict[str, list[VersionPod]]:
        """Asks everybody once; the pods of each version."""
        pods = self.pods()
        for version, rows in pods.items():
            self._workloads |= {pod.workload: version for pod in rows if pod.workload}
        if self.request.measure.source == PROMETHEUS:
            self.counter.look(self._from_prometheus(pods))
        elif self.request.measure.reporter == DESTINATION:
            self.counter.look(self._from_pods(pods))
        else:
            self.counter.look(self._from_callers())
        return pods

    def counts(self, version: str) -> VersionCounts:
        """What it answered since the first look."""
        return self.counter.counts(version)

    def unreached(self) -> VersionCounts:
        """Requests that reached no pod of any version, as their callers say."""
        return self.counter.counts(NOBODY)

    # whose a series is

    def _version_of(self, labels: Mapping[str, str]) -> str | None:
        one = self.request
        if labels.get("reporter") != one.measure.reporter:
            return None
        if one.measure.reporter == DESTINATION:
            return labels.get(_VERSION) or self._by_workload(labels)
        if labels.get("destination_service_name") != one.service or labels.get("destination_service_namespace") != one.namespace:
            return None
        known = self._by_workload(labels)
        return NOBODY if known is None and labels.get("destination_workload", "") in _NOT_REACHED else known

    def _by_workload(self, labels: Mapping[str, str]) -> str | None:
        if labels.get("destination_workload_namespace") != self.request.namespace:
            return None
        return self._workloads.get(labels.get("destination_workload", ""))

    def _born(self, places: set[str]) -> set[str]:
        """Those that came after the first look."""
        if self._began is None:
            self._began = frozenset(places)
        return places - self._began

    # the proxies themselves

    def _from_pods(self, pods: Mapping[str, Sequence[VersionPod]]) -> list[Scrape]:
        born = self._born({pod.place for rows in pods.values() for pod in rows})
        jobs = [(version, pod) for version, rows in pods.items() for pod in rows if pod.proxy]

        def one(job: tuple[str, VersionPod]) -> Scrape | None:
            version, pod = job
            samples = self._asked(pod.namespace, pod.name)
            if samples is None:
                return None
            mine = tuple(replace(sample, labels={**sample.labels, _VERSION: version}) for sample in samples)
            return Scrape(pod.place, mine, born=pod.place in born)

        return self._at_once(one, jobs)

    def _from_callers(self) -> list[Scrape]:
        raw = proxy_pods(self.cluster, self.request.measure.callers or (self.request.namespace,))
        names = [(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in raw]
        born = self._born({"/".join(name) for name in names})

        def one(job: tuple[str, str]) -> Scrape | None:
            samples = self._asked(*job)
            place = "/".join(job)
            return None if samples is None else Scrape(place, tuple(samples), born=place in born)

        return self._at_once(one, names)

    def _at_once(self, one: Callable[[Any], Scrape | None], jobs: Sequence[Any]) -> list[Scrape]:
        self.asked = len(jobs)
        return [scrape for scrape in self.cluster.map(one, jobs, WORKERS) if scrape is not None]

    def _asked(self, namespace: str, name: str) -> list[Sample] | None:
        """None where it does not answer, which is remembered until it does."""
        if self.dialer is None:
            raise ConfigError("proxies are asked through the API server's port-forward, which needs the Python package websocket-client")
        title, one = f"Pod {namespace}/{name}", self.request
        try:
            body = admin_get(self.dialer, namespace, name, _PATH, timeout=one.timeout, port=one.measure.port)
            found = from_text(body)
        except FetchError as exc:
            self.silent[title] = str(exc)
            return None
        self.silent.pop(title, None)
        return found

    # a Prometheus

    def _from_prometheus(self, pods: Mapping[str, Sequence[VersionPod]]) -> list[Scrape]:
        known = {pod.name: pod for rows in pods.values() for pod in rows}
        born = self._born({pod.place for pod in known.values()})
        samples = [sample for name in (REQUESTS, BUCKETS) for sample in from_prometheus(self._ask(self._query(name)))]
        places: dict[str, list[Sample]] = {}
        for sample in samples:
            # whose counter it is: of one pod, as far as the scrape's labels say it
            pod = known.get(sample.labels.get("pod") or sample.labels.get("kubernetes_pod_name") or "")
            place = pod.place if pod else sample.labels.get("instance") or "prometheus"
            places.setdefault(place, []).append(sample)
        self.asked = len(places)
        return [Scrape(place, tuple(rows), born=place in born) for place, rows in places.items()]

    def _query(self, name: str) -> str:
        one = self.request
        labels = {str(key): str(value) for key, value in section(one.measure.prometheus, "labels").items()}
        labels["reporter"] = one.measure.reporter
        if one.measure.reporter == DESTINATION:
            labels["destination_workload_namespace"] = one.namespace
            more = f",destination_workload=~{_quoted('|'.join(re.escape(word) for word in sorted(self._workloads)))}"
        else:
            labels |= {"destination_service_name": one.service, "destination_service_namespace": one.namespace}
            more = ""
        return f"{name}{{{','.join(f'{key}={_quoted(value)}' for key, value in labels.items())}{more}}}"

    def _ask(self, query: str) -> Any:
        given = self.request.measure.prometheus
        headers = {"Authorization": f"Bearer {given['token']}"} if given.get("token") else {}
        return instant_query(self.cluster, query, given, self.request.home, lambda url: self.fetch(url, headers))


def _quoted(text: str) -> str:
    """As PromQL quotes a text."""
    return json.dumps(text)
