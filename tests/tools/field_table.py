#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes plugins/module_utils/_model/kind_fields.py: which fields Istio's and the Gateway API's kinds have, of the definitions that are
pinned in tests/testbed/build/crds/go.mod.

    python tests/tools/field_table.py [--check]

--check writes nothing and fails where the table is not what the definitions say; without the definitions it says so and passes."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from testbed.crds import module_files
from testbed.paths import TESTBED

TARGET = ROOT / "plugins" / "module_utils" / "_model" / "kind_fields.py"
# The experimental channel has every field of the standard one.
SOURCES = (
    ("istio.io/api", "kubernetes/customresourcedefinitions.gen.yaml"),
    ("sigs.k8s.io/gateway-api", "config/crd/experimental/gateway.networking.k8s.io_*.yaml"),
)
WORDS = {"string": "text", "integer": "whole", "number": "number", "boolean": "switch"}
HEAD = '''# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The fields of Istio's and the Gateway API's kinds, of their definitions ({versions}).

Written by tests/tools/field_table.py. A block is a kind, with the versions that are served; a line is a field below `spec`, indented below
its parent: NAME[!] [list] [text|whole|number|switch|text-or-whole|any|one of A B]. `!`: it has to be there. `*`: any name."""

from __future__ import annotations

__all__ = ["FIELDS"]

FIELDS = """
'''


def kind_of(schema: Mapping[str, Any]) -> str:
    """What a value is: a word of the table; empty for an object with fields."""
    if schema.get("x-kubernetes-int-or-string"):
        return "text-or-whole"
    if schema.get("enum"):
        return f"one of {' '.join(map(str, schema['enum']))}"
    if schema.get("properties") or isinstance(schema.get("additionalProperties"), Mapping):
        return ""
    return WORDS.get(str(schema.get("type")), "any")


def lines(schema: Mapping[str, Any], depth: int = 1) -> Iterator[str]:
    """The fields of an object."""
    required = set(schema.get("required") or ())
    fields = dict(schema.get("properties") or {})
    if isinstance(schema.get("additionalProperties"), Mapping):
        fields["*"] = schema["additionalProperties"]
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        fields["*"] = {}
    for name, given in sorted(fields.items()):
        many, field = "", given
        while field.get("type") == "array":
            many, field = f"{many} list", field.get("items") or {}
        word = kind_of(field)
        yield f"{' ' * depth}{name}{'!' if name in required else ''}{many}{f' {word}' if word else ''}"
        if not word:
            yield from lines(field, depth + 1)


def blocks(definition: Mapping[str, Any]) -> Iterator[str]:
    """A block for the newest version that has a spec, with the names of all."""
    spec = definition["spec"]
    served = [version for version in spec["versions"] if version.get("served")]
    with_spec = [one for one in served if "spec" in one["schema"]["openAPIV3Schema"].get("properties", {})]
    if with_spec:
        newest = next((one for one in with_spec if one["name"] == "v1"), with_spec[0])
        names = " ".join(version["name"] for version in served)
        schema = newest["schema"]["openAPIV3Schema"]["properties"]["spec"]
        yield "\n".join([f"{spec['group']} {spec['names']['kind']} {names}", *lines(schema)])


def made() -> str:
    """The file; empty without the definitions."""
    found, versions = [], []
    pins = (TESTBED / "build" / "crds" / "go.mod").read_text(encoding="utf-8")
    for module, pattern in SOURCES:
        files = module_files(module, pattern)
        if not files:
            return ""
        pinned = re.search(rf"{re.escape(module)} v(\S+)", pins)
        versions.append(f"{module} {pinned.group(1) if pinned else '?'}")
        for file in files:
            for document in yaml.load_all(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                if document and document.get("kind") == "CustomResourceDefinition":
                    found += blocks(document)
    return HEAD.replace("{versions}", ", ".join(versions)) + "\n\n".join(sorted(found)) + '\n"""  # noqa: E501\n'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    text = made()
    if not text:
        print("field_table: the definitions cannot be had here (no Go, or no way to its module proxy)")
        return 0
    if options.check:
        same = TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text
        if not same:
            print("field_table: kind_fields.py is not what the definitions say: run python tests/tools/field_table.py", file=sys.stderr)
        return 0 if same else 1
    TARGET.write_text(text, encoding="utf-8")
    print(f"field_table: {text.count(chr(10))} lines")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
