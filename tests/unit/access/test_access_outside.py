# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of a gateway from outside: tokens that are fetched and spoilt; and traffic that is read from files."""

from __future__ import annotations

import gzip
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import warm_ansible
import yaml
from access_travel import AGENCY, DOMAINS, PORTAL, intent, mesh
from ansible_collections.meshops.mesh.plugins.module_utils._commands.access_from_traffic import Prometheus, read_traffic, write_proposal
from ansible_collections.meshops.mesh.plugins.module_utils._commands.gateway_probe import ProbedGateway, call_all, fetched_token, tampered
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, FetchError
from ansible_collections.meshops.mesh.plugins.modules.access_from_traffic import look

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))
from test_access_traffic import TEXT, answer, metric
from tokens_support import PASSWORD, issuing

Obj = dict[str, Any]
LOGIN = {"client_id": "istio", "username": "gtouser", "password": PASSWORD}


def test_a_token_for_a_password() -> None:
    with issuing("https://sso.example.com") as issuer:
        token = fetched_token({**LOGIN, "url": f"{issuer.url}/token"}, 10)
        assert token.count(".") == 2 and tampered(token) != token
        assert tampered(token).rpartition(".")[0] == token.rpartition(".")[0]
        with pytest.raises(FetchError, match=r"/token gave no token for gtouser \(status 401, invalid_grant\): look at"):
            fetched_token({**LOGIN, "password": "another", "url": f"{issuer.url}/token"}, 10)
    with pytest.raises(FetchError, match="gives no answer"):
        fetched_token({**LOGIN, "url": "http://127.0.0.1:1/token"}, 2)


def test_a_text_without_a_signature_is_no_token() -> None:
    with pytest.raises(ConfigError, match="no JWT"):
        tampered("abc")


def test_a_call_with_a_token_wants_one() -> None:
    with pytest.raises(ConfigError, match=r"calls of x:443 want a token, and none is given"):
        call_all(ProbedGateway("x"), [{"token": "good", "expected": "allowed"}], timeout=1, wait=0, interval=1)


def test_nobody_there_is_no_verdict() -> None:
    (row,) = call_all(ProbedGateway("x.example.com", 1, "127.0.0.1"), [{"path": "/", "expected": "denied"}], timeout=2, wait=0, interval=1)
    assert row.answer.verdict == "no verdict" and row.agrees is None


# -- traffic in files


def params(folder: Path, **given: Any) -> Obj:
    (folder / "mesh.yml").write_text(yaml.safe_dump_all(mesh()), encoding="utf-8")
    base: Obj = {
        "prometheus": None,
        "prometheus_answers": [],
        "logs": [],
        "source": "manifests",
        "path": str(folder / "mesh.yml"),
        "cluster": "west",
        "access": None,
        "domains": DOMAINS,
        "detail": "methods",
        "root_namespace": None,
        "trust_domain": None,
    }
    return {**base, **given}


