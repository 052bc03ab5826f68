# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Which ports of a pod with a proxy its proxy does not get: what goes there goes past every policy.

As Istio's injection template, its CNI plugin and istio-iptables decide: where `includeInboundPorts` is `*`, all ports but the excluded
ones are taken; where it is a list, those and no others, whatever is excluded; where it is empty, or the mode is NONE, none at all. Beside
that Envoy itself listens at the ports of a Sidecar's ingress that say `captureMode: NONE`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

from .._model.fields import entries, name_of, namespace_of, section, sections, texts
from .._model.objects import group_of
from .._model.proxies import STATUS
from .._model.workloads import Shape

__all__ = ["CAPTURED", "CaptureSettings", "Past", "past_proxy", "settings_of"]

_INCLUDE, _EXCLUDE = "traffic.sidecar.istio.io/includeInboundPorts", "traffic.sidecar.istio.io/excludeInboundPorts"
_MODE, _CONFIG, _STATUS_PORT = "sidecar.istio.io/interceptionMode", "proxy.istio.io/config", "status.sidecar.istio.io/port"
_TEMPLATES, _GRPC = "inject.istio.io/templates", "grpc-agent"
_BYPASS = "ambient.istio.io/bypass-inbound-capture"
_OWN = frozenset({15020, 15021, 15090})  # the agent and Envoy themselves answer there
_INITS = frozenset({"istio-init", "istio-validation"})
_FLAGS = {"-b": "include", "-d": "exclude", "-m": "mode"}  # of istio-init's arguments
_MODE_IN_TEXT = re.compile(r"""interceptionMode["']?\s*:\s*["']?([A-Z]+)""")
_SPOKEN = (_INCLUDE, _EXCLUDE, _MODE, _CONFIG, _TEMPLATES)
ALL = "*"


@dataclass(frozen=True)
class Past:
    """What goes past the proxy: these ports, or, with `but`, all but those. `why`: what says so."""

    ports: tuple[int, ...] = ()
    but: tuple[int, ...] | None = None
    why: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return bool(self.ports) or self.but is not None

    def takes(self, port: int) -> bool:
        return port in self.ports if self.but is None else port not in self.but

    @property
    def text(self) -> str:
        if self.but is None:
            return f"port{'s' if len(self.ports) > 1 else ''} {', '.join(map(str, self.ports))}"
        return f"every port but {', '.join(map(str, self.but))}" if self.but else "every port"


CAPTURED = Past()


@dataclass(frozen=True)
class _Wish:
    """One voice on what is taken; None where it says nothing."""

    include: str | None = None
    exclude: str | None = None
    mode: str | None = None
    who: str = ""


@dataclass(frozen=True)
class CaptureSettings:
    """What a source says for all pods, by the control plane's revision; and its Sidecars with an ingress."""

    planes: Mapping[str, _Wish] = field(default_factory=dict)
    sidecars: tuple[Mapping[str, Any], ...] = ()

    @property
    def silent(self) -> bool:
        return not self.planes and not self.sidecars

    @cached_property
    def _sidecars(self) -> Mapping[str, list[Mapping[str, Any]]]:
        found: dict[str, list[Mapping[str, Any]]] = {}
        for one in self.sidecars:
            found.setdefault(namespace_of(one), []).append(one)
        return found

    def sidecars_of(self, namespace: str) -> list[Mapping[str, Any]]:
        """Each pod asks for those of its namespace."""
        return self._sidecars.get(namespace, [])

    def wish(self, revision: str) -> _Wish:
        """The revision's own, else the only one. Of several that say different things none can be told to be meant: the most open one."""
        if revision in self.planes:
            return self.planes[revision]
        found = list(dict.fromkeys(self.planes.values()))
        return max(found, key=_openness, default=_Wish())


def _openness(wish: _Wish) -> tuple[bool, bool, int]:
    return wish.mode == "NONE", wish.include not in (None, ALL), len(_numbers(wish.exclude))


def _numbers(text: str | None) -> frozenset[int]:
    """What of it is a port; Istio's own validation lets nothing else through."""
    return frozenset(int(part) for part in (text or "").replace(" ", "").split(",") if part.isdigit())


def _joined(value: Any) -> str | None:
    """A list of ports as Istio's values have it: a text, a number, or a list in the CRD of OpenShift Service Mesh 2."""
    if value is None or isinstance(value, Mapping):
        return None
    return ",".join(str(one) for one in entries(value)) if isinstance(value, (list, tuple)) else str(value)


