# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM11xx: the operators, as OLM installs them."""

from __future__ import annotations

from collections.abc import Iterable

from .._checks.types import Category, Options
from .._model import kinds as k
from .._model.intent import Intent
from .._model.packages import KNOWN, MESH_OPERATORS
from .._model.problem import Problem, Severity
from .._model.view import Obj, View, ref

CATEGORY = Category("operators")
check = CATEGORY.check

__all__: list[str] = []

# A Subscription with one of these true goes no further by itself, whatever its state says.
BLOCKED = ("ResolutionFailed", "CatalogSourcesUnhealthy", "BundleUnpackFailed", "InstallPlanFailed", "InstallPlanMissing")

# Packages that bring a mesh or watch one. Only those that bring one can be strangers: others use Kiali and Tempo too.
MESH_PACKAGES = KNOWN | {"jaeger"}
# How their ClusterServiceVersions begin where that is not the package's name.
CSV_NAMES = frozenset({"kiali-operator", "jaeger-operator", "tempo-operator", "opentelemetry-operator"})

NEEDED = {
    "ossm2": (k.SMCP, k.SMMR),
    "ossm3": (k.ISTIO, k.ISTIO_REVISION, k.ISTIO_CNI),
    "sail": (k.ISTIO, k.ISTIO_REVISION, k.ISTIO_CNI),
}


def _package(subscription: Obj) -> str:
    return str(subscription.at("spec", "name", default=""))


def _expected(view: View, intent: Intent) -> list[Obj]:
    return [row for row in view.of(k.SUBSCRIPTION) if _package(row) in (intent.operators or ())]


