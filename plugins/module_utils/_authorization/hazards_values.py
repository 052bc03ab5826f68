# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Values of policies that do not match what they look like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .._model.problem import Problem
from .analysis import PolicyAnalysis, ref_of
from .model import AuthorizationPolicy, Clause
from .wording import names

__all__ = [
    "allow_by_not_identity",
    "ambient_trust_domain",
    "deny_by_identity",
    "empty_lists",
    "hosts",
    "methods",
    "missing_accounts",
    "missing_namespaces",
    "spiffe_prefix",
    "stars",
    "unqualified_accounts",
]

IDENTITIES = ("principals", "namespaces", "serviceAccounts", "trustDomains")
_IDENTITY_KEYS = ("source.principal", "source.namespace", "source.serviceAccount", "source.trustDomain")
_WANT_ONE = (*IDENTITIES, "requestPrincipals")  # with one of these no caller without an identity, or a token, gets in
_LISTS = ("from", "to")


def _not(name: str) -> str:
    return f"not{name[0].upper()}{name[1:]}"


def _template(value: str) -> str:
    """What Envoy does not take in a path template although Istio's webhook does; empty if nothing."""
    if not value.startswith("/"):
        return "a template must begin with a slash, which is missing"
    return "a template may have no empty segment before its end, and there is one" if "//" in value else ""


def empty_lists(analysis: PolicyAnalysis) -> Iterator[Problem]:
    for obj in analysis.inventory.objects:
        spec = obj.get("spec") if obj.get("kind") == "AuthorizationPolicy" else None
        rules = spec.get("rules") if isinstance(spec, Mapping) else None
        metadata = obj.get("metadata") or {}
        ref = f"AuthorizationPolicy {metadata.get('namespace', 'default')}/{metadata.get('name')}"
        for number, rule in enumerate(rules if isinstance(rules, list) else []):
            if rule is None:
                yield Problem(ref, f"rules[{number}] is null, which istiod takes for anyone and anything; the API server refuses it")
            for name in _LISTS:
                if isinstance(rule, Mapping) and name in rule and not rule[name] and isinstance(rule[name], list | None):
                    what = "an empty list" if rule[name] == [] else "null, as if it were not there"
                    word = "callers" if name == "from" else "operations"
                    yield Problem(ref, f"rules[{number}].{name} is {what}, which Istio takes for any: {word} are not limited")


def _identities(
    analysis: PolicyAnalysis, *actions: str
) -> Iterator[tuple[AuthorizationPolicy, str, tuple[str, ...], tuple[str, ...], bool]]:
    """Each place that asks for an identity: policy, place, lists that want one or exclude some; does the rule want one at all?"""
    for policy in analysis.policies:
        for number, rule in enumerate(policy.rules if policy.action in actions else ()):
            wanted = any(condition.key in _IDENTITY_KEYS and condition.values for condition in rule.when)
            for index, clause in enumerate(rule.sources):
                positive = tuple(name for name in IDENTITIES if name in clause.lists)
                excluded = tuple(_not(name) for name in IDENTITIES if _not(name) in clause.lists)
                own = wanted or bool(positive) or "requestPrincipals" in clause.lists
                yield policy, f"rules[{number}].from[{index}].source", positive, excluded, own
            in_each = bool(rule.sources) and all(any(name in clause.lists for name in _WANT_ONE) for clause in rule.sources)
            for index, condition in enumerate(rule.when):
                if condition.key in _IDENTITY_KEYS:
                    lists = (("values",) if condition.values else (), ("notValues",) if condition.not_values else ())
                    yield policy, f"rules[{number}].when[{index}] ({condition.key})", *lists, wanted or in_each


def deny_by_identity(analysis: PolicyAnalysis) -> Iterator[Problem]:
    for policy, where, lists, _excluded, _wanted in _identities(analysis, "DENY"):
        open_ = analysis.not_strict(policy) if lists else []
        if open_:
            yield Problem(
                ref_of(policy),
                (
                    f"{where}.{lists[0]}: a caller without mutual TLS has no identity, so this DENY never matches it; "
                    f"mutual TLS is not STRICT at {names(dict.fromkeys(open_))}"
                ),
            )


def allow_by_not_identity(analysis: PolicyAnalysis) -> Iterator[Problem]:
    for policy, where, _lists, excluded, wanted in _identities(analysis, "ALLOW"):
        open_ = analysis.not_strict(policy) if excluded and not wanted else []
        if open_:
            yield Problem(
                ref_of(policy),
                (
                    f"{where}.{excluded[0]} holds for every caller without an identity too; "
                    f"mutual TLS is not STRICT at {names(dict.fromkeys(open_))}"
                ),
            )


def _values(analysis: PolicyAnalysis, *wanted: str) -> Iterator[tuple[AuthorizationPolicy, str, str, str, Clause]]:
    """Each value of these lists and of their not-forms, and of the keys of `when` that mean the same."""
    keys = {"source.principal": "principals", "source.namespace": "namespaces", "source.serviceAccount": "serviceAccounts"}
    for policy, where, clause, _word in analysis.clauses():
        for name in wanted:
            for written in (name, _not(name)):
                for value in clause.lists.get(written, ()):
                    yield policy, f"{where}.{written}", name, value, clause
    for policy in analysis.policies:
        for number, rule in enumerate(policy.rules):
            for index, condition in enumerate(rule.when):
                if keys.get(condition.key) in wanted:
                    for value in (*condition.values, *condition.not_values):
                        yield policy, f"rules[{number}].when[{index}]", keys[condition.key], value, Clause({})


