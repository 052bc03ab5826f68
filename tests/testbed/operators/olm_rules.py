# SPDX-License-Identifier: GPL-3.0-or-later
"""What OLM decides, as pure functions: the catalogue, resolution, and the next status of each object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .base import conditions_of

__all__ = [
    "Bundle",
    "Catalogue",
    "CsvWorld",
    "Failure",
    "Resolution",
    "SubView",
    "advance_csv",
    "advance_subscription",
    "approval",
    "deployment_problem",
    "moved",
    "needs_resolution",
    "requirement_status",
    "resolve",
    "source_condition",
    "with_condition",
]

ALL_MODES = ("OwnNamespace", "SingleNamespace", "MultiNamespace", "AllNamespaces")
HEALTHY = "all available catalogsources are healthy"
Status = dict[str, Any]
Step = tuple[str, str, str]  # phase, reason, message


@dataclass(frozen=True)
class Bundle:
    """One version of one package."""

    csv: str
    package: str
    version: str
    deployment: str
    channels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # channel -> CSVs that this one replaces or skips there
    skips: tuple[str, ...] = ()
    crds: tuple[str, ...] = ()
    owned: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    modes: tuple[str, ...] = ("AllNamespaces",)
    min_kube: str = ""
    never_ready: bool = False
    deadline: int = 600
    refused: Mapping[str, Any] | None = None

    def replaces(self, channel: str) -> str:
        return (self.channels.get(channel) or ("",))[0]


@dataclass(frozen=True)
class Package:
    name: str
    channels: Mapping[str, tuple[Bundle, ...]]

    def bundle(self, csv: str) -> Bundle | None:
        return next((b for bundles in self.channels.values() for b in bundles if b.csv == csv), None)


@dataclass(frozen=True)
class Catalogue:
    """All catalogues: name of a CatalogSource -> packages."""

    sources: Mapping[str, Mapping[str, Package]]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], extra: Mapping[str, Iterable[str]] | None = None, gone: Iterable[str] = ()) -> Catalogue:
        """extra: later CSVs of packages; gone: packages that no catalogue has any more."""
        lost = frozenset(gone)
        packages = {name: _package(name, spec, tuple((extra or {}).get(name, ()))) for name, spec in data["packages"].items()}
        return cls({name: {p: packages[p] for p in spec["packages"] if p not in lost} for name, spec in data["catalogs"].items()})

    def bundle(self, csv: str) -> Bundle | None:
        found = (p.bundle(csv) for packages in self.sources.values() for p in packages.values())
        return next((b for b in found if b), None)


def _package(name: str, spec: Mapping[str, Any], extra: tuple[str, ...]) -> Package:
    csv_of = {v: spec["csv"].format(version=v) for versions in spec["channels"].values() for v in versions}
    for csv in extra:  # an extra CSV follows the head of every channel
        csv_of[csv.split(".v", 1)[-1]] = csv
    tail = [csv.split(".v", 1)[-1] for csv in extra]
    replaced: dict[str, dict[str, tuple[str, ...]]] = {}
    order: dict[str, list[str]] = {}
    for channel, listed in spec["channels"].items():
        versions = [*listed, *tail]
        order[channel] = versions
        for index, version in enumerate(versions):
            skips = [str(s) for s in spec.get("skips", {}).get(version, ())]
            before = next((v for v in reversed(versions[:index]) if v not in skips), "")
            replaced.setdefault(version, {})[channel] = (csv_of.get(before, ""), *(csv_of[s] for s in skips if s in csv_of))
    bundles = {v: _bundle(name, spec, v, csv_of, replaced.get(v, {})) for v in csv_of}
    return Package(name, {channel: tuple(bundles[v] for v in versions) for channel, versions in order.items()})


def _bundle(name: str, spec: Mapping[str, Any], version: str, csv_of: Mapping[str, str], channels: Mapping[str, tuple[str, ...]]) -> Bundle:
    return Bundle(
        csv=csv_of[version],
        package=name,
        version=version,
        deployment=spec["deployment"],
        channels=channels,
        skips=tuple(csv_of.get(str(s), spec["csv"].format(version=s)) for s in spec.get("skips", {}).get(version, ())),
        crds=tuple(spec.get("crds", ())),
        owned=tuple(spec.get("owned", ())),
        kinds=spec.get("kinds", {}),
        modes=tuple(spec.get("modes", ("AllNamespaces",))),
        min_kube=str(spec.get("min_kube", "")),
        never_ready=version in spec.get("never_ready", ()),
        deadline=int(spec.get("deadline", 600)),
        refused=spec.get("refused"),
    )


# --- resolution -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SubView:
    """What resolution needs of a Subscription."""

    name: str
    package: str
    channel: str
    source: str
    source_namespace: str
    starting: str = ""
    installed: str = ""  # the CSV that the Subscription owns
    state: str = ""
    has_plan: bool = False
    manual: bool = False

    @classmethod
    def of(cls, obj: Mapping[str, Any], csvs: Iterable[str] = ()) -> SubView:
        spec, status = obj["spec"], obj.get("status", {})
        current = status.get("currentCSV", "")
        return cls(
            name=obj["metadata"]["name"],
            package=spec["name"],
            channel=spec.get("channel", ""),
            source=spec["source"],
            source_namespace=spec["sourceNamespace"],
            starting=spec.get("startingCSV", ""),
            installed=current if current in csvs else status.get("installedCSV", ""),
            state=status.get("state", ""),
            has_plan="installPlanRef" in status,
            manual=spec.get("installPlanApproval") == "Manual",
        )


@dataclass(frozen=True)
class Failure:
    reason: str
    message: str


@dataclass(frozen=True)
class Resolution:
    targets: tuple[tuple[str, Bundle], ...] = ()  # Subscription, what it gets
    failure: Failure | None = None


def needs_resolution(subs: Iterable[SubView]) -> bool:
    """OLM does nothing as long as every Subscription of the namespace has a plan under way."""
    return any(not (sub.state == "UpgradePending" and sub.has_plan) for sub in subs)


def approval(subs: Iterable[SubView]) -> str:
    """One Manual Subscription makes the plans of the whole namespace Manual."""
    return "Manual" if any(sub.manual for sub in subs) else "Automatic"


def moved(targets: Iterable[tuple[str, Bundle]], current: Mapping[str, str]) -> dict[str, Bundle]:
    """The Subscriptions (with their currentCSV) that a plan would take further; where there is none, no plan is made.

    The others keep the plan that they name, also when this one brings their CSV as well."""
    return {name: bundle for name, bundle in targets if current.get(name) != bundle.csv}


def resolve(
    namespace: str,
    subs: Iterable[SubView],
    csvs: Iterable[str],
    catalogue: Catalogue,
    sources: Mapping[tuple[str, str], Status],
    *,
    global_namespace: str = "openshift-marketplace",
) -> Resolution:
    """sources: (namespace, name) -> connectionState of the CatalogSource. One thing that cannot be satisfied stops the namespace."""
    here = set(csvs)
    ordered = sorted(subs, key=lambda s: s.name)
    for (source_namespace, name), state in sorted(sources.items()):
        if source_namespace == global_namespace and state.get("lastObservedState") == "TRANSIENT_FAILURE":
            return Resolution(
                failure=Failure(
                    "ErrorPreventedResolution",
                    (
                        f"error using catalogsource {source_namespace}/{name}: failed to list bundles: rpc error: code = Unavailable desc "
                        f'= connection error: desc = "transport: Error while dialing: dial tcp {state.get("address", "")}: connect: '
                        f'connection refused"'
                    ),
                )
            )
    targets: list[tuple[str, Bundle]] = []
    for sub in ordered:
        found = _candidates(sub, here, catalogue, sources)
        if isinstance(found, str):
            return Resolution(
                failure=Failure(
                    "ConstraintsNotSatisfiable",
                    (
                        f"constraints not satisfiable: no operators found {found} referenced by subscription {sub.name}, "
                        f"subscription {sub.name} exists"
                    ),
                )
            )
        conflict = _conflict(namespace, sub, found, here, catalogue)
        if conflict:
            return Resolution(failure=Failure("ConstraintsNotSatisfiable", f"constraints not satisfiable: {conflict}"))
        if found:
            targets.append((sub.name, found[0]))
    return Resolution(targets=tuple(targets))


def _candidates(sub: SubView, here: set[str], catalogue: Catalogue, sources: Mapping[tuple[str, str], Status]) -> tuple[Bundle, ...] | str:
    """What may be installed next, best first; or why nothing is there, in OLM's words."""
    if (sub.source_namespace, sub.source) not in sources or sub.source not in catalogue.sources:
        return f"from catalog {sub.source} in namespace {sub.source_namespace}"
    package = catalogue.sources[sub.source].get(sub.package)
    if package is None:
        return f"in package {sub.package} in the catalog"
    bundles = package.channels.get(sub.channel) if sub.channel else next(iter(package.channels.values()))
    if bundles is None:
        return f"in channel {sub.channel} of package {sub.package} in the catalog"
    channel = sub.channel or next(iter(package.channels))
    if sub.installed and sub.installed in here:
        return tuple(b for b in reversed(bundles) if sub.installed in b.channels[channel])
    if sub.starting:
        chosen = tuple(b for b in bundles if b.csv == sub.starting)
        return chosen or f"with name {sub.starting} in channel {sub.channel} of package {sub.package} in the catalog"
    return tuple(reversed(bundles))


