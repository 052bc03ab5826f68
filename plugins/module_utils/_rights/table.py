# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The table of rights: family -> rules, each with its reason. What mesh_check reads follows from the checks themselves.

A test plays the playbooks as an account with these rights alone and finds no verb unused in the audit log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._inputs import intent_from
from .._model.packages import tools_of
from .access import ACCESS
from .access import reads as access_reads
from .canary import CANARY
from .certificates import CERTIFICATES
from .certificates import reads as certificates_reads
from .install import INSTALL, PRUNE
from .inventory import reads as inventory_reads
from .migration import MIGRATION
from .migration import reads as migration_reads
from .multicluster import MULTICLUSTER
from .multicluster import reads as multicluster_reads
from .parts import parts_of
from .reads import check_reads
from .remove import REMOVE
from .right import Right, Scope, Where
from .traffic import TRAFFIC
from .traffic import reads as traffic_reads
from .upgrade import UPGRADE
from .upgrade import reads as upgrade_reads

__all__ = ["FAMILIES", "WORKS", "listed_by", "rights_of", "scope_from"]

# What the playbooks of a family do beside the check with which they end.
FAMILIES: Mapping[str, tuple[str, tuple[Right, ...]]] = {
    "check": ("check_mesh and check_outbound", ()),
    "install": (
        "install_mesh, travel_prod and travel_dev, from operators to applications and the check at the end (work `mesh`); with "
        "`certificates` for travel_partner_gateway (work `gateways`)",
        INSTALL,
    ),
    "certificates": (
        "issue_certificates (work `issue`), rotate_certificates, travel_corporate_ca and check_shared_root (work `authority`), and "
        "travel_https with the check at the end (work `gateways`)",
        (*CERTIFICATES, replace(PRUNE, work="gateways")),
    ),
    "access": ("travel_zero_trust, travel_partner_jwt and access_from_traffic; check_access needs no cluster", (*ACCESS, PRUNE)),
    "traffic": ("shift_traffic", (*TRAFFIC, PRUNE)),
    "canary": ("release_canary", CANARY),
    "upgrade": (
        "upgrade_operators (work `operators`), upgrade_control_plane (work `control_plane`), restart_data_plane (work `proxies`), "
        "upgrade_data_plane (both of these), upgrade_mesh (all three) and plan_upgrade (work `plan`; with `plan_upgrade_proxies` "
        "`proxies`, too)",
        UPGRADE,
    ),
    "migration": ("migrate_mesh; plan_migration only reads", MIGRATION),
    "multicluster": ("connect_clusters, beside what install does for the control plane, and disconnect_cluster", (*MULTICLUSTER, PRUNE)),
    "remove": ("remove_mesh", REMOVE),
    "inventory": ("init_inventory from a living mesh; it only reads", ()),
}
# What they read as it follows from code; where none is named, what mesh_check reads.
_READS: Mapping[str, Callable[[Scope], list[Right]]] = {
    "certificates": certificates_reads,
    "access": access_reads,
    "traffic": traffic_reads,
    "canary": traffic_reads,
    "upgrade": upgrade_reads,
    "migration": migration_reads,
    "multicluster": multicluster_reads,
    "remove": lambda scope: [],
    "inventory": inventory_reads,
}
# What a family can be asked for a part of.
WORKS = tuple(sorted({right.work for _about, rights in FAMILIES.values() for right in rights if right.work} | {"plan"}))


def listed_by(family: str, scope: Scope) -> list[Right]:
    """What its playbooks read, as it follows from code."""
    return _READS.get(family, check_reads)(scope)


def _merged(rights: Sequence[Right]) -> list[Right]:
    """One row for each resource, place and names, so that a role has no rule twice."""
    rows: dict[tuple[str, Where, tuple[str, ...]], Right] = {}
    for right in rights:
        key = (right.resource, right.where, right.names)
        known = rows.get(key)
        if known is None:
            rows[key] = right
            continue
        whys = known.why if right.why in known.why else f"{known.why}; {right.why}"
        rows[key] = replace(known, verbs=tuple(dict.fromkeys((*known.verbs, *right.verbs))), why=whys)
    return list(rows.values())


def rights_of(family: str, scope: Scope) -> list[Right]:
    """The rights of a family for an intent."""
    rows = (*FAMILIES[family][1], *listed_by(family, scope))
    return _merged(
        [
            right
            for right in rows
            if (not right.when or scope.parts & set(right.when)) and (not right.work or not scope.works or right.work in scope.works)
        ]
    )


def scope_from(params: Mapping[str, Any]) -> Scope:
    """What a module's options say."""
    intent = intent_from({**params, "observability": tools_of(params["observability"] or {})})
    return Scope(
        intent,
        tuple(params["gateway_namespaces"]),
        tuple(params["secret_namespaces"]),
        tuple(params["exempt_namespaces"]),
        tuple(params["categories"]),
        tuple(params["only"]),
        parts_of(params),
        works=tuple(params["works"]),
        operators=tuple(params["operator_namespaces"]),
        projects=tuple(params["project_namespaces"]),
        api_gateways=tuple(params["api_gateway_namespaces"]),
        **{name: tuple(params["certificates"][name]) for name in ("served", "given", "trust")},
    )
