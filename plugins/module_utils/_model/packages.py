# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Which operators an intent uses, and which tools they run: an operator that nothing asks for is not installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from .._errors import ConfigError

__all__ = [
    "KNOWN", "MESH_OPERATORS", "MESH_PACKAGE", "RETIRED", "RUNS", "TOOLS", "Package", "kinds_of", "packages_of", "rendered_of", "tools_of",
    "tracing_problems",
]  # fmt: skip

_VENDOR, _COMMUNITY = "redhat-operators", "community-operators"


@dataclass(frozen=True)
class Package:
    """A package of a catalogue. own_group: its namespace is the operator's, with an OperatorGroup for all namespaces."""

    package: str
    source: str
    channel: str
    namespace: str = ""  # the namespace of operators for the whole cluster where it is empty
    own_group: bool = False
    why: str = ""  # what in the intent asks for it

    def row(self) -> dict[str, Any]:
        """As a role renders it."""
        return {key: value for key, value in asdict(self).items() if value not in ("", False)}


_JAEGER = Package("jaeger-product", _VENDOR, "stable", "openshift-distributed-tracing", True)
_ELASTICSEARCH = Package("elasticsearch-operator", _VENDOR, "stable-5.8", "openshift-operators-redhat", True)
_TEMPO = Package("tempo-product", _VENDOR, "stable", "openshift-tempo-operator", True)
_COLLECTOR = Package("opentelemetry-product", _VENDOR, "stable", "openshift-opentelemetry-operator", True)
_KIALI = Package("kiali-ossm", _VENDOR, "stable")

# In the order in which the products want them. Sources: the vendor's installation documents; the bundles of community-operators for sail.
_CATALOGUE: dict[str, dict[str, Package]] = {
    "ossm2": {
        "mesh": Package("servicemeshoperator", _VENDOR, "stable"), "kiali": _KIALI, "jaeger": _JAEGER, "elasticsearch": _ELASTICSEARCH,
        "tempo": _TEMPO, "opentelemetry": _COLLECTOR,
    },
    "ossm3": {
        "mesh": Package("servicemeshoperator3", _VENDOR, "stable"), "kiali": _KIALI, "tempo": _TEMPO, "opentelemetry": _COLLECTOR,
    },
    "sail": {
        "mesh": Package("sailoperator", _COMMUNITY, "stable"), "kiali": Package("kiali", _COMMUNITY, "stable"),
        "tempo": Package("tempo-operator", _COMMUNITY, "alpha", "tempo-operator", True),
        "opentelemetry": Package("opentelemetry-operator", _COMMUNITY, "alpha", "opentelemetry-operator", True),
    },
}  # fmt: skip
# Each brings control planes of its own: two of them on one cluster need to be asked for.
MESH_PACKAGE = {provider: rows["mesh"].package for provider, rows in _CATALOGUE.items()}
MESH_OPERATORS = frozenset(MESH_PACKAGE.values())
KNOWN = frozenset(row.package for rows in _CATALOGUE.values() for row in rows.values())

# What an operator runs, of all meshes and of anybody else.
RUNS: dict[str, tuple[tuple[str, str], ...]] = {
    "servicemeshoperator": (("maistra.io/v2", "ServiceMeshControlPlane"),),
    "servicemeshoperator3": (("sailoperator.io/v1", "Istio"),),
    "sailoperator": (("sailoperator.io/v1", "Istio"),),
    "kiali-ossm": (("kiali.io/v1alpha1", "Kiali"),),
    "kiali": (("kiali.io/v1alpha1", "Kiali"),),
    "jaeger-product": (("jaegertracing.io/v1", "Jaeger"),),
    "tempo-product": (("tempo.grafana.com/v1alpha1", "TempoStack"), ("tempo.grafana.com/v1alpha1", "TempoMonolithic")),
    "tempo-operator": (("tempo.grafana.com/v1alpha1", "TempoStack"), ("tempo.grafana.com/v1alpha1", "TempoMonolithic")),
    "opentelemetry-product": (("opentelemetry.io/v1beta1", "OpenTelemetryCollector"),),
    "opentelemetry-operator": (("opentelemetry.io/v1beta1", "OpenTelemetryCollector"),),
}
# What the vendor has taken out of its catalogue, and what is in its place.
RETIRED = {
    "jaeger-product": "its support ended on 3 November 2025: trace with mesh_control_plane.tracing.provider opentelemetry and "
                      "mesh_observability.tempo, or keep a catalogue that has it and name it in mesh_operators_extra",
    "elasticsearch-operator": "it went with Jaeger: trace with mesh_observability.tempo, whose traces need no Elasticsearch, or keep "
                              "them in memory "
                              "(mesh_control_plane.tracing.storage memory, mesh_observability.jaeger.strategy allInOne)",
}  # fmt: skip

# What mesh_observability may have, with whether its key alone switches it on.
_SWITCHED_ON = {"kiali": False, "jaeger": True, "tempo": True, "opentelemetry": True, "prometheus": True, "grafana": False}
TOOLS = tuple(_SWITCHED_ON)
_TRUE = frozenset({"y", "yes", "on", "1", "true", "t", "1.0"})


def _true(value: Any) -> bool:
    """As Ansible reads a boolean, which may have come as text."""
    return value if isinstance(value, bool) else str(value).lower() in _TRUE


def _part(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}


