# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that cannot be used end a run before it has talked to any cluster, all at once, each by the name of its field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from faults_support import INSTALL, Playbook, hosts, intent, no_cluster, said

LONG = "n" * 300
APPLICATION = {"name": "web", "image": "registry.example.com/web:1", "port": 8080}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in intent().items() if name not in names}


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "shapes": (
        intent(
            mesh_domains={"name": "shop"},
            mesh_control_plane=["shop"],
            mesh_workloads=[{"namespace": "shop-web", "applications": {"web": APPLICATION}}],
            mesh_gateways="web",
            mesh_target="clustr",
        ),
        [
            "mesh_domains: expected a list, found a map (name)",
            "mesh_control_plane: expected a map, found a list of 1",
            "mesh_workloads[0].applications: expected a list, found a map (web)",
            "mesh_gateways: expected a list, found 'web'",
            "mesh_target: expected one of cluster, files, plan, found 'clustr'",
        ],
    ),
    "unknown": (
        intent(
            mesh_gatewys=[],
            mesh_control_plane={"name": "shop", "namespace": "shop-system", "istod": {"replicas": 1}, "ingress": {"replicas": "many"}},
            mesh_workloads=[{"namespace": "shop-web", "applications": [{**APPLICATION, "port": "eighty", "replcas": 2}]}],
        ),
        [
            "mesh_gatewys: nobody reads this variable; did you mean mesh_gateways?",
            "mesh_control_plane.istod: not known; did you mean istiod?",
            "mesh_control_plane.ingress.replicas: expected a whole number, found 'many'",
            "mesh_workloads[0].applications[0].port: expected a whole number, found 'eighty'",
            "mesh_workloads[0].applications[0].replcas: not known; did you mean replicas?",
        ],
    ),
    "missing": (
        {**without("mesh_name", "mesh_control_plane"), "mesh_domains": [{"name": "shop", "namespaces": ["{{ mesh_environment }}-web"]}]},
        [
            "mesh_name: is not set; set it in group_vars of the mesh",
            "mesh_control_plane: is not set; set it in group_vars of the mesh",
            "mesh_environment: is not set (mesh_domains needs it)",
        ],
    ),
    "names": (
        intent(
            mesh_domains=[{"name": "shop", "namespaces": ["münchen", LONG]}],
            mesh_workloads=[
                {"namespace": "shop-web", "applications": [{**APPLICATION, "name": LONG}, {**APPLICATION, "name": "a\nkind: X"}]},
            ],
            mesh_gateways=[{"name": "ворота", "hosts": [f"{LONG}.example.com"], "routes": []}],
            mesh_personas=[{"name": LONG, "role": "mesh_developer", "namespaces": ["münchen"]}],
        ),
        [
            "mesh_domains[0].namespaces[0]: 'münchen' cannot be a name here",
            f"mesh_domains[0].namespaces[1]: '{'n' * 40}'... (300 characters) cannot be a name here",
            f"mesh_workloads[0].applications[0].name: '{'n' * 40}'... (300 characters) cannot be a name here",
            "mesh_workloads[0].applications[1].name: 'a\\nkind: X' cannot be a name here",
            "mesh_gateways[0].name: 'ворота' cannot be a name here",
            f"mesh_gateways[0].hosts[0]: '{'n' * 40}'... (312 characters) cannot be a name here",
            f"mesh_personas[0].name: '{'n' * 40}'... (300 characters) cannot be a name here",
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_variables_are_named_before_any_contact(playbook: Playbook, tmp_path: Path, case: str) -> None:
    variables, expected = CASES[case]
    run = playbook(INSTALL, inventory=hosts(tmp_path), extra_vars=variables, env=no_cluster(tmp_path))
    assert run.rc == 2, run.stdout[-3000:]
    text = said(run)
    assert "cluster west: these variables cannot be used; nothing was changed" in text
    assert [words for words in expected if words not in text] == []
    assert (run.recap["west"]["changed"], run.recap["west"]["failed"], run.recap["west"]["ok"]) == (0, 1, 1), "what is handed on is ok"
    assert LONG not in text, "a name of 300 characters is cut in messages"
    assert "Traceback" not in text


def test_a_good_inventory_passes_with_variables_of_its_own(playbook: Playbook, tmp_path: Path) -> None:
    task = {"name": "Check", "meshops.mesh.mesh_intent": {"roles": ["deliver", "control_plane", "membership", "workloads", "gateways"]}}
    play = tmp_path / "play.yml"
    play.write_text(yaml.safe_dump([{"name": "Try", "hosts": "all", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    variables = intent(mesh_environment="test", mesh_mysql_password="x", mesh_apps_domain="apps.example.com", mesh_prune="yes")
    playbook(play, inventory=hosts(tmp_path), extra_vars=variables, env=no_cluster(tmp_path)).check()
