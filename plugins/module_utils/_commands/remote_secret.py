# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What remote_secret does: one cluster gets, for each of the others, a Secret with a token of that cluster, and keeps it from ending."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from .._errors import ConfigError, FetchError, MeshError
from .._kube.auth import AUTH_ARG_SPEC, server_of
from .._kube.client import Cluster
from .._model.clock import clock_text
from .._model.objects import LAYER as LAYER_LABEL
from .._model.objects import MANAGER, made_by_us, owner_text, prepare, selector
from .._model.remote_access import REMOTE, RemoteAccess, accesses_of, is_remote, secret_name
from .._model.secrecy import without_secrets
from .._multicluster.access import LAYER, WantedAccess, reason_to_renew, remote_secret, require_longer
from .._multicluster.topology import READER

__all__ = ["Peer", "RemoteOrder", "RemoteResult", "bring"]

_WORDS = {
    "made": ("made", "would make"),
    "renewed": ("made anew", "would make anew"),
    "removed": ("removed", "would remove"),
    "kept": ("kept", "would keep"),
}
_BUNDLE = "kube-root-ca.crt"  # what a cluster gives its own pods to know the API server by


@dataclass(frozen=True)
class Peer:
    """Another cluster of the mesh. host: of the inventory. cluster: its name in the mesh. login: kubeconfig and context.

    server, ca_file: how istiods reach its API server; empty where our own connection says it. lifetime, renew_before: seconds."""

    host: str
    cluster: str
    login: Mapping[str, Any]
    server: str = ""
    ca_file: str = ""
    lifetime: int = 0
    renew_before: int = 0


@dataclass(frozen=True)
class RemoteOrder:
    """namespace: of the control planes, the same everywhere. adopt: Secrets of others that may be taken over."""

    mesh: str
    namespace: str
    adopt: frozenset[str] = frozenset()
    prune: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class RemoteRow:
    """What became of one Secret; nothing in it is secret."""

    cluster: str
    ref: str
    status: str
    reason: str = ""
    before: RemoteAccess | None = None
    after: RemoteAccess | None = None

    @property
    def changed(self) -> bool:
        return self.status != "kept"

    def to_dict(self) -> dict[str, Any]:
        access = self.after or self.before or RemoteAccess()
        ends = clock_text(access.ends) if access.ends else ""
        return {
            "cluster": self.cluster,
            "name": self.ref,
            "status": self.status,
            "reason": self.reason,
            "server": access.server,
            "ends": ends,
        }

    def line(self, *, planned: bool) -> str:
        """For people."""
        word, why = _WORDS[self.status][planned], f" ({self.reason})" if self.reason else ""
        ends = f", whose token ends at {clock_text(self.after.ends)}" if self.after and self.after.ends else ""
        return f"{word} {self.ref}, by which istiod reads cluster {self.cluster}{ends}{why}"


@dataclass(frozen=True)
class RemoteResult:
    """rows: what was done. failures: a sentence for each cluster where nothing could be done. notes: what people should know."""

    rows: tuple[RemoteRow, ...]
    failures: tuple[str, ...]
    notes: tuple[str, ...]


def bring(own: Cluster, peers: Sequence[Peer], order: RemoteOrder, *, state: str = "present") -> RemoteResult:
    """The Secrets of one cluster to their state. Where one peer cannot be reached the others are done all the same."""
    own.require_clock()
    work = _Removing(own, order) if state == "absent" else _Making(own, order)
    rows: list[RemoteRow] = []
    failures: list[str] = []
    for peer in peers:
        try:
            rows += work.one(peer)
        except MeshError as exc:
            failures.append(f"Secret {order.namespace}/{secret_name(peer.cluster)}: {exc}")
    if state == "present" and order.prune:
        rows += _Removing(own, order).left({secret_name(peer.cluster) for peer in peers})
    return RemoteResult(tuple(rows), tuple(failures), tuple(work.notes))


class _Secrets:
    """The Secrets of one cluster."""

    def __init__(self, own: Cluster, order: RemoteOrder) -> None:
        self.own, self.order = own, order
        self.notes: list[str] = []

    def live(self, name: str) -> dict[str, Any] | None:
        return self.own.get("v1", "Secret", name, self.order.namespace)

    def ref(self, name: str) -> str:
        return f"Secret {self.order.namespace}/{name}"

    def one(self, peer: Peer) -> Iterable[RemoteRow]:
        raise NotImplementedError