def spiffe_prefix(analysis: PolicyAnalysis) -> Iterator[Problem]:
    for policy, where, _name, value, _clause in _values(analysis, "principals"):
        if value.startswith("spiffe://"):
            yield Problem(ref_of(policy), f"{where}: {value} never matches; write {value.removeprefix('spiffe://')}")


def stars(analysis: PolicyAnalysis) -> Iterator[Problem]:
    for policy, where, name, value, _clause in _values(analysis, "principals", "paths", "hosts", "methods", "namespaces"):
        inner = value[1:-1] if len(value) > 1 else ""
        both = len(value) > 1 and value.startswith("*") and value.endswith("*")
        if name == "paths" and ("{*}" in value or "{**}" in value):
            problem = _template(value)
            if problem:
                yield Problem(
                    ref_of(policy), f"{where}: {problem} in {value}: Istio accepts it, and Envoy refuses the listener that has it"
                )
            continue
        if name == "namespaces":
            ambient = any(place.workload.kind == "ztunnel" for place, _door in analysis.at.get(id(policy), ()))
            if "*" in inner and ambient:
                yield Problem(ref_of(policy), f"{where}: ztunnel takes the * in {value} literally, a sidecar takes it as a wildcard")
        elif "*" in inner or both:
            yield Problem(ref_of(policy), f"{where}: in {value} only a * at one end is a wildcard; the other is a literal *")


def hosts(analysis: PolicyAnalysis) -> Iterator[Problem]:
    for policy, where, _name, value, clause in _values(analysis, "hosts"):
        others = clause.lists.get("hosts", ()) + clause.lists.get("notHosts", ())
        if "*" not in value and ":" not in value and f"{value}:*" not in others:
            denies = (policy.action == "DENY") != where.endswith("notHosts")
            effect = "passes by it" if denies else "is not meant by it"
            yield Problem(ref_of(policy), f"{where}: Host {value}:8443 {effect}, because the port is compared too; add {value}:*")


def methods(analysis: PolicyAnalysis) -> Iterator[Problem]:
    for policy, where, _name, value, _clause in _values(analysis, "methods"):
        if value != value.upper():
            yield Problem(ref_of(policy), f"{where}: {value} never matches; methods are in upper case: {value.upper()}")


def unqualified_accounts(analysis: PolicyAnalysis) -> Iterator[Problem]:
    root = analysis.inventory.mesh.root_namespace
    for policy, where, _name, value, _clause in _values(analysis, "serviceAccounts"):
        if policy.namespace == root and "/" not in value:
            yield Problem(ref_of(policy), f"{where}: {value} means {root}/{value}, because the policy is in the root namespace")


def _named(analysis: PolicyAnalysis) -> Iterator[tuple[AuthorizationPolicy, str, str, str, str]]:
    """Each namespace and service account that is named whole: policy, place, value, namespace, account (empty: only a namespace)."""
    domains = set(analysis.inventory.mesh.trust_domains) | {"cluster.local"}
    for policy, where, name, value, _clause in _values(analysis, "principals", "serviceAccounts", "namespaces"):
        if "*" in value:
            continue
        if name == "namespaces":
            yield policy, where, value, value, ""
        elif name == "serviceAccounts":
            namespace, _slash, account = value.rpartition("/")
            yield policy, where, value, namespace or policy.namespace, account
        else:
            parts = value.split("/")
            if len(parts) == 5 and (parts[1], parts[3]) == ("ns", "sa") and parts[0] in domains:
                yield policy, where, value, parts[2], parts[4]


def missing_accounts(analysis: PolicyAnalysis) -> Iterator[Problem]:
    """Only of namespaces whose service accounts the source has: a folder without any has them made elsewhere."""
    counted = {ref.partition("/")[0] for ref in analysis.written}
    for policy, where, value, namespace, account in _named(analysis):
        known = namespace in analysis.namespaces if analysis.complete else namespace in counted
        if account and known and account != "default" and f"{namespace}/{account}" not in analysis.accounts:
            yield Problem(ref_of(policy), f"{where}: {value} matches no caller: there is no ServiceAccount {namespace}/{account}")


def missing_namespaces(analysis: PolicyAnalysis) -> Iterator[Problem]:
    """Only where the source has all of them, which a folder of manifests never has."""
    for policy, where, value, namespace, _account in _named(analysis) if analysis.complete else ():
        if namespace not in analysis.namespaces:
            yield Problem(ref_of(policy), f"{where}: {value} matches no caller: there is no Namespace {namespace}")


def ambient_trust_domain(analysis: PolicyAnalysis) -> Iterator[Problem]:
    domain = analysis.inventory.mesh.trust_domain
    for policy, where, _name, value, _clause in _values(analysis, "principals"):
        ambient = [place.ref for place, _door in analysis.at.get(id(policy), ()) if place.workload.kind == "ztunnel"]
        if domain != "cluster.local" and value.startswith("cluster.local/") and ambient:
            yield Problem(ref_of(policy), f"{where}: {value} never matches at {names(ambient)}: ztunnel knows no alias of {domain}")
