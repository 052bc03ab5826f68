# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What stands against the operators of an intent on a cluster, all of it at once, before anything is written.

OLM itself says little and late: a package that the catalogue does not have blocks every Subscription of its namespace, and without an
OperatorGroup nothing happens at all.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._model.packages import MESH_OPERATORS, RETIRED, Package
from .._text import counted, shortened
from .model import COPIED_LABEL, Subscription

__all__ = ["Ask", "OperatorState", "SurveyResult", "survey"]

Obj = Mapping[str, Any]
MANAGED_BY, MESH = "app.kubernetes.io/managed-by", "mesh.meshops.io/mesh"
# Operators of these read and write the same objects.
_FAMILY = {"servicemeshoperator": "maistra.io", "servicemeshoperator3": "sailoperator.io", "sailoperator": "sailoperator.io"}
# How the Deployments of operators are labelled that somebody installed without OLM.
_DEPLOYMENTS = {"servicemesh-operator3": "servicemeshoperator3", "sail-operator": "sailoperator", "istio-operator": "servicemeshoperator"}
_DOWN = "TRANSIENT_FAILURE"
_SHOWN = 6


@dataclass(frozen=True)
class Ask:
    """What is wanted of the cluster."""

    provider: str
    mesh: str = ""
    plane_name: str = ""
    plane_namespace: str = ""
    packages: tuple[Package, ...] = ()  # none where somebody else installs the operators
    channels: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    starting: Mapping[str, str] = field(default_factory=dict)
    namespace: str = "openshift-operators"
    catalog_namespace: str = "openshift-marketplace"
    owner: str = "operators"
    adopt: frozenset[str] = frozenset()

    def place(self, package: Package) -> str:
        """The namespace of its Subscription."""
        return package.namespace or self.namespace

    def channel(self, package: Package) -> str:
        """Its channel."""
        return self.channels.get(package.package) or package.channel


@dataclass(frozen=True)
class OperatorState:
    """The cluster, as far as it matters here. served: whether it answers what its catalogues offer."""

    subscriptions: Sequence[Obj] = ()
    csvs: Sequence[Obj] = ()
    groups: Sequence[Obj] = ()
    sources: Sequence[Obj] = ()
    manifests: Sequence[Obj] = ()
    deployments: Sequence[Obj] = ()
    planes: Sequence[Obj] = ()
    served: bool = True


@dataclass(frozen=True)
class SurveyResult:
    """refusals: why nothing must be written; notes: what people should know; used: packages that somebody else has subscribed to;
    grouped: namespaces that have an OperatorGroup of somebody else."""

    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    grouped: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Scene:
    """What was asked for, beside what is there."""

    ask: Ask
    seen: OperatorState
    subscriptions: tuple[Subscription, ...]
    ours: frozenset[str]  # Subscriptions, by reference
    used: Mapping[str, Subscription]  # package to the Subscription of somebody else

    @property
    def wanted(self) -> list[Package]:
        """Those that we subscribe to."""
        return [row for row in self.ask.packages if row.package not in self.used]

    def own(self, package: Package) -> Subscription | None:
        """Our Subscription, where it is there already."""
        mine = (self.ask.place(package), package.package)
        return next((sub for sub in self.subscriptions if (sub.namespace, sub.name) == mine and sub.ref in self.ours), None)

    def settled(self, package: Package) -> bool:
        """Whether it has all that it asks for: what blocks its namespace does not matter now."""
        sub, version = self.own(package), self.ask.versions.get(package.package, "")
        if sub is None or not sub.installed_csv or version == "latest" or sub.channel != self.ask.channel(package):
            return False
        return version in ("", sub.installed_csv)


def survey(ask: Ask, seen: OperatorState) -> SurveyResult:
    """Everything that stands against it."""
    scene = _scene(ask, seen)
    refusals = [text for rule in _RULES for text in rule(scene)]
    notes = [text for rule in _NOTES for text in rule(scene)]
    grouped = sorted({ask.place(row) for row in scene.wanted if row.own_group and _foreign_groups(scene, ask.place(row))})
    return SurveyResult(tuple(dict.fromkeys(refusals)), tuple(notes), tuple(sorted(scene.used)), tuple(grouped))


