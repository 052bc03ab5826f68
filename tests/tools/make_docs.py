#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/checks from the check table, one page per code and the index; docs/rights.md and docs/what-it-does-to-a-cluster.md from the
table of rights; docs/variables.md; and the tables of README.md.

With --check it only says what differs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "checks"
sys.path[:0] = [str(ROOT / "tests" / "unit"), str(ROOT / "tests" / "tools"), str(ROOT / "tests")]

import conftest  # noqa: F401 - makes the collection importable
import readme_tables
import variables_page
import writes_page
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import CATALOGUE, RETIRED
from ansible_collections.meshops.mesh.plugins.module_utils._checks.categories import CATEGORIES
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import THRESHOLDS
from ansible_collections.meshops.mesh.plugins.module_utils._model.intent import Intent
from ansible_collections.meshops.mesh.plugins.module_utils._rights.parts import PARTS
from ansible_collections.meshops.mesh.plugins.module_utils._rights.right import Scope
from ansible_collections.meshops.mesh.plugins.module_utils._rights.table import FAMILIES, listed_by, rights_of
from check_examples import Example, example_of, resource_of, thresholds_of

GENERATED = "<!-- Written by tests/tools/make_docs.py from the check table and its cases: change those, then run `make docs`. -->\n"
ALL_PROVIDERS = 4
# They are asked only where the intended access is given.
ONLY_ACCESS = ("OSM3301", "OSM3302")


# Where what is known is left out, by category; the others are asked by the playbook check_mesh.
IGNORES = {
    "authorization": ["mesh_check_ignore", "mesh_access_ignore"],
    "upgrade": ["plan_upgrade_ignore", "upgrade_checks_ignore"],
    "migration": ["migration_ignore"],
}
ASKED_BY = {
    "mesh_check_ignore": "`check_mesh`",
    "mesh_access_ignore": "`check_access`",
    "plan_upgrade_ignore": "`plan_upgrade`",
    "upgrade_checks_ignore": "`upgrade_mesh`",
    "migration_ignore": "`plan_migration` and `migrate_mesh`",
}
FENCE = "```"
IGNORE = """A deviation that is known and accepted is ignored in the inventory, as `CODE=Kind namespace/name`. A `*` in it stands for
any text; the code alone ignores the whole check.
"""


def block(text: str, kind: str = "yaml") -> str:
    """A fenced block of Markdown."""
    return f"{FENCE}{kind}\n{text.rstrip()}\n{FENCE}\n"


def example(shown: Example, severity: str) -> str:
    """What fails, what the check says of it, what passes."""
    lines = "\n".join(f"{shown.resource or 'the mesh'}: {line}" for line in shown.messages)
    what = "With these variables" if shown.variables else "Without this object" if shown.missing else "With this"
    if shown.fails.startswith("certificates:"):
        what = "With this option of `meshops.mesh.certificate_check`"
    word = "fails" if severity == "error" else f"gives {'a warning' if severity == 'warning' else 'a notice'}"
    wrong = shown.passes if shown.missing else shown.fails
    parts = [f"## Example\n\n{what} the check {word}:\n", block(wrong), "The message:\n", block(lines, "text")]
    if shown.passes and not shown.missing:
        parts += ["Corrected:\n", block(shown.passes)]
    elif not shown.missing:
        parts.append("The check passes once the object is removed.\n")
    if shown.beside:
        parts += ["The other objects that the message names:\n", block(shown.beside)]
    return "\n".join(parts)


def settings(row: Any, shown: Example | None) -> str:
    """How an inventory changes the limits of a check, and leaves a known deviation out."""
    parts = ["## Change or ignore it\n"]
    names = thresholds_of(row.id)
    if names:
        limits = {"mesh_check_thresholds": {name: THRESHOLDS[name] for name in names}}
        parts += ["Limits are set in the inventory; these are the defaults:\n", block(yaml.safe_dump(limits, sort_keys=False))]
    resource = shown.resource if shown and not shown.fails.startswith("certificates:") else resource_of(row.id)
    entry = f"{row.id}={resource}" if resource else row.id
    variables = ["mesh_access_ignore"] if row.id in ONLY_ACCESS else IGNORES.get(row.category, ["mesh_check_ignore"])
    text = "\n".join(f"{name}:  # playbook {ASKED_BY[name].replace('`', '')}\n  - {entry}" for name in variables)
    return "\n".join([*parts, IGNORE, block(text)])


