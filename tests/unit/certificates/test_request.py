# SPDX-License-Identifier: GPL-3.0-or-later
"""The hierarchy that own_ca issues, what pem is given, and the objects that are made of both."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._certificates import request

from .intents import SYSTEM, intent

ROOT = {"name": "root", "type": "root"}
EDGE = {"name": "edge-root", "type": "root"}
CA = {"name": "travel", "type": "intermediate", "issuer": "root", "names": [f"istiod.{SYSTEM}.svc"]}
OFF = {"authority": {"enabled": False}}
PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"

REQUESTS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "nothing said": ({}, [ROOT, CA]),
    "no CA": (OFF, []),
    "no CA, as text": ({"authority": {"enabled": "no"}}, []),
    "a root of another name signs": ({"root": {"name": "r"}}, [{"name": "r", "type": "root"}, {**CA, "issuer": "r"}]),
    "names of its own": ({"authority": {"name": "ca", "names": ["a"]}}, [ROOT, {**CA, "name": "ca", "names": ["a"]}]),
    "what a certificate says": (
        {"root": {"subject": {"country": "GB"}, "days": "3650", "key_type": "EC", "key_bits": 384, "path_length": 1, "other": "x"}},
        [{**ROOT, "subject": {"country": "GB"}, "days": "3650", "key_type": "EC", "key_bits": 384, "path_length": 1}, CA],
    ),
    "null says nothing": ({"authority": {"enabled": True, "names": None, "days": None}, "root": {"subject": None}}, [ROOT, CA]),
    "a gateway": (
        {**OFF, "gateways": [{"name": "web", "hosts": ["a", "192.0.2.7", "2001:db8::7"], "namespace": "edge", "mutual": True, "key": "k"}]},
        [EDGE, {"name": "web", "type": "server", "issuer": "edge-root", "names": ["a", "192.0.2.7", "2001:db8::7"]}],
    ),
    "a client, and another edge": (
        {**OFF, "edge_root": {"name": "e", "days": 9}, "clients": [{"name": "curl", "names": ["u"], "days": 0.5, "bundle": "/x"}]},
        [{"name": "e", "type": "root", "days": 9}, {"name": "curl", "type": "client", "issuer": "e", "names": ["u"], "days": 0.5}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REQUESTS)
def test_requests(case: str) -> None:
    given, expected = REQUESTS[case]
    assert request.requests(intent(**given)) == expected


def names(objects: list[dict[str, Any]]) -> list[str]:
    return [f"{one['apiVersion']} {one['kind']} {one['metadata']['namespace']}/{one['metadata']['name']}" for one in objects]


OBJECTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing said": ({}, [f"v1 Secret {SYSTEM}/cacerts"]),
    "nothing at all": (OFF, []),
    "gateways": (
        {**OFF, "gateways": [{"name": "web", "hosts": []}, {"name": "far", "hosts": [], "namespace": "edge"}]},
        [f"v1 Secret {SYSTEM}/web", "v1 Secret edge/far"],
    ),
    "clients with a namespace only": (
        {**OFF, "clients": [{"name": "a"}, {"name": "b", "namespace": "shop"}, {"name": "c", "namespace": None}]},
        ["v1 Secret shop/b"],
    ),
    "trust": ({**OFF, "trust": [{"name": "ca", "namespace": "shop"}]}, ["v1 ConfigMap shop/ca"]),
}  # fmt: skip


@pytest.mark.parametrize("case", OBJECTS)
def test_objects_that_are_made(case: str) -> None:
    given, expected = OBJECTS[case]
    assert names(request.objects_made(intent(**given))) == expected


def test_our_ca() -> None:
    assert names(request.objects_plugged(intent())) == [f"v1 Secret {SYSTEM}/cacerts"]
    issued = names(request.objects_plugged(intent(provider="cert_manager")))
    assert issued == [f"v1 Secret {SYSTEM}/cacerts", f"cert-manager.io/v1 Certificate {SYSTEM}/cacerts"]


def test_secrets_that_are_given() -> None:
    entries = [{"name": "a", "from_secret": "shop/tls"}, {"name": "b", "from_secret": None}, {"name": "c", "from_secret": "bare"}]
    found = intent(provider="pem", authority={"from_secret": "ca/corporate"}, clients=entries)
    assert [one["name"] for one in request.with_secret(found)] == ["travel", "a", "c"]
    assert request.secret_queries(found) == [
        {"kind": "Secret", "namespace": "ca", "name": "corporate"},
        {"kind": "Secret", "namespace": "shop", "name": "tls"},
        {"kind": "Secret", "namespace": "bare", "name": "bare"},
    ]


@pytest.mark.parametrize(
    ("members", "expected"),
    [([], None), (None, None), (["a", "b"], [SYSTEM, "a", "b"]), ([SYSTEM, "a"], [SYSTEM, "a"])],
)
def test_pods_of_the_mesh(members: Any, expected: list[str] | None) -> None:
    """Gateways are beside the control plane: their proxies lose the root, too."""
    wanted = [{"kind": "Pod"}] if expected is None else [{"kind": "Pod", "namespace": name} for name in expected]
    assert request.pod_queries(intent(members=members)) == wanted


def test_config_maps_to_check() -> None:
    trust = [{"name": "a", "namespace": "x", "of": "mesh"}, {"name": "b", "namespace": "x", "item": "r"}]
    found = request.config_map_checks(intent(trust=trust))
    assert found == [{"namespace": "x", "name": "a", "item": "ca.crt"}, {"namespace": "x", "name": "b", "item": "r"}]


FILES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "of each entry, each once": (
        {"authority": {"certificate": "ca.pem", "chain": "all.pem", "roots": "all.pem", "key": "ca.key"},
         "clients": [{"name": "c", "key": "c.key"}]},
        ["ca.pem", "all.pem", "ca.key", "c.key"],
    ),
    "text is no file": ({"authority": {"certificate": PEM, "key": "ca.key", "chain": "", "roots": None}}, ["ca.key"]),
    "not beside a Secret": ({"authority": {"from_secret": "a/b", "key": "ca.key"}}, []),
    "no CA": ({"authority": {"enabled": False, "key": "ca.key"}}, []),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_files_that_are_given(case: str) -> None:
    given, expected = FILES[case]
    assert request.pem_files(intent(provider="pem", **given)) == expected
    assert request.pem_files(intent(**given)) == [], "own_ca is given none"
