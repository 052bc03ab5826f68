# SPDX-License-Identifier: GPL-3.0-or-later
"""Issuing: what is kept, renewed and made, on a clock of ours; what was issued, judged by OpenSSL; a store that survives."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.meshops.mesh.plugins.filter.private_key import private_key
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.chain import CLIENT, SERVER, CertificateLimits, judge
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.facts import load_certificate
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.issue import CertificateRequest, new_key
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.issue import issue as issue_certificate
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.reading import read_bundle, read_key
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.store import Store, Work
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.vault import seal, unseal
from ansible_collections.meshops.mesh.plugins.module_utils._commands import certificate_authority as command
from ansible_collections.meshops.mesh.plugins.module_utils._commands.certificate_authority import request_of
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.modules import certificate_authority
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .material import NOW, make
from .running import run

SUBJECT = {"organization": "Travel Agency Ltd", "country": "GB"}
EC: dict[str, Any] = {"key_type": "EC"}
ROOT: dict[str, Any] = {"name": "root", "type": "root", "subject": {**SUBJECT, "common_name": "Travel Root"}, **EC}
MESH: dict[str, Any] = {"name": "prod", "type": "intermediate", "issuer": "root", "names": ["istiod.prod-istio-system.svc"], **EC}
GATE: dict[str, Any] = {"name": "web", "type": "server", "issuer": "prod", "names": ["travel.example.com", "10.0.0.1"], "days": 90, **EC}
CALLER: dict[str, Any] = {"name": "gto", "type": "client", "issuer": "prod", **EC}
ALL = [ROOT, MESH, GATE, CALLER]


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(command, "utc_now", found)
    return found


@pytest.fixture
def issue(capsys: pytest.CaptureFixture[str], tmp_path: Path, clock: Clock) -> Any:
    def go(*entries: dict[str, Any], check: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {"store": str(tmp_path / "pki"), "certificates": list(entries or ALL), **options}
        result = run(certificate_authority, arguments, capsys, check=check)
        text = json.dumps(result)
        assert not re.search("BEGIN [A-Z ]*PRIVATE", text) and str(options.get("passphrase") or "\0") not in text
        return result

    return go


def actions(result: dict[str, Any]) -> dict[str, str]:
    assert not result.get("failed"), result["msg"]
    return {row["name"]: row["action"] for row in result["certificates"]}


def row(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in result["certificates"] if row["name"] == name)


def prints(result: dict[str, Any]) -> dict[str, str]:
    return {row["name"]: row["fingerprint"] for row in result["certificates"]}


def test_check_make_check_keep(issue: Any, tmp_path: Path) -> None:
    planned = issue(check=True)
    assert planned["changed"] and set(actions(planned).values()) == {"made"} and not (tmp_path / "pki").exists()
    made = issue()
    assert made["changed"] and set(actions(made).values()) == {"made"}
    for check in (True, False):
        again = issue(check=check)
        assert not again["changed"] and set(actions(again).values()) == {"kept"} and prints(again) == prints(made)


def test_lines_say_what_is_due_and_why(issue: Any) -> None:
    names = [f"{row['name']} ({row['type']}): made, there is none" for row in issue(check=True)["certificates"]]
    assert names and issue(check=True)["lines"] == names and issue()["lines"] == names
    assert issue()["lines"] == [], "what is kept is not told"


@pytest.mark.parametrize("kind", [{"key_type": "EC"}, {"key_type": "EC", "key_bits": 384}, {"key_type": "RSA", "key_bits": 2048}])
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on PATH")
def test_openssl_accepts_what_was_issued(issue: Any, tmp_path: Path, kind: dict[str, Any]) -> None:
    result = issue(*({**entry, **kind} for entry in ALL))
    for name, purpose, oid in (("web", "sslserver", SERVER), ("gto", "sslclient", CLIENT)):
        found = row(result, name)
        (tmp_path / "chain").write_text(found["chain"])
        (tmp_path / "root").write_text(found["root"])
        command = ["openssl", "verify", "-x509_strict", "-auth_level", "2", "-no-CApath", "-purpose", purpose]
        command += ["-attime", str(int(NOW.timestamp())), "-CAfile", str(tmp_path / "root"), "-untrusted", str(tmp_path / "chain")]
        done = subprocess.run([*command, str(tmp_path / "chain")], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        chain = read_bundle(found["chain"].encode(), name).certificates
        roots = read_bundle(found["root"].encode(), name).certificates
        assert judge(chain[0], chain[1:], roots, at=NOW, purpose=oid, limits=CertificateLimits()).faults == ()
        assert [one.title for one in chain] == [f"CN={name}", "CN=prod"]
    mesh = load_certificate(x509.load_pem_x509_certificate(row(result, "prod")["certificate"].encode()).public_bytes(Encoding.DER))
    assert mesh.path_length == 0 and mesh.names.dns == ("istiod.prod-istio-system.svc",)
    assert mesh.key_usage == {"digital_signature", "key_cert_sign", "crl_sign"}


def test_renewed_at_a_fraction_of_life_and_the_root_keeps_its_key(issue: Any, clock: Clock, tmp_path: Path) -> None:
    first = issue()
    clock.now = NOW + timedelta(days=59)
    assert set(actions(issue()).values()) == {"kept"}
    clock.now = NOW + timedelta(days=60)
    second = issue()
    assert actions(second) == {"root": "kept", "prod": "kept", "web": "renewed", "gto": "kept"}
    assert row(second, "web")["reason"].startswith("67% of its life")
    assert (tmp_path / "pki/retired" / f"web-{prints(first)['web'][:16]}.pem").exists()
    clock.now = NOW + timedelta(days=3650 * 0.67)
    third = issue()
    assert set(actions(third).values()) == {"renewed"}
    before, after = (x509.load_pem_x509_certificate(row(result, "root")["certificate"].encode()) for result in (first, third))
    assert before.public_key() == after.public_key() and before.not_valid_after_utc < after.not_valid_after_utc


def test_a_new_root_signs_everything_anew(issue: Any) -> None:
    issue()
    other = {**ROOT, "subject": {**SUBJECT, "common_name": "New Root"}}
    refused = issue(other, *ALL[1:])
    assert "the root root is there and valid, but its subject is CN=Travel Root" in refused["msg"] and "replace_root" in refused["msg"]
    assert set(actions(issue()).values()) == {"kept"}, "a refusal changes nothing"
    replaced = issue(other, *ALL[1:], replace_root=True)
    assert set(actions(replaced).values()) == {"renewed"}
    assert row(replaced, "prod")["reason"] == "its issuer root has another key"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"names": ["hotel.example.com"]}, "its names are travel.example.com, 10.0.0.1, expected hotel.example.com"),
        ({"key_bits": 384}, "its key is EC 256, expected EC 384"),
        ({"subject": {"common_name": "other"}}, "its subject is CN=web, expected CN=other"),
        ({"type": "client"}, "it is not made for a client"),
    ],
)
def test_another_intent_renews_only_what_it_is_about(issue: Any, change: dict[str, Any], reason: str) -> None:
    issue()
    result = issue(ROOT, MESH, {**GATE, **change}, CALLER)
    assert actions(result) == {"root": "kept", "prod": "kept", "web": "renewed", "gto": "kept"}
    assert row(result, "web")["reason"] == f"it does not match: {reason}"


def test_nothing_outlives_its_issuer(issue: Any, clock: Clock) -> None:
    result = issue({**ROOT, "days": 30}, {**MESH, "days": 400}, {**GATE, "days": 90})
    assert row(result, "web")["not_after"] == row(result, "prod")["not_after"] == row(result, "root")["not_after"]


def test_what_a_clock_that_was_ahead_has_issued_is_issued_anew(issue: Any, clock: Clock, tmp_path: Path) -> None:
    """The root keeps its key; everything is valid at once, also for a node that lags a little."""
    clock.now += timedelta(hours=2)
    first = issue()
    key = read_key((tmp_path / "pki" / "root.pem").read_bytes()).spki
    clock.now -= timedelta(hours=2)
    assert actions(issue(check=True)) == {"root": "renewed", "prod": "renewed", "web": "renewed", "gto": "renewed"}
    second = issue()
    assert re.match("it is not valid before .*: a clock that was ahead has issued it", row(second, "root")["reason"])
    assert read_key((tmp_path / "pki" / "root.pem").read_bytes()).spki == key and prints(first) != prints(second)
    for name in ("root", "prod", "web", "gto"):
        begins = read_bundle(row(second, name)["certificate"].encode(), "").certificates[0].not_before
        assert begins == clock.now - timedelta(minutes=5), "nodes that are a minute behind accept it"
    assert set(actions(issue()).values()) == {"kept"}


def test_an_issuer_from_the_future_signs_nothing() -> None:
    later = make("Later", ca=True, begins=NOW + timedelta(hours=2))
    request = CertificateRequest("gto", "client", {"common_name": "gto"}, "later", key_type="EC", key_bits=256)
    with pytest.raises(ConfigError, match=r"gto cannot be issued: its issuer CN=Later.* is not valid before .* correct the clock"):
        issue_certificate(request, new_key(request), (read_bundle(later.pem.encode(), "").certificates[0], later.key), now=NOW)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{**ROOT, "issuer": "x"}], "a root has no issuer, found x"),
        ([MESH], "prod: its issuer is root; expected one of prod"),
        ([ROOT, {**GATE, "issuer": "root"}, {**CALLER, "issuer": "web"}], "its issuer web is a server; expected a root or intermediate"),
        ([ROOT, {**GATE, "issuer": "root", "names": []}], "a server needs names"),
        ([ROOT, ROOT], "root is there twice"),
        ([{**ROOT, "key_type": "RSA", "key_bits": 1024}], "RSA with 1024 bits is too short"),
        ([{**ROOT, "key_bits": 200}], "EC with 200 bits does not exist here"),
        ([{**ROOT, "days": 0}], "days is 0; expected more than 0"),
        ([{**ROOT, "name": "../root"}], "'../root' is no name for a file"),
        ([ROOT, {**CALLER, "issuer": "root", "path_length": 1}], "path_length is for a root or an intermediate"),
        ([ROOT, MESH, {**MESH, "name": "deep", "issuer": "prod"}], "prod has path_length 0, so deep cannot be a CA below it"),
        ([{**MESH, "issuer": "b", "name": "a"}, {**MESH, "issuer": "a", "name": "b"}], "a, b sign each other in a circle"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(issue: Any, tmp_path: Path, entries: list[Any], message: str) -> None:
    result = issue(*entries)
    assert result["failed"] and message in result["msg"]
    assert not list((tmp_path / "pki").glob("*.pem"))


def test_a_fraction_outside_of_life_is_refused(issue: Any) -> None:
    assert "renew_at is 1.5" in issue(renew_at=1.5)["msg"]


def test_files_are_for_their_owner_and_keys_are_encrypted(issue: Any, tmp_path: Path) -> None:
    plain = issue()
    file = tmp_path / "pki/prod.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700
    file.chmod(0o644)
    assert row(issue(check=True), "prod")["reason"].endswith("its file is closed to others now")
    assert issue()["changed"] and stat.S_IMODE(file.stat().st_mode) == 0o600
    closed = issue(passphrase="correct horse")
    assert closed["changed"] and prints(closed) == prints(plain)
    assert all(b"BEGIN ENCRYPTED PRIVATE KEY" in path.read_bytes() for path in (tmp_path / "pki").glob("*.pem"))
    assert not issue(passphrase="correct horse")["changed"]
    for wrong in ({}, {"passphrase": "wrong horse"}):
        result = issue(**wrong)
        assert result["failed"] and "store: the key of root cannot be opened: it is encrypted" in result["msg"]
    opened = private_key(file.read_text(), "correct horse")
    assert read_key(opened.encode()).spki == read_key(file.read_bytes(), b"correct horse").spki


def test_a_store_of_ansible_vault(issue: Any, tmp_path: Path) -> None:
    """Files that are there in the other form are written in this one, with the same certificates and keys; and back."""
    plain, key = issue(), (tmp_path / "pki/prod.pem").read_text()
    assert row(issue(check=True, passphrase="correct horse", encryption="vault"), "prod")["reason"].endswith("in Ansible Vault now")
    sealed = {"passphrase": "correct horse", "encryption": "vault"}
    vaulted = issue(**sealed)
    assert vaulted["changed"] and prints(vaulted) == prints(plain) and not issue(**sealed)["changed"]
    for path in (tmp_path / "pki").glob("*.pem"):
        assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.1;AES256\n") and stat.S_IMODE(path.stat().st_mode) == 0o600
    path = str(tmp_path / "pki/prod.pem")
    assert read_key(private_key(path, "correct horse", file=True).encode()).spki == read_key(key.encode()).spki
    for wrong in (None, "wrong"):
        with pytest.raises(AnsibleFilterError, match=r"prod\.pem is in Ansible Vault.*: the passphrase does not open it"):
            private_key(path, wrong, file=True)
    assert "is in Ansible Vault and cannot be opened: the passphrase does not open it" in issue(passphrase="wrong")["msg"]
    assert "is in Ansible Vault, and no passphrase is given" in issue()["msg"]
    assert "encryption is vault, which needs a passphrase" in issue(encryption="vault")["msg"]
    back = issue(passphrase="correct horse")
    assert back["changed"] and prints(back) == prints(plain) and b"BEGIN ENCRYPTED PRIVATE KEY" in Path(path).read_bytes()


def test_our_vault_is_ansibles() -> None:
    theirs = VaultLib([("default", VaultSecret(b"correct horse"))])
    for text in (b"", b"x", b"a" * 16, make("x").pem.encode() * 3, bytes(range(256))):
        assert theirs.decrypt(seal(text, b"correct horse")) == text
        assert unseal(theirs.encrypt(text, VaultSecret(b"correct horse")), b"correct horse") == text
        assert unseal(theirs.encrypt(text, VaultSecret(b"correct horse"), vault_id="prod"), b"correct horse") == text
    sealed = seal(b"secret", b"correct horse")
    for bad, reason in (
        (sealed[:-20], "does not open it|damaged"),
        (sealed.replace(b";1.1;", b";0.9;"), "is not known"),
        (sealed.splitlines()[0] + b"\nzz", "damaged"),
    ):
        with pytest.raises(ValueError, match=reason):
            unseal(bad, b"correct horse")


@pytest.mark.parametrize(
    ("text", "passphrase", "message"),
    [
        ("no key", None, "there is no private key that can be read"),
        ("{encrypted}", None, "the key is encrypted, and no passphrase is given"),
        ("{encrypted}", "wrong", "the passphrase does not open it"),
        (7, None, "must be a PEM text, found int"),
    ],
)
def test_the_filter_says_why_it_cannot_open_a_key(text: Any, passphrase: str | None, message: str) -> None:
    given = make("x").key_pem("secret") if text == "{encrypted}" else text
    with pytest.raises(AnsibleFilterError, match=message):
        private_key(given, passphrase)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (make("stranger").pem, "has a certificate, and its key cannot be read"),
        (make("stranger").pem + make("other").key_pem(), "the key of web belongs to another certificate"),
        (make("stranger").key_pem(), "has no certificate; put it back from a backup"),
    ],
)
def test_a_damaged_store_is_named_and_not_made_anew(issue: Any, tmp_path: Path, content: str, message: str) -> None:
    issue()
    (tmp_path / "pki/web.pem").write_text(content)
    assert message in issue()["msg"]
    assert (tmp_path / "pki/web.pem").read_text() == content


def test_a_store_that_cannot_be_written_is_refused(issue: Any, tmp_path: Path) -> None:
    (tmp_path / "pki").write_text("a file in the way")
    assert "cannot be written" in issue()["msg"] and "nothing was issued" in issue()["msg"]


class Killed(Exception):
    """In the place of kill -9."""


@pytest.mark.parametrize("after", range(4))
def test_a_killed_run_goes_on_where_it_was(issue: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    real, done = os.replace, []

    def dying(source: Any, target: Any) -> None:
        if len(done) == after:
            raise Killed
        done.append(target)
        real(source, target)

    requests = [request_of({"subject": {}, "days": None, "key_bits": None, "path_length": None, "issuer": None,
                                                  "names": [], **entry}) for entry in ALL]  # fmt: skip
    store = Store(str(tmp_path / "pki"), None)
    store.prepare()
    work = Work(store, requests, now=NOW, renew_at=0.66, replace_root=False)
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", dying)
        with pytest.raises(Killed):
            work.run(work.plan())
    result = issue()
    assert list(actions(result).values()) == ["kept"] * after + ["made"] * (4 - after)
    assert set(actions(issue()).values()) == {"kept"}


def test_clusters_that_run_side_by_side_share_one_root(tmp_path: Path) -> None:
    """Two processes at the same time: one makes the root, the other keeps it."""
    root = Path(__file__).resolve().parents[3]
    script = (
        "import sys, json; sys.path.insert(0, sys.argv[1])\n"
        "import conftest\n"
        "from ansible.module_utils.testing import patch_module_args\n"
        "from ansible_collections.meshops.mesh.plugins.modules import certificate_authority as m\n"
        "with patch_module_args(json.loads(sys.argv[2])):\n    m.main()\n"
    )
    outputs: list[str] = []

    def one(name: str) -> None:
        entries = [{**ROOT, "key_type": "RSA", "key_bits": 2048}, {**MESH, "name": name}]
        arguments = {"store": str(tmp_path / "pki"), "certificates": entries}
        command = [sys.executable, "-c", script, str(Path(__file__).parents[1]), json.dumps(arguments)]
        outputs.append(subprocess.run(command, capture_output=True, text=True, check=False, cwd=root).stdout)

    threads = [threading.Thread(target=one, args=(name,)) for name in ("west", "east")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results = [json.loads(text[text.index("{") :]) for text in outputs]
    assert sorted(row(result, "root")["action"] for result in results) == ["kept", "made"]
    assert len({row(result, "root")["fingerprint"] for result in results}) == 1


def test_the_result_has_no_key_material(issue: Any, tmp_path: Path) -> None:
    text = json.dumps(issue())
    for path in (tmp_path / "pki").glob("*.pem"):
        body = re.search(r"PRIVATE KEY-----\n(.*?)\n-----END", path.read_text(), re.DOTALL)
        assert body and base64.b64decode(body[1])
        assert all(line not in text for line in body[1].splitlines())


def test_the_folder_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    (folder / "retired").mkdir(parents=True)
    (folder / "root.pem").write_text("x")
    folder.chmod(0o777)
    (folder / "retired").chmod(0o755)
    Store(str(folder), None).prepare()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "retired")] == [0o700, 0o700]


@pytest.mark.parametrize(("mode", "refused"), [(0o777, True), (0o775, True), (0o1777, True), (0o755, False), (0o700, False)])
def test_a_folder_of_others_is_left_as_it_is(tmp_path: Path, mode: int, refused: bool) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "notes.txt").write_text("x")
    folder.chmod(mode)
    if refused:
        with pytest.raises(ConfigError, match=rf"{folder}: others may write there \(mode {mode:04o}\).*nothing was issued"):
            Store(str(folder), None).prepare()
    else:
        Store(str(folder), None).prepare()
    assert stat.S_IMODE(folder.stat().st_mode) == mode
