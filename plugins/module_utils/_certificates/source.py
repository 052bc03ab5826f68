# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Where certificates come from besides a mesh's own objects: one form for files, text, endpoints and live proxies.

A source is an object of the kind CertificateSource, which no API has. It travels in the same snapshot as a cluster's objects,
so that one table of checks judges all. It has public bytes and facts about keys only.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._model.objects import coded_texts
from .encoding import decode
from .reading import Key, has_private_key, public_part, read_key

__all__ = ["GROUP", "KEYS_NOTE", "KIND", "Source", "keys_of", "of_config_map", "of_proxy", "of_secret", "without_keys"]

GROUP = "mesh.meshops.io"
KIND = "CertificateSource"
KEYS_NOTE = "mesh.meshops.io/certificate-keys"
_KEY_ITEMS = ("key", "tls.key", "ca-key.pem", "ca.key")


@dataclass(frozen=True)
class Source:
    """One credential: a certificate with what belongs to it. Empty bytes mean that it was not asked for."""

    resource: str
    purpose: str = "any"  # any | server | client | ca | roots (expected everywhere) | shared (of another cluster of the mesh)
    certificate: bytes | None = None
    chain: bytes | None = None
    roots: bytes | None = None
    key: Key | None = None
    hosts: tuple[str, ...] = ()
    der: bool = False
    # For a workload: trust_domain, namespace, service_account, and the namespace of its control_plane; each only where it is known.
    identity: Mapping[str, str] = field(default_factory=dict)
    # For an endpoint: error, stage (connect, handshake or proxy), alpn, wanted_alpn, wanted (fingerprint), wanted_from.
    endpoint: Mapping[str, Any] | None = None
    # Why there is nothing to read, for an object that was named and is not there.
    absent: str = ""
    # For a gateway: the certificates that it serves, by the name of the Secret, or its namespace and name.
    served: Mapping[str, bytes] = field(default_factory=dict)
    # For a clock: how many seconds the cluster is ahead of us.
    clock_ahead: float | None = None
    clock: str = ""  # both times, for people

    def to_object(self) -> dict[str, Any]:
        """As an object of a snapshot."""
        spec: dict[str, Any] = {"resource": self.resource, "purpose": self.purpose, "hosts": list(self.hosts), "der": self.der}
        for name in ("certificate", "chain", "roots"):
            value = getattr(self, name)
            if value is not None:
                spec[name] = base64.b64encode(public_part(value)).decode()
                spec[f"{name}_had_key"] = has_private_key(value)
        spec |= {"identity": dict(self.identity), "endpoint": None if self.endpoint is None else dict(self.endpoint)}
        if self.served:
            spec["served"] = {name: base64.b64encode(public_part(text)).decode() for name, text in self.served.items()}
        spec |= {"absent": self.absent, "key": self.key.to_dict() if self.key else None, "clock_ahead": self.clock_ahead}
        spec |= {"clock": self.clock} if self.clock else {}
        return {"apiVersion": f"{GROUP}/v1", "kind": KIND, "metadata": {"name": self.resource}, "spec": spec}

    @classmethod
    def from_object(cls, obj: Mapping[str, Any]) -> Source:
        """Back from an object of a snapshot."""
        spec = obj.get("spec") or {}
        _check(spec)
        return cls(
            resource=str(spec.get("resource") or obj["metadata"]["name"]),
            purpose=str(spec.get("purpose") or "any"),
            certificate=_bytes(spec, "certificate"),
            chain=_bytes(spec, "chain"),
            roots=_bytes(spec, "roots"),
            key=Key.from_dict(spec["key"]) if spec.get("key") else None,
            hosts=tuple(spec.get("hosts") or ()),
            der=bool(spec.get("der")),
            identity=spec.get("identity") or {},
            endpoint=spec.get("endpoint"),
            absent=str(spec.get("absent") or ""),
            served={name: base64.b64decode(text) for name, text in (spec.get("served") or {}).items()},
            clock_ahead=spec.get("clock_ahead"),
            clock=str(spec.get("clock") or ""),
        )


# What stands for a private key that was taken out, so that its place is still a fault.
_TRACE = b"-----BEGIN PRIVATE KEY-----\n(taken out)\n-----END PRIVATE KEY-----\n"


_MAPS, _LISTS = ("identity", "endpoint", "served", "key"), ("hosts",)


def _check(spec: Mapping[str, Any]) -> None:
    """A file may have been changed since it was saved: TypeError for what is not of its type."""
    maps = all(isinstance(spec[name], Mapping) for name in _MAPS if spec.get(name))
    lists = all(isinstance(spec[name], (list, tuple)) for name in _LISTS if spec.get(name))
    texts = maps and all(isinstance(value, str) for value in (spec.get("identity") or {}).values() if value is not None)
    protocols = (spec.get("endpoint") or {}).get("wanted_alpn") if maps else None
    if not lists or not texts or (protocols and not all(isinstance(word, str) for word in protocols)):
        raise TypeError("a field of a CertificateSource is not of its type")


