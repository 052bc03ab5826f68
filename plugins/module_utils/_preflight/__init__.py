# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What an inventory cannot mean, found before anything changes, by nothing but the inventory."""

from .given import MeshVariables
from .rules import RULES, notes, refusals

__all__ = ["RULES", "MeshVariables", "notes", "refusals"]
