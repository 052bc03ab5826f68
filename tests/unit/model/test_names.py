# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of each of several hosts."""

from __future__ import annotations

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._model.names import path_of_host


@pytest.mark.parametrize(
    ("path", "hosts", "files"),
    [
        ("mesh.xml", ["west"], ["mesh.xml"]),
        ("out/mesh.xml", ["west", "east"], ["out/mesh.west.xml", "out/mesh.east.xml"]),
        ("mesh", ["west", "east"], ["mesh.west", "mesh.east"]),
        ("mesh.xml", ["me", "mesh"], ["mesh.me.xml", "mesh.xml"]),  # one is a part of the name, the other is named
        ("mesh.xml", ["api.west:6443", "a/b"], ["mesh.api.west%3A6443.xml", "mesh.a%2Fb.xml"]),
        ("prod/mesh.xml", ["prod", "prod-west"], ["prod/mesh.xml", "prod/mesh.prod-west.xml"]),
        ("west/east.xml", ["west", "east"], ["west/east.west.xml", "west/east.east.xml"]),
        ("out.d/mesh.sarif.json", ["west", "east"], ["out.d/mesh.sarif.west.json", "out.d/mesh.sarif.east.json"]),
    ],
)
def test_each_host_has_a_file_of_its_own(path: str, hosts: list[str], files: list[str]) -> None:
    found = [path_of_host(path, host, hosts) for host in hosts]
    assert found == files and len(set(found)) == len(hosts)


@pytest.mark.parametrize("form", ["out/{}.xml", "{}/mesh.xml", "out/mesh-{}.xml", "out/mesh.{}.xml", "mesh_of.{}"])
@pytest.mark.parametrize("hosts", [["west", "east"], ["prod", "prod-west", "west"], ["a.b", "b"]])
def test_a_path_that_names_the_host_is_left_alone(form: str, hosts: list[str]) -> None:
    assert [path_of_host(form.format(host), host, hosts) for host in hosts] == [form.format(host) for host in hosts]
