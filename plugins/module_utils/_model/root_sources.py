# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Where the roots of other clusters come from, for a comparison with those of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["root_sources"]


def root_sources(answers: Mapping[str, Any], snapshots: Mapping[str, str]) -> list[dict[str, str]]:
    """answers: cluster to what certificate_check returned for it, None where it returned nothing; snapshots: cluster to file.

    A row has `cluster`, and `roots_content` or `snapshot`."""
    found = [{"cluster": name, "roots_content": (answer or {}).get("roots") or ""} for name, answer in answers.items()]
    return found + [{"cluster": name, "snapshot": path} for name, path in snapshots.items()]
