# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh with the one namespace shop, as playbooks about its traffic are given it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from testbed import Bed

__all__ = ["SPACE", "play"]

SPACE = "shop"


def play(
    playbook: Callable[..., Any], bed: Bed, folder: Path, name: str, *words: str, mesh_provider: str = "sail", **variables: Any
) -> Any:
    """Runs the playbook meshops.mesh.NAME on the bed. words: of the command line; folder: for the inventory; variables: -e."""
    inventory = folder / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"shop": {"hosts": {"west": {}}}}), encoding="utf-8")
    given = {
        "mesh_name": "shop",
        "mesh_provider": mesh_provider,
        "mesh_control_plane": {"name": "default", "namespace": "istio-system"},
        "mesh_domains": [{"name": "shop", "namespaces": [SPACE]}],
        **variables,
    }
    return playbook(f"meshops.mesh.{name}", *words, bed=bed, inventory=inventory, extra_vars=given)
