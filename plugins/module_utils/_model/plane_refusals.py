# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What mesh_control_plane cannot mean: names and ranges, and fields that only some generations or versions have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._text import shown
from .fields import section, sections
from .names import LABEL, SERVICE
from .versions import at_least

__all__ = ["FIELDS", "plane_refusals"]

_TAKEN = frozenset({"istio-ingressgateway", "istio-egressgateway", "ingressgateway", "egressgateway"})
_ANY = object()


@dataclass(frozen=True)
class _Field:
    """A field, or one value of it, and since which version each generation has it."""

    path: tuple[str, ...]
    since: Mapping[str, str]
    reason: str
    value: Any = _ANY


FIELDS = (
    _Field(("update_strategy",), {"ossm3": "v1.0"}, "A ServiceMeshControlPlane is always updated in place.", "RevisionBased"),
    _Field(("revision_tag",), {"ossm3": "v1.0"}, "A ServiceMeshControlPlane has no revisions that a tag could lead to."),
    _Field(
        ("discovery_selectors",),
        {"ossm3": "v1.0"},
        "A ServiceMeshControlPlane sees its members: name them in mesh_domains.",
    ),
    _Field(("revision_grace_seconds",), {"ossm3": "v1.0"}, "A ServiceMeshControlPlane has no revisions that are kept."),
    _Field(
        ("certificate_authority", "type"),
        {"ossm2": "v2.4", "ossm3": "v1.0"},
        "cert-manager and istio-csr came with OpenShift Service Mesh 2.4.",
        "istio_csr",
    ),
    _Field(("cni",), {"ossm3": "v1.0"}, "The operator of OpenShift Service Mesh 2 runs the CNI plugin itself."),
    _Field(
        ("tokens",),
        {"ossm2": "v2.0"},
        "Since OpenShift Service Mesh 3 istiod takes tokens only that were made for it.",
        "first_party",
    ),
    _Field(
        ("mtls", "control_plane"),
        {"ossm2": "v2.0"},
        "Since OpenShift Service Mesh 3 the control plane always speaks mutual TLS.",
        False,
    ),
    _Field(
        ("mode",),
        {"ossm2": "v2.0"},
        "An Istio resource has no mode; several Istio resources share a cluster by their discovery selectors.",
        "MultiTenant",
    ),
    _Field(
        ("mode",),
        {"ossm2": "v2.4"},
        "ClusterWide came with OpenShift Service Mesh 2.4; an Istio resource is always cluster-wide.",
        "ClusterWide",
    ),
    _Field(
        ("tracing", "provider"),
        {"ossm2": "v2.6", "ossm3": "v1.0"},
        "OpenTelemetry as a tracing provider came with OpenShift Service Mesh 2.6.",
        "opentelemetry",
    ),
)


def plane_refusals(given: Mapping[str, Any], meant: Mapping[str, Any], *, mesh: Any, provider: str, version: str) -> list[str]:
    """A sentence for each thing that has to be refused before anything changes. given: as it was said; meant: with the defaults."""
    return [
        *_names(meant, mesh),
        *_gateways(meant),
        *_ranges(meant),
        *_scaling(given, provider),
        *_tag(meant),
        *_version(provider, version),
        *_fields(given, provider, version),
    ]


def _names(meant: Mapping[str, Any], mesh: Any) -> Iterator[str]:
    rows = {"mesh_name": mesh, "mesh_control_plane.name": meant["name"], "mesh_control_plane.namespace": meant["namespace"]}
    for option, value in rows.items():
        if not LABEL.fullmatch(str(value)):
            yield (
                f'{option} is "{shown(value)}", which Kubernetes takes for no name: use lower-case letters, digits and dashes, at most 63.'
            )