def _bytes(spec: Mapping[str, Any], name: str) -> bytes | None:
    if spec.get(name) is None:
        return None
    return base64.b64decode(spec[name]) + (_TRACE if spec.get(f"{name}_had_key") else b"")


def without_keys(secret: Mapping[str, Any]) -> dict[str, Any]:
    """A Secret as it was read, with facts in the place of private keys. The note also says that nothing else was dropped."""
    data = {**(secret.get("data") or {})}
    data |= coded_texts(secret.get("stringData") or {})
    kept: dict[str, str] = {}
    keys: dict[str, Any] = {}
    for name, value in data.items():
        raw = decode(value)
        if name in _KEY_ITEMS or (name.endswith((".key", "-key.pem")) and raw):
            keys[name] = read_key(raw).to_dict()
            kept[name] = ""
        elif has_private_key(raw):
            keys[name] = {**read_key(raw).to_dict(), "misplaced": True}
            kept[name] = base64.b64encode(public_part(raw)).decode()
        elif name.endswith((".crt", ".pem", ".cert")) or name in ("cert", "cacert"):
            kept[name] = value
        else:
            kept[name] = ""
    metadata = {name: secret["metadata"][name] for name in ("name", "namespace", "labels") if name in secret["metadata"]}
    metadata["annotations"] = {KEYS_NOTE: json.dumps(keys, sort_keys=True)}
    return {"apiVersion": "v1", "kind": "Secret", "type": secret.get("type"), "metadata": metadata, "data": kept}


def keys_of(annotations: Mapping[str, str]) -> dict[str, Any] | None:
    """The facts about a Secret's keys; None when the source dropped them."""
    note = annotations.get(KEYS_NOTE)
    return None if note is None else json.loads(note)


def _first(data: Mapping[str, Any], items: tuple[str, ...]) -> str:
    return next((item for item in items if item in data), "")


def of_secret(secret: Mapping[str, Any], *, resource: str, purpose: str, hosts: tuple[str, ...], roots_item: str = "") -> Source:
    """A Secret that somebody named: its certificate, key and chain by their usual names."""
    data, keys = secret.get("data") or {}, keys_of(secret["metadata"].get("annotations") or {}) or {}
    item = _first(data, ("tls.crt", "cert", "ca-cert.pem")) or next((name for name in sorted(data) if name.endswith((".crt", ".pem"))), "")
    key_item = {"tls.crt": "tls.key", "cert": "key", "ca-cert.pem": "ca-key.pem"}.get(item, "")
    roots = roots_item or ("root-cert.pem" if item == "ca-cert.pem" and "root-cert.pem" in data else "")
    if not item:
        return Source(resource, absent=f"it has no certificate, only {', '.join(sorted(data)) or 'nothing'}")
    if roots and roots not in data:
        return Source(resource, absent=f"it has no item {roots}")
    chain = decode(data["cert-chain.pem"]) if decode(data.get("cert-chain.pem") or "") else None
    return Source(
        resource,
        "ca" if item == "ca-cert.pem" else purpose,
        certificate=decode(data[item]) or (b"" if keys else None),
        chain=chain,
        roots=decode(data[roots]) if roots else None,
        key=Key.from_dict(keys[key_item]) if key_item in keys else None,
        hosts=hosts,
    )


def of_config_map(config_map: Mapping[str, Any], *, resource: str, item: str = "") -> Source:
    """A ConfigMap of trusted roots."""
    data = config_map.get("data") or {}
    name = item or _first(data, ("root-cert.pem", "ca.crt", "ca-bundle.crt", "service-ca.crt")) or next(iter(sorted(data)), "")
    if name not in data:
        return Source(resource, absent=f"it has no item {name or 'with certificates'}; it has {', '.join(sorted(data)) or 'nothing'}")
    return Source(resource, roots=str(data[name]).encode())


def of_proxy(
    pod: Mapping[str, Any],
    *,
    chain: bytes = b"",
    roots: bytes = b"",
    identity: Mapping[str, str] | None = None,
    served: Mapping[str, bytes] | None = None,
    error: str = "",
) -> Source:
    """A proxy's live certificate: what its admin interface says, against the pod that it runs in."""
    metadata = pod["metadata"]
    resource = f"Pod {metadata['namespace']}/{metadata['name']}"
    if error:
        return Source(resource, endpoint={"error": error, "stage": "proxy"})
    return Source(resource, certificate=chain, roots=roots, identity=identity or {}, served=served or {})
