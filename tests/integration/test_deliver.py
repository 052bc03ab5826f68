# SPDX-License-Identifier: GPL-3.0-or-later
"""The role deliver, as other roles call it: to a cluster, to files, as a plan; what it refuses, prunes and takes over."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import collection_support  # noqa: F401  # isort: skip  the next imports need it
import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._commands.apply import LayerRequest
from ansible_collections.meshops.mesh.plugins.module_utils._commands.apply import run as apply_layer
from ansible_collections.meshops.mesh.plugins.module_utils._kube.client import Cluster
from background_support import descendants, read_until, start
from testbed import Bed
from testbed.patience import until

USER = "deliverer"
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
Object = dict[str, Any]


@dataclass(frozen=True)
class Deliver:
    """Calls the role as a user that nobody else is; the audit log says what this user did."""

    bed: Bed
    kubeconfig: Path
    folder: Path
    namespace: str
    play: Callable[..., Any]

    def __call__(self, objects: list[Object], *args: str, **variables: Any) -> Any:
        given = {"mesh_name": self.namespace, "deliver_layer": "shop", "deliver_objects": objects, **variables}
        tasks = [{"name": "Deliver", "ansible.builtin.include_role": {"name": "meshops.mesh.deliver"}}]
        path = self.folder / "play.yml"
        path.write_text(yaml.safe_dump([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]))
        return self.play(path, *args, bed=self.bed, kubeconfig=self.kubeconfig, extra_vars=given)

    def earlier(self, *objects: Object, layer: str = "shop") -> None:
        """What an earlier run made, without a playbook's start."""
        cluster = Cluster.from_params({"kubeconfig": str(self.bed.kubeconfig)}, name="west")
        apply_layer(cluster, list(objects), LayerRequest(mesh=self.namespace, layer=layer))

    def requests(self, since: int, *, dry: bool) -> list[str]:
        """The writes of our user, dry runs or real ones."""
        return [
            f"{event['verb']} {event['requestURI']}"
            for event in self.bed.audit(since)
            if event["user"]["username"] == USER and event["verb"] in WRITES and ("dryRun=All" in event["requestURI"]) is dry
        ]

    def config_map(self, name: str, /, **data: str) -> Object:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": self.namespace}, "data": data}

    def live(self, name: str) -> Object | None:
        done = self.bed.kubectl("get", "configmap", name, "-n", self.namespace, "-o", "json", "--ignore-not-found")
        return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture(name="deliver")
def _deliver(bed: Bed, namespace: str, playbook: Callable[..., Any], tmp_path: Path) -> Iterator[Deliver]:
    yield Deliver(bed, bed.user_kubeconfig(USER, ["system:masters"]), tmp_path, namespace, playbook)


def said(run: Any) -> str:
    """Everything that people saw, without the line breaks of the output."""
    return " ".join(f"{run.stdout} {run.stderr}".split())


def test_to_the_cluster_and_again(deliver: Deliver) -> None:
    objects = [deliver.config_map("a", x="1"), deliver.config_map("b", x="1")]
    first = deliver(objects).check()
    assert first.changed == 1
    live = deliver.live("a")
    assert live is not None and live["data"] == {"x": "1"}
    assert live["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "meshops.mesh",
        "mesh.meshops.io/mesh": deliver.namespace,
        "mesh.meshops.io/layer": "shop",
    }
    mark = deliver.bed.mark()
    assert deliver(objects).check().changed == 0
    assert deliver.requests(mark, dry=False) == [] == deliver.requests(mark, dry=True)


