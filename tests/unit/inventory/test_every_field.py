# SPDX-License-Identifier: GPL-3.0-or-later
"""No field of a control plane is lost: each of the real schema is in a variable, kept as an override, or named."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._inventory.read import read_mesh
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from migration.schema import leaves, schema_of
from testbed import crds

Obj = dict[str, Any]
KINDS = {"ossm2": ("maistra", "ServiceMeshControlPlane", "v2"), "sail": ("sail", "Istio", "v1")}
SAMPLES: Mapping[str, tuple[Any, ...]] = {
    "string": ("a-word",), "boolean": (True, False), "integer": (7,), "number": (7,), "array": ([],), "object": ({"x": "y"},),
}  # fmt: skip
# What means the same as saying nothing, and is said by no variable.
SILENT = {
    "ossm2": {
        ("addons", "grafana", "enabled"): False,
        ("addons", "kiali", "enabled"): False,
        ("addons", "prometheus", "enabled"): True,
        ("gateways", "egress", "enabled"): True,
        ("gateways", "ingress", "enabled"): True,
        ("gateways", "openshiftRoute", "enabled"): False,
        ("gateways", "egress", "runtime", "deployment", "autoScaling", "enabled"): False,
        ("gateways", "ingress", "runtime", "deployment", "autoScaling", "enabled"): False,
        ("runtime", "components", "pilot", "deployment", "autoScaling", "enabled"): False,
        ("security", "controlPlane", "mtls"): True,
        ("security", "dataPlane", "mtls"): False,
        ("security", "dataPlane", "automtls"): True,
    },
    "sail": {
        ("values", "meshConfig", "enableAutoMtls"): True,
        ("values", "meshConfig", "enableTracing"): False,
        ("values", "pilot", "autoscaleEnabled"): True,
        ("values", "global", "defaultPodDisruptionBudget", "enabled"): True,
        ("values", "meshConfig", "discoverySelectors"): [],
        ("values", "meshConfig", "outboundTrafficPolicy", "mode"): "ALLOW_ANY",
        ("updateStrategy", "updateWorkloads"): False,
        ("updateStrategy", "type"): "InPlace",
    },
}


def plane(provider: str, spec: Obj) -> Obj:
    _group, kind, _version = KINDS[provider]
    if provider == "ossm2":
        return {"apiVersion": "maistra.io/v2", "kind": kind, "metadata": {"name": "basic", "namespace": "istio-system"}, "spec": spec}
    meta = {"name": "default"}
    return {"apiVersion": "sailoperator.io/v1", "kind": kind, "metadata": meta, "spec": spec, "status": {"activeRevisionName": "default"}}


def said(provider: str, spec: Obj) -> tuple[Obj, set[str]]:
    part = read_mesh(View(Snapshot("west", datetime(2026, 11, 30, tzinfo=UTC), "cluster", None, (plane(provider, spec),))))
    return part.variables, set(map(str, part.notes))


def nested(path: tuple[Any, ...], value: Any) -> Any:
    for step in reversed(path):
        value = [value] if step == 0 else {step: value}
    return value


def fields(provider: str) -> Iterator[tuple[tuple[Any, ...], Any]]:
    schema = schema_of(*KINDS[provider])["properties"]["spec"]
    for path, one in leaves(schema):
        if one.get("enum"):
            values: tuple[Any, ...] = tuple(one["enum"])
        else:
            values = SAMPLES["integer" if one.get("x-kubernetes-int-or-string") else one.get("type", "object")]
        yield from ((path, value) for value in values if value != "")


@pytest.mark.skipif(
    crds.origin("maistra") != "real" or crds.origin("sail") != "real", reason="the real definitions are not on this machine"
)
@pytest.mark.parametrize("provider", KINDS)
def test_no_field_is_lost(provider: str) -> None:
    base = {"version": "v2.6"} if provider == "ossm2" else {"version": "v1.28.3", "namespace": "istio-system"}
    nothing = said(provider, base)
    every = list(fields(provider))
    lost = [(path, value) for path, value in every if said(provider, {**base, **nested(path, value)}) == nothing]
    silent = SILENT[provider]
    usual = [(path, value) for path, value in every if base.get(str(path[0])) == value]
    unexpected = [(path, value) for path, value in lost if (path, value) not in usual and silent.get(path, "lost") != value]
    assert unexpected == []
    assert len(every) > 100
