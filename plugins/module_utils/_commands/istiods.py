# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Asks each istiod for the certificate that proxies get from it on port 15012, by a TLS handshake through the API server's port-forward."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .._certificates.endpoint import chain_of, looking_context, meaning_of
from .._certificates.source import Source
from .._errors import FetchError
from .._kube.auth import Dialer
from .._kube.client import Cluster
from .._kube.forward import STREAM_ERRORS, Forward, forwarded, refusal, silence

__all__ = ["PORT", "istiod_pods", "read_istiods", "service_of"]

PORT = 15012
_CHUNK = 65536


def istiod_pods(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    """The pods of a control plane that run, whichever product made them."""
    return [pod for pod in cluster.list("v1", "Pod", namespace=namespace) if _is_istiod(pod)]


def _is_istiod(pod: Mapping[str, Any]) -> bool:
    metadata, phase = pod["metadata"], (pod.get("status") or {}).get("phase")
    app = str((metadata.get("labels") or {}).get("app") or "")
    return app.startswith("istiod") and phase == "Running" and not metadata.get("deletionTimestamp")


def service_of(pod: Mapping[str, Any]) -> str:
    """The host by which proxies know this istiod: that of its revision, or of its ServiceMeshControlPlane."""
    labels = pod["metadata"].get("labels") or {}
    revision = str(labels.get("istio.io/rev") or "default")
    name = "istiod" if revision == "default" else f"istiod-{revision}"
    return f"{name}.{pod['metadata']['namespace']}.svc"


@contextmanager
def _opened(dialer: Dialer, namespace: str, pod: str, timeout: float, clock: Callable[[], float]) -> Iterator[Forward]:
    deadline = clock() + timeout
    try:
        stream = dialer.open(*forwarded(namespace, pod, PORT), timeout)
    except STREAM_ERRORS as exc:
        raise FetchError(refusal(exc, timeout)) from exc
    try:
        yield Forward(stream, deadline, clock)
    except STREAM_ERRORS as exc:
        raise FetchError(silence(exc, timeout)) from exc
    finally:
        stream.shutdown()


def _handshake(forward: Forward, server_name: str) -> bytes:
    """The chain that was handed over, in PEM."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = looking_context().wrap_bio(incoming, outgoing, server_hostname=server_name)
    buffer = bytearray(_CHUNK)
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            forward.send(outgoing.read())
            size = forward.readinto(buffer)
            if not size:
                raise FetchError("it closed the connection during the handshake") from None
            incoming.write(bytes(buffer[:size]))
        except ssl.SSLError as exc:
            raise FetchError(meaning_of(exc)) from exc
        else:
            return chain_of(tls)


def read_istiods(
    dialer: Dialer,
    pods: Sequence[Mapping[str, Any]],
    roots: Mapping[str, bytes],
    *,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
) -> list[Source]:
    """One source for each pod. roots: by namespace, what its workloads trust. Whoever is silent is named."""
    found = []
    for pod in pods:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        resource, host = f"Pod {namespace}/{name} port {PORT}", service_of(pod)
        try:
            with _opened(dialer, namespace, name, timeout, clock) as forward:
                chain = _handshake(forward, host)
        except FetchError as exc:
            found.append(Source(resource, "server", endpoint={"error": str(exc), "stage": "connect"}))
            continue
        found.append(Source(resource, "server", certificate=chain, roots=roots.get(namespace), hosts=(host,)))
    return found
