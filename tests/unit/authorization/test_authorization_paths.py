# SPDX-License-Identifier: GPL-3.0-or-later
"""Path normalisation, trust domains and versions: the small parts that the rest stands on."""

from __future__ import annotations

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.paths import MODES, normalise, without_query
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.trust_domains import expand_principals, expand_trust_domains
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.versions import Abilities, abilities, parse_version

# path, then what NONE, BASE, MERGE_SLASHES and DECODE_AND_MERGE_SLASHES make of it
PATHS = [
    ("/a", "/a", "/a", "/a", "/a"),
    ("/", "/", "/", "/", "/"),
    ("*", "*", "*", "*", "*"),
    ("/%61", "/%61", "/a", "/a", "/a"),
    ("/%7e%2D%5F", "/%7e%2D%5F", "/~-_", "/~-_", "/~-_"),
    ("/a/../b", "/a/../b", "/b", "/b", "/b"),
    ("/a/./b", "/a/./b", "/a/b", "/a/b", "/a/b"),
    ("/a/%2e%2E/b", "/a/%2e%2E/b", "/b", "/b", "/b"),
    ("/a/.%2e/b", "/a/.%2e/b", "/b", "/b", "/b"),
    ("/a/%2e/b", "/a/%2e/b", "/a/b", "/a/b", "/a/b"),
    ("/a/..", "/a/..", "/", "/", "/"),
    ("/a/b/..", "/a/b/..", "/a/", "/a/", "/a/"),
    ("/a/.", "/a/.", "/a/", "/a/", "/a/"),
    ("/..", "/..", "/", "/", "/"),
    ("/../../a", "/../../a", "/a", "/a", "/a"),
    ("/a/...", "/a/...", "/a/...", "/a/...", "/a/..."),
    ("/a/..b/.c", "/a/..b/.c", "/a/..b/.c", "/a/..b/.c", "/a/..b/.c"),
    ("/a//../b", "/a//../b", "/a/b", "/a/b", "/a/b"),
    ("/a\\b", "/a\\b", "/a/b", "/a/b", "/a/b"),
    ("/a\\..\\b", "/a\\..\\b", "/b", "/b", "/b"),
    ("//a", "//a", "//a", "/a", "/a"),
    ("/a///b//", "/a///b//", "/a///b//", "/a/b/", "/a/b/"),
    ("/a%2Fb", "/a%2Fb", "/a%2Fb", "/a%2Fb", "/a/b"),
    ("/a%2f%2Fb", "/a%2f%2Fb", "/a%2f%2Fb", "/a%2f%2Fb", "/a/b"),
    ("/a%5Cb%5cc", "/a%5Cb%5cc", "/a%5Cb%5cc", "/a%5Cb%5cc", "/a/b/c"),
    ("/a%2F..%2Fb", "/a%2F..%2Fb", "/a%2F..%2Fb", "/a%2F..%2Fb", "/b"),
    ("/a%252Fb", "/a%252Fb", "/a%252Fb", "/a%252Fb", "/a%252Fb"),
    ("/a%zz%4", "/a%zz%4", "/a%zz%4", "/a%zz%4", "/a%zz%4"),
    ('/a{*}|^`"<>', '/a{*}|^`"<>', "/a%7B*%7D%7C%5E%60%22%3C%3E", "/a%7B*%7D%7C%5E%60%22%3C%3E", "/a%7B*%7D%7C%5E%60%22%3C%3E"),
    ("/[a]!$&'()+,;:@=*~", "/[a]!$&'()+,;:@=*~", "/[a]!$&'()+,;:@=*~", "/[a]!$&'()+,;:@=*~", "/[a]!$&'()+,;:@=*~"),
    ("/\u00e9", "/\u00e9", "/%C3%A9", "/%C3%A9", "/%C3%A9"),
    ("/\udce9", "/\udce9", "/%E9", "/%E9", "/%E9"),  # a byte that is no UTF-8
    ("/a?x=//b/../c%2F", "/a?x=//b/../c%2F", "/a?x=//b/../c%2F", "/a?x=//b/../c%2F", "/a?x=//b/../c%2F"),
    ("//a/%2E?", "//a/%2E?", "//a/?", "/a/?", "/a/?"),
]


