# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of cipher suites and curves: the role's copy, the way back, and what is weak."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._model.tls_names import CIPHER_SUITES, CURVES, known_as, weak

ROLE = Path(__file__).resolve().parents[3] / "roles" / "control_plane"


def test_the_role_has_the_same_names() -> None:
    names = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))["__control_plane_tls_names"]
    assert names == {**CIPHER_SUITES, **CURVES}
    options = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    plane = options["control_plane_spec"]["options"]
    assert plane["tls_cipher_suites"]["choices"] == list(CIPHER_SUITES) and plane["tls_ecdh_curves"]["choices"] == list(CURVES)


def test_the_way_back() -> None:
    assert known_as(CIPHER_SUITES.values(), CIPHER_SUITES) == list(CIPHER_SUITES)
    assert known_as(["CurveP256", "X25519"], CURVES) == ["P-256", "X25519"]
    assert known_as(["TLS_NEW"], CIPHER_SUITES) is None


@pytest.mark.parametrize(
    ("cipher", "why"),
    [
        ("ECDHE-RSA-AES128-GCM-SHA256", ""),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", ""),
        ("ECDHE-RSA-AES128-SHA", "CBC"),
        ("AES256-GCM-SHA384", "no forward secrecy"),
        ("DES-CBC3-SHA", "no forward secrecy"),
        ("of nobody", ""),
    ],
)
def test_what_is_weak(cipher: str, why: str) -> None:
    assert weak(cipher).startswith(why) and bool(weak(cipher)) is bool(why)
