#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutation run on a package of module_utils: change one thing at a time, and see whether a unit test notices.

python tests/tools/mutate.py --part NAME|all [--jobs 2] [--sample N --seed S] [MODULE ...]

Each mutant runs in a fork, with the files of tests that execute the changed function (tests/tools/executed.py finds them), those that
are about it first; for `_authorization` the recorded cases come before them. A mutant that nothing notices is a survivor. The exit code
is not zero if one is not in mutants-accepted/PART.txt, which says why each does not matter, and if an acceptance is for nothing: no
mutant has that name any more or, after a whole part, a test notices it.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gc
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from tools.executed import OPTIONS, Executed, dotted, executed, in_fork, prepare
from tools.floors import FLOORS, imports_of
from tools.mutants import Mutant, mutants

UTILS = ROOT / "plugins" / "module_utils"
ACCEPTED = Path(__file__).resolve().parent / "mutants-accepted"
NOT_PURE = {"_kube": "speaks to API servers", "_commands": "reads and writes clusters", "_module": "an AnsibleModule"}
CASES = {"authorization": tuple(ROOT / "tests" / "authorization" / "data" / f"{name}-cases.jsonl.gz"
                                for name in ("authz", "ambient-ztunnel", "ambient-waypoint"))}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A pure package of module_utils. cases: recorded ones, which are asked before the unit tests."""

    name: str
    cases: tuple[Path, ...] = ()

    @property
    def paths(self) -> list[Path]:
        """Its modules; a package of one file is that file."""
        return sorted((UTILS / f"_{self.name}").glob("[a-z]*.py")) or [UTILS / f"_{self.name}.py"]

    @property
    def accepted(self) -> Path:
        return ACCEPTED / f"{self.name}.txt"

    def rows(self) -> list[dict[str, object]]:
        """The recorded cases, in an order in which the first few hundred are of all kinds."""
        if not self.cases:
            return []
        from authorization.cases import read_rows

        rows = [row for path in self.cases for row in read_rows(path)]
        random.Random(0).shuffle(rows)
        return rows


PARTS = {
    package.removeprefix("_"): Part(package.removeprefix("_"), CASES.get(package.removeprefix("_"), ()))
    for _what, packages in FLOORS
    for package in packages
    if package not in NOT_PURE
}


def accepted(part: Part) -> dict[str, str]:
    """The survivors that do not matter, with the reason."""
    if not part.accepted.exists():
        return {}
    lines = [line for line in part.accepted.read_text(encoding="utf-8").splitlines() if line and not line.startswith("# ")]
    return dict(line.rsplit("  # ", 1) for line in lines)


def acceptances_of_nothing(part: Part) -> list[str]:
    """Acceptances that no mutant has any more."""
    known = accepted(part)
    modules = {key.partition(": ")[0] for key in known}
    return sorted(known.keys() - {mutant.key for path in part.paths if path.stem in modules for mutant in mutants(path)})


def _tests(mutant: Mutant, path: Path, by_test: Executed, importers: Mapping[str, list[str]]) -> list[str]:
    module = str(path.relative_to(UTILS))
    return by_test.of(module, mutant.function, importers.get(module, []))


@functools.cache
def _importers() -> dict[str, list[str]]:
    """module -> the modules that import it, both as _package/module.py."""
    found: dict[str, list[str]] = {}
    for here, there, _name in imports_of():
        found.setdefault(f"{there.replace('.', '/')}.py", []).append(f"{here.replace('.', '/')}.py")
    return found


@dataclass(frozen=True)
class Warm:
    """What is imported before the forks. functions: (module, Class.method) -> the living functions of that name."""

    functions: Mapping[tuple[str, str], list[FunctionType]]

    @classmethod
    def of(cls, tests: Iterable[str]) -> Warm:
        """Imports the files of tests, and with them what they test."""
        import pytest

        with open(os.devnull, "w", encoding="utf-8") as silence, contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
            pytest.main(["--collect-only", *OPTIONS, *sorted(set(tests))])
        found: dict[tuple[str, str], list[FunctionType]] = {}
        for one in gc.get_objects():
            if isinstance(one, FunctionType) and str(one.__module__).startswith("ansible_collections.meshops.mesh"):
                found.setdefault((one.__module__, one.__code__.co_qualname), []).append(one)
        return cls(found)

    def change(self, module: str, function: str, code: CodeType) -> Callable[[], None] | None:
        """Gives a function its changed code; None where that is not enough: what is in no function, or in one that cannot be found."""
        old, new = self.functions.get((module, function), []), [one for one in _codes(code) if one.co_qualname == function]
        if len({id(one.__code__) for one in old}) != 1 or len(new) != 1 or new[0].co_freevars != old[0].__code__.co_freevars:
            return None

        def change() -> None:
            for one in old:
                one.__code__ = new[0]

        return change


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _codes(one)


_KEPT = ("__main__", "conftest", "tools", "tools.executed", "tools.floors", "tools.mutants", "tools.mutate")  # they import nothing of it


def _afresh(changed: str, code: CodeType) -> None:
    """In a fork: whatever is imported from here on has the changed module."""
    from ansible.utils.collection_loader import _collection_finder as finder

    finder._AnsibleCollectionPkgLoaderBase.compiled[changed] = code
    for name, module in list(sys.modules.items()):
        file = str(getattr(module, "__file__", None) or "")
        ours = name.startswith("ansible_collections.meshops") or file.startswith(f"{ROOT / 'tests'}{os.sep}")
        if ours and name not in _KEPT:
            del sys.modules[name]


def _notices(change: Callable[[], None], tests: list[str], rows: list[dict[str, object]]) -> int:
    """In a fork: 0 if nothing notices, otherwise not."""
    change()
    if rows:
        from authorization.cases import run_rows

        if any(not outcome.agrees for outcome in run_rows(rows)):
            return 1
    import pytest

    return int(bool(pytest.main([*OPTIONS, *tests]))) if tests else 0


def look(mutant: Mutant, path: Path, warm: Warm, *, tests: list[str], rows: list[dict[str, object]], seconds: float) -> str:
    """survives, noticed, or endless: a crash is noticed; endless is what takes ten times as long as without the change.

    Mostly the function gets its changed code in a fork of this process. What survives that is tried once more with everything imported
    anew, because this process may know an answer from before the change."""
    name = dotted(path)
    code = compile(mutant.source(), name, "exec", dont_inherit=True)
    quick = warm.change(name, mutant.function, code) if mutant.function else None
    for change in (quick, lambda: _afresh(name, code)):
        answer = in_fork(lambda change=change: _notices(change, tests, rows), 60 + 10 * seconds) if change else 0
        if answer != 0:
            return "endless" if answer is None else "noticed"
    return "survives"


def run(part: Part, arguments: argparse.Namespace, by_test: Executed) -> bool:
    """One part; whether all is as it should be."""
    importers, rows, known = _importers(), part.rows(), accepted(part)
    chosen = [path for path in part.paths if path.stem in (arguments.modules or [one.stem for one in part.paths])]
    found = [(mutant, path) for path in chosen for mutant in mutants(path)]
    total = len(found)
    if arguments.sample:
        found = random.Random(arguments.seed).sample(found, min(arguments.sample, total))

    warm = Warm.of(test for one in found for test in _tests(*one, by_test, importers))

    def outcome(one: tuple[Mutant, Path]) -> str:
        tests = _tests(*one, by_test, importers)
        return look(*one, warm, tests=tests, rows=rows, seconds=by_test.takes(tests) + 20 * bool(rows))

    counts: Counter[str] = Counter()
    survived: set[str] = set()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for (mutant, path), what in zip(found, pool.map(outcome, found), strict=True):
            alive = what == "survives"
            counts["accepted" if alive and mutant.key in known else what] += 1
            survived |= {mutant.key} if alive else set()
            if alive and mutant.key not in known:
                tests = len(_tests(mutant, path, by_test, importers))
                print(f"survives {path.relative_to(UTILS)}:{mutant.line} ({tests} files of tests)", flush=True)
                print(f"    {mutant.key}", flush=True)
    whole = not arguments.sample and not arguments.modules
    idle = sorted(known.keys() - survived) if whole else acceptances_of_nothing(part)
    for key in idle:
        print(f"accepted for nothing: {key}")
    print(
        f"{part.name}: {total} mutants, {len(found)} tried, {counts['noticed']} noticed, {counts['endless']} endless, "
        f"{counts['accepted']} accepted survivors, {counts['survives']} survivors, {len(idle)} acceptances for nothing",
        flush=True,
    )
    return not counts["survives"] and not idle


def _arguments(words: Iterable[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="modules of the part without .py; all of them if none is named")
    parser.add_argument("--part", choices=[*sorted(PARTS), "all"], default="all")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sample", type=int, default=0, help="only so many mutants of each part, chosen by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="find again what each file of tests executes")
    return parser.parse_args(list(words) if words is not None else None)


def main() -> int:
    arguments = _arguments()
    prepare()
    by_test = executed(fresh=arguments.fresh)
    parts = list(PARTS.values()) if arguments.part == "all" else [PARTS[arguments.part]]
    return int(not all([run(part, arguments, by_test) for part in parts]))


if __name__ == "__main__":
    sys.exit(main())
