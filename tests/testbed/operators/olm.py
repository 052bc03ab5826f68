# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays the Operator Lifecycle Manager: catalogues, resolution, install plans and ClusterServiceVersions."""

from __future__ import annotations

import asyncio
import datetime
import functools
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from .base import ApiError, Controller, Faults, Key, Kube, conditions_of, now
from .olm_objects import (
    bundle_objects,
    cluster_role_name,
    cluster_service_version,
    deployment,
    open_crd,
    package_manifest,
    plan_steps,
)
from .olm_rules import (
    Bundle,
    Catalogue,
    CsvWorld,
    Resolution,
    SubView,
    advance_csv,
    advance_subscription,
    approval,
    deployment_problem,
    moved,
    needs_resolution,
    requirement_status,
    resolve,
    with_condition,
)

__all__ = ["CONTROLLERS"]

V1A1 = "operators.coreos.com/v1alpha1"
V1 = "operators.coreos.com/v1"
CRD = "apiextensions.k8s.io/v1"
PACKAGES = "packages.operators.coreos.com/v1"
GLOBAL = "openshift-marketplace"
KINDS = {"CatalogSource": V1A1, "Subscription": V1A1, "InstallPlan": V1A1, "ClusterServiceVersion": V1A1, "OperatorGroup": V1}
KEPT_PLANS = 5
Obj = dict[str, Any]


@functools.lru_cache(maxsize=1)
def _catalog_file() -> Obj:
    data: Obj = yaml.safe_load(Path(__file__).with_name("catalog.yaml").read_text())
    return data


@functools.lru_cache(maxsize=8)
def _catalogue(extra: tuple[tuple[str, tuple[str, ...]], ...], gone: tuple[str, ...]) -> Catalogue:
    return Catalogue.from_dict(_catalog_file(), dict(extra), gone)


@functools.lru_cache(maxsize=16)
def _load_crds(groups: tuple[str, ...]) -> tuple[Obj, ...]:
    from testbed import crds  # late: the catalogue can be read without a bed

    return tuple(crds.load(list(groups)))


def _copied(csv: Obj) -> bool:
    return "olm.copiedFrom" in csv["metadata"].get("labels", {})


def _differs(old: Obj, new: Obj) -> bool:
    strip = ("lastUpdated", "lastTransitionTime", "lastUpdateTime")

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: clean(v) for k, v in value.items() if k not in strip}
        return [clean(v) for v in value] if isinstance(value, list) else value

    return bool(clean(old) != clean(new))


class Olm(Controller):
    """What the controllers of OLM share."""

    name = "olm"
    workers = 4

    def delay(self, part: float = 1.0) -> float:
        """The usual pause of this OLM; part: which share of it."""
        return float(self.faults.get("delay", 0.3)) * part

    @property
    def catalogue(self) -> Catalogue:
        extra = self.faults.get("extra_csvs", {})
        return _catalogue(tuple(sorted((package, tuple(csvs)) for package, csvs in extra.items())), tuple(sorted(self.gone)))

    @property
    def gone(self) -> list[str]:
        """Packages that the vendor has taken out. Where only the third generation is played, the cluster is newer: there is no Jaeger."""
        played = self.bed.get("operators") or ()
        newer = "sail" in played and "maistra" not in played
        return [*self.faults.get("gone", ()), *(("jaeger-product", "elasticsearch-operator") if newer else ())]

    def bundle(self, csv: str) -> Bundle | None:
        return self.catalogue.bundle(csv)

    async def run(self) -> None:
        while not await self._ready():
            await asyncio.sleep(0.5)
        await super().run()

    async def _ready(self) -> bool:
        """The API has every kind of OLM."""
        try:
            for kind, version in KINDS.items():
                await self.kube.list(version, kind)
            return True
        except (ApiError, KeyError):
            return False

    async def sources(self) -> dict[tuple[str, str], Obj]:
        return {
            (s["metadata"]["namespace"], s["metadata"]["name"]): s.get("status", {}).get("connectionState", {})
            for s in await self.kube.list(V1A1, "CatalogSource")
        }

    async def csvs(self, namespace: str) -> list[Obj]:
        return [c for c in await self.kube.list(V1A1, "ClusterServiceVersion", namespace) if not _copied(c)]

    async def change(self, kind: str, namespace: str, name: str, new: Callable[[Obj], Obj | None]) -> bool:
        """Writes the status that `new` makes of the object; again on a conflict. True when something was written."""
        for _attempt in range(10):
            obj = await self.kube.get(KINDS[kind], kind, name, namespace)
            status = new(obj) if obj else None
            if obj is None or status is None or not _differs(obj.get("status", {}), status):
                return False
            try:
                await self.kube.set_status({"apiVersion": KINDS[kind], "kind": kind, **obj}, _stamp(kind, obj.get("status", {}), status))
                return True
            except ApiError as error:
                if error.status != 409:
                    raise
        return False


