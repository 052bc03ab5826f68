# SPDX-License-Identifier: GPL-3.0-or-later
"""The roots of other clusters, by what they have registered and by snapshots."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.filter.roots_of_others import roots_of_others

HOSTVARS: dict[str, Any] = {"east": {"here": {"roots": "PEM"}}, "silent": {}, "failed": {"here": {"failed": True}}}


@pytest.mark.parametrize(("hosts", "snapshots", "expected"), [
    ([], None, []),
    (["east", "silent", "failed"], {}, [{"cluster": "east", "roots_content": "PEM"}, {"cluster": "silent", "roots_content": ""},
                                        {"cluster": "failed", "roots_content": ""}]),
    (["east"], {"north": "n.json"}, [{"cluster": "east", "roots_content": "PEM"}, {"cluster": "north", "snapshot": "n.json"}]),
])  # fmt: skip
def test_sources(hosts: list[str], snapshots: Any, expected: list[dict[str, str]]) -> None:
    assert roots_of_others(iter(hosts), HOSTVARS, "here", snapshots) == expected
