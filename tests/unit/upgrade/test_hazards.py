# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against an upgrade, in the corners that the cases of the checks do not have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model import kinds as k
from ansible_collections.meshops.mesh.plugins.module_utils._model.problem import Problem
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import Obj as Row
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade import hazards, trust
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.fleet import fleet_of_view
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.journey import UpgradeAssessment, journey_of
from ansible_collections.meshops.mesh.plugins.module_utils._upgrade.route import UpgradeRequest

from upgrade.world import Obj, deployment, istio, namespace, obj, revision, snapshot

GATEWAY = {"inject.istio.io/templates": "gateway"}


def asked(
    find: Callable[[UpgradeAssessment], Iterable[Problem]],
    *objects: Obj,
    target: str = "v1.30.3",
    source: str = "cluster",
    version: str = "v1.29.4",
    strategy: str = "RevisionBased",
    **spec: Any,
) -> list[tuple[str, str, str]]:
    """(object, severity, message) of what is found of a mesh of one Istio."""
    name = f"prod-{version.replace('.', '-')}" if strategy == "RevisionBased" else "prod"
    plane = istio("prod", version, updateStrategy={"type": strategy}, status={"activeRevisionName": name}, **spec)
    mesh = [plane, revision(name, version, istio_name="prod"), namespace("shop", istio_io__rev=name)]
    view = View(snapshot(*mesh, *objects, source=source))
    way = journey_of(view, fleet_of_view(view), UpgradeRequest(target, name="prod", provider="sail"))
    return [(row.resource, row.severity.name.lower() if row.severity else "", row.message) for row in find(way)]


def said(*given: Any, **more: Any) -> list[str]:
    return [message for _object, _severity, message in asked(*given, **more)]


def budget(**spec: Any) -> Obj:
    return obj("policy/v1", "PodDisruptionBudget", "shop/cart", spec={"selector": {"matchLabels": {"app": "cart"}}, **spec})


@pytest.mark.parametrize(
    ("spec", "replicas", "left"),
    [
        ({}, 3, 0),
        ({"minAvailable": 2}, 3, 2),
        ({"minAvailable": "50%"}, 3, 2),  # rounded up, as the controller does
        ({"minAvailable": "100%"}, 3, 3),
        ({"minAvailable": 0}, 3, 0),
        ({"maxUnavailable": 1}, 3, 2),
        ({"maxUnavailable": "34%"}, 3, 1),
        ({"maxUnavailable": 0}, 3, 3),
        ({"maxUnavailable": "0%"}, 3, 3),
        ({"minAvailable": "half"}, 3, 0),
    ],
)
def test_how_many_pods_a_budget_keeps(spec: Obj, replicas: int, left: int) -> None:
    assert hazards.kept(Row.from_dict(k.POD_DISRUPTION_BUDGET, budget(**spec)), replicas) == left


def daemons(*, gateway: bool) -> Obj:
    made = deployment("shop/cart", kind="DaemonSet", annotations=GATEWAY if gateway else {})
    return {**made, "status": {"desiredNumberScheduled": 3}}


DRAIN = "it keeps 2 pods of Deployment shop/cart, which is all: no node can be drained, though a restart adds a pod first"
TAKES = "it keeps 2 pods of Deployment shop/cart, which is all: a restart has to take one away"
FIXED = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}


