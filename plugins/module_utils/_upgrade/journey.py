# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""One upgrade with everything that is known of it: what hazards and steps are asked of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .._model.view import View
from .fleet import Fleet, FleetWorkload
from .objects import Span
from .route import Route, UpgradeRequest, route_of
from .timing import StartupTimes, pace_of

__all__ = ["RolloutTerms", "UpgradeAssessment", "journey_of"]

CONCURRENCY = 10


@dataclass(frozen=True)
class RolloutTerms:
    """How the data plane is to be moved, as far as it counts for a plan."""

    concurrency: int = CONCURRENCY  # workloads at the same time
    per_minute: float | None = None  # workloads, measured in an earlier rollout
    pause: float = 0.0  # seconds of soak and approval between two waves
    waves: int = 1


@dataclass(frozen=True)
class UpgradeAssessment:
    """Where, from what, to what."""

    view: View
    fleet: Fleet
    route: Route
    pace: StartupTimes
    terms: RolloutTerms = RolloutTerms()

    @cached_property
    def workloads(self) -> tuple[FleetWorkload, ...]:
        """What is of this control plane."""
        return self.fleet.workloads_of(self.route.plane)

    @cached_property
    def restarted(self) -> tuple[FleetWorkload, ...]:
        """What a restart moves, gateways included."""
        return tuple(row for row in self.workloads if row.restartable and (row.proxies or row.replicas))

    @cached_property
    def span(self) -> Span:
        """For the table of changes."""
        plane, (old, new) = self.route.plane, self.route.istio
        return Span(old, new, frozenset({plane.name}), plane.namespace, self.route.ambient)

    @cached_property
    def leaving(self) -> frozenset[str]:
        """The revisions that nothing needs at the end; none with InPlace, which changes the one that is there."""
        if not self.route.revision_based or not self.route.hops:
            return frozenset()
        return self.fleet.names_of(self.route.plane) - {self.route.hops[-1].revision}


def journey_of(view: View, fleet: Fleet, wish: UpgradeRequest, terms: RolloutTerms = RolloutTerms()) -> UpgradeAssessment:
    """Everything that hazards and plan need."""
    owners = {(proxy.namespace, proxy.pod): workload.ref for workload in fleet.workloads for proxy in workload.proxies}
    return UpgradeAssessment(view, fleet, route_of(fleet, wish), pace_of(view, owners, per_minute=terms.per_minute), terms)