@pytest.mark.parametrize("row", PATHS, ids=[row[0] for row in PATHS])
def test_normalisation(row: tuple[str, ...]) -> None:
    assert tuple(normalise(row[0], mode) for mode in MODES) == row[1:]


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="'FULL' is none of NONE, BASE"):
        normalise("/a", "FULL")


@pytest.mark.parametrize(("path", "compared"), [("/a?x=/b", "/a"), ("/a", "/a"), ("/a#b?c", "/a"), ("/a?b#c", "/a"), ("/?", "/")])
def test_policies_compare_the_path_without_its_query(path: str, compared: str) -> None:
    assert without_query(path) == compared


# principals, trust domains of the mesh, what Envoy gets
PRINCIPALS = [
    (["cluster.local/ns/a/sa/b"], ["cluster.local"], ["cluster.local/ns/a/sa/b"]),
    (["cluster.local/ns/a/sa/b"], ["new.td"], ["new.td/ns/a/sa/b"]),
    (["cluster.local/ns/a/sa/b"], ["new.td", "old.td"], ["new.td/ns/a/sa/b", "old.td/ns/a/sa/b"]),
    (["old.td/ns/a/sa/b"], ["new.td", "old.td"], ["new.td/ns/a/sa/b", "old.td/ns/a/sa/b"]),
    (["new.td/ns/a/sa/b", "old.td/ns/a/sa/b"], ["new.td", "old.td"], ["new.td/ns/a/sa/b", "old.td/ns/a/sa/b"]),
    (["other/ns/a/sa/b"], ["new.td", "old.td"], ["other/ns/a/sa/b"]),
    (["cluster.local/ns/a/sa/*"], ["new.td"], ["new.td/ns/a/sa/*"]),
    (["cluster.local/ns/a/*"], ["new.td"], ["cluster.local/ns/a/*"]),
    (["cluster.local/x/ns/a/sa/b"], ["new.td"], ["cluster.local/x/ns/a/sa/b"]),
    (["*/ns/a/sa/b"], ["new.td", "old.td"], ["*/ns/a/sa/b"]),
    (["*"], ["new.td"], ["*"]),
    (["*.td/ns/a/sa/b"], ["new.td", "cluster.local"], ["*.td/ns/a/sa/b", "cluster.local/ns/a/sa/b"]),
    (["*.td/ns/a/sa/b"], ["cluster.local"], ["*.td/ns/a/sa/b"]),
    (["new*/ns/a/sa/b"], ["new.td", "old.td"], ["new.td/ns/a/sa/b", "old.td/ns/a/sa/b"]),
    (["old.td/ns/a/sa/b"], ["new.td", "*.td"], ["new.td/ns/a/sa/b", "*.td/ns/a/sa/b"]),
    (["old.td/ns/a/sa/b"], ["new.td", "old*"], ["new.td/ns/a/sa/b", "old*/ns/a/sa/b"]),
    (["/ns/a/sa/b"], ["new.td"], ["/ns/a/sa/b"]),
    (["old*/ns/a/sa/b"], ["new.td"], ["old*/ns/a/sa/b"]),
    (["old*/ns/a/sa/b"], ["ola.td"], ["old*/ns/a/sa/b"]),
    (["old.td/ns/a/sa/b"], ["ola*", "*x.td"], ["old.td/ns/a/sa/b"]),
    (["*xd/ns/a/sa/b"], ["old.td"], ["*xd/ns/a/sa/b"]),
    (["cluster.local/ns/a/sa/b"], ["xluster.local"], ["xluster.local/ns/a/sa/b"]),
]


