# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The rules: each looks at some variables, and is asked only where all of them have their shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from .._canary.refusals import canary_refusals
from .._egress.refusals import external_refusals
from .._errors import ConfigError, MeshError
from .._gateways.refusals import gateway_refusals
from .._isolation.plan import isolation_refusals
from .._model.fields import entries, merged
from .._model.members import member_refusals, namespaces_of
from .._model.packages import packages_of
from .._model.plane_refusals import plane_refusals
from .._model.versions import parse
from .._multicluster.topology import topology_refusals
from .._observability.refusals import observability_refusals
from .._olm.refusals import operator_refusals
from .._personas.refusals import persona_refusals
from .._text import did_you_mean, quoted, shown
from .._traffic.refusals import traffic_refusals
from . import certificates, references
from .given import MeshVariables

__all__ = ["RULES", "notes", "refusals"]

_UNRELEASED = "master"  # the Sail operator has it beside versions

Find = Callable[[MeshVariables], Iterable[str]]


class VariableRule(NamedTuple):
    """It is asked where the first of its variables is set and none of them is broken."""

    of: tuple[str, ...]
    find: Find


def refusals(given: MeshVariables) -> list[str]:
    """Everything that the inventory alone says cannot be, each as `variable[0].field: sentence`."""
    return _found(given, RULES)


def notes(given: MeshVariables) -> list[str]:
    """What is probably a slip, but may be meant: names of what somebody else may bring."""
    return _found(given, NOTES)


def _found(given: MeshVariables, rules: Iterable[VariableRule]) -> list[str]:
    asked = [rule for rule in rules if given.has(rule.of[0]) and not given.broken & set(rule.of)]
    return list(dict.fromkeys(text for rule in asked for text in rule.find(given)))


def lines_of(error: MeshError) -> list[str]:
    """The problems of an error that has several of them, each as a line."""
    return [text.removeprefix("- ") for text in str(error).split("\n") if text.startswith("- ")] or [str(error)]


def _domains(given: MeshVariables) -> Iterator[str]:
    seen: dict[str, int] = {}
    for number, row in enumerate(given.rows("mesh_domains")):
        name = str(row.get("name"))
        if name in seen:
            yield f"mesh_domains[{number}].name: mesh_domains[{seen[name]}] is called {shown(name)} as well; give each a name of its own"
        seen.setdefault(name, number)
    names = [str(name) for name in namespaces_of(given.values.get("mesh_domains"))]
    yield from member_refusals(names, mesh=given.text("mesh_name"), host=given.host, control_plane=given.home, neighbours=given.neighbours)


def _personas(given: MeshVariables) -> Iterable[str]:
    return persona_refusals(given.rows("mesh_personas"), given.members) if given.knows_members else ()


def _control_plane(given: MeshVariables) -> Iterable[str]:
    version = given.versions.get(given.generation, "")
    if not given.provider or not version or not given.plane_defaults:
        return ()
    plane = given.map("mesh_control_plane")
    meant = merged(given.plane_defaults, plane)
    return plane_refusals(plane, meant, mesh=given.text("mesh_name") or plane.get("name"), provider=given.provider, version=version)


def _version(variable: str) -> Find:
    def find(given: MeshVariables) -> Iterator[str]:
        if parse(given.text(variable)) is None and given.text(variable) != _UNRELEASED:
            yield f"{variable}: {quoted(given.text(variable))} is no version; expected one such as v1.27.3, v1.27-latest or v2.6"

    return find


def _observability(given: MeshVariables) -> Iterable[str]:
    if not given.provider:
        return ()
    return observability_refusals(given.provider, given.map("mesh_control_plane"), given.map("mesh_observability"))


def _gateways(given: MeshVariables) -> Iterable[str]:
    if not given.has("mesh_control_plane"):
        return ()
    return gateway_refusals(
        given.rows("mesh_gateways"),
        given.rows("mesh_gateways_handshakes"),
        given.map("mesh_control_plane"),
        given.rows("mesh_project_gateways"),
        given.provider,
    )


def _traffic(given: MeshVariables) -> Iterable[str]:
    if given.text("traffic_state") == "absent":
        return ()
    api = given.text("traffic_api") or ("gateway" if given.map("mesh_control_plane").get("profile") == "ambient" else "istio")
    return traffic_refusals(given.rows("mesh_traffic"), given.rows("mesh_gateways"), api=api, provider=given.provider)


