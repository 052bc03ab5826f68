# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the table of variables in each role's README from its argument spec; --check only says which files are out of date."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

__all__ = ["BEGIN", "END", "ROLES", "main", "table", "with_table"]

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "roles"
BEGIN = "<!-- variables: begin -->"
END = "<!-- variables: end -->"
NOTE = "<!-- Written by tests/tools/role_readme.py from meta/argument_specs.yml: change that, then run `make docs`. -->"
INDENT = "&nbsp;&nbsp;&nbsp;&nbsp;"
MARKUP = re.compile(r"\b[OVCEMI]\(([^()]*(?:\([^()]*\)[^()]*)*)\)")


def cell(text: str) -> str:
    """A pipe would end the cell, in code as well."""
    return " ".join(text.split()).replace("|", "\\|")


def code(value: Any) -> str:
    """A value as one writes it in YAML, on one line."""
    if isinstance(value, str):
        return f"`{value}`" if value else '`""`'
    text = yaml.safe_dump(value, default_flow_style=True, width=sys.maxsize, sort_keys=False)
    return f"`{text.removesuffix('...' + chr(10)).strip()}`"


def description(option: dict[str, Any]) -> str:
    """The sentences of an option, and what it may be."""
    sentences = option.get("description", [])
    text = MARKUP.sub(r"`\1`", " ".join([sentences] if isinstance(sentences, str) else sentences))
    if option.get("choices"):
        text += f" One of {', '.join(code(choice) for choice in option['choices'])}."
    return text


def rows(options: dict[str, Any], depth: int = 0, values: dict[str, Any] | None = None) -> Iterator[str]:
    """A row for each option, its own options below it. values: the role's defaults, where the spec must not evaluate one."""
    for name, given in options.items():
        option = {"default": values[name], **given} if values and name in values else given
        kind = option.get("type", "str")
        kind = f"{kind} of {option['elements']}" if "elements" in option else kind
        default = code(option["default"]) if "default" in option else ""
        required = "yes" if option.get("required") else "no"
        fields = [f"{INDENT * depth}`{name}`", kind, default, required, description(option)]
        yield f"| {' | '.join(cell(field) for field in fields)} |"
        yield from rows(option.get("options") or {}, depth + 1)


def table(role: Path) -> str:
    """The table of the entry point main."""
    spec = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    head = ["| name | type | default | required | description |", "|---|---|---|---|---|"]
    defaults = role / "defaults" / "main.yml"
    values = yaml.safe_load(defaults.read_text(encoding="utf-8")) if defaults.is_file() else {}
    return "\n".join([NOTE, "", *head, *rows(spec["argument_specs"]["main"].get("options") or {}, values=values)])


def with_table(readme: str, text: str, begin: str = BEGIN, end: str = END) -> str:
    """The README with the text between its markers; ValueError when it does not have them once each, in order."""
    if readme.count(begin) != 1 or readme.count(end) != 1 or readme.index(begin) > readme.index(end):
        raise ValueError(f"expected one {begin} and, after it, one {end}")
    before, rest = readme.split(begin)
    return f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}"


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 1 when a README is missing, has no markers, or (--check) is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when a file is out of date")
    parser.add_argument("--roles", type=Path, default=ROLES, help="folder of the roles")
    options = parser.parse_args(arguments)
    wrong = []
    for spec in sorted(options.roles.glob("*/meta/argument_specs.yml")):
        role = spec.parents[1]
        path = role / "README.md"
        label = f"{options.roles.name}/{role.name}/README.md"
        if not path.is_file():
            wrong.append(f"{label}: missing")
            continue
        old = path.read_text(encoding="utf-8")
        try:
            new = with_table(old, table(role))
        except ValueError as exc:
            wrong.append(f"{label}: {exc}")
            continue
        if new != old and options.check:
            wrong.append(f"{label}: out of date, run `make docs`")
        elif new != old:
            path.write_text(new, encoding="utf-8")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
