# SPDX-License-Identifier: GPL-3.0-or-later
"""The labs (guestbook, coolapp, bookinfo) on a bed, as people run them: playbooks, steps, and what is there then."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed import Bed

__all__ = ["OPERATORS", "Lab"]

OPERATORS = ("olm", "sail", "maistra", "openshift", "observability")
Obj = dict[str, Any]


@dataclass(frozen=True)
class Lab:
    """One lab on one bed."""

    name: str
    provider: str
    bed: Bed
    kubeconfig: Path
    run: Callable[..., Any]

    def play(self, playbook: str, *arguments: str, env: dict[str, str] | None = None, **variables: Any) -> Any:
        """The playbook with the lab's inventory; variables: -e."""
        extra = {"mesh_provider": self.provider, **variables}
        where = {"bed": self.bed, "kubeconfig": self.kubeconfig, "inventory": f"inventories/{self.name}"}
        return self.run(f"meshops.mesh.{playbook}", *arguments, extra_vars=extra, env=env, **where)

    def get(self, *what: str) -> Obj:
        done = self.bed.kubectl("get", *what, "-o", "json")
        found: Obj = json.loads(done.stdout) if done.returncode == 0 else {}
        return found

    def items(self, kind: str, namespace: str) -> dict[str, Obj]:
        """Objects by their names."""
        return {row["metadata"]["name"]: row for row in self.get(kind, "-n", namespace).get("items", [])}

    def ready(self, namespace: str) -> dict[str, str]:
        """The pods that stay, as READY shows them: containers that are ready, of how many; by Deployment."""
        found = {}
        for name, pod in self.items("pods", namespace).items():
            rows = pod["status"].get("containerStatuses") or []
            if not pod["metadata"].get("deletionTimestamp"):
                found[name] = f"{sum(row['ready'] for row in rows)}/{len(rows)}"
        return found

    def shares(self, service: str) -> list[tuple[dict[str, Any], dict[str, int]]]:
        """The routes in the mesh: what a request has to be like, and the share of each subset."""
        rules = self.items("virtualservices.networking.istio.io", self.name).get(service, {}).get("spec", {}).get("http", [])
        return [
            (
                (row.get("match") or [{}])[0].get("headers", {}),
                {one["destination"].get("subset", ""): one.get("weight", 100) for one in row["route"]},
            )
            for row in rules
        ]
