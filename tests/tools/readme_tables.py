# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of README.md: playbooks from their head comments, roles and modules from their short descriptions, and what is supported from
the tables that the code itself asks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import CATALOGUE
from ansible_collections.meshops.mesh.plugins.module_utils._checks.render import table as check_table
from ansible_collections.meshops.mesh.plugins.module_utils._checks.runner import Row
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import THRESHOLDS, Status
from ansible_collections.meshops.mesh.plugins.module_utils._model.versions import OSSM_ISTIO, Version, parse
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.rules import KUBERNETES
from check_examples import example_of
from matrix import VERSIONS
from role_readme import cell, with_table

__all__ = ["TABLES", "first_sentence", "module_rows", "openshift", "playbook_rows", "role_rows", "with_tables"]

ROOT = Path(__file__).resolve().parents[2]
BLOB = "https://github.com/meshops/mesh/blob/main"
SCENARIOS = ("travel_", "guestbook", "coolapp", "bookinfo")  # playbooks of an inventory that comes along
NOTE = "<!-- Written by `make docs`. -->"


def first_sentence(text: str) -> str:
    """The first sentence of a playbook's head comment."""
    comment = re.match(r"(?:---\n)?((?:#[^\n]*\n)+)", text)
    lines = [line.lstrip("#").strip() for line in comment[1].splitlines()] if comment else []
    found = re.match(r"(.+?\.)(?=\s+[A-Z#-]|\s+ansible-playbook|$)", " ".join(lines))
    return found[1] if found else ""


def _table(*head: str, rows: Iterable[Iterable[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(cell(text) for text in row) + " |" for row in rows])


def playbook_rows(travel: bool) -> Iterator[tuple[str, str]]:
    """Of the travel scenario and the labs, or all others."""
    for path in sorted((ROOT / "playbooks").glob("*.yml")):
        if path.stem.startswith(SCENARIOS) == travel:
            yield f"[`{path.stem}`]({BLOB}/playbooks/{path.name})", first_sentence(path.read_text(encoding="utf-8"))


def role_rows() -> Iterator[tuple[str, str]]:
    """Every role."""
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]
        yield f"[`{path.parents[1].name}`]({BLOB}/roles/{path.parents[1].name}/README.md)", f"{spec['short_description']}."


def module_rows() -> Iterator[tuple[str, str]]:
    """Every module."""
    for path in sorted((ROOT / "plugins" / "modules").glob("*.py")):
        found = re.search(r"^short_description: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        yield f"`{path.stem}`", f"{found[1]}." if found else ""


def openshift(kubernetes: int) -> str:
    """The OpenShift 4 that brings Kubernetes 1.x; since 4.3 the two are 13 minors apart."""
    return f"4.{kubernetes - 13}"


def _line(version: object) -> tuple[int, int]:
    found = parse(str(version))
    assert isinstance(found, Version)
    return found.line


def _supported() -> Iterator[tuple[str, str, str, str, str]]:
    """What is maintained by its maker, by the limits of the checks, and what it needs."""
    oldest = _line(THRESHOLDS["kubernetes_oldest"])[1]
    for ossm, istio in OSSM_ISTIO.items():
        if (ossm[0] == 2 and ossm < _line(THRESHOLDS["ossm2_oldest"])) or (ossm[0] == 3 and istio < _line(THRESHOLDS["ossm3_oldest"])):
            continue
        least = max(KUBERNETES[istio], oldest)
        yield f"`ossm{ossm[0]}`", f"OpenShift Service Mesh {ossm[0]}.{ossm[1]}", f"1.{istio[1]}", f"1.{least}", openshift(least)
    for istio, least in KUBERNETES.items():
        if istio >= _line(THRESHOLDS["istio_oldest"]):
            yield "`sail`", "Istio by the Sail operator", f"1.{istio[1]}", f"1.{max(least, oldest)}", openshift(max(least, oldest))


def _played() -> str:
    """The Kubernetes that the tests run on."""
    text = (ROOT / "tests" / "testbed" / "build" / "kubernetes" / "go.mod").read_text(encoding="utf-8")
    found = re.search(r"\bk8s\.io/kubernetes v([\d.]+)", text)
    assert found, "the test bed builds no Kubernetes"
    return found[1]


def _support() -> str:
    mesh = _table("`mesh_provider`", "mesh", "Istio", "Kubernetes, from", "OpenShift, from", rows=_supported())
    core = _table(
        "ansible-core", "Python on the control node", rows=((version.core, ", ".join(sorted(version.pythons))) for version in VERSIONS)
    )
    return f"{mesh}\n\n{core}\n\nThe tests run on Kubernetes {_played()}, with each ansible-core of the table."


def _sample(code: str = "OSM1505") -> str:
    """What a check says, as people see it."""
    row = next(row for row in CATALOGUE.checks if row.id == code)
    found = example_of(code)
    assert found, f"{code} has no example"
    said = Row(row.id, row.category, row.title, Status.FAILED, row.severity, found.resource, found.messages[0], row.hint)
    # without the category's title and the summary
    return "\n".join(f"    {line}" for line in check_table([said.to_dict()]).splitlines()[2:-2])


TABLES = {
    "sample": _sample,
    "playbooks": lambda: _table("playbook", "what it does", rows=playbook_rows(travel=False)),
    "travel": lambda: _table("playbook", "what it does", rows=playbook_rows(travel=True)),
    "roles": lambda: _table("role", "what it does", rows=role_rows()),
    "modules": lambda: _table("module", "what it does", rows=module_rows()),
    "support": _support,
}


def with_tables(readme: str) -> str:
    """The README with its tables as they are now; ValueError where a table has no place."""
    for name, table in TABLES.items():
        readme = with_table(readme, f"{NOTE}\n\n{table()}\n", f"<!-- {name}: begin -->", f"<!-- {name}: end -->")
    return readme
