# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""An intent whose names were looked up: rules in terms of workloads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .._authorization.inventory import Workload
from .._authorization.naming import app_of
from .intent import AccessRule, Exemption, Issuer

__all__ = ["Exempted", "Resolved", "ResolvedRule", "app_of"]


@dataclass(frozen=True)
class ResolvedRule:
    """One rule, its names looked up. `words`: anyone and the like; `callers`: named by workload; `accounts`: named by account."""

    rule: AccessRule
    words: tuple[str, ...]
    callers: tuple[Workload, ...]
    accounts: tuple[str, ...]  # NAMESPACE/NAME
    targets: tuple[Workload, ...]
    tokens: tuple[str, ...]

    @property
    def identities(self) -> tuple[str, ...]:
        """NAMESPACE/ACCOUNT of everybody who is named."""
        own = [f"{place.namespace}/{place.account}" for place in self.callers if not place.outside]
        return tuple(sorted({*own, *self.accounts}))


@dataclass(frozen=True)
class Exempted:
    """An exemption from mutual TLS, its names looked up."""

    exemption: Exemption
    namespace: str
    places: tuple[Workload, ...]

    @property
    def whole_namespace(self) -> bool:
        return self.exemption.target.startswith("namespace:")


@dataclass(frozen=True)
class Resolved:
    rows: tuple[ResolvedRule, ...]
    closed: tuple[Workload, ...]  # where nothing but the rules passes
    exemptions: tuple[Exempted, ...] = ()
    issuers: Mapping[str, Issuer] = field(default_factory=dict)

    def rows_by_target(self) -> dict[str, list[ResolvedRule]]:
        """The rows that lead to each place."""
        found: dict[str, list[ResolvedRule]] = {}
        for row in self.rows:
            for place in row.targets:
                found.setdefault(place.ref, []).append(row)
        return found
