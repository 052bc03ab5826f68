# SPDX-License-Identifier: GPL-3.0-or-later
"""The module on files, snapshots, manifests and real TLS endpoints; no private key ever comes out of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.modules import certificate_check
from checks.builder import NOW as BUILDER_NOW
from checks.builder import build

from .material import NOW
from .named import HOST, content, expand, named
from .running import run, served, write

AT = {"at": NOW.isoformat()}


def failed(result: dict[str, Any]) -> dict[str, str]:
    return {row["id"]: f"{row['resource']}: {row['message']}" for row in result["checks"] if row["status"] in ("failed", "warning")}


def statuses(result: dict[str, Any]) -> dict[str, str]:
    return {row["id"]: row["status"] for row in result["checks"]}


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Any:
    def go(**arguments: Any) -> dict[str, Any]:
        result = run(certificate_check, {**AT, **arguments}, capsys)
        text = json.dumps(result)
        for name in ("leaf", "middle", "root", "expired", "client"):
            assert named(name).key_pem().splitlines()[1] not in text, "a private key is in the result"
        return result

    return go


def test_good_files_pass_and_are_listed(check: Any, tmp_path: Path) -> None:
    files = write(tmp_path, leaf=content("leaf"), middle=content("middle"), root=content("root"), key=content("leaf_key"))
    entry = {"certificate": files["leaf"], "chain": files["middle"], "roots": files["root"], "key": files["key"]}
    result = check(certificates=[{**entry, "purpose": "server", "hosts": [HOST]}])
    assert not result.get("failed") and result["summary"]["failed"] == result["summary"]["warning"] == 0
    assert statuses(result)["OSM2301"] == "passed" and statuses(result)["OSM2405"] == "passed"
    assert {row["role"] for row in result["inventory"]} == {"server", "chain", "root"}
    assert [row["days_left"] for row in result["timeline"]] == [200.0, 300.0, 355.0]
    assert {row["category"] for row in result["checks"]} == {"certificates"}


def test_a_pipeline_gets_its_files(check: Any, tmp_path: Path) -> None:
    files = {option: str(tmp_path / "out" / option) for option in ("junit", "sarif", "report")}
    result = check(certificates=[{"name": "a text", "certificate_content": "hello"}], only=["OSM2002"], **files)
    assert result["failed"]
    junit, sarif, report = (Path(files[option]).read_text(encoding="utf-8") for option in files)
    assert 'failures="1"' in junit and "a text" in junit
    assert [row["ruleId"] for row in json.loads(sarif)["runs"][0]["results"]] == ["OSM2002"]
    assert json.loads(report)["summary"] == result["summary"]


FAULTS = {
    "OSM2001": {"certificate_content": " "},
    "OSM2002": {"certificate_content": "hello"},
    "OSM2005": {"certificate_content": "\ufeff{pem:leaf+middle}"},
    "OSM2006": {"certificate_content": "{pem:crlf}"},
    "OSM2007": {"certificate_content": "{pem:leaf+leaf_key}"},
    "OSM2101": {"certificate_content": "{pem:future+middle}"},
    "OSM2102": {"certificate_content": "{pem:expired+middle}"},
    "OSM2202": {"certificate_content": "{pem:leaf}", "roots_content": "{pem:root}"},
    "OSM2203": {"certificate_content": "{pem:middle+leaf}"},
    "OSM2301": {"certificate_content": "{pem:other_leaf}", "key_content": "{pem:leaf_key}"},
    "OSM2303": {"certificate_content": "{pem:leaf}", "key_content": "no key"},
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_in_a_text_fails_the_task(check: Any, code: str) -> None:
    result = check(certificates=[{"name": "given", **expand(FAULTS[code])}], fail_on="warning")
    assert result["failed"] and code in failed(result)
    assert failed(result)[code].startswith("given: ") and code in result["msg"]


def test_bad_files_are_found(check: Any, tmp_path: Path) -> None:
    files = write(tmp_path, der=content("der"), big=content("big"), empty=b"", binary=b"\x00\x01\x02")
    result = check(certificates=[{"certificate": path} for path in files.values()], fail_on="never")
    assert failed(result)["OSM2003"] == f"File {files['der']}: it is DER, where PEM is wanted"
    assert failed(result)["OSM2004"].startswith(f"File {files['big']}: it has 10,485,760 bytes")
    assert set(failed(result)) == {"OSM2001", "OSM2002", "OSM2003", "OSM2004"}


def test_an_encrypted_key_needs_its_passphrase(check: Any) -> None:
    entry = {"certificate_content": content("leaf").decode(), "key_content": named("leaf").key_pem("correct horse")}
    assert "OSM2302" in failed(check(certificates=[entry]))
    assert "OSM2302" in failed(check(certificates=[{**entry, "passphrase": "wrong"}]))
    assert failed(check(certificates=[{**entry, "passphrase": "correct horse"}])) == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"certificates": [{"certificate": "/no/such/file.pem"}]}, "certificates[0].certificate: /no/such/file.pem cannot be read"),
        ({"certificates": [{"name": "x"}]}, "certificates[0]: there is nothing in it"),
        ({"certificates": [{"key_content": "x"}]}, "a key alone cannot be judged"),
        ({"at": "tomorrow"}, "at: 'tomorrow' is not a time"),
        ({"only": ["OSM1211"]}, "only: OSM1211 is no check of certificates here; meshops.mesh.mesh_check has all of them"),
        ({"shares_root_with": [{"cluster": "east", "roots_content": "x"}]}, "shares_root_with[0]: nothing says which roots"),
        ({"endpoints": [{"host": "x", "secret": "web-tls"}]}, "endpoints[0].secret: 'web-tls' must be NAMESPACE/NAME"),
    ],
)
def test_wrong_options_say_what_to_do(check: Any, arguments: dict[str, Any], message: str) -> None:
    assert message in check(**arguments)["msg"]


def objects() -> list[dict[str, Any]]:
    entries = [
        {"Secret istio-system/cacerts": {"data": {"ca-cert.pem": "{b64:middle}", "ca-key.pem": "c2VjcmV0", "root-cert.pem": "{b64:root}"}}},
        {"Secret shop/extra": {"data": {"tls.crt": "{b64:expired}", "tls.key": "c2VjcmV0"}}},
        {"ConfigMap istio-system/istio-ca-root-cert": {"data": {"root-cert.pem": "{pem:twin}"}}},
    ]
    return [build(expand(entry)) for entry in entries]


def write_source(folder: Path, source: str) -> str:
    if source == "snapshot":
        Snapshot("west", BUILDER_NOW, "cluster", "v1.35.4", tuple(objects())).save(folder / "west.json.gz")
        return str(folder / "west.json.gz")
    (folder / "all.yaml").write_text(yaml.safe_dump_all(objects()))
    return str(folder)


@pytest.mark.parametrize("source", ["snapshot", "manifests"])
def test_a_mesh_is_checked_offline(check: Any, tmp_path: Path, source: str) -> None:
    path = write_source(tmp_path, source)
    result = check(source=source, path=path, mesh=True, control_plane={"name": "production", "namespace": "istio-system"})
    found = failed(result)
    assert set(found) >= {"OSM2501", "OSM2503"} and "OSM2102" not in found
    assert found["OSM2501"].startswith("Secret istio-system/cacerts: it has no cert-chain.pem")
    keys = next(row for row in result["checks"] if row["id"] == "OSM2301")
    assert (keys["status"], keys["message"]) == ("skipped", "the source does not say what its private keys are")
    named_too = check(source=source, path=path, secrets=[{"namespace": "shop", "name": "extra"}, {"namespace": "shop", "name": "gone"}])
    assert failed(named_too) == {
        "OSM2102": "Secret shop/extra: CN=old,O=Travel expired on 2026-11-20 12:00 UTC, 24 hours ago",
        "OSM2501": "Secret shop/gone: it does not exist",
    }


def test_clusters_that_share_a_root(check: Any, tmp_path: Path) -> None:
    """West signs under Root and hands out its twin; east is known by a snapshot, by what this module returned there, or by a file."""
    write_source(tmp_path, "snapshot")
    west = {
        "source": "snapshot",
        "path": str(tmp_path / "west.json.gz"),
        "mesh": True,
        "only": ["OSM2509"],
        "control_plane": {"name": "production", "namespace": "istio-system"},
    }
    there = check(**west)
    assert there["roots"] == expand("{pem:twin}") and statuses(there)["OSM2509"] == "skipped"
    by_result = failed(check(**west, shares_root_with=[{"cluster": "east", "roots_content": there["roots"]}]))
    by_snapshot = failed(check(**west, shares_root_with=[{"cluster": "east", "snapshot": west["path"]}]))
    assert by_result == by_snapshot and "which Cluster east does not trust" in by_result["OSM2509"]
    files = write(tmp_path, root=content("root"))
    good = check(**west, shares_root_with=[{"cluster": "east", "roots": files["root"]}])
    assert failed(good) == {} and statuses(good)["OSM2509"] == "passed"


def test_ignored_and_only(check: Any) -> None:
    entry = {"name": "given", "certificate_content": expand("{pem:expired}")}
    assert not check(certificates=[entry], ignore=["OSM2102=given"]).get("failed")
    only = check(certificates=[entry], only=["OSM2102"])
    assert [row["id"] for row in only["checks"]] == ["OSM2102"]


# real TLS


def endpoint(port: int, **fields: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "sni": HOST, **fields}


def test_an_endpoint_is_judged_with_its_chain(check: Any, tmp_path: Path) -> None:
    files = write(tmp_path, root=content("root"))
    with served(content("leaf+middle").decode(), named("leaf"), alpn=("h2",)) as port:
        good = check(endpoints=[endpoint(port, alpn=["h2"], roots=files["root"], fingerprint=expand("{fp:leaf}"))])
        bad = check(
            endpoints=[endpoint(port, alpn=["imap"], fingerprint=expand("{fp:other_leaf}"), hosts=["hotel.example.com"])],
            roots_content=content("other_root").decode(),
        )
    assert failed(good) == {} and {row["subject"] for row in good["inventory"]} >= {"CN=leaf,O=Travel", "CN=Intermediate,O=Travel"}
    assert statuses(good)["OSM2603"] == statuses(good)["OSM2604"] == statuses(good)["OSM2201"] == "passed"
    assert set(failed(bad)) >= {"OSM2202", "OSM2405", "OSM2603"}


def test_an_incomplete_and_weak_endpoint(check: Any) -> None:
    with served(content("leaf").decode(), named("leaf")) as port, served(content("small+middle").decode(), named("small")) as weak:
        found = failed(check(endpoints=[endpoint(port)], roots_content=content("root").decode()))
        assert "OSM2202" in found
        assert "OSM2304" in failed(check(endpoints=[endpoint(weak)]))


def test_a_mutual_endpoint_wants_our_certificate(check: Any, tmp_path: Path) -> None:
    files = write(tmp_path, cert=content("client+middle"), key=named("client").key_pem("secret"), stranger=content("other_leaf"))
    stranger = write(tmp_path, other=named("twin").key_pem(), twin=content("twin"))
    with served(content("leaf+middle").decode(), named("leaf"), clients=content("root").decode()) as port:
        without = failed(check(endpoints=[endpoint(port)]))
        ours = {"client_certificate": files["cert"], "client_key": files["key"], "client_passphrase": "secret"}
        good = check(endpoints=[endpoint(port, **ours)])
        wrong = failed(check(endpoints=[endpoint(port, client_certificate=stranger["twin"], client_key=stranger["other"])]))
    assert "it wants a client certificate" in without["OSM2602"]
    assert failed(good) == {}
    assert "OSM2602" in wrong and "client certificate" in wrong["OSM2602"]


def test_slow_and_dead_endpoints_are_bounded_and_the_others_are_checked(check: Any) -> None:
    chain = content("leaf+middle").decode()
    leaf = named("leaf")
    with served(chain, leaf, silent=True) as slow, served(chain, leaf) as good, served(chain, leaf, plain=True) as http:
        began = time.monotonic()
        rows = [endpoint(slow, sni=f"h{number}.example.com") for number in range(40)] + [endpoint(good), endpoint(1), endpoint(http)]
        result = check(endpoints=rows, endpoint_timeout=1, fail_on="never")
    assert time.monotonic() - began < 30, "one after the other they take 40 s"
    texts = [f"{row['id']} {row['resource']}: {row['message']}" for row in result["checks"] if row["status"] == "failed"]
    assert sum("did not finish the handshake within 1 s" in text for text in texts) == 40
    assert any(text.startswith("OSM2601 Endpoint 127.0.0.1:1 ") and "refused" in text for text in texts)
    assert any(text.startswith("OSM2602") and "does not speak TLS" in text for text in texts)
    assert {row["resource"] for row in result["inventory"]} == {f"Endpoint 127.0.0.1:{good} ({HOST})"}


def test_a_name_that_does_not_resolve(check: Any) -> None:
    found = failed(check(endpoints=[{"host": "no-such-name.invalid"}], endpoint_timeout=3))
    assert "cannot be resolved" in found["OSM2601"] or "no answer within" in found["OSM2601"]


def test_a_workload_endpoint_has_its_identity(check: Any) -> None:
    with served(content("workload+middle").decode(), named("workload")) as port:
        good = check(endpoints=[endpoint(port, trust_domain="cluster.local", namespace="shop", service_account="cart")])
        bad = check(endpoints=[endpoint(port, trust_domain="other", namespace="shop", service_account="till")])
    assert failed(good) == {}
    assert set(failed(bad)) == {"OSM2402", "OSM2403"}