def _conflict(namespace: str, sub: SubView, found: tuple[Bundle, ...], here: set[str], catalogue: Catalogue) -> str:
    """A CSV of the package that no Subscription owns cannot be adopted."""
    package = catalogue.sources[sub.source][sub.package]
    existing = sorted(csv for csv in here if package.bundle(csv))
    orphans = [csv for csv in existing if csv != sub.installed]
    if not orphans:
        return ""
    channel = sub.channel or next(iter(package.channels))
    offered = [f"{sub.source}/{sub.source_namespace}/{channel}/{b.csv}" for b in found]
    kept = [f"@existing/{namespace}//{sub.installed}"] if sub.installed in here else []
    everything = sorted([f"@existing/{namespace}//{csv}" for csv in existing] + offered)
    return (
        f"{_words(everything, 'and')} originate from package {sub.package}, clusterserviceversion {orphans[0]} exists and is not "
        f"referenced by a subscription, subscription {sub.name} exists, subscription {sub.name} requires at least one of "
        f"{_words(offered + kept, 'or')}"
    )


def _words(items: list[str], last: str) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


# --- Subscription -----------------------------------------------------------------------------------------------------------------


def with_condition(status: Status, kind: str, value: Status | None) -> Status:
    """The status with that condition replaced (None: without it)."""
    rest = [c for c in conditions_of(status) if c["type"] != kind]
    return {**status, "conditions": rest + ([{"type": kind, **value}] if value else [])}


