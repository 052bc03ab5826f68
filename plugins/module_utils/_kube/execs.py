# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Runs commands in pods through the API server's exec; each one is bounded in time and in what it may say."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from .._errors import FetchError
from .auth import Dialer

try:
    import websocket

    _WIRE_ERRORS: tuple[type[BaseException], ...] = (websocket.WebSocketException, OSError)
    _TIMEOUTS: tuple[type[BaseException], ...] = (TimeoutError, websocket.WebSocketTimeoutException)
except ImportError:  # the module says so in main()
    _WIRE_ERRORS = (OSError,)
    _TIMEOUTS = (TimeoutError,)

__all__ = ["Command", "CommandResult", "run_in_pod"]

_PROTOCOL = "v4.channel.k8s.io"
_STDOUT, _STDERR, _STATUS = 1, 2, 3
_LARGEST = 64 * 2**10
_GONE, _FORBIDDEN = 404, 403
_EXIT = re.compile(r"exit (?:code|status):? (\d+)$")
_NOT_FOUND = ("executable file not found", "no such file or directory", "not found in $PATH")


@dataclass(frozen=True)
class Command:
    """What to run where; `container`: empty for the pod's first one."""

    namespace: str
    pod: str
    container: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class CommandResult:
    """What a command said. `code` is None where it was cut off because it said too much; 127 where the pod does not have it."""

    code: int | None
    stdout: str
    stderr: str


def _path(command: Command) -> str:
    query: list[tuple[str, str]] = [("command", word) for word in command.words]
    query += [("container", command.container)] if command.container else []
    path = f"/api/v1/namespaces/{command.namespace}/pods/{command.pod}/exec"
    return f"{path}?{urlencode([*query, ('stdout', 'true'), ('stderr', 'true')])}"


def run_in_pod(dialer: Dialer, command: Command, *, timeout: float, clock: Callable[[], float] = time.monotonic) -> CommandResult:
    """The command's end; FetchError says why it could not be run, or that it did not end in time."""
    deadline = clock() + timeout
    try:
        stream = dialer.open(_path(command), _PROTOCOL, timeout)
    except _WIRE_ERRORS as exc:
        raise FetchError(_refusal(exc, timeout)) from exc
    try:
        return _read(stream, deadline, timeout, clock)
    finally:
        stream.shutdown()  # without a closing handshake, which a hanging node would not finish


def _read(stream: Any, deadline: float, timeout: float, clock: Callable[[], float]) -> CommandResult:
    said: dict[int, bytearray] = {_STDOUT: bytearray(), _STDERR: bytearray()}
    while True:
        left = deadline - clock()
        try:
            if left <= 0:
                raise TimeoutError
            stream.settimeout(left)
            frame = stream.recv()
        except _TIMEOUTS as exc:
            raise FetchError(f"the command did not end within {timeout:g} s") from exc
        except _WIRE_ERRORS as exc:
            raise FetchError(f"the exec broke off: {str(exc).strip() or type(exc).__name__}") from exc
        if not frame:
            raise FetchError("the exec ended without saying how the command did")
        data = frame if isinstance(frame, bytes) else frame.encode()
        channel, part = data[0], data[1:]
        if channel == _STATUS:
            code, message = _code(part)
            return CommandResult(code, said[_STDOUT].decode(errors="replace"), message or said[_STDERR].decode(errors="replace"))
        said.setdefault(channel, bytearray()).extend(part)
        if len(said[channel]) > _LARGEST:
            return CommandResult(None, said[_STDOUT].decode(errors="replace"), said[_STDERR].decode(errors="replace"))


def _code(status: bytes) -> tuple[int, str]:
    """The exit code of a metav1.Status, and a message if the command was not even started."""
    try:
        found = json.loads(status or b"{}")
    except ValueError as exc:
        raise FetchError(f"the exec ended with {status[:80]!r}, which is no status") from exc
    if found.get("status") == "Success":
        return 0, ""
    for cause in (found.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode" and str(cause.get("message")).isdigit():
            return int(cause["message"]), ""
    message = str(found.get("message") or "")
    if any(words in message for words in _NOT_FOUND):
        return 127, message
    if code := _EXIT.search(message.strip()):  # some kubelets say it in words only
        return int(code[1]), ""
    raise FetchError(f"the command could not be run: {message or 'no reason was given'}")


def _refusal(exc: BaseException, timeout: float) -> str:
    status = getattr(exc, "status_code", None)
    if status == _FORBIDDEN:
        return "the API server forbids the exec; it needs create (and get) on pods/exec there"
    if status == _GONE:
        return "the pod or its container is gone"
    if isinstance(exc, _TIMEOUTS):
        return f"no exec after {timeout:g} s"
    return f"no exec: {str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__}"