class _Making(_Secrets):
    """state: present."""

    def one(self, peer: Peer) -> Iterable[RemoteRow]:
        name = secret_name(peer.cluster)
        live = self.live(name)
        if live is not None and not made_by_us(live, self.order.mesh) and self.ref(name) not in self.order.adopt:
            raise ConfigError(
                f"cluster {self.own.name}: it is not ours, so it was not touched ({owner_text(live)}); delete it, or name it in mesh_adopt "
                f"('{self.ref(name)}') to take it over"
            )
        remote = Cluster.from_params({**dict.fromkeys(AUTH_ARG_SPEC), **peer.login}, name=peer.host)
        self._require_another(remote)
        wanted = self._wanted(peer, remote)
        now = remote.now()
        found = accesses_of(live) if live is not None else {}
        reason = reason_to_renew(found, wanted, now) or ("" if live is None or is_remote(live) else f"its label {REMOTE} is gone")
        row = RemoteRow(peer.cluster, self.ref(name), "kept", before=found.get(peer.cluster))
        if not reason:
            return [row]
        row = replace(row, status="made" if live is None else "renewed", reason="" if live is None else reason)
        if self.order.dry_run:
            return [row]
        if not wanted.uid:
            raise ConfigError(
                f"cluster {peer.host}: ServiceAccount {wanted.account} is not there, expected the account with which others read the "
                "cluster; connect_clusters makes it: run it for all clusters of the mesh"
            )
        token, ends = self._token(peer, remote)
        require_longer(peer.host, ends, now, peer.renew_before)
        (secret,) = prepare([remote_secret(wanted, token, self.order.namespace)], mesh=self.order.mesh, layer=LAYER)
        try:
            self.own.apply(secret, field_manager=MANAGER, force=live is not None and self.ref(name) in self.order.adopt)
        except MeshError as exc:
            raise FetchError(without_secrets(str(exc), [secret])) from None
        return [replace(row, after=accesses_of(secret)[peer.cluster])]

    def _require_another(self, remote: Cluster) -> None:
        if _identity(remote) == _identity(self.own):
            raise ConfigError(
                f"cluster {remote.name} is the same cluster as {self.own.name} (its namespace kube-system has the same uid); correct "
                "mesh_kubeconfig or mesh_context of one of them"
            )

    def _wanted(self, peer: Peer, remote: Cluster) -> WantedAccess:
        """As the cluster is now; the uid is empty where its account is not there."""
        account = remote.get("v1", "ServiceAccount", READER, self.order.namespace)
        server, known_by = server_of({**dict.fromkeys(AUTH_ARG_SPEC), **peer.login}, name=peer.host)
        server = peer.server or server
        if server.split("://")[-1].startswith(("127.", "localhost", "[::1]")):
            self.notes.append(
                f"cluster {peer.host}: istiod of {self.own.name} is given {server}, which it looks for on its own node; say "
                "mesh_topology.api_server.url where pods reach it at another address"
            )
        ca = _file(peer) if peer.ca_file else known_by or _bundle(remote, self.order.namespace)
        uid = str(account["metadata"]["uid"]) if account else ""
        return WantedAccess(peer.cluster, server, ca, f"{self.order.namespace}/{READER}", uid, peer.renew_before)

    def _token(self, peer: Peer, remote: Cluster) -> tuple[str, datetime]:
        remote.require_clock()
        path = f"/api/v1/namespaces/{self.order.namespace}/serviceaccounts/{READER}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": peer.lifetime}}
        answer = remote.request("POST", path, body=asked)
        status = (answer.json() or {}).get("status") or {}
        if not status.get("token"):
            raise FetchError(f"cluster {peer.host}: the API server gave no token for ServiceAccount {self.order.namespace}/{READER}")
        return str(status["token"]), datetime.fromisoformat(status["expirationTimestamp"])


class _Removing(_Secrets):
    """state: absent, and what no peer is for any more."""

    def one(self, peer: Peer) -> Iterable[RemoteRow]:
        name = secret_name(peer.cluster)
        live = self.live(name)
        if live is None:
            return []
        return [self._gone(live, peer.cluster, accesses_of(live).get(peer.cluster))]

    def left(self, wanted: Iterable[str]) -> list[RemoteRow]:
        """Secrets of ours for clusters that are not in the mesh any more; of what is listed only the metadata is read."""
        ours = f"{selector(self.order.mesh)},{LAYER_LABEL}={LAYER}"
        rows = self.own.list("v1", "Secret", namespace=self.order.namespace, label_selector=ours, metadata_only=True)
        stale = [row for row in rows if row["metadata"]["name"] not in set(wanted)]
        return [self._gone(row, row["metadata"]["name"].removeprefix(secret_name("")), None) for row in stale]

    def _gone(self, live: Mapping[str, Any], cluster: str, access: RemoteAccess | None) -> RemoteRow:
        meta = live["metadata"]
        row = RemoteRow(cluster, self.ref(meta["name"]), "removed", before=access)
        if not made_by_us(live, self.order.mesh):
            return replace(row, status="kept", reason=f"it is not ours: {owner_text(live)}")
        self.own.delete("v1", "Secret", meta["name"], self.order.namespace, dry_run=self.order.dry_run, uid=str(meta.get("uid") or ""))
        return row


def _identity(cluster: Cluster) -> str:
    """What no two clusters have in common."""
    found = cluster.get("v1", "Namespace", "kube-system")
    return str(found["metadata"]["uid"]) if found else cluster.name


def _file(peer: Peer) -> str:
    try:
        return Path(peer.ca_file).expanduser().read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"cluster {peer.host}: mesh_topology.api_server.ca_file cannot be read: {exc}") from exc


def _bundle(remote: Cluster, namespace: str) -> str:
    found = remote.get("v1", "ConfigMap", _BUNDLE, namespace)
    text = ((found or {}).get("data") or {}).get("ca.crt")
    if not text:
        raise ConfigError(
            f"cluster {remote.name}: nothing says by which CA its API server is known (neither the kubeconfig nor ConfigMap "
            f"{namespace}/{_BUNDLE}); say mesh_topology.api_server.ca_file"
        )
    return str(text)
