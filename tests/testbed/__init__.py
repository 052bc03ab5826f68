# SPDX-License-Identifier: GPL-3.0-or-later
"""A Kubernetes cluster of local processes, for tests and demonstrations: see docs/architecture.md, "The test bed"."""

from __future__ import annotations

from .bed import Bed
from .errors import BedError

__all__ = ["Bed", "BedError"]
