# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A mesh's whole security configuration: a request goes through mutual TLS, CUSTOM, tokens, DENY and ALLOW, in that order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from .authentication import (
    PeerAuthentication,
    RequestAuthentication,
    Token,
    authenticate,
    effective_mtls,
    read_peer_authentications,
    read_request_authentications,
)
from .evaluate import PolicySet, Verdict
from .model import HTTP, Finding, Mesh, Request, Workload
from .read import read_policies
from .validate import validate

__all__ = ["Answer", "World"]

FORBIDDEN, UNAUTHORIZED, RESET = "403", "401", "reset"


@dataclass(frozen=True)
class Answer:
    """What the caller sees: `passes`, or 403, 401, or a closed connection."""

    status: str
    reason: str
    verdict: Verdict | None = None  # None: no policy was asked

    @property
    def allowed(self) -> bool:
        return self.status == "passes"


class World:
    """Everything that decides on requests in a mesh, read once. `admitted`: leave out what admission would have refused."""

    def __init__(self, objects: Iterable[Mapping[str, Any]], mesh: Mesh, *, admitted: bool = False) -> None:
        self.mesh = mesh
        kept = list(objects)
        policies, findings = read_policies(kept, mesh.abilities)
        for policy in list(policies):
            refused = validate(policy, mesh.abilities)
            findings += refused
            if admitted and any(finding.effect == "rejected" for finding in refused):
                policies.remove(policy)
        self.peers: list[PeerAuthentication]
        self.tokens: list[RequestAuthentication]
        self.peers, found = read_peer_authentications(kept)
        self.tokens, more = read_request_authentications(kept, mesh)
        self.findings: tuple[Finding, ...] = (*findings, *found, *more)
        self.policies = PolicySet(policies, mesh)

    def answer(self, workload: Workload, request: Request, *, now: datetime, protocol: str = HTTP, token: Token | None = None) -> Answer:
        """What happens to this request. `now` matters to tokens only."""
        mode, by = effective_mtls(self.peers, workload, request.port, self.mesh)
        plain = not request.tls or (request.principal is None and not request.dns_names)
        if workload.kind in ("sidecar", "ztunnel") and mode == "STRICT" and plain:
            return Answer(RESET, f"PeerAuthentication {by} demands mutual TLS, and the caller has no certificate")
        if workload.kind == "sidecar" and mode == "DISABLE":  # the proxy does not look at certificates
            request = replace(request, principal=None, dns_names=(), tls=False)
        chain = self.policies.chain(workload, protocol)
        custom = chain.decide_custom(chain.facts(request))
        if not custom.allowed:
            return Answer(FORBIDDEN if protocol == HTTP else RESET, str(custom), custom)
        request, refused = authenticate(request, token, self.tokens, workload=workload, mesh=self.mesh, now=now)
        if refused:
            return Answer(UNAUTHORIZED, f"the token is refused: {refused}")
        verdict = chain.request(request)
        status = "passes" if verdict.allowed else FORBIDDEN if chain.protocol == HTTP else RESET
        return Answer(status, str(verdict), verdict)
