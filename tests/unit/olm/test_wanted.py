# SPDX-License-Identifier: GPL-3.0-or-later
"""Which operators an intent uses, and why: each tool that is switched on, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.packages import (
    KNOWN,
    MESH_OPERATORS,
    RUNS,
    TOOLS,
    kinds_of,
    packages_of,
    tools_of,
    tracing_problems,
)

REPOSITORY = Path(__file__).resolve().parents[3]
JAEGER = {"tracing": {"provider": "jaeger"}}
OTLP = {"tracing": {"provider": "opentelemetry"}}
Obj = dict[str, Any]


@pytest.mark.parametrize(
    ("provider", "plane", "tools", "packages"),
    [
        ("ossm2", {}, {}, ["servicemeshoperator"]),
        ("ossm3", {}, {}, ["servicemeshoperator3"]),
        ("sail", {}, {}, ["sailoperator"]),
        ("ossm3", None, None, ["servicemeshoperator3"]),
        # a key alone is no Kiali, and a switched-off one is none either, however the inventory says it
        ("ossm3", {}, {"kiali": {}}, ["servicemeshoperator3"]),
        ("ossm3", {}, {"kiali": {"enabled": "no"}}, ["servicemeshoperator3"]),
        ("ossm3", {}, {"kiali": {"enabled": "True"}, "grafana": {"enabled": True}}, ["servicemeshoperator3", "kiali-ossm"]),
        ("sail", {}, {"kiali": {"enabled": True}}, ["sailoperator", "kiali"]),
        # tracing
        ("ossm2", JAEGER, {}, ["servicemeshoperator", "jaeger-product"]),
        ("ossm2", {}, {"jaeger": {"name": "mine"}}, ["servicemeshoperator", "jaeger-product"]),
        ("ossm2", {}, {"jaeger": {"enabled": False}}, ["servicemeshoperator"]),
        ("ossm2", {"tracing": {"provider": "jaeger", "storage": "elasticsearch"}}, {},
         ["servicemeshoperator", "jaeger-product", "elasticsearch-operator"]),
        ("ossm2", JAEGER, {"jaeger": {"strategy": "production"}}, ["servicemeshoperator", "jaeger-product", "elasticsearch-operator"]),
        ("ossm2", {"tracing": {"provider": "none", "storage": "elasticsearch"}}, {}, ["servicemeshoperator"]),
        ("ossm2", OTLP, {"tempo": {}}, ["servicemeshoperator", "tempo-product", "opentelemetry-product"]),
        ("ossm3", OTLP, {"tempo": {}}, ["servicemeshoperator3", "tempo-product", "opentelemetry-product"]),
        ("ossm3", OTLP, {"tempo": {}, "opentelemetry": {"enabled": False}}, ["servicemeshoperator3", "tempo-product"]),
        ("ossm3", OTLP, {"opentelemetry": {"exporter": "otlp:4317"}}, ["servicemeshoperator3", "opentelemetry-product"]),
        ("ossm3", OTLP, {"tempo": {"enabled": False}}, ["servicemeshoperator3"]),
        ("sail", OTLP, {"tempo": {}}, ["sailoperator", "tempo-operator", "opentelemetry-operator"]),
        # somebody else's collector needs no operator here, and Jaeger has none in the third generation
        ("ossm3", {"tracing": {"provider": "opentelemetry", "service": {"host": "otel.tracing.svc"}}}, {}, ["servicemeshoperator3"]),
        ("ossm3", JAEGER, {"jaeger": {}}, ["servicemeshoperator3"]),
    ],
)  # fmt: skip
def test_what_an_intent_uses(provider: str, plane: Obj, tools: Obj, packages: list[str]) -> None:
    found = packages_of(provider, plane, tools)
    assert [row.package for row in found] == packages
    assert all(row.why for row in found), "each says what asks for it"


def test_the_reason_names_the_field_that_asks() -> None:
    found = packages_of("ossm3", OTLP, {"kiali": {"enabled": True}, "tempo": {}})
    assert {row.package: row.why for row in found} == {
        "servicemeshoperator3": "mesh_provider ossm3", "kiali-ossm": "mesh_observability.kiali",
        "tempo-product": "mesh_observability.tempo", "opentelemetry-product": "mesh_observability.tempo"}  # fmt: skip


def test_an_extra_package_takes_the_place_of_ours() -> None:
    mirror = {"package": "kiali-ossm", "source": "mirror", "channel": "stable-v2", "namespace": "kiali-operator", "own_group": True}
    found = packages_of("ossm3", {}, {"kiali": {"enabled": True}}, [mirror, {"package": "web", "source": "x", "channel": "y"}])
    why = {"why": "mesh_operators_extra"}
    assert [row.row() for row in found[1:]] == [{**mirror, **why}, {"package": "web", "source": "x", "channel": "y", **why}]


def test_an_unknown_provider_is_an_error() -> None:
    with pytest.raises(ConfigError, match="mesh_provider is 'istio', expected one of ossm2, ossm3, sail"):
        packages_of("istio", {}, {})


@pytest.mark.parametrize(
    ("observability", "tools"),
    [
        ({}, []),
        ({"prometheus": {}, "grafana": {}, "kiali": {}}, ["prometheus"]),
        ({"prometheus": {"enabled": False}, "grafana": {"enabled": True}}, ["grafana"]),
        ({"tempo": {"storage": "5Gi"}}, ["tempo", "opentelemetry"]),
        ({"tempo": {}, "opentelemetry": {"enabled": "false"}}, ["tempo"]),
        ({"jaeger": None, "kiali": None}, []),
    ],
)
def test_tools(observability: Obj, tools: list[str]) -> None:
    assert tools_of(observability) == tools and set(tools) <= set(TOOLS)


@pytest.mark.parametrize(
    ("provider", "plane", "observability", "says"),
    [
        ("ossm2", JAEGER, {}, []),
        ("ossm3", {}, {}, []),
        ("ossm3", OTLP, {"tempo": {}}, []),
        ("ossm3", {"tracing": {"provider": "opentelemetry", "service": {"host": "otel.tracing.svc"}}}, {}, []),
        ("ossm3", JAEGER, {}, ["mesh_control_plane.tracing.provider: jaeger is not available for ossm3"]),
        ("sail", JAEGER, {"jaeger": {}}, ["jaeger is not available for sail", "its operator is not available for sail"]),
        ("ossm3", OTLP, {}, ["mesh_control_plane.tracing.service.host: is missing"]),
        ("ossm3", OTLP, {"tempo": {"enabled": False}}, ["mesh_control_plane.tracing.service.host: is missing"]),
        ("ossm2", JAEGER, {"jaeger": {}, "tempo": {}}, ["jaeger and tempo are both there"]),
        ("ossm3", {}, {"opentelemetry": {}}, ["it has nowhere to send spans"]),
        ("ossm3", {}, {"opentelemetry": {"exporter": "a:4317"}}, []),
        ("ossm3", OTLP, {"tempo": {"mode": "stack"}}, ["mesh_observability.tempo.object_storage.secret: is missing"]),
        ("ossm3", OTLP, {"tempo": {"mode": "stack", "object_storage": {"secret": "traces"}}}, []),
    ],
)
def test_tracing_fits_together(provider: str, plane: Obj, observability: Obj, says: list[str]) -> None:
    found = tracing_problems(provider, plane, observability)
    assert len(found) == len(says) and all(part in text for part, text in zip(says, found, strict=True)), found


def test_each_operator_says_what_it_runs() -> None:
    assert set(RUNS) == KNOWN - {"elasticsearch-operator"} and set(RUNS) >= MESH_OPERATORS
    assert kinds_of(["kiali", "kiali-ossm", "web"]) == [("kiali.io/v1alpha1", "Kiali")]
