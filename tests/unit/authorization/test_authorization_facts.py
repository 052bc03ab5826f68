# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbered facts of Istio's meaning, as worlds of one or two policies. The number is in each test's name or row."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.attributes import attribute
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.model import Mesh, PolicyTarget, Provider, Request
from authorization_worlds import SLEEP, allowed, chain, decide, findings, http, operation, policy, source, tcp, when

PLAIN = {"principal": None, "tls": False}
BAR = {"principal": "cluster.local/ns/bar/sa/sleep"}
TOKEN = {"claims": {"iss": "https://i", "sub": "alice"}}
HTTP_ONLY: list[dict[str, Any]] = [
    operation(hosts=["example.com"]),
    operation(notHosts=["x"]),
    operation(methods=["GET"]),
    operation(notMethods=["PUT"]),
    operation(paths=["/"]),
    operation(notPaths=["/x"]),
    source(requestPrincipals=["*"]),
    source(notRequestPrincipals=["x"]),
    when("request.headers[x]", "y"),
    when("request.auth.claims[group]", "y"),
    when("request.auth.audiences", "y"),
    when("request.auth.presenter", "y"),
    when("request.auth.principal", "y"),
]


# ---- 1, 4-9: order and combination


def test_1_without_an_allow_policy_everything_passes() -> None:
    assert allowed(http())
    assert allowed(http(), policy(operation(methods=["PUT"]), action="DENY"))


def test_1_deny_wins_over_allow() -> None:
    assert not allowed(http(), policy({}, name="a"), policy({}, action="DENY", name="d"))


def test_1_custom_comes_first() -> None:
    mesh = Mesh(providers={"ext": Provider("http", answer=False)})
    verdict = decide(http(), policy({}, action="CUSTOM", provider={"name": "ext"}), policy({}, action="DENY", name="d"), mesh=mesh)
    assert (verdict.allowed, verdict.by, verdict.policy) == (False, "CUSTOM", "foo/p")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (http(), True),
        (http(method="POST"), True),  # the second rule
        (http(principal=BAR["principal"]), False),
        (http(path="/b"), False),
        (http(headers={"x": "1"}), False),
    ],
)
def test_4_rules_or_within_a_rule_and(request_: Request, expected: bool) -> None:
    first = {**source(namespaces=["foo"]), **operation(methods=["GET"], notPaths=["/b"]), **when("request.headers[x]", absent=("1",))}
    assert allowed(request_, policy(first, operation(methods=["POST"]))) == expected


def test_4_values_or_fields_and_sources_or() -> None:
    either = {"from": [{"source": {"namespaces": ["a", "foo"], "ipBlocks": ["10.0.0.1"]}}, {"source": {"principals": ["x/ns/y/sa/z"]}}]}
    assert allowed(http(), policy(either))
    assert not allowed(http(source_ip="10.0.0.2"), policy(either))
    assert allowed(http(principal="x/ns/y/sa/z", source_ip="10.0.0.2"), policy(either))


def test_4_a_list_and_its_not_form_both_hold() -> None:
    rule = source(namespaces=["foo", "bar"], notNamespaces=["bar"])
    assert allowed(http(), policy(rule)) and not allowed(http(**BAR), policy(rule))


def test_4_when_is_added_to_every_source_and_operation() -> None:
    rule = {
        "from": [{"source": {"namespaces": ["foo"]}}, {"source": {"namespaces": ["bar"]}}],
        "to": [{"operation": {"methods": ["GET"]}}, {"operation": {"methods": ["PUT"]}}],
        "when": [{"key": "source.ip", "values": ["10.0.0.1"]}, {"key": "destination.port", "values": ["8080"]}],
    }
    for request in (http(), http(**BAR), http(method="PUT")):
        assert allowed(request, policy(rule))
    for request in (
        http(source_ip="10.0.0.2"),
        http(method="PUT", source_ip="10.0.0.2"),
        http(port=80),
        http(**BAR, port=80),
        http(method="POST"),
    ):
        assert not allowed(request, policy(rule))


def test_5_a_namespace_cannot_override_the_root() -> None:
    root = policy({}, action="DENY", namespace="istio-system", name="all")
    assert decide(http(), root, policy({})).policy == "istio-system/all"
    assert allowed(http(), policy({}, action="DENY", namespace="elsewhere"))


@pytest.mark.parametrize("spec", [{}, {"rules": []}, {"rules": None}, {"action": "ALLOW"}, None])
def test_6_allow_nothing(spec: Any) -> None:
    verdict = decide(
        http(),
        {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "p", "namespace": "foo"}, "spec": spec},
    )
    assert (verdict.allowed, verdict.by, verdict.nearest) == (False, "default", None)
    assert str(verdict) == "denied: no ALLOW policy of the workload matches, and none of its rules ever can"


def test_6_an_empty_rule_matches_everything() -> None:
    assert allowed(http(**PLAIN), policy({})) and not allowed(http(), policy({}, action="DENY"))
    assert allowed(http(), policy(action="DENY")) and allowed(http(), policy(action="AUDIT"))


@pytest.mark.parametrize("rule", [{"from": []}, {"to": []}, {"from": None}, {"from": [], "to": []}, None])
def test_6b_and_89_an_empty_list_means_anyone(rule: Any) -> None:
    assert allowed(http(**PLAIN), policy(rule))


