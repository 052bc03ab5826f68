# SPDX-License-Identifier: GPL-3.0-or-later
"""What given certificates cannot mean; no refusal has a value of the entries."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.filter.certificate_refusals import certificate_refusals

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
