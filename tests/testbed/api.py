# SPDX-License-Identifier: GPL-3.0-or-later
"""A small synchronous client: JSON in, JSON out, with the bed's administrator certificate."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import urllib.parse
from pathlib import Path
from typing import Any

from .errors import BedError

__all__ = ["Api", "ApiStatus"]


class ApiStatus(BedError):
    """The API answered with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """One connection per thread, kept open."""

    def __init__(self, server: str, ca: Path, cert: Path, key: Path, timeout: float = 60.0) -> None:
        self._host = urllib.parse.urlsplit(server).netloc
        self._timeout = timeout
        self._tls = ssl.create_default_context(cafile=str(ca))
        self._tls.load_cert_chain(str(cert), str(key))
        self._local = threading.local()

    def _connection(self) -> http.client.HTTPSConnection:
        found: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        if found is None:
            found = http.client.HTTPSConnection(self._host, context=self._tls, timeout=self._timeout)
            self._local.connection = found
        return found

    def request(self, method: str, path: str, body: Any = None, content: str = "application/json") -> Any:
        """Raises ApiStatus for an error status, OSError when there is no answer."""
        connection = self._connection()
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": content, "Accept": "application/json"})
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise OSError(f"{method} {path}: {error}") from error
        if response.status >= 400:
            try:
                message = str(json.loads(text)["message"])
            except (ValueError, KeyError, TypeError):
                message = text
            raise ApiStatus(response.status, message)
        try:
            return json.loads(text) if text else None
        except ValueError:
            return text

    def get(self, path: str) -> Any:
        return self.request("GET", path)

    def create(self, path: str, obj: dict[str, Any]) -> Any:
        return self.request("POST", path, obj)

    def ensure(self, path: str, obj: dict[str, Any]) -> Any:
        """Creates; an object that is there already stays as it is."""
        try:
            return self.create(path, obj)
        except ApiStatus as error:
            if error.status != 409:
                raise
            return self.get(f"{path}/{obj['metadata']['name']}")
