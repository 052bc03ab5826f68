# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM12xx: the control plane, its versions, its webhooks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product

from .._checks.conditions import condition_true
from .._checks.types import Category, Options
from .._model import kinds as k
from .._model.fields import section
from .._model.injection import (
    INJECT,
    INJECTION,
    TAG,
    active_revision,
    control_plane,
    injected_by,
    injectors,
    istiod_name,
    istiod_of,
    proxy_of,
)
from .._model.intent import ISTIO_ONLY, Intent
from .._model.istiods import READS, istiods
from .._model.mesh_config import named_revision
from .._model.packages import MESH_OPERATORS
from .._model.plane_parts import least_pods
from .._model.problem import Problem, Severity, skip
from .._model.revisions import LABEL, revisions_of
from .._model.rollouts import rollout_problem
from .._model.selectors import matches
from .._model.versions import ahead, image_version, minor, same_minor
from .._model.view import Obj, View, ref
from .._text import counted

CATEGORY = Category("control_plane")
check = CATEGORY.check

PLANE = (k.SMCP, k.ISTIO)
NEEDS = ("provider", "control_plane")
EXISTS = ("OSM1201",)
SAIL = ("ossm3", "sail")
OPERATED = ("ossm2", *SAIL)
ROOT_CERTIFICATE = "istio-ca-root-cert"


def _where(intent: Intent) -> str:
    return ref(intent.control_plane_kind, intent.name, intent.namespace if intent.ossm2 else None)


