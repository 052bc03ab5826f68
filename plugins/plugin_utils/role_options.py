# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The variables of a mesh, as the roles' own argument specs and defaults say which there are and of what shape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.yaml import yaml_load

try:
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19 every text may be a template

    def trust_as_template(value: str) -> str:  # type: ignore[misc]
        """As it is."""
        return value


__all__ = ["KNOWN_VARIABLES", "OF_CHECKS", "OF_PLAYBOOKS", "PLANE_DEFAULTS", "PUBLIC", "RoleOption", "default_of", "options_of"]

ROLES = Path(__file__).resolve().parents[2] / "roles"
PLAYBOOKS = ROLES.parent / "playbooks"
# Every playbook looks at what these read. The others' variables hold secrets or are made by lookups that write: only who uses them works
# them out.
PUBLIC = (
    "access",
    "control_plane",
    "deliver",
    "egress",
    "gateways",
    "isolation",
    "membership",
    "multicluster",
    "observability",
    "operators",
    "personas",
    "traffic",
    "upgrade",
)

# Modules take these, which may be texts with commas between the codes.
OF_CHECKS = ("mesh_check_only", "mesh_check_categories")

# Of playbooks: what the check at the end of an installation is asked with, and what has no default that names it.
OF_PLAYBOOKS: dict[str, dict[str, Any]] = {
    **{name: {"type": "raw"} for name in OF_CHECKS},
    "mesh_check_fail_on": {"type": "str", "choices": ["error", "warning", "never"]},
    "mesh_check_source": {"type": "str", "choices": ["cluster", "snapshot", "manifests"]},
    "mesh_check_thresholds": {"type": "dict"},
    "mesh_check_unreadable": {"type": "str", "choices": ["warn", "fail"]},
    "mesh_check_wait_timeout": {"type": "float"},
    **{name: {"type": "raw"} for name in ("access_stages", "migration_only", "upgrade_hops", "upgrade_until")},
}

_OURS = re.compile(r"\bmesh_\w+")
_PLAIN = re.compile(r"\{\{ (mesh_\w+)( \| default\(.*\))? \}\}")
_KEY = re.compile(r"\{\{ \((mesh_\w+) \| default\(\{\}\)\)\.(\w+)( \| default\(.*\))? \}\}")


@dataclass(frozen=True)
class RoleOption:
    """An option of a role, under the name of the variable that people set. variable: the one of the mesh that it stands for, if any."""

    name: str
    variable: str
    raw: Any  # not templated yet
    spec: dict[str, Any]


def _read(path: Path) -> Any:
    return yaml_load(path.read_text(encoding="utf-8")) if path.is_file() else None


def _texts() -> Iterator[str]:
    for path in (*ROLES.glob("*/*/*"), *PLAYBOOKS.glob("*.yml")):
        if path.is_file():
            yield path.read_text(encoding="utf-8")


# Read once, when Ansible loads the action plugin, and so before it forks for each host and task.
_DEFAULTS: dict[str, dict[str, Any]] = {path.parents[1].name: _read(path) or {} for path in ROLES.glob("*/defaults/main.yml")}
_SPECS: dict[str, dict[str, Any]] = {
    path.parents[1].name: _read(path)["argument_specs"]["main"].get("options") or {} for path in ROLES.glob("*/meta/argument_specs.yml")
}
PLANE_DEFAULTS: dict[str, Any] = (_read(ROLES / "control_plane" / "vars" / "main.yml") or {})["__control_plane_defaults"]
# Those that some role reads as they are, and so has the spec of.
_WHOLE = frozenset(
    match[1] for rows in _DEFAULTS.values() for text in rows.values() if isinstance(text, str) and (match := _PLAIN.fullmatch(text))
)
# The others are read key by key, by one role or several: what each key is like, as the role says whose option has its name.
_PARTS: dict[str, dict[str, Any]] = {}
for _role, _rows in _DEFAULTS.items():
    for _option, _text in _rows.items():
        if isinstance(_text, str) and (_found := _KEY.fullmatch(_text)) and _found[1] not in _WHOLE:
            _keys, _spec = _PARTS.setdefault(_found[1], {}), _SPECS[_role].get(_option, {})
            _keys[_found[2]] = _spec if _option == f"{_role}_{_found[2]}" else _keys.get(_found[2], _spec)
KNOWN_VARIABLES = frozenset(name for text in _texts() for name in _OURS.findall(text))


def default_of(role: str, option: str) -> Any:
    """The default of an option, as a template."""
    value = _DEFAULTS[role].get(option)
    return trust_as_template(value) if isinstance(value, str) else value


def options_of(roles: Iterable[str], found: Mapping[str, Any]) -> Iterator[RoleOption]:
    """What is set, or has to be: by the user as a role's own option, or by a variable of the mesh that a role's default reads."""
    read: dict[str, None] = {}
    for role in roles:
        if role not in _SPECS:
            raise AnsibleError(f"mesh_intent: the collection has no role {role} with argument specs")
        defaults = _DEFAULTS.get(role, {})
        for option, spec in _SPECS[role].items():
            default = defaults.get(option)
            text = default if isinstance(default, str) else ""
            plain, key = _PLAIN.fullmatch(text), _KEY.fullmatch(text)
            # roles of the play show their defaults to every task: only another value is somebody's own
            if option in found and found[option] != default:
                yield RoleOption(option, plain[1] if plain else option, found[option], spec)
            elif key:
                read[key[1]] = None
            elif plain and plain[1] not in OF_CHECKS:
                if plain[1] in found or not plain[2]:
                    yield RoleOption(plain[1], plain[1], trust_as_template(text), spec)
            elif not plain:
                # an expression around a variable is the role's matter
                ours = _OURS.search(text)
                if ours and (ours[0] in found or "default(" not in text):
                    yield RoleOption(option, option, trust_as_template(text), spec)
    for variable in read:
        if variable in found and variable in _PARTS:
            yield RoleOption(variable, variable, found[variable], {"type": "dict", "options": _PARTS[variable]})
