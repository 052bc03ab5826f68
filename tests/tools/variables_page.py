# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/variables.md: every variable that an inventory, a survey or -e may set, with who reads it.

What a variable is follows from where it is read: a role's default hands it to an option of the role's argument spec, a task of a
playbook to an option of a module. variables.yml beside this file has an example of each, a description where nothing else has one, and
`required: false` where a role reads a variable only when it is set."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, TemplateSyntaxError, nodes
from role_readme import cell, code, description, rows

__all__ = ["Variable", "lacking", "names_in", "page", "taken_from", "variables"]

ROOT = Path(__file__).resolve().parents[2]
WORDS = Path(__file__).with_name("variables.yml")
NOTE = (
    "<!-- Written by tests/tools/make_docs.py from argument specs, modules, playbooks and tests/tools/variables.yml: run `make docs`. -->\n"
)
# Where a task or a play has bare expressions.
BARE = frozenset({"when", "that", "until", "failed_when", "changed_when"})
# What Ansible and the playbooks' own machinery know; all else that a playbook reads is somebody's to set.
OF_ANSIBLE = re.compile(r"(ansible_\w+|inventory_hostname|hostvars|groups|omit|lookup|item|q|query|undef|now|range|role_path|playbook_dir)")
HEADINGS = {
    "mesh_check_traffic_": "check_traffic",
    "mesh_check_": "check_mesh",
    "mesh_access_": "check_access, and the role access",
    "mesh_traffic_": "access_from_traffic",
    "mesh_outbound_": "check_outbound, and REGISTRY_ONLY in install_mesh",
    "mesh_rights_": "render_rights",
    "mesh_remove_": "remove_mesh",
    "mesh_operators": "Operators",
    "mesh_certificates_": "Certificates",
}
FIRST, RUN, SINGLE = "What a mesh is", "Where and how a run works", "Single playbooks"
RUNS = frozenset(
    {
        "mesh_adopt",
        "mesh_context",
        "mesh_force_conflicts",
        "mesh_hosts",
        "mesh_kubeconfig",
        "mesh_output",
        "mesh_output_style",
        "mesh_prune",
        "mesh_target",
    }
)
HEAD = """
Set them in the inventory (`group_vars` of the mesh, `host_vars` of a cluster), in a survey, or by `-e`. Playbooks that change something
refuse a name that looks misspelt. A role's own options, such as `upgrade_waves_limit`, are in the README of the role; their defaults are
these variables.
"""


@dataclass
class Variable:
    """What is known of one."""

    name: str
    roles: set[str] = field(default_factory=set)
    playbooks: set[str] = field(default_factory=set)
    specs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # by the option that it is handed to
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)  # keys of it that roles read one by one
    default: str = ""
    required: bool = False  # a role has no default for it
    said: dict[str, Any] = field(default_factory=dict)  # of variables.yml

    @property
    def spec(self) -> dict[str, Any]:
        """The fullest of what its readers say of it, or the one of an option with its own name; what variables.yml says goes before."""
        own = self.name.removeprefix("mesh_")

        def rank(named: tuple[str, dict[str, Any]]) -> tuple[int, bool, int]:
            return len(str(named[1].get("options") or "")), named[0].endswith(own), len(str(named[1].get("description", "")))

        best = {**max(self.specs, key=rank, default=("", {}))[1], **self.said}
        return {**best, "options": self.parts} if self.parts and not best.get("options") else best


@cache
def _environment() -> Environment:
    return Environment(autoescape=True)


def _parsed(text: str) -> nodes.Template | None:
    try:
        return _environment().parse(text)
    except TemplateSyntaxError:
        return None


def names_in(value: Any, bare: bool = False) -> set[str]:
    """The variables that a value of YAML reads by templates."""
    if isinstance(value, Mapping):
        return {name for key, item in value.items() for name in names_in(item, bare or key in BARE)}
    if isinstance(value, (list, tuple)):
        return {name for item in value for name in names_in(item, bare)}
    if not isinstance(value, str):
        return set()
    tree = _parsed(f"{{{{ {value} }}}}") if bare and "{{" not in value else _parsed(value)
    if tree is None:
        return set()
    found = list(tree.find_all(nodes.Name))
    return {name.name for name in found if name.ctx == "load"} - {name.name for name in found if name.ctx == "store"}


def taken_from(text: Any) -> tuple[str, str, str] | None:
    """`{{ mesh_x.key | default(D) }}` as (mesh_x, key, D as it is written); None for an expression that is more than that."""
    tree = _parsed(text) if isinstance(text, str) else None
    outputs = tree.body if tree else []
    if len(outputs) != 1 or not isinstance(outputs[0], nodes.Output) or len(outputs[0].nodes) != 1:
        return None
    node, default = outputs[0].nodes[0], ""
    if isinstance(node, nodes.Filter) and node.name == "default":
        node, default = node.node, _last_argument(str(text))
    key = ""
    if isinstance(node, nodes.Getattr):
        node, key = node.node, node.attr
        if isinstance(node, nodes.Filter) and node.name == "default":
            node = node.node
    return (node.name, key, default) if isinstance(node, nodes.Name) else None


