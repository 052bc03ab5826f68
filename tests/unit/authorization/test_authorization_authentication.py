# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutual TLS by PeerAuthentication, tokens by RequestAuthentication, and the order of it all (facts 2, 56 to 62)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.authentication import (
    JwtRule,
    PeerAuthentication,
    RequestAuthentication,
    Token,
    effective_mtls,
    read_peer_authentications,
    read_request_authentications,
)
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.model import Mesh, PolicyTarget
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.world import MeshPolicies
from authorization_worlds import APP, MESH, http, policy, source, tcp, when

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAMP = int(NOW.timestamp())
CARS = PolicyTarget("foo", APP)
SELECTED = {"selector": {"matchLabels": APP}}


def peer(mode: str | None, name: str = "p", namespace: str = "foo", created: str = "2025-01-01T00:00:00Z", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": created}
    return {"kind": "PeerAuthentication", "metadata": metadata, "spec": {**({"mtls": {"mode": mode}} if mode else {}), **spec}}


def tokens(*rules: dict[str, Any], name: str = "r", namespace: str = "foo", **spec: Any) -> dict[str, Any]:
    return {"kind": "RequestAuthentication", "metadata": {"name": name, "namespace": namespace}, "spec": {"jwtRules": list(rules), **spec}}


ROOT = {"namespace": "istio-system"}
MTLS = [
    pytest.param([], None, "PERMISSIVE", "", id="56 default"),
    pytest.param([peer("STRICT", "m", **ROOT)], None, "STRICT", "istio-system/m", id="56 mesh"),
    pytest.param([peer("STRICT", "m", **ROOT), peer("PERMISSIVE")], None, "PERMISSIVE", "foo/p", id="56 namespace over mesh"),
    pytest.param([peer("STRICT"), peer("DISABLE", "w", **SELECTED)], None, "DISABLE", "foo/w", id="56 workload over namespace"),
    pytest.param([peer("DISABLE", "w", **SELECTED), peer("STRICT")], None, "DISABLE", "foo/w", id="56 whatever their order"),
    pytest.param([peer("STRICT"), peer("UNSET", "w", **SELECTED)], None, "STRICT", "foo/p", id="56 UNSET inherits"),
    pytest.param([peer("STRICT"), peer(None, "w", **SELECTED)], None, "STRICT", "foo/p", id="56 nothing inherits"),
    pytest.param(
        [peer("STRICT", "new", created="2025-06-01T00:00:00Z"), peer("PERMISSIVE", "old")],
        None,
        "PERMISSIVE",
        "foo/old",
        id="56 the oldest wins",
    ),
    pytest.param([peer("STRICT", "a"), peer("PERMISSIVE", "b")], None, "STRICT", "foo/a", id="56 the first of the same age"),
    pytest.param([peer("STRICT", "m", **ROOT, **SELECTED)], None, "PERMISSIVE", "", id="56 a selector in the root is ignored"),
    pytest.param([peer("STRICT", "x", "bar")], None, "PERMISSIVE", "", id="56 another namespace"),
    pytest.param([peer("STRICT", "w", selector={"matchLabels": {"app": "vans"}})], None, "PERMISSIVE", "", id="56 another workload"),
    pytest.param([peer("STRICT", "w", "bar", **SELECTED)], None, "PERMISSIVE", "", id="56 a selector elsewhere"),
    pytest.param([peer("STRICT", "w", portLevelMtls={"8080": {"mode": "DISABLE"}}, **SELECTED)], 8080, "DISABLE", "foo/w", id="57 a port"),
    pytest.param(
        [peer("STRICT", "w", portLevelMtls={"8080": {"mode": "DISABLE"}}, **SELECTED)], 80, "STRICT", "foo/w", id="57 another port"
    ),
    pytest.param([peer("STRICT", "w", portLevelMtls={"8080": {"mode": "DISABLE"}}, **SELECTED)], None, "STRICT", "foo/w", id="57 no port"),
    pytest.param(
        [peer("STRICT"), peer(None, "w", portLevelMtls={8080: {"mode": "UNSET"}}, **SELECTED)],
        8080,
        "STRICT",
        "foo/p",
        id="57 a port that inherits",
    ),
]


@pytest.mark.parametrize(("objects", "port", "mode", "by"), MTLS)
def test_effective_mtls(objects: list[dict[str, Any]], port: int | None, mode: str, by: str) -> None:
    found, findings = read_peer_authentications(objects)
    assert findings == [] and effective_mtls(found, CARS, port, MESH) == (mode, by)


def test_56_a_workload_of_the_root_namespace_has_no_selectors() -> None:
    found, _findings = read_peer_authentications([peer("STRICT", "m", **ROOT, **SELECTED), peer("PERMISSIVE", "n", **ROOT)])
    assert effective_mtls(found, PolicyTarget("istio-system", APP), None, MESH) == ("PERMISSIVE", "istio-system/n")


def test_57_ambient_has_no_disable() -> None:
    found, _findings = read_peer_authentications([peer("DISABLE")])
    assert effective_mtls(found, PolicyTarget("foo", APP, "ztunnel"), None, MESH) == ("PERMISSIVE", "foo/p")


@pytest.mark.parametrize(
    ("obj", "says"),
    [
        (peer("STRONG"), "a mode is none of UNSET, DISABLE, PERMISSIVE, STRICT"),
        (peer("STRICT", portLevelMtls={"80": {"mode": "X"}}, **SELECTED), "a mode is none"),
        (peer("STRICT", portLevelMtls={"80": {"mode": "STRICT"}}), "portLevelMtls needs a selector"),
        *[
            (peer("STRICT", portLevelMtls={port: {"mode": "STRICT"}}, **SELECTED), "a port of portLevelMtls is not between")
            for port in ("http", "0", "65536", "-1", "")
        ],
    ],
)
def test_56_57_what_is_refused(obj: dict[str, Any], says: str) -> None:
    found, findings = read_peer_authentications([obj, {"kind": "Service"}])
    assert found == [] and [finding.effect for finding in findings] == ["rejected"]
    assert findings[0].resource == "PeerAuthentication foo/p" and findings[0].message.startswith(says)


def answer(*objects: dict[str, Any], token: Token | None = None, workload: PolicyTarget = CARS, mesh: Mesh = MESH, **request: Any) -> str:
    protocol = request.pop("protocol", "HTTP")
    given = http(**request) if protocol == "HTTP" else tcp(**request)
    found = MeshPolicies(objects, mesh).answer(workload, given, now=NOW, protocol=protocol, token=token)
    assert found.allowed == (found.status == "passes") and found.reason
    return found.status


def test_56_strict_refuses_plaintext_before_any_policy() -> None:
    for caller in ({"principal": None}, {"tls": False}):
        assert answer(peer("STRICT"), policy({}), **caller) == "reset"
        assert answer(peer("PERMISSIVE"), **caller) == "passes"
    assert answer(peer("STRICT")) == "passes" and answer(peer("STRICT"), principal=None, dns_names=("a.example.com",)) == "passes"
    assert answer(peer("STRICT"), principal=None, workload=PolicyTarget("foo", APP, "ztunnel")) == "reset"
    assert (
        answer(peer("STRICT"), principal=None, workload=PolicyTarget("foo", APP, "gateway")) == "passes"
    )  # its Gateway says what it serves


def test_29_disable_takes_the_identity_away() -> None:
    assert answer(peer("DISABLE"), policy(source(namespaces=["foo"]))) == "403"
    assert answer(peer("PERMISSIVE"), policy(source(namespaces=["foo"]))) == "passes"
    assert answer(peer("DISABLE"), policy(source(namespaces=["foo"])), workload=PolicyTarget("foo", APP, "gateway")) == "passes"


def test_10_how_a_refusal_looks() -> None:
    assert answer(policy()) == "403" and answer(policy(), protocol="TCP") == "reset"
    assert answer(policy(), workload=PolicyTarget("foo", APP, "ztunnel")) == "reset"
    bad = policy({}, action="CUSTOM", provider={"name": "nobody"})
    assert answer(bad) == "403" and answer(bad, protocol="TCP") == "reset"


RULE = {"issuer": "https://i", "audiences": ["api"], "jwksUri": "https://i/keys"}
CLAIMS = {"iss": "https://i", "sub": "alice", "aud": "api"}
NEEDED = policy(source(requestPrincipals=["*"]))


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        pytest.param(None, "403", id="59 none"),
        pytest.param(Token(CLAIMS), "passes", id="59 good"),
        pytest.param(Token(CLAIMS, signed=False), "401", id="59 another key"),
        pytest.param(Token({**CLAIMS, "iss": "https://j"}), "401", id="59 another issuer"),
        pytest.param(Token({"sub": "alice", "aud": "api"}), "401", id="59 no issuer"),
        pytest.param(Token({**CLAIMS, "aud": "web"}), "401", id="59 another audience"),
        pytest.param(Token({"iss": "https://i", "sub": "alice"}), "401", id="59 no audience"),
        pytest.param(Token({**CLAIMS, "aud": ["web", "api"]}), "passes", id="59 one of the audiences"),
        pytest.param(Token({**CLAIMS, "aud": [1, "api"]}), "401", id="59 audiences of all sorts"),
        pytest.param(Token({**CLAIMS, "sub": None}), "401", id="59 a subject that is none"),
        pytest.param(Token({**CLAIMS, "jti": 5}), "401", id="59 a number for a name"),
        pytest.param(Token({**CLAIMS, "aud": "https://api/"}), "passes", id="59 the scheme does not count"),
        pytest.param(Token({**CLAIMS, "aud": "http://api"}), "passes", id="59 neither scheme"),
        pytest.param(Token({**CLAIMS, "aud": "api/x"}), "401", id="59 the rest counts"),
        pytest.param(Token({**CLAIMS, "exp": STAMP - 60}), "passes", id="59 within the tolerance"),
        pytest.param(Token({**CLAIMS, "exp": STAMP - 61}), "401", id="59 expired"),
        pytest.param(Token({**CLAIMS, "exp": STAMP + 5}), "passes", id="59 about to expire"),
        pytest.param(Token({**CLAIMS, "nbf": STAMP + 60}), "passes", id="59 nearly valid"),
        pytest.param(Token({**CLAIMS, "nbf": STAMP + 61}), "401", id="59 not valid yet"),
        *(
            pytest.param(Token({**CLAIMS, name: value}), "401", id=f"59 {name} that is none: {value!r}")
            for name in ("exp", "nbf", "iat")
            for value in (True, "x", None, -1, 1e20)
        ),
        pytest.param(Token({**CLAIMS, "exp": STAMP + 0.5, "iat": STAMP + 9999}), "passes", id="59 parts of a second, and made tomorrow"),
        pytest.param(Token({**CLAIMS, "exp": 0, "nbf": 0}), "passes", id="59 zero counts as none"),
        pytest.param(Token(CLAIMS, place="param:access_token"), "passes", id="59 in the query"),
        pytest.param(Token(CLAIMS, place="header:x-token"), "403", id="59 where nobody looks"),
        pytest.param(Token(CLAIMS, place="cookie:authorization"), "403", id="59 nor in a cookie"),
    ],
)
def test_59_tokens(token: Token | None, expected: str) -> None:
    assert answer(tokens(RULE), NEEDED, token=token) == expected


