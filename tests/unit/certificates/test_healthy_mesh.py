# SPDX-License-Identifier: GPL-3.0-or-later
"""A healthy mesh gives no alarm at all; each fault is found, and a private key never comes out."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import CATALOGUE, run_checks
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.checks import inventory
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.reading import read_key
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.source import KEYS_NOTE, Source, without_keys
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import THRESHOLDS, Status
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View
from ansible_collections.meshops.mesh.plugins.modules import certificate_check, mesh_check
from checks.builder import bad_objects, build, cases, intent, options, snapshot

from certificates.named import HOST, content, expand, named

OURS = [row.id for row in CATALOGUE.checks if row.category == "certificates"]
CASES = {code: rows for code, rows in cases().items() if code in OURS}


def mesh() -> list[dict[str, Any]]:
    """A control plane with a plugged-in CA, a MUTUAL gateway and two members."""
    client = {"caBundle": "{b64:root}", "service": {"name": "istiod-production", "namespace": "istio-system"}}
    tls = {"mode": "MUTUAL", "credentialName": "web-tls"}
    servers = [{"port": {"number": 443}, "hosts": [f"*/{HOST}"], "tls": tls}]
    entries: list[dict[str, Any]] = [
        {
            "Secret istio-system/cacerts": {
                "annotations": {KEYS_NOTE: "{keys:ca-key.pem=middle}"},
                "data": {
                    "ca-cert.pem": "{b64:middle}",
                    "ca-key.pem": "",
                    "cert-chain.pem": "{b64:middle+root}",
                    "root-cert.pem": "{b64:root}",
                },
            }
        },
        {
            "Secret istio-system/web-tls": {
                "annotations": {KEYS_NOTE: "{keys:tls.key=leaf}"},
                "data": {"tls.crt": "{b64:leaf+middle}", "tls.key": "", "ca.crt": "{b64:root}"},
            }
        },
        {"Secret shop/password": {"data": {"password": "aHVudGVyMg=="}}},
        {"Gateway shop/web": {"spec": {"selector": {"istio": "ingressgateway"}, "servers": servers}}},
        {"Pod istio-system/ingress": {"labels": {"istio": "ingressgateway"}}},
        {"MutatingWebhookConfiguration istio-sidecar-injector": {"webhooks": [{"clientConfig": client}]}},
        {"MutatingWebhookConfiguration somebody-elses": {"webhooks": [{"clientConfig": {"caBundle": "{b64:expired}"}}]}},
    ]
    entries += [{f"ConfigMap {name}/istio-ca-root-cert": {"data": {"root-cert.pem": "{pem:root}"}}} for name in ("istio-system", "shop")]
    source = {"purpose": "server", "hosts": [HOST], "certificate": "{b64:leaf}", "chain": "{b64:middle}", "roots": "{b64:root}"}
    entries.append({"CertificateSource files": {"spec": {**source, "key": "{facts:leaf}"}}})
    return [build(expand(entry)) for entry in entries]


def test_a_healthy_mesh_gives_no_alarm() -> None:
    report = run_checks(replace(snapshot(), objects=tuple(mesh())), intent(), options(only=tuple(OURS)))
    rows = [row for row in report.rows if row.id in OURS]
    assert [(row.id, row.message) for row in rows if row.status in (Status.FAILED, Status.WARNING)] == []
    skipped = {row.id for row in rows if row.status is Status.SKIPPED}
    live = {"OSM2507", "OSM2508", "OSM2509", "OSM2605"}
    assert skipped == {"OSM2104", "OSM2215", "OSM2401", "OSM2402", "OSM2403", "OSM2506", "OSM2601", "OSM2602", "OSM2603", "OSM2604"} | live


# A fault that brings another with it.
COMPANIONS = {"OSM2212": {"OSM2202"}, "OSM2503": {"OSM2502"}, "OSM2507": {"OSM2202"}}


@pytest.mark.parametrize("code", sorted(CASES))
def test_a_fault_is_found_by_its_own_code_and_by_no_other(code: str) -> None:
    for case in CASES[code]:
        good = {row.id for row in failing(case.get("good", []))}
        bad = {row.id for row in failing(bad_objects(case))}
        assert good == set()
        assert code in bad and bad - {code} <= COMPANIONS.get(code, set())


def failing(objects: list[dict[str, Any]]) -> list[Any]:
    report = run_checks(snapshot(objects), intent(), options(only=tuple(OURS)))
    return [row for row in report.rows if row.id in OURS and row.status in (Status.FAILED, Status.WARNING)]


def test_the_inventory_names_each_certificate_in_each_place() -> None:
    view = View(replace(snapshot(), objects=tuple(mesh())))
    found = inventory(view, intent(), options())
    places = {(row["resource"], row["item"], row["position"]): row for row in found.rows()}
    leaf = places["Secret istio-system/web-tls", "tls.crt", 0]
    assert leaf["names"] == [HOST] and leaf["days_left"] == 200.0 and leaf["subject"] == "CN=leaf,O=Travel" and leaf["is_ca"] is False
    behind, signer = places["Secret istio-system/web-tls", "tls.crt", 1], places["Secret istio-system/cacerts", "ca-cert.pem", 0]
    assert behind["fingerprint"] == signer["fingerprint"]
    timeline = found.timeline()
    assert [row["subject"] for row in timeline] == ["CN=leaf,O=Travel", "CN=Intermediate,O=Travel", "CN=Root,O=Travel"]
    assert "ConfigMap shop/istio-ca-root-cert root-cert.pem" in timeline[2]["places"]


@pytest.mark.parametrize("item", ["tls.key", "ca-key.pem", "tls.crt", "root-cert.pem", "odd.txt", "notes"])
@pytest.mark.parametrize("text", ["{pem:leaf_key}", "{pem:leaf+leaf_key}", "{pem:leaf_key+leaf}"])
def test_no_private_key_is_left_of_a_secret(item: str, text: str) -> None:
    raw = build({"Secret shop/web": {"stringData": {item: expand(text)}}})
    kept = without_keys(raw)
    whole = json.dumps(kept)
    body = content("leaf_key").decode().splitlines()[1]
    assert all(body.encode() not in base64.b64decode(value) for value in kept["data"].values())
    assert body not in whole and "PRIVATE" not in whole.replace("there is no PRIVATE KEY block in it", "")
    if item in ("tls.key", "ca-key.pem"):
        facts = json.loads(kept["metadata"]["annotations"][KEYS_NOTE])[item]
        assert facts["state"] == "readable" and facts["kind"] == "EC" and len(facts["spki"]) == 64


def test_a_key_that_is_cut_off_does_not_pass_either() -> None:
    cut = content("leaf") + content("leaf_key")[:-60]
    source = Source("file", certificate=cut).to_object()
    assert content("leaf_key").decode().splitlines()[1] not in json.dumps(source)
    assert b"PRIVATE KEY" in (Source.from_object(source).certificate or b"")


def test_an_encrypted_key_opens_with_its_passphrase_only() -> None:
    pem = named("leaf").key_pem("hunter2").encode()
    assert read_key(pem, b"hunter2").state == "readable"
    assert (read_key(pem).state, read_key(pem).reason) == ("encrypted", "it is encrypted and no passphrase was given")
    assert read_key(pem, b"wrong").reason == "it is encrypted, and the passphrase does not open it"
    assert read_key(named("leaf").key_pem().encode(), b"not needed").state == "readable"


def test_both_modules_know_the_thresholds_of_certificates() -> None:
    ours = {name for name in THRESHOLDS if name.startswith(("certificate_", "clock_"))}
    assert len(ours) == 6 and ours <= set(mesh_check.argument_spec()["thresholds"]["options"])
    assert ours == set(certificate_check.ARGUMENT_SPEC["thresholds"]["options"])