def _reason(status: Status, kind: str) -> str:
    return next((c.get("reason", "") for c in conditions_of(status) if c["type"] == kind), "")


def source_condition(sub: SubView, sources: Iterable[tuple[str, str]]) -> Status:
    known = set(sources)
    if (sub.source_namespace, sub.source) in known:
        return {"status": "False", "reason": "AllCatalogSourcesHealthy", "message": HEALTHY}
    if not known:
        return {"status": "True", "reason": "NoCatalogSourcesFound", "message": "dependency resolution requires at least one catalogsource"}
    return {
        "status": "True",
        "reason": "UnhealthyCatalogSourceFound",
        "message": f"targeted catalogsource {sub.source_namespace}/{sub.source} missing",
    }


def advance_subscription(
    obj: Mapping[str, Any], plan: Mapping[str, Any] | None, csv_here: bool, sources: Iterable[tuple[str, str]]
) -> Status | None:
    """The next status of a Subscription, one write at a time; None where it has arrived."""
    status: Status = obj.get("status", {})
    wanted = source_condition(SubView.of(obj), sources)
    before = _reason(status, "CatalogSourcesUnhealthy")
    if before == "":
        return with_condition(status, "CatalogSourcesUnhealthy", {**wanted, "reason": "CatalogSourcesAdded"})
    if before != wanted["reason"]:
        return with_condition(status, "CatalogSourcesUnhealthy", wanted)
    if "installPlanRef" not in status:
        return None
    if plan is None:
        if status.get("state") == "AtLatestKnown" and _reason(status, "BundleUnpackFailed") and not _reason(status, "InstallPlanMissing"):
            return with_condition(status, "InstallPlanMissing", {"status": "True", "reason": "ReferencedInstallPlanNotFound"})
        if _reason(status, "InstallPlanPending"):
            return with_condition(status, "InstallPlanPending", None)
        return _settle(status, csv_here, True)
    return _follow_plan(status, plan, csv_here)


