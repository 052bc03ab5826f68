# SPDX-License-Identifier: GPL-3.0-or-later
"""Two clusters become one mesh and part again: accounts, gateways and Secrets of both, by the role as the playbooks play it.

No control plane runs here: what istiods say of each other is in test_multicluster_istiods."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed import Bed

Obj = dict[str, Any]
NAMESPACE = "istio-system"
pytestmark = [pytest.mark.xdist_group("multicluster"), pytest.mark.story]
ENTRIES = {"connect": ("preflight", "open", "access"), "renew": ("access",), "leave": ("leave",), "refuse": ("preflight",)}


class Fleet:
    """East and west, and what is played on both."""

    def __init__(self, beds: dict[str, Bed], folder: Path, playbook: Callable[..., Any]) -> None:
        self.beds, self.folder, self._playbook = beds, folder, playbook
        for bed in beds.values():
            bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})

    def play(self, what: str, *args: str, hosts: dict[str, Obj] | None = None, **variables: Any) -> Any:
        role = {"name": "meshops.mesh.multicluster"}
        tasks = [{"ansible.builtin.include_role": {**role, "tasks_from": f"{entry}.yml"}} for entry in ENTRIES[what]]
        play = [{"hosts": "all", "connection": "local", "gather_facts": False, "tasks": tasks}]
        (self.folder / f"{what}.yml").write_text(yaml.safe_dump(play), encoding="utf-8")
        own = {name: {"mesh_kubeconfig": str(bed.kubeconfig), **((hosts or {}).get(name) or {})} for name, bed in self.beds.items()}
        said = {
            "mesh_name": "shop",
            "mesh_provider": "sail",
            "mesh_control_plane": {"name": "shop", "namespace": NAMESPACE},
            "mesh_topology": {"mesh_id": "shop", "network": "net-{{ inventory_hostname }}", **variables.pop("topology", {})},
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            **variables,
        }
        inventory = self.folder / "hosts.yml"
        inventory.write_text(yaml.safe_dump({"shop": {"hosts": own, "vars": said}}), encoding="utf-8")
        return self._playbook(self.folder / f"{what}.yml", *args, inventory=inventory)

    def secret(self, where: str, of: str) -> Obj:
        done = self.beds[where].kubectl("get", "secret", f"istio-remote-secret-{of}", "-n", NAMESPACE, "-o", "json")
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def config(self, where: str, of: str) -> Obj:
        return dict(yaml.safe_load(base64.b64decode(self.secret(where, of)["data"][of])))

    def ends(self, where: str, of: str) -> datetime:
        part = self.config(where, of)["users"][0]["user"]["token"].split(".")[1]
        return datetime.fromtimestamp(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["exp"], UTC)

    def ours(self, where: str) -> set[str]:
        kinds = "serviceaccount,clusterrole,clusterrolebinding,service,deployment,secret,gateway.networking.istio.io"
        done = self.beds[where].kubectl("get", kinds, "-A", "-l", "app.kubernetes.io/managed-by=meshops.mesh", "-o", "name")
        return set(done.stdout.split())


@pytest.fixture(name="fleet", scope="module")
def _fleet(beds: Callable[..., Bed], tmp_path_factory: pytest.TempPathFactory, playbook: Callable[..., Any]) -> Fleet:
    made = {name: beds(tag=f"mc-{name}", nodes=1, extra_crds=("istio",)) for name in ("east", "west")}
    return Fleet(made, tmp_path_factory.mktemp("fleet"), playbook)


def test_two_clusters_become_one_mesh_and_part_again(fleet: Fleet) -> None:
    planned = fleet.play("connect", "--check").check()
    assert "would make Secret istio-system/istio-remote-secret-west" in planned.stdout and fleet.secret("east", "west") == {}

    first = fleet.play("connect").check()
    assert all(counts["changed"] for counts in first.recap.values())
    _reads_the_other_and_no_more(fleet)
    secrets = {pair: fleet.config(*pair)["users"][0]["user"]["token"] for pair in (("east", "west"), ("west", "east"))}
    assert not [token for token in secrets.values() if token in first.stdout + first.stderr]

    second = fleet.play("connect").check()
    assert second.changed == 0, second.stdout[-3000:]
    assert secrets["east", "west"] == fleet.config("east", "west")["users"][0]["user"]["token"]

    left = fleet.play("leave", mesh_leaving="west").check()
    assert "removed Secret istio-system/istio-remote-secret-west" in left.stdout
    assert (fleet.ours("east"), fleet.ours("west")) == (set(), set())
    assert fleet.play("leave", mesh_leaving="west").check().changed == 0


def _reads_the_other_and_no_more(fleet: Fleet) -> None:
    """With the kubeconfig of the Secret, as istiod does."""
    path = fleet.folder / "remote.kubeconfig"
    path.write_text(yaml.safe_dump(fleet.config("east", "west")), encoding="utf-8")
    west = fleet.beds["west"]
    allowed = {"list services": "yes", "watch endpointslices": "yes", "list secrets": "yes", "get secrets": "no", "create pods": "no"}
    for question, answer in allowed.items():
        done = west.kubectl("auth", "can-i", *question.split(), "--all-namespaces", "--kubeconfig", str(path))
        assert done.stdout.strip() == answer, f"{question}: {done.stdout}{done.stderr}"
    secret = fleet.secret("east", "west")
    assert secret["metadata"]["labels"]["istio/multiCluster"] == "true"
    assert secret["metadata"]["annotations"]["networking.istio.io/cluster"] == "west"
    assert timedelta(days=89) < fleet.ends("east", "west") - datetime.now(UTC) <= timedelta(days=90)


def test_a_token_is_made_anew_before_its_end(fleet: Fleet) -> None:
    """The API server's shortest token is one of 10 minutes."""
    short = {"token": {"lifetime": "10m", "renew_before": "1m"}}
    fleet.play("connect", topology=short).check()
    before = fleet.ends("east", "west")
    assert before - datetime.now(UTC) <= timedelta(minutes=10)
    assert fleet.play("renew", topology=short).check().changed == 0
    run = fleet.play("renew", topology={"token": {"lifetime": "1h", "renew_before": "11m"}}).check()
    assert run.recap["east"]["changed"] == run.recap["west"]["changed"] == 1
    assert "its token ends in" in run.stdout and fleet.ends("east", "west") - before > timedelta(minutes=40)


