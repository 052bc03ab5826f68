# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The rules of an upgrade, as data with their sources: hops, skew, what operators manage, what a version needs."""

from __future__ import annotations

from dataclasses import dataclass

from .._model.versions import OSSM_ISTIO, Version

__all__ = [
    "GATEWAY_API",
    "HOPS",
    "KUBERNETES",
    "OPERATOR_LINES",
    "SKEW",
    "Hops",
    "Skew",
    "distance",
    "hops_for",
    "kubernetes_for",
    "lines_of",
    "skew_for",
]

ISTIO_SKEW = "https://istio.io/latest/docs/releases/supported-releases/#control-planedata-plane-skew"
ISTIO_CANARY = "https://istio.io/latest/docs/setup/upgrade/canary/#before-you-upgrade"
SAIL_STRATEGY = "https://github.com/istio-ecosystem/sail-operator/blob/main/docs/update-strategy/update-strategy.adoc"
SAIL_README = "https://github.com/istio-ecosystem/sail-operator/blob/main/docs/README.adoc"
SAIL_VERSIONS = "https://github.com/istio-ecosystem/sail-operator/blob/main/pkg/istioversion/versions.yaml"
OSSM_SKIP = "https://github.com/openshift-service-mesh/sail-operator/blob/main/docs/ossm/skip-version-upgrade/README.md"
OSSM2_UPGRADE = "https://docs.redhat.com/en/documentation/openshift_container_platform/4.14/html/service_mesh/service-mesh-2-x#ossm-upgrade"


@dataclass(frozen=True)
class Hops:
    """How many minors one step of a control plane may take."""

    provider: str
    strategy: str
    ambient: bool
    minors: int
    source: str


# The product's own minors are counted: OpenShift Service Mesh 3.0 to 3.1 is one, though it is Istio 1.24 to 1.26.
HOPS: tuple[Hops, ...] = (
    Hops("ossm2", "InPlace", False, 1, OSSM2_UPGRADE),
    Hops("ossm3", "InPlace", False, 1, OSSM_SKIP),
    Hops("ossm3", "InPlace", True, 1, OSSM_SKIP),
    Hops("ossm3", "RevisionBased", False, 2, OSSM_SKIP),
    Hops("ossm3", "RevisionBased", True, 1, OSSM_SKIP),
    Hops("sail", "InPlace", False, 1, ISTIO_CANARY),
    Hops("sail", "InPlace", True, 1, ISTIO_CANARY),
    Hops("sail", "RevisionBased", False, 2, ISTIO_CANARY),
    # ztunnel is shared by all revisions and may be one minor behind only, so two at a time would leave it out of its skew.
    Hops("sail", "RevisionBased", True, 1, SAIL_STRATEGY),
)


@dataclass(frozen=True)
class Skew:
    """How many minors a component may be behind the control plane that serves it, and ahead of it."""

    component: str
    behind: int
    ahead: int
    source: str


SKEW: tuple[Skew, ...] = (
    Skew("proxy", 1, 0, ISTIO_SKEW),
    Skew("ZTunnel", 1, 0, SAIL_STRATEGY),
    Skew("IstioCNI", 1, 1, SAIL_README),
)

# An operator of the Sail family manages the Istio of its own minor and of the two before; older ones end in ReconcileError.
# Sources: SAIL_VERSIONS (1.31: 1.31, 1.30, 1.29), OSSM_SKIP (3.2 goes on with the control plane of 3.0).
OPERATOR_LINES = 3

# Istio minor: the oldest Kubernetes 1.x that its own istioctl accepts (MinK8SVersion in each release branch of github.com/istio/istio).
KUBERNETES: dict[tuple[int, int], int] = {
    (1, 18): 24,
    (1, 19): 25,
    (1, 20): 25,
    (1, 21): 26,
    (1, 22): 26,
    (1, 23): 26,
    (1, 24): 28,
    (1, 25): 29,
    (1, 26): 29,
    (1, 27): 29,
    (1, 28): 30,
    (1, 29): 30,
    (1, 30): 32,
    (1, 31): 32,
}

# CRD: the Gateway API's oldest bundle for it, from which Istio on (pkg/config/schema/gatewayapi/minimumversions.go, release-1.30 and 1.31).
GATEWAY_API: tuple[tuple[tuple[int, int], str, str], ...] = (
    ((1, 30), "grpcroutes.gateway.networking.k8s.io", "v1.1.0"),
    ((1, 30), "backendtlspolicies.gateway.networking.k8s.io", "v1.4.0"),
    ((1, 30), "tlsroutes.gateway.networking.k8s.io", "v1.5.0"),
    ((1, 31), "tcproutes.gateway.networking.k8s.io", "v1.6.0"),
)


def hops_for(provider: str, strategy: str, *, ambient: bool) -> Hops:
    """The rule for one mesh."""
    return next(
        row for row in HOPS if row.provider == provider and (provider == "ossm2" or (row.strategy == strategy and row.ambient == ambient))
    )


def skew_for(component: str) -> Skew:
    """The rule for one component."""
    return next(row for row in SKEW if row.component == component)


def kubernetes_for(istio: tuple[int, int]) -> int | None:
    """The oldest Kubernetes 1.x for this minor of Istio; that of the newest known one for still newer ones."""
    if istio in KUBERNETES:
        return KUBERNETES[istio]
    newest = max(KUBERNETES)
    return KUBERNETES[newest] if istio > newest else None


def lines_of(provider: str, first: tuple[int, int], last: tuple[int, int]) -> list[tuple[int, int]]:
    """The minors from first to last, both included, as the product has them; in Istio's numbers but for ossm2."""
    if provider == "ossm2":
        known = [ossm for ossm in OSSM_ISTIO if ossm[0] == 2]
    elif provider == "ossm3":
        known = [istio for ossm, istio in OSSM_ISTIO.items() if ossm[0] == 3]
    else:
        known = [(first[0], minor) for minor in range(first[1], last[1] + 1)]
    return sorted({first, last, *(line for line in known if first <= line <= last)})


def distance(provider: str, old: Version, new: Version) -> int:
    """How many minors the new version is ahead of the old one; negative where it is behind."""
    if new.line >= old.line:
        return len(lines_of(provider, old.line, new.line)) - 1
    return 1 - len(lines_of(provider, new.line, old.line))
