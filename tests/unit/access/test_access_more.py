# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims, waypoints, what callers are told, closing of single workloads, and that nothing is opened again unasked."""

from __future__ import annotations

from typing import Any

import pytest
from access_travel import AGENCY, CONTROL, DOMAINS, PORTAL, ROOT, intent, mesh, workload
from ansible_collections.meshops.mesh.plugins.module_utils._access.intent import read_intent
from ansible_collections.meshops.mesh.plugins.module_utils._access.stages import AccessPlan, StageSettings, plan_access
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import take
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.proof import prove, read_matrix
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.world import MeshPolicies
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.overlay import overlaid

Obj = dict[str, Any]
SETTINGS = StageSettings(mesh="travel-prod", taken_at="2026-06-01T00:00:00Z")
ISSUER: Obj = {"name": "sso", "issuer": "https://sso.example.com/auth/realms/lab", "jwks_uri": "https://sso.example.com/certs"}


def plan(value: Obj, objects: list[Obj] | None = None, **settings: Any) -> AccessPlan:
    given = StageSettings(**{**vars(SETTINGS), **settings})
    return plan_access(read_intent(value, DOMAINS), objects or mesh(), given)


def live(obj: Obj, layer: str) -> Obj:
    labels = {"app.kubernetes.io/managed-by": "meshops.mesh", "mesh.meshops.io/mesh": "travel-prod", "mesh.meshops.io/layer": layer}
    return {**obj, "metadata": {**obj["metadata"], "labels": labels, "creationTimestamp": "2026-05-01T00:00:00Z"}}


def applied(done: AccessPlan, objects: list[Obj]) -> list[Obj]:
    return list(overlaid(objects, [live(obj, stage.name) for stage in done.stages for obj in stage.objects]))  # type: ignore[arg-type]


def made(done: AccessPlan, kind: str) -> dict[str, Obj]:
    found = [obj for stage in done.stages for obj in stage.objects if obj["kind"] == kind]
    return {f"{obj['metadata']['namespace']}/{obj['metadata']['name']}": obj["spec"] for obj in found}


def refused(value: Obj, objects: list[Obj] | None = None, **settings: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        plan(value, objects, **settings)
    return str(caught.value)


# -- tokens and claims


def partner(**rule: Any) -> Obj:
    """Only the partner's gateway is closed."""
    own = {"name": "partner", "from": ["anyone"], "to": ["gateway:gto"], "tokens": ["sso/*"], **rule}
    return {"default_deny": False, "issuers": [ISSUER], "rules": [own]}


def with_gateway() -> list[Obj]:
    found = workload(ROOT, "gto", 8443, "https", labels={"app": "gto", "istio": "gto-gateway"}, account="gto")
    found[0]["metadata"]["name"] = "gto"
    return [*mesh(), *found]


def test_a_token_of_an_issuer_is_demanded_at_one_gateway_and_nothing_else_is_closed() -> None:
    done = plan(partner(), with_gateway())
    assert done.closed == (f"{ROOT}/gto",)
    assert [stage.name for stage in done.stages] == ["access_tokens", "access_allow"]
    assert made(done, "RequestAuthentication") == {
        f"{ROOT}/access-gto": {
            "selector": {"matchLabels": {"app": "gto"}},
            "jwtRules": [{"issuer": ISSUER["issuer"], "jwksUri": ISSUER["jwks_uri"]}],
        }
    }
    assert made(done, "AuthorizationPolicy") == {
        f"{ROOT}/access-gto": {
            "selector": {"matchLabels": {"app": "gto"}},
            "action": "ALLOW",
            "rules": [{"from": [{"source": {"requestPrincipals": [f"{ISSUER['issuer']}/*"]}}]}],
        }
    }


def test_claims_become_conditions_and_are_part_of_the_proof() -> None:
    done = plan(partner(claims={"groups": ["partners", "gold"], "realm_access[roles]": ["search"]}), with_gateway())
    (policy,) = made(done, "AuthorizationPolicy").values()
    assert policy["rules"][0]["when"] == [
        {"key": "request.auth.claims[groups]", "values": ["partners", "gold"]},
        {"key": "request.auth.claims[realm_access][roles]", "values": ["search"]},
    ]
    policy["rules"][0]["when"].pop()
    inventory = take(applied(done, with_gateway()))
    proof = prove(MeshPolicies(inventory.objects, inventory.mesh), inventory, read_matrix(done.matrix), [ROOT])
    assert any("realm_access" in str(group.to_dict()) for group in proof.more), "one condition less is more access"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"claims": {}}, "claims is {}, expected a map of a claim's name to a list of values"),
        ({"claims": {"groups": []}}, "claims.groups is an empty list"),
        ({"claims": {"a]b": ["x"]}}, "'a]b' is no name of a claim"),
    ],
)
def test_claims_that_cannot_be_used(rule: Obj, said: str) -> None:
    assert said in refused(partner(**rule), with_gateway())


