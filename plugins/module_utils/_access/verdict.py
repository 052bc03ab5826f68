# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A call from a pod as a command, and its answer as a verdict: allowed, denied by a policy, or nothing that says either. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._model.secrecy import is_secret, names_a_secret
from .._text import counted, joined

__all__ = [
    "ALLOWED",
    "DENIED",
    "NONE",
    "TOOLS",
    "ProbeAnswer",
    "ProbeResult",
    "curl",
    "judge",
    "listens",
    "policy_keys",
    "regressions",
    "summary_of",
    "text_of",
    "wget",
]

ALLOWED, DENIED, NONE = "allowed", "denied", "no verdict"
_RBAC = "RBAC: access denied"
_AUDIENCE = "Audiences in Jwt are not allowed"  # the one refusal of the token's check that is no 401
# What Envoy itself says when something between the two pods is wrong; an application may say it too, so it is no verdict.
_UNCLEAR = frozenset({400, 404, 408, 421, 426, 429, 431, 502, 503, 504})
_CURL = {
    6: "the host's name is not known", 7: "the connection was refused", 28: "no answer in time", 35: "TLS failed",
    52: "closed without a byte", 56: "the connection was reset", 60: "TLS failed: the certificate is not trusted",
}  # fmt: skip
_STATUS = re.compile(r"HTTP/\d(?:\.\d)? (\d{3})")
_KEY = re.compile(r"ns\[([^\]]+)\]-policy\[([^\]]+)\]-rule\[(\d+)\]")
_LISTENER = re.compile(r'"(?:dynamic|active)_listeners"\s*:\s*\[\s*\{')
_SHOWN = 12


@dataclass(frozen=True)
class ProbeAnswer:
    """`status`: of HTTP, None where there was none."""

    verdict: str
    status: int | None
    said: str


@dataclass(frozen=True)
class ProbeResult:
    """One call, what came of it, and what was predicted. `why`: only where the two differ, or there is no verdict."""

    call: Mapping[str, Any]
    answer: ProbeAnswer
    why: str = ""

    @property
    def agrees(self) -> bool | None:
        """None where there is no verdict: it speaks neither for nor against the prediction."""
        return None if self.answer.verdict == NONE else self.answer.verdict == self.call["expected"]

    def to_dict(self) -> dict[str, Any]:
        answer = {"verdict": self.answer.verdict, "status": self.answer.status, "said": self.answer.said}
        # a header may be a login, and the result is printed
        given = (self.call.get("headers") or {}).items()
        headers = {name: "***" if names_a_secret(str(name)) or is_secret(str(text)) else text for name, text in given}
        shown = {**self.call, "headers": headers} if headers else self.call
        return {**shown, **answer, "agrees": self.agrees, "why": self.why}


def _url(call: Mapping[str, Any]) -> str:
    return f"http://{call['host']}:{call['port']}{call.get('path') or '/'}"


def curl(call: Mapping[str, Any], timeout: float) -> tuple[str, ...]:
    """Head and body come on standard output; curl asks no proxy and follows nothing."""
    words = ["curl", "-sS", "-i", "--noproxy", "*", "--path-as-is", "-m", f"{timeout:g}"]
    if call.get("protocol") == "tcp":
        return (*words, "--http0.9", _url(call))
    words += ["--head"] if call.get("method") == "HEAD" else ["-X", str(call.get("method") or "GET")]
    for name, value in (call.get("headers") or {}).items():
        words += ["-H", f"{name}: {value}"]
    return (*words, _url(call))


def wget(call: Mapping[str, Any], timeout: float) -> tuple[str, ...]:
    """GNU's and BusyBox's; a refused answer has no body there. Empty for what it cannot send."""
    if call.get("protocol") == "tcp" or (call.get("method") or "GET") != "GET":
        return ()
    headers = [f"--header={name}: {value}" for name, value in (call.get("headers") or {}).items()]
    return ("wget", "-q", "-S", "-O", "-", "-T", f"{max(1, round(timeout))}", *headers, _url(call))


TOOLS = (curl, wget)


def _parts(text: str) -> tuple[int | None, str, str]:
    """Status, head and body of the last answer; interim ones come before it."""
    head, body = "", text.replace("\r\n", "\n")
    while body.startswith("HTTP/"):
        head, _blank, body = body.partition("\n\n")
        if not _STATUS.match(head) or not head.split()[1].startswith("1"):
            break
    found = _STATUS.match(head)
    return (int(found[1]) if found else None), head, body


