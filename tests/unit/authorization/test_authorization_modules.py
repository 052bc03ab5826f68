# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules and the playbook give people: texts, JSON, documents, exit codes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import warm_ansible
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.change import difference_of, text_of
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.inventory import take
from ansible_collections.meshops.mesh.plugins.module_utils._authorization.world import MeshPolicies
from ansible_collections.meshops.mesh.plugins.module_utils._checks.documents import junit
from ansible_collections.meshops.mesh.plugins.module_utils._checks.sarif import sarif
from ansible_collections.meshops.mesh.plugins.module_utils._commands.authorization_check import run_authorization_checks
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.overlay import overlaid
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.modules.authorization_diff import argument_spec, compare
from authorization_travel import namespace, partner_paths, stages, workload
from authorization_worlds import policy, source
from test_authorization_proof import MATRIX

STAGES = stages()
ROOT = Path(__file__).resolve().parents[3]


def _folder(path: Path, objects: list[dict[str, Any]]) -> str:
    """Manifests as people have them: several documents in a file, one of them a list."""
    path.mkdir(parents=True)
    half = len(objects) // 2
    (path / "a.yml").write_text(yaml.safe_dump_all(objects[:half]), encoding="utf-8")
    (path / "b.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": objects[half:]}), encoding="utf-8")
    (path / "values.yaml").write_text("replicas: 2\n", encoding="utf-8")
    return str(path)


def _params(**given: Any) -> dict[str, Any]:
    names = ("members", "trust_domain", "trust_domain_aliases", "root_namespace", "istio_version", "path_normalization")
    return {**dict.fromkeys(names), "cluster": "west", "remove": [], **given}


def _check(objects: list[dict[str, Any]], where: str = "manifests", **given: Any) -> Any:
    snapshot = Snapshot.from_json({"format": "meshops.mesh/snapshot/v1", "cluster": "west", "taken_at": "2026-11-21T12:00:00Z",
                                   "objects": objects})  # fmt: skip
    snapshot = Snapshot(snapshot.cluster, snapshot.taken_at, where, None, snapshot.objects)
    return run_authorization_checks(_params(**{"only": [], "ignore": [], "access": None, **given}), snapshot)


def test_policy_06_applied_over_a_folder_says_in_its_first_lines_what_it_opens(tmp_path: Path) -> None:
    before = _folder(tmp_path / "west", STAGES[5])
    change = tmp_path / "06.yml"
    change.write_text(yaml.safe_dump(partner_paths()), encoding="utf-8")
    found = compare(_params(before={"source": "manifests", "path": before},
                            after={"source": "manifests", "path": str(change), "applied": True}))  # fmt: skip
    lines = found["text"].splitlines()
    assert lines[1] == "OPENED  anyone, without a token -> prod-istio-system/gto-external-ingressgateway: every request"
    assert "authpolicy-gto-external was replaced: ALLOW became DENY" in lines[3]
    assert (found["opened"], found["closed"], found["compared"]) == (2, 1, 13)
    assert found["objects"] == ["AuthorizationPolicy prod-istio-system/authpolicy-gto-external was replaced: ALLOW became DENY"]
    first = json.loads(json.dumps(found["changes"][0]))
    assert first["change"] == "opened" and first["without_identity"] and first["unknown_identities"] and "claims" not in first["witness"]


def test_what_the_removal_of_a_policy_opens(tmp_path: Path) -> None:
    before, nothing = _folder(tmp_path / "west", STAGES[5]), _folder(tmp_path / "nothing", [])
    states = {"before": {"source": "manifests", "path": before}, "after": {"source": "manifests", "path": nothing, "applied": True}}
    found = compare(_params(**states, remove=["AuthorizationPolicy prod-istio-system/authpolicy-gto-external"]))
    assert found["changes"][0]["because"] == ["AuthorizationPolicy prod-istio-system/authpolicy-gto-external was removed"]
    with pytest.raises(ConfigError, match="there is no AuthorizationPolicy x/y before the change"):
        compare(_params(**states, remove=["AuthorizationPolicy x/y"]))


def test_states_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    cluster, files = {"source": "cluster", "path": None}, {"source": "manifests", "path": None, "applied": False}
    with pytest.raises(ConfigError, match="both the cluster"):
        compare(_params(before=cluster, after={**cluster, "applied": False}))
    with pytest.raises(ConfigError, match=r"before.path is not set"):
        compare(_params(before=files, after=files))
    with pytest.raises(ConfigError, match=r"remove needs after.applied"):
        compare(_params(before=files, after=files, remove=["AuthorizationPolicy a/b"]))
    assert argument_spec()["before"]["default"] == {"source": "cluster"}


