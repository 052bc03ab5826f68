# SPDX-License-Identifier: GPL-3.0-or-later
"""Where policies attach (facts 11 to 18), and what ztunnel makes of them (45 to 48, 53, 63)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.attachment import GATEWAY_NAME, attaches, why_not
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.compile import compile_policy
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.doors import doors_of
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.evaluate import PolicySet
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.facts import Facts
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import take
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.model import (
    AuthorizationPolicy,
    Mesh,
    PolicyTarget,
    Provider,
    Request,
    ServiceRef,
    TargetRef,
)
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.read import read_policies, read_policy
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.versions import abilities
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.world import MeshPolicies
from authorization_travel import namespace, workload
from authorization_worlds import MESH, SLEEP, allowed, decide, findings, http, operation, policy, source, tcp, when

GATEWAY_API = "gateway.networking.k8s.io"
SIDECAR = PolicyTarget("foo", {"app": "cars", "version": "v1"})
GATEWAY = PolicyTarget("foo", {GATEWAY_NAME: "gw", "app": "gw"}, "gateway")
CLASSIC = PolicyTarget("foo", {"istio": "ingressgateway"}, "gateway")
WAYPOINT = PolicyTarget("foo", {GATEWAY_NAME: "wp", "app": "cars"}, "waypoint", ServiceRef("cars", "foo"))
ENTRY = PolicyTarget("foo", {GATEWAY_NAME: "wp"}, "waypoint", ServiceRef("api", "foo", "ServiceEntry"))
OTHER = PolicyTarget("foo", {GATEWAY_NAME: "wp"}, "waypoint", ServiceRef("cars", "shop"))
ODD_GATEWAY = PolicyTarget("foo", {GATEWAY_NAME: "gw"}, "gateway", ServiceRef("cars", "shop"))
BARE = PolicyTarget("foo", {GATEWAY_NAME: "wp"}, "waypoint")
ROOT = {"namespace": "istio-system"}


def ref(kind: str, name: str, group: str | None = None, **more: str) -> dict[str, Any]:
    groups = {"Service": "", "ServiceEntry": "networking.istio.io"}
    return {"targetRefs": [{"kind": kind, "name": name, "group": groups.get(kind, GATEWAY_API) if group is None else group, **more}]}


def labels(**wanted: str) -> dict[str, Any]:
    return {"selector": {"matchLabels": wanted}}


ATTACHED = [
    pytest.param({}, SIDECAR, True, id="11 its namespace"),
    pytest.param({"namespace": "bar"}, SIDECAR, False, id="11 another namespace"),
    pytest.param(ROOT, SIDECAR, True, id="11 the root"),
    pytest.param(labels(app="cars"), SIDECAR, True, id="11 selector"),
    pytest.param(labels(app="cars", version="v1"), SIDECAR, True, id="11 two labels"),
    pytest.param(labels(app="cars", version="v2"), SIDECAR, False, id="11 one label differs"),
    pytest.param(labels(app="cars", tier="x"), SIDECAR, False, id="11 one label is missing"),
    pytest.param({**ROOT, **labels(app="cars")}, SIDECAR, True, id="11 selector in the root"),
    pytest.param({**ROOT, **labels(app="vans")}, SIDECAR, False, id="11 selector in the root, another label"),
    pytest.param({"selector": {}}, SIDECAR, True, id="12 a selector without labels"),
    pytest.param(ref("Gateway", "gw"), SIDECAR, False, id="13 targetRefs at a sidecar"),
    pytest.param(ref("Service", "cars"), SIDECAR, False, id="13 a Service at a sidecar"),
    pytest.param(ref("Gateway", "gw"), CLASSIC, False, id="13 targetRefs at a gateway of no Gateway"),
    pytest.param(ref("Service", "cars"), replace(ODD_GATEWAY, service=ServiceRef("cars", "foo")), False, id="13 a Service at a gateway"),
    pytest.param(labels(istio="ingressgateway"), CLASSIC, True, id="13 a classic gateway's selector"),
    pytest.param({}, WAYPOINT, False, id="14 a waypoint has no default"),
    pytest.param(labels(app="cars"), WAYPOINT, False, id="14 and no selector"),
    pytest.param(ROOT, WAYPOINT, False, id="14 also not from the root"),
    pytest.param({}, GATEWAY, True, id="15 a Kubernetes gateway's namespace"),
    pytest.param(labels(app="gw"), GATEWAY, True, id="15 and selector"),
    pytest.param(labels(app="x"), GATEWAY, False, id="15 another selector"),
    pytest.param(ref("Gateway", "gw"), GATEWAY, True, id="15 its name"),
    pytest.param(ref("Gateway", "other"), GATEWAY, False, id="15 another name"),
    pytest.param(ref("Gateway", "gw", "networking.istio.io"), GATEWAY, False, id="15 the other Gateway kind"),
    pytest.param({**ROOT, **ref("Gateway", "gw")}, GATEWAY, False, id="15 from the root"),
    pytest.param(ref("Gateway", "gw", namespace="bar"), GATEWAY, False, id="16 across namespaces"),
    pytest.param(ref("Gateway", "gw", namespace="foo"), GATEWAY, True, id="16 its own namespace written out"),
    pytest.param({"targetRef": ref("Gateway", "gw")["targetRefs"][0]}, GATEWAY, True, id="16 the singular form"),
    pytest.param(
        {"targetRefs": ref("Gateway", "x")["targetRefs"] + ref("Gateway", "gw")["targetRefs"]}, GATEWAY, True, id="16 any of them"
    ),
    pytest.param(ref("Service", "cars"), WAYPOINT, True, id="17 Service"),
    pytest.param(ref("Service", "cars", "core"), WAYPOINT, True, id="17 Service of the core group"),
    pytest.param(ref("Service", "cars", "apps"), WAYPOINT, False, id="17 Service of another group"),
    pytest.param(ref("Service", "vans"), WAYPOINT, False, id="17 another Service"),
    pytest.param(ref("Service", "cars"), GATEWAY, False, id="17 Service at a gateway"),
    pytest.param({"namespace": "shop", **ref("Service", "cars")}, OTHER, True, id="17 a Service of another namespace"),
    pytest.param(ref("Service", "cars"), OTHER, False, id="17 the Service's namespace counts"),
    pytest.param(ref("ServiceEntry", "api"), ENTRY, True, id="17 ServiceEntry"),
    pytest.param(ref("Service", "cars"), ODD_GATEWAY, False, id="17 a gateway in front of a Service"),
    pytest.param(
        {"namespace": "shop", **ref("Service", "cars")}, ODD_GATEWAY, False, id="17 a gateway in front of another namespace's Service"
    ),
    pytest.param({"namespace": "shop"}, ODD_GATEWAY, False, id="17 its Service's namespace does not count"),
    pytest.param(ref("Service", "cars"), BARE, False, id="17 a waypoint of which no Service is known"),
    pytest.param(ref("Gateway", "wp"), BARE, True, id="17 a waypoint of which no Service is known, by its name"),
    pytest.param(ref("Pod", "cars", ""), WAYPOINT, False, id="17 another kind of the core group"),
    pytest.param(ref("GatewayClass", "gw"), GATEWAY, False, id="18 a class of a gateway's name"),
    pytest.param(ref("ServiceEntry", "cars"), WAYPOINT, False, id="17 ServiceEntry of a Service's name"),
    pytest.param(ref("Gateway", "wp"), WAYPOINT, True, id="17 the waypoint itself"),
    pytest.param({**ROOT, **ref("GatewayClass", "istio-waypoint")}, WAYPOINT, True, id="18 the class"),
    pytest.param({**ROOT, **ref("GatewayClass", "my-waypoint")}, WAYPOINT, False, id="18 a class of another name"),
    pytest.param(ref("GatewayClass", "istio-waypoint"), WAYPOINT, False, id="18 not in the root"),
    pytest.param({**ROOT, **ref("GatewayClass", "istio-waypoint")}, GATEWAY, False, id="18 not at a gateway"),
    pytest.param({**ROOT, **ref("GatewayClass", "istio-waypoint", "x")}, WAYPOINT, False, id="18 another group"),
]


@pytest.mark.parametrize(("more", "workload", "expected"), ATTACHED)
def test_where_a_policy_attaches(more: dict[str, Any], workload: PolicyTarget, expected: bool) -> None:
    deny = policy({}, action="DENY", **more)
    assert allowed(http(), deny, workload=workload) != expected
    assert attaches(read_policy(deny, abilities(None))[0], workload, Mesh()) is expected  # type: ignore[arg-type]
    found, _findings = read_policy(deny, abilities(None))
    assert found and bool(why_not(found, workload, Mesh())) != expected


@pytest.mark.parametrize(
    ("more", "workload", "version", "expected"),
    [
        (ref("ServiceEntry", "api"), ENTRY, "1.23", False),
        (ref("ServiceEntry", "api"), ENTRY, "1.24", True),
        (ref("Service", "cars"), WAYPOINT, "1.23", True),
        ({**ROOT, **ref("GatewayClass", "istio-waypoint")}, WAYPOINT, "1.24", False),
        ({**ROOT, **ref("GatewayClass", "istio-waypoint")}, WAYPOINT, "1.25", True),
        ({**ROOT, **ref("Gateway", "gw")}, GATEWAY, "1.24", True),
        ({**ROOT, **ref("Gateway", "gw")}, GATEWAY, "1.25", False),
    ],
)
def test_where_a_policy_attached_in_older_versions(more: dict[str, Any], workload: PolicyTarget, version: str, expected: bool) -> None:
    assert allowed(http(), policy({}, action="DENY", **more), workload=workload, mesh=Mesh(version=version)) != expected


def test_15_selectors_on_kubernetes_gateways_can_be_switched_off() -> None:
    off = Mesh(gateway_selectors=False)
    assert allowed(http(), policy({}, action="DENY"), workload=GATEWAY, mesh=off)
    assert not allowed(http(), policy({}, action="DENY", **ref("Gateway", "gw")), workload=GATEWAY, mesh=off)
    assert not allowed(http(), policy({}, action="DENY"), workload=CLASSIC, mesh=off)


def test_11_the_root_namespace_is_a_matter_of_the_mesh() -> None:
    other = Mesh(root_namespace="prod-istio")
    assert allowed(http(), policy({}, action="DENY", **ROOT), mesh=other)
    assert not allowed(http(), policy({}, action="DENY", namespace="prod-istio"), mesh=other)


@pytest.mark.parametrize(
    ("more", "workload", "reason"),
    [
        ({"namespace": "bar"}, SIDECAR, "its namespace is bar"),
        (ref("Gateway", "gw"), SIDECAR, "it has targetRefs, which only a gateway or waypoint follows"),
        (labels(app="x"), SIDECAR, "its selector does not match the labels"),
        (ref("Gateway", "x"), GATEWAY, "its targetRefs name something else"),
        ({}, WAYPOINT, "a waypoint follows targetRefs only"),
        (labels(app="x"), GATEWAY, "its selector does not match the labels"),
    ],
)
def test_why_a_policy_does_not_attach(more: dict[str, Any], workload: PolicyTarget, reason: str) -> None:
    found, _findings = read_policy(policy({}, **more), abilities(None))
    assert found and why_not(found, workload, Mesh()) == reason


# ---- ztunnel

AMBIENT = PolicyTarget("foo", {"app": "cars"}, "ztunnel")


def passes(request: Request, *objects: dict[str, Any], mesh: Mesh = Mesh()) -> bool:  # noqa: B008
    return allowed(request, *objects, workload=AMBIENT, mesh=mesh)


HTTP_RULES = [
    operation(hosts=["*"]),
    operation(notHosts=["x"]),
    operation(methods=["GET"]),
    operation(notMethods=["X"]),
    operation(paths=["/"]),
    operation(notPaths=["/x"]),
    source(requestPrincipals=["*"]),
    source(notRequestPrincipals=["*"]),
    source(remoteIpBlocks=["10.0.0.0/8"]),
    source(notRemoteIpBlocks=["1.1.1.1"]),
    when("request.headers[x]", "y"),
    when("connection.sni", "example.com"),
    when("source.serviceAccount", "foo/sleep"),
    when("remote.ip", "10.0.0.1"),
    when("source.trustDomain", "cluster.local"),
    when("source.nonsense", "x"),
]


@pytest.mark.parametrize("rule", HTTP_RULES)
def test_45_46_48_http_at_ztunnel(rule: dict[str, Any]) -> None:
    assert not passes(tcp(), policy(rule)) and passes(tcp(), policy(rule, {}))
    assert passes(tcp(), policy(rule, action="DENY"))  # the opposite of Envoy
    assert findings(policy(rule), workload=AMBIENT) == ["ignored rules[0]"]
    assert findings(policy(rule, action="DENY"), workload=AMBIENT)[0].startswith("dropped rules[0].")


def test_46_what_is_left_of_a_deny_rule_decides() -> None:
    mixed = {**source(namespaces=["foo"]), **operation(methods=["POST"])}
    assert passes(tcp(), policy(mixed, action="DENY"))  # the operation has nothing left, so the rule never matches
    ports = operation(methods=["POST"], ports=["9000"])
    assert not passes(tcp(), policy(ports, action="DENY")) and passes(tcp(port=1), policy(ports, action="DENY"))
    either = {"to": [{"operation": {"methods": ["POST"]}}, {"operation": {"ports": ["9000"]}}]}
    assert not passes(tcp(), policy(either, action="DENY")) and passes(tcp(port=1), policy(either, action="DENY"))


@pytest.mark.parametrize("name", ["trustDomains", "notTrustDomains"])
def test_47_trust_domains_are_ignored(name: str) -> None:
    rule = source(**{name: ["cluster.local"]})
    assert not passes(tcp(), policy(rule)) and passes(tcp(), policy(rule, action="DENY"))
    assert passes(tcp(), policy(source(**{name: ["cluster.local"]}, namespaces=["foo"])))
    assert findings(policy(rule), workload=AMBIENT) == [f"dropped rules[0].from[0].source.{name}"]


L4 = [
    ({}, tcp(), True),
    (source(namespaces=["foo"]), tcp(), True),
    (source(namespaces=["bar"]), tcp(), False),
    (source(namespaces=["f*"]), tcp(), True),
    (source(namespaces=["*o"]), tcp(), True),
    (source(namespaces=["f*o"]), tcp(), False),
    (source(namespaces=["*"]), tcp(), True),
    (source(namespaces=["*"]), tcp(principal=None), False),
    (source(notNamespaces=["foo"]), tcp(principal=None), True),
    (source(notNamespaces=["foo"]), tcp(), False),
    (source(notPrincipals=["*"]), tcp(principal=None), True),
    (source(notPrincipals=["*"]), tcp(), False),
    (source(principals=[SLEEP]), tcp(), True),
    (source(principals=[f"spiffe://{SLEEP}"]), tcp(), False),
    (source(principals=["*/sleep"]), tcp(), True),
    (source(principals=["cluster.local/ns/foo/*"]), tcp(), True),
    (source(principals=["*"]), tcp(tls=False), False),
    (source(principals=["*"]), tcp(principal="odd/identity"), False),
    (source(serviceAccounts=["sleep"]), tcp(), True),
    (source(serviceAccounts=["bar/sleep"]), tcp(), False),
    (source(serviceAccounts=["foo/sleep"]), tcp(principal="x/ns/foo/sa/sleep"), True),
    (source(notServiceAccounts=["foo/sleep"]), tcp(), False),
    (source(notServiceAccounts=["foo/sleep"]), tcp(principal=None), True),
    (source(ipBlocks=["10.0.0.0/8"]), tcp(), True),
    (source(notIpBlocks=["10.0.0.0/8"]), tcp(), False),
    (source(ipBlocks=["x", "10.0.0.1"]), tcp(), True),
    (operation(ports=["9000", "http"]), tcp(), True),
    (operation(notPorts=["9000"]), tcp(), False),
    (operation(ports=["1"]), tcp(), False),
    (when("source.namespace", "foo"), tcp(), True),
    (when("source.principal", absent=(SLEEP,)), tcp(), False),
    (when("source.ip", "10.0.0.1"), tcp(), True),
    (when("destination.ip", "10.1.0.1"), tcp(), True),
    (when("destination.ip", absent=("10.1.0.1",)), tcp(), False),
    (when("destination.port", "9000"), tcp(), True),
    (when("destination.port", "1"), tcp(), False),
    ({**source(namespaces=["foo"]), **operation(ports=["9000"]), **when("source.ip", "10.0.0.9")}, tcp(), False),
    ({**source(namespaces=["foo"]), **operation(ports=["9000"]), **when("source.ip", "10.0.0.1")}, tcp(), True),
    (source(ipBlocks=["nope"]), tcp(), False),
    ({"from": []}, tcp(principal=None), True),
    (source(), tcp(), False),
]


@pytest.mark.parametrize(("rule", "request_", "expected"), L4, ids=[str(number) for number in range(len(L4))])
def test_layer_four_at_ztunnel(rule: dict[str, Any], request_: Request, expected: bool) -> None:
    assert passes(request_, policy(rule)) == expected
    if rule:
        assert passes(request_, policy(rule, action="DENY")) != expected


def test_23_a_star_in_the_middle_differs_between_sidecar_and_ambient() -> None:
    rule = policy(source(namespaces=["f*o"]))
    assert allowed(tcp(), rule) and not passes(tcp(), rule)


def test_31_ambient_does_not_expand_aliases() -> None:
    mesh = Mesh(trust_domain="east.local")
    request, rule = tcp(principal="east.local/ns/foo/sa/sleep"), policy(source(principals=[SLEEP]))
    assert allowed(request, rule, mesh=mesh) and not passes(request, rule, mesh=mesh)


@pytest.mark.parametrize("action", ["AUDIT", "CUSTOM"])
def test_8_ztunnel_ignores_audit_and_custom(action: str) -> None:
    found = policy({}, action=action, provider={"name": "x"})
    assert passes(tcp(), found) and findings(found, workload=AMBIENT) == ["ignored action"]


def test_13_ztunnel_ignores_target_refs() -> None:
    found = policy({}, action="DENY", **ref("Service", "cars"))
    assert passes(tcp(), found) and passes(tcp(**{"principal": None}), policy(source(namespaces=["x"]), **ref("Service", "cars")))


def test_12_a_selector_without_labels_covers_all_sidecars_and_nothing_in_ambient() -> None:
    deny, allow = policy({}, action="DENY", selector={}), policy(source(namespaces=["x"]), selector={})
    assert not allowed(tcp(), deny) and not allowed(tcp(), allow)
    assert passes(tcp(), deny) and passes(tcp(), allow) and findings(deny, workload=AMBIENT) == ["ignored selector"]
    assert not passes(tcp(), policy({}, action="DENY", selector={"matchLabels": {}}))


def test_53_dry_run_in_ambient() -> None:
    note = {"annotations": {"istio.io/dry-run": "true"}}
    deny, allow = policy({}, action="DENY", **note), policy(source(namespaces=["bar"]), **note)
    for mesh in (Mesh(), Mesh(ambient_dry_run=True)):
        assert passes(tcp(), deny, mesh=mesh) and passes(tcp(), allow, mesh=mesh)
    for version in ("1.25.2", "1.28.9"):  # istiod keeps it to itself, and knows no other way
        between = Mesh(version=version, ambient_dry_run=True)
        assert passes(tcp(), deny, mesh=between) and findings(deny, workload=AMBIENT, mesh=between) == ["ignored "]
    old = Mesh(version="1.25.1")  # istiod sends it as it is
    assert not passes(tcp(), deny, mesh=old) and not passes(tcp(), allow, mesh=old)
    assert findings(deny, workload=AMBIENT) == ["ignored "] and findings(deny, workload=AMBIENT, mesh=old) == ["warning "]
    assert findings(deny, workload=AMBIENT, mesh=Mesh(ambient_dry_run=True)) == []


def test_63_order_at_ztunnel_and_its_names() -> None:
    verdict = decide(tcp(), policy({}, name="a"), policy({}, action="DENY", name="d"), workload=AMBIENT)
    assert (verdict.by, verdict.policy) == ("DENY", "foo/d") and verdict.rule and verdict.rule.name == "foo/d rule 0"
    assert passes(tcp()) and not passes(tcp(), policy())


def test_a_target_ref_never_widens_at_ztunnel_whatever_the_protocol_asked_for() -> None:
    assert not allowed(http(), policy(operation(methods=["GET"])), workload=AMBIENT, protocol="HTTP")


@pytest.mark.parametrize(
    "principal", ["td/xx/foo/sa/sleep", "td/ns/foo/xx/sleep", "td/ns/foo/sa/sleep/x", "td/ns/foo/sa", "spiffe:/ns/foo/sa"]
)
def test_an_identity_of_another_form_is_none_to_ztunnel(principal: str) -> None:
    for lists in ({"namespaces": ["*"]}, {"principals": ["*"]}, {"serviceAccounts": ["sleep"]}):
        assert not passes(tcp(principal=principal), policy(source(**lists)))
        assert passes(tcp(principal="td/ns/foo/sa/sleep"), policy(source(**lists)))


def test_the_label_of_a_gateways_pod() -> None:
    assert GATEWAY_NAME == "gateway.networking.k8s.io/gateway-name"


@pytest.mark.parametrize(
    ("rule", "yes", "no"),
    [
        (when("source.principal", SLEEP), tcp(), tcp(principal="cluster.local/ns/foo/sa/other")),
        (when("destination.port", absent=("80",)), tcp(), tcp(port=80)),
        (when("source.namespace", absent=("bar",)), tcp(), tcp(principal="cluster.local/ns/bar/sa/x")),
    ],
)
def test_conditions_that_ztunnel_knows_are_not_left_out(rule: dict[str, Any], yes: Request, no: Request) -> None:
    assert passes(yes, policy(rule)) and not passes(no, policy(rule))
    assert not passes(yes, policy(rule, action="DENY")) and passes(no, policy(rule, action="DENY"))
    assert findings(policy(rule), workload=AMBIENT) == []


def test_ztunnel_names_what_it_leaves_out_by_its_place() -> None:
    rule = {**source(requestPrincipals=["*"]), **operation(paths=["/a"]), **when("request.headers[x]", "1")}
    (found,) = PolicySet(read_policies([policy(rule)], MESH.abilities)[0], MESH).findings(AMBIENT)
    assert "rules[0].to[0].paths, rules[0].from[0].requestPrincipals, rules[0].when[0] (request.headers[x])" in found.message


@pytest.mark.parametrize(
    ("obj", "mesh", "enforced", "effects"),
    [
        (policy({}, **ref("Service", "cars")), Mesh(), False, ["ignored"]),
        (policy({}, annotations={"istio.io/dry-run": "true"}), Mesh(), False, ["ignored"]),
        (policy({}, annotations={"istio.io/dry-run": "true"}), Mesh(ambient_dry_run=True), True, []),
        (policy({}, annotations={"istio.io/dry-run": "true"}), Mesh(version="1.28", ambient_dry_run=True), False, ["ignored"]),
        (policy({}, annotations={"istio.io/dry-run": "true"}), Mesh(version="1.25.1"), True, ["warning"]),
        (policy({}), Mesh(version="1.25.1"), True, []),
        (policy({}, selector={}), Mesh(), False, ["ignored"]),
        (policy({}, selector={"matchLabels": {}}), Mesh(), True, []),
        (policy({}), Mesh(), True, []),
    ],
)
def test_what_ztunnel_gets_at_all(obj: dict[str, Any], mesh: Mesh, enforced: bool, effects: list[str]) -> None:
    (parsed,), _findings = read_policies([obj], mesh.abilities)
    compiled = compile_policy(parsed, "ZTUNNEL", mesh)
    assert (compiled.enforced, [finding.effect for finding in compiled.findings], len(compiled.rules)) == (enforced, effects, int(enforced))


def test_the_first_reason_why_ztunnel_does_not_get_a_policy_is_told() -> None:
    every = {"selector": {}, "annotations": {"istio.io/dry-run": "true"}}
    for obj, where in ((policy({}, action="AUDIT", **every, **ref("Service", "cars")), "targetRefs"),
                       (policy({}, action="AUDIT", **every), "action"),
                       (policy({}, **every), ""), (policy({}, selector={}), "selector")):  # fmt: skip
        (parsed,), _findings = read_policies([obj], MESH.abilities)
        assert [finding.where for finding in compile_policy(parsed, "ZTUNNEL", MESH).findings] == [where]


def test_a_service_account_with_too_many_slashes_is_nobody_at_ztunnel() -> None:
    assert not passes(tcp(), policy(source(serviceAccounts=["foo/sleep/x"])))


def test_an_allow_that_ztunnel_does_not_get_switches_no_default_deny_on() -> None:
    """A gateway's pod in ambient: the policy is attached to it, and only the gateway's Envoy enforces it."""
    pod = PolicyTarget("foo", {GATEWAY_NAME: "gw"}, "ztunnel")
    found = policy(source(namespaces=["bar"]), **ref("Gateway", "gw"))
    assert allowed(tcp(), found, workload=pod) and not allowed(tcp(), found, workload=GATEWAY)


# ---- who enforces: 19, 20, 44, 64, 65


def test_19_a_policy_of_the_callers_namespace_says_nothing_of_what_it_may_call() -> None:
    """The server's side decides: a root or namespace policy is no egress control."""
    away = policy({}, action="DENY", namespace="foo", name="no-egress")
    assert allowed(http(), away, workload=PolicyTarget("shop", {"app": "cars"})) and not allowed(http(), away)


