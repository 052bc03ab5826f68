# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a mesh allow exactly a matrix? The travel mesh, and small meshes with one thing wrong each."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import take
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.proof import Proof, count, prove, read_matrix
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.world import MeshPolicies
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from authorization_travel import AGENCY, CONTROL, ISSUER, PORTAL, ROOT, mtls, namespace, stages, workload
from authorization_worlds import operation, policy, source

STAGES = stages()
# Stage 5 as it is: the portal has no policy, and the partner's gateway demands a token.
MATRIX: list[dict[str, Any]] = [
    {"from": [f"{ROOT}/gto-external-ingressgateway", f"{AGENCY}/*", f"{PORTAL}/*"], "to": [f"{AGENCY}/*"]},
    {"from": [f"{ROOT}/istio-ingressgateway"], "to": [f"{CONTROL}/control"]},
    {"from": ["authenticated"], "to": [f"{PORTAL}/*"]},
    {"from": ["anyone"], "to": [f"{ROOT}/istio-ingressgateway"]},
    {"from": ["anyone"], "to": [f"{ROOT}/gto-external-ingressgateway"], "tokens": [f"{ISSUER}/*"]},
]
SHOP = [
    namespace("shop"),
    *workload("shop", "cars", serviceAccountName="cars"),
    *workload("shop", "web", serviceAccountName="web"),
    mtls("STRICT", "istio-system"),
]


def proof(objects: list[dict[str, Any]], rows: list[dict[str, Any]], *scope: str) -> Proof:
    inventory = take(objects)
    return prove(MeshPolicies(inventory.objects, inventory.mesh), inventory, read_matrix(rows), scope)


def test_stage_5_allows_exactly_its_matrix_and_says_what_was_covered() -> None:
    found = proof(STAGES[5], MATRIX)
    assert found.holds, found
    coverage = found.coverage
    # 7 agency places for 11 callers, control for 1, 3 portal places and 2 gateways for all 13
    assert (coverage.sources, coverage.destinations, coverage.pairs, coverage.allowed_pairs) == (13, 13, 169, 7 * 11 + 1 + 3 * 13 + 2 * 13)


def test_stage_4_allows_less_and_stage_6_more() -> None:
    less = proof(STAGES[4], MATRIX)
    assert not less.more and [group.who.text for group in less.less] == [f"{PORTAL}/{{travels,viaggi,voyages}}"]
    more = proof(STAGES[6], MATRIX)
    assert more.more[0].token == "without a token" and more.more[0].destinations == (f"{ROOT}/gto-external-ingressgateway",)


def test_what_is_not_in_the_matrix_is_more() -> None:
    (group,) = proof(STAGES[5], [row for row in MATRIX if row["to"] != [f"{PORTAL}/*"]]).more
    assert group.who.text == "any identity" and group.destinations == tuple(f"{PORTAL}/{name}" for name in ("travels", "viaggi", "voyages"))


@pytest.mark.parametrize(
    ("rule", "more", "less"),
    [
        (source(principals=["cluster.local/ns/shop/sa/web"]) | operation(methods=["GET"], paths=["/cars/*"]), [], []),
        (
            source(principals=["cluster.local/ns/shop/sa/web"]) | operation(methods=["GET"], paths=["/cars*"]),
            ["GET /cars* but not /cars/*"],
            [],
        ),
        (
            source(principals=["cluster.local/ns/shop/sa/web"]) | operation(methods=["GET"], paths=["/cars/a*"]),
            [],
            ["GET /cars/* but not /cars/a*"],
        ),
        (source(principals=["cluster.local/ns/shop/sa/web"]) | operation(paths=["/cars/*"]), ["any but GET (methods) /cars/*"], []),
        (source(namespaces=["shop"]) | operation(methods=["GET"], paths=["/cars/*"]), ["GET /cars/*"], []),
        (
            source(principals=["cluster.local/ns/shop/sa/web"]) | operation(methods=["GET"], paths=["/cars/*"], ports=["9"]),
            [],
            ["GET /cars/* port any but 9"],
        ),
    ],
)
def test_one_thing_too_wide_or_too_narrow(rule: dict[str, Any], more: list[str], less: list[str]) -> None:
    rows = [{"from": ["shop/web"], "to": ["shop/cars"], "methods": ["GET"], "paths": ["/cars/*"]}]
    found = proof(
        [*SHOP, policy(rule, namespace="shop", selector={"matchLabels": {"app": "cars"}}), policy(namespace="shop", name="none")], rows
    )
    assert [group.what for group in found.more] == more and [group.what for group in found.less] == less
    for group in (*found.more, *found.less):
        assert group.witness["path"].startswith("/cars") and group.witness["method"]


