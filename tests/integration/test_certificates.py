# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates on a real API server: read without their keys, replaced after a copy was made, and put back."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import collection_support  # noqa: F401  # isort: skip  the next imports need it
import pytest
import yaml
from ansible_collections.meshops.mesh.plugins.module_utils._certificates.reading import read_bundle
from conftest import ROOT, Run, run_playbook
from testbed import Bed

sys.path.insert(0, str(ROOT / "tests" / "unit"))
from certificates.live import CORPORATE, MIDDLE, NOW, OTHER, SELF_SIGNED  # made at the real time
from certificates.material import DAY, make

SYSTEM, SHOP = "mesh-system", "mesh-shop"
EC = {"key_type": "EC", "key_bits": 256}


@pytest.fixture(scope="module")
def mesh(beds: Any) -> Bed:
    """A namespace with the CA that an istiod made for itself, and a member that trusts it."""
    bed: Bed = beds()
    for name in (SYSTEM, SHOP):
        bed.api.ensure("/api/v1/namespaces", {"metadata": {"name": name}})
        body = {"metadata": {"name": "istio-ca-root-cert", "namespace": name}, "data": {"root-cert.pem": SELF_SIGNED.pem}}
        bed.api.ensure(f"/api/v1/namespaces/{name}/configmaps", body)
    write(bed, "istio-ca-secret", "istio.io/ca-root", {"ca-cert.pem": SELF_SIGNED.pem, "ca-key.pem": SELF_SIGNED.key_pem()})
    return bed


def write(bed: Bed, name: str, kind: str, data: dict[str, str]) -> None:
    bed.kubectl("delete", "secret", name, "-n", SYSTEM, "--ignore-not-found")
    encoded = {item: base64.b64encode(text.encode()).decode() for item, text in data.items()}
    body = {"metadata": {"name": name, "namespace": SYSTEM}, "type": kind, "data": encoded}
    bed.api.ensure(f"/api/v1/namespaces/{SYSTEM}/secrets", body)


def secret(bed: Bed, name: str) -> dict[str, Any] | None:
    done = bed.kubectl("get", "secret", name, "-n", SYSTEM, "--ignore-not-found", "-o", "json")
    text = done if isinstance(done, str) else done.stdout
    return json.loads(text) if text.strip() else None


def titles(bed: Bed, name: str, item: str) -> list[str]:
    found = secret(bed, name)
    assert found is not None, name
    return [one.title for one in read_bundle(base64.b64decode(found["data"][item]), name).certificates]


def play(bed: Bed, folder: Path, tasks: list[dict[str, Any]], *args: str, **variables: Any) -> Run:
    """A play of these tasks, against the bed."""
    given = {"mesh_name": "shop", "mesh_provider": "ossm3", "mesh_control_plane": {"name": "shop", "namespace": SYSTEM}}
    given |= {"ansible_python_interpreter": sys.executable, "mesh_kubeconfig": str(bed.kubeconfig)}
    given |= {"certificates_store": str(folder / "pki"), "certificates_root": EC, "certificates_edge_root": EC}
    given |= {"certificates_authority": EC, **variables}
    path = folder / "play.yml"
    path.write_text(yaml.safe_dump([{"hosts": "west", "connection": "local", "gather_facts": False, "tasks": tasks}]))
    return run_playbook(path, "-vvv", *args, bed=bed, inventory="west,", extra_vars=given)


def role(bed: Bed, folder: Path, *args: str, **variables: Any) -> Run:
    run = play(bed, folder, [{"ansible.builtin.include_role": {"name": "meshops.mesh.certificates"}}], *args, **variables)
    text = run.stdout + run.stderr
    for path in (folder / "pki").glob("*.pem"):
        lines = path.read_text().split("PRIVATE KEY-----")[1].splitlines()[1:3]
        assert not any(line in text for line in lines if line), f"the key of {path.name} is in the output"
    for made in (SELF_SIGNED, MIDDLE, OTHER):
        assert base64.b64encode(made.key_pem().encode()).decode() not in text and made.key_pem().splitlines()[1] not in text
    return run


