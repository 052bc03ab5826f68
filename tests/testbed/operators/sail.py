# SPDX-License-Identifier: GPL-3.0-or-later
"""The Sail operator, played: the five kinds of sailoperator.io/v1. What each istiod then does is in istiod.py and injection.py.

On a bed with real istiods it installs Istio's own charts (istio_charts.py), else short ones of ours (charts.py).

Faults, under "sail": delay (seconds per installation), fail ({name: reason}), never_ready ([name]), flap (times that a revision falls
back to not ready after it was ready). Names are those of the object, or of the Istio that owns a revision.
"""

from __future__ import annotations

import asyncio
import copy
import datetime
import json
from pathlib import Path
from typing import Any

from . import charts, remote_istiod
from .base import Controller, Key
from .injection import ensure_authority
from .istio_charts import IstioCharts
from .status import (
    References,
    SailError,
    ValidationError,
    active_revision_name,
    condition,
    daemon_set_ready,
    derive_state,
    in_use,
    istio_status,
    istiod_ready,
    labels_revision,
    resolve,
    set_condition,
)

__all__ = ["CONTROLLERS", "SailController"]

Obj = dict[str, Any]
API = "sailoperator.io/v1"
FINALIZER = "sailoperator.io/sail-operator"
KINDS = ("Istio", "IstioRevision", "IstioRevisionTag", "IstioCNI", "ZTunnel")
OWNED = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "DaemonSet"),
    ("v1", "Service"),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
)
# A chart takes the real operator this long; a status of before is seen for as long, as it is with the real one.
CHART_SECONDS = 0.25
# Kinds that OpenShift has and a bed has not; nothing of a bed reads them.
NOT_HERE = ("NetworkAttachmentDefinition",)
GRACE_SECONDS = 30


def _name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def _state_of(obj: Obj) -> int | str:
    """What changes when somebody changes what was installed; what istiod itself writes into a webhook does not."""
    if obj["kind"] != "MutatingWebhookConfiguration":
        return int(obj["metadata"].get("generation", 0))
    hooks = [
        {**hook, "clientConfig": {key: value for key, value in hook["clientConfig"].items() if key != "caBundle"}}
        for hook in obj.get("webhooks") or []
    ]
    return json.dumps(hooks, sort_keys=True)


def _controller_of(obj: Obj) -> Key | None:
    for reference in obj["metadata"].get("ownerReferences") or []:
        if reference.get("controller") and reference["apiVersion"] == API:
            return reference["kind"], "", reference["name"]
    return None