def test_claims_need_an_issuer() -> None:
    value = {"rules": [{"name": "x", "from": ["anyone"], "to": ["gateway:ingress"], "claims": {"groups": ["a"]}}]}
    assert "x).claims: say in tokens whose token it is" in refused(value)


# -- waypoints


def ambient(*also: Obj) -> list[Obj]:
    """The agency in ambient behind a waypoint; portal and control in ambient; the gateway as ever."""
    way: Obj = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "way", "namespace": AGENCY},
        "spec": {"gatewayClassName": "istio-waypoint"},
    }
    found = [*mesh(), way, *also]
    for obj in found:
        if obj["kind"] == "Namespace" and obj["metadata"]["name"] != ROOT:
            labels = {"istio.io/dataplane-mode": "ambient"}
            obj["metadata"]["labels"] = {**labels, **({"istio.io/use-waypoint": "way"} if obj["metadata"]["name"] == AGENCY else {})}
    return found


def in_ambient(**changes: Any) -> Obj:
    """The database speaks TCP, of which a waypoint is told by its port alone."""
    return intent(**changes)


def test_a_rule_is_kept_by_the_waypoint_and_the_workload_takes_only_the_waypoint() -> None:
    done = plan(in_ambient(), ambient())
    policies = made(done, "AuthorizationPolicy")
    cars = policies[f"{AGENCY}/access-service-cars"]
    assert cars["targetRefs"] == [{"group": "", "kind": "Service", "name": "cars"}] and "selector" not in cars
    assert cars["rules"] == [
        {"from": [{"source": {"principals": [f"cluster.local/ns/{AGENCY}/sa/travels"]}}], "to": [{"operation": {"methods": ["GET"]}}]}
    ]
    assert policies[f"{AGENCY}/access-cars"] == {
        "selector": {"matchLabels": {"app": "cars"}},
        "action": "ALLOW",
        "rules": [{"from": [{"source": {"principals": [f"cluster.local/ns/{AGENCY}/sa/way"]}}]}],
    }
    assert policies[f"{PORTAL}/access-viaggi"]["rules"][0]["from"] == [
        {"source": {"principals": [f"cluster.local/ns/{CONTROL}/sa/control"]}}
    ]
    assert {f"{AGENCY}/cars (waypoint way)", f"{AGENCY}/cars-v1"} <= set(done.closed)


def test_a_service_that_nobody_may_call_is_closed_at_the_waypoint_too() -> None:
    rules = [rule for rule in intent()["rules"] if rule["name"] != "discounts"]
    done = plan(intent(rules=rules), ambient())
    assert made(done, "AuthorizationPolicy")[f"{AGENCY}/access-service-discounts"] == {
        "targetRefs": [{"group": "", "kind": "Service", "name": "discounts"}]
    }