def _of_values(values: Mapping[str, Any], who: str) -> _Wish:
    proxy = section(values, "global", "proxy")
    mode = section(values, "meshConfig", "defaultConfig").get("interceptionMode")
    return _Wish(_joined(proxy.get("includeInboundPorts")), _joined(proxy.get("excludeInboundPorts")), str(mode) if mode else None, who)


def _of_plane(obj: Mapping[str, Any]) -> tuple[str, _Wish] | None:
    """What an object says of all pods, and of which revision."""
    kind, group, name = obj.get("kind"), group_of(str(obj.get("apiVersion") or "")), name_of(obj)
    if kind in ("Istio", "IstioRevision") and group == "sailoperator.io":
        return name, _of_values(section(obj, "spec", "values"), f"{kind} {name}")
    if kind == "IstioOperator" and group == "install.istio.io":
        wish = _of_values(section(obj, "spec", "values"), f"IstioOperator {namespace_of(obj)}/{name}")
        mode = section(obj, "spec", "meshConfig", "defaultConfig").get("interceptionMode")
        revision = str(section(obj, "spec").get("revision") or "default")
        return revision, replace(wish, mode=str(mode)) if mode else wish
    if kind == "ServiceMeshControlPlane":
        inbound = section(obj, "spec", "proxy", "networking", "trafficControl", "inbound")
        mode = inbound.get("interceptionMode")
        included, excluded = _joined(inbound.get("includedPorts")), _joined(inbound.get("excludedPorts"))
        return name, _Wish(included, excluded, str(mode) if mode else None, f"ServiceMeshControlPlane {namespace_of(obj)}/{name}")
    if kind == "ConfigMap" and name.startswith("istio-sidecar-injector") and not group:
        try:
            values = json.loads(str(section(obj, "data").get("values") or "{}"))
        except ValueError:
            return None
        labelled = texts(section(obj, "metadata").get("labels")).get("istio.io/rev")
        revision = labelled or name.removeprefix("istio-sidecar-injector").strip("-") or "default"
        return revision, _of_values(section(values), f"ConfigMap {namespace_of(obj)}/{name}")
    if kind == "ConfigMap" and (name == "istio" or name.startswith("istio-")) and not group:
        found = _MODE_IN_TEXT.search(str(section(obj, "data").get("mesh") or ""))
        wish = _Wish(mode=found.group(1) if found else None, who=f"ConfigMap {namespace_of(obj)}/{name}")
        return name.removeprefix("istio").strip("-") or "default", wish
    return None


def settings_of(objects: Iterable[Mapping[str, Any]]) -> CaptureSettings:
    """What a source says of inbound traffic for whole meshes. The injector's ConfigMap is what is in force, so it goes before the wish."""
    planes: dict[str, _Wish] = {}
    sidecars: list[Mapping[str, Any]] = []
    in_force: dict[str, _Wish] = {}  # of ConfigMaps: the injector's, and MeshConfig
    for obj in objects:
        if obj.get("kind") == "Sidecar" and group_of(str(obj.get("apiVersion") or "")) == "networking.istio.io":
            sidecars.append(obj)
            continue
        found = _of_plane(obj)
        if found and any(value is not None for value in (found[1].include, found[1].exclude, found[1].mode)):
            if obj.get("kind") == "ConfigMap":
                in_force[found[0]] = _over(found[1], in_force.get(found[0]))
            else:
                planes[found[0]] = found[1]
    for revision, wish in in_force.items():
        planes[revision] = _over(wish, planes.get(revision))
    return CaptureSettings(planes, tuple(sidecars))


def _over(wish: _Wish, other: _Wish | None) -> _Wish:
    """What one says, and where it says nothing the other."""
    if other is None:
        return wish
    include = other.include if wish.include is None else wish.include
    return _Wish(include, other.exclude if wish.exclude is None else wish.exclude, wish.mode or other.mode, wish.who)


def _configured(notes: Mapping[str, Any]) -> str | None:
    """The mode in the ProxyConfig of a pod's annotation, which is YAML or JSON in a text."""
    found = _MODE_IN_TEXT.search(str(notes.get(_CONFIG) or ""))
    return found.group(1) if found else None


def _arguments(shape: Shape) -> dict[str, str]:
    """What istio-init was told, where a source still has it: that is what was done."""
    for row in sections(shape.spec.get("initContainers")):
        words = [str(word) for word in entries(row.get("args"))]
        if row.get("name") in _INITS and "istio-iptables" in words:
            return {_FLAGS[flag]: value for flag, value in pairwise(words) if flag in _FLAGS}
    return {}


