# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh as small as the roles allow, for tests of what goes wrong, and what was written to a bed meanwhile."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import ssl
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from background_support import ROOT, start
from testbed import Bed

__all__ = ["INSTALL", "OURS", "ROOT", "Bursts", "Mesh", "Playbook", "hosts", "intent", "no_cluster", "ref", "said"]

Playbook = Callable[..., Any]
INSTALL = "meshops.mesh.install_mesh"
OURS = "app.kubernetes.io/managed-by=meshops.mesh"
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
# Questions, not changes.
QUESTIONS = ("subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "localsubjectaccessreviews")


def intent(name: str = "shop", **more: Any) -> dict[str, Any]:
    """The variables of a mesh with one application behind one gateway."""
    web = f"{name}-web"
    return {
        "mesh_provider": "ossm3",
        "mesh_name": name,
        "mesh_control_plane": {
            "name": name,
            "namespace": f"{name}-system",
            "update_strategy": "InPlace",
            "istiod": {"replicas": 1},
            "ingress": {"replicas": 1},
            "egress": {"enabled": False},
        },
        "mesh_domains": [{"name": name, "namespaces": [web]}],
        "mesh_personas": [{"name": "ann", "kind": "User", "role": "mesh_developer", "namespaces": [web]}],
        "mesh_observability": {"prometheus": {"retention": "6h"}, "grafana": {"enabled": False}, "kiali": {"enabled": False}},
        "mesh_workloads": [{"namespace": web, "applications": [{"name": "web", "image": "registry.example.com/web:1", "port": 8080}]}],
        "mesh_gateways": [
            {"name": "web", "hosts": [f"{name}.apps.example.com"], "routes": [{"namespace": web, "service": "web", "port": 8080}]}
        ],
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
        return start(INSTALL, *args, bed=self.bed, inventory=hosts(self.folder), extra_vars=variables, kubeconfig=self.kubeconfig)

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
        passing = (
            "events",
            "events.events.k8s.io",
            "packagemanifests.packages.operators.coreos.com",
            "pods",
            "replicasets.apps",
            "endpointslices.discovery.k8s.io",
            "endpoints",
        )
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


class Bursts(ThreadingHTTPServer):
    """A plain proxy before the API server, which answers some requests in a row with 429 and then some with 503."""

    daemon_threads = True

    def __init__(self, server: str, ca: Path, cycle: int = 10) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.upstream = urlsplit(server)
        self.tls = ssl.create_default_context(cafile=str(ca))
        self.cycle = cycle
        self.counter = itertools.count()
        self.answered: Counter[int] = Counter()

    def fault(self) -> int | None:
        """What the next request gets in place of its answer."""
        place = next(self.counter) % self.cycle
        return 429 if place < 2 else 503 if place < 4 else None


class _Forward(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bursts

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0)) or None
        fault = self.server.fault()
        if fault:
            text = json.dumps({"kind": "Status", "message": "too many requests" if fault == 429 else "apiserver is shutting down"})
            self._answer(fault, {"retry-after": "1"} if fault == 429 else {}, text.encode())
            return
        host, port = self.server.upstream.hostname or "", self.server.upstream.port
        connection = http.client.HTTPSConnection(host, port, context=self.server.tls, timeout=60)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in ("host", "connection", "accept-encoding")}
        connection.request(self.command, self.path, body, headers)
        reply = connection.getresponse()
        data = reply.read()
        connection.close()
        self._answer(reply.status, {key: value for key, value in reply.getheaders() if key.lower() in ("content-type", "warning")}, data)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.server.answered[status] += 1
        self.send_response(status)
        for key, value in {"content-type": "application/json", **headers, "content-length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _handle

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests count."""
