# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""mesh_control_plane of a ServiceMeshControlPlane: OpenShift Service Mesh 2."""

from __future__ import annotations

from typing import Any

from .._model import kinds as k
from .._model.fields import section, sections
from .._model.tls_names import CIPHER_SUITES, CURVES, known_as
from .._model.versions import at_least
from .._model.view import Obj, View
from .plane import GATEWAY_DEFAULTS, NORMALIZATIONS, TRACING, finished, host_and_port, scale_of, scope_of, spans
from .rest import Part, Rest, Unsaid, applied, without_defaults

__all__ = ["from_smcp"]

_MODES, _POLICIES = ("MultiTenant", "ClusterWide"), ("ALLOW_ANY", "REGISTRY_ONLY")
_TLS = ("TLSv1_2", "TLSv1_3")
_ENCODINGS = ("TEXT", "JSON")


def from_smcp(view: View, smcp: Obj) -> Part:
    """The control plane, with mesh_observability as far as its addons are it."""
    spec = Rest(applied(smcp.raw), smcp.at("status", "appliedSpec"))
    version = {"mesh_ossm2_version": str(spec.take("version") or smcp.at("status", "appliedSpec", "version", default=""))}
    notes: list[Unsaid] = []
    intent = {
        "name": smcp.name,
        "namespace": smcp.namespace,
        **_basics(spec, version["mesh_ossm2_version"]),
        "mtls": _mtls(spec),
        "certificate_authority": _authority(spec),
        "access_log": _access_log(spec),
        "tracing": _tracing(spec, view.get(k.TELEMETRY, "mesh-default", smcp.namespace), smcp, notes),
        "ingress": _gateway(spec, "gateways", "ingress"),
        "egress": _gateway(spec, "gateways", "egress"),
        "additional_ingress": _additional(spec),
        "sidecar_hosts": scope_of(view, smcp.namespace, notes),
    }
    tools = _addons(spec)
    part = finished(smcp.ref, intent, spec, version, notes)
    return Part({**part.variables, **({"mesh_observability": tools} if tools else {})}, part.notes)


