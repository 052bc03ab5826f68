# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer against a real API server: twice the same writes nothing, others' objects stay, a restart does not end it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import collection_support  # noqa: F401  # isort: skip  the next imports need it
import pytest
from ansible_collections.meshops.mesh.plugins.module_utils import _errors as errors
from ansible_collections.meshops.mesh.plugins.module_utils._commands.apply import LayerRequest, LayerResult, run
from ansible_collections.meshops.mesh.plugins.module_utils._commands.removal import Allowed
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from ansible_collections.meshops.mesh.plugins.module_utils._kube.wait import Timing
from testbed import Bed

WRITES = ("create", "update", "patch", "delete")


def cluster_of(bed: Bed) -> Cluster:
    return Cluster.from_params({"kubeconfig": str(bed.kubeconfig)}, name="west")


def order(**given: Any) -> LayerRequest:
    return LayerRequest(**{"mesh": "m", "layer": "l", "timing": Timing(timeout=40, interval=0.2), **given})


def config_map(namespace: str, name: str = "a", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def statuses(outcome: LayerResult) -> dict[str, str]:
    return {row.ref.name: row.status for row in outcome.rows}


def layer(namespace: str) -> list[dict[str, Any]]:
    """Fields whose live form differs from the given: defaults, quantities, list keys, stringData."""
    pod = {
        "containers": [
            {
                "name": "c",
                "image": "x:1",
                "ports": [{"containerPort": 80}],
                "env": [{"name": "A", "value": "b"}],
                "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}},
            }
        ]
    }
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod}
    meta = {"name": "web", "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}, "stringData": {"a": "hunter2"}},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template},
        },
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"stage": "test"}}},
        *(config_map(namespace, f"c{number}", x="1") for number in range(12)),
    ]


def test_check_do_check_do_change_remove(bed: Bed) -> None:
    cluster, objects = cluster_of(bed), layer("apply-ladder")
    mark = bed.mark()
    assert set(statuses(run(cluster, objects, order(dry_run=True))).values()) == {"created"}
    assert cluster.get("v1", "Namespace", "apply-ladder") is None
    assert set(statuses(run(cluster, objects, order())).values()) == {"created"}
    mark = bed.mark()
    for dry_run in (True, False):
        again = run(cluster_of(bed), objects, order(dry_run=dry_run))
        assert set(statuses(again).values()) == {"unchanged"}
    writes = [event for event in bed.audit(mark) if event.get("verb") in WRITES and "meshops" in event.get("userAgent", "")]
    assert not writes
    objects[2]["spec"]["replicas"] = 3
    del objects[-1]["data"]
    changed = run(cluster, objects, order(dry_run=True))
    assert {name for name, status in statuses(changed).items() if status == "changed"} == {"web", "c11"}
    lines = [line for row in run(cluster, objects, order()).rows for line in row.to_dict()["diff"]]
    assert "spec.replicas: 2 -> 3" in lines
    with_namespaces = Allowed(namespaces=True)
    planned = run(cluster, objects, order(state="absent", dry_run=True, allowed=with_namespaces))
    assert set(statuses(planned).values()) == {"deleted"}
    assert len(cluster.list("v1", "ConfigMap", namespace="apply-ladder", label_selector="mesh.meshops.io/mesh=m")) == 12
    removed = run(cluster, objects, order(state="absent", allowed=with_namespaces))
    assert set(statuses(removed).values()) == {"deleted"}
    assert cluster.get("v1", "Namespace", "apply-ladder") is None


def test_others_objects_are_refused_and_can_be_adopted(bed: Bed, namespace: str) -> None:
    cluster = cluster_of(bed)
    cluster.apply(config_map(namespace, x="theirs"), field_manager="helm")
    with pytest.raises(errors.ConfigError, match=r"west: not ours.*ConfigMap .*/a .*written by helm.*nothing was written"):
        run(cluster, [config_map(namespace, x="ours"), config_map(namespace, "b")], order())
    assert cluster.get("v1", "ConfigMap", "b", namespace) is None
    assert statuses(run(cluster, [config_map(namespace)], order(state="absent"))) == {"a": "unchanged"}
    run(cluster, [config_map(namespace, x="ours")], order(adopt=frozenset({f"ConfigMap {namespace}/a"})))
    found = cluster.get("v1", "ConfigMap", "a", namespace)
    assert found is not None and found["data"] == {"x": "ours"}
    cluster.apply({**config_map(namespace, x="drift")}, field_manager="kubectl", force=True)
    with pytest.raises(errors.Conflict, match=r'data\.x \(held by "kubectl"'):
        run(cluster, [config_map(namespace, x="ours")], order())


