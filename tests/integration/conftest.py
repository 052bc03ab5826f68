# SPDX-License-Identifier: GPL-3.0-or-later
"""Beds for integration tests, and Ansible runs against them."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import warm_ansible

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from testbed import Bed, binaries, crds

_RECAP = re.compile(r"^(?P<host>\S+)\s+: (?P<counts>(?:\w+=\d+\s*)+)$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """A finished ansible-playbook. recap: {host: {"ok": 3, "changed": 1, ...}}."""

    rc: int
    stdout: str
    stderr: str
    recap: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        return sum(counts["changed"] for counts in self.recap.values())

    def check(self) -> Run:
        """This run, when it went well."""
        assert self.rc == 0, f"ansible-playbook ended with {self.rc}\n{self.stdout[-6000:]}\n{self.stderr[-2000:]}"
        return self


def parse_recap(text: str) -> dict[str, dict[str, int]]:
    after = text.rpartition("PLAY RECAP")[2]
    return {
        match["host"]: {key: int(number) for key, number in (pair.split("=") for pair in match["counts"].split())}
        for match in _RECAP.finditer(after)
    }


def run_playbook(
    playbook: str | Path,
    *args: str,
    bed: Bed | None = None,
    kubeconfig: Path | None = None,
    inventory: str | Path | None = None,
    extra_vars: dict[str, Any] | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 600.0,
) -> Run:
    """Runs ansible-playbook in the checkout, against the bed when one is given.

    playbook: a path, or a name like meshops.mesh.install_mesh."""
    arguments = [str(playbook)]
    arguments += ["-i", str(inventory)] if inventory else []
    arguments += ["-e", json.dumps(extra_vars)] if extra_vars else []
    environment = {**(bed.env(kubeconfig) if bed else {}), **(env or {})}
    done = warm_ansible.run([*arguments, *args], env=environment, timeout=timeout)
    return Run(done.returncode, done.stdout, done.stderr, parse_recap(done.stdout))


# Longest first, so that no worker begins one when the others are done; the short unit tests come last and fill up.
LONGEST = (
    "migration",
    "zero_trust",
    "upgrade_live",
    "travel",
    "rights_live",
    "secrets",
    "faults_run",
    "operators_role",
    "install_plan",
    "envoys_policies",
    "rotation_live",
    "rights_families",
    "ca_change",
    "cert_manager",
    "travel_two_meshes",
    "first_day",
    "certificates",
    "real_istiod",
    "two_clusters_bed",
    "primary_remote_bed",
    "envoys",
    "pods",
    "bed",
    "played_olm",
    "personas_live",
    "played_sail",
)


LONG, STORIES = bool(os.environ.get("MESH_TEST_LONG")), bool(os.environ.get("MESH_TEST_STORIES"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    unplayed = [] if LONG else ["long"] if STORIES else ["long", "story"]
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in unplayed)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    rank = {f"test_{name}": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)) if HERE in item.path.parents else len(rank) + 1)


def pytest_report_header() -> list[str]:
    origins = {name: crds.origin(name) for name in crds.GROUPS}
    listed = {kind: [name for name, origin in origins.items() if origin == kind] for kind in ("real", "short")}
    shown = {kind: ", ".join(names) or "none" for kind, names in listed.items()}
    lines = [f"test bed CRDs: real: {shown['real']}; short schemas of our own: {shown['short']}"]
    real = [name for name in ("MESH_SAIL_OPERATOR", "MESH_ISTIOD") if os.environ.get(name)]
    lines.append(f"test bed operators: {', '.join(f'{name}={os.environ[name]}' for name in real) or 'all played'}")
    lines.append(f"real istiod: {binaries.istio_missing() or 'built'}; data plane pods: {binaries.pods_missing() or 'can run here'}")
    if not LONG:
        lines.append("long stories: left out (make test-long plays them too)")
        lines += [] if STORIES else ["stories of a minute: left out (make stories plays them, in CI as well)"]
    return lines


Beds = Callable[..., Bed]
# The beds of this worker, and whether one file has it for itself.
RUNNING: dict[str, bool] = {}


@pytest.fixture(scope="session")
def beds(worker_id: str) -> Iterator[Beds]:
    """Makes beds by operators; asked twice for the same, it gives the same one. `tag` makes one that is not shared."""
    made: dict[str, Bed] = {}

    def get(*operators: str, tag: str = "", nodes: int = 3, extra_crds: tuple[str, ...] = ()) -> Bed:
        name = "-".join(part for part in ("it", worker_id, tag or "-".join(operators) or "plain") if part)[:40].rstrip("-")
        if name not in made or not made[name].is_running():
            Bed.find(name).stop()  # of a run that was cut short
            made[name] = Bed.start(name, operators, nodes=nodes, extra_crds=extra_crds, owner=os.getpid())
            RUNNING[name] = bool(tag)
        return made[name]

    yield get
    for bed in made.values():
        bed.stop()


@pytest.fixture(scope="module", autouse=True)
def _own_beds_end(beds: Beds) -> Iterator[None]:
    """A bed that a file has for itself ends with it: a dozen idle clusters take a core."""
    before = set(RUNNING)
    yield
    for name in [name for name, own in RUNNING.items() if own and name not in before]:
        Bed.find(name).stop()
        del RUNNING[name]


@pytest.fixture(scope="session")
def bed(beds: Beds) -> Bed:
    """A bed without operators, shared by the tests of a worker: each test makes namespaces of its own."""
    return beds()


@pytest.fixture
def namespace(bed: Bed, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the shared bed for one test."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:50].rstrip("-")
    bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    bed.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def playbook() -> Callable[..., Run]:
    """run_playbook, for tests."""
    return run_playbook
