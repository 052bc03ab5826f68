#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases of Istio's own analyzers through the checks of this collection: which of its messages are noticed, by code.

    python tests/tools/analyzer_grid.py CHECKOUT [--missing] [--code IST0101]

CHECKOUT is a folder of Istio's sources, which is not part of this repository. The files of a case, with the gateway that Istio's own test
adds to each and its MeshConfig and MeshNetworks as the ConfigMap that an istiod reads, are read twice, without an inventory: as manifests,
and as a snapshot, which says what runs. A message is noticed when a row that is about its object, or names it, failed or warned and its
check has the message's code among its `equivalents`; any row at all about the object is counted beside it. A case without messages is a
clean one: failed rows and warnings about its objects, as manifests, are false alarms unless JUSTIFIED says why they are right; notices are
none. --missing lists what nobody noticed; --code shows all rows of a code.

The last line says how many messages were noticed of how many, and how many false alarms there are. The exit code is 0 where every message
but those LEFT_OUT was noticed and there is no false alarm, else 1."""

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
from ansible_collections.meshops.mesh.plugins.module_utils._model.problem import Severity
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot

GRID = Path("pkg/config/analysis/analyzers/analyzers_test.go")
GATEWAY = Path("pkg/config/analysis/local/defaults.go")
MESSAGES = Path("pkg/config/analysis/msg/messages.gen.go")
_CASE = re.compile(r"\n\t\{\n(.*?)\n\t\},", re.DOTALL)
_FILES = re.compile(r'"(testdata/[^"]+)"')
_EXPECTED = re.compile(r"\{msg\.(\w+), \"([^\"]*)\"\}")
_CODE = re.compile(r'(\w+) = diag\.NewMessageType\(diag\.\w+, "(IST\d+)"')
_QUOTED = re.compile(r'name:\s+"([^"]*)"')
_NAMED = re.compile(r"[A-Z][A-Za-z]+ [a-z0-9.-]+/[a-z0-9.-]+")
_SETTINGS = re.compile(r'mesh(Config|Networks)File:\s+"([^"]+)"')
_DEFAULTS = re.compile(r"const defaultIstioIngressGateway = `(.*?)`", re.DOTALL)
_GIVEN = {"members": None, "fail_on": "error"}
_OTHERWISE = {"MeshNetworks istio-system/meshnetworks": "ConfigMap istio-system/istio"}  # what is no object of a cluster by itself
_HOME, _INGRESS = "istio-system", "istio-ingressgateway"

# Messages that no check of ours gives, by code and object (empty: every object), each explained in docs/guides/codes-of-other-tools.md.
LEFT_OUT = frozenset({
    ("IST0102", ""),
    ("IST0136", ""),
    ("IST0109", "VirtualService foo/productpage-d"),  # *.productpage.d goes before *.d, as Envoy takes the longest
    ("IST0109", "VirtualService bar/productpage-d"),
    ("IST0153", "EnvoyFilter bookinfo/test-auth-3"),  # of HTTP_ROUTE
    ("IST0154", "EnvoyFilter bookinfo/test-remove-3"),
})  # fmt: skip
_ALLOCATED = "missing Addresses and Protocol in Service Entry with ISTIO_META_DNS_AUTO_ALLOCATE enabled"
# Rows about objects of clean cases that are right, by case and check: the case is about something else.
JUSTIFIED = {
    ("conflicting gateways detect: no port", "OSM1005"): "the API server refuses a server of a Gateway without a port",
    ("blockedCIDRsConfigured", "OSM3111"): "a RequestAuthentication alone lets requests without a token pass",
    (_ALLOCATED, "OSM1803"): "its entries have HTTPS, TCP and no protocol for one host and port, which is IST0177",
}


@dataclass(frozen=True)
class Case:
    """A case of the grid. expected: name of the message and object, as `Kind namespace/name`."""

    name: str
    files: tuple[Path, ...]
    expected: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, Path], ...] = ()  # Config or Networks, with its file


@dataclass
class Found:
    """What the checks say of a case: object to the codes of the rows about it."""

    codes: dict[str, set[str]] = field(default_factory=dict)
    alarms: dict[str, set[str]] = field(default_factory=dict)  # those that are more than a notice
    beside: dict[str, set[str]] = field(default_factory=dict)
    error: str = ""

    def about(self, origin: str) -> set[str]:
        """The codes about an object; a namespace that the grid leaves out may be any."""
        kind, _space, name = _OTHERWISE.get(origin, origin).partition(" ")
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
        files = tuple(folder / name for name in _FILES.findall(body.partition("inputFiles:")[2].partition("}")[0]))
        named = _QUOTED.search(body)
        settings = tuple((word, folder / name) for word, name in _SETTINGS.findall(body))
        yield Case(named.group(1) if named else "?", files, tuple(_EXPECTED.findall(body)), settings)


def left_out(code: str, origin: str) -> bool:
    """Whether a message is one that nobody has to notice."""
    return (code, "") in LEFT_OUT or (code, origin) in LEFT_OUT


def codes(checkout: Path) -> dict[str, str]:
    """Name of a message to its code."""
    return dict(_CODE.findall((checkout / MESSAGES).read_text(encoding="utf-8")))


def judged(case: Case, source: str, gateway: str) -> Found:
    """What the checks say of its files. source: manifests or snapshot; gateway: what is added to each case."""
    found = Found()
    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(case.files):
            shutil.copy(file, Path(folder) / f"{number}-{file.name}")
        (Path(folder) / "gateway.yaml").write_text(gateway, encoding="utf-8")
        if case.settings:
            (Path(folder) / "settings.json").write_text(json.dumps(_config_map(case)), encoding="utf-8")
        path = folder if source == "manifests" else _snapshot(case, folder)
        try:
            report = look({**_defaults(), **_GIVEN, "source": source, "path": path, "cluster": case.name}).report
        except MeshError as error:
            found.error = str(error)
            return found
    for row in report.rows:
        if row.status in ("failed", "warning") and row.resource:
            found.codes.setdefault(row.resource, set()).add(row.id)
            if row.severity > Severity.INFO:
                found.alarms.setdefault(row.resource, set()).add(row.id)
            for title in _NAMED.findall(row.message):  # of two that are in each other's way one has the row, and it names the other
                found.beside.setdefault(title, set()).add(row.id)
    return found


def default_gateway(checkout: Path) -> str:
    """The manifests that Istio's test adds to each case."""
    found = _DEFAULTS.search((checkout / GATEWAY).read_text(encoding="utf-8"))
    text = found.group(1) if found else ""
    return text.replace("{{.namespace}}", _HOME).replace("{{.ingressService}}", _INGRESS)


