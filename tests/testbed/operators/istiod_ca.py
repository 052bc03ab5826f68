# SPDX-License-Identifier: GPL-3.0-or-later
"""Which CA a running istiod signs with: read when it starts, and read again only where a real one would.

As in Istio's pilot/pkg/bootstrap: an istiod that started without `cacerts` never looks at it again. One that started with it takes a new
intermediate under the same root at once (AUTO_RELOAD_PLUGIN_CERTS). A new root it refuses with a warning in its log and nothing else,
unless ISTIO_MULTIROOT_MESH is set and the old bundle contains the new one or the new one the old. All istiods of a namespace share a CA
here; the newest ready pod is the process that counts.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ..pods.status import says_ready
from .base import LOG, Kube
from .certificates import Authorities, Authority

__all__ = ["Process", "Running", "authorities", "ensure_authority", "is_multiroot", "next_authority", "plugged_in", "reloads_by_default"]

Obj = dict[str, Any]
BELIEVED = 1.0  # a kubelet takes up to a minute to renew a mounted Secret; this is as much patience as a test has
_FORMS = (("ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem"), ("tls.crt", "tls.key", "ca.crt", ""))
_TAG = re.compile(r":v?(\d+)\.(\d+)[^/]*$")
_AUTHORITIES: dict[str, Authorities] = {}


@dataclass(frozen=True)
class Process:
    """A running istiod: its pod, and the environment that decides about its CA."""

    uid: str
    multiroot: bool = False
    reloads: bool = True


@dataclass
class Running:
    """What the istiod of a namespace has in memory."""

    process: Process
    authority: Authority
    plugged: bool
    refused: str = ""
    at: float = field(default_factory=time.monotonic)


def authorities(bed: Obj) -> Authorities:
    """The CAs of the bed, shared by all controllers of this process."""
    folder = str(Path(bed["dir"]) / "pki")
    return _AUTHORITIES.setdefault(folder, Authorities(Path(folder)))


def plugged_in(secret: Obj | None) -> Authority | None:
    """The CA of `cacerts`, in Istio's form or cert-manager's; None for one that istiod could not start with."""
    data = {key: base64.b64decode(value or "") for key, value in ((secret or {}).get("data") or {}).items()}
    for cert, key, root, chain in _FORMS:
        if all(data.get(item, b"").strip() for item in (cert, key, root)):
            found = Authority(data.get(chain) or data[cert], data[key], data[root])
            return found if _fits(data[cert], data[key]) else None
    return None


def _fits(cert: bytes, key: bytes) -> bool:
    """Whether the key is the certificate's, and readable without a passphrase."""
    try:
        public = serialization.load_pem_private_key(key, None).public_key()
        owner = x509.load_pem_x509_certificate(cert).public_key()
    except (ValueError, TypeError):
        return False
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.DER, form) == owner.public_bytes(serialization.Encoding.DER, form)


def next_authority(running: Running, secret: Obj | None) -> tuple[Authority, str]:
    """What the same process signs with now that `cacerts` is this, and the warning when it is not what `cacerts` says."""
    if not running.plugged:
        return running.authority, "" if secret is None else "it started without cacerts and does not look at it"
    wanted = plugged_in(secret)
    old = running.authority
    if wanted == old:
        return old, ""
    if wanted is None:
        return old, "cacerts cannot be loaded"
    if not running.process.reloads:
        return old, "AUTO_RELOAD_PLUGIN_CERTS is off"
    if wanted.root != old.root:
        if not running.process.multiroot:
            return old, "Multi root not supported"
        if old.root.strip() not in wanted.root and wanted.root.strip() not in old.root:
            return old, "Updating new ROOT-CA not supported"
    return wanted, ""


def _on(value: str | None, default: bool) -> bool:
    return default if value is None else value.lower() in ("true", "1")


