# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before anything is rendered: each mistake by its message, all of them at once."""

from __future__ import annotations

from typing import Any

import pytest
from access_travel import AGENCY, CONTROL, DOMAINS, PORTAL, ROOT, intent, mesh, workload
from ansible_collections.meshops.mesh.plugins.module_utils._access.intent import read_intent
from ansible_collections.meshops.mesh.plugins.module_utils._access.stages import AccessPlan, StageSettings, plan_access
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError

Obj = dict[str, Any]
GOOD: Obj = {"name": "good", "from": [f"{AGENCY}/cars"], "to": [f"{AGENCY}/discounts"]}
PARTNER = {"name": "partner", "issuer": "https://sso.example.com", "jwks_uri": "https://sso.example.com/certs"}


def plan(value: Any, objects: list[Obj] | None = None) -> AccessPlan:
    return plan_access(read_intent(value, DOMAINS), objects or mesh(), StageSettings(mesh="travel-prod"))


def with_rule(**rule: Any) -> Obj:
    return {"rules": [{**GOOD, **rule}]}


FORMS: dict[str, tuple[Any, str]] = {
    "no map": ([], "mesh_access is [], expected a map with namespaces, rules"),
    "no rules": ({"rules": []}, "mesh_access.rules is empty, so no call would be allowed"),
    "unknown key": ({"rules": [GOOD], "rule": []}, "mesh_access.rule is not known; there are namespaces, rules, never"),
    "empty from": (with_rule(**{"from": []}), "rules[0] (good).from is an empty list, which Istio would take for anyone or anything"),
    "empty methods": (with_rule(methods=[]), "(good).methods is an empty list, which Istio would take for anyone"),
    "empty namespaces": ({"rules": [GOOD], "namespaces": []}, "mesh_access.namespaces is an empty list"),
    "no to": ({"rules": [{"name": "x", "from": ["anyone"]}]}, "rules[0] (x) has no to"),
    "text for list": (with_rule(to="prod/x"), "(good).to is 'prod/x', expected a list"),
    "no namespace": (with_rule(to=["cars"]), "'cars' is none of NAMESPACE/WORKLOAD, namespace:NAME"),
    "unknown word": (with_rule(**{"from": ["everyone"]}), "'everyone' is none of anyone, authenticated, plaintext, NAMESPACE/WORKLOAD"),
    "empty name": (with_rule(to=[""]), "'' is no name"),
    "null name": (with_rule(to=[None]), "None is no name"),
    "port": (with_rule(ports=[80000]), "'80000' is no port of a pod"),
    "method": (with_rule(methods=["get"]), "'get' never matches, methods are in capitals: GET"),
    "path": (with_rule(paths=["items"]), "'items' never matches, a path begins with /"),
    "issuer": ({"rules": [GOOD], "issuers": [{"name": "a", "issuer": "b"}]}, "issuers[0] needs one of jwks_uri and jwks"),
    "issuers": ({"rules": [GOOD], "issuers": [PARTNER, PARTNER]}, "there are several mesh_access.issuers of the name partner"),
    "mode": (
        {"rules": [GOOD], "mtls": {"mode": "strict"}},
        "mesh_access.mtls.mode is 'strict', expected one of STRICT, PERMISSIVE, DISABLE",
    ),
    "nothing said": (
        {"rules": [GOOD], "mtls": {"exceptions": [{"for": f"{AGENCY}/cars"}]}},
        "has no mode and no ports, so it says nothing",
    ),
    "ports of all": (
        {"rules": [GOOD], "mtls": {"exceptions": [{"for": f"namespace:{AGENCY}", "ports": {80: "DISABLE"}}]}},
        "ports are those of a workload",
    ),
}


@pytest.mark.parametrize("name", list(FORMS))
def test_forms(name: str) -> None:
    value, said = FORMS[name]
    with pytest.raises(ConfigError) as caught:
        read_intent(value, DOMAINS)
    assert said in str(caught.value)