def test_6b_it_widens_what_stands_beside_it() -> None:
    rule = {"from": [], **operation(ports=["8080"])}
    assert allowed(http(**PLAIN), policy(rule)) and not allowed(http(port=80), policy(rule))


def test_7_the_default_action_is_allow() -> None:
    assert allowed(http(), policy(source(namespaces=["foo"]), action=None))
    assert not allowed(http(**BAR), policy(source(namespaces=["foo"]), action=None))
    assert not allowed(http(), policy({}, action=1)) and not allowed(http(), policy(action=0))


def test_8_audit_never_decides_but_is_noted() -> None:
    audit = policy(source(namespaces=["foo"]), action="AUDIT")
    assert allowed(http(), audit)
    found = chain(audit)
    assert [rule.policy.key for rule in found.noted(found.facts(http()))] == ["foo/p"]
    assert found.noted(found.facts(http(**BAR))) == ()


def test_9_the_first_allow_policy_denies_all_it_does_not_mention() -> None:
    assert not allowed(tcp(), policy(operation(ports=["8080"])))


# ---- 21-31, 72-78: callers


@pytest.mark.parametrize(
    ("lists", "request_", "expected"),
    [
        pytest.param({"principals": [SLEEP]}, http(), True, id="21 exact"),
        pytest.param({"principals": [f"spiffe://{SLEEP}"]}, http(), False, id="21 and 73 with the scheme"),
        pytest.param({"principals": ["cluster.local/ns/foo/*"]}, http(), True, id="22 prefix"),
        pytest.param({"principals": ["*/sa/sleep"]}, http(), True, id="22 suffix"),
        pytest.param({"principals": ["*"]}, http(), True, id="22 presence"),
        pytest.param({"principals": ["*"]}, http(**PLAIN), False, id="22 presence, plaintext"),
        pytest.param({"principals": ["cluster.local/*/sa/sleep"]}, http(), False, id="73 star in the middle"),
        pytest.param({"namespaces": ["f*o"]}, http(), True, id="23 star in the middle"),
        pytest.param({"namespaces": ["foo"]}, http(principal="other/ns/foo/sa/x"), True, id="24 any trust domain"),
        pytest.param({"serviceAccounts": ["foo/sleep"]}, http(principal="other/ns/foo/sa/sleep"), True, id="24 any trust domain, account"),
        pytest.param({"serviceAccounts": ["sleep"]}, http(), True, id="25 the policy's namespace"),
        pytest.param({"serviceAccounts": ["sleep"]}, http(**BAR), False, id="25 another namespace"),
        pytest.param({"trustDomains": ["cluster.local"]}, http(), True, id="26 exact"),
        pytest.param({"trustDomains": ["cluster"]}, http(), False, id="26 not a prefix by itself"),
        pytest.param({"notTrustDomains": ["cluster.local"]}, http(), False, id="26 not"),
        pytest.param({"ipBlocks": ["10.0.0.0/24"]}, http(), True, id="27 direct peer"),
        pytest.param({"ipBlocks": ["10.9.0.0/24"]}, http(headers={"x-forwarded-for": "10.9.0.1"}), False, id="27 not the forwarded one"),
        pytest.param(
            {"remoteIpBlocks": ["10.9.0.0/24"]}, http(headers={"X-Forwarded-For": "1.1.1.1, 10.9.0.1"}), True, id="27 and 86 the last entry"
        ),
        pytest.param({"remoteIpBlocks": ["1.1.1.1"]}, http(headers={"x-forwarded-for": "1.1.1.1, 10.9.0.1"}), False, id="86 not the first"),
        pytest.param(
            {"remoteIpBlocks": ["10.0.0.1"]}, http(headers={"x-forwarded-for": "10.9.0.1, bogus"}), True, id="86 a bad last entry"
        ),
        pytest.param({"remoteIpBlocks": ["10.9.0.7"]}, http(remote_ip="10.9.0.7"), True, id="27 given"),
        pytest.param({"notRemoteIpBlocks": ["10.0.0.1"]}, http(), False, id="27 not"),
        pytest.param({"notPrincipals": ["x"]}, http(**PLAIN), True, id="29 and 75 not-form, plaintext"),
        pytest.param({"notNamespaces": ["foo"]}, http(**PLAIN), True, id="29 and 75 not-form, plaintext, namespace"),
        pytest.param({"notServiceAccounts": ["foo/sleep"]}, http(**PLAIN), True, id="29 and 75 not-form, plaintext, account"),
        pytest.param({"notServiceAccounts": ["foo/sleep"]}, http(), False, id="25 not"),
        pytest.param({"namespaces": ["foo"]}, http(principal="cluster.local/ns/bar/sa/x/ns/foo/y"), True, id="72 anywhere"),
        pytest.param({"principals": ["*"]}, http(principal=None, dns_names=("client.example.com",)), True, id="74 a DNS name"),
        pytest.param({"namespaces": ["*"]}, http(principal=None, dns_names=("client.example.com",)), False, id="74 namespaces"),
        pytest.param({"trustDomains": ["*"]}, http(principal=None, dns_names=("client.example.com",)), False, id="74 trustDomains"),
        pytest.param({"principals": [SLEEP]}, http(tls=False), False, id="29 an identity without TLS counts for nothing"),
    ],
)
def test_21_to_29_and_72_to_75_callers(lists: dict[str, Any], request_: Request, expected: bool) -> None:
    assert allowed(request_, policy(source(**lists))) == expected
    assert allowed(request_, policy(source(**lists), action="DENY")) != expected


