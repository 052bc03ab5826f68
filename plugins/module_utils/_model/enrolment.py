# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""How namespaces and pods ask for the proxies of a mesh, by its inventory: which word, and on which of the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .fields import entries
from .injection import INJECT, INJECTION, REVISION

__all__ = ["BY_PODS", "asked_by_pods", "injection_word", "namespace_labels"]

# On a namespace of ours whose own labels ask for no proxy: each of its pods does, or does not.
BY_PODS = "mesh.meshops.io/injection"
_DEFAULT = "default"


def injection_word(mesh: str, plane: Mapping[str, Any]) -> str:
    """What labels name: the IstioRevisionTag that the inventory wants; with RevisionBased, where revisions come and go, a tag of the
    mesh's name; else the only revision there is, which has the name of the Istio resource."""
    tag = plane.get("revision_tag")
    if tag:
        return str(tag)
    return mesh if plane.get("update_strategy") == "RevisionBased" else str(plane.get("name"))


def namespace_labels(mesh: str, plane: Mapping[str, Any], injection: str = "namespace") -> dict[str, str]:
    """The labels of a member (OSSM 3). injection: `namespace`, or `pods` where each pod asks by itself."""
    word = injection_word(mesh, plane)
    if injection == "pods":
        return {"istio-discovery": mesh, BY_PODS: "pods"}
    # istio-injection goes before istio.io/rev: an upgrade by revisions could not move the namespace.
    moving = plane.get("update_strategy") == "RevisionBased"
    return {"istio-discovery": mesh, **({INJECTION: "enabled"} if word == _DEFAULT and not moving else {REVISION: word})}


def asked_by_pods(mesh: str, plane: Mapping[str, Any], domains: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """The labels that a pod with a proxy carries, of each namespace in which pods ask by themselves (OSSM 3)."""
    word = injection_word(mesh, plane)
    labels = {INJECT: "true"} if word == _DEFAULT else {REVISION: word}
    return {str(space): labels for domain in domains if domain.get("injection") == "pods" for space in entries(domain.get("namespaces"))}
