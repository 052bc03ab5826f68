# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The names by which a service can be asked for (pilot/pkg/networking/core/httproute.go)."""

from __future__ import annotations

from .hosts import is_ip
from .model import ANYWHERE, RoutedService

__all__ = ["alternative_names", "service_domains"]


def alternative_names(host: str, namespace: str, end: str) -> list[str]:
    """The other names of a host for callers of a namespace: with a dot at its end, and the short forms of a Service's."""
    found = [] if is_ip(host) else [f"{host}."]
    if not host.endswith(end):
        return found
    inner = host.find(".svc.")
    first = host.find(".")
    if inner <= 0 or first + 1 > inner:
        return found
    if host[first + 1 : inner] == namespace:
        return [*found, host[:first], f"{host[:inner]}.svc", host[:inner]]
    return [*found, host[:inner], f"{host[:inner]}.svc"]


def service_domains(service: RoutedService, namespace: str, end: str) -> tuple[list[str], set[str]]:
    """All names of a service, its aliases' and its address with them, and those among them that are short forms."""
    domains: list[str] = []
    short: set[str] = set()
    for host in (service.hostname, *service.aliases):
        others = alternative_names(host, namespace, end)
        domains += [host, *others]
        short |= set(others)
    if service.resolution == "NONE" and service.kubernetes:
        domains += [f"*.{domain}" for domain in domains]
    if service.address and service.address != ANYWHERE:
        domains.append(service.address)
    return domains, short
