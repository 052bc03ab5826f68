# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds snapshots from the short notation of cases/*.yml: one key `Kind namespace/name`, the rest is the object."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import Options
from ansible_collections.meshops.mesh.plugins.module_utils._model import kinds
from ansible_collections.meshops.mesh.plugins.module_utils._model.intent import Intent
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from certificates.named import expand

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CASES = Path(__file__).parent / "cases"
# `Gateway` is Istio's; one of the Gateway API says its apiVersion, and so does each kind that nobody declared.
GROUPS = {getattr(kinds, name).kind: getattr(kinds, name).group for name in reversed(kinds.__all__) if name != "Kind"}
METADATA = ("labels", "annotations", "creationTimestamp", "generation", "ownerReferences", "deletionTimestamp")
INTENT = {
    "provider": "ossm3",
    "control_plane": {"name": "production", "namespace": "istio-system"},
    "members": ["shop"],
    "operators": ["servicemeshoperator3"],
    "observability": ["kiali", "jaeger", "tempo", "opentelemetry", "prometheus", "grafana"],
    "gateways": [],
    "personas": [],
    "cells": [],
    "migration": {
        "mesh": "travel",
        "istio": "production",
        "revision": "production-v1-27-3",
        "label": "travel",
        "selectors": [{"matchLabels": {"istio-discovery": "travel"}}],
    },
}


def build(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One object from the short notation."""
    ((title, given),) = entry.items()
    kind, _space, where = title.partition(" ")
    namespace, slash, name = where.partition("/")
    body = dict(given or {})
    metadata = {key: body.pop(key) for key in METADATA if key in body}
    metadata["name"] = name if slash else namespace
    if slash:
        metadata["namespace"] = namespace
    group = "" if "apiVersion" in body else GROUPS[kind]
    return {"apiVersion": f"{group}/v1" if group else "v1", "kind": kind, "metadata": metadata, **body}


def snapshot(entries: Iterable[Mapping[str, Any]] = (), **fields: Any) -> Snapshot:
    """A snapshot of these objects."""
    given: dict[str, Any] = {
        "cluster": "west",
        "taken_at": NOW,
        "source": "cluster",
        "server_version": "v1.35.4",
        "missing_kinds": frozenset(),
        "forbidden": {},
        "reviews": (),
    } | fields
    given["missing_kinds"] = frozenset(given["missing_kinds"])
    given["reviews"] = tuple(given["reviews"])
    if isinstance(given["taken_at"], str):
        given["taken_at"] = datetime.fromisoformat(given["taken_at"])
    return Snapshot(objects=tuple(build(entry) for entry in entries), **given)


def intent(**fields: Any) -> Intent:
    """The usual intent with some fields replaced; None takes one away."""
    given = INTENT | fields
    lists = ("members", "operators", "observability", "gateways", "personas", "cells")
    return Intent(**{key: tuple(value) if key in lists and value is not None else value for key, value in given.items()})


def options(**fields: Any) -> Options:
    """Options with a fixed clock."""
    return Options(**({"now": NOW} | fields))


@functools.cache
def cases() -> dict[str, list[dict[str, Any]]]:
    """All cases by code, the same ones for all files of tests: each worker reads them while it collects."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(CASES.glob("*.yml")):
        found |= expand(yaml_load(path.read_text(encoding="utf-8")))
    return found


def bad_objects(case: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The good objects and the bad ones beside them; a bad object with a good one's name takes its place."""
    bad = case.get("bad", [])
    gone = {next(iter(entry)) for entry in bad} | set(case.get("without", []))
    return [entry for entry in case.get("good", []) if next(iter(entry)) not in gone] + bad
