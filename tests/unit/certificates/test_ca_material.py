# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rotation writes into cacerts, step by step, and who signs in a mesh before and after."""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.issuers import (
    CREDENTIALS,
    PLACES,
    issuer_lines,
    issuers,
    summary_lines,
)
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.material import Material, combined
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.rotation import Phase, plan, unfit
from ansible_collections.meshops.mesh.plugins.module_utils._commands.rotation import Rotation, RotationLimits
from ansible_collections.meshops.mesh.plugins.module_utils._errors import ConfigError, NotReady

from .live import CORPORATE, MIDDLE, NOW, OTHER, SELF_SIGNED
from .material import make

HOUR = dt.timedelta(hours=1)


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


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ({}, "no CA that can be read"),
        ({"ca_cert": SELF_SIGNED.pem}, "no private key"),
        ({"ca_cert": MIDDLE.pem, "ca_key": MIDDLE.key_pem(), "root_cert": OTHER.pem}, "does not lead to any root"),
    ],
    ids=["empty", "no key", "another root"],
)
def test_what_is_no_ca_is_refused(items: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=f"goal.*{words}"):
        Material.of(encoded(**items), "goal")


def test_no_key_in_a_message() -> None:
    assert "PRIVATE" not in repr(NEW) and "PRIVATE" not in str(NEW)


def row(resource: str, item: str, issuer: str, *, position: int = 0, is_ca: bool = False) -> dict[str, Any]:
    return {"resource": resource, "item": item, "issuer": issuer, "position": position, "is_ca": is_ca}


BEFORE = [
    row("Secret s/istio-ca-secret", "ca-cert.pem", "O=cluster.local", is_ca=True),
    row("ConfigMap a/istio-ca-root-cert", "root-cert.pem", "O=cluster.local", is_ca=True),
    row("ConfigMap b/istio-ca-root-cert", "root-cert.pem", "O=cluster.local", is_ca=True),
    row("MutatingWebhookConfiguration i webhooks[0]", "", "O=cluster.local", is_ca=True),
    row("Pod s/istiod-7d port 15012", "", "O=cluster.local"),
    row("Pod a/cars", "", "O=cluster.local"),
    row("Pod a/cars", "", "O=cluster.local", position=1, is_ca=True),
]
AFTER = [
    row("Secret s/cacerts", "ca-cert.pem", "CN=root", is_ca=True),
    row("Secret s/cacerts", "root-cert.pem", "CN=root", is_ca=True),
    row("Secret s/istio-ca-secret", "ca-cert.pem", "O=cluster.local", is_ca=True),
    row("Pod a/cars", "", "CN=corporate"),
]


def test_who_signs_in_each_place() -> None:
    found = issuers(BEFORE)
    assert [dict(found[place]) for place in PLACES] == [{"O=cluster.local": count} for count in (1, 2, 1, 1)]
    assert dict(issuers(AFTER)[PLACES[0]]) == {"CN=root": 1}, "a CA that istiod does not use any more says nothing"


def test_the_table() -> None:
    lines = issuer_lines(BEFORE, AFTER)
    assert lines[:3] == ["the CA of istiod:", "  before  O=cluster.local", "  after   CN=root"]
    assert "  before  O=cluster.local (2)" in lines and lines[-1] == "  after   CN=corporate" and "  after   nothing there" in lines


def ends(subject: str, days: float, *places: str) -> dict[str, Any]:
    return {"subject": subject, "days_left": days, "not_after": "2027-11-30T12:00:00+00:00", "places": list(places)}


EDGE = row("Secret s/web", "tls.crt", "CN=edge-root")
SUMMARIES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]] = {
    "nothing": ([], [], ["there is no certificate"]),
    "each place that has one": (
        [*AFTER, *BEFORE[1:3], EDGE, {**EDGE, "position": 1, "is_ca": True}],
        [],
        ["the CA of istiod: CN=root", "what istiod hands out to the members: O=cluster.local (2)", "gateways and workloads: CN=corporate",
         "credentials of gateways and clients: CN=edge-root"],
    ),
    "what is there twice counts once": ([EDGE, EDGE], [], ["credentials of gateways and clients: CN=edge-root"]),
    "the first three": (
        [],
        [ends("CN=old", -3, "Secret s/old"), ends("CN=web", 0.5, "a", "b", "a", "c"), ends("CN=root", 3650.2, "d"), ends("CN=x", 9e3)],
        ["first to expire: CN=old on 2027-11-30 12:00 UTC, 3 days ago (Secret s/old)",
         "then: CN=web on 2027-11-30 12:00 UTC, in 12 hours (a, b and 1 more)",
         "then: CN=root on 2027-11-30 12:00 UTC, in 3650 days (d)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SUMMARIES)
def test_the_summary(case: str) -> None:
    inventory, timeline, expected = SUMMARIES[case]
    assert summary_lines(inventory, timeline) == expected
    assert issuers([EDGE])[CREDENTIALS] == {"CN=edge-root": 1}


def ca(begins: int, ends: int, root_begins: int = -240, root_ends: int = 2400) -> Material:
    """Hours around NOW."""
    root = make("Root", ca=True, begins=NOW + root_begins * HOUR, ends=NOW + root_ends * HOUR)
    signer = make("Signer", root, ca=True, begins=NOW + begins * HOUR, ends=NOW + ends * HOUR)
    return Material.of(encoded(ca_cert=signer.pem, ca_key=signer.key_pem(), cert_chain=signer.pem + root.pem, root_cert=root.pem), "goal")


@pytest.mark.parametrize(
    ("material", "words"),
    [
        (ca(-1, 24), []),
        (ca(2, 24), ["CN=Signer,O=Travel is not valid before"]),
        (ca(-24, -2), ["CN=Signer,O=Travel expired at"]),
        (ca(-1, 24, root_begins=2), ["CN=Root,O=Travel is not valid before"]),
        (ca(2, 24, root_begins=2), ["CN=Signer,O=Travel is not valid before", "CN=Root,O=Travel is not valid before"]),
    ],
    ids=("valid", "not yet", "expired", "root not yet", "both not yet"),
)
def test_a_ca_that_nobody_would_accept_now(material: Material, words: list[str]) -> None:
    found = unfit(material.chain, NOW)
    assert len(found) == len(words) and all(text.startswith(word) for text, word in zip(found, words, strict=True))
    assert all("the cluster's clock says" in text for text in found)


class Clocked:
    """As much of a cluster as the first question of a rotation takes."""

    name = "west"

    def require_clock(self) -> None:
        return

    def now(self) -> dt.datetime:
        return NOW


@pytest.mark.parametrize(("back", "way"), [(False, "give a CA that is valid now"), (True, "there is no way back to it")])
def test_a_rotation_to_such_a_ca_ends_before_it_looks_at_anybody(back: bool, way: str) -> None:
    rotation = Rotation(Clocked(), None, mesh="m", namespace="n", members=None, limits=RotationLimits(), back=back)  # type: ignore[arg-type]
    for action in (rotation.turn, rotation.require_valid):
        with pytest.raises(NotReady, match=rf"cluster west: nothing was written: the CA to go to .*CN=Signer.*is not valid before.*{way}"):
            action(ca(2, 24))
    rotation.require_valid(ca(-1, 24))
