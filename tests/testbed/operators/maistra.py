# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays the operator of OpenShift Service Mesh 2: control planes, member rolls and members."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .base import ApiError, Controller, Faults, Key, Kube, conditions_of, now
from .maistra_ca import ControlPlaneCa
from .maistra_objects import (
    addon_objects,
    istiod_objects,
    member_policies,
    mtls_objects,
    network_policies,
    never_ready,
    replicas_ready,
    routes,
)
from .maistra_rules import (
    DONE,
    PAUSING,
    WORKING,
    Member,
    components_of,
    failed,
    gateways,
    member_status,
    members_of,
    mesh_status,
    readiness,
    roll_status,
    smcp_status,
    spec_error,
)

__all__ = ["CONTROLLERS"]

V1, V2 = "maistra.io/v1", "maistra.io/v2"
FINALIZER = "maistra.io/istio-operator"
ROUTE, KIALI, JAEGER = "route.openshift.io/v1", "kiali.io/v1alpha1", "jaegertracing.io/v1"
Obj = dict[str, Any]


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items() if k != "lastTransitionTime"}
    return [_clean(v) for v in value] if isinstance(value, list) else value


class Maistra(Controller):
    """What the controllers of the operator share."""

    name = "maistra"
    workers = 3

    def delay(self, part: float = 1.0) -> float:
        return float(self.faults.get("delay", 0.3)) * part

    async def find(self, version: str, kind: str, namespace: str | None = None) -> list[Obj]:
        """As list; empty where the API does not have the kind."""
        try:
            return await self.kube.list(version, kind, namespace)
        except KeyError:
            return []
        except ApiError as error:
            if error.status == 404:
                return []
            raise

    async def has(self, version: str, kind: str) -> bool:
        try:
            await self.kube.list(version, kind, "default")
            return True
        except (ApiError, KeyError):
            return False

    async def mesh(self, namespace: str, name: str = "") -> Obj | None:
        """The control plane of a namespace that is not being deleted."""
        return next(
            (
                m
                for m in await self.find(V2, "ServiceMeshControlPlane", namespace)
                if "deletionTimestamp" not in m["metadata"] and name in ("", m["metadata"]["name"])
            ),
            None,
        )

    async def change(self, obj: Obj, new: Callable[[Obj], Obj]) -> bool:
        """Writes the status that `new` makes of the object as it is now."""
        meta = obj["metadata"]
        for _attempt in range(10):
            live = await self.kube.get(obj["apiVersion"], obj["kind"], meta["name"], meta["namespace"])
            if live is None:
                return False
            status = new(live)
            if _clean(status) == _clean(live.get("status", {})):
                return False
            try:
                await self.kube.set_status({"apiVersion": obj["apiVersion"], "kind": obj["kind"], **live}, status)
                return True
            except ApiError as error:
                if error.status != 409:
                    raise
        return False

    async def finalize(self, obj: Obj, *, present: bool) -> None:
        others = [f for f in obj["metadata"].get("finalizers", []) if f != FINALIZER]
        await self.kube.patch(
            obj,
            {"metadata": {"finalizers": others + ([FINALIZER] if present else []), "resourceVersion": obj["metadata"]["resourceVersion"]}},
        )


