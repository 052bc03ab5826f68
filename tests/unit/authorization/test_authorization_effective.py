# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof stands on what istiod has: its ConfigMap, by revision, before what a custom resource says."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import take
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.meshes import meshes_of
from ansible_collections.meshops.mesh.plugins.module_utils._commands.authorization_check import Checked, run_authorization_checks
from ansible_collections.meshops.mesh.plugins.module_utils._model.overlay import overlaid
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from authorization_travel import namespace, workload
from authorization_worlds import policy, source
from test_authorization_modules import _params


def check(objects: list[dict[str, Any]], source: str = "manifests", **given: Any) -> Checked:
    data = {"format": "meshops.mesh/snapshot/v1", "cluster": "west", "taken_at": "2026-11-21T12:00:00Z", "objects": objects}
    found = Snapshot.from_json(data)
    return run_authorization_checks(
        _params(**{"only": [], "ignore": [], "access": None, **given}), Snapshot(found.cluster, found.taken_at, source, None, found.objects)
    )


def bad(checked: Checked, *codes: str) -> list[tuple[str, str]]:
    """Resource and message of what these checks found."""
    return [(row.resource, row.message) for row in checked.report.rows if row.id in codes and row.status in ("failed", "warning")]


def config_map(mesh: Any, revision: str = "default", where: str = "istio-system", **labels: str) -> dict[str, Any]:
    meta = {
        "name": "istio" if revision == "default" else f"istio-{revision}",
        "namespace": where,
        "labels": {"istio.io/rev": revision, **labels},
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta,
        "data": {"mesh": mesh if isinstance(mesh, str) else yaml.safe_dump(mesh)},
    }


CORP = {
    "trustDomain": "bank.example",
    "rootNamespace": "mesh-policies",
    "extensionProviders": [{"name": "opa", "envoyExtAuthzGrpc": {"service": "opa.opa.svc.cluster.local", "port": 9191}}],
}
BANK = [
    namespace("bank"),
    *workload("bank", "teller", serviceAccountName="teller"),
    *workload("bank", "vault", serviceAccountName="vault"),
    policy(
        source(principals=["bank.example/ns/bank/sa/teller"]), name="vault", namespace="bank", selector={"matchLabels": {"app": "vault"}}
    ),
    policy(name="nothing", namespace="mesh-policies"),
]
MATRIX = [{"from": ["bank/teller"], "to": ["bank/vault"]}]


def test_what_istiod_has_makes_the_proof() -> None:
    """Trust domain, root namespace and version of an Istio that a chart installed: no custom resource says them."""
    found = check([config_map(CORP, **{"app.kubernetes.io/version": "1.28.4"}), *BANK], access=MATRIX)
    assert found.proven is True and found.assumptions == ()
    assert (found.mesh["trust_domain"], found.mesh["root_namespace"], found.mesh["version"]) == ("bank.example", "mesh-policies", "1.28.4")
    without = check(BANK, access=MATRIX)
    assert without.proven is False and len(without.assumptions) >= 3


def test_a_config_map_that_says_nothing_means_istio_s_own_defaults() -> None:
    objects = [namespace("bank"), *workload("bank", "vault"), policy(name="nothing", namespace="istio-system")]
    found = check([config_map("accessLogFile: /dev/stdout\n", **{"app.kubernetes.io/version": "1.28.4"}), *objects])
    assert found.assumptions == () and found.mesh["trust_domain"] == "cluster.local" and found.coverage.allowed_pairs == 0


@pytest.mark.parametrize(("asked", "found"), [("opa", 0), ("opa-ext", 1), ("", 1)])
def test_a_provider_that_is_not_defined_denies_all_that_matches(asked: str, found: int) -> None:
    ask = policy({"to": [{"operation": {"paths": ["/*"]}}]}, name="ask", namespace="bank", action="CUSTOM", provider={"name": asked})
    rows = bad(check([config_map(CORP), *BANK[:-1], ask]), "OSM3118")
    assert len(rows) == found and all("whatever it matches is denied" in message for _resource, message in rows)
    default = {"extensionProviders": [{"name": "opa", "zipkin": {}}]}
    assert len(bad(check([config_map(default), *BANK[:-1], ask]), "OSM3118")) == 1, "one that only takes traces is no authorizer"


