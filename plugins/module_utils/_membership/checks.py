# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM13xx: which namespaces belong to the mesh."""

from __future__ import annotations

from collections.abc import Iterable

from .._checks.conditions import condition_true
from .._checks.types import Category, Options
from .._model import kinds as k
from .._model.enrolment import BY_PODS
from .._model.injection import (
    INJECTION,
    REVISION,
    TAG,
    active_revision,
    control_plane,
    injected_by,
    injectors,
    leads_somewhere,
    mesh_revisions,
    revision_of_label,
)
from .._model.injector_values import injector_values
from .._model.intent import ISTIO_ONLY, Intent
from .._model.istiods import READS, istiods
from .._model.objects import MESH
from .._model.problem import Problem, Severity, skip
from .._model.view import Obj, View, ref

CATEGORY = Category("membership")
check = CATEGORY.check

__all__: list[str] = []

DATAPLANE = "istio.io/dataplane-mode"

NEEDS = ("provider", "control_plane", "members")
EXISTS = ("OSM1201",)
SAIL = ("ossm3", "sail")
LABELS = (k.NAMESPACE, *READS, k.ISTIO_REVISION_TAG, k.MUTATING_WEBHOOK)
BOTH = (k.SMMR, *LABELS)
MEMBER_OF = "maistra.io/member-of"
IGNORED = "maistra.io/ignore-namespace"


def _wanted_revision(namespace: Obj) -> str | None:
    """The revision or tag that the namespace's labels ask for."""
    # Istio lets istio-injection win where both labels are set.
    if INJECTION in namespace.labels:
        return "default" if namespace.labels[INJECTION] == "enabled" else None
    return namespace.labels.get(REVISION)


def _roll(view: View, intent: Intent) -> Obj | None:
    return next(iter(view.of(k.SMMR, intent.namespace)), None)


def _tagged(view: View, label: str) -> str:
    """The revision behind a tag that istioctl or Helm made: a webhook of its own."""
    hooks = (row for row in view.of(k.MUTATING_WEBHOOK) if row.labels.get(TAG) == label)
    return next((row.labels.get(REVISION, "") for row in hooks), "")


def _member_labels(view: View, intent: Intent) -> set[str]:
    revisions = mesh_revisions(view, intent)
    members = set()
    for namespace in view.of(k.NAMESPACE):
        label = _wanted_revision(namespace)
        if label is not None and (revision_of_label(view, label) or _tagged(view, label) or label) in revisions:
            members.add(namespace.name)
        elif namespace.labels.get(BY_PODS) == "pods" and (intent.mesh is None or namespace.labels.get(MESH) == intent.mesh):
            members.add(namespace.name)  # its pods ask one by one, and each is looked at by itself (OSM1401)
    return members


def _members(view: View, intent: Intent) -> set[str]:
    if intent.ossm2:
        roll = _roll(view, intent)
        return set(roll.items("status", "configuredMembers")) if roll is not None else set()
    return _member_labels(view, intent)


