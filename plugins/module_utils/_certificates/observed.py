# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""From a cluster's objects and its live proxies to what the rotation of a CA looks at. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._model.secrets_used import ROOT_MAP
from .chain import build
from .encoding import decode
from .facts import Certificate
from .reading import read_bundle
from .rotation import Authority, Istiod, RotationState, Trust, held_by
from .source import Source

__all__ = ["authority_of", "mesh_of", "roots_of"]

Obj = Mapping[str, Any]
_FORMS = (("ca-cert.pem", "root-cert.pem", "cert-chain.pem"), ("tls.crt", "ca.crt", ""))


def _read(data: Obj, item: str) -> tuple[Certificate, ...]:
    return read_bundle(decode(data[item]), item).certificates if data.get(item) else ()


def roots_of(secret: Obj) -> tuple[Certificate, ...]:
    """The roots that a CA's Secret says; a CA of istiod's own is its own root."""
    data = secret.get("data") or {}
    for cert, root, _chain in _FORMS:
        if data.get(cert):
            return _read(data, root) or _read(data, cert)[:1]
    return ()


def authority_of(secret: Obj) -> Authority | None:
    """The CA in a Secret `cacerts` or `istio-ca-secret`; None when there is none that can be read."""
    data = secret.get("data") or {}
    for cert, _root, chain in _FORMS:
        found = _read(data, cert)
        if found:
            roots = roots_of(secret)
            path = build(found[0], (*found[1:], *_read(data, chain)), roots)
            anchor = path.path[-1].fingerprint if path.anchored else ""
            return Authority(found[0].fingerprint, anchor, tuple(dict.fromkeys(one.fingerprint for one in roots)))
    return None


def _environment(pod: Obj) -> dict[str, str]:
    containers = (pod.get("spec") or {}).get("containers") or []
    return {row["name"]: str(row.get("value") or "") for one in containers for row in one.get("env") or []}


def _flag(env: Mapping[str, str], name: str) -> bool | None:
    return env[name].lower() in ("true", "1") if env.get(name) else None


def _istiod(pod: Obj, roots: tuple[str, ...], cacerts: Obj | None) -> Istiod:
    metadata, status, env = pod["metadata"], pod.get("status") or {}, _environment(pod)
    ready = any(row["type"] == "Ready" and row["status"] == "True" for row in status.get("conditions") or [])
    containers = (pod.get("spec") or {}).get("containers") or [{}]
    name, _colon, tag = str(containers[0].get("image") or "").rpartition(":")
    # both stamps are the API server's and sort as text; a Secret of the same second may have come later
    made = str(((cacerts or {}).get("metadata") or {}).get("creationTimestamp") or "")
    return Istiod(
        f"Pod {metadata['namespace']}/{metadata['name']}",
        roots,
        version=tag if name and "/" not in tag else "",
        plugged=bool(made) and made < str(status.get("startTime") or metadata.get("creationTimestamp") or ""),
        multiroot=_flag(env, "ISTIO_MULTIROOT_MESH") or False,
        reloads=_flag(env, "AUTO_RELOAD_PLUGIN_CERTS"),
        error="" if ready else f"it is {status.get('phase') or 'not there'}, not ready",
    )


def _istiods(pods: Iterable[Obj], namespace: str) -> list[Obj]:
    return [
        pod
        for pod in pods
        if pod["metadata"].get("namespace") == namespace
        and not pod["metadata"].get("deletionTimestamp")
        and str((pod["metadata"].get("labels") or {}).get("app") or "").startswith("istiod")
    ]


def _places(objects: Sequence[Obj], namespace: str) -> Iterable[tuple[str, tuple[Certificate, ...]]]:
    for one in objects:
        if one["kind"] == "ConfigMap" and one["metadata"]["name"] == ROOT_MAP:
            text = str((one.get("data") or {}).get("root-cert.pem") or "")
            yield f"ConfigMap {one['metadata']['namespace']}/{ROOT_MAP}", read_bundle(text.encode(), "").certificates
        for number, hook in enumerate(one.get("webhooks") or []):
            client = hook.get("clientConfig") or {}
            service = client.get("service") or {}
            if service.get("namespace") == namespace and str(service.get("name") or "").startswith("istiod"):
                bundle = read_bundle(decode(client.get("caBundle") or ""), "").certificates
                yield f"{one['kind']} {one['metadata']['name']} webhooks[{number}]", bundle


def mesh_of(
    objects: Sequence[Obj], proxies: Sequence[Source], *, namespace: str, cacerts: Obj | None, known: Sequence[Certificate]
) -> RotationState:
    """Everything at one moment. objects: pods of istiod, root ConfigMaps, webhooks. known: the roots of now and those of the goal."""
    places = list(_places(objects, namespace))
    handed = next((found for name, found in places if name == f"ConfigMap {namespace}/{ROOT_MAP}"), ())
    roots = tuple(one.fingerprint for one in handed)
    everybody = {one.fingerprint: one for one in (*(one for _name, found in places for one in found), *known)}
    return RotationState(
        [_istiod(pod, roots, cacerts) for pod in _istiods([one for one in objects if one["kind"] == "Pod"], namespace)],
        [held_by(source, tuple(everybody.values())) for source in proxies],
        [Trust(name, tuple(one.fingerprint for one in found)) for name, found in places],
        {fingerprint: one.title for fingerprint, one in everybody.items()},
    )
