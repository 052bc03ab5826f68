# SPDX-License-Identifier: GPL-3.0-or-later
"""A bed's API server behind a small proxy whose Date is wrong: what a control node with a wrong clock sees."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import urllib3
import yaml
from testbed import Bed

__all__ = ["skewed"]

_DROPPED = {"date", "connection", "transfer-encoding", "content-length", "content-encoding", "host", "accept-encoding"}


def _pool(kubeconfig: Path, folder: Path) -> tuple[urllib3.PoolManager, str]:
    """Connections with the login of a kubeconfig."""
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]

    def part(source: dict[str, Any], name: str) -> str:
        if name in source:
            return str(source[name])
        path = folder / name
        path.write_bytes(base64.b64decode(source[f"{name}-data"]))
        path.chmod(0o600)
        return str(path)

    pool = urllib3.PoolManager(
        maxsize=16,
        ca_certs=part(cluster, "certificate-authority"),
        cert_file=part(user, "client-certificate"),
        key_file=part(user, "client-key"),
    )
    return pool, cluster["server"]


@contextmanager
def skewed(bed: Bed, folder: Path, seconds: float, *, kubeconfig: Path | None = None) -> Iterator[Path]:
    """A kubeconfig by which the cluster's clock is ahead of ours by so many seconds."""
    pool, server = _pool(kubeconfig or bed.kubeconfig, folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("content-length") or 0)) or None
            headers = {name: value for name, value in self.headers.items() if name.lower() not in {*_DROPPED, "authorization"}}
            answer = pool.request(self.command, server + self.path, body=body, headers=headers, redirect=False, retries=False)
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in _DROPPED:
                    self.send_header(name, value)
            stamp = parsedate_to_datetime(answer.headers["date"]) + timedelta(seconds=seconds)
            self.send_header("date", format_datetime(stamp, usegmt=True))
            self.send_header("content-length", str(len(answer.data)))
            self.end_headers()
            self.wfile.write(answer.data)

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy.daemon_threads = True
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    path = folder / f"kubeconfig-{seconds:g}"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "users": [{"name": "u", "user": {"token": "unused"}}],
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{proxy.server_port}"}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            }
        ),
        encoding="utf-8",
    )
    path.chmod(0o600)
    try:
        yield path
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join(5)