def _stamp(kind: str, old: Obj, status: Obj) -> Obj:
    """Times of conditions: kept where nothing changed."""
    stamped = dict(status)
    if kind == "Subscription":
        before = {c["type"]: c for c in conditions_of(old)}
        stamped["conditions"] = [
            {
                **c,
                "lastTransitionTime": before[c["type"]]["lastTransitionTime"]
                if c["type"] in before and before[c["type"]].get("status") == c["status"]
                else now(),
            }
            for c in conditions_of(status)
        ]
        stamped["lastUpdated"] = now()
    return stamped


class Sources(Olm):
    """Makes the default namespaces, OperatorGroup and catalogues; connects CatalogSources."""

    kinds = [(V1A1, "CatalogSource")]

    async def _ready(self) -> bool:
        if not await super()._ready():
            return False
        for namespace in ("openshift-operators", GLOBAL):
            await self.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, "testbed-olm")
        await self.kube.apply(
            {
                "apiVersion": V1,
                "kind": "OperatorGroup",
                "spec": {},
                "metadata": {"name": "global-operators", "namespace": "openshift-operators"},
            },
            "testbed-olm",
        )
        for name, spec in _catalog_file()["catalogs"].items():
            await self.kube.apply(
                {
                    "apiVersion": V1A1,
                    "kind": "CatalogSource",
                    "metadata": {"name": name, "namespace": GLOBAL},
                    "spec": {"sourceType": "grpc", "displayName": spec["displayName"], "image": f"registry.example.com/{name}:v1"},
                },
                "testbed-olm",
            )
        return True

    async def reconcile(self, key: Key) -> float | None:
        _kind, namespace, name = key
        served = name in self.catalogue.sources and name not in self.faults.get("unreachable", [])
        obj = await self.kube.get(V1A1, "CatalogSource", name, namespace)
        if obj is None:
            return None
        address = obj["spec"].get("address") or f"{name}.{namespace}.svc:50051"
        seen = obj.get("status", {}).get("connectionState", {}).get("lastObservedState")
        state = "IDLE" if not seen else "READY" if served else "TRANSIENT_FAILURE"
        if seen != state:
            await self.change(
                "CatalogSource",
                namespace,
                name,
                lambda o: {
                    **o.get("status", {}),
                    "connectionState": {"address": address, "lastConnect": now(), "lastObservedState": state},
                },
            )
        if state == "READY":
            await self._offer(obj)
        return None  # its own change, and a fault that is set, bring it back here

    async def _offer(self, source: Obj) -> None:
        """A PackageManifest for each package; the real package server makes them up when it is asked."""
        if not await self.kube.serves(PACKAGES, "PackageManifest"):
            return
        meta = source["metadata"]
        wanted = {package.name: package_manifest(package, source) for package in self.catalogue.sources[meta["name"]].values()}
        there = {
            obj["metadata"]["name"]: obj
            for obj in await self.kube.list(PACKAGES, "PackageManifest", meta["namespace"], labelSelector=f"catalog={meta['name']}")
        }
        for name in there.keys() - wanted.keys():
            await self.kube.delete(there[name])
        for name, obj in wanted.items():
            if there.get(name, {}).get("status") != obj["status"]:
                await self.kube.apply(obj, "testbed-olm")


