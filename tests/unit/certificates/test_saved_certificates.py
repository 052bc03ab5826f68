# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of saved CAs, in both forms, and never a key."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.meshops.mesh.plugins.filter.saved_certificates import saved_certificates


def secret(name: str, **data: str) -> dict[str, Any]:
    coded = {key.replace("__", "-").replace("_", "."): base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"metadata": {"name": name}, "data": coded}


@pytest.mark.parametrize(
    ("given", "content"),
    [
        (secret("cacerts", ca__cert_pem="one", ca__key_pem="key", tls_crt="two"), "one"),
        (secret("cacerts", tls_crt="two", tls_key="key"), "two"),
        (secret("cacerts", root__cert_pem="root"), ""),
        ({"metadata": {"name": "cacerts"}}, ""),
    ],
)
def test_each_form_of_a_ca(given: dict[str, Any], content: str) -> None:
    assert saved_certificates([given]) == [{"name": "cacerts-saved", "certificate_content": content}]


@pytest.mark.parametrize("given", ["text", ["text"], None])
def test_what_is_no_list_of_secrets_is_refused(given: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="must be a list of Secrets"):
        saved_certificates(given)
