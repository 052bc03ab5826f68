# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The variables of a first, small mesh: as inventories/minimal has them, where nobody says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["USUAL", "first_variables"]

# What the playbook asks for, in its order, and what an empty answer means.
USUAL: Mapping[str, str] = {
    "mesh_name": "first",
    "mesh_provider": "ossm3",
    "namespace": "istio-system",
    "team": "shop",
    "namespaces": "",  # one that is called as the team
}


def first_variables(answers: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """answers: in the order of USUAL, as far as something was asked. given: variables that go before, where they have a value."""
    said = {**USUAL, **{name: answer.strip() for name, answer in zip(USUAL, answers, strict=False) if answer.strip()}}
    known = {name: value for name, value in given.items() if value not in (None, "", [], {})}
    name = known.get("mesh_name", said["mesh_name"])
    spaces = [part.strip() for part in (said["namespaces"] or said["team"]).split(",") if part.strip()]
    return {
        "mesh_name": name,
        "mesh_provider": said["mesh_provider"],
        "mesh_control_plane": {"name": name, "namespace": said["namespace"], "egress": {"enabled": False}},
        "mesh_domains": [{"name": said["team"], "namespaces": spaces}],
        **known,
    }
