# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Where in an object a person may put a secret, for what people see of it: differences, messages, arguments of a module."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = [
    "has_private_key", "holds_secret", "is_secret", "masked", "names_a_secret", "secrets_in", "without_login",
    "without_secrets", "without_values",
]  # fmt: skip

_PRIVATE_KEY = "PRIVATE KEY"
# A private JSON Web Key has its private number (or a symmetric one its value); a URL may have a password.
_PRIVATE_JWK = re.compile(r"""["']?(d|k)["']?\s*:\s*["'][A-Za-z0-9_-]{16,}["']""")
_TOKEN = re.compile(
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|\bsha256~[A-Za-z0-9_-]{20,}|\b(gh[oprsu]_|glpat-|hvs\.|xox[abprs]-)[A-Za-z0-9_-]{16,}|\bAGE-SECRET-KEY-1"
)
# A password may have a slash, a port has not; a long name of a user is a token.
_LOGIN_URL = re.compile(r"://([^/\s:@]*:[^/\s@]+|[^/\s:@]+:(?!\d+[/?#])[^\s@\"']+|[^/\s:@]{16,})@")
_BEARER = re.compile(r"\b(bearer|basic)\s+(?=\S*[0-9])\S{6,}", re.IGNORECASE)
_FORMS = (_LOGIN_URL, _BEARER, _PRIVATE_JWK, _TOKEN)
_WORDS = re.compile(
    r"passw(or)?d|passphrase|secret|token|(api|access|private|encryption|signing|master)[-_.]?key|^tls[-_.]key$|credential|docker(config|cfg)"
    r"|authorization$|^auth$|cookie|^jwks$|^pass$|^pwd$|^pw$",
    re.IGNORECASE,
)
# Fields with such a word that name something instead of being it.
_REFERENCES = re.compile(
    r"(name|names|ref|refs|uri|url|urls|path|file|namespace|type|key|seconds|expiration|policy|header|headers|prefix|location|provider|mode)$",
    re.IGNORECASE,
)
# `db.password=hunter2`, `token: "abc"` in a file that an object carries: a text in quotes, a list, the rest of a line.
_ASSIGNED = re.compile(
    r"""(?P<key>["']?[\w.-]+["']?)(?P<sign>[^\S\n]*(?:=>|[:=])[^\S\n]*)"""
    r"""(?P<value>"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\[[^\]\n]*\]|[^\s,;}{\["'|>][^,;}{\n]*|[|>][^\n]*|$)""",
    re.MULTILINE,
)
# The same where a text has no sign between the two: an option, a tag, what a password is in SQL and in .netrc.
_NAMED = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        r"""(?P<before>(?<![\w-])--?(?P<key>[a-z][\w.-]*)[ \t]+)(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s"'-]\S*)""",
        r"""(?P<before><(?P<key>[a-z][\w.:-]*)(?:\s[^<>]*)?>)(?P<value>[^<>\s][^<>]*)(?=</)""",
        r"""(?P<before>\bidentified\s+by\s+)(?P<key>)(?P<value>"[^"\n]*"|'[^'\n]*')""",
        r"""(?P<before>\b(?P<key>password|passwd|passphrase)[ \t]+)(?P<value>(?=[^\s:=]*\d)[^\s:=]\S*)""",
    )
)
_LOGIN_WORDS = re.compile(r"identified\s+by|(?<![\w-])(-u|--user)\b", re.IGNORECASE)
_LOGIN_OPTION = re.compile(r"((?<![\w-])(?:-u|--user)[ =]+[\"']?[^\s:\"']+:)([^\s\"']+)")
_KEYS = re.compile(r"(api|access|private|secret|encryption|signing|master|tls)[-_.]?key$", re.IGNORECASE)
# A map under such a name is full of secrets; the others are names of kinds of settings (httpCookie has a path and a time to live).
_FULL = re.compile(r"passw(or)?d|passphrase|secret|credential", re.IGNORECASE)
_MANIFEST = re.compile(r"^\s*(-\s+)?[\"']?kind[\"']?:\s*[\"']?(Secret|SecretList)[\"']?\s*$", re.MULTILINE)
_NUMBERS_OF_A_KEY = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_LARGE = 1024 * 1024  # a longer text is not read as JSON
# `password: |`, with its text in the lines below
_OPENED = re.compile(r"""(?P<before>\s*(?:-\s+)?)["']?(?P<key>[\w.-]+)["']?\s*:\s*(?:[|>][-+0-9]*)?\s*$""")
_NAMING = frozenset({"apiVersion", "kind", "metadata", "type", "immutable"})
_PLAIN = frozenset({"", "true", "false", "True", "False"})
_ARGUMENTS = frozenset({"args", "command"})
_WORD = re.compile(r"[^\s\"'=:,;@{}()\[\]]+")
_LONG = 6  # a shorter text is part of too many words to be taken out of a message
# Of Secrets: what their owners and we say of them.
_OURS = ("app.kubernetes.io/", "mesh.meshops.io/", "argocd.argoproj.io/", "kubernetes.io/", "cert-manager.io/")


