# SPDX-License-Identifier: GPL-3.0-or-later
"""What cert-manager is asked for: lives, names, keys, issuers, and what istio-csr serves."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._certificates import cert_manager
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.cert_manager import CertManagerRow
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError

from .intents import SYSTEM, intent

OFF = {"authority": {"enabled": False}}
CSR = {"name": "prod", "namespace": SYSTEM, "certificate_authority": {"type": "istio_csr"}}
NAMED = {
    "issuer": {"name": "corporate", "kind": "ClusterIssuer"},
    "edge_issuer": {"name": "edge", "kind": "AWSPCAIssuer", "group": "awspca.io"},
}


def rows(**given: Any) -> list[CertManagerRow]:
    return cert_manager.rows(intent(provider="cert_manager", **given))


def row(entry: dict[str, Any], **given: Any) -> CertManagerRow:
    """Of one gateway."""
    return rows(**OFF, gateways=[{"name": "web", "hosts": ["a"], **entry}], **given)[-1]


WHO: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "nothing said": ({}, [("root", "travel-root"), ("authority", "cacerts")]),
    "no CA": (OFF, []),
    "a gateway and a client": (
        {**OFF, "gateways": [{"name": "web"}], "clients": [{"name": "curl"}]},
        [("root", "travel-edge-root"), ("gateway", "web"), ("client", "curl")],
    ),
    "names of roots": ({"root": {"name": "r"}, "edge_root": {"name": "e"}, "clients": [{"name": "curl"}]},
                       [("root", "travel-r"), ("root", "travel-e"), ("authority", "cacerts"), ("client", "curl")]),
    "named issuers": ({"cert_manager": NAMED, "gateways": [{"name": "web"}]}, [("authority", "cacerts"), ("gateway", "web")]),
    "istio-csr": ({"control_plane": CSR}, [("root", "travel-root")]),
    "istio-csr of a named issuer": ({"control_plane": CSR, "cert_manager": NAMED}, []),
    "istio-csr without a CA of istiod": ({**OFF, "control_plane": CSR}, [("root", "travel-root")]),
}  # fmt: skip


@pytest.mark.parametrize("case", WHO)
def test_who_is_there(case: str) -> None:
    given, expected = WHO[case]
    assert [(one.role, one.name) for one in rows(**given)] == expected


LIVES: list[tuple[Any, Any, str, str]] = [
    (None, 0.66, "8760h", "2978h"),  # a year, in whole hours
    (1000, 0.66, "24000h", "8160h"),
    ("30", 0.66, "720h", "244h"),
    (0.5, 0.66, "12h", "245m"),  # no more than a day is left: minutes
    (0.05, 0.66, "72m", "24m"),
    ("0.05", "0.5", "72m", "36m"),
    (1, 0.5, "24h", "12h"),
    (2, 0.5, "48h", "24h"),  # 1440 minutes are a day, not more
    (0.05, 0.99, "72m", "5m"),  # never less than five minutes
    (0.0425, 0.66, "61m", "21m"),
    (100.0001, 0.5, "2400h", "1200h"),
]


@pytest.mark.parametrize(("days", "renew_at", "duration", "rest"), LIVES)
def test_lives(days: Any, renew_at: Any, duration: str, rest: str) -> None:
    found = row({"days": days}, renew_at=renew_at)
    assert (found.duration, found.renew_before) == (duration, rest)


def test_the_life_of_each_role_where_nothing_is_said() -> None:
    found = rows(gateways=[{"name": "web"}], clients=[{"name": "curl"}])
    assert [one.duration for one in found] == ["87600h", "87600h", "17520h", "8760h", "8760h"]


def test_days_that_are_no_number() -> None:
    with pytest.raises(ConfigError, match=r"^web: days is no number$"):
        row({"days": "soon"})


NAMES: list[tuple[str, str]] = [
    ("gto.example.com", "dnsNames"),
    ("*.example.com", "dnsNames"),
    ("localhost", "dnsNames"),
    ("1.example.com", "dnsNames"),
    ("192.0.2.7", "ipAddresses"),
    ("2001:db8::7", "ipAddresses"),
    ("::1", "ipAddresses"),
    ("spiffe://cluster.local/ns/a/sa/b", "uris"),
    ("https://user@example.com/", "uris"),
    ("curl@example.com", "emailAddresses"),
]


@pytest.mark.parametrize(("name", "field"), NAMES)
def test_names(name: str, field: str) -> None:
    found = row({"hosts": [name]}).names
    assert {key: value for key, value in found.items() if value} == {field: [name]}
    assert list(found) == ["dnsNames", "ipAddresses", "uris", "emailAddresses"]


KEYS: list[tuple[str, dict[str, Any], str, int]] = [
    ("gateways", {}, "RSA", 2048),
    ("gateways", {"key_type": "RSA", "key_bits": "3072"}, "RSA", 3072),
    ("gateways", {"key_type": "EC"}, "ECDSA", 256),
    ("clients", {"key_type": "EC", "key_bits": 384}, "ECDSA", 384),
    ("clients", {"key_bits": None}, "RSA", 2048),
    ("authority", {}, "RSA", 4096),
    ("authority", {"key_type": "EC"}, "ECDSA", 256),
    ("root", {}, "RSA", 4096),
    ("root", {"key_bits": 2048}, "RSA", 2048),
]


@pytest.mark.parametrize(("role", "entry", "algorithm", "size"), KEYS)
def test_keys(role: str, entry: dict[str, Any], algorithm: str, size: int) -> None:
    given = {role: {"enabled": True, **entry}} if role in ("authority", "root") else {**OFF, role: [{"name": "x", **entry}]}
    found = rows(**given)[0 if role == "root" else -1]
    assert (found.algorithm, found.size) == (algorithm, size)


SUBJECTS: list[tuple[Any, dict[str, list[str]], str]] = [
    (None, {}, ""),
    ({}, {}, ""),
    ({"common_name": "Web"}, {}, "Web"),
    ({"common_name": None, "country": ""}, {}, ""),
    (
        {"organization": "Travel", "organizational_unit": "IT", "locality": "Ulm", "state": "BW", "country": "DE", "else": "x"},
        {"organizations": ["Travel"], "organizationalUnits": ["IT"], "localities": ["Ulm"], "provinces": ["BW"], "countries": ["DE"]},
        "",
    ),
]


@pytest.mark.parametrize(("subject", "fields", "title"), SUBJECTS)
def test_subjects(subject: Any, fields: dict[str, list[str]], title: str) -> None:
    found = row({"subject": subject})
    assert (found.subject, found.common_name) == (fields, title)


def test_common_names_where_nothing_is_said() -> None:
    found = rows(gateways=[{"name": "web"}], clients=[{"name": "curl"}])
    assert [one.common_name for one in found] == ["travel-root", "travel-edge-root", "travel", "", "curl"]


def test_names_of_the_ca() -> None:
    assert rows()[-1].names["dnsNames"] == [f"istiod.{SYSTEM}.svc"]
    assert rows(authority={"names": ["istiod.other.svc"]})[-1].names["dnsNames"] == ["istiod.other.svc"]


@pytest.mark.parametrize(("entry", "namespace"), [({}, SYSTEM), ({"namespace": "edge"}, "edge"), ({"namespace": None}, SYSTEM)])
def test_namespaces(entry: dict[str, Any], namespace: str) -> None:
    found = row(entry)
    assert found.namespace == namespace
    assert cert_manager.row_queries([found]) == [{"kind": "Secret", "namespace": namespace, "name": "web"}]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [({"mutual": True, "client_roots": "pem"}, "pem"), ({"mutual": "yes", "client_roots": "pem"}, "pem"),
     ({"mutual": False, "client_roots": "pem"}, ""), ({"client_roots": "pem"}, ""), ({"mutual": True}, "")],
)  # fmt: skip
def test_roots_of_clients(entry: dict[str, Any], expected: str) -> None:
    assert row(entry).client_roots == expected


def test_who_signs() -> None:
    own = {"group": "cert-manager.io", "kind": "Issuer"}
    found = {one.name: one.issuer for one in rows(gateways=[{"name": "web"}])}
    assert found == {"travel-root": {}, "travel-edge-root": {}, "cacerts": {**own, "name": "travel-root"},
                     "web": {**own, "name": "travel-edge-root"}}  # fmt: skip
    found = {one.name: one.issuer for one in rows(cert_manager=NAMED, gateways=[{"name": "web"}])}
    assert found["cacerts"] == {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "corporate"}
    assert found["web"] == {"group": "awspca.io", "kind": "AWSPCAIssuer", "name": "edge"}
    plain = rows(cert_manager={"issuer": {"name": "near", "kind": None}})
    assert [one.issuer for one in plain] == [{**own, "name": "near"}]


ISSUERS: dict[str, tuple[dict[str, Any], list[str], list[dict[str, str]]]] = {
    "none is named": ({"gateways": [{"name": "web"}]}, [], []),
    "of another group nobody asks": (
        {"cert_manager": NAMED, "gateways": [{"name": "web"}]},
        ["corporate", "edge"],
        [{"api_version": "cert-manager.io/v1", "kind": "ClusterIssuer", "name": "corporate"}],
    ),
    "an Issuer is in the control plane's namespace": (
        {"cert_manager": {"issuer": {"name": "near"}}},
        ["near"],
        [{"api_version": "cert-manager.io/v1", "kind": "Issuer", "name": "near", "namespace": SYSTEM}],
    ),
    "not without something to sign": ({**OFF, "cert_manager": NAMED}, [], []),
    "for istio-csr": (
        {**OFF, "control_plane": CSR, "cert_manager": {"issuer": NAMED["issuer"]}},
        ["corporate"],
        [{"api_version": "cert-manager.io/v1", "kind": "ClusterIssuer", "name": "corporate"}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ISSUERS)
def test_named_issuers(case: str) -> None:
    given, names, queries = ISSUERS[case]
    found = intent(provider="cert_manager", **given)
    assert [one["name"] for one in cert_manager.named_issuers(found)] == names
    assert cert_manager.issuer_queries(found) == queries


ADDRESSES: list[tuple[Any, str, str]] = [
    (None, "istio-csr", "443"),
    ("csr.csr-prod.svc:8443", "csr-prod", "8443"),
    ("csr.csr-prod.svc", "csr-prod", "443"),
    ("csr:443", "", "443"),
    ("csr.a.svc:", "a", "443"),
]


@pytest.mark.parametrize(("address", "namespace", "port"), ADDRESSES)
def test_the_address_of_istio_csr(address: str | None, namespace: str, port: str) -> None:
    plane = {**CSR, "certificate_authority": {"type": "istio_csr", "address": address}}
    found = cert_manager.istio_csr(intent(provider="cert_manager", control_plane=plane))
    assert found.enabled and (found.namespace, found.port) == (namespace, port)


REVISIONS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["default", "prod"]),
    ({"update_strategy": "RevisionBased"}, ["default", "prod-v1-27-3"]),
    ({"update_strategy": "RevisionBased", "generation": "sail"}, ["default", "prod-v1-27-3"]),
    ({"update_strategy": "RevisionBased", "generation": "ossm2"}, ["default", "prod"]),
    ({"revisions": ["prod-v1-28-0", "prod"], "running": ["prod-v1-26-0", "prod-v1-28-0"]},
     ["default", "prod", "prod-v1-28-0", "prod-v1-26-0"]),
    ({"name": "default"}, ["default"]),
]  # fmt: skip


@pytest.mark.parametrize(("case", "expected"), REVISIONS)
def test_revisions_of_istio_csr(case: dict[str, Any], expected: list[str]) -> None:
    plane = {**CSR, **{key: case[key] for key in ("name", "update_strategy") if key in case}}
    own = {"istio_csr": {"revisions": case.get("revisions")}}
    given = {"version": "v1.27.3", "generation": case.get("generation", "ossm3"), "cert_manager": own}
    found = cert_manager.istio_csr(intent(provider="cert_manager", control_plane=plane, **given), case.get("running", []))
    assert found.revisions == expected


@pytest.mark.parametrize(
    ("provider", "own", "enabled", "managed"),
    [("cert_manager", {}, True, True), ("cert_manager", {"manage": "no"}, True, False),
     ("own_ca", {}, False, False), ("pem", {}, False, False)],
)  # fmt: skip
def test_whether_istio_csr_is_there(provider: str, own: dict[str, Any], enabled: bool, managed: bool) -> None:
    found = cert_manager.istio_csr(intent(provider=provider, control_plane=CSR, cert_manager={"istio_csr": own}))
    assert (found.enabled, found.managed, found.selector) == (enabled, managed, None)
    assert not cert_manager.istio_csr(intent(provider=provider)).enabled, "istiod is its own CA"


def test_the_selector_of_istio_csr() -> None:
    own = {"istio_csr": {"namespace_selector": "a=b"}}
    found = cert_manager.istio_csr(intent(provider="cert_manager", control_plane=CSR, cert_manager=own))
    assert found.selector == "a=b"


def test_the_other_providers_have_no_cacerts_of_cert_manager() -> None:
    assert cert_manager.wants_cacerts(intent(provider="cert_manager")) and not cert_manager.wants_cacerts(intent())


def test_what_goes_with_the_certificates() -> None:
    given = {"gateways": [{"name": "web", "namespace": "edge"}], "trust": [{"name": "ca", "namespace": "shop"}]}
    found = cert_manager.leaf_objects(intent(provider="cert_manager", **given))
    assert [(one["kind"], one["metadata"]) for one in found] == [
        ("Secret", {"name": "cacerts", "namespace": SYSTEM}),
        ("Secret", {"name": "web", "namespace": "edge"}),
        ("ConfigMap", {"name": "ca", "namespace": "shop"}),
    ], "Secrets of roots stay"
