# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure parts of the bench: rows, table, growth, calls of the audit log; and that a measured command is measured whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from bench.calls import count
from bench.certificates import measured as measured_certificates
from bench.measure import Failed, run
from bench.table import Row, bend, fit, render
from bench.worlds import World


def test_a_row_is_met_up_to_what_is_wanted() -> None:
    assert Row("f", "w", 4.0, wanted=4.0).met is True
    assert Row("f", "w", 4.1, wanted=4.0).met is False
    assert Row("f", "w", 4.1).met is None
    assert Row("f", "w", 6.0, floor=4.0).ratio == 1.5
    assert Row("f", "w", 6.0, floor=0.0).ratio is None
    assert Row("f", "changed", 0, unit="", wanted=0).met is True
    assert Row("f", "changed", 1, unit="", wanted=0).met is False


def test_the_table_has_a_line_for_each_row_and_shouts_a_missed_target() -> None:
    text = render(
        [Row("travel", "first", 123.4, floor=20.0, wanted=90.0, note="floor: kubectl"), Row("travel", "second", 9.87, wanted=20.0)]
    )
    head, missed, met = text.splitlines()
    assert head.split() == ["figure", "what", "value", "floor", "ratio", "wanted", "met"]
    assert missed.split() == ["travel", "first", "123", "s", "20.0", "6.2", "90.0", "NO", "floor:", "kubectl"]
    assert met.split() == ["travel", "second", "9.9", "s", "20.0", "yes"]
    assert missed.index("NO") == met.index("yes")


def test_a_line_through_points() -> None:
    assert fit({10: 3.0, 100: 12.0, 300: 32.0}) == pytest.approx((2.0, 0.1))
    base, slope = fit([(10, 1.0), (10, 3.0), (20, 4.0)])
    assert (base, slope) == pytest.approx((0.0, 0.2))
    with pytest.raises(ValueError, match="two sizes"):
        fit({10: 1.0})


@pytest.mark.parametrize(
    ("grows", "expected"),
    [
        (lambda size: 5 + 0.02 * size, 1.0),
        (lambda size: size**2, 2.81),
        (lambda size: 7.0, 1.0),
    ],
)
def test_the_bend_tells_a_line_from_a_square(grows, expected) -> None:
    assert bend({size: grows(size) for size in (300, 10, 100)}) == pytest.approx(expected, abs=0.01)


def test_noise_that_makes_the_middle_cheaper_does_not_make_the_line_fall() -> None:
    assert bend({10: 3.0, 100: 2.0, 300: 6.0}) == 2.0


def _event(verb: str, uri: str, agent: str = "meshops.mesh", stage: str = "ResponseComplete") -> dict[str, object]:
    resource = None if uri in ("/api", "/apis", "/version") else {"resource": "x"}
    return {"verb": verb, "requestURI": uri, "userAgent": agent, "stage": stage} | ({"objectRef": resource} if resource else {})


def test_calls_are_ours_only_and_pages_of_a_list_are_one_call() -> None:
    pods = "/api/v1/pods?limit=500"
    found = count(
        [
            _event("get", "/apis"),
            _event("get", "/apis"),
            _event("get", "/apis"),
            _event("list", pods),
            _event("list", pods + "&continue=abc"),
            _event("list", "/api/v1/pods", "OpenAPI-Generator/37.0.2/python"),
            _event("list", pods, "kube-controller-manager/v1"),
            _event("list", pods, stage="ResponseStarted"),
            _event("list", pods + "&labelSelector=a%3Db"),
            _event("create", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
            _event("create", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
        ]
    )
    assert (found.total, found.reviews, found.discovery) == (9, 2, 3)
    assert found.verbs == {"get": 3, "list": 4, "create": 2}
    assert found.repeated == (("list /api/v1/pods", 2), ("list /api/v1/pods?labelSelector=a%3Db", 1))
    assert found.text == "list 4, get 3, create 2"


def test_a_command_is_measured_with_the_processes_that_it_starts() -> None:
    body = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; x = bytearray(90 * 2**20); time.sleep(0.6)'])"
    used = run([sys.executable, "-c", body])
    assert used.seconds >= 0.6
    # its first sample may be the fork of this very process, which is as large as pytest
    assert 90 <= used.largest_mib < 500
    assert used.tree_mib >= 90
    with pytest.raises(Failed, match="ended with 3:\nwhy"):
        run([sys.executable, "-c", "print('why'); raise SystemExit(3)"])


def test_a_world_has_as_many_of_everything_as_it_says() -> None:
    world = World("w", namespaces=25, apps=4, replicas=2)
    intent = world.intent()
    assert world.pods == 200
    assert world.text == "25 namespaces, 100 workloads, 200 pods"
    names = [name for domain in intent["mesh_domains"] for name in domain["namespaces"]]
    assert names == world.members
    assert len(set(names)) == 25
    assert [len(domain["namespaces"]) for domain in intent["mesh_domains"]] == [10, 10, 5]
    assert sum(len(home["applications"]) for home in intent["mesh_workloads"]) == 100


def test_the_bench_of_certificates_runs() -> None:
    """Its own refusal, that all chains are good, is passed too."""
    assert set(measured_certificates(3)) == {"ours", "openssl", "memory_mib"}
