# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""One query to a Prometheus that the gates name by its URL or by its Service."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlencode

from .._errors import FetchError
from .._kube.client import Cluster
from .._model.fields import section
from .._model.secrecy import without_login

__all__ = ["instant_query"]


def instant_query(cluster: Cluster, query: str, given: Mapping[str, Any], home: str, fetch: Callable[[str], bytes]) -> Any:
    """Its answer, or the begin of what is no JSON; FetchError where there is none.

    given: `url`, or `service` (namespace, name, port, scheme), which is asked through the API server; home: the namespace where that says
    none; fetch: a URL to a body."""
    words = urlencode({"query": query})
    if given.get("url"):
        try:
            body = fetch(f"{str(given['url']).rstrip('/')}/api/v1/query?{words}")
        except (OSError, ValueError, HTTPException) as exc:
            # what is said of an address that is none quotes a part of it, which may be a password
            reason = without_login(str(exc)) if isinstance(exc, OSError) else "this is no address"
            raise FetchError(f"no answer from Prometheus at {without_login(str(given['url']))}: {reason}") from exc
    else:
        where = section(given, "service")
        scheme = "https:" if where.get("scheme") == "https" else ""
        space = quote(str(where.get("namespace") or home), safe="")
        name = quote(str(where.get("name") or "prometheus"), safe="")
        path = f"/api/v1/namespaces/{space}/services/{scheme}{name}:{where.get('port') or 9090}/proxy/api/v1/query?{words}"
        body = cluster.request("GET", path).body
    try:
        return json.loads(body)
    except ValueError:
        return body[:200].decode(errors="replace")