def judge(call: Mapping[str, Any], code: int | None, stdout: str, stderr: str) -> ProbeAnswer:
    """What an answer says about the policies. Whatever something else than a policy could have said is no verdict."""
    status, head, body = _parts(stdout)
    if status is None and (found := _STATUS.findall(stderr)):  # wget
        status, head = int(found[-1]), stderr
        body = _RBAC if re.search(r"content-length: 19\s", stderr.lower() + "\n") and "envoy" in stderr.lower() else ""
    if status is None and call.get("protocol") == "tcp" and stdout:
        return ProbeAnswer(ALLOWED, None, "the server answered")
    if status is None:
        reason = _CURL.get(code or 0) or (stderr.strip().splitlines() or [f"exit code {code}, and no answer"])[-1]
        return ProbeAnswer(NONE, None, reason[:200])
    first = (body.strip().splitlines() or [""])[0][:80]
    if status == 403:
        by_policy = first in (_RBAC, _AUDIENCE)
        return ProbeAnswer(DENIED, status, first) if by_policy else ProbeAnswer(NONE, status, f"403, and not by a policy: {first!r}")
    if status == 401:
        by_token = first.startswith(("Jwt ", "Jwks ")) or 'error="invalid_token"' in head
        return ProbeAnswer(DENIED, status, first) if by_token else ProbeAnswer(NONE, status, f"401, and not by a token's check: {first!r}")
    if status in _UNCLEAR:
        return ProbeAnswer(NONE, status, f"{status} {first}".strip())
    return ProbeAnswer(ALLOWED, status, f"{status}")


def policy_keys(dump: str) -> dict[str, int]:
    """The policies that a proxy's configuration has, as NAMESPACE/NAME, each with the number of its rules."""
    found: dict[str, set[str]] = {}
    for namespace, name, number in _KEY.findall(dump):
        found.setdefault(f"{namespace}/{name}", set()).add(number)
    return {name: len(numbers) for name, numbers in found.items()}


def listens(dump: str) -> bool:
    """Whether a proxy has anything that policies could be enforced at; a gateway without a Gateway listens nowhere, and has none."""
    return bool(_LISTENER.search(dump))


def summary_of(rows: Iterable[ProbeResult]) -> dict[str, int]:
    """How many calls came out how."""
    counts = dict.fromkeys(("allowed", "denied", "no_verdict", "agree", "differ"), 0)
    for row in rows:
        counts[row.answer.verdict.replace(" ", "_")] += 1
        if row.agrees is not None:
            counts["agree" if row.agrees else "differ"] += 1
    return counts


def _line(row: ProbeResult) -> str:
    call = row.call
    what = f"{call.get('method') or call.get('protocol', '')} {call.get('path') or ''}".strip()
    where = f"{call['from']} -> {call['to']}:{call['port']} {what}"
    return f"{where}: {row.answer.verdict} ({row.answer.said}), predicted {call['expected']}{'; ' + row.why if row.why else ''}"


def _call_key(call: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(call.get(name) for name in ("from", "to", "host", "port", "method", "path"))


def regressions(rows: Iterable[ProbeResult], before: Iterable[Mapping[str, Any]]) -> list[ProbeResult]:
    """Calls that are meant to be allowed, were allowed before, and now give no verdict: something is broken, though not by a policy."""
    passed = {_call_key(row) for row in before if row.get("verdict") == ALLOWED}
    return [row for row in rows if row.agrees is None and row.call["expected"] == ALLOWED and _call_key(row.call) in passed]


def text_of(cluster: str, rows: Sequence[ProbeResult], seconds: float, lost: Sequence[ProbeResult] = ()) -> str:
    """What went wrong first, then what gave no verdict; at most a screen."""
    counts = summary_of(rows)
    lines = [
        f"{cluster}: {counted(len(rows), 'call')} in {seconds:.1f} s: {counts['allowed']} allowed, {counts['denied']} denied by policy, "
        f"{counts['no_verdict']} without a verdict; {counts['agree']} as predicted, {counts['differ']} otherwise"
    ]
    kinds = (
        ("DIFFERS", [_line(row) for row in rows if row.agrees is False], _SHOWN),
        ("LOST", [_line(row) for row in lost], _SHOWN),
        ("NO VERDICT", _without_verdict(row for row in rows if row.agrees is None and row not in lost), _SHOWN // 3),
    )
    for word, found, shown in kinds:
        lines += [f"{word}  {line}" for line in found[:shown]]
        lines += [f"... and {len(found) - shown} more: {word}"] if len(found) > shown else []
    return joined(lines)


def _without_verdict(rows: Iterable[ProbeResult]) -> list[str]:
    """By where they went and what came back, most calls first: a gateway without a listener is one line, not one for each caller."""
    groups = Counter((f"{row.call['to']}:{row.call['port']}", row.answer.said) for row in rows)
    return [f"{counted(number, 'call')} to {to}: {said}" for (to, said), number in groups.most_common()]