def test_applied_objects_replace_those_of_their_name() -> None:
    old = [{"apiVersion": "v1", "kind": "X", "metadata": {"name": "a", "namespace": "n"}, "spec": 1},
           {"apiVersion": "v1", "kind": "X", "metadata": {"name": "b", "namespace": "n"}}]  # fmt: skip
    new = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "a", "namespace": "n"}, "spec": 2}
    assert overlaid(old, [new]) == [new, old[1]] and overlaid(old, [], ["X n/a"]) == [old[1]]
    # without a namespace it is in default, whoever says it, and of the whole cluster where its kind is
    said = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"}}
    unsaid = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}}
    assert overlaid([said, space], [unsaid]) == [unsaid, space] and overlaid([unsaid, space], [said]) == [said, space]
    assert overlaid([said, space], [], ["Service web"]) == [space] and overlaid([said, space], [], ["Namespace web"]) == [said]


def test_the_text_begins_with_the_verdict_and_what_was_covered() -> None:
    good = _check(STAGES[5], access=MATRIX)
    assert good.proven is True and good.proof["holds"] is True and good.proof["allowed_pairs"] == 143
    about = f"about {len(STAGES[5])} objects, 13 workloads, 0 pods and 13 callers; all that was seen is judged"
    assert good.text.splitlines()[0] == f"west: exactly the intended access is allowed; {about}"
    assert "all requests of 13 workloads" in good.text.splitlines()[1] and "169 pairs 143 " in good.text.splitlines()[1]
    bad = _check(STAGES[6], access=MATRIX)
    assert bad.proven is False and "not exactly the intended access" in bad.text
    (first, *_more) = [row for row in bad.report.rows if row.id == "OSM3302"]
    assert first.resource == "Workload prod-istio-system/gto-external-ingressgateway" and "without a token" in first.message
    assert _check(STAGES[5]).proven is None


def test_an_ignored_deviation_is_no_proof() -> None:
    found = _check(STAGES[6], access=MATRIX, ignore=["OSM3301", "OSM3302"])
    assert found.proven is False and found.report.failing("error") == []


def test_a_policy_without_effect_is_named_and_nothing_else() -> None:
    """The ALLOW of everything for a gateway that had no policy."""
    rows = [row for row in _check(STAGES[6]).report.rows if row.status not in ("passed", "skipped")]
    assert [(row.id, row.resource) for row in rows] == [("OSM3201", "AuthorizationPolicy prod-istio-system/ingress")]


def test_documents_have_a_row_for_each_deviation() -> None:
    report = _check(STAGES[6], access=MATRIX).report
    cases = ET.fromstring(junit(report)).findall(".//failure")  # noqa: S314 - our own document
    results = json.loads(sarif(report, by="mesh_check"))["runs"][0]["results"]
    failed = [row for row in report.rows if row.status == "failed"]
    assert len(failed) == len(cases) == len([one for one in results if one["level"] == "error"]) >= 2
    assert {one["ruleId"] for one in results} >= {"OSM3301", "OSM3302"}


def test_other_categories_are_not_run_here() -> None:
    assert {row.category for row in _check(STAGES[5]).report.rows} == {"authorization"}
    with pytest.raises(ConfigError, match="OSM1206 is no check of authorization"):
        _check(STAGES[5], only=["OSM1206"])


def test_a_matrix_with_an_empty_list_is_refused_and_says_which_row() -> None:
    with pytest.raises(ConfigError, match=r"access\[1\].from is an empty list"):
        _check(STAGES[5], access=[MATRIX[0], {"from": [], "to": ["prod-travel-agency/cars"]}])


@pytest.mark.parametrize(("stage", "code", "process"), [(5, 0, False), (6, 2, False), (5, 0, True)],
                         ids=["holds", "violated", "in a process of its own"])  # fmt: skip
