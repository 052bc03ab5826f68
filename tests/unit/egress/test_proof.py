# SPDX-License-Identifier: GPL-3.0-or-later
"""Who would lose what with REGISTRY_ONLY: observed calls, the routing before and after, and what is said without evidence."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._egress.observed import (
    OutboundCall,
    OutboundEvidence,
    of_labels,
    outbound_of_log,
    read_known,
)
from ansible_collections.meshops.mesh.plugins.module_utils._egress.proof import (
    CLEAN,
    LOSSES,
    UNKNOWN,
    OutboundProof,
    proposed_services,
    prove_registry_only,
)
from ansible_collections.meshops.mesh.plugins.module_utils._egress.report import lost_line, outbound_text, refusal_of
from ansible_collections.meshops.mesh.plugins.module_utils._egress.services import external_objects, read_services
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.intent import Intent
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot

Obj = dict[str, Any]
HOME = "istio-system"


def pod(name: str, namespace: str = "shop", **labels: str) -> Obj:
    app = name.partition("-")[0]
    own = {"app": app, "security.istio.io/tlsMode": "istio", **labels}
    containers = [{"name": "app"}, {"name": "istio-proxy"}]
    status = {"phase": "Running", "podIP": f"10.0.0.{sum(map(ord, name)) % 250}", "conditions": [{"type": "Ready", "status": "True"}]}
    owner = [{"kind": "ReplicaSet", "name": name.rpartition("-")[0], "controller": True, "uid": "1"}]
    notes = {"sidecar.istio.io/status": "{}"}
    meta = {"name": name, "namespace": namespace, "labels": own, "ownerReferences": owner, "annotations": notes}
    spec = {"serviceAccountName": app, "containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


def deployment(name: str, namespace: str = "shop") -> Obj:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"serviceAccountName": name, "containers": [{"name": "app"}]}}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


MESH = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"istio-injection": "enabled"}}},
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "pay", "labels": {"istio-injection": "enabled"}}},
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": HOME}, "data": {"mesh": "{}"}},
    deployment("web"),
    pod("web-5d8f-abcde"),
    deployment("batch"),
    pod("batch-5d8f-abcde"),
]
ROW = {"name": "stripe", "hosts": ["api.stripe.com"], "ports": [{"number": 443, "protocol": "TLS"}], "namespaces": ["shop"]}
CALL = OutboundCall("shop/web", "api.stripe.com", 443, "tls", "203.0.113.9", count=340)


def entries(*rows: Obj) -> list[Obj]:
    return external_objects(read_services(rows, ()), HOME, "ossm3")


def proof(
    *calls: OutboundCall, seen: tuple[str, ...] = ("shop/web", "shop/batch"), live: tuple[Obj, ...] = (), **more: Any
) -> OutboundProof:
    source = Snapshot("west", datetime(2026, 1, 1, tzinfo=UTC), "cluster", None, tuple([*MESH, *live]), frozenset(), {})
    evidence = OutboundEvidence(seen=set(seen), sources=["a test"], young=more.pop("young", {}))
    evidence.add(calls)
    intent = Intent(mesh="m", provider="ossm3", control_plane={"name": "default", "namespace": HOME}, members=("shop", "pay"))
    return prove_registry_only(source, intent, evidence, **more)


def sidecar(*hosts: str, **spec: Any) -> Obj:
    meta = {"name": "default", "namespace": "shop"}
    spec |= {"egress": [{"hosts": list(hosts)}]}
    return {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": meta, "spec": spec}


NO_ENTRY = "no ServiceEntry that it sees has that host"


@pytest.mark.parametrize(
    ("call", "live", "why", "would"),
    [
        (CALL, [], NO_ENTRY, "closed (BlackHoleCluster)"),
        # by plain HTTP: 502 where something else makes a listener on the port, closed where nothing does
        (OutboundCall("shop/web", "a.com", 80), [], NO_ENTRY, "closed (BlackHoleCluster)"),
        (
            OutboundCall("shop/web", "a.com", 80),
            entries({**ROW, "hosts": ["b.com"], "ports": [{"number": 80, "protocol": "HTTP"}]}),
            NO_ENTRY,
            "502 (BlackHoleCluster)",
        ),
        (OutboundCall("shop/web", "", 5432, "tcp", "192.0.2.7"), [], "no ServiceEntry that it sees has that address", "closed"),
        (CALL, entries({**ROW, "namespaces": ["pay"]}), "stripe has that host, and its exportTo leaves out shop", ""),
        (CALL, entries({**ROW, "ports": [{"number": 8443, "protocol": "TLS"}]}), "not that port (its ports: 8443)", ""),
        (CALL, [*entries(ROW), sidecar("./*")], "and the Sidecar of shop/web does not import it", ""),
        (OutboundCall("shop/web", "api.stripe.com", 443, "http"), entries(ROW), "with TLS on the port, and HTTP was seen", ""),
        # what lets it out
        (CALL, entries(ROW), None, ""),
        (CALL, [*entries(ROW), sidecar("./*", "istio-system/*")], None, ""),
        (CALL, entries({**ROW, "hosts": ["*.stripe.com"]}), None, ""),
        (CALL, [sidecar("*/*", outboundTrafficPolicy={"mode": "ALLOW_ANY"})], None, ""),  # that takes the place of the mesh's
        (
            OutboundCall("shop/web", "", 5432, "tcp", "192.0.2.7"),
            entries({**ROW, "addresses": ["192.0.2.0/24"], "ports": [{"number": 5432, "protocol": "TCP"}]}),
            None,
            "",
        ),
    ],
)  # fmt: skip
def test_what_would_be_cut(call: OutboundCall, live: list[Obj], why: str | None, would: str) -> None:
    found = proof(call, live=tuple(live))
    if why is None:
        assert found.verdict == CLEAN and not found.lost and found.asked == 1
        return
    (lost,) = found.lost
    assert found.verdict == LOSSES and why in lost.why and would in lost.would


def test_what_is_delivered_before_counts() -> None:
    assert proof(CALL).verdict == LOSSES
    assert proof(CALL, objects=entries(ROW)).verdict == CLEAN


def test_what_is_proposed_lets_them_out() -> None:
    """For their callers only, and in one entry for each host."""
    calls = (CALL, OutboundCall("shop/batch", "api.stripe.com", 443, "tls"), OutboundCall("shop/batch", "", 5432, "tcp", "192.0.2.7"))
    rows = proposed_services(proof(*calls).lost)
    hosts = ["api.stripe.com", "ip-192-0-2-7.outside.internal"]
    assert [(row["hosts"], row["namespaces"]) for row in rows] == [([host], ["shop"]) for host in hosts]
    assert proof(*calls, objects=entries(*rows)).verdict == CLEAN


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({}, CLEAN),
        ({"seen": ("shop/web",)}, UNKNOWN),
        ({"seen": ()}, UNKNOWN),
        ({"seen": ("shop/web-5d8f-abcde", "shop/batch")}, CLEAN),  # a pod's name will do
        ({"seen": ("shop/web",), "accepted": ["shop/batch"]}, CLEAN),
        ({"seen": ("shop/web",), "accepted": ["pay/*"]}, UNKNOWN),
        ({"seen": (), "accepted": ["*"]}, CLEAN),
        ({"young": {"shop/web-5d8f-abcde": "it counts for 5 minutes only"}}, UNKNOWN),
    ],
)
def test_without_evidence_nothing_is_clean(more: Obj, verdict: str) -> None:
    assert proof(**more).verdict == verdict


def test_a_mesh_without_callers_is_not_clean() -> None:
    source = Snapshot("west", datetime(2026, 1, 1, tzinfo=UTC), "cluster", None, (), frozenset(), {})
    found = prove_registry_only(source, Intent(), OutboundEvidence(sources=["a test"]))
    assert found.verdict == UNKNOWN and "no workload with a sidecar" in outbound_text("west", found, OutboundEvidence(sources=["x"]), [])


def test_connections_without_a_name_are_not_clean() -> None:
    """Metrics of TLS say that something was called, and not what."""
    nameless = OutboundCall("shop/batch", "", 0, "tcp", count=12)
    found = proof(nameless)
    assert found.verdict == UNKNOWN and [call.count for call in found.unnamed] == [12]
    assert proof(nameless, accepted=["shop/batch"]).verdict == CLEAN


def test_what_does_not_get_out_already_is_no_loss() -> None:
    found = proof(replace(CALL, closed=True), live=(sidecar("*/*", outboundTrafficPolicy={"mode": "REGISTRY_ONLY"}),))
    assert found.verdict == CLEAN and [call.target for call in found.closed] == ["api.stripe.com:443"]


@pytest.mark.parametrize(
    ("accepted", "lost"),
    [(["shop/web -> api.stripe.com:443"], 0), (["shop/*"], 0), (["* -> *.stripe.com:443"], 0), (["shop/web -> api.stripe.com:80"], 1)],
)
def test_what_is_accepted_is_no_loss_and_is_told(accepted: list[str], lost: int) -> None:
    found = proof(CALL, accepted=accepted)
    assert len(found.lost) == lost and list(found.accepted) == ([] if lost else ["shop/web -> api.stripe.com:443"])


def test_workloads_that_are_gone_are_told() -> None:
    found = proof(OutboundCall("shop/old", "a.com", 443, "tls"))
    assert found.gone == ("shop/old",) and found.verdict == CLEAN


def test_what_people_read() -> None:
    found = proof(CALL)
    assert lost_line(found.lost[0], "7 days") == (
        "web in shop calls api.stripe.com:443 (340 calls in the last 7 days), and no ServiceEntry that it sees has that host: the "
        "connection would be closed (BlackHoleCluster)"
    )
    text = outbound_text("west", found, OutboundEvidence(sources=["a test"]), entries(*proposed_services(found.lost)), "7d")
    assert "REGISTRY_ONLY would cut 1 kind of calls" in text and "kind: ServiceEntry" in text and "exportTo: [shop]" in text
    assert "(shop/web -> api.stripe.com:443 is the first), so it was not switched on and nothing was changed" in refusal_of("west", found)


# -- evidence


def labels(**more: str) -> Obj:
    return {
        "reporter": "source", "source_workload": "web", "source_workload_namespace": "shop", "destination_service": "api.stripe.com",
        "destination_service_name": "PassthroughCluster", "request_protocol": "http", "response_code": "200", **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "seen", "call"),
    [
        (labels(), "shop/web", OutboundCall("shop/web", "api.stripe.com", 80, count=3)),
        (labels(destination_service="api.stripe.com:8080"), "shop/web", OutboundCall("shop/web", "api.stripe.com", 8080, count=3)),
        (labels(destination_service="192.0.2.7:81"), "shop/web", OutboundCall("shop/web", "", 81, address="192.0.2.7", count=3)),
        (labels(request_protocol="tcp", destination_service="unknown"), "shop/web", OutboundCall("shop/web", "", 0, "tcp", count=3)),
        (
            labels(destination_service_name="BlackHoleCluster"),
            "shop/web",
            OutboundCall("shop/web", "api.stripe.com", 80, closed=True, count=3),
        ),
        (
            labels(destination_service_name="unknown", response_code="502"),
            "shop/web",
            OutboundCall("shop/web", "api.stripe.com", 80, closed=True, count=3),
        ),
        (labels(destination_service_name="pay"), "shop/web", None),
        (
            {"reporter": "destination", "destination_workload": "pay", "destination_workload_namespace": "pay", "source_workload": "web"},
            "pay/pay",
            None,
        ),
    ],
)
def test_what_a_metric_says(given: Obj, seen: str, call: OutboundCall | None) -> None:
    assert of_labels(given, 3.0) == (seen, call)


def log(**more: Any) -> str:
    return json.dumps(
        {
            "method": "GET", "path": "/", "response_code": 200, "upstream_cluster": "PassthroughCluster", "authority": "api.stripe.com",
            "downstream_local_address": "203.0.113.9:80", "requested_server_name": None, **more,
        }
    )  # fmt: skip


TEXT = (
    '[2026-01-01T00:00:00.000Z] "- - -" 0 - - - "-" 10 20 30 - "-" "-" "-" "-" "203.0.113.9:443" PassthroughCluster 10.0.0.1:5 '
    "203.0.113.9:443 10.0.0.1:4 api.stripe.com -"
)


@pytest.mark.parametrize(
    ("line", "call"),
    [
        (log(), OutboundCall("shop/web", "api.stripe.com", 80, "http", "203.0.113.9")),
        (
            log(method=None, authority=None, requested_server_name="api.stripe.com", downstream_local_address="203.0.113.9:443"),
            OutboundCall("shop/web", "api.stripe.com", 443, "tls", "203.0.113.9"),
        ),
        (TEXT, OutboundCall("shop/web", "api.stripe.com", 443, "tls", "203.0.113.9")),
        (
            log(method=None, authority=None, downstream_local_address="192.0.2.7:5432"),
            OutboundCall("shop/web", "", 5432, "tcp", "192.0.2.7"),
        ),
        (
            log(upstream_cluster="BlackHoleCluster", method=None, authority=None, downstream_local_address="192.0.2.7:5432"),
            OutboundCall("shop/web", "", 5432, "tcp", "192.0.2.7", closed=True),
        ),
        (
            log(upstream_cluster=None, route_name="block_all", response_code=502),
            OutboundCall("shop/web", "api.stripe.com", 80, "http", "203.0.113.9", closed=True),
        ),
    ],
)
def test_what_a_log_says(line: str, call: OutboundCall) -> None:
    assert list(outbound_of_log([line], "shop/web")) == [call]


def test_logs_of_calls_inside_say_nothing_of_outside() -> None:
    assert list(outbound_of_log([log(upstream_cluster="outbound|80||pay.pay.svc.cluster.local"), "", "no log"], "shop/web")) == [None]


@pytest.mark.parametrize(
    ("sentence", "call"),
    [
        ("shop/web -> https://api.stripe.com", OutboundCall("shop/web", "api.stripe.com", 443, "tls", known=True, count=0)),
        ("shop/web -> api.stripe.com:443", OutboundCall("shop/web", "api.stripe.com", 443, "tls", known=True, count=0)),
        ("shop/web -> http://a.com:8080", OutboundCall("shop/web", "a.com", 8080, "http", known=True, count=0)),
        ("shop/web -> tcp://192.0.2.7:5432", OutboundCall("shop/web", "", 5432, "tcp", "192.0.2.7", known=True, count=0)),
        ("shop/web -> nothing", OutboundCall("shop/web", protocol="", known=True, count=0)),
        ("web -> a.com:443", "is no call"),
        ("shop/web calls a.com", "is no call"),
        ("shop/web -> a.com", "say what is spoken and the port"),
        ("shop/web -> a.com:8443", "say what is spoken and the port"),
    ],
)
def test_what_people_say(sentence: str, call: OutboundCall | str) -> None:
    if isinstance(call, OutboundCall):
        assert read_known([sentence]) == [call]
        return
    with pytest.raises(ConfigError, match=call):
        read_known([sentence])


def test_a_sentence_is_evidence_of_its_workload() -> None:
    known = read_known(["shop/batch -> nothing", "shop/web -> https://api.stripe.com"])
    found = proof(*known, seen=())
    assert found.verdict == LOSSES and not found.unseen
    assert "(mesh_outbound_calls says so)" in lost_line(found.lost[0])
