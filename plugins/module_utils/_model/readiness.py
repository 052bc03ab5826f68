# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""When is an object done? A table of predicates; the facts behind each row are cited there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .objects import Ref, group_of

__all__ = ["TABLE", "Lookup", "Predicate", "Readiness", "is_judged", "judge", "still_there"]


@dataclass(frozen=True)
class Readiness:
    """ready, waiting or failed; a failure counts when it has stood for the grace time."""

    state: str
    reason: str = ""
    message: str = ""
    grace: float = 0.0

    @classmethod
    def ready(cls) -> Readiness:
        """Done."""
        return cls("ready", "Ready")

    @classmethod
    def waiting(cls, reason: str, message: str) -> Readiness:
        """Not done, and may get so."""
        return cls("waiting", reason, message)

    @classmethod
    def failed(cls, reason: str, message: str, *, grace: float = 0.0) -> Readiness:
        """Will not get done by waiting, once it has stood for grace seconds."""
        return cls("failed", reason, message, grace)


class Lookup(Protocol):
    """Related objects: a Snapshot, or the cluster itself."""

    def get(self, kind: str, name: str, namespace: str | None = None, *, group: str | None = None) -> dict[str, Any] | None:
        """One object or None."""
        ...  # pylint: disable=unnecessary-ellipsis

    def of(self, kind: str, *, group: str | None = None, namespace: str | None = None) -> list[dict[str, Any]]:
        """All objects of a kind."""
        ...  # pylint: disable=unnecessary-ellipsis


Predicate = Callable[[Mapping[str, Any], Lookup], Readiness]


@dataclass(frozen=True)
class _StatusCondition:
    status: str
    reason: str
    message: str


def _condition(obj: Mapping[str, Any], kind: str) -> _StatusCondition:
    for item in (obj.get("status") or {}).get("conditions") or []:
        if item.get("type") == kind:
            return _StatusCondition(str(item.get("status")), item.get("reason") or kind, item.get("message") or "")
    return _StatusCondition("", f"No{kind}Condition", f"no condition {kind} yet")


def _want(obj: Mapping[str, Any], kind: str) -> Readiness:
    """The condition is True; its own reason and message otherwise."""
    found = _condition(obj, kind)
    if found.status == "True":
        return Readiness.ready()
    return Readiness.waiting(found.reason, found.message or f"{kind} is {found.status}")


def _observed(obj: Mapping[str, Any]) -> Readiness | None:
    """None when the status belongs to this generation."""
    generation = obj["metadata"].get("generation")
    seen = (obj.get("status") or {}).get("observedGeneration")
    if generation is not None and seen != generation:
        return Readiness.waiting("NotObserved", f"its controller has seen generation {seen or 'none'} of {generation}")
    return None