def test_prune_takes_only_this_mesh_and_layer(bed: Bed, namespace: str) -> None:
    cluster = cluster_of(bed)
    run(cluster, [config_map(namespace, "keep"), config_map(namespace, "old")], order(mesh="pm", layer="one"))
    run(cluster, [config_map(namespace, "layer")], order(mesh="pm", layer="two"))
    run(cluster, [config_map(namespace, "mesh")], order(mesh="other", layer="one"))
    assert "old" not in statuses(run(cluster, [config_map(namespace, "keep")], order(mesh="pm", layer="one")))
    for dry_run in (True, False):
        pruned = run(cluster, [config_map(namespace, "keep")], order(mesh="pm", layer="one", prune=True, dry_run=dry_run))
        assert statuses(pruned) == {"keep": "unchanged", "old": "pruned"}
    left = {item["metadata"]["name"] for item in cluster.list("v1", "ConfigMap", namespace=namespace)}
    assert {"keep", "layer", "mesh"} <= left and "old" not in left


def test_a_foreign_namespace_is_only_labelled_and_never_deleted(bed: Bed, namespace: str) -> None:
    cluster = cluster_of(bed)
    wanted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"istio.io/rev": "x"}}}
    assert statuses(run(cluster, [wanted], order())) == {namespace: "changed"}
    assert statuses(run(cluster, [wanted], order())) == {namespace: "unchanged"}
    assert statuses(run(cluster, [wanted], order(state="absent"))) == {namespace: "changed"}
    found = cluster.get("v1", "Namespace", namespace)
    assert found is not None and "istio.io/rev" not in found["metadata"]["labels"] and not found["metadata"].get("deletionTimestamp")


_VERSION = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
WIDGETS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.shop.example.com"},
    "spec": {
        "group": "shop.example.com",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
        "scope": "Namespaced",
        "versions": [_VERSION],
    },
}


def by_somebody(bed: Bed, *objects: dict[str, Any]) -> None:
    done = bed.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(obj) for obj in objects))
    assert done.returncode == 0, done.stderr


def claim(namespace: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def inside(bed: Bed, namespace: str) -> set[str]:
    """What somebody keeps in it."""
    kinds = "persistentvolumeclaims,deployments,configmaps,widgets.shop.example.com"
    return set(bed.kubectl("get", kinds, "-n", namespace, "-o", "name").stdout.split()) - {"configmap/kube-root-ca.crt"}


def test_a_namespace_with_what_is_not_ours_is_never_deleted(bed: Bed) -> None:
    """By prune and by absence, planned and done; then it goes, once what is in it is ours alone."""
    cluster, name, gone = cluster_of(bed), "apply-tenants", Allowed(namespaces=True)
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"istio-injection": "enabled"}}}
    mine = [obj for obj in layer(name) if obj["kind"] != "Namespace"]
    run(cluster, [space, *mine, WIDGETS], order())
    foreign = [
        claim(name, "data"),
        config_map(name, "notes", a="b"),
        {"apiVersion": "shop.example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": name}},
    ]
    by_somebody(bed, *foreign)
    bed.kubectl("create", "deployment", "theirs", "-n", name, "--image=registry.example.com/x:1", "--replicas=1")
    bed.kubectl("wait", "deployment/theirs", "-n", name, "--for=condition=Available", "--timeout=30s")
    before, mark = inside(bed, name), bed.mark()
    assert {"persistentvolumeclaim/data", "deployment.apps/theirs", "configmap/notes", "widget.shop.example.com/w"} <= before
    named = (
        rf"west: nothing of this layer was changed: Namespace {name} has in it what is not ours to delete: "
        rf"PersistentVolumeClaim {name}/data \(a volume\), Deployment {name}/theirs \(written by .*kubectl-create.*\), "
        rf"Widget {name}/w \(written by kubectl-client-side-apply\), ConfigMap {name}/notes \(written by .*\): move it"
    )
    for dry_run in (True, False):
        for asked in ({"state": "absent"}, {"prune": True}):
            objects = [space] if "state" in asked else []
            with pytest.raises(errors.ConfigError, match=named):
                run(cluster, objects, order(allowed=gone, dry_run=dry_run, **asked))
    with pytest.raises(errors.ConfigError, match=rf"Definition widgets.*: with it would go what is not ours: Widget {name}/w"):
        run(cluster, [WIDGETS], order(state="absent"))
    assert not [event for event in bed.audit(mark) if event.get("verb") == "delete" and "meshops" in event.get("userAgent", "")]
    assert inside(bed, name) == before
    # without the switch it leaves the mesh, and stays
    kept = run(cluster, [space], order(state="absent"))
    assert statuses(kept) == {name: "changed"} and "remove_namespaces" in kept.rows[0].note
    meta = (cluster.get("v1", "Namespace", name) or {})["metadata"]
    assert set(meta["labels"]) == {"kubernetes.io/metadata.name"} and inside(bed, name) == before
    bed.kubectl("delete", "pvc/data", "deployment/theirs", "configmap/notes", "widget/w", "-n", name)
    assert statuses(run(cluster, [space], order(state="absent", allowed=gone))) == {name: "deleted"}
    assert cluster.get("v1", "Namespace", name) is None, "that we made it is still known"
    run(cluster, [WIDGETS], order(state="absent"))


