# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that cannot be used are named with the path of their field; those that can pass."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._model.variables import check_names, check_value, misspelt, shown, unread

APPLICATION = {"name": {"type": "str", "required": True}, "port": {"type": "int"}, "inject": {"type": "bool"}, "env": {"type": "dict"}}
SPEC: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "namespace": {"type": "str", "required": True},
        "kind": {"type": "str", "choices": ["User", "Group"]},
        "applications": {"type": "list", "elements": "dict", "options": APPLICATION},
        "hosts": {"type": "list", "elements": "str"},
    },
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("[{namespace: a, applications: [{name: b, port: '80', inject: 'yes', env: {A: b}}]}]", []),
        ("[{namespace: 7, hosts: [a, b], kind: Group}]", []),
        ("[{namespace: a, hosts: 'a,b'}]", ["v[0].hosts: expected a list, found 'a,b'; this is one text: write a list, as [...]"]),
        ("[{namespace: a, hosts: ''}]", ["v[0].hosts: expected a list, found ''; the text is empty: leave it out, or write [...]"]),
        ("[{namespace: a, hosts: null}]", ["v[0].hosts: has no value (null), expected a list; write one, or remove the line"]),
        ("[{namespace: no}]", ["v[0].namespace: expected a text, found False (bool); write it in quotes"]),
        ("[{namespace: 1.30}]", ["v[0].namespace: expected a text, found 1.3 (float); write it in quotes"]),
        ("[{namespace: a, kind: Grop}]", ["v[0].kind: expected one of User, Group, found 'Grop'; did you mean Group?"]),
        ("[]", []),
        ("prod", ["v: expected a list, found 'prod'; this is one text: write a list, with -e as JSON, -e '{\"v\": [...]}'"]),
        ("{namespace: a}", ["v: expected a list, found a map (namespace)"]),
        ("[a]", ["v[0]: expected a map, found 'a'; this is one text: write a map, as {...}"]),
        ("[null]", ["v[0]: has no value (null), expected a map"]),
        ("[{namespace: null}]", ["v[0].namespace: has no value (null), expected a text"]),
        ("[{}]", ["v[0].namespace: is missing, expected a text"]),
        ("[{namespace: [a]}]", ["v[0].namespace: expected a text, found a list of 1"]),
        ("[{namespace: a, kind: Robot}]", ["v[0].kind: expected one of User, Group, found 'Robot'"]),
        ("[{namespace: a, aplications: []}]", ["v[0].aplications: not known; did you mean applications?"]),
        ("[{namespace: a, zzz: 1}]", ["v[0].zzz: not known; there are applications, hosts, kind, namespace"]),
        (
            "[{namespace: a, applications: [{name: b, port: eighty}]}]",
            ["v[0].applications[0].port: expected a whole number, found 'eighty'"],
        ),
        (
            "[{namespace: a, applications: [{name: b, port: true}]}]",
            ["v[0].applications[0].port: expected a whole number, found True (bool)"],
        ),
        (
            "[{namespace: a, applications: [{name: b, inject: maybe}]}]",
            ["v[0].applications[0].inject: expected true or false, found 'maybe'"],
        ),
        ("[{namespace: a, applications: [{name: b, env: [A]}]}]", ["v[0].applications[0].env: expected a map, found a list of 1"]),
    ],
)
def test_types_and_keys(value: str, expected: list[str]) -> None:
    assert check_value(SPEC, yaml.safe_load(value), "v") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["namespaces", "volumes"], []),
        ([], []),
        (["volume"], ["v[0]: expected one of namespaces, volumes, found 'volume'; did you mean volumes?"]),
        (
            "a,b",
            ["v: expected a list, found 'a,b'; this is one text: write a list, with -e as JSON, -e '{\"v\": [...]}'"],
        ),
    ],
)
def test_each_entry_of_a_list_is_to_be_chosen(value: Any, expected: list[str]) -> None:
    assert check_value({"type": "list", "elements": "str", "choices": ["namespaces", "volumes"]}, value, "v") == expected


