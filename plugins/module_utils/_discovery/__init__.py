# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What meshes a source has, found out without an inventory: control planes of any maker, revisions, members, gateways, operators, tools.

Pure: a View in, a Discovery out, in which each fact names the object that says it."""

from __future__ import annotations

__all__: list[str] = []