class ControlPlanes(Maistra):
    """Installs, updates, watches and removes ServiceMeshControlPlanes."""

    kinds = [(V2, "ServiceMeshControlPlane"), ("apps/v1", "Deployment")]

    def __init__(self, kube: Kube, faults: Faults, bed: dict[str, Any]) -> None:
        super().__init__(kube, faults, bed)
        self._rounds: dict[str, tuple[int, list[str]]] = {}  # uid -> generation at work, components applied in this round
        self._stirred: dict[str, set[str]] = {}  # uid -> components whose Deployment was seen with a spec not yet observed

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        if obj["kind"] == "Deployment":
            if obj["metadata"].get("generation", 0) > obj.get("status", {}).get("observedGeneration", 0):
                for ref in obj["metadata"].get("ownerReferences", []):
                    component = obj["metadata"].get("labels", {}).get("app.kubernetes.io/component", "")
                    self._stirred.setdefault(ref["uid"], set()).add(component)
            return [
                ("ServiceMeshControlPlane", obj["metadata"]["namespace"], ref["name"])
                for ref in obj["metadata"].get("ownerReferences", [])
                if ref["kind"] == "ServiceMeshControlPlane"
            ]
        return super().keys_for(event, obj)

    async def reconcile(self, key: Key) -> float | None:
        kind, namespace, name = key
        found = await self.kube.get(V2, kind, name, namespace)
        if found is None:
            return None
        smcp = {"apiVersion": V2, "kind": kind, **found}
        meta, status = smcp["metadata"], smcp.get("status", {})
        if "deletionTimestamp" in meta:
            return await self._remove(smcp)
        if FINALIZER not in meta.get("finalizers", []):
            await self.finalize(smcp, present=True)
            return 0.0
        problem = self.faults.get("fail", {}).get(name) or spec_error(smcp["spec"]) or await self._second(smcp)
        if status.get("observedGeneration") == meta["generation"] and not problem and _reconciled(status):
            return await self._follow(smcp)
        return await self._round(smcp, problem)

    async def _second(self, smcp: Obj) -> str:
        """The webhook would refuse it; without one it is an error of the later one."""
        every = sorted(
            await self.find(V2, "ServiceMeshControlPlane", smcp["metadata"]["namespace"]),
            key=lambda m: (m["metadata"]["creationTimestamp"], m["metadata"]["name"]),
        )
        first = every[0]["metadata"]["uid"] == smcp["metadata"]["uid"] if every else True
        return "" if first else "only one service mesh may be installed per project/namespace"

    async def _round(self, smcp: Obj, problem: str) -> float | None:
        meta = smcp["metadata"]
        generation, applied = self._rounds.get(meta["uid"], (0, []))
        if generation != meta["generation"]:
            await asyncio.sleep(self.delay())
            self._rounds[meta["uid"]] = (meta["generation"], [])
            await self.change(smcp, lambda o: smcp_status(o, WORKING, None, now=now()))
            return self.delay()
        if problem:
            await self.change(smcp, lambda o: failed(o, problem, now=now()))
            return 5.0 if self.faults.get("fail") else None
        names, todo = components_of(smcp["spec"]), []
        for stage in (["istio-discovery"], [n for n in names if n != "istio-discovery"]):
            todo = [n for n in stage if n not in applied]
            if todo:
                break
            unready = await self._unready(smcp, stage)
            if unready:
                here = readiness(names, applied, unready)
                await self.change(smcp, lambda o: smcp_status(o, PAUSING, here, now=now()))
                return self.delay()
        if todo:
            await self._apply(smcp, todo)
            self._rounds[meta["uid"]] = (generation, applied + todo)
            here = readiness(names, applied + todo, await self._unready(smcp, names))
            await self.change(smcp, lambda o: smcp_status(o, WORKING, here, now=now()))
            return self.delay()
        here = readiness(names, applied, [])
        self._stirred.pop(meta["uid"], None)
        await self.change(
            smcp,
            lambda o: o.get("status", {}) if o["metadata"]["generation"] != meta["generation"] else smcp_status(o, DONE, here, now=now()),
        )
        return None

    async def _deployments(self, smcp: Obj) -> dict[str, list[Obj]]:
        """Component -> its Deployments."""
        found: dict[str, list[Obj]] = {}
        for obj in await self.kube.list("apps/v1", "Deployment", smcp["metadata"]["namespace"]):
            if any(ref["uid"] == smcp["metadata"]["uid"] for ref in obj["metadata"].get("ownerReferences", [])):
                found.setdefault(obj["metadata"]["labels"]["app.kubernetes.io/component"], []).append(obj)
        return found

    async def _unready(self, smcp: Obj, names: list[str]) -> list[str]:
        deployments = await self._deployments(smcp)
        return [n for n in names if not all(replicas_ready(d) for d in deployments.get(n, []))]

    async def _apply(self, smcp: Obj, names: list[str]) -> None:
        await self._mark(smcp["metadata"]["namespace"], present=True)
        objects = await self._objects(smcp)
        never = self.faults.get("never_ready", [])
        wanted = set()
        for component, obj in objects:
            wanted.add((obj["kind"], obj["metadata"]["name"]))
            if component in names:
                await self.kube.apply(
                    never_ready(obj) if obj["kind"] == "Deployment" and (component in never or obj["metadata"]["name"] in never) else obj,
                    "testbed-maistra",
                )
        for component, deployments in (await self._deployments(smcp)).items():  # gateways and addons that were turned off
            for obj in deployments:
                if component in names and ("Deployment", obj["metadata"]["name"]) not in wanted:
                    await self.kube.delete(obj)
                    await self._prune(smcp, "Service", obj["metadata"]["name"])
                    await self._prune(smcp, "ServiceAccount", f"{obj['metadata']['name']}-service-account")

    async def _prune(self, smcp: Obj, kind: str, name: str) -> None:
        """The real pruner finds what it may delete by these labels: an object that lost them stays."""
        meta = smcp["metadata"]
        found = await self.kube.get("v1", kind, name, meta["namespace"])
        labels = ((found or {}).get("metadata") or {}).get("labels") or {}
        if (labels.get("maistra.io/owner"), labels.get("maistra.io/owner-name")) == (meta["namespace"], meta["name"]):
            await self.kube.delete({"apiVersion": "v1", "kind": kind, **(found or {})})

    async def _mark(self, namespace: str, *, present: bool) -> None:
        """The control plane's own namespace is a member for network policies, and is never injected."""
        labels = {"maistra.io/member-of": namespace if present else None, "maistra.io/ignore-namespace": "ignore" if present else None}
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        try:
            await self.kube.patch(space, {"metadata": {"labels": labels}})
        except ApiError as error:
            if error.status != 404:
                raise

    async def _objects(self, smcp: Obj) -> list[tuple[str, Obj]]:
        from .injection import ensure_authority, injector_config, maistra_webhook  # late: it needs a bed

        meta = smcp["metadata"]
        authority = await ensure_authority(self.kube, self.bed, meta["namespace"])
        objects = istiod_objects(smcp, gateways(smcp["spec"]), authority.root.decode())
        objects += [(c, o) for c, o in mtls_objects(smcp) if await self.has(o["apiVersion"], o["kind"])]
        objects += network_policies(smcp)
        webhook = maistra_webhook(meta["name"], meta["namespace"], authority.bundle)
        objects.append(("istio-discovery", webhook))
        proxy = f"registry.example.com/proxyv2:{smcp['spec'].get('version', 'v2.6')}"
        auto = ((smcp["spec"].get("proxy") or {}).get("injection") or {}).get("autoInject")  # off in the profiles
        injector = injector_config(
            meta["name"], meta["namespace"], revision=meta["name"], image=proxy, policy="enabled" if auto else "disabled"
        )[0]  # the other is mesh-config
        # as everything that the operator makes in the namespace of the control plane
        injector["metadata"]["ownerReferences"] = next(
            o["metadata"]["ownerReferences"] for _, o in objects if "ownerReferences" in o["metadata"]
        )
        objects.append(("istio-discovery", injector))
        addons = addon_objects(smcp)
        objects += [(c, o) for c, o in addons if o["apiVersion"] not in (KIALI, JAEGER)]
        for version, kind in ((KIALI, "Kiali"), (JAEGER, "Jaeger")):
            for component, obj in addons:
                if (
                    obj["apiVersion"] == version
                    and await self.has(version, kind)
                    and await self.kube.get(version, kind, obj["metadata"]["name"], meta["namespace"]) is None
                ):
                    objects.append((component, obj))
        if await self.has(ROUTE, "Route"):
            objects += routes(smcp, objects)
        return objects

    async def _follow(self, smcp: Obj) -> float | None:
        """Between rounds only Ready follows; nothing is put back, and 0 replicas of 0 count as ready."""
        names = components_of(smcp["spec"])
        stirred = self._stirred.pop(smcp["metadata"]["uid"], set()) & set(names)
        unready = {*await self._unready(smcp, names), *stirred}
        await self.change(
            smcp,
            lambda o: (
                mesh_status(o, readiness(names, names, unready), now=now())
                if o.get("status", {}).get("observedGeneration") == o["metadata"]["generation"]
                else o.get("status", {})
            ),
        )
        return self.delay(3) if stirred else None

    async def _remove(self, smcp: Obj) -> float | None:
        if FINALIZER not in smcp["metadata"].get("finalizers", []):
            return None
        await self.change(smcp, lambda o: failed(o, "Deleting service mesh", reason="Deleting", now=now()))
        await asyncio.sleep(self.delay(2))
        meta = smcp["metadata"]
        await self.kube.delete(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "MutatingWebhookConfiguration",
                "metadata": {"name": f"istiod-{meta['name']}-{meta['namespace']}"},
            }
        )
        await self._mark(meta["namespace"], present=False)
        live = await self.kube.get(V2, "ServiceMeshControlPlane", meta["name"], meta["namespace"])
        if live:
            await self.finalize({"apiVersion": V2, "kind": "ServiceMeshControlPlane", **live}, present=False)
        return None


