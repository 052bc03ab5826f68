# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The configuration that each istiod of a source really has: its ConfigMap first, then the custom resource that it is made from.

istiod reads MeshConfig from the key `mesh` of the ConfigMap `istio` or `istio-REVISION`, over what the ConfigMap of SHARED_MESH_CONFIG
says; its flags are the environment of its Deployment. What these leave out is Istio's own default, which is known. Only where a source has
neither, a setting is unsaid.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible.module_utils.common.yaml import HAS_YAML, yaml_load

from .fields import entries, is_of, metadata_of, section
from .malformed import title
from .problem import Problem
from .selectors import matches

try:
    from yaml import YAMLError
except ImportError:  # HAS_YAML is False then

    class YAMLError(ValueError):  # type: ignore[no-redef]
        """Never raised."""


__all__ = [
    "CLUSTER_DOMAIN",
    "DEFAULT_REVISION",
    "ROOT_NAMESPACE",
    "TRUST_DOMAIN",
    "MeshConfig",
    "expected_revision",
    "is_mesh_config",
    "istiod_deployment",
    "mesh_configs",
    "named_revision",
    "revision_of_istiod",
]

# Istio's own defaults (its pkg/config/mesh).
TRUST_DOMAIN, ROOT_NAMESPACE, CLUSTER_DOMAIN, DEFAULT_REVISION = "cluster.local", "istio-system", "cluster.local", "default"
_REVISION = "istio.io/rev"
_KEY = "mesh"  # of the ConfigMap
_NAME = "istio"
_INJECTOR, _VALUES = "istio-sidecar-injector", "values"  # the charts' own ConfigMaps; both have the values that a chart was rendered with
_VERSION_LABEL, _CHART_LABEL, _CHARTS = "app.kubernetes.io/version", "helm.sh/chart", ("istiod-", "istio-discovery-", "base-")
_VARIANT = re.compile(r"-(distroless|debug)$")  # of the same version, with other tools in the image
_VERSION = re.compile(r"v?\d+\.\d+(\.\d+)?([-+_].*)?")
# OpenShift Service Mesh 2 has an Istio of its own inside.
_OSSM2 = {"2.0": "1.6", "2.1": "1.9", "2.2": "1.12", "2.3": "1.14", "2.4": "1.16", "2.5": "1.18", "2.6": "1.20"}
_TEXTS, _LISTS = ("trustDomain", "rootNamespace"), ("trustDomainAliases", "extensionProviders", "discoverySelectors")
_MAPS = ("pathNormalization", "defaultConfig", "defaultProviders")
_NORMALIZATIONS = ("DEFAULT", "NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES")