@pytest.mark.parametrize(
    ("field", "key", "values"),
    [
        ("principals", "source.principal", [SLEEP]),
        ("namespaces", "source.namespace", ["foo"]),
        ("serviceAccounts", "source.serviceAccount", ["sleep"]),
        ("trustDomains", "source.trustDomain", ["cluster.local"]),
        ("ipBlocks", "source.ip", ["10.0.0.1"]),
        ("remoteIpBlocks", "remote.ip", ["10.0.0.1"]),
        ("requestPrincipals", "request.auth.principal", ["https://i/alice"]),
    ],
)
def test_39_a_key_of_when_means_what_the_field_means(field: str, key: str, values: list[str]) -> None:
    other = http(principal="x/ns/bar/sa/y", source_ip="10.0.0.9")
    negated = f"not{field[0].upper()}{field[1:]}"
    for request in (http(**TOKEN), other):
        positive = allowed(request, policy(source(**{field: values})))
        assert positive == (request is not other)
        assert allowed(request, policy(when(key, *values))) == positive
        assert allowed(request, policy(source(**{negated: values}))) != positive
        assert allowed(request, policy(when(key, absent=tuple(values)))) != positive


@pytest.mark.parametrize(
    ("value", "caller", "expected"),
    [
        ("cluster.local/ns/a/sa/b", "east.local", True),
        ("cluster.local/ns/a/sa/b", "old.local", True),
        ("cluster.local/ns/a/sa/b", "cluster.local", False),
        ("old.local/ns/a/sa/b", "east.local", True),
        ("other/ns/a/sa/b", "other", True),
        ("other/ns/a/sa/b", "east.local", False),
        ("*/ns/a/sa/b", "other", True),
        ("cluster.local/ns/a/*", "east.local", False),
        ("cluster.local/ns/a/*", "cluster.local", True),
    ],
)
def test_30_76_77_aliases(value: str, caller: str, expected: bool) -> None:
    mesh = Mesh(trust_domain="east.local", trust_domain_aliases=("old.local",))
    request = http(principal=f"{caller}/ns/a/sa/b")
    assert allowed(request, policy(source(principals=[value])), mesh=mesh) == expected
    assert allowed(request, policy(source(notPrincipals=[value])), mesh=mesh) != expected
    assert allowed(request, policy(when("source.principal", value)), mesh=mesh) == expected


def test_78_a_wildcard_trust_domain_in_a_principal_means_all_of_them() -> None:
    mesh = Mesh(trust_domain="cluster.local", trust_domain_aliases=("old.td",))
    local = http(principal="cluster.local/ns/a/sa/b")
    assert allowed(local, policy(source(principals=["*.td/ns/a/sa/b"])), mesh=mesh)
    assert not allowed(local, policy(source(trustDomains=["*.td"])), mesh=mesh)
    assert allowed(local, policy(source(trustDomains=["old.td"])), mesh=mesh)


@pytest.mark.parametrize(
    ("value", "claims", "expected"),
    [
        ("*", {"iss": "i", "sub": "s"}, True),
        ("*", {"iss": "i"}, False),
        ("*", {"iss": "i", "sub": ""}, False),
        ("*", {"sub": "s"}, False),
        ("*", None, False),
        ("https://i/*", {"iss": "https://i", "sub": "s"}, True),
        ("https://i*", {"iss": "https://i", "sub": "s"}, False),
        ("*/*", {"iss": "i", "sub": "s"}, False),
        ("alice", {"iss": "i", "sub": "alice"}, False),
        ("*/alice", {"iss": "i", "sub": "alice"}, True),
        ("*", {"iss": ["i"], "sub": "s"}, False),
        ("*", {"iss": "i", "sub": 7}, False),
    ],
)
def test_28_and_79_request_principals(value: str, claims: Any, expected: bool) -> None:
    assert allowed(http(claims=claims), policy(source(requestPrincipals=[value]))) == expected
    assert allowed(http(claims=claims), policy(source(notRequestPrincipals=[value]))) != expected


# ---- 32: empty sources, older versions


def test_32_an_empty_source_is_anyone() -> None:
    assert allowed(http(**PLAIN), policy(source())) and allowed(http(**PLAIN), policy({"from": [{}]}))


@pytest.mark.parametrize(
    ("lists", "version"), [({"serviceAccounts": ["x"]}, "1.24"), ({"trustDomains": ["x"]}, "1.30"), ({"notTrustDomains": ["x"]}, "1.30")]
)
def test_32_an_older_version_drops_what_it_does_not_know(lists: dict[str, Any], version: str) -> None:
    old = Mesh(version=version)
    assert allowed(http(**PLAIN), policy(source(**lists)), mesh=old)
    assert findings(policy(source(**lists)), mesh=old) == [f"dropped rules[0].from[0].source.{next(iter(lists))}"]
    assert findings(policy(source(**lists))) == []


def test_32_target_refs_of_an_older_version_cover_the_namespace() -> None:
    ref = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"}]
    assert not allowed(http(), policy({}, action="DENY", targetRefs=ref), mesh=Mesh(version="1.20"))
    assert allowed(http(), policy({}, action="DENY", targetRefs=ref))
    assert findings(policy({}, targetRefs=ref), mesh=Mesh(version="1.20")) == ["dropped targetRefs"]


