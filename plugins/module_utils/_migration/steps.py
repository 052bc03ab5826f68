# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The steps that server-side apply cannot take: labels that go, objects that change hands, and the end of OSSM 2. Each from the cluster's
own objects, so that a run that was killed goes on, and each with what stands in its way."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._model.objects import Ref
from .._model.secrets_used import CA_SECRETS, ROOT_MAP
from .._model.snapshot import Snapshot
from .._rollout.reading import workload_of
from .convert import at
from .gateways import SUFFIX
from .objects import owned
from .settings import DISCOVERY, IGNORE, INJECTION, MEMBER_OF, OWNER, OWNER_NAME, REVISION, Domain, MigrationSettings, Plane
from .state import NEW, OLD, pod_side, revisions_of, sides

__all__ = [
    "MigrationStep",
    "Write",
    "back",
    "gateways_back",
    "gateways_moved",
    "gateways_waiting",
    "moved",
    "prepared",
    "released",
    "removed",
    "restarts",
    "roots_waiting",
    "tidied",
    "waiting",
]

SMCP = "maistra.io/v2", "ServiceMeshControlPlane"
KIALI_MEMBER = "kiali.io/member-of"
_OPERATOR = "maistra-istio-operator"
# What the operator made and what stays in use when it is gone, as kinds.
_KEPT = (
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
)


@dataclass(frozen=True)
class Write:
    """One change. body: a merge patch, None for a deletion."""

    ref: Ref
    body: Mapping[str, Any] | None
    why: str

    @property
    def said(self) -> str:
        """For people."""
        return f"{self.ref}: {self.why}"


@dataclass(frozen=True)
class MigrationStep:
    """What is to be written, and what stands in the way of it."""

    writes: tuple[Write, ...] = ()
    blockers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _labels(space: Mapping[str, Any] | None) -> Mapping[str, str]:
    found: Mapping[str, str] = ((space or {}).get("metadata") or {}).get("labels") or {}
    return found


def _relabelled(snapshot: Snapshot, name: str, wanted: Mapping[str, str | None], why: str) -> Iterator[Write]:
    labels = _labels(snapshot.get("Namespace", name))
    changed = {key: value for key, value in wanted.items() if labels.get(key) != value}
    if changed:
        yield Write(Ref("v1", "Namespace", None, name), {"metadata": {"labels": changed}}, why)


def prepared(snapshot: Snapshot, plane: Plane, settings: MigrationSettings, members: tuple[str, ...]) -> MigrationStep:
    """Every namespace of the mesh carries the label by which the new control plane, and network policies, know it."""
    writes: list[Write] = []
    for space in (plane.namespace, *members):
        writes += _relabelled(snapshot, space, {DISCOVERY: settings.mesh}, f"label {DISCOVERY}={settings.mesh}")
    # the injected gateways come up here; an istiod of OSSM 2 that injected them too would keep them from starting
    if IGNORE not in _labels(snapshot.get("Namespace", plane.namespace)):
        writes += _relabelled(snapshot, plane.namespace, {IGNORE: "true"}, f"label {IGNORE}=true")
    return MigrationStep(tuple(writes))


def moved(snapshot: Snapshot, plane: Plane, settings: MigrationSettings, domain: Domain) -> MigrationStep:
    """The next pod of the domain gets the new proxy, and only that."""
    label, blockers = settings.label(plane), list(_not_there(snapshot, plane, settings))
    writes: list[Write] = []
    wanted = {DISCOVERY: settings.mesh, REVISION: label, IGNORE: "true", INJECTION: None}
    for space in domain.namespaces:
        if snapshot.get("Namespace", space) is None:
            blockers.append(f"Namespace {space} does not exist")
        writes += _relabelled(snapshot, space, wanted, f"labels {REVISION}={label} and {IGNORE}=true, without {INJECTION}")
    blockers += roots_waiting(snapshot, plane, domain.namespaces)
    return MigrationStep(tuple(writes), tuple(blockers))


