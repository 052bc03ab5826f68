# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of the floors: nothing imports upwards, nothing in a circle. tests/tools/floors.py has the order."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools import floors


def test_nothing_imports_upwards_or_in_a_circle() -> None:
    assert floors.unknown_packages() == []
    assert floors.arrows_up() == []
    assert floors.circles() == []
    assert floors.private_names() == []
    assert floors.shared_class_names() == []


def tree(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


UPWARDS = ("from .._commands.apply import run", "def late():\n    from .._commands.apply import run", "from .._checks import types")


@pytest.mark.parametrize("text", UPWARDS)
def test_an_arrow_up_or_beside_is_found_also_inside_of_a_function(tmp_path: Path, text: str) -> None:
    root = tree(tmp_path, _commands__apply="", _checks__types="", _kube__client=text, _olm__model="from .._kube.client import Cluster")
    assert [(here, name) for here, _there, name in floors.arrows_up(root)] == [("_kube.client", text.rsplit(maxsplit=1)[-1])]


def test_a_circle_of_files_is_found(tmp_path: Path) -> None:
    files = {"one": "from .two import b", "two": "from .three import c", "three": "from .one import a", "four": "from .one import a"}
    root = tree(tmp_path, **{f"_olm__{name}": text for name, text in files.items()})
    assert floors.circles(root) == [["_olm.one", "_olm.three", "_olm.two"]]
    assert floors.arrows_up(root) == []


def test_a_private_name_across_files_is_found(tmp_path: Path) -> None:
    root = tree(tmp_path, _olm__one="_a = 1", _olm__two="from .one import _a\nfrom .._errors import MeshError", _errors="")
    assert [name for _here, _there, name in floors.private_names(root)] == ["_a"]


def test_a_class_name_with_two_meanings_is_found(tmp_path: Path) -> None:
    root = tree(tmp_path, _olm__one="class Row: ...\nclass Plan: ...", _kube__two="def make():\n    class Row: ...")
    assert floors.shared_class_names(root) == [("Row", ["_kube.two", "_olm.one"])]


def test_each_import_leads_to_a_file() -> None:
    files = {".".join(path.relative_to(floors.ROOT).with_suffix("").parts).removesuffix(".__init__") for path in floors.ROOT.rglob("*.py")}
    assert [(here, there) for here, there, _name in floors.imports_of() if there not in files] == []
