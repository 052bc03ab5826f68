# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: whole or not there, whatever happens while they are written; and nothing outside of the folder that was named."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model import files, snapshot_file
from ansible_collections.meshops.mesh.plugins.module_utils._model.files import clear_drafts, read_file, remove_file, write_file
from ansible_collections.meshops.mesh.plugins.module_utils._model.names import check_cluster, check_mesh, file_names
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import Snapshot

Break = Callable[[], None]


def everything(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


@pytest.mark.parametrize("call", ["fsync", "replace", "fchmod"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=["full", "killed"])
def test_the_old_file_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException) -> None:
    path = tmp_path / "report.xml"
    path.write_bytes(b"the last good one")

    def fail(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(files.os, call, fail)
    with pytest.raises(type(error)):
        write_file(path, b"half of the n")
    monkeypatch.undo()
    assert path.read_bytes() == b"the last good one" and everything(tmp_path) == {"report.xml"}


def test_a_really_full_disk_leaves_the_old_file() -> None:
    # /dev/full says ENOSPC at every write; a draft cannot be there, but what writing to it raises is what a full disk raises
    with pytest.raises(OSError, match="No space left"), open("/dev/full", "wb", buffering=0) as handle:
        handle.write(b"x")


def test_permissions_are_those_of_before_or_of_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_file(path, b"1")
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()
    path.chmod(0o640)
    write_file(path, b"2")
    assert path.stat().st_mode & 0o777 == 0o640
    write_file(path, b"3", mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o600 and path.read_bytes() == b"3"


def _umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


def test_a_planted_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "s.json"
    path.symlink_to(victim)
    for name in (f".s.json.{os.getpid()}", ".s.json.draft", f".s.json.{os.getpid()}.draft"):
        (tmp_path / "out" / name).symlink_to(victim)
    Snapshot.from_json({"format": "meshops.mesh/snapshot/v1", "taken_at": "2026-01-01T00:00:00Z", "objects": []}).save(path)
    assert victim.read_text() == "mine" and not path.is_symlink() and Snapshot.load(path).objects == ()


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "report"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/null")
    with pytest.raises(OSError, match="expected a regular file"):
        write_file(path, b"x")
    assert everything(tmp_path) == {"report"}


def test_no_folder_on_the_way_leads_out(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tree" / "west").symlink_to(tmp_path / "elsewhere")
    root = tmp_path / "tree"
    for path in (root / "west" / "a.yaml", root / "west" / "deep" / "a.yaml", root / ".." / "elsewhere" / "a.yaml"):
        with pytest.raises(OSError, match="out of"):
            write_file(path, b"x", root=root)
        with pytest.raises(OSError, match="out of"):
            remove_file(path, root=root)
    assert everything(tmp_path / "elsewhere") == set()
    (root / "real").mkdir()
    (root / "inner").symlink_to("real")
    write_file(root / "inner" / "a.yaml", b"x", root=root)
    assert (root / "real" / "a.yaml").read_bytes() == b"x"


def test_what_killed_runs_left_goes_after_an_hour_and_nothing_else(tmp_path: Path) -> None:
    old, new, other = (tmp_path / name for name in (f".a.{'0' * 16}.draft", f".b.{'1' * 16}.draft", ".c.draft"))
    for path in (old, new, other):
        path.write_text("half")
    os.utime(old, (time.time() - 7200,) * 2)
    os.utime(other, (time.time() - 7200,) * 2)
    clear_drafts(tmp_path)
    assert everything(tmp_path) == {new.name, other.name}


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)], ids=["pipe", "folder", "device"])
def test_nothing_but_a_file_is_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "s.json"
    make(path)
    with pytest.raises(OSError, match="expected a regular file"):
        read_file(path, limit=10)
    with pytest.raises(ConfigError, match="cannot be read: it is"):
        Snapshot.load(path)


def test_a_bomb_of_gzip_is_refused_before_it_fills_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    monkeypatch.setattr(snapshot_file, "_CHUNK", 64 * 1024)
    path = tmp_path / "s.json.gz"
    path.write_bytes(gzip.compress(b"{" + b" " * 50_000_000))
    with pytest.raises(ConfigError, match="unpacks to more than 400 times its size"):
        Snapshot.load(path)
    path.write_bytes(gzip.compress(b"\0" * 50_000_000))
    with pytest.raises(ConfigError, match="not JSON"):
        Snapshot.load(path)
    monkeypatch.setattr(snapshot_file, "MAX_BYTES", 1000)
    path.write_bytes(gzip.compress(b"{" + os.urandom(5000)))
    with pytest.raises(ConfigError, match="larger than 1000 bytes"):
        Snapshot.load(path)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is empty: the run that wrote it did not end"),
        (b"\x1f\x8b\x08", "cannot be read"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_a_damaged_snapshot_is_named(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "s.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"s.json .*{text}"):
        Snapshot.load(path)


BAD = ["", ".", "..", "../up", "/abs", "a/b", "a\\b", "a\0b", "a\nb", "x" * 300, ".git", "-rf", "nul", "COM1", "aux.west", "a:b", "a ",
       "a.", "a\u202eb", None, 7]  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_no_folder_of_a_cluster(name: object) -> None:
    with pytest.raises(ConfigError, match=r"cluster .*found a name that cannot be a folder or file"):
        check_cluster(name)


@pytest.mark.parametrize("name", [*BAD[:-2], "a b", "-a", "a-"])
def test_no_name_of_a_mesh(name: str) -> None:
    if name in ("nul", "COM1", "aux.west"):  # nobody's folder by itself
        assert check_mesh(name) == name
    else:
        with pytest.raises(ConfigError, match="mesh "):
            check_mesh(name)


@pytest.mark.parametrize("name", ["west", "west.example.com", "West_1", "10.0.0.1", "ü"])
def test_a_folder_of_a_cluster(name: str) -> None:
    assert check_cluster(name) == name


def test_files_of_objects_are_never_the_same_one_and_never_too_long() -> None:
    rows = [
        ("rbac.authorization.k8s.io", "Role", "n", "Admin"), ("rbac.authorization.k8s.io", "Role", "n", "admin"),
        ("rbac.authorization.k8s.io", "ClusterRole", "", "a:b"), ("rbac.authorization.k8s.io", "ClusterRole", "", "a_b"),
        ("", "ConfigMap", "a", "b-c"), ("", "ConfigMap", "a-b", "c"), ("", "ConfigMap", "n" * 63, "x" * 253),
        ("", "ConfigMap", "n" * 63, "x" * 252 + "y"),
        ("networking.istio.io", "Gateway", "n", "web"), ("gateway.networking.k8s.io", "Gateway", "n", "web"),
    ]  # fmt: skip
    found = file_names(rows)
    assert len({name.casefold() for name in found}) == len(rows)
    assert all(len(name.encode()) <= 220 and name.endswith(".yaml") for name in found)
    assert found == file_names(rows), "the same names at each run"
