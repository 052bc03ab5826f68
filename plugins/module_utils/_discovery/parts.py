# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What belongs to a mesh beside its control plane: gateways, operators, and what watches it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from .._model import kinds as k
from .._model.fields import section, sections
from .._model.packages import MESH_OPERATORS, MESH_PACKAGE
from .._model.proxies import PROXY
from .._model.view import Obj, View
from .._olm.checks import MESH_PACKAGES
from .._olm.model import Subscription
from .model import DiscoveredGateway, DiscoveredOperator, DiscoveredTool
from .planes import FoundPlane

__all__ = ["gateways_in", "mesh_operators", "tools_of_mesh"]

_NAMED = {"ingressgateway": "ingress", "egressgateway": "egress", "eastwestgateway": "east-west"}
_MANAGED, _NAME = "gateway.istio.io/managed", "gateway.networking.k8s.io/gateway-name"
# Of each tool the kinds that its operator has, and the Deployment that it is without one.
_TOOLS: tuple[tuple[str, tuple[k.Kind, ...], str], ...] = (
    ("kiali", (k.KIALI,), "kiali"),
    ("jaeger", (k.JAEGER,), ""),
    ("tempo", (k.TEMPO_MONOLITHIC, k.TEMPO_STACK), ""),
    ("opentelemetry", (k.OPENTELEMETRY_COLLECTOR,), ""),
    ("prometheus", (k.PROMETHEUS,), "prometheus"),
    ("grafana", (), "grafana"),
)


def gateways_in(view: View, namespaces: Collection[str]) -> tuple[DiscoveredGateway, ...]:
    """The workloads of these namespaces that are gateways or waypoints."""
    found = []
    for kind in (k.DEPLOYMENT, k.DAEMON_SET):
        for row in view.of(kind):
            role = _role(row) if row.namespace in namespaces else ""
            if role:
                found.append(DiscoveredGateway(kind.kind, row.namespace, row.name, role))
    return tuple(sorted(found, key=lambda one: (one.namespace, one.name)))


def _role(row: Obj) -> str:
    labels = {**row.labels, **row.at("spec", "template", "metadata", "labels", default={})}
    notes = row.at("spec", "template", "metadata", "annotations", default={})
    if _NAME in labels or _MANAGED in labels:
        return "waypoint" if "mesh-controller" in str(labels.get(_MANAGED, "")) else "gateway"
    named = _NAMED.get(str(labels.get("istio", "")))
    if named:
        return named
    names = [one.get("name") for one in sections(row.items("spec", "template", "spec", "containers"))]
    injected = "gateway" in str(section(notes).get("inject.istio.io/templates", ""))
    return "gateway" if injected or (names == [PROXY] and labels.get("app") != "ztunnel") else ""


def mesh_operators(view: View, plane: FoundPlane) -> tuple[DiscoveredOperator, ...]:
    """Of the operators that OLM installs those that this mesh can be of: not one of another generation."""
    wanted = MESH_PACKAGES - (MESH_OPERATORS - {MESH_PACKAGE.get(plane.provider.value)})
    rows = (Subscription.from_dict(row.raw) for row in view.of(k.SUBSCRIPTION))
    found = [
        DiscoveredOperator(
            row.package, row.namespace, row.name, row.channel, row.approval, row.source, row.source_namespace, row.installed_csv
        )
        for row in rows
        if str(row.package) in wanted
    ]
    return tuple(sorted(found, key=lambda row: (row.package, row.namespace)))


def tools_of_mesh(view: View, plane: FoundPlane, planes: Sequence[FoundPlane]) -> tuple[DiscoveredTool, ...]:
    """What watches this mesh: in its control plane's namespace, where spans are sent to, or a Kiali that says so."""
    near = {plane.namespace, *_backends(plane)}
    found = []
    for name, kinds, deployment in _TOOLS:
        rows = [row for kind in kinds for row in view.of(kind) if _watches(row, plane, planes, near)]
        if not rows and deployment:
            rows = [row for row in view.of(k.DEPLOYMENT, plane.namespace) if row.name == deployment]
            rows = rows or ([row for row in view.of(k.DEPLOYMENT) if row.name == deployment == "kiali"] if len(planes) == 1 else [])
        if rows:
            found.append(DiscoveredTool(name, rows[0].namespace, rows[0].ref))
    return tuple(found)


def _watches(row: Obj, plane: FoundPlane, planes: Sequence[FoundPlane], near: Collection[str]) -> bool:
    if row.namespace in near:
        return True
    if row.kind != k.KIALI:
        return False
    said = row.at("spec", "istio_namespace") or row.at("spec", "external_services", "istio", "root_namespace")
    return said == plane.namespace if said else len(planes) == 1


def _backends(plane: FoundPlane) -> Iterator[str]:
    """The namespaces of the Services that proxies send spans to."""
    providers: Sequence[Mapping[str, object]] = plane.config.extension_providers if plane.config else ()
    for provider in providers:
        for name in ("opentelemetry", "zipkin"):
            parts = str(section(provider, name).get("service") or "").rpartition("/")[2].split(".")
            if len(parts) > 1:
                yield parts[1]
