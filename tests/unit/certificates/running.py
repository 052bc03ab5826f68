# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module's main() with arguments, as Ansible would, and gives its result."""

from __future__ import annotations

import json
import os
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from .material import Made


def run(module: Any, arguments: dict[str, Any], capsys: pytest.CaptureFixture[str], *, check: bool = False) -> dict[str, Any]:
    """The result; `failed` is in it."""
    with patch_module_args({**arguments, "_ansible_check_mode": check, "_ansible_diff": True}):
        with pytest.raises(SystemExit):
            module.main()
    out = capsys.readouterr().out
    return json.loads(out[out.index("{") :])


@contextmanager
def served(
    chain: str, made: Made, *, clients: str = "", alpn: tuple[str, ...] = (), silent: bool = False, plain: bool = False
) -> Iterator[int]:
    """A TLS server on a free port: with a CA for `clients` it wants a certificate; `silent` accepts and says nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as handle:
        handle.write(made.key_pem() + chain)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(handle.name)
    os.unlink(handle.name)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients)
    listener = create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    stop = threading.Event()
    held = []

    def serve() -> None:
        while not stop.is_set():
            with suppress(OSError):
                raw, _peer = listener.accept()
                held.append(raw)
                if silent:
                    continue
                if plain:
                    raw.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    continue
                raw.settimeout(5)
                with suppress(OSError):
                    held.append(context.wrap_socket(raw, server_side=True))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        thread.join(2)
        for sock in (*held, listener):
            with suppress(OSError):
                sock.close()


def write(folder: Path, **files: str | bytes) -> dict[str, str]:
    """Files by their name without suffix."""
    paths = {}
    for name, text in files.items():
        path = folder / f"{name}.pem"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        paths[name] = str(path)
    return paths