def _config_map(case: Case) -> dict[str, Any]:
    """What an istiod with the settings of a case reads."""
    keys = {"Config": "mesh", "Networks": "meshNetworks"}
    data = {"mesh": "{}"} | {keys[word]: file.read_text(encoding="utf-8") for word, file in case.settings}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": _HOME}, "data": data}


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
    clean, spared, gateway = 0, 0, default_gateway(options.checkout)
    for case in cases(options.checkout):
        found = {source: judged(case, source, gateway) for source in ("manifests", "snapshot")}
        if not case.expected:
            clean += 1
            alarms += [
                f"{case.name}: {title} {id_}"
                for title, own in found["manifests"].alarms.items()
                for id_ in sorted(own)
                if (case.name, id_) not in JUSTIFIED
            ]
        for message, origin in case.expected:
            code = known.get(message, message)
            strict = {source: one.naming(origin, code) for source, one in found.items()}
            loose = set().union(*(one.about(origin) for one in found.values()))
            own = set().union(*strict.values())
            wanted[code] += 1
            spared += bool(left_out(code, origin) and not own)
            for source, codes_of in strict.items():
                noticed[source][code] += bool(codes_of)
            noticed["either"][code] += bool(own)
            noticed["loosely"][code] += bool(loose)
            by.setdefault(code, set()).update(own)
            if options.code == code or (options.missing and not own and not left_out(code, origin)):
                said = ", ".join(sorted(own)) or f"not by {', '.join(sorted(loose)) or found['manifests'].error or 'anything'}"
                print(f"{code} {message} {case.name}: {origin}: {said}")
    print("code     of  noticed  manifests  snapshot  any row")
    for code in sorted(wanted):
        numbers = (noticed[word][code] for word in ("either", "manifests", "snapshot", "loosely"))
        print("{}  {:3}  {:7}  {:9}  {:8}  {:7}  {}".format(code, wanted[code], *numbers, ", ".join(sorted(by[code]))))
    print(f"clean cases: {clean}, false alarms: {len(alarms)}")
    for line in alarms:
        print(f"  {line}")
    total, seen = wanted.total(), noticed["either"].total()
    print(f"{noticed['loosely'].total()} of {total} messages have any row about their object")
    print(f"{noticed['manifests'].total()} from manifests, {noticed['snapshot'].total()} from a snapshot")
    open_ = total - seen - spared
    told = f"{seen} of {total} messages noticed, {spared} left out on purpose, {open_} open"
    print(f"{told}; {len(alarms)} false alarms in {clean} clean cases")
    return 1 if open_ or alarms else 0


if __name__ == "__main__":
    raise SystemExit(main())
