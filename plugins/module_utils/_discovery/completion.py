# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""From what was found to what checks take: an inventory wins, what it does not say is as the mesh has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .._model.intent import ISTIO_ONLY, Intent
from .model import DiscoveredMesh, Discovery

__all__ = ["FIELDS", "completed", "differences", "meshes_for", "unmatched"]

# What an inventory may leave out, as a mesh itself says it.
FIELDS = ("provider", "control_plane", "members", "operators", "observability")
_UPSTREAM = frozenset({"ossm3", "sail"})  # one generation with one API


def meshes_for(discovery: Discovery, intent: Intent) -> tuple[DiscoveredMesh, ...]:
    """Those of a source that an intent can mean: with its control plane, else of its generation, and its members among them."""
    found = discovery.meshes
    if intent.control_plane is not None:
        return tuple(mesh for mesh in found if (mesh.name, mesh.namespace) == (intent.name, intent.namespace))
    if intent.provider:
        found = tuple(mesh for mesh in found if _same_generation(mesh, intent.provider))
    near = tuple(mesh for mesh in found if set(mesh.namespaces) & set(intent.members or ()))
    return near or found


def _same_generation(mesh: DiscoveredMesh, provider: str) -> bool:
    return mesh.provider.value == provider or {mesh.provider.value, provider} <= _UPSTREAM


def unmatched(intent: Intent, discovery: Discovery) -> Intent:
    """The intent of a control plane that is not there: it is looked for among those of the kind that is, and found missing."""
    if intent.provider or intent.control_plane is None or not discovery.meshes:
        return intent
    return replace(intent, provider=discovery.meshes[0].provider.value, found=frozenset({"provider"}))


def completed(intent: Intent, mesh: DiscoveredMesh) -> Intent:
    """The intent with what it does not say, as the mesh has it; `found` names what that is."""
    plane: dict[str, Any] = dict(mesh.control_plane)
    if mesh.remote and mesh.provider.value == ISTIO_ONLY:
        plane["remote"] = mesh.remote.source
    values = {
        "provider": mesh.provider.value,
        "control_plane": plane,
        "members": mesh.namespaces,
        "operators": tuple(dict.fromkeys(row.package for row in mesh.operators)),
        "observability": tuple(row.name for row in mesh.tools),
    }
    missing: dict[str, Any] = {name: values[name] for name in FIELDS if getattr(intent, name) is None}
    if "provider" in missing:
        missing["unsure"] = mesh.provider.guessed
    if "members" in missing:
        missing["reads"] = mesh.reads
    if "observability" in missing:
        missing["places"] = {row.name: row.namespace for row in mesh.tools}
    return replace(intent, **missing, found=frozenset(missing) & frozenset(FIELDS))


def differences(intent: Intent, discovery: Discovery) -> Iterator[tuple[str, str]]:
    """Object and sentence for what an inventory says otherwise than the mesh. The inventory's word is taken all the same.

    Members, operators and tools are compared by checks of their own."""
    unsaid: dict[str, Any] = dict.fromkeys(intent.found)
    said = replace(intent, **unsaid)
    meshes = meshes_for(discovery, said)
    for mesh in meshes if len(meshes) == 1 else ():
        if said.provider and said.provider != mesh.provider.value and not mesh.provider.guessed:
            yield mesh.source, f"its provider is {mesh.provider.value} ({mesh.provider.source}), the inventory has {said.provider}"
        wanted = str((said.control_plane or {}).get("version") or "")
        if wanted and mesh.version and wanted != mesh.version.value:
            yield mesh.source, f"its version is {mesh.version.value}, the inventory has {wanted}"