def _follow_plan(status: Status, plan: Mapping[str, Any], csv_here: bool) -> Status | None:
    phase = plan.get("status", {}).get("phase", "")
    if phase in ("RequiresApproval", "Installing"):
        why = next((c.get("message") for c in conditions_of(plan["status"]) if c["status"] == "False"), None)
        if _reason(status, "InstallPlanPending") != phase:
            return with_condition(status, "InstallPlanPending", {"status": "True", "reason": phase, **({"message": why} if why else {})})
        # The CSV of a plan that waits may have come by another plan.
        return _settle(status, csv_here, False) if phase == "RequiresApproval" or plan["status"].get("message") else None
    settled = _settle(status, csv_here, phase == "Complete")
    if settled:
        return settled
    if phase == "Failed" and not _reason(status, "InstallPlanFailed"):
        failed = with_condition(status, "InstallPlanPending", None)
        return with_condition(
            failed,
            "InstallPlanFailed",
            {"status": "True", "reason": "InstallComponentFailed", "message": plan["status"].get("message", "")},
        )
    if phase == "Complete" and _reason(status, "InstallPlanPending"):
        return with_condition(status, "InstallPlanPending", None)
    return None


def _settle(status: Status, csv_here: bool, complete: bool) -> Status | None:
    """installedCSV follows as soon as the CSV exists, whatever its phase; a CSV that is gone is never made again."""
    current = status.get("currentCSV")
    if csv_here and (status.get("state") != "AtLatestKnown" or status.get("installedCSV") != current):
        return {**status, "state": "AtLatestKnown", "installedCSV": current}
    if not csv_here and complete and status.get("state") == "AtLatestKnown":
        return {**status, "state": "UpgradePending"}
    return None


# --- ClusterServiceVersion --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CsvWorld:
    """What the state machine of a CSV sees."""

    mode: str = "AllNamespaces"  # of the OperatorGroup; "" where there is none
    modes: tuple[str, ...] = ("AllNamespaces",)
    conflict: bool = False
    requirements: bool = True
    problem: str = ""  # of the Deployment; "" when it is ready
    deadline: bool = False
    timeout: bool = False
    replaced_by: str = ""
    replacement_done: bool = False
    fail: str = ""
    deployment: str = ""
    missing: bool = False


def deployment_problem(name: str, deployment: Mapping[str, Any] | None) -> tuple[str, bool]:
    """Why a Deployment is not ready, in OLM's words, and whether it exceeded its progress deadline."""
    if deployment is None:
        return f"missing deployment with name={name}", False
    status = deployment.get("status", {})
    found = {c["type"]: c for c in conditions_of(status)}
    if deployment["metadata"].get("generation", 0) > status.get("observedGeneration", 0):
        return f'waiting for spec update of deployment "{name}" to be observed...', False
    if found.get("Progressing", {}).get("reason") == "ProgressDeadlineExceeded":
        return f'deployment "{name}" exceeded its progress deadline', True
    replicas, updated = deployment["spec"].get("replicas", 1), status.get("updatedReplicas", 0)
    if updated < replicas:
        return f'deployment "{name}" waiting for {replicas - updated} replica(s) to be updated', False
    if status.get("replicas", 0) > updated:
        return f'deployment "{name}" waiting for {status["replicas"] - updated} outdated replica(s) to be terminated', False
    if found.get("Available", {}).get("status") != "True":
        return f'deployment "{name}" not available: {found.get("Available", {}).get("message", "missing condition Available")}', False
    return "", False


