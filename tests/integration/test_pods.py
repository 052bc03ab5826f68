# SPDX-License-Identifier: GPL-3.0-or-later
"""Real pods on the bed: what istiod writes is what happens, in calls, refusals, metrics, traces and when something breaks."""

from __future__ import annotations

import http.server
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pods_support import Mesh, deployment, missing, running, service
from testbed.calls import Calls
from testbed.patience import until as patiently
from testbed.pods import leavings, netns
from testbed.pods.status import says_ready

Obj = dict[str, Any]
pytestmark = pytest.mark.skipif(missing() is not None, reason=f"the data plane pods: {missing()}")


@pytest.fixture(scope="module")
def mesh(worker_id: str) -> Iterator[Mesh]:
    with running(f"pods-{worker_id}") as found:
        found.namespaced("plain")
        found.apply(
            *deployment("cars-v1", app="cars", replicas=2),
            *deployment("cars-v2", app="cars", version="v2"),
            service("cars"),
            *deployment("client", env={"CARS_SERVICE": "http://cars:8000"}),
            service("client"),
            *deployment("store", port=6379),
            service("store", port_name="redis", port=6379),
        )
        found.apply(*deployment("stranger"), namespace="plain")
        for name, count in (("cars-v1", 2), ("cars-v2", 1), ("client", 1), ("store", 1)):
            found.ready(name, count)
        found.ready("stranger", namespace="plain")
        yield found


@pytest.fixture(autouse=True)
def healthy(mesh: Mesh) -> Iterator[None]:
    yield
    mesh.bed.set_faults({})


def until(check: Callable[[], Any], what: str) -> Any:
    """All of it is quick; what does not come soon does not come."""
    return patiently(check, timeout=30, what=what)


def call(mesh: Mesh, source: str, url: str, *more: str, namespace: str = "") -> str:
    return mesh.exec(source, "curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", *more, url, namespace=namespace)


def test_calls_reach_both_versions_with_mutual_tls(mesh: Mesh) -> None:
    with Calls(mesh.bed, "http://cars:8000/", source="shop/client", rate=100) as calls:
        calls.wait(90)
    assert calls.failed() == []
    assert calls.by_version().keys() == {"v1", "v2"}
    assert calls.by_version()["v1"] > calls.by_version()["v2"]
    seen = json.loads(mesh.exec("client", "curl", "-s", "http://cars:8000/headers"))["headers"]
    assert "By=spiffe://cluster.local/ns/shop/sa/cars" in seen["x-forwarded-client-cert"]
    assert "URI=spiffe://cluster.local/ns/shop/sa/client" in seen["x-forwarded-client-cert"]
    assert "x-testbed-workload" not in seen


def test_metrics_have_istio_s_names_and_labels(mesh: Mesh) -> None:
    with Calls(mesh.bed, "http://cars:8000/", source="shop/client", rate=100) as calls:
        calls.wait(60)
    labels = {"source_workload": "client", "destination_service": "cars.shop.svc.cluster.local", "response_code": "200"}
    source = {**labels, "reporter": "source", "destination_principal": "spiffe://cluster.local/ns/shop/sa/cars"}
    until(lambda: mesh.metric("client", "istio_requests_total", **source), what="the caller's count")
    there = {**labels, "reporter": "destination", "connection_security_policy": "mutual_tls"}
    there |= {"source_principal": "spiffe://cluster.local/ns/shop/sa/client", "destination_workload": "cars-v1"}
    until(lambda: mesh.metric("cars-v1", "istio_requests_total", **there), what="the called one's count")
    until(lambda: mesh.metric("client", "istio_request_duration_milliseconds_count", **source), what="the durations")


def test_an_application_calls_on_through_its_sidecar(mesh: Mesh) -> None:
    text = mesh.exec("cars-v2", "curl", "-s", "-H", "accept: application/json", "http://client:8000/")
    (row,) = json.loads(text)["calls"]
    assert (row["to"], row["status"]) == ("cars:8000", 200)


