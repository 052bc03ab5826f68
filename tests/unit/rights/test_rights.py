# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of rights: what it grants, what it never grants, and what people read."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import kinds_read
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import Options
from ansible_collections.meshops.mesh.plugins.module_utils._commands.mesh_rights_info import refused
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.collect import GROUP_TAILS, GROUPS, KINDS
from ansible_collections.meshops.mesh.plugins.module_utils._model import kinds as k
from ansible_collections.meshops.mesh.plugins.module_utils._model.intent import Intent
from ansible_collections.meshops.mesh.plugins.module_utils._model.objects import group_of
from ansible_collections.meshops.mesh.plugins.module_utils._rights.missing import lines, questions
from ansible_collections.meshops.mesh.plugins.module_utils._rights.parts import PARTS
from ansible_collections.meshops.mesh.plugins.module_utils._rights.reads import plural
from ansible_collections.meshops.mesh.plugins.module_utils._rights.render import manifests
from ansible_collections.meshops.mesh.plugins.module_utils._rights.right import Right, Scope, Where
from ansible_collections.meshops.mesh.plugins.module_utils._rights.table import FAMILIES, rights_of, scope_from
from tools.make_docs import RIGHTS, rights_page

PLANE = {"name": "default", "namespace": "istio-system"}
EMMA = {"name": "emma", "role": "mesh_operator"}
SEEN = {"prometheus": {"storage": "1Gi"}, "grafana": {"enabled": True}, "kiali": {"enabled": True}, "jaeger": {}, "tempo": {}}
NOTHING: dict[str, Any] = {
    "mesh": "shop",
    "provider": "ossm3",
    "control_plane": PLANE,
    "members": ["shop", "pay"],
    "personas": None,
    "observability": {},
    "membership_style": "roll",
    "namespaces_by": "namespace",
    "operators": "olm",
    "routes": False,
    "traffic": [],
    "gateway_namespaces": [],
    "secret_namespaces": [],
    "exempt_namespaces": [],
    "project_namespaces": [],
    "api_gateway_namespaces": [],
    "features": [],
    "operator_namespaces": ["tempo"],
    "prune": False,
    "removes": [],
    "categories": [],
    "only": [],
    "works": [],
    "certificates": {"provider": "own_ca", "asked": [], "served": [], "given": [], "trust": [], "renew": "wait"},
    "upgrade": {"probe": False, "queries": False},
    "migration": {"calls": False, "remove": False},
}
EVERYTHING: dict[str, Any] = NOTHING | {
    "control_plane": PLANE | {"update_strategy": "RevisionBased", "tracing": {"provider": "opentelemetry"}, "sidecar_hosts": ["./*"]},
    "personas": [EMMA],
    "observability": SEEN,
    "operators": "manual",
    "routes": True,
    "traffic": ["istio", "gateway"],
    "secret_namespaces": ["shop"],
    "exempt_namespaces": ["pay"],
    "project_namespaces": ["shop"],
    "api_gateway_namespaces": ["shop"],
    "features": ["isolation", "gateway_definitions", "egress", "multicluster"],
    "certificates": {
        "provider": "cert_manager",
        "asked": ["authority", "served", "istio_csr"],
        "served": ["edge"],
        "given": ["pki"],
        "trust": ["shop"],
        "renew": "restart",
    },
    "upgrade": {"probe": True, "queries": True},
    "migration": {"calls": True, "remove": True},
    "removes": ["namespaces", "volumes", "operators"],
}


def scope(provider: str = "ossm3", **more: Any) -> Scope:
    return scope_from(EVERYTHING | {"provider": provider} | more)


EVERY = [(family, provider) for family in FAMILIES for provider in ("ossm2", "ossm3", "sail")]


@pytest.mark.parametrize(("family", "provider"), EVERY)
def test_no_family_may_list_secrets_or_do_everything(family: str, provider: str) -> None:
    """But a rotation finds the CAs that it has replaced by their label, where the CA is; what a removal lists has a test of its own."""
    objects = manifests(family, rights_of(family, scope(provider)), scope(provider))
    for place, rule in [(obj["metadata"].get("namespace"), rule) for obj in objects for rule in obj["rules"]]:
        if family == "remove" and rule["verbs"] == ["list"] and "*" in rule["resources"]:
            # all kinds in namespaces that would go, and the kinds of operators that go
            assert place or not {"*", ""} & set(rule["apiGroups"])
            continue
        assert "*" not in (*rule["verbs"], *rule["resources"], *rule["apiGroups"])
        if "secrets" in rule["resources"]:
            assert place and "watch" not in rule["verbs"]
            assert "list" not in rule["verbs"] or (family, place) == ("certificates", PLANE["namespace"])


