# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a proxy has of routes and versions, by the dumps of its admin interface."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

__all__ = ["ROUTES_PATH", "clusters_path", "hosts_of", "missing_clusters", "still_routed"]

ROUTES_PATH = "/config_dump?resource=dynamic_route_configs"
_NAME = re.compile(r'"(outbound\|[^"\\]*)"')


def clusters_path(hosts: Iterable[str]) -> str:
    """Where a proxy tells its clusters for these Services and for those of their versions; older ones tell all of them."""
    pattern = "|".join(re.escape(host) for host in sorted(hosts))
    return f"/config_dump?resource=dynamic_active_clusters&name_regex={quote(f'.*({pattern})', safe='')}"


def hosts_of(wanted: Sequence[Mapping[str, str]]) -> set[str]:
    """The hosts to ask for: of each Service, and of the clusters that are waited for."""
    return {row["of"] for row in wanted} | {row["name"].rpartition("|")[2] for row in wanted}


def missing_clusters(dump: str, wanted: Sequence[Mapping[str, str]]) -> list[str]:
    """What of it a proxy does not have. One that does not know a Service at all is no caller of it, and misses nothing."""
    known = set(_NAME.findall(dump))
    services = {name.rpartition("|")[2] for name in known}
    return [row["name"] for row in wanted if row["of"] in services and row["name"] not in known]


def still_routed(dump: str, ends: Sequence[str]) -> list[str]:
    """The clusters with these ends that a proxy's routes still lead to."""
    return sorted({name for name in _NAME.findall(dump) if name.endswith(tuple(ends))}) if ends else []