@pytest.mark.long
def test_tcp_passes_and_is_counted(mesh: Mesh) -> None:
    pod = mesh.pods("client")[0]["metadata"]["name"]
    command = ("exec", "-i", "-n", "shop", pod, "-c", "app", "--", "curl", "-s", "-m", "3", "telnet://store:6379")

    def asked() -> bool:
        said = mesh.bed.kubectl(*command, stdin="SET greeting hello\r\nGET greeting\r\nQUIT\r\n").stdout
        return said.splitlines() == ["+OK", "$5", "hello", "+OK"]

    until(asked, what="Redis' answers")
    opened = {"reporter": "source", "destination_service_name": "store", "request_protocol": "tcp"}
    until(lambda: mesh.metric("client", "istio_tcp_connections_opened_total", **opened), what="an opened connection")


def test_strict_mtls_and_a_policy_refuse(mesh: Mesh) -> None:
    assert call(mesh, "stranger", "http://cars.shop:8000/", namespace="plain") == "200"
    strict = {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "strict"}}
    deny = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "no-admin"}}
    rule = {"from": [{"source": {"serviceAccounts": ["client"]}}], "to": [{"operation": {"paths": ["/admin*"]}}]}
    mesh.apply({**strict, "spec": {"mtls": {"mode": "STRICT"}}}, {**deny, "spec": {"action": "DENY", "rules": [rule]}})
    try:
        until(lambda: call(mesh, "stranger", "http://cars.shop:8000/", namespace="plain") == "000", what="plain text refused")
        until(lambda: call(mesh, "client", "http://cars:8000/admin") == "403", what="the policy's refusal")
        assert call(mesh, "client", "http://cars:8000/") == "200"
        assert call(mesh, "store", "http://cars:8000/admin") == "200"
        denied = {"reporter": "destination", "response_code": "403", "source_workload": "client"}
        until(lambda: sum(mesh.metric(name, "istio_requests_total", **denied) for name in ("cars-v1", "cars-v2")), what="a counted 403")
    finally:
        mesh.bed.kubectl("delete", "peerauthentication/strict", "authorizationpolicy/no-admin", "-n", "shop")
    until(lambda: call(mesh, "stranger", "http://cars.shop:8000/", namespace="plain") == "200", what="plain text again")


def test_routes_by_weight_and_header(mesh: Mesh) -> None:
    api = "networking.istio.io/v1"
    subsets = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]
    testers = {"match": [{"headers": {"end-user": {"exact": "jason"}}}], "route": [{"destination": {"host": "cars", "subset": "v2"}}]}
    all_to_v1 = {"route": [{"destination": {"host": "cars", "subset": "v1"}}]}
    rule = {"apiVersion": api, "kind": "DestinationRule", "metadata": {"name": "cars"}, "spec": {"host": "cars", "subsets": subsets}}
    routes = {
        "apiVersion": api,
        "kind": "VirtualService",
        "metadata": {"name": "cars"},
        "spec": {"hosts": ["cars"], "http": [testers, all_to_v1]},
    }
    mesh.apply(rule, routes)
    try:
        with Calls(mesh.bed, "http://cars:8000/", source="shop/client", rate=50) as calls:
            until(lambda: calls.by_version(calls.wait(20)).keys() == {"v1"}, what="all to v1")
        with Calls(mesh.bed, "http://cars:8000/", source="shop/client", rate=50, headers={"end-user": "jason"}) as calls:
            calls.wait(20)
        assert calls.by_version().keys() == {"v2"}
    finally:
        mesh.bed.kubectl("delete", "virtualservice/cars", "destinationrule/cars", "-n", "shop")


def test_exec_and_port_forward_lead_into_the_pod(mesh: Mesh) -> None:
    certs = json.loads(mesh.exec("client", "pilot-agent", "request", "GET", "certs", container="istio-proxy"))
    assert certs["certificates"][0]["cert_chain"][0]["subject_alt_names"] == [{"uri": "spiffe://cluster.local/ns/shop/sa/client"}]
    assert mesh.exec("client", "curl", "-s", "http://localhost:15000/ready").strip() == "LIVE"
    pod = mesh.pods("client")[0]["metadata"]["name"]
    for port, path in ((15000, "/ready"), (15021, "/healthz/ready"), (15090, "/stats/prometheus"), (8000, "/headers")):
        command = [mesh.bed.data["binaries"]["kubectl"], "port-forward", "-n", "shop", f"pod/{pod}", f":{port}"]
        with subprocess.Popen(command, env=mesh.bed.env(), stdout=subprocess.PIPE, text=True) as forward:
            assert forward.stdout
            local = int(forward.stdout.readline().split("127.0.0.1:")[1].split()[0])
            with socket.create_connection(("127.0.0.1", local), timeout=5) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
                assert b"200 OK" in connection.recv(200), port
            forward.terminate()


