# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Rights to read that follow from code: the kinds that it declares, and what mesh_check reads by its checks' inputs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace

from .._authorization.checks import INPUTS
from .._catalogue import kinds_read, select
from .._checks.types import Options
from .._model import kinds as k
from .._model.intent import Intent
from .._model.secrets_used import CA_SECRETS
from .._traffic.mesh_routing import ROUTING_INPUTS
from .right import Right, Scope, Where

__all__ = ["ACCESS", "MIGRATION", "ROUTING", "UPGRADE", "check_reads", "listed", "plural"]

# What a plan of access, a comparison or a proposal is made of. ReplicaSets and Jobs say whose pods are; a member of OSSM 2 may name itself.
ACCESS = frozenset({*INPUTS, k.DESTINATION_RULE, k.REPLICA_SET, k.JOB, k.SMM})
# What a comparison of routes is made of.
ROUTING = frozenset(ROUTING_INPUTS)
# What the plan of an upgrade and its checks read.
UPGRADE = kinds_read(Intent(), Options(categories=("upgrade",)))
# What the plan of a migration, its checks and its steps read. The steps take owners off what stays in use, and look whose pods are old.
MIGRATION = kinds_read(Intent(), Options(categories=("migration",))) | {
    k.ISTIO_CNI,
    k.ISTIO_REVISION_TAG,
    k.JAEGER,
    k.PEER_AUTHENTICATION,
    k.ROLE,
    k.ROLE_BINDING,
    k.SERVICE,
    k.SERVICE_ACCOUNT,
    k.SMM,
    k.SMMR,
    k.TELEMETRY,
    k.VALIDATING_WEBHOOK,
}
_OUR_OWN_READS = frozenset({k.SECRET, k.PACKAGE_MANIFEST, k.CERTIFICATE_SOURCE})  # by name, or of no API
_IRREGULAR = {"Gateway": "gateways"}


def plural(kind: str) -> str:
    """The resource of a kind, as API servers make it; a test compares it with what they say."""
    if kind in _IRREGULAR:
        return _IRREGULAR[kind]
    word = kind.lower()
    if word.endswith("s"):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def _resource(kind: k.Kind) -> str:
    return f"{plural(kind.kind)}.{kind.group}" if kind.group else plural(kind.kind)


def listed(read: Collection[k.Kind], why: Callable[[k.Kind], str], work: str = "") -> list[Right]:
    """A list of each of these kinds in the whole cluster, as namespaces of others decide with them; Secrets by their names."""
    rows = [Right(_resource(kind), ("list",), Where.CLUSTER, why(kind)) for kind in sorted(set(read) - _OUR_OWN_READS)]
    if k.PACKAGE_MANIFEST in read:
        rows.append(
            Right(
                "packagemanifests.packages.operators.coreos.com",
                ("get",),
                Where.CLUSTER,
                "the channels of the operators that are subscribed",
            )
        )
    if k.SECRET in read:
        rows += [
            Right("secrets", ("get",), Where.PLANE, "the CA of the mesh: its certificates, never listed", names=CA_SECRETS),
            Right("secrets", ("get",), Where.GATEWAYS, "the certificates that gateways serve, by the names in Gateways, never listed"),
        ]
    return [replace(row, work=work) for row in rows]


def check_reads(scope: Scope) -> list[Right]:
    """What mesh_check lists: the kinds that the chosen checks read."""
    options = Options(categories=scope.categories, only=scope.only)
    readers: dict[k.Kind, set[str]] = defaultdict(set)
    for row in select(options.only, options.categories):
        for kind in row.inputs:
            readers[kind].add(row.category)
    rows = listed(kinds_read(scope.intent, options), lambda kind: f"read by the checks of {', '.join(sorted(readers[kind]))}")
    rows.append(
        Right(
            "subjectaccessreviews.authorization.k8s.io",
            ("create",),
            Where.CLUSTER,
            "asks the API server what each persona may do",
            when=("personas",),
        )
    )
    return rows