class Groups(Olm):
    """OperatorGroups say which namespaces they mean, and whether there is one too many."""

    kinds = [(V1, "OperatorGroup")]

    async def reconcile(self, key: Key) -> float | None:
        _kind, namespace, _name = key
        groups = await self.kube.list(V1, "OperatorGroup", namespace)
        for group in groups:
            status = await self._status(group, len(groups) > 1)
            await self.change("OperatorGroup", namespace, group["metadata"]["name"], lambda _o, s=status: s)  # type: ignore[misc]
        return None

    async def _status(self, group: Obj, several: bool) -> Obj:
        spec, namespace = group.get("spec", {}), group["metadata"]["namespace"]
        status: Obj = {"lastUpdated": now()}
        account = spec.get("serviceAccountName")
        if account and await self.kube.get("v1", "ServiceAccount", account, namespace) is None:
            return with_condition(
                status,
                "OperatorGroupServiceAccount",
                {
                    "status": "True",
                    "reason": "ServiceAccountNotFound",
                    "message": f"ServiceAccount {account} not found",
                    "lastTransitionTime": now(),
                },
            )
        status["namespaces"] = list(spec.get("targetNamespaces") or [""])
        if several:
            return with_condition(
                status,
                "MultipleOperatorGroup",
                {
                    "status": "True",
                    "reason": "MultipleOperatorGroupsFound",
                    "lastTransitionTime": now(),
                    "message": "Multiple OperatorGroup found in the same namespace",
                },
            )
        return status


