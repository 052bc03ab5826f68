# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The variables that a living mesh corresponds to, with everything named that they do not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._discovery.discover import READS as DISCOVERED_BY
from .._discovery.discover import discover
from .._discovery.model import DiscoveredMesh
from .._errors import ConfigError
from .._model import kinds as k
from .._model.enrolment import BY_PODS
from .._model.intent import ISTIO_ONLY
from .._model.objects import LAYER, MESH, counts_as_ours
from .._model.view import Obj, View
from .._text import shortened
from .applications import applications_of
from .gateways import gateways_of
from .members import domains_of, in_order
from .operators import operators_of
from .people import CLUSTER_ROLE_BINDING, personas_of
from .plane_istio import from_istio
from .plane_smcp import from_smcp
from .rest import Part, Unsaid
from .tools import VOLUMES, collector_of, openshift_of, tools_of_mesh

__all__ = ["READS", "VOLUMES", "read_mesh"]

# All that is looked at.
READS = tuple(dict.fromkeys((
    *DISCOVERED_BY, CLUSTER_ROLE_BINDING, k.ROLE_BINDING, k.CONFIG_MAP, k.DEPLOYMENT, k.GATEWAY, k.VIRTUAL_SERVICE, k.ISTIO_CNI, k.SMCP,
    k.PEER_AUTHENTICATION, k.TELEMETRY, k.AUTHORIZATION_POLICY, k.REQUEST_AUTHENTICATION, k.DESTINATION_RULE, k.Z_TUNNEL, k.PEER,
    k.ISTIO_CSR, k.SIDECAR,
)))  # fmt: skip
_SHOWN = 6
# Parts of a mesh that no variable has a word for.
_PARTS = (k.Z_TUNNEL, k.PEER, k.ISTIO_CSR)
# What install_mesh writes beside the control plane under names that others may have taken.
_NAMED: tuple[tuple[k.Kind, str], ...] = (
    (k.SMMR, "default"), (k.PEER_AUTHENTICATION, "default"), (k.TELEMETRY, "mesh-default"),
    *((kind, f"istio-{which}gateway") for which in ("ingress", "egress") for kind in (k.DEPLOYMENT, k.SERVICE)),
)  # fmt: skip


def read_mesh(view: View, *, name: str = "", namespace: str = "", mesh: str = "") -> Part:
    """name, namespace: of the control plane, where there are several. mesh: what to call it where no label says that.

    Raises ConfigError where there is none, or where it is not clear which one is meant."""
    found = _chosen(view, name, namespace)
    if found.provider.value == ISTIO_ONLY or found.resource is None:
        raise ConfigError(
            f"cluster {view.cluster}: the control plane of {found.source} was installed without an operator (istioctl or Helm), and a "
            "mesh of this collection has one. check_mesh and check_access read it as it is, without an inventory; to move it to an "
            "operator, install a mesh beside it and move the namespaces one by one"
        )
    called = _mesh_name(found.resource, mesh)
    provider = found.provider.value
    plane = from_smcp(view, found.resource) if provider == "ossm2" else from_istio(view, found.resource, called)
    notes = plane.notes
    # the control plane brings some of them, others run beside it
    tools = {**plane.variables.get("mesh_observability", {}), **tools_of_mesh(view, provider, called, found.namespace, notes)}
    control_plane = _with_tracing(plane.variables["mesh_control_plane"], tools, found.namespace)
    members = in_order(view, [row.namespace for row in found.members], found.namespace)
    additional = [str(one["name"]) for one in control_plane.get("additional_ingress", [])]
    least = str(control_plane.get("min_tls_version") or "TLSv1_2").upper()
    variables: dict[str, Any] = {
        "mesh_name": called,
        "mesh_provider": provider,
        **{key: value for key, value in plane.variables.items() if key.endswith("_version")},
        "mesh_control_plane": control_plane,
        **{key: value for key, value in plane.variables.items() if key == "mesh_topology"},
        **_style(view, provider, found),
        "mesh_domains": domains_of(view, members),
        "mesh_observability": tools,
        "mesh_personas": personas_of(view, called, found.namespace, notes),
        "mesh_gateways": gateways_of(view, called, found.namespace, additional, notes, least=least),
        **applications_of(view, called, notes),
        **openshift_of(view, provider, called, found.namespace),
    }
    variables |= operators_of(view, provider, variables, notes)
    notes += _unsaid(view, found, called)
    return Part({key: value for key, value in variables.items() if value not in ({}, [], None)}, notes)


