# SPDX-License-Identifier: GPL-3.0-or-later
"""The Secret by which an istiod reads another cluster: what is told of it, and when it is made anew."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError
from ansible_collections.meshops.mesh.plugins.module_utils._model.remote_access import accesses_noted, accesses_of
from ansible_collections.meshops.mesh.plugins.module_utils._model.secrets_used import secrets_used
from ansible_collections.meshops.mesh.plugins.module_utils._model.snapshot import slim, trimmed
from ansible_collections.meshops.mesh.plugins.module_utils._multicluster.access import (
    WantedAccess,
    reason_to_renew,
    remote_secret,
    require_longer,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
WANTED = WantedAccess("west", "https://api.west.example.com:6443", "PEM\n", "istio-system/istio-remote-reader", "uid-1", renew_before=86400)


def token(ends: datetime | None, uid: str = "uid-1") -> str:
    """As an API server makes it; its signature is nobody's matter here."""
    account = {"namespace": "istio-system", "serviceaccount": {"name": "istio-remote-reader", "uid": uid}}
    claims = {"kubernetes.io": account, **({"exp": int(ends.timestamp())} if ends else {})}
    parts = [{"alg": "RS256"}, claims]
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join((*coded, "c2lnbmF0dXJl"))


def secret(ends: datetime | None = NOW + timedelta(days=90), uid: str = "uid-1", **more: Any) -> dict[str, Any]:
    return remote_secret(replace(WANTED, **more), token(ends, uid), "istio-system")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "there is none"),
        (secret(), ""),
        (secret(NOW + timedelta(days=1, seconds=1)), ""),
        (secret(NOW + timedelta(days=1)), "its token ends in 24 hours"),
        (secret(NOW), "its token ended at 2026-11-21T12:00:00Z"),
        (secret(None), "its token has no end"),
        (
            secret(server="https://old.example.com:6443"),
            "it leads to https://old.example.com:6443, expected https://api.west.example.com:6443",
        ),
        (secret(ca="OTHER\n"), "the API server has another CA"),
        (secret(uid="uid-0"), "its token is of istio-system/istio-remote-reader as it was, and the ServiceAccount"),
        (secret(cluster="north"), "it is for north"),
        ({"data": {"west": base64.b64encode(b"{}").decode()}}, "its current context names no API server"),
        ({"data": {"west": "!"}}, "it is no kubeconfig"),
        ({"data": {"west": base64.b64encode(b"[").decode()}}, "it is no kubeconfig"),
    ],
)
def test_it_is_made_anew_only_for_a_reason(found: dict[str, Any] | None, reason: str) -> None:
    said = reason_to_renew(accesses_of(found) if found else {}, WANTED, NOW)
    assert said.startswith(reason) and bool(said) == bool(reason)


def test_tokens_that_are_shorter_than_the_way_to_the_next_run_are_refused() -> None:
    require_longer("west", NOW + timedelta(days=2), NOW, 86400)
    with pytest.raises(
        ConfigError, match=r"cluster west: its API server gives tokens for 24 hours at most, and .*renew_before is 24 hours"
    ):
        require_longer("west", NOW + timedelta(days=1), NOW, 86400)


def test_of_its_content_only_the_end_the_server_and_the_account_are_in_a_snapshot() -> None:
    made = secret()
    kept = trimmed(made)
    (access,) = (accesses_noted(kept) or {}).values()
    assert (access.ends, access.server, access.account) == (NOW + timedelta(days=90), WANTED.server, WANTED.account)
    for shown in (kept, slim(kept), trimmed(kept)):
        assert accesses_noted(shown) == accesses_noted(kept)
        text = json.dumps(shown)
        assert made["data"]["west"] not in text and token(NOW + timedelta(days=90)) not in text and "PEM" not in text


def test_what_somebody_else_writes_as_a_note_is_not_believed() -> None:
    lie = {"west": {"server": "https://lie", "account": "", "ends": "", "problem": ""}}
    made = secret()
    made["metadata"]["annotations"]["mesh.meshops.io/remote-access"] = json.dumps(lie)
    assert (accesses_noted(trimmed(made)) or {})["west"].server == WANTED.server
    made["metadata"]["annotations"]["mesh.meshops.io/remote-access"] = "[1]"
    assert accesses_noted(made) is None


def test_a_token_of_a_secret_has_no_end() -> None:
    """As istioctl asked for before, in the older words."""
    claims = {"kubernetes.io/serviceaccount/namespace": "a", "kubernetes.io/serviceaccount/service-account.name": "b"}
    old = f"x.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.y"
    (access,) = accesses_of(remote_secret(WANTED, old, "istio-system")).values()
    assert (access.ends, access.account, access.problem) == (None, "a/b", "")


def test_their_names_are_known_by_the_gateway_for_other_clusters() -> None:
    gateway = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "cross-network-gateway", "namespace": "istio-system", "annotations": {"mesh.meshops.io/peers": "north,west"}},
    }
    wanted = {("istio-system", "istio-remote-secret-north"), ("istio-system", "istio-remote-secret-west")}
    assert wanted <= secrets_used([gateway]) and wanted <= secrets_used([gateway], plane="istio-system", members=["shop"])
    assert not wanted & secrets_used([gateway], plane="other", members=[])