class Resolver(Olm):
    """Makes the install plans of a namespace, all its Subscriptions together."""

    kinds = [(V1A1, "Subscription"), (V1, "OperatorGroup"), (V1A1, "ClusterServiceVersion"), (V1A1, "CatalogSource")]

    def __init__(self, kube: Kube, faults: Faults, bed: dict[str, Any]) -> None:
        super().__init__(kube, faults, bed)
        self._settled: dict[tuple[str, str], float] = {}

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        kind, namespace = obj["kind"], obj["metadata"]["namespace"]
        if kind == "CatalogSource":  # a catalogue that comes is news for everybody; one that goes is not noticed
            ready = obj.get("status", {}).get("connectionState", {}).get("lastObservedState") == "READY"
            return [("Everywhere", "", "")] if event != "DELETED" and ready else []
        if kind == "Subscription" and event == "DELETED":
            return []
        return [("Namespace", "", namespace)]

    async def reconcile(self, key: Key) -> float | None:
        kind, _none, namespace = key
        if kind == "Everywhere":
            for sub in await self.kube.list(V1A1, "Subscription"):
                self.enqueue(("Namespace", "", sub["metadata"]["namespace"]))
            return None
        objs = await self.kube.list(V1A1, "Subscription", namespace)
        groups = await self.kube.list(V1, "OperatorGroup", namespace)
        if not objs or len(groups) != 1:
            return None
        csvs = [c["metadata"]["name"] for c in await self.csvs(namespace) if c.get("status", {}).get("phase") != "Deleting"]
        views = [SubView.of(obj, csvs) for obj in objs]
        if not needs_resolution(views):
            return None
        wait = self._hop_wait(objs)
        if wait > 0:
            return wait
        if any(not conditions_of(obj.get("status")) for obj in objs):  # the Subscription says something of its catalogue first
            return self.delay(0.3)
        sources = await self.sources()
        done = resolve(namespace, views, csvs, self.catalogue, sources, global_namespace=GLOBAL)
        if any(not state for state in sources.values()):
            return self.delay(0.3)
        await self._report(namespace, objs, done)
        further = moved(done.targets, {o["metadata"]["name"]: o.get("status", {}).get("currentCSV", "") for o in objs})
        if done.failure or not further:
            return None
        return await self._plan(namespace, objs, dict(done.targets), further)

    def _hop_wait(self, objs: list[Obj]) -> float:
        """Between two hops nothing happens for a while."""
        pause = float(self.faults.get("hop_delay", 2.5))
        waits = [0.0]
        for obj in objs:
            status = obj.get("status", {})
            if status.get("state") == "AtLatestKnown":
                ident = (obj["metadata"]["uid"], status.get("installedCSV", ""))
                waits.append(self._settled.setdefault(ident, time.monotonic()) + pause - time.monotonic())
        return max(waits)

    async def _report(self, namespace: str, objs: list[Obj], done: Resolution) -> None:
        """ResolutionFailed goes to every Subscription of the namespace."""
        value = {"status": "True", "reason": done.failure.reason, "message": done.failure.message} if done.failure else None
        for obj in objs:
            await self.change(
                "Subscription", namespace, obj["metadata"]["name"], lambda o: with_condition(o.get("status", {}), "ResolutionFailed", value)
            )

    async def _plan(self, namespace: str, objs: list[Obj], targets: dict[str, Bundle], further: dict[str, Bundle]) -> float | None:
        """One plan with everything that is not installed; only those that it takes further will name it."""
        plans = await self.kube.list(V1A1, "InstallPlan", namespace)
        bundles = [targets[name] for name in sorted(targets, reverse=True)]
        kind = approval(SubView.of(obj) for obj in objs)
        owners = [
            {
                "apiVersion": V1A1,
                "kind": "Subscription",
                "name": o["metadata"]["name"],
                "uid": o["metadata"]["uid"],
                "blockOwnerDeletion": False,
                "controller": False,
            }
            for o in objs
        ]  # all of the namespace, as the real one
        plan = await self.kube.create(
            {
                "apiVersion": V1A1,
                "kind": "InstallPlan",
                "metadata": {"name": f"install-{secrets.token_hex(3)[:5]}", "namespace": namespace, "ownerReferences": owners},
                "spec": {
                    "approval": kind,
                    "approved": kind == "Automatic",
                    "clusterServiceVersionNames": [b.csv for b in bundles],
                    "generation": 1 + max([p["spec"].get("generation", 0) for p in plans], default=0),
                },
            }
        )
        await self._prune(plans)
        await asyncio.sleep(float(self.faults.get("plan_delay", self.delay(0.7))))
        source = next(o["spec"]["source"] for o in objs if o["metadata"]["name"] in targets)
        status = {
            "catalogSources": [source],
            "phase": "RequiresApproval" if kind == "Manual" else "Installing",
            "plan": plan_steps(bundles, source, GLOBAL),
        }
        try:
            phased = await self.kube.set_status({"apiVersion": V1A1, "kind": "InstallPlan", **plan}, status)
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            await self._thrown_away(namespace, further, error)
            return 1.4
        for name, bundle in further.items():
            await self.change("Subscription", namespace, name, lambda o, b=bundle: _pending(o, phased, b))  # type: ignore[misc]
        return None

    async def _thrown_away(self, namespace: str, targets: dict[str, Bundle], error: ApiError) -> None:
        """Somebody wrote the plan before it had a phase: it is forgotten, and made again."""
        message = f"error ensuring InstallPlan: {str(error).split(': ', 1)[-1]}"
        for name in targets:
            await self.change(
                "Subscription",
                namespace,
                name,
                lambda o: with_condition(
                    o.get("status", {}), "BundleUnpackFailed", {"status": "True", "reason": "EnsureInstallPlanFailed", "message": message}
                ),
            )

    async def _prune(self, plans: list[Obj]) -> None:
        """Five plans stay, whatever their phase."""
        for plan in sorted(plans, key=lambda p: -p["spec"].get("generation", 0))[KEPT_PLANS - 1 :]:
            await self.kube.delete(plan)


def _pending(sub: Obj, plan: Obj, bundle: Bundle) -> Obj:
    meta, status = plan["metadata"], sub.get("status", {})
    for gone in ("BundleUnpackFailed", "InstallPlanMissing", "InstallPlanFailed"):
        status = with_condition(status, gone, None)
    return {
        **status,
        "currentCSV": bundle.csv,
        "state": "UpgradePending",
        "installPlanGeneration": plan["spec"]["generation"],
        "installPlanRef": {
            "apiVersion": V1A1,
            "kind": "InstallPlan",
            "name": meta["name"],
            "namespace": meta["namespace"],
            "resourceVersion": meta["resourceVersion"],
            "uid": meta["uid"],
        },
        "installplan": {"apiVersion": V1A1, "kind": "InstallPlan", "name": meta["name"], "uuid": meta["uid"]},
    }


