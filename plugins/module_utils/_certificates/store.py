# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""The store: a folder with one file a certificate, its key and itself together, so that a killed run leaves no half pair."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from .._errors import ConfigError
from .._model.files import MIB, clear_drafts, read_file, write_file
from .facts import Certificate
from .issue import KEEP, CertificateRequest, Decision, StoredCertificate, decide, issue, new_key, wants_new_key
from .reading import load_key, read_bundle, read_key
from .vault import is_sealed, seal, unseal

with contextlib.suppress(ImportError):  # facts.IMPORT_ERROR says so
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

__all__ = ["Store", "Work"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_OURS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.pem|retired|\.lock|\..+\.draft|\.probe\..+")
_MOST = MIB  # of one file
_LOCK_PATIENCE = 120.0


class Store:
    """Reads and writes the folder. Every file is readable by its owner only, and replaced as a whole.

    vault: files are in Ansible Vault's format as a whole, with the passphrase as its password; else only their keys are encrypted.
    """

    def __init__(self, folder: str, passphrase: str | None, *, vault: bool = False) -> None:
        if vault and not passphrase:
            raise ConfigError(f"store {folder}: encryption is vault, which needs a passphrase; give passphrase")
        self.folder, self.vault = Path(folder), vault
        self.passphrase = passphrase.encode() if passphrase else None

    def path(self, name: str) -> Path:
        """The file of a name."""
        if not _NAME.fullmatch(name):
            raise ConfigError(f"certificates: {name!r} is no name for a file; use letters, digits, '.', '_' and '-'")
        return self.folder / f"{name}.pem"

    def prepare(self) -> None:
        """The folder, writable; found out before anything is issued."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._close()
            clear_drafts(self.folder)
            probe = self.folder / f".probe.{secrets.token_hex(8)}"
            os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
            probe.unlink()
        except OSError as exc:
            text = f"store {self.folder} cannot be written: {exc.strerror}; nothing was issued; give a folder of your own"
            raise ConfigError(text) from exc

    def _close(self) -> None:
        """The folder is its owner's. One that holds more than ours is left as it is, unless others could change what is in it."""
        retired = self.folder / "retired"
        mode = self.folder.stat().st_mode
        if mode & 0o077 and all(_OURS.fullmatch(path.name) for path in self.folder.iterdir()):
            self.folder.chmod(0o700)
        elif mode & 0o022:
            raise ConfigError(
                f"store {self.folder}: others may write there (mode {mode & 0o7777:04o}), and so put a CA of their own in place of yours; "
                "nothing was issued; give a folder of your own, or take the right away (chmod go-w)"
            )
        if retired.is_dir() and not retired.is_symlink():
            retired.chmod(0o700)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time: the clusters of a mesh run side by side and share the root."""
        deadline = time.monotonic() + _LOCK_PATIENCE
        with self._lock() as handle:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as exc:
                    if time.monotonic() > deadline:
                        text = f"store {self.folder} is in use by another run for {_LOCK_PATIENCE:.0f} s; wait for that, then run again"
                        raise ConfigError(text) from exc
                    time.sleep(0.1)
            yield

    def _lock(self) -> IO[bytes]:
        """The file that is locked; a link in its place is not followed, and what it holds is not touched."""
        path = self.folder / ".lock"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise ConfigError(f"store: {path} cannot be opened: {exc.strerror}; it must be a file: take away what is there") from exc
        return os.fdopen(handle, "r+b")

    def read(self, name: str) -> bytes | None:
        """What is in the file; None when there is none."""
        raw = self._raw(name)
        if raw is None or not is_sealed(raw):
            return raw
        if self.passphrase is None:
            raise ConfigError(f"store: {self.path(name)} is in Ansible Vault, and no passphrase is given; give the vault's password")
        try:
            return unseal(raw, self.passphrase)
        except ValueError as exc:
            raise ConfigError(f"store: {self.path(name)} is in Ansible Vault and cannot be opened: {exc}") from exc

    def _raw(self, name: str) -> bytes | None:
        try:
            return read_file(self.path(name), limit=_MOST)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise ConfigError(f"store: {self.path(name)} cannot be read: {exc.strerror}") from exc

    def held(self, name: str) -> StoredCertificate:
        """What is there of a name."""
        raw = self.read(name)
        if raw is None:
            return StoredCertificate()
        rows = read_bundle(raw, name).certificates
        if not rows:
            if not raw.strip():
                text = f"store: {self.path(name)} is empty, so its key is lost: a run of long ago did not end, or the disk was full"
                raise ConfigError(f"{text}; put it back from a backup, or move it away to have it made anew")
            remedy = "put it back from a backup, or move it away to have it made anew"
            raise ConfigError(f"store: {self.path(name)} has no certificate; {remedy}")
        return StoredCertificate(rows[0], read_key(raw, self.passphrase))

    def key(self, name: str) -> Any:
        """The private key, opened."""
        return load_key(self.read(name) or b"", self.passphrase)

    def encrypted(self, name: str) -> bool:
        """Whether the key at rest is, in the way that is wanted."""
        raw = self._raw(name) or b""
        return is_sealed(raw) if self.vault else b"ENCRYPTED" in raw

    def write(self, name: str, certificate: Certificate, key: Any) -> None:
        """Key and certificate in one move; what was there goes to the folder `retired`."""
        cover: Any = BestAvailableEncryption(self.passphrase) if self.passphrase and not self.vault else NoEncryption()
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, cover) + certificate.pem().encode()
        text = seal(text, self.passphrase) if self.vault and self.passphrase else text
        try:
            self._retire(name, certificate)
            self._replace(self.path(name), text)
        except OSError as exc:
            raise ConfigError(f"store: {self.path(name)} cannot be written: {exc.strerror}; what was there before is unchanged") from exc

    def _retire(self, name: str, new: Certificate) -> None:
        old = self.read(name)
        if old is None:
            return
        rows = read_bundle(old, name).certificates
        if rows and rows[0] != new:
            folder = self.folder / "retired"
            folder.mkdir(exist_ok=True, mode=0o700)
            self._replace(folder / f"{name}-{rows[0].fingerprint[:16]}.pem", self._raw(name) or old)

    @staticmethod
    def _replace(path: Path, text: bytes) -> None:
        write_file(path, text, mode=0o600)

    def open_to_others(self, name: str) -> bool:
        """Whether somebody else could read the file."""
        try:
            return bool(self.path(name).stat().st_mode & 0o077)
        except FileNotFoundError:
            return False


class Work:
    """One run: decide, then issue what is to be issued."""

    def __init__(self, store: Store, requests: Sequence[CertificateRequest], *, now: datetime, renew_at: float, replace_root: bool) -> None:
        self.store, self.requests, self.now = store, requests, now
        self.renew_at, self.replace_root = renew_at, replace_root

    def plan(self) -> list[Decision]:
        """What would be done; nothing is written."""
        held = {request.name: self.store.held(request.name) for request in self.requests}
        return decide(self.requests, held, now=self.now, renew_at=self.renew_at, replace_root=self.replace_root)

    def run(self, decisions: Sequence[Decision]) -> dict[str, Certificate]:
        """Issue and write; what each name has afterwards."""
        found: dict[str, Certificate] = {}
        for decision in decisions:
            request = decision.request
            if decision.action == KEEP and decision.held.certificate is not None:
                found[request.name] = decision.held.certificate
                self._mend(request.name, decision.held.certificate)
                continue
            key = new_key(request) if wants_new_key(decision) else self.store.key(request.name)
            issuer = (found[request.issuer], self.store.key(request.issuer)) if request.issuer else None
            found[request.name] = issue(request, key, issuer, now=self.now)
            self.store.write(request.name, found[request.name], key)
        return found

    def mends(self, decision: Decision) -> str:
        """What is done to a file whose certificate is kept."""
        name = decision.request.name
        if decision.action != KEEP:
            return ""
        if self.store.passphrase and not self.store.encrypted(name):
            return "its file is in Ansible Vault now" if self.store.vault else "its key is encrypted now"
        return "its file is closed to others now" if self.store.open_to_others(name) else ""

    def _mend(self, name: str, certificate: Certificate) -> None:
        if (self.store.passphrase and not self.store.encrypted(name)) or self.store.open_to_others(name):
            self.store.write(name, certificate, self.store.key(name))
