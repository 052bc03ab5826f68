# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Maistra operator decides, as pure functions: components, conditions of the control plane, members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .base import conditions_of

__all__ = [
    "DONE",
    "PAUSING",
    "WORKING",
    "Components",
    "Member",
    "components_of",
    "failed",
    "gateways",
    "member_status",
    "members_of",
    "mesh_status",
    "readiness",
    "roll_status",
    "smcp_status",
    "spec_error",
    "sweep",
]

VERSIONS = ("v2.2", "v2.3", "v2.4", "v2.5", "v2.6")
PROFILES = ("default", "small", "maistra")
WORKING, PAUSING, DONE = "working", "pausing", "done"
ALWAYS_READY = ("mesh-config", "telemetry-common")
Obj = dict[str, Any]


def gateways(spec: Mapping[str, Any]) -> list[tuple[str, str, Obj]]:
    """(component, name, settings) of every gateway that is on."""
    root = spec.get("gateways") or {}
    if root.get("enabled") is False:
        return []
    found: list[tuple[str, str, Obj]] = []
    for kind in ("ingress", "egress"):
        one = root.get(kind) or {}
        if one.get("enabled") is not False:
            found.append((f"istio-{kind}", f"istio-{kind}gateway", one))
        for name, extra in sorted((root.get(f"additional{kind.capitalize()}") or {}).items()):
            if extra.get("enabled") is True:  # without it nothing is made of an additional one
                found.append((f"istio-{kind}", name, extra))
    return found


def _addon(spec: Mapping[str, Any], name: str, default: bool) -> bool:
    return bool(((spec.get("addons") or {}).get(name) or {}).get("enabled", default))


def components_of(spec: Mapping[str, Any]) -> list[str]:
    """The charts of a control plane, in the order in which they are installed. A gateway that is off keeps its component."""
    names = ["istio-discovery", "mesh-config", "telemetry-common"]
    if _addon(spec, "prometheus", True):
        names.append("prometheus")
    if (spec.get("tracing") or {}).get("type", "Jaeger") == "Jaeger":
        names.append("tracing")
    names += ["istio-ingress", "istio-egress"]
    if _addon(spec, "grafana", True):
        names.append("grafana")
    if _addon(spec, "kiali", True):
        names.append("kiali")
    return names


def spec_error(spec: Mapping[str, Any]) -> str:
    """What the operator cannot render."""
    version = spec.get("version", "v2.6")
    if version not in VERSIONS:
        return f"invalid Version specified; supported versions are: [{' '.join(VERSIONS)}]"
    for profile in spec.get("profiles") or ["default"]:
        if profile not in PROFILES:
            return (
                "Error rendering helm charts: error: template cannot be loaded from user or default directory. Error from user: open "
                f"/OPERATOR/templates/{profile}: no such file or directory. Error from default: open "
                f"/OPERATOR/default-templates/{version}/{profile}: no such file or directory"
            )
    return ""


@dataclass(frozen=True)
class Components:
    """The readiness of the components of one control plane."""

    ready: tuple[str, ...] = ()
    unready: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()

    def as_dict(self) -> Obj:
        return {"components": {"pending": sorted(self.pending), "ready": sorted(self.ready), "unready": sorted(self.unready)}}


def readiness(names: Iterable[str], applied: Iterable[str], unready: Iterable[str]) -> Components:
    """pending: not applied in this round."""
    done, bad = set(applied), set(unready)
    listed = list(names)
    return Components(
        ready=tuple(n for n in listed if n in done and n not in bad),
        unready=tuple(n for n in listed if n in done and n in bad),
        pending=tuple(n for n in listed if n not in done),
    )


def _conditions(old: Iterable[Obj], *wanted: tuple[str, str, str, str], now: str) -> list[Obj]:
    before = {c["type"]: c for c in old}
    out = []
    for kind, status, reason, message in wanted:
        same = kind in before and before[kind].get("status") == status
        entry: Obj = {"type": kind, "status": status, "lastTransitionTime": before[kind]["lastTransitionTime"] if same else now}
        out.append({**entry, **({"reason": reason} if reason else {}), **({"message": message} if message else {})})
    return out


def _component_rows(old: Iterable[Obj], names: Iterable[str], applied: set[str], *, updating: bool, now: str) -> list[Obj]:
    before = {row["resource"]: row for row in old}
    reason, message = (
        ("ReconcileSuccessful", "Successfully reconciled") if updating else ("InstallSuccessful", "Component installed successfully")
    )
    rows = []
    for name in names:
        known = conditions_of(before.get(name))
        installed = [c for c in known if c["type"] == "Installed"]
        if name in applied:
            reconciled = _conditions(known, ("Reconciled", "True", reason, message), now=now)
            new = ("Installed", "True", "InstallSuccessful", "Component installed successfully")
            installed = installed or _conditions([], new, now=now)
        else:
            reconciled = _conditions(known, ("Reconciled", "False", "", ""), now=now)
        rows.append({"resource": name, "conditions": reconciled + installed, "children": []})
    return rows


