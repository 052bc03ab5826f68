# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Where in an object a person may put a secret, for what people see of it: differences, messages, arguments of a module."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["has_private_key", "holds_secret", "is_secret", "masked", "names_a_secret", "secrets_in", "without_secrets"]

_PRIVATE_KEY = "PRIVATE KEY"
# A private JSON Web Key has its private number (or a symmetric one its value); a URL may have a password.
_PRIVATE_JWK = re.compile(r"""["']?(d|k)["']?\s*:\s*["'][A-Za-z0-9_-]{16,}["']""")
_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
_LOGIN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_BEARER = re.compile(r"\b(bearer|basic)\s+(?=\S*[0-9])\S{6,}", re.IGNORECASE)
_FORMS = (_LOGIN_URL, _BEARER, _PRIVATE_JWK, _TOKEN)
_WORDS = re.compile(
    r"passw(or)?d|passphrase|secret|token|api[-_.]?key|access[-_.]?key|private[-_.]?key|credential|authorization$|cookie|^jwks$|^pass$|^pwd$",
    re.IGNORECASE,
)
# Fields with such a word that name something instead of being it.
_REFERENCES = re.compile(
    r"(name|names|ref|refs|uri|url|urls|path|file|namespace|type|key|seconds|expiration|policy|header|headers|prefix|location|provider|mode)$",
    re.IGNORECASE,
)
# `db.password=hunter2`, `token: "abc"` in a file that an object carries.
_ASSIGNED = re.compile(r"""(?P<key>["']?[\w.-]+["']?)(?P<sign>[^\S\n]*(?:=>|[:=])[^\S\n]*)(?P<value>"[^"\n]+"|'[^'\n]+'|[^\s,;}{\["']+)""")
_KEYS = re.compile(r"(api|access|private)[-_.]?key$", re.IGNORECASE)
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
    if len(value) < 32 or len(value) % 4 or " " in value[:64]:
        return ""
    try:
        return base64.b64decode(value, validate=True).decode("utf-8")
    except ValueError:
        return ""


def holds_secret(obj: Mapping[str, Any]) -> bool:
    """Does a file with this object have to be its owner's only?"""
    return obj.get("kind") == "Secret" or any(has_private_key(text) for text in _texts(obj))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
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

    def node(self, value: Any, other: Any, key: str = "") -> Any:
        if isinstance(value, Mapping):
            if value.get("kind") == "Secret" and isinstance(value.get("metadata"), Mapping):
                return self.store(value, other)
            if _is_header(value):
                return {**value, "value": self.every(value["value"], _at(other, "value"))}
            return {name: self.field(name, item, _at(other, name)) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.node(item, _item(other, number, item), key) for number, item in enumerate(value)]
        return self.text(value, other, key) if isinstance(value, str) else value

    def text(self, value: str, other: Any, key: str) -> str:
        if (key and names_a_secret(key) and value not in _PLAIN) or is_secret(value):
            return value if value.startswith("***") else self.star(value, other)
        if "\n" not in value and not _WORDS.search(value):
            return value
        return _ASSIGNED.sub(lambda found: self.assigned(found, other), value)

    def assigned(self, found: re.Match[str], other: Any) -> str:
        """A line of a file that an object carries."""
        if not names_a_secret(found["key"].strip("\"'")) or found["value"] in _PLAIN:
            return found[0]
        same = isinstance(other, str) and found[0] in other
        return f"{found['key']}{found['sign']}{self.star(found['value'], found['value'] if same else None)}"

    def field(self, name: Any, value: Any, other: Any) -> Any:
        key = str(name)
        if key == "env" and isinstance(value, (list, tuple)):
            return [
                {**item, "value": self.every(item["value"], _at(_item(other, number, item), "value"))}
                if isinstance(item, Mapping) and "value" in item
                else item
                for number, item in enumerate(value)
            ]
        if key == "env" and isinstance(value, Mapping):
            return {
                item: self.every(text, _at(other, item)) if not isinstance(text, Mapping) else self.node(text, _at(other, item))
                for item, text in value.items()
            }
        if key in _ARGUMENTS and isinstance(value, (list, tuple)):
            return self.every(value, other)
        return self.node(value, other, key)

    def store(self, obj: Mapping[str, Any], other: Any) -> dict[str, Any]:
        """A Secret: the names of its items, and what its owners and we say of it."""
        shown = dict(obj)
        for field in ("data", "stringData"):
            if isinstance(obj.get(field), Mapping):
                shown[field] = {key: self.star(value, _at(_at(other, field), key)) for key, value in obj[field].items()}
        meta = dict(obj["metadata"])
        for field in ("labels", "annotations"):
            if isinstance(meta.get(field), Mapping):
                before = _at(_at(other, "metadata"), field)
                meta[field] = {key: value if _known(str(key)) else self.star(value, _at(before, key)) for key, value in meta[field].items()}
        return {**shown, "metadata": meta}


def _known(key: str) -> bool:
    owner = key.partition("/")[0] + "/"
    return any(owner == prefix or owner.endswith("." + prefix) for prefix in _OURS)


def _is_header(value: Mapping[str, Any]) -> bool:
    """{name: Authorization, value: ...}, as environment variables, headers and parameters are written."""
    name = value.get("name") or value.get("key")
    return isinstance(name, str) and isinstance(value.get("value"), str) and names_a_secret(name)


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
