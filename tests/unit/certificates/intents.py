# SPDX-License-Identifier: GPL-3.0-or-later
"""Intended certificates for tables of cases, as the role hands them to its filters."""

from __future__ import annotations

from typing import Any

from ansible_collections.meshops.mesh.plugins.module_utils._certificates.intent import CertificateIntent

__all__ = ["SYSTEM", "intent", "variables"]

SYSTEM = "mesh-system"


def variables(**given: Any) -> dict[str, Any]:
    """Of a mesh `travel` that asks for a CA, and says nothing else."""
    return {"mesh": "travel", "control_plane": {"name": "prod", "namespace": SYSTEM}, "authority": {"enabled": True}, **given}


def intent(**given: Any) -> CertificateIntent:
    return CertificateIntent.of(variables(**given))
