# SPDX-License-Identifier: GPL-3.0-or-later
"""A job of Automation Platform on a bed: ansible-runner, what the OpenShift credential injects and nothing else, no ansible.cfg of ours."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from needles_support import Needles, Played, play
from testbed import Bed

__all__ = ["ACCOUNT", "Platform", "artifacts", "lines", "secrets_of"]

ANSI = re.compile(r"\x1b\[[0-9;]*m")
ACCOUNT = "automation-platform"
# An entry of a Secret with less than that stands somewhere else as well (a user's name, a yes).
SHORTEST = 8


def secrets_of(bed: Bed) -> Needles:
    """What every Secret of the cluster holds, certificates without their keys apart, by its place."""
    found: dict[str, str] = {}
    for secret in bed.api.get("/api/v1/secrets")["items"]:
        for key, value in (secret.get("data") or {}).items():
            text = base64.b64decode(value).decode(errors="replace")
            place = f"Secret {secret['metadata']['namespace']}/{secret['metadata']['name']} {key}"
            if "PRIVATE KEY" in text:
                found[place] = next(line for line in text.splitlines()[2:] if len(line) > 40)
            elif "CERTIFICATE" not in text and len(text) >= SHORTEST and key not in ("namespace", "service-ca.crt"):
                found[place] = text
    return Needles(found)


@dataclass(frozen=True)
class Platform:
    """Jobs by one credential."""

    bed: Bed
    folder: Path

    @property
    def token(self) -> str:
        kubeconfig = self.bed.service_account_kubeconfig("default", ACCOUNT)
        return str(yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"])

    def credential(self) -> dict[str, str]:
        """As the credential type "OpenShift or Kubernetes API Bearer Token" injects it: the CA as a file."""
        binding = {
            "metadata": {"name": ACCOUNT},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": "default"}],
        }
        self.bed.api.ensure("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
        ca = self.folder / "injected-ca"
        ca.write_bytes((self.bed.dir / "pki" / "ca.crt").read_bytes())
        return {
            "K8S_AUTH_HOST": self.bed.data["api"],
            "K8S_AUTH_API_KEY": self.token,
            "K8S_AUTH_VERIFY_SSL": "True",
            "K8S_AUTH_SSL_CA_CERT": str(ca),
        }

    def job(
        self,
        playbook: str,
        *args: str,
        verbosity: int = 0,
        known: Needles | None = None,
        own: dict[str, str] | None = None,
        **variables: Any,
    ) -> Played:
        """A finished job; nothing that it leaves has a secret of the cluster, of the inventory, or its own token."""
        (self.folder / "ansible.cfg").write_text("[defaults]\n")
        env = {
            **self.credential(),
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "KUBECONFIG": "/dev/null",
            "HOME": str(self.folder / "home"),
            **(own or {}),
        }
        done = play(self.folder, f"meshops.mesh.{playbook}", *args, variables=variables, env=env, verbosity=verbosity)
        held = {**secrets_of(self.bed).planted, **(known.planted if known else {}), "the token of the credential": env["K8S_AUTH_API_KEY"]}
        assert done.leaks(Needles(held)) == []
        return done


def artifacts(done: Played) -> dict[str, Any]:
    """What the next node of a workflow gets."""
    (stats,) = [event for event in done.events if event["event"] == "playbook_on_stats"]
    found: dict[str, Any] = stats["event_data"]["artifact_data"]
    return found


def lines(done: Played) -> list[str]:
    """What a person reads of the events, without colours."""
    return [line for event in done.events for line in ANSI.sub("", str(event.get("stdout") or "")).splitlines()]
