# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a proxy says of its version at Envoy's admin interface."""

from __future__ import annotations

import json

from .._errors import FetchError

__all__ = ["SERVER_INFO_PATH", "version_in"]

SERVER_INFO_PATH = "/server_info"


def version_in(body: bytes) -> str:
    """The version of Istio that Envoy was started by; raises FetchError with the reason when it does not say one."""
    try:
        metadata = (json.loads(body).get("node") or {}).get("metadata") or {}
        version = metadata.get("ISTIO_VERSION")
    except (ValueError, AttributeError) as exc:
        raise FetchError(f"its admin interface answered something else than server_info: {body[:80]!r}") from exc
    if not version:
        raise FetchError("its server_info has no ISTIO_VERSION in node.metadata")
    return str(version)
