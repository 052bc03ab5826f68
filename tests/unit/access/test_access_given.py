# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages that somebody else wrote: the six of the travel book, with the access that its text expects after each."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import warm_ansible
import yaml
from access_travel import AGENCY, CONTROL, DOMAINS, PORTAL, ROOT, mesh, workload
from ansible_collections.meshops.mesh.plugins.module_utils._access.given import plan_given, read_stages
from ansible_collections.meshops.mesh.plugins.module_utils._access.intent import bare_intent
from ansible_collections.meshops.mesh.plugins.module_utils._access.stages import AccessPlan, StageSettings
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.overlay import overlaid
from jinja2 import Environment

Obj = dict[str, Any]
SETTINGS = StageSettings(mesh="travel-prod", taken_at="2026-06-01T00:00:00Z")
BOOK = Path(__file__).resolve().parents[3] / "inventories/travel_book_stages.yml"
ISSUER = "https://sso.example.com/auth/realms/servicemesh-lab"


def partner_mesh() -> list[Obj]:
    found = workload(
        ROOT,
        "gto-external-ingressgateway",
        8443,
        "https",
        account="gto-external-ingressgateway",
        labels={"app": "gto-external-ingressgateway", "istio": "gto-external-ingressgateway"},
    )
    found[0]["metadata"]["name"] = "gto-external-ingressgateway"
    return [*mesh(), *found]


