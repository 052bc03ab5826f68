#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutation run on a part of module_utils: change one thing at a time, and see whether a test notices.

python tests/tools/mutate.py [--part authorization|olm|rollout] [--jobs 2] [--sample N --seed S] [MODULE ...]

Each mutant runs in a fork: for `_authorization` first the recorded cases (quick), then, if they notice nothing, the unit tests; for the
others the unit tests. A mutant that nothing notices is a survivor. The exit code is not zero if one is not in the part's
mutants-accepted.txt (PARTS says where), which says why each does not matter.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import importlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 300.0
_COMPARE = {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.In: ast.NotIn,
            ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}  # fmt: skip
_BINARY = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.RShift: ast.LShift, ast.Mult: ast.FloorDiv, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr}
_PAIRS = (("any", "all"), ("min", "max"), ("startswith", "endswith"), ("partition", "rpartition"), ("removeprefix", "removesuffix"))
_NAMES = {"fullmatch": "match", "sorted": "list"} | dict(_PAIRS) | {after: before for before, after in _PAIRS}
_AUTHORIZATION = {
    "matching": ("matching", "facts"), "addresses": ("matching", "facts"), "paths": ("paths", "facts"), "trust_domains": ("paths", "facts"),
    "attributes": ("facts",), "compile": ("facts", "verdict", "ambient"), "compiled": ("facts", "verdict", "ambient"),
    "facts": ("facts", "places", "ambient"),
    "attachment": ("places", "ambient", "effective"), "ztunnel": ("places", "ambient"), "ztunnel_mtls": ("ambient",),
    "validate": ("admission",),
    "authentication": ("authentication", "ambient"), "world": ("authentication", "ambient"),
    "evaluate": ("verdict", "facts", "places"), "automata": ("classes",), "classes": ("classes", "ambient"),
    "regions": ("regions", "change"),
    "doors": ("change", "proof"), "change": ("change", "modules"), "wording": ("change", "proof"), "inventory": ("inventory",),
    "proof": ("proof",), "removable": ("removable",)}  # fmt: skip
_SKIPPED_CALLS = {"tell", "Problem", "refused", "warned", "field", "MeshError", "TypeVar", "lru_cache"}  # their texts are for people


@dataclass(frozen=True)
class Part:
    """A package of module_utils, and what looks at it.

    accepted: the survivors that do not matter; cases: recorded ones, which come before the unit tests; tests: those of each module, so that
    a survivor does not cost a whole run; without any, the part's whole folder.
    """

    name: str
    accepted: Path
    cases: tuple[Path, ...] = ()
    tests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    all_tests: tuple[str, ...] = ()

    @property
    def package(self) -> Path:
        return ROOT / "plugins" / "module_utils" / f"_{self.name}"

    @property
    def imported(self) -> str:
        return f"ansible_collections.meshops.mesh.plugins.module_utils._{self.name}"

    def rows(self) -> list[dict[str, object]]:
        """The recorded cases, in an order in which the first few hundred are of all kinds."""
        rows: list[dict[str, object]] = []
        for path in self.cases:
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                rows += [json.loads(line) for line in lines]
        random.Random(0).shuffle(rows)
        return rows

    def files(self, module: str) -> list[str]:
        folder = ROOT / "tests" / "unit" / self.name
        return [str(folder / f"test_{self.name}_{name}.py") for name in self.tests.get(module, self.all_tests)] or [str(folder)]