def _basics(spec: Rest, version: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if spec.look("mode") in _MODES:
        found["mode"] = spec.take("mode")
    profiles = spec.look("profiles")
    if isinstance(profiles, list) and len(profiles) == 1:
        found["profile"] = spec.take("profiles")[0]
    where = ("proxy", "networking", "trafficControl", "outbound", "policy")
    if spec.in_effect(*where) in _POLICIES:
        found["outbound_traffic"] = spec.in_effect(*where)
        spec.take(*where)
    pilot = ("runtime", "components", "pilot")
    found["istiod"] = {**_pods(spec, *pilot, "deployment"), "resources": spec.take(*pilot, "container", "resources")}
    # The operator makes Routes of all Gateways where nobody says otherwise; since 2.5 it makes none.
    spec.expect("gateways", "openshiftRoute", "enabled", written=False, default=not at_least(version, "v2.5"))
    found["trust_domain"] = spec.take("security", "trust", "domain")
    if spec.look("security", "controlPlane", "tls", "minProtocolVersion") in _TLS:
        found["min_tls_version"] = spec.take("security", "controlPlane", "tls", "minProtocolVersion")
    return found | _hardened(spec)


def _hardened(spec: Rest) -> dict[str, Any]:
    """Cipher suites and curves, paths, tokens and the proxies' share of a node."""
    found: dict[str, Any] = {"proxy": {"resources": spec.take("proxy", "runtime", "container", "resources")}}
    for variable, field, table in (("tls_cipher_suites", "cipherSuites", CIPHER_SUITES), ("tls_ecdh_curves", "ecdhCurves", CURVES)):
        said = spec.look("security", "controlPlane", "tls", field)
        names = known_as(map(str, said), table) if isinstance(said, list) else None
        if names is not None:
            found[variable] = names
            spec.take("security", "controlPlane", "tls", field)
    where = ("techPreview", "meshConfig", "pathNormalization", "normalization")
    if spec.look(*where) in NORMALIZATIONS:
        found["path_normalization"] = spec.take(*where)
    words = {"ThirdParty": "third_party", "Kubernetes": "first_party"}
    csr = spec.look("security", "certificateAuthority", "type") == "cert-manager"
    if not csr and spec.look("security", "identity", "type") in words:  # istio-csr leaves no choice, and our template says it
        found["tokens"] = words[spec.take("security", "identity", "type")]
    return found


def _mtls(spec: Rest) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for side, usual in (("controlPlane", True), ("dataPlane", False)):
        value = spec.in_effect("security", side, "mtls")
        spec.take("security", side, "mtls")
        found["control_plane" if side == "controlPlane" else "data_plane"] = usual if value is None else bool(value)
    spec.expect("security", "dataPlane", "automtls", written=True, default=True)
    return found


def _authority(spec: Rest) -> dict[str, Any]:
    where = ("security", "certificateAuthority")
    if spec.look(*where, "type") != "cert-manager" or not spec.look(*where, "cert-manager", "address"):
        return {}
    spec.take(*where, "type")
    spec.expect("security", "identity", "type", written="ThirdParty", default="ThirdParty")
    return {"type": "istio_csr", "address": spec.take(*where, "cert-manager", "address")}


def _access_log(spec: Rest) -> dict[str, Any]:
    where = ("proxy", "accessLogging")
    if spec.look(*where, "file", "name") != "/dev/stdout":
        return {"enabled": False}
    spec.take(*where, "file", "name")
    found: dict[str, Any] = {"enabled": True}
    if spec.look(*where, "file", "encoding") in _ENCODINGS:
        found["encoding"] = spec.take(*where, "file", "encoding")
    service = host_and_port(spec.look(*where, "envoyService", "address"))
    if spec.look(*where, "envoyService", "enabled") is True and service:
        spec.take(*where, "envoyService", "enabled")
        spec.take(*where, "envoyService", "address")
        found["service"] = service
    return found


def _tracing(spec: Rest, telemetry: Obj | None, smcp: Obj, notes: list[Unsaid]) -> dict[str, Any]:
    kind, sampling = spec.in_effect("tracing", "type"), spec.in_effect("tracing", "sampling")
    spec.take("tracing", "type")
    share = sampling / 100 if isinstance(sampling, (int, float)) and not isinstance(sampling, bool) else None
    if kind == "Jaeger":
        spec.take("tracing", "sampling")
        return {"provider": "jaeger", "sampling": share}
    if kind not in (None, "None"):
        spec.put(kind, "tracing", "type")
        notes.append(Unsaid(smcp.ref, f"spans go to {kind}, which mesh_control_plane.tracing has no word for"))
        return {}
    providers, share = sections(spec.look("meshConfig", "extensionProviders")), spans(telemetry)
    collector = section(providers[0], "opentelemetry") if len(providers) == 1 and providers[0].get("name") == TRACING else {}
    if share is None or collector.keys() != {"service", "port"}:
        return {}
    spec.take("tracing", "sampling")
    spec.take("meshConfig", "extensionProviders")
    return {"provider": "opentelemetry", "sampling": share, "service": {"host": collector["service"], "port": collector["port"]}}


def _gateway(spec: Rest, *where: str) -> dict[str, Any]:
    enabled = spec.in_effect(*where, "enabled")
    spec.take(*where, "enabled")
    if enabled is False:
        return {"enabled": False}
    deployment = (*where, "runtime", "deployment")
    pods = _pods(spec, *deployment)
    service = spec.take(*where, "service", "type")
    found = {
        **pods,
        "service_type": service,
        "resources": spec.take(*where, "runtime", "container", "resources"),
    }
    return {key: value for key, value in found.items() if value is not None}


def _pods(spec: Rest, *deployment: str) -> dict[str, Any]:
    """How many: by an autoscaler, or a fixed number."""
    scaling = (*deployment, "autoScaling")
    if spec.look(*scaling, "enabled") is True and spec.look(*scaling, "maxReplicas") and not spec.look(*deployment, "replicas"):
        spec.take(*scaling, "enabled")
        most, least = spec.take(*scaling, "maxReplicas"), spec.take(*scaling, "minReplicas") or 1
        return {"autoscale": scale_of(max=most, min=least, cpu=spec.take(*scaling, "targetCPUUtilizationPercentage"))}
    spec.expect(*scaling, "enabled", written=False, default=False)
    return {"replicas": spec.take(*deployment, "replicas") or 1}


def _additional(spec: Rest) -> list[dict[str, Any]]:
    """Those that carry their name as both labels; others are left for spec_overrides."""
    found = []
    for name, row in sorted(section(spec.look("gateways", "additionalIngress")).items()):
        where = ("gateways", "additionalIngress", name)
        labels = {"app": name, "istio": name}
        named = section(row, "service", "metadata", "labels") == labels and section(row, "service", "selector") == labels
        if not named or section(row).get("enabled") is not True:
            continue
        spec.take(*where, "service", "metadata", "labels")
        spec.take(*where, "service", "selector")
        found.append({"name": name, **without_defaults(_gateway(spec, *where), GATEWAY_DEFAULTS)})
    return found


def _addons(spec: Rest) -> dict[str, Any]:
    """What the control plane itself brings of Prometheus, Grafana and Kiali, and the name of its Jaeger."""
    tools: dict[str, Any] = {}
    if spec.look("addons", "jaeger", "name"):
        tools["jaeger"] = {"enabled": False, "name": spec.take("addons", "jaeger", "name")}
    metrics = spec.in_effect("addons", "prometheus", "enabled") is not False
    retention = spec.take("addons", "prometheus", "install", "retention")
    if retention:
        tools["prometheus"] = {"retention": retention}
    spec.take("addons", "prometheus", "enabled")
    grafana, kiali = (spec.in_effect("addons", name, "enabled") is True for name in ("grafana", "kiali"))
    spec.take("addons", "grafana", "enabled")
    spec.take("addons", "kiali", "enabled")
    storage = ("addons", "grafana", "install", "persistence")
    size = spec.look(*storage, "capacity", "requests", "storage")
    if grafana:
        tools["grafana"] = {"enabled": True}
    if size and spec.look(*storage, "enabled") is True and spec.look(*storage, "accessMode") == "ReadWriteOnce":
        spec.take(*storage, "enabled")
        spec.take(*storage, "accessMode")
        tools["grafana"] = {"enabled": grafana, "storage": spec.take(*storage, "capacity", "requests", "storage")}
    if kiali:
        tools["kiali"] = {"enabled": True}
    spec.expect("addons", "kiali", "name", written="kiali", default="kiali")
    if not metrics:
        tools["prometheus"] = {**tools.get("prometheus", {}), "enabled": False}
    return tools