def _canaries(given: MeshVariables) -> Iterable[str]:
    """Only where canaries are released: an installation has no use for a row that is done."""
    return canary_refusals(given.rows("mesh_canaries"), given.rows("mesh_traffic")) if "canary" in given.roles else ()


def _isolation(given: MeshVariables) -> Iterable[str]:
    return isolation_refusals(given.map("mesh_isolation"), given.members if given.knows_members else (), given.home)


def _external(given: MeshVariables) -> Iterable[str]:
    members = given.members if given.knows_members else ()
    return external_refusals(given.rows("mesh_external_services"), given.rows("mesh_domains"), members, given.home)


def _topology(given: MeshVariables) -> Iterable[str]:
    topology = given.map("mesh_topology")
    return topology_refusals(topology, given.host, given.provider) if topology else ()


def _operators(given: MeshVariables) -> Iterable[str]:
    if not given.provider:
        return ()
    extra = given.rows("mesh_operators_extra")
    used = packages_of(given.provider, given.map("mesh_control_plane"), given.map("mesh_observability"), extra)
    return operator_refusals(
        [row.package for row in used],
        channels=given.map("mesh_operators_channels"),
        versions=given.map("mesh_operators_versions"),
        starting_csvs=given.map("mesh_operators_starting_csvs"),
    )


def _access(given: MeshVariables) -> Iterable[str]:
    # late: a run without an intended access needs none of it
    from .._access.intent import bare_intent, read_intent
    from .._access.references import access_references

    access, domains = given.map("mesh_access"), given.rows("mesh_domains")
    try:
        if given.values.get("access_stages"):
            if given.text("mesh_target") == "files":
                return [
                    "access_stages: are steps in time, which a tree of files cannot have; leave them out, and sync waves take their place"
                ]
            bare_intent(access, domains)  # the stages are given, and only issuers count
            return ()
        if given.text("access_state") == "absent" or (not access.get("rules") and "access" not in given.roles):
            return ()
        if not given.knows_members and not access.get("namespaces"):
            return ()  # what is closed is not known here
        intent = read_intent(access, domains)
    except ConfigError as exc:
        return lines_of(exc)
    return access_references(intent, given.members, given.home) if given.knows_members and given.home else ()


def _rollouts(given: MeshVariables) -> Iterator[str]:
    # late: most runs have no waves
    from .._rollout.waves import orders_from, width
    from .._rollout.windows import windows_from

    said = given.map("mesh_upgrade")
    try:
        waves = orders_from(said.get("waves") or [], domains=given.domains if given.knows_members else None)
        yield from references.waves(given, {one.name for one in waves})
    except ConfigError as exc:
        yield f"mesh_upgrade.waves: {exc}"
    try:
        windows_from(said.get("windows") or [])
    except ConfigError as exc:
        yield f"mesh_upgrade.windows: {exc}"
    try:
        width(str(said.get("concurrency") or ""), 1)
    except ConfigError as exc:
        yield f"mesh_upgrade.concurrency: {exc}"


def _hops(given: MeshVariables) -> Iterator[str]:
    # late: it knows every version there is
    from .._upgrade.route import refusal_of_steps
    from .._upgrade.rules import HOPS, hops_for

    plane, hops = given.map("mesh_control_plane"), [str(one) for one in given.values["upgrade_hops"]]
    if given.provider in {row.provider for row in HOPS}:
        strategy = str(plane.get("update_strategy") or "InPlace")
        refusal = refusal_of_steps(hops, hops_for(given.provider, strategy, ambient=plane.get("profile") == "ambient"))
        if refusal:
            yield f"upgrade_hops: {refusal}"