def test_a_killed_pod_comes_back_and_nobody_notices(mesh: Mesh) -> None:
    old = mesh.pods("cars-v2")[0]["metadata"]["name"]
    with Calls(mesh.bed, "http://cars:8000/", source="shop/client", rate=50) as calls:
        calls.wait(20)
        mesh.bed.kubectl("delete", "pod", old, "-n", "shop", "--wait=false")
        until(lambda: [row for row in mesh.pods("cars-v2") if row["metadata"]["name"] != old], what="another pod")
        mesh.ready("cars-v2")
        new = mesh.pods("cars-v2")[0]["metadata"]["name"]
        until(lambda: any(answer.pod == f"shop/{new}" for answer in calls.answers), what="calls to the new pod")
    assert calls.failed() == []


@pytest.mark.long
def test_a_proxy_that_crashes_is_not_ready_and_starts_again(mesh: Mesh) -> None:
    mesh.bed.set_faults({"pods": {"crashed": ["shop/cars-v2"]}})
    until(lambda: not says_ready(mesh.pods("cars-v2")[0]), what="a pod that is not ready")
    mesh.bed.set_faults({})
    mesh.ready("cars-v2")
    proxies = [row for row in _statuses(mesh.pods("cars-v2")[0]) if row["name"] == "istio-proxy"]
    assert proxies[0]["restartCount"] >= 1


def _statuses(pod: Obj) -> list[Obj]:
    return [*(pod["status"].get("containerStatuses") or []), *(pod["status"].get("initContainerStatuses") or [])]


def test_errors_and_lost_packets_are_seen_by_callers(mesh: Mesh) -> None:
    mesh.bed.set_faults({"pods": {"errors": {"shop/cars-v2": {"percent": 100, "status": 500}}}})
    with Calls(mesh.bed, "http://cars:8000/", source="shop/client", rate=50) as calls:
        until(lambda: calls.by_status()[500], what="errors of v2")
        assert calls.by_status()[200]
    mesh.bed.set_faults({"pods": {"loss": [{"percent": 100, "to": f"shop/cars-{version}"} for version in ("v1", "v2")]}})
    with Calls(mesh.bed, "http://cars:8000/", source="shop/client", rate=10, timeout=2) as calls:
        until(lambda: [answer for answer in calls.answers[-4:] if answer.status in (0, 503)], what="nobody answers")


def test_a_load_balancer_takes_callers_from_outside(mesh: Mesh) -> None:
    labels = {"sidecar.istio.io/inject": "false"}
    mesh.apply(*deployment("front", labels=labels), service("front", type="LoadBalancer"))
    mesh.ready("front")
    address = until(lambda: _address(mesh, "front"), what="an address of the load balancer")
    with Calls(mesh.bed, "http://front.example.com:8000/", to=address, rate=50) as calls:
        until(lambda: calls.by_status()[200], what="a call from outside")
        begin = calls.wait(10)
    assert calls.failed(begin) == []
    mesh.bed.kubectl("delete", "deployment/front", "service/front", "-n", "shop")


def _address(mesh: Mesh, name: str) -> str:
    found = mesh.bed.api.get(f"/api/v1/namespaces/shop/services/{name}")["status"]["loadBalancer"]
    return str((found.get("ingress") or [{}])[0].get("ip", ""))


