# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a plan, in order, and what people read of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._commands import upgrade_plan
from ansible_collections.meshops.mesh.plugins.module_utils._commands.upgrade_plan import UpgradeResult, run_upgrade_plan
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, MeshError
from ansible_collections.meshops.mesh.plugins.module_utils._model.view import View
from ansible_collections.meshops.mesh.plugins.module_utils._rights.reads import UPGRADE
from checks.test_malformed import OTHERS, changed, paths

from upgrade.world import HUB, deployment, istio, istiod, obj, owner, pod, revision, rollout, snapshot, tag

HASH = {"pod-template-hash": "7d9f"}


def planned(*objects: dict[str, Any], target: str = "v1.30.3", source: str = "cluster", **params: Any) -> UpgradeResult:
    given = {"target": target, "only": ["OSM4001"], "thresholds": {}, **params}
    return run_upgrade_plan(given, snapshot(*objects, source=source))


def mesh(*, strategy: str = "InPlace", word: str = "prod", version: str = "1.29.4", **spec: Any) -> list[dict[str, Any]]:
    """Istio prod, CNI, a gateway, a workload, a Job's pod."""
    name = "prod" if strategy == "InPlace" else "prod-v1-29-4"
    gateway = {"inject.istio.io/templates": "gateway"}

    def of(workload: str, **more: Any) -> dict[str, Any]:
        return pod(
            f"shop/{workload}-1",
            owned_by=owner("ReplicaSet", f"{workload}-7d9f"),
            labels=HASH,
            rev=name,
            image=f"{HUB}/proxyv2:{version}",
            **more,
        )

    return [
        istio("prod", "v1.29.4", updateStrategy={"type": strategy, **spec}, status={"activeRevisionName": name}),
        revision(name, "v1.29.4", istio_name="prod"),
        istiod(name, "1.29.4"),
        obj("sailoperator.io/v1", "IstioCNI", "default", spec={"namespace": "istio-cni", "version": "v1.29.4"}),
        obj("v1", "Namespace", "shop", labels={"istio.io/rev": word}),
        deployment("shop/cart", replicas=4),
        of("cart"),
        deployment("shop/edge", annotations=gateway, containers=("istio-proxy",), replicas=2),
        of("edge", annotations=gateway, containers=()),
        pod("shop/job-1", owned_by=owner("Job", "report", "batch/v1"), rev=name, image=f"{HUB}/proxyv2:{version}"),
    ]


def kinds(found: UpgradeResult) -> list[str]:
    return [f"{step.hop}:{step.kind}" for step in found.plan.steps]


def step(found: UpgradeResult, kind: str) -> Any:
    return next(row for row in found.plan.steps if row.kind == kind)


@pytest.mark.parametrize("strategy", ["InPlace", "RevisionBased"])
def test_it_reads_what_is_listed_for_it(monkeypatch: pytest.MonkeyPatch, strategy: str) -> None:
    views: list[View] = []
    monkeypatch.setattr(upgrade_plan, "View", lambda found: views.append(View(found)) or views[-1])
    planned(*mesh(strategy=strategy), only=[], control_plane={"name": "prod", "namespace": "istio-system"})
    assert len(views) == 1 and len(views[0].read) > 20
    assert views[0].read <= UPGRADE, views[0].read - UPGRADE


def test_in_place() -> None:
    found = planned(*mesh())
    assert kinds(found) == ["1:control_plane", "1:cni", "1:workloads", "1:gateways", "1:leftover"]
    assert step(found, "workloads").objects == ("Deployment shop/cart",)
    assert step(found, "gateways").objects == ("Deployment shop/edge",)
    assert step(found, "leftover").objects == ("Job shop/report",)
    assert step(found, "control_plane").what == "set Istio prod spec.version from v1.29.4 to v1.30.3"
    assert step(found, "workloads").back == "the control plane's version back to v1.29.4 first, then a restart of the wave"