@pytest.mark.parametrize(("values", "own", "expanded"), PRINCIPALS, ids=[f"{row[0][0]} in {row[1]}" for row in PRINCIPALS])
def test_aliases_of_principals(values: list[str], own: list[str], expanded: list[str]) -> None:
    assert list(expand_principals(values, own)) == expanded


@pytest.mark.parametrize(
    ("values", "own", "expanded"),
    [
        (["new.td"], ["new.td", "old.td"], ["new.td", "old.td"]),
        (["old.td", "x"], ["new.td", "old.td"], ["new.td", "old.td", "x"]),
        (["*.td"], ["new.td", "old.td"], ["*.td"]),
        (["cluster.local"], ["new.td"], ["cluster.local"]),
    ],
)
def test_aliases_of_trust_domains(values: list[str], own: list[str], expanded: list[str]) -> None:
    assert list(expand_trust_domains(values, own)) == expanded


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (None, (1, 32, 0)),
        ("", (1, 32, 0)),
        ("latest", (1, 32, 0)),
        ("1.24", (1, 24, 0)),
        ("v1.24.3", (1, 24, 3)),
        ("1.31.0-rc.0", (1, 31, 0)),
        ("1.32-dev", (1, 32, 0)),
        ("1.24.3_ossm_tp.2", (1, 24, 3)),
    ],
)
def test_versions(text: str | None, version: tuple[int, int, int]) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize("text", ["one", "1", "1.x", "master", "1.2.3.4"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version of Istio"):
        parse_version(text)


# ability, the last version without it, the first with it
SINCE = [
    ("path_templates", "1.21.9", "1.22.0"),
    ("target_refs", "1.21.9", "1.22.0"),
    ("service_entry_targets", "1.23.9", "1.24.0"),
    ("gateway_class_targets", "1.24.9", "1.25.0"),
    ("gateway_namespace", "1.24.9", "1.25.0"),
    ("custom_dry_run_denies", "1.29.9", "1.30.0"),
    ("service_accounts", "1.24.9", "1.25.0"),
    ("trust_domains", "1.30.9", "1.31.0"),
    ("accounts_quoted", "1.29.1", "1.29.2"),
    ("accounts_quoted", "1.28.5", "1.28.6"),
    ("accounts_quoted", "1.27.8", "1.27.9"),
    ("accounts_quoted", "1.26.99", "1.30.0"),
    ("accounts_quoted", "0.9.0", "2.0.0"),
    ("headers_one_by_one", "1.29.0", "1.29.1"),
    ("headers_one_by_one", "1.28.4", "1.28.5"),
    ("headers_one_by_one", "1.27.7", "1.27.8"),
    ("headers_one_by_one", "1.26.99", "1.30.0"),
    ("envoy_jwt", "1.20.9", "1.21.0"),
    ("ztunnel_dry_run", "1.28.9", "1.29.0"),
    ("dry_run_withheld", "1.25.1", "1.25.2"),
    ("ambient_ports_merged", "1.24.2", "1.24.3"),
    ("ambient_ports_merged", "1.23.4", "1.23.5"),
    ("ambient_ports_merged", "1.22.7", "1.22.8"),
    ("ambient_ports_merged", "1.21.9", "1.25.0"),
    ("ambient_revisions", "1.25.3", "1.25.4"),
    ("ambient_revisions", "1.26.2", "1.26.3"),
    ("ambient_revisions", "1.24.9", "1.27.0"),
]


@pytest.mark.parametrize(("ability", "before", "since"), SINCE)
def test_what_came_when(ability: str, before: str, since: str) -> None:
    assert not getattr(abilities(before), ability)
    assert getattr(abilities(since), ability)


def test_the_newest_can_do_everything() -> None:
    assert abilities(None) == Abilities()
    assert {row[0] for row in SINCE} == set(Abilities.__dataclass_fields__)