def test_a_caller_with_another_identity_in_a_named_namespace_is_more() -> None:
    rule = policy(source(namespaces=["shop"]), namespace="shop")
    found = proof([*SHOP, rule], [{"from": ["shop/*"], "to": ["shop/*"]}])
    assert [group.who.text for group in found.more] == ["any other identity matching shop"] and not found.less


def test_workloads_that_share_an_account_cannot_be_told_apart() -> None:
    rows = [{"from": [f"{AGENCY}/flights"], "to": [f"{AGENCY}/mysqldb"]}]
    found = proof(
        STAGES[4], [*MATRIX[1:], *rows, {"from": [f"{ROOT}/gto-external-ingressgateway", f"{AGENCY}/*"], "to": [f"{AGENCY}/[!m]*"]}]
    )
    assert any(f"{AGENCY}/mysqldb" in text for text in found.shared) and not found.holds


def test_without_mutual_tls_a_plaintext_caller_is_more() -> None:
    objects = [obj for obj in SHOP if obj["kind"] != "PeerAuthentication"]
    rule = policy(source(notNamespaces=["x"]), namespace="shop")
    found = proof([*objects, rule], [{"from": ["authenticated"], "to": ["shop/*"]}])
    assert "callers without an identity" in [group.who.text for group in found.more]
    assert [group.who.text for group in found.less] == ["any other identity matching x"]


def test_the_scope_leaves_other_namespaces_out() -> None:
    assert proof(STAGES[5], MATRIX[:1], "prod-travel-agency").holds
    assert not proof(STAGES[5], MATRIX[:1]).holds


def test_an_empty_matrix_is_closed_by_allow_nothing() -> None:
    inventory = take([*SHOP, policy(namespace="shop", name="none")])
    found = prove(MeshPolicies(inventory.objects, inventory.mesh), inventory, ())
    assert (
        found.holds
        and found.coverage.allowed_pairs == 0
        and count(MeshPolicies(inventory.objects, inventory.mesh), inventory) == found.coverage
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x", "expected a mapping"),
        ({"from": ["anyone"]}, "has no to"),
        ({"from": [], "to": ["shop/cars"]}, "from is an empty list, which Istio would take for anyone"),
        ({"from": ["anyone"], "to": ["shop/cars"], "methods": []}, "methods is an empty list"),
        ({"from": ["everybody"], "to": ["shop/cars"]}, "'everybody' is none of anyone, authenticated, plaintext"),
        ({"from": ["shop/nosuch"], "to": ["shop/cars"]}, "there is no workload shop/nosuch"),
        ({"from": ["shop/cars", "shop/cras"], "to": ["shop/cars"]}, "no workload shop/cras in the source; did you mean shop/cars?"),
        ({"from": ["anyone"], "to": ["shop/cars", "shop/carts"]}, "no workload shop/carts in the source; did you mean shop/cars?"),
        ({"from": ["anyone"], "to": ["shop/zzz"]}, "no workload shop/zzz in the source; shop has "),
        ({"from": ["anyone"], "to": ["shopp/zzz"]}, "nor any other of shopp; did you mean the namespace shop?"),
        ({"from": ["anyone"], "to": ["shop/nosuch"]}, "there is no workload shop/nosuch"),
        ({"from": ["anyone"], "to": ["shop/cars"], "method": ["GET"]}, "unknown key method"),
        ({"from": "anyone", "to": ["shop/cars"]}, "from is 'anyone', expected a list"),
        ({"from": ["anyone"], "to": ["shop/cars"], "ports": ["http"]}, "'http' is not a port"),
    ],
)
def test_a_matrix_that_cannot_be_meant_is_refused(row: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        proof(SHOP, [row])


def test_http_cannot_be_demanded_of_connections() -> None:
    with pytest.raises(ConfigError, match="only connections are seen"):
        proof(STAGES[5], [{"from": ["anyone"], "to": [f"{AGENCY}/mysqldb"], "methods": ["GET"]}])


def test_what_cannot_be_decided_is_no_proof() -> None:
    rules = [{"when": [{"key": "request.headers[x]", "values": [f"v{number}"]}], **operation(paths=[f"/{number}"])} for number in range(14)]
    found = proof([*SHOP, policy(*rules, namespace="shop")], [])
    assert not found.holds and not found.more and [text.partition(":")[0] for text in found.undecided] == ["shop/cars", "shop/web"]
