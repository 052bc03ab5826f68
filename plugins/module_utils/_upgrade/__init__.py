# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Upgrades: which versions a mesh has, how it gets to others, what would break on the way. Pure: a Snapshot and a clock in, a plan out."""

from __future__ import annotations

__all__: list[str] = []
