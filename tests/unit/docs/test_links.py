# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation leads only to what exists."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
BLOB = "https://github.com/meshops/mesh/blob/main"


def _tool(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"{name}_tool", ROOT / "tests" / "tools" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


LINKS = _tool("links")


def test_every_page_leads_to_what_exists() -> None:
    docs = LINKS.Docs()
    assert len(docs.pages) > 150
    assert sum(len(page.links) for page in docs.pages.values()) > 300
    assert docs.wrong() == []


def test_the_readme_can_be_followed_on_galaxy() -> None:
    docs = LINKS.Docs()
    assert docs.pages["README.md"].links
    assert docs.relative_links(docs.pages["README.md"]) == []


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Path:
    for name, text in {
        "docs/one.md": "# One\n\n## What `it` does, twice\n\n## Again\n\n## Again\n",
        "plugins/modules/mesh_check.py": "",
        "playbooks/check_mesh.yml": "",
        "roles/access/meta/argument_specs.yml": "",
        "tests/unit/test_it.py": "",
        "Makefile": ".PHONY: demo\ndemo demo-ca: ready\ntest:\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[x](docs/one.md)", []),
        ("[x](docs/one.md#again-1)", []),
        ("[x](docs/one.md#what-it-does-twice)", []),
        ("[x](docs)", []),
        ("# Here\n\n[x](#here)", []),
        ('<a id="below"></a>\n\n[x](#below)', []),
        (f"[x]({BLOB}/docs/one.md#again)", []),
        ("[x](https://github.com/meshops/mesh/issues)", []),
        ("[x](https://istio.io/latest/)", []),
        ("[x]: docs/one.md\n\n[x]", []),
        ("![a picture](https://raw.githubusercontent.com/meshops/mesh/main/docs/one.md)", []),
        ("[x](docs/two.md)", ["README.md: docs/two.md: docs/two.md does not exist"]),
        ("[x][y]\n\n[y]: docs/two.md", ["README.md: docs/two.md: docs/two.md does not exist"]),
        ("![a picture](docs/picture.svg)", ["README.md: docs/picture.svg: docs/picture.svg does not exist"]),
        ('<img src="docs/picture.svg">', ["README.md: docs/picture.svg: docs/picture.svg does not exist"]),
        ("[x](docs/one.md#again-2)", ["README.md: docs/one.md#again-2: docs/one.md has no heading #again-2"]),
        ("# Here\n\n[x](#there)", ["README.md: #there: README.md has no heading #there"]),
        ("[x](/docs/one.md)", ["README.md: /docs/one.md: begins at the root of whatever site shows it"]),
        ("[x](../elsewhere.md)", ["README.md: ../elsewhere.md: leads out of the repository"]),
        (f"[x]({BLOB}/docs/two.md)", [f"README.md: {BLOB}/docs/two.md: docs/two.md does not exist"]),
        ("[x](https://github.com/meshops/mesh/wiki)", ["README.md: https://github.com/meshops/mesh/wiki: is no page of the repository"]),
        ("`docs/one.md` and `roles/access/meta/argument_specs.yml`, `meta/argument_specs.yml`, `docs/checks/OSMXXXX`", []),
        ("`docs/two.md`", ["README.md: docs/two.md does not exist"]),
        ("meshops.mesh.mesh_check, `meshops.mesh.check_mesh`, meshops.mesh.access", []),
        ("`meshops.mesh.check_meshes`", ["README.md: meshops.mesh.check_meshes does not exist"]),
        ("    make demo-ca\n\nmake it, `make test`", []),
        ("    make tests", ["README.md: make tests does not exist"]),
    ],
)
def test_what_is_found(site: Path, text: str, expected: list[str]) -> None:
    (site / "README.md").write_text(text + "\n", encoding="utf-8")
    assert LINKS.Docs(site).wrong() == expected


def test_an_archive_has_no_tests_to_name(site: Path) -> None:
    (site / "README.md").write_text("`tests/unit/test_other.py`\n", encoding="utf-8")
    assert LINKS.Docs(site).wrong() == ["README.md: tests/unit/test_other.py does not exist"]
    for path in (site / "tests" / "unit" / "test_it.py", site / "tests" / "unit", site / "tests"):
        path.unlink() if path.is_file() else path.rmdir()
    assert LINKS.Docs(site).wrong() == []


def test_relative_links_are_found(site: Path) -> None:
    (site / "README.md").write_text(f"# A\n\n[x](docs/one.md) [y](#a) [z]({BLOB}/docs/one.md)\n", encoding="utf-8")
    docs = LINKS.Docs(site)
    assert docs.relative_links(docs.pages["README.md"]) == ["docs/one.md"]