def test_a_namespace_that_cannot_be_looked_into_is_not_deleted(bed: Bed) -> None:
    name, role = "apply-blind", "apply-blind"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    run(cluster_of(bed), [space], order())
    bed.kubectl("create", "clusterrole", role, "--verb=*", "--resource=namespaces,configmaps,pods,secrets")
    bed.kubectl("create", "clusterrolebinding", role, f"--clusterrole={role}", "--user=blind")
    blind = Cluster.from_params({"kubeconfig": str(bed.user_kubeconfig("blind", []))}, name="west")
    unknown = rf"what is in Namespace {name} cannot be known: .*PersistentVolumeClaim \(v1\) may not be listed"
    with pytest.raises(errors.ConfigError, match=unknown):
        run(blind, [space], order(state="absent", allowed=Allowed(namespaces=True)))
    assert statuses(run(blind, [space], order(state="absent"))) == {name: "changed"}


def test_a_volume_of_ours_goes_by_a_switch_of_its_own(bed: Bed, namespace: str) -> None:
    cluster, volume = cluster_of(bed), claim(namespace, "metrics")
    run(cluster, [volume], order(mesh="volumes", wait=False))
    for asked, objects in (({"state": "absent"}, [volume]), ({"prune": True}, [])):
        kept = run(cluster, objects, order(mesh="volumes", **asked))
        assert (statuses(kept), kept.changed) == ({"metrics": "kept"}, False) and "remove_volumes" in kept.rows[0].note
    assert statuses(run(cluster, [], order(mesh="volumes", prune=True, allowed=Allowed(volumes=True)))) == {"metrics": "pruned"}


def test_a_copy_of_ours_is_somebody_elses(bed: Bed, namespace: str) -> None:
    """kubectl get -o yaml, another name, kubectl apply: the labels come along."""
    cluster = cluster_of(bed)
    run(cluster, [config_map(namespace, "a", x="1")], order(mesh="copies"))
    copy = cluster.get("v1", "ConfigMap", "a", namespace) or {}
    labels = copy["metadata"]["labels"]
    by_somebody(bed, {**config_map(namespace, "copy", x="theirs"), "metadata": {"name": "copy", "namespace": namespace, "labels": labels}})
    left = run(cluster, [config_map(namespace, "copy")], order(mesh="copies", state="absent"))
    assert statuses(left) == {"copy": "unchanged"}
    assert left.rows[0].note == "not ours: it carries our labels, and they were written by kubectl-client-side-apply: a copy"
    assert statuses(run(cluster, [config_map(namespace, "a", x="1")], order(mesh="copies", prune=True))) == {"a": "unchanged"}
    with pytest.raises(errors.ConfigError, match=r"not ours.*ConfigMap .*/copy \(it carries our labels, and they were written by kubectl"):
        run(cluster, [config_map(namespace, "copy", x="ours")], order(mesh="copies"))
    run(cluster, [config_map(namespace, "copy", x="ours")], order(mesh="copies", adopt=frozenset({f"ConfigMap {namespace}/copy"})))
    assert statuses(run(cluster, [config_map(namespace, "copy")], order(mesh="copies", state="absent"))) == {"copy": "deleted"}


def test_a_namespace_leaves_by_prune_whoever_made_it(bed: Bed, namespace: str) -> None:
    """Also one that Helm calls its own, and with the label that an upgrade has patched in."""
    cluster = cluster_of(bed)
    bed.kubectl("label", "namespace", namespace, "app.kubernetes.io/managed-by=Helm", "team=shop")
    enrolling = {"istio-discovery": "pm", "istio.io/rev": "a"}
    wanted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": enrolling}}
    run(cluster, [wanted], order(mesh="leavers"))
    cluster.patch(wanted, {"metadata": {"labels": {"istio.io/rev": "b"}}})
    for dry_run in (True, False):
        outcome = run(cluster, [], order(mesh="leavers", prune=True, dry_run=dry_run))
        assert statuses(outcome) == {namespace: "released"}
        assert f"Namespace {namespace} (it was there before us" in outcome.lines(planned=dry_run, leaving=True)[0]
    labels = (cluster.get("v1", "Namespace", namespace) or {})["metadata"]["labels"]
    assert labels == {"kubernetes.io/metadata.name": namespace, "app.kubernetes.io/managed-by": "Helm", "team": "shop"}
    assert statuses(run(cluster, [], order(mesh="leavers", prune=True))) == {}


