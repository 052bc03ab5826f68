# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""A mesh's CA as its Secret has it, keys included: what a rotation writes into `cacerts`, and what it saves. No I/O."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import ConfigError
from .._model.secrets_used import CACERTS_ITEMS
from .chain import build
from .encoding import decode
from .facts import Certificate
from .observed import authority_of, roots_of
from .reading import read_bundle
from .rotation import Authority

__all__ = ["Material", "combined"]

_TLS = {"tls.crt": "ca-cert.pem", "tls.key": "ca-key.pem", "ca.crt": "root-cert.pem"}


@dataclass(frozen=True, repr=False)
class Material:
    """One CA with its key: PEM by the items of `cacerts`. It has no repr, so that no key comes into a message."""

    name: str
    authority: Authority
    items: Mapping[str, bytes]
    roots: tuple[Certificate, ...]
    signer: Certificate | None = None
    chain: tuple[Certificate, ...] = ()  # from the signer to its root

    @classmethod
    def of(cls, data: Mapping[str, Any], name: str) -> Material:
        """data: a Secret's data, base64; in the form of cacerts, of istio-ca-secret, or of kubernetes.io/tls."""
        items = {_TLS.get(item, item): decode(value) for item, value in data.items() if _TLS.get(item, item) in CACERTS_ITEMS}
        secret = {"data": {item: base64.b64encode(value).decode() for item, value in items.items()}}
        authority, roots = authority_of(secret), roots_of(secret)
        if authority is None:
            raise ConfigError(f"{name} has no CA that can be read; expected ca-cert.pem (or tls.crt) with a certificate; correct it first")
        if not items.get("ca-key.pem", b"").strip():
            raise ConfigError(f"{name} has no private key (ca-key.pem or tls.key), so it cannot sign; give all four items")
        if not authority.anchor:
            raise ConfigError(f"{name}: its certificate does not lead to any root of its root-cert.pem; give its chain and its root")
        if not items.get("root-cert.pem", b"").strip():
            items["root-cert.pem"] = items["ca-cert.pem"]
        if not items.get("cert-chain.pem", b"").strip():
            items["cert-chain.pem"] = items["ca-cert.pem"]
        signer, above = read_bundle(items["ca-cert.pem"], name).certificates[0], read_bundle(items["cert-chain.pem"], name).certificates
        return cls(name, authority, items, roots, signer, tuple(build(signer, above, roots).path))

    @property
    def title(self) -> str:
        """The root that it leads to, for people."""
        return next((one.title for one in self.roots if one.fingerprint == self.authority.anchor), "a root")

    @property
    def signer_title(self) -> str:
        """Who signs, for people."""
        return self.signer.title if self.signer else ""

    def data(self) -> dict[str, str]:
        """As a Secret has it."""
        return {item: base64.b64encode(self.items[item]).decode() for item in CACERTS_ITEMS}


def combined(authority: Authority, known: Iterable[Material]) -> dict[str, str]:
    """The data of `cacerts` for a step: who signs, with the roots in their order. The signer is among known."""
    everybody = tuple(known)
    signer = next(one for one in everybody if one.authority.signer == authority.signer)
    if signer.authority.roots == authority.roots:
        return signer.data()  # byte for byte what was given, so that a later delivery finds nothing to change
    return {**signer.data(), "root-cert.pem": base64.b64encode(_bundle(authority.roots, everybody)).decode()}


def _bundle(roots: tuple[str, ...], everybody: tuple[Material, ...]) -> bytes:
    """Bundles as they were given, one after the other: istiod compares their bytes, so none is written anew where it can be helped."""
    pem = {root.fingerprint: root.pem().encode() for one in everybody for root in one.roots}
    given = sorted(((one.authority.roots, one.items["root-cert.pem"]) for one in everybody), key=lambda row: -len(row[0]))
    text, rest = b"", roots
    while rest:
        whole = next(((part, raw) for part, raw in given if part and rest[: len(part)] == part), None)
        part, raw = whole or (rest[:1], pem[rest[0]])
        text += raw if raw.endswith(b"\n") else raw + b"\n"
        rest = rest[len(part) :]
    return text
