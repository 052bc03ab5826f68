# SPDX-License-Identifier: GPL-3.0-or-later
"""A corporate CA comes to a mesh with a real istiod and real agents; a caller at 20 calls a second sees nothing of it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import collection_support  # noqa: F401  (first: it makes the collection importable)
import pytest
from envoys_support import until
from pods_support import missing
from rotation_support import MATERIAL, NEW, PHASES, Bedded, goal, rotation, steps
from testbed import Bed
from testbed.calls import Calls

# test_rotation_live has every step and every way to die on quicker proxies.
pytestmark = [pytest.mark.long, pytest.mark.skipif(missing() is not None, reason=f"the data plane pods: {missing()}")]


@pytest.fixture(scope="module")
def bedded(worker_id: str) -> Iterator[Bedded]:
    bed = Bed.start(f"rotation-pods-{worker_id}", ("sail", "pods"), owner=os.getpid())
    found = Bedded(bed)
    # Certificates of a day are renewed in their time, which here is ten seconds.
    found.install({"meshConfig": {"defaultConfig": {"proxyMetadata": {"SECRET_TTL": "20s"}}}})
    found.deploy("portal", "cars")
    until(lambda: found.call("portal", "cars") == "200", what="a call that works")
    yield found
    bed.stop()


def test_there_without_a_failed_call(bedded: Bedded) -> None:
    """Both are restarted on the way, caller and called; each step is a run of its own that dies."""
    with Calls(bedded.bed, "http://cars:8000/", source="shop/portal", rate=20, timeout=10, keep_alive=False) as calls:
        assert steps(bedded, lambda _run: goal(MATERIAL), calls) == PHASES
        assert rotation(bedded).settle(goal(MATERIAL)).blockers == ()
        calls.wait(40)
    assert bedded.issuer("cars") == "CN=new intermediate"
    assert bedded.roots() == NEW.root.decode()
    assert calls.failed() == []
