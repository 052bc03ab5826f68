# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of docs/guides/pipelines.md do what the page says on a repository with manifests: their commands are read from the page."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import warm_ansible
import yaml
from conftest import ROOT

PAGE = (ROOT / "docs" / "guides" / "pipelines.md").read_text(encoding="utf-8")
GITHUB, _GITLAB, TEKTON = (yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
GITLAB = _GITLAB["mesh"]
GATEWAY = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{hosts: [shop.example.com], port: {name: http, number: 80, protocol: HTTP}}]
"""
ROUTE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front, namespace: shop}
spec:
  gateways: [public]
  hosts: [shop.example.com]
  http: [{route: [{destination: {host: front, port: {number: 8080}}}]}]
---
apiVersion: v1
kind: Service
metadata: {name: front, namespace: shop}
spec: {ports: [{name: http, port: 8080}], selector: {app: front}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, namespace: shop}
spec:
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front, sidecar.istio.io/inject: "true"}}
    spec: {containers: [{name: front, image: quay.io/example/front:v1}]}
"""
POLICY = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: front, namespace: shop}
spec:
  selector: {matchLabels: {app: front}}
  rules: [{to: [{operation: {methods: [GET]}}]}]
"""


def jobs() -> dict[str, list[str]]:
    """The commands of each platform, one a line, without those that install."""
    steps = [step["run"] for step in GITHUB["jobs"]["mesh"]["steps"] if "run" in step]
    github = [line for step in steps for line in step.splitlines()]
    tekton = TEKTON["spec"]["steps"][0]["script"].replace("$(params.path)", TEKTON["spec"]["params"][0]["default"]).splitlines()
    found = {"github": github, "gitlab": GITLAB["before_script"] + GITLAB["script"], "tekton": tekton}
    installs = ("python -m pip install ", "ansible-galaxy collection install ", "#!", "set -e")
    return {name: [line for line in lines if line.strip() and not line.startswith(installs)] for name, lines in found.items()}


JOBS = jobs()


def git(repository: Path, *arguments: str) -> str:
    """Git in the repository, with nothing of the user's configuration."""
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *arguments]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module", name="work")
def _work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A checkout with a branch main at its origin, and the variables that the platforms set."""
    repository = tmp_path_factory.mktemp("pipelines") / "work"
    folder = repository / "gitops" / "west"
    folder.mkdir(parents=True)
    for name, text in {"gateway": GATEWAY, "front": ROUTE, "policy": POLICY}.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "The mesh")
    git(repository, "update-ref", "refs/remotes/origin/main", "HEAD")
    yield repository, {"GITHUB_BASE_REF": "main", "CI_MERGE_REQUEST_DIFF_BASE_SHA": git(repository, "rev-parse", "HEAD")}


def play(work: tuple[Path, dict[str, str]], job: str) -> list[tuple[int, str]]:
    """The job's commands in their order: exit code and output of each playbook."""
    repository, given = work
    (repository.parent / "before" / ".git").unlink(missing_ok=True)
    subprocess.run(["rm", "-rf", str(repository.parent / "before")], check=True)
    git(repository, "worktree", "prune")
    results = []
    for line in JOBS[job]:
        words = shlex.split(re.sub(r"\$(\w+)", lambda found: given[found[1]], line))
        if words[0] == "ansible-playbook":
            done = warm_ansible.run(words[1:], cwd=repository, env={"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")})
            results.append((done.returncode, done.stdout + done.stderr))
        else:
            subprocess.run(words, cwd=repository, check=True, capture_output=True)
    return results


def change(work: tuple[Path, dict[str, str]], name: str, old: str, new: str) -> None:
    """A change that somebody proposes."""
    path = work[0] / "gitops" / "west" / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_each_platform_checks_both() -> None:
    for job, lines in JOBS.items():
        played = [re.findall(r"meshops\.mesh\.(\w+)", line) for line in lines if line.startswith("ansible-playbook")]
        assert played == [["check_mesh"], ["check_access"]], job


def test_what_is_right_passes_and_says_what_is_opened(work: tuple[Path, dict[str, str]]) -> None:
    change(work, "policy", "methods: [GET]", "methods: [GET, POST]")
    results = play(work, "github")
    assert [code for code, _text in results] == [0, 0], results
    assert "opened" in results[1][1] and "POST" in results[1][1]
    for name in ("mesh.sarif", "access.sarif"):
        assert json.loads((work[0] / name).read_text(encoding="utf-8"))["runs"][0]["results"] == []
    change(work, "policy", "methods: [GET, POST]", "methods: [GET]")


def test_what_is_wrong_fails_and_is_in_the_files(work: tuple[Path, dict[str, str]]) -> None:
    change(work, "front", "gateways: [public]", "gateways: [publik]")
    results = play(work, "gitlab")
    assert results[0][0] == 2 and "OSM1505" in results[0][1]
    assert results[1][0] == 0
    assert 'failures="1"' in (work[0] / "mesh.xml").read_text(encoding="utf-8")
    change(work, "front", "gateways: [publik]", "gateways: [public]")


def test_an_empty_folder_is_no_success(work: tuple[Path, dict[str, str]]) -> None:
    files = {path: path.read_text(encoding="utf-8") for path in (work[0] / "gitops" / "west").iterdir()}
    for path in files:
        path.unlink()
    results = play(work, "tekton")
    assert all(code != 0 for code, _text in results), results
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")


def written(job: dict[str, Any]) -> set[str]:
    """Files that the page says are uploaded."""
    return {step["with"]["sarif_file"] for step in job["steps"] if "upload-sarif" in step.get("uses", "")}


def test_what_is_uploaded_is_what_is_written() -> None:
    assert written(GITHUB["jobs"]["mesh"]) == set(re.findall(r"_sarif=(\S+)", "\n".join(JOBS["github"])))
    reported = GITLAB["artifacts"]["reports"]["junit"]
    assert set(reported) == set(re.findall(r"_junit=(\S+)", "\n".join(JOBS["gitlab"])))