def test_an_injected_gateway_serves_callers_from_outside(mesh: Mesh) -> None:
    """Its pod has nothing but the proxy, which istiod puts into a container that says `auto`."""
    api = "networking.istio.io/v1"
    template = {
        "metadata": {"labels": {"istio": "front", "app": "front"}, "annotations": {"inject.istio.io/templates": "gateway"}},
        "spec": {"containers": [{"name": "istio-proxy", "image": "auto"}]},
    }
    spec = {"selector": {"matchLabels": {"istio": "front"}}, "template": template}
    servers = [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["cars.example.com"]}]
    route = {"route": [{"destination": {"host": "cars", "port": {"number": 8000}}}]}
    ports = [{"name": "http", "port": 80, "targetPort": 80}]
    mesh.apply(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "gate"}, "spec": spec},
        {**service("gate", type="LoadBalancer"), "spec": {"type": "LoadBalancer", "selector": {"istio": "front"}, "ports": ports}},
        {"apiVersion": api, "kind": "Gateway", "metadata": {"name": "gate"}, "spec": {"selector": {"istio": "front"}, "servers": servers}},
        {
            "apiVersion": api,
            "kind": "VirtualService",
            "metadata": {"name": "gate"},
            "spec": {"hosts": ["cars.example.com"], "gateways": ["gate"], "http": [route]},
        },
    )
    mesh.ready("gate")
    address = until(lambda: _address(mesh, "gate"), what="an address of the load balancer")
    with Calls(mesh.bed, "http://cars.example.com/", to=address, rate=50) as calls:
        until(lambda: calls.by_status()[200], what="a call through the gateway")
        begin = calls.wait(20)
    assert calls.failed(begin) == []
    assert calls.by_version(begin).keys() == {"v1", "v2"}
    with Calls(mesh.bed, "http://other.example.com/", to=address, rate=50) as calls:
        calls.wait(5)
    assert calls.by_status().keys() == {404}
    until(lambda: mesh.metric("cars-v1", "istio_requests_total", source_workload="gate", reporter="destination"), what="the gateway's name")


@pytest.mark.long
def test_traces_of_a_chain_come_to_the_collector(mesh: Mesh) -> None:
    """client -> cars, from a Telemetry with a provider of MeshConfig to spans with one trace."""
    labels = {"sidecar.istio.io/inject": "false"}
    mesh.apply(*deployment("collector", port=4317, labels=labels), service("collector", port_name="grpc-otlp", port=4317))
    provider = {"name": "otel", "opentelemetry": {"service": "collector.shop.svc.cluster.local", "port": 4317}}
    mesh.install({"meshConfig": {"extensionProviders": [provider]}})
    tracing = [{"providers": [{"name": "otel"}], "randomSamplingPercentage": 100}]
    mesh.apply({"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry", "metadata": {"name": "traces"}, "spec": {"tracing": tracing}})
    file = mesh.bed.dir / "spans.jsonl"

    def traced() -> set[tuple[str, str]]:
        call(mesh, "cars-v2", "http://client:8000/")
        spans = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        traces: dict[str, set[tuple[str, str]]] = {}
        for span in spans:
            traces.setdefault(span["trace"], set()).add((span["service"], span["kind"]))
        chain = {("cars.shop", "CLIENT"), ("client.shop", "SERVER"), ("client.shop", "CLIENT"), ("cars.shop", "SERVER")}
        return next((found for found in traces.values() if found >= chain), set())

    try:
        until(traced, what="one trace of the whole chain")
    finally:
        mesh.bed.kubectl("delete", "telemetry/traces", "-n", "shop")


@pytest.mark.long
def test_pods_of_a_node_that_is_gone_are_not_called(mesh: Mesh) -> None:
    node = mesh.pods("cars-v2")[0]["spec"]["nodeName"]
    others = [pod for name in ("client", "cars-v1") for pod in mesh.pods(name) if pod["spec"]["nodeName"] != node]
    mesh.bed.set_faults({"pods": {"gone": [node], "unready_after": 1}})
    until(lambda: not says_ready(mesh.pods("cars-v2")[0]), what="a pod that is not ready")
    assert all(says_ready(pod) for pod in others)
    mesh.bed.set_faults({})
    mesh.ready("cars-v2")


