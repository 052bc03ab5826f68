# SPDX-License-Identifier: GPL-3.0-or-later
"""The travel mesh with real Envoys, and clients that call all the time while it is locked down."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from testbed import Bed
from testbed.patience import meanwhile, until

__all__ = [
    "AGENCY",
    "CLOSED",
    "CONTROL",
    "INTENDED",
    "NAMESPACES",
    "PLANE",
    "PORTAL",
    "ROOT",
    "Clients",
    "Pods",
    "calling",
    "install_play",
    "intended",
    "wake_envoys",
]

Obj = dict[str, Any]
ROOT, AGENCY, PORTAL, CONTROL = "prod-istio-system", "prod-travel-agency", "prod-travel-portal", "prod-travel-control"
NAMESPACES = (ROOT, AGENCY, PORTAL, CONTROL)
SERVICES = ("flights", "hotels", "cars", "insurances")
# Written down once more, by hand: who may call whom at the end.
INTENDED: dict[str, set[str]] = {
    f"{CONTROL}/control": {f"{PORTAL}/{name}" for name in ("travels", "viaggi", "voyages")},
    **{f"{PORTAL}/{name}": {f"{AGENCY}/travels"} for name in ("travels", "viaggi", "voyages")},
    f"{AGENCY}/travels": {f"{AGENCY}/{name}" for name in SERVICES},
    **{f"{AGENCY}/{name}": {f"{AGENCY}/discounts", f"{AGENCY}/mysqldb"} for name in SERVICES},
}
GATEWAY = f"{ROOT}/istio-ingressgateway"
CLOSED = (*INTENDED, f"{AGENCY}/discounts", f"{AGENCY}/mysqldb")
PORTS = {f"{CONTROL}/control": 8080, f"{AGENCY}/mysqldb": 3306}
# One of everything, and nothing that watches: it is about who may call whom.
PLANE: Obj = {
    "name": "production",
    "namespace": ROOT,
    "update_strategy": "InPlace",
    "istiod": {"replicas": 1},
    "ingress": {"replicas": 1},
    "egress": {"enabled": False},
    "mtls": {"control_plane": True, "data_plane": True},
    "outbound_traffic": "REGISTRY_ONLY",
    "access_log": {"enabled": False},
    "tracing": {"provider": "none"},
}


def intended(provider: str) -> dict[str, set[str]]:
    """With the gateway's call where its pod has an Envoy; the gateways of the played Maistra have none."""
    return INTENDED if provider == "ossm2" else {**INTENDED, GATEWAY: {f"{CONTROL}/control"}}


def install_play(folder: Path) -> Path:
    """The mesh without what watches it."""
    path = folder / "install.yml"
    roles = [f"meshops.mesh.{name}" for name in ("operators", "control_plane", "membership", "workloads")]
    play = {"name": "A mesh to call in", "hosts": "prod", "gather_facts": False, "roles": roles}
    path.write_text(yaml.safe_dump([play]), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Pods:
    """Calls between workloads, by the names of their Services."""

    bed: Bed
    names: dict[str, str] = field(default_factory=dict)

    def of(self, ref: str) -> str:
        if ref not in self.names:
            namespace, _slash, app = ref.partition("/")
            done = self.bed.kubectl("get", "pods", "-n", namespace, "-l", f"app={app}", "-o", "jsonpath={.items[0].metadata.name}")
            self.names[ref] = done.stdout
        return self.names[ref]

    def call(self, source: str, target: str, path: str = "/", *options: str) -> str:
        """The status code; 000 for no answer."""
        namespace, (space, _slash, name) = source.partition("/")[0], target.partition("/")
        url = f"http://{name}.{space}:{PORTS.get(target, 8000)}{path}"
        command = ("curl", "-s", "-m", "30", "-o", "/dev/null", "-w", "%{http_code}", *options, url)
        return self.bed.kubectl("exec", "-n", namespace, self.of(source), "--", *command).stdout or "000"


@dataclass
class Clients:
    """What the calls of a while came to, by source, destination and status code."""

    seen: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    @property
    def refused(self) -> dict[tuple[str, str, str], int]:
        return {key: number for key, number in self.seen.items() if key[2] != "200"}

    @property
    def pairs(self) -> set[tuple[str, str]]:
        return {key[:2] for key in self.seen}


@contextmanager
def calling(pods: Pods, wanted: dict[str, set[str]], workers: int = 2) -> Iterator[Clients]:
    """Every intended call, over and over."""
    made = Clients()
    pairs = [(source, target) for source, targets in wanted.items() for target in sorted(targets)]
    for source, _target in pairs:
        pods.of(source)

    def caller(mine: list[tuple[str, str]]) -> Callable[[], None]:
        turns = itertools.cycle(mine)

        def turn() -> None:
            source, target = next(turns)
            made.seen[source, target, pods.call(source, target)] += 1

        return turn

    with meanwhile(*(caller(pairs[offset::workers]) for offset in range(workers)), pause=0.05):
        yield made


def wake_envoys(bed: Bed, wanted: dict[str, set[str]]) -> None:
    """Gives every injected pod its Envoy, and waits until the slowest of them answers a call."""
    for namespace in NAMESPACES:
        done = bed.kubectl("label", "namespace", namespace, "testbed.example.com/envoy=true", "--overwrite")
        assert done.returncode == 0, done.stderr

    def rows(*what: str) -> list[Obj]:
        found: list[Obj] = json.loads(bed.kubectl("get", *what, "-o", "json").stdout)["items"]
        return found

    def served() -> bool:
        pods = [pod for namespace in NAMESPACES for pod in rows("pods", "-n", namespace)]
        injected = {pod["metadata"]["name"] for pod in pods if "sidecar.istio.io/status" in (pod["metadata"].get("annotations") or {})}
        execs = {row["metadata"]["name"] for row in rows("execs.kwok.x-k8s.io", "-A")}
        return len(injected) >= len(CLOSED) and injected <= execs

    until(served, 300.0, what="an Envoy behind each injected pod")
    answering(Pods(bed), wanted)


def answering(pods: Pods, wanted: dict[str, set[str]]) -> None:
    """Waits until every intended call is answered."""
    for source, targets in wanted.items():
        for target in targets:
            until(lambda source=source, target=target: pods.call(source, target) == "200", what=f"{source} calls {target}")
