# SPDX-License-Identifier: GPL-3.0-or-later
"""A real istiod as a process: what its pod says of it, and when it starts and ends. Its program here is a script that answers /ready."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from testbed.operators.charts import ISTIOD_GATE
from testbed.operators.real_istiod import RealIstiod, arguments, environment

Obj = dict[str, Any]


def pod(name: str = "istiod-7d4-x2x", *, phase: str = "Running", env: list[Obj] | None = None, rev: str = "default") -> Obj:
    container = {
        "name": "discovery",
        "args": ["discovery", "--monitoringAddr=:15014", "--domain", "mesh.local", "--keepaliveMaxServerConnectionAge", "30m"],
        "env": [
            {"name": "REVISION", "value": rev},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "SERVICE_ACCOUNT", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
            {"name": "GOMAXPROCS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "KUBECONFIG", "value": "/var/run/secrets/remote/config"},
            *(env or []),
        ],
        "volumeMounts": [{"name": "cacerts", "mountPath": "/etc/cacerts"}, {"name": "remote", "mountPath": "/var/run/secrets/remote"}],
    }
    volumes = [
        {"name": "cacerts", "secret": {"secretName": "cacerts"}},
        {"name": "remote", "secret": {"secretName": "istio-kubeconfig"}},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "istio-system", "uid": f"uid-{name}", "labels": {"app": "istiod", "istio.io/rev": rev}},
        "spec": {"serviceAccountName": "istiod", "containers": [{"name": "proxy"}, container], "volumes": volumes},
        "status": {"phase": phase, "conditions": [{"type": ISTIOD_GATE, "status": "False"}, {"type": "Ready", "status": "False"}]},
    }


def test_the_environment_is_the_containers() -> None:
    found = environment(pod(env=[{"name": "PILOT_TRACE_SAMPLING", "value": "100"}]), kubeconfig="/bed/kubeconfig", remote=False)
    assert found == {
        "REVISION": "default",
        "POD_NAME": "istiod-7d4-x2x",
        "POD_NAMESPACE": "istio-system",
        "SERVICE_ACCOUNT": "istiod",
        "PILOT_TRACE_SAMPLING": "100",
    }


def test_an_istiod_of_another_cluster_keeps_its_secrets_here() -> None:
    row = [{"name": "LOCAL_CLUSTER_SECRET_WATCHER", "value": "true"}]
    here = environment(pod(env=row), kubeconfig="/bed/kubeconfig", remote=False)
    assert here["LOCAL_CLUSTER_SECRET_WATCHER"] == "true"
    there = environment(pod(env=row), kubeconfig="/bed/kubeconfig", remote=True)
    assert "LOCAL_CLUSTER_SECRET_WATCHER" not in there
    assert there["PILOT_MULTICLUSTER_KUBECONFIG_PATH"] == "/bed/kubeconfig"


def test_its_own_arguments_come_first_and_ours_last() -> None:
    made = arguments(pod(), {15014: 1, 15012: 2}, kubeconfig="/k", control=3)
    assert made == [
        *["discovery", "--monitoringAddr=:15014", "--domain", "mesh.local", "--keepaliveMaxServerConnectionAge", "30m"],
        *["--kubeconfig=/k", "--monitoringAddr=127.0.0.1:1", "--secureGRPCAddr=127.0.0.1:2", "--ctrlz_port=3"],
    ]


PROGRAM = """\
#!{python}
import http.server, os, sys
port = next(a.rpartition(":")[2] for a in sys.argv if a.startswith("--httpAddr="))
open("started", "w").write(os.environ["POD_NAME"])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", int(port)), Answer).serve_forever()
"""


class Cluster:
    """As much of an API server as the controller asks."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Obj] = {}
        self.applied: list[Obj] = []
        self.statuses: list[tuple[str, str]] = []

    async def get(self, _version: str, kind: str, name: str, _namespace: str) -> Obj | None:
        return self.objects.get((kind, name))

    async def apply(self, obj: Obj) -> Obj:
        self.applied.append(obj)
        return obj

    async def patch(self, obj: Obj, patch: Obj, *, sub: str) -> None:
        assert sub == "status"
        obj["status"] = {**obj["status"], **patch["status"]}
        self.statuses.append((obj["metadata"]["name"], next(r["status"] for r in obj["status"]["conditions"] if r["type"] == "Ready")))