def _without_init(shape: Shape) -> bool:
    """Was the pod made with an init container that captures, and has none now?"""
    try:
        told = json.loads(str(shape.annotations.get(STATUS) or "{}"))
    except ValueError:
        return False
    names = set(map(str, entries(section(told).get("initContainers"))))
    return shape.live and bool(names & _INITS) and not any(row.get("name") in _INITS for row in sections(shape.spec.get("initContainers")))


def _bound(shape: Shape, namespace: str, settings: CaptureSettings, *, all_of_them: bool) -> frozenset[int]:
    """Ports at which Envoy itself listens, by the ingress of the workload's Sidecar: one that selects it, else its namespace's."""
    own = settings.sidecars_of(namespace)
    labels = [texts(section(one, "spec", "workloadSelector").get("labels")) for one in own]
    chosen = [one for one, wanted in zip(own, labels, strict=True) if wanted and wanted.items() <= shape.labels.items()]
    chosen = chosen or [one for one, wanted in zip(own, labels, strict=True) if not wanted]
    found = set()
    for row in sections(section(chosen[0], "spec").get("ingress")) if chosen else ():
        number = section(row, "port").get("number")
        if str(number).isdigit() and (all_of_them or row.get("captureMode") == "NONE"):
            found.add(int(str(number)))
    return frozenset(found)


def past_proxy(shape: Shape, namespace: str, kind: str, revision: str, settings: CaptureSettings) -> Past:
    """What goes past the proxy of such a pod. Gateways and waypoints capture nothing: there Envoy itself listens."""
    notes = shape.annotations
    # Most pods say nothing, and neither does their mesh.
    if kind == "sidecar" and settings.silent and not shape.live and not any(key in notes or key in shape.labels for key in _SPOKEN):
        return CAPTURED
    if kind == "ztunnel":
        past = str(notes.get(_BYPASS) or "").lower() == "true"
        return Past((), (), f"the annotation {_BYPASS} is true") if past else CAPTURED
    if kind != "sidecar":
        return CAPTURED
    templates = str(notes.get(_TEMPLATES) or shape.labels.get(_TEMPLATES) or "").replace(" ", "").split(",")
    if _GRPC in templates:  # an agent for gRPC without a proxy: no Envoy and no istio-init
        return Past((), (), f"the injection template is {_GRPC}, which has no proxy")
    wish, told = settings.wish(revision), _arguments(shape)
    mode = told.get("mode") or notes.get(_MODE) or _configured(notes) or wish.mode or "REDIRECT"
    bound = _bound(shape, namespace, settings, all_of_them=mode == "NONE")
    if mode == "NONE":
        who = f"the interception mode is NONE{'' if _MODE in notes or not wish.mode else f' ({wish.who})'}"
        return Past((), tuple(sorted(bound)), who)
    if _without_init(shape):
        return Past((), tuple(sorted(bound)), "the pod has no istio-init, so nothing leads its ports to the proxy")
    told_by = _voices(shape, told, wish)
    include, who = _said(_INCLUDE, told_by)
    if include not in (None, ALL):
        return Past((), tuple(sorted(_numbers(include) | bound)), f"includeInboundPorts is {include or 'empty'}{who}")
    exclude, who = _said(_EXCLUDE, told_by)
    ports = _numbers(exclude) - _OWN - _numbers(str(notes.get(_STATUS_PORT) or "")) - bound
    return Past(tuple(sorted(ports)), None, f"excludeInboundPorts has {'it' if len(ports) == 1 else 'them'}{who}") if ports else CAPTURED


def _voices(shape: Shape, told: Mapping[str, str], wish: _Wish) -> list[tuple[dict[str, str | None], str]]:
    """Who says something of ports, the first one that does counts: what was done, the pod, the mesh.

    Istio reads no label here. Who writes one means it, and an injector of somebody else may: it is not taken to be of no effect."""
    done = {_INCLUDE: told.get("include"), _EXCLUDE: told.get("exclude")}
    notes = {key: None if key not in shape.annotations else str(shape.annotations[key] or "") for key in (_INCLUDE, _EXCLUDE)}
    labels = {key: shape.labels.get(key) for key in (_INCLUDE, _EXCLUDE)}
    general = {_INCLUDE: wish.include, _EXCLUDE: wish.exclude}
    label = " (as a label, which Istio itself does not read: make it an annotation, or remove it)"
    return [(done, " (istio-init's arguments)"), (notes, " (annotation)"), (labels, label), (general, f" ({wish.who})")]


def _said(key: str, voices: Iterable[tuple[Mapping[str, str | None], str]]) -> tuple[str | None, str]:
    for values, who in voices:
        value = values.get(key)
        if value is not None:
            return value, who
    return None, ""
