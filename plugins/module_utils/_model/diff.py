# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Does an apply change anything? Decided from the live object and its managedFields, without asking the server."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from ansible.module_utils.common.yaml import yaml_dump

from .._text import shown_data
from .secrecy import masked

__all__ = ["DiffVerdict", "as_yaml", "changes", "cleaned", "compare", "essence", "owned_fields"]

_SERVER_META = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
_NO_WIDTH = 2**31 - 1
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_QUANTITY_MAPS = frozenset({"limits", "requests", "hard", "capacity"})
_QUANTITY_FIELDS = frozenset({"sizeLimit", "storage", "averageValue"})
_QUANTITY = re.compile(r"([0-9.]+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_FACTORS = {
    "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip


class DiffVerdict(Enum):
    """SAME: an apply would do nothing. UNSURE: only the server can tell (defaults inside atomic fields)."""

    SAME = 0
    UNSURE = 1
    DIFFERENT = 2


def owned_fields(live: Mapping[str, Any], manager: str) -> dict[str, Any]:
    """fieldsV1 of what the manager has applied; empty when it never has."""
    for entry in (live.get("metadata") or {}).get("managedFields") or []:
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            return entry.get("fieldsV1") or {}
    return {}


def compare(live: Mapping[str, Any] | None, desired: Mapping[str, Any], manager: str) -> DiffVerdict:
    """Every field that we want is there and ours, and nothing else is ours."""
    if live is None or live.get("apiVersion") != desired.get("apiVersion"):
        return DiffVerdict.DIFFERENT if live is None else DiffVerdict.UNSURE
    meta = {key: value for key, value in desired["metadata"].items() if key not in ("name", "namespace")}
    wanted = {**{key: value for key, value in desired.items() if key not in ("apiVersion", "kind")}, "metadata": meta}
    return _map(owned_fields(live, manager), wanted, live, "")


def _worst(*verdicts: DiffVerdict) -> DiffVerdict:
    return max(verdicts, key=lambda item: item.value, default=DiffVerdict.SAME)


def _node(owned: Mapping[str, Any], wanted: Any, live: Any, field: str) -> DiffVerdict:
    if isinstance(wanted, dict) and isinstance(live, dict) and any(key.startswith("f:") for key in owned):
        return _map(owned, wanted, live, field)
    if isinstance(wanted, list) and isinstance(live, list) and any(key[:2] in ("k:", "v:") for key in owned):
        return _list(owned, wanted, live)
    return _leaf(wanted, live, field)


def _map(owned: Mapping[str, Any], wanted: Mapping[str, Any], live: Mapping[str, Any], field: str) -> DiffVerdict:
    if {key[2:] for key in owned if key.startswith("f:")} != set(wanted):
        return DiffVerdict.DIFFERENT
    verdicts = []
    for key, value in wanted.items():
        if key not in live:
            return DiffVerdict.UNSURE if value in ({}, [], "", 0, False) else DiffVerdict.DIFFERENT  # the server drops empty values
        verdicts.append(_node(owned[f"f:{key}"], value, live[key], field if field in _QUANTITY_MAPS else key))
    return _worst(*verdicts)


def _list(owned: Mapping[str, Any], wanted: list[Any], live: list[Any]) -> DiffVerdict:
    """Lists whose items have keys (or are a set): order does not matter."""
    values = [json.loads(key[2:]) for key in owned if key.startswith("v:")]
    if values:
        same = sorted(map(repr, values)) == sorted(map(repr, wanted)) and all(item in live for item in wanted)
        return DiffVerdict.SAME if same else DiffVerdict.DIFFERENT
    entries = [(json.loads(key[2:]), fields) for key, fields in owned.items() if key.startswith("k:")]
    if len(entries) != len(wanted):
        return DiffVerdict.DIFFERENT
    verdicts = []
    for item in wanted:
        found = _item(entries, item, live)
        if found is None:
            return DiffVerdict.DIFFERENT
        keys, fields, there = found
        # a key that the server defaults (protocol: TCP) is in the list's key and not among our fields
        whole = {**{key: value for key, value in keys.items() if f"f:{key}" in fields}, **item}
        verdicts.append(_map(fields, whole, there, ""))
    return _worst(*verdicts)


def _item(entries: list[tuple[dict[str, Any], Any]], item: Any, live: list[Any]) -> tuple[dict[str, Any], Any, dict[str, Any]] | None:
    if not isinstance(item, dict):
        return None
    for keys, fields in entries:
        if all(item.get(key, value) == value for key, value in keys.items()):
            for there in live:
                if isinstance(there, dict) and all(there.get(key) == value for key, value in keys.items()):
                    return keys, fields, there
    return None


def _leaf(wanted: Any, live: Any, field: str) -> DiffVerdict:
    """A value, or a map or list that is owned as a whole."""
    if type(wanted) is type(live) and wanted == live:
        return DiffVerdict.SAME
    if (field in _QUANTITY_MAPS or field in _QUANTITY_FIELDS) and _amount(wanted) is not None and _amount(wanted) == _amount(live):
        return DiffVerdict.SAME
    if isinstance(wanted, (dict, list)):
        return DiffVerdict.UNSURE if _covers(live, wanted) else DiffVerdict.DIFFERENT
    return DiffVerdict.UNSURE if str(wanted) == str(live) else DiffVerdict.DIFFERENT


def _covers(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(key in live and _covers(live[key], value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) == len(wanted) and all(_covers(*pair) for pair in zip(live, wanted, strict=True))
    return bool(wanted == live)


def _amount(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    found = _QUANTITY.fullmatch(str(value))
    if not found:
        return None
    try:
        return round(float(found[1]) * _FACTORS.get(found[2] or "", 1.0), 6)
    except ValueError:
        return None


def essence(obj: Mapping[str, Any] | None) -> dict[str, Any]:
    """The object without status and without what the server keeps for itself: equal means nothing has changed."""
    if not obj:
        return {}
    meta = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _SERVER_META}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": meta}


# for people


def cleaned(obj: Mapping[str, Any] | None, side: str = "", other: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a person compares: no server fields, no status, nothing that may be a secret, no CRD schemas."""
    if not obj:
        return {}
    clean = essence(obj)
    meta = clean["metadata"]
    if _LAST_APPLIED in (meta.get("annotations") or {}):
        meta["annotations"] = {key: value for key, value in meta["annotations"].items() if key != _LAST_APPLIED}
    if obj.get("kind") == "CustomResourceDefinition" and isinstance((obj.get("spec") or {}).get("versions"), list):
        versions = [{key: value for key, value in item.items() if key != "schema"} for item in obj["spec"]["versions"]]
        clean["spec"] = {**obj["spec"], "versions": versions}
    return masked(clean, side, other)


def as_yaml(obj: Mapping[str, Any] | None) -> str:
    """Text for Ansible's diff."""
    # without a width no text is folded, so that none of its words begins a line
    return shown_data(str(yaml_dump(dict(obj), default_flow_style=False, sort_keys=True, width=_NO_WIDTH))) if obj else ""


def changes(before: Any, after: Any, path: str = "", limit: int = 50) -> list[str]:
    """`spec.replicas: 1 -> 2` for each difference between two cleaned objects."""
    if isinstance(before, dict) and isinstance(after, dict):
        lines: list[str] = []
        for key in sorted(set(before) | set(after), key=str):
            if len(lines) < limit:
                lines += changes(before.get(key), after.get(key), f"{path}.{key}" if path else str(key), limit)
        return lines[:limit]
    if before == after:
        return []
    return [f"{path}: {_short(before)} -> {_short(after)}"]


def _short(value: Any) -> str:
    if value is None:
        return "(none)"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= 120 else text[:117] + "..."