def smcp_status(smcp: Mapping[str, Any], stage: str, components: Components | None, *, now: str) -> Obj:
    """The status at a stage of the work on the present generation; components None: the work only begins."""
    status: Obj = dict(smcp.get("status") or {})
    generation, observed = smcp["metadata"]["generation"], status.get("observedGeneration", 0)
    old = conditions_of(status)
    version = status.get("operatorVersion", "unknown")
    if components is not None:
        applied = {*components.ready, *components.unready}
        names = [n for n in components_of(smcp["spec"])]
        status["components"] = _component_rows(status.get("components") or [], names, applied, updating=bool(observed), now=now)
        always = [n for n in ALWAYS_READY if n in components.ready]
        status["annotations"] = {"alwaysReadyComponents": ",".join(always), "readyComponentCount": f"{len(components.ready)}/{len(names)}"}
        status["readiness"] = components.as_dict()
    status.setdefault("readiness", {})
    installed = ("Installed", "True", "InstallSuccessful", "Successfully installed all mesh components")
    if stage == DONE:
        if observed:
            reconciled = ("UpdateSuccessful", f"Successfully updated from version {version}-{observed} to version {version}-{generation}")
        else:
            reconciled = ("InstallSuccessful", f"Successfully installed version {version}-{generation}")
        status["observedGeneration"] = generation
        status["conditions"] = _conditions(
            old,
            installed,
            ("Reconciled", "True", *reconciled),
            ("Ready", "True", "ComponentsReady", "All component deployments are Available"),
            now=now,
        )
        return status
    if stage == PAUSING and components is not None:
        reason = "PausingUpdate" if observed else "PausingInstall"
        message = f"Paused until the following components become ready: [{' '.join(sorted(components.unready))}]"
    elif observed:
        reason, message = "SpecUpdated", f"Updating mesh from generation {observed} to generation {generation}"
    else:
        reason, message = "ResourceCreated", f"Installing mesh generation {generation}"
    first = installed if observed else ("Installed", "False", "ResourceCreated", f"Installing mesh generation {generation}")
    status["conditions"] = _conditions(old, first, ("Reconciled", "False", reason, message), ("Ready", "False", reason, message), now=now)
    return status


def failed(smcp: Mapping[str, Any], message: str, *, reason: str = "ReconcileError", now: str) -> Obj:
    """An error of the spec (or the end, with reason Deleting): Installed stays what it was, observedGeneration too."""
    status: Obj = dict(smcp.get("status") or {})
    old = conditions_of(status)
    first = next(
        (c for c in old if c["type"] == "Installed"),
        {"status": "False", "reason": "ResourceCreated", "message": f"Installing mesh generation {smcp['metadata']['generation']}"},
    )
    status.setdefault("readiness", {})
    status["conditions"] = _conditions(
        old,
        ("Installed", first["status"], first.get("reason", ""), first.get("message", "")),
        ("Reconciled", "False", reason, message),
        ("Ready", "False", reason, message),
        now=now,
    )
    return status


def mesh_status(smcp: Mapping[str, Any], components: Components, *, now: str) -> Obj:
    """Between two rounds only Ready follows the Deployments."""
    status: Obj = dict(smcp.get("status") or {})
    by_type = {c["type"]: c for c in conditions_of(status)}
    if components.unready:
        ready = (
            "Ready",
            "False",
            "ComponentsNotReady",
            f"The following components are not fully available: [{' '.join(sorted(components.unready))}]",
        )
    else:
        ready = ("Ready", "True", "ComponentsReady", "All component deployments are Available")
    kept = [(k, by_type[k]["status"], by_type[k].get("reason", ""), by_type[k].get("message", "")) for k in ("Installed", "Reconciled")]
    status["conditions"] = _conditions(status["conditions"], *kept, ready, now=now)
    total = len(components.ready) + len(components.unready) + len(components.pending)
    status["annotations"] = {**status.get("annotations", {}), "readyComponentCount": f"{len(components.ready)}/{total}"}
    status["readiness"] = components.as_dict()
    return status


# --- members ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """What a control plane sees of one member namespace."""

    namespace: str
    exists: bool = True
    terminating: bool = False  # the namespace
    other: str = ""  # namespace/name of another control plane that its ServiceMeshMember names
    configured: bool = False
    generation: int = 0  # of the control plane, for which it was configured


