# SPDX-License-Identifier: GPL-3.0-or-later
"""An issuer of tokens for tests: signs them, publishes its keys, and hands one out for a password, as Keycloak does."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

__all__ = ["PASSWORD", "TokenIssuer", "issuing"]

PASSWORD = "of-this-test-only"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass
class TokenIssuer:
    """`issuer`: what the claim iss says."""

    issuer: str
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048))
    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)  # what its tokens say beside that
    asked: list[str] = field(default_factory=list)

    def sign(self, key: rsa.RSAPrivateKey | None = None, **claims: Any) -> str:
        """A token of this issuer, by another's key where one is given; a claim that is `...` is left out."""
        now = int(time.time())
        every = {"iss": self.issuer, "sub": "gtouser", "iat": now, "exp": now + 3600, **self.claims, **claims}
        body = {name: value for name, value in every.items() if value is not ...}
        parts = [_text(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT", "kid": "one"}, body)]
        text = ".".join(parts)
        return f"{text}.{_text((key or self.key).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    @property
    def jwks(self) -> str:
        numbers = self.key.public_key().public_numbers()
        return json.dumps(
            {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "n": _number(numbers.n), "e": _number(numbers.e)}]}
        )


@contextmanager
def issuing(issuer: str) -> Iterator[TokenIssuer]:
    """Serves its keys at /certs and its tokens at /token."""
    made = TokenIssuer(issuer)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, status: int, text: str) -> None:
            made.asked.append(f"{self.command} {self.path}")
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def do_GET(self) -> None:
            self._answer(200, made.jwks) if self.path == "/certs" else self._answer(404, "{}")

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
            good = form.get("username") == ["gtouser"] and form.get("password") == [PASSWORD]
            text = json.dumps({"access_token": made.sign(), "token_type": "Bearer"} if good else {"error": "invalid_grant"})
            self._answer(200 if good else 401, text)

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
