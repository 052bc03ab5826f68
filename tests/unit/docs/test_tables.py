# SPDX-License-Identifier: GPL-3.0-or-later
"""The generated tables of README.md and docs/what-it-does-to-a-cluster.md say all of what they are made from."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.versions import OSSM_ISTIO
from ansible_collections.meshops.mesh.plugins.module_utils._rights.table import FAMILIES
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.rules import KUBERNETES

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "tools"))

import readme_tables
import writes_page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("---\n# Checks a mesh. It changes nothing.\n#   ansible-playbook x\n- name: x\n", "Checks a mesh."),
        (
            "---\n# Checks a mesh, also one of\n# version 2.6, and reads docs/x.md.\n- name: x\n",
            "Checks a mesh, also one of version 2.6, and reads docs/x.md.",
        ),
        ("---\n# Checks a mesh.\n#   ansible-playbook x\n", "Checks a mesh."),
        ("---\n# It plans. -e x=y\n", "It plans."),
        ("---\n- name: x\n", ""),
    ],
)
def test_the_first_sentence_of_a_head_comment(text: str, expected: str) -> None:
    assert readme_tables.first_sentence(text) == expected


def test_every_playbook_role_and_module_has_its_line() -> None:
    playbooks = [*readme_tables.playbook_rows(travel=False), *readme_tables.playbook_rows(travel=True)]
    assert len(playbooks) == len(list((ROOT / "playbooks").glob("*.yml")))
    assert len(list(readme_tables.role_rows())) == len(list((ROOT / "roles").glob("*/tasks")))
    assert len(list(readme_tables.module_rows())) == len(list((ROOT / "plugins" / "modules").glob("*.py")))
    texts = [text for rows in (playbooks, readme_tables.role_rows(), readme_tables.module_rows()) for _name, text in rows]
    assert [text for text in texts if not re.fullmatch(r"[A-Z].{10,260}\.", text)] == [], "a head comment begins with a short sentence"


def test_every_maintained_version_is_in_the_table_of_support() -> None:
    table = readme_tables.TABLES["support"]()
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| 1\.(\d+) \| 1\.(\d+) \| 4\.(\d+) \|$", table, re.MULTILINE)
    shown = {(provider, mesh): (int(istio), int(kubernetes), int(openshift)) for provider, mesh, istio, kubernetes, openshift in rows}
    assert shown["ossm2", "OpenShift Service Mesh 2.6"] == (20, 27, 14)
    for ossm, istio in OSSM_ISTIO.items():
        if ossm[0] == 3:
            found = shown["ossm3", f"OpenShift Service Mesh 3.{ossm[1]}"]
            assert found[0] == istio[1] and found[1] >= KUBERNETES[istio] and found[2] == found[1] - 13
    assert ("ossm2", "OpenShift Service Mesh 2.5") not in shown
    assert len([provider for provider, _mesh, *_rest in rows if provider == "sail"]) == 3


def test_a_readme_without_a_place_for_a_table_is_refused() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme_tables.with_tables(readme) == readme
    with pytest.raises(ValueError, match="expected one <!-- roles: begin -->"):
        readme_tables.with_tables(readme.replace("<!-- roles: begin -->", ""))


def test_the_readme_is_short() -> None:
    text = re.sub(r"<!-- (\w+): begin -->.*?<!-- \1: end -->", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(text.splitlines()) < 160


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("apiVersion: v1\nkind: Service\nspec:\n  kind: Other\n---\nkind: Route\n", ["Service", "Route"]),
        ("kind: {{ 'RoleBinding' if namespace else 'ClusterRoleBinding' }}\n", ["RoleBinding", "ClusterRoleBinding"]),
        ("roleRef:\n  kind: Role\n", []),
    ],
)
def test_the_kinds_of_a_template(text: str, expected: list[str]) -> None:
    assert writes_page.kinds_of_template(text) == expected


def test_every_role_that_makes_something_is_on_the_page() -> None:
    makes_nothing = {"deliver", "login"}
    for role in {path.parent for path in (ROOT / "roles").glob("*/tasks")}:
        assert bool(writes_page.kinds_of_role(role)) == (role.name not in makes_nothing), role.name


def test_every_write_of_the_table_of_rights_is_on_the_page() -> None:
    page = writes_page.page()
    for family, (_about, rights) in FAMILIES.items():
        section = page.partition(f"\n## {family}\n")[2].partition("\n## ")[0]
        written = [
            right
            for right in rights
            if {"create", "patch", "update", "delete"} & set(right.verbs) and right.resource not in writes_page.ASKED
        ]
        assert written or family in ("check", "inventory")
        for right in written:
            assert ("of any kind" if right.resource == "*.*" else f"`{right.resource}`") in section, (family, right.resource)
        for right in written:
            assert "delete" not in right.verbs or "deletes" in section
