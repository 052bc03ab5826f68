# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of the role certificates: what each answers, and that none of their errors has a value of what they are given."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import warm_ansible
import yaml
from ansible.errors import AnsibleFilterError
from ansible.plugins.loader import lookup_loader
from ansible_collections.meshops.mesh.plugins.filter.authorities_to_restore import authorities_to_restore
from ansible_collections.meshops.mesh.plugins.filter.authorities_to_save import authorities_to_save
from ansible_collections.meshops.mesh.plugins.filter.cert_manager_certificates import cert_manager_certificates
from ansible_collections.meshops.mesh.plugins.filter.certificate_material import certificate_material
from ansible_collections.meshops.mesh.plugins.filter.certificates_asked import certificates_asked
from ansible_collections.meshops.mesh.plugins.filter.certificates_for import certificates_for
from ansible_collections.meshops.mesh.plugins.filter.certificates_to_check import certificates_to_check
from ansible_collections.meshops.mesh.plugins.filter.certificates_wanted import certificates_wanted
from ansible_collections.meshops.mesh.plugins.filter.secrets_not_issued import secrets_not_issued
from ansible_collections.meshops.mesh.plugins.filter.unready_issuers import unready_issuers

from .intents import SYSTEM, variables
from .material import make

SECRET = "hunter2"
CLIENT = {"name": "curl", "from_secret": "shop/curl"}
GATEWAY = {"name": "web", "hosts": ["a"]}


def encoded(**data: str) -> dict[str, str]:
    return {name.replace("_", "."): base64.b64encode(text.encode()).decode() for name, text in data.items()}


def test_what_is_wanted() -> None:
    found = certificates_wanted(variables(provider="pem", clients=[CLIENT], members=["shop"], trust=[{"name": "ca", "namespace": "shop"}],
                                          authority={"key": "ca.key"}))  # fmt: skip
    assert [one["name"] for one in found["requests"]] == ["root", "travel", "edge-root", "curl"]
    assert [one["role"] for one in found["entries"]] == ["authority", "client"]
    assert found["from_secret"] == ["shop/curl"] and found["files"] == ["ca.key"]
    assert [one["kind"] for one in found["objects"]] == ["Secret", "ConfigMap"] and len(found["plugged"]) == 1
    assert found["config_maps"] == [{"namespace": "shop", "name": "ca", "item": "ca.crt"}]
    assert found["queries"] == {
        "secrets": [{"kind": "Secret", "namespace": "shop", "name": "curl"}],
        "pods": [{"kind": "Pod", "namespace": SYSTEM}, {"kind": "Pod", "namespace": "shop"}],
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["authority"]),
        ({"authority": None}, []),
        ({"authority": None, "gateways": [GATEWAY]}, ["served"]),
        ({"authority": None, "clients": [CLIENT]}, ["served"]),
        ({"authority": {"key": SECRET}, "trust": [{"name": "ca", "namespace": "shop"}]}, ["authority", "served"]),
        ({"authority": None, "provider": "cert_manager", "control_plane": {"certificate_authority": {"type": "istio_csr"}}}, ["istio_csr"]),
        ({"authority": None, "control_plane": {"certificate_authority": {"type": "istio_csr"}}}, []),
    ],
)
def test_what_is_asked_for(given: dict[str, Any], expected: list[str]) -> None:
    assert certificates_asked(variables(**given)) == expected


def test_what_is_asked_for_of_no_map() -> None:
    with pytest.raises(AnsibleFilterError, match=r"^certificates_asked: an entry does not have the fields"):
        certificates_asked([SECRET])


def test_what_cert_manager_is_asked_for() -> None:
    plane = {"name": "prod", "namespace": SYSTEM, "certificate_authority": {"type": "istio_csr"}}
    given = variables(provider="cert_manager", control_plane=plane, gateways=[GATEWAY], extra_roots=["x"], target="files", trust=[])
    found = cert_manager_certificates(given, ["prod-v1"])
    assert [one["name"] for one in found["roots"]] == ["travel-root", "travel-edge-root"]
    assert [(one["name"], one["role"], one["issuer"]["name"]) for one in found["leaves"]] == [("web", "gateway", "travel-edge-root")]
    assert not found["cacerts"] and found["issuer"]["name"] == "travel-root"
    assert found["istio_csr"]["managed"] and found["istio_csr"]["revisions"] == ["default", "prod", "prod-v1"]
    assert [one["name"] for one in found["queries"]["secrets"]] == ["travel-root", "travel-edge-root", "web"]
    assert found["queries"]["issuers"] == [] and found["refusals"] == []


def test_secrets_that_nobody_saves() -> None:
    found = cert_manager_certificates(variables(provider="cert_manager", gateways=[GATEWAY]))
    assert [one["name"] for one in found["queries"]["secrets"]] == ["travel-root", "travel-edge-root", "cacerts", "web"]
    assert [one["name"] for one in found["queries"]["unsaved"]] == ["travel-root", "travel-edge-root", "web"], "cacerts is saved first"


