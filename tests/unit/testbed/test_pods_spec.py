# SPDX-License-Identifier: GPL-3.0-or-later
"""What the data plane `pods` reads of a pod: its proxy, environment, chain of calls, and what is written into its status."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from testbed.pods import chains, redis, spans, spec, status
from testbed.pods.wire import member, number

Obj = dict[str, Any]
NOW = "2026-11-30T12:00:00Z"
INIT = {"name": "istio-init", "args": ["istio-iptables", "-p", "15001"]}
CHECK = {"name": "istio-validation", "args": ["istio-iptables", "-p", "15001", "--run-validation", "--skip-rule-apply"]}
PROXY = {"name": "istio-proxy", "args": ["proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local"]}
APP = {"name": "app", "ports": [{"containerPort": 8000}, {"containerPort": 53, "protocol": "UDP"}]}


def pod(*containers: Obj, init: tuple[Obj, ...] = (), labels: dict[str, str] | None = None, **meta: Any) -> Obj:
    owner = {"kind": "ReplicaSet", "name": "cars-v1-5d8"}
    known = {"pod-template-hash": "5d8", "app": "cars", "version": "v1", **(labels or {})}
    return {
        "metadata": {"name": "cars-v1-5d8-x", "namespace": "shop", "uid": "u", "labels": known, "ownerReferences": [owner], **meta},
        "spec": {"containers": list(containers), "initContainers": list(init), "nodeName": "node-1", "serviceAccountName": "cars"},
        "status": {"phase": "Running", "podIP": "10.1.0.1", "hostIP": "127.0.0.1"},
    }


@pytest.mark.parametrize(
    ("found", "proxied", "held", "captured"),
    [
        (pod(APP), False, False, None),
        (pod(APP, PROXY, init=(INIT,)), True, True, ["istio-iptables", "-p", "15001"]),
        (pod(APP, PROXY, init=(CHECK,)), True, True, ["istio-iptables", "-p", "15001"]),
        (pod(APP, init=(INIT, {**PROXY, "restartPolicy": "Always"})), True, True, ["istio-iptables", "-p", "15001"]),
        (pod({**PROXY, "args": ["proxy", "router"]}), True, True, None),
        (pod({**PROXY, "args": ["proxy", "ztunnel"]}), False, True, None),
    ],
    ids=["none", "sidecar", "cni", "native", "gateway", "ztunnel"],
)
def test_the_proxy_of_a_pod(found: Obj, proxied: bool, held: bool, captured: list[str] | None) -> None:
    assert (spec.proxy_container(found) is not None) == proxied
    assert spec.held(found) == held
    assert spec.capture_arguments(found) == captured


@pytest.mark.parametrize(
    ("found", "served"),
    [
        (pod(APP), True),
        ({**pod(APP), "status": {"phase": "Pending"}}, False),
        ({**pod(APP), "status": {"phase": "Succeeded", "podIP": "10.1.0.1"}}, False),
        (pod(APP, labels={"app": "istiod"}), False),
        (pod(APP, namespace="openshift-operators"), False),
        (pod(APP, namespace="openshiftish"), True),
    ],
    ids=["runs", "pending", "done", "istiod", "operators", "other-name"],
)
def test_which_pods_are_run(found: Obj, served: bool) -> None:
    assert spec.served(found) == served
    found["spec"]["hostNetwork"] = True
    assert not spec.served(found)


def test_the_environment_of_a_container() -> None:
    rows = [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "INSTANCE_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "ACCOUNT", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "mode"}}},
        {"name": "URL", "value": "http://$(APP).$(UNKNOWN)/"},
    ]
    found = pod({**APP, "env": rows})
    env = spec.environment(found, found["spec"]["containers"][0], {"c": {"mode": "fast"}})
    assert env == {
        "POD_NAME": "cars-v1-5d8-x",
        "INSTANCE_IP": "10.1.0.1",
        "ACCOUNT": "cars",
        "APP": "cars",
        "CPUS": "1",
        "MODE": "fast",
        "URL": "http://cars.$(UNKNOWN)/",
    }
    assert spec.arguments(found, PROXY, {"POD_NAMESPACE": "shop"})[-1] == "shop.svc.cluster.local"
    assert json.loads(spec.proxy_config({"PROXY_CONFIG": '{"drainDuration": "5s"}'}, "/e")) == {
        "drainDuration": "5s",
        "binaryPath": "/e",
        "concurrency": 1,
    }


def test_a_proxy_says_the_version_of_its_image() -> None:
    assert spec.image_version("registry.example.com:5000/istio/proxyv2:1.28.10") == "1.28.10"
    assert spec.image_version("istio/proxyv2:v1.28.10-distroless") == "1.28.10"
    assert [spec.image_version(one) for one in ("auto", "proxyv2:latest", "example.com:5000/proxyv2", "proxyv2@sha256:1.2.3")] == [""] * 4


def test_ports_and_identity() -> None:
    found = pod(APP, {**PROXY, "ports": [{"containerPort": 15090}]})
    assert spec.ports(found) == [8000]
    services = [
        {"metadata": {"namespace": space}, "spec": {"selector": {"app": app}, "ports": [{"port": 80, "targetPort": port}]}}
        for space, app, port in (
            ("shop", "cars", 9000),
            ("shop", "cars", "http"),
            ("bank", "cars", 1),
            ("shop", "portal", 2),
            ("shop", "cars", 15090),
        )
    ]
    assert spec.ports(found, services) == [8000, 9000]
    gateway = pod({**PROXY, "ports": [{"containerPort": 15090}]})
    assert spec.ports(gateway, services) == [], "its ports are the proxy's"
    assert set(spec.forwarded(gateway, services)) == {9000, *spec.PROXY_PORTS}, "and a port-forward leads to what Services lead to"
    assert spec.identity(found, "c1") == spec.Identity("cars-v1", "shop", "cars", "v1", "cars", "v1", "c1", "cars")
    bare = {**pod(APP), "metadata": {"name": "client", "namespace": "shop"}}
    assert spec.identity(bare).workload == "client"
    assert spec.identity(bare).version == "latest"


def app(env: dict[str, str], **labels: str) -> Obj:
    return pod({**APP, "env": [{"name": name, "value": value} for name, value in env.items()]}, labels=labels)


@pytest.mark.parametrize(
    ("found", "calls"),
    [
        (app({}), []),
        (app({"CARS_SERVICE": "http://cars.agency:8000", "COLOR": "blue"}), ["http://cars.agency:8000"]),
        (app({"JAEGER_URL": "http://jaeger:14268"}), []),
        (app({}, app="productpage"), ["http://details:9080/details/0", "http://reviews:9080/reviews/0"]),
        (app({}, app="reviews", version="v1"), []),
        (app({}, app="reviews", version="v3"), ["http://ratings:9080/ratings/0"]),
        (app({"SERVICES_DOMAIN": "book"}, app="reviews", version="v2"), ["http://ratings.book:9080/ratings/0"]),
        (app({}, app="guestbook"), [f"redis://redis-{name}:6379" for name in ("master", "slave", "leader", "follower")]),
    ],
    ids=["nobody", "env", "tracing", "productpage", "reviews-v1", "reviews-v3", "domain", "guestbook"],
)
def test_whom_an_application_calls(found: Obj, calls: list[str]) -> None:
    made, said = chains.of_pod(found)
    assert [f"{call.scheme}://{call.name}{call.path}" for call in made] == calls
    assert not said


def test_an_annotation_says_whom_it_calls() -> None:
    found = app({"CARS_SERVICE": "http://cars:8000"}, app="productpage")
    found["metadata"]["annotations"] = {chains.CALLS: "http://a/x?y=1, redis://b"}
    assert chains.of_pod(found) == ([chains.Call("http", "a", 80, "/x?y=1"), chains.Call("redis", "b", 6379)], True)
    found["metadata"]["annotations"] = {chains.CALLS: "none"}
    assert chains.of_pod(found) == ([], True)


@pytest.mark.parametrize(
    ("path", "on"),
    [
        ("/", True),
        ("/headers", False),
        ("/headers?x", False),
        ("/headersets", True),
        ("/status/503", False),
        ("/productpage", True),
        ("/health", False),
    ],
)
def test_requests_about_itself_call_nobody(path: str, on: bool) -> None:
    assert chains.calls_on(path) == on


def test_headers_of_routes_and_traces_are_passed_on_and_no_others() -> None:
    sent = {
        "end-user": "jason",
        "x-b3-traceid": "1",
        "traceparent": "2",
        "cookie": "c",
        "host": "a",
        "content-length": "3",
        "x-forwarded-for": "b",
    }
    assert chains.passed_on(sent) == {"end-user": "jason", "x-b3-traceid": "1", "traceparent": "2", "cookie": "c"}


@pytest.mark.parametrize(
    ("host", "path", "command"),
    [
        ("redis-master", "/rpush/guestbook/hello", ["RPUSH", "guestbook", "hello"]),
        ("redis-slave", "/rpush/guestbook/hello", None),
        ("redis-slave.shop", "/lrange/other", ["LRANGE", "other", "-100", "100"]),
        ("redis-leader", "/", None),
        ("redis-follower", "/", ["LRANGE", "guestbook", "-100", "100"]),
        ("cache", "/", ["LRANGE", "guestbook", "-100", "100"]),
    ],
)
def test_what_a_guestbook_asks_of_its_stores(host: str, path: str, command: list[str] | None) -> None:
    assert chains.redis_command(chains.Call("redis", host, 6379), path) == command


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"PING\r\n", b"+PONG\r\n"),
        (b"*1\r\n$4\r\nping\r\n", b"+PONG\r\n"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n\xc3\xa4\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "+OK\r\n$2\r\nä\r\n".encode()),
        (
            b"RPUSH l 1 2\r\nLPUSH l 0\r\nLRANGE l 0 -1\r\nLRANGE l -2 -1\r\n",
            b":2\r\n:3\r\n*3\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n",
        ),
        (b"GET nothing\r\nDEL nothing\r\n", b"$-1\r\n:0\r\n"),
        (b"SET a\r\n", b"-ERR wrong arguments for 'SET'\r\n"),
        (b"*1\r\n$5\r\nBLAHH\r\n", b"-ERR unknown command 'BLAHH'\r\n"),
        (b"\x16\x03 something else", b"\x16\x03 something else\n"),
    ],
    ids=["ping", "resp", "set-get", "lists", "nothing", "arguments", "unknown", "echo"],
)
def test_redis_and_echo(sent: bytes, answered: bytes) -> None:
    async def talk() -> bytes:
        store: redis.Store = {}

        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await redis.serve(store, await reader.read(3), reader, writer)  # the first words come in pieces
            writer.close()

        server = await asyncio.start_server(one, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(sent + (b"\n" if sent[0] == 0x16 else b""))
        writer.write_eof()
        got = await asyncio.wait_for(reader.read(-1), 5)
        server.close()
        return got

    assert asyncio.run(talk()) == answered


def told(ready: str, restarts: int = 0) -> Obj:
    found = pod(APP, PROXY)
    found["status"] |= {
        "conditions": [
            {"type": kind, "status": ready, "lastTransitionTime": "then"} for kind in ("Initialized", "ContainersReady", "Ready")
        ],
        "containerStatuses": [
            {"name": name, "ready": True, "restartCount": restarts if name == "istio-proxy" else 0} for name in ("app", "istio-proxy")
        ],
    }
    return found


def test_a_status_is_written_only_when_it_changes() -> None:
    assert status.readiness(told("True"), True, 0, NOW) is None
    assert status.readiness(told("False"), False, 0, NOW) is None
    made = status.readiness(told("False"), True, 0, NOW)
    assert made is not None
    assert {row["type"]: (row["status"], row["lastTransitionTime"]) for row in made["conditions"]} == {
        "Initialized": ("False", "then"),
        "ContainersReady": ("True", NOW),
        "Ready": ("True", NOW),
    }
    again = status.readiness(told("True"), False, 2, NOW, "the node does not answer")
    assert again is not None
    assert again["conditions"][2]["message"] == "the node does not answer"
    app_row, proxy_row = again["containerStatuses"]
    assert app_row == {"name": "app", "ready": True, "restartCount": 0}
    assert (proxy_row["ready"], proxy_row["restartCount"], proxy_row["state"]) == (False, 2, {"running": {"startedAt": NOW}})


def test_spans_of_both_protocols() -> None:
    attribute = member(1, b"service.name") + member(2, member(1, b"cars.shop"))
    tag = member(1, b"http.status_code") + member(2, member(1, b"200"))
    span = member(1, b"\x01\x02") + member(2, b"\x03") + member(4, b"\x05") + member(5, b"cars:8000/*") + number(6, 3) + member(9, tag)
    request = member(1, member(1, member(1, attribute)) + member(2, member(2, span)))
    expected = {"trace": "0102", "span": "03", "parent": "05", "service": "cars.shop", "name": "cars:8000/*", "kind": "CLIENT"}
    assert spans.of_request("/v1/traces", request) == [{**expected, "tags": {"http.status_code": "200"}}]
    row = {
        "traceId": "0102",
        "id": "03",
        "parentId": "05",
        "kind": "CLIENT",
        "name": "cars:8000/*",
        "localEndpoint": {"serviceName": "cars.shop"},
    }
    assert spans.of_request("/api/v2/spans", json.dumps([row]).encode()) == [{**expected, "tags": {}}]
    assert spans.of_request("/headers", b"") is None
