# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders roles as a user does, with ansible-playbook and mesh_target=files, and reads the tree back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import warm_ansible
import yaml

__all__ = ["REPOSITORY", "Rendered", "render"]

REPOSITORY = Path(__file__).resolve().parents[3]
Object = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """One run: its result, its output, and the objects by host and layer."""

    code: int
    output: str
    tree: Path

    def objects(self, host: str, layer: str) -> dict[str, Object]:
        """The objects of a layer, by `Kind namespace/name`."""
        found: dict[str, Object] = {}
        for folder in sorted((self.tree / host).glob(f"*-{layer}")):
            for path in sorted(folder.glob("*.yaml")):
                for obj in yaml.safe_load_all(path.read_text(encoding="utf-8")):
                    if path.name != "kustomization.yaml" and obj:
                        found[_name(obj)] = _without_waves(obj)
        return found

    def layers(self, host: str) -> set[str]:
        return {path.name.split("-", 1)[1] for path in (self.tree / host).iterdir() if path.is_dir()}


def _name(obj: Object) -> str:
    metadata = obj["metadata"]
    place = f"{metadata['namespace']}/" if "namespace" in metadata else ""
    return f"{obj['kind']} {place}{metadata['name']}"


def _without_waves(obj: Object) -> Object:
    """Argo CD's annotations are the tree's, not the role's."""
    metadata = obj["metadata"]
    kept = {key: value for key, value in metadata.get("annotations", {}).items() if not key.startswith("argocd.argoproj.io/")}
    rest = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**obj, "metadata": {**rest, "annotations": kept} if kept else rest}


def render(folder: Path, roles: list[str], *, limit: str = "all", inventory: str | None = None, **variables: Any) -> Rendered:
    """Runs the roles over the travel inventory (or another) into a GitOps tree below folder."""
    play = folder / "play.yml"
    tasks = [{"name": f"Run {role}", "ansible.builtin.include_role": {"name": f"meshops.mesh.{role}"}} for role in roles]
    play.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    tree = folder / "gitops"
    extra = {"mesh_target": "files", "mesh_output": str(tree), **variables}
    arguments = [str(play), "-i", inventory or str(REPOSITORY / "inventories/travel"), "--limit", limit, "-e", json.dumps(extra)]
    done = warm_ansible.run(arguments)
    return Rendered(done.returncode, " ".join((done.stdout + done.stderr).split()), tree)