@pytest.mark.parametrize(
    ("workload", "spec", "expected"),
    [
        (deployment("shop/cart", replicas=2), {"minAvailable": 2}, [("warning", DRAIN)]),
        (deployment("shop/cart", replicas=2), {"minAvailable": 1}, []),
        (deployment("shop/cart", replicas=2), {"minAvailable": 3}, [("warning", DRAIN)]),
        (deployment("shop/cart", replicas=2, strategy=FIXED), {"maxUnavailable": 0}, [("", TAKES)]),
        (deployment("shop/cart", replicas=2, strategy={"type": "Recreate"}), {"maxUnavailable": 0}, [("", TAKES)]),
        (deployment("shop/cart", replicas=2, kind="StatefulSet"), {"maxUnavailable": 0},
         [("", TAKES.replace("Deployment", "StatefulSet"))]),
        (deployment("shop/cart", replicas=0), {"minAvailable": 1}, []),
        (deployment("shop/other", replicas=2), {"minAvailable": 2}, []),
        (deployment("bank/cart", replicas=2), {"minAvailable": 2}, []),
        (deployment("shop/cart", replicas=2), {"minAvailable": 2, "selector": None}, []),
        # nobody asks a budget before a pod of a DaemonSet goes; of gateways a rollout does
        (daemons(gateway=False), {"maxUnavailable": 0}, []),
        (daemons(gateway=True), {"maxUnavailable": 0}, [("", TAKES.replace("2", "3").replace("Deployment", "DaemonSet"))]),
    ],
)  # fmt: skip
def test_budgets_under_which_nothing_moves(workload: Obj, spec: Obj, expected: list[tuple[str, str]]) -> None:
    assert [(severity, message) for _object, severity, message in asked(hazards.budgets, workload, budget(**spec))] == expected


def component(kind: str, version: str, running: str = "") -> list[Obj]:
    made = obj("sailoperator.io/v1", kind, "default", spec={"namespace": "node", "version": version})
    name = "istio-cni-node" if kind == "IstioCNI" else "ztunnel"
    image = [{"name": "a", "image": f"r.example.com/install-cni:{running}"}] if running else []
    return [made, deployment(f"node/{name}", kind="DaemonSet", containers=()) | {"spec": {"template": {"spec": {"containers": image}}}}]


@pytest.mark.parametrize(
    ("kind", "version", "expected"),
    [
        ("IstioCNI", "v1.29.4", 0), ("IstioCNI", "v1.28.4", 0), ("IstioCNI", "v1.27.4", 1), ("IstioCNI", "v1.30.4", 0),
        ("IstioCNI", "v1.31.4", 1),
        ("ZTunnel", "v1.29.4", 0), ("ZTunnel", "v1.26.4", 1), ("ZTunnel", "v1.30.4", 1), ("IstioCNI", "nonsense", 0),
    ],
)  # fmt: skip
def test_node_components_that_are_too_far_from_the_control_plane(kind: str, version: str, expected: int) -> None:
    rows = said(hazards.skew, *component(kind, version))
    assert len(rows) == expected and all(f"its version is {version}, the control plane's is v1.29.4; at most" in row for row in rows)


def operator(approval: str) -> Obj:
    spec = {"name": "sailoperator", "channel": "stable", "source": "c", "sourceNamespace": "olm", "installPlanApproval": approval}
    return obj("operators.coreos.com/v1alpha1", "Subscription", "operators/sail", spec=spec, status={})


def test_a_version_that_moves_by_itself_moves_with_an_operator_that_does() -> None:
    for approval, expected in (("Manual", []), ("Automatic", ["Istio prod", "IstioCNI default"])):
        found = asked(hazards.alias, *component("IstioCNI", "v1.29-latest"), operator(approval), version="v1.29-latest", strategy="InPlace")
        assert [row for row, _severity, _message in found] == expected
    assert said(hazards.alias, *component("IstioCNI", "v1.29.4"), operator("Automatic")) == []


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("v1.35.4", []),
        ("v1.32.0", []),
        ("v1.31.9", ["Kubernetes is 1.31, Istio 1.30 needs 1.32 or newer"]),
        ("v1.9.0", ["Kubernetes is 1.9, Istio 1.30 needs 1.32 or newer"]),
        (None, ["the source does not say which version the API server has"]),
    ],
)
def test_an_api_server_that_is_too_old(server: str | None, expected: list[str]) -> None:
    view = View(snapshot(istio("prod"), revision("prod", istio_name="prod"), server_version=server))
    way = journey_of(view, fleet_of_view(view), UpgradeRequest("v1.30.3", provider="sail"))
    assert [row.message for row in hazards.kubernetes(way)] == expected


