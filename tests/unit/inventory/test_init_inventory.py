# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook init_inventory, as people run it: asked at a terminal, with variables, and of manifests."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import warm_ansible
import yaml

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "unit" / "roles" / "golden" / "travel-prod-ossm3.yaml"
PLAYBOOK = "meshops.mesh.init_inventory"
NOWHERE = {"KUBECONFIG": "/nowhere", "K8S_AUTH_KUBECONFIG": "/nowhere"}


RETYPED = 5.0  # seconds without an answer to an answer
# The beginning of each question, and what is answered.
QUESTIONS = {
    "What is the mesh called?": "shop",
    "Which generation: ossm3 (OpenShift Service Mesh 3), ossm2, or sail (upstream)?": "ossm2",
    "Which namespace is the control plane in?": "",
    "What is the first team called?": "web",
    "Which namespaces does it have, with commas between them?": "web-a, web-b",
}


def play(*arguments: str) -> tuple[int, str]:
    done = warm_ansible.run([PLAYBOOK, "-i", "localhost,", *arguments], env=NOWHERE)
    return done.returncode, " ".join(f"{done.stdout} {done.stderr}".split())


def test_it_needs_no_inventory(tmp_path: Path) -> None:
    done = warm_ansible.run([PLAYBOOK, "-e", "mesh_name=east"], env=NOWHERE, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert variables(tmp_path / "inventories" / "east")["mesh_name"] == "east"


def variables(folder: Path) -> Any:
    return yaml.safe_load((folder / "group_vars" / "mesh.yml").read_text(encoding="utf-8"))


def test_with_variables_it_asks_nothing_and_needs_no_cluster(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    given = {"mesh_name": "east", "mesh_provider": "ossm2", "mesh_context": "east-admin", "mesh_openshift": False,
             "mesh_certificates_passphrase": "hunter2-hunter2", "init_inventory_path": str(folder)}  # fmt: skip
    code, said = play("-e", json.dumps(given))
    assert code == 0, said
    assert "mesh_certificates_passphrase was given, and was not written" in said
    assert "hunter2" not in said + "".join(path.read_text() for path in folder.rglob("*.yml"))
    assert variables(folder)["mesh_openshift"] is False
    assert variables(folder)["mesh_name"] == "east" and variables(folder)["mesh_provider"] == "ossm2"
    assert yaml.safe_load((folder / "hosts.yml").read_text())["mesh"]["hosts"] == {"cluster": {"mesh_context": "east-admin"}}
    assert "What is the mesh called?" not in said and "not interactive" not in said
    assert f"install_mesh -i {folder} -e mesh_target=plan" in said
    code, said = play("-e", "mesh_name=west", "-e", f"init_inventory_path={folder}")
    assert code != 0 and "there already, so nothing was written; name another folder" in said
    assert variables(folder)["mesh_name"] == "east"


def test_what_cannot_be_used_is_refused_before_a_file_is_there(tmp_path: Path) -> None:
    code, said = play("-e", "mesh_provider=ossm9", "-e", "mesh_name=Bad_Name", "-e", f"init_inventory_path={tmp_path / 'mine'}")
    assert code != 0 and "mesh_name: 'Bad_Name' cannot be a name here" in said
    assert not (tmp_path / "mine").exists()


def test_of_manifests_it_writes_what_renders_them(tmp_path: Path) -> None:
    objects = [obj for layer in yaml.safe_load(GOLDEN.read_text(encoding="utf-8")).values() for obj in layer.values()]
    (tmp_path / "west").mkdir()
    (tmp_path / "west" / "all.yaml").write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    source = ["-e", "init_inventory_from=manifests", "-e", f"init_inventory_source={tmp_path / 'west'}"]
    code, said = play(*source, "-e", f"init_inventory_path={tmp_path / 'mine'}", "-e", "init_inventory_host=west")
    assert code == 0, said
    assert variables(tmp_path / "mine")["mesh_control_plane"]["namespace"] == "prod-istio-system"
    assert list(yaml.safe_load((tmp_path / "mine" / "hosts.yml").read_text())["mesh"]["hosts"]) == ["west"]
    assert "install_mesh -i" in said and "--check --diff" in said and "the manifests: what is not in them counts as not there" in said


def test_at_a_terminal_it_asks(tmp_path: Path) -> None:
    """A terminal of its own: pytest has none."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        collections = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"), "ANSIBLE_NOCOLOR": "1"}
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        os.execve(program, [program, PLAYBOOK, "-i", "localhost,"], {**os.environ, **NOWHERE, **collections})  # noqa: S606
    said = answer(terminal, QUESTIONS)
    os.kill(pid, signal.SIGTERM)  # where it still waits for something
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, said
    assert variables(tmp_path / "inventories" / "shop") == {
        "mesh_name": "shop",
        "mesh_provider": "ossm2",
        "mesh_control_plane": {"name": "shop", "namespace": "istio-system", "egress": {"enabled": False}},
        "mesh_domains": [{"name": "web", "namespaces": ["web-a", "web-b"]}],
    }


def answer(terminal: int, questions: dict[str, str], *, timeout: float = 180.0) -> str:
    """What was said, once the other side has ended; each question is answered when it has been asked to its end.

    Ansible throws away what was typed before it reads, also an answer that was quicker than it: that one is given again."""
    said, left, end = "", dict(questions), time.monotonic() + timeout
    last, again = b"", end
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.5)[0]:
            if time.monotonic() > again:
                os.write(terminal, last)
                again = time.monotonic() + RETYPED
            continue
        try:
            read = os.read(terminal, 4096)
        except OSError:  # the other side is gone
            read = b""
        if not read:
            break
        said += read.decode(errors="replace")
        asked = next((question for question in left if re.search(re.escape(question) + r" \[[^\]]*\]:", said)), None)
        if asked:
            last, again = left.pop(asked).encode() + b"\r", time.monotonic() + RETYPED
            time.sleep(0.2)
            os.write(terminal, last)
    return said


@pytest.mark.parametrize("path", ["inventories/minimal", "inventories/travel"])
def test_the_examples_are_in_the_archive(path: str) -> None:
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    assert (ROOT / path / "hosts.yml").is_file() and "inventories" not in ignored
