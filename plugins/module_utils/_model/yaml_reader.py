# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""YAML and JSON as Kubernetes' own tools read them, within bounds: what kubectl takes for a text is a text here.

The rules are those of sigs.k8s.io/yaml, which kubectl and every API client in Go use; a table of its answers is in the tests. PyYAML alone
makes dates of 2001-01-01 and numbers of 1:30, and refuses `=` and [001:db8::].
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from .._errors import ConfigError

try:
    import yaml
    from yaml import YAMLError
    from yaml.constructor import ConstructorError

    try:
        from yaml import CSafeLoader as _Base
    except ImportError:  # slower, otherwise the same
        from yaml import SafeLoader as _Base  # type: ignore[assignment]
    HAS_YAML = True
except ImportError:
    HAS_YAML = False

    class YAMLError(ValueError):  # type: ignore[no-redef]
        """Never raised."""

    class _Base:  # type: ignore[no-redef]
        """Never used."""


__all__ = ["HAS_YAML", "MAX_DEPTH", "MAX_NODES", "Lines", "YAMLError", "documents", "parse_json"]

MAX_DEPTH = 100  # a CustomResourceDefinition has about 40
_TOO_DEEP = f"it is nested deeper than {MAX_DEPTH} levels, the most that is read"
MAX_NODES = 2_000_000  # of one document, with its aliases written out
_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"))
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_INT = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_STEP = re.compile(r"^[ ?:-]+", re.MULTILINE)
_START = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_STR, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
_PLAIN = "tag:meshops.mesh,2026:plain"  # a scalar without quotes and tag
_MEND_MOST = 2000

Made = TypeVar("Made")