def test_20_what_goes_past_the_proxy_is_open_to_anyone_and_says_why() -> None:
    objects = [namespace("shop"), *workload("shop", "cars"), *workload("shop", "host", hostNetwork=True)]
    inventory = take([*objects, policy({}, action="DENY", namespace="shop")])
    doors = {place.ref: door for place, door in doors_of(MeshPolicies(inventory.objects, inventory.mesh), inventory)}
    assert {ref: door.open for ref, door in doors.items()} == {
        "shop/cars": "",
        "shop/host": "it has no proxy (hostNetwork, where no proxy is injected), so nothing is enforced there",
    }
    assert doors["shop/host"].whole and doors["shop/host"].decide(Facts()).allowed


@pytest.mark.parametrize(
    ("name", "app_protocol", "protocol"),
    [
        ("http", "kubernetes.io/wss", "TCP"),
        ("tcp", "kubernetes.io/ws", "HTTP"),
        ("tcp", "kubernetes.io/h2c", "HTTP"),
        ("HTTP", None, "HTTP"),
        ("TCP", None, "TCP"),
        ("http", None, "HTTP"),
        ("grpc-web", None, "HTTP"),
        ("tcp-http", None, "TCP"),
        ("mysql", None, "TCP"),
        ("https", None, "TCP"),
        ("http", "tcp", "TCP"),
        ("tcp", "http2", "HTTP"),
        ("main", None, "HTTP"),
    ],
)
def test_44_a_port_s_name_says_what_is_seen_and_not_what_the_client_speaks(name: str, app_protocol: str | None, protocol: str) -> None:
    objects = [namespace("shop"), *workload("shop", "cars")]
    objects[2]["spec"]["ports"] = [{"port": 80, "targetPort": 8000, "name": name, "appProtocol": app_protocol}]
    rule = policy(operation(methods=["GET"]), action="DENY", namespace="shop")
    inventory = take([*objects, rule])
    ((place, door),) = doors_of(MeshPolicies(inventory.objects, inventory.mesh), inventory)
    assert door.chain.protocol == protocol and place.ports == {8000: protocol}
    put = door.chain.facts(http(method="PUT", port=8000))
    assert door.chain.decide(put).allowed is (protocol == "HTTP")  # on TCP the method is left out of the DENY


