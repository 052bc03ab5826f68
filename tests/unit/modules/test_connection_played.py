# SPDX-License-Identifier: GPL-3.0-or-later
"""How a task reaches its cluster where it says nothing of it: by the variables of its host, however they are written."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import warm_ansible
import yaml

LOOK = {"kind": "Namespace"}
TASKS = [
    {"name": "Says nothing", "meshops.mesh.mesh_objects_info": LOOK},
    {"name": "Says its own", "meshops.mesh.mesh_objects_info": {**LOOK, "kubeconfig": "/task/own"}},
    {
        "name": "By module_defaults",
        "module_defaults": {"group/meshops.mesh.mesh": {"kubeconfig": "/group/defaults"}},
        "meshops.mesh.mesh_objects_info": LOOK,
    },
    {"name": "In a role", "ansible.builtin.include_role": {"name": "meshops.mesh.membership", "tasks_from": "removable.yml"}},
]
# The same Python under another name: then the module runs in a process of its own.
OTHER = str(next(path for path in Path(sys.executable).parent.glob("python3*") if str(path) != sys.executable))
HOSTS = {
    "plain": {"mesh_kubeconfig": "/var/plain"},
    "templated": {"mesh_kubeconfig": "{{ folder }}/{{ inventory_hostname }}", "folder": "/var"},
    "process": {"mesh_kubeconfig": "/var/process", "ansible_python_interpreter": OTHER},
    "nothing": {"mesh_kubeconfig": "{{ undefined_here | default(omit) }}"},
}
MESH = {
    "mesh_name": "shop",
    "mesh_provider": "ossm3",
    "mesh_control_plane": {"name": "shop", "namespace": "shop-system"},
    "mesh_domains": [],
}


def test_as_played(tmp_path: Path) -> None:
    inventory = {"all": {"hosts": HOSTS, "vars": {"ansible_connection": "local", **MESH}}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    tasks = [{**task, "ignore_errors": True} for task in TASKS]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    nowhere = {"KUBECONFIG": "/var/environment", "K8S_AUTH_KUBECONFIG": ""}
    done = warm_ansible.run([str(tmp_path / "play.yml"), "-i", str(tmp_path / "hosts.yml")], env=nowhere)
    text = " ".join(f"{done.stdout} {done.stderr}".split())
    parts = re.split(r"TASK \[", text)[1:]
    said = {
        host: " ".join(
            found[1].rpartition("/")[2] for part in parts if (found := re.search(rf"cluster {host}: no usable login in (\S+)", part))
        )
        for host in HOSTS
    }
    assert said == {
        "plain": "plain own defaults plain",
        "templated": "templated own defaults templated",
        "process": "process own defaults process",
        "nothing": "K8S_AUTH_KUBECONFIG, own defaults K8S_AUTH_KUBECONFIG,",
    }, done.stdout