def _number(text: str) -> int | float | None:
    """What Go makes of it; None where it is a text."""
    plain = text.replace("_", "")
    found = _INT.fullmatch(plain)
    if found:
        sign, digits = found.groups()
        base = {"x": 16, "b": 2, "o": 8}.get(digits[1:2].lower(), 8 if digits[0] == "0" else 10)
        value = int(digits[2:] if digits[1:2].isalpha() else digits, base) if len(digits) < 400 else 10**400
        value = -value if sign == "-" else value
        if -(2**63) <= value < 2**64:
            return value
    if not _FLOAT.fullmatch(plain):
        return None
    number = float(plain)
    if math.isinf(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 1e21 else number  # JSON has no 1.0


def _float(text: str) -> int | float:
    """A number of JSON with a point or an exponent."""
    number = _number(text)
    return float(text) if number is None else number


def _scalar(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text[0] in "+-.0123456789":
        number = _number(text)
        if number is not None:
            return number
    return text


def _key(key: Any) -> str:
    """Keys of JSON are texts."""
    if isinstance(key, bool):
        return "true" if key else "false"
    return key if isinstance(key, str) else str(key)


class _Loader(_Base):  # type: ignore[misc, valid-type]
    """PyYAML's safe loader with Go's idea of what a scalar is."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """The tag of a node that has none."""
        if kind is yaml.ScalarNode:
            return (_MERGE if value == "<<" else _PLAIN) if implicit[0] else _STR
        return super().resolve(kind, value, implicit)  # type: ignore[no-any-return]

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Keys as texts; of two equal ones the last counts, as for kubectl."""
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                found.update(self._merged(value_node))
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConstructorError(None, None, "a key must be a text, found a list or a map", key_node.start_mark)
            key = self.construct_object(key_node, deep=True)
            if key is None:
                raise ConstructorError(None, None, "a key must be a text, found null", key_node.start_mark)
            found[_key(key)] = self.construct_object(value_node, deep=deep)
        return found

    def _merged(self, node: Any) -> dict[str, Any]:
        """What `<<` brings; of several maps the first has the last word."""
        rows = node.value[::-1] if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, Any] = {}
        for row in rows:
            if not isinstance(row, yaml.MappingNode):
                raise ConstructorError(None, None, "<< wants a map or a list of maps", node.start_mark)
            known = self.__dict__.setdefault("merged", {})  # lists of aliases of lists of aliases would be made again and again
            if id(row) not in known:
                known[id(row)] = self.construct_mapping(row, deep=True)
            found.update(known[id(row)])
        return found


def _plain(_loader: Any, node: Any) -> Any:
    return _scalar(node.value)


def _text(_loader: Any, node: Any) -> Any:
    return node.value


def _binary(_loader: Any, node: Any) -> str:
    return base64.b64decode(node.value).decode(errors="replace")


def _typed(wanted: tuple[type, ...]) -> Any:
    def construct(_loader: Any, node: Any) -> Any:
        value = _scalar(node.value)
        if not isinstance(value, wanted):
            raise ConstructorError(None, None, f"{node.value!r} is not what {node.tag} says", node.start_mark)
        return value

    return construct


def _any(loader: Any, _suffix: str, node: Any) -> Iterator[Any]:
    """A tag that Go does not know either: what is below it counts."""
    if isinstance(node, yaml.ScalarNode):
        yield node.value
    elif isinstance(node, yaml.SequenceNode):
        rows: list[Any] = []
        yield rows
        rows.extend(loader.construct_sequence(node))
    else:
        found: dict[str, Any] = {}
        yield found
        found.update(loader.construct_mapping(node))


if HAS_YAML:
    _Loader.yaml_constructors = dict(_Loader.yaml_constructors)
    for _name in ("timestamp", "value", "set", "omap", "pairs"):
        _Loader.yaml_constructors.pop(f"tag:yaml.org,2002:{_name}", None)
    _Loader.yaml_constructors.pop(None, None)
    for _name, _types in (("bool", (bool,)), ("int", (int,)), ("float", (int, float)), ("null", (type(None),))):
        _Loader.add_constructor(f"tag:yaml.org,2002:{_name}", _typed(_types))
    _Loader.add_constructor("tag:yaml.org,2002:binary", _binary)
    _Loader.add_constructor(_PLAIN, _plain)
    _Loader.add_constructor(_MERGE, _text)
    _Loader.add_multi_constructor("", _any)


def _check_depth(text: str) -> None:
    """Before a tree is made of it: libyaml's C code goes as deep as the text does, and ends the whole process at its stack's end."""
    if text.count("[") + text.count("{") > MAX_DEPTH or max((len(match.group()) for match in _STEP.finditer(text)), default=0) > MAX_DEPTH:
        depth = 0
        for event in yaml.parse(text, Loader=_Base):  # one after the other, without a stack
            if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise ConfigError(_TOO_DEEP)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                depth -= 1


def check_size(value: Any) -> None:
    """Depth and number of nodes, each alias counted as often as it is used: a bomb of nine lines would be billions of them."""
    sizes: dict[int, int] = {}

    def size(node: Any, depth: int) -> int:
        if not isinstance(node, dict | list):
            return 1
        if depth > MAX_DEPTH:
            raise ConfigError(_TOO_DEEP)
        known = sizes.get(id(node))
        if known is None:
            sizes[id(node)] = MAX_NODES + 1  # met again below itself, it has no end
            children = node.values() if isinstance(node, dict) else node
            known = sizes[id(node)] = 1 + sum(size(child, depth + 1) for child in children)
        if known > MAX_NODES:
            raise ConfigError(f"its aliases stand for more than {MAX_NODES} values, or for themselves")
        return known

    size(value, 1)


def parse_json(text: str) -> Iterator[tuple[int, Any]]:
    """Each value, with its line, of a text with one or more JSON values, as kubectl reads them. A ValueError where it is none."""
    decoder = json.JSONDecoder(parse_float=_float)
    position, line = 0, 1
    while True:
        begin = position
        while position < len(text) and text[position] in " \t\r\n":
            position += 1
        if position == len(text):
            return
        line, begin = line + text.count("\n", begin, position), position
        try:
            value, position = decoder.raw_decode(text, position)
        except RecursionError:
            raise ConfigError(_TOO_DEEP) from None
        yield line, value
        line += text.count("\n", begin, position)


def documents(text: str) -> Iterator[tuple[int, Any]]:
    """Each document with the line where it begins, or in its place the exception that says why it cannot be read; the others are read
    all the same."""
    if text.lstrip()[:1] == "{":
        try:
            found = list(parse_json(text))
        except ValueError:  # YAML may begin so too
            pass
        except ConfigError as exc:
            yield 1, exc
            return
        else:
            yield from ((line, _bounded(value)) for line, value in found)
            return
    for line, chunk in _chunks(text):
        first = line + _lead(chunk) + 1
        yield from ((first, value) for value in _parsed(chunk, line))


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """The documents of a text, each with the number of lines before it."""
    starts = [0, *(match.start() for match in _START.finditer(text)), len(text)]
    if len(starts) > 2 and _only_directives(text[: starts[1]]):
        del starts[1]
    line = 0
    for begin, end in pairwise(starts):
        if text[begin:end].strip():
            yield line, text[begin:end]
        line += text.count("\n", begin, end)


def _lead(chunk: str) -> int:
    """How many lines of a document come before its first key: marks, directives, comments and empty ones."""
    for count, row in enumerate(chunk.split("\n")):
        word = row.removeprefix("---").strip()
        if word and word[0] not in "#%":
            return count
    return 0


def _only_directives(head: str) -> bool:
    """Whether what stands before the first document is about it."""
    return head.lstrip().startswith("%") and all(line.lstrip()[:1] in ("", "#", "%") for line in head.splitlines())


def _bounded(value: Any) -> Any:
    try:
        check_size(value)
    except (ConfigError, RecursionError) as exc:
        return exc
    return value


def _parsed(chunk: str, line: int) -> list[Any]:
    try:
        _check_depth(chunk)
        found = _load(chunk)
    except (ConfigError, ValueError, YAMLError) as exc:
        return [_told(exc, line)]
    except RecursionError:
        return [ConfigError(_TOO_DEEP)]
    return [_bounded(value) for value in found]


def _told(exc: Exception, line: int) -> Exception:
    """The reason in one line, with the line of the file."""
    mark = getattr(exc, "problem_mark", None)
    if mark is None:
        return exc if isinstance(exc, ConfigError) else ConfigError(" ".join(str(exc).split()))
    return ConfigError(f"line {line + mark.line + 1}: {getattr(exc, 'problem', None) or 'it is no YAML'}")


def _load(chunk: str) -> list[Any]:
    return _mending(chunk, lambda text: list(yaml.load_all(text, Loader=_Loader)))


def _mending(chunk: str, read: Callable[[str], Made]) -> Made:
    for _attempt in range(_MEND_MOST):
        try:
            return read(chunk)
        except yaml.scanner.ScannerError as exc:
            mended = _mended(chunk, exc)
            if mended is None:
                raise
            chunk = mended
    raise ConfigError(f"more than {_MEND_MOST} texts end with a colon and have no quotes; quote them")


def _mended(chunk: str, exc: Any) -> str | None:
    """libyaml refuses a colon before a comma or bracket, as in [001:db8::]; in Go it belongs to the text. So the text gets quotes."""
    if exc.problem != "found unexpected ':'" or exc.context_mark is None:
        return None
    begin, colon = exc.context_mark.index, exc.problem_mark.index
    if chunk[colon : colon + 1] != ":":
        return None
    rest = re.compile(r"(?:[^\s,?\[\]{}:]|:(?!\s|\Z))*").match(chunk, colon + 1)
    end = rest.end() if rest else colon + 1
    word = chunk[begin:end]
    return None if "\n" in word else f"{chunk[:begin]}'{word.replace(chr(39), chr(39) * 2)}'{chunk[end:]}"


class Lines:
    """Where in a text what `documents` read of it stands; asked of the few files that something is said about."""

    def __init__(self, text: str) -> None:
        self._documents = {before + _lead(chunk) + 1: (before, chunk) for before, chunk in _chunks(text)}
        self._nodes: dict[int, Any] = {}

    def line(self, document: int, path: Sequence[str | int]) -> int | None:
        """The line of a field, or of an entry of a list, in the document that begins at this line; None where there is no such field."""
        return self._found(document, path)[1]

    def value(self, document: int, path: Sequence[str | int], words: Sequence[str]) -> int | None:
        """The line of the first of these words that is a value somewhere below a field."""
        node, _line, before = self._found(document, path)
        lines: dict[str, int] = {}
        todo = [] if node is None else [node]
        while todo:
            one = todo.pop()
            if isinstance(one, yaml.ScalarNode):
                lines.setdefault(one.value, before + one.start_mark.line + 1)
            elif isinstance(one, yaml.SequenceNode):
                todo += reversed(one.value)
            else:
                todo += [value for _key, value in reversed(one.value)]
        return next((lines[word] for word in words if word in lines), None)

    def _found(self, document: int, path: Sequence[str | int]) -> tuple[Any, int | None, int]:
        """What is there, its line, and how many lines come before its document."""
        before, chunk = self._documents.get(document, (0, ""))
        if document not in self._nodes:
            self._nodes[document] = _composed(chunk)
        node, line = self._nodes[document], None
        for step in path:
            node, line = _below(node, step)
            if line is None:
                return None, None, before
        return node, None if line is None else before + line, before


def _composed(chunk: str) -> Any:
    """The nodes of a document; None where it cannot be read, and the line of the document is all that can be said."""
    try:
        _check_depth(chunk)
        return _mending(chunk, lambda text: yaml.compose(text, Loader=_Loader))
    except (ConfigError, ValueError, YAMLError, RecursionError):
        return None


def _below(node: Any, step: str | int) -> tuple[Any, int | None]:
    """What is at this key or index, and its line."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return value, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark.line + 1
    return None, None
