# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What both generations have in common of mesh_control_plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._model import kinds as k
from .._model.fields import sections
from .._model.secrecy import masked
from .._model.view import Obj, View
from .rest import Part, Rest, Unsaid, leaves, without_defaults

__all__ = ["DEFAULTS", "GATEWAY_DEFAULTS", "NORMALIZATIONS", "TRACING", "finished", "host_and_port", "scale_of", "scope_of", "spans"]

GATEWAY_DEFAULTS: Mapping[str, Any] = {"enabled": True, "replicas": 1, "resources": {}, "service_type": "ClusterIP"}
# What mesh_control_plane means where it says nothing: as vars/main.yml of the role control_plane has it, and a test compares them.
DEFAULTS: Mapping[str, Any] = {
    "update_strategy": "InPlace",
    "istiod": {"replicas": 1, "resources": {}},
    "ingress": GATEWAY_DEFAULTS,
    "egress": GATEWAY_DEFAULTS,
    "additional_ingress": [],
    "proxy": {"resources": {}},
    "sidecar_hosts": [],
    "mtls": {"control_plane": True, "data_plane": True},
    "outbound_traffic": "ALLOW_ANY",
    "access_log": {"enabled": False, "encoding": "TEXT"},
    "tracing": {"provider": "none", "sampling": 1},
    "certificate_authority": {"type": "istiod", "address": "cert-manager-istio-csr.istio-csr.svc:443"},
    "cni": {"manage": True, "namespace": "istio-cni"},
    "spec_overrides": {},
}
TRACING = "tracing"  # what our templates call the provider of spans

NORMALIZATIONS = ("NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES")


def scale_of(**given: Any) -> dict[str, Any]:
    """An autoscaler as `autoscale` says it: without the usual values."""
    usual = {"min": 1, "cpu": 80, "memory": 0}
    return {key: value for key, value in given.items() if value is not None and value != usual.get(key)}


def scope_of(view: View, namespace: str, notes: list[Unsaid]) -> list[str] | None:
    """What the root namespace's own Sidecar lets proxies know of; one that says more than our template writes is named instead."""
    sidecar = view.get(k.SIDECAR, "default", namespace)
    if sidecar is None:
        return None
    hosts = [one.get("hosts") for one in sections(sidecar.at("spec", "egress"))]
    if len(hosts) != 1 or not isinstance(hosts[0], list) or sidecar.at("spec") != {"egress": [{"hosts": hosts[0]}]}:
        notes.append(Unsaid(sidecar.ref, "sidecar_hosts does not say it: it stays as it is"))
        return None
    return [str(host) for host in hosts[0]]


def spans(telemetry: Obj | None) -> float | None:
    """The percentage of requests that the mesh's own Telemetry samples; None where it says nothing that a variable says."""
    rows = sections(telemetry.at("spec", "tracing")) if telemetry else []
    if len(rows) != 1 or [one.get("name") for one in sections(rows[0].get("providers"))] != [TRACING]:
        return None
    value = rows[0].get("randomSamplingPercentage")
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def host_and_port(address: Any) -> dict[str, Any] | None:
    """Of HOST:PORT."""
    host, colon, port = str(address or "").rpartition(":")
    return {"host": host, "port": int(port)} if colon and host and port.isdecimal() else None


def finished(about: str, intent: Mapping[str, Any], rest: Rest, version: dict[str, Any], notes: list[Unsaid]) -> Part:
    """mesh_control_plane without what is the default, and what is left of the spec as spec_overrides; nothing that may be a secret."""
    kept, secret = _without_secrets(rest.overrides())
    ours, over = rest.over_ours(), "install_mesh would write another value, so what holds now is in mesh_control_plane.spec_overrides"
    here = "no variable has a word for it: it is in mesh_control_plane.spec_overrides"
    gone = (
        "it may be a secret, so it was not written: add it to mesh_control_plane.spec_overrides from a vault, or install_mesh takes it away"
    )
    notes = [
        *(Unsaid(f"{about} spec.{path}", over if path in ours else here) for path, _value in leaves(kept) if path),
        *(Unsaid(f"{about} spec.{path}", gone) for path in secret),
        *notes,
    ]
    plane = without_defaults(intent, DEFAULTS)
    return Part({**version, "mesh_control_plane": {**plane, **({"spec_overrides": kept} if kept else {})}}, notes)


def _without_secrets(value: Mapping[str, Any], path: str = "") -> tuple[dict[str, Any], list[str]]:
    """The settings, and the paths of those that may be secrets. A component's environment is mostly flags: each is judged by itself."""
    kept: dict[str, Any] = {}
    secret: list[str] = []
    for key, item in value.items():
        where, alone = f"{path}.{key}" if path else str(key), {"variables" if key == "env" else str(key): item}
        if isinstance(item, Mapping) and item:
            below, found = _without_secrets(item, where)
            secret += found
            kept |= {key: below} if below else {}
        elif masked(alone) == alone:
            kept[key] = item
        else:
            secret.append(where)
    return kept, secret
