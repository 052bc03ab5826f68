# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""mesh_control_plane of an Istio resource: OpenShift Service Mesh 3, and upstream's Sail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._model import kinds as k
from .._model.fields import section, sections
from .._model.objects import LAYER, counts_as_ours
from .._model.tls_names import CIPHER_SUITES, CURVES
from .._model.view import Obj, View
from .._multicluster.topology import topology_refusals
from .plane import GATEWAY_DEFAULTS, NORMALIZATIONS, TRACING, finished, scale_of, scope_of, spans
from .rest import Part, Rest, Unsaid, applied, without_defaults

__all__ = ["from_istio"]

_GRACE = 30
_ENCODINGS, _POLICIES = ("TEXT", "JSON"), ("ALLOW_ANY", "REGISTRY_ONLY")
_TLS = {"TLSV1_2": "TLSv1_2", "TLSV1_3": "TLSv1_3"}
_ALS = "access-log"  # what our templates call it


def from_istio(view: View, istio: Obj, mesh: str) -> Part:
    """The control plane of the mesh that is called so."""
    spec = Rest(applied(istio.raw))
    namespace = str(spec.take("namespace") or "istio-system")
    version = {"mesh_ossm3_version": str(spec.take("version") or istio.at("spec", "version", default=""))}
    telemetry = view.get(k.TELEMETRY, "mesh-default", namespace)
    notes: list[Unsaid] = []
    intent = {
        "name": istio.name,
        "namespace": namespace,
        "profile": spec.take("profile"),
        **_strategy(istio, spec, view, mesh, notes),
        "certificate_authority": _authority(spec),
        "istiod": _istiod(spec),
        "mtls": {"data_plane": _strict(view, namespace, notes)},
        **_mesh_config(spec, mesh),
        "proxy": {"resources": spec.take("values", "global", "proxy", "resources")},
        "sidecar_hosts": scope_of(view, namespace, notes),
        **_telling(spec, telemetry, namespace, notes),
        **_gateways(view, namespace, notes),
        "cni": _cni(view, version["mesh_ossm3_version"], notes),
    }
    return finished(istio.ref, intent, spec, {**version, **_topology(spec)}, notes)


def _topology(spec: Rest) -> dict[str, Any]:
    """What it is called in a mesh of several: where it says all that our template writes."""
    values = ("values", "global")
    paths = {"mesh_id": (*values, "meshID"), "cluster": (*values, "multiCluster", "clusterName"), "network": (*values, "network")}
    said = {name: spec.look(*path) for name, path in paths.items()}
    if not all(isinstance(text, str) and text for text in said.values()) or [*topology_refusals(said, "")]:
        return {}
    return {"mesh_topology": {name: str(spec.take(*path)) for name, path in paths.items()}}


def _strategy(istio: Obj, spec: Rest, view: View, mesh: str, notes: list[Unsaid]) -> dict[str, Any]:
    kind, grace = (
        spec.take("updateStrategy", "type") or "InPlace",
        spec.look("updateStrategy", "inactiveRevisionDeletionGracePeriodSeconds"),
    )
    if spec.look("updateStrategy", "updateWorkloads") is False:  # which no controller reads
        spec.take("updateStrategy", "updateWorkloads")
    if kind != "RevisionBased":
        if grace == _GRACE:  # nothing is kept when a control plane is replaced
            spec.take("updateStrategy", "inactiveRevisionDeletionGracePeriodSeconds")
        followed = _tag(view, istio)
        return {"revision_tag": followed.name} if followed is not None else {}
    spec.take("updateStrategy", "inactiveRevisionDeletionGracePeriodSeconds")
    tag = _tag(view, istio) or view.get(k.ISTIO_REVISION_TAG, mesh)
    if tag is None:
        notes.append(
            Unsaid(f"IstioRevisionTag {mesh}", "there is none of this name: install_mesh makes it, and labels the members with it")
        )
    elif tag.at("spec", "targetRef", "kind") != "Istio":
        held = tag.at("spec", "targetRef", "name", default="")
        notes.append(
            Unsaid(tag.ref, f"it stays on revision {held}, and install_mesh lets it follow the Istio resource: end the upgrade first")
        )
    return {
        "update_strategy": "RevisionBased",
        "revision_grace_seconds": None if grace in (None, _GRACE) else grace,
        "revision_tag": tag.name if tag is not None and tag.name != mesh else None,
    }


def _tag(view: View, istio: Obj) -> Obj | None:
    """The tag of ours that follows this Istio resource, or one of its revisions."""
    for tag in view.of(k.ISTIO_REVISION_TAG):
        target = str(tag.at("spec", "targetRef", "name", default=""))
        revision = view.get(k.ISTIO_REVISION, target)
        owners = revision.items("metadata", "ownerReferences") if revision is not None else []
        if counts_as_ours(tag.raw) and (target == istio.name or any(owner.get("name") == istio.name for owner in owners)):
            return tag
    return None