def test_pruning_and_removing_namespaces_are_said_to_list_everything() -> None:
    def listed(family: str, **more: Any) -> set[tuple[str, str]]:
        made = manifests(family, rights_of(family, scope(**more)), scope(**more))
        return {
            (obj["kind"], obj["metadata"].get("namespace", ""))
            for obj in made
            for rule in obj.get("rules", ())
            if {"*"} == {*rule["apiGroups"], *rule["resources"]} and "list" in rule["verbs"]
        }

    assert listed("install", prune=True) == {("ClusterRole", "")} and listed("install") == set()
    assert listed("remove") == {("Role", name) for name in ("istio-system", "shop", "pay", "istio-cni", "tempo")}
    assert ("Role", "tempo") not in listed("remove", removes=["namespaces"])
    assert listed("remove", removes=["volumes", "operators"]) == set()


@pytest.mark.parametrize(("family", "provider"), EVERY)
def test_each_right_has_a_reason_and_is_said_once(family: str, provider: str) -> None:
    rights = rights_of(family, scope(provider))
    assert all(right.why for right in rights)
    keys = [(right.resource, right.where, right.names) for right in rights]
    assert len(keys) == len(set(keys))


def test_a_work_of_a_family_needs_a_part_of_its_rights() -> None:
    every, authority = (rights_of("certificates", scope(works=works)) for works in ([], ["authority"]))
    serving = rights_of("certificates", scope(works=["gateways"]))
    assert {right.resource for right in authority} | {right.resource for right in serving} == {right.resource for right in every}
    assert "kialis.kiali.io" not in {right.resource for right in authority}, "a rotation does not run all the checks"
    assert "deployments.apps" in {right.resource for right in authority if "patch" in right.verbs}
    assert not [right for right in serving if right.resource == "deployments.apps" and "patch" in right.verbs]


def test_a_further_gateway_needs_a_part_of_an_installation() -> None:
    def rules(*works: str) -> set[tuple[str, str]]:
        return {(right.resource, verb) for right in rights_of("install", scope(works=works)) for verb in right.verbs}

    some, every = rules("gateways"), rules()
    assert rules("mesh") == every and some < every
    assert {("istios.sailoperator.io", "patch"), ("gateways.networking.istio.io", "create")} <= some
    away = {"subscriptions.operators.coreos.com", "clusterroles.rbac.authorization.k8s.io", "kialis.kiali.io", "persistentvolumeclaims"}
    assert not {resource for resource, verb in some if verb not in ("list", "get")} & away
    granting = next(right for right in rights_of("install", scope(works=["gateways"])) if "escalate" in right.verbs)
    assert granting.where is Where.PLANE, "nobody's rights in the members"


def test_where_no_member_is_named_proxies_are_everywhere() -> None:
    nobody = scope(members=[])
    objects = manifests("certificates", rights_of("certificates", nobody), nobody)
    wide = {resource for obj in objects if obj["kind"] == "ClusterRole" for rule in obj["rules"] for resource in rule["resources"]}
    assert "pods/portforward" in wide and "secrets" not in wide


@pytest.mark.parametrize("family", FAMILIES)
def test_each_condition_is_a_word_that_a_scope_can_have(family: str) -> None:
    assert {word for right in FAMILIES[family][1] for word in right.when} <= PARTS.keys()


OTHERS = [
    {},
    {"provider": "ossm2", "membership_style": "members"},
    {"operators": "none"},
    {"namespaces_by": "project"},
    {"only": ["OSM1101"]},
    {"prune": True},
    {"observability": {"tempo": {"mode": "stack"}}},
]


def test_each_word_is_said_of_some_intent_and_no_other_word_is() -> None:
    assert set().union(*(scope(**{"provider": "ossm2", **more}).parts | scope(**more).parts for more in OTHERS)) == PARTS.keys()


