# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that modules share: documented once, declared once, and both say the same (in the modules too)."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring
from ansible_collections.meshops.mesh.plugins.doc_fragments.options import ModuleDocFragment
from ansible_collections.meshops.mesh.plugins.module_utils._kube import options as twins

COLLECTION = "ansible_collections.meshops.mesh.plugins"
MODULES = Path(__file__).resolve().parents[3] / "plugins" / "modules"
PIECES = [name for name in vars(ModuleDocFragment) if name.isupper()]
FIELDS = ("type", "default", "required", "choices", "elements")


def facts(option: dict[str, Any]) -> dict[str, Any]:
    """What documentation and argument spec both say of an option."""
    found = {"type": "str"} | {key: option[key] for key in FIELDS if option.get(key) is not None}
    return {**found, "default": float(found["default"])} if found["type"] == "float" and "default" in found else found


def documented(name: str) -> dict[str, Any]:
    doc, _examples, _returned, _metadata = get_docstring(str(MODULES / f"{name}.py"), fragment_loader, collection_name="meshops.mesh")
    return {option: facts(said) for option, said in doc["options"].items()}


def declared(name: str) -> dict[str, Any]:
    module = importlib.import_module(f"{COLLECTION}.modules.{name}")
    spec = module.argument_spec() if hasattr(module, "argument_spec") else module.ARGUMENT_SPEC
    return {option: facts(said) for option, said in spec.items()}


def users() -> list[str]:
    """Modules that extend a piece."""
    return sorted(path.stem for path in MODULES.glob("*.py") if "meshops.mesh.options." in path.read_text(encoding="utf-8"))


def test_there_are_pieces_and_users() -> None:
    assert set(PIECES) == {"CHANGE", "CLUSTER", "MEMBERS", "MESH_CONFIG", "OBSERVED", "PLANE", "REPORT", "RESTART", "SOURCE", "WAIT"}
    assert {"mesh_apply", "install_plan", "mesh_check", "cluster_snapshot", "persona_access_info"} <= set(users())


@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_and_its_twin_say_the_same(piece: str) -> None:
    said = yaml.safe_load(getattr(ModuleDocFragment, piece))["options"]
    assert {name: facts(option) for name, option in said.items()} == {name: facts(option) for name, option in getattr(twins, piece).items()}


@pytest.mark.parametrize("name", users())
def test_a_module_documents_what_it_declares(name: str) -> None:
    spec, doc = declared(name), documented(name)
    shared = {option for piece in PIECES for option in getattr(twins, piece)}
    assert {option: said for option, said in doc.items() if option in spec} == {option: spec[option] for option in doc if option in spec}
    assert set(spec) & shared == set(doc) & shared
    assert "cluster" in spec or "kubernetes.core.k8s_auth_options" not in (MODULES / f"{name}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(MODULES.glob("*.py")), ids=lambda path: path.stem)
def test_nobody_writes_a_shared_option_again(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    talks = "kubernetes.core.k8s_auth_options" in text
    assert not talks or "meshops.mesh.options.cluster" in text, "it talks to a cluster: extend meshops.mesh.options.cluster"
    assert not talks or '"cluster": {' not in text
    assert '"wait_interval": {' not in text


def test_a_default_of_a_modules_own() -> None:
    assert twins.wait_options(wait_timeout=900)["wait_timeout"] == {"type": "float", "default": 900}
    assert twins.wait_options()["wait_interval"] == twins.WAIT["wait_interval"]


NOTHING: dict[str, Any] = {"cluster": None, "context": None, "host": None}


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"cluster": "west", "context": "c", "host": "h"}, "west"),
        ({"cluster": None, "context": "c", "host": "h"}, "c"),
        ({"cluster": None, "context": None, "host": "h"}, "h"),
        ({"cluster": "", "context": None, "host": None}, "default"),
        ({"cluster": None, "context": None, "host": "h", "source": "manifests", "path": "gitops/west/"}, "west"),
        ({"cluster": None, "context": None, "host": "h", "source": "cluster", "path": "gitops/west"}, "h"),
        ({**NOTHING, "before": {"source": "cluster"}, "after": {"source": "manifests", "path": "a/new", "applied": False}}, "new"),
        ({**NOTHING, "before": {"source": "snapshot", "path": "w.json"}, "after": {"path": "change", "applied": True}}, "w.json"),
    ],
)
def test_what_messages_call_the_cluster(params: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twins, "current_context", lambda _kubeconfig: "")
    for key in ("K8S_AUTH_CONTEXT", "K8S_AUTH_HOST", "K8S_AUTH_KUBECONFIG"):
        monkeypatch.delenv(key, raising=False)
    assert twins.display_name(params) == name