def _last_argument(text: str) -> str:
    """What is between the last parentheses of an expression, as it is written."""
    inner = re.sub(r"[\s}-]*$", "", text)[:-1]
    depth = 0
    for place in range(len(inner) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(inner[place], 0)
        if depth < 0:
            return inner[place + 1 :]
    return ""


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None


@cache
def _options_of(module: str) -> dict[str, Any]:
    """What a module of ours documents of its options, with those of its fragments."""
    path = ROOT / "plugins" / "modules" / f"{module}.py"
    if not path.is_file():
        return {}
    documented = _constants(path).get("DOCUMENTATION", {})
    fragments = _constants(ROOT / "plugins" / "doc_fragments" / "options.py")
    found: dict[str, Any] = {}
    for name in documented.get("extends_documentation_fragment") or []:
        if name.startswith("meshops.mesh.options"):
            found |= fragments.get(name.removeprefix("meshops.mesh.options").strip(".").upper() or "DOCUMENTATION", {}).get("options") or {}
    own = documented.get("options") or {}
    return found | {name: {**found.get(name, {}), **option} for name, option in own.items()}


@cache
def _constants(path: Path) -> dict[str, dict[str, Any]]:
    """Texts of YAML that a file gives to names in capitals."""
    found: dict[str, dict[str, Any]] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id.isupper():
                    found[target.id] = yaml.safe_load(node.value.value) or {}
    return found


def _given(value: Any) -> Iterator[tuple[dict[str, Any], str, Any]]:
    """Each option that a task gives to a module of ours: what is documented of it, its name, the value."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, Mapping) and str(key).startswith("meshops.mesh."):
                documented = _options_of(str(key).removeprefix("meshops.mesh."))
                for option, given in item.items():
                    yield documented.get(str(option), {}), str(option), given
            else:
                yield from _given(item)
    elif isinstance(value, list):
        for item in value:
            yield from _given(item)


def _set_in(value: Any) -> set[str]:
    """Names that the playbook or role sets itself: vars, registered results, facts, loop variables."""
    found: set[str] = set()
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in ("register", "loop_var"):
                found.add(str(item))
            elif key in ("vars", "ansible.builtin.set_fact") and isinstance(item, Mapping):
                found |= set(map(str, item))
            found |= _set_in(item)
    elif isinstance(value, list):
        for item in value:
            found |= _set_in(item)
    return found


def _of_roles(found: dict[str, Variable]) -> tuple[set[str], dict[str, str]]:
    """Adds what roles read; returns the names that are their own, and by which variable an option is set."""
    options: set[str] = set()
    facts: set[str] = set()
    renamed: dict[str, str] = {}
    playbooks = tuple(f"{path.stem}_" for path in (ROOT / "playbooks").glob("*.yml"))
    for folder in sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir()):
        specs = (_yaml(folder / "meta" / "argument_specs.yml") or {}).get("argument_specs", {}).get("main", {}).get("options") or {}
        defaults = _yaml(folder / "defaults" / "main.yml") or {}
        files = [*folder.glob("tasks/*.yml"), *folder.glob("vars/*.yml")]
        options |= set(specs) | set(defaults)
        read = names_in(defaults) | {name for path in files for name in names_in(_yaml(path))}
        own = {name for path in files for name in _set_in(_yaml(path))}
        facts |= own
        for name in read - own - options:
            if name.startswith(("mesh_", *playbooks)):
                found.setdefault(name, Variable(name)).roles.add(folder.name)
        for option, text in defaults.items():
            taken = taken_from(text)
            if taken is None or taken[0] not in found:
                continue
            variable, spec = found[taken[0]], {key: value for key, value in specs.get(option, {}).items() if key != "default"}
            if taken[1]:
                variable.parts.setdefault(taken[1], {**spec, **({"default": yaml.safe_load(taken[2])} if _is_plain(taken[2]) else {})})
                continue
            variable.specs.append((option, spec))
            variable.required = variable.required or not taken[2]
            variable.default = variable.default or ("" if taken[2] == "omit" else taken[2])
            renamed.setdefault(option, variable.name)
    return options | facts, renamed


def _is_plain(text: str) -> bool:
    """A default that YAML reads as Jinja does."""
    return bool(re.fullmatch(r"'[^']*'|-?\d+(\.\d+)?|true|false|\[\]|\{\}", text))


def _of_playbooks(found: dict[str, Variable], taken_names: set[str]) -> None:
    for path in sorted((ROOT / "playbooks").glob("*.yml")):
        content = _yaml(path)
        own = _set_in(content)
        for name in names_in(content) - own - taken_names:
            if not OF_ANSIBLE.fullmatch(name) and not name.startswith(("travel_", "__")):
                found.setdefault(name, Variable(name)).playbooks.add(path.stem)
        handed = [
            (spec, option, taken) for spec, option, given in _given(content) for taken in [taken_from(given)] if taken and not taken[1]
        ]
        renamed = {option: taken[0] for _spec, option, taken in handed}
        for spec, option, taken in handed:
            if taken[0] in found:
                variable, written = found[taken[0]], "" if taken[2] == "omit" else taken[2]
                variable.specs.append((option, {key: _with_names(value, renamed) for key, value in spec.items() if key != "default"}))
                variable.default = variable.default or written or (code(spec["default"]).strip("`") if "default" in spec else "")


def _with_names(value: Any, renamed: Mapping[str, str]) -> Any:
    """Texts in which options have the names of the variables that they are set by."""
    if isinstance(value, Mapping):
        return {key: _with_names(item, renamed) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_names(item, renamed) for item in value]
    if not isinstance(value, str):
        return value
    return re.sub(r"\b([OC])\((\w+)", lambda found: f"{found[1]}({renamed.get(found[2], found[2])}", value)


def variables() -> dict[str, Variable]:
    """Every variable by its name."""
    found: dict[str, Variable] = {}
    taken_names, renamed = _of_roles(found)
    for variable in found.values():
        variable.specs = [(option, _with_names(spec, renamed)) for option, spec in variable.specs]
    _of_playbooks(found, taken_names)
    for name, said in (_yaml(WORDS) or {}).items():
        if name not in found:
            raise ValueError(f"{WORDS.relative_to(ROOT)}: {name}: no role and no playbook reads it, so take it out")
        found[name].said = said
        found[name].default = said.get("default", found[name].default)
    return dict(sorted(found.items()))


def _heading(name: str) -> str:
    if not name.startswith("mesh_"):
        return SINGLE
    return next((heading for beginning, heading in HEADINGS.items() if name.startswith(beginning)), RUN if name in RUNS else FIRST)


def _default(variable: Variable) -> str:
    """A default as one writes it; an expression stays one."""
    text = variable.default
    if variable.said.get("required", variable.required):
        return "none: required"
    if not text:
        return ""
    return code(yaml.safe_load(text)) if _is_plain(text) else f"`{text}`"


def _readers(variable: Variable) -> str:
    if "readers" in variable.said:
        return str(variable.said["readers"])
    roles = [f"[{name}](../roles/{name}/README.md)" for name in sorted(variable.roles)]
    named = (("role", roles), ("playbook", [f"`{name}`" for name in sorted(variable.playbooks)]))
    return "; ".join(f"{word}{'s' if len(names) > 1 else ''} {', '.join(names)}" for word, names in named if names)


def lacking(found: Iterable[Variable]) -> list[str]:
    """Variables of which the page cannot say what they are."""
    wanted = ("type", "description", "example")
    gaps = {variable.name: [word for word in wanted if word not in variable.spec] for variable in found}
    return [f"{name}: {WORDS.relative_to(ROOT)} has to say its {' and '.join(words)}" for name, words in gaps.items() if words]


def _row(variable: Variable) -> str:
    spec = variable.spec
    kind = f"{spec['type']} of {spec['elements']}" if "elements" in spec else spec["type"]
    name = f'<a id="{variable.name}"></a>`{variable.name}`<br>{description(spec)}'
    if spec.get("options"):
        name += f" [Keys](#keys-of-{variable.name})."
    fields = [name, kind, _default(variable), code(spec["example"]), _readers(variable)]
    return f"| {' | '.join(cell(text) for text in fields)} |"


def page(found: Iterable[Variable]) -> str:
    """The page; KeyError for a variable that has no type or no example."""
    groups: dict[str, list[Variable]] = {heading: [] for heading in (FIRST, RUN, *HEADINGS.values(), SINGLE)}
    for variable in found:
        groups[_heading(variable.name)].append(variable)
    head = ["| variable | type | default | example | read by |", "|---|---|---|---|---|"]
    keys = ["| key | type | default | required | description |", "|---|---|---|---|---|"]
    parts = [f"# Variables\n\n{NOTE}{HEAD}"]
    for heading, group in groups.items():
        if not group:
            continue
        parts.append(f"## {heading}\n\n" + "\n".join([*head, *map(_row, group)]) + "\n")
        for variable in group:
            if variable.spec.get("options"):
                parts.append(f"### Keys of {variable.name}\n\n" + "\n".join([*keys, *rows(variable.spec["options"])]) + "\n")
    return "\n".join(parts)