@pytest.mark.parametrize(
    ("port", "name", "protocol"),
    [(3306, None, "TCP"), (27017, "db", "TCP"), (3306, "http-x", "HTTP"), (25, "", "TCP"), (8000, None, "HTTP")],
)
def test_44_a_port_whose_server_speaks_first_is_tcp_unless_it_says_otherwise(port: int, name: str | None, protocol: str) -> None:
    objects = [namespace("shop"), *workload("shop", "cars")]
    objects[2]["spec"]["ports"] = [{"port": port, "targetPort": 8000, "name": name}]
    assert [place.ports for place in take(objects).places] == [{8000: protocol}]


def _behind_a_waypoint(*rules: dict[str, Any]) -> dict[str, Any]:
    labels = {"istio.io/dataplane-mode": "ambient", "istio.io/use-waypoint": "way"}
    gateway = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "way", "namespace": "shop"},
               "spec": {"gatewayClassName": "istio-waypoint"}}  # fmt: skip
    inventory = take([namespace("shop", **labels), *workload("shop", "cars"), gateway, *rules])
    return {place.ref: door for place, door in doors_of(MeshPolicies(inventory.objects, inventory.mesh), inventory)}


def test_64_behind_a_waypoint_ztunnel_sees_the_waypoint() -> None:
    web, waypoint = "cluster.local/ns/shop/sa/web", "cluster.local/ns/shop/sa/way"
    door = _behind_a_waypoint(policy(source(principals=[web]), namespace="shop"))["shop/cars"]
    assert door.decide(door.chain.facts(tcp(principal=web))).allowed
    assert not door.decide(door.chain.facts(tcp(principal=waypoint))).allowed
    both = _behind_a_waypoint(policy(source(principals=[web, waypoint]), namespace="shop"))["shop/cars"]
    assert both.decide(both.chain.facts(tcp(principal=waypoint))).allowed