class Bed:
    """One controller on a bed's folder; `turn` is what its queue does with one pod until nothing is to be waited for."""

    def __init__(self, folder: Path) -> None:
        program = folder / "pilot-discovery"
        program.write_text(PROGRAM.format(python=sys.executable))
        program.chmod(0o755)
        (folder / "logs").mkdir()
        (folder / "services.json").write_text('{"other/service:443": "127.0.0.1:1"}')
        self.folder, self.cluster, self.faults = folder, Cluster(), {}
        self.controller = RealIstiod(self.cluster, self.faults, {"dir": str(folder), "istiod": str(program), "kubeconfig": "/k"})
        # The base class reads faults by name; here they are what a test says.
        self.running = self.controller.running

    async def see(self, obj: Obj, event: str = "ADDED") -> None:
        for key in self.controller.keys_for(event, obj):
            again = await self.controller.reconcile(key)
            while again is not None and again < 1:
                await asyncio.sleep(again / 2)
                again = await self.controller.reconcile(key)

    @property
    def services(self) -> dict[str, str]:
        return json.loads((self.folder / "services.json").read_text())


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bed:
    made = Bed(tmp_path)
    monkeypatch.setattr(RealIstiod, "faults", property(lambda _self: made.faults), raising=False)
    return made


def play(bed: Bed, story: Any) -> None:
    async def run() -> None:
        import aiohttp

        bed.controller._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2))
        try:
            await story()
        finally:
            await bed.controller._session.close()
            for one in bed.running.values():
                if one.alive:
                    one.process.kill()
                    await one.process.wait()

    asyncio.run(run())


def test_it_lives_as_long_as_its_pod(bed: Bed) -> None:
    async def story() -> None:
        one = pod(phase="Pending")
        await bed.see(one)
        assert bed.running == {}, "a pod that does not run has no process"
        one["status"]["phase"] = "Running"
        await bed.see(one, "MODIFIED")
        (running,) = bed.running.values()
        assert (running.home / "started").read_text() == "istiod-7d4-x2x"
        assert bed.cluster.statuses == [("istiod-7d4-x2x", "True")]
        assert set(bed.services) == {"other/service:443", *(f"istio-system/istiod:{port}" for port in (443, 15010, 15012, 15014))}
        (forward,) = bed.cluster.applied
        assert [row["ports"][0] for row in forward["spec"]["forwards"]] == [15017, 8080, 15010, 15012, 15014]
        await bed.see(one, "DELETED")
        assert not running.alive
        assert not running.home.exists()
        assert set(bed.services) == {"other/service:443"}

    play(bed, story)


def test_one_that_dies_starts_again_and_its_pod_is_not_ready_meanwhile(bed: Bed) -> None:
    async def story() -> None:
        one = pod()
        await bed.see(one)
        (first,) = bed.running.values()
        first.process.kill()
        await first.process.wait()
        await bed.see(one, "MODIFIED")
        (second,) = bed.running.values()
        assert second.process.pid != first.process.pid
        assert [status for _name, status in bed.cluster.statuses] == ["True", "False", "True"]

    play(bed, story)


def test_mounted_secrets_are_there_at_its_start_and_renewed_without_a_restart(bed: Bed) -> None:
    def cacerts(text: str) -> Obj:
        data = {"ca-cert.pem": base64.b64encode(text.encode()).decode()}
        return {"kind": "Secret", "metadata": {"name": "cacerts", "namespace": "istio-system"}, "data": data}

    async def story() -> None:
        bed.cluster.objects["Secret", "cacerts"] = cacerts("first")
        await bed.see(pod())
        (running,) = bed.running.values()
        file = running.home / "etc/cacerts/ca-cert.pem"
        assert file.read_text() == "first"
        bed.cluster.objects["Secret", "cacerts"] = cacerts("second")
        await bed.see(cacerts("second"), "MODIFIED")
        assert file.read_text() == "second"
        assert running.alive
        elsewhere = cacerts("second")
        elsewhere["metadata"]["namespace"] = "other"
        assert bed.controller.keys_for("ADDED", elsewhere) == []

    play(bed, story)


def test_revisions_have_services_of_their_own(bed: Bed) -> None:
    async def story() -> None:
        await bed.see(pod())
        await bed.see(pod("istiod-v1-31-0-5c-abc", rev="v1-31-0"))
        assert {key for key in bed.services if key.endswith(":443")} == {
            "other/service:443",
            "istio-system/istiod:443",
            "istio-system/istiod-v1-31-0:443",
        }

    play(bed, story)


def test_of_two_pods_the_other_one_answers_when_one_goes(bed: Bed) -> None:
    async def story() -> None:
        first, second = pod("istiod-a"), pod("istiod-b")
        await bed.see(first)
        before = bed.services["istio-system/istiod:443"]
        await bed.see(second)
        assert bed.services["istio-system/istiod:443"] == before
        await bed.see(first, "DELETED")
        assert bed.services["istio-system/istiod:443"] not in (before, None)

    play(bed, story)


def test_the_fault_down_ends_it(bed: Bed) -> None:
    async def story() -> None:
        one = pod()
        await bed.see(one)
        bed.faults["down"] = True
        await bed.see(one, "MODIFIED")
        assert bed.running == {}
        assert bed.cluster.statuses[-1] == ("istiod-7d4-x2x", "False")
        bed.faults.clear()
        await bed.see(one, "MODIFIED")
        assert bed.cluster.statuses[-1] == ("istiod-7d4-x2x", "True")

    play(bed, story)
