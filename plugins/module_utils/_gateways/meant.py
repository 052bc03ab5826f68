# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What was probably meant by a host or a Gateway that does not exist: one of nearly that name, or one of that name elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from .._model import kinds as k
from .._model.istiods import service_ends
from .._model.routing import full_name, short_name
from .._model.view import View
from .._text import nearest

__all__ = ["asked", "meant_gateway", "meant_host", "meant_served"]


def asked(name: str) -> str:
    """The end of a message; empty where nothing is near."""
    return f"; did you mean {name}?" if name else ""


def meant_host(view: View, host: str, namespace: str) -> str:
    """A host as it should be written in an object of this namespace; empty where nothing is near."""
    ends = service_ends(view)
    services = _services(view)
    name, space = (host, namespace) if "." not in host else _parts(host, ends)
    there = sorted(one for one in services if name in services[one])
    if name and space in there and "." in host:
        return f"{name}.{space}{ends[0]}"  # reviews.prod, reviews.prod.svc, another domain
    near = nearest(name, services.get(space, ())) if name else ""
    if near:
        return near if "." not in host else f"{near}.{space}{ends[0]}"
    if name and len(there) == 1:
        return f"{name}.{there[0]}{ends[0]}"
    return nearest(host, _entries(view)) if "." in host else ""


def meant_gateway(view: View, name: str, namespace: str) -> str:
    """A Gateway as NAMESPACE/NAME."""
    rows = view.of(k.GATEWAY)
    near = nearest(name, (row.name for row in rows if row.namespace == namespace))
    others = sorted({row.namespace for row in rows if row.name == name})
    if near:
        return f"{namespace}/{near}"
    return f"{others[0]}/{name}" if len(others) == 1 else ""


def meant_served(host: str, served: Iterable[str]) -> str:
    """A host that a Gateway serves: one of its names, or this host with the nearest domain of a star."""
    names = {one.rpartition("/")[2] for one in served}
    first, _dot, domain = host.partition(".")
    domains = {one.removeprefix("*.") for one in names if one.startswith("*.")}
    if domain in domains:
        return ""
    dots = host.count(".")  # a name of another length is another name
    own = nearest(host, (one for one in names if not one.startswith("*") and one.count(".") == dots))
    near = nearest(domain, (one for one in domains if one.count(".") == dots - 1)) if domain else ""
    return own or (f"{first}.{near}" if near else "")


def _services(view: View) -> dict[str, set[str]]:
    """The names of the Services, by namespace."""

    def made() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for row in view.of(k.SERVICE):
            found.setdefault(row.namespace, set()).add(row.name)
        return found

    return view.memo("gateways.service_names", view, made)


def _entries(view: View) -> frozenset[str]:
    """The hosts of ServiceEntries."""
    return view.memo(
        "gateways.entry_hosts",
        view,
        lambda: frozenset(str(host) for row in view.of(k.SERVICE_ENTRY) for host in row.items("spec", "hosts") if "*" not in str(host)),
    )


def _parts(host: str, ends: tuple[str, ...]) -> tuple[str, str]:
    """Name and namespace of what may be the name of a Service, also of one that is not written to its end."""
    short = short_name(full_name(host, ""), ends)
    name, space, *rest = (short or host).split(".")
    return (name, space) if not rest or rest[0] == "svc" else ("", "")
