# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM3xxx: authorization. 30: what Istio makes of the objects; 31: patterns that do not do what they look like; 32: what can go; 33: the
matrix of intended access."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from .._checks.types import Category, CheckRow, Options
from .._model import kinds as k
from .._model.fields import namespace_of
from .._model.injection import proxy_of
from .._model.intent import Intent
from .._model.istiods import istiods
from .._model.kinds import Kind
from .._model.objects import LAYER, is_ours
from .._model.problem import Problem, Severity, skip
from .._model.revisions import revision_of_pod
from .._model.view import View
from .._model.workloads import may_have_pods
from .._text import counted
from . import hazards_callers as callers
from . import hazards_unenforced as unenforced
from . import hazards_values as values
from .ambient_hazards import closed_ports, open_ports, panics, peer_addresses, unlabelled_pods
from .analysis import PolicyAnalysis, known_namespaces
from .automata import TooManyError
from .change import ChangeGroup
from .inventory import MeshInventory, Workload, take
from .proof import Proof, prove, read_matrix
from .removable import Doors, Spare, spare_policies, spare_rules, spare_values
from .seen import seen_of
from .wording import names
from .world import MeshPolicies

CATEGORY = Category("authorization")
check = CATEGORY.check

__all__ = ["about", "analysis_of", "proof_of"]

Hazard = Callable[[PolicyAnalysis], Iterable[Problem]]
_SECURITY = (k.AUTHORIZATION_POLICY, k.PEER_AUTHENTICATION, k.REQUEST_AUTHENTICATION)
_WORKLOADS = (k.DEPLOYMENT, k.STATEFUL_SET, k.DAEMON_SET, k.CRON_JOB, k.POD)
INPUTS = (
    *_SECURITY,
    *_WORKLOADS,
    k.NAMESPACE,
    k.SERVICE,
    k.SERVICE_ACCOUNT,
    k.VIRTUAL_SERVICE,
    k.GATEWAY,
    k.SERVICE_ENTRY,
    k.SIDECAR,
    k.WORKLOAD_GROUP,
    k.WORKLOAD_ENTRY,
    k.CONFIG_MAP,
    k.ISTIO,
    k.ISTIO_REVISION,
    k.ISTIO_REVISION_TAG,
    k.Z_TUNNEL,
    k.ISTIO_OPERATOR,
    k.SMCP,
    k.SMMR,
    k.K8S_GATEWAY,
)
_CLUSTER_WIDE = (k.NAMESPACE, k.ISTIO, k.ISTIO_REVISION, k.ISTIO_REVISION_TAG, k.Z_TUNNEL)
_SHOWN = 5
_ROW = re.compile(r"access\[\d+\]")  # of the matrix, as its policies are called
_NO_PROXY = (" no proxy ", " past its proxy")  # in the words of a door that nobody guards
_WHERE = "give the folder, snapshot or cluster that has the workloads; access_scope names their namespaces"
_GUARD = "no policy helps there: get it a proxy, have the proxy take its ports, or leave its namespace out with access_scope"
_RENDERED = "access_allow"  # ALLOW of _access.render, which stands on this package


def _cors(view: View, inventory: MeshInventory) -> Iterator[str]:
    """The workloads behind a route with corsPolicy, and the gateways in front of it are not told: those that serve the Service."""
    hosts: set[tuple[str, str]] = set()
    for service in view.of(k.VIRTUAL_SERVICE):
        for rule in service.items("spec", "http"):
            if isinstance(rule, Mapping) and rule.get("corsPolicy"):
                for route in [route for route in rule.get("route") or [] if isinstance(route, Mapping)]:
                    host = str((route.get("destination") or {}).get("host") or "").split(".")
                    hosts.add((host[1] if len(host) > 1 else service.namespace, host[0]))
    for namespace, name in hosts:
        target = view.get(k.SERVICE, name, namespace)
        selector = target.at("spec", "selector", default={}) if target else {}
        for place in inventory.near(namespace) if selector else ():
            labels = place.workload.labels
            if all(labels.get(key) == value for key, value in selector.items()):
                yield place.ref


def _owned(intent: Intent) -> Callable[[str], bool]:
    """Which namespaces are looked at. The root namespace that was given is the mesh's too: what stands there holds for all members."""
    root = (intent.mesh_settings or {}).get("root_namespace")
    return lambda namespace: intent.owns(namespace) or namespace == root


