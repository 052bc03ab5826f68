# SPDX-License-Identifier: GPL-3.0-or-later
"""Which istiods a bed has, who installs them, and where its pods are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from testbed import Bed, BedError, bed, binaries, kubelet, processes, supervisor
from testbed.operators import sail
from testbed.operators.__main__ import load
from testbed.processes import Layout
from testbed.supervisor import Supervisor

SAIL = ("olm", "sail")


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which Istio's programs are built and no variable names another one."""
    for variable in ("MESH_SAIL_OPERATOR", "MESH_ISTIOD", "MESH_ISTIOCTL", "MESH_PILOT_AGENT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(binaries, "BIN", tmp_path)
    for name in (*binaries.ISTIO.binaries, *binaries.ISTIO.files):
        (tmp_path / name).touch()
    (tmp_path / ".istio.stamp").write_text(binaries._recipe(binaries.ISTIO))
    return tmp_path


@pytest.mark.parametrize(
    ("choice", "operators", "variable", "real"),
    [
        ("", SAIL, False, False),
        ("", SAIL, True, True),
        ("", ("olm",), True, False),
        ("played", SAIL, True, False),
        ("real", SAIL, False, True),
        ("", (*SAIL, "pods"), False, True),
        ("", ("pods",), False, False),
    ],
)
def test_an_istiod_is_real_when_it_is_asked_for(
    there: Path, monkeypatch: pytest.MonkeyPatch, *, choice: str, operators: tuple[str, ...], variable: bool, real: bool
) -> None:
    if variable:
        monkeypatch.setenv("MESH_ISTIOD", str(there / "pilot-discovery"))
    assert bed._istiod(choice, operators) == (str(there / "pilot-discovery") if real else None)


def test_what_cannot_be_is_refused_with_the_way_to_it(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BedError, match="istiod is real or played, not 'true'"):
        bed._istiod("true", SAIL)
    with pytest.raises(BedError, match="name it among the operators"):
        bed._istiod("real", ("olm", "maistra"))
    with pytest.raises(BedError, match="The data plane pods needs real istiods"):
        bed._istiod("played", (*SAIL, "pods"))
    (there / ".istio.stamp").unlink()
    with pytest.raises(BedError, match="pilot-discovery of Istio is not built: python -m testbed build --with istio"):
        bed._istiod("real", SAIL)
    monkeypatch.setenv("MESH_ISTIOD", str(there / "pilot-discovery"))
    with pytest.raises(BedError, match="istioctl of Istio is not built"):
        bed._istiod("", SAIL)
    monkeypatch.setenv("MESH_SAIL_OPERATOR", "/somebody's")
    assert bed._istiod("", SAIL) == str(there / "pilot-discovery"), "a real operator brings its charts"


def test_a_running_bed_of_another_kind_is_no_answer(tmp_path: Path) -> None:
    running = Bed(tmp_path / "b")
    running.dir.mkdir()
    (running.dir / "bed.json").write_text(json.dumps({"operators": list(SAIL), "istiod": None, "pod_cidr": processes.POD_CIDR}))
    running._is_as_asked(("sail", "olm"), "", processes.POD_CIDR)
    running._is_as_asked(None, "played", processes.POD_CIDR)
    for operators, istiod, cidr, said in (
        (("olm",), "", processes.POD_CIDR, r"operators \[olm,sail\], not with \[olm\]: stop it first"),
        (None, "real", processes.POD_CIDR, "played istiods, not real ones: stop it first"),
        (None, "", "10.20.0.0/16", "pods in 10.128.0.0/14, not in 10.20.0.0/16: stop it first"),
    ):
        with pytest.raises(BedError, match=said):
            running._is_as_asked(operators, istiod, cidr)


@pytest.mark.parametrize("cidr", ["10.129.0.0/16", "192.168.0.0/17"])
def test_pods_get_their_addresses_from_the_beds_network(tmp_path: Path, cidr: str) -> None:
    ports = {"kubelet": 1, "api": 2}
    layout = Layout("t", tmp_path, tmp_path, ports, {"kwok": Path("/kwok")}, str(bed._network(cidr)))
    assert f"--cidr={cidr}" in processes.kwok(layout).argv


@pytest.mark.parametrize(
    ("cidr", "said"), [("10.96.0.0/12", "overlaps with that of Services"), ("10.1.1.1/8", "is no network"), ("x", "is no network")]
)
def test_networks_that_are_refused(cidr: str, said: str) -> None:
    with pytest.raises(BedError, match=said):
        bed._network(cidr)


@pytest.mark.parametrize(
    ("spec", "played"),
    [
        ({}, ("olm", "sail")),
        ({"istiod": "/i"}, ("olm", "sail", "real-istiod")),
        ({"sail_operator": "/s"}, ("olm", "istiod")),
        ({"sail_operator": "/s", "istiod": "/i"}, ("olm", "istiod", "real-istiod")),
    ],
)
def test_who_installs_and_who_runs(monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any], played: tuple[str, ...]) -> None:
    one = Supervisor.__new__(Supervisor)
    one.spec, one.layout = {"operators": list(SAIL), **spec}, None
    one.api = type("Api", (), {"ensure": staticmethod(lambda *_args: None)})()
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr(supervisor.processes, "operators", lambda _layout, names: started.append(names))
    monkeypatch.setattr(one, "spawn", lambda _process: None, raising=False)
    one._start_operators()
    assert started == [played]
    names = {controller.__name__ for controller in load(list(played))}
    assert ("RealIstiod" in names, "PlayedIstiod" in names) == (bool(spec.get("istiod")), not spec.get("istiod"))
    assert ("SailController" in names) is ("sail_operator" not in spec)
    assert kubelet.from_api(one.spec) is bool(spec.get("istiod"))


def test_what_istiod_writes_into_a_webhook_is_no_change_of_it() -> None:
    def webhook(**config: str) -> dict[str, Any]:
        hooks = [{"name": "a", "clientConfig": {"service": {"name": "istiod"}, **config}}]
        return {"kind": "MutatingWebhookConfiguration", "metadata": {"generation": len(config)}, "webhooks": hooks}

    assert sail._state_of(webhook()) == sail._state_of(webhook(caBundle="Zm9v"))
    assert sail._state_of(webhook()) != sail._state_of(webhook(url="https://elsewhere.example.com"))
    assert sail._state_of({"kind": "Service", "metadata": {"generation": 3}}) == 3