def check(bed: Bed, folder: Path, **arguments: Any) -> dict[str, Any]:
    plane = {"name": "shop", "namespace": SYSTEM}
    given = {"mesh": True, "provider": "ossm3", "control_plane": plane, "members": [SHOP], "fail_on": "never", **arguments}
    out = folder / "result.json"
    tasks = [
        {"meshops.mesh.certificate_check": given, "register": "found"},
        {"ansible.builtin.copy": {"content": "{{ found | to_json }}", "dest": str(out), "mode": "0600"}},
    ]
    run = play(bed, folder, tasks).check()
    assert SELF_SIGNED.key_pem().splitlines()[1] not in run.stdout
    return json.loads(out.read_text())


def deviations(result: dict[str, Any]) -> dict[str, str]:
    return {row["id"]: f"{row['resource']} {row['message']}" for row in result["checks"] if row["status"] in ("failed", "warning")}


def test_the_first_ca_is_saved_replaced_and_put_back(mesh: Bed, tmp_path: Path) -> None:
    before = secret(mesh, "istio-ca-secret")
    assert before is not None and deviations(check(mesh, tmp_path)) == {}
    planned = role(mesh, tmp_path, "--check").check()
    assert secret(mesh, "cacerts") is None and "made, there is none" in planned.stdout
    gateways = [{"name": "web-tls", "hosts": ["travel.example.com"], "mutual": True, **EC}]
    role(mesh, tmp_path, certificates_gateways=gateways).check()
    assert titles(mesh, "cacerts", "cert-chain.pem") == ["CN=shop", "CN=root"]
    assert titles(mesh, "web-tls", "tls.crt") == ["CN=web-tls"] and titles(mesh, "web-tls", "ca.crt") == ["CN=edge-root"]
    saved = secret(mesh, "istio-ca-secret-saved")
    assert saved is not None and saved["data"] == before["data"] and secret(mesh, "istio-ca-secret") is None
    found = deviations(check(mesh, tmp_path))
    assert set(found) == {"OSM2503"} and "istiod hands out CN=istiod" in found["OSM2503"]
    again = role(mesh, tmp_path, certificates_gateways=gateways).check()
    assert again.changed == 0, again.stdout[-3000:]
    role(mesh, tmp_path, certificates_restore=True).check()
    back = secret(mesh, "istio-ca-secret")
    assert back is not None and (back["data"], back["type"]) == (before["data"], before["type"])
    assert secret(mesh, "cacerts") is None and secret(mesh, "istio-ca-secret-saved") is None
    nothing = role(mesh, tmp_path, certificates_restore=True)
    assert nothing.rc != 0 and "nothing was saved in mesh-system" in nothing.stdout


@pytest.mark.long  # the test before it saves and puts back too
def test_a_foreign_cacerts_of_another_form_leaves_nothing_behind(mesh: Bed, tmp_path: Path) -> None:
    data = {"tls.crt": OTHER.pem, "tls.key": OTHER.key_pem(), "ca.crt": OTHER.pem}
    write(mesh, "cacerts", "kubernetes.io/tls", data)
    refused = role(mesh, tmp_path, certificates_save=False)
    assert refused.rc != 0 and "not ours" in refused.stdout and titles(mesh, "cacerts", "tls.crt") == ["CN=other,O=Travel"]
    role(mesh, tmp_path).check()
    ours = secret(mesh, "cacerts")
    assert ours is not None and sorted(ours["data"]) == ["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"]
    role(mesh, tmp_path, certificates_restore=True).check()
    back = secret(mesh, "cacerts")
    assert back is not None and back["type"] == "kubernetes.io/tls" and titles(mesh, "cacerts", "tls.crt") == ["CN=other,O=Travel"]
    mesh.kubectl("delete", "secret", "cacerts", "-n", SYSTEM)


