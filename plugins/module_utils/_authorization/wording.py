# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Sets of requests in the words that the policies use: who calls, with which token, what is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._text import counted, shortened
from .classes import CALLER, ValueClass
from .doors import EnforcementSpace
from .facts import Facts
from .inventory import MeshInventory
from .matching import Always, Matcher, Pair, Pattern, Text
from .regions import Box

__all__ = ["BARE", "Callers", "Who", "merge", "names", "request_of", "token_words", "what_words", "word"]

_FORMS = {"exact": "{}", "prefix": "{}*", "suffix": "*{}", "contains": "*{}*"}
_AUTH = "request.auth."
_NAMES = {
    "methods": "",
    "paths": "",
    "hosts": "host",
    "destination.port": "port",
    "source.ip": "from address",
    "remote.ip": "remote address",
    "destination.ip": "to address",
    "connection.sni": "SNI",
}
_FIRST = ("methods", "paths", "destination.port", "hosts")
_MOST = 4
BARE = "without a token"


def word(matcher: Matcher) -> str:
    """A matcher as a policy would write it."""
    if isinstance(matcher, Text):
        text = _FORMS[matcher.form].format(matcher.value)
        return text.removeprefix("*/ns/").removesuffix("/*") if matcher.form == "contains" else text.removeprefix("spiffe://")
    if isinstance(matcher, Always):
        return "*"
    if isinstance(matcher, Pattern):
        return "*" if matcher.expression in (".+", "spiffe://.*") else _readable(matcher.expression)
    if isinstance(matcher, Pair):
        return f"{word(matcher.first)}/{word(matcher.second)}"
    shown = getattr(matcher, "text", None)
    return str(shown) if shown else str(matcher)


def _readable(expression: str) -> str:
    """An expression that matching.py made, back in the form of a policy as far as that goes."""
    segment = r"[a-zA-Z0-9\-._~%!$&'()+,;:@=*]"
    text = expression.replace(f"(?:{segment}|/)*", "{**}").replace(f"{segment}+", "{*}")
    for piece, shown in (("(.+/|)", ""), ("(/.+)?", ""), ("spiffe://.+/ns/", ""), ("[^/]*", "*"), (".*", "*"), (".+", "*")):
        text = text.replace(piece, shown)
    return re.sub(r"\\(.)", r"\1", text)


def _bits(values: Sequence[ValueClass], place: int) -> int:
    return sum(1 << number for number, value in enumerate(values) if value.matched[place])


def _cover(bits: int, choices: Sequence[tuple[str, int]]) -> list[str] | None:
    """The fewest of the choices that lie in the bits and fill them; None if they do not."""
    inside = [(text, own) for text, own in choices if own and not own & ~bits]
    inside = [
        (text, own)
        for number, (text, own) in enumerate(inside)
        if not any(
            own | other == other and (own != other or place < number) for place, (_text, other) in enumerate(inside) if place != number
        )
    ]
    filled = 0
    for _text, own in inside:
        filled |= own
    return [text for text, _own in inside] if filled == bits else None


def _some(found: Sequence[str]) -> str:
    return shortened(found, _MOST)


def _dimension(space: EnforcementSpace, index: int, bits: int) -> str:
    """The values of one dimension in words; empty if it is all of them."""
    everything, name = space.everything[index], space.names[index]
    if bits == everything:
        return ""
    values, matchers = space.values[name], space.matchers[name]
    absent = space.absent(index)
    choices = [(word(matcher), _bits(values, place)) for place, matcher in enumerate(matchers)]
    if bits == absent:
        return "absent"
    found = _cover(bits, choices)
    if found:
        return _some(found)
    rest = _cover(everything & ~bits, [*choices, ("absent", absent)])
    if rest:
        return "absent or empty" if rest == ["*"] else f"any but {_some(rest)}"
    some = [(text, own) for text, own in choices if own & bits]
    union, outside = _union(some), _outside(bits, choices)
    if union & ~outside == bits:
        but = [text for text, own in choices if own & union and not own & bits]
        return f"{_some(_cover(union, some) or [])} but not {_some(but)}"
    shown = [str(value.witness) for number, value in enumerate(values) if bits >> number & 1 and value.witness is not None]
    return f"such as {_some(shown[:2] or ['absent'])}"


def _union(choices: Sequence[tuple[str, int]]) -> int:
    found = 0
    for _text, own in choices:
        found |= own
    return found


