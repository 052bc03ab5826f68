# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, ports, certificates and configuration of a bed, without starting one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID
from testbed import Bed, BedError, kubelet
from testbed.bed import free_ports
from testbed.paths import socket_dir, start_time, write_atomic
from testbed.pki import Authority, kubeconfig


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a/b", "..", "a" * 41])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(BedError, match="use up to 40 lower case letters"):
        Bed.find(name)


def test_an_absent_bed_says_how_to_get_one() -> None:
    bed = Bed.find("never-started")
    assert not bed.is_running()
    with pytest.raises(BedError, match="python -m testbed up --name never-started"):
        _ = bed.data


def test_ports_are_distinct_free_and_below_the_outgoing_range() -> None:
    ports = free_ports(("a", "b", "c"))
    assert len(set(ports.values())) == 3
    for port in ports.values():
        assert 16000 <= port < 32000
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_sockets_have_short_paths_whatever_the_checkout() -> None:
    deep = Path("/" + "/".join(["a-long-folder-name"] * 20))
    assert len(str(socket_dir(deep) / "control.sock")) < 100
    assert socket_dir(deep) != socket_dir(deep / "other")


def test_start_time_tells_the_living() -> None:
    assert start_time(os.getpid())
    child = subprocess.Popen(["true"])
    child.wait()
    assert start_time(child.pid) is None


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    write_atomic(target, "one", 0o600)
    write_atomic(target, "two", 0o600)
    assert target.read_text() == "two"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in target.parent.iterdir()] == ["file"]


def test_certificates_carry_user_groups_and_names(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path, "t")
    user = x509.load_pem_x509_certificate(authority.issue("u", "ada", ["b", "a"]).cert.read_bytes())
    assert [a.value for a in user.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["ada"]
    assert [a.value for a in user.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["b", "a"]
    server = x509.load_pem_x509_certificate(authority.issue("s", "srv", names=["127.0.0.1", "a.b.svc"]).cert.read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.b.svc"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    server.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.pair.cert.read_bytes()))


@pytest.mark.parametrize("embed", [True, False])
def test_kubeconfig(tmp_path: Path, embed: bool) -> None:
    authority = Authority.create(tmp_path, "t")
    pair = authority.issue("u", "ada")
    file = kubeconfig(
        tmp_path / "config", name="t", server="https://127.0.0.1:1", ca=authority.pair.cert, user="ada", pair=pair, embed=embed
    )
    data = yaml.safe_load(file.read_text())
    assert data["current-context"] == "t"
    assert ("client-key-data" in data["users"][0]["user"]) is embed
    assert (data["users"][0]["user"].get("client-key") == str(pair.key)) is not embed
    assert file.stat().st_mode & 0o077 == 0


def test_kwoks_configuration_has_single_pods_before_everybody(tmp_path: Path) -> None:
    (tmp_path / "kubelet.json").write_text(
        json.dumps(
            {"forwards": {"ns/pod:15000": "127.0.0.1:1", "ns/pod:15001": ":2", "ns/other:80": "127.0.0.1:3"}, "logs": {"ns/pod": "/a/log"}}
        )
    )
    docs = list(yaml.safe_load_all(kubelet.write_config(tmp_path).read_text()))
    kinds = [(d["kind"], d["metadata"]["name"]) for d in docs]
    assert kinds[:2] == [("Stage", "node-ready"), ("Stage", "node-heartbeat")]
    assert kinds[-5:] == [("PortForward", "other"), ("PortForward", "pod"), ("Logs", "pod"), ("ClusterExec", "all"), ("ClusterLogs", "all")]
    forwards = docs[-4]["spec"]["forwards"]
    assert forwards == [
        {"ports": [15000], "target": {"port": 1, "address": "127.0.0.1"}},
        {"ports": [15001], "target": {"port": 2, "address": "127.0.0.1"}},
    ]
