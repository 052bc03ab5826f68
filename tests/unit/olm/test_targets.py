# SPDX-License-Identifier: GPL-3.0-or-later
"""From rendered Subscriptions to what install_plan is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.filter.subscription_targets import subscription_targets


def thing(name: str, kind: str = "Subscription") -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "namespace": "operators"}, "spec": {"name": "package"}}


@pytest.mark.parametrize(("objects", "versions", "expected"), [
    ([], {"a": "a.v1"}, []),
    ([thing("a")], {}, [("a", "")]),
    ([thing("group", "OperatorGroup"), thing("b"), thing("a")], {"a": "a.v1", "c": "c.v1"}, [("b", ""), ("a", "a.v1")]),
    ([thing("a")], {"a": "latest"}, [("a", "latest")]),
    ([thing("a")], {"a": None}, [("a", "")]),
])  # fmt: skip
def test_targets(objects: list[Any], versions: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert subscription_targets(objects, versions) == [
        {"name": name, "namespace": "operators", "target": target} for name, target in expected
    ]
