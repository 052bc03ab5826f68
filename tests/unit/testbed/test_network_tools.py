# SPDX-License-Identifier: GPL-3.0-or-later
"""How ip, iptables and curl are found, fetched and made to work, on machines that are made of scripts."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed import network_tools

RECORD = """\
#!/bin/sh
echo "$(basename "$0") $*" >> {log}
"""


class Machine:
    """A machine whose programs are scripts; `does` makes one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder / "path", folder / "log"
        self.folder.mkdir()
        self.log.touch()

    def does(self, name: str, body: str = "exit 0") -> None:
        file = self.folder / name
        file.write_text(RECORD.format(log=self.log) + body + "\n")
        file.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """With a shell's programs and apt-get, but without ip, iptables and curl."""
    made = Machine(tmp_path)
    monkeypatch.setattr(network_tools, "_ROOT", tmp_path / "net" / "root")
    monkeypatch.setattr(network_tools, "BROUGHT", tmp_path / "net" / "bin")
    monkeypatch.setattr(network_tools, "BIN", tmp_path)
    monkeypatch.setattr(network_tools, "search_path", lambda: f"{tmp_path / 'net' / 'bin'}:{made.folder}")
    monkeypatch.setattr(network_tools.os, "geteuid", lambda: 0)
    for name in ("basename", "mkdir", "cat", "chmod"):
        (made.folder / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    made.does("unshare", 'shift; exec "$@"')
    made.does("true")
    network_tools._obstacle.cache_clear()
    yield made
    network_tools._obstacle.cache_clear()


def archive(machine: Machine, *, nft: str, legacy: str) -> None:
    """A package archive whose iptables has two variants that end so; dpkg-deb unpacks it."""
    machine.does(
        "apt-get",
        "for word; do [ $word = --print-uris ] && echo \"'http://a.example.com/i.deb' iptables_1.8.9_amd64.deb 1 MD5Sum:0\"; done\n"
        "for word; do [ $word = download ] && echo > iptables_1.8.9_amd64.deb; done; exit 0",
    )
    made = "; ".join(
        f"printf '#!/bin/sh\\nexit {code}\\n' > $3/usr/sbin/{name}; chmod +x $3/usr/sbin/{name}"
        for variant, code in (("nft", nft), ("legacy", legacy))
        for name in (f"iptables-{variant}", f"iptables-{variant}-restore")
    )
    machine.does("dpkg-deb", f"mkdir -p $3/usr/sbin $3/usr/lib/x/xtables; echo > $3/usr/lib/x/libx.so.1; {made}")


def test_a_machine_that_has_all_needs_nothing(machine: Machine) -> None:
    for name in ("ip", "iptables", "curl", "apt-get"):
        machine.does(name)
    network_tools.bring()
    assert network_tools.missing() is None
    assert not any(call.startswith("apt-get") for call in machine.calls)
    assert not network_tools.BROUGHT.exists()


@pytest.mark.parametrize(("nft", "legacy", "chosen"), [("0", "0", "nft"), ("4", "0", "legacy"), ("4", "4", None)])
def test_the_iptables_that_works_is_the_plain_one(machine: Machine, nft: str, legacy: str, chosen: str | None) -> None:
    machine.does("ip")
    machine.does("curl")
    archive(machine, nft=nft, legacy=legacy)
    network_tools.bring()
    plain = network_tools.BROUGHT / "iptables"
    if chosen is None:
        assert not plain.exists()
        assert "iptables is missing" in str(network_tools.missing())
        return
    assert network_tools.missing() is None
    assert f"usr/sbin/iptables-{chosen}" in plain.read_text()
    assert 'LD_LIBRARY_PATH="$root/usr/lib/x"' in plain.read_text()
    assert 'XTABLES_LIBDIR="$root/usr/lib/x/xtables"' in plain.read_text()
    assert sorted(file.name for file in network_tools.BROUGHT.iterdir()) == [
        "iptables",
        f"iptables-{chosen}",
        f"iptables-{chosen}-restore",
        "iptables-restore",
    ]


def test_without_package_lists_it_reads_lists_of_its_own(machine: Machine) -> None:
    machine.does("ip")
    machine.does("curl")
    archive(machine, nft="0", legacy="0")
    listed = (machine.folder / "apt-get").read_text()
    machine.does("apt-get", f'[ "$1" = -o ] || {{ echo "E: Unable to locate package" >&2; exit 100; }}\n{listed}')
    network_tools.bring()
    assert network_tools.missing() is None
    lists = [call for call in machine.calls if call.startswith("apt-get -o Dir::State::Lists=")]
    assert any(call.endswith(" update") for call in lists)


def test_what_a_variant_of_the_system_can_do_is_taken_from_it(machine: Machine) -> None:
    """The system's iptables speaks nf_tables, its kernel does not, and iptables-legacy is installed as well."""
    for name in ("ip", "curl", "iptables-legacy", "iptables-legacy-restore"):
        machine.does(name)
    machine.does("iptables", "exit 4")
    machine.does("iptables-nft", "exit 4")
    network_tools.bring()
    assert network_tools.missing() is None
    assert f'exec "{machine.folder / "iptables-legacy"}" "$@"' in (network_tools.BROUGHT / "iptables").read_text()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("no ip", "ip is missing: install it, or `python -m testbed build --with istio` fetches it"),
        ("no curl", "curl is missing"),
        ("bad true", "no network namespace can be made here: Operation not permitted"),
        ("bad iptables", "iptables does not work in a network namespace here: Operation not permitted"),
    ],
)
def test_the_reason_names_what_is_missing(machine: Machine, fault: str, reason: str) -> None:
    kind, name = fault.split()
    for program in ("ip", "iptables", "curl"):
        machine.does(program)
    if kind == "no":
        (machine.folder / name).unlink()
    else:
        machine.does(name, "echo Operation not permitted >&2; exit 1")
    assert reason in str(network_tools.missing())


def test_without_root_there_is_no_network(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_tools.os, "geteuid", lambda: 1000)
    assert "it needs root: a network namespace for each pod" in str(network_tools.missing())


def test_without_apt_the_build_says_what_to_install(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.does("ip")
    network_tools.bring()
    assert "curl, iptables is not installed, and without apt-get it cannot be fetched" in capsys.readouterr().err
    assert "iptables is missing" in str(network_tools.missing())


def test_what_cannot_be_fetched_is_told_with_the_reason(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.does("ip")
    machine.does("curl")
    machine.does("dpkg-deb")
    machine.does("apt-get", "echo 'E: Unable to locate package iptables' >&2; exit 100")
    network_tools.bring()
    assert "iptables could not be fetched: no package list names it" in capsys.readouterr().err