def _left_out(view: View, intent: Intent, inventory: MeshInventory) -> tuple[str, ...]:
    """Pods with a proxy of this mesh in namespaces that are no members, where members are given: they are said to be all of it. With a
    revision that the source has for another mesh, or for none, a pod is that one's."""
    if intent.members is None:
        return ()
    revisions, owned = {mesh.revision for mesh in inventory.meshes} - {""}, _owned(intent)
    found = [row for row in view.of(k.POD) if not owned(row.namespace) and not row.deleting and row.labels.get("app") != "ztunnel"]
    found = [row for row in found if proxy_of(row) is not None and (not revisions or revision_of_pod(row.raw) in revisions)]
    spaces = dict.fromkeys(row.namespace for row in found)
    shown = ", ".join(list(spaces)[:_SHOWN]) + (", ..." if len(spaces) > _SHOWN else "")
    return (f"{counted(len(found), 'pod')} with a proxy in namespaces that are no members ({shown})",) if found else ()


def analysis_of(view: View, intent: Intent) -> PolicyAnalysis:
    """The mesh of a source; made once for each view and intent."""
    return view.memo("authorization.analysis", intent, lambda: _analysis(view, intent))


def _analysis(view: View, intent: Intent) -> PolicyAnalysis:
    # What holds for all may stand in a namespace of its own, which is no member.
    roots = {config.root_namespace for config in istiods(view) if intent.namespace in ("", config.namespace, config.root_namespace)}
    owned = _owned(intent)

    def counts(kind: Kind, namespace: str) -> bool:
        return kind in _CLUSTER_WIDE or owned(namespace) or (kind in _SECURITY and namespace in roots)

    objects = {kind: [row for row in view.of(kind) if counts(kind, row.namespace)] for kind in INPUTS}
    raw: list[Mapping[str, Any]] = [row.raw for rows in objects.values() for row in rows]
    # Whatever has pods is a workload: an operator's own kind, and what stands between a pod and its owner.
    raw += [row for row in view.others(INPUTS) if may_have_pods(row) and owned(namespace_of(row))]
    # Without them the tags of Istio's charts are not known; nothing else is lost where we may not read them.
    raw += [row for row in view.objects() if row.get("kind") == k.MUTATING_WEBHOOK.kind]
    inventory = take(raw, intent.mesh_settings, assume=view.source == "manifests", home=intent.namespace)
    inventory = replace(inventory, unjudged=_left_out(view, intent, inventory))
    written = {f"{row.namespace}/{row.name}" for row in view.of(k.SERVICE_ACCOUNT)}
    accounts = written | {f"{place.namespace}/{place.account}" for place in inventory.places if not place.assumed}
    every = [row.raw for kind in INPUTS for row in view.of(kind)]
    return PolicyAnalysis(
        MeshPolicies(inventory.objects, inventory.mesh),
        inventory,
        frozenset(accounts),
        frozenset(written),
        known_namespaces(every),
        complete=view.source != "manifests",
        cors=frozenset(_cors(view, inventory)),
    )


@CATEGORY.tells
def about(view: View, intent: Intent) -> str:
    """What the category was about; nothing where the source has no object of the security API and no matrix is given."""
    analysis = analysis_of(view, intent)
    return seen_of(analysis.inventory, intent.access_scope).text if analysis.inventory.objects or intent.access is not None else ""


def _findings(question: Hazard, view: View, intent: Intent, options: Options) -> Iterator[Problem]:
    """What one of the hazards finds; nothing where the source has no object of the security API."""
    analysis = analysis_of(view, intent)
    if not analysis.inventory.objects:
        return
    try:
        yield from question(analysis)
    except TooManyError as exc:
        yield skip(f"the policies tell too many requests apart: {exc}")


