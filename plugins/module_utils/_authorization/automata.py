# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Which combinations of matchers a text can satisfy, exactly: the matchers as automata, walked side by side, one shortest text for each.

Characters are told apart only where a matcher does: those that it names, and for all others a stand-in that no matcher names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .._errors import TooComplex
from .matching import Always, Matcher, Pattern, Text

__all__ = ["Combination", "TooManyError", "combinations"]

_SEGMENT_MARKS = "-._~%!$&'()+,;:@=*"
_INSIDE = "xyzqwkjvuabcdefghilmnoprstXYZABCDEFGHIJKLMNOPQRSTUVW0123456789-_~.!$&'()+,;:@=*%"  # one that a template's segment takes
_OUTSIDE = '[]{}|^<>"`\\#?'  # and one that it does not


class TooManyError(TooComplex, ValueError):
    """The matchers tell more texts apart than the given limit."""


@dataclass(frozen=True, slots=True)
class _Chars:
    """A set of characters; `named` only, or all but them."""

    named: frozenset[str]
    negated: bool = False

    def has(self, char: str) -> bool:
        return (char in self.named) != self.negated


_ANY = _Chars(frozenset("\n"), negated=True)
_SEGMENT = _Chars(frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" + _SEGMENT_MARKS))
_CLASSES = {r"[a-zA-Z0-9\-._~%!$&'()+,;:@=*]": _SEGMENT, "[^/]": _Chars(frozenset("/"), negated=True), ".": _ANY}


class _Automaton:
    """States are numbers, with edges over characters and free ones; built from the few forms of expression that matching.py makes."""

    def __init__(self, matcher: Matcher) -> None:
        self.edges: list[list[tuple[_Chars, int]]] = [[]]
        self.free: list[list[int]] = [[]]
        self.named: set[str] = set()
        self._memo: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self.end = self._matcher(matcher, 0)
        self.start = self._closed({0})

    def _state(self) -> int:
        self.edges.append([])
        self.free.append([])
        return len(self.edges) - 1

    def _chars(self, chars: _Chars, state: int) -> int:
        after = self._state()
        self.edges[state].append((chars, after))
        return after

    def _literal(self, text: str, state: int, folded: bool) -> int:
        for char in text:
            both = {char, char.upper()} if folded and char.isascii() else {char}
            self.named |= both
            state = self._chars(_Chars(frozenset(both)), state)
        return state

    def _loop(self, chars: _Chars, state: int) -> int:
        after = self._state()
        self.free[state].append(after)
        self.edges[after].append((chars, after))
        return after

    def _matcher(self, matcher: Matcher, state: int) -> int:
        if isinstance(matcher, Pattern):
            return _Parser(self, matcher.expression).run(state)
        if isinstance(matcher, Always):
            return self._loop(_ANY, state)
        if not isinstance(matcher, Text):
            raise TypeError(f"{matcher!r} is no matcher of texts")
        if matcher.form in ("suffix", "contains"):
            state = self._loop(_ANY, state)
        state = self._literal(str(matcher.value), state, matcher.folded)
        return self._loop(_ANY, state) if matcher.form in ("prefix", "contains") else state

    def _closed(self, states: set[int]) -> frozenset[int]:
        waiting = list(states)
        while waiting:
            for after in self.free[waiting.pop()]:
                if after not in states:
                    states.add(after)
                    waiting.append(after)
        return frozenset(states)

    def step(self, states: frozenset[int], char: str) -> frozenset[int]:
        key = states, char
        if key not in self._memo:
            self._memo[key] = self._closed({after for state in states for chars, after in self.edges[state] if chars.has(char)})
        return self._memo[key]


class _Parser:
    """Reads the expressions of matching.py: characters, classes, one level of groups, and * + ? behind them."""

    def __init__(self, automaton: _Automaton, text: str) -> None:
        self.automaton, self.text, self.place = automaton, text, 0

    def run(self, state: int) -> int:
        while self.place < len(self.text):
            state = self._item(state)
        return state

    def _take(self, piece: str) -> bool:
        found = self.text.startswith(piece, self.place)
        self.place += len(piece) if found else 0
        return found

    def _item(self, state: int) -> int:
        for piece, chars in _CLASSES.items():
            if self._take(piece):
                return self._repeated(chars, state)
        if self._take(f"(?:{next(iter(_CLASSES))}|/)*"):
            return self.automaton._loop(_Chars(_SEGMENT.named | {"/"}), state)
        if self._take("(.+/|)"):
            return self._optional(state, lambda inner: self.automaton._literal("/", self._plus(_ANY, inner), False))
        if self._take("(/.+)?"):
            return self._optional(state, lambda inner: self._plus(_ANY, self.automaton._literal("/", inner, False)))
        self._take("\\")
        self.place += 1
        return self.automaton._literal(self.text[self.place - 1], state, False)

    def _plus(self, chars: _Chars, state: int) -> int:
        return self.automaton._loop(chars, self.automaton._chars(chars, state))

    def _repeated(self, chars: _Chars, state: int) -> int:
        if self._take("*"):
            return self.automaton._loop(chars, state)
        return self._plus(chars, state) if self._take("+") else self.automaton._chars(chars, state)

    def _optional(self, state: int, build: Callable[[int], int]) -> int:
        after = self.automaton._state()  # of its own: what is built may end in a loop
        for before in (state, build(state)):
            self.automaton.free[before].append(after)
        return after


@dataclass(frozen=True)
class Combination:
    """Which of the matchers match, and a shortest text for which it is so."""

    matched: tuple[bool, ...]
    witness: str


def _alphabet(automata: Sequence[_Automaton]) -> list[str]:
    named = {char for automaton in automata for char in automaton.named}
    strangers = [next((char for char in choice if char not in named), "") for choice in (_INSIDE, _OUTSIDE)]
    return [char for char in strangers if char] + sorted(named | {"/"})


def combinations(matchers: Iterable[Matcher], *, within: Matcher | None = None, limit: int = 200_000) -> list[Combination]:
    """Every combination that a text (of the form `within`) can reach; TooManyError beyond so many steps."""
    wanted = list(matchers)
    automata = [_Automaton(matcher) for matcher in (*wanted, *([within] if within else []))]
    alphabet = _alphabet(automata)
    start = tuple(automaton.start for automaton in automata)
    seen, layer, found = {start}, [(start, "")], dict[tuple[bool, ...], str]()
    while layer:
        after: list[tuple[tuple[frozenset[int], ...], str]] = []
        for states, text in layer:
            accepted = tuple(automaton.end in state for automaton, state in zip(automata, states, strict=True))
            if not within or accepted[-1]:
                found.setdefault(accepted[: len(wanted)], text)
            for char in alphabet:
                reached = tuple(automaton.step(state, char) for automaton, state in zip(automata, states, strict=True))
                if reached in seen or (within and not reached[-1]):
                    continue
                seen.add(reached)
                if len(seen) > limit:
                    raise TooManyError(f"more than {limit} kinds of texts")
                after.append((reached, text + char))
        layer = after
    return [Combination(matched, witness) for matched, witness in found.items()]
