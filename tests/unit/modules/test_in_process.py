# SPDX-License-Identifier: GPL-3.0-or-later
"""What an action plugin hands to our code is what the module would have read from JSON."""

from __future__ import annotations

import json
from collections import UserDict
from datetime import date
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.plugin_utils.in_process import plain


class Tagged(str):
    """As Ansible's strings, which know where they come from."""


class Number(int):
    """As Ansible's numbers."""


class Secret:
    """As a text of a vault."""

    def __str__(self) -> str:
        return "opened"


@pytest.mark.parametrize(("given", "expected"), [
    (Tagged("web"), "web"),
    (Number(8000), 8000),
    (True, True),
    (None, None),
    (1.5, 1.5),
    (date(2026, 11, 28), "2026-11-28"),
    (Secret(), "opened"),
    (UserDict({Tagged("kind"): [Tagged("Service"), (Number(1), UserDict({"a": False}))]}), {"kind": ["Service", [1, {"a": False}]]}),
])
def test_values_are_those_of_json(given: Any, expected: Any) -> None:
    found = plain(given)
    assert found == expected and json.loads(json.dumps(found)) == expected
    kinds = {dict, list, str, int, float, bool, type(None)}

    def walk(value: Any) -> None:
        assert type(value) in kinds
        for item in [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(item)

    walk(found)
