#!/usr/bin/python
# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes one layer of objects into a GitOps tree."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gitops_tree
short_description: Write a layer of objects into a GitOps tree
version_added: "0.1.0"
author:
  - meshops.mesh contributors (@meshops)
description:
  - Writes each object to a file of its own, V(<output>/<cluster>/<NN-layer>/<kind>-<namespace>-<name>.yaml), with a C(kustomization.yaml)
    for the layer and one for the cluster.
  - Objects get the labels of ownership that M(meshops.mesh.mesh_apply) sets, and Argo CD's annotation for the sync wave of their layer.
  - Files of an earlier run of the same layer that are no longer wanted are removed. Files that this module did not write are left alone.
  - No cluster is contacted.
attributes:
  check_mode:
    description: Can run in check mode and tell what it would write.
    support: full
  diff_mode:
    description: Returns the contents before and after.
    support: full
options:
  output:
    description: Root folder of the tree. It is made where it is missing.
    type: path
    required: true
  cluster:
    description: Name of the cluster's folder.
    type: str
    required: true
  mesh:
    description: Name of the mesh, for the label C(mesh.meshops.io/mesh).
    type: str
    required: true
  layer:
    description: Name of the layer, for the folder and the label C(mesh.meshops.io/layer).
    type: str
    required: true
  layers:
    description:
      - All layers in their order; the place of O(layer) in it makes the folder's number and the sync wave (steps of ten).
      - A layer that is not named comes last.
    type: list
    elements: str
    default: []
  objects:
    description: The objects of the layer.
    type: list
    elements: dict
    required: true
  state:
    description: V(absent) removes the layer from the tree.
    type: str
    choices: [present, absent]
    default: present
  allow_secrets:
    description: Whether a C(Secret) may be written in clear text. Otherwise it is refused, and nothing is written.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Write the namespaces of a mesh
  meshops.mesh.gitops_tree:
    output: gitops
    cluster: prod
    mesh: travel-prod
    layer: namespaces
    layers: [operators, namespaces, control_plane]
    objects:
      - apiVersion: v1
        kind: Namespace
        metadata:
          name: prod-istio-system
  register: tree

- name: The namespaces come after the operators
  ansible.builtin.assert:
    that: tree.folder is match('.*/prod/02-namespaces$')
"""

RETURN = r"""
folder:
  description: The folder of the layer.
  returned: success
  type: str
  sample: gitops/prod/02-namespaces
files:
  description: Every file of the layer, the two kustomizations, and what was removed.
  returned: success
  type: list
  elements: dict
  sample:
    - path: prod/02-namespaces/namespace-prod-istio-system.yaml
      status: created
  contains:
    path:
      description: Path below O(output).
      returned: success
      type: str
      sample: prod/02-namespaces/namespace-prod-istio-system.yaml
    status:
      description: What happened to it, one of V(created), V(changed), V(unchanged), V(deleted).
      returned: success
      type: str
      sample: created
summary:
  description: The numbers in words.
  returned: success
  type: str
  sample: "1 created, 2 unchanged"
"""

from collections import Counter
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._model.tree import (
    HEADER,
    KUSTOMIZATION,
    Layer,
    is_folder_of,
    layer_folder,
    render_cluster,
    render_layer,
)

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "output": {"type": "path", "required": True},
    "cluster": {"type": "str", "required": True},
    "mesh": {"type": "str", "required": True},
    "layer": {"type": "str", "required": True},
    "layers": {"type": "list", "elements": "str", "default": []},
    "objects": {"type": "list", "elements": "dict", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "allow_secrets": {"type": "bool", "default": False},
}


def ours(path: Path) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8").startswith(HEADER)


def wanted_files(root: Path, params: dict[str, Any]) -> dict[Path, str | None]:
    """Every file that matters to this layer: its content, or None where it has to go."""
    layer = Layer.of(params["layer"], params["mesh"], params["layers"])
    cluster, folder = root / params["cluster"], layer_folder(layer)
    objects = params["objects"] if params["state"] == "present" else []
    rendered = render_layer(objects, layer, allow_secrets=params["allow_secrets"])
    existing = sorted(p for p in cluster.iterdir() if p.is_dir()) if cluster.is_dir() else []
    files: dict[Path, str | None] = {path: None for old in existing if is_folder_of(old.name, params["layer"])
                                     for path in sorted(old.glob("*.yaml")) if ours(path)}
    files.update({cluster / folder / name: text for name, text in rendered.items()})
    others = [p.name for p in existing if not is_folder_of(p.name, params["layer"]) and ours(p / KUSTOMIZATION)]
    folders = others + ([folder] if rendered else [])
    if folders or ours(cluster / KUSTOMIZATION):
        files[cluster / KUSTOMIZATION] = render_cluster(folders) if folders else None
    refuse_others(files)
    return files


def refuse_others(files: dict[Path, str | None]) -> None:
    theirs = sorted(str(path) for path, text in files.items() if path.is_file() and not ours(path))
    if theirs:
        raise ConfigError(
            f"{', '.join(theirs)} is there and was not written by meshops.mesh, so nothing was written; "
            "move it, or choose another output or cluster"
        )


def status_of(path: Path, text: str | None) -> tuple[str, str]:
    before = path.read_text(encoding="utf-8") if path.is_file() else None
    if text is None:
        return ("absent" if before is None else "deleted"), before or ""
    if before is None:
        return "created", ""
    return ("unchanged" if before == text else "changed"), before


def write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    root = Path(module.params["output"])
    try:
        files = wanted_files(root, module.params)
        rows, diffs = [], []
        for path, text in sorted(files.items()):
            status, before = status_of(path, text)
            if status == "absent":
                continue
            rows.append({"path": str(path.relative_to(root)), "status": status})
            if status == "unchanged":
                continue
            diffs.append({"before": before, "after": text or "", "before_header": str(path), "after_header": str(path)})
            if not module.check_mode:
                write(path, text)
    except (MeshError, OSError) as exc:
        module.fail_json(msg=str(exc))
    counts = Counter(row["status"] for row in rows)
    layer = Layer.of(module.params["layer"], module.params["mesh"], module.params["layers"])
    result: dict[str, Any] = {
        "changed": bool(diffs), "files": rows, "folder": str(root / module.params["cluster"] / layer_folder(layer)),
        "summary": ", ".join(f"{counts[s]} {s}" for s in ("created", "changed", "deleted", "unchanged") if counts[s]) or "nothing to write",
    }
    if module._diff:
        result["diff"] = diffs
    module.exit_json(**result)


if __name__ == "__main__":
    main()
