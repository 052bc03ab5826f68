# SPDX-License-Identifier: GPL-3.0-or-later
"""What hand-written pages show: YAML that can be read, errors that the collection says, a list of pages that is whole."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "tools"))

from links import Docs, Page

PAGES = Docs(ROOT).pages
HAND_WRITTEN = {path: page for path, page in PAGES.items() if not path.startswith("docs/checks/OSM")}


def blocks(page: Page, kind: str) -> list[str]:
    """The fenced blocks of one kind."""
    return [token.content for token in page.tokens if token.type == "fence" and token.info.strip() == kind]


@pytest.mark.parametrize("path", sorted(path for path, page in HAND_WRITTEN.items() if blocks(page, "yaml")))
def test_yaml_can_be_read(path: str) -> None:
    for text in blocks(HAND_WRITTEN[path], "yaml"):
        assert all(isinstance(document, dict | list) for document in yaml.safe_load_all(text)), text


def _of_python(path: Path) -> Iterator[str]:
    """The texts of a file; those of an f-string without what is put into them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "\0".join(part.value for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _of_yaml(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _of_yaml(item)
    elif isinstance(value, list):
        for item in value:
            yield from _of_yaml(item)
    elif isinstance(value, str):
        yield re.sub(r"\{\{.*?\}\}", "\0", value, flags=re.DOTALL)


@cache
def _texts() -> str:
    """All that the collection may say, each text in a line."""
    python = [text for path in ROOT.glob("plugins/**/*.py") for text in _of_python(path)]
    roles = [text for path in ROOT.glob("roles/*/tasks/*.yml") for text in _of_yaml(yaml.safe_load(path.read_text(encoding="utf-8")))]
    return "\n".join(" ".join(text.split()) for text in python + roles)


# Of Ansible itself, by missing_required_lib.
OF_ANSIBLE = ("Failed to import the required Python library (kubernetes) on",)


def _errors() -> list[str]:
    return [
        line.strip()
        for token in PAGES["docs/troubleshooting.md"].tokens
        if token.type == "code_block"
        for line in token.content.splitlines()
    ]


def test_there_are_errors_to_look_for() -> None:
    assert len(_errors()) >= 10


@pytest.mark.parametrize("error", _errors())
def test_an_error_of_the_page_is_one_of_the_collection(error: str) -> None:
    parts = [part.strip(" ;:.,)(") for part in error.split("…")]
    assert any(len(part) > 10 for part in parts), "it can be found by its words"
    missing = [part for part in parts if part and part not in _texts() and part not in OF_ANSIBLE]
    assert missing == []


def test_the_list_of_pages_is_whole() -> None:
    listed = {link.partition("#")[0] for link in PAGES["docs/README.md"].links}
    there = {str(path.relative_to(ROOT / "docs")) for path in ROOT.glob("docs/**/*.md")}
    assert {path for path in there if not path.startswith("checks/OSM") and path != "README.md"} - listed == set()