@pytest.mark.parametrize(("said", "forward"), [(True, True), ("true", True), ("no", False), (False, False)])
def test_a_switch_may_be_a_text(said: Any, forward: bool) -> None:
    assert read_intent({"rules": [GOOD], "issuers": [{**PARTNER, "forward": said}]}, DOMAINS).issuers[0].forward is forward


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        read_intent({"rules": [{**GOOD, "methods": ["get"]}, {**GOOD, "from": []}], "x": 1}, DOMAINS)
    assert str(caught.value).count("\n- ") == 3


def test_without_domains_nothing_would_be_closed() -> None:
    with pytest.raises(ConfigError, match=r"mesh_access\.namespaces is not set and mesh_domains has no namespaces"):
        read_intent({"rules": [GOOD]})


NAMES: dict[str, tuple[Obj, str]] = {
    "workload": (
        with_rule(to=[f"{AGENCY}/trains"]),
        f"(good).to: {AGENCY}/trains does not exist; there are {AGENCY}/cars, {AGENCY}/discounts",
    ),
    "namespace": (with_rule(**{"from": ["namespace:nowhere"]}), "(good).from: namespace:nowhere does not exist; it has no workload"),
    "domain": (with_rule(**{"from": ["domain:trains"]}), "domain:trains does not exist; mesh_domains has travel-services, travel-portal"),
    "gateway": (with_rule(**{"from": ["gateway:partner"]}), "gateway:partner does not exist; there are istio-ingressgateway"),
    "service": (with_rule(to=[f"service:{AGENCY}/trains"]), f"service:{AGENCY}/trains does not exist; there is no such Service"),
    "account": (
        with_rule(**{"from": [f"serviceaccount:{AGENCY}/robot"]}),
        f"serviceaccount:{AGENCY}/robot does not exist, and no workload",
    ),
    "issuer": (with_rule(tokens=["partner/*"]), "'partner/*' is no ISSUER/SUBJECT of an issuer of mesh_access.issuers (which is empty)"),
    "closed namespace": ({"rules": [GOOD], "namespaces": [AGENCY, "empty"]}, "mesh_access.namespaces: empty has no workload in the source"),
    "open namespace": (
        {"rules": [GOOD], "namespaces": [PORTAL]},
        f"{AGENCY}/discounts-v1 is in {AGENCY}, which mesh_access.namespaces does not name",
    ),
    "port": (with_rule(ports=[9000]), f"(good).ports: {AGENCY}/discounts-v1 has no 9000; its Services lead to 8000"),
    "http at tcp": (
        with_rule(to=[f"{AGENCY}/mysqldb"], methods=["GET"]),
        f"asks for methods at {AGENCY}/mysqldb-v1, whose Service says TCP",
    ),
    "anyone and more": (with_rule(**{"from": ["anyone", f"{AGENCY}/cars"]}), "anyone includes every caller, so anyone, "),
    "disabled": (
        {"rules": [GOOD], "mtls": {"exceptions": [{"for": f"{AGENCY}/discounts", "mode": "DISABLE"}]}},
        f"lets {AGENCY}/cars call {AGENCY}/discounts-v1 by identity, and mesh_access.mtls.exceptions for {AGENCY}/discounts says DISABLE",
    ),
    "never": (
        {"rules": [GOOD], "never": [{"name": "bad", "from": ["domain:travel-services"], "to": [f"{AGENCY}/discounts"], "paths": ["/a*"]}]},
        f"mesh_access.rules[0] (good) (from {AGENCY}/cars to {AGENCY}/discounts) lets {AGENCY}/cars call {AGENCY}/discounts-v1, and "
        "mesh_access.never[0] (bad)",
    ),
}


@pytest.mark.parametrize("name", list(NAMES))
def test_names_and_contradictions(name: str) -> None:
    value, said = NAMES[name]
    with pytest.raises(ConfigError) as caught:
        plan(value)
    assert said in str(caught.value), str(caught.value)


