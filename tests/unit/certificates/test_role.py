# SPDX-License-Identifier: GPL-3.0-or-later
"""The role certificates, rendered into a tree as a user would: what istiod, a gateway and a partner get, and what is refused."""

from __future__ import annotations

import base64
import datetime as dt
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.reading import read_bundle, read_key

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "roles"))
from rendering import Rendered, render

from .material import DAY, Made, make
from .running import write

NAMESPACE = "prod-istio-system"
HOST = "gto-external.apps.prod.example.com"
SUBJECT = {"organization": "Travel Agency Ltd", "country": "GB"}
EC = {"key_type": "EC", "key_bits": 256}
OWN: dict[str, Any] = {
    "certificates_root": {"subject": {**SUBJECT, "common_name": "Travel Agency Ltd Root CA"}, **EC},
    "certificates_edge_root": EC,
    "certificates_authority": EC,
    "certificates_gateways": [{"name": "gto-external-secret", "hosts": [HOST], "mutual": True, **EC}],
    "certificates_trust": [{"name": "edge-ca", "namespace": "prod-travel-agency"}, {"name": "mesh-ca", "namespace": "x", "of": "mesh"}],
}


def run(folder: Path, **variables: Any) -> Rendered:
    given = {"certificates_store": str(folder / "pki"), "certificates_secrets_in_files": True, **variables}
    return render(folder, ["certificates"], limit="prod", **given)


def data(rendered: Rendered, name: str) -> dict[str, str]:
    obj = rendered.objects("prod", "certificates")[name]
    if obj["kind"] == "ConfigMap":
        return obj["data"]
    return {item: base64.b64decode(value).decode() for item, value in obj["data"].items()}


def titles(text: str) -> list[str]:
    return [one.title for one in read_bundle(text.encode(), "").certificates]


def spki(text: str) -> str:
    return read_bundle(text.encode(), "").certificates[0].spki


def test_a_hierarchy_of_our_own(tmp_path: Path) -> None:
    bundle = tmp_path / "gto"
    variables = {**OWN, "certificates_passphrase": "correct horse battery"}
    variables["certificates_clients"] = [{"name": "curl-client", "bundle": str(bundle), "namespace": "prod-travel-agency", **EC}]
    first = run(tmp_path, **variables)
    assert first.code == 0, first.output[-3000:]
    assert "correct horse" not in first.output and "PRIVATE KEY" not in first.output
    root, signer = "C=GB,O=Travel Agency Ltd,CN=Travel Agency Ltd Root CA", "CN=travel-prod"
    root = ",".join(reversed(root.split(",")))
    cacerts = data(first, f"Secret {NAMESPACE}/cacerts")
    assert sorted(cacerts) == ["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"]
    assert [titles(cacerts[item]) for item in ("ca-cert.pem", "cert-chain.pem", "root-cert.pem")] == [[signer], [signer, root], [root]]
    assert read_key(cacerts["ca-key.pem"].encode()).spki == spki(cacerts["ca-cert.pem"])
    gateway = data(first, f"Secret {NAMESPACE}/gto-external-secret")
    assert titles(gateway["tls.crt"]) == ["CN=gto-external-secret"] and titles(gateway["ca.crt"]) == ["CN=edge-root"]
    assert read_key(gateway["tls.key"].encode()).spki == spki(gateway["tls.crt"])
    assert first.objects("prod", "certificates")[f"Secret {NAMESPACE}/gto-external-secret"]["type"] == "kubernetes.io/tls"
    assert titles(data(first, "ConfigMap prod-travel-agency/edge-ca")["ca.crt"]) == ["CN=edge-root"]
    assert titles(data(first, "ConfigMap x/mesh-ca")["ca.crt"]) == [root]
    assert sorted(path.name for path in bundle.iterdir()) == ["curl-client-ca.crt", "curl-client.crt", "curl-client.key"]
    assert (bundle / "curl-client.key").stat().st_mode & 0o077 == 0
    assert read_key((bundle / "curl-client.key").read_bytes()).spki == spki((bundle / "curl-client.crt").read_text())
    second = run(tmp_path, **variables)
    assert second.code == 0 and data(second, f"Secret {NAMESPACE}/cacerts") == cacerts, "a second run issues nothing"


def test_a_store_in_ansible_vault(tmp_path: Path) -> None:
    rendered = run(tmp_path, **OWN, certificates_passphrase="correct horse battery", certificates_encryption="vault")
    assert rendered.code == 0, rendered.output[-3000:]
    cacerts = data(rendered, f"Secret {NAMESPACE}/cacerts")
    assert read_key(cacerts["ca-key.pem"].encode()).spki == spki(cacerts["ca-cert.pem"])
    assert all(path.read_text().startswith("$ANSIBLE_VAULT") for path in (tmp_path / "pki").glob("*.pem"))
    assert "PRIVATE KEY" not in rendered.output


# The role judges by the real clock.
NOW = dt.datetime.now(dt.UTC)
ROOT = make("Corporate Root", ca=True, begins=NOW - DAY, ends=NOW + 3650 * DAY)
MIDDLE = make("Corporate Intermediate", ROOT, ca=True, length=0, begins=NOW - DAY, ends=NOW + 3000 * DAY)


