# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Subscriptions and install plans: what is going on, what to do next. Pure: dicts and a clock in, an action out."""

from __future__ import annotations

__all__: list[str] = []
