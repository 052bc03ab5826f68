# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of manifests: what is read, what is passed over and why, within which bounds, and as which values."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model import walk
from ansible_collections.meshops.mesh.plugins.module_utils._model.manifests import ManifestReading, read_manifests
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot
from ansible_collections.meshops.mesh.plugins.module_utils._model.yaml_reader import Lines, documents

# What sigs.k8s.io/yaml 1.4.0 makes of each text, as kubectl and istioctl read it.
GO = [json.loads(line) for line in (Path(__file__).parent / "yaml_as_go.jsonl").read_text(encoding="utf-8").splitlines()]
ONE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: one}\n"


def tree(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def put(root: Path, files: dict[str, str]) -> Path:
    return tree(root, **files)


def names(reading: ManifestReading) -> list[str]:
    return sorted(obj["metadata"]["name"] for obj in reading.objects)


def faults(reading: ManifestReading) -> dict[str, str]:
    return {row.path: row.reason for row in reading.unread if row.fault}


def _alike(one: Any, other: Any) -> bool:
    """Equal in kind and value; of a number beyond all integers Go writes the first 17 digits."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, int | float) and abs(one) >= 2**63:
        return float(one) == float(other)
    return type(one) is type(other) and bool(one == other)


@pytest.mark.parametrize("row", GO, ids=[repr(row["in"])[:40] for row in GO])
def test_a_text_is_what_it_is_for_go(row: dict[str, Any]) -> None:
    found = [value for _line, value in documents(row["in"])]
    value = found[0] if found else None
    if row.get("refused"):
        assert isinstance(value, Exception), value
    else:
        assert _alike(value, row["out"]), value


def test_booleans_and_numbers_are_not_taken_for_each_other() -> None:
    ((_line, value),) = documents("a: 1\nb: true\nc: '1'\nd: 0.5\ne: 2001-01-01\nf: 1:30\ng: =\nh: 010\ni: 1_000\nj: 1.0")
    assert value == {"a": 1, "b": True, "c": "1", "d": 0.5, "e": "2001-01-01", "f": "1:30", "g": "=", "h": 8, "i": 1000, "j": 1}
    assert [type(item) for item in value.values()] == [int, bool, str, float, str, str, str, int, int, int]


@pytest.mark.parametrize(
    "block",
    [
        "[1.2.3.4, 001:db8::]",
        "[001:db8::]",
        "[fd00::, fe80::]",
        "[a:, b:]",
        "[spiffe://td/ns/a:]",
        "[it's::, x]",
    ],
)
def test_a_colon_at_the_end_of_a_text_in_a_list_belongs_to_it(block: str) -> None:
    ((_line, value),) = documents(f"kind: X\nblocks: {block}\n")
    assert all(isinstance(item, str) for item in value["blocks"]) and len(value["blocks"]) == block.count(",") + 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "nested deeper"),
        ("- " * 100_000 + "x", "nested deeper"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested deeper"),
        ("".join(" " * depth + "a:\n" for depth in range(2000)), "nested deeper"),
        ('{"a":' * 200 + "1" + "}" * 200, "nested deeper"),
        ("a: &a [*a]\n", "aliases stand for"),
        (
            "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
            "aliases stand for",
        ),
        ("a0: &a0 {k: x}\n" + "".join(f"a{n}: &a{n} {{k: *a{n - 1}, l: *a{n - 1}}}\n" for n in range(1, 60)), "aliases stand for"),
    ],
    ids=["brackets", "dashes", "json", "indents", "json-200", "itself", "list-bomb", "map-bomb"],
)
def test_a_bomb_is_named_with_its_bound_and_the_rest_is_read(tmp_path: Path, text: str, reason: str) -> None:
    root = put(tmp_path, {"a.yaml": ONE, "bomb.yaml": text})
    found = read_manifests(root)
    assert names(found) == ["one"] and reason in faults(found)["bomb.yaml"]
    assert any(char.isdigit() for char in faults(found)["bomb.yaml"]), "the bound is said"


def test_merges_of_merges_of_merges_take_no_time() -> None:
    text = "a0: &a0 {k: x}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 60))
    ((_line, value),) = documents(text)
    assert value["a59"] == {"k": "x"}


def test_a_file_beyond_the_bound_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_FILE", 200)
    root = put(tmp_path, {"a.yaml": ONE, "huge.yaml": "# " + "x" * 300})
    assert faults(read_manifests(root)) == {"huge.yaml": "it is larger than 200 bytes, the most that is read of one file"}


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_FILES", 3)
    with pytest.raises(ConfigError, match="more than 3 files"):
        read_manifests(put(tmp_path, {f"{n}.yaml": ONE for n in range(5)}))


def test_one_bad_file_stops_nobody_and_is_named(tmp_path: Path) -> None:
    root = put(
        tmp_path,
        {
            "app/a.yaml": ONE,
            "app/broken.yaml": "kind: Service\n\tapiVersion: v1\n",
            "app/half.yaml": ONE.replace("one", "two") + "---\nkind: [\n---\n" + ONE.replace("one", "three"),
            "data/rows.json": '{"rating": 5}\n{"rating": 4}\n',
            "values.yaml": "mesh: {policies: strict}\n",
            "README.md": "no manifest",
            "deep/x.json": json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "four"}}),
        },
    )
    found = read_manifests(root)
    assert names(found) == ["four", "one", "three", "two"]
    assert set(faults(found)) == {"app/broken.yaml", "app/half.yaml"} and "line 2" in faults(found)["app/broken.yaml"]
    assert "line " in faults(found)["app/half.yaml"]
    assert {row.path for row in found.unread if not row.fault} == {"data/rows.json", "values.yaml"}
    assert found.others == 1 and len(found.files) == 3
    said = found.to_dict()
    assert (said["objects"], said["files"], said["unread_count"]) == (4, 3, 4)
    assert said["text"].startswith("4 objects of 3 files; not read: app/broken.yaml: line 2")
    assert len(found.warnings()) == 2
    with pytest.raises(ConfigError, match=r"app/broken\.yaml: line 2.*unreadable: warn"):
        read_manifests(root, fail=True)
    assert read_manifests(root, fail=True, exclude=["broken.yaml", "app/half.yaml"]).objects


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("data", ["one"]),
        ("data/*", ["one"]),
        ("data/x", ["one", "z"]),
        ("*.YAML", ["one", "y", "z"]),
        ("**/z.yaml", ["one", "x", "y"]),
        ("./data/x/", ["one", "z"]),
        ("data/x/*.json", ["one", "x", "z"]),
    ],
)
def test_what_is_excluded(tmp_path: Path, pattern: str, left: list[str]) -> None:
    root = put(
        tmp_path, {"a.yaml": ONE, **{f"data/{path}": ONE.replace("one", name) for path, name in (("z.yaml", "z"), ("x/x.YAML", "x"))}}
    )
    (root / "data/x/y.json").write_text(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "y"}}))
    assert names(read_manifests(root, exclude=[pattern])) == left
    assert read_manifests(root, exclude=[pattern]).warnings() == []


def test_a_pattern_that_excludes_nothing_is_a_warning(tmp_path: Path) -> None:
    assert read_manifests(put(tmp_path, {"a.yaml": ONE}), exclude=["b*"]).warnings() == ["exclude: b* matches no file"]


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"README.md": "x", "values.yaml": "a: 1"}, r"in 1 file of YAML or JSON; 1 other file is there: values\.yaml: no Kub"),
        ({}, "no Kubernetes object in 0 files"),
        ({"kustomization.yaml": "resources: [../base]\n"}, "render it first .oc kustomize"),
        ({"kustomization.yml": "kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1\n"}, "render it first .oc kustomize"),
        (
            {"Chart.yaml": "apiVersion: v2\nname: x\nversion: 1.0.0\n", "templates/a.yaml": "kind: {{ .k }}\n"},
            "render it first .helm template",
        ),
        ({"a.yaml": "# nothing\n"}, "no Kubernetes object in 1 file"),
        ({"a.yaml": "kind: List\napiVersion: v1\nitems: []\n"}, "no Kubernetes object in 1 file"),
    ],
)
def test_nothing_is_an_error_that_says_what_was_looked_at(tmp_path: Path, files: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Snapshot.from_manifests(put(tmp_path, files))


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\n",
        "{{- if .Values.on }}\napiVersion: v1\nkind: Service\n{{- end }}\n",
        'apiVersion: v1\nkind: Service\nmetadata:\n  name: "{{ include \\"x\\" . }}"\n  namespace: {{ .x }}\n',
        "{% for x in y %}\napiVersion: v1\n{% endfor %}\n",
    ],
)
def test_a_template_is_called_one(tmp_path: Path, text: str) -> None:
    found = read_manifests(put(tmp_path, {"a.yaml": ONE, "templates/x.yaml": text}))
    assert "template" in faults(found)["templates/x.yaml"] and names(found) == ["one"]


@pytest.mark.parametrize(
    ("extra", "fault"),
    [
        ("resources: [a.yaml]\n", ""),
        ("resources: [a.yaml]\npatches: [{path: p}]\nnamespace: x\n", "it changes what it lists .namespace, patches."),
        ("resources: [../base]\n", r"not in the folder .\.\./base."),
        ("resources: [https://example.com/x.yaml]\n", "not in the folder"),
    ],
)
def test_a_kustomization_that_changes_what_it_lists_is_told(tmp_path: Path, extra: str, fault: str) -> None:
    head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    found = faults(read_manifests(put(tmp_path, {"a.yaml": ONE, "kustomization.yaml": head + extra})))
    assert (list(found) == ["kustomization.yaml"]) is bool(fault)
    if fault:
        with pytest.raises(ConfigError, match=fault):
            read_manifests(tmp_path, fail=True)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ("metadata: {}", "has no metadata.name"),
        ("metadata: {name: 1.10}", "a name is a text: quote it"),
        ("metadata: [x]", "metadata is list"),
        ("metadata: {name: a, namespace: 7}", "namespace 7"),
        ("metadata: {name: a, labels: [x]}", "metadata.labels"),
        ("metadata: {name: a, annotations: x}", "metadata.annotations"),
        ("spec: {}", "has no metadata"),
        ("metadata: null", "metadata is NoneType"),
        ("metadata: {name: on}", "a name is a text: quote it"),
    ],
)
def test_what_no_api_server_would_take_is_named(tmp_path: Path, metadata: str, reason: str) -> None:
    found = read_manifests(put(tmp_path, {"a.yaml": ONE, "b.yaml": f"apiVersion: v1\nkind: Service\n{metadata}\n"}))
    assert reason in faults(found)["b.yaml"] and names(found) == ["one"]


@pytest.mark.parametrize("head", ["apiVersion: 1", "apiVersion: [v1]", "apiVersion: ''"])
def test_a_kind_without_a_version_is_named(tmp_path: Path, head: str) -> None:
    found = read_manifests(put(tmp_path, {"a.yaml": ONE, "b.yaml": f"{head}\nkind: Service\nmetadata: {{name: a}}\n"}))
    assert "apiVersion" in faults(found)["b.yaml"]


def test_endings_in_capitals_links_and_what_is_hidden(tmp_path: Path) -> None:
    root = put(tmp_path / "tree", {f"{n}.{end}": ONE.replace("one", f"n{n}") for n, end in enumerate(("YAML", "YML", "Yaml", "yml"))})
    (root / "x.JSON").write_text(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "json"}}))
    put(root, {"real/r.yaml": ONE.replace("one", "r"), ".git/config.yaml": ONE, ".hidden/h.yaml": ONE, ".h.yaml": ONE})
    put(tmp_path / "outside", {"o.yaml": ONE.replace("one", "outside")})
    (root / "linked").symlink_to(root / "real")
    (root / "loop").symlink_to(root)
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "out.yaml").symlink_to(tmp_path / "outside" / "o.yaml")
    (root / "gone.yaml").symlink_to(root / "nowhere.yaml")
    (root / "self").symlink_to("self")
    (root / "config.yaml").symlink_to(".hidden/h.yaml")
    found = read_manifests(root)
    assert names(found) == ["json", "n0", "n1", "n2", "n3", "one", "r"], "config.yaml is read by its link, as in a mounted ConfigMap"
    assert set(faults(found)) == {"out", "out.yaml", "gone.yaml"} and "out of the folder" in faults(found)["out"]
    assert {row.path: row.reason for row in found.unread if not row.fault} == {
        "linked": "the same as real",
        "loop": "the same as .",
        ".hidden": "hidden, because its name begins with a dot",
        ".h.yaml": "hidden, because its name begins with a dot",
    }


def test_a_pipe_a_socket_and_a_device_are_neither_waited_for_nor_read(tmp_path: Path) -> None:
    root = put(tmp_path, {"a.yaml": ONE})
    os.mkfifo(root / "pipe.yaml")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(root)
        try:
            server.bind("s.json")
        finally:
            os.chdir(here)
        (root / "zero.yaml").symlink_to("/dev/zero")
        found = read_manifests(root)
    assert names(found) == ["one"] and set(faults(found)) == {"pipe.yaml", "s.json", "zero.yaml"}
    assert faults(found)["pipe.yaml"] == "it is a named pipe, expected a regular file"
    with pytest.raises(ConfigError, match="it is a named pipe"):
        read_manifests(root / "pipe.yaml")
    with pytest.raises(ConfigError, match="it is a device"):
        read_manifests(Path("/dev/zero"))


def test_what_cannot_be_decoded_or_opened_is_named(tmp_path: Path) -> None:
    root = put(tmp_path, {"a.yaml": ONE})
    (root / "latin.yaml").write_bytes(b"kind: \xff\xfe\n")
    (root / "wide.yaml").write_bytes(ONE.replace("one", "wide").encode("utf-16"))
    (root / "mark.yaml").write_bytes(b"\xef\xbb\xbf" + ONE.replace("one", "mark").encode())
    found = read_manifests(root)
    assert names(found) == ["mark", "one", "wide"] and faults(found) == {"latin.yaml": "no text in UTF-8"}


def test_names_of_files_are_shown_without_what_acts_on_a_terminal(tmp_path: Path) -> None:
    found = read_manifests(put(tmp_path, {"a.yaml": ONE, "x\n\x1b[2J√ all good.yaml": "a: ["}))
    assert all(text.isprintable() for text in found.warnings()) and found.text.isprintable()
    assert found.to_dict()["unread"][0]["path"] == "x\\n\\x1b[2J√ all good.yaml"


def policy(rules: str, name: str = "pay") -> str:
    head = f"apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: shop}}\n"
    return head + f"spec: {{rules: {rules}}}\n"


def test_an_object_that_is_there_twice_counts_once_and_a_difference_is_told(tmp_path: Path) -> None:
    same = policy("[{}]", "same")
    files = {"base/all.yaml": f"{policy('[{}]')}---\n{same}", "prod/all.yaml": f"{policy('[]')}---\n{same}"}
    reading = read_manifests(put(tmp_path, files))
    assert names(reading) == ["pay", "same"]
    assert next(obj for obj in reading.objects if obj["metadata"]["name"] == "pay")["spec"] == {"rules": []}
    assert faults(reading) == {
        "base/all.yaml": "AuthorizationPolicy shop/pay is there again in prod/all.yaml, with something else in it: only that one counts"
    }


@pytest.mark.parametrize("second, told", [(policy("[{}]"), ""), (policy("[{}]").replace("/v1", "/v1beta1"), ""),
                                          (policy("[]"), "AuthorizationPolicy shop/pay is there again further down")])  # fmt: skip
def test_an_object_that_is_there_twice_in_one_file(tmp_path: Path, second: str, told: str) -> None:
    reading = read_manifests(put(tmp_path, {"all.yaml": f"{policy('[{}]')}---\n{second}"}))
    assert len(reading.objects) == 1 and reading.objects[0]["apiVersion"] == ("security.istio.io/v1beta1" if "beta" in second else
                                                                             "security.istio.io/v1")  # fmt: skip
    assert "".join(faults(reading).values()).startswith(told) and bool(faults(reading)) == bool(told)


def test_the_default_namespace_is_one_and_a_kind_of_another_group_is_another_object(tmp_path: Path) -> None:
    gateway = "kind: Gateway\nmetadata: {name: edge%s}\n"
    files = {
        "a.yaml": "apiVersion: networking.istio.io/v1\n" + gateway % "",
        "b.yaml": "apiVersion: networking.istio.io/v1\n" + gateway % ", namespace: default",
        "c.yaml": "apiVersion: gateway.networking.k8s.io/v1\n" + gateway % "",
    }
    reading = read_manifests(put(tmp_path, files))
    assert len(reading.objects) == 2 and not faults(reading)


@pytest.mark.parametrize("listed", ["patches: [{path: ../patches/less.yaml}]", "patchesStrategicMerge: [../patches/less.yaml]",
                                    "patchesJson6902: [{target: {kind: Gateway, name: edge}, path: ../patches/less.yaml}]"])  # fmt: skip
def test_a_patch_of_a_kustomization_is_no_object(tmp_path: Path, listed: str) -> None:
    files = {"base/edge.yaml": policy("[{}]"), "patches/less.yaml": policy("[]"),
             "prod/kustomization.yaml": f"resources: [../base]\n{listed}\n"}  # fmt: skip
    reading = read_manifests(put(tmp_path, files))
    assert [obj["spec"]["rules"] for obj in reading.objects] == [[{}]]
    assert reading.files == ("base/edge.yaml",)
    assert {row.path: row.reason for row in reading.unread if not row.fault} == {
        "patches/less.yaml": "a patch of a kustomization, no object of its own"
    }


@pytest.mark.parametrize("value", ["[1, {}, {path: 3}, {patch: x}]", "{path: a.yaml}", "a.yaml", "[../../../etc/passwd]"])
def test_rubbish_in_the_patches_of_a_kustomization_stops_nobody(tmp_path: Path, value: str) -> None:
    files = {"one.yaml": ONE, "kustomization.yaml": f"patches: {value}\npatchesStrategicMerge: {value}\n"}
    assert names(read_manifests(put(tmp_path, files))) == ["one"]


def test_a_file_with_a_version_and_nothing_of_an_object_is_no_fault(tmp_path: Path) -> None:
    reading = read_manifests(put(tmp_path, {"one.yaml": ONE, "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n"}))
    assert not faults(reading) and [row.reason for row in reading.unread] == ["no Kubernetes object: it has no apiVersion and kind"]


TEXT = """\
# of the shop

kind: A
spec:
  rules: [{to: [1]}]
--- # another one
%s
kind: B
spec:
  rules:
    - from: [x]
    - to:
        - a: [001:db8::]
...
---
{"kind": "C", "spec": {
  "rules": [
    {"to": 1}
]}}
--- {kind: D}
""" % ("# " + "-" * 20)


def test_each_document_and_field_has_its_line() -> None:
    assert [(line, value["kind"]) for line, value in documents(TEXT)] == [(3, "A"), (8, "B"), (16, "C"), (20, "D")]
    lines = Lines(TEXT)
    assert lines.line(3, ("spec", "rules", 0, "to", 0)) == 5
    assert (lines.line(8, ("spec", "rules", 1)), lines.line(8, ("spec", "rules", 1, "to", 0, "a", 0))) == (12, 13)
    assert lines.line(16, ("spec", "rules", 0, "to")) == 18
    wrong: tuple[tuple[str | int, ...], ...] = (("spec", "rules", 2), ("spec", "none"), ("kind", "x"), ("spec", "rules", "0"), ("spec", 0))
    assert [lines.line(8, path) for path in wrong] == [None] * len(wrong)
    assert lines.line(99, ("kind",)) is None and Lines("kind: [\n").line(1, ("kind",)) is None


def test_a_value_has_its_line() -> None:
    lines = Lines(TEXT)
    assert lines.value(8, ("spec",), ["nothing", "001:db8::", "x"]) == 13 and lines.value(8, ("spec",), ["x"]) == 11
    assert (
        lines.value(8, ("spec",), ["B"]) is None and lines.value(8, ("none",), ["x"]) is None and lines.value(99, ("spec",), ["x"]) is None
    )
    assert lines.value(3, ("spec", "rules", 0), ["1"]) == 5


def test_json_has_lines_too() -> None:
    text = '\n{"kind": "A",\n "spec": {\n  "x": 1}}\n\n{"kind": "B"}'
    assert [line for line, _value in documents(text)] == [2, 6]
    assert Lines('\n{"kind": "A",\n "spec": {\n  "x": 1}}\n').line(2, ("spec", "x")) == 4


def test_each_object_has_its_place(tmp_path: Path) -> None:
    items = "---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: two}\n"
    gateways = "".join(f"apiVersion: {group}/v1\nkind: Gateway\nmetadata: {{name: g, namespace: a}}\n---\n" for group in ("x.io", "y.io"))
    reading = read_manifests(put(tmp_path, {"a.yaml": ONE + items, "b/c.yaml": gateways}))
    places = {name: [(place.group, place.file, place.line, place.path) for place in found] for name, found in reading.places.items()}
    assert places == {
        "Namespace one": [("", "a.yaml", 1, ())],
        "Namespace two": [("", "a.yaml", 5, ("items", 0))],
        "Gateway a/g": [("x.io", "b/c.yaml", 1, ()), ("y.io", "b/c.yaml", 5, ())],
    }
