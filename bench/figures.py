# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures, each a function that gives its rows and what belongs in the JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from testbed.bed import Bed

from . import floor
from .calls import Calls, count
from .measure import Usage, load, run
from .table import Row, bend, fit
from .worlds import MESH_OPERATORS, WORK, World, bed, playbook

__all__ = ["FIGURES", "Result"]

MESH = World("mesh", namespaces=100, apps=10, replicas=3)
GROWTH = tuple(World("growth", namespaces=size, apps=5, replicas=2) for size in (10, 100, 300))
MEMORY_MIB = 400
SNAPSHOT_S = 4.0
BEND = 1.3  # how far the largest mesh may lie above the line through the two smaller ones


@dataclass
class Result:
    """The rows of a figure and its raw data."""

    rows: list[Row] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)


def tree(name: str, book: str, inventory: Path | str, *extra: str) -> Path:
    """The objects of a playbook as files, of all layers of its one cluster."""
    out = WORK / name / "tree"
    shutil.rmtree(out, ignore_errors=True)
    playbook(book, inventory, "-e", "mesh_target=files", "-e", f"mesh_output={out}", *extra)
    return next(path for path in out.iterdir() if path.is_dir())


def changed(usage: Usage) -> int:
    """How many tasks of a playbook changed something."""
    return sum(int(line.split("changed=")[1].split()[0]) for line in usage.output.splitlines() if "changed=" in line and "ok=" in line)


# travel_prod


def travel_prod(_scale: float) -> Result:
    """First and second run of both generations against kubectl."""
    result = Result()
    for provider in ("ossm3", "ossm2"):
        extra = ("-e", f"mesh_provider={provider}")
        files = tree(f"travel-{provider}", "travel_prod", "inventories/travel", *extra)
        with bed("bench") as running:
            base = floor.apply(files, running)
        with bed("bench") as running:
            runs, calls = [], []
            for _unused in range(2):
                mark = running.mark()
                runs.append(playbook("travel_prod", "inventories/travel", *extra, on=running))
                calls.append(count(running.audit(mark)))
        result.rows += _travel_rows(provider, base, runs, calls)
        result.data[provider] = {
            "floor": base.to_dict(),
            "first": runs[0].to_dict(),
            "second": runs[1].to_dict(),
            "calls_first": calls[0].to_dict(),
            "calls_second": calls[1].to_dict(),
            "load": load(),
        }
    return result


def _travel_rows(provider: str, base: Usage, runs: list[Usage], calls: list[Calls]) -> list[Row]:
    name, (first, second) = f"travel_prod {provider}", runs
    rows = [
        Row(name, "first run", first.seconds, floor=base.seconds, wanted=4 * base.seconds + 10, note="floor: kubectl apply and wait"),
        Row(name, "second run", second.seconds, floor=base.seconds, wanted=first.seconds),
        Row(name, "tasks that changed in the second run", changed(second), unit="", wanted=0),
    ]
    for word, one in zip(("first", "second"), calls, strict=True):
        rows.append(Row(name, f"API calls, {word} run", one.total, unit="", note=one.text))
        call, times = one.repeated[0]
        rows.append(Row(name, f"most repeated call, {word} run", times, unit="x", note=call))
    return rows


# a large mesh


@dataclass(frozen=True)
class Looked:
    """check_mesh on a mesh, in both ways, and its floor."""

    live: Usage
    taken: Usage
    offline: Usage
    floor: Usage
    floor_name: str


def look(world: World, running: Bed) -> Looked:
    """Check live, take a snapshot, check that; the floor is measured between them, under the same load."""
    inventory = world.inventory()
    snapshot = WORK / world.name / "snapshot.json.gz"
    live = playbook("check_mesh", inventory, on=running)
    name, base = floor.read(running, "large-system")
    ansible = str(Path(sys.executable).parent / "ansible")
    taken = run(
        [ansible, "all", "-i", str(inventory), "-m", "meshops.mesh.cluster_snapshot", "-a", f"path={snapshot}"],
        env={"K8S_AUTH_KUBECONFIG": str(running.kubeconfig)},
    )
    offline = playbook("check_mesh", inventory, "-e", "mesh_check_source=snapshot", "-e", f"mesh_check_path={snapshot}")
    return Looked(live, taken, offline, base, name)


