# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a mesh's intent asks for: the hierarchy that own_ca issues, what pem is given, and the objects that are made of both. No I/O."""

from __future__ import annotations

from typing import Any

from .._model.secrets_used import CACERTS
from .intent import CertificateIntent, Entry, given

__all__ = [
    "config_map_checks",
    "inline",
    "object_of",
    "objects_made",
    "objects_plugged",
    "pem_files",
    "pod_queries",
    "requests",
    "secret_queries",
    "with_secret",
]

# What an entry may say of the certificate itself.
_KEPT = ("subject", "days", "key_type", "key_bits", "path_length", "names")
_PARTS = ("certificate", "chain", "roots", "key")
_BEGIN = "-----BEGIN"


def requests(intent: CertificateIntent) -> list[dict[str, Any]]:
    """As certificate_authority takes them. The mesh has a root of its own, so that a workload is no partner of a gateway."""
    rows: list[dict[str, Any]] = []
    if intent.has_authority:
        signer = {"name": intent.authority_name, "type": "intermediate", "issuer": intent.root_name, "names": [intent.istiod_name]}
        rows = [{"name": intent.root_name, "type": "root", **_kept(intent.root)}, {**signer, **_kept(intent.authority)}]
    if intent.leaves:
        rows.append({"name": intent.edge_name, "type": "root", **_kept(intent.edge_root)})
    for one in intent.gateways:
        names = list(one.get("hosts") or [])
        rows.append({"name": one["name"], "type": "server", "issuer": intent.edge_name, "names": names, **_kept(one)})
    rows += [{"name": one["name"], "type": "client", "issuer": intent.edge_name, **_kept(one)} for one in intent.clients]
    return rows


def _kept(entry: Entry) -> dict[str, Any]:
    return {name: entry[name] for name in _KEPT if given(entry, name)}


def object_of(kind: str, name: Any, namespace: str, api_version: str = "v1") -> dict[str, Any]:
    """As much of an object as its removal needs."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": str(name), "namespace": namespace}}


def objects_made(intent: CertificateIntent) -> list[dict[str, Any]]:
    """Secrets and ConfigMaps of own_ca and pem. A client without a namespace has none."""
    rows = [object_of("Secret", CACERTS, intent.namespace)] if intent.has_authority else []
    for one in (*intent.gateways, *(client for client in intent.clients if given(client, "namespace"))):
        rows.append(object_of("Secret", one["name"], intent.namespace_of(one)))
    return rows + [object_of("ConfigMap", one["name"], str(one["namespace"])) for one in intent.trust]


def objects_plugged(intent: CertificateIntent) -> list[dict[str, Any]]:
    """Our CA: the Secret, and the Certificate that would have it issued again."""
    rows = [object_of("Secret", CACERTS, intent.namespace)]
    return [*rows, object_of("Certificate", CACERTS, intent.namespace, "cert-manager.io/v1")] if intent.by_cert_manager else rows


def with_secret(intent: CertificateIntent) -> list[Entry]:
    """What pem is given by a Secret of the cluster."""
    return [one for one in intent.entries if given(one, "from_secret")]


def secret_queries(intent: CertificateIntent) -> list[dict[str, str]]:
    """The Secrets of with_secret, in its order, as mesh_objects_info reads them."""
    named = [str(one["from_secret"]).split("/") for one in with_secret(intent)]
    return [{"kind": "Secret", "namespace": parts[0], "name": parts[-1]} for parts in named]


def pod_queries(intent: CertificateIntent) -> list[dict[str, str]]:
    """The pods of the members, and of the gateways beside the control plane; those of all namespaces where no member is named."""
    namespaces = dict.fromkeys((intent.namespace, *intent.members)) if intent.members else ()
    return [{"kind": "Pod", "namespace": name} for name in namespaces] or [{"kind": "Pod"}]


def config_map_checks(intent: CertificateIntent) -> list[dict[str, str]]:
    """The roots to trust, as certificate_check looks at them."""
    return [
        {"namespace": str(one["namespace"]), "name": str(one["name"]), "item": str(one.get("item") or "ca.crt")} for one in intent.trust
    ]


def inline(value: str) -> bool:
    """PEM text; what has none is the path of a file, or nothing."""
    return _BEGIN in value


def pem_files(intent: CertificateIntent) -> list[str]:
    """The paths of the files that pem is given, each once."""
    if intent.provider != "pem":
        return []
    values = [str(one[part]) for one in intent.entries if not given(one, "from_secret") for part in _PARTS if one.get(part)]
    return list(dict.fromkeys(value for value in values if not inline(value)))
