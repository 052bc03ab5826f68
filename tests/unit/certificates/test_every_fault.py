# SPDX-License-Identifier: GPL-3.0-or-later
"""What people and PKIs get wrong, each handed to the module as they would: one code of its own, with a remedy, and nothing else alarms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.modules import certificate_check

from .material import NOW
from .named import HOST, content, expand, named
from .running import run, served, write

# fault: what is handed over, and its code
FILES: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"certificate": "expired+middle"}, "OSM2102"),
    "not yet valid": ({"certificate": "future+middle"}, "OSM2101"),
    "wrong order": ({"certificate": "middle+leaf"}, "OSM2203"),
    "missing intermediate": ({"certificate": "leaf"}, "OSM2202"),
    "another root": ({"certificate": "leaf+middle+root", "roots": "other_root"}, "OSM2201"),
    "key of another certificate": ({"certificate": "other_leaf+middle", "key": "leaf_key"}, "OSM2301"),
    "encrypted key without passphrase": ({"certificate": "leaf+middle", "key": "locked"}, "OSM2302"),
    "CRLF": ({"certificate": "crlf", "chain": "middle"}, "OSM2006"),
    "BOM": ({"certificate": "bom", "chain": "middle"}, "OSM2005"),
    "DER where PEM is wanted": ({"certificate": "der", "chain": "middle"}, "OSM2003"),
    "an empty file": ({"certificate": "empty"}, "OSM2001"),
    "a 10 MB file": ({"certificate": "big"}, "OSM2004"),
    "cut off": ({"certificate": "cut"}, "OSM2002"),
    "512-bit RSA": ({"certificate": "tiny+middle"}, "OSM2304"),
    "MD5": ({"certificate": "md5", "roots": "rsa_root"}, "OSM2305"),
    "CA without the CA bit": ({"certificate": "of_no_ca+no_ca"}, "OSM2207"),
    "path length exceeded": ({"certificate": "of_second+second+middle"}, "OSM2208"),
    "no SAN at all": ({"certificate": "nameless+middle", "purpose": "server"}, "OSM2404"),
    "a SAN missing": ({"certificate": "leaf+middle", "purpose": "server", "hosts": ["hotels.example.org"]}, "OSM2405"),
    "a leaf as CA": ({"certificate": "leaf+middle", "purpose": "ca"}, "OSM2212"),
    "a client's as a server's": ({"certificate": "client+middle", "purpose": "server"}, "OSM2210"),
}


def deviations(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in result["checks"] if row["status"] in ("failed", "warning")}


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda **arguments: run(certificate_check, {"at": NOW.isoformat(), "fail_on": "warning", **arguments}, capsys)


def one_code(result: dict[str, Any], code: str) -> None:
    found = deviations(result)
    assert set(found) == {code}, {row: one["message"] for row, one in found.items()}
    assert result["failed"] and f"({code})" in result["msg"] and f"[{code}]" in result["table"]
    hint = found[code]["hint"]
    assert len(hint) > 15 and hint in result["table"], "a remedy"
    assert found[code]["hint_url"].endswith(f"/{code}.md")


@pytest.mark.parametrize("fault", FILES)
def test_a_fault_of_a_file(check: Any, tmp_path: Path, fault: str) -> None:
    parts, code = FILES[fault]
    given = {"roots": "root", **parts}
    bytes_of = {name: given[name] for name in ("certificate", "chain", "roots", "key") if name in given}
    files = write(
        tmp_path, **{name: named("leaf").key_pem("secret") if text == "locked" else content(text) for name, text in bytes_of.items()}
    )
    result = check(certificates=[{**files, **{name: parts[name] for name in ("purpose", "hosts") if name in parts}}])
    one_code(result, code)
    assert "PRIVATE KEY" not in str(result)


def test_two_serials_of_one_issuer(check: Any) -> None:
    texts = [expand("{pem:twice+middle}"), expand("{pem:twice_more+middle}")]
    given = [{"name": f"gateway {number}", "certificate_content": text} for number, text in enumerate(texts)]
    one_code(check(certificates=given), "OSM2211")


def test_two_roots_of_a_mesh(check: Any, tmp_path: Path) -> None:
    cacerts = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cacerts", "namespace": "istio-system"},
        "data": {
            "ca-cert.pem": "{b64:middle}",
            "ca-key.pem": "",
            "cert-chain.pem": "{b64:middle+root}",
            "root-cert.pem": "{b64:root+other_root}",
        },
    }
    (tmp_path / "mesh.yaml").write_text(str(expand(cacerts)))
    plane = {"name": "default", "namespace": "istio-system"}
    one_code(check(source="manifests", path=str(tmp_path), mesh=True, control_plane=plane), "OSM2205")


def test_a_workload_of_another_trust_domain(check: Any) -> None:
    with served(content("workload+middle").decode(), named("workload")) as port:
        wanted = {"trust_domain": "example.org", "namespace": "shop", "service_account": "cart"}
        one_code(check(endpoints=[{"host": "127.0.0.1", "port": port, "sni": HOST, **wanted}]), "OSM2402")


@pytest.mark.parametrize(("how", "code"), [("silent", "OSM2601"), ("plain", "OSM2602")])
def test_an_endpoint_that_says_nothing_or_no_tls(check: Any, how: str, code: str) -> None:
    with served(content("leaf+middle").decode(), named("leaf"), **{how: True}) as port:
        one_code(check(endpoints=[{"host": "127.0.0.1", "port": port}], endpoint_timeout=0.5), code)