def test_32_the_keys_of_an_older_version_are_unknown_to_it() -> None:
    rule = when("source.serviceAccount", "foo/sleep")
    assert allowed(http(), policy(rule)) and not allowed(http(), policy(rule), mesh=Mesh(version="1.24"))
    assert not allowed(
        http(), policy(when("source.trustDomain", "*"), {**source(), **when("source.trustDomain", "*")}), mesh=Mesh(version="1.30")
    )


# ---- 33-41, 80-85: requests


@pytest.mark.parametrize(
    ("rule", "request_", "expected"),
    [
        pytest.param(operation(hosts=["EXAMPLE.com"]), http(host="example.COM"), True, id="33 case"),
        pytest.param(operation(hosts=["example.com"]), http(host="example.com:8443"), False, id="33 and 81 with the port"),
        pytest.param(operation(hosts=["example.com:*"]), http(host="example.com:8443"), True, id="33 any port"),
        pytest.param(operation(hosts=["*"]), http(), True, id="33 presence"),
        pytest.param(operation(hosts=["*.com"]), http(), True, id="33 suffix"),
        pytest.param(operation(methods=["get"]), http(), False, id="34 case"),
        pytest.param(operation(methods=["G*"]), http(), True, id="34 prefix"),
        pytest.param(operation(methods=["*T"]), http(), True, id="34 suffix"),
        pytest.param(operation(methods=["*"]), http(method="BREW"), True, id="34 presence"),
        pytest.param(operation(paths=["/admin"]), http(path="/admin/"), False, id="35 slash"),
        pytest.param(operation(paths=["/admin*"]), http(path="/administrator"), True, id="35 prefix"),
        pytest.param(operation(paths=["/admin"]), http(path="/admin?x=/y"), True, id="35 query"),
        pytest.param(operation(paths=["/Admin"]), http(path="/admin"), False, id="35 case"),
        pytest.param(operation(paths=["/a/{*}"]), http(path="/a/b"), True, id="36 one segment"),
        pytest.param(operation(paths=["/a/{*}"]), http(path="/a/"), False, id="83 not an empty one"),
        pytest.param(operation(paths=["/foo/{**}/"]), http(path="/foo//"), True, id="36 any segments"),
        pytest.param(operation(paths=["/foo/{**}/"]), http(path="/foo/bar"), False, id="36 the slash counts"),
        pytest.param(operation(paths=["/adm/{**}"]), http(path="/adm/[x]"), False, id="83 brackets"),
        pytest.param(operation(paths=["/adm/*"]), http(path="/adm/[x]"), True, id="83 brackets, prefix"),
        pytest.param(operation(paths=["/a"]), http(path="/b/../%61"), True, id="37 and 82 normalised"),
        pytest.param(operation(paths=["/b/../a"]), http(path="/b/../a"), False, id="82 a policy with dots"),
        pytest.param(operation(paths=["/a"]), http(path="//a"), False, id="82 slashes stay"),
        pytest.param(operation(paths=["/a/b"]), http(path="/a%2Fb"), False, id="82 an escaped slash stays"),
        pytest.param(operation(ports=["8080"]), http(host="example.com:80"), True, id="38 and 81 the listener's port"),
        pytest.param(operation(ports=["80"]), http(host="example.com:80"), False, id="38 and 81 not the host's"),
        pytest.param(operation(notPorts=["80"]), http(), True, id="38 not"),
        pytest.param(when("destination.port", "8080"), http(), True, id="39 port"),
        pytest.param(when("destination.ip", "10.1.0.0/16"), http(), True, id="39 destination"),
        pytest.param(when("destination.ip", "10.2.0.0/16"), http(), False, id="39 other destination"),
        pytest.param(when("connection.sni", "example.com"), http(sni="EXAMPLE.com"), True, id="85 Envoy lowers the SNI"),
        pytest.param(when("connection.sni", "EXAMPLE.com"), http(sni="EXAMPLE.com"), False, id="85 the policy is not lowered"),
        pytest.param(when("connection.sni", "*"), http(sni=None), False, id="39 no SNI"),
        pytest.param(when("connection.sni", absent=("*",)), http(sni=None), True, id="39 no SNI, not"),
        pytest.param(when("request.headers[X-A]", "b"), http(headers={"x-a": "b"}), True, id="41 names have no case"),
        pytest.param(when("request.headers[x-a]", "b"), http(headers={"X-A": "b "}), True, id="41 blanks around do not count"),
        pytest.param(when("request.headers[x-a]", "b"), http(headers={"x-a": "B"}), False, id="41 values have"),
        pytest.param(when("request.headers[x-a]", "b"), http(), False, id="41 absent"),
        pytest.param(when("request.headers[x-a]", absent=("b",)), http(), True, id="41 absent, not"),
        pytest.param(when("request.headers[x-a]", "*"), http(headers={"x-a": ""}), True, id="84 presence, empty"),
        pytest.param(when("request.headers[x-a]", "b"), http(headers={"x-a": ["a", "b"]}), True, id="84 any line"),
        pytest.param(when("request.headers[x-a]", "b"), http(headers={"x-a": "a", "X-A": "b"}), True, id="84 any line, two spellings"),
        pytest.param(when("request.headers[x-a]", "a,b"), http(headers={"x-a": ["a", "b"]}), False, id="84 not joined"),
        pytest.param(when("request.headers[host]", "example.com"), http(host="Example.com"), False, id="81 a header has case"),
        pytest.param(when("request.headers[:authority]", "example.com"), http(), True, id="81 authority"),
        pytest.param(when("request.headers[:method]", "GET"), http(), True, id="39 method"),
        pytest.param(when("request.headers[:path]", "/?x"), http(path="/?x"), True, id="39 path with its query"),
        pytest.param(
            when("request.headers[x-forwarded-for]", "1.1.1.1,2.2.2.2"),
            http(headers={"x-forwarded-for": ["1.1.1.1", "2.2.2.2"]}),
            True,
            id="41 kept as one line",
        ),
        pytest.param(when("request.auth.audiences", "api"), http(claims={"aud": ["web", "api"]}), True, id="39 audiences"),
        pytest.param(when("request.auth.audiences", "api"), http(claims={"aud": "api"}), True, id="39 one audience"),
        pytest.param(when("request.auth.presenter", "c"), http(claims={"azp": "c"}), True, id="39 presenter"),
        pytest.param(when("request.auth.presenter", "c"), http(claims={"aud": "c"}), False, id="39 another claim"),
        pytest.param(when("request.auth.claims[r][k]", "v"), http(claims={"r": {"k": ["u", "v"]}}), True, id="39 nested"),
        pytest.param(when("request.auth.claims[r.k]", "v"), http(claims={"r.k": "v"}), True, id="39 a dot is part of the name"),
        pytest.param(when("request.auth.claims[r.k]", "v"), http(claims={"r": {"k": "v"}}), False, id="39 and no path"),
        pytest.param(when("request.auth.claims[a]x[b]", "v"), http(claims={"a]x[b": "v"}), True, id="39 brackets that do not pair up"),
        pytest.param(when("request.auth.claims[r[k]]", "v"), http(claims={"r[k]": "v"}), True, id="39 brackets in a name"),
        pytest.param(when("request.auth.claims[r][k]", "v"), http(claims={"r": [{"k": "v"}]}), False, id="80 a list on the way"),
        pytest.param(when("request.auth.claims[a][b]x[c]", "v"), http(claims={"a][b]x[c": "v"}), True, id="39 brackets that end early"),
        pytest.param(
            when("experimental.envoy.filters.a[b][c]", "v"),
            http(metadata={"envoy.filters.a": {"b][c": "v"}}),
            True,
            id="39 metadata, two brackets",
        ),
        pytest.param(
            when("experimental.envoy.filters.a.b[c]", "[*]"),
            http(metadata={"envoy.filters.a.b": {"c": [1]}}),
            False,
            id="39 metadata, odd list",
        ),
        pytest.param(when("request.auth.claims[aX][b]", "v"), http(claims={"aX": {"b": "v"}}), True, id="39 nested, a capital"),
        pytest.param(
            when("experimental.envoy.filters.a.b[c]", "[vX]"),
            http(metadata={"envoy.filters.a.b": {"c": ["vX"]}}),
            True,
            id="39 metadata, list, a capital",
        ),
        pytest.param(when("request.auth.claims[g]", "1"), http(claims={"g": 1}), False, id="80 a number"),
        pytest.param(when("request.auth.claims[g]", absent=("1",)), http(claims={"g": 1}), True, id="80 a number, not"),
        pytest.param(when("request.auth.claims[g]", "*"), http(claims={"g": True}), False, id="80 a boolean"),
        pytest.param(when("request.auth.claims[g]", "*"), http(claims={"g": ""}), False, id="80 empty"),
        pytest.param(when("request.auth.claims[g]", "*"), http(claims={"g": [["a"]]}), False, id="80 a list in a list"),
        pytest.param(when("request.auth.claims[g]", "a"), http(claims={"g": [1, "a"]}), True, id="80 a list with a string"),
        pytest.param(when("request.auth.claims[g]", "a b"), http(claims={"g": "a b"}), True, id="40 not split"),
        pytest.param(when("request.auth.claims[scope]", "read"), http(claims={"scope": "read  write"}), True, id="40 scope is split"),
        pytest.param(when("request.auth.claims[scope]", "read write"), http(claims={"scope": "read write"}), False, id="80 scope is split"),
        pytest.param(
            when("request.auth.claims[permission]", "write"), http(claims={"permission": "read write"}), True, id="40 permission is split"
        ),
        pytest.param(
            when("request.auth.claims[scope]", "read write"), http(claims={"scope": ["read write"]}), True, id="40 a list is not split"
        ),
        pytest.param(when("experimental.envoy.filters.a.b[c]", "v"), http(), False, id="39 no metadata"),
        pytest.param(
            when("experimental.envoy.filters.a.b[c]", "v"), http(metadata={"envoy.filters.a.b": {"c": "v"}}), True, id="39 metadata"
        ),
        pytest.param(
            when("experimental.envoy.filters.a.b[c]", "[v]"),
            http(metadata={"envoy.filters.a.b": {"c": ["u", "v"]}}),
            True,
            id="39 metadata, list",
        ),
        pytest.param(
            when("experimental.envoy.filters.a.b[c]", "[v]"),
            http(metadata={"envoy.filters.a.b": {"c": "v"}}),
            False,
            id="39 metadata, no list",
        ),
        pytest.param(
            when("experimental.envoy.filters.a.b[c]", "v"),
            http(metadata={"envoy.filters.a.b": {"c": ["v"]}}),
            False,
            id="39 metadata, a list",
        ),
        pytest.param(
            when("experimental.envoy.filters.a.b[c]", "[v"),
            http(metadata={"envoy.filters.a.b": {"c": "[v"}}),
            True,
            id="39 metadata, one bracket",
        ),
        pytest.param(
            when("experimental.envoy.filters.a.b[c]", "v]"),
            http(metadata={"envoy.filters.a.b": {"c": "v]"}}),
            True,
            id="39 metadata, other bracket",
        ),
        pytest.param(
            when("experimental.envoy.filters.a.b[c]", "*"),
            http(metadata={"envoy.filters.a.b": {"c": 1}}),
            False,
            id="39 metadata, a number",
        ),
        pytest.param(when("experimental.envoy.filters.a.b[c]", absent=("v",)), http(), True, id="39 metadata, absent"),
    ],
)
def test_33_to_41_and_80_to_85_requests(rule: dict[str, Any], request_: Request, expected: bool) -> None:
    assert allowed(request_, policy(rule)) == expected
    assert allowed(request_, policy(rule, action="DENY")) != expected


