# SPDX-License-Identifier: GPL-3.0-or-later
"""The istio-proxy container of one pod: pilot-agent with the pod's own arguments, environment and files, and the Envoy that it starts.

All paths of pilot-agent are relative, so its root is a folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..operators.base import Kube
from . import netns, spec
from .relay_client import SOCKET

__all__ = ["PROXY_USER", "Agent", "Programs", "capture", "trusted_root"]

Obj = dict[str, Any]
PROXY_USER = 1337
TOKEN_LIFE = 43200  # seconds
_FOLDERS = (
    "var/run/secrets/tokens",
    "var/run/secrets/istio",
    "var/run/secrets/workload-spiffe-uds",
    "var/run/secrets/credential-uds",
    "etc/istio/proxy",
    "etc/istio/pod",
    "var/lib/istio/envoy",
    "var/lib/istio/data",
)


@dataclass(frozen=True)
class Programs:
    """What a proxy is made of; template: of Envoy's bootstrap, from the same version as the agent."""

    agent: Path
    envoy: Path
    template: Path
    path: str


async def trusted_root(kube: Kube, namespace: str) -> str | None:
    """The root certificate that istiod put into the namespace; a pod waits for it, as its volume would."""
    found = await kube.get("v1", "ConfigMap", "istio-ca-root-cert", namespace)
    return (found or {}).get("data", {}).get("root-cert.pem") if found else None


async def _in_pod(programs: Programs, namespace: str, *command: str) -> tuple[int, str]:
    return await netns.run_in(namespace, *command, cwd="/tmp", env={"PATH": programs.path, "HOME": "/tmp"})


async def capture(programs: Programs, namespace: str, arguments: list[str], more: list[list[str]]) -> str:
    """What the init container does, then rules of our own; what went wrong, or nothing."""
    code, said = await _in_pod(programs, namespace, str(programs.agent), *arguments)
    for rule in more:
        if not code:
            code, said = await _in_pod(programs, namespace, "iptables", *rule)
    return said[-600:] if code else ""


class Agent:
    """Started again when it ends, until it is stopped."""

    def __init__(self, programs: Programs, folder: Path, namespace: str, pod: Obj, container: Obj) -> None:
        self.programs, self.folder, self.namespace = programs, folder, namespace
        self.pod, self.container = pod, container
        self.process: asyncio.subprocess.Process | None = None
        self.restarts = -1

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None

    def lay_out(self) -> None:
        """The files of its volumes, but for what the API has to give."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in _FOLDERS:
            (self.folder / name).mkdir(parents=True)
        meta = self.pod["metadata"]
        for kind in ("labels", "annotations"):
            lines = [f"{key}={json.dumps(value)}" for key, value in sorted((meta.get(kind) or {}).items())]
            (self.folder / "etc/istio/pod" / kind).write_text("\n".join(lines) + "\n")
        template = self.programs.template.read_text()
        # An extension that only Istio's Envoy has, and the way to istiod through the relay.
        template = template.replace("{{- if .metadata_discovery }}", "{{- if false }}").replace(
            "ConfigPath }}/XDS", f"ConfigPath }}}}/{SOCKET}"
        )
        (self.folder / "var/lib/istio/envoy/envoy_bootstrap_tmpl.json").write_text(template)

    async def credentials(self, kube: Kube, root: str) -> None:
        """The root certificate, and a token that is bound to the pod."""
        meta = self.pod["metadata"]
        account = self.pod["spec"].get("serviceAccountName") or "default"
        made = await kube.request(
            "POST",
            f"/api/v1/namespaces/{meta['namespace']}/serviceaccounts/{account}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {
                    "audiences": [self._audience()],
                    "expirationSeconds": TOKEN_LIFE,
                    "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]},
                },
            },
        )
        (self.folder / "var/run/secrets/tokens/istio-token").write_text(made["status"]["token"])
        (self.folder / "var/run/secrets/istio/root-cert.pem").write_text(root)

    def _audience(self) -> str:
        for volume in self.pod["spec"].get("volumes") or []:
            for source in (volume.get("projected") or {}).get("sources") or []:
                if "serviceAccountToken" in source:
                    return str(source["serviceAccountToken"].get("audience") or "istio-ca")
        return "istio-ca"

    async def start(self) -> None:
        env = spec.environment(self.pod, self.container)
        env["PROXY_CONFIG"] = spec.proxy_config(env, str(self.programs.envoy))
        if version := spec.image_version(self.container.get("image", "")):  # one program plays the images of all versions
            env.setdefault("ISTIO_META_ISTIO_VERSION", version)
        for root, folders, files in os.walk(self.folder):
            for name in (".", *folders, *files):
                with contextlib.suppress(FileNotFoundError):
                    os.chown(Path(root) / name, PROXY_USER, PROXY_USER, follow_symlinks=False)
        log = self.folder / "agent.log"
        with log.open("ab") as stream:
            # Envoy opens /dev/stdout by itself, as its user.
            os.chown(log, PROXY_USER, PROXY_USER)
            self.process = await asyncio.create_subprocess_exec(
                *netns.command_in(self.namespace, "setpriv"),
                f"--reuid={PROXY_USER}",
                f"--regid={PROXY_USER}",
                "--clear-groups",
                "--pdeathsig=KILL",
                str(self.programs.agent),
                *spec.arguments(self.pod, self.container, env),
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env={"PATH": self.programs.path, "HOME": "/tmp", **env},
                start_new_session=True,
            )
        self.restarts += 1

    async def drain(self, grace: float) -> None:
        """SIGTERM, as a kubelet sends it: the agent has Envoy drain its listeners, and ends after terminationDrainDuration."""
        if self.process is not None and self.alive:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), grace)
        self.kill()

    def kill(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
