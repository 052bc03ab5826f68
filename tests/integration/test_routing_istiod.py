# SPDX-License-Identifier: GPL-3.0-or-later
"""Small meshes by chance: what a real istiod gives their proxies is what the evaluator of routing makes of the same objects."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import collection_support  # noqa: F401 - makes the collection importable
import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._routing.evaluate import RoutingWorld
from ansible_collections.meshops.mesh.plugins.module_utils._routing.model import Consumer, RoutingMesh
from istiod_support import Istiod, asked, running_istiod
from testbed import Bed, binaries, crds
from testbed.patience import until
from traffic.configuration import Config, differences, of_evaluator, of_istiod, route_names
from traffic.random_gateways import DOOR
from traffic.random_mesh import SPACES, random_mesh

Obj = dict[str, Any]
MISSING = binaries.istio_missing("pilot-discovery")
pytestmark = [pytest.mark.long, pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]
FIRST, WORLDS = int(os.environ.get("MESH_TEST_SEED", "1")), int(os.environ.get("MESH_TEST_WORLDS", "25"))
KINDS = ("services", "serviceentries.networking.istio.io", "virtualservices.networking.istio.io", "destinationrules.networking.istio.io",
         "sidecars.networking.istio.io", "gateways.networking.istio.io",
         *(f"{name}.gateway.networking.k8s.io" for name in ("gateways", "httproutes", "grpcroutes", "tcproutes", "tlsroutes",
                                                            "referencegrants")))  # fmt: skip
# Those that this istiod reads are of a younger release than the others of the bed.
STREAMS = tuple(f"config/crd/standard/gateway.networking.k8s.io_{name}.yaml" for name in ("tcproutes", "tlsroutes"))
CALLERS = (
    ("sidecar", Consumer("ra", {"app": "web"}, name="web", ip="10.250.0.1")),
    ("sidecar", Consumer("rb", {"app": "batch"}, name="batch", ip="10.250.0.2")),
    ("router", Consumer("ra", {"app": "gw"}, gateway=True, name="gw", ip="10.250.0.3")),
    ("router", Consumer("ra", {"app": DOOR}, gateway=True, name=DOOR, ip="10.250.0.4")),
)


@pytest.fixture(scope="module", name="bed")
def _bed(worker_id: str) -> Iterator[Bed]:
    name = f"routing-{worker_id}"
    Bed.find(name).stop()  # of a run that was cut short
    bed = Bed.start(name, (), extra_crds=("istio", "gateway-api"), owner=os.getpid())
    for pattern in STREAMS:
        for file in crds.module_files("sigs.k8s.io/gateway-api", pattern, build="istio"):
            bed.kubectl("create", "-f", str(file))
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}} for space in ("istio-system", *SPACES)]
    bed.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(spaces))
    yield bed
    bed.stop()


@pytest.fixture(scope="module", name="istiod")
def _istiod(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Istiod]:
    folder: Path = tmp_path_factory.mktemp("istiod")
    with running_istiod(bed, folder) as found:
        yield found


def stored(bed: Bed) -> list[Obj]:
    """All that the API server has, with ages and addresses."""
    done = bed.kubectl("get", ",".join(KINDS), "-A", "-o", "json")
    return json.loads(done.stdout)["items"]


def known(istiod: Istiod) -> set[tuple[str, str, str, str]]:
    """The objects that istiod has read, by their versions."""
    rows = istiod.debug("configz") or []
    return {
        (row["kind"], row["metadata"].get("namespace", ""), row["metadata"]["name"], row["metadata"].get("resourceVersion", ""))
        for row in rows
    }


def in_step(istiod: Istiod, objects: list[Obj]) -> bool:
    """Has istiod read exactly these?"""
    ours = {(one["kind"], one["metadata"]["namespace"], one["metadata"]["name"], one["metadata"]["resourceVersion"])
            for one in objects if one["kind"] != "Service"}  # fmt: skip
    theirs = {row for row in known(istiod) if row[1] in SPACES and "~" not in row[2]}  # and what it makes of others
    names = [one["metadata"] for one in objects if one["kind"] == "Service"]
    services = {(f"{name['name']}.{name['namespace']}.svc.cluster.local", name["resourceVersion"]) for name in names}
    there = {(str(row.get("hostname")), str(row.get("ResourceVersion"))) for row in istiod.debug("registryz") or []}
    inside = {row for row in there if row[0].endswith(".svc.cluster.local")}
    return ours == theirs and inside == services


def world_of(objects: list[Obj], callers: Iterable[tuple[str, Consumer]]) -> RoutingWorld:
    """The mesh of these callers. They have no pods in the API server, so that no Service leads to them."""
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}} for space in SPACES]
    pods = [{"apiVersion": "v1", "kind": "Pod", "spec": {}, "status": {"phase": "Running"}, "metadata": {
        "name": one.name, "namespace": one.namespace, "labels": {**one.labels, "security.istio.io/tlsMode": "istio"}}}
        for kind, one in callers if kind == "sidecar"]  # fmt: skip
    return RoutingWorld([*objects, *spaces, *pods], RoutingMesh())


def asked_by(istiod: Istiod, kind: str, caller: Consumer, number: int) -> Config:
    """What istiod gives a proxy. number: of the mesh, as each has proxies of its own."""
    return of_istiod(asked(
        istiod, kind=kind, name=f"{caller.name}-{number}", namespace=caller.namespace, labels=caller.labels, ip=caller.ip,
        routes=lambda first: route_names(of_istiod(first)),
    ))  # fmt: skip


def compared(istiod: Istiod, world: RoutingWorld, kind: str, caller: Consumer, seed: int) -> list[str]:
    theirs = asked_by(istiod, kind, caller, seed)
    return differences(theirs, of_evaluator(world.configured(caller), route_names(theirs)))


def applied(bed: Bed, istiod: Istiod, mesh: list[Obj]) -> list[Obj]:
    """Nothing but these objects is there, and istiod has read them."""
    for space in SPACES:
        bed.kubectl("delete", ",".join(KINDS), "--all", "-n", space, "--now")
    done = bed.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(mesh))
    assert done.returncode == 0, done.stderr
    objects = stored(bed)
    until(lambda: in_step(istiod, objects), 20, "istiod has not read the mesh")
    return objects


HIDDEN = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: ra, annotations: {networking.istio.io/exportTo: "~"}}
spec: {ports: [{name: http, port: 80}]}
---
{apiVersion: v1, kind: Service, metadata: {name: pay, namespace: ra}, spec: {ports: [{name: http, port: 80}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: ra}
spec: {hosts: [web], gateways: [mesh], http: [{route: [{destination: {host: web}}]}]}
"""