def _scene(ask: Ask, seen: OperatorState) -> _Scene:
    ours, subscriptions = set(), []
    for obj in seen.subscriptions:
        sub = Subscription.from_dict(obj)
        subscriptions.append(sub)
        labels = obj["metadata"].get("labels") or {}
        if (labels.get(MANAGED_BY), labels.get(MESH)) == ("meshops.mesh", ask.owner) or sub.ref in ask.adopt:
            ours.add(sub.ref)
    used: dict[str, Subscription] = {}
    for row in ask.packages:
        foreign = [sub for sub in subscriptions if sub.package == row.package and sub.ref not in ours]
        own = [sub for sub in subscriptions if sub.package == row.package and sub.ref in ours]
        if foreign and not own:
            used[row.package] = foreign[0]
    return _Scene(ask, seen, tuple(subscriptions), frozenset(ours), used)


def _listed(names: Iterable[str], none: str = "nothing") -> str:
    """Some names, and how many more."""
    rows = sorted(set(names))
    return shortened(rows, _SHOWN) if rows else none


# the mesh


def _other_generation(scene: _Scene) -> Iterator[str]:
    """mesh_provider was changed on a living mesh: the new control plane would come beside the old one, and nothing would move."""
    ask = scene.ask
    for obj in scene.seen.planes:
        old = obj.get("kind") == "ServiceMeshControlPlane"
        if old == (ask.provider == "ossm2") or not _of_this_mesh(obj, ask):
            continue
        meta = obj["metadata"]
        where = f"{obj['kind']} {meta.get('namespace', '')}/{meta['name']}".replace(" /", " ")
        if old:
            yield (f"{where} is the control plane of this mesh in OpenShift Service Mesh 2, and mesh_provider is {ask.provider}: "
                   "another provider "
                   "does not move a mesh that runs. Keep mesh_provider: ossm2 and move it with meshops.mesh.migrate_mesh")  # fmt: skip
        else:
            yield (f"{where} is the control plane of this mesh in OpenShift Service Mesh 3, and mesh_provider is ossm2: a mesh does not "
                   "go back "
                   "by another provider. Set mesh_provider: ossm3 (sail for the community's operator); if a migration is under way, end "
                   "it or "
                   "take it back with meshops.mesh.migrate_mesh")  # fmt: skip


def _of_this_mesh(obj: Obj, ask: Ask) -> bool:
    """By our label, else by where it is: two control planes of one namespace are one mesh."""
    labels = obj["metadata"].get("labels") or {}
    if labels.get(MANAGED_BY) == "meshops.mesh" and labels.get(MESH):
        return bool(labels[MESH] == ask.mesh)
    place = obj["metadata"].get("namespace") or (obj.get("spec") or {}).get("namespace") or "istio-system"
    return bool(ask.plane_namespace) and place == ask.plane_namespace


def _second_operator(scene: _Scene) -> Iterator[str]:
    """Two operators of a mesh on one cluster, of which the intent names one."""
    wanted = {row.package for row in scene.ask.packages}
    for sub in scene.subscriptions if wanted else ():
        if sub.package in MESH_OPERATORS - wanted:
            yield _stranger(scene, sub.ref, sub.package)
    subscribed = {csv for sub in scene.subscriptions for csv in (sub.installed_csv, sub.current_csv)}
    for csv in scene.seen.csvs if wanted else ():
        name, package = csv["metadata"]["name"], csv["metadata"]["name"].partition(".")[0]
        if package in MESH_OPERATORS - wanted and name not in subscribed and not _going(csv):
            yield _stranger(scene, f"ClusterServiceVersion {csv['metadata']['namespace']}/{name}", package)
    for obj in scene.seen.deployments if wanted else ():
        labels = obj["metadata"].get("labels") or {}
        package = _DEPLOYMENTS.get(str(labels.get("control-plane") or labels.get("name") or ""))
        if package and not labels.get("olm.owner"):
            where = f"Deployment {obj['metadata']['namespace']}/{obj['metadata']['name']}"
            yield (f"{where} is an operator of a mesh ({package}) that OLM has not installed (by Helm, perhaps): two of them would work "
                   "on the same "
                   "objects. Use it with mesh_operators_provider: none, or remove it first")  # fmt: skip


