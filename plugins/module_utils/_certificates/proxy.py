# Copyright: (c) 2026, meshops.mesh contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to meshops.mesh: not for use outside the collection, may change without notice.
"""What a proxy's admin interface says about its certificates. Of a secret only its public part is ever looked at."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._errors import FetchError
from .._model.proxies import proxy_container

__all__ = ["SECRETS_PATH", "ProxySecrets", "held", "identity_of"]

# /certs has numbers and dates only; what signs what is in the secrets, where Envoy itself has blacked out the private keys.
SECRETS_PATH = "/config_dump?resource=dynamic_active_secrets"
_IDENTITY, _ROOTS = "default", "ROOTCA"
# What a gateway got of the Secrets that its Gateways name: by Istio's Gateway, and by the Gateway API with a namespace.
_CREDENTIALS = ("kubernetes://", "kubernetes-gateway://")


@dataclass(frozen=True)
class ProxySecrets:
    """A workload's certificate with its chain, the roots that its proxy trusts, and what a gateway serves, by its Secret; in PEM."""

    chain: bytes
    roots: bytes
    served: Mapping[str, bytes] = field(default_factory=dict)


def identity_of(pod: Mapping[str, Any]) -> dict[str, str]:
    """What its certificate must say, and the namespace of the istiod that issues it, as the injector wrote them into the pod."""
    env = {row["name"]: str(row.get("value") or "") for row in (proxy_container(pod) or {}).get("env") or []}
    issuer = [*env.get("CA_ADDR", "").partition(":")[0].split("."), ""][1]
    found = {"trust_domain": env.get("TRUST_DOMAIN", ""), "control_plane": issuer}
    found["namespace"] = pod["metadata"]["namespace"]
    found["service_account"] = str((pod.get("spec") or {}).get("serviceAccountName") or "default")
    return found


def _public(secret: Mapping[str, Any], *path: str) -> bytes:
    value: Any = secret
    for name in path:
        value = (value or {}).get(name)
    source = value or {}
    if "inline_bytes" in source:
        try:
            return base64.b64decode(source["inline_bytes"], validate=True)
        except (binascii.Error, ValueError) as exc:
            raise FetchError(f"its secret has {'.'.join(path)} that is not base64: {exc}") from exc
    return str(source.get("inline_string") or "").encode()


def held(body: bytes) -> ProxySecrets:
    """From Envoy's answer; raises FetchError with the reason when there is no identity in it."""
    try:
        rows = json.loads(body).get("configs") or []
        secrets = {row["name"]: row.get("secret") or {} for row in rows}
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise FetchError(f"its admin interface answered something else than secrets: {body[:80]!r}") from exc
    chain = _public(secrets.get(_IDENTITY, {}), "tls_certificate", "certificate_chain")
    roots = _public(secrets.get(_ROOTS, {}), "validation_context", "trusted_ca")
    there = ", ".join(sorted(secrets)) or "no secret at all"
    if not chain.strip():
        raise FetchError(f"it has no certificate of its own (secret {_IDENTITY}); it has {there}")
    if not roots.strip():
        raise FetchError(f"it has no roots (secret {_ROOTS}); it has {there}")
    served = {
        name.removeprefix(prefix): _public(secret, "tls_certificate", "certificate_chain")
        for name, secret in secrets.items()
        for prefix in _CREDENTIALS
        if name.startswith(prefix)
    }
    return ProxySecrets(chain, roots, {name: text for name, text in sorted(served.items()) if text.strip()})
