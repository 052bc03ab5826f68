# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Requests to one API server: what is waited out, what is an error and of which kind, and whose clock counts."""

from __future__ import annotations

import builtins
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from .._errors import ClockSkew, ConfigError, Conflict, Denied, FetchError, Forbidden, TooManyRequests, Unauthorized, Unreachable
from .._model.clock import TOLERANCE, ClockReading, clock_text, read_clock, utc_now
from .._model.denial import denial_of
from .._model.secrecy import without_values
from .auth import HttpResponse, Transport
from .parent import require_parent
from .progress import Progress, notice

try:
    import urllib3.exceptions as wire

    _WIRE_ERRORS: tuple[type[BaseException], ...] = (wire.HTTPError, OSError)
except ImportError:  # the module says so in main()
    _WIRE_ERRORS = (OSError,)

__all__ = ["ApiServer", "causes_of", "message_of"]

FIRST_CONTACT = 12.0  # a wrong address shall not hold a play up
PATIENCE = 60.0  # a known server may restart in the middle of our work
SHAKY = 10.0  # after a broken connection a starting server may answer 401 or 403 for a moment
WEBHOOK_PATIENCE = 20.0
_UNDATED = (
    "the API server's answers do not say its time (no Date, or one from a cache), so its clock was not compared with that of this control "
    "node, and everything is judged by the clock here. Compare the two (date -u here and on a node), and look at the proxy in front of it"
)
CLOCK_FRESH = 60.0  # so old a reading of the clock still counts for the next write
CLOCK_SLOW = 5.0  # an answer that took longer says too little about the time
_DATES = ("certificate has expired", "certificate is not yet valid")  # OpenSSL's words, also for a CA above
_PASSING_500 = ("etcdserver: leader changed", "etcdserver: request timed out", "failed calling webhook", "transport is closing")
# a server-side apply of a field that a built-in kind does not have is a 500
_BAD_INPUT = ("failed to create typed patch object", "field not declared in schema")


class ApiServer:
    """One API server and its clock; safe to use from several threads."""

    def __init__(
        self,
        transport: Transport,
        *,
        name: str,
        timeout: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        wall: Callable[[], datetime] = utc_now,
    ) -> None:
        self.name = name
        self.timeout = timeout
        self.warnings: builtins.list[str] = []
        self._transport = transport
        self._clock = clock
        self._sleep = sleep
        self._wall = wall
        self._stamp: tuple[Mapping[str, str], datetime, float, float] | None = None  # headers, our time, seconds taken, when by _clock
        self._met = False
        self._broken_at: float | None = None
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> HttpResponse:
        """One answer below 300 or of a kind that callers handle (404, 409, 410); all else is waited out or raised."""
        if query:
            path += "?" + urlencode(query)
        headers = {"accept": accept, "user-agent": "meshops.mesh"}
        data = None
        if body is not None:
            data = json.dumps(body, separators=(",", ":")).encode()
            headers["content-type"] = content_type
        started, progress = self._clock(), Progress(self.name, self._clock)
        attempt = 0
        while True:
            attempt += 1
            outcome = self._try(method, path, data, headers, started)
            if isinstance(outcome, HttpResponse):
                self._note_warning(outcome)
                return outcome
            if progress.due():
                progress.say(f"the API server ({self._transport.host}) is away or busy")
            self._sleep(outcome if outcome > 0 else min(5.0 if self._met else 1.0, 0.25 * 2 ** min(attempt, 5)) * random.uniform(0.7, 1.0))  # noqa: S311  no secret: spreads tries

    def _try(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str], started: float) -> HttpResponse | float:
        """An answer, or for how long to sleep before the next try (0: choose yourself)."""
        require_parent()
        began = self._clock()
        try:
            answer = self._transport.request(method, path, body=data, headers=headers, timeout=self.timeout)
            self._stamp = (answer.headers, self._wall(), self._clock() - began, self._clock())
        except _WIRE_ERRORS as exc:
            self._broken_at = self._clock()
            self._give_up_on_wire(exc, started)
            return 0.0
        pause = self._pause(answer, started)
        if pause is not None:
            return pause
        self._met = True
        return self._raise_for(answer, method, path)

    def _give_up_on_wire(self, exc: BaseException, started: float) -> None:
        """Raise when no further try makes sense."""
        text = str(exc).split(": ", 1)[-1] if "object at 0x" in str(exc) else str(exc)
        where = f"cluster {self.name} ({self._transport.host})"
        if "CERTIFICATE_VERIFY_FAILED" in str(exc) and any(word in str(exc) for word in _DATES):
            raise Unreachable(
                f"{where}: the API server's certificate is not trusted, because of its dates: {text}; the clock of this control node "
                f"says {clock_text(self._wall())}. Compare it with the cluster's (date -u on a node): where it is wrong here, correct it "
                "(timedatectl, chronyc tracking); where it is right, the API server's certificate has to be renewed"
            ) from exc
        if "CERTIFICATE_VERIFY_FAILED" in str(exc):
            raise Unreachable(
                f"{where}: the API server's certificate is not trusted: {text}; "
                "give the CA that signed it (ca_cert, or certificate-authority in the kubeconfig) and the host name that it is made out to"
            ) from exc
        if isinstance(exc, (wire.LocationValueError, wire.ProxySchemeUnknown)):
            raise ConfigError(f"{where}: not an address of an API server: {text}; correct host or the kubeconfig") from exc
        if isinstance(exc, wire.SSLError) and isinstance(exc.args[0] if exc.args else None, FileNotFoundError):
            raise ConfigError(f"{where}: a certificate file is missing: {text}; look at ca_cert, client_cert, client_key") from exc
        first = not self._met
        nameless = isinstance(exc, getattr(wire, "NameResolutionError", ()))
        spent = self._clock() - started
        limit = FIRST_CONTACT - self._connect_reserve(exc) if first else PATIENCE
        if (first and nameless) or spent >= limit:
            raise Unreachable(
                f"{where}: no connection to the API server for {spent:.0f} s: {text}; "
                "check that it runs, and the address (host, kubeconfig, context), proxy and firewall"
            ) from exc

    @staticmethod
    def _connect_reserve(exc: BaseException) -> float:
        """A try that ends by time-out costs 5 s; do not begin one that passes 15 s."""
        return 5.0 if isinstance(exc, wire.TimeoutError) and not isinstance(exc, wire.NewConnectionError) else 0.0

    def _pause(self, answer: HttpResponse, started: float) -> float | None:
        """None when the answer counts; else how long to wait before asking again."""
        spent = self._clock() - started
        limit = PATIENCE if self._met else FIRST_CONTACT
        if answer.status in (429, 503, 502, 504):
            if spent >= limit:
                raise TooManyRequests(
                    f"cluster {self.name} ({self._transport.host}): the API server answers {answer.status} for {spent:.0f} s: "
                    f"{message_of(answer)}; it is overloaded or not up yet: try again later"
                )
            return _retry_after(answer, left=limit - spent)
        if answer.status == 500 and any(word in message_of(answer) for word in _PASSING_500):
            return 0.0 if spent < WEBHOOK_PATIENCE else None
        shaky = self._met and self._broken_at is not None and self._clock() - self._broken_at < SHAKY
        if answer.status in (401, 403) and shaky:
            return 0.0
        return None

    def _raise_for(self, answer: HttpResponse, method: str, path: str) -> HttpResponse:
        if answer.status < 300 or answer.status in (404, 409, 410):
            return answer
        where = f"cluster {self.name} ({self._transport.host})"
        text = message_of(answer)
        if answer.status == 401:
            raise Unauthorized(
                f"{where}: the API server does not accept our login (401 {text}): the token or client certificate is wrong or expired; "
                "log in again, or give another api_key, kubeconfig or context"
            )
        if answer.status == 403 and "NamespaceTerminating" in causes_of(answer):
            raise Conflict(
                f"{where}: the namespace is being deleted: {text}; its status says what holds it; wait until it is gone and run again"
            )
        if answer.status == 403:
            denial = denial_of(text, write=method != "GET")
            raise (Forbidden if denial.right else Denied)(f"{where}: {denial.what}: {text}; {denial.remedy}")
        if answer.status in (400, 422) or (answer.status == 500 and any(word in text for word in _BAD_INPUT)):
            raise ConfigError(f"{where}: the API server refuses the request ({answer.status}): {text}")
        raise FetchError(f"{where}: {method} {path.split('?', maxsplit=1)[0]} gave {answer.status}: {text}")

    def _note_warning(self, answer: HttpResponse) -> None:
        text = answer.headers.get("warning")
        if text:
            self.warnings.append(text.split(" ", 2)[-1].strip('"'))

    # the clock

    def read_clock(self) -> ClockReading | None:
        """What a new answer says about both clocks; None where the API server does not say its time."""
        self.request("GET", "/version")
        return self._reading()

    def _reading(self) -> ClockReading | None:
        return None if self._stamp is None else read_clock(*self._stamp[:3])

    def _recent(self) -> ClockReading | None:
        """The reading of the last answer, asked for again where it is old, slow or none."""
        if self._stamp is None or self._stamp[2] > CLOCK_SLOW or self._clock() - self._stamp[3] > CLOCK_FRESH:
            return self.read_clock()
        return self._reading()

    def now(self) -> datetime:
        """The cluster's time: that of everything which is decided about it. Ours where it does not say its own."""
        found = self._recent()
        if found is None:
            self._say_undated()
        return self._wall() if found is None else found.cluster_time(self._wall())

    def _say_undated(self) -> None:
        notice(f"cluster {self.name}: {_UNDATED}")

    def require_clock(self) -> None:
        """ClockSkew where the two clocks are so far apart that what one side makes is not valid for the other."""
        found = self._recent()
        if found is not None and not found.agrees:
            found = self.read_clock()  # never because of one odd answer
        if found is None:
            self._say_undated()
        if found is None or found.agrees:
            return
        raise ClockSkew(
            f"cluster {self.name} ({self._transport.host}): {found.difference()}; {TOLERANCE:.0f} s are allowed, because certificates and "
            "restarts would be judged by a wrong time. Nothing is issued or written while the clocks differ: correct the one that is wrong "
            "(timedatectl, chronyc tracking: here, and on the nodes of the control plane) and run this again"
        )


def message_of(answer: HttpResponse) -> str:
    """What the API server says, without values that may be secret."""
    data = answer.json()
    if isinstance(data, dict) and data.get("message"):
        return without_values(str(data["message"]))
    return answer.body[:200].decode("utf-8", "replace").strip() or "no text"


def causes_of(answer: HttpResponse) -> set[str]:
    """The reasons that the API server gives beside its message."""
    data = answer.json()
    details = (data.get("details") or {}) if isinstance(data, dict) else {}
    return {str(item.get("reason")) for item in details.get("causes") or []}


def _retry_after(answer: HttpResponse, *, left: float) -> float:
    text = answer.headers.get("retry-after", "")
    return max(0.0, min(float(text), left)) if text.isdigit() else 0.0
