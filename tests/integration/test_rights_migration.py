# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration from OSSM 2.6 to 3, there, back and to its end, as an account with its rendered roles and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from conftest import Run
from envoys_support import ASK
from rights_support import Accounts
from testbed import Bed
from travel_support import said

Obj = dict[str, Any]
Play = Callable[..., Run]
SYSTEM, AGENCY, PORTAL, CONTROL = "prod-istio-system", "prod-travel-agency", "prod-travel-portal", "prod-travel-control"
MIGRATE = "meshops.mesh.migrate_mesh"
WORKLOADS = [
    {"namespace": space, "applications": [{"name": name, "image": "registry.example.com/travel:1", "service_account": name, "port": port}]}
    for space, name, port in ((AGENCY, "cars", 8000), (PORTAL, "travels", 8000), (CONTROL, "control", 8080))
]
# One of each kind that is restarted.
MORE = [
    {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": AGENCY},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": {"sidecar.istio.io/inject": "true"}},
                "spec": {"containers": [{"name": "app", "image": "registry.example.com/travel:1"}]},
            },
        },
    }
    for kind, name in (("StatefulSet", "shelf"), ("DaemonSet", "agent"))
]
PLANE: Obj = {
    "name": "production",
    "namespace": SYSTEM,
    "istiod": {"replicas": 1},
    "ingress": {"replicas": 2},
    "egress": {"enabled": False},
    "mtls": {"control_plane": True, "data_plane": True},
    "tracing": {"provider": "jaeger"},
}
ACCESS: Obj = {
    "default_deny": False,
    "rules": [{"name": "portals-to-cars", "from": [f"namespace:{PORTAL}"], "to": [f"{AGENCY}/cars"], "ports": [8000], "methods": ["GET"]}],
}
GIVEN: Obj = {
    "mesh_provider": "ossm2",
    "mesh_workloads": WORKLOADS,
    "mesh_personas": [],
    "mesh_control_plane": PLANE,
    "mesh_hosts": "prod",
    "mesh_observability": {"kiali": {"enabled": True}},
    "migration_access": ACCESS,
    "migration_remove": True,
    "mesh_operators_extra": [{"package": "servicemeshoperator3", "source": "redhat-operators", "channel": "stable"}],
}
KEPT = {"jaeger.jaegertracing.io/jaeger", "kiali.kiali.io/kiali"}
# The gateway is scaled, so that there is all that a gateway can bring.
SCALED = {
    "spec": {"gateways": {"ingress": {"runtime": {"deployment": {"autoScaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 3}}}}}}
}
pytestmark = pytest.mark.long  # real Envoys, and a restart of each of them for each move


def left_behind() -> list[Obj]:
    """Webhooks of the old istiod that its operator forgot; they are asked about nothing."""
    service = {"name": "istiod-production", "namespace": SYSTEM, "path": "/none"}
    hook = {
        "name": "old.example.com",
        "clientConfig": {"service": service},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Ignore",
        "rules": [{"apiGroups": ["none.example.com"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["nothings"]}],
    }
    return [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": f"{word}WebhookConfiguration",
            "metadata": {"name": "left-behind"},
            "webhooks": [hook],
        }
        for word in ("Mutating", "Validating")
    ]


def install(world: Accounts) -> None:
    """By an administrator: a mesh of OSSM 2, and the operators of both generations."""
    for name in (SYSTEM, AGENCY, PORTAL, CONTROL):
        world.bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": name, "labels": ASK}})
    play = world.folder / "mesh.yml"
    roles = [f"meshops.mesh.{name}" for name in ("operators", "control_plane", "membership", "workloads")]
    play.write_text(yaml.safe_dump([{"name": "The mesh", "hosts": "prod", "gather_facts": False, "roles": roles}]), encoding="utf-8")
    world.play(play).check()
    for done in (
        world.bed.kubectl("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, [*MORE, *left_behind()]))),
        world.bed.kubectl("patch", "smcp", "production", "-n", SYSTEM, "--type=merge", "-p", json.dumps(SCALED)),
        world.bed.kubectl("rollout", "status", "statefulset/shelf", "-n", AGENCY, "--timeout=120s", timeout=150.0),
        world.bed.kubectl("rollout", "status", "daemonset/agent", "-n", AGENCY, "--timeout=120s", timeout=150.0),
    ):
        assert done.returncode == 0, done.stderr
    assert kept(world) == KEPT


def kept(world: Accounts) -> set[str]:
    """What goes on to be used without OSSM 2."""
    return {*world.bed.kubectl("get", "jaegers,kialis", "-n", SYSTEM, "-o", "name").stdout.split()}


@pytest.fixture(scope="module", name="world")
def _world(tmp_path_factory: pytest.TempPathFactory, worker_id: str, playbook: Play) -> Iterator[Accounts]:
    operators = ("olm", "sail", "maistra", "openshift", "observability", "envoys")
    bed = Bed.start(f"rights-migration-{worker_id}", operators, nodes=1, owner=os.getpid())
    world = Accounts(bed, playbook, tmp_path_factory.mktemp("rights"), GIVEN)
    try:
        install(world)
        yield world
    finally:
        bed.stop()


def test_a_migration_needs_these_rights_and_no_others(world: Accounts) -> None:
    user = world.account("migration")
    world.play("meshops.mesh.plan_migration", account=user).check()
    moved = world.play(MIGRATE, account=user, migration_remove=False).check()
    assert "the access is as before, proven for all requests, and called:" in said(moved)
    world.play(MIGRATE, account=user, migration_remove=False, migration_state="back").check()
    world.play(MIGRATE, account=user).check()
    gone = world.bed.kubectl("get", "smcp,smmr,smm", "-A", "-o", "name")
    assert gone.returncode == 0 and gone.stdout == "" and kept(world) == KEPT
    hooks = world.bed.kubectl("get", "mutatingwebhookconfigurations,validatingwebhookconfigurations", "-o", "name").stdout
    assert "left-behind" not in hooks
    uses = world.proven(user)
    assert {use.namespace for use in uses if use.resource == "secrets"} == {SYSTEM}
