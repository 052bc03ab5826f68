# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Two states of a mesh that are compared, as modules with the options CHANGE read them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .._errors import ConfigError
from .._model.clock import utc_now
from .._model.overlay import overlaid
from .._model.snapshot import Snapshot
from .sources import read_whole

__all__ = ["Change", "read_change"]


@dataclass(frozen=True)
class Change:
    """Each of both states as a whole, and what was read for it. applied: what was read for the later one is only a part of it."""

    before: Snapshot
    after: Snapshot
    sources: Mapping[str, Snapshot]
    applied: bool

    @property
    def whole(self) -> list[Snapshot]:
        """What was read of the states that are read as a whole: what is applied may be one object, which need not be of the mesh."""
        return list(self.sources.values())[: 1 if self.applied else 2]

    @property
    def read(self) -> dict[str, Any]:
        """What a module returns of it, of manifests."""
        return {which: found.reading.to_dict() for which, found in self.sources.items() if found.reading}


def read_change(
    params: Mapping[str, Any], *, kinds: Collection[tuple[str, str]], family: str, warn: Callable[[str], None] | None = None
) -> Change:
    """What the options CHANGE name, of a cluster these kinds only. Raises MeshError; family: of the playbooks that have the rights."""
    applied, removed = bool(params["after"]["applied"]), params["remove"]
    if params["before"]["source"] == params["after"]["source"] == "cluster":
        raise ConfigError("before and after are both the cluster; take a snapshot with meshops.mesh.cluster_snapshot before the change")
    if removed and not applied:
        raise ConfigError("remove needs after.applied: without it, what is not in after is removed anyway")

    def read(which: str) -> Snapshot:
        given = params[which]
        if given["source"] != "cluster" and not given["path"]:
            raise ConfigError(f"{which}.path is not set; with source {given['source']} it names the file or folder")
        # a change may be that objects are removed, and nothing else
        may_be_empty = which == "after" and applied and bool(removed)
        return read_whole({**params, **given, "may_be_empty": may_be_empty}, kinds=kinds, family=family, clock=utc_now, warn=warn)

    sources = {which: read(which) for which in ("before", "after")}
    before, after = sources["before"], sources["after"]
    if applied:
        objects = overlaid(before.objects, after.objects, removed)
        after = replace(before, objects=tuple(dict(one) for one in objects))
    return Change(before, after, sources, applied)
