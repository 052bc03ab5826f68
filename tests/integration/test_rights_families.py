# SPDX-License-Identifier: GPL-3.0-or-later
"""Each family of playbooks as an account with its rendered roles and nothing else: nothing is refused, no verb is unused."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Run
from envoys_support import ASK, until
from rights_support import Accounts, used
from testbed import Bed
from travel_support import INVENTORY, said

Obj = dict[str, Any]
Play = Callable[..., Run]
SYSTEM, AGENCY, PORTAL, CONTROL = "prod-istio-system", "prod-travel-agency", "prod-travel-portal", "prod-travel-control"
OSSM3, COLLECTOR = "servicemeshoperator3", "opentelemetry-product"
WORKLOADS = [
    {"namespace": space, "applications": [{"name": name, "image": "registry.example.com/travel:1", "service_account": name, "port": port}]}
    for space, name, port in ((AGENCY, "cars", 8000), (PORTAL, "travels", 8000), (CONTROL, "control", 8080))
]
# One of each kind that a wave restarts.
MORE = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": AGENCY}} for name in ("shelf", "agent")] + [
    {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": AGENCY},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"serviceAccountName": name, "containers": [{"name": "app", "image": "registry.example.com/travel:1"}]},
            },
        },
    }
    for kind, name in (("StatefulSet", "shelf"), ("DaemonSet", "agent"))
]
PLANE: Obj = {
    "name": "production",
    "namespace": SYSTEM,
    "update_strategy": "RevisionBased",
    "istiod": {"replicas": 1},
    "ingress": {"replicas": 2},
    "egress": {"enabled": False},
    "mtls": {"control_plane": True, "data_plane": True},
    "access_log": {"enabled": True, "encoding": "JSON"},
    "tracing": {"provider": "none"},
}
LOCKED: Obj = {
    "mtls": {"mode": "STRICT", "destination_rules": True},
    "egress": {"sidecars": True},
    "rules": [
        {"name": "console", "from": ["anyone"], "to": ["gateway:ingress"]},
        {"name": "gateway-to-console", "from": ["gateway:ingress"], "to": [f"{CONTROL}/control"], "ports": [8080]},
        {"name": "console-to-portals", "from": [f"{CONTROL}/control"], "to": [f"namespace:{PORTAL}"], "ports": [8000]},
        {"name": "portals-to-cars", "from": [f"namespace:{PORTAL}"], "to": [f"{AGENCY}/cars"], "ports": [8000], "methods": ["GET"]},
    ],
}
TOKENS: Obj = {
    "default_deny": False,
    "issuers": [{"name": "sso", "issuer": "https://sso.example.com/auth", "jwks": '{"keys": []}'}],
    "rules": [{"name": "partner", "from": ["anyone"], "to": ["gateway:ingress"], "tokens": ["sso/*"]}],
}
SEEN: Obj = {
    "reporter": "destination",
    "source_workload": "travels-v1",
    "source_workload_namespace": PORTAL,
    "source_principal": f"spiffe://cluster.local/ns/{PORTAL}/sa/travels",
    "destination_workload": "cars-v1",
    "destination_workload_namespace": AGENCY,
    "response_code": "200",
}


@dataclass
class World(Accounts):
    """The production mesh, as small as its playbooks take it, and accounts for them."""

    def ports(self, namespace: str, app: str, port: int) -> int:
        """The local port behind a pod's port."""

        def found() -> int:
            pods = self.bed.kubectl("get", "pods", "-n", namespace, "-l", f"app={app}", "-o", "jsonpath={.items[*].metadata.name}").stdout
            done = self.bed.kubectl("get", "portforwards.kwok.x-k8s.io", "-n", namespace, "-o", "yaml").stdout
            rows = {row["metadata"]["name"]: row["spec"]["forwards"] for row in yaml.safe_load(done)["items"]}
            return next((int(row["target"]["port"]) for pod in pods.split() for row in rows.get(pod, []) if port in row["ports"]), 0)

        return int(until(found, what=f"the Envoy of {namespace}/{app}"))


def given(folder: Path) -> Obj:
    """The intent, as small as the playbooks take it."""
    rotation = {"interval": 0.3, "gate_timeout": 240, "istiod_grace": 2, "renew": "restart"}
    collector = {
        "package": COLLECTOR,
        "source": "redhat-operators",
        "channel": "stable",
        "namespace": "openshift-collector",
        "own_group": True,
    }
    return {
        "mesh_provider": "ossm3",
        "mesh_workloads": WORKLOADS,
        "mesh_observability": {},
        "mesh_personas": [],
        "mesh_control_plane": PLANE,
        "mesh_ossm3_version": "v1.28.9",
        "mesh_operators_extra": [collector],
        "mesh_certificates_store": str(folder / "pki"),
        "mesh_certificates_rotation": rotation,
        "mesh_check_fail_on": "never",
        "mesh_upgrade": {"rollout": {"interval": 0.5}},
        "access_wait_timeout": 120,
        "mesh_hosts": "travel_prod",
    }


