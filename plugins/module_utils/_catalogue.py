# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""All checks of the collection, and the runner over them: a new category is one import and one word here."""

from __future__ import annotations

from functools import partial

from ._authorization import checks as authorization
from ._certificates import checks as certificates
from ._checks import runner
from ._checks.catalogue import Catalogue
from ._cluster import checks as cluster
from ._control_plane import checks as control_plane
from ._control_plane import hardening
from ._control_plane import outside_checks as plane_outside
from ._control_plane import webhook_checks as webhooks
from ._discovery import checks as discovery
from ._gateways import api_checks as api_gateways
from ._gateways import checks as gateways
from ._gateways import policy_checks as policy_gateways
from ._gateways import shared_checks as shared_gateways
from ._isolation import checks as isolation
from ._membership import checks as membership
from ._migration import checks as migration
from ._multicluster import checks as multicluster
from ._observability import checks as observability
from ._olm import checks as operators
from ._personas import checks as personas
from ._traffic import ambient_checks as traffic_ambient
from ._traffic import checks as traffic
from ._traffic import object_checks as traffic_objects
from ._traffic import route_checks as traffic_routes
from ._traffic import rule_checks as traffic_rules
from ._upgrade import checks as upgrade
from ._workloads import annotation_checks as workload_annotations
from ._workloads import checks as workloads
from ._workloads import injection_checks as workload_injection
from ._workloads import service_checks as workload_services

__all__ = ["CATALOGUE", "RETIRED", "kinds_read", "run_checks", "run_checks_on", "select"]

# Codes that are not used any more, with the reason; a code is never given to another check.
RETIRED: dict[str, str] = {}

# Beside its own category a feature may have rows of another one, which are there once it is imported.
SHARING = (
    discovery, traffic_routes, traffic_rules, traffic_objects, traffic_ambient, shared_gateways, policy_gateways, api_gateways,
    workload_annotations, workload_injection, workload_services, hardening, webhooks, plane_outside,
)  # fmt: skip

CATALOGUE = Catalogue(
    cluster.CATEGORY,
    operators.CATEGORY,
    control_plane.CATEGORY,
    membership.CATEGORY,
    workloads.CATEGORY,
    gateways.CATEGORY,
    traffic.CATEGORY,
    isolation.CATEGORY,
    multicluster.CATEGORY,
    observability.CATEGORY,
    personas.CATEGORY,
    certificates.CATEGORY,
    authorization.CATEGORY,
    upgrade.CATEGORY,
    migration.CATEGORY,
)

select, kinds_read = CATALOGUE.select, CATALOGUE.kinds_read
run_checks = partial(runner.run_checks, CATALOGUE)
run_checks_on = partial(runner.run_checks_on, CATALOGUE)
