# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What mesh_workloads and mesh_mtls cannot mean. The answers name applications and fields, never a value: the lists hold secrets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._text import did_you_mean, shown
from .applications import VERSION_FIELDS, application_homes
from .fields import sections

__all__ = ["workload_refusals"]

_MODES = ("STRICT", "PERMISSIVE", "DISABLE")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
# By the beginning of a port's name Istio knows what is spoken there.
_PROTOCOLS = ("http", "http2", "grpc", "https", "tls", "tcp", "mongo", "mysql", "redis")


def workload_refusals(workloads: Sequence[Mapping[str, Any]], mtls: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """A sentence for each thing that has to be refused before anything changes."""
    wrong = [*_named_twice(workloads), *_versions(workloads)]
    exemptions = [text for entry in mtls for text in _exemption(entry)]
    return [*(wrong or _made_twice(workloads)), *_ports(workloads), *exemptions, *_exempted_twice(mtls)]


def _more_than_once(names: Iterable[str]) -> bool:
    return any(number > 1 for number in Counter(names).values())


def _named_twice(workloads: Sequence[Mapping[str, Any]]) -> list[str]:
    homes: dict[str, list[str]] = {}
    for home in workloads:
        names = (str(application.get("name")) for application in home.get("applications") or [])
        homes.setdefault(str(home.get("namespace")), []).extend(names)
    return [
        f"mesh_workloads names an application of {home} twice: {', '.join(sorted(names))}. Give it several versions instead."
        for home, names in homes.items()
        if _more_than_once(names)
    ]


def _each(workloads: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every application, with its path in the variable."""
    for place, home in enumerate(workloads):
        for number, application in enumerate(sections(home.get("applications"))):
            yield f"mesh_workloads[{place}].applications[{number}]", application


def _versions(workloads: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A version is a name, or a map with one."""
    for where, application in _each(workloads):
        for number, version in enumerate(application.get("versions") or []):
            path = f"{where}.versions[{number}]"
            if not isinstance(version, Mapping):
                if not isinstance(version, str):
                    found = f"found a value of the type {type(version).__name__}"
                    yield f"{path}: expected a name or a map with one, {found}; write it in quotes."
                continue
            if not version.get("name") or not isinstance(version["name"], str):
                yield f"{path}.name: is missing or no text; a version needs one, such as v1."
            if "label" in version and not isinstance(version["label"], str):
                yield f"{path}.label: is no text; write it in quotes, as labels are texts."
            for key in version:
                if key not in VERSION_FIELDS:
                    yield f"{path}.{shown(key)}: not known; {did_you_mean(str(key), VERSION_FIELDS)}."


def _ports(workloads: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each with a name of its own, which begins with what is spoken there."""
    for where, application in _each(workloads):
        rows = sections(application.get("ports"))
        for number, row in enumerate(rows):
            if str(row.get("name")).partition("-")[0] not in _PROTOCOLS:
                yield (
                    f"{where}.ports[{number}].name: {shown(row.get('name'))} begins with no protocol that Istio knows "
                    f"({', '.join(_PROTOCOLS)}), so its traffic would be plain TCP; write {shown('tcp-' + str(row.get('name')))} if it is."
                )
        for what, own in (("name", application.get("protocol") or "http"), ("port", application.get("port"))):
            if _more_than_once(map(str, [own, *(row.get(what) for row in rows)])):
                yield f"{where}.ports: a {what} of the Service {shown(application.get('name'))} is there twice, expected each once."


def _made_twice(workloads: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Two versions under one name or with one label would be one Deployment, or take each other's pods."""
    for home in application_homes(workloads, ossm2=False, account="default", resources={}, asked={}):
        rows = [(app["name"], row) for app in home["applications"] for row in app["deployments"]]
        for name, number in Counter(row["name"] for _app, row in rows).items():
            if number > 1:
                yield f"mesh_workloads of {home['namespace']}: several versions make the Deployment {name}; give them names of their own."
        for (app, label), number in Counter((app, row["version"]) for app, row in rows).items():
            if number > 1:
                several = f"several versions of {app} have the label version={label}"
                yield f"mesh_workloads of {home['namespace']}: {several}, expected one each."


def _exemption(entry: Mapping[str, Any]) -> list[str]:
    """What Istio would not take as it is meant."""
    ports = entry.get("ports") or {}
    modes = list(map(str, ports.values()))
    fits = (
        (bool(entry.get("mode")) or bool(ports))
        and (bool(entry.get("application")) or not ports)
        and all(mode in _MODES for mode in modes)
        and all(_PORT.fullmatch(str(port)) for port in ports)
    )
    if fits:
        return []
    found = ", ".join([f"mode {entry.get('mode') or '(none)'}", *(f"port {port} {mode}" for port, mode in ports.items())])
    return [
        f"mesh_mtls of {entry.get('namespace')}/{entry.get('application') or ''}: it needs a mode or ports; ports need an application, "
        f"are numbers, and each has the mode {', '.join(_MODES[:-1])} or {_MODES[-1]}. Found: {found}."
    ]


def _exempted_twice(mtls: Sequence[Mapping[str, Any]]) -> list[str]:
    names = sorted(f"{entry.get('namespace')}/{entry.get('name') or entry.get('application') or 'default'}" for entry in mtls)
    if not _more_than_once(names):
        return []
    return [f"mesh_mtls makes one PeerAuthentication twice: {', '.join(names)}. Put their modes together, or give a name."]
