# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Whose product a control plane is: OpenShift Service Mesh and the Sail project have one operator with the same kinds."""

from __future__ import annotations

from collections.abc import Iterator

from .._model import kinds as k
from .._model.mesh_config import istiod_deployment
from .._model.packages import MESH_PACKAGE
from .._model.view import Obj, View
from .model import Fact

__all__ = ["maker_of"]

_OSSM3, _SAIL = "ossm3", "sail"
_PACKAGES = {MESH_PACKAGE[maker]: maker for maker in (_OSSM3, _SAIL)}
_DEPLOYMENTS = {"servicemesh-operator3": _OSSM3, "sail-operator": _SAIL}  # of the operators' bundles and of Sail's chart
_IMAGES = (("/openshift-service-mesh", _OSSM3), ("istio-release/", _SAIL), ("docker.io/istio/", _SAIL), ("istio-testing/", _SAIL))


def maker_of(view: View, namespace: str) -> Fact:
    """ossm3 or sail, by what is nearest to the operator: its Subscription, its ClusterServiceVersion, its Deployment, the images that it
    runs in this namespace, then whether the cluster is OpenShift."""
    for package, source in _told(view):
        if package in _PACKAGES:
            return Fact(_PACKAGES[package], source)
    for row in view.of(k.DEPLOYMENT):
        if row.name in _DEPLOYMENTS:
            return Fact(_DEPLOYMENTS[row.name], row.ref)
    for row in view.of(k.DEPLOYMENT, namespace):
        if istiod_deployment(row.raw):
            for image in _images(row):
                for word, maker in _IMAGES:
                    if word in image:
                        return Fact(maker, f"the image of {row.ref}")
    if view.of(k.ROUTE):
        return Fact(_OSSM3, f"{view.of(k.ROUTE)[0].ref}: the cluster is OpenShift", guessed=True)
    return Fact(_SAIL, "nothing says whose operator runs it", guessed=True)


def _told(view: View) -> Iterator[tuple[str, str]]:
    for row in view.of(k.SUBSCRIPTION):
        yield str(row.at("spec", "name", default="")), row.ref
    for row in view.of(k.CSV):
        if "olm.copiedFrom" not in row.labels and row.at("status", "reason") != "Copied":
            yield row.name.partition(".")[0], row.ref


def _images(row: Obj) -> Iterator[str]:
    for container in row.items("spec", "template", "spec", "containers"):
        yield str(container.get("image") or "")
