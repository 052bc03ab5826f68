# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks of a category share is made once for a run, and again for another intent."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization import checks as authorization
from ansible_collections.meshops.mesh.plugins.module_utils._certificates import checks as certificates
from ansible_collections.meshops.mesh.plugins.module_utils._commands.authorization_check import run_authorization_checks
from ansible_collections.meshops.mesh.plugins.module_utils._commands.certificate_check import run_certificate_checks
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View

from .builder import intent, snapshot

SHOP = [{"Namespace shop": {"labels": {"istio-injection": "enabled"}}}, {"ServiceAccount shop/web": {}}]
PARAMS: dict[str, Any] = {"only": [], "ignore": [], "access": [], "mesh": False, "cluster": "west"}


def counted(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[int]:
    calls: list[int] = []
    real = getattr(module, name)

    def count(*given: Any, **more: Any) -> Any:
        calls.append(1)
        return real(*given, **more)

    monkeypatch.setattr(module, name, count)
    return calls


def test_the_mesh_is_read_and_the_matrix_is_proven_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read, proven = counted(monkeypatch, authorization, "take"), counted(monkeypatch, authorization, "prove")
    run_authorization_checks(PARAMS, snapshot([*SHOP, {"AuthorizationPolicy shop/open": {"spec": {}}}], source="manifests"))
    assert (len(read), len(proven)) == (1, 1)


def test_certificates_are_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = counted(monkeypatch, certificates, "take")
    _report, found = run_certificate_checks(PARAMS, snapshot(SHOP, source="manifests"))
    assert len(judged) == 1 and found.rows() == []


def test_another_intent_over_the_same_view_has_its_own_answer() -> None:
    view = View(snapshot(SHOP))
    one, other = intent(mesh_settings={"trust_domain": "a.example"}), intent(mesh_settings={"trust_domain": "b.example"})
    found = [authorization.analysis_of(view, each).inventory.mesh.trust_domain for each in (one, other, one)]
    assert found == ["a.example", "b.example", "a.example"]
    assert authorization.analysis_of(view, one) is authorization.analysis_of(view, one)
