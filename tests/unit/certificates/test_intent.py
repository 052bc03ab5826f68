# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory says of certificates: null says nothing, switches and numbers may be text, and no error has a value."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.intent import CertificateIntent, flag, number
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError

from .intents import SYSTEM, intent

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("value", "default", "expected"),
    [(True, False, True), ("yes", False, True), ("no", True, False), (0, True, False), ("1", False, True), (None, True, True),
     ("x", True, False)],
)  # fmt: skip
def test_a_switch(value: Any, default: bool, expected: bool) -> None:
    assert flag({"enabled": value}, "enabled", default=default) is expected


def test_a_switch_that_is_not_there() -> None:
    assert flag({}, "enabled", default=True) and not flag({}, "enabled")


@pytest.mark.parametrize(("value", "expected"), [(30, 30.0), (0.5, 0.5), ("30", 30.0), ("0.25", 0.25), (None, 365.0)])
def test_a_number(value: Any, expected: float) -> None:
    assert number({"days": value}, "days", 365.0, "web") == expected


@pytest.mark.parametrize("value", ["soon", [], {}, ""])
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^web: days is no number$"):
        number({"days": value}, "days", 365.0, "web")


def test_names_where_nothing_is_said() -> None:
    found = intent(root=None, gateways=None, extra_roots=None, renew_at="0.5", authority={"name": None, "enabled": True})
    assert (found.root_name, found.edge_name, found.authority_name) == ("root", "edge-root", "travel")
    assert found.istiod_name == "istiod.mesh-system.svc"
    assert found.has_authority and not found.by_cert_manager and found.renew_at == 0.5
    assert (found.provider, found.target, found.generation) == ("own_ca", "cluster", "ossm3") and found.leaves == []


def test_names_that_are_said() -> None:
    found = intent(root={"name": "r"}, edge_root={"name": "e"}, authority={"name": "ca", "enabled": "no"}, provider="cert_manager")
    assert (found.root_name, found.edge_name, found.authority_name) == ("r", "e", "ca")
    assert not found.has_authority and found.by_cert_manager


def test_entries_with_what_each_is_for() -> None:
    ca, gateway, client = {"key": SECRET}, {"name": "web", "hosts": ["x"]}, {"name": "curl"}
    found = intent(authority=ca, gateways=[gateway], clients=[client])
    assert found.entries == [
        {"key": SECRET, "name": "travel", "role": "authority"},
        {"name": "web", "hosts": ["x"], "role": "gateway"},
        {"name": "curl", "role": "client"},
    ]
    assert intent(authority={"enabled": False}, clients=[client]).entries == [{"name": "curl", "role": "client"}]
    assert ca == {"key": SECRET} and client == {"name": "curl"}, "the inventory's own entries stay as they are"


@pytest.mark.parametrize(("entry", "expected"), [({}, SYSTEM), ({"namespace": None}, SYSTEM), ({"namespace": "edge"}, "edge")])
def test_the_namespace_of_an_entry(entry: dict[str, Any], expected: str) -> None:
    assert intent().namespace_of(entry) == expected


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"authority": SECRET}, "authority must be a map, found str"),
    ({"control_plane": [SECRET]}, "control_plane must be a map, found list"),
    ({"gateways": SECRET}, "gateways must be a list, found str"),
    ({"clients": {"name": SECRET}}, "clients must be a list, found dict"),
    ({"clients": [SECRET]}, "clients must be a list of maps, found one of str"),
    ({"gateways": [{"key": SECRET}]}, "gateways: each entry needs a name"),
    ({"gateways": [{"name": None, "key": SECRET}]}, "gateways: each entry needs a name"),
    ({"extra_roots": SECRET}, "extra_roots must be a list, found str"),
    ({"renew_at": SECRET}, "certificates: renew_at is no number"),
]


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_what_is_not_of_its_type(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as found:
        intent(**given)
    assert str(found.value) == message and SECRET not in repr(found.value)


def test_no_key_gets_into_a_representation() -> None:
    assert SECRET not in repr(intent(authority={"key": SECRET})) and isinstance(intent(), CertificateIntent)


CSR = {"namespace": SYSTEM, "certificate_authority": {"type": "istio_csr"}}
ISSUER = {"issuer": {"name": "corporate"}}
ASKED: list[tuple[str, dict[str, Any], bool]] = [
    ("nothing", {}, False),
    ("nothing in it", {"authority": {}, "root": {}}, False),
    ("null", {"authority": {"name": None}, "root": {"subject": None}}, False),
    ("switched on", {"authority": {"enabled": "yes"}}, True),
    ("named", {"authority": {"name": "ca"}}, True),
    ("a root", {"root": {"days": 3650}}, True),
    ("switched off", {"authority": {"enabled": False, "name": "ca"}, "root": {"days": 3650}}, False),
    ("a root of the edge", {"edge_root": {"name": "e"}, "gateways": [{"name": "web", "hosts": []}]}, False),
    ("roots to trust", {"extra_roots": ["old.pem"]}, False),
    ("an issuer of cert-manager", {"provider": "cert_manager", "cert_manager": ISSUER}, True),
    ("an issuer of a provider that has none", {"provider": "own_ca", "cert_manager": ISSUER}, False),
    ("an issuer for the edge only", {"provider": "cert_manager", "cert_manager": {"edge_issuer": {"name": "x"}}}, False),
    ("istio-csr", {"provider": "cert_manager", "control_plane": CSR}, False),
]


@pytest.mark.parametrize(("given", "expected"), [pytest.param(*row[1:], id=row[0]) for row in ASKED])
def test_whether_a_ca_is_asked_for(given: dict[str, Any], expected: bool) -> None:
    found = CertificateIntent.of({"mesh": "travel", "control_plane": {"name": "prod", "namespace": SYSTEM}, **given})
    assert found.has_authority is expected
