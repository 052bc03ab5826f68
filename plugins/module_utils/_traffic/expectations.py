# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Sentences about requests: who asks whom for what, and what is to become of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from .._text import shown

__all__ = ["EXAMPLES", "Expectation", "read_expectations"]

EXAMPLES = (
    "prod/web -> pay:8080 GET /x reaches pay v2 at 20 %",
    "internet -> https://shop.example.com/admin answers 403",
    "nobody reaches prod/legacy",
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE")
_SHARE = re.compile(r"\s+at\s+(?P<least>least\s+)?(?P<share>\d+(?:\.\d+)?)\s*%$")
_VERDICT = re.compile(r"\s(?P<verb>reaches|answers|fails|leaves the mesh|is refused)(?:\s+(?P<rest>.+))?$")
_KEYS = ("from", "to", "method", "path", "headers", "reaches", "share", "at_least", "answers", "outcome", "by", "name")
_OUTCOMES = ("fails", "leaves the mesh", "is refused")


@dataclass(frozen=True)
class Expectation:
    """One sentence. caller: namespace/workload, NAMESPACE/*, `*`, `internet` or `nobody`. share: of the requests, in percent."""

    text: str
    caller: str
    url: str = ""
    method: str = "GET"
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    service: str = ""
    subset: str = ""
    share: float | None = None
    at_least: bool = False
    status: int = 0
    outcome: str = ""  # fails, leaves the mesh, is refused
    by: str = ""  # Kind namespace/name of who answers so

    @property
    def scheme(self) -> str:
        return urlsplit(self.url).scheme if "://" in self.url else "http"

    @property
    def host(self) -> str:
        return urlsplit(self.url if "://" in self.url else f"//{self.url}").hostname or ""

    @property
    def port(self) -> int:
        """0 where none is said."""
        try:
            return urlsplit(self.url if "://" in self.url else f"//{self.url}").port or 0
        except ValueError:
            return 0

    @property
    def whole_path(self) -> str:
        parts = urlsplit(self.url) if "://" in self.url else None
        own = (parts.path + (f"?{parts.query}" if parts.query else "")) if parts else ""
        return self.path or own or "/"


def _sentence(text: str) -> Expectation | str:
    """The expectation, or what is wrong with the sentence."""
    words = " ".join(text.split())
    nobody = re.fullmatch(r"nobody reaches (\S+)(?: (\S+))?", words)
    if nobody:
        return Expectation(text, "nobody", service=nobody[1], subset=nobody[2] or "")
    caller, arrow, rest = words.partition(" -> ")
    if not arrow or not caller or " " in caller:
        return "has no caller before ->"
    verdict = _VERDICT.search(" " + rest)
    if verdict is None:
        return "does not say reaches, answers, fails, leaves the mesh or is refused"
    asked = (" " + rest)[: verdict.start()].split()
    if not asked:
        return "does not say whom it asks"
    url, method, path = asked[0], "GET", ""
    for word in asked[1:]:
        if word in _METHODS:
            method = word
        elif word.startswith("/"):
            path = word
        else:
            return f"has {shown(word)} where a method or a path is expected"
    return _outcome(Expectation(text, caller, url, method, path), verdict["verb"], verdict["rest"] or "")


def _deciding(rest: str) -> tuple[str, str]:
    """What is behind a verb, without the object that is named as the one who decides."""
    found = re.fullmatch(r"(?P<rest>.*?)\s*\bby (?P<by>[A-Z][A-Za-z]+ [^\s/]+/[^\s/]+)", rest)
    return (found["rest"], found["by"]) if found else (rest, "")


def _outcome(found: Expectation, verb: str, rest: str) -> Expectation | str:
    said = {name: getattr(found, name) for name in ("text", "caller", "url", "method", "path", "headers")}
    if verb != "reaches":
        rest, by = _deciding(rest)
        said["by"] = by
    if verb == "answers":
        if not re.fullmatch(r"[1-5]\d\d", rest):
            return f"answers {shown(rest)}, expected a status as 404"
        return Expectation(**said, status=int(rest))
    if verb in _OUTCOMES:
        return f"has {shown(rest)} behind {verb}" if rest else Expectation(**said, outcome=verb)
    share = _SHARE.search(" " + rest)
    words = ((" " + rest)[: share.start()] if share else rest).split()
    if not 1 <= len(words) <= 2:
        return "does not say which service and subset it reaches"
    percent = float(share["share"]) if share else None
    if percent is not None and percent > 100:
        return f"has a share of {percent:g} %"
    return Expectation(
        **said, service=words[0], subset=words[1] if len(words) > 1 else "", share=percent, at_least=bool(share and share["least"])
    )


def _mapped(row: Mapping[str, Any]) -> Expectation | str:
    unknown = sorted(set(map(str, row)) - set(_KEYS))
    if unknown:
        return f"has {', '.join(map(shown, unknown))}; it takes {', '.join(_KEYS)}"
    if not row.get("from"):
        return "has no from"
    wanted = [name for name in ("reaches", "answers", "outcome") if row.get(name)]
    if len(wanted) != 1:
        return "takes one of reaches, answers and outcome"
    text = str(row.get("name") or f"{row['from']} -> {row.get('to') or ''} {row.get('method') or 'GET'} {row.get('path') or '/'}")
    headers = row.get("headers") or {}
    if not isinstance(headers, Mapping):
        return "has headers that are no map"
    found = Expectation(text, str(row["from"]), str(row.get("to") or ""), str(row.get("method") or "GET"), str(row.get("path") or ""),
                        {str(name): str(value) for name, value in headers.items()})  # fmt: skip
    if found.caller != "nobody" and not found.url:
        return "has no to"
    if wanted == ["reaches"]:
        share = row.get("share")
        rest = str(row["reaches"]) + (f" at {'least ' if row.get('at_least') else ''}{share} %" if share is not None else "")
        return _outcome(found, "reaches", rest)
    by = f" by {row['by']}" if row.get("by") else ""
    if wanted == ["answers"]:
        return _outcome(found, "answers", f"{row['answers']}{by}")
    return (
        _outcome(found, str(row["outcome"]), by.strip())
        if row["outcome"] in _OUTCOMES
        else f"has the outcome {shown(row['outcome'])}, expected one of {', '.join(_OUTCOMES)}"
    )


def read_expectations(rows: Iterable[Any]) -> tuple[list[Expectation], list[str]]:
    """The expectations, and what is wrong with the others, all of it."""
    found: list[Expectation] = []
    wrong: list[str] = []
    for number, row in enumerate(rows):
        read = _mapped(row) if isinstance(row, Mapping) else _sentence(str(row))
        if isinstance(read, Expectation):
            found.append(read)
        else:
            wrong.append(f"expect[{number}] ({shown(row if isinstance(row, str) else row.get('name') or 'a map')}) {read}")
    return found, wrong
