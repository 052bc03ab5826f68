# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rotation writes into cacerts, step by step, and who signs in a mesh before and after."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.issuers import PLACES, issuer_lines, issuers
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.material import Material, combined
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.rotation import Phase, plan
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError

from .live import CORPORATE, MIDDLE, OTHER, SELF_SIGNED


def encoded(**items: str) -> dict[str, str]:
    return {name.replace("_", "-") + ".pem": base64.b64encode(text.encode()).decode() for name, text in items.items()}


def decoded(data: dict[str, str]) -> dict[str, str]:
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


OLD = Material.of(encoded(ca_cert=SELF_SIGNED.pem, ca_key=SELF_SIGNED.key_pem()), "istio-ca-secret")
NEW = Material.of(encoded(ca_cert=MIDDLE.pem, ca_key=MIDDLE.key_pem(), cert_chain=MIDDLE.pem, root_cert=CORPORATE.pem), "goal")


def test_each_step_has_its_signer_and_its_roots() -> None:
    steps = plan(OLD.authority, NEW.authority)
    assert [step.phase for step in steps] == [Phase.DISTRIBUTE, Phase.SWITCH, Phase.RETIRE]
    distribute, switch, retire = [decoded(combined(step.authority, (OLD, NEW))) for step in steps]
    assert (distribute["ca-cert.pem"], distribute["ca-key.pem"]) == (SELF_SIGNED.pem, SELF_SIGNED.key_pem())
    assert distribute["root-cert.pem"] == SELF_SIGNED.pem + CORPORATE.pem == switch["root-cert.pem"]
    assert (switch["ca-cert.pem"], switch["ca-key.pem"]) == (MIDDLE.pem, MIDDLE.key_pem())
    assert retire == decoded(NEW.data()), "what the role would deliver, byte for byte"


def test_bundles_keep_their_bytes() -> None:
    """istiod compares them as text: a comment that was there stays there."""
    strange = f"# our root\n{SELF_SIGNED.pem}".rstrip("\n")
    current = Material.of(encoded(ca_cert=SELF_SIGNED.pem, ca_key=SELF_SIGNED.key_pem(), root_cert=strange), "cacerts")
    first = plan(current.authority, NEW.authority)[0]
    assert decoded(combined(first.authority, (NEW, current)))["root-cert.pem"] == f"{strange}\n{CORPORATE.pem}"


def test_a_tls_secret_is_a_ca_too() -> None:
    data = {"tls.crt": MIDDLE.pem, "tls.key": MIDDLE.key_pem(), "ca.crt": CORPORATE.pem}
    found = Material.of({name: base64.b64encode(text.encode()).decode() for name, text in data.items()}, "cacerts")
    assert found.authority == NEW.authority and sorted(found.data()) == sorted(NEW.data())


@pytest.mark.parametrize(("items", "words"), [
    ({}, "no CA that can be read"),
    ({"ca_cert": SELF_SIGNED.pem}, "no private key"),
    ({"ca_cert": MIDDLE.pem, "ca_key": MIDDLE.key_pem(), "root_cert": OTHER.pem}, "does not lead to any root"),
], ids=["empty", "no key", "another root"])
def test_what_is_no_ca_is_refused(items: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=f"goal.*{words}"):
        Material.of(encoded(**items), "goal")


def test_no_key_in_a_message() -> None:
    assert "PRIVATE" not in repr(NEW) and "PRIVATE" not in str(NEW)


def row(resource: str, item: str, issuer: str, *, position: int = 0, is_ca: bool = False) -> dict[str, Any]:
    return {"resource": resource, "item": item, "issuer": issuer, "position": position, "is_ca": is_ca}


BEFORE = [row("Secret s/istio-ca-secret", "ca-cert.pem", "O=cluster.local", is_ca=True),
          row("ConfigMap a/istio-ca-root-cert", "root-cert.pem", "O=cluster.local", is_ca=True),
          row("ConfigMap b/istio-ca-root-cert", "root-cert.pem", "O=cluster.local", is_ca=True),
          row("MutatingWebhookConfiguration i webhooks[0]", "", "O=cluster.local", is_ca=True),
          row("Pod s/istiod-7d port 15012", "", "O=cluster.local"),
          row("Pod a/cars", "", "O=cluster.local"), row("Pod a/cars", "", "O=cluster.local", position=1, is_ca=True)]
AFTER = [row("Secret s/cacerts", "ca-cert.pem", "CN=root", is_ca=True), row("Secret s/cacerts", "root-cert.pem", "CN=root", is_ca=True),
         row("Secret s/istio-ca-secret", "ca-cert.pem", "O=cluster.local", is_ca=True), row("Pod a/cars", "", "CN=corporate")]


def test_who_signs_in_each_place() -> None:
    found = issuers(BEFORE)
    assert [dict(found[place]) for place in PLACES] == [{"O=cluster.local": count} for count in (1, 2, 1, 1)]
    assert dict(issuers(AFTER)[PLACES[0]]) == {"CN=root": 1}, "a CA that istiod does not use any more says nothing"


def test_the_table() -> None:
    lines = issuer_lines(BEFORE, AFTER)
    assert lines[:3] == ["the CA of istiod:", "  before  O=cluster.local", "  after   CN=root"]
    assert "  before  O=cluster.local (2)" in lines and lines[-1] == "  after   CN=corporate" and "  after   nothing there" in lines