def test_ports_at_a_waypoint_are_those_of_the_service() -> None:
    objects = ambient()
    service = next(obj for obj in objects if obj["kind"] == "Service" and obj["metadata"] == {"namespace": AGENCY, "name": "cars"})
    service["spec"]["ports"][0] |= {"port": 80, "targetPort": 8000}
    rules = [*intent()["rules"], {"name": "more", "from": [f"{PORTAL}/viaggi"], "to": [f"{AGENCY}/cars"], "ports": [8000]}]
    policies = made(plan(intent(rules=rules), objects), "AuthorizationPolicy")
    assert policies[f"{AGENCY}/access-service-cars"]["rules"][1]["to"] == [{"operation": {"ports": ["80"]}}]
    assert policies[f"{AGENCY}/access-cars"]["rules"][1]["to"] == [{"operation": {"ports": ["8000"]}}]


def test_a_caller_with_a_sidecar_goes_past_the_waypoint() -> None:
    objects = ambient()
    for obj in objects:
        if obj["kind"] == "Namespace" and obj["metadata"]["name"] == PORTAL:
            obj["metadata"]["labels"] = {"istio-injection": "enabled"}
    text = refused(intent(), objects)
    assert "asks for methods of prod-travel-portal/travels-v1" in text
    assert f"who can call {AGENCY}/travels-v1 past the waypoint of travels" in text
    rules = [{key: value for key, value in rule.items() if key != "methods"} for rule in intent()["rules"]]
    policy = made(plan(intent(rules=rules), objects), "AuthorizationPolicy")[f"{AGENCY}/access-travels"]
    assert policy["rules"] == [
        {
            "from": [
                {
                    "source": {
                        "principals": [
                            f"cluster.local/ns/{AGENCY}/sa/way",
                            *(f"cluster.local/ns/{PORTAL}/sa/{name}" for name in ("travels", "viaggi", "voyages")),
                        ]
                    }
                }
            ]
        }
    ]


def test_a_method_without_a_waypoint_is_refused() -> None:
    objects = [obj for obj in ambient() if obj["kind"] != "Gateway"]
    assert f"asks for methods at {AGENCY}/cars-v1, which ztunnel guards: it sees only connections; give its Service a waypoint" in refused(
        intent(), objects
    )


def test_calls_through_a_waypoint_are_predicted_as_the_caller_sees_them() -> None:
    done = plan(intent(), ambient())
    last = {(call["from"], call["to"], call.get("method")): call["expected"] for call in done.stages[-1].calls}
    assert last[(f"{AGENCY}/travels-v1", f"{AGENCY}/cars-v1", "GET")] == "allowed"
    assert last[(f"{CONTROL}/control-v1", f"{AGENCY}/cars-v1", "GET")] == "denied"
    assert last[(f"{ROOT}/istio-ingressgateway", f"{AGENCY}/cars-v1", "GET")] == "denied"


# -- what callers are told


