# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The objects of the new control plane, by the layers in which they are applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._model.snapshot import Snapshot
from .affinity import affinity
from .convert import Converted, at
from .gateways import MigratedGateway, gateways_of
from .gateways import objects_of as gateway_objects
from .settings import DISCOVERY, IGNORE, OWNER, OWNER_NAME, REVISION, MigrationSettings, Plane

__all__ = ["FINAL", "LAYERS", "Layers", "layers_of", "moving_labels", "network_policies", "owned", "selectors_of"]

Obj = dict[str, Any]
# In this order. FINAL ones only once OSSM 2 is gone: before, the same names or mesh-wide settings are the operator's.
LAYERS = (
    "migration_networks",
    "migration_control_plane",
    "migration_mesh",
    "migration_gateways",
    "migration_services",
    "migration_observability",
    "migration_members",
)
FINAL = ("migration_final",)
Layers = dict[str, list[Obj]]
_AFFINITY = (("nodeAffinity", "node"), ("podAffinity", "pod"), ("podAntiAffinity", "pod_anti"))
_GUARD, _TRACING_PORT = "migration-mtls", 9411


def owned(obj: Mapping[str, Any] | None, plane: Plane) -> bool:
    """Whether the operator of OSSM 2 made it for this control plane, and takes it away with it."""
    if obj is None:
        return False
    meta = obj.get("metadata") or {}
    labels = meta.get("labels") or {}
    references = meta.get("ownerReferences") or []
    return labels.get("maistra.io/owner") == plane.namespace or any(
        one.get("kind") == "ServiceMeshControlPlane" and one.get("name") == plane.name for one in references
    )


def layers_of(snapshot: Snapshot, plane: Plane, converted: Converted, settings: MigrationSettings, members: Iterable[str]) -> Layers:
    """Everything, by layer; a layer may be empty."""
    spaces = sorted(members)
    tracing = _tracing(snapshot, plane, converted, settings)
    gateways = gateways_of(snapshot, plane, converted)
    layers: Layers = {
        "migration_networks": network_policies(plane, converted, settings, spaces, gateways),
        "migration_control_plane": _control_plane(snapshot, plane, converted, settings, tracing),
        "migration_mesh": _mesh(snapshot, plane, converted, settings, tracing, revision=settings.revision(plane)),
        "migration_observability": [*_kiali(snapshot, plane, converted, settings, tracing)],
        "migration_final": [*_mesh(snapshot, plane, converted, settings, tracing, revision=""), *_jaeger(snapshot, plane, converted)],
        "migration_members": [_root(plane, settings), *(_member(space, plane, settings) for space in spaces)],
    }
    new: list[Obj] = []
    taken: list[Obj] = []
    for gateway in gateways:
        made, kept = gateway_objects(gateway, plane, settings)
        new += made
        taken += kept
    return {**layers, "migration_gateways": new, "migration_services": taken}


def sees_all(plane: Plane, converted: Converted, settings: MigrationSettings) -> bool:
    """Whether the new istiod is to see every namespace: it has to see at least what the old one sees."""
    if settings.discovery != "auto":
        return settings.discovery == "all"
    return plane.cluster_wide and not at(converted.values, "meshConfig.discoverySelectors")


def _member(space: str, plane: Plane, settings: MigrationSettings) -> Obj:
    labels = {DISCOVERY: settings.mesh, REVISION: settings.label(plane)}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space, "labels": labels}}


def selectors_of(plane: Plane, converted: Converted, settings: MigrationSettings) -> list[Obj] | None:
    """The discovery selectors of the new control plane; None where it sees all namespaces."""
    said: list[Obj] | None = at(converted.values, "meshConfig.discoverySelectors")
    if said:
        return said
    return None if sees_all(plane, converted, settings) else [{"matchLabels": {DISCOVERY: settings.mesh}}]


def _root(plane: Plane, settings: MigrationSettings) -> Obj:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": plane.namespace, "labels": {DISCOVERY: settings.mesh}}}


# control plane


def _control_plane(snapshot: Snapshot, plane: Plane, converted: Converted, settings: MigrationSettings, tracing: Obj | None) -> list[Obj]:
    made: list[Obj] = []
    if not snapshot.of("IstioCNI"):
        # one per cluster: where another mesh has it, it is left as it is
        labels = {"pod-security.kubernetes.io/enforce": "privileged"}
        made.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": settings.cni_namespace, "labels": labels}})
        made.append(
            {
                "apiVersion": "sailoperator.io/v1",
                "kind": "IstioCNI",
                "metadata": {"name": "default"},
                "spec": {"version": settings.version, "namespace": settings.cni_namespace},
            }
        )
    values = {**converted.values, "meshConfig": dict(converted.values.get("meshConfig") or {})}
    mesh = values["meshConfig"]
    selectors = selectors_of(plane, converted, settings)
    if selectors:
        mesh["discoverySelectors"] = selectors
    if tracing:
        names = [one.get("name") for one in mesh.get("extensionProviders") or []]
        if tracing["name"] not in names:
            mesh["extensionProviders"] = [*(mesh.get("extensionProviders") or []), tracing]
        mesh["enableTracing"] = True
    if int(at(values, "pilot.replicaCount", 1)) == 1 and not at(values, "pilot.autoscaleEnabled", False):
        # a disruption budget of one pod would never let a node be drained
        overall = values["global"] = dict(values.get("global") or {})
        overall.setdefault("defaultPodDisruptionBudget", {"enabled": False})
    spec: Obj = {"version": settings.version, "namespace": plane.namespace, "updateStrategy": {"type": settings.strategy}, "values": values}
    made.append({"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": settings.istio(plane)}, "spec": spec})
    if settings.strategy == "RevisionBased":
        made.append(
            {
                "apiVersion": "sailoperator.io/v1",
                "kind": "IstioRevisionTag",
                "metadata": {"name": settings.label(plane)},
                "spec": {"targetRef": {"kind": "Istio", "name": settings.istio(plane)}},
            }
        )
    return made


