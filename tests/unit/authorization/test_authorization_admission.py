# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused: by whoever decodes the object, by the webhook's rules, by the schema. And what is only warned of."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.read import is_authorization_policy, read_policies, read_policy
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.validate import validate
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.versions import abilities
from authorization_worlds import operation, policy, source, when

GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"}
PROVIDER = {"action": "CUSTOM", "provider": {"name": "ext"}}
TEMPLATES = ["/a/{*}", "/{*}/b/{**}", "/a/{**}/", "{**}", "/a/{*}/b.c~%20!$&'()+,;:@=-_"]
BAD_TEMPLATES = [
    "/x[y]/{**}",
    "/a/{*}X",
    "/a/{*}.txt",
    "/a/{**}/{*}",
    "/a/{**}/{**}",
    "/a/{*}/b*",
    "/a/{x}",
    "/a/{*}/x[y]",
    "/{**}/a/{*}",
    "/a{",
    "/a}",
    "/a//{*}",
    "/a/{*}/b c",
    "/a/{*}/*",
]


def effects(obj: dict[str, Any], version: str | None = None) -> list[str]:
    can = abilities(version)
    found, findings = read_policy(obj, can)
    return [f"{finding.effect} {finding.where}".strip() for finding in findings + (validate(found, can) if found else [])]


GOOD = [
    policy(),
    policy({}),
    policy({}, action="DENY"),
    policy({}, action="AUDIT"),
    policy(action="AUDIT"),
    policy({}, **PROVIDER),
    policy({"from": []}),
    policy(None),
    policy({}, selector={"matchLabels": {"app": "x"}}),
    policy({}, targetRefs=[GATEWAY]),
    policy({}, targetRefs=[]),
    policy({}, targetRefs=[GATEWAY] * 16),
    policy({}, targetRef=GATEWAY),
    policy({}, targetRefs=[{"kind": "Service", "group": "core", "name": "s"}]),
    policy({}, targetRefs=[{"kind": "Service", "group": "", "name": "s"}]),
    policy({}, targetRefs=[{"kind": "ServiceEntry", "group": "networking.istio.io", "name": "s"}]),
    policy({}, targetRefs=[dict(GATEWAY, kind="GatewayClass")]),
    policy(source(principals=[f"p{number}" for number in range(17)])),
    policy(when("source.ip", absent=("::1",))),
    policy(when("remote.ip", "::1"), when("destination.ip", "::1"), when("destination.port", "80")),
    policy(when("request.headers[a][b]", "x")),
    policy(source(principals=["spiffe://x", "a*b"])),
    policy(source(namespaces=["t-*-p"])),
    policy(operation(methods=["get"])),
    policy(operation(paths=["/a/*/b"])),
    policy(source(serviceAccounts=["a", "b/c"])),
    policy(source(serviceAccounts=["a"] * 16)),
    policy(source(serviceAccounts=["a"], ipBlocks=["1.1.1.1"])),
    policy(source(serviceAccounts=["x" * 320])),
    policy(source(trustDomains=["a", "*", "*a", "a*"])),
    policy(operation(ports=["0", "65535"])),
    policy(when("request.headers[a]", "x")),
    policy(when("request.auth.claims[a][b]", "x")),
    policy(when("source.ip", "1.1.1.1/8", absent=("::1",))),
    policy(when("experimental.envoy.filters.a[b]", "x")),
    policy(when("source.trustDomain", "a/b")),
    policy(*[{}] * 512),
    policy({"from": [{"source": {"namespaces": ["a"]}}] * 512}),
    policy({}, annotations={"istio.io/dry-run": "true"}),
    policy({}, action="DENY", annotations={"istio.io/dry-run": "F"}),
    policy({}, annotations={"other": "yes"}),
    policy({**source(ipBlocks=["1.1.1.1"]), **when("request.headers[a]", "x")}, **PROVIDER),
    policy({}, action=1),
    *[policy(operation(paths=[path])) for path in TEMPLATES],
    *[
        policy(when(key, "x"))
        for key in (
            "source.namespace",
            "source.principal",
            "request.auth.principal",
            "request.auth.audiences",
            "request.auth.presenter",
            "connection.sni",
        )
    ],
]


@pytest.mark.parametrize("obj", GOOD, ids=range(len(GOOD)))
def test_admitted(obj: dict[str, Any]) -> None:
    assert effects(obj) == []


