# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Names that become part of a path: checked here and nowhere else, before anything is written."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from .._errors import ConfigError
from .._text import counted, shown

__all__ = ["LABEL", "SERVICE", "check_cluster", "check_layer", "check_mesh", "check_object", "file_names", "path_of_host"]

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # of DNS (RFC 1123), as the API server wants most names
SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")  # of DNS (RFC 1035)
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LAYER = re.compile(r"[A-Za-z0-9_]([-A-Za-z0-9_.]{0,62})")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")
_GROUP = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9.]{0,251}[A-Za-z0-9])?/)?[A-Za-z0-9]{1,63}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)  # devices on Windows, where a tree may be checked out
_MOST = 253  # characters of a name in Kubernetes
_FILE_MOST = 200  # bytes of a file's name; 255 are possible, and tools add endings to it


def _bad(what: str, value: Any, expected: str) -> ConfigError:
    said = shown(value if isinstance(value, str) else type(value).__name__)
    said = f"{said[:60]}... ({counted(len(said), 'character')})" if len(said) > 80 else said
    return ConfigError(f"{what} {said!r}: found a name that cannot be a folder or file, expected {expected}; nothing was written")


def _plain(value: Any, most: int) -> bool:
    """Whether it can be a part of a path on any system, with something before and after it."""
    return isinstance(value, str) and 0 < len(value) <= most and value.isprintable() and not set('/\\%<>"|?*') & set(value)


def check_cluster(name: Any) -> str:
    """A cluster's name is a folder."""
    ends = isinstance(name, str) and (name[:1] in (".", "-", " ") or name[-1:] in (".", " "))
    if not _plain(name, _MOST) or ends or ":" in name or _RESERVED.fullmatch(name):
        raise _bad("cluster", name, f"letters, digits, '-', '_' and '.', at most {_MOST}, and no name that Windows keeps for a device")
    return str(name)


def check_layer(name: Any) -> str:
    """A layer's name is a folder, with a number before it."""
    if not isinstance(name, str) or not _LAYER.fullmatch(name):
        raise ConfigError(f"layer {shown(name)!r}: found a name that cannot be a folder, expected letters, digits, '_', '-' and '.'")
    return name


def check_mesh(name: Any) -> str:
    """A mesh's name is a label's value, and a folder in many an inventory."""
    if not isinstance(name, str) or not _LABEL.fullmatch(name):
        raise _bad("mesh", name, "letters, digits, '-', '_' and '.', at most 63")
    return name


def check_object(obj: Mapping[str, Any], where: str) -> None:
    """Kind, group, namespace and name as the API server would take them."""
    meta = obj["metadata"]
    if not isinstance(obj["kind"], str) or not _KIND.fullmatch(obj["kind"]):
        raise _bad(f"{where}: the kind", obj["kind"], "letters and digits, at most 63")
    if not isinstance(obj["apiVersion"], str) or not _GROUP.fullmatch(obj["apiVersion"]):
        raise _bad(f"{where}: the apiVersion of a {obj['kind']}", obj["apiVersion"], "GROUP/VERSION")
    name, namespace = meta["name"], meta.get("namespace")
    if not _plain(name, _MOST) or name in (".", ".."):
        raise _bad(f"{where}: the name of a {obj['kind']}", name, f"a name of Kubernetes, at most {_MOST} characters")
    if namespace not in (None, "") and (not _plain(namespace, 63) or not _LABEL.fullmatch(namespace)):
        raise _bad(f"{where}: the namespace of {obj['kind']} {name}", namespace, "lower case letters, digits and '-', at most 63")


def file_names(rows: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """A file for each (group, kind, namespace, name): kind-namespace-name, as much more as it needs to be the only one of its name.

    Names that differ in capitals only are one file on many a system; a name may be longer than a file's can be."""
    short = ["-".join(filter(None, (kind.lower(), namespace, name.replace(":", "_")))) for _group, kind, namespace, name in rows]
    full = [f"{kind.lower()}.{group or 'core'}-{namespace}.{name.replace(':', '_')}" for group, kind, namespace, name in rows]
    marks = ["-" + hashlib.sha256("\0".join(row).encode()).hexdigest()[:10] for row in rows]
    once, twice = (Counter(text.casefold() for text in names) for names in (short, full))
    found = []
    for one, other, mark in zip(short, full, marks, strict=True):
        text, unique = (one, True) if once[one.casefold()] == 1 else (other, twice[other.casefold()] == 1)
        fits = len(text.encode()) <= _FILE_MOST
        found.append((text if fits and unique else text.encode()[:_FILE_MOST].decode(errors="ignore") + mark) + ".yaml")
    return found


def path_of_host(path: str, host: str, hosts: Sequence[str]) -> str:
    """The file of one of several hosts that were given the same one: `mesh.xml` is `mesh.west.xml` for west.

    One that is named in the path by itself, in a folder or between dots and dashes, was thought of already."""
    named = [one for one in hosts if re.search(rf"(?<![\w]){re.escape(one)}(?![\w])", path)]
    named = [one for one in named if not any(one != other and one in other for other in named)]
    if len(hosts) < 2 or named == [host]:
        return path
    file = PurePath(path)
    return str(file.with_name(f"{file.stem}.{quote(host, safe='')}{file.suffix}")) if file.name else path
