# SPDX-License-Identifier: GPL-3.0-or-later
"""What proxies say of their version, and what of those that do not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._commands import upgrade_reports as upgrade
from ansible_collections.meshops.mesh.plugins.module_utils._errors import FetchError
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.reports import version_in

INFO = {"version": "abc/1.37.1/Clean/RELEASE/BoringSSL", "node": {"id": "x", "metadata": {"ISTIO_VERSION": "1.29.4"}}}


def test_the_version_in_server_info() -> None:
    assert version_in(json.dumps(INFO).encode()) == "1.29.4"


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"<html>", "something else than server_info: b'<html>'"), (b"[]", "something else"), (b"{}", "no ISTIO_VERSION in node.metadata")],
)
def test_answers_that_say_none(body: bytes, message: str) -> None:
    with pytest.raises(FetchError, match=message.replace(".", r"\.")):
        version_in(body)


def test_all_are_asked_and_the_silent_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(_dial: Any, namespace: str, pod: str, path: str, *, timeout: float, clock: Any) -> bytes:
        assert (namespace, path) == ("shop", "/server_info") and 0 < timeout <= 5
        if pod == "c":
            raise FetchError("its admin interface gave no answer for 5 s")
        return json.dumps({"node": {"metadata": {"ISTIO_VERSION": f"1.29.{len(pod)}"}}}).encode()

    monkeypatch.setattr(upgrade, "admin_get", answer)
    pods = [{"metadata": {"namespace": "shop", "name": name}} for name in ("a", "bb", "c")]
    asked = upgrade.ask_versions(None, pods, timeout=5, total=60)  # type: ignore[arg-type]
    assert asked.versions == {("shop", "a"): "1.29.1", ("shop", "bb"): "1.29.2"}
    assert asked.silent == {("shop", "c"): "its admin interface gave no answer for 5 s"}


def test_nobody_is_asked_when_the_time_for_all_is_over() -> None:
    pods = [{"metadata": {"namespace": "shop", "name": "a"}}]
    ticks = iter([0.0, 61.0])
    asked = upgrade.ask_versions(None, pods, timeout=5, total=60, clock=lambda: next(ticks))  # type: ignore[arg-type]
    assert asked.silent == {("shop", "a"): "it was not asked, the 60 s for all proxies were over"} and not asked.versions
    assert upgrade.ask_versions(None, [], timeout=5, total=60).silent == {}  # type: ignore[arg-type]
