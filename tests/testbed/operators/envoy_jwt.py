# SPDX-License-Identifier: GPL-3.0-or-later
"""RequestAuthentications as the token filter of the bed's Envoys, and what policies then read of a token. No I/O.

As with a real istiod, the keys of a jwksUri are fetched by the control plane; until it has them nobody's signature is good.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["FILTER", "NAME", "TYPE", "filter_config", "nobody", "payload", "uris"]

Obj = dict[str, Any]
NAME = "jwt"  # what an Envoy asks for by ECDS
FILTER = "envoy.filters.http.jwt_authn"
TYPE = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
_BLANK_DELIMITED = ["scope", "permission"]


def _number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes(32, "big")).rstrip(b"=").decode()


@cache
def nobody() -> str:
    """Keys that nobody signs with."""
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    return json.dumps(
        {"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "nobody", "x": _number(numbers.x), "y": _number(numbers.y)}]}
    )


def _rules(policies: Iterable[Obj]) -> list[Obj]:
    return [rule for policy in policies for rule in (policy.get("spec") or {}).get("jwtRules") or []]


def uris(policies: Iterable[Obj]) -> set[str]:
    """Where the control plane has to fetch keys."""
    return {rule["jwksUri"] for rule in _rules(policies) if rule.get("jwksUri") and not rule.get("jwks")}


def filter_config(policies: Iterable[Obj], fetched: Mapping[str, str]) -> Obj:
    """The filter of a pod with these RequestAuthentications; without any it lets everything pass."""
    providers: Obj = {}
    for rule in _rules(policies):
        keys = rule.get("jwks") or fetched.get(rule.get("jwksUri") or "") or nobody()
        providers[f"origins-{len(providers)}"] = {
            "issuer": rule["issuer"],
            "local_jwks": {"inline_string": keys},
            "payload_in_metadata": "payload",
            "normalize_payload_in_metadata": {"space_delimited_claims": _BLANK_DELIMITED},
            "forward": bool(rule.get("forwardOriginalToken")),
            **({"audiences": rule["audiences"]} if rule.get("audiences") else {}),
        }
    if not providers:
        return {"@type": TYPE}
    any_of: list[Obj] = [{"provider_name": name} for name in providers]
    requires = {"requires_any": {"requirements": [*any_of, {"allow_missing": {}}]}}
    return {
        "@type": TYPE,
        "providers": providers,
        "rules": [{"match": {"prefix": "/"}, "requires": requires}],
        "bypass_cors_preflight": True,
    }


def payload(steps: Iterable[str], matcher: Obj) -> Obj:
    """As a principal of RBAC: a claim of the token, a text or a list that has it."""
    path = [{"key": "payload"}, *({"key": step} for step in steps)]
    values: list[Obj] = [{"string_match": matcher}, {"list_match": {"one_of": {"string_match": matcher}}}]
    return {"or_ids": {"ids": [{"metadata": {"filter": FILTER, "path": path, "value": value}} for value in values]}}
