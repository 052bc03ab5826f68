# SPDX-License-Identifier: GPL-3.0-or-later
"""REGISTRY_ONLY under a real istiod: what the proof says would be cut is cut, and what an entry lets out gets out."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pods_support import Mesh, deployment, missing, running, service
from shop_support import play
from testbed.patience import until
from testbed.pods import leavings

Obj = dict[str, Any]
pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=f"the data plane pods: {missing()}"),
    pytest.mark.xdist_group("outbound_pods"),
    pytest.mark.long,  # a real istiod, and its mesh closed
]
HOST, OTHER = "api.example.com", "other.example.com"
ENTRY = {"name": "api", "hosts": [HOST], "ports": [{"number": 80, "protocol": "HTTP"}], "namespaces": ["shop"]}
ALLOWED, CLOSED = "ALLOW_ANY", "REGISTRY_ONLY"


class Answers(http.server.BaseHTTPRequestHandler):
    """The world outside: it says that it was reached."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "8")
        self.end_headers()
        self.wfile.write(b"outside\n")

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture(scope="module")
def mesh(worker_id: str) -> Iterator[Mesh]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with running(f"outbound-pods-{worker_id}") as found:
            where = f"127.0.0.1:{server.server_address[1]}"
            found.bed.set_outside({f"{HOST}:80": where, f"{OTHER}:80": where, f"{HOST}:8443": where})
            policy(found, ALLOWED)
            # on the port of a service HTTP is understood, and counted with its host
            found.apply(*deployment("client"), service("client", port=80), *deployment("idle"))
            found.ready("client")
            found.ready("idle")
            yield found
    finally:
        server.shutdown()


def policy(mesh: Mesh, mode: str) -> None:
    config = {"outboundTrafficPolicy": {"mode": mode}, "accessLogFile": "/dev/stdout", "accessLogEncoding": "JSON"}
    spec = {"version": "v1.30.3", "namespace": "istio-system", "values": {"meshConfig": config}}
    mesh.apply({"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": "default", "namespace": None}, "spec": spec})


def status(mesh: Mesh, url: str) -> str:
    """000 where the connection was closed."""
    return mesh.exec("client", "curl", "-s", "-o", "/dev/null", "-m", "5", "-w", "%{http_code}", url).strip()[-3:]


def gets(mesh: Mesh, url: str, wanted: str) -> None:
    until(lambda: status(mesh, url) == wanted, timeout=60, what=f"{wanted} from {url}, the last was {status(mesh, url)}")


@pytest.fixture
def prove(mesh: Mesh, tmp_path: Path, playbook: Callable[..., Any]) -> Callable[..., Any]:
    def run(**more: Any) -> tuple[Any, str]:
        given = {"mesh_outbound_proxies": True, "mesh_outbound_least": "0s", **more}
        done = play(playbook, mesh.bed, tmp_path, "check_outbound", **given)
        return done, " ".join(done.stdout.split())

    return run


def logs(mesh: Mesh, folder: Path) -> str:
    """The access logs of all pods, named as a person would save them."""
    for app in ("client", "idle"):
        (meta,) = (pod["metadata"] for pod in mesh.pods(app))
        log = leavings.root_of(leavings.tag_of(mesh.bed.dir.resolve())) / f"{meta['namespace']}.{meta['name']}" / "agent.log"
        target = folder / meta["namespace"] / f"{meta['name']}.log"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, target)
    return str(folder)


@pytest.fixture
def deliver(mesh: Mesh, tmp_path: Path, playbook: Callable[..., Any]) -> Callable[..., Any]:
    def run(**given: Any) -> Any:
        return play(playbook, mesh.bed, tmp_path, "install_mesh", "--tags", "egress", **given)

    return run