SRC, OP, WHEN = "rejected rules[0].from[0].source", "rejected rules[0].to[0].operation", "rejected rules[0].when[0]"
BAD = [
    (policy(action="DENY"), ["rejected rules"]),
    (policy(**PROVIDER), ["rejected rules"]),
    (policy(action="CUSTOM"), ["rejected rules"]),
    (policy({}, action="CUSTOM"), ["rejected provider"]),
    (policy({}, action="CUSTOM", provider={}), ["rejected provider"]),
    (policy({}, provider={"name": "x"}), ["rejected provider"]),
    (policy({}, provider={}), ["rejected provider"]),
    (policy(action="AUDIT", provider={"name": "x"}), ["rejected provider"]),
    (policy({}, selector={"matchLabels": {"app": "x"}}, targetRefs=[GATEWAY]), ["rejected"]),
    (policy({}, selector={"matchLabels": {"a*": "x"}}), ["rejected selector"]),
    (policy({}, selector={"matchLabels": {"a": "x*"}}), ["rejected selector"]),
    (policy({}, selector={"matchLabels": {"": "x"}}), ["rejected selector"]),
    (policy({}, selector={}), ["warning selector"]),
    (policy({}, targetRefs=[dict(GATEWAY, kind="Pod")]), ["rejected targetRefs"]),
    (policy({}, targetRefs=[dict(GATEWAY, group="networking.istio.io")]), ["rejected targetRefs"]),
    (policy({}, targetRefs=[dict(GATEWAY, name="")]), ["rejected targetRefs"]),
    (policy({}, targetRefs=[dict(GATEWAY, namespace="x")]), ["rejected targetRefs"]),
    (policy({}, targetRefs=[GATEWAY] * 17), ["rejected targetRefs"]),
    (policy(*[{}] * 513), ["rejected rules"]),
    (policy({"from": [{"source": {"namespaces": ["a"]}}] * 513}), ["rejected rules[0].from"]),
    (policy({"to": [{"operation": {"ports": ["1"]}}] * 513}), ["rejected rules[0].to"]),
    (policy(source()), [SRC]),
    (policy({"from": [{}]}), [SRC]),
    (policy({"from": [None]}), [SRC]),
    (policy(source(principals=[])), [SRC]),
    (policy(operation()), [OP]),
    (policy(source(principals=[""])), [SRC + ".principals"]),
    (policy(source(notNamespaces=["a", ""])), [SRC + ".notNamespaces"]),
    (policy(operation(hosts=[""])), [OP + ".hosts"]),
    (policy(source(ipBlocks=["nope"])), [SRC + ".ipBlocks"]),
    (policy(source(notIpBlocks=["1.1.1.1/33"])), [SRC + ".notIpBlocks"]),
    (policy(source(remoteIpBlocks=["x"], notRemoteIpBlocks=["y"])), [SRC + ".remoteIpBlocks", SRC + ".notRemoteIpBlocks"]),
    (policy(operation(ports=["http"])), [OP + ".ports"]),
    (policy(operation(notPorts=["65536", "1", "-1"])), [OP + ".notPorts"] * 2),
    (policy(source(serviceAccounts=["a*"])), [SRC + ".serviceAccounts"]),
    (policy(source(serviceAccounts=["a/b/c"])), [SRC + ".serviceAccounts"]),
    (policy(source(serviceAccounts=["/a"])), [SRC + ".serviceAccounts"]),
    (policy(source(notServiceAccounts=["a/"])), [SRC + ".notServiceAccounts"]),
    (policy(source(serviceAccounts=["x" * 321])), [SRC + ".serviceAccounts"]),
    (policy(source(serviceAccounts=["a"] * 17)), [SRC + ".serviceAccounts"]),
    (policy(source(serviceAccounts=["a"], principals=["b"])), [SRC]),
    (policy(source(notServiceAccounts=["a"], notNamespaces=["b"])), [SRC]),
    (policy(source(trustDomains=["a*b"])), [SRC + ".trustDomains"]),
    (policy(source(trustDomains=["*a*"])), [SRC + ".trustDomains"]),
    (policy(source(notTrustDomains=["a/b"])), [SRC + ".notTrustDomains"]),
    *[(policy(operation(paths=[path])), [OP + ".paths"]) for path in BAD_TEMPLATES],
    (policy(operation(notPaths=["/{x}"])), [OP + ".notPaths"]),
    (policy(when("", "x")), [WHEN]),
    (policy({"when": [None]}), [WHEN]),
    (policy(when("source.ip")), [WHEN]),
    (policy(when("source.ip", "x")), [WHEN]),
    (policy(when("remote.ip", absent=("x",))), [WHEN]),
    (policy(when("destination.ip", "x")), [WHEN]),
    (policy(when("destination.port", "http")), [WHEN]),
    (policy(when("source.serviceAccount", "*")), [WHEN]),
    (policy(when("source.trustDomain", "a*b")), [WHEN]),
    (policy(when("source.principal", "")), [WHEN]),
    (policy(when("source.foo", "x")), [WHEN]),
    (policy(when("destination.labels[app]", "x")), [WHEN]),
    (policy(when("destination.name", "x")), [WHEN]),
    (policy(when("request.headers", "x")), [WHEN]),
    (policy(when("request.headers[]", "x")), [WHEN]),
    (policy(when("request.headers[a", "x")), [WHEN]),
    (policy(when("request.headers[a]x", "x")), [WHEN]),
    (policy(when("request.headers[a]", "")), [WHEN]),
    (policy(when("request.auth.claims", "x")), [WHEN]),
    (policy({}, annotations={"istio.io/dry-run": "yes"}), ["warning annotation istio.io/dry-run", "rejected annotation istio.io/dry-run"]),
    (policy({}, annotations={"istio.io/dry-run": "true"}, **PROVIDER), ["rejected annotation istio.io/dry-run"]),
    (policy({}, action="AUDIT", annotations={"istio.io/dry-run": "false"}), ["rejected annotation istio.io/dry-run"]),
    (policy(operation(methods=["GET"]), action="DENY"), ["warning rules[0]"]),
    (policy(source(requestPrincipals=["*"]), action="DENY"), ["warning rules[0]"]),
    (policy({**source(namespaces=["a"]), **operation(methods=["GET"])}, action="DENY"), ["warning rules[0]"]),
    (policy({}, colour="red"), ["dropped colour"]),
    (policy({"form": []}), ["dropped rules[0].form"]),
    (policy(source(namespace=["a"])), ["dropped rules[0].from[0].source.namespace", SRC]),
    (policy({"from": [{"sources": {"namespaces": ["a"]}}]}), ["dropped rules[0].from[0].sources", SRC]),
    (policy({"when": [{"key": "source.ip", "value": ["1.1.1.1"]}]}), ["dropped rules[0].when[0].value", WHEN]),
    (policy({}, selector={"labels": {}}), ["dropped selector.labels", "warning selector"]),
    (policy({}, targetRefs=[dict(GATEWAY, sectionName="x")]), ["dropped targetRefs[0].sectionName"]),
]


