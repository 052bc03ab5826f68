# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks as jobs of Automation Platform: by K8S_AUTH_* alone, with artifacts for the next node and readable events without a secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from needles_support import Needles, Played
from platform_support import ACCOUNT, Platform, artifacts, lines
from testbed import Bed

LONGEST_LINE = 700
WRITES = {"create", "update", "patch", "delete"}
CHECKS = {"mesh_provider": "ossm3"}
MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, namespace: shop}
spec:
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front, sidecar.istio.io/inject: "true"}}
    spec: {containers: [{name: front, image: "example.com/front:1"}]}
"""


@pytest.fixture(name="platform")
def _platform(bed: Bed, tmp_path: Path) -> Platform:
    (tmp_path / "home").mkdir()
    return Platform(bed, tmp_path)


def readable(done: Played) -> list[str]:
    """Lines for people are lines: no table is one JSON string."""
    found = lines(done)
    assert [line[:200] for line in found if len(line) > LONGEST_LINE] == []
    return found


# Who uses the bed before may leave the kinds of a mesh; then it is its control plane that is missing.
NO_MESH = {"OSM1105": "the mesh's kinds are installed", "OSM1201": "the control plane exists"}


def test_a_check_that_fails_leaves_what_failed_for_each_cluster(platform: Platform) -> None:
    """There is no mesh: two clusters of the inventory are the one of the credential."""
    done = platform.job("check_mesh", "--limit prod,dev", own={"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"}, **CHECKS)
    assert done.rc == 2
    left = artifacts(done)["meshops_check_mesh"]
    assert set(left) == {"prod", "dev"}
    for host in left:
        assert left[host]["passed"] is False and left[host]["summary"]["failed"] > 3
        assert NO_MESH.keys() & set(left[host]["failed"])
        assert left[host]["provider"] == "ossm3" and left[host]["mesh"].startswith("travel-")
    assert not [line for line in lines(done) if '{"' in line], "with the image's setting a failure is no JSON either"
    assert len([line for line in readable(done) if line.startswith(tuple(f"× {title}" for title in NO_MESH.values()))]) == len(left)


def test_a_plan_leaves_its_layers(platform: Platform) -> None:
    known = Needles()
    done = platform.job(
        "render_rights", "--limit prod", known=known, mesh_target="plan", mesh_rights_families=["check"], verbosity=3
    ).check()
    left = artifacts(done)["meshops_render_rights"]["prod"]
    assert left["version"] == "v1.27.3"
    assert left["target"] == "plan" and left["layers"] == ["rights"] == left["changed_layers"] and left["objects"] > 1


def test_an_access_check_leaves_its_verdict(platform: Platform, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "shop.yaml").write_text(MANIFESTS)
    done = platform.job("check_access", mesh_access_path=str(folder), mesh_access_base=str(folder))
    left = artifacts(done)["meshops_check_access"]["localhost"]
    assert left["summary"]["passed"] > 0 and left["opened"] == left["closed"] == 0 and left["passed"] is (done.rc == 0)
    readable(done)


@pytest.mark.parametrize(
    ("playbook", "variables", "says"),
    [
        ("travel_prod", {}, "set mesh_mysql_password from a credential or a vault"),
        (
            "install_mesh",
            {"mesh_mysql_password": "given", "mesh_certificates_authority": {"name": "shop-2027"}},
            "mesh_certificates_store is",
        ),
        ("travel_https", {}, "mesh_certificates_store is"),
        ("travel_partner_gateway", {}, "the bundle of curl-client is"),
    ],
    ids=["a password", "a CA of the inventory", "a CA", "a client's key"],
)
def test_what_a_job_could_not_keep_is_refused_before_anything_changes(
    playbook: str, variables: dict[str, Any], says: str, platform: Platform
) -> None:
    before = platform.bed.mark()
    done = platform.job(playbook, "--limit prod", own={"AWX_PRIVATE_DATA_DIR": "/runner", "MESH_CONTROL_NODE_LASTS": "false"}, **variables)
    assert done.rc != 0 and says in " ".join(" ".join(lines(done)).split()), "\n".join(lines(done))[-3000:]
    assert [event for event in platform.bed.audit(before) if ACCOUNT in event["user"]["username"] and event["verb"] in WRITES
            and "accessreviews" not in event["requestURI"] and "dryRun" not in event["requestURI"]] == []  # fmt: skip
    assert not (platform.folder / "home" / ".config").exists()


def test_nobody_is_asked_in_a_job(platform: Platform) -> None:
    """Its terminal is one that nobody sits at: a question would be waited for until the job's time is over."""
    folder = platform.folder / "inventory"
    platform.job("init_inventory", own={"AWX_PRIVATE_DATA_DIR": "/runner"}, init_inventory_path=str(folder)).check()
    assert (folder / "hosts.yml").is_file()