@pytest.mark.parametrize("plane", [False, True], ids=["alone", "beside its Istio"])
def test_a_config_map_that_istiod_cannot_read_is_a_finding_and_no_proof(plane: bool) -> None:
    istio = {
        "apiVersion": "sailoperator.io/v1",
        "kind": "Istio",
        "metadata": {"name": "default"},
        "spec": {"namespace": "istio-system", "version": "v1.28.4", "values": {"meshConfig": CORP}},
    }
    found = check([config_map("trustDomain: [bank.example\n"), *([istio] if plane else []), *BANK], access=MATRIX)
    assert found.proven is False
    assert [resource for resource, _message in bad(found, "OSM3007")] == ["ConfigMap istio-system/istio"]
    assert any("nothing is proven" in message for _resource, message in bad(found, "OSM3302"))
    assert any("ConfigMap istio-system/istio says nothing: data.mesh is not YAML" in text for text in found.assumptions)


def test_a_policy_in_a_namespace_that_istiod_does_not_discover_is_not_enforced() -> None:
    selectors = {**CORP, "discoverySelectors": [{"matchLabels": {"mesh": "yes"}}]}
    named = [namespace("mesh-policies", mesh="yes"), namespace("bank", **{"istio-injection": "enabled"})]
    found = check([config_map(selectors), *BANK[1:], *named])
    assert [resource for resource, _message in bad(found, "OSM3005")] == ["AuthorizationPolicy bank/vault"]
    assert "discoverySelectors" in bad(found, "OSM3005")[0][1]
    seen = [namespace("mesh-policies", mesh="yes"), namespace("bank", **{"istio-injection": "enabled", "mesh": "yes"})]
    assert bad(check([config_map(selectors), *BANK[1:], *seen]), "OSM3005") == []


def test_a_changed_control_plane_is_judged_by_what_it_says_now() -> None:
    """The ConfigMap of before the change is no effective configuration of after it."""
    istio = {
        "apiVersion": "sailoperator.io/v1",
        "kind": "Istio",
        "metadata": {"name": "default"},
        "spec": {"namespace": "istio-system", "values": {"meshConfig": {"trustDomain": "old.example"}}},
    }
    before = [istio, config_map({"trustDomain": "old.example"}), *BANK]
    new = {**istio, "spec": {"namespace": "istio-system", "values": {"meshConfig": {"trustDomain": "new.example"}}}}
    assert take(overlaid(before, [new])).mesh.trust_domain == "new.example"
    assert take(overlaid(before, [istio])).mesh.trust_domain == "old.example"
    told = config_map({"trustDomain": "told.example"})
    assert take(overlaid(before, [new, told])).mesh.trust_domain == "told.example"


@pytest.mark.parametrize(
    ("given", "root"), [("istio-system", "mesh-policies"), ("elsewhere", "elsewhere"), ("mesh-policies", "mesh-policies")]
)
def test_the_namespace_of_istiod_given_as_root_says_which_control_plane_is_meant(given: str, root: str) -> None:
    """Playbooks give it from the intent, which knows no other."""
    assert meshes_of([config_map(CORP)], {"root_namespace": given}).main.root_namespace == root
    assert meshes_of([], {"root_namespace": given}).main.root_namespace == given


def test_what_is_given_goes_before_the_config_map() -> None:
    assert meshes_of([config_map(CORP)], {"trust_domain": "given.example"}).main.trust_domain == "given.example"


# revisions


def labelled(obj: dict[str, Any], revision: str) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], "labels": {"istio.io/rev": revision}}}


def tag(name: str, revision: str) -> dict[str, Any]:
    return {
        "apiVersion": "sailoperator.io/v1",
        "kind": "IstioRevisionTag",
        "metadata": {"name": name},
        "spec": {"targetRef": {"kind": "IstioRevision", "name": revision}},
    }


def webhook(name: str, revision: str) -> dict[str, Any]:
    meta = {"name": f"istio-revision-tag-{name}", "labels": {"istio.io/tag": name, "istio.io/rev": revision}}
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": meta, "webhooks": []}


