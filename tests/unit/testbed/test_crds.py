# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of custom resource definitions, and the short schemas that stand in for the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed import crds
from testbed.paths import TESTBED


def short(group: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((TESTBED / "schemas" / f"{group}.yaml").read_text()))


def shape(crd: dict[str, Any]) -> tuple[Any, ...]:
    """What makes a kind the same for a client."""
    spec = crd["spec"]
    versions = [(v["name"], v["served"], v["storage"], "status" in v.get("subresources", {})) for v in spec["versions"]]
    return spec["group"], spec["scope"], spec["names"]["kind"], spec["names"]["plural"], spec["names"].get("shortNames", []), versions


@pytest.mark.parametrize(
    ("operators", "groups"),
    [
        ((), ()),
        (("sail",), ("sail", "istio", "gateway-api")),
        (("maistra",), ("maistra", "istio", "openshift")),
        (("olm",), ("olm", "packages", "openshift", "gateway-api")),
        (("olm", "sail", "maistra", "observability"), ("olm", "packages", "openshift", "gateway-api")),
        (("olm", "openshift"), ("olm", "packages", "openshift", "gateway-api", "monitoring")),
        (("sail", "observability"), ("sail", "istio", "gateway-api", "kiali", "jaeger", "tempo", "opentelemetry", "monitoring")),
    ],
)
def test_operators_bring_their_groups(operators: tuple[str, ...], groups: tuple[str, ...]) -> None:
    assert crds.groups_for(operators) == groups


@pytest.mark.parametrize("group", sorted(crds.GROUPS))
def test_short_schemas_are_well_formed(group: str) -> None:
    found = short(group)
    assert found
    for crd in found:
        spec = crd["spec"]
        assert crd["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
        assert sum(v["storage"] for v in spec["versions"]) == 1


@pytest.mark.parametrize("group", sorted(crds.GROUPS))
def test_short_schemas_are_shaped_as_the_real_ones(group: str) -> None:
    if crds.origin(group) != "real":
        pytest.skip("the real definitions are not on this machine")
    assert sorted(map(shape, short(group))) == sorted(map(shape, crds.load([group])))


def test_without_the_shared_folder_the_short_ones_are_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MESH_SHARED", str(tmp_path))
    monkeypatch.setattr(crds, "CACHE", tmp_path)
    assert crds.origin("sail") == "short"
    assert [c["metadata"]["name"] for c in crds.load(["sail", "sail"])] == [c["metadata"]["name"] for c in short("sail")]
    assert list((tmp_path / "crds").glob("sail-*.json"))


def test_a_live_objects_own_fields_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MESH_SHARED", str(tmp_path))
    monkeypatch.setattr(crds, "CACHE", tmp_path)
    crd = short("kiali")[0]
    crd["metadata"] |= {"uid": "1", "resourceVersion": "2"}
    crd["status"] = {"storedVersions": ["v1"]}
    (tmp_path / "crds" / "observability").mkdir(parents=True)
    (tmp_path / "crds" / "observability" / "kiali.yaml").write_text(yaml.safe_dump(crd))
    loaded = crds.load(["kiali"])[0]
    assert "status" not in loaded
    assert loaded["metadata"] == {"name": "kialis.kiali.io"}


def test_an_unknown_group_is_named() -> None:
    with pytest.raises(crds.BedError, match="No such group of CRDs: knative"):
        crds.load(["knative"])


def test_the_version_that_roles_install_is_known_to_the_short_schema() -> None:
    """The played operator installs what the CRD of a revision names."""
    revisions = next(crd for crd in short("sail") if crd["spec"]["names"]["kind"] == "IstioRevision")
    schema = revisions["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["version"]
    defaults = yaml.safe_load((TESTBED.parents[1] / "roles" / "control_plane" / "defaults" / "main.yml").read_text())
    wanted = str(defaults["control_plane_ossm3_version"])
    assert [version for version in schema["enum"] if version in wanted], wanted
