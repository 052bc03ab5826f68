# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mesh_intent: all variables of a mesh at once, on the control node, before anything changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.meshops.mesh.plugins.module_utils._model.lasting import lost_here
from ansible_collections.meshops.mesh.plugins.module_utils._model.members import Neighbour
from ansible_collections.meshops.mesh.plugins.module_utils._model.variables import check_names, check_value, misspelt, unread
from ansible_collections.meshops.mesh.plugins.module_utils._preflight import MeshVariables, notes, refusals
from ansible_collections.meshops.mesh.plugins.module_utils._text import joined, shown_line
from ansible_collections.meshops.mesh.plugins.plugin_utils.host_pattern import chosen
from ansible_collections.meshops.mesh.plugins.plugin_utils.hosts import api_of, neighbours_of
from ansible_collections.meshops.mesh.plugins.plugin_utils.places import with_place
from ansible_collections.meshops.mesh.plugins.plugin_utils.role_options import (
    KNOWN_VARIABLES,
    OF_PLAYBOOKS,
    PLANE_DEFAULTS,
    PUBLIC,
    RoleOption,
    default_of,
    options_of,
)

_OURS = re.compile(r"\bmesh_\w+")
_UNDEFINED = re.compile(r"'([A-Za-z_]\w*)' is undefined")
_VERSIONS = {"ossm2": "control_plane_ossm2_version", "ossm3": "control_plane_ossm3_version"}


def _chain(error: BaseException | None) -> str:
    texts = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__
    # what follows is the template's own text, which may have a secret beside it
    return re.split(r"\bString: |\bOrigin: ", " ".join(" ".join(texts).split()))[0]


class ActionModule(ActionBase):
    """The action plugin."""

    _requires_connection = False
    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"roles", "state"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fails with every problem at once."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        found = task_vars or {}
        self._values: dict[str, Any] = {}
        self._broken: set[str] = set()
        self._wrong: set[str] = set()  # broken, and a problem says why
        self._derived: dict[str, set[str]] = {}  # a problem, and the variables that its value is made of
        # the inventory makes paths of it, and its lookups write files when other values are worked out
        problems = self._name_of_the_mesh(found)
        hints: list[str] = []
        if not problems:
            problems += self._shapes(found)
            # what cannot be worked out of a wrong variable is no mistake of its own
            problems = [text for text in problems if not self._derived.get(text, set()) & self._wrong]
            problems += check_names(self._values)
            if self._task.args.get("state", "present") == "present":
                given = self._given(found)
                problems, hints = [*problems, *refusals(given)], notes(given)
        problems += self._hosts(found)
        named = {name for name in found if name.startswith("mesh_")}
        problems += misspelt(named, KNOWN_VARIABLES)
        hints += unread(named, KNOWN_VARIABLES, set(load_extra_vars(self._loader)))
        problems = list(dict.fromkeys(problems))
        if problems:
            lines = joined(f"- {with_place(found, text)}" for text in problems)
            result.update(
                failed=True,
                msg=f"cluster {shown_line(found.get('inventory_hostname'))}: these variables cannot be used; "
                f"nothing was changed. Correct them in the inventory (or -e) and run again:\n{lines}",
            )
        if hints:
            result["warnings"] = [f"{shown_line(found.get('inventory_hostname'))}: {with_place(found, text)}" for text in hints]
        return {**result, "changed": False, "checked": len(self._values)}

    def _hosts(self, found: dict[str, Any]) -> list[str]:
        """Hosts are chosen before any variable of the inventory is read: one that is set there chooses nobody, so the run goes too far."""
        if "mesh_hosts" not in found:
            return []
        pattern, host = self._templar.template(found["mesh_hosts"]), str(found.get("inventory_hostname"))
        if chosen(pattern, found.get("groups") or {}, host):
            return []
        return [
            "mesh_hosts: is read before the variables of the inventory, and has not chosen this host; give it with -e, and take it out here"
        ]

    def _name_of_the_mesh(self, found: dict[str, Any]) -> list[str]:
        if "mesh_name" not in found:
            return []
        try:
            value = self._templar.template(found["mesh_name"])
        except AnsibleError as error:
            return [f"mesh_name: its value cannot be worked out: {_chain(error)[:300]}"]
        return check_names({"mesh_name": value})

    def _shapes(self, found: dict[str, Any]) -> Iterator[str]:
        """Types and unknown keys; the values are kept."""
        roles = self._task.args.get("roles") or []
        for option in options_of(roles, found):
            yield from self._check(option, found, needed=True)
        for option in options_of((role for role in PUBLIC if role not in roles), found):
            if option.name in found:
                yield from self._check(option, found, needed=False)
        for name, spec in OF_PLAYBOOKS.items():
            if name in found and name not in self._values:
                yield from self._check(RoleOption(name, name, found[name], spec), found, needed=False)

    def _check(self, option: RoleOption, found: dict[str, Any], *, needed: bool) -> list[str]:
        """The problems of one option. What nobody needs in this run may be made of what only another run has."""
        name = option.name
        # several roles read the same variable: it is worked out once
        known = name == option.variable and name in self._values and name in found
        try:
            value = self._values[name] if known else self._templar.template(option.raw)
            problems = check_value(option.spec, value, name)
        except AnsibleError as error:
            self._broken.add(option.variable)
            if not needed:
                return []
            missing = _UNDEFINED.search(_chain(error))
            if missing and missing[1] not in found and missing[1].startswith("mesh_"):
                also = f" ({name} needs it)" if name.startswith("mesh_") and name != missing[1] else ""
                return [f"{missing[1]}: is not set{also}; set it in group_vars of the mesh"]
            problem = f"{name}: its value cannot be worked out: {missing[1] + ' is not set' if missing else _chain(error)[:300]}"
            self._derived[problem] = set(_OURS.findall(str(option.raw))) - {option.variable}
            return [problem]
        self._values[option.variable] = value
        if problems:
            self._broken.add(option.variable)
            self._wrong.add(option.variable)
        return problems

    def _given(self, found: dict[str, Any]) -> MeshVariables:
        """For what is seen across variables only."""
        roles = frozenset(self._task.args.get("roles") or [])
        values = {name: value for name, value in self._values.items() if name not in self._broken}
        return MeshVariables(
            values=values,
            broken=frozenset(self._broken),
            roles=roles,
            plane_defaults=PLANE_DEFAULTS,
            versions={generation: self._default("control_plane", option) for generation, option in _VERSIONS.items()},
            host=str(found.get("inventory_hostname")),
            neighbours=tuple(self._neighbours(found)) if "membership" in roles else (),
            store=str(values.get("mesh_certificates_store") or self._default("certificates", "certificates_store")),
            lost=lost_here,
        )

    def _default(self, role: str, option: str) -> str:
        try:
            return str(self._templar.template(default_of(role, option)))
        except AnsibleError:
            return ""  # it depends on what another message names

    @staticmethod
    def _neighbours(found: dict[str, Any]) -> Iterator[Neighbour]:
        """Other meshes of the same API."""
        hostvars, own = found.get("hostvars") or {}, str(found.get("inventory_hostname"))
        return neighbours_of(hostvars, own, (found.get("groups") or {}).get("all") or [], api_of(hostvars, own))
