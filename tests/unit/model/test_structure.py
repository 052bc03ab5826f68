# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects against the table of fields: what an API server would drop or refuse, told with its path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.structure import GROUPS, faults_of, served_versions

ROOT = Path(__file__).resolve().parents[3]


def obj(version: str, kind: str, spec: Any = None, **more: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, **({} if spec is None else {"spec": spec}), **more}


NETWORKING, SECURITY, GATEWAY = "networking.istio.io/v1", "security.istio.io/v1", "gateway.networking.k8s.io/v1"
GOOD = [
    obj("v1", "Service", {"whatever": 1}),
    obj(NETWORKING, "VirtualService", {"hosts": ["a"], "http": None}),  # null is dropped, and meant so
    obj(NETWORKING, "VirtualService"),
    obj("networking.istio.io/v1alpha3", "VirtualService", {"hosts": ["a"]}),
    obj("networking.istio.io/v1alpha3", "EnvoyFilter", {"configPatches": [{"patch": {"value": {"any": {"thing": [1]}}}}]}),
    obj(SECURITY, "PeerAuthentication", {"portLevelMtls": {"8080": {"mode": "STRICT"}}}),
    obj(SECURITY, "AuthorizationPolicy", {"action": "DENY", "rules": [{"when": [{"key": "a", "values": ["b"]}]}]}),
    obj(GATEWAY, "HTTPRoute", {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": [{"name": "web", "port": 80, "weight": 0}]}]}),
    obj(NETWORKING, "DestinationRule", {"host": "a", "trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 3}}}),
]
BAD = [
    (obj(NETWORKING, "VirtualServcie", {}), "kind 'VirtualServcie' is not one of networking.istio.io; did you mean VirtualService?", True),
    (obj(NETWORKING, "Frobnicator", {}), "kind 'Frobnicator' is not one of networking.istio.io; there are ", False),
    (obj("networking.istio.io/v2", "Sidecar", {}), "apiVersion 'networking.istio.io/v2' is not served; Sidecar has v1 or ", False),
    (obj(NETWORKING, "Sidecar", None, specs={}), "specs is no field of an object; did you mean spec?", True),
    (obj(NETWORKING, "Sidecar", [1]), "spec is a list, expected fields: ", True),
    (obj(NETWORKING, "VirtualService", {"http": {"route": []}}), "spec.http is a map, expected a list", True),
    (obj(NETWORKING, "VirtualService", {"http": ["a"]}), "spec.http[0] is 'a', expected fields: ", True),
    (obj(NETWORKING, "VirtualService", {"http": [{"mirror_percentage": {"value": 1.5}}]}), "did you mean mirrorPercentage?", True),
    (obj(NETWORKING, "VirtualService", {"http": [{"zzzz": 1}]}), "spec.http[0].zzzz is no field that is known here", False),
    (obj(SECURITY, "PeerAuthentication", {"portLevelMtls": {"8080": {"mod": "STRICT"}}}), "portLevelMtls.8080.mod is no field", True),
    (obj(SECURITY, "PeerAuthentication", {"mtls": {"mode": "strict"}}), "spec.mtls.mode is 'strict', expected one of UNSET, DISABLE", True),
    (obj(SECURITY, "AuthorizationPolicy", {"rules": [{"when": [{"values": ["b"]}]}]}), "spec.rules[0].when[0].key is missing", True),
    (obj(SECURITY, "AuthorizationPolicy", {"rules": [{"from": [{"source": {"ipBlocks": "::1"}}]}]}), "is '::1', expected a list", True),
    (obj(GATEWAY, "HTTPRoute", {"rules": [{"backendRefs": [{"name": "web", "port": "80"}]}]}), "'80', expected a whole number", True),
    (obj(GATEWAY, "HTTPRoute", {"rules": [{"backendRefs": [{"name": "web", "weight": True}]}]}), "weight is true, expected a whole", True),
]  # fmt: skip


@pytest.mark.parametrize("given", GOOD, ids=lambda one: one["kind"])
def test_what_the_api_takes_has_no_fault(given: dict[str, Any]) -> None:
    assert list(faults_of(given)) == []


@pytest.mark.parametrize(("given", "text", "certain"), BAD, ids=[row[1][:40] for row in BAD])
def test_each_fault_is_told_once_with_its_path(given: dict[str, Any], text: str, certain: bool) -> None:
    (fault,) = faults_of(given)
    assert text in str(fault) and fault.certain is certain, fault


def test_a_misspelt_required_field_is_not_also_missing() -> None:
    (fault,) = faults_of(obj(NETWORKING, "DestinationRule", {"hots": "a"}))
    assert str(fault).endswith("did you mean host?")


def test_the_table_has_both_apis() -> None:
    assert {"networking.istio.io", "security.istio.io", "gateway.networking.k8s.io"} <= GROUPS
    assert served_versions("networking.istio.io", "VirtualService")[0] == "v1" and not served_versions("apps", "Deployment")


def test_the_table_is_what_the_pinned_definitions_say() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "tools" / "field_table.py", "--check"], capture_output=True, text=True, check=False
    )
    if "cannot be had" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr
