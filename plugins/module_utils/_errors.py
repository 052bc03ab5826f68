# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The exceptions of the collection: raised low, caught once in a module's main()."""

from __future__ import annotations

from ._text import joined

__all__ = [
    "ClockSkew",
    "ConfigError",
    "Conflict",
    "Denied",
    "FetchError",
    "Forbidden",
    "KindMissing",
    "MeshError",
    "NotReady",
    "TooComplex",
    "TooManyRequests",
    "Unauthorized",
    "Unreachable",
]


class MeshError(Exception):
    """Anything that stops us, with a message for people: cluster, object, found, expected, what to do next.

    Each argument is a line. What others wrote (an API server, a pull request) cannot make another one."""

    def __str__(self) -> str:
        return joined(self.args)


class ConfigError(MeshError):
    """Input that cannot be right; nothing was changed."""


class TooComplex(MeshError):
    """A question that is answered for all cases at once has more of them than can be looked at."""


class FetchError(MeshError):
    """The API did not give what was asked."""


class Unreachable(FetchError):
    """No connection, or no valid TLS, to the API server within the time limit."""


class Unauthorized(FetchError):
    """The API server does not know who we are (401)."""


class Forbidden(FetchError):
    """We are known and not allowed (403)."""


class Denied(FetchError):
    """We are allowed to ask, and a rule of admission says no (403 too): a quota, a limit, a security level, a webhook."""


class KindMissing(FetchError):
    """The API server does not have this kind (its CRD is not installed)."""


class Conflict(FetchError):
    """Somebody else's change came first, or another field manager owns a field (409)."""


class ClockSkew(FetchError):
    """The cluster's clock and ours differ by more than can be worked with."""


class TooManyRequests(FetchError):
    """429 or 503 for longer than we were willing to wait."""


class NotReady(MeshError):
    """A wait ended without what was waited for; the message has the last reason."""