def _stranger(scene: _Scene, where: str, package: str) -> str:
    mine = next((row.package for row in scene.ask.packages if row.package in MESH_OPERATORS), scene.ask.provider)
    if _FAMILY[package] == _FAMILY.get(mine, ""):
        remedy = (f"both work on the same objects ({_FAMILY[package]}). Remove it with its ClusterServiceVersion, or set mesh_provider to "
                  f"{'sail' if package == 'sailoperator' else 'ossm3'}")  # fmt: skip
    else:
        remedy = ("both generations belong on one cluster only while meshes move (meshops.mesh.migrate_mesh). If that is meant, or both "
                  "shall stay, "
                  "name it in mesh_operators_extra; else remove it with its ClusterServiceVersion")  # fmt: skip
    return f"{where} is a second mesh operator beside {mine}: {remedy}"


def _going(csv: Obj) -> bool:
    """Copies, and those that another version is replacing."""
    status = csv.get("status") or {}
    if COPIED_LABEL in (csv["metadata"].get("labels") or {}) or status.get("reason") == "Copied":
        return True
    return status.get("phase") in ("Replacing", "Deleting")


# somebody else's Subscriptions


def _used_ones(scene: _Scene) -> Iterator[str]:
    """An operator that is there already is used, if it works and has what is asked for."""
    phases = {(csv["metadata"]["namespace"], csv["metadata"]["name"]): (csv.get("status") or {}).get("phase") for csv in scene.seen.csvs}
    for package, sub in sorted(scene.used.items()):
        version = scene.ask.versions.get(package, "")
        if version and version not in ("latest", sub.installed_csv):
            yield (f"{sub.ref} belongs to someone else and has {sub.installed_csv or 'nothing'} of {package}, not {version}: "
                   "have its owner bring it "
                   f"there, remove it from mesh_operators_versions, or take it over (mesh_adopt: ['{sub.ref}'])")  # fmt: skip
        elif phases.get((sub.namespace, sub.installed_csv)) != "Succeeded":
            state = phases.get((sub.namespace, sub.installed_csv)) or "not there"
            yield (f"{sub.ref} belongs to someone else, asks for {package}, and does not work ({sub.installed_csv or 'nothing installed'}: "
                   f"{state}): have "
                   "its owner repair or delete it; OLM installs no second one beside it")  # fmt: skip


def _says_used(scene: _Scene) -> Iterator[str]:
    for package, sub in sorted(scene.used.items()):
        yield f"{package}: {sub.ref} of someone else has it ({sub.installed_csv or 'nothing installed yet'}); it is used and left as it is"


# catalogues


def _catalogues(scene: _Scene) -> Iterator[str]:
    """Each package, channel and version, as its catalogue offers them."""
    place = scene.ask.catalog_namespace
    there = {obj["metadata"]["name"]: obj for obj in scene.seen.sources if obj["metadata"].get("namespace") == place}
    asked: dict[str, list[Package]] = {}
    for row in scene.wanted:
        if not scene.settled(row):
            asked.setdefault(row.source, []).append(row)
    for source, rows in asked.items():
        names = ", ".join(row.package for row in rows)
        if source not in there:
            yield (f"CatalogSource {place}/{source} does not exist, and {names} shall come from it; this cluster has "
                   f"{_listed((_place(obj) for obj in scene.seen.sources), 'no CatalogSource')}. Name the right one as source in "
                   "mesh_operators_extra "
                   "(operators_catalog_namespace for another namespace)")  # fmt: skip
        elif _state(there[source]) == _DOWN:
            yield (f"CatalogSource {place}/{source} cannot be reached ({_DOWN}), and {names} shall come from it: look at its pod, or at "
                   "the mirror "
                   "of a disconnected cluster")  # fmt: skip
        elif scene.seen.served:
            for row in rows:
                yield from _offer(scene, row)


def _place(obj: Obj) -> str:
    return f"{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"


def _state(source: Obj) -> str:
    return str(((source.get("status") or {}).get("connectionState") or {}).get("lastObservedState") or "")


