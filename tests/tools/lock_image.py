#!/usr/bin/env python
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make lock`: writes execution-environment/requirements.txt, every Python package of the image with its version.

What is wanted stands elsewhere: ansible-core, ansible-runner and the Python in the image's definition, the libraries in what the
collections ask for. pip works out the rest, for the image's Python and not for the one that runs here."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
IMAGE = ROOT / "execution-environment"
# The definition names them; a base image of the Platform brings its own, which nothing here may replace.
IN_DEFINITION = {"ansible-core", "ansible-runner"}
HEAD = "# Written by `make lock` for the image's Python: what ansible-core and the collections need, to the last package.\n"


def wanted() -> tuple[str, list[str]]:
    """The image's Python, and the requirements that pip starts from."""
    needs = yaml.safe_load((IMAGE / "execution-environment.yml").read_text())["dependencies"]
    files = [ROOT / "meta" / "ee-requirements.txt"]
    for name in ("kubernetes.core", "community.okd"):
        files.append(Path(next(iter(import_module(f"ansible_collections.{name}").__path__))) / "requirements.txt")
    lines = [line for file in files for line in file.read_text().splitlines() if line.strip() and not line.startswith("#")]
    python = needs["python_interpreter"]["package_system"].removeprefix("python")
    return python, [needs["ansible_core"]["package_pip"], needs["ansible_runner"]["package_pip"], *lines]


def resolved(python: str, requirements: list[str]) -> list[str]:
    """`name==version` of every package that pip would install."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--only-binary=:all:",
                   "--python-version", python, "--target", folder, "--report", str(report), *requirements]  # fmt: skip
        subprocess.run(command, check=True)
        found = [row["metadata"] for row in json.loads(report.read_text())["install"]]
    return sorted((f"{row['name']}=={row['version']}" for row in found if row["name"] not in IN_DEFINITION), key=str.lower)


def main() -> None:
    (IMAGE / "requirements.txt").write_text(HEAD + "\n".join(resolved(*wanted())) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
