# SPDX-License-Identifier: GPL-3.0-or-later
"""AuthorizationPolicies in the real Envoys of a bed: translated by the bed, and answered as the collection's evaluator predicts."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import collection_support  # noqa: F401  # isort: skip  the next imports need it
import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.authentication import Token
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import take
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.model import Request
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.world import MeshPolicies
from envoys_support import Mesh, until
from testbed import Bed
from tokens_support import TokenIssuer, issuing

Obj = dict[str, Any]
DENIED = "RBAC: access denied"
PORTAL = {"source": {"principals": ["cluster.local/ns/shop/sa/portal"]}}
REQUESTS = (("GET", "/"), ("GET", "/items/1"), ("GET", "/items/../admin"), ("POST", "/items/1"), ("GET", "/admin"))


def mostly(cases: Iterable[str], later: Collection[str]) -> list[Any]:
    """The cases; those of `later`, whose parts other cases have too, with the long stories."""
    return [pytest.param(name, marks=pytest.mark.long) if name in later else name for name in cases]


@pytest.fixture(scope="module")
def mesh(worker_id: str) -> Iterator[Mesh]:
    bed = Bed.start(f"policies-{worker_id}", ("sail", "envoys"), owner=os.getpid())
    found = Mesh(bed)
    found.install()
    found.deploy("portal", "cars", "other")
    yield found
    bed.stop()


@pytest.fixture(autouse=True)
def open_again(mesh: Mesh) -> Iterator[None]:
    yield
    mesh.bed.set_faults({})
    mesh.bed.kubectl("delete", "authorizationpolicies.security.istio.io,requestauthentications.security.istio.io", "--all", "-A")
    until(lambda: mesh.call("other", "cars") == "200", what="no policy")


def policy(name: str, spec: Obj, namespace: str = "shop") -> Obj:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": meta, "spec": spec}


def send(mesh: Mesh, client: str, method: str, path: str, token: str = "") -> str:
    header = ("-H", f"Authorization: Bearer {token}") if token else ()
    options = ("-s", "-m", "8", "--path-as-is", "-X", method, "-w", " %{http_code}", *header)
    return mesh.exec(client, "curl", *options, f"http://cars:8000{path}", container="app")


def settled(mesh: Mesh, *names: str) -> None:
    """Until the proxy of cars has these policies and no others."""

    def known() -> bool:
        dump = mesh.exec("cars", "pilot-agent", "request", "GET", "config_dump")
        return all(f"-policy[{name}]-rule[0]" in dump for name in names) and dump.count("-policy[") >= len(names)

    until(known, what=f"{names} in the proxy")


CASES: dict[str, list[Obj]] = {
    "allow": [
        policy(
            "a",
            {
                "selector": {"matchLabels": {"app": "cars"}},
                "rules": [{"from": [PORTAL], "to": [{"operation": {"methods": ["GET"], "paths": ["/items/*"]}}]}],
            },
        )
    ],
    "nothing": [policy("n", {})],
    "two": [
        policy("n", {}),
        policy("a", {"rules": [{"from": [{"source": {"namespaces": ["sh*"]}}], "to": [{"operation": {"paths": ["/"]}}]}]}),
    ],
    "deny": [policy("d", {"action": "DENY", "rules": [{"to": [{"operation": {"paths": ["/admin"], "notMethods": ["POST"]}}]}]})],
    "root": [policy("r", {"rules": [{"from": [{"source": {"notPrincipals": ["cluster.local/ns/shop/sa/other"]}}]}]}, "istio-system")],
    "port": [policy("p", {"rules": [{"to": [{"operation": {"ports": ["8000"]}}], "from": [PORTAL]}]})],
    "when": [
        policy(
            "w",
            {
                "rules": [
                    {"when": [{"key": "source.principal", "values": ["*/sa/portal"]}, {"key": "destination.port", "notValues": ["9000"]}]}
                ]
            },
        )
    ],
}


@pytest.mark.parametrize("name", mostly(CASES, later=("nothing", "two", "port")))
def test_envoy_answers_as_the_evaluator_predicts(mesh: Mesh, name: str) -> None:
    mesh.apply(*CASES[name])
    settled(mesh, *(obj["metadata"]["name"] for obj in CASES[name]))
    inventory = take(
        [
            *CASES[name],
            mesh.get("istio", "default"),
            mesh.get("deployment", "cars", "-n", "shop"),
            mesh.get("service", "cars", "-n", "shop"),
            mesh.get("namespace", "shop"),
        ]
    )
    world = MeshPolicies(inventory.objects, inventory.mesh)
    cars = next(place for place in inventory.places if place.name == "cars")
    seen = set()
    for client in ("portal", "other"):
        for method, path in REQUESTS:
            asked = "/admin" if ".." in path else path
            request = Request(principal=f"cluster.local/ns/shop/sa/{client}", port=8000, method=method, host="cars:8000", path=asked)
            wanted = world.answer(cars.workload, request, now=datetime.now(UTC)).allowed
            answer = send(mesh, client, method, path)
            assert answer.endswith(" 200" if wanted else f"{DENIED} 403"), (client, method, path, wanted, answer)
            seen.add(wanted)
    assert seen == ({False} if name == "nothing" else {True, False})


TOKENS: dict[str, tuple[str, Obj]] = {  # what becomes of the signature, and the claims that are not as usual
    "none": ("none", {}),
    "good": ("good", {}),
    "another key": ("bad", {}),
    "another issuer": ("good", {"iss": "https://other.example.com"}),
    "expired": ("good", {"exp": 1700000000}),
    "another audience": ("good", {"aud": "somebody"}),
    "no subject": ("good", {"sub": ""}),
    "groups": ("good", {"groups": ["a", "partners"], "realm": {"role": "gold"}}),
    "scope": ("good", {"scope": "read write"}),
}
TOKEN_RULES: dict[str, Obj] = {
    "principal": {"from": [{"source": {"requestPrincipals": ["https://sso.example.com/gto*"]}}]},
    "any": {"from": [{"source": {"requestPrincipals": ["*"]}}]},
    "claim": {
        "when": [
            {"key": "request.auth.claims[groups]", "values": ["partners"]},
            {"key": "request.auth.claims[realm][role]", "values": ["go*"]},
        ]
    },
    "scope": {"when": [{"key": "request.auth.claims[scope]", "values": ["write"]}]},
    "not": {"from": [{"source": {"notRequestPrincipals": ["*"]}}]},
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    with issuing("https://sso.example.com") as found:
        yield found


@pytest.mark.parametrize("name", mostly(TOKEN_RULES, later=("any", "scope")))
def test_envoy_reads_tokens_as_the_evaluator_predicts(mesh: Mesh, issuer: TokenIssuer, name: str) -> None:
    """Real tokens, and keys that the control plane fetches where the RequestAuthentication says."""
    rule = {"issuer": issuer.issuer, "jwksUri": f"{issuer.url}/certs", "audiences": ["travel"]}
    reader = {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": "sso", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "cars"}}, "jwtRules": [rule]},
    }
    objects = [reader, policy("t", {"selector": {"matchLabels": {"app": "cars"}}, "rules": [TOKEN_RULES[name]]})]
    mesh.apply(*objects)
    settled(mesh, "t")
    until(lambda: " 401" not in send(mesh, "other", "GET", "/", issuer.sign(aud="travel")), 120, "the keys of the issuer")
    inventory = take(
        [
            *objects,
            mesh.get("istio", "default"),
            mesh.get("deployment", "cars", "-n", "shop"),
            mesh.get("service", "cars", "-n", "shop"),
            mesh.get("namespace", "shop"),
        ]
    )
    world = MeshPolicies(inventory.objects, inventory.mesh)
    cars, stranger = next(place for place in inventory.places if place.name == "cars"), TokenIssuer("stranger")
    statuses = {"passes": "200", "403": "403", "401": "401"}
    seen = set()
    for kind, (signed, other) in TOKENS.items():
        claims = {"aud": "travel", **other}
        text = "" if signed == "none" else issuer.sign(stranger.key if signed == "bad" else None, **claims)
        known = {"iss": issuer.issuer, "sub": "gtouser", **claims}
        token = None if signed == "none" else Token(known, signed == "good")
        request = Request(principal="cluster.local/ns/shop/sa/other", port=8000, method="GET", host="cars:8000", path="/")
        wanted = world.answer(cars.workload, request, now=datetime.now(UTC), token=token)
        answer = send(mesh, "other", "GET", "/", text)
        # of all that the token's check refuses, Envoy answers another audience with 403
        status = "403" if kind == "another audience" else statuses[wanted.status]
        assert answer.endswith(f" {status}"), (kind, wanted, answer)
        seen.add(wanted.status)
    assert seen == {"passes", "403", "401"}


def test_without_its_keys_no_token_is_good(mesh: Mesh, issuer: TokenIssuer) -> None:
    """istiod puts keys that nobody has in their place: 401 for every token, and callers without one pass."""
    rule = {"issuer": issuer.issuer, "jwksUri": "http://127.0.0.1:1/certs"}
    mesh.apply(
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "RequestAuthentication",
            "metadata": {"name": "sso", "namespace": "shop"},
            "spec": {"jwtRules": [rule]},
        }
    )
    until(lambda: send(mesh, "other", "GET", "/", issuer.sign()).endswith(" 401"), 120, "no token is good")
    assert send(mesh, "other", "GET", "/").endswith(" 200")


def test_a_proxy_that_gets_no_news_keeps_its_policies(mesh: Mesh) -> None:
    mesh.bed.set_faults({"envoys": {"keep_policies": ["shop/cars"]}})
    mesh.apply(policy("n", {}))
    until(lambda: mesh.call("other", "portal") == "403", what="the other proxies have it")
    assert mesh.call("other", "cars") == "200"
    mesh.bed.set_faults({})
    until(lambda: mesh.call("other", "cars") == "403", what="it has it too")


def test_a_tcp_port_is_closed_without_an_answer(mesh: Mesh) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"selector": {"app": "db"}, "ports": [{"name": "tcp", "port": 8000}]},
    }
    mesh.apply(service)
    mesh.deploy("db")
    mesh.apply(service)  # deploy makes one that speaks HTTP
    mesh.restart("db")
    mesh.apply(
        policy("a", {"selector": {"matchLabels": {"app": "db"}}, "rules": [{"from": [PORTAL]}]}),
        policy("h", {"selector": {"matchLabels": {"app": "db"}}, "rules": [{"to": [{"operation": {"methods": ["GET"]}}]}]}),
    )
    until(lambda: mesh.call("other", "db") == "503", what="the connection of a caller that is not allowed is closed")
    assert mesh.call("portal", "db") == "200"