def _reconciled(status: Obj) -> bool:
    return any(c["type"] == "Reconciled" and c["status"] == "True" for c in conditions_of(status))


class MemberRolls(Maistra):
    """Member rolls: which namespaces belong to a mesh, and how far they are."""

    kinds = [(V1, "ServiceMeshMemberRoll"), (V1, "ServiceMeshMember"), (V2, "ServiceMeshControlPlane"), ("v1", "Namespace")]

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        meta = obj["metadata"]
        if obj["kind"] == "Namespace":
            return [("All", "", "")]
        if obj["kind"] == "ServiceMeshMember":
            return [("ServiceMeshMemberRoll", obj["spec"]["controlPlaneRef"]["namespace"], "default"), ("All", "", "")]
        return [("ServiceMeshMemberRoll", meta["namespace"], "default")]

    async def reconcile(self, key: Key) -> float | None:
        kind, namespace, name = key
        if kind == "All":
            for roll in await self.find(V1, "ServiceMeshMemberRoll"):
                self.enqueue(("ServiceMeshMemberRoll", roll["metadata"]["namespace"], roll["metadata"]["name"]), self.delay(0.2))
            return None
        smms = await self.find(V1, "ServiceMeshMember")
        found = await self.kube.get(V1, kind, name, namespace) if await self.has(V1, kind) else None
        named = [
            m["metadata"]["namespace"]
            for m in smms
            if m["spec"]["controlPlaneRef"]["namespace"] == namespace and "deletionTimestamp" not in m["metadata"] and not _made_by_roll(m)
        ]
        mesh = await self.mesh(namespace)
        if found is None:
            if named and mesh:
                await self.kube.create(
                    {
                        "apiVersion": V1,
                        "kind": kind,
                        "metadata": {"name": name, "namespace": namespace, "annotations": {"maistra.io/created-by": "member-controller"}},
                        "spec": {},
                    }
                )
            return None
        roll = {"apiVersion": V1, "kind": kind, **found}
        if "deletionTimestamp" in roll["metadata"]:
            return await self._remove(roll, smms)
        if FINALIZER not in roll["metadata"].get("finalizers", []):
            await self.finalize(roll, present=True)
            return 0.0
        return await self._reconcile(roll, smms, named, mesh)

    async def _reconcile(self, roll: Obj, smms: list[Obj], named: list[str], mesh: Obj | None) -> float | None:
        spaces = {n["metadata"]["name"]: n for n in await self.kube.list("v1", "Namespace")}
        wanted = members_of(roll, {k: v["metadata"].get("labels", {}) for k, v in spaces.items()}, named)
        before = set((roll.get("status") or {}).get("configuredMembers") or [])
        by_space = {m["metadata"]["namespace"]: m for m in smms if "deletionTimestamp" not in m["metadata"]}
        generation = (mesh or {}).get("status", {}).get("observedGeneration", 0)
        members = [self._view(name, roll, spaces, by_space, before) for name in wanted]
        if mesh:
            for member in members:
                if member.exists and not member.terminating and member.namespace not in by_space:
                    await self._make_member(member.namespace, mesh)
        await self.change(roll, lambda o: roll_status(o, members, mesh, now=now()))
        await self._release(roll, smms, set(wanted), spaces)
        todo = [
            m
            for m in members
            if mesh and m.exists and not m.terminating and not m.other and not (m.configured and m.generation == generation)
        ]
        if not todo or mesh is None:
            return None
        await asyncio.sleep(self.delay())
        one = todo[0]  # one namespace at a time, as the real one does
        await self._configure(one.namespace, mesh)
        fresh = [Member(m.namespace, m.exists, m.terminating, m.other, True, generation) if m is one else m for m in members]
        await self.change(roll, lambda o: roll_status(o, fresh, mesh, now=now()))
        return 0.0

    def _view(self, name: str, roll: Obj, spaces: dict[str, Obj], smms: dict[str, Obj], before: set[str]) -> Member:
        space, smm = spaces.get(name), smms.get(name)
        ref = (smm or {}).get("spec", {}).get("controlPlaneRef", {})
        own = roll["metadata"]["namespace"]
        other = f"{ref['namespace']}/{ref['name']}" if ref and ref["namespace"] != own else ""
        labels = (space or {}).get("metadata", {}).get("labels", {})
        done = labels.get("maistra.io/member-of") == own and name in before | {name}
        generation = int((space or {}).get("metadata", {}).get("annotations", {}).get("testbed/mesh-generation", -1))
        return Member(
            name,
            exists=space is not None,
            terminating=bool(space and "deletionTimestamp" in space["metadata"]),
            other=other,
            configured=done,
            generation=generation,
        )

    async def _make_member(self, namespace: str, mesh: Obj) -> None:
        try:
            await self.kube.create(
                {
                    "apiVersion": V1,
                    "kind": "ServiceMeshMember",
                    "metadata": {"name": "default", "namespace": namespace, "annotations": {"maistra.io/created-by": "member-roll"}},
                    "spec": {"controlPlaneRef": {"name": mesh["metadata"]["name"], "namespace": mesh["metadata"]["namespace"]}},
                }
            )
        except ApiError as error:
            if error.status != 409:
                raise

    async def _configure(self, namespace: str, mesh: Obj) -> None:
        """Labels for the mesh and for Kiali, and the CA that proxies trust."""
        from .injection import ensure_authority

        own = mesh["metadata"]["namespace"]
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        await self.kube.patch(
            space,
            {
                "metadata": {
                    "labels": {"maistra.io/member-of": own, "kiali.io/member-of": own},
                    "annotations": {"testbed/mesh-generation": str(mesh.get("status", {}).get("observedGeneration", 0))},
                }
            },
        )
        if (mesh["spec"].get("security") or {}).get("manageNetworkPolicy") is not False:
            for policy in member_policies(namespace, own, mesh["metadata"]["name"]):
                await self.kube.apply(policy, "testbed-maistra")
        authority = await ensure_authority(self.kube, self.bed, own)
        await self.kube.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "istio-ca-root-cert", "namespace": namespace, "labels": {"istio.io/config": "true"}},
                "data": {"root-cert.pem": authority.root.decode()},
            },
            "testbed-maistra",
        )

    async def _release(self, roll: Obj, smms: list[Obj], wanted: set[str], spaces: dict[str, Obj]) -> None:
        """Namespaces that are no members any more lose the labels, and the member that the roll made."""
        own = roll["metadata"]["namespace"]
        for smm in smms:
            where = smm["metadata"]["namespace"]
            if where not in wanted and _made_by_roll(smm) and smm["spec"]["controlPlaneRef"]["namespace"] == own:
                await self.kube.delete(smm)
        for name, space in spaces.items():
            if name not in wanted | {own} and space["metadata"].get("labels", {}).get("maistra.io/member-of") == own:
                for policy in member_policies(name, own, ""):
                    for found in await self.kube.list("networking.k8s.io/v1", "NetworkPolicy", name):
                        if found["metadata"]["name"].startswith(policy["metadata"]["name"]):
                            await self.kube.delete({**policy, "metadata": found["metadata"]})
                await self.kube.patch(
                    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
                    {
                        "metadata": {
                            "labels": {"maistra.io/member-of": None, "kiali.io/member-of": None},
                            "annotations": {"testbed/mesh-generation": None},
                        }
                    },
                )

    async def _remove(self, roll: Obj, smms: list[Obj]) -> float | None:
        spaces = {n["metadata"]["name"]: n for n in await self.kube.list("v1", "Namespace")}
        await self._release(roll, smms, set(), spaces)
        if FINALIZER in roll["metadata"].get("finalizers", []):
            await self.finalize(roll, present=False)
        return None


