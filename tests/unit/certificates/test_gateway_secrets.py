# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of gateways as people make them: rubbish, mixtures, a leaf alone. The same from manifests, a cluster, a file."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._catalogue import run_checks
from ansible_collections.meshops.mesh.plugins.module_utils._checks.types import Options, Status
from ansible_collections.meshops.mesh.plugins.module_utils._model.intent import Intent
from ansible_collections.meshops.mesh.plugins.module_utils._model.kept_fields import certificates_of
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot, slim, trimmed

from .material import NOW
from .named import named

EMPTY = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nbmVlZGxl\n-----END PRIVATE KEY-----\n"


def text(*names: str) -> str:
    return "".join(named(name).pem.decode() if isinstance(named(name).pem, bytes) else named(name).pem for name in names)


def b64(value: str | bytes) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def gateway(data: dict[str, str], mode: str = "SIMPLE") -> list[dict[str, Any]]:
    server = {
        "hosts": ["travel.example.com"],
        "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
        "tls": {"mode": mode, "credentialName": "shop"},
    }
    return [
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "shop", "namespace": "edge"},
            "spec": {"selector": {"istio": "i"}, "servers": [server]},
        },
        {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "shop", "namespace": "edge"}, "data": data},
    ]


def told(objects: list[dict[str, Any]], source: str) -> list[tuple[str, str]]:
    made = [slim(trimmed(obj)) if source == "snapshot" else trimmed(obj) for obj in objects]
    snapshot = Snapshot("west", NOW, source, "v1.35.4", tuple(json.loads(json.dumps(made))))
    rows = run_checks(snapshot, Intent(), Options(now=NOW, categories=("certificates",))).rows
    return [(row.id, row.message) for row in rows if row.status is Status.FAILED]


UNREADABLE = ("OSM2002", "it has something that is no certificate; what it is is not shown; Gateway edge/shop serves it")


@pytest.mark.parametrize("source", ["manifests", "cluster", "snapshot"])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"cert": b64("not a cert"), "key": b64("no key")}, ("OSM2002", f"cert: {UNREADABLE[1]}")),
        ({"tls.crt": b64(b"\x00\xff\x01"), "tls.key": ""}, ("OSM2002", f"tls.crt: {UNREADABLE[1]}")),
        ({"tls.crt": "no base64 at all!", "tls.key": ""}, ("OSM2002", f"tls.crt: {UNREADABLE[1]}")),
        ({"tls.crt": b64("password: needle"), "tls.key": ""}, ("OSM2002", f"tls.crt: {UNREADABLE[1]}")),
    ],
)
def test_rubbish_is_never_silence(data: dict[str, str], expected: tuple[str, str], source: str) -> None:
    assert expected in told(gateway(data), source)


def api_gateway(**tls: Any) -> dict[str, Any]:
    listener = {"name": "https", "port": 443, "protocol": "HTTPS", "hostname": "travel.example.com", "tls": tls}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "shop", "namespace": "edge"},
        "spec": {"gatewayClassName": "istio", "listeners": [listener]},
    }


@pytest.mark.parametrize("source", ["manifests", "cluster", "snapshot"])
@pytest.mark.parametrize(
    "others",
    [
        [
            {
                "spec": {
                    "servers": [{"hosts": ["*"], "port": {"number": 443}, "tls": {"mode": "SIMPLE", "credentialNames": ["other", "shop"]}}]
                }
            }
        ],
        [api_gateway(certificateRefs=[{"name": "shop"}])],
        [api_gateway(mode="Terminate", certificateRefs=[{"group": "", "kind": "Secret", "name": "shop", "namespace": "edge"}])],
    ],
    ids=["several names", "Gateway API", "Gateway API, written out"],
)
def test_rubbish_is_found_however_a_gateway_names_it(others: list[dict[str, Any]], source: str) -> None:
    found, secret = gateway({"tls.crt": b64("not a cert"), "tls.key": ""})
    named_by = [other if "kind" in other else {**found, **other} for other in others]
    assert ("OSM2002", f"tls.crt: {UNREADABLE[1]}") in told([*named_by, secret], source)


