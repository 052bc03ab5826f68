# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of a pod as files, written and renewed as a kubelet does."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from testbed.operators import mounts

Obj = dict[str, Any]
CONTAINER = {
    "volumeMounts": [
        {"name": "cacerts", "mountPath": "/etc/cacerts"},
        {"name": "kubeconfig", "mountPath": "/var/run/secrets/remote"},
        {"name": "root", "mountPath": "/var/run/secrets/istiod/ca"},
        {"name": "both", "mountPath": "/both"},
        {"name": "empty", "mountPath": "/var/run/secrets/istio-dns"},
    ]
}
SPEC = {
    "volumes": [
        {"name": "cacerts", "secret": {"secretName": "cacerts", "optional": True}},
        {"name": "kubeconfig", "secret": {"secretName": "istio-kubeconfig", "items": [{"key": "cluster1", "path": "config"}]}},
        {"name": "root", "configMap": {"name": "istio-ca-root-cert", "optional": True}},
        {
            "name": "both",
            "projected": {
                "sources": [
                    {"secret": {"name": "cacerts", "items": [{"key": "root-cert.pem", "path": "root.pem"}]}},
                    {"configMap": {"name": "istio"}},
                    {"serviceAccountToken": {"path": "token"}},
                ]
            },
        },
        {"name": "empty", "emptyDir": {}},
    ]
}


def secret(**data: str) -> Obj:
    return {"kind": "Secret", "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


OBJECTS: dict[mounts.Source, Obj | None] = {
    ("Secret", "cacerts"): secret(**{"root-cert.pem": "a root", "ca-cert.pem": "a CA"}),
    ("Secret", "istio-kubeconfig"): secret(cluster1="a kubeconfig", other="not asked for"),
    ("ConfigMap", "istio-ca-root-cert"): None,
    ("ConfigMap", "istio"): {"kind": "ConfigMap", "data": {"mesh": "{}"}, "binaryData": {"raw": base64.b64encode(b"\x00").decode()}},
}


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_volumes_are_made_of_what_they_name() -> None:
    found = mounts.volumes_of(SPEC, CONTAINER)
    assert {volume.path: volume.files(OBJECTS) for volume in found} == {
        "etc/cacerts": {"root-cert.pem": b"a root", "ca-cert.pem": b"a CA"},
        "var/run/secrets/remote": {"config": b"a kubeconfig"},
        "var/run/secrets/istiod/ca": {},
        "both": {"root.pem": b"a root", "mesh": b"{}", "raw": b"\x00"},
        "var/run/secrets/istio-dns": {},
    }
    assert mounts.sources(found) == set(OBJECTS)


def test_a_folder_is_there_before_its_secret_is(tmp_path: Path) -> None:
    for volume in mounts.volumes_of(SPEC, CONTAINER):
        mounts.write_volume(tmp_path, volume, dict.fromkeys(OBJECTS))
    for path in ("etc/cacerts", "var/run/secrets/remote", "var/run/secrets/istiod/ca", "both", "var/run/secrets/istio-dns"):
        assert read(tmp_path / path) == {}


def test_a_renewal_swaps_all_files_at_once(tmp_path: Path) -> None:
    volume = mounts.volumes_of(SPEC, CONTAINER)[0]
    folder = tmp_path / "etc" / "cacerts"
    assert mounts.write_volume(tmp_path, volume, OBJECTS)
    first = (folder / "..data").readlink()
    assert read(folder) == {"root-cert.pem": b"a root", "ca-cert.pem": b"a CA"}
    assert (folder / "ca-cert.pem").is_symlink()
    assert (folder / "ca-cert.pem").stat().st_mode & 0o077 == 0

    assert not mounts.write_volume(tmp_path, volume, OBJECTS)
    assert (folder / "..data").readlink() == first

    assert mounts.write_volume(tmp_path, volume, {("Secret", "cacerts"): secret(**{"root-cert.pem": "a root", "tls.crt": "another"})})
    assert read(folder) == {"root-cert.pem": b"a root", "tls.crt": b"another"}
    assert [path.name for path in folder.iterdir() if path.name.startswith("..") and path.name != "..data"] == [
        str((folder / "..data").readlink())
    ]


@pytest.mark.parametrize("gone", [None, secret()])
def test_a_secret_that_goes_takes_its_files_along(tmp_path: Path, gone: Obj | None) -> None:
    volume = mounts.volumes_of(SPEC, CONTAINER)[0]
    mounts.write_volume(tmp_path, volume, OBJECTS)
    assert mounts.write_volume(tmp_path, volume, {("Secret", "cacerts"): gone})
    assert read(tmp_path / "etc" / "cacerts") == {}