@check(
    "OSM1201",
    title="the control plane exists",
    hint="run meshops.mesh.install_mesh, or correct control_plane.name and control_plane.namespace",
    inputs=READS,
    requires=("OSM1001", "OSM1105"),
    intent=NEEDS,
    live=False,
)
def exists(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The object that the operator reconciles: a ServiceMeshControlPlane of OSSM 2, an Istio of OSSM 3 and Sail. Where istioctl or Helm
    installed the mesh it is what configures istiod."""
    plane = control_plane(view, intent)
    if not intent.by_operator:
        yield from _bare(view, intent)
    elif plane is None:
        others = ", ".join(row.ref for row in view.of(k.SMCP if intent.ossm2 else k.ISTIO)) or "none"
        yield Problem(_where(intent), f"it does not exist; control planes found: {others}")
    elif not intent.ossm2 and plane.at("spec", "namespace") != intent.namespace:
        yield Problem(plane.ref, f"its istiod runs in namespace {plane.at('spec', 'namespace')}, expected {intent.namespace}")
    elif plane.deleting:
        yield Problem(plane.ref, "it is being deleted")


def _bare(view: View, intent: Intent) -> Iterable[Problem]:
    """Without an operator the control plane is what an istiod is configured by; a folder may have no more of it."""
    if not any(one.namespace in ("", intent.namespace) and not one.ossm2 for one in istiods(view)):
        others = ", ".join(sorted({one.name for one in istiods(view)})) or "none"
        yield Problem(ref(k.DEPLOYMENT, istiod_name(intent, intent.name), intent.namespace), f"it does not exist; istiods found: {others}")


@check(
    "OSM1202",
    title="the operator has seen the control plane's latest change",
    hint="oc logs of the operator's Deployment; it may be stuck on another control plane",
    inputs=PLANE,
    requires=EXISTS,
    intent=NEEDS,
    providers=OPERATED,
    retryable=True,
)
def observed(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Conditions describe the generation that was observed: Ready=True of an older one proves nothing about the current spec."""
    plane = control_plane(view, intent)
    if plane is None:
        return
    generation, seen = plane.at("metadata", "generation", default=0), plane.at("status", "observedGeneration", default=0)
    if generation != seen:
        yield Problem(plane.ref, f"its generation is {generation}, the operator has finished generation {seen or 'none'}")


@check(
    "OSM1203",
    title="the control plane is Ready",
    hint="oc get pods -n NAMESPACE; the components that are not ready are named in the message",
    inputs=PLANE,
    requires=EXISTS,
    intent=NEEDS,
    providers=OPERATED,
    retryable=True,
)
def ready(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Ready means that the operator sees all components running; see OSM1202 for the generation that it refers to."""
    plane = control_plane(view, intent)
    if plane is not None:
        yield from condition_true(plane, "Ready")


@check(
    "OSM1204",
    title="the operator reconciled the control plane without an error",
    hint="correct what the message names; an end-of-life version or a missing namespace never goes away by waiting",
    inputs=(*PLANE, k.ISTIO_CNI, k.ISTIO_REVISION, k.ISTIO_REVISION_TAG, k.Z_TUNNEL),
    requires=EXISTS,
    intent=NEEDS,
    providers=OPERATED,
    retryable=True,
)
def reconciled(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """ReconcileError can pass within the first second of an install; it stays when the namespace is missing or the version is
    end-of-life. The objects that serve this mesh with it count too, each with its own condition: an object that is Ready can still be
    one that its operator cannot reconcile, such as a revision that proxies use and that is no longer active."""
    plane = control_plane(view, intent)
    if plane is None:
        return
    yield from condition_true(plane, "Reconciled")
    for row in _companions(view, plane) if not intent.ossm2 else ():
        condition = row.condition("Reconciled")
        if condition is not None and not condition.true:
            yield Problem(row.ref, f"Reconciled is {condition.status} ({condition.why})")


def _companions(view: View, plane: Obj) -> Iterable[Obj]:
    """Its revisions, whether they are active or not, the tags that lead to them, and what the meshes of a cluster share."""
    revisions = {row.name: row for row in view.of(k.ISTIO_REVISION) if _belongs(row, plane)}
    yield from revisions.values()
    for tag in view.of(k.ISTIO_REVISION_TAG):
        target = (tag.at("spec", "targetRef", "kind", default=""), tag.at("spec", "targetRef", "name", default=""))
        if target == (plane.kind.kind, plane.name) or (target[0] == k.ISTIO_REVISION.kind and target[1] in revisions):
            yield tag
    yield from (*view.of(k.ISTIO_CNI), *view.of(k.Z_TUNNEL))


def _belongs(revision: Obj, plane: Obj) -> bool:
    """Whether the operator made this revision for this Istio; a source without owners tells by the name."""
    owners = [row for row in revision.items("metadata", "ownerReferences") if row.get("kind") == plane.kind.kind]
    if owners:
        return any(row.get("name") == plane.name for row in owners)
    return revision.name == plane.name or revision.name.startswith(f"{plane.name}-v")


@check(
    "OSM1205",
    title="the active revision is the expected one, and it is Ready",
    hint="oc describe istiorevision NAME",
    inputs=(k.ISTIO, k.ISTIO_REVISION),
    requires=EXISTS,
    intent=NEEDS,
    providers=SAIL,
    retryable=True,
)
def revision_active(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Right after a version change the Istio can still be Healthy with its old revision; only the revision itself shows its real state."""
    plane = control_plane(view, intent)
    if plane is None:
        return
    wanted, found = named_revision(plane.raw), str(plane.at("status", "activeRevisionName", default=""))
    if found != wanted and not (wanted.endswith("-") and found.startswith(wanted)):
        yield Problem(plane.ref, f"its active revision is {found or 'not set'}, expected {wanted}")
        return
    revision = view.get(k.ISTIO_REVISION, found)
    if revision is None:
        yield Problem(ref(k.ISTIO_REVISION, found), f"it does not exist, and {plane.ref} names it as active")
        return
    version, target = str(revision.at("spec", "version", default="")), str(plane.at("spec", "version", default=""))
    if version != target and not (target.endswith("-latest") and same_minor(version, target)):
        yield Problem(revision.ref, f"its version is {version}, expected {target}")
    generation, seen = revision.at("metadata", "generation", default=0), revision.at("status", "observedGeneration", default=0)
    if generation != seen:
        yield Problem(revision.ref, f"its generation is {generation}, the operator has finished generation {seen or 'none'}")
    yield from condition_true(revision, "Ready")


def _istiod(view: View, intent: Intent) -> tuple[str, Obj | None]:
    revision = active_revision(view, intent) or ""
    deployment = istiod_of(view, intent, revision)
    return ref(k.DEPLOYMENT, deployment.name if deployment else istiod_name(intent, revision), intent.namespace), deployment


def _elsewhere(view: View, intent: Intent) -> Iterable[Problem]:
    """Of a mesh whose istiod runs in another cluster, why nothing can be said of it."""
    plane = control_plane(view, intent)
    said = plane.ref if plane is not None and plane.kind == k.ISTIO and plane.at("spec", "profile") == "remote" else ""
    said = said or str((intent.control_plane or {}).get("remote") or "")
    if said:
        yield skip(f"its istiod runs in another cluster ({said})")


@check(
    "OSM1206",
    title="istiod has rolled out",
    hint="oc rollout status deployment/istiod -n NAMESPACE; oc get events -n NAMESPACE",
    inputs=(k.SMCP, k.ISTIO, k.DEPLOYMENT),
    requires=EXISTS,
    intent=NEEDS,
    retryable=True,
    per_object=True,
)
def istiod_rolled_out(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A control plane reports Ready even with istiod scaled to zero; only updated, ready replicas serve proxies."""
    where, deployment = _istiod(view, intent)
    if deployment is None:
        yield from list(_elsewhere(view, intent)) or [Problem(where, "it does not exist")]
        return
    wanted = deployment.at("spec", "replicas", default=1)
    if wanted == 0:
        yield Problem(where, "it is scaled to 0 replicas, so no proxy gets configuration or certificates")
        return
    problem = rollout_problem(deployment)
    if problem:
        yield Problem(where, problem)


@check(
    "OSM1207",
    title="istiod runs with the wanted number of replicas",
    hint="set istiod.replicas of mesh_control_plane to 2 or more, or drop the PodDisruptionBudget",
    severity=Severity.WARNING,
    inputs=(k.SMCP, k.ISTIO, k.DEPLOYMENT, k.POD_DISRUPTION_BUDGET),
    requires=("OSM1206",),
    intent=NEEDS,
)
def istiod_replicas(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """One replica behind a budget that keeps one available cannot be evicted, and draining its node hangs."""
    where, deployment = _istiod(view, intent)
    if deployment is None:
        yield from _elsewhere(view, intent)
        return
    replicas = deployment.at("spec", "replicas", default=1)
    istiod = (intent.control_plane or {}).get("istiod") or {}
    wanted = least_pods(istiod)
    if replicas < wanted:
        yield Problem(where, f"it has {counted(replicas, 'replica')}, expected {wanted}")
    labels = deployment.at("spec", "template", "metadata", "labels", default={})
    for budget in view.of(k.POD_DISRUPTION_BUDGET, intent.namespace):
        if matches(budget.at("spec", "selector"), labels) and _kept(budget, replicas) >= replicas > 0:
            every = f"{'all ' if replicas > 1 else ''}{counted(replicas, 'replica')}"
            yield Problem(where, f"{budget.ref} keeps {every}, so no node that runs one can be drained")


def _kept(budget: Obj, replicas: int) -> int:
    """How many of so many replicas a PodDisruptionBudget keeps; shares are rounded up, as its controller does."""
    least, most = budget.at("spec", "minAvailable"), budget.at("spec", "maxUnavailable")
    if least is None and most is None:
        return 0
    text = str(most if least is None else least)
    count = math.ceil(replicas * int(text.removesuffix("%")) / 100) if text.endswith("%") else int(text)
    return replicas - count if least is None else count


@check(
    "OSM1208",
    title="the control plane's version is still maintained",
    hint="upgrade one minor at a time; thresholds.istio_oldest, ossm3_oldest and ossm2_oldest set the limit",
    severity=Severity.WARNING,
    inputs=READS,
    requires=EXISTS,
    intent=NEEDS,
    live=False,
)
def version_maintained(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """End-of-life versions get no security fixes; the Sail operator refuses to reconcile those that it has dropped."""
    plane = control_plane(view, intent)
    if not intent.by_operator:
        yield from _old(_running(view, intent), f"the istiod of {intent.namespace}", intent, options)
        return
    if plane is None:
        return
    version = str(plane.at("spec", "version", default=""))
    condition = plane.condition("Reconciled")
    if condition is not None and not condition.true and "end-of-life" in condition.message:
        yield Problem(plane.ref, condition.message, severity=Severity.ERROR)
        return
    yield from _old(version, plane.ref, intent, options)


def _running(view: View, intent: Intent) -> str:
    """The version of the active istiod, as its configuration or its image says it."""
    own = (one for one in istiods(view) if one.revision == intent.name and one.namespace in ("", intent.namespace))
    return next((one.version for one in own if one.version), "")


def _old(version: str, where: str, intent: Intent, options: Options) -> Iterable[Problem]:
    limit = str(options.threshold({"ossm2": "ossm2_oldest", "ossm3": "ossm3_oldest"}.get(str(intent.provider), "istio_oldest")))
    found, oldest = minor(version), minor(limit)
    other = minor(str(options.threshold("ossm3_oldest")))
    if intent.unsure and found and oldest and other and other <= found < oldest:
        yield skip(
            f"{where} has version {version}: OpenShift Service Mesh 3 maintains it, Istio does not, and nothing says which of them it is"
        )
        return
    if found is None:
        yield skip(f"version {version or 'not set'} of {where} cannot be compared")
    elif oldest is not None and found < oldest:
        yield Problem(where, f"its version is {version}, the oldest that is maintained is {limit}")


@check(
    "OSM1209",
    title="IstioCNI is Ready and at most one minor version from the control plane",
    hint="set spec.version of IstioCNI default; on OpenShift no pod gets its traffic redirected without it",
    inputs=(*READS, k.ISTIO_CNI, k.DAEMON_SET),
    requires=EXISTS,
    intent=NEEDS,
    providers=(*SAIL, ISTIO_ONLY),
    retryable=True,
    live=False,
)
def cni_matches(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The CNI plugin takes the place of the privileged init container. In an upgrade the two follow each other; further apart than
    one minor they are not tested together. Where istioctl or Helm installed it, it is only a DaemonSet."""
    if not intent.by_operator:
        yield from _cni_alone(view, intent)
        return
    plane = control_plane(view, intent)
    nodes = view.of(k.ISTIO_CNI)
    if plane is None:
        return
    unmanaged = section(intent.control_plane, "cni").get("manage") is False  # the inventory says that somebody else does, or nobody
    if not nodes and ("control_plane" in intent.found or unmanaged) and not _wants_cni(intent, plane):
        yield skip(f"{plane.ref} does not ask for the CNI plugin: its proxies come with istio-init")
    elif not nodes:
        yield Problem(ref(k.ISTIO_CNI, "default"), "it does not exist")
    for cni in nodes:
        version, wanted = str(cni.at("spec", "version", default="")), str(plane.at("spec", "version", default=""))
        distance = ahead(version, wanted)
        if abs(distance or 0) > 1 or (distance is None and minor(version) and minor(wanted)):
            yield Problem(cni.ref, f"its version is {version}, the control plane's is {wanted}")
        if view.source != "manifests":
            yield from condition_true(cni, "Ready")


def _wants_cni(intent: Intent, plane: Obj) -> bool:
    """Whether proxies count on the plugin: on OpenShift, in ambient, and where the values say so."""
    said = [plane.at("spec", "values", *path) for path in (("pilot", "cni", "enabled"), ("istio_cni", "enabled"))]
    platforms = (plane.at("spec", "profile", default=""), plane.at("spec", "values", "global", "platform", default=""))
    return intent.provider == "ossm3" or True in said or any(word in str(name) for name in platforms for word in ("openshift", "ambient"))


def _cni_alone(view: View, intent: Intent) -> Iterable[Problem]:
    rows = [row for row in view.of(k.DAEMON_SET) if "istio-cni-node" in (row.name, row.labels.get("k8s-app"))]
    wanted = _running(view, intent)
    if not rows:
        yield skip("there is no CNI plugin: proxies come with istio-init")
    for row in rows:
        images = (image_version(box.get("image")) for box in row.items("spec", "template", "spec", "containers"))
        version = next(filter(None, images), "")
        if abs(ahead(version, wanted) or 0) > 1:
            said = f"its version is {version}, the control plane's is {wanted}"
            yield Problem(row.ref, said, "upgrade the chart istio-cni, or istioctl's component cni, to the version of istiod")
        if view.source != "manifests" and rollout_problem(row):
            yield Problem(row.ref, rollout_problem(row), f"kubectl rollout status daemonset/{row.name} -n {row.namespace}")


@check(
    "OSM1210",
    title="proxies are within the supported skew of istiod",
    hint="restart the workloads of the namespace: oc rollout restart deployment -n NAMESPACE",
    severity=Severity.WARNING,
    inputs=(k.SMCP, k.ISTIO, k.DEPLOYMENT, k.POD),
    requires=("OSM1206",),
    intent=NEEDS,
)
def proxy_skew(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A proxy keeps the version that it was started with. The control plane may be ahead of it, one minor by Istio's own rule;
    a proxy that is ahead of its control plane is not supported."""
    where, deployment = _istiod(view, intent)
    containers = deployment.items("spec", "template", "spec", "containers") if deployment is not None else []
    versions = [version for version in (image_version(row.get("image")) for row in containers) if version]
    if not versions:
        yield skip(f"the image of {where} has no version in its tag")
        return
    limit = int(options.threshold("proxy_skew_minors"))
    for pod in (pod for pod in view.of(k.POD) if intent.owns(pod.namespace)):
        proxy = proxy_of(pod)
        version = image_version(proxy.at("image")) if proxy is not None else ""
        distance = ahead(version, versions[0])
        if not version or (distance is not None and -limit <= distance <= 0):
            continue
        wanted = f"at most {limit} minor behind and never ahead is wanted"
        yield Problem(pod.ref, f"its proxy has version {version}, istiod {versions[0]}; {wanted}")


@check(
    "OSM1211",
    title="the injection webhook has a Service and a CA bundle",
    hint="oc get mutatingwebhookconfiguration NAME -o yaml; istiod writes caBundle when it starts",
    inputs=(k.MUTATING_WEBHOOK, k.SERVICE),
    retryable=True,
    equivalents=("IST0139",),
)
def webhook_answers(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The webhook fails closed: without its Service or with an empty CA bundle, no pod is created in an injected namespace."""
    homes: set[str] = set()
    for row in injectors(view):
        problems: set[str] = set()
        for hook in row.items("webhooks"):
            client = Obj.from_dict(k.Kind("", "WebhookClientConfig"), hook.get("clientConfig") or {})
            name, namespace = client.at("service", "name", default=""), client.at("service", "namespace", default="")
            homes.add(namespace)
            if name and view.get(k.SERVICE, name, namespace) is None:
                problems.add(f"it calls {ref(k.SERVICE, name, namespace)}, which does not exist")
            if not client.at("caBundle"):
                problems.add("its caBundle is empty, so the API server trusts no answer")
        for problem in sorted(problems):
            yield Problem(row.ref, problem)
    # A webhook that calls a URL has no namespace: its istiod runs elsewhere, and it counts as ours.
    if not homes or (intent.namespace and not homes & {intent.namespace, ""}):
        place = f" that calls istiod in {intent.namespace}" if intent.namespace else ""
        yield Problem("MutatingWebhookConfiguration istio-sidecar-injector", f"there is no injection webhook{place}")


@check(
    "OSM1212",
    title="each pod is injected by one webhook only",
    hint="make one revision the default, or remove the webhook configuration of the control plane that is gone",
    inputs=(k.MUTATING_WEBHOOK, k.NAMESPACE, k.POD),
    equivalents=("IST0139",),
)
def injectors_do_not_overlap(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Two webhooks that take the same pod inject it twice, and which control plane it connects to is left to chance."""
    configurations = injectors(view)
    told: set[str] = set()
    for namespace in view.of(k.NAMESPACE):
        # The empty set stands for the next pod without labels of its own.
        samples = {(): "a new pod"} | {tuple(sorted(pod.labels.items())): pod.ref for pod in view.of(k.POD, namespace.name)}
        overlaps: dict[str, str] = {}
        for labels, example in samples.items():
            takers = injected_by(configurations, namespace, dict(labels))
            if len(takers) > 1:
                overlaps.setdefault(", ".join(sorted(row.name for row in takers)), example)
        told |= {*overlaps}
        for names, example in sorted(overlaps.items()):
            yield Problem(namespace.ref, f"{example} is taken by more than one injector: {names}")
    yield from _next_overlaps(configurations, told)


def _next_overlaps(configurations: list[Obj], told: set[str]) -> Iterable[Problem]:
    """Of namespaces and pods that are not there yet, with the labels that people ask for a proxy with."""
    found: dict[str, tuple[list[Obj], str]] = {}
    for around, own in product(*(_askings(configurations, word) for word in ({INJECTION: "enabled"}, {INJECT: "true"}))):
        takers = injected_by(configurations, Obj(k.NAMESPACE, "", "", around, {}, {}), own)
        if len(takers) > 1:
            labels = [f"{key}={value}" for key, value in (*around.items(), *own.items())]
            found.setdefault(", ".join(sorted(row.name for row in takers)), (takers, " and ".join(labels) or "no label"))
    for names, (takers, wanted) in found.items():
        for row in takers if names not in told else ():
            others = ", ".join(one.name for one in takers if one is not row)
            yield Problem(row.ref, f"it would take a pod with {wanted}, of it or of its namespace, and so would {others}")


def _askings(configurations: list[Obj], word: dict[str, str]) -> Iterable[dict[str, str]]:
    """No label, Istio's own word, and each revision or tag that a configuration is for."""
    revisions = dict.fromkeys(value for row in configurations for key in (TAG, LABEL) if (value := row.labels.get(key)))
    return [{}, word, *({LABEL: revision} for revision in revisions)]


@check(
    "OSM1213",
    title="each member trusts the control plane's root certificate",
    hint="oc get configmap istio-ca-root-cert -n NAMESPACE; istiod writes it into every namespace that it watches",
    inputs=(k.CONFIG_MAP, k.NAMESPACE),
    intent=("control_plane", "members"),
    retryable=True,
)
def root_certificate_equal(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A proxy with another root certificate cannot talk to istiod or to any other proxy in the mesh."""
    ours = view.get(k.CONFIG_MAP, ROOT_CERTIFICATE, intent.namespace)
    if ours is None:
        yield Problem(ref(k.CONFIG_MAP, ROOT_CERTIFICATE, intent.namespace), "it does not exist")
        return
    root = ours.at("data", "root-cert.pem", default="")
    for name in intent.members or ():
        if view.get(k.NAMESPACE, name) is None:
            continue  # OSM1301 says so
        theirs = view.get(k.CONFIG_MAP, ROOT_CERTIFICATE, name)
        where = ref(k.CONFIG_MAP, ROOT_CERTIFICATE, name)
        if theirs is None:
            yield Problem(where, "it does not exist, so no proxy starts here")
        elif str(theirs.at("data", "root-cert.pem", default="")).strip() != str(root).strip():
            yield Problem(where, f"its root certificate differs from the one in {intent.namespace}")


@check(
    "OSM1214",
    title="no old revision is in use",
    hint="restart the workloads that still use it; the operator prunes it when nothing refers to it",
    severity=Severity.WARNING,
    inputs=(k.ISTIO, k.ISTIO_REVISION),
    requires=EXISTS,
    intent=NEEDS,
    providers=SAIL,
)
def no_old_revision(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """With RevisionBased the old control plane stays until no namespace and no pod refers to it; the operator does not restart
    workloads."""
    active = active_revision(view, intent)
    for revision in view.of(k.ISTIO_REVISION):
        owners = [row for row in revision.items("metadata", "ownerReferences") if row.get("kind") == "Istio"]
        ours = any(row.get("name") == intent.name for row in owners)
        condition = revision.condition("InUse")
        if ours and revision.name != active and condition is not None and condition.true:
            yield Problem(revision.ref, f"it is not active any more, and it is in use ({condition.why})")


@check(
    "OSM1215",
    title="the control plane is updated only on request",
    hint="set spec.version to a patch version, or installPlanApproval: Manual",
    severity=Severity.WARNING,
    inputs=(k.ISTIO, k.ISTIO_CNI, k.Z_TUNNEL, k.SUBSCRIPTION),
    requires=EXISTS,
    providers=SAIL,
    live=False,
    subjects=(k.ISTIO, k.ISTIO_CNI, k.Z_TUNNEL),
)
def version_pinned(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """An alias such as v1.30-latest resolves to the newest patch that the operator knows. Where OLM approves updates by itself, a new
    operator is installed whenever the catalogue has one, and the control plane, or the CNI plugin on every node, is replaced with it.
    Without an intent this is asked of each control plane of the source."""
    planes = [control_plane(view, intent)] if intent.control_plane else view.of(k.ISTIO)
    rows = [row for row in (*planes, *view.of(k.ISTIO_CNI), *view.of(k.Z_TUNNEL)) if row is not None]
    aliases = [(row, version) for row in rows if (version := str(row.at("spec", "version", default=""))).endswith("-latest")]
    own = [row for row in view.of(k.SUBSCRIPTION) if row.at("spec", "name", default="") in MESH_OPERATORS - {"servicemeshoperator"}]
    if aliases and not own:
        yield skip(f"{aliases[0][0].ref} has the alias {aliases[0][1]}, and the source does not say how its operator is updated")
        return
    # what OLM takes where nothing is said
    moving = [row for row in own if row.at("spec", "installPlanApproval", default="Automatic") == "Automatic"]
    for row, version in aliases if moving else ():
        cause = f"its version is {version}, and {moving[0].ref} approves by itself"
        yield Problem(row.ref, f"{cause}: it is replaced whenever there is a new patch")


# Policies are told by OSM3005.
_SECURITY = (k.PEER_AUTHENTICATION, k.REQUEST_AUTHENTICATION)
_CONFIGURATION = (k.DESTINATION_RULE, k.ENVOY_FILTER, k.GATEWAY, *_SECURITY, k.SERVICE_ENTRY, k.TELEMETRY, k.VIRTUAL_SERVICE)
_TAGS = (k.ISTIO_REVISION_TAG, k.MUTATING_WEBHOOK, k.SERVICE)


@check(
    "OSM1216",
    title="each Istio object is read by an istiod",
    hint="remove its label istio.io/rev, or set it to a revision that exists; tags work for namespaces and pods only",
    severity=Severity.WARNING,
    inputs=(*_CONFIGURATION, *READS, *_TAGS),
    live=False,
)
def configuration_has_a_reader(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """istiod ignores objects that are labelled for another revision, without any message."""
    rows = [row for kind in _CONFIGURATION for row in view.of(kind)]
    configs, tagged = istiods(view), [row.raw for kind in (*_TAGS, k.ISTIO) for row in view.of(kind)]
    labelled = [row for row in rows if row.labels.get(LABEL)]
    if not configs:
        if labelled:
            yield skip("the source has no control plane, so the revisions of its mesh are not known")
        return
    names, tags = {config.revision for config in configs}, revisions_of(tagged, configs).tags
    for row in labelled:
        revision = str(row.labels[LABEL])
        if revision in tags and revision not in names:
            own = tags[revision]
            yield Problem(row.ref, f"no istiod reads it: {revision} is a tag, and istiod compares the label with its own revision, {own}")
        elif revision not in names:
            yield Problem(row.ref, f"no istiod reads it: there is none of revision {revision}, only of {', '.join(sorted(names))}")
