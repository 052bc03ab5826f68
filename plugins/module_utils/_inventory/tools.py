# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""mesh_observability: what the role observability runs beside a control plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._model import kinds as k
from .._model.fields import entries, section, sections
from .._model.kinds import Kind
from .._model.objects import counts_as_ours
from .._model.view import Obj, View
from .prometheus import settings_of
from .rest import Unsaid, without_defaults

__all__ = ["VOLUMES", "collector_of", "openshift_of", "tools_of_mesh"]

VOLUMES = Kind("", "PersistentVolumeClaim")
_RETENTION = "--storage.tsdb.retention.time="
_KIALI_VERSIONS = {"ossm2": "v1.73"}
# As vars/main.yml of the role has them, which a test compares.
_DEFAULTS: Mapping[str, Any] = {
    "prometheus": {
        "enabled": True,
        "retention": "6h",
        "scrape_interval": "15s",
        "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}},
    },
    "grafana": {"enabled": False, "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}}},
}


def _own(view: View, kind: Kind, mesh: str, namespace: str) -> list[Obj]:
    return [row for row in view.of(kind, namespace) if counts_as_ours(row.raw, mesh)]


def tools_of_mesh(view: View, provider: str, mesh: str, namespace: str, notes: list[Unsaid]) -> dict[str, Any]:
    """What of ours is there. Of others the control plane's namespace may have more: that is named."""
    found: dict[str, Any] = {}
    running = {row.name: row for row in _own(view, k.DEPLOYMENT, mesh, namespace)}
    if "prometheus" in running:
        found["prometheus"] = _prometheus(view, running["prometheus"], notes)
    elif provider != "ossm2":
        found["prometheus"] = {"enabled": False}
    if "grafana" in running:
        found["grafana"] = {"enabled": True, **_workload(view, running["grafana"], "grafana", notes)}
    found |= {name: made for name, made in (("jaeger", _jaeger(view, mesh, namespace)), ("tempo", _tempo(view, mesh, namespace))) if made}
    found |= _collector(view, mesh, namespace, found.get("tempo"))
    kiali = next(iter(_own(view, k.KIALI, mesh, namespace)), None)
    if kiali:
        found["kiali"] = _kiali(kiali, provider)
    notes += [
        Unsaid(row.ref, "it is somebody else's: mesh_observability does not say it, and it stays as it is")
        for kind in (k.KIALI, k.JAEGER, k.TEMPO_MONOLITHIC, k.TEMPO_STACK, k.OPENTELEMETRY_COLLECTOR, k.PROMETHEUS)
        for row in view.of(kind, namespace)
        if not counts_as_ours(row.raw, mesh) and not row.items("metadata", "ownerReferences")
    ]
    return found


def _workload(view: View, row: Obj, container: str, notes: list[Unsaid]) -> dict[str, Any]:
    """Resources and the size of the volume."""
    pod = section(row.at("spec", "template", "spec"))
    own = next((one for one in sections(pod.get("containers")) if one.get("name") == container), {})
    found: dict[str, Any] = without_defaults({"resources": own.get("resources")}, _DEFAULTS[container])
    claims = [section(one, "persistentVolumeClaim").get("claimName") for one in sections(pod.get("volumes"))]
    for name in filter(None, claims):
        claim = view.get(VOLUMES, str(name), row.namespace)
        size = claim.at("spec", "resources", "requests", "storage") if claim else None
        if size is None:
            why = f"the source does not have it: write its size as mesh_observability.{container}.storage"
            notes.append(Unsaid(f"PersistentVolumeClaim {row.namespace}/{name}", why))
        else:
            found["storage"] = size
    return found


def _prometheus(view: View, row: Obj, notes: list[Unsaid]) -> dict[str, Any]:
    (container,) = [one for one in sections(row.at("spec", "template", "spec", "containers")) if one.get("name") == "prometheus"] or [{}]
    kept = [str(one).removeprefix(_RETENTION) for one in entries(container.get("args")) if str(one).startswith(_RETENTION)]
    interval = section(settings_of(view, row.namespace), "global").get("scrape_interval")
    given = {"retention": kept[0] if kept else None, "scrape_interval": interval}
    return {**without_defaults(given, _DEFAULTS["prometheus"]), **_workload(view, row, "prometheus", notes)}


def _kiali(row: Obj, provider: str) -> dict[str, Any]:
    version, strategy = row.at("spec", "version", default="default"), row.at("spec", "auth", "strategy")
    usual = "openshift" if _on_openshift(provider) else "token"
    return {
        "enabled": True,
        **({"version": version} if version != _KIALI_VERSIONS.get(provider, "default") else {}),
        **({"auth": strategy} if strategy not in (None, usual) else {}),
    }


def _jaeger(view: View, mesh: str, namespace: str) -> dict[str, Any]:
    row = next(iter(_own(view, k.JAEGER, mesh, namespace)), None)
    if row is None:
        return {}
    strategy, store = row.at("spec", "strategy", default="allInOne"), section(row.at("spec", "storage", "elasticsearch"))
    found: dict[str, Any] = {"name": row.name, "strategy": strategy}
    if strategy == "allInOne":
        traces = row.at("spec", "storage", "options", "memory", "max-traces")
        return {**found, **({"max_traces": traces} if traces not in (None, 100000) else {})}
    days = row.at("spec", "storage", "esIndexCleaner", "numberOfDays")
    elasticsearch = {
        "nodes": store.get("nodeCount"),
        "redundancy": store.get("redundancyPolicy"),
        "storage": section(store, "storage").get("size"),
        "resources": store.get("resources"),
    }
    found["elasticsearch"] = {key: value for key, value in elasticsearch.items() if value is not None}
    return {**found, **({"index_cleaner_days": days} if days is not None else {})}


def _tempo(view: View, mesh: str, namespace: str) -> dict[str, Any]:
    one, stack = (next(iter(_own(view, kind, mesh, namespace)), None) for kind in (k.TEMPO_MONOLITHIC, k.TEMPO_STACK))
    if one:
        backend = one.at("spec", "storage", "traces", "backend", default="memory")
        found = {
            "name": one.name,
            "storage": one.at("spec", "storage", "traces", "size") if backend == "pv" else "memory",
            "retention": one.at("spec", "extraConfig", "tempo", "compactor", "compaction", "block_retention"),
            "resources": one.at("spec", "resources"),
        }
    elif stack:
        secret = section(stack.at("spec", "storage", "secret"))
        found = {
            "name": stack.name,
            "mode": "stack",
            "storage": stack.at("spec", "storageSize"),
            "object_storage": {"secret": secret.get("name"), "type": secret.get("type", "s3")},
            "retention": stack.at("spec", "retention", "global", "traces"),
            "resources": stack.at("spec", "resources", "total"),
        }
    else:
        return {}
    return without_defaults(found, {"name": "tempo", "storage": "memory"}) or {"enabled": True}


def collector_of(tools: Mapping[str, Any], namespace: str) -> dict[str, Any] | None:
    """Where spans go when mesh_control_plane.tracing names no Service: as vars/main.yml of the role control_plane has it."""
    tempo, collector = tools.get("tempo"), tools.get("opentelemetry")
    if collector is not None or tempo is not None:
        if section(collector).get("enabled", True) and collector != {"enabled": False}:
            name = f"{section(collector).get('name', 'otel')}-collector"
        else:
            name = f"tempo-{_intake(section(tempo))}"
        return {"host": f"{name}.{namespace}.svc.cluster.local", "port": 4317}
    return None


def _intake(tempo: Mapping[str, Any]) -> str:
    return f"{tempo.get('name', 'tempo')}{'-distributor' if tempo.get('mode') == 'stack' else ''}"


def _collector(view: View, mesh: str, namespace: str, tempo: Mapping[str, Any] | None) -> dict[str, Any]:
    row = next(iter(_own(view, k.OPENTELEMETRY_COLLECTOR, mesh, namespace)), None)
    if row is None:
        return {"opentelemetry": {"enabled": False}} if tempo else {}
    exporter = section(row.at("spec", "config", "exporters", "otlp"))
    usual = f"tempo-{_intake(section(tempo))}.{namespace}.svc.cluster.local:4317" if tempo else ""
    own = exporter.get("endpoint") != usual
    found = {
        "name": row.name,
        "replicas": row.at("spec", "replicas", default=1),
        "exporter": exporter.get("endpoint") if own else None,
        "exporter_insecure": (section(exporter, "tls").get("insecure") or None) if own else None,
        "resources": row.at("spec", "resources"),
    }
    given = without_defaults(found, {"name": "otel", "replicas": 1, "resources": {}})
    return {"opentelemetry": given} if given or not tempo else {}


def _on_openshift(provider: str) -> bool:
    return provider != "sail"


def openshift_of(view: View, provider: str, mesh: str, namespace: str) -> dict[str, bool]:
    """mesh_openshift and mesh_routes, where they are not what the provider says."""
    usual = _on_openshift(provider)
    prometheus = next((row for row in _own(view, k.DEPLOYMENT, mesh, namespace) if row.name == "prometheus"), None)
    kiali = next(iter(_own(view, k.KIALI, mesh, namespace)), None)
    openshift = not view.missing(k.ROUTE) and (usual or view.has(k.ROUTE))
    routes = openshift
    if prometheus:
        openshift = section(prometheus.at("spec", "template", "spec", "securityContext")).get("runAsUser") is None
    if kiali:
        routes = bool(kiali.at("spec", "deployment", "ingress", "enabled"))
    elif prometheus and openshift:
        routes = view.get(k.ROUTE, "prometheus", namespace) is not None
    return {**({"mesh_openshift": openshift} if openshift != usual else {}), **({"mesh_routes": routes} if routes != openshift else {})}