def prose(text: str) -> str:
    """A text of a check as Markdown: outside of code a star is a star."""
    return "`".join(part if number % 2 else part.replace("*", "\\*") for number, part in enumerate(text.split("`")))


def page(row: Any) -> str:
    """The page of one check."""
    facts = {
        "Severity": row.severity.name.lower(),
        "Category": f"`{row.category}` ({CATEGORIES[row.category]})",
        "Providers": "all" if len(row.providers) == ALL_PROVIDERS else ", ".join(f"`{name}`" for name in row.providers),
        "Requires": ", ".join(f"[{code}]({code}.md)" for code in row.requires) or "nothing",
        "Intent": ", ".join(f"`{name}`" for name in row.intent if name != "cells") or "none; it always runs",
        "Reads": ", ".join(f"`{kind}`" for kind in row.inputs) or "no object",
        "Manifests": "no, it needs what runs" if row.live else "yes",
        "Retried": "yes, until `wait_timeout`" if row.retryable else "no: waiting does not change it",
    }
    if row.equivalents:
        facts["Elsewhere"] = ", ".join(
            f"`{code}` ({'Kiali' if code.startswith('KIA') else 'istioctl analyze'})" for code in row.equivalents
        )
    table = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    about = prose(" ".join(row.about.split()))
    shown = example_of(row.id)
    return (
        f"# {row.id}: {row.title}\n\n{GENERATED}\n{about}\n\n## How to fix it\n\n{prose(row.hint)}\n\n"
        f"{example(shown, row.severity.name.lower()) + chr(10) if shown else ''}{settings(row, shown)}\n"
        f"## Facts\n\n| | |\n|---|---|\n{table}\n"
    )


def index() -> str:
    """The list of all checks."""
    parts = [
        "# Checks\n",
        GENERATED,
        "`meshops.mesh.mesh_check` runs these. A code is never reused. Dependents of a failed check are skipped, nothing else is.\n",
    ]
    for category, title in CATEGORIES.items():
        rows = [row for row in CATALOGUE.checks if row.category == category]
        lines = [f"| [{row.id}]({row.id}.md) | {row.title} | {row.severity.name.lower()} |" for row in rows]
        parts.append(f"## {title}\n\nCategory `{category}`.\n\n| code | fact | severity |\n|---|---|---|\n" + "\n".join(lines) + "\n")
    limits = "\n".join(f"| `{name}` | `{value}` |" for name, value in THRESHOLDS.items())
    parts.append(f"## Thresholds\n\nKeys of the option `thresholds`, with their defaults.\n\n| key | default |\n|---|---|\n{limits}\n")
    if RETIRED:
        parts.append("## Retired codes\n\n" + "\n".join(f"* {code}: {reason}" for code, reason in RETIRED.items()) + "\n")
    return "\n".join(parts)


RIGHTS = ROOT / "docs" / "rights.md"
RIGHTS_NOTE = "<!-- Written by tests/tools/make_docs.py from plugins/module_utils/_rights/table.py: change it, run `make docs`. -->\n"
RIGHTS_HEAD = """
What an account needs on a cluster to run the playbooks, and nothing else. The playbook `render_rights` writes these as a `ClusterRole` and
`Role`s for one mesh, with bindings for `mesh_rights_subjects`; an administrator applies them:

    ansible-playbook meshops.mesh.render_rights -i inventories/travel -l prod -e mesh_rights_families=check,install

* A playbook that changes something asks for all of its rights before anything changes, and fails with all that are missing. Those that only
  read tell all that they may not read: checks and plans by OSM1002, `access_from_traffic` by an error, as it would propose too little.
* A family has works where its playbooks need different rights. The roles have all of them; a playbook asks for its own only.
* Secrets are read by their names: `cacerts` and `istio-ca-secret` beside the control plane, and what Gateways name, in the namespaces of
  the gateways' pods. A rotation lists them in the control plane's namespace, where it finds the CAs that it has replaced by their label;
  `mesh_prune` and `mesh_remove_namespaces` list their metadata. `cluster-reader` of OpenShift has no Secrets; it is neither needed nor
  enough.
* Namespaces of the mesh have to be there before their `Role`s. Rules for kinds that the cluster does not have (yet) do no harm.
* What every account of a cluster may do (discovery, the version, reviews about itself) is not listed.
* `escalate` and `bind` make an account as strong as an administrator. Without them `install_mesh` cannot give tools and personas their
  rights.
* `mesh_prune` looks for what is not wanted any more at every kind of the API: with it an installation needs an administrator.
* Snapshots need more than is said here (but for those with `access_only`), and `state: absent` of a single role what `remove` has.
"""