class Subscriptions(Olm):
    """What a Subscription says of its catalogue, its plan and its CSV."""

    kinds = [(V1A1, "Subscription"), (V1A1, "InstallPlan"), (V1A1, "ClusterServiceVersion"), (V1A1, "CatalogSource")]

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        kind, meta = obj["kind"], obj["metadata"]
        if kind == "Subscription":
            return [(kind, meta["namespace"], meta["name"])]
        if kind == "InstallPlan":
            return [("Subscription", meta["namespace"], ref["name"]) for ref in meta.get("ownerReferences", [])]
        return [("All", "" if kind == "CatalogSource" else meta["namespace"], "")]

    async def reconcile(self, key: Key) -> float | None:
        kind, namespace, name = key
        if kind == "All":
            for one in await self.kube.list(V1A1, "Subscription", namespace or None):
                self.enqueue(("Subscription", one["metadata"]["namespace"], one["metadata"]["name"]), self.delay())
            return None
        found = await self.kube.get(V1A1, "Subscription", name, namespace)
        sub: Obj = found or {}
        if found is None:
            return None
        ref, current = sub.get("status", {}).get("installPlanRef"), sub.get("status", {}).get("currentCSV", "")
        plan = await self.kube.get(V1A1, "InstallPlan", ref["name"], namespace) if ref else None
        csv = await self.kube.get(V1A1, "ClusterServiceVersion", current, namespace) if current else None
        csv_here = csv is not None and "deletionTimestamp" not in csv["metadata"]
        sources = await self.sources()
        if advance_subscription(sub, plan, csv_here, sources) is None:
            return None
        await asyncio.sleep(self.delay(0.5 if conditions_of(sub.get("status")) else 0.1))
        read = (ref, current)

        def advance(obj: Obj) -> Obj | None:  # a Subscription that meanwhile got another plan is looked at again
            status = obj.get("status", {})
            same = (status.get("installPlanRef"), status.get("currentCSV", "")) == read
            return advance_subscription(obj, plan, csv_here, sources) if same else None

        changed = await self.change("Subscription", namespace, name, advance)
        return self.delay(0.5) if changed else None