def _made_by_roll(smm: Obj) -> bool:
    return smm["metadata"].get("annotations", {}).get("maistra.io/created-by") == "member-roll"


class Members(Maistra):
    """The status of ServiceMeshMembers."""

    kinds = [(V1, "ServiceMeshMember"), (V2, "ServiceMeshControlPlane")]

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        return super().keys_for(event, obj) if obj["kind"] == "ServiceMeshMember" else [("All", "", "")]

    async def reconcile(self, key: Key) -> float | None:
        kind, namespace, name = key
        if kind == "All":
            for smm in await self.find(V1, "ServiceMeshMember"):
                self.enqueue(("ServiceMeshMember", smm["metadata"]["namespace"], smm["metadata"]["name"]), self.delay(0.2))
            return None
        found = await self.kube.get(V1, kind, name, namespace)
        if found is None or "deletionTimestamp" in found["metadata"]:
            return None
        ref = found["spec"]["controlPlaneRef"]
        mesh = await self.mesh(ref["namespace"], ref["name"])
        space = await self.kube.get("v1", "Namespace", namespace)
        gone = bool(space and "deletionTimestamp" in space["metadata"])
        await asyncio.sleep(self.delay(0.5))
        await self.change({"apiVersion": V1, "kind": kind, **found}, lambda o: member_status(o, mesh, terminating=gone, now=now()))
        return None


CONTROLLERS: list[type[Controller]] = [ControlPlanes, MemberRolls, Members, ControlPlaneCa]
