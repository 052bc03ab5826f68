# SPDX-License-Identifier: GPL-3.0-or-later
"""certificate_check asks real Envoys through the API server's port-forward: each fault by its own code, one that hangs holds nobody up."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, run_playbook
from envoys_support import Mesh, until
from testbed import Bed

Obj = dict[str, Any]
APPS = ("portal", "cars", "flights", "hotels")


@pytest.fixture(scope="module")
def mesh(worker_id: str) -> Iterator[Mesh]:
    bed = Bed.start(f"proxies-{worker_id}", ("sail", "envoys"), owner=os.getpid())
    found = Mesh(bed)
    found.install()
    found.deploy(*APPS)
    yield found
    bed.stop()


def check(bed_mesh: Mesh, folder: Path, *, kubeconfig: Path | None = None, **more: Any) -> tuple[Run, Obj]:
    """The module's result, as a task of a play gets it."""
    plane = {"name": "default", "namespace": "istio-system"}
    options = {
        "mesh": True,
        "proxies": True,
        "provider": "sail",
        "control_plane": plane,
        "members": [bed_mesh.namespace],
        "cluster": "bed",
        "fail_on": "never",
        "proxy_timeout": 4,
        **more,
    }
    play = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "connection": "local",
            "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
            "tasks": [
                {"meshops.mesh.certificate_check": options, "register": "found"},
                {"ansible.builtin.copy": {"content": "{{ found | to_json }}", "dest": str(folder / "found.json"), "mode": "0600"}},
            ],
        }
    ]
    (folder / "play.yml").write_text(json.dumps(play))
    run = run_playbook(folder / "play.yml", bed=bed_mesh.bed, kubeconfig=kubeconfig, inventory="localhost,").check()
    return run, json.loads((folder / "found.json").read_text())


def wrong(found: Obj, *codes: str) -> dict[str, set[str]]:
    """The pods with deviations, by code."""
    rows = [row for row in found["checks"] if row["status"] in ("failed", "warning") and row["resource"].startswith("Pod ")]
    return {code: {row["resource"] for row in rows if row["id"] == code} for code in codes or {row["id"] for row in rows}}


def passed(found: Obj, code: str) -> bool:
    return [row["status"] for row in found["checks"] if row["id"] == code] == ["passed"]


def test_a_healthy_mesh_gives_no_alarm_and_no_key(mesh: Mesh, tmp_path: Path) -> None:
    mesh.bed.set_faults({})
    run, found = check(mesh, tmp_path)
    assert wrong(found) == {}
    served = [row for row in found["inventory"] if row["resource"].endswith(" port 15012") and row["names"]]
    assert [(row["issuer"], row["names"]) for row in served] == [("O=cluster.local", ["istiod.istio-system.svc"])]
    assert all(passed(found, code) for code in ("OSM2401", "OSM2402", "OSM2403", "OSM2507", "OSM2508", "OSM2605"))
    pods = {f"Pod shop/{mesh.pod(app)}" for app in APPS}
    leaves = {row["resource"]: row for row in found["inventory"] if row["resource"] in pods and row["item"] == "" and row["position"] == 0}
    assert set(leaves) == pods
    assert leaves[f"Pod shop/{mesh.pod('cars')}"]["names"] == ["spiffe://cluster.local/ns/shop/sa/cars"]
    # what the proxy itself says that it uses
    assert leaves[f"Pod shop/{mesh.pod('cars')}"]["serial"].lstrip("0") == mesh.serial("cars").lstrip("0")
    assert "PRIVATE KEY" not in json.dumps(found) + run.stdout


def test_each_fault_has_its_code_and_a_silent_proxy_holds_nobody_up(mesh: Mesh, tmp_path: Path) -> None:
    mesh.bed.set_faults(
        {
            "envoys": {
                "hang": ["shop/portal"],
                "issue": {
                    "shop/cars": {"roots": "stranger", "authority": "stranger"},
                    "shop/flights": {"service_account": "cars", "trust_domain": "td"},
                    "shop/hotels": {"life": 1},
                },
                "renew_at": 100,
            }
        }
    )
    try:
        time.sleep(4)
        _run, found = check(mesh, tmp_path)
    finally:
        mesh.bed.set_faults({})
    pod = {app: {f"Pod shop/{mesh.pod(app)}"} for app in APPS}
    assert wrong(found, "OSM2605", "OSM2507", "OSM2508", "OSM2402", "OSM2403", "OSM2102") == {
        "OSM2605": pod["portal"],
        "OSM2507": pod["cars"],
        "OSM2508": pod["cars"],
        "OSM2402": pod["flights"],
        "OSM2403": pod["flights"],
        "OSM2102": pod["hotels"],
    }
    silent = next(row["message"] for row in found["checks"] if row["id"] == "OSM2605")
    assert "gave no answer for 4 s" in silent
    until(lambda: mesh.call("portal", "cars") == "200", what="the mesh is well again")


def test_without_the_right_to_forward_ports_it_says_so(mesh: Mesh, tmp_path: Path) -> None:
    mesh.bed.kubectl("create", "clusterrolebinding", "viewer", "--clusterrole=view", "--user=viewer")
    viewer = mesh.bed.user_kubeconfig("viewer")
    _run, found = check(mesh, tmp_path, kubeconfig=viewer, mesh=False)
    rows = [row for row in found["checks"] if row["id"] == "OSM2605"]
    assert len(rows) == len(APPS)
    assert all("pods/portforward" in row["message"] for row in rows)