def _outside(bits: int, choices: Sequence[tuple[str, int]]) -> int:
    """All that matchers cover which have nothing in these bits."""
    return _union([choice for choice in choices if not choice[1] & bits])


def what_words(space: EnforcementSpace, box: Box) -> str:
    """Method, path and the rest of what is asked for; `every request` if nothing is told apart."""
    parts: list[str] = []
    order = sorted(
        range(len(space.names)), key=lambda index: (_FIRST.index(space.names[index]) if space.names[index] in _FIRST else 9, index)
    )
    for index in order:
        name = space.names[index]
        if name == CALLER or name.startswith(_AUTH):
            continue
        text = _dimension(space, index, box[index])
        label = _NAMES.get(name, name)
        if text and name == "methods" and text.startswith("any but"):
            text = f"{text} (methods)"
        if text and name == "paths" and text.startswith("any but"):
            text = f"every path{text.removeprefix('any')}"
        parts += [f"{label} {text}".strip()] if text else []
    return " ".join(parts) or "every request"


def token_words(space: EnforcementSpace, box: Box) -> str:
    """Which token is sent: empty if it makes no difference."""
    told = [index for index in space.claims if box[index] != space.everything[index]]
    if not told:
        return ""
    if space.is_bare(box):
        return BARE
    if any(box[index] & space.absent(index) for index in space.claims) and all(box[index] & space.absent(index) for index in space.claims):
        start = "without a token, or with one that has"
    else:
        start = "with a token that has"
    claims = [f"{_claim(space.names[index])} {_dimension(space, index, box[index])}" for index in told]
    return f"{start} {', '.join(claims)}"


def _claim(name: str) -> str:
    return name.removeprefix("request.auth.claims").strip("[]").replace("][", ".") if "claims[" in name else name


def merge(boxes: Iterable[Box]) -> list[Box]:
    """Fewer boxes for the same set: two that differ in one dimension only become one."""
    found = list(dict.fromkeys(boxes))
    again = True
    while again and len(found) > 1:
        again = False
        for place in range(len(found[0]) if found else 0):
            groups: dict[tuple[int, ...], int] = {}
            for box in found:
                key = (*box[:place], *box[place + 1 :])
                groups[key] = groups.get(key, 0) | box[place]
            if len(groups) < len(found):
                found = [(*key[:place], bits, *key[place:]) for key, bits in groups.items()]
                again = True
    return found


@dataclass(frozen=True)
class Who:
    """Callers: those of the source by name, and which others."""

    text: str
    places: tuple[str, ...]  # namespace/name of known workloads
    plain: bool  # callers without an identity are among them
    others: bool  # identities that no workload of the source has are among them


