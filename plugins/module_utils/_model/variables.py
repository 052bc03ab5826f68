# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Whether the variables of a mesh can be used: types, unknown keys, names; each problem with the path of its field."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .._text import counted
from .names import LABEL, SERVICE
from .secrecy import is_secret, names_a_secret

__all__ = ["RENAMED", "check_names", "check_value", "found_in", "misspelt", "shown", "unread"]

_WORDS = {
    "str": "a text",
    "path": "a path",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a map",
}
# Fields whose keys are the user's own, and whose values may be anything.
_FREE = frozenset({"env", "data", "stringData", "args", "command", "key", "certificate", "chain", "roots"})
_BOOLEANS = frozenset({"y", "yes", "on", "1", "true", "t", "1.0", "n", "no", "off", "0", "false", "f", "0.0"})
_CLOSE = 0.8  # how alike two names are before one is taken for the other

# Beginnings that belong to options of a run, which people give with -e: an unknown one is a mistake that would be silent.
_OPTIONS_OF_RUNS = ("mesh_check_", "mesh_remove_", "mesh_rights_")

# Variables that had another name.
RENAMED = {"mesh_target_hosts": "mesh_hosts"}

_LABEL = (LABEL, "lower case letters, digits and '-', at most 63")
_SERVICE = (SERVICE, "lower case letters, digits and '-', a letter first, at most 63")
_VALUE = (re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"), "letters, digits, '-', '_' and '.', at most 63")
_DNS = r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*"
_SUBDOMAIN = (re.compile(_DNS), "a DNS name in lower case, at most 253 characters")
_HOST = (re.compile(rf"(([a-z0-9-]+|[.*~])/)?(\*|(\*\.)?{_DNS})"), "a host name in lower case, or one that begins with '*.'")
_PERSON = (re.compile(r"[^\x00-\x1f\x7f]{1,253}"), "at most 253 characters on one line")
_NAMES: tuple[tuple[str, tuple[re.Pattern[str], str]], ...] = (
    ("mesh_name", _LABEL),
    ("mesh_control_plane.name", _LABEL),
    ("mesh_control_plane.namespace", _LABEL),
    ("mesh_control_plane.cni.namespace", _LABEL),
    ("mesh_control_plane.revision_tag", _LABEL),
    ("mesh_control_plane.additional_ingress[].name", _SERVICE),
    ("mesh_domains[].name", _VALUE),
    ("mesh_domains[].namespaces[]", _LABEL),
    ("mesh_workloads[].namespace", _LABEL),
    ("mesh_workloads[].secrets[].name", _SUBDOMAIN),
    ("mesh_workloads[].applications[].name", _SERVICE),
    ("mesh_workloads[].applications[].versions[]", _LABEL),
    ("mesh_workloads[].applications[].versions[].name", _LABEL),
    ("mesh_workloads[].applications[].versions[].label", _VALUE),
    ("mesh_workloads[].applications[].versions[].deployment", _SUBDOMAIN),
    ("mesh_workloads[].applications[].ports[].name", _LABEL),
    ("mesh_workloads[].applications[].service_account", _SUBDOMAIN),
    ("mesh_mtls[].namespace", _LABEL),
    ("mesh_mtls[].application", _SERVICE),
    ("mesh_mtls[].name", _SUBDOMAIN),
    ("mesh_gateways[].name", _LABEL),
    ("mesh_gateways[].hosts[]", _HOST),
    ("mesh_gateways[].virtual_service.name", _SUBDOMAIN),
    ("mesh_gateways[].virtual_service.namespace", _LABEL),
    ("mesh_gateways[].routes[].namespace", _LABEL),
    ("mesh_gateways[].routes[].service", _SERVICE),
    ("mesh_project_gateways[].name", _SERVICE),
    ("mesh_project_gateways[].namespace", _LABEL),
    ("mesh_project_gateways[].ports[].name", _LABEL),
    ("mesh_traffic[].service", _SERVICE),
    ("mesh_traffic[].namespace", _LABEL),
    ("mesh_traffic[].versions[].name", _LABEL),
    ("mesh_traffic[].hosts[]", _HOST),
    ("mesh_canaries[].service", _SERVICE),
    ("mesh_canaries[].namespace", _LABEL),
    ("mesh_access.namespaces[]", _LABEL),
    ("mesh_personas[].name", _PERSON),
    ("mesh_personas[].namespaces[]", _LABEL),
    ("mesh_observability.jaeger.name", _LABEL),
    ("mesh_observability.tempo.name", _LABEL),
    ("mesh_observability.tempo.object_storage.secret", _SUBDOMAIN),
    ("mesh_observability.opentelemetry.name", _LABEL),
    ("mesh_certificates_cert_manager.issuer.name", _SUBDOMAIN),
    ("mesh_certificates_cert_manager.edge_issuer.name", _SUBDOMAIN),
    ("mesh_certificates_cert_manager.istio_csr.revisions[]", _LABEL),
    ("mesh_operators_extra[].package", _SUBDOMAIN),
    ("mesh_operators_extra[].namespace", _LABEL),
)


def shown(value: Any) -> str:
    """A value as a message shows it: kind for a container, the beginning of a long text."""
    if isinstance(value, Mapping):
        return f"a map ({', '.join(map(str, list(value)[:4])) or 'empty'})"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    text = str(value)
    short = repr(text) if len(text) <= 60 else f"{text[:40]!r}... ({counted(len(text), 'character')})"
    return short if isinstance(value, str) else f"{text} ({type(value).__name__})"


def hidden(path: str) -> bool:
    """May what stands in this field be a secret? Then a message does not have it."""
    words = re.findall(r"\w+", path)
    return any(word in _FREE or names_a_secret(word) for word in words)


def found_in(path: str, value: Any) -> str:
    """As shown(), but for a field that may hold a secret, or a text that is one, only what kind of value it is."""
    if isinstance(value, (Mapping, list, tuple)) or value is None or not (hidden(path) or is_secret(str(value))):
        return shown(value)
    return f"a text of {counted(len(value), 'character')}" if isinstance(value, str) else f"a value of the type {type(value).__name__}"


def _fits(kind: str, value: Any) -> bool:
    """As Ansible itself would convert it, but no text is a list or a map: roles read the variable as it is, a text letter by letter."""
    if kind == "dict":
        return isinstance(value, Mapping)
    if kind == "list":
        return isinstance(value, (list, tuple))
    if kind == "str" and isinstance(value, (bool, float)):
        return False  # `no` and 1.30 without quotes are no texts in YAML: the one is false, the other 1.3
    if isinstance(value, (Mapping, list, tuple)):
        return kind not in ("str", "path", "int", "float", "bool")
    if kind == "bool":
        return str(value).lower() in _BOOLEANS
    if kind == "int":
        return not isinstance(value, bool) and re.fullmatch(r"-?\d+(\.0)?", str(value)) is not None
    if kind == "float":
        return not isinstance(value, bool) and re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", str(value)) is not None
    return True


def _remedy(kind: str, value: Any, path: str) -> str:
    """How it becomes what is expected: people and surveys give a list with -e NAME=VALUE, where everything is a text."""
    if kind == "str" and isinstance(value, (bool, float)):
        return "; write it in quotes"
    if kind not in ("list", "dict") or not isinstance(value, str):
        return ""
    name = path if re.fullmatch(r"\w+", path) else ""
    sample = "[...]" if kind == "list" else "{...}"
    given = f"with -e as JSON, -e '{{\"{name}\": {sample}}}'" if name else f"as {sample}"
    return (
        f"; this is one text: write {_WORDS[kind]}, {given}" if value.strip() else "; the text is empty: leave it out, or write " + sample
    )


def check_value(spec: Mapping[str, Any], value: Any, path: str) -> list[str]:
    """The problems of one variable by its argument spec."""
    kind = spec.get("type", "str")
    if value is None:
        words = f"{path}: has no value (null), expected {_WORDS.get(kind, 'a value')}"
        return [words if spec.get("required") else f"{words}; write one, or remove the line"] if kind != "raw" else []
    if not _fits(kind, value):
        return [f"{path}: expected {_WORDS.get(kind, kind)}, found {found_in(path, value)}{_remedy(kind, value, path)}"]
    choices = spec.get("choices")
    if kind == "list":
        inner = {"type": spec.get("elements", "raw"), "options": spec.get("options"), "choices": choices, "required": True}
        return [text for number, item in enumerate(value) for text in check_value(inner, item, f"{path}[{number}]")]
    if choices and str(value) not in [str(item) for item in choices]:
        near = difflib.get_close_matches(str(value), list(map(str, choices)), 1, 0.6)
        hint = f"; did you mean {near[0]}?" if near else ""
        return [f"{path}: expected one of {', '.join(map(str, choices))}, found {found_in(path, value)}{hint}"]
    if kind == "dict":
        return _check_keys(spec, value, path)
    return []


def _check_keys(spec: Mapping[str, Any], value: Mapping[str, Any], path: str) -> list[str]:
    options: Mapping[str, Any] | None = spec.get("options")
    if not options:
        return []
    problems = []
    for key in value:
        if key not in options:
            near = difflib.get_close_matches(str(key), list(options), 1, 0.6)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(options))}"
            problems.append(f"{path}.{shown(key)[1:-1] if isinstance(key, str) and len(key) <= 60 else shown(key)}: not known; {hint}")
    for key, option in options.items():
        if key in value:
            problems += check_value(option, value[key], f"{path}.{key}")
        elif option.get("required"):
            problems.append(f"{path}.{key}: is missing, expected {_WORDS.get(option.get('type', 'str'), 'a value')}")
    return problems


