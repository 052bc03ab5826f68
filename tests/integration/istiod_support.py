# SPDX-License-Identifier: GPL-3.0-or-later
"""A real istiod beside an API server, asked as proxies ask it: by its discovery service, and by its dump of what a proxy gets."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
from testbed import Bed, binaries
from testbed.bed import free_ports
from testbed.pods.wire import fields, member

__all__ = ["Istiod", "asked", "running_istiod"]

_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
_TYPES = {
    "clusters": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "listeners": "type.googleapis.com/envoy.config.listener.v3.Listener",
    "routes": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
}
_PATIENCE = 30.0


class Istiod:
    """Where it listens."""

    def __init__(self, discovery: int, http: int) -> None:
        self.discovery, self.http = discovery, http

    def debug(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/debug/{path}", timeout=20) as answer:
            return json.load(answer)

    def ready(self) -> bool:
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{self.http}/ready", timeout=2).status == 200
        return False


@contextlib.contextmanager
def running_istiod(bed: Bed, folder: Path) -> Iterator[Istiod]:
    """It reads the bed's API server, and changes nothing there."""
    ports = free_ports(("grpc", "http", "monitoring"))
    (folder / "mesh.yaml").write_text("outboundTrafficPolicy: {mode: ALLOW_ANY}\n", encoding="utf-8")
    arguments = {
        "kubeconfig": str(bed.kubeconfig), "meshConfig": str(folder / "mesh.yaml"), "httpAddr": f"127.0.0.1:{ports['http']}",
        "grpcAddr": f"127.0.0.1:{ports['grpc']}", "monitoringAddr": f"127.0.0.1:{ports['monitoring']}", "httpsAddr": "",
        "secureGRPCAddr": "", "ctrlz_port": "0", "clusterID": "Kubernetes",
    }  # fmt: skip
    given = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "POD_NAMESPACE": "istio-system", "POD_NAME": "istiod", "REVISION": "default",
        "INJECTION_WEBHOOK_CONFIG_NAME": "", "VALIDATION_WEBHOOK_CONFIG_NAME": "", "PILOT_DEBOUNCE_AFTER": "50ms",
        "PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER": "false", "PILOT_ENABLE_GATEWAY_API_STATUS": "false",
    }  # fmt: skip
    program = [str(binaries.find_istio()["pilot-discovery"]), "discovery", *(f"--{name}={value}" for name, value in arguments.items())]
    with (folder / "istiod.log").open("wb") as log:
        process = subprocess.Popen(program, env=given, cwd=folder, stdout=log, stderr=log)
    found = Istiod(ports["grpc"], ports["http"])
    try:
        _until(found.ready, lambda: f"istiod does not get ready: {(folder / 'istiod.log').read_text(encoding='utf-8')[-2000:]}")
        yield found
    finally:
        process.terminate()
        process.wait(timeout=10)


def _until(holds: Any, why: Any, patience: float = _PATIENCE) -> None:
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(why())
        time.sleep(0.05)


def _text(field: int, value: str) -> bytes:
    return member(field, value.encode())


def _value(value: Any) -> bytes:
    return member(5, _struct(value)) if isinstance(value, Mapping) else _text(3, str(value))


def _struct(values: Mapping[str, Any]) -> bytes:
    return b"".join(member(1, _text(1, key) + member(2, _value(value))) for key, value in values.items())


class _Stream:
    """One proxy's stream to istiod."""

    def __init__(self, istiod: Istiod, ident: str, metadata: Mapping[str, Any]) -> None:
        self._node = member(2, _text(1, ident) + member(3, _struct(metadata)))
        self._requests: queue.Queue[bytes | None] = queue.Queue()
        self._channel = grpc.insecure_channel(f"127.0.0.1:{istiod.discovery}", options=[("grpc.max_receive_message_length", 1 << 27)])
        open_stream = self._channel.stream_stream(_METHOD, request_serializer=bytes, response_deserializer=bytes)
        self._call = open_stream(iter(self._requests.get, None))
        self.seen: set[str] = set()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(grpc.RpcError):
            for message in self._call:
                found = {field: value for field, value, _raw in fields(message)}
                nonce, version, kind = (found.get(field, b"") for field in (5, 1, 4))
                if isinstance(kind, bytes) and isinstance(nonce, bytes) and isinstance(version, bytes):
                    self.seen.add(kind.decode())

    def ask(self, kind: str, names: Sequence[str] = ()) -> None:
        self._requests.put(self._node + b"".join(_text(3, name) for name in names) + _text(4, _TYPES[kind]))
        _until(lambda: _TYPES[kind] in self.seen, lambda: f"istiod does not answer with {kind}")

    def close(self) -> None:
        self._requests.put(None)
        self._call.cancel()
        self._channel.close()


def asked(istiod: Istiod, *, kind: str, name: str, namespace: str, labels: Mapping[str, str], ip: str, routes: Any) -> Any:
    """The dump of what a proxy gets. kind: sidecar or router; routes: makes the names of route configurations of a first dump."""
    ident = f"{kind}~{ip}~{name}.{namespace}~{namespace}.svc.cluster.local"
    metadata = {"NAMESPACE": namespace, "LABELS": dict(labels), "ISTIO_VERSION": "1.31.0", "CLUSTER_ID": "Kubernetes", "INSTANCE_IPS": ip}
    stream = _Stream(istiod, ident, metadata)
    try:
        stream.ask("clusters")
        stream.ask("listeners")
        names = routes(istiod.debug(f"config_dump?proxyID={name}.{namespace}"))
        if names:
            stream.ask("routes", names)
        return istiod.debug(f"config_dump?proxyID={name}.{namespace}")
    finally:
        stream.close()
