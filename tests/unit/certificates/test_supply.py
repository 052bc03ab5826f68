# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates with their keys, of each provider, and how they are checked; what is wrong is never said with a part of them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._certificates import supply
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError

from .intents import SYSTEM, intent

SECRET = "hunter2"
PEM = "-----BEGIN PRIVATE KEY-----\nhunter2\n"
GATEWAY = {"name": "web", "hosts": ["a.example.com"], "namespace": "edge"}
CLIENT = {"name": "curl"}


def answer(kind: str = "Opaque", **data: str) -> dict[str, Any]:
    """Of a Secret; `tls__crt` is the item `tls.crt`, `ca_cert__pem` is `ca-cert.pem`."""
    coded = {name.replace("__", ".").replace("_", "-"): base64.b64encode(text.encode()).decode() for name, text in data.items()}
    return {"resources": [{"kind": "Secret", "type": kind, "data": coded}]}


def test_of_the_store() -> None:
    parts = {"certificate": "c", "chain": "c+i", "root": "r", "subject": "CN=x"}
    issued = [
        {"name": "root", "type": "root", "path": "/pki/root.pem", **parts},
        {"name": "travel", "type": "intermediate", "path": "/pki/travel.pem", **parts},
        {"name": "web", "type": "server", "path": "/pki/web.pem", **parts},
        {"name": "curl", "type": "client", "path": "/pki/curl.pem"},  # in check mode it is not made yet
    ]
    found = supply.from_store(intent(gateways=[GATEWAY], clients=[CLIENT]), issued, "words", lambda path: f"key of {path}")
    assert [(one["name"], one["role"], one["key"]) for one in found] == [
        ("travel", "authority", "key of /pki/travel.pem"),
        ("web", "gateway", "key of /pki/web.pem"),
    ]
    assert {key: found[1][key] for key in ("certificate", "chain", "roots", "passphrase")} == {
        "certificate": "c",
        "chain": "c+i",
        "roots": "r",
        "passphrase": "words",
    }
    assert found[1]["intent"] == {**GATEWAY, "role": "gateway"}


SECRETS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "cacerts": (
        answer(ca_cert__pem="c", ca_key__pem="k", cert_chain__pem="h", root_cert__pem="r", tls__crt="no"),
        {"certificate": "c", "key": "k", "chain": "h", "roots": "r"},
    ),
    "kubernetes.io/tls": (answer(tls__crt="c", tls__key="k", ca__crt="r"), {"certificate": "c", "key": "k", "chain": "", "roots": "r"}),
    "generic": (answer(cert="c", key="k", cacert="r"), {"certificate": "c", "key": "k", "chain": "", "roots": "r"}),
    "empty": (answer(), {"certificate": "", "key": "", "chain": "", "roots": ""}),
    "without data": ({"resources": [{"kind": "Secret"}]}, {"certificate": "", "key": "", "chain": "", "roots": ""}),
    "not there": ({"resources": []}, {"certificate": "", "key": "", "chain": "", "roots": ""}),
}  # fmt: skip


@pytest.mark.parametrize("case", SECRETS)
def test_of_a_secret(case: str) -> None:
    given, expected = SECRETS[case]
    found = supply.from_pem(intent(provider="pem", authority={"from_secret": "a/b"}), [given], {}, "")
    assert [{part: one[part] for part in expected} for one in found] == [expected]


def test_bytes_that_are_no_text_are_kept() -> None:
    given = {"resources": [{"data": {"tls.crt": base64.b64encode(b"\x30\x82\xff").decode(), "tls.key": "no base64"}}]}
    found = supply.from_pem(intent(provider="pem", authority={"from_secret": "a/b"}), [given], {}, "")
    assert found[0]["certificate"].encode(errors="surrogateescape") == b"\x30\x82\xff" and found[0]["key"] == "no base64"


def test_of_secrets_and_files_each_to_its_entry() -> None:
    gateways = [{**GATEWAY, "from_secret": "x/one"}, {"name": "two", "certificate": "two.pem", "key": PEM, "passphrase": "own"}]
    clients = [{"name": "three", "from_secret": "x/three", "passphrase": None}]
    given = intent(provider="pem", authority={"enabled": False}, gateways=gateways, clients=clients)
    found = supply.from_pem(given, [answer(tls__crt="1"), answer(tls__crt="3")], {"two.pem": "2\n"}, "words")
    assert [(one["name"], one["role"], one["certificate"], one["key"], one["passphrase"]) for one in found] == [
        ("web", "gateway", "1", "", "words"),
        ("two", "gateway", "2\n", PEM, "own"),
        ("three", "client", "3", "", "words"),
    ]


def test_a_file_that_was_not_read_is_named_by_its_field() -> None:
    with pytest.raises(ConfigError) as found:
        supply.from_pem(intent(provider="pem", authority={"key": SECRET}), [], {}, "")
    assert str(found.value) == "travel: the file of its key was not read"


def test_of_cert_manager() -> None:
    given = intent(provider="cert_manager", gateways=[GATEWAY], clients=[CLIENT])
    answers = [answer(tls__crt="mr", ca__crt="mr"), answer(tls__crt="er", ca__crt="er"), answer(tls__crt="a", tls__key="k", ca__crt="mr"),
               answer(tls__crt="g", tls__key="k", ca__crt="er"), {"resources": []}]  # fmt: skip
    found = supply.from_cert_manager(given, answers)
    assert [(one["name"], one["role"], one["certificate"], one["key"], one["roots"]) for one in found] == [
        ("travel-root", "mesh_root", "mr", "", "mr"),
        ("travel-edge-root", "root", "er", "", "er"),
        ("cacerts", "authority", "a", "k", "mr"),
        ("web", "gateway", "g", "k", "er"),
        ("curl", "client", "", "", ""),
    ]
    assert [one["intent"] for one in found] == [{}, {}, {}, GATEWAY, CLIENT]
    assert {(one["chain"], one["passphrase"]) for one in found} == {("", "")}


def row(role: str, **parts: Any) -> dict[str, Any]:
    usual = {"certificate": "c", "key": "k", "chain": " \n", "roots": "", "passphrase": "", "intent": {}}
    return {"name": role, "role": role, **usual, **parts}


def test_texts_to_check() -> None:
    ca, client = row("authority", chain="h", roots="r", passphrase="p"), row("client", intent={"hosts": None})
    found = supply.text_checks([ca, row("gateway", intent=GATEWAY), client, row("root")])
    assert found == [
        {"name": "authority", "certificate_content": "c", "key_content": "k", "purpose": "ca", "hosts": [], "chain_content": "h",
         "roots_content": "r", "passphrase": "p"},
        {"name": "gateway", "certificate_content": "c", "key_content": "k", "purpose": "server", "hosts": ["a.example.com"]},
        {"name": "client", "certificate_content": "c", "key_content": "k", "purpose": "client", "hosts": []},
        {"name": "root", "certificate_content": "c", "key_content": "k", "purpose": "any", "hosts": []},
    ]  # fmt: skip


def test_secrets_to_check() -> None:
    material = [row("gateway", intent=GATEWAY), row("client"), row("root"), row("authority"), row("gateway", name="near")]
    assert supply.secret_checks(material, SYSTEM) == [
        {"namespace": SYSTEM, "name": "cacerts", "purpose": "ca"},
        {"namespace": "edge", "name": "gateway", "purpose": "server", "hosts": ["a.example.com"]},
        {"namespace": SYSTEM, "name": "near", "purpose": "server", "hosts": []},
    ]