@pytest.mark.parametrize(
    ("mode", "expected"), [("NONE", False), ("BASE", False), ("MERGE_SLASHES", True), ("DECODE_AND_MERGE_SLASHES", True)]
)
def test_37_the_mesh_says_how_paths_are_normalised(mode: str, expected: bool) -> None:
    assert allowed(http(path="//a"), policy(operation(paths=["/a"])), mesh=Mesh(path_normalization=mode)) == expected


def test_36_templates_of_an_older_version_are_plain_text() -> None:
    rule = operation(paths=["/a/{*}"])
    assert not allowed(http(path="/a/b"), policy(rule), mesh=Mesh(version="1.21"))


def test_41_an_older_version_joins_repeated_headers() -> None:
    lines, old = http(headers={"x-a": ["a", "b"]}), Mesh(version="1.27.7")
    assert not allowed(lines, policy(when("request.headers[x-a]", "b")), mesh=old)
    assert allowed(lines, policy(when("request.headers[x-a]", "a,b")), mesh=old)


def test_40_tokens_of_an_older_version() -> None:
    old = Mesh(version="1.20")
    request = http(claims={"iss": "https://i", "sub": "alice", "aud": ["a", "b"], "azp": "c", "group": "x y", "n": 1})
    for rule in (
        source(requestPrincipals=["https://i*"]),
        source(requestPrincipals=["*alice"]),
        when("request.auth.claims[group]", "y"),
        when("request.auth.audiences", "a,b"),
        when("request.auth.presenter", "c"),
    ):
        assert allowed(request, policy(rule), mesh=old)
    for rule in (
        source(requestPrincipals=["*/*"]),
        when("request.auth.claims[group]", "x y"),
        when("request.auth.audiences", "a"),
        when("request.auth.claims[n]", "*"),
    ):
        assert not allowed(request, policy(rule), mesh=old)
    for claims in ({"iss": "i"}, {"sub": "s"}, {"iss": "", "sub": "s"}, {"iss": "i", "sub": ""}, {"aud": []}):
        assert not allowed(http(claims=claims), policy(source(requestPrincipals=["*"]), when("request.auth.audiences", "*")), mesh=old)