async def _process(kube: Kube, namespace: str) -> Process | None:
    """The newest ready istiod of the namespace."""
    found = []
    for pod in await kube.list("v1", "Pod", namespace):
        if not str((pod["metadata"].get("labels") or {}).get("app") or "").startswith("istiod"):
            continue
        if not pod["metadata"].get("deletionTimestamp") and says_ready(pod):
            found.append(pod)
    if not found:
        return None
    newest = max(found, key=lambda pod: (pod["metadata"]["creationTimestamp"], int(pod["metadata"].get("resourceVersion") or 0)))
    env = {row["name"]: str(row.get("value") or "") for c in newest["spec"]["containers"] for row in c.get("env") or []}
    return Process(
        newest["metadata"]["uid"],
        _on(env.get("ISTIO_MULTIROOT_MESH"), default=False),
        _on(env.get("AUTO_RELOAD_PLUGIN_CERTS"), default=reloads_by_default(newest)),
    )


def reloads_by_default(pod: Obj) -> bool:
    """AUTO_RELOAD_PLUGIN_CERTS is on since Istio 1.18, which Maistra 2.5 is; the image's tag tells."""
    found = _TAG.search(pod["spec"]["containers"][0].get("image") or "")
    return found is None or int(found[2]) >= {"1": 18, "2": 5}.get(found[1], 0)


class _State:
    """Of one bed and namespace."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.running: Running | None = None
        self.started = False


_STATES: dict[tuple[str, str], _State] = {}


async def _own(kube: Kube, known: Authorities, namespace: str, *, again: bool) -> Authority:
    """The CA of `istio-ca-secret`; a deleted one is made anew by an istiod that starts, with another root."""
    secret = await kube.get("v1", "Secret", "istio-ca-secret", namespace)
    data = {key: base64.b64decode(value or "") for key, value in ((secret or {}).get("data") or {}).items()}
    if data.get("ca-cert.pem") and data.get("ca-key.pem"):
        return Authority(data["ca-cert.pem"], data["ca-key.pem"], data.get("root-cert.pem") or data["ca-cert.pem"])
    own = Authority.new("cluster.local") if again else known.of(namespace)
    if secret is None:
        items = {"ca-cert.pem": own.cert, "ca-key.pem": own.key, "root-cert.pem": own.root, "cert-chain.pem": own.cert}
        await kube.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "istio.io/ca-root",
                "metadata": {"name": "istio-ca-secret", "namespace": namespace},
                "data": {key: base64.b64encode(value).decode() for key, value in items.items()},
            },
            "istiod",
        )
    return own


def is_multiroot(bed: Obj, namespace: str) -> bool:
    """Whether the istiod that runs there tells its proxies about new roots at once."""
    running = _STATES.setdefault((bed["dir"], namespace), _State()).running
    return running is not None and running.process.multiroot


async def ensure_authority(kube: Kube, bed: Obj, namespace: str, *, fresh: bool = False) -> Authority:
    """The CA that the control plane in namespace signs with. Before its istiod runs: the one that it would start with."""
    state = _STATES.setdefault((bed["dir"], namespace), _State())
    async with state.lock:
        running = state.running
        if running is not None and not fresh and time.monotonic() - running.at < BELIEVED:
            return running.authority
        known = authorities(bed)
        process = await _process(kube, namespace)
        secret = await kube.get("v1", "Secret", "cacerts", namespace)
        if process is None and running is not None:
            return running.authority  # between two pods
        if running is not None and process is not None and running.process.uid == process.uid:
            running.authority, refused = next_authority(running, secret)
            if refused and refused != running.refused:
                LOG.warning("istiod in %s: %s", namespace, refused)
            running.refused, running.at = refused, time.monotonic()
        else:
            plugged = plugged_in(secret)
            if secret is not None and plugged is None:
                LOG.error("istiod in %s: cacerts cannot be loaded, it starts with a CA of its own", namespace)
            authority = plugged or await _own(kube, known, namespace, again=state.started)
            if process is not None:
                state.running, state.started = Running(process, authority, plugged is not None), True
            running = Running(process or Process(""), authority, plugged is not None)
        known.plug_in(namespace, running.authority)
        return running.authority