def test_what_is_said_to_be_cut_is_cut(mesh: Mesh, prove: Callable[..., Any], deliver: Callable[..., Any], tmp_path: Path) -> None:
    for url in (f"http://{HOST}/", f"http://{OTHER}/"):
        gets(mesh, url, "200")

    # the counters of the proxies have the host, and the proof names it with the entry that lets it out
    done, said = prove(mesh_outbound_proposal=str(tmp_path / "proposal.yml"))
    assert done.rc != 0, done.stdout
    for host in (HOST, OTHER):
        assert f"client in shop calls {host}:80" in said, done.stdout
        assert "no ServiceEntry that it sees has that host: it would get 502 (BlackHoleCluster)" in said, done.stdout
        assert host in (tmp_path / "proposal.yml").read_text(encoding="utf-8")
    assert "kind: ServiceEntry" in said
    done, said = prove(mesh_external_services=[ENTRY])
    assert done.rc != 0 and f"calls {HOST}:80" not in said and f"calls {OTHER}:80" in said
    done, said = prove(mesh_external_services=[ENTRY], mesh_outbound_accept=[f"shop/client -> {OTHER}:80"])
    done.check()
    assert "nobody would lose a call with REGISTRY_ONLY" in said

    # a port that no service has is one of plain TCP to the proxy: its metric has no name, and its log has the address
    gets(mesh, f"http://{HOST}:8443/", "200")
    done, said = prove(mesh_external_services=[ENTRY], mesh_outbound_accept=[f"shop/client -> {OTHER}:80"])
    assert done.rc != 0 and "not enough evidence" in said and "client in shop: " in said and "without a name" in said, done.stdout

    def logged() -> bool:
        _done, text = prove(mesh_outbound_proxies=False, mesh_traffic_logs=[{"path": logs(mesh, tmp_path / "logs")}])
        return ":8443 (" in text and "has that address: the connection would be closed (BlackHoleCluster)" in text and f"{OTHER}:80" in text

    until(logged, timeout=30, what="the proof from access logs")

    # as foreseen
    policy(mesh, CLOSED)
    for url, wanted in ((f"http://{HOST}/", "502"), (f"http://{OTHER}/", "502"), (f"http://{HOST}:8443/", "000")):
        gets(mesh, url, wanted)
    deliver(mesh_external_services=[ENTRY]).check()
    gets(mesh, f"http://{HOST}/", "200")
    gets(mesh, f"http://{OTHER}/", "502")
    assert deliver(mesh_external_services=[ENTRY]).check().changed == 0

    def refused() -> bool:
        _done, text = prove(mesh_outbound_proxies=False, mesh_traffic_logs=[{"path": logs(mesh, tmp_path / "logs")}])
        return "DOES NOT GET OUT ALREADY" in text and f"client in shop calls {OTHER}:80" in text

    until(refused, timeout=30, what="what does not get out, from access logs")

    # what somebody else has registered is named, and stays; what is not intended any more goes
    spec = {"hosts": [OTHER], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}], "resolution": "DNS"}
    mesh.apply({"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "theirs"}, "spec": spec})
    gets(mesh, f"http://{OTHER}/", "200")
    done = deliver(mesh_external_services=[ENTRY, {**ENTRY, "name": "other", "hosts": [OTHER]}])
    assert done.rc != 0 and f"{OTHER} is a host of ServiceEntry shop/theirs already" in " ".join(done.stdout.split()), done.stdout
    deliver(mesh_external_services=[], mesh_prune=True).check()
    gets(mesh, f"http://{HOST}/", "502")
    gets(mesh, f"http://{OTHER}/", "200")


def test_an_installation_does_not_close_the_mesh_to_what_it_calls(mesh: Mesh, tmp_path: Path, playbook: Callable[..., Any]) -> None:
    def mode() -> str:
        found = mesh.bed.api.get("/apis/sailoperator.io/v1/istios/default")["spec"]["values"]["meshConfig"]
        return str(found["outboundTrafficPolicy"]["mode"])

    off = {name: {"enabled": False} for name in ("ingress", "egress")}
    plane = {"name": "default", "namespace": "istio-system", "outbound_traffic": CLOSED, "cni": {"manage": False}, **off}
    given = {
        "mesh_control_plane": {**plane, "mtls": {"control_plane": True, "data_plane": False}},
        "mesh_outbound_proxies": True,
        "mesh_outbound_least": "0s",
        "mesh_adopt": ["Istio default", "Namespace istio-system"],
        "mesh_force_conflicts": True,
    }

    def install(**more: Any) -> Any:
        return play(playbook, mesh.bed, tmp_path, "install_mesh", "--tags", "control_plane", **given, **more)

    policy(mesh, ALLOWED)
    gets(mesh, f"http://{HOST}/", "200")
    done = install()
    assert done.rc != 0 and "so it was not switched on and nothing was changed" in " ".join(done.stdout.split()), done.stdout
    assert mode() == ALLOWED and status(mesh, f"http://{HOST}/") == "200"

    # what is registered comes before the mesh is closed, and the rest is somebody's decision
    install(mesh_external_services=[ENTRY], mesh_outbound_accept=["shop/*"]).check()
    assert mode() == CLOSED
    gets(mesh, f"http://{HOST}:8443/", "000")
    gets(mesh, f"http://{HOST}/", "200")
    done = install(mesh_external_services=[ENTRY]).check()
    assert "REGISTRY_ONLY is on already" in " ".join(done.stdout.split())