CSR = obj("operator.openshift.io/v1alpha1", "IstioCSR", "cert-manager/default", spec={})
SECRET = "neither it nor istio-ca-secret is there: a new istiod makes a root of its own, which no running proxy trusts"


def csr(**told: Any) -> Obj:
    return {**CSR, "spec": {"istioCSRConfig": {"istio": told}}}


def pilot(**env: str) -> Obj:
    return {"values": {"pilot": {"env": env}}}


@pytest.mark.parametrize(
    ("objects", "more", "expected"),
    [
        ([], {}, [SECRET]),
        ([], {"target": "v1.29.4"}, []),  # nothing is to come
        ([], {"source": "manifests"}, ["manifests do not have the CA's Secret"]),
        ([obj("v1", "Secret", "istio-system/cacerts")], {}, []),
        ([obj("v1", "Secret", "istio-system/istio-ca-secret")], {"source": "manifests"}, []),
        ([obj("v1", "Secret", "elsewhere/cacerts")], {}, [SECRET]),
        ([CSR], {}, []),
        ([], pilot(ENABLE_CA_SERVER="False"), []),
        ([], pilot(ENABLE_CA_SERVER="true"), [SECRET]),
        ([], pilot(EXTERNAL_CA="ISTIOD_RA_KUBERNETES_API"), []),
        ([istio("other", **pilot(EXTERNAL_CA="x"), status={})], {}, [SECRET]),
        ([csr(revisions=["prod-v1-29-4"])], {}, ["its revisions are prod-v1-29-4: istiod of prod-v1-30-3 would get no certificate"]),
        ([csr(revisions=["prod-v1-29-4", "prod-v1-30-3"])], {}, []),
        ([csr(revisions=["prod-v1-29-4"], namespace="elsewhere")], {}, []),
        ([csr(revisions=["prod-v1-29-4"], namespace="istio-system")], {},
         ["its revisions are prod-v1-29-4: istiod of prod-v1-30-3 would get no certificate"]),
        ([csr(revisions=["prod-v1-29-4"])], {"target": "v1.30-latest"}, []),  # the name of the revision is not known
    ],
)  # fmt: skip
def test_whether_the_new_istiod_signs_with_the_same_ca(objects: list[Obj], more: Obj, expected: list[str]) -> None:
    assert said(trust.root, *objects, **{"target": "v1.30.3", **more}) == expected


def policy(**spec: Any) -> Obj:
    return obj("security.istio.io/v1", "AuthorizationPolicy", "shop/one", labels=spec.pop("labels", None), spec=spec)


OLD = "is not known to IstioRevision prod-v1-24-3 (v1.24.3), which drops it"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (policy(rules=[{"from": [{"source": {"serviceAccounts": ["a"]}}]}]),
         [f"rules[0].from.serviceAccounts {OLD}: the source is any caller"]),
        (policy(rules=[{}, {"from": [{"source": {"serviceAccounts": ["a"], "principals": ["b"]}}]}]),
         [f"rules[1].from.serviceAccounts {OLD}: principals is all that is left of the source"]),
        (policy(rules=[{"from": [{"source": {"principals": ["b"]}}]}]), []),
        (policy(rules=[None, {"from": None}, {"from": [None]}]), []),
        # for a revision that knows it
        (policy(labels={"istio.io/rev": "prod-v1-26-2"}, rules=[{"from": [{"source": {"serviceAccounts": ["a"]}}]}]), []),
        (policy(labels={"istio.io/rev": "prod-v1-24-3"}, rules=[{"from": [{"source": {"serviceAccounts": ["a"]}}]}]),
         [f"rules[0].from.serviceAccounts {OLD}: the source is any caller"]),
    ],
)  # fmt: skip
def test_fields_that_an_istiod_drops(given: Obj, expected: list[str]) -> None:
    assert said(trust.dropped_fields, given, version="v1.24.3", target="v1.26.2") == expected