PLAN_LIVE_S, PLAN_SNAPSHOT_S = 15.0, 5.0
_PLAN = ("-e", "plan_upgrade_target=v1.31-latest", "-e", "plan_upgrade_fail_on=never")


def planned(world: World, running: Bed) -> tuple[Usage, Usage]:
    """plan_upgrade live, and from the snapshot that `look` took."""
    offline = ("-e", "plan_upgrade_source=snapshot", "-e", f"plan_upgrade_path={WORK / world.name / 'snapshot.json.gz'}")
    return playbook("plan_upgrade", world.inventory(), *_PLAN, on=running), playbook("plan_upgrade", world.inventory(), *_PLAN, *offline)


def mesh_3000(scale: float) -> Result:
    """100 namespaces, 1,000 workloads, 3,000 pods: onboarding and checks."""
    result = Result()
    world, name = MESH.scaled(scale), "mesh_3000"
    files = tree(world.name, "install_mesh", world.inventory())
    with bed("bench", MESH_OPERATORS) as running:
        base = floor.apply(files, running)
    with bed("bench", MESH_OPERATORS) as running:
        first = playbook("install_mesh", world.inventory(), on=running)
        mark = running.mark()
        second = playbook("install_mesh", world.inventory(), on=running)
        calls = count(running.audit(mark))
        seen = look(world, running)
        plan_live, plan_offline = planned(world, running)
    peak = max(seen.live.tree_mib, seen.offline.tree_mib)
    result.rows = [
        Row(name, "install_mesh, first run", first.seconds, floor=base.seconds, wanted=4 * base.seconds + 10, note=world.text),
        Row(name, "install_mesh, second run", second.seconds, floor=base.seconds, wanted=first.seconds),
        Row(name, "tasks that changed in the second run", changed(second), unit="", wanted=0),
        Row(name, "API calls, second run", calls.total, unit="", note=calls.text),
        Row(
            name,
            "check_mesh, live",
            seen.live.seconds,
            floor=seen.floor.seconds,
            wanted=3 * seen.floor.seconds,
            note=f"floor: {seen.floor_name}",
        ),
        Row(name, "check_mesh, from a snapshot", seen.offline.seconds, wanted=SNAPSHOT_S),
        Row(name, "plan_upgrade, live", plan_live.seconds, wanted=PLAN_LIVE_S),
        Row(name, "plan_upgrade, from a snapshot", plan_offline.seconds, wanted=PLAN_SNAPSHOT_S),
        Row(name, "check_mesh, memory of all processes", peak, unit="MiB", floor=seen.floor.largest_mib, wanted=MEMORY_MIB),
        Row(name, "install_mesh, memory of all processes", max(first.tree_mib, second.tree_mib), unit="MiB"),
    ]
    result.data = {
        "floor": base.to_dict(),
        "first": first.to_dict(),
        "second": second.to_dict(),
        "calls_second": calls.to_dict(),
        "looked": _usages(seen),
        "planned": {"live": plan_live.to_dict(), "offline": plan_offline.to_dict()},
        "load": load(),
    }
    return result


def _usages(seen: Looked) -> dict[str, Any]:
    parts = {name: getattr(seen, name).to_dict() for name in ("live", "taken", "offline", "floor")}
    return {**parts, "floor_name": seen.floor_name}


