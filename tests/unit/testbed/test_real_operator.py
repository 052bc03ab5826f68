# SPDX-License-Identifier: GPL-3.0-or-later
"""The real Sail operator is started as a kubelet would: when its kinds are there, again when it ends, not when a test killed it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from testbed import supervisor
from testbed.supervisor import Supervisor

KINDS = ["Istio", "IstioCNI", "IstioRevision", "IstioRevisionTag", "ZTunnel"]


class Api:
    """Serves the kinds of the operator, as many as there are so far."""

    def __init__(self) -> None:
        self.kinds: list[str] | None = None

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/apis/sailoperator.io/v1"
        if self.kinds is None:
            raise supervisor.ApiStatus(404, "no such group")
        return {"resources": [{"kind": kind} for kind in self.kinds]}


def test_it_starts_with_its_kinds_and_again_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    bed = Supervisor.__new__(Supervisor)
    bed.layout, bed.spec, bed.killed, bed.children, api = None, {"sail_operator": "/bin/sail"}, set(), {}, Api()
    bed.api = api
    started: list[str] = []
    child = SimpleNamespace(code=None, returncode=1)
    child.poll = lambda: child.code

    def spawn(process: Any) -> None:
        started.append(process.name)
        child.code = None
        bed.children[process.name] = child

    monkeypatch.setattr(bed, "spawn", spawn, raising=False)
    monkeypatch.setattr(supervisor.processes, "sail_operator", lambda _layout, _binary: SimpleNamespace(name="sail-operator"))
    seen: list[int] = []
    story = iter(
        [
            lambda: setattr(api, "kinds", KINDS[:2]),
            lambda: setattr(api, "kinds", KINDS),
            lambda: None,
            lambda: setattr(child, "code", 1),
            lambda: bed.killed.add("sail-operator"),
            lambda: setattr(child, "code", -9),
        ]
    )

    async def sleep(_seconds: float) -> None:
        seen.append(len(started))
        step = next(story, None)
        if step is None:
            raise asyncio.CancelledError
        step()

    monkeypatch.setattr(supervisor.asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(bed.keep_operator())
    # no kinds, two of them, all: started; runs; ended: started again; killed: left alone
    assert seen == [0, 0, 1, 1, 2, 2, 2]
