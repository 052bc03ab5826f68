# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What the filters about certificates have in common: they are given keys and passphrases, and no error of theirs quotes one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.intent import CertificateIntent
from ansible_collections.meshops.mesh.plugins.module_utils._errors import MeshError

__all__ = ["intent_of", "quoting_nothing"]


@contextmanager
def quoting_nothing(name: str) -> Iterator[None]:
    """Errors of the pure functions as those of the filter of this name.

    Of what nobody foresaw only the kind is told: its text may be a value."""
    try:
        yield
    except MeshError as exc:
        raise AnsibleFilterError(f"{name}: {exc}") from None
    except (AttributeError, LookupError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"{name}: an entry does not have the fields that it needs ({type(exc).__name__})") from None


def intent_of(variables: Any) -> CertificateIntent:
    """The input of most of them. Raises MeshError or TypeError."""
    if not isinstance(variables, Mapping):
        raise TypeError
    return CertificateIntent.of(variables)