# what is said for the whole mesh


def _mesh(
    snapshot: Snapshot, plane: Plane, converted: Converted, settings: MigrationSettings, tracing: Obj | None, *, revision: str
) -> list[Obj]:
    """revision: only its istiod reads them, so that nothing changes for proxies of OSSM 2; the PeerAuthentication is for both."""
    mark: Obj = {"labels": {REVISION: revision}} if revision else {}
    made: list[Obj] = []
    live = snapshot.get("PeerAuthentication", "default", plane.namespace)
    if converted.at("security.dataPlane.mtls") and (live is None or owned(live, plane) or _ours(live)):
        # the operator's own "default" goes with the ServiceMeshControlPlane; this one is there before, so mutual TLS never lapses
        name = "default" if not revision and snapshot.source == "manifests" else _GUARD
        made.append(
            {
                "apiVersion": "security.istio.io/v1",
                "kind": "PeerAuthentication",
                "metadata": {"name": name, "namespace": plane.namespace},
                "spec": {"mtls": {"mode": "STRICT"}},
            }
        )
    telemetry: Obj = {}
    if tracing and not _telemetry_there(snapshot, plane, "tracing"):
        entry: Obj = {"providers": [{"name": tracing["name"]}]}
        sampling = converted.at("tracing.sampling")
        if sampling is not None:
            # hundredths of a per cent
            entry["randomSamplingPercentage"] = float(sampling) / 100
        telemetry["tracing"] = [entry]
    if telemetry:
        made.append(
            {
                "apiVersion": "telemetry.istio.io/v1",
                "kind": "Telemetry",
                "metadata": {"name": "mesh-default", "namespace": plane.namespace, **mark},
                "spec": telemetry,
            }
        )
    return made


def _ours(obj: Mapping[str, Any]) -> bool:
    """Of an earlier run of the migration."""
    return str((obj["metadata"].get("labels") or {}).get("mesh.meshops.io/layer", "")).startswith("migration_")


def _telemetry_there(snapshot: Snapshot, plane: Plane, what: str) -> bool:
    """Somebody's Telemetry for the whole mesh already says it; a second one would be ignored or win by its age."""
    for obj in snapshot.of("Telemetry", namespace=plane.namespace):
        spec = obj.get("spec") or {}
        if not _ours(obj) and not spec.get("selector") and not spec.get("targetRefs") and spec.get(what):
            return True
    return False


# tracing


def _tracing(snapshot: Snapshot, plane: Plane, converted: Converted, settings: MigrationSettings) -> Obj | None:
    """The extension provider; None where nothing is traced, or a provider of the resource's own is used."""
    if settings.tracing == "none":
        return None
    if settings.tracing == "opentelemetry":
        return {"name": "tracing", "opentelemetry": {"service": settings.tracing_host, "port": settings.tracing_port}}
    if converted.at("tracing.type") != "Jaeger":
        return None
    jaeger = converted.at("addons.jaeger.name", "jaeger")
    return {"name": "tracing", "zipkin": {"service": f"{jaeger}-collector.{plane.namespace}.svc.cluster.local", "port": _TRACING_PORT}}


def _jaeger(snapshot: Snapshot, plane: Plane, converted: Converted) -> list[Obj]:
    """The one that goes with the ServiceMeshControlPlane. On a cluster the operator only lets go of it, and no trace is lost."""
    name = converted.at("addons.jaeger.name", "jaeger")
    if converted.at("tracing.type") != "Jaeger" or snapshot.source != "manifests" or snapshot.get("Jaeger", name, plane.namespace):
        return []
    install = converted.at("addons.jaeger.install", {})
    elastic = at(install, "storage.type", "Memory") == "Elasticsearch"
    spec: Obj = {"strategy": "production" if elastic else "allInOne", "ingress": {"enabled": bool(at(install, "ingress.enabled", True))}}
    if elastic:
        said = at(install, "storage.elasticsearch", {})
        kept = {key: said[key] for key in ("nodeCount", "redundancyPolicy", "storage") if said.get(key)}
        spec["storage"] = {"type": "elasticsearch", "elasticsearch": kept}
        if said.get("indexCleaner"):
            spec["storage"]["esIndexCleaner"] = said["indexCleaner"]
    else:
        options = {"memory": {"max-traces": int(at(install, "storage.memory.maxTraces", 100000))}}
        spec["storage"] = {"type": "memory", "options": options}
    return [{"apiVersion": "jaegertracing.io/v1", "kind": "Jaeger", "metadata": {"name": name, "namespace": plane.namespace}, "spec": spec}]