def _authority(spec: Rest) -> dict[str, Any]:
    env = str(section(spec.look("values", "pilot", "env")).get("ENABLE_CA_SERVER", "")).lower()
    if env != "false" or not spec.look("values", "global", "caAddress"):
        return {}
    spec.take("values", "pilot", "env", "ENABLE_CA_SERVER")
    return {"type": "istio_csr", "address": spec.take("values", "global", "caAddress")}


def _istiod(spec: Rest) -> dict[str, Any]:
    pilot = ("values", "pilot")
    if spec.look(*pilot, "autoscaleEnabled") is True and spec.look(*pilot, "autoscaleMax") and not spec.look(*pilot, "replicaCount"):
        spec.take(*pilot, "autoscaleEnabled")
        least = spec.take(*pilot, "autoscaleMin") or 1
        most = spec.take(*pilot, "autoscaleMax")
        cpu, memory = (spec.take(*pilot, what, "targetAverageUtilization") for what in ("cpu", "memory"))
        if least == 1:
            spec.expect("values", "global", "defaultPodDisruptionBudget", "enabled", written=False, default=True)
        return {"autoscale": scale_of(min=least, max=most, cpu=cpu, memory=memory), "resources": spec.take(*pilot, "resources")}
    replicas = spec.take("values", "pilot", "replicaCount") or 1
    spec.expect("values", "pilot", "autoscaleEnabled", written=False, default=True)
    if replicas == 1:  # our template takes the disruption budget away then
        spec.expect("values", "global", "defaultPodDisruptionBudget", "enabled", written=False, default=True)
    return {"replicas": replicas, "resources": spec.take("values", "pilot", "resources")}


def _scaler(view: View, row: Obj) -> dict[str, Any]:
    """What the autoscaler of a gateway says, as far as our template writes it."""
    found = view.get(k.HORIZONTAL_POD_AUTOSCALER, row.name, row.namespace)
    if found is None or not counts_as_ours(found.raw):
        return {}
    rows = [section(one, "resource") for one in sections(found.at("spec", "metrics"))]
    use = {str(one.get("name")): section(one, "target").get("averageUtilization") for one in rows}
    spec = section(found.raw, "spec")
    return scale_of(min=spec.get("minReplicas"), max=spec.get("maxReplicas"), cpu=use.get("cpu"), memory=use.get("memory"))


def _mesh_config(spec: Rest, mesh: str) -> dict[str, Any]:
    config = ("values", "meshConfig")
    ours = [{"matchLabels": {"istio-discovery": mesh}}]
    selectors = spec.look(*config, "discoverySelectors")
    more = [dict(one) for one in sections(selectors)[1:]] if sections(selectors)[:1] == ours else []
    spec.expect(*config, "discoverySelectors", written=ours + more, default=[])
    spec.expect(*config, "enableAutoMtls", written=True, default=True)
    found: dict[str, Any] = {"trust_domain": spec.take(*config, "trustDomain"), "discovery_selectors": more or None}
    if spec.look(*config, "outboundTrafficPolicy", "mode") in _POLICIES:
        found["outbound_traffic"] = spec.take(*config, "outboundTrafficPolicy", "mode")
    if spec.look(*config, "meshMTLS", "minProtocolVersion") in _TLS:
        found["min_tls_version"] = _TLS[spec.take(*config, "meshMTLS", "minProtocolVersion")]
    if spec.look(*config, "pathNormalization", "normalization") in NORMALIZATIONS:
        found["path_normalization"] = spec.take(*config, "pathNormalization", "normalization")
    inside, outside = (spec.look(*config, part, "cipherSuites") for part in ("meshMTLS", "tlsDefaults"))
    if isinstance(inside, list) and inside == outside and set(inside) <= CIPHER_SUITES.keys():
        found["tls_cipher_suites"] = spec.take(*config, "meshMTLS", "cipherSuites")
        spec.take(*config, "tlsDefaults", "cipherSuites")
    curves = spec.look(*config, "tlsDefaults", "ecdhCurves")
    if isinstance(curves, list) and set(curves) <= CURVES.keys():
        found["tls_ecdh_curves"] = spec.take(*config, "tlsDefaults", "ecdhCurves")
    return found


