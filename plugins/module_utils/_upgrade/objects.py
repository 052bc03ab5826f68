# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The user's objects against the table of changes: what would break, and where it is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._model import kinds as k
from .._model.problem import Problem, warning
from .._model.versions import parse
from .._model.view import Obj, View
from .changes import CHANGED, CHANGES, COMPATIBILITY, DEPRECATED, FILTER_NAMES, REMOVED, REMOVED_FILTERS, ReleaseChange, between

__all__ = ["Span", "changes_found", "compatibility", "filter_names", "filter_versions"]

_TEMPLATES = (k.DEPLOYMENT, k.STATEFUL_SET, k.DAEMON_SET)
_TYPE_OF_V2 = re.compile(r"type\.googleapis\.com/envoy\.(?:config\.filter|api\.v2)\b")
_DRY_RUN = "istio.io/dry-run"
Where = Iterator[tuple[str, str]]  # resource, what was found there


@dataclass(frozen=True)
class Span:
    """From this minor of Istio to that one, for the control planes with these names."""

    old: tuple[int, int]
    new: tuple[int, int]
    names: frozenset[str]  # Istio or ServiceMeshControlPlane
    namespace: str
    ambient: bool = False


def changes_found(view: View, span: Span, effects: Iterable[str]) -> Iterator[Problem]:
    """Every object that uses what goes or changes on the way; `effects` are removed, deprecated, changed."""
    wanted = frozenset(effects)
    for change in CHANGES:
        if change.effect in wanted and between(span.old, span.new, change.istio):
            for resource, what in _FINDERS[change.where](view, span, change):
                since = f"{change.istio[0]}.{change.istio[1]}"
                word = {REMOVED: "removed in", DEPRECATED: "deprecated since", CHANGED: "different from"}[change.effect]
                yield Problem(resource, f"{what}: {word} Istio {since}; {change.meaning}", evidence={"source": change.source})


# finders: where something is written


def _pairs(change: ReleaseChange) -> tuple[str, str | None]:
    name, equals, value = change.match.partition("=")
    return name, value if equals else None


def _annotations(view: View, _span: Span, change: ReleaseChange) -> Where:
    yield from _metadata(view, change, "annotations")


def _labels(view: View, _span: Span, change: ReleaseChange) -> Where:
    """Only in what somebody selects by: the labels themselves are written by Istio."""
    name, _value = _pairs(change)
    for kind, path in _SELECTORS:
        for row in view.of(kind):
            if name in row.at(*path, default={}):
                yield row.ref, f"its selector has the label {name}"


_SELECTORS = (
    (k.SERVICE, ("spec", "selector")),
    (k.POD_DISRUPTION_BUDGET, ("spec", "selector", "matchLabels")),
    (k.GATEWAY, ("spec", "selector")),
    (k.AUTHORIZATION_POLICY, ("spec", "selector", "matchLabels")),
    (k.PEER_AUTHENTICATION, ("spec", "selector", "matchLabels")),
    (k.ENVOY_FILTER, ("spec", "workloadSelector", "labels")),
)


def _metadata(view: View, change: ReleaseChange, field: str) -> Where:
    name, value = _pairs(change)
    for kind in _TEMPLATES:
        for row in view.of(kind):
            found = row.at("spec", "template", "metadata", field, default={})
            if name in found and value in (None, str(found[name])):
                yield row.ref, f"its pods have the annotation {change.match}"
    for row in view.of(k.NAMESPACE):
        found = row.labels if field == "labels" else row.annotations
        if name in found and value in (None, str(found[name])):
            yield row.ref, f"it has the annotation {change.match}"


def _planes(view: View, span: Span) -> Iterator[Obj]:
    for row in view.of(k.ISTIO):
        if row.name in span.names:
            yield row
    for row in view.of(k.SMCP):
        if row.name in span.names and row.namespace == span.namespace:
            yield row


def _variables(view: View, span: Span, change: ReleaseChange) -> Where:
    name, _value = _pairs(change)
    for plane in _planes(view, span):
        for path in (("spec", "values", "pilot", "env"), ("spec", "runtime", "components", "pilot", "container", "env")):
            if name in plane.at(*path, default={}):
                yield plane.ref, f"{'.'.join(path)}.{name} is set"


def _values(view: View, span: Span, change: ReleaseChange) -> Where:
    name, value = _pairs(change)
    for plane in _planes(view, span):
        found = plane.at("spec", "values", *name.split("."))
        if found is not None and value in (None, str(found)):
            yield plane.ref, f"spec.values.{name} is set"


def _mesh_config(plane: Obj) -> Mapping[str, Any]:
    for path in (("spec", "values", "meshConfig"), ("spec", "techPreview", "meshConfig")):
        found = plane.at(*path)
        if isinstance(found, Mapping):
            return found
    return {}


def _providers(view: View, span: Span, change: ReleaseChange) -> Where:
    for plane in _planes(view, span):
        for provider in _mesh_config(plane).get("extensionProviders") or []:
            if change.match in provider:
                yield plane.ref, f"meshConfig.extensionProviders has {provider.get('name')} of the kind {change.match}"


