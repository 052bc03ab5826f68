# SPDX-License-Identifier: GPL-3.0-or-later
"""Imported first, it makes ansible_collections.meshops.mesh importable from this checkout, as Ansible itself would."""

from __future__ import annotations

from pathlib import Path

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

__all__ = ["COLLECTIONS"]

COLLECTIONS = Path(__file__).resolve().parents[2] / ".cache" / "collections"

_AnsibleCollectionFinder(paths=[str(COLLECTIONS)])._install()
