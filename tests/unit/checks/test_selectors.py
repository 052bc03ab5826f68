# SPDX-License-Identifier: GPL-3.0-or-later
"""Label selectors and versions."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.selectors import matches
from ansible_collections.meshops.mesh.plugins.module_utils._model.versions import ahead, image_version, minor, same_minor

LABELS = {"app": "web", "tier": "front", "empty": ""}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, True),
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "tier": "back"}}, False),
        ({"matchLabels": {"app": "we"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]}, True),
        ({"matchExpressions": [{"key": "nosuch", "operator": "In", "values": [""]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "nosuch", "operator": "NotIn", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "empty", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "empty", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Gt", "values": ["1"]}]}, False),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_matches(selector: dict[str, Any] | None, expected: bool) -> None:
    assert matches(selector, LABELS) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v1.30.3", (1, 30)),
        ("1.30", (1, 30)),
        ("v1.30-latest", (1, 30)),
        ("1.31.0-beta.1", (1, 31)),
        ("latest", None),
        ("", None),
        (None, None),
    ],
)
def test_minor(text: str | None, expected: tuple[int, int] | None) -> None:
    assert minor(text) == expected


def test_same_minor_is_never_true_of_nothing() -> None:
    assert same_minor("v1.30.1", "1.30-latest") and not same_minor(None, None) and not same_minor("1.3", "1.30")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("example.test:5000/a/proxyv2:1.30.3", "1.30.3"),
        ("example.test:5000/a/proxyv2", ""),
        ("example.test/proxyv2@sha256:abc", ""),
        ("example.test/proxyv2:1.30.3@sha256:abc", "1.30.3"),
        ("proxyv2:latest", ""),
        (None, ""),
    ],
)
def test_image_version(image: str | None, expected: str) -> None:
    assert image_version(image) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("1.30.1", "1.28.0", 2), ("1.28", "1.30", -2), ("v1.30.3", "1.30.0", 0), ("2.0", "1.30", None), (None, "1.30", None)],
)
def test_ahead(one: str | None, other: str | None, expected: int | None) -> None:
    assert ahead(one, other) == expected