@pytest.mark.parametrize("passphrase", ["", None, "correct horse"])
def test_material_of_the_store_has_keys_in_clear_text(tmp_path: Path, passphrase: str | None) -> None:
    made = make("web")
    path = tmp_path / "web.pem"
    path.write_text(made.key_pem(passphrase or None) + made.pem)
    issued = [{"name": "web", "type": "server", "path": str(path), "certificate": made.pem, "chain": made.pem, "root": "r"}]
    found = certificate_material(variables(gateways=[GATEWAY]), issued=issued, passphrase=passphrase)
    assert [(one["name"], one["key"], one["passphrase"]) for one in found] == [("web", made.key_pem(), passphrase or "")]


def test_material_of_each_other_provider() -> None:
    secrets = [{"resources": [{"data": encoded(tls_crt="c", tls_key="k")}]}]
    given = {"clients": [CLIENT], "authority": {"enabled": False}}
    found = certificate_material(variables(provider="pem", **given), secrets=secrets, passphrase="words")
    assert [(one["name"], one["certificate"], one["key"], one["passphrase"]) for one in found] == [("curl", "c", "k", "words")]
    issued = [{"resources": [{"data": encoded(tls_crt="root")}]}, *secrets]
    found = certificate_material(variables(provider="cert_manager", **given), secrets=issued)
    assert [(one["name"], one["role"], one["key"]) for one in found] == [("travel-edge-root", "root", ""), ("curl", "client", "k")]


def test_what_to_check() -> None:
    usual = {"certificate": "c", "key": "k", "chain": "", "passphrase": "", "intent": {}}
    material = [{**usual, "name": "ca", "role": "authority", "roots": " \n"}, {**usual, "name": "web", "role": "gateway", "roots": "r"}]
    found = certificates_to_check(material, SYSTEM)
    assert [len(found["certificates"]), len(found["secrets"]), found["rootless"]] == [2, 2, ["ca"]]


@pytest.mark.parametrize("cert_manager", [True, "yes"])
def test_what_to_save_and_to_restore(cert_manager: Any) -> None:
    metadata = {"name": "cacerts", "namespace": SYSTEM, "labels": None}
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": {"ca-key.pem": SECRET}}
    assert authorities_to_save([secret], SYSTEM)["misfits"] == []
    found = authorities_to_save([secret], SYSTEM, cert_manager=cert_manager)
    assert found["names"] == [f"Secret {SYSTEM}/cacerts"] and found["misfits"] == ["not issued by cert-manager"]
    assert authorities_to_restore(found["copies"], SYSTEM)[0]["data"] == {"ca-key.pem": SECRET}