# Kiali


def _kiali(snapshot: Snapshot, plane: Plane, converted: Converted, settings: MigrationSettings, tracing: Obj | None) -> list[Obj]:
    name = str(converted.at("addons.kiali.name", "kiali"))
    live = snapshot.get("Kiali", name, plane.namespace)
    if not converted.at("addons.kiali.enabled") or (live is not None and not owned(live, plane)):
        return []
    said = converted.at("addons.kiali.install", {})
    deployment: Obj = {
        "namespace": plane.namespace,
        "instance_name": name,
        "cluster_wide_access": sees_all(plane, converted, settings),
        "ingress": {"enabled": bool(at(said, "service.ingress.enabled", True))},
    }
    if not deployment["cluster_wide_access"]:
        deployment["discovery_selectors"] = {"default": [{"matchLabels": {DISCOVERY: settings.mesh}}]}
    for there, here in (
        ("dashboard.viewOnly", "view_only_mode"),
        ("deployment.resources", "resources"),
        ("deployment.nodeSelector", "node_selector"),
        ("deployment.tolerations", "tolerations"),
    ):
        if at(said, there) is not None:
            deployment[here] = at(said, there)
    if at(said, "deployment.affinity"):
        placed = affinity(at(said, "deployment.affinity"))
        deployment["affinity"] = {there: placed[here] for here, there in _AFFINITY if placed.get(here)}
    prometheus = converted.at("addons.prometheus.address") or f"http://prometheus.{plane.namespace}.svc.cluster.local:9090"
    traced = tracing is not None and at(said, "dashboard.enableTracing", True)
    external: Obj = {
        "istio": {"root_namespace": plane.namespace},
        "prometheus": {"url": prometheus},
        "grafana": {"enabled": False},
        "tracing": {"enabled": bool(traced)},
    }
    if traced and tracing and "zipkin" in tracing:
        jaeger = converted.at("addons.jaeger.name", "jaeger")
        external["tracing"] |= {
            "provider": "jaeger",
            "use_grpc": True,
            "internal_url": f"http://{jaeger}-query.{plane.namespace}.svc.cluster.local:16685",
        }
    if at(said, "dashboard.enableGrafana") and converted.at("addons.grafana.address"):
        external["grafana"] = {"enabled": True, "internal_url": converted.at("addons.grafana.address")}
    spec: Obj = {"version": "default", "istio_namespace": plane.namespace, "deployment": deployment, "external_services": external}
    if at(said, "service.ingress.contextPath"):
        spec["server"] = {"web_root": at(said, "service.ingress.contextPath")}
    return [{"apiVersion": "kiali.io/v1alpha1", "kind": "Kiali", "metadata": {"name": name, "namespace": plane.namespace}, "spec": spec}]


# network policies


def network_policies(
    plane: Plane, converted: Converted, settings: MigrationSettings, members: list[str], gateways: Iterable[MigratedGateway] = ()
) -> list[Obj]:
    """Those that the operator keeps where manageNetworkPolicy is on, by a label that stays, and one that lets the new istiod be reached.

    The operator's let in whom the label maistra.io/member-of names, which goes with the ServiceMeshControlPlane, as they do themselves.
    """
    if not converted.at("security.manageNetworkPolicy"):
        return []
    made = [_policy("mesh-istiod", plane.namespace, {"app": "istiod"}, [{}])]
    inside = [{"from": [{"namespaceSelector": {"matchLabels": {DISCOVERY: settings.mesh}}}]}]
    router = [{"from": [{"namespaceSelector": {"matchLabels": {"network.openshift.io/policy-group": "ingress"}}}]}]
    for space in (plane.namespace, *members):
        made.append(_policy("mesh-members", space, {}, inside))
        made.append(_policy("mesh-expose-route", space, {"maistra.io/expose-route": "true"}, router))
    for gateway in gateways:
        if gateway.kind == "ingress":
            # the operator opens each of its ingress gateways to everybody
            pods = {key: value for key, value in gateway.labels.items() if key not in (OWNER, OWNER_NAME)}
            made.append(_policy(f"mesh-{gateway.name}", gateway.namespace, pods, [{}]))
    return made


def _policy(name: str, namespace: str, pods: Mapping[str, str], ingress: list[Obj]) -> Obj:
    selector: Obj = {"matchLabels": dict(pods)} if pods else {}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": selector, "ingress": ingress, "policyTypes": ["Ingress"]},
    }


def moving_labels(label: str, mesh: str) -> dict[str, str | None]:
    """What a namespace carries while its pods are the new control plane's and OSSM 2 is still there."""
    return {DISCOVERY: mesh, REVISION: label, IGNORE: "true", "istio-injection": None}