def _split(value: Any) -> list[str]:
    """A list, or a text with commas, as modules take both."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else [str(one) for one in entries(value)]


def _checks(given: MeshVariables) -> Iterator[str]:
    # late: it brings every check
    from .._catalogue import CATALOGUE

    for number, code in enumerate(_split(given.values["mesh_check_only"])):
        if code not in CATALOGUE.by_id:
            yield f"mesh_check_only[{number}]: there is no check {shown(code)}; {did_you_mean(code, CATALOGUE.by_id)}"


def _categories(given: MeshVariables) -> Iterator[str]:
    # late, as above
    from .._checks.categories import CATEGORIES

    for number, name in enumerate(_split(given.values["mesh_check_categories"])):
        if name not in CATEGORIES:
            yield f"mesh_check_categories[{number}]: there is no category {shown(name)}; {did_you_mean(name, CATEGORIES)}"


def _thresholds(given: MeshVariables) -> Iterator[str]:
    # late, as above
    from .._checks.types import THRESHOLDS

    for name in given.map("mesh_check_thresholds"):
        if name not in THRESHOLDS:
            yield f"mesh_check_thresholds: there is no threshold {shown(name)}; {did_you_mean(name, THRESHOLDS)}"


PLANE, DOMAINS, PROVIDER = "mesh_control_plane", "mesh_domains", "mesh_provider"
OPERATORS = ("mesh_operators_channels", "mesh_operators_versions", "mesh_operators_starting_csvs")
RULES = (
    VariableRule((DOMAINS, PLANE, "mesh_name"), _domains),
    VariableRule(("mesh_personas", DOMAINS, PLANE), _personas),
    VariableRule((PLANE, PROVIDER, "mesh_name"), _control_plane),
    VariableRule(("mesh_ossm2_version",), _version("mesh_ossm2_version")),
    VariableRule(("mesh_ossm3_version",), _version("mesh_ossm3_version")),
    VariableRule(("mesh_observability", PLANE, PROVIDER), _observability),
    VariableRule((PLANE, "mesh_observability", PROVIDER), _observability),
    *(VariableRule((name, *OPERATORS, PLANE, PROVIDER, "mesh_observability", "mesh_operators_extra"), _operators) for name in OPERATORS),
    VariableRule(("mesh_gateways", "mesh_gateways_handshakes", "mesh_project_gateways", PLANE, PROVIDER), _gateways),
    VariableRule(("mesh_gateways_handshakes", "mesh_gateways", "mesh_project_gateways", PLANE), _gateways),
    VariableRule(("mesh_project_gateways", "mesh_gateways", "mesh_gateways_handshakes", PLANE), _gateways),
    VariableRule(("mesh_project_gateways", DOMAINS, "mesh_workloads"), references.project_gateways),
    VariableRule(("mesh_isolation", DOMAINS, PLANE), _isolation),
    VariableRule(("mesh_external_services", DOMAINS, PLANE), _external),
    VariableRule(("mesh_topology", PROVIDER), _topology),
    VariableRule(("mesh_gateways", DOMAINS, PLANE), references.routes),
    VariableRule(("mesh_gateways", DOMAINS, PLANE), references.api_gateways),
    VariableRule(("mesh_gateways", "mesh_workloads"), references.route_ports),
    VariableRule(("mesh_traffic", "mesh_gateways", "traffic_api", PLANE, PROVIDER), _traffic),
    VariableRule(("mesh_traffic", DOMAINS), references.traffic_namespaces),
    VariableRule(("mesh_traffic", "mesh_workloads"), references.traffic_versions),
    VariableRule(("mesh_canaries", "mesh_traffic"), _canaries),
    VariableRule(("mesh_workloads", DOMAINS), references.workloads),
    VariableRule(("mesh_workloads", "mesh_mtls"), references.applications),
    VariableRule(("mesh_mtls", DOMAINS), references.exemptions),
    VariableRule(("mesh_access", DOMAINS, PLANE), _access),
    VariableRule(("mesh_upgrade", DOMAINS), _rollouts),
    VariableRule(("upgrade_hops", PLANE, PROVIDER), _hops),
    VariableRule(("migration_only", DOMAINS), references.migrated),
    VariableRule(("mesh_adopt",), references.adopted),
    VariableRule(("mesh_certificates_gateways", "mesh_gateways", PLANE), certificates.served),
    VariableRule((PLANE, *certificates.VARIABLES), certificates.intended),
    VariableRule(("mesh_check_only",), _checks),
    VariableRule(("mesh_check_categories",), _categories),
    VariableRule(("mesh_check_thresholds",), _thresholds),
)
NOTES = (
    VariableRule(("mesh_gateways", "mesh_workloads"), references.near_services),
    VariableRule(("mesh_gateways", "mesh_certificates_gateways"), references.near_credentials),
)