def _proxy_metadata(view: View, span: Span, change: ReleaseChange) -> Where:
    for plane in _planes(view, span):
        config = _mesh_config(plane).get("defaultConfig") or {}
        if change.match in (config.get("proxyMetadata") or {}):
            yield plane.ref, f"meshConfig.defaultConfig.proxyMetadata.{change.match} is set"


def _predicate(view: View, span: Span, change: ReleaseChange) -> Where:
    yield from _PREDICATES[change.match](view, span)


_FINDERS: dict[str, Callable[[View, Span, ReleaseChange], Where]] = {
    "annotation": _annotations,
    "label": _labels,
    "env": _variables,
    "value": _values,
    "provider": _providers,
    "metadata": _proxy_metadata,
    "object": _predicate,
}


# predicates: objects whose meaning changes


def _tracing_without_provider(view: View, span: Span) -> Where:
    providers = any(row.items("spec", "tracing") for row in view.of(k.TELEMETRY))
    for plane in _planes(view, span):
        config = _mesh_config(plane)
        tracing = (config.get("defaultConfig") or {}).get("tracing") or (config.get("defaultProviders") or {}).get("tracing")
        if config.get("enableTracing") and not tracing and not providers:
            yield plane.ref, "meshConfig.enableTracing is on and no provider is named"


def _tls_without_ca(view: View, _span: Span) -> Where:
    for row in view.of(k.DESTINATION_RULE):
        policies = [row.at("spec", "trafficPolicy", default={})]
        policies += [subset.get("trafficPolicy") or {} for subset in row.items("spec", "subsets")]
        ports = [port for policy in policies for port in policy.get("portLevelSettings") or []]
        for policy in [*policies, *ports]:
            tls = policy.get("tls") or {}
            own = tls.get("caCertificates") or tls.get("credentialName") or tls.get("insecureSkipVerify")
            if tls.get("mode") in ("SIMPLE", "MUTUAL") and not own:
                yield row.ref, f"tls of mode {tls['mode']} has no caCertificates"
                break


def _external_name(view: View, _span: Span) -> Where:
    for row in view.of(k.SERVICE):
        if row.at("spec", "type") == "ExternalName":
            yield row.ref, "it is of type ExternalName"


def _target_port_of_none(view: View, _span: Span) -> Where:
    for row in view.of(k.SERVICE_ENTRY):
        moved = [port for port in row.items("spec", "ports") if port.get("targetPort") not in (None, port.get("number"))]
        if row.at("spec", "resolution", default="NONE") == "NONE" and moved:
            yield row.ref, f"resolution NONE with targetPort {moved[0]['targetPort']}"


def _wasm_attributes(view: View, _span: Span) -> Where:
    old = re.compile(r"\bwasm\.(?:down|up)stream_peer\b|\bistio_responseClass\b|filter_state\[.wasm\.")
    for row in view.of(k.TELEMETRY):
        found = old.search(str(row.at("spec", default="")))
        if found:
            yield row.ref, f"an expression reads {found.group(0)}"


def _provider_of_telemetry(view: View, span: Span) -> Where:
    gone = {
        provider.get("name")
        for plane in _planes(view, span)
        for provider in _mesh_config(plane).get("extensionProviders") or []
        if "lightstep" in provider or "opencensus" in provider
    }
    for row in view.of(k.TELEMETRY):
        names = {provider.get("name") for tracing in row.items("spec", "tracing") for provider in tracing.get("providers") or []}
        for name in sorted(str(name) for name in names & gone):
            yield row.ref, f"it names the tracing provider {name}"


def _of_version(view: View, kind: k.Kind, versions: frozenset[str]) -> Where:
    """Objects that are there in an old version only: as manifests say, or as the CRD serves no other one."""
    served = {
        version
        for row in view.of(k.CRD)
        if row.at("spec", "names", "kind") == kind.kind and row.at("spec", "group") == kind.group
        for version in (item.get("name") for item in row.items("spec", "versions") if item.get("served", True))
    }
    for row in view.of(kind):
        version = str(row.raw.get("apiVersion", "")).rpartition("/")[2]
        if version in versions and (view.source == "manifests" or (served and served <= versions)):
            yield row.ref, f"its version is {version}"


def _backend_tls_alpha(view: View, _span: Span) -> Where:
    yield from _of_version(view, k.BACKEND_TLS_POLICY, frozenset({"v1alpha2", "v1alpha3"}))


def _inference_pool_alpha(view: View, _span: Span) -> Where:
    yield from ((row.ref, "it is of the group inference.networking.x-k8s.io") for row in view.of(k.INFERENCE_POOL))


def _ambient_dry_run(view: View, span: Span) -> Where:
    for row in view.of(k.AUTHORIZATION_POLICY) if span.ambient else []:
        if row.annotations.get(_DRY_RUN) == "true":
            yield row.ref, "it is in dry run"