_TESTS = ROOT / "tests"
PARTS = {part.name: part for part in (
    Part("authorization", _TESTS / "authorization" / "mutants-accepted.txt",
         cases=tuple(_TESTS / "authorization" / "data" / f"{name}-cases.jsonl.gz"
                     for name in ("authz", "ambient-ztunnel", "ambient-waypoint")),
         tests=_AUTHORIZATION,
         all_tests=("matching", "paths", "facts", "places", "verdict", "admission", "authentication", "classes")),
    Part("olm", _TESTS / "unit" / "olm" / "mutants-accepted.txt"),
    Part("rollout", _TESTS / "unit" / "rollout" / "mutants-accepted.txt"))}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    module: str
    line: int
    before: str
    after: str
    source: str

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
    """Every mutant of a file. The tree is changed, written out and changed back."""
    text = path.read_text(encoding="utf-8")
    tree, lines = ast.parse(text), text.splitlines()
    for node in list(_expressions(tree)):
        before = _brief(node)
        for name, value in list(_changes(node)):
            kept = getattr(node, name)
            setattr(node, name, value)
            line = getattr(node, "lineno", getattr(getattr(node, "target", None), "lineno", 1))
            source = ast.unparse(ast.fix_missing_locations(tree))
            yield Mutant(path.stem, line, f"{lines[line - 1].strip()} [{before}", f"{_brief(node)}]", source)
            setattr(node, name, kept)
    for body, index in list(_statements(tree.body)):
        statement = body[index]
        called = statement.value.func if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) else None
        if isinstance(statement, ast.AugAssign | ast.Continue) or (called and getattr(called, "attr", "") not in _SKIPPED_CALLS):
            body[index] = ast.copy_location(ast.Pass(), statement)
            text = lines[statement.lineno - 1].strip()
            yield Mutant(path.stem, statement.lineno, f"{text} [{_brief(statement)}", "pass]", ast.unparse(tree))
            body[index] = statement


def _brief(node: ast.AST) -> str:
    return (ast.unparse(node).strip().splitlines() or [""])[0][:120]


def _notices(mutant: Mutant, part: Part, rows: list[dict[str, object]]) -> int:
    """In a fork: 0 if nothing notices, otherwise not."""
    from ansible.utils.collection_loader import _collection_finder as finder

    original = finder._AnsibleCollectionPkgLoaderBase.get_source

    def get_source(self: object, fullname: str) -> object:
        return mutant.source if fullname == f"{part.imported}.{mutant.module}" else original(self, fullname)

    finder._AnsibleCollectionPkgLoaderBase.get_source = get_source
    if rows:
        from authorization.cases import run_rows

        if any(not outcome.agrees for outcome in run_rows(rows)):
            return 1
    import pytest

    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-k", "not is_quick", *part.files(mutant.module)]))


def survives(mutant: Mutant, part: Part, rows: list[dict[str, object]]) -> bool:
    """True if no test notices; a crash or a hang is noticed."""
    child = os.fork()
    if child == 0:
        os.setsid()
        code = 1
        try:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            code = _notices(mutant, part, rows)
        finally:
            os._exit(1 if code else 0)
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def accepted(part: Part) -> dict[str, str]:
    """The survivors that do not matter, with the reason."""
    if not part.accepted.exists():
        return {}
    lines = [line for line in part.accepted.read_text(encoding="utf-8").splitlines() if line and not line.startswith("# ")]
    return dict(line.rsplit("  # ", 1) for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="modules of the part without .py; all of them if none is named")
    parser.add_argument("--part", choices=sorted(PARTS), default="authorization")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sample", type=int, default=0, help="only so many mutants, chosen by chance")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "unit")]
    os.chdir(ROOT)
    importlib.import_module("conftest")
    importlib.import_module("ansible.utils.collection_loader._collection_finder")  # once, before the forks
    importlib.import_module("pytest")
    part = PARTS[arguments.part]
    rows = part.rows()
    paths = [part.package / f"{name}.py" for name in arguments.modules] or sorted(part.package.glob("[a-z]*.py"))
    found = [mutant for path in paths for mutant in mutants(path)]
    if arguments.sample:
        found = random.Random(arguments.seed).sample(found, min(arguments.sample, len(found)))
    if not survives(Mutant("", 0, "", "", ""), part, rows):
        print("the tests fail without any mutation")
        return 2
    known, left = accepted(part), []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for mutant, alive in zip(found, pool.map(lambda one: survives(one, part, rows), found), strict=True):
            if alive and mutant.key not in known:
                left.append(mutant)
                print(f"survives {mutant.module}.py:{mutant.line}\n    {mutant.before}\n    {mutant.after}", flush=True)
    survived = len(left) + sum(mutant.key in known for mutant in found)
    print(f"{len(found)} mutants, {len(found) - survived} noticed, {survived - len(left)} accepted survivors, {len(left)} survivors")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
