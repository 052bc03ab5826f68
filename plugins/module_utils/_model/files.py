# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Files, the one way that we write and read them: a new file is whole or not there, and nothing but a regular file is opened.

A file is written beside its place under a name that nobody can foresee, then renamed. So a full disk, a kill or a crash leaves what was
there before, and no link that somebody put in the way is followed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import time
from pathlib import Path
from typing import BinaryIO

__all__ = ["MIB", "NotAFile", "TooLarge", "clear_drafts", "inside", "make_folder", "open_file", "read_file", "remove_file", "write_file"]

MIB = 1024 * 1024
_DRAFT = re.compile(r"\..+\.[0-9a-f]{16}\.draft")
_STALE = 3600.0  # seconds after which nobody can still be writing a draft
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISLNK, "a link"),
)


class NotAFile(OSError):
    """There is something else in the file's place."""

    def __init__(self, path: str | Path, mode: int) -> None:
        what = next((word for test, word in _KINDS if test(mode)), "no regular file")
        super().__init__(errno.EINVAL, f"it is {what}, expected a regular file", str(path))


class TooLarge(OSError):
    """The file has more than we are willing to read."""

    def __init__(self, path: str | Path, limit: int) -> None:
        size = f"{limit // MIB} MiB" if limit >= MIB else f"{limit} bytes"
        super().__init__(errno.EFBIG, f"it is larger than {size}, the most that is read of one file", str(path))


def open_file(path: str | Path, *, follow: bool = True) -> BinaryIO:
    """A regular file, open for reading: a pipe is not waited for, a device is not touched. follow: whether the path may be a link."""
    before = os.stat(path, follow_symlinks=follow)
    if not stat.S_ISREG(before.st_mode):
        raise NotAFile(path, before.st_mode)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    handle = os.fdopen(os.open(path, flags), "rb")
    mode = os.fstat(handle.fileno()).st_mode
    if not stat.S_ISREG(mode):
        handle.close()
        raise NotAFile(path, mode)
    return handle


def read_file(path: str | Path, *, limit: int, follow: bool = True) -> bytes:
    """The content of a regular file."""
    with open_file(path, follow=follow) as handle:
        data = handle.read(limit + 1)
    if len(data) > limit:
        raise TooLarge(path, limit)
    return data


def inside(root: Path, path: Path) -> bool:
    """Whether the path, with all links followed, is in the folder."""
    return os.path.realpath(path).startswith(os.path.join(os.path.realpath(root), ""))


def _folder(path: Path, root: Path | None, mode: int = 0o777) -> int:
    """The folder, open; made where it is missing. With a root, no step below it is a link that leads out of it."""
    if root is None:
        path.mkdir(parents=True, exist_ok=True, mode=mode)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    root.mkdir(parents=True, exist_ok=True)
    real, base = os.path.realpath(path), os.path.realpath(root)
    if real != base and not inside(root, path):
        raise OSError(errno.ELOOP, f"a link on the way leads to {real}, out of {root}", str(path))
    current = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in Path(os.path.relpath(real, base)).parts:
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, mode, dir_fd=current)
        try:
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=current)
        finally:
            os.close(current)
        current = deeper
    return current


def make_folder(path: Path, *, root: Path | None = None, mode: int = 0o777) -> None:
    """The folder, with those above it."""
    os.close(_folder(path, root, mode))


def _kept_mode(path: Path, folder: int) -> int | None:
    """The permissions of the file that is replaced; None where there is none. What is neither file nor link to one is left alone."""
    try:
        found = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            # the link is replaced, not followed; but /dev/stdout and its like are no places for a file
            target = os.stat(path.name, dir_fd=folder)
            if not stat.S_ISREG(target.st_mode):
                raise NotAFile(path, target.st_mode)
            return None
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise NotAFile(path, found.st_mode)
    return stat.S_IMODE(found.st_mode)


def write_file(path: Path, data: bytes, *, root: Path | None = None, mode: int | None = None) -> None:
    """The file with this content, or an OSError and the old one. Folders on the way are made.

    root: nothing outside of that folder is written. mode: permissions; else those of the file that is replaced, or the user's default."""
    folder = _folder(path.parent, root)
    try:
        kept = _kept_mode(path, folder) if mode is None else (_kept_mode(path, folder), mode)[1]
        # a name may have 255 bytes, and the draft's is longer than the file's
        draft = f".{path.name.encode()[:120].decode(errors='ignore')}.{secrets.token_hex(8)}.draft"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(draft, flags, 0o666 if mode is None else mode, dir_fd=folder)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                if kept is not None:
                    os.fchmod(stream.fileno(), kept)
                os.fsync(stream.fileno())
            # were the folder changed for a link by now, the draft would not be there
            real = Path(os.path.realpath(path.parent))
            os.replace(real / draft, real / path.name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft, dir_fd=folder)
            raise
        with contextlib.suppress(OSError):  # not every file system can, and the file is there
            os.fsync(folder)
    finally:
        os.close(folder)


def remove_file(path: Path, *, root: Path) -> None:
    """Takes the file away, and its folder where that is empty then."""
    folder = _folder(path.parent, root)
    try:
        os.unlink(path.name, dir_fd=folder)
    finally:
        os.close(folder)
    with contextlib.suppress(OSError):  # not empty
        path.parent.rmdir()


def clear_drafts(folder: Path) -> None:
    """Takes away what killed runs left in the folder."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _DRAFT.fullmatch(entry.name) and entry.is_file(follow_symlinks=False) and time.time() - entry.stat().st_mtime > _STALE:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
