# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies that an intent becomes, in a real Envoy with mutual TLS, called from outside: no token, a spoilt one, a good one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import collection_support  # noqa: F401  # isort: skip  the next imports need it
import pytest
import warm_ansible
from ansible_collections.meshops.mesh.plugins.module_utils._access.intent import read_intent
from ansible_collections.meshops.mesh.plugins.module_utils._access.stages import StageSettings, plan_access
from ansible_collections.meshops.mesh.plugins.module_utils._commands.gateway_probe import ProbedGateway, call_all
from testbed.operators import envoy_config, envoy_jwt, envoy_rbac
from testbed.operators.base import free_ports
from testbed.operators.certificates import Authority
from testbed.operators.envoys import envoy_binary
from tokens_support import PASSWORD, TokenIssuer, issuing

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "access"))
from access_travel import ROOT, mesh, workload

Obj = dict[str, Any]
REPOSITORY = Path(__file__).resolve().parents[2]
HOST = "gto.example.com"
POD = {"metadata": {"namespace": ROOT, "labels": {"app": "gto", "istio": "gto-gateway"}}}
PATHS = ["/flights", "/flights/*", "/insurances", "/insurances/*"]
RULE = {
    "name": "partner",
    "from": ["anyone"],
    "to": ["gateway:gto"],
    "tokens": ["sso/*"],
    "paths": PATHS,
    "claims": {"groups": ["partners"]},
}


def planned(issuer: TokenIssuer) -> list[Obj]:
    """What the role would apply; the keys are written into it, since there is no istiod to fetch them."""
    gateway = workload(ROOT, "gto", 8443, "https", labels=POD["metadata"]["labels"], account="gto")  # type: ignore[arg-type]
    gateway[0]["metadata"]["name"] = "gto"
    intent = {"default_deny": False, "rules": [RULE], "issuers": [{"name": "sso", "issuer": issuer.issuer, "jwks": issuer.jwks}]}
    plan = plan_access(read_intent(intent), [*mesh(), *gateway], StageSettings(mesh="travel-prod"))
    return [obj for stage in plan.stages for obj in stage.objects]


