# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Values of Secrets and of caBundles. Apart from what reads certificates, so that filters need no cryptography for it."""

from __future__ import annotations

import base64
import binascii
from typing import Any

__all__ = ["decode"]


def decode(value: Any) -> bytes:
    """A Secret's value; what is not base64 is taken as it is."""
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError):
        return str(value).encode()
