# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What mesh_personas cannot mean: rights in namespaces where the role has none to give."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from .._model.fields import entries
from .._text import did_you_mean, quoted, shown

__all__ = ["persona_refusals"]

_IN_DOMAINS = ("mesh_developer", "mesh_application_viewer")


def persona_refusals(people: Sequence[Mapping[str, Any]], members: Collection[str]) -> list[str]:
    """A sentence for each thing that has to be refused. members: the namespaces of mesh_domains."""
    return [text for number, person in enumerate(people) for text in _of(person, f"mesh_personas[{number}]", members)]


def _of(person: Mapping[str, Any], where: str, members: Collection[str]) -> Iterator[str]:
    role, who = person.get("role"), f"{shown(person.get('name'))} is {shown(person.get('role'))}"
    if role in _IN_DOMAINS and person.get("namespaces") is None:
        yield f"{where}.namespaces: is missing; {who}, which gives rights in namespaces of mesh_domains: {_there(members)}"
    for number, name in enumerate(entries(person.get("namespaces"))):
        place = f"{where}.namespaces[{number}]"
        if role in _IN_DOMAINS and name not in members:
            yield f"{place}: {quoted(name)} is no namespace of mesh_domains, where {who}; {did_you_mean(name, members)}"
        elif role == "mesh_operator" and name in members:
            yield (
                f"{place}: {quoted(name)} belongs to a domain, and {who}: name namespaces of the control plane; "
                "in the domains a mesh operator has rights anyway"
            )


def _there(members: Collection[str]) -> str:
    return did_you_mean("", members)