def test_the_playbook_ends_as_the_proof_does(stage: int, code: int, process: bool, tmp_path: Path) -> None:
    # the same Python by another name is another one for Ansible, which then starts the module as a process
    other = next(path for name in ("python", "python3") if (path := Path(sys.executable).with_name(name)) != Path(sys.executable))
    matrix = tmp_path / "access.yml"
    matrix.write_text(yaml.safe_dump({"mesh_access_matrix": MATRIX}), encoding="utf-8")
    folder, base = _folder(tmp_path / "after", STAGES[stage]), _folder(tmp_path / "before", STAGES[5])
    options = {"mesh_access_path": folder, "mesh_access_base": base, "mesh_access_junit": "out/access.xml",
               "mesh_access_sarif": "out/access.sarif",
               "ansible_python_interpreter": str(other) if process else sys.executable}  # fmt: skip
    done = warm_ansible.run(["meshops.mesh.check_access", "-e", f"@{matrix}", "-e", json.dumps(options)], cwd=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert (tmp_path / "out" / "access.sarif").is_file()
    failures = ET.parse(tmp_path / "out" / "access.xml").findall(".//failure")  # noqa: S314 - our own document
    assert bool(failures) is bool(code)
    assert ("OPENED  anyone, without a token" in done.stdout) is (stage == 6)


def test_each_of_several_hosts_has_its_own_reports(tmp_path: Path) -> None:
    hosts = {"west": _folder(tmp_path / "west-tree", STAGES[5]), "east": _folder(tmp_path / "east-tree", STAGES[6])}
    inventory = {"all": {"hosts": {host: {"mesh_access_path": path} for host, path in hosts.items()}}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    reports = {f"mesh_access_{form}": f"out/mesh.{form}" for form in ("junit", "sarif", "report")}
    options = json.dumps({"mesh_hosts": "all", "mesh_access_fail_on": "never", **reports})
    done = warm_ansible.run(["meshops.mesh.check_access", "-i", "hosts.yml", "-e", options], cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    forms = [f"mesh.{host}.{form}" for host in hosts for form in ("junit", "sarif", "report")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(forms)
    assert "reports: out/mesh.west.junit, out/mesh.west.sarif, out/mesh.west.report" in done.stdout
    for host in hosts:
        out = tmp_path / "out"
        assert json.loads((out / f"mesh.{host}.report").read_text())["cluster"] == host
        assert {suite.get("hostname") for suite in ET.parse(out / f"mesh.{host}.junit").getroot()} == {host}  # noqa: S314 - our own
        assert json.loads((out / f"mesh.{host}.sarif").read_text())["runs"][0]["automationDetails"]["id"].endswith(f"/{host}/")


@pytest.mark.parametrize(
    ("fail_on", "base", "code", "said"),
    [
        ("opened", 5, 2, "after: the change does not keep who may call whom: 2 opened, 1 closed; the first: opened for anyone, "),
        ("opened", 6, 0, ""),  # what fails was there before
        (["error", "opened"], 6, 2, "after: 2 checks failed (OSM3301, OSM3302); the table says where and what to do"),
        ("opened", None, 2, "the last three need mesh_access_base"),
        ("opend", 5, 2, "mesh_access_fail_on is opend; it takes error, warning, never, opened, closed and any"),
    ],
)  # fmt: skip
def test_the_playbook_fails_on_what_was_asked_for(fail_on: Any, base: int | None, code: int, said: str, tmp_path: Path) -> None:
    options = {"mesh_access_path": _folder(tmp_path / "after", STAGES[6]), "mesh_access_fail_on": fail_on, "mesh_access_matrix": MATRIX}
    options |= {"mesh_access_base": _folder(tmp_path / "before", STAGES[base])} if base else {}
    done = warm_ansible.run(["meshops.mesh.check_access", "-e", json.dumps(options)], cwd=tmp_path)
    text = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == code and said in text, done.stdout + done.stderr


def test_the_playbook_wants_its_folder(tmp_path: Path) -> None:
    done = warm_ansible.run(["meshops.mesh.check_access"], cwd=tmp_path)
    assert done.returncode == 2 and "mesh_access_path is not set: it is the folder with the manifests" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("objects", "given", "said"),
    [
        ([namespace("shop")], {}, r"nothing was checked. .* has 1 object, and none of them is a workload, a Service or a policy"),
        (
            [namespace("shop"), *[one for one in STAGES[5] if one["metadata"].get("namespace") == "prod-travel-agency"]],
            {"members": ["warehouse"]},
            r"none of these is a namespace of this mesh \(warehouse, istio-system\): give the inventory",
        ),
    ],
)
def test_what_has_nothing_of_the_mesh_is_a_failure(objects: list[dict[str, Any]], given: dict[str, Any], said: str, tmp_path: Path) -> None:
    folder, full = _folder(tmp_path / "west", [*objects, *objects[:1]]), _folder(tmp_path / "full", STAGES[5])
    read = Snapshot.from_manifests(folder, cluster="west")
    params = {"only": [], "ignore": [], "access": None, "fail_on": "never", **given}
    with pytest.raises(ConfigError, match="nothing was checked"):
        run_authorization_checks(_params(**params), Snapshot(read.cluster, read.taken_at, "snapshot", None, read.objects))
    with pytest.raises(ConfigError, match=said):
        run_authorization_checks(_params(**params), read)
    for before, after in ((folder, full), (full, folder)):
        states = {"before": {"source": "manifests", "path": before}, "after": {"source": "manifests", "path": after, "applied": False}}
        with pytest.raises(ConfigError, match="nothing was checked"):
            compare(_params(**states, **given))


def test_the_playbook_says_what_of_the_folder_was_not_read(tmp_path: Path) -> None:
    folder = Path(_folder(tmp_path / "tree", STAGES[5]))
    (folder / "ratings_data.json").write_text('{"rating": 5}\n{"rating": 4}\n', encoding="utf-8")
    done = warm_ansible.run(["meshops.mesh.check_access", "-e", json.dumps({"mesh_access_path": str(folder)})], cwd=tmp_path)
    assert re.search(r"objects of \d files?; not read: ratings_data\.json: no Kubernetes object", done.stdout), done.stdout


ANCHORS = """
apiVersion: v1
kind: List
items:
  - &allow
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: &where {name: one, namespace: foo}
    spec: &spec
      selector: {matchLabels: {app: cars}}
      rules: [{from: [{source: {namespaces: [foo]}}]}]
  - <<: *allow
    metadata: {<<: *where, name: two}
    spec: {<<: *spec, action: DENY}
---
---
# only a comment
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicyList
items: [{metadata: {name: three, namespace: foo}, spec: {rules: [{from: []}]}}]
"""


def test_anchors_merges_lists_and_empty_documents_are_read_as_kubectl_reads_them(tmp_path: Path) -> None:
    states = {name: {"source": "manifests", "path": str(tmp_path / name)} for name in ("before", "after")}
    for name, text in (("before", ""), ("after", ANCHORS)):
        _folder(tmp_path / name, BASE[:-1])
        (tmp_path / name / "c.yaml").write_text(text, encoding="utf-8")
    found = compare(_params(before=states["before"], after={**states["after"], "applied": False}))
    assert found["objects"] == [
        f"AuthorizationPolicy foo/{name} was added: {action}" for name, action in (("one", "ALLOW"), ("two", "DENY"), ("three", "ALLOW"))
    ]
    assert found["opened"] == 0 and "DENY foo/two rules[0]" in found["text"]


def test_ten_thousand_policies_are_compared_and_said_on_one_screen() -> None:
    apps = [obj for number in range(100) for obj in workload("foo", f"app{number}")]
    many = [
        policy(
            source(principals=[f"cluster.local/ns/foo/sa/a{number}"]),
            name=f"p{number}",
            selector={"matchLabels": {"app": f"app{number % 100}"}},
        )
        for number in range(10_000)
    ]
    before, after = ([namespace("foo"), *apps, *kept] for kept in (many, many[:-1]))
    found = difference_of(*((MeshPolicies(taken.objects, taken.mesh), taken) for taken in (take(before), take(after))))
    (group,) = found.groups
    assert not group.opened and "cluster.local/ns/foo/sa/a9999" in group.who.text and group.witness["caller"].endswith("/a9999")
    assert group.destinations == ("foo/app99",) and found.unchanged == 99 and len(text_of(found).splitlines()) < 10


def test_a_policy_of_512_rules_is_proven_and_one_of_513_is_refused() -> None:
    rules = [
        source(principals=["cluster.local/ns/foo/sa/default"]) | {"to": [{"operation": {"ports": [str(8000 + number)]}}]}
        for number in range(513)
    ]
    refused = _check([*BASE[:-1], policy(*rules)], only=["OSM3001"]).report.rows
    assert [(row.resource, row.status) for row in refused if row.id == "OSM3001"] == [("AuthorizationPolicy foo/p", "failed")]
    rows = [{"from": ["foo/cars"], "to": ["foo/cars"], "ports": [str(8000 + number) for number in range(512)]}]
    good = _check([*BASE[:-1], policy(*rules[:512])], only=["OSM3001", "OSM3301", "OSM3302"], access=rows)
    assert good.proven is True
    assert {row.status for row in good.report.rows} == {"passed"}


def test_names_that_exist_nowhere_are_told_by_their_place() -> None:
    rule = source(principals=["cluster.local/ns/foo/sa/nobody"]) | {"to": [{"operation": {"hosts": ["nosuch.example.com"]}}]}
    found = _check([*BASE[:-1], policy(rule, source(namespaces=["nowhere"]))], "snapshot")  # a folder does not have all names
    rows = {row.id: row for row in found.report.rows if row.status != "passed"}
    assert (
        "rules[0].from[0].source.principals: cluster.local/ns/foo/sa/nobody matches no caller: there is no ServiceAccount"
        in rows["OSM3109"].message
    )
    assert rows["OSM3110"].message.startswith(
        "rules[1].from[0].source.namespaces: nowhere matches no caller: there is no Namespace nowhere"
    )


BASE = [namespace("foo"), *workload("foo", "cars"), policy(source(namespaces=["foo"]))]
# Half-written objects, and whether an admission would have refused them.
HALF: list[tuple[dict[str, Any], bool]] = [
    (
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "x", "namespace": "foo"},
            "spec": "text",
        },
        True,
    ),
    (
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "x", "namespace": "foo"},
            "spec": {"rules": "text"},
        },
        True,
    ),
    (
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "x", "namespace": "foo"},
            "spec": {"rules": [None, "a", {"from": "x"}]},
        },
        True,
    ),
    (
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "ünïcode", "namespace": "foo"},
            "spec": {"rules": [{"to": [{"operation": {"paths": ["/ü*", "/日本"]}}]}]},
        },
        False,
    ),
    ({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "x"}, "spec": None}, False),
    (
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": "x", "namespace": "foo"},
            "spec": {"selector": {"matchLabels": ["a"]}},
        },
        True,
    ),
    (
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "PeerAuthentication",
            "metadata": {"name": "x", "namespace": "foo"},
            "spec": {"mtls": "STRICT"},
        },
        True,
    ),
    (
        {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "x", "namespace": "foo"}, "spec": "x"},
        True,
    ),
    (
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "RequestAuthentication",
            "metadata": {"name": "x", "namespace": "foo"},
            "spec": {"jwtRules": "x"},
        },
        True,
    ),
    (
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "RequestAuthentication",
            "metadata": {"name": "x", "namespace": "foo"},
            "spec": {"jwtRules": [{"issuer": "i", "audiences": "a", "fromHeaders": "q"}]},
        },
        True,
    ),
    (
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "RequestAuthentication",
            "metadata": {"name": "x", "namespace": "foo"},
            "spec": {"targetRef": "x"},
        },
        True,
    ),
    (
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "x", "namespace": "foo"},
            "spec": {"template": {"metadata": {"labels": ["a"]}, "spec": {"containers": "x"}}},
        },
        False,
    ),
    (
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "x", "namespace": "foo"},
            "spec": {"selector": {"app": "cars"}, "ports": ["x", {"port": "q"}]},
        },
        False,
    ),
    (
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "x", "namespace": "foo"},
            "spec": {"selector": "x", "ports": [{"port": 1}]},
        },
        False,
    ),
    ({"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": "x"}, "spec": {"version": 7}}, False),
    (
        {
            "apiVersion": "maistra.io/v2",
            "kind": "ServiceMeshControlPlane",
            "metadata": {"name": "x", "namespace": "cp"},
            "spec": {"gateways": {"additionalIngress": {"a": None, "b": "x"}}, "security": None},
        },
        False,
    ),
    ({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "x", "namespace": "foo"}, "spec": None}, False),
    (
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "x", "namespace": "foo"},
            "spec": {"http": [None, "x", {"corsPolicy": {}, "route": [None]}]},
        },
        False,
    ),
    ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "foo", "labels": None}}, False),
]


