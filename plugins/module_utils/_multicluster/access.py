# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""How an istiod reads another cluster: the Secret with a kubeconfig, what of it may be told, and when its token is made anew."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .._errors import ConfigError
from .._model.clock import clock_text
from .._model.remote_access import REMOTE, RemoteAccess, secret_name
from .._text import span

__all__ = ["LAYER", "WantedAccess", "reason_to_renew", "remote_secret", "require_longer"]

_CLUSTER_NOTE = "networking.istio.io/cluster"
LAYER = "multicluster_access"


@dataclass(frozen=True)
class WantedAccess:
    """What the access to a cluster shall be. uid: of the account as it is there now."""

    cluster: str
    server: str
    ca: str
    account: str
    uid: str
    renew_before: int


def remote_secret(wanted: WantedAccess, token: str, namespace: str) -> dict[str, Any]:
    """The Secret by which the istiod of the namespace reads the cluster."""
    name = wanted.cluster
    authority = base64.b64encode(wanted.ca.encode()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": wanted.server, "certificate-authority-data": authority}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": secret_name(name),
            "namespace": namespace,
            "labels": {REMOTE: "true"},
            "annotations": {_CLUSTER_NOTE: name},
        },
        "data": {name: base64.b64encode(json.dumps(config, indent=1).encode()).decode()},
    }


def reason_to_renew(found: Mapping[str, RemoteAccess], wanted: WantedAccess, now: datetime) -> str:
    """Why the Secret is written again; empty where it is as wanted and far enough from its end."""
    if not found:
        return "there is none"
    return next(_reasons(found, wanted, now), "")


def _reasons(found: Mapping[str, RemoteAccess], wanted: WantedAccess, now: datetime) -> Iterator[str]:
    access = found.get(wanted.cluster)
    if access is None or len(found) > 1:
        yield f"it is for {', '.join(sorted(found))}"
        return
    if access.problem:
        yield access.problem
        return
    if access.server != wanted.server:
        yield f"it leads to {access.server}, expected {wanted.server}"
    if access.ca.strip() != wanted.ca.strip():
        yield "the API server has another CA"
    if access.account != wanted.account or access.uid != wanted.uid:
        yield f"its token is of {access.account} as it was, and the ServiceAccount {wanted.account} is another one now"
    if access.ends is None:
        yield "its token has no end"
    elif access.ends <= now:
        yield f"its token ended at {clock_text(access.ends)}"
    elif access.ends - now <= timedelta(seconds=wanted.renew_before):
        yield f"its token ends in {span(access.ends - now)}"


def require_longer(host: str, ends: datetime, now: datetime, renew_before: int) -> None:
    """Raises ConfigError where an API server gives tokens that are so short that each run would make new ones."""
    if ends - now <= timedelta(seconds=renew_before):
        raise ConfigError(
            f"cluster {host}: its API server gives tokens for {span(ends - now)} at most, and mesh_topology.token.renew_before is "
            f"{span(timedelta(seconds=renew_before))}, so that each run would make new ones; make renew_before shorter, and run this "
            "playbook more often than tokens end"
        )
