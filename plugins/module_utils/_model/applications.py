# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""mesh_workloads with its defaults: the Services and, for each version, the Deployments that the templates write down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .fields import section, sections

__all__ = ["VERSION_FIELDS", "application_homes", "label_of", "ports_of", "versions_of", "wants_proxy"]

# What a version may have: its name, the value of its label, the name of its Deployment, and what it has of its own.
VERSION_FIELDS = ("name", "label", "deployment", "image", "replicas", "env", "resources", "labels", "inject")
_OFF = ("false", "no", "off", "0", "n", "f")


def versions_of(application: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The versions of an application, each a map with a name: as they are given, or `v1`."""
    return [{"name": str(one)} if not isinstance(one, Mapping) else dict(one) for one in application.get("versions") or ["v1"]]


def label_of(version: Mapping[str, Any]) -> str:
    """The value of the label `version` of its pods."""
    return str(version.get("label") or version.get("name"))


def wants_proxy(application: Mapping[str, Any], version: Mapping[str, Any]) -> bool:
    """Whether the pods of a version shall have one; what the version says goes before what the application says."""
    return str(version.get("inject", application.get("inject", True))).lower() not in _OFF


def ports_of(application: Mapping[str, Any]) -> list[Any]:
    """The ports of its Service, as they are given."""
    return [application.get("port"), *(one.get("port") for one in sections(application.get("ports")))]


def application_homes(
    workloads: Sequence[Mapping[str, Any]],
    *,
    ossm2: bool,
    account: str,
    resources: Mapping[str, Any],
    asked: Mapping[str, Mapping[str, str]],
) -> list[dict[str, Any]]:
    """A row for each entry of mesh_workloads, with everything said.

    account, resources: of applications that name none. asked: the labels by which a pod asks for its proxy, of each namespace whose own
    labels do not ask for all of its pods; in OSSM 2 every pod asks by itself."""
    homes = []
    for home in workloads:
        space = str(home.get("namespace"))
        wish = {"sidecar.istio.io/inject": "true"} if ossm2 else asked.get(space, {})
        rows = [_application(one, wish, account, resources) for one in home.get("applications") or []]
        accounts = list(dict.fromkeys(row["service_account"] for row in rows if row["service_account"] != "default"))
        homes.append({"namespace": space, "secrets": home.get("secrets") or [], "accounts": accounts, "applications": rows})
    return homes


def _application(given: Mapping[str, Any], wish: Mapping[str, str], account: str, resources: Mapping[str, Any]) -> dict[str, Any]:
    name, port = str(given.get("name")), given.get("port")
    first = {"name": given.get("protocol") or "http", "port": port, "target_port": given.get("target_port") or port}
    ports = [first, *({"target_port": row.get("port"), **row} for row in given.get("ports") or [])]
    return {
        "name": name,
        "service_account": given.get("service_account") or account,
        "service_type": given.get("service_type"),
        "ports": ports,
        "probes": {f"{kind}Probe": given[kind] for kind in ("readiness", "liveness") if given.get(kind)},
        "deployments": [_deployment(given, version, wish, resources) for version in versions_of(given)],
    }


def _deployment(
    given: Mapping[str, Any], version: Mapping[str, Any], wish: Mapping[str, str], resources: Mapping[str, Any]
) -> dict[str, Any]:
    name, called = str(given.get("name")), str(version["name"])
    pod_wish = dict(wish) if wants_proxy(given, version) else {"sidecar.istio.io/inject": "false"}
    return {
        "name": version.get("deployment") or f"{name}-{called}",
        "version": label_of(version),
        "replicas": version.get("replicas", given.get("replicas", 1)),
        "image": version.get("image") or section(given, "images").get(called) or given.get("image"),
        "env": {**section(given, "env"), **section(version, "env")},
        "resources": version.get("resources") or given.get("resources") or resources,
        # What selects pods is not for anybody to change.
        "labels": {**section(given, "labels"), **section(version, "labels"), **pod_wish},
    }
