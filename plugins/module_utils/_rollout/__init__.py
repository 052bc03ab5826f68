# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A data plane restarted in waves: what is there, who goes when, what is next, is it good. Pure; `_commands/rollout.py` does the I/O."""

from __future__ import annotations