def test_traffic_of_files_becomes_a_proposal_and_is_compared(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text(json.dumps(answer(metric(4, f"{PORTAL}/viaggi-v1", f"{AGENCY}/mysqldb-v1"))), encoding="utf-8")
    logs = tmp_path / "logs" / AGENCY
    logs.mkdir(parents=True)
    with gzip.open(logs / "travels-v1-5c-x7.log.gz", "wt") as stream:
        stream.write(TEXT + "\nnot a log\n")
    given = params(tmp_path, prometheus_answers=[str(tmp_path / "answer.json")], logs=[{"path": str(tmp_path / "logs")}], access=intent())
    found = look(given, datetime(2026, 11, 28, tzinfo=UTC))
    assert found["would_deny"] == [f"{PORTAL}/viaggi-v1 -> {AGENCY}/mysqldb-v1 (4 calls)"]
    rules = {rule["name"]: rule for rule in found["access"]["rules"]}
    assert rules["to-cars"]["from"] == [f"{AGENCY}/travels"] and rules["to-cars"]["methods"] == ["GET"]
    lines = found["text"].splitlines()
    assert lines[0].startswith("west: 5 calls between 2 pairs of workloads, in the answer ")
    assert lines[2] == "WOULD BE DENIED" and f"{logs}/travels-v1-5c-x7.log.gz: 1 line" in found["text"]
    written = yaml.safe_load(found["yaml"])
    assert written == {"mesh_access": found["access"]} and "# to-cars: 1 call" in found["yaml"]
    path = str(tmp_path / "proposal.yml")
    assert write_proposal(path, found["yaml"], dry=True) and not Path(path).exists()
    assert write_proposal(path, found["yaml"], dry=False) and not write_proposal(path, found["yaml"], dry=False)


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("must/namespaces/prod-a/pods/cars-v1-1-x/istio-proxy/istio-proxy/logs/current.log", "prod-a/cars-v1-1-x"),
        ("pods/prod-a_cars-v1-1-x_0a1b2c3d-0000-4000-8000-000000000000/istio-proxy/0.log", "prod-a/cars-v1-1-x"),
        ("containers/cars-v1-1-x_prod-a_istio-proxy-0123abcd.log", "prod-a/cars-v1-1-x"),
        ("prod-a/cars-v1-1-x.log", "prod-a/cars-v1-1-x"),
    ],
)
def test_whose_log_it_is(tmp_path: Path, path: str, owner: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(TEXT + "\n", encoding="utf-8")
    (call,) = read_traffic(None, [], [{"path": str(tmp_path)}]).calls
    assert call.source == owner


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((None, [], []), "nothing to read"),
        ((None, ["/nowhere/x.json"], []), "there is no file /nowhere/x.json"),
        ((Prometheus("http://127.0.0.1:1", "soon"), [], []), "window is 'soon', expected a duration of Prometheus such as 7d"),
    ],
)
def test_what_cannot_be_read(given: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_traffic(*given)
    assert said in str(caught.value)


def test_a_log_of_nobody_is_asked_about(tmp_path: Path) -> None:
    (tmp_path / "proxy").write_text(TEXT, encoding="utf-8")
    with pytest.raises(ConfigError, match="whose log is it"):
        read_traffic(None, [], [{"path": str(tmp_path / "proxy")}])
    (call,) = read_traffic(None, [], [{"path": str(tmp_path / "proxy"), "workload": f"{AGENCY}/travels-v1"}]).calls
    assert call.source == f"{AGENCY}/travels-v1"


def test_prometheus_that_is_not_there() -> None:
    with pytest.raises(FetchError, match=r"Prometheus at http://127\.0\.0\.1:1 gives no answer"):
        read_traffic(Prometheus("http://127.0.0.1:1", timeout=2), [], [])


@pytest.mark.parametrize("address", ["http://me:n33dle@127.0.0.1:1", "http://n33dle@127.0.0.1:1", "http://me:n33dle/x@127.0.0.1:1"])
def test_a_login_in_the_address_of_prometheus_is_not_shown(address: str) -> None:
    with pytest.raises(FetchError, match="gives no answer") as caught:
        read_traffic(Prometheus(address, timeout=2), [], [])
    assert "n33dle" not in str(caught.value)


@pytest.mark.parametrize(("fail_on", "code"), [("never", 0), ("denied", 2)])
def test_the_playbook_says_what_the_intent_would_deny(tmp_path: Path, fail_on: str, code: int) -> None:
    (tmp_path / "mesh.yml").write_text(yaml.safe_dump_all(mesh()), encoding="utf-8")
    (tmp_path / "answer.json").write_text(json.dumps(answer(metric(4, f"{PORTAL}/viaggi-v1", f"{AGENCY}/mysqldb-v1"))), encoding="utf-8")
    given = {
        "mesh_traffic_source": "manifests",
        "mesh_traffic_path": str(tmp_path / "mesh.yml"),
        "mesh_domains": DOMAINS,
        "mesh_traffic_answers": [str(tmp_path / "answer.json")],
        "mesh_access": intent(),
        "mesh_traffic_fail_on": fail_on,
        "mesh_traffic_proposal": str(tmp_path / "proposal.yml"),
        "mesh_hosts": "localhost",
    }
    done = warm_ansible.run(["meshops.mesh.access_from_traffic", "-e", json.dumps(given)], cwd=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert f"{PORTAL}/viaggi-v1 -> {AGENCY}/mysqldb-v1 (4 calls)" in done.stdout
    assert yaml.safe_load((tmp_path / "proposal.yml").read_text(encoding="utf-8"))["mesh_access"]["rules"][0]["name"] == "to-mysqldb"
