# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Asks TLS endpoints for their certificates, many at a time and each in bounded time. Trusts nobody: judging comes later."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .._model.clock import clock_text, utc_now

__all__ = ["Endpoint", "Handshake", "chain_of", "looking_context", "meaning_of", "probe", "probe_all"]

_WORKERS = 32
_ALERT_PAUSE = 0.3  # how long a TLS 1.3 server may take to refuse a client certificate after the handshake
# OpenSSL's reasons, and what they mean to whoever runs a mesh
_MEANINGS = {
    "CERTIFICATE_REQUIRED": "it wants a client certificate; give client_certificate and client_key",
    "UNKNOWN_CA": "it does not know the CA of our client certificate",
    "BAD_CERTIFICATE": "it refuses our client certificate",
    "CERTIFICATE_EXPIRED": "our client certificate is expired",
    "CERTIFICATE_UNKNOWN": "it refuses our client certificate",
    "ACCESS_DENIED": "it denies access to our client certificate",
    "UNRECOGNIZED_NAME": "it knows no certificate for this server name (sni)",
    "NO_APPLICATION_PROTOCOL": "it speaks none of the wanted protocols (alpn)",
    "WRONG_VERSION_NUMBER": "it does not speak TLS on this port",
    "HTTP_REQUEST": "it speaks plain HTTP on this port",
    "PROTOCOL_VERSION": "it speaks no version of TLS from 1.2 on",
    "HANDSHAKE_FAILURE": "it refuses the handshake: no common cipher, or it wants a client certificate",
    "UNEXPECTED_EOF": "it closed the connection during the handshake: it may have no certificate for this server name (sni)",
}


# X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_DATES = (9, 10)


@dataclass(frozen=True)
class Endpoint:
    """Whom to ask, and how."""

    host: str
    port: int
    sni: str = ""
    alpn: tuple[str, ...] = ()
    client_certificate: str = ""
    client_key: str = ""
    client_passphrase: str = ""

    @property
    def ref(self) -> str:
        """How messages name it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"Endpoint {host}:{self.port}" + (f" ({self.sni})" if self.sni and self.sni != self.host else "")


@dataclass(frozen=True)
class Handshake:
    """The chain as it was handed over, in PEM, or the reason why there is none."""

    chain: bytes = b""
    alpn: str | None = None
    tls: str = ""
    error: str = ""
    stage: str = ""


def looking_context() -> ssl.SSLContext:
    """For a handshake that only looks: whatever it shows, the checks judge it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # a weak certificate shall be seen, not hidden by a failed handshake
    return context


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    context = looking_context()
    if endpoint.alpn:
        context.set_alpn_protocols(list(endpoint.alpn))
    if endpoint.client_certificate:
        password = endpoint.client_passphrase or None
        context.load_cert_chain(endpoint.client_certificate, endpoint.client_key or None, password=lambda: password or "")
    return context


def chain_of(sock: ssl.SSLSocket | ssl.SSLObject) -> bytes:
    """All certificates that were handed over; before Python 3.13 the way to them has no public name."""
    public = getattr(sock, "get_unverified_chain", None)
    if public is not None:
        return "".join(ssl.DER_cert_to_PEM_cert(item) for item in public() or ()).encode()
    inner: Any = getattr(sock, "_sslobj", None)
    if hasattr(inner, "get_unverified_chain"):
        return "".join(item.public_bytes() for item in inner.get_unverified_chain() or ()).encode()
    own = sock.getpeercert(binary_form=True)
    return ssl.DER_cert_to_PEM_cert(own).encode() if own else b""


def meaning_of(exc: ssl.SSLError) -> str:
    """OpenSSL's reason for whoever runs a mesh."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        said = str(getattr(exc, "verify_message", "") or exc)
        clock = getattr(exc, "verify_code", 0) in _DATES
        when = f"; the clock of this control node says {clock_text(utc_now())}, compare it with the cluster's" if clock else ""
        return f"its certificate is not trusted: {said}{when}"
    reason = exc.reason or str(exc)
    known = next((text for word, text in _MEANINGS.items() if word in reason), "")
    return f"{known} ({reason})" if known else f"the handshake failed: {reason}"


def _late_refusal(sock: ssl.SSLSocket) -> None:
    """With TLS 1.3 a server refuses the client's certificate only after the handshake: wait a moment for that."""
    sock.settimeout(_ALERT_PAUSE)
    try:
        sock.recv(1)
    except TimeoutError:
        return  # it waits for a request, so it took us


def probe(endpoint: Endpoint, timeout: float) -> Handshake:
    """One handshake."""
    deadline = time.monotonic() + timeout
    try:
        context = _context(endpoint)
    except (OSError, ValueError) as exc:
        return Handshake(error=f"our client certificate {endpoint.client_certificate} cannot be used: {exc}", stage="handshake")
    try:
        raw = socket.create_connection((endpoint.host, endpoint.port), timeout=timeout)
    except socket.gaierror as exc:
        return Handshake(error=f"the name {endpoint.host} cannot be resolved: {exc.strerror}", stage="connect")
    except TimeoutError:
        return Handshake(error=f"no answer within {timeout:g} s", stage="connect")
    except OSError as exc:
        return Handshake(error=f"no connection: {exc.strerror or exc}", stage="connect")
    with raw:
        raw.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            with context.wrap_socket(raw, server_hostname=_server_name(endpoint)) as sock:
                chain, alpn, version = chain_of(sock), sock.selected_alpn_protocol(), sock.version() or ""
                _late_refusal(sock)
                return Handshake(chain, alpn, version)
        except ssl.SSLError as exc:
            return Handshake(error=meaning_of(exc), stage="handshake")
        except TimeoutError:
            return Handshake(error=f"it accepted the connection, and did not finish the handshake within {timeout:g} s", stage="connect")
        except OSError as exc:
            return Handshake(error=f"{_MEANINGS['UNEXPECTED_EOF']} ({exc.strerror or exc})", stage="handshake")


def _server_name(endpoint: Endpoint) -> str | None:
    if endpoint.sni:
        return endpoint.sni
    try:
        ipaddress.ip_address(endpoint.host)
    except ValueError:
        return endpoint.host
    return None  # an address is no server name


def probe_all(endpoints: Sequence[Endpoint], timeout: float) -> list[Handshake]:
    """All of them, in their order. One that hangs, in whatever call, costs its time only once and holds nobody up."""
    answers: dict[int, Handshake] = {}
    lock = threading.Lock()
    todo: Iterable[tuple[int, Endpoint]] = iter(enumerate(endpoints))

    def work() -> None:
        while True:
            with lock:
                item = next(todo, None)  # type: ignore[call-overload]
            if item is None:
                return
            answers[item[0]] = probe(item[1], timeout)

    # daemon threads: a name server that never answers must not keep the process alive
    threads = [threading.Thread(target=work, daemon=True) for _number in range(min(_WORKERS, len(endpoints)))]
    for thread in threads:
        thread.start()
    rounds = -(-len(endpoints) // _WORKERS)
    deadline = time.monotonic() + rounds * (timeout * 2 + _ALERT_PAUSE) + 1
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = Handshake(error=f"no answer within {timeout:g} s", stage="connect")
    return [answers.get(number, late) for number in range(len(endpoints))]
