# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file of tests/unit executes which function of module_utils: found by running each once, in a process of its own.

    python tests/tools/executed.py [PACKAGE ...]     prints the functions that no unit test executes

What was found is kept in .cache/mutants/executed.json, and a file of tests that has changed since is run again."""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType

__all__ = ["ENOUGH", "Executed", "dotted", "executed", "functions_of", "in_fork", "prepare"]

ROOT = Path(__file__).resolve().parents[2]
UTILS = ROOT / "plugins" / "module_utils"
KEPT = ROOT / ".cache" / "mutants" / "executed.json"
_UNIT = ROOT / "tests" / "unit"
_NOT_ABOUT_PLUGINS = ("testbed", "testbed_operators", "bench")
ENOUGH = 60.0  # seconds of tests for one mutant
_LAST = ("test_examples.py", "test_growth.py", "test_hostile.py", "test_malformed.py")  # they try every check, for one question each
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "not is_quick")


@dataclass(frozen=True)
class Executed:
    """tests: file of tests -> the functions that it executes, as _package/module.py:Class.method; seconds: what each file takes."""

    tests: Mapping[str, frozenset[str]]
    seconds: Mapping[str, float]

    def of(self, module: str, function: str, importers: Iterable[str] = ()) -> list[str]:
        """The files of tests that can notice a change in a function, those that are most about its module first.

        Of a change in no function, those that execute anything of its module or of a module that imports it. What all of them take
        together is bounded by ENOUGH: a function shall be tested by those who are about it."""

        def share(test: str) -> float:
            return sum(name.startswith(near) for name in self.tests[test]) / len(self.tests[test])

        near = tuple(f"{one}:" for one in (module, *importers))
        exact = [test for test, names in self.tests.items() if function and f"{module}:{function}" in names]
        if exact:
            near = (f"{module}:",)
        found = exact or [test for test, names in self.tests.items() if any(name.startswith(near) for name in names)]
        chosen: list[str] = []
        for test in sorted(found, key=lambda test: (test.endswith(_LAST), -share(test), self.seconds[test])):
            if not chosen or self.takes([*chosen, test]) <= ENOUGH:
                chosen.append(test)
        return chosen

    def takes(self, tests: Iterable[str]) -> float:
        return sum(self.seconds[test] for test in tests)


def prepare() -> None:
    """Once, before the forks: what each of them would import, and every module compiled, which Ansible's loader does not keep."""
    paths = [str(ROOT / "tests"), str(_UNIT), str(ROOT / "tests" / "quick")]
    sys.path[:0] = paths
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    os.chdir(ROOT)
    for name in ("conftest", "pytest", "yaml", "jinja2", "cryptography.x509", "kubernetes.client", "ansible.template"):
        importlib.import_module(name)
    finder = importlib.import_module("ansible.utils.collection_loader._collection_finder")
    loader = finder._AnsibleCollectionPkgLoaderBase
    original = loader.get_code
    compiled = {dotted(path): compile(path.read_text(encoding="utf-8"), str(_linked(path)), "exec", dont_inherit=True)
                for path in (ROOT / "plugins").rglob("*.py") if path.name != "__init__.py"}  # fmt: skip
    # What is compiled here is what counts, and not what Python keeps beside the files: also once this is imported again.
    kept = "ansible_collections.meshops.mesh.plugins.plugin_utils.compiled"
    sys.meta_path[:] = [one for one in sys.meta_path if type(one).__name__ != "KeptByteCode"]
    compiled[kept] = compile("def keep_byte_code():\n    pass\n", "compiled.py", "exec")
    sys.modules.pop(kept, None)
    loader.get_code = lambda self, fullname: compiled.get(fullname) or original(self, fullname)
    loader.compiled = compiled  # a mutant takes the place of its module here


def _linked(path: Path) -> Path:
    """The name that Ansible's loader knows the file by."""
    return ROOT / ".cache" / "collections" / "ansible_collections" / "meshops" / "mesh" / path.relative_to(ROOT)


def dotted(path: Path) -> str:
    return ".".join(("ansible_collections.meshops.mesh", *path.relative_to(ROOT).with_suffix("").parts))


