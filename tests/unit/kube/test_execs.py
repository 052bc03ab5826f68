# SPDX-License-Identifier: GPL-3.0-or-later
"""The exec's frames, its ends, and its limits."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import websocket
from ansible_collections.meshops.mesh.plugins.module_utils._commands import authorization_probe as probing
from ansible_collections.meshops.mesh.plugins.module_utils._commands.authorization_probe import ProbeLimits, probe
from ansible_collections.meshops.mesh.plugins.module_utils._errors import FetchError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.execs import Command, CommandResult, run_in_pod

COMMAND = Command("shop", "a-1", "app", ("curl", "-H", "x: y z", "http://b/?q=1&r=2"))
SUCCESS = b"\x03" + json.dumps({"status": "Success"}).encode()
DENIED = b"\x01HTTP/1.1 403 Forbidden\r\n\r\nRBAC: access denied"
ALLOWED = b"\x01HTTP/1.1 200 OK\r\n\r\nhello"


def failure(message: str = "", code: str = "") -> bytes:
    causes = [{"reason": "ExitCode", "message": code}] if code else []
    return b"\x03" + json.dumps({"status": "Failure", "message": message, "details": {"causes": causes}}).encode()


class Stream:
    """One websocket: frames to hand out, then silence (None) or an end."""

    def __init__(self, frames: list[Any]) -> None:
        self.frames, self.closed, self.limit = list(frames), False, 0.0

    def settimeout(self, seconds: float) -> None:
        self.limit = seconds

    def recv(self) -> Any:
        frame = self.frames.pop(0) if self.frames else b""
        if frame is None:
            time.sleep(self.limit)
            raise websocket.WebSocketTimeoutException("timed out")
        if isinstance(frame, Exception):
            raise frame
        return frame

    def shutdown(self) -> None:
        self.closed = True


class Dialer:
    def __init__(self, *frames: Any) -> None:
        self.frames, self.paths, self.streams = frames, [], []  # type: ignore[var-annotated]

    def open(self, path: str, protocol: str, timeout: float) -> Stream:
        assert protocol == "v4.channel.k8s.io"
        self.paths.append(path)
        if self.frames and isinstance(self.frames[0], Exception):
            raise self.frames[0]
        self.streams.append(Stream(list(self.frames)))
        return self.streams[-1]


def run(*frames: Any, timeout: float = 0.2) -> CommandResult:
    dialer = Dialer(*frames)
    try:
        return run_in_pod(dialer, COMMAND, timeout=timeout)  # type: ignore[arg-type]
    finally:
        assert all(stream.closed for stream in dialer.streams)


def test_a_command_is_quoted_and_its_output_put_together() -> None:
    dialer = Dialer(b"\x01hel", b"\x02warn", b"\x01lo", SUCCESS)
    assert run_in_pod(dialer, COMMAND, timeout=1) == CommandResult(0, "hello", "warn")  # type: ignore[arg-type]
    assert dialer.paths == [
        "/api/v1/namespaces/shop/pods/a-1/exec?command=curl&command=-H&command=x%3A+y+z&"
        "command=http%3A%2F%2Fb%2F%3Fq%3D1%26r%3D2&container=app&stdout=true&stderr=true"
    ]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (failure(code="28"), 28),
        (failure("command terminated with exit code 7"), 7),
        (failure("error executing command: cmd wait: curl: exit status 6"), 6),
        (failure('exec: "curl": executable file not found in $PATH'), 127),
    ],
)
def test_exit_codes(status: bytes, code: int) -> None:
    assert run(b"\x02x", status).code == code


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        ((None,), "did not end within 0.2 s"),
        ((b"\x01half",), "ended without saying how the command did"),
        ((failure("the node is away"),), "could not be run: the node is away"),
        ((b"\x03no json",), "which is no status"),
        ((websocket.WebSocketConnectionClosedException("gone"),), "no exec: gone"),
        ((b"\x01x", OSError("reset")), "the exec broke off: reset"),
        ((websocket.WebSocketBadStatusException("no %s %s", 403),), "needs create (and get) on pods/exec"),
        ((websocket.WebSocketBadStatusException("no %s %s", 404),), "the pod or its container is gone"),
    ],
)
def test_no_answer_says_why(frames: tuple[Any, ...], said: str) -> None:
    with pytest.raises(FetchError) as caught:
        run(*frames)
    assert said in str(caught.value)


def test_a_command_that_says_too_much_is_cut_off() -> None:
    found = run(*[b"\x01" + b"x" * 40_000] * 9, SUCCESS)
    assert found.code is None and 60_000 < len(found.stdout) < 120_000


def pod(name: str, *, proxy: bool = True, containers: tuple[str, ...] = ("app", "istio-proxy")) -> dict[str, Any]:
    owner = [{"kind": "ReplicaSet", "name": f"{name}-55d"}]
    notes = {"sidecar.istio.io/status": "{}"} if proxy else {}
    meta = {"name": f"{name}-55d-x", "namespace": "shop", "labels": {"app": name}, "ownerReferences": owner, "annotations": notes}
    return {
        "metadata": meta,
        "spec": {"containers": [{"name": one} for one in containers if proxy or one != "istio-proxy"]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


class Cluster:
    """As much of a cluster as a probe reads."""

    name = "west"

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = pods

    def map(self, fn: Any, items: Any) -> list[Any]:
        return [fn(item) for item in items]

    def list(self, _version: str, _kind: str, *, namespace: str, trim: Any) -> list[dict[str, Any]]:
        return [trim(one) for one in self.pods if one["metadata"]["namespace"] == namespace]


CALL = {
    "from": "shop/a",
    "to": "shop/b",
    "host": "b.shop",
    "port": 8000,
    "protocol": "http",
    "method": "GET",
    "path": "/",
    "expected": "denied",
}
POLICY = {"namespace": "shop", "name": "p", "rules": 1, "selector": {"app": "b"}}


def probed(
    monkeypatch: pytest.MonkeyPatch,
    frames: tuple[bytes, ...],
    *pods: dict[str, Any],
    dump: bytes = b"ns[shop]-policy[p]-rule[0]",
    **call: Any,
) -> Any:
    monkeypatch.setattr(probing, "admin_get", lambda *_args, **_more: b'{"dynamic_listeners": [{}]}' + dump)
    return probe(Cluster(*pods), Dialer(*frames), [{**CALL, **call}], [POLICY], ProbeLimits(interval=0.01))  # type: ignore[arg-type]


def test_an_answer_as_predicted_needs_no_explanation(monkeypatch: pytest.MonkeyPatch) -> None:
    row = probed(monkeypatch, (DENIED, SUCCESS), pod("a"), pod("b")).rows[0]
    assert row.agrees is True and row.why == ""


@pytest.mark.parametrize(
    ("pods", "dump", "why"),
    [
        ((pod("a"), pod("b")), b"ns[shop]-policy[other]-rule[0]", "the proxy of shop/b-55d-x does not have shop/p yet"),
        ((pod("a"), pod("b", proxy=False)), b"", "shop/b-55d-x has no proxy, so nothing is enforced there"),
        ((pod("a", proxy=False), pod("b")), b"ns[shop]-policy[p]-rule[0]", "shop/a has no proxy, so it calls without an identity"),
        ((pod("a"), pod("b")), b"ns[shop]-policy[p]-rule[0]", "the proxies have the policies and let it pass"),
    ],
)
def test_a_difference_is_explained(monkeypatch: pytest.MonkeyPatch, pods: tuple[Any, ...], dump: bytes, why: str) -> None:
    found = probed(monkeypatch, (ALLOWED, SUCCESS), *pods, dump=dump)
    assert found.rows[0].agrees is False and why in found.rows[0].why
    assert found.waiting == (("shop/b-55d-x: shop/p",) if "yet" in why else ())


def test_a_proxy_without_a_listener_has_no_policy_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "admin_get", lambda *_args, **_more: b'{"dynamic_listeners": []}')
    found = probe(Cluster(pod("a"), pod("b")), Dialer(DENIED, SUCCESS), [CALL], [POLICY], ProbeLimits(interval=0.01))  # type: ignore[arg-type]
    assert not found.waiting and found.rows[0].agrees is True


def test_a_proxy_that_cannot_be_asked_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_args: Any, **_more: Any) -> bytes:
        raise FetchError("no answer")

    monkeypatch.setattr(probing, "admin_get", silent)
    found = probe(Cluster(pod("a"), pod("b")), Dialer(ALLOWED, SUCCESS), [CALL], [POLICY], ProbeLimits())  # type: ignore[arg-type]
    assert found.silent == ("shop/b-55d-x",) and "could not be asked" in found.rows[0].why and not found.waiting


@pytest.mark.parametrize(
    ("frames", "pods", "said"),
    [
        ((failure('"curl": executable file not found in $PATH'),), (pod("a"), pod("b")), "has neither curl nor wget"),
        ((DENIED, SUCCESS), (pod("b"),), "shop/a has no ready pod to call from"),
        ((failure("the node is away"),), (pod("a"), pod("b")), "shop/a-55d-x: the command could not be run: the node is away"),
        ((DENIED, SUCCESS), (pod("a", containers=("istio-proxy",)), pod("b")), "but sent past the proxy"),
    ],
)
def test_what_gives_no_verdict(monkeypatch: pytest.MonkeyPatch, frames: tuple[bytes, ...], pods: tuple[Any, ...], said: str) -> None:
    row = probed(monkeypatch, frames, *pods, expected="allowed").rows[0]
    assert row.agrees is None and said in row.answer.said


def test_a_difference_is_asked_again_until_the_wait_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([(ALLOWED, SUCCESS), (ALLOWED, SUCCESS), (DENIED, SUCCESS)])

    class Turning(Dialer):
        def open(self, path: str, protocol: str, timeout: float) -> Stream:
            return Stream(list(next(answers)))

    monkeypatch.setattr(probing, "admin_get", lambda *_args, **_more: b"ns[shop]-policy[p]-rule[0]")
    limits = ProbeLimits(wait=5, interval=0.01)
    found = probe(Cluster(pod("a"), pod("b")), Turning(), [CALL], [POLICY], limits)  # type: ignore[arg-type]
    assert found.rows[0].agrees is True and next(answers, None) is None


def test_the_whole_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    monkeypatch.setattr(probing, "admin_get", lambda *_args, **_more: b"")
    calls = [CALL] * 40
    found = probe(Cluster(pod("a"), pod("b")), Dialer(None), calls, [], ProbeLimits(timeout=0.1, total=0.3, workers=2))  # type: ignore[arg-type]
    assert time.monotonic() - began < 6
    assert found.rows[-1].answer.said == "not sent: the 0.3 s for all calls were over"
    assert all(row.agrees is None for row in found.rows)