ISTIO = {
    "apiVersion": "sailoperator.io/v1",
    "kind": "Istio",
    "metadata": {"name": "default"},
    "spec": {"version": "v1.28.3", "namespace": "istio-system", "updateStrategy": {"type": "InPlace"}},
}
NOTHING = policy(name="nothing", namespace="crew")
STRICT = {
    "apiVersion": "security.istio.io/v1",
    "kind": "PeerAuthentication",
    "metadata": {"name": "strict", "namespace": "crew"},
    "spec": {"mtls": {"mode": "STRICT"}},
}


@pytest.mark.parametrize(
    ("label", "around", "more", "enforced"),
    [
        ("canary", {"istio-injection": "enabled"}, [ISTIO], False),
        ("default", {"istio-injection": "enabled"}, [ISTIO], True),
        ("", {"istio-injection": "enabled"}, [ISTIO], True),
        ("default", {"istio.io/rev": "default"}, [ISTIO], True),
        ("canary", {"istio.io/rev": "canary"}, [ISTIO, config_map({}, "canary")], True),
        ("default", {"istio.io/rev": "canary"}, [ISTIO, config_map({}, "canary")], False),
        ("canary", {"istio.io/rev": "stable"}, [ISTIO, config_map({}, "canary"), tag("stable", "canary")], True),
        ("canary", {"istio.io/rev": "stable"}, [ISTIO, config_map({}, "canary"), webhook("stable", "canary")], True),
        ("default", {"istio.io/rev": "stable"}, [ISTIO, config_map({}, "canary"), webhook("stable", "canary")], False),
        ("stable", {"istio.io/rev": "stable"}, [ISTIO, config_map({}, "canary"), tag("stable", "canary")], False),
        ("canary", {"istio-injection": "enabled"}, [config_map({}, "canary"), tag("default", "canary")], True),
        ("canary", {"istio.io/rev": "canary"}, [], True),
        ("canary", {"istio-injection": "enabled"}, [], False),
        ("next", {"istio-injection": "enabled", "istio.io/rev": "next"}, [ISTIO, config_map({}, "next")], False),
    ],
)
def test_an_object_counts_for_workloads_of_its_revision(
    label: str, around: dict[str, str], more: list[dict[str, Any]], enforced: bool
) -> None:
    """istiod compares the label with its own revision's name, so a tag is a name for pods and no name for objects."""
    closed = labelled(NOTHING, label) if label else NOTHING
    found = check([*more, namespace("crew", **around), *workload("crew", "rota"), closed], access=[])
    assert found.proven is enforced and bool(bad(found, "OSM3005")) is not enforced
    strict = labelled(STRICT, label) if label else STRICT
    plain = check(
        [*more, namespace("crew", **around), *workload("crew", "rota"), strict], access=[{"from": ["authenticated"], "to": ["crew/rota"]}]
    )
    assert plain.proven is enforced


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("canary", "there is no istiod of that revision, only of default"),
        ("prod", "is the tag prod, and istiod compares it with the name of its own revision, default"),
    ],
)
def test_why_nobody_reads_an_object(label: str, why: str) -> None:
    objects = [ISTIO, tag("prod", "default"), namespace("crew"), *workload("crew", "rota"), labelled(NOTHING, label)]
    ((resource, message),) = bad(check(objects), "OSM3005")
    assert resource == "AuthorizationPolicy crew/nothing" and why in message