def test_a_service_stands_for_the_workloads_that_it_leads_to() -> None:
    twin = workload(PORTAL, "discounts")
    bare = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": AGENCY, "name": "bare"}, "spec": {}}
    foreign = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"namespace": AGENCY, "name": "foreign"}}
    objects = [*mesh(), *twin, bare, foreign]
    named = plan(with_rule(), objects)
    assert plan(with_rule(to=[f"service:{AGENCY}/discounts"]), objects).stages == named.stages
    for name, why in (("bare", "it has no selector, or none of its pods are known"), ("foreign", "there is no such Service")):
        with pytest.raises(ConfigError, match=f"service:{AGENCY}/{name} does not exist; {why}"):
            plan(with_rule(to=[f"service:{AGENCY}/{name}"]), objects)


def test_callers_that_a_rule_and_a_never_share_are_named_in_order() -> None:
    callers = [f"{AGENCY}/{name}" for name in ("insurances", "cars", "hotels", "flights", "travels")]
    never = [{"name": "bad", "from": [*reversed(callers), f"{CONTROL}/control"], "to": [f"{AGENCY}/discounts"]}]
    with pytest.raises(ConfigError, match=f"lets {', '.join(sorted(callers))} call"):
        plan({**with_rule(**{"from": [*callers, f"{PORTAL}/viaggi"]}), "never": never})


@pytest.mark.parametrize("rule", [{"paths": ["/b/*"]}, {"methods": ["POST"], "paths": ["/a/x"]}, {"ports": [8000], "methods": ["PUT"]}])
def test_a_never_that_speaks_of_other_requests_is_no_contradiction(rule: Obj) -> None:
    ban = {"name": "bad", "from": [f"{AGENCY}/cars"], "to": [f"{AGENCY}/discounts"], **rule}
    value = {"rules": [{**GOOD, "methods": ["GET"], "paths": ["/a*"]}], "never": [ban]}
    assert plan(value).stages


def test_callers_that_share_an_account_cannot_be_told_apart() -> None:
    objects = [obj for obj in mesh() if obj["metadata"]["name"] not in ("cars", "cars-v1")] + workload(AGENCY, "cars", account="hotels")
    with pytest.raises(ConfigError, match=rf"no policy can tell {AGENCY}/cars from {AGENCY}/hotels-v1: all run as the service account"):
        plan(with_rule(), objects)
    assert plan(with_rule(**{"from": [f"serviceaccount:{AGENCY}/hotels"]}), objects).stages


def test_a_workload_without_a_proxy_cannot_be_closed() -> None:
    objects = mesh()
    outside = next(obj for obj in objects if obj["metadata"]["name"] == "cars-v1")
    outside["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] = "false"
    with pytest.raises(ConfigError, match=f"{AGENCY}/cars-v1 has no proxy, so nothing would be enforced there"):
        plan(intent(), objects)


def test_anyone_at_a_sidecar_under_strict_mutual_tls_is_less_than_meant() -> None:
    with pytest.raises(ConfigError, match="intended and not allowed: callers without an identity"):
        plan({"rules": [{"from": ["anyone"], "to": [f"{CONTROL}/control"]}]})
    assert plan({"rules": [{"from": ["authenticated"], "to": [f"{CONTROL}/control"]}]}).stages


def test_a_policy_of_somebody_else_that_allows_more_is_named() -> None:
    more = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "mine", "namespace": AGENCY},
        "spec": {"rules": [{"from": [{"source": {"namespaces": [CONTROL]}}]}]},
    }
    with pytest.raises(ConfigError) as caught:
        plan(intent(), [*mesh(), more])
    assert "nothing was changed" in str(caught.value)
    assert "allowed and not intended: prod-travel-control/control-v1" in str(caught.value) and f"{AGENCY}/mine" in str(caught.value)


def test_a_policy_of_somebody_else_that_denies_a_call_is_named() -> None:
    less = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "block", "namespace": ROOT},
        "spec": {"action": "DENY", "rules": [{"from": [{"source": {"namespaces": [CONTROL]}}]}]},
    }
    with pytest.raises(ConfigError, match=f"intended and not allowed: prod-travel-control/control-v1(.|\n)*{ROOT}/block"):
        plan(intent(), [*mesh(), less])