def test_what_objects_are_asked() -> None:
    certificate = {"kind": "Certificate", "metadata": {"name": "a", "namespace": SYSTEM}, "spec": {"secretName": "cacerts"}}
    assert certificates_for([certificate], certificates_wanted(variables())["objects"]) == [certificate]
    assert secrets_not_issued([{"metadata": {"name": "a"}}], None) == [{"metadata": {"name": "a"}}]
    assert unready_issuers([]) == []


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "no map": (lambda: certificates_wanted(SECRET), "certificates_wanted: an entry does not have the fields that it needs"),
    "no list": (lambda: certificates_wanted(variables(clients=SECRET)), "certificates_wanted: clients must be a list, found str"),
    "trust without a namespace": (
        lambda: certificates_wanted(variables(trust=[{"name": "a", "key": SECRET}])),
        r"certificates_wanted: an entry does not have the fields that it needs \(KeyError\)",
    ),
    "days": (
        lambda: cert_manager_certificates(variables(provider="cert_manager", clients=[{"name": "a", "days": SECRET}])),
        "cert_manager_certificates: a: days is no number",
    ),
    "key_bits": (
        lambda: cert_manager_certificates(variables(provider="cert_manager", clients=[{"name": "a", "key_bits": SECRET}])),
        "cert_manager_certificates: a: key_bits is no number",
    ),
    "a row of nothing that was given": (
        lambda: certificate_material(variables(), issued=[{"name": SECRET, "type": "client", "certificate": SECRET}]),
        r"certificate_material: an entry does not have the fields that it needs \(KeyError\)",
    ),
    "a file that is not there": (
        lambda: certificate_material(variables(clients=[{"name": "a"}]), passphrase=SECRET, issued=[
            {"name": "a", "type": "client", "path": "/not/there", "certificate": SECRET, "chain": SECRET, "root": SECRET}]),
        "private_key: /not/there cannot be read",
    ),
    "fewer answers than questions": (
        lambda: certificate_material(variables(provider="cert_manager"), secrets=[{"resources": [{"data": {"tls.key": SECRET}}]}]),
        r"certificate_material: an entry does not have the fields that it needs \(ValueError\)",
    ),
    "a file that was not read": (
        lambda: certificate_material(variables(provider="pem", authority={"key": SECRET})),
        "certificate_material: travel: the file of its key was not read",
    ),
    "material without parts": (
        lambda: certificates_to_check([{"key": SECRET}], SYSTEM),
        r"certificates_to_check: an entry does not have the fields that it needs \(KeyError\)",
    ),
    "no material": (lambda: certificates_to_check([SECRET], SYSTEM), "certificates_to_check: an entry does not have the fields"),
    "no copy": (
        lambda: authorities_to_restore([{"metadata": {"name": "x"}, "data": {"ca-key.pem": SECRET}}], SYSTEM),
        f"authorities_to_restore: Secret {SYSTEM}/x has the labels of a saved CA",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_without_a_value(case: str) -> None:
    call, message = WRONG[case]
    with pytest.raises(AnsibleFilterError, match=message) as found:
        call()
    assert SECRET not in str(found.value) and SECRET not in repr(found.value.__cause__)


EVIL = "{{ 7 * 7 }}"
THEIRS = {
    "apiVersion": "v1",
    "kind": "Secret",
    "type": EVIL,
    "metadata": {
        "name": "cacerts",
        "namespace": SYSTEM,
        "annotations": {"mesh.meshops.io/saved-from": EVIL, "mesh.meshops.io/saved-type": EVIL},
        "ownerReferences": [{"kind": "Istio", "name": "prod"}],
    },
    "data": {"ca-cert.pem": base64.b64encode(EVIL.encode()).decode(), EVIL: EVIL},
}
UNREADY = {
    "query": {"api_version": "cert-manager.io/v1", "kind": "ClusterIssuer", "name": "corporate"},
    "resources": [{"status": {"conditions": [{"type": "Ready", "status": "False", "reason": EVIL, "message": EVIL}]}}],
}
# What a role asks of a cluster's data: by facts, as values of facts would be templated when they are used.
ASKED = {
    "saving": f"found.secrets | meshops.mesh.authorities_to_save('{SYSTEM}')",
    "restored": f"found.secrets | meshops.mesh.authorities_to_restore('{SYSTEM}')",
    "material": "intent | meshops.mesh.certificate_material(secrets=[{'resources': found.secrets}])",
    "issuers": "found.answers | meshops.mesh.unready_issuers",
    "owned": "found.secrets | meshops.mesh.objects_owned_by('Istio', 'prod')",
    "others": "found.secrets | meshops.mesh.secrets_not_issued('travel')",
}


def test_data_of_a_cluster_is_never_templated(tmp_path: Path) -> None:
    """Played by Ansible, whose variables are other maps and lists than Python's."""
    given, answer, play = tmp_path / "found.json", tmp_path / "answer.json", tmp_path / "play.yml"
    given.write_text(json.dumps({"secrets": [THEIRS], "answers": [UNREADY]}))
    tasks = [
        {"ansible.builtin.command": f"cat {given}", "register": "read", "changed_when": False},
        {"ansible.builtin.set_fact": {"found": "{{ read.stdout | from_json }}"}},
        {"ansible.builtin.set_fact": {name: f"{{{{ {text} }}}}" for name, text in ASKED.items()}},
        {"ansible.builtin.copy": {"content": f"{{{{ [{', '.join(ASKED)}] | to_json }}}}", "dest": str(answer), "mode": "0600"}},
    ]
    intended = variables(provider="pem", authority={"from_secret": "a/b"}, gateways=[{"name": "{{ 'w' ~ 'eb' }}", "hosts": ["a"]}])
    known = {"intent": intended, "ansible_python_interpreter": sys.executable}
    play.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "vars": known, "tasks": tasks}]))
    done = warm_ansible.run([str(play), "-i", "localhost,", "-c", "local"])
    assert done.returncode == 0, done.stdout[-3000:]
    saving, restored, material, issuers, owned, others = json.loads(answer.read_text())
    assert saving["misfits"] == [EVIL, EVIL] and saving["copies"][0]["metadata"]["annotations"]["mesh.meshops.io/saved-type"] == EVIL
    assert restored[0]["metadata"]["name"] == EVIL and restored[0]["data"][EVIL] == EVIL
    assert (material[0]["certificate"], material[1]["name"]) == (EVIL, "web"), "the inventory's own entries are templates"
    assert issuers == [f"ClusterIssuer corporate is not Ready ({EVIL}: {EVIL})"] and owned == others == [THEIRS]


def test_the_lookup_reads_files_and_leaves_texts(tmp_path: Path) -> None:
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar

    path = tmp_path / "root.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nx\n\n")
    loader = DataLoader()
    lookup = lookup_loader.get("meshops.mesh.pem", loader=loader, templar=Templar(loader))
    text = "-----BEGIN CERTIFICATE-----\ny"
    assert lookup.run([str(path), text], {}) == ["-----BEGIN CERTIFICATE-----\nx\n\n", text], "a key is judged byte by byte"
    assert lookup.run([], {}) == []
