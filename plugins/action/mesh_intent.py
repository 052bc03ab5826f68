# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mesh_intent: all variables of a mesh at once, on the control node, before anything changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase
from ansible_collections.meshops.mesh.plugins.module_utils._model.packages import tracing_problems
from ansible_collections.meshops.mesh.plugins.module_utils._model.variables import check_names, check_value, misspelt
from ansible_collections.meshops.mesh.plugins.module_utils._text import joined, shown_line

try:
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19 every text may be a template

    def trust_as_template(value: str) -> str:  # type: ignore[misc]
        """As it is."""
        return value


COLLECTION = Path(__file__).resolve().parents[2]
_OURS = re.compile(r"\bmesh_\w+")
_UNDEFINED = re.compile(r"'([A-Za-z_]\w*)' is undefined")


@dataclass(frozen=True)
class _Option:
    """An option of a role, under the name of the variable that people set."""

    name: str
    raw: Any  # not templated yet
    spec: dict[str, Any]


def _read(path: Path) -> Any:
    return yaml_load(path.read_text(encoding="utf-8")) if path.is_file() else None


def _known() -> set[str]:
    """Every variable that a role or playbook reads."""
    folders = [*(COLLECTION / "roles").glob("*/*/*"), *(COLLECTION / "playbooks").glob("*.yml")]
    return {name for path in folders if path.is_file() for name in _OURS.findall(path.read_text(encoding="utf-8"))}


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
        problems: list[str] = []
        values: dict[str, Any] = {}
        # the inventory makes paths of it, and its lookups write files when other values are worked out
        problems += self._name_of_the_mesh(found)
        for role in [] if problems else self._task.args.get("roles") or []:
            for option in self._options(role, found):
                problems += self._check(option, values, found)
        problems += check_names(values)
        problems += self._tracing(values) if self._task.args.get("state", "present") == "present" else []
        problems += misspelt((name for name in found if name.startswith("mesh_")), _known())
        problems = list(dict.fromkeys(problems))
        if problems:
            lines = joined(f"- {text}" for text in problems)
            result.update(
                failed=True,
                msg=f"cluster {shown_line(found.get('inventory_hostname'))}: these variables cannot be used; "
                f"nothing was changed. Correct them in the inventory (or -e) and run again:\n{lines}",
            )
        return {**result, "changed": False, "checked": len(values)}

    def _name_of_the_mesh(self, found: dict[str, Any]) -> list[str]:
        if "mesh_name" not in found:
            return []
        try:
            value = self._templar.template(found["mesh_name"])
        except AnsibleError as error:
            return [f"mesh_name: its value cannot be worked out: {_chain(error)[:300]}"]
        return check_names({"mesh_name": value})

    @staticmethod
    def _tracing(values: dict[str, Any]) -> list[str]:
        """What of tracing does not fit together: that is seen across variables only."""
        provider, parts = values.get("operators_generation") or values.get("mesh_provider"), ("mesh_control_plane", "mesh_observability")
        # A playbook that looks at one of them only cannot tell what the other has.
        known = all(name in values and isinstance(values[name], dict | None) for name in parts)
        if not provider or not known:
            return []
        return tracing_problems(str(provider), *(values.get(name) for name in parts))

    @staticmethod
    def _options(role: str, found: dict[str, Any]) -> Iterator[_Option]:
        """What is set: by the user as a role's own option, or by a variable of the mesh that the role's default reads."""
        folder = COLLECTION / "roles" / role
        specs = _read(folder / "meta" / "argument_specs.yml")
        if specs is None:
            raise AnsibleError(f"mesh_intent: the collection has no role {role} with argument specs")
        defaults = _read(folder / "defaults" / "main.yml") or {}
        for option, spec in (specs["argument_specs"]["main"].get("options") or {}).items():
            default = defaults.get(option)
            # roles of the play show their defaults to every task: only another value is somebody's own
            if option in found and found[option] != default:
                yield _Option(option, found[option], spec)
                continue
            text = default if isinstance(default, str) else ""
            ours = _OURS.search(text)
            if ours and (ours[0] in found or "default(" not in text):
                # an expression around the variable is the role's matter, the variable itself is the user's
                plain = re.fullmatch(r"\{\{ (mesh_\w+)( \| default\(.*\))? \}\}", text)
                yield _Option(ours[0] if plain else option, trust_as_template(text), spec)

    def _check(self, option: _Option, values: dict[str, Any], found: dict[str, Any]) -> list[str]:
        """The problems of one option; its value is kept in values."""
        name = option.name
        values.setdefault(name, None)
        try:
            value = self._templar.template(option.raw)
            problems = check_value(option.spec, value, name)
        except AnsibleError as error:
            missing = _UNDEFINED.search(_chain(error))
            if missing and missing[1] not in found and missing[1].startswith("mesh_"):
                needed = f" ({name} needs it)" if name.startswith("mesh_") and name != missing[1] else ""
                return [f"{missing[1]}: is not set{needed}; set it in group_vars of the mesh"]
            return [f"{name}: its value cannot be worked out: {missing[1] + ' is not set' if missing else _chain(error)[:300]}"]
        values[name] = value
        return problems