def test_callers_are_told_of_mutual_tls_where_asked() -> None:
    exceptions = [
        {"name": "old kiosk", "for": f"{CONTROL}/control", "ports": {8080: "PERMISSIVE"}},
        {"for": f"{AGENCY}/discounts", "mode": "PERMISSIVE"},
    ]
    done = plan(intent(mtls={"mode": "STRICT", "destination_rules": True, "exceptions": exceptions}))
    assert made(done, "DestinationRule") == {
        f"{space}/access-mtls": {"host": f"*.{space}.svc.cluster.local", "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}}
        for space in (AGENCY, CONTROL, PORTAL)
    }
    named = [obj for stage in done.stages for obj in stage.objects if obj["metadata"].get("annotations")]
    assert [obj["metadata"]["annotations"] for obj in named] == [{"mesh.meshops.io/exception": "old kiosk"}]
    assert not made(plan(intent()), "DestinationRule")


def test_a_caller_of_a_plain_workload_is_told_so() -> None:
    rules = [{"name": "kiosk", "from": ["anyone"], "to": [f"{AGENCY}/discounts"]}, *intent()["rules"][:5], intent()["rules"][6]]
    exceptions = [{"for": f"{AGENCY}/discounts", "mode": "DISABLE"}]
    done = plan(intent(rules=rules, mtls={"mode": "STRICT", "destination_rules": True, "exceptions": exceptions}))
    assert made(done, "DestinationRule")[f"{AGENCY}/access-discounts-discounts"] == {
        "host": f"discounts.{AGENCY}.svc.cluster.local",
        "trafficPolicy": {"tls": {"mode": "DISABLE"}},
    }
    assert next(stage.name for stage in done.stages) == "access_exceptions"


def test_workloads_know_only_the_hosts_that_they_may_call_where_asked() -> None:
    done = plan(intent(egress={"sidecars": True, "also": ["egress/api.partner.example.com"]}))
    assert done.stages[-1].name == "access_egress"
    sidecars = made(done, "Sidecar")
    hosts = sidecars[f"{AGENCY}/access-cars"]["egress"][0]["hosts"]
    assert sidecars[f"{AGENCY}/access-cars"] == {"workloadSelector": {"labels": {"app": "cars"}}, "egress": [{"hosts": hosts}]}
    assert sorted(hosts) == hosts and set(hosts) == {
        "egress/api.partner.example.com",
        f"{ROOT}/*",
        f"{ROOT}/istio-ingressgateway.{ROOT}.svc.cluster.local",
        f"{AGENCY}/discounts.{AGENCY}.svc.cluster.local",
        f"{AGENCY}/mysqldb.{AGENCY}.svc.cluster.local",
    }
    gateway = workload(AGENCY, "edge", labels={"app": "edge", "istio": "ingressgateway"})
    gateway[0]["spec"]["template"]["metadata"]["annotations"] = {"inject.istio.io/templates": "gateway"}
    assert made(plan(intent(egress={"sidecars": True}), [*mesh(), *gateway]), "Sidecar").keys() == sidecars.keys(), (
        "a gateway calls for others"
    )
    assert len(sidecars) == 11 and not any("cars." in host for host in sidecars[f"{AGENCY}/access-discounts"]["egress"][0]["hosts"])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"egress": {"sidecars": True, "also": ["example.com"]}}, "'example.com' is no NAMESPACE/HOST"),
        ({"egress": {"sidecar": True}}, "mesh_access.egress.sidecar is not known"),
        ({"default_deny": "perhaps"}, "mesh_access.default_deny is 'perhaps', expected true or false"),
    ],
)
def test_forms(value: Obj, said: str) -> None:
    assert said in refused(intent(**value))


# -- what is closed stays closed


def test_a_smaller_intent_does_not_open_what_an_older_one_has_closed() -> None:
    state = applied(plan(intent(), with_gateway()), with_gateway())
    text = refused(partner(), state)
    assert "does not close any more what an older one has closed: " in text
    assert f"{AGENCY}/cars-v1 (AuthorizationPolicy {AGENCY}/access-cars)" in text
    assert "access_reopen=true" in text
    assert plan(partner(), state, reopen=True).leftovers


def test_a_rule_that_goes_closes_and_needs_no_word() -> None:
    state = applied(plan(intent()), mesh())
    rules = [rule for rule in intent()["rules"] if rule["name"] != "discounts"]
    done = plan(intent(rules=rules), state)
    assert [obj["metadata"]["name"] for obj in done.leftovers] == ["access-discounts"]


# -- callers that no team thinks of


def with_pod(name: str, annotations: Obj, container: Obj) -> list[Obj]:
    objects = mesh()
    template = next(obj for obj in objects if obj["metadata"]["name"] == f"{name}-v1" and obj["metadata"]["namespace"] == AGENCY)["spec"][
        "template"
    ]
    template["metadata"]["annotations"] = annotations
    template["spec"]["containers"] = [container]
    return objects


PROBED: Obj = {
    "name": "app",
    "ports": [{"name": "web", "containerPort": 8000}, {"name": "metrics", "containerPort": 9102}],
    "livenessProbe": {"httpGet": {"port": "web"}},
    "readinessProbe": {"exec": {"command": ["true"]}},
}


