# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wait says when it ends."""

from __future__ import annotations

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import NotReady
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import Ref
from ansible_collections.meshops.mesh.plugins.module_utils._model.readiness import Readiness
from ansible_collections.meshops.mesh.plugins.module_utils._model.waiting import Waiter


def late(number: int) -> tuple[Waiter, list[Ref]]:
    refs = [Ref("apps/v1", "Deployment", "shop", f"app-{index:03d}") for index in range(number)]
    waiter = Waiter.start("west", refs)
    waiter.step({ref: Readiness.waiting("RollingOut", "updatedReplicas 0 of 3") for ref in refs}, 0.0)
    return waiter, refs


def test_a_few_late_objects_are_all_named() -> None:
    waiter, refs = late(10)
    text = str(waiter.expired(300))
    assert all(f"{ref}: RollingOut: updatedReplicas 0 of 3" in text for ref in refs)
    assert "more" not in text.replace("give more time", "")


def test_a_thousand_late_objects_are_ten_and_a_number() -> None:
    waiter, _refs = late(1000)
    text = str(waiter.expired(300))
    assert str(waiter.expired(1, remedy="run it again")).endswith("and 990 more; run it again")
    assert text.startswith("cluster west: not ready after 300 s: Deployment shop/app-000: RollingOut: updatedReplicas 0 of 3; ")
    assert "app-009: RollingOut: updatedReplicas 0 of 3; and 990 more; look at these objects" in text
    assert "app-010" not in text


def test_a_thousand_failures_are_ten_and_a_number() -> None:
    waiter, refs = late(1000)
    with pytest.raises(NotReady, match=r"app-009: Bad: no such image; and 990 more; this does not heal by waiting"):
        waiter.step({ref: Readiness.failed("Bad", "no such image") for ref in refs}, 1.0)
