# SPDX-License-Identifier: GPL-3.0-or-later
"""Two clusters with real istiods become one mesh by our playbooks: each istiod reads the other cluster, with the rights that it uses."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed import Bed, binaries

MISSING = binaries.istio_missing()
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("multicluster"), pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]
GATEWAY, NAMESPACE = "istio-eastwestgateway", "istio-system"
READER = f"system:serviceaccount:{NAMESPACE}:istio-remote-reader"
INVENTORY = Path(__file__).parents[2] / "inventories" / "two_clusters"
PLAIN = {"prometheus": {"enabled": False}, "grafana": {"enabled": False}, "kiali": {"enabled": False}}


@pytest.fixture(scope="module", name="beds_of_both")
def _beds_of_both(worker_id: str) -> Iterator[dict[str, Bed]]:
    made: dict[str, Bed] = {}
    for number, name in enumerate(("east", "west")):
        Bed.find(f"mc-istiods-{name}-{worker_id}").stop()  # of a run that was cut short
        made[name] = Bed.start(f"mc-istiods-{name}-{worker_id}", ("olm", "sail", "openshift"), istiod="real",
                               pod_cidr=f"10.{128 + number}.0.0/16", owner=os.getpid())  # fmt: skip
    yield made
    for bed in made.values():
        bed.stop()


@pytest.fixture(scope="module", name="inventory")
def _inventory(beds_of_both: dict[str, Bed], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    said = yaml.safe_load((INVENTORY / "group_vars" / "shop.yml").read_text(encoding="utf-8"))
    more = {"mesh_observability": PLAIN, "mesh_certificates_store": str(tmp_path_factory.mktemp("ca"))}
    hosts = {name: {"mesh_kubeconfig": str(bed.kubeconfig)} for name, bed in beds_of_both.items()}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"shop": {"hosts": hosts, "vars": {**said, **more}}}), encoding="utf-8")
    return folder / "hosts.yml"


def balanced(bed: Bed, address: str, ended: threading.Event) -> None:
    """What a cloud's load balancer does."""
    status = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}})
    patch = ("patch", "service", GATEWAY, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", status)
    while not ended.wait(1) and bed.kubectl(*patch).returncode != 0:
        pass


def test_two_meshes_become_one(beds_of_both: dict[str, Bed], inventory: Path, playbook: Callable[..., Any]) -> None:
    asked = {"mesh_check_categories": ["api", "control_plane"]}
    playbook("meshops.mesh.install_mesh", inventory=inventory, extra_vars=asked).check()
    ended = threading.Event()
    clouds = [
        threading.Thread(target=balanced, args=(bed, f"198.18.0.{place}", ended)) for place, bed in enumerate(beds_of_both.values(), 1)
    ]
    for cloud in clouds:
        cloud.start()
    try:
        first = playbook("meshops.mesh.connect_clusters", inventory=inventory).check()
    finally:
        ended.set()
    for host in ("east", "west"):
        assert first.recap[host]["changed"]
    assert first.stdout.count("east synced, west synced") == 2
    second = playbook("meshops.mesh.connect_clusters", inventory=inventory).check()
    assert second.changed == 0, second.stdout[-3000:]
    _uses_what_it_may(beds_of_both["west"])

    left = playbook("meshops.mesh.disconnect_cluster", inventory=inventory, extra_vars={"mesh_leaving": "west"}).check()
    assert left.changed
    for bed in beds_of_both.values():
        ours = "mesh.meshops.io/layer in (multicluster, multicluster_access)"
        found = bed.kubectl("get", "secret,service,deployment", "-n", NAMESPACE, "-l", ours, "-o", "name")
        assert found.stdout == ""


def _uses_what_it_may(bed: Bed) -> None:
    """Each rule of the account's role is used by the istiod of the other cluster, and nothing was denied to it."""
    done = bed.kubectl("get", "clusterrole", f"istio-remote-reader-{NAMESPACE}", "-o", "json")
    allowed = {
        (group, resource, verb)
        for rule in json.loads(done.stdout)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    events = [row for row in bed.audit() if row["user"]["username"] == READER and row.get("objectRef")]
    denied = {(row["verb"], row["objectRef"]["resource"]) for row in events if row.get("responseStatus", {}).get("code") == 403}
    used = {(row["objectRef"].get("apiGroup", ""), row["objectRef"]["resource"]) for row in events}
    assert not denied
    assert used == {(group, resource) for group, resource, _verb in allowed}
    assert {verb for _group, _resource, verb in allowed} == {"list", "watch"}
