# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""From the options of certificate_check to sources: files are read, endpoints are asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import ConfigError
from .._model.files import open_file
from .endpoint import Endpoint, Handshake, probe_all
from .facts import Certificate
from .reading import MAX_BYTES, Key, read_bundle, read_key
from .source import Source, of_config_map, of_secret

__all__ = ["Wanted", "endpoints_of", "files_of", "named_of", "shared_of"]

_GONE = "it does not exist"
Reference = tuple[str, str, str]  # kind, namespace, name


@dataclass(frozen=True)
class Wanted:
    """The objects that the options name."""

    secrets: tuple[Mapping[str, Any], ...] = ()
    config_maps: tuple[Mapping[str, Any], ...] = ()
    served: tuple[Reference, ...] = ()

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Wanted:
        """From the module's options."""
        served = []
        for number, one in enumerate(params["endpoints"]):
            if one["secret"]:
                namespace, slash, name = one["secret"].partition("/")
                if not slash or not name:
                    raise ConfigError(f"endpoints[{number}].secret: {one['secret']!r} must be NAMESPACE/NAME")
                served.append(("Secret", namespace, name))
        return cls(tuple(params["secrets"]), tuple(params["config_maps"]), tuple(served))

    @property
    def references(self) -> list[Reference]:
        """Each object once."""
        rows = [("Secret", one["namespace"], one["name"]) for one in self.secrets]
        rows += [("ConfigMap", one["namespace"], one["name"]) for one in self.config_maps]
        return list(dict.fromkeys((*rows, *self.served)))


def _file(path: str, where: str, limit: int) -> bytes:
    """The file; of one that is far too large only as much as proves it."""
    try:
        with open_file(path) as handle:
            return handle.read(max(limit, MAX_BYTES) * 64)
    except OSError as exc:
        raise ConfigError(f"{where}: {path} cannot be read: {exc.strerror}; give a file that the user who runs Ansible may read") from exc


def _part(entry: Mapping[str, Any], name: str, where: str, limit: int) -> bytes | None:
    if entry.get(f"{name}_content") is not None:
        return str(entry[f"{name}_content"]).encode()
    return _file(entry[name], f"{where}.{name}", limit) if entry.get(name) else None


def files_of(params: Mapping[str, Any], limit: int) -> list[Source]:
    """Sources of `certificates`, and the expected roots."""
    found = []
    for number, entry in enumerate(params["certificates"]):
        where = f"certificates[{number}]"
        parts = {name: _part(entry, name, where, limit) for name in ("certificate", "chain", "roots", "key")}
        key: Key | None = None
        if parts["key"] is not None:
            key = read_key(parts["key"], entry["passphrase"].encode() if entry["passphrase"] else None)
        if all(value is None for value in parts.values()):
            raise ConfigError(f"{where}: there is nothing in it; give certificate, roots or key, as a file or as content")
        if key is not None and parts["certificate"] is None:
            raise ConfigError(f"{where}: a key alone cannot be judged; give its certificate too")
        title = entry["name"] or next((str(entry[name]) for name in ("certificate", "roots") if entry[name]), where)
        found.append(
            Source(
                f"File {title}" if not entry["name"] and title != where else title,
                entry["purpose"],
                parts["certificate"],
                parts["chain"],
                parts["roots"],
                key,
                tuple(entry["hosts"]),
                entry["der"],
            )
        )
    roots = _part(params, "roots", "options", limit)
    if roots is not None:
        found.append(Source(f"File {params['roots']}" if params["roots"] else "roots_content", "roots", roots=roots))
    return found