def _offer(scene: _Scene, row: Package) -> Iterator[str]:
    ask = scene.ask
    found = next((obj for obj in scene.seen.manifests if obj["metadata"]["name"] == row.package and _from(obj) == row.source), None)
    where = f"CatalogSource {ask.catalog_namespace}/{row.source}"
    if found is None:
        yield f"package {row.package} ({row.why}): {where} does not offer it; {_instead(scene, row)}"
        return
    status = found.get("status") or {}
    channels = {str(one.get("name")): one for one in status.get("channels") or ()}
    wanted = ask.channel(row)
    if wanted not in channels:
        default = status.get("defaultChannel")
        yield (f"package {row.package} ({row.why}): {where} has no channel {wanted} of it, it offers {_listed(channels)}"
               f"{f' (by default {default})' if default else ''}; say which in mesh_operators_channels")  # fmt: skip
        return
    entries = [str(one.get("name")) for one in channels[wanted].get("entries") or ()]
    own = scene.own(row)
    first = ask.starting.get(row.package) if own is None else ""
    for variable, version in (("versions", ask.versions.get(row.package)), ("starting_csvs", first)):
        if version and version != "latest" and entries and version not in entries and not (own and version == own.installed_csv):
            yield (f"package {row.package} ({row.why}): channel {wanted} of {where} has no {version} (mesh_operators_{variable}), it "
                   "offers "
                   f"{_newest(entries)}")  # fmt: skip


def _from(manifest: Obj) -> str:
    return str((manifest.get("status") or {}).get("catalogSource") or (manifest["metadata"].get("labels") or {}).get("catalog") or "")


def _newest(entries: Sequence[str]) -> str:
    """A channel's versions as the catalogue has them, the newest first."""
    more = f" and {counted(len(entries) - _SHOWN, 'older one')}" if len(entries) > _SHOWN else ""
    return ", ".join(entries[:_SHOWN]) + more


def _instead(scene: _Scene, row: Package) -> str:
    """What the catalogues offer in its place."""
    elsewhere = [_from(obj) for obj in scene.seen.manifests if obj["metadata"]["name"] == row.package and _from(obj) != row.source]
    if elsewhere:
        return f"{_listed(elsewhere)} does: name it as its source in mesh_operators_extra"
    names = sorted({obj["metadata"]["name"] for obj in scene.seen.manifests if _from(obj) == row.source})
    near = difflib.get_close_matches(row.package, names, _SHOWN, 0.5) if row.package not in RETIRED else []
    count = f"it offers {counted(len(names), 'package')}" + (f", the nearest by name {_listed(near)}" if near else "")
    return f"{count}. {RETIRED[row.package][0].upper()}{RETIRED[row.package][1:]}" if row.package in RETIRED else count


def _gone_from_catalogue(scene: _Scene) -> Iterator[str]:
    for row in scene.wanted if scene.seen.served else ():
        own = scene.own(row)
        known = any(obj["metadata"]["name"] == row.package for obj in scene.seen.manifests)
        if own is not None and scene.settled(row) and not known:
            yield f"{row.package}: {own.ref} has {own.installed_csv}, and no catalogue offers the package any more: it gets no updates"
    if scene.wanted and not scene.seen.served:
        yield ("the cluster does not say what its catalogues offer (PackageManifest, by OLM's package server): packages and channels "
               "could not be "
               "looked up")  # fmt: skip


# namespaces


def _namespaces(scene: _Scene) -> Iterator[str]:
    """What blocks every package of a namespace."""
    places: dict[str, list[Package]] = {}
    for row in scene.wanted:
        if not scene.settled(row):
            places.setdefault(scene.ask.place(row), []).append(row)
    for place, rows in places.items():
        yield from _group(scene, place, rows)
        yield from _neighbours(scene, place, rows)
        yield from _leftovers(scene, place, rows)


def _foreign_groups(scene: _Scene, place: str) -> list[Obj]:
    return [obj for obj in scene.seen.groups if obj["metadata"].get("namespace") == place and obj["metadata"]["name"] != place]


