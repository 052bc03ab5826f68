# SPDX-License-Identifier: GPL-3.0-or-later
"""Three clusters on one network: their pods reach each other by their own addresses, without a gateway."""

from __future__ import annotations

from collections import Counter

import pytest
from testbed.patience import until
from two_clusters_support import SYSTEM, clusters, in_network, missing, remote_secret, values

# test_two_clusters_bed has two of them on two networks; test_bed_link what is routed between the nodes.
pytestmark = [pytest.mark.long, pytest.mark.skipif(missing() is not None, reason=f"the data plane pods: {missing()}")]


def test_each_client_is_answered_by_the_pods_of_all_clusters(worker_id: str) -> None:
    with clusters(f"flat-bed-{worker_id}", count=3, routed=True) as fleet:
        fleet.plug_in()
        for one in fleet:
            in_network(one)
            one.install(values(one))
        fleet.sample()
        for one in fleet:
            for other in fleet:
                if other is not one:
                    other.apply(remote_secret(one), namespace=SYSTEM)
        pods = {f"{one.pods(f'helloworld-{one.version}')[0]['status']['podIP']}:5000" for one in fleet}
        assert len(pods) == 3
        for one in fleet:
            until(lambda one=one: one.endpoints() == pods, timeout=30, what=f"pods of all clusters known in {one.name}")
            found: Counter[str] = one.answers(90)
            assert found.keys() == {"v1", "v2", "v3"} and min(found.values()) > 10, (one.name, found)
