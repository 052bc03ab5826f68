# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The way from here to there: which control plane goes through which versions, and what its operator has to become before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from .._errors import ConfigError
from .._model.packages import MESH_PACKAGE
from .._model.versions import OSSM_ISTIO, Version, istio_of, ossm_of, parse
from .._olm.model import version_of
from .fleet import Fleet
from .planes import ControlPlane, Operator
from .rules import KUBERNETES, OPERATOR_LINES, Hops, distance, hops_for, lines_of

__all__ = ["Hop", "OperatorWay", "Route", "UpgradeRequest", "operator_line", "refusal_of_steps", "route_of"]

_STRATEGIES = ("InPlace", "RevisionBased")
_MINORS_OF_A_YEAR = 4


@dataclass(frozen=True)
class UpgradeRequest:
    """What somebody wants: a version of this control plane."""

    version: str
    name: str = ""  # of the control plane; may be left out where there is only one
    namespace: str = ""
    provider: str = ""
    strategy: str = ""  # as the Istio has it where not given


@dataclass(frozen=True)
class OperatorWay:
    """The operator's way before a hop: the CSVs to go through, and what stands against it."""

    operator: Operator
    line: tuple[int, int]  # where it has to be
    csvs: tuple[str, ...]  # as far as the source knows them
    channel: str = ""  # to change to, where the present one does not lead there


@dataclass(frozen=True)
class Hop:
    """One step of the control plane."""

    number: int
    old: Version
    new: Version
    text: str  # the version as it is written into the object
    revision: str  # the revision that serves afterwards
    operator: OperatorWay | None = None
    skips: bool = False  # goes over a minor

    @property
    def minor(self) -> bool:
        """True where the minor changes."""
        return self.old.line != self.new.line