def growth(scale: float) -> Result:
    """One mesh that grows from 10 over 100 to 300 namespaces on one cluster."""
    result = Result()
    points: dict[str, dict[int, Usage]] = {}
    with bed("bench", MESH_OPERATORS) as running:
        for world in (size.scaled(scale) for size in GROWTH):
            playbook("install_mesh", world.inventory(), on=running)
            again = playbook("install_mesh", world.inventory(), on=running)
            seen = look(world, running)
            for what, used in (
                ("install_mesh, second run", again),
                ("check_mesh, live", seen.live),
                ("check_mesh, from a snapshot", seen.offline),
                (seen.floor_name, seen.floor),
            ):
                points.setdefault(what, {})[world.namespaces] = used
    pods = GROWTH[0].apps * GROWTH[0].replicas
    largest = max(points["check_mesh, live"])
    for what, at in points.items():
        # CPU time: it says how the work grows, and other people's work on the machine hardly moves it
        base, slope = fit({size: used.cpu for size, used in at.items()})
        wall = ", ".join(f"{size}: {used.seconds:.1f} s" for size, used in at.items())
        result.rows += [
            Row(
                "growth",
                f"{what}: {largest} namespaces to linear",
                bend({size: used.cpu for size, used in at.items()}),
                unit="x",
                wanted=None if what in floor.NAMES else BEND,
                note=f"CPU {base:.1f} s + {1000 * slope:.0f} ms a namespace; wall {wall}",
            ),
            Row(
                "growth",
                f"{what}: memory at {largest}",
                at[largest].tree_mib,
                unit="MiB",
                note=", ".join(f"{size}: {used.tree_mib}" for size, used in at.items()),
            ),
        ]
        result.data[what] = {size: used.to_dict() for size, used in at.items()}
    result.data |= {"pods_per_namespace": pods, "load": load()}
    result.rows[0] = replace(result.rows[0], note=f"{pods} pods a namespace; {result.rows[0].note}")
    return result


# authorization

PROOF_S, DIFF_S, VERDICT_US = 5.0, 2.0, 50.0
MESHES = (10, 40, 100)  # namespaces of ten workloads and eleven policies each


def authorization(scale: float) -> Result:
    """1,000 workloads with 1,100 policies: the whole matrix proven, five policies changed, one verdict; CPU time of one process."""
    result, found = Result(), dict[int, dict[str, float]]()
    for size in MESHES:
        namespaces = max(2, round(size * scale))
        used = run([sys.executable, "bench/authorization.py", "--namespaces", str(namespaces)])
        found[namespaces] = json.loads(used.output)
    name, largest = "authorization", found[max(found)]
    text = f"{largest['workloads']:.0f} workloads, {largest['policies']:.0f} policies, {largest['pairs']:.0f} pairs"
    result.rows = [
        Row(name, "matrix proven", largest["proof"], wanted=PROOF_S, note=text),
        Row(name, "diff, 5 policies changed, reading included", largest["diff"], wanted=DIFF_S),
        Row(name, "one verdict, explained", largest["verdict_us"], unit="us", wanted=VERDICT_US),
        Row(name, "memory", largest["memory_mib"], unit="MiB", wanted=MEMORY_MIB),
        Row(
            name,
            f"matrix proven: {largest['policies']:.0f} policies to linear",
            bend({size: one["proof"] for size, one in found.items()}),
            unit="x",
            wanted=BEND,
            note=", ".join(f"{one['policies']:.0f}: {one['proof']:.2f} s" for one in found.values()),
        ),
    ]
    result.data = {"meshes": found, "load": load()}
    return result


# upgrades


