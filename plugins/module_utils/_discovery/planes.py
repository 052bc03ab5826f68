# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The control planes of a source, of any maker, each with the istiods that are its."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .._model import kinds as k
from .._model.fields import section
from .._model.intent import ISTIO_ONLY
from .._model.istiods import istiods
from .._model.mesh_config import DEFAULT_REVISION, MeshConfig, istiod_deployment, revision_of_istiod
from .._model.versions import parse
from .._model.view import Obj, View
from .._upgrade.planes import ControlPlane, control_planes_of
from .maker import maker_of
from .model import UNKNOWN, DiscoveredRevision, Fact

__all__ = ["FoundPlane", "planes_of"]

_DEFAULTS = "Istio's default"


@dataclass(frozen=True)
class FoundPlane:
    """One control plane: what stands for it, and the configuration of each of its istiods, the active one first."""

    provider: Fact
    name: str
    namespace: str
    source: str
    configs: tuple[MeshConfig, ...]
    deployments: Mapping[str, str]  # revision to the istiod that the source has
    asked: Fact = UNKNOWN  # the version that was asked for
    active: Fact = UNKNOWN
    remote: Fact = UNKNOWN
    resource: Obj | None = None

    @property
    def config(self) -> MeshConfig | None:
        """Of the active istiod."""
        return self.configs[0] if self.configs else None

    @cached_property
    def names(self) -> frozenset[str]:
        """All of its revisions."""
        return frozenset(filter(None, (self.active.value, *(config.revision for config in self.configs))))

    @property
    def version(self) -> Fact:
        """What was asked for; without an operator, what runs."""
        return self.asked or (self._version(self.config) if self.config else UNKNOWN)

    @property
    def revisions(self) -> tuple[DiscoveredRevision, ...]:
        known = {config.revision: self._version(config) for config in self.configs}
        return tuple(
            DiscoveredRevision(name, known.get(name, UNKNOWN), self.deployments.get(name, ""))
            for name in (self.active.value, *sorted(self.names - {self.active.value}))
            if name
        )

    def _version(self, config: MeshConfig) -> Fact:
        return Fact(config.version, self.deployments.get(config.revision, "") or self.source) if config.version else UNKNOWN

    def setting(self, field: str, value: str) -> Fact:
        """A setting of MeshConfig with what says it."""
        config = self.config
        if config is None or not value:
            return UNKNOWN
        return Fact(value, config.sources[0] if config.settings.get(field) and config.sources else _DEFAULTS)


def planes_of(view: View, tags: Mapping[str, str]) -> tuple[list[FoundPlane], list[str]]:
    """All of them, and what is no control plane though it looks like one. tags: of which revision each is one."""
    found, left = [], list(istiods(view))
    deployments = {(row.namespace, revision_of_istiod(row.raw)): row.ref for row in view.of(k.DEPLOYMENT) if istiod_deployment(row.raw)}
    for plane in control_planes_of(view):
        resource = view.get(k.SMCP, plane.name, plane.namespace) if plane.ossm2 else view.get(k.ISTIO, plane.name)
        own = [config for config in left if config.namespace in ("", plane.namespace) and _is_of(view, plane, config)]
        left = [config for config in left if config not in own]
        found.append(_by_operator(view, plane, resource, own, deployments))
    groups: dict[str, list[MeshConfig]] = {}
    for config in left:
        groups.setdefault(config.namespace, []).append(config)
    notes: list[str] = []
    for namespace, own in groups.items():
        bare = _without_operator(view, namespace, own, deployments, tags)
        if isinstance(bare, FoundPlane):
            found.append(bare)
        else:
            notes.append(bare)
    return sorted(found, key=lambda one: (one.namespace, one.name)), notes


def _is_of(view: View, plane: ControlPlane, config: MeshConfig) -> bool:
    if plane.ossm2 or config.ossm2:
        return plane.ossm2 and config.revision == plane.name
    owned = {
        row.name
        for row in view.of(k.ISTIO_REVISION)
        if any(owner.get("kind") == k.ISTIO.kind and owner.get("name") == plane.name for owner in row.items("metadata", "ownerReferences"))
    }
    return config.revision in owned or config.revision == plane.active_revision.rstrip("-")


