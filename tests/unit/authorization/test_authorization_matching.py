# SPDX-License-Identifier: GPL-3.0-or-later
"""Every form of value, one by one: what it matches and, more important, what it does not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization import matching
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.addresses import address, network_matcher, port_matcher
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.matching import (
    fold,
    header_matcher,
    namespace_matcher,
    path_matcher,
    principal_pair,
    service_account_matcher,
    string_matcher,
    trust_domain_matcher,
)

SPIFFE = "spiffe://"

# (matcher, value, the values that match, those that do not)
STRINGS: list[tuple[Any, str, list[Any], list[Any]]] = [
    (string_matcher, "abc", ["abc"], ["", "ab", "abcd", "xabc", "ABC", "abc "]),
    (string_matcher, "abc*", ["abc", "abcd", "abc*", "abc\n"], ["", "ab", "xabc", "ABC"]),
    (string_matcher, "*abc", ["abc", "xabc", "*abc", "\nabc"], ["", "bc", "abcd", "ABC"]),
    (string_matcher, "*", ["a", "*", " ", "ü"], ["", "a\nb", "\n"]),
    (string_matcher, "a*c", ["a*c"], ["abc", "ac", "a*cd", "xa*c"]),
    (string_matcher, "*b*", ["b*", "ab*"], ["abc", "b", "b*x"]),
    (string_matcher, "**", ["*", "a*"], ["", "a", "*a"]),
    (string_matcher, "a.c*", ["a.c", "a.cx"], ["abc", "abcx"]),
    (string_matcher, "*.c", [".c", "a.c"], ["ac", "abc"]),
    (header_matcher, "abc", ["abc"], ["", "ab", "abcd", "ABC"]),
    (header_matcher, "abc*", ["abc", "abcd"], ["", "ab", "xabc", "ABCd"]),
    (header_matcher, "*abc", ["abc", "xabc"], ["", "abcx", "xABC"]),
    (header_matcher, "*", ["", "a", "a\nb"], []),
    (header_matcher, "a*c", ["a*c"], ["abc"]),
    (
        lambda value: header_matcher(value, folded=True),
        "Ex.com",
        ["ex.com", "EX.COM", "eX.cOm"],
        ["ex.com:80", "xex.com", "ex.comx", "exxcom"],
    ),
    (lambda value: header_matcher(value, folded=True), "Ex.com:*", ["ex.com:80", "EX.com:"], ["ex.com", "xex.com:80"]),
    (lambda value: header_matcher(value, folded=True), "*.Ex.com", ["a.ex.com", ".EX.com"], ["ex.com", "a.ex.com:80"]),
    (lambda value: header_matcher(value, folded=True), "*", ["", "a"], []),
    (lambda value: header_matcher(value, folded=True), "Ä", ["Ä"], ["ä"]),  # only ASCII is folded
    (
        namespace_matcher,
        "foo",
        [f"{SPIFFE}td/ns/foo/sa/x", f"{SPIFFE}td/x/y/ns/foo/sa/x", f"{SPIFFE}td/ns/a/sa/x/ns/foo/y", "/ns/foo/"],
        [f"{SPIFFE}td/ns/foobar/sa/x", f"{SPIFFE}td/ns/xfoo/sa/x", f"{SPIFFE}td/ns/Foo/sa/x", f"{SPIFFE}td/ns/foo", "foo", "", "ns/foo/"],
    ),
    (
        namespace_matcher,
        "team-*-prod",
        ["td/ns/team-a-prod/sa/x", "td/ns/team--prod/sa/x", "td/ns/team-a/b-prod/sa/x"],
        ["td/ns/team-prod/sa/x", "td/ns/team-a-prod", "td/ns/team-a-prodx/sa/x", "td/ns/xteam-a-prod/sa/x"],
    ),
    (namespace_matcher, "*", ["td/ns/foo/sa/x", "td/ns//sa/x", "/ns//"], ["", "client.example.com", "td/foo/sa/x", "td/ns/foo"]),
    (namespace_matcher, "f.o*", ["td/ns/f.o/sa/x", "td/ns/f.ox/sa/x"], ["td/ns/foo/sa/x"]),
    (namespace_matcher, "f.o", ["td/ns/f.o/sa/x"], ["td/ns/foo/sa/x"]),
    (
        trust_domain_matcher,
        "td",
        [f"{SPIFFE}td/ns/a/sa/b", f"{SPIFFE}td/"],
        [f"{SPIFFE}tdx/ns/a/sa/b", f"{SPIFFE}td", "td/ns/a/sa/b", "", f"{SPIFFE}TD/x"],
    ),
    (trust_domain_matcher, "*", [f"{SPIFFE}td/ns/a/sa/b", SPIFFE], ["", "client.example.com"]),
    (
        trust_domain_matcher,
        "*.td",
        [f"{SPIFFE}old.td/x", f"{SPIFFE}.td/x", f"{SPIFFE}a.td/"],
        [f"{SPIFFE}oldxtd/x", f"{SPIFFE}a/b.td/x", f"{SPIFFE}old.td", "old.td/x"],
    ),
    (trust_domain_matcher, "old*", [f"{SPIFFE}old.td/x", f"{SPIFFE}old/x"], [f"{SPIFFE}xold/x", f"{SPIFFE}ol/d/x", f"{SPIFFE}old"]),
    (trust_domain_matcher, "*a*", [f"{SPIFFE}xa*/y"], [f"{SPIFFE}xab/y", f"{SPIFFE}*ab/y"]),
    (trust_domain_matcher, "o.d*", [f"{SPIFFE}o.d/x"], [f"{SPIFFE}old/x"]),
    (path_matcher, "/a", ["/a"], ["/a/", "/A", "/ab", "/", ""]),
    (path_matcher, "/a*", ["/a", "/a/", "/admin", "/a/b"], ["/", "/b/a", "/A"]),
    (path_matcher, "*.html", ["/x.html", ".html"], ["/x.html/", "/xhtml"]),
    (path_matcher, "*", ["/", "/a"], [""]),
    (
        path_matcher,
        "/a/{*}",
        ["/a/b", "/a/b.c", "/a/*", "/a/%7Bx", "/a/b:c@d", "/a/-._~%!$&'()+,;=Zz09"],
        ["/a", "/a/", "/a/b/", "/a/b/c", "/A/b", "/a/[b]", "/a/b]", "/a/{*}", "/a/b|c", "/a/b#c", "/a/ü", "/xa/b"],
    ),
    (path_matcher, "/a/{*}/b", ["/a/x/b"], ["/a//b", "/a/b", "/a/x/y/b", "/a/x/b/"]),
    (path_matcher, "/a/{**}", ["/a/", "/a/b", "/a/b/c/", "/a//"], ["/a", "/ab", "/a/[b]", "/x/a/b"]),
    (path_matcher, "/a/{**}/", ["/a//", "/a/b/", "/a/b/c/"], ["/a/", "/a/b", "/a"]),
    (path_matcher, "/a.b/{*}", ["/a.b/c"], ["/axb/c"]),
    (path_matcher, "/{*}/{**}", ["/a/", "/a/b/c"], ["/", "//", "/a"]),
    (lambda value: path_matcher(value, False), "/a/{*}", ["/a/{*}"], ["/a/b"]),
    (port_matcher, "8080", [8080], [80, 8081, "8080"]),
    (port_matcher, "0080", [80], [8080]),
    (port_matcher, "0", [0], [1]),
    (port_matcher, "65535", [65535], [65534]),
]


@pytest.mark.parametrize(("make", "value", "yes", "no"), STRINGS, ids=[f"{number}-{row[1]}" for number, row in enumerate(STRINGS)])
def test_a_value_matches_these_and_not_those(make: Any, value: str, yes: list[Any], no: list[Any]) -> None:
    found = make(value)
    assert [entry for entry in yes if not found.matches(entry)] == []
    assert [entry for entry in no if found.matches(entry)] == []


@pytest.mark.parametrize(
    ("value", "yes", "no"),
    [
        ("td/ns/a/sa/b", ["spiffe://td/ns/a/sa/b"], ["td/ns/a/sa/b", "spiffe://td/ns/a/sa/bc", "spiffe://xtd/ns/a/sa/b"]),
        ("spiffe://td/ns/a/sa/b", ["spiffe://spiffe://td/ns/a/sa/b"], ["spiffe://td/ns/a/sa/b"]),
        ("td/ns/a/*", ["spiffe://td/ns/a/sa/b", "spiffe://td/ns/a/"], ["spiffe://td/ns/ab/sa/b", "td/ns/a/sa/b"]),
        (
            "*/sa/b",
            ["spiffe://td/ns/a/sa/b", "spiffe:///sa/b"],
            ["/sa/b", "client/sa/b", "spiffe://td/ns/a/sa/bc", "spiffe://td/ns/a/xsa/b"],
        ),
        ("*.b", ["spiffe://a.b", "spiffe://.b"], ["spiffe://axb", "a.b"]),
        ("*", ["spiffe://x", "client.example.com"], [""]),
        ("td/*/sa/b", ["spiffe://td/*/sa/b"], ["spiffe://td/ns/a/sa/b"]),
    ],
)
def test_principals_have_the_scheme_put_in_front(value: str, yes: list[str], no: list[str]) -> None:
    found = string_matcher(value, "spiffe://")
    assert [entry for entry in yes if not found.matches(entry)] == []
    assert [entry for entry in no if found.matches(entry)] == []


@pytest.mark.parametrize(
    ("value", "quoted", "yes", "no"),
    [
        (
            "sleep",
            True,
            [
                "spiffe://td/ns/mine/sa/sleep",
                "spiffe://td/ns/mine/sa/sleep/extra",
                "spiffe://td/ns/mine/pod/x/sa/sleep",
                "spiffe://a/b/ns/mine/sa/sleep",
            ],
            [
                "spiffe://td/ns/foo/sa/sleep",
                "spiffe://td/ns/mine/sa/sleep-v2",
                "spiffe://td/ns/mine/sa/xsleep",
                "td/ns/mine/sa/sleep",
                "spiffe:///ns/mine/sa/sleep",
                "spiffe://td/ns/mine/xsa/sleep",
                "spiffe://td/ns/minex/sa/sleep",
                "spiffe://td/ns/mine/sa/sleep/",
                "",
            ],
        ),
        ("foo/sleep", True, ["spiffe://td/ns/foo/sa/sleep"], ["spiffe://td/ns/mine/sa/sleep", "spiffe://td/ns/foo/sa/sleepy"]),
        ("a/b/c", True, ["spiffe://td/ns/a/sa/b/c"], ["spiffe://td/ns/a/sa/b", "spiffe://td/ns/a/b/sa/c"]),
        ("foo/cert.io", True, ["spiffe://td/ns/foo/sa/cert.io"], ["spiffe://td/ns/foo/sa/cert-io"]),
        ("foo/cert.io", False, ["spiffe://td/ns/foo/sa/cert.io", "spiffe://td/ns/foo/sa/cert-io"], ["spiffe://td/ns/foo/sa/certio"]),
    ],
)
def test_service_accounts(value: str, quoted: bool, yes: list[str], no: list[str]) -> None:
    found = service_account_matcher(value, "mine", quoted)
    assert [entry for entry in yes if not found.matches(entry)] == []
    assert [entry for entry in no if found.matches(entry)] == []


@pytest.mark.parametrize(
    ("value", "yes", "no"),
    [
        ("*", [("i", "s"), ("https://i", "a/b")], [("", "s"), ("i", "")]),
        ("i/s", [("i", "s")], [("i", "t"), ("j", "s"), ("i/s", ""), ("", "i/s")]),
        ("https://i/s", [("https://i", "s")], [("https:", "/i/s"), ("https://i/s", "")]),
        ("https://i/*", [("https://i", "s"), ("https://i", "a/b")], [("https://i", ""), ("https://i/x", "s"), ("https://ix", "s")]),
        ("i/s*", [("i", "s"), ("i", "sub")], [("i", "us"), ("ix", "s"), ("i", "")]),
        ("i/*s*", [("i", "*s"), ("i", "*sx")], [("i", "s"), ("i", "as*")]),
        ("https://i*", [("https:/", "i"), ("https:/", "ix")], [("https://i", "s"), ("https://ix", "s"), ("https://i", "")]),
        ("iss*", [("iss", "s"), ("issuer", "x")], [("iss", ""), ("xiss", "s"), ("is", "s")]),
        ("*/s", [("i", "s"), ("https://i", "s")], [("", "s"), ("i", "ss"), ("i", "xs")]),
        ("*i/s", [("i", "s"), ("https://i", "s")], [("ix", "s"), ("i", "xs")]),
        ("*alice", [("i", "alice"), ("i", "svc-alice")], [("i", "alicex"), ("", "alice")]),
        ("*/*", [("i", "*")], [("i", "s"), ("", "*")]),
        ("**/s", [("*", "s"), ("a*", "s")], [("a", "s")]),
        ("alice", [("alice", "")], [("i", "alice"), ("alice", "s")]),
        ("/s", [("", "s")], [("i", "s")]),
        ("i/", [("i", "")], [("i", "s")]),
        ("/*", [("", "s")], [("i", "s"), ("", "")]),
    ],
)
def test_request_principals_are_issuer_and_subject(value: str, yes: list[tuple[str, str]], no: list[tuple[str, str]]) -> None:
    found = principal_pair(value)
    assert [entry for entry in yes if not found.matches(entry)] == []
    assert [entry for entry in no if found.matches(entry)] == []


@pytest.mark.parametrize(
    ("value", "yes", "no"),
    [
        ("10.1.2.3", ["10.1.2.3"], ["10.1.2.4", "10.1.2.2", "::ffff:10.1.2.3"]),
        ("10.1.2.3/16", ["10.1.0.0", "10.1.255.255"], ["10.2.0.0", "10.0.255.255"]),
        ("10.1.2.3/32", ["10.1.2.3"], ["10.1.2.2"]),
        ("0.0.0.0/0", ["10.1.2.3", "255.255.255.255"], ["::1"]),
        ("2001:db8::/32", ["2001:db8::1", "2001:db8:ffff::"], ["2001:db9::1", "10.1.2.3"]),
        ("::/0", ["::1", "2001:db8::1"], ["127.0.0.1"]),
        ("::1", ["::1"], ["::2", "0.0.0.1"]),
        ("fe80::1%eth0", ["fe80::1"], ["fe80::2", "::1"]),  # istiod cuts the zone off
    ],
)
def test_address_blocks(value: str, yes: list[str], no: list[str]) -> None:
    found = network_matcher(value)
    assert [entry for entry in yes if not found.matches(address(entry))] == []
    assert [entry for entry in no if found.matches(address(entry))] == []


@pytest.mark.parametrize(
    "value",
    [
        "",
        "nope",
        "10.1.2",
        "10.1.2.3/33",
        "10.1.2.3/-1",
        "10.1.2.3/08",
        "10.1.2.3/",
        "10.1.2.3/255.0.0.0",
        "010.1.2.3",
        "::1/129",
        "fe80::1%",
        "10.1.2.3%eth0",
        "fe80::1%eth0/64",
        " 10.1.2.3",
        "10.1.2.3/+8",
    ],
)
def test_what_is_no_address_block_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        network_matcher(value)


@pytest.mark.parametrize("value", ["", "http", "65536", "-1", "+80", " 80", "8_0", "0x50", "80.0", "٣"])
def test_what_is_no_port_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="not a port"):
        port_matcher(value)


def test_an_address_with_a_zone_or_a_wrong_block_says_so() -> None:
    with pytest.raises(ValueError, match="has a zone"):
        address("fe80::1%eth0")
    with pytest.raises(ValueError, match="not an address block"):
        network_matcher("10.0.0.0/40")


def test_folding_is_ascii_only() -> None:
    assert fold("ABC-XYZ-\u00c4\u212a") == "abc-xyz-\u00c4\u212a"


def test_matchers_of_one_value_are_equal_so_that_duplicates_can_be_found() -> None:
    assert string_matcher("*") == string_matcher("*") and hash(string_matcher("*")) == hash(string_matcher("*"))
    assert string_matcher("a") != string_matcher("a*")
    assert matching.Pattern("a") != matching.Pattern("b")
