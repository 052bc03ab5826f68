# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""OSM16xx: what shows the mesh to people."""

from __future__ import annotations

from collections.abc import Iterable

from .._checks.conditions import condition_true
from .._checks.types import Category, Options
from .._model import kinds as k
from .._model.intent import Intent
from .._model.problem import Problem
from .._model.rollouts import rollout_problem
from .._model.view import Obj, View, ref

CATEGORY = Category("observability")
check = CATEGORY.check

__all__: list[str] = []

NEEDS = ("control_plane", "observability")


def _deployment(view: View, name: str, namespace: str) -> Iterable[Problem]:
    deployment = view.get(k.DEPLOYMENT, name, namespace)
    if deployment is None:
        yield Problem(ref(k.DEPLOYMENT, name, namespace), "it does not exist")
    elif rollout_problem(deployment):
        yield Problem(deployment.ref, rollout_problem(deployment))


def _custom_resource(view: View, namespace: str, kind: k.Kind) -> Obj | None:
    return next(iter(view.of(kind, namespace)), None)


@check(
    "OSM1601",
    title="Kiali is ready",
    hint="oc describe kiali -n NAMESPACE; oc logs deployment/kiali -n NAMESPACE",
    inputs=(k.KIALI, k.DEPLOYMENT),
    intent=NEEDS,
    component="kiali",
    retryable=True,
)
def kiali_ready(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The Kiali operator reports its playbook's result in the conditions; the Deployment says whether the server runs."""
    place = intent.place("kiali")
    kiali = _custom_resource(view, place, k.KIALI)
    if kiali is None and "observability" in intent.found:
        yield from _deployment(view, "kiali", place)  # what was found is Kiali without its operator
        return
    if kiali is None:
        yield Problem(f"Namespace {place}", "it has no Kiali resource")
        return
    failure, success = kiali.condition("Failure"), kiali.condition("Successful")
    if failure is not None and failure.true:
        yield Problem(kiali.ref, f"its operator failed ({failure.why})")
    elif success is not None and not success.true:
        yield Problem(kiali.ref, f"its operator has not finished ({success.why})")
    else:
        home = str(kiali.at("spec", "deployment", "namespace", default="") or kiali.namespace)
        yield from _deployment(view, str(kiali.at("spec", "deployment", "instance_name", default="kiali")), home)


@check(
    "OSM1602",
    title="Jaeger is ready",
    hint="oc describe jaeger -n NAMESPACE; with Elasticsearch look at its pods first",
    inputs=(k.JAEGER, k.DEPLOYMENT),
    intent=NEEDS,
    component="jaeger",
    retryable=True,
)
def jaeger_ready(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Without a collector proxies drop their spans, which goes unnoticed until a trace is needed."""
    place = intent.place("jaeger")
    jaeger = _custom_resource(view, place, k.JAEGER)
    if jaeger is None:
        yield Problem(f"Namespace {place}", "it has no Jaeger resource")
    elif jaeger.at("status", "phase") != "Running":
        yield Problem(jaeger.ref, f"its phase is {jaeger.at('status', 'phase', default='not set')}, not Running")
    else:
        # Running says that the objects were applied, and nothing about pods.
        wanted = {"app": "jaeger", "app.kubernetes.io/instance": jaeger.name}
        for deployment in view.of(k.DEPLOYMENT, place):
            if wanted.items() <= deployment.labels.items() and rollout_problem(deployment):
                yield Problem(deployment.ref, rollout_problem(deployment))


@check(
    "OSM1605",
    title="Tempo is ready",
    hint="oc describe tempomonolithic,tempostack -n NAMESPACE; a TempoStack also needs the Secret of its object storage",
    inputs=(k.TEMPO_MONOLITHIC, k.TEMPO_STACK),
    intent=NEEDS,
    component="tempo",
    retryable=True,
)
def tempo_ready(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Its operator checks the pods of all components before it reports Ready, and reports ConfigurationError where it creates none."""
    place = intent.place("tempo")
    tempo = _custom_resource(view, place, k.TEMPO_MONOLITHIC) or _custom_resource(view, place, k.TEMPO_STACK)
    if tempo is None:
        yield Problem(f"Namespace {place}", "it has no TempoMonolithic and no TempoStack")
        return
    wrong = next((row for row in tempo.conditions() if row.type in ("ConfigurationError", "Failed") and row.true), None)
    if wrong is not None:
        yield Problem(tempo.ref, f"{wrong.type} ({wrong.why})")
    else:
        yield from condition_true(tempo, "Ready")


@check(
    "OSM1606",
    title="the OpenTelemetry collector is ready",
    hint="oc logs deployment/NAME-collector -n NAMESPACE; a configuration that the collector refuses ends its pod at once",
    inputs=(k.OPENTELEMETRY_COLLECTOR, k.DEPLOYMENT),
    intent=NEEDS,
    component="opentelemetry",
    retryable=True,
)
def collector_ready(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Proxies send their spans to it. The operator creates a Deployment for it and does not report on its pods."""
    place = intent.place("opentelemetry")
    collector = _custom_resource(view, place, k.OPENTELEMETRY_COLLECTOR)
    if collector is None:
        yield Problem(f"Namespace {place}", "it has no OpenTelemetryCollector")
    elif collector.at("spec", "mode", default="deployment") == "deployment":
        yield from _deployment(view, f"{collector.name}-collector", place)


@check(
    "OSM1603",
    title="Prometheus exists and is available",
    hint="oc get prometheus,deployment -n NAMESPACE",
    inputs=(k.PROMETHEUS, k.DEPLOYMENT),
    intent=NEEDS,
    component="prometheus",
    retryable=True,
)
def prometheus_ready(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """Kiali's graph and every alert are based on its metrics. This collection installs a Deployment; the Prometheus operator works
    from a Prometheus resource."""
    place = intent.place("prometheus")
    prometheus = _custom_resource(view, place, k.PROMETHEUS)
    if prometheus is None:
        yield from _deployment(view, "prometheus", place)
    else:
        yield from condition_true(prometheus, "Available")


@check(
    "OSM1604",
    title="Grafana is ready",
    hint="oc logs deployment/grafana -n NAMESPACE",
    inputs=(k.DEPLOYMENT,),
    intent=NEEDS,
    component="grafana",
    retryable=True,
)
def grafana_ready(view: View, intent: Intent, options: Options) -> Iterable[Problem]:
    """The dashboards that a team looks at first when something is slow."""
    yield from _deployment(view, "grafana", intent.place("grafana"))
