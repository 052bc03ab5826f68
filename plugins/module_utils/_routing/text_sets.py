# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Whether some text is taken by all of these matches and by none of those, and a shortest one: exact for every form, of regular expressions
for those that are regular. The matches are walked side by side as automata; characters are told apart only where one of them does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .patterns import ANY, Edges, UnreadablePatternError, parse_pattern
from .routes import TextMatch

__all__ = ["UNKNOWN_TEXT", "TextTest", "common_text"]

UNKNOWN_TEXT = "(a text of its own)"  # there may be one: an expression of it cannot be read
_STRANGERS = "xyzqwkjvuabcdefghilmnoprst0123456789-_~.XYZQWKJVUABCDEFGHILMNOPRST!$&'()+,;:@=*"
_LIMIT = 20_000


@dataclass(frozen=True)
class TextTest:
    """A match, and whether it has to hold. folded: upper and lower case are the same."""

    match: TextMatch
    folded: bool = False
    holds: bool = True


class _MatchStates:
    """A match as states with edges over characters."""

    def __init__(self, edges: Edges, end: int) -> None:
        self.edges, self.end = edges, end
        self.start = self.closed(frozenset([0]))
        self._memo: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def closed(self, states: frozenset[int]) -> frozenset[int]:
        found, waiting = set(states), list(states)
        while waiting:
            for after in self.edges.free[waiting.pop()]:
                if after not in found:
                    found.add(after)
                    waiting.append(after)
        return frozenset(found)

    def step(self, states: frozenset[int], char: str) -> frozenset[int]:
        key = states, char
        if key not in self._memo:
            self._memo[key] = self.closed(
                frozenset(after for state in states for chars, after in self.edges.by_char[state] if chars.has(char))
            )
        return self._memo[key]


@lru_cache(maxsize=2048)
def _automaton(match: TextMatch, folded: bool) -> _MatchStates:
    edges = Edges()
    if match.form == "regex":
        return _MatchStates(edges, parse_pattern(match.value, edges))
    state = edges.text(match.value, 0, folded=folded)
    if match.form == "prefix":
        state = edges.loop(ANY, state)
    elif match.form == "separated":  # a prefix of whole segments
        end = edges.state()
        edges.free[state].append(end)
        edges.free[edges.loop(ANY, edges.text("/", state))].append(end)
        state = end
    elif match.form == "present":
        state = edges.loop(ANY, 0)
    return _MatchStates(edges, state)


def _alphabet(automata: Sequence[_MatchStates]) -> list[str]:
    """One character for each way in which the matches see characters; the pleasant ones first."""
    sets = list({chars: None for one in automata for row in one.edges.by_char for chars, _after in row})
    named = {char for chars in sets for char in chars.named}
    found: dict[tuple[bool, ...], str] = {}
    for char in (*sorted(named - set("?#")), *(char for char in _STRANGERS if char not in named)):
        found.setdefault(tuple(chars.has(char) for chars in sets), char)
    return list(found.values())


def _simple(tests: Sequence[TextTest]) -> str | None:
    """The same for texts and prefixes alone: what tells them apart are their own texts, and those with something strange behind them."""
    used = {char for test in tests for char in test.match.value}
    strange = next((char for char in _STRANGERS if char not in used), "")
    values = sorted({test.match.value for test in tests} | {""}, key=len)
    for text in (text for value in values for text in ((value, value + strange) if strange else (value,))):
        if all(
            (text == test.match.value if test.match.form == "exact" else text.startswith(test.match.value)) is test.holds for test in tests
        ):
            return text
    return None


def common_text(tests: Sequence[TextTest]) -> str | None:
    """A shortest text for which each test holds, or does not, as it says; None where there is none."""
    wanted = {(test.match, test.folded) for test in tests if test.holds}
    if any((test.match, test.folded) in wanted for test in tests if not test.holds):
        return None
    if all(test.match.form in ("exact", "prefix") and not test.folded for test in tests):
        return _simple(tests)
    try:
        automata = [_automaton(test.match, test.folded) for test in tests]
    except UnreadablePatternError:
        return UNKNOWN_TEXT
    return next(_walked(tests, automata), None)


def _walked(tests: Sequence[TextTest], automata: Sequence[_MatchStates]) -> Iterator[str]:
    alphabet = _alphabet(automata)
    start = tuple(one.start for one in automata)
    seen, layer = {start}, [(start, "")]
    while layer:
        after: list[tuple[tuple[frozenset[int], ...], str]] = []
        for states, text in layer:
            if all((one.end in state) is test.holds for one, state, test in zip(automata, states, tests, strict=True)):
                yield text
            for char in alphabet:
                reached = tuple(one.step(state, char) for one, state in zip(automata, states, strict=True))
                if reached in seen or any(test.holds and not state for test, state in zip(tests, reached, strict=True)):
                    continue
                seen.add(reached)
                after.append((reached, text + char))
        if len(seen) > _LIMIT:
            yield UNKNOWN_TEXT
            return
        layer = after
