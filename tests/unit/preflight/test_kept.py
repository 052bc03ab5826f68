# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job could not keep is refused by the inventory alone, before a playbook has changed anything."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._preflight import MeshVariables, refusals

WHY = "it goes with the container"
CA = {"mesh_certificates_authority": {"name": "shop-2027"}}
CLIENT = {"mesh_certificates_clients": [{"name": "partner", "bundle": "/runner/partner", "subject": {"common_name": "partner"}}]}


def said(values: dict[str, Any], *, roles: tuple[str, ...] = ("certificates",), lost: str = "/runner") -> list[str]:
    given = {
        "mesh_name": "shop",
        "mesh_provider": "ossm3",
        "mesh_control_plane": {"name": "default", "namespace": "istio-system"},
        **values,
    }
    found = refusals(
        MeshVariables(
            values=given, roles=frozenset(roles), store="/runner/pki", lost=lambda path: WHY if lost and path.startswith(lost) else ""
        )
    )
    return [text for text in found if WHY in text]


@pytest.mark.parametrize(
    ("values", "begins"),
    [
        ({}, []),
        (CA, ["mesh_certificates_store is /runner/pki: it goes with the container. Name a folder on a volume"]),
        (CLIENT, ["mesh_certificates_store is /runner/pki", "the bundle of partner is /runner/partner"]),
        ({**CLIENT, "mesh_certificates_provider": "pem"}, ["the bundle of partner is /runner/partner"]),
        ({**CA, "mesh_certificates_provider": "cert_manager"}, []),
    ],
    ids=["nothing", "own CA", "client", "client of pem", "cert-manager"],
)
def test_what_is_refused(values: dict[str, Any], begins: list[str]) -> None:
    found = said(values)
    assert len(found) == len(begins) and all(text.startswith(first) for text, first in zip(found, begins, strict=True))


def test_only_where_certificates_are_made_and_files_go() -> None:
    assert said(CA, roles=("membership",)) == [] == said(CA, lost="")
