# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a plan of an upgrade reads of a live cluster: the snapshot, and on request the version that each proxy says it has."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .._errors import FetchError
from .._kube.auth import Dialer, dialer
from .._kube.forward import WORKERS, admin_get
from .._model.proxies import has_proxy
from .._model.snapshot import Snapshot
from .._rights.reads import UPGRADE
from .._upgrade.reports import SERVER_INFO_PATH, version_in
from .sources import read_source

__all__ = ["Asked", "ask_versions", "gather"]


@dataclass(frozen=True)
class Asked:
    """(namespace, pod) to the version, and to the reason for which there is none."""

    versions: Mapping[tuple[str, str], str] = field(default_factory=dict)
    silent: Mapping[tuple[str, str], str] = field(default_factory=dict)


def ask_versions(
    dial: Dialer,
    pods: Sequence[Mapping[str, Any]],
    *,
    timeout: float,
    total: float,
    workers: int = WORKERS,
    clock: Callable[[], float] = time.monotonic,
) -> Asked:
    """Asks all at the same time; nobody waits for anybody longer than `timeout`, and all together not longer than `total`."""
    end = clock() + total

    def one(pod: Mapping[str, Any]) -> tuple[str, str]:
        left = end - clock()
        if left <= 0:
            return "", f"it was not asked, the {total:g} s for all proxies were over"
        metadata = pod["metadata"]
        try:
            body = admin_get(dial, metadata["namespace"], metadata["name"], SERVER_INFO_PATH, timeout=min(timeout, left), clock=clock)
            return version_in(body), ""
        except FetchError as exc:
            return "", str(exc)

    with ThreadPoolExecutor(max_workers=max(1, min(workers, len(pods)))) as pool:
        answers = list(pool.map(one, pods))
    keys = [(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in pods]
    said = dict(zip(keys, answers, strict=True))
    return Asked(
        {key: version for key, (version, _why) in said.items() if version},
        {key: why for key, (version, why) in said.items() if not version},
    )


def gather(
    params: Mapping[str, Any], *, clock: Callable[[], datetime], warn: Callable[[str], None] | None = None
) -> tuple[Snapshot, Asked]:
    """The source that the options name."""
    snapshot = read_source(params, clock=clock, warn=warn, kinds=UPGRADE)
    if not params["proxies"] or params["source"] != "cluster":
        return snapshot, Asked()
    pods = [pod for pod in snapshot.of("Pod", group="") if has_proxy(pod)]
    asked = ask_versions(dialer(params, name=params["cluster"]), pods, timeout=params["proxy_timeout"], total=params["proxies_timeout"])
    return snapshot, asked
