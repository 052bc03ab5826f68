# SPDX-License-Identifier: GPL-3.0-or-later
"""What Istio's injector accepts in annotations; the rows are what its validate.go decides."""

from __future__ import annotations

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.injector_annotations import rejected_annotations

TRAFFIC = "traffic.sidecar.istio.io"
ACCEPTED = [
    (f"{TRAFFIC}/excludeInboundPorts", ["", " ", "0", "80", " 80 , 65535"]),
    (f"{TRAFFIC}/excludeOutboundPorts", ["", "443"]),
    (f"{TRAFFIC}/includeInboundPorts", ["*", "", "80,81"]),
    (f"{TRAFFIC}/includeOutboundIPRanges", ["*", "", "10.0.0.0/8", "10.1.2.3/8,fd00::/8"]),
    (f"{TRAFFIC}/excludeOutboundIPRanges", ["", "169.254.169.254/32"]),
    ("sidecar.istio.io/interceptionMode", ["REDIRECT", "TPROXY", "NONE"]),
    ("status.sidecar.istio.io/port", ["0", "15020", " 15021 "]),
    ("readiness.status.sidecar.istio.io/periodSeconds", ["0", "4294967295"]),
    ("prometheus.istio.io/merge-metrics", ["true", "F", "0"]),
    (f"{TRAFFIC}/includeOutboundPorts", ["anything: the injector does not look"]),
]
REFUSED = [
    (f"{TRAFFIC}/excludeInboundPorts", ["*", "80-90", "80:90", "http", "65536", "80,", ",80", "-1", "80;81", "\u0661"]),
    (f"{TRAFFIC}/excludeOutboundPorts", ["*", "all"]),
    (f"{TRAFFIC}/includeInboundPorts", ["*,80", "any"]),
    (f"{TRAFFIC}/includeOutboundIPRanges", ["10.0.0.0", "10.0.0.0/8, fd00::/8", "10.0.0.0/33", "*,10.0.0.0/8", "10.0.0.0/255.0.0.0"]),
    (f"{TRAFFIC}/excludeOutboundIPRanges", ["*", "example.com/8", " "]),
    ("sidecar.istio.io/interceptionMode", ["", "redirect", "none"]),
    ("status.sidecar.istio.io/port", ["", "15020,15021", "http"]),
    ("readiness.status.sidecar.istio.io/initialDelaySeconds", ["", "1s", "4294967296", " 1"]),
    ("prometheus.istio.io/merge-metrics", ["", "yes", "tRue"]),
]


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in ACCEPTED for value in values])
def test_what_is_accepted(key: str, value: str) -> None:
    assert rejected_annotations({key: value}) == []


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in REFUSED for value in values])
def test_what_is_refused(key: str, value: str) -> None:
    ((found, shown, words),) = rejected_annotations({key: value, "app": "x"})
    assert (found, shown) == (key, value) and words