@pytest.mark.long
def test_late_and_lost_packets_between_nodes_are_seen_by_who_calls_across(mesh: Mesh) -> None:
    home = mesh.pods("client")[0]["spec"]["nodeName"]
    cars = [pod for name in ("cars-v1", "cars-v2") for pod in mesh.pods(name)]
    nodes = {f"shop/{pod['metadata']['name']}": pod["spec"]["nodeName"] for pod in cars}
    far = {pod for pod, node in nodes.items() if node != home}
    assert far, nodes
    late = 0.2
    mesh.bed.set_faults({"pods": {"delay": [{"seconds": late, "from": home}]}})
    with Calls(mesh.bed, "http://cars:8000/", source="shop/client", rate=20, workers=8) as calls:
        until(lambda: any(answer.took >= late for answer in calls.answers[-10:]), what="a late answer")
        begin = calls.wait(60)
    assert calls.failed() == []
    assert {answer.pod for answer in calls.answers[begin:]} == set(nodes)
    took = {pod: [answer.took for answer in calls.answers[begin:] if answer.pod == pod] for pod in nodes}
    # A busy machine makes everybody slow, and nobody quick.
    assert {pod for pod in nodes if min(took[pod]) >= late} == far, took
    mesh.bed.set_faults({"pods": {"loss": [{"percent": 30, "from": home}]}})
    with Calls(mesh.bed, "http://cars:8000/", source="shop/client", rate=20, workers=8, timeout=20) as calls:
        # what is lost is sent again after 0.2 s and more
        until(lambda: sum(answer.took > late and answer.pod in far for answer in calls.answers) > 3, what="answers that took a second try")
        assert {answer.status for answer in calls.answers} == {200}


@pytest.mark.long
def test_a_slow_application_runs_into_the_timeout_of_the_route(mesh: Mesh) -> None:
    route = {"route": [{"destination": {"host": "cars"}}], "timeout": "0.5s", "retries": {"attempts": 0}}
    meta = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "cars"}}
    mesh.bed.set_faults({"pods": {"slow": {"shop/cars-v2": {"seconds": 1}}}})
    with Calls(mesh.bed, "http://cars:8000/", source="shop/client", rate=20, workers=8) as calls:
        until(lambda: any(answer.version == "v2" and answer.took >= 1 for answer in calls.answers), what="a slow answer")
        assert calls.failed() == []
        mesh.apply({**meta, "spec": {"hosts": ["cars"], "http": [route]}})
        try:
            until(lambda: calls.by_status()[504], what="the route's timeout")
            calls.wait(60)  # those that were on their way had no timeout yet
            begin = calls.wait(40)
            assert calls.by_status(begin).keys() == {200, 504} and calls.by_version(begin).keys() == {"v1"}
            assert all(0.5 <= answer.took < 1 for answer in calls.answers[begin:] if answer.status == 504)
        finally:
            mesh.bed.kubectl("delete", "virtualservice/cars", "-n", "shop")


@pytest.mark.long
def test_while_istiod_is_away_calls_go_on_and_nothing_new_comes(mesh: Mesh) -> None:
    fault = {"route": [{"destination": {"host": "cars"}}], "fault": {"abort": {"httpStatus": 418, "percentage": {"value": 100}}}}
    route = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "cars", "namespace": "shop"},
        "spec": {"hosts": ["cars"], "http": [fault]},
    }
    until(lambda: not mesh.bed.kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(route)).returncode, what="its webhook")
    mesh.bed.set_faults({"istiod": {"down": True}})
    path = "/api/v1/namespaces/istio-system/pods"
    until(lambda: not any(map(says_ready, mesh.bed.api.get(path)["items"])), what="an istiod that is not ready")
    with Calls(mesh.bed, "http://cars:8000/", source="shop/client", rate=50) as calls:
        for done, webhook in (
            (mesh.bed.kubectl("apply", "-f", "-", stdin=json.dumps(route)), "validation.istio.io"),
            (mesh.bed.kubectl("run", "late", "-n", "shop", "--image=example.com/app:1"), "sidecar-injector.istio.io"),
        ):
            assert done.returncode != 0 and webhook in done.stderr, done.stderr
        calls.wait(200)
        assert calls.by_status().keys() == {200}, "proxies go on by what they know"
        mesh.bed.set_faults({})
        until(lambda: not mesh.bed.kubectl("apply", "-f", "-", stdin=json.dumps(route)).returncode, what="the webhook again")
        until(lambda: calls.by_status()[418], what="the change, now that istiod is back")
        mesh.bed.kubectl("delete", "virtualservice/cars", "-n", "shop")
        until(lambda: calls.by_status(calls.wait(20)).keys() == {200}, what="the change taken back")
    assert calls.failed() == []