def test_faults_on_a_cluster_are_found_with_their_keys(mesh: Bed, tmp_path: Path) -> None:
    data = {"ca-cert.pem": MIDDLE.pem, "ca-key.pem": OTHER.key_pem(), "root-cert.pem": SELF_SIGNED.pem, "cert-chain.pem": MIDDLE.pem}
    write(mesh, "cacerts", "Opaque", data)
    found = deviations(check(mesh, tmp_path, secrets=[{"namespace": SYSTEM, "name": "gone"}]))
    assert found.pop("OSM2301").startswith(f"Secret {SYSTEM}/cacerts ca-key.pem (EC 256) is the key of another certificate")
    assert found.pop("OSM2501") == f"Secret {SYSTEM}/gone it does not exist"
    assert set(found) == {"OSM2202", "OSM2502"} or set(found) == {"OSM2202"}, found
    mesh.kubectl("delete", "secret", "cacerts", "-n", SYSTEM)


def test_without_rights_to_secrets_it_says_so(mesh: Bed, tmp_path: Path) -> None:
    kubeconfig = str(mesh.user_kubeconfig("weak"))
    found = check(mesh, tmp_path, kubeconfig=kubeconfig)
    rows = {row["id"]: row for row in found["checks"]}
    assert rows["OSM1002"]["status"] == "failed" and rows["OSM2102"]["status"] == "skipped"


def test_a_corporate_ca_comes_from_a_secret_and_goes(mesh: Bed, tmp_path: Path) -> None:
    data = {"tls.crt": MIDDLE.pem, "tls.key": MIDDLE.key_pem(), "ca.crt": CORPORATE.pem}
    write(mesh, "corporate", "kubernetes.io/tls", data)
    given = {"certificates_provider": "pem", "certificates_authority": {"from_secret": f"{SYSTEM}/corporate"}}
    given["certificates_trust"] = [{"name": "corporate-root", "namespace": SHOP, "of": "mesh"}]
    role(mesh, tmp_path, **given, certificates_remove_self_signed=False).check()
    assert titles(mesh, "cacerts", "cert-chain.pem") == ["CN=Corporate Intermediate,O=Travel", "CN=Corporate Root,O=Travel"]
    assert secret(mesh, "istio-ca-secret") is not None
    assert set(deviations(check(mesh, tmp_path, roots_content=CORPORATE.pem))) >= {"OSM2502", "OSM2503"}
    role(mesh, tmp_path, **given, certificates_state="absent").check()
    assert secret(mesh, "cacerts") is None and secret(mesh, "corporate") is not None
    lost = role(mesh, tmp_path, certificates_provider="pem", certificates_authority={"from_secret": f"{SYSTEM}/nothing"})
    assert lost.rc != 0 and f"Secret {SYSTEM}/nothing does not exist" in lost.stdout


def test_what_has_expired_meanwhile_is_not_put_back(mesh: Bed, tmp_path: Path) -> None:
    """The way back would end every call: it is refused before our CA is taken away."""
    old = make("istiod", ca=True, begins=NOW - 20 * DAY, ends=NOW - DAY)
    labels = {
        "app.kubernetes.io/managed-by": "meshops.mesh",
        "mesh.meshops.io/mesh": "bygone",
        "mesh.meshops.io/layer": "certificates_saved",
    }
    notes = {"mesh.meshops.io/saved-from": "istio-ca-secret", "mesh.meshops.io/saved-type": "istio.io/ca-root"}
    data = {name: base64.b64encode(text.encode()).decode() for name, text in (("ca-cert.pem", old.pem), ("ca-key.pem", old.key_pem()))}
    meta = {"name": "bygone-saved", "namespace": SYSTEM, "labels": labels, "annotations": notes}
    body = {"metadata": meta, "type": "Opaque", "data": data}
    mesh.api.ensure(f"/api/v1/namespaces/{SYSTEM}/secrets", body)
    mark = mesh.mark()
    run = role(mesh, tmp_path, certificates_restore=True, mesh_name="bygone")
    text = " ".join(run.stdout.split())
    assert run.rc != 0 and "nothing was changed, because what was saved would not work" in text and "expired on" in text
    changed = [event["requestURI"] for event in mesh.audit(mark) if event["verb"] in ("create", "patch", "delete")]
    assert not [uri for uri in changed if f"/namespaces/{SYSTEM}/secrets" in uri]
