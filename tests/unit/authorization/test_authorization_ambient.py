# SPDX-License-Identifier: GPL-3.0-or-later
"""Ambient as it runs: what istiod makes of PeerAuthentications and selectors for ztunnel, what a waypoint sees; and brute force over it."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.ambient_hazards import closed_ports, open_ports, panics
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.analysis import PolicyAnalysis
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.authentication import (
    effective_mtls,
    read_peer_authentications,
    written_mtls,
)
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.doors import EnforcementPoint, _modes, compare
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import MeshInventory, Workload, take
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.model import Mesh, PolicyTarget, Request, ServiceRef
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.proof import Proof, prove, read_matrix
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.regions import difference
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.world import MeshPolicies
from authorization_travel import mtls
from authorization_travel import namespace as space_of
from authorization_travel import workload as deployed
from authorization_worlds import APP, MESH, allowed, http, operation, policy, source, tcp, when
from test_authorization_authentication import NOW, SELECTED, answer, peer
from test_authorization_change import _in

CARS = PolicyTarget("foo", APP, "ztunnel")
ROOT = {"namespace": "istio-system"}
GATEWAY = {"gateway.networking.k8s.io/gateway-name": "wp"}
WAYPOINT = PolicyTarget("foo", GATEWAY, "waypoint", ServiceRef("cars", "foo"))
FOR_CARS = {"targetRefs": [{"group": "", "kind": "Service", "name": "cars"}]}


def ports(mode: str | None = None, created: str = "2025-01-01T00:00:00Z", **modes: str) -> dict[str, Any]:
    """The PeerAuthentication of the workload; `p80="STRICT"` is a port."""
    named = {"portLevelMtls": {name[1:]: {"mode": word} for name, word in modes.items()}} if modes else {}
    return peer(mode, "w", created=created, **named, **SELECTED)


def modes(*objects: dict[str, Any], version: str | None = None, workload: PolicyTarget = CARS) -> str:
    """Of port 80, of port 443 and of all others, by their first letters."""
    found, findings = read_peer_authentications(objects)
    assert findings == []
    return "".join(effective_mtls(found, workload, port, Mesh(version=version))[0][0] for port in (80, 443, None))


MESH_STRICT, SPACE_STRICT, SPACE_UNSET = peer("STRICT", "m", **ROOT), peer("STRICT"), peer(None)
BARE: dict[str, Any] = {"selector": {}}
# objects, what is there (S: STRICT, P: PERMISSIVE), what Istio's documentation says if it is something else
AMBIENT = [
    pytest.param([], "PPP", "", id="nothing"),
    pytest.param([MESH_STRICT], "SSS", "", id="mesh"),
    pytest.param([MESH_STRICT, peer("PERMISSIVE")], "PPP", "", id="namespace over mesh"),
    pytest.param([MESH_STRICT, SPACE_UNSET], "SSS", "", id="a namespace without a mode inherits"),
    pytest.param([SPACE_STRICT, ports("PERMISSIVE")], "PPP", "", id="workload over namespace"),
    pytest.param([SPACE_STRICT, ports("DISABLE")], "PPP", "", id="DISABLE is PERMISSIVE"),
    pytest.param([SPACE_STRICT, ports()], "SSS", "", id="a workload without a mode inherits"),
    pytest.param([ports("STRICT", p80="PERMISSIVE")], "PSS", "", id="an open port under STRICT"),
    pytest.param([ports("STRICT", p80="DISABLE")], "PSS", "", id="a port without mutual TLS under STRICT"),
    pytest.param([ports("STRICT", p80="PERMISSIVE", p443="DISABLE")], "PPS", "", id="two open ports"),
    pytest.param([ports("STRICT", p80="STRICT", p443="UNSET")], "SSS", "", id="nothing but STRICT"),
    pytest.param([ports("PERMISSIVE", p80="STRICT")], "SPP", "", id="a STRICT port"),
    pytest.param([ports("DISABLE", p80="STRICT", p443="STRICT")], "SSP", "", id="two STRICT ports"),
    pytest.param([ports(None, p80="STRICT")], "SPP", "", id="a STRICT port and nothing to inherit"),
    pytest.param([peer("PERMISSIVE"), ports(None, p80="STRICT", p443="PERMISSIVE")], "SPP", "", id="and a port as inherited"),
    pytest.param([SPACE_STRICT, ports(None, p80="PERMISSIVE")], "PSS", "", id="an open port under an inherited STRICT"),
    pytest.param([SPACE_STRICT, ports(None, p80="PERMISSIVE", p443="STRICT")], "PSS", "", id="and a STRICT one"),
    pytest.param([SPACE_STRICT, ports(None, p80="PERMISSIVE", p443="DISABLE")], "PPS", "", id="DISABLE beside PERMISSIVE"),
    pytest.param([MESH_STRICT, ports(None, p80="PERMISSIVE")], "PSS", "", id="an open port under the mesh's STRICT"),
    pytest.param([SPACE_STRICT, ports("PERMISSIVE", p80="STRICT")], "SPP", "", id="a STRICT port under a STRICT namespace"),
    # open against the documentation
    pytest.param([MESH_STRICT, ports("PERMISSIVE", p80="STRICT")], "PPP", "SPP", id="F"),
    pytest.param([MESH_STRICT, ports("DISABLE", p80="STRICT", p443="STRICT")], "PPP", "SSP", id="F with DISABLE, all ports"),
    pytest.param([MESH_STRICT, SPACE_UNSET, ports("PERMISSIVE", p80="STRICT")], "PPP", "SPP", id="F below a namespace without a mode"),
    pytest.param([MESH_STRICT, peer("PERMISSIVE"), ports("PERMISSIVE", p80="STRICT")], "SPP", "", id="F ends at a namespace with one"),
    pytest.param([MESH_STRICT, SPACE_UNSET, ports(None, p80="PERMISSIVE")], "PPP", "PSS", id="H"),
    pytest.param([MESH_STRICT, SPACE_UNSET, ports(None, p80="PERMISSIVE", p443="STRICT")], "PPP", "PSS", id="H with a STRICT port"),
    pytest.param([peer("STRICT", "m", **ROOT, **BARE)], "PPP", "SSS", id="E1 no labels at all"),
    pytest.param([peer("STRICT", "m", **ROOT, selector={"matchLabels": {}})], "PPP", "SSS", id="E1 an empty list of labels"),
    pytest.param([peer("STRICT", **BARE)], "SSS", "", id="E2 alone counts"),
    pytest.param([peer("STRICT", **BARE), ports(None, p80="PERMISSIVE")], "PPP", "PSS", id="E2 and an open port"),
    pytest.param([peer("STRICT", **BARE), ports("STRICT", p80="PERMISSIVE")], "PSS", "", id="E2 over which the workload says STRICT"),
    # closed against it
    pytest.param([SPACE_STRICT, ports(None, p80="DISABLE")], "SSS", "PSS", id="G"),
    pytest.param([MESH_STRICT, ports(None, p80="DISABLE", p443="STRICT")], "SSS", "PSS", id="G with a STRICT port"),
]  # fmt: skip


@pytest.mark.parametrize(("objects", "there", "written"), AMBIENT)
def test_what_istiod_makes_of_peer_authentications(objects: list[dict[str, Any]], there: str, written: str) -> None:
    assert modes(*objects) == modes(*objects[::-1]) == there
    found, _findings = read_peer_authentications(objects)
    documented = "".join(written_mtls(found, CARS, port, MESH)[0][0] for port in (80, 443, None)).replace("D", "P")
    assert documented == (written or there)


@pytest.mark.parametrize(("objects", "there", "before"), [
    ([ports("PERMISSIVE", p80="STRICT")], "SPP", "SPP"),
    ([ports("PERMISSIVE", p80="STRICT", p443="STRICT")], "SSP", "PPP"),  # one rule, and no port is both
    ([ports("STRICT", p80="PERMISSIVE")], "PSS", "PSS"),
    ([ports("STRICT", p80="PERMISSIVE", p443="STRICT")], "PSS", "PSP"),  # only the named port is left strict
    ([ports("STRICT", p80="STRICT")], "SSS", "SSS"),
    ([SPACE_STRICT, ports(None, p80="PERMISSIVE")], "PSS", "SCC"),  # both rules: one refuses plaintext, the other whoever comes elsewhere
    ([SPACE_STRICT, ports(None, p80="DISABLE")], "SSS", "SSS"),
    ([MESH_STRICT, ports("PERMISSIVE", p80="STRICT")], "PPP", "SPP"),  # F came with the merge
    ([MESH_STRICT, SPACE_UNSET, ports(None, p80="PERMISSIVE")], "PPP", "SCC"),
    ([peer("PERMISSIVE"), ports(None, p80="STRICT", p443="PERMISSIVE")], "SPP", "SPP"),
    ([MESH_STRICT], "SSS", "SSS"),
])  # fmt: skip
def test_before_the_ports_were_merged(objects: list[dict[str, Any]], there: str, before: str) -> None:
    for version, expected in (("1.24.3", there), ("1.24.2", before), ("1.22.8", there), ("1.22.7", before), ("1.21.6", before)):
        assert modes(*objects, version=version) == expected, version


def test_a_port_that_nobody_reaches_is_closed_to_everybody() -> None:
    objects = (SPACE_STRICT, ports(None, p80="PERMISSIVE"))
    old = Mesh(version="1.24.2")
    known = "cluster.local/ns/a/sa/x"
    for caller, port, expected in ((known, 80, "passes"), (known, 443, "reset"), (None, 80, "reset")):
        assert answer(*objects, workload=CARS, mesh=old, protocol="TCP", principal=caller, port=port) == expected
    world = MeshPolicies(objects, old)
    refused = world.answer(CARS, tcp(port=443), now=NOW, protocol="TCP")
    assert refused.reason == "istiod makes a rule of PeerAuthentication foo/w that admits no caller at this port"


@pytest.mark.parametrize(("objects", "by"), [
    ([MESH_STRICT], "istio-system/m"),
    ([MESH_STRICT, SPACE_UNSET, ports()], "istio-system/m"),
    ([MESH_STRICT, SPACE_STRICT, ports()], "foo/p"),
    ([SPACE_STRICT, ports("STRICT")], "foo/w"),
    ([SPACE_STRICT, ports(None, p80="PERMISSIVE")], "foo/w"),
    ([SPACE_STRICT, ports(None, p80="DISABLE")], "foo/p"),
    ([peer("STRICT", "m", **ROOT, **BARE)], ""),
])  # fmt: skip
def test_who_set_it(objects: list[dict[str, Any]], by: str) -> None:
    found, _findings = read_peer_authentications(objects)
    assert effective_mtls(found, CARS, 8080, MESH)[1] == by


def test_the_oldest_of_each_scope_counts() -> None:
    late = "2026-06-01T00:00:00Z"
    assert modes(ports("STRICT"), peer("PERMISSIVE", "v", created=late, **SELECTED)) == "SSS"
    assert modes(peer("STRICT"), peer("PERMISSIVE", "v", created=late), ports(None, p80="PERMISSIVE")) == "PSS"
    assert modes(peer("STRICT", "m", **ROOT), peer("PERMISSIVE", "v", created=late, **ROOT), ports(None, p80="PERMISSIVE")) == "PSS"
    assert modes(peer("STRICT", "b"), peer("PERMISSIVE", "a")) == "PPP", "of one age the first by name"
    # istiod asks twice, and a selector without labels is among the candidates only once
    assert modes(peer("STRICT", "old", **BARE), peer("PERMISSIVE", "new", created=late), ports(None, p80="PERMISSIVE")) == "PPP"
    assert modes(peer("PERMISSIVE", "old", **BARE), peer("STRICT", "new", created=late), ports(None, p80="STRICT")) == "PPP"
    assert modes(peer("PERMISSIVE", "old", **BARE), peer("STRICT", "new", created=late), ports("PERMISSIVE", p80="STRICT")) == "SPP"


def test_a_workload_of_the_root_namespace() -> None:
    """There an empty selector counts, and labels do not."""
    own = PolicyTarget("istio-system", APP, "ztunnel")
    assert modes(peer("STRICT", **ROOT, **BARE), workload=own) == "SSS"
    assert modes(peer("STRICT", **ROOT, **SELECTED), workload=own) == "PPP"
    assert modes(peer("PERMISSIVE", **ROOT), peer("STRICT", "w", **ROOT, **SELECTED), workload=own) == "PPP"
    assert modes(peer("STRICT"), workload=own) == "PPP", "another namespace"
    assert modes(ports("STRICT"), workload=PolicyTarget("foo", {}, "ztunnel", unlabelled=True)) == "PPP"


def test_what_istiod_does_not_read_counts_nowhere() -> None:
    canary = peer("STRICT")
    canary["metadata"]["labels"] = {"istio.io/rev": "canary"}
    found, _findings = read_peer_authentications([canary])
    for mesh, expected in ((Mesh(revision="canary"), "STRICT"), (Mesh(revision="default"), "PERMISSIVE"),
                           (Mesh(revision="canary", undiscovered=frozenset({"foo"})), "PERMISSIVE")):  # fmt: skip
        assert effective_mtls(found, CARS, 80, mesh)[0] == expected


def test_ports_without_a_selector_are_stored_only_while_the_webhook_is_down() -> None:
    stored = [peer("STRICT", portLevelMtls={80: {"mode": "PERMISSIVE"}}), peer("STRICT", "w", portLevelMtls={}, **SELECTED)]
    for obj, says in zip(stored, ("portLevelMtls needs a selector", "portLevelMtls names no port"), strict=True):
        assert read_peer_authentications([obj])[0] == []
        (kept,), (finding,) = read_peer_authentications([obj], admitted=False)
        assert (kept.mode, finding.effect, finding.message) == ("STRICT", "rejected", says)
        for workload in (CARS, PolicyTarget("foo", APP)):
            assert effective_mtls([kept], workload, 80, MESH) == ("STRICT", kept.key), "and nobody looks at the ports"
    unreadable = [peer("strict"), peer("STRICT", portLevelMtls={"x": {}}, **SELECTED), peer("STRICT", selector={"matchLabels": {"app": 1}})]
    assert read_peer_authentications(unreadable, admitted=False)[0] == [] and MeshPolicies(unreadable, MESH).peers == []
    assert len(MeshPolicies(stored, MESH).peers) == 2 and MeshPolicies(stored, MESH, admitted=True).peers == []


# who has which policy


def test_a_pod_without_labels_gets_every_policy_with_a_selector() -> None:
    bare, empty = PolicyTarget("foo", {}, "ztunnel", unlabelled=True), PolicyTarget("foo", {}, "ztunnel")
    for namespace in ("foo", "istio-system"):
        deny = policy({}, action="DENY", namespace=namespace, **SELECTED)
        assert not allowed(tcp(), deny, workload=bare) and allowed(tcp(), deny, workload=empty)
        assert allowed(tcp(), deny, workload=PolicyTarget("foo", {}, unlabelled=True)), "a sidecar looks at its labels itself"
    assert allowed(tcp(), policy({}, action="DENY", namespace="bar", **SELECTED), workload=bare)
    assert allowed(tcp(), policy({}, action="DENY", selector={}), workload=bare), "one without labels is in nobody's list"
    assert allowed(tcp(), policy({}, action="DENY", **SELECTED, **FOR_CARS), workload=bare)


def test_the_inventory_tells_a_pod_without_labels() -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "foo", "labels": {"istio.io/dataplane-mode": "ambient"}}}
    pods = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "foo", **more}, "spec": {}}
            for name, more in (("none", {}), ("empty", {"labels": {}}), ("some", {"labels": APP}))]  # fmt: skip
    found = {place.name: place.workload.unlabelled for place in take([namespace, *pods]).places}
    assert found == {"none": True, "empty": True, "some": False}, "the API server drops an empty list of labels"


def test_a_gateways_pod_behind_ztunnel_keeps_its_selectors() -> None:
    pod = PolicyTarget("foo", {**GATEWAY, **APP}, "ztunnel")
    deny = policy({}, action="DENY", **SELECTED)
    assert not allowed(tcp(), deny, workload=pod) and not allowed(tcp(), deny, workload=pod, mesh=Mesh(gateway_selectors=False))


# what is seen of a caller


@pytest.mark.parametrize("principal", ["/ns/foo/sa/sleep", "td/ns/foo/sa/", "td/ns//sa/sleep", "/ns//sa/"])
def test_empty_segments_are_an_identity_to_ztunnel(principal: str) -> None:
    given = tcp(principal=principal)
    assert allowed(given, policy(source(principals=["*"])), workload=CARS)
    assert answer(peer("STRICT"), workload=CARS, protocol="TCP", principal=principal) == "passes"
    parts = principal.split("/")
    for lists in ({"principals": [principal]}, {"serviceAccounts": [f"{parts[2]}/{parts[4]}"]}, {"namespaces": [parts[2]]}):
        assert allowed(given, policy(source(**lists)), workload=CARS), lists
    assert allowed(given, policy(source(namespaces=["*"])), workload=CARS) is bool(parts[2])


def test_an_empty_namespace_is_that_of_nobody() -> None:
    for caller, expected in ((None, True), ("td/ns//sa/x", True), ("td/ns/foo/sa/x", False)):
        assert allowed(tcp(principal=caller), policy(source(namespaces=[""])), workload=CARS) is expected
        assert allowed(tcp(principal=caller), policy(source(notNamespaces=["", "bar"])), workload=CARS) is not expected
    assert not allowed(tcp(principal=None), policy(source(namespaces=[""]))), "a sidecar looks for /ns//"


def test_strict_at_ztunnel_wants_an_identity_and_not_only_a_certificate() -> None:
    for workload, expected in ((CARS, "reset"), (PolicyTarget("foo", APP), "passes")):
        assert answer(peer("STRICT"), workload=workload, protocol="TCP", principal=None, dns_names=("a.example.com",)) == expected
        assert answer(peer("STRICT"), workload=workload, protocol="TCP", principal="td/ns/foo/sa/sleep/more") == expected


ADDRESSES: list[tuple[dict[str, Any], bool]] = [
    (source(ipBlocks=["0.0.0.0/0", "::/0"]), False),
    (source(ipBlocks=["10.0.0.1"]), False),
    (source(notIpBlocks=["0.0.0.0/0"]), True),
    (source(notIpBlocks=["10.0.0.1"]), True),
    (source(notIpBlocks=["10.0.0.1"], namespaces=["foo"]), True),
    (source(notIpBlocks=["10.0.0.1"], namespaces=["bar"]), False),
    (when("source.ip", "10.0.0.1"), False),
    (when("source.ip", absent=("10.0.0.1",)), True),
    (source(remoteIpBlocks=["10.0.0.1"]), True),
    (source(notRemoteIpBlocks=["10.0.0.1"]), False),
    (when("remote.ip", "10.0.0.1"), True),
]


@pytest.mark.parametrize(("rule", "matches"), ADDRESSES, ids=[str(number) for number in range(len(ADDRESSES))])
@pytest.mark.parametrize("protocol", ["HTTP", "TCP"])
def test_a_waypoint_has_no_peer_with_an_address(rule: dict[str, Any], matches: bool, protocol: str) -> None:
    given = http() if protocol == "HTTP" else tcp()
    assert allowed(given, policy(rule, **FOR_CARS), workload=WAYPOINT, protocol=protocol) is matches
    assert allowed(given, policy(rule, action="DENY", **FOR_CARS), workload=WAYPOINT, protocol=protocol) is not matches


def test_a_policy_at_a_waypoint_and_at_a_gateway_is_two() -> None:
    rule = policy(source(ipBlocks=["10.0.0.0/8"]), targetRefs=[{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "wp"}])
    world = MeshPolicies([rule], MESH)
    for kind, expected in (("gateway", True), ("waypoint", False), ("gateway", True)):
        assert world.answer(PolicyTarget("foo", GATEWAY, kind), http(), now=NOW).allowed is expected


@pytest.mark.parametrize(("names", "tls", "expected"), [((), True, True), (("a.example.com",), True, True), ((), False, False)])
def test_a_certificate_without_a_uri_is_a_dash_at_a_waypoint(names: tuple[str, ...], tls: bool, expected: bool) -> None:
    given = http(principal=None, dns_names=names, tls=tls)
    assert allowed(given, policy(source(principals=["*"]), **FOR_CARS), workload=WAYPOINT) is expected
    for lists in ({"principals": ["a*"]}, {"namespaces": ["*"]}, {"trustDomains": ["*"]}, {"principals": ["-"]}):
        assert not allowed(given, policy(source(**lists), **FOR_CARS), workload=WAYPOINT), lists


# the checks, where more than one istiod is there; their cases are in tests/unit/checks/cases


def _two_istiods(*objects: dict[str, Any]) -> PolicyAnalysis:
    """The same pod with an istiod of 1.24.2 and with one of 1.24.3."""
    old, new = (Mesh(version=version, control_plane=version) for version in ("1.24.2", "1.24.3"))
    places = tuple(Workload(f"cars-{mesh.version}", CARS, control_planes=(str(mesh.version),)) for mesh in (old, new))
    return PolicyAnalysis(MeshPolicies(objects, new), MeshInventory(new, places, objects, meshes=(old, new)))


def test_a_port_is_open_at_the_pods_of_one_istiod() -> None:
    scene = _two_istiods(ports("PERMISSIVE", p80="STRICT", p443="STRICT"))
    (found,) = open_ports(scene)
    ref, text = found.resource, found.message
    assert ref == "PeerAuthentication foo/w" and text.partition(":")[0] == "ports 80, 443 of foo/cars-1.24.2"
    assert list(closed_ports(scene)) == []
    exception = _two_istiods(SPACE_STRICT, ports(None, p80="PERMISSIVE"))
    assert sorted(one.message.partition(":")[0] for one in closed_ports(exception)) == [
        "every port but 80 of foo/cars-1.24.2", "port 80 of foo/cars-1.24.2"]  # fmt: skip
    assert list(open_ports(exception)) == []


def test_one_istiod_that_gets_a_broken_entry_is_enough() -> None:
    note = {"annotations": {"istio.io/dry-run": "true"}}
    broken = policy({"from": [{}]}, **note)
    assert (
        list(panics(_two_istiods(broken))) != []
        and list(panics(PolicyAnalysis(MeshPolicies([broken], MESH), MeshInventory(MESH, (), (broken,))))) == []
    )


# brute force: what the boxes say of two random worlds is what the evaluator answers

CALLERS = [None, "cluster.local/ns/a/sa/x", "cluster.local/ns/b/sa/x", "other/ns/a/sa/y"]
SIDES: list[dict[str, Any]] = [
    source(namespaces=["a"]),
    source(namespaces=[""]),
    source(notNamespaces=["", "b"]),
    source(notPrincipals=["*"]),
    source(principals=["*"], notIpBlocks=["10.0.0.0/30"]),
    source(ipBlocks=["10.0.0.0/30"]),
    source(notIpBlocks=["10.0.0.9"], namespaces=["a*"]),
    source(serviceAccounts=["a/x"]),
    source(trustDomains=["cluster.local"], namespaces=["a"]),
    source(remoteIpBlocks=["10.0.0.0/30"]),
    source(requestPrincipals=["*"]),
    when("source.ip", "10.0.0.1"),
    when("source.ip", absent=("10.0.0.1",)),
    when("remote.ip", absent=("10.0.0.1",)),
    {},
]
WHATS: list[dict[str, Any]] = [
    operation(ports=["80"]),
    operation(notPorts=["80", "443"]),
    operation(methods=["GET"]),
    operation(methods=["GET"], ports=["443"]),
    when("destination.port", absent=("443",)),
    when("destination.ip", "10.1.0.1"),
    {},
    {},
]
PLACES = {
    "ztunnel": CARS,
    "unlabelled": PolicyTarget("foo", {}, "ztunnel", unlabelled=True),
    "waypoint": WAYPOINT,
    "sidecar": PolicyTarget("foo", APP),
}


def _objects(seed: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    found: list[dict[str, Any]] = []
    for number in range(chance.randint(0, 3)):
        rules = [chance.choice(SIDES) | chance.choice(WHATS) for _rule in range(chance.randint(0, 2))]
        where: dict[str, Any] = chance.choice([{}, {"selector": {"matchLabels": APP}}, {"selector": {"matchLabels": {"app": "vans"}}},
                                               FOR_CARS, FOR_CARS])  # fmt: skip
        space = "foo" if "targetRefs" in where else chance.choice(["foo", "foo", "istio-system"])
        action = chance.choice(["ALLOW", "ALLOW", "DENY"]) if rules else "ALLOW"
        found.append(policy(*rules, action=action, name=f"p{number}", namespace=space, **where))
    words = ["STRICT", "PERMISSIVE", "DISABLE", None]
    for name, place in (("m", ROOT), ("n", {})):
        if chance.random() < 0.6:
            found.append(peer(chance.choice(words), name, **place, **(BARE if chance.random() < 0.2 else {})))
    if chance.random() < 0.8:
        named = {f"p{port}": chance.choice(["STRICT", "PERMISSIVE", "DISABLE", "UNSET"])
                 for port in chance.sample((80, 443), chance.randint(1, 2))}  # fmt: skip
        found.append(ports(chance.choice(words), **named))
    return found


def _requests(seed: int) -> list[Request]:
    """Every caller at every port; the rest by chance."""
    chance = random.Random(seed)
    return [Request(principal=caller, tls=caller is not None, port=port, source_ip=chance.choice(["10.0.0.1", "10.0.0.9"]),
                    destination_ip=chance.choice(["10.1.0.1", "10.1.0.2"]), method=chance.choice(["GET", "PUT"]), host="h", path="/")
            for caller, port, _turn in itertools.product(CALLERS, (80, 443, 8080), range(4))]  # fmt: skip


def _door(world: MeshPolicies, workload: PolicyTarget, protocol: str) -> EnforcementPoint:
    return EnforcementPoint(world.policies.chain(workload, protocol), _modes(world.peers, Workload("cars", workload), world))


@pytest.mark.parametrize("version", ["", "1.24.2"])
@pytest.mark.parametrize(("kind", "protocol"), [("ztunnel", "TCP"), ("unlabelled", "TCP"), ("waypoint", "HTTP"), ("waypoint", "TCP")])
def test_the_difference_is_what_brute_force_finds(kind: str, protocol: str, version: str) -> None:
    """Also between kinds: a pod that moves to ambient, a Service that gets a waypoint."""
    answered = {True: 0, False: 0}
    for seed in range(40):
        other = kind if seed % 3 else "sidecar"
        one, two = (MeshPolicies(_objects(number), Mesh(version=version or None)) for number in (seed, seed + 1000))
        before, after = _door(one, PLACES[other], protocol), _door(two, PLACES[kind], protocol)
        space, shifts = compare(before, after)
        for request in _requests(seed):
            answers = [each.answer(PLACES[word], request, now=NOW, protocol=protocol).allowed for each, word in ((one, other), (two, kind))]
            facts = before.chain.facts(request)
            inside = {shift.opened for shift in shifts if _in(space, shift.box, facts)}
            assert inside == (set() if answers[0] == answers[1] else {answers[1]}), (seed, request, answers)
            answered[answers[1]] += 1
    assert min(answered.values()) > 200


@pytest.mark.parametrize("kind", ["ztunnel", "unlabelled", "waypoint"])
def test_policies_alone_differ_where_brute_force_says_so(kind: str) -> None:
    for seed in range(2000, 2030):
        chains = [MeshPolicies(_objects(number), MESH).policies.chain(PLACES[kind], "TCP") for number in (seed, seed + 1000)]
        changes = difference(*chains)  # every witness is checked by the evaluator on the way
        for request in _requests(seed):
            before, after = (chain.allows(chain.facts(request)) for chain in chains)
            assert before == after or any(change.opened is after for change in changes), (seed, request)


def _shop(*objects: dict[str, Any], **labels: str) -> list[dict[str, Any]]:
    ambient = space_of("shop", **{"istio.io/dataplane-mode": "ambient", **labels})
    return [ambient, *deployed("shop", "cars", serviceAccountName="cars"), *objects]


def _proof(*objects: dict[str, Any], to: str = "shop/cars") -> Proof:
    inventory = take(objects)
    return prove(MeshPolicies(inventory.objects, inventory.mesh), inventory, read_matrix([{"from": ["authenticated"], "to": [to]}]))


def test_the_proof_stands_on_what_runs() -> None:
    """Below a STRICT mesh a STRICT port is open: callers without an identity are more than intended, at this port."""
    strict = mtls("STRICT", "istio-system")
    assert _proof(*_shop(strict)).holds
    own = mtls("PERMISSIVE", "shop")
    own["spec"] |= {"selector": {"matchLabels": {"app": "cars"}}, "portLevelMtls": {8000: {"mode": "STRICT"}}}
    more = _proof(*_shop(strict, own)).more
    assert [(group.who.text, group.destinations, group.what) for group in more] == [
        ("callers without an identity", ("shop/cars",), "every request")]  # fmt: skip
    own["spec"] |= {"mtls": {"mode": "STRICT"}, "portLevelMtls": {9000: {"mode": "PERMISSIVE"}}}
    assert [group.what for group in _proof(*_shop(strict, own)).more] == ["port 9000"]


def test_the_proof_at_a_waypoint_knows_no_addresses() -> None:
    way = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "way", "namespace": "shop"},
           "spec": {"gatewayClassName": "istio-waypoint"}}  # fmt: skip
    for lists, less, more in (
        ({"principals": ["*"], "notIpBlocks": ["0.0.0.0/0"]}, False, False),
        ({"principals": ["*"], "ipBlocks": ["0.0.0.0/0"]}, True, False),
        ({"notIpBlocks": ["10.0.0.0/8"]}, False, True),
    ):
        rule = policy(source(**lists), namespace="shop", **FOR_CARS)
        found = _proof(*_shop(way, rule, mtls(), **{"istio.io/use-waypoint": "way"}), to="shop/cars (waypoint way)")
        there = [[group for group in groups if "shop/cars (waypoint way)" in group.destinations] for groups in (found.less, found.more)]
        assert [bool(groups) for groups in there] == [less, more], lists
        assert not any("address" in group.what for groups in there for group in groups)
