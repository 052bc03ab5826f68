# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The settings of a mesh as they decide on requests, istiod by istiod; what nothing says is assumed, and told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._model.fields import name_of, section
from .._model.mesh_config import DEFAULT_REVISION, ROOT_NAMESPACE, TRUST_DOMAIN, MeshConfig, mesh_configs
from .._model.problem import Problem
from .._model.revisions import Revisions, revisions_of
from .model import Mesh, Provider
from .versions import parse_version

__all__ = ["Meshes", "mesh_of", "meshes_of"]

_FLAGS = {
    "multiple_custom_providers": "PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS",
    "gateway_selectors": "ENABLE_SELECTOR_BASED_K8S_GATEWAY_POLICY",
    "ambient_dry_run": "AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY",
}  # istiod's environment


def _providers(config: MeshConfig) -> dict[str, Provider]:
    """The external authorizers of a mesh's configuration; what they answer is theirs to say."""
    kinds = (("envoyExtAuthzHttp", "http"), ("envoyExtAuthzGrpc", "grpc"))
    return {str(entry.get("name")): Provider(word) for entry in config.extension_providers for name, word in kinds if name in entry}


def _unlisted(objects: Iterable[Mapping[str, Any]]) -> dict[str, Provider]:
    """The authorizers that policies name, where nothing says which there are."""
    named = [
        section(obj, "spec", "provider").get("name")
        for obj in objects
        if obj.get("kind") == "AuthorizationPolicy" and section(obj, "spec").get("action") == "CUSTOM"
    ]
    return {name: Provider() for name in named if isinstance(name, str) and name}


@dataclass(frozen=True)
class Meshes:
    """The settings of each istiod; `main` counts for a workload of which nothing says whose it is."""

    main: Mesh
    every: tuple[Mesh, ...]
    assumptions: tuple[str, ...] = ()
    broken: tuple[Problem, ...] = ()
    revisions: Revisions = field(default_factory=Revisions)
    namespaces: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # their labels


class _Settings:
    """Mesh by mesh: what was given, what the source says, and what had to be assumed."""

    def __init__(self, objects: list[Mapping[str, Any]], given: Mapping[str, Any] | None, home: str) -> None:
        self.objects, self.home = objects, home
        self.given = {key: value for key, value in (given or {}).items() if value not in (None, [], "")}
        self.namespaces = {name_of(obj): section(obj, "metadata", "labels") for obj in objects if obj.get("kind") == "Namespace"}
        self.assumed: list[str] = []

    def of(self, config: MeshConfig | None, word: str = "") -> Mesh:
        """`word` says in assumptions which control plane is meant."""
        own = self._read(config) if config else {}
        unknown = _unknown_version(own)
        silent = config is None or not config.sources
        listed = _unlisted(self.objects) if silent else {}
        if listed:
            own["providers"] = listed
        if self.home and not own.get("root_namespace"):  # Istio's charts take it where nothing else is said
            own["root_namespace"] = self.home
        own |= {key: value for key, value in self.given.items() if key != "root_namespace" or not self._names_only(config, value)}
        chosen: dict[str, Any] = {key: value for key, value in own.items() if value or value is False}
        if chosen.get("path_normalization") == "DEFAULT":
            chosen.pop("path_normalization")
        words = {"trust_domain": TRUST_DOMAIN, "root_namespace": ROOT_NAMESPACE, "version": "the newest that is known"}
        self.assumed += [f"{key}{word} is {text}: the source does not say" for key, text in words.items() if key not in chosen]
        if unknown and "version" not in chosen:
            self.assumed.append(f"the source says version {unknown}, which is no version of Istio")
        if listed:
            self.assumed.append(f"the providers {', '.join(sorted(listed))} exist: the source does not say")
        if "trust_domain_aliases" in chosen:
            chosen["trust_domain_aliases"] = tuple(chosen["trust_domain_aliases"])
        return Mesh(**chosen)

    @staticmethod
    def _names_only(config: MeshConfig | None, root: Any) -> bool:
        """Does a root namespace that was given only say which control plane is meant? Its own configuration then says what its root is."""
        return config is not None and bool(config.root_namespace) and root == config.namespace

    def _read(self, config: MeshConfig) -> dict[str, Any]:
        flags = {name: config.flag(flag) for name, flag in _FLAGS.items()}
        return {
            "trust_domain": config.trust_domain,
            "trust_domain_aliases": config.trust_domain_aliases,
            "root_namespace": config.root_namespace,
            "version": config.version,
            "path_normalization": config.path_normalization,
            "providers": _providers(config),
            "trusted_proxies": config.trusted_proxies,
            "cluster_domain": config.cluster_domain,
            "control_plane": config.name,
            "revision": config.revision,
            "undiscovered": self._undiscovered(config),
            **{name: value for name, value in flags.items() if value is not None},
        }

    def _undiscovered(self, config: MeshConfig) -> frozenset[str]:
        """A namespace of which the source has no labels is not judged."""
        return frozenset(name for name, labels in self.namespaces.items() if not config.discovers(name, labels))


def meshes_of(objects: Iterable[Mapping[str, Any]], given: Mapping[str, Any] | None = None, home: str = "") -> Meshes:
    """The settings of every istiod of the source, `given` before what it says; and what had to be assumed. `home`: the namespace of the
    control plane that is asked about."""
    kept = list(objects)
    settings = _Settings(kept, given, home)
    root = home or settings.given.get("root_namespace")
    every = mesh_configs(kept)
    configs = [config for config in every if root in (config.root_namespace, config.namespace)] or list(every)
    chosen = next((config for config in configs if config.revision == DEFAULT_REVISION), configs[-1] if configs else None)
    main = settings.of(chosen)
    found = [main if config is chosen else settings.of(config, f" of {config.name}") for config in configs]
    broken = tuple(one for config in configs for one in config.broken)
    settings.assumed += [f"{one.resource} says nothing: {one.message}" for one in broken]
    return Meshes(main, tuple(found), tuple(settings.assumed), broken, revisions_of(kept, configs), settings.namespaces)


def mesh_of(objects: Iterable[Mapping[str, Any]], given: Mapping[str, Any] | None = None) -> tuple[Mesh, tuple[str, ...]]:
    """The settings of the mesh, `given` before what the source says; and what had to be assumed."""
    found = meshes_of(objects, given)
    return found.main, found.assumptions


def _unknown_version(found: dict[str, Any]) -> str:
    """Takes a version out that is none, such as master."""
    try:
        parse_version(found.get("version"))
    except ValueError:
        return str(found.pop("version"))
    return ""