@pytest.mark.parametrize(("obj", "refused"), HALF, ids=[f"{obj['kind']}-{number}" for number, (obj, _refused) in enumerate(HALF)])
def test_half_written_manifests_are_told_and_decide_nothing(obj: dict[str, Any], refused: bool, tmp_path: Path) -> None:
    found = [(row.id, row.resource) for row in _check([*BASE, obj]).report.rows if row.id == "OSM3001" and row.status == "failed"]
    assert found == ([("OSM3001", f"{obj['kind']} foo/x")] if refused else [])
    states = {
        "before": {"source": "manifests", "path": _folder(tmp_path / "a", BASE)},
        "after": {"source": "manifests", "path": _folder(tmp_path / "b", [*BASE, obj]), "applied": False},
    }
    change = compare(_params(**states))
    assert change["changes"] == [] or not refused


def test_a_version_that_is_none_is_an_assumption_and_a_given_one_an_error() -> None:
    istio = {"apiVersion": "sailoperator.io/v1", "kind": "Istio", "metadata": {"name": "x"}, "spec": {"version": "master"}}
    assert "the source says version master, which is no version of Istio" in _check([*BASE, istio]).assumptions
    with pytest.raises(ConfigError, match="'banana' is not a version of Istio"):
        _check(BASE, istio_version="banana")