def _by_operator(
    view: View, plane: ControlPlane, resource: Obj | None, own: Sequence[MeshConfig], deployments: Mapping[tuple[str, str], str]
) -> FoundPlane:
    said = "status.activeRevisionName of " if not plane.ossm2 and resource and resource.at("status", "activeRevisionName") else ""
    active = Fact(plane.active_revision.rstrip("-"), f"{said}{plane.ref}")
    return FoundPlane(
        provider=Fact("ossm2", plane.ref) if plane.ossm2 else maker_of(view, plane.namespace),
        name=plane.name,
        namespace=plane.namespace,
        source=plane.ref,
        configs=tuple(sorted(own, key=lambda config: (config.revision != active.value, config.revision))),
        deployments=_own_deployments(plane.namespace, deployments),
        asked=Fact(plane.version, plane.ref) if plane.version else UNKNOWN,
        active=active,
        remote=Fact("true", f"spec.profile of {plane.ref}") if plane.profile == "remote" else UNKNOWN,
        resource=resource,
    )


def _own_deployments(namespace: str, deployments: Mapping[tuple[str, str], str]) -> dict[str, str]:
    return {revision: ref for (where, revision), ref in deployments.items() if where == namespace}


def _without_operator(
    view: View, namespace: str, own: Sequence[MeshConfig], deployments: Mapping[tuple[str, str], str], tags: Mapping[str, str]
) -> FoundPlane | str:
    """The istiods of one namespace that no Istio and no ServiceMeshControlPlane is behind; a sentence where none of them runs."""
    running = _own_deployments(namespace, deployments)
    remote = UNKNOWN
    if view.source != "manifests":
        alive = [config for config in own if config.revision in running]
        if not alive:
            remote = next(_elsewhere(view, namespace), UNKNOWN)
            if not remote:
                names = ", ".join(config.name for config in own)
                return f"there is the configuration of an istiod {names} that does not run"
        own = alive or own
    active = _active(own, tags)
    source = running.get(active.value) or next(
        (source for config in own if config.revision == active.value for source in config.sources), f"Namespace {namespace}"
    )
    return FoundPlane(
        provider=Fact(ISTIO_ONLY, "no Istio and no ServiceMeshControlPlane is behind it"),
        name=active.value,
        namespace=namespace,
        source=source,
        configs=tuple(sorted(own, key=lambda config: (config.revision != active.value, config.revision))),
        deployments=running,
        active=active,
        remote=remote,
    )


def _active(own: Sequence[MeshConfig], tags: Mapping[str, str]) -> Fact:
    """The revision that new proxies get where nobody asks for one: of the tag default, or called so; else the newest."""
    names = [config.revision for config in own]
    if tags.get(DEFAULT_REVISION) in names:
        return Fact(tags[DEFAULT_REVISION], "the tag default")
    if DEFAULT_REVISION in names or len(names) == 1:
        return Fact(DEFAULT_REVISION if DEFAULT_REVISION in names else names[0], "")
    dated = [(version, config.revision) for config in own for version in [parse(config.version)] if version is not None]
    newest = max(dated, key=lambda pair: pair[0], default=None)
    return Fact(newest[1], "the newest version") if newest else Fact(sorted(names)[-1], "the last by name")


def _elsewhere(view: View, namespace: str) -> Iterator[Fact]:
    """What says that the istiod of a namespace runs outside of this cluster: a webhook with an address, a Service without pods."""
    for row in view.of(k.MUTATING_WEBHOOK):
        for client in _clients(row.items("webhooks")):
            if str(client.get("url") or "").startswith("https://") and _injects(row):
                yield Fact("true", f"{row.ref} calls {client['url']}")
    for row in view.of(k.SERVICE, namespace):
        if row.name.startswith("istiod") and not row.at("spec", "selector"):
            yield Fact("true", f"{row.ref} has no selector")


def _injects(row: Obj) -> bool:
    return row.labels.get("app") == "sidecar-injector" or any(
        "sidecar-injector.istio.io" in str(hook.get("name")) for hook in row.items("webhooks")
    )


def _clients(hooks: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    for hook in hooks:
        yield section(hook, "clientConfig")
