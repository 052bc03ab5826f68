# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Text that a person reads, made of what others wrote: nothing in it can act on a terminal, end a line or speak to a CI system."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

__all__ = [
    "MARKS",
    "counted",
    "did_you_mean",
    "escaped_json",
    "joined",
    "nearest",
    "quoted",
    "shortened",
    "shown",
    "shown_data",
    "shown_line",
    "shown_lines",
    "span",
    "without_controls",
]

# Printable by Unicode and yet without a shape of their own: fillers, joiners, variation selectors.
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
_BLANKS = re.compile(f"[{_BLANK}]")
_WORDS = (
    "add-mask|add-matcher|add-path|debug|echo|endgroup|error|group|notice|remove-matcher|save-state|set-env|set-output|stop-commands|"
    "warning"
)
# Azure Pipelines and GitHub look for ##vso[ and ##[ anywhere in a line, GitHub for ::word:: after blanks at its begin.
_COMMANDS = re.compile(rf"#(?=#[a-z]*\[)|:(?=:(?:{_WORDS})\b[^\n]*?::)|^ *:(?=:[a-z][\w-]*[^\n]*?::)", re.IGNORECASE)
MARKS = "√‼×·"  # what lines of ours begin with
_LONG = 63  # of a name of Kubernetes
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(char: str) -> str:
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def without_controls(text: str) -> str:
    """The text with escapes for all that has no shape: controls, line ends, directions, zero widths, lone surrogates."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else _escape(char) for char in text)
    return text if text.isascii() else _BLANKS.sub(lambda match: _escape(match.group()), text)


def shown_line(value: Any) -> str:
    """A line of a layout of ours, with what others wrote in it."""
    text = without_controls(str(value))
    return _COMMANDS.sub(lambda match: match.group() + "\\", text) if "##" in text or "::" in text else text


def shown(value: Any) -> str:
    """What others wrote, as a part of a line: it does not begin as one of our lines would."""
    text = shown_line(value)
    start = len(text) - len(text.lstrip(" "))
    return f"{text[:start]}{_escape(text[start])}{text[start + 1 :]}" if text[start : start + 1] in tuple(MARKS) else text


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 pod`, `2 pods`. plural: of nouns that do not only get an s."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def nearest(word: str, known: Iterable[str]) -> str:
    """The name that somebody probably meant; empty where none is near. In a short word a single letter is much of it."""
    return next(iter(difflib.get_close_matches(word, sorted({*known} - {word}), 1, 0.75 if len(word) > 4 else 0.6)), "")


def span(time: timedelta) -> str:
    """A length of time: `3 days`, `12 hours`, `5 minutes`."""
    hours = time.total_seconds() / 3600
    if hours >= 48:
        return f"{hours / 24:.0f} days"
    return f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"


def shortened(texts: Iterable[Any], most: int, joint: str = ", ") -> str:
    """The first of them and how many more there are: `a, b and 3 more`; with a semicolon between them `a; b; and 3 more`."""
    every = list(map(str, texts))
    more = f"{joint.rstrip(', ')} and {len(every) - most} more" if len(every) > most else ""
    return joint.join(every[:most]) + more


def quoted(value: Any) -> str:
    """A name that others wrote, in quotes; the beginning of a long one."""
    text = shown(value)
    return f"'{text}'" if len(text) <= _LONG else f"'{text[:40]}'... ({counted(len(text), 'character')})"


def did_you_mean(word: Any, known: Iterable[Any], *, most: int = 8) -> str:
    """`did you mean a?`, or what there is where nothing looks like the word."""
    names = [name for name in dict.fromkeys(map(str, known)) if len(name) <= _LONG]
    near = nearest(str(word), names)
    return f"did you mean {shown(near)}?" if near else f"there are {shortened(map(shown, names), most)}" if names else "there is none"


def joined(lines: Iterable[Any]) -> str:
    """A layout of ours: each item is one line."""
    return "\n".join(map(shown_line, lines))


def shown_lines(text: str) -> str:
    """The same for a text whose line feeds are ours already, such as a dump of YAML."""
    return joined(text.split("\n"))


def shown_data(text: str) -> str:
    """A document of others, such as an object in a difference: its lines are theirs, and none looks like one of ours."""
    return "\n".join(map(shown, text.split("\n")))


def escaped_json(text: str) -> str:
    """A JSON document, still of the same data, in which nothing acts: such characters can be nowhere but in its strings."""
    # by lines: few of a report's thousands have a character that is looked at by itself
    text = "\n".join(line if line.isprintable() else "".join(map(_json_printable, line)) for line in text.split("\n"))
    return _COMMANDS.sub(lambda match: match.group()[:-1] + _json_escape(match.group()[-1]), text)


def _json_printable(char: str) -> str:
    return char if char.isprintable() else _json_escape(char)


def _json_escape(char: str) -> str:
    return "".join(f"\\u{int.from_bytes(pair, 'big'):04x}" for pair in _pairs(char))


def _pairs(char: str) -> list[bytes]:
    data = char.encode("utf-16-be", errors="surrogatepass")
    return [data[:2], data[2:]] if len(data) > 2 else [data]