def _not_there(snapshot: Snapshot, plane: Plane, settings: MigrationSettings) -> Iterator[str]:
    """The new control plane has to answer before anybody is sent to it."""
    istio = snapshot.get("Istio", settings.istio(plane))
    if istio is None:
        yield f"Istio {settings.istio(plane)} does not exist"
        return
    conditions = {one.get("type"): one for one in (istio.get("status") or {}).get("conditions") or []}
    if (conditions.get("Ready") or {}).get("status") != "True":
        yield f"Istio {settings.istio(plane)} is not Ready ({(conditions.get('Ready') or {}).get('message') or 'no condition'})"
    if settings.strategy == "RevisionBased" and not at(
        snapshot.get("IstioRevisionTag", settings.label(plane)) or {}, "status.istioRevision"
    ):
        yield f"IstioRevisionTag {settings.label(plane)} leads to no revision yet"
    hooks = [hook for one in snapshot.of("MutatingWebhookConfiguration") for hook in one.get("webhooks") or []]
    if not any(
        settings.label(plane) in str(hook.get("namespaceSelector")) and (hook.get("clientConfig") or {}).get("caBundle") for hook in hooks
    ):
        yield f"no injection webhook answers for {REVISION}={settings.label(plane)} yet"


def back(snapshot: Snapshot, plane: Plane, settings: MigrationSettings, domain: Domain) -> MigrationStep:
    """The next pod of the domain gets the old proxy again. The discovery label stays: both control planes see the namespace."""
    writes: list[Write] = []
    blockers: list[str] = []
    if snapshot.get("ServiceMeshControlPlane", plane.name, plane.namespace) is None:
        blockers.append(f"{plane.ref} does not exist any more, so there is no way back")
    for space in domain.namespaces:
        labels = _labels(snapshot.get("Namespace", space))
        if labels.get(MEMBER_OF) != plane.namespace:
            blockers.append(f"Namespace {space} is no member of {plane.namespace} any more (label {MEMBER_OF})")
        ours = labels.get(REVISION) == settings.label(plane)
        writes += _relabelled(snapshot, space, {IGNORE: None, **({REVISION: None} if ours else {})}, f"without {REVISION} and {IGNORE}")
    return MigrationStep(tuple(writes), tuple(blockers))


def roots_waiting(snapshot: Snapshot, plane: Plane, namespaces: tuple[str, ...]) -> list[str]:
    """Who does not have the root that both control planes use."""
    root = ""
    for name in CA_SECRETS:
        data = (snapshot.get("Secret", name, plane.namespace) or {}).get("data") or {}
        found = data.get("root-cert.pem") or data.get("ca-cert.pem")
        if found:
            root = base64.b64decode(found).decode(errors="replace").strip()
            break
    waiting_for = []
    for space in namespaces:
        here = str(at(snapshot.get("ConfigMap", ROOT_MAP, space) or {}, "data", {}).get("root-cert.pem") or "").strip()
        if not here:
            waiting_for.append(f"ConfigMap {space}/{ROOT_MAP} does not exist: restart the istiod of OSSM 2, so that the new one makes it")
        elif root and root not in here and here not in root:
            waiting_for.append(f"ConfigMap {space}/{ROOT_MAP} has another root than {plane.namespace}: calls between the two would fail")
    return waiting_for


# workloads


def restarts(snapshot: Snapshot, plane: Plane, settings: MigrationSettings, domain: Domain, side: str) -> tuple[list[Ref], list[str]]:
    """The workloads whose pods do not have the proxy of this side, and pods that nobody makes again."""
    new = revisions_of(snapshot, plane, settings)
    found: dict[Ref, None] = {}
    lonely: list[str] = []
    for space in domain.namespaces:
        for pod in snapshot.of("Pod", namespace=space):
            if pod_side(pod, new) in (side, "none") or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
                continue
            title, _why_not = workload_of(pod)
            kind, _space, name = title.partition(" ")
            name = name.removeprefix(f"{space}/")
            if not title or snapshot.get(kind, name, space) is None:
                lonely.append(f"{space}/{pod['metadata']['name']}")
            else:
                found[Ref("apps/v1", kind, space, name)] = None
    return list(found), lonely


def waiting(snapshot: Snapshot, plane: Plane, settings: MigrationSettings, domain: Domain, side: str) -> list[str]:
    """Why the domain is not wholly on this side yet; pods that nobody makes again are left out."""
    found, unready = sides(snapshot, domain.namespaces, revisions_of(snapshot, plane, settings))
    _refs, lonely = restarts(snapshot, plane, settings, domain, side)
    other = OLD if side == NEW else NEW
    names = [name for name in found[other] if name not in lonely]
    said = [f"Pod {name} still has the proxy of the {'old' if other == OLD else 'new'} control plane" for name in names]
    return said + [f"Pod {name} is not ready" for name in unready if name not in lonely]


# gateways


