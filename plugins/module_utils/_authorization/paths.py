# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The path as Envoy hands it to the policies: normalised as the mesh says, before the query."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["MODES", "normalise", "without_query"]

MODES = ("NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES")
_ESCAPED = re.compile("%([0-9A-Fa-f]{2})")
_DOT = re.compile(r"(?:\.|%2[eE])")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_KEPT = _UNRESERVED | frozenset(b"!$%&'()*+,/:;=@[]")  # what the URL library leaves as it is; the rest becomes %XX


def _unescape(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return chr(code) if code in _UNRESERVED else found[0]


def _dots(segment: str) -> int:
    """2 for `..`, 1 for `.`, escaped or not, otherwise 0."""
    rest, count = _DOT.subn("", segment)
    return count if not rest and count <= 2 else 0


def _canonical(path: str) -> str:
    """RFC 3986 as the URL library of Envoy has it: unreserved escapes decoded, odd characters escaped, dot segments removed."""
    kept: list[str] = []
    segments = path.replace("\\", "/").split("/")[1:]
    for number, segment in enumerate(segments):
        dots = _dots(segment)
        if dots == 2 and kept:
            kept.pop()
        if dots and number == len(segments) - 1:
            kept.append("")
        elif not dots:
            kept.append(_ESCAPED.sub(_unescape, segment))
    text = "/" + "/".join(kept)
    return "".join(chr(byte) if byte in _KEPT else f"%{byte:02X}" for byte in text.encode("utf-8", "surrogateescape"))


@lru_cache(maxsize=8192)
def normalise(path: str, mode: str) -> str:
    """The path and query after normalisation; one that does not begin with a slash (`*`) is left alone."""
    if mode not in MODES:
        raise ValueError(f"path normalisation {mode!r} is none of {', '.join(MODES)}")
    if mode == "NONE" or not path.startswith("/"):
        return path
    text, mark, query = path.partition("?")
    if mode == "DECODE_AND_MERGE_SLASHES":
        text = re.sub("%2[fF]", "/", text)
        text = re.sub("%5[cC]", r"\\", text)
    text = _canonical(text)
    if mode != "BASE":
        text = re.sub("/{2,}", "/", text)
    return text + mark + query


def without_query(path: str) -> str:
    """What `paths` compare: up to the query or the fragment."""
    return re.split("[?#]", path)[0]
