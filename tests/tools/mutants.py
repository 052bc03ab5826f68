# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutants of a file of Python: the same program with one thing changed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mutant", "mutants"]

_COMPARE = {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.In: ast.NotIn,
            ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}  # fmt: skip
_BINARY = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.RShift: ast.LShift, ast.Mult: ast.FloorDiv, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr}
_PAIRS = (("any", "all"), ("min", "max"), ("startswith", "endswith"), ("partition", "rpartition"), ("removeprefix", "removesuffix"))
_NAMES = {"fullmatch": "match", "sorted": "list"} | dict(_PAIRS) | {after: before for before, after in _PAIRS}
# Their texts are for people.
_SKIPPED_CALLS = {"tell", "Problem", "refused", "warned", "field", "MeshError", "ConfigError", "NotReady", "TypeVar", "lru_cache"}


@dataclass(frozen=True)
class Mutant:
    """function: the outermost one that the change is in, as Class.method; empty where it is in none. source: makes the program's text."""

    module: str
    line: int
    function: str
    before: str
    after: str
    source: Callable[[], str]

    @property
    def key(self) -> str:
        return f"{self.module}: {self.before} -> {self.after}"


def _statements(body: list[ast.stmt]) -> Iterator[tuple[list[ast.stmt], int]]:
    for index, statement in enumerate(body):
        yield body, index
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, name, []))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body)


def _expressions(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that decides something: no annotations, decorators, documentation or texts for people."""
    if isinstance(node, ast.JoinedStr | ast.Raise | ast.arg):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
        return
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _SKIPPED_CALLS:
            return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "keywords_"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _expressions(child)


def _changes(node: ast.AST) -> Iterator[tuple[str, object]]:
    """The ways to change one node, as (attribute, new value)."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARE:
        for number, operator in enumerate(node.ops):
            yield "ops", [_COMPARE[type(operator)]() if place == number else other for place, other in enumerate(node.ops)]
    elif isinstance(node, ast.BoolOp):
        yield "op", ast.Or() if isinstance(node.op, ast.And) else ast.And()
        for number in range(len(node.values)):
            yield "values", node.values[:number] + node.values[number + 1 :]
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        yield "op", _BINARY[type(node.op)]()
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        yield "test", ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(node, ast.comprehension):
        for number in range(len(node.ifs)):
            yield "ifs", node.ifs[:number] + node.ifs[number + 1 :]
    elif isinstance(node, ast.Return) and node.value is not None and ast.unparse(node.value) != "None":
        yield "value", ast.Constant(None)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "op", ast.UAdd()  # +True is 1: as if the `not` were not there
    elif isinstance(node, ast.Name) and node.id in _NAMES:
        yield "id", _NAMES[node.id]
    elif isinstance(node, ast.Attribute) and node.attr in _NAMES:
        yield "attr", _NAMES[node.attr]
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield "value", not node.value
        elif isinstance(node.value, int):
            yield "value", node.value + 1
        elif isinstance(node.value, str) and " " not in node.value:
            yield "value", node.value + "X"


def mutants(path: Path) -> Iterator[Mutant]:
    """Every mutant of a file. The one tree is changed for a moment only: to name a mutant, and to write its text."""
    text = path.read_text(encoding="utf-8")
    tree, lines = ast.parse(text), text.splitlines()
    spans = list(_functions(tree.body))

    def found(node: ast.AST, line: int, set_to: Callable[[], Callable[[], None]], after: Callable[[], str]) -> Mutant:
        def source() -> str:
            undo = set_to()
            try:
                return ast.unparse(ast.fix_missing_locations(tree))
            finally:
                undo()

        before = f"{lines[line - 1].strip()} [{_brief(node)}"
        undo = set_to()
        changed = after()
        undo()
        function = next((name for name, first, last in spans if first <= line <= last), "")
        return Mutant(path.stem, line, function, before, f"{changed}]", source)

    for node in list(_expressions(tree)):
        for name, value in list(_changes(node)):
            line = getattr(node, "lineno", getattr(getattr(node, "target", None), "lineno", 1))
            yield found(node, line, _setter(node, name, value), lambda node=node: _brief(node))
    for body, index in list(_statements(tree.body)):
        statement = body[index]
        called = statement.value.func if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) else None
        if isinstance(statement, ast.AugAssign | ast.Continue) or (called and getattr(called, "attr", "") not in _SKIPPED_CALLS):
            yield found(statement, statement.lineno, _remover(body, index), lambda: "pass")


def _setter(node: ast.AST, name: str, value: object) -> Callable[[], Callable[[], None]]:
    def set_to() -> Callable[[], None]:
        kept = getattr(node, name)
        setattr(node, name, value)
        return lambda: setattr(node, name, kept)

    return set_to


def _remover(body: list[ast.stmt], index: int) -> Callable[[], Callable[[], None]]:
    def set_to() -> Callable[[], None]:
        kept = body[index]
        body[index] = ast.copy_location(ast.Pass(), kept)
        return lambda: body.__setitem__(index, kept)

    return set_to


def _functions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, int, int]]:
    """Each outermost function with its first and last line. What stands in its head is made when the file is read, so it is not in it."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{node.name}", node.body[0].lineno, node.end_lineno or node.lineno
        elif isinstance(node, ast.If | ast.Try):
            parts = [node.body, node.orelse, *([node.finalbody, *(one.body for one in node.handlers)] if isinstance(node, ast.Try) else [])]
            for part in parts:
                yield from _functions(part, prefix)


def _brief(node: ast.AST) -> str:
    return (ast.unparse(node).strip().splitlines() or [""])[0][:120]
