# SPDX-License-Identifier: GPL-3.0-or-later
"""Expectations about requests: what can be said, and what is told of those that do not hold."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.expectations import EXAMPLES, Expectation, read_expectations
from ansible_collections.meshops.mesh.plugins.module_utils._traffic.verdicts import judge
from routing.routing_shop import NOW, deployment, gateway_deployment, made, routing, service, shop

HOLD = (
    "shop/web -> pay:8080 GET /x reaches pay v2 at 20 %",
    "web -> pay reaches pay v1 at 80 %",
    "shop/pay -> web reaches web",
    "pay -> web reaches web",
    "web -> pay reaches pay",
    "web -> pay.shop reaches pay v1 at least 50 %",
    "web -> pay.shop.svc.cluster.local /x reaches shop/pay",
    "web -> pay /old/x reaches back/legacy",
    "shop/* -> legacy.back reaches back/legacy",
    "internet -> http://shop.example.com/ reaches shop/web",
    "internet -> http://shop.example.com/pay/x reaches shop/pay",
    "internet -> http://shop.example.com/admin answers 403",
    "internet -> http://shop.example.com/admin is refused",
    "internet -> http://other.example.com/ answers 404",
    "internet -> https://shop.example.com/ fails",
    "web -> http://api.example.com leaves the mesh",
    {"from": "web", "to": "pay", "path": "/old", "reaches": "back/legacy"},
    {"from": "web", "to": "web", "path": "/admin/x", "answers": 403},
    "internet -> http://shop.example.com/admin answers 403 by AuthorizationPolicy shop/no-admin",
    "web -> web /admin is refused by AuthorizationPolicy shop/no-admin",
    {"from": "web", "to": "web", "path": "/admin", "outcome": "is refused", "by": "AuthorizationPolicy shop/no-admin"},
    "internet -> http://other.example.com/ fails",
)
BREAK = (
    ("web -> pay reaches pay v2 at 30 %",
     "VirtualService shop/pay: web -> pay reaches pay v2 at 30 %: from shop/web: it is 80 % pay.shop v1, 20 % pay.shop v2 instead, "
     "by http[1] of VirtualService shop/pay"),
    ("internet -> http://shop.example.com/pay reaches shop/web",
     "VirtualService shop/public: internet -> http://shop.example.com/pay reaches shop/web: from edge/ingress: it is pay.shop instead, "
     "by http[0].match[0] of VirtualService shop/public"),
    ("nobody reaches back/legacy",
     "Service back/legacy: nobody reaches back/legacy: from back/legacy, shop/pay-v1, shop/pay-v2, shop/web: they are led to "
     "legacy.back by Service back/legacy, and its policies let something pass"),
    ("web -> web GET /admin reaches web",
     "AuthorizationPolicy shop/no-admin: web -> web GET /admin reaches web: from shop/web: it is routed to web.shop, then 403 there "
     "(denied by DENY shop/no-admin rules[0]: to[0].operation.paths [/admin*]) instead, by rules[0] of AuthorizationPolicy shop/no-admin"),
    ("web -> web GET /admin answers 403 by AuthorizationPolicy shop/other",
     "AuthorizationPolicy shop/no-admin: web -> web GET /admin answers 403 by AuthorizationPolicy shop/other: from shop/web: it is routed "
     "to web.shop, then 403 there (denied by DENY shop/no-admin rules[0]: to[0].operation.paths [/admin*]) instead, by rules[0] of "
     "AuthorizationPolicy shop/no-admin"),
    ("foo -> pay reaches pay", "expectations: foo -> pay reaches pay: no workload with a proxy is called foo; "
     "there are back/legacy, shop/pay-v1, shop/pay-v2, shop/web"),
    ("web -> pay reaches gone",
     "VirtualService shop/pay: web -> pay reaches gone: from shop/web: no Service or ServiceEntry is called gone in shop, "
     "by http[1] of VirtualService shop/pay"),
)  # fmt: skip


def judged(rows: list[Any], objects: list[dict[str, Any]] | None = None) -> list[str]:
    found, wrong = read_expectations(rows)
    assert wrong == []
    return [str(problem) for problem in judge(routing(shop() if objects is None else objects), found, now=NOW)]


@pytest.mark.parametrize("row", HOLD, ids=str)
def test_what_holds_is_not_told(row: Any) -> None:
    assert judged([row]) == []


def test_a_host_that_no_gateway_knows_is_answered_by_those_that_listen() -> None:
    """One that nobody comes to from outside says nothing, and comes first by its name."""
    egress = gateway_deployment()
    egress["metadata"]["name"] = "egress"
    for labels in (egress["spec"]["selector"]["matchLabels"], egress["spec"]["template"]["metadata"]["labels"]):
        labels |= {"app": "egress", "istio": "egress"}
    objects = [egress, *shop()]
    assert judged(["internet -> http://other.example.com/ answers 404"], objects) == []
    assert judged(["internet -> http://other.example.com:9999/ answers 404"], objects) != []


@pytest.mark.parametrize(("row", "problem"), BREAK)
def test_what_does_not_hold_is_told_with_who_decides(row: str, problem: str) -> None:
    assert judged([row]) == [problem]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("pay reaches pay", "has no caller before ->"),
        ("a b -> pay reaches pay", "has no caller before ->"),
        ("web -> pay", "does not say reaches, answers, fails, leaves the mesh or is refused"),
        ("web -> reaches pay", "does not say whom it asks"),
        ("web -> pay GTE /x reaches pay", "has GTE where a method or a path is expected"),
        ("web -> pay answers soon", "answers soon, expected a status as 404"),
        ("web -> pay reaches pay v1 v2", "does not say which service and subset it reaches"),
        ("web -> pay reaches pay at 120 %", "has a share of 120 %"),
        ({"from": "web", "to": "pay", "reach": "pay"}, "has reach; it takes "),
        ({"to": "pay", "reaches": "pay"}, "has no from"),
        ({"from": "web", "reaches": "pay"}, "has no to"),
        ({"from": "web", "to": "pay"}, "takes one of reaches, answers and outcome"),
        ({"from": "web", "to": "pay", "outcome": "dies"}, "has the outcome dies, expected one of fails, leaves the mesh, is refused"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_number(row: Any, problem: str) -> None:
    found, wrong = read_expectations(["web -> pay reaches pay", row])
    assert len(found) == 1 and len(wrong) == 1
    assert wrong[0].startswith("expect[1] (") and problem in wrong[0]


def test_the_examples_of_an_error_can_be_read() -> None:
    found, wrong = read_expectations(EXAMPLES)
    assert wrong == [] and [one.share for one in found] == [20.0, None, None]


def test_a_url_says_scheme_host_port_and_path() -> None:
    found = Expectation("", "web", "https://a.example.com:8443/x?q=1")
    assert (found.scheme, found.host, found.port, found.whole_path) == ("https", "a.example.com", 8443, "/x?q=1")
    assert (Expectation("", "web", "pay:80x").port, Expectation("", "web", "pay").whole_path) == (0, "/")


def test_nobody_reaches_what_is_hidden_or_refuses_everybody() -> None:
    """Of all requests, not of one: a policy for one path lets something pass."""
    objects = [one for one in shop() if one["metadata"]["name"] != "pay" or one["kind"] != "VirtualService"]
    refusing = made("AuthorizationPolicy", "back", "nobody", "{}", "security.istio.io/v1")
    one_path = made(
        "AuthorizationPolicy", "back", "one-path", "rules: [{to: [{operation: {paths: [/only/this]}}]}]", "security.istio.io/v1"
    )
    assert judged(["nobody reaches back/legacy"], [*objects, refusing]) == []
    assert len(judged(["nobody reaches back/legacy"], [*objects, refusing, one_path])) == 1
    hidden = [{**one, "metadata": {**one["metadata"], "annotations": {"networking.istio.io/exportTo": "~"}}}
              if one["kind"] == "Service" and one["metadata"]["name"] == "legacy" else one for one in objects]  # fmt: skip
    assert judged(["nobody reaches back/legacy"], hidden) == []


def test_a_service_with_several_ports_wants_one() -> None:
    objects = [*shop(), deployment("shop", "two", "two"), service("shop", "two", "http:8080", "http-admin:9090")]
    assert judged(["web -> two reaches two"], objects) == [
        "Workload shop/web: web -> two reaches two: from shop/web: two.shop.svc.cluster.local has "
        "the ports 8080, 9090: say which, as two:8080"
    ]
    assert judged(["web -> two:9090 reaches two"], objects) == []


def test_a_name_of_two_workloads_wants_a_namespace() -> None:
    objects = [*shop(), deployment("back", "web", "web")]
    assert judged(["web -> pay.shop reaches pay"], objects) == [
        "expectations: web -> pay.shop reaches pay: there are back/web, shop/web: say which"
    ]


def test_a_fault_and_a_rewrite_count() -> None:
    fault = """
        hosts: [web]
        http:
        - fault: {abort: {httpStatus: 500, percentage: {value: 10}}}
          rewrite: {uri: /admin}
          route: [{destination: {host: web}}]
    """
    objects = [*shop(), made("VirtualService", "shop", "web", fault)]
    assert judged(["pay-v1 -> web /x answers 403"], objects) == [
        "VirtualService shop/web: pay-v1 -> web /x answers 403: from shop/pay-v1: it is 10 % 500 (a fault is injected), 90 % routed to "
        "web.shop, then 403 there (denied by DENY shop/no-admin rules[0]: to[0].operation.paths [/admin*]) instead, "
        "by http[0] of VirtualService shop/web"
    ]


AT_THE_GATEWAY = made(
    "AuthorizationPolicy", "edge", "door", """
        selector: {matchLabels: {istio: ingress}}
        action: DENY
        rules: [{to: [{operation: {paths: ["/admin*"]}}]}]
    """, "security.istio.io/v1",
)  # fmt: skip


def test_a_policy_of_the_gateway_comes_before_those_behind() -> None:
    """Both refuse; the gateway's is the one that answers."""
    objects = [*shop(), AT_THE_GATEWAY]
    assert judged(["internet -> http://shop.example.com/admin answers 403 by AuthorizationPolicy edge/door"], objects) == []
    assert judged(["internet -> http://shop.example.com/admin reaches shop/web"], objects) == [
        "AuthorizationPolicy edge/door: internet -> http://shop.example.com/admin reaches shop/web: from edge/ingress: it is 403 at the "
        "gateway edge/ingress (denied by DENY edge/door rules[0]: to[0].operation.paths [/admin*]) instead, by rules[0] of "
        "AuthorizationPolicy edge/door"
    ]


def test_versions_of_one_service_may_have_policies_of_their_own() -> None:
    """Without subsets half of the requests get to each of the two, and one refuses."""
    only = made("AuthorizationPolicy", "shop", "v2", "{selector: {matchLabels: {app: pay, version: v2}}}", "security.istio.io/v1")
    objects = [one for one in shop() if (one["kind"], one["metadata"]["name"]) != ("VirtualService", "pay")]
    assert judged(["web -> pay reaches pay at 50 %"], [*objects, only]) == []
    (told,) = judged(["web -> pay reaches pay"], [*objects, only])
    assert "it is 50 % pay.shop, 50 % routed to pay.shop, then 403 there (denied: no ALLOW policy of the workload matches" in told
    routed = [*shop(), only]
    assert judged(["web -> pay reaches pay v1 at 80 %", "web -> pay reaches pay v2 at 0 %"], routed) == []
    (told,) = judged(["web -> pay reaches pay v2 at 20 %"], routed)
    assert "it is 80 % pay.shop v1, 20 % routed to pay.shop v2, then 403 there" in told