def test_check_mode_writes_nothing_and_shows_each_difference(deliver: Deliver) -> None:
    deliver.earlier(deliver.config_map("old", x="1"), deliver.config_map("same", x="1"))
    before, mark = deliver.live("old"), deliver.bed.mark()
    wanted = [deliver.config_map("old", x="2"), deliver.config_map("same", x="1"), deliver.config_map("new", y="3")]
    run = deliver(wanted, "--check", "--diff").check()
    assert run.changed == 1
    assert deliver.requests(mark, dry=False) == []
    assert len(deliver.requests(mark, dry=True)) == 2, "the API server was asked about the two that differ"
    assert deliver.live("old") == before and deliver.live("new") is None
    place = deliver.namespace
    assert all(f"# ConfigMap {place}/{name}" in run.stdout for name in ("old", "new"))
    assert f"ConfigMap {place}/same" not in run.stdout
    data = [line for line in run.stdout.splitlines() if line[:1] in ("-", "+") and line[1:].startswith("  ") and line.endswith("'")]
    assert data == ["-  x: '1'", "+  x: '2'", "+  y: '3'"]


def test_a_plan_names_kinds_that_are_not_installed_yet(deliver: Deliver) -> None:
    mark = deliver.bed.mark()
    istio = {"apiVersion": "nosuch.example.com/v1", "kind": "Odd", "metadata": {"name": "production"}, "spec": {"version": "v1"}}
    run = deliver([istio, deliver.config_map("a", x="1")], deliver_target="plan").check()
    assert "shop: would create, once its kind is installed, Odd production" in said(run)
    assert f"shop: would create ConfigMap {deliver.namespace}/a" in said(run)
    assert run.changed == 1
    assert deliver.requests(mark, dry=False) == [] and deliver.live("a") is None
    refused = deliver([istio, deliver.config_map("a", x="1")])
    assert refused.rc != 0 and "the API does not have these kinds: Odd (nosuch.example.com/v1)" in said(refused)
    assert deliver.requests(mark, dry=False) == []


def test_a_plan_of_what_is_there_says_so(deliver: Deliver) -> None:
    deliver.earlier(deliver.config_map("a", x="1"))
    run = deliver([deliver.config_map("a", x="1")], deliver_target="plan").check()
    assert run.changed == 0 and "shop: nothing to change" in said(run)


def test_files_need_no_cluster(deliver: Deliver, tmp_path: Path) -> None:
    mark, tree = deliver.bed.mark(), tmp_path / "tree"
    given: dict[str, Any] = {"deliver_target": "files", "deliver_output": str(tree), "deliver_layers": ["first", "shop"]}
    run = deliver([deliver.config_map("a", x="1")], **given).check()
    assert run.changed == 1 and deliver([deliver.config_map("a", x="1")], **given).check().changed == 0
    assert not [event for event in deliver.bed.audit(mark) if event["user"]["username"] == USER]
    written = yaml.safe_load((tree / "localhost" / "02-shop" / f"configmap-{deliver.namespace}-a.yaml").read_text())
    assert written["data"] == {"x": "1"} and written["metadata"]["annotations"] == {"argocd.argoproj.io/sync-wave": "20"}


def test_a_conflict_names_manager_and_field(deliver: Deliver) -> None:
    deliver.earlier(deliver.config_map("a", x="1"))
    drift = json.dumps(deliver.config_map("a", x="drift"))
    done = deliver.bed.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller", "-f", "-", stdin=drift)
    assert done.returncode == 0, done.stderr
    run = deliver([deliver.config_map("a", x="2")])
    assert run.rc != 0
    assert f"ConfigMap {deliver.namespace}/a" in said(run) and "data.x (held by" in said(run) and "argocd-controller" in said(run)
    assert (deliver.live("a") or {})["data"] == {"x": "drift"}
    deliver([deliver.config_map("a", x="2")], deliver_force_conflicts=True).check()
    assert (deliver.live("a") or {})["data"] == {"x": "2"}