def _same_host_twice(view: View, _span: Span) -> Where:
    hosts: dict[str, list[Obj]] = {}
    for row in view.of(k.SERVICE_ENTRY):
        for host in row.items("spec", "hosts"):
            hosts.setdefault(str(host), []).append(row)
    services = {f"{row.name}.{row.namespace}.svc.cluster.local" for row in view.of(k.SERVICE)}
    for host, rows in sorted(hosts.items()):
        if len({row.namespace for row in rows}) > 1 or host in services:
            yield rows[0].ref, f"host {host} is in more than one place"


_PREDICATES: dict[str, Callable[[View, Span], Where]] = {
    "tracing_without_provider": _tracing_without_provider,
    "tls_without_ca": _tls_without_ca,
    "external_name": _external_name,
    "target_port_of_none": _target_port_of_none,
    "wasm_attributes": _wasm_attributes,
    "provider_of_telemetry": _provider_of_telemetry,
    "backend_tls_alpha": _backend_tls_alpha,
    "inference_pool_alpha": _inference_pool_alpha,
    "ambient_dry_run": _ambient_dry_run,
    "same_host_twice": _same_host_twice,
}


def compatibility(view: View, span: Span) -> Iterator[Problem]:
    """A compatibilityVersion that the target does not have any more."""
    oldest = COMPATIBILITY.get(span.new) or max(COMPATIBILITY.values())
    for plane in _planes(view, span):
        text = plane.at("spec", "values", "compatibilityVersion")
        version = parse(str(text)) if text is not None else None
        if version is not None and version.line < oldest:
            yield Problem(plane.ref, f"spec.values.compatibilityVersion is {text}, Istio {_word(span.new)} has {_word(oldest)} and newer")


def _word(line: tuple[int, int]) -> str:
    return f"{line[0]}.{line[1]}"


# EnvoyFilters


def _patches(row: Obj) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for index, patch in enumerate(row.items("spec", "configPatches")):
        if isinstance(patch, Mapping):
            yield index, patch


def _proxy_version(patch: Mapping[str, Any]) -> str:
    return str(((patch.get("match") or {}).get("proxy") or {}).get("proxyVersion") or "")


def filter_versions(view: View, olds: Iterable[str], new: str) -> Iterator[Problem]:
    """Patches that are for today's proxies and not for those of the target, or the other way round. istiod searches the expression in
    the version that a proxy says it has; a patch for each version beside the other is how it should be."""
    today = sorted(set(olds))
    for row in view.of(k.ENVOY_FILTER):
        lost: list[tuple[int, str, str]] = []
        begun: list[tuple[int, str, str]] = []
        had: set[str] = set()  # what a patch for today's proxies is about
        won: set[str] = set()  # and one for those of the target
        for index, patch in _patches(row):
            expression = _proxy_version(patch)
            try:
                before = [version for version in today if not expression or re.search(expression, version)]
                after = not expression or re.search(expression, new) is not None
            except re.error as exc:
                yield warning(row.ref, f"configPatches[{index}]: proxyVersion {expression!r} is no expression: {exc}")
                continue
            place = _place(patch)
            if before:
                had.add(place)
            if after:
                won.add(place)
            if after and not before and today:
                begun.append((index, expression, place))
            if before and not after:
                lost.append((index, expression, place))
        for index, expression, place in begun:
            if place not in had:
                yield warning(row.ref, f"configPatches[{index}] begins to apply: proxyVersion {expression!r} fits {new}")
        for index, expression, place in lost:
            if place not in won:
                yield Problem(row.ref, f"configPatches[{index}] is for proxies of {expression!r} and will not apply to those of {new}")


def _place(patch: Mapping[str, Any]) -> str:
    """What a patch is about, whatever its version."""
    match = {key: value for key, value in (patch.get("match") or {}).items() if key != "proxy"}
    return f"{patch.get('applyTo')} {sorted(match.items(), key=str)}"


def filter_names(view: View, span: Span) -> Iterator[Problem]:
    """Filters by their old names (warning), and what Istio's Envoy does not have any more."""
    gone = {name: (since, source) for name, since, source in REMOVED_FILTERS if since <= span.new}
    for row in view.of(k.ENVOY_FILTER):
        told: set[str] = set()
        for index, patch in _patches(row):
            for name in _names(patch):
                if name in told:
                    continue
                told.add(name)
                if name in gone:
                    since, source = gone[name]
                    message = f"configPatches[{index}]: {name} is not in Istio's Envoy since {_word(since)}"
                    yield Problem(row.ref, message, evidence={"source": source})
                elif name in FILTER_NAMES:
                    message = f"configPatches[{index}]: {name} is an old name, write {FILTER_NAMES[name]}"
                    yield warning(row.ref, message)
                elif _TYPE_OF_V2.match(name):
                    yield Problem(row.ref, f"configPatches[{index}]: {name} is of Envoy's API v2, which no supported Envoy reads")


def _names(value: Any) -> Iterator[str]:
    """Every name of a filter and every type in a patch."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in ("name", "@type") and isinstance(item, str):
                yield item
            else:
                yield from _names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)