def has_private_key(value: Any) -> bool:
    """Is there a private key in this text, in clear or as Secrets have it?"""
    if not isinstance(value, str):
        return False
    return _PRIVATE_KEY in value or _PRIVATE_KEY in _decoded(value)


def _decoded(value: str) -> str:
    if len(value) < 32 or " " in value[:64]:
        return ""
    value = "".join(value.split())  # as base64 without -w0 writes it
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode("latin-1")
    except ValueError:
        return ""


def holds_secret(obj: Mapping[str, Any]) -> bool:
    """Does a file with this object have to be its owner's only?"""
    return obj.get("kind") == "Secret" or any(has_private_key(text) for text in _texts(obj))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def names_a_secret(key: str) -> bool:
    """Is a text under this name a secret by its name?"""
    return bool(_WORDS.search(key)) and (not _REFERENCES.search(key) or bool(_KEYS.search(key)))


def is_secret(value: str) -> bool:
    """Is this text a secret by what it is?"""
    return has_private_key(value) or any(form.search(value) for form in _FORMS)


class _Masker:
    """Goes through two sides of one object at once, so that it can be said which values differ."""

    def __init__(self, side: str) -> None:
        self.side = side

    def star(self, value: Any, other: Any) -> str:
        return "***" if value == other or not self.side else f"*** ({self.side})"

    def every(self, value: Any, other: Any) -> Any:
        """All values below, masked; the keys stay."""
        if isinstance(value, Mapping):
            return {key: self.every(item, _at(other, key)) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.every(item, _item(other, number, item)) for number, item in enumerate(value)]
        return value if value is None or isinstance(value, bool) or str(value) in _PLAIN else self.star(value, other)

    def below(self, value: Any, other: Any, key: str = "") -> Any:
        """All values below a name of secrets, but for what only names something."""
        if isinstance(value, Mapping):
            return {name: self.below(item, _at(other, name), str(name)) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.below(item, _item(other, number, item), key) for number, item in enumerate(value)]
        if key and _REFERENCES.search(key) and not names_a_secret(key):
            return self.node(value, other, key)
        return self.every(value, other)

    def node(self, value: Any, other: Any, key: str = "") -> Any:
        if isinstance(value, Mapping):
            if value.get("kind") == "Secret":
                return self.store(value, other)
            if value.get("kind") == "SecretList" and isinstance(value.get("items"), (list, tuple)):
                rows = [
                    self.store(item, _item(_at(other, "items"), number, item)) if isinstance(item, Mapping) else self.every(item, None)
                    for number, item in enumerate(value["items"])
                ]
                return {**value, "items": rows}
            if _is_header(value):
                return {**value, "value": self.every(value["value"], _at(other, "value"))}
            return self.fields(value, other)
        if isinstance(value, (list, tuple)):
            return [self.node(item, _item(other, number, item), key) for number, item in enumerate(value)]
        if isinstance(value, str):
            return self.text(value, other, key)
        return self.every(value, other) if key and isinstance(value, (int, float)) and names_a_secret(key) else value

    def fields(self, value: Mapping[Any, Any], other: Any) -> dict[Any, Any]:
        """Each field; a JSON Web Key's private numbers, and a private key that is a name, are none to see."""
        hidden = _NUMBERS_OF_A_KEY if value.get("kty") is not None else frozenset()
        found: dict[Any, Any] = {}
        for name, item in value.items():
            beside = _at(other, name)
            key = self.star(name, None if beside is None else name) if has_private_key(name) else name
            found[key] = self.every(item, beside) if name in hidden else self.field(name, item, beside)
        return found

    def text(self, value: str, other: Any, key: str) -> str:
        if (key and names_a_secret(key) and value not in _PLAIN) or is_secret(value) or _MANIFEST.search(value):
            return value if value.startswith("***") else self.star(value, other)
        found = _document(value)
        if found is not None:
            before = _document(other) if isinstance(other, str) else None
            hidden = self.node(found, before)
            # the object as somebody applied it, a file in JSON: what it says, without its layout
            return value if hidden == found else json.dumps(hidden)
        if "\n" not in value and not _WORDS.search(value) and not _LOGIN_WORDS.search(value):
            return value
        return self.lines(value, other)

    def lines(self, text: str, other: Any) -> str:
        """A file that an object carries, line by line: also what is below a name in YAML."""
        for form in _NAMED:
            text = form.sub(lambda found: self.named(found, other), text)
        text = _LOGIN_OPTION.sub(lambda found: found[1] + self.star(found[2], found[2] if self.same(found, other) else None), text)
        rows: list[str] = []
        depth = -1  # of the name whose lines are hidden
        for line in text.split("\n"):
            indent = len(line) - len(line.lstrip(" "))
            if depth >= 0 and line.strip():
                if indent > depth or (indent == depth and line.lstrip().startswith("- ")):
                    same = isinstance(other, str) and line in other
                    rows.append(f"{line[:indent]}{self.star(line, line if same else None)}")
                    continue
                depth = -1
            rows.append(_ASSIGNED.sub(lambda found: self.assigned(found, other), line))
            opened = _OPENED.match(line)
            if opened and names_a_secret(opened["key"]):
                depth = len(opened["before"])
        return "\n".join(rows)

    @staticmethod
    def same(found: re.Match[str], other: Any) -> bool:
        return isinstance(other, str) and found[0] in other

    def named(self, found: re.Match[str], other: Any) -> str:
        if (found["key"] and not names_a_secret(found["key"])) or found["value"].startswith("***"):
            return found[0]
        return f"{found['before']}{self.star(found['value'], found['value'] if self.same(found, other) else None)}"

    def assigned(self, found: re.Match[str], other: Any) -> str:
        """A line of a file that an object carries."""
        value = found["value"].strip()
        if not names_a_secret(found["key"].strip("\"'")) or value.strip("\"'") in _PLAIN or value.startswith("***") or value[0] in "|>":
            return found[0]
        return f"{found['key']}{found['sign']}{self.star(value, value if self.same(found, other) else None)}"

    def variable(self, item: Any, other: Any) -> Any:
        """An item of `env`, in each form that charts and operators have."""
        if isinstance(item, Mapping):
            return {
                name: self.every(text, _at(other, name)) if name == "value" else self.node(text, _at(other, name), str(name))
                for name, text in item.items()
            }
        return self.every(item, other)

    def field(self, name: Any, value: Any, other: Any) -> Any:
        key = str(name)
        if key == "env" and isinstance(value, (list, tuple)):
            return [self.variable(item, _item(other, number, item)) for number, item in enumerate(value)]
        if key == "env" and isinstance(value, Mapping):
            return {item: self.variable(text, _at(other, item)) for item, text in value.items()}
        if key == "env" and isinstance(value, str) and "=" in value:
            return self.every(value, other)
        if key in _ARGUMENTS or key == "stringData":
            return self.every(value, other)
        if key == "template" and isinstance(value, Mapping) and isinstance(value.get("data"), Mapping):
            # of a Secret that an operator makes
            return self.node({**value, "data": self.every(value["data"], _at(other, "data"))}, other, key)
        if isinstance(value, Mapping) and _FULL.search(key) and names_a_secret(key):
            return self.below(value, other)
        return self.node(value, other, key)

    def store(self, obj: Mapping[str, Any], other: Any) -> dict[str, Any]:
        """A Secret: the names of its items, and what its owners and we say of it."""
        shown = {field: value if field in _NAMING else self.node(value, _at(other, field), str(field)) for field, value in obj.items()}
        for field in ("data", "stringData"):
            if isinstance(obj.get(field), Mapping):
                shown[field] = {key: self.star(value, _at(_at(other, field), key)) for key, value in obj[field].items()}
            elif obj.get(field) is not None:  # of a wrong type, which the API server refuses
                shown[field] = self.star(obj[field], _at(other, field))
        if not isinstance(obj.get("metadata"), Mapping):
            return shown
        meta = dict(obj["metadata"])
        for field in ("labels", "annotations"):
            if isinstance(meta.get(field), Mapping):
                before = _at(_at(other, "metadata"), field)
                meta[field] = {key: value if _known(str(key)) else self.star(value, _at(before, key)) for key, value in meta[field].items()}
        return {**shown, "metadata": meta}


