# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Versions as they appear in specs and image tags, compared by major and minor."""

from __future__ import annotations

import re

__all__ = ["ahead", "image_version", "minor", "same_minor"]

_VERSION = re.compile(r"^v?(\d+)\.(\d+)")


def minor(version: str | None) -> tuple[int, int] | None:
    """(major, minor) of `v1.30.3`, `1.30` or `1.30.3-rc.0`; None for `latest`, digests and nothing."""
    found = _VERSION.match(version or "")
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


def image_version(image: str | None) -> str | None:
    """The version in an image's tag; None if it has a digest or a tag that is no version."""
    name = (image or "").split("@", 1)[0].rsplit("/", 1)[-1]
    tag = name.partition(":")[2]
    return tag if minor(tag) else None
