# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshot files: what is in them, what must not be, and what is said about a wrong one."""

from __future__ import annotations

import base64
import gc
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot, slim, trimmed, without_gc

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CERT = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n").decode()
BOTH = base64.b64encode(base64.b64decode(CERT) + b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
# That there was a key is kept, so that a check finds it in its wrong place.
WITHHELD = base64.b64encode(base64.b64decode(CERT).rstrip() + b"\n-----BEGIN WITHHELD KEY-----\n-----END WITHHELD KEY-----\n").decode()
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "namespace": "n", "annotations": {"note": "hunter2"}},
    "data": {
        "tls.crt": CERT,
        "tls.key": "aHVudGVyMg==",
        "all.pem": BOTH.decode(),
        "token": "aHVudGVyMg==",
        "cert": CERT,
        "cacert": CERT,
        "key": "aHVudGVyMg==",
    },
    "stringData": {"plain": "hunter2"},
}


@pytest.mark.parametrize("name", ["s.json", "s.json.gz"])
def test_round_trip_without_secrets(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    Snapshot("west", NOW, "cluster", "v1.35.4", (SECRET,), frozenset({"a/v1/B"}), {"v1/Node": "no"}).save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    found = Snapshot.load(path)
    assert (found.cluster, found.taken_at, found.source, found.missing_kinds) == ("west", NOW, "snapshot", {"a/v1/B"})
    secret = found.get("Secret", "s", "n")
    assert secret is not None
    assert secret["data"] == {
        "tls.crt": CERT,
        "tls.key": "",
        "all.pem": WITHHELD,
        "token": "",
        "plain": "",
        "cert": CERT,
        "cacert": CERT,
        "key": "",
    }
    text = json.dumps(found.to_json())
    assert "hunter2" not in text and "aHVudGVyMg" not in text


@pytest.mark.parametrize(
    ("content", "text"),
    [("{", "not JSON"), ("[]", "format is 'list'"), ('{"format": "x"}', "format is 'x'")],
)
def test_wrong_files_are_named(tmp_path: Path, content: str, text: str) -> None:
    path = tmp_path / "s.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=text):
        Snapshot.load(path)


def test_manifests(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: one}\n---\nvalues: only\n")
    (tmp_path / "y.yml").write_text("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: two}}\n")
    found = Snapshot.from_manifests(tmp_path)
    assert sorted(item["metadata"]["name"] for item in found.of("Namespace", group="")) == ["one", "two"]
    (tmp_path / "bad.yml").write_text("a: [")
    with pytest.raises(ConfigError, match=r"bad\.yml: line 2: did not find expected node content"):
        Snapshot.from_manifests(tmp_path, fail=True)


def test_the_collector_is_off_while_many_objects_are_read_and_as_before_after_that() -> None:
    assert gc.isenabled()
    with pytest.raises(ConfigError), without_gc():
        assert not gc.isenabled()
        raise ConfigError("the reading failed")
    assert gc.isenabled()
    gc.disable()
    try:
        with without_gc():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("name", "owner", "kept"),
    [("istio", "", True), ("rollout-travel-prod", "meshops.mesh", True), ("rollout-travel-prod", "somebody", False), ("app", "", False)],
)
def test_of_config_maps_of_others_only_the_names_are_kept(name: str, owner: str, kept: bool) -> None:
    obj = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "data": {"state": "{}"},
        "metadata": {"name": name, "namespace": "n", "labels": {"app.kubernetes.io/managed-by": owner}},
    }
    assert ("data" in slim(obj)) is kept


def test_of_what_stands_between_a_pod_and_its_workload_who_owns_it_is_kept() -> None:
    meta = {"name": "a-7d9f", "namespace": "n", "labels": {"app": "a"}, "uid": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}
    owner = {"ownerReferences": [{"kind": "Deployment", "name": "a", "controller": True}]}
    spec = {"replicas": 2, "template": {"spec": {"containers": []}}, "selector": {}}
    given = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {**meta, **owner, "annotations": {"x": "y"}}, "spec": spec}
    assert trimmed(given) == {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {**meta, **owner}, "spec": {"replicas": 2}}
    alone = {**given, "metadata": meta}
    assert trimmed(alone)["spec"] == spec, "one that nobody owns is a workload by itself"