class Plans(Olm):
    """Carries out install plans that are approved."""

    kinds = [(V1A1, "InstallPlan"), (V1, "OperatorGroup")]

    def __init__(self, kube: Kube, faults: Faults, bed: dict[str, Any]) -> None:
        super().__init__(kube, faults, bed)
        self._since: dict[str, float] = {}

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        return super().keys_for(event, obj) if obj["kind"] == "InstallPlan" else []

    async def reconcile(self, key: Key) -> float | None:
        _kind, namespace, name = key
        plan = await self.kube.get(V1A1, "InstallPlan", name, namespace)
        phase = (plan or {}).get("status", {}).get("phase", "")
        if plan is None or phase not in ("RequiresApproval", "Installing"):
            return None
        if phase == "RequiresApproval":
            if plan["spec"].get("approved"):
                await asyncio.sleep(self.delay(0.5))
                await self.change("InstallPlan", namespace, name, lambda o: {**o["status"], "phase": "Installing"})
            return None
        groups = await self.kube.list(V1, "OperatorGroup", namespace)
        if len(groups) != 1 or not groups[0].get("status", {}).get("namespaces"):
            await self._outcome(
                plan, "Installing", False, reason="InstallCheckFailed", message="no operator group found that is managing this namespace"
            )
            return 1.0
        await asyncio.sleep(self.delay())
        return await self._execute(plan, groups[0])

    async def _execute(self, plan: Obj, group: Obj) -> float | None:
        namespace, uid = plan["metadata"]["namespace"], plan["metadata"]["uid"]
        since = self._since.setdefault(uid, time.monotonic())
        bundles = [b for b in (self.bundle(csv) for csv in plan["spec"]["clusterServiceVersionNames"]) if b]
        results: dict[tuple[str, str], str] = {}
        try:
            made = await self._csvs(plan, bundles, group, results)
            await self._crds(bundles, results)
            await asyncio.sleep(self.delay(1.5))
            for bundle in bundles:
                if bundle.refused:
                    await self._refused(bundle, namespace)
                for obj in bundle_objects(bundle, made[bundle.csv]):
                    results[obj["kind"], obj["metadata"]["name"]] = await self._ensure(obj)
        except (aiohttp.ClientError, OSError):
            self._since.pop(uid, None)  # an API server that is away is no fault of the plan
            raise
        except ApiError as error:
            if error.status == 429 or error.status >= 500:
                self._since.pop(uid, None)
                raise
            message = str(error).split(": ", 1)[-1]
            what = f"error updating service: {next((b.refused['metadata']['name'] for b in bundles if b.refused), '')}: {message}"
            if time.monotonic() - since > float(self.faults.get("plan_timeout", 6.0)):
                await self._outcome(plan, "Failed", False, reason="InstallComponentFailed", message=what, results=results, note=what)
                return None
            await self._outcome(plan, "Installing", None, results=results, note=f"retrying execution due to error: {what}")
            return 1.0
        await asyncio.sleep(self.delay())
        await self._outcome(plan, "Complete", True, results=results)
        return None

    async def _csvs(self, plan: Obj, bundles: list[Bundle], group: Obj, results: dict[tuple[str, str], str]) -> dict[str, Obj]:
        namespace, made = plan["metadata"]["namespace"], {}
        subs = await self.kube.list(V1A1, "Subscription", namespace)
        for bundle in bundles:
            channel = next((s["spec"].get("channel", "") for s in subs if s["spec"]["name"] == bundle.package), "")
            found = await self.kube.get(V1A1, "ClusterServiceVersion", bundle.csv, namespace)
            results["ClusterServiceVersion", bundle.csv] = "Present" if found else "Created"
            obj: Obj = found or await self.kube.create(cluster_service_version(bundle, namespace, channel, group["metadata"]["name"]))
            made[bundle.csv] = {"apiVersion": V1A1, "kind": "ClusterServiceVersion", **obj}
        return made

    async def _crds(self, bundles: list[Bundle], results: dict[tuple[str, str], str]) -> None:
        for bundle in bundles:
            crds = list(await asyncio.to_thread(_load_crds, bundle.crds)) if bundle.crds else []
            here = {crd["metadata"]["name"] for crd in crds}
            crds += [open_crd(name, bundle.kinds[name]) for name in bundle.owned if name not in here and name in bundle.kinds]
            for crd in crds:
                name = crd["metadata"]["name"]
                results["CustomResourceDefinition", name] = await self._ensure(crd)

    async def _ensure(self, obj: Obj) -> str:
        meta = obj["metadata"]
        found = await self.kube.get(obj["apiVersion"], obj["kind"], meta["name"], meta.get("namespace"))
        if found is None or obj["kind"] == "ServiceAccount":
            await self.kube.apply(obj, "testbed-olm")
        return "Present" if found else "Created"

    async def _refused(self, bundle: Bundle, namespace: str) -> None:
        refused: Obj = dict(bundle.refused or {})
        await self.kube.apply({**refused, "metadata": {**refused["metadata"], "namespace": namespace}}, "testbed-olm")

    async def _outcome(
        self,
        plan: Obj,
        phase: str,
        installed: bool | None,
        *,
        reason: str = "",
        message: str = "",
        results: dict[tuple[str, str], str] | None = None,
        note: str = "",
    ) -> None:
        def status(obj: Obj) -> Obj:
            old = obj["status"]
            steps = [
                {**s, "status": (results or {}).get((s["resource"]["kind"], s["resource"]["name"]), s["status"])}
                for s in old.get("plan", [])
            ]
            new = {**{k: v for k, v in old.items() if k != "message"}, "phase": phase, "plan": steps, **({"message": note} if note else {})}
            if installed is None:
                return new
            new["startTime"] = old.get("startTime") or now()
            return with_condition(
                new,
                "Installed",
                {
                    "status": str(installed),
                    "lastTransitionTime": now(),
                    "lastUpdateTime": now(),
                    **({"reason": reason, "message": message} if not installed else {}),
                },
            )

        await self.change("InstallPlan", plan["metadata"]["namespace"], plan["metadata"]["name"], status)