def pod(name: str, revision: str, where: str = "crew") -> dict[str, Any]:
    meta = {
        "name": f"{name}-{revision}",
        "namespace": where,
        "labels": {"app": name, "pod-template-hash": revision},
        "annotations": {"istio.io/rev": revision},
        "ownerReferences": [{"kind": "ReplicaSet", "name": f"{name}-x", "controller": True}],
    }
    containers = [{"name": "main"}, {"name": "istio-proxy"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": containers}, "status": {"phase": "Running"}}


TWO = [
    config_map(
        {"trustDomain": "crew.example", "extensionProviders": CORP["extensionProviders"]}, **{"app.kubernetes.io/version": "1.28.4"}
    ),
    config_map({"trustDomain": "crew.example"}, "next", **{"app.kubernetes.io/version": "1.29.1"}),
    namespace("crew"),
    namespace("moved", **{"istio.io/rev": "next"}),
]


def test_during_two_revisions_each_is_proven_with_its_own_settings() -> None:
    """The provider is defined for one of the two istiods only: at the other's workloads what asks it is denied."""
    ask = [
        policy({"to": [{"operation": {"paths": ["/*"]}}]}, name="ask", namespace=name, action="CUSTOM", provider={"name": "opa"})
        for name in ("crew", "moved")
    ]
    found = check([*TWO, *workload("crew", "rota"), *workload("moved", "rota"), *ask])
    assert [resource for resource, _message in bad(found, "OSM3118")] == ["AuthorizationPolicy moved/ask"]
    told = {row["revision"]: (row["workloads"], row["version"]) for row in found.proof["revisions"]}
    assert told == {
        "default": (1, "1.28.4"),
        "next": (1, "1.29.1"),
    }
    assert "revisions: default (1.28.4) with 1 workload, next (1.29.1) with 1 workload" in found.text


def test_a_workload_in_the_middle_of_its_restart_is_proven_on_both_sides() -> None:
    """Its old pods are open: the policy is labelled for the revision that its new pods have."""
    closed = labelled(NOTHING, "next")
    running = [pod("rota", "default"), pod("rota", "next")]
    both = check(
        [*TWO[:2], namespace("crew", **{"istio.io/rev": "next"}), *workload("crew", "rota"), *running, closed], "cluster", access=[]
    )
    assert both.proven is False and bad(both, "OSM3302")
    done = check(
        [*TWO[:2], namespace("crew", **{"istio.io/rev": "next"}), *workload("crew", "rota"), running[1], closed], "cluster", access=[]
    )
    assert done.proven is True


def test_a_rollout_that_goes_on_is_compared_revision_by_revision() -> None:
    from ansible_collections.meshops.mesh.plugins.module_utils._authorization.change import difference_of
    from ansible_collections.meshops.mesh.plugins.module_utils._authorization.world import MeshPolicies

    running = [pod("rota", "default"), pod("rota", "next")]
    state = take([*TWO[:3], *workload("crew", "rota"), *running, labelled(NOTHING, "next")])
    same = difference_of(*((MeshPolicies(one.objects, one.mesh), one) for one in (state, state)))
    assert (same.opened, same.closed) == (0, 0)
    more = take([*TWO[:3], *workload("crew", "rota"), *running, NOTHING])
    assert difference_of(*((MeshPolicies(one.objects, one.mesh), one) for one in (state, more))).closed == 1


# nothing is assumed, and names


GATEWAY = {"app": "istio-ingressgateway", "istio": "ingressgateway"}


@pytest.mark.parametrize(
    ("objects", "where"),
    [
        (workload("istio-ingress", "edge", labels=GATEWAY), "istio-ingress/edge"),
        (
            [
                {
                    "apiVersion": "maistra.io/v2",
                    "kind": "ServiceMeshControlPlane",
                    "metadata": {"name": "m", "namespace": "cp"},
                    "spec": {"version": "v2.6", "gateways": {"egress": {"enabled": False}}},
                }
            ],
            "cp/istio-ingressgateway",
        ),
        (workload("other", "rota", labels={"istio": "ingressgateway", "app": "istio-ingressgateway", "v": "1"}), "other/rota"),
    ],
)
@pytest.mark.parametrize("action", ["DENY", "ALLOW", "CUSTOM"])
@pytest.mark.parametrize("inhabited", [False, True])
def test_a_policy_for_a_gateway_of_another_namespace_is_enforced_by_nobody(
    objects: list[dict[str, Any]], where: str, action: str, inhabited: bool
) -> None:
    more = {"provider": {"name": "x"}} if action == "CUSTOM" else {}
    edge = policy(
        {"to": [{"operation": {"paths": ["/admin*"]}}]},
        name="edge",
        namespace="crew",
        action=action,
        selector={"matchLabels": {"istio": "ingressgateway"}},
        **more,
    )
    own = workload("crew", "rota") if inhabited else []
    found = check([namespace("crew"), namespace("istio-ingress"), namespace("other"), *own, *objects, edge])
    (row,) = [row for row in found.report.rows if row.id == "OSM3005" and row.status != "passed"]
    assert row.status == "failed" and where in row.message and f"move it to {where.partition('/')[0]}" in row.message


def test_so_is_a_request_authentication() -> None:
    tokens = {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": "sso", "namespace": "crew"},
        "spec": {"selector": {"matchLabels": {"istio": "ingressgateway"}}, "jwtRules": [{"issuer": "https://sso.example.com"}]},
    }
    found = check([namespace("crew"), *workload("istio-ingress", "edge", labels=GATEWAY), tokens])
    assert [resource for resource, _message in bad(found, "OSM3005")] == ["RequestAuthentication crew/sso"]
    assert bad(check([namespace("crew"), tokens]), "OSM3005") == []


def test_a_policy_of_the_root_namespace_may_select_everywhere() -> None:
    edge = policy({}, name="edge", namespace="istio-system", action="DENY", selector={"matchLabels": {"istio": "ingressgateway"}})
    assert bad(check([*workload("istio-ingress", "edge", labels=GATEWAY), edge]), "OSM3005") == []


@pytest.mark.parametrize("where", ["cluster", "snapshot"])
def test_nothing_is_assumed_of_a_cluster_or_a_snapshot(where: str) -> None:
    lost = policy({}, name="lost", namespace="crew", selector={"matchLabels": {"app": "nosuch"}})
    found = check([config_map({}, **{"app.kubernetes.io/version": "1.28.4"}), namespace("crew"), lost], where)
    assert found.assumptions == () and found.coverage.destinations == 0
    assert [resource for resource, _message in bad(found, "OSM3005")] == ["AuthorizationPolicy crew/lost"]
    folder = check([namespace("crew"), lost])
    assert any("one is assumed for each selector" in text for text in folder.assumptions) and bad(folder, "OSM3005") == []


NAMES = [
    "cluster.local/ns/default/sa/curl",
    "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account",
    "cluster.local/ns/crew/sa/relief",
    "cluster.local/ns/monitoring/sa/prometheus",
]


def test_a_folder_does_not_say_who_is_nobody() -> None:
    ask = policy(source(principals=NAMES), source(namespaces=["kube-system"]), name="ask", namespace="crew")
    folder = [namespace("crew"), *workload("crew", "rota"), ask]
    assert bad(check(folder), "OSM3109", "OSM3110") == []
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "rota", "namespace": "crew"}}
    assert [message[-41:] for _resource, message in bad(check([*folder, account]), "OSM3109", "OSM3110")] == [
        "caller: there is no ServiceAccount crew/relief"[-41:]
    ]
    assert len(bad(check(folder, "cluster"), "OSM3109", "OSM3110")) == 5


