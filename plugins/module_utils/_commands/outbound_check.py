# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What outbound_check does: reads the mesh and what was seen of its calls, and tells who would lose what with REGISTRY_ONLY."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._egress.observed import OutboundEvidence
from .._egress.proof import CLEAN, LOSSES, OutboundProof, proposed_services, prove_registry_only
from .._egress.report import lost_line, outbound_proposal, outbound_text, refusal_of
from .._egress.services import external_objects, read_services
from .._kube.auth import dialer
from .._model.clock import utc_now
from .._model.intent import Intent
from .._model.istiods import READS, istiods_of_mesh
from .._model.malformed import readable
from .._model.snapshot import Snapshot
from .._model.view import View
from .._rights.reads import ROUTING
from .._routing.model import RoutingMesh
from .access_from_traffic import prometheus_of
from .outbound_evidence import gather_files, gather_known, gather_prometheus, gather_proxies
from .sources import cluster_of, read_result, read_source, require_whole

__all__ = ["NO_PLANE", "ON", "OutboundChecked", "check_outbound", "refused"]

NO_PLANE, ON, OFF = "no_control_plane", "registry_only", "allow_any"


@dataclass(frozen=True)
class OutboundChecked:
    """result: what the module returns; proposal: a file of variables; refusal: why REGISTRY_ONLY must not be switched on."""

    result: dict[str, Any]
    proposal: str = ""
    refusal: str = ""
    verdict: str = CLEAN


def _intent(params: Mapping[str, Any]) -> Intent:
    members = params["members"]
    return Intent(
        mesh=params["mesh"],
        provider=params["provider"],
        control_plane=params["control_plane"],
        members=tuple(members) if members is not None else None,
    )


def _mode(source: Snapshot, intent: Intent) -> str:
    """What the mesh does with addresses that it does not know."""
    planes = istiods_of_mesh(View(source), intent)
    if not planes:
        return NO_PLANE
    return ON if all(RoutingMesh.of(one).outbound_policy == "REGISTRY_ONLY" for one in planes) else OFF


def _idle(params: Mapping[str, Any], mode: str) -> OutboundChecked:
    """Nothing is switched, so nobody can lose anything by it."""
    why = "REGISTRY_ONLY is on already" if mode == ON else "the mesh has no control plane yet, so nobody calls by it"
    empty: dict[str, Any] = {name: [] for name in ("lost", "unnamed", "unseen", "closed", "accepted", "services", "entries")}
    return OutboundChecked({"verdict": CLEAN, "mode": mode, "text": f"{params['cluster']}: {why}", **empty})


def _evidence(params: Mapping[str, Any], cluster: Any, intent: Intent) -> OutboundEvidence:
    evidence = OutboundEvidence()
    gather_known(evidence, params["known"])
    prometheus = prometheus_of(params["prometheus"])
    if prometheus:
        gather_prometheus(evidence, prometheus)
    gather_files(evidence, params["prometheus_answers"], params["logs"])
    if params["proxies"] and cluster is not None:
        streams = dialer(params, name=params["cluster"])
        gather_proxies(evidence, cluster, streams, intent.members, least=params["least"])
    return evidence


def check_outbound(params: Mapping[str, Any], warn: Callable[[str], None] | None = None) -> OutboundChecked:
    """All of it; MeshError where something cannot be read."""
    intent, cluster = _intent(params), cluster_of(params)
    if params["unless_on"] and cluster is not None:
        mode = _mode(read_source(params, clock=utc_now, cluster=cluster, kinds=READS), intent)
        if mode != OFF:
            return _idle(params, mode)
    evidence = _evidence(params, cluster, intent)
    found = read_source(params, clock=utc_now, warn=warn, cluster=cluster, kinds=ROUTING)
    source = require_whole(found, kinds=ROUTING, family="check")
    home = str((intent.control_plane or {}).get("namespace") or "istio-system")
    provider = str(params["provider"] or "ossm3")
    intended = external_objects(read_services(params["external_services"], params["domains"]), home, provider)
    proof = readable(source.cluster, lambda: prove_registry_only(source, intent, evidence, intended, params["accept"]))
    return _told(params, source, proof, evidence, home)


def _told(params: Mapping[str, Any], source: Snapshot, proof: OutboundProof, evidence: OutboundEvidence, home: str) -> OutboundChecked:
    window = str((params["prometheus"] or {}).get("window") or "")
    rows = proposed_services(proof.lost)
    entries = external_objects(read_services(rows, ()), home, str(params["provider"] or "ossm3"))
    result = {
        "verdict": proof.verdict,
        "mode": _mode(source, _intent(params)),
        "lost": [
            {
                "source": one.source, "host": one.call.host, "address": one.call.address, "port": one.call.port,
                "protocol": one.call.protocol, "calls": one.call.count, "text": lost_line(one, window),
            }
            for one in proof.lost
        ],
        "unnamed": [{"source": call.source, "connections": call.count} for call in proof.unnamed],
        "unseen": sorted(proof.unseen),
        "closed": [f"{call.source} -> {call.target}" for call in proof.closed],
        "accepted": list(proof.accepted),
        "services": rows,
        "entries": entries,
        "text": outbound_text(params["cluster"], proof, evidence, entries, window),
        **read_result(source),
    }  # fmt: skip
    return OutboundChecked(result, outbound_proposal(rows, evidence), refusal_of(params["cluster"], proof), proof.verdict)


def refused(params: Mapping[str, Any], checked: OutboundChecked) -> bool:
    """Whether the module fails for what it found."""
    return params["fail_on"] != "never" and checked.verdict != CLEAN and (params["fail_on"] == "unproven" or checked.verdict == LOSSES)