def authority(folder: Path, **parts: Any) -> dict[str, Any]:
    given = {"certificate": MIDDLE.pem, "chain": ROOT.pem + MIDDLE.pem, "roots": ROOT.pem, "key": MIDDLE.key_pem(), **parts}
    return {"certificates_provider": "pem", "certificates_authority": write(folder, **given)}


def test_what_a_corporate_pki_hands_over(tmp_path: Path) -> None:
    variables = authority(tmp_path, key=MIDDLE.key_pem("secret words"))
    rendered = run(tmp_path, **variables, certificates_passphrase="secret words")
    assert rendered.code == 0, rendered.output[-3000:]
    cacerts = data(rendered, f"Secret {NAMESPACE}/cacerts")
    middle, root = "CN=Corporate Intermediate,O=Travel", "CN=Corporate Root,O=Travel"
    assert titles(cacerts["cert-chain.pem"]) == [middle, root], "put in order, each once"
    assert cacerts["ca-cert.pem"] == MIDDLE.pem and cacerts["root-cert.pem"].strip() == ROOT.pem.strip()
    assert cacerts["ca-key.pem"] == MIDDLE.key_pem(), "istiod fails on an encrypted key"


def _stranger() -> dict[str, Any]:
    return {"key": make("other").key_pem()}


def _leaf() -> dict[str, Any]:
    leaf: Made = make("leaf", MIDDLE, begins=NOW - DAY, ends=NOW + 300 * DAY)
    return {"certificate": leaf.pem, "chain": MIDDLE.pem, "key": leaf.key_pem()}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "encrypted": ({"key": MIDDLE.key_pem("secret words")}, "OSM2302"),
    "another key": (_stranger(), "OSM2301"),
    "a leaf": (_leaf(), "OSM2212"),
    "another root": ({"chain": "", "roots": make("Other", ca=True, begins=NOW - DAY, ends=NOW + 300 * DAY).pem}, "OSM2202"),
    "expired": ({"certificate": make("Old", ROOT, ca=True, begins=NOW - 900 * DAY, ends=NOW - 800 * DAY).pem}, "OSM2102"),
    "byte order mark": ({"certificate": "\ufeff" + MIDDLE.pem}, "OSM2005"),
}


@pytest.mark.parametrize("title", REFUSED)
def test_material_that_would_not_work_is_refused_before_anything_changes(tmp_path: Path, title: str) -> None:
    parts, code = REFUSED[title]
    rendered = run(tmp_path, **authority(tmp_path, **parts))
    assert rendered.code != 0 and code in rendered.output and "nothing was changed" in rendered.output
    assert not rendered.tree.exists() and "BEGIN PRIVATE" not in rendered.output


def test_without_roots_there_is_no_cacerts(tmp_path: Path) -> None:
    rendered = run(tmp_path, **authority(tmp_path, roots=""))
    assert rendered.code != 0 and "comes without roots" in rendered.output and not rendered.tree.exists()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"certificates_secrets_in_files": False, "certificates_authority": EC}, "a private key would be in Git in clear text"),
        ({"certificates_gateways": [{"name": "cacerts", "hosts": ["x"]}]}, "which is a CA's; give the gateway's Secret another name"),
        ({"certificates_clients": [{"name": "a"}], "certificates_gateways": [{"name": "a", "hosts": ["x"]}]}, "A name is used twice"),
        ({"certificates_provider": "pem", "certificates_authority": {"enabled": True}}, "it needs certificate and key"),
        ({"certificates_extra_roots": ["old.pem"], "certificates_clients": [{"name": "a"}]}, "the intent asks for no CA of the mesh"),
        ({"certificates_restore": True}, "restore with the target cluster"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, variables: dict[str, Any], message: str) -> None:
    rendered = run(tmp_path, **variables)
    assert rendered.code != 0 and message in rendered.output and not rendered.tree.exists()


def test_in_two_parts_as_an_installation_goes(tmp_path: Path) -> None:
    """The CA alone, then all. Keys that would be in clear text are left out of a tree, and that is said."""
    first = run(tmp_path, **OWN, certificates_part="authority")
    assert first.code == 0, first.output[-3000:]
    assert list(first.objects("prod", "certificates")) == [f"Secret {NAMESPACE}/cacerts"]
    assert first.layers("prod") == {"certificates"}, "the role control_plane writes the namespace"
    whole = run(tmp_path, **OWN)
    assert whole.code == 0, whole.output[-3000:]
    assert {f"Secret {NAMESPACE}/cacerts", f"Secret {NAMESPACE}/gto-external-secret"} < set(whole.objects("prod", "certificates"))
    (tmp_path / "withheld").mkdir()
    withheld = run(tmp_path / "withheld", **OWN, certificates_secrets_in_files=False, certificates_leave_out=True)
    assert withheld.code == 0 and "certificates are left out of the tree" in withheld.output, withheld.output[-3000:]
    assert not withheld.tree.exists() and not (tmp_path / "withheld" / "pki").exists()


def test_without_an_intent_nothing_is_made(tmp_path: Path) -> None:
    rendered = run(tmp_path, certificates_edge_root=EC, certificates_leave_out=True)
    assert rendered.code == 0 and not rendered.tree.exists() and "are left out" not in rendered.output
    assert not (tmp_path / "pki").exists() and "certificate_authority" not in rendered.output