@dataclass(frozen=True)
class Route:
    """The whole way; refusal says why there is none."""

    plane: ControlPlane
    provider: str
    strategy: str
    ambient: bool
    current: Version
    target: Version
    rule: Hops
    hops: tuple[Hop, ...] = ()
    refusal: str = ""

    @property
    def istio(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The minors of Istio at both ends."""
        return (istio_of(self.current) or self.current.line, istio_of(self.target) or self.target.line)

    @property
    def revision_based(self) -> bool:
        return self.strategy == "RevisionBased"


def _plane(fleet: Fleet, wish: UpgradeRequest) -> ControlPlane:
    """The one that is meant."""
    generation = [row for row in fleet.control_planes if not wish.provider or row.ossm2 == (wish.provider == "ossm2")]
    found = [row for row in generation if wish.name in ("", row.name) and wish.namespace in ("", row.namespace)]
    if len(found) == 1:
        return found[0]
    named = " ".join(part for part in (wish.name, f"in {wish.namespace}" if wish.namespace else "") if part)
    there = ", ".join(row.ref for row in fleet.control_planes) or "none"
    problem = f"there is no control plane {named}".rstrip() if not found else f"{len(found)} control planes fit"
    raise ConfigError(f"{fleet.cluster}: {problem}; found: {there}; say which by control_plane.name and control_plane.namespace")


def _provider(fleet: Fleet, plane: ControlPlane, wish: UpgradeRequest) -> str:
    if plane.ossm2:
        return "ossm2"
    if wish.provider:
        return wish.provider
    return "ossm3" if any(row.package == MESH_PACKAGE["ossm3"] for row in fleet.operators) else "sail"


def _current(fleet: Fleet, plane: ControlPlane) -> Version:
    """What runs now: an alias stands for what its active revision has."""
    revision = fleet.revision(plane.active_revision, plane.namespace)
    for text in (plane.running, revision.version if revision else "", plane.version):
        found = parse(text)
        if found is not None and not (found.alias and text.endswith("-latest") and not plane.ossm2):
            return found
    found = parse(plane.version)
    if found is None:
        raise ConfigError(f"{fleet.cluster}: {plane.ref} has version {plane.version or 'not set'}, which cannot be compared with a target")
    return found


def route_of(fleet: Fleet, wish: UpgradeRequest) -> Route:
    """The hops of one control plane; a way that must not be gone has a refusal and no hops."""
    plane = _plane(fleet, wish)
    provider = _provider(fleet, plane, wish)
    target = parse(wish.version)
    if target is None:
        raise ConfigError(f"target {wish.version!r} is not a version; write v1.30.3, v1.30-latest, or v2.6 for OpenShift Service Mesh 2")
    current = _current(fleet, plane)
    strategy = "InPlace" if plane.ossm2 else wish.strategy or plane.strategy
    if strategy not in _STRATEGIES:
        raise ConfigError(f"{fleet.cluster}: {plane.ref} has spec.updateStrategy.type {strategy!r}, expected {' or '.join(_STRATEGIES)}")
    ambient = bool(fleet.ambient) or any(row.kind == "ZTunnel" for row in fleet.components)
    rule = hops_for(provider, strategy, ambient=ambient)
    route = Route(plane, provider, strategy, ambient, current, target, rule)
    refusal = _refusal(route) or _unheard_of(route, fleet.offered)
    # At the target already: only proxies may be left behind.
    hops = () if refusal or current == target else tuple(_hops(fleet, route, wish.version))
    return replace(route, hops=hops, refusal=refusal)


def _refusal(route: Route) -> str:
    """Why this way must not be gone at all."""
    ossm2_target = route.target.major in (2, 3)
    if route.provider == "ossm2" and route.target.major != 2:
        return (
            f"{route.plane.ref} is of OpenShift Service Mesh 2 and cannot become {route.target}: that is a migration to other objects, "
            "see meshops.mesh.plan_migration"
        )
    if route.provider != "ossm2" and ossm2_target:
        known = OSSM_ISTIO.get(route.target.line)
        hint = f"; OpenShift Service Mesh {route.target.major}.{route.target.minor} is Istio {known[0]}.{known[1]}" if known else ""
        return f"{route.plane.ref} takes versions of Istio, not of the product: {route.target}{hint}"
    if route.target.line < route.current.line:
        return (
            f"from {route.current} to {route.target} is a downgrade across a minor: the older istiod drops fields that it does not know, "
            "which can open what a policy closes, and no release is tested in that direction; go to a patch of "
            f"{route.current.major}.{route.current.minor}, or build a mesh of the older version beside this one and move the workloads"
        )
    return ""


def _unheard_of(route: Route, offered: Sequence[str]) -> str:
    """Why there is no such version as far as anybody knows. A minor that is newer than this release of ours is no mistake by itself."""
    newest, wanted = max(KUBERNETES), istio_of(route.target) or route.target.line
    known = route.provider == "ossm2" or any(version.line == route.target.line for version in map(parse, offered) if version is not None)
    if known or (wanted[0] == newest[0] and wanted[1] <= newest[1] + _MINORS_OF_A_YEAR):
        return ""
    return (
        f"there is no Istio {route.target} as far as is known: {newest[0]}.{newest[1]} is the newest that this release of meshops.mesh "
        "knows, and nothing in the source says that the operator offers it; correct the target"
    )


def refusal_of_steps(versions: Sequence[str], rule: Hops) -> str:
    """Why a control plane must not go through these versions, the one that runs first; empty when it may. Aliases count as their minor."""
    for old, new in pairwise(versions):
        refusal = _refusal_of_step(old, new, rule)
        if refusal:
            return refusal
    return ""


def _refusal_of_step(old: str, new: str, rule: Hops) -> str:
    before, after = parse(old), parse(new)
    if before is None or after is None:
        return (
            f"from {old or 'no version'} to {new or 'no version'} cannot be judged, because "
            f"{(old if before is None else new) or 'nothing'} is not a version; expected one such as v1.30.3, the "
            "alias v1.30-latest, or v2.6 for OpenShift Service Mesh 2"
        )
    if after.major != before.major:
        return f"from {old} to {new} is another generation, which no upgrade reaches: see migrate_mesh{_product(after)}"
    ahead = distance(rule.provider, before, after)
    if ahead < 0:
        return (
            f"{new} is a minor version below {old}: a control plane does not go back across a minor version, because it has written "
            "what the older one does not know; upgrade_rollback=true takes an upgrade back that was begun here"
        )
    if ahead > rule.minors:
        skipped = "skips a minor version" if rule.minors == 1 else f"is more than {rule.minors} minor versions at once"
        return (
            f"from {old} to {new} {skipped}, which Istio does not support: name the versions in between in upgrade_hops, one for each minor"
        )
    return ""


def _product(version: Version) -> str:
    """A hint where the product's version stands for that of its Istio."""
    known = OSSM_ISTIO.get(version.line) if version.major == 3 else None
    return f" (OpenShift Service Mesh {version.major}.{version.minor} is Istio {known[0]}.{known[1]})" if known else ""


def _hops(fleet: Fleet, route: Route, wanted: str) -> Iterable[Hop]:
    lines = lines_of(route.provider, route.current.line, route.target.line)
    stops = [lines[index] for index in range(route.rule.minors, len(lines), route.rule.minors)]
    if not stops or stops[-1] != route.target.line:
        stops.append(route.target.line)
    operator = next((row for row in fleet.operators if row.package == MESH_PACKAGE[route.provider]), None)
    at = operator_line(operator) if operator else None
    old = route.current
    for number, line in enumerate(stops, start=1):
        text = wanted if line == route.target.line else _text(fleet, route, line)
        new = route.target if line == route.target.line else parse(text) or Version(*line)
        way = None
        if operator is not None and at is not None and line > at:
            at = _operator_goes_to(route, at, old.line, line)
            way = _operator_way(route, operator, at)
        yield Hop(number, old, new, _written(route, text), _revision(route, text), way, distance(route.provider, old, new) > 1)
        old = new


def _written(route: Route, text: str) -> str:
    """As the object has it: with a v; a minor alone is an alias where the operator knows aliases."""
    version = parse(text)
    if version is None or route.provider == "ossm2":
        return f"v{version.major}.{version.minor}" if version else text
    if version.alias:
        return f"v{version.major}.{version.minor}-latest"
    return text if text.startswith("v") else f"v{text}"


def _text(fleet: Fleet, route: Route, line: tuple[int, int]) -> str:
    """The newest patch of a minor that the operator has; its alias where the source does not say which those are."""
    if route.provider == "ossm2":
        return f"v{line[0]}.{line[1]}"
    offered = [version for version in map(parse, fleet.offered) if version is not None and version.line == line and not version.pre]
    return f"v{max(offered)}".replace("vv", "v") if offered else f"v{line[0]}.{line[1]}-latest"


def _revision(route: Route, text: str) -> str:
    """The name of the revision that this version makes; with an alias only its beginning is known."""
    if not route.revision_based:
        return route.plane.active_revision if route.plane.ossm2 or not route.plane.revision_based else route.plane.name
    return f"{route.plane.name}-{re.sub(r'latest$', '', _written(route, text)).replace('.', '-')}"


# operators


def operator_line(operator: Operator) -> tuple[int, int] | None:
    """The minor of Istio (of OpenShift Service Mesh for version 2) that an operator was released for."""
    return _csv_line(operator.installed_csv)


def _csv_line(csv: str) -> tuple[int, int] | None:
    found = version_of(csv)
    if not found:
        return None
    line = (found[0], found[1])
    return OSSM_ISTIO.get(line) if found[0] == 3 else line


def _operator_goes_to(route: Route, at: tuple[int, int], plane: tuple[int, int], needed: tuple[int, int]) -> tuple[int, int]:
    """As far as the target wants, but not so far that it would drop the control plane that runs, and at least where it is needed."""
    best = needed
    for line in lines_of(route.provider, needed, route.target.line):
        window = lines_of(route.provider, plane, line)
        if len(window) <= OPERATOR_LINES:
            best = max(best, line)
    return max(best, at)


def _operator_way(route: Route, operator: Operator, line: tuple[int, int]) -> OperatorWay:
    """The CSVs between here and there; the newest of the wanted minor is the end."""
    later = operator.hops[operator.hops.index(operator.installed_csv) + 1 :] if operator.installed_csv in operator.hops else ()
    wanted = [csv for csv in later if (_csv_line(csv) or (0, 0)) <= line]
    reaches = any(_csv_line(csv) == line for csv in wanted)
    channel = ""
    if operator.hops and not reaches:
        channel = f"stable-{'.'.join(map(str, ossm_of(Version(*line)) or line))}" if route.provider == "ossm3" else "stable"
    if not operator.hops and operator.next_csv and operator.next_csv != operator.installed_csv:
        wanted = [operator.next_csv]
    return OperatorWay(operator, line, tuple(wanted), channel if channel != operator.channel else "")
