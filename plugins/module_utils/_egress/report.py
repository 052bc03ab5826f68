# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What outbound_check says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._model.yaml_writer import dumped
from .._text import counted, joined, shortened, shown, shown_lines
from .observed import OutboundCall, OutboundEvidence
from .proof import CLEAN, LOSSES, LostCall, OutboundProof

__all__ = ["lost_line", "outbound_proposal", "outbound_text", "refusal_of"]

_SHOWN = 15
_ENTRIES = 5


def _place(ref: str) -> str:
    """`web in shop` of shop/web."""
    space, _slash, name = ref.partition("/")
    return f"{shown(name)} in {shown(space)}"


def _often(call: OutboundCall, window: str) -> str:
    if not call.count:
        return "mesh_outbound_calls says so"
    return f"{counted(call.count, 'call')}{f' in the last {window}' if window else ''}"


def lost_line(one: LostCall, window: str = "") -> str:
    """window: how far back was looked, empty where nothing says it."""
    return f"{_place(one.source)} calls {shown(one.call.target)} ({_often(one.call, window)}), and {one.why}: {one.would}"


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    more = [f"  ... and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return [title, *(f"  {line}" for line in lines[:_SHOWN]), *more] if lines else []


def _verdict(proof: OutboundProof, evidence: OutboundEvidence) -> str:
    if proof.verdict == LOSSES:
        return f"REGISTRY_ONLY would cut {counted(len(proof.lost), 'kind')} of calls that get out of the mesh now"
    if proof.verdict == CLEAN:
        return (
            f"nobody would lose a call with REGISTRY_ONLY: each of {counted(proof.asked, 'kind')} of calls out of the mesh that are known "
            f"gets out afterwards, and every one of {counted(proof.callers, 'workload')} is in the evidence"
        )
    if not proof.callers:
        return "not enough evidence: the source has no workload with a sidecar, so nothing can be said of its calls"
    if not evidence.sources:
        return (
            "not enough evidence: nothing says what the workloads call; give mesh_traffic_prometheus, mesh_traffic_logs, "
            "mesh_outbound_proxies=true, or mesh_outbound_calls"
        )
    return "not enough evidence: nothing that is known would be cut, and of what follows nothing is known"


def outbound_text(
    cluster: str, proof: OutboundProof, evidence: OutboundEvidence, found: Sequence[Mapping[str, Any]], window: str = ""
) -> str:
    """found: ServiceEntries that would let the lost calls out."""
    sources = f"; looked at {shortened(evidence.sources, 3)}" if evidence.sources else ""
    lines = [f"{cluster}: {_verdict(proof, evidence)}{sources}"]
    lines += _listed("WOULD BE CUT", [lost_line(one, window) for one in proof.lost])
    unnamed = [
        f"{_place(call.source)}: {counted(call.count, 'connection')} without a name; metrics have none of TLS, of TCP, and of ports that "
        "no service has, and access logs do"
        for call in proof.unnamed
    ]
    lines += _listed("CALLED, AND NOTHING SAYS WHERE", unnamed)
    unseen = [f"{_place(name)}{f': {why}' if why else ': no metrics, no log and no sentence'}" for name, why in proof.unseen.items()]
    lines += _listed("NOT SEEN AT ALL, OR TOO SHORT", unseen if evidence.sources else [])
    closed = [f"{_place(call.source)} calls {shown(call.target or 'an unknown address')} ({_often(call, window)})" for call in proof.closed]
    lines += _listed("DOES NOT GET OUT ALREADY", closed)
    lines += _listed("ACCEPTED (mesh_outbound_accept)", [shown(text) for text in proof.accepted])
    lines += _listed("NOT THERE ANY MORE", [shown(name) for name in proof.gone])
    skipped = [f"{shown(path)}: {counted(count, 'line')}" for path, count in sorted(evidence.skipped.items())]
    lines += _listed("NOT READ, because it is no access log", skipped)
    text = joined(lines)
    if found:
        head = "THIS WOULD LET THEM OUT; who may call what is yours to decide, and mesh_external_services says it:"
        entries = "\n---\n".join(dumped(dict(one), width=140).rstrip("\n") for one in found[:_ENTRIES])
        more = f"\n# ... and {len(found) - _ENTRIES} more" if len(found) > _ENTRIES else ""
        text += f"\n{head}\n{shown_lines(entries)}{more}"
    return text


def refusal_of(cluster: str, proof: OutboundProof) -> str:
    """Why REGISTRY_ONLY is not switched on, and what to do."""
    why = (
        f"REGISTRY_ONLY would cut {counted(len(proof.lost), 'kind')} of calls"
        if proof.lost
        else "there is not enough evidence that REGISTRY_ONLY cuts nobody"
    )
    first = f" ({proof.lost[0].name} is the first)" if proof.lost else ""
    return (
        f"{cluster}: {why}{first}, so it was not switched on and nothing was changed; add what is missing to mesh_external_services or to "
        "the evidence, or name in mesh_outbound_accept what may be lost"
    )


def outbound_proposal(rows: Sequence[Mapping[str, Any]], evidence: OutboundEvidence) -> str:
    """A file of variables with what would let the lost calls out."""
    head = [
        "# Proposed by meshops.mesh.outbound_check: what was seen, not what is meant. Read each service before it is used.",
        *(f"# Seen in {text}." for text in evidence.sources[:_SHOWN]),
    ]
    return joined([*head, *dumped({"mesh_external_services": [dict(row) for row in rows]}, width=140).split("\n")])
