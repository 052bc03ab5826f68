# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Asks the admin interfaces of many proxies at the same time for their certificates; each one is bounded in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .._certificates.proxy import SECRETS_PATH, held, identity_of
from .._certificates.source import Source, of_proxy
from .._errors import FetchError
from .._kube.auth import Dialer
from .._kube.client import Cluster
from .._kube.forward import WORKERS, admin_get
from .._model.proxies import has_proxy

__all__ = ["proxy_pods", "read_proxies"]


def proxy_pods(cluster: Cluster, namespaces: Sequence[str] | None) -> list[dict[str, Any]]:
    """The pods whose proxies can be asked, with as much of each as that needs."""

    def trim(pod: dict[str, Any]) -> dict[str, Any]:
        metadata, spec = pod["metadata"], pod.get("spec") or {}
        names = ("name", "namespace", "labels", "annotations", "deletionTimestamp", "ownerReferences")
        keep = {name: metadata.get(name) for name in names}
        parts = {
            name: [{"name": one["name"], "env": one.get("env")} for one in spec.get(name) or [] if one["name"] == "istio-proxy"]
            for name in ("containers", "initContainers")
        }
        phase = (pod.get("status") or {}).get("phase")
        return {"metadata": keep, "spec": {"serviceAccountName": spec.get("serviceAccountName"), **parts}, "status": {"phase": phase}}

    jobs: list[str | None] = list(namespaces) if namespaces is not None else [None]
    parts = cluster.map(lambda namespace: cluster.list("v1", "Pod", namespace=namespace, trim=trim), jobs)
    return [pod for part in parts for pod in part if has_proxy(pod)]


def read_proxies(
    dialer: Dialer,
    pods: Sequence[Mapping[str, Any]],
    *,
    timeout: float,
    total: float,
    workers: int = WORKERS,
    clock: Callable[[], float] = time.monotonic,
) -> list[Source]:
    """One source for each pod, in their order. Whoever is silent is named; nobody waits for anybody longer than `timeout`."""
    end = clock() + total

    def one(pod: Mapping[str, Any]) -> Source:
        metadata = pod["metadata"]
        left = end - clock()
        try:
            if left <= 0:
                raise FetchError(f"it was not asked, the {total:g} s for all proxies were over")
            body = admin_get(dialer, metadata["namespace"], metadata["name"], SECRETS_PATH, timeout=min(timeout, left), clock=clock)
            found = held(body)
        except FetchError as exc:
            return of_proxy(pod, error=str(exc))
        return of_proxy(pod, chain=found.chain, roots=found.roots, identity=identity_of(pod), served=found.served)

    with ThreadPoolExecutor(max_workers=max(1, min(workers, len(pods)))) as pool:
        return list(pool.map(one, pods))
