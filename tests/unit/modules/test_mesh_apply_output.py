# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module says does not repeat what it was given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.meshops.mesh.plugins.module_utils._kube import layer
from ansible_collections.meshops.mesh.plugins.module_utils._kube.apply import Outcome
from ansible_collections.meshops.mesh.plugins.modules import mesh_apply

SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "shop"}, "data": {"password": "aHVudGVyMg=="}}


class Quiet:
    """A cluster that warns of nothing."""

    warnings: tuple[str, ...] = ()


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[dict[str, Any], str]:
    given = {"objects": [SECRET], "mesh": "travel", "layer": "shop", "cluster": "west", **options}
    with patch_module_args(given), pytest.raises(SystemExit):
        mesh_apply.main()
    text = capsys.readouterr().out
    return json.loads(text), text


def test_a_finished_layer_does_not_show_the_objects(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer.Cluster, "from_params", lambda *_args, **_options: Quiet())
    monkeypatch.setattr(layer, "run", lambda *_args: Outcome((), 0.0))
    found, text = run(capsys)
    assert found["invocation"]["module_args"]["objects"] == "1 objects, not shown"
    assert found["invocation"]["module_args"]["layer"] == "shop"
    assert "aHVudGVyMg" not in text


def test_a_failed_layer_does_not_show_them_either(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found, text = run(capsys, kubeconfig=str(tmp_path / "none"))
    assert found["failed"]
    assert "no usable login" in found["msg"]
    assert "aHVudGVyMg" not in text
