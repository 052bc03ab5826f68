# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Whether a wave was good: its proxies, the checks, the user's queries, the probe of the access matrix."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._model.problem import Problem
from .._text import counted
from .machine import why_behind
from .model import Goal, RolloutObservation, plain_version

__all__ = [
    "SERVER_INFO",
    "SYNC_STATS",
    "ProxyReport",
    "baseline",
    "judge_answers",
    "judge_checks",
    "judge_probe",
    "judge_query",
    "judge_wave",
    "read_answer",
]

SERVER_INFO = "/server_info"
# What Envoy itself says about its istiod: whether the stream is up, and whether it refused something of it.
_STATS = ("control_plane.connected_state", "cluster_manager.cds.update_rejected", "listener_manager.lds.update_rejected")
SYNC_STATS = f"/stats?format=json&filter=%5E({'%7C'.join(_STATS)})%24"
_BAD = ("failed",)


@dataclass(frozen=True)
class ProxyReport:
    """What a proxy said itself. silence: why it did not."""

    resource: str
    silence: str = ""
    version: str = ""
    state: str = ""
    connected: bool | None = None
    rejected: int = 0


def read_answer(resource: str, info: bytes, stats: bytes) -> ProxyReport:
    """From the two answers of the admin interface."""
    try:
        said, rows = json.loads(info), json.loads(stats).get("stats") or []
        node = (said.get("node") or {}).get("metadata") or {}
        values = {row["name"]: row["value"] for row in rows if "name" in row}
    except (ValueError, AttributeError, KeyError, TypeError) as exc:
        return ProxyReport(resource, silence=f"its admin interface answered something else ({exc})")
    connected = values.get("control_plane.connected_state")
    return ProxyReport(
        resource,
        "",
        plain_version(str(node.get("ISTIO_VERSION") or "")),
        str(said.get("state") or ""),
        None if connected is None else connected == 1,
        sum(int(value) for name, value in values.items() if name.endswith("update_rejected")),
    )


def judge_answers(answers: Iterable[ProxyReport], goal: Goal) -> tuple[list[Problem], list[str]]:
    """Who is wrong, and whom nobody could ask."""
    wrong, silent = [], []
    for one in answers:
        if one.silence:
            silent.append(f"{one.resource}: {one.silence}")
            continue
        wanted = goal.proxies
        if wanted and one.version and one.version != wanted and not one.version.startswith(f"{wanted}."):
            wrong.append(Problem(one.resource, f"its proxy says that it is {one.version}, expected {wanted}"))
        if one.state not in ("", "LIVE"):
            wrong.append(Problem(one.resource, f"its proxy is {one.state}, expected LIVE"))
        if one.connected is False:
            wrong.append(Problem(one.resource, "its proxy is not connected to its istiod", "look at the log of its istio-proxy"))
        if one.rejected:
            wrong.append(
                Problem(
                    one.resource, f"its proxy has refused {one.rejected} updates of its istiod", "istioctl proxy-status; its log says which"
                )
            )
    return wrong, silent


def judge_wave(members: Sequence[str], world: RolloutObservation, goal: Goal) -> list[Problem]:
    """All pods of the wave are what the goal wants, and ready."""
    found = []
    for title in members:
        one = world.workloads.get(title)
        if one is None or one.namespace in world.going:
            continue
        if one.behind(goal):
            found.append(Problem(title, why_behind(one, world, goal)))
            continue
        late = [pod.name for pod in one.pods if not pod.ready]
        if late:
            found.append(Problem(title, f"not ready: {len(late)} of {counted(len(one.pods), 'pod')} ({', '.join(late[:3])})"))
    return found


def baseline(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What failed before anything was restarted: code and object, without the part of a pod's name that changes with each pod."""
    return tuple(sorted({_key(row) for row in rows if row.get("status") in _BAD}))


def _key(row: Mapping[str, Any]) -> str:
    resource = str(row.get("resource") or "")
    kind, _space, name = resource.partition(" ")
    if kind == "Pod":  # NAME-HASH-RANDOM of a Deployment: whoever failed before fails under another name after
        parts = name.split("-")
        name = "-".join(parts[:-2]) if len(parts) > 2 else name
    return f"{row.get('id')} {kind} {name}".strip()


def judge_checks(rows: Iterable[Mapping[str, Any]], before: Sequence[str]) -> list[Problem]:
    """Checks that fail now and did not before."""
    known = set(before)
    return [
        Problem(
            str(row.get("resource") or row.get("id")),
            f"{row.get('id')} fails now and did not before: {row.get('message')}",
            str(row.get("hint") or ""),
        )
        for row in rows
        if row.get("status") in _BAD and _key(row) not in known
    ]


def judge_probe(probe: Mapping[str, Any]) -> list[Problem]:
    """The result of authorization_probe: every call that went otherwise than the policies say. No verdict is no difference."""
    found = [
        Problem(
            f"call {row.get('from')} to {row.get('to')}",
            f"{row.get('method', 'GET')} {row.get('path', '/')} was "
            f"{row.get('verdict')}, expected {row.get('expected')} ({row.get('status')} {row.get('said')})",
        )
        for row in probe.get("results") or []
        if row.get("agrees") is False and row.get("verdict") in ("allowed", "denied")
    ]
    if not found and probe.get("failed"):
        found.append(Problem("the probe of the access matrix", str(probe.get("msg"))))
    return found


def judge_query(query: Mapping[str, Any], answer: Any) -> list[Problem]:
    """A Prometheus query against the user's limits. An answer without a sample says nothing, which is no proof."""
    name = str(query.get("name") or query.get("query"))
    data = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(data, Mapping) or answer.get("status") != "success":
        said = answer.get("error") if isinstance(answer, Mapping) else answer
        return [Problem(f"query {name}", f"Prometheus did not answer it: {said}")]
    result = data.get("result") or []
    rows = [result] if data.get("resultType") == "scalar" else [row.get("value") or [0, "nan"] for row in result]
    values = [float(row[1]) for row in rows]
    if not values:
        return [] if query.get("allow_empty") else [Problem(f"query {name}", "it has no sample", "correct it, or say allow_empty: true")]
    found = []
    highest, lowest = query.get("max"), query.get("min")
    for value in values:
        # nan is neither below nor above: it counts as outside
        if highest is not None and not value <= float(highest):
            found.append(Problem(f"query {name}", f"it gives {value:g}, at most {float(highest):g} was asked for"))
        elif lowest is not None and not value >= float(lowest):
            found.append(Problem(f"query {name}", f"it gives {value:g}, at least {float(lowest):g} was asked for"))
    return found[:5]
