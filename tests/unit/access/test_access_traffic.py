# SPDX-License-Identifier: GPL-3.0-or-later
"""Observed traffic: what metrics and logs say, what an intent would deny of it, and an intent that covers it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from access_travel import AGENCY, CONTROL, DOMAINS, PORTAL, ROOT, intent, mesh, workload
from ansible_collections.meshops.mesh.plugins.module_utils._access.intent import read_intent
from ansible_collections.meshops.mesh.plugins.module_utils._access.observed import Call, merged, of_log, of_metrics
from ansible_collections.meshops.mesh.plugins.module_utils._access.report import proposal_text
from ansible_collections.meshops.mesh.plugins.module_utils._access.stages import StageSettings, plan_access
from ansible_collections.meshops.mesh.plugins.module_utils._access.traffic import Findings, compare_traffic
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError

Obj = dict[str, Any]
TEXT = (
    '[2026-11-28T12:00:00.000Z] "GET /cars/Tallinn?x=1 HTTP/1.1" 200 - via_upstream - "-" 0 95 4 3 "-" "Go-http-client/1.1" '
    '"0a1b" "cars.prod-travel-agency:8000" "10.0.0.7:8000" outbound|8000||cars.prod-travel-agency.svc.cluster.local 10.0.0.9:40000 '
    "10.96.0.7:8000 10.0.0.9:51000 - default"
)
DENIED = (
    '[2026-11-28T12:00:01.000Z] "GET /cars/Tallinn HTTP/1.1" 403 - rbac_access_denied_matched_policy[none] - "-" 0 19 0 - "-" '
    '"curl/8.0" "0a1c" "cars.prod-travel-agency:8000" "-" inbound|8000|| - 10.0.0.7:8000 10.0.0.3:51000 '
    "outbound_.8000_._.cars.prod-travel-agency.svc.cluster.local default"
)
TCP = (
    '[2026-11-28T12:00:02.000Z] "- - -" 0 - - - "-" 120 300 15 - "-" "-" "-" "-" "10.0.0.8:3306" '
    "outbound|3306||mysqldb.prod-travel-agency.svc.cluster.local 10.0.0.9:40002 10.96.0.8:3306 10.0.0.9:51002 - -"
)


def metric(count: float, source: str, target: str, *, code: str = "200", account: str = "", reporter: str = "destination") -> Obj:
    one, other = (ref.split("/") if ref != "unknown" else ["unknown", "unknown"] for ref in (source, target))
    principal = f"spiffe://cluster.local/ns/{one[0]}/sa/{account}" if account else "unknown"
    return {
        "metric": {
            "reporter": reporter,
            "source_workload": one[1],
            "source_workload_namespace": one[0],
            "source_principal": principal,
            "destination_workload": other[1],
            "destination_workload_namespace": other[0],
            "response_code": code,
        },
        "value": [1795863600, str(count)],
    }


def answer(*rows: Obj) -> Obj:
    return {"status": "success", "data": {"resultType": "vector", "result": list(rows)}}


def test_metrics() -> None:
    found = list(
        of_metrics(
            answer(
                metric(12.4, f"{PORTAL}/voyages-v1", f"{AGENCY}/travels-v1", account="voyages"),
                metric(3, "unknown", f"{AGENCY}/cars-v1"),
                metric(2, f"{CONTROL}/control-v1", f"{AGENCY}/cars-v1", code="403", account="control"),
                metric(9, f"{PORTAL}/voyages-v1", f"{AGENCY}/travels-v1", reporter="source"),
                metric(0, "a/b", "c/d"),
                metric(5, "a/b", "unknown"),
            ),
            "answer.json",
        )
    )
    assert found == [
        Call(f"{PORTAL}/voyages-v1", f"{AGENCY}/travels-v1", f"{PORTAL}/voyages", count=12),
        Call("", f"{AGENCY}/cars-v1", count=3),
        Call(f"{CONTROL}/control-v1", f"{AGENCY}/cars-v1", f"{CONTROL}/control", denied=True, count=2),
    ]


def test_a_range_adds_up_what_a_counter_counted() -> None:
    row = metric(0, f"{PORTAL}/voyages-v1", f"{AGENCY}/travels-v1")
    row["values"] = [[1, "10"], [2, "14"], [3, "2"], [4, "5"]]
    del row["value"]
    (call,) = of_metrics({"status": "success", "data": {"resultType": "matrix", "result": [row]}}, "x")
    assert call.count == 4 + 2 + 3


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "x is no answer of Prometheus' query API"),
        ({"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}, "vector or"),
        ({"status": "error", "errorType": "bad_data", "error": "parse error"}, "x: Prometheus says bad_data: parse error"),
    ],
)
def test_what_is_no_answer(value: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list(of_metrics(value, "x"))
    assert said in str(caught.value)


def test_the_default_text_of_access_logs() -> None:
    found = list(of_log([TEXT, DENIED, TCP, "", "2026-11-28T12:00:00Z info Envoy proxy is ready"], f"{AGENCY}/travels-v1-abc-def"))
    assert found == [
        Call(source=f"{AGENCY}/travels-v1-abc-def", host=f"cars.{AGENCY}.svc.cluster.local", port=8000, method="GET", path="/cars/Tallinn"),
        Call(target=f"{AGENCY}/travels-v1-abc-def", address="10.0.0.3", port=8000, method="GET", path="/cars/Tallinn", denied=True),
        Call(source=f"{AGENCY}/travels-v1-abc-def", host=f"mysqldb.{AGENCY}.svc.cluster.local", port=3306),
        None,
    ]


def test_json_access_logs_as_a_node_keeps_them() -> None:
    row = {
        "method": "GET",
        "path": "/quote?city=x",
        "response_code": 200,
        "response_code_details": "via_upstream",
        "upstream_cluster": f"outbound|8000|v1|discounts.{AGENCY}.svc.cluster.local",
        "downstream_remote_address": "10.0.0.9:1",
        "authority": "discounts",
    }
    late = {**row, "response_code": 401, "response_code_details": "jwt_authn_access_denied{Jwt_is_expired}", "upstream_cluster": None}
    lines = [f"2026-11-28T12:00:00.000000000Z stdout F {json.dumps(row)}", json.dumps(late)]
    found = list(of_log(lines, f"{AGENCY}/cars-v1"))
    assert found == [
        Call(source=f"{AGENCY}/cars-v1", host=f"discounts.{AGENCY}.svc.cluster.local", port=8000, method="GET", path="/quote"),
        Call(target=f"{AGENCY}/cars-v1", address="10.0.0.9", method="GET", path="/quote", denied=True),
    ]


def pod(namespace: str, name: str, address: str) -> Obj:
    owners = [{"kind": "ReplicaSet", "name": name.rpartition("-")[0], "controller": True}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "ownerReferences": owners},
        "spec": {"containers": []},
        "status": {"podIP": address},
    }


INTENDED = [  # what the travel application does, as its metrics have it
    *((f"{CONTROL}/control-v1", f"{PORTAL}/{name}-v1") for name in ("travels", "viaggi", "voyages")),
    *((f"{PORTAL}/{name}-v1", f"{AGENCY}/travels-v1") for name in ("travels", "viaggi", "voyages")),
    *((f"{AGENCY}/travels-v1", f"{AGENCY}/{name}-v1") for name in ("flights", "hotels", "cars", "insurances")),
    *(
        (f"{AGENCY}/{name}-v1", f"{AGENCY}/{other}")
        for name in ("flights", "hotels", "cars", "insurances")
        for other in ("discounts-v1", "mysqldb-v1")
    ),
    (f"{ROOT}/istio-ingressgateway", f"{CONTROL}/control-v1"),
]


def calls(*more: Call) -> list[Call]:
    return merged([*(Call(source, target, count=3) for source, target in INTENDED), Call(target=f"{ROOT}/istio-ingressgateway"), *more])


def look(found: list[Call], access: Obj | None = None, detail: str = "methods", objects: list[Obj] | None = None) -> Findings:
    return compare_traffic(found, objects or mesh(), access=access, domains=DOMAINS, detail=detail)


def test_a_proposal_can_be_planned_and_covers_what_was_seen() -> None:
    found = look(calls())
    rules = {rule["name"]: rule for rule in found.proposal["rules"]}
    assert rules["to-mysqldb"] == {
        "name": "to-mysqldb",
        "to": [f"{AGENCY}/mysqldb"],
        "ports": [3306],
        "from": [f"{AGENCY}/{name}" for name in ("cars", "flights", "hotels", "insurances")],
    }
    assert rules["to-istio-ingressgateway"] == {
        "name": "to-istio-ingressgateway",
        "from": ["anyone"],
        "to": ["gateway:istio-ingressgateway"],
    }
    assert found.proposal["namespaces"] == [AGENCY, CONTROL, PORTAL]
    assert plan_access(read_intent(found.proposal), mesh(), StageSettings(mesh="travel-prod")).stages
    again = look(calls(), found.proposal)
    assert not again.would_deny and not again.never_seen and not again.unclear


def test_what_the_intent_would_deny_and_what_it_means_and_was_never_seen() -> None:
    missing = Call(f"{AGENCY}/hotels-v1", f"{AGENCY}/discounts-v1")
    found = look(
        [
            call
            for call in calls(Call(f"{CONTROL}/control-v1", f"{AGENCY}/travels-v1", count=7))
            if (call.source, call.target) != (missing.source, missing.target)
        ],
        intent(),
    )
    assert found.would_deny == (f"{CONTROL}/control-v1 -> {AGENCY}/travels-v1 (7 calls)",)
    assert found.never_seen == (f"mesh_access.rules[5] (discounts): {AGENCY}/hotels -> {AGENCY}/discounts-v1 (by service account)",)
    rules = [*intent()["rules"], {"name": "batch", "from": [f"{AGENCY}/cars"], "to": [f"{AGENCY}/hotels"]}]
    assert "mesh_access.rules[7] (batch): no call at all" in look(calls(), intent(rules=rules)).never_seen


def test_methods_and_ports_are_compared_where_they_were_seen() -> None:
    way = Call(f"{PORTAL}/viaggi-v1", host=f"travels.{AGENCY}.svc.cluster.local", port=8000, path="/travels/x")
    get, post = (Call(**{**vars(way), "method": method}) for method in ("GET", "POST"))
    assert look([get], intent()).would_deny == ()
    assert look([post], intent()).would_deny == (f"{PORTAL}/viaggi-v1 -> {AGENCY}/travels-v1:8000 POST /travels/x (1 call)",)
    (rule,) = look([get, post], detail="paths").proposal["rules"]
    assert rule == {
        "name": "to-travels",
        "from": [f"{PORTAL}/viaggi"],
        "to": [f"{AGENCY}/travels"],
        "ports": [8000],
        "methods": ["GET", "POST"],
        "paths": ["/travels/x"],
    }


def test_many_paths_become_a_pattern() -> None:
    own = [
        Call(f"{PORTAL}/viaggi-v1", host=f"travels.{AGENCY}.svc.cluster.local", port=8000, method="GET", path=f"/travels/{city}")
        for city in "abcdefgh"
    ]
    (rule,) = look(own, detail="paths").proposal["rules"]
    assert rule["paths"] == ["/travels/*"]


def test_what_was_denied_is_not_proposed() -> None:
    found = look([Call(f"{CONTROL}/control-v1", f"{AGENCY}/cars-v1", denied=True, count=4)])
    assert found.proposal["rules"] == [] and found.refused == (f"{CONTROL}/control-v1 -> {AGENCY}/cars-v1 (4 calls)",)


def test_a_caller_without_an_identity_is_not_proposed() -> None:
    found = look([Call(target=f"{AGENCY}/cars-v1", address="10.9.9.9", port=8000, method="GET", path="/", count=2)])
    assert found.proposal["rules"] == []
    assert "10.9.9.9 -> prod-travel-agency/cars-v1:8000 GET /: without an identity" in found.unclear[0]


def test_the_receiver_s_line_is_the_same_call() -> None:
    """Both proxies write it down; a pod's address says who the caller is."""
    outbound = Call(f"{AGENCY}/travels-v1-6f7-x1", host=f"cars.{AGENCY}.svc.cluster.local", port=8000, method="GET", path="/cars/x")
    inbound = Call(target=f"{AGENCY}/cars-v1-77d-z2", address="10.0.0.9", port=8000, method="GET", path="/cars/x")
    assert not look([outbound, inbound]).unclear
    known = look([inbound], objects=[*mesh(), pod(AGENCY, "travels-v1-6f7-x1", "10.0.0.9")])
    assert known.proposal["rules"] == [
        {"name": "to-cars", "from": [f"{AGENCY}/travels"], "to": [f"{AGENCY}/cars"], "ports": [8000], "methods": ["GET"]}
    ]


