# SPDX-License-Identifier: GPL-3.0-or-later
"""The access of the travel mesh in a GitOps tree: looked up in the tree itself, layers in the order of the stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rendering import Rendered, render

ROLES = ["control_plane", "membership", "workloads"]
AGENCY = "prod-travel-agency"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rendered]:
    """Of the generation whose Istio is the newer one; each test goes on where the one before it ended."""
    folder = tmp_path_factory.mktemp("access")
    return folder, access(folder, [*ROLES, "access"])


def access(folder: Path, roles: list[str], provider: str = "ossm3", **more: Any) -> Rendered:
    given = {"mesh_provider": provider, "mesh_mysql_password": "of-this-test-only", "travel_scenarios": ["zero_trust"], **more}
    return render(folder, roles, limit="prod", **given)


@pytest.mark.parametrize("provider", ["ossm3", "ossm2"])
def test_the_layers_are_in_the_order_of_the_stages(tree: tuple[Path, Rendered], tmp_path: Path, provider: str) -> None:
    found = tree[1] if provider == "ossm3" else access(tmp_path, [*ROLES, "access"], provider)
    assert found.code == 0, found.output[-3000:]
    folders = sorted(path.name for path in (found.tree / "prod").iterdir() if "-access_" in path.name)
    assert [name.partition("-")[2] for name in folders] == ["access_allow", "access_mtls", "access_deny"]
    policy = found.objects("prod", "access_allow")[f"AuthorizationPolicy {AGENCY}/access-mysqldb"]
    assert policy["apiVersion"] == ("security.istio.io/v1beta1" if provider == "ossm2" else "security.istio.io/v1")
    names = [f"cluster.local/ns/{AGENCY}/sa/{name}" for name in ("cars", "flights", "hotels", "insurances")]
    assert policy["spec"]["rules"] == [{"from": [{"source": {"principals": names}}], "to": [{"operation": {"ports": ["3306"]}}]}]
    denied = found.objects("prod", "access_deny")
    assert set(denied) == {f"AuthorizationPolicy prod-travel-{name}/access-default-deny" for name in ("agency", "portal", "control")}
    assert all(not obj["spec"] for obj in denied.values())
    account = "istio-ingressgateway-service-account" if provider == "ossm2" else "istio-ingressgateway"
    console = found.objects("prod", "access_allow")["AuthorizationPolicy prod-travel-control/access-control"]
    assert console["spec"]["rules"][0]["from"] == [{"source": {"principals": [f"cluster.local/ns/prod-istio-system/sa/{account}"]}}]


def test_a_layer_that_has_nothing_any_more_goes(tree: tuple[Path, Rendered]) -> None:
    folder, _found = tree
    rules = [{"from": [f"{AGENCY}/cars"], "to": [f"{AGENCY}/mysqldb"]}]
    smaller = {"mesh_access": {"rules": rules, "namespaces": [AGENCY]}}
    refused = access(folder, ["access"], **smaller)
    assert refused.code != 0 and "does not close any more what an older one has closed" in refused.output
    again = access(folder, ["access"], **smaller, access_reopen=True)
    assert again.code == 0, again.output[-3000:]
    assert {name for name in again.layers("prod") if name.startswith("access_")} == {"access_allow", "access_deny"}
    assert set(again.objects("prod", "access_allow")) == {f"AuthorizationPolicy {AGENCY}/access-mysqldb"}


def test_a_mistake_ends_it_before_anything_is_written(tree: tuple[Path, Rendered]) -> None:
    folder, _found = tree
    before = {path: path.read_bytes() for path in folder.rglob("*access_*/*")}
    rules = [{"name": "typo", "from": [f"{AGENCY}/cars"], "to": [f"{AGENCY}/mysql"]}]
    failed = access(folder, ["access"], mesh_access={"rules": rules})
    assert failed.code != 0
    said = f"mesh_access.rules[0] (typo).to: {AGENCY}/mysql does not exist"
    assert f"cluster prod: the intended access cannot be had: - {said}" in failed.output
    assert before == {path: path.read_bytes() for path in folder.rglob("*access_*/*")}


def test_the_access_goes_from_the_tree(tree: tuple[Path, Rendered]) -> None:
    folder, _found = tree
    gone = access(folder, ["access"], access_state="absent")
    assert gone.code == 0, gone.output[-3000:]
    assert not [name for name in gone.layers("prod") if name.startswith("access_")]


def test_the_partner_s_tokens_alone_and_with_zero_trust(tmp_path: Path) -> None:
    """Chapter 4 closes the partner's gateway only; chapter 5 keeps that, for the paths of the agreement."""
    chapters = ["partner_gateway", "partner_jwt"]

    def done(roles: list[str], *scenarios: str) -> Rendered:
        found = render(tmp_path, roles, limit="prod", mesh_mysql_password="of-this-test-only", mesh_provider="ossm3",
                       travel_scenarios=[*chapters, *scenarios])  # fmt: skip
        assert found.code == 0, found.output[-3000:]
        return found

    name = "prod-istio-system/access-gto-external-ingressgateway"
    issuer = "https://keycloak-rhsso.apps.prod.example.com/auth/realms/servicemesh-lab"
    alone = done([*ROLES, "access"])
    assert {layer for layer in alone.layers("prod") if layer.startswith("access_")} == {"access_tokens", "access_allow"}
    reader = alone.objects("prod", "access_tokens")[f"RequestAuthentication {name}"]
    assert reader["spec"]["jwtRules"] == [{"issuer": issuer, "jwksUri": f"{issuer}/protocol/openid-connect/certs"}]
    policy = alone.objects("prod", "access_allow")[f"AuthorizationPolicy {name}"]
    assert policy["spec"]["rules"] == [{"from": [{"source": {"requestPrincipals": [f"{issuer}/*"]}}]}]
    both = done(["access"], "zero_trust")
    allow = both.objects("prod", "access_allow")
    assert allow[f"AuthorizationPolicy {name}"]["spec"]["rules"][0]["to"] == [
        {"operation": {"paths": ["/flights", "/flights/*", "/insurances", "/insurances/*"]}}
    ]
    gateway = "cluster.local/ns/prod-istio-system/sa/gto-external-ingressgateway"
    callers = {app: str(allow[f"AuthorizationPolicy {AGENCY}/access-{app}"]) for app in ("flights", "insurances", "cars")}
    assert [app for app, text in callers.items() if gateway in text] == ["flights", "insurances"]
