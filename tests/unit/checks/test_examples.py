# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the pages: which checks have one, and that nothing in them is a key or a made-up fact."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "tools"))

from check_examples import example_of, thresholds_of

# They are about an answer of an API server, a TLS endpoint or a proxy, which nobody writes.
WITHOUT = {
    "OSM1001", "OSM1002", "OSM1003", "OSM1004", "OSM1105", "OSM1217", "OSM1701", "OSM1702", "OSM1703", "OSM2104", "OSM2401", "OSM2402",
    "OSM2403", "OSM2507", "OSM2509", "OSM2601", "OSM2602", "OSM2603", "OSM2604", "OSM2605", "OSM4003",
}  # fmt: skip


def test_only_checks_of_answers_have_no_example() -> None:
    assert {code for code in CATALOGUE.by_id if example_of(code) is None} == WITHOUT


@pytest.mark.parametrize("code", sorted(set(CATALOGUE.by_id) - WITHOUT))
def test_an_example_is_yaml_without_material(code: str) -> None:
    shown = example_of(code)
    assert shown and shown.messages and (shown.fails or shown.missing)
    texts = (shown.fails, shown.passes, shown.beside, *shown.messages)
    assert not any(word in text for text in texts for word in ("-----BEGIN", "LS0tLS1", "{b64:", "{pem:", "{keys:", "{fp"))
    documents = [each for text in texts[:3] for each in yaml.safe_load_all(text)]
    assert all(shown.variables or "certificates" in each or each["metadata"]["name"] for each in documents)
    assert shown.fails != shown.passes


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("OSM1003", ["kubernetes_oldest"]),
        ("OSM1210", ["proxy_skew_minors"]),
        ("OSM2103", ["certificate_days", "certificate_fraction"]),
        ("OSM2202", []),
    ],
)
def test_limits_are_those_that_change_an_answer(code: str, names: list[str]) -> None:
    assert thresholds_of(code) == names