def sweep(labels: Mapping[str, str], selectors: Iterable[Mapping[str, Any]]) -> bool:
    """Whether one of the selectors of a member roll chooses these labels."""
    for selector in selectors:
        wanted = selector.get("matchLabels") or {}
        terms = selector.get("matchExpressions") or []
        held = all(
            {
                "In": labels.get(t["key"]) in (t.get("values") or []),
                "NotIn": labels.get(t["key"]) not in (t.get("values") or []),
                "Exists": t["key"] in labels,
                "DoesNotExist": t["key"] not in labels,
            }[t["operator"]]
            for t in terms
        )
        if held and all(labels.get(k) == v for k, v in wanted.items()) and (wanted or terms):
            return True
    return False


def members_of(roll: Mapping[str, Any], namespaces: Mapping[str, Mapping[str, str]], by_member: Iterable[str]) -> list[str]:
    """Of spec.members, of the selectors, and of ServiceMeshMembers; never the control plane's own namespace."""
    spec, own = roll.get("spec") or {}, roll["metadata"]["namespace"]
    chosen = {m for m in spec.get("members") or [] if m != "*"} | set(by_member)
    selectors = spec.get("memberSelectors") or []
    chosen |= {name for name, labels in namespaces.items() if sweep(labels, selectors)}
    if "*" in (spec.get("members") or []):
        chosen |= {n for n in namespaces if not n.startswith(("openshift", "kube"))}
    return sorted(chosen - {own})


def roll_status(roll: Mapping[str, Any], members: Iterable[Member], mesh: Mapping[str, Any] | None, *, now: str) -> Obj:
    """mesh: the control plane of the namespace, None where there is none."""
    rows, configured, pending = [], [], []
    listed = list(members)
    generation = (mesh or {}).get("status", {}).get("observedGeneration", 0)
    old = {row["namespace"]: conditions_of(row) for row in (roll.get("status") or {}).get("memberStatuses") or []}
    for member in listed:
        rows.append({"namespace": member.namespace, "conditions": _conditions(old.get(member.namespace, []), _row(member), now=now)})
        fit = mesh is not None and member.exists and not member.terminating and not member.other and member.configured
        if fit:
            configured.append(member.namespace)
        if not fit or member.generation != generation:
            pending.append(member.namespace)
    if mesh is None:
        ready = ("Ready", "False", "ErrSMCPMissing", "No ServiceMeshControlPlane exists in the namespace")
    elif pending:
        ready = ("Ready", "False", "ReconcileError", f"The following namespaces are not yet configured: [{' '.join(pending)}]")
    else:
        ready = ("Ready", "True", "Configured", "All namespaces have been configured successfully")
    status: Obj = {
        "observedGeneration": roll["metadata"]["generation"],
        "members": [m.namespace for m in listed],
        "configuredMembers": configured,
        "pendingMembers": pending,
        "terminatingMembers": [],
        "memberStatuses": rows,
        "annotations": {"configuredMemberCount": f"{len(configured)}/{len(listed)}"},
        "conditions": _conditions(conditions_of(roll.get("status")), ready, now=now),
    }
    return {**status, "meshGeneration": generation} if generation else status


def _row(member: Member) -> tuple[str, str, str, str]:
    if not member.exists:
        return "Reconciled", "False", "NamespaceNotExists", f"Namespace {member.namespace} does not exist"
    if member.terminating:
        return "Reconciled", "False", "ErrorConfiguringNamespace", "namespace is terminating"
    if member.other:
        return (
            "Reconciled",
            "False",
            "ReferencesDifferentControlPlane",
            f"ServiceMeshMember {member.namespace}/default exists, but references ServiceMeshControlPlane {member.other}",
        )
    return "Reconciled", "True" if member.configured else "Unknown", "", ""


def member_status(member: Mapping[str, Any], mesh: Mapping[str, Any] | None, *, terminating: bool, now: str) -> Obj:
    """Conditions have no reason and no message when they are True."""
    if terminating:
        reason, message = "ErrorConfiguringNamespace", "namespace is terminating"
    elif mesh is None:
        reason, message = "ErrorControlPlaneMissing", "the referenced ServiceMeshControlPlane object does not exist"
    else:
        reason, message = "", ""
    word = "False" if reason else "True"
    old = conditions_of(member.get("status"))
    status: Obj = {
        "observedGeneration": member["metadata"]["generation"],
        "conditions": _conditions(old, ("Reconciled", word, reason, message), ("Ready", word, reason, message), now=now),
    }
    if mesh is None:
        return status
    status["annotations"] = {"controlPlaneRef": f"{mesh['metadata']['namespace']}/{mesh['metadata']['name']}"}
    generation = (mesh.get("status") or {}).get("observedGeneration", 0)
    return {**status, "meshGeneration": generation} if generation else status