def upgrade_plan(scale: float) -> Result:
    """The plan of 1,000 workloads and 3,000 proxies: CPU time of one process, and the whole playbook from a snapshot."""
    result, found = Result(), dict[int, dict[str, float]]()
    for size in MESHES:
        namespaces = max(2, round(size * scale))
        found[namespaces] = json.loads(run([sys.executable, "bench/upgrade.py", "--namespaces", str(namespaces)]).output)
    file = WORK / "upgrade" / "snapshot.json.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    run([sys.executable, "bench/upgrade.py", "--namespaces", str(max(found)), "--save", str(file)])
    source = ("-e", "plan_upgrade_source=snapshot", "-e", f"plan_upgrade_path={file}", "-e", "plan_upgrade_target=v1.30.3")
    whole = playbook(
        "plan_upgrade", "localhost,", *source, "-e", "plan_upgrade_fail_on=never", "-e", f"ansible_python_interpreter={sys.executable}"
    )
    name, largest = "upgrade_plan", found[max(found)]
    text = f"{largest['workloads']:.0f} workloads, {largest['proxies']:.0f} proxies"
    result.rows = [
        Row(name, "plan and checks, CPU", largest["plan"], wanted=PLAN_SNAPSHOT_S, note=text),
        Row(name, "plan_upgrade, from a snapshot", whole.seconds, wanted=PLAN_SNAPSHOT_S, note=f"CPU {whole.cpu:.1f} s"),
        Row(name, "memory of all processes", whole.tree_mib, unit="MiB", wanted=MEMORY_MIB),
        Row(
            name,
            f"plan: {largest['workloads']:.0f} workloads to linear",
            bend({size: one["plan"] for size, one in found.items()}),
            unit="x",
            wanted=BEND,
            note=", ".join(f"{one['workloads']:.0f}: {one['plan']:.2f} s" for one in found.values()),
        ),
    ]
    result.data = {"meshes": found, "whole": whole.to_dict(), "load": load()}
    return result


# live proxies

PROXIES, PROXIES_S = 300, 20.0


def proxies(scale: float) -> Result:
    """300 real Envoys asked for their certificates through the port-forward, then with every tenth of them silent."""
    pods = max(10, round(PROXIES * scale / 10) * 10)
    found = json.loads(run([sys.executable, "bench/proxies.py", "--pods", str(pods)]).output.splitlines()[-1])
    name, text = "proxies", f"{found['proxies']} real Envoys"
    rows = [
        Row(name, "certificates read", found["all"], wanted=PROXIES_S, note=text),
        Row(name, "with every tenth silent", found["silent"], wanted=PROXIES_S, note=f"{found['silent_errors']} named"),
        Row(name, "certificate_check, the whole task", found["module"], wanted=PROXIES_S),
    ]
    return Result(rows, {**found, "load": load()})


# real pods

PODS, PODS_FIRST_S = 20, 60  # how many; seconds from no cluster to the first call through two sidecars


def pods(scale: float) -> Result:
    """A cluster with a real istiod and 20 real pods: until the first call, what a proxy costs, and calls at a steady rate."""
    found = json.loads(run([sys.executable, "bench/real_pods.py", "--pods", str(max(3, round(PODS * scale)))]).output)
    name, memory = "pods", found["memory"]
    rows = [
        Row(name, "from nothing to the first call", found["first_call_s"], wanted=PODS_FIRST_S, note=f"{found['pods']} pods"),
        Row(name, "all pods ready, after the control plane", found["all_ready_s"]),
        *(Row(name, f"memory of {program}", size, "MiB", note=f"{count} of them") for program, (count, size) in sorted(memory.items())),
        Row(name, "calls that failed", found["failed"], "", wanted=0, note=f"{found['calls']} calls, {found['per_second']} a second"),
        Row(name, "a call through two sidecars, median", found["median_ms"], "ms", note=f"99 %: {found['p99_ms']} ms"),
    ]
    return Result(rows, {**found, "load": load()})


# a data plane restarted

ROLLOUT, ROLLOUT_X = 10, 1.3  # waves; how much longer than all at once


