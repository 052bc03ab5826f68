# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM42xx: what has to hold before, and while, a mesh goes from OpenShift Service Mesh 2.6 to 3. Asked by migration_plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._checks.types import Category, Options
from .._model import kinds as k
from .._model.injection import INJECT, INJECTION, REVISION, injected_by, injectors, proxy_of
from .._model.intent import Intent
from .._model.problem import Problem, Severity, skip
from .._model.selectors import matches
from .._model.versions import minor
from .._model.view import Obj, View, ref
from .._text import counted
from .convert import FieldOutcome, convert, tracing_of

CATEGORY = Category("migration", on_request=True)
check = CATEGORY.check

__all__: list[str] = []

NEEDS = ("control_plane", "migration")
MEMBERS = ("control_plane", "members", "migration")
PLANE = ("OSM4201",)
MEMBER_OF, IGNORE, OWNER = "maistra.io/member-of", "maistra.io/ignore-namespace", "maistra.io/owner"
WORKLOADS = (k.DEPLOYMENT, k.STATEFUL_SET, k.DAEMON_SET)
# The CRD of ServiceEntry since Istio 1.24.
MOST_HOSTS = 256
ISTIO_GROUPS = ("networking.istio.io", "security.istio.io", "telemetry.istio.io")


def _plane(view: View, intent: Intent) -> Obj | None:
    return view.get(k.SMCP, intent.name, intent.namespace)


def _spaces(intent: Intent) -> list[str]:
    return [intent.namespace, *(intent.members or ())]


def _of_operator(obj: Obj) -> bool:
    """Made by the operator of OSSM 2."""
    return (
        OWNER in obj.labels
        or "maistra-version" in obj.labels
        or any(one.get("kind") == "ServiceMeshControlPlane" for one in obj.items("metadata", "ownerReferences"))
    )


def _operator_csv(view: View, package: str) -> tuple[Obj | None, Obj | None]:
    """The Subscription of a package and its CSV."""
    subscription = next((row for row in view.of(k.SUBSCRIPTION) if row.at("spec", "name") == package), None)
    if subscription is None:
        return None, None
    return subscription, view.get(k.CSV, str(subscription.at("status", "installedCSV", default="")), subscription.namespace)


