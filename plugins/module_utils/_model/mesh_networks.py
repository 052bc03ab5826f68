# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""MeshNetworks: which clusters are said to be in which network of a mesh, wherever it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.common.yaml import HAS_YAML, yaml_load

from .fields import is_of, metadata_of, section, sections
from .malformed import title

try:
    from yaml import YAMLError
except ImportError:  # HAS_YAML is False then

    class YAMLError(ValueError):  # type: ignore[no-redef]
        """Never raised."""


__all__ = ["NetworkCluster", "network_clusters"]


@dataclass(frozen=True)
class NetworkCluster:
    """A cluster (`fromRegistry`) of a network. source: the object that says it; namespace: that of its istiod, empty where it is unsaid."""

    source: str
    namespace: str
    network: str
    cluster: str


def network_clusters(objects: Iterable[Mapping[str, Any]]) -> Iterator[NetworkCluster]:
    """Those of ConfigMaps that an istiod reads, and of custom resources and charts' values that such are made from."""
    for obj in objects:
        for namespace, networks in _written(obj):
            for name, network in networks.items():
                for row in sections(section(network).get("endpoints")):
                    if row.get("fromRegistry"):
                        yield NetworkCluster(title(obj), namespace, str(name), str(row["fromRegistry"]))


def _written(obj: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    spec = section(obj, "spec")
    if is_of(obj, "ConfigMap", "") and metadata_of(obj, "name").partition("-")[0] == "istio":
        yield metadata_of(obj, "namespace"), section(_loaded(section(obj, "data").get("meshNetworks")), "networks")
    elif obj.get("kind") in ("Istio", "IstioRevision", "IstioOperator"):
        yield str(spec.get("namespace") or ""), section(spec, "values", "global", "meshNetworks")
    elif is_of(obj, "ServiceMeshControlPlane", "maistra.io"):
        yield metadata_of(obj, "namespace"), section(spec, "cluster", "multiCluster", "meshNetworks")


def _loaded(text: Any) -> Any:
    if not HAS_YAML or not isinstance(text, str):
        return None
    try:
        return yaml_load(text)
    except (YAMLError, ValueError, RecursionError):
        return None
