# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What certificate_authority does: which certificates are wanted, what the store has, and what is issued anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from .._certificates.facts import Certificate
from .._certificates.issue import KEEP, CertificateRequest, Decision
from .._certificates.store import Store, Work
from .._errors import ConfigError
from .._kube.client import Cluster
from .._kube.options import display_name
from .._model.clock import utc_now

__all__ = ["due_lines", "issue", "request_of"]

DAYS = {"root": 3650.0, "intermediate": 730.0}


def request_of(entry: Mapping[str, Any]) -> CertificateRequest:
    """An entry with its defaults."""
    kind = entry["type"]
    subject = {name: text for name, text in (entry["subject"] or {}).items() if text}
    if not subject.get("common_name"):
        subject["common_name"] = entry["name"]
    length = entry["path_length"]
    if length is None and kind == "intermediate":
        length = 0
    if length is not None and kind not in DAYS:
        raise ConfigError(f"certificates: {entry['name']}: path_length is for a root or an intermediate, not for a {kind}")
    bits = entry["key_bits"] or (256 if entry["key_type"] == "EC" else 4096 if kind in DAYS else 2048)
    return CertificateRequest(
        entry["name"],
        kind,
        subject,
        entry["issuer"] or "",
        tuple(entry["names"]),
        DAYS.get(kind, 365.0) if entry["days"] is None else entry["days"],
        entry["key_type"],
        bits,
        None if length is None or length < 0 else length,
    )


def _rows(decisions: Sequence[Decision], found: Mapping[str, Certificate], work: Work) -> list[dict[str, Any]]:
    """The result, without keys."""
    issuers = {decision.request.name: decision.request.issuer for decision in decisions}
    result = []
    for decision in decisions:
        name = decision.request.name
        row: dict[str, Any] = {"name": name, "type": decision.request.kind, "action": decision.action, "reason": decision.reason}
        row["path"] = str(work.store.path(name))
        path = [name]
        while issuers.get(path[-1]):
            path.append(issuers[path[-1]])
        if all(item in found for item in path):
            one = found[name]
            row |= {"subject": one.subject, "not_after": one.not_after.isoformat(), "fingerprint": one.fingerprint}
            row |= {"certificate": one.pem(), "root": found[path[-1]].pem()}
            row["chain"] = "".join(found[item].pem() for item in (path[:-1] or path))
        result.append(row)
    return result


def _now_of(params: Mapping[str, Any]) -> datetime:
    """By whose clock is issued."""
    if not params["cluster_clock"]:
        return utc_now()
    cluster = Cluster.from_params(params, name=display_name(params))
    cluster.require_clock()
    return cluster.now()


def issue(params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Decides, issues, describes: changed, certificates without keys, and diff of public facts. Raises MeshError."""
    if not 0 < params["renew_at"] < 1:
        raise ConfigError(f"renew_at is {params['renew_at']:g}; expected a fraction between 0 and 1, such as 0.66")
    requests = [request_of(entry) for entry in params["certificates"]]
    now = _now_of(params)
    store = Store(params["store"], params["passphrase"], vault=params["encryption"] == "vault")
    work = Work(store, requests, now=now, renew_at=params["renew_at"], replace_root=params["replace_root"])
    if check_mode:
        decisions = work.plan()
        mends = [work.mends(decision) for decision in decisions]
        found = {one.request.name: one.held.certificate for one in decisions if one.action == KEEP and one.held.certificate}
    else:
        store.prepare()
        with store.locked():
            decisions = work.plan()
            mends = [work.mends(decision) for decision in decisions]
            found = work.run(decisions)
    described = _rows(decisions, found, work)
    for row, mend in zip(described, mends, strict=True):
        row["reason"] += f"; {mend}" if mend else ""
    changed = any(decision.action != KEEP for decision in decisions) or any(mends)
    return {"changed": changed, "certificates": described, "lines": due_lines(described), "diff": _diff(decisions, described)}


def due_lines(described: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is made and renewed and why, for people. described: the rows of the result."""
    return [f"{row['name']} ({row['type']}): {row['action']}, {row['reason']}" for row in described if row["action"] != KEEP]


def _diff(decisions: Sequence[Decision], described: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Public facts before and after."""
    before = [f"{one.request.name}: {one.held.certificate.fingerprint}\n" for one in decisions if one.held.certificate]
    after = [f"{row['name']}: {row.get('fingerprint', 'new')}\n" for row in described]
    return {"before": "".join(before), "after": "".join(after)}
