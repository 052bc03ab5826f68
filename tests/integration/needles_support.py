# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks played by ansible-runner, as Automation Platform does it, with needles where a person may put a secret, and the search for
them in all that a run leaves: its output, each event, the fact cache, reports, trees, snapshots."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
import yaml

__all__ = ["ROOT", "Needles", "Played", "modes_of", "play", "python_of_its_own"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Needles:
    """Secrets by the place that they were put into. Each is a text that stands nowhere else."""

    planted: dict[str, str] = field(default_factory=dict)

    def at(self, place: str) -> str:
        """A new secret for the place."""
        return self.planted.setdefault(place, f"ndl{len(self.planted):03d}xq7z{base64.b16encode(place.encode()).decode().lower()[:12]}")

    def key(self, place: str, pem: str) -> str:
        """A private key in the place: the needle is one of its lines."""
        self.planted[place] = next(line for line in pem.splitlines()[2:] if len(line) > 40)
        return pem

    def found(self, text: str) -> list[str]:
        """The places whose secrets stand in the text, as they are or as Secrets have them."""
        return [place for place, value in self.planted.items() if any(form in text for form in _forms(value))]


def _forms(value: str) -> Iterable[str]:
    """A text, and its core in base64 wherever it begins."""
    yield value
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + value.encode()).decode()
        yield coded[4 if shift else 0 : len(coded) // 4 * 4 - 4]


@dataclass(frozen=True)
class Played:
    """A finished run."""

    rc: int
    folder: Path  # what the runner keeps of it
    events: tuple[dict[str, Any], ...]
    stdout: str

    def leaks(self, needles: Needles, *more: Path) -> list[str]:
        """`place: file: what stands before it` for each needle in what the run left, and in other files or folders."""
        rows = []
        for path in sorted(file for top in (self.folder, *more) for file in ([top] if top.is_file() else top.rglob("*")) if file.is_file()):
            raw = path.read_bytes()
            text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode(errors="replace")
            rows += [f"{place}: {path.name}: {_around(text, needles.planted[place])}" for place in needles.found(text)]
        return rows

    def check(self) -> Played:
        """This run, when it went well."""
        assert self.rc == 0, self.stdout[-6000:]
        return self

    def task(self, name: str) -> list[dict[str, Any]]:
        """The events of a task."""
        return [event for event in self.events if str(event.get("event_data", {}).get("task", "")).endswith(name)]


def _around(text: str, value: str) -> str:
    place = next((text.find(form) for form in _forms(value) if form in text), 0)
    return text[max(0, place - 160) : place + 20].replace("\n", " ")


def play(
    folder: Path,
    playbook: str | list[dict[str, Any]],
    *args: str,
    variables: Mapping[str, Any] | None = None,
    inventory: str | Path = "inventories/travel",
    env: Mapping[str, str] | None = None,
    verbosity: int = 3,
) -> Played:
    """Plays by ansible-runner with --diff, at -vvv. playbook: a name such as meshops.mesh.install_mesh, or its plays."""
    number = sum(1 for _ in folder.glob("run-*"))
    home = folder / f"run-{number}"
    (home / "private").mkdir(parents=True)
    given = home / "given.yml"  # outside of what is searched, as a person's own files are
    given.write_text(yaml.safe_dump(dict(variables or {}), width=10_000), encoding="utf-8")
    if not isinstance(playbook, str):
        path = home / "play.yml"
        path.write_text(yaml.safe_dump(playbook), encoding="utf-8")
        playbook = str(path)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "K8S_AUTH"))},
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "MESH_CONTROL_NODE_LASTS": "true",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **(env or {}),
    }
    done = ansible_runner.run(
        private_data_dir=str(home / "private"),
        project_dir=str(ROOT),
        playbook=playbook,
        inventory=str(ROOT / inventory) if not Path(inventory).is_absolute() else str(inventory),
        cmdline=" ".join([*([f"-{'v' * verbosity}"] if verbosity else []), "--diff", f"-e @{given}", *args]),
        envvars=environment,
        fact_cache_type="jsonfile",
        quiet=True,
        settings={"suppress_env_files": True},
        timeout=900,
    )
    artifacts = Path(done.config.artifact_dir)
    (artifacts / "command").unlink(missing_ok=True)  # the environment of whoever started it
    events = tuple(done.events)
    stdout = (artifacts / "stdout").read_text(encoding="utf-8")
    assert events, stdout
    return Played(int(done.rc), artifacts, events, stdout)


def python_of_its_own(folder: Path, *, without: str = "") -> str:
    """An interpreter for `ansible_python_interpreter`: with another name than Ansible's own the modules run in processes of their own.

    without: a package that this one lacks."""
    path = folder / f"python-without-{without or 'nothing'}"
    if without:
        hidden = folder / f"hidden-{without}"
        (hidden / without).mkdir(parents=True, exist_ok=True)
        (hidden / without / "__init__.py").write_text(f"raise ImportError('no module named {without}')\n", encoding="utf-8")
        setting = f"export PYTHONPATH={hidden}\n"
    path.write_text(f'#!/bin/sh\n{setting if without else ""}exec {sys.executable} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    assert subprocess.run([str(path), "-c", "pass"], check=False).returncode == 0
    return str(path)


def modes_of(folder: Path) -> dict[str, int]:
    """Permissions of each file and folder below."""
    return {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in sorted(folder.rglob("*"))}


def words(event: Mapping[str, Any]) -> str:
    """An event as text."""
    return json.dumps(event, default=str)


def forget(folder: Path) -> None:
    """Files of a run that are not needed any more."""
    shutil.rmtree(folder, ignore_errors=True)