def install(world: World) -> None:
    """By an administrator: operators of before, a mesh without gateways of the intent."""
    for name in (SYSTEM, AGENCY, PORTAL, CONTROL):
        world.bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": name, "labels": ASK}})
    play = world.folder / "mesh.yml"
    roles = [f"meshops.mesh.{name}" for name in ("operators", "control_plane", "membership", "workloads")]
    play.write_text(yaml.safe_dump([{"name": "The mesh", "hosts": "prod", "gather_facts": False, "roles": roles}]), encoding="utf-8")
    world.play(play, mesh_operators_channels={OSSM3: "stable-3.0"}).check()
    done = world.bed.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(MORE))
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module", name="world")
def _world(tmp_path_factory: pytest.TempPathFactory, worker_id: str, playbook: Play) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("rights")
    bed = Bed.start(f"rights-{worker_id}", ("olm", "sail", "openshift", "envoys"), nodes=1, owner=os.getpid())
    world = World(bed, playbook, folder, given(folder))
    try:
        install(world)
        yield world
    finally:
        bed.stop()


@pytest.mark.long  # real Envoys, and a restart of each of them for each step
def test_certificates(world: World) -> None:
    serving, port = world.account("certificates", "gateways"), world.ports(SYSTEM, "istio-ingressgateway", 8443)
    reach = {"control-gateway": {"address": "127.0.0.1", "port": port}}
    world.play("meshops.mesh.travel_https", account=serving, travel_reach=reach).check()
    user = world.account("certificates", "authority")
    world.play("meshops.mesh.travel_corporate_ca", account=user).check()
    corporate = {f"mesh_certificates_{name}": {"name": f"{name}-2027", "key_type": "EC", "key_bits": 256} for name in ("root", "authority")}
    world.play("meshops.mesh.rotate_certificates", account=user, **corporate).check()
    world.play("meshops.mesh.check_shared_root", account=user).check()
    uses = world.proven(serving, user)
    assert {use.namespace for use in uses if use.resource == "secrets"} == {SYSTEM}


@pytest.mark.long  # real Envoys enforce what the calls of the role prove
def test_access(world: World) -> None:
    user, answer = world.account("access"), world.folder / "answer.json"
    row = {"metric": SEEN, "value": [1795863600, "5"]}
    answer.write_text(json.dumps({"status": "success", "data": {"resultType": "vector", "result": [row]}}), encoding="utf-8")
    jwt = {"mesh_access": TOKENS, "travel_partner_live": False}
    world.play("meshops.mesh.travel_partner_jwt", account=user, **jwt).check()
    world.play("meshops.mesh.travel_partner_jwt", account=user, **jwt, access_state="absent").check()
    locked = world.play("meshops.mesh.travel_zero_trust", account=user, travel_zero_trust=LOCKED).check()
    assert "0 otherwise" in said(locked)
    proposal = world.folder / "proposal.yml"
    world.play(
        "meshops.mesh.access_from_traffic",
        account=user,
        travel_zero_trust=LOCKED,
        mesh_traffic_answers=[str(answer)],
        mesh_traffic_proposal=str(proposal),
    ).check()
    assert f"{AGENCY}/cars" in proposal.read_text(encoding="utf-8")
    world.play("meshops.mesh.travel_zero_trust", account=user, travel_zero_trust=LOCKED, access_state="absent").check()
    uses = world.proven(user)
    assert not [use for use in uses if use.resource == "secrets"]


@pytest.mark.long  # real Envoys are asked what they know
def test_traffic(world: World) -> None:
    routes = [{"match": [{"headers": {"end-user": "jason"}}], "to": {"v1": 100}}, {"to": {"v1": 100}, "timeout": "3s"}]
    more: Obj = {"mesh_traffic": [{"service": "cars", "namespace": AGENCY, "versions": [{"name": "v1"}], "routes": routes}]}
    user = world.account("traffic", **more)
    done = world.play("meshops.mesh.shift_traffic", account=user, **more).check()
    assert "each has it after" in said(done)
    world.play("meshops.mesh.shift_traffic", account=user, **more, traffic_state="absent").check()
    uses = world.proven(user)
    assert not [use for use in uses if use.resource == "secrets"]