def _telling(spec: Rest, telemetry: Obj | None, namespace: str, notes: list[Unsaid]) -> dict[str, Any]:
    """Access logs and spans."""
    config = ("values", "meshConfig")
    providers = {str(one.get("name")): one for one in sections(spec.look(*config, "extensionProviders"))}
    log: dict[str, Any] = {"enabled": False}
    if spec.look(*config, "accessLogFile") == "/dev/stdout":
        spec.take(*config, "accessLogFile")
        log["enabled"] = True
        if spec.look(*config, "accessLogEncoding") in _ENCODINGS:
            log["encoding"] = spec.take(*config, "accessLogEncoding")
        log["service"] = _service(providers.get(_ALS), "envoyHttpAls")
    sampling, enabled = spans(telemetry), bool(spec.take(*config, "enableTracing"))
    collector = _service(providers.get(TRACING), "opentelemetry")
    traced = collector is not None and enabled and sampling is not None
    known = {*([_ALS] if log.get("service") else []), *([TRACING] if traced else [])}
    if providers.keys() == known:
        spec.take(*config, "extensionProviders")
    if not traced and enabled:  # our template says of a mesh without a provider of ours that it does not trace
        spec.put(True, *config, "enableTracing")
    if telemetry and not traced and telemetry.at("spec", "tracing"):
        notes.append(
            Unsaid(telemetry.ref, "its tracing is not by a provider of the name tracing: it stays as it is, and no variable says it")
        )
    tracing = {"provider": "opentelemetry", "sampling": sampling, "service": collector} if traced else {}
    return {"access_log": log, "tracing": tracing}


def _service(provider: Mapping[str, Any] | None, kind: str) -> dict[str, Any] | None:
    """The host and port of a provider that says nothing else."""
    found = section(provider, kind)
    if provider is None or provider.keys() != {"name", kind} or found.keys() != {"service", "port"}:
        return None
    return {"host": found["service"], "port": found["port"]}


def _strict(view: View, namespace: str, notes: list[Unsaid]) -> bool:
    policy = view.get(k.PEER_AUTHENTICATION, "default", namespace)
    if policy is None:
        notes.append(
            Unsaid(f"PeerAuthentication {namespace}/default", "there is none: install_mesh makes one that accepts what was accepted before")
        )
        return False
    others = set(section(policy.raw, "spec")) - {"mtls"}
    if others:
        notes.append(Unsaid(policy.ref, f"no variable says its {', '.join(sorted(others))}: install_mesh sets the mode only"))
    return bool(policy.at("spec", "mtls", "mode") == "STRICT")


def _gateways(view: View, namespace: str, notes: list[Unsaid]) -> dict[str, Any]:
    """The gateways that our template makes, by their names; what is elsewhere or of another make is named."""
    found: dict[str, Any] = {"ingress": {"enabled": False}, "egress": {"enabled": False}}
    more = []
    for row in view.of(k.DEPLOYMENT):
        labels = section(row.at("spec", "template", "metadata", "labels"))
        if section(row.at("spec", "template", "metadata", "annotations")).get("inject.istio.io/templates") != "gateway":
            continue
        if counts_as_ours(row.raw) and row.labels.get(LAYER) == "multicluster":  # connect_clusters makes it of mesh_topology
            continue
        kind = str(labels.get("istio") or "").removesuffix("gateway")
        if row.namespace == namespace and kind in found and row.name == f"istio-{kind}gateway":
            found[kind] = without_defaults(_gateway(view, row), GATEWAY_DEFAULTS)
        elif row.namespace == namespace and labels.get("istio") == labels.get("app") == row.name:
            more.append({"name": row.name, **without_defaults(_gateway(view, row), GATEWAY_DEFAULTS)})
        else:
            notes.append(Unsaid(row.ref, "a gateway that no variable has a word for: it stays as it is"))
    return {**found, "additional_ingress": more}


def _gateway(view: View, row: Obj) -> dict[str, Any]:
    containers = sections(row.at("spec", "template", "spec", "containers"))
    proxy = next((one for one in containers if one.get("name") == "istio-proxy"), {})
    service = view.get(k.SERVICE, row.name, row.namespace)
    return {
        "enabled": True,
        **({"autoscale": scale} if (scale := _scaler(view, row)) else {"replicas": row.at("spec", "replicas", default=1)}),
        "resources": proxy.get("resources") or {},
        "service_type": service.at("spec", "type", default="ClusterIP") if service else "ClusterIP",
    }


def _cni(view: View, version: str, notes: list[Unsaid]) -> dict[str, Any]:
    plugin = view.get(k.ISTIO_CNI, "default")
    if plugin is None or not counts_as_ours(plugin.raw):
        return {"manage": False}
    if plugin.at("spec", "version") != version:
        notes.append(Unsaid(plugin.ref, f"its version is {plugin.at('spec', 'version')}, and install_mesh makes it {version}"))
    return {"namespace": plugin.at("spec", "namespace", default="istio-cni")}
