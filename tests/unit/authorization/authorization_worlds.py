# SPDX-License-Identifier: GPL-3.0-or-later
"""Small worlds for tests: policies in a few words, and what an enforcer makes of one request."""

from __future__ import annotations

from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._authorization.evaluate import PolicyChain, PolicySet, Verdict
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.model import Mesh, PolicyTarget, Request
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.read import read_policies

MESH = Mesh()
SLEEP = "cluster.local/ns/foo/sa/sleep"
APP = {"app": "cars"}


def policy(*rules: Any, action: str | None = "ALLOW", name: str = "p", namespace: str = "foo", **more: Any) -> dict[str, Any]:
    """`rules` as they stand in the spec; `annotations` go to the metadata, the rest to the spec."""
    metadata = {"name": name, "namespace": namespace, "annotations": more.pop("annotations", None)}
    spec: dict[str, Any] = {"rules": list(rules), **more}
    if action:
        spec["action"] = action
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec}


def source(**lists: Any) -> dict[str, Any]:
    return {"from": [{"source": lists}]}


def operation(**lists: Any) -> dict[str, Any]:
    return {"to": [{"operation": lists}]}


def when(key: str, *values: str, absent: tuple[str, ...] = ()) -> dict[str, Any]:
    condition: dict[str, Any] = {"key": key}
    if values:
        condition["values"] = list(values)
    if absent:
        condition["notValues"] = list(absent)
    return {"when": [condition]}


def http(**more: Any) -> Request:
    """A GET of / by sleep over mutual TLS, unless told otherwise."""
    given: dict[str, Any] = {
        "principal": SLEEP,
        "source_ip": "10.0.0.1",
        "port": 8080,
        "destination_ip": "10.1.0.1",
        "sni": "example.com",
        "method": "GET",
        "host": "example.com",
        "path": "/",
    }
    return Request(**(given | more))


def tcp(**more: Any) -> Request:
    given: dict[str, Any] = {"principal": SLEEP, "source_ip": "10.0.0.1", "port": 9000, "destination_ip": "10.1.0.1", "sni": "example.com"}
    return Request(**(given | more))


def chain(*objects: dict[str, Any], mesh: Mesh = MESH, workload: PolicyTarget | None = None, protocol: str = "HTTP") -> PolicyChain:
    policies, _findings = read_policies(objects, mesh.abilities)
    return PolicySet(policies, mesh).chain(workload or PolicyTarget("foo", APP), protocol)


def decide(
    request: Request, *objects: dict[str, Any], mesh: Mesh = MESH, workload: PolicyTarget | None = None, protocol: str = ""
) -> Verdict:
    """The verdict; `allows`, the short way to it, must agree."""
    found = chain(*objects, mesh=mesh, workload=workload, protocol=protocol or ("TCP" if request.method is None else "HTTP"))
    verdict = found.request(request)
    assert found.allows(found.facts(request)) == verdict.allowed
    return verdict


def allowed(request: Request, *objects: dict[str, Any], **more: Any) -> bool:
    return decide(request, *objects, **more).allowed


def findings(*objects: dict[str, Any], mesh: Mesh = MESH, workload: PolicyTarget | None = None, protocol: str = "HTTP") -> list[str]:
    """Everything that was found on the way, as `effect where`."""
    policies, found = read_policies(objects, mesh.abilities)
    found = found + PolicySet(policies, mesh).findings(workload or PolicyTarget("foo", APP), protocol)
    return [f"{finding.effect} {finding.where}" for finding in found]
