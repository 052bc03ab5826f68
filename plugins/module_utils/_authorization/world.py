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
    RequestAuthentication,
    Token,
    authenticate,
    effective_mtls,
    read_peer_authentications,
    read_request_authentications,
)
from .evaluate import PolicySet, Verdict
from .facts import Facts, view
from .model import HTTP, TCP, Mesh, PeerAuthentication, PolicyFinding, PolicyTarget, Request
from .read import read_policies
from .validate import validate
from .ztunnel_mtls import CLOSED

__all__ = ["MeshPolicies", "Response", "refusal"]

FORBIDDEN, UNAUTHORIZED, RESET = "403", "401", "reset"


@dataclass(frozen=True)
class Response:
    """What the caller sees: `passes`, or 403, 401, or a closed connection."""

    status: str
    reason: str
    verdict: Verdict | None = None  # None: no policy was asked

    @property
    def allowed(self) -> bool:
        return self.status == "passes"


def refusal(mode: str, by: str, facts: Facts, kind: str) -> str:
    """Why mutual TLS of this mode refuses a caller; empty if it does not. ztunnel only counts an identity of the usual form."""
    known = facts.identity is not None if kind == "ztunnel" else bool(facts.peer_names)
    if mode == CLOSED:
        return f"istiod makes a rule of PeerAuthentication {by} that admits no caller at this port"
    if mode == "STRICT" and not known:
        return f"PeerAuthentication {by} demands mutual TLS, and the caller has no certificate"
    return ""


class MeshPolicies:
    """Everything that decides on requests in a mesh, read once. `admitted`: leave out what admission would have refused."""

    def __init__(self, objects: Iterable[Mapping[str, Any]], mesh: Mesh, *, admitted: bool = False) -> None:
        self.mesh, self._admitted = mesh, admitted
        self.objects = kept = list(objects)
        self._others: dict[str, MeshPolicies] = {}
        policies, findings = read_policies(kept, mesh.abilities)
        for policy in list(policies):
            refused = validate(policy, mesh.abilities)
            findings += refused
            if admitted and any(finding.effect == "rejected" for finding in refused):
                policies.remove(policy)
        self.peers: list[PeerAuthentication]
        self.tokens: list[RequestAuthentication]
        self.peers, found = read_peer_authentications(kept, admitted=admitted)
        self.tokens, more = read_request_authentications(kept, mesh)
        self.findings: tuple[PolicyFinding, ...] = (*findings, *found, *more)
        self.policies = PolicySet(policies, mesh)
        self._place()

    def _place(self) -> None:
        """By namespace: a workload is asked about with what may concern it, not with all of the mesh."""
        self._peers: dict[str, list[PeerAuthentication]] = {}
        self._tokens: dict[str, list[tuple[int, RequestAuthentication]]] = {}
        for peer in self.peers:
            self._peers.setdefault(peer.namespace, []).append(peer)
        for number, tokens in enumerate(self.tokens):
            self._tokens.setdefault(tokens.namespace, []).append((number, tokens))

    def peers_near(self, workload: PolicyTarget) -> list[PeerAuthentication]:
        """Those of the root namespace and of the workload's."""
        spaces = dict.fromkeys((self.mesh.root_namespace, workload.namespace))
        return [peer for namespace in spaces for peer in self._peers.get(namespace, ())]

    def tokens_near(self, workload: PolicyTarget) -> list[RequestAuthentication]:
        """The same of RequestAuthentications, with those of the namespace of a Service behind a waypoint; in the order of the source."""
        service = (workload.service.namespace,) if workload.service else ()
        spaces = dict.fromkeys((self.mesh.root_namespace, workload.namespace, *service))
        found = (numbered for namespace in spaces for numbered in self._tokens.get(namespace, ()))
        return [tokens for _number, tokens in sorted(found, key=lambda numbered: numbered[0])]

    def mutual_tls(self, workload: PolicyTarget, port: int | None) -> tuple[str, str]:
        """The mode of mutual TLS of a port, and the policy that set it."""
        return effective_mtls(self.peers_near(workload), workload, port, self.mesh)

    def of(self, mesh: Mesh) -> MeshPolicies:
        """The same objects as another istiod reads them."""
        if mesh == self.mesh:
            return self
        known = self._others.get(mesh.control_plane)
        if known is None:
            known = self._others[mesh.control_plane] = self._other(mesh)
        return known

    def _other(self, mesh: Mesh) -> MeshPolicies:
        if mesh.abilities != self.mesh.abilities:
            return MeshPolicies(self.objects, mesh, admitted=self._admitted)
        other = MeshPolicies((), mesh, admitted=self._admitted)  # what was read is the same, so that a policy is one thing in both
        other.objects, other.peers, other.tokens, other.findings = self.objects, self.peers, self.tokens, self.findings
        other.policies = PolicySet(self.policies.policies, mesh)
        other._place()
        return other

    def connect(self, workload: PolicyTarget, request: Request) -> tuple[Request, Response | None]:
        """The request as it comes out of mutual TLS, and the refusal if it does not."""
        if workload.kind not in ("sidecar", "ztunnel"):
            return request, None
        mode, by = self.mutual_tls(workload, request.port)
        if workload.kind == "sidecar" and mode == "DISABLE":  # the proxy does not look at certificates
            return replace(request, principal=None, dns_names=(), tls=False), None
        refused = refusal(mode, by, view(request, workload.kind, TCP, self.mesh), workload.kind)
        return request, Response(RESET, refused) if refused else None

    def answer(
        self, workload: PolicyTarget, request: Request, *, now: datetime, protocol: str = HTTP, token: Token | None = None
    ) -> Response:
        """What happens to this request. `now` matters to tokens only."""
        request, closed = self.connect(workload, request)
        if closed:
            return closed
        chain = self.policies.chain(workload, protocol)
        custom = chain.decide_custom(chain.facts(request))
        if not custom.allowed:
            return Response(FORBIDDEN if protocol == HTTP else RESET, str(custom), custom)
        request, refused = authenticate(request, token, self.tokens_near(workload), workload=workload, mesh=self.mesh, now=now)
        if refused:
            return Response(UNAUTHORIZED, f"the token is refused: {refused}")
        verdict = chain.request(request)
        status = "passes" if verdict.allowed else FORBIDDEN if chain.protocol == HTTP else RESET
        return Response(status, str(verdict), verdict)