def test_a_passthrough_listener_and_one_of_another_implementation_use_no_secret() -> None:
    _found, secret = gateway({"tls.crt": b64("not a cert"), "tls.key": ""})
    other = api_gateway(certificateRefs=[{"name": "shop"}])
    other["spec"]["gatewayClassName"] = "nginx"
    assert told([api_gateway(mode="Passthrough", certificateRefs=[{"name": "shop"}]), other, secret], "manifests") == []


def test_in_a_folder_the_secret_is_where_the_template_of_the_gateway_s_pods_is() -> None:
    found, secret = gateway({"tls.crt": b64("not a cert"), "tls.key": ""})
    pods = {"metadata": {"labels": {"istio": "i"}}, "spec": {"containers": [{"name": "istio-proxy", "image": "auto"}]}}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "i", "namespace": "edge"}, "spec": {"template": pods}}
    away = {**found, "metadata": {"name": "shop", "namespace": "apps"}}
    assert ("OSM2002", f"tls.crt: {UNREADABLE[1]}".replace("edge/shop", "apps/shop")) in told([away, secret, deployment], "manifests")
    assert told([away, secret], "manifests") == [], "nobody says that its pods are there"


@pytest.mark.parametrize("source", ["manifests", "cluster", "snapshot"])
def test_a_key_beside_the_certificate_is_told_and_not_kept(source: str) -> None:
    objects = gateway({"tls.crt": b64(text("leaf", "middle") + KEY), "tls.key": ""})
    assert ("OSM2007", "tls.crt: block 3 is a private key, where only certificates belong") in told(objects, source)
    assert b64("needle")[:8] not in json.dumps([slim(trimmed(obj)) for obj in objects])


@pytest.mark.parametrize("source", ["manifests", "cluster", "snapshot"])
@pytest.mark.parametrize("item", ["ca.crt", "cacert"])
def test_a_leaf_without_its_intermediate_is_incomplete_where_the_root_is_beside_it(source: str, item: str) -> None:
    codes = [code for code, _message in told(gateway({"tls.crt": b64(text("leaf")), "tls.key": "", item: b64(text("root"))}), source)]
    assert codes == ["OSM2202"]


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ({"ca.crt": "leaf"}, "ca.crt"),
        ({"cacert": "leaf"}, "cacert"),
        ({"ca.crt": "", "cacert": "leaf"}, "cacert"),
        ({"ca.crt": "leaf", "cacert": "root"}, "ca.crt"),
    ],
)
def test_what_is_beside_a_certificate_is_told_by_the_item_that_it_is_in(items: dict[str, str], said: str) -> None:
    data = {
        "tls.crt": b64(text("leaf", "middle")),
        "tls.key": "",
        **{item: b64(text(name)) if name else "" for item, name in items.items()},
    }
    assert [message.partition(":")[0] for _code, message in told(gateway(data), "cluster") if "is no CA" in message] == [said]


@pytest.mark.parametrize(
    ("chain", "beside", "mode"),
    [
        ("leaf middle", "root", "SIMPLE"),  # whole
        ("leaf", "middle", "SIMPLE"),  # cert-manager puts the issuer there
        ("leaf", "", "SIMPLE"),  # nothing says what its root is
        ("leaf", "other_root", "MUTUAL"),  # the CA of the clients says nothing of the server's
    ],
)
def test_what_is_whole_or_cannot_be_proven_is_no_finding(chain: str, beside: str, mode: str) -> None:
    data = {"tls.crt": b64(text(*chain.split())), "tls.key": "", **({"ca.crt": b64(text(beside))} if beside else {})}
    assert told(gateway(data, mode), "cluster") == []


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("tls.crt", b64(EMPTY), EMPTY),
        ("tls.crt", "", ""),
        ("tls.crt", b64("  \n"), ""),
        ("password", b64("needle"), ""),
        ("tls.key", b64(KEY), ""),
        ("ca-key.pem", b64(KEY), ""),
        ("ca-key.pem", b64("needle"), ""),
        ("cert", b64("needle"), "-----BEGIN WITHHELD CONTENT-----\n-----END WITHHELD CONTENT-----\n"),
    ],
)
def test_what_an_item_shows(key: str, value: str, shown: str) -> None:
    assert base64.b64decode(certificates_of(key, value)).decode() == shown
    assert certificates_of(key, certificates_of(key, value)) == certificates_of(key, value), "a second time changes nothing"
