# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Asks an API server which rights of the table its login lacks: all at once, before anything changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._kube.client import Cluster
from .._rights.missing import EVERYTHING, Question

__all__ = ["refused"]

_REVIEW = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}


def _allowed(cluster: Cluster, attributes: Mapping[str, str]) -> bool:
    """Everybody who is logged in may ask this about himself."""
    answer = cluster.create({**_REVIEW, "spec": {"resourceAttributes": dict(attributes)}})
    return bool((answer.get("status") or {}).get("allowed"))


def refused(cluster: Cluster, asked: Sequence[Question]) -> list[Question]:
    """The questions whose answer is no, in their order; a single request for who may do everything."""
    if not asked or _allowed(cluster, EVERYTHING):
        return []
    answers = cluster.map(lambda question: _allowed(cluster, question.attributes()), asked)
    return [question for question, allowed in zip(asked, answers, strict=True) if not allowed]