@pytest.mark.parametrize(("claims", "says"), [({"exp": STAMP - 61}, "it has expired"), ({"nbf": STAMP + 61}, "it is not valid yet")])
def test_59_why_a_token_is_refused(claims: dict[str, int], says: str) -> None:
    found = MeshPolicies([tokens(RULE)], MESH).answer(CARS, http(), now=NOW, token=Token({**CLAIMS, **claims}))
    assert found.reason == f"the token is refused: {says}"


def test_59_request_authentication_alone_lets_the_missing_token_through() -> None:
    assert answer(tokens(RULE)) == "passes" and answer(tokens(RULE), token=Token(CLAIMS, signed=False)) == "401"
    assert answer(NEEDED, token=Token(CLAIMS)) == "403"  # nobody looks at it
    assert answer(tokens(RULE, namespace="bar"), NEEDED, token=Token(CLAIMS)) == "403"
    assert answer(tokens(RULE, selector={"matchLabels": {"app": "vans"}}), token=Token({})) == "passes"
    assert answer(tokens(RULE, **ROOT), NEEDED, token=Token(CLAIMS)) == "passes"


def test_59_rules_are_alternatives() -> None:
    other = {"issuer": "https://j"}
    both = [tokens(RULE), tokens(other, name="s")]
    assert (
        answer(*both, NEEDED, token=Token(CLAIMS)) == "passes"
        and answer(*both, NEEDED, token=Token({"iss": "https://j", "sub": "x"})) == "passes"
    )
    assert answer(*both, NEEDED, token=Token({"iss": "https://k"})) == "401"
    world = MeshPolicies([tokens(RULE, other)], MESH)
    reason = world.answer(CARS, http(), now=NOW, token=Token({"iss": "https://k"})).reason
    assert reason == "the token is refused: issuer 'https://k' is not 'https://i'; issuer 'https://k' is not 'https://j'"