def test_an_account_that_was_made_again_gets_a_new_token(fleet: Fleet) -> None:
    fleet.play("connect").check()
    fleet.beds["west"].kubectl("delete", "serviceaccount", "istio-remote-reader", "-n", NAMESPACE)
    run = fleet.play("connect").check()
    assert "made anew Secret istio-system/istio-remote-secret-west" in run.stdout
    assert "istio-remote-secret-east" not in run.stdout.replace("peers", "")


def test_what_others_made_is_left_alone(fleet: Fleet) -> None:
    fleet.play("leave", mesh_leaving="west").check()
    east = fleet.beds["east"]
    east.kubectl("create", "secret", "generic", "istio-remote-secret-west", "-n", NAMESPACE, "--from-literal=west=theirs")
    run = fleet.play("connect")
    assert run.rc != 0 and "Secret istio-system/istio-remote-secret-west: cluster east: it is not ours" in " ".join(run.stdout.split())
    assert fleet.secret("west", "east")  # the other one is connected all the same
    fleet.play("connect", mesh_adopt=["Secret istio-system/istio-remote-secret-west"]).check()
    assert fleet.ends("east", "west") > datetime.now(UTC)


def test_a_cluster_that_left_the_inventory_is_forgotten_with_prune(fleet: Fleet) -> None:
    fleet.play("connect").check()
    fleet.play("renew", topology={"cluster": "{{ 'west2' if inventory_hostname == 'west' else 'east' }}"}, mesh_prune=True).check()
    assert fleet.secret("east", "west") == {} and fleet.secret("east", "west2")
    fleet.play("renew", mesh_prune=True).check()
    assert fleet.secret("east", "west") and fleet.secret("east", "west2") == {}


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        ({"west": {"mesh_topology": {"mesh_id": "shop", "network": "net-east"}}}, "all say that they are on network net-east"),
        ({"west": {"mesh_provider": "ossm2"}}, "whose control planes read no other cluster"),
        (
            {"west": {"mesh_topology": {"mesh_id": "other", "network": "n"}}},
            "no other host of the inventory has mesh_topology.mesh_id shop",
        ),
    ],
)
def test_what_is_no_mesh_is_refused_on_all_hosts(fleet: Fleet, hosts: dict[str, Obj], words: str) -> None:
    run = fleet.play("refuse", hosts=hosts)
    assert run.rc != 0 and words in " ".join(run.stdout.split()) and run.changed == 0


def test_one_cluster_under_two_names_is_found(fleet: Fleet) -> None:
    """By another kubeconfig, which only the cluster itself can tell."""
    copy = fleet.folder / "copy.kubeconfig"
    copy.write_text(Path(fleet.beds["east"].kubeconfig).read_text(encoding="utf-8"), encoding="utf-8")
    run = fleet.play("renew", hosts={"west": {"mesh_kubeconfig": str(copy)}})
    assert run.rc != 0 and "is the same cluster as" in " ".join(run.stdout.split())


def test_a_cluster_that_is_away_is_named_and_the_others_go_on(fleet: Fleet) -> None:
    fleet.play("connect").check()
    config = yaml.safe_load(Path(fleet.beds["west"].kubeconfig).read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    away = fleet.folder / "away.kubeconfig"
    away.write_text(yaml.safe_dump(config), encoding="utf-8")
    run = fleet.play("renew", hosts={"west": {"mesh_kubeconfig": str(away)}})
    told = " ".join(run.stdout.split())
    assert run.rc != 0 and "Secret istio-system/istio-remote-secret-west: cluster west (https://127.0.0.1:9): no connection" in told
    assert fleet.secret("east", "west"), "what is there stays"
    gone = fleet.play("leave", hosts={"west": {"mesh_kubeconfig": str(away)}}, mesh_leaving="west")
    assert gone.rc != 0 and gone.recap["east"]["failed"] == 0 and fleet.secret("east", "west") == {}
