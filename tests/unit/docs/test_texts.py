# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages, hints and remedies name what exists, and a number agrees with its noun."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._personas.matrix import ROLES as MESH_ROLES
from ansible_collections.meshops.mesh.plugins.module_utils._text import counted

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "tools"))

import links
import texts
import variables_page

KNOWN = {
    "names": links.Docs().names,
    "playbooks": {path.stem for path in ROOT.glob("playbooks/*.yml")},
    "roles": {path.name for path in ROOT.glob("roles/*")},
    "variables": {*variables_page.variables(), *MESH_ROLES},
}


def test_every_text_names_what_there_is() -> None:
    found = list(texts.texts())
    assert len(found) > 3000 and sum("meshops.mesh." in text for text in found) > 50 and sum("mesh_" in text for text in found) > 100
    assert [f"{text.where}: {name}" for text in found for name in texts.unknown(text, **KNOWN)] == []


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("run meshops.mesh.install_mesh, or correct mesh_domains; see docs/authorization.md", []),
        ("run meshops.mesh.instal_mesh", ["meshops.mesh.instal_mesh"]),
        ("the playbook render_right with -e mesh_rights_families=base", ["playbook render_right"]),
        ("the playbooks render_rights and others", []),
        ("give mesh_domain a namespace", ["mesh_domain"]),
        ("-e mesh_taget=files", ["mesh_taget"]),
        ("the role meshops.mesh.gateway is in roles/", ["meshops.mesh.gateway", "role gateway"]),
        ("docs/no-such-page.md says why", ["docs/no-such-page.md"]),
        ("ansible_collections/meshops/mesh_x/file.py", []),
    ],
)
def test_what_does_not_exist_is_found(text: str, unknown: list[str]) -> None:
    assert texts.unknown(text, **KNOWN) == unknown


def test_a_number_agrees_with_its_noun() -> None:
    assert [line for path in sorted(ROOT.glob("plugins/**/*.py")) for line in texts.uncounted(path)] == []
    assert [counted(number, "pod") for number in (0, 1, 2)] == ["0 pods", "1 pod", "2 pods"]
    assert [counted(number, "proxy", "proxies") for number in (0, 1, 2)] == ["0 proxies", "1 proxy", "2 proxies"]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('f"{len(pods)} pods are there"', ["len(pods) pods"]),
        ('f"of {count} proxies"', ["count proxies"]),
        ('f"{len(all) - 3} more groups"', ["len(all) - 3 groups"]),
        ('f"{row.replicas} replicas"', ["row.replicas replicas"]),
        ("f\"{counted(len(pods), 'pod')} are there\"", []),
        ('f"{len(done)} of {total} done"', []),
        ('f"{name} pods"', []),
        ('f"{len(all)} this"', []),
    ],
)
def test_a_number_without_agreement_is_found(code: str, found: list[str], tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text(f"text = {code}\n", encoding="utf-8")
    assert [line.partition(": ")[2] for line in texts.uncounted(path, tmp_path)] == found


def test_the_texts_of_a_file_are_its_sentences(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text('"""About it."""\nDOCUMENTATION = "not that one"\nkey = "word"\nraise E(f"run it {now} with a b")\nx = "two words"\n')
    assert {text.replace("\0", "*") for text in texts.of_python(path, tmp_path)} == {"run it * with a b", "two words"}
    path = tmp_path / "x.yml"
    path.write_text('# the head\n- name: Say\n  fail:\n    msg: "a {{ mesh_nonsense }} b"\n  when: mesh_x\n')
    assert [text.replace("\0", "*") for text in texts.of_yaml(path, tmp_path)] == ["# the head", "a * b"]
