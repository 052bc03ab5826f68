# SPDX-License-Identifier: GPL-3.0-or-later
"""Bookinfo by the Gateway API, and coolapp's route that leads nowhere, under a real istiod: callers get what was said before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from labs_support import Lab
from pods_support import missing
from testbed import Bed
from testbed.calls import Calls
from testbed.patience import until
from travel_support import said

OPERATORS = ("olm", "sail", "openshift", "observability", "pods")
pytestmark = [
    pytest.mark.long,
    pytest.mark.xdist_group("labs-pods"),
    pytest.mark.skipif(missing() is not None, reason=f"the data plane pods: {missing()}"),
]


def lab(name: str, **variables: Any) -> Callable[..., Iterator[Lab]]:
    """A bed for one lab, which is installed; it ends with its class, as two data planes are too much at a time."""

    def made(beds: Callable[..., Bed], playbook: Callable[..., Any]) -> Iterator[Lab]:
        bed = beds(*OPERATORS, tag=f"pods-{name}")
        found = Lab(name, "ossm3", bed, bed.user_kubeconfig("lab-admin", ["system:masters"]), playbook)
        found.play(name, **variables).check()
        yield found
        bed.stop()

    return made


bookinfo = pytest.fixture(scope="class")(lab("bookinfo", bookinfo_gateway="api"))
coolapp = pytest.fixture(scope="class")(lab("coolapp", coolapp_second_version=True))


def from_outside(lab: Lab, service: str, namespace: str, path: str = "/") -> Calls:
    address = lab.get("service", service, "-n", namespace)["spec"]["clusterIP"]
    return Calls(lab.bed, f"http://{lab.name}.apps.lab.example.com{path}", to=address, rate=20)


class TestBookinfoByTheGatewayApi:
    def test_the_page_answers_through_the_pods_that_istiod_runs(self, bookinfo: Lab) -> None:
        states = [state for name, state in bookinfo.ready("bookinfo").items() if name.startswith("bookinfo-gateway-istio-")]
        assert states == ["1/1", "1/1"]
        status = bookinfo.items("gateways.gateway.networking.k8s.io", "bookinfo")["bookinfo-gateway"]["status"]
        assert {"Accepted": "True", "Programmed": "True"}.items() <= {row["type"]: row["status"] for row in status["conditions"]}.items()
        with from_outside(bookinfo, "bookinfo-gateway-istio", "bookinfo", "/productpage") as calls:
            until(lambda: not calls.failed(calls.wait(20)), timeout=30, what="the page")
            begin = calls.wait(100)
        assert set(calls.by_status(begin)) == {200}
        assert {answer.pod.partition("/")[2].split("-")[0] for answer in calls.answers[begin:]} == {"productpage"}
        with from_outside(bookinfo, "bookinfo-gateway-istio", "bookinfo", "/other") as calls:
            calls.wait(20)
        assert set(calls.by_status()) == {404}  # no path of the sample's gateway

    def test_a_second_run_changes_nothing(self, bookinfo: Lab) -> None:
        again = bookinfo.play("bookinfo", bookinfo_gateway="api").check()
        assert again.changed == 0, again.stdout[-4000:]

    def test_nothing_is_left(self, bookinfo: Lab) -> None:
        gone = {"mesh_hosts": "bookinfo", "bookinfo_gateway": "api", "mesh_remove_namespaces": True, "mesh_remove_volumes": True}
        bookinfo.play("remove_mesh", **gone).check()
        until(lambda: bookinfo.get("namespaces", "bookinfo") == {}, timeout=60, what="the namespace gone")
        assert bookinfo.get("gateways.gateway.networking.k8s.io", "-A")["items"] == []


DIFFERENCE = """
- hosts: all
  gather_facts: false
  tasks:
    - meshops.mesh.traffic_diff:
        after: {path: "{{ given }}", applied: true}
        members: [coolapp]
      register: found
    - ansible.builtin.debug: {msg: "{{ found.text }}"}
"""
BY_HAND = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "catalog", "namespace": "coolapp"},
    "spec": {"hosts": ["catalog"], "http": [{"route": [{"destination": {"host": "catalog", "subset": "version-v2"}}]}]},
}


class TestCoolappsRouteToNowhere:
    def test_it_is_refused_with_the_503_that_callers_would_get(self, coolapp: Lab) -> None:
        run = coolapp.play("coolapp_traffic", coolapp_second_version=True, coolapp_step="missing")
        assert run.rc != 0
        assert "'version-v2' is none of its versions, so callers would get 503" in said(run), said(run)[-1500:]

    def test_by_hand_callers_get_what_was_predicted(self, coolapp: Lab, tmp_path: Path) -> None:
        given, play = tmp_path / "by_hand.yaml", tmp_path / "difference.yml"
        given.write_text(yaml.safe_dump(BY_HAND), encoding="utf-8")
        play.write_text(DIFFERENCE, encoding="utf-8")
        where = {"bed": coolapp.bed, "kubeconfig": coolapp.kubeconfig, "inventory": "inventories/coolapp"}
        told = said(coolapp.run(str(play), extra_vars={"given": str(given)}, **where).check())
        assert "became 503 (no DestinationRule defines subset version-v2 of catalog.coolapp.svc.cluster.local" in told, told[-3000:]
        inside = Calls(coolapp.bed, "http://catalog:8080/", source="coolapp/partner", rate=20)
        with inside:
            until(lambda: not inside.failed(inside.wait(20)), timeout=30, what="answers of before")
            assert inside.by_version(len(inside) - 20).keys() <= {"v1", "v2"}
            made = coolapp.bed.kubectl("apply", "-f", str(given))
            assert made.returncode == 0, made.stderr
            until(lambda: set(inside.by_status(inside.wait(20))) == {503}, timeout=30, what="503 for whoever calls catalog")
            # the applications say what they got, as those of the text do: gateway => 503 partner => 503
            chain = coolapp.bed.kubectl(
                "exec", "-n", "coolapp", "deployment/gateway", "-c", "gateway", "--", "curl", "-s", "http://partner:8080/"
            )
            assert "catalog:8080: 503" in chain.stdout, chain
            coolapp.bed.kubectl("delete", "-f", str(given))
            until(lambda: not inside.failed(inside.wait(20)), timeout=30, what="answers again")

    def test_the_step_with_its_versions_leads_there_and_nobody_notices(self, coolapp: Lab) -> None:
        with Calls(coolapp.bed, "http://catalog:8080/", source="coolapp/partner", rate=20) as calls:
            calls.wait(20)
            coolapp.play("coolapp_traffic", coolapp_second_version=True, coolapp_step="all_v2").check()
            until(lambda: set(calls.by_version(calls.wait(20))) == {"v2"}, timeout=30, what="v2 only")
        assert calls.failed() == []