@pytest.mark.parametrize(
    ("kind", "proxies", "forwarded", "expected"),
    [
        ("sidecar", 0, "1.1.1.1, 2.2.2.2", "2.2.2.2"),
        ("sidecar", 2, "1.1.1.1, 2.2.2.2", "2.2.2.2"),
        ("sidecar", 0, "", "10.0.0.1"),
        ("gateway", 0, "1.1.1.1, 2.2.2.2", "10.0.0.1"),
        ("gateway", 1, "1.1.1.1, 2.2.2.2", "2.2.2.2"),
        ("gateway", 2, "1.1.1.1, 2.2.2.2", "1.1.1.1"),
        ("gateway", 3, "1.1.1.1, 2.2.2.2", "10.0.0.1"),
        ("gateway", 2, "bogus, 2.2.2.2", "10.0.0.1"),
        ("gateway", 2, "3.3.3.3, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
    ],
)
def test_27_and_86_remote_address(kind: str, proxies: int, forwarded: str, expected: str) -> None:
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    found = chain(policy({}), workload=PolicyTarget("foo", {}, kind), mesh=Mesh(trusted_proxies=proxies))
    assert str(found.facts(http(headers=headers)).remote_ip[0]) == expected


def test_27_at_a_gateway_the_peer_is_added_to_the_header() -> None:
    found = chain(policy({}), workload=PolicyTarget("foo", {}, "gateway"))
    assert found.facts(http(headers={"x-forwarded-for": "1.1.1.1"})).header("x-forwarded-for") == ("1.1.1.1,10.0.0.1",)
    assert found.facts(http()).header("x-forwarded-for") == ("10.0.0.1",)
    assert chain(policy({})).facts(http()).header("x-forwarded-for") == ()


def test_27_tcp_has_no_forwarded_address() -> None:
    rule = source(remoteIpBlocks=["10.0.0.1"])
    assert allowed(tcp(headers={"x-forwarded-for": "1.1.1.1"}), policy(rule))


# ---- 42-44, 49, 70, 71: HTTP on TCP, and what cannot be translated


@pytest.mark.parametrize("rule", HTTP_ONLY)
def test_42_43_http_only_on_tcp(rule: dict[str, Any]) -> None:
    ports = {"to": [{"operation": {**rule.get("to", [{}])[0].get("operation", {}), "ports": ["9000"]}}]}
    assert not allowed(tcp(), policy(rule)) and not allowed(tcp(), policy({**rule, **ports}))
    assert allowed(tcp(), policy(rule, operation(ports=["9000"])))
    assert not allowed(tcp(), policy(rule, action="DENY"))
    assert not allowed(tcp(), policy({**rule, **ports}, action="DENY")) and allowed(
        tcp(port=9001), policy({**rule, **ports}, action="DENY")
    )


def test_42_and_70_the_whole_rule_falls_also_its_other_branches() -> None:
    mixed = {"from": [{"source": {"namespaces": ["foo"]}}, {"source": {"requestPrincipals": ["*"]}}]}
    assert not allowed(tcp(), policy(mixed))
    assert findings(policy(mixed), protocol="TCP") == ["ignored rules[0]"]
    assert findings(policy(mixed)) == []


def test_43_and_71_the_rest_of_a_deny_rule_stays() -> None:
    rule = {**source(namespaces=["foo"], notRequestPrincipals=["*"]), **operation(methods=["GET"], ports=["9000"])}
    assert not allowed(tcp(), policy(rule, action="DENY"))
    assert allowed(tcp(**BAR), policy(rule, action="DENY")) and allowed(tcp(port=1), policy(rule, action="DENY"))
    assert findings(policy(rule, action="DENY"), protocol="TCP") == [
        "dropped rules[0].to[0].operation.methods",
        "dropped rules[0].from[0].source.notRequestPrincipals",
    ]


@pytest.mark.parametrize("rule", [when("source.foo", "x"), when("", "x"), when("destination.labels[app]", "x")])
def test_49_an_unknown_key_drops_the_rule_whatever_the_action(rule: dict[str, Any]) -> None:
    assert not allowed(http(), policy(rule)) and allowed(http(), policy(rule, action="DENY"))
    assert allowed(http(), policy(rule, {})) and not allowed(http(), policy(rule, {}, action="DENY"))
    assert findings(policy(rule, action="DENY")) == ["ignored rules[0]"]


@pytest.mark.parametrize(
    ("bad", "mixed"),
    [
        (source(ipBlocks=["nope"]), source(ipBlocks=["nope", "10.9.9.9"])),
        (operation(ports=["http"]), operation(ports=["http", "1"])),
        (source(remoteIpBlocks=["10.0.0.0/40"]), source(remoteIpBlocks=["10.0.0.0/40", "1.1.1.1"])),
        (when("source.ip", "x"), when("source.ip", "x", "1.1.1.1")),
        (when("request.headers", "a"), None),
        (when("request.headersx[a]", "a"), None),
        (when("request.headers[a", "a"), None),
        (when("request.headersa]", "a"), None),
        (when("request.auth.claimsx[a]", "a"), None),
        (when("request.auth.claims[ab", "a"), None),
        (when("request.auth.claimsab]", "a"), None),
        (when("request.auth.claims[a]x", "a"), None),
        (when("experimental.envoy.filters.a", "a"), None),
    ],
)
def test_49_a_bad_value_narrows_allow_and_widens_deny(bad: dict[str, Any], mixed: dict[str, Any] | None) -> None:
    assert not allowed(http(), policy(bad)) and not allowed(http(), policy(bad, action="DENY"))
    assert findings(policy(bad))[0] == "ignored rules[0]" and findings(policy(bad, action="DENY"))[0].startswith("dropped rules[0].")
    if mixed:  # the good value stays, and it does not match
        assert not allowed(http(), policy(mixed)) and allowed(http(), policy(mixed, action="DENY"))


def test_39_all_claims_at_once_never_match() -> None:
    for request in (http(**TOKEN), http()):
        assert not allowed(request, policy(when("request.auth.claims", "a"))) and allowed(
            request, policy(when("request.auth.claims", absent=("a",)))
        )


# ---- 51-55, 87, 88: dry run and CUSTOM


@pytest.mark.parametrize(
    ("text", "dry"), [("true", True), ("1", True), ("T", True), ("false", False), ("yes", False), ("", False), ("tRUE", False)]
)
def test_51_52_88_dry_run(text: str, dry: bool) -> None:
    note = {"istio.io/dry-run": text}
    assert allowed(http(), policy({}, action="DENY", annotations=note)) == dry
    found = chain(policy(source(namespaces=["foo"]), annotations=note))
    assert found.request(http(**BAR)).allowed == dry
    assert bool(found.noted(found.facts(http()))) == dry


def test_52_a_dry_run_allow_beside_a_real_one() -> None:
    dry = policy({}, name="dry", annotations={"istio.io/dry-run": "true"})
    assert not allowed(http(**BAR), dry, policy(source(namespaces=["foo"])))


CUSTOM = policy(source(ipBlocks=["10.0.0.1"]), action="CUSTOM", provider={"name": "ext"}, name="c")


@pytest.mark.parametrize(
    ("providers", "here", "elsewhere", "on_tcp"),
    [
        ({}, False, True, False),
        ({"ext": Provider("http", answer=True)}, True, True, True),
        ({"ext": Provider("http", answer=False)}, False, True, True),
        ({"ext": Provider("grpc", answer=False)}, False, True, False),
        ({"ext": Provider("grpc", answer=True)}, True, True, True),
    ],
)
def test_54_55_87_custom(providers: dict[str, Provider], here: bool, elsewhere: bool, on_tcp: bool) -> None:
    mesh = Mesh(providers=providers)
    assert allowed(http(), CUSTOM, mesh=mesh) == here and allowed(http(source_ip="10.0.0.2"), CUSTOM, mesh=mesh) == elsewhere
    assert allowed(tcp(), CUSTOM, mesh=mesh) == on_tcp and allowed(tcp(source_ip="10.0.0.2"), CUSTOM, mesh=mesh)


def test_54_two_providers_deny_what_matches() -> None:
    other = policy(source(ipBlocks=["10.0.0.2"]), action="CUSTOM", provider={"name": "other"}, name="o")
    mesh = Mesh(providers={"ext": Provider("http", answer=True), "other": Provider("grpc", answer=True)})
    for address, free in (("10.0.0.1", False), ("10.0.0.2", False), ("10.0.0.3", True)):
        assert allowed(http(source_ip=address), CUSTOM, other, mesh=mesh) == free
        assert allowed(tcp(source_ip=address), CUSTOM, other, mesh=mesh) == free
    several = Mesh(providers=mesh.providers, multiple_custom_providers=True)
    assert allowed(http(), CUSTOM, other, mesh=several) and allowed(http(source_ip="10.0.0.2"), CUSTOM, other, mesh=several)
    assert "has ext, other" in str(decide(http(), CUSTOM, other, mesh=mesh))


def test_54_all_providers_are_told_in_order() -> None:
    every = [policy({}, action="CUSTOM", provider={"name": name}, name=name) for name in "gfedcba"]
    assert "has a, b, c, d, e, f, g" in str(decide(http(), *every))


def test_54_an_unknown_answer_is_told_not_guessed() -> None:
    verdict = decide(http(), CUSTOM, policy({}), mesh=Mesh(providers={"ext": Provider()}))
    assert (verdict.allowed, verdict.asks) == (True, ("ext",)) and str(verdict).endswith("if ext agrees")
    assert decide(http(source_ip="10.0.0.2"), CUSTOM, policy({}), mesh=Mesh(providers={"ext": Provider()})).asks == ()


def test_55_http_conditions_of_custom_widen_on_tcp() -> None:
    custom = policy(operation(methods=["PUT"]), action="CUSTOM", provider={"name": "nobody"})
    assert allowed(http(), custom) and not allowed(tcp(), custom)


def test_51_custom_in_dry_run_is_enforced_by_newer_versions() -> None:
    dry = policy({}, action="CUSTOM", provider={"name": "ext"}, annotations={"istio.io/dry-run": "true"})
    providers = {"ext": Provider("http", answer=True)}
    assert not allowed(http(), dry, mesh=Mesh(providers=providers)) and allowed(http(), dry, mesh=Mesh(providers=providers, version="1.29"))
    assert allowed(http(), dry)  # without the provider only enforced rules deny


def test_3_custom_is_asked_before_there_is_a_token() -> None:
    custom = policy(source(requestPrincipals=["*"]), action="CUSTOM", provider={"name": "nobody"})
    assert allowed(http(**TOKEN), custom)


def test_54_a_provider_without_a_name_is_unknown() -> None:
    assert not allowed(http(), policy({}, action="CUSTOM")) and not allowed(http(), policy({}, action="CUSTOM", provider={}))


def test_27_other_headers_do_not_count_and_tcp_has_none() -> None:
    assert str(chain(policy({})).facts(http(headers={"x-other": "9.9.9.9"})).remote_ip[0]) == "10.0.0.1"
    found = chain(policy({}), protocol="TCP")
    facts = found.facts(tcp(headers={"x-forwarded-for": "9.9.9.9", "a": "b"}, claims={"iss": "i"}))
    assert facts.header("a") == () and facts.claims is None and str(facts.remote_ip[0]) == "10.0.0.1"


def test_a_request_of_which_little_is_known() -> None:
    facts = chain(policy({})).facts(Request(method="GET"))
    assert (facts.path, facts.host, facts.peer_names, facts.source_ip, facts.port, facts.sni) == (("/",), ("",), (), (), (), ("",))
    assert chain(policy({})).facts(Request(host="a")).method == ("",)
    gateway = chain(policy({}), workload=PolicyTarget("foo", {}, "gateway")).facts(Request(method="GET"))
    assert gateway.header("x-forwarded-for") == ()


def test_52_dry_run_at_a_sidecar_of_an_older_version_and_of_custom() -> None:
    note = {"istio.io/dry-run": "true"}
    assert allowed(http(), policy({}, action="DENY", annotations=note), mesh=Mesh(version="1.28"))
    found = chain(policy({}, action="CUSTOM", provider={"name": "x"}, annotations=note))
    assert found.noted(found.facts(http())) == ()


@pytest.mark.parametrize("key", ["source.ip", "remote.ip", "destination.ip", "destination.port", "connection.sni", "source.principal",
                                 "request.headers[x]", "request.auth.claims[a]"])  # fmt: skip
def test_an_attribute_has_the_name_that_people_write(key: str) -> None:
    assert attribute(key, "foo", Mesh()).name == key
