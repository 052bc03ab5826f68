# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The effective configuration of each istiod of a view, read once. Shared by several categories."""

from __future__ import annotations

from . import kinds as k
from .intent import Intent
from .mesh_config import CLUSTER_DOMAIN, MeshConfig, mesh_configs
from .view import View

__all__ = ["READS", "cluster_domains", "istiods", "istiods_of_mesh", "service_ends"]

READS = (k.CONFIG_MAP, k.DEPLOYMENT, k.ISTIO, k.ISTIO_OPERATOR, k.ISTIO_REVISION, k.SMCP)  # what says how an istiod is configured


def istiods(view: View) -> tuple[MeshConfig, ...]:
    """Each istiod that the source speaks of."""
    return view.memo("istiods", view, lambda: mesh_configs([row.raw for kind in READS for row in view.of(kind)]))


def istiods_of_mesh(view: View, intent: Intent) -> tuple[MeshConfig, ...]:
    """Those of the mesh; all of the source where no control plane is named."""
    return tuple(one for one in istiods(view) if not intent.namespace or one.namespace in ("", intent.namespace))


def cluster_domains(view: View) -> tuple[str, ...]:
    """What full names of Services end in, after .svc."""
    said = [config.cluster_domain for config in istiods(view) if config.cluster_domain]
    return tuple(dict.fromkeys(said)) or (CLUSTER_DOMAIN,)


def service_ends(view: View) -> tuple[str, ...]:
    """What the full name of a Service ends in."""
    return tuple(f".svc.{domain}" for domain in cluster_domains(view))