@pytest.mark.long
def test_the_life_of_a_mesh_as_a_workflow(beds: Callable[..., Bed], tmp_path: Path) -> None:
    """Install, check, plan, one wave of an upgrade, the others, restart, rotation as a dry run, removal; each a job of its own."""
    bed = beds("olm", "sail", "maistra", "openshift", "observability", tag="platform")
    (tmp_path / "home").mkdir()
    platform, known = Platform(bed, tmp_path), Needles()
    given: dict[str, Any] = {**CHECKS, "mesh_hosts": "travel_prod", "mesh_mysql_password": known.at("the password of the database")}

    def job(playbook: str, *args: str, verbosity: int = 3, **more: Any) -> dict[str, Any]:
        done = platform.job(playbook, *args, known=known, verbosity=verbosity, **{**given, **more}).check()
        if not verbosity:
            readable(done)
        found: dict[str, Any] = artifacts(done)
        assert set(found[f"meshops_{playbook}"]) == {"prod"}
        return found

    left = job("install_mesh")
    assert "control_plane" in left["meshops_install_mesh"]["prod"]["changed_layers"]
    assert left["meshops_check_mesh"]["prod"]["passed"] is True and left["meshops_check_mesh"]["prod"]["failed"] == []
    assert job("install_mesh", verbosity=0)["meshops_install_mesh"]["prod"]["changed_layers"] == []
    now = left["meshops_install_mesh"]["prod"]["version"]
    # What these come to is told by tests of their own; here, what they leave and what they show.
    store = {"mesh_certificates_store": str(tmp_path / "pki"), "mesh_certificates_passphrase": known.at("the passphrase of the store"),
             "mesh_certificates_authority": {"name": "shop-2027"}, "mesh_certificates_root": {"name": "shop-root"}}  # fmt: skip
    for playbook, args, more in (
        ("issue_certificates", ("--check",), store),
        ("rotate_certificates", ("--check",), store),
        ("travel_https", (), store),
        ("travel_zero_trust", (), {"mesh_target": "plan"}),
        ("check_shared_root", (), {}),
        ("plan_migration", (), {}),
        ("access_from_traffic", (), {"mesh_traffic_answers": [], "mesh_traffic_proposal": str(tmp_path / "proposal.yml")}),
    ):
        done = platform.job(playbook, *args, known=known, verbosity=3, **{**given, **more})
        assert set(artifacts(done)[f"meshops_{playbook}"]) == {"prod"}, playbook
    plan = job("plan_upgrade", verbosity=0, plan_upgrade_target="v1.27.4")["meshops_plan_upgrade"]["prod"]
    assert (plan["current"], plan["target"], plan["hops"]) == (now, "v1.27.4", 1)
    to = {"mesh_ossm3_version": "v1.27.4"}
    one = job("upgrade_mesh", verbosity=0, upgrade_waves_limit=1, **to)["meshops_upgrade_mesh"]["prod"]
    assert (
        one["under_way"]
        and one["waves_left"] >= 1
        and one["next_wave"] in [row["name"] for row in one["waves"] if row["state"] != "passed"]
    )
    rest = job("upgrade_mesh", **to)["meshops_upgrade_mesh"]["prod"]
    assert not rest["under_way"] and rest["waves_left"] == 0 and rest["version"] == "v1.27.4"
    again = job("restart_data_plane", verbosity=0, upgrade_reason="a test", **to)["meshops_restart_data_plane"]["prod"]
    assert again["waves_left"] == 0 and again["waves"]
    gone = job("remove_mesh", mesh_remove_force=True)["meshops_remove_mesh"]["prod"]
    assert "control_plane" in gone["changed_layers"]
