# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Cipher suites and curves of TLS by the names that Istio has for them, and what OpenShift Service Mesh 2 calls them: by Go's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["CIPHER_SUITES", "CURVES", "known_as", "weak"]

CIPHER_SUITES: Mapping[str, str] = {
    "ECDHE-ECDSA-AES256-GCM-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-SHA": "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "ECDHE-RSA-AES128-SHA": "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "ECDHE-ECDSA-AES256-SHA": "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "ECDHE-RSA-AES256-SHA": "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "AES128-GCM-SHA256": "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "AES256-GCM-SHA384": "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "AES128-SHA": "TLS_RSA_WITH_AES_128_CBC_SHA",
    "AES256-SHA": "TLS_RSA_WITH_AES_256_CBC_SHA",
    "DES-CBC3-SHA": "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
}
CURVES: Mapping[str, str] = {"P-256": "CurveP256", "P-384": "CurveP384", "P-521": "CurveP521", "X25519": "X25519"}


def known_as(names: Iterable[str], table: Mapping[str, str]) -> list[str] | None:
    """Names of OpenShift Service Mesh 2 as Istio has them; None where one of them is not known."""
    back = {theirs: ours for ours, theirs in table.items()}
    found = [back.get(name) for name in names]
    return None if None in found else [name for name in found if name]


def weak(cipher: str) -> str:
    """Why a cipher suite is weak; empty for a strong one, and for what is no name of one."""
    if cipher not in CIPHER_SUITES:
        return ""
    if not cipher.startswith("ECDHE"):
        return "no forward secrecy: who gets the key one day reads what was recorded before"
    return "CBC with SHA-1, which attacks on padding read" if cipher.endswith("-SHA") else ""