def clusters_with(istiod: Istiod, caller: tuple[str, Consumer], number: int, wanted: set[str]) -> set[str]:
    """The clusters of a proxy, once these are among them."""
    found: set[str] = set()

    def there() -> bool:
        found.clear()
        found.update(asked_by(istiod, *caller, number)["clusters"])
        return wanted <= found

    until(there, 15, f"istiod does not give {caller[1].name} {', '.join(sorted(wanted))}")
    return found


def test_a_gateway_gets_what_istiod_made_for_a_sidecar_beside_it(bed: Bed, istiod: Istiod) -> None:
    """Of a Service that nobody may see: a gateway alone does not get it, and it does once a sidecar has asked."""
    objects = applied(bed, istiod, list(yaml.safe_load_all(HIDDEN)))
    sidecar, _other, gateway, _door = CALLERS
    public, hidden = (f"outbound|80||{name}.ra.svc.cluster.local" for name in ("pay", "web"))
    assert hidden not in clusters_with(istiod, gateway, 0, {public})
    for caller in (sidecar, gateway):
        clusters_with(istiod, caller, 1, {public, hidden})
    ours = [world_of(objects, callers).configured(gateway[1]).clusters.get(hidden) for callers in ((gateway,), (sidecar, gateway))]
    assert [one is not None for one in ours] == [False, True]


@pytest.mark.parametrize("seed", range(FIRST, FIRST + WORLDS))
def test_proxies_get_what_the_evaluator_says(bed: Bed, istiod: Istiod, seed: int) -> None:
    objects = applied(bed, istiod, random_mesh(seed))
    world = world_of(objects, CALLERS)
    last: list[str] = []

    def agree() -> bool:
        """What istiod has read it pushes a moment later."""
        last[:] = [
            f"{kind} of {caller.namespace}: {line}" for kind, caller in CALLERS for line in compared(istiod, world, kind, caller, seed)
        ]
        return not last

    with contextlib.suppress(AssertionError):
        until(agree, 15)
    assert not last, "\n".join([*last, yaml.safe_dump_all(random_mesh(seed))])
