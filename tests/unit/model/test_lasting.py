# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a control node are lost with the run."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.lasting import Mount, lost, lost_here, mounts_here

JOB = {"AWX_PRIVATE_DATA_DIR": "/tmp/awx_12_x"}
POD = [Mount("/", "overlay"), Mount("/runner", "xfs"), Mount("/dev/shm", "tmpfs"), Mount("/srv/pki", "nfs4"), Mount("/srv", "overlay")]
NODE = [Mount("/", "ext4"), Mount("/home", "xfs"), Mount("/tmp", "tmpfs")]
FOLDER, CONTAINER, MEMORY = "it is in the folder of this job", "it is in the container's own file system", "it is in the container's memory"


@pytest.mark.parametrize(
    ("path", "environment", "mounts", "begins"),
    [
        ("/home/ann/.config", {}, NODE, ""),
        ("/tmp/pki", {}, NODE, ""),  # of a node that is no container it is somebody's wish
        ("/var/pki", {}, NODE, ""),
        ("/runner/pki", {}, NODE, ""),
        ("/anywhere", {}, [], ""),
        ("/root/.config", {}, POD, CONTAINER),
        ("/srv/pki/mesh", {}, POD, ""),
        ("/srv/pki", JOB, POD, ""),
        ("/srv/other", JOB, POD, CONTAINER),
        ("/srv/pki-of-others", JOB, POD, CONTAINER),
        ("/runner/.config/meshops.mesh", JOB, POD, FOLDER),
        ("/tmp/awx_12_x/project/pki", JOB, NODE, FOLDER),
        ("/tmp/awx_12_xyz", JOB, POD, CONTAINER),
        ("/dev/shm/pki", JOB, POD, MEMORY),
        ("/var/pki", JOB, NODE, CONTAINER),
        ("/anywhere", JOB, [], CONTAINER),
        ("/data", {}, [Mount("/", "ext4"), Mount("/data", "ext4"), Mount("/data", "overlay")], CONTAINER),
    ],
)
def test_what_is_lost(path: str, environment: dict[str, str], mounts: list[Mount], begins: str) -> None:
    found = lost(path, environment=environment, mounts=mounts)
    assert found.startswith(begins) and bool(found) == bool(begins)


def test_the_table_of_mounts(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    table.write_text("overlay / overlay rw 0 0\n/dev/sda1 /my\\040data ext4 rw 0 0\nbroken\n")
    assert mounts_here(table) == [Mount("/", "overlay"), Mount("/my data", "ext4")]
    assert mounts_here(tmp_path / "none") == []


def test_links_are_followed_and_somebody_may_know_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = tmp_path / "job"
    job.mkdir()
    (tmp_path / "link").symlink_to(job)
    monkeypatch.setenv("AWX_PRIVATE_DATA_DIR", str(job))
    monkeypatch.delenv("MESH_CONTROL_NODE_LASTS", raising=False)
    assert lost_here(str(tmp_path / "link" / "pki")).startswith(FOLDER)
    monkeypatch.setenv("MESH_CONTROL_NODE_LASTS", "true")
    assert lost_here(str(tmp_path / "link" / "pki")) == ""