@check(
    "OSM1101",
    title="each operator's ClusterServiceVersion is Succeeded",
    hint="oc describe csv -n NAMESPACE NAME; its requirementStatus and Deployment say what is missing",
    inputs=(k.SUBSCRIPTION, k.CSV),
    intent=("operators",),
    retryable=True,
)
def csv_succeeded(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """`AtLatestKnown`, `installedCSV` and a Complete InstallPlan do not mean that an operator works; only its CSV's `Succeeded` does,
    in the Subscription's own namespace (copies elsewhere lag behind)."""
    subscriptions = _expected(view, intent)
    for package in intent.operators or ():
        if not any(_package(row) == package for row in subscriptions):
            yield Problem(f"package {package}", "no Subscription asks for it", "run meshops.mesh.install_mesh with the tag operators")
    for subscription in subscriptions:
        name = subscription.at("status", "installedCSV", default="")
        csv = view.get(k.CSV, name, subscription.namespace) if name else None
        if not name:
            state = subscription.at("status", "state", default="none")
            yield Problem(subscription.ref, f"nothing is installed yet, its state is {state}")
        elif csv is None:
            yield Problem(
                ref(k.CSV, name, subscription.namespace),
                "it is gone although its Subscription calls it installed; OLM does not make it again",
                remedy="delete the Subscription and create it again",
            )
        elif csv.at("status", "phase") != "Succeeded":
            reason, message = csv.at("status", "reason", default="no reason"), csv.at("status", "message", default="no message")
            yield Problem(csv.ref, f"phase is {csv.at('status', 'phase', default='not set')}, not Succeeded ({reason}: {message})")


@check(
    "OSM1102",
    title="no Subscription is blocked",
    hint="remove the cause that the message names; a stale ResolutionFailed goes when anything in the namespace changes, e.g. a label",
    inputs=(k.SUBSCRIPTION,),
    intent=("operators",),
    retryable=True,
)
def subscription_not_blocked(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A blocked Subscription keeps its state `AtLatestKnown`; one broken neighbour blocks all Subscriptions of its namespace."""
    for subscription in _expected(view, intent):
        for condition in subscription.conditions():
            if condition.type in BLOCKED and condition.true:
                yield Problem(subscription.ref, f"{condition.type} ({condition.why})")


@check(
    "OSM1103",
    title="no InstallPlan waits for approval",
    hint="approve it with meshops.mesh.install_plan, which sends the resourceVersion that it read",
    severity=Severity.WARNING,
    inputs=(k.SUBSCRIPTION, k.INSTALL_PLAN),
    intent=("operators",),
)
def no_pending_plan(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Of several pending plans only the one that the Subscription names counts; approving a stale one goes back a version."""
    for subscription in _expected(view, intent):
        name = subscription.at("status", "installPlanRef", "name", default="")
        plan = view.get(k.INSTALL_PLAN, name, subscription.namespace) if name else None
        if plan is not None and plan.at("status", "phase") == "RequiresApproval" and not plan.at("spec", "approved", default=False):
            names = ", ".join(str(row) for row in plan.items("spec", "clusterServiceVersionNames"))
            yield Problem(plan.ref, f"it would install {names} for {_package(subscription)}")


@check(
    "OSM1104",
    title="every mesh operator is one that was requested",
    hint="delete the Subscription and its ClusterServiceVersion, or add the package to operators",
    severity=Severity.WARNING,
    inputs=(k.SUBSCRIPTION, k.CSV),
    intent=("operators",),
)
def no_stranger(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A second mesh operator reconciles the same objects; a CSV that outlived its Subscription keeps running and blocks a new one."""
    for subscription in view.of(k.SUBSCRIPTION):
        # Where no inventory says what was asked for, another operator may be that of another mesh.
        if "operators" not in intent.found and _package(subscription) in MESH_OPERATORS - set(intent.operators or ()):
            yield Problem(subscription.ref, f"package {_package(subscription)} was not asked for")
    owned = {(row.namespace, row.at("status", key)) for row in view.of(k.SUBSCRIPTION) for key in ("installedCSV", "currentCSV")}
    for csv in view.of(k.CSV):
        if "olm.copiedFrom" in csv.labels or csv.at("status", "reason") == "Copied" or (csv.namespace, csv.name) in owned:
            continue
        # A CSV that is being replaced belongs to the hop that replaces it.
        if csv.name.partition(".")[0] in MESH_PACKAGES | CSV_NAMES and csv.at("status", "phase") not in (
            "Replacing",
            "Deleting",
        ):
            yield Problem(csv.ref, "no Subscription refers to it", remedy="delete it; a new Subscription does not adopt it")


@check(
    "OSM1105",
    title="the mesh's kinds are installed",
    hint="install the operator of the provider: meshops.mesh.install_mesh with the tag operators",
    intent=("provider",),
    providers=("ossm2", "ossm3", "sail"),
    retryable=True,
)
def crds_present(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Without the CRDs the API server knows no control plane at all; every check of it requires this one."""
    for kind in NEEDED.get(intent.provider or "", ()):
        if view.missing(kind):
            yield Problem(f"Kind {kind}", "the API server does not have it")


@check(
    "OSM1106",
    title="each operator's namespace has exactly one OperatorGroup",
    hint="oc get operatorgroup -n NAMESPACE; create one, or delete all but one",
    inputs=(k.SUBSCRIPTION, k.OPERATOR_GROUP),
    intent=("operators",),
)
def one_operator_group(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """With none or with two, OLM does nothing, and the Subscription has no condition that says so."""
    for namespace in sorted({row.namespace for row in _expected(view, intent)}):
        groups = [row.name for row in view.of(k.OPERATOR_GROUP, namespace)]
        if len(groups) != 1:
            found = f"{len(groups)}: {', '.join(sorted(groups))}" if groups else "none"
            yield Problem(f"Namespace {namespace}", f"it has {found}; OLM silently waits until there is exactly one")


@check(
    "OSM1107",
    title="each operator's CatalogSource is reachable",
    hint="oc get pods -n NAMESPACE -l olm.catalogSource=NAME; on a disconnected cluster check the mirror",
    severity=Severity.WARNING,
    inputs=(k.SUBSCRIPTION, k.CATALOG_SOURCE),
    intent=("operators",),
    retryable=True,
)
def catalog_reachable(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """An unreachable catalog stops every resolution of its namespace, also that of operators from other catalogs."""
    seen: set[str] = set()
    for subscription in _expected(view, intent):
        name = str(subscription.at("spec", "source", default=""))
        namespace = str(subscription.at("spec", "sourceNamespace", default=""))
        source = view.get(k.CATALOG_SOURCE, name, namespace)
        where = ref(k.CATALOG_SOURCE, name, namespace)
        if where in seen:
            continue
        seen.add(where)
        if source is None:
            yield Problem(where, f"{subscription.ref} names it, and it does not exist")
            continue
        state = source.at("status", "connectionState", "lastObservedState", default="not known")
        if state != "READY":
            yield Problem(where, f"its connection is {state}, not READY")
