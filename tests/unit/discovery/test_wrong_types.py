# SPDX-License-Identifier: GPL-3.0-or-later
"""A wrong type in one field of one object: what a mesh is is found out all the same, and the object is named where it was in the way."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._discovery.completion import completed
from ansible_collections.meshops.mesh.plugins.module_utils._discovery.discover import discover_readable
from ansible_collections.meshops.mesh.plugins.module_utils._discovery.report import found_lines, mesh_data, not_judged
from ansible_collections.meshops.mesh.plugins.module_utils._model.intent import Intent
from ansible_collections.meshops.mesh.plugins.module_utils._model.malformed import title
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View
from checks.builder import build, snapshot
from checks.test_malformed import OTHERS, changed, paths

from .meshes import MAISTRA, OSSM3, SAIL, istioctl, pod
from .test_discovery import TAG

MORE = [
    TAG,
    pod("shop/web-1"),
    {"DaemonSet istio-system/ztunnel": {"labels": {"app": "ztunnel"}}},
    {"IstioOperator istio-system/m": {"spec": {"tag": "1.2"}}},
]


def wrong(entries: list[dict[str, Any]]) -> Any:
    objects = [build(entry) for entry in entries]
    number = 0
    for index, obj in enumerate(objects):
        for path in paths(obj):
            for value in OTHERS:
                number += 1
                if number % 3 == 0:
                    yield obj, path, value, (*objects[:index], changed(obj, path, value), *objects[index + 1 :])


@pytest.mark.parametrize("entries", [[*istioctl(), *MORE], SAIL, OSSM3, MAISTRA], ids=["istioctl", "sail", "ossm3", "maistra"])
@pytest.mark.parametrize("source", ["cluster", "manifests"])
def test_nothing_ends_it(entries: list[dict[str, Any]], source: str) -> None:
    problems = []
    given = snapshot([], source=source)
    for obj, path, value, objects in wrong(entries):
        view = View(Snapshot(**{**given.__dict__, "objects": objects}))
        where = f"{title(obj)} {path} = {value!r}"
        try:
            found = discover_readable(view)
            told = [*found_lines(found, found.meshes), not_judged(view.objects(), {"shop"}.__contains__, every=True)]
            _all = [mesh_data(mesh) for mesh in found.meshes], [completed(Intent(), mesh) for mesh in found.meshes]
        except Exception as exc:  # noqa: BLE001  # any of them is what is looked for
            problems.append(f"{where}: {type(exc).__name__}: {exc}")
            continue
        left = [line for line in told if "left out" in line]
        problems += [f"{where}: {line}" for line in left if title(obj) not in line]
        problems += [f"{where}: gave up" for line in told if "could not be found out" in line]
    assert not problems, f"{len(problems)}:\n" + "\n".join(problems[:30])
