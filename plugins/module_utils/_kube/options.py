# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Argument specs that modules share; each piece has a twin of the same name in doc_fragments/options.py, and a test compares them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["CLUSTER", "WAIT", "display_name", "wait_options"]

Spec = dict[str, dict[str, Any]]

CLUSTER: Spec = {"cluster": {"type": "str"}}
WAIT: Spec = {"wait_timeout": {"type": "float", "default": 300}, "wait_interval": {"type": "float", "default": 1}}


def wait_options(**defaults: float) -> Spec:
    """The options of WAIT with a module's own defaults."""
    return {name: {**option, "default": defaults.get(name, option["default"])} for name, option in WAIT.items()}


def display_name(params: Mapping[str, Any]) -> str:
    """What messages call the cluster."""
    return str(params["cluster"] or params["context"] or params["host"] or "default")