class Csvs(Olm):
    """The phases of ClusterServiceVersions and the Deployments behind them."""

    kinds = [(V1A1, "ClusterServiceVersion"), (V1, "OperatorGroup"), ("apps/v1", "Deployment")]

    def keys_for(self, event: str, obj: Obj) -> list[Key]:
        kind, meta = obj["kind"], obj["metadata"]
        if kind == "OperatorGroup":
            return [("OperatorGroup", meta["namespace"], "")]
        if kind == "Deployment":
            return [
                ("ClusterServiceVersion", meta["namespace"], ref["name"])
                for ref in meta.get("ownerReferences", [])
                if ref["kind"] == "ClusterServiceVersion"
            ]
        if _copied(obj):
            return []
        related = [meta["name"], obj["spec"].get("replaces", ""), *obj["spec"].get("skips", [])]
        return [("ClusterServiceVersion", meta["namespace"], name) for name in related if name]

    async def reconcile(self, key: Key) -> float | None:
        kind, namespace, name = key
        if kind == "OperatorGroup":
            for one in await self.csvs(namespace):
                self.enqueue(("ClusterServiceVersion", namespace, one["metadata"]["name"]))
            return None
        found = await self.kube.get(V1A1, "ClusterServiceVersion", name, namespace)
        bundle = self.bundle(name)
        if found is None and bundle is not None:
            await self._collect(bundle)
        if found is None or bundle is None or _copied(found) or "deletionTimestamp" in found["metadata"]:
            return None
        csv = {"apiVersion": V1A1, "kind": "ClusterServiceVersion", **found}
        status = csv.get("status", {})
        if status.get("phase") == "Deleting":
            await self.kube.delete(csv)
            return None
        world, rows = await self._world(csv, bundle)
        step = advance_csv(status, world)
        if step is None:
            final = status.get("phase") in ("Succeeded", "Failed")
            return None if final else self.delay()
        if step[0] == "Installing" and status.get("phase") == "InstallReady":
            await self._deploy(csv, bundle)
        await self.change("ClusterServiceVersion", namespace, name, lambda o: _phase(o.get("status", {}), step, rows))
        if step[0] == "Succeeded" and self.faults.get("copy"):
            await self._copy(csv)
        return self.delay(0.3)

    async def _collect(self, bundle: Bundle) -> None:
        """No owner reference leads from what is cluster-wide to a CSV: OLM deletes these rights by their label olm.owner."""
        left = await self.kube.list(V1A1, "ClusterServiceVersion", fieldSelector=f"metadata.name={bundle.csv}")
        if left:
            return
        meta = {"name": cluster_role_name(bundle)}
        for kind in ("ClusterRoleBinding", "ClusterRole"):
            await self.kube.delete({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": meta})

    async def _world(self, csv: Obj, bundle: Bundle) -> tuple[CsvWorld, list[Obj]]:
        meta, status = csv["metadata"], csv.get("status", {})
        namespace, name = meta["namespace"], meta["name"]
        groups = await self.kube.list(V1, "OperatorGroup", namespace)
        found = await self.kube.get("apps/v1", "Deployment", bundle.deployment, namespace)
        problem, deadline = deployment_problem(bundle.deployment, found)
        others = await self.csvs(namespace)
        newer = next((c for c in others if name in (c["spec"].get("replaces"), *c["spec"].get("skips", []))), None)
        met, rows = (True, status.get("requirementStatus", []))
        if status.get("phase", "") == "Pending":
            met, rows = await self._requirements(csv, bundle)
        return CsvWorld(
            mode=_mode(groups, namespace),
            modes=bundle.modes,
            conflict=not status.get("phase") and await self._conflict(csv, bundle),
            requirements=met,
            problem=problem,
            deadline=deadline,
            deployment=bundle.deployment,
            missing=found is None,
            timeout=_age(status.get("lastTransitionTime")) > float(self.faults.get("install_timeout", 300)),
            replaced_by=newer["metadata"]["name"] if newer else "",
            replacement_done=bool(newer) and (newer or {}).get("status", {}).get("phase") == "Succeeded",
            fail=self.faults.get("fail", {}).get(name, ""),
        ), rows

    async def _requirements(self, csv: Obj, bundle: Bundle) -> tuple[bool, list[Obj]]:
        crds = {}
        for name in bundle.owned:
            found = await self.kube.get(CRD, "CustomResourceDefinition", name)
            rows = conditions_of((found or {}).get("status"))
            crds[name] = any(c["type"] == "Established" and c["status"] == "True" for c in rows)
        account = await self.kube.get("v1", "ServiceAccount", bundle.deployment, csv["metadata"]["namespace"])
        owners = {ref["uid"] for ref in (account or {}).get("metadata", {}).get("ownerReferences", [])}
        state = "" if account is None else "ours" if not owners or csv["metadata"]["uid"] in owners else "other"
        server = (await self.kube.request("GET", "/version"))["gitVersion"] if bundle.min_kube else ""
        return requirement_status(bundle.csv, bundle, crds, state, server.lstrip("v"))

    async def _conflict(self, csv: Obj, bundle: Bundle) -> bool:
        """Two all-namespaces groups must not give the same API."""
        for other in await self.kube.list(V1A1, "ClusterServiceVersion"):
            if other["metadata"]["namespace"] == csv["metadata"]["namespace"] or _copied(other):
                continue
            owned = {c["name"] for c in other["spec"].get("customresourcedefinitions", {}).get("owned", [])}
            if (
                other.get("status", {}).get("phase") not in (None, "", "Failed")
                and owned & set(bundle.owned)
                and await self._both_everywhere(csv, other)
            ):
                return True
        return False

    async def _both_everywhere(self, *csvs: Obj) -> bool:
        for csv in csvs:
            namespace = csv["metadata"]["namespace"]
            if _mode(await self.kube.list(V1, "OperatorGroup", namespace), namespace) != "AllNamespaces":
                return False
        return True

    async def _deploy(self, csv: Obj, bundle: Bundle) -> None:
        never = bundle.never_ready or bundle.csv in self.faults.get("never_ready", [])
        deadline = int(self.faults["deadline"]) if "deadline" in self.faults and never else bundle.deadline
        await self.kube.apply(deployment(bundle, csv, never, deadline), "testbed-olm")

    async def _copy(self, csv: Obj) -> None:
        """An all-namespaces CSV is shown in every namespace that is there."""
        meta = csv["metadata"]
        for namespace in [n["metadata"]["name"] for n in await self.kube.list("v1", "Namespace")]:
            if namespace == meta["namespace"] or await self.kube.get(V1A1, "ClusterServiceVersion", meta["name"], namespace):
                continue
            made = await self.kube.create(
                {
                    "apiVersion": V1A1,
                    "kind": "ClusterServiceVersion",
                    "spec": csv["spec"],
                    "metadata": {"name": meta["name"], "namespace": namespace, "labels": {"olm.copiedFrom": meta["namespace"]}},
                }
            )
            await self.kube.set_status(
                {"apiVersion": V1A1, "kind": "ClusterServiceVersion", **made},
                {
                    "phase": "Succeeded",
                    "reason": "Copied",
                    "message": f"The operator is running in {meta['namespace']} but is managing this namespace",
                },
            )


def _mode(groups: list[Obj], namespace: str) -> str:
    if len(groups) != 1:
        return ""
    targets = groups[0].get("spec", {}).get("targetNamespaces") or []
    if not targets:
        return "AllNamespaces"
    if len(targets) > 1:
        return "MultiNamespace"
    return "OwnNamespace" if targets == [namespace] else "SingleNamespace"


def _age(stamp: str | None) -> float:
    if not stamp:
        return 0.0
    then = datetime.datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
    return (datetime.datetime.now(datetime.UTC) - then).total_seconds()


def _phase(status: Obj, step: tuple[str, str, str], rows: list[Obj]) -> Obj:
    phase, reason, message = step
    same = status.get("phase") == phase
    stamp = now()
    entry = {"phase": phase, "reason": reason, "message": message, "lastTransitionTime": stamp, "lastUpdateTime": stamp}
    return {
        **status,
        "phase": phase,
        "reason": reason,
        "message": message,
        "lastUpdateTime": stamp,
        "lastTransitionTime": status.get("lastTransitionTime", stamp) if same else stamp,
        "conditions": [*conditions_of(status), entry][-20:],
        "requirementStatus": rows,
        "cleanup": {},
    }


CONTROLLERS: list[type[Controller]] = [Sources, Groups, Resolver, Subscriptions, Plans, Csvs]
