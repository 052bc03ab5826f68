# SPDX-License-Identifier: GPL-3.0-or-later
"""CRDs and service accounts of a plan come late on a busy API server; a version requirement does not come at all."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._olm.model import Observation
from ansible_collections.meshops.mesh.plugins.module_utils._olm.obstacles import find

CRD = {"kind": "CustomResourceDefinition", "name": "jaegers.jaegertracing.io", "status": "NotPresent", "message": "CRD is not present"}
ACCOUNT = {"kind": "ServiceAccount", "name": "jaeger-operator", "status": "NotPresent", "message": "Service account does not exist"}
VERSION = {"kind": "ClusterServiceVersion", "name": "jaeger-operator.v1", "status": "Present/not-satisfied", "message": "minKubeVersion"}


def observation(requirements: list[dict[str, str]], *plans: dict[str, Any]) -> Observation:
    where: dict[str, Any] = {"namespace": "tracing"}
    csv = "jaeger-operator.v1.65.0"
    return Observation.of(
        "jaeger-product",
        "tracing",
        {
            "Subscription": [
                {
                    "metadata": {**where, "name": "jaeger-product", "uid": "1"},
                    "spec": {"name": "jaeger-product"},
                    "status": {"state": "AtLatestKnown", "currentCSV": csv, "installedCSV": csv},
                }
            ],
            "OperatorGroup": [{"metadata": {**where, "name": "tracing"}}],
            "ClusterServiceVersion": [
                {
                    "metadata": {**where, "name": csv},
                    "status": {"phase": "Pending", "reason": "RequirementsNotMet", "requirementStatus": requirements},
                }
            ],
            "InstallPlan": [
                {"metadata": {**where, "name": "install-abc", "uid": "2"}, "spec": {"clusterServiceVersionNames": [csv]}, "status": status}
                for status in plans
            ],
        },
    )


@pytest.mark.parametrize(
    ("requirements", "grace"), [([CRD, ACCOUNT], 90), ([VERSION], 8), ([CRD, VERSION], 8)], ids=["what the plan brings", "version", "both"]
)
def test_how_long_a_requirement_may_be_missing(requirements: list[dict[str, str]], grace: float) -> None:
    found = [obstacle for obstacle in find(observation(requirements), None) if obstacle.code == "RequirementsNotMet"]
    assert [obstacle.grace for obstacle in found] == [grace]
    assert all(requirement["name"] in found[0].reason for requirement in requirements)


def test_a_plan_that_is_being_carried_out_brings_them_even_when_the_subscription_names_the_next_one() -> None:
    assert not [one for one in find(observation([CRD], {"phase": "Installing"}), None) if one.code == "RequirementsNotMet"]


def test_a_plan_that_failed_is_the_cause() -> None:
    found = find(observation([CRD], {"phase": "Failed", "message": "error updating service: bad-svc"}), None)
    cause = next(one for one in found if one.code == "InstallPlanFailed")
    assert "InstallPlan tracing/install-abc" in cause.reason and "bad-svc" in cause.reason and CRD["name"] in cause.reason
    assert not [one for one in found if one.code == "RequirementsNotMet"]
