# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a CA that is delivered in one go is another root for proxies that run; what cannot be read counts as another."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.filter.authority_changes import authority_changes
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.change import changes_root

from .material import Made, make

ROOT, OTHER = make("root", ca=True), make("other", ca=True)
FIRST, SECOND, STRANGE = (make(name, issuer, ca=True) for name, issuer in (("first", ROOT), ("second", ROOT), ("strange", OTHER)))
OWN = make("istiod", ca=True)


def secret(name: str, **items: str) -> dict[str, Any]:
    data = {item.replace("_", "-") + ".pem": base64.b64encode(text.encode()).decode() for item, text in items.items()}
    return {"kind": "Secret", "metadata": {"name": name, "namespace": "mesh-system"}, "data": data}


def plugged(signer: Made, *roots: Made, name: str = "cacerts") -> dict[str, Any]:
    trusted = "".join(root.pem for root in roots)
    return secret(name, ca_cert=signer.pem, ca_key=signer.key_pem(), cert_chain=signer.pem, root_cert=trusted)


SELF = secret("istio-ca-secret", ca_cert=OWN.pem, ca_key=OWN.key_pem())
HIDDEN = "-----BEGIN NOTHING-----"
CASES: dict[str, tuple[list[dict[str, Any]], dict[str, Any], bool]] = {
    "a mesh that has none yet": ([], plugged(FIRST, ROOT), False),
    "copies are no CA": ([plugged(STRANGE, OTHER, name="cacerts-saved")], plugged(FIRST, ROOT), False),
    "the same": ([plugged(FIRST, ROOT)], plugged(FIRST, ROOT), False),
    "another intermediate of the same root": ([plugged(FIRST, ROOT)], plugged(SECOND, ROOT), False),
    "another root": ([plugged(STRANGE, OTHER)], plugged(FIRST, ROOT), True),
    "istiod's own": ([SELF], plugged(FIRST, ROOT), True),
    "istiod's own beside the same": ([SELF, plugged(FIRST, ROOT)], plugged(FIRST, ROOT), False),
    "one more root is trusted": ([plugged(FIRST, ROOT)], plugged(FIRST, ROOT, OTHER), True),
    "both are trusted already": ([plugged(STRANGE, OTHER, ROOT)], plugged(FIRST, ROOT), False),
    "it cannot be read": ([secret("cacerts", ca_cert=HIDDEN, ca_key=HIDDEN)], plugged(FIRST, ROOT), True),
    "it has no items": ([{"metadata": {"name": "cacerts"}}], plugged(FIRST, ROOT), True),
    "data of another type": ([{"metadata": {"name": "cacerts"}, "data": ["x"]}], plugged(FIRST, ROOT), True),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_whether_the_root_changes(case: str) -> None:
    found, goal, expected = CASES[case]
    assert changes_root(found, goal) is expected and authority_changes(found, goal) is expected


def test_a_goal_that_cannot_be_read_is_an_error_without_its_text() -> None:
    with pytest.raises(AnsibleFilterError, match=r"^authority_changes: cacerts has no CA that can be read") as error:
        authority_changes([plugged(FIRST, ROOT)], secret("cacerts", ca_cert=HIDDEN, ca_key=HIDDEN))
    assert HIDDEN not in str(error.value)
