# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions: what is one, and which comes first."""

from __future__ import annotations

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.versions import (
    OSSM_ISTIO,
    at_least,
    image_version,
    istio_of,
    newest_of,
    offered_by_schema,
    ossm_of,
    parse,
)


@pytest.mark.parametrize(
    ("text", "line", "patch"),
    [
        ("v1.30.3", (1, 30), 3),
        ("1.30.3", (1, 30), 3),
        ("v1.30-latest", (1, 30), None),
        ("v2.6", (2, 6), None),
        ("1.31.0-beta.1", (1, 31), 0),
        ("1.24.6_ossm", (1, 24), 6),
        ("v1.35.4+k3s1", (1, 35), 4),
        ("latest", None, None),
        ("sha256:abc", None, None),
        ("1.30-rc.1", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_what_is_a_version(text: str | None, line: tuple[int, int] | None, patch: int | None) -> None:
    found = parse(text)
    assert (found.line if found else None, found.patch if found else None) == (line, patch)


def test_versions_are_in_order() -> None:
    texts = ["1.9.9", "1.29.10", "1.30.0-alpha.2", "1.30.0-alpha.10", "1.30.0-rc.1", "1.30.0", "1.30.3", "1.30.10", "v1.30-latest", "2.6.1"]
    versions = [parse(text) for text in texts]
    assert sorted(reversed(versions), key=lambda row: row) == versions  # type: ignore[type-var, arg-type]
    assert parse("v1.30.3") == parse("1.30.3") and hash(parse("v1.30.3")) == hash(parse("1.30.3"))


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("quay.io/maistra/proxyv2-ubi8:2.6.5", "2.6.5"),
        ("registry.example.com:5000/istio/proxyv2:1.30.3-distroless", "1.30.3"),
        ("registry.example.com:5000/istio/proxyv2", ""),
        ("registry.example.com/istio/proxyv2@sha256:0123", ""),
        ("registry.example.com/istio/proxyv2:1.30.3@sha256:0123", "1.30.3"),
        ("registry.example.com/istio/proxyv2:latest", ""),
        (None, ""),
    ],
)
def test_the_version_of_an_image(image: str | None, version: str) -> None:
    assert image_version(image) == version


def test_ossm_and_istio() -> None:
    assert [istio_of(parse(text)) for text in ("2.6.5", "v3.2", "3.9.0", "1.29.4")] == [(1, 20), (1, 27), None, (1, 29)]  # type: ignore[arg-type]
    assert [ossm_of(parse(text)) for text in ("1.27.3", "1.29.1", "v2.6")] == [(3, 2), None, (2, 6)]  # type: ignore[arg-type]
    ours = list(OSSM_ISTIO.items())
    assert ours == sorted(ours) and sorted(OSSM_ISTIO.values()) == list(OSSM_ISTIO.values())  # a later release never brings an older Istio


@pytest.mark.parametrize(
    ("text", "since", "has"),
    [
        ("v2.6", "v2.4", True),
        ("v2.3", "v2.4", False),
        ("v2.10", "v2.9", True),
        ("v2.4.7", "v2.4", True),
        ("v1.30-latest", "v1.30", True),
        ("v1.30-latest", "v1.30.2", True),
        ("v1.29-latest", "v1.30", False),
        ("1.30.1", "v1.30.2", False),
        ("master", "v1.30", True),
        ("v1.32.0-alpha.8dc789c5", "v1.31", True),
        ("v2.6", "", True),
    ],
)
def test_what_came_with_a_version_is_in_all_later_ones(text: str, since: str, has: bool) -> None:
    assert at_least(text, since) is has


OFFERED = ("v1.31-latest", "v1.31.0-beta.1", "v1.30-latest", "v1.30.9", "v1.30.10", "v1.30.2", "v1.29.6", "master")


@pytest.mark.parametrize(
    ("text", "leads_to"),
    [
        ("v1.30-latest", "v1.30.10"),
        ("v1.31-latest", "v1.31.0-beta.1"),
        ("v1.30.2", "v1.30.2"),
        ("v1.28-latest", ""),
        ("master", "master"),
    ],
)
def test_an_alias_leads_to_the_newest_patch(text: str, leads_to: str) -> None:
    version = {"type": "string", "enum": list(OFFERED)}
    spec = {"properties": {"spec": {"properties": {"version": version}}}}
    crd = {"spec": {"versions": [{"name": "v1alpha1"}, {"name": "v1", "schema": {"openAPIV3Schema": spec}}]}}
    assert offered_by_schema(crd) == OFFERED
    assert newest_of(text, offered_by_schema(crd)) == leads_to


@pytest.mark.parametrize("crd", [{}, {"spec": None}, {"spec": {"versions": [{"schema": {"openAPIV3Schema": {"type": "object"}}}]}}])
def test_a_short_definition_offers_nothing(crd: dict[str, object]) -> None:
    assert offered_by_schema(crd) == () and newest_of("v1.30-latest", ()) == ""
