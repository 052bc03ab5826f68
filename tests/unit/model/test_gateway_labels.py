# SPDX-License-Identifier: GPL-3.0-or-later
"""Every label of a gateway's Service is one of its pods, so a policy and a Gateway may select by any."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import take
from ansible_collections.meshops.mesh.plugins.module_utils._model.gateway_labels import labels_of_gateway

Obj = dict[str, Any]


@pytest.mark.parametrize(
    ("name", "kind", "said", "labels"),
    [
        ("istio-ingressgateway", "ingress", {}, {"app": "istio-ingressgateway", "istio": "ingressgateway"}),
        ("istio-egressgateway", "egress", None, {"app": "istio-egressgateway", "istio": "egressgateway"}),
        (
            "istio-ingressgateway",
            "ingress",
            {"service": {"metadata": {"labels": {"serving": "edge", "n": 1}}}},
            {"app": "istio-ingressgateway", "istio": "ingressgateway", "serving": "edge", "n": "1"},
        ),
        ("partner", "ingress", {"service": {"metadata": {"labels": {"app": "p", "istio": "p"}}}}, {"app": "p", "istio": "p"}),
        ("partner", "ingress", {"service": {"metadata": {"labels": {"app": "p"}}}}, {"app": "p", "istio": "ingressgateway"}),
        (
            "out",
            "egress",
            {"service": {"selector": {"zone": "b"}, "metadata": {"labels": {"zone": "a"}}}},
            {"app": "out", "istio": "egressgateway", "zone": "b"},
        ),
        ("x", "ingress", {"service": {"metadata": {"labels": {"maistra.io/owner": "y"}}}}, {"app": "x", "istio": "ingressgateway"}),
        ("x", "ingress", {"service": {"metadata": "wrong"}}, {"app": "x", "istio": "ingressgateway"}),
    ],
)
def test_labels(name: str, kind: str, said: Any, labels: Obj) -> None:
    assert labels_of_gateway(name, kind, said) == labels


def test_the_proof_sees_the_same_labels() -> None:
    said = {"namespace": "edge", "service": {"metadata": {"labels": {"serving": "edge"}}}}
    plane = {
        "apiVersion": "maistra.io/v2",
        "kind": "ServiceMeshControlPlane",
        "metadata": {"name": "basic", "namespace": "cp"},
        "spec": {"version": "v2.6", "gateways": {"ingress": said, "egress": {"enabled": False}}},
    }
    (place,) = take([plane]).places
    assert (place.namespace, dict(place.workload.labels)) == ("edge", labels_of_gateway("istio-ingressgateway", "ingress", said))
