# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Checks of the workloads category about what the injector puts into pods, and what the pods that run have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from .._checks.types import Options
from .._model import kinds as k
from .._model.fields import section, sections, texts
from .._model.injector_values import injector_values
from .._model.intent import Intent
from .._model.istiods import READS, istiods
from .._model.pods import every_pod
from .._model.problem import Problem, Severity, skip
from .._model.proxies import INJECT, PROXY, lives, proxy_container
from .._model.revisions import Revisions, revision_of_pod, revisions_of
from .._model.view import Obj, View
from .._text import counted, shortened
from .checks import CATEGORY

check = CATEGORY.check

__all__: list[str] = []

_VARIANT = re.compile(r"-(distroless|debug)$")  # of the same version, by the image type of the mesh, a namespace or a pod
_OWN_IMAGE, _OVERRIDES = "sidecar.istio.io/proxyImage", "proxy.istio.io/overrides"
_SAYING = (k.ISTIO, k.ISTIO_REVISION_TAG, k.MUTATING_WEBHOOK, k.SERVICE, k.SMMR, k.SMM)
_SHOWN = 5


def _injected_images(view: View) -> dict[str, str]:
    """The image that each revision injects, without its variant."""
    found: dict[str, str] = {}
    for one in injector_values(view):
        if one.image:
            found.setdefault(one.revision, _VARIANT.sub("", one.image))
    return found


def _chosen(pod: Obj) -> bool:
    """Whether its image was chosen by people: by the annotation, or in a container istio-proxy of its own."""
    if pod.annotations.get(_OWN_IMAGE):
        return True
    try:
        written = section(json.loads(pod.annotations.get(_OVERRIDES) or "{}"))
    except (ValueError, RecursionError):
        return True
    own = (one for part in ("containers", "initContainers") for one in sections(written.get(part)))
    return any(one.get("name") == PROXY and one.get("image") not in (None, "", "auto") for one in own)


def _asked(revisions: Revisions, view: View, pod: Obj) -> str:
    """The revision that a pod has its proxy from: what the injector wrote, else what the labels ask for."""
    namespace = view.get(k.NAMESPACE, pod.namespace)
    around = texts(namespace.labels if namespace is not None else {})
    return revision_of_pod(pod.raw) or revisions.asked(pod.namespace, around, pod.labels)


@check(
    "OSM1408",
    title="each proxy has the image that its revision injects",
    hint="restart the workloads, one at a time: kubectl rollout restart deployment/NAME -n NAMESPACE",
    severity=Severity.WARNING,
    inputs=(*dict.fromkeys((k.NAMESPACE, k.POD, *READS, *_SAYING)),),
    retryable=True,
    subjects=(k.POD,),
    equivalents=("IST0158",),
)
def images_current(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """After an upgrade in place, a new patch release among them, pods keep the proxy that they were created with until they restart: its
    faults and its holes as well. What a pod or its template chooses itself is left alone."""
    images = _injected_images(view)
    if not images:
        yield skip("the source does not say which image any injector puts in")
    objects = [row.raw for kind in _SAYING for row in view.of(kind)]
    revisions = view.memo("workloads.revisions", view, lambda: revisions_of(objects, istiods(view)))
    found: dict[tuple[str, str], list[str]] = {}
    for pod, image in _proxies(view, intent):
        revision = _asked(revisions, view, pod)
        if images.get(revision, "") not in ("", _VARIANT.sub("", image)):
            found.setdefault((pod.namespace, revision), []).append(f"{pod.name} ({image})")
    for (space, revision), pods in sorted(found.items()):
        text = f"{counted(len(pods), 'pod')} {'has' if len(pods) == 1 else 'have'} another proxy than {images[revision]}"
        yield Problem(f"Namespace {space}", f"{text}, which revision {revision} injects: {shortened(sorted(pods), _SHOWN)}")


def _proxies(view: View, intent: Intent) -> Iterator[tuple[Obj, str]]:
    """The pods whose proxy an injector wrote, with its image."""
    for pod in intent.owned(view.of(k.POD)):
        proxy = proxy_container(pod.raw)
        image = str((proxy or {}).get("image") or "")
        made = pod.labels.get(INJECT) == "false" or pod.annotations.get(INJECT) == "false"  # by an operator, such as Maistra's gateways
        if image and image != "auto" and not made and lives(pod.raw) and not _chosen(pod):
            yield pod, image


_MODE, _REDIRECTED = "istio.io/dataplane-mode", "ambient.istio.io/redirection"


@check(
    "OSM1409",
    title="each pod is in one data plane",
    hint="take one of the labels out of the pod template, istio.io/dataplane-mode or sidecar.istio.io/inject, and restart the workload",
    severity=Severity.WARNING,
    inputs=(k.POD,),
    live=False,
    equivalents=("KIA1311", "KIA1314", "KIA1315"),
)
def one_data_plane(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Ambient leaves a pod with a sidecar alone, whatever its label says: it is not behind ztunnel and not behind the waypoint. One that is
    redirected to ztunnel as well has its traffic taken twice."""
    told: set[str] = set()
    for namespace, pod in every_pod(view):
        asks = pod.labels.get(_MODE) == "ambient" or pod.annotations.get(_REDIRECTED) == "enabled"
        sidecar = pod.proxied or str(pod.labels.get(INJECT, "")).lower() == "true"
        title = f"Workload {namespace}/{pod.name}"
        if asks and sidecar and intent.owns(namespace) and pod.labels.get("app") != "ztunnel" and title not in told:
            told.add(title)
            yield Problem(title, "its pods ask for ambient, and have a sidecar or ask for one")
