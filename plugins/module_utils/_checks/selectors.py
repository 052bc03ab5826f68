# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Label selectors, which are part of the model."""

from __future__ import annotations

from .._model.selectors import ByLabel, matches, matches_labels

__all__ = ["ByLabel", "matches", "matches_labels"]
