# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module says does not repeat what it was given."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.meshops.mesh.plugins.module_utils._commands import mesh_apply as layer
from ansible_collections.meshops.mesh.plugins.module_utils._commands.apply import LayerResult
from ansible_collections.meshops.mesh.plugins.module_utils._errors import FetchError
from ansible_collections.meshops.mesh.plugins.module_utils._module import Crashed, MeshModule
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
    monkeypatch.setattr(layer, "run", lambda *_args: LayerResult((), 0.0))
    found, text = run(capsys)
    assert found["invocation"]["module_args"]["objects"] == "1 item, not shown"
    assert found["invocation"]["module_args"]["layer"] == "shop"
    assert "aHVudGVyMg" not in text


def test_a_failed_layer_does_not_show_them_either(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found, text = run(capsys, kubeconfig=str(tmp_path / "none"))
    assert found["failed"]
    assert "no usable login" in found["msg"]
    assert "aHVudGVyMg" not in text


def test_nor_does_a_python_without_the_library(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesh_apply, "IMPORT_ERROR", "Traceback: No module named 'kubernetes'")
    found, text = run(capsys)
    assert found["failed"] and "kubernetes" in found["msg"] and "aHVudGVyMg" not in text


@pytest.mark.parametrize("wrong", [{"wait": "perhaps"}, {"objcts": [SECRET]}, {"objects": [SECRET], "mesh": {"a": SECRET}, "state": "off"}])
def test_nor_does_a_wrong_argument(wrong: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    found, text = run(capsys, **wrong)
    assert found["failed"] and "aHVudGVyMg" not in text


def test_nor_does_a_crash(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(cluster: Any, objects: list[Any], order: Any) -> None:
        raise KeyError(objects[0]["data"]["password"])

    monkeypatch.setattr(layer.Cluster, "from_params", lambda *_args, **_options: Quiet())
    monkeypatch.setattr(layer, "run", crash)
    given = {"objects": [SECRET], "mesh": "travel", "layer": "shop", "cluster": "west"}
    with patch_module_args(given), pytest.raises(Crashed, match=r"ended with KeyError.*test_mesh_apply_output.py:[0-9]+ in crash") as error:
        mesh_apply.main()
    assert "aHVudGVyMg" not in "".join(traceback.format_exception(error.value)) + capsys.readouterr().out


def test_nor_does_what_the_api_server_quotes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(cluster: Any, objects: list[Any], order: Any) -> None:
        raise FetchError("Secret shop/login: data.password: Invalid value: aHVudGVyMg== (hunter2)")

    monkeypatch.setattr(layer.Cluster, "from_params", lambda *_args, **_options: Quiet())
    monkeypatch.setattr(layer, "run", refuse)
    found, text = run(capsys)
    assert found["msg"] == "Secret shop/login: data.password: Invalid value: ******** (********)" and "hunter2" not in text


def test_no_module_logs_its_arguments(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(MeshModule, "log", lambda self, text, *_args, **_options: logged.append(text))
    run(capsys, kubeconfig="/none")
    assert logged and "aHVudGVyMg" not in str(logged)


def test_every_module_is_one_of_ours() -> None:
    """Also the next one: what Ansible's own class shows of its arguments are all of them."""
    found = {path.stem: path.read_text(encoding="utf-8") for path in Path(mesh_apply.__file__).parent.glob("*.py")}
    texts = {name: text for name, text in found.items() if "def main()" in text}
    assert len(texts) >= 20
    assert [name for name, text in texts.items() if "@contained\ndef main()" not in text or " AnsibleModule(" in text] == []
