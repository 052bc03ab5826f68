# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The files of an inventory: hosts.yml, and the variables of the mesh in group_vars, as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import ConfigError
from .._model.names import LABEL
from .._model.yaml_writer import dumped
from .._text import shown_line

__all__ = ["GROUP", "Inventory", "next_steps", "render"]

GROUP = "mesh"
_FLOW = 110  # characters of a line
# What a variable is, beside its name, and the order in which people read them.
_ABOUT: Mapping[str, str] = {
    "mesh_name": "",
    "mesh_provider": "ossm2 is OpenShift Service Mesh 2, ossm3 is 3, sail is upstream's operator",
    "mesh_ossm2_version": "",
    "mesh_ossm3_version": "",
    "mesh_openshift": "",
    "mesh_routes": "whether gateways and consoles get Routes of OpenShift",
    "mesh_operators_provider": "none: somebody else installs the operators; olm subscribes",
    "mesh_operators_approval": "",
    "mesh_operators_channels": "",
    "mesh_operators_versions": "",
    "mesh_operators_extra": "",
    "mesh_control_plane": "",
    "mesh_membership_style": "",
    "mesh_domains": "the teams, each with its namespaces",
    "mesh_personas": "who may do what",
    "mesh_observability": "",
    "mesh_gateways": "what is exposed",
    "mesh_mtls": "what is exempted from mutual TLS",
    "mesh_workloads": "",
}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Inventory:
    """connection: mesh_kubeconfig and mesh_context, where they were given. notes: what the variables do not say."""

    host: str
    variables: Mapping[str, Any]
    connection: Mapping[str, Any]
    living: bool = False  # read from a mesh that is there
    notes: Sequence[str] = ()


def render(inventory: Inventory) -> dict[str, str]:
    """Path in the inventory's folder to content. Raises ConfigError where the host cannot be called so."""
    if not _NAME.fullmatch(inventory.host):
        raise ConfigError(
            f"{inventory.host!r} cannot be a host of an inventory, expected letters, digits, '_', '.' and '-'; name another one"
        )
    if not LABEL.fullmatch(str(inventory.variables.get("mesh_name", ""))):
        raise ConfigError(f"mesh_name is {inventory.variables.get('mesh_name')!r}, expected lower case letters, digits and '-', at most 63")
    return {"hosts.yml": _hosts(inventory), f"group_vars/{GROUP}.yml": _variables(inventory)}


def next_steps(folder: str, inventory: Inventory, *, new: bool, check_mode: bool) -> list[str]:
    """What people read at the end."""
    run = f"ansible-playbook meshops.mesh.install_mesh -i {folder}"
    state = "would be written to" if check_mode and new else "is in" if new else "was there already, with the same content, in"
    lines = ["", f"The inventory of mesh {inventory.variables['mesh_name']} {state} {folder}."]
    if inventory.living:
        lines.append(f"Next, see what it would change: {run} --check --diff")
    else:
        lines += [f"Next, see what it would do: {run} -e mesh_target=plan", f"and do it:                   {run}"]
    if inventory.notes:
        lines += [
            "",
            "What its variables do not say, or say in another way (it is in group_vars as well):",
            *(f"- {line}" for line in inventory.notes),
        ]
    return lines


def _hosts(inventory: Inventory) -> str:
    where = "" if inventory.connection else "  # the cluster of K8S_AUTH_* or of the kubeconfig's current context"
    host = _dump({inventory.host: dict(inventory.connection)}).rstrip("\n")
    lines = [f"# A host is a cluster; what its mesh is like is said in group_vars/{GROUP}.yml.", f"{GROUP}:", "  hosts:"]
    return "\n".join([*lines, *(f"    {line}" for line in host.split("\n"))]) + where + "\n"


def _variables(inventory: Inventory) -> str:
    living = "What a living mesh corresponds to, as init_inventory read it. Secrets are not read, so mesh_certificates_* is not among it."
    head = [f"# {living if inventory.living else 'Written by init_inventory.'}"]
    if inventory.notes:
        head += ["#", "# What these variables do not say, or say in another way:", *(f"#  - {line}" for line in inventory.notes)]
    names = [*(name for name in _ABOUT if name in inventory.variables), *(name for name in inventory.variables if name not in _ABOUT)]
    text = "\n".join([*map(shown_line, head), "---", ""])
    for name in names:
        block = _block(name, inventory.variables[name])
        text += block if block.count("\n") == 1 else f"\n{block}"
    return text


def _block(name: str, value: Any) -> str:
    """A variable, with what it is behind its first line."""
    first, _newline, rest = _dump({name: value}).partition("\n")
    about = _ABOUT.get(name)
    return f"{first}  # {about}\n{rest}" if about else f"{first}\n{rest}"


def _dump(value: Mapping[str, Any]) -> str:
    """Short maps on one line, as in the examples; the rest as blocks."""
    return "".join(_lines(value, 0))


def _lines(value: Mapping[str, Any], depth: int) -> Iterable[str]:
    for key, item in value.items():
        yield from _entry(f"{'  ' * depth}{_flow(str(key))}:", item, depth)


def _entry(start: str, item: Any, depth: int) -> Iterable[str]:
    line = f"{start} {_flow(item)}"
    short = len(line) <= _FLOW and "\n" not in line
    if isinstance(item, Mapping) and item and not (short and depth):
        yield f"{start}\n"
        yield from _lines(item, depth + 1)
    elif isinstance(item, (list, tuple)) and any(isinstance(one, (Mapping, list, tuple)) for one in item):
        yield f"{start}\n"
        for one in item:
            yield from _item(one, depth + 1)
    elif isinstance(item, (list, tuple)) and not short:
        yield f"{start}\n"
        yield from (f"{'  ' * (depth + 1)}- {_flow(one)}\n" for one in item)
    else:
        yield f"{line}\n"


def _item(one: Any, depth: int) -> Iterable[str]:
    line = f"{'  ' * depth}- {_flow(one)}"
    if not isinstance(one, Mapping) or not one or len(line) <= _FLOW:
        yield f"{line}\n"
        return
    first, *rest = _lines(one, depth + 1)
    yield f"{'  ' * depth}- {first.lstrip(' ')}"
    yield from rest


def _flow(value: Any) -> str:
    """One line of YAML."""
    text = dumped(value, flow=True)
    return text.removesuffix("\n").removesuffix("\n...")
