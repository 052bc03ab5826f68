# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded cases: policies, a workload and a request, with the verdict of a real Envoy or ztunnel under Istio's own translation."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._authorization.evaluate import PolicyChain, Verdict
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.model import (
    Mesh,
    PolicyFinding,
    PolicyTarget,
    Provider,
    Request,
    ServiceRef,
)
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.world import MeshPolicies

# The authorizers that ran beside the recorded Envoy; every other name was undefined there.
PROVIDERS = {"always-deny": Provider("http", answer=False), "always-allow": Provider("http", answer=True)}


@dataclass(frozen=True)
class Outcome:
    row: dict[str, Any]
    verdict: Verdict | None  # None: refused before any policy was asked
    reason: str
    findings: tuple[PolicyFinding, ...]

    @property
    def word(self) -> str:
        return "ALLOW" if self.verdict and self.verdict.allowed else "DENY"

    @property
    def agrees(self) -> bool:
        return self.word == self.row["verdict"]


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file of cases, compressed or not."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def mesh_of(row: dict[str, Any]) -> Mesh:
    mesh = row["mesh"]
    return Mesh(
        trust_domain=mesh["trust_domain"],
        trust_domain_aliases=tuple(mesh["trust_domain_aliases"]),
        root_namespace=mesh["root_namespace"],
        path_normalization=mesh.get("path_normalization") or "BASE",
        version=mesh.get("istio_version"),
        providers=PROVIDERS,
        ambient_dry_run=bool(mesh.get("ambient_dry_run")),
    )


def workload_of(row: dict[str, Any]) -> PolicyTarget:
    workload = row["workload"]
    labels, service = workload["labels"], workload.get("service")
    return PolicyTarget(
        workload["namespace"],
        labels or {},
        workload["kind"],
        ServiceRef(service["name"], service["namespace"], service["kind"]) if service else None,
        unlabelled=labels is None,
    )


def request_of(row: dict[str, Any], *, remote_ip: bool = True) -> Request:
    request, source = row["request"], row["request"]["source"]
    name = source.get("cert_dns_san")
    return Request(
        principal=source["principal"],
        dns_names=(name,) if name else (),
        source_ip=source["ip"],
        remote_ip=request["remote_ip"] if remote_ip else None,
        port=row["workload"]["port"],
        destination_ip=row["workload"]["ip"],
        sni=request["sni"],
        tls=request["tls"],
        method=request["method"],
        host=request["host"],
        path=request["path"],
        headers=request["headers"],
        claims=request["jwt_claims"],
    )


class Worlds:
    """The policies of each world, read and compiled once."""

    def __init__(self) -> None:
        self._worlds: dict[str, MeshPolicies] = {}

    def of(self, row: dict[str, Any]) -> MeshPolicies:
        key = json.dumps([row["mesh"], row["policies"]])
        if key not in self._worlds:
            self._worlds[key] = MeshPolicies(row["policies"], mesh_of(row))
        return self._worlds[key]

    def chain(self, row: dict[str, Any]) -> PolicyChain:
        return self.of(row).policies.chain(workload_of(row), row["workload"]["protocol"])


def run_rows(rows: Iterable[dict[str, Any]], worlds: Worlds | None = None) -> Iterator[Outcome]:
    """Each row with our verdict."""
    worlds = worlds or Worlds()
    for row in rows:
        world = worlds.of(row)
        workload, protocol = workload_of(row), row["workload"]["protocol"]
        findings = (*world.findings, *world.policies.findings(workload, protocol))
        request, closed = world.connect(workload, request_of(row))
        if closed:
            yield Outcome(row, None, closed.reason, findings)
            continue
        verdict = world.policies.chain(workload, protocol).request(request)  # a row's claims are those of a token that was accepted
        yield Outcome(row, verdict, str(verdict), findings)