def test_an_account_that_others_have_too_is_named_as_such() -> None:
    objects = [obj for obj in mesh() if obj["metadata"]["name"] not in ("cars", "cars-v1")] + workload(AGENCY, "cars", account="hotels")
    (rule,) = look([Call(f"{AGENCY}/cars-v1", f"{AGENCY}/discounts-v1")], objects=objects).proposal["rules"]
    assert rule["from"] == [f"serviceaccount:{AGENCY}/hotels"]


def test_hosts_out_of_the_mesh_are_named() -> None:
    found = look([Call(f"{AGENCY}/cars-v1", host="api.example.com", port=443, count=2)])
    assert found.outside == (f"{AGENCY}/cars-v1 -> api.example.com:443 (2 calls)",) and not found.unclear


def test_a_path_that_a_caller_chose_is_no_template_in_the_proposal() -> None:
    hostile = "/{{ lookup('ansible.builtin.pipe', 'id') }}"
    found = look(calls(Call(f"{PORTAL}/viaggi-v1", f"{AGENCY}/travels-v1", method="GET", path=hostile, port=8000, count=9)), detail="paths")
    assert any(hostile in rule.get("paths", ()) for rule in found.proposal["rules"])
    text = proposal_text(found, [])
    assert text.count("{{") == text.count('!unsafe "/{{') == 1