@pytest.mark.parametrize(
    ("rule", "place", "expected"),
    [
        ({"fromHeaders": [{"name": "X-Jwt", "prefix": "T "}]}, "header:x-jwt", "passes"),
        ({"fromHeaders": [{"name": "x-jwt"}]}, "header:authorization", "403"),
        ({"fromParams": ["t"]}, "param:t", "passes"),
        ({"fromParams": ["t"]}, "param:access_token", "403"),
        ({"fromParams": ["t"]}, "cookie:t", "403"),
        ({"fromCookies": ["t"]}, "cookie:t", "passes"),
        ({"fromCookies": ["t"]}, "header:t", "403"),
        ({"fromCookies": ["t"]}, "else:t", "403"),
    ],
)
def test_59_where_a_rule_looks(rule: dict[str, Any], place: str, expected: str) -> None:
    assert answer(tokens({**RULE, **rule}), NEEDED, token=Token(CLAIMS, place=place)) == expected


def test_40_claims_that_a_rule_splits() -> None:
    rule = {**RULE, "spaceDelimitedClaims": ["roles"]}
    token = Token({**CLAIMS, "roles": "a b", "other": "a b", "scope": "r w"})
    assert answer(tokens(rule), policy(when("request.auth.claims[roles]", "b")), token=token) == "passes"
    assert answer(tokens(rule), policy(when("request.auth.claims[other]", "b")), token=token) == "403"
    assert answer(tokens(rule), policy(when("request.auth.claims[scope]", "w")), token=token) == "passes"
    assert answer(tokens(RULE), policy(when("request.auth.claims[roles]", "b")), token=token) == "403"
    listed = Token({**CLAIMS, "roles": ["a b", "c"]})
    assert answer(tokens(rule), policy(when("request.auth.claims[roles]", "c")), token=listed) == "passes"
    assert answer(tokens(rule), policy(when("request.auth.claims[roles]", "b")), token=listed) == "403"


