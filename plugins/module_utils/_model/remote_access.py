# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a remote Secret says, by which an istiod reads another cluster, without what is secret in it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .fields import section, sections
from .objects import coded_texts

__all__ = ["PEERS", "REMOTE", "RemoteAccess", "access_note", "accesses_noted", "accesses_of", "is_remote", "secret_name"]

REMOTE = "istio/multiCluster"  # the label of a Secret by which an istiod reads other clusters; its keys are their names
PEERS = "mesh.meshops.io/peers"  # annotation of our Gateway for calls of other clusters: the names of these
_NOTE = "mesh.meshops.io/remote-access"  # in a snapshot: what was read of it before its values went


@dataclass(frozen=True)
class RemoteAccess:
    """What a kubeconfig says, without what is secret in it. server: the API server. ends: of its token, None where it has no end.

    account: namespace/name of the service account; uid: of that account. ca: the certificates by which the server is known, in PEM.
    problem: why it cannot be used; then nothing else is known."""

    server: str = ""
    ends: datetime | None = None
    account: str = ""
    uid: str = ""
    ca: str = ""
    problem: str = ""


def secret_name(cluster: str) -> str:
    """As istioctl calls it, so that people find it."""
    return f"istio-remote-secret-{cluster}"


def is_remote(secret: Mapping[str, Any]) -> bool:
    """Whether istiod reads it."""
    return section(secret, "metadata", "labels").get(REMOTE) == "true"


def access_note(secret: Mapping[str, Any]) -> dict[str, str]:
    """The annotation for a snapshot, which has no values: servers, accounts and ends."""
    known = str(section(secret, "metadata", "annotations").get(_NOTE) or "")
    if known and not any({**section(secret, "data"), **section(secret, "stringData")}.values()):
        return {_NOTE: known}  # it was read before
    rows = {
        name: {"server": one.server, "account": one.account, "ends": one.ends.isoformat() if one.ends else "", "problem": one.problem}
        for name, one in accesses_of(secret).items()
    }
    return {_NOTE: json.dumps(rows, sort_keys=True)}


def accesses_noted(secret: Mapping[str, Any]) -> dict[str, RemoteAccess] | None:
    """Of a Secret in a snapshot; None where nobody has read it before its values went."""
    try:
        rows = json.loads(str(section(secret, "metadata", "annotations").get(_NOTE) or "null"))
        return None if rows is None else {str(name): _noted(row) for name, row in rows.items()}
    except (ValueError, AttributeError, KeyError, TypeError):
        return None


def _noted(row: Mapping[str, Any]) -> RemoteAccess:
    ends = datetime.fromisoformat(row["ends"]) if row["ends"] else None
    return RemoteAccess(str(row["server"]), ends, str(row["account"]), problem=str(row["problem"]))


def accesses_of(secret: Mapping[str, Any]) -> dict[str, RemoteAccess]:
    """What each item of a remote Secret says, by the name of the cluster."""
    coded = {**section(secret, "data"), **coded_texts(section(secret, "stringData"))}
    return {str(key): _access_in(value) for key, value in coded.items()}


def _access_in(item: Any) -> RemoteAccess:
    """Of an item of a Secret, in base64. It raises nothing: whoever looks at many of them names the one that is wrong."""
    # late: a module that reads no kubeconfig needs no YAML
    import yaml

    try:
        config = yaml.safe_load(base64.b64decode(str(item), validate=True))
    except (ValueError, yaml.YAMLError, RecursionError):
        return RemoteAccess(problem="it is no kubeconfig")
    clusters = {str(row.get("name")): section(row, "cluster") for row in sections(section(config).get("clusters"))}
    users = {str(row.get("name")): section(row, "user") for row in sections(section(config).get("users"))}
    contexts = {str(row.get("name")): section(row, "context") for row in sections(section(config).get("contexts"))}
    context = contexts.get(str(section(config).get("current-context")), {})
    cluster, user = clusters.get(str(context.get("cluster")), {}), users.get(str(context.get("user")), {})
    if not cluster.get("server"):
        return RemoteAccess(problem="its current context names no API server")
    if not user.get("token"):
        return RemoteAccess(problem="its current context has no token")
    try:
        claims = _claims(str(user["token"]))
        ends = datetime.fromtimestamp(claims["exp"], UTC) if "exp" in claims else None
        ca = base64.b64decode(str(cluster.get("certificate-authority-data") or ""), validate=True).decode("ascii")
    except (ValueError, TypeError, OverflowError, OSError):
        return RemoteAccess(problem="its token, or its CA, cannot be read")
    # tokens of a Secret, which have no end, say it in other words
    account = section(claims, "kubernetes.io", "serviceaccount")
    name = account.get("name") or claims.get("kubernetes.io/serviceaccount/service-account.name") or ""
    home = section(claims, "kubernetes.io").get("namespace") or claims.get("kubernetes.io/serviceaccount/namespace") or ""
    uid = account.get("uid") or claims.get("kubernetes.io/serviceaccount/service-account.uid") or ""
    return RemoteAccess(str(cluster["server"]), ends, f"{home}/{name}", str(uid), ca)


def _claims(token: str) -> Mapping[str, Any]:
    """Of a token, whose signature is its API server's matter."""
    part = token.split(".")[1] if token.count(".") == 2 else ""
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    if not isinstance(claims, dict):
        raise ValueError("no claims")
    return claims
