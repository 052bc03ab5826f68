# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that are valid at the real time, for tests against a cluster."""

from __future__ import annotations

import datetime as dt

from .material import DAY, make

NOW = dt.datetime.now(dt.UTC)
_LIFE = {"begins": NOW - DAY, "ends": NOW + 3650 * DAY}
SELF_SIGNED = make("istiod", ca=True, **_LIFE)
OTHER = make("other", ca=True, **_LIFE)
CORPORATE = make("Corporate Root", ca=True, **_LIFE)
MIDDLE = make("Corporate Intermediate", CORPORATE, ca=True, length=0, begins=NOW - DAY, ends=NOW + 700 * DAY)
