# SPDX-License-Identifier: GPL-3.0-or-later
"""The system's programs that the data plane `pods` needs: ip, iptables, curl.

What is not on PATH comes from the system's own package archive into .cache, unpacked and not installed; it works from there with a small
script for each program in `BROUGHT`, which goes first on a PATH.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .errors import BedError
from .paths import BIN, locked

__all__ = ["BROUGHT", "bring", "missing", "search_path", "which"]

# Program and the package that has it, by the names of Debian and Ubuntu.
_PACKAGES = {"ip": "iproute2", "iptables": "iptables", "curl": "curl"}
_ROOT = BIN / "net" / "root"
BROUGHT = BIN / "net" / "bin"
_FAMILIES = ("iptables", "ip6tables")
_DEEDS = ("", "-save", "-restore")
# A rule as istio-init writes them: the nat table, the owner match and REDIRECT have to be in the kernel.
_RULE = ("-t", "nat", "-A", "OUTPUT", "-p", "tcp", "-m", "owner", "--uid-owner", "1337", "-j", "REDIRECT", "--to-ports", "15001")


def search_path() -> str:
    """The PATH on which ip, iptables and curl are found."""
    return os.pathsep.join([str(BROUGHT), os.environ.get("PATH", "/usr/bin:/bin"), "/usr/sbin", "/sbin"])


def which(name: str) -> Path | None:
    """The program of that name, of the system or brought."""
    found = shutil.which(name, path=search_path())
    return Path(found) if found else None


def _run(*command: str | Path, cwd: Path | None = None, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Its result; a program that is not there or does not end is one that fails."""
    argv = [str(part) for part in command]
    env = {**os.environ, "PATH": search_path(), "LC_ALL": "C"}
    try:
        return subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(argv, 127, "", str(error))


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"it ended with {done.returncode}"


@functools.cache
def _obstacle() -> str | None:
    if os.geteuid() != 0:
        return "it needs root: a network namespace for each pod, and a proxy of user 1337 in it"
    for name in _PACKAGES:
        if which(name) is None:
            return f"{name} is missing: install it, or `python -m testbed build --with istio` fetches it where there is apt-get"
    space = _run("unshare", "--net", "true")
    if space.returncode:
        return f"no network namespace can be made here: {_last_line(space)}"
    rule = _run("unshare", "--net", "iptables", *_RULE)
    return f"iptables does not work in a network namespace here: {_last_line(rule)}" if rule.returncode else None


def missing() -> str | None:
    """Why no pod can have a network of its own here; None when it can."""
    return _obstacle()


# -- what is not there


def bring() -> None:
    """Fetches what is not on PATH and makes plain `iptables` one that works here; what cannot be had, `missing` says."""
    with locked(BIN / ".net.lock"):
        wanted = sorted({package for name, package in _PACKAGES.items() if which(name) is None})
        if wanted:
            _fetch(wanted)
        _choose_iptables()
    _obstacle.cache_clear()


def _fetch(packages: list[str]) -> None:
    if not (which("apt-get") and which("dpkg-deb")):
        print(f"testbed: {', '.join(packages)} is not installed, and without apt-get it cannot be fetched", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory(prefix="mesh-packages-") as name:
        folder = Path(name)
        options = [*_own_lists(folder)] if not _needed(packages, []) else []
        needed = _needed(packages, options)
        done = _run("apt-get", *options, "download", *needed, cwd=folder, timeout=600) if needed else None
        if done is None or done.returncode:
            why = _last_line(done) if done else "no package list names it"
            print(f"testbed: {', '.join(packages)} could not be fetched: {why}", file=sys.stderr)
            return
        _ROOT.mkdir(parents=True, exist_ok=True)
        for archive in sorted(folder.glob("*.deb")):
            unpacked = _run("dpkg-deb", "-x", archive, _ROOT)
            if unpacked.returncode:
                raise BedError(f"{archive.name} cannot be unpacked into {_ROOT}: {_last_line(unpacked)}")
    for name in ("ip", "tc", "curl"):
        if which(name) is None and (program := _unpacked(name)):
            _script(name, program)


def _own_lists(folder: Path) -> list[str]:
    """Package lists of our own, where the system has none (as in a slim image); the system's are left alone."""
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    options = ["-o", f"Dir::State::Lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}", "-o", "APT::Sandbox::User=root"]
    _run("apt-get", *options, "update", timeout=300)
    return options


def _needed(packages: list[str], options: list[str]) -> list[str]:
    """The packages and what they need that is not installed."""
    done = _run("apt-get", *options, "--print-uris", "--no-install-recommends", "-y", "install", *packages)
    return re.findall(r"^'[^']+' ([^_\s]+)_\S+\.deb ", done.stdout, re.MULTILINE) if done.returncode == 0 else []


def _unpacked(name: str) -> Path | None:
    return next((_ROOT / folder / name for folder in ("usr/sbin", "sbin", "usr/bin", "bin") if (_ROOT / folder / name).is_file()), None)


def _script(name: str, program: Path) -> None:
    """Runs an unpacked program with the libraries that came with it, wherever this folder is moved to; one of the system as it is."""
    lines = ["#!/bin/sh"]
    if _ROOT in program.parents:
        libraries = sorted({file.parent for file in _ROOT.rglob("*.so*") if file.parent.name != "xtables"})
        lines.append('root="${0%/*}/../root"')
        lines.append(f'export LD_LIBRARY_PATH="{":".join(f"$root/{folder.relative_to(_ROOT)}" for folder in libraries)}"')
        lines += [f'export XTABLES_LIBDIR="$root/{folder.relative_to(_ROOT)}"' for folder in sorted(_ROOT.glob("usr/lib/*/xtables"))]
        lines.append(f'exec "$root/{program.relative_to(_ROOT)}" "$@"')
    else:
        lines.append(f'exec "{program}" "$@"')
    BROUGHT.mkdir(parents=True, exist_ok=True)
    file = BROUGHT / name
    file.write_text("\n".join([*lines, ""]))
    file.chmod(0o755)


def _choose_iptables() -> None:
    """Plain `iptables` is the variant that this kernel can do: the system's own, else by nf_tables, else the old one."""
    if _run("unshare", "--net", "iptables", *_RULE).returncode == 0:
        return
    for variant in ("nft", "legacy"):
        programs = {f"{family}-{variant}{deed}": (family, deed) for family in _FAMILIES for deed in _DEEDS}
        found = {name: _unpacked(name) or which(name) for name in programs}
        first = found[f"iptables-{variant}"]
        if first is None:
            continue
        _script(f"iptables-{variant}", first)
        if _run("unshare", "--net", BROUGHT / f"iptables-{variant}", *_RULE).returncode:
            (BROUGHT / f"iptables-{variant}").unlink()
            continue
        for name, program in found.items():
            if program is not None:
                family, deed = programs[name]
                _script(name, program)
                _script(f"{family}{deed}", program)
        return