@pytest.mark.parametrize(("obj", "expected"), BAD, ids=range(len(BAD)))
def test_refused_or_warned_of(obj: dict[str, Any], expected: list[str]) -> None:
    assert effects(obj) == expected


@pytest.mark.parametrize("name", ["namespaces", "serviceAccounts", "trustDomains", "principals", "requestPrincipals"])
def test_3_custom_cannot_ask_for_an_identity(name: str) -> None:
    for form in (name, f"not{name[0].upper()}{name[1:]}"):
        assert effects(policy(source(**{form: ["x"]}), **PROVIDER)) == [f"{SRC}.{form}"]


@pytest.mark.parametrize(
    "key",
    [
        "source.namespace",
        "source.serviceAccount",
        "source.trustDomain",
        "source.principal",
        "request.auth.principal",
        "request.auth.claims[a]",
    ],
)
def test_3_nor_by_when(key: str) -> None:
    assert effects(policy(when(key, "x"), **PROVIDER)) == [WHEN]


@pytest.mark.parametrize(("key", "use"), [
    ("destination.namespace", "; use metadata.namespace"),
    ("destination.name", "; use a selector"),
    ("destination.user", "; use a selector"),
    ("destination.labels[app]", "; use the selector"),
    ("my.destination.labels", ""),
    ("source.foo", ""),
])  # fmt: skip
def test_an_unknown_key_is_told_with_what_to_use_instead(key: str, use: str) -> None:
    found, _findings = read_policy(policy(when(key, "x")), abilities(None))
    assert found is not None
    assert [one.message for one in validate(found, abilities(None))] == [f"key {key!r} is unknown{use}"]


