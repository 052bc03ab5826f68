# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/what-it-does-to-a-cluster.md: what roles make, from their templates, and what playbooks change, from the table of rights.

Tests play the playbooks with the rights of that table alone, so nothing can be written that is not in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.meshops.mesh.plugins.module_utils._model.intent import Intent
from ansible_collections.meshops.mesh.plugins.module_utils._rights.parts import PARTS
from ansible_collections.meshops.mesh.plugins.module_utils._rights.right import Right, Scope
from ansible_collections.meshops.mesh.plugins.module_utils._rights.table import FAMILIES, listed_by

__all__ = ["kinds_of_role", "kinds_of_template", "page", "writes"]

ROOT = Path(__file__).resolve().parents[2]
NOTE = "<!-- Written by tests/tools/make_docs.py from templates and plugins/module_utils/_rights: change those, run `make docs`. -->\n"
# Roles whose objects are made by Python: the family of rights that has them.
BY_CODE = {"access": "access", "canary": "canary", "migration": "migration", "traffic": "traffic", "upgrade": "upgrade"}
# Of requests that an API server takes as something made, and keeps nothing of.
ASKED = {
    "subjectaccessreviews.authorization.k8s.io": "questions about rights",
    "pods/portforward": "connections to a proxy's own interface",
    "pods/exec": "calls from a workload",
    "pods": "whether an account may name a namespace in a ServiceMeshMemberRoll",
    "routes.route.openshift.io/custom-host": "the host of a Route",
    "projectrequests.project.openshift.io": "a project, of which OpenShift makes a namespace",
}
# What goes only where a variable says so.
ONLY_WITH = {"prune": "mesh_prune", "remove_volumes": "mesh_remove_volumes", "remove_namespaces": "mesh_remove_namespaces",
             "remove_operators": "mesh_remove_operators", "remove_ossm2": "migration_remove"}  # fmt: skip
CHANGES = {"create": "makes", "patch": "changes", "update": "changes", "delete": "deletes"}
HEAD = """
Nothing of the collection runs on a cluster, and nothing is installed there for it. All that it writes is in these tables: the first says
what each role makes, the others what the playbooks of a family change. The operators do the rest: OpenShift Service Mesh or Sail runs
istiod.

* Everything that is delivered carries the labels `app.kubernetes.io/managed-by: meshops.mesh`, `mesh.meshops.io/mesh` and
  `mesh.meshops.io/layer`, and the field manager `meshops.mesh`: `kubectl get KIND -A -l app.kubernetes.io/managed-by=meshops.mesh`.
* What has these labels but was not written by us is somebody else's, as every other object: it is refused by name and never changed or
  deleted, unless `mesh_adopt` names it. Namespaces are shared: only our labels are set on them.
* Nothing is deleted unless it is asked for: by `remove_mesh`, by `mesh_prune`, by a persona that left the inventory. A namespace is
  deleted only with `mesh_remove_namespaces`, a volume only with `mesh_remove_volumes`, and both only where we made them and nobody else has
  anything in them.
* `-e mesh_target=plan` and `--check` say what would be written, object by object; `mesh_target=files` writes the same objects to a folder.

What an account needs for it, verb by verb: [rights](rights.md).
"""


def kinds_of_template(text: str) -> list[str]:
    """The kinds of a template's objects; those that it only refers to are indented."""
    found = []
    for line in re.findall(r"^kind: (.+)$", text, re.MULTILINE):
        found += re.findall(r"'(\w+)'", line) if "{{" in line else [line.strip()]
    return found


def _family_makes(family: str) -> list[str]:
    return [right.resource for right in FAMILIES[family][1] if "create" in right.verbs and right.resource not in ASKED]


def kinds_of_role(role: Path) -> list[str]:
    """What a role makes, in the order of its templates."""
    if role.name in BY_CODE:
        return list(dict.fromkeys(_family_makes(BY_CODE[role.name])))
    if role.name == "rights":
        return ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]
    if role.name == "egress":  # its objects are made by a filter
        return ["ServiceEntry", "DestinationRule"]
    texts = [path.read_text(encoding="utf-8") for path in sorted(role.glob("templates/*.j2"))]
    return list(dict.fromkeys(kind for text in texts for kind in kinds_of_template(text)))


def writes(family: str) -> Iterator[tuple[str, str, str, str]]:
    """What the playbooks of a family change: what, how, where, why; rights that differ by their resource only are one row."""
    everything = Scope(Intent(), parts=frozenset(PARTS))
    rows: dict[tuple[str, str, str], list[str]] = {}
    for right in (*FAMILIES[family][1], *listed_by(family, everything)):
        how = ", ".join(dict.fromkeys(CHANGES[verb] for verb in right.verbs if verb in CHANGES))
        if how and right.resource not in ASKED:
            rows.setdefault((how, right.where.value, _why(right)), []).append(_named(right))
    for (how, where, why), resources in rows.items():
        yield ", ".join(dict.fromkeys(resources)), how, where, why


def _named(right: Right) -> str:
    if right.resource == "*.*":
        return "objects of this mesh, of any kind"
    return f"`{right.resource}`" + (f" ({', '.join(f'`{name}`' for name in right.names)})" if right.names else "")


def _why(right: Right) -> str:
    """The reason, without what is about the account, and the variable that it takes."""
    only = [f"`{ONLY_WITH[word]}`" for word in right.when if word in ONLY_WITH]
    return right.why.partition("; without escalate")[0] + (f"; only with {' or '.join(only)}" if only else "")


def page() -> str:
    """The page."""
    roles = [path.parent for path in sorted((ROOT / "roles").glob("*/tasks"))]
    made = [(role, kinds_of_role(role)) for role in roles]
    lines = [
        f"| [{role.name}](../roles/{role.name}/README.md) | {', '.join(f'`{kind}`' for kind in kinds)} |" for role, kinds in made if kinds
    ]
    parts = [
        f"# What the collection does to a cluster\n\n{NOTE}{HEAD}",
        "## What roles make\n\n| role | kinds |\n|---|---|\n" + "\n".join(lines) + "\n",
    ]
    for family, (about, _own) in FAMILIES.items():
        rows = [f"| {what} | {how} | {where} | {why} |" for what, how, where, why in writes(family)]
        table = "| what | does | where | why |\n|---|---|---|---|\n" + "\n".join(rows) if rows else "They only read."
        parts.append(f"## {family}\n\nPlaybooks: {about}.\n\n{table}\n")
    asked = "\n".join(f"* `{resource}`: {what}" for resource, what in ASKED.items())
    parts.append(f"## Asked, and not kept\n\nWhat an API server counts as made or changed, and of which it keeps nothing:\n\n{asked}\n")
    return "\n".join(parts)
