# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Checks of the workloads category about what people write on objects for the proxies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from .._checks.types import Options
from .._model import kinds as k
from .._model.annotations import ANYWHERE, DEPRECATED, PLACES, is_of_istio
from .._model.fields import section
from .._model.intent import ISTIO_ONLY, Intent
from .._model.problem import Problem, Severity
from .._model.view import Obj, View
from .checks import CATEGORY

check = CATEGORY.check

__all__: list[str] = []

_MAKERS = (k.DEPLOYMENT, k.STATEFUL_SET, k.DAEMON_SET, k.CRON_JOB)  # there are many Jobs, and each is short
KINDS = (k.NAMESPACE, k.SERVICE, k.POD, *_MAKERS)
_TEMPLATE = "of its pod template"
Place = tuple[Obj, str, Mapping[str, Any]]  # the object, where in it, its annotations there


def _written(view: View, intent: Intent) -> Iterator[Place]:
    """What people wrote; what has an owner has the annotations of that."""
    for kind in KINDS:
        for row in view.of(kind):
            if not intent.owns(row.name if kind == k.NAMESPACE else row.namespace) or row.items("metadata", "ownerReferences"):
                continue
            yield row, "", row.annotations
            if kind in _MAKERS:
                holder = section(row.raw, "spec", "jobTemplate", "spec") if kind == k.CRON_JOB else section(row.raw, "spec")
                yield row, _TEMPLATE, section(holder, "template", "metadata", "annotations")


def _of_istio(view: View, intent: Intent) -> Iterator[tuple[Obj, str, str, Any]]:
    for row, where, notes in _written(view, intent):
        for key, value in notes.items():
            if is_of_istio(key) and key not in ANYWHERE:
                yield row, where, key, value


def _at(key: str, where: str) -> str:
    return f"annotation {key} {where}".rstrip()


@check(
    "OSM1420",
    title="each annotation with istio.io in its name is one that Istio reads",
    hint="correct the name; Istio lists its annotations at istio.io under Reference, Resource Annotations, and some names are labels",
    severity=Severity.WARNING,
    inputs=KINDS,
    live=False,
    equivalents=("IST0108",),
)
def annotations_known(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A misspelt annotation does nothing, and nobody says so: the proxy has the defaults of the mesh. A newer Istio may have others."""
    for row, where, key, _value in _of_istio(view, intent):
        if key not in PLACES:
            near = get_close_matches(key, PLACES, n=1, cutoff=0.8)
            meant = f"; did you mean {near[0]}?" if near else ""
            yield Problem(row.ref, f"nothing of Istio reads its {_at(key, where)}{meant}")


@check(
    "OSM1421",
    title="each annotation for Istio is on an object of which it is read",
    hint="move it; what is meant for the proxies of a workload is written in spec.template.metadata.annotations",
    severity=Severity.WARNING,
    inputs=KINDS,
    live=False,
    equivalents=("IST0107",),
)
def annotations_placed(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """An annotation of another object does nothing: the injector reads those of the pod, not those of its Deployment or Namespace."""
    for row, where, key, _value in _of_istio(view, intent):
        places = PLACES.get(key, ())
        kind = "Pod" if where else row.kind.kind
        if places and kind not in places:
            better = "its pod template" if "Pod" in places and row.kind in _MAKERS else " or ".join(places)
            yield Problem(row.ref, f"its {_at(key, where)} has no effect: it is read of {better} only")


@check(
    "OSM1422",
    title="no annotation for Istio is a deprecated one",
    hint="write what takes its place beside it, and take it out once no istiod is left that needs it",
    severity=Severity.INFO,
    inputs=KINDS,
    providers=("ossm3", "sail", ISTIO_ONLY),  # OpenShift Service Mesh 2 knows nothing else
    live=False,
    equivalents=("IST0135",),
)
def annotations_current(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """A later Istio ignores it without a word, and the next restart after that upgrade gives other proxies, or none."""
    for row, where, key, _value in _of_istio(view, intent):
        if key not in DEPRECATED:
            continue
        holder = section(row.raw, "spec", "template", "metadata", "labels") if where else row.labels
        if key not in holder:  # with the label it is there for an older istiod
            yield Problem(row.ref, f"its {_at(key, where)} is deprecated; in its place: {DEPRECATED[key]}")