@check(
    "OSM1301",
    title="each intended namespace is a member of the mesh",
    compares=("members",),
    hint="run meshops.mesh.install_mesh; oc get namespace NAMESPACE --show-labels",
    inputs=BOTH,
    requires=EXISTS,
    intent=NEEDS,
    retryable=True,
    per_object=True,
)
def members_configured(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """OSSM 2: the member roll lists it as configured. OSSM 3: its label leads, also through a tag, to a revision of this mesh."""
    found = _members(view, intent)
    for name in intent.members or ():
        namespace = view.get(k.NAMESPACE, name)
        if namespace is None:
            yield Problem(
                f"Namespace {name}", "it does not exist", "run meshops.mesh.install_mesh, which makes it, or correct mesh_domains"
            )
        elif name not in found and intent.ossm2:
            yield Problem(namespace.ref, f"the member roll in {intent.namespace} does not have it as configured")
        elif name not in found:
            label, revisions = _wanted_revision(namespace), sorted(mesh_revisions(view, intent))
            said = f"its label asks for revision {label}" if label else "it has no injection label"
            yield Problem(namespace.ref, f"{said}, expected one of {', '.join(revisions)}", _relabelled(namespace, revisions))


def _relabelled(namespace: Obj, revisions: list[str]) -> str:
    """install_mesh takes no label of somebody else's away, and istio-injection goes before istio.io/rev."""
    others = [f"{name}={namespace.labels[name]}" for name in (INJECTION, REVISION) if name in namespace.labels]
    if not others:
        return ""
    wanted = revisions[0] if len(revisions) == 1 else "REVISION"
    ours, theirs = (INJECTION, REVISION) if wanted == "default" else (REVISION, INJECTION)
    labels = f"{ours}={'enabled' if ours == INJECTION else wanted}" + (f" {theirs}-" if theirs in namespace.labels else "")
    return (
        f"run meshops.mesh.install_mesh; what somebody else has set stays ({' and '.join(others)}), so if that did not help: "
        f"oc label namespace {namespace.name} --overwrite {labels}, then restart its workloads"
    )


@check(
    "OSM1302",
    title="no other namespace is a member",
    compares=("members",),
    hint="take the namespace out of the mesh, or add it to mesh_domains",
    severity=Severity.WARNING,
    inputs=BOTH,
    requires=EXISTS,
    intent=NEEDS,
)
def no_extra_member(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """An undeclared member can call the others, and no one is responsible for its Istio objects."""
    for name in sorted(_members(view, intent) - set(intent.members or ()) - {intent.namespace}):
        yield Problem(f"Namespace {name}", f"it is a member of {intent.name} and not in the intended list")


@check(
    "OSM1303",
    title="no namespace is in two meshes",
    hint="remove the labels of one generation, or the namespace from one member roll",
    inputs=(k.NAMESPACE, k.SMMR, k.ISTIO_REVISION, k.ISTIO_REVISION_TAG),
    intent=("members",),
)
def one_mesh_each(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Two control planes would configure the same proxies; it happens most during a migration from OSSM 2 to OSSM 3."""
    rolls = view.of(k.SMMR)
    for namespace in view.of(k.NAMESPACE):
        meshes = {
            f"member roll {roll.namespace}/{roll.name}" for roll in rolls if namespace.name in roll.items("status", "configuredMembers")
        }
        owner = namespace.labels.get(MEMBER_OF)
        if owner and not any(mesh.startswith(f"member roll {owner}/") for mesh in meshes):
            meshes.add(f"label {MEMBER_OF}={owner}")
        # A cluster-wide OSSM 2 reads these labels too: they name a second mesh only where a revision of OSSM 3 answers to them.
        label = _wanted_revision(namespace)
        if meshes and label is not None and revision_of_label(view, label) is not None:
            key = f"{INJECTION}=enabled" if INJECTION in namespace.labels else f"{REVISION}={label}"
            meshes.add(f"label {key}")
        if len(meshes) > 1:
            # The way that the migration from OSSM 2 takes: its webhook leaves the namespace alone, its istiod still knows it.
            moving = namespace.labels.get(IGNORED) == "true" and len(meshes) == 2 and any(mesh.startswith("label istio") for mesh in meshes)
            note = f"; {IGNORED}=true says that it is on its way" if moving else ""
            severity = Severity.WARNING if moving else None
            yield Problem(namespace.ref, f"it is claimed by {' and '.join(sorted(meshes))}{note}", severity=severity)


@check(
    "OSM1304",
    title="discovery selectors cover exactly the members",
    hint="correct spec.values.meshConfig.discoverySelectors of the Istio, or the namespaces' labels",
    inputs=(*READS, k.NAMESPACE),
    requires=EXISTS,
    intent=NEEDS,
    providers=(*SAIL, ISTIO_ONLY),
    live=False,
)
def discovery_selectors_exact(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A member that is not discovered has no endpoints anywhere; a stranger that is discovered costs memory and shows its services."""
    plane = control_plane(view, intent)
    revision = active_revision(view, intent)
    config = next((one for one in istiods(view) if one.revision == revision and one.namespace in ("", intent.namespace)), None)
    if config is None or not config.discovery_selectors:
        yield skip("istiod has no discoverySelectors, so it discovers every namespace")
        return
    owner = config.sources[0] if config.known or plane is None else plane.ref  # what istiod has, else what it is made from
    unseen = f"no discovery selector of {owner} takes it"
    for namespace in view.of(k.NAMESPACE):
        selected = config.discovers(namespace.name, namespace.labels)
        intended = namespace.name in (intent.members or ())
        if intended and not selected:
            yield Problem(namespace.ref, f"it is a member, and {unseen}")
        elif namespace.name == intent.namespace and not selected:
            text = f"the control plane runs in it, and {unseen}: what is said there for all is not read"
            yield Problem(namespace.ref, text, severity=Severity.WARNING)
        elif selected and not intended and namespace.name != intent.namespace and "members" not in intent.found:
            yield Problem(namespace.ref, f"{owner} discovers it, and it is no member", severity=Severity.WARNING)


@check(
    "OSM1305",
    title="no member is pending",
    hint="create the namespace, or remove its ServiceMeshMember of another mesh; it is then configured automatically",
    inputs=(k.SMMR,),
    requires=EXISTS,
    intent=("provider", "control_plane"),
    providers=("ossm2",),
    retryable=True,
)
def no_pending_member(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The roll's Ready only says that a member is missing; its memberStatuses say which one, and why."""
    roll = _roll(view, intent)
    if roll is None:
        yield Problem(ref(k.SMMR, "default", intent.namespace), "it does not exist")
        return
    statuses = {row.get("namespace"): Obj.from_dict(k.SMMR, {"status": row}) for row in roll.items("status", "memberStatuses")}
    for name in roll.items("status", "pendingMembers"):
        status = statuses.get(name)
        reasons = [condition.why for condition in status.conditions() if not condition.true] if status is not None else []
        yield Problem(f"Namespace {name}", f"{roll.ref} has it as pending ({'; '.join(reasons) or 'no reason given'})")


@check(
    "OSM1306",
    title="no namespace has contradictory injection labels",
    hint="keep one: oc label namespace NAMESPACE istio-injection- (to use istio.io/rev, or istio.io/dataplane-mode); the revision of a "
    "waypoint is a label of its Gateway",
    inputs=(k.NAMESPACE,),
    live=False,
    equivalents=("IST0123",),
)
def labels_agree(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """With both labels, istio-injection wins and istio.io/rev is ignored: an upgrade by revision seems to have no effect. A namespace of
    ambient that asks for sidecars as well gets them: its next pods are outside of ztunnel and of the policies for waypoints."""
    for namespace in view.of(k.NAMESPACE):
        word, revision, mode = (namespace.labels.get(key) for key in (INJECTION, REVISION, DATAPLANE))
        if word is not None and revision is not None:
            lesser = Severity.WARNING if word == "disabled" else None  # no pod gets a proxy, which may be meant
            yield Problem(namespace.ref, f"it has {INJECTION}={word} and {REVISION}={revision}; the second is ignored", severity=lesser)
        elif mode == "ambient" and (word == "enabled" or (word is None and revision)):
            asked = f"{INJECTION}={word}" if word else f"{REVISION}={revision}"
            text = f"it has {asked} and {DATAPLANE}={mode}; its pods get sidecars, and ambient leaves those out"
            # who only means the istiod of its waypoints says so on their Gateways
            yield Problem(namespace.ref, text, severity=None if word else Severity.WARNING)


@check(
    "OSM1307",
    title="each injection label leads to a revision that exists",
    hint="oc get istiorevisions,istiorevisiontags; correct the label or create the IstioRevisionTag",
    inputs=(k.NAMESPACE, k.ISTIO_REVISION_TAG, k.MUTATING_WEBHOOK, *READS),
    requires=("OSM1105",),
    intent=("provider",),
    providers=(*SAIL, ISTIO_ONLY),
    subjects=(k.NAMESPACE,),
    retryable=True,
)
def label_resolves(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A label without a revision behind it is matched by no webhook: pods start without a proxy, without any message."""
    for namespace in view.of(k.NAMESPACE):
        label = _wanted_revision(namespace)
        theirs = MEMBER_OF in namespace.labels and namespace.labels.get(IGNORED) != "true"  # OSSM 2 reads the label in its own way
        if label is not None and not theirs and not leads_somewhere(view, label):
            key = f"{INJECTION}=enabled" if INJECTION in namespace.labels else f"{REVISION}={label}"
            remedy = (
                ""
                if intent.by_operator
                else "istioctl tag list; correct the label, or make the tag: istioctl tag set TAG --revision REVISION"
            )
            yield Problem(namespace.ref, f"its label {key} means revision {label}, and there is no such revision or tag", remedy)


@check(
    "OSM1308",
    title="each revision tag is reconciled",
    hint="correct spec.targetRef of the tag; it names an Istio or an IstioRevision",
    inputs=(k.ISTIO_REVISION_TAG,),
    requires=("OSM1105",),
    intent=("provider",),
    providers=SAIL,
    retryable=True,
)
def tags_reconciled(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """An unused tag never gets Healthy, so Reconciled is what counts."""
    for tag in view.of(k.ISTIO_REVISION_TAG):
        yield from condition_true(tag, "Reconciled")


@check(
    "OSM1309",
    title="each namespace says by a label whether its pods get proxies",
    hint="label it: kubectl label namespace NAMESPACE istio-injection=enabled, or =disabled",
    severity=Severity.INFO,
    inputs=(k.NAMESPACE, k.CONFIG_MAP, k.MUTATING_WEBHOOK),
    live=False,
    subjects=(k.NAMESPACE,),
    equivalents=("IST0148",),
)
def injection_said(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """An injector with enableNamespacesByDefault takes a namespace without a label as well: whoever creates one has proxies in it, which
    Jobs wait for and which some pods may not have, and nothing in the namespace says why."""
    homes = {one.namespace for one in injector_values(view) if one.takes_all}
    hooks = injectors(view)
    for namespace in view.of(k.NAMESPACE):
        labelled = any(key in namespace.labels for key in (INJECTION, REVISION, DATAPLANE, MEMBER_OF))
        if labelled or namespace.name in homes or namespace.name.startswith("kube-"):
            continue
        taken = injected_by(hooks, namespace, {})
        if homes or taken:
            by = taken[0].ref if taken else f"the injector of {', '.join(sorted(homes))}"
            yield Problem(namespace.ref, f"it has no label for injection, and {by} injects its pods all the same")