def right_line(rights: list[Any]) -> str:
    """A row of a table; of several rights that differ by their resource only."""
    right = rights[0]
    names = f" ({', '.join(f'`{name}`' for name in right.names)})" if right.names else ""
    words = [f"work `{right.work}`"] if right.work else []
    words += [" or ".join(f"`{word}`" for word in right.when)] if right.when else []
    resources = ", ".join(f"`{one.resource}`{names}" for one in rights)
    return f"| {resources} | {', '.join(right.verbs)} | {right.where.value} | {', '.join(words) or 'always'} | {right.why} |"


def together(rights: list[Any]) -> list[list[Any]]:
    """Those that say the same of several resources."""
    rows: dict[Any, list[Any]] = {}
    for right in rights:
        rows.setdefault((right.verbs, right.where, right.when, right.names, right.work, right.why), []).append(right)
    return list(rows.values())


def rights_page() -> str:
    """Every right of every family, with its reason; the check is said once."""
    everything = Scope(Intent(), parts=frozenset(PARTS))
    checked = {right.why for right in rights_of("check", everything)}
    words = "\n".join(f"| `{word}` | {text} |" for word, text in PARTS.items())
    found = [
        f"# Rights\n\n{RIGHTS_NOTE}{RIGHTS_HEAD}",
        f"## When\n\nThe words of the column *when*.\n\n| word | where |\n|---|---|\n{words}\n",
    ]
    for family, (about, own) in FAMILIES.items():
        listed = listed_by(family, everything)
        rows = [[right] for right in (listed if family == "check" else own)]
        rows += together([right for right in listed if right.why not in checked])
        as_check = {right.work for right in listed if right.why.startswith("read by the checks of ")}
        for_works = ", ".join(f"`{work}`" for work in sorted(as_check) if work)
        more = f" It needs what `check` needs, too{f', for {for_works}' if for_works else ''}." if as_check and family != "check" else ""
        lines, head = "\n".join(map(right_line, rows)), "| resource | verbs | where | when | why |\n|---|---|---|---|---|"
        found.append(f"## {family}\n\nFor {about}.{more}\n\n{head}\n{lines}\n")
    return "\n".join(found)


VARIABLES, README = ROOT / "docs" / "variables.md", ROOT / "README.md"


def pages() -> dict[Path, str]:
    """Every file and its text."""
    variables = list(variables_page.variables().values())
    if lacking := variables_page.lacking(variables):
        raise SystemExit("\n".join(lacking))
    retired = {OUT / f"{code}.md": f"# {code}: retired\n\n{GENERATED}\n{reason}\n" for code, reason in RETIRED.items()}
    others = {OUT / "README.md": index(), RIGHTS: rights_page(), VARIABLES: variables_page.page(variables)}
    others[ROOT / "docs" / "what-it-does-to-a-cluster.md"] = writes_page.page()
    others[README] = readme_tables.with_tables(README.read_text(encoding="utf-8"))
    return {OUT / f"{row.id}.md": page(row) for row in CATALOGUE.checks} | retired | others


def main() -> int:
    wanted = pages()
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    left = [path for path in OUT.glob("OSM*.md") if path not in wanted]
    if "--check" in sys.argv[1:]:
        for path in stale + left:
            sys.stdout.write(f"{path.relative_to(ROOT)} is out of date: run make docs\n")
        return 1 if stale or left else 0
    OUT.mkdir(parents=True, exist_ok=True)
    for path in left:
        path.unlink()
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    sys.stdout.write(f"docs: {len(wanted)} pages, {len(stale)} written, {len(left)} removed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
