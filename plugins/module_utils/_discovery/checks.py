# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Two checks of the control plane that no inventory is needed for: a mesh is there, and it is the one that an inventory means."""

from __future__ import annotations

from collections.abc import Iterable

from .._checks.types import Options
from .._control_plane.checks import CATEGORY
from .._model import kinds as k
from .._model.injection import proxy_of
from .._model.intent import Intent
from .._model.problem import Problem, Severity, skip
from .._model.view import View
from .._text import counted
from .completion import FIELDS, differences
from .discover import READS, discover

check = CATEGORY.check

__all__: list[str] = []


@check(
    "OSM1217",
    title="the cluster has a mesh",
    hint="look at another cluster (mesh_kubeconfig, mesh_context), or install one: meshops.mesh.install_mesh",
    inputs=READS,
)
def mesh_there(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Without an Istio, a ServiceMeshControlPlane or an istiod there is nothing that most checks could speak of: all of them would be
    skipped, and an answer without a failure would look like one about a mesh."""
    found = discover(view)
    if found.meshes:
        return
    if intent.control_plane is not None and intent.provider:
        yield skip("the inventory names the control plane (see OSM1201)")
        return
    proxies = [row for row in view.of(k.POD) if proxy_of(row) is not None]
    served = f"; {counted(len(proxies), 'pod')} with a proxy, whose istiod runs elsewhere or was not read" if proxies else ""
    unread = sorted({kind.kind for kind in READS} & set(view.forbidden()))
    more = f"; we may not read {', '.join(unread)}" if unread else ""
    yield Problem("cluster", "; ".join(("no Istio, no ServiceMeshControlPlane and no istiod was found", *found.notes)) + served + more)


@check(
    "OSM1218",
    title="the mesh has the provider and the version of the inventory",
    hint="run meshops.mesh.install_mesh, or correct mesh_provider and mesh_control_plane.version",
    severity=Severity.WARNING,
    inputs=READS,
    live=False,
)
def inventory_agrees(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Checks take the inventory's word: where it means another product or version than what is there, they judge by the wrong rules."""
    if all(name in intent.found or getattr(intent, name) is None for name in FIELDS):
        yield skip("no inventory says what the mesh should be")
        return
    if not discover(view).meshes:
        yield skip("the source has no mesh")
        return
    for resource, message in differences(intent, discover(view)):
        yield Problem(resource, message)