def shared_of(params: Mapping[str, Any], snapshots: Mapping[str, bytes], limit: int) -> list[Source]:
    """The roots of other clusters of the mesh. snapshots: what those hand out that are known by a snapshot, by its path."""
    found = []
    for number, entry in enumerate(params["shares_root_with"]):
        where = f"shares_root_with[{number}]"
        roots = snapshots[entry["snapshot"]] if entry["snapshot"] else _part(entry, "roots", where, limit)
        if not read_bundle(roots or b"", where).certificates:
            raise ConfigError(f"{where}: nothing says which roots cluster {entry['cluster']} trusts: there is no certificate in it")
        found.append(Source(f"Cluster {entry['cluster']}", "shared", roots=roots))
    return found


def named_of(wanted: Wanted, objects: Mapping[Reference, Mapping[str, Any] | None]) -> list[Source]:
    """Sources of the named Secrets and ConfigMaps; what is not there is a fault, not a crash."""
    found = []
    for entry in wanted.secrets:
        reference = ("Secret", entry["namespace"], entry["name"])
        title, obj = f"Secret {entry['namespace']}/{entry['name']}", objects.get(reference)
        if obj is None:
            found.append(Source(title, absent=_GONE))
        else:
            hosts, roots = tuple(entry["hosts"]), entry["roots_item"] or ""
            found.append(of_secret(obj, resource=title, purpose=entry["purpose"], hosts=hosts, roots_item=roots))
    for entry in wanted.config_maps:
        title, obj = f"ConfigMap {entry['namespace']}/{entry['name']}", objects.get(("ConfigMap", entry["namespace"], entry["name"]))
        found.append(Source(title, absent=_GONE) if obj is None else of_config_map(obj, resource=title, item=entry["item"] or ""))
    listed = {source.resource for source in found}
    for _kind, namespace, name in wanted.served:
        title, obj = f"Secret {namespace}/{name}", objects.get(("Secret", namespace, name))
        if title not in listed:
            found.append(Source(title, absent=_GONE) if obj is None else of_secret(obj, resource=title, purpose="server", hosts=()))
    return found


def _first(source: Source | None) -> Certificate | None:
    rows = read_bundle(source.certificate, source.resource).certificates if source is not None and source.certificate else ()
    return rows[0] if rows else None


def endpoints_of(params: Mapping[str, Any], wanted: Wanted, known: Mapping[str, Source]) -> list[Source]:
    """Asks all endpoints at the same time."""
    entries = params["endpoints"]
    endpoints = [
        Endpoint(
            one["host"],
            one["port"],
            one["sni"] or "",
            tuple(one["alpn"]),
            one["client_certificate"] or "",
            one["client_key"] or "",
            one["client_passphrase"] or "",
        )
        for one in entries
    ]
    answers = probe_all(endpoints, params["endpoint_timeout"])
    return [_endpoint(entry, end, answer, known) for entry, end, answer in zip(entries, endpoints, answers, strict=True)]


def _endpoint(entry: Mapping[str, Any], endpoint: Endpoint, answer: Handshake, known: Mapping[str, Source]) -> Source:
    facts: dict[str, Any] = {"error": answer.error, "stage": answer.stage, "alpn": answer.alpn, "tls": answer.tls}
    facts["wanted_alpn"] = list(entry["alpn"])
    if entry["fingerprint"]:
        facts |= {"wanted": entry["fingerprint"].replace(":", "").lower(), "wanted_from": ""}
    if entry["secret"]:
        owner = f"Secret {entry['secret']}"
        expected = _first(known.get(owner))
        facts |= {"wanted": expected.fingerprint if expected else "nothing", "wanted_from": owner}
    names = entry["hosts"] if entry["hosts"] is not None else [entry["sni"] or entry["host"]]
    identity = {name: entry[name] for name in ("trust_domain", "namespace", "service_account") if entry[name]}
    roots = _file(entry["roots"], "endpoints.roots", 0) if entry["roots"] else None
    return Source(
        endpoint.ref,
        entry["purpose"],
        certificate=answer.chain if not answer.error else None,
        roots=roots,
        hosts=() if identity and entry["hosts"] is None else tuple(names),
        identity=identity,
        endpoint=facts,
    )
