#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release, up to the archive; what is published, and when, is somebody's decision.

python tests/tools/release.py version 1.0.0    writes the version wherever it stands, and the changelog from its fragments
python tests/tools/release.py check            what stands against a release of the version in galaxy.yml; nothing is written
python tests/tools/release.py contents FILE    what is in an archive, and what must not be"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

__all__ = ["PLACES", "State", "contents", "main", "problems", "state_of", "unwanted", "with_version"]

ROOT = Path(__file__).resolve().parents[2]
SEMANTIC = re.compile(r"(\d+)\.(\d+)\.(\d+)")
# Where the version stands: a file, and what is before it.
PLACES = (
    ("galaxy.yml", r"^version: "),
    ("tests/pyproject.toml", r'^version = "'),
    ("plugins/module_utils/_checks/sarif.py", r'^VERSION = "'),
    ("execution-environment/execution-environment.yml", r"mesh-ee:"),
    ("execution-environment/requirements.yml", r'meshops\.mesh\n\s+version: "'),
    ("docs/guides/automation-platform.md", r'(?:mesh-ee:|meshops\.mesh\n\s+version: ")'),
)
# What an archive is for.
NEEDED = (
    "README.md",
    "LICENSE",
    "CHANGELOG.rst",
    "changelogs/changelog.yaml",
    "meta/runtime.yml",
    "meta/execution-environment.yml",
    "docs/README.md",
    "inventories/minimal/hosts.yml",
    "playbooks/check_mesh.yml",
    "plugins/modules/mesh_check.py",
)
# What only developers need, and what must never leave a machine.
UNWANTED = re.compile(
    r"(tests|bench|\.ci|\.github|\.venv|\.cache|\.git|extensions/molecule)/"
    r"|(.*\.(pyc|tar\.gz|log|key|pem)|Makefile|requirements-dev\..*|(.*/)?kubeconfig|(.*/)?\.plugin-cache\.yaml|(.*/)?\.env)$"
)


