# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""Certificates with their keys as a role delivers them, whoever provides them. Nothing here puts a part of them into a message. No I/O.

A row has name, role (authority, gateway, client; of cert-manager also root and mesh_root), intent (the entry of the inventory),
the PEM texts certificate, chain, roots and key, and the passphrase of the key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .._errors import ConfigError
from .._model.fields import section, sections
from .._model.secrets_used import CACERTS
from .cert_manager import mesh_root_name, rows
from .encoding import decode
from .intent import CertificateIntent, Entry, given
from .request import inline, with_secret

__all__ = ["Row", "from_cert_manager", "from_pem", "from_store", "secret_checks", "text_checks"]

Row = Mapping[str, Any]
# Where Secrets have the parts: cacerts, kubernetes.io/tls, and the generic form that Istio reads for gateways.
_ITEMS = {
    "certificate": ("ca-cert.pem", "tls.crt", "cert"),
    "key": ("ca-key.pem", "tls.key", "key"),
    "chain": ("cert-chain.pem",),
    "roots": ("root-cert.pem", "ca.crt", "cacert"),
}
_ISSUED = {"certificate": ("tls.crt",), "key": ("tls.key",), "chain": (), "roots": ("ca.crt",)}
_PURPOSES = {"authority": "ca", "gateway": "server", "client": "client"}


def from_store(intent: CertificateIntent, issued: Iterable[Row], passphrase: str, open_key: Callable[[str], str]) -> list[dict[str, Any]]:
    """Of own_ca. issued: `certificates` of certificate_authority; open_key: the key in the file of a path, in clear text."""
    entries = {str(one["name"]): one for one in reversed(intent.entries)}
    found = []
    for row in issued:
        if row["type"] != "root" and row.get("certificate") is not None:
            entry = entries[str(row["name"])]
            parts = {"certificate": row["certificate"], "chain": row["chain"], "roots": row["root"], "key": open_key(str(row["path"]))}
            found.append({**_named(entry), **parts, "passphrase": passphrase})
    return found


def from_pem(intent: CertificateIntent, answers: Sequence[Row], texts: Mapping[str, str], passphrase: str) -> list[dict[str, Any]]:
    """Of pem. answers: of the queries for with_secret(intent), in its order; texts: what is in the files, by their path."""
    data = {str(entry["name"]): _data(answer) for entry, answer in zip(with_secret(intent), answers, strict=False)}
    found = []
    for entry in intent.entries:
        name = str(entry["name"])
        parts = _decoded(data[name], _ITEMS) if name in data else {part: _text(entry, part, texts) for part in _ITEMS}
        found.append({**_named(entry), **parts, "passphrase": str(entry["passphrase"]) if given(entry, "passphrase") else passphrase})
    return found


def from_cert_manager(intent: CertificateIntent, answers: Sequence[Row]) -> list[dict[str, Any]]:
    """Of cert_manager. answers: of the queries for the Secret of each row, in their order. What is not there yet is empty."""
    entries: dict[str, Entry] = {str(one["name"]): one for one in reversed(intent.leaves)}
    found = []
    for one, answer in zip(rows(intent), answers, strict=True):
        role = "mesh_root" if one.name == mesh_root_name(intent) else one.role
        parts = _decoded(_data(answer), _ISSUED)
        found.append({"name": one.name, "role": role, "intent": dict(entries.get(one.name, {})), **parts, "passphrase": ""})
    return found


def _named(entry: Entry) -> dict[str, Any]:
    return {"name": entry["name"], "role": entry["role"], "intent": entry}


def _data(answer: Row) -> Mapping[str, Any]:
    return next((section(one, "data") for one in sections(answer.get("resources"))), {})


def _decoded(data: Mapping[str, Any], items: Mapping[str, Sequence[str]]) -> dict[str, str]:
    values = {part: next((data[name] for name in names if name in data), "") for part, names in items.items()}
    return {part: decode(value).decode(errors="surrogateescape") for part, value in values.items()}


def _text(entry: Entry, part: str, texts: Mapping[str, str]) -> str:
    value = str(entry.get(part) or "")
    if not value or inline(value):
        return value
    if value not in texts:
        raise ConfigError(f"{entry['name']}: the file of its {part} was not read")
    return texts[value]


def text_checks(material: Iterable[Row]) -> list[dict[str, Any]]:
    """As certificate_check takes them, keys included. An empty part is not asked for."""
    found = []
    for one in material:
        row = {
            "name": one["name"],
            "certificate_content": one["certificate"],
            "key_content": one["key"],
            "purpose": _PURPOSES.get(one["role"], "any"),
            "hosts": list(one["intent"].get("hosts") or []),
        }
        row |= {f"{part}_content": one[part] for part in ("chain", "roots") if one[part].strip()}
        found.append({**row, "passphrase": one["passphrase"]} if one["passphrase"] else row)
    return found


def secret_checks(material: Iterable[Row], namespace: str) -> list[dict[str, Any]]:
    """The Secrets that were delivered, as certificate_check reads them on the cluster: the mesh's CA, then the gateways'."""
    every = list(material)
    found: list[dict[str, Any]] = [
        {"namespace": namespace, "name": CACERTS, "purpose": _PURPOSES["authority"]} for one in every if one["role"] == "authority"
    ]
    for one in every:
        if one["role"] == "gateway":
            entry, purpose = one["intent"], _PURPOSES["gateway"]
            row = {"namespace": entry.get("namespace") or namespace, "name": one["name"], "purpose": purpose}
            found.append({**row, "hosts": list(entry.get("hosts") or [])})
    return found
