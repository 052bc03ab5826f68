# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Trust and policies on the way: certificates that end, roots that are not shared, policies that an older istiod reads as less."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from .._authorization.versions import abilities
from .._model import kinds as k
from .._model.problem import Problem, skip
from .._model.secrets_used import CA_SECRETS, CACERTS, OWN
from .._model.versions import Version, istio_of, parse
from .._model.view import Obj, ref
from .journey import UpgradeAssessment

__all__ = ["dropped_fields", "ending", "root"]

_SOURCES = {
    "serviceAccounts": "service_accounts",
    "notServiceAccounts": "service_accounts",
    "trustDomains": "trust_domains",
    "notTrustDomains": "trust_domains",
}
_TARGETED = (k.AUTHORIZATION_POLICY, k.REQUEST_AUTHENTICATION)
_SPECIAL = {"ServiceEntry": "service_entry_targets", "GatewayClass": "gateway_class_targets"}


def ending(rows: Iterable[Mapping[str, Any]], *, now: datetime, hours: float) -> Iterator[Problem]:
    """Certificates that end while the upgrade goes on, or that have ended. rows: with resource, subject and not_after."""
    until, told = now + timedelta(hours=hours), set()
    for row in rows:
        ends, key = datetime.fromisoformat(str(row["not_after"])), (row["resource"], row["fingerprint"])
        if ends >= until or key in told:
            continue
        told.add(key)
        word = "has ended" if ends <= now else f"ends within the {hours:g} hours of the upgrade"
        yield Problem(str(row["resource"]), f"the certificate {row['subject']} {word}, at {ends:%Y-%m-%d %H:%M} UTC")


def root(journey: UpgradeAssessment) -> Iterator[Problem]:
    """Whether the new istiod signs with the CA of the old one. It reads cacerts or istio-ca-secret of its own namespace; where neither is,
    it makes a root of its own, and proxies of the two control planes do not trust each other."""
    route, view = journey.route, journey.view
    if not route.hops:
        return
    namespace = route.plane.namespace
    yield from _istio_csr(journey)
    if _issued_elsewhere(journey):
        return
    secrets = [name for name in CA_SECRETS if view.get(k.SECRET, name, namespace) is not None]
    where = ref(k.SECRET, CACERTS, namespace)
    if view.source == "manifests":
        if not secrets:
            yield skip("manifests do not have the CA's Secret")
    elif not secrets:
        yield Problem(where, f"neither it nor {OWN} is there: a new istiod makes a root of its own, which no running proxy trusts")


def _istio_csr(journey: UpgradeAssessment) -> Iterator[Problem]:
    """istio-csr gives certificates to the istiods of the revisions that it is told, and to no other."""
    for row in journey.view.of(k.ISTIO_CSR):
        known = row.at("spec", "istioCSRConfig", "istio", "revisions")
        namespace = row.at("spec", "istioCSRConfig", "istio", "namespace")
        if not isinstance(known, list) or namespace not in (None, journey.route.plane.namespace):
            continue
        for hop in journey.route.hops:
            if hop.revision not in known and not hop.revision.endswith("-"):
                message = f"its revisions are {', '.join(map(str, known))}: istiod of {hop.revision} would get no certificate"
                yield Problem(
                    row.ref, message, f"add {hop.revision} to spec.istioCSRConfig.istio.revisions before the control plane's step"
                )


def _issued_elsewhere(journey: UpgradeAssessment) -> bool:
    """True where istiod has no CA: an agent signs (istio-csr), or an external one."""
    if journey.view.of(k.ISTIO_CSR):
        return True
    for row in journey.view.of(k.ISTIO):
        env = row.at("spec", "values", "pilot", "env", default={})
        if row.name == journey.route.plane.name and (str(env.get("ENABLE_CA_SERVER", "")).lower() == "false" or env.get("EXTERNAL_CA")):
            return True
    return False


# policies


def _istiods(journey: UpgradeAssessment) -> list[tuple[str, Version]]:
    """Every istiod that reads the policies at some time of the upgrade, the way back included: those that run, and those to come."""
    found = {row.ref: parse(row.version) for row in journey.fleet.revisions_of(journey.route.plane)}
    found.setdefault(journey.route.plane.ref, journey.route.current)
    rows = [(where, version) for where, version in found.items() if version is not None]
    return [*rows, *((f"{journey.route.plane.ref} at {hop.text}", hop.new) for hop in journey.route.hops)]


def dropped_fields(journey: UpgradeAssessment) -> Iterator[Problem]:
    """Fields that one of the istiods does not know. It drops them without a word: a source with nothing else means everybody, and a policy
    with targetRefs only means its whole namespace."""
    readers: dict[str, tuple[str, Version]] = {}
    for where, version in _istiods(journey):
        line = istio_of(version)
        if line is None:
            continue
        can = abilities(f"{line[0]}.{line[1]}.{0 if version.patch is None or version.major != 1 else version.patch}")
        for ability in {*_SOURCES.values(), "target_refs", *_SPECIAL.values()}:
            if not getattr(can, ability):
                readers.setdefault(ability, (where, version))
    if not readers:
        return
    for kind in _TARGETED:
        for row in journey.view.of(kind):
            if _pinned_elsewhere(journey, row.labels.get("istio.io/rev"), readers):
                continue
            for field, ability, effect in _fields(row):
                if ability in readers:
                    where, version = readers[ability]
                    yield Problem(row.ref, f"{field} is not known to {where} ({version}), which drops it: {effect}")


def _pinned_elsewhere(journey: UpgradeAssessment, revision: str | None, readers: Mapping[str, tuple[str, Version]]) -> bool:
    """Whether the object is for one revision only, and that is none of those that drop something."""
    if not revision or revision in journey.leaving:
        return False
    coming = {hop.revision for hop in journey.route.hops}
    found = journey.fleet.revision(revision)
    dropping = {where for where, _version in readers.values()}
    return revision in coming if found is None else found.ref not in dropping


def _fields(row: Obj) -> Iterator[tuple[str, str, str]]:
    """(field, the ability it needs, what happens without it)"""
    targets = row.items("spec", "targetRefs") or ([row.at("spec", "targetRef")] if row.at("spec", "targetRef") else [])
    if targets:
        yield "spec.targetRefs", "target_refs", f"the policy covers its whole namespace {row.namespace}"
    for target in targets:
        ability = _SPECIAL.get(str(target.get("kind")))
        if ability:
            yield f"a targetRef to a {target['kind']}", ability, "the policy is attached to nothing"
    for number, rule in enumerate(row.items("spec", "rules")):
        for entry in (rule or {}).get("from") or []:
            source = (entry or {}).get("source") or {}
            new = {name: ability for name, ability in _SOURCES.items() if name in source}
            for name, ability in new.items():
                left = [key for key in source if _SOURCES.get(key) != ability]
                effect = f"{', '.join(left)} is all that is left of the source" if left else "the source is any caller"
                yield f"rules[{number}].from.{name}", ability, effect