def _switch(plane: Plane, names: Mapping[str, str], on: bool) -> Write | None:
    """names: gateway to its path in the resource; the ones whose switch is not so yet."""
    body: dict[str, Any] = {}
    for path in names.values():
        # additional gateways have free names, which may have dots
        steps = path.split(".", 2)
        if at(plane.raw, "spec." + ".".join(steps[:2]) + ".enabled") is on and len(steps) == 2:
            continue
        if len(steps) == 3 and ((at(plane.raw, f"spec.{steps[0]}.{steps[1]}") or {}).get(steps[2]) or {}).get("enabled") is on:
            continue
        where = body.setdefault("spec", {})
        for step in steps:
            where = where.setdefault(step, {})
        where["enabled"] = on
    if not body:
        return None
    return Write(Ref(*SMCP, plane.namespace, plane.name), body, f"gateways {', '.join(sorted(names))} {'on' if on else 'off'}")


def gateways_moved(snapshot: Snapshot, plane: Plane, gateways: Mapping[str, tuple[str, str]]) -> MigrationStep:
    """The operator lets go of the Services, and takes its own gateways away. gateways: name to (namespace, path)."""
    blockers: list[str] = []
    writes: list[Write] = []
    for name, (namespace, _path) in gateways.items():
        new = snapshot.get("Deployment", name + SUFFIX, namespace)
        if new is None or int(at(new, "status.readyReplicas", 0)) < 1:
            blockers.append(f"Deployment {namespace}/{name}{SUFFIX} has no ready pod, so no pod would serve {name}")
        for version, kind in _KEPT:
            for kept in _names_of(name, kind):
                writes += _let_go(snapshot.get(kind, kept, namespace), plane, Ref(version, kind, namespace, kept))
    switched = _switch(plane, {name: path for name, (_namespace, path) in gateways.items()}, on=False)
    return MigrationStep((*writes, *([switched] if switched else [])), tuple(blockers))


def _names_of(gateway: str, kind: str) -> tuple[str, ...]:
    return {"Service": (gateway,), "ServiceAccount": (f"{gateway}-service-account",)}.get(kind, (f"{gateway}-sds",))


def _let_go(obj: Mapping[str, Any] | None, plane: Plane, ref: Ref) -> Iterator[Write]:
    """Without owner and without the labels by which the operator finds what it may delete."""
    if obj is None or not owned(obj, plane):
        return
    meta = obj["metadata"]
    kept = [one for one in meta.get("ownerReferences") or [] if one.get("kind") != "ServiceMeshControlPlane"]
    labels: dict[str, None] = {key: None for key in (OWNER, OWNER_NAME) if key in (meta.get("labels") or {})}
    if (meta.get("labels") or {}).get("app.kubernetes.io/managed-by") == _OPERATOR:
        labels["app.kubernetes.io/managed-by"] = None
    body = {"metadata": {"ownerReferences": kept or None, "labels": labels, "resourceVersion": meta.get("resourceVersion")}}
    yield Write(ref, body, "the operator of OSSM 2 lets go of it")


def gateways_waiting(snapshot: Snapshot, plane: Plane, gateways: Mapping[str, tuple[str, str]], side: str) -> list[str]:
    """new: the operator's Deployments are gone; old: they are back and ready."""
    said = []
    for name, (namespace, _path) in gateways.items():
        old = snapshot.get("Deployment", name, namespace)
        if side == NEW and old is not None and owned(old, plane):
            said.append(f"Deployment {namespace}/{name} of the operator is still there")
        if side == OLD and (old is None or int(at(old, "status.readyReplicas", 0)) < 1):
            said.append(f"Deployment {namespace}/{name} of the operator has no ready pod yet")
        if snapshot.get("Service", name, namespace) is None:
            said.append(f"Service {namespace}/{name} does not exist")
    return said


def gateways_back(snapshot: Snapshot, plane: Plane, gateways: Mapping[str, tuple[str, str]]) -> MigrationStep:
    """The operator makes its gateways again, and takes the Services back with them."""
    if snapshot.get("ServiceMeshControlPlane", plane.name, plane.namespace) is None:
        return MigrationStep(blockers=(f"{plane.ref} does not exist any more, so there is no way back",))
    switched = _switch(plane, {name: path for name, (_namespace, path) in gateways.items()}, on=True)
    return MigrationStep((switched,) if switched else ())


# the end


