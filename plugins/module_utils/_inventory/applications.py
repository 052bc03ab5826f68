# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""mesh_workloads and mesh_mtls, of what the role workloads has made: all of it or nothing, as what is left out would be pruned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._model import kinds as k
from .._model.fields import section, sections
from .._model.injection import REVISION
from .._model.objects import LAYER, MESH, counts_as_ours
from .._model.secrecy import masked
from .._model.view import Obj, View
from .._text import shortened
from .rest import Unsaid, without_defaults

__all__ = ["applications_of"]

_LAYER, _SHOWN = "workloads", 6
_INJECT, _WORKLOAD = "sidecar.istio.io/inject", "mesh.meshops.io/workload"
# As defaults/main.yml of the role has them, which the round trip of a test shows.
_DEFAULTS: Mapping[str, Any] = {"service_account": "default", "replicas": 1, "protocol": "http", "inject": True, "versions": ["v1"]}
_RESOURCES = {"requests": {"cpu": "10m", "memory": "64Mi"}}


class _Unsayable(Exception):
    """Why an application cannot be written."""


def applications_of(view: View, mesh: str, notes: list[Unsaid]) -> dict[str, Any]:
    """The variables; none, and a note, where one application has what is not written into an inventory."""
    rows = [row for row in view.of(k.DEPLOYMENT) if _made(row, mesh)]
    policies = [row for row in view.of(k.PEER_AUTHENTICATION) if _made(row, mesh)]
    found: dict[str, dict[str, list[Obj]]] = {}
    for row in rows:
        found.setdefault(row.namespace, {}).setdefault(row.labels.get("app", ""), []).append(row)
    try:
        homes = [
            {"namespace": namespace, "applications": [_application(view, name, versions) for name, versions in apps.items()]}
            for namespace, apps in found.items()
        ]
    except _Unsayable as why:
        names = shortened((row.ref for row in (*rows, *policies)), _SHOWN)
        notes.append(Unsaid("mesh_workloads", f"was not written, because {why}. Without it install_mesh leaves as they are: {names}"))
        return {}
    return {"mesh_workloads": homes, "mesh_mtls": [_exemption(row) for row in policies]}


def _made(row: Obj, mesh: str) -> bool:
    return row.labels.get(LAYER) == _LAYER and counts_as_ours(row.raw, mesh)


def _application(view: View, name: str, rows: list[Obj]) -> dict[str, Any]:
    service = view.get(k.SERVICE, name, rows[0].namespace)
    ports = sections(service.at("spec", "ports")) if service else []
    if not ports:
        raise _Unsayable(f"Service {rows[0].namespace}/{name} has no port")
    by_version = {row.labels.get("version", ""): _version(row, name) for row in rows}
    first = next(iter(by_version.values()))
    own = {version: {key: value for key, value in one.items() if value != first.get(key)} for version, one in by_version.items()}
    if any(first.get(key) for said in own.values() for key in ("env", "labels") if key in said and _less(first[key], said[key])):
        raise _Unsayable(f"a version of {rows[0].namespace}/{name} has less in its environment or labels than another one")
    named = {row.labels.get("version", ""): row.name for row in rows}
    said = [_said(name, version, named[version], own[version]) for version in by_version]
    images = {version: one["image"] for version, one in by_version.items()}
    # A map where more than the image is another one, as people write it.
    plain = all(set(one) <= {"name", "image"} for one in said)
    given = {**first, "protocol": ports[0].get("name"), "versions": list(by_version) if plain else said}
    resources, image = given.pop("resources"), given.pop("image")
    wanted_type = service.at("spec", "type", default="ClusterIP") if service else "ClusterIP"
    return {
        "name": name,
        "image": image,
        **({"images": images} if plain and any(one != image for one in images.values()) else {}),
        "port": ports[0].get("port"),
        **({"target_port": ports[0].get("targetPort")} if ports[0].get("targetPort") not in (None, ports[0].get("port")) else {}),
        **({"ports": [_port(one) for one in ports[1:]]} if ports[1:] else {}),
        **({"service_type": wanted_type} if wanted_type != "ClusterIP" else {}),
        **without_defaults(given, _DEFAULTS),
        **({"resources": resources} if resources != _RESOURCES else {}),  # the role takes them whole
    }


def _less(first: Any, other: Any) -> bool:
    """What a version has is put over the application's, and takes nothing of it away."""
    return bool(set(section(first)) - set(section(other)))


def _said(application: str, label: str, deployment: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """A version of an inventory: its name is the end of its Deployment's where that has the usual beginning, else its label."""
    usual = deployment.removeprefix(f"{application}-") if deployment.startswith(f"{application}-") else ""
    name = usual or label
    return {
        "name": name,
        **({"label": label} if label != name else {}),
        **({"deployment": deployment} if not usual else {}),
        **own,
    }


def _port(found: Mapping[str, Any]) -> dict[str, Any]:
    port, target = found.get("port"), found.get("targetPort")
    return {"name": found.get("name"), "port": port, **({"target_port": target} if target not in (None, port) else {})}


def _version(row: Obj, name: str) -> dict[str, Any]:
    """What a Deployment says of its application."""
    template, containers = section(row.at("spec", "template")), sections(row.at("spec", "template", "spec", "containers"))
    if (
        len(containers) != 1
        or containers[0].get("name") != name
        or containers[0].get("envFrom")
        or "sidecar.jaegertracing.io/inject" in row.annotations
    ):
        raise _Unsayable(f"{row.ref} has more than an application of the inventory says")
    return {
        "image": containers[0].get("image"),
        "replicas": row.at("spec", "replicas", default=1),
        "service_account": section(template, "spec").get("serviceAccountName", "default"),
        "resources": containers[0].get("resources") or {},
        "inject": section(template, "metadata", "labels").get(_INJECT) != "false",
        "labels": _labels(section(template, "metadata", "labels")) or None,
        "readiness": containers[0].get("readinessProbe"),
        "liveness": containers[0].get("livenessProbe"),
        "env": _environment(row, sections(containers[0].get("env"))) or None,
    }


def _labels(found: Mapping[str, Any]) -> dict[str, Any]:
    """Those that the inventory says: not what selects pods, says whose they are, or asks for a proxy."""
    ours = ("app", "version", _INJECT, REVISION, MESH, _WORKLOAD)
    return {key: value for key, value in found.items() if key not in ours}


def _environment(row: Obj, entries: list[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in entries:
        name, value = str(entry.get("name")), entry.get("value", "")
        source = section(entry, "valueFrom")
        if "secretKeyRef" in source:
            raise _Unsayable(f"{row.ref} takes {name} from a Secret, and no Secret is read")
        if masked({name: value}) != {name: value}:
            raise _Unsayable(f"{name} of {row.ref} may be a secret")
        found[name] = {"valueFrom": dict(source)} if source else value
    return found


def _exemption(row: Obj) -> dict[str, Any]:
    """Of mutual TLS."""
    application = section(row.at("spec", "selector", "matchLabels")).get("app")
    ports = {port: section(one).get("mode") for port, one in section(row.at("spec", "portLevelMtls")).items()}
    return {
        "namespace": row.namespace,
        **({"application": application} if application else {}),
        **({"name": row.name} if row.name != (application or "default") else {}),
        **({"mode": row.at("spec", "mtls", "mode")} if row.at("spec", "mtls", "mode") else {}),
        **({"ports": ports} if ports else {}),
    }