@pytest.mark.parametrize("key", ["remote.ip", "destination.ip", "source.ip", "destination.port"])
def test_the_values_of_a_known_key_are_looked_at(key: str) -> None:
    found, _findings = read_policy(policy(when(key, "nope")), abilities(None))
    assert found is not None
    (one,) = validate(found, abilities(None))
    assert "nope" in one.message and "unknown" not in one.message


def test_the_warning_of_deny_on_tcp_looks_at_from_and_to_only() -> None:
    for rule in (
        operation(ports=["1"], methods=["GET"]),
        operation(notPorts=["1"]),
        source(ipBlocks=["1.1.1.1"]),
        source(notRemoteIpBlocks=["1.1.1.1"]),
        when("request.headers[a]", "x"),
        {"from": [], "to": []},
        source(serviceAccounts=["a"]),
        source(notPrincipals=["a"]),
        source(namespaces=["a"]),
        source(notNamespaces=["a"]),
    ):
        assert effects(policy(rule, action="DENY")) == []
    assert effects(policy(source(trustDomains=["a"]), action="DENY")) == ["warning rules[0]"]
    assert effects(policy(operation(methods=["GET"]))) == []


def test_templates_are_plain_text_to_an_older_version() -> None:
    assert effects(policy(operation(paths=["/{x}"])), "1.21") == []


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ([], "spec is list, expected a mapping"),
        ({"rules": {}}, "rules is dict, expected a list"),
        ({"rules": ["x"]}, "rules[0] is str, expected a mapping"),
        ({"rules": [{"from": "x"}]}, "rules[0].from is str, expected a list"),
        ({"rules": [{"from": [{"source": []}]}]}, "rules[0].from[0].source is list"),
        (
            {"rules": [{"to": [{"operation": {"ports": [8080]}}]}]},
            "rules[0].to[0].operation.ports[0] is 8080, expected a string (quote it)",
        ),
        ({"rules": [{"to": [{"operation": {"ports": "80"}}]}]}, "rules[0].to[0].operation.ports is str, expected a list"),
        ({"action": "PERMIT"}, "action is 'PERMIT', expected one of ALLOW, DENY, AUDIT, CUSTOM"),
        ({"action": True}, "action is True"),
        ({"action": 4}, "action is 4"),
        ({"action": -1}, "action is -1"),
        ({"selector": {"matchLabels": {"a": 1}}}, "selector.matchLabels[a] is 1"),
        ({"provider": {"name": 1}}, "provider.name is 1"),
        ({"rules": [{"when": [{"key": 1}]}]}, "rules[0].when[0].key is 1"),
        ({"targetRefs": {}}, "targetRefs is dict"),
        ({"targetRefs": [{"name": 1}]}, "targetRefs[0].name is 1"),
        ({"rules": [{"from": [{"source": {"namespaces": [None]}}]}]}, "rules[0].from[0].source.namespaces[0] is None"),
    ],
)
def test_what_nobody_can_read_is_told_and_left_out(spec: Any, says: str) -> None:
    obj = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "p", "namespace": "foo"}, "spec": spec}
    found, findings = read_policy(obj, abilities(None))
    assert found is None and [finding.effect for finding in findings][-1] == "unreadable"
    assert str(findings[-1]).startswith(f"AuthorizationPolicy foo/p: {says}") and "no policy is enforced" in str(findings[-1])


def test_metadata_that_is_no_mapping() -> None:
    found, findings = read_policy({"metadata": "x"}, abilities(None))
    assert found is None and findings[0].resource == "AuthorizationPolicy default/"


def test_only_authorization_policies_are_read() -> None:
    other = [
        {"apiVersion": "v1", "kind": "Service"},
        {"apiVersion": "policy.linkerd.io/v1", "kind": "AuthorizationPolicy"},
        {"kind": "AuthorizationPolicy"},
    ]
    assert not any(is_authorization_policy(obj) for obj in other)
    found, findings = read_policies(
        [*other, policy({}), policy({}, action="NO"), dict(policy({}), apiVersion="security.istio.io/v1beta1")], abilities(None)
    )
    assert [entry.key for entry in found] == ["foo/p", "foo/p"] and len(findings) == 1


def test_a_policy_without_a_namespace_is_in_default() -> None:
    found, _findings = read_policy({"metadata": {"name": "p"}}, abilities(None))
    assert found and found.key == "default/p" and found.selector is None and found.provider is None