def test_prune_lists_first_and_takes_only_ours_and_only_when_asked(deliver: Deliver) -> None:
    deliver.earlier(deliver.config_map("keep", x="1"), deliver.config_map("old", x="1"))
    deliver.earlier(deliver.config_map("elsewhere", x="1"), layer="other")
    deliver.bed.kubectl("create", "configmap", "foreign", "-n", deliver.namespace)
    keep = [deliver.config_map("keep", x="1")]
    deliver(keep).check()
    assert deliver.live("old") is not None, "it was not asked for"
    announced = f"shop: would prune ConfigMap {deliver.namespace}/old"
    mark = deliver.bed.mark()
    planned = deliver(keep, "--check", deliver_prune=True).check()
    assert planned.changed == 1 and deliver.requests(mark, dry=False) == []
    run = deliver(keep, deliver_prune=True).check()
    assert announced in said(run) and run.changed == 1
    assert [line.partition("?")[0] for line in deliver.requests(mark, dry=False)] == [
        f"delete /api/v1/namespaces/{deliver.namespace}/configmaps/old"
    ]
    assert deliver.live("old") is None
    assert all(deliver.live(name) is not None for name in ("keep", "elsewhere", "foreign"))


def test_nothing_is_announced_where_the_deletion_would_be_refused(deliver: Deliver) -> None:
    deliver.earlier(deliver.config_map("old", x="1"))
    deliver.bed.kubectl("create", "configmap", "theirs", "-n", deliver.namespace)
    run = deliver([deliver.config_map("theirs", x="1")], deliver_prune=True)
    assert run.rc != 0 and f"not ours, so not touched: ConfigMap {deliver.namespace}/theirs" in said(run)
    assert deliver.live("old") is not None


def test_what_others_made_is_taken_over_when_it_is_named(deliver: Deliver) -> None:
    done = deliver.bed.kubectl("create", "configmap", "theirs", "-n", deliver.namespace, "--from-literal=x=old", "--from-literal=z=kept")
    assert done.returncode == 0, done.stderr
    mark, ours = deliver.bed.mark(), [deliver.config_map("theirs", x="new"), deliver.config_map("b", x="1")]
    refused = deliver(ours)
    assert refused.rc != 0 and f"not ours, so not touched: ConfigMap {deliver.namespace}/theirs" in said(refused)
    assert "written by kubectl-create" in said(refused) and deliver.requests(mark, dry=False) == []
    run = deliver(ours, deliver_adopt=[f"ConfigMap {deliver.namespace}/theirs"]).check()
    live = deliver.live("theirs") or {}
    assert run.changed == 1 and live["data"] == {"x": "new", "z": "kept"}
    assert live["metadata"]["labels"]["mesh.meshops.io/mesh"] == deliver.namespace
    assert deliver(ours).check().changed == 0, "it is ours now"


def test_absent_takes_the_layer_away(deliver: Deliver) -> None:
    objects = [deliver.config_map("a", x="1")]
    deliver.earlier(*objects)
    planned = deliver(objects, deliver_state="absent", deliver_target="plan").check()
    assert f"shop: would delete ConfigMap {deliver.namespace}/a" in said(planned) and deliver.live("a") is not None
    deliver(objects, deliver_state="absent").check()
    assert deliver.live("a") is None


def test_a_wait_says_what_for_and_ends_with_its_run(deliver: Deliver, tmp_path: Path) -> None:
    """A Deployment whose image nobody has is waited for; after ten seconds it is named, and the worker does not outlive a SIGKILL."""
    pod = {"metadata": {"labels": {"app": "d"}}, "spec": {"nodeSelector": {"no": "such"}, "containers": [{"name": "c", "image": "x"}]}}
    late = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "late", "namespace": deliver.namespace},
        "spec": {"selector": {"matchLabels": {"app": "d"}}, "template": pod},
    }
    tasks = [{"name": "Deliver", "ansible.builtin.include_role": {"name": "meshops.mesh.deliver"}}]
    path = tmp_path / "late.yml"
    path.write_text(yaml.safe_dump([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]))
    given = {"mesh_name": deliver.namespace, "deliver_layer": "shop", "deliver_objects": [late], "deliver_wait_timeout": 120}
    process = start(path, bed=deliver.bed, inventory="localhost,", extra_vars=given, kubeconfig=deliver.kubeconfig)
    text = read_until(process, lambda line: "waits since" in line)
    assert re.search(rf"localhost: waits since 1\d s: Deployment {deliver.namespace}/late: ", text)
    workers = descendants(process.pid)
    assert workers
    process.kill()
    process.wait()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), what="the end of the workers")
