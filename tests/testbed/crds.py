# SPDX-License-Identifier: GPL-3.0-or-later
"""Custom resource definitions of a bed, by group: the real ones where they can be had, else short schemas of our own."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .api import Api, ApiStatus
from .binaries import go, locked
from .errors import BedError
from .paths import CACHE, CHECKOUT, TESTBED, write_atomic

__all__ = ["GROUPS", "groups_for", "install", "load", "module_files", "origin", "shared_folder"]


@dataclass(frozen=True)
class Group:
    """Where the real definitions of a group are: files under the shared folder, or under a Go module pinned in build/crds/go.mod."""

    shared: tuple[str, ...] = ()
    module: str = ""
    files: tuple[str, ...] = ()


GROUPS: dict[str, Group] = {
    "olm": Group(shared=("olm/*.yaml",)),
    "sail": Group(shared=("sail/*.yaml",)),
    "maistra": Group(shared=("maistra/*.yaml",)),
    "openshift": Group(shared=("openshift/*.yaml",)),
    "kiali": Group(shared=("observability/kiali*.yaml",)),
    "jaeger": Group(shared=("observability/jaeger*.yaml",)),
    "tempo": Group(shared=("observability/tempo*.yaml",)),
    "opentelemetry": Group(shared=("observability/opentelemetry*.yaml",)),
    "packages": Group(),
    "monitoring": Group(shared=("monitoring/*.yaml",)),
    "istio": Group(module="istio.io/api", files=("kubernetes/customresourcedefinitions.gen.yaml",)),
    "kwok": Group(),
    "cert-manager": Group(module="github.com/cert-manager/cert-manager", files=("deploy/crds/*.yaml",)),
    "istio-csr": Group(),
    "gateway-api": Group(module="sigs.k8s.io/gateway-api", files=("config/crd/standard/*.yaml",)),
}
_BY_OPERATOR = {
    "sail": ("sail", "istio", "gateway-api"),
    "maistra": ("maistra", "istio", "openshift"),
    "openshift": ("openshift", "monitoring"),
    "envoys": ("kwok",),
    "pods": ("kwok",),
    "cert_manager": ("cert-manager", "istio-csr"),
    "observability": ("kiali", "jaeger", "tempo", "opentelemetry", "monitoring"),
}


def groups_for(operators: Iterable[str]) -> tuple[str, ...]:
    """With OLM a package's definitions come with its CSV, as on a real cluster; without it those of the operators are there at once."""
    chosen = list(operators)
    wanted = ["olm", "packages", "openshift", "gateway-api"] if "olm" in chosen else []
    for operator in chosen:
        if "olm" not in chosen or operator in ("openshift", "envoys", "pods", "cert_manager"):
            wanted.extend(_BY_OPERATOR.get(operator, ()))
    return tuple(dict.fromkeys(wanted))


def shared_folder() -> Path | None:
    """The folder of recorded definitions: $MESH_SHARED, else `shared` next to the checkout; None where there is none."""
    folder = Path(os.environ.get("MESH_SHARED") or CHECKOUT.parent / "shared") / "crds"
    return folder if folder.is_dir() else None


@functools.cache
def _module_folder(module: str, build: str) -> Path | None:
    """The module in Go's cache, downloaded when it is missing; None without Go or a way to the proxy. build: the folder that pins it."""
    try:
        done = subprocess.run(
            [go(), "mod", "download", "-json", module],
            cwd=TESTBED / "build" / build,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "GOFLAGS": "-mod=mod"},
        )
        found = json.loads(done.stdout).get("Dir") if done.returncode == 0 else None
    except (BedError, OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return Path(found) if found else None


def _cached_module_folder(module: str, build: str = "crds") -> Path | None:
    """Go's cache path kept between runs: asking go takes half a second."""
    mod = (TESTBED / "build" / build / "go.mod").read_bytes()
    note = CACHE / "crds" / f"module-{hashlib.sha256(mod + module.encode()).hexdigest()[:12]}"
    if note.exists() and Path(note.read_text()).is_dir():
        return Path(note.read_text())
    folder = _module_folder(module, build)
    if folder:
        write_atomic(note, str(folder))
    return folder


def module_files(module: str, pattern: str, *, build: str = "crds") -> list[Path]:
    """The files of a Go module as a folder of builds pins it; none without Go or a way to the proxy."""
    base = _cached_module_folder(module, build)
    return sorted(base.glob(pattern)) if base else []


def _real_files(group: Group) -> list[Path]:
    base = _cached_module_folder(group.module) if group.module else shared_folder()
    patterns = group.files or group.shared
    return [file for pattern in patterns for file in sorted(base.glob(pattern))] if base else []


def _files(name: str) -> tuple[list[Path], str]:
    if name not in GROUPS:
        raise BedError(f"No such group of CRDs: {name}; there are {', '.join(sorted(GROUPS))}")
    real = _real_files(GROUPS[name])
    return (real, "real") if real else ([TESTBED / "schemas" / f"{name}.yaml"], "short")


def origin(name: str) -> str:
    """`real`, or `short` for a schema of our own."""
    return _files(name)[1]


def _prepare(crd: dict[str, Any]) -> dict[str, Any]:
    """Without what only the recording cluster had: status, and fields of a live object."""
    meta = crd["metadata"]
    kept = {key: meta[key] for key in ("name", "labels", "annotations") if meta.get(key)}
    kept.get("annotations", {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": kept, "spec": crd["spec"]}


def _parse(files: list[Path]) -> list[dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [
        _prepare(doc)
        for file in files
        for doc in yaml.load_all(file.read_text(), Loader=loader)
        if doc and doc["kind"] == "CustomResourceDefinition"
    ]


def load(names: Iterable[str]) -> list[dict[str, Any]]:
    """The definitions of these groups; parsed YAML is kept as JSON, as parsing 5 MB of YAML takes seconds."""
    loaded: list[dict[str, Any]] = []
    for name in dict.fromkeys(names):
        files, _origin = _files(name)
        digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
        cached = CACHE / "crds" / f"{name}-{digest}.json"
        if not cached.exists():
            with locked(CACHE / "crds" / ".lock"):
                write_atomic(cached, json.dumps(_parse(files)))
        loaded.extend(json.loads(cached.read_text()))
    return loaded


_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def _established(crd: dict[str, Any]) -> bool:
    return any(c["type"] == "Established" and c["status"] == "True" for c in (crd.get("status", {}).get("conditions") or []))


def _create(api: Api, crd: dict[str, Any]) -> None:
    try:
        api.create(_CRDS, crd)
    except ApiStatus as error:
        if error.status != 409:
            raise BedError(f"CustomResourceDefinition {crd['metadata']['name']}: {error}") from error


def install(api: Api, names: Iterable[str], *, timeout: float = 180.0, check: Callable[[], None] = lambda: None) -> list[str]:
    """Creates the definitions at the same time, then waits until the API serves them; returns their names."""
    crds = load(names)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(functools.partial(_create, api), crds))
    wanted = {crd["metadata"]["name"] for crd in crds}
    deadline = time.monotonic() + timeout
    while wanted:
        check()
        missing = wanted - {item["metadata"]["name"] for item in api.get(_CRDS)["items"] if _established(item)}
        if not missing:
            break
        if time.monotonic() > deadline:
            raise BedError(f"Not established after {timeout:.0f} s: {', '.join(sorted(missing))}")
        time.sleep(0.1)
    return sorted(wanted)