def config(folder: Path, port: int, admin: int, objects: list[Obj]) -> Path:
    """An ingress gateway's listener: mutual TLS, then the token, then the policies."""
    kinds = {
        kind: envoy_rbac.attached([obj for obj in objects if obj["kind"] == kind], POD, ROOT)
        for kind in ("RequestAuthentication", "AuthorizationPolicy")
    }
    rows = [(envoy_jwt.NAME, envoy_jwt.filter_config(kinds["RequestAuthentication"], {}))]
    policies = envoy_rbac.filters(kinds["AuthorizationPolicy"], "http")
    rows += [(envoy_config.rbac_name(action), row) for action, row in policies.items()]
    filters = [{"name": name, "typed_config": row} for name, row in rows]
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "the application\n"}}}
    manager = envoy_config.manager(
        "https", *filters, route_config={"name": "https", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [answer]}]}
    )
    tls = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": True,
        "common_tls_context": {
            "tls_certificates": [{"certificate_chain": {"filename": "server.crt"}, "private_key": {"filename": "server.key"}}],
            "validation_context": {"trusted_ca": {"filename": "partner-ca.crt"}},
        },
    }
    chain = {"filters": [manager], "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls}}
    listener = {key: value for key, value in envoy_config.listener("https", port, [chain]).items() if key != "@type"}
    path = folder / "envoy.json"
    path.write_text(
        json.dumps(
            {
                "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
                "static_resources": {"listeners": [listener]},
            }
        ),
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    with issuing("https://sso.example.com/auth/realms/servicemesh-lab") as found:
        found.claims = {"groups": ["partners"]}
        yield found


@pytest.fixture(scope="module")
def gateway(issuer: TokenIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProbedGateway]:
    folder, ports = tmp_path_factory.mktemp("gateway"), free_ports("https", "admin")
    own, partner = Authority.new("Travel"), Authority.new("Partner")
    files = {"server": own.leaf(HOST), "curl-client": partner.workload("spiffe://partner/ns/a/sa/b", timedelta(hours=1))}
    for name, (chain, key) in files.items():
        (folder / f"{name}.crt").write_bytes(chain)
        (folder / f"{name}.key").write_bytes(key)
    (folder / "curl-client-ca.crt").write_bytes(own.root)
    (folder / "partner-ca.crt").write_bytes(partner.root)
    config(folder, ports["https"], ports["admin"], planned(issuer))
    process = subprocess.Popen([str(envoy_binary()), "-c", "envoy.json", "--concurrency", "1", "--disable-hot-restart", "--log-level",
                                "warning"], cwd=folder, stdin=subprocess.DEVNULL)  # fmt: skip
    names = [str(folder / f"curl-client{end}") for end in ("-ca.crt", ".crt", ".key")]
    yield ProbedGateway(HOST, ports["https"], "127.0.0.1", *names, issuer.sign())
    process.kill()
    process.wait()


CALLS = [
    {"path": "/flights/Tallinn", "token": "none", "expected": "denied", "status": 403},
    {"path": "/flights/Tallinn", "token": "tampered", "expected": "denied", "status": 401},
    {"path": "/flights/Tallinn", "token": "good", "expected": "allowed"},
    {"path": "/flightsadmin", "token": "good", "expected": "denied", "status": 403},
    {"path": "/cars/Tallinn", "token": "good", "expected": "denied", "status": 403},
]


def test_no_token_403_a_spoilt_one_401_a_good_one_200(gateway: ProbedGateway) -> None:
    rows = call_all(gateway, CALLS, timeout=20, wait=120, interval=0.5)
    assert [(row.answer.verdict, row.answer.status, row.why) for row in rows] == [
        ("denied", 403, ""),
        ("denied", 401, ""),
        ("allowed", 200, ""),
        ("denied", 403, ""),
        ("denied", 403, ""),
    ]


def test_tokens_that_are_not_the_partner_s(gateway: ProbedGateway, issuer: TokenIssuer) -> None:
    good = [{"path": "/flights/Tallinn", "token": "good", "expected": "denied"}]
    other, stranger = TokenIssuer("https://other.example.com"), TokenIssuer(issuer.issuer)
    for token, status in (
        (issuer.sign(groups=["staff"]), 403),
        (other.sign(groups=["partners"]), 401),
        (stranger.sign(groups=["partners"]), 401),
        (issuer.sign(groups=["partners"], exp=1700000000), 401),
    ):
        (row,) = call_all(ProbedGateway(**{**vars(gateway), "token": token}), good, timeout=20, wait=0, interval=1)
        assert (row.answer.verdict, row.answer.status) == ("denied", status), row.answer


@pytest.mark.parametrize(("password", "code"), [(PASSWORD, 0), ("another", 2)])
def test_the_playbook_tries_what_the_partner_does(gateway: ProbedGateway, issuer: TokenIssuer, password: str, code: int) -> None:
    """The part of travel_partner_jwt that comes after the role: a token is fetched, and the gateway called."""
    sso = {
        "issuer": issuer.issuer,
        "jwks_uri": f"{issuer.url}/certs",
        "token_uri": f"{issuer.url}/token",
        "client_id": "istio",
        "username": "gtouser",
    }
    given = {
        "travel_partner_host": HOST,
        "travel_partner_bundle": str(Path(gateway.roots).parent),
        "travel_partner_sso": sso,
        "travel_reach": {"travel-api-gateway": {"address": "127.0.0.1", "port": gateway.port}},
        "access_wait_timeout": 5,
        "travel_partner_password": password,
        "travel_scenarios": ["partner_gateway", "zero_trust"],
        "mesh_mysql_password": "x",
    }
    done = warm_ansible.run(
        [
            "meshops.mesh.travel_partner_jwt",
            "-i",
            "inventories/travel",
            "--limit",
            "prod",
            "--skip-tags",
            "access,travel_found",
            "-e",
            json.dumps(given),
        ]
    )
    assert done.returncode == code, done.stdout + done.stderr
    if code:
        assert "gave no token for gtouser (status 401, invalid_grant)" in " ".join(done.stdout.split())
        return
    for line in (
        "/flights/Tallinn without a token: denied (403 RBAC: access denied), expected 403",
        "/flights/Tallinn with a token whose signature is another: denied (401 Jwt verification fails), expected 401",
        "/insurances/Tallinn with the token: allowed (200), expected allowed",
        "/cars/Tallinn with the token: denied (403 RBAC: access denied), expected denied",
        "5 calls: 2 allowed, 3 denied, 0 without a verdict; 5 as expected, 0 otherwise",
    ):
        assert line in done.stdout, done.stdout
    assert gateway.token.partition(".")[0] not in done.stdout, "no token is shown"


def test_a_wrong_expectation_is_told(gateway: ProbedGateway) -> None:
    (row,) = call_all(gateway, [{**CALLS[0], "status": 401}], timeout=20, wait=0, interval=1)
    assert row.agrees and row.why == "401 was expected"


def test_without_the_client_certificate_nothing_is_said_about_policies(gateway: ProbedGateway) -> None:
    bare = ProbedGateway(**{**vars(gateway), "client_certificate": "", "client_key": ""})
    (row,) = call_all(bare, CALLS[:1], timeout=20, wait=0, interval=1)
    assert row.answer.verdict == "no verdict" and row.agrees is None