def test_61_a_preflight_skips_the_token_but_not_the_policies() -> None:
    preflight = {"method": "OPTIONS", "headers": {"Origin": "https://x", "Access-Control-Request-Method": "GET"}}
    assert (
        answer(tokens(RULE), token=Token({}), **preflight) == "passes"
        and answer(tokens(RULE), NEEDED, token=Token(CLAIMS), **preflight) == "403"
    )
    assert answer(tokens(RULE), token=Token({}), method="OPTIONS", headers={"Origin": "x"}) == "401"
    assert answer(tokens(RULE), token=Token({}), method="GET", headers=preflight["headers"]) == "401"


def test_62_tokens_are_a_matter_of_http_and_not_of_ztunnel() -> None:
    assert answer(tokens(RULE), token=Token({}), protocol="TCP") == "passes"
    assert answer(tokens(RULE), token=Token({}), workload=PolicyTarget("foo", APP, "ztunnel")) == "passes"


def test_2_custom_before_tokens_before_deny() -> None:
    custom = policy({}, action="CUSTOM", provider={"name": "nobody"}, name="c")
    assert answer(tokens(RULE), custom, token=Token({})) == "403"
    assert answer(tokens(RULE), policy({}, action="DENY"), token=Token({})) == "401"


@pytest.mark.parametrize(
    ("obj", "says"),
    [
        (tokens({"audiences": ["a"]}), "a jwtRule has neither issuer nor jwksUri"),
        (tokens({**RULE, "audiences": [""]}), "a jwtRule has an empty audience"),
        (tokens(RULE, selector={}, targetRefs=[{"kind": "Gateway"}]), "it has both a selector and targetRefs"),
        (tokens(RULE, selector={}, targetRef={"kind": "Gateway"}), "it has both a selector and targetRefs"),
    ],
)
def test_59_what_is_refused(obj: dict[str, Any], says: str) -> None:
    found, findings = read_request_authentications([obj, {"kind": "Service"}], MESH)
    assert found == [] and findings[0].message.startswith(says) and findings[0].resource == "RequestAuthentication foo/r"