class State:
    """What of a checkout counts for a release."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.version = str(self._yaml("galaxy.yml").get("version"))
        self.dirty = self._git("status", "--porcelain").splitlines()
        self.branch = self._git("rev-parse", "--abbrev-ref", "HEAD")
        self.tags = [tag.removeprefix("v") for tag in self._git("tag").splitlines()]
        self.fragments = sorted(path.name for path in (root / "changelogs" / "fragments").glob("*.y*ml"))
        self.released = list(self._yaml("changelogs/changelog.yaml").get("releases") or {})
        self.changelog = self._text("CHANGELOG.rst")
        self.stated = {path: found for path, before in PLACES for found in [versions_in(self._text(path), before)]}
        self.added = self._added()

    def _text(self, path: str) -> str:
        file = self.root / path
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    def _yaml(self, path: str) -> dict[str, object]:
        return yaml.safe_load(self._text(path)) or {}

    def _git(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=True).stdout.rstrip()

    def _added(self) -> dict[str, list[str]]:
        """version_added of what is documented, with the files."""
        found: dict[str, list[str]] = {}
        for path in [*self.root.glob("plugins/*/*.py"), *self.root.glob("roles/*/meta/argument_specs.yml")]:
            for version in re.findall(r"version_added: [\"']?([\d.]+)", path.read_text(encoding="utf-8")):
                found.setdefault(version, []).append(str(path.relative_to(self.root)))
        return found


def state_of(root: Path = ROOT) -> State:
    """The checkout as it is."""
    return State(root)


def versions_in(text: str, before: str) -> list[str]:
    """The versions that stand after a pattern."""
    return [found[-1] for found in re.findall(rf"({before})(\d+\.\d+\.\d+)", text, re.MULTILINE)]


def _parts(version: str) -> tuple[int, ...]:
    found = SEMANTIC.fullmatch(version)
    return tuple(map(int, found.groups())) if found else ()


def problems(state: State) -> Iterator[str]:
    """What stands against a release, each with what to do."""
    version = state.version
    if not SEMANTIC.fullmatch(version):
        yield f"galaxy.yml: the version is {version}, expected MAJOR.MINOR.PATCH: make version VERSION=1.0.0"
        return
    if state.dirty:
        few = ", ".join(line[3:] for line in state.dirty[:3])
        yield f"the checkout has changes that are in no commit ({few}; {len(state.dirty)} in all): commit them"
    if state.branch != "main":
        yield f"the branch is {state.branch}, expected main"
    if version in state.tags:
        yield f"v{version} is tagged already: make version VERSION=..., with a newer one"
    newer = [tag for tag in state.tags if _parts(tag) > _parts(version)]
    if newer:
        yield f"{version} is older than the tag {max(newer, key=_parts)}: make version VERSION=..., with a newer one"
    if state.fragments:
        few = ", ".join(state.fragments[:3])
        yield f"fragments are not in the changelog ({few}; {len(state.fragments)} in all): make version VERSION={version}"
    if version not in state.released or not re.search(rf"^v{re.escape(version)}\n=", state.changelog, re.MULTILINE):
        yield f"CHANGELOG.rst has no release {version}: make version VERSION={version}"
    for path, found in state.stated.items():
        if not found:
            yield f"{path}: no version where it should stand; correct PLACES of tests/tools/release.py"
        for other in sorted(set(found) - {version}):
            yield f"{path}: says {other}, expected {version}: make version VERSION={version}"
    latest = max(state.added, key=_parts, default=version)
    if _parts(latest) > _parts(version):
        few = ", ".join(state.added[latest][:3])
        yield f"version_added {latest} is later than {version} ({few}): release {latest} or newer, or correct it"


def with_version(text: str, before: str, version: str) -> str:
    """A text with the version after a pattern."""
    return re.sub(rf"({before})\d+\.\d+\.\d+", lambda found: f"{found[1]}{version}", text, flags=re.MULTILINE)


def set_version(version: str) -> int:
    """Writes the version and the changelog; what is released once is not made again."""
    if not SEMANTIC.fullmatch(version):
        sys.stderr.write(f"{version} is no version, expected MAJOR.MINOR.PATCH\n")
        return 1
    state = state_of()
    if version in state.released and state.fragments:
        sys.stderr.write(f"CHANGELOG.rst has {version} already, and {len(state.fragments)} fragments are new: choose the next version\n")
        return 1
    for path, before in PLACES:
        file = ROOT / path
        file.write_text(with_version(file.read_text(encoding="utf-8"), before, version), encoding="utf-8")
    if version not in state.released:
        subprocess.run(["antsibull-changelog", "release", "--version", version], cwd=ROOT, check=True)
    print(f"The version is {version} everywhere, and CHANGELOG.rst has it. Read it, commit, and run: make release")
    return 0


def contents(names: Iterable[str]) -> list[str]:
    """Lines that say what an archive has, by folder."""
    counted = Counter(
        name.split("/")[0] + ("/" + name.split("/")[1] if name.startswith("plugins/") else "") if "/" in name else "." for name in names
    )
    return [f"{count:6}  {folder}" for folder, count in sorted(counted.items())]


def unwanted(names: Iterable[str]) -> list[str]:
    """What must not be in an archive, and what is missing from it."""
    known = set(names)
    return [f"{name} is in the archive" for name in sorted(known) if UNWANTED.match(name)] + [
        f"{name} is missing" for name in NEEDED if name not in known
    ]


def show(archive: Path) -> int:
    """Says what is in an archive; 1 where something of it is wrong."""
    with tarfile.open(archive) as opened:
        members = [member for member in opened.getmembers() if member.isfile()]
    names = [member.name for member in members]
    wrong = unwanted(names)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    size, unpacked = archive.stat().st_size, sum(member.size for member in members)
    print(f"{archive}: {len(names)} files, {size / 2**20:.1f} MiB ({unpacked / 2**20:.1f} MiB unpacked), sha256 {digest}")
    print(*contents(names), sep="\n")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("version").add_argument("version")
    commands.add_parser("check")
    commands.add_parser("contents").add_argument("archive", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "version":
        return set_version(options.version)
    if options.command == "contents":
        return show(options.archive)
    state = state_of()
    found = list(problems(state))
    print(*(found or [f"nothing stands against a release of {state.version}"]), sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
