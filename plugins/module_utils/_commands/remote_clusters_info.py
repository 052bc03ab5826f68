# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What remote_clusters_info does: asks each istiod of a control plane which clusters it reads, until it has read the wanted ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .._errors import FetchError, NotReady
from .._kube.auth import Dialer
from .._kube.client import Cluster
from .._kube.forward import admin_get
from .._kube.progress import Progress
from .._kube.wait import Timing
from .._model.fields import sections
from .istiods import istiod_pods

__all__ = ["SYNCED", "IstiodView", "views_of", "wait_synced"]

SYNCED = "synced"
_PORT, _PATH = 8080, "/debug/clusterz"
_TIMEOUT = 10.0


@dataclass(frozen=True)
class IstiodView:
    """What one istiod says. clusters: name to its word about it, such as synced, syncing or timeout. problem: why it says nothing."""

    pod: str
    clusters: Mapping[str, str]
    problem: str = ""

    def lacking(self, wanted: Iterable[str]) -> list[str]:
        """A sentence for each cluster that it has not read."""
        if self.problem:
            return [f"Pod {self.pod} does not say which clusters it reads: {self.problem}"]
        missing = [name for name in wanted if self.clusters.get(name) != SYNCED]
        return [f"Pod {self.pod} says {self._said(name)} of cluster {name}, expected {SYNCED}" for name in missing]

    def _said(self, name: str) -> str:
        return self.clusters.get(name) or "nothing"


def views_of(cluster: Cluster, dialer: Dialer, namespace: str) -> list[IstiodView]:
    """One for each istiod that runs."""
    return [_view(dialer, namespace, str(pod["metadata"]["name"])) for pod in istiod_pods(cluster, namespace)]


def _view(dialer: Dialer, namespace: str, pod: str) -> IstiodView:
    try:
        rows = json.loads(admin_get(dialer, namespace, pod, _PATH, timeout=_TIMEOUT, port=_PORT))
    except FetchError as exc:
        return IstiodView(f"{namespace}/{pod}", {}, str(exc))
    except ValueError:
        return IstiodView(f"{namespace}/{pod}", {}, f"its port {_PORT} answered {_PATH} with something that is no JSON")
    return IstiodView(f"{namespace}/{pod}", {str(row.get("id")): str(row.get("syncStatus")) for row in sections(rows)})


def wait_synced(look: Callable[[], Sequence[IstiodView]], wanted: Sequence[str], *, name: str, timing: Timing) -> list[IstiodView]:
    """What they say once each of them has read each of the clusters. Raises NotReady with what is missing when the time is over."""
    end, progress = timing.clock() + timing.timeout, Progress(name, timing.clock)
    while True:
        views = list(look())
        missing = [text for view in views for text in view.lacking(wanted)]
        if views and not missing:
            return views
        missing = missing or ["no istiod runs"]
        if timing.clock() >= end:
            raise NotReady(
                f"cluster {name}: its istiod does not read the other clusters after {timing.timeout:g} s: "
                f"{'; '.join(missing)}. Look at the Secret istio-remote-secret-CLUSTER beside it: whether pods reach the server that it "
                "names (mesh_topology.api_server.url), and at the log of istiod"
            )
        if progress.due():
            progress.say("; ".join(missing))
        timing.sleep(timing.interval)