def _known(key: str) -> bool:
    if key.endswith("last-applied-configuration"):
        return False  # the whole Secret once more
    owner = key.partition("/")[0] + "/"
    return any(owner == prefix or owner.endswith("." + prefix) for prefix in _OURS)


def _is_header(value: Mapping[str, Any]) -> bool:
    """{name: Authorization, value: ...}, as environment variables, headers and parameters are written."""
    name = value.get("name") or value.get("key")
    return isinstance(name, str) and isinstance(value.get("value"), str) and names_a_secret(name)


def _document(text: str) -> Any:
    """What a text is as JSON, where it is an object or a list."""
    if text.lstrip()[:1] not in ("{", "[") or len(text) > _LARGE:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, (dict, list)) else None


def _at(value: Any, key: Any) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _item(value: Any, number: int, like: Any) -> Any:
    """The same item of another list: by name where items have one, else by its place."""
    if not isinstance(value, (list, tuple)):
        return None
    if isinstance(like, Mapping) and "name" in like:
        return next((item for item in value if isinstance(item, Mapping) and item.get("name") == like["name"]), None)
    return value[number] if number < len(value) else None


def masked(obj: Mapping[str, Any], side: str = "", other: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The object as people may see it. side: what is written where a value differs from that of the other object."""
    return dict(_Masker(side).node(obj, other))


# texts that came from elsewhere


def secrets_in(objects: Iterable[Any]) -> set[str]:
    """Every value of the objects that `masked` hides, as it is written and opened, for taking it out of a message."""
    found: set[str] = set()
    for obj in objects:
        if isinstance(obj, Mapping):
            _differences(obj, _Masker("").node(obj, None), found)
        elif isinstance(obj, str):
            found.add(obj)
    return {text for text in found if len(text) >= _LONG}


def _differences(value: Any, shown: Any, found: set[str]) -> None:
    if isinstance(value, Mapping) and isinstance(shown, Mapping):
        for key, item in value.items():
            if key not in shown:  # a key by itself
                found.add(str(key))
            _differences(item, shown.get(key), found)
    elif isinstance(value, (list, tuple)) and isinstance(shown, list):
        for item, beside in zip(value, shown, strict=False):
            _differences(item, beside, found)
    elif value != shown:
        for text in (str(value), _decoded_any(str(value))):
            found.add(text)
            found.update(word for word in _WORD.findall(text) if len(word) > _LONG and word not in str(shown))


def _decoded_any(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode("utf-8")
    except ValueError:
        return ""


_INVALID = re.compile(r"Invalid value: (?=(?:&|\*|map\b|\[\]|[\w.]+\{|[{\[]))")
_PAIRS = {"{": "}", "[": "]", "(": ")"}


def without_values(text: str) -> str:
    """A refusal of an API server without the whole objects that it quotes: a Job's template has variables that others have set."""
    done, rest = "", text
    while found := _INVALID.search(rest):
        done, rest = f"{done}{rest[: found.end()]}(not shown)", rest[found.end() + _end_of_value(rest[found.end() :]) :]
    return done + rest


def _end_of_value(text: str) -> int:
    """Where the first value of a text ends, as Go and JSON write it: brackets within quotes do not count. All of it where none closes."""
    wanted: list[str] = []
    quote, skip = "", False
    for place, char in enumerate(text):
        if skip:
            skip = False
        elif quote:
            skip, quote = char == "\\" and quote != "`", "" if char == quote else quote
        elif char in '"`':
            quote = char
        elif char in _PAIRS:
            wanted.append(_PAIRS[char])
        elif wanted and char == wanted[-1]:
            wanted.pop()
            if not wanted and text[place + 1 : place + 2] not in ("*", "&", "{", "[") and not text[place + 1 : place + 2].isalnum():
                return place + 1
    return len(text)


def without_login(address: str) -> str:
    """An address as people may see it: who logs in, and by what, is not in it."""
    return re.sub(r"://[^\s@]*@", "://***@", address)


def without_secrets(text: str, objects: Iterable[Any]) -> str:
    """A message, for example of an API server, without what it quotes of the objects."""
    names = {
        str(meta.get(field)) for obj in objects if isinstance(obj, Mapping) and isinstance(meta := obj.get("metadata"), Mapping)
        for field in ("name", "namespace")
    }  # fmt: skip
    for secret in sorted(secrets_in(objects), key=len, reverse=True):
        if secret in text and not any(secret in name for name in names):
            text = text.replace(secret, "********")
    return text
