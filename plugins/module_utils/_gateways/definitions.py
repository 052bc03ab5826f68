# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The definitions of the Gateway API: whose they are, and whether ours may come.

A cluster has them once, for everybody. OpenShift 4.19 and later bring and keep their own; nobody else may write these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._model.fields import is_of, name_of, section, sections
from .._model.objects import is_ours
from .._model.versions import parse
from .._text import shortened, shown

__all__ = ["ASKED", "Definitions", "definitions_for"]

_GROUP = "gateway.networking.k8s.io"
ASKED = tuple(f"{plural}.{_GROUP}" for plural in ("gatewayclasses", "gateways", "httproutes"))
_KEPT_BY_OPENSHIFT = (4, 19)
_VARIABLE = "mesh_gateway_api_definitions"
Obj = Mapping[str, Any]


@dataclass(frozen=True)
class Definitions:
    """refusal: why nothing may go on, or nothing; objects: the definitions to deliver; note: whose those are that stay."""

    refusal: str = ""
    note: str = ""
    objects: tuple[Obj, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {"refusal": self.refusal, "note": self.note, "objects": list(self.objects)}  # Ansible's own maps may not be copied in depth


def definitions_for(there: Iterable[Obj], given: Sequence[Any], *, mesh: str, file: str = "", openshift: str = "") -> Definitions:
    """there: what the cluster has of ASKED; given: the documents of the user's file; openshift: the cluster's version of it, or nothing.

    Of a mesh of ours beside this one they stay as they are, too."""
    found = {name_of(obj): obj for obj in there}
    missing = [name for name in ASKED if name not in found]
    old = [name for name, obj in found.items() if name in ASKED and not _serves_v1(obj)]
    ours = [obj for obj in found.values() if is_ours(obj, mesh)]
    if missing and _kept(openshift):
        return Definitions(
            f"the cluster has no {_named(missing)}, which OpenShift {shown(openshift)} brings and keeps itself: look at ClusterOperator "
            "ingress and its messages; definitions of others would be refused"
        )
    if missing and found and not ours:
        return Definitions(
            f"the cluster has no {_named(missing)} beside {_named(sorted(found))}, which are not ours: "
            "have whoever installed them complete them"
        )
    if not missing and not ours:
        if old:
            return Definitions(f"{_named(old)} of the cluster has no version v1: the Gateway API has to be 1.0 or later")
        note = f"the definitions of the Gateway API ({_bundle(found)}) are not ours and stay as they are"
        return Definitions(note=note if given else "")
    if not given:
        if missing:
            return Definitions(
                f"the cluster has no {_named(missing)}: gateways with api: gateway need the Gateway API. Have its definitions "
                f"installed, or name a file with them in {_VARIABLE} (standard-install.yaml of a release, fetched and looked at by you)"
            )
        return Definitions()
    return _chosen(given, file)


def _chosen(given: Sequence[Any], file: str) -> Definitions:
    """Of a file those of this group; whatever else a release has in it is not ours to apply."""
    documents = [obj for obj in sections(given) if is_of(obj, "CustomResourceDefinition", "apiextensions.k8s.io")]
    chosen = [obj for obj in documents if section(obj, "spec").get("group") == _GROUP]
    lost = [name for name in ASKED if name not in map(name_of, chosen)]
    if lost:
        return Definitions(f"{_VARIABLE}: {shown(file)} has no {_named(lost)}; expected the definitions of a release of the Gateway API")
    old = [name_of(obj) for obj in chosen if name_of(obj) in ASKED and not _serves_v1(obj)]
    if old:
        return Definitions(f"{_VARIABLE}: {_named(old)} of {shown(file)} has no version v1; take a release 1.0 or later")
    return Definitions(objects=tuple({name: value for name, value in obj.items() if name != "status"} for obj in chosen))


def _kept(openshift: str) -> bool:
    version = parse(openshift) if openshift else None
    return version is not None and version.line >= _KEPT_BY_OPENSHIFT


def _serves_v1(obj: Obj) -> bool:
    return any(one.get("name") == "v1" and one.get("served") for one in sections(section(obj, "spec").get("versions")))


def _bundle(found: Mapping[str, Obj]) -> str:
    said = {str(section(obj, "metadata", "annotations").get(f"{_GROUP}/bundle-version") or "") for obj in found.values()} - {""}
    return ", ".join(sorted(map(shown, said))) or "of an unknown release"


def _named(names: Sequence[str]) -> str:
    return f"CustomResourceDefinition {shortened(map(shown, names), 3)}"
