# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Versions, in order: of Istio, and of OpenShift Service Mesh, each release of which brings one minor of Istio."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import total_ordering
from typing import Any

__all__ = [
    "OSSM_ISTIO", "Version", "ahead", "at_least", "image_version", "istio_of", "minor", "newest_of", "offered_by_schema", "ossm_of",
    "parse", "same_minor",
]  # fmt: skip

# Minor of OpenShift Service Mesh: minor of Istio that it is built from. Source: the vendor's table of supported versions per release.
OSSM_ISTIO: dict[tuple[int, int], tuple[int, int]] = {
    (2, 0): (1, 6),
    (2, 1): (1, 9),
    (2, 2): (1, 12),
    (2, 3): (1, 14),
    (2, 4): (1, 16),
    (2, 5): (1, 18),
    (2, 6): (1, 20),
    (3, 0): (1, 24),
    (3, 1): (1, 26),
    (3, 2): (1, 27),
    (3, 3): (1, 28),
    (3, 4): (1, 30),
    (3, 5): (1, 31),
}
_TEXT = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:[-_]([0-9A-Za-z.\-]+))?(?:\+.*)?")
_MINOR = re.compile(r"^v?(\d+)\.(\d+)")
_LATEST = "latest"
_OSSM = (2, 3)  # the majors of OpenShift Service Mesh; Istio's is 1


@total_ordering
@dataclass(frozen=True)
class Version:
    """A version; patch is None where only a minor is meant, as in `v2.6` of a ServiceMeshControlPlane or in the alias `v1.30-latest`."""

    major: int
    minor: int
    patch: int | None = None
    pre: str = ""
    text: str = ""

    @property
    def line(self) -> tuple[int, int]:
        """Major and minor."""
        return (self.major, self.minor)

    @property
    def alias(self) -> bool:
        """True where the operator chooses the patch version."""
        return self.patch is None

    def _key(self) -> tuple[int, int, int, int, tuple[tuple[int, int, str], ...]]:
        parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre.split(".") if part)
        # A minor alone stands for the newest of its patches; a prerelease comes before its release.
        return (self.major, self.minor, 10**6 if self.patch is None else self.patch, 0 if self.pre else 1, parts)

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        return self.text or ".".join(str(part) for part in (self.major, self.minor, self.patch) if part is not None)


def parse(text: str | None) -> Version | None:
    """`v1.30.3`, `1.30`, `v1.30-latest`, `1.31.0-beta.1`; None for what is no version: a digest, `latest`, nothing."""
    found = _TEXT.fullmatch((text or "").strip())
    if not found:
        return None
    patch, pre = found.group(3), found.group(4) or ""
    if pre == _LATEST:
        pre = ""
    elif patch is None and pre:
        return None  # 1.30-rc is no version of anything
    return Version(int(found.group(1)), int(found.group(2)), None if patch is None else int(patch), pre, found.group(0))


def image_version(image: str | None) -> str:
    """The version in an image's tag, without the tags' variants (`1.30.3-distroless`); empty for digests and other tags."""
    name = (image or "").split("@", 1)[0].rsplit("/", 1)[-1]
    tag = name.partition(":")[2]
    for variant in ("-distroless", "-debug"):
        tag = tag.removesuffix(variant)
    return tag if parse(tag) and tag.removeprefix("v")[0].isdigit() else ""


def ossm_of(version: Version) -> tuple[int, int] | None:
    """The minor of OpenShift Service Mesh that brings this minor of Istio; None if none does."""
    if version.major in _OSSM:
        return version.line
    return next((ossm for ossm, istio in OSSM_ISTIO.items() if istio == version.line), None)


def istio_of(version: Version) -> tuple[int, int] | None:
    """The minor of Istio that this version of Istio or of OpenShift Service Mesh is; None where the table does not know it."""
    return OSSM_ISTIO.get(version.line) if version.major in _OSSM else version.line


def at_least(text: str | None, since: str) -> bool:
    """Whether a version has what came with another one; v2.4.7 and v2.4-latest have what came with v2.4. What is none (master) is newer."""
    found, first = parse(text), parse(since)
    if found is None or first is None:
        return True
    return found.line >= first.line if first.alias else found >= first


def newest_of(text: str, offered: Iterable[str]) -> str:
    """What an alias leads to: the newest patch of its minor that the operator offers, a prerelease only where there is no release.

    A version that is no alias is its own; empty where the operator does not say.
    """
    wanted = parse(text)
    if wanted is None or not wanted.alias:
        return text
    found = [version for version in map(parse, offered) if version is not None and not version.alias and version.line == wanted.line]
    return str(max(found)) if found else ""


def offered_by_schema(crd: Mapping[str, Any]) -> tuple[str, ...]:
    """The versions that the definition of the kind Istio takes in spec.version, as its operator has written them there."""
    found: list[str] = []
    for version in (crd.get("spec") or {}).get("versions") or ():
        schema = ((version.get("schema") or {}).get("openAPIV3Schema") or {}).get("properties") or {}
        allowed = ((schema.get("spec") or {}).get("properties") or {}).get("version") or {}
        found += [str(item) for item in allowed.get("enum") or ()]
    return tuple(dict.fromkeys(found))


def minor(version: str | None) -> tuple[int, int] | None:
    """(major, minor) of `v1.30.3`, `1.30` or `1.30.3-rc.0`; None for `latest`, digests and nothing."""
    found = _MINOR.match(version or "")
    return (int(found.group(1)), int(found.group(2))) if found else None


def ahead(one: str | None, other: str | None) -> int | None:
    """How many minors the first version is ahead of the second, negative behind; None if that cannot be counted."""
    first, second = minor(one), minor(other)
    if first is None or second is None or first[0] != second[0]:
        return None
    return first[1] - second[1]


def same_minor(one: str | None, other: str | None) -> bool:
    """True if both are versions of the same minor."""
    return minor(one) is not None and minor(one) == minor(other)
