# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a rollout looks at: workloads, their proxies' pods, disruption budgets, and the goal that a proxy has or has not reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .._model.problem import Problem

__all__ = [
    "KINDS",
    "RESTARTED",
    "REVISION",
    "Budget",
    "Goal",
    "ProxyPod",
    "RestartedWorkload",
    "RolloutObservation",
    "plain_version",
]

KINDS = ("Deployment", "StatefulSet", "DaemonSet")
RESTARTED = "kubectl.kubernetes.io/restartedAt"
REVISION = "istio.io/rev"
_FLAVOURS = ("-distroless", "-debug")


def plain_version(text: str) -> str:
    """`1.27.3` of v1.27.3 or 1.27.3-distroless, `1.27` of the alias v1.27-latest; empty for what is no version (a digest)."""
    found = text.removeprefix("v").removesuffix("-latest")
    for flavour in _FLAVOURS:
        found = found.removesuffix(flavour)
    return found if found[:1].isdigit() and "." in found else ""


@dataclass(frozen=True)
class Goal:
    """What a proxy shall be. since: restarts after it are ours.

    revision: where each version has a revision of its own; then it tells the version of images that do not (digests).
    Without both, only the age of a pod counts. runs: the version that proxies have where the control plane's is an alias.
    stamp: only a restart with this very stamp is ours, whatever clock others stamp by.
    """

    version: str = ""
    revision: str = ""
    since: datetime | None = None
    runs: str = ""
    stamp: datetime | None = None

    @property
    def proxies(self) -> str:
        """The version of the proxies; of an alias that nobody has resolved, its minor."""
        return plain_version(self.runs or self.version)

    @property
    def text(self) -> str:
        """For people."""
        parts = [f"version {self.version}" if self.version else "", f"revision {self.revision}" if self.revision else ""]
        return " and ".join(part for part in parts if part) or "a pod made after the restart"


@dataclass(frozen=True)
class ProxyPod:
    """A pod with a proxy. trouble: why a container of it does not run, for good as far as one can see."""

    name: str
    namespace: str
    created: datetime
    version: str = ""
    revision: str = ""
    ready: bool = False
    trouble: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def at(self, goal: Goal, *, stamped: bool) -> bool:
        """Whether it is what the goal wants. A version that an image does not tell (a digest) is judged by the pod's age."""
        if goal.revision and self.revision != goal.revision:
            return False
        if goal.version and self.version:
            wanted = goal.proxies
            return self.version == wanted or self.version.startswith(f"{wanted}.")  # 2.6, as a ServiceMeshControlPlane says it
        if goal.revision:
            return True
        # Seconds are all that a creation time has: in the second of the stamp only who was restarted by us counts.
        return goal.since is not None and (self.created >= goal.since if stamped else self.created > goal.since)


@dataclass(frozen=True)
class Budget:
    """A PodDisruptionBudget. possible: how many pods it would ever let go, when all of them are there."""

    namespace: str
    name: str
    selector: Mapping[str, Any]
    allowed: int
    possible: int

    @property
    def title(self) -> str:
        """As messages call it."""
        return f"PodDisruptionBudget {self.namespace}/{self.name}"


@dataclass(frozen=True)
class RestartedWorkload:
    """A Deployment, StatefulSet or DaemonSet. cost: how many of its pods may be away while it restarts.

    obstacle: why a restart of it would do nothing or end badly. said: ready, waiting or failed and why, as the readiness table says.
    """

    kind: str
    namespace: str
    name: str
    wanted: int
    ready: int
    cost: int
    stamp: datetime | None = None
    gateway: bool = False
    obstacle: str = ""
    said: tuple[str, str] = ("waiting", "")
    labels: Mapping[str, str] = field(default_factory=dict)
    own_revision: str = ""
    pods: tuple[ProxyPod, ...] = ()

    @property
    def title(self) -> str:
        """`Kind namespace/name`."""
        return f"{self.kind} {self.namespace}/{self.name}"

    def stamped(self, goal: Goal) -> bool:
        """Restarted since the rollout began, by us or by somebody else; with a stamp in the goal, by that restart."""
        if goal.stamp is not None:
            return self.stamp == goal.stamp
        return self.stamp is not None and goal.since is not None and self.stamp >= goal.since

    def behind(self, goal: Goal) -> tuple[ProxyPod, ...]:
        """Its pods that are not what the goal wants."""
        stamped = self.stamped(goal)
        return tuple(pod for pod in self.pods if not pod.at(goal, stamped=stamped))


@dataclass(frozen=True)
class RolloutObservation:
    """One look. known: the namespaces that were looked at; going: those that are being deleted."""

    workloads: Mapping[str, RestartedWorkload]
    loose: tuple[Problem, ...] = ()  # pods with an old proxy that nobody would make again as they are: reported, never killed
    budgets: tuple[Budget, ...] = ()
    revisions: Mapping[str, str] = field(default_factory=dict)  # namespace -> its label istio.io/rev (or `injection`)
    going: frozenset[str] = frozenset()
    domains: Mapping[str, str] = field(default_factory=dict)
