# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What one value of a policy matches: every form that Istio knows, and nothing else. An absent attribute is never asked about."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Always", "Matcher", "Pair", "Pattern", "Text", "fold", "header_matcher", "namespace_matcher", "path_matcher",
           "principal_pair", "service_account_matcher", "string_matcher", "trust_domain_matcher"]  # fmt: skip

_FOLD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_FORMS: dict[str, Callable[[Any, Any], bool]] = {
    "exact": operator.eq, "prefix": str.startswith, "suffix": str.endswith, "contains": operator.contains}  # fmt: skip
_SEGMENT = r"[a-zA-Z0-9\-._~%!$&'()+,;:@=*]"  # what Envoy's URI template lets a segment hold: no brackets
_TEMPLATE = re.compile(r"(\{\*\*?\})")


class Matcher(Protocol):
    """One value of a policy."""

    def matches(self, value: Any) -> bool: ...


def fold(value: str) -> str:
    """ASCII lower case, as Envoy folds."""
    return value.translate(_FOLD)


@dataclass(frozen=True, slots=True)
class Text:
    """A value compared as it is, by one of _FORMS."""

    form: str
    value: Any
    folded: bool = False

    def matches(self, value: Any) -> bool:
        return _FORMS[self.form](fold(value) if self.folded else value, self.value)


@dataclass(frozen=True, slots=True)
class Always:
    """Any value, the empty one included."""

    def matches(self, value: Any) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression over the whole value; a dot does not match a line break (RE2's default)."""

    expression: str
    compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", re.compile(self.expression))

    def matches(self, value: str) -> bool:
        return self.compiled.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two values, such as issuer and subject, both of which must match."""

    first: Matcher
    second: Matcher

    def matches(self, value: tuple[str, str]) -> bool:
        return self.first.matches(value[0]) and self.second.matches(value[1])


def string_matcher(value: str, before: str = "") -> Matcher:
    """Exact, `prefix*`, `*suffix` and `*`, which is any value that is not empty; `before` is put in front of all but `*`."""
    if value == "*":
        return Pattern(".+")
    if value.startswith("*"):
        return Pattern(f"{re.escape(before)}.*{re.escape(value[1:])}") if before else Text("suffix", value[1:])
    return Text("prefix", before + value[:-1]) if value.endswith("*") else Text("exact", before + value)


def header_matcher(value: str, folded: bool = False) -> Matcher:
    """As `string_matcher`, but `*` is a header that is there, were it empty."""
    text = fold(value) if folded else value
    if value == "*":
        return Always()
    if value.startswith("*"):
        return Text("suffix", text[1:], folded)
    return Text("prefix", text[:-1], folded) if value.endswith("*") else Text("exact", text, folded)


def path_matcher(value: str, templates: bool = True) -> Matcher:
    """A path: a string, or a template with {*} for one segment and {**} for any number of them."""
    if not templates or not _TEMPLATE.search(value):
        return string_matcher(value)
    globs = {"{*}": f"{_SEGMENT}+", "{**}": f"(?:{_SEGMENT}|/)*"}
    return Pattern("".join(globs.get(part, re.escape(part)) for part in _TEMPLATE.split(value)))


def namespace_matcher(value: str) -> Matcher:
    """`/ns/<value>/` anywhere in the identity; `*` may stand anywhere in the value."""
    if "*" not in value:
        return Text("contains", f"/ns/{value}/")
    return Pattern(".*/ns/" + ".*".join(re.escape(part) for part in value.split("*")) + "/.*")


def service_account_matcher(value: str, policy_namespace: str, quoted: bool) -> Matcher:
    """`sa` or `ns/sa` in any trust domain; unquoted, as older Istio did, a dot in the name matches any character."""
    namespace, account = value.split("/", 1) if "/" in value else (policy_namespace, value)
    names = [re.escape(name) if quoted else name for name in (namespace, account)]
    return Pattern("spiffe://.+/ns/{}/(.+/|)sa/{}(/.+)?".format(*names))


def trust_domain_matcher(value: str) -> Matcher:
    """The identity's first segment; `*` is any SPIFFE identity."""
    if "*" not in value:
        return Text("prefix", f"spiffe://{value}/")
    head, _star, tail = value.partition("*")
    return Pattern(f"spiffe://{re.escape(head)}[^/]*{re.escape(tail)}/.*") if head or tail else Text("prefix", "spiffe://")


def principal_pair(value: str) -> Matcher:
    """A request principal, `<issuer>/<subject>` split at the last slash; both must be there."""
    issuer, slash, subject = value.rpartition("/")
    if value.startswith("*"):
        return Pair(string_matcher(issuer), Text("exact", subject)) if slash else Pair(Pattern(".+"), string_matcher(value))
    if not value.endswith("*"):
        return Pair(Text("exact", issuer), Text("exact", subject)) if slash else Pair(Text("exact", value), Text("exact", ""))
    if not slash:
        return Pair(Text("prefix", value[:-1]), Pattern(".+"))
    return Pair(Text("exact", issuer), Pattern(".+") if subject == "*" else Text("prefix", subject[:-1]))