@dataclass(frozen=True)
class MeshConfig:
    """What one istiod has. `known`: its ConfigMap was read, so what is not there is Istio's default; otherwise it is unsaid."""

    revision: str
    namespace: str = ""  # of istiod; empty where the source does not say
    settings: Mapping[str, Any] = field(default_factory=dict)  # the fields of MeshConfig
    known: bool = False
    version: str = ""  # of Istio
    cluster_domain: str = ""
    flags: Mapping[str, str] = field(default_factory=dict)  # istiod's environment
    ossm2: bool = False
    sources: tuple[str, ...] = ()  # where the settings were read, the effective first
    broken: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """How people name it."""
        return f"{self.namespace}/{self.revision}" if self.namespace else self.revision

    def _text(self, name: str, default: str) -> str:
        return str(self.settings.get(name) or "") or (default if self.known else "")

    @property
    def trust_domain(self) -> str:
        """Empty where the source does not say."""
        return self._text("trustDomain", TRUST_DOMAIN)

    @property
    def trust_domain_aliases(self) -> tuple[str, ...]:
        return tuple(str(entry) for entry in entries(self.settings.get("trustDomainAliases")))

    @property
    def root_namespace(self) -> str:
        """Empty where the source does not say."""
        return self._text("rootNamespace", ROOT_NAMESPACE)

    @property
    def path_normalization(self) -> str:
        """Empty for Istio's default."""
        found = str(section(self.settings, "pathNormalization").get("normalization") or "")
        return "" if found == "DEFAULT" else found

    @property
    def extension_providers(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(section(entry) for entry in entries(self.settings.get("extensionProviders")))

    @property
    def default_providers(self) -> Mapping[str, Any]:
        return section(self.settings, "defaultProviders")

    @property
    def discovery_selectors(self) -> tuple[Mapping[str, Any], ...]:
        """None of them: istiod sees every namespace."""
        return tuple(section(entry) for entry in entries(self.settings.get("discoverySelectors")))

    def discovers(self, namespace: str, labels: Mapping[str, Any]) -> bool:
        """Whether istiod looks at a namespace. The API server sets one more label on each, which a folder of manifests may not show."""
        around = {"kubernetes.io/metadata.name": namespace, **labels}
        selectors = self.discovery_selectors
        return not selectors or any(matches(selector, around) for selector in selectors)

    @property
    def trusted_proxies(self) -> int:
        hops = str(section(self.settings, "defaultConfig", "gatewayTopology").get("numTrustedProxies"))
        return int(hops) if hops.isdigit() and len(hops) < 10 else 0

    def flag(self, name: str) -> bool | None:
        """A switch of istiod's environment; None where it is not set."""
        found = self.flags.get(name)
        return None if found is None else found.lower() in ("true", "1", "t")


def _labels(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return section(obj, "metadata", "labels")


def _suffix(name: str, stem: str) -> str | None:
    """The revision in a name as Istio's charts make it; None for another name."""
    if name == stem:
        return DEFAULT_REVISION
    return name.removeprefix(f"{stem}-") if name.startswith(f"{stem}-") else None


def is_mesh_config(obj: Mapping[str, Any]) -> bool:
    """The ConfigMap that an istiod reads its MeshConfig from."""
    named = is_of(obj, "ConfigMap", "") and _suffix(metadata_of(obj, "name"), _NAME) is not None
    return named and _KEY in section(obj, "data")


def istiod_deployment(obj: Mapping[str, Any]) -> bool:
    """The Deployment of an istiod."""
    return is_of(obj, "Deployment", "apps") and (_labels(obj).get("app") == "istiod" or _container(obj).get("name") == "discovery")


def _container(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    found = [section(entry) for entry in entries(section(deployment, "spec", "template", "spec").get("containers"))]
    return next((entry for entry in found if entry.get("name") == "discovery"), found[0] if found else {})


# what is wrong with settings


def _wrong(settings: Mapping[str, Any]) -> str:
    """Why istiod would not take these settings; empty if it would. Only of what is read here."""
    for names, kind, word in ((_TEXTS, str, "a text"), (_LISTS, list, "a list"), (_MAPS, Mapping, "a mapping")):
        for name in names:
            if settings.get(name) is not None and not isinstance(settings[name], kind):
                return f"{name} is {type(settings[name]).__name__}, expected {word}"
    if any(not isinstance(entry, str) for entry in entries(settings.get("trustDomainAliases"))):
        return "trustDomainAliases has an entry that is no text"
    for name in _LISTS[1:]:
        if any(not isinstance(entry, Mapping) for entry in entries(settings.get(name))):
            return f"{name} has an entry that is no mapping"
    for selector in map(section, entries(settings.get("discoverySelectors"))):
        labels, rows = selector.get("matchLabels"), selector.get("matchExpressions")
        wrong = not isinstance(labels or {}, Mapping) or not isinstance(rows or [], list)
        if wrong or any(not isinstance(row, Mapping) for row in entries(rows)):
            return "discoverySelectors has an entry that is no selector"
    if any(not isinstance(section(entry).get("name"), str) for entry in entries(settings.get("extensionProviders"))):
        return "extensionProviders has an entry without a name"
    normalization = section(settings, "pathNormalization").get("normalization")
    if normalization is None or normalization in _NORMALIZATIONS:
        return ""
    return f"pathNormalization.normalization is {normalization!r}, expected one of {', '.join(_NORMALIZATIONS)}"


def _parsed(text: Any) -> tuple[Mapping[str, Any], str]:
    """The settings in a ConfigMap's text, and what is wrong with it."""
    if not isinstance(text, str):
        return {}, f"data.{_KEY} is {type(text).__name__}, expected a text"
    if not HAS_YAML:
        return {}, "PyYAML is needed to read it: install it for the Python that runs Ansible's modules"
    try:
        found = yaml_load(text)
    except (YAMLError, ValueError, RecursionError) as exc:
        mark = getattr(exc, "problem_mark", None)
        return {}, f"data.{_KEY} is not YAML{f' (line {mark.line + 1})' if mark else ''}: {getattr(exc, 'problem', None) or exc}"
    if found is None:
        return {}, ""
    if not isinstance(found, Mapping):
        return {}, f"data.{_KEY} is {type(found).__name__}, expected a mapping"
    problem = _wrong(found)
    return ({}, f"data.{_KEY}: {problem}") if problem else (found, "")


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """As istiod puts two MeshConfigs over each other: fields are replaced; proxy settings, providers and aliases are joined."""
    found = {**below, **above}
    for name in ("defaultConfig", "defaultProviders"):
        if name in below and name in above:
            found[name] = {**section(below, name), **section(above, name)}
    if "extensionProviders" in below and "extensionProviders" in above:
        providers = {str(section(entry).get("name")): entry for own in (below, above) for entry in entries(own["extensionProviders"])}
        found["extensionProviders"] = list(providers.values())
    aliases = [alias for own in (below, above) for alias in entries(own.get("trustDomainAliases"))]
    return {**found, "trustDomainAliases": sorted(set(aliases))} if aliases else found


# versions


def _istio_version(text: str) -> str:
    """The Istio that a version means; OpenShift Service Mesh 2 counts its own. Empty if it is none."""
    bare = text.removeprefix("v")
    if bare.startswith("2."):
        return _OSSM2.get(".".join(re.split(r"[.-]", bare)[:2]), "")
    return text if _VERSION.fullmatch(text) and bare.startswith("1.") else ""


def _labelled_version(obj: Mapping[str, Any]) -> str:
    labels = _labels(obj)
    chart = next((str(labels[_CHART_LABEL]).removeprefix(word) for word in _CHARTS if str(labels.get(_CHART_LABEL)).startswith(word)), "")
    return _istio_version(str(labels.get(_VERSION_LABEL) or "")) or _istio_version(chart)


def _running_version(deployment: Mapping[str, Any]) -> str:
    """Of an istiod's image, else of its labels: an image by digest does not say."""
    image = str(_container(deployment).get("image") or "").split("@", 1)[0].rsplit("/", 1)[-1]
    return _istio_version(_VARIANT.sub("", image.partition(":")[2])) or _labelled_version(deployment)


# the pieces, each what one object says of one istiod


@dataclass(frozen=True)
class _Piece:
    revision: str
    namespace: str
    source: str
    settings: Mapping[str, Any] | None = None  # None: it says nothing of MeshConfig
    version: str = ""
    cluster_domain: str = ""
    flags: Mapping[str, str] | None = None
    broken: str = ""
    shared: str = ""  # the ConfigMap of SHARED_MESH_CONFIG
    ossm2: bool = False


def _from_config_map(obj: Mapping[str, Any]) -> Iterator[_Piece]:
    if is_mesh_config(obj):
        settings, problem = _parsed(section(obj, "data")[_KEY])
        name = str(_suffix(metadata_of(obj, "name"), _NAME))
        revision = str(_labels(obj).get(_REVISION) or name)
        yield _Piece(revision, metadata_of(obj, "namespace"), title(obj), settings, _labelled_version(obj), broken=problem)
        return
    for stem, key, inside in ((_INJECTOR, "values", ()), (_VALUES, "merged-values", ())):
        named = _suffix(metadata_of(obj, "name"), stem)
        text = section(obj, "data").get(key)
        if named is not None and isinstance(text, str) and (stem == _INJECTOR or _REVISION in _labels(obj)):
            try:
                domain = section(json.loads(text), *inside, "global", "proxy").get("clusterDomain")
            except (ValueError, RecursionError):
                continue  # the injector's own; nothing that is read here depends on it alone
            if isinstance(domain, str) and domain:
                yield _Piece(str(_labels(obj).get(_REVISION) or named), metadata_of(obj, "namespace"), title(obj), cluster_domain=domain)


def _environment(container: Mapping[str, Any]) -> dict[str, str]:
    rows = map(section, entries(container.get("env")))
    return {str(row.get("name")): str(row["value"]) for row in rows if row.get("value") is not None}


def revision_of_istiod(obj: Mapping[str, Any]) -> str:
    """The revision that an istiod's Deployment runs."""
    said = _environment(_container(obj)).get("REVISION") or _labels(obj).get(_REVISION)
    return str(said or _suffix(metadata_of(obj, "name"), "istiod") or DEFAULT_REVISION)


def _from_deployment(obj: Mapping[str, Any]) -> Iterator[_Piece]:
    if not istiod_deployment(obj):
        return
    container = _container(obj)
    flags = _environment(container)
    words = [str(word) for word in entries(container.get("args"))]
    after = next((words[index + 1] for index, word in enumerate(words[:-1]) if word == "--domain"), "")
    domain = after or next((word.partition("=")[2] for word in words if word.startswith("--domain=")), "")
    revision = revision_of_istiod(obj)
    # An environment that was left out of a snapshot says nothing.
    yield _Piece(revision, metadata_of(obj, "namespace"), title(obj), version=_running_version(obj), cluster_domain=domain,
                 flags=flags if container.get("env") else None, shared=flags.get("SHARED_MESH_CONFIG", ""))  # fmt: skip


def _values_piece(obj: Mapping[str, Any], revision: str, namespace: str, values: Mapping[str, Any]) -> _Piece:
    settings, own = dict(section(values, "meshConfig")), section(values, "global")
    # The charts take istiod's namespace where meshConfig says nothing.
    root = settings.get("rootNamespace") or own.get("istioNamespace") or namespace
    if root:
        settings["rootNamespace"] = root
    problem = _wrong(settings)
    flags = {str(name): str(value) for name, value in section(values, "pilot", "env").items()}
    domain = section(own, "proxy").get("clusterDomain")
    domain = domain if isinstance(domain, str) else ""
    version = str(section(obj, "spec").get("version") or section(obj, "spec").get("tag") or own.get("tag") or "").removesuffix("-latest")
    shared = flags.get("SHARED_MESH_CONFIG", "")
    return _Piece(revision, namespace, title(obj), {} if problem else settings, version, domain, flags, problem, shared)


def named_revision(istio: Mapping[str, Any]) -> str:
    """The name that the Sail operator gives to an Istio's revision; with an alias such as v1.30-latest, its beginning."""
    if section(istio, "spec", "updateStrategy").get("type") != "RevisionBased":
        return metadata_of(istio, "name")
    version = str(section(istio, "spec").get("version") or "")
    return f"{metadata_of(istio, 'name')}-{version.removesuffix('latest').replace('.', '-')}"


def expected_revision(istio: Mapping[str, Any]) -> str:
    """The revision that an Istio has: the active one where its operator says so, else as it is named."""
    active = section(istio, "status").get("activeRevisionName")
    return active if isinstance(active, str) and active else named_revision(istio)


def _from_resource(obj: Mapping[str, Any]) -> Iterator[_Piece]:
    spec = section(obj, "spec")
    if is_of(obj, "Istio", "sailoperator.io"):
        yield _values_piece(obj, expected_revision(obj), str(spec.get("namespace") or ""), section(spec, "values"))
    elif is_of(obj, "IstioRevision", "sailoperator.io"):
        yield _values_piece(obj, metadata_of(obj, "name"), str(spec.get("namespace") or ""), section(spec, "values"))
    elif is_of(obj, "IstioOperator", "install.istio.io"):
        values = {**section(spec, "values"), "meshConfig": {**section(spec, "values", "meshConfig"), **section(spec, "meshConfig")}}
        revision = str(spec.get("revision") or section(spec, "values").get("revision") or DEFAULT_REVISION)
        yield _values_piece(obj, revision, str(spec.get("namespace") or ROOT_NAMESPACE), values)
    elif is_of(obj, "ServiceMeshControlPlane", "maistra.io"):
        yield _from_smcp(obj, spec)


def _from_smcp(obj: Mapping[str, Any], spec: Mapping[str, Any]) -> _Piece:
    trust, namespace = section(spec, "security", "trust"), metadata_of(obj, "namespace") or "default"
    settings = {**section(spec, "techPreview", "meshConfig"), **section(spec, "meshConfig"), "rootNamespace": namespace}
    own = {"trustDomain": trust.get("domain"), "trustDomainAliases": trust.get("additionalDomains")}
    settings |= {name: value for name, value in own.items() if value}
    policy = section(spec, "proxy", "networking", "trafficControl", "outbound").get("policy")
    settings = {"outboundTrafficPolicy": {"mode": policy}, **settings} if isinstance(policy, str) else settings
    problem = _wrong(settings)
    flags = {str(name): str(value) for name, value in section(spec, "runtime", "components", "pilot", "container", "env").items()}
    domain = section(spec, "proxy", "networking").get("clusterDomain")
    version = _istio_version(str(spec.get("version") or ""))
    domain = domain if isinstance(domain, str) else ""
    return _Piece(metadata_of(obj, "name"), namespace, title(obj), {} if problem else settings, version, domain, flags, problem, ossm2=True)


_READERS: tuple[tuple[frozenset[str], Callable[[Mapping[str, Any]], Iterator[_Piece]]], ...] = (
    (frozenset({"ConfigMap"}), _from_config_map),
    (frozenset({"Deployment"}), _from_deployment),
    (frozenset({"IstioRevision"}), _from_resource),  # nearer to what runs than the Istio that it was made from
    (frozenset({"Istio", "IstioOperator", "ServiceMeshControlPlane"}), _from_resource),
)


def _shared(objects: Iterable[Mapping[str, Any]], name: str, namespace: str) -> tuple[str, Mapping[str, Any], str]:
    """The ConfigMap of SHARED_MESH_CONFIG: its ref, its settings, what is wrong with them."""
    for obj in objects:
        named = metadata_of(obj, "name") == name and metadata_of(obj, "namespace") == namespace
        if is_of(obj, "ConfigMap", "") and named and _KEY in section(obj, "data"):
            return title(obj), *_parsed(section(obj, "data")[_KEY])
    return "", {}, ""


def _together(pieces: list[_Piece], objects: list[Mapping[str, Any]]) -> MeshConfig:
    """One istiod out of what was said of it, the effective first."""
    namespace = next((piece.namespace for piece in pieces if piece.namespace), "")
    speaking = [piece for piece in pieces if piece.settings is not None]
    good = next((piece for piece in speaking if not piece.broken), None)
    settings: Mapping[str, Any] = (good.settings if good else None) or {}
    sources = [good.source] if good else []
    known = good is not None and good.source.startswith("ConfigMap ")
    broken = [Problem(piece.source, piece.broken) for piece in speaking if piece.broken]
    name = next((piece.shared for piece in pieces if piece.shared), "")
    shared, below, problem = _shared(objects, name, namespace) if name else ("", {}, "")
    if problem:
        broken.append(Problem(shared, problem))
    elif shared:
        settings, sources, known = _merged(below, settings), [*sources, shared], True
    return MeshConfig(
        revision=pieces[0].revision,
        namespace=namespace,
        settings=settings,
        known=known,
        version=next((piece.version for piece in sorted(pieces, key=_nearest) if piece.version), ""),
        cluster_domain=next((piece.cluster_domain for piece in sorted(pieces, key=_nearest) if piece.cluster_domain), ""),
        flags=next((piece.flags for piece in pieces if piece.flags is not None), {}),
        ossm2=any(piece.ossm2 for piece in pieces),
        sources=tuple(sources),
        broken=tuple(broken),
    )


def _nearest(piece: _Piece) -> int:
    """The Deployment knows best which version runs; the rest in the order in which it was read."""
    return 0 if piece.source.startswith("Deployment ") else 1


def mesh_configs(objects: Iterable[Mapping[str, Any]]) -> tuple[MeshConfig, ...]:
    """Every istiod that the objects speak of, by namespace and revision, in the order of the custom resources and then of the rest."""
    kept = [obj for obj in objects if isinstance(obj, Mapping)]
    order: dict[tuple[str, str], list[_Piece]] = {}
    pieces = [piece for kinds, read in _READERS for obj in kept if obj.get("kind") in kinds for piece in read(obj)]
    lent = {f"ConfigMap {piece.namespace}/{piece.shared}" for piece in pieces if piece.shared}
    for piece in pieces:
        if piece.source not in lent:  # it is read by whoever names it, and no revision of its own
            order.setdefault(_key(order, piece), []).append(piece)
    found = [_together(pieces, kept) for pieces in order.values()]
    rank = {title(obj): number for number, obj in enumerate(kept) if obj.get("kind") in _READERS[3][0]}
    owners = [next((rank[piece.source] for piece in pieces if piece.source in rank), -1) for pieces in order.values()]
    return tuple(_aliased([config for _owner, config in sorted(zip(owners, found, strict=True), key=lambda pair: pair[0])]))


def _key(order: Mapping[tuple[str, str], Any], piece: _Piece) -> tuple[str, str]:
    """Objects of one revision without a namespace belong to the one that is there."""
    same = [key for key in order if key[1] == piece.revision and ("" in (key[0], piece.namespace) or key[0] == piece.namespace)]
    return same[0] if same else (piece.namespace, piece.revision)


def _aliased(found: list[MeshConfig]) -> Iterator[MeshConfig]:
    """An Istio with an alias has a revision of which only the beginning is known: it is the one that begins so, where there is one."""
    for one in found:
        longer = [other for other in found if one.revision.endswith("-") and other.revision.startswith(one.revision) and other is not one]
        if not longer:
            yield replace(one, revision=one.revision.rstrip("-")) if one.revision.endswith("-") else one
