# SPDX-License-Identifier: GPL-3.0-or-later
"""What an istiod serves on port 15012: TLS with a certificate of its own CA, behind the port-forward of each of its pods.

It answers the handshake and nothing more. A new CA shows here as soon as istiod has taken it, as in a real one.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from typing import Any

from .. import kubelet
from .base import ApiError, Kube
from .certificates import Authority, server_context

__all__ = ["PORT", "serve"]

Obj = dict[str, Any]
PORT = 15012


class _Server:
    """Of one control plane's namespace."""

    def __init__(self) -> None:
        self.authority: Authority | None = None
        self.context: Any = None
        self.port = 0
        self.server: asyncio.Server | None = None

    async def take(self, authority: Authority, names: tuple[str, ...]) -> None:
        """A certificate of this CA from now on."""
        if authority == self.authority:
            return
        cert, key = authority.leaf(*names)
        if self.context is None:
            self.context = server_context(cert, key)
            self.server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self.context)
            self.port = int(self.server.sockets[0].getsockname()[1])
        else:
            with tempfile.NamedTemporaryFile(suffix=".pem", delete=False) as handle:
                handle.write(key + cert)
            try:
                self.context.load_cert_chain(handle.name)
            finally:
                os.unlink(handle.name)
        self.authority = authority

    @staticmethod
    async def _answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()


_SERVERS: dict[tuple[str, str], _Server] = {}


async def serve(kube: Kube, bed: Obj, namespace: str, authority: Authority) -> None:
    """The pods of istiod in namespace serve a certificate of authority; nothing on a bed whose pods have no port-forward."""
    if not await kube.serves(kubelet.API, "PortForward"):
        return
    server = _SERVERS.setdefault((bed["dir"], namespace), _Server())
    pods = [pod for pod in await kube.list("v1", "Pod", namespace) if _is_istiod(pod)]
    revisions = {str((pod["metadata"].get("labels") or {}).get("istio.io/rev") or "default") for pod in pods}
    names = sorted({"istiod", *(f"istiod-{revision}" for revision in revisions if revision != "default")})
    await server.take(authority, tuple(f"{name}.{namespace}.svc" for name in names))
    for pod in pods:
        try:
            await kube.apply(kubelet.forward_of(pod["metadata"], {PORT: server.port}))
        except ApiError as error:
            if error.status not in (403, 404):  # its namespace goes
                raise


def _is_istiod(pod: Obj) -> bool:
    meta = pod["metadata"]
    return str((meta.get("labels") or {}).get("app") or "").startswith("istiod") and "deletionTimestamp" not in meta
