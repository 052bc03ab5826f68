# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Ansible's module without its habit to show and to log all of its arguments: ours take objects, which may be Secrets."""

from __future__ import annotations

import functools
import re
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from ._kube.progress import notices
from ._model.secrecy import is_secret
from ._text import counted, shown_line, shown_lines

__all__ = ["Crashed", "MeshModule", "argument_error", "contained", "for_people", "shown_arguments"]

_HIDDEN = "not shown"
# What of a result people read as it is: printed by Ansible itself or by our roles.
_TEXTS = frozenset({"diff", "msg", "reason", "stage", "summary", "table", "text", "waiting"})
# Lists of them, each one line.
_LISTS = frozenset({
    "assumptions", "breaks", "leaving", "lines", "never_seen", "not_compared", "notes", "obstacles", "orphans", "outside", "refusals",
    "refused", "silent", "silent_proxies", "taken", "turns", "unclear", "undecided", "unlabelled", "would_deny", "wrong",
})  # fmt: skip
_LONGEST = 600
_SHORTEST = 6
# By these ansible-test ends a module once it has its argument spec.
_OF_TESTS = ("AnsibleModuleCallError", "ImporterAnsibleModuleException")
_SCALARS = ("str", "int", "float", "bool", "path", "bits", "bytes")


def shown_arguments(params: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Of each argument what cannot hold a secret: values of options that are declared to the end; how many there are of others."""
    return {str(name): _shown(str(name), value, spec.get(name)) for name, value in params.items() if not str(name).startswith("_ansible_")}


def _shown(name: str, value: Any, option: Mapping[str, Any] | None) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if option is None or option.get("no_log"):
        return _HIDDEN
    kind, inner = option.get("type", "str"), option.get("options")
    if kind == "list" and isinstance(value, (list, tuple)):
        elements = option.get("elements", "raw")
        if elements in _SCALARS or (elements == "dict" and inner):
            return [_shown(name, item, {"type": elements, "options": inner}) for item in value]
        return f"{counted(len(value), 'item')}, {_HIDDEN}"
    if kind == "dict" and inner and isinstance(value, Mapping):
        return shown_arguments(value, inner)
    if kind in _SCALARS and not isinstance(value, (Mapping, list, tuple)):
        # Ansible makes a text of a map where a text belongs
        return _HIDDEN if is_secret(str(value)) or str(value)[:1] in ("{", "[") else value
    return f"{counted(len(value), 'item')}, {_HIDDEN}" if isinstance(value, (Mapping, list, tuple)) else _HIDDEN


def for_people(result: Mapping[str, Any]) -> dict[str, Any]:
    """The result with its texts for people free of what acts on a terminal or a CI system. Their line feeds are ours by now."""
    return {
        key: _readable(value, shown_lines) if key in _TEXTS else _readable(value, shown_line) if key in _LISTS else value
        for key, value in result.items()
    }


def _readable(value: Any, form: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return form(value)
    if isinstance(value, list):
        return [_readable(item, form) for item in value]
    if isinstance(value, dict):
        return {key: _readable(item, form) for key, item in value.items()}
    return value


def argument_error(text: str, params: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """What Ansible says of a wrong argument, without what it quotes of values that are not shown."""
    hidden: set[str] = set()
    for name, value in params.items():
        if not str(name).startswith("_ansible_"):
            _hidden_texts(value, _shown(str(name), value, spec.get(name)), hidden)
    for word in sorted(hidden, key=len, reverse=True):
        text = text.replace(word, "********")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _hidden_texts(value: Any, shown: Any, found: set[str]) -> None:
    """The texts of a value that are not in what is shown of it, and their words: Ansible quotes them in more than one form."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _hidden_texts(item, shown.get(key) if isinstance(shown, Mapping) else None, found)
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            _hidden_texts(item, shown[number] if isinstance(shown, list) and number < len(shown) else None, found)
    elif value is not None and value != shown and not isinstance(value, bool):
        text = str(value)
        found.update(word for word in (text, *re.findall(r"[^\s\"'\\,:{}\[\]]+", text)) if len(word) >= _SHORTEST)


class MeshModule(AnsibleModule):  # type: ignore[misc]
    """AnsibleModule for ours. Its result has the arguments as shown_arguments gives them, also when an argument is wrong."""

    _checked = False

    def __init__(self, argument_spec: dict[str, Any], **options: Any) -> None:
        notices()  # of another one
        super().__init__(argument_spec, **options)
        self._checked = True

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn:
        """Ends with the message."""
        super().fail_json(msg if self._checked else argument_error(str(msg), self.params, self.argument_spec), **kwargs)
        raise AssertionError("fail_json ends the module")

    def _log_invocation(self) -> None:
        self.log("Invoked; the arguments of this module are not logged")

    def warn(self, warning: str, **options: Any) -> None:
        """A warning in one line."""
        super().warn(shown_line(warning), **options)

    def _return_formatted(self, kwargs: dict[str, Any]) -> None:
        for text in notices():
            self.warn(text)
        kwargs.update(for_people(kwargs))
        kwargs["invocation"] = {"module_args": shown_arguments(self.params, self.argument_spec)}
        super()._return_formatted(kwargs)


class Crashed(RuntimeError):
    """An error that nobody foresaw, with its place instead of its text."""


def contained(main: Callable[[], None]) -> Callable[[], None]:
    """For each main(): what an unforeseen error says may quote an argument, so that only its kind and its place are told."""

    @functools.wraps(main)
    def run() -> None:
        try:
            return main()
        except Exception as exc:  # every error, because each may quote a secret
            if type(exc).__module__.partition(".")[0] == "ansible" or type(exc).__name__ in _OF_TESTS:
                raise  # an argument that Ansible itself refuses
            found = _place(exc)
        raise Crashed(found)

    return run


def _place(exc: BaseException) -> str:
    frames = [f"{Path(row.filename).name}:{row.lineno} in {row.name}" for row in traceback.extract_tb(exc.__traceback__)[1:]]
    return (
        f"ended with {type(exc).__name__}, which is a fault of the collection: please report it with these places: "
        f"{', '.join(frames[-8:])}. "
        "The text of the error is not shown, because it may quote what the module was given."
    )
