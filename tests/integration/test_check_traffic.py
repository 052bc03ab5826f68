# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook check_traffic on a repository of manifests, as a pipeline of pull requests plays it; live it is in test_check_mesh.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import warm_ansible
from conftest import ROOT

EXPECT = [
    "shop/web -> pay:8080 GET /x reaches pay v2 at 20 %",
    "shop/batch -> pay:8080 reaches pay",
    "shop/web -> pay:8080 /admin is refused by AuthorizationPolicy shop/no-admin",
]
WORKLOADS = "".join(
    f"""---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: {app}, version: {version}}}}}
  template:
    metadata: {{labels: {{app: {app}, version: {version}, sidecar.istio.io/inject: "true"}}}}
    spec: {{serviceAccountName: {app}, containers: [{{name: app, image: quay.io/example/app:1, ports: [{{containerPort: 8080}}]}}]}}
"""
    for name, app, version in (("web", "web", "v1"), ("batch", "batch", "v1"), ("pay-v1", "pay", "v1"), ("pay-v2", "pay", "v2"))
)
ROUTES = """\
apiVersion: v1
kind: Service
metadata: {name: pay, namespace: shop}
spec: {selector: {app: pay}, ports: [{name: http, port: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: pay
  namespace: shop
spec:
  hosts: [pay]
  http:
    - name: canary
      route:
        - destination: {host: pay, subset: v1}
          weight: 80
        - destination: {host: pay, subset: v2}
          weight: 20
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-admin, namespace: shop}
spec:
  selector: {matchLabels: {app: pay}}
  action: DENY
  rules: [{to: [{operation: {paths: [/admin]}}]}]
"""
SUBSETS = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: pay, namespace: shop}
spec:
  host: pay
  subsets:
    - {name: v1, labels: {version: v1}}
    - {name: v2, labels: {version: v2}}
"""


def play(folder: Path, **more: Any) -> Any:
    """Its output, and the reports beside the folder."""
    given = {
        "mesh_check_traffic_path": "gitops/west",
        "mesh_check_traffic_expect": EXPECT,
        "mesh_check_traffic_junit": "traffic.xml",
        "mesh_check_traffic_sarif": "traffic.sarif",
        **more,
    }
    words = ["meshops.mesh.check_traffic", "-i", "localhost,", "-e", json.dumps(given)]
    return warm_ansible.run(words, cwd=folder, env={"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")})


def test_a_pull_request_that_deletes_a_subset_in_use_fails_with_its_callers(tmp_path: Path) -> None:
    tree = tmp_path / "gitops" / "west"
    tree.mkdir(parents=True)
    for name, text in (("workloads", WORKLOADS), ("routes", ROUTES), ("subsets", SUBSETS)):
        (tree / f"{name}.yaml").write_text(text, encoding="utf-8")
    done = play(tmp_path)
    assert done.returncode == 0 and "3 expectations of 4 callers, all of them hold" in done.stdout, done.stdout + done.stderr
    assert json.loads((tmp_path / "traffic.sarif").read_text(encoding="utf-8"))["runs"][0]["results"] == []

    (tree / "subsets.yaml").write_text(SUBSETS.replace("    - {name: v2, labels: {version: v2}}\n", ""), encoding="utf-8")
    done = play(tmp_path)
    assert done.returncode == 2
    broken = "it is 80 % pay.shop v1, 20 % 503 (no DestinationRule defines subset v2 of pay.shop.svc.cluster.local"
    for caller in ("shop/web", "shop/batch"):
        assert f"from {caller}: {broken} for {caller}" in " ".join(done.stdout.split()), done.stdout
    results = json.loads((tmp_path / "traffic.sarif").read_text(encoding="utf-8"))["runs"][0]["results"]
    places = {(one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].rpartition("/")[2],
               one["locations"][0]["physicalLocation"]["region"]["startLine"]) for one in results}  # fmt: skip
    rule = ROUTES.splitlines().index("    - name: canary") + 1
    assert len(results) == 3 and places == {("routes.yaml", rule)}, "a fifth of the requests for /admin is lost, too"
    junit = (tmp_path / "traffic.xml").read_text(encoding="utf-8")
    assert 'failures="3"' in junit and junit.count("no DestinationRule defines subset v2") >= 3 and "routes.yaml" in junit


def test_what_is_missing_is_asked_for(tmp_path: Path) -> None:
    done = play(tmp_path, mesh_check_traffic_source="cluster")
    assert done.returncode == 2 and "Without a path the cluster is read." in " ".join(done.stdout.split())