@check(
    "OSM4201",
    title="the control plane of OSSM 2 is at version 2.6",
    hint="set spec.version: v2.6 of the ServiceMeshControlPlane, wait for Ready, and restart the workloads",
    inputs=(k.SMCP,),
    intent=NEEDS,
    live=False,
)
def at_last_minor(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """OpenShift Service Mesh 3 accepts proxies of 2.6 beside its own, and none that are older."""
    plane = _plane(view, intent)
    if plane is None:
        yield Problem(ref(k.SMCP, intent.name, intent.namespace), "it does not exist")
    elif minor(str(plane.at("spec", "version", default="v2.6"))) != (2, 6):
        yield Problem(plane.ref, f"its version is {plane.at('spec', 'version')}, expected v2.6")


@check(
    "OSM4202",
    title="each operator of the mesh has reached the head of its channel",
    hint="approve what is pending with meshops.mesh.install_plan, that of OSSM 2 before that of OSSM 3 is installed",
    inputs=(k.SUBSCRIPTION,),
    intent=("migration",),
)
def operators_current(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Read from the Subscriptions, so it also works where the vendor's catalogue is not reachable. An operator of OSSM 2 that is updated
    after the one of 3 was installed puts its older CRDs in the place of the newer ones."""
    for row in view.of(k.SUBSCRIPTION):
        if row.at("spec", "name") in ("servicemeshoperator", "kiali-ossm", "servicemeshoperator3"):
            current, installed = row.at("status", "currentCSV", default=""), row.at("status", "installedCSV", default="")
            if row.at("status", "state") != "AtLatestKnown" or current != installed:
                yield Problem(
                    row.ref,
                    f"it is {row.at('status', 'state', default='without a state')}: installed is {installed or 'nothing'}, "
                    f"the channel has {current or 'nothing known'}",
                )


@check(
    "OSM4203",
    title="the control plane runs the version of its operator",
    hint="find out why the operator has not reconciled the ServiceMeshControlPlane since its update: oc describe smcp",
    inputs=(k.SMCP, k.SUBSCRIPTION, k.CSV),
    requires=PLANE,
    intent=NEEDS,
    severity=Severity.WARNING,
)
def at_last_patch(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """status.chartVersion is the patch release that istiod and new proxies have."""
    plane = _plane(view, intent)
    _subscription, csv = _operator_csv(view, "servicemeshoperator")
    chart = plane.at("status", "chartVersion") if plane is not None else None
    if plane is None or chart is None or csv is None:
        yield skip("the status or the operator's ClusterServiceVersion does not say")
        return
    wanted = str(csv.at("spec", "version", default="")).partition("-")[0]
    if wanted and chart != wanted:
        yield Problem(plane.ref, f"it runs {chart}, and its operator has brought {wanted}")


@check(
    "OSM4204",
    title="no addon is removed with the control plane",
    hint="run your own first, then set enabled: false (and tracing.type: None); migrate_mesh takes over Kiali, a Jaeger and what they read",
    inputs=(k.SMCP,),
    requires=PLANE,
    intent=NEEDS,
    severity=Severity.WARNING,
    live=False,
)
def addons_off(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The operator runs addons unless they are switched off, and removes them together with the control plane."""
    plane = _plane(view, intent)
    if plane is None:
        return
    for addon, what in (
        ("prometheus", "its metrics are lost then"),
        ("kiali", "a Kiali of its own takes its place"),
        ("grafana", "Grafana is not part of OSSM 3"),
    ):
        if plane.at("spec", "addons", addon, "enabled", default=True):
            yield Problem(plane.ref, f"the addon {addon} is on: {what}", evidence={"field": f"spec.addons.{addon}.enabled"})
    if tracing_of(plane.raw) == "Jaeger":
        yield Problem(plane.ref, "spec.tracing.type is Jaeger: a Jaeger that its operator made goes with it")


@check(
    "OSM4205",
    title="no gateway is removed with the control plane",
    hint="migrate_mesh moves them: an injected Deployment beside the old one, behind the same Service, which it keeps",
    inputs=(k.SMCP,),
    requires=PLANE,
    intent=NEEDS,
    severity=Severity.WARNING,
    live=False,
)
def gateways_off(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A gateway of the ServiceMeshControlPlane is deleted with it, and its Service, and the address that clients know."""
    plane = _plane(view, intent)
    if plane is None or plane.at("spec", "gateways", "enabled") is False:
        return
    for kind in ("ingress", "egress"):
        if plane.at("spec", "gateways", kind, "enabled", default=True):
            yield Problem(plane.ref, f"the gateway istio-{kind}gateway is its own")
        extra = plane.at("spec", "gateways", f"additional{kind.capitalize()}", default={})
        for name, one in sorted(extra.items()):
            if (one or {}).get("enabled") is True:
                yield Problem(plane.ref, f"the gateway {name} is its own")


@check(
    "OSM4206",
    title="no Route is generated from Gateways",
    hint="make the Routes yourself (the role gateways, mesh_gateways), then set spec.gateways.openshiftRoute.enabled: false",
    inputs=(k.SMCP, k.ROUTE),
    requires=PLANE,
    intent=NEEDS,
    live=False,
)
def routes_of_people(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Routes that OSSM 2 made from Gateways are deleted with it; OSSM 3 makes none."""
    plane = _plane(view, intent)
    if plane is not None and plane.at("spec", "gateways", "openshiftRoute", "enabled"):
        yield Problem(plane.ref, "spec.gateways.openshiftRoute.enabled is true")
    for row in view.of(k.ROUTE):
        if row.labels.get("maistra.io/generated-by") == "ior" and row.namespace in _spaces(intent):
            yield Problem(row.ref, "it was made from a Gateway, and goes with OSSM 2")


@check(
    "OSM4207",
    title="no network policy is removed with the control plane",
    hint="migrate_mesh makes policies of the same effect by a label that stays; or set spec.security.manageNetworkPolicy: false",
    inputs=(k.SMCP,),
    requires=PLANE,
    intent=NEEDS,
    severity=Severity.WARNING,
    live=False,
)
def network_policies_kept(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The operator keeps NetworkPolicies unless it is told not to. They go with OSSM 2, also without their ownerReferences."""
    plane = _plane(view, intent)
    if plane is not None and plane.at("spec", "security", "manageNetworkPolicy", default=True):
        yield Problem(plane.ref, "spec.security.manageNetworkPolicy is on")


def _open_to_all(policy: Obj) -> bool:
    return any(not rule.get("from") and not rule.get("ports") for rule in policy.items("spec", "ingress") if isinstance(rule, Mapping))


def _limits_ingress(policy: Obj) -> bool:
    return "Ingress" in (policy.items("spec", "policyTypes") or ["Ingress"])


@check(
    "OSM4208",
    title="no NetworkPolicy blocks the API server from the new istiod",
    hint="add a NetworkPolicy for app: istiod with ingress: [{}] in the control plane's namespace",
    inputs=(k.NETWORK_POLICY,),
    intent=NEEDS,
    live=False,
)
def istiod_reachable(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The API server calls istiod for each new pod; where it cannot, the injection webhook times out and no pod comes up. Policies that the
    operator keeps are left out: migrate_mesh adds one that opens the new istiod."""
    labels = {"app": "istiod", REVISION: str((intent.migration or {}).get("revision"))}
    selecting = [
        row
        for row in view.of(k.NETWORK_POLICY, intent.namespace)
        if _limits_ingress(row) and matches(row.at("spec", "podSelector"), labels)
    ]
    if any(_open_to_all(row) for row in selecting):
        return
    for row in selecting:
        if not _of_operator(row):
            yield Problem(row.ref, "it selects the new istiod, and nothing lets the API server in")


def _names_member_of(node: Any) -> bool:
    if isinstance(node, Mapping):
        return MEMBER_OF in node or node.get("key") == MEMBER_OF or any(_names_member_of(one) for one in node.values())
    return isinstance(node, list) and any(_names_member_of(one) for one in node)


@check(
    "OSM4209",
    title="no NetworkPolicy selects by a label that disappears with OSSM 2",
    hint="select by the label istio-discovery, which migrate_mesh sets on the control plane's namespace and on all members",
    inputs=(k.NETWORK_POLICY,),
    intent=("migration",),
    live=False,
)
def no_member_of_in_policies(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """maistra.io/member-of disappears from a namespace with its membership: a policy that admits by it then admits no traffic."""
    for row in view.of(k.NETWORK_POLICY):
        if not _of_operator(row) and _names_member_of(row.at("spec")):
            yield Problem(row.ref, f"it selects namespaces by {MEMBER_OF}")


@check(
    "OSM4210",
    title="no mesh is federated with this one",
    hint="build the connection anew with a Gateway, ServiceEntries and WorkloadEntries, then delete the federation resources",
    inputs=(k.PEER, k.EXPORTED, k.IMPORTED),
    intent=NEEDS,
    live=False,
)
def no_federation(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """OSSM 3 has no federation of this kind, and no way to take it over."""
    for kind in (k.PEER, k.EXPORTED, k.IMPORTED):
        for row in view.of(kind, intent.namespace):
            yield Problem(row.ref, "it is a resource of the federation of OSSM 2")


@check(
    "OSM4211",
    title="each proxy of OSSM 2 is at version 2.6",
    hint="restart the workload",
    inputs=(k.POD,),
    intent=MEMBERS,
)
def proxies_current(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A pod keeps the proxy with which it started; the label maistra-version says which one that is."""
    for space in _spaces(intent):
        for pod in view.of(k.POD, space):
            version = pod.labels.get("maistra-version")
            if version and minor(version) != (2, 6):
                yield Problem(pod.ref, f"its proxy is of {version}, expected 2.6")


@check(
    "OSM4212",
    title="each Kiali has the version of its operator",
    hint="set spec.version: default of the Kiali, after the operator of OSSM 3 is installed",
    inputs=(k.KIALI,),
    intent=NEEDS,
    severity=Severity.WARNING,
    live=False,
)
def kiali_current(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Only the newest Kiali reads the control planes of both generations."""
    for row in view.of(k.KIALI):
        version = row.at("spec", "version", default="default")
        if version != "default" and not _of_operator(row):
            yield Problem(row.ref, f"its version is pinned to {version}")


@check(
    "OSM4213",
    title="each Kiali reads only from services that remain",
    hint="set spec.external_services.prometheus.url, and tracing, of the Kiali to what does not go with the ServiceMeshControlPlane",
    inputs=(k.KIALI, k.SMCP),
    requires=PLANE,
    intent=NEEDS,
    severity=Severity.WARNING,
    live=False,
)
def kiali_reads_what_stays(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A Kiali of your own keeps running, but the addon's Prometheus that it may read does not."""
    plane = _plane(view, intent)
    if plane is None or not plane.at("spec", "addons", "prometheus", "enabled", default=True):
        return
    for row in view.of(k.KIALI, intent.namespace):
        url = str(row.at("spec", "external_services", "prometheus", "url", default=""))
        if not _of_operator(row) and (not url or f"//prometheus.{intent.namespace}" in url or "//prometheus:" in url):
            yield Problem(row.ref, f"it reads {url or 'the Prometheus of its namespace'}, which is the addon's")


@check(
    "OSM4214",
    title="each kind of Istio is served as v1",
    hint="install the operator of OSSM 3; where it was there before the last update of that of OSSM 2, remove and install it again",
    inputs=(k.CRD,),
    intent=("migration",),
)
def crds_current(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The operator of OSSM 3 brings the CRDs of its Istio, in which these kinds have a v1; that of OSSM 2 has none."""
    for row in view.of(k.CRD):
        if row.at("spec", "group") in ISTIO_GROUPS and row.at("spec", "names", "kind") not in ("EnvoyFilter", "ProxyConfig"):
            served = [one.get("name") for one in row.items("spec", "versions") if one.get("served", True)]
            if "v1" not in served:
                yield Problem(row.ref, f"it is served as {', '.join(str(name) for name in served) or 'nothing'}, expected v1")


@check(
    "OSM4215",
    title="each ServiceEntry fits the CRD of OSSM 3",
    hint="split it into several with at most 256 hosts each, and write spec.ports with a number each",
    inputs=(k.SERVICE_ENTRY,),
    intent=("migration",),
    live=False,
)
def service_entries_fit(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The CRD of Istio 1.24 and newer bounds the hosts and wants ports with numbers. One object that does not fit stops the installation of
    the operator of OSSM 3."""
    for row in view.of(k.SERVICE_ENTRY):
        hosts, ports = row.items("spec", "hosts"), row.items("spec", "ports")
        if len(hosts) > MOST_HOSTS:
            yield Problem(row.ref, f"it has {counted(len(hosts), 'host')}, at most {MOST_HOSTS} are allowed")
        if not ports:
            yield Problem(row.ref, "it has no ports")
        elif any(not isinstance(one, Mapping) or not one.get("number") for one in ports):
            yield Problem(row.ref, "a port has no number")


@check(
    "OSM4216",
    title="each namespace of the mesh is discovered by the new control plane",
    hint="label the namespace so that a discovery selector takes it, or leave the selectors out (discovery: label)",
    inputs=(k.NAMESPACE, k.SMCP),
    requires=PLANE,
    intent=MEMBERS,
    live=False,
)
def all_discovered(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Both control planes must know the same services while they run side by side. The label istio-discovery is set by migrate_mesh, so it
    counts as set."""
    plan = intent.migration or {}
    selectors = plan.get("selectors")
    if _plane(view, intent) is None or selectors is None:
        return
    known = {row.name: row.labels for row in view.of(k.NAMESPACE)}
    for name in _spaces(intent):
        labels = {"kubernetes.io/metadata.name": name, **known.get(name, {}), "istio-discovery": str(plan.get("mesh"))}
        if not any(matches(selector, labels) for selector in selectors):
            yield Problem(ref(k.NAMESPACE, name), "no discovery selector takes it")


def _templates(view: View, intent: Intent) -> Iterator[tuple[Obj, Mapping[str, str], Mapping[str, str]]]:
    """Each workload of the members with the labels and annotations of its pods."""
    for space in intent.members or ():
        for kind in WORKLOADS:
            for row in view.of(kind, space):
                meta = row.at("spec", "template", "metadata", default={})
                yield row, meta.get("labels") or {}, meta.get("annotations") or {}


@check(
    "OSM4217",
    title="each request for a proxy is a label",
    hint='write sidecar.istio.io/inject: "true" as a label of the pod template; the annotation can then go',
    inputs=WORKLOADS,
    intent=MEMBERS,
    severity=Severity.WARNING,
    live=False,
)
def injection_by_label(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Webhooks of OSSM 3 select pods by labels. An annotation is still read in a namespace that carries istio.io/rev, and nowhere else."""
    for row, labels, notes in _templates(view, intent):
        if INJECT in notes and INJECT not in labels:
            yield Problem(row.ref, f"{INJECT} is an annotation only")


@check(
    "OSM4218",
    title="no label of a namespace or workload leads to another revision",
    hint="take the label off; migrate_mesh sets istio.io/rev, and takes istio-injection away, which would win",
    inputs=(k.NAMESPACE, *WORKLOADS),
    intent=MEMBERS,
    live=False,
)
def labels_lead_there(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """istio-injection goes before istio.io/rev at a namespace, and a pod's istio.io/rev is asked only where the namespace has none."""
    plan = intent.migration or {}
    ours = {str(plan.get("label")), str(plan.get("revision"))}
    for row in view.of(k.NAMESPACE):
        if row.name in (intent.members or ()):
            if row.labels.get(REVISION, plan.get("label")) not in ours:
                yield Problem(row.ref, f"{REVISION} is {row.labels[REVISION]}, expected {plan.get('label')} or none")
            if INJECTION in row.labels:
                yield Problem(
                    row.ref, f"it has {INJECTION}={row.labels[INJECTION]}, which migrate_mesh takes away", severity=Severity.WARNING
                )
    for row, labels, _notes in _templates(view, intent):
        if labels.get(REVISION, plan.get("label")) not in ours:
            yield Problem(row.ref, f"{REVISION} of its pods is {labels[REVISION]}, expected {plan.get('label')} or none")


@check(
    "OSM4219",
    title="the control planes of both generations share one root",
    hint="give the Istio the namespace of the ServiceMeshControlPlane; both istiods then use its cacerts or istio-ca-secret",
    inputs=(k.ISTIO, k.SECRET, k.SMCP),
    requires=PLANE,
    intent=NEEDS,
)
def one_root(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A proxy trusts the root of the istiod that configures it: with two roots, no call passes between old and new proxies."""
    plane, name = _plane(view, intent), str((intent.migration or {}).get("istio"))
    istio = view.get(k.ISTIO, name)
    if istio is not None and istio.at("spec", "namespace") != intent.namespace:
        yield Problem(istio.ref, f"its istiod runs in {istio.at('spec', 'namespace')}, expected {intent.namespace}, where the root is")
    elsewhere = plane is not None and plane.at("spec", "security", "certificateAuthority", "type", default="Istiod") != "Istiod"
    if not elsewhere and not any(view.get(k.SECRET, one, intent.namespace) for one in ("cacerts", "istio-ca-secret")):
        yield Problem(
            ref(k.SECRET, "istio-ca-secret", intent.namespace), "neither it nor cacerts exists, so the new istiod would make a root"
        )


@check(
    "OSM4220",
    title="no object of the new control plane has a name that is taken",
    hint="choose another istio_name, or update_strategy RevisionBased",
    inputs=(k.ISTIO, k.ISTIO_REVISION),
    intent=NEEDS,
    live=False,
)
def names_free(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Both generations call the Deployment, the Service and the ConfigMaps of istiod by the revision: with one name for both, each operator
    undoes what the other does. A tag must not have the name of a revision."""
    plan = intent.migration or {}
    revision, label = str(plan.get("revision")), str(plan.get("label"))
    if revision == intent.name:
        yield Problem(
            ref(k.SMCP, intent.name, intent.namespace),
            f"its istiod is Deployment {intent.namespace}/istiod-{intent.name}, and so would be that of the revision {revision}",
        )
    istio = view.get(k.ISTIO, str(plan.get("istio")))
    if istio is not None and istio.at("spec", "namespace") not in (intent.namespace, None):
        yield Problem(istio.ref, f"it is there already, for the namespace {istio.at('spec', 'namespace')}")
    if label != revision and view.get(k.ISTIO_REVISION, label) is not None:
        yield Problem(ref(k.ISTIO_REVISION, label), f"the revision tag {label} cannot have its name")


@check(
    "OSM4221",
    title="no pod is injected by the control planes of both generations",
    hint="oc label namespace NAMESPACE maistra.io/ignore-namespace=true; keep it until OSSM 2 is gone",
    inputs=(k.NAMESPACE, k.MUTATING_WEBHOOK),
    intent=MEMBERS,
)
def injected_once(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A pod with two proxies, or with the CNI annotations of both, does not start."""
    hooks = injectors(view)
    old = [
        row
        for row in hooks
        if row.labels.get(OWNER)
        or any(
            one.get("key") == MEMBER_OF
            for hook in row.items("webhooks")
            for one in ((hook.get("namespaceSelector") or {}).get("matchExpressions") or [])
        )
    ]
    new = [row for row in hooks if row not in old]
    for space in view.of(k.NAMESPACE):
        if space.name in (intent.members or ()):
            labels = {INJECT: "true"}
            both = injected_by(old, space, labels) and injected_by(new, space, labels)
            if both:
                yield Problem(space.ref, "webhooks of both generations take a pod that is made now")


@check(
    "OSM4222",
    title="each member has the root certificate",
    hint="restart the istiod of OSSM 2, so that the new one becomes leader and makes the ConfigMap istio-ca-root-cert",
    inputs=(k.NAMESPACE, k.CONFIG_MAP),
    intent=MEMBERS,
)
def root_certificate_there(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Of two istiods in a namespace one is leader and writes istio-ca-root-cert. That of a MultiTenant mesh writes it for its members only,
    so a namespace that joined after the migration began may lack it, and its pods do not start."""
    for space in view.of(k.NAMESPACE):
        if space.name in (intent.members or ()) and not space.deleting and view.get(k.CONFIG_MAP, "istio-ca-root-cert", space.name) is None:
            yield Problem(space.ref, "it has no ConfigMap istio-ca-root-cert")


@check(
    "OSM4223",
    title="each field of the control plane can be converted",
    hint="find out what the field does, and set it by hand on the Istio or its values",
    inputs=(k.SMCP,),
    requires=PLANE,
    intent=NEEDS,
    severity=Severity.WARNING,
    live=False,
)
def fields_known(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The conversion names a field that it does not know, and does not carry it over."""
    plane = _plane(view, intent)
    for row in convert(plane.raw).rows if plane is not None else ():
        if row.outcome is FieldOutcome.UNKNOWN:
            yield Problem(plane.ref if plane else "", f"{row.path} is not known", remedy=row.todo if row.implied else "")


@check(
    "OSM4224",
    title="no ServiceMeshExtension is left",
    hint="write a WasmPlugin in its place, then delete it",
    inputs=(k.SME,),
    intent=MEMBERS,
    live=False,
)
def no_extensions(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """OSSM 3 does not read the kind; a WasmPlugin does the same in both generations."""
    for space in _spaces(intent):
        for row in view.of(k.SME, space):
            yield Problem(row.ref, "OSSM 3 does not read it")


@check(
    "OSM4225",
    title="each pod with a proxy is recreated by a controller",
    hint="delete the pod when it may go, or let the Job end: migrate_mesh restarts Deployments, StatefulSets and DaemonSets only",
    inputs=(k.POD,),
    intent=MEMBERS,
    severity=Severity.WARNING,
)
def pods_have_owners(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A bare pod and one of a Job keep their old proxy for as long as they live, and OSSM 2 has to stay for as long."""
    for space in intent.members or ():
        for pod in view.of(k.POD, space):
            owners = {str(one.get("kind")) for one in pod.items("metadata", "ownerReferences") if one.get("controller", True)}
            over = pod.at("status", "phase") in ("Succeeded", "Failed")
            if proxy_of(pod) is not None and not over and not owners & {"ReplicaSet", "StatefulSet", "DaemonSet"}:
                yield Problem(pod.ref, f"it belongs to {', '.join(sorted(owners)) or 'no controller'}")


@check(
    "OSM4226",
    title="no operator of the mesh updates itself during the migration",
    hint="set spec.installPlanApproval: Manual of the Subscription until OSSM 2 is gone",
    inputs=(k.SUBSCRIPTION,),
    intent=("migration",),
    severity=Severity.WARNING,
    live=False,
)
def updates_manual(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """An update of OSSM 2 during a migration restarts gateways, and may bring the old CRDs back."""
    for row in view.of(k.SUBSCRIPTION):
        if row.at("spec", "name") == "servicemeshoperator" and row.at("spec", "installPlanApproval", default="Automatic") != "Manual":
            yield Problem(row.ref, "its approval is Automatic")


@check(
    "OSM4227",
    title="each istio-csr knows the new revision",
    hint="add the revision to istio-csr first: spec.istioCSRConfig.istio.revisions of the IstioCSR, or app.istio.revisions",
    inputs=(k.SMCP, k.ISTIO_CSR),
    requires=PLANE,
    intent=NEEDS,
    live=False,
)
def csr_knows(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """istio-csr makes istiod's certificate, for the revisions that it is configured with: proxies do not trust the istiod of another
    one."""
    plane, revision = _plane(view, intent), str((intent.migration or {}).get("revision"))
    if plane is None or plane.at("spec", "security", "certificateAuthority", "type") != "cert-manager":
        return
    found = view.of(k.ISTIO_CSR)
    if not found:
        yield Problem(
            plane.ref,
            f"its certificates are istio-csr's, and whether that knows the revision {revision} cannot be read here",
            severity=Severity.WARNING,
        )
    for row in found:
        known = row.items("spec", "istioCSRConfig", "istio", "revisions")
        if revision not in known:
            yield Problem(row.ref, f"its revisions are {', '.join(map(str, known)) or 'none'}, expected also {revision}")
