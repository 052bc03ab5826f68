# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup template renders as Ansible's own, and copies no variable that the template does not name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar

TEXT = "{% for one in names %}\n- {name: {{ one.name }}, of: {{ mesh }}, file: {{ template_path | basename }}}\n{% endfor %}\n"


class Whole:
    """A variable that nobody copies."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Whole:
        raise AssertionError("copied in depth")


def rendered(plugin: str, path: Path, variables: dict[str, Any], **options: Any) -> list[Any]:
    loader = DataLoader()
    found: list[Any] = lookup_loader.get(plugin, loader=loader, templar=Templar(loader=loader, variables=variables)).run(
        [str(path)], variables, **options)  # fmt: skip
    return found


def test_it_is_ansible_s_own_without_the_copies(tmp_path: Path) -> None:
    path = tmp_path / "objects.yml.j2"
    path.write_text(TEXT, encoding="utf-8")
    variables = {"names": [{"name": "web"}, {"name": "db"}], "mesh": "shop"}
    before = dict(variables)
    expected = rendered("ansible.builtin.template", path, variables)
    assert rendered("meshops.mesh.template", path, {**variables, "large": Whole()}) == expected
    assert "- {name: db, of: shop, file: objects.yml.j2}" in expected[0]
    assert variables == before, "nor is anything added to them"
    with pytest.raises(AssertionError, match="copied in depth"):
        rendered("ansible.builtin.template", path, {**variables, "large": Whole()})


def test_it_hands_options_on(tmp_path: Path) -> None:
    path = tmp_path / "objects.yml.j2"
    path.write_text("[[ mesh ]] {{ mesh }} {{ extra }}", encoding="utf-8")
    given = {"template_vars": {"extra": "more"}, "variable_start_string": "[[", "variable_end_string": "]]"}
    assert rendered("meshops.mesh.template", path, {"mesh": "shop"}, **given) == ["shop {{ mesh }} {{ extra }}"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no-such-file"):
        rendered("meshops.mesh.template", tmp_path / "no-such-file", {})
