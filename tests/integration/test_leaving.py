# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of OSSM 2 that are no longer named, by roll and by members; test_travel.py has ossm3."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from envoys_support import until
from testbed import Bed

HOME = "leaving-system"


@pytest.fixture(name="bed", scope="module")
def _bed(beds: Callable[..., Bed]) -> Bed:
    bed = beds("maistra", tag="leaving")
    bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": HOME}})
    plane = {
        "apiVersion": "maistra.io/v2",
        "kind": "ServiceMeshControlPlane",
        "metadata": {"name": "basic", "namespace": HOME},
        "spec": {"version": "v2.6", "tracing": {"type": "None"}, "profiles": ["default"]},
    }
    until(lambda: bed.kubectl("apply", "-f", "-", stdin=json.dumps(plane)).returncode == 0, what="the operator's webhooks")
    return bed


@pytest.mark.parametrize("style", ["roll", "members"])
def test_a_namespace_leaves(bed: Bed, playbook: Callable[..., Any], tmp_path: Path, style: str) -> None:
    """It stays a member until it is told to leave; then our labels and the operator's go, and what is in it stays."""
    shop, guests = f"{style}-shop", f"{style}-guests"
    bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": guests, "labels": {"team": "guests"}}})
    bed.kubectl("create", "configmap", "notes", "-n", guests)
    path = tmp_path / "play.yml"
    role = {"hosts": "localhost", "connection": "local", "gather_facts": False, "roles": ["meshops.mesh.membership"]}
    path.write_text(yaml.safe_dump([role]), encoding="utf-8")

    def play(*members: str, **more: Any) -> Any:
        given = {
            "mesh_name": style,
            "mesh_provider": "ossm2",
            "mesh_membership_style": style,
            **more,
            "mesh_control_plane": {"name": "basic", "namespace": HOME},
            "membership_domains": [{"name": "d", "namespaces": list(members)}],
        }
        return playbook(path, bed=bed, extra_vars=given).check()

    def labels() -> dict[str, str]:
        found: dict[str, str] = json.loads(bed.kubectl("get", "namespace", guests, "-o", "json").stdout)["metadata"]["labels"]
        return found

    play(shop, guests)
    assert labels()["maistra.io/member-of"] == HOME and labels()["mesh.meshops.io/mesh"] == style
    stays = play(shop)
    assert f"{guests}: still in the mesh {style}, though mesh_domains does not name it any more" in " ".join(stays.stdout.split())
    assert stays.changed == 0 and labels()["maistra.io/member-of"] == HOME
    left = play(shop, mesh_prune=True)
    assert f"{guests}: leaves the mesh {style}" in left.stdout and left.changed > 0
    until(lambda: set(labels()) == {"kubernetes.io/metadata.name", "team"}, what="the operator has let go, too")
    assert bed.kubectl("get", "configmap", "notes", "-n", guests).returncode == 0
    assert bed.kubectl("get", "servicemeshmember", "default", "-n", guests).returncode != 0
    assert play(shop, mesh_prune=True).changed == 0
