# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""mesh_domains: the members of a mesh by the label that says whose they are, in the order in which the mesh has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .._model import kinds as k
from .._model.enrolment import BY_PODS
from .._model.fields import entries, section, sections
from .._model.view import View
from .prometheus import settings_of

__all__ = ["DOMAIN", "domains_of", "in_order"]

DOMAIN = "mesh.meshops.io/domain"


def in_order(view: View, names: Iterable[str], namespace: str) -> list[str]:
    """The members as objects have them that list all: the roll, Kiali, Prometheus' targets. The others follow by name."""
    roll, kiali = view.get(k.SMMR, "default", namespace), view.get(k.KIALI, "kiali", namespace)
    lists = [
        entries(roll.at("spec", "members")) if roll else [],
        entries(kiali.at("spec", "deployment", "accessible_namespaces")) if kiali else [],
        _scraped(view, namespace),
    ]
    left = set(names)
    listed = dict.fromkeys(str(name) for found in lists for name in found if str(name) in left)
    return [*listed, *sorted(left - listed.keys())]


def _scraped(view: View, namespace: str) -> list[str]:
    jobs = sections(settings_of(view, namespace).get("scrape_configs"))
    places = [section(row, "namespaces") for job in jobs for row in sections(job.get("kubernetes_sd_configs"))]
    return [str(name) for place in places for name in entries(place.get("names"))]


def domains_of(view: View, members: Sequence[str]) -> list[dict[str, object]]:
    """A domain for each value of the label; members without one are a domain each."""
    labels = {row.name: row.labels.get(DOMAIN, "") for row in view.of(k.NAMESPACE)}
    domains: dict[str, list[str]] = {}
    for name in members:
        domains.setdefault(labels.get(name) or name, []).append(name)
    return [{"name": name, "namespaces": found, **_by_pods(view, found)} for name, found in domains.items()]


def _by_pods(view: View, spaces: Sequence[str]) -> dict[str, str]:
    """Where each pod asks for its proxy by itself."""
    rows = [view.get(k.NAMESPACE, name) for name in spaces]
    return {"injection": "pods"} if rows and all(row is not None and row.labels.get(BY_PODS) == "pods" for row in rows) else {}