@pytest.mark.long
def test_a_gateway_whose_node_is_gone_is_left_out(mesh: Mesh) -> None:
    """Who is on the way to it waits for nothing until the node counts as lost, and the other gateway has all of them afterwards."""
    mesh.bed.kubectl("scale", "deployment/gate", "-n", "shop", "--replicas=2")
    mesh.ready("gate", 2)
    gone, kept = sorted(mesh.pods("gate"), key=lambda pod: str(pod["spec"]["nodeName"]))
    assert gone["spec"]["nodeName"] != kept["spec"]["nodeName"]
    away = gone["spec"]["nodeName"]
    # who answers stays: it is about the gateway
    mesh.bed.kubectl("cordon", away)
    for pod in [one for name in ("cars-v1", "cars-v2") for one in mesh.pods(name) if one["spec"]["nodeName"] == away]:
        mesh.bed.kubectl("delete", "pod", pod["metadata"]["name"], "-n", "shop")
    mesh.ready("cars-v1", 2)
    mesh.ready("cars-v2")
    address, lasting = _address(mesh, "gate"), {"keep_alive": False, "timeout": 2}
    try:
        with Calls(mesh.bed, "http://cars.example.com/", to=address, rate=20, workers=8, **lasting) as calls:
            until(lambda: calls.by_status(calls.wait(20)).keys() == {200}, what="calls through both gateways")
            mesh.bed.set_faults({"pods": {"gone": [away], "unready_after": 3}})
            until(lambda: calls.by_status()[0], what="a call that gets no answer")
            until(lambda: not says_ready(mesh.pods("gate")[0]) or not says_ready(mesh.pods("gate")[1]), what="a gateway that is not ready")
            until(lambda: calls.by_status(calls.wait(20)).keys() == {200}, what="calls through the other one")
            begin = calls.wait(60)
            assert calls.by_status(begin).keys() == {200}
            mesh.bed.set_faults({})
            mesh.ready("gate", 2)
            calls.wait(60)
            assert calls.failed(begin) == []
    finally:
        mesh.bed.kubectl("uncordon", away)
        mesh.bed.kubectl("scale", "deployment/gate", "-n", "shop", "--replicas=1")


class _Partner(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "8")
        self.end_headers()
        self.wfile.write(b"partner\n")

    def log_message(self, *_said: object) -> None:
        """Nobody reads it."""


@pytest.mark.long
def test_a_server_outside_has_a_name_and_is_reached_where_the_mesh_lets_it(mesh: Mesh) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Partner)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    mesh.bed.set_outside({"api.partner.example.com:80": f"127.0.0.1:{server.server_address[1]}"})
    sidecar = {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": {"name": "known-only"}}
    host = {"hosts": ["api.partner.example.com"], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}], "resolution": "DNS"}
    entry = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "partner"},
        "spec": {**host, "location": "MESH_EXTERNAL"},
    }
    url = "http://api.partner.example.com/"
    try:
        until(lambda: call(mesh, "client", url) == "200", what="the partner's answer")
        mesh.apply({**sidecar, "spec": {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}})
        # Envoy answers where the mesh has HTTP on that port, else it closes the connection.
        until(lambda: call(mesh, "client", url) in ("502", "000"), what="a refusal of what is not in the registry")
        mesh.apply(entry)
        until(lambda: call(mesh, "client", url) == "200", what="the partner's answer, now that it is registered")
    finally:
        mesh.bed.kubectl("delete", "sidecar/known-only", "serviceentry/partner", "-n", "shop", "--ignore-not-found")
        server.shutdown()


@pytest.mark.long
def test_a_data_plane_that_was_killed_comes_back_and_nothing_is_left_of_a_stopped_one(mesh: Mesh) -> None:
    """The last one: it stops the bed."""
    tag = leavings.tag_of(mesh.bed.dir.resolve())
    mesh.bed.kill("pods")
    mesh.bed.restart("pods")
    mesh.ready("cars-v1", 2)
    until(lambda: call(mesh, "client", "http://cars:8000/") == "200", what="a call that works again")
    assert netns.leftovers(tag)
    mesh.bed.stop()
    assert netns.leftovers(tag) == []
    assert not leavings.root_of(tag).exists()
