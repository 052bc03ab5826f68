# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What the variables about operators cannot mean: packages that nobody installs, versions that are no names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .._model.packages import KNOWN
from .._text import did_you_mean, shown

__all__ = ["operator_refusals"]

_MERE = re.compile(r"v?[0-9]")  # a version by itself


def operator_refusals(
    packages: list[str], *, channels: Mapping[str, Any], versions: Mapping[str, Any], starting_csvs: Mapping[str, Any]
) -> list[str]:
    """A sentence for each thing that has to be refused. packages: those that the intent uses.

    A package of another intent is no mistake: an inventory may serve both generations."""
    rows = {"mesh_operators_channels": channels, "mesh_operators_versions": versions, "mesh_operators_starting_csvs": starting_csvs}
    return [text for variable, given in rows.items() for text in _of(variable, given, packages)]


def _of(variable: str, given: Mapping[str, Any], packages: list[str]) -> Iterator[str]:
    for package, value in given.items():
        if package not in packages and package not in KNOWN:
            yield (
                f"{variable}: {shown(package)} is no package of this mesh; {did_you_mean(package, packages)}"
                " (a package of your own goes into mesh_operators_extra)"
            )
        if variable != "mesh_operators_channels" and _MERE.match(str(value)):
            latest = ", or latest" if variable == "mesh_operators_versions" else ""
            yield (
                f"{variable}: {shown(package)} has {shown(value)}, expected the full name of a ClusterServiceVersion, such as "
                f"servicemeshoperator3.v3.2.0{latest}"
            )