def _asked(observability: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Whether a tool is there: it has its key, and is not switched off."""
    return isinstance(observability.get(name), Mapping) and _true(_part(observability, name).get("enabled", default))


def tools_of(observability: Mapping[str, Any]) -> list[str]:
    """The tools that mesh_observability has; a collector stands before Tempo unless it is switched off."""
    found = [name for name, on in _SWITCHED_ON.items() if _asked(observability, name, default=on)]
    if "tempo" in found and "opentelemetry" not in found and observability.get("opentelemetry") is None:
        found.append("opentelemetry")
    return found


def rendered_of(provider: str | None, observability: Mapping[str, Any]) -> list[str]:
    """Of Prometheus, Grafana and Kiali those that are rendered here: no control plane brings them; `volumes` where one has a volume."""
    prometheus = _part(observability, "prometheus")
    if provider == "ossm2" and prometheus.get("storage") is None:
        return []
    found = [
        name
        for name, on in (("prometheus", True), ("grafana", False), ("kiali", False))
        if _true(_part(observability, name).get("enabled", on))
    ]
    return found + (["volumes"] if any(_part(observability, name).get("storage") for name in found) else [])


def _uses(provider: str, control_plane: Mapping[str, Any], observability: Mapping[str, Any]) -> dict[str, str]:
    """Tool to what asks for it."""
    tracing, tools = _part(control_plane, "tracing"), tools_of(observability)
    asked = {"mesh": f"mesh_provider {provider}"}
    asked |= {name: f"mesh_observability.{name}" for name in ("kiali", "jaeger", "tempo", "opentelemetry") if name in tools}
    if "opentelemetry" in asked and observability.get("opentelemetry") is None:
        asked["opentelemetry"] = "mesh_observability.tempo"
    if tracing.get("provider") == "jaeger":
        asked["jaeger"] = "mesh_control_plane.tracing.provider jaeger"
    if "jaeger" in asked:
        strategy = str(_part(observability, "jaeger").get("strategy") or "allInOne")
        if tracing.get("storage") == "elasticsearch":
            asked["elasticsearch"] = "mesh_control_plane.tracing.storage elasticsearch"
        elif strategy != "allInOne":
            asked["elasticsearch"] = f"mesh_observability.jaeger.strategy {strategy}"
    return asked


def packages_of(provider: str, control_plane: Mapping[str, Any] | None, observability: Mapping[str, Any] | None,
                extra: Sequence[Mapping[str, Any]] = ()) -> list[Package]:  # fmt: skip
    """The packages of an intent, each once; one of extra takes the place of ours with the same name."""
    if provider not in _CATALOGUE:
        raise ConfigError(f"mesh_provider is {provider!r}, expected one of {', '.join(_CATALOGUE)}")
    asked = _uses(provider, control_plane or {}, observability or {})
    found = {row.package: replace(row, why=asked[tool]) for tool, row in _CATALOGUE[provider].items() if tool in asked}
    for given in extra:
        row = Package(str(given["package"]), str(given["source"]), str(given["channel"]), str(given.get("namespace") or ""),
                      _true(given.get("own_group", False)), "mesh_operators_extra")  # fmt: skip
        found[row.package] = row
    return list(found.values())


def tracing_problems(provider: str, control_plane: Mapping[str, Any] | None, observability: Mapping[str, Any] | None) -> list[str]:
    """What of tracing does not fit together, or is not there in this generation."""
    tracing, seen = _part(control_plane or {}, "tracing"), observability or {}
    tools, where, problems = tools_of(seen), tracing.get("provider"), []
    if provider != "ossm2":
        remedy = "traces go to Tempo there: use mesh_control_plane.tracing.provider opentelemetry and mesh_observability.tempo"
        if where == "jaeger":
            problems.append(f"mesh_control_plane.tracing.provider: jaeger is not available for {provider}, {remedy}")
        if "jaeger" in tools:
            problems.append(f"mesh_observability.jaeger: its operator is not available for {provider}, {remedy}")
    if {"jaeger", "tempo"} <= set(tools):
        problems.append("mesh_observability: jaeger and tempo are both there; spans go to one of them, so remove the other one")
    if "opentelemetry" in tools and "tempo" not in tools and not _part(seen, "opentelemetry").get("exporter"):
        problems.append("mesh_observability.opentelemetry: it has nowhere to send spans; add mesh_observability.tempo, or name the "
                        "backend as "
                        "exporter (HOST:PORT, OTLP over gRPC)")  # fmt: skip
    if where == "opentelemetry" and not _part(tracing, "service").get("host") and not {"tempo", "opentelemetry"} & set(tools):
        problems.append("mesh_control_plane.tracing.service.host: is missing; provider opentelemetry needs the collector's Service "
                        "(otel-collector.tracing.svc.cluster.local), or mesh_observability.tempo, which brings one")  # fmt: skip
    tempo = _part(seen, "tempo")
    if "tempo" in tools and tempo.get("mode") == "stack" and not _part(tempo, "object_storage").get("secret"):
        problems.append("mesh_observability.tempo.object_storage.secret: is missing; a TempoStack keeps its traces in object storage, "
                        "and a Secret "
                        "of the control plane's namespace says how to reach it")  # fmt: skip
    return problems


def kinds_of(packages: Iterable[str]) -> list[tuple[str, str]]:
    """What these operators run."""
    return list(dict.fromkeys(kind for package in packages for kind in RUNS.get(package, ())))