class SailController(Controller):
    """All five kinds; each key has its own place in the queue, so a slow installation does not hold up the others."""

    name = "sail"
    kinds = (*((API, kind) for kind in KINDS), ("v1", "Namespace"), ("v1", "Pod"), *OWNED)
    workers = 6

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.store: dict[str, dict[str, Obj]] = {kind: {} for kind in KINDS}
        self.references = References()
        self.charts = IstioCharts(Path(self.bed["binaries"]["istioctl"])) if self.bed.get("istiod") else None
        self._owned: dict[tuple[str, str, str], int | str] = {}  # what we last saw of what we installed
        self._installed: dict[Key, tuple[Any, ...]] = {}  # what the last installation was made of
        self._made_now: set[str] = set()  # Istios whose revision was just made
        self._flaps: dict[str, int] = {}
        self._versions: list[str] = []

    # Events to keys

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        kind = obj["kind"]
        if kind in KINDS:
            return self._sail_event(event, obj)
        if kind == "Namespace":
            return self._namespace_event(event, obj)
        if kind == "Pod":
            return self._pod_event(event, obj)
        return self._owned_event(event, obj)

    def _sail_event(self, event: str, obj: Obj) -> list[Key]:
        kind, name = obj["kind"], _name(obj)
        old = self.store[kind].pop(name, None)
        if event != "DELETED":
            self.store[kind][name] = obj
        keys: list[Key] = [(kind, "", name)]
        if kind == "IstioRevisionTag":
            self.references.tags.pop(name, None)
            if event != "DELETED":
                self.references.tags[name] = (obj.get("status") or {}).get("istioRevision", "")
            named = {(o.get("status") or {}).get("istioRevision") for o in (old, obj) if o}
            return keys + [("IstioRevision", "", rev) for rev in named if rev]
        if kind in ("Istio", "IstioRevision"):
            owner = _controller_of(obj)
            keys += [owner] if owner else []
            keys += [(k, "", n) for k in ("IstioRevisionTag", "ZTunnel") for n, o in self.store[k].items() if self._targets(o, obj)]
        if kind in ("IstioCNI", "ZTunnel"):
            keys += [("IstioRevision", "", n) for n in self.store["IstioRevision"]]
        return keys

    @staticmethod
    def _targets(follower: Obj, obj: Obj) -> bool:
        target = follower["spec"].get("targetRef") or {}
        revision = _name(obj) if obj["kind"] == "IstioRevision" else (obj.get("status") or {}).get("activeRevisionName")
        return (target.get("kind"), target.get("name")) == (obj["kind"], _name(obj)) or bool(
            revision and (follower.get("status") or {}).get("istioRevision") == revision
        )

    def _namespace_event(self, event: str, obj: Obj) -> list[Key]:
        name, labels = _name(obj), obj["metadata"].get("labels") or {}
        old = self.references.namespaces.pop(name, {})
        if event != "DELETED":
            self.references.namespaces[name] = labels
        keys: list[Key] = [
            (kind, "", n)
            for kind in ("IstioRevision", "IstioCNI", "ZTunnel")
            for n, o in self.store[kind].items()
            if o["spec"]["namespace"] == name
        ]
        for named in {labels_revision(old), labels_revision(labels)} - {""}:
            keys += [("IstioRevision", "", named), ("IstioRevisionTag", "", named)]
        return keys

    def _pod_event(self, event: str, obj: Obj) -> list[Key]:
        ident = (obj["metadata"]["namespace"], _name(obj))
        old = self.references.pods.pop(ident, None)
        # A pod that is over counts no longer, but that alone makes nobody look again.
        new = None if event == "DELETED" else References.pod(obj)
        if new and any(new):
            self.references.pods[ident] = new
        if old == new:
            return []
        named = {value for both in (old, new) if both for value in both} - {""}
        for name in named:
            # Many pods start at a time; one look serves them all.
            self.enqueue(("IstioRevision", "", name), 0.1)
            self.enqueue(("IstioRevisionTag", "", name), 0.1)
        return []

    def _owned_event(self, event: str, obj: Obj) -> list[Key]:
        key = _controller_of(obj)
        if key is None:
            return []
        ident = (obj["kind"], obj["metadata"].get("namespace", ""), _name(obj))
        state = _state_of(obj)
        if event == "DELETED" or state != self._owned.get(ident, state):
            # Somebody else touched it: what was installed is put back.
            self._installed.pop(key, None)
        return [key]

    # One key

    async def reconcile(self, key: Key) -> float | None:
        kind, _namespace, name = key
        obj = await self.kube.get(API, kind, name)
        if obj is None:
            self._installed.pop(key, None)
            return None
        obj = {"apiVersion": API, "kind": kind, **obj}
        if obj["metadata"].get("deletionTimestamp"):
            await self._finalize(key, obj)
            return None
        if kind == "Istio":
            return await self._istio(obj)
        if FINALIZER not in obj["metadata"].get("finalizers", []):
            finalizers = [*obj["metadata"].get("finalizers", []), FINALIZER]
            await self.kube.patch(obj, {"metadata": {"finalizers": finalizers, "resourceVersion": obj["metadata"]["resourceVersion"]}})
            return None
        handlers = {"IstioRevision": self._revision, "IstioRevisionTag": self._tag, "IstioCNI": self._agent, "ZTunnel": self._agent}
        return await handlers[kind](key, obj)

    async def _write(self, obj: Obj, status: Obj) -> None:
        old = obj.get("status") or {}
        if old != status:
            await self.kube.patch(obj, {"status": {**{gone: None for gone in old if gone not in status}, **status}}, sub="status")

    async def _finalize(self, key: Key, obj: Obj) -> None:
        if FINALIZER not in obj["metadata"].get("finalizers", []):
            return
        self._installed.pop(key, None)
        for child in await self._rendered(obj, for_removal=True):
            if await self._serves(child):
                await self.kube.delete(child)
        left = [f for f in obj["metadata"]["finalizers"] if f != FINALIZER]
        await self.kube.patch(obj, {"metadata": {"finalizers": left, "resourceVersion": obj["metadata"]["resourceVersion"]}})

    async def _serves(self, obj: Obj) -> bool:
        return obj["kind"] not in NOT_HERE or await self.kube.serves(obj["apiVersion"], obj["kind"])

    async def _rendered(self, obj: Obj, *, for_removal: bool = False) -> list[Obj]:
        """The objects of this one, as they were installed last or would be."""
        kind, stuck = obj["kind"], self._is(obj, "never_ready")
        if kind == "IstioRevision":
            if self.charts:
                return await self.charts.istiod(obj, never_ready=stuck)
            return charts.istiod(obj, await self._bundle(obj, for_removal), never_ready=stuck)
        if kind == "IstioRevisionTag":
            status = obj.get("status") or {}
            rev = await self.kube.get(API, "IstioRevision", status.get("istioRevision") or "-") if for_removal else await self._target(obj)
            if rev is None:
                return []
            rev = {"apiVersion": API, "kind": "IstioRevision", **rev}
            return await self.charts.tag(obj, rev) if self.charts else charts.tag(obj, rev, await self._bundle(rev, for_removal))
        version = obj["spec"]["version"] if for_removal else resolve(obj["spec"]["version"], await self._supported())
        if self.charts:
            return await (self.charts.cni if kind == "IstioCNI" else self.charts.ztunnel)(obj, version, never_ready=stuck)
        return (charts.cni if kind == "IstioCNI" else charts.ztunnel)(obj, version, never_ready=stuck)

    async def _bundle(self, rev: Obj, for_removal: bool) -> str:
        return "" if for_removal else (await ensure_authority(self.kube, self.bed, rev["spec"]["namespace"])).bundle

    async def _supported(self) -> list[str]:
        """The versions that this operator can install are those that its CRD names for a revision."""
        if not self._versions:
            crd = await self.kube.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "istiorevisions.sailoperator.io")
            schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] if crd else {}
            spec = ((schema.get("properties") or {}).get("spec") or {}).get("properties") or {}
            self._versions = (spec.get("version") or {}).get("enum") or []
        return self._versions

    def _is(self, obj: Obj, fault: str) -> bool:
        return bool(self._names(obj) & set(self.faults.get(fault) or ()))

    @staticmethod
    def _names(obj: Obj) -> set[str]:
        return {_name(obj)} | {o["name"] for o in obj["metadata"].get("ownerReferences") or [] if o["kind"] == "Istio"}

    async def _install(self, key: Key, obj: Obj, *more: Any) -> None:
        """Applies the chart unless it was applied just so before."""
        reason = next((text for name, text in (self.faults.get("fail") or {}).items() if name in self._names(obj)), None)
        if reason:
            raise SailError(reason)
        made_of = (obj["metadata"]["uid"], obj["metadata"]["generation"], self._is(obj, "never_ready"), *more)
        if self._installed.get(key) == made_of:
            return
        rendered = await self._rendered(obj)
        await asyncio.sleep(CHART_SECONDS + float(self.faults.get("delay") or 0))
        for child in rendered:
            if not await self._serves(child):
                continue
            done = await self.kube.apply(child)
            meta = done["metadata"]
            self._owned[(child["kind"], meta.get("namespace", ""), meta["name"])] = _state_of({**done, "kind": child["kind"]})
        self._installed[key] = made_of

    async def _namespace(self, name: str) -> None:
        found = await self.kube.get("v1", "Namespace", name)
        if found is None:
            raise ValidationError(f'namespace "{name}" doesn\'t exist')
        if found["metadata"].get("deletionTimestamp"):
            raise ValidationError(f'namespace "{name}" is being deleted')

    # Istio

    async def _istio(self, istio: Obj) -> float | None:
        error: SailError | None = None
        again: float | None = None
        try:
            await self._active_revision(istio)
            again = await self._prune(istio)
        except SailError as raised:
            error, again = raised, raised.retry
        await self._write(istio, istio_status(istio, await self._revisions(istio), error))
        if again is not None and error is not None:
            self._made_now.discard(istio["metadata"]["uid"])  # only now it has been seen: a write that fails is made again
        return again

    async def _revisions(self, istio: Obj) -> list[Obj]:
        owned = [rev for rev in await self.kube.list(API, "IstioRevision") if _controller_of(rev) == ("Istio", "", _name(istio))]
        return [rev for rev in owned if any(o["uid"] == istio["metadata"]["uid"] for o in rev["metadata"]["ownerReferences"])]

    def _conflict(self, istio: Obj, rev: Obj) -> None:
        """Just after an install in place, the operator's cache lags behind its own finalizer; the error passes within the first second."""
        uid = istio["metadata"]["uid"]
        if (
            uid not in self._made_now
            or active_revision_name(istio) != _name(istio)
            or FINALIZER not in rev["metadata"].get("finalizers", [])
        ):
            return
        raise SailError(
            f'failed to update IstioRevision "{_name(rev)}": Operation cannot be fulfilled on istiorevisions.sailoperator.io '
            f'"{_name(rev)}": the object has been modified; please apply your changes to the latest version and try again',
            retry=0.05,
        )

    async def _active_revision(self, istio: Obj) -> None:
        spec, name = istio["spec"], active_revision_name(istio)
        version = resolve(spec["version"], await self._supported())
        profile = {"profile": spec["profile"]} if spec.get("profile") else {}
        ambient = {"pilot": {"env": {"PILOT_ENABLE_AMBIENT": "true"}, "cni": {"enabled": True}}} if spec.get("profile") == "ambient" else {}
        values = charts.merge({**profile, **ambient}, spec.get("values") or {})
        values = charts.merge(values, {"revision": "" if name == "default" else name, "global": {"istioNamespace": spec["namespace"]}})
        wanted = {"version": version, "namespace": spec["namespace"], "values": values}
        rev = await self.kube.get(API, "IstioRevision", name)
        if rev is None:
            self._made_now.add(istio["metadata"]["uid"])
            await self.kube.create(
                {
                    "apiVersion": API,
                    "kind": "IstioRevision",
                    "spec": wanted,
                    "metadata": {"name": name, "ownerReferences": [charts.owner(istio)]},
                }
            )
            return
        self._conflict(istio, rev)
        if rev["spec"] != wanted:
            updated = copy.deepcopy(rev)
            updated["spec"] = wanted
            await self.kube.replace({**updated, "apiVersion": API, "kind": "IstioRevision"})

    async def _prune(self, istio: Obj) -> float | None:
        """Deletes inactive revisions that nothing refers to once their grace period is over; says when to look again."""
        pilot = (istio["spec"].get("values") or {}).get("pilot") or {}
        if (pilot.get("env") or {}).get("EXTERNAL_ISTIOD") == "true":
            return None
        strategy = istio["spec"].get("updateStrategy") or {}
        grace = max(int(strategy.get("inactiveRevisionDeletionGracePeriodSeconds", GRACE_SECONDS)), 0)
        waits = []
        for rev in await self._revisions(istio):
            if _name(rev) == active_revision_name(istio) or rev["metadata"].get("deletionTimestamp"):
                continue
            used = next((c for c in (rev.get("status") or {}).get("conditions") or [] if c["type"] == "InUse"), None)
            if used is None or used["status"] != "False":
                continue
            since = datetime.datetime.fromisoformat(used["lastTransitionTime"].replace("Z", "+00:00"))
            left = grace - (datetime.datetime.now(datetime.UTC) - since).total_seconds()
            if left < 0:
                await self.kube.delete(rev)
            else:
                waits.append(left + 0.05)
        return min(waits) if waits else None

    # IstioRevision

    async def _revision(self, key: Key, rev: Obj) -> float | None:
        error: SailError | None = None
        try:
            await self._namespace(rev["spec"]["namespace"])
            await self._no_namesake(rev, "IstioRevisionTag", "an IstioRevisionTag exists with this name")
            await self._install(key, rev)
        except SailError as raised:
            error = raised
        if error is None:
            reconciled = condition("Reconciled", "True", "Reconciled")
        else:
            prefix = "" if error.reason == "NameAlreadyExists" else "error reconciling resource: "
            reconciled = condition("Reconciled", "False", error.reason, prefix + str(error))
        ready, again = await self._readiness(rev)
        dependencies = await self._dependencies(rev)
        used = self.references.revision_in_use(_name(rev)) or self._takes_all(rev)
        await self._conditions(rev, [reconciled, ready, dependencies], [in_use(used)])
        return error.retry if error else again

    @staticmethod
    def _takes_all(rev: Obj) -> bool:
        hook = (rev["spec"].get("values") or {}).get("sidecarInjectorWebhook") or {}
        return _name(rev) == "default" and bool(hook.get("enableNamespacesByDefault"))

    async def _no_namesake(self, obj: Obj, kind: str, message: str) -> None:
        """Of a revision and a tag of the same name the older one is served."""
        other = await self.kube.get(API, kind, _name(obj))
        age = [(o["metadata"]["creationTimestamp"], o["metadata"]["uid"]) for o in (other, obj) if o]
        if other and age[0] < age[1]:
            raise SailError(message, reason="NameAlreadyExists")

    async def _readiness(self, rev: Obj) -> tuple[Obj, float | None]:
        if remote_istiod.is_remote(rev):
            return await remote_istiod.readiness(self.kube, self.bed, rev), 1.0
        ready = istiod_ready(await self.kube.get("apps/v1", "Deployment", charts.deployment_name(rev), rev["spec"]["namespace"]))
        uid, wanted = rev["metadata"]["uid"], int(self.faults.get("flap") or 0)
        if not wanted:
            self._flaps.pop(uid, None)
        elif ready["status"] == "True" and self._flaps.get(uid, 0) < wanted * 2:
            # One beat ready, one beat not, and again.
            beat = self._flaps[uid] = self._flaps.get(uid, 0) + 1
            return (ready if beat % 2 else condition("Ready", "False", "IstiodNotReady", "not all istiod pods are ready")), 0.5
        return ready, None

    async def _dependencies(self, rev: Obj) -> Obj:
        values = rev["spec"].get("values") or {}
        pilot = values.get("pilot") or {}
        openshift = (values.get("global") or {}).get("platform") == "openshift"
        needs = {
            "IstioCNI": bool((pilot.get("cni") or {}).get("enabled", openshift)),
            "ZTunnel": (pilot.get("env") or {}).get("PILOT_ENABLE_AMBIENT") == "true" or values.get("profile") == "ambient",
        }
        for kind, needed in needs.items():
            found = await self.kube.get(API, kind, "default") if needed else None
            if needed and found is None:
                return condition("DependenciesHealthy", "False", f"{kind}NotFound", f"{kind} resource does not exist")
            if found and (found.get("status") or {}).get("state") != "Healthy":
                return condition(
                    "DependenciesHealthy",
                    "False",
                    f"{kind}NotHealthy",
                    f"{kind} resource status indicates that the component is not healthy",
                )
        return condition("DependenciesHealthy", "True", "DependenciesHealthy")

    async def _conditions(self, obj: Obj, deciding: list[Obj], more: list[Obj], **fields: str) -> None:
        """Writes the status: the state follows from the deciding conditions only."""
        status: Obj = dict(obj.get("status") or {})
        conditions = list(status.get("conditions") or [])
        for new in (*deciding, *more):
            conditions = set_condition(conditions, new)
        status.update(
            {"observedGeneration": obj["metadata"]["generation"], "conditions": conditions, "state": derive_state(*deciding), **fields}
        )
        await self._write(obj, status)

    # IstioRevisionTag

    async def _target(self, obj: Obj) -> Obj:
        """The revision that a targetRef leads to."""
        target = obj["spec"].get("targetRef") or {}
        kind, name = target.get("kind"), target.get("name")
        found = await self.kube.get(API, kind, name) if kind in ("Istio", "IstioRevision") and name else None
        if kind not in ("Istio", "IstioRevision"):
            raise ValidationError("unknown targetRef.kind")
        if found is None:
            article = "referenced Istio resource" if kind == "Istio" else "referenced IstioRevision resource"
            raise SailError(f"{article} does not exist", reason="RefNotFound")
        if kind == "Istio":
            active = (found.get("status") or {}).get("activeRevisionName")
            if not active:
                raise SailError("transient error: referenced Istio has no active revision", retry=0.1)
            found = await self.kube.get(API, "IstioRevision", active)
            if found is None:
                raise SailError(f'istiorevisions.sailoperator.io "{active}" not found', retry=0.2)
        return {"apiVersion": API, "kind": "IstioRevision", **found}

    async def _tag(self, key: Key, tag: Obj) -> float | None:
        error: SailError | None = None
        fields: dict[str, str] = {}
        takes_all = False
        try:
            await self._no_namesake(tag, "IstioRevision", "an IstioRevision exists with this name")
            rev = await self._target(tag)
            fields = {"istioRevision": _name(rev), "istiodNamespace": rev["spec"]["namespace"]}
            takes_all = _name(tag) == "default" and self._takes_all({**rev, "metadata": tag["metadata"]})
            await self._install(key, tag, rev["metadata"]["uid"], rev["metadata"]["generation"])
        except SailError as raised:
            error, fields = raised, {}
        if error is None:
            reconciled = condition("Reconciled", "True", "Reconciled")
        else:
            prefix = "error reconciling resource: " if error.reason == "ReconcileError" else ""
            reconciled = condition("Reconciled", "False", error.reason, prefix + str(error))
        # A tag that nobody uses is never Healthy: here InUse decides as well.
        await self._conditions(tag, [reconciled, in_use(self.references.tag_in_use(_name(tag)) or takes_all)], [], **fields)
        return error.retry if error else None

    # IstioCNI and ZTunnel

    async def _agent(self, key: Key, obj: Obj) -> float | None:
        error: SailError | None = None
        fields: dict[str, str] = {}
        name = "istio-cni-node" if obj["kind"] == "IstioCNI" else "ztunnel"
        try:
            await self._namespace(obj["spec"]["namespace"])
            if obj["spec"].get("targetRef"):
                rev = await self._target(obj)
                fields["istioRevision"] = _name(rev)
            await self._install(key, obj, *fields.values())
        except SailError as raised:
            error = raised
        reconciled = (
            condition("Reconciled", "False", "ReconcileError", f"error reconciling resource: {error}")
            if error
            else condition("Reconciled", "True", "Reconciled")
        )
        ready = daemon_set_ready(name, await self.kube.get("apps/v1", "DaemonSet", name, obj["spec"]["namespace"]))
        await self._conditions(obj, [reconciled, ready], [], **fields)
        return error.retry if error else None


CONTROLLERS: list[type[Controller]] = [SailController]