def requirement_status(name: str, bundle: Bundle, crds: Mapping[str, bool], account: str, server: str) -> tuple[bool, list[Status]]:
    """account: "" (missing), "ours" or "other"; server: the version of the API server."""
    rows: list[Status] = []
    if bundle.min_kube and _version(bundle.min_kube) > _version(server):
        rows.append(
            {
                "group": "operators.coreos.com",
                "version": "v1alpha1",
                "kind": "ClusterServiceVersion",
                "name": name,
                "status": "PresentNotSatisfied",
                "message": (f"CSV version requirement not met: minKubeVersion ({bundle.min_kube}) > server version ({server})"),
            }
        )
    for crd in bundle.owned:
        here = crds.get(crd, False)
        rows.append(
            {
                "group": "apiextensions.k8s.io",
                "version": "v1",
                "kind": "CustomResourceDefinition",
                "name": crd,
                "status": "Present" if here else "NotPresent",
                "message": "CRD is present and Established condition is true" if here else "CRD is not present",
            }
        )
    word, message = {
        "ours": ("Present", ""),
        "other": ("PresentNotSatisfied", "Service account is owned by another ClusterServiceVersion"),
    }.get(account, ("NotPresent", "Service account does not exist"))
    rows.append({"group": "", "version": "v1", "kind": "ServiceAccount", "name": bundle.deployment, "status": word, "message": message})
    return all(row["status"] == "Present" for row in rows), rows


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.lstrip("v").split("-")[0].split("+")[0].split(".")[:3])


def advance_csv(status: Mapping[str, Any], world: CsvWorld) -> Step | None:
    """The next phase of a CSV, or None where it stays as it is."""
    phase, reason = status.get("phase", ""), status.get("reason", "")
    if phase in ("Succeeded", "Replacing", "Deleting"):
        return _advance_old(phase, world)
    unsupported = _unsupported(world)
    if unsupported and phase in ("", "Pending", "InstallReady"):
        return "Failed", "UnsupportedOperatorGroup", unsupported
    if phase == "":
        if world.conflict:
            return "Failed", "InterOperatorGroupOwnerConflict", "intersecting operatorgroups provide the same apis"
        return "Pending", "RequirementsUnknown", "requirements not yet checked"
    if phase == "Pending":
        if world.requirements:
            return "InstallReady", "AllRequirementsMet", "all requirements found, attempting install"
        if reason != "RequirementsNotMet":
            return "Pending", "RequirementsNotMet", "one or more requirements couldn't be found"
        return None
    if phase == "InstallReady":
        if world.fail:
            return "Failed", "InstallComponentFailed", f"install strategy failed: {world.fail}"
        return "Installing", "InstallSucceeded", "waiting for install components to report healthy"
    if phase == "Installing":
        return _advance_installing(status, world)
    return _advance_failed(reason, status, world, unsupported)


def _unsupported(world: CsvWorld) -> str:
    if world.mode == "":
        return ""
    if world.mode in world.modes:
        return ""
    what = {"AllNamespaces": "cannot configure to watch all namespaces", "OwnNamespace": "cannot configure to watch own namespace"}
    return f"{world.mode} InstallModeType not supported, {what.get(world.mode, 'cannot configure to watch the namespaces')}"


def _advance_installing(status: Mapping[str, Any], world: CsvWorld) -> Step | None:
    if not world.problem:
        return "Succeeded", "InstallSucceeded", "install strategy completed with no errors"
    if world.deadline:
        return ("Failed", "InstallCheckFailed", f"install failed: deployment {world.deployment} not ready before timeout: {world.problem}")
    if world.timeout:
        return "Failed", "InstallCheckFailed", "install timeout"
    message = f"installing: waiting for deployment {world.deployment} to become ready: {world.problem}"
    return None if status.get("message") == message else ("Installing", "InstallWaiting", message)


def _advance_failed(reason: str, status: Mapping[str, Any], world: CsvWorld, unsupported: str) -> Step | None:
    """Failed is not always final."""
    if reason == "UnsupportedOperatorGroup" and not unsupported:
        return "Pending", "RequirementsUnknown", "InstallModes now support target namespaces"
    if reason == "InstallCheckFailed" and status.get("message") == "install timeout" and not world.deadline:
        return ("Pending", "NeedsReinstall", f"installing: waiting for deployment {world.deployment} to become ready: {world.problem}")
    if reason == "ComponentUnhealthy":
        return "Pending", "NeedsReinstall", str(status.get("message", ""))
    return None


def _advance_old(phase: str, world: CsvWorld) -> Step | None:
    if phase == "Succeeded":
        if world.replaced_by:
            return "Replacing", "BeingReplaced", f"being replaced by csv: {world.replaced_by}"
        if world.missing:
            return "Failed", "ComponentUnhealthy", f"installing: {world.problem}"
        return None
    if phase == "Replacing" and world.replacement_done:
        return "Deleting", "Replaced", "has been replaced by a newer ClusterServiceVersion that has successfully installed."
    return None
