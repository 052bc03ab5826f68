# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits: how often they look, and what they do not read again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import Forbidden, NotReady
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Resource
from ansible_collections.meshops.mesh.plugins.module_utils._kube.wait import Timing, read_all, wait_gone, wait_ready
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import Ref

WEB = Ref("apps/v1", "Deployment", "shop", "web")


def deployment(ready: int) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "generation": 1},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready, "availableReplicas": ready},
    }


class Played:
    """A cluster whose Deployment is ready after some looks; its clock moves by sleeping only."""

    name = "west"

    def __init__(self, ready_after: int) -> None:
        self.ready_after = ready_after
        self.reads = 0
        self.pauses: list[float] = []
        self.timing = Timing(timeout=60, interval=1.0, clock=lambda: sum(self.pauses), sleep=self.pauses.append)

    def resources(self) -> dict[tuple[str, str], Resource]:
        return {("apps/v1", "Deployment"): Resource("apps/v1", "Deployment", "deployments", True)}

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        self.reads += 1
        return deployment(int(self.reads > self.ready_after))

    def map(self, fn: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [fn(item) for item in items]


def test_the_first_pauses_are_short_and_grow_to_the_interval() -> None:
    west = Played(ready_after=6)
    waited = wait_ready(west, [WEB], west.timing)
    assert west.pauses == pytest.approx([0.2, 0.3, 0.45, 0.675, 1.0, 1.0])
    assert waited == pytest.approx(sum(west.pauses))


def test_an_interval_that_is_shorter_is_kept() -> None:
    west = Played(ready_after=3)
    wait_ready(west, [WEB], Timing(timeout=60, interval=0.1, clock=west.timing.clock, sleep=west.timing.sleep))
    assert west.pauses == [0.1, 0.1, 0.1]


def test_what_was_read_a_moment_ago_is_not_read_again() -> None:
    west = Played(ready_after=0)
    assert wait_ready(west, [WEB], west.timing, seen_now={WEB: deployment(1)}) == 0
    assert west.reads == 0


def test_what_was_read_is_the_first_look_only() -> None:
    west = Played(ready_after=1)
    wait_ready(west, [WEB], west.timing, seen_now={WEB: deployment(0)})
    assert (west.reads, west.pauses) == (2, [0.2, pytest.approx(0.3)])


def test_an_object_that_was_not_there_is_waited_for() -> None:
    west = Played(ready_after=99)
    with pytest.raises(NotReady, match="Deployment shop/web"):
        wait_ready(west, [WEB], west.timing, seen_now={})
    assert west.timing.clock() >= 60


class Reader:
    """A cluster with a dozen objects of each kind, of which some kinds may not be listed."""

    def __init__(self, *no_list: str) -> None:
        self.no_list = no_list
        self.asked: list[str] = []

    def resources(self) -> dict[tuple[str, str], Resource]:
        return {("v1", kind): Resource("v1", kind, kind.lower(), True) for kind in ("ConfigMap", "Secret")}

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        self.asked.append("get")
        meta = {"name": name, "namespace": namespace}
        return None if name == "9" else {"apiVersion": api_version, "kind": kind, "metadata": meta}

    def list(self, api_version: str, kind: str, *, namespace: str | None = None) -> list[dict[str, Any]]:
        self.asked.append("list")
        if kind in self.no_list:
            raise Forbidden("no")
        return [{"apiVersion": api_version, "kind": kind, "metadata": {"name": str(name), "namespace": namespace}} for name in range(9)]

    def map(self, fn: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [fn(item) for item in items]


@pytest.mark.parametrize(
    ("kind", "no_list", "asked"),
    [
        ("ConfigMap", (), ["list"]),
        ("ConfigMap", ("ConfigMap",), ["list", *["get"] * 10]),  # the right to list is more than is needed
        ("Secret", (), ["get"] * 10),  # those of others stay unread
    ],
)
def test_many_of_a_kind_are_read_by_a_list_where_that_is_allowed(kind: str, no_list: tuple[str, ...], asked: list[str]) -> None:
    west, refs = Reader(*no_list), [Ref("v1", kind, "shop", str(number)) for number in range(10)]
    assert {ref.name for ref in read_all(west, refs)} == {str(number) for number in range(9)}  # type: ignore[arg-type]
    assert west.asked == asked


class Leaving(Played):
    """A Deployment that is being deleted, and is gone after some looks."""

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Any:
        self.reads += 1
        found = deployment(1)
        found["metadata"] |= {"deletionTimestamp": "2026-03-01T12:00:00Z", "finalizers": ["example.com/keep"]}
        return found if self.reads <= self.ready_after else None


def test_a_deletion_is_over_when_the_object_is_gone() -> None:
    west = Leaving(ready_after=3)
    assert wait_gone(west, [WEB], west.timing) == pytest.approx(1.5)  # type: ignore[arg-type]
    assert west.pauses == [0.5, 0.5, 0.5]
    assert wait_gone(west, [], west.timing) == 0  # type: ignore[arg-type]


def test_a_deletion_that_does_not_end_says_what_holds_it() -> None:
    west = Leaving(ready_after=10**6)
    with pytest.raises(NotReady, match=r"Deployment shop/web.*example\.com/keep"):
        wait_gone(west, [WEB], west.timing)  # type: ignore[arg-type]
    assert 60 <= sum(west.pauses) < 62