def rollout(scale: float) -> Result:
    """1,000 workloads of 3 pods restarted in ten waves of ten namespaces, against kubectl's restart of all of them at once."""
    result, world, name = Result(), MESH.scaled(scale), "rollout"
    intent = world.intent()["mesh_domains"]
    size = max(1, len(intent) // ROLLOUT)
    waves = [
        {"name": f"wave-{start // size}", "domains": [row["name"] for row in intent[start : start + size]]}
        for start in range(0, len(intent), size)
    ]
    extra = ["-e", json.dumps({"mesh_upgrade": {"waves": waves, "checks": False, "rollout": {"ask_proxies": 0, "workload_timeout": 3600}}})]
    with bed("bench", MESH_OPERATORS) as running:
        playbook("install_mesh", world.inventory(), on=running)
        base = floor.restart(running, world.members)
        mark = running.mark()
        ours = playbook("restart_data_plane", world.inventory(), *extra, "-e", "upgrade_reason=measured", on=running)
        calls = count(running.audit(mark))
        again = playbook("restart_data_plane", world.inventory(), *extra, "-e", "upgrade_reason=measured", on=running)
    workloads = world.namespaces * world.apps
    result.rows = [
        Row(
            name,
            f"restart_data_plane, {len(waves)} waves",
            ours.seconds,
            floor=base.seconds,
            wanted=ROLLOUT_X * base.seconds,
            note=f"{world.text}; floor: kubectl rollout restart and status of all at once",
        ),
        Row(name, "API calls a workload", round(calls.total / workloads, 2), unit="", note=calls.text),
        Row(name, "memory of all processes", ours.tree_mib, unit="MiB", wanted=MEMORY_MIB),
        Row(name, "the same again, nothing to do", again.seconds),
    ]
    result.data = {"floor": base.to_dict(), "ours": ours.to_dict(), "again": again.to_dict(), "calls": calls.to_dict(), "load": load()}
    return result


# certificates

SIZES = (100, 1_000, 10_000)


def certificates(scale: float) -> Result:
    """10,000 chains of a snapshot judged, against `openssl verify` of the same ones in one process; CPU time."""
    found = {}
    for size in SIZES:
        count = max(20, round(size * scale))
        found[count] = json.loads(run([sys.executable, "bench/certificates.py", "--count", str(count)]).output)
    name, largest = "certificates", max(found)
    rows = [
        Row(
            name,
            f"{largest} chains judged",
            found[largest]["ours"],
            floor=found[largest]["openssl"],
            wanted=found[largest]["openssl"],
            note="CPU; the floor is openssl verify in one process",
        ),
        Row(
            name,
            f"{largest} chains to linear",
            bend({size: one["ours"] for size, one in found.items()}),
            unit="x",
            wanted=BEND,
            note=", ".join(f"{size}: {one['ours']:.2f} s" for size, one in found.items()),
        ),
        Row(name, "memory", found[largest]["memory_mib"], unit="MiB", wanted=MEMORY_MIB),
    ]
    return Result(rows, {"sizes": found, "load": load()})


# from istiod's own CA to a corporate one

APPS = 20


def corporate_ca(scale: float) -> Result:
    """Chapter 5 of the travel book by its own sequence and by ours, to the same end, while a client calls."""
    found = json.loads(run([sys.executable, "bench/corporate_ca.py", "--apps", str(max(2, round(APPS * scale)))]).output.splitlines()[-1])
    name, book, ours = "corporate_ca", found["book"], found["ours"]
    rows = [
        Row(
            name,
            "to the corporate CA, proved",
            ours["seconds"],
            floor=book["seconds"],
            note=f"floor: the book's sequence with its wait; {book['refused']} of {book['calls']} calls were refused in it",
        ),
        Row(name, "calls refused on the way", ours["refused"], unit="", wanted=0, note=f"of {ours['calls']}"),
    ]
    return Result(rows, {**found, "load": load()})


FIGURES: dict[str, Callable[[float], Result]] = {
    "travel_prod": travel_prod,
    "mesh_3000": mesh_3000,
    "growth": growth,
    "authorization": authorization,
    "proxies": proxies,
    "pods": pods,
    "rollout": rollout,
    "certificates": certificates,
    "corporate_ca": corporate_ca,
    "upgrade_plan": upgrade_plan,
}