def in_fork(work: Callable[[], int], seconds: float) -> int | None:
    """What the work returns in a process of its own, without its output; None where it does not end in time."""
    child = os.fork()
    if child == 0:
        os.setsid()
        code = 1
        try:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            code = int(work())
        finally:
            os._exit(code)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, 9)
    os.waitpid(child, 0)
    return None


def _name(code: CodeType, root: str) -> str:
    function = code.co_qualname.partition(".<locals>")[0]
    return f"{code.co_filename.partition(root)[2]}:{function}"


def _recorded(test: Path, answer: Path) -> int:
    """In a fork: runs one file of tests and writes down what it has executed."""
    import pytest

    root = str(_linked(UTILS)) + os.sep
    seen: set[CodeType] = set()

    def imported(frame: FrameType | None) -> bool:
        """What only runs when a module is read says nothing of who tests it."""
        while frame is not None:
            if frame.f_code.co_name == "<module>" and frame.f_code.co_filename.startswith(root):
                return True
            frame = frame.f_back
        return False

    def called(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code not in seen and frame.f_code.co_filename.startswith(root) and not imported(frame):
            seen.add(frame.f_code)

    began = time.monotonic()
    threading.settrace(called)
    sys.settrace(called)
    code = pytest.main([*OPTIONS, str(test)])
    sys.settrace(None)
    names = sorted({_name(code, root) for code in seen})
    answer.write_text(json.dumps({"seconds": round(time.monotonic() - began, 2), "functions": names}), encoding="utf-8")
    return int(code)


def _read() -> dict[str, dict[str, object]]:
    return json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}


def executed(*, fresh: bool = False) -> Executed:
    """What was found, brought up to date. Call prepare() before."""
    known = {} if fresh else _read()
    rows: dict[str, dict[str, object]] = {}
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    answer = KEPT.with_suffix(".part")
    for test in sorted(_UNIT.rglob("test_*.py")):
        name = str(test.relative_to(ROOT))
        if test.parent.name in _NOT_ABOUT_PLUGINS:
            continue
        digest = hashlib.sha256(test.read_bytes()).hexdigest()
        if known.get(name, {}).get("digest") == digest:
            rows[name] = known[name]
            continue
        answer.unlink(missing_ok=True)
        code = in_fork(lambda test=test: _recorded(test, answer), 600)
        if code not in (0, 5):  # 5: nothing is left to be run
            print(f"left out: {name} {'does not end' if code is None else 'fails as it is'}", file=sys.stderr, flush=True)
            continue
        rows[name] = {"digest": digest, **json.loads(answer.read_text(encoding="utf-8"))}
        KEPT.write_text(json.dumps(known | rows), encoding="utf-8")
        print(f"{rows[name]['seconds']:6} s  {name}", file=sys.stderr, flush=True)
    KEPT.write_text(json.dumps(rows), encoding="utf-8")
    return Executed(
        {name: frozenset(row["functions"]) for name, row in rows.items()},  # type: ignore[call-overload]
        {name: float(row["seconds"]) for name, row in rows.items()},  # type: ignore[arg-type]
    )


def functions_of(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file that is not within another one, with its line."""

    def inside(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, int]]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from inside(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{prefix}{node.name}", node.lineno

    yield from inside(ast.parse(path.read_text(encoding="utf-8")).body, "")


def main() -> int:
    """Prints what no unit test executes."""
    prepare()
    found = frozenset().union(*executed().tests.values())
    packages = sys.argv[1:] or sorted(path.stem for path in UTILS.iterdir() if path.stem.startswith("_") and path.stem != "__pycache__")
    for package in packages:
        paths = sorted((UTILS / package).glob("*.py")) or [UTILS / f"{package}.py"]
        places = [(path, name, line) for path in paths for name, line in functions_of(path)]
        missing = [one for one in places if f"{one[0].relative_to(UTILS)}:{one[1]}" not in found]
        print(f"{package}: {len(missing)} of {len(places)} functions")
        for path, name, line in missing:
            print(f"    {path.relative_to(ROOT)}:{line} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
