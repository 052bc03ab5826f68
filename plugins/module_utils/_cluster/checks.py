# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM10xx: the API server, and what we may read of it."""

from __future__ import annotations

from collections.abc import Iterable

from .._checks.types import Category, Options
from .._model.fields import namespace_of
from .._model.intent import Intent
from .._model.malformed import title
from .._model.objects import group_of
from .._model.problem import Problem, Severity, skip
from .._model.structure import GROUPS, faults_of
from .._model.versions import minor
from .._model.view import View

CATEGORY = Category("api")
check = CATEGORY.check

__all__: list[str] = []


@check(
    "OSM1001",
    title="the API server answers",
    hint="check the kubeconfig or K8S_AUTH_HOST and its credentials: kubectl get --raw /readyz",
    requires=(),
    retryable=True,
)
def api_answers(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Nothing else can be said about a cluster that does not answer, so every other check of a live cluster requires this one."""
    if options.fetch_error:
        yield Problem("cluster", options.fetch_error)


@check(
    "OSM1002",
    title="the account has the rights to read the mesh",
    hint="have an administrator apply the roles that ansible-playbook meshops.mesh.render_rights -e mesh_rights_families=check writes for "
    "this mesh; cluster-reader is not enough, as it cannot read Secrets. For a gateway's Secret, list its namespace in "
    "mesh_rights_gateway_namespaces",
)
def rights_sufficient(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A kind that may not be listed looks as if it were empty. Checks that read such a kind are skipped, and this one fails.
    It always runs, whatever is chosen, and looks at the kinds that the chosen checks read."""
    for kind, message in sorted(view.forbidden().items()):
        if options.reads is not None and kind not in options.reads:
            continue
        yield Problem(f"Kind {kind}", f"reading it is not allowed: {message}")


@check(
    "OSM1003",
    title="the Kubernetes version is supported",
    hint="upgrade the cluster, or set thresholds.kubernetes_oldest if your vendor supports this version",
    severity=Severity.WARNING,
    equivalents=("IST0142",),
)
def kubernetes_supported(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Istio releases are tested with a window of Kubernetes versions; older API servers lack fields that newer charts set."""
    if view.server_version is None:
        yield skip("the source does not say which version the API server has")
        return
    found, oldest = minor(view.server_version), minor(str(options.threshold("kubernetes_oldest")))
    if found is None:
        yield Problem("cluster", f"the API server calls itself {view.server_version}, which is not a version")
    elif oldest is not None and found < oldest:
        yield Problem("cluster", f"the API server has version {view.server_version}, older than {options.threshold('kubernetes_oldest')}")


@check(
    "OSM1004",
    title="the snapshot is recent",
    hint="take a new one with meshops.mesh.cluster_snapshot, or raise thresholds.snapshot_max_age_hours",
    severity=Severity.WARNING,
)
def snapshot_recent(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """What an old snapshot proves is true of the day it was taken."""
    if view.source != "snapshot":
        yield skip(f"the source is not a snapshot but {view.source}")
        return
    hours = (options.now - view.taken_at).total_seconds() / 3600
    limit = float(options.threshold("snapshot_max_age_hours"))
    if hours > limit:
        yield Problem("snapshot", f"it was taken at {view.taken_at.isoformat()}, {hours:.0f} hours ago; at most {limit:g} are wanted")


@check(
    "OSM1005",
    title="each Istio and Gateway API object has only fields of its kind",
    hint="correct the field where it is misspelt or at a wrong level: kubectl explain KIND.spec --recursive lists all",
    live=False,
    equivalents=("IST0106", "IST0133"),
)
def fields_known(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """An API server drops a field that it does not know, so a route without its misspelt match takes every request; a wrong type or value
    it refuses, which a pipeline should say before the deployment does. What a newer Istio may know is a warning."""
    if view.source != "manifests":
        yield skip("the API server has checked what is on a cluster")
        return
    for obj in view.objects():
        if group_of(str(obj.get("apiVersion") or "")) in GROUPS and intent.owns(namespace_of(obj)):
            for fault in faults_of(obj):
                yield Problem(title(obj), str(fault), severity=None if fault.certain else Severity.WARNING)
