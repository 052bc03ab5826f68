# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracing that a generation does not have is refused before any cluster is asked; what is to be removed may have it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import warm_ansible
import yaml

PLANE = {"name": "shop", "namespace": "shop-system", "tracing": {"provider": "jaeger"}}
JAEGER = {"mesh_control_plane": PLANE, "mesh_observability": {"jaeger": {}}}


@pytest.mark.parametrize(
    ("provider", "state", "says"),
    [
        (
            "ossm3",
            "present",
            ["mesh_control_plane.tracing.provider: jaeger is not available for ossm3", "mesh_observability.jaeger: its operator is not"],
        ),
        ("ossm3", "absent", []),
        ("ossm2", "present", []),
    ],
)
def test_a_jaeger(provider: str, state: str, says: list[str], tmp_path: Path) -> None:
    roles = ["operators", "control_plane", "observability"]
    tasks = [{"meshops.mesh.mesh_intent": {"roles": roles, "state": state}}]
    play: list[dict[str, Any]] = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(play), encoding="utf-8")
    extra = {"mesh_provider": provider, "mesh_name": "shop", "ansible_connection": "local", **JAEGER}
    done = warm_ansible.run([str(tmp_path / "play.yml"), "-i", "west,", "-e", json.dumps(extra)])
    text = " ".join((done.stdout + done.stderr).split())
    assert (done.returncode != 0) is bool(says), text[-2000:]
    assert all(part in text for part in says), text[-2000:]