def test_two_hops_restart_everything_twice() -> None:
    found = planned(*mesh(), target="v1.31.0")
    assert kinds(found) == [
        "1:control_plane",
        "1:cni",
        "1:workloads",
        "1:gateways",
        "2:control_plane",
        "2:cni",
        "2:workloads",
        "2:gateways",
        "2:leftover",
    ]
    assert [row.what for row in found.plan.steps if row.kind == "cni"] == [
        "set IstioCNI default spec.version from v1.29.4 to v1.30-latest (0 nodes)",
        "set IstioCNI default spec.version from v1.30-latest to v1.31.0 (0 nodes)",
    ]


def test_proxies_that_the_next_control_plane_could_not_serve_are_moved_first() -> None:
    found = planned(*mesh(version="1.28.9"))
    assert kinds(found)[:2] == ["1:proxies", "1:control_plane"]
    assert step(found, "proxies").what == "restart 2 workloads (6 pods, 1 namespace) whose proxies are older than v1.29.4"
    # a patch does not move the skew
    assert kinds(planned(*mesh(version="1.28.9"), target="v1.29.6"))[0] == "1:control_plane"


def test_revisions_with_a_tag_of_the_istio() -> None:
    found = planned(*mesh(strategy="RevisionBased", word="stable"), tag("stable", "Istio", "prod", "prod-v1-29-4"))
    assert kinds(found) == ["1:grace", "1:pin", "1:control_plane", "1:cni", "1:workloads", "1:tag", "1:gateways", "1:prune", "1:leftover"]
    assert step(found, "pin").what == "point IstioRevisionTag stable at IstioRevision prod-v1-29-4"
    assert step(found, "tag").what == "point IstioRevisionTag stable at Istio prod: from prod-v1-29-4 to prod-v1-30-3"
    assert "name prod-v1-30-3 instead of the tag stable from their wave on" in step(found, "workloads").why
    assert step(found, "workloads").back == "tag and labels back to prod-v1-29-4, then a restart of the wave"
    assert step(found, "grace").what == "set Istio prod updateStrategy.inactiveRevisionDeletionGracePeriodSeconds to 604800"
    enough = mesh(strategy="RevisionBased", word="stable", inactiveRevisionDeletionGracePeriodSeconds=604800)
    assert "1:grace" not in kinds(planned(*enough, tag("stable", "Istio", "prod", "prod-v1-29-4")))


def test_revisions_with_a_tag_of_a_revision_move_it_at_the_end() -> None:
    found = planned(*mesh(strategy="RevisionBased", word="stable"), tag("stable", "IstioRevision", "prod-v1-29-4", "prod-v1-29-4"))
    assert kinds(found) == ["1:grace", "1:control_plane", "1:cni", "1:workloads", "1:tag", "1:gateways", "1:prune", "1:leftover"]
    assert step(found, "tag").what == "point IstioRevisionTag stable at IstioRevision prod-v1-30-3: from prod-v1-29-4 to prod-v1-30-3"


def test_namespaces_that_name_the_revision_itself() -> None:
    found = planned(*mesh(strategy="RevisionBased", word="prod-v1-29-4"))
    assert step(found, "workloads").why.endswith("; 1 name revision prod-v1-29-4: set their label to prod-v1-30-3, or better to a tag")


def test_a_hop_over_a_minor_has_the_node_agent_last() -> None:
    found = planned(*mesh(strategy="RevisionBased", word="stable"), tag("stable", "Istio", "prod", "prod-v1-29-4"), target="v1.31.0")
    assert kinds(found) == ["1:grace", "1:pin", "1:control_plane", "1:workloads", "1:tag", "1:gateways", "1:cni", "1:prune", "1:leftover"]
    assert step(found, "cni").why == "last: over a skipped minor it must not be newer than an istiod that still serves pods"
    near = planned(*mesh(strategy="RevisionBased", word="stable"), tag("stable", "Istio", "prod", "prod-v1-29-4"))
    assert step(near, "cni").why.startswith("after the control plane: it may be a minor behind it")


