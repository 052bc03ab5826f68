# SPDX-License-Identifier: GPL-3.0-or-later
"""Login to OpenShift by user and password: a token for the time of a run, revoked at its end whatever happened, and shown nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from needles_support import Needles, Played, play
from testbed import Bed
from testbed.openshift_api import OpenShiftApi

pytestmark = pytest.mark.story

USER = "mesh-installer"
VARS = {"mesh_rights_families": ["check"], "mesh_target": "plan"}


@pytest.fixture(scope="module", name="installer")
def _installer(bed: Bed) -> Bed:
    body = {
        "metadata": {"name": USER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
    }
    bed.api.ensure("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", body)
    return bed


@pytest.fixture(name="needles")
def _needles() -> Needles:
    return Needles()


@pytest.fixture(name="front")
def _front(installer: Bed, needles: Needles) -> Iterator[OpenShiftApi]:
    with OpenShiftApi(installer, {USER: needles.at("the password")}) as front:
        yield front


def log_in(front: OpenShiftApi, **other: Any) -> dict[str, Any]:
    login = {"host": front.url, "username": USER, "password": front.users[USER], "ca_cert": str(front.ca), **other}
    return {**VARS, "mesh_openshift_login": login}


def run(tmp_path: Path, front: OpenShiftApi, playbook: str, variables: dict[str, Any], *args: str) -> Played:
    """Whatever a run does, nothing of it has the password or a token, and no folder of a session stays."""
    sessions = tmp_path / "tmp"
    sessions.mkdir(exist_ok=True)
    done = play(tmp_path, f"meshops.mesh.{playbook}", "--limit prod", *args, variables=variables,
                env={"KUBECONFIG": "/dev/null", "TMPDIR": str(sessions)})  # fmt: skip
    needles = Needles({"the password": front.users[USER], **{f"token {place}": row.value for place, row in enumerate(front.tokens)}})
    assert done.leaks(needles) == []
    assert list(sessions.glob("meshops-*")) == []
    return done


def test_a_run_has_a_token_of_its_own(front: OpenShiftApi, tmp_path: Path) -> None:
    done = run(tmp_path, front, "render_rights", log_in(front)).check()
    (token,) = front.tokens
    assert token.used and token.revoked and token.user == USER
    own = [event["event_data"] for event in done.events if event.get("event_data", {}).get("role") == "login"]
    assert len(own) > 10 and not any((row.get("res") or {}).get("changed") for row in own), "a login is no change"


def test_after_a_failure_it_is_revoked_too(front: OpenShiftApi, tmp_path: Path) -> None:
    """There is no mesh to be checked. Neither the tags of a run nor check mode leave login or logout out."""
    done = run(tmp_path, front, "check_mesh", log_in(front), "--tags nothing_has_this_tag")
    assert done.rc == 0 and [row.revoked for row in front.tokens] == [True]
    done = run(tmp_path, front, "check_mesh", log_in(front), "--check")
    assert done.rc == 2 and [row.revoked for row in front.tokens] == [True, True], done.stdout[-3000:]


def test_a_wrong_password_says_so_before_anything_changes(front: OpenShiftApi, tmp_path: Path) -> None:
    done = run(tmp_path, front, "render_rights", log_in(front, password="another one, xq77"))
    text = " ".join(done.stdout.split())
    assert done.rc == 2 and not front.tokens
    assert f"cluster prod: login at {front.url} as {USER}: the OAuth server refuses this user or password (401)" in text
    assert done.leaks(Needles({"the wrong password": "another one, xq77"})) == []


@pytest.mark.long
def test_a_server_without_oauth_says_so(front: OpenShiftApi, installer: Bed, tmp_path: Path) -> None:
    done = run(tmp_path, front, "render_rights", log_in(front, host=installer.data["api"]))
    assert done.rc == 2 and "the server has no OAuth server of OpenShift" in " ".join(done.stdout.split())


@pytest.mark.long
def test_a_token_that_cannot_be_revoked_is_told(front: OpenShiftApi, tmp_path: Path) -> None:
    front.refuse_logout = True
    done = run(tmp_path, front, "render_rights", log_in(front)).check()
    assert "cluster prod: the token of this run could not be revoked and ends by its own time" in done.stdout
    assert not front.tokens[0].revoked


def test_two_logins_are_one_too_many(front: OpenShiftApi, tmp_path: Path) -> None:
    done = run(tmp_path, front, "render_rights", {**log_in(front), "mesh_kubeconfig": "/somewhere/else"})
    assert done.rc == 2 and "mesh_kubeconfig and mesh_openshift_login are two logins" in " ".join(done.stdout.split())
    assert not front.tokens


def test_a_tree_of_files_needs_no_login(front: OpenShiftApi, tmp_path: Path) -> None:
    given = {**log_in(front), "mesh_target": "files", "mesh_output": str(tmp_path / "tree")}
    run(tmp_path, front, "render_rights", given).check()
    assert not front.tokens and list((tmp_path / "tree").rglob("*.yaml"))


# projects

PROJECTS = "requests-projects"


@pytest.fixture(name="requester")
def _requester(installer: Bed, needles: Needles) -> Iterator[OpenShiftApi]:
    """A server whose one user may request projects, and may not create namespaces."""
    rules = [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "patch"]},
        {"apiGroups": ["project.openshift.io"], "resources": ["projectrequests"], "verbs": ["create"]},
    ]
    installer.api.ensure("/apis/rbac.authorization.k8s.io/v1/clusterroles", {"metadata": {"name": PROJECTS}, "rules": rules})
    binding = {
        "metadata": {"name": PROJECTS},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": PROJECTS},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": PROJECTS}],
    }
    installer.api.ensure("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    with OpenShiftApi(installer, {PROJECTS: needles.at("the password")}) as front:
        yield front


def applied(tmp_path: Path, front: OpenShiftApi, name: str, *args: str, by: str = "project", host: str = "") -> Played:
    """A namespace with something in it, by mesh_apply in a session."""
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"istio-injection": "enabled"}}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": name}, "data": {"a": "b"}},
    ]
    login = {"host": front.url, "username": PROJECTS, "password": front.users[PROJECTS], "ca_cert": str(front.ca)}
    apply: dict[str, Any] = {"mesh": "shop", "layer": "workloads", "objects": objects, "namespaces_by": by}
    into: dict[str, Any] = {"kubeconfig": host or "{{ mesh_kubeconfig }}"}
    play_of = {
        "hosts": "prod", "connection": "local", "gather_facts": False, "vars": {"mesh_openshift_login": login, "mesh_target": "cluster"},
        "tasks": [{
            "block": [{"ansible.builtin.include_role": {"name": "meshops.mesh.login"}}, {"meshops.mesh.mesh_apply": {**apply, **into}}],
            "always": [{"ansible.builtin.include_role": {"name": "meshops.mesh.login", "tasks_from": "logout.yml"}}],
        }],
    }  # fmt: skip
    return play(tmp_path, [play_of], "--limit prod", *args, env={"KUBECONFIG": "/dev/null"}, verbosity=0)


def test_a_project_is_requested_where_namespaces_may_not_be_created(requester: OpenShiftApi, tmp_path: Path) -> None:
    name, bed = "requested-shop", requester.bed
    done = applied(tmp_path, requester, name, by="namespace")
    assert done.rc == 2 and "forbidden" in done.stdout and not _there(bed, name)
    applied(tmp_path, requester, name, "--check").check()
    assert not _there(bed, name)
    applied(tmp_path, requester, name).check()
    made = bed.api.get(f"/api/v1/namespaces/{name}")["metadata"]
    assert made["annotations"]["openshift.io/requester"] == PROJECTS and made["annotations"]["mesh.meshops.io/created"] == "true"
    assert made["labels"]["istio-injection"] == "enabled" and made["labels"]["mesh.meshops.io/mesh"] == "shop"
    assert bed.api.get(f"/api/v1/namespaces/{name}/configmaps/settings")["data"] == {"a": "b"}
    assert "changed=0" in applied(tmp_path, requester, name).check().stdout.replace("\x1b[0m", "")
    bed.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.long
def test_an_api_without_projects_says_so_before_anything_is_written(requester: OpenShiftApi, tmp_path: Path) -> None:
    bed = requester.bed
    done = applied(tmp_path, requester, "never-made", host=str(bed.kubeconfig))
    assert done.rc == 2 and not _there(bed, "never-made")
    assert "namespaces_by is project, for Namespace never-made, and the API has no ProjectRequest" in " ".join(done.stdout.split())


def _there(bed: Bed, name: str) -> bool:
    return name in {item["metadata"]["name"] for item in bed.api.get("/api/v1/namespaces")["items"]}