@check(
    "OSM3007",
    title="each istiod can read its configuration",
    hint="correct the key mesh of the ConfigMap, or the custom resource that it is made from; until then istiod keeps its previous "
    "configuration",
    inputs=INPUTS,
    live=False,
)
def configuration_read(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """It holds trust domain, root namespace and providers; what istiod uses instead cannot be seen from outside, so nothing is proven."""
    return analysis_of(view, intent).inventory.broken


# Each row asks for what one hazard finds.
HAZARDS: tuple[CheckRow[Hazard], ...] = (
    # 30: what Istio makes of the objects
    CheckRow("OSM3001", "accepted", unenforced.admission, subjects=_SECURITY,
             title="each security object is accepted by Istio",
             hint="correct the object; istiod and the API server refuse it, so nothing of it is enforced",
             about="By the rules of Istio's webhook and of its schema; such an object can be stored while the webhook is down."),
    CheckRow("OSM3002", "fields_known", unenforced.dropped_fields, subjects=_SECURITY,
             title="each field of a policy is known to this version of Istio",
             hint="correct the field's name, or pin the policy to a revision that knows it with the label istio.io/rev",
             about="A field that is dropped leaves the rest to decide: a source whose only field is dropped means anyone."),
    CheckRow("OSM3003", "allow_enforced", unenforced.allow_rules_left_out, severity=Severity.WARNING, equivalents=("KIA0109", "KIA1317"),
             title="each ALLOW rule is enforced as it is written",
             hint="split the rule: conditions about HTTP in one, ports of TCP "
                  "in another; for ambient add a waypoint for what is about HTTP",
             about="Where only connections are seen, an ALLOW rule with any condition about HTTP is left out as a whole."),
    CheckRow("OSM3004", "deny_enforced", unenforced.deny_conditions_dropped, equivalents=("KIA0109", "KIA1317"),
             title="each DENY rule is enforced as it is written",
             hint="name the ports that the rule is meant for in to.operation.ports; for ambient add a waypoint for what is about HTTP",
             about="On TCP ports a sidecar ignores conditions about HTTP, and the rest denies more; ztunnel may then deny nothing at all."),
    CheckRow("OSM3005", "attached", unenforced.unattached, severity=Severity.WARNING,
             subjects=(k.AUTHORIZATION_POLICY, k.REQUEST_AUTHENTICATION),
             equivalents=("IST0127", "KIA0004", "KIA0110", "KIA1110", "KIA1115"),
             title="each AuthorizationPolicy is enforced by a workload",
             hint="compare the selector with the pods' labels, and a label istio.io/rev with the revisions; use targetRefs for a waypoint, "
                  "a selector for a sidecar; only the GatewayClass istio-waypoint can be referred to, from the root namespace",
             about="A policy that no workload enforces looks like one that is enforced; its status may even say that "
                   "it is accepted. One that selects a workload without a proxy is reported even if others enforce it."),
    CheckRow("OSM3006", "status_accepted", unenforced.statuses, subjects=_SECURITY, live=True,
             title="istiod has accepted each ambient policy in full",
             hint="read the condition's message; use targetRefs of a Service with a waypoint for what is about HTTP",
             about="istiod writes ZtunnelAccepted and WaypointAccepted where ambient is on; sidecars get no status, so a missing one is "
                   "no fault."),
    # 31: patterns that do not do what they look like
    CheckRow("OSM3101", "lists_filled", values.empty_lists,
             title="no list of callers or operations is empty",
             hint="leave the key out if anyone is meant; otherwise find out why the list came out empty",
             about="Istio accepts an empty from or to, and reads it as anyone or anything; templates produce them by mistake."),
    CheckRow("OSM3102", "deny_needs_mtls", values.deny_by_identity,
             title="each DENY by identity is behind strict mutual TLS",
             hint="set PeerAuthentication STRICT there, or deny notPrincipals of "
                  "those who may call, which takes in callers without an identity",
             about="A caller without mutual TLS has no identity, so a DENY by identity does not match it."),
    CheckRow("OSM3103", "allow_needs_identity", values.allow_by_not_identity,
             title="no ALLOW by exclusion admits callers without an identity",
             hint="add principals: ['*'] to the same source, or set PeerAuthentication STRICT there",
             about="notPrincipals, notNamespaces and their like match every caller without an identity."),
    CheckRow("OSM3104", "principals_bare", values.spiffe_prefix,
             title="each principal is written without spiffe://",
             hint="write TRUST_DOMAIN/ns/NAMESPACE/sa/NAME; Istio puts spiffe:// in front itself",
             about="With it, an ALLOW admits no caller and a DENY denies none, and validation accepts it."),
    CheckRow("OSM3105", "stars_at_ends", values.stars,
             title="each wildcard is at the start or end of a value",
             hint="use one * at the start or the end; for paths {*} and {**} are templates",
             about="In the middle, or at both ends, a * is compared literally; validation accepts it."),
    CheckRow("OSM3106", "hosts_with_ports", values.hosts, severity=Severity.WARNING,
             title="each host of a policy is listed with and without a port",
             hint="list both HOST and HOST:*",
             about="The whole Host header is compared: a DENY of example.com lets example.com:443 pass."),
    CheckRow("OSM3107", "methods_upper", values.methods,
             equivalents=("KIA0102",),
             title="each method is in upper case",
             hint="write GET, not get",
             about="Methods are compared as they are; validation accepts lower case, which matches nothing that a client sends."),
    CheckRow("OSM3108", "accounts_qualified", values.unqualified_accounts,
             title="each service account in a policy of the root namespace has its namespace",
             hint="write NAMESPACE/NAME",
             about="Without one it is of the policy's namespace, which for the whole mesh's policies is the control plane's."),
    CheckRow("OSM3109", "accounts_exist", values.missing_accounts, severity=Severity.WARNING,
             equivalents=("KIA0106",),
             title="each service account that a policy names exists",
             hint="oc get serviceaccount -n NAMESPACE; correct the name, or remove the value",
             about="A service account that does not exist admits whoever creates it later. In a folder, only namespaces whose service "
                   "accounts are in it are checked."),
    CheckRow("OSM3110", "namespaces_exist", values.missing_namespaces, severity=Severity.WARNING,
             equivalents=("IST0101", "KIA0101"),
             title="each namespace that a policy names exists",
             hint="oc get namespaces; correct the name, or remove the value",
             about="Not checked in a folder of manifests: other folders may have the namespace."),
    CheckRow("OSM3111", "tokens_demanded", callers.tokens_not_demanded, severity=Severity.WARNING, subjects=(k.REQUEST_AUTHENTICATION,),
             title="each RequestAuthentication has a policy beside it that asks for a token",
             hint="add an AuthorizationPolicy with requestPrincipals, or ignore the finding if a token is meant to be optional",
             about="RequestAuthentication refuses wrong tokens, and lets a request without any pass."),
    CheckRow("OSM3112", "tokens_read", callers.tokens_not_read,
             title="each policy that asks for a token is where tokens are read",
             hint="add a RequestAuthentication for the same workloads; one at the gateway does not count behind it",
             about="Where no RequestAuthentication reads it, a token does not count: an ALLOW that asks for it admits no request."),
    CheckRow("OSM3113", "no_dry_run", unenforced.dry_runs, severity=Severity.WARNING,
             title="no policy is still a dry run",
             hint="remove the annotation istio.io/dry-run once the logs show what was meant",
             about="It looks like a policy in every list, and enforces nothing; ztunnel before 1.25.2 enforces it."),
    CheckRow("OSM3114", "somebody_passes", callers.closed_to_all, severity=Severity.WARNING,
             title="each workload with policies admits some request",
             hint="remove the policy that allows nothing, or add the ALLOW that is missing beside it",
             about="A default deny that was left without an ALLOW, or conditions that contradict each other: proven for all requests."),
    CheckRow("OSM3115", "preflights_pass", callers.preflights, severity=Severity.WARNING,
             title="each workload with a corsPolicy allows preflight requests",
             hint="add a rule that allows the method OPTIONS without a token",
             about="Envoy answers CORS after it has asked the policies, and a browser sends no token with OPTIONS."),
    CheckRow("OSM3116", "waypoints_allowed", callers.waypoints_shut_out,
             title="each waypoint may call the workloads behind it",
             hint="allow the waypoint's service account in the policies that ztunnel enforces",
             about="Behind a waypoint ztunnel sees the waypoint's identity instead of the caller's."),
    CheckRow("OSM3117", "ambient_principals", values.ambient_trust_domain,
             title="each principal in ambient is written with the mesh's trust domain",
             hint="write the mesh's trust domain instead of cluster.local; ztunnel expands no aliases",
             about="A sidecar reads cluster.local as the mesh's trust domain, ztunnel takes it literally."),
    CheckRow("OSM3118", "authorizers_asked", unenforced.authorizers,
             title="each CUSTOM policy asks its provider",
             hint="name one provider of MeshConfig.extensionProviders for all "
                  "CUSTOM policies of a workload; for TCP ports one that speaks gRPC",
             about="With an unknown or a second provider istiod denies what the "
                   "policy matches; at TCP ports an HTTP provider is not asked."),
    CheckRow("OSM3119", "strict_is_strict", open_ports, subjects=(k.PEER_AUTHENTICATION,),
             title="no ambient port is open where a PeerAuthentication says STRICT",
             hint="leave an empty selector out; give the namespace's PeerAuthentication the mode that it "
                  "inherits; say STRICT in the workload's, and PERMISSIVE for each port that is meant to be open",
             about="istiod derives rules for ztunnel from PeerAuthentications, and from some combinations it derives none; a sidecar "
                   "demands mutual TLS there. Before Istio 1.24.3 (1.23.5, 1.22.8) "
                   "other combinations are open: two ports that are STRICT under a workload that is not."),
    CheckRow("OSM3120", "open_is_open", closed_ports, severity=Severity.WARNING, subjects=(k.PEER_AUTHENTICATION,),
             title="no ambient port is closed where a PeerAuthentication opens it",
             hint="write PERMISSIVE for the port; before Istio 1.24.3 also write STRICT as the mode of the same PeerAuthentication",
             about="Ambient has no DISABLE: it counts as PERMISSIVE, except for a port below a STRICT that the workload inherits."),
    CheckRow("OSM3121", "no_peer_addresses", peer_addresses,
             title="no waypoint policy uses the peer's IP address",
             hint="use remoteIpBlocks, notRemoteIpBlocks or remote.ip, which are about the client",
             about="A waypoint's Envoy gets every request from a tunnel inside itself, which has no address: "
                   "ipBlocks and source.ip never match, not even 0.0.0.0/0, and their not-forms always do."),
    CheckRow("OSM3122", "entries_filled", panics,
             title="each entry of from and to has a source or operation",
             hint="remove the entry, or write what it is about; then restart istiod if it does not recover by itself",
             about="Istio's webhook refuses such an entry. Stored while it was "
                   "down, one crashes istiod where ambient is on, for the whole mesh."),
    CheckRow("OSM3123", "pods_labelled", unlabelled_pods, severity=Severity.WARNING,
             title="each ambient pod has a label",
             hint="give the pods a label, such as app",
             about="istiod does not compare selectors with a pod that has no label at all: ztunnel then "
                   "enforces for it every policy with a selector of its namespace and of the root namespace."),
    CheckRow("OSM3124", "ports_taken", unenforced.past_proxies, severity=Severity.WARNING,
             title="each port of a workload with policies goes through its proxy",
             hint="let the proxy intercept the port, or ignore the finding if anyone may reach it: no policy and no mutual TLS applies "
                  "there",
             about="traffic.sidecar.istio.io/excludeInboundPorts and includeInboundPorts, on pods or for the whole mesh, "
                   "leave ports to anyone. A workload without a proxy, or whose proxy gets no port, is reported by OSM3005."),
)  # fmt: skip

CATEGORY.table(_findings, HAZARDS, inputs=INPUTS, subjects=(k.AUTHORIZATION_POLICY,), live=False)


# 32: what can go


def _spare(question: Callable[[Doors], Iterable[Spare]], view: View, intent: Intent, options: Options) -> Iterator[Problem]:
    """What can go; nothing where the source has no policy."""
    analysis = analysis_of(view, intent)
    if not analysis.policies:
        return
    try:
        spares: list[Spare] = list(question(analysis.doors))
    except TooManyError as exc:
        yield skip(f"the policies tell too many requests apart: {exc}")
        return
    for one in spares:
        yield Problem(f"AuthorizationPolicy {one.policy.key}", f"{one.where + ': ' if one.where else ''}{one.reason}")


@check(
    "OSM3201",
    title="each policy changes the answer to a request",
    hint="remove the policy, or find out which one it was meant to differ from",
    severity=Severity.INFO,
    inputs=INPUTS,
    subjects=(k.AUTHORIZATION_POLICY,),
    live=False,
)
def policies_needed(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Proven for all requests to the workloads of the source. A namespace's default deny is not reported, nor is what the role access
    renders from mesh_access: it states who is meant, even where nothing denies other callers yet."""
    stated = {
        f"AuthorizationPolicy {row.namespace}/{row.name}"
        for row in view.of(k.AUTHORIZATION_POLICY)
        if is_ours(row.raw) and row.labels.get(LAYER) == _RENDERED
    }
    yield from (one for one in _spare(spare_policies, view, intent, options) if one.resource not in stated)


SPARES = (
    CheckRow("OSM3202", "rules_needed", spare_rules, severity=Severity.INFO,
             title="each rule changes the answer to a request",
             hint="remove the rule; one that can never match has conditions that contradict each other",
             about="A rule that others make redundant, or that is never reached, hides what the policy does."),
    CheckRow("OSM3203", "values_needed", spare_values, severity=Severity.INFO,
             title="each value of a list has an effect",
             hint="remove the value that another one already covers",
             about="/a beside /a* adds nothing; a value that nothing matches is usually a typo."),
)  # fmt: skip

CATEGORY.table(_spare, SPARES, inputs=INPUTS, subjects=(k.AUTHORIZATION_POLICY,), live=False)


# 33: the matrix


def proof_of(view: View, intent: Intent) -> Proof:
    """The matrix against the source; made once for each view and intent."""

    def made() -> Proof:
        analysis = analysis_of(view, intent)
        return prove(analysis.world, analysis.inventory, read_matrix(intent.access or ()), intent.access_scope, doors=analysis.doors)

    return view.memo("authorization.proof", intent, made)


def _deviations(groups: Iterable[ChangeGroup], word: str) -> Iterator[Problem]:
    for group in groups:
        token = f", {group.token}" if group.token else ""
        row = _ROW.search(group.before)
        why = group.after if group.opened else f"{group.after} (intended by {row.group() if row else group.before})"
        message = f"{word}: {group.who.text}{token}: {group.what}; {why}"
        bare = group.opened and any(words in group.after for words in _NO_PROXY)
        hint = _GUARD if bare else ""
        yield Problem(f"Workload {names(group.destinations)}", message, remedy=hint, evidence=group.to_dict())


def asked_about(places: Iterable[Workload], scope: Iterable[str]) -> bool:
    """Is there any workload in the namespaces that a matrix speaks of? A proof about none holds for every mesh."""
    patterns = tuple(scope)
    return any(not patterns or any(fnmatchcase(place.namespace, pattern) for pattern in patterns) for place in places)


def _unproven(view: View, intent: Intent) -> Iterator[Problem]:
    """What makes a proof one of something else than the mesh."""
    inventory = analysis_of(view, intent).inventory
    if not asked_about(inventory.places, intent.access_scope):
        where = f" of {', '.join(intent.access_scope)}" if intent.access_scope else ""
        yield Problem("", f"nothing is proven: there is no workload{where}, so there is nothing to check", remedy=_WHERE)
    for one in inventory.broken:
        yield Problem(one.resource, f"nothing is proven, because the settings of this mesh are not known: {one.message}")


@check(
    "OSM3301",
    title="each intended access is allowed",
    hint="compare the row of the matrix with the policy that is named; evidence.witness is such a request",
    inputs=INPUTS,
    intent=("access",),
    live=False,
)
def nothing_less(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Proven for all requests: who, with or without a token, port, host, method, path."""
    yield from _unproven(view, intent)
    yield from _deviations(proof_of(view, intent).less, "intended and not allowed")


@check(
    "OSM3302",
    title="no access is allowed beyond what is intended",
    hint="narrow the policy that is named, or add the access to the matrix; evidence.witness is such a request",
    inputs=INPUTS,
    intent=("access",),
    live=False,
)
def nothing_more(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """What auditors ask: callers without an identity, without a token and unknown ones are among the sources. What no proxy guards is
    open to anyone: no injection, hostNetwork, ports that go past the proxy, what is addressed to a pod behind a waypoint."""
    proof = proof_of(view, intent)
    yield from _unproven(view, intent)
    for text in analysis_of(view, intent).inventory.unjudged:
        hint = "add the namespaces to the members, or say with access_scope that the matrix speaks of some namespaces only"
        if not intent.access_scope:
            yield Problem("", f"it cannot be proven that nothing more is allowed: there are {text}", remedy=hint)
    yield from _deviations(proof.more, "allowed and not intended")
    for text in proof.undecided:
        ref, _colon, reason = text.partition(": ")
        yield Problem(f"Workload {ref}", f"it cannot be proven that nothing more is allowed: {reason}", remedy="split the policies' lists")
    for text in proof.shared:
        others, _arrow, destination = text.partition(" -> ")
        yield Problem(
            f"Workload {destination}",
            f"allowed and not intended: {others}, because it runs as the service account of an intended caller",
            remedy="give the callers service accounts of their own, or add them to the matrix",
        )