def test_ambient_goes_control_plane_cni_ztunnel() -> None:
    ztunnel = obj("sailoperator.io/v1", "ZTunnel", "default", spec={"namespace": "ztunnel", "version": "v1.29.4"})
    waypoint = {"gateway.istio.io/managed": "istio.io-mesh-controller"}
    found = planned(
        *mesh(),
        ztunnel,
        deployment("shop/wp", labels=waypoint, containers=("istio-proxy",)),
        pod("shop/wp-1", owned_by=owner("ReplicaSet", "wp-7d9f"), labels={**HASH, **waypoint}, containers=(), rev="prod"),
    )
    assert kinds(found)[:4] == ["1:control_plane", "1:cni", "1:ztunnel", "1:managed"]
    assert found.plan.journey.route.ambient and "Deployment shop/wp" not in step(found, "workloads").objects
    assert [note.text for _hop, note in found.plan.notes] == ["istio-cni takes pods of excluded namespaces out of the mesh"]


def test_the_operator_comes_first_with_what_else_its_plan_installs() -> None:
    status = {"installedCSV": "sailoperator.v1.29.1", "currentCSV": "sailoperator.v1.30.3", "installPlanRef": {"name": "install-x"}}
    sub = obj(
        "operators.coreos.com/v1alpha1",
        "Subscription",
        "operators/mesh",
        status=status,
        spec={"name": "sailoperator", "channel": "stable", "installPlanApproval": "Manual"},
    )
    plan = obj(
        "operators.coreos.com/v1alpha1",
        "InstallPlan",
        "operators/install-x",
        spec={"approved": False, "clusterServiceVersionNames": ["sailoperator.v1.30.3"]},
        status={"phase": "RequiresApproval"},
    )
    found = planned(*mesh(), sub, plan)
    assert kinds(found)[:2] == ["1:operator", "1:control_plane"]
    assert step(found, "operator").what == "sailoperator.v1.29.1 -> sailoperator.v1.30.3, approving install-x first"
    assert step(found, "operator").back.startswith("OLM goes in one direction only")


def test_at_the_target_only_late_proxies_are_left() -> None:
    found = planned(*mesh(version="1.29.1"), target="v1.29.4")
    assert kinds(found) == ["0:workloads", "0:leftover"]
    assert step(found, "workloads").playbook == "restart_data_plane"
    done = planned(*[row for row in mesh() if row["metadata"]["name"] != "job-1"], target="v1.29.4")
    assert done.plan.steps == () and done.text.startswith("Istio prod is at v1.29.4, and so are its proxies: nothing to do")


def test_a_refusal_has_no_steps() -> None:
    found = planned(*mesh(), target="v1.28.1")
    assert found.plan.steps == () and found.plan.to_dict()["refusal"]
    assert found.text.startswith("Istio prod: no way from v1.29.4 to v1.28.1\n    from v1.29.4 to v1.28.1 is a downgrade across a minor")
    assert found.report.summary["failed"] == 1


def test_the_second_generation() -> None:
    smcp = obj("maistra.io/v2", "ServiceMeshControlPlane", "mesh/basic", spec={"version": "v2.5"}, status={"chartVersion": "2.5.9"})
    roll = obj("maistra.io/v1", "ServiceMeshMemberRoll", "mesh/default", status={"configuredMembers": ["shop"]})
    cart = deployment("shop/cart", annotations={"sidecar.istio.io/inject": "true"})
    found = planned(smcp, roll, obj("v1", "Namespace", "shop"), cart, target="v2.6")
    assert kinds(found) == ["1:control_plane", "1:workloads"]
    assert step(found, "control_plane").what == "set ServiceMeshControlPlane mesh/basic spec.version from v2.5 to v2.6"
    assert found.report.rows[0].status == "passed"


