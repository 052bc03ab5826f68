# SPDX-License-Identifier: GPL-3.0-or-later
"""The travel organisation on a bed, for tests: plays, what they wrote, what is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from testbed import Bed
from testbed.patience import until

__all__ = ["INVENTORY", "OPERATORS", "OURS", "USER", "VARS", "Playbook", "Travel", "forwarded", "read_back", "role_play", "said"]

Playbook = Callable[..., Any]
OPERATORS = ("olm", "sail", "maistra", "openshift", "observability")
OURS = "app.kubernetes.io/managed-by=meshops.mesh"
USER = "travel-installer"
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
VARS: dict[str, Any] = {"mesh_provider": "ossm3", "mesh_mysql_password": "of-this-test-only"}
INVENTORY = "inventories/travel"
# What comes and goes by itself, or is no object of its own.
PASSING = (
    "events",
    "events.events.k8s.io",
    "packagemanifests.packages.operators.coreos.com",
    "componentstatuses",
    "leases.coordination.k8s.io",
    "endpointslices.discovery.k8s.io",
    "endpoints",
)


@dataclass(frozen=True)
class Travel:
    """The bed, and a kubeconfig whose user nobody else is: the audit log says what this user did."""

    bed: Bed
    kubeconfig: Path
    run: Playbook
    vars: dict[str, Any] = field(default_factory=lambda: dict(VARS))

    def play(self, playbook: str | Path = "meshops.mesh.travel_prod", *args: str, **more: Any) -> Any:
        more.setdefault("extra_vars", {})
        more["extra_vars"] = {**self.vars, **more["extra_vars"]}
        return self.run(playbook, *args, bed=self.bed, kubeconfig=self.kubeconfig, inventory=INVENTORY, **more)

    def writes(self, since: int) -> list[str]:
        """What USER changed. A dry run changes nothing, nor does a review."""
        found = []
        for event in self.bed.audit(since):
            target = event.get("objectRef", {})
            if event["user"]["username"] != USER or event["verb"] not in WRITES:
                continue
            if target.get("resource", "").endswith("accessreviews") or "dryRun=All" in event["requestURI"]:
                continue
            found.append(f"{event['verb']} {event['requestURI']}")
        return found

    def dry_runs(self, since: int) -> int:
        return sum(event["user"]["username"] == USER and "dryRun=All" in event["requestURI"] for event in self.bed.audit(since))

    def everything(self, *selector: str) -> dict[str, dict[str, Any]]:
        """Every object of every kind that the API lists, or those of a label selector: its metadata by version, kind and name."""
        names = self.bed.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
        kinds = ",".join(name for name in names if name not in PASSING)
        done = self.bed.kubectl("get", kinds, "-A", *(("-l", ",".join(selector)) if selector else ()), "-o", "json")
        assert done.returncode == 0, done.stderr
        found = {}
        for item in json.loads(done.stdout)["items"]:
            meta = item["metadata"]
            place = f"{meta['namespace']}/{meta['name']}" if "namespace" in meta else meta["name"]
            found[f"{item['apiVersion']} {item['kind']} {place}"] = meta
        return found

    def ours(self, *selector: str) -> dict[str, str]:
        """Every object with our label, and its resourceVersion."""
        return {name: meta["resourceVersion"] for name, meta in self.everything(OURS, *selector).items()}

    def namespaces(self) -> set[str]:
        done = self.bed.kubectl("get", "namespaces", "-o", "name")
        assert done.returncode == 0, done.stderr
        return {name.removeprefix("namespace/") for name in done.stdout.split()}


def forwarded(bed: Bed, namespace: str, app: str, port: int) -> int:
    """The local port behind a pod's port: what a Service, or a Route that passes TLS through, would lead to."""

    def items(*what: str) -> list[dict[str, Any]]:
        done = bed.kubectl("get", *what, "-n", namespace, "-o", "json")
        rows: list[dict[str, Any]] = json.loads(done.stdout)["items"] if done.returncode == 0 else []
        return rows

    def found() -> int:
        pods = [row["metadata"]["name"] for row in items("pods", "-l", f"app={app}")]
        rows = {row["metadata"]["name"]: row["spec"]["forwards"] for row in items("portforwards.kwok.x-k8s.io")}
        return next((int(row["target"]["port"]) for pod in pods for row in rows.get(pod, []) if port in row["ports"]), 0)

    return int(until(found, what=f"the proxy of {namespace}/{app}"))


def read_back(travel: Travel, folder: Path, **choice: Any) -> Any:
    """`install_mesh --check` with the inventory that init_inventory reads of the cluster into a new folder."""
    at = {"bed": travel.bed, "kubeconfig": travel.kubeconfig}
    extra = {"init_inventory_from": "cluster", "init_inventory_path": str(folder), **choice}
    travel.run("meshops.mesh.init_inventory", extra_vars=extra, **at).check()
    return travel.run("meshops.mesh.install_mesh", "--check", "--diff", inventory=folder, **at).check()


def said(run: Any) -> str:
    """Everything that people saw, without the line breaks of the output."""
    return " ".join(f"{run.stdout} {run.stderr}".split())


def role_play(folder: Path, role: str, host: str = "prod") -> Path:
    """A playbook of one role."""
    path = folder / "play.yml"
    play = {"name": "One role", "hosts": host, "gather_facts": False, "roles": [f"meshops.mesh.{role}"]}
    path.write_text(yaml.safe_dump([play]), encoding="utf-8")
    return path
