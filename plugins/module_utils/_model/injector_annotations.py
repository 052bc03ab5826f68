# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Annotations of pods that Istio's injector validates; for a wrong one it refuses the pod (istio.io/istio pkg/kube/inject/validate.go)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Any

__all__ = ["rejected_annotations"]

_TRAFFIC, _READINESS = "traffic.sidecar.istio.io", "readiness.status.sidecar.istio.io"
_BOOLEANS = frozenset(["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"])


def _number(text: str, bits: int) -> bool:
    return text.isascii() and text.isdigit() and int(text) < 2**bits


def _port(text: str) -> bool:
    return _number(text.strip(), 16)


def _ports(text: str) -> bool:
    return not text.strip() or all(map(_port, text.split(",")))


def _network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return text.rpartition("/")[2].isdigit() and "/" in text


def _networks(text: str) -> bool:
    return not text or all(map(_network, text.split(",")))


def _all_or(fits: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda text: text == "*" or fits(text)


_PORT_LIST, _NETWORK_LIST = "port numbers separated by commas", "networks such as 10.0.0.0/8 separated by commas, without blanks"
# what is accepted, and in words
_RULES: dict[str, tuple[Callable[[str], bool], str]] = {
    "sidecar.istio.io/interceptionMode": (("REDIRECT", "TPROXY", "NONE").__contains__, "REDIRECT, TPROXY or NONE"),
    "status.sidecar.istio.io/port": (_port, "a port number"),
    "prometheus.istio.io/merge-metrics": (_BOOLEANS.__contains__, "true or false"),
    f"{_TRAFFIC}/includeInboundPorts": (_all_or(_ports), f"'*' or {_PORT_LIST}"),
    f"{_TRAFFIC}/excludeInboundPorts": (_ports, _PORT_LIST),
    f"{_TRAFFIC}/excludeOutboundPorts": (_ports, _PORT_LIST),
    f"{_TRAFFIC}/includeOutboundIPRanges": (_all_or(_networks), f"'*' or {_NETWORK_LIST}"),
    f"{_TRAFFIC}/excludeOutboundIPRanges": (_networks, _NETWORK_LIST),
    **{f"{_READINESS}/{name}": (lambda text: _number(text, 32), "a whole number")
       for name in ("initialDelaySeconds", "periodSeconds", "failureThreshold")},
}  # fmt: skip


def rejected_annotations(annotations: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Key, value and what is accepted in its place, of each annotation for which the injector refuses the pod."""
    found = ((key, str(value), _RULES[key]) for key, value in annotations.items() if key in _RULES)
    return [(key, value, words) for key, value, (fits, words) in found if not fits(value)]