def _group(scene: _Scene, place: str, rows: Sequence[Package]) -> Iterator[str]:
    names = ", ".join(row.package for row in rows)
    groups = [obj for obj in scene.seen.groups if obj["metadata"].get("namespace") == place]
    if len(groups) > 1:
        yield (f"namespace {place} has {len(groups)} OperatorGroups ({_listed(obj['metadata']['name'] for obj in groups)}): OLM "
               f"installs nothing there and says nothing about it, so neither {names}. Delete all but one")  # fmt: skip
    elif not groups and not any(row.own_group for row in rows):
        yield (f"namespace {place} has no OperatorGroup: OLM installs nothing there and says nothing about it, so neither {names}. Make "
               "one for all namespaces (spec {}), or say own_group: true for a package of mesh_operators_extra")  # fmt: skip
    for obj in groups if len(groups) == 1 else ():
        spec = obj.get("spec") or {}
        if spec.get("targetNamespaces") or spec.get("selector"):
            only = _listed(spec.get("targetNamespaces") or ["namespaces by a selector"])
            yield (f"OperatorGroup {_place(obj)} is for {only} only, and operators of a mesh ({names}) work for all namespaces: subscribe "
                   "in another namespace, or make the group one for all")  # fmt: skip
        if spec.get("serviceAccountName") and _account_missing(obj):
            account = spec["serviceAccountName"]
            yield f"OperatorGroup {_place(obj)} names the ServiceAccount {account}, which is not there: {names} would never be installed"


def _account_missing(group: Obj) -> bool:
    conditions = (group.get("status") or {}).get("conditions") or ()
    return any(row.get("reason") == "ServiceAccountNotFound" and row.get("status") == "True" for row in conditions)


_GUILTY = re.compile(r"subscription ([a-z0-9][-a-z0-9.]*[a-z0-9])\b")


def _neighbours(scene: _Scene, place: str, rows: Sequence[Package]) -> Iterator[str]:
    """ResolutionFailed is on every Subscription of a namespace; its message says which of them cannot be satisfied."""
    here = [sub for sub in scene.subscriptions if sub.namespace == place]
    names = {sub.name: sub for sub in here}
    said = {failed.message: sub for sub in here if (failed := sub.condition("ResolutionFailed"))}
    for message, sub in said.items():
        guilty = [names[name] for name in dict.fromkeys(_GUILTY.findall(message)) if name in names]
        foreign = [one for one in guilty or [sub] if one.ref not in scene.ours]
        if foreign:
            yield (f"{_listed(one.ref for one in foreign)} cannot be resolved, which blocks every package of namespace {place}, and so "
                   f"{', '.join(row.package for row in rows)}: {message or 'ResolutionFailed'}. Correct or delete it; if that was done "
                   "already, "
                   "a label on any Subscription there makes OLM look again")  # fmt: skip


def _leftovers(scene: _Scene, place: str, rows: Sequence[Package]) -> Iterator[str]:
    """A version that outlived its Subscription: OLM does not take it over, and resolves nothing while it is there."""
    subscribed = {csv for sub in scene.subscriptions if sub.namespace == place for csv in (sub.installed_csv, sub.current_csv)}
    alone = [csv["metadata"]["name"] for csv in scene.seen.csvs if csv["metadata"].get("namespace") == place and not _going(csv)]
    for row in rows if set(alone) - subscribed else ():
        known = _versions(scene, row) if scene.own(row) is None else set()
        for name in sorted(known & set(alone) - subscribed):
            yield (
                f"ClusterServiceVersion {place}/{name} is there without a Subscription: OLM does not take it over, and a Subscription "
                f"for {row.package} would be blocked by it. Delete it; what it runs stays, without an operator for some seconds"
            )


def _versions(scene: _Scene, row: Package) -> set[str]:
    """Every version of a package that a catalogue knows."""
    offered = [obj for obj in scene.seen.manifests if obj["metadata"]["name"] == row.package]
    channels = [one for obj in offered for one in (obj.get("status") or {}).get("channels") or ()]
    return {str(entry.get("name")) for one in channels for entry in one.get("entries") or ()}


_RULES = (_other_generation, _second_operator, _used_ones, _catalogues, _namespaces)
_NOTES = (_says_used, _gone_from_catalogue)
