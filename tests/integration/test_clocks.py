# SPDX-License-Identifier: GPL-3.0-or-later
"""By a wrong clock nothing is issued, delivered, rotated or restarted; by one that is nearly right everything has the cluster's time."""

from __future__ import annotations

import base64
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import collection_support  # noqa: F401  # isort: skip  the next imports need it
import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.reading import read_bundle
from ansible_collections.meshops.mesh.plugins.module_utils._commands.apply import LayerRequest
from ansible_collections.meshops.mesh.plugins.module_utils._commands.apply import run as apply_layer
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_check import look
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ClockSkew
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.collect import collect
from clocks_support import skewed
from conftest import ROOT, Run, run_playbook
from testbed import Bed

sys.path.insert(0, str(ROOT / "tests" / "unit"))
from certificates.live import SELF_SIGNED  # made at the real time

WRITES = {"create", "update", "patch", "delete", "deletecollection"}
USER = "clockwatcher"
EC = {"key_type": "EC", "key_bits": 256}
ROLE = "ansible.builtin.include_role"


def tried(name: str, task: dict[str, Any]) -> dict[str, Any]:
    """The task; what it says when it fails goes into a line that begins with its name."""
    said = {"ansible.builtin.debug": {"msg": f"{name} ended: {{{{ ansible_failed_result.msg }}}}"}}
    return {"block": [task, {"ansible.builtin.debug": {"msg": f"{name} went through"}}], "rescue": [said]}


def play(bed: Bed, folder: Path, kubeconfig: Path, namespace: str, tasks: list[dict[str, Any]]) -> Run:
    path = folder / "play.yml"
    path.write_text(yaml.safe_dump([{"hosts": "west", "connection": "local", "gather_facts": False, "tasks": tasks}]))
    given = {
        "mesh_name": namespace,
        "mesh_provider": "ossm3",
        "mesh_control_plane": {"name": "shop", "namespace": namespace},
        "mesh_kubeconfig": str(kubeconfig),
        "certificates_store": str(folder / "pki"),
        "certificates_root": EC,
        "certificates_edge_root": EC,
        "certificates_authority": EC,
        "certificates_gateways": [{"name": "web-tls", "hosts": ["travel.example.com"], **EC}],
    }
    return run_playbook(path, bed=bed, kubeconfig=kubeconfig, inventory="west,", extra_vars=given)


def writes(bed: Bed, since: int) -> list[str]:
    return [
        f"{event['verb']} {event['requestURI']}"
        for event in bed.audit(since)
        if event["user"]["username"] == USER and event["verb"] in WRITES
    ]


def test_a_wrong_clock_stops_everything(bed: Bed, namespace: str, tmp_path: Path) -> None:
    """The control node's is two hours ahead; the other direction is a row of the client's unit tests."""
    secret = {"ca-cert.pem": SELF_SIGNED.pem, "ca-key.pem": SELF_SIGNED.key_pem()}
    data = {name: base64.b64encode(text.encode()).decode() for name, text in secret.items()}
    bed.api.ensure(
        f"/api/v1/namespaces/{namespace}/secrets",
        {"metadata": {"name": "istio-ca-secret", "namespace": namespace}, "type": "istio.io/ca-root", "data": data},
    )
    restart = {
        "meshops.mesh.rollout_waves": {
            "kubeconfig": "{{ mesh_kubeconfig }}",
            "cluster": "west",
            "state": "started",
            "mesh": namespace,
            "namespace": namespace,
            "members": [],
            "holder": "somebody",
        }
    }
    goal = {
        "meshops.mesh.certificate_rotation": {
            "kubeconfig": "{{ mesh_kubeconfig }}",
            "cluster": "west",
            "mesh": namespace,
            "namespace": namespace,
            "goal": data,
        }
    }
    objects = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": namespace}, "data": {}}]
    tasks = [
        tried("issuing", {ROLE: {"name": "meshops.mesh.certificates"}}),
        tried("rotating", {ROLE: {"name": "meshops.mesh.certificates", "tasks_from": "rotate.yml"}}),
        tried("taking a step", goal),
        tried("restarting", restart),
        tried("delivering", {ROLE: {"name": "meshops.mesh.deliver"}, "vars": {"deliver_layer": "l", "deliver_objects": objects}}),
    ]
    mark = bed.mark()
    with skewed(bed, tmp_path, -7200, kubeconfig=bed.user_kubeconfig(USER, ["system:masters"])) as kubeconfig:
        run = play(bed, tmp_path, kubeconfig, namespace, tasks).check()
        west = Cluster.from_params({"kubeconfig": str(kubeconfig)}, name="west")
        with pytest.raises(ClockSkew, match=r"cluster west .*which is (7199|7200) s ahead"):
            apply_layer(west, objects, LayerRequest(mesh=namespace, layer="l"))
    text = " ".join(run.stdout.split()).replace("''", "'")
    for name in ("issuing", "rotating", "taking a step", "restarting", "delivering"):
        said = text.partition(f"{name} ended: ")[2].partition(" ended: ")[0]
        assert "cluster west" in said and "the API server's clock says 20" in said and "s ahead; 60 s are allowed" in said, said
    assert "went through" not in text
    assert not list(tmp_path.glob("pki/*.pem")), "no key was made"
    assert writes(bed, mark) == []


def test_a_clock_that_is_nearly_right_works_by_the_clusters(bed: Bed, namespace: str, tmp_path: Path) -> None:
    """45 seconds are no reason; but what is issued, read and written has the cluster's time."""
    with skewed(bed, tmp_path, -45) as kubeconfig:
        play(bed, tmp_path, kubeconfig, namespace, [{ROLE: {"name": "meshops.mesh.certificates"}}]).check()
        west = Cluster.from_params({"kubeconfig": str(kubeconfig)}, name="west")
        lag = (datetime.now(UTC) - collect(west, kinds=[("", "Namespace")]).taken_at).total_seconds()
    assert 40 < lag < 50
    done = bed.kubectl("get", "secret", "web-tls", "-n", namespace, "-o", "json")
    leaf = read_bundle(base64.b64decode(json.loads(done.stdout)["data"]["tls.crt"]), "web-tls").certificates[0]
    age = datetime.now(UTC) - leaf.not_before
    assert timedelta(minutes=5, seconds=40) < age < timedelta(minutes=7), "five minutes before the cluster's time"


def test_a_check_says_by_how_much(bed: Bed, namespace: str, tmp_path: Path) -> None:
    with skewed(bed, tmp_path, -7200) as kubeconfig:
        params = {
            "kubeconfig": str(kubeconfig),
            "cluster": "west",
            "source": "cluster",
            "only": ["OSM2104"],
            "categories": [],
            "ignore": [],
            "control_plane": {"name": "shop", "namespace": namespace},
            "members": [],
            "thresholds": {},
            "provider": "ossm3",
        }
        found = next(row for row in look(params).report.rows if row.id == "OSM2104")
    assert found.message.startswith("its clock is 7199 s behind ours (the API server's clock says") or "7200 s behind" in found.message