def test_json_in_a_text_is_no_map() -> None:
    """Roles would read it as it is."""
    spec = {"type": "dict", "options": {"name": {"type": "str", "required": True}}}
    says = "; this is one text: write a map, with -e as JSON, -e '{\"v\": {...}}'"
    assert check_value(spec, '{"name": "a"}', "v") == ['v: expected a map, found \'{"name": "a"}\'' + says]


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"mesh_name": "a" * 63}, {"mesh_name": "a" * 64}),
        ({"mesh_name": "a"}, {"mesh_name": ""}),
        ({"mesh_control_plane": {"namespace": "a-1"}}, {"mesh_control_plane": {"namespace": "a.b"}}),
        ({"mesh_domains": [{"name": "Team_A", "namespaces": ["7up"]}]}, {"mesh_domains": [{"name": "a", "namespaces": ["münchen"]}]}),
        ({"mesh_workloads": [{"applications": [{"name": "a"}]}]}, {"mesh_workloads": [{"applications": [{"name": "7up"}]}]}),
        ({"mesh_workloads": [{"applications": [{"name": "a"}]}]}, {"mesh_workloads": [{"applications": [{"name": "a\n"}]}]}),
        ({"mesh_gateways": [{"hosts": ["*.a.example", "*", "b.example"]}]}, {"mesh_gateways": [{"hosts": ["a.*.example"]}]}),
        ({"mesh_personas": [{"name": "Jürgen Groß"}]}, {"mesh_personas": [{"name": "a\nb"}]}),
        ({"mesh_personas": [{"name": "x" * 253}]}, {"mesh_personas": [{"name": "x" * 300}]}),
        ({"mesh_observability": None}, {"mesh_observability": {"jaeger": {"name": "A"}}}),
    ],
)
def test_names(good: dict[str, Any], bad: dict[str, Any]) -> None:
    assert check_names(good) == []
    assert len(check_names(bad)) == 1


def test_a_long_value_is_cut_and_the_path_is_exact() -> None:
    texts = check_names({"mesh_domains": [{"namespaces": ["ok"]}, {"namespaces": ["ok", "n" * 300]}]})
    assert len(texts) == 1
    assert texts[0].startswith("mesh_domains[1].namespaces[1]: 'nnnn") and "(300 characters)" in texts[0] and len(texts[0]) < 200
    assert shown({"a": 1}) == "a map (a)" and shown([1]) == "a list of 1" and shown(True) == "True (bool)"


def test_only_what_looks_like_ours_is_misspelt() -> None:
    known = {"mesh_gateways", "mesh_domains", "mesh_control_plane"}
    assert misspelt({"mesh_gateways", "mesh_apps_domain", "mesh_environment", "mesh_mysql_password"}, known) == []
    assert [text.split(":")[0] for text in misspelt({"mesh_gatewys", "mesh_domain", "mesh_control_plan"}, known)] == [
        "mesh_control_plan",
        "mesh_domain",
        "mesh_gatewys",
    ]


def test_an_option_of_a_run_that_nobody_reads_is_told() -> None:
    known = {"mesh_check_source", "mesh_check_path", "mesh_gateways"}
    given = {"mesh_check_manifests", "mesh_check_pth", "mesh_check_path", "mesh_mysql_password"}
    assert unread(given, known) == ["mesh_check_manifests: nobody reads this variable; there are mesh_check_path, mesh_check_source"]
    assert len(misspelt(given, known)) == 1  # mesh_check_pth


def test_a_variable_of_the_command_line_is_meant_for_somebody() -> None:
    known = {"mesh_target", "mesh_gitops_path"}
    given = {"mesh_files_path", "mesh_mysql_password", "mesh_target", "mesh_targt"}
    typed = {"mesh_files_path", "mesh_target", "mesh_targt", "app_environment"}
    assert unread(given, known, typed) == [
        "mesh_files_path: nobody reads this variable; docs/variables.md of the collection has those that are read"
    ]


def test_a_number_may_be_written_with_an_exponent() -> None:
    assert check_value({"type": "float"}, 1e-09, "certificates_renew_at") == check_value({"type": "float"}, "1E+3", "x") == []
    assert check_value({"type": "float"}, "1e", "x")


HIDING: dict[str, Any] = {
    "type": "dict",
    "options": {
        "secrets": {"type": "list", "elements": "dict", "options": {"name": {"type": "str"}, "data": {"type": "dict"}}},
        "env": {"type": "dict"},
        "passphrase": {"type": "dict"},
        "kind": {"type": "str", "choices": ["a", "b"]},
        "key": {"type": "list"},
    },
}


@pytest.mark.parametrize(
    "value",
    [
        {"secrets": "hunter2"},
        {"secrets": ["hunter2"]},
        {"secrets": [{"data": "hunter2"}]},
        {"env": "hunter2"},
        {"passphrase": "hunter2"},
        {"key": 5},
        {"kind": "https://me:hunter2@example.com"},
        {"kind": "-----BEGIN PRIVATE KEY----- hunter2"},
    ],
)
def test_a_message_has_nothing_of_what_may_be_a_secret(value: dict[str, Any]) -> None:
    (problem,) = check_value(HIDING, value, "v")
    assert "hunter2" not in problem and ("characters" in problem or "of the type int" in problem)