@pytest.mark.parametrize(
    ("version", "enforced"),
    [("v1.24.6", True), ("v1.25.3", True), ("v1.25.4", False), ("v1.26.2", True), ("v1.26.3", False), ("v1.27.0", False)],
)
def test_before_some_version_ztunnel_got_the_policies_of_every_revision(version: str, enforced: bool) -> None:
    plane = {**ISTIO, "spec": {**ISTIO["spec"], "version": version}}
    ambient = namespace("crew", **{"istio.io/dataplane-mode": "ambient"})
    found = check([plane, ambient, *workload("crew", "rota"), labelled(NOTHING, "canary")], access=[])
    assert found.proven is enforced


def test_the_namespace_of_the_control_plane_is_not_the_root_namespace_of_the_mesh() -> None:
    """An intent names the control plane; which namespace holds for all is said by its configuration."""
    named = {"provider": "ossm3", "control_plane": {"name": "default", "namespace": "istio-system"}, "members": ["bank"]}
    version = {"app.kubernetes.io/version": "1.28.4"}
    found = check([config_map(CORP, **version), *BANK], access=MATRIX, **named)
    assert found.mesh["root_namespace"] == "mesh-policies" and found.proven is True
    silent = {**ISTIO, "spec": {"version": "v1.28.3"}}
    assert check([silent, *BANK[:-1]], **{**named, "control_plane": {"name": "default", "namespace": "cp"}}).mesh["root_namespace"] == "cp"
    other = config_map({"trustDomain": "other.example"}, where="elsewhere")
    both = check([config_map(CORP, **version), other, *BANK], access=MATRIX, **named)
    assert both.mesh["trust_domain"] == "bank.example" and both.proven is True
