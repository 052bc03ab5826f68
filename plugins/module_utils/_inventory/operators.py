# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""mesh_operators_*: how the operators of a mesh are subscribed to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._model import kinds as k
from .._model.objects import counts_as_ours
from .._model.packages import packages_of
from .._model.view import View
from .rest import Unsaid

__all__ = ["operators_of"]

_GLOBAL = "openshift-operators"


def operators_of(view: View, provider: str, variables: Mapping[str, Any], notes: list[Unsaid]) -> dict[str, Any]:
    """Subscriptions of others are used as they are, so only ours are said."""
    wanted = packages_of(provider, variables.get("mesh_control_plane"), variables.get("mesh_observability"))
    there = {str(row.at("spec", "name")): row for row in view.of(k.SUBSCRIPTION)}
    mesh = wanted[0]
    if mesh.package not in there:
        why = f"no Subscription of {mesh.package} is there, so somebody else keeps it and mesh_operators_provider is none"
        notes.append(Unsaid(f"the operator of {provider}", why))
        return {"mesh_operators_provider": "none"}
    found: dict[str, Any] = {}
    channels: dict[str, str] = {}
    versions: dict[str, str] = {}
    for package in wanted:
        row = there.get(package.package)
        if row is None:
            notes.append(
                Unsaid(f"package {package.package}", f"{package.why} needs it and no Subscription is there: install_mesh subscribes to it")
            )
            continue
        if not counts_as_ours(row.raw):
            notes.append(Unsaid(row.ref, "it is somebody else's: it is used as it is"))
            continue
        place = (row.at("spec", "source"), row.namespace)
        if place != (package.source, package.namespace or _GLOBAL):
            found.setdefault("mesh_operators_extra", []).append(
                {"package": package.package, "source": place[0], "channel": row.at("spec", "channel"), "namespace": place[1]}
                | ({"own_group": True} if package.own_group else {})
            )
        elif row.at("spec", "channel") != package.channel:
            channels[package.package] = str(row.at("spec", "channel"))
        if row.at("spec", "installPlanApproval") == "Manual":
            found["mesh_operators_approval"] = "Manual"
            if row.at("status", "installedCSV"):  # so that a run goes no further than what is there
                versions[package.package] = str(row.at("status", "installedCSV"))
    return {
        **found,
        **({"mesh_operators_channels": channels} if channels else {}),
        **({"mesh_operators_versions": versions} if versions else {}),
    }
