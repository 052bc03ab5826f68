# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""mesh_personas, of the bindings that the role personas has made."""

from __future__ import annotations

from collections.abc import Iterable

from .._model.fields import sections
from .._model.kinds import ROLE_BINDING, Kind
from .._model.objects import counts_as_ours
from .._model.view import Obj, View
from .rest import Unsaid

__all__ = ["CLUSTER_ROLE_BINDING", "personas_of"]

CLUSTER_ROLE_BINDING = Kind("rbac.authorization.k8s.io", "ClusterRoleBinding")
_KINDS = ("User", "Group")
Person = tuple[str, str]  # kind and name


def personas_of(view: View, mesh: str, namespace: str, notes: list[Unsaid]) -> list[dict[str, object]]:
    """Who has which role where; an operator has it in all namespaces that any operator has."""
    admins = _subjects(_ours(view.of(CLUSTER_ROLE_BINDING), mesh, "cluster-admin"))
    operators = _ours(view.of(ROLE_BINDING), mesh, "mesh-operator")
    found = [_persona(who, "cluster_admin") for who in admins]
    found += [_persona(who, "mesh_operator", [row.namespace for row in operators]) for who in _subjects(operators)]
    order = _subjects(_ours(view.of(ROLE_BINDING), mesh, "mesh-observer"))
    for role in ("mesh-developer", "mesh-application-viewer"):
        rows = _ours(view.of(ROLE_BINDING), mesh, role)
        for who in [*(one for one in order if one in _subjects(rows)), *(one for one in _subjects(rows) if one not in order)]:
            places = [row.namespace for row in rows if who in _subjects([row])]
            found.append(_persona(who, role.replace("-", "_"), places))
    named = {(str(row["kind"]), str(row["name"])) for row in found}
    notes += [
        Unsaid(f"RoleBinding {namespace}/{mesh}-mesh-observer", f"{kind} {name} sees the control plane and has no role in a member")
        for kind, name in order
        if (kind, name) not in named
    ]
    return found


def _ours(rows: Iterable[Obj], mesh: str, role: str) -> list[Obj]:
    return sorted((row for row in rows if row.name == f"{mesh}-{role}" and counts_as_ours(row.raw, mesh)), key=lambda row: row.namespace)


def _subjects(rows: Iterable[Obj]) -> list[Person]:
    """Each of them once, in the order in which they are bound."""
    people = [(str(one.get("kind")), str(one.get("name"))) for row in rows for one in sections(row.at("subjects"))]
    return list(dict.fromkeys(who for who in people if who[0] in _KINDS))


def _persona(who: Person, role: str, namespaces: list[str] | None = None) -> dict[str, object]:
    return {"name": who[1], "kind": who[0], "role": role, **({"namespaces": namespaces} if namespaces else {})}