def _chosen(view: View, name: str, namespace: str) -> DiscoveredMesh:
    meshes = discover(view).meshes
    fitting = [row for row in meshes if name in ("", row.name) and namespace in ("", row.namespace)]
    if len(fitting) == 1:
        return fitting[0]
    there = shortened([f"{row.namespace}/{row.name} ({row.provider.value})" for row in meshes], _SHOWN) or "none"
    unread = f"; what may not be read: {shortened(sorted(view.forbidden()), _SHOWN)}" if view.forbidden() else ""
    wanted = f"{namespace or '*'}/{name or '*'}" if name or namespace else "exactly one"
    raise ConfigError(
        f"cluster {view.cluster}: control planes are {there}{unread}; expected {wanted}. Name one by control_plane "
        "(init_inventory_control_plane) with its name and namespace"
    )


def _mesh_name(resource: Obj, given: str) -> str:
    """Ours say it by their label."""
    if counts_as_ours(resource.raw):
        return resource.labels.get(MESH, given or resource.name)
    return given or resource.name


def _with_tracing(plane: dict[str, Any], tools: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """Without the collector that mesh_observability brings anyway."""
    tracing = plane.get("tracing")
    if not tracing or tracing.get("service") != collector_of(tools, namespace):
        return plane
    return {**plane, "tracing": {key: value for key, value in tracing.items() if key != "service"}}


def _style(view: View, provider: str, found: DiscoveredMesh) -> dict[str, str]:
    """How namespaces became members of OpenShift Service Mesh 2, where that is not the roll."""
    roll = view.get(k.SMMR, "default", found.namespace) if provider == "ossm2" else None
    own = [row for row in view.of(k.SMM) if row.at("spec", "controlPlaneRef", "namespace") == found.namespace]
    return {"mesh_membership_style": "members"} if provider == "ossm2" and own and not (roll and roll.items("spec", "members")) else {}


def _unsaid(view: View, found: DiscoveredMesh, mesh: str) -> list[Unsaid]:
    """What is of the mesh and in no variable."""
    return [
        *_foreign(view, found, mesh),
        *_membership(view, found),
        *(Unsaid(row.ref, "no variable has a word for it: it stays as it is") for kind in _PARTS for row in view.of(kind)),
        *_access(view, mesh),
        *_source(view),
    ]


def _foreign(view: View, found: DiscoveredMesh, mesh: str) -> list[Unsaid]:
    rows = [
        *([found.resource] if found.resource else []),
        *(row for kind, name in _NAMED for row in [view.get(kind, name, found.namespace)] if row),
    ]
    theirs = [row.ref for row in rows if not counts_as_ours(row.raw, mesh) and not row.items("metadata", "ownerReferences")]
    if not theirs:
        return []
    names = ", ".join(theirs)
    return [
        Unsaid("objects of others", f"install_mesh writes {names}, and refuses that until mesh_adopt names them: mesh_adopt: [{names}]")
    ]


def _membership(view: View, found: DiscoveredMesh) -> list[Unsaid]:
    ambient = [row.namespace for row in found.members if row.by == "ambient"]
    said = {row.name for row in view.of(k.NAMESPACE) if row.labels.get(BY_PODS) == "pods"}  # by mesh_domains
    pods = [row.namespace for row in found.members if row.by == "pods" and row.namespace not in said]
    texts = ((ambient, "in ambient mode, which no variable says: install_mesh would give their pods sidecars"),
             (pods, "members by their pods only: install_mesh labels the namespace, so that all of its new pods get a proxy"))  # fmt: skip
    notes = [Unsaid("members", f"{shortened(names, _SHOWN)}: {text}") for names, text in texts if names]
    roll = view.get(k.SMMR, "default", found.namespace)
    if roll and roll.items("spec", "memberSelectors"):
        notes.append(Unsaid(f"{roll.ref} spec.memberSelectors", "no variable has a word for it: whom it chooses now is in mesh_domains"))
    return notes


def _access(view: View, mesh: str) -> list[Unsaid]:
    """What the role access has made."""
    kinds = (k.AUTHORIZATION_POLICY, k.REQUEST_AUTHENTICATION, k.PEER_AUTHENTICATION, k.DESTINATION_RULE)
    every = [row for kind in kinds for row in view.of(kind)]
    rows = [row.ref for row in every if row.labels.get(LAYER, "").startswith("access") and counts_as_ours(row.raw, mesh)]
    text = "was not written; access_from_traffic proposes one from what is called. Without it install_mesh leaves as they are"
    return [Unsaid("mesh_access", f"{text}: {shortened(rows, _SHOWN)}")] if rows else []


def _source(view: View) -> list[Unsaid]:
    texts = {
        "snapshot": "it has of each object what checks read: other settings of the control plane, of Kiali and of tracing may be missing "
        "here. Read the cluster for all of it",
        "manifests": "what is not in them counts as not there, people's rights and applications too",
    }
    return [Unsaid(f"the {view.source}", texts[view.source])] if view.source in texts else []
