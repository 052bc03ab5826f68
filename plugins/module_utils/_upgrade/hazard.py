# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Something that would go wrong on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Hazard"]


@dataclass(frozen=True)
class Hazard:
    """Where it is, and what it means; a warning does not stop the upgrade."""

    resource: str
    message: str
    warning: bool = False
    hint: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    skipped: bool = False  # the question cannot be answered from this source