@pytest.mark.parametrize(
    ("given", "there", "away"),
    [
        ({}, {"ossm3", "olm", "cni", "prometheus"}, {"ossm2", "roll", "personas", "volumes", "kiali", "none", "manual", "revisions"}),
        ({"provider": "sail", "operators": "none"}, {"ossm3", "none"}, {"olm"}),
        ({"provider": "ossm2"}, {"ossm2", "roll"}, {"ossm3", "prometheus", "cni"}),  # its addon has no volume
        ({"provider": "ossm2", "observability": SEEN}, {"prometheus", "volumes", "kiali", "jaeger"}, {"stack"}),
        ({"provider": "ossm2", "membership_style": "members"}, {"members"}, {"roll"}),
        ({"provider": None}, {"ossm2", "ossm3", "namespaces"}, {"projects"}),
        ({"namespaces_by": "project"}, {"projects"}, {"namespaces"}),
        ({"control_plane": PLANE | {"cni": {"manage": False}}}, {"ossm3"}, {"cni"}),
        ({"observability": {"prometheus": {"enabled": "no"}}}, set(), {"prometheus"}),
        ({"observability": {"tempo": {"mode": "stack"}}}, {"stack", "opentelemetry"}, {"monolithic"}),
        ({"observability": None}, {"prometheus"}, {"kiali"}),
        ({"personas": [EMMA], "categories": ["traffic"]}, {"personas", "proof"}, set()),
        ({"categories": ["traffic"]}, set(), {"personas", "proof"}),
    ],
)
def test_what_an_intent_says(given: dict[str, Any], there: set[str], away: set[str]) -> None:
    parts = scope_from(NOTHING | given).parts
    assert there <= parts and not away & parts


def test_what_the_checks_read_is_what_the_collector_lists() -> None:
    listed = {(group_of(version), kind) for version, kind in KINDS}
    for kind in kinds_read(Intent(), Options()) - {k.SECRET, k.PACKAGE_MANIFEST, k.CERTIFICATE_SOURCE}:
        assert tuple(kind) in listed or kind.group in GROUPS or kind.group.endswith(GROUP_TAILS), kind


@pytest.mark.parametrize(("kind", "word"), [
    ("Namespace", "namespaces"), ("NetworkPolicy", "networkpolicies"), ("ServiceEntry", "serviceentries"), ("Gateway", "gateways"),
    ("Prometheus", "prometheuses"), ("IstioCSR", "istiocsrs"), ("IstioCNI", "istiocnis"), ("Telemetry", "telemetries"),
    ("BackendTLSPolicy", "backendtlspolicies"), ("ZTunnel", "ztunnels"), ("TempoMonolithic", "tempomonolithics"),
])  # fmt: skip
def test_the_plural_of_a_kind(kind: str, word: str) -> None:
    assert plural(kind) == word


def test_what_a_provider_and_an_intent_do_not_have_is_not_granted() -> None:
    def resources(provider: str, **more: Any) -> set[str]:
        return {right.resource.partition(".")[0] for right in rights_of("install", scope(provider, **more)) if right.verbs != ("list",)}

    assert "servicemeshcontrolplanes" in resources("ossm2") and "istios" not in resources("ossm2")
    assert "istios" in resources("sail") and "servicemeshcontrolplanes" not in resources("sail")
    assert "subscriptions" in resources("ossm3") and "subscriptions" not in resources("ossm3", operators="none")
    small = scope_from(NOTHING | {"provider": "sail", "operators": "none"})
    found = {right.resource for right in rights_of("install", small)}
    assert not {"subjectaccessreviews.authorization.k8s.io", "routes.route.openshift.io"} & {
        right.resource for right in rights_of("install", small) if right.verbs != ("list",)
    }
    assert "deployments.apps" in found


def test_a_check_of_some_categories_needs_less() -> None:
    some = rights_of("check", scope(categories=("membership",)))
    assert {"namespaces"} <= {right.resource for right in some} and "secrets" not in {right.resource for right in some}
    assert len(some) < len(rights_of("check", scope()))


def test_the_roles_of_a_check() -> None:
    objects = manifests(
        "check",
        rights_of("check", scope(gateway_namespaces=["ingress"])),
        scope(gateway_namespaces=["ingress"]),
        [{"kind": "ServiceAccount", "name": "robot", "namespace": "ci"}],
    )
    places = {(obj["kind"], obj["metadata"].get("namespace")) for obj in objects}
    assert places == {
        ("ClusterRole", None),
        ("ClusterRoleBinding", None),
        ("Role", "ingress"),
        ("RoleBinding", "ingress"),
        ("Role", "istio-system"),
        ("RoleBinding", "istio-system"),
    }
    assert {obj["metadata"]["name"] for obj in objects} == {"meshops-check-shop"}
    role = next(obj for obj in objects if obj["kind"] == "Role" and obj["metadata"]["namespace"] == "ingress")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    binding = next(obj for obj in objects if obj["kind"] == "RoleBinding")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "robot", "namespace": "ci"}]
    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "meshops-check-shop"}