def drift(world: World) -> None:
    """What the role control_plane has made is not as it was: without a label of ours."""
    kinds = "serviceaccounts,services,poddisruptionbudgets,peerauthentications.security.istio.io,telemetries.telemetry.istio.io"
    done = world.bed.kubectl("label", kinds, "-n", SYSTEM, "-l", "mesh.meshops.io/layer=control_plane_gateways", "mesh.meshops.io/layer-")
    assert done.returncode == 0 and done.stdout.count("unlabeled") >= 5, done.stderr + done.stdout


@pytest.mark.long  # three ways to restart every Envoy
def test_upgrade(world: World) -> None:
    first, second, users = "v1.28.10", "v1.29.6", []

    def play(name: str, *works: str, **more: Any) -> Run:
        users.append(world.account("upgrade", *works))
        return world.play(f"meshops.mesh.{name}", account=users[-1], **more).check()

    # a rotation before this one made the Lease, and create is asked for where there is none
    world.bed.kubectl("delete", "leases", "--all", "-n", SYSTEM)
    plan = {"plan_upgrade_target": first, "plan_upgrade_fail_on": "never"}
    play("plan_upgrade", "plan", **plan)
    play("plan_upgrade", "plan", "proxies", **plan, plan_upgrade_proxies=True)
    play("upgrade_operators", "operators", mesh_operators_versions={OSSM3: f"{OSSM3}.v3.1.0"})
    drift(world)
    play("upgrade_control_plane", "control_plane", mesh_ossm3_version=first)
    play("upgrade_data_plane", "control_plane", "proxies", mesh_ossm3_version=first)
    play("restart_data_plane", "proxies", mesh_ossm3_version=first, upgrade_reason="more memory")
    there = play(
        "upgrade_mesh",
        "operators",
        "control_plane",
        "proxies",
        mesh_ossm3_version=second,
        mesh_operators_versions={OSSM3: f"{OSSM3}.v3.1.0"},
    )
    assert f"is at {second}" in said(there)
    world.proven(*users)


@pytest.mark.long  # goes on where the certificates are
def test_a_further_gateway_needs_no_more_than_its_works(world: World) -> None:
    user = world.account("install,certificates", "gateways")
    world.play(
        "meshops.mesh.travel_partner_gateway",
        account=user,
        travel_partner_bundle=str(world.folder / "gto"),
        mesh_control_plane={**PLANE, "additional_ingress": "{{ travel_partner_ingress }}"},
    ).check()
    written = {use.resource for use in world.uses(user) if use.verb in ("create", "patch")}
    assert {"deployments.apps", "gateways.networking.istio.io", "secrets"} <= written


# Each that changes something; the first of each family every day, tests/unit/rights/test_playbooks.py looks that all of them ask first.
NEEDS = {"rotate_certificates": "certificates", "travel_zero_trust": "access", "upgrade_mesh": "upgrade", "migrate_mesh": "migration"}
FURTHER = {
    "travel_partner_gateway": "install,certificates",
    "issue_certificates": "certificates",
    "travel_corporate_ca": "certificates",
    "travel_https": "certificates",
    "travel_partner_jwt": "access",
    "shift_traffic": "traffic",
    "upgrade_operators": "upgrade",
    "upgrade_control_plane": "upgrade",
    "upgrade_data_plane": "upgrade",
    "restart_data_plane": "upgrade",
}


@pytest.mark.parametrize("name", [*NEEDS, *(pytest.param(name, marks=pytest.mark.long) for name in FURTHER)])
def test_a_login_that_lacks_rights_is_told_all_and_writes_nothing(bed: Bed, playbook: Play, name: str) -> None:
    user, mark, family = f"nobody-{name.replace('_', '-')}", bed.mark(), (NEEDS | FURTHER)[name]
    run = playbook(
        f"meshops.mesh.{name}",
        bed=bed,
        kubeconfig=bed.user_kubeconfig(user),
        inventory=INVENTORY,
        extra_vars={
            "mesh_provider": "ossm3",
            "mesh_mysql_password": "of-this-test-only",
            "mesh_hosts": "travel_prod",
        },
    )
    found = re.search(rf"lacks (\d+) of the rights that {family} needs; nothing was changed", said(run))
    assert run.rc == 2 and found and int(found[1]) > 3, run.stdout[-3000:]
    assert f"mesh_rights_families={family}" in said(run)
    assert {use.resource for use in used(bed.audit(mark), user)} == {"selfsubjectaccessreviews.authorization.k8s.io"}, "nothing else"