def book() -> list[Obj]:
    """The stages of the inventory, as Ansible makes them."""
    values = {
        "mesh_environment": "prod",
        "mesh_control_plane": {"namespace": ROOT},
        "travel_partner_sso": {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/certs"},
        "travel_book_api": "security.istio.io/v1",
        "travel_book_suffix": "",
    }
    found: Obj = yaml.safe_load(BOOK.read_text(encoding="utf-8"))

    def filled(value: Any) -> Any:
        if isinstance(value, str) and "{{" in value:
            return Environment(autoescape=True).from_string(value).render(values)
        if isinstance(value, dict):
            return {key: filled(entry) for key, entry in value.items()}
        return [filled(entry) for entry in value] if isinstance(value, list) else value

    stages: list[Obj] = filled(found["access_stages"])
    return stages


def plan(stages: Any, objects: list[Obj] | None = None) -> AccessPlan:
    intent = bare_intent({"issuers": [{"name": "sso", "issuer": ISSUER, "jwks_uri": f"{ISSUER}/certs"}]}, DOMAINS)
    return plan_given(read_stages(stages), intent, objects or partner_mesh(), SETTINGS)


def after(number: int, objects: list[Obj]) -> list[Obj]:
    state: list[Any] = list(objects)
    for stage in read_stages(book())[:number]:
        state = list(
            overlaid(
                state,
                [{**obj, "metadata": {**obj["metadata"], "creationTimestamp": "2026-05-01T00:00:00Z"}} for obj in stage.objects],
                stage.remove,
            )
        )
    return state


def test_after_each_stage_of_the_book_exactly_what_its_text_says_is_allowed() -> None:
    done = plan(book())
    assert [stage.name for stage in done.stages] == [
        "00-partner-token",
        "01-default-deny",
        "02-console",
        "03-partner-to-agency",
        "04-inside-agency",
        "05-portals-to-agency",
        "06-partner-paths",
    ]
    last = {(call["from"], call["to"]): call["expected"] for call in done.stages[-1].calls}
    assert last[(f"{PORTAL}/viaggi-v1", f"{AGENCY}/travels-v1")] == "allowed"
    assert last[(f"{CONTROL}/control-v1", f"{AGENCY}/travels-v1")] == "denied"
    assert last[(f"{AGENCY}/cars-v1", f"{PORTAL}/viaggi-v1")] == "denied", "the portal is closed, as the text says"


def test_the_inventory_has_the_issuer_whose_tokens_the_stages_want(tmp_path: Path) -> None:
    """Found on a bed: the command of the docs was refused, as only the scenario partner_jwt names the issuer."""
    play = tmp_path / "play.yml"
    task = {"ansible.builtin.assert": {"that": "mesh_access.issuers | map(attribute='name') | list == ['sso']"}}
    play.write_text(yaml.safe_dump([{"hosts": "prod", "connection": "local", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    done = warm_ansible.run([str(play), "-i", str(BOOK.parent / "travel"), "-e", f"@{BOOK}"], cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_order_of_the_book_breaks_calls_and_that_is_said() -> None:
    breaks = plan(book()).breaks
    assert any(text.startswith("01-default-deny: expected in the end and denied now: ") and "mysqldb" in text for text in breaks)
    assert not any(text.startswith(("04", "05", "06")) for text in breaks)


def test_a_stage_that_was_reached_is_not_gone_back_to() -> None:
    for number in (0, 3, 7):
        done = plan(book(), after(number, partner_mesh()))
        assert [stage.changed for stage in done.stages] == [False] * number + [True] * (7 - number)
    assert not done.breaks


def test_the_way_back_of_a_stage_is_what_the_stage_before_left() -> None:
    stages = {stage.name: stage for stage in plan(book()).stages}
    (saved,) = stages["06-partner-paths"].saved
    assert saved["metadata"]["name"] == "authpolicy-gto-external" and "to" not in saved["spec"]["rules"][0]
    assert not stages["06-partner-paths"].made and [obj["metadata"]["name"] for obj in stages["04-inside-agency"].made] == [
        "travel-agency-allow"
    ]


def test_the_book_s_own_06_does_not_mean_what_its_text_says() -> None:
    """With the name of the policy that it replaces, and DENY: whoever has no token gets everywhere."""
    stages = copy.deepcopy(book())
    deny = stages[-1]["objects"][0]
    deny["spec"] = {
        "selector": deny["spec"]["selector"],
        "action": "DENY",
        "rules": [
            {
                "from": [{"source": {"requestPrincipals": [f"{ISSUER}/*"]}}],
                "to": [{"operation": {"notPaths": ["/flights*", "/insurances*"]}}],
            }
        ],
    }
    with pytest.raises(ConfigError) as caught:
        plan(stages)
    assert "after stage 06-partner-paths the policies would not mean what is expected" in str(caught.value)
    assert "allowed and not expected: anyone, without a token -> prod-istio-system/gto-external-ingressgateway" in str(caught.value)


def test_the_book_s_own_01_leaves_the_portal_open() -> None:
    stages = copy.deepcopy(book())
    stages[1]["objects"] = [obj for obj in stages[1]["objects"] if obj["metadata"]["namespace"] != PORTAL]
    with pytest.raises(ConfigError, match=r"after stage 01-default-deny(.|\n)*not expected: any identity -> prod-travel-portal"):
        plan(stages)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "access_stages is [], expected a list"),
        (["x"], "access_stages[0] is 'x', expected a map"),
        ([{"name": "a", "closed": ["namespace:x"]}], "access_stages[0] (a) has neither objects nor remove"),
        ([{"name": "a", "objects": [{"apiVersion": "v1", "kind": "Secret"}]}], "access_stages[0] (a) has no closed"),
        ([{"name": "a", "closed": ["x/y"], "objects": [{"apiVersion": "v1", "kind": "Secret"}]}], "Secret v1 is no object of security."),
        ([{"name": "a", "closed": ["x/y"], "objects": ["x"]}], "access_stages[0] (a).objects[0] is 'x', expected an object"),
        (
            [{"name": "a", "closed": ["x/y"], "objects": [None], "remove": ["z"]}],
            "access_stages[0] (a).objects[0] is None, expected an object",
        ),
        (
            [{"name": "a", "closed": ["x/y"], "objects": {"kind": "Secret"}}],
            "access_stages[0] (a).objects is {'kind': 'Secret'}, expected a list",
        ),
        ([{"name": "a", "closed": ["x/y"], "remove": ["z"], "expected": [{"from": [], "to": ["a/b"]}]}], "from is an empty list"),
    ],
)
def test_stages_that_cannot_be_used(value: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_stages(value)
    assert said in str(caught.value)