def _select(value: Any, steps: list[str], path: str) -> Iterator[tuple[str, Any]]:
    """The values at the end of steps; what has another shape is check_value's matter."""
    if not steps:
        yield path, value
    elif steps[0] == "[]" and isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _select(item, steps[1:], f"{path}[{number}]")
    elif isinstance(value, Mapping) and value.get(steps[0]) is not None:
        yield from _select(value[steps[0]], steps[1:], f"{path}.{steps[0]}")


def check_names(values: Mapping[str, Any]) -> list[str]:
    """Names that the API would refuse later, in the middle of the work."""
    problems = []
    for where, (pattern, rule) in _NAMES:
        first, *steps = re.findall(r"\[\]|\w+", where)
        if values.get(first) is None:
            continue
        for path, value in _select(values[first], steps, first):
            if not isinstance(value, (Mapping, list, tuple)) and not pattern.fullmatch(str(value)):
                problems.append(f"{path}: {shown(value)} cannot be a name here, expected {rule}")
    return problems


def _near(name: str, known: Collection[str]) -> str:
    """The variable that a name looks like; empty where it is one, or looks like none. All begin with mesh_, which makes none alike."""
    if name in known:
        return ""
    ours = {one.removeprefix("mesh_"): one for one in known}
    near = difflib.get_close_matches(name.removeprefix("mesh_"), list(ours), 1, _CLOSE)
    return ours[near[0]] if near else ""


def unread(found: Collection[str], known: Collection[str], typed: Collection[str] = ()) -> list[str]:
    """Options of a run that nobody reads and that look like none of ours: a hint, as somebody's own play may have such a name. typed:
    given with -e, for this run alone, so that each is meant for somebody."""
    texts = []
    for name in sorted(set(found) - set(known) - set(RENAMED)):
        family = next((begin for begin in _OPTIONS_OF_RUNS if name.startswith(begin)), "")
        if family and not _near(name, known):
            texts.append(
                f"{name}: nobody reads this variable; there are {', '.join(sorted(one for one in known if one.startswith(family)))}"
            )
        elif name in typed and not _near(name, known):
            texts.append(f"{name}: nobody reads this variable; docs/variables.md of the collection has those that are read")
    return texts


def misspelt(found: Collection[str], known: Collection[str]) -> list[str]:
    """Variables that nobody reads and that look like one of ours; others belong to the inventory's owner."""
    problems = [f"{name}: is called {new} now" for name, new in RENAMED.items() if name in found]
    for name in sorted(set(found) - set(RENAMED)):
        near = _near(name, known)
        if near:
            problems.append(f"{name}: nobody reads this variable; did you mean {near}? (One of your own needs another name.)")
    return problems
