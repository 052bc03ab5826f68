# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The Services that operators and istiod make of what a source has: nobody writes them, and they exist all the same."""

from __future__ import annotations

from collections.abc import Iterator

from . import kinds as k
from .fields import name_of, namespace_of, section, sections
from .gateway_labels import gateways_of_plane
from .mesh_config import expected_revision
from .objects import group_of
from .view import Obj, View

__all__ = ["made_services"]

_CLASS_SUFFIX = {"istio-waypoint": "", "istio-east-west": ""}  # istiod's defaults: NAME for these classes, NAME-CLASS for all others
# What operators of applications make, by their documentation: an asterisk stands for the object's name.
_OF_OPERATORS: dict[tuple[str, str], tuple[str, ...]] = {
    ("serving.knative.dev", "Service"): ("*",),
    ("serving.knative.dev", "Route"): ("*",),
    ("serving.kserve.io", "InferenceService"): ("*", "*-predictor"),
    ("postgresql.cnpg.io", "Cluster"): ("*-rw", "*-ro", "*-r"),
    ("kafka.strimzi.io", "Kafka"): ("*-kafka-bootstrap", "*-kafka-brokers"),
    ("rabbitmq.com", "RabbitmqCluster"): ("*", "*-nodes"),
    ("k8s.keycloak.org", "Keycloak"): ("*-service", "*-discovery"),
    ("elasticsearch.k8s.elastic.co", "Elasticsearch"): ("*-es-http",),
    ("kibana.k8s.elastic.co", "Kibana"): ("*-kb-http",),
    ("jaegertracing.io", "Jaeger"): ("*-query", "*-collector", "*-collector-headless", "*-agent"),
    ("opentelemetry.io", "OpenTelemetryCollector"): ("*-collector", "*-collector-headless", "*-collector-monitoring"),
    ("tempo.grafana.com", "TempoMonolithic"): ("tempo-*",),
    ("tempo.grafana.com", "TempoStack"): ("tempo-*-query-frontend", "tempo-*-distributor", "tempo-*-gateway"),
}


def made_services(view: View) -> frozenset[str]:
    """As name.namespace; made once for each view."""
    return view.memo("made_services", view, lambda: _made(view))


def _made(view: View) -> frozenset[str]:
    found: set[str] = set()
    for plane in view.of(k.SMCP):
        found.update(_of_smcp(plane))
    for istio in view.of(k.ISTIO):
        revision = expected_revision(istio.raw).rstrip("-")
        space = str(istio.at("spec", "namespace", default="istio-system"))
        found |= {f"istiod.{space}", f"istiod-{revision}.{space}", f"istiod-revision-tag-default.{space}"}
    for own in view.of(k.ISTIO_REVISION):
        space = str(own.at("spec", "namespace", default="istio-system"))
        found.add(f"istiod.{space}" if own.name == "default" else f"istiod-{own.name}.{space}")
    for operator in view.of(k.ISTIO_OPERATOR):
        found.update(_of_istio_operator(operator))
    for gateway in view.of(k.K8S_GATEWAY):
        kind = str(gateway.at("spec", "gatewayClassName", default=""))
        found.add(f"{gateway.name}{_CLASS_SUFFIX.get(kind, f'-{kind}')}.{gateway.namespace or 'default'}")
    for row in view.objects():
        names = _OF_OPERATORS.get((group_of(str(row.get("apiVersion") or "")), str(row.get("kind"))), ())
        found |= {f"{name.replace('*', name_of(row))}.{namespace_of(row)}" for name in names}
        if row.get("kind") == k.KIALI.kind:
            asked = section(row, "spec", "deployment")
            found.add(f"{asked.get('instance_name') or 'kiali'}.{asked.get('namespace') or namespace_of(row)}")
    return frozenset(found)


def _of_smcp(plane: Obj) -> Iterator[str]:
    yield f"istiod-{plane.name}.{plane.namespace or 'default'}"
    yield from (f"{name}.{namespace}" for name, namespace, _labels in gateways_of_plane(plane.raw))


def _of_istio_operator(operator: Obj) -> Iterator[str]:
    """The profile `default` has an ingress gateway; an egress gateway is on request."""
    space = str(operator.at("spec", "namespace", default=operator.namespace or "istio-system"))
    yield f"istiod.{space}"
    components = section(operator.raw, "spec", "components")
    for word, default in (("ingressGateways", "istio-ingressgateway"), ("egressGateways", "istio-egressgateway")):
        listed = sections(components.get(word))
        for one in listed:
            if one.get("enabled") is not False:
                yield f"{one.get('name') or default}.{one.get('namespace') or space}"
        if not listed and word == "ingressGateways":
            yield f"{default}.{space}"
