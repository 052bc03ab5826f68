# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of a view once counts as read by everybody who asks for it."""

from __future__ import annotations

import datetime as dt

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model import kinds as k
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View


def view() -> View:
    return View(Snapshot("west", dt.datetime(2026, 11, 1, tzinfo=dt.UTC), "manifests", None, ()))


def test_a_kind_is_read_by_whoever_asks_for_what_was_made_of_it() -> None:
    """A check that comes second reads as much as the first: its declared inputs are compared with this."""
    source, made = view(), []

    def pods() -> int:
        made.append("once")
        return len(source.memo("deployments", source, lambda: source.of(k.DEPLOYMENT))) + len(source.of(k.POD))

    for before in (set(), {k.SERVICE}):
        source.read = set(before)
        source.memo("pods", source, pods)
        assert source.read == before | {k.POD, k.DEPLOYMENT}
    assert made == ["once"]


def test_what_could_not_be_made_was_read_all_the_same() -> None:
    source = view()
    source.of(k.SERVICE)

    def fails() -> None:
        source.of(k.POD)
        raise ValueError

    with pytest.raises(ValueError):
        source.memo("pods", source, fails)
    assert source.read == {k.SERVICE, k.POD}