def test_a_probe_that_is_not_rewritten_would_stop_the_pod() -> None:
    plain = {"sidecar.istio.io/rewriteAppHTTPProbers": "false"}
    text = refused(intent(), with_pod("cars", plain, PROBED))
    assert f"{AGENCY}/cars-v1: the livenessProbe at port 8000 would be denied and the pod restarted" in text
    assert "readinessProbe" not in text
    assert plan(intent(), with_pod("cars", {}, PROBED)).stages
    rules = [*intent()["rules"], {"name": "kubelet", "from": ["plaintext"], "to": [f"{AGENCY}/cars"], "ports": [8000]}]
    mtls = {"mode": "STRICT", "exceptions": [{"name": "kubelet", "for": f"{AGENCY}/cars", "ports": {8000: "PERMISSIVE"}}]}
    assert plan(intent(rules=rules, mtls=mtls), with_pod("cars", plain, PROBED)).stages


@pytest.mark.parametrize("how", ["annotation", "PodMonitor", "ServiceMonitor", "merged"])
def test_metrics_that_nobody_could_read_any_more_are_named(how: str) -> None:
    marks = {"prometheus.io/scrape": "true", "prometheus.io/port": "9102"}
    marks |= {"prometheus.istio.io/merge-metrics": "false"} if how == "annotation" else {}
    objects = with_pod("cars", marks if how in ("annotation", "merged") else {}, PROBED)
    service = next(obj for obj in objects if obj["kind"] == "Service" and obj["metadata"]["name"] == "cars")
    service["metadata"]["labels"] = {"team": "cars"}
    service["spec"]["ports"].append({"name": "metrics", "port": 9102, "targetPort": "metrics"})
    if how.endswith("Monitor"):
        key, labels = ("podMetricsEndpoints", {"app": "cars"}) if how == "PodMonitor" else ("endpoints", {"team": "cars"})
        objects.append(
            {
                "apiVersion": "monitoring.coreos.com/v1",
                "kind": how,
                "metadata": {"name": "cars", "namespace": AGENCY},
                "spec": {"selector": {"matchLabels": labels}, key: [{"port": "metrics"}]},
            }
        )
    others = [
        ("Widget", AGENCY, "a text"),
        ("Widget", AGENCY, {"matchLabels": {}}),
        ("PodMonitor", PORTAL, {}),
        ("PodMonitor", AGENCY, {"matchLabels": {"app": "x"}}),
    ]
    objects += [
        {
            "apiVersion": "example.com/v1",
            "kind": kind,
            "metadata": {"name": "other", "namespace": space},
            "spec": {"selector": selector, "podMetricsEndpoints": [{"port": "metrics"}]},
        }
        for kind, space, selector in others
    ]
    rules = [rule | {"ports": [8000]} if rule["name"] == "search" else rule for rule in intent()["rules"]]
    notes = plan(intent(rules=rules), objects).notes
    assert [f"read port 9102 of {AGENCY}/cars-v1" in note for note in notes] == ([] if how == "merged" else [True])


# -- pods that no selector can mean


def bare_pod(**labels: str) -> Obj:
    """Somebody's debugging pod, in the mesh."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": AGENCY, "name": "shell", **({"labels": labels} if labels else {})},
        "spec": {"serviceAccountName": "default", "containers": [{"name": "shell", "image": "busybox"}, {"name": "istio-proxy"}]},
    }


def test_a_pod_without_labels_that_nobody_calls_is_closed_by_the_default_deny_of_its_namespace() -> None:
    without, done = plan(intent()), plan(intent(), [*mesh(), bare_pod()])
    assert f"{AGENCY}/shell" in done.closed
    assert made(done, "AuthorizationPolicy") == made(without, "AuthorizationPolicy")


def test_a_pod_without_labels_that_somebody_calls_needs_one() -> None:
    rules = [*intent()["rules"], {"name": "shell", "from": [f"{CONTROL}/control"], "to": [f"{AGENCY}/shell"]}]
    text = refused(intent(rules=rules), [*mesh(), bare_pod()])
    assert f"no labels select {AGENCY}/shell and nothing else of {AGENCY}: give its pods a label app of their own" in text
    assert f"{AGENCY}/access-shell" in made(plan(intent(rules=rules), [*mesh(), bare_pod(app="shell")]), "AuthorizationPolicy")
