# SPDX-License-Identifier: GPL-3.0-or-later
"""Remedies fit what was found, and every name in a text for people is one that exists."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import run_checks
from ansible_collections.meshops.mesh.plugins.module_utils._text import nearest

from .builder import intent, options, snapshot

READY = {"conditions": [{"type": kind, "status": "True"} for kind in ("Ready", "Reconciled")]}


def hints(code: str, objects: list[dict[str, Any]], **given: Any) -> list[str]:
    report = run_checks(snapshot(objects), intent(**given), options(only=(code,)))
    return [row.hint for row in report.rows if row.id == code]


SET = "oc label namespace shop --overwrite"


@pytest.mark.parametrize(
    ("revision", "labels", "hint"),
    [
        ("production", {}, "run meshops.mesh.install_mesh; oc get namespace"),
        (
            "production",
            {"istio-injection": "enabled"},
            f"(istio-injection=enabled), so if that did not help: {SET} istio.io/rev=production",
        ),
        ("production", {"istio-injection": "enabled"}, "istio.io/rev=production istio-injection-, then restart"),
        ("production", {"istio.io/rev": "old"}, f"(istio.io/rev=old), so if that did not help: {SET} istio.io/rev=production, then"),
        ("default", {"istio.io/rev": "old"}, f"{SET} istio-injection=enabled istio.io/rev-, then restart"),
        ("default", {"istio-injection": "disabled"}, f"{SET} istio-injection=enabled, then restart"),
    ],
)
def test_a_label_of_somebody_else_has_a_remedy_that_helps(revision: str, labels: dict[str, str], hint: str) -> None:
    objects = [
        {"Istio production": {"spec": {"namespace": "istio-system"}, "status": {"activeRevisionName": revision} | READY}},
        {f"IstioRevision {revision}": {"ownerReferences": [{"kind": "Istio", "name": "production"}], "status": READY}},
        {"Namespace shop": {"labels": labels}},
    ]
    (found,) = hints("OSM1301", objects)
    assert hint in found


@pytest.mark.parametrize(
    ("word", "known", "near"),
    [
        ("reviewz", ["reviews", "ratings"], "reviews"),
        ("wbe", ["web", "api"], "web"),
        ("web", ["web"], ""),  # it is there
        ("ledger", ["reviews", "ratings"], ""),
        ("x", [], ""),
    ],
)
def test_the_nearest_name(word: str, known: list[str], near: str) -> None:
    assert nearest(word, known) == near
