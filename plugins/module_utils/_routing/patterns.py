# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Regular expressions of routes (RE2, matched as a whole) as states and edges. What this does not read it refuses, it never guesses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ANY", "Chars", "Edges", "UnreadablePatternError", "parse_pattern"]

_DIGITS = "0123456789"
_WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_" + _DIGITS
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": " \t\n\r\f"}
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_MOST = 100  # repetitions of one piece


class UnreadablePatternError(ValueError):
    """An expression that is wrong, or of a form that is not read here."""


@dataclass(frozen=True)
class Chars:
    """A set of characters: the named ones, or all but them."""

    named: frozenset[str]
    negated: bool = False

    def has(self, char: str) -> bool:
        return (char in self.named) is not self.negated


ANY = Chars(frozenset(), negated=True)


class Edges:
    """States are numbers, beginning with 0; edges go over characters, or are free."""

    def __init__(self) -> None:
        self.by_char: list[list[tuple[Chars, int]]] = [[]]
        self.free: list[list[int]] = [[]]

    def state(self) -> int:
        self.by_char.append([])
        self.free.append([])
        return len(self.free) - 1

    def over(self, chars: Chars, state: int) -> int:
        after = self.state()
        self.by_char[state].append((chars, after))
        return after

    def text(self, text: str, state: int, *, folded: bool = False) -> int:
        for char in text:
            state = self.over(Chars(frozenset({char, char.lower(), char.upper()} if folded and char.isascii() else {char})), state)
        return state

    def loop(self, chars: Chars, state: int) -> int:
        after = self.state()
        self.free[state].append(after)
        self.by_char[after].append((chars, after))
        return after


class _Reader:
    def __init__(self, text: str, edges: Edges) -> None:
        self.text, self.place, self.edges, self.folded = text, 0, edges, False

    def _peek(self) -> str:
        return self.text[self.place] if self.place < len(self.text) else ""

    def _take(self, piece: str) -> bool:
        found = self.text.startswith(piece, self.place)
        self.place += len(piece) if found else 0
        return found

    def whole(self) -> int:
        if self._take("(?i)"):
            self.folded = True
        self._take("^")
        end = self._either(0, outermost=True)
        if self.place < len(self.text):
            raise UnreadablePatternError(self.text)
        return end

    def _either(self, state: int, *, outermost: bool = False) -> int:
        """Alternatives; each begins in this state and ends in the one that is returned."""
        end = self.edges.state()
        while True:
            begin = self.edges.state()
            self.edges.free[state].append(begin)
            self.edges.free[self._row(begin, outermost=outermost)].append(end)
            if not self._take("|"):
                return end

    def _row(self, state: int, *, outermost: bool) -> int:
        while self._peek() not in ("", "|", ")"):
            if self._peek() == "$" and outermost and self.place == len(self.text) - 1:
                self.place += 1
                break
            state = self._piece(state)
        return state

    def _piece(self, state: int) -> int:
        begin = self.place
        inner = self._atom(state)
        if self._peek() not in ("*", "+", "?", "{"):
            return inner
        after = self.place
        least, most = self._repeat()
        self._take("?")  # lazy or not is the same where the whole has to match
        if self._peek() in ("*", "+", "?", "{"):
            raise UnreadablePatternError(self.text)
        resume = self.place

        def again(at: int) -> int:
            self.place = begin
            found = self._atom(at)
            if self.place != after:
                raise UnreadablePatternError(self.text)
            return found

        end = self._repeated(state, inner, least, most, again)
        self.place = resume
        return end

    def _repeated(self, state: int, inner: int, least: int, most: int | None, again: Callable[[int], int]) -> int:
        """inner: after the piece once, which is there already."""
        ends = [inner if least else state]
        current = inner
        for _number in range(1, least):
            current = again(current)
            ends = [current]
        if most is None:
            turn = self.edges.state()  # of its own, so that a way back leads into nothing else
            self.edges.free[current if least else state].append(turn)
            self.edges.free[again(turn)].append(turn)
            if not least:
                self.edges.free[inner].append(turn)
            return turn
        for number in range(max(least, 1), most + 1):
            ends.append(current)
            if number < most:
                current = again(current)
        end = self.edges.state()
        for one in dict.fromkeys(ends):
            self.edges.free[one].append(end)
        return end

    def _repeat(self) -> tuple[int, int | None]:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        close = self.text.find("}", self.place)
        least, comma, most = self.text[self.place + 1 : close].partition(",")
        if close < 0 or not least.isdigit() or (most and not most.isdigit()) or max(int(least), int(most or 0)) > _MOST:
            raise UnreadablePatternError(self.text)
        self.place = close + 1
        if not comma:
            return int(least), int(least)
        return int(least), int(most) if most else None

    def _atom(self, state: int) -> int:
        if self._take("("):
            if self._peek() == "?" and not self._take("?:"):
                raise UnreadablePatternError(self.text)
            end = self._either(state)
            if not self._take(")"):
                raise UnreadablePatternError(self.text)
            return end
        if self._take("["):
            return self.edges.over(self._class(), state)
        char = self._peek()
        if char in ("^", "$", "*", "+", "?", "{", ""):
            raise UnreadablePatternError(self.text)
        self.place += 1
        if char == ".":
            return self.edges.over(ANY, state)
        return self.edges.over(self._escape() if char == "\\" else self._chars({char}), state)

    def _chars(self, chars: set[str], *, negated: bool = False) -> Chars:
        if self.folded:
            chars = {form for char in chars for form in (char, char.lower(), char.upper())}
        return Chars(frozenset(chars), negated)

    def _escape(self) -> Chars:
        char = self._peek()
        self.place += 1
        if char.lower() in _CLASSES:
            return Chars(frozenset(_CLASSES[char.lower()]), negated=char.isupper())
        if char in _ESCAPES:
            return self._chars({_ESCAPES[char]})
        if not char or char.isalnum():
            raise UnreadablePatternError(self.text)
        return self._chars({char})

    def _class(self) -> Chars:
        negated, found = self._take("^"), set[str]()
        first = True
        while first or self._peek() != "]":
            first = False
            if not self._peek() or self.text.startswith("[:", self.place):
                raise UnreadablePatternError(self.text)
            low = self._member(found)
            if low and self._peek() == "-" and self.text[self.place + 1 : self.place + 2] not in ("]", ""):
                self.place += 1
                high = self._member(set())
                if not high or not ord(low) <= ord(high) < 128:
                    raise UnreadablePatternError(self.text)
                found |= {chr(number) for number in range(ord(low), ord(high) + 1)}
        self.place += 1
        return self._chars(found, negated=negated)

    def _member(self, found: set[str]) -> str:
        """One member of a class is added; returned is the character, or nothing where it is several."""
        char = self._peek()
        self.place += 1
        if char == "\\":
            chars = self._escape()
            if chars.negated:
                raise UnreadablePatternError(self.text)
            found |= chars.named
            return next(iter(chars.named)) if len(chars.named) == 1 else ""
        found.add(char)
        return char


def parse_pattern(text: str, edges: Edges) -> int:
    """The edges of an expression from state 0 on; its end is returned. Raises UnreadablePatternError."""
    return _Reader(text, edges).whole()