def _deployment(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    late = _observed(obj)
    if late:
        return late
    status = obj.get("status") or {}
    wanted = (obj.get("spec") or {}).get("replicas", 1)
    progress = _condition(obj, "Progressing")
    if progress.reason == "ProgressDeadlineExceeded":
        return Readiness.failed(progress.reason, progress.message, grace=10.0)
    # Why no pod appears: a quota, or a webhook that does not answer.
    refused = _condition(obj, "ReplicaFailure")
    why = f"; {refused.reason}: {refused.message}" if refused.status == "True" else ""
    for field in ("updatedReplicas", "availableReplicas", "readyReplicas"):
        if (status.get(field) or 0) < wanted:
            return Readiness.waiting("RollingOut", f"{field} {status.get(field) or 0} of {wanted}{why}")
    if (status.get("replicas") or 0) > wanted:
        return Readiness.waiting("RollingOut", f"{status['replicas'] - wanted} old replicas are still there")
    return Readiness.ready()


def _autoscaler(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """The least number of pods needs no metrics; where what it scales is switched off (0 replicas), it does nothing."""
    least = int((obj.get("spec") or {}).get("minReplicas") or 1)
    current = int((obj.get("status") or {}).get("currentReplicas") or 0)
    active = _condition(obj, "ScalingActive")
    if least <= 1 or current >= least or active.reason == "ScalingDisabled":
        return Readiness.ready()
    able = _condition(obj, "AbleToScale")
    why = f"; {able.reason}: {able.message}" if able.status == "False" else ""
    return Readiness.waiting("Scaling", f"replicas {current} of {least}{why}")


def _stateful_set(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    late = _observed(obj)
    if late:
        return late
    status = obj.get("status") or {}
    wanted = (obj.get("spec") or {}).get("replicas", 1)
    for field in ("readyReplicas", "updatedReplicas"):
        if (status.get(field) or 0) < wanted:
            return Readiness.waiting("RollingOut", f"{field} {status.get(field) or 0} of {wanted}")
    return Readiness.ready()


def _daemon_set(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    late = _observed(obj)
    if late:
        return late
    status = obj.get("status") or {}
    wanted = status.get("desiredNumberScheduled") or 0
    for field in ("updatedNumberScheduled", "numberAvailable"):
        if (status.get(field) or 0) < wanted:
            return Readiness.waiting("RollingOut", f"{field} {status.get(field) or 0} of {wanted}")
    return Readiness.ready()


def _namespace(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    phase = (obj.get("status") or {}).get("phase")
    if phase == "Terminating" or obj["metadata"].get("deletionTimestamp"):
        return Readiness.failed("Terminating", still_there(obj).message, grace=20.0)
    return Readiness.ready() if phase == "Active" else Readiness.waiting("NotActive", f"phase {phase}")


def _crd(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    names = _condition(obj, "NamesAccepted")
    if names.status == "False":
        return Readiness.failed(names.reason, names.message, grace=5.0)
    return _want(obj, "Established")


def still_there(obj: Mapping[str, Any]) -> Readiness:
    """Why an object that was deleted is not gone."""
    meta = obj["metadata"]
    if not meta.get("deletionTimestamp"):
        return Readiness.waiting("NotDeleted", "it has not been deleted, or was created again")
    words = []
    if meta.get("finalizers"):
        words.append(f"finalizers remain: {', '.join(meta['finalizers'])}")
    if obj.get("kind") == "Namespace":
        for item in (obj.get("status") or {}).get("conditions") or []:
            if item.get("status") == "True":
                words.append(f"{item.get('reason')}: {item.get('message')}")
    return Readiness.waiting("Terminating", "; ".join(words) or f"being deleted since {meta['deletionTimestamp']}")


def _job(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    failed = _condition(obj, "Failed")
    if failed.status == "True":
        return Readiness.failed(failed.reason, failed.message)
    return _want(obj, "Complete")


def _route(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """Admitted by every router that has looked at it, and by one at least."""
    found = [_condition({"status": item}, "Admitted") for item in (obj.get("status") or {}).get("ingress") or []]
    refused = [item for item in found if item.status == "False"]
    if refused:
        return Readiness.failed(refused[0].reason, refused[0].message, grace=20.0)
    return Readiness.ready() if found else Readiness.waiting("NotAdmitted", "no router has taken it yet")


# A listener that is refused for these stays so: two of them want the same, or nobody speaks the protocol.
_LISTENER_ENDS = ("HostnameConflict", "PortUnavailable", "ProtocolConflict", "UnsupportedProtocol")
_GATEWAY_API = "gateway.networking.k8s.io"


def _gateway(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """Of the Gateway API: every listener is good, and the pods that its controller makes are there and have an address."""
    found = _condition(obj, "Programmed")
    accepted = _condition(obj, "Accepted")
    if accepted.reason == "Pending" or not found.status:  # the API server's own words, until a controller takes it
        return _unclaimed(obj, related)
    if accepted.status == "False" and accepted.reason != "ListenersNotValid":
        return Readiness.waiting(accepted.reason, accepted.message)
    refused = _refused_listener(obj)
    if refused is not None:
        return refused
    if found.status != "True":
        return Readiness.waiting(found.reason, _unprogrammed(obj, found) or "no controller has programmed it")
    for item in (obj.get("status") or {}).get("conditions") or []:
        seen = item.get("observedGeneration")
        if item.get("type") == "Programmed" and seen is not None and seen != obj["metadata"].get("generation"):
            return Readiness.waiting("NotObserved", f"Programmed is about generation {seen} of {obj['metadata'].get('generation')}")
    return Readiness.ready()


def _unclaimed(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """No controller has said anything: there is no such class, or its controller is away or does not read the namespace."""
    name = str((obj.get("spec") or {}).get("gatewayClassName"))
    if related.get("GatewayClass", name, group=_GATEWAY_API) is None:
        text = f"there is no GatewayClass {name}; istiod makes istio once it runs and the definitions of the Gateway API are there"
        return Readiness.failed("ClassUnknown", text, grace=20.0)
    return Readiness.waiting(
        "Pending",
        f"no controller of the class {name} has taken it; is istiod running, does it read the namespace, and is the revision in the label "
        "istio.io/rev its own?",
    )


def _refused_listener(obj: Mapping[str, Any]) -> Readiness | None:
    for row in (obj.get("status") or {}).get("listeners") or []:
        for kind, good in (("Conflicted", "False"), ("Accepted", "True"), ("ResolvedRefs", "True")):
            found = _condition({"status": row}, kind)
            if found.status in ("", good, "Unknown"):
                continue
            text = f"listener {row.get('name')}: {found.message or found.reason}"
            if found.reason in _LISTENER_ENDS:
                return Readiness.failed(found.reason, text, grace=20.0)
            return Readiness.waiting(found.reason, text)
    return None


def _unprogrammed(obj: Mapping[str, Any], found: _StatusCondition) -> str:
    if found.reason != "AddressNotAssigned" or "address pending" not in found.message:
        return found.message
    meta = obj["metadata"]
    service = f"{meta.get('namespace')}/{meta['name']}-{(obj.get('spec') or {}).get('gatewayClassName')}"
    return (
        f"Service {service} is a LoadBalancer that has no address: the cluster has no load balancers, or its own is slow. "
        f"Bring one, or say service_type ClusterIP (with a Route before it) or NodePort of the gateway ({found.message})"
    )


def _http_route(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """Each Gateway of it has taken it, and its Services are there. Callers in the mesh learn it without a word of anybody."""
    meta = obj["metadata"]
    rows = (obj.get("status") or {}).get("parents") or []
    for parent in (obj.get("spec") or {}).get("parentRefs") or []:
        if parent.get("kind", "Gateway") != "Gateway":
            continue
        home, name = parent.get("namespace") or meta.get("namespace"), parent.get("name")
        own = [row for row in rows if _is_parent(row.get("parentRef") or {}, home, name, meta.get("namespace"))]
        if not own:
            return Readiness.waiting("NotSeen", f"Gateway {home}/{name} has not taken it yet")
        for row in own:
            for kind in ("Accepted", "ResolvedRefs"):
                found = _condition({"status": row}, kind)
                late = [
                    item
                    for item in row.get("conditions") or []
                    if item.get("type") == kind and item.get("observedGeneration") not in (None, meta.get("generation"))
                ]
                if found.status != "True" or late:
                    return Readiness.waiting(found.reason, f"Gateway {home}/{name}: {found.message or f'{kind} is about an older one'}")
    return Readiness.ready()


def _is_parent(found: Mapping[str, Any], home: Any, name: Any, own: Any) -> bool:
    return (found.get("namespace") or own, found.get("name")) == (home, name)


# Texts of a resolution that no wait heals (recorded from OLM).
_RESOLUTION_ENDS = ("no operators found", "exists and is not referenced by a subscription")
_APPROVED_ELSEWHERE = "mesh.meshops.io/approval"  # annotation: "external" when somebody else approves the plans


def _subscription(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """installedCSV and AtLatestKnown prove nothing; only that CSV's Succeeded in its own namespace does."""
    status = obj.get("status") or {}
    name, namespace = status.get("installedCSV"), obj["metadata"].get("namespace")
    failed = _condition(obj, "ResolutionFailed")
    if not name or name != status.get("currentCSV"):
        if failed.status == "True":
            if any(text in failed.message for text in _RESOLUTION_ENDS):
                return Readiness.failed(failed.reason, failed.message, grace=20.0)
            return Readiness.waiting(failed.reason, failed.message)
        pending = _condition(obj, "InstallPlanPending")
        if pending.reason == "RequiresApproval":
            if (obj["metadata"].get("annotations") or {}).get(_APPROVED_ELSEWHERE) == "external":
                return Readiness.ready()
            plan = (status.get("installPlanRef") or {}).get("name")
            return Readiness.waiting("RequiresApproval", f"InstallPlan {namespace}/{plan} waits for approval: approve it with install_plan")
        broken = _condition(obj, "InstallPlanFailed")
        if broken.status == "True":
            return Readiness.failed(broken.reason, broken.message, grace=20.0)
        return Readiness.waiting(status.get("state") or "NotResolved", "no CSV is installed yet; is there exactly one OperatorGroup?")
    csv = related.get("ClusterServiceVersion", name, namespace, group="operators.coreos.com")
    if csv is None:
        return Readiness.waiting("CSVMissing", f"ClusterServiceVersion {namespace}/{name} is not there")
    found = csv.get("status") or {}
    if found.get("phase") == "Succeeded":
        return Readiness.ready()
    text = f"ClusterServiceVersion {namespace}/{name} is {found.get('phase')}: {found.get('reason')}: {found.get('message')}"
    if found.get("phase") == "Failed" and found.get("reason") in ("UnsupportedOperatorGroup", "InterOperatorGroupOwnerConflict"):
        return Readiness.failed(found["reason"], text, grace=20.0)
    return Readiness.waiting("CSVNotSucceeded", text)


# A ReconcileError passes in the first second of an install and stays for these (recorded from the Sail operator).
_VERSION_ENDS = ("end-of-life", "end of life", "unsupported version", "version is not supported", "invalid version")
_ERROR_GRACE = 10.0
_MODIFIED = "the object has been modified"


def _reconciled(obj: Mapping[str, Any]) -> Readiness:
    found = _condition(obj, "Reconciled")
    if found.reason == "ReconcileError" and found.status == "False" and _MODIFIED not in found.message:
        low = found.message.lower()
        grace = 0.0 if any(text in low for text in _VERSION_ENDS) else _ERROR_GRACE
        return Readiness.failed(found.reason, found.message, grace=grace)
    return _want(obj, "Reconciled")


def _sail(obj: Mapping[str, Any]) -> Readiness:
    """Generation, Reconciled, Ready, in this order."""
    late = _observed(obj)
    if late:
        return late
    state = _reconciled(obj)
    return state if state.state != "ready" else _want(obj, "Ready")


def _istio(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """Istio copies Ready from its revision as that was: right after a change it is about the old version."""
    state = _sail(obj)
    if state.state == "failed":
        return state
    late = _observed(obj)
    if late:
        return late
    spec, meta = obj.get("spec") or {}, obj["metadata"]
    version = str(spec.get("version") or "")
    by_revision = (spec.get("updateStrategy") or {}).get("type") == "RevisionBased"
    expected = f"{meta['name']}-{version.replace('.', '-')}" if by_revision else meta["name"]
    active = (obj.get("status") or {}).get("activeRevisionName")
    alias = version.endswith("latest") or not version
    if not active or (active != expected and not alias):
        return Readiness.waiting("OldRevision", f"the active revision is {active or 'none'}, expected {expected}")
    revision = related.get("IstioRevision", active, group="sailoperator.io")
    if revision is None:
        return Readiness.waiting("RevisionMissing", f"IstioRevision {active} is not there")
    found = str((revision.get("spec") or {}).get("version") or "")
    if found != version and not alias:
        return Readiness.waiting("OldVersion", f"IstioRevision {active} has version {found}, expected {version}")
    below = _revision(revision, related)
    if below.state != "ready":
        return Readiness(below.state, below.reason, f"IstioRevision {active}: {below.message}", below.grace)
    return state


def _revision(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """Ready compares readyReplicas only, so the Deployment itself has to have rolled out."""
    state = _sail(obj)
    if state.state != "ready":
        return state
    name, namespace = obj["metadata"]["name"], (obj.get("spec") or {}).get("namespace")
    pilot = ((obj.get("spec") or {}).get("values") or {}).get("pilot") or {}
    least = int(pilot.get("autoscaleMin") or 1) if pilot.get("autoscaleEnabled", True) else 1
    return _istiod(related, "istiod" if name == "default" else f"istiod-{name}", namespace, least)


def _istiod(related: Lookup, name: str, namespace: str | None, least: int = 1) -> Readiness:
    """least: the pods that an autoscaler keeps, which comes to it some seconds after the Deployment."""
    deployment = related.get("Deployment", name, namespace, group="apps")
    if deployment is None:
        return Readiness.waiting("IstiodMissing", f"Deployment {namespace}/{name} is not there")
    if not (deployment.get("spec") or {}).get("replicas", 1):
        return Readiness.waiting("IstiodScaledToZero", f"Deployment {namespace}/{name} is scaled to zero")
    state = _deployment(deployment, related)
    wanted = (deployment.get("spec") or {}).get("replicas", 1)
    if state.state == "ready" and wanted < least:
        state = Readiness.waiting("Scaling", f"replicas {wanted} of {least}, which its autoscaler keeps")
    return Readiness(state.state, state.reason, f"Deployment {namespace}/{name}: {state.message}", state.grace)


def _tag(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """An unused tag never gets Healthy: Reconciled is all that can be waited for."""
    return _observed(obj) or _reconciled(obj)


def _sail_daemon(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    return _sail(obj)


def _smcp(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """Facts 15 to 18: Ready counts for the observed generation only, and is True with istiod scaled to zero."""
    ready, reconciled = _condition(obj, "Ready"), _condition(obj, "Reconciled")
    if reconciled.reason in ("ValidationError", "ErrMultipleSMCPs", "MultipleSMCPs"):
        return Readiness.failed(reconciled.reason, reconciled.message)
    if reconciled.reason == "ReconcileError":
        return Readiness.failed(reconciled.reason, reconciled.message, grace=30.0)
    generation, seen = obj["metadata"].get("generation"), (obj.get("status") or {}).get("observedGeneration")
    if generation is not None and seen != generation:
        word = reconciled if reconciled.status == "False" else ready
        return Readiness.waiting("NotObserved", f"generation {seen or 'none'} of {generation} is reconciled: {word.reason}: {word.message}")
    for kind in ("Reconciled", "Ready"):
        state = _want(obj, kind)
        if state.state != "ready":
            return state
    return _istiod(related, f"istiod-{obj['metadata']['name']}", obj["metadata"].get("namespace"))


def _member_roll(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """Fact 19: Ready goes away with each generation of the SMCP; what counts is that our members are configured."""
    status = obj.get("status") or {}
    wanted = set((obj.get("spec") or {}).get("members") or []) - {"*", obj["metadata"].get("namespace")}
    late = sorted(wanted - set(status.get("configuredMembers") or []))
    if late:
        found = _condition(obj, "Ready")
        return Readiness.waiting(found.reason, f"not configured yet: {', '.join(late)} ({found.message})")
    return _observed(obj) or Readiness.ready()


def _member(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """Its namespace is in configuredMembers of the roll that it names."""
    home = ((obj.get("spec") or {}).get("controlPlaneRef") or {}).get("namespace")
    namespace = obj["metadata"].get("namespace")
    roll = related.get("ServiceMeshMemberRoll", "default", home, group="maistra.io")
    if roll is not None and namespace in ((roll.get("status") or {}).get("configuredMembers") or []):
        return Readiness.ready()
    found = _condition(obj, "Ready")
    if found.reason == "ReferencesDifferentControlPlane":
        return Readiness.failed(found.reason, found.message, grace=20.0)
    return Readiness.waiting(
        found.reason, f"{namespace} is not in configuredMembers of ServiceMeshMemberRoll {home}/default ({found.message})"
    )


def _rolled_out(deployment: Mapping[str, Any], related: Lookup) -> Readiness:
    state, meta = _deployment(deployment, related), deployment["metadata"]
    return (
        state
        if state.state == "ready"
        else Readiness(state.state, state.reason, f"Deployment {meta['namespace']}/{meta['name']}: {state.message}", state.grace)
    )


def _kiali(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """An Ansible operator: Successful says that the playbook ran, Running that it is watching, neither that the server runs."""
    failure = _condition(obj, "Failure")
    if failure.status == "True":
        return Readiness.failed(failure.reason, failure.message, grace=30.0)
    successful, running = _condition(obj, "Successful"), _condition(obj, "Running")
    if successful.status != "True" and (running.status, running.reason) != ("True", "Successful"):
        return Readiness.waiting(running.reason, running.message or "its operator has not finished")
    settings = (obj.get("spec") or {}).get("deployment") or {}
    name, namespace = settings.get("instance_name") or "kiali", settings.get("namespace") or obj["metadata"].get("namespace")
    deployment = related.get("Deployment", name, namespace, group="apps")
    if deployment is None:
        return Readiness.waiting("DeploymentMissing", f"Deployment {namespace}/{name} is not there")
    return _rolled_out(deployment, related)


def _jaeger(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """Running says that its objects were applied; its Deployments say whether they run."""
    phase, meta = (obj.get("status") or {}).get("phase"), obj["metadata"]
    if phase == "Failed":
        return Readiness.failed("Failed", "its operator says phase Failed: look at the operator's log", grace=20.0)
    if phase != "Running":
        return Readiness.waiting("NotRunning", f"phase {phase or 'not set'}")
    wanted = {"app": "jaeger", "app.kubernetes.io/instance": meta["name"]}
    for deployment in related.of("Deployment", group="apps", namespace=meta.get("namespace")):
        if wanted.items() <= (deployment["metadata"].get("labels") or {}).items():
            state = _rolled_out(deployment, related)
            if state.state != "ready":
                return state
    return Readiness.ready()


def _tempo(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    wrong = _condition(obj, "ConfigurationError")
    if wrong.status == "True":
        return Readiness.failed(wrong.reason, wrong.message, grace=20.0)
    return _want(obj, "Ready")


def _collector(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """The operator counts replicas and says nothing else: the Deployment that it makes says whether they run."""
    meta = obj["metadata"]
    if (obj.get("spec") or {}).get("mode", "deployment") != "deployment":
        return Readiness.ready()
    name = f"{meta['name']}-collector"
    deployment = related.get("Deployment", name, meta.get("namespace"), group="apps")
    if deployment is None:
        return Readiness.waiting("DeploymentMissing", f"Deployment {meta.get('namespace')}/{name} is not there")
    return _rolled_out(deployment, related)


_CERT_MANAGER = "cert-manager.io"
_REQUEST_GRACE = 10.0
_TRY_AGAIN = "cert-manager tries again an hour later; `cmctl renew -n {namespace} {name}` makes it try at once"


def _current(obj: Mapping[str, Any], kind: str) -> _StatusCondition:
    """A condition of cert-manager's, which says itself which generation it is about."""
    found = _condition(obj, kind)
    for item in (obj.get("status") or {}).get("conditions") or []:
        seen, generation = item.get("observedGeneration"), obj["metadata"].get("generation")
        if item.get("type") == kind and None not in (seen, generation) and seen != generation:
            return _StatusCondition("Unknown", "NotObserved", f"{kind} is about generation {seen} of {generation}")
    return found


def _issuer(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """ErrGetKeyPair passes when the CA is issued by the same layer; a key pair that is no CA never gets one."""
    found = _current(obj, "Ready")
    if found.status == "True":
        return Readiness.ready()
    if found.reason == "ErrInvalidKeyPair":
        return Readiness.failed(found.reason, found.message, grace=_REQUEST_GRACE)
    if found.reason == "NoReadyCondition":
        return Readiness.waiting(found.reason, "cert-manager has not looked at it: is its controller running?")
    return Readiness.waiting(found.reason, found.message)


def _request(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """Denied, InvalidRequest and Failed are the end of a CertificateRequest; whoever denies it says why in Denied."""
    for kind in ("Denied", "InvalidRequest"):
        found = _condition(obj, kind)
        if found.status == "True":
            return Readiness.failed(kind, f"{found.reason}: {found.message}")
    found = _condition(obj, "Ready")
    if found.reason in ("Denied", "Failed"):
        return Readiness.failed(found.reason, found.message, grace=_REQUEST_GRACE)
    if found.status == "True":
        return Readiness.ready()
    if found.reason == "NoReadyCondition":
        approved = _condition(obj, "Approved").status == "True"
        text = "its issuer has not answered" if approved else "it has not been approved: an approver-policy may be missing"
        return Readiness.waiting(found.reason, text)
    return Readiness.waiting(found.reason, found.message)


def _newest_request(obj: Mapping[str, Any], related: Lookup) -> Mapping[str, Any] | None:
    """The request of this Certificate's next issuance, else its last one."""
    name, mine = obj["metadata"]["name"], []
    for request in related.of("CertificateRequest", group=_CERT_MANAGER, namespace=obj["metadata"].get("namespace")):
        notes = request["metadata"].get("annotations") or {}
        if notes.get("cert-manager.io/certificate-name") == name:
            revision = notes.get("cert-manager.io/certificate-revision") or "0"
            mine.append((int(revision) if revision.isdigit() else 0, request["metadata"].get("creationTimestamp") or "", request))
    return max(mine, key=lambda row: row[:2])[2] if mine else None


def _issuer_of(obj: Mapping[str, Any], related: Lookup) -> str:
    """What keeps its issuer from signing; empty when it is ready, or not one of cert-manager's own."""
    given = (obj.get("spec") or {}).get("issuerRef") or {}
    if (given.get("group") or _CERT_MANAGER) != _CERT_MANAGER:
        return ""
    kind, namespace = given.get("kind") or "Issuer", obj["metadata"].get("namespace")
    where = f"{kind} {namespace}/{given.get('name')}" if kind == "Issuer" else f"{kind} {given.get('name')}"
    found = related.get(kind, str(given.get("name")), namespace if kind == "Issuer" else None, group=_CERT_MANAGER)
    if found is None:
        return f"{where} does not exist"
    state = _issuer(found, related)
    return "" if state.state == "ready" else f"{where} is not ready: {state.reason}: {state.message}"


def _certificate(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """Ready says that the Secret fits the spec; why it does not get so is said by the request, and before that by the issuer."""
    meta, ready, issuing = obj["metadata"], _current(obj, "Ready"), _condition(obj, "Issuing")
    if ready.status == "True":
        return Readiness.ready()
    request = _newest_request(obj, related)
    text = f"{ready.reason}: {ready.message}"
    if request is not None:
        state = _request(request, related)
        where = f"CertificateRequest {meta.get('namespace')}/{request['metadata']['name']}"
        text = f"{where}: {state.reason}: {state.message}"
        if state.state == "failed":
            again = _TRY_AGAIN.format(namespace=meta.get("namespace"), name=meta["name"])
            # while it is tried again the old request is there for a moment
            grace = max(state.grace, _REQUEST_GRACE) if issuing.status == "True" else state.grace
            return Readiness.failed(state.reason, f"{where}: {state.message}; {again}", grace=grace)
        if state.state == "ready":
            text = f"{ready.reason}: {ready.message}; {where} was issued, its Secret is not right yet"
    if issuing.status == "False" and (obj.get("status") or {}).get("lastFailureTime"):
        return Readiness.failed(issuing.reason, issuing.message, grace=_REQUEST_GRACE)
    problem = _issuer_of(obj, related)
    if ready.reason == "NoReadyCondition" and not problem:
        text = "cert-manager has not looked at it: is its controller running?"
    return Readiness.waiting(ready.reason, "; ".join(part for part in (text, problem) if part))


def _istio_csr(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """Ready speaks of no generation and of no pod: what counts is istiod's certificate with each listed name, and the agent itself."""
    degraded = _condition(obj, "Degraded")
    if degraded.status == "True":
        return Readiness.failed(degraded.reason, degraded.message, grace=30.0)
    found = _condition(obj, "Ready")
    if found.reason == "NoReadyCondition":
        return Readiness.waiting(found.reason, "the cert-manager Operator has not looked at it: is its feature IstioCSR on?")
    if found.status != "True":
        return Readiness.waiting(found.reason, found.message)
    istio = ((obj.get("spec") or {}).get("istioCSRConfig") or {}).get("istio") or {}
    home, where = istio.get("namespace"), f"Certificate {istio.get('namespace')}/istiod"
    certificate = related.get("Certificate", "istiod", home, group=_CERT_MANAGER)
    if certificate is None:
        return Readiness.waiting("CertificateMissing", f"{where} is not there")
    names = {f"istiod.{home}.svc" if one == "default" else f"istiod-{one}.{home}.svc" for one in istio.get("revisions") or ["default"]}
    lost = sorted(names - set((certificate.get("spec") or {}).get("dnsNames") or []))
    if lost:
        return Readiness.waiting("OldCertificate", f"{where} has not got the names {', '.join(lost)} yet")
    state = _certificate(certificate, related)
    if state.state != "ready":
        return Readiness(state.state, state.reason, f"{where}: {state.message}", state.grace)
    agent = related.get("Deployment", "cert-manager-istio-csr", obj["metadata"].get("namespace"), group="apps")
    if agent is None:
        return Readiness.waiting("DeploymentMissing", f"Deployment {obj['metadata'].get('namespace')}/cert-manager-istio-csr is not there")
    return _rolled_out(agent, related)


TABLE: dict[tuple[str, str], Predicate] = {
    ("", "Namespace"): _namespace,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _crd,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("batch", "Job"): _job,
    (_CERT_MANAGER, "Certificate"): _certificate,
    (_CERT_MANAGER, "CertificateRequest"): _request,
    (_CERT_MANAGER, "ClusterIssuer"): _issuer,
    (_CERT_MANAGER, "Issuer"): _issuer,
    (_GATEWAY_API, "Gateway"): _gateway,
    (_GATEWAY_API, "HTTPRoute"): _http_route,
    ("jaegertracing.io", "Jaeger"): _jaeger,
    ("kiali.io", "Kiali"): _kiali,
    ("maistra.io", "ServiceMeshControlPlane"): _smcp,
    ("maistra.io", "ServiceMeshMember"): _member,
    ("maistra.io", "ServiceMeshMemberRoll"): _member_roll,
    ("operator.openshift.io", "IstioCSR"): _istio_csr,
    ("opentelemetry.io", "OpenTelemetryCollector"): _collector,
    ("operators.coreos.com", "Subscription"): _subscription,
    ("route.openshift.io", "Route"): _route,
    ("sailoperator.io", "Istio"): _istio,
    ("sailoperator.io", "IstioCNI"): _sail_daemon,
    ("sailoperator.io", "IstioRevision"): _revision,
    ("sailoperator.io", "IstioRevisionTag"): _tag,
    ("sailoperator.io", "ZTunnel"): _sail_daemon,
    ("tempo.grafana.com", "TempoMonolithic"): _tempo,
    ("tempo.grafana.com", "TempoStack"): _tempo,
}


def is_judged(ref: Ref) -> bool:
    """Kinds without a row are ready when they exist."""
    return (group_of(ref.api_version), ref.kind) in TABLE


def judge(obj: Mapping[str, Any], related: Lookup) -> Readiness:
    """The table's word on one object."""
    predicate = TABLE.get((group_of(obj["apiVersion"]), obj["kind"]))
    return predicate(obj, related) if predicate else Readiness.ready()
