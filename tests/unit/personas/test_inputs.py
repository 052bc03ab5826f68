# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to what checks take, and what the API server is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._inputs import intent_from, options_from, reviews_for

PLANE = {"name": "prod", "namespace": "istio-system"}
PERSONA = {"name": "ops", "kind": "Group", "role": "mesh_operator"}
GIVEN: dict[str, Any] = {
    "mesh": "travel",
    "provider": "sail",
    "control_plane": PLANE,
    "members": ["shop"],
    "personas": [PERSONA],
    "operators": [{"package": "a"}],
    "gateways": [{"name": "edge"}],
    "observability": [{"kind": "kiali"}],
    "access": [{"name": "x"}],
    "access_scope": ["shop"],
    "mesh_settings": {"trust_domain": "td"},
}


def test_each_option_gets_where_checks_look_for_it() -> None:
    found = intent_from(GIVEN)
    assert (found.mesh, found.provider, found.control_plane, found.mesh_settings) == ("travel", "sail", PLANE, {"trust_domain": "td"})
    for name in ("members", "operators", "personas", "gateways", "observability", "access", "access_scope"):
        assert getattr(found, name) == tuple(GIVEN[name]), name
    bare = intent_from({})
    assert {name: getattr(bare, name) for name in ("members", "operators", "personas", "gateways", "observability", "access", "cells")} == {
        name: None for name in ("members", "operators", "personas", "gateways", "observability", "access", "cells")}  # fmt: skip
    assert bare.access_scope == () and intent_from({"members": []}).members == (), "none is not the same as nothing said"


@pytest.mark.parametrize("missing", ["name", "namespace"])
def test_a_control_plane_is_named_whole(missing: str) -> None:
    with pytest.raises(ConfigError, match=rf"control_plane\.{missing} is not set; give name and namespace"):
        intent_from({**GIVEN, "control_plane": {**PLANE, missing: ""}})


def test_every_cell_of_the_personas_is_asked_without_our_answer() -> None:
    cells = intent_from(GIVEN).cells or ()
    asked = reviews_for(intent_from(GIVEN))
    assert cells and len(asked) == len(cells) and {cell["allowed"] for cell in cells} == {True, False}
    assert all(row["allowed"] is None and row["subresource"] == "" for row in asked)
    whole = ["/".join(part for part in (cell["resource"], cell["subresource"]) if part) for cell in cells]
    assert [row["resource"] for row in asked] == whole and any("/" in text for text in whole)
    assert [(row["verb"], row["namespace"], row["user"]) for row in asked] == [
        (row["verb"], row["namespace"], row["user"]) for row in cells
    ]


@pytest.mark.parametrize("missing", ["personas", "control_plane", "provider", "members"])
def test_without_all_that_says_what_personas_may_do_nothing_is_asked(missing: str) -> None:
    found = intent_from({key: value for key, value in GIVEN.items() if key != missing})
    assert found.cells is None and reviews_for(found) == ()


def test_a_threshold_that_is_not_set_is_the_default() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    given = {"thresholds": {"restarts": 0, "days": None}, "ignore": ["OSM1101"], "only": ["OSM1402"], "categories": ["api"]}
    found = options_from(given, now=now, fetch_error="away")
    assert (found.thresholds, found.ignore, found.only, found.categories) == ({"restarts": 0}, ("OSM1101",), ("OSM1402",), ("api",))
    assert (found.now, found.fetch_error) == (now, "away")
    assert (options_from({}, now=now).thresholds, options_from({}, now=now).only) == ({}, ())