def test_62_target_refs() -> None:
    gateway = PolicyTarget("foo", {"gateway.networking.k8s.io/gateway-name": "gw"}, "gateway")
    obj = tokens(RULE, targetRefs=[{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"}])
    assert answer(obj, token=Token({}), workload=gateway) == "401" and answer(obj, token=Token({})) == "passes"
    assert answer(obj, token=Token({}), mesh=Mesh(version="1.21")) == "401"  # the field is dropped, the namespace is covered


def test_a_world_can_leave_out_what_admission_refuses() -> None:
    empty = policy({"from": [{"source": {}}]})
    assert MeshPolicies([empty], MESH).answer(CARS, http(principal=None), now=NOW).allowed
    strict = MeshPolicies([empty, policy(source(namespaces=["foo"]), name="q")], MESH, admitted=True)
    assert not strict.answer(CARS, http(principal=None), now=NOW).allowed and strict.answer(CARS, http(), now=NOW).allowed
    assert [finding.effect for finding in strict.findings] == ["rejected"]
    lenient = MeshPolicies([empty, policy(source(namespaces=["foo"]), name="q")], MESH)
    assert lenient.answer(CARS, http(principal=None), now=NOW).allowed, "what a cluster has was admitted, whatever we think of it"
    warned = MeshPolicies([policy({}, selector={}), peer("X"), tokens({})], MESH, admitted=True)
    assert len(warned.policies.policies) == 1 and [finding.effect for finding in warned.findings] == ["warning", "rejected", "rejected"]


@pytest.mark.parametrize(("spec", "says"), [
    (["x"], "['x'] is list, expected a mapping"),
    ({"mtls": "STRICT"}, "mtls is str, expected a mapping"),
    ({"portLevelMtls": ["80"]}, "portLevelMtls is list, expected a mapping"),
    ({"selector": ["app"]}, "selector is list, expected a mapping"),
])  # fmt: skip
def test_a_peer_authentication_of_another_shape_is_refused(spec: Any, says: str) -> None:
    found, findings = read_peer_authentications([{**peer("STRICT"), "spec": spec}])
    assert found == [] and [(one.effect, one.message) for one in findings] == [("rejected", says)]


@pytest.mark.parametrize("spec", [None, {}, {"mtls": None, "selector": None, "portLevelMtls": None}])
def test_a_peer_authentication_that_says_nothing(spec: Any) -> None:
    bare, findings = read_peer_authentications([{"kind": "PeerAuthentication", "metadata": {}, "spec": spec}])
    assert findings == [] and bare == [PeerAuthentication("default", "", "", {}, "UNSET", {})]


def test_57_the_first_and_the_last_port() -> None:
    ports = {port: {"mode": "DISABLE"} for port in ("1", "65535")}
    found, findings = read_peer_authentications([peer("STRICT", portLevelMtls=ports, **SELECTED)])
    assert findings == [] and found[0].ports == {1: "DISABLE", 65535: "DISABLE"}
    _found, findings = read_peer_authentications([peer("STRICT", portLevelMtls={"\u00b2": {"mode": "DISABLE"}}, **SELECTED)])
    assert findings[0].message == "a port of portLevelMtls is not between 1 and 65535"


LISTS = ("audiences", "fromHeaders", "fromParams", "fromCookies", "spaceDelimitedClaims")
REFUSED = "; the API server refuses it, and nothing of it is enforced"


@pytest.mark.parametrize(("spec", "says"), [
    ("x", "'x' is str, expected a mapping"),
    ({"jwtRules": {"issuer": "i"}}, "jwtRules is dict, expected a list"),
    ({"selector": []}, "selector is list, expected a mapping"),
    ({"targetRefs": {}}, "targetRefs is dict, expected a list"),
    ({"targetRef": []}, "targetRef is list, expected a mapping"),
    ({"jwtRules": ["x", RULE]}, "'x' is str, expected a mapping"),
    ({"jwtRules": [RULE, "x"]}, "'x' is str, expected a mapping"),
    *[({"jwtRules": [RULE, {**RULE, name: "x"}]}, f"{name} is str, expected a list") for name in LISTS],
])  # fmt: skip
def test_59_what_the_api_server_refuses(spec: Any, says: str) -> None:
    found, findings = read_request_authentications([{**tokens(RULE), "spec": spec}], MESH)
    assert found == [] and [(one.effect, one.message) for one in findings] == [("unreadable", says + REFUSED)]


@pytest.mark.parametrize("spec", [None, {}, {"jwtRules": None, "selector": None, "targetRefs": None, "targetRef": None}])
def test_59_a_request_authentication_that_says_nothing(spec: Any) -> None:
    found, findings = read_request_authentications([{"kind": "RequestAuthentication", "metadata": {}, "spec": spec}], MESH)
    assert findings == [] and found == [RequestAuthentication("default", "", ())]


def test_59_a_rule_as_it_is_read() -> None:
    rule = {"jwksUri": "https://i/keys", "fromHeaders": [{"name": "X-Jwt", "prefix": "T "}, {}]}
    found, findings = read_request_authentications([tokens(rule, selector={"matchLabels": APP})], MESH)
    assert findings == []
    assert found == [RequestAuthentication("foo", "r", (JwtRule("", (), (("x-jwt", "T "), ("", ""))),), APP)]


def test_59_each_rule_is_judged_and_one_bad_one_is_enough() -> None:
    for bad, says in (
        ({"audiences": ["a"]}, "a jwtRule has neither issuer nor jwksUri"),
        ({**RULE, "audiences": ["a", ""]}, "a jwtRule has an empty audience"),
        (None, "jwtRules[1] is null: an item without anything in it"),
    ):
        _found, findings = read_request_authentications([tokens(RULE, bad)], MESH)
        assert [one.message for one in findings] == [says]


def test_59_who_is_selected_and_who_is_trusted() -> None:
    assert answer(tokens(RULE, selector={"matchLabels": APP}), token=Token({})) == "401"
    anybody = {"jwksUri": "https://i/keys"}  # without an issuer only the keys count
    assert answer(tokens(anybody), NEEDED, token=Token({"iss": "https://j", "sub": "x"})) == "passes"
    assert answer(tokens({**RULE, "fromParams": ["a:b"]}), NEEDED, token=Token(CLAIMS, place="param:a:b")) == "passes"


def test_62_a_target_of_another_namespace_is_none() -> None:
    gateway = PolicyTarget("foo", {"gateway.networking.k8s.io/gateway-name": "gw"}, "gateway")
    named = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"}
    for namespace, expected in (("foo", "401"), ("bar", "passes")):
        assert answer(tokens(RULE, targetRefs=[{**named, "namespace": namespace}]), token=Token({}), workload=gateway) == expected