def test_a_folder_of_manifests_is_planned_too() -> None:
    found = planned(*[row for row in mesh() if row["kind"] in ("Istio", "Namespace", "Deployment", "IstioCNI")], source="manifests")
    assert kinds(found) == ["1:control_plane", "1:cni", "1:workloads", "1:gateways"]


def test_times_add_up_and_pauses_count() -> None:
    quick, slow = planned(*mesh()), planned(*mesh(), pause=600.0, waves=3, concurrency=1)
    assert quick.plan.seconds == sum(row.seconds for row in quick.plan.steps)
    assert step(slow, "workloads").seconds - step(quick, "workloads").seconds == 3 * 600
    assert "in 3 waves, 1 at a time" in step(slow, "workloads").what
    earlier = rollout([(30, 60.0, "passed")], namespace="istio-system")
    assert planned(*mesh(), earlier).plan.to_dict()["rests_on"] == "measured in an earlier rollout: 30 workloads a minute"
    assert planned(*mesh(), earlier, per_minute=2.0).plan.to_dict()["rests_on"] == "measured in an earlier rollout: 2 workloads a minute"


def test_what_proxies_say_is_in_the_plan() -> None:
    given = {"target": "v1.30.3", "only": ["OSM4001"], "thresholds": {}}
    found = run_upgrade_plan(given, snapshot(*mesh()), {("shop", "cart-1"): "1.28.2"})
    assert {"version": "1.28.2", "revision": "prod", "role": "sidecar", "count": 1} in found.plan.to_dict()["versions"]["proxies"]


def test_the_plan_for_programs_is_plain_data() -> None:
    data = planned(*mesh(strategy="RevisionBased")).plan.to_dict()
    assert json.loads(json.dumps(data)) == data
    assert {"control_plane", "hops", "steps", "versions", "skew", "rule", "not_moved"} <= set(data)


def test_one_screen() -> None:
    text = planned(*mesh(strategy="RevisionBased", word="stable"), tag("stable", "Istio", "prod", "prod-v1-29-4")).text
    assert len(text.splitlines()) <= 60 and max(map(len, text.splitlines())) <= 120


def test_only_checks_of_an_upgrade_may_be_named() -> None:
    with pytest.raises(ConfigError, match="only: OSM1201 is no check of an upgrade"):
        planned(*mesh(), only=["OSM1201"])


def _texts(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] if isinstance(value, str) else [found for key, item in rows for found in _texts(item, (*path, key))]


def test_no_text_of_an_object_makes_a_line_of_the_plan() -> None:
    forged = "x\n√ FORGED\r\x1b[2J\u2028‼ FORGED\u202e ##vso[x] ::error::x"
    told = 0
    for path in _texts(mesh())[::2]:
        objects = mesh()
        place: Any = objects
        for step_ in path[:-1]:
            place = place[step_]
        place[path[-1]] = forged
        try:
            text = planned(*objects).text
        except MeshError as exc:
            text = str(exc)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, StopIteration):
            continue
        told += "FORGED" in text
        assert all(line.isprintable() and not line.lstrip().startswith(("√ FORGED", "‼ FORGED")) for line in text.split("\n")), text
        assert "##vso[" not in text and "::error::" not in text
    assert told > 5


def test_a_wrong_type_is_planned_around_or_named() -> None:
    """Never an error of Python: a file says what it likes."""
    objects, number, named = mesh(), 0, 0
    for index, one in enumerate(objects):
        for path in paths(one):
            number += 1
            value = OTHERS[number % len(OTHERS)]
            try:
                planned(*objects[:index], changed(one, path, value), *objects[index + 1 :], source="manifests")
            except MeshError as exc:
                named += "does not have the structure of its kind" in str(exc)
                assert "an object of the source" not in str(exc), (path, value, exc)
    assert named
