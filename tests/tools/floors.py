#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who of module_utils may import whom: prints the packages by floor, with arrows up and circles; fails where there is one.

    python tests/tools/floors.py

A package imports of the floors below its own only, no file takes part in a circle, no name with an underscore crosses a file, and no two
classes have one name."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["FLOORS", "arrows_up", "circles", "imports_of", "private_names", "shared_class_names", "unknown_packages"]

ROOT = Path(__file__).resolve().parents[2] / "plugins" / "module_utils"

# From the ground up; what a floor is for, and its packages.
FLOORS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("text for people", ("_text",)),
    ("errors", ("_errors",)),
    ("the read model: objects, what they mean, and what a mesh should be", ("_model",)),
    ("API servers; the engine of checks; rollouts", ("_kube", "_checks", "_rollout")),
    ("features, each with its rows in checks.py", (
        "_authorization", "_canary", "_certificates", "_cluster", "_control_plane", "_gateways", "_isolation", "_membership", "_migration",
        "_module", "_multicluster",
        "_observability", "_olm", "_personas", "_routing", "_workloads")),
    ("features that join others", ("_access", "_traffic", "_upgrade")),
    ("who would lose what, of what was seen and where it goes", ("_egress",)),
    ("what meshes a source has, without an inventory", ("_discovery",)),
    ("the inventory that one of them corresponds to", ("_inventory",)),
    ("all checks together, and what modules ask of them", ("_catalogue", "_inputs")),
    ("what the inventory alone refuses", ("_preflight",)),
    ("rights, which follow from what checks read", ("_rights",)),
    ("what modules do: one command for each", ("_commands",)),
)  # fmt: skip

Import = tuple[str, str, str]  # importing file, imported file, name: dotted, relative to module_utils


def _dotted(path: Path, root: Path = ROOT) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


@dataclass(frozen=True)
class _Source:
    """What of a file matters here. of_types_only: lines of imports that only type checkers see."""

    imports: tuple[ast.ImportFrom, ...]
    of_types_only: frozenset[int]
    classes: tuple[str, ...]


@cache  # five questions are asked of the same 400 files
def _read(text: str) -> _Source:
    nodes = list(ast.walk(ast.parse(text)))
    blocks = [node for node in nodes if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"]
    stand_ins = {child for node in nodes if isinstance(node, ast.ExceptHandler) for child in ast.walk(node)}
    return _Source(
        tuple(node for node in nodes if isinstance(node, ast.ImportFrom) and node.level),
        frozenset(child.lineno for block in blocks for child in ast.walk(block) if isinstance(child, ast.ImportFrom)),
        tuple(node.name for node in nodes if isinstance(node, ast.ClassDef) and node not in stand_ins),
    )


def imports_of(root: Path = ROOT, *, types: bool = True) -> Iterator[Import]:
    """Each import within module_utils, also those inside of functions. types: with what only type checkers see."""
    files = {_dotted(path, root): path for path in sorted(root.rglob("*.py"))}
    for name, path in files.items():
        read = _read(path.read_text(encoding="utf-8"))
        package = name.split(".")[:-1] if path.name != "__init__.py" else name.split(".")
        for node in read.imports:
            if not types and node.lineno in read.of_types_only:
                continue
            base = [*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                module = ".".join([*base, alias.name])
                yield name, module if module in files else ".".join(base), alias.name


def _floor_of() -> Mapping[str, int]:
    return {package: number for number, (_what, packages) in enumerate(FLOORS) for package in packages}


def _package(module: str) -> str:
    return module.partition(".")[0]


def unknown_packages() -> list[str]:
    """Packages that have no floor."""
    return sorted({_package(_dotted(path)) for path in ROOT.rglob("*.py")} - set(_floor_of()) - {""})


def arrows_up(root: Path = ROOT) -> list[Import]:
    """Imports of the same floor or of one above; within a package everything goes that is no circle."""
    floor = _floor_of()
    return [one for one in imports_of(root) for here, there in [(_package(one[0]), _package(one[1]))]
            if here != there and floor[here] <= floor[there]]  # fmt: skip


def circles(root: Path = ROOT) -> list[list[str]]:
    """Files that import each other, over whatever way (Tarjan's strongly connected components)."""
    graph: dict[str, set[str]] = {}
    for here, there, _name in imports_of(root, types=False):
        graph.setdefault(here, set()).add(there)
        graph.setdefault(there, set())
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(part) > 1 or node in graph[node]:
                found.append(sorted(part))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def private_names(root: Path = ROOT) -> list[Import]:
    """Names with an underscore that another file takes; packages and modules have one for who is outside of the collection."""
    modules = {_dotted(path, root) for path in root.rglob("*.py")} | {path.name for path in root.iterdir()}
    return [one for one in imports_of(root) if one[2].startswith("_") and one[2] not in modules and not one[1].endswith(f".{one[2]}")]


def shared_class_names(root: Path = ROOT) -> list[tuple[str, list[str]]]:
    """Names that more than one file gives to a class of its own: a reader takes them for one thing.

    What stands in for a library that is missing has the library's name."""
    files: dict[str, list[str]] = {}
    for path in sorted(root.rglob("*.py")):
        for name in _read(path.read_text(encoding="utf-8")).classes:
            files.setdefault(name, []).append(_dotted(path, root))
    return [(name, found) for name, found in sorted(files.items()) if len(found) > 1]


def main() -> int:
    """Prints the picture; 1 where something of it is wrong."""
    for number, (what, packages) in reversed(list(enumerate(FLOORS))):
        print(f"{number}  {what}\n     {'  '.join(packages)}")
    wrong = {"arrows up": [f"{here} -> {there} ({name})" for here, there, name in arrows_up()],
             "circles": [" -> ".join(part) for part in circles()],
             "packages without a floor": unknown_packages(),
             "private names across files": [f"{here} takes {name} of {there}" for here, there, name in private_names()],
             "class names with two meanings": [f"{name}: {', '.join(found)}" for name, found in shared_class_names()]}  # fmt: skip
    for title, rows in wrong.items():
        print(f"{len(rows)} {title}", *rows, sep="\n  ")
    return int(any(wrong.values()))


if __name__ == "__main__":
    sys.exit(main())
