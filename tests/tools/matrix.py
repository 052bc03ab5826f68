# SPDX-License-Identifier: GPL-3.0-or-later
"""`make matrix`: the collection as users install it, played by each ansible-core that it promises.

For each version a virtual environment (kept in .cache/matrix), a fresh test bed, and one story: plan, install, install again (nothing may
change), check with modules in Ansible's process and in their own, a GitOps tree and its access check, certificates, upgrade, remove.
`--only 2.16,newest` plays some of them. The README's table and `requires_ansible` say the same as VERSIONS; a unit test compares them."""

from __future__ import annotations

import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo import ASK, OPERATORS
from testbed.bed import Bed

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".cache" / "matrix"
COLLECTIONS = FOLDER / "collections"
BED = "matrix"
_RECAP = re.compile(r"^\S+\s+: ok=\d+\s+changed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Version:
    """One ansible-core, and the Pythons that it and we run on; the first that the machine has is taken."""

    core: str
    pythons: tuple[str, ...]


# What each ansible-core wants of Python on a control node: its own release notes. Ours is 3.11 (datetime.UTC).
# The order of the Pythons spreads them over the versions, so that each is played.
VERSIONS = (
    Version("2.16", ("3.11", "3.12")),
    Version("2.17", ("3.12", "3.11")),
    Version("2.18", ("3.11", "3.12", "3.13")),
    Version("2.19", ("3.13", "3.12", "3.11")),
    Version("2.20", ("3.12", "3.13", "3.14")),
    Version("2.21", ("3.13", "3.12", "3.14")),
)


@dataclass(frozen=True)
class Step:
    """A playbook, and what must hold of it."""

    name: str
    playbook: str
    given: dict[str, object] | None = None
    unchanged: bool = False  # a second run that finds everything as it wants it
    proxies: bool = False  # needs proxies that answer


def story(tree: Path, own: Path) -> Iterator[Step]:
    """What is played, in order."""
    yield Step("plan", "travel_prod", {"mesh_target": "plan"})
    yield Step("install", "travel_prod")
    yield Step("install again", "travel_prod", unchanged=True)
    yield Step("check", "check_mesh", {"mesh_hosts": "travel_prod"}, unchanged=True)
    yield Step("check, own process", "check_mesh", {"mesh_hosts": "travel_prod", "ansible_python_interpreter": str(own)})
    yield Step("files", "travel_prod", {"mesh_target": "files", "mesh_output": str(tree)})
    yield Step("check_access", "check_access", {"mesh_access_path": str(tree)})
    yield Step("https", "travel_https")
    yield Step("certificates", "issue_certificates", {"mesh_hosts": "travel_prod", "travel_scenarios": ["https"]}, unchanged=True)
    yield Step("corporate CA", "travel_corporate_ca", {"mesh_certificates_rotation": {"renew": "restart"}}, proxies=True)
    yield Step("plan_upgrade", "plan_upgrade", {"mesh_hosts": "travel_prod", "plan_upgrade_target": "v1.27.4"})
    yield Step("upgrade", "upgrade_mesh", {"mesh_hosts": "travel_prod", "mesh_ossm3_version": "v1.27.4"})
    yield Step("remove", "remove_mesh", {"mesh_hosts": "travel_prod"})


def run(command: list[str | Path], **options: object) -> None:
    """Ends the matrix with the command's own output where it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd=ROOT, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def python_of(version: str) -> str | None:
    """The interpreter of a version: on PATH, or one that pyenv keeps; None where the machine has none that starts."""
    kept = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for path in (shutil.which(f"python{version}"), *sorted(glob.glob(f"{kept}/versions/{version}.*/bin/python"))):
        if path and subprocess.run([path, "-c", "import venv, ensurepip"], capture_output=True, check=False).returncode == 0:
            return path
    return None


def collections() -> None:
    """Our archive and what it depends on, as an installation has them side by side."""
    shutil.rmtree(COLLECTIONS, ignore_errors=True)
    dist = FOLDER / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    run([galaxy, "collection", "build", "--force", "--output-path", dist, "."])
    run([galaxy, "collection", "install", "--no-deps", "--force", "-p", COLLECTIONS, next(dist.glob("*.tar.gz"))])
    from ansible_collections.community import okd  # of the development environment: Galaxy may be out of reach
    from ansible_collections.kubernetes import core

    for place, package in (("kubernetes/core", core), ("community/okd", okd)):
        link = COLLECTIONS / "ansible_collections" / place
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(next(iter(package.__path__)))


def environment(version: Version) -> tuple[Path, str] | None:
    """The folder of the version's virtual environment and its Python; None where no Python of this machine runs it."""
    found = next(((name, path) for name in version.pythons for path in [python_of(name)] if path), None)
    if found is None:
        return None
    name, path = found
    folder = FOLDER / f"{version.core}-py{name}"
    wanted = f"ansible-core=={version.core}.* " + (ROOT / "requirements.txt").read_text()
    done = folder / ".done"
    if not done.is_file() or done.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        run([path, "-m", "venv", folder])
        run(
            [
                folder / "bin" / "python",
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                f"ansible-core=={version.core}.*",
                "-r",
                ROOT / "requirements.txt",
            ]
        )
        done.write_text(wanted)
    return folder, name


@contextmanager
def fresh_bed() -> Iterator[Bed]:
    """A cluster of this version's own."""
    Bed.find(BED).stop()
    bed = Bed.start(BED, operators=OPERATORS)
    try:
        yield bed
    finally:
        bed.stop()


def play(folder: Path, bed: Bed, step: Step) -> str:
    """What went wrong, or nothing."""
    if step.proxies:
        bed.kubectl("label", "namespace", "-l", "mesh.meshops.io/mesh", ASK)
    env = {
        **os.environ,
        **bed.env(),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_CONFIG": str(FOLDER / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "PYTHONPATH": "",
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
    }
    command = [
        str(folder / "bin" / "ansible-playbook"),
        "-i",
        str(ROOT / "inventories" / "travel"),
        f"meshops.mesh.{step.playbook}",
        *(["-e", json.dumps(step.given)] if step.given else []),
        *(["-l", "prod"] if step.playbook != "check_access" else []),
    ]
    done = subprocess.run(command, cwd=FOLDER, env=env, capture_output=True, text=True, check=False)
    log = FOLDER / "logs" / folder.name / f"{step.name.replace(' ', '_').replace(',', '')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(done.stdout + done.stderr)
    changed = sum(int(number) for number in _RECAP.findall(done.stdout.rpartition("PLAY RECAP")[2]))
    words = [line for line in (done.stdout + done.stderr).splitlines() if "[DEPRECATION WARNING]" in line]
    if done.returncode:
        return f"exit code {done.returncode}; {log.relative_to(ROOT)} ends with:\n{(done.stdout + done.stderr)[-3000:]}"
    if step.unchanged and changed:
        return f"changed={changed}, expected 0; see {log.relative_to(ROOT)}"
    return "deprecated: " + words[0] if words else ""


def play_all(folder: Path) -> tuple[list[str], dict[str, float]]:
    """Failures, and the seconds of each step."""
    failed: list[str] = []
    seconds: dict[str, float] = {}
    tree, own = FOLDER / "tree", folder / "bin" / "python3"
    shutil.rmtree(tree, ignore_errors=True)
    with fresh_bed() as bed:
        for step in story(tree, own):
            started = time.monotonic()
            wrong = play(folder, bed, step)
            seconds[step.name] = time.monotonic() - started
            print(f"  {step.name:22} {seconds[step.name]:6.1f} s  {'ok' if not wrong else 'FAILED: ' + wrong}", flush=True)
            if wrong:
                failed.append(step.name)
                break
    return failed, seconds


def chosen(only: str, runnable: list[Version]) -> list[Version]:
    """The versions that were asked for; newest is the newest that this machine's Pythons run."""
    names = {runnable[-1].core if name == "newest" else name for name in only.split(",") if name} if runnable else set()
    unknown = names - {version.core for version in VERSIONS}
    if unknown:
        raise SystemExit(f"--only: {', '.join(sorted(unknown))} is not one of {', '.join(version.core for version in VERSIONS)}, newest")
    return [version for version in runnable if not names or version.core in names]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="versions, separated by commas; newest is one")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "ansible.cfg").write_text("[defaults]\n")  # Ansible's own defaults, not those of the checkout
    runnable = [version for version in VERSIONS if any(map(python_of, version.pythons))]
    collections()
    rows: list[tuple[str, str, str]] = []
    for version in VERSIONS:
        if version not in runnable:
            rows.append((version.core, "-", f"not played: no Python {' or '.join(version.pythons)} on this machine"))
    for version in chosen(options.only, runnable):
        made = environment(version)
        assert made
        folder, python = made
        print(f"ansible-core {version.core}, Python {python}", flush=True)
        failed, seconds = play_all(folder)
        rows.append((version.core, python, "failed: " + ", ".join(failed) if failed else f"ok, {sum(seconds.values()):.0f} s"))
    print("\nansible-core  Python  result")
    for row in sorted(rows):
        print(f"{row[0]:12}  {row[1]:6}  {row[2]}")
    return 1 if any(row[2].startswith("failed") for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