def released(snapshot: Snapshot, plane: Plane) -> MigrationStep:
    """What goes on to be used does not go with the ServiceMeshControlPlane: mutual TLS, traces, Kiali."""
    kept = [("PeerAuthentication", "default")]
    kept += [(kind, obj["metadata"]["name"]) for kind in ("Jaeger", "Kiali") for obj in snapshot.of(kind, namespace=plane.namespace)]
    writes: list[Write] = []
    for kind, name in kept:
        obj = snapshot.get(kind, name, plane.namespace)
        if obj is not None:
            writes += _let_go(obj, plane, Ref(obj["apiVersion"], kind, plane.namespace, name))
    return MigrationStep(tuple(writes))


def removed(snapshot: Snapshot, name: str, namespace: str, new: set[str], members: tuple[str, ...]) -> MigrationStep:
    """Deletes the control plane of OSSM 2, its rolls and its members, once nobody has a proxy of it any more."""
    blockers = []
    found, unready = sides(snapshot, members, new)
    blockers += [f"Pod {pod} still has the proxy of the old control plane" for pod in found[OLD]]
    blockers += [f"Pod {pod} is not ready" for pod in unready]
    for deployment in snapshot.of("Deployment", namespace=namespace):
        labels = _labels(deployment)
        if labels.get(OWNER_NAME) == name and labels.get("app.kubernetes.io/component") in ("istio-ingress", "istio-egress"):
            blockers.append(f"Deployment {namespace}/{deployment['metadata']['name']} is a gateway of OSSM 2 that still runs")
    writes = []
    if snapshot.get("ServiceMeshControlPlane", name, namespace) is not None:
        writes.append(Write(Ref(*SMCP, namespace, name), None, "deleted"))
    for roll in snapshot.of("ServiceMeshMemberRoll", namespace=namespace):
        writes.append(Write(Ref("maistra.io/v1", "ServiceMeshMemberRoll", namespace, roll["metadata"]["name"]), None, "deleted"))
    for member in snapshot.of("ServiceMeshMember"):
        if at(member, "spec.controlPlaneRef.namespace") == namespace:
            meta = member["metadata"]
            writes.append(Write(Ref("maistra.io/v1", "ServiceMeshMember", meta["namespace"], meta["name"]), None, "deleted"))
    return MigrationStep(tuple(writes), tuple(blockers))


def tidied(snapshot: Snapshot, name: str, namespace: str, members: tuple[str, ...]) -> MigrationStep:
    """What OSSM 2 leaves behind: labels of namespaces, its webhooks, network policies that nobody keeps any more."""
    if snapshot.get("ServiceMeshControlPlane", name, namespace) is not None:
        return MigrationStep(
            blockers=(f"ServiceMeshControlPlane {namespace}/{name} is still there: without {IGNORE} it would inject again",)
        )
    notes: list[str] = []
    writes: list[Write] = []
    for space in (namespace, *members):
        labels = _labels(snapshot.get("Namespace", space))
        gone = {key: None for key in (IGNORE, MEMBER_OF, KIALI_MEMBER) if key in labels}
        if gone:
            writes.append(Write(Ref("v1", "Namespace", None, space), {"metadata": {"labels": gone}}, f"without {', '.join(gone)}"))
        for policy in snapshot.of("NetworkPolicy", namespace=space):
            if "maistra-version" in _labels(policy) or _labels(policy).get(OWNER) == namespace:
                ref = Ref("networking.k8s.io/v1", "NetworkPolicy", space, policy["metadata"]["name"])
                if not ref.name.startswith("istio-"):
                    # a copy of the operator's has its labels, and is its team's
                    notes.append(f"{ref} stays: it has labels of OSSM 2, and no name that its operator gives, so it is someone's copy: "
                                 "look whether it lets the mesh in, or is to go")  # fmt: skip
                    continue
                writes.append(Write(ref, None, "deleted, it was OSSM 2's"))
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        for hook in snapshot.of(kind):
            services = [(one.get("clientConfig") or {}).get("service") or {} for one in hook.get("webhooks") or []]
            # a webhook that fails closed, for an istiod that is gone, keeps every pod and every write away
            if services and all(one.get("namespace") == namespace and one.get("name") == f"istiod-{name}" for one in services):
                ref = Ref("admissionregistration.k8s.io/v1", kind, None, hook["metadata"]["name"])
                writes.append(Write(ref, None, f"deleted, its istiod-{name} is gone"))
    return MigrationStep(tuple(writes), notes=tuple(notes))