def test_65_at_a_waypoint_the_principal_is_the_first_callers() -> None:
    asks = source(principals=["cluster.local/ns/shop/sa/web"]) | operation(methods=["GET"])
    rule = policy(asks, namespace="shop", **ref("Service", "cars"))
    doors = _behind_a_waypoint(rule)
    at_waypoint, at_pod = doors["shop/cars (waypoint way)"], doors["shop/cars"]
    for account, expected in (("web", True), ("way", False)):
        facts = at_waypoint.chain.facts(http(principal=f"cluster.local/ns/shop/sa/{account}"))
        assert at_waypoint.decide(facts).allowed is expected
    assert at_pod.chain.policies == () and at_pod.decide(at_pod.chain.facts(tcp())).allowed  # who goes past the waypoint is asked nothing


def test_38_at_a_waypoint_the_port_is_the_services() -> None:
    rule = policy(operation(ports=["8000"]), namespace="shop", **ref("Service", "cars"))
    inventory = _behind_a_waypoint(rule)
    door = inventory["shop/cars (waypoint way)"]
    assert door.decide(door.chain.facts(http(port=8000))).allowed and not door.decide(door.chain.facts(http(port=8080))).allowed


def test_an_account_that_admission_would_have_refused_matches_nobody_in_ambient() -> None:
    named, ztunnel = policy(source(serviceAccounts=["a/b/c"])), PolicyTarget("foo", {"app": "cars"}, "ztunnel")
    assert not allowed(tcp(principal="cluster.local/ns/a/sa/b"), named, workload=ztunnel, protocol="ZTUNNEL")
    deny = policy(source(serviceAccounts=["a/b/c"]), action="DENY")
    assert allowed(tcp(principal="cluster.local/ns/a/sa/b"), deny, workload=ztunnel, protocol="ZTUNNEL")


def test_what_a_policy_a_target_and_a_mesh_are_when_nothing_is_said() -> None:
    bare = AuthorizationPolicy("foo", "p", "ALLOW", ())
    assert (bare.selector, bare.bare_selector, bare.dry_run, bare.provider) == (None, False, False, None)
    assert TargetRef("", "Service", "cars").namespace == "" and Provider().protocol == "http" and Mesh().trusted_proxies == 0