def _gateways(meant: Mapping[str, Any]) -> Iterator[str]:
    names = [str(one["name"]) for one in meant["additional_ingress"]]
    if len(set(names)) != len(names) or _TAKEN & set(names) or not all(map(SERVICE.fullmatch, names)):
        yield (
            f"mesh_control_plane.additional_ingress has the names {', '.join(map(shown, names))}: each must be another one, "
            "none that of the ingress or egress gateway, and all in lower-case letters, digits and dashes, a letter first, at most 63."
        )


def _ranges(meant: Mapping[str, Any]) -> Iterator[str]:
    sampling, replicas = meant["tracing"]["sampling"], meant["istiod"]["replicas"]
    if not 0 <= float(sampling) <= 100:
        yield f"mesh_control_plane.tracing.sampling is {sampling}, expected a percentage between 0 and 100."
    for number, host in enumerate(meant.get("sidecar_hosts") or []):
        namespace, slash, name = str(host).partition("/")
        if not slash or not namespace or not name or "/" in name:
            yield (
                f"mesh_control_plane.sidecar_hosts[{number}] is {shown(host)}, expected NAMESPACE/HOST: ./* for the own namespace, "
                "shop/* for all of shop."
            )
    if meant.get("tokens") == "first_party" and section(meant, "certificate_authority").get("type") == "istio_csr":
        yield "mesh_control_plane.tokens is first_party, and istio-csr takes tokens only that were made for it: leave tokens out."
    if int(replicas) < 1:
        yield f"mesh_control_plane.istiod.replicas is {replicas}, expected at least 1."


def _scaling(given: Mapping[str, Any], provider: str) -> Iterator[str]:
    """Between how many pods, and by what."""
    more = {f"additional_ingress[{number}]": one for number, one in enumerate(sections(given.get("additional_ingress")))}
    for where, part in {**{name: section(given, name) for name in ("istiod", "ingress", "egress")}, **more}.items():
        scale = section(part, "autoscale")
        if not scale:
            continue
        path, least, most = f"mesh_control_plane.{where}", int(scale.get("min") or 1), int(scale.get("max") or 0)
        if not 1 <= least <= most:
            yield f"{path}.autoscale is from {least} to {most}, expected pods from at least 1 to a max that is not below min."
        if "replicas" in part:
            yield f"{path} has both replicas and autoscale, which would take turns to set the number of pods: keep one of them."
        if provider == "ossm2" and "memory" in scale:
            yield f"{path}.autoscale.memory is not available in ossm2: a ServiceMeshControlPlane scales by CPU only. Remove it."


def _tag(meant: Mapping[str, Any]) -> Iterator[str]:
    """The operator refuses a tag that is called as a revision is."""
    tag = meant.get("revision_tag")
    if tag and meant.get("update_strategy") == "InPlace" and str(tag) == str(meant["name"]):
        yield (
            f"mesh_control_plane.revision_tag is {shown(tag)}, and so is the only revision called: labels that name it need no tag. "
            "Remove it, or call the control plane otherwise."
        )


def _version(provider: str, version: str) -> Iterator[str]:
    """The operators list their versions with a v; the API server refuses 1.27.3, after the layers before it are written."""
    if version[:1].isdigit():
        yield f"the version of the control plane is {shown(version)} ({provider}); did you mean v{shown(version)}?"


def _fields(given: Mapping[str, Any], provider: str, version: str) -> Iterator[str]:
    generation = "ossm2" if provider == "ossm2" else "ossm3"
    for field in FIELDS:
        parent: Any = given if len(field.path) == 1 else given.get(field.path[0])
        if not isinstance(parent, Mapping) or field.path[-1] not in parent:
            continue
        value, since = parent[field.path[-1]], field.since.get(generation)
        if (field.value is _ANY or value == field.value) and not (since and at_least(version, since)):
            with_value = "" if field.value is _ANY else f" with the value {field.value}"
            yield (
                f"mesh_control_plane.{'.'.join(field.path)}{with_value} is not available in {provider} {shown(version)}: "
                f"{field.reason} Remove it from the inventory or change the value."
            )
