#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection's own texts refer to: modules, playbooks, roles, variables and pages in messages, hints and remedies.

Texts are the sentences in the Python of plugins and in the values of roles' and playbooks' YAML; documentation is looked at by links.py."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Text", "of_python", "of_yaml", "texts", "uncounted", "unknown"]

ROOT = Path(__file__).resolve().parents[2]
_DOCUMENTS = ("DOCUMENTATION", "EXAMPLES", "RETURN")
NAME = re.compile(r"\bmeshops\.mesh\.([a-z]\w*)")
VARIABLE = re.compile(r"(?<![\w./$-])(mesh_[a-z0-9_]*[a-z0-9])\b(?![./]\w)")
PLAYBOOK = re.compile(r"\bplaybooks? (?:meshops\.mesh\.)?([a-z]+_[a-z_]+)\b")
ROLE = re.compile(r"\broles? meshops\.mesh\.([a-z_]+)\b")
PAGE = re.compile(r"\bdocs/[\w./-]*\w")
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_HOLE = "\0"  # in place of what an f-string fills in
# A number and a plural that no counted() made: {len(pods)} pods. The words that are the same for one are left out.
_VERBS = frozenset({"names", "needs", "does", "this"})
_PLURAL = re.compile(r"\A (?:(?:more|other|further|of its|observed|closed|own) )?([a-z]{2,}(?:ies|[^us\W]s))\b")


class Text(str):
    """A text with its place."""

    where: str

    def __new__(cls, value: str, where: str) -> Text:
        made = super().__new__(cls, value)
        made.where = where
        return made


def of_python(path: Path, root: Path = ROOT) -> Iterator[Text]:
    """The sentences of a file: constants and f-strings that have a blank, without docstrings and documentation."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    documents = {id(node.value) for node in assigned if any(isinstance(one, ast.Name) and one.id in _DOCUMENTS for one in node.targets)}
    for node in ast.walk(tree):
        if id(node) in inside | said | documents:
            continue
        if isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else _HOLE for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if " " in text.strip():
            yield Text(text, f"{path.relative_to(root)}:{node.lineno}")


def of_yaml(path: Path, root: Path = ROOT) -> Iterator[Text]:
    """The sentences that tasks say: values of msg, fail_msg, success_msg and lines, and the comments at the head of a playbook."""
    text = path.read_text(encoding="utf-8")
    where = str(path.relative_to(root))
    for line in text.split("\n"):
        if line.startswith("#"):
            yield Text(line, where)

    def walk(value: Any) -> Iterator[Text]:
        if isinstance(value, dict):
            for key, item in value.items():
                if key in ("msg", "fail_msg", "success_msg", "lines") and isinstance(item, str):
                    yield Text(_JINJA.sub(_HOLE, item), where)
                else:
                    yield from walk(item)
        elif isinstance(value, list):
            for item in value:
                yield from walk(item)

    yield from walk(yaml.safe_load(text))


def texts(root: Path = ROOT) -> Iterator[Text]:
    """All of them."""
    for path in sorted(root.glob("plugins/**/*.py")):
        yield from of_python(path, root)
    for path in sorted([*root.glob("playbooks/*.yml"), *root.glob("roles/*/tasks/**/*.yml")]):
        yield from of_yaml(path, root)


def unknown(text: str, *, names: set[str], playbooks: set[str], roles: set[str], variables: set[str], root: Path = ROOT) -> list[str]:
    """What a text names and is not there."""
    found = [f"meshops.mesh.{name}" for name in NAME.findall(text) if name not in names]
    found += [f"playbook {name}" for name in PLAYBOOK.findall(text) if name not in playbooks]
    found += [f"role {name}" for name in ROLE.findall(text) if name not in roles]
    found += [name for name in VARIABLE.findall(text) if name not in variables | names]
    return found + [name for name in PAGE.findall(text) if not (root / name).exists()]


def uncounted(path: Path, root: Path = ROOT) -> Iterator[str]:
    """Places where a number comes before a plural, whatever the number is: `{len(pods)} pods` says 1 pods."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for here, after in zip(node.values, node.values[1:], strict=False) if isinstance(node, ast.JoinedStr) else ():
            match = _PLURAL.match(after.value) if isinstance(after, ast.Constant) else None
            if match and match[1] not in _VERBS and isinstance(here, ast.FormattedValue) and _is_number(here):
                yield f"{path.relative_to(root)}:{node.lineno}: {ast.unparse(here.value)} {match[1]}"


def _is_number(part: ast.FormattedValue) -> bool:
    """A length, a sum or a count, by its form or its name; not a number with a unit and a format of its own."""
    value = part.value
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in ("len", "sum")
    if isinstance(value, ast.BinOp):
        return any(_is_number(ast.FormattedValue(side, -1, None)) for side in (value.left, value.right))
    last = value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""
    return last in ("count", "number", "total", "pods", "replicas", "workloads", "namespaces") and part.format_spec is None
