# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The variables of a mesh, each as it is worked out, for rules that look at several of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .._model.fields import section, sections
from .._model.members import Neighbour, namespaces_of

__all__ = ["MeshVariables"]


def _lasts(_path: str) -> str:
    return ""


@dataclass(frozen=True, repr=False)
class MeshVariables:
    """Without a repr: values may be secrets.

    values: those that are set, by name. broken: names of which another message says already that they cannot be used. roles: that are
    going to run. versions: what the roles take for the version of each generation. store: where an own CA is kept. lost: why what is
    written to a path is lost with the run, or nothing."""

    values: Mapping[str, Any]
    broken: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    plane_defaults: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    neighbours: Sequence[Neighbour] = ()
    store: str = ""
    lost: Callable[[str], str] = _lasts

    def map(self, name: str) -> Mapping[str, Any]:
        return section(self.values.get(name))

    def rows(self, name: str) -> list[Mapping[str, Any]]:
        return sections(self.values.get(name))

    def text(self, name: str) -> str:
        value = self.values.get(name)
        return "" if value is None else str(value)

    def has(self, name: str) -> bool:
        return self.values.get(name) is not None

    @property
    def provider(self) -> str:
        return self.text("mesh_provider")

    @property
    def generation(self) -> str:
        return "ossm2" if self.provider == "ossm2" else "ossm3"

    @property
    def home(self) -> str:
        """The namespace of the control plane."""
        return str(self.map("mesh_control_plane").get("namespace") or "")

    @property
    def knows_members(self) -> bool:
        """Whether mesh_domains is all: a playbook that only looks may be used without it."""
        return self.has("mesh_domains") or "membership" in self.roles

    @cached_property
    def members(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(str, namespaces_of(self.values.get("mesh_domains") or []))))

    @cached_property
    def domains(self) -> dict[str, tuple[str, ...]]:
        return {str(row.get("name")): tuple(map(str, row.get("namespaces") or ())) for row in self.rows("mesh_domains")}
