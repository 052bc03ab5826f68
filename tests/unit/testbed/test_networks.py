# SPDX-License-Identifier: GPL-3.0-or-later
"""Beds of one network: which number each has, and that no two of them have an address in common."""

from __future__ import annotations

import ipaddress
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from testbed import Bed, BedError, bed, networks
from testbed.paths import locked
from testbed.pods import leavings, rules

Beds = Callable[..., Bed]


def test_no_two_clusters_share_an_address() -> None:
    found = [ipaddress.IPv4Network(f"{networks.LINK}.0/24")]
    for number in range(1, networks.LIMIT + 1):
        there = networks.ranges(number)
        found += map(ipaddress.IPv4Network, (there.pods, there.services, f"{there.balancers}.0/24"))
    assert not [pair for pair in itertools.combinations(found, 2) if pair[0].overlaps(pair[1])]
    assert networks.ranges(1) == networks.Ranges("10.128.0.0/14", "10.96.0.0/16", "198.18.1")


@pytest.mark.parametrize(
    ("taken", "before", "chosen"),
    [((), None, 1), ((1, 2, 4), None, 3), ((1,), 7, 7), ((1, 7), 7, 2)],
    ids=["first", "lowest", "as-before", "taken-meanwhile"],
)
def test_a_bed_keeps_its_number_while_nobody_else_has_it(taken: tuple[int, ...], before: int | None, chosen: int) -> None:
    assert networks.choose("mesh", taken, before) == chosen


def test_a_network_that_is_full_or_has_no_name_is_refused() -> None:
    with pytest.raises(BedError, match="Network mesh has 32 beds, which is all it can have"):
        networks.choose("mesh", range(1, 33))
    with pytest.raises(BedError, match="use up to 40 lower case letters, digits and dashes"):
        networks.checked_name("../etc")


@pytest.fixture
def beds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beds:
    """Makes a bed's folder as its start leaves it; nothing runs in it."""
    monkeypatch.setattr(bed, "BEDS", tmp_path)

    def make(name: str, network: str, number: int, *, routed: bool = False) -> Bed:
        made = Bed(tmp_path / name)
        made.dir.mkdir()
        (made.dir / "spec.json").write_text(json.dumps({"network": {"network": network, "number": number, "routed": routed}}))
        return made

    return make


def number_of(one: Bed, network: str, *, routed: bool = False) -> int:
    with one._place(network, routed=routed) as place:
        return int(place["network"]["number"])


def test_the_number_of_a_dead_bed_is_free_and_what_it_left_goes(beds: Beds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned: list[str] = []
    monkeypatch.setattr(leavings, "clean", lambda folder: cleaned.append(folder.name))
    beds("west", "mesh", 1)
    beds("alone", "other", 2)
    with locked(tmp_path / "west.lock"):  # on its way up
        assert number_of(beds("east", "mesh", 1), "mesh") == 2
        assert cleaned == []
        with pytest.raises(BedError, match="Bed south cannot be in network mesh with routed pods: its other beds are there otherwise"):
            number_of(Bed(tmp_path / "south"), "mesh", routed=True)
    cleaned.clear()
    assert number_of(Bed(tmp_path / "north"), "mesh") == 1
    assert cleaned == ["east", "west"]
    assert number_of(Bed(tmp_path / "alone"), "other") == 2


def test_a_running_bed_of_another_network_is_no_answer(tmp_path: Path) -> None:
    running = Bed(tmp_path / "b")
    running.dir.mkdir()
    there = {"network": {"network": "mesh", "number": 1, "routed": False}, "operators": [], "pod_cidr": "10.128.0.0/14"}
    (running.dir / "bed.json").write_text(json.dumps(there))
    running._is_as_asked(None, "", "10.128.0.0/14", "mesh")
    running._is_as_asked(None, "", "10.128.0.0/14")
    with pytest.raises(BedError, match="is in network mesh of load balancers, not in network mesh with routed pods: stop it first"):
        running._is_as_asked(None, "", "10.128.0.0/14", "mesh", routed=True)
    for given, said in (
        ({"routed": True}, "routed is about beds of one network: name it"),
        ({"network": "mesh", "pod_cidr": "10.20.0.0/16"}, "Network mesh says where the pods of its beds are"),
    ):
        with pytest.raises(BedError, match=said):
            Bed.start("b", (), **given)


def test_only_what_comes_to_a_load_balancer_gets_in() -> None:
    nat, between = rules.link_rules()
    assert nat == ["-A POSTROUTING -o wire0 -j MASQUERADE"]
    assert between[-1] == "-A FORWARD -i wire0 -j DROP" and "DNAT" in between[0]
    text = rules.nat_rules([], {}, ["-A FORWARD -s 10.1.0.1/32 -j DROP"], (nat, between))
    assert text.splitlines() == ["*nat", *nat, "COMMIT", "*filter", "-A FORWARD -s 10.1.0.1/32 -j DROP", *between, "COMMIT"]
    assert rules.link_rules("10.128.0.0/14") == (["-A POSTROUTING ! -s 10.128.0.0/14 -o wire0 -j MASQUERADE"], [])