class Callers:
    """The known callers as bits, so that a thousand of them are one number."""

    def __init__(self, inventory: MeshInventory) -> None:
        self.places = [place for place in inventory.places if not place.assumed and not (place.workload.service)]
        found: dict[str, list[int]] = {}
        self.plain = 0
        for number, place in enumerate(self.places):
            identity = inventory.identity(place)
            if identity is None:
                self.plain |= 1 << number
            else:
                found.setdefault(identity, []).append(number)
        self.identities = {identity: sum(1 << number for number in numbers) for identity, numbers in found.items()}
        self.everybody = (1 << len(self.places)) - 1
        self._by_namespace: dict[str, int] = {}
        for identity, bits in self.identities.items():
            namespace = identity.split("/")[4]
            self._by_namespace[namespace] = self._by_namespace.get(namespace, 0) | bits
        self._memo: dict[Matcher, int] = {}

    def of(self, matcher: Matcher) -> int:
        """The callers whose identity a matcher takes."""
        if isinstance(matcher, Text) and matcher.form == "exact":
            return self.identities.get(matcher.value, 0)
        if matcher not in self._memo:
            self._memo[matcher] = sum(bits for identity, bits in self.identities.items() if matcher.matches(identity))
        return self._memo[matcher]

    def members(self, space: EnforcementSpace, box: Box) -> int:
        """The known callers of a box."""
        if space.caller is None:
            return self.everybody
        bits, values, matchers = box[space.caller], space.values[CALLER], space.matchers[CALLER]
        found = 0
        for number, value in enumerate(values):
            if bits >> number & 1:
                own = self.plain if value.witness is None else self.everybody & ~self.plain
                for matcher, matched in zip(matchers, value.matched, strict=True):
                    if value.witness is not None:
                        own &= self.of(matcher) if matched else ~self.of(matcher)
                found |= own
        return found

    def who(self, space: EnforcementSpace, box: Box) -> Who:
        """The callers of a box in words."""
        members = self.members(space, box)
        known = tuple(place.ref for number, place in enumerate(self.places) if members >> number & 1)
        if space.caller is None:
            return Who("anyone", known, True, True)
        bits, everything, absent = box[space.caller], space.everything[space.caller], space.absent(space.caller)
        if bits == everything:
            return Who("anyone", known, True, True)
        if bits == absent:
            return Who("callers without an identity", known, True, True)
        plain = bool(bits & absent)
        outside = self._strangers(space, bits & ~absent)
        if bits == everything & ~absent:
            return Who("any identity", known, False, True)
        parts = [names(known)] if known else []
        parts += [outside] if outside else []
        parts += ["callers without an identity"] if plain else []
        return Who(" and ".join(parts) or "nobody that is known", known, plain, bool(outside))

    def _strangers(self, space: EnforcementSpace, bits: int) -> str:
        """Identities of a box that no workload of the source has, as the policy writes them."""
        values, matchers = space.values[CALLER], space.matchers[CALLER]
        choices = [(word(matcher), _bits(values, place)) for place, matcher in enumerate(matchers)]
        empty = own = 0  # classes with strangers, and classes that are one known identity
        for number, value in enumerate(values):
            if value.witness is None:
                continue
            exact = any(
                matched and isinstance(matcher, Text) and matcher.form == "exact"
                for matcher, matched in zip(matchers, value.matched, strict=True)
            )
            single = tuple(1 << number if index == space.caller else every for index, every in enumerate(space.everything))
            if exact and self.members(space, single):
                own |= 1 << number
            elif bits >> number & 1:
                empty |= 1 << number
        if not empty:
            return ""
        nobody = sum(1 << number for number, value in enumerate(values) if value.witness is not None and not any(value.matched))
        masked = [(text, every & empty) for text, every in choices if not every & ~empty & ~own]
        found = _cover(empty & ~nobody, masked)
        parts = [f"any other identity{'' if found == ['*'] else f' matching {_some(found)}'}"] if found else []
        if empty & nobody:
            parts = ["any identity that is not named"]
        elif not found:
            parts = [f"identities such as {next(value.witness for number, value in enumerate(values) if empty >> number & 1)}"]
        return "".join(parts)


def names(refs: Iterable[str]) -> str:
    """namespace/{a,b}; a namespace with many is named with its number."""
    grouped: dict[str, list[str]] = {}
    for ref in refs:
        namespace, _slash, name = ref.partition("/")
        grouped.setdefault(namespace, []).append(name)
    if len(grouped) > _MOST + 1:
        every = counted(sum(map(len, grouped.values())), "workload")
        every = counted(sum(map(len, grouped.values())), "workload")
        return f"{every} in {counted(len(grouped), 'namespace')} ({', '.join(list(grouped)[:3])}, ...)"
    words = []
    for namespace, found in grouped.items():
        if len(found) == 1:
            words.append(f"{namespace}/{found[0]}")
        elif len(found) <= 8:
            words.append(f"{namespace}/{{{','.join(found)}}}")
        else:
            words.append(f"{namespace}/* ({counted(len(found), 'workload')})")
    return ", ".join(words)


def request_of(facts: Facts) -> Mapping[str, Any]:
    """A witness for people and machines: only what a policy asks about is set."""
    found: dict[str, Any] = {
        "caller": facts.peer_names[0].removeprefix("spiffe://") if facts.peer_names else None,
        "source_ip": str(facts.source_ip[0]) if facts.source_ip else None,
        "remote_ip": str(facts.remote_ip[0]) if facts.remote_ip and facts.remote_ip != facts.source_ip else None,
        "port": facts.port[0] if facts.port else None,
        "method": facts.method[0] if facts.method else None,
        "host": facts.host[0] if facts.host else None,
        "path": facts.path[0] if facts.path else None,
        "headers": {
            name: list(lines)
            for name, lines in (facts.headers or {}).items()
            if lines and name not in ("host", ":authority", ":method", ":path")
        },
        "claims": dict(facts.claims) if facts.claims else None,
    }
    return {name: value for name, value in found.items() if value not in (None, {}, "")}
