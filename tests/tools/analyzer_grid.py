#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases of Istio's own analyzers through the checks of this collection: which of its messages are noticed, by code.

    python tests/tools/analyzer_grid.py CHECKOUT [--missing] [--code IST0101]

CHECKOUT is a folder of Istio's sources, which is not part of this repository. The files of a case are read twice, without an inventory:
as manifests, and as a snapshot, which says what runs. A message is noticed when a row that is about its object, or names it, failed or
warned and its check has the message's code among its `equivalents`; any row at all about the object is counted beside it. A case without
messages is a clean one: rows about its objects, as manifests, are listed as possible false alarms. --missing lists what nobody noticed;
--code shows all rows of a code."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "unit"), str(ROOT / "tests")]

import conftest  # noqa: F401 - makes the collection importable
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import CATALOGUE
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_check import look
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._model.clock import utc_now
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot

GRID = Path("pkg/config/analysis/analyzers/analyzers_test.go")
MESSAGES = Path("pkg/config/analysis/msg/messages.gen.go")
_CASE = re.compile(r"\n\t\{\n(.*?)\n\t\},", re.DOTALL)
_FILES = re.compile(r'"(testdata/[^"]+)"')
_EXPECTED = re.compile(r"\{msg\.(\w+), \"([^\"]*)\"\}")
_CODE = re.compile(r'(\w+) = diag\.NewMessageType\(diag\.\w+, "(IST\d+)"')
_QUOTED = re.compile(r'name:\s+"([^"]*)"')
_NAMED = re.compile(r"[A-Z][A-Za-z]+ [a-z0-9.-]+/[a-z0-9.-]+")
_GIVEN = {"members": None, "fail_on": "error"}


@dataclass(frozen=True)
class Case:
    """A case of the grid. expected: name of the message and object, as `Kind namespace/name`."""

    name: str
    files: tuple[Path, ...]
    expected: tuple[tuple[str, str], ...]


@dataclass
class Found:
    """What the checks say of a case: object to the codes of the rows about it."""

    codes: dict[str, set[str]] = field(default_factory=dict)
    beside: dict[str, set[str]] = field(default_factory=dict)
    error: str = ""

    def about(self, origin: str) -> set[str]:
        """The codes about an object; a namespace that the grid leaves out may be any."""
        kind, _space, name = origin.partition(" ")
        kinds = {kind, "Workload"} if kind in ("Deployment", "Pod") else {kind}
        found: set[str] = set()
        for title, codes in (*self.codes.items(), *self.beside.items()):
            own, _space, named = title.partition(" ")
            if own in kinds and (named == name or named.rpartition("/")[2] == name or name == f"default/{named}"):
                found |= codes
        return found

    def naming(self, origin: str, message: str) -> set[str]:
        """Those of checks that are the equivalent of a message."""
        return {code for code in self.about(origin) if message in CATALOGUE.by_id[code].equivalents}


def cases(checkout: Path) -> Iterator[Case]:
    """Those of the grid."""
    folder = checkout / GRID.parent
    text = (checkout / GRID).read_text(encoding="utf-8")
    table = text[text.index("var testGrid") :]
    for body in _CASE.findall(table[: table.index("\n}\n")]):
        files = tuple(folder / name for name in _FILES.findall(body.partition("analyzer:")[0]) if "meshconfig" not in name)
        named = _QUOTED.search(body)
        yield Case(named.group(1) if named else "?", files, tuple(_EXPECTED.findall(body)))


def codes(checkout: Path) -> dict[str, str]:
    """Name of a message to its code."""
    return dict(_CODE.findall((checkout / MESSAGES).read_text(encoding="utf-8")))


def judged(case: Case, source: str) -> Found:
    """What the checks say of its files. source: manifests or snapshot."""
    found = Found()
    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(case.files):
            shutil.copy(file, Path(folder) / f"{number}-{file.name}")
        path = folder if source == "manifests" else _snapshot(case, folder)
        try:
            report = look({**_defaults(), **_GIVEN, "source": source, "path": path, "cluster": case.name}).report
        except MeshError as error:
            found.error = str(error)
            return found
    for row in report.rows:
        if row.status in ("failed", "warning") and row.resource:
            found.codes.setdefault(row.resource, set()).add(row.id)
            for title in _NAMED.findall(row.message):  # of two that are in each other's way one has the row, and it names the other
                found.beside.setdefault(title, set()).add(row.id)
    return found


def _snapshot(case: Case, folder: str) -> str:
    """The objects of a folder as a file that says that they are a cluster's."""
    seen = Snapshot.from_manifests(folder, cluster=case.name, taken_at=utc_now(), may_be_empty=True)
    path = Path(folder) / "seen.json"
    path.write_text(json.dumps(seen.to_json()), encoding="utf-8")
    return str(path)


def _defaults() -> dict[str, Any]:
    from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_check import argument_spec

    return {name: spec.get("default") for name, spec in argument_spec().items() if name not in _GIVEN}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--code", default="")
    options = parser.parse_args()
    known = codes(options.checkout)
    wanted: Counter[str] = Counter()
    noticed: dict[str, Counter[str]] = {"manifests": Counter(), "snapshot": Counter(), "either": Counter(), "loosely": Counter()}
    by: dict[str, set[str]] = {}
    alarms: list[str] = []
    for case in cases(options.checkout):
        found = {source: judged(case, source) for source in ("manifests", "snapshot")}
        if not case.expected:
            alarms += [f"{case.name}: {title} {', '.join(sorted(own))}" for title, own in found["manifests"].codes.items()]
        for message, origin in case.expected:
            code = known.get(message, message)
            strict = {source: one.naming(origin, code) for source, one in found.items()}
            loose = set().union(*(one.about(origin) for one in found.values()))
            own = set().union(*strict.values())
            wanted[code] += 1
            for source, codes_of in strict.items():
                noticed[source][code] += bool(codes_of)
            noticed["either"][code] += bool(own)
            noticed["loosely"][code] += bool(loose)
            by.setdefault(code, set()).update(own)
            if options.code == code or (options.missing and not own):
                said = ", ".join(sorted(own)) or f"not by {', '.join(sorted(loose)) or found['manifests'].error or 'anything'}"
                print(f"{code} {message} {case.name}: {origin}: {said}")
    print("code     of  noticed  manifests  snapshot  any row")
    for code in sorted(wanted):
        numbers = (noticed[word][code] for word in ("either", "manifests", "snapshot", "loosely"))
        print("{}  {:3}  {:7}  {:9}  {:8}  {:7}  {}".format(code, wanted[code], *numbers, ", ".join(sorted(by[code]))))
    print(f"clean cases: {len(alarms)} rows to look at")
    for line in alarms:
        print(f"  {line}")
    total = wanted.total()
    print(f"{noticed['either'].total()} of {total} messages noticed by a check that names their code, ", end="")
    print(f"{noticed['manifests'].total()} from manifests, {noticed['snapshot'].total()} from a snapshot")
    print(f"{noticed['loosely'].total()} of {total} have any row about their object")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
