# SPDX-License-Identifier: GPL-3.0-or-later
"""Classes of values: each witness is of its class, and brute force over short texts finds no class that is not there."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.addresses import address, network_matcher
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.automata import TooManyError, combinations
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.classes import (
    CALLER,
    ValueClass,
    _identities,
    classes,
    conditions_of,
    dimension,
    joined,
)
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.matching import (
    Matcher,
    Pattern,
    header_matcher,
    namespace_matcher,
    path_matcher,
    principal_pair,
    service_account_matcher,
    string_matcher,
    trust_domain_matcher,
)
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.ztunnel import _attributes as ztunnel_matchers
from authorization_worlds import SLEEP, chain, operation, policy, source, when

PATHS = ["/a", "/a*", "*b", "/a/{*}", "/{**}/b", "*", "/ab", "/{*}", "/a/{**}"]
STRINGS = ["a", "ab", "a*", "*b", "*", "ba*", "*ab", "b*", "**"]


def matched(matchers: Sequence[Matcher], value: Any) -> tuple[bool, ...]:
    return tuple(matcher.matches(value) for matcher in matchers)


def exact(matchers: Sequence[Matcher], alphabet: str, length: int) -> None:
    found = combinations(matchers)
    assert [entry for entry in found if matched(matchers, entry.witness) != entry.matched] == []
    known = {entry.matched for entry in found}
    assert len(known) == len(found)
    for size in range(length + 1):
        for letters in itertools.product(alphabet, repeat=size):
            assert matched(matchers, "".join(letters)) in known


@pytest.mark.parametrize("seed", range(6))
def test_paths_and_strings_against_brute_force(seed: int) -> None:
    chance = random.Random(seed)
    exact([path_matcher(value) for value in chance.sample(PATHS, 5)], "/abz[", 5)
    exact([string_matcher(value) for value in chance.sample(STRINGS, 5)], "abz*", 5)
    exact([header_matcher(value, folded=True) for value in chance.sample(STRINGS, 4)], "aAbBz", 4)
    exact([string_matcher(value, "s/") for value in chance.sample(STRINGS, 4)], "s/abz", 5)


def test_identities_against_brute_force() -> None:
    exact([namespace_matcher("a"), namespace_matcher("a*b"), namespace_matcher("*")], "/nsab", 6)
    short = [
        trust_domain_matcher("t"),
        trust_domain_matcher("*.t"),
        service_account_matcher("n/a", "x", True),
        service_account_matcher("a.b", "n", False),
    ]
    names = ["t", "x.t", ".t", "x", ""]
    texts = [
        f"spiffe://{td}/ns/{ns}{more}/sa/{sa}{end}"
        for td in names
        for ns in ("n", "m")
        for more in ("", "/p/q")
        for sa in ("a", "axb", "b")
        for end in ("", "/z")
    ]
    known = {entry.matched for entry in combinations(short)}
    assert {matched(short, text) for text in texts} <= known
    assert all(matched(short, entry.witness) == entry.matched for entry in combinations(short))


def test_a_form_can_be_asked_for() -> None:
    form = Pattern("spiffe://[^/]+/ns/[^/]+/sa/[^/]+")
    found = combinations([namespace_matcher("a"), string_matcher("t/ns/a/*", "spiffe://")], within=form)
    assert sorted(entry.matched for entry in found) == [(False, False), (True, False), (True, True)]
    assert all(form.matches(entry.witness) for entry in found)


def test_too_many_kinds_are_told() -> None:
    with pytest.raises(TooManyError, match="more than 10 kinds"):
        combinations([string_matcher("abcdefghijkl")], limit=10)


def test_a_matcher_of_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="no matcher of texts"):
        combinations([principal_pair("i/s")])


def test_addresses_and_ports() -> None:
    found = classes(
        conditions_of(
            chain(
                policy(
                    {
                        **source(ipBlocks=["10.0.0.0/8", "10.1.0.0/16", "::1"], notIpBlocks=["10.255.255.255"]),
                        **operation(ports=["1", "80"]),
                    }
                )
            )
        )
    )
    matchers, values = found["source.ip"]
    known = {value.matched for value in values}
    samples = [
        "9.255.255.255",
        "10.0.0.0",
        "10.1.0.0",
        "10.1.255.255",
        "10.2.0.0",
        "10.255.255.255",
        "11.0.0.0",
        "::",
        "::1",
        "::2",
        "255.255.255.255",
    ]
    assert {matched(matchers, address(text)) for text in samples} == known and len(known) == 5
    assert [value.witness for value in found["destination.port"][1]] == [1, 80, 2]


def test_the_end_of_the_address_space_has_no_next_address() -> None:
    found = classes(conditions_of(chain(policy(source(ipBlocks=["255.0.0.0/8", "0.0.0.0/0", "::/0", "ff00::/8"])))))
    assert {value.matched for value in found["source.ip"][1]} == {
        (False, True, False, False),
        (True, True, False, False),
        (False, False, True, False),
        (False, False, True, True),
    }
    assert network_matcher("::/0").matches(address("ffff::"))


def test_what_a_chain_asks_about() -> None:
    rules = chain(
        policy(
            {
                **source(principals=[SLEEP], requestPrincipals=["i/s"]),
                **operation(hosts=["a.b"], methods=["GET"], paths=["/a/*"]),
                **when("request.headers[Host]", "x"),
            }
        ),
        policy(source(namespaces=["foo"]), action="DENY", name="d"),
        policy({}, name="n"),
    )
    found = classes(conditions_of(rules))
    assert set(found) == {CALLER, "request.auth.principal", "hosts", "methods", "paths", "request.headers[Host]"}
    absent = {name for name, (_matchers, values) in found.items() if any(value.witness is None for value in values)}
    assert absent == {CALLER, "request.auth.principal", "request.headers[Host]"}
    assert {value.matched for value in found[CALLER][1]} == {(False, False), (True, True), (True, False)} and len(found[CALLER][1]) == 4
    assert {value.witness for value in found["request.auth.principal"][1] if value.matched == (True,)} == {("i", "s")}


def test_attributes_that_ask_about_one_value() -> None:
    assert dimension("source.namespace") == dimension("source.principal") == CALLER
    assert dimension("request.auth.audiences") == "request.auth.claims[aud]" and dimension("remote.ip") == "remote.ip"


def test_several_values_are_in_the_class_of_their_union() -> None:
    one, two, none = ValueClass((True, False), "a"), ValueClass((False, True), "b"), ValueClass((False, False), None)
    found = {value.matched: value.witness for value in joined([one, two, none])}
    assert found == {(True, False): ["a"], (False, True): ["b"], (True, True): found[(True, True)]} and set(found[(True, True)]) == {
        "a",
        "b",
    }


def test_too_many_unions_are_told() -> None:
    values = [ValueClass(tuple(place == number for place in range(8)), str(number)) for number in range(8)]
    assert len(joined(values)) == 255
    with pytest.raises(TooManyError, match="more than 100 kinds"):
        joined(values, limit=100)


_WHOLE = [
    string_matcher("cluster.local/ns/a/sa/x", "spiffe://"),
    string_matcher("cluster.local/ns/a/sa/*", "spiffe://"),
    string_matcher("other/ns/a/*", "spiffe://"),
    string_matcher("other/ns/b/sa/other", "spiffe://"),
    string_matcher("stranger/ns/b/sa/y", "spiffe://"),
    string_matcher("*"),
    namespace_matcher("a"),
    namespace_matcher("b-1"),
    service_account_matcher("a/x", "p", True),
    service_account_matcher("y", "b", True),
    ztunnel_matchers("")["source.namespace"].matcher("b"),
    ztunnel_matchers("b")["source.serviceAccount"].matcher("y"),
]


@pytest.mark.parametrize("seed", range(40))
def test_the_short_way_to_callers_gives_the_classes_of_the_automata(seed: int) -> None:
    matchers = random.Random(seed).sample(_WHOLE, 4)
    short = _identities(matchers)
    assert short is not None, "each of these asks for whole segments only"
    exact = combinations(matchers, within=Pattern("spiffe://[^/]+/ns/[^/]+/sa/[^/]+"))
    assert {value.matched for value in short} == {found.matched for found in exact}
    for value in short:
        assert tuple(matcher.matches(value.witness) for matcher in matchers) == value.matched


@pytest.mark.parametrize(
    "matcher",
    [
        string_matcher("cluster.local/ns/a*", "spiffe://"),
        string_matcher("*/sa/x", "spiffe://"),
        string_matcher("cluster.local/*", "spiffe://"),
        string_matcher("cluster.local/ns/a/sa/x*", "spiffe://"),
        string_matcher("cluster.local/x", "spiffe://"),
        string_matcher("cluster.local/ns//sa/x", "spiffe://"),
        namespace_matcher("sa"),
        namespace_matcher("ns"),
        namespace_matcher("a*"),
        service_account_matcher("a/x.y", "p", False),
        ztunnel_matchers("")["source.namespace"].matcher("b*"),
    ],
)
def test_what_asks_for_parts_of_segments_takes_the_long_way(matcher: Any) -> None:
    assert _identities([matcher]) is None