def test_an_unknown_kind_is_new_in_check_mode_and_an_error_else(bed: Bed, namespace: str) -> None:
    odd = {"apiVersion": "nosuch.example.com/v1", "kind": "Odd", "metadata": {"name": "o"}}
    assert statuses(run(cluster_of(bed), [odd], order(dry_run=True))) == {"o": "new_kind"}
    with pytest.raises(errors.KindMissing, match=r"Odd \(nosuch\.example\.com/v1\), wanted for Odd o; .*nothing was written"):
        run(cluster_of(bed), [odd, config_map(namespace, "z")], order())
    with pytest.raises(errors.ConfigError, match=r"ConfigMap .*/z: .*refuses.*dta: field not declared"):
        run(cluster_of(bed), [{**config_map(namespace, "z"), "dta": {}}], order())


def test_a_deletion_says_which_finalizers_remain(bed: Bed, namespace: str) -> None:
    cluster = cluster_of(bed)
    held = config_map(namespace, "held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    run(cluster, [held], order())
    with pytest.raises(errors.NotReady, match=r"not deleted after .*ConfigMap .*/held: Terminating: finalizers remain: example\.com/hold"):
        run(cluster, [held], order(state="absent", timing=Timing(timeout=1, interval=0.2)))
    cluster.patch(held, {"metadata": {"finalizers": None}})


@pytest.mark.long  # test_faults_run restarts it in the middle of a playbook
def test_a_restart_of_the_api_server_does_not_end_a_run(beds: Callable[..., Bed]) -> None:
    bed = beds(tag="restart")
    cluster = cluster_of(bed)
    cluster.resources()

    def outage() -> None:
        bed.kill("kube-apiserver")
        time.sleep(10)
        bed.restart("kube-apiserver")

    thread = threading.Thread(target=outage)
    thread.start()
    time.sleep(0.3)
    outcome = run(cluster, layer("restarted"), order(timing=Timing(timeout=90, interval=0.5)))
    thread.join()
    assert set(statuses(outcome).values()) == {"created"}


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"context": "nosuch"}, r"west: no usable login.*context nosuch"),
        ({"kubeconfig": "/nosuch/config"}, r"west: no usable login in nosuch/config"),
        ({"host": True, "api_key": "wrong", "ca_cert": True}, r"west .*does not accept our login"),
        ({"host": True, "api_key": "x", "kubeconfig": None}, r"west .*certificate is not trusted"),
    ],
)
def test_a_login_that_cannot_work_is_named(bed: Bed, params: dict[str, Any], text: str) -> None:
    cluster = Cluster.from_params({"kubeconfig": str(bed.kubeconfig)}, name="west")
    given = {"kubeconfig": str(bed.kubeconfig), **params}
    if params.get("host"):
        given |= {"host": cluster._transport.host, "kubeconfig": None}
    if params.get("ca_cert"):
        given |= {"ca_cert": bed.data["ca_cert"]}
    waits: list[float] = []
    with pytest.raises(errors.MeshError, match=text):
        cluster = Cluster.from_params(given, name="west")
        cluster._sleep = waits.append
        cluster.resources()
    assert sum(waits) < 1, "tried again what cannot work"


def test_the_module_masks_secrets_and_is_idempotent(bed: Bed, playbook: Callable[..., Any], namespace: str, tmp_path: Path) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}, "stringData": {"a": "{{ value }}"}}
    task = {"name": "Apply", "meshops.mesh.mesh_apply": {"mesh": "m", "layer": "l", "objects": [secret]}}
    play = [{"name": "Try", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}]
    path = tmp_path / "play.yml"
    path.write_text(json.dumps(play))
    runs = [playbook(path, "--diff", bed=bed, extra_vars={"value": value}).check() for value in ("hunter2", "hunter2", "hunter3")]
    assert [item.changed for item in runs] == [1, 0, 1]
    assert "*** (after)" in runs[2].stdout and not any("aHVudGVy" in item.stdout for item in runs)
