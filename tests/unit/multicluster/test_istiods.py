# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clusters istiods say that they have read, and what is said where one does not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._commands.remote_clusters_info import IstiodView, wait_synced
from ansible_collections.meshops.mesh.plugins.module_utils._errors import NotReady
from ansible_collections.meshops.mesh.plugins.module_utils._kube.wait import Timing

GOOD = IstiodView("istio-system/istiod-1", {"east": "synced", "west": "synced"})
LATE = IstiodView("istio-system/istiod-2", {"east": "synced", "west": "syncing"})
SILENT = IstiodView("istio-system/istiod-3", {}, "the pod is gone")


def waited(*looks: Sequence[IstiodView]) -> list[IstiodView]:
    """The last look counts for ever; a second of the clock goes by between two of them."""
    seconds, rest = [0.0], iter(looks)

    def look() -> Sequence[IstiodView]:
        return next(rest, looks[-1])

    timing = Timing(timeout=3, interval=1, clock=lambda: seconds[0], sleep=lambda pause: seconds.__setitem__(0, seconds[0] + pause))
    return wait_synced(look, ["west"], name="east", timing=timing)


def test_each_istiod_has_to_have_read_each_cluster() -> None:
    assert waited([GOOD, LATE], [SILENT], [GOOD]) == [GOOD]


LINES = (
    ([GOOD, LATE], "Pod istio-system/istiod-2 says syncing of cluster west, expected synced"),
    ([IstiodView("a/b", {"east": "synced"})], "Pod a/b says nothing of cluster west"),
    ([SILENT], "Pod istio-system/istiod-3 does not say which clusters it reads: the pod is gone"),
    ([], "no istiod runs"),
)


@pytest.mark.parametrize(("views", "words"), LINES)
def test_what_is_missing_is_named(views: list[IstiodView], words: str) -> None:
    with pytest.raises(NotReady, match="cluster east: its istiod does not read the other clusters after 3 s") as error:
        waited(views)
    assert words in str(error.value)