@pytest.mark.parametrize(
    "subject",
    [
        {"kind": "ServiceAccount", "name": "x"},
        {"kind": "User", "name": "x", "namespace": "y"},
        {"kind": "Robot", "name": "x"},
        {"kind": "User"},
    ],
)
def test_a_subject_that_cannot_be(subject: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="ServiceAccount"):
        manifests("check", rights_of("check", scope()), scope(), [subject])


class Server:
    """Answers reviews from a list of what is allowed."""

    def __init__(self, allowed: Any) -> None:
        self.allowed, self.asked = allowed, 0

    def create(self, obj: dict[str, Any]) -> dict[str, Any]:
        self.asked += 1
        return {"status": {"allowed": self.allowed(obj["spec"]["resourceAttributes"])}}

    map = staticmethod(lambda fn, items: [fn(item) for item in items])


def ask(server: Server, family: str = "install") -> list[str]:
    asked = questions(rights_of(family, scope()), scope())
    cluster: Cluster = server  # type: ignore[assignment]
    return lines(refused(cluster, asked))


@pytest.mark.parametrize(
    ("plural", "names", "expected"),
    [
        ("pods", (), [{"resource": "pods"}]),
        ("deployments.apps", (), [{"resource": "deployments", "group": "apps"}]),
        ("pods/exec", (), [{"resource": "pods", "subresource": "exec"}]),
        (
            "routes.route.openshift.io/custom-host",
            (),
            [{"resource": "routes", "group": "route.openshift.io", "subresource": "custom-host"}],
        ),
        ("secrets", ("a", "b"), [{"resource": "secrets", "name": "a"}, {"resource": "secrets", "name": "b"}]),
    ],
)
def test_what_the_api_server_is_asked(plural: str, names: tuple[str, ...], expected: list[dict[str, str]]) -> None:
    asked = questions([Right(plural, ("get",), Where.PLANE, "why", names=names)], scope())
    assert [one.attributes() for one in asked] == [{"verb": "get", "namespace": "istio-system", **row} for row in expected]


def test_the_page_of_rights_is_what_the_table_says() -> None:
    assert RIGHTS.read_text(encoding="utf-8") == rights_page(), "look at the difference, then run make docs"


def test_who_may_do_everything_is_asked_once() -> None:
    server = Server(lambda asked: True)
    assert ask(server) == [] and server.asked == 1


def test_everything_that_is_missing_is_said_with_place_and_reason() -> None:
    found = ask(Server(lambda asked: asked["resource"] not in ("*", "deployments", "secrets") or asked.get("namespace") == "shop"))
    assert found == [
        "list deployments.apps in the whole cluster: operators and control planes of others are looked for before anything is written; "
        "whether every route leads to something; "
        "read by the checks of authorization, certificates, control_plane, gateways, isolation, membership, observability, traffic, "
        "workloads",
        "get, create, patch secrets in edge, istio-system: certificates of gateways and clients",
        "get, create, patch deployments.apps in istio-system, pay: gateways, tools and applications",
        "get, create, patch secrets in istio-system: the CA of the mesh, and the copies of those before it",
        "delete, get secrets (cacerts, istio-ca-secret) in istio-system: the CA that istiod made for itself goes once there is a copy; "
        "the CA of the mesh: its certificates, never listed",
        "get secrets in istio-system: the certificates that gateways serve, by the names in Gateways, never listed",
        "get secrets in pki: a certificate that is taken from there",
    ]


def test_one_verb_that_is_missing_is_one_line() -> None:
    assert ask(Server(lambda asked: asked["verb"] != "*" and asked != {"verb": "create", "resource": "namespaces"})) == [
        "create namespaces in the whole cluster: namespaces are labelled as members, unless others have them; namespaces that are "
        "missing are made; whether every route leads to something; read by the checks of authorization, control_plane, gateways, "
        "isolation, membership, multicluster, traffic, workloads"
    ]


def test_a_namespace_role_has_nothing_that_the_cluster_role_has() -> None:
    rows = [right for right in rights_of("install", scope()) if right.where is not Where.CLUSTER]
    assert rows
    wide = {(right.resource, verb) for right in rights_of("install", scope()) if right.where is Where.CLUSTER for verb in right.verbs}
    for obj in manifests("install", rights_of("install", scope()), scope()):
        for rule in obj["rules"] if obj["kind"] == "Role" else ():
            names = {f"{plural}.{group}".rstrip(".") for group in rule["apiGroups"] for plural in rule["resources"]}
            assert not any(all((name, verb) in wide for verb in rule["verbs"]) for name in names)
