# SPDX-License-Identifier: GPL-3.0-or-later
"""What given certificates cannot mean; no refusal has a value of the entries."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.filter.certificate_refusals import certificate_refusals
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.refusals import cert_manager_refusals, unasked_refusals

from .intents import SYSTEM, intent

SECRET = "-----BEGIN PRIVATE KEY-----"
CA = {"name": "mesh", "role": "authority", "certificate": "c", "key": SECRET, "passphrase": "hunter2"}
EDGE = {"name": "edge", "role": "gateway", "from_secret": "a/b"}

CASES: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "nothing": ([], []),
    "complete": ([CA, EDGE], []),
    "a name twice": ([CA, EDGE | {"name": "mesh"}], ["A name is used twice among the CA, mesh_certificates_gateways"]),
    "the name of a CA": ([CA, EDGE | {"name": "cacerts"}], ["uses the name cacerts or istio-ca-secret"]),
    "a CA of that name": ([CA | {"name": "cacerts"}], []),
    "without certificate": ([{"name": "x", "role": "client", "key": SECRET}], ["x: with certificates_provider pem it needs"]),
    "without key": ([{"name": "x", "role": "client", "certificate": SECRET}], ["x: with certificates_provider pem it needs"]),
    "two at once": ([CA | {"name": "x"}, {"name": "x", "role": "gateway"}], ["A name is used twice", "x: with certificates_provider pem"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_given_certificates(case: str) -> None:
    given, expected = CASES[case]
    found = certificate_refusals(given, True)
    assert len(found) == len(expected) and all(text in line for text, line in zip(expected, found, strict=True)), found
    assert SECRET not in str(found) and "hunter2" not in str(found)


def test_other_providers_need_no_material() -> None:
    assert certificate_refusals([{"name": "x", "role": "client"}]) == []


@pytest.mark.parametrize("given", ["x", {"name": "x"}, [None]])
def test_what_is_no_list_of_maps(given: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="must be a list of maps"):
        certificate_refusals(given)


PEM_ONLY = "these are for certificates_provider pem; cert-manager makes key and certificate itself. Take them out."
FAR = f"an Issuer signs in its own namespace only, here {SYSTEM}. Name a ClusterIssuer in mesh_certificates_cert_manager.edge_issuer."
SHORT = "cert-manager refuses a life of less than an hour (0.042 days)."
CLUSTER = {"edge_issuer": {"name": "corporate", "kind": "ClusterIssuer"}}
OFF = {"authority": {"enabled": False}}
CSR = {"name": "prod", "namespace": SYSTEM, "certificate_authority": {"type": "istio_csr"}}

BY_CERT_MANAGER: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing said": ({}, []),
    "material of pem": (
        {"authority": {"roots": SECRET, "key": SECRET}, "clients": [{"name": "curl", "passphrase": "hunter2"}, {"name": "x", "key": None}]},
        [f"travel has key, roots, curl has passphrase: {PEM_ONLY}"],
    ),
    "material of a CA that is off": ({"authority": {"enabled": False, "key": SECRET}}, []),
    "path lengths": (
        {"root": {"path_length": 1}, "edge_root": {"path_length": 0}},
        ["mesh_certificates_root.path_length is 1, mesh_certificates_edge_root.path_length is 0: a Certificate cannot say a path length. "
         "Take it out, or name an issuer whose CA has one."],
    ),
    "no path length": ({"root": {"path_length": None}}, []),
    "extra roots": (
        {"extra_roots": ["old.pem"]},
        ["mesh_certificates_extra_roots is set: ca.crt of cacerts is what the issuer says, and nothing can be added to it. Take it out, "
         "or use the providers own_ca or pem."],
    ),
    "extra roots without cacerts": ({**OFF, "extra_roots": ["old.pem"]}, []),
    "extra roots with istio-csr": ({"control_plane": CSR, "extra_roots": ["old.pem"]}, []),
    "another namespace": ({"gateways": [{"name": "web", "namespace": "edge"}]}, [f"web is wanted in the namespace edge: {FAR}"]),
    "its own namespace": ({"gateways": [{"name": "web", "namespace": SYSTEM}], "clients": [{"name": "x", "namespace": None}]}, []),
    "another namespace, and a ClusterIssuer": ({"cert_manager": CLUSTER, "gateways": [{"name": "web", "namespace": "edge"}]}, []),
    "less than an hour": (
        {"clients": [{"name": "a", "days": 0.04}, {"name": "b", "days": "0.01"}]}, [f"a has days 0.04, b has days 0.01: {SHORT}"],
    ),
    "no life at all": ({"root": {"days": 0}}, [f"travel-root has days 0: {SHORT}"]),
    "an hour": ({"clients": [{"name": "a", "days": 0.042}]}, []),
    "a bundle, on a cluster": ({"clients": [{"name": "a", "bundle": "/x"}]}, []),
    "a bundle, in files": (
        {"target": "files", "clients": [{"name": "a", "bundle": "/x"}, {"name": "b"}, {"name": "c", "bundle": "/x"}]},
        ["a has a bundle, c has a bundle: its files have a key that only the cluster has. Use certificates_target cluster, or give it a "
         "namespace instead."],
    ),
    "trust, on a cluster": ({"trust": [{"name": "a", "namespace": "b"}]}, []),
    "trust, in files": (
        {"target": "files", "trust": [{"name": "a", "namespace": "b"}]},
        ["mesh_certificates_trust is set: the roots that it wants are only on the cluster. Use certificates_target cluster."],
    ),
    "several at once": (
        {"root": {"path_length": 1}, "extra_roots": ["x"], "gateways": [{"name": "web", "namespace": "edge", "days": 0}]},
        ["mesh_certificates_root.path_length is 1", "mesh_certificates_extra_roots is set", "web is wanted in", "web has days 0"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_CERT_MANAGER)
def test_what_cert_manager_cannot_do(case: str) -> None:
    given, expected = BY_CERT_MANAGER[case]
    found = cert_manager_refusals(intent(provider="cert_manager", **given))
    assert len(found) == len(expected) and SECRET not in str(found) and "hunter2" not in str(found)
    for line, text in zip(found, expected, strict=True):
        whole = f"certificates_provider is cert_manager, and {text}"
        assert line == whole if case != "several at once" else line.startswith(whole)


NO_CA = (
    "the intent asks for no CA of the mesh, so nobody knows its root beforehand. Ask for one in mesh_certificates_authority "
    "({enabled: true} is enough), or take this out."
)
NO_EDGE = "neither mesh_certificates_gateways nor mesh_certificates_clients has an entry, so there is no such root. Take this out."
MESH_ROOT, EDGE_ROOT = {"name": "m", "namespace": "shop", "of": "mesh"}, {"name": "e", "namespace": "shop"}
WEB = {"gateways": [{"name": "web", "hosts": ["a"]}]}

NOTHING: dict[str, Any] = {"authority": {}}

UNASKED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": (NOTHING, []),
    "of a CA that is asked for": ({"authority": {"enabled": True}, "extra_roots": ["old.pem"], "trust": [MESH_ROOT]}, []),
    "of a CA that only its root asks for": ({**NOTHING, "root": {"name": "r"}, "trust": [MESH_ROOT]}, []),
    "of istio-csr": ({**NOTHING, "provider": "cert_manager", "control_plane": CSR, "trust": [MESH_ROOT]}, []),
    "extra roots": ({**NOTHING, "extra_roots": ["old.pem"]}, [f"mesh_certificates_extra_roots is set: {NO_CA}"]),
    "extra roots of a CA that is off": ({**OFF, "extra_roots": ["old.pem"]}, [f"mesh_certificates_extra_roots is set: {NO_CA}"]),
    "the root of the mesh": (
        {**NOTHING, **WEB, "trust": [MESH_ROOT, EDGE_ROOT]}, [f"mesh_certificates_trust wants the root of the mesh in shop/m: {NO_CA}"],
    ),
    "both": (
        {**NOTHING, "extra_roots": ["old.pem"], "trust": [MESH_ROOT, EDGE_ROOT, {**EDGE_ROOT, "name": "f", "of": None}]},
        [f"mesh_certificates_extra_roots is set and mesh_certificates_trust wants the root of the mesh in shop/m: {NO_CA}",
         f"mesh_certificates_trust wants the root of the edge in shop/e, shop/f: {NO_EDGE}"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNASKED)
def test_what_needs_a_ca_or_an_edge_that_is_not_asked_for(case: str) -> None:
    given, expected = UNASKED[case]
    assert unasked_refusals(intent(**given)) == expected
