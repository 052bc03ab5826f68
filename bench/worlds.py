# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured: inventories of meshes of any size, and the playbooks on a bed."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from testbed.bed import Bed

from .measure import ROOT, Usage, run, told

__all__ = ["MESH_OPERATORS", "OPERATORS", "WORK", "World", "bed", "playbook"]

WORK = ROOT / ".cache" / "bench"
OPERATORS = ("olm", "sail", "maistra", "openshift", "observability")
MESH_OPERATORS = ("sail", "openshift")  # for large meshes: what OLM does is measured with travel_prod
_ANSIBLE = str(Path(sys.executable).parent / "ansible-playbook")
_DOMAIN = 10  # namespaces of one product team
_PASSWORD = "only-for-measuring"  # noqa: S105  of a bed that lives for minutes; both runs and the floor shall write the same


@dataclass(frozen=True)
class World:
    """A mesh of `namespaces` namespaces with `apps` workloads of `replicas` pods each."""

    name: str
    namespaces: int
    apps: int
    replicas: int
    owners: bool = False  # an owner and a viewer for each domain

    @property
    def pods(self) -> int:
        """All pods of the members."""
        return self.namespaces * self.apps * self.replicas

    @property
    def text(self) -> str:
        """For the table."""
        return f"{self.namespaces} namespaces, {self.namespaces * self.apps} workloads, {self.pods} pods"

    @property
    def members(self) -> list[str]:
        """The namespaces."""
        return [f"team-{number // _DOMAIN:02d}-{number % _DOMAIN}" for number in range(self.namespaces)]

    def scaled(self, scale: float) -> World:
        """A smaller one, to try the bench itself."""
        return replace(self, namespaces=max(1, round(self.namespaces * scale)))

    def intent(self) -> dict[str, Any]:
        """The variables of the mesh."""
        members = self.members
        domains = [
            {"name": f"team-{start // _DOMAIN:02d}", "namespaces": members[start : start + _DOMAIN]}
            for start in range(0, len(members), _DOMAIN)
        ]
        apps = [
            {"name": f"app-{number}", "image": "registry.example.com/app:v1", "port": 8080, "replicas": self.replicas}
            for number in range(self.apps)
        ]
        personas = [
            {"name": f"{role}-{row['name']}", "kind": "User", "role": role, "namespaces": row["namespaces"]}
            for row in domains
            for role in ("mesh_developer", "mesh_application_viewer")
        ]
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "mesh_name": "large",
            "mesh_provider": "ossm3",
            "mesh_environment": "large",
            "mesh_operators_provider": "none",
            "mesh_apps_domain": "apps.example.com",
            "workloads_wait_timeout": 1800,  # a bed with thousands of pods on a busy machine
            "mesh_control_plane": {"name": "large", "namespace": "large-system"},
            "mesh_domains": domains,
            "mesh_personas": personas if self.owners else [],
            "mesh_workloads": [{"namespace": name, "applications": apps} for name in members] if self.apps else [],
            "mesh_gateways": [
                {
                    "name": f"{row['name']}",
                    "gateway": "ingress",
                    "hosts": [f"{row['name']}.apps.example.com"],
                    "port": 80,
                    "protocol": "HTTP",
                    "routes": [{"namespace": row["namespaces"][0], "service": "app-0", "port": 8080, "prefix": "/"}],
                }
                for row in domains
            ]
            if self.apps
            else [],
        }

    def inventory(self) -> Path:
        """Written to a folder of its own."""
        path = WORK / self.name / "inventory.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({"all": {"hosts": {"large": self.intent()}}}))
        return path


@contextlib.contextmanager
def bed(name: str, operators: Sequence[str] = OPERATORS) -> Iterator[Bed]:
    """A fresh cluster; it ends with us."""
    Bed.find(name).stop()
    running = Bed.start(name, operators=operators, owner=os.getpid())
    try:
        yield running
    finally:
        running.stop()


def playbook(name: str, inventory: Path | str, *extra: str, on: Bed | None = None) -> Usage:
    """A playbook of the collection."""
    env = {"ANSIBLE_NOCOLOR": "1"} | ({"K8S_AUTH_KUBECONFIG": str(on.kubeconfig)} if on else {})
    options = ["-e", f"mesh_mysql_password={_PASSWORD}", *extra]
    return told(name, run([_ANSIBLE, "-i", str(inventory), f"meshops.mesh.{name}", *options], env=env))
