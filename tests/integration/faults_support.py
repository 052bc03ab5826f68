# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh as small as the roles allow, for tests of what goes wrong, and what was written to a bed meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from testbed import Bed

__all__ = ["INSTALL", "OURS", "ROOT", "Mesh", "Playbook", "hosts", "intent", "said"]

Playbook = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]
INSTALL = "meshops.mesh.install_mesh"
OURS = "app.kubernetes.io/managed-by=meshops.mesh"
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
# No wish of the API itself, but a question.
QUESTIONS = ("subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "localsubjectaccessreviews")


def intent(name: str = "shop", **more: Any) -> dict[str, Any]:
    """The variables of a mesh with one application behind one gateway."""
    web = f"{name}-web"
    return {
        "mesh_provider": "ossm3",
        "mesh_name": name,
        "mesh_control_plane": {
            "name": name, "namespace": f"{name}-system", "update_strategy": "InPlace", "istiod": {"replicas": 1},
            "ingress": {"replicas": 1}, "egress": {"enabled": False}},
        "mesh_domains": [{"name": name, "namespaces": [web]}],
        "mesh_personas": [{"name": "ann", "kind": "User", "role": "mesh_developer", "namespaces": [web]}],
        "mesh_observability": {"prometheus": {"retention": "6h"}, "grafana": {"enabled": False}, "kiali": {"enabled": False}},
        "mesh_workloads": [{"namespace": web, "applications": [{"name": "web", "image": "registry.example.com/web:1", "port": 8080}]}],
        "mesh_gateways": [{
            "name": "web", "hosts": [f"{name}.apps.example.com"], "routes": [{"namespace": web, "service": "web", "port": 8080}]}],
        **more,
    }


def hosts(folder: Path, *names: str, **variables: dict[str, Any]) -> Path:
    """An inventory of clusters; variables by host."""
    path = folder / "hosts.yml"
    common = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    rows = {name: variables.get(name, {}) for name in names or ("west",)}
    path.write_text(yaml.safe_dump({"all": {"vars": common, "hosts": rows}}), encoding="utf-8")
    return path


def said(run: Any) -> str:
    """Everything that people saw, without the line breaks of the output."""
    return " ".join(f"{run.stdout} {run.stderr}".split())


@dataclass
class Mesh:
    """Runs against a bed by a user that nobody else is, so that the audit log says what they wrote."""

    bed: Bed
    run: Playbook
    folder: Path
    user: str = "faults-installer"
    kubeconfig: Path = field(init=False)

    def __post_init__(self) -> None:
        self.kubeconfig = self.bed.user_kubeconfig(self.user, ["system:masters"])

    def play(self, variables: dict[str, Any], *args: str, playbook: str = INSTALL, **more: Any) -> Any:
        """install_mesh with these variables; args are those of ansible-playbook."""
        more = {"kubeconfig": self.kubeconfig, "inventory": hosts(self.folder), **more}
        return self.run(playbook, *args, bed=self.bed, extra_vars=variables, **more)

    def start(self, variables: dict[str, Any], *args: str) -> subprocess.Popen[str]:
        """The same in the background, as the leader of a process group."""
        command = [str(Path(sys.executable).parent / "ansible-playbook"), INSTALL, "-i", str(hosts(self.folder)), *args]
        environment = self.bed.env(self.kubeconfig) | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        environment.pop("ANSIBLE_FORCE_COLOR", None)
        return subprocess.Popen([*command, "-e", json.dumps(variables)], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)

    def writes(self, since: int) -> list[str]:
        """What our user changed since then; a dry run changes nothing, nor does a review."""
        found = []
        for event in self.bed.audit(since):
            target = event.get("objectRef", {})
            if event["user"]["username"] != self.user or event["verb"] not in WRITES or target.get("resource") in QUESTIONS:
                continue
            if "dryRun=All" not in event["requestURI"] and event.get("responseStatus", {}).get("code", 0) < 300:
                found.append(f"{event['verb']} {event['requestURI'].partition('?')[0]}")
        return found

    def ours(self, mesh: str) -> dict[str, str]:
        """Every object of the mesh, `Kind namespace/name`, of every kind that the API lists, and its resourceVersion."""
        names = self.bed.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
        passing = ("events", "events.events.k8s.io", "packagemanifests.packages.operators.coreos.com", "pods", "replicasets.apps",
                   "endpointslices.discovery.k8s.io", "endpoints")
        kinds = ",".join(name for name in names if name not in passing)
        done = self.bed.kubectl("get", kinds, "-A", "-l", f"{OURS},mesh.meshops.io/mesh={mesh}", "-o", "json")
        assert done.returncode == 0, done.stderr
        return {ref(item): item["metadata"]["resourceVersion"] for item in json.loads(done.stdout)["items"]}


def ref(obj: dict[str, Any]) -> str:
    """`Kind namespace/name`."""
    meta = obj["metadata"]
    return f"{obj['kind']} {meta['namespace']}/{meta['name']}" if meta.get("namespace") else f"{obj['kind']} {meta['name']}"


def no_cluster(folder: Path) -> dict[str, str]:
    """An environment without any login: whoever talks to a cluster fails."""
    nowhere = str(folder / "no-such-file")
    return {"KUBECONFIG": nowhere, "K8S_AUTH_KUBECONFIG": nowhere, "HOME": os.environ.get("HOME", "/")}
