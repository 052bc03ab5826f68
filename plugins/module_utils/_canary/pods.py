# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The pods of a version: which they are, whether they are there, and what befell them since a window began."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._model.fields import name_of, namespace_of, section, sections
from .._model.owners import owner_of
from .._model.proxies import PROXY, lives, proxy_container

__all__ = ["VersionPod", "pods_of", "restarted"]

_WORKLOAD = "ISTIO_META_WORKLOAD_NAME"


@dataclass(frozen=True)
class VersionPod:
    """What is asked of a pod. workload: as Istio calls it in metrics; restarts: of each container; proxy: it has one of its own."""

    uid: str
    namespace: str
    name: str
    workload: str
    ready: bool
    proxy: bool
    restarts: Mapping[str, int]
    images: tuple[str, ...]

    @property
    def place(self) -> str:
        """Whose counters: another one after the proxy was restarted."""
        return f"{self.uid}/{self.restarts.get(PROXY, 0)}"


def _workload(pod: Mapping[str, Any]) -> str:
    told = (row.get("value") for row in sections((proxy_container(pod) or {}).get("env")) if row.get("name") == _WORKLOAD)
    return next((str(value) for value in told if value), "") or owner_of(pod, lambda *_key: None).name


def _read(pod: Mapping[str, Any]) -> VersionPod:
    status = section(pod, "status")
    ready = any(row.get("type") == "Ready" and row.get("status") == "True" for row in sections(status.get("conditions")))
    states = [row for word in ("containerStatuses", "initContainerStatuses") for row in sections(status.get(word))]
    return VersionPod(
        str(section(pod, "metadata").get("uid") or name_of(pod)),
        namespace_of(pod),
        name_of(pod),
        _workload(pod),
        ready,
        proxy_container(pod) is not None,
        {str(row.get("name")): int(row.get("restartCount") or 0) for row in states},
        tuple(sorted(str(row.get("image")) for row in sections(section(pod, "spec").get("containers")) if row.get("name") != PROXY)),
    )


def pods_of(pods: Iterable[Mapping[str, Any]], labels: Mapping[str, str]) -> list[VersionPod]:
    """Those with all of these labels that can answer: neither done nor on their way out."""
    found = []
    for pod in pods:
        has = section(pod, "metadata", "labels")
        if lives(pod) and labels and all(str(has.get(name)) == str(value) for name, value in labels.items()):
            found.append(_read(pod))
    return sorted(found, key=lambda pod: pod.name)


def restarted(before: Iterable[VersionPod], now: Iterable[VersionPod]) -> list[tuple[str, int]]:
    """Containers that ended since, as `Pod namespace/name container`, and how often; of a pod that is new since, all that it ever lost."""
    known = {pod.uid: pod.restarts for pod in before}
    found: list[tuple[str, int]] = []
    for pod in now:
        for name, times in sorted(pod.restarts.items()):
            more = times - known.get(pod.uid, {}).get(name, 0)
            if more > 0:
                found.append((f"Pod {pod.namespace}/{pod.name} {name}" + (f" ({more} times)" if more > 1 else ""), more))
    return found
